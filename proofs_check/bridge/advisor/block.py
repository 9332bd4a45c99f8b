"""Which alpha at a block in the middle of a model: one derivative, then a few measurements.

M_loc = d logits / d alpha at 0, from one batch of two steered states, gives a seed for every end
(`local`); at most four corrections on measured distributions follow. Each distribution that is
measured serves all searches of its context. Nothing about convexity or monotony is guaranteed here,
so what is only predicted says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import log_softmax

from steering_strength.proofs_check.bridge.advisor._old_advice.context import ContextAdvice, verdict
from steering_strength.proofs_check.bridge.advisor._old_advice.demand import Demand
from steering_strength.proofs_check.bridge.advisor._old_advice.ends import (
    Namer,
    numbered,
    peak_end,
    peak_ends,
)
from steering_strength.proofs_check.bridge.advisor._old_advice.plateau import Plateau
from steering_strength.proofs_check.bridge.advisor._old_advice.window import End, intersect, number
from steering_strength.proofs_check.bridge.advisor.measured import (
    CLOSE,
    CORRECTIONS,
    Local,
    measured_ends,
    measured_point,
    measured_value,
    settled,
)
from steering_strength.proofs_check.bridge.advisor.rows import HeldContexts
from steering_strength.proofs_check.bridge.advisor.search import Search

__all__ = ["Local", "advise_block", "differentiate"]

Floats = NDArray[np.float64]

# A step of this share of the states' median length: truncation and float32 rounding both stay below
# 1e-3 of the variance there, measured at every depth.
_STEP = 3e-3


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
    extra: list[float] = field(default_factory=list)
    rows: dict[float, Floats] = field(default_factory=dict)

    def wanted(self) -> list[float]:
        """The strengths to measure next. What is done or hopeless costs nothing any more."""
        asked = {s.propose() for s in self.searches if not settled(s) and not s.falling}
        asked.update(self.extra)
        return sorted(strength for strength in asked if strength not in self.rows)

    def record(self, strength: float, log_q: Floats, demand: Demand) -> None:
        """A measured distribution serves all searches of its context."""
        self.rows[strength] = log_q
        for search in self.searches:
            search.record(strength, measured_value(search.name, self.local.log_p, log_q, demand))


def advise_block(
    held: HeldContexts,
    norm: float,
    demand: Demand,
    plateaus: Sequence[Plateau | None],
    *,
    name: Namer = numbered,
    derivatives: Sequence[Local] | None = None,
) -> list[ContextAdvice]:
    """Advise on every context of `held`, one pass for all of them in each round.

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
    for one in running:
        one.searches = _searches(one.local, demand)
        one.extra = _predicted_peak(one.local, demand)
    for _ in range(1 + CORRECTIONS):
        wanted = [(j, strength) for j, one in enumerate(running) for strength in one.wanted()]
        if not wanted:
            break
        alphas = demand.sign * np.array([strength for _, strength in wanted])
        logits = held.logits([j for j, _ in wanted], alphas)
        for (j, strength), row in zip(wanted, logits, strict=True):
            running[j].record(strength, log_softmax(row), demand)
    return [
        _advice(one, demand, plateau, name) for one, plateau in zip(running, plateaus, strict=True)
    ]


def _advice(one: _Running, demand: Demand, plateau: Plateau | None, name: Namer) -> ContextAdvice:
    """What the measurements of one context say."""
    local, rows, sign, target = one.local, one.rows, demand.sign, demand.target
    family = local.family(sign)
    lows, highs, top, cautions = measured_ends(one.searches, local, family, demand)
    peaks = None
    if demand.before_peak != "no" and target is not None:
        peaks = peak_ends(family, demand)
        if peaks is not None:
            end = peak_end(family, peaks, demand, name)
            words = f"{end.words} (by the local law, not measured)"
            highs.append(End(end.alpha, "peak", words, end.lower, end.upper))
    low, high = intersect(sign, lows, highs)
    points = [measured_point(local, rows, demand, alpha) for alpha in (0.0, low.alpha, high.alpha)]
    p = np.exp(local.log_p)
    centred = local.slope - p @ local.slope
    slope = math.nan if target is None else float(p[target] @ centred[target])
    inside = sign * low.alpha <= sign * high.alpha
    if demand.level is not None and inside and points[2].concept < demand.level * (1 - CLOSE):
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


def _predicted_peak(local: Local, demand: Demand) -> list[float]:
    """The strength at which a target token turns down by the local law: measured as it is."""
    if demand.before_peak == "no":
        return []
    peaks = peak_ends(local.family(demand.sign), demand)
    strength = 0.0 if peaks is None else demand.sign * peaks.first_target
    return [strength] if 0.0 < strength < math.inf else []


def _searches(local: Local, demand: Demand) -> list[Search]:
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
