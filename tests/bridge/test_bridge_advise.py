"""Advice on models: windows kept under a plain hook, honest words, texts, layers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from scipy.special import expit, logsumexp

from steering_strength.proofs_check.bridge.generated import samples
from steering_strength.proofs_check.bridge.jobs import rank_layers
from steering_strength.proofs_check.bridge.loading import VectorError
from steering_strength.proofs_check.bridge.vectors import Site, SteeringVector
from steering_strength.theory.errors import BudgetError, ShapeError

from .test_bridge_matrix import divergence, plain

pytestmark = pytest.mark.bridge


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("site", ["final_norm", 1, 2])
def test_windows_hold_under_the_hook(steered: Any, concept: Any, site: Any, sign: int) -> None:
    model = steered("llama")
    vector = model.vector(concept.positive, concept.neutral, site)
    tokens = np.argsort(-sign * model.at(site, vector, concept.contexts[0]).log_odds)[:3]
    found = model.advise(
        vector, concept.contexts, tokens=tokens, level=0.05, cross_entropy=0.4, sign=sign
    )
    method = {"final_norm": "closed form", 1: "measured", 2: "scanned"}[site]
    usable = 0
    for text, advice in zip(concept.contexts, found.contexts, strict=True):
        assert advice.method == method
        if not advice.window.usable:
            continue
        usable += 1
        base = plain(model, vector, text, 0.0)
        for point in (advice.low, advice.high):
            assert point.alpha * sign >= 0
            log_q = plain(model, vector, text, point.alpha)
            assert divergence(base, log_q) <= 0.4 * 1.0001
            assert np.exp(logsumexp(log_q[tokens])) >= 0.05 * 0.999
            assert point.cross_entropy == pytest.approx(divergence(base, log_q), abs=1e-4)
    assert usable
    assert len(str(found).splitlines()) <= 30


def test_one_context_and_several_cost_what_they_should(steered: Any, concept: Any) -> None:
    model = steered("llama")
    vector = model.vector(concept.positive, concept.neutral, "final_norm")
    before = model.cost.texts
    model.advise(vector, concept.contexts, cross_entropy=0.3)
    # The final norm: one pass per context, whatever is asked.
    assert model.cost.texts - before == len(concept.contexts)
    # At a block contexts share each round: answered together or alone, the roots are the same.
    at_block = model.vector(concept.positive, concept.neutral, 1)
    together = model.at(1, at_block, list(concept.contexts))
    before = model.cost.forwards
    together[0].together([(curve, "cross_entropy_root", (0.3, 1)) for curve in together])
    shared = model.cost.forwards - before
    before = model.cost.forwards
    alone = [model.at(1, at_block, text) for text in concept.contexts]
    roots = [curve.cross_entropy_root(0.3, 1) for curve in alone]
    assert shared < (model.cost.forwards - before) / 2
    for curve, root in zip(together, roots, strict=True):
        assert curve.cross_entropy_root(0.3, 1).alpha == pytest.approx(root.alpha, rel=1e-3)


def test_several_layers_share_one_strength(steered: Any, concept: Any) -> None:
    model = steered("llama")
    several = model.vectors(concept.positive, concept.neutral, [2, 0], read="mean")
    several.append(model.vector(concept.positive, concept.neutral))
    texts = list(concept.contexts)
    found = model.at(None, several, texts)
    for text, curve in zip(texts, found, strict=True):
        ids = model.encode(text).ids
        base = model.log_probability(text)[0]
        np.testing.assert_allclose(curve.log_p, base, atol=1e-6)
        for alpha in (0.3, curve.cross_entropy_root(0.2, 1).alpha):
            with model.steered(several, alpha):
                logits = model.forward(ids).logits[0, -1].double()
            moved = torch.log_softmax(logits, -1).cpu().numpy()
            np.testing.assert_allclose(curve.log_probability(alpha), moved, atol=1e-5)
        assert 0.195 <= divergence(base, moved) <= 0.2001
    # The joint derivative is the sum of those of the layers.
    joint, *alone = (
        model.derivative(None, one, texts) for one in (several, *([v] for v in several))
    )
    for j, local in enumerate(joint):
        total = sum(one[j].log_odds - one[j].log_odds.mean() for one in alone)
        spread = np.abs(total).max()
        np.testing.assert_allclose(
            local.log_odds - local.log_odds.mean(), total, atol=2e-3 * spread
        )
    advice = model.advise(several, texts, cross_entropy=0.2)
    assert advice.window.usable
    assert model.advise(several, texts, per_token=0.05, length=4).settled in (True, False)
    for wrong in ([several[0], several[0]], [several[0], replace(several[1], apply="last")]):
        with pytest.raises(VectorError, match="one vector a site"):
            model.at(None, wrong, texts)


def test_what_was_not_found_is_not_promised(steered: Any, concept: Any) -> None:
    model = steered("granite")  # small logits: the divergence at a block saturates
    vector = model.vector(concept.positive, concept.neutral, 1)
    found = model.advise(vector, concept.contexts, cross_entropy=5.0)
    assert not found.window.usable
    assert math.isnan(found.window.advised)
    root = model.at(1, vector, concept.contexts[0]).cross_entropy_root(5.0, 1)
    assert math.isinf(root.alpha)
    assert "up to alpha" in root.reason
    assert "never" not in root.reason


def test_words_become_the_target(steered: Any, concept: Any) -> None:
    model = steered("llama")
    vector = model.vector(concept.positive, concept.neutral)
    by_words = model.advise(vector, "the day was", words=concept.words, level=0.3)
    by_ids = model.advise(vector, "the day was", tokens=model.tokens(concept.words), level=0.3)
    assert by_words.contexts[0].window.words == by_ids.contexts[0].window.words
    assert by_words.contexts[0].demand.target.sum() == 3


def test_mistakes_are_named(steered: Any, concept: Any) -> None:
    model = steered("llama")
    vector = model.vector(concept.positive, concept.neutral)
    with pytest.raises(BudgetError, match="nothing is demanded"):
        model.advise(vector, concept.contexts)
    with pytest.raises(ShapeError, match="block 9"):
        model.advise(SteeringVector(vector.values, Site(9)), concept.contexts, cross_entropy=1.0)
    with pytest.raises(VectorError, match="belongs to final_norm"):
        model.advise(vector, concept.contexts, site=1, cross_entropy=1.0)
    with pytest.raises(BudgetError, match="plateau is 0"):
        model.advise(vector, concept.contexts, cross_entropy=1.0, plateau=0.0)


def test_a_coarse_precision_warns_of_small_budgets(steered: Any, concept: Any) -> None:
    model = steered("llama", "bfloat16")
    vector = model.vector(concept.positive, concept.neutral, 1)
    small, large = 30 * model.floor, 300 * model.floor
    for budget, warned in ((small, True), (large, False)):
        found = model.advise(vector, concept.contexts, cross_entropy=budget)
        said = " ".join(" ".join(one.cautions) for one in found.contexts)
        assert ("rounding alone" in said) == warned


def test_samples_are_steered_at_every_decoded_token(steered: Any, concept: Any) -> None:
    model = steered("llama")
    vector = model.vector(concept.positive, concept.neutral, 1)
    alphas = [0.0, 1.0, 2.0, 4.0]
    texts = samples(model, vector, "the day was", alphas, 6)
    for alpha, (text, *_) in zip(alphas, texts, strict=True):
        ids = model.encode("the day was").ids
        for _ in range(6):
            with model.steered(vector, alpha):
                chosen = model.forward(ids).logits[:, -1].argmax(-1).cpu()
            ids = torch.cat([ids, chosen[:, None]], dim=1)
        new = ids[0, 4:].tolist()
        end = model.tokenizer.eos_token_id
        assert text == model.tokenizer.decode(new[: new.index(end)] if end in new else new)


def test_derivatives_rank_layers(steered: Any, concept: Any) -> None:
    model = steered("llama")
    vectors = model.vectors(concept.positive, concept.neutral, [0, 1, 2])
    budget = 1e-4
    ranks = rank_layers(model, vectors, concept.contexts, [13, 14], budget)
    assert sorted(rank[0] for rank in ranks) == [f"block_out {layer}" for layer in range(3)]
    assert [rank[1] for rank in ranks] == sorted((rank[1] for rank in ranks), reverse=True)
    for name, *_, predicted in ranks:
        # A budget this small lies at the origin: what it buys is what the derivative says.
        vector = next(vector for vector in vectors if vector.site.name == name)
        gains = []
        for curve in model.at(None, vector, list(concept.contexts)):
            alpha = curve.cross_entropy_root(budget, 1).alpha
            before, after = expit(curve.concept_log_odds([13, 14], np.array([0.0, alpha])))
            gains.append(after - before)
        assert np.mean(gains) == pytest.approx(predicted, rel=0.1, abs=2e-5)
