"""The final norm is identified by its values, and the last block follows in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from steering_strength.proofs_check.bridge.curve import last_block
from steering_strength.proofs_check.bridge.loading import ModelError

from .conftest import random_model

pytestmark = pytest.mark.bridge

FAMILIES = ["gpt2", "llama", "gemma3", "granite", "neox", "cohere", "mamba"]
LAYER_NORM = ("gpt2", "neox", "cohere")


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("kind", FAMILIES)
def test_the_norm_is_identified_by_its_values(steered: Any, kind: str, dtype: str) -> None:
    model = steered(kind, dtype)
    norm = model.norm
    assert norm.kind == ("layer" if kind in LAYER_NORM else "rms")
    assert 0.9e-6 < norm.eps < 1.1e-5
    weight = model.final_norm.weight.to(torch.float64).cpu().numpy()
    np.testing.assert_allclose(norm.gain, weight + (kind == "gemma3"), rtol=1e-5)
    exact = dtype == "float64" and kind in ("gpt2", "neox")
    assert (norm.precision < 1e-13) == exact


@pytest.mark.parametrize("eps", [1e-12, 1e-3])
def test_other_eps_are_identified_too(steered: Any, eps: float) -> None:
    assert steered("gpt2", layer_norm_epsilon=eps).norm.eps == pytest.approx(eps, rel=1e-3)


def test_a_norm_of_another_kind_is_refused_where_it_is_needed(
    steered: Any, concept: Any, tokenizer: Any
) -> None:
    from steering_strength.proofs_check.bridge.model import SteeredModel

    class Clipped(torch.nn.Module):
        def forward(self, hidden: Any) -> Any:
            return torch.tanh(hidden)

    hf_model = random_model("llama")
    hf_model.model.norm = Clipped()
    model = SteeredModel(hf_model, tokenizer, name="clipped")
    with pytest.raises(ModelError, match="neither an RMSNorm nor a LayerNorm"):
        _ = model.norm
    # The last block is measured then, and its limit too.
    curve = model.at(2, model.vector(concept.positive, concept.neutral, 2), "the day was")
    assert curve.method == "measured"
    assert np.isfinite(curve.limit(1)).all()


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_last_block_in_closed_form(steered: Any, concept: Any, kind: str) -> None:
    model = steered(kind)
    vector = model.vector(concept.positive, concept.neutral, 2)
    held = model.hold("very cold rain and a sad", 2)
    form = last_block(model, held.residual[0, -1].double().cpu().numpy(), vector)
    # |W_z| |LN| is about 20 here, times the norm's own precision.
    tolerance = 300 * max(model.norm.precision, 1e-7 if kind == "mamba" else 0.0)
    alphas = [-1e6, -30.0, 0.0, 0.5, 40.0]
    measured = model.log_softmax(held.last_normed([0] * 5, alphas, vector))
    assert np.abs(form.log_probability(alphas) - measured).max() < tolerance
    for sign in (1, -1):
        np.testing.assert_allclose(form.limit(sign), form.log_probability(sign * 1e300), atol=1e-12)
