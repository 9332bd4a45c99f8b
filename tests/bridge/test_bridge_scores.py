"""Concept probabilities, the cloze and user callables under steering, against their predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from steering_strength.proofs_check.bridge._old.anatomy import inspect_model
from steering_strength.proofs_check.bridge._old.cloze import Cloze, make_cloze
from steering_strength.proofs_check.bridge._old.encoding import pad, word_tokens
from steering_strength.proofs_check.bridge._old.hooks import Steered
from steering_strength.proofs_check.bridge._old.norms import identify_norm
from steering_strength.proofs_check.bridge.errors import ModelError
from steering_strength.proofs_check.bridge.measure.scoring import KeywordJudge, generate_ids
from steering_strength.proofs_check.bridge.paper.concept_panel import concept_curve
from steering_strength.proofs_check.bridge.paper.score_figures import benchmark_score, judge_score
from steering_strength.proofs_check.bridge.sites import Site
from steering_strength.proofs_check.bridge.steering.making import difference_of_means
from steering_strength.proofs_check.bridge.verdicts.concept_rows import fit_tanh
from steering_strength.proofs_check.bridge.verdicts.survey import asinh_grid

from .conftest import status_of

pytestmark = pytest.mark.bridge

WORDS = np.array([9, 13, 14])


@pytest.fixture
def ready(load_random: Any, concept: Any) -> Any:
    loaded = load_random("llama")
    anatomy = inspect_model(loaded.model)
    made = [
        torch.as_tensor(
            difference_of_means(
                loaded, anatomy, concept.positive, concept.neutral, Site(layer)
            ).values
        )
        for layer in range(3)
    ]
    return loaded, anatomy, identify_norm(anatomy), made


@pytest.mark.parametrize("layer", [0, 2])
def test_the_concept_curve_meets_its_predictions(ready: Any, concept: Any, layer: int) -> None:
    loaded, anatomy, norm, vectors = ready
    encoded = loaded.encode(concept.contexts[:2])
    batches = [encoded.row(i) for i in range(2)]
    curve = concept_curve(
        loaded, anatomy, norm, vectors[layer], Site(layer), batches, WORDS, reach=1e5, half=40
    )
    middle = 40
    assert curve.alphas[middle] == 0
    expected = []
    for batch in batches:
        with torch.no_grad():
            p = loaded.model(batch.ids).logits[0, -1].softmax(-1)
        expected.append(float(p[WORDS].sum()))
    assert curve.measured[middle] == pytest.approx(np.mean(expected), rel=1e-9)
    # Both predictions are tangent to the curve: a step's error is quadratic, its effect is not.
    close = concept_curve(
        loaded, anatomy, norm, vectors[layer], Site(layer), batches, WORDS, reach=0.01, half=2
    )
    moved = close.measured[4] - close.measured[0]
    for prediction in (close.tilt, close.sigmoid):
        assert prediction[4] - prediction[0] == pytest.approx(moved, rel=1e-2)
    np.testing.assert_allclose(curve.measured[[0, -1]], curve.plateau, atol=1e-3)
    if layer == 2:
        np.testing.assert_allclose(curve.exact, curve.measured, atol=1e-7)
    else:
        assert np.isnan(curve.exact).all()


def test_the_cloze_asks_for_the_token_that_follows(ready: Any) -> None:
    loaded, *_ = ready
    batch = pad([[0, 3, 7, 9, 5], [0, 4, 4, 8, 30]])
    cloze = make_cloze(batch, seed=1)
    assert cloze.candidates[:, 0].tolist() == [3, 7, 9, 5, 4, 4, 8, 30]
    assert (cloze.candidates[:, 1:] != cloze.candidates[:, :1]).all()
    with torch.no_grad():
        logits = loaded.model(batch.ids).logits[:, :-1].reshape(8, -1)
    right = [
        float(row[c[0]]) > max(float(row[x]) for x in c[1:])
        for row, c in zip(logits, cloze.candidates, strict=True)
    ]
    assert cloze.score(loaded) == np.mean(right)


def test_the_cloze_is_predicted_near_zero_and_at_the_plateau(ready: Any) -> None:
    loaded, anatomy, norm, vectors = ready
    generator = torch.Generator().manual_seed(2)
    cloze = make_cloze(pad(torch.randint(2, 40, (24, 12), generator=generator).tolist()))
    assert isinstance(cloze, Cloze)
    near, plateau = cloze.predicted(
        loaded, anatomy, norm, vectors[1], Site(1), np.array([-0.02, 0.0, 0.02]), 1e-3
    )
    measured = []
    for alpha in (-0.02, 0.0, 0.02, -1e7, 1e7):
        with Steered(anatomy.blocks[1], vectors[1], alpha):
            measured.append(cloze.score(loaded))
    # One of 264 answers may turn where two logits nearly tie.
    np.testing.assert_allclose(near, measured[:3], atol=1.1 / 264)
    np.testing.assert_allclose(plateau, measured[3:], atol=1.1 / 264)


def test_the_judge_has_errors_and_a_prediction_only_if_it_counts_words(
    ready: Any, concept: Any
) -> None:
    loaded, anatomy, norm, vectors = ready
    arguments = (loaded, anatomy, norm, vectors[1], Site(1), concept)
    curve = judge_score(*arguments, KeywordJudge(concept.words))
    assert curve.alphas.size == curve.measured.size == 11
    assert (curve.error > 0).all()
    assert np.isfinite(curve.plateau).all()
    # At alpha = 0 the prediction is the chance that a word occurs along the unsteered texts.
    words = word_tokens(loaded.tokenizer, concept.words, anatomy.vocabulary)
    chances = []
    for index, prompt in enumerate(concept.contexts[:3]):
        ids = generate_ids(loaded, prompt, 8, 16, seed=index)
        with torch.no_grad():
            p = loaded.model(ids).logits[:, -17:-1].softmax(-1)[..., list(words)].sum(-1)
        chances += (1 - (1 - p).prod(-1)).tolist()
    at_zero = float(curve.predicted[np.abs(curve.dense).argmin()])
    assert at_zero == pytest.approx(np.mean(chances), rel=1e-6)
    assert ((curve.predicted > 0) & (curve.predicted < 1)).all()
    own = judge_score(*arguments, lambda text: float("sun" in text))
    assert own.predicted.size == 0
    assert np.isnan(own.plateau).all()


def test_a_benchmark_of_ones_own_is_called_under_steering(ready: Any) -> None:
    loaded, anatomy, norm, vectors = ready
    batch = pad([[0, 3, 7, 9, 5]])

    def score(model: Any, tokenizer: Any) -> float:
        assert tokenizer is loaded.tokenizer
        with torch.no_grad():
            return float(model(batch.ids).logits[0, -1, 4])

    arguments = (loaded, anatomy, norm, vectors[1], Site(1), batch)
    curve = benchmark_score(*arguments, score)
    assert curve.measured[6] == score(loaded.model, loaded.tokenizer)
    assert len(set(curve.measured.tolist())) == curve.alphas.size == 13
    with pytest.raises(ModelError, match="returned nan at alpha = -10"):
        benchmark_score(
            *arguments,
            lambda model, _: float(model(batch.ids).logits[0, 0, 0]) * float("nan"),
        )


def test_callables_come_from_the_command_line(
    model_folder: Path,
    concept_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "mine_for_bridge.py").write_text(
        "import torch\n"
        "def judge(text):\n    return 1.0\n"
        "def bench(model, tokenizer):\n"
        "    return float(model(torch.tensor([[0, 5, 9]])).logits[0, -1, 3])\n"
        "number = 3\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    arguments = ["figures", f"--model={model_folder}", f"--concept={concept_file}"]
    arguments += [f"--out={tmp_path / 'out'}", "--only=judge,benchmark"]
    assert status_of([*arguments, "--judge=mine_for_bridge:judge",
                      "--benchmark=mine_for_bridge:bench"]) == 0  # fmt: skip
    with np.load(tmp_path / "out" / "paper_judge.npz", allow_pickle=False) as data:
        assert (data["measured"] == 1).all()
    with np.load(tmp_path / "out" / "paper_benchmark.npz", allow_pickle=False) as data:
        assert np.isfinite(data["measured"]).all()
        assert data["predicted"].size == 0
    capsys.readouterr()
    for change, message in (
        ("--judge=absent_module:judge", "cannot import 'absent_module'"),
        ("--judge=mine_for_bridge:juge", "did you mean judge?"),
        ("--judge=mine_for_bridge:number", "unknown function of mine_for_bridge 'number'"),
    ):
        assert status_of([*arguments, change]) == 2
        last = capsys.readouterr().err.strip().splitlines()[-1]
        assert last.startswith("error: ")
        assert message in last


def test_the_line_is_fitted_as_far_as_it_carries() -> None:
    alphas = asinh_grid(200.0, 1.0, 24)
    straight = fit_tanh(alphas, 0.5 + 0.3 * alphas)
    assert straight.reach == 200
    assert straight.slope == pytest.approx(0.3)
    assert straight.explained == pytest.approx(1)
    bent = fit_tanh(alphas, 3 * np.tanh(alphas / 3), tolerance=0.25)
    # Within 0.25 of a line through tanh: the chord leaves it where the saturation begins.
    assert 2 < bent.reach < 6
    assert 0.5 < bent.slope < 1
    wild = fit_tanh(alphas, 10 * np.abs(alphas))
    assert wild.half == 0
