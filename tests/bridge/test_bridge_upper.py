"""Blocks below run once, the rest as often as needed: the same numbers as hooked passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from steering_strength.proofs_check.bridge._old.anatomy import inspect_model
from steering_strength.proofs_check.bridge._old.encoding import pad
from steering_strength.proofs_check.bridge._old.hooks import Captured, Steered
from steering_strength.proofs_check.bridge._old.norms import identify_norm
from steering_strength.proofs_check.bridge._old.upper import (
    Cost,
    Upper,
    position_mask,
    read_out,
    rows_at_once,
)
from steering_strength.proofs_check.bridge.errors import ModelError
from steering_strength.proofs_check.bridge.measure.last_block import last_block
from steering_strength.proofs_check.bridge.sites import Site
from steering_strength.theory.errors import ShapeError, UnknownNameError

from .conftest import random_model

pytestmark = pytest.mark.bridge

FAMILIES = ["gpt2", "llama", "mistral", "qwen3", "gemma3", "granite", "neox"]
ALPHAS = np.array([-30.0, -3.0, 0.0, 0.5, 40.0])


def _vector(seed: int = 4) -> Any:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(32, generator=generator, dtype=torch.float64)


def _hooked(model: Any, anatomy: Any, batch: Any, layer: int, alpha: float, mask: Any) -> Any:
    with (
        torch.no_grad(),
        Captured(anatomy.final_norm) as out,
        Steered(anatomy.blocks[layer], _vector(), alpha, mask),
    ):
        logits = model(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False).logits
    return out.value, logits


@pytest.mark.parametrize("apply", ["all", "last"])
@pytest.mark.parametrize("kind", FAMILIES)
def test_the_shortcut_is_the_hooked_pass(kind: str, apply: Any) -> None:
    model = random_model(kind)
    anatomy = inspect_model(model)
    batch = pad([[5, 1, 7, 9, 2, 30]])
    mask = position_mask(batch, apply)
    for layer in range(3):
        upper = Upper(model, anatomy, batch, Site(layer))
        assert upper.substituted
        states = upper.last_normed(_vector(), ALPHAS, apply)
        logits = read_out(anatomy, states)
        for i, alpha in enumerate(ALPHAS.tolist()):
            normed, expected = _hooked(model, anatomy, batch, layer, alpha, mask)
            # float32 inside RMSNorm may round either way; elsewhere it is the last bits.
            torch.testing.assert_close(states[i], normed[0, -1], rtol=1e-6, atol=1e-6)
            torch.testing.assert_close(logits[i], expected[0, -1], rtol=1e-5, atol=1e-5)


def test_padded_batches_and_single_texts_agree() -> None:
    model = random_model("llama")
    anatomy = inspect_model(model)
    rows = [[5, 1, 7, 9, 2, 30], [4, 4, 8]]
    batch = pad(rows)
    together = Upper(model, anatomy, batch, Site(1))
    states = together.normed(together.steered(_vector(), 2.5, position_mask(batch, "all")))
    for i, row in enumerate(rows):
        alone = Upper(model, anatomy, pad([row]), Site(1)).last_normed(_vector(), np.array([2.5]))
        torch.testing.assert_close(states[i, len(row) - 1], alone[0], rtol=1e-6, atol=1e-6)


def test_the_cost_counts_only_the_blocks_that_ran() -> None:
    model = random_model("gpt2")
    anatomy = inspect_model(model)
    cost = Cost()
    upper = Upper(model, anatomy, pad([[1, 2, 3, 4]]), Site(1), cost)
    start = cost.tokens
    upper.last_normed(_vector(), np.linspace(-1, 1, 6))
    # Six texts of four tokens through the last of three blocks.
    assert cost.tokens - start == pytest.approx(6 * 4 / 3)
    assert "forwards" in str(cost)


def test_batches_fit_the_memory() -> None:
    assert rows_at_once(576, 4) == 512
    wide = rows_at_once(8192, 8)
    assert wide < 512
    assert wide * 24 * 8192 * 8 <= 1 << 28
    assert rows_at_once(1 << 30, 8) == 1


def test_a_side_input_is_noticed_and_the_shortcut_given_up() -> None:
    model = random_model("llama")
    anatomy = inspect_model(model)
    first, _, third = anatomy.blocks
    memory: dict[str, Any] = {}
    first.register_forward_hook(lambda _m, _a, out: memory.update(side=out))
    third.register_forward_pre_hook(lambda _m, args: (args[0] + memory["side"], *args[1:]))
    batch = pad([[5, 1, 7, 9]])
    upper = Upper(model, anatomy, batch, Site(1))
    assert not upper.substituted
    states = upper.last_normed(_vector(), np.array([3.0]))
    expected, _ = _hooked(model, anatomy, batch, 1, 3.0, position_mask(batch, "all"))
    torch.testing.assert_close(states[0], expected[0, -1], rtol=1e-6, atol=1e-6)
    # The last block has nothing above it, so nothing can be missed.
    assert Upper(model, anatomy, batch, Site(2)).substituted


def test_nothing_stays_patched() -> None:
    model = random_model("llama")
    anatomy = inspect_model(model)
    batch = pad([[5, 1, 7, 9]])
    before = model(batch.ids).logits
    upper = Upper(model, anatomy, batch, Site(1))
    upper.last_normed(_vector(), ALPHAS)
    assert torch.equal(model(batch.ids).logits, before)
    with pytest.raises(RuntimeError):
        upper.normed(torch.zeros((1, 4, 31), dtype=torch.float64))
    assert torch.equal(model(batch.ids).logits, before)
    patched = (*anatomy.blocks, anatomy.unembedding)
    assert all("forward" not in vars(module) for module in patched)


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_norm_is_identified_by_its_values(kind: str, dtype: str) -> None:
    model = random_model(kind, dtype)
    anatomy = inspect_model(model)
    norm = identify_norm(anatomy)
    assert norm.kind == ("layer" if kind in ("gpt2", "neox") else "rms")
    assert norm.eps == pytest.approx(1e-5 if kind in ("gpt2", "neox") else 1e-6, rel=1e-4)
    weight = anatomy.final_norm.weight.to(torch.float64).numpy()
    np.testing.assert_allclose(norm.gain, weight + (kind == "gemma3"), rtol=1e-6)
    exact = dtype == "float64" and kind in ("gpt2", "neox")
    assert (norm.precision < 1e-13) == exact


@pytest.mark.parametrize("eps", [1e-12, 1e-3])
def test_other_eps_are_identified_too(eps: float) -> None:
    model = random_model("gpt2", layer_norm_epsilon=eps)
    assert identify_norm(inspect_model(model)).eps == pytest.approx(eps, rel=1e-3)


def test_a_norm_of_another_kind_is_refused() -> None:
    class Clipped(torch.nn.Module):
        def forward(self, hidden: Any) -> Any:
            return torch.tanh(hidden)

    model = random_model("llama")
    model.model.norm = Clipped()
    with pytest.raises(ModelError, match="neither an RMSNorm nor a LayerNorm"):
        identify_norm(inspect_model(model))


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_last_block_in_closed_form(kind: str) -> None:
    model = random_model(kind)
    anatomy = inspect_model(model)
    norm = identify_norm(anatomy)
    batch = pad([[5, 1, 7, 9, 2, 30]])
    upper = Upper(model, anatomy, batch, Site(2))
    form = last_block(anatomy, norm, upper.residual[0, -1].numpy(), _vector().numpy())
    # |W_z| |LN| is about 20 here, times the norm's own precision.
    tolerance = 100 * norm.precision
    for alpha in (-1e6, -30.0, 0.0, 0.5, 40.0):
        _, logits = _hooked(model, anatomy, batch, 2, alpha, None)
        measured = torch.log_softmax(logits[0, -1], -1).numpy()
        assert np.abs(form.log_probability(np.array([alpha]))[0] - measured).max() < tolerance
    for sign in (1, -1):
        far = form.log_probability(np.array([sign * 1e300]))[0]
        np.testing.assert_allclose(form.plateau(sign), far, atol=1e-12)


def test_each_logit_is_stationary_where_the_closed_form_says() -> None:
    model = random_model("llama")
    anatomy = inspect_model(model)
    upper = Upper(model, anatomy, pad([[5, 1, 7]]), Site(2))
    form = last_block(
        anatomy, identify_norm(anatomy), upper.residual[0, -1].numpy(), _vector().numpy()
    )

    def logit(alpha: Any) -> Any:
        return (form.a + alpha * form.b) / np.sqrt(form.A * alpha**2 + 2 * form.B * alpha + form.C)

    at = form.stationary()
    step = 1e-3 * (1 + np.abs(at))
    # A central difference of a smooth function at its stationary point is third order in the step.
    slope = (logit(at + step) - logit(at - step)) / (2 * step)
    elsewhere = (logit(at + 1 + step) - logit(at + 1 - step)) / (2 * step)
    assert np.abs(slope).max() < 1e-5 * np.abs(elsewhere).max()


def test_sites_are_named_and_checked() -> None:
    anatomy = inspect_model(random_model("llama"))
    assert Site.parse("block_out 2") == Site.parse(" 2 ") == Site(2)
    assert Site.parse("final_norm").module(anatomy) is anatomy.final_norm
    assert Site(2).name == "block_out 2"
    for text in ("final", "block 2", "-1", "1.5", ""):
        with pytest.raises(UnknownNameError):
            Site.parse(text)
    with pytest.raises(ShapeError, match="count blocks from 0"):
        Site(-1)
    with pytest.raises(ShapeError, match="between 0 and 2"):
        Site(3).module(anatomy)
