"""Every machine-decided step holds on random rational instances, computed without the kernel."""

from __future__ import annotations

import pytest
from sympy import Rational

from steering_strength.theory.laws import CLAIMS, LAWS, Identity, Inequality, Limit
from steering_strength.theory.laws.kernel import Let
from steering_strength.theory.laws.notation import unfold
from tests.law_instances import instance

# 40 digits are carried and sums have at most 25 terms of order 1e6; 1e-25 leaves ten to spare.
TOLERANCE = Rational(1, 10**25)

STEPS = [
    pytest.param(step, id=f"{law.id}-{number}")
    for law in (*LAWS.values(), *CLAIMS.values())
    for number, step in enumerate(law.steps, start=1)
]
SEEDS = (1, 2)


def _difference(step, seed):
    given = tuple(g.map(unfold) for g in step.given)
    draw = instance(given, seed)
    lets = [g for g in given if isinstance(g, Let)]
    left, right = (draw.written_out(side, lets) for side in (step.lhs, step.rhs))
    return draw, left, right


@pytest.mark.parametrize("step", [s for s in STEPS if isinstance(s.values[0], Identity)])
def test_identities_hold_on_instances(step):
    for seed in SEEDS:
        draw, left, right = _difference(step, seed)
        scale = 1 + abs(draw.value(left))
        assert abs(draw.value(left) - draw.value(right)) <= TOLERANCE * scale


@pytest.mark.parametrize("step", [s for s in STEPS if isinstance(s.values[0], Inequality)])
def test_inequalities_hold_on_instances(step):
    for seed in SEEDS:
        draw, left, right = _difference(step, seed)
        gap = draw.value(left - right)
        holds = {
            ">": gap > 0,
            ">=": gap >= -TOLERANCE,
            "<": gap < 0,
            "<=": gap <= TOLERANCE,
            "!=": gap != 0,
        }
        assert holds[step.relation], f"{step.text()}: {gap}"


@pytest.mark.parametrize("step", [s for s in STEPS if isinstance(s.values[0], Limit)])
def test_limits_are_approached_on_instances(step):
    """At strength 1e4 a finite limit is met to 1e-2, and an infinite one is left behind."""
    for seed in SEEDS:
        draw, left, _ = _difference(step, seed)
        far = 10**4 if step.end > 0 else -(10**4)
        draw.values[step.variable] = Rational(far)
        value = draw.value(left)
        if step.rhs.is_infinite:
            assert value * (1 if step.rhs > 0 else -1) > 100
        else:
            right = draw.value(draw.written_out(step.rhs, []))
            # norms approach like 1/strength, the rest exponentially
            assert abs(value - right) <= Rational(1, 100) * (1 + abs(right))
