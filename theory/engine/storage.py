"""Arrays in .npz files: written whole (`theory.files`), and read without pickle."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from steering_strength.theory.engine.validation import require_memory
from steering_strength.theory.errors import SteeringError
from steering_strength.theory.files import opened, write_whole


class ArrayRecord:
    """Abstract base of frozen dataclasses whose fields are arrays, strings or tuples of strings.

    Records are equal bit by bit.
    """

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write every field to one .npz file at exactly `path` (`OutputError` if it cannot)."""
        write_npz(path, type(self).__name__, {key: getattr(self, key) for key in _keys(type(self))})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote: equal to the original, bit by bit, and validated again.

        Raises SteeringError if the file cannot be read or holds something else.
        """
        return cls(**values_of(read_npz(path, cls.__name__, _keys(cls))))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        pairs = ((getattr(self, key), getattr(other, key)) for key in _keys(type(self)))
        return all(np.array_equal(mine, theirs) for mine, theirs in pairs)

    def __hash__(self) -> int:
        return hash(tuple(np.asarray(getattr(self, key)).tobytes() for key in _keys(type(self))))


def _keys(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(cls))


def values_of(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """What was stored: arrays as they are; text, and single numbers, as Python's own."""
    return {
        key: array.tolist() if array.dtype.kind == "U" or array.ndim == 0 else array
        for key, array in arrays.items()
    }


def write_npz(path: str | os.PathLike[str], kind: str, arrays: Mapping[str, Any]) -> Path:
    """Write `arrays` to exactly `path`; an older file there survives any failure.

    Raises OutputError: the folder is missing or cannot be written, or `path` is no regular file.
    """

    def write(temporary: Path) -> None:
        with temporary.open("wb") as stream:  # a stream: savez would add .npz to a name
            np.savez(stream, allow_pickle=False, kind=kind, **arrays)

    return write_whole(path, write)


def read_npz(
    path: str | os.PathLike[str], kind: str, keys: tuple[str, ...], optional: tuple[str, ...] = ()
) -> dict[str, NDArray[Any]]:
    """The arrays `keys` of a file written by `write_npz` with the same `kind`.

    Of `optional` those that are there come too.

    Raises SteeringError: the file cannot be read, is of another kind, or lacks one of `keys`.
    """
    arrays = read_archive(path, f"give a .npz file holding a {kind}")
    found = str(arrays.get("kind", "something else"))
    if found != kind:
        raise SteeringError(f"{path} holds {found}", remedy=f"give a .npz file holding a {kind}")
    missing = [key for key in keys if key not in arrays]
    if missing:
        raise SteeringError(
            f"{path} lacks {', '.join(missing)}", remedy="write it again with .save(path)"
        )
    return {key: arrays[key] for key in (*keys, *optional) if key in arrays}


def read_archive(
    path: str | os.PathLike[str], remedy: str, wanted: Callable[[str], bool] = lambda _: True
) -> dict[str, NDArray[Any]]:
    """All arrays of an .npz file, whoever wrote it; `remedy` is for a file that is none.

    Of those not `wanted` only the names are read: they stand for empty arrays. Raises
    SteeringError: the file cannot be read, or is no archive of plain arrays.
    """
    with opened(path, remedy) as stream:
        try:
            with np.load(stream, allow_pickle=False) as archive:
                require_memory(f"the arrays of {path}", _size(archive) // 8)
                arrays = {
                    name: archive[name] if wanted(name) else np.empty(0) for name in archive.files
                }
                if not all(map(_spells, arrays.values())):
                    arrays = {}
        except (SteeringError, OSError):
            raise
        except Exception:  # headers are parsed, members unpacked: anything may be wrong with them
            arrays = {}
    if not arrays or not all(isinstance(array, np.ndarray) for array in arrays.values()):
        # Not NumPy's own words: they recommend allow_pickle, which runs code from the file.
        raise SteeringError(
            f"cannot read {path}: it is no .npz archive of plain arrays, or it is damaged",
            remedy=remedy,
        )
    return arrays


def _spells(array: Any) -> bool:
    """Whether text, if it is any, is made of letters; Python stops at a number that is none."""
    if array.dtype.kind != "U" or not array.nbytes:
        return True
    numbers = np.frombuffer(array.tobytes(), np.dtype("u4").newbyteorder(array.dtype.byteorder))
    return bool((numbers <= 0x10FFFF).all())


def _size(archive: Any) -> int:
    """Bytes that an archive claims to hold once it is unpacked."""
    return sum(member.file_size for member in archive.zip.infolist())
