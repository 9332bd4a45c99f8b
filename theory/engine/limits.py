"""What is left at alpha -> +-inf: p restricted to the tokens at an extreme of M.

Source: arXiv:2602.02712, Prop. B.1. Among ties the share is proportional to p. Near-ties are not
ties: values of M that differ in their last bit have different limits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from steering_strength.theory.engine.concept import concept_log_odds
from steering_strength.theory.engine.measure import Measure
from steering_strength.theory.engine.numerics import log_sum_exp, quiet

__all__ = ["limit", "limit_distance"]


def limit(measure: Measure, sign: int) -> NDArray[np.float64]:
    """Return lim log p_alpha as alpha -> sign * inf, shape (n,); -inf off the extreme of M."""
    extreme = measure.high if sign > 0 else measure.low
    ties = measure.log_odds == extreme
    result = np.full(measure.log_p.shape, -np.inf)
    result[ties] = measure.log_p[ties] - log_sum_exp(measure.log_p[ties])
    return result


@quiet
def limit_distance(measure: Measure, alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the total variation between p_alpha and its limit on the side of alpha, shape (A,).

    It is the probability that is not yet on the tokens at the extreme of M, R / (P + R) with R the
    tilted mass of the others; alpha = 0 counts as the side of +inf.
    """
    result = np.zeros(alpha.size)
    if measure.constant:
        return result
    for side, extreme in ((alpha >= 0.0, measure.high), (alpha < 0.0, measure.low)):
        log_odds = concept_log_odds(measure, measure.log_odds == extreme, alpha[side])
        result[side] = np.exp(-np.logaddexp(0.0, log_odds))
    return result
