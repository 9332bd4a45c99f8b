"""Wrong prices, slopes and weights of whole texts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.mutants.mutant import RIGHT, Mutant, mutant
from steering_strength.theory.engine.sequences import SampledTexts

__all__ = ["MUTANTS"]

Floats = NDArray[np.float64]
Estimate = tuple[Floats, Floats]


def free_of_charge(texts: SampledTexts, alpha: Any) -> Floats:
    """alpha times the score at 0, without the costs along the text."""
    return RIGHT.log_weights(texts, alpha) + texts._sum(texts.token_costs(alpha))


def of_the_last_token(texts: SampledTexts, alpha: Any) -> Floats:
    """The ratio of the last next-token probabilities for that of whole texts."""
    last = np.flatnonzero(np.diff(texts.text, append=texts.count))
    gain = np.multiply.outer(alpha, texts._surplus[last])
    return np.asarray(gain - texts.token_costs(alpha)[..., last])


def per_token_weight(texts: SampledTexts, alpha: Any) -> Floats:
    """The geometric mean over the tokens: a ratio normalised by length."""
    return RIGHT.log_weights(texts, alpha) / np.bincount(texts.text)


def along_unsteered_texts(texts: SampledTexts, alpha: Any) -> Estimate:
    """Averaged over unsteered texts, not over steered ones: the price P_0 pays in this order."""
    return texts._weighted(texts._sum(texts.token_costs(alpha, "reverse")), texts._share)


def of_one_token(texts: SampledTexts, alpha: Any) -> Estimate:
    """The mean cost of a token for the cost of a text."""
    value, error = RIGHT.text_cross_entropy(texts, alpha)
    return value / np.bincount(texts.text).mean(), error


def flat_texts(texts: SampledTexts, alpha: Any) -> Estimate:
    """Every listed text counted the same, whatever its probability."""
    flat = np.full(texts.count, 1.0 / texts.count)
    return texts._weighted(texts._sum(texts.token_costs(alpha)), flat)


def forward_price(texts: SampledTexts, alpha: Any) -> Estimate:
    """KL(P_0 || P_alpha) for KL(P_alpha || P_0)."""
    return RIGHT.text_cross_entropy(texts, alpha)


def mean_of_means(
    texts: SampledTexts, alpha: Any, percentile: float | None = None, direction: Any = "forward"
) -> Floats:
    """A mean of the means of the texts: tokens of short texts count more."""
    if percentile is not None:
        return RIGHT.per_token(texts, alpha, percentile, direction)
    means = texts._sum(texts.token_costs(alpha, direction)) / np.bincount(texts.text)
    return np.asarray(means @ texts._share)


def unweighted_judge(texts: SampledTexts, judged: Any, alpha: Any) -> Estimate:
    """E_0[f] for every alpha."""
    return texts._weighted(np.asarray(judged, dtype=float), texts._share)


def to_first_order(texts: SampledTexts, judged: Any, alpha: Any) -> Estimate:
    """E_0[f] plus alpha times its slope."""
    slope, error = RIGHT.judge_slope(texts, judged)
    return unweighted_judge(texts, judged, alpha)[0] + alpha * slope, error


def of_the_sum_of_odds(texts: SampledTexts, judged: Any, alpha: Any = 0.0) -> Estimate:
    """Cov(f, sum_t M(x_t)): the means K_t' differ from prefix to prefix and do not drop out."""
    share, values = texts._tilted(alpha), np.asarray(judged, dtype=float)
    odds = texts._sum(np.asarray(texts.log_odds)[texts.tokens])
    return texts._weighted((values - (share * values).sum(axis=-1)) * odds, share)


def slope_at_zero(texts: SampledTexts, judged: Any, alpha: Any = 0.0) -> Estimate:
    """The slope at 0 for every alpha."""
    return RIGHT.judge_slope(texts, judged, 0.0 * np.asarray(alpha))


def unsteered_information(texts: SampledTexts, alpha: Any = 0.0) -> Estimate:
    """E_0 sum_t K_t''(0) for every alpha."""
    return RIGHT.information(texts, 0.0 * np.asarray(alpha))


def information_of_unsteered_texts(texts: SampledTexts, alpha: Any = 0.0) -> Estimate:
    """K_t''(alpha) averaged over unsteered texts."""
    return texts._weighted(texts._sum(texts._each("variance", alpha)), texts._share)


def of_first_order(texts: SampledTexts, alpha: Any) -> Floats:
    """N e^(-KL(P_alpha || P_0)): the divergence of order 1."""
    return np.asarray(texts.count * np.exp(-RIGHT.text_reverse_kl(texts, alpha)[0]))


def all_of_them(texts: SampledTexts, alpha: Any) -> Floats:
    """N, as if every text counted fully."""
    return np.asarray(texts.count + 0.0 * np.asarray(alpha))


MUTANTS: tuple[Mutant, ...] = (
    mutant("sequence-ratio", log_weights=free_of_charge),
    mutant("sequence-ratio", log_weights=of_the_last_token),
    mutant("sequence-ratio", log_weights=per_token_weight),
    mutant("sequence-ce", text_cross_entropy=along_unsteered_texts),
    mutant("sequence-ce", text_cross_entropy=of_one_token),
    mutant("sequence-ce", text_cross_entropy=flat_texts),
    mutant("sequence-ce", per_token=mean_of_means),
    mutant("sequence-reverse", text_reverse_kl=along_unsteered_texts),
    mutant("sequence-reverse", text_reverse_kl=forward_price),
    mutant("sequence-score", judge_slope=of_the_sum_of_odds),
    mutant("sequence-score", judge_slope=slope_at_zero),
    mutant("sequence-score", information=unsteered_information),
    mutant("sequence-score", information=information_of_unsteered_texts),
    mutant("sequence-weights", expectation=unweighted_judge),
    mutant("sequence-weights", expectation=to_first_order),
    mutant("sequence-weights", effective_size=of_first_order),
    mutant("sequence-weights", effective_size=all_of_them),
)
