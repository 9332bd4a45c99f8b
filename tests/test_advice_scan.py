"""Which alpha on a curve in closed form that is no tilting, and strengths in other units."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import log_softmax

from steering_strength.theory import NormedSteering, TiltedFamily, advise
from steering_strength.theory.advice import equivalents
from steering_strength.theory.advice.demand import Demand
from steering_strength.theory.advice.scan import advise_curve
from steering_strength.theory.errors import AlphaError, BudgetError


def demand(size, tokens, **options):
    asked = {
        "level": None,
        "cross_entropy": None,
        "reverse_kl": None,
        "before_peak": "no",
        "sign": 1,
        "plateau": 0.01,
    }
    return Demand.of(size, tokens, **{**asked, **options})


def last_block(seed=0, size=30, width=8):
    """A residual steered before its final norm: logits saturate, as in a transformer."""
    rng = np.random.default_rng(seed)
    unembedding = rng.normal(size=(size, width))
    norm = NormedSteering(rng.normal(size=width), 0.2 * rng.normal(size=width))

    def curve(alphas):
        return log_softmax(norm.output(alphas) @ unembedding.T, axis=1)

    step = 1e-6
    slope = (curve(np.array([step])) - curve(np.array([-step])))[0] / (2 * step)
    return curve, slope, {s: log_softmax(norm.limit(s) @ unembedding.T) for s in (1, -1)}


GRID = np.concatenate(([0.0], np.geomspace(1e-2, 1e4, 160)))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_tilted_curve_is_advised_as_the_family_is(sign):
    rng = np.random.default_rng(1)
    family = TiltedFamily.from_logits(rng.normal(size=20), rng.normal(size=20))
    options = {
        "level": 0.2,
        "cross_entropy": 0.8,
        "reverse_kl": 0.5,
        "before_peak": "rising",
        "sign": sign,
    }
    found = advise_curve(
        family.log_probability,
        GRID,
        demand(20, [1, 2, 3], **options),
        family.limit(sign),
        family.log_odds,
    )
    exact = advise(family, [1, 2, 3], **options)
    assert found.method == "closed form, scanned"
    expected = {end.demand: end.alpha for end in exact.ends}
    assert {end.demand for end in found.ends} >= set(expected)
    for end in found.ends:
        if end.demand != "peak":
            assert end.alpha == pytest.approx(expected[end.demand], rel=1e-9)
    peak = next(end for end in found.ends if end.demand == "peak")
    # A maximum located by values is known to the square root of their rounding.
    assert peak.alpha == pytest.approx(expected["peak"], rel=1e-6, abs=1e-7)
    assert found.slope == pytest.approx(exact.slope, rel=1e-12)
    assert found.sd == pytest.approx(exact.sd, rel=1e-12)
    assert found.plateau.alpha == pytest.approx(exact.plateau.alpha, rel=1e-9)
    assert found.window.status == exact.window.status


@pytest.mark.parametrize("sign", [1, -1])
def test_a_saturating_curve(sign):
    curve, slope, limit = last_block()
    base = curve(np.zeros(1))[0]
    most = float(np.exp(base) @ (base - limit[sign]))
    found = advise_curve(
        curve, GRID, demand(30, [0, 1], cross_entropy=0.1, sign=sign), limit[sign], slope
    )
    alpha = found.window.high.alpha
    for factor, over in ((1 - 1e-8, False), (1 + 1e-8, True)):
        price = float(np.exp(base) @ (base - curve(np.array([alpha * factor]))[0]))
        assert (price > 0.1) == over
    assert found.guarantee is None
    assert "not excluded" in found.cautions[-1]
    never = advise_curve(
        curve, GRID, demand(30, [0, 1], cross_entropy=5 * most, sign=sign), limit[sign], slope
    )
    assert never.window.high.alpha == sign * math.inf
    assert f"{most:.4g} nats at the plateau" in never.ends[0].words
    assert never.high.cross_entropy == pytest.approx(most)
    far = curve(np.array([found.plateau.alpha]))[0]
    assert 0.5 * np.abs(np.exp(far) - np.exp(limit[sign])).sum() == pytest.approx(0.01, rel=1e-6)


def test_a_level_that_is_passed_twice_or_never():
    curve, slope, limit = last_block(3)
    rows = np.exp(curve(GRID))
    inner = rows[1:-1].max(axis=0) > 1.2 * np.maximum(rows[0], rows[-1])
    token = int(np.argmax(inner * rows.max(axis=0)))
    top = float(rows[:, token].max())
    asked = 0.5 * (top + max(rows[0, token], rows[-1, token]))
    found = advise_curve(curve, GRID, demand(30, [token], level=asked), limit[1], slope)
    assert found.window.usable
    for end, rises in ((found.window.low, True), (found.window.high, False)):
        before, after = (
            float(np.exp(curve(np.array([end.alpha * f]))[0][token])) for f in (1 - 1e-8, 1 + 1e-8)
        )
        assert (before < asked < after) == rises
        assert (after < asked < before) == (not rises)
    never = advise_curve(curve, GRID, demand(30, [token], level=0.999), limit[1], slope)
    assert never.window.status == "never"
    assert f"{top:.2g}"[:3] in never.window.words
    assert not never.supremum.certified


def test_a_grid_must_start_at_zero():
    curve, slope, limit = last_block()
    with pytest.raises(AlphaError, match="increase from 0"):
        advise_curve(curve, GRID[1:], demand(30, [0], level=0.5), limit[1], slope)


def test_other_libraries_units():
    rows = {row.convention.split(":")[0]: row for row in equivalents(3.0, 4.0, 8.0, 2.0)}
    assert rows["steering-vectors"].coefficient == 3.0
    assert rows["repeng, llama.cpp"].coefficient == 12.0
    assert rows["steering-lite"].coefficient == 12.0
    assert rows["AxBench"].coefficient == 6.0
    assert rows["AISteer360"].coefficient == 1.5
    assert "not given" in equivalents(3.0, 4.0)[4].assumes
    assert math.isnan(equivalents(3.0, 4.0)[4].coefficient)
    for norm in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(BudgetError, match="length of v"):
            equivalents(1.0, norm)
