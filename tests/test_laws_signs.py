"""The rules on changes of sign: what they conclude, and every premise they refuse."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from sympy import Integer, Rational, Symbol

from steering_strength.theory.laws import LAWS, Instance, LawError, Limit, Status
from steering_strength.theory.laws.concept_shape import (
    COUNT,
    END,
    END_BELOW,
    SLOPES,
    TURNS,
    C_in,
    delta,
    e,
    g,
    held,
    k,
    l,
    level,
    n,
    rho,
)
from steering_strength.theory.laws.kernel import Fact, Let, Sign, Split
from steering_strength.theory.laws.sign_rules import (
    extrema,
    few_extrema,
    level_by_level,
    rolle,
    same_signs,
)
from steering_strength.theory.laws.symbols import alpha

(TURNED,) = SLOPES.premises
SLOPE, RATE, PULLED = TURNED.premises
PULL_SLOPE, WEIGHT, PULL_END = PULLED.premises
BY_LEVEL = COUNT.premises[1]


def mean_curve(shares, weights=(1, 1, 1)):
    """Three levels -2, 0, 1 with these shares, as the law names them."""
    return Instance({"n": 3, "alpha": 0}, {"m": [-2, 0, 1], "g": list(weights), "rho": shares})


def test_the_rules_make_the_claims_of_the_law():
    assert rolle(*PULLED.premises) == replace(PULLED, reason="")
    assert same_signs(*TURNED.premises) == replace(TURNED, reason="")
    assert level_by_level(TURNED) == replace(SLOPES, reason="")
    assert extrema(*TURNS.premises) == replace(TURNS, reason="")
    assert few_extrema(*COUNT.premises, held()) == replace(COUNT, reason="")
    assert TURNS.decide() == COUNT.decide() == Status.WITH_RULES


def test_rising_levels_are_all_that_is_left_of_how_premises_write_them_down():
    assert len(TURNS.given) == 1
    assert set(TURNS.given) == set(SLOPES.given)


@pytest.mark.parametrize(
    ("shares", "turns"),
    [([0, Fraction(1, 2), 0], 1), ([0, Fraction(1, 2), 1], 0), ([1, 0, 1], 1), ([1, 1, 1], 0)],
)
def test_extrema_are_counted_on_an_instance(shares, turns):
    there = mean_curve(shares)
    assert TURNS.holds(there) is True
    assert SLOPES.holds(there) is True
    wrong = replace(TURNS, term=rho[l] * 0 + l)  # a sequence without a turn
    assert wrong.holds(there) is (False if turns else None if shares[0] == 1 else True)


def with_given(claim, *extra, without=()):
    kept = tuple(h for h in claim.given if h not in without)
    return replace(claim, given=(*kept, *extra))


ALL_EQUAL = Let(level[l], level[0] + delta, l, Integer(2), n - 1)
UPPER_LEVELS = next(h for h in TURNED.given if isinstance(h, Let) and h.lower == 2)


@pytest.mark.parametrize(
    "extra",
    [
        Sign(n - 5),
        Sign(n - 2, strict=True),
        Split(Integer(0), Integer(7), n - 1),
        Sign(g[0] - g[1]),
        Sign(level[l + 1] - level[l] - 1, for_all=(l,)),
        Let(level[l], level[0] + 1, l, Integer(1), Integer(1)),
        Let(rho[l], rho[0], l, Integer(1), n - 1),
        Let(level[l], level[0] + g[l], l, Integer(1), n - 1),
    ],
)
def test_induction_allows_no_hypothesis_but_rising_levels(extra):
    with pytest.raises(LawError, match="assumed"):
        level_by_level(with_given(TURNED, extra))


def test_levels_that_are_all_equal_do_not_rise():
    with pytest.raises(LawError, match="assumed"):
        level_by_level(with_given(TURNED, ALL_EQUAL, without=(UPPER_LEVELS,)))
    nearer = replace(UPPER_LEVELS, value=level[0] + e[l])
    assert level_by_level(with_given(TURNED, nearer, without=(UPPER_LEVELS,)))  # says less
    single = next(h for h in TURNED.given if isinstance(h, Let) and h.lower == 1)
    beyond = replace(single, lower=n - 1, upper=n - 1)  # then e_l > 0 says they lie above the top
    with pytest.raises(LawError, match="assumed"):
        level_by_level(with_given(TURNED, beyond, without=(single,)))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: replace(TURNED, first=-TURNED.first),
        lambda: replace(TURNED, first=TURNED.first * rho[2]),
        lambda: replace(TURNED, then=TURNED.f),
        lambda: SLOPE,
    ],
)
def test_a_step_that_does_not_go_down_by_one_level_is_refused(wrong):
    with pytest.raises(LawError):
        level_by_level(wrong())


@pytest.mark.parametrize(
    "premises",
    [
        (SLOPE, WEIGHT, PULL_END),
        (PULL_SLOPE, replace(WEIGHT, relation=">="), PULL_END),
        (PULL_SLOPE, WEIGHT, replace(PULL_END, end=-PULL_END.end)),
        (PULL_SLOPE, WEIGHT, END),
        (PULL_SLOPE, WEIGHT, PULL_SLOPE),
        (PULL_SLOPE, WEIGHT, with_given(PULL_END, Sign(alpha), Fact(held().definition(), alpha))),
    ],
)
def test_rolle_refuses_other_premises(premises):
    with pytest.raises(LawError):
        rolle(*premises)


@pytest.mark.parametrize(
    "premises",
    [
        (SLOPE, WEIGHT, PULLED),
        (PULL_SLOPE, WEIGHT, PULLED),
        (SLOPE, replace(RATE, relation="!="), PULLED),
        (SLOPE, RATE, TURNED),
    ],
)
def test_a_factor_must_be_positive_and_the_one(premises):
    with pytest.raises(LawError):
        same_signs(*premises)


EQUAL_TO_LAST = next(h for h in END.given if isinstance(h, Let) and h.value == rho[n - 1])


@pytest.mark.parametrize(
    "premises",
    [
        (SLOPES, END_BELOW, END),
        (SLOPES, END, END),
        (SLOPES, replace(END, rhs=-END.rhs), END_BELOW),
        (SLOPES, replace(END, rhs=END.rhs * 0), END_BELOW),
        (SLOPES, with_given(END, without=(EQUAL_TO_LAST,)), END_BELOW),
        (
            SLOPES,
            with_given(END, replace(EQUAL_TO_LAST, upper=n - 3), without=(EQUAL_TO_LAST,)),
            END_BELOW,
        ),
        (SLOPES, with_given(END, Sign(n - 9 - k)), END_BELOW),
        (SLOPES, with_given(END, Sign(rho[k] - rho[n - 1])), END_BELOW),
        (replace(SLOPES, term=-2 * SLOPES.term), END, END_BELOW),
        (TURNED, END, END_BELOW),
    ],
)
def test_parity_refuses_other_premises(premises):
    with pytest.raises(LawError):
        extrema(*premises)


def test_a_rate_of_the_wrong_sign_is_no_approach():
    backwards = Limit(END.lhs.xreplace({delta: -delta}), END.rhs, variable=alpha, given=END.given)
    with pytest.raises(LawError):
        extrema(SLOPES, backwards, END_BELOW)


def test_counting_needs_to_know_what_the_shares_are_made_of():
    loose = with_given(BY_LEVEL, without=tuple(h for h in BY_LEVEL.given if isinstance(h, Fact)))
    with pytest.raises(LawError, match="made of"):
        few_extrema(TURNS, loose, held())
    with pytest.raises(LawError, match="is not"):
        few_extrema(TURNS, BY_LEVEL, Symbol("N", integer=True))
    with pytest.raises(LawError, match="negative"):
        few_extrema(replace(TURNS, term=-rho[l]), BY_LEVEL, held())


def test_the_bound_is_attained_by_one_token():
    there = Instance(
        {"n": 3, "alpha": 0},
        {
            "m": [-1, 0, 1],
            "g": [Rational(1, 3)] * 3,
            "rho": [0, 1, 0],
            "c": [0, 1, 0],
            "s": [1, 1, 1],
            "p": [[Rational(1, 3)]] * 3,
        },
    )
    assert COUNT.holds(there) is True
    assert replace(COUNT, most=C_in[0]).holds(there) is False  # no extremum at all


def test_the_law_says_both():
    assert {TURNS, COUNT} <= set(LAWS["concept-shape"].headline)
