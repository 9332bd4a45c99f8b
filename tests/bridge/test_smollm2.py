"""The laws on a real model, SmolLM2-135M, as anyone can repeat them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from steering_strength.proofs_check.bridge.blocks import block_laws
from steering_strength.proofs_check.bridge.texts import load_concept

pytestmark = pytest.mark.bridge


def test_the_laws_at_the_final_norm_a_middle_and_the_last_block(smollm2: Any) -> None:
    joy = load_concept("joy")
    few = {"positive": joy.positive[:10], "neutral": joy.neutral[:10]}
    joy = replace(joy, contexts=joy.contexts[:1], **few)
    report = block_laws(smollm2, joy, layers=[15, 29], windows=1, beyond=False)
    status = {verdict.id: verdict.status for verdict in report.verdicts}
    assert {status[name] for name in report.exact} == {"passed"}
    assert {word for name, word in status.items() if "@" not in name} == {"passed"}
    assert {"final-norm", "peak", "last-block@block_out 29"} <= report.exact
    assert report.measured["max_error_nats"] < 1e-11
    # The model's own float32 pass, with a hook.
    assert report.measured["hook_error_nats"] < 1e-3
    assert len(report.measured["peaks"]) >= 3
    for peak in report.measured["peaks"]:
        assert peak["measured"] == pytest.approx(peak["predicted"], abs=1e-6)
    assert report.measured["positive_log_odds_share_of_words"] > 0.9
    assert status["local 0.01 nat@block_out 15"] == "passed"
    assert status["ce-linear@block_out 15"] == "passed"
    ratio = report.arrays["laws"]["ratio"]
    assert np.abs(ratio[:, 0] - 1).max() < 0.1
