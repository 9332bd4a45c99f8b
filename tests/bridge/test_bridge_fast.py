"""The fast paths give the numbers of the slow ones: shared keys, closed-form losses, few nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from steering_strength.proofs_check.bridge._old.anatomy import inspect_model
from steering_strength.proofs_check.bridge._old.encoding import pad
from steering_strength.proofs_check.bridge._old.hooks import Captured, Steered
from steering_strength.proofs_check.bridge._old.last_position import LastPosition
from steering_strength.proofs_check.bridge._old.norms import identify_norm
from steering_strength.proofs_check.bridge._old.upper import Cost, position_mask, read_out
from steering_strength.proofs_check.bridge.errors import ModelError
from steering_strength.proofs_check.bridge.measure.adaptive import adaptive_curve
from steering_strength.proofs_check.bridge.measure.last_block import last_block_losses
from steering_strength.proofs_check.bridge.sites import Site
from steering_strength.theory.errors import AlphaError

from .conftest import random_model

pytestmark = pytest.mark.bridge

FAMILIES = ["gpt2", "llama", "mistral", "qwen3", "gemma3", "granite", "neox"]


def _vector() -> Any:
    return torch.randn(32, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


@pytest.mark.parametrize("kind", FAMILIES)
def test_shared_keys_and_values_change_nothing(kind: str) -> None:
    model = random_model(kind)
    anatomy = inspect_model(model)
    # Longer than what the sharing is verified on.
    batch = pad([[5, 1, 7, 9, 2, 30, 4, 11, 8, 3, 6]])
    mask = position_mask(batch, "last")
    alphas = np.linspace(-5, 5, 7)
    for layer in range(3):
        # Three rows at a time: whole pieces and a remainder.
        one = LastPosition(model, anatomy, batch, Site(layer), rows=3)
        logits = read_out(anatomy, one.normed(_vector(), alphas))
        for i, alpha in enumerate(alphas.tolist()):
            with torch.no_grad(), Steered(anatomy.blocks[layer], _vector(), alpha, mask):
                expected = model(batch.ids).logits[0, -1]
            torch.testing.assert_close(logits[i], expected, rtol=1e-5, atol=1e-5)


def test_shared_keys_cost_one_token_for_each_alpha() -> None:
    model = random_model("llama")
    cost = Cost()
    one = LastPosition(model, inspect_model(model), pad([list(range(40))]), Site(2), cost=cost)
    before = cost.tokens
    one.normed(_vector(), np.linspace(-5, 5, 64))
    assert cost.tokens - before <= 64


def test_texts_that_cannot_share_are_refused() -> None:
    model = random_model("llama")
    anatomy = inspect_model(model)
    for rows in ([[5]], [[5, 1], [7, 2]]):
        with pytest.raises(ModelError, match="one text of at least two tokens"):
            LastPosition(model, anatomy, pad(rows), Site(1))


def test_a_cache_that_does_not_say_everything_is_noticed() -> None:
    model = random_model("llama")
    anatomy = inspect_model(model)
    third = anatomy.blocks[2]
    # A block that looks at the length of what it is given cannot be fed one token at a time.
    third.register_forward_pre_hook(lambda _m, args: (args[0] * args[0].shape[1], *args[1:]))
    with pytest.raises(ModelError, match="shared keys and values change the result"):
        LastPosition(model, anatomy, pad([[5, 1, 7, 9]]), Site(1))


@pytest.mark.parametrize("kind", FAMILIES)
def test_losses_of_the_last_block_in_closed_form(kind: str) -> None:
    model = random_model(kind)
    anatomy = inspect_model(model)
    norm = identify_norm(anatomy)
    ids = torch.randint(0, 64, (3, 50), generator=torch.Generator().manual_seed(1))
    with torch.no_grad(), Captured(anatomy.blocks[2]) as state:
        model(ids)
    alphas = np.array([-40.0, -1.0, 0.0, 3.0])
    losses = last_block_losses(anatomy, norm, state.value, ids, _vector(), alphas)
    for alpha, loss in zip(alphas.tolist(), losses, strict=True):
        with torch.no_grad(), Steered(anatomy.blocks[2], _vector(), alpha):
            log_p = torch.log_softmax(model(ids).logits[:, :-1], -1)
        expected = -log_p.gather(2, ids[:, 1:, None]).mean()
        # Both go through the norm, whose own precision is 1e-7 where it works in float32.
        assert loss == pytest.approx(float(expected), abs=100 * norm.precision)


def _two_scales(alphas: Any) -> Any:
    return np.stack([np.tanh(alphas - 2), np.tanh(0.5 * (alphas - 30))], axis=1)


def test_adaptive_nodes_reach_their_tolerance_between_the_nodes() -> None:
    counted = []

    def evaluate(alphas: Any) -> Any:
        counted.append(alphas.size)
        return _two_scales(alphas)

    curve = adaptive_curve(evaluate, -200.0, 200.0, tolerance=1e-3)
    assert curve.converged
    assert curve.error <= 1e-3
    assert sum(counted) == curve.alphas.size < 200
    dense = np.linspace(-200, 200, 8001)
    # Checked at midpoints only; elsewhere the error may be somewhat larger.
    assert np.abs(curve(dense) - _two_scales(dense)).max() < 5e-3
    assert (np.diff(curve.alphas) > 0).all()


def test_a_curve_that_is_too_wiggly_says_so() -> None:
    curve = adaptive_curve(lambda a: np.sin(40 * a)[:, None], -50.0, 50.0, most=60)
    assert not curve.converged
    assert curve.error > 1e-3
    assert curve.alphas.size <= 60


def test_a_smooth_curve_needs_few_nodes() -> None:
    curve = adaptive_curve(lambda a: np.arcsinh(a)[:, None], -200.0, 200.0, tolerance=1e-6)
    assert curve.converged
    assert curve.alphas.size <= 33
    with pytest.raises(AlphaError, match="covers -200 to 200"):
        curve(np.array([201.0]))


@pytest.mark.parametrize(
    "bounds", [(1.0, 1.0, 1.0, 17), (0.0, np.inf, 1.0, 17), (0.0, 1.0, 1.0, 4), (0.0, 1.0, 0.0, 9)]
)
def test_bad_intervals(bounds: Any) -> None:
    low, high, unit, start = bounds
    with pytest.raises(AlphaError):
        adaptive_curve(lambda a: a[:, None], low, high, unit=unit, start=start)
