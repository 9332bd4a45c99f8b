"""An advice that knows its texts says how sure it is; one that cannot know says why, in a line."""

from __future__ import annotations

import numpy as np
import pytest

from steering_strength.theory import TiltedFamily, advise
from steering_strength.theory.advice import ScannedCurve
from steering_strength.theory.engine.estimation import estimate
from steering_strength.theory.engine.numerics import log_sum_exp
from steering_strength.theory.engine.transformer import NormedSteering
from steering_strength.theory.errors import SteeringError


def texts_of(seed, p=6, n=9, size=7):
    rng = np.random.default_rng(seed)
    shift = np.array([1.5, 1.0, 0.5, 0.0, 0.0, -0.5, -1.0])[:size]
    tables = [
        0.5 * rng.normal(size=(count, size)) + sign * shift for count, sign in ((p, 1), (n, -1))
    ]
    return [table - log_sum_exp(table, axis=1)[:, None] for table in tables]


@pytest.fixture
def known():
    positive, negative = texts_of(0)
    log_p = np.log([0.05, 0.05, 0.1, 0.3, 0.2, 0.2, 0.1])
    return TiltedFamily.from_tables(log_p, positive, negative), (positive, negative)


def test_without_texts_nothing_is_said_and_with_them_two_lines_more(known):
    family, texts = known
    plain = advise(family, [0, 1], level=0.4, cross_entropy=0.5)
    told = advise(family, [0, 1], level=0.4, cross_entropy=0.5, texts=texts)
    assert plain.estimate is None
    assert told.window == plain.window
    assert told.estimate.alpha == told.window.advised
    added = [line for line in str(told).splitlines() if line not in str(plain).splitlines()]
    assert len(added) == 2
    assert "standard error" in added[0]


@pytest.mark.parametrize(
    "demand",
    [{"cross_entropy": 0.3}, {"reverse_kl": 0.3}, {"level": 0.5}, {"before_peak": "rising"}],
    ids=lambda demand: next(iter(demand)),
)
def test_every_end_of_a_window_has_an_error(known, demand):
    family, texts = known
    found = advise(family, [0, 1, 2], **demand, texts=texts).estimate
    assert found.standard_error > 0.0
    assert found.positive.size == 6
    assert found.negative.size == 9
    low, high = found.interval()
    assert low < found.unlimited < high


def test_on_average_over_contexts_the_error_is_that_of_the_average(known):
    family, texts = known
    several = [family, family.conditional([0, 1, 3, 4])]
    found = advise(several, [0, 1], cross_entropy=0.5, texts=texts)
    assert found.estimate.alpha == found.average.advised
    assert "standard error" in str(found)


def test_where_the_answer_is_zero_or_nothing_there_is_no_error(known):
    family, texts = known
    assert advise(family, cross_entropy=0.0, texts=texts).estimate is None
    empty = advise(family, [0], level=0.9, cross_entropy=1e-3, texts=texts)
    assert not empty.window.usable
    assert empty.estimate is None


def test_the_order_of_the_texts_and_shifts_of_their_logits_do_not_matter(known):
    family, (positive, negative) = known
    alpha = family.alpha_for_cross_entropy(0.5, 1)
    one = estimate(family, alpha, "cross_entropy", positive, negative)
    shifts = np.arange(6.0)[:, None]
    two = estimate(family, alpha, "cross_entropy", (positive + shifts)[::-1], negative)
    np.testing.assert_allclose(two.positive[::-1], one.positive, rtol=1e-10, atol=1e-13)
    assert two.inverse_bias == pytest.approx(one.inverse_bias, rel=1e-10)


def test_blocks_of_rows_do_not_change_the_result(known, monkeypatch):
    from steering_strength.theory.engine import estimation

    family, texts = known
    whole = estimate(family, 0.7, "level", *texts, tokens=[0, 1])
    monkeypatch.setattr(estimation, "_BLOCK", 14)
    parts = estimate(family, 0.7, "level", *texts, tokens=[0, 1])
    np.testing.assert_allclose(parts.negative, whole.negative, rtol=1e-12, atol=1e-15)
    assert parts.inverse_bias == pytest.approx(whole.inverse_bias, rel=1e-12)


def test_a_token_without_support_may_be_impossible_in_a_text(known):
    family, (positive, negative) = known
    dead = family.conditional([0, 1, 2, 3, 4, 5])
    broken = positive.copy()
    broken[2, 6] = -np.inf
    found = estimate(dead, 0.7, "cross_entropy", broken, negative)
    assert np.isfinite(found.standard_error)


def test_texts_needed_keep_those_there_are(known):
    family, texts = known
    found = estimate(family, 0.7, "cross_entropy", *texts)
    p, n = found.texts_for(0.5)
    halved = found.variances[0] * 6 / p + found.variances[1] * 9 / n
    assert halved <= 0.25 * found.standard_error**2 * (1 + 1e-9)
    assert p >= 6
    assert n >= 9
    assert found.texts_for(0.999)[0] >= 6


def test_texts_are_refused_for_a_curve_that_is_no_tilting(known):
    _, texts = known
    rng = np.random.default_rng(0)
    norm = NormedSteering(h=rng.normal(size=4), v=rng.normal(size=4))
    curve = ScannedCurve.last_block(norm.last_block(rng.normal(size=(7, 4))))
    with pytest.raises(SteeringError, match="no tilting"):
        advise(curve, cross_entropy=0.1, texts=texts)
