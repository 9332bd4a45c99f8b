"""The inverse of K' at many levels: panels laid outwards from alpha = 0 until all are inside one.

All levels inside a panel are solved at once. Between two levels K' may stay on a plateau for any
distance, so where the next level is far it is first located by bisection with true sums.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steering_strength.theory.engine.compression import slope_at
from steering_strength.theory.engine.numerics import log_sum_exp
from steering_strength.theory.engine.panels import HALF_WIDTH, Panel, fit_panel
from steering_strength.theory.errors import ConvergenceError

__all__ = ["OVERLAP", "Side", "solve_levels"]

Vector = NDArray[np.float64]

# The next centre lies this many reaches beyond the last panel: it overlaps if it turns out wider,
# and may turn out 10 % narrower before a level can fall in between.
OVERLAP = 0.9


@dataclass(frozen=True, eq=False)
class Side:
    """Tokens with M increasing, seen towards alpha -> +inf: log p, M - max M, M, each (n,)."""

    log_p: Vector
    gap: Vector
    values: Vector

    @classmethod
    def of(cls, log_p: Vector, values: Vector) -> Side:
        """Take tokens that are already sorted by M."""
        return cls(log_p, values - values[-1], values)

    def mirrored(self) -> Side:
        """Return the same tokens with -M for M, which turns alpha into -alpha."""
        return Side.of(
            np.ascontiguousarray(self.log_p[::-1]), np.ascontiguousarray(-self.values[::-1])
        )

    def after(self, first: int) -> Side:
        """Leave out the first tokens."""
        return Side(self.log_p[first:], self.gap[first:], self.values[first:])

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

    def panel(self, centre: float, origin: float, radius: float) -> Panel | None:
        """Return the panel around `centre`; see `fit_panel`."""
        return fit_panel(self.log_p, self.gap, self.values, centre, origin, radius)

    def slope(self, alpha: float, level: float) -> tuple[float, float]:
        """Return (a number with the sign of K'(alpha) - level, a scale of M); see `slope_at`."""
        return slope_at(self.log_p, self.gap, self.values, alpha, level)


def solve_levels(side: Side, levels: Vector, mean: float) -> NDArray[np.float64]:
    """Return (alpha, half-width, gain) for increasing levels strictly inside M, shape (3, T).

    gain = alpha level - log sum exp(log p + alpha M). `mean` is E_p[M], roughly.
    """
    result = np.empty((3, levels.size))
    if levels.size == 0:
        return result
    origin = side.nearest(mean)
    panel = side.panel(0.0, origin, 1.0)
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
    return _bisect(side, level, low, high)


def _walk(side: Side, levels: Vector, reach: float) -> NDArray[np.float64]:
    """Solve increasing levels whose roots all lie beyond `reach` >= 0."""
    whole, result = side, np.empty((3, levels.size))
    done, low, step = 0, reach, reach or 1.0
    near = reach > 0.0
    while done < levels.size:
        level = float(levels[done])
        panel, low, step = _panel_with(side, level, low, step, near)
        if panel is None:
            result[:, done] = _bisect(side, level, low, low + step)
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
    centre, tries = low + OVERLAP * step, 0
    while True:
        if near or high < math.inf:
            panel = side.panel(centre, level, 1.0 / step)
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


def _bisect(side: Side, level: float, low: float, high: float) -> tuple[float, float, float]:
    """Return (alpha, half-width, gain) by bisection with true sums: the path without a panel."""
    while high - low > HALF_WIDTH * abs(high):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        low, high = (low, middle) if side.slope(middle, level)[0] > 0.0 else (middle, high)
    alpha = 0.5 * (low + high)
    total = float(log_sum_exp(side.log_p + alpha * side.gap))
    return alpha, 0.5 * (high - low), alpha * (level - float(side.values[-1])) - total
