"""Inverse questions: an answer is a sign change, "never" is true, no crossing is missed."""

from __future__ import annotations

import numpy as np
import pytest

from steering_strength.theory import TiltedFamily

SIGNS = (1, -1)


def random_family(seed, size=20):
    rng = np.random.default_rng(seed)
    return TiltedFamily.from_logits(3.0 * rng.normal(size=size), rng.normal(size=size))


def probability(family, tokens, alpha):
    return 1.0 / (1.0 + np.exp(-family.concept_log_odds(tokens, alpha)))


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("budget", [1e-300, 1e-20, 0.1, 50.0, 1e6])
def test_the_answer_keeps_to_the_budget_and_the_next_float_does_not(budget, sign):
    family = random_family(0)
    with np.errstate(all="raise"):
        root = family.cross_entropy_root(budget, sign)
    inner, outer = sorted((root.lower, root.upper), key=abs)
    assert root.alpha == inner
    assert np.nextafter(inner, outer) == outer
    assert family.cross_entropy_increase(inner) < budget <= family.cross_entropy_increase(outer)


@pytest.mark.parametrize("sign", SIGNS)
def test_reverse_kl_never_reaches_its_supremum(sign):
    family = random_family(4)
    supremum = -family.log_p[np.argmax(sign * family.log_odds)]
    for budget in (supremum, 2.0 * supremum, np.inf):
        root = family.reverse_kl_root(budget, sign)
        assert not root.reached
        assert "stays below" in root.reason or "supremum" in root.reason
        assert root.alpha == family.alpha_for_reverse_kl(budget, sign) == sign * np.inf


@pytest.mark.parametrize("sign", SIGNS)
def test_budget_zero_and_constant_m(sign):
    family = random_family(0)
    assert family.alpha_for_cross_entropy(0, sign) == family.alpha_for_reverse_kl(0, sign) == 0.0
    constant = TiltedFamily(np.log([0.5, 0.5]), [2.0, 2.0])
    for root in (constant.cross_entropy_root(0.1, sign), constant.reverse_kl_root(0.1, sign)):
        assert root.alpha == sign * np.inf
        assert "constant" in root.reason
    assert constant.alpha_for_limit(1e-9, sign) == 0.0
    assert constant.concept_root([0], 0.4, sign).alpha == 0.0
    assert "constant" in constant.concept_root([0], 0.6, sign).reason


def test_a_budget_out_of_reach_of_float64_is_said_to_be_so():
    family = TiltedFamily(np.log([0.5, 0.5]), [0.0, 1e-12])
    root = family.cross_entropy_root(1e299, 1)
    assert root.alpha == np.inf
    assert "1e+300" in root.reason


def test_an_already_reached_level_needs_no_steering():
    family = random_family(1)
    tokens = np.arange(10)
    start = float(probability(family, tokens, 0.0))
    assert family.alpha_for_concept(tokens, 0.5 * start) == 0.0
    assert family.alpha_for_concept(range(20), 0.999) == 0.0


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("seed", range(8))
def test_no_earlier_crossing_is_missed(seed, sign):
    # Concepts of three tokens anywhere: they rise, fall, bump twice. A grid finds what it can.
    family = random_family(seed)
    tokens = np.random.default_rng(seed).choice(20, 3, replace=False)
    grid = sign * np.linspace(0.0, 60.0, 6001)
    with np.errstate(under="ignore", over="ignore"):
        values = probability(family, tokens, grid)
    for level in np.quantile(values, [0.2, 0.5, 0.8, 0.99]) + 1e-9:
        crossing = np.flatnonzero(values >= level)
        root = family.concept_root(tokens, level, sign)
        if crossing.size:
            first = int(crossing[0])
            assert root.reached
            assert abs(root.alpha) <= abs(grid[first])
            assert first == 0 or abs(root.alpha) > abs(grid[first - 1])
        else:
            assert not root.reached or abs(root.alpha) > 60.0


def test_a_limit_shared_among_tied_concepts():
    # Both concepts hold a token at max M: F tends to 0.25 and never exceeds it.
    family = TiltedFamily(np.log([0.5, 0.125, 0.375]), [0.0, 1.0, 1.0])
    assert family.concept_root([1], 0.2499).reached
    assert not family.concept_root([1], 0.2501).reached


def test_a_concept_without_support():
    family = TiltedFamily([np.log(0.5), np.log(0.5), -np.inf], [0.0, 1.0, 2.0])
    assert "no token" in family.concept_root([2], 0.1).reason
