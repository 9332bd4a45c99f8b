"""A mutant: one shipped formula made wrong, and the trial it must not pass."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from steering_strength.proofs_check.comparison import Comparison
from steering_strength.proofs_check.instances import ConceptCase, ExactDataset, as_code
from steering_strength.proofs_check.registry import CHECKS
from steering_strength.proofs_check.search import Outcome, search, shards
from steering_strength.proofs_check.surface import replaced, surface
from steering_strength.theory import LAWS, ConceptDataset, laws

PATIENCE = 2000
"""Instances after which a mutant counts as a survivor."""

_SURFACE = surface()


@dataclass(frozen=True)
class Mutant:
    """One wrong formula.

    Attributes
    ----------
    name : str
        What it takes the place of and the mistake, as in ``TiltedFamily.mean:untilted``.
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
        Of the mutant.
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
    """

    name: str
    check: str
    error: str
    killed: bool
    examples: int
    what: str
    code: str
    on_paper_example: bool | None


def wrong(
    check: str, target: str | tuple[Any, str], errors: Mapping[str, Callable[..., Any]]
) -> Iterator[Mutant]:
    """Mutants of one shipped formula.

    Parameters
    ----------
    check : str
        The check that must refute each.
    target : str or (owner, name)
        A name of `surface`, or something that is not public.
    errors : mapping
        ``"name: what is wrong"`` -> the wrong formula. It is called with the right one first, and
        then with what that takes. What it makes of NaN and infinities is its own affair.
    """
    owner, attribute = _SURFACE[target] if isinstance(target, str) else target
    title = target if isinstance(target, str) else attribute.strip("_")
    right: Any = getattr(owner, attribute)
    right = right.fget if isinstance(right, property) else right
    for words, formula in errors.items():
        name, _, error = words.partition(": ")
        yield Mutant(f"{title}:{name}", check, error, owner, attribute, _quietly(right, formula))


def _quietly(right: Callable[..., Any], formula: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(right)
    def called(*args: Any, **options: Any) -> Any:
        with np.errstate(all="ignore"):
            return formula(right, *args, **options)

    return called


def wrong_law(name: str, error: str, change: Callable[[Any], Any]) -> Mutant:
    """A mutant of a symbolic law: its right side changed by `change`."""
    right = LAWS[name]
    after = change(right.rhs)
    if after == right.rhs:
        raise ValueError(f"the mutant of {name} ({error}) does not change the law")
    return Mutant(
        name=f"law:{name}:{error.split(':')[0].lower().replace(' ', '-')}",
        check=name,
        error=error,
        owner=laws,
        attribute="LAWS",
        wrong={**LAWS, name: WrongLaw(right.lhs, after)},
    )


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
    check, count, outcome = CHECKS[subject.check], 0, Outcome(0, 0.0)
    for shard, examples in enumerate(shards(PATIENCE)):
        with subject.in_place():
            outcome = search(check, examples=examples, seed=seed, shard=shard, shrink=shrink)
        count += outcome.examples
        if outcome.case is not None:
            break
    comparison = outcome.comparison or Comparison(0.0, "no instance refutes it")
    found = outcome.case is not None
    module = "proofs_check.mutants.registry"
    return Trial(
        name=subject.name,
        check=subject.check,
        error=subject.error,
        killed=found and not outcome.crashed,
        examples=count,
        what=comparison.what,
        code=as_code(outcome.case, f"confront({subject.name!r}, case)", module) if found else "",
        on_paper_example=_shows_on_paper_example(subject),
    )
