"""Which alpha for many contexts at once: by share of contexts, for the worst one, on average.

The paper stresses that the right strength depends on the context; one coefficient has to serve them
all. Three readings of that are kept apart: `window` serves a given share of the contexts, `worst`
all of them, and `average` keeps the demands only on average, which is how Delta CE is defined over
a dataset (arXiv:2602.02712, Def. 3.7).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steering_strength.theory.advice.average import average_ends, average_point
from steering_strength.theory.advice.context import ContextAdvice, advise_contexts
from steering_strength.theory.advice.curve import SteeredCurve
from steering_strength.theory.advice.demand import Demand
from steering_strength.theory.advice.summary import in_notebook, population_summary
from steering_strength.theory.advice.window import (
    End,
    Namer,
    Point,
    Status,
    Window,
    intersect,
    nats,
    number,
    numbered,
)
from steering_strength.theory.engine import Allocation, TiltedFamily
from steering_strength.theory.engine.estimation import Estimate

__all__ = ["PopulationAdvice", "advise_population", "weighted_quantile"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class PopulationAdvice:
    """Which alpha to use for a population of contexts; `print` it for a summary.

    Attributes
    ----------
    demand : Demand
    contexts : tuple of ContextAdvice
    weights : (m,)
    quantile : float
        The share of the contexts that `window` serves at each of its ends.
    window : Window
        From where that share of the contexts has its low end behind it, to where that share still
        has its high end ahead.
    worst : Window
        From the largest low end to the smallest high end: good for every single context.
    average : Window or None
        The same demands on averages over the contexts; None unless every context is a tilting. A
        peak is a demand on tokens, not on averages, and is left out.
    low, high : Point or None
        Averages at both ends of `average`.
    best, share : float
        The strongest alpha that lies inside most windows, and the weight of the contexts it serves.
    estimate : Estimate or None
        How sure `average.advised` is, where the texts of P and N are known.
    allocation : Allocation or None
        One alpha for each context within the budget, where that was asked for.
    """

    demand: Demand
    contexts: tuple[ContextAdvice, ...]
    weights: Floats
    quantile: float
    window: Window
    worst: Window
    average: Window | None
    low: Point | None
    high: Point | None
    best: float
    share: float
    estimate: Estimate | None = None
    allocation: Allocation | None = None

    @property
    def lows(self) -> Floats:
        """The low end of every context, signed, (m,); infinite where the level is never reached."""
        return np.array([advice.window.low.alpha for advice in self.contexts])

    @property
    def highs(self) -> Floats:
        """The high end of every context, signed, (m,)."""
        return np.array([advice.window.high.alpha for advice in self.contexts])

    def summary(
        self,
        *,
        norm: float = math.nan,
        residual_norm: float = math.nan,
        max_activation: float = math.nan,
    ) -> str:
        """Return at most 30 lines: the verdicts, and the windows of the first contexts.

        Parameters
        ----------
        norm, residual_norm, max_activation : float
            |v|, the median |h| at the site, the concept's largest activation: what is known.
        """
        return population_summary(self, norm, residual_norm, max_activation)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        words = f"{self.window.status}: {self.window.words}"
        return f"PopulationAdvice({len(self.contexts)} contexts, {words})"

    def _repr_html_(self) -> str:
        return in_notebook(self.summary())


def advise_population(
    curves: Sequence[SteeredCurve],
    weights: Floats,
    demand: Demand,
    quantile: float,
    name: Namer = numbered,
) -> PopulationAdvice:
    """Advise on each context, then on all of them; see `theory.advice.advise`."""
    contexts, sign = advise_contexts(curves, demand, name), demand.sign
    average = low_point = high_point = None
    families = [
        curve
        if advice.window.status != "unmoved"
        else TiltedFamily(curve.log_p, np.zeros(curve.size))
        for curve, advice in zip(curves, contexts, strict=True)
        if isinstance(curve, TiltedFamily)
    ]
    moved = any(advice.window.status != "unmoved" for advice in contexts)
    if len(families) == len(curves) and moved:
        low, high = intersect(sign, *average_ends(families, weights, demand))
        low_point, high_point = (
            average_point(families, weights, demand, end.alpha) for end in (low, high)
        )
        average = _average_verdict(demand, low, high, low_point, high_point)
    ends = [[sign * getattr(a.window, side).alpha for a in contexts] for side in ("low", "high")]
    strengths = np.array(ends, dtype=np.float64)
    # A context without a window has no ends to offer: it is served by no alpha.
    served = np.array([advice.window.status != "unsettled" for advice in contexts])
    strengths[0, ~served], strengths[1, ~served] = math.inf, 0.0
    at_share = (
        weighted_quantile(strengths[0], weights, quantile),
        weighted_quantile(strengths[1], weights, quantile, from_above=True),
    )
    window = _shared(demand, contexts, strengths, at_share, f"{100 * quantile:.4g} % of them")
    extremes = float(strengths[0].max()), float(strengths[1].min())
    worst = _shared(demand, contexts, strengths, extremes, "all of them")
    best, share = _best(strengths, weights)
    return PopulationAdvice(
        demand, contexts, weights, quantile, window, worst, average, low_point, high_point,
        sign * best + 0.0, share,
    )  # fmt: skip


def weighted_quantile(
    values: Floats, weights: Floats, share: float, *, from_above: bool = False
) -> float:
    """Return the smallest value that at least `share` of the weight does not exceed.

    From above, the largest value that at least `share` of the weight reaches. Always one of the
    values: an alpha between two contexts would serve neither better, and infinities stay whole.
    """
    order = np.argsort(-values if from_above else values, kind="stable")
    total = np.cumsum(weights[order])
    # Rounding of the sum must not ask for one context more.
    index = int(np.searchsorted(total, share * total[-1] * (1.0 - 1e-12)))
    return float(values[order][min(index, values.size - 1)])


def _shared(
    demand: Demand,
    contexts: Sequence[ContextAdvice],
    strengths: Floats,
    ends: tuple[float, float],
    whom: str,
) -> Window:
    """A window whose ends are those of two of the contexts."""
    if all(advice.window.status == "unmoved" for advice in contexts):
        return contexts[0].window
    found = []
    for side, row, strength in zip(("low", "high"), strengths, ends, strict=True):
        which = int(np.argmax(row == strength))
        end: End = getattr(contexts[which].window, side)
        words = end.words
        if end.demand not in ("start", "none"):
            words += f" in context {which}"
        found.append(End(end.alpha, end.demand, words, end.lower, end.upper))
    low, high = found
    lost = [advice.window.status for advice in contexts]
    if math.isinf(ends[0]):
        missing = int(np.isinf(strengths[0]).sum())
        status: Status = "unsettled" if "unsettled" in lost else "never"
        if status == "unsettled":
            why = "have an end that was not found by measuring"
        else:
            why = f"never reach F_T = {number(demand.level or math.nan)}"
        words = f"no alpha serves {whom}: {missing} of {len(contexts)} contexts {why}"
        if status == "unsettled":
            first = lost.index("unsettled")
            words += f"; context {first}: {contexts[first].window.words}"
        return Window(status, low, high, words)
    if ends[0] > ends[1] or (ends[1] == 0.0 and high.demand != "none"):
        gap = abs(low.alpha - high.alpha)
        words = (
            f"no alpha serves {whom}: it would have to reach {number(low.alpha)} ({low.words})"
            f" and stay within {number(high.alpha)} ({high.words}), {number(gap)} apart"
        )
        return Window("empty", low, high, words)
    words = (
        f"use alpha from {number(low.alpha)} ({low.words}) to {number(high.alpha)}"
        f" ({high.words}): it serves {whom}"
    )
    return Window("ok", low, high, words)


def _best(strengths: Floats, weights: Floats) -> tuple[float, float]:
    """The farthest end of a window that lies in windows of the largest weight, and that weight."""
    lows, highs = strengths
    best, share = 0.0, 0.0
    for end in np.unique(strengths[np.isfinite(strengths)]):
        inside = float(weights[(lows <= end) & (end <= highs)].sum())
        if inside > 0.0 and inside >= share * (1.0 - 1e-12):
            best, share = float(end), inside
    return best, share


def _average_verdict(demand: Demand, low: End, high: End, near: Point, far: Point) -> Window:
    if math.isinf(low.alpha):
        return Window("never", low, high, low.words)
    if demand.sign * low.alpha > demand.sign * high.alpha:
        words = (
            f"empty on average: {low.words} at alpha = {number(low.alpha)}, at a price of"
            f" {nats(near.cross_entropy)}, but {high.words} at {number(high.alpha)},"
            f" where the average F_T is {number(far.concept)}"
        )
        return Window("empty", low, high, words)
    words = f"alpha from {number(low.alpha)} ({low.words}) to {number(high.alpha)} ({high.words})"
    return Window("ok", low, high, words)
