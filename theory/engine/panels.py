"""K' on an interval of alpha from 26 moments of M: the tilted measure, compressed once.

On a panel |alpha - c| <= h the sums behind K' are entire functions of y = (alpha - c) / h,

    D(y) = sum w e^(y h d) = sum_k M_k y^k / k!,    M_k = sum w (h d)^k,    h (K' - m) = D' / D,

with w = p_c, d = M - m and m a value of M near K'(c) from which the panel measures. One pass over
the vocabulary gives every M_k; after it K' costs 26 products per alpha, whatever V is.

Two things make the sign of K' - M(z) certain. The Taylor remainder of D' is bounded, not
estimated, and so is what the rounding of the weights does to D' - tau D (`Panel.noise`). A
bracket is given out only where the slope beats both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steering_strength.theory.engine.compression import (
    DEGREE,
    EPS,
    Compressed,
    compress,
    wild_remainder,
)

__all__ = ["HALF_WIDTH", "Panel", "fit_panel"]

Vector = NDArray[np.float64]

_LOG_FACTORIAL = math.lgamma(DEGREE + 1.0)
_FACTORIAL = np.cumprod(np.concatenate(([1.0], np.arange(1.0, DEGREE + 1.0))))
# What a panel may neglect at its ends: the weights carry ten eps and more anyway.
_NEGLECTED = 2.0**-50
# Where the inverse of K' is tabulated: on 128 cells its quintic is good to about 1e-14.
_CELLS = 128
_WIDTH = 2.0 / _CELLS
_NODES = np.linspace(-1.0, 1.0, _CELLS + 1)
# A bracket is 2e-11 wide, relative to alpha, where rounding allows; a little less is asked for.
HALF_WIDTH = 0.9e-11
_CHUNK = 4096
# Steps after which a root that is still moving keeps the bracket it has.
_STEPS = 60


@dataclass(frozen=True, eq=False)
class Panel:
    """K' for |alpha - centre| <= reach.

    Attributes
    ----------
    centre, reach : float
        c and h.
    origin : float
        m, a value of M: distances from it are exact for near-ties.
    table : (4, DEGREE + 1)
        Coefficients of D, D', D'', D''' in powers of y.
    grid : (129,)
        D'/D at `_NODES`, increasing.
    inverse : (7, 128)
        On each cell between nodes, the six coefficients of the quintic for y minus its lower node
        in t = (tau - grid) / rise, and 1 / rise.
    noise : (129,)
        Bound of the error of D' - tau D for |y| up to that node, tau within the grid.
    log_total : float
        log sum exp(log p + c (M - max M)).
    dropped : int
        How many leading tokens no longer weigh, here and for any larger alpha.
    """

    centre: float
    reach: float
    origin: float
    table: NDArray[np.float64]
    grid: Vector
    inverse: NDArray[np.float64]
    noise: Vector
    log_total: float
    dropped: int

    @property
    def end(self) -> float:
        """The upper end, c + h."""
        return self.centre + self.reach

    @property
    def start(self) -> float:
        """The lower end, c - h."""
        return self.centre - self.reach

    @property
    def last_slope(self) -> float:
        """d(D'/D)/dy over the last cell."""
        return float(self.grid[-1] - self.grid[-2]) / _WIDTH

    def scaled(self, levels: Vector) -> Vector:
        """Return tau = h (level - m), the value of D'/D to look for."""
        tau: Vector = (levels - self.origin) * self.reach
        return tau

    def solve(self, levels: Vector) -> NDArray[np.float64]:
        """Return (alpha, half-width, dual) for increasing levels of M in the panel, shape (3, T).

        K' - level is certainly < 0 at alpha - half-width and > 0 at alpha + half-width. dual is
        (alpha - c)(level - m) - log D: K*(level) up to terms the caller knows.
        """
        result = np.empty((3, levels.size))
        for first in range(0, levels.size, _CHUNK):
            part = slice(first, first + _CHUNK)
            result[:, part] = self._solve(self.scaled(levels[part]))
        return result

    def sums(self, alpha: Vector, extreme: float) -> NDArray[np.float64]:
        """Return (K - alpha extreme, K' - extreme, K'') at alphas in the panel, shape (3, A).

        K'' is nan where the difference that forms it would lose six bits.
        """
        y = (alpha - self.centre) / self.reach
        d0, d1, d2 = _evaluate(self.table[:3], y)
        slope, square = d1 / d0, d2 / d0
        kept = square - slope * slope >= square / 64.0
        return np.stack(
            (
                self.log_total + (alpha - self.centre) * (self.origin - extreme) + np.log(d0),
                (self.origin - extreme) + slope / self.reach,
                np.where(kept, square - slope * slope, np.nan) / self.reach**2,
            )
        )

    def _solve(self, tau: Vector) -> tuple[Vector, Vector, Vector]:
        cell = np.clip(np.searchsorted(self.grid, tau) - 1, 0, _CELLS - 1)
        t = (tau - self.grid[cell]) * self.inverse[-1, cell]
        offset = np.take(self.inverse[-2], cell)
        for row in self.inverse[-3::-1]:
            offset *= t
            offset += np.take(row, cell)
        y = _NODES[cell] + offset
        noise = np.maximum(self.noise[:-1], self.noise[1:])[cell]
        d0, d1, d2 = _evaluate(self.table[:3], y)
        f, f1 = d1 - tau * d0, d2 - tau * d1
        # A further step is worth it only where it can narrow the bracket; hardly anywhere.
        wanted = (0.1 * HALF_WIDTH) * f1 * np.abs(self.centre / self.reach + y)
        rough = np.flatnonzero(~(np.abs(f) <= np.maximum(noise, wanted)))
        if rough.size:
            y[rough] = self._refine(tau[rough], cell[rough], noise[rough])
            d0, d1, d2 = _evaluate(self.table[:3], y)
            f, f1 = d1 - tau * d0, d2 - tau * d1
        # f(y +- b) = f +- b f1 up to b^2/2 max|f2|, and b is 1e-11: the slope decides the sign as
        # soon as b f1 exceeds |f| and the noise. Twice that leaves room for the second order and
        # for the last correction of y.
        with np.errstate(divide="ignore", invalid="ignore"):
            width = 2.0 * self.reach * (noise + np.abs(f)) / f1
            alpha = self.centre + self.reach * (y - f / f1)
        return alpha, np.maximum(HALF_WIDTH * np.abs(alpha), width), y * tau - np.log(d0)

    def _refine(self, tau: Vector, cell: NDArray[np.intp], noise: Vector) -> Vector:
        """Return y by Halley's steps kept inside a shrinking bracket."""
        # The neighbouring cells are let in: a root next to a node may round to its other side.
        below, above = _NODES[cell] - _WIDTH, _NODES[cell + 1] + _WIDTH
        y = 0.5 * (below + above)
        for _ in range(_STEPS):
            d0, d1, d2, d3 = _evaluate(self.table, y)
            f, f1, f2 = d1 - tau * d0, d2 - tau * d1, d3 - tau * d2
            moving = np.abs(f) > noise
            if not moving.any():
                break
            below, above = np.where(f < 0.0, y, below), np.where(f < 0.0, above, y)
            with np.errstate(divide="ignore", invalid="ignore"):
                step = f / f1
                proposal = y - step / (1.0 - 0.5 * step * (f2 / f1))
            inside = (proposal >= below) & (proposal <= above)
            proposal = np.where(inside, proposal, 0.5 * (below + above))
            y = np.where(moving, proposal, y)
        return y


def fit_panel(
    log_p: Vector, gap: Vector, values: Vector, centre: float, origin: float, radius: float
) -> Panel | None:
    """Compress the measure tilted by `centre`; None where a single value of M is left to weigh.

    Parameters
    ----------
    log_p, gap, values : (n,)
        log p, M - max M and M of the tokens, M increasing.
    centre : float
        c.
    origin : float
        A value of M near K'(c).
    radius : float
        A guess at 1/h; only the scale in which powers are formed, so a factor 1000 is harmless.
    """
    for _ in range(40):
        measure = compress(log_p, gap, values, centre, origin, radius)
        size, last = measure.first_absolute, float(measure.moments[DEGREE + 1])
        if size < 1e-285:
            return None
        if last < 1e-290:
            # The radius was so large that the powers which matter underflow.
            radius *= max(size, math.sqrt(float(measure.moments[2])))
            continue
        # x = h / radius at which M_26 / 25!, the first term that D' neglects, is `_NEGLECTED` of
        # sum w |h d|, the size of the sums whose sign is to be decided.
        x = math.exp((math.log(size / last * _NEGLECTED) + _LOG_FACTORIAL) / DEGREE)
        if 1e-6 < x < 1e6:
            break
        radius /= x
    reach = x / radius
    bound = _NEGLECTED * size * x
    while (remainder := wild_remainder(measure, reach, bound)) > bound:
        reach *= 0.7
        bound *= 0.7
    return _panel(measure, reach, remainder)


def _panel(measure: Compressed, reach: float, remainder: float) -> Panel:
    x = reach * measure.radius
    powers = x ** np.arange(DEGREE + 2.0)
    scaled = measure.moments[: DEGREE + 2] * powers
    table = np.zeros((4, DEGREE + 1))
    for k in range(4):
        table[k, : DEGREE + 1 - k] = scaled[k : DEGREE + 1] / _FACTORIAL[: DEGREE + 1 - k]
    derivatives = _evaluate(table, _NODES)
    grid = np.maximum.accumulate(derivatives[1] / derivatives[0])
    # sum w |h d|^k: even orders are there, odd ones lie below the geometric mean of neighbours.
    absolute = scaled.copy()
    absolute[1:-1:2] = np.sqrt(scaled[:-2:2] * scaled[2::2])
    absolute[1] = measure.first_absolute * x
    sizes = np.zeros((2, DEGREE + 1))
    sizes[0] = absolute[:-1] / _FACTORIAL
    sizes[1, :-1] = absolute[1:-1] / _FACTORIAL[:-1]
    zeroth, first = _evaluate(sizes, np.abs(_NODES))
    # The weights carry a relative error of eps times the size of their exponents (`condition`, an
    # average over w |d|), exp and the sums a few eps more.
    noise = EPS * (measure.condition + 4.0) * (first + np.abs(grid) * zeroth)
    # The Taylor remainder of D' - tau D; that of D is 1/26 of it.
    neglected = remainder + 2.0 * scaled[DEGREE + 1] / _FACTORIAL[-1]
    noise += neglected * (1.0 + np.abs(grid)) * np.abs(_NODES) ** (DEGREE - 1)
    return Panel(
        centre=measure.centre,
        reach=reach,
        origin=measure.origin,
        table=table,
        grid=grid,
        inverse=_inverse(derivatives, grid),
        noise=noise,
        log_total=measure.log_total,
        dropped=measure.dropped,
    )


def _evaluate(table: NDArray[np.float64], y: Vector) -> NDArray[np.float64]:
    """Return the polynomials whose coefficients are the rows of `table`, shape (rows, len(y))."""
    powers = np.empty((DEGREE + 1, y.size))
    powers[0] = 1.0
    for k in range(1, DEGREE + 1):
        np.multiply(powers[k - 1], y, out=powers[k])
    result: NDArray[np.float64] = table @ powers
    return result


def _inverse(derivatives: NDArray[np.float64], grid: Vector) -> NDArray[np.float64]:
    """Return Hermite's quintics for y as a function of g = D'/D; see `Panel.inverse`."""
    d0, d1, d2, d3 = derivatives
    rise = np.diff(grid)
    with np.errstate(all="ignore"):
        mean, second = d1 / d0, d2 / d0
        slope = second - mean * mean
        curvature = d3 / d0 - 3.0 * mean * second + 2.0 * mean**3
        # y' = 1 / g' and y'' = -g'' / g'^3, in the unit of t.
        v0, v1 = rise / slope[:-1], rise / slope[1:]
        a0, a1 = -curvature[:-1] / slope[:-1] * v0 * v0, -curvature[1:] / slope[1:] * v1 * v1
        quintic = np.stack(
            (
                np.zeros_like(rise),
                v0,
                0.5 * a0,
                10.0 * _WIDTH - 6.0 * v0 - 4.0 * v1 - 1.5 * a0 + 0.5 * a1,
                -15.0 * _WIDTH + 8.0 * v0 + 7.0 * v1 + 1.5 * a0 - a1,
                6.0 * _WIDTH - 3.0 * (v0 + v1) - 0.5 * (a0 - a1),
                1.0 / rise,
            )
        )
    # Where K' does not rise to rounding the middle of the cell is as good as any point.
    flat = ~np.isfinite(quintic).all(axis=0)
    quintic[:, flat] = 0.0
    quintic[0, flat] = 0.5 * _WIDTH
    return quintic
