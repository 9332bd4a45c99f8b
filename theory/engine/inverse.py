"""Which alpha does that? Monotone questions about a family, each answered by a bracketed root."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from theory.engine.cross_entropy import cross_entropy_increase
from theory.engine.measure import Measure
from theory.engine.numerics import log_sum_exp

__all__ = ["Root", "alpha_for_cross_entropy", "bisect"]


@dataclass(frozen=True)
class Root:
    """The answer to "at which alpha is this quantity equal to that level".

    Attributes
    ----------
    alpha : float
        The root; +-inf where the level is never reached on that side.
    lower, upper : float
        Bracket: the quantity minus the level changes sign between them. Equal to `alpha` where
        the answer is exact or there is none.
    reason : str
        Empty where there is a root; otherwise why there is none.
    """

    alpha: float
    lower: float
    upper: float
    reason: str = ""

    @property
    def reached(self) -> bool:
        """Whether the level is reached at a finite alpha."""
        return not self.reason


def bisect(rises_above: Callable[[float], bool], lower: float, upper: float) -> tuple[float, float]:
    """Shrink 0 <= lower < upper until no float lies between, given False at lower, True at upper.

    Invariant: `rises_above(lower)` is False and `rises_above(upper)` True. Halving is geometric
    while the ends differ by more than a factor of 2, so 70 steps cover the range of float64.
    """
    while True:
        if lower > 0.0 and upper / lower > 2.0:
            middle = math.sqrt(lower) * math.sqrt(upper)
        else:
            middle = lower + 0.5 * (upper - lower)
        if not lower < middle < upper:
            return lower, upper
        if rises_above(middle):
            upper = middle
        else:
            lower = middle


def alpha_for_cross_entropy(measure: Measure, budget: float, sign: int) -> Root:
    """Return the alpha of that sign with KL(p || p_alpha) = budget.

    The divergence is convex in alpha, so it grows without bound on either side unless M is
    constant; with R = range of M and sigma = |extreme M - E[M]| it lies below alpha^2 R^2 / 8 and
    alpha sigma, and above alpha sigma + log p(extreme): the first bracket.
    """
    if budget == 0.0:
        return Root(0.0, 0.0, 0.0)
    if measure.constant:
        return Root(
            sign * math.inf, sign * math.inf, sign * math.inf, "M is constant: alpha moves nothing"
        )
    extreme = measure.high if sign > 0 else measure.low
    at_extreme = measure.log_odds == extreme
    sigma = float(np.max(np.abs(measure.centred[at_extreme])))
    log_share = float(log_sum_exp(measure.log_p[at_extreme])) - measure.log_mass
    upper = (budget - log_share) / sigma if sigma > 0.0 else math.inf
    if not upper < 1e308:
        return Root(
            sign * math.inf,
            sign * math.inf,
            sign * math.inf,
            "the root is beyond the range of float64",
        )
    lower = max(budget / sigma, math.sqrt(8.0 * budget) / (measure.high - measure.low))

    def above(strength: float) -> bool:
        return bool(cross_entropy_increase(measure, np.array([sign * strength]))[0] >= budget)

    # Rounding may put the root just outside the theoretical bracket.
    lower *= 0.999
    upper *= 1.001
    near, far = bisect(above, lower, upper)
    low, high = sorted((sign * near, sign * far))
    return Root(sign * far, low, high)
