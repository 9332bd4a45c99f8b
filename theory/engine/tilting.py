"""Exponential tilting: p_alpha = p exp(alpha M - K(alpha)) and the cumulants of M under it.

Source: arXiv:2602.02712, Lemma B.3 (tilting), Lemma B.5 and Eq. 10 (slope, mean and variance).
Functions take a `Measure` on n tokens and a vector of alphas, shape (A,); they return the alphas
in front.
"""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import NDArray

from theory.engine.cross_entropy import cross_entropy_increase
from theory.engine.measure import Measure

__all__ = [
    "cgf",
    "cumulants",
    "log_probability",
    "mean",
    "probability_increase",
    "tilted",
    "variance",
]

Vector = NDArray[np.float64]


def tilted(measure: Measure, alpha: float) -> tuple[Vector, Vector]:
    """Return (w, gap) at one alpha: p_alpha = w / sum(w), max w = 1, gap = M - the extreme M.

    The extreme is the one on the side of alpha, so alpha * gap <= 0 never overflows upwards and
    rounds relative to distances between values of M, not to max|M|.
    """
    gap = measure.log_odds - measure.extreme(alpha)
    with np.errstate(under="ignore", over="ignore"):
        exponent = alpha * gap
        exponent += measure.log_p
        exponent -= exponent.max()
        return np.exp(exponent), gap


def log_probability(measure: Measure, alpha: Vector) -> NDArray[np.float64]:
    """Return log p_alpha, shape (A, n)."""
    result = np.empty((alpha.size, measure.log_p.size))
    with np.errstate(under="ignore", over="ignore"):
        for row, strength in zip(result, alpha, strict=True):
            np.subtract(measure.log_odds, measure.extreme(strength), out=row)
            row *= strength
            row += measure.log_p
            row -= row.max()
            row -= np.log(np.exp(row).sum())
    return result


def probability_increase(measure: Measure, alpha: Vector) -> NDArray[np.float64]:
    """Return p_alpha - p, shape (A, n).

    With d = log p_alpha - log p it is p expm1(d): the difference of the two probabilities would
    lose log2(1/|d|) bits near alpha = 0. Far from 0 p may underflow while p_alpha does not, so
    there it is exp(log p + d) - p.
    """
    result = np.empty((alpha.size, measure.log_p.size))
    increase = cross_entropy_increase(measure, alpha)
    with np.errstate(under="ignore", over="ignore"):
        for row, strength, excess in zip(result, alpha, increase, strict=True):
            d = strength * measure.centred - excess
            near = np.abs(d) <= 1.0
            row[:] = measure.p * np.expm1(np.where(near, d, 0.0))
            far = ~near
            if far.any():
                log_p = log_probability(measure, np.array([strength]))[0][far]
                row[far] = np.exp(log_p) - measure.p[far]
    return result


def cgf(measure: Measure, alpha: Vector) -> Vector:
    """Return K(alpha) = log sum p exp(alpha M), shape (A,), as alpha E[M] plus the rest.

    The rest is KL(p || p_alpha), computed without cancellation, so K keeps its relative accuracy
    near alpha = 0, where log-sum-exp would return rounding.
    """
    return alpha * measure.mean + cross_entropy_increase(measure, alpha)


def mean(measure: Measure, alpha: Vector) -> Vector:
    """Return K'(alpha) = E_alpha[M], shape (A,)."""
    result = np.empty(alpha.size)
    for i, strength in enumerate(alpha):
        weight, gap = tilted(measure, strength)
        with np.errstate(under="ignore"):
            result[i] = measure.extreme(strength) + (weight @ gap) / weight.sum()
    return result


def variance(measure: Measure, alpha: Vector) -> Vector:
    """Return K''(alpha) = Var_alpha[M] >= 0, shape (A,), as E (M - mean)^2."""
    result = np.empty(alpha.size)
    for i, strength in enumerate(alpha):
        weight, gap = tilted(measure, strength)
        with np.errstate(under="ignore"):
            total = weight.sum()
            gap -= (weight @ gap) / total
            weight *= gap
            # The second term removes the rounding of the mean.
            result[i] = max((weight @ gap) / total - (weight.sum() / total) ** 2, 0.0)
    return result


def cumulants(measure: Measure, order: int, alpha: Vector) -> NDArray[np.float64]:
    """Return kappa_1 .. kappa_order of M under p_alpha, shape (A, order).

    Central moments of M / range, then kappa_n = m_n - sum_k C(n-1, k-1) kappa_k m_(n-k): raw
    moments would cancel, and powers of an unscaled M overflow.
    """
    result = np.zeros((alpha.size, order))
    spread = measure.high - measure.low
    for row, strength in zip(result, alpha, strict=True):
        weight, gap = tilted(measure, strength)
        with np.errstate(under="ignore"):
            weight /= weight.sum()
            first = weight @ gap
            row[0] = measure.extreme(strength) + first
            if spread == 0.0 or order == 1:
                continue
            unit = (gap - first) / spread
            unit -= weight @ unit
            moments = np.zeros(order + 1)
            moments[0] = 1.0
            power = weight * unit
            for n in range(2, order + 1):
                power *= unit
                moments[n] = power.sum()
            kappa = np.zeros(order + 1)
            for n in range(2, order + 1):
                kappa[n] = moments[n] - sum(
                    comb(n - 1, k - 1) * kappa[k] * moments[n - k] for k in range(2, n - 1)
                )
            # Powers of the range may leave float64: the scaled cumulant is then 0 or inf, honestly.
            with np.errstate(over="ignore"):
                row[1:] = kappa[2:] * spread ** np.arange(2.0, order + 1.0)
    return result
