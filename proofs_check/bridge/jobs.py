"""The jobs of the command line that run a model: each prints, writes records, and says if it held.

Whatever a picture needs is written as a .npz; `figures.real_model` draws it, here nothing is drawn.
"""

from __future__ import annotations

import json
import math
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge.advise import FACTORS, rank_layers, samples
from steering_strength.proofs_check.bridge.blocks import block_laws
from steering_strength.proofs_check.bridge.data import advice_record, plain, write_arrays
from steering_strength.proofs_check.bridge.explore import explore_record
from steering_strength.proofs_check.bridge.generated import advise_trajectories
from steering_strength.proofs_check.bridge.laws import (
    alpha_grid,
    columns,
    final_norm_laws,
)
from steering_strength.proofs_check.bridge.model import SteeredModel
from steering_strength.proofs_check.bridge.options import demands_of, numbers
from steering_strength.proofs_check.bridge.records import one_layer_record, paper_records
from steering_strength.proofs_check.bridge.texts import ConceptTexts, load_concept
from steering_strength.proofs_check.bridge.tiny_gpt import Recipe, save, train
from steering_strength.proofs_check.bridge.vector_files import import_vector, save_vector
from steering_strength.proofs_check.bridge.vectors import FINAL_NORM, SteeringVector
from steering_strength.theory.advice import PopulationAdvice
from steering_strength.theory.command_line import say
from steering_strength.theory.errors import ShapeError, SteeringError, UnknownNameError
from steering_strength.theory.files import write_json, write_text

__all__ = ["run"]

_SHOWN = 4


class Clock:
    """Progress lines on standard error, with the seconds since the start."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    def __call__(self, line: str) -> None:
        """Print one line."""
        seconds = time.perf_counter() - self._start
        print(f"[{seconds:6.1f} s] {line}", file=sys.stderr, flush=True)


def run(options: Namespace) -> int:
    """Run a checked job; 0 if nothing that should hold exactly failed (advise: a window), else 1.

    Raises
    ------
    SteeringError
        Whatever the model, the texts or the files do not allow.
    """
    clock = Clock()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    if options.job == "train":
        return _train(options, clock)
    concept = _concept(options)
    clock(f"loading {options.model!r} (a GGUF file takes half a minute)")
    model = SteeredModel.load(options.model, options.dtype)
    clock(repr(model))
    vector = _given_vector(options, model)
    if vector is None and (options.negatives == "sampled" or not concept.neutral):
        concept = model.with_sampled_negatives(concept, seed=options.seed)
        clock(f"{len(concept.neutral)} negative texts sampled from the model")
    jobs = {
        "final-norm": lambda: _final_norm(options, model, concept, vector, clock),
        "laws": lambda: _laws(options, model, concept, vector, clock),
        "figures": lambda: _figures(options, model, concept, clock),
        "explore-data": lambda: _explore(options, model, concept),
        "advise": lambda: _advise(options, model, concept, vector, clock),
    }
    return jobs[options.job]()


def _concept(options: Namespace) -> ConceptTexts:
    words = tuple(word.strip() for word in (options.words or "").split(",") if word.strip())
    concept = load_concept(options.concept, words)
    context = getattr(options, "context", 0)
    if not 0 <= context < len(concept.contexts):
        raise ShapeError(
            f"context {context} of {len(concept.contexts)}",
            remedy=f"give --context between 0 and {len(concept.contexts) - 1}",
        )
    if getattr(options, "context_texts", None):
        concept = replace(concept, contexts=_contexts(Path(options.context_texts)))
    if getattr(options, "contexts", None):
        concept = replace(concept, contexts=concept.contexts[: options.contexts])
    return concept


def _contexts(path: Path) -> tuple[Any, ...]:
    """One text a line; or JSON lines, each a string or a chat."""
    try:
        lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        texts = [json.loads(line) for line in lines] if path.suffix == ".jsonl" else lines
    except (OSError, ValueError) as error:
        raise ShapeError(
            f"cannot read {path}: {error}", remedy="give UTF-8 text, or .jsonl with JSON lines"
        ) from error
    if not texts:
        raise ShapeError(f"{path} holds no context", remedy="give one context a line")
    return tuple(texts)


def _given_vector(options: Namespace, model: SteeredModel) -> SteeringVector | None:
    if not getattr(options, "vector", None):
        return None
    read = import_vector(
        Path(options.vector), site=options.site, model=model.name, blocks=len(model.blocks)
    )
    return model.fitting(read)


def _said(text: str, paths: Sequence[Path]) -> None:
    say(text)
    if paths:
        say("\nwritten: " + ", ".join(str(path) for path in paths))


def _final_norm(
    options: Namespace, model: SteeredModel, concept: ConceptTexts, vector: SteeringVector | None,
    clock: Clock,
) -> int:  # fmt: skip
    report = final_norm_laws(
        model, concept, alpha_grid(options.alpha_max, options.alphas),
        vector=vector, context=options.context, progress=clock,
    )  # fmt: skip
    paths = report.write(Path(options.out), "final_norm", seed=options.seed, json_copy=options.json)
    _said(report.text(), paths)
    return 0 if report.holds else 1


def _laws(
    options: Namespace, model: SteeredModel, concept: ConceptTexts, vector: SteeringVector | None,
    clock: Clock,
) -> int:  # fmt: skip
    report = block_laws(
        model, concept, layers=options.layers, vector=vector, windows=options.windows,
        read=options.read, apply=options.apply, seed=options.seed, progress=clock,
    )  # fmt: skip
    paths = report.write(Path(options.out), "laws", seed=options.seed, json_copy=options.json)
    _said(report.text(), paths)
    return 0 if report.holds else 1


def _figures(options: Namespace, model: SteeredModel, concept: ConceptTexts, clock: Clock) -> int:
    judge = _callable(options.judge) if options.judge else None
    benchmark = _callable(options.benchmark) if options.benchmark else None
    paths = paper_records(
        model, concept, Path(options.out), names=options.only, context=options.context,
        windows=options.windows, judge=judge, benchmark=benchmark, seed=options.seed,
        progress=clock,
    )  # fmt: skip
    _said(f"To draw them: python -m figures real {options.out}", paths)
    return 0


def _explore(options: Namespace, model: SteeredModel, concept: ConceptTexts) -> int:
    alphas = alpha_grid(options.alpha_max, options.alphas)
    lumped, arrays = explore_record(model, concept, alphas, contexts=options.contexts)
    target = Path(options.out)
    if target.suffix != ".npz":
        target = target / "explore.npz"
    _said(lumped.summary(), [write_arrays(target, arrays)])
    return 0


def _train(options: Namespace, clock: Clock) -> int:
    trained = train(Recipe(steps=options.steps, seed=options.seed), progress=clock)
    folder = Path(options.out)
    where, concept_file = save(trained, folder)
    report = final_norm_laws(
        trained.model, trained.concept, alpha_grid(options.alpha_max, options.alphas),
        context=options.context, progress=clock,
    )  # fmt: skip
    vector = trained.model.vector(trained.concept.positive, trained.concept.neutral)
    report.paragraphs.append(trained.sign_separation(trained.model.direction(vector)))
    paths = report.write(folder, "final_norm", seed=options.seed, json_copy=options.json)
    paths.append(one_layer_record(trained.model, trained.concept, folder))
    _said(f"{report.text()}\n\nThe other jobs: --model {where} --concept {concept_file}", paths)
    return 0 if report.holds else 1


def _advise(
    options: Namespace, model: SteeredModel, concept: ConceptTexts, vector: SteeringVector | None,
    clock: Clock,
) -> int:  # fmt: skip
    if options.rank_layers:
        return _rank(options, model, concept)
    site = options.site or FINAL_NORM
    own = vector or model.vector(
        concept.positive, concept.neutral, site,
        read=None if model.site(site) == FINAL_NORM else options.read, apply=options.apply,
    )  # fmt: skip
    own = model.fitting(own, contexts=concept.contexts)
    clock(f"{own.site.name}: |v| = {own.norm:.4g}; advising on {len(concept.contexts)} contexts")
    if options.per_token is not None:
        return _per_token(options, model, concept, own)
    target = _target(options, model, concept, own)
    before = model.cost.passes
    found = model.advise(
        own, concept.contexts, tokens=target, quantile=options.quantile, **demands_of(options)
    )
    shown = found.contexts[0] if len(found.contexts) == 1 else found
    units = {
        "norm": own.norm,
        "residual_norm": own.residual_norm,
        "max_activation": options.max_activation or math.nan,
    }
    say(shown.summary(**units))
    many = "a context" if len(found.contexts) == 1 else f"{len(found.contexts)} contexts"
    say(f"\n{model.cost.passes - before:.3g} forward passes for {many}, P and N not counted")
    paths: list[Path] = []
    alpha = _advised(found)
    if options.out:
        folder = Path(options.out)
        about = {"site": own.site.name, "concept": concept.name, "model": model.name, **units}
        paths.append(write_json(folder / "advice.json", plain({**about, "advice": found})))
        curves = model.at(own.site, own, concept.contexts[:_SHOWN])
        paths.append(write_arrays(folder / "advice.npz", advice_record(found, curves)))
    said = {"window": f"{found.window.low.alpha} to {found.window.high.alpha}"}
    _shown_and_exported(options, model, own, concept, alpha, said, paths)
    return 0 if found.window.usable else 1


def _per_token(
    options: Namespace, model: SteeredModel, concept: ConceptTexts, vector: SteeringVector
) -> int:
    """One alpha for a cost per generated token; 1 if it did not settle."""
    found = advise_trajectories(
        model, vector, concept.contexts, options.per_token,
        percentile=options.percentile, direction=options.direction, sign=options.sign,
        seed=options.seed,
    )  # fmt: skip
    say(str(found))
    paths: list[Path] = []
    if options.out:
        about = {"site": vector.site.name, "concept": concept.name, "model": model.name}
        path = Path(options.out) / "advice.json"
        paths.append(write_json(path, plain({**about, "advice": found})))
    alpha = found.alpha if found.settled else math.nan
    said = {"per_token": repr(options.per_token), "direction": options.direction}
    _shown_and_exported(options, model, vector, concept, alpha, said, paths)
    return 0 if found.settled else 1


def _shown_and_exported(
    options: Namespace, model: SteeredModel, vector: SteeringVector, concept: ConceptTexts,
    alpha: float, said: dict[str, str], paths: list[Path],
) -> None:  # fmt: skip
    if options.samples and math.isfinite(alpha):
        paths.append(_sampled(options, model, vector, concept, alpha, Path(options.out)))
    # Last: it may have to say that there is nothing to export, and the rest is written by then.
    if options.export:
        said = {**said, "concept": concept.name}
        paths += save_vector(vector, Path(options.export), alpha=alpha, said=said)
    if paths:
        say("written: " + ", ".join(str(path) for path in paths))


def _advised(found: PopulationAdvice) -> float:
    """The strength to use; without a window what serves most contexts, nan if nothing does."""
    if found.window.usable:
        return float(found.window.advised)
    return found.best if found.share > 0.0 else math.nan


def _target(
    options: Namespace, model: SteeredModel, concept: ConceptTexts, vector: SteeringVector | None
) -> NDArray[np.int64]:
    """T: ids, the largest entries of W v, or the words of the concept."""
    ids = numbers(options.tokens, "--tokens")
    if ids is not None:
        return np.array(ids)
    if options.largest and vector is not None:
        if not options.largest < model.vocabulary:
            raise ShapeError(
                f"--largest is {options.largest}", remedy=f"give 1 to {model.vocabulary - 1}"
            )
        # At a block: the direction as the unembedding sees it, the same for all contexts.
        order = np.argsort(-model.direction(vector), kind="stable")
        return order[: options.largest].astype(np.int64)
    return model.tokens(concept.words)


def _rank(options: Namespace, model: SteeredModel, concept: ConceptTexts) -> int:
    layers: Any = range(len(model.blocks))
    if options.rank_layers != "all":
        layers = numbers(options.rank_layers, "--rank-layers")
    budget = 0.5 if options.budget is None else options.budget
    vectors = model.vectors(
        concept.positive, concept.neutral, layers, read=options.read, apply=options.apply
    )
    ranks = rank_layers(
        model, vectors, concept.contexts, _target(options, model, concept, None), budget,
        sign=options.sign, measure=options.check_ranking,
    )  # fmt: skip
    rows: list[tuple[str, ...]] = [
        ("site", "gain", "dF/dalpha", "sd(M_loc)", f"F at {budget:g} nat", "measured")
    ]
    rows += [
        (r.site, *(f"{x:+.4g}" for x in (r.gain, r.slope, r.sd, r.predicted, r.measured)))
        for r in ranks
    ]
    say("Layers by what a nat buys at the origin, best first:\n" + columns(rows))
    return 0


def _sampled(
    options: Namespace, model: SteeredModel, vector: SteeringVector, concept: ConceptTexts,
    alpha: float, folder: Path,
) -> Path:  # fmt: skip
    """Texts at 0, half, once and twice the advised strength, as Markdown."""
    alphas = [factor * alpha for factor in FACTORS]
    lines = [f"# {concept.name}: what alpha = {alpha:.4g} looks like", ""]
    for context in concept.contexts:
        texts = samples(model, vector, context, alphas, options.samples, seed=options.seed)
        lines += [f"## {_flat(str(context))}", ""]
        lines += [f"- alpha = {a:.4g}: {_flat(t)}" for a, t in zip(alphas, texts, strict=True)]
        lines.append("")
    return write_text(folder / "samples.md", "\n".join(lines))


def _flat(text: str) -> str:
    """One line that Markdown leaves alone."""
    return " ".join(text.split()).replace("<", "&lt;")


def _callable(name: str) -> Any:
    """What ``module:name`` names.

    Raises
    ------
    SteeringError
        The module cannot be imported.
    UnknownNameError
        It holds no callable of that name.
    """
    module_name, _, attribute = name.partition(":")
    try:
        module = import_module(module_name)
    except Exception as error:
        # Whatever the user's own module raises, the cause is there and not here.
        raise SteeringError(
            f"cannot import {module_name!r}: {type(error).__name__}: {error}",
            remedy="give module:name, with the module in this folder or on PYTHONPATH",
        ) from error
    found = getattr(module, attribute, None)
    if not callable(found):
        held = [key for key, value in vars(module).items() if callable(value)]
        raise UnknownNameError(f"callable of {module_name}", attribute, held)
    return found
