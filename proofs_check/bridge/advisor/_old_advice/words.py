"""The advice as a report that a person reads top-down: the verdict, why, what it costs."""

from __future__ import annotations

import math

from steering_strength.proofs_check.bridge.advisor._old_advice.context import ContextAdvice
from steering_strength.proofs_check.bridge.advisor._old_advice.ends import Namer, numbered
from steering_strength.proofs_check.bridge.advisor._old_advice.population import PopulationAdvice
from steering_strength.proofs_check.bridge.advisor._old_advice.units import equivalents
from steering_strength.proofs_check.bridge.advisor._old_advice.window import Point, nats, number

__all__ = ["advice_text", "conventions_text"]


def advice_text(
    advice: ContextAdvice | PopulationAdvice,
    name: Namer = numbered,
    *,
    norm: float = math.nan,
    residual_norm: float = math.nan,
    max_activation: float = math.nan,
) -> str:
    """Return the report, several lines.

    Parameters
    ----------
    advice : ContextAdvice or PopulationAdvice
    name : function
        From a token's index to its text.
    norm, residual_norm, max_activation : float
        |v|, the median |h| at the site, the concept's largest activation: what is known of them.
    """
    if isinstance(advice, PopulationAdvice):
        return "\n".join(_population_lines(advice, name, norm, residual_norm, max_activation))
    lines = _context_lines(advice, name)
    lines += _length_lines(advice.window.low.alpha, advice.window.high.alpha, norm, residual_norm)
    return "\n".join(lines) + conventions_text(
        _used(advice.window.low.alpha, advice.window.high.alpha),
        norm,
        residual_norm,
        max_activation,
    )


def conventions_text(alpha: float, norm: float, residual_norm: float, max_activation: float) -> str:
    """The same push in other libraries' units; empty where |v| is not known or alpha infinite."""
    if math.isnan(norm) or not math.isfinite(alpha):
        return ""
    rows = equivalents(alpha, norm, residual_norm, max_activation)
    return f"\nin other libraries, alpha = {number(alpha)} is\n" + "\n".join(
        f"  {row.convention:<34}{_cell(row.coefficient)}   {row.assumes}" for row in rows
    )


def _context_lines(advice: ContextAdvice, name: Namer) -> list[str]:
    demand, window = advice.demand, advice.window
    lines = [window.words]
    points = [("alpha = 0", advice.start)]
    if math.isfinite(advice.low.alpha) and advice.low.alpha != 0.0:
        points.append(("low end", advice.low))
    if advice.high.alpha != 0.0:
        points.append(("high end", advice.high))
    lines += [f"  {title:<9} {_point(point, name)}" for title, point in points]
    lines += [f"  caution: {caution}" for caution in advice.cautions]
    low, high = advice.window.low.alpha, advice.window.high.alpha
    lines.append(
        f"  sd(M) = {number(advice.sd)} nats per unit alpha"
        + _range(", so alpha sd(M) is", low * advice.sd, high * advice.sd, " nats")
    )
    if advice.guarantee is not None and demand.cross_entropy is not None:
        certain = advice.guarantee
        lines.append(
            f"  certain from sd(M) and the range of M ({number(advice.spread)}) alone: within the"
            f" budget up to |alpha| = {number(certain.within)}, beyond it from"
            f" {number(certain.beyond)}; the quadratic law to 10 % up to {number(certain.radius)}"
            + _outside(advice, certain.radius)
        )
    if advice.peaks is not None:
        peaks = advice.peaks
        lines.append(
            f"  first target token to turn down: {name(peaks.first_target_token)} at"
            f" {number(peaks.first_target)}; last other one: {name(peaks.last_off_target_token)} at"
            f" {number(peaks.last_off_target)}"
        )
    if advice.plateau is not None:
        plateau = advice.plateau
        top = ", ".join(f"{name(z)} {100 * p:.3g} %" for z, p in plateau.tokens[:4])
        more = (
            ""
            if plateau.price == 0
            else (f"; each further unit of alpha costs {nats(plateau.price)}")
        )
        lines.append(
            f"  plateau: beyond alpha = {number(plateau.alpha)} nothing changes by more than"
            f" {100 * plateau.tolerance:.3g} %: {top}{more}"
        )
    return lines


def _outside(advice: ContextAdvice, radius: float) -> str:
    """Whether the budget is spent outside the quadratic law's radius, and how far off that is."""
    found = [abs(end.alpha) for end in advice.ends if end.demand == "cross_entropy"]
    if not found or found[0] <= radius or advice.demand.cross_entropy is None:
        return ""
    law = 0.5 * (advice.sd * found[0]) ** 2 / advice.demand.cross_entropy
    return f" (the budget lies outside, where that law is off by a factor of {number(law)})"


def _point(point: Point, name: Namer) -> str:
    if math.isinf(point.alpha):
        return f"no limit; p_alpha tends to {_tokens(point, name)}"
    effect = "" if math.isnan(point.concept) else f"F_T {number(point.concept)}, "
    if point.alpha == 0.0:
        return f"{effect}likeliest: {_tokens(point, name)}"
    return (
        f"{effect}Delta CE {nats(point.cross_entropy)}, reverse KL"
        f" {number(point.reverse_kl)}, total variation {number(point.total_variation)};"
        f" likeliest: {_tokens(point, name)}"
    )


def _tokens(point: Point, name: Namer) -> str:
    return ", ".join(f"{name(z)} {100 * p:.3g} %" for z, p in point.tokens[:4])


def _length_lines(low: float, high: float, norm: float, residual_norm: float) -> list[str]:
    if math.isnan(norm) or math.isnan(residual_norm):
        return []
    share = norm / residual_norm
    push = _range("the push alpha |v| is", low * share, high * share, " median state lengths")
    return [f"  |v| = {number(norm)}, median state {number(residual_norm)}: {push}"] if push else []


def _range(words: str, low: float, high: float, unit: str) -> str:
    """The part of a window that is finite, or nothing where it is empty."""
    if not math.isfinite(low) or abs(low) > abs(high):
        return ""
    if not math.isfinite(high):
        return f"{words} {number(low)}{unit} or more"
    return f"{words} {number(low)} to {number(high)}{unit}"


def _population_lines(
    advice: PopulationAdvice,
    name: Namer,
    norm: float,
    residual_norm: float,
    max_activation: float,
) -> list[str]:
    lines = [f"{len(advice.contexts)} contexts: {advice.window.words}"]
    if advice.worst.words != advice.window.words:
        lines.append(f"every context: {advice.worst.words}")
    if advice.average is not None:
        lines.append(f"on average: {advice.average.words}")
        for title, point in (("low end", advice.low), ("high end", advice.high)):
            if point is not None and math.isfinite(point.alpha) and point.alpha != 0.0:
                effect = "" if math.isnan(point.concept) else f"F_T {number(point.concept)}, "
                lines.append(
                    f"  {title:<9} average {effect}Delta CE {nats(point.cross_entropy)},"
                    f" reverse KL {number(point.reverse_kl)}"
                )
    lines.append(
        f"one alpha for most: {number(advice.best)} lies in the windows of"
        f" {100 * advice.share:.3g} % of the contexts"
        if advice.share > 0.0
        else "there is no context in which some alpha meets all demands"
    )
    sd = sorted(context.sd for context in advice.contexts)
    lines.append(
        f"sd(M) from {number(sd[0])} to {number(sd[-1])} nats per unit alpha (median"
        f" {number(sd[len(sd) // 2])})"
    )
    low, high = advice.window.low.alpha, advice.window.high.alpha
    lines += [line.strip() for line in _length_lines(low, high, norm, residual_norm)]
    lines.append("")
    lines.append(f"{'context':>7}  {'low':>9}  {'high':>9}  {'F_T(0)':>9}  {'F_T(high)':>9}  "
                 f"{'sd(M)':>7}  why")  # fmt: skip
    for j, context in enumerate(advice.contexts):
        window = context.window
        why = f"{window.low.demand}, {window.high.demand}"
        if not window.usable:
            why = window.words
        lines.append(
            f"{j:>7}  {_cell(window.low.alpha)}  {_cell(window.high.alpha)}"
            f"  {_cell(context.start.concept)}  {_cell(context.high.concept)}"
            f"  {context.sd:>7.3g}  {why}"
        )
    tops = [c.plateau.tokens[0][0] for c in advice.contexts if c.plateau and c.plateau.tokens]
    if tops:
        leader = max(set(tops), key=tops.count)
        far = max(abs(c.plateau.alpha) for c in advice.contexts if c.plateau)
        lines.append(
            f"plateau: in every context nothing changes any more beyond |alpha| = {number(far)};"
            f" {name(leader)} leads there in {tops.count(leader)} of {len(tops)}"
        )
    text = conventions_text(_used(low, high), norm, residual_norm, max_activation)
    return lines + text.lstrip("\n").split("\n") if text else lines


def _cell(value: float) -> str:
    if math.isinf(value):
        return f"{'inf' if value > 0 else '-inf':>9}"
    return f"{'-' if math.isnan(value) else f'{value:.4g}':>9}"


def _used(low: float, high: float) -> float:
    """The alpha that a user would take: the high end, or the low one where there is no limit."""
    return high if math.isfinite(high) else low
