"""A law as a LaTeX page, and the prose of a law with its mathematics typeset.

Prose is written once, in Unicode (`Σ_(z∈C) p_z e^(α M_z)`); `prose` finds the letters with
scripts in it and sets them as mathematics.
"""

from __future__ import annotations

import re

from steering_strength.theory.laws.law import Appeal, Law, Step
from steering_strength.theory.laws.page import MARK, assumes, because, notation, verdict
from steering_strength.theory.laws.printing import tex

__all__ = ["latex_document", "latex_page", "prose"]

_MATH = {
    "α": r"\alpha", "β": r"\beta", "γ": r"\gamma", "δ": r"\delta", "ε": r"\varepsilon",
    "κ": r"\kappa", "λ": r"\lambda", "μ": r"\mu", "ν": r"\nu", "ω": r"\omega", "π": r"\pi",
    "ρ": r"\rho", "σ": r"\sigma", "τ": r"\tau", "θ": r"\theta", "φ": r"\varphi", "ξ": r"\xi",
    "Δ": r"\Delta", "Σ": r"\sum", "Π": r"\prod", "ℓ": r"\ell", "∞": r"\infty", "→": r"\to",
    "≥": r"\geq", "≤": r"\leq", "≠": r"\neq", "∈": r"\in", "∉": r"\notin", "±": r"\pm",
    "·": r"\cdot", "√": r"\surd", "½": r"\tfrac{1}{2}", "²": "^{2}", "³": "^{3}", "⁴": "^{4}",
    "⁻¹": "^{-1}", "⁽ⁿ⁾": "^{(n)}", "ⁿ": "^{n}", "<=": r"\leq", ">=": r"\geq", "->": r"\to",
    "ᵀ": r"^{\top}", "‖": r"\|",
    "∪": r"\cup", "∅": r"\emptyset", "<": "<", ">": ">", "|": "|", "=": "=",
    "\u0304": r"^{\mathsf{c}}",
}  # fmt: skip
_TEXT = {"&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "ö": r"\"o",
         "^": r"\^{}", "~": r"\~{}"}  # fmt: skip
# a letter (with a bar or primes) that carries a subscript or a superscript
_SCRIPTED = re.compile(r"(?<![A-Za-z])[A-Za-zα-ωΔΣΠℓ]\u0304?'*(?=[_^⁽⁻ⁿᵀ²³⁴])")
_SCRIPT = re.compile(r"[_^](?:\(|[A-Za-z0-9α-ω]+)|⁻¹|⁽ⁿ⁾|[ⁿᵀ²³⁴]")
_SYMBOL = re.compile("|".join(sorted(map(re.escape, _MATH), key=len, reverse=True)))


def prose(words: str) -> str:
    """Unicode prose as LaTeX text, with letters that carry scripts set as mathematics."""
    out, at = [], 0
    for start in _SCRIPTED.finditer(words):
        if start.start() < at:
            continue
        end = _end_of_scripts(words, start.end())
        out += [_plain(words[at : start.start()]), f"${_mathematics(words[start.start() : end])}$"]
        at = end
    return "".join([*out, _plain(words[at:])])


def _end_of_scripts(words: str, at: int) -> int:
    while script := _SCRIPT.match(words, at):
        at = script.end()
        if script.group().endswith("("):
            at = _closing(words, at) + 1
    return at


def _closing(words: str, at: int) -> int:
    """Index of the parenthesis that closes the one before `at`; the end if there is none."""
    depth = 1
    for k in range(at, len(words)):
        depth += {"(": 1, ")": -1}.get(words[k], 0)
        if depth == 0:
            return k
    return len(words) - 1


def _mathematics(formula: str) -> str:
    r"""A formula of letters, scripts and parentheses: `e^(α M_z)` as `e^{\alpha M_{z}}`."""
    out, k = [], 0
    while k < len(formula):
        c = formula[k]
        if c in "_^" and k + 1 < len(formula):
            if formula[k + 1] == "(":
                close = _closing(formula, k + 2)
                out.append(f"{c}{{{_mathematics(formula[k + 2 : close])}}}")
                k = close + 1
                continue
            script = re.match(r"[A-Za-z0-9α-ω]+", formula[k + 1 :])
            if script:
                inner = _mathematics(script.group())
                plain = len(script.group()) > 2 and script.group().isalpha()
                out.append(f"{c}{{{rf'{chr(92)}mathrm{{{inner}}}' if plain else inner}}}")
                k += 1 + script.end()
                continue
        symbol = _SYMBOL.match(formula, k)
        latex = _MATH[symbol.group()] if symbol else c
        k += len(symbol.group()) if symbol else 1
        # a command must be kept apart from a letter that follows it
        apart = latex.startswith(chr(92)) and formula[k : k + 1].isalpha()
        out.append(f"{latex} " if apart else latex)
    return "".join(out)


def _plain(words: str) -> str:
    """Text without scripts: single symbols become one-letter formulas."""
    out, at = [], 0
    for symbol in _SYMBOL.finditer(words):
        out += [_escaped(words[at : symbol.start()]), f"${_MATH[symbol.group()]}$"]
        at = symbol.end()
    return "".join([*out, _escaped(words[at:])])


def _escaped(words: str) -> str:
    return "".join(_TEXT.get(c, c) for c in words)


_ONE_LINE = 120  # characters of LaTeX that fit on a line of a page, roughly


def _display(step: Step) -> str:
    """A displayed formula; a long one is broken at its relation."""
    if len(step.latex()) <= _ONE_LINE:
        return rf"\[ {step.latex()} \]"
    left, right = tex(step.lhs), step.latex().removeprefix(tex(step.lhs))
    return rf"\begin{{multline*}} {left} \\ {right} \end{{multline*}}"


def latex_page(law: Law) -> str:
    """Statement and derivation as LaTeX; needs only the `amsmath` and `amssymb` packages."""
    definitions = "; ".join(rf"${tex(n)} = {tex(n.body)}$" for n in notation(law))
    lines = [
        rf"\subsection*{{{prose(law.title)} (\texttt{{{law.id}}})}}",
        rf"{prose(law.source)}.",
        "",
        rf"\paragraph{{Paper.}} {prose(law.paper)}",
        rf"\paragraph{{Here.}} {prose(law.sharper)}",
        rf"\paragraph{{Assumes.}} {prose(assumes(law))}.",
        rf"\paragraph{{To show.}} {_display(law.statement)}",
        rf"where {definitions}." if definitions else "",
        r"\begin{enumerate}",
    ]
    for step, status in zip(law.steps, law.prove(), strict=True):
        formula = _display(step) if step.latex() else prose(step.text())
        conclusion = ""
        if isinstance(step, Appeal) and step.latex() and step.conclusion:
            conclusion = f"{prose(step.conclusion)}; "
        reason = f"{conclusion}\\emph{{{MARK[status]}}}: {prose(because(step))}"
        lines.append(rf"\item {formula} {reason}.")
    lines += [r"\end{enumerate}", rf"\paragraph{{Concluded.}} {prose(verdict(law))}"]
    for principle in law.principles():
        lines.append(
            rf"\paragraph{{Assumed.}} {prose(principle.name)}: {prose(principle.statement)} "
            rf"({prose(principle.reference)}.)"
        )
    if law.care:
        lines.append(rf"\paragraph{{Care.}} {prose(law.care)}")
    return "\n".join(line for line in lines if line) + "\n"


def latex_document(*laws: Law) -> str:
    """A document that compiles as it stands."""
    body = "\n".join(latex_page(law) for law in laws)
    return (
        "\\documentclass{article}\n\\usepackage{amsmath,amssymb}\n\\usepackage[T1]{fontenc}\n"
        "\\usepackage[margin=2cm]{geometry}\n"
        f"\\begin{{document}}\n{body}\\end{{document}}\n"
    )
