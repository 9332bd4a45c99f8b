"""Which alpha: effect, price and token peaks of one context, the advised window shaded.

The lowest panel shows the likeliest target and off-target tokens with their peaks. The ends of the
window are named where they are. Everything is computed by the family; nothing is solved here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import expit

from steering_strength.figures.instances import BoolArray, FloatArray, columns, highest
from steering_strength.figures.store import Record
from steering_strength.figures.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    STRENGTH,
    Panel,
    shown,
    signed,
    style,
)
from steering_strength.theory import TiltedFamily
from steering_strength.theory.advice import ContextAdvice

_POINTS = 241
_SHOWN = 3


def curves(
    advice: ContextAdvice, family: TiltedFamily, *, name: Callable[[int], str] = str
) -> Record:
    """The arrays behind the picture, at 241 points over the window and half as far again.

    Parameters
    ----------
    advice : ContextAdvice
    family : TiltedFamily
        Whose advice it is.
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
    grid, target = _grid(advice), demand.target
    tokens = _shown(highest(family, *sorted((0.0, float(grid[-1])))), target)
    concept = np.full(grid.size, np.nan)
    if target is not None:
        concept = expit(family.concept_log_odds(target, grid))
    low, high = (a if math.isfinite(a) else math.nan for a in (window.low.alpha, window.high.alpha))
    return Record(
        alpha=grid,
        concept=concept,
        price=family.cross_entropy_increase(grid),
        token=np.exp(columns(family.log_probability, grid, tokens)).T,
        names=np.array([name(int(z)) for z in tokens], dtype=np.str_),
        is_target=np.zeros(tokens.size, bool) if target is None else target[tokens],
        peak=family.peaks()[tokens],
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
    panels = effect, price, tokens = Panel.row(axes)
    found = record.verdict == "ok" and not math.isnan(record.low)
    ends = [record.low, float(record.alpha[-1]) if math.isnan(record.high) else record.high]
    for panel in panels:
        panel.ax.set_xlim(float(record.alpha.min()), float(record.alpha.max()))
        if found:
            panel.span("window", min(ends), max(ends), GREEN, 0.13)
            for end in (record.low, record.high):
                if math.isfinite(end) and end != 0.0:
                    panel.ax.axvline(end, color=GREEN, linewidth=1.0, zorder=1)
    if np.isnan(record.concept).all():
        words = "no target tokens were given"
        effect.ax.text(0.5, 0.5, words, transform=effect.ax.transAxes, ha="center")
    else:
        effect.line("effect", record.alpha, record.concept, BLUE)
    effect.ax.set(ylabel=r"$F_T(\alpha)$", ylim=(0.0, None))
    effect.ax.set_title(_title(record), fontsize=9)
    price.line("price", record.alpha, record.price, INK)
    # Far outside the window the price says nothing more.
    tallest = float(np.nanmax(record.price))
    if record.budget > 0.0:
        tallest = min(tallest, 3.0 * record.budget)
    price.ax.set(ylabel=r"$\Delta$CE  (nats)", ylim=(0.0, 1.05 * tallest if tallest > 0.0 else 1.0))
    for panel, value, words in (
        (effect, record.level, "at least"),
        (price, record.budget, "at most"),
    ):
        if math.isfinite(value):
            panel.level("demand", value)
            end = (float(record.alpha.max()), value)
            place = {"ha": "right", "va": "bottom", "zorder": 3}
            panel.label(f"{words} {value:.3g}", end, (-3, 3), color=GREY, bbox=None, **place)
    _tokens(tokens, record)


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


def _grid(advice: ContextAdvice) -> FloatArray:
    """From 0 to half as far again as the farthest end that is finite."""
    plateau = [] if advice.plateau is None else [advice.plateau]
    for ends in ((advice.window.low, advice.window.high), advice.ends, plateau):
        far = max((abs(end.alpha) for end in ends if math.isfinite(end.alpha)), default=0.0)
        if far:
            break
    return advice.demand.sign * np.linspace(0.0, 1.5 * (far or 1.0), _POINTS)


def _short(words: str) -> str:
    return words.split(" in context ")[0].replace("Delta CE", "ΔCE").replace("p_alpha", "p_α")


def _shown(best: FloatArray, target: BoolArray | None) -> NDArray[np.intp]:
    """The tokens of T and of the rest that get likeliest somewhere, three of each."""
    sets = [np.ones(best.size, bool)] if target is None else [target, ~target]
    chosen = []
    for part in sets:
        index = np.flatnonzero(part)
        chosen.append(index[np.argsort(-best[index], kind="stable")[:_SHOWN]])
    return np.concatenate(chosen)


def _tokens(panel: Panel, record: Record) -> None:
    colours = [BLUE if inside else ORANGE for inside in record.is_target]
    order = np.argsort(record.alpha)
    alpha = record.alpha[order]
    for values, peak, colour in zip(record.token.T, record.peak, colours, strict=True):
        panel.line("token", record.alpha, values, colour)
        if alpha[0] < peak < alpha[-1]:
            height = np.interp(peak, alpha, values[order])
            panel.peaks("peaks", [peak], [height], colour)
    # Bumps of rare tokens are the point; four decades below the highest there is nothing to see.
    highest = float(record.token.max())
    lowest = max(float(record.token.min()), 1e-4 * highest)
    limits = (0.7 * lowest, 1.4 * highest)
    panel.ax.set(yscale="log", ylim=limits, xlabel=STRENGTH, ylabel=r"$p_\alpha(z)$")
    ends = record.token[order[-1]].tolist()
    panel.name_ends([*zip(map(shown, record.names), ends, colours, strict=True)])


def _title(record: Record) -> str:
    """Above the first panel: which alpha each end is, and what sets it."""
    if record.verdict != "ok":
        verdicts = {
            "empty": "the window is empty",
            "never": "the level is never reached",
            "unsettled": "an end was not found",
        }
        return verdicts.get(record.verdict, "nothing moves")
    parts = []
    for end, words in ((record.low, record.low_words), (record.high, record.high_words)):
        text = "no end" if math.isnan(end) else f"α = {signed(end, 3)}"
        parts.append(f"{text}: {words}" if end != 0.0 else text)
    return f"from {parts[0]}\nto {parts[1]}"
