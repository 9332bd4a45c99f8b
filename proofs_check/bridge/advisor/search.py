"""At which alpha is a measured quantity at its level, in as few measurements as possible.

y(alpha) vanishes at 0 with a known slope: y = sqrt(KL), or the gain in logit F_T. y / alpha changes
slowly and is almost a straight line in y, also where the curve saturates; so it is interpolated in
y through the origin and what was measured, and read off at the level: a secant in its second step,
of higher order afterwards. Every proposal is kept inside the bracket once there is one. No torch
here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

__all__ = ["Search"]

# The relation y / alpha against y is a curve with noise of the float32 forward pass: three measured
# points describe it, more only add wiggles.
_NODES = 3
_STRETCH = 4.0


@dataclass
class Search:
    """One level of one quantity on one side of 0; alphas are strengths >= 0.

    Parameters
    ----------
    name : str
        The demand.
    goal : float
        The level of y, positive.
    rate : float
        dy / dalpha at 0, positive.
    seed : float
        The first alpha to measure.

    Attributes
    ----------
    nodes : list of (float, float)
        (alpha, y) measured, in order.
    low, high : float
        y is below the goal at `low` and not below at `high`; inf while nothing was.
    """

    name: str
    goal: float
    rate: float
    seed: float
    nodes: list[tuple[float, float]] = field(default_factory=list)
    low: float = 0.0
    high: float = math.inf

    def record(self, alpha: float, y: float) -> None:
        """Add a measurement and narrow the bracket."""
        if any(a == alpha for a, _ in self.nodes):
            return
        self.nodes.append((alpha, y))
        if y < self.goal:
            # Beyond a crossing y may fall again: only what lies before it bounds from below.
            if alpha < self.high:
                self.low = max(self.low, alpha)
        else:
            self.high = min(self.high, alpha)
            self.low = max(
                (a for a, v in self.nodes if v < self.goal and a < self.high), default=0.0
            )

    @property
    def falling(self) -> bool:
        """Whether y was seen to rise and fall again without a crossing: nothing is left to try."""
        ordered = [y for _, y in sorted(self.nodes)]
        if self.high < math.inf or len(ordered) < 2:
            return False
        best = ordered.index(max(ordered))
        return best < len(ordered) - 1 and (best > 0 or not self._short())

    def propose(self) -> float:
        """The next alpha to measure."""
        if not self.nodes:
            return self.seed
        guess = self._interpolated()
        if self.high < math.inf:
            return guess if self.low < guess < self.high else 0.5 * (self.low + self.high)
        if guess > self.low:
            return min(guess, _STRETCH * self.low)
        # The straight line ends below the goal. Either a maximum was passed, or the goal is far.
        return 0.5 * min(self.nodes)[0] if self._short() else _STRETCH * self.low

    def _short(self) -> bool:
        """Whether y is less than half of what its slope promises already at the first strength."""
        alpha, y = min(self.nodes)
        return y < 0.5 * self.rate * alpha

    def _interpolated(self) -> float:
        """alpha = y / r(y) at the goal, r interpolated through the origin and the nearest nodes."""
        near = sorted(self.nodes, key=lambda node: abs(node[1] - self.goal))[:_NODES]
        points = [(0.0, self.rate)]
        for alpha, y in near:
            if y > 0.0 and all(abs(y - other) > 1e-9 * self.goal for other, _ in points):
                points.append((y, y / alpha))
        # Neville: stable for so few points.
        table = [r for _, r in points]
        for depth in range(1, len(points)):
            for i in range(len(points) - depth):
                left, right = points[i][0], points[i + depth][0]
                weight = (self.goal - left) / (right - left)
                table[i] += weight * (table[i + 1] - table[i])
        return self.goal / table[0] if table[0] > 0.0 else math.nan
