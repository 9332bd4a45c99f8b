"""Which alpha, for one context: every end a root of its curve, every failure in words.

Source: `advise-budget`, `advise-target` and `sweet-spot` of this project, answers to the question
that arXiv:2602.02712 leaves open. "Never" and "for ever" are said where the curve proves them; what
was looked for and not found ends the window where looking ended, or leaves it unsettled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from steering_strength.theory.advice.curve import Question, SteeredCurve, ask_together
from steering_strength.theory.advice.demand import Demand
from steering_strength.theory.advice.summary import Readable, context_summary
from steering_strength.theory.advice.window import (
    End,
    Namer,
    Point,
    Window,
    intersect,
    nats,
    number,
    numbered,
    point_of,
)
from steering_strength.theory.engine import TiltedFamily
from steering_strength.theory.engine.cross_entropy import bounds, quadratic_radius
from steering_strength.theory.engine.estimation import Estimate
from steering_strength.theory.engine.inverse import Root
from steering_strength.theory.engine.numerics import outwards

# M within so many units in its last place is one value.
_ULPS = 4.0
# A range of M below this would need an alpha beyond 1e290.
_LEAST = 1e-290
# Where the quadratic law counts as good enough.
_QUADRATIC = 0.1


class Guarantee(NamedTuple):
    """Certain statements about a budget of Delta CE from sd(M) and the range of M alone.

    Source: `theory.engine.cross_entropy.bounds`, beyond arXiv:2602.02712, Thm 3.8.

    Attributes
    ----------
    within : float
        Every |alpha| up to here keeps the budget.
    beyond : float
        Every |alpha| from here on breaks it.
    radius : float
        |alpha| up to which the quadratic law is certain to be within 10 % of Delta CE.
    """

    within: float
    beyond: float
    radius: float


@dataclass(frozen=True, eq=False, repr=False)
class ContextAdvice(Readable):
    """Which alpha to use in one context, why, and what it costs; `print` it for a summary.

    Attributes
    ----------
    demand : Demand
    window : Window
        The answer.
    ends : tuple of End
        Every bound that was considered, binding or not.
    method : str
        How the ends were found: "closed form", "scanned" or "measured".
    holds : str
        Where the answer holds, one line.
    start, low, high : Point
        What happens at alpha = 0 and at both ends of the window.
    slope : float
        dF_T / dalpha at 0 = Cov(1_T, M), per unit alpha; nan without a target.
    sd : float
        sd(M) under p, nats per unit alpha: alpha sd(M) is a strength without a unit.
    spread : float
        max M - min M on the support, nats per unit alpha; nan where M is only known locally.
    highest : Point or None
        Where F_T is largest, if the level is not reached.
    guarantee : Guarantee or None
        What is certain from sd(M) and the range of M alone, given a budget of Delta CE.
    first_peak : (int, float) or None
        The target token that turns down first, and where (`sweet-spot`).
    last_peak : (int, float) or None
        The other token that turns down last, and where: beyond it all others fall.
    falling : tuple of int
        Target tokens that fall from alpha = 0 on, whatever the strength.
    plateau : End or None
        Beyond it p_alpha is within `demand.plateau` of its limit, in total variation.
    limit : Point or None
        What happens in the limit.
    cautions : tuple of str
        What a user should know besides, each with its number.
    names : tuple of (int, str)
        The texts of the tokens that are mentioned.
    estimate : Estimate or None
        How sure `window.advised` is, where the texts of P and N are known.
    """

    demand: Demand
    window: Window
    ends: tuple[End, ...]
    method: str
    holds: str
    start: Point
    low: Point
    high: Point
    slope: float
    sd: float
    spread: float
    highest: Point | None = None
    guarantee: Guarantee | None = None
    first_peak: tuple[int, float] | None = None
    last_peak: tuple[int, float] | None = None
    falling: tuple[int, ...] = ()
    plateau: End | None = None
    limit: Point | None = None
    cautions: tuple[str, ...] = ()
    names: tuple[tuple[int, str], ...] = ()
    estimate: Estimate | None = None

    summary = context_summary

    def __repr__(self) -> str:
        return f"ContextAdvice({self.window.status}: {self.window.words})"


def advise_contexts(
    curves: Sequence[SteeredCurve], demand: Demand, name: Namer = numbered
) -> tuple[ContextAdvice, ...]:
    """Advise on each context; curves that can share their work are asked together first."""
    shared = [curve for curve in curves if hasattr(type(curve), "together")]
    ask_together([question for curve in shared for question in _first(curve, demand)])
    ask_together([question for curve in shared for question in _second(curve, demand)])
    return tuple(_advise(curve, demand, name) for curve in curves)


def _first(curve: SteeredCurve, demand: Demand) -> list[Question]:
    """What is asked of every curve."""
    asked: list[tuple[str, tuple[object, ...]]] = []
    asked += [(f"{name}_root", (budget, demand.sign)) for name, _, budget in demand.budgets]
    if demand.level is not None:
        asked.append(("concept_root", (demand.tokens, demand.level, demand.sign)))
    if demand.before_peak != "no":
        rising, falling = _sides(_local(curve), demand)
        if not _peak_at_zero(rising, falling, demand):
            asked += [("peak_root", (z, demand.sign)) for z in rising]
    if demand.plateau is not None:
        asked.append(("limit_root", (demand.plateau, demand.sign)))
    return [(curve, *question) for question in asked]


def _second(curve: SteeredCurve, demand: Demand) -> list[Question]:
    """What is asked once it is known whether the level is reached."""
    if demand.level is None:
        return []
    tokens, root = demand.tokens, curve.concept_root(demand.tokens, demand.level, demand.sign)
    if _found(root):
        return [(curve, "concept_loss_root", (tokens, demand.level, root.alpha, demand.sign))]
    return [(curve, "concept_maximum", (tokens, demand.sign))]


def _advise(curve: SteeredCurve, demand: Demand, name: Namer) -> ContextAdvice:
    sign, target, local = demand.sign, demand.target, _local(curve)
    tilted = curve if isinstance(curve, TiltedFamily) else None
    values = local.log_odds[local.log_p > -np.inf]
    # M that differs in its last bits, or needs an alpha beyond float64, moves nothing.
    spread, sd = float(np.ptp(values)), math.sqrt(float(local.variance(0.0)))
    still = spread <= max(_ULPS * np.finfo(np.float64).eps * float(np.abs(values).max()), _LEAST)
    unmoved = still
    if still and tilted is None:  # then whether the limit is where the curve starts
        moved = np.abs(np.exp(curve.limit(sign)) - np.exp(curve.log_p)).sum()
        unmoved = bool(moved <= 1e-12)
    slope = math.nan if target is None else float(local.concept_slope(target, 0.0))
    start = _point(curve, demand, 0.0)
    if unmoved:
        beyond = sign * math.inf
        unmet = demand.level is not None and start.concept < demand.level
        ends = [End(beyond, "level", "F_T does not move", beyond, beyond)] if unmet else []
        low, high = intersect(sign, ends, [])
        words = "M takes one value on all tokens: this vector moves nothing in this context"
        window, names = Window("unmoved", low, high, words), _names([start], (), name)
        return ContextAdvice(demand, window, (), curve.method, _holds(curve), start, start, start,
                             slope, sd, spread, names=names)  # fmt: skip
    lows, highs, highest = _level_ends(curve, demand)
    highs += _budget_ends(curve, demand)
    first, last, falling, peaks = _peak_ends(curve, local, demand, name)
    highs += peaks
    low, high = intersect(sign, lows, highs)
    points = [start, *(_point(curve, demand, end.alpha) for end in (low, high))]
    monotone = None
    if target is not None and tilted is not None:
        monotone = tilted.concept_rises(target) if sign > 0 else tilted.concept_falls(target)
    guarantee = None
    if demand.cross_entropy and tilted is not None:
        guarantee = budget_guarantee(tilted, demand.cross_entropy)
    plateau = None
    if demand.plateau is not None:
        words = f"p_alpha is within {demand.plateau:.3g} of its limit"
        if tilted is not None:
            price = tilted.cross_entropy_asymptote(sign)[0]
            words += f", and each unit of alpha costs {nats(price)} more"
        plateau = End.of(curve.limit_root(demand.plateau, sign), "plateau", words)
    limit = None if plateau is None else _point(curve, demand, sign * math.inf)
    mentioned = [peak[0] for peak in (first, last) if peak is not None]
    return ContextAdvice(
        demand=demand,
        window=_verdict(demand, low, high, points, slope, highest, curve.method),
        ends=(*lows, *highs),
        method=curve.method,
        holds=_holds(curve),
        start=points[0],
        low=points[1],
        high=points[2],
        slope=slope,
        sd=sd,
        spread=spread if tilted is not None else math.nan,
        highest=highest,
        guarantee=guarantee,
        first_peak=first,
        last_peak=last,
        falling=falling,
        plateau=plateau,
        limit=limit,
        cautions=_cautions(curve, demand, slope, falling, monotone, name),
        names=_names([*points, limit], mentioned, name),
    )


def budget_guarantee(family: TiltedFamily, budget: float) -> Guarantee:
    """Invert the engine's bounds on Delta CE at `budget` > 0 nats; M must not be constant.

    In units of the range of M, where nothing over- or underflows.
    """
    support = family.log_p > -np.inf
    spread = float(np.ptp(family.log_odds[support]))
    scaled = TiltedFamily(family.log_p, np.where(support, family.log_odds / spread, 0.0))
    variance = float(scaled.variance(0.0))

    def first(side: int) -> float:
        """Where that bound, the lower or the upper one, reaches the budget."""

        def excess(x: float) -> float:
            return float(bounds(variance, 1.0, np.array([x]))[side][0]) - budget

        return (outwards(excess, 1.0, 1e150) or (math.inf,))[0]

    radius = quadratic_radius(_QUADRATIC)
    return Guarantee(first(1) / spread, first(0) / spread, radius / spread)


def _local(curve: SteeredCurve) -> TiltedFamily:
    """The curve itself, or the tilting that agrees with it at alpha = 0."""
    return curve if isinstance(curve, TiltedFamily) else TiltedFamily(curve.log_p, curve.log_odds)


def _found(root: Root) -> bool:
    return root.reached and math.isfinite(root.alpha)


def _never(root: Root) -> bool:
    """Whether it is proved that there is none."""
    return math.isinf(root.lower) and math.isinf(root.upper)


def _high(root: Root, demand: str, title: str, missing: str, sign: int) -> End:
    """A high end: found, excluded for ever, or looked for in vain up to some strength."""
    if _found(root):
        return End.of(root, demand, title)
    far = root.lower if sign > 0 else root.upper
    if math.isfinite(far):
        return End(far, "measured", f"{missing}: {root.reason}", far, far)
    beyond = sign * math.inf
    why = root.reason or "alpha would exceed 1e+300"
    return End(beyond, demand, f"{missing}: {why}", beyond, beyond)


def _level_ends(curve: SteeredCurve, demand: Demand) -> tuple[list[End], list[End], Point | None]:
    """Ends from F_T >= level: its first crossing and its loss, or the largest F_T there is."""
    if demand.level is None or demand.target is None:
        return [], [], None
    level, target, sign = number(demand.level), demand.target, demand.sign
    root = curve.concept_root(target, demand.level, sign)
    if not _found(root):
        words = f"F_T {'never reaches' if _never(root) else 'was not found to reach'} {level}"
        best = curve.concept_maximum(target, sign)
        end = End.of(Root(sign * math.inf, root.lower, root.upper, root.reason or "beyond 1e+300"),
                     "level", words)  # fmt: skip
        return [end], [], _point(curve, demand, best.alpha + 0.0)
    words = f"F_T reaches {level}" if root.alpha else f"F_T is already {level} at alpha = 0"
    lows = [End.of(root, "level", words)]
    back = curve.concept_loss_root(target, demand.level, root.alpha, sign)
    words = f"F_T falls below {level} again"
    end = _high(back, "holds", words, f"F_T was not seen to fall below {level}", sign)
    return lows, [end] if math.isfinite(end.alpha) else [], None


def _budget_ends(curve: SteeredCurve, demand: Demand) -> list[End]:
    """The last alphas within each budget."""
    ends, sign = [], demand.sign
    for name, title, budget in demand.budgets:
        root: Root = getattr(curve, f"{name}_root")(budget, sign)
        verb = "never reaches" if _never(root) else "was not seen to reach"
        missing = f"{title} {verb} {nats(budget)}"
        ends.append(_high(root, name, f"{title} = {nats(budget)}", missing, sign))
    return ends


def _sides(local: TiltedFamily, demand: Demand) -> tuple[list[int], list[int]]:
    """Target tokens that rise, and those that fall, from alpha = 0 on in the demand's direction."""
    if demand.target is None:
        return [], []
    rate = demand.sign * local.slope(0.0)
    inside = demand.target & (local.log_p > -np.inf)
    return (
        [int(z) for z in np.flatnonzero(inside & (rate > 0.0))],
        [int(z) for z in np.flatnonzero(inside & (rate <= 0.0))],
    )


def _peak_at_zero(rising: list[int], falling: list[int], demand: Demand) -> bool:
    """Whether the demand about peaks allows alpha = 0 only."""
    return bool(falling) and (demand.before_peak == "any" or not rising)


def _peak_ends(
    curve: SteeredCurve, local: TiltedFamily, demand: Demand, name: Namer
) -> tuple[tuple[int, float] | None, tuple[int, float] | None, tuple[int, ...], list[End]]:
    """(first target peak, last other peak, falling target tokens, the end they set).

    Tilting knows every peak at once; of another curve only what was demanded is asked.
    """
    sign, target = demand.sign, demand.target
    if target is None:
        return None, None, (), []
    first = last = None
    if isinstance(curve, TiltedFamily):
        turns = sign * curve.peaks()
        inside = np.flatnonzero(target & ~np.isnan(turns))
        outside = np.flatnonzero(~target & ~np.isnan(turns))
        rising = [int(z) for z in inside[turns[inside] > 0.0]]
        falling = [int(z) for z in inside[turns[inside] <= 0.0]]
        considered = np.array(rising if demand.before_peak == "rising" and rising else inside)
        if considered.size and outside.size:
            z, other = considered[np.argmin(turns[considered])], outside[np.argmax(turns[outside])]
            first = (int(z), sign * float(turns[z]) + 0.0)
            last = (int(other), sign * float(turns[other]) + 0.0)
    else:
        rising, falling = _sides(local, demand)
    if demand.before_peak == "no" or not (rising or falling):
        return first, last, tuple(falling), []
    if _peak_at_zero(rising, falling, demand):
        token = min(falling, key=lambda z: sign * float(local.log_odds[z]))
        words = (
            f"the target {name(token)} falls from alpha = 0 on: its M ="
            f" {number(float(local.log_odds[token]))} is not beyond the mean"
            f" {number(float(local.mean(0.0)))} on this side"
        )
        return first, last, tuple(falling), [End(0.0, "peak", words, 0.0, 0.0)]
    asked = rising
    if isinstance(curve, TiltedFamily):
        asked = [min(rising, key=lambda z: float(turns[z]))]
    found = []
    for z in asked:
        root = curve.peak_root(z, sign)
        missing = f"the target {name(z)} was not seen to turn down"
        if _never(root):
            missing = "every target token that is asked for rises for ever"
        found.append(_high(root, "peak", f"the target {name(z)} peaks", missing, sign))
    return first, last, tuple(falling), [min(found, key=lambda end: abs(end.alpha))]


def _verdict(
    demand: Demand,
    low: End,
    high: End,
    points: list[Point],
    slope: float,
    highest: Point | None,
    method: str,
) -> Window:
    """Say in one sentence whether the ends leave anything, with the number that shows it."""
    sign = demand.sign
    if math.isinf(low.alpha):
        proved = low.lower == low.upper
        reach = ""
        if highest is not None:
            where = f", at alpha = {number(highest.alpha)}"
            if math.isinf(highest.alpha):
                where = " in the limit"
            most = "the most it reaches is" if proved else "the most that was seen is"
            reach = f"; {most} {number(highest.concept)}{where}"
        words = f"{low.words}{reach}; dF_T/dalpha at 0 = Cov(1_T, M) = {slope:.3g}"
        return Window("never" if proved else "unsettled", low, high, words)
    if sign * low.alpha > sign * high.alpha or (high.alpha == 0.0 and high.demand != "none"):
        words = f"empty: {high.words} at alpha = {number(high.alpha)}"
        if low.demand == "level" and low.alpha != 0.0:
            words += (
                f", {low.words} only at {number(low.alpha)}, where Delta CE is"
                f" {nats(points[1].cross_entropy)}; at {number(high.alpha)} F_T is"
                f" {number(points[2].concept)}"
            )
        return Window("empty", low, high, words)
    wide = [end for end in (low, high) if method == "measured" and not end.settled]
    if wide:
        words = "; ".join(
            f"not settled: {end.words} somewhere between alpha = {number(end.lower)} and"
            f" {number(end.upper)}"
            for end in wide
        )
        return Window("unsettled", low, high, words)
    if high.demand == "measured" and low.alpha == 0.0 and demand.limits:
        return Window("unsettled", low, high, f"not settled: {high.words}")
    words = (
        f"use alpha from {number(low.alpha)} ({low.words}) to {number(high.alpha)} ({high.words})"
    )
    return Window("ok", low, high, words)


def _point(curve: SteeredCurve, demand: Demand, alpha: float) -> Point:
    """What happens at a signed alpha; at infinity, the limits."""
    if math.isinf(alpha):
        return point_of(curve.log_p, curve.limit(demand.sign), demand.target, alpha)
    prices = float(curve.cross_entropy_increase(alpha)), float(curve.reverse_kl(alpha))
    row = curve.log_probability(alpha)
    return point_of(curve.log_p, row, demand.target, alpha, prices)


def _cautions(
    curve: SteeredCurve,
    demand: Demand,
    slope: float,
    falling: tuple[int, ...],
    monotone: bool | None,
    name: Namer,
) -> tuple[str, ...]:
    found = []
    if demand.target is not None and demand.sign * slope <= 0.0:
        found.append(
            "a small step on this side does not raise F_T: dF_T/dalpha at 0 = Cov(1_T, M) ="
            f" {slope:.3g} per unit alpha"
        )
    if demand.target is not None and falling:
        shown = ", ".join(name(z) for z in falling[:4])
        more = f" and {len(falling) - 4} more" if len(falling) > 4 else ""
        found.append(
            f"{len(falling)} of {int(demand.target.sum())} target tokens fall from alpha = 0 on:"
            f" {shown}{more}"
        )
    if monotone is False and demand.level is not None:
        found.append("F_T is not certain to grow all the way; every crossing was searched for")
    if curve.method != "closed form":
        found.append("between the strengths that were evaluated a short excursion is not excluded")
    return tuple(found)


def _holds(curve: SteeredCurve) -> str:
    if isinstance(curve, TiltedFamily):
        return (
            "steering at the output of a model's final norm (or in the UFM), where logits are"
            " linear; for an earlier layer ask SteeredModel.advise"
        )
    if curve.method == "measured":
        return "this model, this site, these contexts, as measured"
    return "this curve, in closed form"


def _names(
    points: Sequence[Point | None], tokens: Sequence[int], name: Namer
) -> tuple[tuple[int, str], ...]:
    shown = {z for point in points if point is not None for z, _ in point.tokens[:4]} | {*tokens}
    return tuple((z, name(z)) for z in sorted(shown))
