"""One statement of the HTML report: claim, facts, derivation, checks, figures."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from steering_strength.figures.gallery import FIGURES
from steering_strength.figures.report.content import Reading, Statement
from steering_strength.figures.report.sheet import Sheet
from steering_strength.figures.report.summary import reading_anchor
from steering_strength.figures.report.words import count_words, main_status, scope_of

__all__ = ["reading_body", "refutation", "refuted_by", "statement_body", "statement_section"]


def statement_section(sheet: Sheet, s: Statement) -> str:
    """Everything known under one id, folded under its title."""
    return (
        f'<details class="statement" id="{s.id}"><summary><span class="id">{s.id}</span>'
        f"<h3>{sheet.prose(s.title)}</h3><span>{sheet.badges(s)}</span></summary>"
        f"{statement_body(sheet, s)}</details>"
    )


def statement_body(sheet: Sheet, s: Statement) -> str:
    """Source, claim, facts, derivation, checks, figures and how to repeat it."""
    homes = sheet.homes
    pictures = "".join(sheet.figure(FIGURES[name]) for name in s.figures if homes.get(name) == s.id)
    also = ", ".join(sheet.figure_link(name) for name in s.figures if homes.get(name) != s.id)
    references = f'<p class="small">Also in {also}.</p>' if also else ""
    source = f'<p class="source">{escape(s.source)}</p>' if s.source else ""
    return (
        f"{source}{_claim(sheet, s)}{_facts(sheet, s)}{_notation(sheet, s)}{_derivation(sheet, s)}"
        f"{_checks(sheet, s)}{pictures}{references}{_again(sheet, s)}"
    )


def _again(sheet: Sheet, s: Statement) -> str:
    """The commands that repeat what is shown, and the file it is in."""
    lines = [f"python -m theory derive {s.id}"] if s.law is not None else []
    if s.verdicts or s.readings:
        content = sheet.content
        lines.append(
            f"python -m proofs_check {s.id} --examples {content.examples} --seed {content.seed}"
        )
    files = ["derivations.json"] if s.law is not None else []
    files += ["checks.json"] if s.verdicts or s.readings else []
    links = ""
    if sheet.files is None:
        named = " and ".join(f'<a href="{name}">{name}</a>' for name in files)
        links = f'<p class="small">As data under this id in {named}.</p>'
    return f"<pre>{chr(10).join(lines)}</pre>{links}"


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
        ("In code", f"`{s.law['numeric_twin']}`"),
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


def refutation(sheet: Sheet, reading: Reading) -> str:
    """A false reading with everything that refutes it, folded under its words."""
    return (
        f'<details class="statement" id="{reading_anchor(reading)}"><summary>'
        f'<span class="id">{reading.id}</span><h3>{sheet.prose(reading.claim)}</h3>'
        f"<span>{refuted_by(reading)}</span></summary>{reading_body(sheet, reading)}</details>"
    )


def refuted_by(reading: Reading) -> str:
    """How a false reading was refuted, as badges."""
    found = []
    if reading.law is not None:
        words = "refuted by derivation" if reading.disproved else "not refuted"
        found.append(("refuted" if reading.disproved else "unknown", words))
    for verdict in reading.verdicts:
        kind, words = main_status(verdict)
        if verdict.method == "property":
            words += " by search" if kind == "refuted" else ""
        found.append((kind, words))
    return " ".join(f'<span class="badge {kind}">{words}</span>' for kind, words in found)


def reading_body(sheet: Sheet, reading: Reading) -> str:
    """What is true instead, the derivation that refutes, and what the search found."""
    truth = f"<p><b>In truth:</b> {sheet.prose(reading.truth)}</p>" if reading.truth else ""
    near = sheet.link(reading.id.partition("/")[0])
    steps = "" if reading.law is None else _steps(sheet, reading.law, "Refutation")
    searched = "".join(
        f"<p>{sheet.prose(v.claim)} "
        f'<span class="small">{count_words(v.examples, "instance")} looked at.</span></p>'
        f"{sheet.counterexample(v)}"
        for v in reading.verdicts
    )
    return f'{truth}{steps}{searched}<p class="small">Near {near}.</p>'


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
        f"<details open><summary>{name}, {count_words(len(law['steps']), 'step')}</summary>"
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
        f"<details open><summary>Checks, {count_words(len(verdicts), 'verdict')}</summary>"
        '<div class="scroll"><table><thead><tr><th>status</th><th>method</th><th>claim</th>'
        f"<th>on what</th></tr></thead><tbody>{rows}</tbody></table></div></details>"
    )
