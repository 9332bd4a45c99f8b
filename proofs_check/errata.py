"""Readings of the paper that are false or incomplete, each with a counterexample to check by hand.

``python -m proofs_check errata`` finds the smallest counterexample of each (`tables`: integers over
a common denominator, by increasing denominator), has the check of the reading confirm it, and
prints the arithmetic. Where a statement is about the whole line, ball arithmetic certifies it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

from proofs_check.balls import BALLS, decide
from proofs_check.extrema import count_extrema, levels_of
from proofs_check.instances import ConceptCase, NormCase, WeightedCase
from proofs_check.oracles import exact, norms
from proofs_check.oracles.precise import CTX, number, numbers
from proofs_check.registry import CHECKS
from proofs_check.run import code
from proofs_check.search import Finding
from proofs_check.tables import interleaved_tables, norm_tables, small_tables, weighted_tables
from theory.errors import SteeringError

__all__ = ["ERRATA", "Erratum", "Found", "find", "table"]


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
    """

    id: str
    where: str
    reading: str
    instead: str
    candidates: Callable[[], Iterator[Any]]
    arithmetic: Callable[[Any], list[str]]


@dataclass(frozen=True)
class Found:
    """An erratum with its counterexample."""

    erratum: Erratum
    case: Any
    what: str
    lines: tuple[str, ...]
    code: str


def _rows(case: ConceptCase) -> list[str]:
    """The table over its common denominator, tokens by concept; P, N and the context named."""
    N = lcm(*(p.denominator for row in case.dataset.rows for p in row))
    names = dict.fromkeys(case.positive, "P") | dict.fromkeys(case.negative, "N")
    lines = [f"tokens of concepts {' '.join(map(str, case.dataset.token_concept))}; T = 0"]
    for j, row in enumerate(case.dataset.rows):
        role = names.get(j, "c_j") + f", a context of concept {case.dataset.context_concept[j]}"
        entries = " ".join(str(int(p * N)) for p in row)
        lines.append(f"p(.|c) = ({entries})/{N}   {role}")
    products = " ".join(str(ratio) for ratio in case.ratios)
    lines.append(f"e^({case.q} M) = prod_P p / prod_N p = ({products})")
    return lines


def _curve(case: ConceptCase, concept: int, steps: Sequence[int], parts: int) -> list[str]:
    """F_C at alpha = n q / parts as fractions and decimals."""
    factors = [exact.root(ratio, parts) for ratio in case.ratios]
    tokens = case.dataset.tokens(concept)
    values = exact.concept_curve(case.row, factors, tokens, steps)
    unit = Fraction(case.q, parts)
    return [
        f"alpha = {unit * n!s:>4}: F = {value} = {float(value):.5f}"
        for n, value in zip(steps, values, strict=True)
    ]


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


def _certificate(case: ConceptCase, concept: int) -> str:
    shares = exact.concept_levels(case.row, case.ratios, case.dataset.tokens(concept))
    return (
        f"on the whole line F of concept {concept} has exactly {_extrema(case, concept)} extrema "
        f"({BALLS.name}); rho = ({' '.join(map(str, shares))}) turns {exact.turns(shares)} times"
    )


def _outside_negative(case: ConceptCase) -> list[str]:
    zero = [z for z, ratio in enumerate(case.ratios) if ratio == 1]
    concept = case.dataset.token_concept[zero[0]]
    return [*_rows(case), f"M = 0 for token {zero[0]} of concept {concept}: N misses that concept"]


def _shape_lines(steps: Sequence[int], parts: int) -> Callable[[ConceptCase], list[str]]:
    def lines(case: ConceptCase) -> list[str]:
        return [*_rows(case), *_curve(case, 1, steps, parts), _certificate(case, 1)]

    return lines


def _necessary(case: ConceptCase) -> list[str]:
    tokens = case.dataset.tokens(1)
    highest = max(case.ratios[z] for z in tokens)
    lowest = min(r for z, r in enumerate(case.ratios) if z not in tokens)
    return [
        *_rows(case),
        f"max_C e^({case.q}M) = {highest} > min outside = {lowest}: the condition fails for C = 1",
        *_curve(case, 1, range(-4, 3), 1),
        _certificate(case, 1),
    ]


def _returns(case: ConceptCase) -> list[str]:
    return [*_rows(case), *_curve(case, 2, (-10, -1, 0, 1, 10), 1), "F of concept 2 tends to 0"]


def _every_eps(case: WeightedCase) -> list[str]:
    full = case.case()
    N = lcm(*(p.denominator for p in full.row))
    log_odds = [f"log {ratio}" if ratio != 1 else "0" for ratio in full.ratios]
    least = min(full.ratios[z] for z in full.tokens)
    terms = [
        f"({ratio})^{int(p * N)}"
        for p, ratio in zip(full.row, full.ratios, strict=True)
        if ratio != 1
    ]
    power, total = least**N, Fraction(1)
    for p, ratio in zip(full.row, full.ratios, strict=True):
        total *= ratio ** int(p * N)
    return [
        *_rows(full),
        f"gamma = ({' '.join(map(str, case.gamma))}), omega = ({' '.join(map(str, case.omega))})",
        f"eps = {case.epsilon}, admissible up to {case.bound}",
        f"M = ({', '.join(log_odds)})",
        f"{N} min_T M = log ({least})^{N} = log {float(power):.4f}",
        f"{N} E_p[M] = log {' '.join(terms)} = log {float(total):.4f}, which is larger:",
        "that token of T lies below the mean and peaks at a negative alpha",
    ]


def _norm_lines(case: NormCase) -> list[str]:
    h, v, gain, bias = (numbers(x) for x in (case.h, case.v, case.gain, case.bias))
    eps = number(case.eps)

    def show(x: Sequence[Any]) -> str:
        return "(" + ", ".join(CTX.nstr(a, 6) for a in x) + ")"

    def output(x: Sequence[Any], e: Any) -> str:
        return show(norms.norm_output(x, case.kind, gain, bias, e))

    name = "RMSNorm" if case.kind == "rms" else "LayerNorm"
    return [
        f"{name}, gain 1, no bias, eps = {case.eps:g}; h = {show(h)}, v = {show(v)}",
        f"LN(h + 10^3 v) = {output(norms.affine(h, v, number(1000)), eps)}",
        f"limit = {show(norms.far_output(h, v, case.kind, gain, bias, eps, 1))}, but "
        f"LN_eps(v) = {output(v, eps)}",
    ]


ERRATA: tuple[Erratum, ...] = (
    Erratum(
        id="sign-separation/outside-negative",
        where="Lemma B.4",
        reading="a token outside T has M(z) < 0",
        instead="M(z) <= 0, and M(z) = 0 exactly for the concepts that N misses",
        candidates=lambda: small_tables((1, 1, 1), (1,)),
        arithmetic=_outside_negative,
    ),
    Erratum(
        id="concept-shape/falls-rises-falls",
        where="after Thm 3.6: exactly three behaviours",
        reading="a concept increases, decreases, or rises and falls once",
        instead="as many extrema as the share rho of C has turns, or fewer by an even number",
        candidates=lambda: small_tables((1, 2, 1), (1, 2)),
        arithmetic=_shape_lines(range(-6, 3), 1),
    ),
    Erratum(
        id="concept-shape/one-bump",
        where="after Thm 3.6: exactly three behaviours",
        reading="a concept that neither increases nor decreases bumps once",
        instead="it may bump twice; up to 2|C| - 1 extrema occur",
        candidates=interleaved_tables,
        arithmetic=_shape_lines(range(-7, 2), 2),
    ),
    Erratum(
        id="concept-monotone/necessary",
        where="Thm 3.6",
        reading="a concept decreases only if max_C M <= min of M outside C",
        instead="the condition is sufficient; a falling rho is weaker, and not necessary either",
        candidates=lambda: small_tables((1, 2, 1), (1, 2)),
        arithmetic=_necessary,
    ),
    Erratum(
        id="concept-limit/returns",
        where="after Thm 3.6",
        reading='a concept without extremal tokens "converges back to its unsteered value"',
        instead="its probability goes to 0 at both ends, as the formula of Thm 3.6 says",
        candidates=lambda: small_tables((1, 1, 1), (1,)),
        arithmetic=_returns,
    ),
    Erratum(
        id="peak-sign/every-eps",
        where="Remark 3.4",
        reading="for c_j outside T, target tokens peak at positive alpha for every admissible eps",
        instead="for eps below a root eps*, which may lie inside the admissible interval",
        candidates=weighted_tables,
        arithmetic=_every_eps,
    ),
    Erratum(
        id="norm-limit/eps-of-v",
        where="Prop. 4.1",
        reading="LN_eps(h + alpha v) tends to LN_eps(v)",
        instead="it tends to LN_0(v): alpha drowns eps",
        candidates=lambda: norm_tables("rms"),
        arithmetic=_norm_lines,
    ),
    Erratum(
        id="norm-limit/constant-v",
        where="Prop. 4.1",
        reading="the output forgets h, for every v",
        instead="not where v vanishes under the norm: LayerNorm and constant v, or v = 0",
        candidates=lambda: norm_tables("layer"),
        arithmetic=_norm_lines,
    ),
)


def find(erratum: Erratum) -> Found:
    """The smallest counterexample, as the check of the reading judges it.

    Raises
    ------
    SteeringError
        None is found: the reading would then be true as far as one has looked.
    """
    check = CHECKS[erratum.id]
    for case in erratum.candidates():
        meeting = check(case)
        if not meeting.agrees:
            finding = Finding(1, meeting.error, case=case, meeting=meeting)
            return Found(
                erratum=erratum,
                case=case,
                what=meeting.what,
                lines=tuple(erratum.arithmetic(case)),
                code=code(erratum.id, finding),
            )
    raise SteeringError(
        f"no small counterexample to {erratum.id}: {erratum.reading}",
        remedy="look at the check; a reading that is not refuted is no erratum",
    )


def table(found: Sequence[Found]) -> str:
    """The errata as text, ready to be sent."""
    blocks = ["Readings of arXiv:2602.02712 that are false, with small counterexamples"]
    for k, each in enumerate(found, start=1):
        erratum = each.erratum
        lines = [
            f"{k}. {erratum.where}",
            f"   read:    {erratum.reading}",
            f"   instead: {erratum.instead}",
            *(f"      {line}" for line in each.lines),
        ]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)
