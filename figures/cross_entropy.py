"""Figure 5: the price of steering in cross-entropy (arXiv:2602.02712, Thm 3.8).

The paper's law is local: Delta CE = alpha^2/2 sum_j pi_j Var_j(M) + o(alpha^2). The exact law,
sum_j pi_j KL(p_j || p_{j,alpha}), holds at every alpha, and says how local the quadratic is: the
range of M alone bounds the ratio of the two. The wide green band is that
guarantee, the narrow one the radius inside which it promises 10 %.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from steering_strength.figures.instances import Example, paper_example
from steering_strength.figures.store import Record
from steering_strength.figures.style import GREEN, GREY, INK, Artists, Panel

_PROMISE = 0.10


def curves(example: Example | None = None) -> Record:
    """Delta CE(alpha) over the whole dataset, nats per token (Def. 3.7), at 401 strengths.

    Returns
    -------
    law, simulated : (A,)
        sum_j pi_j KL(p_j || p_{j,alpha}) by the closed form; cross-entropy of the steered
        simulation minus that of the unsteered one.
    quadratic : (A,)
        The local law of Thm 3.8.
    lower, upper : (A,)
        Where `TiltedFamily.cross_entropy_bounds` guarantees Delta CE to lie, from the variance and
        the range of M alone.
    log_odds_range : float
        R, nats per unit of alpha.
    radius : float
        |alpha| up to which the quadratic is guaranteed within 10 %.
    deviation : float
        max |law - simulated|, nats.
    """
    chosen = example or paper_example()
    data, log_odds = chosen.data, chosen.log_odds()
    alpha = np.linspace(-1.0, 1.0, 401)
    families = [data.family(j, log_odds) for j in range(data.context_count)]
    lower, upper = np.tensordot(
        data.context_weights, [family.cross_entropy_bounds(alpha) for family in families], 1
    )
    law = data.cross_entropy_increase(log_odds, alpha)
    before, after = (
        -np.einsum("j,jz,ajz->a", data.context_weights, data.probabilities, chosen.simulated(at))
        for at in (np.zeros(1), alpha)
    )
    simulated = after - before
    return Record(
        alpha=alpha,
        law=law,
        simulated=simulated,
        quadratic=data.quadratic(log_odds) * alpha**2,
        lower=lower,
        upper=upper,
        log_odds_range=float(np.ptp(log_odds)),
        radius=min(family.quadratic_radius(_PROMISE) for family in families),
    )


def draw(record: Record, ax: Axes, *, explain: bool = True) -> Artists:
    """Solid the exact law, dashed the quadratic, rings the simulation, green the guarantee.

    Without `explain`, for a small panel, the guarantee is left out and labels are short.
    """
    top = 1.12 * float(max(record.law.max(), record.quadratic.max()))
    panel, alpha = Panel(ax), record.alpha
    panel.both(alpha, record.law, record.simulated, INK, 20)
    dashed: dict[str, Any] = {"linewidth": 1.3, "linestyle": (0, (5, 3)), "zorder": 3}
    panel.plot("quadratic", alpha, record.quadratic, GREY, **dashed)
    panel.strengths(alpha)
    for text, values, share, shift, align, colour in (
        ("exact law", record.law, 0.8, (-8, 0), "right", INK),
        ("quadratic", record.quadratic, 0.5, (7, -7), "left", GREY),
    ):
        at = share * float(alpha[-1])
        point = (at, float(np.interp(at, alpha, values)))
        panel.label(text, point, shift, color=colour, ha=align, bbox=None)
    if explain:
        _guarantee(record, panel, top)
    ax.set(
        ylim=(-0.03 * top, top),
        title="all contexts of the dataset, as they occur; rings: simulated model",
        ylabel=r"increase of cross-entropy $\Delta\mathrm{CE}(\alpha)$  (nats)",
    )
    return panel.artists


def _guarantee(record: Record, panel: Panel, top: float) -> None:
    upper = np.minimum(record.upper, 2 * top)
    panel.band("guarantee", record.alpha, record.lower, upper, GREEN, 0.12, zorder=0)
    panel.span("radius", -record.radius, record.radius, GREEN, 0.35)
    right = record.alpha > 0
    edge = float(np.interp(0.9 * top, record.upper[right], record.alpha[right]))
    point = (edge + 0.03 * float(record.alpha[-1]), 0.9 * top)
    arrow = {"arrowstyle": "-", "color": GREEN, "linewidth": 0.8}
    text = "guaranteed by the\nrange of $M$ alone"
    look: dict[str, Any] = {"color": GREEN, "va": "center"}
    panel.label(text, point, (-22, 0), ha="right", arrowprops=arrow, **look)
    text = f"quadratic guaranteed\nto 10 %: |α| ≤ {record.radius:.3f}"
    panel.label(text, (0.0, 0.55 * top), (0, 0), ha="center", **look)
