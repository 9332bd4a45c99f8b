"""Scores under steering that need more than one token: a judge of generated text, a benchmark.

Fig. 7 (top), A.11 and A.12 of the paper ask a language model whether a generated text shows the
concept; A.6 runs a benchmark. Both are callables here: whatever the user has. What is included
needs no download, and is not the paper's: a judge that looks for the concept's words, and a
four-way cloze on library text. Of both, theory says something: unsteered texts tilted by M_loc, and
logits to first order; far out, the plateau, one distribution that no longer reads the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp

from steering_strength.proofs_check.bridge.blocks import asinh_grid, plateau
from steering_strength.proofs_check.bridge.errors import ModelError
from steering_strength.proofs_check.bridge.local import derivatives
from steering_strength.proofs_check.bridge.texts import pad
from steering_strength.proofs_check.bridge.vectors import SteeringVector

if TYPE_CHECKING:
    from steering_strength.proofs_check.bridge.model import SteeredModel
    from steering_strength.proofs_check.bridge.texts import ConceptTexts, TokenBatch

__all__ = ["Cloze", "KeywordJudge", "Score", "benchmark_curve", "judge_curve"]

Floats = NDArray[np.float64]
Judge = Callable[[str], float]

_SAMPLES, _LENGTH, _PROMPTS = 8, 16, 3
_CHOICES = 4
_CELLS = 1 << 22
_EMPTY, _NOTHING = np.zeros(0), np.full(2, np.nan)


@dataclass(frozen=True, eq=False)
class Score:
    """A score of the steered model, and what theory says of it.

    Parameters
    ----------
    name, caption : str
        Of the axis, and what is shown.
    layer : int
    alphas, measured, error : numpy.ndarray
        Shape (A,): the score and its standard error.
    dense, predicted : numpy.ndarray
        Shape (D,): the prediction near 0; empty if there is none.
    plateau : numpy.ndarray
        Shape (2,): predicted at -inf and +inf, nan if nothing is.
    """

    name: str
    caption: str
    layer: int
    alphas: Floats
    measured: Floats
    error: Floats
    dense: Floats
    predicted: Floats
    plateau: Floats


@dataclass(frozen=True)
class KeywordJudge:
    """1 if a text contains one of `words` as a word of its own, in any case, else 0."""

    words: tuple[str, ...]

    def __call__(self, text: str) -> float:
        """Judge one text."""
        found = set(re.findall(r"\w+", text.lower()))
        return float(any(word.lower() in found for word in self.words))


def judge_curve(
    model: SteeredModel,
    vector: SteeringVector,
    concept: ConceptTexts,
    judge: Judge | None = None,
    *,
    reach: float = 40.0,
    samples: int = _SAMPLES,
    length: int = _LENGTH,
    seed: int = 0,
    say: Callable[[str], None],
) -> Score:
    """Mean judgement of texts generated under steering: the paper's concept probability.

    Every alpha uses the same random numbers, so neighbouring alphas differ by the steering more
    than by the draw.

    Raises
    ------
    SelfCheckError
        The hook did not fire at every decoded token.
    ModelError
        The judge returns something outside [0, 1].
    """
    own = judge or KeywordJudge(concept.words)
    prompts, alphas = concept.contexts[:_PROMPTS], asinh_grid(reach, 1.0, 5)
    means, drawn = [], []
    for alpha in alphas.tolist():
        found: list[float] = []
        for index, prompt in enumerate(prompts):
            with model.steered(vector, alpha) as steering:
                ids = model.continued(prompt, samples, length, seed=seed + index, steering=steering)
            if alpha == 0.0:
                drawn.append(ids)
            found += [float(own(model.tokenizer.decode(row[-length:]))) for row in ids.tolist()]
        if not all(0 <= value <= 1 for value in found):
            raise ModelError(
                f"the judge returned a value from {min(found)} to {max(found)}",
                remedy="a judge returns a probability between 0 and 1",
            )
        means.append(float(np.mean(found)))
        say(f"alpha = {alpha:g}: {means[-1]:.2f} of {len(found)} texts")
    count, measured = len(prompts) * samples, np.array(means)
    caption = f"{count} texts of {length} tokens per α, with standard errors."
    dense, predicted, ends = _EMPTY, _EMPTY, _NOTHING
    if isinstance(own, KeywordJudge):
        words = model.tokens(own.words)
        dense, predicted = _tilted_texts(model, vector, drawn, words, length)
        share = np.exp(logsumexp(plateau(model, vector)[:, words], axis=1))
        # 1 - (1 - f)^n without cancellation at small f.
        ends = -np.expm1(length * np.log1p(-np.minimum(share, 1 - 1e-16)))
        caption += (
            " The judge looks for a word of the concept; it is not the paper's. Predicted: the"
            " texts of α = 0, each of their next-token distributions tilted by its M_loc; bars:"
            f" {length} draws from the plateau."
        )
    else:
        caption += " The judge is a callable of the user; theory predicts next tokens only."
    # Binomial; with one count added on either side, so that 0 of 24 is not known exactly.
    error = np.sqrt((measured * count + 1) * ((1 - measured) * count + 1)) / (count + 2) ** 1.5
    name = "share of texts that show the concept"
    layer = int(vector.site.layer or 0)
    return Score(name, caption, layer, alphas, measured, error, dense, predicted, ends)


def _tilted_texts(
    model: SteeredModel,
    vector: SteeringVector,
    texts: list[torch.Tensor],
    words: NDArray[np.int64],
    length: int,
) -> tuple[Floats, Floats]:
    """(alphas, chance that a word occurs): unsteered texts, every next token tilted by M_loc."""
    first = model.hold(pad(texts[0][:1].tolist()), vector.site)
    sd = derivatives(first, vector)[0].variance ** 0.5
    alphas, step = np.linspace(-1.5, 1.5, 13) / sd, 0.03 / sd
    outside = np.ones(model.vocabulary, dtype=bool)
    outside[words] = False
    missed = []
    for ids in texts:
        held = model.hold(pad(ids.tolist()), vector.site)
        passes = [held.all_normed(a, vector)[:, -length - 1 : -1] for a in (-step, 0.0, step)]
        # One text at a time: its positions are held, not all of them.
        for states in zip(*passes, strict=True):
            low, middle, high = (model.read_out(state).numpy() for state in states)
            slope = (high - low) / (2 * step)
            rows = []
            for alpha in alphas:
                logits = middle + alpha * slope
                odds = logsumexp(logits[:, words], axis=1) - logsumexp(logits[:, outside], axis=1)
                # log(1 - F) = -log(1 + e^logit), summed over the positions of the text.
                rows.append(np.exp(-np.logaddexp(0.0, odds).sum()))
            missed.append(rows)
    return alphas, 1.0 - np.mean(missed, axis=0)


class Cloze:
    """Which of four tokens comes next in library text? Chance is a quarter; nothing is downloaded.

    Parameters
    ----------
    batch : TokenBatch
        R windows of T tokens; wrong choices are tokens of the same text, at random.
    """

    def __init__(self, batch: TokenBatch, *, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        following = batch.ids[:, 1:].reshape(-1)
        kinds = following.unique()
        drawn = torch.randint(kinds.numel(), (following.numel(), _CHOICES - 1), generator=generator)
        others = kinds[drawn]
        # A wrong choice that is the right one is replaced by its neighbour among the kinds.
        same = others == following[:, None]
        others[same] = kinds[(drawn[same] + 1) % kinds.numel()]
        self.batch = batch
        self.candidates = torch.cat([following[:, None], others], dim=1)

    def logits(self, model: SteeredModel, states: torch.Tensor) -> Floats:
        """Logits of the candidates, (R (T - 1), 4), from normed states (R, T, d)."""
        flat = states[:, :-1].reshape(-1, states.shape[-1])
        size = max(1, _CELLS // model.vocabulary)
        pieces = zip(flat.split(size), self.candidates.split(size), strict=True)
        return np.concatenate([model.read_out(s).gather(1, c).numpy() for s, c in pieces])


def benchmark_curve(
    model: SteeredModel,
    vector: SteeringVector,
    benchmark: Cloze | Callable[[Any, Any], float],
    *,
    reach: float = 10.0,
    say: Callable[[str], None],
) -> Score:
    """A benchmark's score under steering, or the built-in cloze's with its prediction.

    Raises
    ------
    SelfCheckError
        The benchmark did not run the model.
    ModelError
        It returned something that is not a finite number.
    """
    alphas, layer = asinh_grid(reach, 1.0, 6), int(vector.site.layer or 0)
    if not isinstance(benchmark, Cloze):
        found = []
        for alpha in alphas.tolist():
            with model.steered(vector, alpha):
                value = float(benchmark(model.hf_model, model.tokenizer))
            if not np.isfinite(value):
                raise ModelError(
                    f"the benchmark returned {value} at alpha = {alpha:g}",
                    remedy="a benchmark returns a finite number",
                )
            found.append(value)
            say(f"alpha = {alpha:g}: score {value:.3f}")
        caption = "A benchmark of the user: theory predicts next tokens, not scores."
        blank = np.full(alphas.size, np.nan)
        measured = np.array(found)
        return Score("score", caption, layer, alphas, measured, blank, _EMPTY, _EMPTY, _NOTHING)
    held = model.hold(benchmark.batch, vector.site)

    def logits(alpha: float) -> Floats:
        return benchmark.logits(model, held.all_normed(alpha, vector))

    measured = np.array([_answered(logits(alpha)) for alpha in alphas.tolist()])
    first = model.hold(benchmark.batch.row(0), vector.site)
    sd = derivatives(first, vector)[0].variance ** 0.5
    step, dense = 0.03 / sd, np.linspace(-2.0, 2.0, 41) / sd
    low, middle, high = logits(-step), logits(0.0), logits(step)
    slope = (high - low) / (2 * step)
    questions = len(middle)
    fixed = plateau(model, vector)[:, benchmark.candidates.numpy()]
    say(f"cloze of {questions} questions at {alphas.size} alphas")
    return Score(
        name="share of right answers",
        caption=f"{questions} questions: which of four tokens comes next in library text (not the"
        " paper's MMLU; chance is 0.25). Predicted: logits to first order in α, up to two standard"
        " deviations of M_loc; bars: at the plateau.",
        layer=layer,
        alphas=alphas,
        measured=measured,
        error=np.sqrt(measured * (1 - measured) / questions),
        dense=dense,
        predicted=np.array([_answered(middle + alpha * slope) for alpha in dense]),
        plateau=np.array([_answered(rows) for rows in fixed]),
    )


def _answered(logits: Floats) -> float:
    # A tie is not an answer: the right choice must be above all others.
    return float((logits[:, 0] > logits[:, 1:].max(axis=1)).mean())
