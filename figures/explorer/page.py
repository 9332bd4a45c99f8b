"""One self-contained page: markup, styles, scripts, the plotting library and the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import Template

from steering_strength.figures.explorer.case import Case
from steering_strength.figures.explorer.curves import curves
from steering_strength.figures.explorer.record import page_record, to_json
from steering_strength.theory.errors import MissingExtraError, OutputError
from steering_strength.theory.files import staged

__all__ = ["INSTALL", "render", "write"]

INSTALL = "python -m pip install 'steering-strength[explorer]'"

_HERE = Path(__file__).parent


def render(cases: Sequence[Case]) -> str:
    """The page as HTML; it loads nothing from the network, and forbids itself to.

    Raises
    ------
    MissingExtraError
        Bokeh, whose JavaScript draws the curves, is not installed.
    """
    library = _library()
    record = page_record([(case, curves(case)) for case in cases])
    return Template(_read("page.html")).substitute(
        css=_read("page.css"),
        data=to_json(record),
        library=library,
        plots=_read("plots.js"),
        script=_read("page.js"),
    )


def write(path: Path, cases: Sequence[Case]) -> int:
    """Render and write, all or nothing; the size in bytes.

    Raises
    ------
    OutputError
        `path` is a folder, is no ``.html`` name, or cannot be written.
    MissingExtraError
        See `render`.
    """
    if path.is_dir():
        raise OutputError(
            f"{path} is a folder", remedy=f"name the page: --out {path / 'page.html'}"
        )
    if path.suffix.lower() not in (".html", ".htm"):
        # Also keeps a slip from replacing the data by the page.
        raise OutputError(f"{path} is no name of a page", remedy="let --out end in .html")
    text = render(cases)
    with staged(path.parent) as stage:
        (stage / path.name).write_text(text, encoding="utf-8")
    return len(text.encode("utf-8"))


def _library() -> str:
    """Bokeh's JavaScript, the core and its plotting interface, as script elements."""
    try:
        from bokeh.resources import Resources
    except ImportError as error:
        raise MissingExtraError(
            f"the explorer draws with Bokeh, which cannot be imported ({error})",
            remedy=f"install the optional extra: {INSTALL}",
        ) from error
    sources = Resources(mode="inline", components=["bokeh", "bokeh-api"]).js_raw
    # "</script" inside a string of the library would end the element.
    safe = (source.replace("</script", "<\\/script") for source in sources)
    return "\n".join(f"<script>\n{source}\n</script>" for source in safe)


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
