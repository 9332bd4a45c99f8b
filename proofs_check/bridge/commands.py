"""The jobs of the command line that need a model: each returns what to print and what it wrote."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from steering_strength.proofs_check.bridge._old.models import LoadedModel, load_model
from steering_strength.proofs_check.bridge._old.tiny_gpt import Recipe, save, train
from steering_strength.proofs_check.bridge.concept_texts import ConceptTexts
from steering_strength.proofs_check.bridge.grid import alpha_grid
from steering_strength.proofs_check.bridge.measure.explore import explore_file
from steering_strength.proofs_check.bridge.measure.scoring import KeywordJudge
from steering_strength.proofs_check.bridge.options import layers_of
from steering_strength.proofs_check.bridge.paper.paper_figures import (
    FIGURES,
    one_layer_figure,
    paper_figures,
)
from steering_strength.proofs_check.bridge.progress import Progress
from steering_strength.proofs_check.bridge.sites import Site
from steering_strength.proofs_check.bridge.steering.importing import import_vector
from steering_strength.proofs_check.bridge.steering.making import with_sampled_negatives
from steering_strength.proofs_check.bridge.steering.setting import prepare
from steering_strength.proofs_check.bridge.steering.vectors import SteeringVector
from steering_strength.proofs_check.bridge.verdicts.laws import Plan, law_report
from steering_strength.proofs_check.bridge.verdicts.validation import Outcome, validate_final_norm
from steering_strength.theory.errors import SteeringError, UnknownNameError

__all__ = ["Done", "run"]


@dataclass(frozen=True)
class Done:
    """The result of a job.

    Parameters
    ----------
    text : str
        For the terminal.
    paths : tuple of Path
        Files written.
    holds : bool
        Whether every statement that claims equality holds.
    """

    text: str
    paths: tuple[Path, ...]
    holds: bool = True


def run(options: Namespace, concept: ConceptTexts | None, target: Path, clock: Progress) -> Done:
    """Run the job `options.job`; `target` is the output folder, or the file of explore-data."""
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    if concept is None:
        return _train(options, target, clock)
    # Ten digits need float64; the laws at blocks are expansions, and float32 is twice as fast.
    dtype = options.dtype or ("float32" if options.job in ("laws", "figures") else "float64")
    clock(f"loading {options.model!r} in {dtype} (a GGUF file takes half a minute)")
    loaded = load_model(options.model, dtype)
    vector = _vector(options, loaded)
    if vector is None and (options.negatives == "sampled" or not concept.neutral):
        concept = with_sampled_negatives(loaded, concept, seed=options.seed)
        clock(f"{len(concept.neutral)} negative texts sampled from the model")
    jobs: dict[str, Callable[[], Done]] = {
        "final-norm": lambda: _final_norm(options, loaded, concept, vector, target, clock),
        "laws": lambda: _laws(options, loaded, concept, vector, target, clock),
        "figures": lambda: _figures(options, loaded, concept, target, clock),
        "explore-data": lambda: _explore(options, loaded, concept, target, clock),
    }
    return jobs[options.job]()


def _vector(options: Namespace, loaded: LoadedModel) -> SteeringVector | None:
    if not getattr(options, "vector", None):
        return None
    site = Site.parse(options.site) if options.site else None
    return import_vector(Path(options.vector), site=site, model=loaded.label)


def _validate(
    options: Namespace,
    loaded: LoadedModel,
    concept: ConceptTexts,
    vector: SteeringVector | None,
    folder: Path,
    clock: Progress,
) -> Outcome:
    return validate_final_norm(
        loaded,
        concept,
        alpha_grid(options.alpha_max, options.alphas),
        folder,
        vector=vector,
        context=options.context,
        tokens_per_context=options.tokens,
        seed=options.seed,
        json_copy=Path(options.json) if options.json else None,
        progress=clock,
    )


def _final_norm(
    options: Namespace,
    loaded: LoadedModel,
    concept: ConceptTexts,
    vector: SteeringVector | None,
    folder: Path,
    clock: Progress,
) -> Done:
    outcome = _validate(options, loaded, concept, vector, folder, clock)
    return Done(outcome.text, outcome.paths, outcome.holds)


def _laws(
    options: Namespace,
    loaded: LoadedModel,
    concept: ConceptTexts,
    vector: SteeringVector | None,
    folder: Path,
    clock: Progress,
) -> Done:
    plan = Plan(
        layers=layers_of(options.layers),
        contexts=options.contexts,
        windows=options.windows,
        read=options.read,
        apply=options.apply,
        seed=options.seed,
    )
    copy = Path(options.json) if options.json else None
    report = law_report(
        loaded, concept, folder, plan, vector=vector, json_copy=copy, progress=clock
    )
    return Done(report.text, report.paths, report.exact_statements_hold)


def _figures(
    options: Namespace, loaded: LoadedModel, concept: ConceptTexts, folder: Path, clock: Progress
) -> Done:
    names = options.only.split(",") if options.only else list(FIGURES)
    paths = paper_figures(
        loaded,
        concept,
        folder,
        names=names,
        context=options.context,
        windows=options.windows,
        judge=_callable(options.judge) if options.judge else KeywordJudge(concept.words),
        benchmark=_callable(options.benchmark) if options.benchmark else None,
        seed=options.seed,
        progress=clock,
    )
    return Done("\n".join(f"{name}: {FIGURES[name]}" for name in names), paths)


def _explore(
    options: Namespace, loaded: LoadedModel, concept: ConceptTexts, target: Path, clock: Progress
) -> Done:
    setting = prepare(loaded, concept, seed=options.seed, progress=clock)
    alphas = alpha_grid(options.alpha_max, options.alphas)
    lumped, path = explore_file(setting, alphas, target, contexts=options.contexts)
    return Done(lumped.summary(), (path,))


def _train(options: Namespace, folder: Path, clock: Progress) -> Done:
    trained = train(Recipe(steps=options.steps, seed=options.seed), progress=clock)
    model, concept_file = save(trained, folder)
    outcome = _validate(options, trained.loaded, trained.concept, None, folder, clock)
    drawn = one_layer_figure(trained.loaded, trained.concept, folder, seed=options.seed)
    text = "\n\n".join(
        [
            outcome.text,
            trained.sign_separation(outcome.setting.log_odds),
            f"The other jobs: --model {model} --concept {concept_file}",
        ]
    )
    return Done(text, outcome.paths + drawn, outcome.holds)


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
        names = [known for known in vars(module) if callable(getattr(module, known))]
        raise UnknownNameError(f"function of {module_name}", attribute, names)
    return found
