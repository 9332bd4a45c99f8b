"""The law at the output of the final norm, on random models: twelve digits, no free parameter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from steering_strength.proofs_check.bridge.errors import SelfCheckError
from steering_strength.proofs_check.bridge.grid import alpha_grid
from steering_strength.proofs_check.bridge.measure.final_norm import measure, sweep
from steering_strength.proofs_check.bridge.measure.measured_peaks import (
    locate,
    locate_peaks,
    predict,
)
from steering_strength.proofs_check.bridge.steering.setting import prepare
from steering_strength.proofs_check.bridge.verdicts.judge import judge_final_norm
from steering_strength.proofs_check.bridge.verdicts.selfchecks import check_all
from steering_strength.theory import TiltedFamily

pytestmark = pytest.mark.bridge

ALPHAS = alpha_grid(8.0, 17)


@pytest.mark.parametrize("kind", ["gpt2", "llama", "mistral", "qwen3", "gemma3", "granite"])
def test_tilting_holds_to_twelve_digits(kind: str, load_random: Any, concept: Any) -> None:
    setting = prepare(load_random(kind), concept)
    curves = sweep(setting, ALPHAS)
    assert curves.total_variation[[0, -1]].min() > 0.3
    # Log-probabilities reach -100 here, so 1e-12 is about 50 ulp of the largest of them.
    assert curves.error.max() <= 1e-12
    assert curves.error.shape == (17, 4)


def test_float32_stays_within_its_own_rounding_bound(load_random: Any, concept: Any) -> None:
    setting = prepare(load_random("llama", "float32"), concept)
    curves = sweep(setting, ALPHAS)
    assert curves.total_variation[[0, -1]].min() > 0.3
    assert 1e-12 < curves.error.max() <= setting.rounding(8.0) < 1e-2


@pytest.mark.parametrize("kind", ["gpt2", "gemma3"])
def test_every_statement_passes_and_is_about_something(
    kind: str, load_random: Any, concept: Any
) -> None:
    setting = prepare(load_random(kind), concept)
    curves = sweep(setting, ALPHAS)
    peaks = [peak for j in range(4) for peak in locate_peaks(setting, curves, j)]
    assert len(peaks) >= 4
    assert all(peak.agrees for peak in peaks)
    assert max(peak.uncertainty for peak in peaks) < 1e-3
    for verdict in judge_final_norm(setting, curves, peaks, 0.0):
        assert verdict.status == "passed", verdict
        assert verdict.examples > 0


def test_the_wrong_law_is_refuted(load_random: Any, concept: Any) -> None:
    setting = prepare(load_random("llama"), concept)
    reversed_m = replace(setting, log_odds=-setting.log_odds)
    scaled_m = replace(setting, log_odds=setting.log_odds * (1 + 1e-9))
    for wrong in (reversed_m, scaled_m):
        curves = sweep(wrong, ALPHAS)
        verdicts = {v.id: v for v in judge_final_norm(wrong, curves, (), 0.0)}
        assert verdicts["final-norm"].status == "refuted"
        assert verdicts["peak"].status == "unknown"


def test_agreement_without_effect_is_unknown(load_random: Any, concept: Any) -> None:
    setting = prepare(load_random("llama"), concept)
    verdict = judge_final_norm(setting, sweep(setting, alpha_grid(1e-3, 5)), (), 0.0)[0]
    assert verdict.status == "unknown"
    assert "raise --alpha-max" in verdict.note


def test_self_checks_pass_and_fail(load_random: Any, concept: Any) -> None:
    setting = prepare(load_random("llama"), concept)
    assert len(check_all(setting)) == 3
    shifted = replace(setting.baseline, log_p=setting.baseline.log_p + 1e-12)
    with pytest.raises(SelfCheckError, match="alpha = 0 changes"):
        check_all(replace(setting, baseline=shifted))
    with pytest.raises(SelfCheckError, match="its sign is wrong"):
        check_all(replace(setting, vector=-setting.vector))
    with pytest.raises(SelfCheckError, match="vector is zero"):
        check_all(replace(setting, vector=torch.zeros_like(setting.vector)))


def test_a_model_that_ignores_the_mask_is_noticed(load_random: Any, concept: Any) -> None:
    loaded = load_random("llama")
    setting = prepare(loaded, concept)
    model = loaded.model

    class Careless:
        """Reads the batch backwards, so the padding comes first."""

        config = model.config

        def __call__(self, input_ids: Any, attention_mask: Any, use_cache: bool) -> Any:
            out = model(input_ids=input_ids.flip(1), use_cache=use_cache)
            out.logits = out.logits.flip(1)
            return out

    careless = replace(setting, loaded=replace(loaded, model=Careless()))
    baseline = replace(setting.baseline, log_p=measure(careless, 0.0))
    with pytest.raises(SelfCheckError, match="alone and in the padded batch differ"):
        check_all(replace(careless, baseline=baseline))


@pytest.mark.parametrize(("p", "low", "high"), [(0.2, -1.3, 2.1), (0.5, -0.4, 0.9)])
def test_locate_finds_a_peak_that_is_known_in_closed_form(
    p: float, low: float, high: float
) -> None:
    # Three tokens, M = low, 0, high; the middle one peaks at log(P_- t / (P_+ s)) / (s + t).
    base = np.log([0.3 * (1 - p), p, 0.7 * (1 - p)])
    odds = np.array([low, 0.0, high])
    exact = np.log(0.3 * -low / (0.7 * high)) / (high - low)

    def height(alpha: float) -> float:
        return float(base[1] - np.logaddexp.reduce(base + alpha * odds))

    grid = np.linspace(-8, 8, 33)
    top = int(np.argmax([height(a) for a in grid]))
    bracket, alpha, uncertainty, top_height = locate(
        height, grid[top - 1], grid[top], grid[top + 1], 1e-15
    )
    assert bracket[0] < exact < bracket[1]
    assert abs(alpha - exact) <= uncertainty < 1e-7
    assert top_height == pytest.approx(height(exact), abs=1e-12)
    assert predict(TiltedFamily(base, odds), 1) == pytest.approx(exact, abs=1e-12)


def test_locate_admits_that_it_found_no_sign_change() -> None:
    # A plateau: every difference is below the noise.
    _, alpha, _, _ = locate(lambda a: -1e-18 * a * a, -0.5, 0.0, 0.5, 1e-15)
    assert np.isnan(alpha)


def test_extremes_peak_at_infinity() -> None:
    family = TiltedFamily(np.log([0.2, 0.3, 0.5]), np.array([-1.0, 0.5, 2.0]))
    assert predict(family, 0) == -np.inf
    assert predict(family, 2) == np.inf
