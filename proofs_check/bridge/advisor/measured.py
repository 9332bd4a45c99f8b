"""What measured distributions say about the ends of a window at a block: words, brackets, points.

Nothing is interpolated into an answer: an end is a strength that was measured, its bracket lies
between two that were, and a point is described by its own distribution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

from steering_strength.proofs_check.bridge.advisor._old_advice.crossing import Supremum
from steering_strength.proofs_check.bridge.advisor._old_advice.demand import Demand
from steering_strength.proofs_check.bridge.advisor._old_advice.scan import point_of
from steering_strength.proofs_check.bridge.advisor._old_advice.window import (
    End,
    Point,
    nats,
    number,
)
from steering_strength.proofs_check.bridge.advisor.search import Search
from steering_strength.theory import TiltedFamily

__all__ = [
    "CLOSE",
    "CORRECTIONS",
    "Local",
    "closest",
    "measured_ends",
    "measured_point",
    "measured_value",
    "settled",
]

Floats = NDArray[np.float64]

CORRECTIONS = 4
CLOSE = 0.01


@dataclass(frozen=True, eq=False)
class Local:
    """What one batch at the origin says about a context.

    Parameters
    ----------
    log_p : numpy.ndarray
        Shape (V,), unsteered.
    slope, bend : numpy.ndarray
        Shape (V,): first and second derivative of the logits along v.
    """

    log_p: Floats
    slope: Floats
    bend: Floats

    def family(self, sign: int) -> TiltedFamily:
        """The tilted family that agrees with the model to first order, on the side of `sign`."""
        return TiltedFamily(self.log_p, sign * self.slope)

    def second_order_price(self, strength: float, sign: int) -> float:
        """KL(p || p_alpha) with logits to second order in alpha."""
        alpha = sign * strength
        bent = log_softmax(self.log_p + alpha * self.slope + 0.5 * alpha * alpha * self.bend)
        return float(np.exp(self.log_p) @ (self.log_p - bent))


def measured_value(name: str, log_p: Floats, log_q: Floats, demand: Demand) -> float:
    """y of a measured distribution: sqrt of a divergence, or the gain in logit F_T."""
    if name == "level" and demand.target is not None:
        inside, outside = demand.target, ~demand.target
        return float(
            logsumexp(log_q[inside]) - logsumexp(log_q[outside])
            - logsumexp(log_p[inside]) + logsumexp(log_p[outside])
        )  # fmt: skip
    if name == "cross_entropy":
        divergence = float(np.exp(log_p) @ (log_p - log_q))
    else:
        divergence = float(np.exp(log_q) @ (log_q - log_p))
    return math.sqrt(max(divergence, 0.0))


def closest(search: Search) -> tuple[float, float]:
    """The measurement closest to the goal."""
    return min(search.nodes, key=lambda node: abs(node[1] - search.goal))


def settled(search: Search) -> bool:
    """Whether the budget, or the probability F_T, is met within 1 %."""
    if not search.nodes:
        return False
    y = closest(search)[1]
    if search.name != "level":
        return abs((y / search.goal) ** 2 - 1.0) <= CLOSE
    # d log F = (1 - F) d logit F <= d logit F.
    return abs(y - search.goal) <= CLOSE


def measured_ends(
    searches: list[Search], local: Local, family: TiltedFamily, demand: Demand
) -> tuple[list[End], list[End], Supremum | None, list[str]]:
    """Low ends, high ends, the largest F_T seen where the level was not, and cautions."""
    lows, highs, cautions = [], [], []
    top, by_name = None, {search.name: search for search in searches}
    for name, title, budget in (
        ("cross_entropy", "Delta CE", demand.cross_entropy),
        ("reverse_kl", "KL(p_alpha || p)", demand.reverse_kl),
    ):
        if budget is None:
            continue
        if name not in by_name:
            alpha = 0.0 if budget == 0.0 else demand.sign * math.inf
            highs.append(End(alpha, name, f"{title} = {nats(budget)}", alpha, alpha))
            continue
        search = by_name[name]
        alpha, y = closest(search)
        if not settled(search):
            # Not at the budget, but within it: the largest strength that was seen to keep it.
            kept = [node for node in search.nodes if node[0] == search.low]
            alpha, y = kept[0] if kept else min(search.nodes)
            cautions.append(
                f"{title} did not settle within 1 % in {CORRECTIONS} corrections: it is"
                f" {nats(y * y)} at alpha = {number(demand.sign * alpha)}"
            )
        words = f"{title} = {nats(budget)} (measured {number(y * y)})"
        highs.append(_measured_end(search, alpha, name, words, demand))
        cautions.append(
            f"the derivative alone would put {title} = {nats(budget)} at alpha ="
            f" {number(demand.sign * search.goal / search.rate)}"
        )
    if demand.level is not None and demand.target is not None:
        level = number(demand.level)
        start = float(np.exp(logsumexp(local.log_p[demand.target])))
        found = by_name.get("level")
        if found is not None and (settled(found) or found.high < math.inf):
            # Bracketed but not settled: the outer end is where the level was seen to be reached.
            alpha = closest(found)[0] if settled(found) else found.high
            words = f"F_T reaches {level}"
            if not settled(found):
                words += f" between {number(found.low)} and {number(found.high)}"
            lows.append(_measured_end(found, alpha, "level", words, demand))
        elif start >= demand.level:
            lows.append(End(0.0, "level", f"F_T is already {level} at alpha = 0", 0.0, 0.0))
        else:
            top = _highest(by_name.get("level"), start, family, demand)
            beyond = demand.sign * math.inf
            lows.append(End(beyond, "level", f"F_T was not seen to reach {level}", beyond, beyond))
    return lows, highs, top, cautions


def _highest(search: Search | None, start: float, family: TiltedFamily, demand: Demand) -> Supremum:
    """The largest F_T that was measured."""
    best = (0.0, start)
    if search is not None and demand.target is not None:
        base = float(family.concept_log_odds(demand.target, 0.0))
        for alpha, gain in search.nodes:
            best = max(best, (alpha, 1.0 / (1.0 + math.exp(-(base + gain)))), key=lambda n: n[1])
    return Supremum(best[1], best[0], False)


def _measured_end(search: Search, alpha: float, name: str, words: str, demand: Demand) -> End:
    ends = (search.low, search.high) if search.high < math.inf else (alpha, alpha)
    lower, upper = sorted(demand.sign * end + 0.0 for end in ends)
    return End(demand.sign * alpha, name, words, lower, upper)


def measured_point(local: Local, rows: dict[float, Floats], demand: Demand, alpha: float) -> Point:
    """A measured point, or one whose numbers are unknown: nothing is interpolated."""
    if alpha == 0.0:
        return point_of(local.log_p, local.log_p, demand, 0.0)
    row = rows.get(demand.sign * alpha)
    if row is None:
        return Point(alpha, math.nan, math.nan, math.nan, math.nan, ())
    return point_of(local.log_p, row, demand, alpha)
