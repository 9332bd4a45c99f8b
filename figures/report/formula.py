r"""Mathematics without a network: LaTeX to inline SVG through Matplotlib's mathtext.

Why not MathML or a JavaScript renderer: the report must look the same in any browser and on
paper, with no fonts to install and nothing to download. Mathtext ships with Matplotlib and
sets TeX's Computer Modern. Each formula becomes a few `<use>` elements that refer to glyph
outlines stored once per page, sized in `em` and coloured by `currentColor`, so formulas scale
and print like text. The LaTeX stays in `aria-label`, for screen readers and for copying.

Mathtext knows a subset of LaTeX. `mathtext_lines` rewrites what SymPy's printer and the laws
use beyond it (environments with alignment, `\dfrac`-like spellings, `\mathbb{1}`) into that
subset; a formula that still cannot be set is shown as its LaTeX source, never dropped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from html import escape

from matplotlib.font_manager import FontProperties
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextToPath
from numpy.typing import ArrayLike

_EM = 100.0  # units of the outlines per em: the font size that TextToPath works in
_FONT = FontProperties(family="DejaVu Serif", math_fontfamily="cm", size=_EM)
_COLUMN = 44.0  # em that fit into the report's column


@dataclass
class Typesetter:
    """Sets formulas that share one store of glyph outlines; one instance per page.

    Attributes
    ----------
    glyphs : dict
        From a glyph's id to its outline as SVG path data, in 1/100 em, y upwards.
    """

    glyphs: dict[str, str] = field(default_factory=dict)
    _rows: dict[str, str] = field(default_factory=dict, repr=False)

    def formula(self, latex: str, *, display: bool = False) -> str:
        """Inline SVG of `latex` (without dollar signs); its source as text if it cannot be set."""
        source, before = latex, ""
        try:
            while source != before:
                drawn = [self._row(line) for line in mathtext_lines(source, display=display)]
                before = source
                if display and max(map(_width, drawn)) > _COLUMN:
                    source = _broken(source)
        except ValueError:  # mathtext's parse error: show the source rather than nothing
            return f'<code class="tex">{escape(latex)}</code>'
        kind = "math display" if display else "math"
        label = escape(" ".join(latex.split()), quote=True)
        body = "".join(f'<span class="row">{row}</span>' for row in drawn) if display else drawn[0]
        if not display and len(drawn) > 1:
            body = " ".join(drawn)
        return f'<span class="{kind}" role="img" aria-label="{label}">{body}</span>'

    def definitions(self) -> str:
        """The invisible SVG that holds the outlines; put it anywhere in the page's body."""
        outlines = "".join(f'<path id="{key}" d="{d}"/>' for key, d in self.glyphs.items())
        return f'<svg class="glyphs" aria-hidden="true"><defs>{outlines}</defs></svg>'

    def _row(self, math: str) -> str:
        """One row as SVG; a third of a page's formulas are repetitions, and each costs 40 ms."""
        if math not in self._rows:
            self._rows[math] = self._draw(f"${math}$")
        return self._rows[math]

    def _draw(self, setting: str) -> str:
        # The same parser and the same resolution for the box and for the glyphs: its cache then
        # spares every second parse, which is most of the time a page takes.
        width, height, depth, *_ = _setter().mathtext_parser.parse(setting, _setter().DPI, _FONT)
        placed, outlines, bars = _setter().get_glyphs_mathtext(_FONT, setting)
        parts = []
        for key, x, y, scale in placed:
            name = "g" + re.sub(r"[^0-9a-z]+", "-", str(key).lower())
            self.glyphs.setdefault(name, _svg_path(*outlines[key]))
            parts.append(
                f'<use href="#{name}" transform="translate({x:.4g} {y:.4g}) scale({scale:.4g})"/>'
            )
        parts += [f'<path d="{_svg_path(*bar)}"/>' for bar in bars]
        # A hair of margin: overhanging italics and the rule of a fraction reach the very edge.
        pad = 4.0
        box = f"{-pad:g} {-(height - depth) - pad:g} {width + 2 * pad:g} {height + 2 * pad:g}"
        size = (
            f"width:{(width + 2 * pad) / _EM:.3f}em;height:{(height + 2 * pad) / _EM:.3f}em;"
            f"vertical-align:{-(depth + pad) / _EM:.3f}em"
        )
        return (
            f'<svg viewBox="{box}" style="{size}" aria-hidden="true">'
            f'<g transform="scale(1 -1)">{"".join(parts)}</g></svg>'
        )


@cache
def _setter() -> TextToPath:
    return TextToPath()


def _width(row: str) -> float:
    """Of a row as SVG, in em."""
    return float(row.partition("width:")[2].partition("em")[0])


def _svg_path(vertices: ArrayLike, codes: ArrayLike) -> str:
    words = {Outline.MOVETO: "M", Outline.LINETO: "L", Outline.CURVE3: "Q", Outline.CURVE4: "C"}
    text = []
    for points, code in Outline(vertices, codes).iter_segments(simplify=False, curves=True):
        if code == Outline.CLOSEPOLY:
            text.append("Z")
        else:
            text.append(words[code] + " ".join(f"{value:.5g}" for value in points))
    return "".join(text)


_SPELLINGS = (
    (r"\\(?:begin|end)\{(?:aligned|align\*?|split|gather(?:ed)?|equation\*?)\}", ""),
    (r"\\(?:dfrac|tfrac|cfrac)(?![A-Za-z])", r"\\frac"),
    (r"\\(?:mathbf|mathbb|mathds|boldsymbol)\s*\{1\}", r"\\mathbf{1}"),
    (r"\\(?:limits|displaystyle|textstyle|nolimits)(?![A-Za-z])", ""),
    (r"\\(?:big|Big|bigg|Bigg)[lrm]?(?=[\s\\()\[\]|{}])", ""),
    (r"\\(?:lvert|rvert)(?![A-Za-z])", "|"),
    (r"\\(?:lVert|rVert|Vert)(?![A-Za-z])", r"\\|"),
    (r"\\(?:coloneqq|coloneq)(?![A-Za-z])", ":="),
    (r"\\mid(?![A-Za-z])", r"\\,|\\,"),
    (r"\\le(?![A-Za-z])", r"\\leq"),
    (r"\\ge(?![A-Za-z])", r"\\geq"),
    (r"\\land(?![A-Za-z])", r"\\wedge"),
    (r"\\lor(?![A-Za-z])", r"\\vee"),
    (r"\\implies(?![A-Za-z])", r"\\Longrightarrow"),
    (r"\\iff(?![A-Za-z])", r"\\Longleftrightarrow"),
    (r"\\operatorname\*", r"\\operatorname"),
    (r"\\to -\\infty", r"\\to {-\\infty}"),  # a sign, not a subtraction
    (r"\\text(?:rm|normal)(?![A-Za-z])", r"\\mathrm"),
    (r"\\textbf(?![A-Za-z])", r"\\mathbf"),
)
_TALL = re.compile(r"\\d?frac|\\sum|\\prod|\\int|\\binom|\\lim\b")
_FUNCTIONS = ("\\log", "\\exp", "\\tanh", "\\sinh", "\\cosh", "\\min", "\\max")
_BIG = ("\\sum", "\\prod", "\\int", "\\lim")


_MARKS = re.compile(r"\\left|\\right|[{}()\[\]]|(?<= )(?:=|\\\w*eq|\\to|[-+<>])(?= )")


def _broken(latex: str) -> str:
    """A formula with its longest row in two, at a relation or a sign, outside brackets if any."""
    rows = latex.split(r"\\")
    row = max(rows, key=len)
    at = _middle(row, r"{([\left", r"})]\right")
    if at is None:  # brackets cannot grow across rows
        plain = re.sub(r"\\(?:left|right)(?![A-Za-z])", "", row)
        at = _middle(plain, "{", "}")
        if at is None:
            return latex
        rows[rows.index(row)] = row = plain
    rows[rows.index(row)] = rf"{row[:at]}\\ {row[at:]}"
    return r"\\".join(rows)


def _middle(row: str, opening: str, closing: str) -> int | None:
    """The place of the relation or sign outside these brackets that is nearest to the middle."""
    places, depth = [], 0
    for found in _MARKS.finditer(row):
        if found[0] in opening:
            depth += 1
        elif found[0] in closing:
            depth -= 1
        elif depth == 0 and found.start() > 1 and found[0] not in r"([)]\left\right":
            places.append(found.start())
    return min(places, key=lambda place: abs(2 * place - len(row)), default=None)


def mathtext_lines(latex: str, *, display: bool = False) -> list[str]:
    """The rows of a formula, each in the subset of LaTeX that mathtext can set.

    In a displayed formula the outermost fractions are large. Delimiters grow only round
    something tall: mathtext would shrink them round a single letter.
    """
    text = " ".join(latex.strip().strip("$").split())
    for pattern, replacement in _SPELLINGS:
        text = re.sub(pattern, replacement, text)
    rows = [row.replace("&", " ").strip() for row in re.split(r"\\\\(?:\[[^\]]*\])?", text)]
    return [_rewrite(row, large=display) for row in rows if row]


def _rewrite(text: str, *, large: bool) -> str:
    """Choose the sizes of fractions and delimiters, and set big operators off by a thin space."""
    out: list[str] = []
    at = 0
    while at < len(text):
        command = _command(text, at)
        if command == "\\frac":
            above, at = _argument(text, at + len(command))
            below, at = _argument(text, at)
            parts = "".join(f"{{{_rewrite(part, large=False)}}}" for part in (above, below))
            out.append(("\\dfrac" if large else "\\frac") + parts)
        elif command == "\\left" and (found := _delimited(text, at)):
            opening, inner, closing, at = found
            body = _rewrite(inner, large=large)
            if _TALL.search(body) or "." in (opening, closing):
                out.append(f"\\left{opening}{body}\\right{closing}")
            else:
                out.append(f"{opening}{body}{closing}")
        elif command in _BIG:
            at += len(command)
            scripts, at = _scripts(text, at)
            out.append(f"{command}{scripts}\\,")
        elif command in _FUNCTIONS:
            joined = "".join(out).rstrip()
            after = joined[-1:]
            out.append(f"\\,{command}" if after.isalnum() or after in ("}", ")") else command)
            at += len(command)
        elif text[at] in "^_":
            scripts, at = _scripts(text, at)
            out.append(scripts)
        elif text[at] == "{":
            inner, at = _argument(text, at)
            out.append(f"{{{_rewrite(inner, large=large)}}}")
        else:
            piece = command or text[at]
            out.append(piece)
            at += len(piece)
    return "".join(out)


def _command(text: str, at: int) -> str:
    """The control sequence that starts at `at`, or nothing."""
    found = re.compile(r"\\(?:[A-Za-z]+|.)").match(text, at)
    return found.group() if found else ""


def _argument(text: str, at: int) -> tuple[str, int]:
    """The next argument without its braces, and where the text goes on."""
    while at < len(text) and text[at] == " ":
        at += 1
    if at == len(text):
        return "", at
    if text[at] != "{":
        piece = _command(text, at) or text[at]
        return piece, at + len(piece)
    depth, start = 0, at
    while at < len(text):
        if text[at] == "\\":
            at += 1  # an escaped brace does not count
        elif text[at] in "{}":
            depth += 1 if text[at] == "{" else -1
            if depth == 0:
                return text[start + 1 : at], at + 1
        at += 1
    return text[start + 1 :], at  # unbalanced: mathtext will refuse it, and the source be shown


def _scripts(text: str, at: int) -> tuple[str, int]:
    """Sub- and superscripts from `at` on."""
    out = ""
    while at < len(text) and text[at] in "^_":
        sign = text[at]
        body, at = _argument(text, at + 1)
        out += f"{sign}{{{_rewrite(body, large=False)}}}"
    return out, at


def _delimited(text: str, at: int) -> tuple[str, str, str, int] | None:
    r"""Opening delimiter, contents and closing delimiter of the ``\left`` at `at`."""
    opening = _command(text, at + 5) or text[at + 5 : at + 6]
    start = position = at + 5 + len(opening)
    depth = 1
    while position < len(text):
        command = _command(text, position)
        depth += {"\\left": 1, "\\right": -1}.get(command, 0)
        if depth == 0:
            end = position + 6
            closing = _command(text, end) or text[end : end + 1]
            return opening, text[start:position], closing, end + len(closing)
        position += len(command) or 1
    return None
