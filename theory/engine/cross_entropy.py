"""The price of steering: KL(p || p_alpha), which is Delta CE, and the reverse divergence.

Source: arXiv:2602.02712, Thm 3.8 is the quadratic term of
KL(p || p_alpha) = K(alpha) - alpha K'(0).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from theory.engine.measure import Measure
from theory.engine.numerics import exponential_excess

__all__ = ["centred_cgf", "cross_entropy_increase", "reverse_kl"]

Vector = NDArray[np.float64]


def centred_cgf(log_p: Vector, p: Vector, x: Vector) -> float:
    """Return log sum p e^x for centred x (sum p x = 0) without cancellation: log1p of a sum >= 0.

    The direct form loses everything once |x| < 1e-8. Each term p (e^x - 1 - x) is >= 0; past
    x = 1 it is formed as exp(log p + x) - p (1 + x), because p may underflow where p e^x does
    not. A term past e^600 leaves the others, and the 1, below the last bit: plain log-sum-exp.
    """
    with np.errstate(under="ignore", over="ignore", invalid="ignore"):
        exponent = log_p + x
        top = float(exponent.max())
        if top > 600.0:
            return top + float(np.log(np.exp(exponent - top).sum())) if top < np.inf else np.inf
        far = x > 1.0
        if not far.any():
            return float(np.log1p(p @ exponential_excess(x)))
        near = ~far
        total = float(p[near] @ exponential_excess(x[near]))
        terms = np.exp(exponent[far])
        terms -= np.where(p[far] > 0.0, p[far] * (1.0 + x[far]), 0.0)
        return float(np.log1p(total + terms.sum()))


def cross_entropy_increase(measure: Measure, alpha: Vector) -> Vector:
    """Return K(alpha) - alpha K'(0) = KL(p || p_alpha) >= 0, shape (A,)."""
    log_p = measure.log_p - measure.log_mass
    result = np.zeros(alpha.size)
    if measure.constant:
        return result
    for i, strength in enumerate(alpha):
        with np.errstate(over="ignore", under="ignore"):
            x = strength * measure.centred
        result[i] = centred_cgf(log_p, measure.p, x)
    return result


def reverse_kl(measure: Measure, alpha: Vector) -> Vector:
    """Return alpha K'(alpha) - K(alpha) = KL(p_alpha || p) >= 0, shape (A,).

    It is the same divergence seen from p_alpha, which returns to p under -alpha; so the same sum
    keeps its relative accuracy near 0.
    """
    result = np.zeros(alpha.size)
    if measure.constant:
        return result
    for i, strength in enumerate(alpha):
        with np.errstate(over="ignore", under="ignore"):
            gap = measure.log_odds - measure.extreme(strength)
            log_weight = strength * gap + measure.log_p
            log_weight -= log_weight.max()
            log_weight -= np.log(np.exp(log_weight).sum())
            weight = np.exp(log_weight)
            finite = log_weight > -np.inf
            log_weight, weight, gap = log_weight[finite], weight[finite], gap[finite]
            for _ in range(2):
                gap = gap - (weight @ gap) / weight.sum()
            result[i] = centred_cgf(log_weight, weight, -strength * gap)
    return result
