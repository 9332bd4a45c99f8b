r"""Mathematics without a network: LaTeX to inline SVG through Matplotlib's mathtext.

Why not MathML or a JavaScript renderer: the report must look the same in any browser and on
paper, with no fonts to install and nothing to download. Mathtext ships with Matplotlib and
sets TeX's Computer Modern. Each formula becomes a few `<use>` elements that refer to glyph
outlines stored once per page, sized in `em` and coloured by `currentColor`, so formulas scale
and print like text. The LaTeX stays in `aria-label`, for screen readers and for copying.

Mathtext knows a subset of LaTeX. `mathtext_lines` rewrites what SymPy's printer and the laws
use beyond it into that subset; a formula that still cannot be set is shown as its LaTeX source,
never dropped.
"""

from __future__ import annotations

import re
from functools import cache
from html import escape

from matplotlib.font_manager import FontProperties
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextToPath
from numpy.typing import ArrayLike

_EM = 100.0  # units of the outlines per em: the font size that TextToPath works in
_FONT = FontProperties(family="DejaVu Serif", math_fontfamily="cm", size=_EM)
_COLUMN = 44.0  # em that fit into the report's column: a wider row is set smaller

ROWS: dict[str, str] = {}
"""Every row set in this process, as SVG: most formulas are repetitions, and each costs 10 ms.
Rows set in another process may be entered, with their glyphs."""

OUTLINES: dict[str, str] = {}
"""The glyphs of these rows by id: SVG path data, in 1/100 em, y upwards."""


class Typesetter:
    """Sets formulas that share glyph outlines; one instance per page.

    Attributes
    ----------
    glyphs : dict
        Ids of the glyphs used on the page, in the order of their use; no values.
    """

    def __init__(self) -> None:
        self.glyphs: dict[str, None] = {}

    def formula(self, latex: str, *, display: bool = False) -> str:
        """Inline SVG of `latex` (without dollar signs); its source as text if it cannot be set."""
        try:
            drawn = [_row(line) for line in mathtext_lines(latex, display=display)]
        except ValueError:  # mathtext's parse error: show the source rather than nothing
            return f'<code class="tex">{escape(latex)}</code>'
        if display:
            drawn = [f'<span class="row">{row}</span>' for row in drawn]
        body = ("" if display else " ").join(drawn)
        self.glyphs |= dict.fromkeys(re.findall('<use href="#([^"]+)"', body))
        kind = "math display" if display else "math"
        label = escape(" ".join(latex.split()), quote=True)
        return f'<span class="{kind}" role="img" aria-label="{label}">{body}</span>'

    def definitions(self) -> str:
        """The invisible SVG that holds the outlines; put it anywhere in the page's body."""
        outlines = "".join(f'<path id="{key}" d="{OUTLINES[key]}"/>' for key in self.glyphs)
        return f'<svg class="glyphs" aria-hidden="true"><defs>{outlines}</defs></svg>'


def _row(math: str) -> str:
    """One row as SVG."""
    if math in ROWS:
        return ROWS[math]
    setter, setting = _setter(), f"${math}$"
    # The same parser and the same resolution for the box and for the glyphs: its cache then
    # spares every second parse, which is most of the time a page takes.
    width, height, depth, *_ = setter.mathtext_parser.parse(setting, setter.DPI, _FONT)
    placed, outlines, bars = setter.get_glyphs_mathtext(_FONT, setting)
    parts = []
    for key, x, y, scale in placed:
        name = "g" + re.sub(r"[^0-9a-z]+", "-", str(key).lower())
        if name not in OUTLINES:
            OUTLINES[name] = _svg_path(*outlines[key])
        parts.append(
            f'<use href="#{name}" transform="translate({x:.4g} {y:.4g}) scale({scale:.4g})"/>'
        )
    parts += [f'<path d="{_svg_path(*bar)}"/>' for bar in bars]
    # A hair of margin: overhanging italics and the rule of a fraction reach the very edge.
    pad = 4.0
    box = f"{-pad:g} {-(height - depth) - pad:g} {width + 2 * pad:g} {height + 2 * pad:g}"
    em = max(_EM, (width + 2 * pad) / _COLUMN)
    size = (
        f"width:{(width + 2 * pad) / em:.3f}em;height:{(height + 2 * pad) / em:.3f}em;"
        f"vertical-align:{-(depth + pad) / em:.3f}em"
    )
    ROWS[math] = (
        f'<svg viewBox="{box}" style="{size}" aria-hidden="true">'
        f'<g transform="scale(1 -1)">{"".join(parts)}</g></svg>'
    )
    return ROWS[math]


@cache
def _setter() -> TextToPath:
    return TextToPath()


def _svg_path(vertices: ArrayLike, codes: ArrayLike) -> str:
    words = {Outline.MOVETO: "M", Outline.LINETO: "L", Outline.CURVE3: "Q", Outline.CURVE4: "C"}
    text = []
    for points, code in Outline(vertices, codes).iter_segments(simplify=False, curves=True):
        if code == Outline.CLOSEPOLY:
            text.append("Z")
        else:
            text.append(words[code] + " ".join(f"{value:.5g}" for value in points))
    return "".join(text)


_SPELLINGS = {  # what mathtext calls otherwise, or does not know
    r"\dfrac": r"\frac", r"\tfrac": r"\frac", r"\le": r"\leq", r"\ge": r"\geq", r"\mid": r"\,|\,",
    r"\lvert": "|", r"\rvert": "|", r"\lVert": r"\|", r"\rVert": r"\|",
    r"\implies": r"\Longrightarrow", r"\iff": r"\Longleftrightarrow", r"\displaystyle": "",
}  # fmt: skip
_TALL = re.compile(r"\\d?frac|\\sum|\\prod|\\int|\\binom|\\lim\b")
_FUNCTIONS = (r"\log", r"\exp", r"\tanh", r"\sinh", r"\cosh", r"\min", r"\max")
_BIG = (r"\sum", r"\prod", r"\int", r"\lim")


def mathtext_lines(latex: str, *, display: bool = False) -> list[str]:
    """The rows of a formula, each in the subset of LaTeX that mathtext can set.

    In a displayed formula the outermost fractions are large. Delimiters grow only round
    something tall: mathtext would shrink them round a single letter.
    """
    text = " ".join(latex.strip().strip("$").split())
    text = text.replace(r"\to -\infty", r"\to {-\infty}")  # a sign, not a subtraction
    rows: list[list[str]] = [[]]
    for part in re.findall(r"\\(?:[A-Za-z]+|.?)|[^\\]", text):
        if part == r"\\":
            rows.append([])
        elif spelled := _SPELLINGS.get(part, part):
            rows[-1].append(spelled)
    set_ = (_set(row[::-1], display).strip() for row in rows)
    return [row for row in set_ if row]


def _set(parts: list[str], large: bool, end: str = "") -> str:
    """The parts up to `end`, read from the last: fractions and delimiters get their sizes.

    Big operators are set off by a thin space. What is unbalanced stays so: mathtext will refuse it,
    and the source be shown.
    """
    out = ""
    while parts and (part := parts.pop()) != end:
        if part == r"\frac":
            out += (r"\dfrac" if large else r"\frac") + _argument(parts) + _argument(parts)
        elif part == r"\left" and parts:
            out += _delimited(parts, large)
        elif part in _BIG:
            out += part
            while parts and parts[-1] in "^_":
                out += parts.pop() + _argument(parts)
            out += r"\,"
        elif part in _FUNCTIONS:
            after = out.rstrip()[-1:]
            out += rf"\,{part}" if after.isalnum() or after in ("}", ")") else part
        elif part in "^_":
            out += part + _argument(parts)
        elif part == "{":
            out += f"{{{_set(parts, large, '}')}}}"
        else:
            out += part
    return out


def _argument(parts: list[str]) -> str:
    """The next argument, in braces."""
    while parts and parts[-1] == " ":
        parts.pop()
    first = parts.pop() if parts else ""
    return f"{{{_set(parts, False, '}') if first == '{' else first}}}"


def _delimited(parts: list[str], large: bool) -> str:
    r"""What stands between ``\left`` and its ``\right``, with delimiters that fit."""
    opening = parts.pop()
    depth, start = 1, len(parts)
    while start and depth:
        start -= 1
        depth += {r"\left": 1, r"\right": -1}.get(parts[start], 0)
    if depth or not start:
        return rf"\left{opening}"
    inside = _set(parts[start + 1 :], large)
    del parts[start:]
    closing = parts.pop()
    if _TALL.search(inside) or "." in (opening, closing):
        return rf"\left{opening}{inside}\right{closing}"
    return f"{opening}{inside}{closing}"
