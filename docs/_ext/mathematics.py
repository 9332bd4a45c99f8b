"""Mathematics as SVG outlines, by the typesetter of the report: no script, font or network.

MathML was the other candidate. Browsers render it natively now, but with whatever mathematical
font the reader has, and without one brackets and sums do not grow. Outlines look the same
everywhere and on paper, and the site and the report set a formula in the same way. The LaTeX stays
in `aria-label`.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.writers.html5 import HTML5Translator

from steering_strength.figures.report.formula import Typesetter


class _Setters(dict[str, Typesetter]):
    """One typesetter per page, since the outlines of a page's glyphs are stored in the page."""

    def __missing__(self, page: str) -> Typesetter:
        self[page] = Typesetter()
        return self[page]


SETTERS = _Setters()


def _set(translator: HTML5Translator, node: nodes.math | nodes.math_block, display: bool) -> None:
    html = SETTERS[translator.builder.current_docname].formula(node.astext(), display=display)
    if html.startswith("<code"):
        raise ExtensionError(f"the formula {node.astext()!r} is beyond the typesetter")
    if display:
        label = f' id="{node["ids"][0]}"' if node.get("ids") else ""
        html = f'<div class="formula"{label}>{html}</div>'
    translator.body.append(html)
    raise nodes.SkipNode


def _inline(translator: HTML5Translator, node: nodes.math) -> None:
    _set(translator, node, display=False)


def _block(translator: HTML5Translator, node: nodes.math_block) -> None:
    _set(translator, node, display=True)


def _add_outlines(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object
) -> None:
    if pagename in SETTERS and "body" in context:
        context["body"] = SETTERS.pop(pagename).definitions() + context["body"]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer under the name ``outlines``."""
    app.add_html_math_renderer("outlines", (_inline, None), (_block, None))
    app.connect("html-page-context", _add_outlines)
    return {"parallel_read_safe": False, "parallel_write_safe": False}
