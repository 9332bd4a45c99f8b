"""A mutant: one shipped formula made wrong, and the trial it must not pass."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from steering_strength.proofs_check.check import Check
from steering_strength.proofs_check.instances import ConceptCase, ExactDataset
from steering_strength.proofs_check.registry import CHECKS
from steering_strength.proofs_check.search import as_code, search
from steering_strength.proofs_check.surface import replaced, surface
from steering_strength.theory import LAWS, ConceptDataset, laws

PATIENCE = 2000
"""Instances after which a mutant counts as a survivor."""

_SURFACE = surface()


@dataclass(frozen=True)
class Mutant:
    """One wrong formula."""

    name: str  # what it replaces and the mistake, as in ``TiltedFamily.mean:untilted``
    check: str  # the check that must notice
    error: str  # what is wrong, in one line
    owner: Any  # the class or module, and the name in it that is replaced
    attribute: str
    wrong: Any  # what takes its place

    def in_place(self) -> AbstractContextManager[None]:
        """The wrong formula in the shipped code, for as long as the `with` lasts."""
        return replaced(self.owner, self.attribute, self.wrong)


@dataclass(frozen=True)
class Trial:
    """What became of a mutant."""

    name: str  # of the mutant
    killed: bool  # refuted by an instance; a formula that merely raises is not refuted
    examples: int  # instances needed
    what: str  # the disagreement, with both numbers
    code: str  # a program that reproduces it
    on_paper_example: bool | None  # whether the paper's 9-token example shows it, if that applies


def wrong(
    check: Check, target: str | tuple[Any, str], errors: Mapping[str, Callable[..., Any]]
) -> Iterator[Mutant]:
    """Mutants of one shipped formula, `target`: a name of `surface`, or owner and name.

    `check` must refute each. `errors` has ``"name: what is wrong"`` -> the wrong formula, which is
    called with the right one first, and then with what that takes. What it makes of NaN and
    infinities is its own affair.
    """
    owner, attribute = _SURFACE[target] if isinstance(target, str) else target
    title = target if isinstance(target, str) else attribute.strip("_")
    right: Any = getattr(owner, attribute)
    right = right.fget if isinstance(right, property) else right
    for words, formula in errors.items():
        name, _, error = words.partition(": ")
        yield Mutant(f"{title}:{name}", check.id, error, owner, attribute, _quietly(right, formula))


def _quietly(right: Callable[..., Any], formula: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(right)
    def called(*args: Any, **options: Any) -> Any:
        with np.errstate(all="ignore"):
            return formula(right, *args, **options)

    return called


def wrong_law(right: laws.Law, error: str, change: Callable[[Any], Any]) -> Mutant:
    """A mutant of a symbolic law: its right side changed by `change`."""
    after = change(right.rhs)
    if after == right.rhs:
        raise ValueError(f"the mutant of {right.id} ({error}) does not change the law")
    name = f"law:{right.id}:{error.split(':')[0].lower().replace(' ', '-')}"
    wrong = {**LAWS, right.id: WrongLaw(right.lhs, after)}
    return Mutant(name, right.id, error, owner=laws, attribute="LAWS", wrong=wrong)


class WrongLaw(NamedTuple):
    """The statement of a law after surgery; what the checks need of a `Law`."""

    lhs: Any
    rhs: Any


def paper_example(alpha: float, context: int) -> ConceptCase:
    """Smoothed, V = 9, G = 3, eps = 0.05; one context of T against one of another concept."""
    data = ConceptDataset.smoothed(concepts=3, tokens_per_concept=3, epsilon=0.05)
    rows = [[Fraction(p).limit_denominator(10**6) for p in row] for row in data.probabilities]
    labels = tuple(int(c) for c in data.context_concept)
    return ConceptCase(
        dataset=ExactDataset.uniform(rows, [int(c) for c in data.token_concept], labels),
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


def try_mutant(subject: Mutant, *, seed: int, shrink: int = 150) -> Trial:
    """Search for the instance that refutes the mutant."""
    with subject.in_place():
        found = search(CHECKS[subject.check], examples=PATIENCE, seed=seed, shrink=shrink)
    refuted, module = found.case is not None, "proofs_check.mutants.registry"
    return Trial(
        name=subject.name,
        killed=refuted and not found.crashed,
        examples=found.examples,
        what=found.what or "no instance refutes it",
        code=as_code(found.case, f"confront({subject.name!r}, case)", module) if refuted else "",
        on_paper_example=_shows_on_paper_example(subject),
    )
