"""The judge of the theory: ``python -m proofs_check [IDS] [--examples N] [--seed S]``.

Exit status 0 if nothing that should hold is refuted and every known false claim is; 1 otherwise;
2 for a request that makes no sense. ``python -m proofs_check errata`` prints the false readings.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from steering_strength.proofs_check import DEFAULT_EXAMPLES
from steering_strength.theory import files
from steering_strength.theory.command_line import Parser, at_least, say
from steering_strength.theory.errors import SteeringError

if TYPE_CHECKING:
    from steering_strength.proofs_check.verdict import Verdict

__all__ = ["main"]

_PAUSE = 10.0
"""Seconds between two signs of life."""


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m proofs_check",
        description="Check every statement of the theory: by derivation, and on random instances.",
        epilog="A statement is named by its id (`python -m theory list`); `peak-sign` also selects "
        "its readings `peak-sign/...`. Methods: symbolic (derived by SymPy), certified (decided on "
        "each instance by ball arithmetic), property (law, engine and simulation against an "
        "oracle, errors in units of their tolerance). `errata` instead of ids prints the false "
        "readings with counterexamples to check by hand, and takes --json only; wrong laws are "
        "tried by `python -m proofs_check.mutants`. "
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
        "--backend",
        metavar="NAME",
        help="J workers of this joblib backend instead (loky, threading, ...); a cluster is "
        "reached from Python: proofs_check.executors.on_joblib",
    )
    return parser


def _errata(json_file: str | None) -> int:
    """Print the false readings with their counterexamples, and write them to a file if asked to."""
    from steering_strength.proofs_check.errata import ERRATA, as_records, find
    from steering_strength.proofs_check.errata import table as errata_table
    from steering_strength.proofs_check.verdict import versions

    found = []
    for erratum in ERRATA:
        found.append(find(erratum))
        print(f"[{len(found)}/{len(ERRATA)}] {erratum.id}", file=sys.stderr, flush=True)
    say(errata_table(found))
    if json_file:
        files.write_json(json_file, {"versions": versions(), "errata": as_records(found)})
    return 0


def _verdict(verdict: Verdict, done: int, total: int) -> None:
    from steering_strength.proofs_check.verdict import line

    print(line(verdict, done, total), file=sys.stderr, flush=True)


def _ticker() -> Callable[[int, int], None]:
    """A line now and then, so that a long search is seen to move."""
    last = time.monotonic()

    def tick(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _PAUSE:
            last = time.monotonic()
            print(f"        {done} of {total} tasks done", file=sys.stderr, flush=True)

    return tick


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(argv)
    try:
        if options.json:
            files.require_writable(options.json)  # before minutes of work, not after
        if "errata" in options.ids:
            if len(options.ids) > 1:
                raise SteeringError("`errata` stands alone", remedy="name it without other ids")
            given = [
                f"--{name}"
                for name in ("examples", "seed", "jobs", "backend")
                if getattr(options, name) != _parser().get_default(name)
            ]
            if given:
                raise SteeringError(
                    f"`errata` takes no {', '.join(given)}", remedy="leave it out: only --json"
                )
            return _errata(options.json)
        return _run(options)
    except SteeringError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace) -> int:
    # SymPy and Hypothesis take a second to import: not before they are needed.
    from steering_strength.proofs_check.executors import on_cores, on_joblib
    from steering_strength.proofs_check.runner import run
    from steering_strength.proofs_check.verdict import summary, table, write_json

    executor = (
        on_joblib(options.jobs, options.backend) if options.backend else on_cores(options.jobs)
    )
    verdicts = run(
        options.ids or None,
        examples=options.examples,
        seed=options.seed,
        progress=_verdict,
        tick=_ticker(),
        executor=executor,
    )
    closing = summary(verdicts, seed=options.seed, examples=options.examples)
    say(f"{table(verdicts)}\n\n{closing}")
    if options.json:
        write_json(options.json, verdicts, seed=options.seed, examples=options.examples)
    return 0 if all(verdict.as_it_should_be for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
