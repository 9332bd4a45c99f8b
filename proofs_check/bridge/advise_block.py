"""Which alpha at a block in the middle of a model: one derivative, then a few measurements.

M_loc = d logits / d alpha at 0, from one batch of two steered states, gives a seed for every end
(`local`); at most four corrections on measured distributions follow. Each distribution that is
measured serves all searches of its context. Nothing about convexity or monotony is guaranteed here,
so what is only predicted says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import log_softmax, logsumexp

from proofs_check.bridge.advise_rows import HeldContexts
from proofs_check.bridge.advise_search import Search
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


def differentiate(held: HeldContexts, norm: float) -> list[Local]:
    """Central differences of every context's last logits, both steps of all of them in one pass.

    Parameters
    ----------
    held : HeldContexts
    norm : float
        |v|.
    """
    everyone = list(range(held.count))
    steps = _STEP * held.lengths / norm
    logits = held.logits(everyone + everyone, np.concatenate((-steps, steps)))
    found = []
    for j, step in enumerate(steps):
        low, base, high = logits[j], held.base[j], logits[held.count + j]
        slope, bend = (high - low) / (2 * step), (high - 2 * base + low) / step**2
        found.append(Local(log_softmax(base), slope, bend))
    return found


@dataclass
class _Running:
    """One context on its way: what is searched for and what was measured, by strength."""

    local: Local
    searches: list[Search] = field(default_factory=list)
    rows: dict[float, Floats] = field(default_factory=dict)

    def wanted(self) -> list[float]:
        """The strengths to measure next. What is done or hopeless costs nothing any more."""
        asked = {s.propose() for s in self.searches if not _settled(s) and not s.falling}
        return sorted(strength for strength in asked if strength not in self.rows)

    def record(self, strength: float, log_q: Floats, demand: Demand) -> None:
        """A measured distribution serves all searches of its context."""
        self.rows[strength] = log_q
        for search in self.searches:
            search.record(strength, _value(search.name, self.local.log_p, log_q, demand))

    def stretch(self) -> dict[str, float]:
        """How much farther than the quadratic law the ends were found, by demand."""
        return {
            s.name: _best(s)[0] * s.rate / s.goal
            for s in self.searches
            if s.name != "level" and _settled(s)
        }


def advise_block(
    held: HeldContexts,
    norm: float,
    demand: Demand,
    plateaus: Sequence[Plateau | None],
    *,
    name: Namer = numbered,
    derivatives: Sequence[Local] | None = None,
) -> list[ContextAdvice]:
    """Advise on every context of `held`.

    The first one goes ahead: how much farther than the quadratic law its ends lie varies less from
    context to context than alpha does, and seeds the others.

    Parameters
    ----------
    held : HeldContexts
    norm : float
        |v|.
    demand : Demand
    plateaus : sequence of Plateau or None
        What is known of each context's limit.
    name : function
    derivatives : sequence of Local, optional
        What `differentiate` returned, where it is known already.
    """
    known = differentiate(held, norm) if derivatives is None else derivatives
    running = [_Running(local) for local in known]
    stretch: dict[str, float] = {}
    for group in (range(1), range(1, held.count)):
        for j in group:
            running[j].searches = _searches(running[j].local, demand, stretch)
        _measure(held, running, group, demand)
        stretch = running[0].stretch()
    return [
        _advice(one, demand, plateau, name) for one, plateau in zip(running, plateaus, strict=True)
    ]


def _measure(
    held: HeldContexts, running: Sequence[_Running], group: Sequence[int], demand: Demand
) -> None:
    """The seeds and at most four corrections, all contexts of a group in one pass each time."""
    for _ in range(1 + _CORRECTIONS):
        wanted = [(j, strength) for j in group for strength in running[j].wanted()]
        if not wanted:
            return
        alphas = demand.sign * np.array([strength for _, strength in wanted])
        logits = held.logits([j for j, _ in wanted], alphas)
        for (j, strength), row in zip(wanted, logits, strict=True):
            running[j].record(strength, log_softmax(row), demand)


def _advice(one: _Running, demand: Demand, plateau: Plateau | None, name: Namer) -> ContextAdvice:
    """What the measurements of one context say."""
    local, rows, sign, target = one.local, one.rows, demand.sign, demand.target
    family = local.family(sign)
    lows, highs, top, cautions = _ends(one.searches, local, family, demand)
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


def _searches(local: Local, demand: Demand, stretch: Mapping[str, float]) -> list[Search]:
    """A search for every demand that can be met at all, seeded by the derivatives."""
    found: list[Search] = []
    family = local.family(demand.sign)
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
