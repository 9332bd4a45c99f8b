"""Figure 4: the probability of each concept against alpha (arXiv:2602.02712, Thm 3.6).

Delta p(C|alpha) = (tanh((nu + r)/2) - r') / (2|C|), where nu + r is the log-odds of the
concept. In the contrastive setting and a context of the third concept all three behaviours
show at once: the target rises, the opposite concept falls, and the concept of the context,
whose tokens have neither the largest nor the smallest log-odds, dies out at both ends: its
increase tends to -(1/|C|) sum_C p, not back to 0 (laws `concept-tanh`, `concept-limit`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from steering_strength.figures.instances import Example, FloatArray, paper_example
from steering_strength.figures.store import Record
from steering_strength.figures.style import (
    LIMIT,
    Artists,
    concept_colours,
    concept_line,
    label_at,
    law_and_rings,
    no_artists,
    shown,
    strength_axis,
)


def curves(
    low: float = -4.0,
    high: float = 4.0,
    *,
    context: str = "φχψ",
    example: Example | None = None,
) -> Record:
    """The curves on [low, high] for one context of the example, 801 strengths.

    Delta p(C | c_j, alpha) of every concept in one context (Def. 3.5).

    Returns
    -------
    concepts : tuple of str, length G
    law, simulated : (A, G)
        By the tanh law, and as means over the tokens of the simulated model.
    limit : (2, G)
        As alpha -> -inf and +inf.
    size : (G,) int
        |C|: F_C = F_C(0) + |C| Delta p(C).
    base : (G,)
        F_C(0).
    """
    chosen = example or paper_example()
    data, index = chosen.data, chosen.context(context)
    family = data.family(index, chosen.log_odds())
    alpha = np.linspace(low, high, 801)
    law = np.stack([family.concept_increase(tokens, alpha) for tokens in data.concepts], axis=-1)
    before = np.exp(chosen.simulated(np.zeros(1))[:, index])
    after = np.exp(chosen.simulated(alpha)[:, index])
    ends = [[family.concept_increase_limit(c, sign) for c in data.concepts] for sign in (-1, 1)]
    change = after - before
    simulated = np.stack([change[:, tokens].mean(axis=-1) for tokens in data.concepts], axis=-1)
    return Record(
        context=context,
        concepts=chosen.concept_names,
        target=chosen.target,
        alpha=alpha,
        law=law,
        simulated=simulated,
        limit=np.array(ends),
        size=np.array([tokens.size for tokens in data.concepts]),
        base=np.array([data.probabilities[index, tokens].sum() for tokens in data.concepts]),
    )


def draw(record: Record, ax: Axes, *, explain: bool = True) -> Artists:
    """Lines for the tanh law, rings for the simulation, dotted lines for the limits.

    As in the paper's figure, increases are per token of the concept. Without `explain`, for a small
    panel, the curves are the probabilities F_C themselves and labels are short.
    """
    scale, start = (1.0, 0.0) if explain else (record.size, record.base)
    law, simulated = start + scale * record.law, start + scale * record.simulated
    limit = start + scale * record.limit
    artists = no_artists()
    every = 25 if explain else 50
    colours = concept_colours(record.target, len(record.concepts))
    for c, (name, colour) in enumerate(zip(record.concepts, colours, strict=True)):
        law_and_rings(
            artists, ax, record.alpha, law[:, c], simulated[:, c], concept_line(colour), every
        )
        role = "target" if c == record.target else "off-target"
        text = f"{role} {{{shown(name)}}}" if explain else f"{{{shown(name)}}}"
        label_at(ax, text, **_place(record.alpha, law[:, c], explain), color=colour)
    for height in np.unique(limit.round(12)):
        artists["limits"].append(ax.axhline(height, color="#8A8A8A", **LIMIT))
    strength_axis(ax, record.alpha)
    if explain:
        ax.set_ylabel(r"increase of probability per token, $\Delta p(C \mid \alpha)$")
    else:
        ax.set_ylabel(r"probability of the concept, $F_C(\alpha)$")
    ax.set_title(f"context {shown(record.context)}; dotted: limits at ±∞; rings: simulated model")
    return artists


def _place(alpha: FloatArray, law: FloatArray, explain: bool) -> dict[str, Any]:
    """Where to name a curve: outside its steepest flank, half-way up, or on its top."""
    if not explain and 0 < law.argmax() < len(law) - 1:
        top = int(law.argmax())
        return {"point": (float(alpha[top]), float(law[top])), "shift": (0, 6), "ha": "center"}
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
