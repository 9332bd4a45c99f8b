"""What was found out about a statement, by which method: the record behind every report."""

from __future__ import annotations

import json
import math
import os
import platform
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from errno import EISDIR
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from steering_strength.theory.errors import OutputError

__all__ = [
    "Method",
    "Status",
    "Verdict",
    "as_json",
    "require_writable",
    "versions",
    "write_json",
    "write_whole",
]

Method = Literal["symbolic", "certified", "property", "real-model"]
Status = Literal["proved", "certified", "passed", "refuted", "unknown"]


@dataclass(frozen=True)
class Verdict:
    """One row of the table.

    Attributes
    ----------
    id : str
        Statement, or ``statement/reading`` for a false reading of it.
    method : str
        "symbolic", "certified", "property" or "real-model".
    status : str
        "proved", "certified", "passed", "refuted" or "unknown"; unknown never counts as passed.
    expected : bool
        Whether the claim is true.
    claim : str
        The statement in one line.
    examples : int
        Instances looked at; steps of the derivation for "symbolic".
    max_error : float or None
        Worst disagreement in units of its tolerance; None where nothing is measured.
    counterexample : str or None
        Code that reproduces the refutation.
    seconds : float
        Processor time spent on it.
    note : str
        What disagreed, or why the status is unknown.
    """

    id: str
    method: Method
    status: Status
    expected: bool
    claim: str
    examples: int
    max_error: float | None
    counterexample: str | None
    seconds: float
    note: str = ""

    @property
    def as_it_should_be(self) -> bool:
        """A true claim is not refuted; a false one is, by evidence."""
        return self.status != "refuted" if self.expected else self.status == "refuted"


def _plain(verdict: Verdict) -> dict[str, Any]:
    # JSON has no infinity: a disagreement that is not a number of tolerances is null.
    error = verdict.max_error
    return {
        "id": verdict.id,
        "method": verdict.method,
        "status": verdict.status,
        "expected": "true" if verdict.expected else "false",
        "examples": verdict.examples,
        "max_error": error if error is not None and math.isfinite(error) else None,
        "counterexample": verdict.counterexample,
        "seconds": round(verdict.seconds, 3),
        "claim": verdict.claim,
        "note": verdict.note,
    }


def versions() -> dict[str, str]:
    """The versions that a repetition of the run needs."""
    found = {"python": platform.python_version()}
    for name in (
        "steering-strength",
        "sympy",
        "numpy",
        "scipy",
        "hypothesis",
        "mpmath",
        "python-flint",
    ):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def as_json(verdicts: Sequence[Verdict], *, seed: int, examples: int) -> dict[str, Any]:
    """The whole run as plain data."""
    return {
        "seed": seed,
        "examples": examples,
        "versions": versions(),
        "results": [_plain(verdict) for verdict in verdicts],
    }


def require_writable(path: str | os.PathLike[str]) -> None:
    """Try, and leave nothing behind: a file can be written next to `path` and put in its place.

    Raises
    ------
    OutputError
        It cannot.
    """
    target = Path(path)
    try:
        if target.is_dir():
            raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=target.name):
            pass
    except OSError as error:
        raise _unwritable(target, error) from error


def _unwritable(target: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot write {target}: {error.strerror or error}",
        remedy="name a file in an existing folder that you may write to",
    )


def write_json(
    path: str | os.PathLike[str], verdicts: Sequence[Verdict], *, seed: int, examples: int
) -> None:
    """Write `as_json` to `path`, whole or not at all.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    write_whole(path, as_json(verdicts, seed=seed, examples=examples))


def write_whole(path: str | os.PathLike[str], data: Any) -> None:
    """Write `data` as JSON to `path`, whole or not at all.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    target = Path(path)
    text = json.dumps(data, indent=1, allow_nan=False)
    # Opened as any file is: `tempfile` would make one that nobody else may read.
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        try:
            temporary.write_text(text + "\n", encoding="utf-8")
            os.replace(temporary, target)
        finally:
            if temporary.is_file():
                temporary.unlink()
    except OSError as error:
        raise _unwritable(target, error) from error
