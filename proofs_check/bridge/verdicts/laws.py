"""The law report: for one model and concept, which statements hold at which site, and how far."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from steering_strength.proofs_check.bridge._old.anatomy import (
    Anatomy,
    inspect_model,
    rounding_bound,
)
from steering_strength.proofs_check.bridge._old.corpus import text_windows
from steering_strength.proofs_check.bridge._old.encoding import word_tokens
from steering_strength.proofs_check.bridge._old.models import LoadedModel
from steering_strength.proofs_check.bridge._old.norms import FinalNorm, identify_norm
from steering_strength.proofs_check.bridge.concept_texts import ConceptTexts
from steering_strength.proofs_check.bridge.grid import alpha_grid
from steering_strength.proofs_check.bridge.measure.final_norm import sweep
from steering_strength.proofs_check.bridge.measure.measured_peaks import locate_peaks
from steering_strength.proofs_check.bridge.progress import Progress, silent
from steering_strength.proofs_check.bridge.sites import FINAL_NORM, Apply, Read, Site
from steering_strength.proofs_check.bridge.steering.making import (
    difference_vectors,
    require_fit,
    sample_texts,
    with_residual_norm,
)
from steering_strength.proofs_check.bridge.steering.setting import prepare
from steering_strength.proofs_check.bridge.steering.vectors import SteeringVector, save_vector
from steering_strength.proofs_check.bridge.verdicts import laws_figure
from steering_strength.proofs_check.bridge.verdicts.depth import depth_rows, save_depth, scan_depth
from steering_strength.proofs_check.bridge.verdicts.judge import judge_final_norm
from steering_strength.proofs_check.bridge.verdicts.law_row import LawRow, from_verdict
from steering_strength.proofs_check.bridge.verdicts.law_rows import law_rows
from steering_strength.proofs_check.bridge.verdicts.laws_page import laws_page
from steering_strength.proofs_check.bridge.verdicts.laws_record import laws_record, write_record
from steering_strength.proofs_check.bridge.verdicts.laws_text import laws_text
from steering_strength.proofs_check.bridge.verdicts.selfchecks import check_all, check_site
from steering_strength.proofs_check.bridge.verdicts.survey import SiteSurvey, survey_site
from steering_strength.theory.errors import ShapeError

__all__ = ["LawReport", "Plan", "default_layers", "law_report"]

# In standard deviations of M: far enough that nearly all probability moves.
_FINAL_NORM_NATS = 12.0
_FINAL_NORM_ALPHAS = 33
_SCANNED_CONTEXTS = 2
# Parameters up to which a model is held in float64 for the final norm: 8 GB.
_WIDENED = 1_000_000_000


@dataclass(frozen=True)
class Plan:
    """What a law report measures, apart from model and concept.

    Parameters
    ----------
    layers : tuple of int or None
        Blocks, from 0; None: four depths, and the budgets at every block.
    contexts : int
        How many of the concept's held-out contexts.
    windows, window : int
        Number and length in tokens of the text windows, real and sampled.
    half : int
        Grid points on each side of alpha = 0.
    read : {"mean", "last"}
        Which states of P and N the vectors average.
    apply : {"all", "last"}
        Which positions of a context are steered.
    seed : int
        Of the probing, the choice of paragraphs and the sampling.
    """

    layers: tuple[int, ...] | None = None
    contexts: int = 4
    windows: int = 6
    window: int = 64
    half: int = 24
    read: Read = "mean"
    apply: Apply = "all"
    seed: int = 0


@dataclass(frozen=True)
class LawReport:
    """Surveys and rows of every site, in the order of the layers.

    Parameters
    ----------
    surveys : tuple of SiteSurvey
    rows : tuple of LawRow
    text : str
        For the terminal.
    paths : tuple of Path
        Files written.
    """

    surveys: tuple[SiteSurvey, ...]
    rows: tuple[LawRow, ...]
    text: str
    paths: tuple[Path, ...]

    @property
    def exact_statements_hold(self) -> bool:
        """Whether every statement that claims equality passed."""
        return all(row.status == "passed" for row in self.rows if row.exact)


def default_layers(blocks: int) -> tuple[int, ...]:
    """Blocks at a quarter, half and three quarters of the depth, and the last."""
    return tuple(sorted({blocks // 4, blocks // 2, (3 * blocks) // 4, blocks - 1}))


def law_report(
    loaded: LoadedModel,
    concept: ConceptTexts,
    folder: Path,
    plan: Plan | None = None,
    *,
    vector: SteeringVector | None = None,
    json_copy: Path | None = None,
    progress: Progress = silent,
) -> LawReport:
    """Judge every statement at the final norm and at blocks; write JSON, page, figures, vectors.

    Parameters
    ----------
    vector : SteeringVector, optional
        One made elsewhere; then only its own site is examined.

    Raises
    ------
    SteeringError
        Any of its subclasses: the model's structure, a layer it does not have, bad texts, a
        vector of another model.
    """
    plan = plan or Plan()
    anatomy = inspect_model(loaded.model, seed=plan.seed)
    if vector is not None:
        require_fit(vector, loaded, anatomy, vector.site)
    sites = _sites(loaded, anatomy, plan, vector)
    concept = replace(concept, contexts=concept.contexts[: plan.contexts])
    rows: list[LawRow] = []
    paths: list[Path] = []
    surveys: list[SiteSurvey] = []
    cosines: list[float] = []
    depth = None
    if vector is None or vector.site == FINAL_NORM:
        rows += _final_norm_rows(loaded, concept, vector, plan.seed, progress)
    if sites:
        norm = identify_norm(anatomy, seed=plan.seed)
        progress(f"final norm identified: {norm.kind}, eps = {norm.eps:.1e}")
        made = _vectors(loaded, anatomy, concept, plan, vector, len(anatomy.blocks))
        contexts = loaded.encode(concept.contexts)
        batches = [contexts.row(i) for i in range(contexts.rows)]
        if vector is None and plan.layers is None:
            depth = scan_depth(
                loaded, anatomy, [v for v, _ in made.values()], batches[:_SCANNED_CONTEXTS],
                apply=plan.apply, progress=progress,
            )  # fmt: skip
            rows += depth_rows(depth)
            title = f"{loaded.label}, concept “{concept.name}”: one derivative at every block"
            paths += save_depth(depth, title, folder)
        words = np.array(word_tokens(loaded.tokenizer, concept.words, anatomy.vocabulary))
        window = loaded.window(plan.window)
        texts = (
            text_windows(loaded.tokenizer, plan.windows, window, seed=plan.seed),
            sample_texts(loaded, plan.windows, window, seed=plan.seed)[1],
        )
        for site in sites:
            own, cosine = made[site]
            for line in check_site(loaded.model, anatomy, own, contexts, words):
                progress(f"self-check: {line}")
            stem = f"{concept.name}_{site.name}".replace(" ", "_")
            paths.append(save_vector(own, folder / f"{stem}.npz"))
            survey = survey_site(
                loaded, anatomy, norm, own, batches, words, texts,
                half=plan.half, apply=plan.apply, progress=progress,
            )  # fmt: skip
            surveys.append(survey)
            cosines.append(cosine)
            rows += law_rows(survey, norm, _rounding(anatomy, norm, survey))
        layers = [int(site.layer or 0) for site in sites]
        record = laws_figure.record_of(loaded.label, concept.name, layers, surveys)
        paths.extend(laws_figure.save(record, folder))
    paths.append(laws_page(folder, loaded.label, concept.name, surveys, rows, paths))
    content = laws_record(loaded, concept, asdict(plan), surveys, rows, depth)
    for target in (folder / "laws.json", *([json_copy] if json_copy else [])):
        paths.append(write_record(target, content))
    text = laws_text(loaded.label, concept, surveys, cosines, rows)
    return LawReport(tuple(surveys), tuple(rows), text, tuple(paths))


def _sites(
    loaded: LoadedModel, anatomy: Anatomy, plan: Plan, vector: SteeringVector | None
) -> list[Site]:
    if vector is not None:
        return [] if vector.site == FINAL_NORM else [vector.site]
    if not anatomy.blocks:
        raise ShapeError(
            f"{loaded.label} has no chain of blocks that map states to states",
            remedy="only the final norm can be examined: use the job final-norm",
        )
    chosen = default_layers(len(anatomy.blocks)) if plan.layers is None else plan.layers
    sites = [Site(layer) for layer in dict.fromkeys(chosen)]
    for site in sites:
        site.module(anatomy)
    return sites


def _vectors(
    loaded: LoadedModel,
    anatomy: Anatomy,
    concept: ConceptTexts,
    plan: Plan,
    vector: SteeringVector | None,
    blocks: int,
) -> dict[Site, tuple[SteeringVector, float]]:
    """Vectors of all blocks from one pass over P and N, or the one that was given."""
    if vector is not None:
        known = with_residual_norm(vector, loaded, anatomy, concept.contexts)
        return {vector.site: (known, float("nan"))}
    sites = [Site(layer) for layer in range(blocks)]
    made = difference_vectors(
        loaded, anatomy, concept.positive, concept.neutral, sites,
        read=plan.read, apply=plan.apply,
    )  # fmt: skip
    return dict(zip(sites, made, strict=True))


def _final_norm_rows(
    loaded: LoadedModel,
    concept: ConceptTexts,
    vector: SteeringVector | None,
    seed: int,
    progress: Progress,
) -> list[LawRow]:
    """`final-norm` and everything that follows from K there, on a short grid."""
    with _in_float64(loaded):
        setting = prepare(loaded, concept, vector=vector, seed=seed, progress=progress)
        for line in check_all(setting):
            progress(f"self-check: {line}")
        reach = _FINAL_NORM_NATS / float(np.std(setting.log_odds))
        curves = sweep(setting, alpha_grid(reach, _FINAL_NORM_ALPHAS))
        progress("final_norm: measured")
        peaks = locate_peaks(setting, curves, 0)
        verdicts = judge_final_norm(setting, curves, peaks, 0.0)
    return [from_verdict(verdict, FINAL_NORM.name) for verdict in verdicts]


@contextmanager
def _in_float64(loaded: LoadedModel) -> Iterator[None]:
    """A float32 model in float64 for a while: exact laws deserve digits, and both ways are exact.

    A model too large for that stays as it is; the rounding bounds then say what float32 can show.
    """
    model = loaded.model
    size = sum(parameter.numel() for parameter in model.parameters())
    widen = next(model.parameters()).dtype == torch.float32 and size <= _WIDENED
    if widen:
        model.to(torch.float64)
    try:
        yield
    finally:
        if widen:
            model.to(torch.float32)


def _rounding(anatomy: Anatomy, norm: FinalNorm, survey: SiteSurvey) -> float:
    """Error of a log-probability behind the final norm, in nats, on the survey's grid."""
    eps = np.finfo(str(anatomy.unembedding.weight.dtype).removeprefix("torch.")).eps
    length = max(context.state_length for context in survey.contexts)
    return rounding_bound(anatomy, length) * max(1.0, norm.precision / float(eps))
