"""Figure 4: the probability of each concept against alpha (arXiv:2602.02712, Thm 3.6).

Delta p(C|alpha) = (tanh((nu + r)/2) - r') / (2|C|), where nu + r is the log-odds of the
concept. In the contrastive setting and a context of the third concept all three behaviours
show at once: the target rises, the opposite concept falls, and the concept of the context,
whose tokens have neither the largest nor the smallest log-odds, dies out at both ends: its
increase tends to -(1/|C|) sum_C p, not back to 0 (laws `concept-tanh`, `concept-limit`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from steering_strength.figures.instances import Example, FloatArray, paper_example
from steering_strength.figures.style import (
    AMBER,
    BLUE,
    LAW,
    LIMIT,
    ORANGE,
    SIMULATION,
    label_at,
    strength_axis,
)

__all__ = ["ConceptCurves", "curves", "draw"]


@dataclass(frozen=True)
class ConceptCurves:
    """Delta p(C | c_j, alpha) of every concept in one context (Def. 3.5).

    Attributes
    ----------
    context : str
    concepts : tuple of str, length G
    target : int
        Index of T.
    alpha : (A,)
    law, simulated : (A, G)
        By the tanh law, and as means over the tokens of the simulated model.
    limit : (2, G)
        As alpha -> -inf and +inf.
    deviation : float
        max |law - simulated|.
    """

    context: str
    concepts: tuple[str, ...]
    target: int
    alpha: FloatArray
    law: FloatArray
    simulated: FloatArray
    limit: FloatArray
    deviation: float


def curves(
    low: float = -4.0,
    high: float = 4.0,
    *,
    context: str = "αβγ",
    example: Example | None = None,
) -> ConceptCurves:
    """The curves on [low, high] for one context of the example, 801 strengths."""
    chosen = paper_example() if example is None else example
    data, index = chosen.data, chosen.context(context)
    family = data.family(index, chosen.log_odds())
    alpha = np.linspace(low, high, 801)
    law = np.stack([family.concept_increase(tokens, alpha) for tokens in data.concepts], axis=-1)
    before = np.exp(chosen.simulated(np.zeros(1))[:, index])
    after = np.exp(chosen.simulated(alpha)[:, index])
    ends = np.exp(np.stack([family.limit(-1), family.limit(+1)])) - data.probabilities[index]
    simulated = _means(after - before, data.concepts)
    return ConceptCurves(
        context=context,
        concepts=chosen.concept_names,
        target=chosen.target,
        alpha=alpha,
        law=law,
        simulated=simulated,
        limit=_means(ends, data.concepts),
        deviation=float(np.abs(law - simulated).max()),
    )


def draw(record: ConceptCurves, ax: Axes, *, explain: bool = True) -> dict[str, list[Artist]]:
    """Lines for the tanh law, rings for the simulation, dotted lines for the limits.

    Without `explain`, for a small panel, labels are short.
    """
    artists: dict[str, list[Artist]] = {"law": [], "simulation": [], "limits": []}
    every = 25 if explain else 50
    others = iter((ORANGE, AMBER, ORANGE, AMBER))
    for c, name in enumerate(record.concepts):
        colour = BLUE if c == record.target else next(others)
        (line,) = ax.plot(record.alpha, record.law[:, c], color=colour, **LAW)
        (rings,) = ax.plot(
            record.alpha,
            record.simulated[:, c],
            markevery=every,
            color=colour,
            **SIMULATION,
        )
        artists["law"].append(line)
        artists["simulation"].append(rings)
        role = "target" if c == record.target else "off-target"
        text = f"{role} {{{name}}}" if explain else f"{{{name}}}"
        label_at(ax, text, **_place(record, c), color=colour)
    for height in np.unique(record.limit.round(12)):
        artists["limits"].append(ax.axhline(height, color="#8A8A8A", **LIMIT))
    strength_axis(ax, record.alpha)
    ax.set_ylabel(r"increase of concept probability $\Delta p(C \mid \alpha)$")
    ax.set_title(f"context {record.context}, dotted: limits at ±∞")
    return artists


def _means(values: FloatArray, concepts: tuple[np.ndarray, ...]) -> FloatArray:
    return np.stack([values[..., tokens].mean(axis=-1) for tokens in concepts], axis=-1)


def _place(record: ConceptCurves, concept: int) -> dict[str, Any]:
    """Where to name a curve: outside its steepest flank, half-way up."""
    law, alpha = record.law[:, concept], record.alpha
    rises_last = bool(law[-1] > law[0])
    level = 0.5 * (law.min() + law.max())
    flank = alpha > 0 if rises_last or law.argmax() not in (0, len(law) - 1) else alpha < 0
    index = int(np.flatnonzero(flank)[np.abs(law[flank] - level).argmin()])
    outwards = alpha[index] > 0
    return {
        "point": (float(alpha[index]), float(law[index])),
        "shift": (9, 0) if outwards else (-9, 0),
        "ha": "left" if outwards else "right",
        "va": "center",
    }
