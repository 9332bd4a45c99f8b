"""One statement of the HTML report: claim, facts, derivation, checks, figures."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from figures.gallery import FIGURES
from figures.report.content import Statement
from figures.report.sheet import Sheet
from figures.report.words import count_words, scope_of

__all__ = ["refutation", "statement_section"]


def statement_section(sheet: Sheet, s: Statement) -> str:
    """Everything known under one id, from the claim to the data."""
    homes = sheet.homes
    pictures = "".join(sheet.figure(FIGURES[name]) for name in s.figures if homes.get(name) == s.id)
    also = ", ".join(sheet.figure_link(name) for name in s.figures if homes.get(name) != s.id)
    references = f'<p class="small">Also in {also}.</p>' if also else ""
    return (
        f'<section class="statement" id="{s.id}"><div class="id">{s.id}</div>'
        f"<h3>{sheet.prose(s.title)}</h3>"
        f'<p class="source">{escape(s.source)}</p><div>{sheet.badges(s)}</div>'
        f"{_claim(sheet, s)}{_facts(sheet, s)}{_notation(sheet, s)}{_derivation(sheet, s)}"
        f"{_checks(sheet, s)}{pictures}{references}</section>"
    )


def _claim(sheet: Sheet, s: Statement) -> str:
    if s.law is None:
        return ""
    statement = s.law["statement"]
    if statement["latex"]:
        shown = sheet.typesetter.formula(statement["latex"], display=True)
    else:
        shown = sheet.prose(statement["text"])
    return f'<div class="claim">{shown}</div>'


def _facts(sheet: Sheet, s: Statement) -> str:
    if s.law is None:
        return ""
    facts = (
        ("False claim" if s.law["expected"] == "false" else "Paper", s.law["paper"]),
        ("Here", s.law["sharper"]),
        ("Assumes", ", ".join(s.law["assumptions"]) or "only p > 0 and real log-odds"),
        ("Builds on", ", ".join(f"`{name}`" for name in s.law["builds_on"])),
        ("Care", s.law["care"]),
    )
    listed = "".join(
        f"<dt>{label}</dt><dd>{sheet.prose(words)}</dd>" for label, words in facts if words
    )
    return f'<dl class="facts">{listed}</dl>'


def _notation(sheet: Sheet, s: Statement) -> str:
    if s.law is None or not s.law["notation"]:
        return ""
    rows = "".join(
        f"<li>{sheet.typesetter.formula(entry['latex'], display=True)}</li>"
        for entry in s.law["notation"]
    )
    summary = f"Notation, {count_words(len(s.law['notation']), 'definition')}"
    return f'<details><summary>{summary}</summary><ul class="notation">{rows}</ul></details>'


def refutation(sheet: Sheet, claim: Mapping[str, Any]) -> str:
    """A false reading with the derivation that refutes it."""
    known = claim["status"] != "unknown"
    kind, words = ("refuted", "refuted by derivation") if known else ("unknown", "not refuted")
    near = sheet.link(claim["id"].partition("/")[0])
    return (
        f'<li><span class="small">near {near}</span> <span class="badge {kind}">{words}</span>'
        f"<p>{sheet.prose(claim['paper'])}</p>"
        f"<p><b>In truth:</b> {sheet.prose(claim['sharper'])}</p>"
        f"{_steps(sheet, claim, 'Refutation')}</li>"
    )


def _derivation(sheet: Sheet, s: Statement) -> str:
    return "" if s.law is None else _steps(sheet, s.law, "Derivation")


def _steps(sheet: Sheet, law: Mapping[str, Any], name: str) -> str:
    items = "".join(_step(sheet, step) for step in law["steps"])
    theorems = "".join(
        f"<li><b>{escape(entry['name'])}</b>: {sheet.prose(entry['statement'])} "
        f'<span class="small">{escape(entry["reference"])}</span></li>'
        for entry in law["assumed"]
    )
    appeals = f'<p class="small">Appeals to:</p><ul class="small">{theorems}</ul>'
    return (
        f"<details><summary>{name}, {count_words(len(law['steps']), 'step')}</summary>"
        f'<ol class="steps">{items}</ol>{appeals if theorems else ""}</details>'
    )


def _step(sheet: Sheet, step: Mapping[str, Any]) -> str:
    if step["latex"]:
        assertion = sheet.typesetter.formula(step["latex"], display=True)
        parts = (step.get("conclusion", ""), step["reason"])
    else:
        assertion = sheet.prose(step["text"])
        parts = ("", step["reason"])
    because = ". ".join(part for part in parts if part)
    given = f'<div class="given">given {sheet.prose(step["given"])}</div>' if step["given"] else ""
    return (
        f'<li><div class="step-formula">{assertion}</div>'
        f'<span class="badge {step["status"]}">{step["status"]}</span>'
        f'<div class="because">{sheet.prose(because)}</div>{given}</li>'
    )


def _checks(sheet: Sheet, s: Statement) -> str:
    verdicts = (*s.verdicts, *s.readings)
    if not verdicts:
        return ""
    rows = "".join(
        f"<tr><td>{sheet.verdict_badge(v)}</td><td>{escape(v.method)}</td>"
        f'<td>{sheet.claim(v)}</td><td class="number">{escape(scope_of(v))}</td></tr>'
        for v in verdicts
    )
    return (
        f"<details><summary>Checks, {count_words(len(verdicts), 'verdict')}</summary>"
        '<div class="scroll"><table><thead><tr><th>status</th><th>method</th><th>claim</th>'
        f"<th>on what</th></tr></thead><tbody>{rows}</tbody></table></div></details>"
    )
