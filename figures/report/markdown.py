"""The report as Markdown: the same content, readable in any viewer and as plain text."""

from __future__ import annotations

from collections.abc import Iterable

from steering_strength.figures.gallery import FIGURES
from steering_strength.figures.report.content import Content, Statement
from steering_strength.figures.report.words import (
    ABOUT,
    NO_REAL_MODEL,
    PATH,
    REAL_MODEL_CAPTION,
    badges,
    headline,
    main_status,
    real_model_words,
    scope_of,
)

__all__ = ["markdown_page"]


def markdown_page(content: Content) -> str:
    """The whole report; pictures and data are linked as files next to it."""
    parts = [
        "# Steering strength: derived, checked, drawn",
        ABOUT,
        "\n".join(f"- **{number}** {words}" for number, words in headline(content)),
        "![" + FIGURES["overview"].title + "](overview.png)",
        "From assumption to figure:\n\n"
        + "\n".join(f"{k}. **{name}**: {words}" for k, (name, words) in enumerate(PATH, start=1)),
        "## What holds, and how it is known",
        _table(
            ("statement", "", "how it is known", "figures"),
            (
                (
                    f"[`{s.id}`](#{s.id})",
                    s.title,
                    "; ".join(words for _, words in badges(s)),
                    ", ".join(f"[{name}]({name}.png)" for name in s.figures),
                )
                for s in content.statements
            ),
        ),
        "*Proved*: every step decided symbolically, for any vocabulary size. *Assumed*: by appeal "
        "to a named theorem of analysis. *Certified*: for an instance, with rigorous error bounds. "
        "*Passed*: no disagreement on random instances, which is evidence and no proof. *Refuted*: "
        "a false claim, with a counterexample. *Unknown*: undecided, never counted as holding.",
        "## What was assumed",
        _table(
            ("name", "what it says", "used by"),
            (
                (f"**{e['name']}**", e["statement"], ", ".join(f"`{i}`" for i in e["used_by"]))
                for e in (*content.assumptions, *content.principles)
            ),
        ),
        "## False readings, refuted",
        _readings(content),
    ]
    for family, group in content.families.items():
        parts.append(f"## {family}")
        parts += [_statement(s) for s in group]
    parts += [
        "## On a real language model",
        _real_model(content),
        "## Repeat this run",
        f"```\npython -m figures.report --out out --examples {content.examples} "
        f"--seed {content.seed}\n```",
        ", ".join(f"{name} {number}" for name, number in content.versions.items())
        + f". {content.seconds:.0f} s. Data: [derivations.json](derivations.json), "
        "[checks.json](checks.json).",
    ]
    return "\n\n".join(parts) + "\n"


def _statement(s: Statement) -> str:
    parts = [f'<a id="{s.id}"></a>\n\n### `{s.id}`: {s.title}']
    parts.append(f"{s.source}. {'; '.join(words for _, words in badges(s))}.".lstrip(". "))
    if s.law is not None:
        parts.append(f"```text\n{s.law['statement']['text']}\n```")
        needs = ", ".join(s.law["assumptions"]) or "only p > 0 and real log-odds"
        facts = [
            ("Paper" if s.law["expected"] == "true" else "False claim", s.law["paper"]),
            ("Here", s.law["sharper"]),
            ("Assumes", needs),
            ("Care", s.law["care"]),
        ]
        parts.append("\n".join(f"- **{label}.** {words}" for label, words in facts if words))
        steps = "\n".join(
            f"({step['number']}) {step['text']}\n      [{step['status']}] {step['reason']}"
            for step in s.law["steps"]
        )
        parts.append(
            f"<details><summary>Derivation, {len(s.law['steps'])} steps</summary>\n\n"
            f"```text\n{steps}\n```\n\n</details>"
        )
    if s.verdicts or s.readings:
        parts.append(
            _table(
                ("status", "method", "claim", "on what"),
                (
                    (f"**{main_status(v)[1]}**", v.method, v.claim, scope_of(v))
                    for v in (*s.verdicts, *s.readings)
                ),
            )
        )
    if s.figures:
        pictures = (f"[{FIGURES[n].title}]({n}.png) ([data]({n}.npz))" for n in s.figures)
        parts.append("Figures: " + ", ".join(pictures) + ".")
    return "\n\n".join(parts)


def _readings(content: Content) -> str:
    lines = []
    for reading in content.false_readings:
        found = ["refuted by derivation" if reading.disproved else "not refuted"]
        found = found if reading.law is not None else []
        found += [main_status(v)[1] + " by search" for v in reading.verdicts]
        truth = f" In truth: {reading.truth}" if reading.truth else ""
        near = reading.id.partition("/")[0]
        lines.append(f"- **{', '.join(found)}**: {reading.claim}{truth} (near `{near}`)")
        for v in reading.verdicts:
            if v.counterexample:
                body = "\n".join("  " + line for line in v.counterexample.splitlines())
                lines.append(f"\n  ```python\n{body}\n  ```\n")
    return "\n".join(lines) or "None was tried in this run."


def _real_model(content: Content) -> str:
    found = content.real_model
    if found is None:
        return NO_REAL_MODEL
    rows = ((f"`{v.id}`", f"**{main_status(v)[1]}**", v.claim, scope_of(v)) for v in found.verdicts)
    table = _table(("statement", "status", "claim", "on what"), rows)
    picture = f"![{REAL_MODEL_CAPTION}](bridge/final_norm.png)\n\n{REAL_MODEL_CAPTION}"
    return "\n\n".join([real_model_words(found), table, *([picture] if found.picture else [])])


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    """A bar would end the cell, and `p(z|c)` is full of them."""
    return text.replace("|", "\\|").replace("\n", " ")
