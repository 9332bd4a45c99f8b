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

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import log

from steering_strength.proofs_check.balls import Ball, Balls
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase

_DEPTH = 80
_CUT = Fraction(31, 64)


@dataclass(frozen=True)
class Levels:
    """The distinct levels of M, increasing, with what is inside and outside C at each.

    Attributes
    ----------
    keys : tuple of Fractions
        M itself, or e^{q M} for a dataset (`logarithmic`), where M is a logarithm.
    inside, outside : tuples of Fractions
        Probabilities.
    q : int
        As in e^{q M}.
    logarithmic : bool
    """

    keys: tuple[Fraction, ...]
    inside: tuple[Fraction, ...]
    outside: tuple[Fraction, ...]
    q: int = 1
    logarithmic: bool = False

    def value(self, balls: Balls, key: Fraction) -> Ball:
        """M of a level, or the sum of two for a product of keys."""
        if not self.logarithmic:
            return balls.exact(key)
        return balls.log(balls.exact(key)) / self.q

    def rough(self, key: Fraction) -> float:
        """The same in float64."""
        if not self.logarithmic:
            return float(key)
        return (log(key.numerator) - log(key.denominator)) / self.q

    def join(self, first: Fraction, second: Fraction) -> Fraction:
        """The key of the sum of two levels."""
        return first * second if self.logarithmic else first + second


def levels_of(case: FamilyCase | ConceptCase, tokens: Sequence[int] | None = None) -> Levels:
    """Levels of an instance; C is `tokens`, by default the concept of the case."""
    concept = set(case.tokens if tokens is None else tokens)
    logarithmic = isinstance(case, ConceptCase)
    table: dict[Fraction, list[Fraction]] = {}
    for z, (key, p) in enumerate(zip(case.keys, case.row, strict=True)):
        entry = table.setdefault(key, [Fraction(0), Fraction(0)])
        entry[0 if z in concept else 1] += p
    order = sorted(table)
    return Levels(
        keys=tuple(order),
        inside=tuple(table[key][0] for key in order),
        outside=tuple(table[key][1] for key in order),
        q=case.q if isinstance(case, ConceptCase) else 1,
        logarithmic=logarithmic,
    )


Terms = list[tuple[Ball, Ball, float]]
"""(coefficient, exponent, the exponent in float64 for hints), by increasing exponent."""


def _terms(levels: Levels, balls: Balls) -> Terms:
    """The terms of G; those whose coefficient is exactly 0 left out."""
    sums: dict[Fraction, Ball] = {}
    values = [levels.value(balls, key) for key in levels.keys]
    for k in range(len(values)):
        for j in range(k):
            weight = levels.inside[k] * levels.outside[j] - levels.inside[j] * levels.outside[k]
            if weight:
                key = levels.join(levels.keys[k], levels.keys[j])
                sums[key] = sums.get(key, 0) + balls.exact(weight) * (values[k] - values[j])
    return [(sums[key], levels.value(balls, key), levels.rough(key)) for key in sorted(sums)]


def _dominated_beyond(terms: Terms, balls: Balls, side: int) -> tuple[Fraction, int] | None:
    """(alpha, sign): from there to infinity on that side the extreme exponent decides."""
    (lead, extreme, _), *others = terms[::-side]
    sign = balls.sign(lead)
    if sign is None:
        return None
    alpha = Fraction(side)
    for _ in range(80):
        at = balls.exact(alpha)
        rest = balls.total(abs(c) * balls.exp(at * (e - extreme)) for c, e, _ in others)
        if balls.positive(abs(lead) - rest):
            return alpha, sign
        alpha *= 2
    return None


def _sign(terms: Terms, at: Ball, balls: Balls, order: int, centre: Ball) -> int | None:
    """Of e^{-centre alpha} G or its derivative, at a point or over an interval."""
    shifted = [(c, e - centre) for c, e, _ in terms]
    factors = [c * e if order else c for c, e in shifted]
    grown = (balls.exp(at * e) for _, e in shifted)
    return balls.sign(balls.total(f * g for f, g in zip(factors, grown, strict=True)))


def count_extrema(levels: Levels, balls: Balls) -> int | None:
    """The number of interior extrema of F_C; None where this precision cannot tell."""
    terms = _terms(levels, balls)
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
        centre = max(terms, key=lambda term: float(middle) * term[2])[1]
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
