"""Docstrings as this project writes them, made ready for reStructuredText.

They are plain text with mathematics in it: a bar is an absolute value or "given", a star marks an
optimum, and neither opens a substitution or an emphasis.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# Literals and strong words are left alone; what lies between them is prose.
_LITERAL = re.compile(r"(``.+?``|`[^`\n]+`(?:_{0,2})|\*\*[^*`\n]+\*\*)")
_MARK = re.compile(r"(?<!\\)([|*]|(?<=\w)_(?=\W|$))")


def escape(line: str) -> str:
    """A line of prose with bars, stars and trailing underscores as they stand."""
    pieces = _LITERAL.split(line)
    return "".join(piece if k % 2 else _MARK.sub(r"\\\1", piece) for k, piece in enumerate(pieces))


def plain(lines: list[str]) -> list[str]:
    """A docstring whose prose is escaped and whose indented blocks are literal."""
    found: list[str] = []
    shown = False  # inside an indented block or an example
    for k, line in enumerate(lines):
        starts = k > 1 and not lines[k - 1].strip() and not lines[k - 2].startswith(" ")
        if line.lstrip().startswith(">>>"):
            shown = True
        elif starts and line.startswith("    ") and not shown:
            if not lines[k - 2].endswith("::"):
                found += ["::", ""]
            shown = True
        elif line.strip() and not line.startswith("    "):
            shown = False
        literal = shown or line.lstrip().startswith((":", "..", "* "))
        found.append(line if literal else escape(line))
    return found


def _docstring(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    lines[:] = plain(lines)


def setup(app: Sphinx) -> dict[str, Any]:
    """Escape before napoleon turns sections into fields."""
    app.connect("autodoc-process-docstring", _docstring, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
