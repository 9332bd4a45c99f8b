"""Wrong edits, temperatures, norms, paths and mixtures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check import check_operators
from steering_strength.proofs_check.mutants.mutant import Mutant, wrong
from steering_strength.theory import TiltedFamily
from steering_strength.theory.engine import GreedyPath, TiltedPopulation, operators

Floats = NDArray[np.float64]


def _path(tokens: Any, family: TiltedFamily) -> GreedyPath:
    ends = -np.diff(family.log_p[tokens]) / np.diff(family.log_odds[tokens])
    return GreedyPath(np.asarray(tokens), ends, ends, ends)


def _only_ends(_: Any, family: TiltedFamily) -> GreedyPath:
    M = family.log_odds
    return _path(sorted({int(M.argmin()), int(M.argmax())}, key=M.__getitem__), family)


def _last_of_ties(right: Any, family: TiltedFamily) -> GreedyPath:
    last = {float(m): z for z, m in enumerate(family.log_odds)}
    return right(family.conditional(np.isin(np.arange(family.size), list(last.values()))))


def _at_mean_strength(right: Any, *given: Any, **options: Any) -> TiltedPopulation:
    found = right(*given, **options)
    return replace(found, log_odds=np.broadcast_to(found.log_odds.mean(axis=0), found.shape))


def _means(weights: Any, *sets: Any) -> list[Floats]:
    return [np.asarray(weights)[list(side)].mean(axis=0) for side in sets]


def _mean_weights(
    _: Any, a: Any, b: Any, token_concept: Any, weights: Any, positive: Any, negative: Any
) -> Floats:
    excess = np.asarray(a) / np.asarray(b) - 1.0
    P, N = (w[list(token_concept)] for w in _means(weights, positive, negative))
    return np.log1p(excess * P) - np.log1p(excess * N)


# fmt: off
MUTANTS: tuple[Mutant, ...] = (
    *wrong(check_operators.operator, "Ablation.strengths", {
        "sign-kept: the component is added instead of removed":
            lambda right, edit, H: -right(edit, H),
        "same-everywhere: at the mean strength in every context":
            lambda right, edit, H: np.full_like(right(edit, H), right(edit, H).mean()),
    }),
    *wrong(check_operators.operator, "Affine.strengths", {
        "only-added: the old component is not projected out":
            lambda right, edit, H: np.full_like(right(edit, H), edit.alpha),
    }),
    *wrong(check_operators.operator, "Clamp.strengths", {
        "added-value: the value is added to what the feature reads":
            lambda right, edit, H: np.full_like(right(edit, H), edit.value),
        "never-cut: the encoder is not cut off at 0":
            lambda right, edit, H: right(replace(edit, rectified=False), H),
        "without-bias: the bias of the encoder is forgotten":
            lambda right, edit, H: right(replace(edit, bias=0.0), H),
    }),
    *wrong(check_operators.operator, "Conditional.strengths", {
        "always: the condition is not looked at":
            lambda _, edit, H: edit.operator.strengths(H),
        "strictly: a probe exactly at the threshold does not count":
            lambda right, edit, H: right(
                replace(edit, threshold=np.nextafter(edit.threshold, np.inf)), H),
    }),
    *wrong(check_operators.operator, "Rotation.strengths", {
        "backwards: by -theta":
            lambda right, edit, H: right(replace(edit, theta=-edit.theta), H),
        "without-shortening: the cosine is taken for 1":
            lambda _, edit, H: np.sin(edit.theta)
            * (edit.directions.T @ np.asarray(H))[::-1].T * [-1.0, 1.0],
    }),
    *wrong(check_operators.operator, "TiltedPopulation.average_cross_entropy_increase", {
        "flat-prices: the plain mean over contexts":
            lambda _, population, alpha: population.cross_entropy_increase(alpha).mean(axis=-1),
    }),
    *wrong(check_operators.operator, "Ablation.population", {
        "at-mean-strength: the mean strength, in every context": _at_mean_strength,
    }),
    *wrong(check_operators.operator, "TiltedPopulation.cross_entropy_increase", {
        "quadratic-price: to second order in the strengths":
            lambda _, population, alpha: np.square(alpha) * population.variance(0.0) / 2,
    }),
    *wrong(check_operators.temperature, "TiltedFamily.at_temperature", {
        "uncooled-p: temperature divides the strength, but p is left as it is":
            lambda _, family, tau: TiltedFamily(family.log_p, family.log_odds / tau),
        "uncooled-odds: temperature changes p, but not the strength":
            lambda right, family, tau: TiltedFamily(right(family, tau).log_p, family.log_odds),
        "inverse: p^tau instead of p^(1/tau)":
            lambda right, family, tau: right(family, 1.0 / tau),
    }),
    *wrong(check_operators.renormalised, "norm_preserving", {
        "unbiased: the bias of the unembedding is scaled along with the state":
            lambda right, family, h, v, alpha, *, bias=None: right(family, h, v, alpha),
        "additive: keeping the norm changes nothing at a linear site either":
            lambda _, family, h, v, alpha, *, bias=None: family.log_probability(alpha),
        "only-strength: it turns down the strength, and leaves the temperature at 1":
            lambda _, family, h, v, alpha, *, bias=None:
            family.log_probability(alpha * operators.norm_scale(h, v, alpha)),
    }),
    *wrong(check_operators.renormalised, "norm_scale", {
        "inverted-scale: |h + alpha v| / |h|":
            lambda right, *arguments: 1.0 / right(*arguments),
    }),
    *wrong(check_operators.greedy, "TiltedFamily.greedy_path", {
        "all-levels: every level of M has its turn":
            lambda _, family: _path(np.unique(family.log_odds, return_index=True)[1], family),
        "only-ends: one switch, from min M to max M":
            _only_ends,
        "last-of-ties: of tokens with equal M the last one, not the likeliest":
            _last_of_ties,
    }),
    *wrong(check_operators.greedy, "GreedyPath.winner", {
        "closed-below: the winner one switch too early":
            lambda _, path, alpha: path.tokens[np.minimum(
                np.searchsorted(path.switches, alpha, side="right") + 1, path.tokens.size - 1)],
    }),
    *wrong(check_operators.mixed_contexts, "geometric_means", {
        "arithmetic: the arithmetic mean of p(z|.) for the geometric one":
            lambda _, probabilities, contexts: np.asarray(probabilities)[contexts].mean(axis=0),
    }),
    *wrong(check_operators.mixed_contexts, "mixed_log_odds", {
        "mean-weights: M from the mean weight of each side, log of a mean for the mean of logs":
            _mean_weights,
    }),
    *wrong(check_operators.mixed_contexts, "concept_signs", {
        "by-means: the sign of a concept from the difference of mean weights":
            lambda _, weights, P, N: np.sign(np.subtract(*_means(weights, P, N))),
    }),
)
