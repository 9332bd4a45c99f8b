"""The law report: for one model and concept, which statements hold at which block, and how far."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from proofs_check.bridge import laws_figure
from proofs_check.bridge.anatomy import Anatomy, inspect_model, rounding_bound
from proofs_check.bridge.concept_texts import ConceptTexts
from proofs_check.bridge.corpus import text_windows
from proofs_check.bridge.encoding import word_tokens
from proofs_check.bridge.extra import versions
from proofs_check.bridge.files import write_whole
from proofs_check.bridge.law_rows import LawRow, as_verdict, law_rows
from proofs_check.bridge.laws_page import laws_page
from proofs_check.bridge.making import difference_vectors, sample_texts
from proofs_check.bridge.models import LoadedModel
from proofs_check.bridge.norms import FinalNorm, identify_norm
from proofs_check.bridge.progress import Progress, silent
from proofs_check.bridge.sites import Read, Site
from proofs_check.bridge.survey import SiteSurvey, survey_site
from proofs_check.bridge.vectors import save_vector
from proofs_check.verdict import as_json
from theory.errors import ShapeError

__all__ = ["LawReport", "default_layers", "law_report"]


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
    *,
    layers: Sequence[int] | None = None,
    contexts: int = 4,
    windows: int = 6,
    window: int = 64,
    half: int = 24,
    read: Read = "mean",
    seed: int = 0,
    json_copy: Path | None = None,
    progress: Progress = silent,
) -> LawReport:
    """Survey the blocks `layers`, judge every statement, write JSON, figure and vectors.

    Parameters
    ----------
    layers : sequence of int, optional
        0-based; by default four depths.
    contexts : int
        How many of the concept's held-out contexts.
    windows, window : int
        Number and length in tokens of the text windows, real and sampled.
    half : int
        Grid points on each side of alpha = 0.
    read : {"mean", "last"}
        Which states of P and N the vectors average.
    seed : int
        Of the probing, the choice of paragraphs and the sampling.

    Raises
    ------
    SteeringError
        Any of its subclasses: the model's structure, a layer it does not have, bad texts.
    """
    anatomy = inspect_model(loaded.model, seed=seed)
    if not anatomy.blocks:
        raise ShapeError(
            f"{loaded.label} has no chain of blocks that map states to states",
            remedy="only the final-norm site can be examined: leave out the job `laws`",
        )
    chosen = default_layers(len(anatomy.blocks)) if layers is None else tuple(layers)
    sites = [Site(layer) for layer in chosen]
    for site in sites:
        site.module(anatomy)
    norm = identify_norm(anatomy, seed=seed)
    progress(f"final norm identified: {norm.kind}, eps = {norm.eps:.1e}")
    words = np.array(word_tokens(loaded.tokenizer, concept.words, anatomy.vocabulary))
    encoded = loaded.encode(concept.contexts[:contexts])
    batches = [encoded.row(i) for i in range(encoded.rows)]
    texts = (
        text_windows(loaded.tokenizer, windows, window, seed=seed),
        sample_texts(loaded, windows, window, seed=seed)[1],
    )
    progress(f"{windows} windows of {window} tokens of library text, and as many sampled")
    surveys: list[SiteSurvey] = []
    rows: list[LawRow] = []
    paths: list[Path] = []
    lines: list[str] = []
    made = difference_vectors(loaded, anatomy, concept.positive, concept.neutral, sites, read=read)
    progress(f"difference-of-means vectors of {len(sites)} blocks read in one pass")
    for site, (vector, cosine) in zip(sites, made, strict=True):
        stem = f"{concept.name}_{site.name.replace(' ', '_')}"
        paths.append(save_vector(vector, folder / f"{stem}.npz"))
        survey = survey_site(
            loaded, anatomy, norm, vector, batches, words, texts, half=half, progress=progress
        )
        surveys.append(survey)
        found = law_rows(survey, norm, _rounding(anatomy, norm, survey))
        rows.extend(found)
        lines.append(_section(survey, found, cosine))
    record = laws_figure.record_of(loaded.label, concept.name, chosen, surveys)
    paths.extend(laws_figure.save(record, folder))
    paths.append(laws_page(folder, loaded.label, concept.name, surveys, rows))
    targets = [folder / "laws.json", *([json_copy] if json_copy else [])]
    paths.extend(_write(path, loaded, concept, surveys, rows, seed) for path in targets)
    text = "\n\n".join(
        [
            f"{loaded.label}, concept {concept.name!r}, {len(encoded.last)} contexts; deviations in"
            " units of the stated tolerance",
            *lines,
        ]
    )
    return LawReport(tuple(surveys), tuple(rows), text, tuple(paths))


def _rounding(anatomy: Anatomy, norm: FinalNorm, survey: SiteSurvey) -> float:
    """Error of a log-probability behind the final norm, in nats, on the survey's grid."""
    eps = np.finfo(str(anatomy.unembedding.weight.dtype).removeprefix("torch.")).eps
    length = max(context.state_length for context in survey.contexts)
    return rounding_bound(anatomy, length) * max(1.0, norm.precision / float(eps))


def _section(survey: SiteSurvey, rows: Sequence[LawRow], cosine: float) -> str:
    head = (
        f"{survey.vector.metadata.site}: |v| = {survey.vector.metadata.norm:.3g},"
        f" |h| / |v| = {survey.unit:.3g}; cosine with the token mean that keeps the first token"
        f" {cosine:+.2f}; {survey.cost}"
        + ("" if survey.substituted else "; blocks below could not be skipped")
    )
    lines = [head]
    for row in rows:
        error = "-" if not np.isfinite(row.deviation) else f"{row.deviation:.2g}"
        lines.append(f"  {row.statement:26} {row.status:8} {error:>7}  {row.measured}")
        lines += textwrap.wrap(
            f"predicted {row.predicted}; {row.note}", 100, initial_indent=46 * " ",
            subsequent_indent=46 * " ",
        )  # fmt: skip
    return "\n".join(lines)


def _write(
    target: Path,
    loaded: LoadedModel,
    concept: ConceptTexts,
    surveys: Sequence[SiteSurvey],
    rows: Sequence[LawRow],
    seed: int,
) -> Path:
    content = as_json([as_verdict(row) for row in rows], seed=seed, examples=len(surveys))
    content["versions"] |= versions()
    content["model"] = {"name": loaded.label, "fingerprint": loaded.fingerprint}
    content["concept"] = {"name": concept.name, "positive": len(concept.positive)}
    content["sites"] = [
        {
            "site": survey.vector.metadata.site,
            "norm": survey.vector.metadata.norm,
            "residual_norm": survey.vector.metadata.residual_norm,
            "cost": survey.cost,
            "text_slope": survey.real.measured_slope,
            "text_slope_standard_error": survey.real.standard_error,
            "sampled_slope": survey.sampled.measured_slope,
            "sampled_slope_standard_error": survey.sampled.standard_error,
        }
        for survey in surveys
    ]
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    return write_whole(target, lambda path: path.write_text(text, encoding="utf-8"))
