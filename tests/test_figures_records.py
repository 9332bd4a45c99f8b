"""The arrays behind the figures: law against simulation, and the shapes the paper shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from steering_strength.figures import concept, dataset, peaks, training
from steering_strength.figures.instances import paper_example
from steering_strength.theory import UnconstrainedFeatures

# Law and simulation differ by rounding alone. Logits of the simulation reach |alpha| |M| = 180 in
# size and are sums of d = 3 products of a random gauge of condition below 1e3, so that their
# rounding is below 180 * 1e3 * 2e-16; probabilities inherit it.
ROUNDING = 4e-11


@pytest.mark.parametrize("name", ["fig3", "figB1", "fig4", "fig5"])
def test_law_and_simulation_agree_and_the_deviation_says_by_how_much(records, name):
    record = records[name]
    assert record.law.shape == record.simulated.shape
    assert record.deviation == np.abs(record.law - record.simulated).max()
    assert 0 < record.deviation < ROUNDING  # 0 would mean that one was copied from the other


def test_fig2_shows_two_heights_and_rows_that_sum_to_one(records):
    record = records["fig2"]
    solid, faint = record.probability
    own, other = record.concept == 0, record.concept == 1
    assert (solid[own] > faint[own]).all()
    assert (solid[other] < faint[other]).all()
    assert (solid[record.concept == 2] == faint[record.concept == 2]).all()
    np.testing.assert_allclose(record.probability.sum(axis=1), 1.0, rtol=1e-15)
    assert np.abs(record.probability - record.simulated).max() == record.deviation < ROUNDING


def test_fig3_one_target_token_rises_the_others_bump_late_and_off_target_bump_early(records):
    record = records["fig3"]
    interior = np.isfinite(record.peak)
    rising = record.peak == np.inf
    assert rising.sum() == 1
    assert (rising & record.target).sum() == 1
    assert (interior & record.target).sum() == 2
    assert (np.diff(record.law[:, rising], axis=0) > 0).all()
    in_window = record.peak[interior & record.target]
    assert in_window.min() > 1
    assert in_window.max() > 10
    assert record.peak[~record.target].max() < record.peak[record.target].min()
    assert record.law[-1, rising] > 0.95  # the competition is decided within the window


def test_fig_b1_one_off_target_token_takes_over_others_bump_and_targets_only_lose(records):
    record = records["figB1"]
    falling = record.peak == -np.inf
    assert falling.sum() == 1
    assert not record.target[falling].any()
    assert (np.diff(record.law[:, falling], axis=0) < 0).all()
    bumps = np.isfinite(record.peak) & ~record.target & (record.peak < 0)
    assert bumps.sum() == 2
    assert (np.diff(record.law[:, record.target], axis=0) >= 0).all()


def test_fig4_target_rises_opposite_falls_and_the_third_dies_at_both_ends(records):
    record = records["fig4"]
    steps = np.diff(record.law, axis=0)
    assert (steps[:, record.target] > 0).all()
    assert (steps[:, 1] < 0).all()
    third = record.law[:, 2]
    assert 0 < third.argmax() < len(third) - 1
    example = paper_example()
    p = example.data.probabilities[example.context(record.context)]
    dead = -p[example.data.concepts[2]].mean()
    np.testing.assert_allclose(record.limit[:, 2], dead, rtol=1e-15)
    np.testing.assert_allclose(third[[0, -1]], dead, atol=1e-3)
    assert abs(record.law).max() < 1 / 3


def test_fig5_lies_within_its_guarantee_and_meets_the_quadratic_at_zero(records):
    record = records["fig5"]
    # The bounds touch the curve at alpha = 0, where each is 0 within a rounding error.
    assert (record.law >= record.lower * (1 - 1e-12)).all()
    assert (record.law <= record.upper * (1 + 1e-12)).all()
    near = (np.abs(record.alpha) <= record.radius) & (record.alpha != 0)
    assert near.sum() > 4
    assert (np.abs(record.law[near] / record.quadratic[near] - 1) <= 0.10).all()
    assert 0.8 < record.law[-1] < 1.3  # the paper's vertical axis ends near 1


def test_training_reaches_the_entropy_of_the_paper(records):
    record = records["training"]
    assert round(record.entropy, 6) == 1.331785
    assert (record.excess > 0).all()
    assert record.excess[-1] < 1e-4
    assert record.loss[0] > 2.0
    assert (record.error <= record.bound).all()
    assert record.error.max() > 1e-9  # a trained model is not an interpolating one


def test_overview_holds_the_records_of_its_panels(records):
    record = records["overview"]
    parts = (record.tokens, record.concepts, record.cross_entropy)
    assert record.deviation == max(part.deviation for part in parts)
    np.testing.assert_array_equal(record.concepts.law, records["fig4"].law)


def test_curves_do_not_depend_on_the_gauge_of_the_simulation(records):
    other = concept.curves(example=paper_example(seed=7))
    assert (other.simulated != records["fig4"].simulated).any()
    np.testing.assert_allclose(other.simulated, records["fig4"].simulated, atol=ROUNDING)
    np.testing.assert_array_equal(other.law, records["fig4"].law)


def test_a_simulation_of_something_else_shows_in_the_deviation():
    example = paper_example()
    almost = UnconstrainedFeatures.trained(example.data, tolerance=1e-6)
    record = dataset.curves(replace(example, simulation=almost))
    assert 1e-6 < record.deviation < 1e-2
    backwards = replace(example, positive=example.negative, negative=example.positive)
    swapped = peaks.curves(0.0, 60.0, example=backwards)
    assert swapped.deviation < ROUNDING  # law and simulation steer the same way
    assert (swapped.law != peaks.curves(0.0, 60.0).law).any()


def test_training_repeats_from_its_seed():
    first, again = training.curves(seed=3), training.curves(seed=3)
    np.testing.assert_array_equal(first.loss, again.loss)
    assert not np.array_equal(first.loss, training.curves(seed=4).loss[: len(first.loss)])


def test_drawn_texts_scatter_as_the_laws_say_and_intervals_hold(records):
    record = records["estimation"]
    # Quantiles of 400 draws, in a band that narrows as 1/sqrt(n); at 5 + 5 texts the third order
    # shows too.
    width = record.law[:, 2] - record.law[:, 0]
    assert (np.abs(record.law - record.simulated)[1:] < 0.25 * width[1:, None]).all()
    assert (np.diff(record.law[:, 1]) > 0).all()  # few texts look dearer
    assert record.law[-1, 1] < record.unlimited
    # 120 draws each: 95 % of them errs by 2 %; the interval without the bias does not hold.
    assert (record.covered > 0.85).all()
    assert record.naive[0] < 0.7
    assert (record.refitted >= record.predicted - 1e-9).all()  # 1/alpha is convex
    np.testing.assert_allclose(record.refitted, record.predicted, atol=0.02)
