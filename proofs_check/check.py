"""A check: one statement as a function of a random instance that measures how wrong it is.

    @check("my-law", family_cases(), judges="TiltedFamily: slope")
    def my_law(case: FamilyCase) -> Iterator[Comparison]:
        \"\"\"The statement in one line.
        Tolerance: why it is what it is.\"\"\"
        yield compare("p'", oracle, engine=(case.family.slope(case.alpha), allowed))

turns the function into a `Check`, which finds the worst of what is yielded. It calls the shipped
methods, and `judges` names them: with any of them made wrong (`proofs_check.mutants`) the check
must be refuted. A check of a claim that is known to be false, a `reading`, must be refuted as it
is; its docstring ends with "Instead (where): what is true." if it is among the `errata`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any

from hypothesis.strategies import SearchStrategy

from steering_strength.proofs_check.balls import Balls
from steering_strength.proofs_check.comparison import Comparison, worst
from steering_strength.proofs_check.oracles.precise import DIGITS, digits

Measure = Callable[[Any], Comparison]
Question = Callable[[Any, Balls], "bool | None"]

_PATIENCE = 5000


@dataclass(frozen=True)
class Check:
    """One statement, and where to look for exceptions."""

    id: str  # of the statement; a false reading of it is named ``id/reading``
    claim: str  # the statement in one line: the first of the function's docstring
    cases: SearchStrategy[Any]  # where the instances come from
    measure: Measure
    expected: bool = True  # whether the claim is true
    weight: float = 1.0  # share of the requested examples: below 1 where a check is slow by nature
    # case -> float, larger for instances closer to a refutation. Where exceptions are rare, the
    # search climbs it (Hypothesis' targeted search).
    aim: Callable[[Any], float] | None = None
    judges: tuple[str, ...] = ()  # the public names it decides about: "TiltedFamily.peaks"
    question: Question | None = None  # of a certificate: None for "not at this precision"

    def __call__(self, case: Any) -> Comparison:
        """The disagreement on one instance."""
        return self.measure(case)

    @property
    def case_type(self) -> str:
        """The name of the record that an instance of this check is."""
        return str(self.measure.__annotations__["case"])

    def budget(self, examples: int) -> int:
        """How many examples this check runs when `examples` are asked for.

        The search for a counterexample to a false claim ends when there is one, so it may go on for
        as long as the rarest of them takes: a double bump is one instance in 200.
        """
        if not self.expected:
            return max(examples, _PATIENCE)
        return max(1, round(self.weight * examples))


def check(
    name: str, cases: SearchStrategy[Any], judges: str | Iterable[str] = (), **options: Any
) -> Callable[[Callable[[Any], Comparison | Iterable[Comparison]]], Check]:
    """Decorator: the function's first line is the claim; `options` are the fields of a `Check`.

    `judges` are names of functions, and classes with some of their methods: "advise",
    "TiltedFamily: peaks mean".
    """

    def register(measure: Callable[[Any], Comparison | Iterable[Comparison]]) -> Check:
        @wraps(measure)
        def with_enough_digits(case: Any) -> Comparison:
            with digits(getattr(case, "digits", DIGITS)):
                found = measure(case)
                return found if isinstance(found, Comparison) else worst(found)

        statement = (measure.__doc__ or "").partition("\n")[0]
        listed = [judges] if isinstance(judges, str) else judges
        names = tuple(name for words in listed for name in _names(words))
        return Check(name, statement, cases, with_enough_digits, judges=names, **options)

    return register


reading = partial(check, expected=False)
"""Decorator for a claim that is known to be false."""


def _names(words: str) -> list[str]:
    owner, colon, names = words.partition(":")
    return [f"{owner}.{name}" for name in names.split()] if colon else owner.split()
