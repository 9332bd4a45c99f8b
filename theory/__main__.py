"""`python -m theory list | derive ID | graph`: the derivations on the command line."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence

from steering_strength import __version__
from steering_strength.theory.command_line import Parser, finish, say
from steering_strength.theory.errors import SteeringError, UnknownNameError


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m theory",
        description="Derive the laws of steering strength, step by step.",
        epilog="example: python -m theory derive concept-tanh",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser(
        "list", help="one line per law: id, status, title", epilog="example: python -m theory list"
    )
    listing.add_argument("--json", action="store_true", help="as JSON")
    derive = commands.add_parser(
        "derive",
        help="the derivation of one law, or of all",
        epilog="example: python -m theory derive ce-exact --latex > ce-exact.tex",
    )
    derive.add_argument("id", nargs="?", help="id of a law; see `list`")
    derive.add_argument("--all", action="store_true", help="every law, in reading order")
    form = derive.add_mutually_exclusive_group()
    form.add_argument("--latex", action="store_true", help="a LaTeX document")
    form.add_argument("--json", action="store_true", help="plain data, complete")
    graph = commands.add_parser(
        "graph",
        help="which law builds on which",
        epilog="example: python -m theory graph --dot > laws.dot",
    )
    graph.add_argument("--dot", action="store_true", help="in Graphviz' language")
    return parser


def _run(arguments: argparse.Namespace) -> Iterator[str]:
    """What to print, in parts: a law's line as soon as it is derived."""
    from steering_strength.theory.laws import CLAIMS, LAWS
    from steering_strength.theory.laws.page import dot, latex_document, tree
    from steering_strength.theory.laws.prose import plain

    known = {**LAWS, **CLAIMS}
    if arguments.command == "graph":
        yield dot(LAWS) if arguments.dot else tree(LAWS)
    elif arguments.command == "list" and arguments.json:
        keys = ("id", "title", "source", "status", "expected")
        rows = [{key: law.record()[key] for key in keys} for law in known.values()]
        yield json.dumps(rows, indent=2)
    elif arguments.command == "list":
        width = max(map(len, known))
        for law in known.values():
            if law.id == next(iter(CLAIMS), None):
                yield "\nclaims that are false, refuted by an instance:"
            yield f"{law.id:<{width}}  {law.status()!s:<18}  {plain(law.title)}"
    elif (arguments.id is None) != arguments.all:
        raise SteeringError(
            "derive takes either one id or --all", remedy="try `derive tilting` or `derive --all`"
        )
    elif not arguments.all and arguments.id not in known:
        raise UnknownNameError("law", arguments.id, known)
    else:
        laws = list(known.values()) if arguments.all else [known[arguments.id]]
        if arguments.latex:
            yield latex_document(*laws)
        elif arguments.json:
            records = [law.record() for law in laws]
            yield json.dumps(records if arguments.all else records[0], indent=2)
        else:
            for number, law in enumerate(laws):
                rule = f"\n{'-' * 96}\n\n" if number else ""
                yield rule + law.text()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 0 on success, 2 on a mistake of the caller (one line on stderr)."""

    def work() -> int:
        for part in _run(_parser().parse_args(argv)):
            say(part)
        return 0

    return finish(work)


if __name__ == "__main__":
    sys.exit(main())
