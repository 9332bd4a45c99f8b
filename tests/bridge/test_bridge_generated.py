"""Generated text: predicted costs are measured ones, targets are met, budgets are kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from steering_strength.proofs_check.bridge.generated import (
    KLBudget,
    Reading,
    advise_trajectories,
    repeated,
)
from steering_strength.theory.errors import AssumptionError, BudgetError

pytestmark = pytest.mark.bridge


@pytest.fixture(scope="module")
def model(steered: Any) -> Any:
    return steered("llama", "float64", eos_token_id=None, bos_token_id=0)


@pytest.mark.parametrize("site", ["final_norm", 1])
def test_costs_of_unsteered_texts_are_predicted(model: Any, concept: Any, site: Any) -> None:
    vector = model.vector(concept.positive, concept.neutral, site)
    texts = model.continued(concept.contexts, 6)
    unsteered = Reading(model, vector, texts).sampled()
    for alpha in (0.05, -0.05):
        measured = Reading(model, vector, texts).costs(alpha)
        close = 1e-9 if site == "final_norm" else 0.25
        for direction in ("forward", "reverse"):
            predicted = unsteered.token_costs(alpha, direction).sum()
            np.testing.assert_allclose(predicted, getattr(measured, direction).sum(), rtol=close)
        assert unsteered.text.tolist() == measured.text.tolist() == sorted(measured.text.tolist())


def test_what_steered_texts_cost_follows_from_unsteered_ones(model: Any, concept: Any) -> None:
    """By weights P_alpha/P_0, as long as many texts count: within four standard errors."""
    vector, length = model.vector(concept.positive, concept.neutral), 5
    contexts, how = [*concept.contexts[:2]] * 60, {"temperature": 1.0, "stop": False}
    unsteered = Reading(model, vector, model.continued(contexts, length, seed=1, **how)).sampled()
    unit = 1.0 / np.sqrt(2.0 * unsteered.per_token(1e-3)) * 1e-3  # of one nat's deviation a token
    for alpha in (0.3 * unit, -0.3 * unit):
        assert unsteered.effective_sample_size(alpha) > 30
        with model.steered(vector, float(alpha)):
            texts = model.continued(contexts, length, seed=2, **how)
        costs = Reading(model, vector, texts).costs(float(alpha))
        measured = np.bincount(costs.text, costs.reverse)
        predicted, error = unsteered.reverse_kl(alpha)
        apart = abs(measured.mean() - predicted)
        assert apart < 4.0 * np.hypot(error, measured.std() / np.sqrt(measured.size))


def test_costs_are_divergences_of_the_hooked_distributions(model: Any, concept: Any) -> None:
    vector = model.vector(concept.positive, concept.neutral, 1)
    with model.steered(vector, 0.4):
        texts = model.continued(concept.contexts[:2], 5)
    costs = Reading(model, vector, texts).costs(0.4)
    at = 0
    for j, prompt in enumerate(texts.prompts.tolist()):
        row = texts.take([j])
        for place in range(prompt, row.ids.shape[1]):
            ids = row.ids[:, :place]
            base = torch.log_softmax(model.forward(ids).logits[0, -1], -1)
            with model.steered(vector, 0.4):
                moved = torch.log_softmax(model.forward(ids).logits[0, -1], -1)
            # Greedy: the token is the steered model's likeliest.
            assert int(moved.argmax()) == int(row.ids[0, place])
            assert costs.forward[at] == pytest.approx(float(base.exp() @ (base - moved)), rel=1e-4)
            assert costs.reverse[at] == pytest.approx(float(moved.exp() @ (moved - base)), rel=1e-4)
            at += 1
    assert at == costs.forward.size


@pytest.mark.parametrize("percentile", [None, 0.95])
@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_targets_per_token(model: Any, concept: Any, direction: Any, percentile: Any) -> None:
    target = 0.05
    at_norm = model.vector(concept.positive, concept.neutral)
    options = {"percentile": percentile, "direction": direction, "length": 8}
    found = advise_trajectories(model, at_norm, concept.contexts, target, **options)
    # At the final norm nothing steered is generated, and the texts measure what was predicted.
    assert found.rollouts == 0
    texts = model.continued(concept.contexts, 8)
    measured = Reading(model, at_norm, texts).costs(found.alpha)
    assert measured.statistic(direction, percentile) == pytest.approx(target, rel=1e-3)
    at_block = model.vector(concept.positive, concept.neutral, 1)
    found = advise_trajectories(model, at_block, concept.contexts, target, sign=-1, **options)
    assert found.alpha < 0
    assert 1 <= found.rollouts <= 2
    assert found.settled
    assert found.achieved == pytest.approx(target, rel=0.05)
    low, high = found.interval
    assert low <= target <= high
    # Texts written anew at that strength cost about as much: they were written close to it.
    with model.steered(at_block, found.alpha):
        texts = model.continued(concept.contexts, 8)
    again = Reading(model, at_block, texts).costs(found.alpha)
    assert again.statistic(direction, percentile) == pytest.approx(target, rel=0.6)
    # Without a roll-out nothing was measured, and it says so.
    guess = advise_trajectories(model, at_block, concept.contexts, target, rollouts=0, **options)
    assert not guess.settled
    assert "NOT SETTLED" in str(guess)


def test_advice_per_generated_token_is_an_option_of_advise(model: Any, concept: Any) -> None:
    vector = model.vector(concept.positive, concept.neutral)
    found = model.advise(vector, concept.contexts, per_token=0.05, percentile=0.9, length=6)
    direct = advise_trajectories(model, vector, concept.contexts, 0.05, percentile=0.9, length=6)
    assert found.alpha == direct.alpha > 0


def test_targets_that_make_no_sense(model: Any, concept: Any) -> None:
    vector = model.vector(concept.positive, concept.neutral)
    for target in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(BudgetError):
            advise_trajectories(model, vector, concept.contexts[:1], target, length=3)


def test_a_decoder_that_spends_so_much_and_no_more(model: Any, concept: Any, steered: Any) -> None:
    from transformers import LogitsProcessorList

    vector = model.vector(concept.positive, concept.neutral)
    budget = KLBudget(model, vector, 0.2)
    prompt = torch.tensor([[0, 2, 6, 30], [0, 3, 7, 31]], device=model.device)
    made = model.hf_model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=4,
        do_sample=False,
        pad_token_id=63,
        logits_processor=LogitsProcessorList([budget]),
    )
    assert len(budget.alphas) == len(budget.costs) == 4
    for step, alphas in enumerate(budget.alphas):
        ids = made[:, : 4 + step]
        with model.steered(vector, alphas):
            moved = torch.log_softmax(model.forward(ids).logits[:, -1], -1)
        base = torch.log_softmax(model.forward(ids).logits[:, -1], -1)
        spent = (base.exp() * (base - moved)).sum(-1).cpu().numpy()
        np.testing.assert_allclose(spent, 0.2, rtol=1e-6)
        np.testing.assert_allclose(budget.costs[step], spent, rtol=1e-6)
        assert moved.argmax(-1).tolist() == made[:, 4 + step].tolist()
    assert np.ptp(np.concatenate(budget.alphas)) > 0  # it adapts
    capped = KLBudget(model, vector, 50.0, largest=0.5)
    capped(prompt, model.forward(prompt).logits[:, -1])
    assert capped.alphas[0].max() == 0.5
    gemma = steered("gemma2")
    with pytest.raises(AssumptionError, match="soft-cap"):
        KLBudget(gemma, gemma.vector(concept.positive, concept.neutral), 0.2)


@pytest.mark.parametrize("sites", [[1], [0, 2], [1, "final_norm"]])
def test_a_decoder_at_blocks_keeps_its_budget_and_says_what_it_cost(
    model: Any, concept: Any, sites: list[Any]
) -> None:
    from transformers import LogitsProcessorList

    several = model.vectors(concept.positive, concept.neutral, sites, read="mean")
    budget = KLBudget(model, several, 0.1, mask=torch.tensor([[0, 1, 1, 1], [1, 1, 1, 1]]))
    prompt = torch.tensor([[63, 0, 2, 6], [0, 3, 7, 31]], device=model.device)
    made = model.hf_model.generate(
        prompt,
        attention_mask=(prompt != 63).long(),
        max_new_tokens=3,
        do_sample=False,
        pad_token_id=63,
        logits_processor=LogitsProcessorList([budget]),
    )
    for step, (alphas, costs) in enumerate(zip(budget.alphas, budget.costs, strict=True)):
        for row, (alpha, cost) in enumerate(zip(alphas, costs, strict=True)):
            ids = made[row : row + 1, (row == 0) : 4 + step]
            base = torch.log_softmax(model.forward(ids).logits[0, -1], -1)
            with model.steered(several, float(alpha)):
                moved = torch.log_softmax(model.forward(ids).logits[0, -1], -1)
            spent = float(base.exp() @ (base - moved))
            assert cost == pytest.approx(spent, rel=1e-3, abs=1e-9)
            assert spent <= 0.1 * 1.001
            assert int(moved.argmax()) == int(made[row, 4 + step])
    assert np.mean(budget.costs) > 0.07  # it is spent, not only kept


def test_a_judges_slope_at_0_comes_from_unsteered_texts(model: Any, concept: Any) -> None:
    words = {"joy", "happy", "glad", "sun", "day"}

    def judge(text: str) -> float:
        return float(bool(words & set(text.split())))

    for site in ("final_norm", 1):
        vector = model.vector(concept.positive, concept.neutral, site)
        drawn = model.encode(concept.contexts).take([0, 1, 2, 3] * 64)
        written = model.continued(drawn, 4, temperature=1.0)
        found = np.array([judge(model.tokenizer.decode(row)) for row in written.written])
        slope, error = Reading(model, vector, written).sampled().slope(found)
        assert 0 < found.mean() < 1
        # The judge on steered texts, twice as many, on both sides of 0.
        batch = model.encode(concept.contexts).take([0, 1, 2, 3] * 128)
        step, judged = 0.1, []
        for alpha in (step, -step):
            with model.steered(vector, alpha):
                texts = model.continued(batch, 4, temperature=1.0, seed=1)
            new = [model.tokenizer.decode(row) for row in texts.written]
            judged.append(np.mean([judge(text) for text in new]))
        noise = np.sqrt(2 * 0.25 / 512) / (2 * step)
        assert abs((judged[0] - judged[1]) / (2 * step) - slope) <= 4 * np.hypot(noise, error)


def test_repetition() -> None:
    assert repeated([1, 2, 3, 4, 5]) == 0.0
    assert repeated([1, 2, 3, 1, 2, 3, 1, 2, 3]) == pytest.approx(4 / 7)
    assert repeated([1, 2]) == 0.0
