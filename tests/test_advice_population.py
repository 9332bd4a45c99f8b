"""Which alpha for many contexts and for many vectors: averages, shares, ellipses, interference."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import expit

from steering_strength.theory import ConceptDataset, TiltedFamily, UnconstrainedFeatures, advise
from steering_strength.theory.advice import JointFamily, PopulationAdvice
from steering_strength.theory.advice.population import average_concept_root, together
from steering_strength.theory.engine import TiltedPopulation
from steering_strength.theory.engine.numerics import weighted_quantile

NUDGE = 1e-6


def families(count=7, size=40, seed=0, own=False):
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=size)
    return [
        TiltedFamily.from_logits(
            2.0 * rng.normal(size=size), shared + (0.5 * rng.normal(size=size) if own else 0.0)
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("sign", [1, -1])
def test_average_budgets_are_sign_changes(own, sign):
    found = families(own=own)
    weights = np.arange(1.0, 8.0) / 28.0
    advice = advise(found, sign=sign, weights=weights, reverse_kl=0.7)
    alpha = advice.average.high.alpha
    assert np.sign(alpha) == sign
    below, above = (
        float(weights @ [f.reverse_kl(alpha * factor) for f in found])
        for factor in (1 - NUDGE, 1 + NUDGE)
    )
    assert below < 0.7 < above
    assert advice.high.reverse_kl == pytest.approx(0.7, rel=1e-12)


def test_a_context_that_is_not_moved_may_lack_a_token():
    found = [
        TiltedFamily(np.log([0.5, 0.3, 0.2]), [1.0, 0.0, -1.0]),
        TiltedFamily([math.log(0.5), math.log(0.5), -math.inf], [2.0, 2.0, math.inf]),
    ]
    advice = advise(found, cross_entropy=0.1)
    assert advice.contexts[1].window.status == "unmoved"
    spent = float(found[0].cross_entropy_increase(advice.average.high.alpha))
    assert spent == pytest.approx(0.2, rel=1e-12)  # of two contexts, one pays


@pytest.mark.parametrize("seed", range(6))
def test_the_average_crossing_against_a_dense_grid(seed):
    rng = np.random.default_rng(seed)
    found = families(4, 12, seed, own=True)
    target = rng.permutation(12) < 4
    weights = np.full(4, 0.25)
    grid = np.linspace(0.0, 20.0, 200_001)
    values = weights @ [expit(f.concept_log_odds(target, grid)) for f in found]
    level = float(values[0] + 0.7 * (values.max() - values[0]))
    root = average_concept_root(together(found, weights), target, level)
    if level <= values[0]:
        assert root.alpha == 0.0
        return
    first = int(np.argmax(values >= level))
    assert grid[first - 1] <= root.alpha <= grid[first]


def test_shares_and_the_worst_context():
    found = families(10, own=True)
    advice = advise(found, [0, 1, 2], cross_entropy=0.5, level=0.1, quantile=0.8)
    assert isinstance(advice, PopulationAdvice)
    highs, lows = advice.highs, advice.lows
    assert advice.worst.high.alpha == highs.min()
    assert advice.worst.low.alpha == lows.max()
    assert (highs >= advice.window.high.alpha).mean() >= 0.8
    assert (highs > advice.window.high.alpha).mean() < 0.8
    assert (lows <= advice.window.low.alpha).mean() >= 0.8
    inside = [(lows <= a) & (a <= highs) for a in np.concatenate((lows, highs))]
    assert advice.share == pytest.approx(max(row.mean() for row in inside))
    text = str(advice)
    assert len(text.splitlines()) <= 30
    assert text.startswith("10 contexts: ")
    assert len([line for line in text.splitlines() if line[:7].strip().isdigit()]) == 10


def test_weighted_quantiles_keep_infinities():
    values, weights = np.array([3.0, math.inf, 1.0, 2.0]), np.array([0.1, 0.1, 0.5, 0.3])
    assert weighted_quantile(values, weights, 0.5) == 1.0
    assert weighted_quantile(values, weights, 0.8) == 2.0
    assert weighted_quantile(values, weights, 0.9) == 3.0
    assert weighted_quantile(values, weights, 1.0) == math.inf
    assert -weighted_quantile(-values, weights, 0.2) == 3.0
    assert -weighted_quantile(-values, weights, 1.0) == 1.0


def test_no_alpha_for_all_is_said_with_the_gap():
    found = [
        TiltedFamily(np.log([0.9, 0.1]), [0.0, 1.0]),
        TiltedFamily(np.log([0.9, 0.1]), [0.0, 20.0]),
    ]
    advice = advise(found, [1], level=0.5, cross_entropy=1.5)
    assert advice.worst.status == "empty"
    gap = abs(advice.worst.low.alpha - advice.worst.high.alpha)
    assert f"{gap:.4g} apart" in advice.worst.words
    assert "in context 0" in advice.worst.words
    assert "in context 1" in advice.worst.words
    assert advice.share == 0.5


def test_a_level_that_some_contexts_never_reach():
    found = [
        TiltedFamily(np.log([0.9, 0.1]), [0.0, 1.0]),
        TiltedFamily(np.log([0.9, 0.1]), [0.0, -1.0]),
    ]
    advice = advise(found, [1], level=0.5)
    assert advice.worst.status == "never"
    assert "1 of 2 contexts never reach F_T = 0.5" in advice.worst.words
    average = advise(found, [1], level=0.6)
    assert average.average.status == "never"
    assert "stays below the level" in average.average.words


def test_a_population_gives_what_its_contexts_give():
    data = ConceptDataset.smoothed(concepts=3, tokens_per_concept=3, epsilon=0.05)
    odds = data.log_odds([0], [1])
    table = TiltedPopulation(np.log(data.probabilities), odds, data.context_weights)
    alone = advise([data.family(j, odds) for j in range(3)], data.concepts[0], level=0.4)
    together = advise(table, data.concepts[0], level=0.4)
    np.testing.assert_allclose(together.lows, alone.lows, rtol=1e-12)
    budget = advise(table, cross_entropy=0.7).average.high.alpha
    # Delta CE of the dataset, and of the matrices W and H, with no closed form.
    assert float(data.cross_entropy_increase(odds, budget)) == pytest.approx(0.7, rel=1e-12)
    ufm = UnconstrainedFeatures.interpolating(data, 3)
    steered = ufm.steered_log_probability(ufm.steering_vector([0], [1]), budget)
    before = np.log(data.probabilities)
    price = data.context_weights @ (data.probabilities * (before - steered)).sum(axis=1)
    assert float(price) == pytest.approx(0.7, rel=1e-9)


def joint(seed=0, vectors=2, size=30):
    rng = np.random.default_rng(seed)
    base = TiltedFamily.from_logits(2.0 * rng.normal(size=size), np.zeros(size))
    odds = rng.normal(size=(vectors, size))
    odds[1] += 0.7 * odds[0]
    return JointFamily(base.log_p, odds)


def test_the_ellipse_spends_its_budget_and_tilts_against_the_covariance():
    both = joint()
    ellipse = both.ellipse(1e-8)
    assert (np.diff(ellipse.semi_axes) <= 0.0).all()
    assert both.covariance[0, 1] > 0.0 > ellipse.tilt > -90.0
    for length, axis in zip(ellipse.semi_axes, ellipse.axes, strict=True):
        assert both.cross_entropy_increase(length * axis) == pytest.approx(1e-8, rel=1e-3)
    inert = JointFamily(both.log_p, np.stack([both.log_odds[0], both.log_odds[0]]))
    long = inert.ellipse(1.0)
    assert long.semi_axes[0] == math.inf
    assert long.tilt == pytest.approx(-45.0)
    np.testing.assert_allclose(long.correlation, 1.0)
    assert inert.cross_entropy_increase(5.0 * long.axes[0]) < 1e-20
