"""Instances that were once refuted although the statement is true, and why they no longer are.

Each was found by some seed and shrunk. The fault lay with the oracle's digits, with a tolerance of
the wrong order, or with the engine; the statements were right all along.
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import strategies as st

from steering_strength.proofs_check import reproduce
from steering_strength.proofs_check.check import check
from steering_strength.proofs_check.comparison import AGREED, Comparison
from steering_strength.proofs_check.instances import ConceptCase, ExactDataset, FamilyCase
from steering_strength.proofs_check.oracles import precise
from steering_strength.proofs_check.registry import CHECKS

RARE = Fraction(1, 10**200)

# Rounding hides the rare token, or the whole of M, behind the digits of what is large.
DIGITS = [("advise-budget", FamilyCase((Fraction(1), RARE), (2.0**-40, 1.0), (0,), alpha=-1.0))]

OTHERS = [
    # Its cumulants cancel beyond 120 digits unless M is counted from that of the likeliest token.
    (
        "ce-cumulants",
        FamilyCase((Fraction(1), RARE), (-0.6931471805599453, 459.8238714182492), (0,)),
    ),
    # A difference quotient of the law lost digits where the whole of M is small.
    ("ce-radius", FamilyCase((Fraction(1), Fraction(1)), (0.0, 2.0**-40), (0,))),
    # 1 - F is 0 to the last digit: the law divides by it.
    (
        "concept-ode",
        FamilyCase((Fraction(6), Fraction(5)), (2.4849066497880004, -0.7419373447), (0,), 100.0),
    ),
    ("concept-ode", FamilyCase((RARE, Fraction(1), Fraction(1)), (0.0, 0.0, 0.0), (1, 2))),
    # Var = 0 exactly, and a difference quotient that is compared with it.
    ("mean-slope", FamilyCase((Fraction(1), Fraction(1), Fraction(1)), (-4.0, -4.0, -4.0), (0,))),
    # At alpha = -87 the height and the divergence part in first order of the peak's own error.
    (
        "peak",
        FamilyCase(
            (
                Fraction(1),
                Fraction(1),
                Fraction(1),
                Fraction(1, 10),
                Fraction(1, 10),
                Fraction(1, 10**60),
                RARE,
            ),
            (
                -0.7827593392496325,
                -0.7827593392496325,
                -0.7827593392496325,
                1.519825753744413,
                1.519825753744413,
                137.3723462403931,
                459.7342592595595,
            ),
            (0,),
        ),
    ),
    # The last turn comes at alpha = 1e12, where F is within e^-1e12 of its limit.
    (
        "concept-shape",
        FamilyCase((Fraction(1),) * 6, (1.0, 6.0, 6.0, 6.0, 0.0, 1.0 + 2.0**-40), (0, 1)),
    ),
    # At alpha = 0 the oracle's p / sum p differs from p in the last of its own digits.
    (
        "tilting",
        ConceptCase(
            dataset=ExactDataset(
                rows=(
                    (Fraction(11, 15), Fraction(2, 15), *(Fraction(2, 45),) * 3),
                    (Fraction(2, 15), Fraction(11, 15), *(Fraction(2, 45),) * 3),
                ),
                token_concept=(0, 1, 2, 2, 2),
                context_concept=(0, 1),
                context_weights=(Fraction(1, 2), Fraction(1, 2)),
            ),
            target=0,
            positive=(0,),
            negative=(1,),
            context=0,
            alpha=0.0,
        ),
    ),
    (
        "concept-tanh",
        FamilyCase(
            (*(Fraction(19999, 60000),) * 3, Fraction(1, 20000)),
            (*(9.903437551286085,) * 3, -9.903437551286085),
            (0, 1, 2),
            alpha=0.0,
        ),
    ),
    # The engine's sums shared by both contexts lost ten bits to their distance from the grand mean.
    (
        "ce-exact",
        ConceptCase(
            dataset=ExactDataset(
                rows=(
                    (Fraction(3999, 4000), Fraction(1, 4000)),
                    (Fraction(1, 4000), Fraction(3999, 4000)),
                ),
                token_concept=(0, 1),
                context_concept=(0, 1),
                context_weights=(Fraction(1, 2), Fraction(1, 2)),
            ),
            target=0,
            positive=(0,),
            negative=(1,),
            context=0,
            alpha=0.125,
        ),
    ),
    # The engine lost EPS |alpha M| in KL(p_alpha || p).
    (
        "ce-exact",
        ConceptCase(
            dataset=ExactDataset(
                rows=(
                    (Fraction(13, 40), Fraction(13, 40), Fraction(13, 40), Fraction(1, 40)),
                    (Fraction(1, 120), Fraction(1, 120), Fraction(1, 120), Fraction(39, 40)),
                    (Fraction(1, 120), Fraction(1, 120), Fraction(1, 120), Fraction(39, 40)),
                ),
                token_concept=(0, 0, 0, 1),
                context_concept=(0, 1, 1),
                context_weights=(Fraction(1, 3), Fraction(1, 3), Fraction(1, 3)),
            ),
            target=0,
            positive=(0,),
            negative=(1,),
            context=1,
            alpha=-600.0,
        ),
    ),
]


@pytest.mark.parametrize(("name", "case"), DIGITS + OTHERS, ids=lambda value: str(value)[:20])
def test_the_statement_holds_on_it(name: str, case: FamilyCase | ConceptCase) -> None:
    comparison = reproduce(name, case)
    assert comparison.agrees, comparison.what


@pytest.mark.parametrize(("name", "case"), DIGITS, ids=lambda value: str(value)[:20])
def test_120_digits_are_too_few_for_it(
    name: str, case: FamilyCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert case.digits > precise.DIGITS
    monkeypatch.setattr(precise, "enough_digits", lambda *_: precise.DIGITS)
    again = FamilyCase(case.weights, case.log_odds, case.tokens, case.alpha, case.gauge)
    assert again.digits == precise.DIGITS
    try:
        agrees = CHECKS[name](again).agrees
    except ZeroDivisionError:
        agrees = False
    assert not agrees


def test_digits_are_lent_for_one_instance_only() -> None:
    seen = []

    @check("spy", st.nothing())
    def spy(case: FamilyCase) -> Comparison:
        """Looks at the precision and at nothing else."""
        seen.append(precise.CTX.dps)
        return AGREED

    for _, case in DIGITS:
        assert spy(case).agrees
        assert precise.CTX.dps == precise.DIGITS
    assert seen == [case.digits for _, case in DIGITS]
