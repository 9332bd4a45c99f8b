"""The likeliest token against alpha: the upper envelope of lines, and who wins where.

log p(z) + alpha M(z) is a line for each token; the highest one is the greedy choice, at every
temperature. Its slope M only grows, and each token wins on one interval or never.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from steering_strength.figures.instances import paper_example
from steering_strength.figures.store import Record
from steering_strength.figures.style import INK, Artists, Panel, shown, token_colours


def curves() -> Record:
    """log p_alpha of every token in one context, and the path of the likeliest; 721 strengths.

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
    chosen, context = paper_example(), "φχψ"
    family, alpha = chosen.family(context), np.linspace(-10.0, 26.0, 721)
    path = family.greedy_path()
    law = family.log_probability(alpha)
    best = law[np.arange(alpha.size), path.winner(alpha)]
    simulated = chosen.simulated(alpha)[:, chosen.context(context)].max(axis=-1)
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
    panel, alpha = Panel(ax), record.alpha
    colours = token_colours(record.concept, record.target)
    floor = float(record.best.min()) - 3.0
    for z, colour in enumerate(colours):
        panel.plot("tokens", alpha, record.law[:, z], colour, linewidth=0.7, alpha=0.45)
    ends = [alpha[0], *record.switches, alpha[-1]]
    for token, first, last in zip(record.path, ends[:-1], ends[1:], strict=True):
        inside = (alpha >= first) & (alpha <= last)
        panel.line("best", alpha[inside], record.best[inside], colours[token], linewidth=2.4)
        bar: dict[str, Any] = {"facecolor": colours[token], "edgecolor": "white", "zorder": 4}
        panel.artists["wins"].append(ax.axvspan(first, last, 0.0, 0.06, linewidth=1.2, **bar))
        middle, name = (0.5 * (first + last), floor), shown(record.tokens[token])
        panel.label(name, middle, (0, 3.5), color="white", ha="center", bbox=None)
    panel.rings(alpha, record.simulated, INK, markevery=40)
    panel.strengths(alpha)
    ax.set(
        ylim=(floor, 0.3),
        ylabel=r"log-probability $\log p_\alpha(z)$  (nats)",
        title=f"context {shown(record.context)}; bars: who wins; rings: simulated model",
    )
    return panel.artists
