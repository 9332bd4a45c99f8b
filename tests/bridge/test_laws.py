"""The law report on small random models: exact statements pass, a wrong law does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from steering_strength.proofs_check.bridge.blocks import block_laws, budget_alphas
from steering_strength.proofs_check.bridge.data import alpha_grid, asinh_grid
from steering_strength.proofs_check.bridge.generated import Reading
from steering_strength.proofs_check.bridge.laws import LawReport, final_norm_laws
from steering_strength.proofs_check.bridge.loading import SelfCheckError
from steering_strength.proofs_check.bridge.texts import pad
from steering_strength.theory import TiltedFamily
from steering_strength.theory.errors import AlphaError, AssumptionError, ShapeError

pytestmark = pytest.mark.bridge

EXACT = {
    "final-norm", "peak", "monotone", "mean-slope", "concept-tanh", "ce-exact", "ce-radius",
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [("gpt2", "float64"), ("llama", "float64"), ("gemma3", "float32"), ("granite", "float32")],
)
def test_seven_statements_are_exact_at_the_final_norm(
    steered: Any, concept: Any, kind: str, dtype: str
) -> None:
    report = final_norm_laws(steered(kind, dtype), concept)
    status = {verdict.id: verdict.status for verdict in report.verdicts}
    assert set(status) == report.exact == EXACT
    assert all(value == "passed" for value in status.values()), status
    arrays = report.arrays["final_norm"]
    # All tokens, and twelve digits of a float32 model too: the read-out is in float64.
    assert arrays["error"].max() < 1e-11
    assert report.measured["total_variation_at_the_ends"] > 0.3
    at = np.abs(arrays["dense"][:, None] - arrays["alphas"]).argmin(axis=0)
    np.testing.assert_allclose(arrays["token_predicted"][at], arrays["token_measured"], atol=1e-11)


def test_bfloat16_is_judged_by_its_own_rounding(steered: Any, concept: Any) -> None:
    report = final_norm_laws(steered("llama", "bfloat16"), concept)
    assert report.holds
    assert report.measured["hook_error_nats"] > 1e-6


@pytest.mark.parametrize("wrong", ["steeper", "shifted"])
def test_a_wrong_law_is_refuted(
    steered: Any, concept: Any, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    import steering_strength.proofs_check.bridge.laws as laws

    def family(log_p: Any, odds: Any) -> TiltedFamily:
        bent = 1.0001 * odds if wrong == "steeper" else odds + 1e-6 * np.arange(odds.size)
        return TiltedFamily(log_p, bent)

    monkeypatch.setattr(laws, "TiltedFamily", family)
    report = final_norm_laws(steered("llama"), concept)
    refuted = {verdict.id for verdict in report.verdicts if verdict.status == "refuted"}
    assert {"final-norm", "mean-slope", "concept-tanh", "ce-exact"} <= refuted
    assert not report.holds


def test_an_effect_too_small_to_test_anything_is_unknown_and_no_failure(
    steered: Any, concept: Any
) -> None:
    report = final_norm_laws(steered("llama"), concept, alphas=alpha_grid(1e-3, 5))
    status = {verdict.id: verdict.status for verdict in report.verdicts}
    assert status["final-norm"] == status["peak"] == "unknown"
    assert report.holds


def test_a_vector_made_elsewhere_is_judged_by_its_direction(steered: Any, concept: Any) -> None:
    model = steered("gpt2")
    v = np.random.default_rng(1).standard_normal(model.width)
    report = final_norm_laws(model, concept, vector=model.fitting(v, "final_norm"))
    assert report.holds
    assert report.verdicts[0].status == "passed"


def test_a_model_that_is_not_deterministic_is_refused(steered: Any, concept: Any) -> None:
    model = steered("llama")

    def noisy(_module: Any, _args: Any, output: Any) -> Any:
        return output + 1e-3 * torch.randn_like(output)

    handle = model.final_norm.register_forward_hook(noisy)
    try:
        with pytest.raises(SelfCheckError, match="alpha = 0"):
            final_norm_laws(model, concept)
    finally:
        handle.remove()


def test_a_soft_cap_is_refused_at_the_final_norm_and_measured_at_blocks(
    steered: Any, concept: Any
) -> None:
    model = steered("gemma2", "float32")
    with pytest.raises(AssumptionError):
        final_norm_laws(model, concept)
    report = block_laws(model, concept, layers=[1], windows=2, beyond=False)
    assert report.holds
    assert {verdict.id.partition("@")[2] for verdict in report.verdicts} == {"block_out 1"}


def test_every_statement_at_every_kind_of_site(steered: Any, concept: Any) -> None:
    model = steered("llama", "float32")
    report = block_laws(model, concept, windows=2, beyond=False)
    # Random weights: expansions may be refuted, no exact statement may.
    assert report.holds
    exact = {
        verdict.id: verdict.status for verdict in report.verdicts if verdict.id in report.exact
    }
    assert exact["last-block@block_out 2"] == "passed"
    assert [exact[f"norm-limit@block_out {layer}"] for layer in (0, 1, 2)] == ["passed"] * 3
    everywhere = {verdict.id.partition("@")[0] for verdict in report.verdicts}
    assert everywhere > EXACT | {"local 0.1 nat", "tilting by M_loc", "ce-linear", "last-block"}
    assert report.arrays["laws_depth"]["layers"].tolist() == [0, 1, 2]
    assert all(len(values) == 3 for name, values in report.arrays["laws"].items()
               if name not in ("model", "concept"))  # fmt: skip


def test_laws_beyond_the_paper_hold_at_the_final_norm(steered: Any, concept: Any) -> None:
    model = steered("llama", "float32")
    report = block_laws(model, concept, layers=[1], windows=2)
    status = {verdict.id: verdict.status for verdict in report.verdicts}
    for name in ("operator", "sequence-reverse", "standard-error"):
        assert status[name] == "passed", name
        assert f"{name}@block_out 1" in status
    assert "operator" in report.exact
    assert report.arrays["laws_texts"]["panels"] == 2


@pytest.mark.parametrize("wrong", ["ablation", "rotation"])
def test_a_wrong_operator_is_refuted(
    steered: Any, concept: Any, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    import steering_strength.proofs_check.bridge.beyond as beyond

    listed = beyond._operators

    def bent(*given: Any) -> Any:
        for operator in listed(*given):
            if type(operator).__name__.lower() == wrong:
                states = operator.edited
                object.__setattr__(operator, "edited", lambda H, states=states: 1.001 * states(H))
            yield operator

    monkeypatch.setattr(beyond, "_operators", lambda *given: list(bent(*given)))
    report = LawReport(steered("llama"), concept)
    beyond.operators_at(report, report.model.vector(concept.positive, concept.neutral))
    assert not report.holds


def test_only_the_last_position(steered: Any, concept: Any) -> None:
    report = block_laws(
        steered("gpt2"),
        concept,
        layers=[2],
        windows=2,
        beyond=False,
        apply="last",
        read="last",
    )
    assert report.holds
    assert "last-block@block_out 2" in report.exact


def test_a_wrong_closed_form_is_refuted(
    steered: Any, concept: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import steering_strength.proofs_check.bridge.curve as curve

    right = curve.last_block

    def bent(*given: Any) -> Any:
        form = right(*given)
        return replace(form, B=-form.B)

    monkeypatch.setattr(curve, "last_block", bent)
    report = block_laws(steered("llama"), concept, layers=[2], windows=2, beyond=False)
    assert not report.holds


def test_budgets_are_spent_where_the_search_says(steered: Any, concept: Any) -> None:
    model = steered("llama")
    vector = model.vector(concept.positive, concept.neutral, 1)
    curves = model.at(1, vector, concept.contexts[:2])
    found = budget_alphas(curves, [0.01, 0.1])
    settled = np.isfinite(found["measured"])
    assert settled.mean() > 0.7
    rows = [(j, b, s) for j in range(2) for b in (0.01, 0.1) for s in (1, -1)]
    for (j, budget, _), alpha, good in zip(rows, found["measured"], settled, strict=True):
        if good:
            spent = float(curves[j].cross_entropy_increase(alpha))
            assert 0.985 * budget <= spent <= budget


def test_derivatives_of_text_are_those_of_its_losses(steered: Any, concept: Any) -> None:
    model = steered("gpt2")
    vector = model.vector(concept.positive, concept.neutral, 1)
    # Every token behind BOS was written.
    texts = pad(model.encode(concept.contexts[:1]).ids.tolist(), [1])
    reading, step = Reading(model, vector, texts), 1e-3 / vector.norm
    slopes, curvatures, _ = reading.derivatives(step)
    low, middle, high = reading.losses(-step, 0.0, step)
    np.testing.assert_allclose(slopes, (high - low) / (2 * step), rtol=1e-4, atol=1e-6)
    bend = (high - 2 * middle + low) / step**2
    np.testing.assert_allclose(curvatures, bend, rtol=1e-3, atol=1e-2 * np.abs(bend).max())


def test_the_report_says_what_failed_and_writes_it(
    steered: Any, concept: Any, tmp_path: Any
) -> None:
    report = final_norm_laws(steered("llama"), concept)
    report.verdicts[0] = replace(report.verdicts[0], status="refuted")
    assert not report.holds
    report.exact.discard(report.verdicts[0].id)
    assert report.holds
    paths = report.write(tmp_path, "final_norm", seed=0, json_copy=None)
    assert {path.name for path in paths} == {"final_norm.md", "final_norm.json", "final_norm.npz"}
    text = (tmp_path / "final_norm.md").read_text()
    assert text.count("\n| `") == 7


def test_grids() -> None:
    grid = alpha_grid(2.0, 5)
    assert grid.tolist() == [-2.0, -1.0, 0.0, 1.0, 2.0]
    wide = asinh_grid(200.0, 24)
    assert wide[24] == 0.0
    assert wide[-1] == -wide[0] == 200.0
    for reach, count in ((2.0, 4), (0.0, 5), (np.inf, 5), (2.0, 3)):
        with pytest.raises(AlphaError):
            alpha_grid(reach, count)


def test_a_model_without_blocks_has_only_its_final_norm(steered: Any, concept: Any) -> None:
    model = steered("llama")
    model.blocks = ()
    with pytest.raises(ShapeError, match="final-norm"):
        block_laws(model, concept)
