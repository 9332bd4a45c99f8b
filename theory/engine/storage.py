"""Arrays in .npz files: nothing half-written, nothing pickled.

Written whole (`theory.files`) and read without pickle.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.theory.errors import SteeringError
from steering_strength.theory.files import write_whole

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
    try:
        # Opened here, because np.load leaves the file of a damaged archive open.
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise SteeringError(
            f"cannot read {path} ({error.strerror or error})", remedy="give a file you may read"
        ) from None
    except (ValueError, EOFError, zipfile.BadZipFile, AttributeError, TypeError):
        # Not NumPy's own words: they recommend allow_pickle, which runs code from the file.
        raise SteeringError(
            f"cannot read {path}: it is no .npz archive of plain arrays, or it is damaged",
            remedy=remedy,
        ) from None
