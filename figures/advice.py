"""Which alpha: effect, price and token peaks of one context, the advised window shaded.

The lowest panel shows the likeliest target and off-target tokens with their peaks. The ends of the
window are named where they are. Everything is computed by the caller's family or curve; nothing is
solved here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import logsumexp

from steering_strength.figures.store import Record
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
from steering_strength.theory.advice import ContextAdvice

Floats = NDArray[np.float64]
Curve = Callable[[Floats], Floats]

_POINTS = 241
_SHOWN = 3
_ROWS = 8


def curves(
    advice: ContextAdvice,
    curve: Curve,
    *,
    peaks: Floats | None = None,
    name: Callable[[int], str] = str,
) -> Record:
    """The arrays behind the picture, at 241 points over the window and half as far again.

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

    Returns
    -------
    alpha : (A,)
    concept, price : (A,)
        F_T (nan without a target), and Delta CE in nats.
    token : (A, k)
        Probabilities of the tokens shown.
    names : (k,) str
    is_target : (k,) bool
    peak : (k,)
        The alpha of each token's peak; infinite or nan where it has none.
    low, high : float
        The advised window, signed; nan for an end that does not exist.
    level, budget : float
        What was demanded of F_T and Delta CE; nan where nothing was.
    low_words, high_words, verdict : str
    """
    window, demand = advice.window, advice.demand
    grid, target, base = _grid(advice), demand.target, curve(np.zeros(1))[0]
    p, tokens = np.exp(base), _shown(curve, grid, target)
    concept, price = np.full(grid.size, np.nan), np.empty(grid.size)
    token, finite = np.empty((grid.size, tokens.size)), p > 0.0
    for start in range(0, grid.size, _ROWS):
        piece = slice(start, start + _ROWS)
        rows = curve(grid[piece])
        price[piece] = (base[finite] - rows[:, finite]) @ p[finite]
        token[piece] = np.exp(rows[:, tokens])
        if target is not None:
            concept[piece] = np.exp(logsumexp(rows[:, target], axis=1))
    top = grid[np.argmax(token, axis=0)]
    inside = (top != grid[0]) & (top != grid[-1])
    low, high = (a if math.isfinite(a) else math.nan for a in (window.low.alpha, window.high.alpha))
    return Record(
        alpha=grid,
        concept=concept,
        price=np.maximum(price, 0.0),
        token=token,
        names=np.array([name(int(z)) for z in tokens], dtype=np.str_),
        is_target=np.zeros(tokens.size, bool) if target is None else target[tokens],
        peak=np.where(inside, top, np.nan) if peaks is None else peaks[tokens],
        low=low,
        high=high,
        level=math.nan if demand.level is None else demand.level,
        budget=math.nan if demand.cross_entropy is None else demand.cross_entropy,
        low_words=_short(window.low.words),
        high_words=_short(window.high.words),
        verdict=window.status,
    )


def draw(record: Record, axes: Sequence[Axes]) -> None:
    """Fill three axes: effect, price and tokens."""
    effect, price, tokens = axes
    for ax in axes:
        _shade(record, ax)
        ax.set_xlim(float(record.alpha.min()), float(record.alpha.max()))
    if np.isnan(record.concept).all():
        words = "no target tokens were given"
        effect.text(0.5, 0.5, words, transform=effect.transAxes, ha="center")
    else:
        effect.plot(record.alpha, record.concept, color=BLUE, **LAW)
    effect.set_ylabel(r"$F_T(\alpha)$")
    effect.set_ylim(0.0, None)
    if math.isfinite(record.level):
        _bound(effect, record, record.level, f"at least {record.level:.3g}")
    price.plot(record.alpha, record.price, color=INK, **LAW)
    price.set_ylabel(r"$\Delta$CE  (nats)")
    # Far outside the window the price says nothing more.
    tallest = float(np.nanmax(record.price))
    if record.budget > 0.0:
        tallest = min(tallest, 3.0 * record.budget)
        _bound(price, record, record.budget, f"at most {record.budget:.3g}")
    price.set_ylim(0.0, 1.05 * tallest if tallest > 0.0 else 1.0)
    _tokens(tokens, record)
    tokens.set_xlabel(r"steering strength $\alpha$  (in steering vectors)")
    _name_ends(record, effect)


def picture(record: Record, title: str = "") -> Figure:
    """The three panels as one figure in the house style."""
    with style():
        canvas = Figure(figsize=(6.4, 7.0))
        axes = canvas.subplots(3, 1, sharex=True, gridspec_kw={"height_ratios": [1, 1, 1.25]})
        canvas.set_layout_engine("constrained")
        draw(record, axes)
        if title:
            canvas.suptitle(shown(title, 100), x=0.02, ha="left", fontsize=10.5)
    return canvas


def _grid(advice: ContextAdvice) -> Floats:
    """From 0 to half as far again as the farthest end that is finite."""
    plateau = [] if advice.plateau is None else [advice.plateau]
    for ends in ((advice.window.low, advice.window.high), advice.ends, plateau):
        far = max((abs(end.alpha) for end in ends if math.isfinite(end.alpha)), default=0.0)
        if far:
            break
    return advice.demand.sign * np.linspace(0.0, 1.5 * (far or 1.0), _POINTS)


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


def _shade(record: Record, ax: Axes) -> None:
    low, high = record.low, record.high
    if record.verdict != "ok" or math.isnan(low):
        return
    edge = float(record.alpha[-1]) if math.isnan(high) else high
    ax.axvspan(*sorted((low, edge)), color=GREEN, alpha=0.13, linewidth=0, zorder=0)
    for end in (low, high):
        if math.isfinite(end) and end != 0.0:
            ax.axvline(end, color=GREEN, linewidth=1.0, zorder=1)


def _bound(ax: Axes, record: Record, value: float, words: str) -> None:
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


def _tokens(ax: Axes, record: Record) -> None:
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


def _name_ends(record: Record, ax: Axes) -> None:
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
