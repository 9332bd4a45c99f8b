"""Which alpha for many contexts at once: by share of contexts, for the worst one, on average.

The paper stresses that the right strength depends on the context; one coefficient has to serve them
all. Three readings of that are kept apart: `window` serves a given share of the contexts, `worst`
all of them, and `average` keeps the demands only on average, which is how Delta CE is defined over
a dataset (arXiv:2602.02712, Def. 3.7).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge.advisor._old_advice.average import (
    average_concept,
    average_concept_root,
    average_price_root,
)
from steering_strength.proofs_check.bridge.advisor._old_advice.context import (
    ContextAdvice,
    advise_family,
)
from steering_strength.proofs_check.bridge.advisor._old_advice.demand import Demand
from steering_strength.proofs_check.bridge.advisor._old_advice.ends import Namer, numbered
from steering_strength.proofs_check.bridge.advisor._old_advice.window import (
    End,
    Window,
    intersect,
    nats,
    number,
)
from steering_strength.theory.engine import TiltedFamily

__all__ = ["AveragePoint", "PopulationAdvice", "advise_families", "gathered", "weighted_quantile"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AveragePoint:
    """What one alpha does on average: F_T (nan without a target), and both divergences in nats."""

    alpha: float
    concept: float
    cross_entropy: float
    reverse_kl: float


@dataclass(frozen=True, eq=False)
class PopulationAdvice:
    """Which alpha to use for a population of contexts.

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
        The same demands on averages over the contexts; None where only single contexts were
        measured. A peak is a demand on tokens, not on averages, and is left out.
    low, high : AveragePoint or None
        Averages at both ends of `average`.
    best, share : float
        The strongest alpha that lies inside most windows, and the weight of the contexts it serves.
    """

    demand: Demand
    contexts: tuple[ContextAdvice, ...]
    weights: Floats
    quantile: float
    window: Window
    worst: Window
    average: Window | None
    low: AveragePoint | None
    high: AveragePoint | None
    best: float
    share: float

    @property
    def lows(self) -> Floats:
        """The low end of every context, signed, (m,); infinite where the level is never reached."""
        return np.array([advice.window.low.alpha for advice in self.contexts])

    @property
    def highs(self) -> Floats:
        """The high end of every context, signed, (m,)."""
        return np.array([advice.window.high.alpha for advice in self.contexts])


def advise_families(
    families: Sequence[TiltedFamily],
    weights: Floats,
    demand: Demand,
    quantile: float,
    name: Namer = numbered,
) -> PopulationAdvice:
    """Advise on each context, then on all of them; see `theory.advice.advise`."""
    contexts = tuple(advise_family(family, demand, name) for family in families)
    ahead = list(families)
    if demand.sign < 0:
        ahead = [TiltedFamily(family.log_p, -family.log_odds) for family in families]
    lows, highs = _average_ends(ahead, weights, demand)
    low, high = intersect(demand.sign, lows, highs)
    points = [_average(ahead, weights, demand, end.alpha) for end in (low, high)]
    average = _average_verdict(demand, low, high, points)
    return gathered(contexts, weights, demand, quantile, average, *points)


def gathered(
    contexts: Sequence[ContextAdvice],
    weights: Floats,
    demand: Demand,
    quantile: float,
    average: Window | None = None,
    low: AveragePoint | None = None,
    high: AveragePoint | None = None,
) -> PopulationAdvice:
    """Put the advice of single contexts together; what is known of averages is passed on."""
    sign = demand.sign
    ends = [[sign * getattr(a.window, side).alpha for a in contexts] for side in ("low", "high")]
    strengths = np.array(ends, dtype=np.float64)
    at_share = (
        weighted_quantile(strengths[0], weights, quantile),
        weighted_quantile(strengths[1], weights, quantile, from_above=True),
    )
    percent = f"{100 * quantile:.4g} %"
    window = _shared(demand, contexts, strengths, at_share, f"{percent} of them")
    worst = _shared(
        demand,
        contexts,
        strengths,
        (float(strengths[0].max()), float(strengths[1].min())),
        "all of them",
    )
    best, share = _best(strengths, weights)
    return PopulationAdvice(
        demand, tuple(contexts), weights, quantile, window, worst, average, low, high,
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
    for side, strength in zip(("low", "high"), ends, strict=True):
        row = strengths[0 if side == "low" else 1]
        which = int(np.argmin(np.abs(np.where(row == strength, 0.0, 1.0))))
        end: End = getattr(contexts[which].window, side)
        words = f"{end.words} in context {which}"
        found.append(End(end.alpha, end.demand, words, end.lower, end.upper))
    low, high = found
    sign = demand.sign
    if math.isinf(low.alpha):
        missing = int(np.isinf(strengths[0]).sum())
        words = (
            f"no alpha serves {whom}: {missing} of {len(contexts)} contexts never reach"
            f" F_T = {number(demand.level or math.nan)}"
        )
        return Window("never", low, high, words)
    if sign * low.alpha > sign * high.alpha or (high.alpha == 0.0 and high.demand != "none"):
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


def _average_ends(
    families: Sequence[TiltedFamily], weights: Floats, demand: Demand
) -> tuple[list[End], list[End]]:
    lows, highs, sign = [], [], demand.sign

    def end(root: object, name: str, words: str) -> End:
        alpha, lower, upper = (getattr(root, field) for field in ("alpha", "lower", "upper"))
        ends = sorted((sign * lower + 0.0, sign * upper + 0.0))
        return End(sign * alpha + 0.0, name, words, *ends)

    if demand.level is not None and demand.target is not None:
        root = average_concept_root(families, weights, demand.target, demand.level)
        words = f"the average F_T reaches {number(demand.level)}"
        if not root.reached:
            words = f"the average F_T never reaches {number(demand.level)}: {root.reason}"
        lows.append(end(root, "level", words))
    if demand.cross_entropy is not None:
        budget = demand.cross_entropy
        roots = [family.cross_entropy_root(budget, 1) for family in families]
        unbounded = math.inf if any(root.reached for root in roots) else 0.0
        root = average_price_root(families, weights, _price, roots, unbounded, budget)
        highs.append(end(root, "cross_entropy", f"average Delta CE = {nats(budget)}"))
    if demand.reverse_kl is not None:
        budget = demand.reverse_kl
        roots = [family.reverse_kl_root(budget, 1) for family in families]
        most = float(weights @ [_most_reverse(family) for family in families])
        root = average_price_root(families, weights, _reverse, roots, most, budget)
        words = f"average KL(p_alpha || p) = {nats(budget)}"
        highs.append(end(root, "reverse_kl", words if root.reached else f"{words}: {root.reason}"))
    return lows, highs


def _price(family: TiltedFamily, alpha: float) -> float:
    return float(family.cross_entropy_increase(alpha))


def _reverse(family: TiltedFamily, alpha: float) -> float:
    return float(family.reverse_kl(alpha))


def _most_reverse(family: TiltedFamily) -> float:
    """-log p(argmax M): the supremum of KL(p_alpha || p); 0 where M is constant."""
    support = family.log_p > -np.inf
    values = family.log_odds[support]
    share = float(np.logaddexp.reduce(family.log_p[support][values == values.max()]))
    return max(-share, 0.0)


def _average(
    families: Sequence[TiltedFamily], weights: Floats, demand: Demand, alpha: float
) -> AveragePoint:
    strength = abs(alpha)
    if math.isinf(strength):
        return AveragePoint(alpha, math.nan, math.inf, math.nan)

    def mean(function: Callable[[TiltedFamily, float], float]) -> float:
        return float(weights @ [function(family, strength) for family in families])

    target = demand.target
    concept = math.nan if target is None else average_concept(families, weights, target, strength)
    return AveragePoint(alpha, concept, mean(_price), mean(_reverse))


def _average_verdict(demand: Demand, low: End, high: End, points: list[AveragePoint]) -> Window:
    if math.isinf(low.alpha):
        return Window("never", low, high, low.words)
    if demand.sign * low.alpha > demand.sign * high.alpha:
        words = (
            f"empty on average: {low.words} at alpha = {number(low.alpha)}, at a price of"
            f" {nats(points[0].cross_entropy)}, but {high.words} at {number(high.alpha)},"
            f" where the average F_T is {number(points[1].concept)}"
        )
        return Window("empty", low, high, words)
    words = f"alpha from {number(low.alpha)} ({low.words}) to {number(high.alpha)} ({high.words})"
    return Window("ok", low, high, words)
