"""The arithmetic of a counterexample, spelled out line by line: what a person can follow by hand.

Every number is exact unless it has a decimal point after "=", which is then the rounded value of
the fraction or root before it. Tables are integers over their common denominator N.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import lcm
from typing import Any

from steering_strength.proofs_check.balls import BALLS, decide
from steering_strength.proofs_check.extrema import count_extrema, levels_of
from steering_strength.proofs_check.instances import ConceptCase, NormCase, WeightedCase
from steering_strength.proofs_check.oracles import exact
from steering_strength.proofs_check.oracles.precise import CTX, number
from steering_strength.theory.errors import SteeringError

__all__ = [
    "every_eps",
    "forgets",
    "necessary",
    "outside_negative",
    "returns",
    "rows",
    "shape",
    "washed_out",
]

Lines = list[str]

_VISIBLE = Fraction(1, 100)
"""What a fall or rise should amount to at least, to be shown."""


def _list(values: Sequence[Any]) -> str:
    return ", ".join(str(value) for value in values)


def _power(base: Fraction, exponent: int) -> str:
    text = str(base) if base.denominator == 1 else f"({base})"
    return text if exponent == 1 else f"{text}^{exponent}"


def rows(case: ConceptCase) -> Lines:
    """The table, that Assumption 1 holds, and e^{q M}."""
    data = case.dataset
    N = lcm(*(p.denominator for row in data.rows for p in row))
    roles = [
        [name for name, group in (("P", case.positive), ("N", case.negative)) if j in group]
        + (["c_j"] if j == case.context else [])
        for j in range(len(data.rows))
    ]
    named: dict[tuple[Fraction, ...], list[str]] = {}
    for row, names in zip(data.rows, roles, strict=True):
        named.setdefault(row, []).extend(names)
    lines = [f"concept of each token: {_list(_named_concepts(case))}"]
    for row, names in named.items():
        counts = {name: names.count(name) for name in dict.fromkeys(names)}
        who = " and ".join(f"{k} x {name}" if k > 1 else name for name, k in counts.items())
        lines.append(f"{N} p(.|c) = {_list([int(p * N) for p in row])}   for {who}")
    return [*lines, _assumption(case, N), _ratios(case)]


def _named_concepts(case: ConceptCase) -> list[str]:
    """T, C, D, ... for the concepts 0, 1, 2, ..."""
    return ["TCDE"[c] for c in case.dataset.token_concept]


def _assumption(case: ConceptCase, N: int) -> str:
    """a over b by concept: the same sum of gaps in each."""
    data = case.dataset
    tokens = list(zip(*data.rows, strict=True))
    gaps = {
        f"{'TCDE'[c]}: {' + '.join(str(int((max(tokens[z]) - min(tokens[z])) * N)) for z in group)}"
        for c in range(data.concepts)
        if data.contexts(c) and (group := data.tokens(c))
    }
    # A concept without contexts shows its b only; any a that closes the sum would do.
    pairs = ", ".join(
        f"{int(max(t) * N) if data.contexts(c) else '-'} and {int(min(t) * N)}"
        for t, c in zip(tokens, data.token_concept, strict=True)
    )
    return f"Assumption 1: {N} a_z and {N} b_z are {pairs}; gaps a - b, {'; '.join(sorted(gaps))}"


def _ratios(case: ConceptCase) -> str:
    name = "e^M" if case.q == 1 else f"e^({case.q} M)"
    return f"{name} = prod_P p / prod_N p = {_list(case.ratios)}"


def _curve(case: ConceptCase, concept: int, steps: Sequence[int], parts: int) -> Lines:
    """F_C at alpha = n q / parts, with the weights p e^{alpha M} that it is made of."""
    factors = [exact.root(ratio, parts) for ratio in case.ratios]
    tokens = case.dataset.tokens(concept)
    N = lcm(*(p.denominator for p in case.row))
    lines = [f"weights {N} p(z|c_j) e^(alpha M), and F = the share of {'TCDE'[concept]} in them:"]
    for n in steps:
        weights = [p * N * factor**n for p, factor in zip(case.row, factors, strict=True)]
        inside = sum((weights[z] for z in tokens), start=Fraction(0))
        value = inside / sum(weights)
        alpha = Fraction(case.q * n, parts)
        lines.append(f"alpha = {alpha!s:>3}: {_list(weights)}; F = {value} = {float(value):.5f}")
    return lines


def _telling(case: ConceptCase, concept: int, reach: int, parts: int) -> list[int]:
    """Steps at which F turns, and one on either side where it has visibly moved on."""
    factors = [exact.root(ratio, parts) for ratio in case.ratios]
    steps = range(-parts * reach, parts * reach + 1)
    values = exact.concept_curve(case.row, factors, case.dataset.tokens(concept), steps)
    turns = [
        k
        for k in range(1, len(values) - 1)
        if (values[k] - values[k - 1]) * (values[k + 1] - values[k]) < 0
    ]

    def beyond(start: int, candidates: range) -> int:
        far = [k for k in candidates if abs(values[k] - values[start]) > _VISIBLE]
        return far[0] if far else candidates[-1]

    first = beyond(turns[0], range(turns[0] - 1, -1, -1))
    last = beyond(turns[-1], range(turns[-1] + 1, len(values)))
    return [steps[k] for k in (first, *turns, last)]


def _extrema(case: ConceptCase, concept: int) -> int:
    """Extrema of F_C on the whole line, certified."""
    levels = levels_of(case, case.dataset.tokens(concept))
    found: list[int] = []

    def ask(balls: Any) -> bool | None:
        count = count_extrema(levels, balls)
        found[:] = [] if count is None else [count]
        return None if count is None else True

    if decide(ask) is None:
        raise SteeringError("the extrema cannot be counted", remedy="look at the curve")
    return found[0]


def _shares(case: ConceptCase, concept: int) -> list[Fraction]:
    return exact.concept_levels(case.row, case.ratios, case.dataset.tokens(concept))


def _count(number_of: int, one: str, several: str) -> str:
    return f"{number_of} {one if number_of == 1 else several}"


def outside_negative(case: ConceptCase) -> Lines:
    """A token whose concept N misses."""
    zero = next(z for z, ratio in enumerate(case.ratios) if ratio == 1)
    concept = _named_concepts(case)[zero]
    return [*rows(case), f"M = log 1 = 0 for the token of {concept}, a concept that N misses"]


def shape(parts: int) -> Callable[[ConceptCase], Lines]:
    """F of concept 1 at its turns, and their number on the whole line."""

    def lines(case: ConceptCase) -> Lines:
        shares = _shares(case, 1)
        return [
            *rows(case),
            *_curve(case, 1, _telling(case, 1, 6, parts), parts),
            f"On the whole line F has exactly {_count(_extrema(case, 1), 'extremum', 'extrema')} "
            f"(certified, {BALLS.name}); the share rho of C on the levels of M, from low to high, "
            f"is {_list(shares)}: {_count(exact.turns(shares), 'turn', 'turns')}.",
        ]

    return lines


def necessary(case: ConceptCase) -> Lines:
    """A concept that falls though the condition fails: because rho falls."""
    tokens = case.dataset.tokens(1)
    highest = max(case.ratios[z] for z in tokens)
    lowest = min(r for z, r in enumerate(case.ratios) if z not in tokens)
    name = "e^M" if case.q == 1 else f"e^({case.q} M)"
    return [
        *rows(case),
        f"The condition fails for C: the largest {name} in C, {highest}, exceeds the smallest "
        f"outside, {lowest}.",
        f"The share rho of C on the levels of M, from low to high, is "
        f"{_list(_shares(case, 1))}: it falls,",
        "and F' = Cov_alpha(rho(M), M), which is negative if rho falls (Chebyshev). For instance:",
        *_curve(case, 1, (-2, -1, 0, 1), 1),
        f"On the whole line F has {_count(_extrema(case, 1), 'extremum', 'extrema')} "
        f"(certified, {BALLS.name}).",
    ]


def returns(case: ConceptCase) -> Lines:
    """A concept without extremal tokens at +-10."""
    before = exact.concept_probability(case.row, case.dataset.tokens(2))
    return [
        *rows(case),
        *_curve(case, 2, (-10, 0, 10), 1),
        f"F tends to 0 at both ends, for M = 0 is neither the largest nor the smallest: "
        f"Delta p(D) -> -{before}, not 0",
    ]


def every_eps(case: WeightedCase) -> Lines:
    """Powers of fractions on either side."""
    full = case.case()
    N = lcm(*(p.denominator for p in full.row))
    z = min(full.tokens, key=lambda token: full.ratios[token])
    least = full.ratios[z]
    weighted = [
        (ratio, int(p * N)) for p, ratio in zip(full.row, full.ratios, strict=True) if ratio != 1
    ]
    left, right = least**N, Fraction(1)
    for ratio, power in weighted:
        right *= ratio**power
    log_odds = [f"log {ratio}" if ratio != 1 else "0" for ratio in full.ratios]
    peak = float(full.family.peaks()[z])
    return [
        *rows(full),
        f"the weighted family with gamma = {_list(case.gamma)} and omega = {_list(case.omega)},",
        f"eps = {case.epsilon}, and Assumption 1 holds for every eps below {case.bound}",
        f"M = {_list(log_odds)}; c_j is a context of C, outside T",
        f"{N} M(z) = log {_power(least, N)} = log {float(left):.4f} for token {z + 1}, of T, but",
        f"{N} E_p[M] = log {' '.join(_power(*term) for term in weighted)} "
        f"= log {float(right):.4f}, which is larger:",
        f"that token falls at alpha = 0 (Lemma B.5), and its peak is at alpha = {peak:.6f}",
    ]


def _vector(values: Sequence[Any]) -> str:
    return (
        "("
        + ", ".join(CTX.nstr(number(x), 6) if x != int(x) else str(int(x)) for x in values)
        + ")"
    )


def washed_out(case: NormCase) -> Lines:
    """RMSNorm with eps: of v, and of h + 1000 v."""
    h, v, eps = [int(x) for x in case.h], [int(x) for x in case.v], int(case.eps)
    far = [a + 1000 * b for a, b in zip(h, v, strict=True)]
    size = len(v)

    def mean_square(x: Sequence[int]) -> Fraction:
        return Fraction(sum(a * a for a in x), size)

    def normed(x: Sequence[int], extra: int) -> str:
        root = CTX.sqrt(number(mean_square(x) + extra))
        return _vector([number(a) / root for a in x])

    return [
        f"RMSNorm: LN(x) = x/sqrt(mean x^2 + eps) with eps = {eps}; h = {_vector(h)}, "
        f"v = {_vector(v)}",
        f"LN_eps(v) = v/sqrt({mean_square(v)} + {eps}) = {normed(v, eps)}",
        f"LN_0(v)   = v/sqrt({mean_square(v)}) = {normed(v, 0)}",
        f"at alpha = 1000: h + alpha v = {_vector(far)}, mean square {mean_square(far)}, so "
        f"LN_eps = {normed(far, eps)}: LN_0(v) is the limit",
    ]


def forgets(case: NormCase) -> Lines:
    """LayerNorm and a constant v: the mean takes all of alpha v away."""
    h, v = [int(x) for x in case.h], [int(x) for x in case.v]
    centre = Fraction(sum(h), len(h))
    centred = [a - centre for a in h]
    spread = sum((a * a for a in centred), start=Fraction(0)) / len(h)
    output = _vector([number(a) / CTX.sqrt(number(spread + int(case.eps))) for a in centred])
    return [
        f"LayerNorm with eps = {int(case.eps)}; h = {_vector(h)}, v = {_vector(v)}",
        f"h + alpha v minus its mean {centre} + {v[0]} alpha is ({_list(centred)}) for every alpha",
        f"LN(h + alpha v) = {output} = LN(h) for every alpha; LN(v) = 0/0",
    ]
