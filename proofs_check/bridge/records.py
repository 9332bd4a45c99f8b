"""The paper's real-model figures on the model at hand, as arrays with every prediction beside.

Measured by passes through the blocks above the site. Predicted without a free parameter, where
theory says something: near 0 by the tilt with M_loc, far out by LN(h + R_inf + alpha v), at the end
by the plateau LN(+-v) W^T; at the last block by the closed form, everywhere. `figures.real_model`
draws what is written here.

The authors' texts, contexts and layers are unpublished, so no figure can be pixel-identical. Blocks
are a quarter, half, and the last of the depth. The paper's judge is a language model and its
benchmark is MMLU; both are callables here, whatever the user has. Included, and no download: a
judge that looks for the concept's words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

from steering_strength.proofs_check.bridge.blocks import Block
from steering_strength.proofs_check.bridge.curve import plateau
from steering_strength.proofs_check.bridge.data import FIGURES, asinh_grid, write_arrays
from steering_strength.proofs_check.bridge.generated import Reading
from steering_strength.proofs_check.bridge.loading import ModelError, progress
from steering_strength.proofs_check.bridge.model import SteeredModel
from steering_strength.proofs_check.bridge.texts import ConceptTexts, TokenBatch, text_windows
from steering_strength.proofs_check.bridge.vectors import SteeringVector
from steering_strength.theory.engine.sequences import SampledTexts

Floats = NDArray[np.float64]
Arrays = dict[str, Any]

_RESAMPLINGS, _CONTEXTS, _TOKENS = 12, 4, 8
_MIDDLE = 1  # of the three blocks
# Where KL(p_0 || p_alpha) exceeds 1 nat the expansions are not expected to say anything.
_NEAR_NATS = 1.0
_BAND = (0.1, 0.9)
_NODES = 41  # of a panel, equally spaced in asinh(alpha)
_SAMPLES, _LENGTH, _PROMPTS = 8, 16, 3


def paper_records(
    model: SteeredModel,
    concept: ConceptTexts,
    folder: Path,
    *,
    names: Sequence[str] | None = None,
    context: int = 0,
    windows: int = 4,
    judge: Callable[[str], float] | None = None,
    benchmark: Callable[[Any, Any], float] | None = None,
    seed: int = 0,
) -> list[Path]:
    """Measure the figures `names`, or all, and write paper_<name>.npz each; returns the files.

    Parameters
    ----------
    judge : callable, optional
        A text -> the probability that it shows the concept; default: a word of it occurs.
    benchmark : callable, optional
        (model, tokenizer) -> a score, called once under each steering; without it, no Fig. A.6.
    """
    ready, paths = _Paper(model, concept, context, windows, seed), []
    wanted = tuple(FIGURES) if names is None else names
    for number, name in enumerate(wanted, start=1):
        vector = ready.vectors[_MIDDLE]
        if name == "judge":
            arrays = judge_curve(model, vector, concept, judge, seed=seed)
        elif name == "benchmark":
            if benchmark is None:
                continue
            arrays = benchmark_curve(model, vector, benchmark)
        else:
            arrays = getattr(ready, name.replace("-", "_"))()
        arrays["title"] = f"{model.name}, “{concept.name}”. {FIGURES[name]}"
        paths.append(write_arrays(folder / f"paper_{name.replace('-', '_')}.npz", arrays))
        progress(f"figure {number} of {len(wanted)} measured: {name}")
    return paths


def one_layer_record(model: SteeredModel, concept: ConceptTexts, folder: Path) -> Path:
    """Fig. A.4: the one-layer GPT, alpha from 0 to 50, two contexts."""
    vector = model.vector(concept.positive, concept.neutral, 0, read="last")
    shown = [(text, Block(model, vector, model.encode([text]))) for text in concept.contexts[:2]]
    panels = [_panel(block, f"“… {' '.join(text.split()[-4:])}”", 50.0) for text, block in shown]
    title = f"{model.name}, “{concept.name}”. Fig. A.4: α from 0 to 50, its only block"
    return write_arrays(folder / "paper_one_layer.npz", {**_numbered(panels), "title": title})


def _numbered(panels: Sequence[Mapping[str, Any]], wide: int | None = None) -> Arrays:
    """One flat archive: the names of the arrays carry the number of the panel."""
    arrays: Arrays = {"panels": len(panels), "columns": wide or len(panels)}
    for number, panel in enumerate(panels):
        arrays |= {f"{name}_{number}": value for name, value in panel.items()}
    return arrays


class _Paper:
    """A model, its vectors at three blocks, and one method for each figure."""

    def __init__(
        self, model: SteeredModel, concept: ConceptTexts, context: int, windows: int, seed: int
    ) -> None:  # fmt: skip
        depth = model.depth
        self.model, self.texts, self.seed = model, concept, seed
        self.sites = [model.site(layer) for layer in (depth // 4, depth // 2, depth - 1)]
        self.vectors = model.vectors(concept.positive, concept.neutral, self.sites)
        self.shown = model.encode([concept.contexts[context]])
        self.windows = windows

    def block(self, vector: SteeringVector) -> Block:
        """The shown context held where the vector belongs."""
        return Block(self.model, vector, self.shown)

    def rows(self, wanted: Sequence[tuple[SteeringVector, str]], sign: int = 1) -> Arrays:
        """The paper's range above, where alpha v is shorter than the state below."""
        blocks = [(self.block(vector), name) for vector, name in wanted]
        panels = [
            _panel(block, f"block {block.layer}{name}{row}", reach or block.unit, sign=sign)
            for row, reach in (("", 200.0), (", |αv| ≤ |h|", None))
            for block, name in blocks
        ]
        return _numbered(panels, len(wanted))

    def bumps(self) -> Arrays:
        return self.rows([(vector, "") for vector in self.vectors])

    def negative(self) -> Arrays:
        return self.rows([(vector, "") for vector in self.vectors], -1)

    def last_position(self) -> Arrays:
        vector = self.vectors[_MIDDLE]
        last = replace(vector, apply="last")
        return self.rows([(vector, ", all positions"), (last, ", last position only")])

    def negatives(self) -> Arrays:
        sampled = self.model.with_sampled_negatives(self.texts, seed=self.seed).neutral
        other = self.model.vector(self.texts.positive, sampled, self.sites[_MIDDLE])
        own = self.vectors[_MIDDLE]
        return self.rows([(own, ", N of the concept file"), (other, ", N sampled from the model")])

    def normalised(self) -> Arrays:
        vector = self.vectors[_MIDDLE]
        block = self.block(replace(vector, values=vector.values / vector.norm))
        reaches = (("", 2000.0), (", |αv| ≤ |h|", block.unit))
        title = f"block {block.layer}, |v| = 1"
        return _numbered([_panel(block, title + name, reach) for name, reach in reaches])

    def bootstrap(self) -> Arrays:
        """Resample P and N; the tokens are those of the vector of all texts."""
        rng, vector = np.random.default_rng(self.seed), self.vectors[_MIDDLE]
        sides = [
            self.model.states(texts, vector.site, "mean").double().numpy()
            for texts in (self.texts.positive, self.texts.neutral)
        ]
        again = []
        for _ in range(_RESAMPLINGS):
            plus, minus = (s[rng.integers(0, len(s), len(s))].mean(0) for s in sides)
            again.append(self.block(replace(vector, values=plus - minus)))
        panels, own = [], self.block(vector)
        for name, reach in (("", 200.0), (", |αv| ≤ |h|", own.unit)):
            whole = _panel(own, f"block {own.layer}{name}", reach)
            drawn = [_panel(block, "", reach, tokens=whole["tokens"]) for block in again]
            keys = ("measured", "near", "far", "exact", "plateau")
            mean = {key: np.mean([panel[key] for panel in drawn], axis=0) for key in keys}
            # Quantiles: a probability cannot fall below 0, and a band should not.
            low, high = np.quantile([panel["measured"] for panel in drawn], _BAND, axis=0)
            panels.append({**whole, **mean, "low": low, "high": high})
            progress(f"{_RESAMPLINGS} resamplings measured{name}")
        return _numbered(panels)

    def cross_entropy(self) -> Arrays:
        batch = text_windows(self.model.tokenizer, self.windows, self.model.window, seed=self.seed)
        return _numbered([_entropy(self.model, vector, batch) for vector in self.vectors])

    def concept(self) -> Arrays:
        """F_T at the three blocks, mean over a few contexts."""
        batch = self.model.encode(self.texts.contexts[:_CONTEXTS])
        words = self.model.tokens(self.texts.words)
        return _numbered([_concept(Block(self.model, v, batch), words) for v in self.vectors])


def _panel(
    block: Block, title: str, reach: float, *, sign: int = 1, tokens: NDArray[Any] | None = None
) -> Arrays:
    """Delta p of `tokens`, by default the likeliest at the far end of [0, reach] or [-reach, 0]."""
    (curve,), model, unit = block.curves, block.model, min(1.0, reach / 50)
    alphas = np.sort(sign * unit * np.sinh(np.linspace(0.0, np.arcsinh(reach / unit), _NODES)))
    q = np.exp(curve.log_probability(alphas))
    if tokens is None:
        tokens = np.argsort(-q[-1 if sign > 0 else 0], kind="stable")[:_TOKENS]
    base, tilt = np.exp(curve.log_p[tokens]), np.exp(curve.local.log_probability(alphas))
    within = curve.local.cross_entropy_increase(alphas) <= _NEAR_NATS
    ((rest, scale),) = block.rests(sign)
    far = block.refined(rest, alphas)[:, tokens] - base
    exact = np.full(far.shape, np.nan)
    for form in block.forms:
        exact = np.exp(form.log_probability(alphas)[:, tokens]) - base
    return {
        "panel_title": title,
        "tokens": tokens,
        "token_text": [model.token_text(int(t)) for t in tokens],
        "alphas": alphas,
        "measured": q[:, tokens] - base,
        "near": np.where(within[:, None], tilt[:, tokens] - base, np.nan),
        "far": np.where((np.abs(alphas) >= scale)[:, None], far, np.nan),
        "exact": exact,
        "plateau": block.plateaus[(sign + 1) // 2, tokens] - base,
    }


def _entropy(model: SteeredModel, vector: SteeringVector, windows: TokenBatch) -> Arrays:
    """Delta CE on text in nats per token: measured, its parabola at 0, and its plateaus."""
    reading, half = Reading(model, vector, windows), 12
    alphas = asinh_grid(100.0, half)
    losses = np.array([reading.losses(a).mean() for a in alphas.tolist()])
    sd = float(model.derivative(None, vector, windows.take([0]))[0].variance(0.0)) ** 0.5
    slopes, curvatures, _ = reading.derivatives(0.03 / sd)
    return {
        "layer": vector.site.layer,
        "alphas": alphas,
        "measured": losses - losses[half],
        "slope": float(slopes.mean()),
        "curvature": float(curvatures.mean()),
        "plateau": -plateau(model, vector)[:, reading.tokens].mean(axis=1) - losses[half],
        "unsteered": float(losses[half]),
    }


def _concept(block: Block, words: NDArray[np.int64]) -> Arrays:
    """F_T on [-40, 40]: measured, the tilt and the sigmoid with the slope of M_loc, the plateau."""
    half, rows = 14, dict[str, list[Floats]]()
    alphas = asinh_grid(40.0, half)
    for curve, form in zip_longest(block.curves, block.forms):
        family = curve.local
        near = family.cross_entropy_increase(alphas) <= _NEAR_NATS
        odds = family.concept_log_odds(words, alphas)
        # d logit F_T / d alpha at 0: the slope nu of the sigmoid.
        f = float(expit(odds[half]))
        nu = float(family.concept_slope(words, 0.0)) / (f * (1.0 - f))
        for name, values in (
            ("measured", expit(curve.concept_log_odds(words, alphas))),
            ("tilt", np.where(near, expit(odds), np.nan)),
            ("sigmoid", np.where(near, expit(odds[half] + nu * alphas), np.nan)),
            ("exact", np.exp(form.log_probability(alphas))[:, words].sum(axis=1) if form
             else np.full(alphas.size, np.nan)),
        ):  # fmt: skip
            rows.setdefault(name, []).append(values)
    mean = {name: np.mean(values, axis=0) for name, values in rows.items()}
    ends = block.plateaus[:, words].sum(axis=1)
    return {"layer": block.layer, "alphas": alphas, "plateau": ends, **mean}


def contains(words: Sequence[str]) -> Callable[[str], float]:
    """A judge: 1 if a text contains one of `words` as a word of its own, in any case, else 0."""
    wanted = {word.lower() for word in words}
    return lambda text: float(bool(wanted & set(re.findall(r"\w+", text.lower()))))


def judge_curve(
    model: SteeredModel,
    vector: SteeringVector,
    concept: ConceptTexts,
    judge: Callable[[str], float] | None = None,
    *,
    samples: int = _SAMPLES,
    length: int = _LENGTH,
    seed: int = 0,
) -> Arrays:
    """Mean judgement of texts generated under steering: the paper's concept probability.

    Every alpha uses the same random numbers, so neighbouring alphas differ by the steering more
    than by the draw.

    Raises ModelError: the judge returns something outside [0, 1].
    """
    own, alphas, means = judge or contains(concept.words), asinh_grid(40.0, 5), list[float]()
    batch = model.encode([prompt for prompt in concept.contexts[:_PROMPTS] for _ in range(samples)])
    for alpha in alphas.tolist():
        with model.steered(vector, alpha):
            made = model.continued(batch, length, temperature=1.0, seed=seed, stop=False)
        found = np.array([float(own(model.tokenizer.decode(row))) for row in made.written])
        if not ((found >= 0) & (found <= 1)).all():
            raise ModelError(
                f"the judge returned a value from {found.min()} to {found.max()}",
                remedy="a judge returns a probability between 0 and 1",
            )
        if alpha == 0.0:
            texts, judged = Reading(model, vector, made).sampled(), found
        means.append(float(found.mean()))
        progress(f"alpha = {alpha:g}: {means[-1]:.2f} of {found.size} texts")
    count, measured = batch.rows, np.array(means)
    caption = (
        f"{count} texts of {length} tokens per α, with standard errors. Wedge: slope at 0 from"
    )
    caption += " the unsteered texts alone, with two standard errors."
    prediction: Arrays = {}
    if judge is None:
        words = model.tokens(concept.words)
        dense, predicted = _tilted_texts(texts, words)
        share = np.exp(plateau(model, vector))[:, words].sum(axis=1)
        # 1 - (1 - f)^n without cancellation at small f.
        ends = -np.expm1(length * np.log1p(-np.minimum(share, 1 - 1e-16)))
        prediction = {"dense": dense, "predicted": predicted, "plateau": ends}
        caption += (
            " The judge looks for a word of the concept; it is not the paper's. Predicted: the"
            " texts of α = 0, each of their next-token distributions tilted by its M_loc; bars:"
            f" {length} draws from the plateau."
        )
    else:
        caption += " The judge is a callable of the user; theory predicts its slope at 0."
    # Binomial; with one count added on either side, so that 0 of 24 is not known exactly.
    error = np.sqrt((measured * count + 1) * ((1 - measured) * count + 1)) / (count + 2) ** 1.5
    return {
        "name": "share of texts that show the concept", "caption": caption,
        "layer": vector.site.layer, "alphas": alphas, "measured": measured, "error": error,
        "slope": np.array(texts.slope(judged)), **prediction,
    }  # fmt: skip


def _tilted_texts(texts: SampledTexts, words: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """(alphas, chance that a word occurs): unsteered texts, every next token tilted by its M."""
    p, odds = np.exp(texts.log_p), texts.log_odds
    variance = (p * odds**2).sum(axis=1) - (p * odds).sum(axis=1) ** 2
    alphas = np.linspace(-1.5, 1.5, 13) / math.sqrt(float(variance.mean()))
    outside = np.isin(np.arange(p.shape[1]), words, invert=True)
    found = []
    for alpha in alphas.tolist():
        logits = texts.log_p + alpha * odds
        missed = logsumexp(logits[:, outside], axis=1) - logsumexp(logits, axis=1)
        found.append(1.0 - np.exp(np.bincount(texts.text, missed)).mean())
    return alphas, np.array(found)


def benchmark_curve(
    model: SteeredModel,
    vector: SteeringVector,
    benchmark: Callable[[Any, Any], float],
) -> Arrays:
    """A benchmark's score under steering.

    Raises SelfCheckError: the benchmark did not run the model; ModelError: it returned something
    that is not a finite number.
    """
    alphas, found = asinh_grid(10.0, 6), []
    for alpha in alphas.tolist():
        with model.steered(vector, alpha):
            found.append(float(benchmark(model.hf_model, model.tokenizer)))
        if not np.isfinite(found[-1]):
            raise ModelError(
                f"the benchmark returned {found[-1]} at alpha = {alpha:g}",
                remedy="a benchmark returns a finite number",
            )
        progress(f"alpha = {alpha:g}: score {found[-1]:.3f}")
    return {
        "layer": vector.site.layer, "alphas": alphas, "measured": np.array(found), "name": "score",
        "caption": "A benchmark of the user: theory predicts next tokens, not scores.",
    }  # fmt: skip
