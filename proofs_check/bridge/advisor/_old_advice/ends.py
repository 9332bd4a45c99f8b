"""The bounds that each demand puts on alpha in one context, as roots of the tilted family.

Everything here is on the side alpha > 0 of a family whose M carries the sign; ends are reported
with the sign of the demand.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from steering_strength.proofs_check.bridge.advisor._old_advice.crossing import (
    Supremum,
    falls_below,
    first_crossing,
    supremum,
)
from steering_strength.proofs_check.bridge.advisor._old_advice.demand import Demand
from steering_strength.proofs_check.bridge.advisor._old_advice.window import End, nats, number
from steering_strength.theory.engine import TiltedFamily
from steering_strength.theory.engine.inverse import Root

__all__ = [
    "Namer",
    "PeakEnds",
    "budget_ends",
    "level_ends",
    "numbered",
    "peak_end",
    "peak_ends",
]

Namer = Callable[[int], str]


def numbered(token: int) -> str:
    """The name of a token of which nothing but its index is known."""
    return f"token {token}"


@dataclass(frozen=True)
class PeakEnds:
    """Where the first target token turns down and the last off-target one has (`sweet-spot`).

    Attributes
    ----------
    first_target, first_target_token : float, int
        The peak nearest to 0 (from below) of all target tokens, signed, and its token.
    last_off_target, last_off_target_token : float, int
        The farthest peak of all others; off-target tokens all fall beyond it.
    falling : tuple of int
        Target tokens that fall from alpha = 0 on, whatever the strength.
    """

    first_target: float
    first_target_token: int
    last_off_target: float
    last_off_target_token: int
    falling: tuple[int, ...]


def level_ends(
    family: TiltedFamily, demand: Demand
) -> tuple[list[End], list[End], Supremum | None]:
    """Return ends from F_T >= level: its first crossing, and where it falls back below."""
    if demand.level is None or demand.target is None:
        return [], [], None
    level, log_odds = number(demand.level), demand.log_odds_level
    root = first_crossing(family, demand.target, log_odds)
    if not root.reached:
        return (
            [_end(demand, root, "level", f"F_T never reaches {level}: {root.reason}")],
            [],
            supremum(family, demand.target),
        )
    words = f"F_T reaches {level}" if root.alpha > 0.0 else f"F_T is already {level} at alpha = 0"
    lows, highs = [_end(demand, root, "level", words)], []
    back = falls_below(family, demand.target, log_odds, root.alpha)
    if back.reached:
        highs.append(_end(demand, back, "holds", f"F_T falls below {level} again"))
    return lows, highs, None


def budget_ends(family: TiltedFamily, demand: Demand) -> list[End]:
    """Return the last alphas within each budget."""
    ends = []
    if demand.cross_entropy is not None:
        root = family.cross_entropy_root(demand.cross_entropy, 1)
        words = f"Delta CE = {nats(demand.cross_entropy)}"
        ends.append(_end(demand, root, "cross_entropy", words))
    if demand.reverse_kl is not None:
        root = family.reverse_kl_root(demand.reverse_kl, 1)
        words = f"KL(p_alpha || p) = {nats(demand.reverse_kl)}"
        if not root.reached:
            words = f"KL(p_alpha || p) never reaches {nats(demand.reverse_kl)}: {root.reason}"
        ends.append(_end(demand, root, "reverse_kl", words))
    return ends


def _end(demand: Demand, root: Root, name: str, words: str) -> End:
    lower, upper = sorted((demand.sign * root.lower, demand.sign * root.upper))
    # `+ 0.0` turns the -0.0 of a mirrored 0 into 0.
    return End(demand.sign * root.alpha + 0.0, name, words, lower + 0.0, upper + 0.0)


def peak_ends(family: TiltedFamily, demand: Demand) -> PeakEnds | None:
    """Return the peaks that matter; None without a target or where nothing moves."""
    target, alpha = demand.target, family.peaks()
    if target is None:
        return None
    known = ~np.isnan(alpha)
    inside, outside = np.flatnonzero(target & known), np.flatnonzero(~target & known)
    if not inside.size or not outside.size:
        return None
    falling = inside[alpha[inside] <= 0.0]
    considered = inside
    if demand.before_peak == "rising":
        considered = inside[alpha[inside] > 0.0]
    if not considered.size:
        considered = inside
    first = considered[np.argmin(alpha[considered])]
    last = outside[np.argmax(alpha[outside])]
    return PeakEnds(
        demand.sign * float(alpha[first]) + 0.0,
        int(first),
        demand.sign * float(alpha[last]) + 0.0,
        int(last),
        tuple(int(z) for z in falling),
    )


def peak_end(family: TiltedFamily, peaks: PeakEnds, demand: Demand, name: Namer) -> End:
    """Return the end that `before_peak` sets, at the first target token's peak."""
    token = peaks.first_target_token
    strength = demand.sign * peaks.first_target
    if strength <= 0.0:
        here, mean = float(family.log_odds[token]), float(family.mean(0.0))
        words = (
            f"the target {name(token)} falls from alpha = 0 on: its M = {number(here)} is below the"
            f" mean {number(mean)} on this side"
        )
        return End(0.0, "peak", words, 0.0, 0.0)
    if math.isinf(strength):
        beyond = demand.sign * math.inf
        return End(beyond, "peak", "every target token rises for ever", beyond, beyond)
    lower, upper = sorted(demand.sign * a for a in family.peak_brackets()[token])
    return End(peaks.first_target, "peak", f"the target {name(token)} peaks", lower, upper)
