r"""Prose with mathematics in it, written once with ``$...$``.

LaTeX, Markdown and the report take it as it is; a terminal gets the same line in Unicode,
``$e^{\alpha M_z} \le 1$`` as ``e^(α M_z) ≤ 1``.
"""

from __future__ import annotations

import re

from steering_strength.theory.laws.printing import GREEK

_SIGNS = {
    **GREEK,
    "varepsilon": "ε", "varphi": "φ", "Lambda": "Λ", "Sigma": "Σ", "sum": "Σ", "prod": "Π",
    "int": "∫", "infty": "∞", "to": "→", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥",
    "ne": "≠", "neq": "≠", "in": "∈", "notin": "∉", "pm": "±", "mp": "∓", "cdot": "·", "times": "×",
    "dots": "...", "ldots": "...", "sim": "~", "approx": "≈", "propto": "∝", "top": "ᵀ", "mid": "|",
    "|": "‖", "cup": "∪", "cap": "∩", "setminus": "∖", "emptyset": "∅", "mathbb R": "ℝ",
    "partial": "∂", "iff": "⇔", "implies": "⇒", "langle": "⟨", "rangle": "⟩", "lVert": "‖",
    "rVert": "‖",
    "perp": "⊥", "left": "", "right": "", "big": "", "Big": "", "quad": "  ", ",": "", ";": " ",
    ":": " ", "!": "", " ": " ", "{": "{", "}": "}", "%": "%", "_": "_", "prime": "'",
}  # fmt: skip
_RAISED = {"-": "⁻", "2": "²", "3": "³", "4": "⁴", "ᵀ": "ᵀ", "'": "'", "*": "*"}
_WHOLE = re.compile(r"[\w\u0304\u0302\u0303]+|[*+-]|\([^()]*\)")  # scripts that need no brackets
_ACCENTS = {"bar": "\u0304", "hat": "\u0302", "tilde": "\u0303"}
_FONTS = {"mathrm", "text", "mathit", "mathsf", "mathcal", "operatorname", "mathbf", "mathbb"}
_TIGHT = {"Delta", "pm", "mp", "langle"}  # no space after these
_PART = re.compile(r"\\(?:[A-Za-z]+|.)|[_^{}]|\s+|[^\\_^{}\s]")
_ESCAPED = {
    "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "^": r"\^{}",
    "~": r"\~{}", "<": "$<$", ">": "$>$", "|": "$|$", "ö": r"\"o",
}  # fmt: skip


def latex(words: str) -> str:
    """Prose as LaTeX text: what stands between dollars as it is, the rest escaped."""
    out = []
    for k, piece in enumerate(re.split(r"(\$[^$]*\$|`[^`]*`)", words)):
        if k % 2 and piece[0] == "`":
            out.append(rf"\texttt{{{latex(piece[1:-1])}}}")
        else:
            out.append(piece if k % 2 else "".join(_ESCAPED.get(c, c) for c in piece))
    return "".join(out)


def plain(words: str) -> str:
    """Prose as one line of Unicode, for a terminal."""
    return re.sub(r"\$([^$]*)\$", lambda found: _Formula(found[1]).shown(), words)


class _Formula:
    """The small part of LaTeX that prose needs, read from left to right."""

    def __init__(self, source: str) -> None:
        self.parts: list[str] = _PART.findall(source)

    def shown(self) -> str:
        return " ".join(self._until("").split()).replace(" ⟩", "⟩")

    def _until(self, end: str) -> str:
        out = ""
        while self.parts and self.parts[0] != end:
            out += self._next()
        if self.parts:
            self.parts.pop(0)
        return out

    def _skip_space(self) -> None:
        while self.parts and self.parts[0].isspace():
            self.parts.pop(0)

    def _argument(self) -> str:
        self._skip_space()
        return self._next() if self.parts else ""

    def _next(self) -> str:
        """The next group, script, command or character."""
        part = self.parts.pop(0)
        if part == "{":
            return self._until("}")
        if part in ("_", "^"):
            inner = self._argument()
            if part == "^" and inner in _RAISED:
                return _RAISED[inner]
            return part + (inner if _WHOLE.fullmatch(inner) else f"({inner})")
        if part[0] != "\\":
            return part
        name = part[1:]
        if name in _FONTS:
            inner = self._argument()
            return _SIGNS.get(f"{name} {inner}", inner)
        if name in _ACCENTS:
            return self._argument() + _ACCENTS[name]
        if name == "sqrt":
            inner = self._argument()
            return f"√{inner}" if len(inner) == 1 else f"√({inner})"
        if name in ("frac", "tfrac", "dfrac"):
            above, below = self._argument(), self._argument()
            whole = f"{_bracketed(above)}/{_bracketed(below)}"
            return "½" if whole == "1/2" else whole
        if name in _TIGHT:
            self._skip_space()
        return _SIGNS.get(name, name)


def _bracketed(part: str) -> str:
    """In brackets, unless it holds together by itself."""
    return part if re.fullmatch(r"[^\s+/-]+|\([^()]*\)", part) else f"({part})"
