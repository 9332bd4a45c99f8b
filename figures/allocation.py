"""One strength per prompt against one for all: what a budget buys, and who gets it.

Forty contexts that mix the three concepts of the example, and one steering vector. The law
`allocation` says where a budget is best spent, and for small budgets that alpha_j is proportional
to beta_j, the regression slope of the target indicator on the log-odds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from numpy.typing import NDArray

from steering_strength.figures.instances import FloatArray, paper_example
from steering_strength.figures.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    LAW,
    LIMIT,
    SIMULATION,
    label_ends,
)
from steering_strength.theory import ConceptDataset, UnconstrainedFeatures
from steering_strength.theory.engine import Allocation, TiltedPopulation, allocate

__all__ = ["AllocationCurves", "curves", "draw"]

_BUDGETS = np.geomspace(2e-3, 2.0, 19)
_SHOWN = (0, 12)  # the budgets of the right panel


@dataclass(frozen=True)
class AllocationCurves:
    """Gains over budgets, and the strengths for two of them.

    Attributes
    ----------
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
    deviation : float
        max |law - simulated|.
    """

    budget: FloatArray
    adaptive: FloatArray
    common: FloatArray
    bound: FloatArray
    first_order: FloatArray
    simulated: FloatArray
    regression: FloatArray
    alpha: FloatArray
    shown: FloatArray
    ratio: float
    predicted: float
    deviation: float


def _prompts(count: int) -> tuple[UnconstrainedFeatures, FloatArray, FloatArray]:
    """Mixtures of the example's concepts, a model of them, a steering vector and its M."""
    data, rng = paper_example().data, np.random.default_rng(11)
    b = data.off_concept
    mixed = ConceptDataset.mixed(
        b,
        (data.in_concept - b) / (1.0 - b.sum()),
        data.token_concept,
        rng.dirichlet([0.4] * 3, size=count),
    )
    ufm = UnconstrainedFeatures.interpolating(mixed, rng)
    sides = [np.flatnonzero(mixed.context_concept == concept) for concept in (0, 1)]
    v = ufm.H[:, sides[0]].mean(axis=1) - ufm.H[:, sides[1]].mean(axis=1)
    return ufm, v, np.asarray(ufm.W @ v)


def _simulated(
    ufm: UnconstrainedFeatures, v: FloatArray, alpha: FloatArray, target: NDArray[np.intp]
) -> float:
    """Average F_T of the model steered by alpha_j v in context j."""
    logits = ufm.W @ (ufm.H + np.outer(v, alpha))
    weight = np.exp(logits - logits.max(axis=0))
    return float((weight[target].sum(axis=0) / weight.sum(axis=0)).mean())


def curves(contexts: int = 40) -> AllocationCurves:
    """All budgets; the contexts count the same."""
    ufm, v, M = _prompts(contexts)
    target = np.flatnonzero(ufm.data.token_concept == 0)
    log_p = np.log(ufm.data.probabilities)
    found: list[Allocation] = [
        allocate(TiltedPopulation(log_p, M), target, float(budget)) for budget in _BUDGETS
    ]
    before = _simulated(ufm, v, np.zeros(contexts), target)
    simulated = np.array(
        [
            [
                _simulated(ufm, v, alpha, target) - before
                for alpha in (each.alpha, np.full(contexts, each.common))
            ]
            for each in found
        ]
    )
    gains = np.array([[each.average_gain, each.average_common_gain] for each in found])
    first = found[0]
    energy = float(first.leverage @ first.regression**2)
    return AllocationCurves(
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


def draw(record: AllocationCurves, axes: Sequence[Axes]) -> dict[str, list[Artist]]:
    """Left the gains over the budget, right the strengths over beta."""
    left, right = axes
    artists: dict[str, list[Artist]] = {"law": [], "simulation": [], "bound": [], "strength": []}
    looks = ((record.adaptive, BLUE, "-"), (record.common, INK, (0, (6, 1.6))))
    for k, (values, colour, dashes) in enumerate(looks):
        (line,) = left.plot(record.budget, values, color=colour, linestyle=dashes, **LAW)
        (rings,) = left.plot(
            record.budget[::3], record.simulated[::3, k], color=colour, **SIMULATION
        )
        artists["law"].append(line)
        artists["simulation"].append(rings)
    (most,) = left.plot(record.budget, record.bound, color=GREEN, **LIMIT)
    artists["bound"].append(most)
    near = record.first_order <= 1.15 * record.adaptive.max()
    (first,) = left.plot(record.budget[near], record.first_order[near], color=GREY, **LIMIT)
    artists["bound"].append(first)
    left.set_xscale("log")
    left.set_xlabel("budget  (nats on average)")
    left.set_ylabel(r"gain of $F_T$ on average")
    left.set_ylim(0.0, 1.2 * float(record.adaptive.max()))
    label_ends(
        left,
        [
            ("small-budget law", float(record.first_order[near][-1]), GREY),
            ("one per prompt", float(record.adaptive[-1]), BLUE),
            ("one for all", float(record.common[-1]), INK),
        ],
    )
    left.set_title(f"small budgets: {record.ratio:.2f} times, law {record.predicted:.2f}")
    # In units of sqrt(2 B) the rule for small budgets is one line.
    scaled = record.alpha / np.sqrt(2.0 * record.shown)[:, None]
    marks = ((scaled[0], GREY, "s"), (scaled[1], BLUE, "o"))
    for (values, colour, mark), budget in zip(marks, record.shown, strict=True):
        dots = right.scatter(
            record.regression, values, s=16, color=colour, marker=mark, linewidths=0, zorder=3,
            label=f"B = {budget:.3g} nats",
        )  # fmt: skip
        artists["strength"].append(dots)
    right.legend(loc="upper left", handletextpad=0.2)
    span = np.array([min(float(record.regression.min()), 0.0), float(record.regression.max())])
    right.plot(
        span, span * np.sqrt(2.0 * record.budget[0]) / record.first_order[0], color=INK, **LIMIT
    )
    right.set_xlabel(r"$\beta_j = \mathrm{Cov}_j(1_T, M)\,/\,\mathrm{Var}_j(M)$")
    right.set_ylabel(r"strength $\alpha_j / \sqrt{2B}$,  $B$ the budget")
    right.set_title("one dot per prompt")
    return artists
