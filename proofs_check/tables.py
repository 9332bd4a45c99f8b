"""Counterexamples a person can check by hand: the smallest tables of integers under Assumption 1.

A table gives each token two integers b < a; a row is a in its own concept and b elsewhere, over N.
Rows sum to N for every concept exactly if a - b sums to the same L in each concept; then N = L +
sum b. Tables come by increasing N, so the first that refutes a claim is the smallest that does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import combinations, pairwise, product
from math import isqrt, log
from typing import Any

import numpy as np

from steering_strength.proofs_check import instances
from steering_strength.proofs_check.instances import ConceptCase, ExactDataset, Row, WeightedCase

Pairs = tuple[tuple[int, int], ...]
"""(b, a) for each token of one concept."""

_CEILING = 400
"""N beyond which a table is not small any more."""


def _case(concepts: Sequence[Pairs], own: int, negatives: Sequence[int]) -> ConceptCase:
    """P has one context of concept 0 for each negative; the context looked at comes last."""
    tokens = [(b, a, c) for c, pairs in enumerate(concepts) for b, a in pairs]
    total = sum(b for b, _, _ in tokens) + sum(a - b for b, a in concepts[0])
    labels = (*(0,) * len(negatives), *negatives, own)

    def row(concept: int) -> tuple[Fraction, ...]:
        return tuple(Fraction(a if c == concept else b, total) for b, a, c in tokens)

    q = len(negatives)
    data = ExactDataset.uniform([*map(row, labels)], [c for _, _, c in tokens], labels)
    return ConceptCase.contrasting(data, 0, q, 2 * q)


def _concepts(size: int, gap: int, mass: int) -> Iterator[Pairs]:
    """All concepts of `size` tokens with sum of b = mass and sum of a - b = gap."""
    for off, gaps in product(_compositions(mass, size), _compositions(gap, size)):
        yield tuple((b, b + g) for b, g in zip(off, gaps, strict=True))


def _compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """`parts` positive integers with that sum, in order."""
    for cuts in combinations(range(1, total), parts - 1):
        yield tuple(b - a for a, b in pairwise((0, *cuts, total)))


def _over(row: Iterable[Any]) -> Row:
    """Whole numbers over their sum."""
    whole = [int(n) for n in row]
    return tuple(Fraction(n, sum(whole)) for n in whole)


def _rows(total: int, parts: int) -> list[Row]:
    """All rows of that many entries over `total`."""
    return [*map(_over, _compositions(total, parts))]


def small_tables(sizes: Sequence[int], negatives: Sequence[int]) -> Iterator[ConceptCase]:
    """Every table with concepts of these sizes, seen from a context of each concept in turn."""
    for N in range(len(sizes) + max(sizes), _CEILING):
        for gap in range(max(sizes), N - sum(sizes) + 1):
            for masses in _compositions(N - gap, len(sizes)):
                if any(mass < size for mass, size in zip(masses, sizes, strict=True)):
                    continue
                parts = [_concepts(s, gap, m) for s, m in zip(sizes, masses, strict=True)]
                for concepts in product(*parts):
                    for own in range(len(sizes)):
                        yield _case(concepts, own, negatives)


def _square_pairs(gap: int) -> list[Pairs]:
    """Concepts of two tokens whose ratios a/b are squares of integers, the smaller one first."""
    found: list[Pairs] = []
    for s in range(3, isqrt(gap) + 2):
        for b in range(1, gap // (s * s - 1) + 1):
            rest = gap - b * (s * s - 1)
            for r in range(2, s):
                if rest > 0 and rest % (r * r - 1) == 0:
                    first = rest // (r * r - 1)
                    found.append(((first, first * r * r), (b, b * s * s)))
    return found


def interleaved_tables() -> Iterator[ConceptCase]:
    """A target token and two concepts of two tokens whose ratios alternate, all of them squares.

    N has a context of each of the two, so q = 2 and e^{alpha M} is rational at integer alpha.
    """
    by_size: dict[int, list[tuple[Pairs, Pairs, Pairs]]] = {}
    for gap in range(3, _CEILING):
        targets = [
            (gap // (s * s - 1), gap // (s * s - 1) * s * s)
            for s in range(2, isqrt(gap) + 2)
            if gap % (s * s - 1) == 0
        ]
        pairs = _square_pairs(gap)
        for first, second in product(pairs, pairs):
            ratios = [a // b for b, a in (first[0], second[0], first[1], second[1])]
            if ratios != sorted(set(ratios)):
                continue
            for target in targets:
                mass = sum(b for b, _ in (target, *first, *second))
                by_size.setdefault(gap + mass, []).append(((target,), first, second))
        # Any table with a larger gap has N > gap: those up to here are complete.
        for N in sorted(size for size in by_size if size <= gap + 1):
            for concepts in by_size.pop(N):
                for own in range(3):
                    yield _case(concepts, own, (1, 2))


def weighted_tables() -> Iterator[WeightedCase]:
    """The weighted family with T and C of two tokens and the concept of c_j of one; N is C.

    sum b = beta in each concept. E_p[M] > min_T M is easiest where N min_T log(a/b) - sum_T b
    log(a/b) is smallest and sum_C b log(a/b) too, so only these are looked at for each (N, beta).
    """
    for N in range(7, _CEILING):
        found = []
        for beta in range(2, (N - 1) // 3 + 1):
            gap = N - 3 * beta
            pairs = list(_concepts(2, gap, beta))
            if pairs:
                scores = [N * min(map(_ratio, pair)) - _tilt(pair) for pair in pairs]
                other = min(pairs, key=_tilt)
                best = min(range(len(pairs)), key=scores.__getitem__)
                own: Pairs = ((beta, beta + gap),)
                found.append((scores[best] + _tilt(other), [pairs[best], own, other]))
        for _, concepts in sorted(found):
            yield _weighted(concepts, own=1)


def own_tables() -> Iterator[WeightedCase]:
    """The weighted family with two concepts of two tokens each, c_j a context of T."""
    for N in range(5, _CEILING):
        for beta in range(2, (N - 1) // 2 + 1):
            pairs = list(_concepts(2, N - 2 * beta, beta))
            for target, other in product(pairs, repeat=2):
                yield _weighted([target, other], own=0)


def calibration_tables() -> Iterator[ConceptCase]:
    """Two contexts and two tokens, of one concept each, no assumption on the rows."""
    for N in range(2, _CEILING):
        for rows in product(_rows(N, 2), repeat=2):
            for weight in (Fraction(1, 2), Fraction(1, 3)):
                data = ExactDataset(rows, (0, 1), (0, 1), (weight, 1 - weight))
                yield ConceptCase.contrasting(data, 0, q=1, context=0)


def _ratio(pair: tuple[int, int]) -> float:
    return log(pair[1] / pair[0])


def _tilt(concept: Pairs) -> float:
    return sum(pair[0] * _ratio(pair) for pair in concept)


def _weighted(concepts: Sequence[Pairs], own: int) -> WeightedCase:
    """T is the first concept, and N in the last; a and b have the same sums in all."""
    off, inside = (sum(pair[k] for pair in concepts[0]) for k in (0, 1))
    tokens, others = [pair for concept in concepts for pair in concept], len(concepts) - 1
    return WeightedCase(
        token_concept=tuple(c for c, concept in enumerate(concepts) for _ in concept),
        gamma=tuple(Fraction(a, inside) for _, a in tokens),
        omega=tuple(Fraction(b, off) for b, _ in tokens),
        target=0,
        own=own,
        negatives=(others,),
        epsilon=Fraction(others * off, others * off + inside),
    )


def norm_tables(kind: str) -> Iterator[instances.NormCase]:
    """Small whole h and v in two dimensions, no zero in v; eps 0 or 3, gain 1, no bias."""
    for eps, size in product((0.0, 3.0), range(1, 3)):
        whole = range(size + 1)
        for v, h in product(product(whole[1:], repeat=2), product(whole, repeat=2)):
            if len(set(h)) == 2:
                yield instances.NormCase(
                    h=tuple(map(float, h)),
                    v=tuple(map(float, v)),
                    gain=(1.0, 1.0),
                    bias=(0.0, 0.0),
                    W=((1.0, 0.0), (0.0, 1.0)),
                    kind=kind,
                    eps=eps,
                )


def small_texts() -> Iterator[instances.SequenceCase]:
    """Texts of two tokens over a vocabulary of two."""
    for N in range(2, _CEILING):
        for *rows, positive, negative in product(_rows(N, 2), repeat=5):
            yield instances.SequenceCase(tuple(rows), (positive,), (negative,), judged=(0,) * 4)


def falling_texts(*, weights: bool) -> Iterator[instances.SequenceCase]:
    """Texts of two tokens over three: their reverse price falls between two whole strengths.

    With `weights`, the sum of P_alpha^2/P_0 does. Both are sums over the first token of something
    in which only the row after that token occurs, so the best rows are found one by one.
    """
    strengths = np.arange(7)
    for total in range(3, _CEILING):
        whole = np.array(list(_compositions(total, 3)))
        p = whole / total
        for positive, negative in product(range(len(p)), repeat=2):
            odds = np.log(p[positive] / p[negative])
            tilted = p * np.exp(np.multiply.outer(strengths, odds))[:, None]
            tilted /= tilted.sum(axis=-1, keepdims=True)  # strength, row, token
            own = tilted**2 / p if weights else tilted * np.log(tilted / p)
            price = own.sum(axis=-1)
            share, start = (own, 0.0 * price) if weights else (tilted, price)
            # strength, first row, first token, row after it
            parts = share[..., None] * price[:, None, None, :]
            rises = np.diff(parts, axis=0)
            least = np.diff(start, axis=0) + rises.min(axis=-1).sum(axis=-1)
            if least.min() < -1e-9:
                n, first = np.unravel_index(int(least.argmin()), least.shape)
                after = rises[n, first].argmin(axis=-1)
                rows = tuple(_over(whole[k]) for k in (first, *after))
                P, N = ((_over(whole[k]),) for k in (positive, negative))
                yield instances.SequenceCase(rows, P, N, judged=(0,) * 9)


def readout_tables() -> Iterator[instances.ReadoutCase]:
    """One context in two dimensions and two tokens: W = 1, h small and whole, u a coordinate."""
    one, other = (1.0, 0.0), (0.0, 1.0)
    for size in range(1, 3):
        for h in product(range(1, size + 1), range(size + 1)):
            yield instances.ReadoutCase(
                states=(tuple(map(float, h)),),
                W=(one, other),
                bias=(0.0, 0.0),
                u=one,
                w=other,
                encoder=one,
                context_weights=(Fraction(1),),
            )


def mixed_tables() -> Iterator[instances.MixedCase]:
    """A concept of two tokens and one of one: P two pure contexts, N two of the same mixture.

    Those whose two tokens have M of opposite signs, by increasing denominator k N: b sums with the
    gap to N, and the weights of N are n/k and 1 - n/k.
    """
    for size in range(8, _CEILING):
        for k in (k for k in range(2, size) if size % k == 0):
            for gap in range(2, size // k):
                mass = size // k - gap
                for b in _compositions(mass, 3) if mass >= 3 else ():
                    for n, first in product(range(1, k), range(1, gap)):
                        case = _mixed(b, (first, gap - first, gap), Fraction(n, k))
                        if case.sign(0) * case.sign(1) < 0:
                            yield case


def _mixed(b: tuple[int, ...], gaps: tuple[int, ...], share: Fraction) -> instances.MixedCase:
    total, gap = sum(b) + gaps[-1], gaps[-1]
    pure = ((Fraction(1), Fraction(0)), (Fraction(0), Fraction(1)))
    return instances.MixedCase(
        off=tuple(Fraction(x, total) for x in b),
        gaps=tuple(Fraction(g, gap) for g in gaps),
        token_concept=(0, 0, 1),
        weights=(*pure, (share, 1 - share), (share, 1 - share)),
        sets=((0, 1), (2, 3)),
    )


def prompts_tables(
    log_odds: Sequence[float], budget: float, twins: bool
) -> Iterator[instances.PromptsCase]:
    """Two prompts of three tokens, by denominator, the target first; or twice the same prompt."""
    half = Fraction(1, 2)
    for N in range(3, _CEILING):
        rows = [row for row in _rows(N, 3) if not twins or row[0] * N == 1]
        for pair in zip(rows, rows, strict=True) if twins else product(rows, rows):
            yield instances.PromptsCase(pair, (half, half), tuple(log_odds), (0,), budget)
