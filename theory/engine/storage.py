"""Arrays in .npz files: nothing half-written, nothing pickled.

A file is written beside its target and moved into place, so that an older file survives any
failure; it is read without pickle.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.theory.errors import OutputError, SteeringError

__all__ = ["read_archive", "read_npz", "write_npz"]


def write_npz(path: str | os.PathLike[str], kind: str, arrays: Mapping[str, Any]) -> Path:
    """Write `arrays` to exactly `path`; an older file there survives any failure.

    Raises
    ------
    OutputError
        The folder is missing or cannot be written.
    """
    target = Path(path)
    if target.is_dir():
        raise OutputError(f"{target} is a folder", remedy="give the name of a file in it")
    temporary: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as stream:
            np.savez(stream, allow_pickle=False, kind=kind, **arrays)
        # mkstemp makes private files; the result gets the permissions any new file would have.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(target)
    except OSError as error:
        raise OutputError(
            f"cannot write {target} ({error.strerror or error})",
            remedy="choose an existing folder that you may write to",
        ) from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return target


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
