"""Records on disk: bit by bit, in the file that was named, and validated again when they are read.

What may lie where one is written or read is in `test_edges_files.py`.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steering_strength.theory import ConceptDataset, TiltedFamily, UnconstrainedFeatures
from steering_strength.theory.errors import ProbabilityError, SteeringError

METADATA = {"model": "a", "site": "final_norm", "alpha": {"unit": "v"}, "texts": [24], "x": None}
RAW = np.random.default_rng(0).normal(size=(2, 9))
FAMILY = TiltedFamily(
    np.append(TiltedFamily.from_logits(*RAW).log_p, -np.inf), np.append(RAW[1], np.nan), METADATA
)
NAMED = ConceptDataset.from_counts(
    [["a", "b"], ["c"], ["a"]],
    ["c", "c", "b"],
    {"a": "Greek α", "b": "Greek α", "c": "other"},
    pseudo_count=0.5,
)
SMALL = ConceptDataset.smoothed(concepts=3, tokens_per_concept=2, epsilon=0.1)
RECORDS: dict[str, Any] = {
    "family": FAMILY,
    "dataset": NAMED,
    "interpolating": UnconstrainedFeatures.interpolating(SMALL, rng=3),
    "trained": UnconstrainedFeatures.trained(SMALL, seed=3, tolerance=1e-2),
}


def same(one: Any, other: Any) -> bool:
    """Bit by bit, and in all that is no array."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.tobytes() == other.tobytes()
    if dataclasses.is_dataclass(one):
        names = [f.name for f in dataclasses.fields(one) if not f.name.startswith("_")]
        return all(same(getattr(one, name), getattr(other, name)) for name in names)
    return bool(dict(one) == dict(other) if isinstance(one, Mapping) else one == other)


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_comes_back(name: str, tmp_path: Path) -> None:
    record, path = RECORDS[name], tmp_path / "no suffix"
    record.save(path)
    assert list(tmp_path.iterdir()) == [path]
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask
    loaded = type(record).load(str(path))
    assert same(record, loaded)
    assert repr(loaded) == repr(record)


@given(st.integers(2, 4), st.integers(1, 3), st.floats(1e-300, 0.4), st.booleans())
def test_any_dataset_comes_back(
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
    assert same(data, loaded)
    assert (loaded, hash(loaded)) == (data, hash(data))


def test_equality_of_datasets_sees_each_field() -> None:
    base = ConceptDataset.smoothed()
    parts = base.probabilities, base.token_concept, base.context_concept
    assert base == ConceptDataset.smoothed()
    for other in (
        ConceptDataset.smoothed(epsilon=0.06),
        ConceptDataset(*parts),  # another description
        ConceptDataset(*parts, [0.25, 0.25, 0.5], base.description),
        ConceptDataset(*parts, None, base.description, "abcdefghi"),
        "a dataset",
    ):
        assert base != other


def test_metadata_are_json_copied_and_read_only() -> None:
    given_ = {"texts": [1]}
    copy = TiltedFamily(FAMILY.log_p, FAMILY.log_odds, given_)
    given_["texts"].append(2)
    assert copy.metadata["texts"] == [1]
    with pytest.raises(TypeError):
        copy.metadata["texts"] = []  # type: ignore[index]
    for metadata in ({"x": object()}, {"x": np.ones(2)}, {"x": np.nan}, 3):
        with pytest.raises(SteeringError, match="JSON"):
            TiltedFamily(FAMILY.log_p, FAMILY.log_odds, metadata)  # type: ignore[arg-type]


def spoilt(name: str, folder: Path, **changes: Any) -> Path:
    """The file of a record with some arrays changed, or left out."""
    RECORDS[name].save(folder / "good.npz")
    with np.load(folder / "good.npz") as archive:
        arrays = {**archive, **changes}
    np.savez(folder / "bad.npz", **{k: v for k, v in arrays.items() if v is not None})
    return folder / "bad.npz"


@pytest.mark.parametrize(
    ("name", "changes", "error", "message"),
    [
        ("family", {"kind": "ConceptDataset"}, SteeringError, "holds ConceptDataset"),
        ("trained", {"kind": "ConceptDataset"}, SteeringError, "holds ConceptDataset"),
        ("dataset", {"kind": None}, SteeringError, "holds something else"),
        ("family", {"log_odds": None, "metadata": None}, SteeringError, "log_odds, metadata"),
        ("dataset", {"token_concept": None}, SteeringError, "lacks token_concept"),
        ("family", {"metadata": "{"}, SteeringError, "JSON"),
        ("family", {"log_p": FAMILY.log_p + 1.0}, ProbabilityError, "not normalised"),
        ("dataset", {"probabilities": NAMED.probabilities * 1.1}, ProbabilityError, "sums to 1"),
        ("dataset", {"probabilities": np.array([{}], dtype=object)}, SteeringError, "cannot read"),
    ],
)
def test_a_file_of_something_else_is_refused(
    name: str, changes: dict[str, Any], error: type, message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        type(RECORDS[name]).load(spoilt(name, tmp_path, **changes))


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "array", np.ones(3))
    (tmp_path / "text").write_text("not an archive")
    for name in ("array.npy", "text"):
        with pytest.raises(SteeringError, match=r"cannot read .* give a \.npz file holding a Conc"):
            ConceptDataset.load(tmp_path / name)
    with pytest.raises(SteeringError, match="no file"):
        TiltedFamily.load(tmp_path / "missing.npz")
