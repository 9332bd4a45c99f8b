"""Files: bit-exact round trips, and nothing lost or half-written when something goes wrong."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steering_strength.theory import ConceptDataset, UnconstrainedFeatures
from steering_strength.theory.errors import ProbabilityError, SteeringError

DATA = ConceptDataset.from_counts(
    [["a", "b"], ["c"], ["a"]],
    ["c", "c", "b"],
    {"a": "Greek α", "b": "Greek α", "c": "other"},
    pseudo_count=0.5,
)


@given(st.integers(2, 4), st.integers(1, 3), st.floats(1e-300, 0.4), st.booleans())
def test_a_round_trip_keeps_every_bit(
    tmp_path_factory: pytest.TempPathFactory, g: int, s: int, epsilon: float, named: bool
) -> None:
    made = ConceptDataset.smoothed(g, s, epsilon, contexts_per_concept=2)
    data = ConceptDataset(
        made.probabilities,
        made.token_concept,
        made.context_concept,
        np.arange(1, 2 * g + 1) / (g * (2 * g + 1)),
        made.description,
        [f"token ℓ{z}" for z in range(g * s)] if named else (),
    )
    path = tmp_path_factory.mktemp("npz") / "data.npz"
    data.save(path)
    loaded = ConceptDataset.load(path)
    assert loaded == data
    assert hash(loaded) == hash(data)
    assert loaded.probabilities.tobytes() == data.probabilities.tobytes()
    assert loaded.context_weights.tobytes() == data.context_weights.tobytes()
    assert (loaded.description, loaded.token_names) == (data.description, data.token_names)
    assert loaded.context_concept.dtype == np.int64


def test_names_survive(tmp_path: Path) -> None:
    DATA.save(tmp_path / "d.npz")
    loaded = ConceptDataset.load(str(tmp_path / "d.npz"))
    assert loaded.concept_names == ("Greek α", "other")
    assert loaded.context_names == ("a b", "c", "a")
    assert loaded.token_names == ("a", "b", "c")
    assert loaded == DATA


def test_the_file_is_exactly_where_it_was_asked_for(tmp_path: Path) -> None:
    DATA.save(tmp_path / "no suffix")
    assert [p.name for p in tmp_path.iterdir()] == ["no suffix"]
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "no suffix").stat().st_mode & 0o777 == 0o666 & ~mask


def test_equality_sees_each_field() -> None:
    base = ConceptDataset.smoothed()
    parts = base.probabilities, base.token_concept, base.context_concept
    weights = [0.25, 0.25, 0.5]
    assert base == ConceptDataset.smoothed()
    assert base != ConceptDataset.smoothed(epsilon=0.06)
    assert base != ConceptDataset(*parts)  # another description
    assert base != ConceptDataset(*parts, weights, base.description)
    assert base != ConceptDataset(*parts, None, base.description, "abcdefghi")
    assert base != "a dataset"


def test_a_reader_never_sees_half_of_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    DATA.save(path)
    before = path.read_bytes()
    with path.open("rb") as reader:
        ConceptDataset.smoothed(4, 5, 0.1).save(path)
        assert reader.read() == before  # moved into place, not written over
    assert ConceptDataset.load(path).vocabulary_size == 20


def test_files_that_are_not_datasets(tmp_path: Path) -> None:
    with pytest.raises(SteeringError, match="no file"):
        ConceptDataset.load(tmp_path / "missing.npz")
    (tmp_path / "text").write_text("not an archive")
    with pytest.raises(SteeringError, match=r"cannot read .* give a \.npz file holding a Concept"):
        ConceptDataset.load(tmp_path / "text")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(SteeringError, match="cannot read"):
        ConceptDataset.load(tmp_path / "empty")
    np.savez(tmp_path / "other.npz", x=np.ones(3))
    with pytest.raises(SteeringError, match="holds something else"):
        ConceptDataset.load(tmp_path / "other.npz")
    np.save(tmp_path / "array.npy", np.ones(3))
    with pytest.raises(SteeringError, match="cannot read"):
        ConceptDataset.load(tmp_path / "array.npy")
    np.savez(tmp_path / "part.npz", kind="ConceptDataset", probabilities=np.eye(2))
    with pytest.raises(SteeringError, match="lacks token_concept, context_concept"):
        ConceptDataset.load(tmp_path / "part.npz")
    objects = np.array([{"code": 1}], dtype=object)
    np.savez(tmp_path / "pickle.npz", kind="ConceptDataset", probabilities=objects)
    with pytest.raises(SteeringError, match="cannot read"):
        ConceptDataset.load(tmp_path / "pickle.npz")
    DATA.save(tmp_path / "cut.npz")
    whole = (tmp_path / "cut.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SteeringError, match="cannot read"):
        ConceptDataset.load(tmp_path / "cut.npz")


def test_a_tampered_file_is_validated_again(tmp_path: Path) -> None:
    DATA.save(tmp_path / "d.npz")
    with np.load(tmp_path / "d.npz") as archive:
        arrays = dict(archive)
    arrays["probabilities"] = arrays["probabilities"] * 1.1
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(ProbabilityError, match="sums to 1"):
        ConceptDataset.load(tmp_path / "bad.npz")


# --- models -----------------------------------------------------------------------------------


@pytest.mark.parametrize("trained", [True, False])
def test_a_model_comes_back_with_its_data_and_history(tmp_path: Path, trained: bool) -> None:
    data = ConceptDataset.smoothed(concepts=3, tokens_per_concept=2, epsilon=0.1)
    model = (
        UnconstrainedFeatures.trained(data, seed=3, tolerance=1e-2)
        if trained
        else UnconstrainedFeatures.interpolating(data, rng=3)
    )
    path = tmp_path / "model.npz"
    model.save(path)
    loaded = UnconstrainedFeatures.load(path)
    assert loaded.W.tobytes() == model.W.tobytes()
    assert loaded.H.tobytes() == model.H.tobytes()
    assert loaded.data == data
    assert (loaded.history is None) == (not trained)
    if trained:
        assert loaded.history.loss.tobytes() == model.history.loss.tobytes()
        scalars = ("excess", "step_size", "seed", "dimension", "tolerance", "max_steps")
        for name in scalars:
            assert getattr(loaded.history, name) == getattr(model.history, name)
    alpha = np.array([-2.0, 0.5])
    vector = model.steering_vector([0], [1])
    np.testing.assert_array_equal(
        loaded.steered_log_probability(vector, alpha), model.steered_log_probability(vector, alpha)
    )


def test_a_dataset_is_no_model(tmp_path: Path) -> None:
    DATA.save(tmp_path / "d.npz")
    with pytest.raises(SteeringError, match="holds ConceptDataset"):
        UnconstrainedFeatures.load(tmp_path / "d.npz")
