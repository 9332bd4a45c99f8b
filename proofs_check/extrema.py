"""How many interior extrema the probability of a concept has on the whole line, with certainty.

F_C' has the sign of an exponential sum: with in_l and out_l the probability at the l-th level of M
inside and outside C,

    G(alpha) = sum over k > l of (m_k - m_l)(in_k out_l - in_l out_k) e^{alpha (m_k + m_l)}.

The coefficients are exact. Beyond some alpha the term with the largest exponent outweighs all
others together, and does so ever more; likewise at the other end. In between, an interval is
settled if G has no zero on it, or if G' has none and the signs at its ends decide; otherwise it is
halved. What this certifies: the number of sign changes of F_C', with no tolerance and no sampling.
"""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction
from itertools import combinations

from steering_strength.proofs_check.balls import Ball, Balls
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase

_DEPTH = 80
_CUT = Fraction(31, 64)

Terms = list[tuple[Ball, Ball]]
"""(coefficient, exponent), by increasing exponent."""


def _terms(case: FamilyCase | ConceptCase, tokens: Collection[int], balls: Balls) -> Terms:
    """The terms of G; those whose coefficient is exactly 0 left out."""
    masses: dict[Fraction, list[Fraction]] = {}  # inside and outside C on each level
    for z, (key, p) in enumerate(zip(case.keys, case.row, strict=True)):
        masses.setdefault(key, [Fraction(0), Fraction(0)])[z not in tokens] += p
    level = {key: case.level(key, balls) for key in masses}
    sums: dict[Fraction, Ball] = {}
    for low, high in combinations(sorted(masses), 2):
        weight = masses[high][0] * masses[low][1] - masses[low][0] * masses[high][1]
        if weight:
            key = case.joined(low, high)
            sums[key] = sums.get(key, 0) + balls.exact(weight) * (level[high] - level[low])
    return [(sums[key], case.level(key, balls)) for key in sorted(sums)]


def _dominated_beyond(terms: Terms, balls: Balls, side: int) -> tuple[Fraction, int] | None:
    """(alpha, sign): from there to infinity on that side the extreme exponent decides."""
    (lead, extreme), *others = terms[::-side]
    sign = balls.sign(lead)
    if sign is None:
        return None
    alpha = Fraction(side)
    for _ in range(80):
        at = balls.exact(alpha)
        rest = balls.total(abs(c) * balls.exp(at * (e - extreme)) for c, e in others)
        if balls.positive(abs(lead) - rest):
            return alpha, sign
        alpha *= 2
    return None


def _sign(terms: Terms, at: Ball, balls: Balls, order: int, centre: Ball) -> int | None:
    """Of e^{-centre alpha} G or its derivative, at a point or over an interval."""
    shifted = [(c, e - centre) for c, e in terms]
    grown = ((c * e if order else c) * balls.exp(at * e) for c, e in shifted)
    return balls.sign(balls.total(grown))


def count_extrema(
    case: FamilyCase | ConceptCase, tokens: Collection[int], balls: Balls
) -> int | None:
    """The number of interior extrema of F_C, C = `tokens`; None where this precision is too low."""
    terms = _terms(case, tokens, balls)
    if not terms:
        return 0
    left = _dominated_beyond(terms, balls, -1)
    right = _dominated_beyond(terms, balls, 1)
    if left is None or right is None:
        return None
    pending = [(left[0], right[0], left[1], right[1], 0)]
    count = 0
    while pending:
        low, high, first, last, depth = pending.pop()
        # Not the middle itself: extrema of symmetric instances sit on round numbers.
        middle = low + (high - low) * _CUT
        # Relative to the exponent that leads in the middle, so that the enclosures stay tight.
        centre = terms[-1 if middle > 0 else 0][1]
        interval = balls.hull(low, high)
        if _sign(terms, interval, balls, 0, centre) is not None:
            continue
        if _sign(terms, interval, balls, 1, centre) is not None:
            count += first != last
            continue
        sign = _sign(terms, balls.exact(middle), balls, 0, centre)
        if sign is None or depth > _DEPTH:
            return None
        pending.append((low, middle, first, sign, depth + 1))
        pending.append((middle, high, sign, last, depth + 1))
    return count
