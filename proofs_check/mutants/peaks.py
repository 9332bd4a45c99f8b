"""Wrong peaks, wrong limits, wrong claims of monotony."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.mutants.mutant import RIGHT, Mutant, mutant
from steering_strength.theory import ConceptDataset, TiltedFamily

__all__ = ["MUTANTS"]

Floats = NDArray[np.float64]
Tokens = Sequence[int]


def negated(family: TiltedFamily) -> Floats:
    """The sign of the peaks is reversed."""
    return -RIGHT.peaks(family)


def linearised(family: TiltedFamily) -> Floats:
    """One Newton step from 0: (M - E[M]) / Var[M], the ends left at infinity."""
    right = RIGHT.peaks(family)
    with np.errstate(divide="ignore", invalid="ignore"):
        step = (family.log_odds - family.mean(0.0)) / family.variance(0.0)
    return np.where(np.isfinite(right), step, right)


def with_tie_tolerance(family: TiltedFamily) -> Floats:
    """Tokens within 1e-9 of an extreme of M count as extreme."""
    M, right = family.log_odds, RIGHT.peaks(family)
    right = np.where(M.max() - 1e-9 <= M, np.inf, right)
    return np.where(M.min() + 1e-9 >= M, -np.inf, right)


def finite_ends(family: TiltedFamily) -> Floats:
    """Extreme tokens peak at +-1000: the end of some grid."""
    return np.clip(RIGHT.peaks(family), -1000.0, 1000.0)


def on_a_grid(family: TiltedFamily) -> Floats:
    """Peaks rounded to a grid of 1/100."""
    return np.round(RIGHT.peaks(family), 2)


def in_reverse_order(family: TiltedFamily) -> Floats:
    """The order is reversed: the peak of the k-th largest M goes to the k-th smallest."""
    return RIGHT.peaks(TiltedFamily(family.log_p, -family.log_odds))


def by_probability(family: TiltedFamily) -> Floats:
    """Tied tokens peak apart, by their probability."""
    with np.errstate(under="ignore"):
        return RIGHT.peaks(family) * (1.0 + 1e-6 * np.exp(family.log_p))


def one_for_all(family: TiltedFamily) -> Floats:
    """One peak for all bumping tokens: that of the median."""
    right = RIGHT.peaks(family)
    inner = np.isfinite(right)
    return np.where(inner, np.median(right[inner]) if inner.any() else 0.0, right)


def minus_legendre(family: TiltedFamily) -> Floats:
    """Peak height p exp(-K*(M)): the sign of the Legendre transform."""
    return np.asarray(2.0 * family.log_p - RIGHT.peak_log_probability(family))


def unsteered_height(family: TiltedFamily) -> Floats:
    """The peak is no higher than p."""
    return np.asarray(family.log_p.copy())


def height_one(family: TiltedFamily) -> Floats:
    """At its peak a token has probability 1."""
    return np.zeros_like(family.log_p)


def exchanged(below: float, above: float, down: float, up: float) -> float:
    """The two distances exchanged."""
    return float(RIGHT.two_level_peak(below, above, up, down))


def masses_only(below: float, above: float, down: float, up: float) -> float:
    """log(P_-/P_+)/(s + t): the distances left out of the logarithm."""
    return float(np.log(below / above)) / (up + down)


def over_larger(below: float, above: float, down: float, up: float) -> float:
    """Divided by the larger distance instead of their sum."""
    return float(RIGHT.two_level_peak(below, above, down, up) * (up + down) / max(up, down))


def first_of_ties(family: TiltedFamily) -> NDArray[np.bool_]:
    """Of the tokens tied at max M only the first rises."""
    mask = np.zeros(len(family.log_odds), dtype=bool)
    mask[int(np.argmax(family.log_odds))] = family.log_odds.max() > family.log_odds.min()
    return mask


def all_positive(family: TiltedFamily) -> NDArray[np.bool_]:
    """Every token with M > 0 rises for ever."""
    return np.asarray(family.log_odds > 0)


def even_if_constant(family: TiltedFamily) -> NDArray[np.bool_]:
    """Tokens at max M rise, also where M is constant."""
    return np.asarray(family.log_odds == family.log_odds.max())


def near_ties_too(family: TiltedFamily) -> NDArray[np.bool_]:
    """Tokens within 1e-9 of min M fall for ever."""
    M = family.log_odds
    return np.asarray((M.min() + 1e-9 >= M) & (M.max() > M.min()))


def below_mean(family: TiltedFamily) -> NDArray[np.bool_]:
    """Every token below E[M] falls for ever."""
    return np.asarray(family.log_odds < family.mean(0.0))


def sign_of_log_odds(family: TiltedFamily) -> Floats:
    """A peak is at positive alpha iff M > 0."""
    return np.sign(family.log_odds)


def against_flat_mean(family: TiltedFamily) -> Floats:
    """A peak is at positive alpha iff M exceeds the unweighted mean of M."""
    return np.sign(family.log_odds - family.log_odds.mean())


def against_middle(family: TiltedFamily) -> Floats:
    """A peak is at positive alpha iff M is in the upper half of its range."""
    return np.sign(family.log_odds - 0.5 * (family.log_odds.max() + family.log_odds.min()))


def reversed_divergence(
    data: ConceptDataset, context: int, positive: Tokens, negative: Tokens
) -> float:
    """KL(p_i || p_j) for KL(p_j || p_i)."""
    p, log_p = data.probabilities, np.log(data.probabilities)

    def distance(contexts: Tokens) -> float:
        return float(np.mean([p[i] @ (log_p[i] - log_p[context]) for i in contexts]))

    return distance(negative) - distance(positive)


def farther_to_positive(
    data: ConceptDataset, context: int, positive: Tokens, negative: Tokens
) -> float:
    """P and N exchanged in the mean of M."""
    return -RIGHT.closeness(data, context, positive, negative)


def ignoring_own_concept(*weights: Any, own: int, negative_share: Any, **rest: Any) -> float:
    """eps* without the terms of Q_D: as if no negative context were in the concept of c_j."""
    share = np.array(negative_share, dtype=np.float64)
    share[own] = 0.0
    share = share / share.sum() if share.any() else np.asarray(negative_share)
    return float(RIGHT.weighted_margin(*weights, own=own, negative_share=share, **rest))


def unweighted_lambda(*, gamma: Any, omega: Any, **rest: Any) -> float:
    """gamma and omega exchanged in the divergences."""
    return float(RIGHT.weighted_margin(gamma=omega, omega=gamma, **rest))


def uniform_among_ties(family: TiltedFamily, sign: int) -> Floats:
    """Ties share uniformly, not in proportion to p."""
    right = RIGHT.limit(family, sign)
    alive = np.isfinite(right)
    return np.where(alive, -np.log(alive.sum()), right)


def winner_takes_all(family: TiltedFamily, sign: int) -> Floats:
    """The most probable of the tied tokens takes everything."""
    right = RIGHT.limit(family, sign)
    result = np.full_like(right, -np.inf)
    result[int(np.argmax(right))] = 0.0
    return result


def with_limit_tolerance(family: TiltedFamily, sign: int) -> Floats:
    """Near-ties within 1e-9 count as ties."""
    M = np.where(np.isfinite(family.log_p), sign * family.log_odds, -np.inf)
    alive = M.max() - 1e-9 <= M
    masked = np.where(alive, family.log_p, -np.inf)
    with np.errstate(under="ignore"):
        return np.asarray(masked - np.logaddexp.reduce(masked))


def one_ended(family: TiltedFamily, sign: int) -> Floats:
    """The limit at -inf is that at +inf."""
    return RIGHT.limit(family, 1)


def ignoring_support(family: TiltedFamily, sign: int) -> Floats:
    """A token without support holds the extreme of M: nothing is left of p."""
    M = sign * family.log_odds
    kept = np.where(M.max() <= M, family.log_p, -np.inf)
    with np.errstate(invalid="ignore"):
        total = np.logaddexp.reduce(kept)
        return np.asarray(kept - total if np.isfinite(total) else np.full_like(kept, -np.inf))


def without_share(family: TiltedFamily, alpha: Any) -> Floats:
    """Total variation R instead of R/(P_A + R)."""
    right = RIGHT.limit_distance(family, alpha)
    with np.errstate(under="ignore", divide="ignore", invalid="ignore"):
        side = RIGHT.limit(family, 1 if alpha > 0 else -1)
        kept = np.exp(family.log_p)[np.isfinite(side)].sum()
        return np.asarray(np.where(right < 1.0, right / (1.0 - right) * kept, right))


def algebraic(family: TiltedFamily, alpha: Any) -> Floats:
    """The distance falls like 1/|alpha|, as it does under a norm."""
    right = RIGHT.limit_distance(family, np.where(np.asarray(alpha) > 0, 1.0, -1.0))
    return np.asarray(right / np.maximum(np.abs(alpha), 1.0))


MUTANTS: tuple[Mutant, ...] = (
    *(
        mutant("peak", peaks=wrong)
        for wrong in (
            negated,
            linearised,
            with_tie_tolerance,
            finite_ends,
            on_a_grid,
            by_probability,
            one_for_all,
        )
    ),
    mutant("peak-order", peaks=in_reverse_order),
    *(
        mutant("peak", peak_log_probability=wrong)
        for wrong in (minus_legendre, unsteered_height, height_one)
    ),
    *(mutant("peak", two_level_peak=wrong) for wrong in (exchanged, masses_only, over_larger)),
    *(
        mutant("monotone", rising=wrong)
        for wrong in (first_of_ties, all_positive, even_if_constant)
    ),
    *(mutant("monotone", falling=wrong) for wrong in (near_ties_too, below_mean)),
    *(
        mutant("peak-sign", peak_signs=wrong)
        for wrong in (sign_of_log_odds, against_flat_mean, against_middle)
    ),
    *(mutant("peak-sign", closeness=wrong) for wrong in (reversed_divergence, farther_to_positive)),
    *(
        mutant("peak-sign/interval", weighted_margin=wrong)
        for wrong in (ignoring_own_concept, unweighted_lambda)
    ),
    *(
        mutant("limit", limit=wrong)
        for wrong in (
            uniform_among_ties,
            winner_takes_all,
            with_limit_tolerance,
            one_ended,
            ignoring_support,
        )
    ),
    *(mutant("limit", limit_distance=wrong) for wrong in (without_share, algebraic)),
)
