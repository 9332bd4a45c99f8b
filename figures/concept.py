"""Figure 4: the probability of each concept against alpha (arXiv:2602.02712, Thm 3.6).

Delta p(C|alpha) = (tanh((nu + r)/2) - r') / (2|C|), where nu + r is the log-odds of the
concept. In the contrastive setting and a context of the third concept all three behaviours
show at once: the target rises, the opposite concept falls, and the concept of the context,
whose tokens have neither the largest nor the smallest log-odds, dies out at both ends: its
increase tends to -(1/|C|) sum_C p, not back to 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from steering_strength.figures.instances import Example, FloatArray, paper_example
from steering_strength.figures.store import Record
from steering_strength.figures.style import AXIS, Artists, Panel, concept_colours, shown


def curves(context: str = "φχψ", example: Example | None = None) -> Record:
    """Delta p(C|c_j, alpha) of every concept in one context (Def. 3.5), at 801 strengths.

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
    alpha, concepts = np.linspace(-4.0, 4.0, 801), chosen.data.concepts
    family, change = chosen.family(context), chosen.increase(context, alpha)
    ends = [[family.concept_increase_limit(c, sign) for c in concepts] for sign in (-1, 1)]
    p = chosen.data.probabilities[chosen.context(context)]
    return Record(
        context=context,
        concepts=chosen.concept_names,
        target=chosen.target,
        alpha=alpha,
        law=np.stack([family.concept_increase(tokens, alpha) for tokens in concepts], axis=-1),
        simulated=np.stack([change[:, tokens].mean(axis=-1) for tokens in concepts], axis=-1),
        limit=np.array(ends),
        size=np.array([tokens.size for tokens in concepts]),
        base=np.array([p[tokens].sum() for tokens in concepts]),
    )


def draw(record: Record, ax: Axes, *, explain: bool = True) -> Artists:
    """Lines for the tanh law, rings for the simulation, dotted lines for the limits.

    As in the paper's figure, increases are per token of the concept. Without `explain`, for a small
    panel, the curves are the probabilities F_C themselves and labels are short.
    """
    scale, start = (1.0, 0.0) if explain else (record.size, record.base)
    law, simulated = start + scale * record.law, start + scale * record.simulated
    panel = Panel(ax)
    colours = concept_colours(record.target, len(record.concepts))
    for c, (name, colour) in enumerate(zip(record.concepts, colours, strict=True)):
        panel.both(record.alpha, law[:, c], simulated[:, c], colour, 25 if explain else 50)
        role = "target" if c == record.target else "off-target"
        text = f"{role} {{{shown(name)}}}" if explain else f"{{{shown(name)}}}"
        panel.label(text, **_place(record.alpha, law[:, c], explain), color=colour)
    for height in np.unique((start + scale * record.limit).round(12)):
        panel.level("limits", height, AXIS)
    panel.strengths(record.alpha)
    per_token = r"increase of probability per token, $\Delta p(C \mid \alpha)$"
    ax.set_ylabel(per_token if explain else r"probability of the concept, $F_C(\alpha)$")
    ax.set_title(f"context {shown(record.context)}; dotted: limits at ±∞; rings: simulated model")
    return panel.artists


def _place(alpha: FloatArray, law: FloatArray, explain: bool) -> dict[str, Any]:
    """Where to name a curve: outside its steepest flank, half-way up, or on its top."""
    top = int(law.argmax())
    inside = 0 < top < len(law) - 1
    if inside and not explain:
        return {"point": (float(alpha[top]), float(law[top])), "shift": (0, 6), "ha": "center"}
    level = 0.5 * (law.min() + law.max())
    flank = alpha > 0 if inside or law[-1] > law[0] else alpha < 0
    index = int(np.flatnonzero(flank)[np.abs(law[flank] - level).argmin()])
    shift, align = ((9, 0), "left") if alpha[index] > 0 else ((-9, 0), "right")
    point = (float(alpha[index]), float(law[index]))
    return {"point": point, "shift": shift, "ha": align, "va": "center"}
