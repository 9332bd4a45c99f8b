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

__all__ = ["Levels", "count_extrema", "levels_of"]

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
    keys = case.ratios if isinstance(case, ConceptCase) else map(Fraction, case.log_odds)
    table: dict[Fraction, list[Fraction]] = {}
    for z, (key, p) in enumerate(zip(keys, case.row, strict=True)):
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


@dataclass(frozen=True)
class _Term:
    """coefficient e^{alpha exponent}; `rough` is the exponent in float64, for hints only."""

    coefficient: Ball
    exponent: Ball
    key: Fraction
    rough: float

    def log_size(self, alpha: Fraction) -> float:
        """Roughly the logarithm of the term, up to the coefficient: nothing rests on it."""
        return float(alpha) * self.rough


def _terms(levels: Levels, balls: Balls) -> list[_Term]:
    """The terms of G by increasing exponent; those whose coefficient is exactly 0 left out."""
    result = []
    for k in range(len(levels.keys)):
        for j in range(k):
            weight = levels.inside[k] * levels.outside[j] - levels.inside[j] * levels.outside[k]
            if weight:
                gap = levels.value(balls, levels.keys[k]) - levels.value(balls, levels.keys[j])
                key = levels.join(levels.keys[k], levels.keys[j])
                result.append(
                    _Term(
                        coefficient=balls.exact(weight) * gap,
                        exponent=levels.value(balls, key),
                        key=key,
                        rough=levels.rough(key),
                    )
                )
    return sorted(result, key=lambda term: term.key)


def _dominated_beyond(terms: list[_Term], balls: Balls, side: int) -> tuple[Fraction, int] | None:
    """(alpha, sign): from there to infinity on that side the extreme exponent decides."""
    ordered = terms if side < 0 else terms[::-1]
    extreme = [term for term in ordered if term.key == ordered[0].key]
    lead = balls.total([term.coefficient for term in extreme])
    sign = balls.sign(lead)
    if sign is None:
        return None
    alpha = Fraction(1)
    for _ in range(80):
        at = balls.exact(alpha * side)
        rest = balls.total(
            [
                abs(term.coefficient) * balls.exp(at * (term.exponent - ordered[0].exponent))
                for term in ordered[len(extreme) :]
            ]
        )
        if balls.sign(abs(lead) - rest) == 1:
            return alpha * side, sign
        alpha *= 2
    return None


def _value(terms: list[_Term], at: Ball, balls: Balls, order: int, centre: Ball) -> Ball:
    """e^{-centre alpha} G or its derivative, at a point or over an interval."""
    parts = []
    for term in terms:
        shifted = term.exponent - centre
        factor = shifted if order else balls.exact(1)
        parts.append(term.coefficient * factor * balls.exp(at * shifted))
    return balls.total(parts)


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
        centre = max(terms, key=lambda term: term.log_size(middle)).exponent
        interval = balls.hull(low, high)
        if balls.sign(_value(terms, interval, balls, 0, centre)) is not None:
            continue
        if balls.sign(_value(terms, interval, balls, 1, centre)) is not None:
            count += first != last
            continue
        sign = balls.sign(_value(terms, balls.exact(middle), balls, 0, centre))
        if sign is None or depth > _DEPTH:
            return None
        pending.append((low, middle, first, sign, depth + 1))
        pending.append((middle, high, sign, last, depth + 1))
    return count
