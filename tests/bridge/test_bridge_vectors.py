"""Vectors keep their meaning: read rules, files, foreign formats, and every mismatch an error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from steering_strength.proofs_check.bridge._old.anatomy import inspect_model
from steering_strength.proofs_check.bridge._old.encoding import encode
from steering_strength.proofs_check.bridge.errors import VectorError
from steering_strength.proofs_check.bridge.sites import FINAL_NORM, Site
from steering_strength.proofs_check.bridge.steering.importing import import_vector
from steering_strength.proofs_check.bridge.steering.making import (
    difference_of_means,
    difference_vectors,
    read_states,
    sample_texts,
    tokenizer_hash,
)
from steering_strength.proofs_check.bridge.steering.vectors import (
    SteeringVector,
    load_vector,
    save_vector,
)

pytestmark = pytest.mark.bridge


@pytest.fixture
def made(load_random: Any, concept: Any) -> Any:
    loaded = load_random("llama")
    anatomy = inspect_model(loaded.model)
    vector = difference_of_means(loaded, anatomy, concept.positive, concept.neutral, Site(1))
    return loaded, anatomy, vector


def _require(vector: SteeringVector, loaded: Any, **changes: Any) -> None:
    arguments = {
        "model": loaded.label,
        "fingerprint": loaded.fingerprint,
        "tokenizer": tokenizer_hash(loaded.tokenizer),
        "width": 32,
    }
    vector.require(**{**arguments, **changes})


@pytest.mark.parametrize("read", ["last", "mean"])
def test_read_rules_match_a_text_by_text_mean(made: Any, concept: Any, read: Any) -> None:
    loaded, anatomy, _ = made
    batch = encode(loaded.tokenizer, concept.positive)
    first, second = read_states(loaded.model, anatomy, batch, (Site(1), FINAL_NORM))
    states = first.by(read)
    assert second.last.shape == (5, 32)
    for i in range(batch.rows):
        alone = batch.row(i)
        hidden = loaded.model(alone.ids, output_hidden_states=True).hidden_states[2][0]
        expected = hidden[-1] if read == "last" else hidden[1:].mean(0)
        torch.testing.assert_close(states[i], expected, rtol=1e-6, atol=1e-6)


def test_metadata_say_what_was_done(made: Any, concept: Any) -> None:
    loaded, _, vector = made
    metadata = vector.metadata
    assert (metadata.site, metadata.read, metadata.apply) == ("block_out 1", "mean", "all")
    assert (metadata.positives, metadata.negatives) == (5, 7)
    assert metadata.fingerprint == loaded.fingerprint
    assert metadata.norm == pytest.approx(np.linalg.norm(vector.values))
    assert metadata.positive_hash != metadata.negative_hash
    other = difference_of_means(
        loaded, made[1], concept.positive[::-1], concept.neutral, FINAL_NORM, read="last"
    )
    assert other.metadata.positive_hash != metadata.positive_hash
    assert other.site == FINAL_NORM


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_files_bring_everything_back(made: Any, tmp_path: Path, ending: str) -> None:
    _, _, vector = made
    path = save_vector(vector, tmp_path / f"v{ending}")
    again = import_vector(path, site=Site(1))
    assert again.metadata == vector.metadata
    assert np.array_equal(again.values, vector.values)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_every_mismatch_is_an_error(made: Any) -> None:
    loaded, _, vector = made
    _require(vector, loaded)
    for change, message in (
        ({"width": 64}, "32 coordinates, the model's states have 64"),
        ({"fingerprint": "0" * 16}, "other weights"),
        ({"tokenizer": "0" * 16}, "other vocabulary"),
    ):
        with pytest.raises(VectorError, match=message):
            _require(vector, loaded, **change)
    vector.require_site(Site(1))
    with pytest.raises(VectorError, match=r"belongs to block_out 1.*added at block_out 2"):
        vector.require_site(Site(2))
    foreign = replace(vector, metadata=replace(vector.metadata, fingerprint="", model="org/Other"))
    with pytest.raises(VectorError, match="made for 'org/Other'"):
        _require(foreign, loaded)
    named = replace(foreign, metadata=replace(foreign.metadata, model="org/LLAMA"))
    _require(named, loaded)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"operation": "multiply"}, "operation is 'multiply'"),
        ({"read": "median"}, "read rule is 'median'"),
        ({"apply": "some"}, "apply rule is 'some'"),
        ({"norm": 1.0}, "its metadata says 1"),
    ],
)
def test_metadata_that_make_no_sense_are_refused(
    made: Any, change: dict[str, Any], message: str
) -> None:
    _, _, vector = made
    with pytest.raises(VectorError, match=message):
        replace(vector, metadata=replace(vector.metadata, **change))


def test_values_that_make_no_sense_are_refused(made: Any) -> None:
    _, _, vector = made
    broken = vector.values.copy()
    broken[3] = np.nan
    for values, message in (
        (broken, "nan at coordinate 3"),
        (np.zeros(32), "vector is zero"),
        (vector.values[None], r"shape \(1, 32\)"),
    ):
        with pytest.raises(VectorError, match=message):
            replace(vector, values=values)


def test_a_file_without_its_site_is_refused(made: Any, tmp_path: Path) -> None:
    _, _, vector = made
    path = tmp_path / "v.npz"
    np.savez(path, vector=vector.values, metadata=np.array('{"model": "x"}'))
    with pytest.raises(VectorError, match=r"does not say: fingerprint, tokenizer, site"):
        load_vector(path)
    path.write_bytes(b"PK nonsense")
    with pytest.raises(VectorError, match="cannot read"):
        load_vector(path)
    with pytest.raises(VectorError, match=r"name it \.npz or \.safetensors"):
        save_vector(vector, tmp_path / "v.pkl")
    with pytest.raises(VectorError, match="no file"):
        import_vector(tmp_path / "absent.npz")


def test_the_authors_format(made: Any, tmp_path: Path) -> None:
    loaded, _, vector = made
    path = tmp_path / "layer_1.pt"
    content = {
        "model": "org/llama",
        "concept": "joy",
        "layer_idx": 1,
        "hidden_size": 32,
        "steering_vector": torch.tensor(vector.values, dtype=torch.float32),
    }
    torch.save(content, path)
    again = import_vector(path)
    assert again.site == Site(1)
    np.testing.assert_allclose(again.values, vector.values, rtol=1e-6)
    _require(again, loaded)
    torch.save({**content, "hidden_size": 64}, path)
    with pytest.raises(VectorError, match="hidden_size 64 and holds 32"):
        import_vector(path)
    torch.save({"layer_idx": 1}, path)
    with pytest.raises(VectorError, match="lacks model, steering_vector"):
        import_vector(path)


def test_pickled_code_is_never_run(tmp_path: Path) -> None:
    path = tmp_path / "evil.pt"
    torch.save({"model": Path("x")}, path)
    with pytest.raises(VectorError, match="without unpickling code"):
        import_vector(path)


def test_repeng_gguf(made: Any, tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    loaded, _, vector = made
    path = tmp_path / "v.gguf"
    writer = gguf.GGUFWriter(path, "controlvector")
    writer.add_string("controlvector.model_hint", "llama")
    writer.add_uint32("controlvector.layer_count", 2)
    for layer in (1, 2):
        writer.add_tensor(f"direction.{layer}", (layer * vector.values).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    again = import_vector(path, site=Site(2))
    np.testing.assert_allclose(again.values, 2 * vector.values, rtol=1e-6)
    _require(again, loaded)
    with pytest.raises(VectorError, match=r"blocks 1, 2; no layer was named"):
        import_vector(path)
    with pytest.raises(VectorError, match=r"block_out 0 is not among them"):
        import_vector(path, site=Site(0))


def test_steering_lite_and_other_safetensors(made: Any, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    _, _, vector = made
    path = tmp_path / "v.safetensors"
    save_file({"layer1.v": vector.values.astype(np.float32)}, path, {"cfg": '{"model": "llama"}'})
    assert import_vector(path).site == Site(1)
    save_file({"W": vector.values}, path)
    with pytest.raises(VectorError, match="holds W"):
        import_vector(path)


def test_a_bare_array_needs_its_site_and_model(made: Any, tmp_path: Path) -> None:
    loaded, _, vector = made
    path = tmp_path / "v.npy"
    np.save(path, vector.values)
    again = import_vector(path, site=FINAL_NORM, model="llama")
    assert again.site == FINAL_NORM
    _require(again, loaded)
    with pytest.raises(VectorError, match="names neither its site nor its model"):
        import_vector(path, site=FINAL_NORM)
    path.rename(tmp_path / "v.bin")
    with pytest.raises(VectorError, match=r"'\.bin' is not a known vector format"):
        import_vector(tmp_path / "v.bin")


def test_sampling_is_from_the_model_and_repeats(load_random: Any) -> None:
    loaded = load_random("gpt2")
    _, batch = sample_texts(loaded, 4, 12, seed=3)
    _, again = sample_texts(loaded, 4, 12, seed=3)
    assert torch.equal(batch.ids, again.ids)
    assert batch.ids.shape == (4, 13)
    assert not torch.equal(batch.ids, sample_texts(loaded, 4, 12, seed=4)[1].ids)
    # Mean surprise minus mean entropy is zero in expectation: the draws are the model's own.
    _, many = sample_texts(loaded, 64, 12, seed=5)
    log_p = torch.log_softmax(loaded.model(many.ids).logits[:, :-1], -1)
    surprise = -log_p.gather(2, many.ids[:, 1:, None])[..., 0]
    entropy = -(log_p.exp() * log_p).sum(-1)
    gap = (surprise - entropy).flatten()
    assert abs(float(gap.mean() / gap.std())) * gap.numel() ** 0.5 < 4


def test_the_sink_matters_when_lengths_differ(load_random: Any) -> None:
    loaded = load_random("llama")
    # A first token a hundred times longer than the others, as in trained models.
    loaded.model.model.embed_tokens.weight.data[0] *= 100
    anatomy = inspect_model(loaded.model)

    def cosine(negative: str) -> float:
        return difference_vectors(loaded, anatomy, ["the sun is"], [negative], (Site(0),))[0][1]

    even, uneven = cosine("rain and day"), cosine("rain and day in the")
    assert even == pytest.approx(1.0, abs=1e-6)
    assert abs(uneven) < 0.7
