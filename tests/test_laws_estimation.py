"""Motion along a level: what the claim means on numbers, and which premises its rules refuse."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from sympy import Derivative, Integer, KroneckerDelta, Sum, Symbol

from steering_strength.theory.laws import LAWS, Along, Identity, Inequality, LawError, Sign, Status
from steering_strength.theory.laws.instances import Instance
from steering_strength.theory.laws.kernel import decide_equal
from steering_strength.theory.laws.rules import along_level, at_rate, chord

x = Symbol("x", positive=True)
t = Symbol("t", real=True)
f = x**2 * (1 + t)
BY_T = Identity(Derivative(f, t), x**2)
BY_X = Identity(Derivative(f, x), 2 * x * (1 + t))
RISES = Inequality(2 * x * (1 + t), 0, given=(Sign(1 + t, strict=True),))
HERE = Instance({"x": Fraction(2), "t": Fraction(1, 3)})


def test_a_strength_follows_the_level_and_so_does_its_reciprocal():
    motion = along_level(BY_T, BY_X, RISES)
    assert motion.decide() == Status.WITH_RULES
    assert motion.holds(HERE) is True
    assert replace(motion, slope=motion.slope * 2).holds(HERE) is False
    rate = Derivative(1 / x, t) + Derivative(1 / x, x) * motion.slope
    inverse = at_rate(motion, Identity(rate, 1 / (2 * x * (1 + t))))
    assert inverse.quantity == 1 / x
    assert inverse.holds(HERE) is True
    bend = Derivative(inverse.slope, t) + Derivative(inverse.slope, x) * motion.slope
    second = at_rate(inverse, Identity(bend, -1 / (4 * x * (1 + t) ** 2)))
    assert second.holds(HERE) is True


def test_a_level_that_is_only_touched_tells_nothing():
    top = Along(-((x - 2) ** 2) + t, x, t, x, Integer(0))
    assert top.holds(Instance({"x": Fraction(2), "t": Fraction(0)})) is None


@pytest.mark.parametrize(
    "premises",
    [
        (BY_T, BY_T, RISES),
        (BY_T, Identity(Derivative(x + t, x), 1), Inequality(Integer(1), 0)),
        (BY_T, BY_X, Inequality(2 * x * (1 + t), 0, relation=">=")),
        (BY_T, BY_X, Inequality(x, 0)),
        (Inequality(Derivative(f, t), 0), BY_X, RISES),
    ],
)
def test_two_slopes_of_one_function_and_a_crossing_are_needed(premises):
    with pytest.raises(LawError, match="implicit function"):
        along_level(*premises)


def test_the_chain_rule_wants_the_rate_that_was_found():
    motion = along_level(BY_T, BY_X, RISES)
    for rate in (
        Derivative(1 / x, t) + Derivative(1 / x, x),
        Derivative(1 / x, t) - Derivative(1 / x, x) * motion.slope,
    ):
        with pytest.raises(LawError, match="chain rule"):
            at_rate(motion, Identity(rate, Integer(0)))
    inverse = at_rate(
        motion, Identity(Derivative(1 / x, t) + Derivative(1 / x, x) * motion.slope, 1 / x)
    )
    other = Derivative(x, t) + Derivative(x, x) * motion.slope
    with pytest.raises(LawError, match="rate found before"):
        at_rate(inverse, Identity(other, motion.slope))


def test_a_chord_stays_between_its_ends():
    *_, convex, first, last, after, before, kept, _, _ = LAWS["text-bias"].steps
    assert chord(convex, first, last, after, before) == replace(kept, reason="")
    for wrong in (
        (convex, last, first, after, before),
        (convex, first, last, before, after),
        (convex, first, replace(last, rhs=last.rhs + 1), after, before),
        (first, first, last, after, before),
    ):
        with pytest.raises(LawError, match="chords"):
            chord(*wrong)


i, k = Symbol("i", integer=True), Symbol("k", integer=True)
n = Symbol("n", integer=True, positive=True)


def pairs(low, high):
    return Sum(KroneckerDelta(i, k), (k, low, high), (i, 0, n - 1))


@pytest.mark.parametrize(
    ("total", "value", "equal"),
    [
        (pairs(0, n - 1), n, True),
        (pairs(0, n), n, True),
        (pairs(0, i), n, True),
        (pairs(0, i - 1), Integer(0), True),
        (pairs(0, n - 2), n, False),
        (pairs(1, n - 1), n, False),
        (pairs(0, n - 1), n**2, False),
    ],
)
def test_a_sum_inside_picks_the_term_where_the_sum_outside_is(total, value, equal):
    assert decide_equal(total, value) is equal
