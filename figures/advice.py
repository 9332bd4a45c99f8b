"""Which alpha: effect, price and token peaks against alpha, the advised window shaded.

For one context the lowest panel shows the likeliest target and off-target tokens with their peaks;
for a population it shows how many contexts an alpha serves, and bands of quantiles stand for the
curves. The ends of the window are named where they are. Everything is computed by the caller's
family or curve; nothing is solved here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import logsumexp

from steering_strength.figures.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    LAW,
    ORANGE,
    PEAK,
    shown,
    signed,
    spread,
    style,
)
from steering_strength.theory import TiltedFamily
from steering_strength.theory.advice import ContextAdvice, PopulationAdvice

__all__ = ["AdviceCurves", "curves", "draw", "picture", "population_curves"]

Floats = NDArray[np.float64]
Curve = Callable[[Floats], Floats]

_POINTS = 241
_SHOWN = 3
_ROWS = 8


@dataclass(frozen=True, eq=False)
class AdviceCurves:
    """The arrays behind the picture; B = 1 for one context, 3 for quantile, median, quantile.

    Attributes
    ----------
    alpha : (A,)
    concept, price : (A, B)
        F_T (nan without a target), and Delta CE in nats.
    average : (A, 2)
        F_T and Delta CE averaged over a population; the curves again for one context.
    token : (A, k)
        Probabilities of the tokens shown; k = 0 for a population.
    names : (k,) str
    is_target : (k,) bool
    peak : (k,)
        The alpha of each token's peak; infinite or nan where it has none.
    share : (A,)
        Weight of the contexts whose own window holds alpha.
    low, high : float
        The advised window, signed; nan for an end that does not exist.
    level, budget : float
        What was demanded of F_T and Delta CE; nan where nothing was.
    low_words, high_words, verdict : str
    """

    alpha: Floats
    concept: Floats
    price: Floats
    average: Floats
    token: Floats
    names: NDArray[np.str_]
    is_target: NDArray[np.bool_]
    peak: Floats
    share: Floats
    low: float
    high: float
    level: float
    budget: float
    low_words: str
    high_words: str
    verdict: str


def curves(
    advice: ContextAdvice,
    curve: Curve,
    *,
    peaks: Floats | None = None,
    name: Callable[[int], str] = str,
    alpha: Floats | None = None,
) -> AdviceCurves:
    """The picture of one context.

    Parameters
    ----------
    advice : ContextAdvice
    curve : function
        Signed alphas (A,) to log-probabilities (A, V): `TiltedFamily.log_probability`, or another.
    peaks : (V,), optional
        `TiltedFamily.peaks()`; without them, the highest of the points is marked where it lies
        inside.
    name : function
        From a token's index to its text.
    alpha : (A,), optional
        Where to evaluate; by default 241 points over the window and half as far again.
    """
    grid = _grid([advice], advice.window) if alpha is None else np.asarray(alpha, dtype=float)
    target = advice.demand.target
    base = curve(np.zeros(1))[0]
    p = np.exp(base)
    shown = _shown(curve, grid, target)
    concept, price = np.full((grid.size, 1), np.nan), np.empty((grid.size, 1))
    token = np.empty((grid.size, shown.size))
    for start in range(0, grid.size, _ROWS):
        piece = slice(start, start + _ROWS)
        rows = curve(grid[piece])
        finite = p > 0.0
        price[piece, 0] = (base[finite] - rows[:, finite]) @ p[finite]
        token[piece] = np.exp(rows[:, shown])
        if target is not None:
            concept[piece, 0] = np.exp(logsumexp(rows[:, target], axis=1))
    top = grid[np.argmax(token, axis=0)]
    inside = (top != grid[0]) & (top != grid[-1])
    found = np.where(inside, top, np.nan) if peaks is None else peaks[shown]
    window = advice.window
    return AdviceCurves(
        alpha=grid,
        concept=concept,
        price=np.maximum(price, 0.0),
        average=np.concatenate((concept, price), axis=1),
        token=token,
        names=np.array([name(int(z)) for z in shown], dtype=np.str_),
        is_target=np.zeros(shown.size, bool) if target is None else target[shown],
        peak=found,
        share=np.array([float(window.holds(float(a))) for a in grid]),
        **_ends(advice),
    )


def population_curves(
    advice: PopulationAdvice, families: Sequence[TiltedFamily], band: float = 0.1
) -> AdviceCurves:
    """The picture of a population: quantiles `band`, 1/2 and 1 - `band` over its contexts."""
    grid = _grid(advice.contexts, advice.window)
    target, weights = advice.demand.target, advice.weights
    price = np.stack([family.cross_entropy_increase(grid) for family in families], axis=1)
    concept = np.full_like(price, np.nan)
    if target is not None:
        odds = np.stack([family.concept_log_odds(target, grid) for family in families], axis=1)
        concept = np.exp(-np.logaddexp(0.0, -odds))
    near, far = np.minimum(advice.lows, advice.highs), np.maximum(advice.lows, advice.highs)
    usable = np.array([context.window.usable for context in advice.contexts])
    holds = (near <= grid[:, None]) & (grid[:, None] <= far) & usable
    return AdviceCurves(
        alpha=grid,
        concept=_bands(concept, weights, band),
        price=_bands(price, weights, band),
        average=np.stack((concept @ weights, price @ weights), axis=1),
        token=np.zeros((grid.size, 0)),
        names=np.zeros(0, dtype=np.str_),
        is_target=np.zeros(0, dtype=bool),
        peak=np.zeros(0),
        share=holds @ weights,
        **_ends(advice),
    )


def draw(record: AdviceCurves, axes: Sequence[Axes]) -> None:
    """Fill three axes: effect, price, and tokens or the share of contexts served."""
    many = record.concept.shape[1] == 3
    for ax in axes:
        _shade(record, ax)
        ax.set_xlim(float(record.alpha.min()), float(record.alpha.max()))
    _line(axes[0], record, record.concept, 0, BLUE)
    axes[0].set_ylabel(r"$F_T(\alpha)$")
    axes[0].set_ylim(0.0, None)
    if math.isfinite(record.level):
        _bound(axes[0], record, record.level, f"at least {record.level:.3g}")
    _line(axes[1], record, record.price, 1, INK)
    axes[1].set_ylabel(r"$\Delta$CE  (nats)")
    # Far outside the window the price says nothing more.
    tallest = float(np.nanmax(record.price))
    if record.budget > 0.0:
        tallest = min(tallest, 3.0 * record.budget)
        _bound(axes[1], record, record.budget, f"at most {record.budget:.3g}")
    axes[1].set_ylim(0.0, 1.05 * tallest if tallest > 0.0 else 1.0)
    if many:
        axes[2].fill_between(record.alpha, record.share, color=GREEN, alpha=0.25, linewidth=0)
        axes[2].plot(record.alpha, record.share, color=GREEN, **LAW)
        axes[2].set_ylabel("contexts served")
        axes[2].set_ylim(0.0, 1.03)
    else:
        _tokens(axes[2], record)
    axes[2].set_xlabel(r"steering strength $\alpha$  (in steering vectors)")
    _name_ends(record, axes[0])


def picture(record: AdviceCurves, title: str = "") -> Figure:
    """The three panels as one figure in the house style."""
    with style():
        canvas = Figure(figsize=(6.4, 7.0))
        axes = canvas.subplots(3, 1, sharex=True, gridspec_kw={"height_ratios": [1, 1, 1.25]})
        canvas.set_layout_engine("constrained")
        draw(record, axes)
        if title:
            canvas.suptitle(shown(title, 100), x=0.02, ha="left", fontsize=10.5)
    return canvas


def _grid(contexts: Sequence[ContextAdvice], window: object) -> Floats:
    """From 0 to half as far again as the farthest end that is finite."""
    sign = contexts[0].demand.sign
    ends = [getattr(getattr(window, side), "alpha", math.nan) for side in ("low", "high")]
    if not any(math.isfinite(end) and end != 0.0 for end in ends):
        ends = [end.alpha for context in contexts for end in context.ends]
    if not any(math.isfinite(end) and end != 0.0 for end in ends):
        ends = [context.plateau.alpha for context in contexts if context.plateau]
    far = max((abs(end) for end in ends if math.isfinite(end)), default=1.0) or 1.0
    return sign * np.linspace(0.0, 1.5 * far, _POINTS)


def _ends(advice: ContextAdvice | PopulationAdvice) -> dict[str, Any]:
    window, demand = advice.window, advice.demand
    low, high = (a if math.isfinite(a) else math.nan for a in (window.low.alpha, window.high.alpha))
    return {
        "low": low,
        "high": high,
        "level": math.nan if demand.level is None else demand.level,
        "budget": math.nan if demand.cross_entropy is None else demand.cross_entropy,
        "low_words": _short(window.low.words),
        "high_words": _short(window.high.words),
        "verdict": window.status,
    }


def _short(words: str) -> str:
    return words.split(" in context ")[0].replace("Delta CE", "ΔCE").replace("p_alpha", "p_α")


def _shown(curve: Curve, grid: Floats, target: NDArray[np.bool_] | None) -> NDArray[np.intp]:
    """The tokens of T and of the rest that get likeliest somewhere, three of each."""
    best = np.max([curve(np.array([a]))[0] for a in grid[:: grid.size // 12]], axis=0)
    sets = [np.ones(best.size, bool)] if target is None else [target, ~target]
    chosen = []
    for part in sets:
        index = np.flatnonzero(part)
        chosen.append(index[np.argsort(-best[index], kind="stable")[:_SHOWN]])
    return np.concatenate(chosen)


def _bands(values: Floats, weights: Floats, band: float) -> Floats:
    """Weighted quantiles along the contexts, (A, 3)."""
    order = np.argsort(values, axis=1)
    total = np.cumsum(weights[order], axis=1)
    rows = np.take_along_axis(values, order, axis=1)
    index = [np.argmax(total >= q * total[:, -1:] - 1e-12, axis=1) for q in (band, 0.5, 1 - band)]
    return np.stack([np.take_along_axis(rows, i[:, None], axis=1)[:, 0] for i in index], axis=1)


def _shade(record: AdviceCurves, ax: Axes) -> None:
    low, high = record.low, record.high
    if record.verdict != "ok" or math.isnan(low):
        return
    edge = float(record.alpha[-1]) if math.isnan(high) else high
    ax.axvspan(*sorted((low, edge)), color=GREEN, alpha=0.13, linewidth=0, zorder=0)
    for end in (low, high):
        if math.isfinite(end) and end != 0.0:
            ax.axvline(end, color=GREEN, linewidth=1.0, zorder=1)


def _line(ax: Axes, record: AdviceCurves, values: Floats, column: int, colour: str) -> None:
    if np.isnan(values).all():
        ax.text(0.5, 0.5, "no target tokens were given", transform=ax.transAxes, ha="center")
        return
    if values.shape[1] == 1:
        ax.plot(record.alpha, values[:, 0], color=colour, **LAW)
        return
    low, middle, high = values.T
    ax.fill_between(record.alpha, low, high, color=colour, alpha=0.16, linewidth=0)
    ax.plot(record.alpha, middle, color=colour, **LAW)
    dashed: dict[str, Any] = {"color": colour, "linewidth": 1.2, "linestyle": (0, (4, 2))}
    ax.plot(record.alpha, record.average[:, column], **dashed)
    if column == 0:
        ax.plot([], [], color=colour, linewidth=1.6, label="median context")
        ax.plot([], [], **dashed, label="average")
        ax.fill_between([], [], [], color=colour, alpha=0.16, label="80 % of the contexts")
        ax.legend(loc="upper left", bbox_to_anchor=(0.0, 1.0))


def _bound(ax: Axes, record: AdviceCurves, value: float, words: str) -> None:
    ax.axhline(value, color=GREY, linewidth=1.0, linestyle=(0, (2, 2)), zorder=2)
    ax.annotate(
        words,
        (float(record.alpha.max()), value),
        xytext=(-3, 3),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=8.5,
        color=GREY,
    )


def _tokens(ax: Axes, record: AdviceCurves) -> None:
    colours = [BLUE if inside else ORANGE for inside in record.is_target]
    for k, colour in enumerate(colours):
        ax.plot(record.alpha, record.token[:, k], color=colour, **LAW)
        near, far = sorted((float(record.alpha[0]), float(record.alpha[-1])))
        if near < record.peak[k] < far:
            order = np.argsort(record.alpha)
            height = np.interp(record.peak[k], record.alpha[order], record.token[order, k])
            ax.plot([record.peak[k]], [height], color=colour, **PEAK)
    ax.set_ylabel(r"$p_\alpha(z)$")
    # Bumps of rare tokens are the point; four decades below the highest there is nothing to see.
    highest = float(record.token.max())
    lowest = max(float(record.token.min()), 1e-4 * highest)
    ax.set_yscale("log")
    ax.set_ylim(0.7 * lowest, 1.4 * highest)
    side = -1 if record.alpha[-1] > record.alpha[0] else 0
    entries = [
        (str(name), float(record.token[side, k]), colours[k]) for k, name in enumerate(record.names)
    ]
    _label_log(ax, entries)


def _label_log(ax: Axes, entries: list[tuple[str, float, str]]) -> None:
    """Names at the right edge of a logarithmic axis; `spread` works on the axis' own scale."""
    low, high = (math.log10(y) for y in ax.get_ylim())
    wished = [min(max(math.log10(max(y, 1e-300)), low), high) for _, y, _ in entries]
    for (text, _, colour), place in zip(entries, spread(wished, 0.075 * (high - low)), strict=True):
        ax.annotate(
            shown(text),
            (float(ax.get_xlim()[1]), 10.0**place),
            xytext=(6, 0),
            textcoords="offset points",
            color=colour,
            fontsize=9,
            va="center",
            annotation_clip=False,
        )


def _name_ends(record: AdviceCurves, ax: Axes) -> None:
    """Above the first panel: which alpha each end is, and what sets it."""
    if record.verdict != "ok":
        verdicts = {
            "empty": "the window is empty",
            "never": "the level is never reached",
            "unsettled": "an end was not found",
        }
        ax.set_title(verdicts.get(record.verdict, "nothing moves"))
        return
    parts = []
    for end, words in ((record.low, record.low_words), (record.high, record.high_words)):
        text = "no end" if math.isnan(end) else f"α = {signed(end, 3)}"
        parts.append(f"{text}: {words}" if end != 0.0 else text)
    ax.set_title("\n".join((f"from {parts[0]}", f"to {parts[1]}")), fontsize=9)
