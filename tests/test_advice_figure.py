"""The picture of an advice: its arrays are the family's, its artists are where the ends are."""

from __future__ import annotations

import numpy as np
import pytest

from steering_strength.figures.advice import curves, draw, picture
from steering_strength.theory import TiltedFamily, advise

TARGET = [0, 1, 2, 3]


def families(count=1):
    rng = np.random.default_rng(0)
    odds = np.sort(rng.normal(size=30))[::-1]
    return [TiltedFamily.from_logits(1.5 * rng.normal(size=30), odds) for _ in range(count)]


@pytest.mark.parametrize("sign", [1, -1])
def test_the_arrays_are_those_of_the_family(sign):
    family = families()[0]
    advice = advise(family, TARGET, cross_entropy=1.0, level=0.3 if sign > 0 else None, sign=sign)
    record = curves(advice, family, name=lambda z: f"<{z}>")
    assert record.alpha[0] == 0.0
    assert record.alpha[-1] == pytest.approx(1.5 * advice.window.high.alpha)
    odds = family.concept_log_odds(TARGET, record.alpha)
    np.testing.assert_allclose(record.concept, 1 / (1 + np.exp(-odds)), rtol=1e-12)
    price = family.cross_entropy_increase(record.alpha)
    np.testing.assert_allclose(record.price, price, atol=1e-12)
    shown = [int(name.strip("<>")) for name in record.names]
    np.testing.assert_allclose(
        record.token, np.exp(family.log_probability(record.alpha))[:, shown], rtol=1e-12
    )
    np.testing.assert_array_equal(record.peak, family.peaks()[shown])
    np.testing.assert_array_equal(record.is_target, np.isin(shown, TARGET))


def test_the_window_is_drawn_where_it_is():
    from matplotlib.figure import Figure

    family = families()[0]
    advice = advise(family, TARGET, cross_entropy=1.0, level=0.3)
    record = curves(advice, family)
    axes = Figure().subplots(3, 1)
    draw(record, axes)
    for ax in axes:
        patch = ax.patches[0]
        assert patch.get_x() == pytest.approx(advice.window.low.alpha)
        assert patch.get_x() + patch.get_width() == pytest.approx(advice.window.high.alpha)
    title = axes[0].get_title(loc="left") + axes[0].get_title()
    assert f"{advice.window.low.alpha:.3f}" in title
    assert "F_T reaches 0.3" in title
    marks = [line for line in axes[2].lines if line.get_marker() == "v"]
    inside = (record.peak > 0.0) & (record.peak < record.alpha[-1])
    assert sorted(float(m.get_xdata()[0]) for m in marks) == sorted(record.peak[inside])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"level": 0.9, "cross_entropy": 0.1}, "the window is empty"),
        ({"level": 0.9999999, "cross_entropy": 0.1, "tokens": [20]}, "the level is never reached"),
    ],
)
def test_failures_are_in_the_title_and_nothing_is_shaded(options, words, tmp_path):
    family = families()[0]
    advice = advise(family, **{"tokens": TARGET, **options})
    record = curves(advice, family)
    canvas = picture(record, "title")
    assert canvas.axes[0].get_title(loc="left") == words
    assert not canvas.axes[0].patches
    canvas.savefig(tmp_path / "advice.png", dpi=40)
    assert (tmp_path / "advice.png").stat().st_size > 1000


@pytest.mark.parametrize("tokens", [None, TARGET])
@pytest.mark.parametrize("sign", [1, -1])
def test_every_advice_can_be_drawn(tokens, sign, tmp_path):
    family = families()[0]
    record = curves(advise(family, tokens, cross_entropy=1.0, sign=sign), family)
    assert np.isnan(record.concept).all() == (tokens is None)
    assert (np.sign(record.alpha[1:]) == sign).all()
    canvas = picture(record)
    canvas.savefig(tmp_path / "advice.png", dpi=40)
    words = [text.get_text() for text in canvas.axes[0].texts]
    assert ("no target tokens were given" in words) == (tokens is None)
