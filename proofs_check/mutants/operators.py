"""Wrong edits, temperatures, norms, paths and mixtures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.mutants.mutant import RIGHT, Mutant, mutant
from steering_strength.theory import TiltedFamily
from steering_strength.theory.engine import (
    Ablation,
    Affine,
    Clamp,
    Conditional,
    EditedPopulation,
    GreedyPath,
    Rotation,
)

__all__ = ["MUTANTS"]

Floats = NDArray[np.float64]


def sign_kept(edit: Ablation, H: Any) -> Floats:
    """Ablation adds the component instead of removing it."""
    return -RIGHT.ablation(edit, H)


def same_everywhere(edit: Ablation, H: Any) -> Floats:
    """Ablation at the mean strength in every context."""
    right = RIGHT.ablation(edit, H)
    return np.full_like(right, right.mean())


def only_added(edit: Affine, H: Any) -> Floats:
    """Affine: the old component is not projected out."""
    return np.full_like(RIGHT.affine(edit, H), edit.alpha)


def added_value(edit: Clamp, H: Any) -> Floats:
    """Clamp: the value is added to what the feature reads."""
    return np.full_like(RIGHT.clamp(edit, H), edit.value)


def never_cut(edit: Clamp, H: Any) -> Floats:
    """Clamp: the encoder is not cut off at 0."""
    return RIGHT.clamp(replace(edit, rectified=False), H)


def without_bias(edit: Clamp, H: Any) -> Floats:
    """Clamp: the bias of the encoder is forgotten."""
    return RIGHT.clamp(replace(edit, bias=0.0), H)


def always(edit: Conditional, H: Any) -> Floats:
    """Conditional: the condition is not looked at."""
    return edit.operator.strengths(H)


def strictly(edit: Conditional, H: Any) -> Floats:
    """Conditional: a probe exactly at the threshold does not count."""
    holds = edit.probe @ np.asarray(H) > edit.threshold
    return np.where(np.atleast_1d(holds)[:, None], edit.operator.strengths(H), 0.0)


def backwards(edit: Rotation, H: Any) -> Floats:
    """Rotation: by -theta."""
    return RIGHT.rotation(replace(edit, theta=-edit.theta), H)


def without_shortening(edit: Rotation, H: Any) -> Floats:
    """Rotation: the cosine is taken for 1."""
    x1, x2 = edit.directions.T @ np.asarray(H)
    sine = np.sin(edit.theta)
    return np.stack([-sine * x2, sine * x1], axis=1)


def flat_prices(population: EditedPopulation) -> float:
    """Delta CE as the plain mean over contexts."""
    return float(population.cross_entropy_increase().mean())


def at_mean_strength(population: EditedPopulation) -> Floats:
    """The price of the mean strength, in every context."""
    mean = np.broadcast_to(population.strengths.mean(axis=0), population.strengths.shape)
    return RIGHT.edited_price(replace(population, strengths=mean))


def quadratic_price(population: EditedPopulation) -> Floats:
    """The price to second order in the strengths."""
    families = [population.family(j) for j in range(population.shape[0])]
    return np.array([float(family.variance(0.0)) / 2 for family in families])


def uncooled_p(family: TiltedFamily, tau: float) -> TiltedFamily:
    """Temperature divides the strength, but p is left as it is."""
    return TiltedFamily(family.log_p, family.log_odds / tau)


def uncooled_odds(family: TiltedFamily, tau: float) -> TiltedFamily:
    """Temperature changes p, but not the strength."""
    return TiltedFamily(RIGHT.at_temperature(family, tau).log_p, family.log_odds)


def inverse(family: TiltedFamily, tau: float) -> TiltedFamily:
    """p^tau instead of p^(1/tau)."""
    return RIGHT.at_temperature(family, 1.0 / tau)


def unbiased(family: TiltedFamily, h: Any, v: Any, alpha: Any, *, bias: Any = None) -> Floats:
    """The bias of the unembedding is scaled along with the state."""
    return RIGHT.norm_preserving(family, h, v, alpha)


def additive(family: TiltedFamily, h: Any, v: Any, alpha: Any, *, bias: Any = None) -> Floats:
    """Keeping the norm changes nothing at a linear site either."""
    return family.log_probability(alpha)


def only_strength(family: TiltedFamily, h: Any, v: Any, alpha: Any, *, bias: Any = None) -> Floats:
    """Keeping the norm turns down the strength, and leaves the temperature at 1."""
    return family.log_probability(alpha * RIGHT.norm_scale(h, v, alpha))


def inverted_scale(h: Any, v: Any, alpha: Any) -> Floats:
    """|h + alpha v| / |h|."""
    return 1.0 / RIGHT.norm_scale(h, v, alpha)


def _path(tokens: Any, log_p: Floats, log_odds: Floats) -> GreedyPath:
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = -np.diff(log_p[tokens]) / np.diff(log_odds[tokens])
    return GreedyPath(np.asarray(tokens), ends, ends, ends)


def all_levels(family: TiltedFamily) -> GreedyPath:
    """Every level of M has its turn."""
    _, first = np.unique(family.log_odds, return_index=True)
    return _path(first, family.log_p, family.log_odds)


def only_ends(family: TiltedFamily) -> GreedyPath:
    """One switch, from min M to max M."""
    ends = sorted({int(np.argmin(family.log_odds)), int(np.argmax(family.log_odds))},
                  key=lambda z: family.log_odds[z])  # fmt: skip
    return _path(ends, family.log_p, family.log_odds)


def last_of_ties(family: TiltedFamily) -> GreedyPath:
    """Of tokens with equal M the last one, not the likeliest."""
    unlikely = {float(m): z for z, m in enumerate(family.log_odds)}
    kept = np.isin(np.arange(family.size), list(unlikely.values()))
    path = RIGHT.greedy_path(family.conditional(kept))
    return replace(path)


def closed_below(path: GreedyPath, alpha: Any) -> Any:
    """The winner one switch too early."""
    found = np.searchsorted(path.switches, alpha, side="right") + 1
    return path.tokens[np.minimum(found, path.tokens.size - 1)]


def arithmetic(probabilities: Any, contexts: Any) -> Floats:
    """The arithmetic mean of p(z|.) for the geometric one."""
    return np.asarray(probabilities)[contexts].mean(axis=0)


def mean_weights(
    a: Any, b: Any, token_concept: Any, weights: Any, positive: Any, negative: Any
) -> Floats:
    """M from the mean weight of each side: log of a mean for the mean of logs."""
    w = np.asarray(weights)
    excess = np.asarray(a) / np.asarray(b) - 1.0
    sides = [w[list(side)].mean(axis=0)[list(token_concept)] for side in (positive, negative)]
    return np.log1p(excess * sides[0]) - np.log1p(excess * sides[1])


def by_means(weights: Any, positive: Any, negative: Any) -> Floats:
    """The sign of a concept from the difference of mean weights."""
    w = np.asarray(weights)
    return np.sign(w[list(positive)].mean(axis=0) - w[list(negative)].mean(axis=0))


MUTANTS: tuple[Mutant, ...] = (
    *(mutant("operator", ablation=wrong) for wrong in (sign_kept, same_everywhere)),
    mutant("operator", affine=only_added),
    *(mutant("operator", clamp=wrong) for wrong in (added_value, never_cut, without_bias)),
    *(mutant("operator", conditional=wrong) for wrong in (always, strictly)),
    *(mutant("operator", rotation=wrong) for wrong in (backwards, without_shortening)),
    mutant("operator", edited_average=flat_prices),
    *(mutant("operator", edited_price=wrong) for wrong in (at_mean_strength, quadratic_price)),
    *(
        mutant("temperature", at_temperature=wrong)
        for wrong in (uncooled_p, uncooled_odds, inverse)
    ),
    *(
        mutant("renormalised", norm_preserving=wrong)
        for wrong in (unbiased, additive, only_strength)
    ),
    mutant("renormalised", norm_scale=inverted_scale),
    *(mutant("greedy", greedy_path=wrong) for wrong in (all_levels, only_ends, last_of_ties)),
    mutant("greedy", greedy_winner=closed_below),
    mutant("mixed-contexts", geometric_means=arithmetic),
    mutant("mixed-contexts", mixed_log_odds=mean_weights),
    mutant("mixed-contexts", concept_signs=by_means),
)
