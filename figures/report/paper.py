r"""The companion paper: every statement as a numbered theorem with its proof, as one LaTeX file.

Nothing is written by hand but the setting: theorems, hypotheses, proofs, false readings and their
counterexamples come from `LAWS`, `CLAIMS`, `ERRATA` and the Coq files. Hypotheses get letters, once for
each theorem, and a step names those it needs.
"""

from __future__ import annotations

import re
from importlib import resources
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

from steering_strength.figures.gallery import FIGURES
from steering_strength.figures.report.content import FAMILY_TITLES, families
from steering_strength.proofs_check.errata import ERRATA, Found, find
from steering_strength.proofs_check.formal.library import theorems
from steering_strength.theory.laws import LAWS
from steering_strength.theory.laws.assumptions import ASSUMPTIONS
from steering_strength.theory.laws.page import THROUGHOUT, prose

__all__ = ["paper"]

Record = Mapping[str, Any]

_PREAMBLE = r"""\documentclass[11pt]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{lmodern,microtype}
\usepackage[margin=2.4cm]{geometry}
\usepackage{amsmath,amssymb,amsthm,graphicx}
\usepackage[colorlinks=true,allcolors=blue!50!black]{hyperref}
\theoremstyle{plain}
\newtheorem{theorem}{Theorem}[section]
\theoremstyle{definition}
\newtheorem{example}{Counterexample}[section]
\newcommand{\said}[1]{\par\smallskip\noindent\textit{#1}\ }
% A formula as wide as the line at most.
\newsavebox{\formula}
\newcommand{\fit}[1]{\sbox{\formula}{$\displaystyle #1$}%
  \ifdim\wd\formula>\linewidth\resizebox{\linewidth}{!}{\usebox{\formula}}\else\usebox{\formula}\fi}
\newcommand{\shown}[1]{\[\fit{#1}\]}
\emergencystretch=3em
\allowdisplaybreaks
\title{Steering strength:\\ statements, proofs and corrections}
\author{written by \texttt{steering-strength} VERSION}
\date{}
\begin{document}
\maketitle
"""

_SETTING = r"""\begin{abstract}
Taimeskhanov, Vaiter and Garreau \cite{taimeskhanov2026steering} gave the first theory of how far a steering
vector should be scaled. This companion restates it and what has been added to it: each statement with all of
its hypotheses, a proof whose every step was decided by a program, the names of its theorems in Coq, and
pictures. Sentences of the paper that go further than its theorems are listed with
counterexamples. Every line below, this page aside, was written by that program.
\end{abstract}

\section{Setting}
Contexts $c_1, \dots, c_m$ occur with probabilities $\pi_j$, and $p(z \mid c_j) > 0$ is the probability that
token $z = 0, \dots, V - 1$ comes next. A model has a state $h_j$ for each context and an unembedding $W$, and
predicts $\mathrm{softmax}(W h_j)$: the Unconstrained Features Model. The steering vector of contexts $P$
against contexts $N$ is
\[ v = \frac{1}{|P|} \sum_{i \in P} h_i - \frac{1}{|N|} \sum_{i \in N} h_i , \]
and steering with strength $\alpha$ replaces $h_j$ by $h_j + \alpha v$. The \emph{log-odds} of a token are
\[ M(z) = \frac{1}{|P|} \sum_{i \in P} \log p(z \mid c_i) - \frac{1}{|N|} \sum_{i \in N} \log p(z \mid c_i) . \]
A concept is a set $C$ of tokens, and $T$ is the target. With the context $c_j$ fixed, $p_z$ stands for
$p(z \mid c_j)$, and
\[ p_\alpha(z) = p_z\, e^{\alpha M_z - K(\alpha)}, \quad K(\alpha) = \log \sum_z p_z\, e^{\alpha M_z}, \quad
   F_C(\alpha) = \sum_{z \in C} p_\alpha(z) . \]
$\mathbb{E}_\alpha$ and $\mathrm{Var}_\alpha$ are taken under $p_\alpha$; logarithms are natural, costs in nats.

"""

_STATUSES = r"""A proof below lists its steps. A step is \emph{proved} if the program's kernel decides it, an
identity by its normal form, an inequality by the sign of a form that is shown, and \emph{proved with rules} if a
named theorem of analysis (Section~\ref{rules}) leads to it from steps before it. Hypotheses bear letters; what
is not listed is not assumed. """


def paper(version: str, pictures: Iterable[str], bibliography: str) -> str:
    """The whole file; `pictures` are names of the gallery whose PDF lies next to it.

    `bibliography` is BibTeX, embedded so that one file is enough.
    """
    shown, homes = set(pictures), families()
    records = {name: law.record() for name, law in LAWS.items()}
    rules = _rules(records.values())
    parts = [_embedded(bibliography), _PREAMBLE.replace("VERSION", version), _SETTING, _assumptions(), _STATUSES]
    left = sorted(shown - {"overview"})
    for family in FAMILY_TITLES:
        inside = [record for name, record in records.items() if homes[name] == family]
        if inside:
            parts.append(rf"\section{{{family}}}")
        for record in inside:
            own = [name for name in left if record["id"] in FIGURES[name].laws]
            left = [name for name in left if name not in own]
            parts.append(_law(record, rules, own))
    parts += [r"\section{Readings that are false}", _readings()]
    parts += [r"\section{Rules}\label{rules}", *_listed(rules)]
    parts += [r"\nocite{*}", r"\bibliographystyle{plain}", r"\bibliography{steering-strength}"]
    return "\n".join([*parts, r"\end{document}", ""])


def _embedded(bibliography: str) -> str:
    return (
        "\\RequirePackage{xcolor}\n\\begin{filecontents*}[overwrite]{steering-strength.bib}\n"
        f"{bibliography}\\end{{filecontents*}}\n"
    )


def _words(text: str) -> str:
    """Prose of a law; what is in backticks is code, and a link where it is the id of a law."""

    def code(match: re.Match[str]) -> str:
        name = match[1].replace(r"\_", "_")
        typed = rf"\texttt{{{match[1]}}}"
        return rf"\hyperref[law:{name}]{{{typed}}}" if name in LAWS else typed

    return re.sub(r"`([^`]+)`", code, prose(text))


def _assumptions() -> str:
    items = [rf"\item[{a.name}.] {_words(a.statement)} ({_words(a.source)})." for a in ASSUMPTIONS]
    return "\n".join(
        [
            rf"Throughout, {_words(THROUGHOUT)}. Where a statement says so, it also assumes",
            r"\begin{description}", *items, r"\end{description}", "",
        ]
    )  # fmt: skip


def _rules(records: Iterable[Record]) -> dict[str, tuple[str, str, str]]:
    """name -> (label, statement, reference) of every rule of analysis, in order of use."""
    found: dict[str, tuple[str, str, str]] = {}
    for record in records:
        for p in record["assumed"]:
            found.setdefault(p["name"], (f"R{len(found) + 1}", p["statement"], p["reference"]))
    return found


def _listed(rules: Mapping[str, tuple[str, str, str]]) -> list[str]:
    items = [
        rf"\item[{label}] \textbf{{{_words(name)}.}} {_words(statement)} ({_words(reference)}.)"
        for name, (label, statement, reference) in rules.items()
    ]
    return [r"\begin{description}", *items, r"\end{description}"]


def _law(record: Record, rules: Mapping[str, tuple[str, str, str]], figures: Sequence[str]) -> str:
    headline = {part["step"] for part in record["claim"]}
    steps = record["steps"]
    first = [h for step in steps if step["number"] in headline for h in step["given_latex"]]
    hypotheses = list(dict.fromkeys(first))
    later = [h for h in dict.fromkeys(h for s in steps for h in s["given_latex"])
             if h not in hypotheses]  # fmt: skip
    letters = {h: f"h{k}" for k, h in enumerate([*hypotheses, *later], start=1)}
    needs = ", ".join(record["assumptions"])
    lines = [
        rf"\begin{{theorem}}[{_words(record['title'])}]\label{{law:{record['id']}}}",
        rf"{{\small (\texttt{{{record['id']}}}; {_words(record['source'])})}}"
        + (f" Under {needs}." if needs else ""),
        _given("Let", hypotheses, letters),
        *(_claim(steps[part["step"] - 1], len(record["claim"]) > 1, letters)
          for part in record["claim"]),
        r"\end{theorem}",
        rf"\said{{In the paper.}} {_words(record['paper'])}",
        rf"\said{{Here.}} {_words(record['sharper'])}",
        r"\begin{proof}",
    ]
    if record["notation"]:
        lines.append("Write " + "; ".join(f"${n['latex']}$" for n in record["notation"]) + ".")
    lines += [_given("In the steps, let", later, letters), r"\begin{enumerate}"]
    lines += [_step(step, letters, rules) for step in steps]
    lines += [r"\qedhere", r"\end{enumerate}", r"\end{proof}"]
    coq = [t for t in theorems() if t.id == record["id"]]
    if coq:
        files = ", ".join(rf"\texttt{{{_typed(name)}}}" for name in dict.fromkeys(t.file for t in coq))
        names = ", ".join(rf"\texttt{{{_typed(t.name)}}}" for t in coq)
        lines.append(rf"\said{{In Coq}} ({files}): {names}.")
    if record["care"]:
        lines.append(rf"\said{{Care.}} {_words(record['care'])}")
    return "\n".join(filter(None, [*lines, *map(_picture, figures)])) + "\n"


def _given(words: str, hypotheses: Sequence[str], letters: Mapping[str, str]) -> str:
    if not hypotheses:
        return ""
    listed = [rf"\textup{{({letters[h]})}}~{_flowing(h)}" for h in hypotheses]
    return f"{words} " + "; ".join(listed) + "."


def _step(
    step: Record, letters: Mapping[str, str], rules: Mapping[str, tuple[str, str, str]]
) -> str:
    formula = (
        rf"\fit{{{step['latex']}}}\par" if step["latex"] else f"{_flowing(step['words'])}."
    )
    form = f" The difference is ${step['form_latex']}$." if step["form_latex"] else ""
    given = _ranges([int(letters[h][1:]) for h in step["given_latex"]])
    by = f" [{rules[step['principle']][0]}]" if step["principle"] else ""
    under = f" under {given}" if given else ""
    return rf"\item {formula}{form} \emph{{{step['status']}}}{by}{under}: {_words(step['reason'])}."


def _ranges(numbers: Iterable[int]) -> str:
    """`[1, 2, 3, 5]` as "(h1)--(h3), (h5)"."""
    runs: list[list[int]] = []
    for n in sorted(set(numbers)):
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return ", ".join(
        f"(h{run[0]})" if len(run) == 1 else f"(h{run[0]})--(h{run[-1]})" for run in runs
    )


def _claim(step: Record, several: bool, letters: Mapping[str, str]) -> str:
    """A part of the headline; under which of the hypotheses, if the parts differ in them."""
    given = _ranges([int(letters[h][1:]) for h in step["given_latex"]])
    under = rf"Under \textup{{{given}}}, " if several and given else ""
    if r"\text" in step["words"]:
        return rf"{under}{_flowing(step['words'])}."
    return rf"{under}\shown{{{step['words']}.}}"


def _flowing(latex: str) -> str:
    r"""A formula with words in it, set so that the words can break: `\text` leaves mathematics."""
    out, math, at = [], "", 0
    nested = False
    while at < len(latex):
        if latex.startswith(r"\text{", at) and math.count("{") == math.count("}"):
            end = _closing(latex, at + len(r"\text{"))
            nested = nested or math.count(r"\left") > math.count(r"\right")
            out += [f"${math.strip()}$" if math.strip() else "", latex[at + len(r"\text{") : end]]
            math, at = "", end + 1
        else:
            math += latex[at]
            at += 1
    out.append(f"${math.strip()}$" if math.strip() else "")
    joined = "".join(out)
    # A pair of growing brackets cannot reach across words.
    return re.sub(r"\\(?:left|right)(?![A-Za-z])", "", joined) if len(out) > 1 or nested else joined


def _closing(text: str, at: int) -> int:
    """Index of the brace that closes the one before `at`."""
    depth = 1
    while depth:
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
    return at - 1


def _picture(name: str) -> str:
    figure = FIGURES[name]
    width = 0.62 if figure.panels == 1 else 1.0
    return "\n".join(
        [
            r"\begin{figure}[htb]\centering",
            rf"\includegraphics[width={width}\linewidth]{{{name}.pdf}}",
            rf"\caption{{{_words(figure.title)}. {_words(figure.caption)}}}",
            r"\end{figure}",
        ]
    )


def _readings() -> str:
    proved = {theorem.id: theorem for theorem in theorems()}
    opening = (
        "Numbers are exact, but for decimals after the last equality sign. A row is $p(\\cdot \\mid c)$ for "
        "a context $c$ over a common denominator; $T$ is the target concept, $c_j$ the context looked at.\n"
    )
    return opening + "\n".join(_example(find(erratum), proved) for erratum in ERRATA)


def _example(found: Found, proved: Mapping[str, Any]) -> str:
    erratum = found.erratum
    lines = [part for line in found.lines for part in wrap(line, 92, subsequent_indent="    ")]
    theorem = proved.get(erratum.id)
    formal = rf" Refuted in Coq as \texttt{{{_typed(theorem.name)}}}." if theorem else ""
    return "\n".join(
        [
            rf"\begin{{example}}[{_words(erratum.where)}] \textit{{Read:}} {_words(erratum.reading)}.",
            rf"\textit{{Instead:}} {_words(erratum.instead)}.{formal}",
            r"{\small\begin{verbatim}",
            *lines,
            r"\end{verbatim}}",
            r"\end{example}",
        ]
    )


def _typed(name: str) -> str:
    return name.replace("_", r"\_\allowbreak ")


def write(folder: Path) -> list[str]:
    """Write ``steering-strength.tex`` and the figures it shows into a folder; their names."""
    from steering_strength import __version__
    from steering_strength.theory.files import write_text

    for figure in FIGURES.values():
        figure.write(folder, ("pdf",))
    text = paper(__version__, FIGURES, _bibliography())
    write_text(folder / "steering-strength.tex", text)
    return ["steering-strength.tex", *(f"{name}.pdf" for name in FIGURES)]


def _bibliography() -> str:
    return resources.files("steering_strength.theory").joinpath("references.bib").read_text("utf-8")
