"""Files that are whole or absent: the one place where this project reads and writes.

Whatever is written goes into a temporary neighbour first and is moved into place in one step, so an
older file survives any failure. Links are followed to the file they name; what exists and is no
regular file (a device, a pipe, a folder) is refused and left alone; an older file keeps its
permissions, and one that may not be written is not replaced. What is read must be a regular file
too: a pipe would wait for ever.
"""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import platform
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path
from typing import IO, Any

from steering_strength.theory.errors import OutputError, SteeringError

_REMEDY = "name a file in an existing folder that you may write to"
_FOLDER = "give a folder that you may write to with --out"
# Whose temporary file it is: what a process that is gone has left behind can be swept.
_PREFIX = ".writing-"
_HOST = re.sub(r"\W", "_", platform.node())[:40]

AnyPath = str | os.PathLike[str]


@contextmanager
def opened(path: AnyPath, remedy: str = "give a file you may read") -> Iterator[IO[bytes]]:
    """Yield the regular file `path`, open; raises SteeringError, also for what fails inside."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            if os.path.isdir(path):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            raise OSError("it is no regular file")
        with open(path, "rb") as stream:
            yield stream
    except SteeringError:
        raise
    except FileNotFoundError:
        raise SteeringError(f"no file {path}", remedy=_nearby(Path(path)) or remedy) from None
    except (OSError, ValueError, TypeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SteeringError(f"cannot read {path} ({reason})", remedy=remedy) from None


def _nearby(path: Path) -> str:
    """What a file that is not there may be called; empty if nothing is like it."""
    try:
        there = [other.name for other in path.parent.iterdir() if other.suffix == path.suffix]
    except OSError:
        return f"{path.parent} is no folder either"
    close = get_close_matches(path.name, there, n=3, cutoff=0.5)
    return f"did you mean {', '.join(str(path.parent / name) for name in close)}?" if close else ""


def read_text(path: AnyPath, remedy: str = "give a text file in UTF-8") -> str:
    """Return a text in UTF-8, with or without a byte-order mark; raises SteeringError."""
    with opened(path, remedy) as stream:
        return stream.read().decode("utf-8-sig")


def read_json(path: AnyPath, remedy: str) -> Any:
    """Return what a JSON file holds; raises SteeringError."""
    return parse_json(read_text(path, remedy), str(path), remedy)


def read_table(path: AnyPath, remedy: str) -> list[list[str]]:
    """Return the rows of a table, without blank ones; raises SteeringError.

    Its header says what separates cells: commas, tabs, or semicolons. Where no comma does, a comma
    below the header is a decimal point.
    """
    text = read_text(path, remedy)
    head = text.partition("\n")[0]
    separator = max(";\t,", key=head.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error as error:
        raise SteeringError(f"{path} is no table ({error})", remedy=remedy) from None
    header, *rest = [row for row in rows if any(map(str.strip, row))] or [[]]
    if separator != ",":
        rest = [[cell.replace(",", ".") for cell in row] for row in rest]
    return [header, *rest]


def parse_json(text: str, name: str, remedy: str) -> Any:
    """Return what JSON says; nested too deep or with numbers too long, it is refused as well."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SteeringError(f"{name} is not JSON ({error})", remedy=remedy) from None


def write_whole(path: AnyPath, write: Callable[[Path], object]) -> Path:
    """Let `write` fill a temporary file beside `path`, then move it there in one step.

    The temporary name keeps the ending, by which NumPy and Matplotlib choose the format.

    Raises OutputError: the file cannot be written, or `path` is no regular file; an existing one is
    untouched.
    """
    target = _target(path)
    temporary: Path | None = None
    with _refusing(target):
        try:
            mode = _mode(target)
            _sweep(target.parent)
            descriptor, name = tempfile.mkstemp(
                dir=target.parent, prefix=_prefix(), suffix=target.suffix
            )
            os.close(descriptor)
            temporary = Path(name)
            write(temporary)
            temporary.chmod(mode)
            temporary.replace(target)
        finally:
            if temporary is not None:
                temporary.unlink(missing_ok=True)
    return target


def write_text(path: AnyPath, text: str) -> Path:
    """Write UTF-8 text to `path`, whole or not at all; raises OutputError."""
    return write_whole(
        path, lambda temporary: temporary.write_text(text, "utf-8", "backslashreplace")
    )


def write_json(path: AnyPath, data: Any) -> Path:
    """Write `data` as JSON in ASCII to `path`, whole or not at all; raises OutputError."""
    return write_text(path, json.dumps(data, indent=1, allow_nan=False) + "\n")


def require_writable(path: AnyPath) -> None:
    """Try, and leave nothing behind: a file can be written at `path`; raises OutputError."""
    target = _target(path)
    with _refusing(target):
        _mode(target)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=_prefix()):
            pass


def output_folder(path: AnyPath) -> Path:
    """Return the folder `path`, created if needed and known to be writable; raises OutputError."""
    with _refusing(f"into {str(path)[:200]!r}", _FOLDER, _NO_PATH):
        folder = Path(path)
        if not str(path):
            raise FileNotFoundError("the name is empty")
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=_prefix()):
            pass
    return folder


@contextmanager
def staged(path: AnyPath) -> Iterator[Path]:
    """Yield an empty folder whose files replace those in `path` once the block has ended well.

    Raises OutputError: the folder cannot be created or written, or something there is no regular
    file; then nothing is replaced and nothing is left behind.
    """
    folder = output_folder(path)
    with (
        _refusing(f"into {folder}", _FOLDER),
        tempfile.TemporaryDirectory(dir=folder, prefix=_prefix()) as name,
    ):
        stage = Path(name)
        yield stage
        made = sorted(each for each in stage.rglob("*") if not each.is_dir())
        places = [folder / each.relative_to(stage) for each in made]
        targets = [_target(output_folder(place.parent) / place.name) for place in places]
        modes = [_mode(target) for target in targets]  # all of them, before the first moves
        for each, target, mode in zip(made, targets, modes, strict=True):
            each.chmod(mode)
            os.replace(each, target)


def _target(path: AnyPath) -> Path:
    """The regular file, there or not yet, that `path` names."""
    with _refusing(str(path)[:200], errors=_NO_PATH):
        if not str(path):
            raise FileNotFoundError("the name is empty")
        target = Path(os.path.realpath(path))
        found = target.lstat().st_mode if os.path.lexists(target) else None
        if found is not None and not stat.S_ISREG(found):
            raise OSError(f"it is {'a folder' if stat.S_ISDIR(found) else 'not a regular file'}")
    return target


def _mode(target: Path) -> int:
    """The permissions of the older file, which must be writable, or those of any new file."""
    if target.exists():
        mode = stat.S_IMODE(target.stat().st_mode)
        if not mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):  # root may write everything
            raise PermissionError("it is read-only")
        with target.open("ab"):
            pass
        return mode
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _prefix() -> str:
    return f"{_PREFIX}{_HOST}-{os.getpid()}-"


def _sweep(folder: Path) -> None:
    """Remove what killed runs of this machine left behind, and of others a day ago."""
    for stale in folder.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another run sweeps as well
            owner = re.match(rf"{re.escape(_PREFIX + _HOST)}-(\d+)-", stale.name)
            gone = time.time() - stale.lstat().st_mtime > 86400.0
            if gone or (owner and not _alive(int(owner[1]))):
                shutil.rmtree(stale, ignore_errors=True) if stale.is_dir() else stale.unlink()


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0) if os.name == "posix" else None
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it is there, and not ours
    return True


# What a name that is no path raises, besides what the system does.
_NO_PATH = (OSError, ValueError, TypeError)


@contextmanager
def _refusing(
    what: object, remedy: str = _REMEDY, errors: tuple[type[Exception], ...] = (OSError,)
) -> Iterator[None]:
    """Turn what goes wrong in writing `what` into an OutputError."""
    try:
        yield
    except errors as error:
        why = getattr(error, "strerror", None) or error
        raise OutputError(f"cannot write {what}: {why}", remedy=remedy) from error
