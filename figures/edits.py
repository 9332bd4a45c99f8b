"""Ablation, a clamp and a conditional edit beside addition: how strengths spread, what each costs.

All edits act along the steering vector of forty contexts that mix the three concepts of the
example, in an interpolating model of them. An edit is a tilting with a strength for each context,
so every price lies on the curve KL(p_j || p_(j,c)) of its context; what differs
is where on it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from steering_strength.figures.instances import mixed_prompts
from steering_strength.figures.store import Record
from steering_strength.figures.style import (
    GREY,
    INK,
    ZERO,
    Artists,
    Panel,
    concept_colours,
    concept_mark,
)  # fmt: skip
from steering_strength.theory.engine import Ablation, Addition, Clamp, Conditional
from steering_strength.theory.model.table import log_softmax


def curves() -> Record:
    """Addition, ablation, a clamp to the largest reading, and addition where the feature is on.

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
    ufm, v = mixed_prompts(40, 5, 0.6)
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
    before = ufm.log_probability()
    after = [log_softmax((ufm.W @ each.edited(ufm.H)).T) for each in operators.values()]
    simulated = np.stack([np.sum(np.exp(before) * (before - each), axis=1) for each in after])
    price = np.stack(
        [each.population(ufm.W, ufm.H).cross_entropy_increase(1.0) for each in operators.values()]
    )
    return Record(
        edits=tuple(operators),
        concept=ufm.data.context_concept,
        strength=np.stack([each.strengths(ufm.H)[:, 0] / length for each in operators.values()]),
        price=price,
        simulated=simulated,
        average=price.mean(axis=1),
        deviation=float(np.abs(price - simulated).max()),
    )


def draw(record: Record, axes: Sequence[Axes]) -> Artists:
    """Left the strengths, right the prices, one row per edit; bars are means, rings simulated."""
    left, right = Panel.row(axes)
    colours = concept_colours(0, int(record.concept.max()) + 1)
    # Contexts above each other in their order, so that no dot hides another.
    lift = np.linspace(-0.3, 0.3, record.concept.size)
    for row in range(len(record.edits)):
        heights = row + lift
        right.rings(record.simulated[row], heights, GREY, zorder=2)
        for panel, name in ((left, "strength"), (right, "price")):
            values = getattr(record, name)[row]
            for c, colour in enumerate(colours):
                own, mark = record.concept == c, concept_mark(colour)
                panel.dots(name, values[own], heights[own], colour, marker=mark)
            mean = float(values.mean())
            panel.plot("mean", [mean, mean], [row - 0.4, row + 0.4], INK, linewidth=1.4)
    for ax in axes:
        ax.set_yticks(range(len(record.edits)), record.edits)
        ax.set(ylim=(-0.6, len(record.edits) - 0.4), ylabel="edit of the state")
        ax.tick_params(axis="y", length=0)
        ax.grid(visible=False, axis="y")
    left.ax.axvline(0.0, **ZERO)
    left.ax.set_xlabel(r"strength $c_j$  (in steering vectors)")
    right.ax.set_xlabel(r"price $\mathrm{KL}(p_j \parallel p_j')$  (nats)")
    left.ax.set_title("one mark per context; its concept: colour, shape")
    right.ax.set_title("bars: mean; rings: simulated model")
    return left.artists
