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
from matplotlib.mathtext import MathTextParser
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextToPath
from numpy.typing import ArrayLike

__all__ = ["Typesetter", "mathtext_lines"]

_EM = 100.0  # units of the outlines per em: the font size that TextToPath works in
_FONT = FontProperties(family="DejaVu Serif", math_fontfamily="cm", size=_EM)


@dataclass
class Typesetter:
    """Sets formulas that share one store of glyph outlines; one instance per page.

    Attributes
    ----------
    glyphs : dict
        From a glyph's id to its outline as SVG path data, in 1/100 em, y upwards.
    """

    glyphs: dict[str, str] = field(default_factory=dict)

    def formula(self, latex: str, *, display: bool = False) -> str:
        """Inline SVG of `latex` (without dollar signs); its source as text if it cannot be set."""
        lines = mathtext_lines(latex)
        try:
            drawn = [self._line(line) for line in lines]
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

    def _line(self, math: str) -> str:
        setting = f"${math}$"
        width, height, depth, *_ = _parser().parse(setting, 72, _FONT)
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
def _parser() -> MathTextParser:
    return MathTextParser("path")


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


_SPELLINGS = (
    (r"\\(?:begin|end)\{(?:aligned|align\*?|split|gather(?:ed)?|equation\*?)\}", ""),
    (r"\\(?:dfrac|tfrac|cfrac)\b", r"\\frac"),
    (r"\\(?:mathbf|mathbb|mathds|boldsymbol)\s*\{1\}", r"\\mathbf{1}"),
    (r"\\(?:limits|displaystyle|textstyle|nolimits)\b", ""),
    (r"\\(?:big|Big|bigg|Bigg)[lrm]?(?=[\s\\()\[\]|{}])", ""),
    (r"\\(?:lvert|rvert)\b", "|"),
    (r"\\(?:lVert|rVert|Vert)\b", r"\\|"),
    (r"\\(?:coloneqq|coloneq)\b", ":="),
    (r"\\(?:mid)\b", r"\\,|\\,"),
    (r"\\(?:implies)\b", r"\\Longrightarrow"),
    (r"\\(?:iff)\b", r"\\Longleftrightarrow"),
    (r"\\mathrm\{([^{}]*)\}", lambda m: r"\mathrm{" + m.group(1).replace(" ", r"\ ") + "}"),
)


def mathtext_lines(latex: str) -> list[str]:
    """The rows of a formula, each in the subset of LaTeX that mathtext can set."""
    text = " ".join(latex.strip().strip("$").split())
    for pattern, replacement in _SPELLINGS:
        text = re.sub(pattern, replacement, text)
    rows = [row.replace("&", " ").strip() for row in re.split(r"\\\\(?:\[[^\]]*\])?", text)]
    return [row for row in rows if row]
