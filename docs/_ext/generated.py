"""Parts of pages that are made from the code while the site is built.

A line ``% generated: NAME ARGUMENT`` in a page, a comment in Markdown, is replaced by what the
function of that name returns: laws with their derivations, verdicts of checks run just now, errata
with counterexamples. So the site cannot disagree with the code it describes.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from contextlib import redirect_stdout
from doctest import DocTestParser
from functools import partial
from html import escape
from importlib import import_module
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import nbformat
from mathematics import SETTERS
from nbclient import NotebookClient
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging

from steering_strength.figures.explorer import page
from steering_strength.figures.explorer.cases import menu
from steering_strength.figures.gallery import FIGURES
from steering_strength.figures.report.content import Content, Statement
from steering_strength.figures.report.html import COMPONENTS, Renderer
from steering_strength.figures.report.job import gather
from steering_strength.figures.report.markdown import (
    LEGEND,
    assumed_table,
    badges,
    figure,
    figure_links,
    formal_statements,
    reading_body,
    readings_table,
    refuted_by,
    statement_body,
    statements_table,
)
from steering_strength.figures.report.words import table, words
from steering_strength.figures.store import save_picture
from steering_strength.figures.style import style
from steering_strength.proofs_check.errata import ERRATA, Erratum, find
from steering_strength.proofs_check.formal.library import theorems
from steering_strength.theory.laws import LAWS
from steering_strength.theory.laws.page import tree
from steering_strength.theory.laws.prose import plain

LOG = logging.getLogger(__name__)
EXAMPLES = 10
SEED = 0
MADE: list[Content] = []
"""All laws derived and all checks run, once per build (`_files`)."""
# Which page describes a family of statements; a family without a page stops the build.
PAGES = {
    "Tilting": "theory/tilting",
    "Probability of the next token": "theory/next-token",
    "Probability of a concept": "theory/concept",
    "Cross-entropy": "theory/cross-entropy",
    "Transformers": "theory/transformers",
    "Other ways to steer": "theory/operators",
    "Generated text": "theory/texts",
    "Finitely many texts": "theory/estimation",
    "Choosing the strength": "theory/strength",
    "Further statements": "theory/strength",
}


def content() -> Content:
    """What this build has found."""
    return MADE[0]


def _raw(html: str) -> str:
    """A piece of HTML in a page of Markdown."""
    return f'``````{{raw}} html\n<div class="report">{html}</div>\n``````\n'


def _heading(text: str) -> str:
    return re.sub(r"([\\*_`\[\]<>|$])", r"\\\1", text)


class Page:
    """The generated parts of one page."""

    def __init__(self, name: str, before: str, folder: Path) -> None:
        self.name = name
        self.before = before  # the page as it is written, up to the line to be replaced
        self.folder = folder  # of the site's figures
        self.up = "../" * name.count("/")

    def _address(self, address: str) -> str:
        """Where a statement, a figure or a file of the report is, as seen from this page."""
        if not address.startswith("#"):
            return address if "://" in address else f"{self.up}figures/{address}"
        name = address.removeprefix("#figure-")
        if name == "overview":
            return f"{self.up}index.html{address}"
        home = FIGURES[name].laws[0] if name in FIGURES else address[1:]
        for s in content().statements:
            if s.id == home:
                place = PAGES[s.family]
                return address if place == self.name else f"{self.up}{place}.html{address}"
        return address

    def _html(self, markdown: str) -> str:
        """A piece of the report on this page, with the page's store of glyphs."""
        renderer = Renderer(
            SETTERS[self.name],
            link=self._address,
            picture=lambda at: self._address(at.removesuffix("png") + "svg"),
            names={law.twin: self._reference(law.twin) for law in LAWS.values()},
        )
        return _raw(renderer.html(markdown))

    def _reference(self, twin: str) -> str:
        """Where the reference describes a function of the engine or of the model."""
        return f"{self.up}api/theory.html#{twin}"

    def laws(self) -> str:
        """Every statement of the families that this page describes."""
        found = [s for s in content().statements if PAGES[s.family] == self.name]
        if not found:
            raise ExtensionError(f"no statement belongs to {self.name}")
        return "\n".join(self._law(s) for s in found)

    def _law(self, s: Statement) -> str:
        body = f"`{s.id}` {badges(s)}\n\n{statement_body(content(), s)}"
        return f"({s.id})=\n## {_heading(plain(s.title))}\n\n{self._html(body)}"

    def sharper(self) -> str:
        """What the paper states and what holds beyond it, side by side."""
        rows = (
            (
                f"[`{s.id}`](#{s.id})",
                words(s.law["paper"]),
                words(s.law["sharper"]),
            )
            for s in content().statements
            if s.law is not None
        )
        return self._html(table(("statement", "the paper", "here"), rows))

    def paper_to_code(self) -> str:
        """Statements in the paper's order: law, number, checks, theorem, figure."""
        proved: dict[str, list[str]] = {}
        for theorem in theorems():
            proved.setdefault(theorem.id, []).append(f"`{theorem.name}`")
        rows = []
        for s in sorted((s for s in content().statements if s.law), key=_place):
            law = s.law or {}
            methods = ", ".join(dict.fromkeys(str(v.method) for v in s.verdicts))
            where = [words(law["source"]), f"[`{s.id}`](#{s.id})", f"`{law['numeric_twin']}`"]
            theorem = ", ".join(proved.get(s.id, ())[:1])
            rows.append([*where, methods, theorem, figure_links(s.figures)])
        head = ("in the paper", "law", "number", "checked", "theorem", "figure")
        return self._html(table(head, rows))

    def summary(self) -> str:
        """What holds, by which method, on what."""
        return self._html(f"{LEGEND}\n\n{statements_table(content())}")

    def assumptions(self) -> str:
        """The assumptions on data and model."""
        return self._html(assumed_table(content().assumptions))

    def principles(self) -> str:
        """The theorems of analysis that steps appeal to."""
        return self._html(assumed_table(content().principles))

    def graph(self) -> str:
        """Which law builds on which."""
        return f"```text\n{tree(LAWS)}\n```\n"

    def readings(self) -> str:
        """The table of false readings."""
        return self._html(readings_table(content()))

    def errata(self) -> str:
        """Every false reading, its smallest counterexample if one is known, what refutes it."""
        known = {erratum.id: erratum for erratum in ERRATA}
        return "\n".join(
            self._erratum(r, find(known[r.id]) if r.id in known else None)
            for r in content().readings
        )

    def _erratum(self, reading: Statement, found: Erratum | None) -> str:
        parts = [f"`{reading.id}` {refuted_by(reading)}"]
        title = plain(reading.title.rstrip("."))
        if found is not None:
            title = f"{found.where}: {found.reading}"
            lines = "\n".join(found.lines)
            parts += [
                f"**Instead:** {words(found.instead)}.",
                f"```text\n{lines}\n```",
                "<details><summary>The same, as code that runs</summary>\n\n"
                f"```python\n{found.code}\n```\n\n</details>",
            ]
        parts.append(reading_body(reading))
        body = self._html("\n\n".join(parts))
        return f"({reading.anchor})=\n## {_heading(title)}\n\n{body}"

    def figure(self, name: str) -> str:
        """One figure of the gallery with its caption and files."""
        return self._html(figure(FIGURES[name]))

    def drawn(self, name: str, caption: str) -> str:
        """The Matplotlib figure that the examples above have left in the variable `figure`."""
        blocks = re.findall(r"^```python\n(.*?)^```", self.before, re.M | re.S)
        names: dict[str, Any] = {}
        for example in DocTestParser().get_examples("\n".join(blocks)):
            with redirect_stdout(StringIO()):
                exec(compile(example.source, self.name, "single"), names)
        with style():
            save_picture(names["figure"], self.folder / f"{name}.svg")
        words = escape(caption, quote=True)
        return _raw(
            f'<figure><img alt="{words}" src="{self.up}figures/{name}.svg">'
            f"<figcaption>{words}</figcaption></figure>"
        )

    def theorems(self) -> str:
        """A table of all headlines, and under it each as it stands in its file."""
        rows, folds = [], []
        for name in dict.fromkeys(theorem.id for theorem in theorems()):
            own = [theorem for theorem in theorems() if theorem.id == name]
            listed = ", ".join(f"`{theorem.name}`" for theorem in own)
            places = ", ".join(
                f"[{file}](formal/{file})" for file in dict.fromkeys(t.file for t in own)
            )
            rows.append(f"| `{name}` | {listed} | {places} |")
            folds += [section.replace("In Coq", name, 1) for section in formal_statements(name)]
        head = "| statement | theorems | file |\n|---|---|---|\n"
        return self._html("\n\n".join([head + "\n".join(rows), *folds]))

    def names(self, package: str) -> str:
        """The reference of every name that a package offers, in the order of its ``__all__``."""
        module = import_module(package)
        parts = []
        for name in module.__all__:
            found = getattr(module, name)
            kind = "autoclass" if isinstance(found, type) else "autofunction"
            if callable(found):
                parts.append(f".. {kind}:: {package}.{name}")
        return _rst(parts)

    def modules(self, package: str, *left_out: str) -> str:
        """The reference of a package and of every module in it, packages inside it aside."""
        root = import_module(package)
        each = iter_modules(root.__path__, f"{package}.")
        found = [package, *(module.name for module in each if not module.ispkg)]
        parts = [f".. automodule:: {package}\n   :no-members:"]
        for name in found[1:]:
            short = name.rpartition(".")[2]
            if not short.startswith("_") and short not in left_out:
                parts.append(f".. automodule:: {name}")
        return _rst(parts)

    def versions(self) -> str:
        """What the verdicts on these pages were made with."""
        listed = ", ".join(f"{name} {number}" for name, number in content().versions.items())
        found = content()
        return (
            f"Verdicts on these pages: {found.examples} examples per check, seed {found.seed}, "
            f"{found.seconds:.0f} s. {listed}.\n"
        )

    def explorer(self) -> str:
        """A link to the explorer, if there is one."""
        if not _has_explorer():
            return ""
        words = "a slider for the strength over every law at once, one page, no network"
        return _raw(
            f'<p><a href="{self.up}explorer.html"><b>Open the explorer</b></a>: {words}.</p>'
        )


def _place(s: Statement) -> tuple[bool, list[int]]:
    """Where the paper has it: appendices after sections, what goes beyond it last."""
    source = s.law["source"] if s.law else ""
    number = re.search(r"(?:Thm|Prop\.|Lemma|Def\.|Remark|Cor\.|Sec\.|App\.) ([A-Z0-9.]+)", source)
    parts = number[1].strip(".").split(".") if number else ["Z"]
    order = [int(part) if part.isdigit() else 100 + ord(part[0]) for part in parts]
    return source.startswith("beyond"), order


def _rst(parts: list[str]) -> str:
    return "```{eval-rst}\n" + "\n\n".join(parts) + "\n```\n"


def _has_explorer() -> bool:
    """Whether it can be built here: it draws with Bokeh, which is an extra."""
    return find_spec("bokeh") is not None


_LINE = re.compile(r"^% generated: (\w+) *(.*)$", re.M)


def _run(notebook: Path, into: Path) -> None:
    """Execute a notebook where it stands, and write it with its outputs."""
    content = nbformat.read(notebook, as_version=4)
    at = {"metadata": {"path": str(notebook.parent)}}
    NotebookClient(content, timeout=300, resources=at).execute()
    into.write_text(nbformat.writes(content), encoding="utf-8")


def _fill(app: Sphinx, docname: str, source: list[str]) -> None:
    executed = Path(app.doctreedir) / f"{Path(docname).name}.ipynb"
    if docname.startswith("notebooks/"):
        source[0] = executed.read_text(encoding="utf-8")

    def part_of(line: re.Match[str]) -> str:
        made = Page(docname, source[0][: line.start()], Path(app.outdir) / "figures")
        part: Callable[..., str] = getattr(made, line.group(1))
        return part(*shlex.split(line.group(2)))

    source[0] = _LINE.sub(part_of, source[0])


def _files(app: Sphinx) -> None:
    """Derive, check and draw; figures, theorems and the explorer lie next to the pages."""
    out = Path(app.outdir)
    (out / "figures").mkdir(parents=True, exist_ok=True)
    # Sphinx lets every library speak, and this one narrates each notebook.
    logging.logging.getLogger("traitlets").setLevel("WARNING")
    Path(app.doctreedir).mkdir(parents=True, exist_ok=True)
    more: list[Callable[[], object]] = [
        partial(_run, path, Path(app.doctreedir) / path.name)
        for path in sorted(Path(app.srcdir).glob("notebooks/*.ipynb"))
    ]
    if _has_explorer():
        more.append(partial(page.write, out / "explorer.html", menu()))
    found = gather(out / "figures", EXAMPLES, SEED, *more)
    MADE.append(found)
    for verdict in found.wrong:
        LOG.warning("%s (%s) is %s: %s", verdict.id, verdict.method, verdict.status, verdict.note)


def _style(app: Sphinx, error: Exception | None) -> None:
    if error is None:
        static = Path(app.outdir) / "_static"
        (static / "report.css").write_text(COMPONENTS, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Fill pages as they are read; write files before, the style after."""
    app.connect("builder-inited", _files)
    app.connect("source-read", _fill)
    app.connect("build-finished", _style)
    return {"parallel_read_safe": False, "parallel_write_safe": False}
