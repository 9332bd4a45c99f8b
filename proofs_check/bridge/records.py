"""The paper's real-model figures on the model at hand, as arrays with every prediction beside.

Measured by passes through the blocks above the site. Predicted without a free parameter, where
theory says something: near 0 by the tilt with M_loc, far out by LN(h + R_inf + alpha v), at the end
by the plateau LN(+-v) W^T; at the last block by the closed form, everywhere. `figures.real_model`
draws what is written here.

The authors' texts, contexts and layers are unpublished, so no figure can be pixel-identical. Blocks
are a quarter, half, and the last of the depth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.special import expit, logsumexp

from steering_strength.proofs_check.bridge.blocks import (
    asinh_grid,
    plateau,
    text_derivatives,
    text_losses,
)
from steering_strength.proofs_check.bridge.data import write_arrays
from steering_strength.proofs_check.bridge.local import derivatives, last_block, remainders
from steering_strength.proofs_check.bridge.options import FIGURES
from steering_strength.proofs_check.bridge.scores import Cloze, Score, benchmark_curve, judge_curve
from steering_strength.proofs_check.bridge.texts import text_windows
from steering_strength.proofs_check.bridge.vectors import Apply, Site, SteeringVector
from steering_strength.theory.errors import ShapeError

if TYPE_CHECKING:
    from steering_strength.proofs_check.bridge.model import SteeredModel
    from steering_strength.proofs_check.bridge.texts import ConceptTexts, TokenBatch

__all__ = ["adaptive_curve", "one_layer_record", "paper_records"]

Floats = NDArray[np.float64]
Arrays = dict[str, Any]

_RESAMPLINGS, _CONTEXTS, _TOKENS = 12, 4, 8
_EARLY, _MIDDLE, _LAST = range(3)
# Where KL(p_0 || p_alpha) exceeds 1 nat the expansions are not expected to say anything.
_NEAR_NATS = 1.0
_BAND = (0.1, 0.9)
# In probability: half the width of a point in the figure.
_SPLINE, _START, _MOST = 5e-3, 13, 49


def adaptive_curve(
    evaluate: Callable[[Floats], Floats],
    low: float,
    high: float,
    *,
    unit: float = 1.0,
    tolerance: float = _SPLINE,
    most: int = _MOST,
) -> tuple[Floats, Floats, float]:
    """A curve over alpha from few evaluations: nodes in asinh(alpha / unit), refined where needed.

    A distribution changes on the scale of its own alpha near 0 and like 1/alpha far out; each
    interval is halved until a cubic spline through the others predicts its midpoint.

    Parameters
    ----------
    evaluate : callable
        alphas (n,) -> values (n, k).

    Returns
    -------
    alphas, values : (n,) and (n, k)
    error : float
        Largest |spline - evaluation| at the midpoints that were checked last.
    """
    t = np.linspace(np.arcsinh(low / unit), np.arcsinh(high / unit), _START)
    alphas = unit * np.sinh(t)
    alphas[0], alphas[-1] = low, high
    values = np.asarray(evaluate(alphas), dtype=np.float64)
    # Intervals are open until their midpoint was predicted; halving one reopens its halves.
    open_ = np.ones(t.size - 1, dtype=bool)
    error = np.inf
    while open_.any() and alphas.size + open_.sum() <= most:
        left = np.flatnonzero(open_)
        middle = 0.5 * (t[left] + t[left + 1])
        new = unit * np.sinh(middle)
        seen = np.asarray(evaluate(new), dtype=np.float64)
        gap = np.abs(CubicSpline(t, values)(middle) - seen).max(axis=1)
        error = float(gap.max())
        order = np.argsort(np.concatenate([t, middle]), kind="stable")
        open_ = np.repeat(False, alphas.size + new.size - 1)
        wrong = left[gap > tolerance]
        shift = np.searchsorted(left, wrong)
        for half in (0, 1):
            open_[wrong + shift + half] = True
        t = np.concatenate([t, middle])[order]
        alphas = np.concatenate([alphas, new])[order]
        values = np.concatenate([values, seen])[order]
    return alphas, values, error


def paper_records(
    model: SteeredModel,
    concept: ConceptTexts,
    folder: Path,
    *,
    names: Sequence[str] = tuple(FIGURES),
    context: int = 0,
    windows: int = 4,
    judge: Callable[[str], float] | None = None,
    benchmark: Callable[[Any, Any], float] | None = None,
    seed: int = 0,
    progress: Callable[[str], None],
) -> list[Path]:
    """Measure the figures `names` and write paper_<name>.npz each; returns the files.

    Parameters
    ----------
    judge : callable, optional
        A text -> the probability that it shows the concept; default: a word of it occurs.
    benchmark : callable, optional
        (model, tokenizer) -> a score, called once under each steering; default: a cloze.
    """
    ready = _Paper(model, concept, context, windows, seed, progress)
    paths = []
    for number, name in enumerate(names, start=1):
        arrays: Arrays
        if name == "judge":
            arrays = _scored(
                judge_curve(model, ready.vectors[_MIDDLE], concept, judge, seed=seed, say=progress)
            )
        elif name == "benchmark":
            batch = text_windows(model.tokenizer, 2 * windows, ready.window, seed=seed)
            arrays = _scored(
                benchmark_curve(
                    model, ready.vectors[_MIDDLE], benchmark or Cloze(batch, seed=seed),
                    say=progress,
                )
            )  # fmt: skip
        else:
            arrays = ready.measure(name)
        arrays["title"] = f"{model.name}, “{concept.name}”. {FIGURES[name]}"
        paths.append(write_arrays(folder / f"paper_{name.replace('-', '_')}.npz", arrays))
        progress(f"figure {number} of {len(names)} measured: {name}")
    return paths


def one_layer_record(model: SteeredModel, concept: ConceptTexts, folder: Path) -> Path:
    """Fig. A.4: the one-layer GPT, alpha from 0 to 50, two contexts."""
    vector = model.vector(concept.positive, concept.neutral, 0, read="last")
    panels = [
        _panel(model, vector, model.encode([text]), f"“… {' '.join(text.split()[-4:])}”", 50.0)
        for text in concept.contexts[:2]
    ]
    title = f"{model.name}, “{concept.name}”. Fig. A.4: α from 0 to 50, its only block"
    return write_arrays(folder / "paper_one_layer.npz", {**_numbered(panels), "title": title})


def _numbered(panels: Sequence[Mapping[str, Any]], wide: int | None = None) -> Arrays:
    """One flat archive: the names of the arrays carry the number of the panel."""
    arrays: Arrays = {"panels": len(panels), "columns": wide or len(panels)}
    for number, panel in enumerate(panels):
        arrays |= {f"{name}_{number}": value for name, value in panel.items()}
    return arrays


def _scored(score: Score) -> Arrays:
    return {name: np.asarray(value) for name, value in vars(score).items()}


class _Paper:
    """A model, its vectors at three blocks, and one method for each figure."""

    def __init__(
        self, model: SteeredModel, concept: ConceptTexts, context: int, windows: int, seed: int,
        say: Callable[[str], None],
    ) -> None:  # fmt: skip
        if not model.blocks:
            raise ShapeError(
                f"{model.name} has no chain of blocks that map states to states",
                remedy="only the final norm can be examined: use the job final-norm",
            )
        depth = len(model.blocks)
        self.model, self.concept, self.seed, self.say = model, concept, seed, say
        self.sites = tuple(Site(layer) for layer in (depth // 4, depth // 2, depth - 1))
        self.vectors = model.vectors(concept.positive, concept.neutral, self.sites)
        self.shown = model.encode([concept.contexts[context]])
        self.windows = windows
        self.window = min(64, (model.longest or 65) - 1)

    def measure(self, name: str) -> Arrays:
        """The arrays of one figure of `FIGURES`, judge and benchmark apart."""
        makers = {
            "bumps": self.bumps,
            "negative": self.negative,
            "last-position": self.last_position,
            "negatives": self.negatives,
            "bootstrap": self.bootstrap,
            "normalised": self.normalised,
            "cross-entropy": self.cross_entropy,
            "concept": self.concept_probability,
        }
        return makers[name]()

    def rows(self, wanted: Sequence[tuple[SteeringVector, str]], sign: int = 1) -> Arrays:
        """The paper's range above, where alpha v is shorter than the state below."""
        panels = []
        for row in ("", ", |αv| ≤ |h|"):
            for vector, name in wanted:
                reach = vector.residual_norm / vector.norm if row else 200.0
                title = f"block {vector.site.layer}{name}{row}"
                panels.append(_panel(self.model, vector, self.shown, title, reach, sign=sign))
        return _numbered(panels, len(wanted))

    def bumps(self) -> Arrays:
        return self.rows([(vector, "") for vector in self.vectors])

    def negative(self) -> Arrays:
        return self.rows([(vector, "") for vector in self.vectors], -1)

    def last_position(self) -> Arrays:
        vector = self.vectors[_MIDDLE]
        last = vector.applied("last")
        return self.rows([(vector, ", all positions"), (last, ", last position only")])

    def negatives(self) -> Arrays:
        sampled = self.model.with_sampled_negatives(self.concept, seed=self.seed).neutral
        other = self.model.vector(self.concept.positive, sampled, self.sites[_MIDDLE])
        own = self.vectors[_MIDDLE]
        return self.rows([(own, ", N of the concept file"), (other, ", N sampled from the model")])

    def normalised(self) -> Arrays:
        vector = self.vectors[_MIDDLE]
        unit = replace(vector, values=vector.values / vector.norm)
        panels = [
            _panel(self.model, unit, self.shown, f"block {unit.site.layer}, |v| = 1{name}", reach)
            for name, reach in (("", 2000.0), (", |αv| ≤ |h|", unit.residual_norm))
        ]
        return _numbered(panels)

    def bootstrap(self) -> Arrays:
        """Resample P and N; the tokens are those of the vector of all texts."""
        rng, site = np.random.default_rng(self.seed), self.sites[_MIDDLE]
        vector = self.vectors[_MIDDLE]
        sides = [
            self.model.states(texts, site, "mean").double().numpy()
            for texts in (self.concept.positive, self.concept.neutral)
        ]
        panels = []
        for name, reach in (("", 200.0), (", |αv| ≤ |h|", vector.residual_norm / vector.norm)):
            whole = _panel(self.model, vector, self.shown, f"block {site.layer}{name}", reach)
            drawn = []
            for _ in range(_RESAMPLINGS):
                plus, minus = (s[rng.integers(0, len(s), len(s))].mean(0) for s in sides)
                again = replace(vector, values=plus - minus)
                drawn.append(_panel(self.model, again, self.shown, "", reach, like=whole))
            measured = np.stack([panel["measured"] for panel in drawn])
            mean = {
                key: np.stack([panel[key] for panel in drawn]).mean(axis=0)
                for key in ("measured", "near", "far", "exact", "plateau")
            }
            # Quantiles: a probability cannot fall below 0, and a band should not.
            low, high = np.quantile(measured, _BAND, axis=0)
            panels.append({**whole, **mean, "low": low, "high": high})
            self.say(f"{_RESAMPLINGS} resamplings measured{name}")
        return _numbered(panels)

    def cross_entropy(self) -> Arrays:
        batch = text_windows(self.model.tokenizer, self.windows, self.window, seed=self.seed)
        curves = []
        for vector in self.vectors:
            curves.append(_entropy(self.model, vector, batch))
            self.say(f"cross-entropy at {vector.site.name} measured")
        return _numbered(curves)

    def concept_probability(self) -> Arrays:
        """F_T at the three blocks, mean over a few contexts."""
        batch = self.model.encode(self.concept.contexts[:_CONTEXTS])
        words = self.model.tokens(self.concept.words)
        return _numbered([_concept(self.model, v, batch, words) for v in self.vectors])


def _panel(
    model: SteeredModel,
    vector: SteeringVector,
    batch: TokenBatch,
    title: str,
    reach: float,
    *,
    sign: int = 1,
    like: Mapping[str, Any] | None = None,
) -> Arrays:
    """Delta p of the likeliest tokens at the far end of [0, reach] or [-reach, 0].

    `like` is a panel whose tokens and alphas are taken instead of finding them.
    """
    apply: Apply = "last" if vector.apply == "last" else "all"
    held = model.hold(batch, vector.site, apply)
    (local,) = derivatives(held, vector)

    def log_q(alphas: Floats) -> Floats:
        return model.log_softmax(held.last_normed([0] * alphas.size, alphas, vector))

    if like is None:
        tokens = np.argsort(-log_q(np.array([sign * reach]))[0], kind="stable")[:_TOKENS]
        low, high = sorted((0.0, sign * reach))
        alphas, values, error = adaptive_curve(
            lambda a: np.exp(log_q(a)[:, tokens]), low, high, unit=min(1.0, reach / 50)
        )
    else:
        tokens, alphas, error = like["tokens"], like["alphas"], float("nan")
        values = np.exp(log_q(alphas)[:, tokens])
    base = np.exp(local.log_p[tokens])
    family = local.family()
    near = np.exp(np.stack([family.log_probability(float(a))[tokens] for a in alphas]))
    within = family.cross_entropy_increase(alphas) <= _NEAR_NATS
    rest = remainders(held, vector, sign)[0]
    steering = model.norm.steering(rest, vector.values)
    scale = np.linalg.norm(model.norm.centred(rest)) / np.linalg.norm(
        model.norm.centred(vector.values)
    )
    far = np.exp(model.log_softmax(torch.as_tensor(steering.output(alphas)))[:, tokens])
    exact = np.full(values.shape, np.nan)
    if vector.site.layer == len(model.blocks) - 1:
        h = held.residual[0, int(batch.last[0])].double().cpu().numpy()
        exact = np.exp(last_block(model, h, vector).log_probability(alphas)[:, tokens]) - base
    return {
        "panel_title": title,
        "tokens": tokens,
        "token_text": [model.token_text(int(t)) for t in tokens],
        "alphas": alphas,
        "measured": values - base,
        "near": np.where(within[:, None], near - base, np.nan),
        "far": np.where((np.abs(alphas) >= scale)[:, None], far - base, np.nan),
        "exact": exact,
        "plateau": np.exp(plateau(model, vector)[(sign + 1) // 2, tokens]) - base,
        "low": np.full(values.shape, np.nan),
        "high": np.full(values.shape, np.nan),
        "error": error,
    }


def _entropy(model: SteeredModel, vector: SteeringVector, windows: TokenBatch) -> Arrays:
    """Delta CE on text in nats per token: measured, its parabola at 0, and its plateaus."""
    held, half = model.hold(windows, vector.site), 12
    alphas = asinh_grid(100.0, 1.0, half)
    losses = np.array(
        [text_losses(model, held.all_normed(a, vector), windows.ids).mean() for a in alphas]
    )
    one = model.hold(windows.row(0), vector.site)
    step = 0.03 / derivatives(one, vector)[0].variance ** 0.5
    states = [
        held.all_normed(a, vector)[:, :-1].reshape(-1, model.width) for a in (-step, 0.0, step)
    ]
    goal = windows.ids[:, 1:].reshape(-1).numpy()
    slopes, curvatures, _ = text_derivatives(model, states, goal, step)
    unsteered = float(losses[half])
    ends = -plateau(model, vector)[:, goal].mean(axis=1) - unsteered
    return {
        "layer": int(vector.site.layer or 0),
        "alphas": alphas,
        "measured": losses - unsteered,
        "slope": float(slopes.mean()),
        "curvature": float(curvatures.mean()),
        "plateau": ends,
        "unsteered": unsteered,
    }


def _concept(
    model: SteeredModel, vector: SteeringVector, batch: TokenBatch, words: NDArray[np.int64]
) -> Arrays:
    """F_T on [-40, 40]: measured, the tilt and the sigmoid with the slope of M_loc, the plateau."""
    held, half = model.hold(batch, vector.site), 14
    alphas = asinh_grid(40.0, 1.0, half)
    inside = np.zeros(model.vocabulary, dtype=bool)
    inside[words] = True
    rows: dict[str, list[Floats]] = {"measured": [], "tilt": [], "sigmoid": [], "exact": []}
    for j, local in enumerate(derivatives(held, vector)):
        log_q = model.log_softmax(held.last_normed([j] * alphas.size, alphas, vector))
        rows["measured"].append(_share(log_q, inside))
        family = local.family()
        near = family.cross_entropy_increase(alphas) <= _NEAR_NATS
        odds = family.concept_log_odds(inside, alphas)
        rows["tilt"].append(np.where(near, expit(odds), np.nan))
        # d logit F_T / d alpha at 0: the slope nu of the sigmoid.
        f = float(expit(odds[half]))
        nu = float(family.concept_slope(inside, 0.0)) / (f * (1.0 - f))
        rows["sigmoid"].append(np.where(near, expit(odds[half] + nu * alphas), np.nan))
        exact = np.full(alphas.size, np.nan)
        if vector.site.layer == len(model.blocks) - 1:
            h = held.residual[j, int(batch.last[j])].double().cpu().numpy()
            exact = _share(last_block(model, h, vector).log_probability(alphas), inside)
        rows["exact"].append(exact)
    mean = {name: np.stack(values).mean(axis=0) for name, values in rows.items()}
    layer = int(vector.site.layer or 0)
    ends = _share(plateau(model, vector), inside)
    return {"layer": layer, "alphas": alphas, "plateau": ends, **mean}


def _share(log_p: Floats, inside: NDArray[np.bool_]) -> Floats:
    return np.asarray(np.exp(logsumexp(log_p[..., inside], axis=-1)))
