"""Arrays in .npz files: written whole (`theory.files`), and read without pickle."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.theory.engine.validation import require_memory
from steering_strength.theory.errors import SteeringError
from steering_strength.theory.files import opened, write_whole


def write_npz(path: str | os.PathLike[str], kind: str, arrays: Mapping[str, Any]) -> Path:
    """Write `arrays` to exactly `path`; an older file there survives any failure.

    Raises OutputError: the folder is missing or cannot be written, or `path` is no regular file.
    """

    def write(temporary: Path) -> None:
        with temporary.open("wb") as stream:  # a stream: savez would add .npz to a name
            np.savez(stream, allow_pickle=False, kind=kind, **arrays)

    return write_whole(path, write)


def read_npz(
    path: str | os.PathLike[str], kind: str, keys: Iterable[str], optional: Iterable[str] = ()
) -> dict[str, Any]:
    """What `write_npz` wrote with the same `kind` under `keys`, and what of `optional` is there.

    Arrays come as they are; text, and single numbers, as Python's own.

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
    wanted = {key: arrays[key] for key in (*keys, *optional) if key in arrays}
    plain = {key for key, array in wanted.items() if array.dtype.kind == "U" or array.ndim == 0}
    return {key: x.tolist() if key in plain else x for key, x in wanted.items()}


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
