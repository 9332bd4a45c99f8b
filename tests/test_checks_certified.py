"""Certificates: both arithmetics agree, wrong laws fail, ignorance is not a pass."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as with_seed

from steering_strength.proofs_check import certificate as seen
from steering_strength.proofs_check import run, runner
from steering_strength.proofs_check.balls import BALLS, Balls, decide, flint_balls, interval_balls
from steering_strength.proofs_check.check import Check
from steering_strength.proofs_check.comparison import Comparison
from steering_strength.proofs_check.extrema import count_extrema
from steering_strength.proofs_check.instances import ConceptCase, ExactDataset, FamilyCase
from steering_strength.proofs_check.law_values import value
from steering_strength.proofs_check.mutants.registry import MUTANTS
from steering_strength.proofs_check.registry import CERTIFICATES
from steering_strength.proofs_check.search import search
from steering_strength.proofs_check.strategies import family_cases
from steering_strength.theory.laws import LAWS
from steering_strength.theory.laws.evaluation import NoValueError

flint = pytest.importorskip("flint")
BOTH = [flint_balls(), interval_balls()]
NAMES = [balls.name for balls in BOTH]
EACH = CERTIFICATES


def decided(subject: Check, case: Any, balls: Balls | None = None) -> bool | None:
    assert subject.question is not None
    return decide(partial(subject.question, case), balls)


def fractions(*values: int) -> tuple[Fraction, ...]:
    return tuple(Fraction(x, sum(values)) for x in values)


def concept_case(rows: list[tuple[int, ...]], concept: tuple[int, ...], **rest: Any) -> ConceptCase:
    m = len(rows)
    return ConceptCase(
        dataset=ExactDataset(
            rows=tuple(fractions(*row) for row in rows),
            token_concept=concept,
            context_concept=rest.pop("contexts"),
            context_weights=(Fraction(1, m),) * m,
        ),
        target=0,
        **rest,
    )


# The paper's example in small, seen from the concept that neither P nor N is in.
SYMMETRIC = concept_case(
    [(4, 1, 1), (1, 4, 1), (1, 1, 4)],
    (0, 1, 2),
    contexts=(0, 1, 2),
    positive=(0,),
    negative=(1,),
    context=2,
)
TWO_BUMPS = concept_case(
    [(100, 9, 3, 8, 1)] * 2 + [(1, 36, 75, 8, 1), (1, 9, 3, 72, 36), (100, 9, 3, 8, 1)],
    (0, 1, 1, 2, 2),
    contexts=(0, 0, 1, 2, 0),
    positive=(0, 1),
    negative=(2, 3),
    context=4,
)


@pytest.mark.parametrize("subject", EACH.values(), ids=EACH)
def test_both_arithmetics_certify_the_same_instances(subject: Check) -> None:
    answers = []

    @with_seed(3)
    @settings(
        max_examples=10,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(subject.cases)
    def look(case: Any) -> None:
        answers.append([decided(subject, case, balls) for balls in BOTH])

    look()
    assert len(answers) == 10
    assert answers == [[True, True]] * 10


@pytest.mark.parametrize(
    ("certificate", "mutant"),
    [
        ("slope", "law:slope:untilted"),
        ("slope", "law:slope:sign"),
        ("slope", "TiltedFamily.slope:logistic-slope"),
        ("mean-slope", "law:mean-slope:untilted"),
        ("mean-slope", "TiltedFamily.mean:mirrored-mean"),
        ("mean-slope", "TiltedFamily.variance:difference-of-moments"),
        ("peak", "TiltedFamily.peaks:linearised"),
        ("peak", "TiltedFamily.peaks:finite-ends"),
        ("peak-sign", "TiltedFamily.peak_signs:against-flat-mean"),
        ("concept-monotone", "TiltedFamily.concept_falls:by-tops"),
        ("concept-shape", "TiltedFamily.extrema_bound:one-bump"),
        ("concept-shape", "TiltedFamily.extrema_bound:splitting-ties"),
        ("ce-exact", "law:ce-exact:even"),
        ("ce-exact", "TiltedFamily.cross_entropy_increase:cancelling"),
        ("ce-radius", "envelope:half-range"),
        ("ce-radius", "envelope:quadratic-is-bound"),
        ("ce-radius", "hoeffding:sixteenth"),
        ("ce-asymptote", "law:ce-asymptote:no-offset"),
        ("norm-limit", "NormedSteering.limit:unit-length"),
        ("norm-limit", "NormedSteering.bound:half-bound"),
    ],
)
def test_a_wrong_law_or_engine_fails(certificate: str, mutant: str) -> None:
    subject, wrong = EACH[certificate], MUTANTS[mutant]
    with wrong.in_place():
        found = search(subject, examples=100, seed=0, shrink=0)
    assert found.case is not None
    assert not found.crashed
    # What a case has computed it keeps: a fresh one for the shipped formulas.
    for balls in BOTH:
        with wrong.in_place():
            assert decided(subject, replace(found.case), balls) is False
        assert decided(subject, replace(found.case), balls) is True


def test_sign_separation_fails_where_its_assumption_does() -> None:
    # Any rows at all: the token of T is rarer after P than after N.
    case = concept_case(
        [(1, 2), (2, 1)], (0, 1), contexts=(0, 1), positive=(0,), negative=(1,), context=0
    )
    for balls in BOTH:
        assert decided(EACH["sign-separation"], case, balls) is False


def test_concept_monotone_fails_where_assumption_1_does() -> None:
    case = concept_case(
        [(1, 3, 2), (2, 1, 3)], (0, 1, 1), contexts=(0, 1), positive=(0,), negative=(1,), context=0
    )
    for balls in BOTH:
        assert decided(EACH["concept-monotone"], case, balls) is False


def test_a_token_exactly_at_its_peak_is_left_out_and_not_undecided() -> None:
    # By symmetry M(z) = E_p[M] = 0 for the token of the context's own concept.
    assert decided(EACH["peak-sign"], SYMMETRIC) is True
    flat = FamilyCase(fractions(1, 1, 1), (0.0, 1.0, 2.0), (0,), alpha=0.0)
    assert decided(EACH["slope"], flat) is True


def test_what_is_undecided_is_unknown_and_never_certified(monkeypatch: pytest.MonkeyPatch) -> None:
    with MUTANTS["law:ce-radius:slack"].in_place():  # certifies that 0 > 0
        found = search(EACH["ce-radius"], examples=2, seed=0)
    assert (found.undecided, found.case) == (2, None)

    def measure(case: Any) -> Comparison:
        return Comparison(0.0, "undecided", undecided=True)

    ignorant = Check("slope", "nobody knows", family_cases(), measure)
    known = {"certified": {"slope": ignorant}, "property": {}}
    monkeypatch.setattr(runner, "_BY_INSTANCES", known)
    verdict = next(v for v in run(["slope"], examples=3) if v.method == "certified")
    assert verdict.status == "unknown"
    assert "undecided on 3 of 3" in verdict.note


def test_a_certificate_says_what_it_certifies() -> None:
    for verdict in run(["ce-exact", "peak"], examples=2):
        if verdict.method == "certified":
            assert verdict.claim == EACH[verdict.id].claim
            assert verdict.status == "certified"
            assert verdict.max_error is None
    claims = [each.claim for each in EACH.values()]
    assert all(any(word in text for word in ("alpha", "line", "M(z)")) for text in claims)


# Ball arithmetic itself -----------------------------------------------------------------------


@pytest.mark.parametrize("balls", BOTH, ids=NAMES)
def test_signs_are_certain_or_absent(balls: Balls) -> None:
    third = balls.exact(Fraction(1, 3))
    assert balls.sign(third) == 1
    assert balls.sign(-third) == -1
    assert balls.sign(third - third) is None
    assert balls.sign(balls.hull(Fraction(-1), Fraction(2))) is None
    assert balls.sign(balls.hull(Fraction(1), Fraction(2))) == 1
    assert balls.sign(balls.exp(balls.exact(-(10**6)))) == 1  # far below the least double
    assert balls.sign(balls.total([])) is None


@pytest.mark.parametrize("balls", BOTH, ids=NAMES)
def test_precision_is_doubled_until_the_answer_is_certain_and_then_restored(balls: Balls) -> None:
    before = balls.precision()
    seen_bits: list[int] = []

    def question(arithmetic: Balls) -> bool | None:
        seen_bits.append(arithmetic.precision())
        x = arithmetic.exact(1) + arithmetic.exp(arithmetic.exact(-400)) - 1  # 577 bits below 1
        sign = arithmetic.sign(x)
        return None if sign is None else sign > 0

    assert decide(question, balls) is True
    assert seen_bits == [128, 256, 512, 1024]
    assert balls.precision() == before
    assert decide(lambda _: None, balls) is None
    assert balls.precision() == before


@pytest.mark.parametrize("balls", BOTH, ids=NAMES)
def test_a_law_is_enclosed_and_a_derivative_is_not(balls: Balls) -> None:
    balls.set_precision(128)
    M = [balls.exact(1), balls.exact(0)]
    values = {"V": 2, "alpha": balls.exact(1), "x": 0, "p": fractions(1, 1), "M": M}
    law = LAWS["slope"]
    found = value(law.rhs, values, balls)
    # p = e/(1 + e): the slope is p (1 - p) = 0.19661193324148185...
    for digits, sign in (("0.19661193324148184", 1), ("0.19661193324148186", -1)):
        assert balls.sign(found - balls.exact(Fraction(digits))) == sign
    with pytest.raises(NoValueError, match="no rule for Derivative"):
        value(law.lhs, values, balls)


@pytest.mark.parametrize("balls", BOTH, ids=NAMES)
def test_extrema_on_the_whole_line_are_counted(balls: Balls) -> None:
    def count(case: FamilyCase | ConceptCase, tokens: tuple[int, ...]) -> int | None:
        return decide(partial(count_extrema, case, tokens), balls)

    assert count(TWO_BUMPS, (1, 2)) == 3
    assert count(TWO_BUMPS, (0,)) == 0
    assert count(SYMMETRIC, (2,)) == 1
    # |C| = 3 with five extrema, and near-ties of 2^-40 that turn at alpha = 1e12 only.
    near = FamilyCase((Fraction(1),) * 6, (1.0, 6.0, 6.0, 6.0, 0.0, 1.0 + 2.0**-40), (0, 1))
    assert count(near, near.tokens) == 2
    constant = FamilyCase((Fraction(1),) * 2, (1.0, 1.0), (0,))
    assert count(constant, constant.tokens) == 0


def test_a_direction_is_seen_on_either_side_of_a_turn() -> None:
    balls = BALLS
    balls.set_precision(128)

    def parabola(x: Any) -> Any:
        return x * x

    assert seen.direction(parabola, Fraction(1e-6), Fraction(1), balls) == 1
    assert seen.direction(parabola, Fraction(-1e-6), Fraction(1), balls) == -1
    assert seen.direction(parabola, Fraction(0), Fraction(1), balls) is None


@pytest.mark.long
def test_without_flint_the_same_verdicts_come_from_mpmath() -> None:
    code = (
        "import sys; sys.modules['flint'] = None\n"
        "from proofs_check.balls import BALLS\n"
        "from proofs_check import run\n"
        "print(BALLS.name)\n"
        "print([(v.id, v.status) for v in run(['peak', 'ce-radius'], examples=6)"
        " if v.method == 'certified'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=Path(__file__).resolve().parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == [
        "mpmath iv",
        "[('peak', 'certified'), ('ce-radius', 'certified')]",
    ], done.stderr
