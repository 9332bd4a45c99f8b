"""Prose with a little mathematics in it, as HTML.

The laws and checks describe themselves in plain lines such as ``K_j'(alpha) = M(z)`` or
``e^(α M_z)``. Here single-letter names get their subscripts and exponents, spelled-out Greek
letters become letters, and an id in backticks becomes a link to its statement.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape

__all__ = ["inline"]

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


def inline(text: str, links: Mapping[str, str] | None = None) -> str:
    """HTML of one paragraph; ids in backticks become links to their addresses in `links`."""
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(
        _code(piece[1:-1], links or {}) if index % 2 else _mathematics(piece)
        for index, piece in enumerate(pieces)
    )


def _code(name: str, links: Mapping[str, str]) -> str:
    body = f"<code>{escape(name)}</code>"
    return f'<a href="{escape(links[name], quote=True)}">{body}</a>' if name in links else body


def _mathematics(text: str) -> str:
    html = escape(text, quote=False)
    for plain, sign in _RELATIONS:
        html = html.replace(plain, sign)
    html = _GREEK_WORD.sub(lambda match: _GREEK[match.group(1)], html)
    html = _MINUS.sub("\u2212", html)
    html = _EXPONENT.sub(lambda match: f"<sup>{_bare(match.group(1))}</sup>", html)
    return _SUBSCRIPT.sub(lambda match: f"{match.group(1)}<sub>{_bare(match.group(2))}</sub>", html)


def _bare(index: str) -> str:
    """An index without the braces that hold it together."""
    return index[1:-1] if index[0] in "{(" else index.replace("-", "\u2212")
