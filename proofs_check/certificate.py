"""The record of a certificate, and the balls that all of them are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypeVar

from hypothesis.strategies import SearchStrategy

from steering_strength.proofs_check.balls import Ball, Balls, decide
from steering_strength.proofs_check.check import Check
from steering_strength.proofs_check.comparison import AGREED, Comparison, claim
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase
from steering_strength.proofs_check.law_values import in_balls, value
from steering_strength.theory.laws import LAWS

__all__ = [
    "Certificate",
    "agrees",
    "certificate",
    "direction",
    "every",
    "law_value",
    "log_odds",
    "moderate",
    "odds_against",
    "order_keys",
    "probabilities",
    "same",
    "steps_of",
    "varied",
]

Question = Callable[[Any, Balls], "bool | None"]


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
        (case, balls) -> True, False, or None for "not at this precision".
    weight : float
        As in `Check`.
    """

    id: str
    certifies: str
    cases: SearchStrategy[Any]
    question: Question
    weight: float = 0.5

    def decide(self, case: Any, balls: Balls | None = None) -> bool | None:
        """The answer for one instance, with as much precision as it takes."""
        return decide(lambda arithmetic: self.question(case, arithmetic), balls)

    def as_check(self) -> Check:
        """The same as a `Check`, for the search and its shrinking."""

        def measure(case: Any) -> Comparison:
            answer = self.decide(case)
            if answer is None:
                return Comparison(0.0, "undecided", undecided=True)
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


def law_value(name: str, balls: Balls, values: Mapping[str, Any]) -> Ball:
    """The right side of the law's statement, enclosed; lists in `values` are arrays.

    As SymPy has it: what is certified of it is certified of the formula that was derived.
    """
    arrays = {key: entry for key, entry in values.items() if isinstance(entry, list)}
    numbers = {key: entry for key, entry in values.items() if not isinstance(entry, list)}
    law = LAWS[name]
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


Case = TypeVar("Case", FamilyCase, ConceptCase)

REACH = 300.0
"""Largest |alpha| (max M - min M): beyond, e^{-1000000} would need a million bits and not 4096."""


def varied(case: FamilyCase) -> FamilyCase:
    """The instance with alpha != 0 and M not constant, `moderate`."""
    log_odds = case.log_odds
    if len(set(log_odds)) == 1:
        log_odds = (log_odds[0] + 1.0, *log_odds[1:])
    return moderate(replace(case, log_odds=log_odds, alpha=case.alpha or 1.0))


def moderate(case: Case) -> Case:
    """The instance with alpha divided by powers of 2 until |alpha| (max M - min M) <= `REACH`."""
    spread = _spread(case)
    alpha = case.alpha
    while abs(alpha) * spread > REACH:
        alpha /= 2.0
    return replace(case, alpha=alpha)


def _spread(case: FamilyCase | ConceptCase) -> float:
    return float(max(case.M) - min(case.M))


def steps_of(case: FamilyCase | ConceptCase, balls: Balls) -> list[Fraction]:
    """Steps h to try, the widest first: 2^-6, 2^-12, ... of 1/(max M - min M)."""
    spread = _spread(case)
    scale = Fraction(1 / spread) if spread else Fraction(1)
    return [scale / 2**k for k in range(6, balls.precision() // 3, 6)]


def direction(
    curve: Callable[[Ball], Ball], alpha: float, steps: Sequence[Fraction], balls: Balls
) -> int | None:
    """+1 or -1 if the curve certainly rises or falls from alpha - h to alpha to alpha + h."""
    at = Fraction(alpha)
    middle = curve(balls.exact(at))
    for h in steps:
        before = balls.sign(middle - curve(balls.exact(at - h)))
        after = balls.sign(curve(balls.exact(at + h)) - middle)
        if before is None or after is None:
            return None
        if before == after:
            return before
    return None


def odds_against(
    p: Sequence[Ball], M: Sequence[Ball], keys: Sequence[Fraction], z: int, balls: Balls
) -> Callable[[Ball], Ball]:
    """alpha -> the probability of the tokens not tied with z, over that of z.

    p_alpha(z) rises where this falls: tied tokens keep their ratio to z. A sum of positive terms,
    which keeps all its digits where p_alpha(z) is all but 0 or 1.
    """

    def curve(alpha: Ball) -> Ball:
        return balls.total(
            [
                p[y] / p[z] * balls.exp(alpha * (M[y] - M[z]))
                for y in range(len(M))
                if keys[y] != keys[z]
            ]
        )

    return curve
