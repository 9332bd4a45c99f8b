"""Figure 2: the dataset's next-token probabilities in two contexts (arXiv:2602.02712, Fig. 2).

A token is likelier in a context of its own concept: a_z above b_z, Assumption 1. The rings
are the softmax of W h_j of a simulated model, which Assumption 2 requires to coincide.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from steering_strength.figures.instances import Example, paper_example
from steering_strength.figures.store import Record
from steering_strength.figures.style import GREY, Artists, Panel, shown, token_colours


def curves(example: Example | None = None, contexts: tuple[str, str] = ("aab", "ABB")) -> Record:
    """Probabilities p(z|c_j) of the two named contexts, from the data and from the model.

    Returns
    -------
    contexts : tuple of str, length 2
        The first is drawn solid, the second transparent.
    probability : (2, V)
        From the dataset.
    simulated : (2, V)
        Softmax of W h_j.
    deviation : float
        max |probability - simulated|.
    """
    chosen = example or paper_example()
    rows = [chosen.context(name) for name in contexts]
    probability = chosen.data.probabilities[rows]
    simulated = np.exp(chosen.simulated(np.zeros(1))[0, rows])
    return Record(
        tokens=chosen.token_names,
        concept=chosen.data.token_concept,
        target=chosen.target,
        contexts=contexts,
        probability=probability,
        simulated=simulated,
        deviation=float(np.abs(probability - simulated).max()),
    )


def draw(record: Record, ax: Axes) -> Artists:
    """Stems for the dataset, rings for the simulation; returns the artists by role."""
    panel = Panel(ax)
    colours = token_colours(record.concept, record.target)
    positions = np.arange(len(record.tokens))
    for row, (shift, opacity) in enumerate(((-0.14, 1.0), (0.14, 0.38))):
        x, values = positions + shift, record.probability[row]
        ax.vlines(x, 0, values, colors=colours, alpha=opacity, linewidth=2.4)
        panel.dots("data", x, values, colours, 44, alpha=opacity)
        panel.rings(x, record.simulated[row], GREY, markersize=2.6)
    _name_the_two_heights(record, panel, colours)
    ax.set_xticks(positions, [shown(token) for token in record.tokens])
    ax.tick_params(axis="x", length=0)
    ax.grid(visible=False, axis="x")
    solid, faint = (shown(context) for context in record.contexts)
    ax.set(
        ylim=(0, 1.12 * float(record.probability.max())),
        xlabel=r"next token $z$",
        ylabel=r"probability $p(z \mid c)$",
        title=f"solid: context {solid},  faint: context {faint},  rings: simulated model",
    )
    return panel.artists


def _name_the_two_heights(record: Record, panel: Panel, colours: list[str]) -> None:
    solid, faint = record.probability
    first = int(faint.argmax())
    neither = np.flatnonzero(solid == faint)
    text = r"$a_z$: the context is of its concept"
    panel.label(text, (-0.14, solid[0]), (9, -3), color=colours[0])
    panel.label(r"$a_z$", (first + 0.14, faint[first]), (9, -3), color=colours[first])
    if neither.size:
        middle = (float(neither.mean()), float(solid[neither].max()))
        text = r"$b_z$ in both contexts:" + "\nanother concept"
        panel.label(text, middle, (0, 12), color=colours[int(neither[0])], ha="center")
