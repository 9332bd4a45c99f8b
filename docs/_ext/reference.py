"""Docstrings as this project writes them, made ready for reStructuredText.

They are plain text with mathematics in it: a bar is an absolute value or "given", a star marks an
optimum, and neither opens a substitution or an emphasis.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

# Literals and strong words are left alone; what lies between them is prose.
_LITERAL = re.compile(r"(``.+?``|`[^`\n]+`(?:_{0,2})|\*\*[^*\n]+\*\*)")
_MARK = re.compile(r"(?<!\\)([|*]|(?<=\w)_(?=\W|$))")


def escape(line: str) -> str:
    """A line of prose with bars, stars and trailing underscores as they stand."""
    pieces = _LITERAL.split(line)
    return "".join(piece if k % 2 else _MARK.sub(r"\\\1", piece) for k, piece in enumerate(pieces))


def _docstring(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    shown = False  # inside an example or an indented block after "::"
    for k, line in enumerate(lines):
        if line.lstrip().startswith(">>>"):
            shown = True
        elif not line.strip():
            shown = shown and k + 1 < len(lines) and lines[k + 1].startswith("    ")
        elif k and lines[k - 1].strip() == "" and line.startswith("    "):
            shown = True
        if not shown and not line.lstrip().startswith((":", "..", "* ")):
            lines[k] = escape(line)


def setup(app: Sphinx) -> dict[str, Any]:
    """Escape before napoleon turns sections into fields."""
    app.connect("autodoc-process-docstring", _docstring, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
