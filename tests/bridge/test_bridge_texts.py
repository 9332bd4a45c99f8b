"""Concept files, BOS, padding, words: bad input is one clear error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from steering_strength.proofs_check.bridge.texts import (
    ConceptTexts,
    encode,
    library_text,
    load_concept,
    packaged_concepts,
    text_windows,
    word_tokens,
)
from steering_strength.theory.errors import SteeringError, SteeringSetError, UnknownNameError

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
    with pytest.raises(SteeringError, match="not JSON"):
        load_concept(str(path))
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SteeringError, match="utf-8"):
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
    alone = batch.take([0])
    assert alone.ids.shape == (1, 3)
    assert [c.ids.shape[1] for c in batch.chunks(1)] == [3, 5]


def test_empty_and_overlong_texts_are_refused(tokenizer: Any) -> None:
    assert encode(tokenizer, ["the sun"], longest=3).rows == 1
    with pytest.raises(SteeringSetError, match="0 tokens"):
        encode(tokenizer, [" "])
    with pytest.raises(SteeringSetError, match="has 3 tokens, the model reads 2"):
        encode(tokenizer, ["the sun"], longest=2)


def test_words_become_tokens(tokenizer: Any) -> None:
    tokens = word_tokens(tokenizer, ["joy", " happy", "SUN"], 64)
    assert {tokenizer.decode([t]) for t in tokens} == {"joy", "happy"}
    with pytest.raises(SteeringSetError, match="xylophone"):
        word_tokens(tokenizer, ["xylophone"], 64)


CHAT = [{"role": "system", "content": "sun"}, {"role": "user", "content": "the day"}]


def test_chats_go_through_the_tokenizers_own_template(tokenizer: Any, steered: Any) -> None:
    import copy

    with pytest.raises(SteeringSetError, match="no chat template"):
        encode(tokenizer, [CHAT])
    templated = copy.deepcopy(tokenizer)
    templated.chat_template = (
        "{% for m in messages %}{{ m['content'] }} {% endfor %}"
        "{% if add_generation_prompt %}so{% endif %}"
    )
    # The template decides on every token: no BOS is added to what it rendered.
    ids = templated("sun the day so", add_special_tokens=False)["input_ids"]
    assert encode(templated, [CHAT]).ids.tolist() == [ids]
    model = steered("llama")
    model.tokenizer = templated
    assert model.encode(CHAT).rows == 1
    assert model.encode([CHAT, "the day", CHAT]).rows == 3
    assert not isinstance(model.at("final_norm", model.vector(["joy"], ["sad"]), CHAT), list)


def test_several_lines_are_one_text(tokenizer: Any) -> None:
    batch = encode(tokenizer, ["the day\nthe sun", "a"])
    assert batch.rows == 2
    assert batch.padded
    one = batch.take([1])
    assert (one.ids.shape[1], one.padded) == (2, False)
    assert batch.take([1, 1]).ids.shape == (2, 2)


def test_there_is_always_text() -> None:
    paragraphs = library_text()
    assert len(paragraphs) > 100
    assert len(set(paragraphs)) == len(paragraphs)


def test_windows_begin_with_bos(tokenizer: Any) -> None:
    batch = text_windows(tokenizer, 3, 10)
    assert batch.ids.shape == (3, 11)
    assert (batch.ids[:, 0] == tokenizer.bos_token_id).all()
    with pytest.raises(SteeringSetError, match="fewer or shorter"):
        text_windows(tokenizer, 3, 100_000)
