"""Figures 3 and B.1: the probability of each token against alpha, with its peak.

Theorem 3.3 of arXiv:2602.02712: a token with neither the largest nor the smallest log-odds
rises to one peak and falls; target tokens peak after off-target ones; the token with the
largest log-odds rises throughout, that with the smallest falls throughout. Peaks and limits
in the picture are the computed values, not read off the curves.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from steering_strength.figures.instances import BoolArray, Example, paper_example
from steering_strength.figures.store import Record
from steering_strength.figures.style import Artists, Panel, shown, signed, token_colours


def curves(
    low: float, high: float, *, context: str = "ABB", example: Example | None = None
) -> Record:
    """Delta p(z|c_j, alpha) of every token in one context (Def. 3.1), at 1,201 strengths.

    Returns
    -------
    target : (V,) bool
        Whether the token belongs to T.
    probability, log_odds : (V,)
        p(z|c_j), and M(z) in nats per unit of alpha.
    law, simulated : (A, V)
        Delta p by the closed form, and by matrix product and softmax.
    peak : (V,)
        alpha_(j,z); +inf at the largest M, -inf at the smallest.
    peak_increase : (V,)
        Delta p at the peak; at an infinite peak its limit there.
    limit : (2, V)
        Delta p as alpha -> -inf and +inf (Prop. B.1).
    """
    chosen = example or paper_example()
    family, alpha = chosen.family(context), np.linspace(low, high, 1201)
    probability = chosen.data.probabilities[chosen.context(context)]
    return Record(
        context=context,
        tokens=chosen.token_names,
        concept=chosen.data.token_concept,
        target=chosen.data.token_concept == chosen.target,
        probability=probability,
        log_odds=chosen.log_odds(),
        alpha=alpha,
        law=family.probability_increase(alpha),
        simulated=chosen.increase(context, alpha),
        peak=family.peaks(),
        peak_increase=np.exp(family.peak_log_probability()) - probability,
        limit=np.exp(np.stack([family.limit(-1), family.limit(+1)])) - probability,
    )


def draw(
    record: Record,
    ax: Axes,
    *,
    explain: bool = True,
    shifts: Mapping[str, tuple[float, float]] | None = None,
) -> Artists:
    """Lines for the law, rings for the simulation, triangles at the peaks inside the window.

    A window that ends at alpha = 0 has its vertical axis on that side, so that every curve
    starts at the axis and is named where it ends. A window that starts there gets an inset
    in which the early peaks of the off-target tokens can be seen. `shifts` moves the label of
    a token's peak, in typographic points from the peak to the centre of the label. Without
    `explain`, for a small panel, there is no inset and peaks bear only the token's name.
    """
    low, high = float(record.alpha[0]), float(record.alpha[-1])
    colours = _colours(record)
    panel = Panel(ax)
    _curves(record, panel, rings=16)
    panel.strengths(record.alpha)
    end = 0 if high == 0 else 1
    for z in np.flatnonzero(record.limit[end] > 0).tolist():
        height = float(record.limit[end, z])
        panel.level("limits", height, colours[z])
        name = f"limit of {shown(record.tokens[z])}: {height:.3f}"
        at = (0.5 * low, height) if end == 0 else (0.05 * high, height)
        panel.label(name, at, (0, 4), color=colours[z], bbox=None)
    floor, ceiling = ax.get_ylim()
    # Every bump that is high enough to be seen bears its computed peak.
    visible = (record.peak > low) & (record.peak < high) & (record.peak_increase > 0.05)
    for z in np.flatnonzero(visible).tolist():
        name = shown(record.tokens[z])
        text = f"{name} peaks at {signed(record.peak[z])}" if explain else name
        point = (float(record.peak[z]), float(record.peak_increase[z]))
        shift = (shifts or {}).get(record.tokens[z], (0, 11))
        panel.label(text, point, shift, color=colours[z], ha="center", va="center")
    gap = 0.035 * (ceiling - floor)
    panel.name_ends(_names_at_end(record, gap, end), "left" if high == 0 else "right")
    if low < 0 < high:  # inside the picture, since the axis is on that side
        for text, height, colour in _names_at_end(record, gap, 0):
            if height > 4 * gap:
                panel.label(text, (low, height), (3, 7), color=colour, bbox=None)
    if high == 0:
        ax.yaxis.tick_right()
        ax.yaxis.set_label_position("right")
        ax.spines["left"].set_visible(False)
        ax.spines["right"].set_visible(True)
    ax.set_ylabel(r"increase of probability $\Delta p(z \mid \alpha)$")
    ax.set_title(f"context {shown(record.context)}; target tokens blue; rings: simulated model")
    early = ~record.target & (record.peak > 0) & np.isfinite(record.peak)
    if explain and low == 0 and early.any():
        panel.artists["inset"] = [_inset(record, ax, early)]
    return panel.artists


def _curves(record: Record, panel: Panel, rings: int, clip: bool = False) -> None:
    inside = (record.peak > record.alpha[0]) & (record.peak < record.alpha[-1])
    # Staggered, so that rings of curves that run together do not hide each other; curves that
    # hardly leave zero run so close that a third of the rings must do.
    rank = np.argsort(np.argsort(record.law[-1] + record.law[0]))
    for z, colour in enumerate(_colours(record)):
        count = rings if np.ptp(record.law[:, z]) > 0.1 else rings // 3
        step = (len(record.alpha) - 1) // count
        every = (int(rank[z]) * step // len(record.tokens), step)
        law, seen = record.law[:, z], record.simulated[:, z]
        panel.both(record.alpha, law, seen, colour, every, clip=clip)
        if inside[z]:
            panel.peaks("peaks", [record.peak[z]], [record.peak_increase[z]], colour)


def _names_at_end(record: Record, gap: float, end: int) -> list[tuple[str, float, str]]:
    """Names for the edge of the picture; curves of one colour that end together share a line."""
    heights, colours = record.law[-1 if end == 1 else 0], _colours(record)
    groups: list[list[int]] = []
    for z in np.argsort(-heights).tolist():
        for group in groups:
            if colours[group[-1]] == colours[z] and abs(heights[group[-1]] - heights[z]) < gap:
                group.append(z)
                break
        else:
            groups.append([z])
    return [
        (
            " ".join(sorted(shown(record.tokens[z]) for z in group)),
            float(np.mean([float(heights[z]) for z in group])),
            colours[group[0]],
        )
        for group in groups
    ]


def _inset(record: Record, ax: Axes, early: BoolArray) -> Axes:
    """The start, enlarged: the off-target tokens in `early` peak before any target (Thm 3.3)."""
    first = float(record.peak[early].max())
    top = 2.6 * float(record.peak_increase[early].max())
    small = Panel(ax.inset_axes((0.63, 0.40, 0.34, 0.29)))
    near = record.alpha <= 6 * first
    parts = {name: getattr(record, name)[near] for name in ("alpha", "law", "simulated")}
    _curves(record.changed(**parts), small, rings=20, clip=True)
    small.zero()
    small.ax.set(xlim=(0, 6 * first), ylim=(-0.9 * top, top))
    small.ax.tick_params(labelsize=7.5, length=2.5)
    names = ", ".join(shown(record.tokens[z]) for z in np.flatnonzero(early).tolist())
    title = f"the start, enlarged: {names} peak at {signed(first)}"
    colour = _colours(record)[int(early.argmax())]
    small.ax.set_title(title, fontsize=7.5, color=colour, pad=4, loc="center")
    return small.ax


def _colours(record: Record) -> list[str]:
    return token_colours(record.concept, int(record.concept[record.target][0]))
