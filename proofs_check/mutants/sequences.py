"""Wrong prices, slopes and weights of whole texts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check import check_sequences
from steering_strength.proofs_check.mutants.mutant import Mutant, wrong
from steering_strength.theory.engine.sequences import SampledTexts

Floats = NDArray[np.float64]
Estimate = tuple[Floats, Floats]


def _along_unsteered_texts(_: Any, texts: SampledTexts, alpha: Any) -> Estimate:
    return texts._weighted(texts._sum(texts.token_costs(alpha, "reverse")), texts._share)


def _mean_of_means(
    right: Any, texts: SampledTexts, alpha: Any, percentile: Any = None, direction: Any = "forward"
) -> Floats:
    if percentile is not None:
        return right(texts, alpha, percentile, direction)
    means = texts._sum(texts.token_costs(alpha, direction)) / np.bincount(texts.text)
    return np.asarray(means @ texts._share)


def _unweighted(_: Any, texts: SampledTexts, judged: Any, alpha: Any) -> Estimate:
    return texts._weighted(np.asarray(judged, dtype=float), texts._share)


def _of_the_odds(_: Any, texts: SampledTexts, judged: Any, alpha: Any = 0.0) -> Estimate:
    share, values = texts._tilted(alpha), np.asarray(judged, dtype=float)
    odds = texts._sum(np.asarray(texts.log_odds)[texts.tokens])
    return texts._weighted((values - (share * values).sum(axis=-1, keepdims=True)) * odds, share)


# fmt: off
MUTANTS: tuple[Mutant, ...] = (
    *wrong(check_sequences.sequence_ratio, "SampledTexts.log_weights", {
        "free-of-charge: alpha times the score at 0, without the costs along the text":
            lambda right, texts, alpha: right(texts, alpha) + texts._sum(texts.token_costs(alpha)),
        "of-the-last-token: the ratio of the last next-token probabilities for that of whole texts":
            lambda _, texts, alpha: (np.multiply.outer(alpha, texts._surplus)
                                     - texts.token_costs(alpha))
            [..., np.flatnonzero(np.diff(texts.text, append=texts.count))],
        "per-token-weight: the geometric mean over the tokens, a ratio normalised by length":
            lambda right, texts, alpha: right(texts, alpha) / np.bincount(texts.text),
    }),
    *wrong(check_sequences.sequence_ce, "SampledTexts.cross_entropy_increase", {
        "along-unsteered-texts: the price that P_0 pays in the other order":
            _along_unsteered_texts,
        "of-one-token: the mean cost of a token for the cost of a text":
            lambda right, texts, alpha:
            (right(texts, alpha)[0] / np.bincount(texts.text).mean(), right(texts, alpha)[1]),
        "flat-texts: every listed text counted the same, whatever its probability":
            lambda _, texts, alpha: texts._weighted(
                texts._sum(texts.token_costs(alpha)), np.full(texts.count, 1.0 / texts.count)),
    }),
    *wrong(check_sequences.sequence_ce, "SampledTexts.per_token", {
        "mean-of-means: a mean of the means of the texts, tokens of short texts count more":
            _mean_of_means,
    }),
    *wrong(check_sequences.sequence_reverse, "SampledTexts.reverse_kl", {
        "along-unsteered-texts: averaged over unsteered texts, not over steered ones":
            _along_unsteered_texts,
        "forward-price: KL(P_0 || P_alpha) for KL(P_alpha || P_0)":
            lambda _, texts, alpha: texts.cross_entropy_increase(alpha),
    }),
    *wrong(check_sequences.sequence_score, "SampledTexts.slope", {
        "of-the-sum-of-odds: Cov(f, sum_t M(x_t)), as if the means K_t' dropped out":
            _of_the_odds,
        "slope-at-zero: the slope at 0 for every alpha":
            lambda right, texts, judged, alpha=0.0: right(texts, judged, 0.0 * np.asarray(alpha)),
    }),
    *wrong(check_sequences.sequence_score, "SampledTexts.information", {
        "unsteered-information: E_0 sum_t K_t''(0) for every alpha":
            lambda right, texts, alpha=0.0: right(texts, 0.0 * np.asarray(alpha)),
        "information-of-unsteered-texts: K_t''(alpha) averaged over unsteered texts":
            lambda _, texts, alpha=0.0:
            texts._weighted(texts._sum(texts._each("variance", alpha)), texts._share),
    }),
    *wrong(check_sequences.sequence_weights, "SampledTexts.expectation", {
        "unweighted-judge: E_0[f] for every alpha":
            _unweighted,
        "to-first-order: E_0[f] plus alpha times its slope":
            lambda _, texts, judged, alpha:
            (_unweighted(None, texts, judged, alpha)[0] + alpha * texts.slope(judged)[0], 0.0),
    }),
    *wrong(check_sequences.sequence_weights, "SampledTexts.effective_sample_size", {
        "of-first-order: N e^(-KL(P_alpha || P_0)), the divergence of order 1":
            lambda _, texts, alpha: texts.count * np.exp(-texts.reverse_kl(alpha)[0]),
        "all-of-them: N, as if every text counted fully":
            lambda _, texts, alpha: texts.count + 0.0 * np.asarray(alpha),
    }),
)
