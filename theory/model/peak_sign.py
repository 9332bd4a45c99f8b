"""Where target tokens peak at a positive alpha in the weighted family: the law `peak-sign`.

arXiv:2602.02712, Remark 3.4, says "eps small enough" for contexts c_j outside T. For every dataset
a token peaks at positive alpha iff M(z) > E_p[M]; in the weighted family a_z = (1-eps) gamma_z,
b_z = eps/(G-1) omega_z that makes the admissible eps an interval (0, eps*), with eps* the root of
the margin below or the bound of Assumption 1.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log

from numpy.typing import ArrayLike

from steering_strength.theory.engine.numerics import narrowed
from steering_strength.theory.engine.validation import as_array, as_integer, as_real
from steering_strength.theory.errors import AssumptionError, ProbabilityError
from steering_strength.theory.model.assumption_1 import (
    largest_epsilon,
    positive_weights,
    violated,
)
from steering_strength.theory.model.inputs import concept_labels, distribution
from steering_strength.theory.model.table import mean_log_ratio


def weighted_margin(
    gamma: ArrayLike,
    omega: ArrayLike,
    token_concept: ArrayLike,
    epsilon: float,
    *,
    target: int,
    own: int,
    negative_share: ArrayLike,
) -> float:
    """min_T M - E_p[M], in nats: positive iff every target token peaks at a positive alpha.

    With D the concept of c_j, Q_C the share of N in C, L = log((1-eps)(G-1)/eps), lambda =
    log(gamma/omega), kappa_C = KL(omega_C || gamma_C) and delta_D = KL(gamma_D || omega_D), it is
    L (1 + Q_D - Q_D eps G/(G-1)) + min_T lambda + eps/(G-1) (kappa_T - sum_{C != T,D} Q_C kappa_C)
    + Q_D (1-eps) delta_D.

    Raises AssumptionError: the context lies in the target concept, or epsilon outside (0, 1).

    Parameters
    ----------
    gamma, omega : array_like, (V,)
        Weights that sum to 1 in each concept, as in `ConceptDataset.weighted`.
    token_concept : array_like, (V,)
    epsilon : float
    target, own : int
        T, and the concept D != T of the context c_j.
    negative_share : array_like, (G,)
        Q_C, as in `SteeringSets.negative_share`.
    """
    margin, bound = _prepared(gamma, omega, token_concept, target, own, negative_share)
    e = as_real("epsilon", epsilon, error=ProbabilityError)
    if not 0.0 < e < 1.0:
        raise violated(
            "every token", f"epsilon = {e} is not in (0, 1)", f"choose 0 < epsilon < {bound:.6g}"
        )
    return margin(e)


def weighted_threshold(
    gamma: ArrayLike,
    omega: ArrayLike,
    token_concept: ArrayLike,
    *,
    target: int,
    own: int,
    negative_share: ArrayLike,
) -> float:
    """eps*: every target token peaks at a positive alpha exactly for 0 < eps < eps*.

    The root of `weighted_margin`, or the bound of Assumption 1 where that comes first. Parameters
    and errors as there.
    """
    margin, bound = _prepared(gamma, omega, token_concept, target, own, negative_share)
    if margin(bound) >= 0.0:
        return bound
    low = bound
    while margin(low) < 0.0:  # L grows without bound as eps -> 0
        low *= 1e-3
    return narrowed(lambda epsilon: -margin(epsilon), low, bound)[0]


def _prepared(
    gamma: ArrayLike,
    omega: ArrayLike,
    token_concept: ArrayLike,
    target: int,
    own: int,
    negative_share: ArrayLike,
) -> tuple[Callable[[float], float], float]:
    """The margin as a function of eps, and the bound of Assumption 1 on eps."""
    concept = concept_labels("token_concept", token_concept)
    inside = positive_weights("gamma", gamma, concept)
    outside = positive_weights("omega", omega, concept)
    share, G = distribution("negative_share", negative_share, 1), int(concept.max()) + 1
    as_integer("target", target, 0, G - 1)
    as_integer("own", own, 0, G - 1)
    as_array("negative_share", share, size=G, per="concept")
    if target == own:
        raise AssumptionError(
            "Remark 3.4", f"concept {own}", "c_j lies in T", remedy="choose a context outside T"
        )
    ratio = mean_log_ratio(inside[None], outside[None])
    kappa = [-float(outside[concept == c] @ ratio[concept == c]) for c in range(G)]
    Q, least = float(share[own]), float(ratio[concept == target].min())
    others = (float(share[c]) * kappa[c] for c in range(G) if c not in (target, own))
    far, delta = kappa[target] - sum(others), float(inside[concept == own] @ ratio[concept == own])

    def margin(e: float) -> float:
        level = log((1.0 - e) * (G - 1) / e) * (1.0 + Q - Q * e * G / (G - 1))
        return level + least + e / (G - 1) * far + Q * (1.0 - e) * delta

    return margin, float(largest_epsilon(inside, outside, concept).min())
