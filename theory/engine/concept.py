"""The probability of a set of tokens under steering: F_C(alpha) and its increase.

Source: arXiv:2602.02712, Def. 3.5 and Thm 3.6, with the integral nu in closed form:
nu(alpha) + r = log S_C(alpha) - log S_notC(alpha), S_C = sum over C of p e^(alpha M).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from theory.engine.cross_entropy import cross_entropy_increase
from theory.engine.measure import Measure

__all__ = ["concept_increase", "concept_log_odds", "log_odds_shift"]

Vector = NDArray[np.float64]


def _split(measure: Measure, mask: NDArray[np.bool_]) -> tuple[Measure, Measure]:
    """Return the measure on C and on its complement, both non-empty."""
    return (
        Measure.of(measure.log_p[mask], measure.log_odds[mask]),
        Measure.of(measure.log_p[~mask], measure.log_odds[~mask]),
    )


def log_odds_shift(inside: Measure, outside: Measure, alpha: Vector) -> Vector:
    """Return nu(alpha) = logit F_C(alpha) - logit F_C(0), shape (A,).

    The difference of the two conditional cgfs, each as alpha times its mean plus a divergence:
    it vanishes at 0 with its relative accuracy.
    """
    slope = (inside.reference - outside.reference) + (inside.offset - outside.offset)
    shift: Vector = (
        alpha * slope
        + cross_entropy_increase(inside, alpha)
        - cross_entropy_increase(outside, alpha)
    )
    return shift


def concept_log_odds(measure: Measure, mask: NDArray[np.bool_], alpha: Vector) -> Vector:
    """Return logit F_C(alpha), shape (A,); +inf if C holds all of the support, -inf if none."""
    if mask.all() or not mask.any():
        return np.full(alpha.size, np.inf if mask.any() else -np.inf)
    inside, outside = _split(measure, mask)
    return (inside.log_mass - outside.log_mass) + log_odds_shift(inside, outside, alpha)


def concept_increase(
    measure: Measure, mask: NDArray[np.bool_], tokens: int, alpha: Vector
) -> Vector:
    """Return (F_C(alpha) - F_C(0)) / |C|, shape (A,); `tokens` is |C|, support or not.

    With F, G = 1 - F at 0 and nu the shift of the log-odds, the increase is
    F G expm1(nu) / (G + F e^nu), for nu > 0 divided through by e^nu: no cancellation anywhere,
    and products in log space because F or G may be below 1e-308.
    """
    if mask.all() or not mask.any():
        return np.zeros(alpha.size)
    inside, outside = _split(measure, mask)
    total = np.logaddexp(inside.log_mass, outside.log_mass)
    log_f, log_g = inside.log_mass - total, outside.log_mass - total
    nu = log_odds_shift(inside, outside, alpha)
    with np.errstate(under="ignore"):
        shrink = -np.abs(nu)
        up = np.logaddexp(log_f, log_g + shrink)
        down = np.logaddexp(log_g, log_f + shrink)
        size = -np.expm1(shrink) * np.exp(log_f + log_g - np.where(nu >= 0.0, up, down))
    result: Vector = np.copysign(size, nu) / tokens
    return result
