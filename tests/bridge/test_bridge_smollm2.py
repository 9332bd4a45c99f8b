"""End to end on a pretrained model: SmolLM2-135M-Instruct, float64, ten digits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from steering_strength.proofs_check.bridge._old.encoding import encode
from steering_strength.proofs_check.bridge.concept_texts import load_concept
from steering_strength.proofs_check.bridge.grid import alpha_grid
from steering_strength.proofs_check.bridge.verdicts.validation import validate_final_norm

pytestmark = pytest.mark.bridge


@pytest.fixture(scope="module")
def outcome(smollm2: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("smollm2")
    joy = load_concept("joy")
    # A third of the contexts and half the grid of the command line.
    fewer = replace(joy, contexts=joy.contexts[:4])
    return validate_final_norm(smollm2, fewer, alpha_grid(8.0, 17), folder, tokens_per_context=4)


def test_the_law_holds_to_ten_digits_with_a_large_effect(outcome: Any) -> None:
    assert outcome.setting.anatomy.final_norm_name == "model.norm"
    assert len(outcome.setting.anatomy.blocks) == 30
    assert outcome.curves.error.shape == (17, 4)
    assert outcome.curves.error.max() <= 1e-10
    assert outcome.curves.total_variation[[0, -1]].min() > 0.3


def test_every_statement_passes(outcome: Any) -> None:
    statements = (
        "final-norm",
        "peak",
        "monotone",
        "mean-slope",
        "concept-tanh",
        "ce-exact",
        "ce-radius",
    )
    assert {v.id: v.status for v in outcome.verdicts} == dict.fromkeys(statements, "passed")


def test_peaks_agree_to_seven_digits(outcome: Any) -> None:
    assert len(outcome.peaks) >= 2
    for peak in outcome.peaks:
        assert abs(peak.alpha - peak.predicted_alpha) < 1e-7
        assert peak.log_height == pytest.approx(peak.predicted_log_height, abs=1e-10)


def test_steering_towards_joy_makes_the_words_of_joy_likely(outcome: Any) -> None:
    probability = 1 / (1 + np.exp(-outcome.curves.concept_measured))
    assert probability[8].mean() < 0.1 < 0.5 < probability[-1].mean()
    assert probability[0].max() < 1e-6


def test_the_files_hold_what_was_found(outcome: Any) -> None:
    folder = outcome.paths[0].parent
    content = json.loads(Path(folder / "final_norm.json").read_text())
    assert content["model"]["name"] == "SmolLM2-135M-Instruct"
    assert content["measured"]["max_error_nats"] == outcome.curves.error.max()
    assert all(path.stat().st_size > 1000 for path in outcome.paths)


def test_the_tokenizer_of_the_gguf_file_gets_its_bos(smollm2: Any) -> None:
    batch = encode(smollm2.tokenizer, ["A text"])
    assert batch.ids[0, 0] == smollm2.tokenizer.bos_token_id
