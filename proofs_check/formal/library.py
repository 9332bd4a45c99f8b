"""The headline theorems as their files state them: id, source, sentence, statement.

Reading them needs no Coq.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from steering_strength.theory.files import output_folder, write_text

FOLDER = Path(__file__).resolve().parent

_HEADLINE = re.compile(
    r"\(\*\*\s*\[(?P<id>[a-z-]+(?:/[a-z-]+)?)\]\s+(?P<words>.*?)\*\)\s*"
    r"Theorem\s+(?P<name>\w+)(?P<statement>.*?)\.\s*\nProof\b",
    re.DOTALL,
)


class Theorem(NamedTuple):
    """One headline.

    Attributes
    ----------
    id : str
        The statement of the theory, or ``id/reading`` for the refutation of a false reading.
    name : str
        In Coq.
    words : str
        Source, and one sentence of insight.
    statement : str
        As written, in the context of its section.
    file : str
    line : int
        Of the word ``Theorem``.
    """

    id: str
    name: str
    words: str
    statement: str
    file: str
    line: int


def files() -> tuple[str, ...]:
    """The files in the order in which they build on each other."""
    lines = (FOLDER / "_CoqProject").read_text(encoding="utf-8").split()
    return tuple(word for word in lines if word.endswith(".v"))


def write_files(folder: Path) -> None:
    """Write the files into a folder, which is made if need be."""
    output_folder(folder)
    for name in files():
        write_text(folder / name, (FOLDER / name).read_text(encoding="utf-8"))


@cache
def theorems() -> tuple[Theorem, ...]:
    """All headlines, in reading order."""
    return tuple(found for name in files() for found in _read(name))


def _read(name: str) -> Iterator[Theorem]:
    text = (FOLDER / name).read_text(encoding="utf-8")
    for match in _HEADLINE.finditer(text):
        yield Theorem(
            id=match["id"],
            name=match["name"],
            words=" ".join(match["words"].split()),
            statement=match["statement"].strip(),
            file=name,
            line=text.count("\n", 0, match.start("name")) + 1,
        )


_SENTENCE = re.compile(
    r"^(?:(Section|End)\s+(\w+)|(Context|Variables?|Hypothes[ie]s)\b.*?)\.$", re.M | re.S
)


def hypotheses(theorem: Theorem) -> tuple[str, ...]:
    """What the sections around a theorem declare: its variables and hypotheses, as written."""
    code = (FOLDER / theorem.file).read_text(encoding="utf-8")
    before = "\n".join(code.split("\n")[: theorem.line - 1])
    open_sections: list[list[str]] = []
    for found in _SENTENCE.finditer(before):
        if found[1] == "Section":
            open_sections.append([])
        elif found[1] == "End":
            open_sections.pop()
        elif open_sections:
            open_sections[-1].append(" ".join(found[0].split()))
    return tuple(line for section in open_sections for line in section)
