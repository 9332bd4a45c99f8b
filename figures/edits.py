"""Ablation, a clamp and a conditional edit beside addition: how strengths spread, what each costs.

All edits act along the steering vector of forty contexts that mix the three concepts of the
example, in an interpolating model of them. An edit is a tilting with a strength for each context
(law `operator`), so every price lies on the curve KL(p_j || p_(j,c)) of its context; what differs
is where on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from steering_strength.figures.instances import mixed_prompts
from steering_strength.figures.store import Record
from steering_strength.figures.style import (
    GREY,
    INK,
    SIMULATION,
    Artists,
    concept_colours,
    concept_mark,
    no_artists,
)
from steering_strength.theory.engine import Ablation, Addition, Clamp, Conditional
from steering_strength.theory.model.table import log_softmax


def curves(contexts: int = 40) -> Record:
    """Addition, ablation, a clamp to the largest reading, and addition where the feature is on.

    Strengths and prices of some edits along one direction, context by context.

    Returns
    -------
    edits : tuple of str, length E
    concept : (m,) int
        The heaviest concept of each context.
    strength : (E, m)
        In steering vectors.
    price : (E, m)
        KL(p_j || edited p_j) by the closed form, nats.
    simulated : (E, m)
        The same from edited states, by matrix product and softmax.
    average : (E,)
        Delta CE, nats.
    deviation : float
        max |price - simulated|.
    """
    ufm, v = mixed_prompts(contexts, 5, 0.6)
    length = float(np.linalg.norm(v))
    u = v / length
    reading = u @ ufm.H
    usual = float(np.abs(reading - np.median(reading)).mean())
    added = Addition(u, usual)
    operators = {
        "addition": added,
        "conditional": Conditional(added, u, float(np.median(reading))),
        "clamp": Clamp(u, float(reading.max()), u),
        "ablation": Ablation(u),
    }
    populations = {name: each.population(ufm.W, ufm.H) for name, each in operators.items()}
    before = ufm.log_probability()
    after = [log_softmax((ufm.W @ each.edited(ufm.H)).T) for each in operators.values()]
    simulated = np.stack([np.sum(np.exp(before) * (before - each), axis=1) for each in after])
    price = np.stack([each.cross_entropy_increase() for each in populations.values()])
    return Record(
        edits=tuple(operators),
        concept=ufm.data.context_concept,
        strength=np.stack([each.strengths[:, 0] / length for each in populations.values()]),
        price=price,
        simulated=simulated,
        average=price.mean(axis=1),
        deviation=float(np.abs(price - simulated).max()),
    )


def draw(record: Record, axes: Sequence[Axes]) -> Artists:
    """Left the strengths, right the prices, one row per edit; bars are means, rings simulated."""
    left, right = axes
    colours = concept_colours(0, int(record.concept.max()) + 1)
    # Contexts above each other in their order, so that no dot hides another.
    lift = np.linspace(-0.3, 0.3, record.concept.size)
    artists = no_artists()
    for row in range(len(record.edits)):
        heights, rings = row + lift, {**SIMULATION, "zorder": 2, "color": GREY}
        artists["simulation"] += right.plot(record.simulated[row], heights, **rings)
        for ax, name in ((left, "strength"), (right, "price")):
            values = getattr(record, name)[row]
            for c, colour in enumerate(colours):
                own = record.concept == c
                look: dict[str, Any] = {"color": colour, "marker": concept_mark(colour), "s": 16}
                dots = ax.scatter(values[own], heights[own], linewidths=0, zorder=3, **look)
                artists[name].append(dots)
            mean, ends = float(values.mean()), [row - 0.4, row + 0.4]
            artists["mean"] += ax.plot([mean, mean], ends, color=INK, linewidth=1.4)
    for ax in axes:
        ax.set_yticks(range(len(record.edits)), record.edits)
        ax.set_ylim(-0.6, len(record.edits) - 0.4)
        ax.tick_params(axis="y", length=0)
        ax.grid(visible=False, axis="y")
        ax.set_ylabel("edit of the state")
    left.axvline(0.0, color="#8A8A8A", linewidth=0.8, zorder=1)
    left.set_xlabel(r"strength $c_j$  (in steering vectors)")
    right.set_xlabel(r"price $\mathrm{KL}(p_j \parallel p_j')$  (nats)")
    left.set_title("one mark per context; its concept: colour, shape")
    right.set_title("bars: mean; rings: simulated model")
    return artists
