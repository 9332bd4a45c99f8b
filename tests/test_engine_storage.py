"""Families on disk: bit by bit, with their metadata, and never half-written."""

from __future__ import annotations

import numpy as np
import pytest

from steering_strength.theory import TiltedFamily
from steering_strength.theory.errors import ProbabilityError, SteeringError

METADATA = {
    "model": "a",
    "site": "final_norm",
    "alpha": {"unit": "v"},
    "texts": [24, 24],
    "x": None,
}


@pytest.fixture
def family():
    rng = np.random.default_rng(0)
    log_p = np.append(TiltedFamily.from_logits(rng.normal(size=9), np.ones(9)).log_p, -np.inf)
    return TiltedFamily(log_p, np.append(rng.normal(size=9), np.nan), METADATA)


def test_round_trip_is_exact(family, tmp_path):
    path = tmp_path / "family.npz"
    family.save(path)
    back = TiltedFamily.load(path)
    np.testing.assert_array_equal(back.log_p, family.log_p)
    np.testing.assert_array_equal(back.log_odds, family.log_odds)
    assert dict(back.metadata) == METADATA
    np.testing.assert_array_equal(back.peaks(), family.peaks())


def test_metadata_is_copied_and_read_only(family):
    given = {"texts": [1]}
    copy = TiltedFamily(family.log_p, family.log_odds, given)
    given["texts"].append(2)
    assert copy.metadata["texts"] == [1]
    with pytest.raises(TypeError):
        copy.metadata["texts"] = []


@pytest.mark.parametrize("metadata", [{"x": object()}, {"x": np.ones(2)}, {"x": np.nan}, 3])
def test_metadata_must_be_json(family, metadata):
    with pytest.raises(SteeringError, match="JSON"):
        TiltedFamily(family.log_p, family.log_odds, metadata)


def test_what_is_no_family_is_not_loaded(family, tmp_path):
    path = tmp_path / "other.npz"
    with pytest.raises(SteeringError, match="no file"):
        TiltedFamily.load(path)
    path.write_text("text")
    with pytest.raises(SteeringError, match="damaged"):
        TiltedFamily.load(path)
    np.savez(path, kind="ConceptDataset")
    with pytest.raises(SteeringError, match="ConceptDataset"):
        TiltedFamily.load(path)
    np.savez(path, kind="TiltedFamily", log_p=family.log_p)
    with pytest.raises(SteeringError, match="lacks log_odds, metadata"):
        TiltedFamily.load(path)
    arrays = {"log_p": family.log_p, "log_odds": family.log_odds}
    np.savez(path, kind="TiltedFamily", metadata="{", **arrays)
    with pytest.raises(SteeringError, match="JSON"):
        TiltedFamily.load(path)
    np.savez(path, kind="TiltedFamily", metadata="{}", **arrays | {"log_p": family.log_p + 1.0})
    with pytest.raises(ProbabilityError, match="not normalised"):
        TiltedFamily.load(path)
