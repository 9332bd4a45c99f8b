"""Figure 2: the dataset's next-token probabilities in two contexts (arXiv:2602.02712, Fig. 2).

A token is likelier in a context of its own concept: a_z above b_z, Assumption 1. The rings
are the softmax of W h_j of a simulated model, which Assumption 2 requires to coincide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from numpy.typing import NDArray

from steering_strength.figures.instances import Example, FloatArray, paper_example
from steering_strength.figures.style import AMBER, BLUE, GREY, ORANGE, SIMULATION, label_at

__all__ = ["ContextProbabilities", "curves", "draw"]

_COLOURS = (BLUE, ORANGE, AMBER)


@dataclass(frozen=True)
class ContextProbabilities:
    """p(z|c_j) for two contexts.

    Attributes
    ----------
    tokens : tuple of str, length V
    concept : (V,) int
        The concept of each token.
    contexts : tuple of str, length 2
        The first is drawn solid, the second transparent.
    probability : (2, V)
        From the dataset.
    simulated : (2, V)
        Softmax of W h_j.
    deviation : float
        max |probability - simulated|.
    """

    tokens: tuple[str, ...]
    concept: NDArray[np.int64]
    contexts: tuple[str, ...]
    probability: FloatArray
    simulated: FloatArray
    deviation: float


def curves(
    example: Example | None = None, contexts: tuple[str, str] = ("aab", "ABB")
) -> ContextProbabilities:
    """Probabilities of the two named contexts, from the data and from the simulated model."""
    chosen = paper_example() if example is None else example
    rows = [chosen.context(name) for name in contexts]
    probability = chosen.data.probabilities[rows]
    simulated = np.exp(chosen.simulated(np.zeros(1))[0, rows])
    return ContextProbabilities(
        tokens=chosen.token_names,
        concept=chosen.data.token_concept,
        contexts=contexts,
        probability=probability,
        simulated=simulated,
        deviation=float(np.abs(probability - simulated).max()),
    )


def draw(record: ContextProbabilities, ax: Axes) -> dict[str, list[Artist]]:
    """Stems for the dataset, rings for the simulation; returns the artists by role."""
    artists: dict[str, list[Artist]] = {"data": [], "simulation": []}
    colours = [_COLOURS[c % len(_COLOURS)] for c in record.concept]
    positions = np.arange(len(record.tokens))
    for row, (shift, opacity) in enumerate(((-0.14, 1.0), (0.14, 0.38))):
        x = positions + shift
        values = record.probability[row]
        ax.vlines(x, 0, values, colors=colours, alpha=opacity, linewidth=2.4)
        artists["data"].append(
            ax.scatter(x, values, s=44, c=colours, alpha=opacity, linewidths=0, zorder=3)
        )
        (rings,) = ax.plot(
            x, record.simulated[row], **{**SIMULATION, "markersize": 2.6}, color=GREY
        )
        artists["simulation"].append(rings)
    _name_the_two_heights(record, ax)
    ax.set_xticks(positions, record.tokens)
    ax.tick_params(axis="x", length=0)
    ax.grid(visible=False, axis="x")
    ax.set_ylim(0, 1.12 * float(record.probability.max()))
    ax.set_xlabel(r"next token $z$")
    ax.set_ylabel(r"probability $p(z \mid c)$")
    ax.set_title(f"solid: context {record.contexts[0]},  faint: context {record.contexts[1]}")
    return artists


def _name_the_two_heights(record: ContextProbabilities, ax: Axes) -> None:
    solid, faint = record.probability
    first = int(faint.argmax())
    neither = np.flatnonzero(solid == faint)
    label_at(ax, r"$a_z$: the context is of its concept", (-0.14, solid[0]), (9, -3), color=BLUE)
    label_at(ax, r"$a_z$", (first + 0.14, faint[first]), (9, -3), color=ORANGE)
    if neither.size:
        middle = (float(neither.mean()), float(solid[neither].max()))
        text = r"$b_z$ in both contexts:" + "\nanother concept"
        label_at(ax, text, middle, (0, 12), color=AMBER, ha="center")
