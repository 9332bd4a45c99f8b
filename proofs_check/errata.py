"""Readings of the paper that are false or incomplete, each with a counterexample to check by hand.

``python -m proofs_check errata`` finds the smallest counterexample of each (`tables`: integers over
a common denominator, by increasing denominator), has the check of the reading confirm it, and
spells out the arithmetic. Where a statement is about the whole line, ball arithmetic
certifies it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from math import lcm, prod
from textwrap import wrap
from typing import Any

from steering_strength.proofs_check.balls import BALLS, decide
from steering_strength.proofs_check.check_allocation import allocated
from steering_strength.proofs_check.check_cross_entropy import better_strength, miscalibrated
from steering_strength.proofs_check.check_sequences import reverse_at, second_at
from steering_strength.proofs_check.extrema import count_extrema, levels_of
from steering_strength.proofs_check.instances import (
    ConceptCase,
    EditCase,
    MixedCase,
    NormCase,
    PromptsCase,
    SequenceCase,
    WeightedCase,
)
from steering_strength.proofs_check.oracles import exact
from steering_strength.proofs_check.oracles.precise import CTX, number
from steering_strength.proofs_check.registry import CHECKS
from steering_strength.proofs_check.runner import code
from steering_strength.proofs_check.search import Outcome
from steering_strength.proofs_check.tables import (
    calibration_tables,
    edit_tables,
    falling_texts,
    interleaved_tables,
    mixed_tables,
    norm_tables,
    own_tables,
    prompts_tables,
    small_tables,
    small_texts,
    weighted_tables,
)
from steering_strength.theory.errors import SteeringError


@dataclass(frozen=True)
class Erratum:
    """A reading that is refuted.

    Attributes
    ----------
    id : str
        The check that states the reading and is expected to fail.
    where : str
        The place in arXiv:2602.02712.
    reading : str
        What is said, or easily understood.
    instead : str
        What is true.
    candidates : callable
        () -> instances by increasing size.
    arithmetic : callable
        instance -> lines a person can follow.
    case, lines, code : record, tuple of str, str
        The counterexample once it is found (`find`), its arithmetic, a program that repeats it.
    """

    id: str
    where: str
    reading: str
    instead: str
    candidates: Callable[[], Iterator[Any]]
    arithmetic: Callable[[Any], list[str]]
    case: Any = None
    lines: tuple[str, ...] = ()
    code: str = ""


def _with_falling_share() -> Iterator[ConceptCase]:
    """Tables whose second concept has a share rho that falls from level to level of M."""
    for case in small_tables((1, 2, 2), (1, 2)):
        shares = exact.concept_levels(case.row, case.ratios, case.dataset.tokens(1))
        if len(shares) > 2 and all(a > b for a, b in pairwise(shares)):
            yield case


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


def printed_signs(case: ConceptCase) -> Lines:
    """What each token outside T loses, and what the printed formula says."""
    data, home = case.dataset, case.dataset.context_concept[case.context]
    lines = rows(case)
    for z, concept in enumerate(data.token_concept):
        own = {c: row[z] for c, row in zip(data.context_concept, data.rows, strict=True)}
        if concept == case.target or concept not in own:
            continue
        printed = own[concept] if home == case.target else own[case.target]
        lines.append(
            f"token {z + 1}, of {'TCDE'[concept]}: M = log {case.ratios[z]} is not the "
            f"largest, so Delta p -> -p(z|c_j) = -{case.row[z]}; printed is -{printed}"
        )
    return lines


def any_context(case: WeightedCase) -> Lines:
    """The least target token against the mean, at this eps and for small ones."""
    full = case.case()
    z = min(full.tokens, key=lambda token: full.ratios[token])
    terms = [f"{p} log {ratio}" for p, ratio in zip(full.row, full.ratios, strict=True)]
    tokens = [y for y, c in enumerate(case.token_concept) if c == case.target]
    least = min(case.gamma[y] / case.omega[y] for y in tokens)
    mean = " + ".join(f"{case.gamma[y]} log {case.gamma[y] / case.omega[y]}" for y in tokens)
    peak = float(full.family.peaks()[z])
    return [
        *rows(full),
        f"the weighted family with gamma = {_list(case.gamma)}, omega = {_list(case.omega)}, "
        f"eps = {case.epsilon}; c_j is a context of T",
        f"E_p[M] = {' + '.join(terms)} exceeds M = log {full.ratios[z]} of token {z + 1}, of T:",
        f"its peak is at alpha = {peak:.6f}. As eps -> 0 the difference E_p[M] - M tends to",
        f"{mean} - log {least}, which is positive: so it is for every small eps",
    ]


def degrades(case: ConceptCase) -> Lines:
    """A strength that lowers the cross-entropy of a model that is not calibrated."""
    model, data = case.dataset.rows, (*case.dataset.rows[1:], case.dataset.rows[0])
    alpha = better_strength(case)
    before, after = miscalibrated(case, number(0)), miscalibrated(case, alpha)
    found = [
        f"context {j + 1}, weight {weight}: the model says {_list(p)}, the data {_list(r)}"
        for j, (weight, p, r) in enumerate(
            zip(case.dataset.context_weights, model, data, strict=True)
        )
    ]
    return [
        *found,
        f"P is context 1, N is context 2: e^M = {_list(case.ratios)}",
        f"cross-entropy {CTX.nstr(before, 7)} at alpha = 0, {CTX.nstr(after, 7)} at alpha = "
        f"{CTX.nstr(alpha, 6)}: lower",
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


def texts(name: str, quantity: Callable[[SequenceCase, int], Any], steps: Sequence[int]) -> Any:
    """The tree, and a quantity of its texts at some strengths."""

    def lines(case: SequenceCase) -> Lines:
        V = len(case.M)
        tree = [
            f"p(.) = {_list(row)}" + (f" after token {exact.path(j, V)[-1][1] + 1}" if j else "")
            for j, row in enumerate(case.rows)
        ]
        found = [f"{CTX.nstr(number(quantity(case, n)), 7)} at {n}" for n in steps]
        return [
            *tree,
            f"P: p(.|c) = {_list(case.positive[0])}; N: p(.|c) = {_list(case.negative[0])}; "
            f"e^M = {_list(case.ratios)}",
            f"{name}, alpha whole: {', '.join(found)}",
        ]

    return lines


def ablated(case: EditCase) -> Lines:
    """The ablated context beside subtraction at strength 10."""
    (h,) = ([int(x) for x in state] for state in case.states)
    after = [0, h[1]]
    far = [h[0] - 10, h[1]]

    def softmax(x: Sequence[int]) -> str:
        weights = [CTX.exp(a) for a in x]
        return _vector([w / sum(weights) for w in weights])

    return [
        f"two tokens, logits W h = h = {_vector(h)}, u = {_vector([int(x) for x in case.u])}; "
        f"p = softmax(h) = {softmax(h)}",
        f"ablation takes <u, h> u away: {_vector(after)}, p = {softmax(after)}",
        f"subtraction at strength 10: {_vector(far)}, p = {softmax(far)}; in the limit (0, 1)",
    ]


def one_sign(case: MixedCase) -> Lines:
    """The products over P and over N, token by token."""
    N = lcm(*(p.denominator for row in case.rows for p in row))
    lines = ["concept of each token: T, T, C"]
    for name, side in (("P", case.positive), ("N", case.negative)):
        lines += [
            f"{N} p(.|c) = {_list([int(p * N) for p in case.rows[i]])}   for {name}, with weight "
            f"{case.weights[i][0]} on T"
            for i in side
        ]
    products = [
        [prod(int(case.rows[i][z] * N) for i in side) for z in range(len(case.off))]
        for side in (case.positive, case.negative)
    ]
    words = [
        f"{p} {'>' if p > q else '<'} {q}, so M {'>' if p > q else '<'} 0"
        for p, q in list(zip(*products, strict=True))[:2]
    ]
    return [*lines, f"e^(2 M) = prod_P p / prod_N p; for the two tokens of T: {'; '.join(words)}"]


def shared_out(case: PromptsCase) -> Lines:
    """Both prompts under one alpha and under the best two, to four digits."""
    found = allocated(case)
    if found is None:
        raise SteeringError("the budget is refused", remedy="take a smaller one")
    lines = [f"M = {_list([int(m) for m in case.log_odds])}; T is the first token; two prompts:"]
    for row, start, regression in zip(case.rows, found.start, found.regression, strict=True):
        slope = Fraction(regression).limit_denominator(10**4)
        lines.append(f"p = {_list(row)}; F = {start:.4f}, beta = {slope}")
    for words, alpha, gain in (
        ("one alpha", [found.common] * len(case.rows), found.common_gain),
        ("two alphas", found.alpha, found.gain),
    ):
        after = found.start + gain
        strengths, F = (", ".join(f"{x:.4f}" for x in v) for v in (alpha, after))
        lines.append(f"{words}: {strengths}; F = {F}, on average {after.mean():.4f}")
    most = float(found.start.mean()) + found.bound
    return [
        *lines,
        f"for {case.budget:g} nats on average; no two alphas give more than {most:.4f}",
    ]


ERRATA: tuple[Erratum, ...] = (
    Erratum(
        id="sign-separation/outside-negative",
        where="Lemma B.4",
        reading="a token outside T has M(z) < 0",
        instead="M(z) <= 0, and M(z) = 0 exactly for the concepts that N misses",
        candidates=lambda: small_tables((1, 1, 1), (1,)),
        arithmetic=outside_negative,
    ),
    Erratum(
        id="concept-shape/falls-rises-falls",
        where="after Thm 3.6",
        reading="exactly three behaviours: a concept rises, falls, or rises and falls once",
        instead="as many extrema as the share rho of C has turns, or fewer by an even number",
        candidates=lambda: small_tables((1, 2, 1), (1, 2)),
        arithmetic=shape(1),
    ),
    Erratum(
        id="concept-shape/one-bump",
        where="after Thm 3.6",
        reading="exactly three behaviours: a concept that neither rises nor falls bumps once",
        instead="it may bump twice; up to 2|C| - 1 extrema occur",
        candidates=interleaved_tables,
        arithmetic=shape(2),
    ),
    Erratum(
        id="concept-monotone/necessary",
        where="Thm 3.6",
        reading="a concept falls only if max_C M <= min of M outside C",
        instead="the condition is sufficient, and so is less: that rho falls from level to level",
        candidates=_with_falling_share,
        arithmetic=necessary,
    ),
    Erratum(
        id="concept-limit/returns",
        where="after Thm 3.6",
        reading='a concept without extremal tokens "converges back to its unsteered value"',
        instead="its probability goes to 0 at both ends, as the formula of Thm 3.6 says",
        candidates=lambda: small_tables((1, 1, 1), (1,)),
        arithmetic=returns,
    ),
    Erratum(
        id="peak-sign/every-eps",
        where="Remark 3.4",
        reading="c_j outside T: target tokens peak at positive alpha for every admissible eps",
        instead="for eps below a root eps*, which may lie inside the admissible interval",
        candidates=weighted_tables,
        arithmetic=every_eps,
    ),
    Erratum(
        id="peak-sign/any-context",
        where="Remark 3.4",
        reading="target tokens peak at positive alpha for every context c_j, if eps is small",
        instead="c_j must lie outside T: in T the mean M is near that of the likeliest tokens of T",
        candidates=own_tables,
        arithmetic=any_context,
    ),
    Erratum(
        id="limit/printed-signs",
        where="App. B.1",
        reading="off T, Delta p(z|alpha) tends to -a_z where c_j is in T, to -b_z where it is not",
        instead="it tends to -p(z|c_j): -b_z for c_j in T, -a_z for c_j in the concept of z",
        candidates=lambda: small_tables((1, 1, 1), (1,)),
        arithmetic=printed_signs,
    ),
    Erratum(
        id="ce-linear/always-degrades",
        where="after Thm 3.8",
        reading="steering necessarily degrades the global performance of the model",
        instead="for a model that is calibrated along v; else small steps one way improve it",
        candidates=calibration_tables,
        arithmetic=degrades,
    ),
    Erratum(
        id="norm-limit/eps-of-v",
        where="Prop. 4.1",
        reading="LN_eps(h + alpha v) tends to LN_eps(v)",
        instead="it tends to LN_0(v): alpha drowns eps",
        candidates=lambda: norm_tables("rms"),
        arithmetic=washed_out,
    ),
    Erratum(
        id="norm-limit/constant-v",
        where="Prop. 4.1",
        reading="the output forgets h, for every v",
        instead="not where v vanishes under the norm: LayerNorm and constant v, or v = 0",
        candidates=lambda: norm_tables("layer"),
        arithmetic=forgets,
    ),
    Erratum(
        id="mixed-contexts/one-sign",
        where="Sec. 6",
        reading="in contexts that mix concepts, M has one sign on each concept",
        instead="only if all weights of P are at least those of N, or at most; else by token",
        candidates=mixed_tables,
        arithmetic=one_sign,
    ),
    Erratum(
        id="operator/ablation-limit",
        where="Sec. 6",
        reading="ablating a direction is the limit of subtracting it",
        instead="it is steering at the strength -<u, h_j>, finite and different in each context",
        candidates=edit_tables,
        arithmetic=ablated,
    ),
    Erratum(
        id="sequence-reverse/monotone",
        where="Sec. 6, texts",
        reading="KL(P_alpha || P_0) of whole texts grows with |alpha|, as that of one token does",
        instead="it may fall, as texts move to where steering costs less; KL(P_0 || P_alpha) grows",
        candidates=lambda: falling_texts(weights=False),
        arithmetic=texts("KL(P_alpha || P_0)", reverse_at, range(1, 9)),
    ),
    Erratum(
        id="sequence-reverse/convex",
        where="Sec. 6, texts",
        reading="KL(P_alpha || P_0) of whole texts is convex in alpha, as KL(P_0 || P_alpha) is",
        instead="it is bounded, so it cannot be",
        candidates=small_texts,
        arithmetic=texts("KL(P_alpha || P_0)", reverse_at, range(-1, 3)),
    ),
    Erratum(
        id="sequence-weights/falls",
        where="Sec. 6, texts",
        reading="the further one steers, the fewer unsteered texts count",
        instead="N / sum P_alpha^2/P_0 is the effective sample size, and the sum may fall again",
        candidates=lambda: falling_texts(weights=True),
        arithmetic=texts("sum over texts of P_alpha^2/P_0", second_at, range(1, 9)),
    ),
    Erratum(
        id="allocation/every-prompt",
        where="Sec. 6",
        reading="a strength adapted to the prompt helps on every prompt",
        instead="on average: prompts with a small slope beta pay for the others",
        candidates=lambda: prompts_tables((1.0, 0.0, -1.0), 0.1, twins=False),
        arithmetic=shared_out,
    ),
    Erratum(
        id="allocation/along-v",
        where="Sec. 6",
        reading="what is best steered along v on average is steered along v on every prompt",
        instead="alpha_j has the sign of beta_j for small budgets, and that may be either",
        candidates=lambda: prompts_tables((1.0, 2.0, 0.0), 0.1, twins=False),
        arithmetic=shared_out,
    ),
    Erratum(
        id="allocation/equal-prompts",
        where="Sec. 6",
        reading="equal prompts deserve equal strengths, so the best allocation is unique",
        instead="F is not concave in its price: it may be best to push one of two twins only",
        candidates=lambda: prompts_tables((2.0, 1.0, -1.0), 0.5, twins=True),
        arithmetic=shared_out,
    ),
)


def find(erratum: Erratum) -> Erratum:
    """The same with its smallest counterexample, as the check of the reading judges it.

    Raises
    ------
    SteeringError
        None is found: the reading would then be true as far as one has looked.
    """
    check = CHECKS[erratum.id]
    for case in erratum.candidates():
        comparison = check(case)
        if not comparison.agrees:
            outcome = Outcome(1, comparison.error, case=case, comparison=comparison)
            lines = tuple(erratum.arithmetic(case))
            return replace(erratum, case=case, lines=lines, code=code(erratum.id, outcome))
    raise SteeringError(
        f"no small counterexample to {erratum.id}: {erratum.reading}",
        remedy="look at the check; a reading that is not refuted is no erratum",
    )


_SETTING = """\
A row is p(.|c) for a context c, over a common denominator; T is the target concept, C, D the
others, P and N the contexts of the steering vector, c_j the context that is looked at. Steering
multiplies p(z|c_j) by e^(alpha M(z)) and normalises (Lemma B.3); F is the probability of a concept.
Numbers are exact, but for the decimals after the last equality sign."""


def table(found: Sequence[Erratum]) -> str:
    """The errata as text, ready to be sent: a table of the readings, then each with its numbers."""
    head = ("", "where", "reading that is false")
    readings = [(f"{k}.", e.where, e.reading) for k, e in enumerate(found, start=1)]
    widths = [max(len(row[k]) for row in (head, *readings)) for k in range(2)]
    overview = [
        f"{number:<{widths[0]}}  {where:<{widths[1]}}  {reading}".rstrip()
        for number, where, reading in (head, *readings)
    ]
    blocks = [
        "Readings of arXiv:2602.02712 that are false, each with the smallest counterexample",
        "\n".join(overview),
        _SETTING,
    ]
    for k, each in enumerate(found, start=1):
        lines = [
            f"{k}. {each.where}",
            f"   read:    {each.reading}",
            f"   instead: {each.instead}",
            *(wrapped for line in each.lines for wrapped in _indented(line)),
        ]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _indented(line: str) -> list[str]:
    # Tables keep their columns: only prose is long enough to be wrapped.
    return (
        wrap(line, 100, initial_indent=" " * 6, subsequent_indent=" " * 8)
        if len(line) > 94
        else [" " * 6 + line]
    )


def as_records(found: Sequence[Erratum]) -> list[dict[str, Any]]:
    """The same as plain data, with programs that repeat the refutations."""
    return [
        {
            "id": each.id,
            "where": each.where,
            "reading": each.reading,
            "instead": each.instead,
            "arithmetic": list(each.lines),
            "counterexample": each.code,
        }
        for each in found
    ]
