"""Words, formulas and Markdown: the small pieces that the report, the site and the paper share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from html import escape
from importlib import resources

from steering_strength.proofs_check.registry import CERTIFICATES, CHECKS
from steering_strength.theory.laws import LAWS


def filled(frame: str, **parts: str) -> str:
    """A page from its frame, a file of this package: each ``@NAME@`` there is replaced."""
    text = resources.files(__package__).joinpath(frame).read_text("utf-8")
    return re.sub("@([A-Z]+)@", lambda name: parts[name[1]], text)


def count(number: int, noun: str) -> str:
    """``1 step``, ``2 steps``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def plain(text: object) -> str:
    """Any text as Markdown that shows exactly this text."""
    return _marked(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", escape(str(text), quote=False)))


def _marked(text: str) -> str:
    return re.sub(r"([\\`*_\[\]$~])", r"\\\1", text)


@cache
def _ids() -> frozenset[str]:
    """What has a section of its own."""
    return frozenset(name.partition("/")[0] for name in (*LAWS, *CHECKS, *CERTIFICATES))


def words(text: str, *, link: bool = True) -> str:
    """Prose: ``$...$`` is mathematics, an id in backticks a link; the rest is escaped.

    Lines without ``$`` were written for a terminal, as claims of checks are; see `_spelled`.
    """
    out = []
    for piece in re.split(r"(`[^`]*`|\$[^$]+\$)", " ".join(text.split())):
        if piece[:1] == "$" and len(piece) > 1:
            out.append(piece)
        elif piece[:1] == "`" and len(piece) > 1:
            known = link and piece[1:-1] in _ids()
            out.append(f"[{piece}](#{piece[1:-1]})" if known else piece)
        else:
            out.append(plain(piece) if "$" in text else _spelled(piece))
    return "".join(out)


_GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "eps": "ε", "epsilon": "ε",
    "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "omega": "ω", "pi": "π", "rho": "ρ",
    "sigma": "σ", "Delta": "Δ", "inf": "∞",
}  # fmt: skip
_GREEK_WORD = re.compile(rf"(?<![A-Za-z])({'|'.join(_GREEK)})(?![A-Za-z])")
_RELATIONS = (("&lt;=", "≤"), ("&gt;=", "≥"), ("-&gt;", "→"), ("!=", "≠"), ("+-", "±"))
_MINUS = re.compile(r"(?<= )-(?= )|(?<![\w)\]}])-(?=[\dα-ω∞(A-Z|])")
# Names longer than a letter that take an index.
_WORDS = "max|min|sup|argmax|argmin|mean|sum|prod|LN|KL|Var"
_BASE = rf"((?<![A-Za-z])(?:{_WORDS}|[A-Za-zα-ωΑ-Ω∂ℓ])[\u0304']{{0,2}}|</sup>)"
_INDEX = r"(\{[^{}]*\}|\((?:[^()]|\([^()]*\))*\)|[+\u2212-]?[A-Za-z0-9α-ωΑ-Ω∞*\u0304]+|[+\u2212-])"
_SUBSCRIPT = re.compile(rf"{_BASE}_{_INDEX}")
_EXPONENT = re.compile(rf"\^{_INDEX}")


def _spelled(text: str) -> str:
    """A line such as ``K_j'(alpha) <= e^(α M_z)`` with letters, indices and exponents."""
    html = escape(text, quote=False)
    for ascii_, sign in _RELATIONS:
        html = html.replace(ascii_, sign)
    html = _GREEK_WORD.sub(lambda match: _GREEK[match.group(1)], html)
    html = _MINUS.sub("\u2212", html)
    html = _EXPONENT.sub(lambda match: f"<sup>{_bare(match.group(1))}</sup>", html)
    html = _SUBSCRIPT.sub(lambda m: f"{m.group(1)}<sub>{_bare(m.group(2))}</sub>", html)
    return _marked(html)


def _bare(index: str) -> str:
    """An index without the braces that hold it together."""
    return index[1:-1] if index[0] in "{(" else index.replace("-", "\u2212")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a bar in a cell is escaped, which would end it (``p(z|c)`` is full of them)."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in lines
    )


def display(latex: str) -> str:
    """A formula on a line of its own."""
    return f"$${' '.join(latex.split())}$$"


def fold(summary: str, body: str, *, shown: bool = False) -> str:
    """A part that opens and closes."""
    opened = " open" if shown else ""
    return f"<details{opened}><summary>{summary}</summary>\n\n{body}\n\n</details>"


def code(text: str, language: str) -> str:
    """A fenced block, whatever the text holds."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def sentence(latex: str, escaped: Callable[[str], str] = str) -> str:
    r"""LaTeX whose words are in ``\text{...}``, as words between formulas."""
    pieces, at = [], 0
    while (start := latex.find(r"\text{", at)) >= 0:
        end, depth = start + len(r"\text{"), 1
        while depth and end < len(latex):
            depth += {"{": 1, "}": -1}.get(latex[end], 0)
            end += 1
        pieces += [latex[at:start], latex[start + len(r"\text{") : end - 1]]
        at = end
    pieces.append(latex[at:])
    if any(p.count(r"\left") != p.count(r"\right") for p in pieces[::2]):
        # A bracket with words inside cannot grow with what it holds.
        return sentence(re.sub(r"\\(left|right)(?![a-z])", "", latex), escaped)
    line = ""
    for k, piece in enumerate(pieces):
        inner = re.split(r"(\$[^$]*\$)", piece) if k % 2 else [f"${piece.strip()}$"]
        for text in filter(str.strip, inner):
            if text[0] != "$":
                text = escaped(text)
            elif text == "$$":
                continue
            if line and line[-1] not in " (" and text[0] not in " ,;:.)":
                line += " "
            line += text
    return " ".join(line.split())
