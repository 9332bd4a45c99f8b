"""Where more strength changes nothing any more, and which tokens rule there.

Source: arXiv:2602.02712, Prop. B.1, with its rate: total variation to the limit is the probability
that is not yet on the tokens of largest M.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steering_strength.theory.engine import TiltedFamily
from steering_strength.theory.engine.concept import concept_log_odds
from steering_strength.theory.engine.measure import Measure

__all__ = ["Plateau", "likeliest", "plateau_of"]

_SHOWN = 8


@dataclass(frozen=True)
class Plateau:
    """The end of the road on one side.

    Attributes
    ----------
    alpha : float
        Beyond it p_alpha is within `tolerance` of its limit, in total variation.
    tolerance : float
    tokens : tuple of (int, float)
        The likeliest tokens in the limit with their probabilities, likeliest first.
    count : int
        How many tokens share the limit.
    concept : float
        F_T in the limit, or nan without a target.
    price : float
        What each further unit of |alpha| adds to Delta CE there, nats: |max M - E[M]| in the tilted
        family (`ce-asymptote`), 0 where a norm bounds the logits.
    """

    alpha: float
    tolerance: float
    tokens: tuple[tuple[int, float], ...]
    count: int
    concept: float
    price: float


def plateau_of(
    family: TiltedFamily, target: NDArray[np.bool_] | None, tolerance: float, sign: int
) -> Plateau:
    """Return the plateau of a family at alpha -> +inf; `sign` is put on the alpha reported."""
    log_p = family.limit(1)
    kept = log_p > -np.inf
    concept = float("nan")
    if target is not None:
        measure = Measure.of(log_p[kept], np.zeros(int(kept.sum())))
        log_odds = float(concept_log_odds(measure, target[kept], np.zeros(1))[0])
        concept = float(np.exp(-np.logaddexp(0.0, -log_odds)))
    price = float(family.log_odds[family.log_p > -np.inf].max() - family.mean(0.0))
    return Plateau(
        alpha=sign * family.alpha_for_limit(tolerance, 1),
        tolerance=tolerance,
        tokens=likeliest(log_p),
        count=int(kept.sum()),
        concept=concept,
        price=price,
    )


def likeliest(log_p: NDArray[np.float64], count: int = _SHOWN) -> tuple[tuple[int, float], ...]:
    """Return the tokens of largest probability and their probabilities, none without support."""
    top = np.argsort(-log_p, kind="stable")[:count]
    return tuple((int(z), float(np.exp(log_p[z]))) for z in top if log_p[z] > -np.inf)
