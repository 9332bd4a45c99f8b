"""`python -m proofs_check.bridge`: the theory against a real language model."""

from __future__ import annotations

import math
import sys
from argparse import Namespace
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from steering_strength.proofs_check.bridge.errors import quiet, require
from steering_strength.proofs_check.bridge.options import checked, demands_of, parse
from steering_strength.theory.command_line import say
from steering_strength.theory.errors import SteeringError


def _read(options: Namespace) -> int:
    """Judge curves of others."""
    from steering_strength.proofs_check.bridge.read import Curves
    from steering_strength.proofs_check.verdict import write_json

    curves = [Curves.read(Path(name)) for name in options.files]
    verdicts = [verdict for one in curves for verdict in one.judge()]
    for verdict in verdicts:
        say(f"{verdict.id}: {verdict.status}\n    {verdict.note}")
    for silence in filter(None, (one.silence() for one in curves)):
        say(silence)
    if options.json:
        write_json(Path(options.json), verdicts, seed=0, examples=len(options.files))
    return 0


def _advise_from_file(options: Namespace) -> int:
    """The final norm, from log-probabilities alone."""
    from steering_strength.proofs_check.bridge.data import read_input, write_advice
    from steering_strength.theory.advice import advise

    given = read_input(Path(options.data))
    families = list(given.families[: options.contexts])
    weights = None if given.weights is None else given.weights[: options.contexts]
    target = given.tokens(options.tokens, options.words, options.largest)
    asked: Any = {**demands_of(options), "name": given.name, "texts": given.texts}
    found = advise(
        families, target, quantile=options.quantile, allocate=options.allocate,
        weights=None if weights is None else weights / weights.sum(), **asked,
    )  # fmt: skip
    for note in given.notes:
        say(f"note: {note}")
    units = {"norm": given.norm, "residual_norm": given.residual_norm}
    shown: Any = advise(families[0], target, **asked) if len(families) == 1 else found
    say(shown.summary(max_activation=options.max_activation or math.nan, **units))
    if options.out:
        about = {"data": options.data, **units}
        paths = write_advice(Path(options.out), found, families[:4], about)
        say("written: " + ", ".join(map(str, paths)))
    return 0 if found.window.usable else 1


def _run(options: Namespace) -> int:
    if options.job == "read":
        return _read(options)
    if options.job == "advise" and options.data:
        return _advise_from_file(options)
    quiet()
    require()
    # Only now: everything there imports torch.
    status: int = import_module("steering_strength.proofs_check.bridge.jobs").run(options)
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one job; 0 if no exact statement failed, 1 if one did, 2 for bad input."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(checked(options))
    except SteeringError as error:
        print(f"error: {error}", file=sys.stderr)
    except (MemoryError, RuntimeError) as error:
        # torch reports what the allocator refuses as a RuntimeError.
        if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
            raise
        print(
            "error: the memory is used up; use --dtype bfloat16, fewer --contexts or --windows, or"
            " a smaller model",
            file=sys.stderr,
        )
    return 2


if __name__ == "__main__":
    sys.exit(main())
