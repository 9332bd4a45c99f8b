"""Exponential tilting: p_alpha = p exp(alpha M - K(alpha)) and the cumulants of M under it.

Source: arXiv:2602.02712, Lemma B.3 (tilting), Lemma B.5 and Eq. 10 (slope, mean and variance).
Functions take a `Measure` on n tokens and a vector of alphas, shape (A,); they return the alphas
in front.
"""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import NDArray

from steering_strength.theory.engine.cross_entropy import cross_entropy_increase, log_normaliser
from steering_strength.theory.engine.measure import Measure
from steering_strength.theory.engine.numerics import central_moments, quiet
from steering_strength.theory.engine.sums import blocks, centred_sums, extreme_sums, is_moderate
from steering_strength.theory.engine.walk import sweep

Vector = NDArray[np.float64]

# Tokens of a result worked on together: NumPy's calls cost nothing next to them.
_TOKENS = 1 << 14
# E d^2 / Var above which the variance is formed again around a better origin: 6 bits, so that its
# relative error stays below 1e-13.
_CANCELLED = 64.0
# |alpha (M - E M)| from which the extreme of M is tried as origin before E M.
_FAR = 16.0


@quiet
def log_probability(measure: Measure, alpha: Vector) -> NDArray[np.float64]:
    """Return log p_alpha, shape (A, n), as alpha g + log p - log sum p exp(alpha g).

    g = M minus its extreme on the side of alpha: alpha g <= 0 cannot overflow upwards, and a
    common offset of M costs no digits.
    """
    result = np.empty((alpha.size, measure.p.size))
    shift = log_normaliser(measure, alpha)
    log_p = measure.log_p - measure.log_mass
    above, below = measure.gap(1.0), measure.gap(-1.0)
    buffer = np.empty(min(_TOKENS, log_p.size))
    for row, strength, normaliser in zip(result, alpha, shift, strict=True):
        gap = above if strength >= 0.0 else below
        for part in blocks(log_p.size, _TOKENS):
            block = row[part]
            np.multiply(gap[part], strength, out=block)
            block += np.subtract(log_p[part], normaliser, out=buffer[: block.size])
    return result


@quiet
def probability_increase(measure: Measure, alpha: Vector) -> NDArray[np.float64]:
    """Return p_alpha - p, shape (A, n).

    With d = log p_alpha - log p it is p expm1(d): the difference of the two probabilities would
    lose log2(1/|d|) bits near alpha = 0. Where p underflows and p_alpha may not, it is
    exp(log p + d) - p.
    """
    result = np.empty((alpha.size, measure.p.size))
    moderate = is_moderate(measure, alpha)
    increase = cross_entropy_increase(measure, alpha)
    for row, strength, easy, excess in zip(result, alpha, moderate, increase, strict=True):
        if not easy:
            row[:] = _extreme_increase(measure, strength, excess)
            continue
        for part in blocks(row.size, _TOKENS):
            block = row[part]
            np.multiply(measure.centred[part], strength, out=block)
            block -= excess
            np.expm1(block, out=block)
            block *= measure.p[part]
    return result


def _extreme_increase(measure: Measure, alpha: float, excess: float) -> Vector:
    """Return p_alpha - p at an alpha for which alpha M may overflow or p underflow, shape (n,)."""
    with np.errstate(invalid="ignore"):
        d = alpha * measure.centred - excess
    near = np.abs(d) <= 1.0
    after = np.exp(log_probability(measure, np.array([alpha]))[0])
    return np.where(near, measure.p * np.expm1(np.where(near, d, 0.0)), after - measure.p)


@quiet
def cgf(measure: Measure, alpha: Vector) -> Vector:
    """Return K(alpha) = log sum p exp(alpha M), shape (A,), as alpha E[M] plus the rest.

    The rest is KL(p || p_alpha), computed without cancellation, so K keeps its relative accuracy
    near alpha = 0, where log-sum-exp would return rounding. Far out it is alpha times the extreme
    plus the rest, in which nothing can overflow before K does.
    """
    result = np.empty(alpha.size)
    near = is_moderate(measure, alpha)
    near |= np.abs(alpha) * measure.reach <= 1.0
    result[near] = alpha[near] * measure.mean + cross_entropy_increase(measure, alpha[near])
    far = alpha[~near]
    result[~near] = far * _extremes(measure, far) + log_normaliser(measure, far)
    return result


@quiet
def mean(measure: Measure, alpha: Vector) -> Vector:
    """Return K'(alpha) = E_alpha[M], shape (A,)."""
    first, _ = _two_moments(measure, alpha, variance=False)
    return first


@quiet
def variance(measure: Measure, alpha: Vector) -> Vector:
    """Return K''(alpha) = Var_alpha[M] >= 0, shape (A,)."""
    _, second = _two_moments(measure, alpha, variance=True)
    return second


@quiet
def slope(measure: Measure, alpha: Vector) -> NDArray[np.float64]:
    """Return d p_alpha / d alpha = p_alpha (M - E_alpha[M]), shape (A, n): Lemma B.5.

    M is centred under p_alpha twice, so that a common offset of M costs no digits.
    """
    result = np.empty((alpha.size, measure.p.size))
    for row, strength in zip(result, alpha, strict=True):
        weight, distance = _tilted(measure, strength)
        for _ in range(2):
            distance = distance - weight @ distance
        np.multiply(weight, distance, out=row)
    return result


@quiet
def cumulants(measure: Measure, order: int, alpha: Vector) -> NDArray[np.float64]:
    """Return kappa_1 .. kappa_order of M under p_alpha, shape (A, order).

    Central moments of M / range, then kappa_n = m_n - sum_k C(n-1, k-1) kappa_k m_(n-k): raw
    moments would cancel, and powers of an unscaled M overflow.
    """
    result = np.zeros((alpha.size, order))
    spread = measure.high - measure.low
    for row, strength in zip(result, alpha, strict=True):
        weight, distance = _tilted(measure, strength)
        first = weight @ distance
        row[0] = measure.extreme(strength) + first
        if spread == 0.0 or order == 1:
            continue
        unit = (distance - first) / spread
        unit -= weight @ unit
        moments = central_moments(weight, unit, order)
        kappa = np.zeros(order + 1)
        for n in range(2, order + 1):
            lower = (comb(n - 1, k - 1) * kappa[k] * moments[n - k] for k in range(2, n - 1))
            kappa[n] = moments[n] - sum(lower)
        # Powers of the range may leave float64: the cumulant is then 0 or inf, honestly.
        scale = spread ** np.arange(2.0, order + 1.0)
        row[1:] = kappa[2:] * np.where(kappa[2:] == 0.0, 1.0, scale)
    return result


def _tilted(measure: Measure, alpha: float) -> tuple[Vector, Vector]:
    """Return (p_alpha, M - the extreme of M on the side of alpha) at one alpha."""
    distance = measure.gap(alpha)
    weight = alpha * distance
    weight += measure.log_p
    weight -= weight.max()
    np.exp(weight, out=weight)
    weight /= weight.sum()
    return weight, distance


def _two_moments(measure: Measure, alpha: Vector, *, variance: bool) -> tuple[Vector, Vector]:
    """Return (K', K''), each of shape (A,); K'' only on request.

    E d^2 - (E d)^2 is taken around E M, then, where that has lost digits, around the extreme of M,
    and where both lose digits, around the mean itself in a second pass.
    """
    first, second = np.empty(alpha.size), np.zeros(alpha.size)
    unit = (measure.high - measure.low) or 1.0
    index, (_, slope, curvature) = sweep(measure, alpha)
    first[index] = slope + _extremes(measure, alpha[index])
    second[index] = curvature / (unit * unit)
    left = np.ones(alpha.size, dtype=np.bool_)
    left[index] = np.isnan(curvature) & variance
    moderate = is_moderate(measure, alpha)
    # Far out the extreme is the better origin at once.
    near = moderate & (np.abs(alpha) * measure.reach <= _FAR)
    above = alpha >= 0.0
    sides = ((near, None), (above, measure.high), (~above, measure.low), (moderate, None))
    with np.errstate(under="ignore", over="ignore", invalid="ignore"):
        for mask, extreme in sides:
            chosen = np.flatnonzero(left & mask)
            if chosen.size == 0:
                continue
            strength = alpha[chosen]
            gap = measure.centred if extreme is None else measure.gap(float(strength[0]))
            columns = np.stack([(gap / unit) ** k for k in range(2 + variance)])
            if extreme is None:
                sums = centred_sums(measure, strength, columns)
            else:
                _, sums = extreme_sums(measure, strength, columns)
            shift = sums[:, 1] / sums[:, 0]
            first[chosen] = (measure.mean if extreme is None else extreme) + shift * unit
            if variance:
                square = sums[:, 2] / sums[:, 0]
                second[chosen] = square - shift * shift
                chosen = chosen[~(square > _CANCELLED * second[chosen])]
            left[chosen] = False
        for i in np.flatnonzero(left):
            weight, distance = _tilted(measure, alpha[i])
            distance = distance / unit
            distance -= weight @ distance
            distance -= weight @ distance
            second[i] = weight @ (distance * distance)
        return np.clip(first, measure.low, measure.high), second * unit * unit


def _extremes(measure: Measure, alpha: Vector) -> Vector:
    """Return the extreme of M on the side of each alpha, shape (A,)."""
    return np.where(alpha >= 0.0, measure.high, measure.low)
