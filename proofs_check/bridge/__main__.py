"""`python -m proofs_check.bridge`: the theory against a real language model."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from steering_strength.proofs_check.bridge.concept_texts import ConceptTexts, load_concept
from steering_strength.proofs_check.bridge.curves.curve_files import read_curves
from steering_strength.proofs_check.bridge.curves.curve_laws import (
    curve_rows,
    curve_table,
    curve_verdicts,
)
from steering_strength.proofs_check.bridge.extra import quiet, require
from steering_strength.proofs_check.bridge.grid import alpha_grid
from steering_strength.proofs_check.bridge.options import layers_of, parse
from steering_strength.proofs_check.bridge.progress import Clock
from steering_strength.proofs_check.verdict import write_json
from steering_strength.theory.command_line import say
from steering_strength.theory.errors import ShapeError, SteeringError
from steering_strength.theory.files import output_folder


def _read(options: Namespace) -> int:
    rows = [row for name in options.files for row in curve_rows(read_curves(Path(name)))]
    say(curve_table(rows))
    if options.json:
        write_json(Path(options.json), curve_verdicts(rows), seed=0, examples=len(options.files))
    return 0


def _checked(options: Namespace) -> ConceptTexts:
    """Refuse bad options before half a minute is spent on loading a model."""
    if "alphas" in options:
        alpha_grid(options.alpha_max, options.alphas)
    layers_of(getattr(options, "layers", None))
    for name in ("vector", "json"):
        path = getattr(options, name, None)
        if name == "json" and path:
            output_folder(str(Path(path).parent))
        elif path and not Path(path).is_file():
            raise ShapeError(f"no file {path}", remedy="check the path given with --vector")
    words = tuple(word.strip() for word in (options.words or "").split(",") if word.strip())
    concept = load_concept(options.concept, words)
    context = getattr(options, "context", 0)
    if not 0 <= context < len(concept.contexts):
        raise ShapeError(
            f"context {context} of {len(concept.contexts)}",
            remedy=f"give --context between 0 and {len(concept.contexts) - 1}",
        )
    return concept


def _run(options: Namespace) -> int:
    if options.job == "read":
        return _read(options)
    concept = None if options.job == "train" else _checked(options)
    single = options.job == "explore-data"
    target = Path(options.out)
    if single and target.suffix != ".npz":
        target = target / "explore.npz"
    folder = output_folder(str(target.parent if single else target))
    clock = Clock()
    clock("loading torch and transformers")
    quiet()
    require()
    # Only now: everything there imports torch.
    from steering_strength.proofs_check.bridge.commands import run

    done = run(options, concept, target if single else folder, clock)
    say(done.text)
    say("\nwritten: " + ", ".join(str(path) for path in done.paths))
    return 0 if done.holds else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one job; 0 if the exact statements hold, 1 if not, 2 for bad input."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["advise"]:
        from steering_strength.proofs_check.bridge.advisor.advise import main as advise

        return advise(given[1:])
    options = parse(given)
    try:
        return _run(options)
    except SteeringError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:
        # torch reports what the allocator refuses as a RuntimeError.
        if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
            raise
        print(
            "error: the memory is used up; use --dtype float32, fewer --contexts or --windows, or"
            " a smaller model",
            file=sys.stderr,
        )
        return 2


if __name__ == "__main__":
    sys.exit(main())
