"""`python -m proofs_check.bridge`: the theory against a real language model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from proofs_check.bridge.concept_texts import ConceptTexts, load_concept
from proofs_check.bridge.curve_files import read_curves
from proofs_check.bridge.curve_laws import curve_rows, curve_table
from proofs_check.bridge.errors import CurveError
from proofs_check.bridge.extra import quiet, require
from proofs_check.bridge.files import output_folder
from proofs_check.bridge.grid import alpha_grid
from proofs_check.bridge.progress import Clock
from theory.errors import ShapeError, SteeringError

JOBS = ("final-norm", "laws", "figures", "read", "train", "explore-data")
_HELP = """\
jobs:
  final-norm   steer the output of the final norm; every log-probability against the closed form
  laws         steer blocks; which statements hold there, how far, and why not further
  figures      the paper's real-model figures on this model, predictions drawn
  read         curves that others measured (npz of the paper's tool, CSV); needs no torch
  train        train a one-layer GPT with the concept "uppercase words" and steer it (Fig. A.4)
  explore-data the law at the final norm in one small .npz (--out joy.npz), vocabulary reduced

exit status: 0 if every statement that claims equality holds, 1 if not, 2 for bad input.
Nothing is downloaded."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m proofs_check.bridge",
        description="Does the theory hold on this language model?",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "job",
        nargs="?",
        default="final-norm",
        choices=JOBS,
    )
    add("files", nargs="*", metavar="FILE", help="for read: .npz or .csv")
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
    add(
        "--dtype",
        choices=("float64", "float32"),
        help="default: float64; for laws and figures float32",
    )
    add("--seed", type=int, default=0, help="seeds probing and sampling (default: 0)")
    add("--threads", type=int, help="threads of torch (default: its own choice)")
    norm = parser.add_argument_group("final-norm")
    norm.add_argument("--alpha-max", type=float, default=8.0, help="default: 8")
    norm.add_argument("--alphas", type=int, default=33, help="grid points, odd (default: 33)")
    norm.add_argument("--tokens", type=int, default=8, help="tokens per context (default: 8)")
    norm.add_argument("--context", type=int, default=0, help="whose peaks to locate (default: 0)")
    laws = parser.add_argument_group("laws")
    laws.add_argument("--layers", help="blocks from 0, such as 7,15,29 (default: four depths)")
    laws.add_argument("--contexts", type=int, default=4, help="also explore-data (default: 4)")
    laws.add_argument("--windows", type=int, default=6, help="of 64 tokens of text (default: 6)")
    laws.add_argument("--read", default="mean", choices=("mean", "last"), help="default: mean")
    drawn = parser.add_argument_group("figures")
    drawn.add_argument("--only", metavar="NAMES", help="such as bumps,cross-entropy (default: all)")
    own = parser.add_argument_group("train")
    own.add_argument("--steps", type=int, default=500, help="of training (default: 500)")
    return parser


def _checked(options: argparse.Namespace, concept: ConceptTexts) -> None:
    """Refuse options out of range before half a minute is spent on loading a model."""
    if not 0 <= options.context < len(concept.contexts):
        raise ShapeError(
            f"context {options.context} of {len(concept.contexts)}",
            remedy=f"give --context between 0 and {len(concept.contexts) - 1}",
        )
    for name in ("threads", "tokens", "contexts", "windows", "steps"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ShapeError(f"--{name} is {value}", remedy=f"give --{name} 1 or more")


def _layers(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() for part in parts):
        raise ShapeError(
            f"--layers is {text!r}", remedy="give block numbers from 0, such as --layers 7,15,29"
        )
    return tuple(int(part) for part in parts)


def _read(files: Sequence[str]) -> int:
    if not files:
        raise CurveError("no file to read", remedy="name .npz or .csv files after `read`")
    rows = [row for name in files for row in curve_rows(read_curves(Path(name)))]
    print(curve_table(rows))
    return 0


def _run(options: argparse.Namespace) -> int:
    if options.job == "read":
        return _read(options.files)
    if options.files:
        raise ShapeError(
            f"the job {options.job} takes no files, got {' '.join(options.files)}",
            remedy="only `read` does; see --help",
        )
    concept = load_concept(options.concept)
    _checked(options, concept)
    alphas = alpha_grid(options.alpha_max, options.alphas)
    layers = _layers(options.layers)
    # One file is the whole result of explore-data; every other job writes several.
    single = Path(options.out) if options.out.endswith(".npz") else Path(options.out, "explore.npz")
    folder = output_folder(str(single.parent) if options.job == "explore-data" else options.out)
    json_copy = Path(options.json) if options.json else None
    if json_copy:
        output_folder(str(json_copy.parent))
    clock = Clock()
    clock("loading torch and transformers")
    quiet()
    require()
    # Only now: everything below imports torch.
    import torch

    if options.threads is not None:
        torch.set_num_threads(options.threads)
    if options.job == "train":
        from proofs_check.bridge.tiny_gpt import Recipe, save, train

        trained = train(Recipe(steps=options.steps, seed=options.seed), progress=clock)
        target, concept_file = save(trained, folder)
        loaded, concept = trained.loaded, trained.concept
    else:
        from proofs_check.bridge.models import load_model

        # Ten digits need float64; the laws at blocks are expansions, and float32 is twice as fast.
        expansions = options.job in ("laws", "figures")
        dtype = options.dtype or ("float32" if expansions else "float64")
        clock(f"loading {options.model!r} in {dtype} (a GGUF file takes half a minute)")
        loaded = load_model(options.model, dtype)
    if options.job == "explore-data":
        from proofs_check.bridge.explore import explore_file
        from proofs_check.bridge.setting import prepare

        setting = prepare(loaded, concept, seed=options.seed, progress=clock)
        lumped, path = explore_file(setting, alphas, single, contexts=options.contexts)
        paths: tuple[Path, ...] = (path,)
        text, holds = lumped.summary(), True
    elif options.job == "figures":
        from proofs_check.bridge.paper_figures import FIGURES, paper_figures

        names = options.only.split(",") if options.only else list(FIGURES)
        drawn = paper_figures(
            loaded,
            concept,
            folder,
            names=names,
            context=options.context,
            windows=options.windows,
            seed=options.seed,
            progress=clock,
        )
        text, paths, holds = "\n".join(FIGURES[name] for name in names), drawn, True
    elif options.job == "laws":
        from proofs_check.bridge.laws import law_report

        report = law_report(
            loaded,
            concept,
            folder,
            layers=layers,
            contexts=options.contexts,
            windows=options.windows,
            read=options.read,
            seed=options.seed,
            json_copy=json_copy,
            progress=clock,
        )
        text, paths, holds = report.text, report.paths, report.exact_statements_hold
    else:
        from proofs_check.bridge.validation import validate_final_norm

        outcome = validate_final_norm(
            loaded,
            concept,
            alphas,
            folder,
            context=options.context,
            tokens_per_context=options.tokens,
            seed=options.seed,
            json_copy=json_copy,
            progress=clock,
        )
        text, paths = outcome.text, outcome.paths
        if options.job == "train":
            from proofs_check.bridge.paper_figures import one_layer_figure

            paths += one_layer_figure(loaded, concept, folder, seed=options.seed)
            text += "\n\n" + trained.sign_separation(outcome.setting.log_odds)
            text += f"\n\nThe other jobs: --model {target} --concept {concept_file}"
        holds = all(verdict.status == "passed" for verdict in outcome.verdicts)
    print(text)
    print("\nwritten: " + ", ".join(str(path) for path in paths))
    return 0 if holds else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one job; 0 if the exact statements hold, 1 if not, 2 for bad input."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except SteeringError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
