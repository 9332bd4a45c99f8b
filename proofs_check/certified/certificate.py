"""The record of a certificate, and the balls that all of them are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from hypothesis.strategies import SearchStrategy

from steering_strength.proofs_check.balls import Ball, Balls, decide
from steering_strength.proofs_check.check import Check
from steering_strength.proofs_check.formulas import FORMULAS, Formulas
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase
from steering_strength.proofs_check.law_values import in_balls, value
from steering_strength.proofs_check.meeting import AGREED, Meeting, claim

__all__ = [
    "Certificate",
    "agrees",
    "certificate",
    "every",
    "law_value",
    "log_odds",
    "order_keys",
    "probabilities",
    "same",
]

Question = Callable[[Any, Balls, Formulas], "bool | None"]


@dataclass(frozen=True)
class Certificate:
    """What is certified about an instance, and how it is asked.

    Attributes
    ----------
    id : str
        The statement it belongs to.
    certifies : str
        What exactly a True certifies, about one instance.
    cases : SearchStrategy
    question : callable
        (case, balls, formulas on trial) -> True, False, or None for "not at this precision".
    weight : float
        As in `Check`.
    """

    id: str
    certifies: str
    cases: SearchStrategy[Any]
    question: Question
    weight: float = 0.5

    def decide(
        self, case: Any, balls: Balls | None = None, on_trial: Formulas = FORMULAS
    ) -> bool | None:
        """The answer for one instance, with as much precision as it takes."""
        return decide(lambda arithmetic: self.question(case, arithmetic, on_trial), balls)

    def as_check(self) -> Check:
        """The same as a `Check`, for the search and its shrinking."""

        def measure(case: Any, on_trial: Formulas) -> Meeting:
            answer = self.decide(case, on_trial=on_trial)
            if answer is None:
                return Meeting(0.0, "undecided", undecided=True)
            return AGREED if answer else claim(self.certifies, False)

        return Check(
            id=self.id,
            claim=self.certifies,
            cases=self.cases,
            measure=measure,
            tolerance="none",
            weight=self.weight,
        )


def certificate(
    name: str, certifies: str, cases: SearchStrategy[Any], weight: float = 0.5
) -> Callable[[Question], Certificate]:
    """Decorator: turns a question into a `Certificate`."""
    return lambda question: Certificate(name, certifies, cases, question, weight)


def probabilities(case: FamilyCase | ConceptCase, balls: Balls) -> list[Ball]:
    """p, (V,)."""
    return [balls.exact(p) for p in case.row]


def log_odds(case: FamilyCase | ConceptCase, balls: Balls) -> list[Ball]:
    """M, (V,): exact floats, or logarithms of exact ratios."""
    if isinstance(case, ConceptCase):
        return [balls.log(balls.exact(ratio)) / case.q for ratio in case.ratios]
    return [balls.exact(m) for m in case.log_odds]


def order_keys(case: FamilyCase | ConceptCase) -> list[Fraction]:
    """Numbers in the order of M, equal exactly where M is."""
    if isinstance(case, ConceptCase):
        return list(case.ratios)
    return [Fraction(m) for m in case.log_odds]


def law_value(on_trial: Formulas, name: str, balls: Balls, values: Mapping[str, Any]) -> Ball:
    """The right side of the law's statement, enclosed; lists in `values` are arrays.

    The law is the one on trial, as SymPy has it: what is certified of it is certified of the
    formula that was derived, not of a copy.
    """
    arrays = {key: entry for key, entry in values.items() if isinstance(entry, list)}
    numbers = {key: entry for key, entry in values.items() if not isinstance(entry, list)}
    law = on_trial.law(name)
    return value(law.rhs, {"V": len(arrays["M"]), **numbers}, arrays, in_balls(balls))


def every(answers: Sequence[bool | None]) -> bool | None:
    """False if any is, else None if any is, else True."""
    if any(answer is False for answer in answers):
        return False
    return None if any(answer is None for answer in answers) else True


def agrees(sign: int | None, wanted: int | None) -> bool | None:
    """Whether a sign is the one that is wanted; None for no sign."""
    return None if sign is None or wanted is None else sign == wanted


def same(first: Ball, second: Ball, balls: Balls) -> bool | None:
    """Whether two numbers are certainly equal to 64 bits, relatively; False if certainly not."""
    sign = balls.sign(abs(second) * balls.exact(Fraction(1, 2**64)) - abs(first - second))
    return agrees(sign, 1)
