"""Wrong ways to tilt, to average and to take log-odds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.mutants.mutant import RIGHT, Mutant, mutant
from steering_strength.theory import ConceptDataset, TiltedFamily, UnconstrainedFeatures

__all__ = ["MUTANTS"]

Floats = NDArray[np.float64]
Tokens = Sequence[int]

Rows = tuple[Floats, Floats]


def _rows(data: ConceptDataset, positive: Tokens, negative: Tokens) -> Rows:
    p = data.probabilities
    return p[list(positive)], p[list(negative)]


def without_q(data: ConceptDataset, positive: Tokens, negative: Tokens) -> Floats:
    """The 1/q of Def. 3.2 is missing."""
    return len(positive) * RIGHT.log_odds(data, positive, negative)


def swapped(data: ConceptDataset, positive: Tokens, negative: Tokens) -> Floats:
    """P and N are swapped."""
    return -RIGHT.log_odds(data, positive, negative)


def of_mean_rows(data: ConceptDataset, positive: Tokens, negative: Tokens) -> Floats:
    """Arithmetic instead of geometric mean: the log-ratio of the mean distributions."""
    inside, outside = _rows(data, positive, negative)
    return np.asarray(np.log(inside.mean(axis=0) / outside.mean(axis=0)))


def first_pair(data: ConceptDataset, positive: Tokens, negative: Tokens) -> Floats:
    """Only the first context of P and of N counts."""
    return RIGHT.log_odds(data, positive[:1], negative[:1])


def in_bits(data: ConceptDataset, positive: Tokens, negative: Tokens) -> Floats:
    """Logarithms to base 2."""
    return RIGHT.log_odds(data, positive, negative) / np.log(2.0)


def pooled(data: ConceptDataset, positive: Tokens, negative: Tokens) -> Floats:
    """1/(2q) instead of 1/q: the mean over P and N together."""
    return RIGHT.log_odds(data, positive, negative) / 2.0


def logit_differences(data: ConceptDataset, positive: Tokens, negative: Tokens) -> Floats:
    """Differences of logit p instead of log p, as in a probe for one token."""
    inside, outside = _rows(data, positive, negative)
    logit = [np.log(rows) - np.log1p(-rows) for rows in (inside, outside)]
    return np.asarray(logit[0].mean(axis=0) - logit[1].mean(axis=0))


def unnormalised(family: TiltedFamily, alpha: Any) -> Floats:
    """The renormalisation is dropped: log p + alpha M."""
    return np.asarray(family.log_p + np.multiply.outer(alpha, family.log_odds))


def normalised_to_first_order(family: TiltedFamily, alpha: Any) -> Floats:
    """K(alpha) is replaced by alpha K'(0)."""
    return np.asarray(family.log_p + np.multiply.outer(alpha, family.log_odds - family.mean(0.0)))


def without_shift(family: TiltedFamily, alpha: Any) -> Floats:
    """A softmax that does not subtract the largest logit first."""
    with np.errstate(all="ignore"):
        weights = np.exp(family.log_p + np.multiply.outer(alpha, family.log_odds))
        return np.asarray(np.log(weights / weights.sum(axis=-1, keepdims=True)))


def clipped(family: TiltedFamily, alpha: Any) -> Floats:
    """Probabilities are kept above 1e-12 before the logarithm."""
    with np.errstate(under="ignore"):
        return np.log(np.maximum(np.exp(RIGHT.log_probability(family, alpha)), 1e-12))


def in_float32(family: TiltedFamily, alpha: Any) -> Floats:
    """Single precision on the way."""
    return RIGHT.log_probability(family, alpha).astype(np.float32).astype(np.float64)


def tilted_towards_negative(family: TiltedFamily, alpha: Any) -> Floats:
    """The sign of alpha is lost."""
    return RIGHT.log_probability(family, np.abs(alpha))


def rounded_log_odds(family: TiltedFamily, alpha: Any) -> Floats:
    """Log-odds rounded to 9 decimals, as a file of them might hold."""
    coarse = TiltedFamily(family.log_p, np.round(family.log_odds, 9))
    return RIGHT.log_probability(coarse, alpha)


def by_subtraction(family: TiltedFamily, alpha: Any) -> Floats:
    """p_alpha - p as it stands: the digits cancel near alpha = 0."""
    with np.errstate(under="ignore"):
        return np.exp(RIGHT.log_probability(family, alpha)) - np.exp(family.log_p)


def to_first_order(family: TiltedFamily, alpha: Any) -> Floats:
    """Delta p by its slope at 0."""
    return np.asarray(np.multiply.outer(alpha, RIGHT.slope(family, 0.0)))


def plain_log_sum_exp(family: TiltedFamily, alpha: Any) -> Floats:
    """K by log-sum-exp: near alpha = 0 it is rounding."""
    exponent = family.log_p + np.multiply.outer(alpha, family.log_odds)
    top = exponent.max(axis=-1)
    with np.errstate(under="ignore"):
        return np.asarray(top + np.log(np.exp(exponent - top[..., None]).sum(axis=-1)))


def jensen(family: TiltedFamily, alpha: Any) -> Floats:
    """K(alpha) = alpha E[M], Jensen's bound taken for the value."""
    return np.asarray(alpha * family.mean(0.0))


def untilted_mean(family: TiltedFamily, alpha: Any) -> Floats:
    """E_alpha[M] taken under p."""
    return RIGHT.mean(family, 0.0 * np.asarray(alpha))


def mirrored_mean(family: TiltedFamily, alpha: Any) -> Floats:
    """E[M] at -alpha."""
    return RIGHT.mean(family, -np.asarray(alpha))


def flat_mean(family: TiltedFamily, alpha: Any) -> Floats:
    """The mean of M over tokens, unweighted."""
    return np.asarray(family.log_odds.mean() + 0.0 * np.asarray(alpha))


def most_probable(family: TiltedFamily, alpha: Any) -> Floats:
    """M of the most probable token for the mean of M."""
    best = np.argmax(RIGHT.log_probability(family, alpha), axis=-1)
    return np.asarray(family.log_odds[best])


def second_moment(family: TiltedFamily, alpha: Any) -> Floats:
    """E[M^2] for Var(M)."""
    return RIGHT.variance(family, alpha) + RIGHT.mean(family, alpha) ** 2


def difference_of_moments(family: TiltedFamily, alpha: Any) -> Floats:
    """E[M^2] - E[M]^2: all digits cancel where M is far from 0."""
    with np.errstate(under="ignore"):
        p = np.exp(RIGHT.log_probability(family, alpha))
    return np.asarray(p @ family.log_odds**2 - (p @ family.log_odds) ** 2)


def bessel(family: TiltedFamily, alpha: Any) -> Floats:
    """Bessel's correction V/(V - 1)."""
    V = len(family.log_p)
    return RIGHT.variance(family, alpha) * V / (V - 1)


def untilted_variance(family: TiltedFamily, alpha: Any) -> Floats:
    """Var_alpha[M] taken under p."""
    return RIGHT.variance(family, 0.0 * np.asarray(alpha))


def relative_slope(family: TiltedFamily, alpha: float) -> Floats:
    """d log p_alpha for d p_alpha: the factor p_alpha(z) is missing."""
    return np.asarray(family.log_odds - family.mean(alpha))


def slope_about_start(family: TiltedFamily, alpha: float) -> Floats:
    """p_alpha(z) (M(z) - E_0[M]): the mean does not move."""
    with np.errstate(under="ignore"):
        return np.exp(family.log_probability(alpha)) * (family.log_odds - family.mean(0.0))


def logistic_slope(family: TiltedFamily, alpha: float) -> Floats:
    """p (1 - p) M, as if the other tokens stood still."""
    with np.errstate(under="ignore"):
        p = np.exp(family.log_probability(alpha))
    return np.asarray(p * (1.0 - p) * family.log_odds)


def summed_logits(ufm: UnconstrainedFeatures, positive: Any, negative: Any, alpha: Any) -> Floats:
    """Sums instead of means over P and N."""
    return np.asarray(
        RIGHT.shifted_logits(ufm, positive, negative, len(positive) * np.asarray(alpha))
    )


def forgetful_logits(
    ufm: UnconstrainedFeatures, positive: Any, negative: Any, alpha: Any
) -> Floats:
    """The context's own logits are replaced by those of the first positive context."""
    right = RIGHT.shifted_logits(ufm, positive, negative, alpha)
    return np.repeat(right[:, positive[0]][:, None], right.shape[1], axis=1)


def unit_vector_logits(
    ufm: UnconstrainedFeatures, positive: Any, negative: Any, alpha: Any
) -> Floats:
    """The direction of steering is normalised first."""
    start, end = RIGHT.shifted_logits(ufm, positive, negative, [0.0, 1.0])
    size = float(np.linalg.norm((end - start)[0])) or 1.0
    return np.asarray(start + np.multiply.outer(np.asarray(alpha), (end - start) / size))


def _with_share(
    data: ConceptDataset, positive: Any, negative: Any, change: Callable[[Floats], Floats]
) -> Floats:
    """M by concept with another factor for the share of N outside T."""
    share = data.steering_sets(positive, negative).negative_share[data.token_concept]
    in_target = data.token_concept == data.context_concept[positive[0]]
    same = data.context_concept[:, None] == data.token_concept[None, :]
    tokens = np.arange(data.vocabulary_size)
    inside, outside = (data.probabilities[m.argmax(axis=0), tokens] for m in (same, ~same))
    ratio = np.log(inside / outside)
    return np.asarray(np.where(in_target, ratio, -change(share) * ratio))


def same_everywhere_outside(data: ConceptDataset, positive: Any, negative: Any) -> Floats:
    """Outside T, M = -log(a/b) whatever N holds: the share q_z/q is missing."""
    return _with_share(data, positive, negative, np.ones_like)


def share_in_target(data: ConceptDataset, positive: Any, negative: Any) -> Floats:
    """Outside T, all of N counts where some of it does: the share is rounded up to 1."""
    return _with_share(data, positive, negative, np.ceil)


def never_zero(data: ConceptDataset, positive: Any, negative: Any) -> Floats:
    """Outside T, M stays negative even where N misses the concept."""
    return _with_share(data, positive, negative, lambda share: np.maximum(share, 0.5))


MUTANTS: tuple[Mutant, ...] = (
    *(
        mutant("tilting", log_odds=wrong)
        for wrong in (
            without_q,
            swapped,
            of_mean_rows,
            first_pair,
            in_bits,
            pooled,
            logit_differences,
        )
    ),
    *(
        mutant("tilting", log_probability=wrong)
        for wrong in (
            unnormalised,
            normalised_to_first_order,
            without_shift,
            clipped,
            in_float32,
            tilted_towards_negative,
            rounded_log_odds,
        )
    ),
    mutant("tilting", probability_increase=by_subtraction),
    mutant("tilting", probability_increase=to_first_order),
    mutant("tilting", cgf=plain_log_sum_exp),
    mutant("tilting", cgf=jensen),
    *(
        mutant("mean-slope", mean=wrong)
        for wrong in (untilted_mean, mirrored_mean, flat_mean, most_probable)
    ),
    *(
        mutant("mean-slope", variance=wrong)
        for wrong in (second_moment, difference_of_moments, bessel, untilted_variance)
    ),
    *(
        mutant("slope", slope=wrong)
        for wrong in (relative_slope, slope_about_start, logistic_slope)
    ),
    *(
        mutant("steering-shift", shifted_logits=wrong)
        for wrong in (summed_logits, forgetful_logits, unit_vector_logits)
    ),
    *(
        mutant("sign-separation", separated_log_odds=wrong)
        for wrong in (same_everywhere_outside, share_in_target, never_zero)
    ),
)
