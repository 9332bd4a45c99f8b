"""Sites are found by structure in every architecture, and a nonlinear read-out is refused."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from steering_strength.proofs_check.bridge._old.anatomy import inspect_model
from steering_strength.proofs_check.bridge._old.hooks import Captured, Steered
from steering_strength.proofs_check.bridge.errors import ModelError
from steering_strength.theory.errors import AssumptionError

from .conftest import random_model

pytestmark = pytest.mark.bridge

SITES = {
    "gpt2": ("transformer.ln_f", "transformer.h.0"),
    "llama": ("model.norm", "model.layers.0"),
    "mistral": ("model.norm", "model.layers.0"),
    "qwen3": ("model.norm", "model.layers.0"),
    "gemma3": ("model.norm", "model.layers.0"),
    "granite": ("model.norm", "model.layers.0"),
    "neox": ("gpt_neox.final_layer_norm", "gpt_neox.layers.0"),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", sorted(SITES))
def test_sites_are_found_without_names(kind: str, dtype: str) -> None:
    anatomy = inspect_model(random_model(kind, dtype))
    norm, first_block = SITES[kind]
    assert anatomy.final_norm_name == norm
    assert anatomy.block_names[0] == first_block
    assert len(anatomy.blocks) == 3
    assert (anatomy.width, anatomy.vocabulary) == (32, 64)


def test_a_constant_logit_scale_is_measured() -> None:
    assert inspect_model(random_model("granite")).logit_scale == pytest.approx(1 / 6, rel=1e-14)
    assert inspect_model(random_model("llama")).logit_scale == pytest.approx(1, rel=1e-14)


@pytest.mark.parametrize("kind", ["gemma2", "gemma3"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_soft_cap_is_refused_and_its_absence_accepted(kind: str, dtype: str) -> None:
    capped = random_model(kind, dtype, final_logit_softcapping=30.0)
    with pytest.raises(AssumptionError, match=r"soft-cap 30.*choose a model") as caught:
        inspect_model(capped)
    assert caught.value.assumption == "affine unembedding"
    assert inspect_model(random_model(kind, dtype, final_logit_softcapping=None)).logit_scale == 1


@pytest.mark.parametrize("scale", [0.02, 1e-4])
def test_a_soft_cap_is_refused_even_where_the_logits_are_tiny(scale: float) -> None:
    # Logits of 1e-3 pass through tanh(x / 30) unchanged to float32: only the far probe sees it.
    capped = random_model("gemma2", "float32", initializer_range=scale)
    capped.model.norm.weight.data.fill_(-0.999)
    with pytest.raises(AssumptionError, match="soft-cap"):
        inspect_model(capped)


class _Bent(torch.nn.Module):
    """An unembedding that bends: linear for small states only."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.weight = inner.weight

    def forward(self, hidden: Any) -> Any:
        return torch.asinh(self.inner(hidden))


def test_an_unembedding_that_is_itself_nonlinear_is_refused() -> None:
    model = random_model("llama")
    model.set_output_embeddings(_Bent(model.get_output_embeddings()))
    with pytest.raises(AssumptionError, match="shift of 64 nats"):
        inspect_model(model)


def test_a_model_in_training_mode_is_refused() -> None:
    model = random_model("gpt2", embd_pdrop=0.5)
    inspect_model(model)
    model.train()
    with pytest.raises(ModelError, match=r"model\.eval"):
        inspect_model(model)


def test_a_model_without_unembedding_is_refused() -> None:
    with pytest.raises(ModelError, match="no output embeddings"):
        inspect_model(random_model("llama").model)


@pytest.mark.parametrize("alpha", [0.0, 1.5, -3.0])
def test_the_hook_adds_exactly_alpha_v_where_it_should(alpha: float) -> None:
    model = random_model("llama")
    anatomy = inspect_model(model)
    ids = torch.randint(0, 64, (2, 5), generator=torch.Generator().manual_seed(3))
    vector = torch.arange(32, dtype=torch.float64)
    mask = torch.tensor([[False, True, True, False, True]] * 2)
    block = anatomy.blocks[1]
    with torch.no_grad():
        with Captured(block) as before:
            model(ids)
        with Steered(block, vector, alpha, mask) as steering, Captured(block) as after:
            model(ids)
    assert steering.fired == 1
    expected = before.value + alpha * vector * mask[:, :, None]
    assert torch.equal(after.value, expected)


def test_one_alpha_per_row() -> None:
    model = random_model("gpt2")
    site = inspect_model(model).final_norm
    ids = torch.randint(0, 64, (1, 5), generator=torch.Generator().manual_seed(3))
    vector = torch.linspace(-1, 1, 32, dtype=torch.float64)
    alphas = torch.tensor([-2.0, 0.0, 7.0], dtype=torch.float64)
    with torch.no_grad():
        with Steered(site, vector, alphas):
            together = model(ids.expand(3, -1)).logits
        for row, alpha in enumerate(alphas.tolist()):
            with Steered(site, vector, alpha):
                alone = model(ids).logits[0]
            torch.testing.assert_close(together[row], alone, rtol=0, atol=1e-12)


def test_a_hook_that_never_fires_is_an_error() -> None:
    from steering_strength.proofs_check.bridge.errors import SelfCheckError

    unused = torch.nn.Linear(2, 2)
    model = random_model("gpt2")
    with (
        pytest.raises(SelfCheckError, match="never fired"),
        Steered(unused, torch.zeros(2), 1.0),
        torch.no_grad(),
    ):
        model(torch.zeros((1, 2), dtype=torch.int64))
    with Captured(unused) as state, pytest.raises(SelfCheckError, match="never fired"):
        _ = state.value
    # An error raised inside is not replaced by the hook's own complaint.
    with pytest.raises(KeyError), Steered(unused, torch.zeros(2), 1.0):
        raise KeyError
