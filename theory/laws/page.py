"""A law as a page: given, to show, steps with reasons, what was assumed.

`text_page` is for the terminal, `record` for a program, and `theory.laws.latex` for a document.
"""

from __future__ import annotations

from collections.abc import Callable
from textwrap import fill
from typing import Any

from sympy import Expr

from steering_strength.theory.laws.assumptions import ASSUMPTIONS
from steering_strength.theory.laws.kernel import Fact, Given, Let, Sign, Split
from steering_strength.theory.laws.law import Appeal, Law, Status, Step, why_unknown
from steering_strength.theory.laws.notation import Named
from steering_strength.theory.laws.printing import block, tex, text

__all__ = ["MARK", "assumes", "because", "notation", "record", "text_page", "verdict"]

_WIDTH = 96
MARK = {Status.PROVED: "proved", Status.ASSUMED: "assumed", Status.UNKNOWN: "UNKNOWN"}


def because(step: Step) -> str:
    """The reason of a step, with the principle and the premises of an appeal."""
    if not isinstance(step, Appeal):
        return step.reason
    premises = ", ".join(f"({n})" for n in step.premises)
    words = f"{step.principle}{f', from {premises}' if premises else ''}"
    return f"{words}; {step.reason}" if step.reason else words


def _given(g: Given, show: Callable[[Expr], str]) -> str:
    """A hypothesis of a step as a formula."""
    match g:
        case Fact():
            return f"{show(g.lhs)} = {show(g.rhs)}"
        case Let():
            where = block(g.index, g.lower, g.upper)
            return f"{show(g.entry)} = {show(g.value)}{f' for {where}' if where else ''}"
        case Sign():
            return f"{show(g.expr)} {'>' if g.strict else '≥'} 0"
        case Split():
            return ""


def given_text(step: Step) -> str:
    """The hypotheses of a step on one line; empty if it has none."""
    return "; ".join(filter(None, (_given(g, text) for g in step.given)))


def notation(law: Law) -> list[Named]:
    """The named quantities of a derivation, in order of first use, once each."""
    found: dict[type, Named] = {}
    pending = [e for s in law.steps for e in (s.lhs, s.rhs) if e is not None]
    while pending:
        for n in sorted(pending.pop(0).atoms(Named), key=str):
            if type(n) not in found:
                found[type(n)] = type(n)(*n.parameters)
                pending.append(n.body)
    return [n for n in found.values() if text(n) != text(n.body)]


def _paragraph(label: str, words: str) -> str:
    return fill(words, _WIDTH, initial_indent=f"{label:<10}", subsequent_indent=" " * 10)


def verdict(law: Law) -> str:
    """One sentence: what was decided by the kernel, what was assumed, what is unknown."""
    statuses = law.prove()
    count = {s: statuses.count(s) for s in Status}
    words = f"{count[Status.PROVED]} of {len(statuses)} steps proved by the kernel"
    if count[Status.ASSUMED]:
        names = ", ".join(p.name for p in law.principles())
        words += f", {count[Status.ASSUMED]} by appeal to: {names}"
    if count[Status.UNKNOWN]:
        words += f"; {count[Status.UNKNOWN]} UNKNOWN, so the law is not proved"
    return words + "."


def text_page(law: Law) -> str:
    """The derivation as plain text, one step after the other with its status."""
    unused = ", ".join(a.name for a in ASSUMPTIONS if a not in law.assumptions)
    lines = [f"{law.id}: {law.title}", law.source, ""]
    if not law.expected:
        lines += [_paragraph("Claim", f"{law.paper} This is FALSE; the steps refute it."), ""]
    else:
        lines += [_paragraph("Paper", law.paper)]
    lines += [_paragraph("Here", law.sharper)]
    lines += [_paragraph("Assumes", assumes(law))]
    if unused and law.expected:
        lines += [_paragraph("Not used", unused)]
    if law.builds_on:
        lines += [_paragraph("Builds on", ", ".join(law.builds_on))]
    lines += ["", _paragraph("To show", law.statement.text())]
    for number, n in enumerate(notation(law)):
        label = "where" if number == 0 else ""
        lines.append(_paragraph(label, f"{text(n)} = {text(n.body)}"))
    lines.append("")
    for number, (step, status) in enumerate(zip(law.steps, law.prove(), strict=True), start=1):
        head = f"({number})"
        if isinstance(step, Appeal) and step.lhs is None:
            lines.append(
                fill(step.text(), _WIDTH, initial_indent=f"{head:>5}  ", subsequent_indent=" " * 7)
            )
        else:
            lines.append(f"{head:>5}  {step.text()}")
        if isinstance(step, Appeal) and step.lhs is not None and step.conclusion:
            lines.append(
                fill(step.conclusion, _WIDTH, initial_indent=" " * 7, subsequent_indent=" " * 7)
            )
        if given := given_text(step):
            lines.append(
                fill(f"given {given}", _WIDTH, initial_indent=" " * 9, subsequent_indent=" " * 15)
            )
        reason = f"[{MARK[status]}] {because(step)}"
        lines.append(fill(reason, _WIDTH, initial_indent=" " * 9, subsequent_indent=" " * 9))
        if status == Status.UNKNOWN:
            lines.append(" " * 9 + f"the kernel says: {why_unknown(step)}")
    lines += ["", _paragraph("Concluded", verdict(law))]
    if law.principles():
        lines.append("")
        for principle in law.principles():
            words = f"{principle.name}: {principle.statement} ({principle.reference})"
            lines.append(_paragraph("Assumed", words))
    if law.care:
        lines += ["", _paragraph("Care", law.care)]
    return "\n".join(lines)


def assumes(law: Law) -> str:
    """The assumptions a law uses, on one line."""
    return ", ".join(a.name for a in law.assumptions) or "only p > 0 and real M"


def record(law: Law) -> dict[str, Any]:
    """The law as plain data for JSON: everything the page shows, SymPy forms included."""
    steps = []
    for number, (step, status) in enumerate(zip(law.steps, law.prove(), strict=True), start=1):
        entry: dict[str, Any] = {
            "number": number,
            "kind": type(step).__name__.lower(),
            "status": str(status),
            "text": step.text(),
            "latex": step.latex(),
            "given": given_text(step),
            "reason": because(step),
        }
        if isinstance(step, Appeal):
            entry |= {
                "principle": step.principle,
                "premises": list(step.premises),
                "conclusion": step.conclusion,
            }
        steps.append(entry)
    return {
        "id": law.id,
        "title": law.title,
        "source": law.source,
        "expected": str(law.expected).lower(),
        "paper": law.paper,
        "sharper": law.sharper,
        "care": law.care,
        "assumptions": [a.name for a in law.assumptions],
        "not_used": [a.name for a in ASSUMPTIONS if a not in law.assumptions],
        "builds_on": list(law.builds_on),
        "numeric_twin": law.twin,
        "statement": {
            "text": law.statement.text(),
            "latex": law.statement.latex(),
            "relation": law.relation,
            "lhs": str(law.lhs),
            "rhs": str(law.rhs),
        },
        "notation": [
            {"text": f"{text(n)} = {text(n.body)}", "latex": f"{tex(n)} = {tex(n.body)}"}
            for n in notation(law)
        ],
        "status": str(law.status()),
        "steps": steps,
        "assumed": [
            {"name": p.name, "statement": p.statement, "reference": p.reference}
            for p in law.principles()
        ],
    }
