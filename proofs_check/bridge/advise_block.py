"""Which alpha at a block in the middle of a model: one derivative, then a few measurements.

M_loc = d logits / d alpha at 0, from one batch of two steered states, gives a seed for every end
(`local`); at most four corrections on measured distributions follow. Each distribution that is
measured serves all searches of its context. Nothing about convexity or monotony is guaranteed here,
so what is only predicted says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import log_softmax, logsumexp

from proofs_check.bridge.advise_search import Search
from proofs_check.bridge.anatomy import Anatomy
from proofs_check.bridge.sites import Apply
from proofs_check.bridge.upper import Upper, read_out
from theory import TiltedFamily
from theory.advice.context import ContextAdvice, verdict
from theory.advice.crossing import Supremum
from theory.advice.demand import Demand
from theory.advice.ends import Namer, numbered, peak_end, peak_ends
from theory.advice.plateau import Plateau
from theory.advice.scan import point_of
from theory.advice.window import End, Point, intersect, nats, number

__all__ = ["Local", "advise_block", "differentiate"]

Floats = NDArray[np.float64]

# A step of this share of the states' median length: truncation and float32 rounding both stay below
# 1e-3 of the variance there, measured at every depth.
_STEP = 3e-3
_CORRECTIONS = 4
_CLOSE = 0.01


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


def differentiate(
    anatomy: Anatomy, upper: Upper, base: Floats, vector: torch.Tensor, apply: Apply
) -> Local:
    """Central differences of the last position's logits; `base`, (V,), are the unsteered ones."""
    length = float(upper.residual.norm(dim=-1).median() / vector.norm())
    step = _STEP * length
    low, high = read_out(anatomy, upper.last_normed(vector, np.array([-step, step]), apply)).numpy()
    return Local(log_softmax(base), (high - low) / (2 * step), (high - 2 * base + low) / step**2)


def advise_block(
    anatomy: Anatomy,
    upper: Upper,
    base: Floats,
    vector: torch.Tensor,
    demand: Demand,
    plateau: Plateau | None,
    *,
    apply: Apply = "all",
    name: Namer = numbered,
    stretch: Mapping[str, float] | None = None,
) -> ContextAdvice:
    """Advise on one context of a model.

    Parameters
    ----------
    anatomy : Anatomy
    upper : Upper
        The context, held at the block.
    base : numpy.ndarray
        Shape (V,), unsteered logits of the last position.
    vector : torch.Tensor
        Shape (d,).
    demand : Demand
    plateau : Plateau or None
        What is known of the limit.
    apply : {"all", "last"}
    name : function
    stretch : mapping
        By demand: measured alpha over that of the quadratic law in other contexts of this site. It
        varies less from context to context than alpha does, and makes a better seed.
    """
    local = differentiate(anatomy, upper, base, vector, apply)
    sign, target = demand.sign, demand.target
    family = local.family(sign)
    searches = _searches(local, family, demand, stretch or {})
    rows: dict[float, Floats] = {}
    for _ in range(1 + _CORRECTIONS):
        # Searches that are done, or that turned out hopeless, cost nothing any more.
        wanted = sorted({s.propose() for s in searches if not _settled(s) and not s.falling})
        wanted = [strength for strength in wanted if strength not in rows]
        if not wanted:
            break
        states = upper.last_normed(vector, sign * np.array(wanted), apply)
        for strength, logits in zip(wanted, read_out(anatomy, states).numpy(), strict=True):
            rows[strength] = log_softmax(logits)
            for search in searches:
                search.record(strength, _value(search.name, local.log_p, rows[strength], demand))
    lows, highs, top, cautions = _ends(searches, local, family, demand)
    peaks = None
    if demand.before_peak != "no" and target is not None:
        peaks = peak_ends(family, demand)
        if peaks is not None:
            end = peak_end(family, peaks, demand, name)
            words = f"{end.words} (by the local law, not measured)"
            highs.append(End(end.alpha, "peak", words, end.lower, end.upper))
    low, high = intersect(sign, lows, highs)
    points = [_point(local, rows, demand, alpha) for alpha in (0.0, low.alpha, high.alpha)]
    p = np.exp(local.log_p)
    centred = local.slope - p @ local.slope
    slope = math.nan if target is None else float(p[target] @ centred[target])
    inside = sign * low.alpha <= sign * high.alpha
    if demand.level is not None and inside and points[2].concept < demand.level * (1 - _CLOSE):
        cautions.append(
            f"F_T has fallen back: at the high end it is {number(points[2].concept)}, below"
            f" {number(demand.level)}"
        )
    cautions.append(f"ends measured in {len(rows)} steered passes after one derivative")
    return ContextAdvice(
        demand=demand,
        window=verdict(demand, low, high, points, slope, top, unmoved=not np.ptp(local.slope) > 0),
        ends=(*lows, *highs),
        method="measured",
        start=points[0],
        low=points[1],
        high=points[2],
        slope=slope,
        sd=float(np.sqrt(p @ centred**2)),
        spread=math.nan,
        supremum=top,
        guarantee=None,
        peaks=None,
        plateau=plateau,
        cautions=tuple(cautions),
    )


def _searches(
    local: Local, family: TiltedFamily, demand: Demand, stretch: Mapping[str, float]
) -> list[Search]:
    """A search for every demand that can be met at all, seeded by the derivatives."""
    found: list[Search] = []
    sd = float(np.sqrt(family.variance(0.0)))
    if not sd > 0.0:
        return found
    for name, budget, tilted in (
        ("cross_entropy", demand.cross_entropy, family.alpha_for_cross_entropy),
        ("reverse_kl", demand.reverse_kl, family.alpha_for_reverse_kl),
    ):
        if not budget:
            continue
        quadratic = math.sqrt(2 * budget) / sd
        if name in stretch:
            seed = stretch[name] * quadratic
        else:
            seed = tilted(budget, 1)
            if not math.isfinite(seed):
                seed = quadratic
            # Curves flatten away from the origin: of two predictions the larger errs less.
            seed = max(seed, _bent_seed(local, budget, demand.sign, 3 * quadratic))
        found.append(Search(name, math.sqrt(budget), sd / math.sqrt(2.0), seed))
    if demand.level is not None and demand.target is not None:
        start = float(family.concept_log_odds(demand.target, 0.0))
        inside = np.exp(local.log_p[demand.target])
        share = inside / inside.sum()
        rest = np.exp(local.log_p[~demand.target])
        rate = float(share @ family.log_odds[demand.target]) - float(
            rest / rest.sum() @ family.log_odds[~demand.target]
        )
        goal = demand.log_odds_level - start
        if goal > 0.0 and rate > 0.0:
            seed = family.alpha_for_concept(demand.target, demand.level)
            found.append(Search("level", goal, rate, seed if math.isfinite(seed) else goal / rate))
    return found


def _bent_seed(local: Local, budget: float, sign: int, far: float) -> float:
    """Where logits to second order spend the budget, if that happens before `far`."""
    if local.second_order_price(far, sign) <= budget:
        return 0.0
    return float(brentq(lambda a: local.second_order_price(a, sign) - budget, 0.0, far, rtol=1e-3))


def _value(name: str, log_p: Floats, log_q: Floats, demand: Demand) -> float:
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


def _best(search: Search) -> tuple[float, float]:
    """The measurement closest to the goal."""
    return min(search.nodes, key=lambda node: abs(node[1] - search.goal))


def _settled(search: Search) -> bool:
    """Whether the budget, or the probability F_T, is met within 1 %."""
    if not search.nodes:
        return False
    y = _best(search)[1]
    if search.name != "level":
        return abs((y / search.goal) ** 2 - 1.0) <= _CLOSE
    # d log F = (1 - F) d logit F <= d logit F.
    return abs(y - search.goal) <= _CLOSE


def _ends(
    searches: list[Search], local: Local, family: TiltedFamily, demand: Demand
) -> tuple[list[End], list[End], Supremum | None, list[str]]:
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
        alpha, y = _best(search)
        words = f"{title} = {nats(budget)} (measured {number(y * y)})"
        if not _settled(search):
            cautions.append(
                f"{title} did not settle within 1 % in {_CORRECTIONS} corrections: it is"
                f" {nats(y * y)} at alpha = {number(demand.sign * alpha)}"
            )
        highs.append(_measured_end(search, alpha, name, words, demand))
        cautions.append(
            f"the derivative alone would put {title} = {nats(budget)} at alpha ="
            f" {number(demand.sign * search.goal / search.rate)}"
        )
    if demand.level is not None and demand.target is not None:
        level = number(demand.level)
        start = float(np.exp(logsumexp(local.log_p[demand.target])))
        found = by_name.get("level")
        if found is not None and (_settled(found) or found.high < math.inf):
            # Bracketed but not settled: the outer end is where the level was seen to be reached.
            alpha = _best(found)[0] if _settled(found) else found.high
            words = f"F_T reaches {level}"
            if not _settled(found):
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


def _point(local: Local, rows: dict[float, Floats], demand: Demand, alpha: float) -> Point:
    """A measured point, or one whose numbers are unknown: nothing is interpolated."""
    if alpha == 0.0:
        return point_of(local.log_p, local.log_p, demand, 0.0)
    row = rows.get(demand.sign * alpha)
    if row is None:
        return Point(alpha, math.nan, math.nan, math.nan, math.nan, ())
    return point_of(local.log_p, row, demand, alpha)
