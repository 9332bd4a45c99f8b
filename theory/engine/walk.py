"""The inverse of K' at many levels, and K at many alphas, from panels laid along alpha.

`solve_levels` lays them outwards from alpha = 0 until all levels are inside one; those inside a
panel are solved at once. Between two levels K' may stay on a plateau for any distance, so where the
next level is far it is first located by bisection with true sums.

`sweep` lays them over the alphas asked for. A panel costs as much as a dozen passes over the
vocabulary and then gives K and its derivatives for nothing on an interval of alpha: a sweep of a
thousand alphas needs a dozen panels. Where alphas lie too far apart for that, they are left to the
direct sums.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from steering_strength.theory.engine.measure import Measure
from steering_strength.theory.engine.numerics import log_sum_exp, narrowed, quiet
from steering_strength.theory.engine.panels import HALF_WIDTH, Panel, Side, fit_panel
from steering_strength.theory.errors import ConvergenceError

Vector = NDArray[np.float64]

# The next centre lies this many reaches beyond the last panel: it overlaps if it turns out wider,
# and may turn out 10 % narrower before a level can fall in between.
_OVERLAP = 0.9
# What makes panels worth their price in a sweep. The tokens must be sorted by M first: 80 passes.
_ALPHAS, _TOKENS = 128, 1 << 14


def solve_levels(side: Side, levels: Vector, mean: float) -> NDArray[np.float64]:
    """Return (alpha, half-width, gain) for increasing levels strictly inside M, shape (3, T).

    gain = alpha level - log sum exp(log p + alpha M). `mean` is E_p[M], roughly.
    """
    result = np.empty((3, levels.size))
    if levels.size == 0:
        return result
    origin = side.nearest(mean)
    panel = fit_panel(side, 0.0, origin, 1.0)
    if panel is None:
        # All weight but 1e-285 is on one level: whatever is above it lies to the right.
        first = int(np.searchsorted(levels, origin))
        if first < levels.size and levels[first] == origin and side.slope(0.0, origin)[0] > 0.0:
            first += 1
        last, reach = first, 0.0
    else:
        tau = panel.scaled(levels)
        first, last = (int(i) for i in np.searchsorted(tau, (panel.grid[0], panel.grid[-1])))
        result[:, first:last] = _solve(side, panel, levels[first:last])
        reach = panel.reach
    result[:, last:] = _walk(side, levels[last:], reach)
    if first > 0:
        left = _walk(side.mirrored(), np.ascontiguousarray(-levels[:first][::-1]), reach)
        left[0] *= -1.0
        result[:, :first] = left[:, ::-1]
    return result


def _solve(whole: Side, panel: Panel, levels: Vector) -> NDArray[np.float64]:
    table = panel.solve(levels)
    table[2] += panel.centre * (levels - whole.values[-1]) - panel.log_total
    # On a plateau K' may equal a level to rounding over the whole panel: nothing is bracketed.
    for i in np.flatnonzero(~(table[1] < 1e-3 * panel.reach)):
        table[:, i] = _alone(whole, float(levels[i]), panel.reach)
    return table


def _alone(side: Side, level: float, step: float) -> tuple[float, float, float]:
    """Solve one level from scratch, with true sums."""
    if side.slope(0.0, level)[0] > 0.0:
        alpha, width, gain = _alone(side.mirrored(), -level, step)
        return -alpha, width, gain
    low, high, _ = _locate(side, level, 0.0, step)
    return _without_panel(side, level, low, high)


def _walk(side: Side, levels: Vector, reach: float) -> NDArray[np.float64]:
    """Solve increasing levels whose roots all lie beyond `reach` >= 0."""
    whole, result = side, np.empty((3, levels.size))
    done, low, step = 0, reach, reach or 1.0
    near = reach > 0.0
    while done < levels.size:
        level = float(levels[done])
        panel, low, step = _panel_with(side, level, low, step, near)
        if panel is None:
            result[:, done] = _without_panel(side, level, low, low + step)
            done, near = done + 1, False
            continue
        tau = panel.scaled(levels[done:])
        count = max(int(np.searchsorted(tau, panel.grid[-1], side="right")), 1)
        result[:, done : done + count] = _solve(whole, panel, levels[done : done + count])
        done += count
        side = side.after(panel.dropped)
        low, step = panel.end, panel.reach
        # Is the next level within two reaches, to first order?
        near = count < tau.size and tau[count] - panel.grid[-1] <= 2.0 * panel.last_slope
    return result


def _panel_with(
    side: Side, level: float, low: float, step: float, near: bool
) -> tuple[Panel | None, float, float]:
    """Return (panel that holds the root of `level`, low, step), K'(low) < level throughout.

    Without a panel (a single value of M weighs at the root, to 1e-285), the root is between low
    and low + step.
    """
    high = math.inf
    centre, tries = low + _OVERLAP * step, 0
    while True:
        if near or high < math.inf:
            panel = fit_panel(side, centre, level, 1.0 / step)
            if panel is not None:
                if panel.grid[0] > 0.0:
                    high = min(high, panel.start)
                elif panel.grid[-1] < 0.0:
                    low = max(low, panel.end)
                else:
                    return panel, low, step
                step = panel.reach
            elif high < math.inf:
                return None, low, high - low
        if high == math.inf:
            low, high, scale = _locate(side, level, low, step)
            step = 1.0 / scale if scale > 0.0 else high - low
        elif high - low <= 4.0 * HALF_WIDTH * abs(high) or (tries := tries + 1) > 60:
            return None, low, high - low
        centre = 0.5 * (low + high)


def _locate(side: Side, level: float, low: float, step: float) -> tuple[float, float, float]:
    """Return (low, high, scale) with K' - level < 0, > 0 at the ends, about 1/scale apart."""
    step = max(step, float(np.spacing(low)))
    high = low + step
    while side.slope(high, level)[0] <= 0.0:
        low, step = high, 2.0 * step
        high = low + step
        if not high < math.inf:
            raise ConvergenceError(
                f"K' stays below the level {level!r} of M up to alpha = {low:g}",
                remedy="this should not happen: please report log_p and log_odds",
            )
    while True:
        middle = 0.5 * (low + high)
        slope, scale = side.slope(middle, level)
        if not low < middle < high:
            return low, high, scale
        low, high = (low, middle) if slope > 0.0 else (middle, high)
        if (high - low) * scale <= 1.0 and scale > 0.0:
            return low, high, scale


def _without_panel(side: Side, level: float, low: float, high: float) -> tuple[float, float, float]:
    """Return (alpha, half-width, gain) from true sums alone."""
    low, high = narrowed(lambda at: side.slope(at, level)[0], low, high, HALF_WIDTH)
    alpha = 0.5 * (low + high)
    total = float(log_sum_exp(side.log_p + alpha * side.gap))
    return alpha, 0.5 * (high - low), alpha * (level - float(side.values[-1])) - total


def _dense(tokens: int) -> int:
    """Return how many alphas in one panel pay for its dozen passes and a millisecond of calls."""
    return 16 + (1_500_000 // tokens)


@quiet
def sweep(measure: Measure, alpha: Vector) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return which alphas panels pay off for, (B,), and there three rows, (3, B).

    K - alpha e, K' - e and K'', e the extreme of M on the side of alpha; K'' is nan where it would
    have lost six bits. On a sparse grid no alpha is chosen.
    """
    table = np.full((3, alpha.size), np.nan)
    if alpha.size >= _ALPHAS and measure.p.size >= _TOKENS and not measure.constant:
        order = np.argsort(measure.log_odds)
        # Exact, as for peaks: alpha in units of 1 / range of M.
        unit = 2.0 ** -math.frexp(measure.high - measure.low)[1]
        right = Side(measure.log_p[order] - measure.log_mass, measure.log_odds[order] * unit)
        for side, chosen in ((right, alpha >= 0.0), (None, alpha < 0.0)):
            index = np.flatnonzero(chosen)
            index = index[np.argsort(np.abs(alpha[index]))]
            if index.size >= _dense(measure.p.size):
                strengths = np.abs(alpha[index]) / unit
                table[:, index] = _side_sweep(side or right.mirrored(), strengths)
        table[1] *= np.where(alpha >= 0.0, 1.0, -1.0) / unit
        table[2] /= unit * unit
    index = np.flatnonzero(~np.isnan(table[0]))
    return index, table[:, index]


def _side_sweep(side: Side, strengths: Vector) -> NDArray[np.float64]:
    """Return (log normaliser, slope, curvature) for increasing strengths >= 0, nan where undone."""
    table = np.full((3, strengths.size), np.nan)
    done, step, dense = 0, 0.0, _dense(side.values.size)
    while done < strengths.size:
        start = float(strengths[done])
        if step == 0.0:
            scale = side.slope(start, side.mean(start))[1]
            if scale == 0.0:
                break
            step = 1.0 / scale
        last = int(np.searchsorted(strengths, start + 2.0 * _OVERLAP * step, side="right"))
        if last - done < dense:
            # Sparse here; not worth asking again before as many alphas as a panel would pay for.
            done, step = done + dense, 0.0
            continue
        centre = start + _OVERLAP * step
        panel = fit_panel(side, centre, side.nearest(side.mean(centre)), 1.0 / step)
        if panel is None:
            done, step = done + dense, 0.0
            continue
        if panel.start > start:
            step = 0.9 * panel.reach
            continue
        last = int(np.searchsorted(strengths, panel.end, side="right"))
        table[:, done:last] = panel.sums(strengths[done:last], float(side.values[-1]))
        done, step, side = last, panel.reach, side.after(panel.dropped)
    return table
