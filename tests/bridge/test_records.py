"""The paper's real-model figures: records from a small model, and the pictures drawn from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from steering_strength.figures.__main__ import main as draw
from steering_strength.figures.real_model import STEMS, draw_folder
from steering_strength.proofs_check.bridge.data import FIGURES
from steering_strength.proofs_check.bridge.loading import ModelError, SelfCheckError
from steering_strength.proofs_check.bridge.records import (
    benchmark_curve,
    contains,
    judge_curve,
    paper_records,
)

pytestmark = pytest.mark.bridge


@pytest.fixture(scope="module")
def model(steered: Any) -> Any:
    return steered("llama", "float32")


@pytest.fixture(scope="module")
def windows() -> Any:
    """Random tokens in place of library text: the small tokenizer knows none of its words."""
    from steering_strength.proofs_check.bridge.texts import pad

    return pad(np.random.default_rng(0).integers(2, 38, (4, 17)).tolist(), [1] * 4)


def _score(hf_model: Any, _tokenizer: Any) -> float:
    with torch.no_grad():
        ids = torch.tensor([[0, 5, 9]], device=hf_model.device)
        return hf_model(input_ids=ids).logits[0, -1, 0].item()


@pytest.fixture(scope="module")
def folder(
    model: Any, concept: Any, windows: Any, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    import steering_strength.proofs_check.bridge.records as records

    target = tmp_path_factory.mktemp("records")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "text_windows", lambda *_given, **_how: windows)
        patch.setattr(records, "_RESAMPLINGS", 3)
        written = paper_records(model, concept, target, windows=2, benchmark=_score)
    assert len(written) == len(FIGURES)
    return target


def _panels(folder: Path, stem: str) -> list[dict[str, Any]]:
    with np.load(folder / f"{stem}.npz", allow_pickle=False) as archive:
        arrays = dict(archive)
    count = int(arrays["panels"])
    return [
        {n.removesuffix(f"_{i}"): v for n, v in arrays.items() if n.endswith(f"_{i}")}
        for i in range(count)
    ]


def test_every_figure_has_a_record_and_a_picture(folder: Path) -> None:
    stems = {path.stem for path in folder.glob("*.npz")}
    assert stems == {f"paper_{name.replace('-', '_')}" for name in FIGURES}
    assert stems < set(STEMS)
    drawn = draw_folder(folder, formats=("png",))
    assert {path.stem for path in drawn} == stems
    assert all(path.stat().st_size > 5000 for path in drawn)


def test_predictions_are_right_where_they_claim_to_be(folder: Path) -> None:
    early, _, last = _panels(folder, "paper_bumps")[3:]
    np.testing.assert_allclose(last["measured"], last["exact"], atol=1e-5)
    assert np.isnan(early["exact"]).all()
    for panel in (early, last):
        middle = int(np.abs(panel["alphas"]).argmin())
        assert panel["alphas"][middle] == 0.0
        np.testing.assert_allclose(panel["measured"][middle], 0.0, atol=1e-6)
        # Next to 0 the tilt by M_loc is right to second order.
        one = panel["measured"][middle + 1] - panel["near"][middle + 1]
        assert np.abs(one).max() <= 0.2 * np.abs(panel["measured"][middle + 1]).max()
    far = _panels(folder, "paper_bumps")[2]
    np.testing.assert_allclose(far["measured"][-1], far["far"][-1], atol=1e-5)


def test_negative_alphas_and_the_last_position(folder: Path) -> None:
    assert all(panel["alphas"][0] < 0 == panel["alphas"][-1]
               for panel in _panels(folder, "paper_negative"))  # fmt: skip
    everywhere, last = _panels(folder, "paper_last_position")[:2]
    assert np.abs(everywhere["plateau"] - last["plateau"]).size == 8
    # Far out both have the same plateau, whatever the positions.
    assert set(everywhere["tokens"]) & set(last["tokens"])


def test_a_unit_vector_covers_the_same_ground(folder: Path) -> None:
    unit, plain = _panels(folder, "paper_normalised")[1], _panels(folder, "paper_bumps")[4]
    assert unit["tokens"].tolist() == plain["tokens"].tolist()
    np.testing.assert_allclose(unit["measured"][-1], plain["measured"][-1], atol=1e-5)


def test_the_band_holds_the_mean(folder: Path) -> None:
    for panel in _panels(folder, "paper_bootstrap"):
        assert (panel["low"] <= panel["measured"] + 1e-12).all()
        assert (panel["measured"] <= panel["high"] + 1e-12).all()
        assert (panel["high"] > panel["low"]).any()


def test_cross_entropy_and_concept_meet_their_predictions(folder: Path) -> None:
    for curve in _panels(folder, "paper_cross_entropy"):
        measured = curve["measured"]
        assert measured[measured.size // 2] == 0.0
        # At |alpha| = 100 little of the text is left.
        gap = np.abs(measured[[0, -1]] - curve["plateau"])
        assert gap.max() <= 0.05 * np.abs(measured).max()
        assert np.isfinite([curve["slope"], curve["curvature"]]).all()
    for curve in _panels(folder, "paper_concept"):
        middle = curve["alphas"].size // 2
        for name in ("tilt", "sigmoid"):
            assert curve[name][middle] == pytest.approx(curve["measured"][middle], abs=1e-6)
    assert np.isfinite(_panels(folder, "paper_concept")[2]["exact"]).all()


def test_drawing_says_what_it_cannot_draw(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert draw(["real", str(tmp_path)]) == 2
    np.savez(tmp_path / "laws.npz", model="x")
    assert draw(["real", str(tmp_path)]) == 2
    (tmp_path / "laws.npz").write_bytes(b"PK")
    assert draw(["real", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("error: ") == 3
    assert not list(tmp_path.glob("*.png"))


def test_a_judge_is_asked_about_steered_texts(model: Any, concept: Any) -> None:
    vector = model.vector(concept.positive, concept.neutral, 1)
    how = {"samples": 2, "length": 3}
    score = judge_curve(model, vector, concept, **how)
    assert ((score["measured"] >= 0) & (score["measured"] <= 1)).all()
    assert score["dense"].size
    # At alpha = 0 the prediction is what unsteered texts do on average.
    assert 0 <= score["predicted"][score["dense"].size // 2] <= 1
    own = judge_curve(model, vector, concept, lambda text: 0.5, **how)
    assert (own["measured"] == 0.5).all()
    assert "dense" not in own
    # A judge that never changes its mind has slope 0; another's slope comes with its error.
    np.testing.assert_allclose(own["slope"], 0.0, atol=1e-12)
    assert np.isfinite(score["slope"]).all()
    with pytest.raises(ModelError, match="2"):
        judge_curve(model, vector, concept, lambda text: 2.0, **how)
    judge = contains(["Joy"])
    assert (judge("what JOY!"), judge("joyful")) == (1.0, 0.0)


def test_a_benchmark_is_run_under_steering(model: Any, concept: Any, windows: Any) -> None:
    vector = model.vector(concept.positive, concept.neutral, 1)
    seen = []

    def benchmark(hf_model: Any, _tokenizer: Any) -> float:
        with torch.no_grad():
            ids = windows.ids[:1].to(hf_model.device)
            seen.append(hf_model(input_ids=ids).logits[0, -1, 0].item())
        return 1.0

    benchmark_curve(model, vector, benchmark)
    assert len(set(seen)) == len(seen)
    with pytest.raises(SelfCheckError):
        benchmark_curve(model, vector, lambda *_given: 1.0)

    def broken(hf_model: Any, tokenizer: Any) -> float:
        return benchmark(hf_model, tokenizer) * float("nan")

    with pytest.raises(ModelError, match="finite"):
        benchmark_curve(model, vector, broken)
