"""K' on an interval of alpha from 26 moments of M: the tilted measure, compressed once.

On a panel |alpha - c| <= h the sums behind K' are entire functions of y = (alpha - c) / h,

    D(y) = sum w e^(y h d) = sum_k M_k y^k / k!,    M_k = sum w (h d)^k,    h (K' - m) = D' / D,

with w = p_c, d = M - m and m a value of M near K'(c) from which the panel measures. One pass over
the vocabulary (`Compressed`) gives every M_k; after it K' costs 26 products per alpha, for any V.

Two things make the sign of K' - M(z) certain. The Taylor remainder of D' is bounded, not
estimated, and so is what the rounding of the weights does to D' - tau D (`Panel.noise`). A
bracket is given out only where the slope beats both.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

# D is summed to y^25, D' to y^24. Fewer terms mean more panels: 18 to 34 cost about the same.
DEGREE = 25
EPS = float(np.finfo(np.float64).eps)
# Tokens per block: smaller ones pay for calls, larger ones leave the second-level cache.
BLOCK = 16384
# exp is ten times slower where its result is subnormal or 0, and e^-700 weighs nothing.
_FLOOR = -700.0
# Larger |u| would overflow u^26; a token there either weighs nothing or shrinks the panel.
_CLIP = 1e10
# Up to this x the remainder of e^x after degree 24 is at most twice its first term.
_TAME = 13.0


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


class Side:
    """Tokens with M increasing, seen towards alpha -> +inf: log p, M, M - max M, each (n,)."""

    def __init__(self, log_p: Vector, values: Vector, gap: Vector | None = None) -> None:
        self.log_p, self.values = log_p, values
        self.gap: Vector = values - values[-1] if gap is None else gap

    def mirrored(self) -> Side:
        """Return the same tokens with -M for M, which turns alpha into -alpha."""
        log_p, values = self.log_p[::-1], -self.values[::-1]
        return Side(np.ascontiguousarray(log_p), np.ascontiguousarray(values))

    def after(self, first: int) -> Side:
        """Leave out the first tokens."""
        return Side(self.log_p[first:], self.values[first:], self.gap[first:])

    def mean(self, alpha: float) -> float:
        """Return K'(alpha), roughly: a mean of M under p_alpha, in one pass."""
        weight = alpha * self.gap
        weight += self.log_p
        weight -= weight.max()
        np.exp(weight, out=weight)
        return float(self.values[-1] + weight @ self.gap / weight.sum())

    def nearest(self, value: float) -> float:
        """Return the value of M nearest to `value`."""
        above = min(int(np.searchsorted(self.values, value)), self.values.size - 1)
        pair = float(self.values[max(above - 1, 0)]), float(self.values[above])
        return min(pair, key=lambda m: abs(m - value))

    def slope(self, alpha: float, level: float) -> tuple[float, float]:
        """Return (a number with the sign of K'(alpha) - level, a scale of M there).

        The scale is sqrt(m4 / m2) of M under p_alpha, 0 where one value is left: K' varies over
        steps of alpha of the order of its inverse. Tokens on the level itself do not decide the
        sign, so the weights are relative to the others, however light those are.
        """
        distance = self.values - level
        exponent = alpha * self.gap
        exponent += self.log_p
        exponent[distance == 0.0] = -np.inf
        exponent -= exponent.max()
        # The level's own weight is left out of the scale too, which sets the step, not the sign.
        np.maximum(exponent, 2.0 * _FLOOR, out=exponent)
        weight = np.exp(exponent, out=exponent)
        total = float(weight.sum())
        slope = float(weight @ distance)
        distance -= slope / total
        distance *= distance
        second = float(weight @ distance)
        distance *= distance
        fourth = float(weight @ distance)
        return slope, math.sqrt(fourth / second) if second > 0.0 else 0.0


class Compressed:
    """Moments of u = (M - origin) / radius under w = p_centre, and what their error needs.

    Blocks of tokens let the powers of M - m live in cache, hold the memory at O(block), and tell
    which end of the vocabulary still weighs.

    Attributes
    ----------
    moments : (30,)
        sum w u^k, k = 0 .. 29, with sum w = 1.
    first_absolute : float
        sum w |u|.
    condition : float
        sum w |u e| / sum w |u|, e the exponents of the weights: how many eps the weights carry.
    log_weights : (blocks,)
        log sum w over each block of `BLOCK` tokens.
    dropped : int
        Leading tokens that carry less than 2^-64 of both sum w and sum w |u|. They lie farther
        below the mean than the rest, so their share keeps falling as alpha grows.
    """

    def __init__(self, side: Side, centre: float, origin: float, radius: float) -> None:
        self.side, self.centre, self.origin, self.radius = side, centre, origin, radius
        log_p, gap, values = side.log_p, side.gap, side.values
        starts = range(0, values.size, BLOCK)
        tops, absolute, condition = (np.zeros(len(starts)) for _ in range(3))
        products = np.empty((len(starts), 6, 5))
        left, right = np.empty((5, BLOCK)), np.ones((6, BLOCK))
        buffers = np.empty((2, BLOCK))
        lightest = float(log_p.min())
        for b, start in enumerate(starts):
            part = slice(start, min(start + BLOCK, values.size))
            size = part.stop - start
            low, high, (exponent, u) = left[:, :size], right[:, :size], buffers[:, :size]
            np.multiply(gap[part], centre, out=exponent)
            exponent += log_p[part]
            tops[b] = exponent.max()
            exponent -= tops[b]
            ends = centre * gap[part.start], centre * gap[part.stop - 1]
            if min(ends) + lightest - tops[b] < _FLOOR:
                np.maximum(exponent, _FLOOR, out=exponent)
            np.exp(exponent, out=low[0])
            np.subtract(values[part], origin, out=u)
            u *= 1.0 / radius
            if max(-u[0], u[-1]) > _CLIP:
                np.clip(u, -_CLIP, _CLIP, out=u)
            # Powers 0 .. 4 carry the weight, powers 0, 5, .., 25 do not: one small matrix product.
            for k in range(1, 5):
                np.multiply(low[k - 1], u, out=low[k])
            fifth = high[1]
            np.multiply(u, u, out=fifth)
            fifth *= fifth
            fifth *= u
            for k in range(2, 6):
                np.multiply(high[k - 1], fifth, out=high[k])
            products[b] = high @ low.T
            first = low[1]
            if u[0] < 0.0 < u[-1]:
                first = np.abs(first, out=u)
                absolute[b] = u.sum()
            else:
                absolute[b] = abs(products[b, 0, 1])
            condition[b] = absolute[b] * abs(tops[b]) + abs(first @ exponent)
        top = float(tops.max())
        factor = np.exp(np.maximum(tops - top, _FLOOR))
        weights = factor * products[:, 0, 0]
        total = float(weights.sum())
        absolute *= factor
        first_absolute = float(absolute.sum())
        light = (np.cumsum(absolute) < 2.0**-64 * first_absolute) & (
            np.cumsum(weights) < 2.0**-64 * total
        )
        self.log_total = top + math.log(total)
        self.moments = np.tensordot(factor, products, axes=1).ravel() / total
        self.first_absolute = first_absolute / total
        self.condition = float(condition @ factor) / max(first_absolute, 1e-300)
        self.log_weights = np.log(products[:, 0, 0]) + (tops - top) - math.log(total)
        self.dropped = int(light.sum()) * BLOCK


def wild_remainder(measure: Compressed, reach: float, negligible: float) -> float:
    """Bound the part of the Taylor remainder of D' on |y| <= 1 that 2 M_26 / 25! does not cover.

    |e^x - T_24(x)| <= |x|^25 / 25! max(1, e^x), and up to |x| = 13 twice the first factor is
    enough. What is left are tokens with h |d| > 13: bounded by block, and token by token where
    the block's bound is not already `negligible`.
    """
    side, values, origin = measure.side, measure.side.values, measure.origin
    first = np.arange(0, values.size, BLOCK)
    last = np.minimum(first + BLOCK, values.size) - 1
    farthest = reach * np.maximum(np.abs(values[first] - origin), np.abs(values[last] - origin))
    wild = np.flatnonzero(farthest > _TAME)
    log_bound = measure.log_weights[wild] + _log_term(farthest[wild])
    small = log_bound < math.log(negligible) - math.log(16.0 * values.size)
    bound = float(np.exp(np.maximum(log_bound[small], _FLOOR)).sum())
    for b in wild[~small]:
        part = slice(int(first[b]), int(last[b]) + 1)
        x = reach * np.abs(values[part] - origin)
        far = x > _TAME
        exponent = measure.centre * side.gap[part][far] + side.log_p[part][far]
        exponent += _log_term(x[far]) - measure.log_total
        bound += float(np.exp(np.clip(exponent, _FLOOR, -_FLOOR)).sum())
    return bound


def _log_term(x: Vector) -> Vector:
    """Return log(x^26 e^x / 25!)."""
    return np.asarray(x + (DEGREE + 1) * np.log(x) - math.lgamma(DEGREE + 1.0))


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

    def __init__(self, measure: Compressed, reach: float, remainder: float) -> None:
        self.centre, self.reach, self.origin = measure.centre, reach, measure.origin
        self.log_total, self.dropped = measure.log_total, measure.dropped
        x = reach * measure.radius
        powers = x ** np.arange(DEGREE + 2.0)
        scaled = measure.moments[: DEGREE + 2] * powers
        self.table = table = np.zeros((4, DEGREE + 1))
        for k in range(4):
            table[k, : DEGREE + 1 - k] = scaled[k : DEGREE + 1] / _FACTORIAL[: DEGREE + 1 - k]
        derivatives = _evaluate(table, _NODES)
        self.grid = grid = np.maximum.accumulate(derivatives[1] / derivatives[0])
        # sum w |h d|^k: even orders are there, odd ones lie below the geometric mean of neighbours.
        absolute = scaled.copy()
        absolute[1:-1:2] = np.sqrt(scaled[:-2:2] * scaled[2::2])
        absolute[1] = measure.first_absolute * x
        sizes = np.zeros((2, DEGREE + 1))
        sizes[0] = absolute[:-1] / _FACTORIAL
        sizes[1, :-1] = absolute[1:-1] / _FACTORIAL[:-1]
        zeroth, first = _evaluate(sizes, np.abs(_NODES))
        # The weights carry a relative error of eps times the size of their exponents (`condition`,
        # an average over w |d|), exp and the sums a few eps more.
        self.noise = EPS * (measure.condition + 4.0) * (first + np.abs(grid) * zeroth)
        # The Taylor remainder of D' - tau D; that of D is 1/26 of it.
        neglected = remainder + 2.0 * scaled[DEGREE + 1] / _FACTORIAL[-1]
        self.noise += neglected * (1.0 + np.abs(grid)) * np.abs(_NODES) ** (DEGREE - 1)
        self.inverse = _inverse(derivatives, grid)

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
        return np.asarray((levels - self.origin) * self.reach)

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


def fit_panel(side: Side, centre: float, origin: float, radius: float) -> Panel | None:
    """Compress the measure tilted by `centre`; None where a single value of M is left to weigh.

    Parameters
    ----------
    centre : float
        c.
    origin : float
        A value of M near K'(c).
    radius : float
        A guess at 1/h; only the scale in which powers are formed, so a factor 1000 is harmless.
    """
    for _ in range(40):
        measure = Compressed(side, centre, origin, radius)
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
    return Panel(measure, reach, remainder)


def _evaluate(table: NDArray[np.float64], y: Vector) -> NDArray[np.float64]:
    """Return the polynomials whose coefficients are the rows of `table`, shape (rows, len(y))."""
    powers = np.empty((DEGREE + 1, y.size))
    powers[0] = 1.0
    for k in range(1, DEGREE + 1):
        np.multiply(powers[k - 1], y, out=powers[k])
    return np.asarray(table @ powers)


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
