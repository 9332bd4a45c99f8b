"""A mutant: one shipped formula made wrong, and the trial it must not pass."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from pprint import pformat
from types import SimpleNamespace
from typing import Any

from steering_strength.proofs_check.comparison import Comparison
from steering_strength.proofs_check.instances import ConceptCase, ExactDataset
from steering_strength.proofs_check.patch import replaced
from steering_strength.proofs_check.registry import CHECKS
from steering_strength.proofs_check.search import Outcome, search, shards
from steering_strength.theory import (
    LAWS,
    ConceptDataset,
    NormedSteering,
    TiltedFamily,
    UnconstrainedFeatures,
    laws,
)
from steering_strength.theory.engine import (
    Ablation,
    Affine,
    Allocation,
    Clamp,
    Conditional,
    EditedPopulation,
    GreedyPath,
    LastBlock,
    Rotation,
    SampledTexts,
    allocation,
    cross_entropy,
    estimation,
    operators,
    peaks,
    transformer,
)
from steering_strength.theory.engine.estimation import Estimate
from steering_strength.theory.model import mixed, peak_sign

__all__ = [
    "PATIENCE",
    "RIGHT",
    "TARGETS",
    "Mutant",
    "Trial",
    "WrongLaw",
    "mutant",
    "try_mutant",
    "wrong_law",
]

TARGETS: dict[str, tuple[Any, str]] = {
    **{
        name: (TiltedFamily, name)
        for name in (
            "log_probability",
            "probability_increase",
            "cgf",
            "mean",
            "variance",
            "slope",
            "peaks",
            "peak_log_probability",
            "rising",
            "falling",
            "peak_signs",
            "limit",
            "limit_distance",
            "concept_slope",
            "concept_log_odds",
            "concept_increase",
            "concept_increase_limit",
            "concept_falls",
            "extrema_bound",
            "cross_entropy_increase",
            "reverse_kl",
            "taylor",
            "cross_entropy_root",
            "at_temperature",
            "greedy_path",
        )
    },
    **{
        name: (ConceptDataset, name)
        for name in (
            "log_odds",
            "separated_log_odds",
            "closeness",
            "quadratic",
            "linear_coefficient",
        )
    },
    "dataset_cross_entropy": (ConceptDataset, "cross_entropy_increase"),
    "asymptote": (ConceptDataset, "cross_entropy_asymptote"),
    "shifted_logits": (UnconstrainedFeatures, "shifted_logits"),
    "two_level_peak": (peaks, "two_level_peak"),
    "weighted_margin": (peak_sign, "weighted_margin"),
    "envelope": (cross_entropy, "envelope"),
    "hoeffding": (cross_entropy, "hoeffding"),
    "norm_limit": (NormedSteering, "limit"),
    "norm_output": (NormedSteering, "output"),
    "norm_projection": (transformer, "_projected"),
    "norm_rate": (NormedSteering, "rate"),
    "norm_bound": (NormedSteering, "bound"),
    "last_block": (NormedSteering, "last_block"),
    "last_block_logits": (LastBlock, "logits"),
    "last_block_turn": (LastBlock, "stationary"),
    "goal_derivatives": (estimation, "_derivatives"),
    "goal_bend": (estimation._Goal, "bend"),
    "estimate": (estimation, "estimate"),
    "estimate_variances": (Estimate, "variances"),
    "standard_error": (Estimate, "standard_error"),
    "texts_for": (Estimate, "texts_for"),
    "unlimited": (Estimate, "unlimited"),
    "interval": (Estimate, "interval"),
    "readout_family": (transformer, "readout_family"),
    "local_divergence": (transformer, "local_divergence"),
    "local_cross_entropy": (transformer, "local_cross_entropy"),
    **{
        each.__name__.lower(): (each, "strengths")
        for each in (Ablation, Affine, Clamp, Conditional, Rotation)
    },
    "edited_price": (EditedPopulation, "cross_entropy_increase"),
    "edited_average": (EditedPopulation, "average_cross_entropy_increase"),
    "norm_scale": (operators, "norm_scale"),
    "norm_preserving": (operators, "norm_preserving"),
    "greedy_winner": (GreedyPath, "winner"),
    **{name: (mixed, name) for name in ("geometric_means", "mixed_log_odds", "concept_signs")},
    "log_weights": (SampledTexts, "log_weights"),
    "text_cross_entropy": (SampledTexts, "cross_entropy_increase"),
    "text_reverse_kl": (SampledTexts, "reverse_kl"),
    "per_token": (SampledTexts, "per_token"),
    "expectation": (SampledTexts, "expectation"),
    "judge_slope": (SampledTexts, "slope"),
    "information": (SampledTexts, "information"),
    "effective_size": (SampledTexts, "effective_sample_size"),
    "allocate": (allocation, "allocate"),
    "predicted_ratio": (Allocation, "predicted_ratio"),
}
"""What mutants call a shipped formula -> the class or module it is a name of, and that name."""

RIGHT: Any = SimpleNamespace(
    **{name: getattr(owner, attribute) for name, (owner, attribute) in TARGETS.items()}
)
"""The shipped formulas as they were imported: what a wrong one may call while it is in place."""

PATIENCE = 2000
"""Instances after which a mutant counts as a survivor."""


@dataclass(frozen=True)
class Mutant:
    """One wrong formula.

    Attributes
    ----------
    name : str
    check : str
        The check that must notice.
    error : str
        What is wrong, in one line.
    owner, attribute : object, str
        The class or module and the name in it that is replaced.
    wrong : object
        What takes its place.
    """

    name: str
    check: str
    error: str
    owner: Any
    attribute: str
    wrong: Any

    def in_place(self) -> AbstractContextManager[None]:
        """The wrong formula in the shipped code, for as long as the `with` lasts."""
        return replaced(self.owner, self.attribute, self.wrong)


@dataclass(frozen=True)
class Trial:
    """What became of a mutant.

    Attributes
    ----------
    name, check, error : str
    killed : bool
        Refuted by an instance; a formula that merely raises is not refuted.
    examples : int
        Instances needed.
    what : str
        The disagreement, with both numbers.
    code : str
        A program that reproduces it.
    on_paper_example : bool or None
        Whether it already shows on the paper's 9-token example; None where that does not apply.
    seconds : float
    """

    name: str
    check: str
    error: str
    killed: bool
    examples: int
    what: str
    code: str
    on_paper_example: bool | None
    seconds: float


def mutant(check: str, **wrong: Callable[..., Any]) -> Mutant:
    """A mutant from one name of `TARGETS` and the function to put there.

    Name and error are the function's own name and docstring.
    """
    ((field, function),) = wrong.items()
    owner, attribute = TARGETS[field]
    return Mutant(
        name=f"{field}:{function.__name__}".replace("_", "-"),
        check=check,
        error=" ".join((function.__doc__ or "").split()),
        owner=owner,
        attribute=attribute,
        wrong=property(function) if isinstance(vars(owner)[attribute], property) else function,
    )


@dataclass(frozen=True)
class WrongLaw:
    """The statement of a law after surgery; what the checks need of a `Law`."""

    lhs: Any
    rhs: Any
    relation: str = "="


def wrong_law(name: str, error: str, change: Callable[[Any], Any]) -> Mutant:
    """A mutant of a symbolic law: its right side changed by `change`."""
    right = LAWS[name]
    wrong = WrongLaw(right.lhs, change(right.rhs), right.relation)
    if wrong.rhs == right.rhs:
        raise ValueError(f"the mutant of {name} ({error}) does not change the law")
    return Mutant(
        name=f"law:{name}:{error.split(':')[0].lower().replace(' ', '-')}",
        check=name,
        error=error,
        owner=laws,
        attribute="LAWS",
        wrong={**LAWS, name: wrong},
    )


def paper_example(alpha: float, context: int) -> ConceptCase:
    """Smoothed, V = 9, G = 3, eps = 0.05; one context of T against one of another concept."""
    data = ConceptDataset.smoothed(concepts=3, tokens_per_concept=3, epsilon=0.05)
    rows = [[Fraction(p).limit_denominator(10**6) for p in row] for row in data.probabilities]
    size = len(rows)
    labels = tuple(int(c) for c in data.context_concept)
    return ConceptCase(
        dataset=ExactDataset(
            rows=tuple(tuple(row) for row in rows),
            token_concept=tuple(int(c) for c in data.token_concept),
            context_concept=labels,
            context_weights=(Fraction(1, size),) * size,
        ),
        target=0,
        positive=(labels.index(0),),
        negative=(labels.index(1),),
        context=context,
        alpha=alpha,
    )


def _shows_on_paper_example(subject: Mutant) -> bool | None:
    check = CHECKS[subject.check]
    kinds: dict[str, Callable[[ConceptCase], Any]] = {
        "ConceptCase": lambda case: case,
        "FamilyCase": ConceptCase.as_family,
    }
    convert = kinds.get(check.case_type)
    if convert is None:
        return None
    for context in (0, 1, 2):
        for alpha in (1.0, -2.0, 5.0):
            try:
                with subject.in_place():
                    comparison = check.measure(convert(paper_example(alpha, context)))
            except Exception:  # a wrong formula may do anything, this included
                return True
            if not comparison.agrees:
                return True
    return False


def _code(subject: Mutant, outcome: Outcome) -> str:
    case = pformat(outcome.case, width=96).replace("Fraction(", "F(")
    return (
        "from fractions import Fraction as F\n"
        "from proofs_check.instances import *\n"
        "from proofs_check.mutants import confront\n\n"
        f"case = {case}\n"
        f"print(confront({subject.name!r}, case))\n"
    )


def try_mutant(subject: Mutant, *, seed: int, shrink: int = 150) -> Trial:
    """Search for the instance that refutes the mutant."""
    check = CHECKS[subject.check]
    count, seconds = 0, 0.0
    outcome = Outcome(0, 0.0)
    for shard, examples in enumerate(shards(PATIENCE)):
        with subject.in_place():
            outcome = search(check, examples=examples, seed=seed, shard=shard, shrink=shrink)
        count += outcome.examples
        seconds += outcome.seconds
        if outcome.case is not None:
            break
    comparison: Comparison = outcome.comparison or Comparison(0.0, "no instance refutes it")
    return Trial(
        name=subject.name,
        check=subject.check,
        error=subject.error,
        killed=outcome.case is not None and not outcome.crashed,
        examples=count,
        what=comparison.what,
        code=_code(subject, outcome) if outcome.case is not None else "",
        on_paper_example=_shows_on_paper_example(subject),
        seconds=seconds,
    )
