"""What is left at alpha -> +-inf: p restricted to the tokens at an extreme of M.

Source: arXiv:2602.02712, Prop. B.1. Among ties the share is proportional to p. Near-ties are not
ties: values of M that differ in their last bit have different limits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from steering_strength.theory.engine.measure import Measure
from steering_strength.theory.engine.numerics import log_sum_exp

__all__ = ["limit"]


def limit(measure: Measure, sign: int) -> NDArray[np.float64]:
    """Return lim log p_alpha as alpha -> sign * inf, shape (n,); -inf off the extreme of M."""
    extreme = measure.high if sign > 0 else measure.low
    ties = measure.log_odds == extreme
    result = np.full(measure.log_p.shape, -np.inf)
    result[ties] = measure.log_p[ties] - log_sum_exp(measure.log_p[ties])
    return result
