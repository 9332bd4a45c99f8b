"""`python -m theory list | derive ID | graph`: the derivations on the command line."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

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
        "list",
        help="one line per law: id, status, title",
        epilog="example: python -m theory list",
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


def _run(arguments: argparse.Namespace) -> str:
    from steering_strength.theory.laws import CLAIMS, LAWS
    from steering_strength.theory.laws.page import latex_document
    from steering_strength.theory.laws.prose import plain

    if arguments.command == "graph":
        from steering_strength.theory.laws.graph import dot, tree

        return dot(LAWS) if arguments.dot else tree(LAWS)
    if arguments.command == "list":
        if arguments.json:
            return json.dumps(
                [{k: law.record()[k] for k in ("id", "title", "source", "status", "expected")}
                 for law in (*LAWS.values(), *CLAIMS.values())],
                indent=2)  # fmt: skip
        width = max(map(len, (*LAWS, *CLAIMS)))
        return "\n".join(
            [
                f"{law.id:<{width}}  {law.status()!s:<18}  {plain(law.title)}"
                for law in LAWS.values()
            ]
            + ["", "claims that are false, refuted by an instance:"]
            + [f"{c.id:<{width}}  {c.status()!s:<18}  {plain(c.title)}" for c in CLAIMS.values()]
        )
    if (arguments.id is None) != arguments.all:
        raise SteeringError(
            "derive takes either one id or --all", remedy="try `derive tilting` or `derive --all`"
        )
    known = {**LAWS, **CLAIMS}
    if not arguments.all and arguments.id not in known:
        raise UnknownNameError("law", arguments.id, known)
    laws = list(known.values()) if arguments.all else [known[arguments.id]]
    if arguments.latex:
        return latex_document(*laws)
    if arguments.json:
        records = [law.record() for law in laws]
        return json.dumps(records if arguments.all else records[0], indent=2)
    return f"\n\n{'-' * 96}\n\n".join(law.text() for law in laws)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 0 on success, 2 on a mistake of the caller (one line on stderr)."""

    def work() -> int:
        say(_run(_parser().parse_args(argv)))
        return 0

    return finish(work)


if __name__ == "__main__":
    sys.exit(main())
