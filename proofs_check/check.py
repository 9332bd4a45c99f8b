"""A check: one statement as a function of a random instance that measures how wrong it is.

    @check("slope", cases=family_cases(), tolerance="...")
    def slope(case: FamilyCase) -> Iterator[Comparison]:
        \"\"\"The statement in one line.\"\"\"
        yield compare("p'", oracle, engine=(case.family.slope(case.alpha), allowed))

turns the function into a `Check`, which finds the worst of what is yielded. It calls the shipped
methods, and `judges` names them: with any of them made wrong (`proofs_check.mutants`) the check
must be refuted. A check of a claim that is known to be false has `expected=False`: it must be
refuted as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
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
    """One statement, where to look for exceptions, and how exactly it must hold.

    Attributes
    ----------
    id : str
        The id of the statement; a false reading of it is named ``id/reading``.
    claim : str
        The statement in one line: the docstring of the function.
    cases : SearchStrategy
        Where the instances come from.
    measure : callable
        case -> `Comparison`.
    tolerance : str
        Why the tolerance is what it is.
    expected : bool
        Whether the claim is true.
    weight : float
        Share of the requested examples; below 1 for the checks that are slow by nature.
    aim : callable or None
        case -> float, larger for instances closer to a refutation. Where exceptions are rare, the
        search climbs it (Hypothesis' targeted search).
    judges : tuple of str
        The public names it decides about, as in ``"TiltedFamily.peaks"``.
    question : callable or None
        Of a certificate: (case, balls) -> True, False, or None for "not at this precision".
    """

    id: str
    claim: str
    cases: SearchStrategy[Any]
    measure: Measure
    tolerance: str
    expected: bool = True
    weight: float = 1.0
    aim: Callable[[Any], float] | None = None
    judges: tuple[str, ...] = ()
    question: Question | None = None

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
    name: str, cases: SearchStrategy[Any], tolerance: str, **options: Any
) -> Callable[[Callable[[Any], Comparison | Iterable[Comparison]]], Check]:
    """Decorator: the function's docstring is the claim; `options` are the fields of a `Check`."""

    def register(measure: Callable[[Any], Comparison | Iterable[Comparison]]) -> Check:
        @wraps(measure)
        def with_enough_digits(case: Any) -> Comparison:
            with digits(getattr(case, "digits", DIGITS)):
                found = measure(case)
                return found if isinstance(found, Comparison) else worst(found)

        statement = " ".join((measure.__doc__ or "").split())
        return Check(name, statement, cases, with_enough_digits, tolerance, **options)

    return register
