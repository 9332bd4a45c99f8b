"""Output files that are whole or absent."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from steering_strength.theory.errors import OutputError

__all__ = ["output_folder", "write_whole"]


def output_folder(path: str) -> Path:
    """The folder `path`, created if needed and known to be writable before any work starts.

    Raises
    ------
    OutputError
        It cannot be created, is a file, or cannot be written.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".writable"):
            pass
    except OSError as error:
        raise OutputError(
            f"cannot write into {folder}: {error.strerror or error}",
            remedy="give a folder that you may write to with --out",
        ) from error
    return folder


def write_whole(target: Path, write: Callable[[Path], object]) -> Path:
    """Let `write` fill a temporary file beside `target`, then move it there in one step.

    Raises
    ------
    OutputError
        The file cannot be written; an existing one is untouched.
    """
    # matplotlib and NumPy choose the format by the ending, so the temporary name keeps it.
    temporary = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
    try:
        write(temporary)
        os.replace(temporary, target)
    except OSError as error:
        raise OutputError(
            f"cannot write {target}: {error.strerror or error}",
            remedy="name a file in an existing folder that you may write to",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return target
