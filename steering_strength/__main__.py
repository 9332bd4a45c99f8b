"""``steering-strength COMMAND``: one command for everything, from any folder.

The roof of the house: it knows the rooms, and no room knows it. Each command is the command line of
one room (in a checkout also ``python -m theory``, ``python -m proofs_check``, ``python -m
figures``), imported when it is called for.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

from steering_strength.theory.command_line import Parser, finish, note, say

__all__ = ["main"]


class _Command(NamedTuple):
    """Where a command lives: the module whose ``main`` it calls, with these words in front."""

    module: str
    words: tuple[str, ...]
    long_name: str
    what: str


_COMMANDS = {
    "list": _Command("theory", ("list",), "python -m theory list", "the laws, one line each"),
    "derive": _Command(
        "theory", ("derive",), "python -m theory derive", "the derivation of a law, step by step"
    ),
    "graph": _Command(
        "theory", ("graph",), "python -m theory graph", "which law builds on which"
    ),
    "check": _Command(
        "proofs_check", (), "python -m proofs_check", "a verdict on every statement, or on some"
    ),
    "where": _Command(
        "where", (), "steering-strength where", "the files in which a statement is said and checked"
    ),
    "errata": _Command(
        "proofs_check", ("errata",), "python -m proofs_check errata",
        "the paper's false readings, each with a counterexample to check by hand",
    ),
    "mutants": _Command(
        "proofs_check.mutants", (), "python -m proofs_check.mutants",
        "wrong laws, all of which must be refuted",
    ),
    "draw": _Command("figures", (), "python -m figures", "the figures and the arrays behind them"),
    "explore": _Command(
        "figures", ("explore",), "python -m figures explore",
        "an interactive page with a slider for alpha",
    ),
    "report": _Command(
        "figures.report", (), "python -m figures.report", "derive, check, draw, and write a report"
    ),
    "paper": _Command(
        "figures", ("paper",), "python -m figures paper",
        "every statement and proof as one LaTeX file",
    ),
    "model": _Command(
        "proofs_check.bridge", (), "python -m proofs_check.bridge",
        "the laws on a real language model, and which alpha to use there",
    ),
}  # fmt: skip


def _help() -> str:
    width = max(map(len, _COMMANDS))
    lines = [f"  {name:<{width}}  {command.what}" for name, command in _COMMANDS.items()]
    return "\n".join(
        [
            "usage: steering-strength COMMAND [ARGUMENTS]",
            "",
            "The theory of LLM steering strength (arXiv:2602.02712), derived, checked and drawn.",
            "",
            *lines,
            "",
            "steering-strength COMMAND --help says more; --version says which version this is.",
        ]
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status, 2 for a command that does not exist."""
    return finish(lambda: _run(list(sys.argv[1:] if argv is None else argv)))


def _run(words: list[str]) -> int:
    from steering_strength.theory.errors import UnknownNameError

    if not words or words[0] in ("-h", "--help", "help"):
        say(_help())
        return 0
    if words[0] == "--version":
        from steering_strength import __version__

        say(__version__)
        return 0
    name = words[0]
    if name not in _COMMANDS:
        raise UnknownNameError("command", name, _COMMANDS)
    command = _COMMANDS[name]
    Parser.called = {each.long_name: f"steering-strength {n}" for n, each in _COMMANDS.items()}
    inside = "" if command.module == "where" else ".__main__"
    room = import_module(f"steering_strength.{command.module}{inside}")
    status: int = room.main([*command.words, *words[1:]])
    if name == "model" and status != 2:
        _draw_model(words[1:])
    return status


def _draw_model(words: Sequence[str]) -> None:
    """Draw the records that a job on a model has written into its folder."""
    from steering_strength.theory.errors import SteeringError

    folder = import_module("steering_strength.proofs_check.bridge.__main__").folder_of(words)
    if folder is None:
        return
    try:
        paths = import_module("steering_strength.figures.real_model").draw_folder(folder)
    except SteeringError as error:
        note(f"not drawn: {error}")
        return
    if paths:
        say("drawn: " + ", ".join(str(path) for path in paths))


if __name__ == "__main__":
    sys.exit(main())
