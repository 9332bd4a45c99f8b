"""From training to steering: the one-layer GPT with the concept "uppercase words"."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from steering_strength.proofs_check.bridge.data import alpha_grid
from steering_strength.proofs_check.bridge.laws import final_norm_laws
from steering_strength.proofs_check.bridge.model import SteeredModel
from steering_strength.proofs_check.bridge.records import one_layer_record
from steering_strength.proofs_check.bridge.texts import load_concept
from steering_strength.proofs_check.bridge.tiny_gpt import save, sign_separation, train
from steering_strength.theory.errors import ShapeError

pytestmark = pytest.mark.bridge


@pytest.fixture(scope="module")
def trained() -> Any:
    # A small vocabulary and short training: enough to tell the cases apart, in half a minute.
    return train(120, batch=32, width=64, words=300)


def test_training_learns_the_case_of_a_window(trained: Any) -> None:
    model, concept = trained
    # Words flip with probability 3 %, so 0.97 is the best there is and 0.5 is chance.
    for texts, best in ((concept.positive, 1.0), (concept.neutral, 0.0)):
        p = np.exp(model.log_probability(texts))
        upper, names = (
            model.tokens(concept.words),
            model.tokenizer.convert_ids_to_tokens(range(p.shape[1])),
        )
        lower = [i for i, name in enumerate(names) if name.isalpha() and name.islower()]
        share = p[:, upper].sum(1) / (p[:, upper].sum(1) + p[:, lower].sum(1))
        assert np.abs(share - best).mean() < 0.2


def test_the_concept_is_held_out_and_in_one_case(trained: Any) -> None:
    _, concept = trained
    known = [text.replace("<unk>", "") for text in concept.positive]
    assert all(text.upper() == text for text in known)
    assert all(text.lower() == text for text in (*concept.neutral, *concept.contexts))
    assert len(concept.words) == 300


def test_steering_towards_uppercase(trained: Any) -> None:
    model, concept = trained
    # Every UPPER word that is one token, and no lower one, is in T.
    assert model.tokens(concept.words).size == 300
    report = final_norm_laws(model, concept, alpha_grid(4.0, 9))
    assert report.holds
    arrays = report.arrays["final_norm"]
    assert arrays["error"].max() < 1e-11
    f = arrays["concept_measured"]
    assert f[0].max() < 0.05 < 0.95 < f[-1].min()
    assert (np.diff(f.mean(axis=1)) > 0).all()
    vector = model.vector(concept.positive, concept.neutral)
    counted = sign_separation(model, model.direction(vector.values))
    shares = [float(part.split("%")[0]) / 100 for part in (counted[10:], counted.split("and ")[1])]
    assert shares[0] > 0.9
    assert shares[1] < 0.1


def test_the_record_of_the_paper_is_one_bump_or_rise_for_each_token(
    trained: Any, tmp_path: Path
) -> None:
    with np.load(one_layer_record(*trained, tmp_path)) as arrays:
        assert int(arrays["panels"]) == 2
        for number in range(2):
            measured, exact = arrays[f"measured_{number}"], arrays[f"exact_{number}"]
            # The only block is the last one, so the closed form holds everywhere.
            np.testing.assert_allclose(measured, exact, atol=1e-6)


def test_saved_models_come_back_with_their_concept(trained: Any, tmp_path: Path) -> None:
    target, concept_file = save(*trained, tmp_path)
    assert load_concept(str(concept_file)) == trained[1]
    again = SteeredModel.load(str(target))
    assert again.fingerprint == trained[0].fingerprint
    ids = torch.tensor([[0, 5, 9, 30]])
    expected = trained[0].forward(ids).logits
    torch.testing.assert_close(again.forward(ids).logits, expected, rtol=1e-12, atol=1e-12)


def test_training_repeats_itself() -> None:
    how = {"batch": 4, "width": 16, "words": 50}
    one, two = train(3, **how), train(3, **how)
    assert one[0].fingerprint == two[0].fingerprint
    assert one[1] == two[1]
    with pytest.raises(ShapeError, match="0 steps"):
        train(0)
