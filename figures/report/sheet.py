"""The pieces that every section of the HTML report is made of: links, badges, figures."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from steering_strength.figures.gallery import FIGURES, Figure
from steering_strength.figures.report.content import Content, Statement
from steering_strength.figures.report.formula import Typesetter
from steering_strength.figures.report.prose import inline
from steering_strength.figures.report.words import badges, main_status
from steering_strength.figures.store import FORMATS
from steering_strength.proofs_check.verdict import Verdict

__all__ = ["Sheet", "table"]


@dataclass(frozen=True)
class Sheet:
    """What the sections share: the content, the pictures, and the glyphs used so far.

    Attributes
    ----------
    content : Content
    pictures : mapping
        SVG files by figure name; they are embedded.
    typesetter : Typesetter
    pages : mapping
        Where statements are described that are not on this page: the page's address by id, and by
        its name for a figure that belongs to no statement.
    files : str or None
        The address of the folder of figures, with a slash at its end, for a page that shows them
        from there; None for a page that embeds them and lies in that folder.
    names : mapping
        Addresses of what else prose may name in backticks: functions in a reference.
    """

    content: Content
    pictures: Mapping[str, bytes]
    typesetter: Typesetter = field(default_factory=Typesetter)
    pages: Mapping[str, str] = field(default_factory=dict)
    files: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)

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
        return inline(text, {**self.names, **{name: self._address(name) for name in self.ids}})

    def _address(self, name: str) -> str:
        return f"{self.pages.get(name, '')}#{name}"

    def link(self, name: str) -> str:
        """An id that leads to its statement, if the page has it."""
        if name not in self.ids:
            return f'<span class="mono">{escape(name)}</span>'
        return f'<a class="mono" href="{self._address(name)}">{name}</a>'

    def figure_link(self, name: str) -> str:
        """A figure's name that leads to the figure."""
        page = self.pages.get(self.homes.get(name) or name, "")
        return f'<a href="{page}#figure-{name}">{name}</a>'

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
        folder = self.files or ""
        kinds = " ".join(
            f'<a href="{folder}{figure.name}.{kind}">{kind}</a>' for kind in (*FORMATS, "npz")
        )
        source = f"{folder}{figure.name}.svg"
        if self.files is None:
            data = base64.b64encode(self.pictures[figure.name]).decode("ascii")
            source = f"data:image/svg+xml;base64,{data}"
        return (
            f'<figure id="figure-{figure.name}"{" class=wide" if wide else ""}>'
            f'<img alt="{escape(figure.caption, quote=True)}" '
            f'src="{source}">'
            f"<figcaption><b>{escape(figure.title)}.</b> {self.prose(figure.caption)} "
            f"{escape(figure.source)}. Files: {kinds}</figcaption></figure>"
        )


def table(head: Sequence[str], rows: str, kind: str = "") -> str:
    """A table that scrolls by itself where it is wider than the page; `rows` is HTML."""
    cells = "".join(f"<th>{name}</th>" for name in head)
    return (
        f'<div class="scroll"><table{f" class={kind}" if kind else ""}><thead><tr>{cells}</tr>'
        f"</thead><tbody>{rows}</tbody></table></div>"
    )
