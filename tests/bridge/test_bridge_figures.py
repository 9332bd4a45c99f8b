"""The paper's real-model figures: arrays first, predictions where they are meant to hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from steering_strength.proofs_check.bridge.__main__ import main
from steering_strength.proofs_check.bridge._old.anatomy import inspect_model
from steering_strength.proofs_check.bridge._old.corpus import text_windows
from steering_strength.proofs_check.bridge._old.encoding import encode, pad
from steering_strength.proofs_check.bridge._old.norms import identify_norm
from steering_strength.proofs_check.bridge.curves.curve_files import Curves, read_curves
from steering_strength.proofs_check.bridge.errors import ModelError, SelfCheckError
from steering_strength.proofs_check.bridge.measure.scoring import (
    KeywordJudge,
    generate,
    judged_curve,
    score_curve,
    write_csv,
)
from steering_strength.proofs_check.bridge.paper.entropy_panel import entropy_curve
from steering_strength.proofs_check.bridge.paper.panels import bump_panel, mean_and_band
from steering_strength.proofs_check.bridge.sites import Site
from steering_strength.proofs_check.bridge.steering.making import difference_of_means

pytestmark = pytest.mark.bridge


@pytest.fixture
def ready(load_random: Any, concept: Any) -> Any:
    loaded = load_random("gpt2")
    anatomy = inspect_model(loaded.model)
    norm = identify_norm(anatomy)

    def vector(layer: int) -> Any:
        made = difference_of_means(loaded, anatomy, concept.positive, concept.neutral, Site(layer))
        return torch.as_tensor(made.values)

    return loaded, anatomy, norm, vector, encode(loaded.tokenizer, concept.contexts[:1])


@pytest.mark.parametrize("sign", [1, -1])
def test_panels_hold_measurements_and_predictions(ready: Any, sign: int) -> None:
    loaded, anatomy, norm, vector, batch = ready
    for layer in (0, 2):
        panel = bump_panel(
            loaded, anatomy, norm, vector(layer), Site(layer), batch, title="x", sign=sign
        )
        assert panel.measured.shape == (panel.alphas.size, 8)
        assert 13 <= panel.alphas.size <= 49
        assert panel.error > 0
        assert (np.diff(panel.alphas) > 0).all()
        assert sign * panel.alphas.sum() > 0
        zero = int(np.abs(panel.alphas).argmin())
        np.testing.assert_allclose(panel.measured[zero], 0, atol=1e-12)
        # The tilt is tangent at 0, the refined prediction approaches the measured far end.
        near = np.abs(panel.near - panel.measured)
        close = np.abs(panel.alphas) < 0.05
        assert near[close].max() < 1e-3
        end = -1 if sign > 0 else 0
        np.testing.assert_allclose(panel.far[end], panel.measured[end], atol=2e-3)
        gap = np.abs(panel.far[end] - panel.measured[end]).max()
        assert gap < 0.2 * np.abs(panel.plateau - panel.measured[end]).max() + 1e-12
        if layer == 2:
            np.testing.assert_allclose(panel.exact, panel.measured, atol=1e-12)
        else:
            assert np.isnan(panel.exact).all()


def test_resampled_panels_have_a_band(ready: Any) -> None:
    loaded, anatomy, norm, vector, batch = ready
    v = vector(1)
    panels = [
        bump_panel(loaded, anatomy, norm, scale * v, Site(1), batch, title="x", tokens=np.arange(3))
        for scale in (0.9, 1.0, 1.2)
    ]
    found = mean_and_band(panels, "y")
    curves = np.array([p.measured for p in panels])
    np.testing.assert_allclose(found.measured, curves.mean(axis=0))
    # Three values: a tenth of the way from the lowest to the highest is a fifth of the first gap.
    lowest, middle, highest = np.sort(curves, axis=0)
    np.testing.assert_allclose(found.low, 0.8 * lowest + 0.2 * middle, atol=1e-15)
    np.testing.assert_allclose(found.high, 0.8 * highest + 0.2 * middle, atol=1e-15)
    assert found.title == "y"


def test_the_entropy_curve_meets_its_predictions(ready: Any) -> None:
    loaded, anatomy, norm, vector, _ = ready
    windows = text_windows(loaded.tokenizer, 3, 24)
    for layer in (1, 2):
        curve = entropy_curve(loaded, anatomy, norm, vector(layer), Site(layer), windows, reach=1e5)
        assert curve.measured[12] == 0
        np.testing.assert_allclose(curve.measured[[0, -1]], curve.plateau, atol=1e-3)
        small = curve.alphas[11:14]
        assert small[1] == 0
        slope = (curve.measured[13] - curve.measured[11]) / (small[2] - small[0])
        assert np.sign(slope) == np.sign(curve.slope) or abs(curve.slope) < 0.05


def test_every_figure_is_written_with_its_arrays(
    model_folder: Path, concept_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [f"--model={model_folder}", f"--concept={concept_file}", f"--out={tmp_path}"]
    assert main(["figures", *arguments, "--windows=2", "--only=bumps,bootstrap,cross-entropy"]) == 0
    assert "Fig. A.3" in capsys.readouterr().out
    for stem in ("paper_bumps", "paper_bootstrap", "paper_cross_entropy"):
        assert all((tmp_path / f"{stem}.{e}").stat().st_size > 1000 for e in ("png", "pdf", "npz"))
    with np.load(tmp_path / "paper_bumps.npz", allow_pickle=False) as data:
        assert {"measured_0", "near_1", "far_2", "plateau_2"} <= set(data.files)
    assert main(["figures", *arguments, "--only=bump"]) == 2
    assert "did you mean bumps?" in capsys.readouterr().err


def test_steered_generation_repeats_and_reaches_every_token(ready: Any) -> None:
    loaded, anatomy, _, _, _ = ready
    assert generate(loaded, "the sun", 2, 5, seed=1) == generate(loaded, "the sun", 2, 5, seed=1)
    # Towards the unembedding row of one word, far enough, every decoded token is that word.
    joy = loaded.tokenizer.convert_tokens_to_ids("joy")
    vector = anatomy.unembedding.weight[joy].clone()
    curve = judged_curve(
        loaded,
        anatomy,
        Site(2),
        vector,
        np.array([-50.0, -1.0, 0.0, 1.0, 50.0]),
        ["the sun", "a child"],
        KeywordJudge(("JOY",)),
        samples=4,
        length=6,
    )
    assert curve.effect is not None
    assert curve.effect[0] == 0
    assert curve.effect[-1] == 1


def test_a_judge_outside_its_range_is_refused(ready: Any) -> None:
    loaded, anatomy, _, vector, _ = ready
    with pytest.raises(ModelError, match="a judge returns a probability"):
        judged_curve(
            loaded, anatomy, Site(1), vector(1), np.zeros(5), ["the"], lambda _text: 2.0, samples=1
        )


def test_any_score_can_be_swept(ready: Any, tmp_path: Path) -> None:
    loaded, anatomy, _, vector, _ = ready
    batch = pad([[5, 1, 7]])

    def score() -> float:
        with torch.no_grad():
            return float(loaded.model(batch.ids).logits[0, -1].softmax(-1)[3])

    alphas = np.linspace(-2, 2, 5)
    scores = score_curve(anatomy, Site(1), vector(1), alphas, score)
    assert scores[2] == score()
    assert len(set(scores.tolist())) == 5
    with pytest.raises(SelfCheckError, match="never fired"):
        score_curve(anatomy, Site(1), vector(1), alphas, lambda: 0.5)
    path = write_csv(Curves("x", alphas, effect=scores), tmp_path / "x.csv")
    again = read_curves(path)
    assert again.effect is not None
    np.testing.assert_array_equal(again.effect, scores)


def test_the_keyword_judge_reads_words_not_letters() -> None:
    judge = KeywordJudge(("joy",))
    assert judge("Such JOY!") == 1
    assert judge("an enjoyable day") == 0
