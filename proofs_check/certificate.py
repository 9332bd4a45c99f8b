"""Certificates: what ball arithmetic decides of an instance, and the balls they are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from functools import partial, wraps
from typing import Any, TypeVar

from hypothesis.strategies import SearchStrategy

from steering_strength.proofs_check.balls import Ball, Balls, decide
from steering_strength.proofs_check.check import Check
from steering_strength.proofs_check.comparison import Comparison, claim
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase
from steering_strength.proofs_check.law_values import value
from steering_strength.theory.laws import LAWS

Answers = Iterable["bool | None"]

REACH = 300.0
"""Largest |alpha| (max M - min M): beyond, e^{-1000000} would need a million bits and not 4096."""


def certificate(
    name: str, cases: SearchStrategy[Any], weight: float = 0.5
) -> Callable[[Callable[[Any, Balls], Answers]], Check]:
    """Decorator: the function yields True, False, or None for "not at this precision".

    Certified is that all are true, with as much precision as it takes; the docstring says what.
    """

    def register(answers: Callable[[Any, Balls], Answers]) -> Check:
        certifies = " ".join((answers.__doc__ or "").split())

        def question(case: Any, balls: Balls) -> bool | None:
            return every(answers(case, balls))

        @wraps(answers)
        def measure(case: Any) -> Comparison:
            return decided(certifies, partial(question, case))

        return Check(name, certifies, cases, measure, weight=weight, question=question)

    return register


def decided(statement: str, question: Callable[[Balls], bool | None]) -> Comparison:
    """What `decide` has to say, as a comparison."""
    answer = decide(question)
    if answer is None:
        return Comparison(0.0, "undecided", undecided=True)
    return claim(statement, answer)


def every(answers: Answers) -> bool | None:
    """False if any is, else None if any is, else True."""
    result: bool | None = True
    for answer in answers:
        if answer is False:
            return False
        result = None if answer is None else result
    return result


def some(answers: Answers) -> bool | None:
    """True if any is, else None if any is, else False."""
    found = every(None if answer is None else not answer for answer in answers)
    return None if found is None else not found


def in_balls(case: FamilyCase | ConceptCase, balls: Balls) -> tuple[list[Ball], list[Ball]]:
    """p and M, (V,) each: M exact floats, or logarithms of exact ratios."""
    return [balls.exact(x) for x in case.row], [case.level(key, balls) for key in case.keys]


def law(name: str, balls: Balls, **values: Any) -> Ball:
    """The right side of the law's statement, enclosed; V is the number of entries of M.

    As SymPy has it: what is certified of it is certified of the formula that was derived.
    """
    return value(LAWS[name].rhs, {"V": len(values["M"]), **values}, balls)


def same(first: Ball, second: Ball, balls: Balls) -> bool | None:
    """Whether two numbers are certainly equal to 64 bits, relatively; False if certainly not."""
    return balls.positive(abs(second) * balls.exact(Fraction(1, 2**64)) - abs(first - second))


Case = TypeVar("Case", bound=Any)


def varied(case: FamilyCase) -> FamilyCase:
    """The instance with alpha != 0 and M not constant, `moderate`."""
    log_odds = case.log_odds
    if len(set(log_odds)) == 1:
        log_odds = (log_odds[0] + 1.0, *log_odds[1:])
    return moderate(replace(case, log_odds=log_odds, alpha=case.alpha or 1.0))


def moderate(case: Case, reach: float = REACH) -> Case:
    """The instance with alpha divided by powers of 2 until |alpha| (max M - min M) <= `reach`."""
    spread, alpha = float(max(case.M) - min(case.M)), case.alpha
    while abs(alpha) * spread > reach:
        alpha /= 2.0
    moderated: Case = replace(case, alpha=alpha)
    return moderated


def direction(
    curve: Callable[[Ball], Ball], at: Fraction, scale: Fraction, balls: Balls
) -> int | None:
    """+1 or -1 if the curve certainly rises or falls from at - h to at to at + h.

    The widest step first: 2^-6, 2^-12, ... of `scale`.
    """
    middle = curve(balls.exact(at))
    for k in range(6, balls.precision() // 3, 6):
        h = scale / 2**k
        before = balls.sign(middle - curve(balls.exact(at - h)))
        after = balls.sign(curve(balls.exact(at + h)) - middle)
        if before is None or after is None:
            return None
        if before == after:
            return before
    return None


def direction_here(
    curve: Callable[[Ball], Ball], case: FamilyCase | ConceptCase, balls: Balls
) -> int | None:
    """`direction` at the alpha of the instance, over 1/(max M - min M)."""
    return direction(curve, Fraction(case.alpha), Fraction(float(case.tilt.scale)), balls)


def odds_against(z: int, case: FamilyCase | ConceptCase, balls: Balls) -> Callable[[Ball], Ball]:
    """alpha -> the probability of the tokens not tied with z, over that of z.

    p_alpha(z) rises where this falls: tied tokens keep their ratio to z. A sum of positive terms,
    which keeps all its digits where p_alpha(z) is all but 0 or 1.
    """
    (p, M), keys = in_balls(case, balls), case.keys
    others = [(p[y] / p[z], M[y] - M[z]) for y in range(len(M)) if keys[y] != keys[z]]
    return lambda alpha: balls.total([share * balls.exp(alpha * gap) for share, gap in others])
