"""``steering-strength where ID``: the files in which a statement is said, computed and checked."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from pydoc import locate
from typing import Any

from steering_strength.theory.command_line import Parser, finish, say


def _line(of: Any) -> str:
    """File and line of a function, relative to the package."""
    code = inspect.unwrap(of)
    return f"{_short(inspect.getfile(code))}:{inspect.getsourcelines(code)[1]}"


def _short(file: str) -> str:
    parts = Path(file).resolve().parts
    rooms = ("theory", "proofs_check", "figures")
    return "/".join(parts[max(i for i, part in enumerate(parts) if part in rooms) :])


def places(name: str) -> Iterator[tuple[str, str]]:
    """What, and where: statement, number, check, certificate, theorem, picture.

    Raises
    ------
    UnknownNameError
        No such statement; with close matches.
    """
    from steering_strength.figures.gallery import FIGURES
    from steering_strength.proofs_check.formal import library
    from steering_strength.proofs_check.registry import CERTIFICATES, CHECKS, DERIVATIONS, select

    select([name])  # raises if there is no such statement
    if name in DERIVATIONS:
        law = DERIVATIONS[name]
        homes = [
            module
            for title, module in list(sys.modules.items())
            if title.startswith("steering_strength.theory.laws.")
            and any(value is law for value in vars(module).values())
        ]
        if homes:
            text = Path(str(homes[0].__file__)).read_text(encoding="utf-8").splitlines()
            line = next((k for k, row in enumerate(text, start=1) if f'"{name}"' in row), 1)
            yield "statement", f"{_short(str(homes[0].__file__))}:{line}"
        number: Any = locate(law.twin)
        yield "number", f"{_line(number)}  {number.__qualname__}"
    if name in CHECKS:
        yield "check", _line(CHECKS[name].measure)
    if name in CERTIFICATES:
        yield "certificate", _line(CERTIFICATES[name].measure)
    for theorem in library.theorems():
        if theorem.id == name:
            place = f"proofs_check/formal/{Path(theorem.file).name}:{theorem.line}"
            yield "theorem", f"{place}  {theorem.name}"
    for figure in FIGURES.values():
        if name in figure.laws:
            yield "picture", f"figures/{figure.stem or figure.name}.py  {figure.name}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = Parser(
        prog="steering-strength where",
        description="The files of a statement: what it says, its number, check, theorem, picture.",
        epilog="example: steering-strength where ce-radius",
    )
    parser.add_argument("id", help="id of a statement; see `list`")

    def work() -> int:
        for what, place in places(parser.parse_args(argv).id):
            say(f"{what:<12}{place}")
        return 0

    return finish(work)
