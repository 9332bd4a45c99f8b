"""The price of steering: KL(p || p_alpha), which is Delta CE, and the reverse divergence.

Source: arXiv:2602.02712, Thm 3.8 is the quadratic term of
KL(p || p_alpha) = K(alpha) - alpha K'(0).

Both are formed so that nothing cancels. With x = alpha (M - E M),

    K(alpha) - alpha K'(0) = log sum p e^x = log1p(sum p (e^x - 1 - x)),

a sum of non-negative terms. How each alpha gets there is a matter of cost: by the moments of M
where |x| <= 1/2 for every token, by the plain sum where the result is far from 0, by the sum of
e^x - 1 in between, and term by term where even that would lose digits.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steering_strength.theory.engine.measure import Measure
from steering_strength.theory.engine.numerics import (
    central_moments,
    exponential_excess,
    narrowed,
    quiet,
)
from steering_strength.theory.engine.sums import centred_sums, extreme_sums, is_moderate
from steering_strength.theory.engine.walk import sweep

Vector = NDArray[np.float64]

# Up to this max |x| the series in the moments is used: its term of order 19 is below
# 2 (1/2)^17 / 19! < 2^-72 of the first.
_SERIES = 0.5
_ORDERS = np.arange(2.0, 19.0)
_FACTORIALS = np.cumprod(np.arange(1.0, 19.0))[1:]
# log T with T - 1 >= 1/16 loses four bits; sum p (e^x - 1) loses as many at 1e-5, since its terms
# are of order sqrt(T - 1).
_PLAIN, _MINUS_ONE = 1.0 / 16.0, 1e-5
# Far out the result is a difference of two numbers of the order of alpha: accepted if it keeps
# all but ten bits of the larger.
_SHARE = 1e-3


@quiet
def log_normaliser(measure: Measure, alpha: Vector) -> Vector:
    """Return log sum p exp(alpha (M - extreme M)) in [log p(extreme), 0], shape (A,).

    K(alpha) = alpha times the extreme on the side of alpha plus this: the form for large alpha.
    """
    result = np.full(alpha.size, np.nan)
    index, table = sweep(measure, alpha)
    result[index] = table[0]
    ones = np.ones((1, measure.p.size))
    for side in (alpha >= 0.0, alpha < 0.0):
        left = side & np.isnan(result)
        if left.any():
            top, total = extreme_sums(measure, alpha[left], ones)
            result[left] = top + np.log(total[:, 0])
    return result


@quiet
def cross_entropy_increase(measure: Measure, alpha: Vector) -> Vector:
    """Return K(alpha) - alpha K'(0) = KL(p || p_alpha) >= 0, shape (A,)."""
    result = np.zeros(alpha.size)
    if measure.constant:
        return result
    left = _by_series(measure, alpha, result)
    index, table = sweep(measure, alpha[left])
    chosen = np.flatnonzero(left)[index]
    lead = _lead(measure, alpha[chosen])
    value = lead + table[0]
    good = value >= np.maximum(_PLAIN, _SHARE * lead)
    result[chosen[good]] = value[good]
    left[chosen[good]] = False
    moderate = is_moderate(measure, alpha)
    chosen = np.flatnonzero(left & moderate)
    ones = np.ones((1, measure.p.size))
    total = centred_sums(measure, alpha[chosen], ones)[:, 0]
    result[chosen] = np.log(np.maximum(total, 1.0))
    close = total - 1.0 < _PLAIN
    small = chosen[close]
    excess = centred_sums(measure, alpha[small], ones, minus_one=True)[:, 0]
    result[small] = np.log1p(np.maximum(excess, 0.0))
    rest = small[excess < _MINUS_ONE]
    far = np.flatnonzero(left & ~moderate)
    lead = _lead(measure, alpha[far])
    value = lead + log_normaliser(measure, alpha[far])
    result[far] = value
    rest = np.concatenate((rest, far[~(value >= np.maximum(_PLAIN, _SHARE * lead))]))
    log_p = measure.log_p - measure.log_mass
    for i in rest:
        x = alpha[i] * measure.centred
        result[i] = _term_by_term(measure.p, x, log_p + x)
    return result


@quiet
def reverse_kl(measure: Measure, alpha: Vector) -> Vector:
    """Return alpha K'(alpha) - K(alpha) = KL(p_alpha || p) >= 0, shape (A,).

    From afar it is alpha E_alpha[M - extreme] - log sum p e^(alpha (M - extreme)), which tends to
    -log p(extreme). Near 0 it is the divergence above seen from p_alpha, which returns to p under
    -alpha, so the same sum keeps its relative accuracy.
    """
    result = np.zeros(alpha.size)
    if measure.constant:
        return result
    left = _by_series(measure, alpha, result, reverse=True)
    index, table = sweep(measure, alpha[left])
    chosen = np.flatnonzero(left)[index]
    value, good = _from_afar(alpha[chosen], table[0], table[1])
    result[chosen[good]] = value[good]
    left[chosen[good]] = False
    for side in (alpha >= 0.0, alpha < 0.0):
        chosen = np.flatnonzero(left & side)
        if chosen.size == 0:
            continue
        strength = alpha[chosen]
        gap = measure.gap(float(strength[0]))
        top, sums = extreme_sums(measure, strength, np.stack((np.ones_like(gap), gap)))
        log_total, slope = top + np.log(sums[:, 0]), sums[:, 1] / sums[:, 0]
        value, good = _from_afar(strength, log_total, slope)
        result[chosen] = value
        left[chosen[good]] = False
    chosen = np.flatnonzero(left & is_moderate(measure, alpha))
    # sum p (e^x - 1) and sum p (e^x - 1) x have only terms of second order and one sign.
    columns = np.stack((np.ones_like(measure.p), measure.centred))
    sums = centred_sums(measure, alpha[chosen], columns, minus_one=True)
    excess = sums[:, 0]
    result[chosen] = alpha[chosen] * sums[:, 1] / (1.0 + excess) - np.log1p(excess)
    left[chosen[(excess >= _MINUS_ONE) & (excess < 1.0)]] = False
    for i in np.flatnonzero(left):
        result[i] = _reverse_term_by_term(measure, float(alpha[i]))
    return result


def _from_afar(alpha: Vector, log_total: Vector, slope: Vector) -> tuple[Vector, NDArray[np.bool_]]:
    """Return (alpha slope - log_total, whether that has lost at most eight bits).

    Its rounding is eps (1 + |alpha slope|): the 1 is that of a logarithm near 0, and alpha slope
    vanishes far out, where M - extreme does under p_alpha.
    """
    first = alpha * slope
    value = first - log_total
    return value, value > (1.0 + np.abs(first)) / 256.0


def _lead(measure: Measure, alpha: Vector) -> Vector:
    """Return alpha (extreme M - E M) >= 0, the extreme on the side of alpha."""
    return np.asarray(alpha * np.where(alpha >= 0.0, measure.top_gap, -measure.bottom_gap))


def _by_series(
    measure: Measure, alpha: Vector, result: Vector, *, reverse: bool = False
) -> NDArray[np.bool_]:
    """Fill `result` where |x| <= 1/2 for every token; return which are left, (A,)."""
    near = np.abs(alpha) * measure.reach <= _SERIES
    if near.any():
        # In units of the reach every |u| <= 1 and y <= 1/2: no moment cancels another.
        moments = central_moments(measure.p, measure.centred / measure.reach, 18)[2:]
        y = alpha[near] * measure.reach
        powers = y[:, None] ** _ORDERS
        excess = powers @ (moments / _FACTORIALS)
        if reverse:
            # alpha sum p M e^x / T - log T, both of second order, the first twice the second.
            slope = powers @ (moments * _ORDERS / _FACTORIALS)
            result[near] = slope / (1.0 + excess) - np.log1p(excess)
        else:
            result[near] = np.log1p(excess)
    return np.asarray(~near)


def _term_by_term(p: Vector, x: Vector, exponent: Vector) -> float:
    """Return log sum p e^x for centred x as log1p(sum p (e^x - 1 - x)), to a few eps.

    Past x = 1 a term is formed as e^exponent - p (1 + x), exponent = log p + x, because p may
    underflow where p e^x does not. A term past e^600 leaves the 1 and the x below the last bit:
    plain log-sum-exp.
    """
    top = float(exponent.max())
    if top > 600.0:
        return top + float(np.log(np.exp(exponent - top).sum())) if top < np.inf else np.inf
    far = x > 1.0
    near = ~far
    # alpha M may overflow; 1e300 keeps p x a number where p has underflowed to 0.
    total = float(p[near] @ exponential_excess(np.maximum(x[near], -1e300)))
    with np.errstate(invalid="ignore"):
        linear = np.where(p[far] > 0.0, p[far] * (1.0 + x[far]), 0.0)
    # Each term is at least 0: e^x >= 1 + x, which rounding of |alpha M| beyond 1e16 forgets.
    return float(np.log1p(total + np.maximum(np.exp(exponent[far]) - linear, 0.0).sum()))


def _reverse_term_by_term(measure: Measure, alpha: float) -> float:
    gap = measure.gap(alpha)
    log_p = measure.log_p - measure.log_mass
    log_weight = alpha * gap + log_p
    top = log_weight.max()
    normaliser = top + np.log(np.exp(log_weight - top).sum())
    log_weight -= normaliser
    kept = log_weight > -np.inf
    log_p, log_weight, gap = log_p[kept], log_weight[kept], gap[kept]
    weight = np.exp(log_weight)
    weight /= weight.sum()
    centre = 0.0
    for _ in range(2):
        shift = float(weight @ gap)
        gap, centre = gap - shift, centre + shift
    # Tilted back by -alpha, the weights are p up to a constant: in log_weight - alpha gap two terms
    # of size |alpha M| would cancel, and leave their rounding.
    return _term_by_term(weight, -alpha * gap, log_p + (alpha * centre - normaliser))


@quiet
def envelope(x: ArrayLike) -> tuple[Vector, Vector]:
    """Return bounds on Delta CE / quadratic at x = |alpha| (max M - min M), each of the shape of x.

    2 (e^-x - 1 + x) / x^2 and 2 (e^x - 1 - x) / x^2, both sharp, both 1 at 0: the law `ce-radius`,
    beyond Thm 3.8, from |K'''| <= (max M - min M) K''. The upper one is inf from x = 700 on.
    """
    size = np.abs(np.asarray(x, dtype=np.float64))
    # Below 1e-150 x^2 underflows, and both bounds are 1 to the last bit.
    safe = np.clip(size, 1e-150, 1e308)
    lower = 2.0 * (exponential_excess(-safe) / safe) / safe
    upper = 2.0 * exponential_excess(np.minimum(safe, 700.0)) / safe**2
    return lower, np.where(size < 700.0, upper, np.inf)


def quadratic_radius(tolerance: float) -> float:
    """Return the x = |alpha| (max M - min M) up to which the quadratic law errs by at most that.

    Relative to the quadratic, 0 < tolerance; of the two bounds the upper one binds. Rounded down.
    """
    # 2 (e^x - 1 - x) / x^2 >= 1 + x / 3 + x^2 / 12.
    high = min(3.0 * tolerance, 699.0) * 1.001
    if envelope(high)[1] - 1.0 <= tolerance:
        return high
    low, _ = narrowed(lambda x: float(envelope(x)[1]) - 1.0 - tolerance, 0.0, high)
    return low * (1.0 - 1e-12)


@quiet
def bounds(variance: float, spread: float, alpha: Vector) -> tuple[Vector, Vector]:
    """Return what Delta CE is certain to lie between, from Var M and max M - min M: (A,) each.

    The envelope around the quadratic law, and Hoeffding's lemma Delta CE <= alpha^2 range^2 / 8.
    """
    x = np.minimum(np.abs(alpha) * spread, 1e308)
    # Quadratic times envelope is Var / range^2 times an excess: no power of alpha overflows.
    share = (math.sqrt(variance) / spread) ** 2 if spread else 0.0
    # A variance that has underflowed, all weight on one level of M, says nothing from above.
    known = (x < 700.0) & (share > 0.0)
    above = np.where(known, share * exponential_excess(np.where(known, x, 0.0)), np.inf)
    return share * exponential_excess(-x), np.minimum(above, hoeffding(spread, alpha))


def hoeffding(spread: float, alpha: Vector) -> Vector:
    """Return alpha^2 (max M - min M)^2 / 8 >= Delta CE, shape (A,): Hoeffding's lemma."""
    result: Vector = (np.abs(alpha) * spread) ** 2 / 8.0
    return result


def asymptote(measure: Measure, sign: int) -> tuple[float, float]:
    """Return (slope, offset) of the line |alpha| slope + offset that Delta CE tends to.

    slope = |extreme M - E[M]| and offset = log p(extreme) <= 0: Delta CE lies between the line and
    |alpha| slope, for every alpha of that sign (the law `ce-asymptote`, beyond Thm 3.8).
    """
    return measure.top_gap if sign > 0 else measure.bottom_gap, measure.log_share(sign)
