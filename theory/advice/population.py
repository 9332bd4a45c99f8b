"""Which alpha for many contexts at once: by share of contexts, for the worst one, on average.

The paper stresses that the right strength depends on the context; one coefficient has to serve them
all. Three readings of that are kept apart: `window` serves a given share of the contexts, `worst`
all of them, and `average` keeps the demands only on average, which is how Delta CE is defined over
a dataset (arXiv:2602.02712, Def. 3.7): sum_j pi_j F_(j,T) and sum_j pi_j KL_j, the second a sum of
convex functions that vanish at 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from steering_strength.theory.advice.context import ContextAdvice, advise_contexts
from steering_strength.theory.advice.curve import SteeredCurve
from steering_strength.theory.advice.demand import Demand
from steering_strength.theory.advice.summary import Readable, population_summary
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
from steering_strength.theory.engine import Allocation, TiltedFamily, TiltedPopulation
from steering_strength.theory.engine.estimation import Estimate
from steering_strength.theory.engine.inverse import Root, State, first_crossing, limit_root
from steering_strength.theory.engine.numerics import LARGEST, weighted_quantile
from steering_strength.theory.engine.population import price_root, row_measure

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# An earlier crossing within this share of alpha before the one reported is not told apart from it.
_RESOLUTION = 1e-9
_SETTLED = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class PopulationAdvice(Readable):
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

    summary = population_summary

    def __repr__(self) -> str:
        words = f"{self.window.status}: {self.window.words}"
        return f"PopulationAdvice({len(self.contexts)} contexts, {words})"


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
    moved = [advice.window.status != "unmoved" for advice in contexts]
    families = [curve for curve in curves if isinstance(curve, TiltedFamily)]
    if len(families) == len(curves) and any(moved):
        population = together(families, weights, moved)
        low, high = intersect(sign, *average_ends(population, demand))
        low_point, high_point = (average_point(population, demand, e.alpha) for e in (low, high))
        average = _average_verdict(demand, low, high, low_point, high_point)
    ends = [[sign * getattr(a.window, side).alpha for a in contexts] for side in ("low", "high")]
    strengths = np.array(ends, dtype=np.float64)
    # A context without a window has no ends to offer: it is served by no alpha.
    served = np.array([advice.window.status != "unsettled" for advice in contexts])
    strengths[0, ~served], strengths[1, ~served] = math.inf, 0.0
    at_share = (
        float(weighted_quantile(strengths[0], weights, quantile)),
        -float(weighted_quantile(-strengths[1], weights, quantile)),
    )
    window = _shared(demand, contexts, strengths, at_share, f"{100 * quantile:.4g} % of them")
    extremes = float(strengths[0].max()), float(strengths[1].min())
    worst = _shared(demand, contexts, strengths, extremes, "all of them")
    best, share = _best(strengths, weights)
    return PopulationAdvice(
        demand, contexts, weights, quantile, window, worst, average, low_point, high_point,
        sign * best + 0.0, share,
    )  # fmt: skip


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


def together(
    families: Sequence[TiltedFamily], weights: Floats | None, moved: Sequence[bool] = ()
) -> TiltedPopulation:
    """Return contexts as one population; in those that are not `moved` M is constant."""
    odds = [family.log_odds for family in families]
    if all(moved) and all(np.array_equal(odds[0], other) for other in odds):
        table = odds[0]
    else:
        table = np.where(np.array(moved)[:, None], odds, 0.0) if moved else np.stack(odds)
    return TiltedPopulation(np.stack([family.log_p for family in families]), table, weights)


def average_point(population: TiltedPopulation, demand: Demand, alpha: float) -> Point:
    """Return what a signed alpha does on average; at infinity nothing is said but the price."""
    if math.isinf(alpha):
        return Point(alpha, math.nan, math.inf, math.nan)
    target, weights = demand.target, np.asarray(population.weights)
    return Point(
        alpha,
        math.nan if target is None else _average_concept(population, target, alpha),
        float(weights @ population.cross_entropy_increase(alpha)),
        float(weights @ population.reverse_kl(alpha)),
    )


def average_ends(population: TiltedPopulation, demand: Demand) -> tuple[list[End], list[End]]:
    """Return low and high ends that the demands set on averages; peaks are left out."""
    lows, highs, sign, weights = [], [], demand.sign, np.asarray(population.weights)
    if demand.level is not None and demand.target is not None:
        root = average_concept_root(population, demand.target, demand.level, sign)
        verb = "reaches" if root.reached else "never reaches"
        lows.append(End.of(root, "level", f"the average F_T {verb} {number(demand.level)}"))
    for name, title, budget in demand.budgets:
        price = "cross_entropy_increase" if name == "cross_entropy" else name
        root = price_root(population, price, budget, sign, lambda each: each @ weights)
        highs.append(End.of(root, name, f"average {title} = {nats(budget)}"))
    return lows, highs


def average_concept_root(
    population: TiltedPopulation, target: Mask, level: float, sign: int = 1
) -> Root:
    """Return the alpha of that sign nearest 0 at which the average F_T is at least `level`.

    The average may rise and fall; the search cannot jump over a crossing.
    """
    weights = np.asarray(population.weights)

    def state(strength: float) -> State:
        """Without tokens on T or off T logit F_j does not move."""
        odds, inside, outside, _, _ = population.trade(target, sign * strength)
        still = np.isnan(inside) | np.isnan(outside)
        inside, outside = (np.where(still, 0.0, sign * mean) for mean in (inside, outside))
        return odds, inside, outside

    def average(odds: Floats) -> float:
        return float(weights @ expit(odds))

    def value(strength: float) -> float:
        return _average_concept(population, target, sign * strength)

    rows = [row_measure(population, j)[0] for j in range(population.shape[0])]
    far = [abs(limit_root(row, _SETTLED, sign).alpha) for row in rows if not row.constant]
    settled = min(max(far, default=0.0), LARGEST)

    def lost(strength: float, found: State) -> str:
        below = f"the average stays below the level: {average(found[0]):.6g} far out"
        return below if strength > settled else ""

    spread = max(row.high - row.low for row in rows)
    with np.errstate(over="ignore"):  # to inf, and to F_j = 1
        return first_crossing(state, average, value, level, sign, spread, lost, _RESOLUTION)


def _average_concept(population: TiltedPopulation, target: Mask, alpha: float) -> float:
    return float(np.asarray(population.weights) @ expit(population.concept_log_odds(target, alpha)))
