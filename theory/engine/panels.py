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

from theory.engine.compression import DEGREE, EPS, Compressed, compress, wild_remainder

__all__ = ["HALF_WIDTH", "Panel", "fit_panel"]

Vector = NDArray[np.float64]

_LOG_FACTORIAL = math.lgamma(DEGREE + 1.0)
_FACTORIAL = np.cumprod(np.concatenate(([1.0], np.arange(1.0, DEGREE + 1.0))))
# Where K' is tabulated, to start the root-finding inside a cell of which it crosses the level.
# 128 cells make the first guess good enough for one step of Halley's.
_NODES = np.linspace(-1.0, 1.0, 129)
_CELL = 2.0 / 128.0
# A bracket is 2e-11 wide, relative to alpha, where rounding allows; a little less is asked for.
HALF_WIDTH = 0.9e-11
_CHUNK = 2048
# Steps after which a root that is still moving keeps the bracket it has; two are usual.
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
    grid, slopes : (129,)
        D'/D at `_NODES`, increasing, and its derivative.
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
    slopes: Vector
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

    def _solve(self, tau: Vector) -> tuple[Vector, Vector, Vector]:
        cell = np.clip(np.searchsorted(self.grid, tau) - 1, 0, _NODES.size - 2)
        y = _inverse_cubic(tau, cell, self.grid, self.slopes)
        # The neighbouring cells are let in: a root next to a node may round to its other side.
        below, above = _NODES[cell] - _CELL, _NODES[cell + 1] + _CELL
        noise = np.maximum(self.noise[cell], self.noise[cell + 1])
        for _ in range(_STEPS):
            d0, d1, d2, d3 = _evaluate(self.table, y)
            f, f1, f2 = d1 - tau * d0, d2 - tau * d1, d3 - tau * d2
            # A further step is worth it only where it can narrow the bracket.
            wanted = np.maximum(noise, 0.1 * HALF_WIDTH * f1 * np.abs(self.centre / self.reach + y))
            open_ = np.abs(f) > wanted
            if not open_.any():
                break
            below, above = np.where(f < 0.0, y, below), np.where(f < 0.0, above, y)
            # Halley's step, or the middle of what is left of the cell where it leads out of it.
            with np.errstate(divide="ignore", invalid="ignore"):
                step = f / f1
                proposal = y - step / (1.0 - 0.5 * step * (f2 / f1))
            inside = (proposal >= below) & (proposal <= above)
            proposal = np.where(inside, proposal, 0.5 * (below + above))
            y = np.where(open_, proposal, y)
        # f(y +- b) = f +- b f1 up to b^2/2 max|f2|, and b is 1e-11: the slope decides the sign as
        # soon as b f1 exceeds |f| and the noise. Twice that leaves room for the second order and
        # for the last correction of y.
        with np.errstate(divide="ignore", invalid="ignore"):
            width = 2.0 * self.reach * (noise + np.abs(f)) / f1
            alpha = self.centre + self.reach * (y - f / f1)
        return alpha, np.maximum(HALF_WIDTH * np.abs(alpha), width), y * tau - np.log(d0)


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
        # x = h / radius at which M_26 / 25!, the first term that D' neglects, is 2^-54 of
        # sum w |h d|, the size of the sums whose sign is to be decided.
        x = math.exp((math.log(size / last) + _LOG_FACTORIAL - 54.0 * math.log(2.0)) / DEGREE)
        if 1e-6 < x < 1e6:
            break
        radius /= x
    reach = x / radius
    bound = 2.0 * EPS * size * x
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
    d0, d1, d2, _ = _evaluate(table, _NODES)
    grid = np.maximum.accumulate(d1 / d0)
    # sum w |h d|^k: even orders are there, odd ones lie below the geometric mean of neighbours.
    absolute = scaled.copy()
    absolute[1:-1:2] = np.sqrt(scaled[:-2:2] * scaled[2::2])
    absolute[1] = measure.first_absolute * x
    sizes = np.zeros((2, DEGREE + 1))
    sizes[0] = absolute[:-1] / _FACTORIAL
    sizes[1, :-1] = absolute[1:-1] / _FACTORIAL[:-1]
    zeroth, first, _, _ = _evaluate(np.concatenate((sizes, sizes)), np.abs(_NODES))
    # The weights carry a relative error of eps times the size of their exponents (`condition`, an
    # average over w |d|), exp and the sums a few eps more.
    noise = EPS * (measure.condition + 4.0) * (first + np.abs(grid) * zeroth)
    noise += (remainder + 2.0 * scaled[DEGREE + 1] / _FACTORIAL[-1]) * np.abs(_NODES) ** (
        DEGREE - 1
    )
    return Panel(
        centre=measure.centre,
        reach=reach,
        origin=measure.origin,
        table=table,
        grid=grid,
        slopes=np.maximum(d2 / d0 - (d1 / d0) ** 2, 0.0),
        noise=noise,
        log_total=measure.log_total,
        dropped=measure.dropped,
    )


def _evaluate(table: NDArray[np.float64], y: Vector) -> NDArray[np.float64]:
    """Return the four polynomials of `table` at y, shape (4, len(y))."""
    powers = np.empty((DEGREE + 1, y.size))
    powers[0] = 1.0
    for k in range(1, DEGREE + 1):
        np.multiply(powers[k - 1], y, out=powers[k])
    result: NDArray[np.float64] = table @ powers
    return result


def _inverse_cubic(tau: Vector, cell: NDArray[np.intp], grid: Vector, slopes: Vector) -> Vector:
    """Return y with D'/D near tau: Hermite's cubic for the inverse function on each cell."""
    start, rise = grid[cell], np.diff(grid)[cell]
    with np.errstate(all="ignore"):
        t = (tau - start) / rise
        left = rise / slopes[cell] - _CELL
        right = _CELL - rise / slopes[cell + 1]
        offset = t * _CELL + t * (1.0 - t) * (left * (1.0 - t) + right * t)
    inside = (offset >= 0.0) & (offset <= _CELL)
    result: Vector = _NODES[cell] + np.where(inside, offset, 0.5 * _CELL)
    return result
