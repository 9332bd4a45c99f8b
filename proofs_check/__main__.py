"""The judge of the theory: ``python -m proofs_check [IDS] [--examples N] [--seed S]``.

Exit status 0 if nothing that should hold is refuted and every known false claim is; 1 otherwise;
2 for a request that makes no sense. ``python -m proofs_check errata`` prints the false readings.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from steering_strength.proofs_check import DEFAULT_EXAMPLES
from steering_strength.theory import files
from steering_strength.theory.command_line import (
    Parser,
    at_least,
    finish,
    named_path,
    note,
    say,
)
from steering_strength.theory.errors import SteeringError

if TYPE_CHECKING:
    from steering_strength.proofs_check.verdict import Verdict

__all__ = ["main"]


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
        metavar="N",
        help=f"instances per check (default {DEFAULT_EXAMPLES})",
    )
    parser.add_argument(
        "--seed",
        type=at_least(0),
        metavar="S",
        help="same seed, same verdicts (default 0)",
    )
    parser.add_argument(
        "--json", type=named_path, metavar="FILE", help="also write the verdicts to FILE"
    )
    parser.add_argument(
        "--jobs",
        type=at_least(1, 512),
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


def _errata(json_file: Path | None) -> int:
    """Print the false readings with their counterexamples, and write them to a file if asked to."""
    from steering_strength.proofs_check.errata import ERRATA, as_records, find
    from steering_strength.proofs_check.errata import table as errata_table
    from steering_strength.proofs_check.verdict import versions

    found = []
    for erratum in ERRATA:
        found.append(find(erratum))
        note(f"[{len(found)}/{len(ERRATA)}] {erratum.id}")
    say(errata_table(found))
    if json_file:
        files.write_json(json_file, {"versions": versions(), "errata": as_records(found)})
    return 0


def _verdict(verdict: Verdict, done: int, total: int) -> None:
    from steering_strength.proofs_check.verdict import line

    note(line(verdict, done, total))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    return finish(lambda: _chosen(_parser().parse_args(argv)))


def _chosen(options: argparse.Namespace) -> int:
    if options.json:
        files.require_writable(options.json)  # before minutes of work, not after
    if "errata" not in options.ids:
        return _run(options)
    if len(options.ids) > 1:
        raise SteeringError("`errata` stands alone", remedy="name it without other ids")
    names = ("examples", "seed", "jobs", "backend")
    given = [f"--{name}" for name in names if getattr(options, name) is not None]
    if given:
        raise SteeringError(
            f"`errata` takes no {', '.join(given)}", remedy="leave it out: only --json"
        )
    return _errata(options.json)


def _run(options: argparse.Namespace) -> int:
    # SymPy and Hypothesis take a second to import: not before they are needed.
    from steering_strength.proofs_check.executors import on_cores, on_joblib
    from steering_strength.proofs_check.runner import run
    from steering_strength.proofs_check.verdict import summary, table, write_json

    jobs, seed = options.jobs or os.cpu_count() or 1, options.seed or 0
    examples = options.examples or DEFAULT_EXAMPLES
    executor = on_cores(jobs) if options.backend is None else on_joblib(jobs, options.backend)
    verdicts = run(
        options.ids or None,
        examples=examples,
        seed=seed,
        progress=_verdict,
        executor=executor,
    )
    closing = summary(verdicts, seed=seed, examples=examples)
    say(f"{table(verdicts)}\n\n{closing}")
    if options.json:
        write_json(options.json, verdicts, seed=seed, examples=examples)
    return 0 if all(verdict.as_it_should_be for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
