r"""The companion paper: every statement as a numbered theorem with its proof, as one LaTeX file.

Nothing is written by hand but the setting: theorems, hypotheses, proofs, false readings and their
counterexamples come from `LAWS`, `ERRATA` and the Coq files. Hypotheses get letters, once for each
theorem, and a step names those it needs. The frame is `paper.tex`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from textwrap import wrap

from steering_strength import __version__
from steering_strength.figures.gallery import FIGURES
from steering_strength.figures.report.content import FAMILY_TITLES, Record, families
from steering_strength.figures.report.words import filled, sentence
from steering_strength.proofs_check.errata import ERRATA, Erratum, find
from steering_strength.proofs_check.formal.library import theorems
from steering_strength.theory.files import write_text
from steering_strength.theory.laws import LAWS
from steering_strength.theory.laws.assumptions import ASSUMPTIONS
from steering_strength.theory.laws.page import THROUGHOUT
from steering_strength.theory.laws.prose import latex

_SHORT = 90  # characters of LaTeX that may stand in a line of text


def paper() -> str:
    """The whole file; the pictures of the gallery lie next to it as PDF."""
    records = {name: law.record() for name, law in LAWS.items()}
    used = {p["name"]: p for record in records.values() for p in record["assumed"]}
    labels = {name: f"R{k}" for k, name in enumerate(used, start=1)}
    bibliography = resources.files("steering_strength.theory").joinpath("references.bib")
    return filled(
        "paper.tex",
        VERSION=__version__,
        BIBLIOGRAPHY=bibliography.read_text("utf-8"),
        ALWAYS=_words(THROUGHOUT),
        ASSUMPTIONS="\n".join(
            rf"\item[{a.name}.] {_words(a.statement)} ({_words(a.source)})." for a in ASSUMPTIONS
        ),
        LAWS=_laws(records, labels, sorted({*FIGURES} - {"overview"})),
        READINGS="\n".join(map(_example, ERRATA)),
        RULES="\n".join(
            rf"\item[{labels[name]}] \textbf{{{_words(name)}.}} {_words(p['statement'])} "
            f"({_words(p['reference'])}.)"
            for name, p in used.items()
        ),
    )


def _laws(records: Mapping[str, Record], labels: Mapping[str, str], pictures: list[str]) -> str:
    """Sections by family; a picture at the first law it shows, those of no law at the end."""
    homes, parts = families(), []
    for family in FAMILY_TITLES:
        inside = [record for name, record in records.items() if homes[name] == family]
        if inside:
            parts.append(rf"\section{{{family}}}")
        for record in inside:
            own = [name for name in pictures if record["id"] in FIGURES[name].laws]
            pictures = [name for name in pictures if name not in own]
            parts.append(_law(record, labels, own))
    return "\n".join([*parts, *map(_picture, pictures)])


def _words(text: str) -> str:
    """Prose of a law, where the id of another one is a link."""

    def linked(match: re.Match[str]) -> str:
        return rf"\hyperref[law:{match[1]}]{{{match[0]}}}" if match[1] in LAWS else match[0]

    return re.sub(r"\\texttt\{([a-z-]+)\}", linked, latex(text))


def _law(record: Record, labels: Mapping[str, str], figures: Sequence[str]) -> str:
    headline = {part["step"] for part in record["claim"]}
    steps = record["steps"]
    first = [h for step in steps if step["number"] in headline for h in step["given_latex"]]
    hypotheses = list(dict.fromkeys(first))
    later = [h for h in dict.fromkeys(h for s in steps for h in s["given_latex"])
             if h not in hypotheses]  # fmt: skip
    letters = {h: k for k, h in enumerate([*hypotheses, *later], start=1)}
    needs = ", ".join(record["assumptions"])
    lines = [
        rf"\begin{{theorem}}[{_words(record['title'])}]\label{{law:{record['id']}}}",
        rf"{{\small (\texttt{{{record['id']}}}; {_words(record['source'])})}}"
        + (f" Under {needs}." if needs else ""),
        _given("Let", hypotheses, letters),
        *(
            _claim(steps[part["step"] - 1], len(record["claim"]) > 1, letters)
            for part in record["claim"]
        ),
        r"\end{theorem}",
        rf"\said{{In the paper.}} {_words(record['paper'])}",
        rf"\said{{Here.}} {_words(record['sharper'])}",
        r"\begin{proof}",
    ]
    if record["notation"]:
        *most, last = (n["latex"] for n in record["notation"])
        lines += ["Write", *(_notation(f"{n};") for n in most), _notation(f"{last}.")]
    lines += [_given("In the steps, let", later, letters), r"\begin{enumerate}"]
    lines += [_step(step, letters, labels) for step in steps]
    lines += [r"\qedhere", r"\end{enumerate}", r"\end{proof}"]
    coq = [t for t in theorems() if t.id == record["id"]]
    if coq:
        files = ", ".join(map(_typed, dict.fromkeys(t.file for t in coq)))
        names = ", ".join(_typed(t.name) for t in coq)
        lines.append(rf"\said{{In Coq}} ({files}): {names}.")
    if record["care"]:
        lines.append(rf"\said{{Care.}} {_words(record['care'])}")
    return "\n".join(filter(None, [*lines, *map(_picture, figures)])) + "\n"


def _notation(latex: str) -> str:
    """A definition and what ends it in the line, a long one on a line of its own."""
    return f"${latex[:-1]}${latex[-1]}" if len(latex) <= _SHORT else rf"\shown{{{latex}}}"


def _given(words: str, hypotheses: Sequence[str], letters: Mapping[str, int]) -> str:
    if not hypotheses:
        return ""
    listed = [rf"\textup{{(h{letters[h]})}}~{sentence(h)}" for h in hypotheses]
    return f"{words} " + "; ".join(listed) + "."


def _step(step: Record, letters: Mapping[str, int], labels: Mapping[str, str]) -> str:
    words = step["words"]
    formula = f"{sentence(words)}." if r"\text" in words else rf"\fit{{{words}}}\par"
    form = f" The difference is ${step['form_latex']}$." if step["form_latex"] else ""
    given = _under(step, letters)
    label, premises = labels.get(step["principle"]), _words(", ".join(step["premises"]))
    by = f" [{label}, from {premises}]" if label else ""
    under = f" under {given}" if given else ""
    theorem, _, file = step["formal"].partition(" in ")
    formal = f"formally proved as {_typed(theorem)} in {_breakable(file)}" if theorem else ""
    why = "; ".join(filter(None, (formal, _words(step["reason"]))))
    why = f": {why}" if why else ""
    return rf"\item {formula}{form} \emph{{{step['status']}}}{by}{under}{why}."


def _under(step: Record, letters: Mapping[str, int]) -> str:
    """The letters of the hypotheses of a step, 1, 2, 3 and 5 as "(h1)--(h3), (h5)"."""
    runs: list[list[int]] = []
    for n in sorted({letters[h] for h in step["given_latex"]}):
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return ", ".join(
        f"(h{run[0]})" if len(run) == 1 else f"(h{run[0]})--(h{run[-1]})" for run in runs
    )


def _claim(step: Record, several: bool, letters: Mapping[str, int]) -> str:
    """A part of the headline; under which of the hypotheses, if the parts differ in them."""
    given = _under(step, letters)
    under = rf"Under \textup{{{given}}}, " if several and given else ""
    if r"\text" in step["words"]:
        return rf"{under}{sentence(step['words'])}."
    return rf"{under}\shown{{{step['words']}.}}"


def _picture(name: str) -> str:
    figure = FIGURES[name]
    width = 0.62 if figure.panels == 1 else 1.0
    caption = re.sub(r"\balpha\b", r"$\\alpha$", _words(figure.caption))
    return "\n".join(
        [
            r"\begin{figure}[htb]\centering",
            rf"\includegraphics[width={width}\linewidth]{{{name}.pdf}}",
            rf"\caption{{{_words(figure.title)}. {caption}}}",
            r"\end{figure}",
        ]
    )


def _example(known: Erratum) -> str:
    erratum = find(known)
    lines = [part for line in erratum.lines for part in wrap(line, 90, subsequent_indent="    ")]
    proved = [_typed(theorem.name) for theorem in theorems() if theorem.id == erratum.id]
    formal = rf" Refuted in Coq as {proved[-1]}." if proved else ""
    return "\n".join(
        [
            rf"\begin{{example}}[{_words(erratum.where)}]",
            rf"\textit{{Read:}} {_words(erratum.reading)}.",
            rf"\textit{{Instead:}} {_words(erratum.instead)}.{formal}",
            r"{\small\begin{verbatim}",
            *lines,
            r"\end{verbatim}}",
            r"\end{example}",
        ]
    )


def _typed(name: str) -> str:
    return rf"\texttt{{{_breakable(name)}}}"


def _breakable(name: str) -> str:
    return name.replace("_", r"\_\allowbreak ")


def write(folder: Path) -> Path:
    """Write ``steering-strength.tex``, and the figures it shows, into a folder; its path."""
    for figure in FIGURES.values():
        figure.write(folder, ("pdf",))
    return write_text(folder / "steering-strength.tex", paper())
