"""What is seen of a curve without deriving it: in which direction it moves across an alpha.

A curve is evaluated from its definition at alpha - h, alpha and alpha + h. If both steps certainly
go the same way, that is its direction; if they differ, there is a turn in between and h is made
smaller; if a sign is uncertain, more precision is needed. No derivative is taken anywhere, so that
a wrong derivative cannot agree with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TypeVar

from steering_strength.proofs_check.balls import Ball, Balls
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase

__all__ = ["direction", "moderate", "odds_against", "steps_of", "varied"]

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
