"""From training to steering: the one-layer GPT with the concept "uppercase words"."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from steering_strength.proofs_check.bridge._old.models import load_model
from steering_strength.proofs_check.bridge._old.tiny_gpt import Recipe, save, train
from steering_strength.proofs_check.bridge.concept_texts import load_concept
from steering_strength.proofs_check.bridge.grid import alpha_grid
from steering_strength.proofs_check.bridge.measure.final_norm import sweep
from steering_strength.proofs_check.bridge.steering.setting import prepare
from steering_strength.theory.errors import ShapeError

pytestmark = pytest.mark.bridge


@pytest.fixture(scope="module")
def trained() -> Any:
    # A small vocabulary and short training: enough to tell the cases apart, in half a minute.
    return train(Recipe(steps=120, batch=32, width=64, words=300))


def test_training_learns_the_case_of_a_window(trained: Any) -> None:
    assert trained.losses[-1] < trained.losses[0] - 1
    # Words flip with probability 3 %, so 0.97 is the best there is and 0.5 is chance.
    assert 0.8 < trained.agreement < 0.99


def test_the_concept_is_held_out_and_in_one_case(trained: Any) -> None:
    concept = trained.concept
    known = [text.replace("<unk>", "") for text in concept.positive]
    assert all(text.upper() == text for text in known)
    assert all(text.lower() == text for text in (*concept.neutral, *concept.contexts))
    assert len(concept.words) == 300


def test_steering_towards_uppercase(trained: Any) -> None:
    setting = prepare(trained.loaded, trained.concept)
    # Every UPPER word that is one token, and no lower one, is in T.
    assert setting.words.size == 300
    curves = sweep(setting, alpha_grid(4.0, 9))
    assert curves.error.max() < 1e-11
    f = 1 / (1 + np.exp(-curves.concept_measured))
    assert f[0].max() < 0.05 < 0.95 < f[-1].min()
    assert (np.diff(f.mean(axis=1)) > 0).all()
    counted = trained.sign_separation(setting.log_odds)
    shares = [float(part.split("%")[0]) / 100 for part in (counted[10:], counted.split("and ")[1])]
    assert shares[0] > 0.9
    assert shares[1] < 0.1


def test_saved_models_come_back_with_their_concept(trained: Any, tmp_path: Path) -> None:
    target, concept_file = save(trained, tmp_path)
    assert load_concept(str(concept_file)) == trained.concept
    again = load_model(str(target))
    assert again.fingerprint == trained.loaded.fingerprint
    ids = torch.tensor([[0, 5, 9, 30]])
    expected = trained.loaded.model(ids).logits
    torch.testing.assert_close(again.model(ids).logits, expected, rtol=1e-12, atol=1e-12)


def test_training_repeats_itself() -> None:
    recipe = Recipe(steps=3, batch=4, width=16, words=50)
    one, two = train(recipe), train(recipe)
    assert one.loaded.fingerprint == two.loaded.fingerprint
    assert one.losses == two.losses
    with pytest.raises(ShapeError, match="steps is 0"):
        Recipe(steps=0)
