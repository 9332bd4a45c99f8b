"""Verdicts for a reader at a terminal: progress lines and one table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from steering_strength.proofs_check.verdict import Verdict

__all__ = ["Verdicts", "line", "summary", "table"]

_COLUMNS = ("id", "method", "status", "examples", "worst error", "seconds")


def _error(verdict: Verdict) -> str:
    if verdict.max_error is None:
        return "-"
    return f"{verdict.max_error:.2g}" if math.isfinite(verdict.max_error) else "inf"


def _status(verdict: Verdict) -> str:
    if verdict.expected:
        return verdict.status if verdict.as_it_should_be else f"{verdict.status} (!)"
    return f"{verdict.status}, as it should be" if verdict.as_it_should_be else "NOT refuted (!)"


def _row(verdict: Verdict) -> tuple[str, ...]:
    count = str(verdict.examples)
    if verdict.method == "symbolic":
        count += " step" if verdict.examples == 1 else " steps"
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
    left = {0, 1, 2}
    lines = [
        "  ".join(
            cell.ljust(width) if k in left else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
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
    for verdict in verdicts:
        if verdict.as_it_should_be:
            continue
        if verdict.expected:
            parts.append(
                f"REFUTED: {verdict.id} ({verdict.method}): {verdict.claim}\n{verdict.note}"
            )
            parts.append(verdict.counterexample or "")
        else:
            remedy = (
                verdict.note
                if verdict.method == "symbolic"
                else f"{verdict.examples} examples were not enough; ask for more with --examples"
            )
            parts.append(
                f"NOT REFUTED: {verdict.id} ({verdict.method}), which is false: {verdict.claim}\n"
                f"{remedy}"
            )
    unknown = [v.id for v in verdicts if v.status == "unknown"]
    if unknown:
        parts.append(f"unknown, which is not passed: {', '.join(unknown)}")
    held = sum(v.expected and v.status not in ("refuted", "unknown") for v in verdicts)
    false = {v.id for v in verdicts if not v.expected}
    missed = {v.id for v in verdicts if not v.expected and not v.as_it_should_be}
    parts.append(
        f"{held} verdicts hold, {len(false - missed)} of {len(false)} false claims refuted; "
        f"seed {seed}, {examples} examples per check"
    )
    return "\n\n".join(part for part in parts if part)
