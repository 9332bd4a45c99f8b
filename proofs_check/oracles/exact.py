"""The theory in exact fractions, at the strengths where e^{alpha M(z)} is rational.

With q = |P| = |N|, q M(z) = log(prod_P p(z|c_i) / prod_N p(z|c_i)) (arXiv:2602.02712, Def. 3.2), so
at alpha = n q the weight p(z) e^{alpha M(z)} is the fraction p(z) (prod_P p / prod_N p)^n and
nothing is rounded. Rows are sequences of Fractions; contexts and tokens are indices.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from math import isqrt, prod
from typing import Any


def odds_ratios(
    rows: Sequence[Sequence[Fraction]], positive: Collection[int], negative: Collection[int]
) -> list[Fraction]:
    """e^{q M(z)} for every token z, from q positive and q negative contexts (Def. 3.2)."""
    if len(positive) != len(negative) or not positive:
        raise ValueError(
            f"|P| = {len(positive)} and |N| = {len(negative)}; e^(alpha M) is rational only for "
            "|P| = |N| = q >= 1"
        )

    def product(contexts: Collection[int], z: int) -> Fraction:
        return prod((rows[i][z] for i in contexts), start=Fraction(1))

    return [product(positive, z) / product(negative, z) for z in range(len(rows[0]))]


def tilted(row: Sequence[Fraction], ratios: Sequence[Fraction], n: int) -> list[Fraction]:
    """p_alpha(z) at alpha = n q: weight over sum of weights (Def. 2.2 and Lemma B.2)."""
    weights = [p * ratio**n for p, ratio in zip(row, ratios, strict=True)]
    total = sum(weights)
    return [weight / total for weight in weights]


def path(k: int, size: int) -> list[tuple[int, int]]:
    """(prefix, token) step by step to prefix k, where V j + 1 + z is prefix j followed by token z.

    `size` is V.
    """
    steps: list[tuple[int, int]] = []
    while k:
        k, token = divmod(k - 1, size)
        steps.append((k, token))
    return steps[::-1]


def prefixes(rows: Sequence[Sequence[Any]]) -> list[Any]:
    """The probability of every prefix, from p(. | prefix j) of the inner ones: exact in, exact out.

    The texts are the last of them, from number len(rows) on.
    """
    found: list[Any] = [1]
    for j, row in enumerate(rows):
        found += [found[j] * p for p in row]
    return found


def root(value: Fraction, n: int) -> Fraction:
    """The n-th root, n = 1 or 2, of an n-th power, else ValueError.

    e^{q M} is one where its a_z/b_z are.
    """
    found = Fraction(isqrt(value.numerator), isqrt(value.denominator)) if n == 2 else value
    if found**n != value:
        raise ValueError(f"{value} is not the power {n} of a fraction")
    return found


def all_squares(values: Iterable[Fraction]) -> bool:
    """Whether every one is the square of a fraction."""
    parts = [n for value in values for n in (value.numerator, value.denominator)]
    return all(isqrt(n) ** 2 == n for n in parts)


def concept_probability(probabilities: Sequence[Fraction], tokens: Collection[int]) -> Fraction:
    """F_C: the probability that the next token belongs to the concept `tokens`."""
    return sum((probabilities[z] for z in tokens), start=Fraction(0))


def concept_curve(
    row: Sequence[Fraction],
    ratios: Sequence[Fraction],
    tokens: Collection[int],
    steps: Iterable[int],
) -> list[Fraction]:
    """F_C at alpha = n q for each n in `steps`."""
    return [concept_probability(tilted(row, ratios, n), tokens) for n in steps]


def concept_levels(
    row: Sequence[Fraction], ratios: Sequence[Fraction], tokens: Collection[int]
) -> list[Fraction]:
    """rho on the distinct levels of M in increasing order: the share of C in each tie.

    Two tokens are tied when their ratios are the same fraction; there is no tolerance.
    """
    inside: dict[Fraction, Fraction] = {}
    total: dict[Fraction, Fraction] = {}
    for z, (p, ratio) in enumerate(zip(row, ratios, strict=True)):
        total[ratio] = total.get(ratio, Fraction(0)) + p
        inside[ratio] = inside.get(ratio, Fraction(0)) + (p if z in tokens else 0)
    return [inside[ratio] / total[ratio] for ratio in sorted(total)]


def signs_of_change(values: Sequence[Fraction]) -> list[int]:
    """The directions in which a sequence moves, each run of equal signs once, standstills left out.

    ``[1, 3, 2, 2, 1, 4]`` moves ``[+1, -1, +1]``.
    """
    signs: list[int] = []
    for before, after in pairwise(values):
        sign = (after > before) - (after < before)
        if sign and (not signs or signs[-1] != sign):
            signs.append(sign)
    return signs


def turns(values: Sequence[Fraction]) -> int:
    """How often a sequence turns round; on a sampled curve, a lower bound on its extrema."""
    return max(len(signs_of_change(values)) - 1, 0)


def envelope(
    heights: Sequence[Fraction], slopes: Sequence[Fraction]
) -> tuple[list[int], list[Fraction]]:
    """Which of the lines height + alpha slope is the highest, from -inf to inf, and where it ends.

    By looking: between any two neighbouring crossings of lines nothing changes, so one place
    between them tells the winner; the first of several equal lines.
    """
    lines = list(zip(heights, slopes, strict=True))
    crossings = sorted({(a - c) / (d - b) for a, b in lines for c, d in lines if b != d})
    if not crossings:
        return [heights.index(max(heights))], []
    places = [
        crossings[0] - 1,
        *((low + high) / 2 for low, high in pairwise(crossings)),
        crossings[-1] + 1,
    ]
    winners: list[int] = []
    ends: list[Fraction] = []
    for k, alpha in enumerate(places):
        values = [a + alpha * b for a, b in lines]
        best = values.index(max(values))
        if not winners or winners[-1] != best:
            ends += [crossings[k - 1]] if winners else []
            winners.append(best)
    return winners, ends
