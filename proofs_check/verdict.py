"""What was found out about a statement, by which method: the record behind every report."""

from __future__ import annotations

import math
import os
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import metadata
from typing import Any, Literal

from steering_strength.theory import files

Method = Literal["symbolic", "formal", "certified", "property", "real-model"]
Status = Literal[
    "proved",
    "proved with rules",
    "formal",
    "unchecked",
    "certified",
    "passed",
    "refuted",
    "unknown",
]


@dataclass(frozen=True)
class Verdict:
    """One row of the table.

    Attributes
    ----------
    id : str
        Statement, or ``statement/reading`` for a false reading of it.
    method : str
        "symbolic", "formal", "certified", "property" or "real-model".
    status : str
        "proved" or "proved with rules" (symbolic), "formal" or, without the proof assistant,
        "unchecked" (formal), "certified", "passed" (property, real-model), "refuted" or "unknown".
        Unknown and unchecked never count as passed.
    expected : bool
        Whether the claim is true.
    claim : str
        The statement in one line.
    examples : int
        Instances looked at; steps of the derivation for "symbolic", theorems for "formal".
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
    examples: int = 0
    max_error: float | None = None
    counterexample: str | None = None
    seconds: float = 0.0
    note: str = ""

    @property
    def as_it_should_be(self) -> bool:
        """A true claim is not refuted; a false one is, by evidence, where it was looked for."""
        if self.status == "unchecked":
            return True
        return self.status != "refuted" if self.expected else self.status == "refuted"

    @property
    def counted(self) -> str:
        """What it rests on: ``1 step``, ``5 theorems``, ``100 instances``."""
        noun = {"symbolic": "step", "formal": "theorem"}.get(self.method, "instance")
        return f"{self.examples:,} {noun}" + ("" if self.examples == 1 else "s")

    def __str__(self) -> str:
        """Return a summary: what was decided, how, and the counterexample as code."""
        lines = [f"{self.id} ({self.method}): {self.status}", f"  {self.claim}"]
        worst = "" if self.max_error is None else f", worst error {self.max_error:.2g} tolerances"
        lines.append(f"  {self.counted}{worst}, {self.seconds:.1f} s")
        if not self.as_it_should_be:
            lines.append("  NOT as it should be")
        if self.note:
            lines.append(f"  {self.note}")
        if self.counterexample:
            code = self.counterexample.splitlines()
            lines += [f"    {row}" for row in code[:20]]
            if len(code) > 20:
                lines.append(f"    ... {len(code) - 20} lines more: .counterexample")
        return "\n".join(lines)


def _plain(verdict: Verdict) -> dict[str, Any]:
    # JSON has no infinity: a disagreement that is not a number of tolerances is null.
    error = verdict.max_error
    return {
        **vars(verdict),
        "expected": "true" if verdict.expected else "false",
        "max_error": error if error is not None and math.isfinite(error) else None,
        "seconds": round(verdict.seconds, 3),
    }


def versions() -> dict[str, str]:
    """The versions that a repetition of the run needs."""
    found = {"python": platform.python_version()}
    packages = "steering-strength sympy numpy scipy hypothesis mpmath python-flint"
    for name in packages.split():
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


_COLUMNS = ("id", "method", "status", "examples", "worst error", "seconds")


def _error(verdict: Verdict) -> str:
    if verdict.max_error is None:
        return "-"
    return f"{verdict.max_error:.2g}" if math.isfinite(verdict.max_error) else "inf"


def _status(verdict: Verdict) -> str:
    if verdict.expected or verdict.status == "unchecked":
        return verdict.status if verdict.as_it_should_be else f"{verdict.status} (!)"
    return f"{verdict.status}, as it should be" if verdict.as_it_should_be else "NOT refuted (!)"


def _row(verdict: Verdict) -> tuple[str, ...]:
    count = verdict.counted if verdict.method == "symbolic" else str(verdict.examples)
    return (
        verdict.id,
        verdict.method,
        _status(verdict),
        count,
        _error(verdict),
        f"{verdict.seconds:.1f}",
    )


def line(verdict: Verdict, done: int, total: int) -> str:
    """One line of progress."""
    return f"[{done:{len(str(total))}}/{total}] {verdict.id} ({verdict.method}): {_status(verdict)}"


def table(verdicts: Sequence[Verdict]) -> str:
    """One row per (id, method); the worst error is in units of its tolerance, 1 being allowed."""
    rows = [_COLUMNS, *(_row(verdict) for verdict in verdicts)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(_COLUMNS))]
    sides = (str.ljust,) * 3 + (str.rjust,) * 3
    lines = [
        "  ".join(put(cell, n) for put, cell, n in zip(sides, row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


class Verdicts(tuple[Verdict, ...]):
    """A tuple that shows itself as a table, in a notebook or at a terminal."""

    __slots__ = ()

    def __repr__(self) -> str:
        return table(self)

    def _repr_html_(self) -> str:
        """The same rows as HTML; bold is what is not as it should be."""
        head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
        rows = "".join(_html_row(verdict) for verdict in self)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _html_row(verdict: Verdict) -> str:
    name, method, status, *rest = map(escape, _row(verdict))
    status = status if verdict.as_it_should_be else f"<b>{status}</b>"
    cells = (f"<code>{name}</code>", method, status, *rest)
    row = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr title="{escape(verdict.claim, quote=True)}">{row}</tr>'


def summary(verdicts: Sequence[Verdict], *, seed: int, examples: int) -> str:
    """What went wrong, with the code that shows it; and the totals."""
    parts = []
    wrong = [verdict for verdict in verdicts if not verdict.as_it_should_be]
    for verdict in wrong:
        named = f"{verdict.id} ({verdict.method})"
        if verdict.expected:
            parts.append(f"REFUTED: {named}: {verdict.claim}\n{verdict.note}")
            parts.append(verdict.counterexample or "")
            continue
        remedy = f"{verdict.examples} examples were not enough; ask for more with --examples"
        if verdict.method == "symbolic":
            remedy = verdict.note
        parts.append(f"NOT REFUTED: {named}, which is false: {verdict.claim}\n{remedy}")
    unknown = [v.id for v in verdicts if v.status == "unknown"]
    if unknown:
        parts.append(f"unknown, which is not passed: {', '.join(unknown)}")
    unchecked = Counter(v.note for v in verdicts if v.status == "unchecked")
    parts += [f"unchecked: {count} formal proofs ({why})" for why, count in unchecked.items()]
    held = sum(v.expected and v.status not in ("refuted", "unknown", "unchecked") for v in verdicts)
    false = {v.id for v in verdicts if not v.expected}
    refuted = len(false - {v.id for v in wrong})
    parts.append(
        f"{held} verdicts hold, {refuted} of {len(false)} false claims refuted; "
        f"seed {seed}, {examples} examples per check"
    )
    return "\n\n".join(part for part in parts if part)
