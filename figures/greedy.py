"""The likeliest token against alpha: the upper envelope of lines, and who wins where (`greedy`).

log p(z) + alpha M(z) is a line for each token; the highest one is the greedy choice, at every
temperature. Its slope M only grows, and each token wins on one interval or never.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from steering_strength.figures.instances import paper_example
from steering_strength.figures.store import Record
from steering_strength.figures.style import (
    INK,
    LAW,
    SIMULATION,
    Artists,
    concept_colours,
    label_at,
    no_artists,
    shown,
    strength_axis,
)


def curves(low: float = -10.0, high: float = 26.0, *, context: str = "φχψ") -> Record:
    """The curves on [low, high] for one context of the example, 721 strengths.

    log p_alpha of every token in one context, and the path of the likeliest.

    Returns
    -------
    law : (A, V)
        log p_alpha(z), nats.
    best, simulated : (A,)
        The largest of them, by the path; and of the simulated model, by looking.
    path : (n,) int
        The winners from -inf to inf.
    switches : (n - 1,)
    deviation : float
        max |best - simulated|.
    """
    chosen = paper_example()
    index = chosen.context(context)
    family = chosen.data.family(index, chosen.log_odds())
    path, alpha = family.greedy_path(), np.linspace(low, high, 721)
    law = family.log_probability(alpha)
    best = law[np.arange(alpha.size), path.winner(alpha)]
    simulated = chosen.simulated(alpha)[:, index].max(axis=-1)
    return Record(
        context=context,
        tokens=chosen.token_names,
        concept=chosen.data.token_concept,
        target=chosen.target,
        alpha=alpha,
        law=law,
        best=best,
        simulated=simulated,
        path=path.tokens.astype(np.int64),
        switches=path.switches,
        deviation=float(np.abs(best - simulated).max()),
    )


def draw(record: Record, ax: Axes) -> Artists:
    """Faint all tokens, bold the likeliest, a bar below for who wins where, rings simulated."""
    artists = no_artists()
    palette = concept_colours(record.target, int(record.concept.max()) + 1)
    colours = [palette[int(c)] for c in record.concept]
    floor = float(record.best.min()) - 3.0
    for z, colour in enumerate(colours):
        thin: dict[str, Any] = {"color": colour, "linewidth": 0.7, "alpha": 0.45}
        artists["tokens"] += ax.plot(record.alpha, record.law[:, z], **thin)
    low, high = record.alpha[0], record.alpha[-1]
    ends = np.clip(np.concatenate(([low], record.switches, [high])), low, high)
    for token, first, last in zip(record.path, ends[:-1], ends[1:], strict=True):
        inside = (record.alpha >= first) & (record.alpha <= last)
        if first >= last:
            continue
        bold = {**LAW, "linewidth": 2.4, "color": colours[token]}
        artists["best"] += ax.plot(record.alpha[inside], record.best[inside], **bold)
        bar: dict[str, Any] = {
            "facecolor": colours[token],
            "edgecolor": "white",
            "linewidth": 1.2,
            "zorder": 4,
        }
        artists["wins"].append(ax.axvspan(first, last, 0.0, 0.06, **bar))
        middle = (0.5 * (first + last), floor)
        name = shown(record.tokens[token])
        label_at(ax, name, middle, (0, 3.5), color="white", ha="center", bbox=None)
    rings = {**SIMULATION, "color": INK, "markevery": 40}
    artists["simulation"] += ax.plot(record.alpha, record.simulated, **rings)
    strength_axis(ax, record.alpha)
    ax.set_ylim(floor, 0.3)
    ax.set_ylabel(r"log-probability $\log p_\alpha(z)$  (nats)")
    ax.set_title(f"context {shown(record.context)}; bars: who wins; rings: simulated model")
    return artists
