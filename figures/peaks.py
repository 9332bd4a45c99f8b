"""Figures 3 and B.1: the probability of each token against alpha, with its peak.

Theorem 3.3 of arXiv:2602.02712: a token with neither the largest nor the smallest log-odds
rises to one peak and falls; target tokens peak after off-target ones; the token with the
largest log-odds rises throughout, that with the smallest falls throughout. Peaks and limits
in the picture are the computed values (laws `peak`, `limit`), not read off the curves.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from steering_strength.figures.instances import BoolArray, Example, paper_example
from steering_strength.figures.store import Record
from steering_strength.figures.style import (
    LIMIT,
    PEAK,
    Artists,
    concept_colours,
    concept_line,
    label_at,
    label_ends,
    law_and_rings,
    no_artists,
    shown,
    signed,
    strength_axis,
)


def curves(
    low: float, high: float, *, context: str = "ABB", example: Example | None = None
) -> Record:
    """The curves on [low, high] for one context of the example, 1,201 strengths.

    Delta p(z | c_j, alpha) of every token in one context (Def. 3.1).

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
    index = chosen.context(context)
    log_odds = chosen.log_odds()
    family = chosen.data.family(index, log_odds)
    alpha = np.linspace(low, high, 1201)
    probability = chosen.data.probabilities[index]
    law = family.probability_increase(alpha)
    unsteered = np.exp(chosen.simulated(np.zeros(1))[:, index])
    simulated = np.exp(chosen.simulated(alpha)[:, index]) - unsteered
    return Record(
        context=context,
        tokens=chosen.token_names,
        concept=chosen.data.token_concept,
        target=chosen.data.token_concept == chosen.target,
        probability=probability,
        log_odds=log_odds,
        alpha=alpha,
        law=law,
        simulated=simulated,
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
    artists = _curves(record, ax, rings=16)
    strength_axis(ax, record.alpha)
    end = 0 if high == 0 else 1
    for z in np.flatnonzero(record.limit[end] > 0).tolist():
        height = float(record.limit[end, z])
        artists["limits"].append(ax.axhline(height, color=_colour(record, z), **LIMIT))
        name = f"limit of {shown(record.tokens[z])}: {height:.3f}"
        at = (0.5 * low, height) if end == 0 else (0.05 * high, height)
        label_at(ax, name, at, (0, 4), color=_colour(record, z), bbox=None)
    floor, ceiling = ax.get_ylim()
    _name_peaks(record, ax, shifts or {}, explain)
    gap = 0.035 * (ceiling - floor)
    side = "left" if high == 0 else "right"
    label_ends(ax, _names_at_end(record, gap, end), side=side)
    if low < 0 < high:  # inside the picture, since the axis is on that side
        names = _names_at_end(record, gap, 0)
        for text, height, colour in [entry for entry in names if entry[1] > 4 * gap]:
            label_at(ax, text, (low, height), (3, 7), color=colour, bbox=None)
    if high == 0:
        ax.yaxis.tick_right()
        ax.yaxis.set_label_position("right")
        ax.spines[["left", "right"]].set_visible(False)
        ax.spines["right"].set_visible(True)
    ax.set_ylabel(r"increase of probability $\Delta p(z \mid \alpha)$")
    ax.set_title(f"context {shown(record.context)}; target tokens blue; rings: simulated model")
    early = ~record.target & (record.peak > 0) & np.isfinite(record.peak)
    if explain and low == 0 and early.any():
        artists["inset"] = [_inset(record, ax, early)]
    return artists


def _curves(record: Record, ax: Axes, rings: int, **options: bool) -> Artists:
    artists = no_artists()
    inside = (record.peak > record.alpha[0]) & (record.peak < record.alpha[-1])
    height = np.ptp(record.law, axis=0)
    count = len(record.tokens)
    # Staggered, so that rings of curves that run together do not hide each other; curves that
    # hardly leave zero run so close that a third of the rings must do.
    rank = np.argsort(np.argsort(record.law[-1] + record.law[0]))
    for z in range(count):
        colour = _colour(record, z)
        step = (len(record.alpha) - 1) // (rings if height[z] > 0.1 else rings // 3)
        every, law, seen = (
            (int(rank[z]) * step // count, step), record.law[:, z], record.simulated[:, z]
        )  # fmt: skip
        law_and_rings(artists, ax, record.alpha, law, seen, concept_line(colour), every, **options)
        if inside[z]:
            point = [record.peak[z]], [record.peak_increase[z]]
            artists["peaks"] += ax.plot(*point, color=colour, **PEAK)
    return artists


def _name_peaks(
    record: Record, ax: Axes, shifts: Mapping[str, tuple[float, float]], explain: bool
) -> None:
    """Write the computed peak at every bump that is high enough to be seen."""
    low, high = record.alpha[0], record.alpha[-1]
    visible = (record.peak > low) & (record.peak < high) & (record.peak_increase > 0.05)
    for z in np.flatnonzero(visible).tolist():
        name = record.tokens[z]
        label_at(
            ax,
            f"{shown(name)} peaks at {signed(record.peak[z])}" if explain else shown(name),
            (float(record.peak[z]), float(record.peak_increase[z])),
            shifts.get(name, (0, 11)),
            color=_colour(record, z),
            ha="center",
            va="center",
        )


def _names_at_end(record: Record, gap: float, end: int) -> list[tuple[str, float, str]]:
    """Names for the edge of the picture; curves of one colour that end together share a line."""
    heights = record.law[-1 if end == 1 else 0]
    groups: list[tuple[list[str], list[float], str]] = []
    for z in np.argsort(-heights).tolist():
        colour = _colour(record, z)
        for names, values, shared in groups:
            if shared == colour and abs(values[-1] - heights[z]) < gap:
                names.append(shown(record.tokens[z]))
                values.append(float(heights[z]))
                break
        else:
            groups.append(([shown(record.tokens[z])], [float(heights[z])], colour))
    return [(" ".join(sorted(names)), float(np.mean(v)), c) for names, v, c in groups]


def _inset(record: Record, ax: Axes, early: BoolArray) -> Axes:
    """The start, enlarged: the off-target tokens in `early` peak before any target (Thm 3.3)."""
    first = float(record.peak[early].max())
    top = 2.6 * float(record.peak_increase[early].max())
    small = ax.inset_axes((0.63, 0.40, 0.34, 0.29))
    near = record.alpha <= 6 * first
    start = record.changed(
        alpha=record.alpha[near], law=record.law[near], simulated=record.simulated[near]
    )
    _curves(start, small, rings=20, clip_on=True)
    small.set_xlim(0, 6 * first)
    small.set_ylim(-0.9 * top, top)
    small.axhline(0.0, color="#8A8A8A", linewidth=0.8, zorder=1)
    small.tick_params(labelsize=7.5, length=2.5)
    names = ", ".join(shown(record.tokens[z]) for z in np.flatnonzero(early).tolist())
    small.set_title(
        f"the start, enlarged: {names} peak at {signed(first)}",
        fontsize=7.5,
        color=_colour(record, int(early.argmax())),
        pad=4,
        loc="center",
    )
    return small


def _colour(record: Record, token: int) -> str:
    target = int(record.concept[record.target][0])
    return concept_colours(target, int(record.concept.max()) + 1)[record.concept[token]]
