"""`python -m proofs_check.bridge`: the theory against a real language model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from proofs_check.bridge.concept_texts import ConceptTexts, load_concept
from proofs_check.bridge.extra import quiet, require
from proofs_check.bridge.files import output_folder
from proofs_check.bridge.grid import alpha_grid
from proofs_check.bridge.progress import Clock
from theory.errors import ShapeError, SteeringError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m proofs_check.bridge",
        description="Steer a real language model at the output of its final norm and compare every"
        " log-probability with the closed form. Nothing is downloaded.",
    )
    add = parser.add_argument
    add(
        "--model",
        default="smollm2",
        help="smollm2, a folder, a .gguf file, or a hub id in the local cache (default: smollm2)",
    )
    add(
        "--concept",
        default="joy",
        help="a packaged concept, or a JSON file with name, positive, neutral, contexts, words"
        " (default: joy)",
    )
    add("--out", default="out/bridge", metavar="DIR", help="default: out/bridge")
    add("--json", metavar="FILE", help="also write the verdicts to FILE")
    add("--dtype", default="float64", choices=("float64", "float32"), help="default: float64")
    add("--seed", type=int, default=0, help="seeds the probing of the structure")
    add("--alpha-max", type=float, default=8.0, help="default: 8")
    add("--alphas", type=int, default=33, help="grid points, odd (default: 33)")
    add("--tokens", type=int, default=8, help="tokens followed in each context (default: 8)")
    add("--context", type=int, default=0, help="the context whose peaks are located (default: 0)")
    add("--threads", type=int, help="threads of torch (default: its own choice)")
    return parser


def _checked(options: argparse.Namespace, concept: ConceptTexts) -> None:
    """Refuse options out of range before half a minute is spent on loading a model."""
    if not 0 <= options.context < len(concept.contexts):
        raise ShapeError(
            f"context {options.context} of {len(concept.contexts)}",
            remedy=f"give --context between 0 and {len(concept.contexts) - 1}",
        )
    for name in ("threads", "tokens"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ShapeError(f"--{name} is {value}", remedy=f"give --{name} 1 or more")


def _run(options: argparse.Namespace) -> int:
    concept = load_concept(options.concept)
    _checked(options, concept)
    alphas = alpha_grid(options.alpha_max, options.alphas)
    folder = output_folder(options.out)
    if options.json:
        output_folder(str(Path(options.json).parent))
    clock = Clock()
    clock("loading torch and transformers")
    quiet()
    require()
    # Only now: everything below imports torch.
    import torch

    from proofs_check.bridge.models import load_model
    from proofs_check.bridge.validation import validate_final_norm

    if options.threads is not None:
        torch.set_num_threads(options.threads)
    clock(f"loading {options.model!r} in {options.dtype} (a GGUF file takes half a minute)")
    outcome = validate_final_norm(
        load_model(options.model, options.dtype),
        concept,
        alphas,
        folder,
        context=options.context,
        tokens_per_context=options.tokens,
        seed=options.seed,
        json_copy=Path(options.json) if options.json else None,
        progress=clock,
    )
    print(outcome.text)
    print("\nwritten: " + ", ".join(str(path) for path in outcome.paths))
    return 0 if all(verdict.status == "passed" for verdict in outcome.verdicts) else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the validation; 0 if every statement passed, 1 if not, 2 for bad input."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except SteeringError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
