"""A law as a page, from the plain data of `Law.record`: for the terminal, or as LaTeX.

A page carries all that a referee needs: the headline, what is assumed throughout, every step with
its own hypotheses and its status, and each rule of analysis that is assumed, once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from textwrap import fill
from typing import Any

from steering_strength.theory.laws.prose import latex, plain

Record = Mapping[str, Any]
_WIDTH = 96
THROUGHOUT = (
    r"$p_z > 0$ for every token $z = 0, \dots, V - 1$, $M_z$ and $\alpha$ real, "
    r"sizes whole numbers $\ge 1$; a sum without a range is over all tokens, $i < n$ says "
    r"$i = 0, \dots, n - 1$"
)
_RULES = "proved with rules"


def verdict(law: Record) -> str:
    """One sentence: what was decided by the kernel, what by rules, what is unknown."""
    statuses = [s["status"] for s in law["steps"]]
    words = f"{law['status']}: {statuses.count('proved')} of {len(statuses)} steps by the kernel"
    if _RULES in statuses:
        names = ", ".join(p["name"] for p in law["assumed"])
        words += f", {statuses.count(_RULES)} by rules from them: {names}"
    for status in ("unknown", "refuted"):
        if status in statuses and law["status"] == status:
            words += f"; {statuses.count(status)} {status}, so the law is not proved"
    return words + "."


def assumes(law: Record) -> str:
    """The assumptions a law uses, on one line."""
    return ", ".join(law["assumptions"]) or "none on the data or the model"


def because(step: Record) -> str:
    """Why a step holds: the rule with its premises, its formal proof, the reason in words."""
    return "; ".join(filter(None, (step["rule"] + _covered(step["formal"]), step["reason"])))


def _covered(formal: str) -> str:
    """`; formally proved as THEOREM in FILE`, or nothing."""
    theorem, _, file = formal.partition(" in ")
    return f"; formally proved as `{theorem}` in {file}" if formal else ""


def _paragraph(label: str, words: str) -> str:
    return fill(plain(words), _WIDTH, initial_indent=f"{label:<10}", subsequent_indent=" " * 10)


def _indented(words: str, by: int = 9, hang: int = 0) -> str:
    return fill(plain(words), _WIDTH, initial_indent=" " * by, subsequent_indent=" " * (by + hang))


def text_page(law: Record) -> str:
    """The derivation as plain text, one step after the other with its status."""
    false = law["expected"] == "false"
    lines = [f"{law['id']}: {plain(law['title'])}", law["source"], ""]
    if false:
        lines += [_paragraph("Claim", f"{law['paper']} This is FALSE; the steps refute it."), ""]
    else:
        lines += [_paragraph("Paper", law["paper"])]
    lines += [_paragraph("Here", law["sharper"]), _paragraph("Assumes", assumes(law))]
    lines += [_paragraph("Always", THROUGHOUT)]
    if law["not_used"] and not false:
        lines += [_paragraph("Not used", ", ".join(law["not_used"]))]
    if law["builds_on"]:
        lines += [_paragraph("Builds on", ", ".join(law["builds_on"]))]
    lines.append("")
    for k, part in enumerate(law["claim"]):
        label = "" if k else "Refuted by" if false else "To show"
        lines.append(_paragraph(label, f"{part['text']}  ({part['step']})"))
        if part["given"]:
            lines.append(_indented(f"given {part['given']}", by=12, hang=6))
    for number, n in enumerate(law["notation"]):
        lines.append(_paragraph("" if number else "where", n["text"]))
    lines.append("")
    for step in law["steps"]:
        head = f"({step['number']})"
        words = step["text"]
        if step["latex"]:
            lines.append(f"{head:>5}  {words}")
        else:
            lines.append(
                fill(words, _WIDTH, initial_indent=f"{head:>5}  ", subsequent_indent=" " * 7)
            )
        if step["form"]:
            lines.append(_indented(f"difference = {step['form']}", hang=13))
        if step["given"]:
            lines.append(_indented(f"given {step['given']}", hang=6))
        lines.append(_indented(f"[{step['status']}] {plain(because(step))}"))
        if step["why"]:
            lines.append(_indented(f"why: {step['why']}", hang=5))
    lines += ["", _paragraph("Concluded", verdict(law))]
    if law["assumed"]:
        lines.append("")
        for p in law["assumed"]:
            cited = f"{p['reference']}{_covered(p['formal'])}"
            lines.append(_paragraph("Rule", f"{p['name']}: {p['statement']} ({cited})"))
    if law["care"]:
        lines += ["", _paragraph("Care", law["care"])]
    return "\n".join(lines)


_ONE_LINE = 120  # characters of LaTeX that fit on a line of a page, roughly


def _display(latex: str) -> str:
    """A displayed formula; a long one is broken at its relation."""
    if len(latex) <= _ONE_LINE:
        return rf"\[ {latex} \]"
    depth = 0
    for at, c in enumerate(latex):
        depth += {"{": 1, "}": -1}.get(c, 0)
        if (
            depth == 0
            and at > 20
            and re.match(r"(?: = | > | < | \\geq | \\leq | \\to )", latex[at:])
        ):
            return rf"\begin{{multline*}} {latex[:at]} \\ {latex[at:]} \end{{multline*}}"
    return rf"\[ {latex} \]"


def _listed(word: str, hypotheses: list[str]) -> str:
    return f"{word}{', '.join(f'${h}$' for h in hypotheses)}. " if hypotheses else ""


def latex_page(law: Record) -> str:
    """Statement and derivation as LaTeX; needs only the `amsmath` and `amssymb` packages."""
    definitions = "; ".join(f"${n['latex']}$" for n in law["notation"])
    lines = [
        rf"\subsection*{{{latex(law['title'])} (\texttt{{{law['id']}}})}}",
        rf"{latex(law['source'])}.",
        "",
        rf"\paragraph{{Paper.}} {latex(law['paper'])}",
        rf"\paragraph{{Here.}} {latex(law['sharper'])}",
        rf"\paragraph{{Assumes.}} {latex(assumes(law))}. Throughout: {latex(THROUGHOUT)}.",
    ]
    aim = "To show" if law["expected"] == "true" else "Refuted by"
    for part in law["claim"]:
        given = _listed("Given ", part["given_latex"])
        lines.append(rf"\paragraph{{{aim} ({part['step']}).}} {given}${part['latex']}$.")
    lines += [rf"where {definitions}." if definitions else "", r"\begin{enumerate}"]
    for step in law["steps"]:
        formula = _display(step["latex"]) if step["latex"] else f"${step['words']}$."
        form = f" Difference: ${step['form_latex']}$." if step["form_latex"] else ""
        given = _listed("Given ", step["given_latex"])
        words = latex(because(step))
        lines.append(
            rf"\item {formula}{form} {given}\emph{{{step['status']}}}: {words.rstrip('. ')}."
        )
    lines += [r"\end{enumerate}", rf"\paragraph{{Concluded.}} {latex(verdict(law))}"]
    for p in law["assumed"]:
        lines.append(
            rf"\paragraph{{Rule.}} {latex(p['name'])}: {latex(p['statement'])} "
            rf"({latex(p['reference'] + _covered(p['formal']))}.)"
        )
    if law["care"]:
        lines.append(rf"\paragraph{{Care.}} {latex(law['care'])}")
    return "\n".join(line for line in lines if line) + "\n"


def tree(laws: Mapping[str, Any]) -> str:
    """One line per law with the laws it builds on; laws come after what they use."""
    width = max(map(len, laws))
    return "\n".join(
        f"{law.id:<{width}}  <-  {', '.join(b.id for b in law.builds_on)}"
        if law.builds_on
        else law.id
        for law in laws.values()
    )


def dot(laws: Mapping[str, Any]) -> str:
    """The same graph in the DOT language, arrows from a law to those that use it."""
    edges = [f'  "{b.id}" -> "{law.id}";' for law in laws.values() for b in law.builds_on]
    nodes = [f'  "{law.id}" [shape=box, label="{law.id}"];' for law in laws.values()]
    return "\n".join(["digraph laws {", "  rankdir=LR;", *nodes, *edges, "}"])


def latex_document(*laws: Any) -> str:
    """A document that compiles as it stands."""
    body = "\n".join(law.latex() for law in laws)
    return (
        "\\documentclass{article}\n\\usepackage{amsmath,amssymb}\n\\usepackage[T1]{fontenc}\n"
        "\\usepackage[margin=2cm]{geometry}\n"
        f"\\begin{{document}}\n{body}\\end{{document}}\n"
    )
