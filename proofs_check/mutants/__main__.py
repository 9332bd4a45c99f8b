"""``python -m proofs_check.mutants [NAMES]``: every wrong law must be refuted; a survivor fails.

Exit status 0 if all mutants are refuted, 1 if one survives, 2 for a request that makes no sense.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from steering_strength.theory.command_line import Parser, at_least, finish, note, say

if TYPE_CHECKING:
    from steering_strength.proofs_check.mutants.mutant import Trial


def _line(result: Trial, check: str) -> str:
    visible = {True: "shows", False: "hidden", None: "-"}[result.on_paper_example]
    state = f"killed by example {result.examples}" if result.killed else "SURVIVED"
    return f"{result.name:<60}{check:<22}{state:<24}{visible}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = Parser(
        prog="python -m proofs_check.mutants",
        description="Try wrong laws: each must be refuted by the check of its statement. The last "
        "column says whether the mistake already shows on the paper's 9-token example.",
        epilog="Example: python -m proofs_check.mutants concept-shape --code",
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAMES", help="mutants or checks; all by default"
    )
    parser.add_argument(
        "--seed", type=at_least(0), default=0, metavar="S", help="of the instances (default 0)"
    )
    parser.add_argument(
        "--jobs",
        type=at_least(1, 512),
        default=os.cpu_count() or 1,
        metavar="J",
        help="processes (default: all cores)",
    )
    parser.add_argument("--code", action="store_true", help="print each counterexample as code")
    parser.add_argument("--no-shrink", action="store_true", help="faster; counterexamples as found")
    return finish(lambda: _run(parser.parse_args(argv)))


def _run(options: Namespace) -> int:
    from steering_strength.proofs_check.executors import on_cores
    from steering_strength.proofs_check.mutants.registry import MUTANTS, select_mutants, trial

    names = select_mutants(options.names or None)
    function = partial(trial, seed=options.seed, shrink=0 if options.no_shrink else 150)
    results: dict[str, Trial] = {}
    for result in on_cores(options.jobs)(function, names):
        results[result.name] = result
        note(f"[{len(results)}/{len(names)}] {_line(result, MUTANTS[result.name].check)}")
    for name in names:
        result = results[name]
        say(_line(result, MUTANTS[name].check))
        say(f"    {MUTANTS[name].error}")
        say(f"    {result.what}")
        if options.code and result.code:
            say("\n" + "\n".join("        " + row for row in result.code.splitlines()) + "\n")
    survivors = [name for name in names if not results[name].killed]
    hidden = sum(results[name].on_paper_example is False for name in names)
    say(
        f"\n{len(names) - len(survivors)} of {len(names)} mutants refuted, {hidden} of them "
        f"invisible on the paper's example; seed {options.seed}"
    )
    if survivors:
        say(f"survivors: {', '.join(survivors)}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
