"""The report as one HTML file: pictures embedded, mathematics as SVG, nothing loaded."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape

from steering_strength.figures.gallery import FIGURES
from steering_strength.figures.report.content import Content
from steering_strength.figures.report.sheet import Sheet, table
from steering_strength.figures.report.statement import refutation, statement_section
from steering_strength.figures.report.stylesheet import CSS, SCRIPT
from steering_strength.figures.report.summary import (
    LEGEND,
    assumed_table,
    readings_table,
    statements_table,
)
from steering_strength.figures.report.words import (
    ABOUT,
    NO_REAL_MODEL,
    PATH,
    REAL_MODEL_CAPTION,
    count_words,
    headline,
    real_model_words,
    scope_of,
)

__all__ = ["html_page"]


def html_page(content: Content, pictures: Mapping[str, bytes]) -> str:
    """The whole page; `pictures` are SVG files by figure name."""
    sheet = Sheet(content, pictures)
    body = "\n".join(
        [
            _top(sheet),
            _summary(sheet),
            _assumed(sheet),
            _refuted(sheet),
            *(_family(sheet, name) for name in content.families),
            _loose_figures(sheet),
            _real_model(sheet),
            _repeat(content),
        ]
    )
    # The definitions come last in time, when all glyphs are known, but first in the page.
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<title>Steering strength: derived, checked, drawn</title>"
        f"<style>{CSS}</style></head>\n<body>{sheet.typesetter.definitions()}"
        f'<div class="layout">{_navigation(content)}<main>{body}</main></div>'
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def _top(sheet: Sheet) -> str:
    cards = "".join(
        f'<div class="card"><b>{escape(number)}</b><span>{escape(words)}</span></div>'
        for number, words in headline(sheet.content)
    )
    path = "".join(f"<li><b>{escape(name)}</b>: {sheet.prose(words)}</li>" for name, words in PATH)
    return (
        '<h1 id="top">Steering strength: derived, checked, drawn</h1>'
        f'<p class="lead">{sheet.prose(ABOUT)}</p><div class="cards">{cards}</div>'
        f"{sheet.figure(FIGURES['overview'], wide=True)}"
        "<details><summary>How to read this page: from assumption to figure</summary>"
        f'<ol class="path">{path}</ol></details>'
        '<p><button id="toggle" type="button">Unfold everything</button></p>'
    )


def _summary(sheet: Sheet) -> str:
    readings = ""
    if sheet.content.false_readings:
        readings = (
            "<h3>And what does not</h3><p>Claims close to the theorems that look right and are "
            f"not, some of them sentences of the paper.</p>{readings_table(sheet)}"
        )
    return (
        '<h2 id="summary">What holds, by which method, on what</h2>'
        f"{LEGEND}{statements_table(sheet)}{readings}"
    )


def _assumed(sheet: Sheet) -> str:
    laws = [s.law for s in sheet.content.statements if s.law is not None]
    free = count_words(sum(not law["assumptions"] for law in laws), "statement")
    return (
        '<h2 id="assumed">What was assumed</h2>'
        f"<p>On data and model: {free} of {len(laws)} need none of the assumptions below and hold "
        "for any positive probabilities and any log-odds.</p>"
        f"{assumed_table(sheet, sheet.content.assumptions)}"
        "<p>From analysis: theorems that SymPy does not prove. A step that appeals to one is "
        f"marked as assumed.</p>{assumed_table(sheet, sheet.content.principles)}"
    )


def _refuted(sheet: Sheet) -> str:
    found = "".join(refutation(sheet, reading) for reading in sheet.content.false_readings)
    return (
        '<h2 id="refuted">False readings, refuted</h2><p>By derivation, on an instance small '
        "enough to check by hand; and by search: the checks had to find a counterexample among "
        "random instances and to shrink it. One that they did not find is marked.</p>"
        f"{found or '<p>None was tried in this run.</p>'}"
    )


def _family(sheet: Sheet, name: str) -> str:
    group = sheet.content.families[name]
    anchor = "family-" + "".join(c if c.isalnum() else "-" for c in name.lower())
    body = "\n".join(statement_section(sheet, s) for s in group)
    return f'<h2 id="{anchor}">{escape(name)}</h2>{body}'


def _loose_figures(sheet: Sheet) -> str:
    """Figures that belong to no single statement."""
    shown = "".join(sheet.figure(FIGURES[name]) for name, home in sheet.homes.items() if not home)
    return f'<h2 id="model">The model behind the figures</h2>{shown}' if shown else ""


def _real_model(sheet: Sheet) -> str:
    head = '<h2 id="real-model">On a real language model</h2>'
    found = sheet.content.real_model
    if found is None:
        return f"{head}<p>{sheet.prose(NO_REAL_MODEL)}</p>"
    rows = "".join(
        f"<tr><td>{sheet.link(v.id)}</td><td>{sheet.verdict_badge(v)}</td>"
        f'<td>{sheet.claim(v)}</td><td class="number">{escape(scope_of(v))}</td></tr>'
        for v in found.verdicts
    )
    picture = ""
    if found.picture is not None:
        data = base64.b64encode(found.picture).decode("ascii")
        files = " ".join(
            f'<a href="bridge/final_norm.{kind}">{kind}</a>' for kind in ("pdf", "npz", "json")
        )
        picture = (
            f'<figure class="wide"><img alt="{escape(REAL_MODEL_CAPTION, quote=True)}" '
            f'src="data:image/png;base64,{data}"><figcaption>{escape(REAL_MODEL_CAPTION)} '
            f"Files: {files}</figcaption></figure>"
        )
    listed = table(("statement", "status", "claim", "on what"), rows)
    return f"{head}<p>{sheet.prose(real_model_words(found))}</p>{listed}{picture}"


def _repeat(content: Content) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in content.versions.items())
    return (
        '<h2 id="repeat">Repeat this run</h2>'
        f"<pre>python -m figures.report --out out --examples {content.examples} "
        f"--seed {content.seed}</pre>"
        f'<p class="versions">{content.seconds:.0f} s; {escape(versions)}. Everything as data: '
        '<a href="derivations.json">derivations.json</a>, <a href="checks.json">checks.json</a>, '
        '<a href="report.md">report.md</a>.</p>'
    )


def _navigation(content: Content) -> str:
    places = (
        ("top", "Top"),
        ("summary", "What holds"),
        ("assumed", "What was assumed"),
        ("refuted", "False readings"),
        ("real-model", "On a real model"),
        ("repeat", "Repeat this run"),
    )
    top = "".join(f'<li><a href="#{anchor}">{words}</a></li>' for anchor, words in places)
    families = "".join(
        f"<strong>{escape(name)}</strong><ul>"
        + "".join(f'<li><a class="mono" href="#{s.id}">{s.id}</a></li>' for s in group)
        + "</ul>"
        for name, group in content.families.items()
    )
    return (
        f'<nav aria-label="Contents"><div class="inner"><ul>{top}</ul>'
        f'<div class="families">{families}</div></div></nav>'
    )
