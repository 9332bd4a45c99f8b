"""Records of arrays: equal bit by bit, and stored as .npz files (`theory.engine.storage`)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from steering_strength.theory.engine.storage import read_npz, write_npz

__all__ = ["ArrayRecord", "read_npz", "values_of", "write_npz"]


class ArrayRecord:
    """Abstract base of frozen dataclasses whose fields are arrays, strings or tuples of strings."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write every field to one .npz file at exactly `path` (`OutputError` if it cannot)."""
        write_npz(path, type(self).__name__, {key: getattr(self, key) for key in _keys(type(self))})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote: equal to the original, bit by bit, and validated again.

        Raises
        ------
        SteeringError
            The file cannot be read or holds something else.
        """
        return cls(**values_of(read_npz(path, cls.__name__, _keys(cls))))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        pairs = ((getattr(self, key), getattr(other, key)) for key in _keys(type(self)))
        return all(np.array_equal(mine, theirs) for mine, theirs in pairs)

    def __hash__(self) -> int:
        return hash(tuple(np.asarray(getattr(self, key)).tobytes() for key in _keys(type(self))))


def values_of(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """What was stored: arrays as they are; text, and single numbers, as Python's own."""
    return {
        key: array.tolist() if array.dtype.kind == "U" or array.ndim == 0 else array
        for key, array in arrays.items()
    }


def _keys(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(cls))
