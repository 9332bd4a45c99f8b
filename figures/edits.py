"""Ablation, a clamp and a conditional edit beside addition: how strengths spread, what each costs.

All edits act along the steering vector of forty contexts that mix the three concepts of the
example, in an interpolating model of them. An edit is a tilting with a strength for each context
(law `operator`), so every price lies on the curve KL(p_j || p_(j,c)) of its context; what differs
is where on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from numpy.typing import NDArray

from steering_strength.figures.instances import FloatArray, paper_example
from steering_strength.figures.style import GREY, INK, SIMULATION, concept_colours, concept_mark
from steering_strength.theory import ConceptDataset, UnconstrainedFeatures
from steering_strength.theory.engine import Ablation, Addition, Clamp, Conditional

__all__ = ["EditCurves", "curves", "draw"]


@dataclass(frozen=True)
class EditCurves:
    """Strengths and prices of some edits along one direction, context by context.

    Attributes
    ----------
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

    edits: tuple[str, ...]
    concept: NDArray[np.int64]
    strength: FloatArray
    price: FloatArray
    simulated: FloatArray
    average: FloatArray
    deviation: float


def _model(contexts: int) -> UnconstrainedFeatures:
    """Mixtures of the example's three concepts, drawn with a fixed seed, and a model of them."""
    data, rng = paper_example().data, np.random.default_rng(5)
    b = data.off_concept
    mixed = ConceptDataset.mixed(
        b,
        (data.in_concept - b) / (1.0 - b.sum()),
        data.token_concept,
        rng.dirichlet([0.6] * 3, size=contexts),
    )
    return UnconstrainedFeatures.interpolating(mixed, rng)


def _log_softmax(logits: FloatArray) -> FloatArray:
    shifted = logits - logits.max(axis=0)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=0)))


def curves(contexts: int = 40) -> EditCurves:
    """Addition, ablation, a clamp to the largest reading, and addition where the feature is on."""
    ufm = _model(contexts)
    concept = ufm.data.context_concept
    means = [ufm.H[:, concept == c].mean(axis=1) for c in (0, 1)]
    v = means[0] - means[1]
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
    before = _log_softmax(ufm.W @ ufm.H)
    simulated = [
        np.sum(np.exp(before) * (before - _log_softmax(ufm.W @ each.edited(ufm.H))), axis=0)
        for each in operators.values()
    ]
    price = np.stack([each.cross_entropy_increase() for each in populations.values()])
    return EditCurves(
        edits=tuple(operators),
        concept=concept,
        strength=np.stack([each.strengths[:, 0] / length for each in populations.values()]),
        price=price,
        simulated=np.stack(simulated),
        average=price.mean(axis=1),
        deviation=float(np.abs(price - np.stack(simulated)).max()),
    )


def draw(record: EditCurves, axes: Sequence[Axes]) -> dict[str, list[Artist]]:
    """Left the strengths, right the prices, one row per edit; bars are means, rings simulated."""
    left, right = axes
    colours = concept_colours(0, int(record.concept.max()) + 1)
    # Contexts above each other in their order, so that no dot hides another.
    lift = np.linspace(-0.3, 0.3, record.concept.size)
    artists: dict[str, list[Artist]] = {"strength": [], "price": [], "simulation": [], "mean": []}
    for row in range(len(record.edits)):
        heights = row + lift
        for c, colour in enumerate(colours):
            own = record.concept == c
            look: dict[str, Any] = {"color": colour, "marker": concept_mark(colour), "s": 16}
            for name, ax, values in (
                ("strength", left, record.strength), ("price", right, record.price)
            ):  # fmt: skip
                artists[name].append(
                    ax.scatter(values[row, own], heights[own], linewidths=0, zorder=3, **look)
                )
        (rings,) = right.plot(
            record.simulated[row], heights, color=GREY, **{**SIMULATION, "zorder": 2}
        )
        artists["simulation"].append(rings)
        for ax, mean in ((left, record.strength[row].mean()), (right, record.average[row])):
            (bar,) = ax.plot([mean, mean], [row - 0.4, row + 0.4], color=INK, linewidth=1.4)
            artists["mean"].append(bar)
    for ax in axes:
        ax.set_ylim(-0.6, len(record.edits) - 0.4)
        ax.tick_params(axis="y", length=0)
        ax.grid(visible=False, axis="y")
        ax.set_ylabel("edit of the state")
    left.set_yticks(range(len(record.edits)), record.edits)
    right.set_yticks(range(len(record.edits)), record.edits)
    left.axvline(0.0, color="#8A8A8A", linewidth=0.8, zorder=1)
    left.set_xlabel(r"strength $c_j$  (in steering vectors)")
    right.set_xlabel(r"price $\mathrm{KL}(p_j \parallel p_j')$  (nats)")
    left.set_title("one mark per context; its concept: colour, shape")
    right.set_title("bars: mean; rings: simulated model")
    return artists
