"""Temperature and a kept norm beside plain steering: the same family, other strengths.

Sampling at temperature tau is tilting by alpha/tau of p^(1/tau); keeping the norm of the state is
tilting by s alpha at temperature 1/s, and levels off where |alpha v| is far beyond |h|.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from steering_strength.figures.instances import paper_example
from steering_strength.figures.store import Record
from steering_strength.figures.style import BLUE, INK, Artists, Panel, shown
from steering_strength.theory import TiltedFamily
from steering_strength.theory.engine import norm_preserving
from steering_strength.theory.model.table import log_softmax

_TEMPERATURES = (0.5, 1.0, 2.0)


def curves() -> Record:
    """F_T(alpha) in one context, under four ways to sample or steer; 481 strengths.

    Returns
    -------
    ways : tuple of str, length 4
    law, simulated : (A, 4)
        By the closed forms; from steered logits, divided or made of a shortened state.
    """
    chosen, context = paper_example(), "φχψ"
    ufm, index, tokens = chosen.simulation, chosen.context(context), chosen.data.concepts[0]
    v = ufm.steering_vector(chosen.positive, chosen.negative)
    h, alpha = ufm.H[:, index], np.linspace(-4.0, 8.0, 481)
    family = chosen.family(context)
    moved = h + np.multiply.outer(alpha, v)
    kept = moved * (np.linalg.norm(h) / np.linalg.norm(moved, axis=1))[:, None]
    # The logits of the simulated model are log p up to one constant, which a factor s would scale.
    bare = TiltedFamily.from_logits(ufm.W @ h, ufm.W @ v)
    law = [family.at_temperature(tau).log_probability(alpha) for tau in _TEMPERATURES]
    law.append(norm_preserving(bare, h, v, alpha))
    logits = [*(moved @ ufm.W.T / tau for tau in _TEMPERATURES), kept @ ufm.W.T]
    found, seen = (
        np.stack([np.exp(each[:, tokens]).sum(axis=1) for each in rows], axis=1)
        for rows in (law, map(log_softmax, logits))
    )
    return Record(
        context=context,
        ways=(*(f"τ = {tau:g}" for tau in _TEMPERATURES), "norm kept"),
        alpha=alpha,
        law=found,
        simulated=seen,
    )


def draw(record: Record, ax: Axes) -> Artists:
    """A line for each way, rings for the simulation."""
    panel = Panel(ax)
    # All of it is the target's probability, so all of it is blue, but for the kept norm in ink.
    dashes = ((0, (2, 1.2)), "-", (0, (7, 1.6)), (0, (7, 1.6, 2, 1.6)))
    for k, (way, dash) in enumerate(zip(record.ways, dashes, strict=True)):
        law, seen, colour = record.law[:, k], record.simulated[:, k], BLUE if k < 3 else INK
        panel.both(record.alpha, law, seen, colour, 30, linestyle=dash, label=way)
    panel.strengths(record.alpha)
    ax.set(
        ylim=(-0.03, 1.05),
        ylabel=r"probability of the target concept, $F_T(\alpha)$",
        title=f"context {shown(record.context)}; rings: simulated model",
    )
    place = {"loc": "lower right", "bbox_to_anchor": (1.0, 0.12)}
    ax.legend(handles=panel.artists["law"], handlelength=3.6, **place)
    return panel.artists
