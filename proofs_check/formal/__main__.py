"""``python -m proofs_check.formal [IDS]``: the theorems, as Coq accepts them.

Exit status 0 if every theorem asked for is accepted with the allowed axioms only, 1 if one is not,
or a formula or step of a SymPy law is refused, 2 where Coq is missing (the message names the
packages; nothing is installed).
"""

from __future__ import annotations

import sys
import textwrap
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence

from steering_strength.proofs_check.formal.agreement import agreements
from steering_strength.proofs_check.formal.coq import (
    ALLOWED,
    accept,
    disagreements,
    recheck,
    step_problems,
)
from steering_strength.proofs_check.formal.library import Theorem, theorems
from steering_strength.proofs_check.formal.steps import status
from steering_strength.theory.command_line import Parser, finish, note, say
from steering_strength.theory.errors import UnknownNameError
from steering_strength.theory.laws import LAWS


def _chosen(ids: Sequence[str]) -> tuple[Theorem, ...]:
    known = dict.fromkeys(theorem.id for theorem in theorems())
    for name in ids:
        if name not in known:
            raise UnknownNameError("statement with a theorem", name, known)
    return tuple(theorem for theorem in theorems() if not ids or theorem.id in ids)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = Parser(
        prog="python -m proofs_check.formal",
        description="Let Coq check the theorems, and print their statements to be audited.",
        epilog="Example: python -m proofs_check.formal peak --statements",
    )
    parser.add_argument("ids", nargs="*", metavar="IDS", help="statements; all by default")
    parser.add_argument(
        "--statements", action="store_true", help="print each statement with its hypotheses"
    )
    parser.add_argument(
        "--steps",
        action="store_true",
        help="also let Coq check the steps of the derivations, as printed from SymPy (minutes)",
    )
    parser.add_argument(
        "--coqchk", action="store_true", help="also run Coq's independent checker (a minute)"
    )
    return finish(lambda: _run(parser.parse_args(argv)))


def _run(options: Namespace) -> int:
    chosen = _chosen(options.ids)
    answers = accept(note)
    drift = disagreements()
    if options.coqchk:
        say(recheck().strip())
    wrong = 0
    for theorem in chosen:
        answer = answers[theorem.name]
        wrong += bool(answer.problem)
        state = f"NOT accepted: {answer.problem}" if answer.problem else "accepted"
        say(f"{theorem.id:<32} {theorem.name:<36} {theorem.file}:{theorem.line:<5} {state}")
        if options.statements:
            say(textwrap.indent(textwrap.fill(theorem.words, 92), "    "))
            say(textwrap.indent(answer.statement, "        ") + "\n")
    rejected = wrong
    for name, problem in drift.items():
        wrong += 1
        say(f"{name:<32} the formula of the SymPy law is NOT the theorem's: {problem}")
    if options.steps:
        wrong += _steps({theorem.id for theorem in chosen})
    used = frozenset().union(*(answers[theorem.name].axioms for theorem in chosen))
    say(
        f"\n{len(chosen) - rejected} of {len(chosen)} theorems of {len({t.id for t in chosen})} "
        f"statements accepted; {len(agreements()) - len(drift)} of {len(agreements())} formulas "
        f"printed from SymPy are theirs; axioms: {', '.join(sorted(used & ALLOWED)) or 'none'}"
    )
    return 1 if wrong else 0


def _steps(ids: set[str]) -> int:
    """Say of each law how many of its steps Coq proves as they are printed; the number refused."""
    names = [name for name in LAWS if name in ids]
    refused = step_problems(names, note)
    total: Counter[str] = Counter()
    for name in names:
        found = Counter(status(name, k) for k in range(1, len(LAWS[name].steps) + 1))
        if name in refused:
            say(f"{name:<32} its steps are NOT accepted: {refused[name]}")
            continue
        total += found
        say(f"{name:<32} {_counted(found)}")
    say(f"\nof {total.total()} steps, as printed from SymPy: {_counted(total)}")
    return len(refused)


def _counted(found: Counter[str]) -> str:
    words = ("proved", "type-checked", "not printed")
    return ", ".join(f"{found[word]} {word}" for word in words if found[word])


if __name__ == "__main__":
    sys.exit(main())
