"""The advice as a person reads it, top-down: the verdict, why, what it costs; at most 30 lines.

The number alpha means nothing without the length of v; that is why a value that works in one
library breaks a model in another. Two units travel: alpha sd(M), the spread that steering adds to
the log-probabilities, in nats, and alpha |v| / median |h|, how long the push is next to the state;
`equivalents` turns one strength into other libraries' knobs.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from steering_strength.theory.advice.window import Point, Window, nats, number
from steering_strength.theory.engine.validation import as_number, as_positive
from steering_strength.theory.errors import BudgetError

if TYPE_CHECKING:
    from steering_strength.theory.advice.context import ContextAdvice
    from steering_strength.theory.advice.population import PopulationAdvice
    from steering_strength.theory.engine import Allocation
    from steering_strength.theory.engine.estimation import Estimate

Name = Callable[[int], str]

# Lines of a summary, whatever there is to say.
_LINES = 30
_SHOWN = 4


class Readable:
    """Abstract base of an advice: it prints as its summary."""

    summary: Callable[..., str]

    def __str__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.summary())}</pre>"


def context_summary(
    advice: ContextAdvice,
    *,
    norm: float = math.nan,
    residual_norm: float = math.nan,
    max_activation: float = math.nan,
) -> str:
    """Return at most 30 lines: the verdict, why, what it costs, and other libraries' units.

    Parameters
    ----------
    norm, residual_norm, max_activation : float
        |v|, the median |h| at the site, the concept's largest activation: what is known.
    """
    window, names = advice.window, dict(advice.names)

    def name(token: int) -> str:
        return names.get(token, f"token {token}")

    lines = [window.words, f"  holds for {advice.holds}"]
    points = [("alpha = 0", advice.start)]
    if window.status != "unmoved":
        if math.isfinite(advice.low.alpha) and advice.low.alpha != 0.0:
            points.append(("low end", advice.low))
        if advice.high.alpha != 0.0:
            points.append(("high end", advice.high))
    lines += [f"  {title:<9} {_point(point, name)}" for title, point in points]
    lines += [f"  caution: {caution}" for caution in advice.cautions]
    lines += _estimate_lines(advice.estimate)
    low, high = window.low.alpha, window.high.alpha
    lines.append(
        f"  sd(M) = {number(advice.sd)} nats per unit alpha"
        + _range(window, ", so alpha sd(M) is", advice.sd, " nats")
    )
    lines += _certain(advice)
    if advice.first_peak is not None and advice.last_peak is not None:
        (first, at), (last, where) = advice.first_peak, advice.last_peak
        lines.append(
            f"  first target token to turn down: {name(first)} at {number(at)}; last other one:"
            f" {name(last)} at {number(where)}"
        )
    if advice.plateau is not None and advice.limit is not None:
        found = math.isfinite(advice.plateau.alpha)
        begin = f"beyond alpha = {number(advice.plateau.alpha)} " if found else ""
        lines.append(f"  plateau: {begin}{advice.plateau.words}: {_tokens(advice.limit, name)}")
    lines += _lengths(window, norm, residual_norm)
    used = high if math.isfinite(high) else low
    return _joined(lines, _conventions(used, norm, residual_norm, max_activation))


def population_summary(
    advice: PopulationAdvice,
    *,
    norm: float = math.nan,
    residual_norm: float = math.nan,
    max_activation: float = math.nan,
) -> str:
    """Return at most 30 lines: the verdicts, a table of the contexts, other libraries' units.

    Parameters as for one context: `ContextAdvice.summary`.
    """
    lines = [
        f"{len(advice.contexts)} contexts: {advice.window.words}",
        f"holds for {advice.contexts[0].holds}",
    ]
    if advice.worst.words != advice.window.words:
        lines.append(f"every context: {advice.worst.words}")
    if advice.average is not None:
        lines.append(f"on average: {advice.average.words}")
        for title, point in (("low end", advice.low), ("high end", advice.high)):
            if point is not None and math.isfinite(point.alpha) and point.alpha != 0.0:
                lines.append(
                    f"  {title:<9} average {_effect(point)}Delta CE {nats(point.cross_entropy)},"
                    f" reverse KL {number(point.reverse_kl)}"
                )
    lines += _estimate_lines(advice.estimate)
    lines += _shared_out(advice.allocation)
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
    lines += [line.strip() for line in _lengths(advice.window, norm, residual_norm)]
    far = [abs(context.plateau.alpha) for context in advice.contexts if context.plateau]
    if far and math.isfinite(max(far)):
        lines.append(f"plateau: nothing changes any more beyond |alpha| = {number(max(far))}")
    low, high = advice.window.low.alpha, advice.window.high.alpha
    used = high if math.isfinite(high) else low
    units = _conventions(used, norm, residual_norm, max_activation)
    room = _LINES - len(lines) - len(units) - 2
    lines.append(f"{'context':>7}  {'low':>9}  {'high':>9}  {'F_T(0)':>9}  {'F_T(high)':>9}  "
                 f"{'sd(M)':>7}  why")  # fmt: skip
    for j, context in enumerate(advice.contexts[:room]):
        window = context.window
        why = f"{window.low.demand}, {window.high.demand}" if window.usable else window.status
        lines.append(
            f"{j:>7}  {_cell(window.low.alpha)}  {_cell(window.high.alpha)}"
            f"  {_cell(context.start.concept)}  {_cell(context.high.concept)}"
            f"  {context.sd:>7.3g}  {why}"
        )
    if len(advice.contexts) > room:
        lines.append(f"{'..':>7}  and {len(advice.contexts) - room} more, in .contexts")
    return _joined(lines, units)


def _shared_out(found: Allocation | None) -> list[str]:
    """Is it worth adapting alpha to the prompt: three lines."""
    if found is None:
        return []
    before = float(found.weights @ found.start)
    ends = (before + found.average_gain, before + found.average_common_gain)
    certain = {
        "optimal": "no other choice gives more than",
        "local": "a local optimum: no choice gives more than",
        "scaled": "no optimum was found: no choice gives more than",
    }[found.status]
    return [
        f"an alpha for each prompt, {nats(found.spent)} on average: F_T from {number(before)} to"
        f" {number(ends[0])}; with one alpha for all, {number(found.common)}, to {number(ends[1])}",
        f"  the gain is {number(found.ratio)} times as large ({number(found.predicted_ratio)} for"
        f" small budgets: sqrt(1 + CV^2)); {certain} {number(before + found.bound)}",
        f"  alpha from {number(float(found.alpha.min()))} to {number(float(found.alpha.max()))}, in"
        f" .allocation.alpha; F_T is lower than with one alpha in {found.worse.size} of"
        f" {found.alpha.size} prompts",
    ]


def _joined(lines: list[str], units: list[str]) -> str:
    room = _LINES - len(units)
    if len(lines) > room:
        lines = [*lines[: room - 1], "  .."]
    return "\n".join([*lines, *units])


def _certain(advice: ContextAdvice) -> list[str]:
    certain, budget = advice.guarantee, advice.demand.cross_entropy
    if certain is None or budget is None:
        return []
    words = (
        f"  certain from sd(M) and the range of M ({number(advice.spread)}) alone: within the"
        f" budget up to |alpha| = {number(certain.within)}, beyond it from"
        f" {number(certain.beyond)}; the quadratic law to 10 % up to {number(certain.radius)}"
    )
    found = [abs(end.alpha) for end in advice.ends if end.demand == "cross_entropy"]
    if found and certain.radius < found[0] < math.inf:
        strength = advice.sd * found[0]
        law = 0.5 * strength * (strength / budget)
        words += f" (the budget lies outside, where that law is off by a factor of {number(law)})"
    return [words]


def _point(point: Point, name: Name) -> str:
    if math.isinf(point.alpha):
        return f"no limit; p_alpha tends to {_tokens(point, name)}"
    if point.alpha == 0.0:
        return f"{_effect(point)}likeliest: {_tokens(point, name)}"
    return (
        f"{_effect(point)}Delta CE {nats(point.cross_entropy)}, reverse KL"
        f" {number(point.reverse_kl)}, total variation {number(point.total_variation)};"
        f" likeliest: {_tokens(point, name)}"
    )


def _effect(point: Point) -> str:
    return "" if math.isnan(point.concept) else f"F_T {number(point.concept)}, "


def _tokens(point: Point, name: Name) -> str:
    return ", ".join(f"{name(z)} {100 * p:.3g} %" for z, p in point.tokens[:_SHOWN])


def _range(window: Window, words: str, factor: float, unit: str) -> str:
    """A usable window in another unit, as far as it is finite."""
    low, high = window.low.alpha * factor, window.high.alpha * factor
    if not window.usable or math.isnan(factor):
        return ""
    if not math.isfinite(high):
        return f"{words} {number(low)}{unit} or more"
    return f"{words} {number(low)} to {number(high)}{unit}"


def _lengths(window: Window, norm: float, residual_norm: float) -> list[str]:
    push = _range(window, "the push alpha |v| is", norm / residual_norm, " median state lengths")
    return [f"  |v| = {number(norm)}, median state {number(residual_norm)}: {push}"] if push else []


def _conventions(
    alpha: float, norm: float, residual_norm: float, max_activation: float
) -> list[str]:
    """The same push in other libraries' units; nothing where |v| is not known."""
    if math.isnan(norm) or not math.isfinite(alpha):
        return []
    rows = equivalents(alpha, norm, residual_norm, max_activation)
    return [
        f"in other libraries, alpha = {number(alpha)} is",
        *(f"  {row.convention:<34}{_cell(row.coefficient)}   {row.assumes}" for row in rows),
    ]


def _cell(value: float) -> str:
    if math.isinf(value):
        return f"{'inf' if value > 0 else '-inf':>9}"
    return f"{'-' if math.isnan(value) else f'{value:.4g}':>9}"


def _estimate_lines(found: Estimate | None) -> list[str]:
    """Two lines: the error and whose it is, then what to do about it."""
    if found is None:
        return []
    sizes = found.positive.size, found.negative.size
    low, high = found.interval()
    share, needed = 100.0 * found.positive_share, found.texts_for(0.5)
    moves = ", ".join(
        f"{number(move.influence)} from text {move.text} of {move.side}"
        for move in found.largest(2)
    )
    return [
        f"  alpha = {number(found.alpha)} has a standard error of {number(found.standard_error)}"
        f" over other {sizes[0]} + {sizes[1]} texts, {share:.3g} % of its square from P; with"
        f" unlimited texts {number(found.unlimited)}, 95 % from {number(low)} to {number(high)}",
        f"  {needed[0]} + {needed[1]} texts would halve that error; most of all alpha owes {moves}",
    ]


class Equivalent(NamedTuple):
    """The coefficient that another tool needs for the same push, and what that assumes.

    `coefficient` is nan where the tool's unit needs a number that was not given; `assumes` says
    which.
    """

    convention: str
    coefficient: float
    assumes: str


def equivalents(
    alpha: float, norm: float, residual_norm: float = math.nan, max_activation: float = math.nan
) -> tuple[Equivalent, ...]:
    """Return alpha v in the conventions of other libraries.

    Raises BudgetError: |v| is not a positive finite number.

    Parameters
    ----------
    alpha : float
        In multiples of v.
    norm : float
        |v|, positive.
    residual_norm : float
        Median |h| at the site, if known.
    max_activation : float
        The largest activation of the concept along v / |v| on a reference corpus, if known.
    """
    length = as_positive(norm, "the length of v", BudgetError, "give a positive finite |v|")
    # A length of 0 is as good as none.
    residual_norm = as_number(residual_norm) or math.nan
    max_activation = as_number(max_activation) or math.nan
    alpha = as_number(alpha)
    push = alpha * length
    largest = "not given" if math.isnan(max_activation) else f"{max_activation:.4g}"
    median = "not known" if math.isnan(residual_norm) else f"{residual_norm:.4g}"
    rows = (
        ("steering-vectors: multiplier", alpha, "v as it is, same block output"),
        (
            "repeng, llama.cpp: coefficient", push,
            f"v / |v| in the file; if it holds v, {alpha:.4g}",
        ),
        ("steering-lite: coeff", push, "an additive method: it scales v to length 1"),
        (
            "concept-guidance: guidance scale", push,
            "v / |v| at the block output; its own vectors belong behind the input norm",
        ),
        (
            "AxBench: steering factor", push / max_activation,
            f"v / |v| and the concept's largest activation ({largest})",
        ),
        (
            "AISteer360: multiple of the norm", push / residual_norm,
            f"v / |v| and the median length of the states ({median})",
        ),
    )  # fmt: skip
    return tuple(Equivalent(*row) for row in rows)
