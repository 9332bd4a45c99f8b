"""Certificates: the inequalities of the theory decided on each instance with zero tolerance.

A certificate says in one sentence what it certifies about an instance. Its answer is True or False
where ball arithmetic is certain, and None where even 4096 bits do not tell; None is never counted
as certified. What is certified is the inequality for that instance, as exact rational data, and
nothing about other instances; the derivations in `theory.laws` do that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from proofs_check.balls import Ball, Balls, decide
from proofs_check.check import Check
from proofs_check.extrema import count_extrema, levels_of
from proofs_check.formulas import Formulas
from proofs_check.instances import ConceptCase, FamilyCase, NormCase
from proofs_check.meeting import AGREED, Meeting, claim
from proofs_check.oracles import exact
from proofs_check.strategies import concept_cases, family_cases, norm_cases, shape_cases

__all__ = ["CERTIFICATES", "Certificate", "certificate_checks"]

Question = Callable[[Any, Balls], "bool | None"]


@dataclass(frozen=True)
class Certificate:
    """What is certified about an instance, and how it is asked.

    Attributes
    ----------
    id : str
        The statement it belongs to.
    certifies : str
        What exactly a True certifies, about one instance.
    cases : SearchStrategy
    question : callable
        (case, balls) -> True, False, or None for "not at this precision".
    weight : float
        As in `Check`.
    """

    id: str
    certifies: str
    cases: SearchStrategy[Any]
    question: Question
    weight: float = 0.5

    def decide(self, case: Any, balls: Balls | None = None) -> bool | None:
        """The answer for one instance, with as much precision as it takes."""
        return decide(lambda arithmetic: self.question(case, arithmetic), balls)

    def as_check(self) -> Check:
        """The same as a `Check`, for the search and its shrinking."""

        def measure(case: Any, on_trial: Formulas) -> Meeting:
            answer = self.decide(case)
            if answer is None:
                return Meeting(0.0, "undecided", undecided=True)
            return AGREED if answer else claim(self.certifies, False)

        return Check(
            id=self.id,
            claim=self.certifies,
            cases=self.cases,
            measure=measure,
            tolerance="none",
            weight=self.weight,
        )


def certificate(
    name: str, certifies: str, cases: SearchStrategy[Any], weight: float = 0.5
) -> Callable[[Question], Certificate]:
    """Decorator: turns a question into a `Certificate`."""
    return lambda question: Certificate(name, certifies, cases, question, weight)


def _p(case: FamilyCase | ConceptCase, balls: Balls) -> list[Ball]:
    return [balls.exact(p) for p in case.row]


def _M(case: FamilyCase | ConceptCase, balls: Balls) -> list[Ball]:
    if isinstance(case, ConceptCase):
        return [balls.log(balls.exact(ratio)) / case.q for ratio in case.ratios]
    return [balls.exact(m) for m in case.log_odds]


def _keys(case: FamilyCase | ConceptCase) -> list[Fraction]:
    """Numbers in the order of M, equal exactly where M is."""
    if isinstance(case, ConceptCase):
        return list(case.ratios)
    return [Fraction(m) for m in case.log_odds]


def _weights(p: list[Ball], M: list[Ball], alpha: Ball, balls: Balls) -> list[Ball]:
    """p e^{alpha (M - M_0)}, unnormalised: signs do not need the normaliser."""
    return [a * balls.exp(alpha * (b - M[0])) for a, b in zip(p, M, strict=True)]


def _all(answers: Sequence[bool | None]) -> bool | None:
    """False if any is, else None if any is, else True."""
    if any(answer is False for answer in answers):
        return False
    return None if any(answer is None for answer in answers) else True


def _is(sign: int | None, wanted: int) -> bool | None:
    return None if sign is None else sign == wanted


def _excess(p: list[Ball], M: list[Ball], level: Ball, alpha: Ball, balls: Balls) -> Ball:
    """A number with the sign of K'(alpha) - level: sum of weights times (M - level)."""
    weights = _weights(p, M, alpha, balls)
    return balls.total([w * (m - level) for w, m in zip(weights, M, strict=True)])


@certificate(
    "mean-slope",
    "K''(alpha) > 0, and min M < K'(alpha) < max M, at the alpha of the instance (M not constant)",
    family_cases(),
)
def mean_slope(case: FamilyCase, balls: Balls) -> bool | None:
    """K'' as half the mean squared difference of two independent draws: a sum of positive terms."""
    keys = _keys(case)
    if len(set(keys)) == 1:
        return True
    p, M, alpha = _p(case, balls), _M(case, balls), balls.exact(case.alpha)
    weights = _weights(p, M, alpha, balls)
    spread = balls.total(
        [
            weights[i] * weights[j] * (M[i] - M[j]) * (M[i] - M[j])
            for i in range(len(M))
            for j in range(i)
            if keys[i] != keys[j]
        ]
    )
    top, bottom = (M[keys.index(end(keys))] for end in (max, min))
    return _all(
        [
            _is(balls.sign(spread), 1),
            _is(balls.sign(_excess(p, M, top, alpha, balls)), -1),
            _is(balls.sign(_excess(p, M, bottom, alpha, balls)), 1),
        ]
    )


@certificate(
    "slope",
    "p_alpha(z) rises at the alpha of the instance iff M(z) > K'(alpha): signs of the derivative "
    "written without K', as a sum over the other tokens, for every token z",
    family_cases(),
)
def slope(case: FamilyCase, balls: Balls) -> bool | None:
    """The derivative of 1/p_alpha(z) is sum_y (p_y/p_z)(M_y - M_z) e^{alpha (M_y - M_z)}."""
    keys = _keys(case)
    p, M, alpha = _p(case, balls), _M(case, balls), balls.exact(case.alpha)
    answers: list[bool | None] = []
    for z in range(len(M)):
        reciprocal = balls.total(
            [
                p[y] / p[z] * (M[y] - M[z]) * balls.exp(alpha * (M[y] - M[z]))
                for y in range(len(M))
                if keys[y] != keys[z]
            ]
        )
        excess = _excess(p, M, M[z], alpha, balls)
        if len(set(keys)) > 1:
            signs = balls.sign(reciprocal), balls.sign(excess)
            answers.append(None if None in signs else signs[0] == signs[1])
    return _all(answers)


@certificate(
    "peak",
    "each finite peak the engine returns lies in a bracket 1e-9 wide (relative, or 1e-9 over the "
    "range of M) with K' < M(z) at one end and K' > M(z) at the other",
    family_cases(wild=False),
)
def peak(case: FamilyCase, balls: Balls) -> bool | None:
    """Two signs per token."""
    keys = _keys(case)
    p, M = _p(case, balls), _M(case, balls)
    spread = max(keys) - min(keys)
    answers: list[bool | None] = []
    for z, alpha in enumerate(case.family.peaks().tolist()):
        if not min(keys) < keys[z] < max(keys):
            continue
        width = max(abs(Fraction(alpha)), 1 / spread) / 10**9
        for side in (-1, 1):
            at = balls.exact(Fraction(alpha) + side * width)
            answers.append(_is(balls.sign(_excess(p, M, M[z], at, balls)), side))
    return _all(answers)


@certificate(
    "peak-sign",
    "for every token, the sign of M(z) - E_p[M] and the sign of the peak the engine returns agree",
    concept_cases("none", wild=False),
)
def peak_sign(case: ConceptCase, balls: Balls) -> bool | None:
    """K'(0) against M(z)."""
    p, M, keys = _p(case, balls), _M(case, balls), _keys(case)
    if len(set(keys)) == 1:
        return True
    answers: list[bool | None] = []
    for z, alpha in enumerate(case.family.peaks().tolist()):
        sign = balls.sign(_excess(p, M, M[z], balls.exact(0), balls))
        answers.append(None if sign is None else (alpha > 0) == (sign < 0))
    return _all(answers)


@certificate(
    "sign-separation",
    "M(z) > 0 for every token of T and M(z) <= 0 for every other, under Assumption 1 or App. B.1",
    st.one_of(concept_cases("1"), concept_cases("B.1")),
)
def sign_separation(case: ConceptCase, balls: Balls) -> bool | None:
    """Logarithms of exact ratios; a ratio of exactly 1 is M = 0."""
    answers: list[bool | None] = []
    for ratio, M, concept in zip(
        case.ratios, _M(case, balls), case.dataset.token_concept, strict=True
    ):
        inside = concept == case.target
        answers.append(not inside if ratio == 1 else _is(balls.sign(M), 1 if inside else -1))
    return _all(answers)


@certificate(
    "concept-monotone",
    "F_T has no stationary point on the whole line: F_T' is a sum of terms of one sign",
    st.one_of(concept_cases("1"), concept_cases("B.1")),
)
def concept_monotone(case: ConceptCase, balls: Balls) -> bool | None:
    """Counted like `concept-shape`."""
    count = count_extrema(levels_of(case), balls)
    return None if count is None else count == 0


@certificate(
    "concept-shape",
    "the number of interior extrema of F_C on the whole line, counted exactly, is at most the "
    "number of turns of rho, has its parity, and is at most 2|C| - 1",
    st.one_of(family_cases(wild=False), shape_cases()),
    weight=0.3,
)
def concept_shape(case: FamilyCase | ConceptCase, balls: Balls) -> bool | None:
    """Extrema isolated by interval halving, turns by exact fractions; every concept but T."""
    concepts = (
        [case.tokens]
        if isinstance(case, FamilyCase)
        else [case.dataset.tokens(c) for c in range(case.dataset.concepts)]
    )
    answers: list[bool | None] = []
    for tokens in concepts:
        count = count_extrema(levels_of(case, tokens), balls)
        turns = exact.turns(exact.concept_levels(case.row, _keys(case), tokens))
        answers.append(
            None
            if count is None
            else count <= turns and (turns - count) % 2 == 0 and count <= 2 * len(tokens) - 1
        )
    return _all(answers)


def _increase(case: FamilyCase, alpha: Ball, balls: Balls) -> Ball:
    """K(alpha) - alpha K'(0) = log sum p e^{alpha (M - E[M])}."""
    p, M = _p(case, balls), _M(case, balls)
    centre = balls.total([a * b for a, b in zip(p, M, strict=True)])
    return balls.log(
        balls.total([a * balls.exp(alpha * (b - centre)) for a, b in zip(p, M, strict=True)])
    )


def _moves(case: FamilyCase) -> bool:
    return len(set(_keys(case))) > 1 and case.alpha != 0


@certificate(
    "ce-exact",
    "Delta CE(alpha) > 0 at the alpha of the instance, if it is not 0 and M is not constant",
    family_cases(),
)
def ce_exact(case: FamilyCase, balls: Balls) -> bool | None:
    """A logarithm whose argument exceeds 1."""
    if not _moves(case):
        return True
    return _is(balls.sign(_increase(case, balls.exact(case.alpha), balls)), 1)


@certificate(
    "ce-radius",
    "2(e^-x - 1 + x)/x^2 < Delta CE/quadratic < 2(e^x - 1 - x)/x^2, x = |alpha| (max M - min M), "
    "and Delta CE < alpha^2 (max M - min M)^2/8, at the alpha of the instance",
    family_cases(),
)
def ce_radius(case: FamilyCase, balls: Balls) -> bool | None:
    """Multiplied out: 2 Delta CE x^2 against alpha^2 Var times the bracketed exponentials."""
    if not _moves(case):
        return True
    keys = _keys(case)
    p, M, alpha = _p(case, balls), _M(case, balls), balls.exact(case.alpha)
    centre = balls.total([a * b for a, b in zip(p, M, strict=True)])
    variance = balls.total([a * (b - centre) * (b - centre) for a, b in zip(p, M, strict=True)])
    increase = _increase(case, alpha, balls)
    x = balls.exact(abs(Fraction(case.alpha)) * (max(keys) - min(keys)))
    quadratic = alpha * alpha * variance
    one = balls.exact(1)
    return _all(
        [
            _is(balls.sign(increase * x * x - quadratic * (balls.exp(-x) - one + x)), 1),
            _is(balls.sign(quadratic * (balls.exp(x) - one - x) - increase * x * x), 1),
            _is(balls.sign(x * x - 8 * increase), 1),
        ]
    )


@certificate(
    "ce-asymptote",
    "|alpha| sigma + log p(top) < Delta CE(alpha) < |alpha| sigma for one context, at the alpha of "
    "the instance",
    family_cases(wild=False),
)
def ce_asymptote(case: FamilyCase, balls: Balls) -> bool | None:
    """K - alpha max M lies between log p(top) and 0: what p(top) gains, and what is lacking to 1.

    Written as sums of positive terms, so that e^-5000000 is still seen to be positive.
    """
    if not _moves(case):
        return True
    keys = _keys(case)
    top = max(keys) if case.alpha > 0 else min(keys)
    alpha = balls.exact(case.alpha)
    others = [
        (balls.exact(p), balls.exp(alpha * balls.exact(key - top)))
        for p, key in zip(case.row, keys, strict=True)
        if key != top
    ]
    added = balls.total([p * weight for p, weight in others])
    lacking = balls.total([p * (1 - weight) for p, weight in others])
    return _all([_is(balls.sign(added), 1), _is(balls.sign(lacking), 1)])


@certificate(
    "norm-limit",
    "LN(h + alpha v) is within 2 sqrt(d) |P h| max gain/(|alpha| |P v|) of its limit "
    "at eps = 0, at the alpha of the instance",
    norm_cases(),
)
def norm_limit(case: NormCase, balls: Balls) -> bool | None:
    """Squared distances; instances with eps > 0 are taken at eps = 0."""
    if not case.alpha:
        return True
    d = len(case.h)
    h, v = ([balls.exact(x) for x in vector] for vector in _centred(case))
    alpha = balls.exact(case.alpha)

    def square(x: list[Ball]) -> Ball:
        return balls.total([a * a for a in x])

    steered = [a + alpha * b for a, b in zip(h, v, strict=True)]
    if balls.sign(square(steered)) != 1:
        return True if not any(_steered(case)) else None
    here, there = (balls.sqrt(square(x) / d) for x in (steered, v))
    sign = 1 if case.alpha > 0 else -1
    gain = [balls.exact(g) for g in case.gain]
    distance = square(
        [g * (a / here - sign * b / there) for g, a, b in zip(gain, steered, v, strict=True)]
    )
    largest = balls.exact(max(case.gain))
    bound = 4 * d * square(h) * largest * largest / (alpha * alpha * square(v))
    # Both sides vanish together where P h = 0: then there is nothing to decide.
    return True if not any(_centred(case)[0]) else _is(balls.sign(bound - distance), 1)


def _centred(case: NormCase) -> tuple[list[Fraction], list[Fraction]]:
    """P h and P v, exactly."""
    result = []
    for vector in (case.h, case.v):
        x = [Fraction(a) for a in vector]
        centre = sum(x, start=Fraction(0)) / len(x) if case.kind == "layer" else Fraction(0)
        result.append([a - centre for a in x])
    return result[0], result[1]


def _steered(case: NormCase) -> list[Fraction]:
    h, v = _centred(case)
    return [a + Fraction(case.alpha) * b for a, b in zip(h, v, strict=True)]


CERTIFICATES: tuple[Certificate, ...] = (
    sign_separation,
    slope,
    mean_slope,
    peak,
    peak_sign,
    concept_monotone,
    concept_shape,
    ce_exact,
    ce_radius,
    ce_asymptote,
    norm_limit,
)


def certificate_checks() -> dict[str, Check]:
    """id -> the certificate as a check."""
    return {each.id: each.as_check() for each in CERTIFICATES}
