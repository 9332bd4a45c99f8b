"""What was found out about a statement, by which method: the record behind every report."""

from __future__ import annotations

import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal

from steering_strength.theory import files

if TYPE_CHECKING:
    import os

__all__ = [
    "Method",
    "Status",
    "Verdict",
    "as_json",
    "versions",
    "write_json",
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


def write_json(
    path: str | os.PathLike[str], verdicts: Sequence[Verdict], *, seed: int, examples: int
) -> None:
    """Write `as_json` to `path`, whole or not at all; raises OutputError."""
    files.write_json(path, as_json(verdicts, seed=seed, examples=examples))
