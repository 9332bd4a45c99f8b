"""What is found in a model, on which terms it is refused, and that it may be anywhere."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from steering_strength.proofs_check.bridge.generated import KLBudget
from steering_strength.proofs_check.bridge.loading import ModelError
from steering_strength.proofs_check.bridge.model import SteeredModel
from steering_strength.theory.errors import AssumptionError, ShapeError, UnknownNameError

from .conftest import device, random_model
from .elsewhere import Elsewhere, sent_away

pytestmark = pytest.mark.bridge

SITES = {
    "gpt2": ("transformer.ln_f", "transformer.h.0"),
    "llama": ("model.norm", "model.layers.0"),
    "opt": ("model.decoder.final_layer_norm", "model.decoder.layers.0"),
    "gemma3": ("model.norm", "model.layers.0"),
    "granite": ("model.norm", "model.layers.0"),
    "neox": ("gpt_neox.final_layer_norm", "gpt_neox.layers.0"),
    "mamba": ("backbone.norm_f", "backbone.layers.0"),
}
CUDA = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="GPU"))


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
@pytest.mark.parametrize("kind", sorted(SITES))
def test_sites_are_found_without_names(steered: Any, kind: str, dtype: str) -> None:
    model = steered(kind, dtype)
    norm, first_block = SITES[kind]
    assert model.structure.final_norm_name == norm
    assert model.structure.block_names[0] == first_block
    assert len(model.blocks) == 3
    assert (model.width, model.vocabulary) == (32, 64)
    assert model.dtype == getattr(torch, dtype)
    assert model.structure.not_affine is None
    assert model.structure.plain
    # Nothing was converted or hooked.
    assert {p.dtype for p in model.hf_model.parameters()} == {model.dtype}
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.hf_model.modules())
    # The final norm of 16-bit states is recomputed in float32, from a copy.
    assert (model.structure.wide_norm is None) == (dtype in ("float64", "float32"))


def test_a_constant_logit_scale_is_measured(steered: Any) -> None:
    assert steered("granite").logit_scale == pytest.approx(1 / 6, rel=1e-14)
    assert steered("llama").logit_scale == 1.0


@pytest.mark.parametrize("kind", ["gemma2", "gemma3"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_a_soft_cap_is_refused_at_the_final_norm_only(
    steered: Any, concept: Any, kind: str, dtype: str
) -> None:
    capped = steered(kind, dtype, final_logit_softcapping=30.0)
    vector = capped.vector(concept.positive, concept.neutral)
    with pytest.raises(AssumptionError, match="soft-cap 30") as caught:
        capped.at("final_norm", vector, "the day was")
    assert caught.value.assumption == "affine unembedding"
    at_block = capped.vector(concept.positive, concept.neutral, 1)
    assert np.isfinite(capped.at(1, at_block, "the day was").log_probability(1.0)).all()
    assert steered(kind, dtype, final_logit_softcapping=None).structure.not_affine is None


@pytest.mark.parametrize("scale", [0.02, 1e-4])
def test_a_soft_cap_is_found_even_where_the_logits_are_tiny(steered: Any, scale: float) -> None:
    # Logits of 1e-3 pass through tanh(x / 30) unchanged to float32: only the far probe sees it.
    hf_model = random_model("gemma2", "float32", initializer_range=scale)
    hf_model.model.norm.weight.data.fill_(-0.999)
    model = SteeredModel(hf_model, steered("llama").tokenizer)
    assert "soft-cap" in str(model.structure.not_affine)


class _Bent(torch.nn.Module):
    """An unembedding that bends: linear for small states only."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.weight = inner.weight

    def forward(self, hidden: Any) -> Any:
        return torch.asinh(self.inner(hidden))


def test_an_unembedding_that_is_itself_nonlinear_is_read_through_the_model(tokenizer: Any) -> None:
    hf_model = random_model("llama")
    hf_model.set_output_embeddings(_Bent(hf_model.get_output_embeddings()))
    model = SteeredModel(hf_model, tokenizer)
    assert "shift of 64 nats" in str(model.structure.not_affine)
    ids = model.encode("the day was").ids.to(model.device)
    expected = torch.log_softmax(hf_model(input_ids=ids).logits[0, -1], -1).cpu().numpy()
    np.testing.assert_allclose(model.log_probability("the day was")[0], expected, atol=1e-6)


def test_what_is_no_causal_model_is_refused_by_its_name(tokenizer: Any) -> None:
    with pytest.raises(ModelError, match=r"BertLMHeadModel is not causal.*is_decoder"):
        SteeredModel(random_model("bert"), tokenizer)
    # The same with a causal mask is one, though its final norm comes after the choice of positions.
    causal = SteeredModel(random_model("bert", is_decoder=True), tokenizer)
    assert causal.log_probability(["the day", "a child is never"]).shape == (2, 64)
    with pytest.raises(ModelError, match="no output embeddings"):
        SteeredModel(random_model("llama").model, tokenizer)
    training = random_model("gpt2", embd_pdrop=0.5)
    training.train()
    with pytest.raises(ModelError, match=r"model\.eval"):
        SteeredModel(training, tokenizer)
    broken = random_model("llama")
    broken.model.layers[1].mlp.down_proj.weight.data[0, 0] = float("nan")
    with pytest.raises(ModelError, match="NaN logits"):
        SteeredModel(broken, tokenizer)
    with pytest.raises(ModelError, match=r"forward pass of MixtralForCausalLM fails.*float32"):
        SteeredModel(random_model("mixtral", "float64"), tokenizer)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_dynamic_int8_works_at_blocks_and_is_named_at_the_final_norm(
    tokenizer: Any, concept: Any
) -> None:
    small = torch.ao.quantization.quantize_dynamic(
        random_model("llama", "float32", where="cpu"), {torch.nn.Linear}, dtype=torch.qint8
    )
    model = SteeredModel(small, tokenizer, name="int8")
    vector = model.vector(concept.positive, concept.neutral)
    with pytest.raises(AssumptionError, match="quantised"):
        model.at("final_norm", vector, "the day was")
    assert model.floor > 1e-6
    curve = model.at(1, model.vector(concept.positive, concept.neutral, 1), "the day was")
    assert curve.cross_entropy_root(0.2, 1).alpha > 0


def test_sites_that_do_not_exist(steered: Any) -> None:
    model = steered("llama")
    with pytest.raises(ShapeError, match="block 3, the model has 3"):
        model.site(3)
    with pytest.raises(UnknownNameError, match="final_norm"):
        model.site("middle")
    assert model.site("block_out 1") == model.site(1)


def dispatch(hf_model: Any, away: set[str], blocks: Any, folder: Path) -> None:
    """As `device_map="auto"` does where a model does not fit: some modules on the next device."""
    accelerate = pytest.importorskip("accelerate")
    main, beyond = (0, "cpu") if torch.cuda.is_available() else ("cpu", "disk")
    places = {
        name: beyond if name in away else main
        for name, module in hf_model.named_modules()
        if name in blocks
        or not (any(module.children()) or any(name.startswith(f"{block}.") for block in blocks))
    }
    accelerate.dispatch_model(hf_model, places, main_device=main, offload_dir=folder)


@pytest.mark.filterwarnings("ignore:You are calling .generate")  # the weights are on "meta"
@pytest.mark.parametrize("where", ["offloaded", "split", "pretended", CUDA])
@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma2"])
def test_the_model_may_be_elsewhere(
    tokenizer: Any, concept: Any, kind: str, where: str, tmp_path: Path
) -> None:
    """Weights on another device or on two, or brought in by accelerate: same numbers."""
    here = SteeredModel(random_model(kind, "float32", where="cpu"), tokenizer, name=kind)
    moved = random_model(kind, "float32", where="cpu")
    # A GPU draws its own random numbers.
    how = {"temperature": 0.0 if where in ("cuda", "split") else 1.0}
    rolled = here.continued("the day was", 3, **how).ids
    with Elsewhere() if where == "pretended" else nullcontext():
        if where == "pretended":
            sent_away(moved)
        elif where == "offloaded":
            accelerate = pytest.importorskip("accelerate")
            accelerate.cpu_offload(moved)
            assert {p.device.type for p in moved.parameters()} == {"meta"}
        elif where == "split":
            dispatch(
                moved,
                {here.structure.block_names[1], here.structure.final_norm_name},
                here.structure.block_names,
                tmp_path,
            )
        else:
            moved.to(where)
        there = SteeredModel(moved, here.tokenizer, name=kind)
        for site in (0, 2, "final_norm"):
            if kind == "gemma2" and site == "final_norm":
                continue
            vector = here.vector(concept.positive, concept.neutral, site)
            again = there.vector(concept.positive, concept.neutral, site)
            np.testing.assert_allclose(again.values, vector.values, atol=1e-4)
            one = here.at(site, vector, concept.contexts[0])
            other = there.at(site, vector.values, concept.contexts[0])
            np.testing.assert_allclose(
                other.log_probability([-1.0, 0.0, 2.0]),
                one.log_probability([-1.0, 0.0, 2.0]),
                atol=1e-3,
            )
            with there.steered(again, 1.0):
                assert np.isfinite(there.log_probability(concept.contexts)).all()
            budget = KLBudget(there, again, 0.1)
            there.continued(concept.contexts[:1], 2, processor=budget)
            assert 0 < np.max(budget.costs) <= 0.1001
        assert there.continued("the day was", 3, **how).ids.tolist() == rolled.tolist()


def test_the_pretended_device_refuses_what_a_real_one_would() -> None:
    with Elsewhere():
        there = torch.ones(3, device="xpu:0")
        with pytest.raises(RuntimeError, match="same device"):
            there + torch.ones(3)
        assert (there + 1.0).device.type == (there.double() * 2).device.type == "xpu"
        assert (there.cpu() + torch.ones(3)).device.type == "cpu"
        assert (torch.ones(3).to(there.device) + there).sum().item() == 6.0


def test_the_floor_tells_precisions_apart(steered: Any) -> None:
    wide, middle, narrow = (
        steered("llama", dtype).floor for dtype in ("float64", "float32", "bfloat16")
    )
    assert wide < 1e-15
    assert wide < middle < 1e-10
    assert 1e-6 < narrow < 1e-2


def test_sixteen_bits_meet_the_budgets_their_floor_allows(steered: Any, concept: Any) -> None:
    exact, coarse = steered("llama", "float32"), steered("llama", "bfloat16")
    vector = exact.vector(concept.positive, concept.neutral, 1)
    budget = 200 * coarse.floor
    for text in concept.contexts:
        truth = exact.at(1, vector, text)
        found = coarse.at(1, vector.values, text).cross_entropy_root(budget, 1)
        # The weights were rounded too: a tenth of the budget, as the floor promises.
        spent = float(truth.cross_entropy_increase(found.alpha))
        assert spent == pytest.approx(budget, rel=0.15)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_adapters_of_peft_are_part_of_the_model(steered: Any, concept: Any) -> None:
    peft = pytest.importorskip("peft")
    plain = steered("llama")
    config = peft.LoraConfig(r=2, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
    wrapped = peft.get_peft_model(random_model("llama"), config).eval()
    model = SteeredModel(wrapped, plain.tokenizer)
    assert model.structure.plain
    _spends_what_it_says(model, concept)
    vector = model.vector(concept.positive, concept.neutral, 1)
    assert not np.allclose(
        vector.values, plain.vector(concept.positive, concept.neutral, 1).values, rtol=0.1
    )


def test_quantised_weights_work_where_a_forward_pass_does(
    tmp_path: Path, tokenizer: Any, concept: Any
) -> None:
    pytest.importorskip("bitsandbytes")
    import transformers

    # The kernels of 4 bits want widths of whole blocks.
    shape = {"hidden_size": 128, "num_key_value_heads": 4, "head_dim": 32}
    random_model("llama", "bfloat16", where="cpu", **shape).save_pretrained(tmp_path)
    for bits in ({"load_in_4bit": True}, {"load_in_8bit": True}):
        hf_model = transformers.AutoModelForCausalLM.from_pretrained(
            tmp_path, dtype=torch.bfloat16, device_map={"": device()},
            quantization_config=transformers.BitsAndBytesConfig(**bits),
        )  # fmt: skip
        model = SteeredModel(hf_model, tokenizer)
        assert 1e-6 < model.floor < 1e-2
        _spends_what_it_says(model, concept)


def _spends_what_it_says(model: Any, concept: Any) -> None:
    """A budget, against the model's own hooked pass; and text."""
    budget = max(0.1, 100 * model.floor)
    for site in (1, "final_norm"):
        vector = model.vector(concept.positive, concept.neutral, site)
        alpha = model.at(site, vector, "the day was").cross_entropy_root(budget, 1).alpha
        base = model.log_probability("the day was")[0]
        with model.steered(vector, alpha):
            moved = model.log_probability("the day was")[0]
            texts = model.continued("the day was", 3)
        assert float(np.exp(base) @ (base - moved)) == pytest.approx(budget, rel=0.15)
        assert texts.ids.shape[1] == int(texts.prompts[0]) + 3
