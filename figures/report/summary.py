"""What holds, by which method, on what: the tables a reviewer reads first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from steering_strength.figures.report.content import Reading, Statement
from steering_strength.figures.report.sheet import Sheet, table
from steering_strength.figures.report.words import count_words, main_status
from steering_strength.proofs_check.verdict import Verdict

__all__ = ["LEGEND", "assumed_table", "reading_anchor", "readings_table", "statements_table"]

LEGEND = (
    '<p class="small"><span class="badge proved">proved</span> every step decided '
    'symbolically, for any vocabulary size. <span class="badge assumed">assumed</span> by '
    'appeal to a named theorem of analysis. <span class="badge certified">certified</span> '
    'for an instance, with rigorous error bounds. <span class="badge passed">passed</span> '
    "no disagreement on random instances, which is evidence and no proof; the error is in units of "
    'its tolerance. <span class="badge refuted">refuted</span> a false claim, with a '
    'counterexample. <span class="badge unknown">unknown</span> undecided; never counted as '
    "holding.</p>"
)


def statements_table(sheet: Sheet) -> str:
    """One row per statement, one column per method, grouped by family."""
    real = sheet.content.real_model
    head = ["statement", "by derivation", "certified", "on random instances"]
    if real is not None:
        head.append(f"on {escape(str(real.model['name']))}")
    rows = []
    for family, group in sheet.content.families.items():
        rows.append(f'<tr class="family"><th colspan="{len(head) + 1}">{escape(family)}</th></tr>')
        rows += [_row(sheet, s) for s in group]
    return table((*head, "figure"), "".join(rows), "summary")


def _row(sheet: Sheet, s: Statement) -> str:
    cells = [
        f"<td>{sheet.link(s.id)}<br>{sheet.prose(s.title)}</td>",
        f"<td>{_derived(s)}</td>",
        f"<td>{_cell(v for v in s.verdicts if v.method == 'certified')}</td>",
        f"<td>{_cell(v for v in s.verdicts if v.method == 'property')}</td>",
    ]
    real = sheet.content.real_model
    if real is not None:
        # A narrow page has no columns, and two verdicts "passed" must not be mistaken.
        where = escape(str(real.model["name"]), quote=True)
        found = _cell(v for v in real.verdicts if v.id == s.id)
        cells.append(f'<td data-on="{where}">{found}</td>')
    cells.append(f"<td>{', '.join(sheet.figure_link(name) for name in s.figures)}</td>")
    return f"<tr>{''.join(cells)}</tr>"


def _derived(s: Statement) -> str:
    """Steps by status; a statement without a derivation says so."""
    if s.law is None:
        return '<span class="none">no derivation</span>'
    found = (
        (s.tally.proved, "proved"),
        (s.tally.assumed, "assumed"),
        (s.tally.unknown, "unknown"),
    )
    return "<br>".join(_badge(kind, kind, f"{n}") for n, kind in found if n)


def _cell(verdicts: Iterable[Verdict]) -> str:
    """Every verdict by one method, the claims close to a statement included."""
    return "<br>".join(_verdict(v) for v in verdicts) or '<span class="none">\u2013</span>'


def _verdict(v: Verdict) -> str:
    kind, words = main_status(v)
    scope = f"{v.examples:,}"
    if v.max_error is not None and v.expected:
        scope += f", error {v.max_error:.1g}"
    return _badge(kind, words, scope)


def _badge(kind: str, words: str, scope: str) -> str:
    return f'<span class="badge {kind}">{escape(words)}</span> <span class="scope">{scope}</span>'


def readings_table(sheet: Sheet) -> str:
    """One row per false reading: by which derivation, after how many instances."""
    rows = "".join(
        f'<tr><td><a href="#{reading_anchor(r)}">{sheet.prose(r.claim)}</a></td>'
        f'<td>{_disproved(r)}</td><td data-on="by search">{_cell(r.verdicts)}</td></tr>'
        for r in sheet.content.false_readings
    )
    return table(("false reading", "by derivation", "by search, instances"), rows, "summary")


def assumed_table(sheet: Sheet, entries: Iterable[Mapping[str, Any]]) -> str:
    """Assumptions or principles: name, what it says, which statements use it."""
    rows = "".join(
        f"<tr><td><b>{escape(e['name'])}</b></td><td>{sheet.prose(e['statement'])}"
        f'<div class="small">{escape(e["reference"])}</div></td>'
        f"<td>{', '.join(sheet.link(name) for name in e['used_by'])}</td></tr>"
        for e in entries
    )
    return table(("name", "what it says", "used by"), rows)


def reading_anchor(reading: Reading) -> str:
    """Where a false reading is described on its page."""
    return "reading-" + reading.id.replace("/", "-")


def _disproved(reading: Reading) -> str:
    if reading.law is None:
        return '<span class="none">\u2013</span>'
    kind, words = ("refuted", "refuted") if reading.disproved else ("unknown", "not refuted")
    return _badge(kind, words, count_words(len(reading.law["steps"]), "step"))
