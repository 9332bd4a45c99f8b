"""Which alpha for one context: edges, and failures that say what is wrong."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from steering_strength.theory import TiltedFamily, advise
from steering_strength.theory.advice.context import budget_guarantee


def test_hoeffding_takes_over_where_the_budget_is_large():
    rare = TiltedFamily(np.log([1 - 1e-12, 1e-12]), [0.0, 1.0])
    found = budget_guarantee(rare, 8.0)
    assert found.within >= 8.0
    assert found.beyond > 1e6
    weightless = TiltedFamily([0.0, -800.0], [0.0, 1.0])
    assert budget_guarantee(weightless, 8.0).beyond == math.inf


def falling_back():
    """F_T rises and then dies out: T = {1} lies between the others in M."""
    return TiltedFamily(np.log([0.6, 0.3, 0.1]), [0.0, 1.0, 2.0]), [1]


def test_a_bump_gives_the_first_crossing_and_how_long_it_holds():
    family, target = falling_back()
    # With t = e^alpha, F_T = 0.3 t / (0.6 + 0.3 t + 0.1 t^2) = 0.35 at the roots of a quadratic.
    b = Fraction(3, 10) / Fraction(35, 100) - Fraction(3, 10)
    roots = np.roots([0.1, -float(b), 0.6])
    first, last = sorted(np.log(roots))
    advice = advise(family, target, level=0.35)
    assert advice.window.low.alpha == pytest.approx(first, rel=1e-12)
    assert advice.window.high.alpha == pytest.approx(last, rel=1e-9)
    assert advice.window.high.demand == "holds"
    assert "falls below 0.35 again" in advice.window.words
    for alpha, above in ((last * (1 - 1e-8), True), (last * (1 + 1e-8), False)):
        assert (family.concept_log_odds(target, alpha) > np.log(0.35 / 0.65)) == above
    assert not advice.guarantee
    assert any("not certain to grow" in caution for caution in advice.cautions)


def test_a_level_out_of_reach_is_said_with_its_supremum():
    family, target = falling_back()
    # The maximum is at t = sqrt(6): 0.3 / (2 sqrt(0.06) + 0.3).
    best = 0.3 / (2.0 * np.sqrt(0.06) + 0.3)
    advice = advise(family, target, level=0.5, cross_entropy=1.0)
    assert advice.window.status == "never"
    assert advice.highest.concept == pytest.approx(best, abs=1e-12)
    assert advice.highest.alpha == pytest.approx(0.5 * np.log(6.0), rel=1e-6)
    assert f"{best:.4g}" in advice.window.words
    assert "Cov(1_T, M)" in advice.window.words
    assert math.isinf(advice.window.low.alpha)


def test_the_supremum_in_the_limit():
    family = TiltedFamily(np.log([0.5, 0.2, 0.3]), [0.0, 1.0, 1.0])
    advice = advise(family, [1], level=0.4001)
    assert advice.highest.alpha == math.inf
    assert advice.highest.concept == pytest.approx(0.4, rel=1e-12)
    assert "0.4 in the limit" in advice.window.words


def test_an_empty_window_says_by_how_much():
    family, target = falling_back()
    advice = advise(family, target, level=0.37, cross_entropy=0.05)
    assert advice.window.status == "empty"
    low, high = advice.window.low.alpha, advice.window.high.alpha
    assert low > high > 0.0
    assert f"{float(family.cross_entropy_increase(low)):.4g} nats" in advice.window.words
    share = 1 / (1 + np.exp(-family.concept_log_odds(target, high)))
    assert f"F_T is {share:.4g}" in advice.window.words


def test_a_vector_that_moves_nothing():
    family = TiltedFamily(np.log([0.5, 0.5]), [3.0, 3.0])
    advice = advise(family, [0], cross_entropy=1.0)
    assert advice.window.status == "unmoved"
    assert "moves nothing" in advice.window.words
    assert advise(family, [0], level=0.9).window.status == "unmoved"


def test_a_vector_that_lowers_the_concept():
    family, _ = falling_back()
    advice = advise(family, [0], level=0.7)
    assert advice.slope == pytest.approx(0.6 * (0.0 - 0.5), rel=1e-14)
    assert advice.window.status == "never"
    assert advice.highest.alpha == 0.0
    assert any(f"Cov(1_T, M) = {advice.slope:.3g}" in caution for caution in advice.cautions)
    # Against the vector it rises, to 1.
    other = advise(family, [0], level=0.7, sign=-1)
    assert other.window.usable
    assert other.window.low.alpha < 0.0
    assert other.guarantee is None


def test_a_level_that_holds_from_the_start():
    family, target = falling_back()
    advice = advise(family, target, level=0.3)
    assert advice.window.low.alpha == 0.0
    assert "already" in advice.window.low.words
    # t^2 - 7 t + 6 = 0: F returns to 0.3 at t = 6.
    assert advice.window.high.alpha == pytest.approx(np.log(6.0), rel=1e-9)


def test_before_the_peak():
    family = TiltedFamily(np.log([0.4, 0.3, 0.2, 0.1]), [0.0, 1.0, 2.0, 3.0])
    advice = advise(family, [1, 2], before_peak="rising")
    peaks = family.peaks()
    # Token 1 has M = 1 = E[M]: its peak is alpha = 0 to rounding. Token 2 peaks later.
    assert advice.window.high.alpha == peaks[2]
    assert advice.falling in ((), (1,))
    low, high = advice.window.high.lower, advice.window.high.upper
    assert family.mean(low) < 2.0 < family.mean(high)
    steep = advise(TiltedFamily(np.log([0.1, 0.2, 0.7]), [0.0, 1.0, 2.0]), [1], before_peak="any")
    assert steep.window.status == "empty"
    assert steep.window.high.demand == "peak"
    ever = advise(family, [3], before_peak="any")
    assert ever.window.high.alpha == math.inf
    assert ever.window.usable


@pytest.mark.parametrize("sign", [1, -1])
def test_the_plateau_is_the_limit(sign):
    family, target = falling_back()
    advice = advise(family, target, cross_entropy=1.0, sign=sign, plateau=0.02)
    limit = np.exp(family.limit(sign))
    for factor, near in ((1 - 1e-9, False), (1 + 1e-9, True)):
        p = np.exp(family.log_probability(advice.plateau.alpha * factor))
        assert (0.5 * np.abs(p - limit).sum() <= 0.02) == near
    assert advice.limit.tokens == (((2 if sign > 0 else 0), 1.0),)
    assert advice.limit.concept == 0.0
    assert advice.limit.cross_entropy == math.inf


def test_a_reverse_budget_that_is_never_spent():
    family, target = falling_back()
    advice = advise(family, target, reverse_kl=5.0)
    assert advice.window.usable
    assert advice.window.high.alpha == math.inf
    end = next(end for end in advice.ends if end.demand == "reverse_kl")
    assert f"stays below {-np.log(0.1):.6g} nats" in end.words
    assert advice.high.concept == 0.0
    assert advice.high.reverse_kl == pytest.approx(-np.log(0.1))
    assert advice.high.cross_entropy == math.inf


def test_tokens_without_support_and_extreme_scales():
    log_p = np.concatenate((np.log([0.6, 0.3, 0.1]), [-np.inf]))
    family = TiltedFamily(log_p, [0.0, 1e-8, 2e-8, np.nan])
    reference = advise(falling_back()[0], [1], level=0.35, cross_entropy=1.0)
    with np.errstate(all="raise", under="ignore"):
        advice = advise(family, [1, 3], level=0.35, cross_entropy=1.0, before_peak="rising")
    assert advice.window.low.alpha * 1e-8 == pytest.approx(reference.window.low.alpha, rel=1e-9)
    ends = [{e.demand: e.alpha for e in a.ends} for a in (advice, reference)]
    assert ends[0]["cross_entropy"] * 1e-8 == pytest.approx(ends[1]["cross_entropy"], rel=1e-9)


def test_zero_budget_allows_only_zero():
    family, target = falling_back()
    advice = advise(family, target, cross_entropy=0.0)
    assert advice.window.status == "empty"
    assert advice.window.high.alpha == 0.0


def test_the_summary_holds_the_numbers():
    family, target = falling_back()
    advice = advise(family, target, level=0.35, cross_entropy=1.0, name="abc".__getitem__)
    text = advice.summary(norm=4.0, residual_norm=8.0, max_activation=2.0)
    assert text.startswith(advice.window.words)
    assert "nan" not in text
    assert f"sd(M) = {advice.sd:.4g} nats" in text
    assert "final norm" in text
    for convention in ("steering-vectors", "repeng", "steering-lite", "AxBench", "AISteer360"):
        assert convention in text
    assert "b 3" in text
    assert len(text.splitlines()) <= 30
    assert str(advice) == advice.summary()
    assert len(repr(advice)) < 200
    assert "&lt;" in advise(family, [1], level=0.35, name=lambda z: f"<{z}>")._repr_html_()


# Edges: numbers at the end of float64, M that differs by its rounding.


EDGES = [
    (np.log([0.3, 0.3, 0.4]), np.array([-1.9, 5.9, 1.8]) * 1e-320),
    (np.log([0.3, 0.3, 0.4]), np.array([-1.9, 5.9, 1.8]) * 1e-278),
    (np.log([0.3, 0.3, 0.4]), np.array([1.0, 1.0 + 2.3e-16, 1.0])),
    (np.log([0.3, 0.3, 0.4]), 1e9 + np.array([0.0, 1.2e-7, 0.0])),
    (np.log([1.0 - 1e-15, 1e-200, 1e-15]), np.array([0.0, 1.0, 2.0])),
    (np.log([1.0 - 1e-15, 1e-200, 1e-15]), np.array([0.0, 3.0, 2.0])),
    (np.array([0.0, -900.0, -800.0]), np.array([0.0, 1.0, 2.0])),
    (np.log([0.3, 0.3, 0.4]), np.array([-1.9, 5.9, 1.8]) * 1e149),
]
DEMANDS = [
    {"level": 0.5},
    {"level": 1e-12, "reverse_kl": 1e-160},
    {"cross_entropy": 1e-160},
    {"cross_entropy": 1e3, "reverse_kl": 50.0, "before_peak": "rising"},
    {"level": 1 - 1e-12, "cross_entropy": 1.0, "before_peak": "any"},
]


# Every other pair, and in the long run every pair on both sides.
@pytest.mark.parametrize(
    ("edge", "demands", "sign"),
    [
        pytest.param(
            edge, asked, sign, marks=[] if sign > 0 and (i + j) % 2 == 0 else pytest.mark.long
        )
        for i, edge in enumerate(EDGES)
        for j, asked in enumerate(DEMANDS)
        for sign in (1, -1)
    ],
)
def test_edges_end_in_an_answer(edge, demands, sign):
    family = TiltedFamily(*edge)
    advice = advise(family, [1], sign=sign, **demands)
    many = advise([family, family], [1], sign=sign, **demands)
    # An end that is reached is a number; an infinite one says why.
    for end in advice.ends:
        assert not math.isnan(end.alpha)
        assert math.isfinite(end.alpha) or ":" in end.words
    assert advice.window.status != "unsettled"
    assert many.window.status == advice.window.status
    assert str(advice)
    assert str(many)


def test_m_that_differs_by_rounding_moves_nothing():
    flat = TiltedFamily(np.log([0.3, 0.3, 0.4]), 1e9 + np.array([0.0, 1.2e-7, 0.0]))
    advice = advise(flat, [1], level=0.5, cross_entropy=1.0)
    assert advice.window.status == "unmoved"
    moving = TiltedFamily(np.log([0.3, 0.3, 0.4]), [0.0, 1.0, 0.0])
    both = advise([flat, moving], [1], level=0.5)
    # The context that does not move is not served by any alpha.
    assert both.share == 0.5
    assert both.worst.status == "never"
