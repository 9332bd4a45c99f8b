"""Which alpha, for one context: every end a certified root, every failure in words.

Source: `advise-budget`, `advise-target` and `sweet-spot` of this project, answers to the question
that arXiv:2602.02712 leaves open. All roots are those of the engine's inverse questions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge.advisor._old_advice.crossing import (
    Supremum,
    concept_slope,
    rises_for_sure,
)
from steering_strength.proofs_check.bridge.advisor._old_advice.demand import Demand
from steering_strength.proofs_check.bridge.advisor._old_advice.ends import (
    Namer,
    PeakEnds,
    budget_ends,
    level_ends,
    numbered,
    peak_end,
    peak_ends,
)
from steering_strength.proofs_check.bridge.advisor._old_advice.guarantee import (
    Guarantee,
    budget_guarantee,
)
from steering_strength.proofs_check.bridge.advisor._old_advice.plateau import (
    Plateau,
    likeliest,
    plateau_of,
)
from steering_strength.proofs_check.bridge.advisor._old_advice.window import (
    End,
    Point,
    Window,
    intersect,
    nats,
    number,
)
from steering_strength.theory.engine import TiltedFamily

__all__ = ["ContextAdvice", "advise_family", "verdict"]


@dataclass(frozen=True, eq=False)
class ContextAdvice:
    """Which alpha to use in one context, why, and what it costs.

    Attributes
    ----------
    demand : Demand
    window : Window
        The answer.
    ends : tuple of End
        Every bound that was considered, binding or not.
    method : str
        How the ends were found: "closed form", "closed form, scanned" or "measured".
    start, low, high : Point
        What happens at alpha = 0 and at both ends of the window.
    slope : float
        dF_T / dalpha at 0 = Cov(1_T, M), per unit alpha; nan without a target.
    sd : float
        sd(M) under p, nats per unit alpha: alpha sd(M) is a strength without a unit.
    spread : float
        max M - min M on the support, nats per unit alpha; nan where M is only known locally.
    supremum : Supremum or None
        The highest F_T there is, where the level is never reached.
    guarantee : Guarantee or None
        What is certain from sd(M) and the range of M alone, given a budget of Delta CE.
    peaks : PeakEnds or None
    plateau : Plateau or None
    cautions : tuple of str
        What a user should know besides, each with its number.
    """

    demand: Demand
    window: Window
    ends: tuple[End, ...]
    method: str
    start: Point
    low: Point
    high: Point
    slope: float
    sd: float
    spread: float
    supremum: Supremum | None
    guarantee: Guarantee | None
    peaks: PeakEnds | None
    plateau: Plateau | None
    cautions: tuple[str, ...]


def advise_family(family: TiltedFamily, demand: Demand, name: Namer = numbered) -> ContextAdvice:
    """Advise on one context; see `theory.advice.advise` for the meaning of the demands."""
    sign, target = demand.sign, demand.target
    # Steering against v is steering along -v: below, alpha > 0 throughout.
    ahead = family if sign > 0 else TiltedFamily(family.log_p, -family.log_odds)
    support = ahead.log_p > -np.inf
    values = ahead.log_odds[support]
    spread, variance = float(np.ptp(values)), float(ahead.variance(0.0))
    peaks = None if target is None or spread == 0.0 else peak_ends(ahead, demand)
    lows, highs, top = level_ends(ahead, demand)
    highs += budget_ends(ahead, demand)
    if peaks is not None and demand.before_peak != "no":
        highs.append(peak_end(ahead, peaks, demand, name))
    low, high = intersect(sign, lows, highs)
    slope = math.nan if target is None else concept_slope(family, target)
    points = [_point(ahead, demand, end) for end in (0.0, low.alpha, high.alpha)]
    monotone = None if target is None else rises_for_sure(ahead, target)
    guarantee = None
    if demand.cross_entropy and spread > 0.0:
        guarantee = budget_guarantee(variance, spread, demand.cross_entropy, monotone)
    return ContextAdvice(
        demand=demand,
        window=verdict(demand, low, high, points, slope, top, unmoved=spread == 0.0),
        ends=(*lows, *highs),
        method="closed form",
        start=points[0],
        low=points[1],
        high=points[2],
        slope=slope,
        sd=math.sqrt(variance),
        spread=spread,
        supremum=top,
        guarantee=guarantee,
        peaks=peaks,
        plateau=plateau_of(ahead, target, demand.plateau, sign),
        cautions=_cautions(demand, slope, peaks, monotone, name),
    )


def verdict(
    demand: Demand,
    low: End,
    high: End,
    points: list[Point],
    slope: float,
    top: Supremum | None,
    *,
    unmoved: bool,
) -> Window:
    """Say in one sentence whether the ends leave anything, with the number that shows it."""
    sign = demand.sign
    if unmoved:
        words = "M takes one value on all tokens: this vector moves nothing in this context"
        return Window("unmoved", low, high, words)
    if math.isinf(low.alpha):
        reach = (
            ""
            if top is None
            else (
                f": the most it reaches is {number(top.concept)}"
                + (
                    " in the limit"
                    if math.isinf(top.alpha)
                    else f", at alpha = {number(sign * top.alpha + 0.0)}"
                )
                + ("" if top.certified else ", of what was evaluated")
            )
        )
        words = (
            f"F_T never reaches {number(demand.level or math.nan)} on this side{reach};"
            f" dF_T/dalpha at 0 = Cov(1_T, M) = {slope:.3g}"
        )
        return Window("never", low, high, words)
    if sign * low.alpha > sign * high.alpha or (high.alpha == 0.0 and high.demand != "none"):
        words = f"empty: {high.words} at alpha = {number(high.alpha)}"
        if low.demand == "level" and low.alpha != 0.0:
            words += (
                f", {low.words} only at {number(low.alpha)}, where Delta CE is"
                f" {nats(points[1].cross_entropy)}; at {number(high.alpha)} F_T is"
                f" {number(points[2].concept)}"
            )
        return Window("empty", low, high, words)
    words = (
        f"use alpha from {number(low.alpha)} ({low.words}) to {number(high.alpha)} ({high.words})"
    )
    return Window("ok", low, high, words)


def _point(family: TiltedFamily, demand: Demand, alpha: float) -> Point:
    """What happens at a signed alpha; at infinity, the limits."""
    strength, target = demand.sign * alpha, demand.target
    if math.isinf(strength):
        log_p = family.limit(1)
        price, back = math.inf, float(-_log_share(family))
        if np.ptp(family.log_odds[family.log_p > -np.inf]) == 0.0:
            price, back = 0.0, 0.0
        log_odds = plateau_of(family, target, demand.plateau, 1).concept
        return Point(alpha, log_odds, price, back, _variation(family, log_p), likeliest(log_p))
    log_p = family.log_probability(strength)
    concept = math.nan
    if target is not None:
        concept = float(np.exp(-np.logaddexp(0.0, -family.concept_log_odds(target, strength))))
    return Point(
        alpha,
        concept,
        float(family.cross_entropy_increase(strength)),
        float(family.reverse_kl(strength)),
        _variation(family, log_p),
        likeliest(log_p),
    )


def _log_share(family: TiltedFamily) -> float:
    support = family.log_p > -np.inf
    top = support & (family.log_odds == family.log_odds[support].max())
    return float(np.logaddexp.reduce(family.log_p[top]))


def _variation(family: TiltedFamily, log_p: NDArray[np.float64]) -> float:
    return 0.5 * float(np.abs(np.exp(log_p) - np.exp(family.log_p)).sum())


def _cautions(
    demand: Demand, slope: float, peaks: PeakEnds | None, monotone: bool | None, name: Namer
) -> tuple[str, ...]:
    found = []
    if demand.target is not None and demand.sign * slope <= 0.0:
        found.append(
            "a small step on this side does not raise F_T: dF_T/dalpha at 0 = Cov(1_T, M) ="
            f" {slope:.3g} per unit alpha"
        )
    if peaks is not None and peaks.falling:
        shown = ", ".join(name(z) for z in peaks.falling[:4])
        more = f" and {len(peaks.falling) - 4} more" if len(peaks.falling) > 4 else ""
        count = 0 if demand.target is None else int(demand.target.sum())
        found.append(
            f"{len(peaks.falling)} of {count} target tokens fall from alpha = 0 on: {shown}{more}"
        )
    if monotone is False and demand.level is not None:
        found.append("F_T is not certain to grow all the way; every crossing was searched for")
    return tuple(found)
