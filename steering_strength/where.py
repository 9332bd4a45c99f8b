"""``steering-strength where ID``: the files in which a statement is said, computed and checked."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from steering_strength.theory.command_line import Parser, finish, say
from steering_strength.theory.errors import UnknownNameError

_HERE = Path(__file__).resolve().parent


def _line(of: Any) -> str:
    """File and line of a function, class or property, relative to the package."""
    code: Any = of.fget if isinstance(of, property) else inspect.unwrap(of)
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
    from steering_strength.proofs_check.registry import CERTIFICATES, CHECKS, DERIVATIONS

    if name not in {**CHECKS, **DERIVATIONS}:
        raise UnknownNameError("statement", name, [*CHECKS, *DERIVATIONS])
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
        module, _, rest = law.twin.rpartition(".")
        owner, _, last = module.rpartition(".")
        holder = getattr(import_module(owner), last) if last[:1].isupper() else None
        number = vars(holder)[rest] if holder else getattr(import_module(module), rest)
        yield "number", f"{_line(number)}  {f'{last}.' if holder else ''}{rest}"
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
            yield "picture", f"figures/{figure.stem}.py  {figure.name}"


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
