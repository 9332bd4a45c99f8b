"""Readings of the paper that are false or incomplete, each with a counterexample to check by hand.

``python -m proofs_check errata`` finds the smallest counterexample of each (`tables`: integers over
a common denominator, by increasing denominator), has the check of the reading confirm it, and
spells out the arithmetic. Where a statement is about the whole line, ball arithmetic
certifies it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import pairwise
from math import lcm, prod
from textwrap import wrap
from typing import Any

from steering_strength.proofs_check import (
    check_allocation,
    check_concept,
    check_cross_entropy,
    check_operators,
    check_peaks,
    check_sequences,
    check_tilting,
    check_transformer,
    tables,
)
from steering_strength.proofs_check.balls import BALLS, decide
from steering_strength.proofs_check.check import Check
from steering_strength.proofs_check.extrema import count_extrema
from steering_strength.proofs_check.instances import (
    ConceptCase,
    MixedCase,
    NormCase,
    PromptsCase,
    ReadoutCase,
    SequenceCase,
    WeightedCase,
)
from steering_strength.proofs_check.oracles import exact
from steering_strength.proofs_check.oracles.precise import CTX, number
from steering_strength.proofs_check.search import Outcome, code
from steering_strength.theory.errors import SteeringError

Lines = list[str]

_VISIBLE = Fraction(1, 100)
"""What a fall or rise should amount to at least, to be shown."""


@dataclass(frozen=True)
class Erratum:
    """A reading that is refuted; the fields from `case` on are filled by `find`."""

    check: Check  # states the reading, and what is true instead; it is expected to fail
    candidates: Callable[[], Iterable[Any]]  # instances by increasing size
    arithmetic: Callable[[Any], Lines]  # instance -> lines a person can follow
    case: Any = None  # the counterexample
    lines: tuple[str, ...] = ()  # its arithmetic
    code: str = ""  # a program that repeats it

    @property
    def id(self) -> str:
        """``statement/reading``."""
        return self.check.id

    @property
    def reading(self) -> str:
        """What is said, or easily understood."""
        return self.check.claim.rstrip(".")

    @property
    def where(self) -> str:
        """The place in arXiv:2602.02712."""
        return self._words[1]

    @property
    def instead(self) -> str:
        """What is true."""
        return self._words[2].rstrip(".")

    @property
    def _words(self) -> tuple[str, ...]:
        """The check's docstring, which ends with ``Instead (where): what is true.``."""
        words = " ".join((self.check.measure.__doc__ or "").split())
        return tuple(re.split(r"Instead \((.*?)\): ", words))


def _list(values: Iterable[Any]) -> str:
    return ", ".join(map(str, values))


def _vector(values: Sequence[Any]) -> str:
    """Whole numbers as they are, others to six digits."""
    return f"({_list(int(x) if x == int(x) else CTX.nstr(number(x), 6) for x in values)})"


def _power(base: Fraction, exponent: int) -> str:
    text = str(base) if base.denominator == 1 else f"({base})"
    return text if exponent == 1 else f"{text}^{exponent}"


def _over(N: int, row: Iterable[Fraction]) -> str:
    return f"{N} p(.|c) = {_list(int(p * N) for p in row)}"


def _denominator(rows: Iterable[Iterable[Fraction]]) -> int:
    return lcm(*(p.denominator for row in rows for p in row))


def _names(case: ConceptCase) -> list[str]:
    """T, C, D, ... for the concept of each token."""
    return ["TCDE"[c] for c in case.dataset.token_concept]


def _odds(case: ConceptCase) -> str:
    return "e^M" if case.q == 1 else f"e^({case.q} M)"


def rows(case: ConceptCase) -> Lines:
    """The table, that Assumption 1 holds, and e^{q M}."""
    data, N = case.dataset, _denominator(case.dataset.rows)
    groups = {"P": case.positive, "N": case.negative, "c_j": (case.context,)}
    lines = [f"concept of each token: {_list(_names(case))}"]
    for row in dict.fromkeys(data.rows):
        same = [j for j, other in enumerate(data.rows) if other == row]
        counts = {name: sum(j in group for j in same) for name, group in groups.items()}
        who = [f"{k} x {name}" if k > 1 else name for name, k in counts.items() if k]
        lines.append(f"{_over(N, row)}   for {' and '.join(who)}")
    # a over b by concept: the same sum of gaps in each. A concept without contexts shows its b
    # only; any a that closes the sum would do.
    pairs: list[str] = []
    gaps: dict[str, list[str]] = {}
    for z, (name, c) in enumerate(zip(_names(case), data.token_concept, strict=True)):
        a, b = (int(end(row[z] for row in data.rows) * N) for end in (max, min))
        pairs.append(f"{a if data.contexts(c) else '-'} and {b}")
        if data.contexts(c):
            gaps.setdefault(name, []).append(str(a - b))
    sums = "; ".join(f"{name}: {' + '.join(terms)}" for name, terms in sorted(gaps.items()))
    return [
        *lines,
        f"Assumption 1: {N} a_z and {N} b_z are {', '.join(pairs)}; gaps a - b, {sums}",
        f"{_odds(case)} = prod_P p / prod_N p = {_list(case.ratios)}",
    ]


def _curve(case: ConceptCase, concept: int, steps: Sequence[int], parts: int = 1) -> Lines:
    """F_C at alpha = n q / parts, with the weights p e^{alpha M} that it is made of."""
    factors = [exact.root(ratio, parts) for ratio in case.ratios]
    tokens, N = case.dataset.tokens(concept), _denominator([case.row])
    lines = [f"weights {N} p(z|c_j) e^(alpha M), and F = the share of {'TCDE'[concept]} in them:"]
    for n in steps:
        weights = [p * N * factor**n for p, factor in zip(case.row, factors, strict=True)]
        value = exact.concept_probability(weights, tokens) / sum(weights)
        alpha = Fraction(case.q * n, parts)
        lines.append(f"alpha = {alpha!s:>3}: {_list(weights)}; F = {value} = {float(value):.5f}")
    return lines


def _telling(case: ConceptCase, concept: int, reach: int, parts: int) -> list[int]:
    """Steps at which F turns, and one on either side where it has visibly moved on."""
    factors = [exact.root(ratio, parts) for ratio in case.ratios]
    steps = range(-parts * reach, parts * reach + 1)
    F = exact.concept_curve(case.row, factors, case.dataset.tokens(concept), steps)
    turns = [k for k in range(1, len(F) - 1) if (F[k] - F[k - 1]) * (F[k + 1] - F[k]) < 0]

    def beyond(start: int, candidates: range) -> int:
        far = (k for k in candidates if abs(F[k] - F[start]) > _VISIBLE)
        return next(far, candidates[-1])

    first = beyond(turns[0], range(turns[0] - 1, -1, -1))
    last = beyond(turns[-1], range(turns[-1] + 1, len(F)))
    return [steps[k] for k in (first, *turns, last)]


def _extrema(case: ConceptCase, concept: int) -> str:
    """The number of extrema of F_C on the whole line, certified."""
    tokens = case.dataset.tokens(concept)
    count = decide(partial(count_extrema, case, tokens))
    if count is None:
        raise SteeringError("the extrema cannot be counted", remedy="look at the curve")
    return f"{count} {'extremum' if count == 1 else 'extrema'} (certified, {BALLS.name})"


def _shares(case: ConceptCase, concept: int) -> list[Fraction]:
    return exact.concept_levels(case.row, case.ratios, case.dataset.tokens(concept))


def _with_falling_share() -> Iterator[ConceptCase]:
    """Tables whose second concept has a share rho that falls from level to level of M."""
    for case in tables.small_tables((1, 2, 2), (1, 2)):
        shares = _shares(case, 1)
        if len(shares) > 2 and all(a > b for a, b in pairwise(shares)):
            yield case


def outside_negative(case: ConceptCase) -> Lines:
    """A token whose concept N misses."""
    concept = _names(case)[case.ratios.index(Fraction(1))]
    return [*rows(case), f"M = log 1 = 0 for the token of {concept}, a concept that N misses"]


def shape(parts: int, case: ConceptCase) -> Lines:
    """F of concept 1 at its turns, and their number on the whole line."""
    shares = _shares(case, 1)
    return [
        *rows(case),
        *_curve(case, 1, _telling(case, 1, 6, parts), parts),
        f"On the whole line F has exactly {_extrema(case, 1)}; the share rho of C on the levels "
        f"of M, from low to high, is {_list(shares)}: {exact.turns(shares)} turns.",
    ]


def necessary(case: ConceptCase) -> Lines:
    """A concept that falls though the condition fails: because rho falls."""
    tokens = case.dataset.tokens(1)
    highest = max(case.ratios[z] for z in tokens)
    lowest = min(r for z, r in enumerate(case.ratios) if z not in tokens)
    return [
        *rows(case),
        f"The condition fails for C: the largest {_odds(case)} in C, {highest}, exceeds the "
        f"smallest outside, {lowest}.",
        f"The share rho of C on the levels of M, from low to high, is "
        f"{_list(_shares(case, 1))}: it falls,",
        "and F' = Cov_alpha(rho(M), M), which is negative if rho falls (Chebyshev). For instance:",
        *_curve(case, 1, (-2, -1, 0, 1)),
        f"On the whole line F has {_extrema(case, 1)}.",
    ]


def returns(case: ConceptCase) -> Lines:
    """A concept without extremal tokens at +-10."""
    before = exact.concept_probability(case.row, case.dataset.tokens(2))
    return [
        *rows(case),
        *_curve(case, 2, (-10, 0, 10)),
        f"F tends to 0 at both ends, for M = 0 is neither the largest nor the smallest: "
        f"Delta p(D) -> -{before}, not 0",
    ]


def printed_signs(case: ConceptCase) -> Lines:
    """What each token outside T loses, and what the printed formula says."""
    data, home = case.dataset, case.dataset.context_concept[case.context]
    lines = rows(case)
    for z, concept in enumerate(data.token_concept):
        own = {c: row[z] for c, row in zip(data.context_concept, data.rows, strict=True)}
        if concept != case.target and concept in own:
            printed = own[concept] if home == case.target else own[case.target]
            lines.append(
                f"token {z + 1}, of {'TCDE'[concept]}: M = log {case.ratios[z]} is not the "
                f"largest, so Delta p -> -p(z|c_j) = -{case.row[z]}; printed is -{printed}"
            )
    return lines


def degrades(case: ConceptCase) -> Lines:
    """A strength that lowers the cross-entropy of a model that is not calibrated."""
    model, data = case.dataset.rows, (*case.dataset.rows[1:], case.dataset.rows[0])
    alpha = check_cross_entropy.better_strength(case)
    before, after = (check_cross_entropy.miscalibrated(case, a) for a in (number(0), alpha))
    contexts = zip(case.dataset.context_weights, model, data, strict=True)
    return [
        *(
            f"context {j}, weight {weight}: the model says {_list(p)}, the data {_list(r)}"
            for j, (weight, p, r) in enumerate(contexts, start=1)
        ),
        f"P is context 1, N is context 2: e^M = {_list(case.ratios)}",
        f"cross-entropy {CTX.nstr(before, 7)} at alpha = 0, {CTX.nstr(after, 7)} at alpha = "
        f"{CTX.nstr(alpha, 6)}: lower",
    ]


def below_mean(case: WeightedCase) -> Lines:
    """The least target token against the mean of M: powers of fractions on either side."""
    full = case.case()
    N = _denominator([full.row])
    z = min(full.tokens, key=lambda token: full.ratios[token])
    columns = zip(full.row, full.ratios, strict=True)
    terms = [(ratio, int(p * N)) for p, ratio in columns if ratio != 1]
    left, right = full.ratios[z] ** N, prod(ratio**power for ratio, power in terms)
    log_odds = [f"log {ratio}" if ratio != 1 else "0" for ratio in full.ratios]
    inside = case.own == case.target
    lines = [
        *rows(full),
        f"the weighted family with gamma = {_list(case.gamma)} and omega = {_list(case.omega)},",
        f"eps = {case.epsilon}, and Assumption 1 holds for every eps below {case.bound}",
        f"M = {_list(log_odds)}; c_j is a context of {'T' if inside else 'C, outside T'}",
        f"{N} M(z) = log {_power(full.ratios[z], N)} = log {float(left):.4f} for token {z + 1}, "
        "of T, but",
        f"{N} E_p[M] = log {' '.join(_power(*term) for term in terms)} "
        f"= log {float(right):.4f}, which is larger:",
        f"that token falls at alpha = 0 (Lemma B.5), and its peak is at alpha = "
        f"{float(full.family.peaks()[z]):.6f}",
    ]
    if inside:
        pairs = [(case.gamma[y], case.gamma[y] / case.omega[y]) for y in full.tokens]
        mean = " + ".join(f"{gamma} log {ratio}" for gamma, ratio in pairs)
        lines.append(
            f"as eps -> 0 the difference E_p[M] - M tends to {mean} - log "
            f"{min(ratio for _, ratio in pairs)}, which is positive: so it is for every small eps"
        )
    return lines


def _normed(x: Sequence[Any], extra: int = 0) -> str:
    """x over the root of its mean square, and of what is added to that."""
    root = CTX.sqrt(number(_mean_square(x) + extra))
    return _vector([number(a) / root for a in x])


def _mean_square(x: Sequence[Any]) -> Fraction:
    return sum((Fraction(a * a) for a in x), start=Fraction(0)) / len(x)


def washed_out(case: NormCase) -> Lines:
    """RMSNorm with eps: of v, and of h + 1000 v."""
    h, v, eps = [int(x) for x in case.h], [int(x) for x in case.v], int(case.eps)
    far = [a + 1000 * b for a, b in zip(h, v, strict=True)]
    return [
        f"RMSNorm: LN(x) = x/sqrt(mean x^2 + eps) with eps = {eps}; h = {_vector(h)}, "
        f"v = {_vector(v)}",
        f"LN_eps(v) = v/sqrt({_mean_square(v)} + {eps}) = {_normed(v, eps)}",
        f"LN_0(v)   = v/sqrt({_mean_square(v)}) = {_normed(v)}",
        f"at alpha = 1000: h + alpha v = {_vector(far)}, mean square {_mean_square(far)}, so "
        f"LN_eps = {_normed(far, eps)}: LN_0(v) is the limit",
    ]


def forgets(case: NormCase) -> Lines:
    """LayerNorm and a constant v: the mean takes all of alpha v away."""
    h, v, eps = [int(x) for x in case.h], [int(x) for x in case.v], int(case.eps)
    centre = Fraction(sum(h), len(h))
    centred = [a - centre for a in h]
    return [
        f"LayerNorm with eps = {eps}; h = {_vector(h)}, v = {_vector(v)}",
        f"h + alpha v minus its mean {centre} + {v[0]} alpha is ({_list(centred)}) for every alpha",
        f"LN(h + alpha v) = {_normed(centred, eps)} = LN(h) for every alpha; LN(v) = 0/0",
    ]


Quantity = Callable[[SequenceCase, int], Any]


def texts(name: str, quantity: Quantity, steps: Sequence[int], case: SequenceCase) -> Lines:
    """The tree, and a quantity of its texts at some strengths."""
    V = len(case.M)
    found = [f"{CTX.nstr(number(quantity(case, n)), 7)} at {n}" for n in steps]
    return [
        *(
            f"p(.) = {_list(row)}" + (f" after token {exact.path(j, V)[-1][1] + 1}" if j else "")
            for j, row in enumerate(case.rows)
        ),
        f"P: p(.|c) = {_list(case.positive[0])}; N: p(.|c) = {_list(case.negative[0])}; "
        f"e^M = {_list(case.ratios)}",
        f"{name}, alpha whole: {', '.join(found)}",
    ]


def ablated(case: ReadoutCase) -> Lines:
    """The ablated context beside subtraction at strength 10."""
    h, u = case.states[0], case.u

    def softmax(x: Sequence[float]) -> str:
        weights = [CTX.exp(a) for a in x]
        return _vector([w / sum(weights) for w in weights])

    return [
        f"two tokens, logits W h = h = {_vector(h)}, u = {_vector(u)}; p = softmax(h) = "
        f"{softmax(h)}",
        f"ablation takes <u, h> u away: {_vector((0, h[1]))}, p = {softmax((0, h[1]))}",
        f"subtraction at strength 10: {_vector((h[0] - 10, h[1]))}, p = "
        f"{softmax((h[0] - 10, h[1]))}; in the limit (0, 1)",
    ]


def one_sign(case: MixedCase) -> Lines:
    """The products over P and over N, token by token."""
    N, sides = _denominator(case.rows), dict(zip("PN", case.sets, strict=True))
    lines = ["concept of each token: T, T, C"]
    lines += [
        f"{_over(N, case.rows[i])}   for {name}, with weight {case.weights[i][0]} on T"
        for name, side in sides.items()
        for i in side
    ]
    words = []
    for z in (0, 1):
        p, q = (prod(int(case.rows[i][z] * N) for i in side) for side in sides.values())
        sign = ">" if p > q else "<"
        words.append(f"{p} {sign} {q}, so M {sign} 0")
    return [*lines, f"e^(2 M) = prod_P p / prod_N p; for the two tokens of T: {'; '.join(words)}"]


def shared_out(case: PromptsCase) -> Lines:
    """Both prompts under one alpha and under the best two, to four digits."""
    found = check_allocation.allocated(case)
    if found is None:
        raise SteeringError("the budget is refused", remedy="take a smaller one")
    lines = [f"M = {_list(int(m) for m in case.log_odds)}; T is the first token; two prompts:"]
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


_BACK, _SECOND = "KL(P_alpha || P_0)", "sum over texts of P_alpha^2/P_0"
_THREE_CONCEPTS = partial(tables.small_tables, (1, 1, 1), (1,))

ERRATA: tuple[Erratum, ...] = (
    Erratum(check_tilting.outside_negative, _THREE_CONCEPTS, outside_negative),
    Erratum(
        check_concept.falls_rises_falls,
        partial(tables.small_tables, (1, 2, 1), (1, 2)),
        partial(shape, 1),
    ),
    Erratum(check_concept.one_bump, tables.interleaved_tables, partial(shape, 2)),
    Erratum(check_concept.necessary, _with_falling_share, necessary),
    Erratum(check_concept.returns, _THREE_CONCEPTS, returns),
    Erratum(check_peaks.every_eps, tables.weighted_tables, below_mean),
    Erratum(check_peaks.any_context, tables.own_tables, below_mean),
    Erratum(check_peaks.printed_signs, _THREE_CONCEPTS, printed_signs),
    Erratum(check_cross_entropy.always_degrades, tables.calibration_tables, degrades),
    Erratum(check_transformer.eps_of_v, partial(tables.norm_tables, "rms"), washed_out),
    Erratum(check_transformer.constant_v, partial(tables.norm_tables, "layer"), forgets),
    Erratum(check_operators.one_sign, tables.mixed_tables, one_sign),
    Erratum(check_operators.ablation_limit, tables.readout_tables, ablated),
    Erratum(
        check_sequences.reverse_monotone,
        partial(tables.falling_texts, weights=False),
        partial(texts, _BACK, check_sequences.reverse_at, range(1, 9)),
    ),
    Erratum(
        check_sequences.reverse_convex,
        tables.small_texts,
        partial(texts, _BACK, check_sequences.reverse_at, range(-1, 3)),
    ),
    Erratum(
        check_sequences.size_falls,
        partial(tables.falling_texts, weights=True),
        partial(texts, _SECOND, check_sequences.second_at, range(1, 9)),
    ),
    Erratum(
        check_allocation.every_prompt,
        partial(tables.prompts_tables, (1.0, 0.0, -1.0), 0.1, twins=False),
        shared_out,
    ),
    Erratum(
        check_allocation.along_v,
        partial(tables.prompts_tables, (1.0, 2.0, 0.0), 0.1, twins=False),
        shared_out,
    ),
    Erratum(
        check_allocation.equal_prompts,
        partial(tables.prompts_tables, (2.0, 1.0, -1.0), 0.5, twins=True),
        shared_out,
    ),
)


def find(erratum: Erratum) -> Erratum:
    """The same with its smallest counterexample, as the check of the reading judges it.

    Raises
    ------
    SteeringError
        None is found: the reading would then be true as far as one has looked.
    """
    for case in erratum.candidates():
        comparison = erratum.check(case)
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
    readings = [(f"{k}.", e.where, e.reading) for k, e in enumerate(found, start=1)]
    rows = [("", "where", "reading that is false"), *readings]
    widths = [max(len(row[k]) for row in rows) for k in range(2)]
    blocks = [
        "Readings of arXiv:2602.02712 that are false, each with the smallest counterexample",
        "\n".join(f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c}".rstrip() for a, b, c in rows),
        _SETTING,
    ]
    for k, each in enumerate(found, start=1):
        head = f"{k}. {each.where}\n   read:    {each.reading}\n   instead: {each.instead}"
        blocks.append("\n".join([head, *(row for line in each.lines for row in _indented(line))]))
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
    words = ("id", "where", "reading", "instead", "lines", "code")
    names = {"lines": "arithmetic", "code": "counterexample"}
    return [{names.get(word, word): getattr(each, word) for word in words} for each in found]
