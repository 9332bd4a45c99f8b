"""The pieces that every section of the HTML report is made of: links, badges, figures."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

from figures.gallery import FIGURES, Figure
from figures.report.content import Content, Statement
from figures.report.formula import Typesetter
from figures.report.prose import inline
from figures.report.words import badges, main_status
from figures.store import FORMATS
from proofs_check.verdict import Verdict

__all__ = ["Sheet"]


@dataclass(frozen=True)
class Sheet:
    """What the sections share: the content, the pictures, and the glyphs used so far.

    Attributes
    ----------
    content : Content
    pictures : mapping
        SVG files by figure name.
    typesetter : Typesetter
    """

    content: Content
    pictures: Mapping[str, bytes]
    typesetter: Typesetter = field(default_factory=Typesetter)

    @property
    def ids(self) -> set[str]:
        """What can be linked to within the page."""
        return {statement.id for statement in self.content.statements}

    @property
    def homes(self) -> dict[str, str]:
        """Where a figure is shown: at the first statement it names; elsewhere it is linked."""
        ids = self.ids
        return {
            figure.name: next((name for name in figure.laws if name in ids), "")
            for figure in FIGURES.values()
            if figure.name != "overview"
        }

    def prose(self, text: str) -> str:
        """A paragraph with its mathematics and its links."""
        return inline(text, self.ids)

    def link(self, name: str) -> str:
        """An id that leads to its statement, if the page has it."""
        if name not in self.ids:
            return f'<span class="mono">{escape(name)}</span>'
        return f'<a class="mono" href="#{name}">{name}</a>'

    def figure_link(self, name: str) -> str:
        """A figure's name that leads to the figure."""
        return f'<a href="#figure-{name}">{name}</a>'

    def badges(self, statement: Statement) -> str:
        """Everything known about a statement, as badges."""
        return " ".join(
            f'<span class="badge {kind}">{escape(words)}</span>'
            for kind, words in badges(statement)
        )

    def verdict_badge(self, verdict: Verdict) -> str:
        """The status of one verdict."""
        kind, words = main_status(verdict)
        return f'<span class="badge {kind}">{escape(words)}</span>'

    def counterexample(self, verdict: Verdict) -> str:
        """The code that reproduces a refutation, folded away."""
        if not verdict.counterexample:
            return ""
        return (
            "<details><summary>Counterexample, as code that runs</summary>"
            f"<pre>{escape(verdict.counterexample)}</pre></details>"
        )

    def claim(self, verdict: Verdict) -> str:
        """What was checked, with the note; with the counterexample where none was to be found."""
        note = f'<div class="small">{escape(verdict.note)}</div>' if verdict.note else ""
        code = self.counterexample(verdict) if verdict.expected else ""
        return self.prose(verdict.claim) + note + code

    def figure(self, figure: Figure, *, wide: bool = False) -> str:
        """A figure with caption and files, the picture embedded.

        As an image, not as inline SVG: the ids inside one picture cannot meet those of another.
        """
        data = base64.b64encode(self.pictures[figure.name]).decode("ascii")
        kinds = " ".join(f'<a href="{figure.name}.{kind}">{kind}</a>' for kind in (*FORMATS, "npz"))
        return (
            f'<figure id="figure-{figure.name}"{" class=wide" if wide else ""}>'
            f'<img alt="{escape(figure.caption, quote=True)}" '
            f'src="data:image/svg+xml;base64,{data}">'
            f"<figcaption><b>{escape(figure.title)}.</b> {self.prose(figure.caption)} "
            f"{escape(figure.source)}. Files: {kinds}</figcaption></figure>"
        )
