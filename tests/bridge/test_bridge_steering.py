"""The intervention: exact, at the right positions, under `generate`, and gone afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from steering_strength.proofs_check.bridge.loading import SelfCheckError, VectorError
from steering_strength.proofs_check.bridge.steer import Steered, added, rows_at_once
from steering_strength.proofs_check.bridge.structure import Captured
from steering_strength.proofs_check.bridge.texts import pad
from steering_strength.proofs_check.bridge.vectors import FINAL_NORM, Site, SteeringVector

pytestmark = pytest.mark.bridge

KINDS = ["gpt2", "llama", "gemma3", "mamba"]


def vector(layer: int | None, scale: float = 1.0, **more: Any) -> SteeringVector:
    values = scale * np.random.default_rng(5).standard_normal(32)
    return SteeringVector(values, Site(layer), **more)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_the_hook_adds_alpha_v_where_it_should(steered: Any, dtype: str) -> None:
    model = steered("llama", dtype)
    ids = torch.randint(0, 64, (2, 5), generator=torch.Generator().manual_seed(3))
    mask = torch.tensor([[False, True, True, False, True]] * 2)
    v = torch.as_tensor(vector(1).values)
    there, shown = v.to(model.device), mask.to(model.device)
    for alpha in (0.0, 1.5, torch.tensor([-3.0, 7.0], dtype=torch.float64)):
        with Captured(model.blocks[1]) as before:
            model.forward(ids)
        with (
            Steered(model.blocks[1], v, alpha, mask) as steering,
            Captured(model.blocks[1]) as after,
        ):
            model.forward(ids)
        assert steering.fired == 1
        # In bfloat16 rounded once, at the end: a strength in bfloat16 would have two digits.
        column = torch.as_tensor(alpha, dtype=torch.float64).to(there).reshape(-1, 1, 1)
        exact = before.value.double() + column * there * shown[:, :, None]
        assert after.value.dtype == before.value.dtype
        ulp = torch.finfo(after.value.dtype).eps * exact.abs().max()
        assert (after.value.double() - exact).abs().max() <= (
            0.51 if dtype == "bfloat16" else 2.0
        ) * ulp


def test_a_hook_that_never_fires_is_an_error(steered: Any) -> None:
    unused = torch.nn.Linear(2, 2)
    model = steered("gpt2")
    with pytest.raises(SelfCheckError, match="never fired"), Steered(unused, torch.zeros(2), 1.0):
        model.forward(torch.zeros((1, 2), dtype=torch.int64))
    with Captured(unused) as state, pytest.raises(SelfCheckError, match="never fired"):
        _ = state.value
    with pytest.raises(SelfCheckError, match="never fired"), model.steered(vector(0), 1.0):
        pass
    # An error raised inside is not replaced by the hook's own complaint.
    with pytest.raises(KeyError), Steered(unused, torch.zeros(2), 1.0):
        raise KeyError


@pytest.mark.parametrize("positions", ["all", "last", "after-prompt", "mask"])
@pytest.mark.parametrize("use_cache", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_generate_is_steered_as_a_whole_text_would_be(
    steered: Any, kind: str, use_cache: bool, positions: str
) -> None:
    model, v = steered(kind, "float64"), vector(1, 0.7)
    prompt = torch.tensor([[0, 5, 9, 11], [0, 7, 3, 30]], device=model.device)
    mask = torch.tensor([[False, True, True, False]] * 2)
    with model.steered(v, 1.0, positions=mask if positions == "mask" else positions) as steering:
        made = model.hf_model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=5,
            min_new_tokens=5,
            do_sample=False,
            use_cache=use_cache,
            pad_token_id=63,
        )
    assert steering.fired == 5
    # Token by token, from scratch, with an explicit mask: the same choices.
    ids = prompt
    for _ in range(5):
        places = torch.ones(ids.shape, dtype=torch.bool)
        if positions == "last":
            places[:, :3] = False
        if positions == "after-prompt":
            places[:, :4] = False
        if positions == "mask":
            places[:, :4] = mask
        if positions == "after-prompt" and ids.shape[1] == 4:
            logits = model.forward(ids).logits
        else:
            with Steered(model.blocks[1], torch.as_tensor(v.values), 1.0, places):
                logits = model.forward(ids).logits
        choice = logits[:, -1].clone()
        eos = model.hf_model.generation_config.eos_token_id
        if isinstance(eos, int) and eos < 64:
            choice[:, eos] = -torch.inf
        ids = torch.cat([ids, choice.argmax(-1, keepdim=True)], dim=1)
    assert made.tolist() == ids.tolist()
    # And nothing is left on the model.
    assert not model.blocks[1]._forward_hooks
    assert not model.hf_model._forward_pre_hooks


def test_strengths_per_row_and_several_vectors(steered: Any) -> None:
    model = steered("llama")
    ids = torch.tensor([[0, 5, 9]]).expand(3, -1)
    one, two = vector(0), vector(2, 0.4)
    alphas = [-2.0, 0.0, 3.0]
    with model.steered([one, two], alphas):
        together = model.forward(ids).logits
    for row, alpha in enumerate(alphas):
        with (
            Steered(model.blocks[0], torch.as_tensor(one.values), alpha),
            Steered(model.blocks[2], torch.as_tensor(two.values), alpha),
        ):
            alone = model.forward(ids[:1]).logits[0]
        torch.testing.assert_close(together[row], alone, rtol=0, atol=1e-6)


def test_log_probability_sees_steering_at_every_site_and_precision(steered: Any) -> None:
    for dtype in ("float64", "bfloat16"):
        model = steered("llama", dtype)
        for layer in (0, 2, None):
            base = model.log_probability("the day was")
            with model.steered(vector(layer, 0.5), 1.0):
                moved = model.log_probability("the day was")
                with torch.no_grad():
                    ids = model.encode("the day was").ids.to(model.device)
                    logits = model.hf_model(input_ids=ids).logits[0, -1].double()
            assert np.abs(moved - base).max() > 0.1
            error = np.abs(moved[0] - torch.log_softmax(logits, -1).cpu().numpy()).max()
            assert error < (1e-6 if dtype == "float64" else 0.2)


@pytest.mark.parametrize("apply", ["all", "last"])
@pytest.mark.parametrize("kind", KINDS)
def test_held_contexts_are_hooked_passes_one_by_one(
    steered: Any, concept: Any, kind: str, apply: Any
) -> None:
    model = steered(kind)
    v = vector(1)
    held = model.hold(concept.contexts, 1, apply)
    assert held.substituted
    rows, alphas = [0, 3, 1, 0], [0.5, -2.0, 40.0, 0.0]
    found = model.logits(held.last_normed(rows, alphas, v)).cpu()
    for row, alpha, logits in zip(rows, alphas, found, strict=True):
        with model.steered(v, alpha, positions=apply):
            ids = model.encode(concept.contexts[row]).ids
            expected = model.forward(ids).logits[0, -1].double().cpu()
        torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)
    # Every token behind BOS, as losses are read from them.
    if apply == "all":
        batch = model.encode(concept.contexts)
        held = model.hold(
            pad(
                [
                    row[: end + 1]
                    for row, end in zip(batch.ids.tolist(), batch.last.tolist(), strict=True)
                ],
                [1] * batch.rows,
            ),
            1,
        )
        states = held.writing(2.0, v).split(batch.last.tolist())
        for text, found in zip(concept.contexts, states, strict=True):
            with model.steered(v, 2.0), Captured(model.final_norm) as out:
                model.forward(model.encode(text).ids)
            torch.testing.assert_close(found, out.value[0, :-1], rtol=0, atol=1e-5)


def test_a_side_input_is_noticed_and_the_shortcut_given_up(steered: Any) -> None:
    model = steered("llama")
    early, late = model.blocks[0], model.blocks[2]
    seen: dict[str, Any] = {}
    early.register_forward_hook(lambda _m, args, _o: seen.update(hidden=args[0]))

    def lend(_module: Any, args: Any) -> Any:
        return (args[0] + 0.5 * seen["hidden"].roll(1, -1), *args[1:])

    # Block 2 also reads the input of block 0, as shared keys would: it is not run when held at 1.
    original = early.forward
    late.register_forward_pre_hook(lend)
    held = model.hold("the day was", 1)
    if held.substituted:  # block 0's hook still fires on the stand-in, with its true input
        assert early.forward == original
    found = model.logits(held.last_normed([0], [1.0], vector(1)).cpu())
    with model.steered(vector(1), 1.0):
        expected = model.forward(model.encode("the day was").ids).logits[0, -1].double().cpu()
    torch.testing.assert_close(found[0], expected, rtol=0, atol=1e-5)


def test_a_forward_of_the_users_own_survives(steered: Any) -> None:
    model = steered("llama")
    calls = []
    block, inner = model.blocks[0], model.blocks[0].forward

    def wrapped(*args: Any, **kwargs: Any) -> Any:  # as accelerate's hooks do
        calls.append(1)
        return inner(*args, **kwargs)

    block.forward = wrapped
    held = model.hold("the day was", 1)
    held.last_normed([0], [1.0], vector(1))
    assert block.forward is wrapped
    before = len(calls)
    model.forward(model.encode("the day was").ids)
    assert len(calls) == before + 1


def test_vectors_that_do_not_fit_are_refused_before_anything_runs(steered: Any) -> None:
    model = steered("llama")
    with (
        pytest.raises(VectorError, match="8 coordinates"),
        model.steered(SteeringVector(np.ones(8), FINAL_NORM), 1.0),
    ):
        pass
    with pytest.raises(VectorError, match="belongs to block_out 1"):
        model.at(2, vector(1), "the day was")


def test_memory_sets_the_rows() -> None:
    cpu = torch.device("cpu")
    assert rows_at_once(64, torch.float32, cpu) == 512
    assert rows_at_once(1 << 16, torch.float32, cpu) * 24 * (1 << 16) * 4 <= 1 << 28
    states = torch.zeros((2, 3, 4), dtype=torch.bfloat16)
    assert added(states, torch.ones(4), 1.0).dtype == torch.bfloat16
    assert pad([[1, 2], [3]]).padded
    assert not pad([[1], [3]]).padded
