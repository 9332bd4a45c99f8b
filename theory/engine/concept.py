"""The probability of a set of tokens under steering: F_C(alpha), its increase, and the limits.

Source: arXiv:2602.02712, Def. 3.5 and Thm 3.6, with the integral nu in closed form:
nu(alpha) + r = log S_C(alpha) - log S_notC(alpha), S_C = sum over C of p e^(alpha M). At alpha ->
+-inf (Prop. B.1) p is left on the tokens at an extreme of M; among ties the share is proportional
to p. Values of M that differ in their last bit are no ties and have different limits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steering_strength.theory.engine.cross_entropy import cross_entropy_increase, log_normaliser
from steering_strength.theory.engine.measure import Measure
from steering_strength.theory.engine.numerics import log_sum_exp, quiet
from steering_strength.theory.engine.sums import blocks, centred_sums, group_sums, is_moderate
from steering_strength.theory.engine.tilting import mean

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Sums of p e^x below this may have lost tokens to underflow; the concept is then treated alone.
_TINY = 1e-250
# Concepts at a time: their membership fits in 16 bits, for which sorting is fast.
_CONCEPTS = 16
# Groups of tokens up to which a sum for each is cheaper than a column for each concept.
_GROUPS = 64


def split(measure: Measure, mask: Mask) -> tuple[Measure, Measure]:
    """Return the measure on C and on its complement, both non-empty."""
    return (
        Measure(measure.log_p[mask], measure.log_odds[mask]),
        Measure(measure.log_p[~mask], measure.log_odds[~mask]),
    )


@quiet
def log_odds_shift(inside: Measure, outside: Measure, alpha: Vector) -> Vector:
    """Return nu(alpha) = logit F_C(alpha) - logit F_C(0), shape (A,).

    The difference of the two conditional cgfs, each as alpha times its mean plus a divergence: it
    vanishes at 0 with its relative accuracy. Where alpha may overflow, each is alpha times its
    extreme plus a logarithm that stays finite.
    """
    near = is_moderate(inside, alpha) & is_moderate(outside, alpha)
    near |= np.abs(alpha) * max(inside.reach, outside.reach) <= 1.0
    shift = np.empty(alpha.size)
    slope = (inside.reference - outside.reference) + (inside.offset - outside.offset)
    inner, outer = (cross_entropy_increase(part, alpha[near]) for part in (inside, outside))
    shift[near] = alpha[near] * slope + (inner - outer)
    far = alpha[~near]
    step = np.where(far >= 0.0, inside.high - outside.high, inside.low - outside.low)
    inner, outer = (log_normaliser(part, far) for part in (inside, outside))
    shift[~near] = far * step + (inner - outer)
    return shift


def split_log_odds(inside: Measure, outside: Measure, alpha: Vector) -> Vector:
    """Return logit F_C(alpha), shape (A,), from the measures on C and on its complement."""
    return (inside.log_mass - outside.log_mass) + log_odds_shift(inside, outside, alpha)


@quiet
def concept_log_odds(measure: Measure, mask: Mask, alpha: Vector) -> NDArray[np.float64]:
    """Return logit F_C(alpha), shape (A,); +inf if C holds all of the support, -inf if none.

    Of several concepts, masks (C, n), it is (A, C).
    """
    if mask.ndim == 2:
        return _several_log_odds(measure, mask, alpha)
    if mask.all() or not mask.any():
        return np.full(alpha.size, np.inf if mask.any() else -np.inf)
    return split_log_odds(*split(measure, mask), alpha)


def _several_log_odds(measure: Measure, masks: Mask, alpha: Vector) -> NDArray[np.float64]:
    """The same of several concepts, (A, C).

    One exponential per token serves all concepts and their complements. Alphas at which a sum may
    have lost tokens to underflow are left to `concept_log_odds`.
    """
    result = np.empty((alpha.size, masks.shape[0]))
    near = np.flatnonzero(is_moderate(measure, alpha))
    good = np.zeros(result.shape, dtype=np.bool_)
    for some in blocks(masks.shape[0], _CONCEPTS):
        inside, outside = _sums(measure, masks[some], alpha[near])
        good[near, some] = np.minimum(inside, outside) > _TINY
        result[near, some] = np.log(np.maximum(inside, _TINY)) - np.log(np.maximum(outside, _TINY))
    for c in np.flatnonzero(~good.all(axis=0)):
        alone = ~good[:, c]
        result[alone, c] = concept_log_odds(measure, masks[c], alpha[alone])
    return result


def _sums(
    measure: Measure, masks: Mask, alpha: Vector
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sums over each concept and over each complement, (A, C) each.

    Tokens are sorted by which concepts they belong to: what a concept and a complement need are
    sums of such groups, all positive. Where the groups are many, each concept and each complement
    is a column instead.
    """
    label = (masks.T @ (1 << np.arange(masks.shape[0]))).astype(np.uint16)
    order = np.argsort(label, kind="stable")
    first = np.flatnonzero(np.diff(label[order], prepend=~label[order[:1]]))
    if first.size > _GROUPS:
        sums = centred_sums(measure, alpha, np.concatenate((masks, ~masks)).astype(np.float64))
        return sums[:, : masks.shape[0]], sums[:, masks.shape[0] :]
    groups = group_sums(measure, alpha, np.split(order, first[1:]))
    member = masks[:, order[first]].T
    return groups @ member, groups @ ~member


@quiet
def concept_increase(measure: Measure, mask: Mask, alpha: Vector) -> NDArray[np.float64]:
    """Return F_C(alpha) - F_C(0), shape (A,), or of several concepts, masks (C, n), (A, C)."""
    if mask.ndim == 2:
        return np.stack([concept_increase(measure, each, alpha) for each in mask], axis=1)
    if mask.all() or not mask.any():
        return np.zeros(alpha.size)
    inside, outside = split(measure, mask)
    shift = log_odds_shift(inside, outside, alpha)
    return increase(inside.log_mass - outside.log_mass, shift)


@quiet
def increase(log_odds: ArrayLike, nu: ArrayLike) -> Vector:
    """Return F - F(0) where logit F has moved by nu from `log_odds`, broadcast; both may be +-inf.

    With F, G = 1 - F at the start it is F G expm1(nu) / (G + F e^nu), divided through by e^nu for
    nu > 0: no cancellation anywhere, and in log space because F or G may be below 1e-308.
    """
    before, shift = np.asarray(log_odds, np.float64), np.asarray(nu, np.float64)
    log_f, log_g = -np.logaddexp(0.0, -before), -np.logaddexp(0.0, before)
    shrink = -np.abs(shift)
    up = np.logaddexp(log_f, log_g + shrink)
    down = np.logaddexp(log_g, log_f + shrink)
    size = -np.expm1(shrink) * np.exp(log_f + log_g - np.where(shift >= 0.0, up, down))
    return np.asarray(np.copysign(size, shift))


@quiet
def increase_between(measure: Measure, mask: Mask, after: float) -> float:
    """Return F - F_C(0) where logit F = `after`, which may be infinite; no cancellation."""
    if mask.all() or not mask.any():
        return 0.0
    inside, outside = split(measure, mask)
    before = inside.log_mass - outside.log_mass
    return float(increase(before, after - before))


@quiet
def concept_slope(measure: Measure, mask: Mask, alpha: Vector) -> Vector:
    """Return dF_C / dalpha = F (1 - F) (mu_C - mu_notC), shape (A,): Eq. 12.

    mu are the conditional means of M under p_alpha; F (1 - F) is formed from log-odds, so that the
    slope keeps its relative accuracy where F is all but 0 or 1.
    """
    if mask.all() or not mask.any():
        return np.zeros(alpha.size)
    # A common offset of M costs no digits once one of its values is taken away.
    inside, outside = split(Measure(measure.log_p, measure.log_odds - measure.reference), mask)
    log_odds = split_log_odds(inside, outside, alpha)
    spread = np.exp(-np.logaddexp(0.0, log_odds) - np.logaddexp(0.0, -log_odds))
    return np.asarray(spread * (mean(inside, alpha) - mean(outside, alpha)))


def limit(measure: Measure, sign: int) -> Vector:
    """Return lim log p_alpha as alpha -> sign * inf, shape (n,); -inf off the extreme of M."""
    ties = measure.log_odds == measure.extreme(sign)
    result = np.full(measure.log_p.shape, -np.inf)
    result[ties] = measure.log_p[ties] - log_sum_exp(measure.log_p[ties])
    return result


@quiet
def limit_distance(measure: Measure, alpha: Vector) -> Vector:
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


@quiet
def concept_limit(measure: Measure, mask: Mask, sign: int) -> float:
    """Return logit F_C as alpha -> sign * inf: the share of C among the tokens at that extreme."""
    ties = measure.log_odds == measure.extreme(sign)
    inside, outside = (log_sum_exp(measure.log_p[ties & part]) for part in (mask, ~mask))
    return float(inside - outside)


@quiet
def level_shares(measure: Measure, mask: Mask) -> Vector:
    """Return rho, the probability of C given M, on the distinct levels of M, increasing: (L,).

    Tilting does not change it, and F_C = E_alpha[rho(M)]. It is exactly 0 or 1 on a level that
    lies wholly outside or inside C.
    """
    order = np.argsort(measure.log_odds, kind="stable")
    values, inside, log_p = measure.log_odds[order], mask[order], measure.log_p[order]
    starts = np.flatnonzero(np.concatenate(([True], values[1:] > values[:-1])))
    if starts.size == values.size:
        return inside.astype(np.float64)
    sizes = np.diff(np.append(starts, values.size))
    weight = np.exp(log_p - np.repeat(np.maximum.reduceat(log_p, starts), sizes))
    return np.asarray(np.add.reduceat(weight * inside, starts) / np.add.reduceat(weight, starts))


def extrema_bound(measure: Measure, mask: Mask) -> int:
    """Return how often rho turns: F_C has at most as many interior extrema, and as many modulo 2.

    Beyond Thm 3.6: the law `concept-shape`, by Rolle's theorem one level at a time. Shares that
    differ by no more than the rounding of log p count as equal.
    """
    rounding = 4.0 * float(np.finfo(np.float64).eps) * (1.0 - measure.lightest)
    steps = np.diff(level_shares(measure, mask))
    moves = np.sign(steps[np.abs(steps) > rounding])
    return int((moves[1:] != moves[:-1]).sum())
