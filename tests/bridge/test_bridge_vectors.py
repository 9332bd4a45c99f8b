"""Vectors keep their meaning: read rules, everyone's files, and every mismatch an error."""

from __future__ import annotations

import json
import math
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from steering_strength.proofs_check.bridge.loading import VectorError
from steering_strength.proofs_check.bridge.vectors import (
    FINAL_NORM,
    Site,
    SteeringVector,
    import_vector,
    import_vectors,
    save_vector,
)
from steering_strength.theory.errors import ShapeError, SteeringSetError, UnknownNameError

pytestmark = pytest.mark.bridge


@pytest.fixture(scope="module")
def made(steered: Any, concept: Any) -> tuple[Any, SteeringVector]:
    model = steered("llama")
    return model, model.vector(concept.positive, concept.neutral, 1)


@pytest.mark.parametrize("read", ["last", "mean"])
def test_read_rules_match_a_text_by_text_mean(steered: Any, concept: Any, read: Any) -> None:
    model = steered("llama")
    means = []
    for texts in (concept.positive, concept.neutral):
        states = []
        for text in texts:
            ids = model.encode(text).ids.to(model.device)
            with torch.no_grad():
                hidden = model.hf_model(input_ids=ids, output_hidden_states=True).hidden_states
            state = hidden[2][0]  # the output of block 1
            states.append(state[-1] if read == "last" else state[1:].mean(0))
        means.append(torch.stack(states).mean(0).cpu())
    vector = model.vector(concept.positive, concept.neutral, 1, read=read)
    np.testing.assert_allclose(vector.values, (means[0] - means[1]).numpy(), atol=1e-6)
    assert (vector.read, vector.positives, vector.negatives) == (read, 5, 7)
    assert vector.norm == pytest.approx(np.linalg.norm(vector.values))


def test_the_first_token_is_left_out_and_told_apart(steered: Any, concept: Any) -> None:
    model = steered("llama")
    model.hf_model.model.embed_tokens.weight.data[0] *= 3000.0  # BOS: an attention sink
    vector = model.vector(concept.positive, concept.neutral, 0, read="mean")
    # P and N differ in length, so a plain mean is mostly the sink.
    assert vector.sink_cosine < 0.5
    assert vector.norm < 5 * model.vector(concept.positive, concept.neutral, 0, read="last").norm


def test_several_sites_from_one_pass(steered: Any, concept: Any) -> None:
    model = steered("gpt2")
    before = model.cost.texts
    together = model.vectors(concept.positive, concept.neutral, [0, 2, "final_norm"])
    assert model.cost.texts - before == 12
    for vector in together:
        alone = model.vector(concept.positive, concept.neutral, vector.site)
        np.testing.assert_allclose(alone.values, vector.values, atol=1e-12)
    # Under the same precision the final norm's vector is M: log-odds of the mean log-probabilities.
    odds = model.log_probability(concept.positive).mean(0) - model.log_probability(
        concept.neutral
    ).mean(0)
    np.testing.assert_allclose(model.direction(together[2].values), odds - odds.mean(), atol=1e-12)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (np.zeros(32), "zero"),
        (np.full(32, np.nan), "is nan"),
        (np.ones((2, 32)), r"shape \(2, 32\)"),
        (np.zeros(0), r"shape \(0,\)"),
    ],
)
def test_unusable_numbers_are_refused(values: np.ndarray, match: str) -> None:
    with pytest.raises(VectorError, match=match):
        SteeringVector(values, Site(1))


def test_rules_and_sites_are_checked() -> None:
    with pytest.raises(VectorError, match="apply rule"):
        SteeringVector(np.ones(4), Site(1), apply="first")
    with pytest.raises(ShapeError, match="count blocks from 0"):
        Site(-1)
    with pytest.raises(UnknownNameError):
        Site.parse("block 3")
    assert Site.parse("3") == Site.parse("block_out 3") == Site(3)


def test_a_vector_of_another_model_or_place_is_refused(made: Any, steered: Any) -> None:
    model, vector = made
    vector.require(model)
    for changed, match in (
        ({"values": np.ones(8)}, "8 coordinates"),
        ({"fingerprint": "0" * 16}, "other weights"),
        ({"tokenizer": "0" * 16}, "other vocabulary"),
        ({"fingerprint": "", "model": "gpt2-xl"}, "made for 'gpt2-xl'"),
    ):
        with pytest.raises(VectorError, match=match):
            replace(vector, **changed).require(model)
    # A model's type, as repeng writes it, or its name in another spelling is no mismatch.
    for name in ("llama", "Meta/Llama", ""):
        replace(vector, fingerprint="", tokenizer="", model=name).require(model)
    with pytest.raises(VectorError, match="belongs to block_out 1"):
        model.fitting(vector, 2)
    with pytest.raises(SteeringSetError, match="0 texts"):
        model.vector([], ["the day"])


def test_numbers_of_any_kind_become_a_vector(made: Any) -> None:
    model, vector = made
    trained = torch.tensor(vector.values, dtype=torch.float32, requires_grad=True)
    for values in (trained, vector.values.tolist()):
        fitted = model.fitting(values, 1)
        np.testing.assert_allclose(fitted.values, vector.values, rtol=1e-6)
    with pytest.raises(VectorError, match="different lengths"):
        model.fitting([[1.0, 2.0], [3.0]], 1)


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_own_files_come_back_whole(made: Any, tmp_path: Path, ending: str) -> None:
    model, vector = made
    path = tmp_path / f"v{ending}"
    assert save_vector(vector, path, alpha=1.5, said={"concept": "cheer"}) == (path,)
    back = import_vector(path, site=1)
    back.require(model)
    assert np.array_equal(back.values, vector.values)
    for name in ("site", "read", "apply", "residual_norm", "positive_hash", "sink_cosine"):
        assert getattr(back, name) == getattr(vector, name)
    with pytest.raises(VectorError, match="final_norm is not among them"):
        import_vector(path, site="final_norm")


def test_files_of_other_formats_hold_alpha_or_say_it(made: Any, tmp_path: Path) -> None:
    _, vector = made
    save_vector(vector, tmp_path / "v.npy", alpha=2.0)
    said = json.loads((tmp_path / "v.json").read_text())
    assert float(said["alpha"]) == 2.0
    back = import_vector(tmp_path / "v.npy", site=1, model="llama")
    np.testing.assert_allclose(back.values, 2.0 * vector.values)
    save_vector(vector, tmp_path / "v.gguf", alpha=2.0)
    back = import_vector(tmp_path / "v.gguf")
    assert back.site == Site(1)
    np.testing.assert_allclose(back.values, 2.0 * vector.values, rtol=1e-6)
    save_vector(vector, tmp_path / "v.pt", alpha=2.0, said={"concept": "Cheer Up"})
    content = torch.load(tmp_path / "v.pt", weights_only=True)
    assert (content["layer_idx"], content["hidden_size"], content["alpha"]) == (1, 32, "2.0")
    assert content["concept_slug"] == "cheer-up"
    back = import_vector(tmp_path / "v.pt")
    np.testing.assert_allclose(back.values, vector.values, rtol=1e-6)


def test_what_cannot_be_written_leaves_nothing(made: Any, tmp_path: Path) -> None:
    _, vector = made
    at_norm = replace(vector, site=FINAL_NORM)
    for broken, name, alpha, match in (
        (vector, "v.svec", 1.0, "cannot write"),
        (vector, "v.npz", math.inf, "advised alpha is inf"),
        (vector, "v.npz", math.nan, "advised alpha is nan"),
        (vector, "v.npz", 0.0, "advised alpha is 0"),
        (at_norm, "v.gguf", 1.0, "belongs to the final norm"),
        (at_norm, "v.pt", 1.0, "belongs to the final norm"),
        (replace(vector, site=Site(0)), "v.gguf", 1.0, "block 0"),
    ):
        with pytest.raises(VectorError, match=match):
            save_vector(broken, tmp_path / name, alpha=alpha)
    assert list(tmp_path.iterdir()) == []


V = np.random.default_rng(2).standard_normal((3, 32)).astype(np.float32)


def _bf16(path: Path) -> Path:
    from safetensors.torch import save_file

    save_file({"model.layers.1": torch.as_tensor(V[1]).to(torch.bfloat16)}, str(path))
    return path


def _lite(path: Path) -> Path:
    from safetensors.numpy import save_file

    tensors = {f"layer{layer}.v": V[layer] for layer in range(3)}
    save_file(tensors, str(path), {"cfg": json.dumps({"method": "mean_diff", "model": "llama"})})
    return path


def _torch(content: Any) -> Any:
    def write(path: Path) -> Path:
        torch.save(content, path)
        return path

    return write


def _numpy(content: np.ndarray) -> Any:
    def write(path: Path) -> Path:
        np.save(path, content)
        return path

    return write


def _svec(path: Path) -> Path:
    layers = {str(layer): [V[layer].tolist()] for layer in range(3)}
    path.write_text(json.dumps({"model_type": "llama", "directions": layers}))
    return path


_T = torch.as_tensor(V)
FOREIGN = {
    "bare.pt": (_torch(_T[1].clone().requires_grad_()), 1e-7),
    "layers.pt": (_torch(_T), 1e-7),
    "embedding.pt": (_torch(torch.cat([torch.zeros(1, 32), _T])), 1e-7),
    "positions.pt": (_torch(torch.stack([0 * _T, _T])), 1e-7),
    "numbers.pt": (_torch({layer: _T[layer] for layer in range(3)}), 1e-7),
    "names.pth": (
        _torch({f"model.layers.{layer}": _T[layer : layer + 1] for layer in (1, 2)}),
        1e-7,
    ),
    "activations.pt": (_torch({"layer_activations": {1: _T[1]}}), 1e-7),
    "half.bin": (_torch(_T.to(torch.bfloat16)), 1e-2),
    "one.npy": (_numpy(V[1]), 1e-7),
    "all.npy": (_numpy(V), 1e-7),
    "bf16.safetensors": (_bf16, 1e-2),
    "lite.safetensors": (_lite, 1e-7),
    "ai.svec": (_svec, 1e-7),
}


@pytest.mark.parametrize("name", sorted(FOREIGN))
def test_everyones_files_are_read(made: Any, tmp_path: Path, name: str) -> None:
    model, _ = made
    write, close = FOREIGN[name]
    vector = import_vector(write(tmp_path / name), site=1, blocks=3)
    vector.require(model)
    assert vector.site == Site(1)
    np.testing.assert_allclose(vector.values, V[1], rtol=close, atol=close)
    assert math.isnan(vector.residual_norm)
    # Its length at the site is measured where it is used.
    fitted = model.fitting(vector, contexts="the day was")
    assert fitted.residual_norm > 0


def test_all_layers_at_once_and_a_wrong_number_of_them(tmp_path: Path) -> None:
    path = _lite(tmp_path / "lite.safetensors")
    assert [vector.site.layer for vector in import_vectors(path)] == [0, 1, 2]
    with pytest.raises(VectorError, match="no site was named"):
        import_vector(path)
    with pytest.raises(VectorError, match=r"3 layers, the model 7"):
        import_vector(_torch(_T)(tmp_path / "layers.pt"), site=1, blocks=7)
    with pytest.raises(VectorError, match=r"shape \(2, 3, 32\): 3 layers, the model 7"):
        import_vectors(np.stack([V[:3], V[:3]]), blocks=7)


@pytest.mark.parametrize("ending", [".gguf", ".safetensors", ".npz", ".pt"])
def test_several_layers_are_written_and_come_back(made: Any, tmp_path: Path, ending: str) -> None:
    model, vector = made
    several = [replace(vector, values=V[layer], site=Site(layer)) for layer in (1, 2)]
    (path,) = save_vector(several, tmp_path / f"v{ending}", alpha=2.0)
    back = import_vectors(path)
    assert [one.site for one in back] == [Site(1), Site(2)]
    scale = 2.0 if ending == ".gguf" else 1.0
    for one, layer in zip(back, (1, 2), strict=True):
        np.testing.assert_allclose(one.values, scale * V[layer], rtol=1e-6)
        one.require(model)
    with pytest.raises(VectorError):
        save_vector(several, tmp_path / "v.npy")
    with pytest.raises(VectorError):
        save_vector([vector, vector], tmp_path / "v.npz")


class _Objects:
    layer_activations = {1: _T[1]}  # noqa: RUF012


def test_objects_of_other_libraries_are_read_too(tmp_path: Path) -> None:
    np.testing.assert_allclose(import_vector(_Objects()).values, V[1])
    np.testing.assert_allclose(import_vector({2: V[2]}).values, V[2])
    np.testing.assert_allclose(import_vector(V[0], site=0).values, V[0])


class _Evil:
    def __reduce__(self) -> Any:
        return (print, ("executed",))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("evil.pt", pickle.dumps(_Evil())),
        ("text.pt", b"not a file of torch"),
        ("text.gguf", b"not a gguf"),
        ("text.npz", b"PK not a zip"),
        ("text.npy", b"\x93NUMPY"),
        ("text.safetensors", b"\xff" * 40),
        ("short.safetensors", b"\x02"),
        ("text.svec", b"{"),
        ("list.svec", b"[1]"),
        ("text.bin", b""),
        ("vector.xyz", b"1 2 3"),
    ],
)
def test_damaged_and_hostile_files_are_one_line(
    tmp_path: Path, capsys: Any, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(VectorError) as caught:
        import_vector(path, site=1)
    assert "\n" not in str(caught.value)
    assert "executed" not in capsys.readouterr().out


def test_repeng_itself_reads_and_writes_the_same(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(np, "float_", np.float64, raising=False)  # repeng 0.4 is older than NumPy 2
    repeng = pytest.importorskip("repeng")
    model, vector = made
    layers = {layer: V[layer] for layer in (1, 2)}
    written = repeng.ControlVector(model_type="llama", directions=layers)
    written.export_gguf(tmp_path / "theirs.gguf")
    back = import_vector(tmp_path / "theirs.gguf", site=2)
    back.require(model)
    np.testing.assert_allclose(back.values, V[2])
    save_vector(vector, tmp_path / "ours.gguf", alpha=3.0)
    theirs = repeng.ControlVector.import_gguf(tmp_path / "ours.gguf")
    assert theirs.model_type == "llama"
    np.testing.assert_allclose(theirs.directions[1], 3.0 * vector.values, rtol=1e-6)


def test_steering_vectors_itself_steers_alike(made: Any, tmp_path: Path) -> None:
    library = pytest.importorskip("steering_vectors")
    model, vector = made
    alpha = 0.8
    theirs = library.SteeringVector(
        layer_activations={1: torch.as_tensor(vector.values)}, layer_type="decoder_block"
    )
    np.testing.assert_allclose(import_vector(theirs).values, vector.values)
    ids = model.encode("the day was").ids.to(model.device)
    with theirs.apply(model.hf_model, multiplier=alpha):
        logits = model.hf_model(input_ids=ids).logits[0, -1]
    expected = torch.log_softmax(logits, -1).detach().cpu().numpy()
    found = model.at(1, vector, "the day was").log_probability(alpha)
    np.testing.assert_allclose(found, expected, atol=1e-5)
