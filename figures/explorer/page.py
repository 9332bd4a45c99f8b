"""One self-contained page: markup, styles, scripts, the plotting library and the numbers.

``python -m figures explore [--data FILE.npz] [--out page.html]`` writes it. Arrays travel inside it
as base64 of doubles, bit by bit.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from steering_strength.figures.explorer.cases import Case
from steering_strength.figures.explorer.curves import BUDGETS, LEVELS, curves
from steering_strength.figures.store import Record
from steering_strength.figures.style import BLUE, BROWN, ORANGE, PLUM, SLATE
from steering_strength.theory.errors import MissingExtraError, OutputError
from steering_strength.theory.files import output_folder, write_text

COLOURS = (
    (BLUE, "#00578A", "#56B4E9"),
    (ORANGE, "#A34400", "#F07B3F"),
    (BROWN, "#6E4300", "#E8D5A3"),
    (PLUM, "#74305F", "#D79AC7"),
    (SLATE, "#3A3A3A", "#B8BCC4"),
)
"""(lines and bars, text, both in the dark) of the target and of the other concepts: on white lines
have a contrast of at least 3, text of at least 4.5, and so has either on the dark page."""

_HERE = Path(__file__).parent


def to_json(record: dict[str, Any]) -> str:
    """JSON that can stand inside a script element, whatever the tokens are."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Both end a script element or change how it is read; as escapes they mean the same to JSON.
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _case(case: Case, contexts: tuple[Record, ...]) -> dict[str, Any]:
    last = len(COLOURS) - 1
    return {
        "key": case.key,
        "title": case.title,
        "story": case.story,
        "note": case.note,
        "target": case.target,
        "concept_names": list(case.concept_names),
        "colours": [list(COLOURS[min(c, last)]) for c in range(len(case.concept_names))],
        "contexts": [
            _value(context)
            | {
                "tokens": [case.tokens[z] for z in context.shown],
                "concept": [int(case.concept[z]) for z in context.shown],
            }
            for context in contexts
        ],
    }


def _value(value: Any) -> Any:
    """Numbers, words, arrays and records of them, as the page's script reads them."""
    if isinstance(value, np.ndarray):
        data = np.ascontiguousarray(value, dtype="<f8")
        return {"f64": base64.b64encode(data.tobytes()).decode("ascii"), "shape": list(data.shape)}
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if isinstance(value, Record):
        return {name: _value(part) for name, part in vars(value).items() if name != "shown"}
    if isinstance(value, tuple):
        return [_value(entry) for entry in value]
    return value


def render(cases: Sequence[Case]) -> str:
    """The page as HTML; it loads nothing from the network, and forbids itself to.

    Raises MissingExtraError: bokeh, whose JavaScript draws the curves, is not installed.
    """
    library = _library()
    record = {  # what the page looks things up in
        "budgets": list(BUDGETS),
        "levels": list(LEVELS),
        "level": LEVELS.index(0.5),
        "budget": BUDGETS.index(1.0),
        "cases": [_case(case, curves(case)) for case in cases],
    }
    return Template(_read("page.html")).substitute(
        css=_read("page.css"),
        data=to_json(record),
        library=library,
        plots=_read("plots.js"),
        script=_read("page.js"),
    )


def write(path: Path, cases: Sequence[Case]) -> int:
    """Render and write, all or nothing; the size in bytes.

    Raises OutputError: `path` is a folder, is no ``.html`` name, or cannot be written;
    MissingExtraError see `render`.
    """
    if path.is_dir():
        raise OutputError(
            f"{path} is a folder", remedy=f"name the page: --out {path / 'page.html'}"
        )
    if path.suffix.lower() not in (".html", ".htm"):
        # Also keeps a slip from replacing the data by the page.
        raise OutputError(f"{path} is no name of a page", remedy="let --out end in .html")
    text = render(cases)
    output_folder(path.parent)
    write_text(path, text)
    return path.stat().st_size


def _library() -> str:
    """Bokeh's JavaScript, the core and its plotting interface, as script elements."""
    try:
        from bokeh.resources import Resources
    except ImportError as error:
        raise MissingExtraError(
            f"the explorer draws with Bokeh, which cannot be imported ({error})",
            remedy="install it: python -m pip install 'steering-strength[explorer]'",
        ) from error
    sources = Resources(mode="inline", components=["bokeh", "bokeh-api"]).js_raw
    # "</script" inside a string of the library would end the element.
    safe = (source.replace("</script", "<\\/script") for source in sources)
    return "\n".join(f"<script>\n{source}\n</script>" for source in safe)


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
