"""Wrong ways to tilt, to average and to take log-odds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from steering_strength.proofs_check import check_tilting
from steering_strength.proofs_check.mutants.mutant import Mutant, wrong
from steering_strength.theory import ConceptDataset, TiltedFamily

Floats = NDArray[np.float64]


def _rows(data: ConceptDataset, P: Sequence[int], N: Sequence[int]) -> tuple[Floats, Floats]:
    return data.probabilities[list(P)], data.probabilities[list(N)]


def _exponent(family: TiltedFamily, alpha: Any) -> Floats:
    return np.asarray(family.log_p + np.multiply.outer(alpha, family.log_odds))


def _p(family: TiltedFamily, alpha: Any) -> Any:
    return np.exp(family.log_probability(alpha))


def _unit_vector(right: Any, ufm: Any, P: Any, N: Any, alpha: Any) -> Floats:
    start, end = right(ufm, P, N, [0.0, 1.0])
    size = float(np.linalg.norm((end - start)[0])) or 1.0
    return np.asarray(start + np.multiply.outer(np.asarray(alpha), (end - start) / size))


def _with_share(change: Callable[[Floats], Floats]) -> Callable[..., Floats]:
    """M by concept with another factor for the share of N outside T."""

    def formula(_: Any, data: ConceptDataset, P: Any, N: Any) -> Floats:
        share = data.steering_sets(P, N).negative_share[data.token_concept]
        in_target = data.token_concept == data.context_concept[P[0]]
        same = data.context_concept[:, None] == data.token_concept[None, :]
        tokens = np.arange(data.vocabulary_size)
        inside, outside = (data.probabilities[m.argmax(axis=0), tokens] for m in (same, ~same))
        ratio = np.log(inside / outside)
        return np.asarray(np.where(in_target, ratio, -change(share) * ratio))

    return formula


# fmt: off
MUTANTS: tuple[Mutant, ...] = (
    *wrong(check_tilting.tilting, "ConceptDataset.log_odds", {
        "without-q: the 1/q of Def. 3.2 is missing":
            lambda right, data, P, N: len(P) * right(data, P, N),
        "swapped: P and N are swapped":
            lambda right, data, P, N: -right(data, P, N),
        "of-mean-rows: the log-ratio of the arithmetic mean distributions":
            lambda _, data, P, N: np.log(np.divide(*(r.mean(axis=0) for r in _rows(data, P, N)))),
        "first-pair: only the first context of P and of N counts":
            lambda right, data, P, N: right(data, P[:1], N[:1]),
        "in-bits: logarithms to base 2":
            lambda right, data, P, N: right(data, P, N) / np.log(2.0),
        "pooled: 1/(2q) for 1/q, the mean over P and N together":
            lambda right, data, P, N: right(data, P, N) / 2.0,
        "logit-differences: differences of logit p, as in a probe for one token":
            lambda _, data, P, N: np.subtract(*(logit(r).mean(axis=0) for r in _rows(data, P, N))),
    }),
    *wrong(check_tilting.tilting, "TiltedFamily.log_probability", {
        "unnormalised: the renormalisation is dropped":
            lambda _, family, alpha: _exponent(family, alpha),
        "normalised-to-first-order: K(alpha) is replaced by alpha K'(0)":
            lambda _, family, alpha: family.log_p
            + np.multiply.outer(alpha, family.log_odds - family.mean(0.0)),
        "without-shift: a softmax that does not subtract the largest logit first":
            lambda _, family, alpha: (exponent := _exponent(family, alpha))
            - np.log(np.exp(exponent).sum(axis=-1, keepdims=True)),
        "clipped: probabilities are kept above 1e-12 before the logarithm":
            lambda right, family, alpha: np.log(np.maximum(np.exp(right(family, alpha)), 1e-12)),
        "in-float32: single precision on the way":
            lambda right, family, alpha: right(family, alpha).astype(np.float32).astype(float),
        "tilted-towards-negative: the sign of alpha is lost":
            lambda right, family, alpha: right(family, np.abs(alpha)),
        "rounded-log-odds: log-odds rounded to 9 decimals, as a file of them might hold":
            lambda right, family, alpha:
            right(TiltedFamily(family.log_p, np.round(family.log_odds, 9)), alpha),
    }),
    *wrong(check_tilting.tilting, "TiltedFamily.probability_increase", {
        "by-subtraction: p_alpha - p as it stands, whose digits cancel near alpha = 0":
            lambda _, family, alpha: _p(family, alpha) - np.exp(family.log_p),
        "to-first-order: Delta p by its slope at 0":
            lambda _, family, alpha: np.multiply.outer(alpha, family.slope(0.0)),
    }),
    *wrong(check_tilting.tilting, "TiltedFamily.cgf", {
        "plain-log-sum-exp: near alpha = 0 it is rounding":
            lambda _, family, alpha: np.logaddexp.reduce(_exponent(family, alpha), axis=-1),
        "jensen: K(alpha) = alpha E[M], Jensen's bound taken for the value":
            lambda _, family, alpha: np.asarray(alpha * family.mean(0.0)),
    }),
    *wrong(check_tilting.mean_slope, "TiltedFamily.mean", {
        "untilted-mean: E_alpha[M] taken under p":
            lambda right, family, alpha: right(family, 0.0 * np.asarray(alpha)),
        "mirrored-mean: E[M] at -alpha":
            lambda right, family, alpha: right(family, -np.asarray(alpha)),
        "flat-mean: the mean of M over tokens, unweighted":
            lambda _, family, alpha: family.log_odds.mean() + 0.0 * np.asarray(alpha),
        "most-probable: M of the most probable token for the mean of M":
            lambda _, family, alpha:
            family.log_odds[np.argmax(family.log_probability(alpha), axis=-1)],
    }),
    *wrong(check_tilting.mean_slope, "TiltedFamily.variance", {
        "second-moment: E[M^2] for Var(M)":
            lambda right, family, alpha: right(family, alpha) + family.mean(alpha) ** 2,
        "difference-of-moments: E[M^2] - E[M]^2, which cancels where M is far from 0":
            lambda _, family, alpha: _p(family, alpha) @ family.log_odds**2
            - (_p(family, alpha) @ family.log_odds) ** 2,
        "bessel: Bessel's correction V/(V - 1)":
            lambda right, family, alpha: right(family, alpha) * family.size / (family.size - 1),
        "untilted-variance: Var_alpha[M] taken under p":
            lambda right, family, alpha: right(family, 0.0 * np.asarray(alpha)),
    }),
    *wrong(check_tilting.slope, "TiltedFamily.slope", {
        "relative-slope: d log p_alpha for d p_alpha, the factor p_alpha(z) is missing":
            lambda _, family, alpha: family.log_odds - family.mean(alpha),
        "slope-about-start: p_alpha(z) (M(z) - E_0[M]), the mean does not move":
            lambda _, family, alpha: _p(family, alpha) * (family.log_odds - family.mean(0.0)),
        "logistic-slope: p (1 - p) M, as if the other tokens stood still":
            lambda _, family, alpha:
            _p(family, alpha) * (1.0 - _p(family, alpha)) * family.log_odds,
    }),
    *wrong(check_tilting.steering_shift, "UnconstrainedFeatures.shifted_logits", {
        "summed-logits: sums instead of means over P and N":
            lambda right, ufm, P, N, alpha: right(ufm, P, N, len(P) * np.asarray(alpha)),
        "forgetful-logits: the context's own logits are those of the first positive context":
            lambda right, ufm, P, N, alpha: right(ufm, P, N, alpha)[:, [P[0]] * len(ufm.H.T)],
        "unit-vector-logits: the direction of steering is normalised first":
            _unit_vector,
    }),
    *wrong(check_tilting.sign_separation, "ConceptDataset.separated_log_odds", {
        "same-everywhere-outside: outside T, M = -log(a/b) whatever N holds":
            _with_share(np.ones_like),
        "share-in-target: outside T, all of N counts where some of it does":
            _with_share(np.ceil),
        "never-zero: outside T, M stays negative even where N misses the concept":
            _with_share(lambda share: np.maximum(share, 0.5)),
    }),
)
