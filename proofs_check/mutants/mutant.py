"""A mutant: the project's formulas with one of them made wrong, and the trial it must not pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pprint import pformat
from typing import Any

from steering_strength.proofs_check.formulas import FORMULAS, Formulas
from steering_strength.proofs_check.instances import ConceptCase, ExactDataset
from steering_strength.proofs_check.meeting import Meeting
from steering_strength.proofs_check.registry import CHECKS
from steering_strength.proofs_check.search import Finding, search, shards
from steering_strength.theory import LAWS, ConceptDataset

__all__ = ["PATIENCE", "Mutant", "Trial", "WrongLaw", "mutant", "try_mutant", "wrong_law"]

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
    formulas : Formulas
        The project's formulas with the wrong one among them.
    """

    name: str
    check: str
    error: str
    formulas: Formulas


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
    """A mutant from one field of `Formulas` and the function to put there.

    Name and error are the function's own name and docstring.
    """
    ((field, function),) = wrong.items()
    return Mutant(
        name=f"{field}:{function.__name__}".replace("_", "-"),
        check=check,
        error=" ".join((function.__doc__ or "").split()),
        formulas=replace(FORMULAS, **{field: function}),
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
        formulas=replace(FORMULAS, law=lambda other: wrong if other == name else LAWS[other]),
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
                meeting = check.measure(convert(paper_example(alpha, context)), subject.formulas)
            except Exception:  # a wrong formula may do anything, this included
                return True
            if not meeting.agrees:
                return True
    return False


def _code(subject: Mutant, finding: Finding) -> str:
    case = pformat(finding.case, width=96).replace("Fraction(", "F(")
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
    finding = Finding(0, 0.0)
    for shard, examples in enumerate(shards(PATIENCE)):
        finding = search(
            check,
            examples=examples,
            seed=seed,
            shard=shard,
            formulas=subject.formulas,
            shrink=shrink,
        )
        count += finding.examples
        seconds += finding.seconds
        if finding.case is not None:
            break
    meeting: Meeting = finding.meeting or Meeting(0.0, "no instance refutes it")
    return Trial(
        name=subject.name,
        check=subject.check,
        error=subject.error,
        killed=finding.case is not None and not finding.crashed,
        examples=count,
        what=meeting.what,
        code=_code(subject, finding) if finding.case is not None else "",
        on_paper_example=_shows_on_paper_example(subject),
        seconds=seconds,
    )
