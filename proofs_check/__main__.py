"""The judge of the theory: ``python -m proofs_check [IDS] [--examples N] [--seed S]``.

Exit status 0 if nothing that should hold is refuted and every known false claim is; 1 otherwise;
2 for a request that makes no sense.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from proofs_check import report
from proofs_check.executors import on_cores, on_joblib
from proofs_check.run import DEFAULT_EXAMPLES, run
from proofs_check.verdict import Verdict, require_writable, write_json
from theory.command_line import Parser, at_least, say
from theory.errors import SteeringError

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m proofs_check",
        description="Check every statement of the theory: by derivation, and on random instances.",
        epilog="A statement is named by its id (`python -m theory list`); `peak-sign` also selects "
        "its readings `peak-sign/...`. Errors are in units of their tolerance. `errata` "
        "instead of ids prints the false readings, with counterexamples to check by hand; wrong "
        "laws are tried by `python -m proofs_check.mutants`. "
        "Example: python -m proofs_check peak limit --examples 20 --json verdicts.json",
    )
    parser.add_argument("ids", nargs="*", metavar="IDS", help="statements; all by default")
    parser.add_argument(
        "--examples",
        type=at_least(1),
        default=DEFAULT_EXAMPLES,
        metavar="N",
        help=f"instances per check (default {DEFAULT_EXAMPLES})",
    )
    parser.add_argument(
        "--seed",
        type=at_least(0),
        default=0,
        metavar="S",
        help="same seed, same verdicts (default 0)",
    )
    parser.add_argument("--json", metavar="FILE", help="also write the verdicts to FILE")
    parser.add_argument(
        "--jobs",
        type=at_least(1),
        default=os.cpu_count() or 1,
        metavar="J",
        help="processes (default: all cores)",
    )
    parser.add_argument(
        "--backend", metavar="NAME", help="run on this joblib backend instead (loky, dask, ...)"
    )
    return parser


def _errata() -> int:
    """Print the false readings with their counterexamples; this takes seconds, and no options."""
    from proofs_check.errata import ERRATA, find, table

    found = []
    for erratum in ERRATA:
        found.append(find(erratum))
        print(f"[{len(found)}/{len(ERRATA)}] {erratum.id}", file=sys.stderr, flush=True)
    say(table(found))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(argv)
    if options.ids == ["errata"]:
        return _errata()

    def progress(verdict: Verdict, done: int, total: int) -> None:
        print(report.line(verdict, done, total), file=sys.stderr, flush=True)

    try:
        if options.json:
            require_writable(options.json)  # before minutes of work, not after
        executor = (
            on_joblib(options.jobs, options.backend) if options.backend else on_cores(options.jobs)
        )
        verdicts = run(
            options.ids or None,
            examples=options.examples,
            seed=options.seed,
            progress=progress,
            executor=executor,
        )
        summary = report.summary(verdicts, seed=options.seed, examples=options.examples)
        say(f"{report.table(verdicts)}\n\n{summary}")
        if options.json:
            write_json(options.json, verdicts, seed=options.seed, examples=options.examples)
    except SteeringError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0 if all(verdict.as_it_should_be for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
