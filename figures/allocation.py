"""One strength per prompt against one for all: what a budget buys, and who gets it.

Forty contexts that mix the three concepts of the example, and one steering vector. The law says
where a budget is best spent, and for small budgets that alpha_j is proportional to beta_j, the
regression slope of the target indicator on the log-odds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from steering_strength.figures.instances import FloatArray, mixed_prompts
from steering_strength.figures.store import Record
from steering_strength.figures.style import BLUE, GREEN, GREY, INK, LIMIT, Artists, Panel
from steering_strength.theory import UnconstrainedFeatures
from steering_strength.theory.engine import TiltedPopulation, allocate
from steering_strength.theory.model.table import log_softmax

_BUDGETS = np.geomspace(2e-3, 2.0, 19)
_SHOWN = (0, 12)  # the budgets of the right panel


def _simulated(
    ufm: UnconstrainedFeatures, v: FloatArray, alpha: FloatArray, target: NDArray[np.intp]
) -> float:
    """Average F_T of the model steered by alpha_j v in context j."""
    log_p = log_softmax((ufm.W @ (ufm.H + np.outer(v, alpha))).T)
    return float(np.exp(log_p[:, target]).sum(axis=1).mean())


def curves() -> Record:
    """Gains over budgets, and the strengths for two of them; the contexts count the same.

    Returns
    -------
    budget : (B,)
        Nats on average over the contexts.
    adaptive, common, bound : (B,)
        What the average F_T gains with one alpha per context, with one for all, and at most.
    first_order : (B,)
        sqrt(2 B sum w beta^2), the law for small budgets.
    simulated : (B, 2)
        Gains of the steered model at the strengths of `adaptive` and `common`.
    regression : (m,)
        beta_j.
    alpha : (2, m)
        The strengths at `shown`.
    shown : (2,)
        Two of the budgets.
    ratio, predicted : float
        adaptive over common at the smallest budget, and sqrt(1 + CV^2).
    """
    ufm, v = mixed_prompts(40, 11, 0.4)
    target = np.flatnonzero(ufm.data.token_concept == 0)
    population = TiltedPopulation(np.log(ufm.data.probabilities), ufm.W @ v)
    found = [allocate(population, target, float(budget)) for budget in _BUDGETS]
    strengths = [(each.alpha, np.full_like(each.alpha, each.common)) for each in found]
    before = _simulated(ufm, v, np.zeros(len(ufm.data.probabilities)), target)
    simulated = np.array(
        [[_simulated(ufm, v, alpha, target) - before for alpha in pair] for pair in strengths]
    )
    gains = np.array([[each.average_gain, each.average_common_gain] for each in found])
    first = found[0]
    energy = float(first.leverage @ first.regression**2)
    return Record(
        budget=_BUDGETS,
        adaptive=gains[:, 0],
        common=gains[:, 1],
        bound=np.array([each.bound for each in found]),
        first_order=np.sqrt(2.0 * _BUDGETS * energy),
        simulated=simulated,
        regression=first.regression,
        alpha=np.stack([found[k].alpha for k in _SHOWN]),
        shown=_BUDGETS[list(_SHOWN)],
        ratio=first.ratio,
        predicted=first.predicted_ratio,
        deviation=float(np.abs(gains - simulated).max()),
    )


def draw(record: Record, axes: Sequence[Axes]) -> Artists:
    """Left the gains over the budget, right the strengths over beta."""
    left, right = Panel.row(axes)
    budget = record.budget
    looks = ((record.adaptive, BLUE, "-"), (record.common, INK, (0, (6, 1.6))))
    for k, (values, colour, dashes) in enumerate(looks):
        left.both(budget, values, record.simulated[:, k], colour, 3, linestyle=dashes)
    near = record.first_order <= 1.15 * record.adaptive.max()
    left.plot("bound", budget, record.bound, GREEN, **LIMIT)
    left.plot("bound", budget[near], record.first_order[near], GREY, **LIMIT)
    left.ax.set(
        xscale="log",
        xlabel="budget  (nats on average)",
        ylabel=r"gain of $F_T$ on average",
        ylim=(0.0, 1.2 * float(record.adaptive.max())),
        title=f"small budgets: {record.ratio:.2f} times, law {record.predicted:.2f}",
    )
    left.name_ends(
        [
            ("small-budget law", float(record.first_order[near][-1]), GREY),
            ("one per prompt", float(record.adaptive[-1]), BLUE),
            ("one for all", float(record.common[-1]), INK),
        ]
    )
    # In units of sqrt(2 B) the rule for small budgets is one line.
    scaled = record.alpha / np.sqrt(2.0 * record.shown)[:, None]
    for values, colour, mark, nats in zip(scaled, (GREY, BLUE), "so", record.shown, strict=True):
        label = f"B = {nats:.3g} nats"
        right.dots("strength", record.regression, values, colour, marker=mark, label=label)
    right.ax.legend(loc="upper left", handletextpad=0.2)
    span = np.array([min(float(record.regression.min()), 0.0), float(record.regression.max())])
    rule = span * np.sqrt(2.0 * budget[0]) / record.first_order[0]
    right.plot("rule", span, rule, INK, **LIMIT)
    right.ax.set(
        xlabel=r"$\beta_j = \mathrm{Cov}_j(1_T, M)\,/\,\mathrm{Var}_j(M)$",
        ylabel=r"strength $\alpha_j / \sqrt{2B}$,  $B$ the budget",
        title="one dot per prompt",
    )
    return left.artists
