"""Arrays in .npz files: nothing half-written, nothing pickled.

Written whole (`theory.files`) and read without pickle.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.theory.engine.validation import require_memory
from steering_strength.theory.errors import SteeringError
from steering_strength.theory.files import opened, write_whole

__all__ = ["read_archive", "read_npz", "write_npz"]


def write_npz(path: str | os.PathLike[str], kind: str, arrays: Mapping[str, Any]) -> Path:
    """Write `arrays` to exactly `path`; an older file there survives any failure.

    Raises
    ------
    OutputError
        The folder is missing or cannot be written, or `path` is no regular file.
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

    Raises
    ------
    SteeringError
        The file cannot be read, is of another kind, or lacks one of `keys`.
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


def read_archive(path: str | os.PathLike[str], remedy: str) -> dict[str, NDArray[Any]]:
    """All arrays of an .npz file, whoever wrote it; `remedy` is for a file that is none.

    Raises
    ------
    SteeringError
        The file cannot be read, or is no archive of plain arrays.
    """
    with opened(path) as stream:
        try:
            with np.load(stream, allow_pickle=False) as archive:
                require_memory(f"the arrays of {path}", _size(archive) // 8)
                arrays = {name: archive[name] for name in archive.files}
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


def _size(archive: Any) -> int:
    """Bytes that an archive claims to hold once it is unpacked."""
    return sum(member.file_size for member in archive.zip.infolist())
