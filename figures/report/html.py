"""Markdown as HTML: one self-contained page, mathematics as SVG, nothing loaded.

`Renderer` is markdown-it-py with four changes: formulas are set by `figures.report.formula`, bold
words that name a status become badges, pictures are embedded or found elsewhere, and every cell of
a table knows its column, so that narrow screens can do without columns.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin

from steering_strength.figures.report.formula import Typesetter

_HERE = Path(__file__).parent
COMPONENTS = (_HERE / "components.css").read_text(encoding="utf-8")
"""What statements, tables and figures look like; other pages that show them may use it."""

_BADGES = {  # bold words that are a status, and what they look like
    **{name: name for name in ("proved", "formal", "certified", "passed", "refuted")},
    "proved with rules": "proved",
    "refuted by derivation": "refuted",
    "refuted by search": "refuted",
    "unknown": "unknown",
    "unchecked": "unknown",
    "not refuted": "unknown",
    "a false reading was not refuted": "unknown",
    "REFUTED": "wrong",
}


class Renderer:
    """Renders Markdown whose formulas share the outlines of one `Typesetter`.

    Parameters
    ----------
    typesetter : Typesetter
        Its `definitions` must stand once on the page.
    link, picture : function
        From an address in the Markdown, of a link or of a picture, to that on the page.
    names : mapping
        Addresses of what may be named in backticks: functions in a reference.
    """

    def __init__(
        self,
        typesetter: Typesetter,
        *,
        link: Callable[[str], str] = str,
        picture: Callable[[str], str] = str,
        names: Mapping[str, str] | None = None,
    ) -> None:
        def set_formula(_: object, tokens: Sequence[Token], index: int, *_rest: object) -> str:
            token = tokens[index]
            return typesetter.formula(token.content, display=token.type != "math_inline")

        self._parser = MarkdownIt("commonmark", {"html": True}).enable("table")
        self._parser.use(dollarmath_plugin, double_inline=True)
        for kind in ("math_inline", "math_inline_double", "math_block"):
            self._parser.add_render_rule(kind, set_formula)
        self._addresses = {"href": link, "src": picture}
        self._names = names or {}

    def html(self, markdown: str) -> str:
        """HTML of any piece of the report."""
        tokens = self._parser.parse(markdown)
        _label_cells(tokens)
        for token in tokens:
            if token.tag == "h2" and token.nesting == 1:
                heading = tokens[tokens.index(token) + 1].content.lower()
                token.attrSet("id", f"chapter-{re.sub('[^a-z0-9]+', '-', heading).strip('-')}")
            self._change(token.children or [])
        return str(self._parser.renderer.render(tokens, self._parser.options, {}))

    def _change(self, tokens: list[Token]) -> None:
        for before, token in zip([None, *tokens], tokens, strict=False):
            if before is not None and before.type == "strong_open" and token.content in _BADGES:
                before.attrSet("class", f"badge {_BADGES[token.content]}")
            for name, address in self._addresses.items():
                if name in token.attrs:
                    token.attrSet(name, address(str(token.attrs[name])))
            if token.type == "code_inline" and token.content in self._names:
                place = escape(self._names[token.content], quote=True)
                token.type = "html_inline"
                token.content = f'<a href="{place}"><code>{escape(token.content)}</code></a>'


def html_page(markdown: str, pictures: Mapping[str, bytes]) -> str:
    """The report as one file; `pictures` are its images by address in the Markdown."""
    typesetter = Typesetter()
    images = {name: _embedded(data) for name, data in pictures.items()}
    body = Renderer(typesetter, picture=lambda at: images.get(at, at)).html(markdown)
    css = (_HERE / "page.css").read_text(encoding="utf-8") + COMPONENTS
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    title = markdown.partition("\n")[0].removeprefix("# ")
    # The definitions come last in time, when all glyphs are known, but first in the page.
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{css}</style></head>\n<body>{typesetter.definitions()}"
        f'<div class="layout">{_navigation(body)}<main>{body}</main></div>'
        f"<script>{script}</script></body></html>\n"
    )


def _embedded(picture: bytes) -> str:
    """A picture as its own address: as an image, so that ids inside it meet no others."""
    kind = "png" if picture.startswith(b"\x89PNG") else "svg+xml"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


def _label_cells(tokens: Sequence[Token]) -> None:
    """Every cell gets its column's name; one that says nothing is marked."""
    columns: list[str] = []
    at = 0
    for token, inside in pairwise(tokens):
        if token.type == "table_open":
            columns = []
        elif token.type == "tr_open":
            at = 0
        elif token.type == "th_open":
            columns.append(re.sub(r"\\(.)", r"\1", inside.content))
        elif token.type == "td_open":
            token.attrSet("data-column", columns[at])
            if inside.content in ("", "–"):
                token.attrSet("class", "none")
            elif at == 0 and re.fullmatch(r"\*\*[^*]+\*\*", inside.content):
                token.attrSet("class", "group")
            at += 1


def _navigation(body: str) -> str:
    """Chapters in order; under those of a family its statements."""
    items = []
    for chapter in body.split("<h2 ")[1:]:
        (place, heading), *_ = re.findall(r'^id="([^"]+)">(.*?)</h2>', chapter)
        statements = "".join(
            f'<li><a class="mono" href="#{name}">{name}</a></li>'
            for name in re.findall(r'<details class="statement" id="(?!reading-)([^"]+)"', chapter)
        )
        below = f'<ul class="below">{statements}</ul>' if statements else ""
        items.append(f'<li><a href="#{place}">{heading}</a>{below}</li>')
    return (
        f'<nav aria-label="Contents"><div class="inner"><ul>{"".join(items)}</ul>'
        '<button id="toggle" type="button">Unfold everything</button></div></nav>'
    )
