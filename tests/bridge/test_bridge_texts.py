"""Concept files, BOS, padding, words: bad input is one clear error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from steering_strength.proofs_check.bridge._old.encoding import encode, word_tokens
from steering_strength.proofs_check.bridge.concept_texts import (
    ConceptTexts,
    load_concept,
    packaged_concepts,
)
from steering_strength.proofs_check.bridge.grid import alpha_grid
from steering_strength.theory.errors import AlphaError, SteeringSetError, UnknownNameError

pytestmark = pytest.mark.bridge

GOOD: dict[str, Any] = {
    "name": "x",
    "positive": ["one"],
    "neutral": ["two"],
    "contexts": ["three"],
    "words": ["joy"],
}


@pytest.mark.parametrize("name", packaged_concepts())
def test_the_packaged_concepts_are_complete(name: str) -> None:
    found = load_concept(name)
    assert found.name == name
    assert (len(found.positive), len(found.neutral), len(found.contexts)) == (24, 24, 12)
    assert len(found.words) == 24


def test_joy_is_packaged() -> None:
    assert {"joy", "sadness"} <= set(packaged_concepts())


def test_a_good_mapping_is_accepted() -> None:
    assert ConceptTexts.from_mapping(GOOD, "here").positive == ("one",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"positive": []}, "0 positive texts"),
        ({"neutral": ["  "]}, r"neutral\[0\] is blank"),
        ({"contexts": ["one"]}, r"contexts\[0\] repeats positive\[0\]"),
        ({"positive": ["one", "one"]}, r"positive\[1\] repeats positive\[0\]"),
        ({"words": []}, "0 words"),
        ({"words": "joy"}, "not a list of strings"),
        ({"neutral": [1]}, "not a list of strings"),
    ],
)
def test_bad_texts_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SteeringSetError, match=message):
        ConceptTexts.from_mapping({**GOOD, **change}, "here")


@pytest.mark.parametrize("key", sorted(GOOD))
def test_a_missing_key_is_named(key: str) -> None:
    mapping = {k: v for k, v in GOOD.items() if k != key}
    with pytest.raises(SteeringSetError, match=f"lacks the key '{key}'"):
        ConceptTexts.from_mapping(mapping, "here")


def test_files_are_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(GOOD))
    assert load_concept(str(path)).name == "x"
    path.write_text("{")
    with pytest.raises(SteeringSetError, match="not valid JSON"):
        load_concept(str(path))
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SteeringSetError, match="UTF-8"):
        load_concept(str(path))
    path.write_text("[]")
    with pytest.raises(SteeringSetError, match="holds a list"):
        load_concept(str(path))
    with pytest.raises(UnknownNameError, match="did you mean joy"):
        load_concept("jooy")


def test_bos_is_put_in_front_once(tokenizer: Any) -> None:
    batch = encode(tokenizer, ["the sun", "<bos> the sun was bright"])
    assert batch.ids[:, 0].tolist() == [0, 0]
    assert batch.last.tolist() == [2, 4]
    assert batch.mask.tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    alone = batch.row(0)
    assert alone.ids.shape == (1, 3)
    assert torch.equal(torch.cat([c.ids for c in batch.chunks(1)]), batch.ids)


def test_empty_and_overlong_texts_are_refused(tokenizer: Any) -> None:
    assert encode(tokenizer, ["the sun"], max_length=3).rows == 1
    with pytest.raises(SteeringSetError, match="0 tokens"):
        encode(tokenizer, [" "])
    with pytest.raises(SteeringSetError, match="has 3 tokens, the model reads 2"):
        encode(tokenizer, ["the sun"], max_length=2)


def test_words_become_tokens(tokenizer: Any) -> None:
    tokens = word_tokens(tokenizer, ["joy", " happy", "SUN"], 64)
    assert {tokenizer.decode([t]) for t in tokens} == {"joy", "happy"}
    with pytest.raises(SteeringSetError, match=r"xylophone.*--words"):
        word_tokens(tokenizer, ["xylophone"], 64)


def test_alpha_grids() -> None:
    grid = alpha_grid(8.0, 33)
    assert grid[16] == 0.0
    assert (grid == -grid[::-1]).all()
    for reach, count in ((0.0, 33), (float("nan"), 33), (float("inf"), 33), (8, 32), (8, 3)):
        with pytest.raises(AlphaError):
            alpha_grid(reach, count)
