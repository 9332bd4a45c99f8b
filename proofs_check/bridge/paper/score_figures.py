"""The judge's and the benchmark's curves at one block, with what theory can say of them.

A judge reads whole texts, a benchmark scores many answers; neither has a closed form. What theory
predicts is next tokens: for the word-counting judge the chance that a word of the concept occurs,
with the distributions along unsteered texts tilted; for the built-in cloze the answers to first
order in alpha; for both the plateau, where every token is drawn from one fixed distribution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, log_softmax

from steering_strength.proofs_check.bridge._old.anatomy import Anatomy
from steering_strength.proofs_check.bridge._old.cloze import make_cloze
from steering_strength.proofs_check.bridge._old.encoding import TokenBatch, pad, word_tokens
from steering_strength.proofs_check.bridge._old.models import LoadedModel
from steering_strength.proofs_check.bridge._old.norms import FinalNorm
from steering_strength.proofs_check.bridge._old.upper import Upper, position_mask, read_out
from steering_strength.proofs_check.bridge.concept_texts import ConceptTexts
from steering_strength.proofs_check.bridge.measure.local import local_tilt
from steering_strength.proofs_check.bridge.measure.scoring import (
    Judge,
    KeywordJudge,
    generate_ids,
    judged_curve,
    score_curve,
)
from steering_strength.proofs_check.bridge.paper.concept_panel import logit_of
from steering_strength.proofs_check.bridge.paper.score_drawing import ScoreCurve
from steering_strength.proofs_check.bridge.progress import Progress, silent
from steering_strength.proofs_check.bridge.sites import Site
from steering_strength.proofs_check.bridge.verdicts.survey import asinh_grid

__all__ = ["benchmark_score", "judge_score"]

Floats = NDArray[np.float64]

# The paper's axes for the two figures.
_JUDGE_REACH, _BENCHMARK_REACH = 40.0, 10.0
_PROMPTS, _SAMPLES, _LENGTH = 3, 8, 16
_EMPTY: Floats = np.empty(0)
_NOTHING: Floats = np.full(2, np.nan)


def judge_score(
    loaded: LoadedModel,
    anatomy: Anatomy,
    norm: FinalNorm,
    vector: torch.Tensor,
    site: Site,
    concept: ConceptTexts,
    judge: Judge,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> ScoreCurve:
    """Share of generated texts that show the concept, on the paper's range of alpha."""
    prompts = concept.contexts[:_PROMPTS]
    alphas = asinh_grid(_JUDGE_REACH, 1.0, 5)
    curve = judged_curve(
        loaded, anatomy, site, vector, alphas, prompts, judge,
        samples=_SAMPLES, length=_LENGTH, seed=seed, progress=progress,
    )  # fmt: skip
    measured = np.zeros_like(alphas) if curve.effect is None else curve.effect
    texts = len(prompts) * _SAMPLES
    dense, predicted, plateau = _EMPTY, _EMPTY, _NOTHING
    caption = f"{texts} texts of {_LENGTH} tokens per α, with standard errors."
    if isinstance(judge, KeywordJudge):
        words = np.array(word_tokens(loaded.tokenizer, judge.words, anatomy.vocabulary))
        texts_of = [
            generate_ids(loaded, prompt, _SAMPLES, _LENGTH, seed=seed + index)
            for index, prompt in enumerate(prompts)
        ]
        dense, predicted = _tilted_texts(loaded, anatomy, site, vector, texts_of, words)
        plateau = _once(_plateau(anatomy, norm, vector, words))
        caption += (
            " The judge looks for a word of the concept; it is not the paper's. Predicted: the"
            " texts of α = 0, each of their next-token distributions tilted by its M_loc; bars:"
            f" {_LENGTH} draws from the plateau."
        )
    else:
        caption += " The judge is a callable of the user; theory predicts next tokens only."
    return ScoreCurve(
        name="share of texts that show the concept",
        caption=caption,
        layer=int(site.layer or 0),
        alphas=alphas,
        measured=measured,
        # Binomial; with one count added on either side, so that 0 of 24 is not known exactly.
        error=np.sqrt((measured * texts + 1) * ((1 - measured) * texts + 1)) / (texts + 2) ** 1.5,
        dense=dense,
        predicted=predicted,
        plateau=plateau,
    )


def benchmark_score(
    loaded: LoadedModel,
    anatomy: Anatomy,
    norm: FinalNorm,
    vector: torch.Tensor,
    site: Site,
    batch: TokenBatch,
    benchmark: Callable[[Any, Any], float] | None,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> ScoreCurve:
    """A benchmark's score under steering, or the built-in cloze's on the windows `batch`."""
    alphas = asinh_grid(_BENCHMARK_REACH, 1.0, 6)
    layer = int(site.layer or 0)
    if benchmark is not None:
        own = benchmark
        measured = score_curve(
            anatomy, site, vector, alphas, lambda: own(loaded.model, loaded.tokenizer),
            progress=progress,
        )  # fmt: skip
        caption = "A benchmark of the user: theory predicts next tokens, not scores."
        blank = np.full(alphas.size, np.nan)
        return ScoreCurve(
            "score", caption, layer, alphas, measured, blank, _EMPTY, _EMPTY, _NOTHING
        )
    cloze = make_cloze(batch, seed=seed)
    measured = score_curve(
        anatomy, site, vector, alphas, lambda: cloze.score(loaded), progress=progress
    )
    tilt = local_tilt(anatomy, Upper(loaded.model, anatomy, batch.row(0), site), vector)
    dense = np.linspace(-2.0, 2.0, 41) / tilt.variance**0.5
    predicted, plateau = cloze.predicted(
        loaded, anatomy, norm, vector, site, dense, 0.03 / tilt.variance**0.5
    )
    questions = int(cloze.candidates.shape[0])
    return ScoreCurve(
        name="share of right answers",
        caption=f"{questions} questions: which of four tokens comes next in library text (not the"
        " paper's MMLU; chance is 0.25). Predicted: logits to first order in α, up to two standard"
        " deviations of M_loc; bars: at the plateau.",
        layer=layer,
        alphas=alphas,
        measured=measured,
        error=np.sqrt(measured * (1 - measured) / questions),
        dense=dense,
        predicted=predicted,
        plateau=plateau,
    )


def _tilted_texts(
    loaded: LoadedModel,
    anatomy: Anatomy,
    site: Site,
    vector: torch.Tensor,
    texts: Sequence[torch.Tensor],
    words: NDArray[np.int64],
) -> tuple[Floats, Floats]:
    """(alphas, chance that a word occurs): unsteered texts, every next token tilted by M_loc.

    `texts` are of shape (S, T + _LENGTH); to first order in alpha the texts stay what they are.
    """
    inside = np.zeros(anatomy.vocabulary, dtype=bool)
    inside[words] = True
    first = Upper(loaded.model, anatomy, pad(texts[0][:1].tolist()), site)
    sd = local_tilt(anatomy, first, vector).variance ** 0.5
    alphas = np.linspace(-1.5, 1.5, 13) / sd
    step = 0.03 / sd
    missed = []
    for ids in texts:
        batch = pad(ids.tolist())
        upper = Upper(loaded.model, anatomy, batch, site)
        everywhere = position_mask(batch, "all")
        passes = [
            upper.normed(upper.steered(vector, alpha, everywhere))[:, -_LENGTH - 1 : -1]
            for alpha in (-step, 0.0, step)
        ]
        # One text at a time: 16 positions of a vocabulary are held, not all of them.
        for states in zip(*passes, strict=True):
            low, middle, high = (read_out(anatomy, state).numpy() for state in states)
            slope = (high - low) / (2 * step)
            log_odds = np.array([logit_of(middle + alpha * slope, inside) for alpha in alphas])
            # log(1 - F) = -log(1 + e^logit), summed over the positions of the text.
            missed.append(np.exp(-np.logaddexp(0.0, log_odds).sum(axis=1)))
    return alphas, 1.0 - np.mean(missed, axis=0)


def _plateau(
    anatomy: Anatomy, norm: FinalNorm, vector: torch.Tensor, words: NDArray[np.int64]
) -> Floats:
    """F_T at -inf and +inf, (2,)."""
    inside = np.zeros(anatomy.vocabulary, dtype=bool)
    inside[words] = True
    v = vector.to(torch.float64).numpy()
    ends = np.stack([norm.steering(np.zeros_like(v), v).limit(sign) for sign in (-1, 1)])
    logits = read_out(anatomy, torch.as_tensor(ends).to(vector.dtype)).numpy()
    return np.asarray(expit(logit_of(log_softmax(logits, axis=1), inside)))


def _once(f: Floats) -> Floats:
    """1 - (1 - f)^n without cancellation at small f."""
    return np.asarray(-np.expm1(_LENGTH * np.log1p(-np.minimum(f, 1 - 1e-16))))
