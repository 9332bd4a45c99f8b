"""Demands on the average over contexts: sum_j pi_j F_(j,T) and sum_j pi_j KL_j.

The price is a sum of convex functions that vanish at 0, so its root is bracketed by the smallest
and the largest root of a single context. The average effect may rise and fall; its first crossing
is found by steps that provably cannot jump over it, as for one context: between a and b,
logit F_j gains at most (mu_T(b) - mu_rest(a)) (b - a).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from steering_strength.theory.advice.demand import Demand
from steering_strength.theory.advice.window import End, Point, nats, number
from steering_strength.theory.engine import TiltedFamily
from steering_strength.theory.engine.inverse import Root, bisect, never

__all__ = ["average_ends", "average_point"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# An earlier crossing within this share of alpha before the one reported is not told apart from it.
_RESOLUTION = 1e-9
_SETTLED = 1e-9
# Steps of the search; ordinary ones take some hundred.
_STEPS = 20_000
_LARGEST = 1e300


def average_point(
    families: Sequence[TiltedFamily], weights: Floats, demand: Demand, alpha: float
) -> Point:
    """Return what a signed alpha does on average; at infinity nothing is said but the price."""
    if math.isinf(alpha):
        return Point(alpha, math.nan, math.inf, math.nan)
    target, concept = demand.target, math.nan
    if target is not None:
        concept = _average_concept(families, weights, target, alpha)
    return Point(
        alpha,
        concept,
        float(weights @ [float(f.cross_entropy_increase(alpha)) for f in families]),
        float(weights @ [float(f.reverse_kl(alpha)) for f in families]),
    )


def average_ends(
    families: Sequence[TiltedFamily], weights: Floats, demand: Demand
) -> tuple[list[End], list[End]]:
    """Return low and high ends that the demands set on averages; peaks are left out."""
    lows, highs, sign = [], [], demand.sign
    if demand.level is not None and demand.target is not None:
        root = average_concept_root(families, weights, demand.target, demand.level, sign)
        verb = "reaches" if root.reached else "never reaches"
        lows.append(End.of(root, "level", f"the average F_T {verb} {number(demand.level)}"))
    if demand.cross_entropy is not None:
        root = average_price_root(families, weights, "cross_entropy", demand.cross_entropy, sign)
        highs.append(
            End.of(root, "cross_entropy", f"average Delta CE = {nats(demand.cross_entropy)}")
        )
    if demand.reverse_kl is not None:
        root = average_price_root(families, weights, "reverse_kl", demand.reverse_kl, sign)
        highs.append(
            End.of(root, "reverse_kl", f"average KL(p_alpha || p) = {nats(demand.reverse_kl)}")
        )
    return lows, highs


def average_price_root(
    families: Sequence[TiltedFamily], weights: Floats, name: str, budget: float, sign: int
) -> Root:
    """Return where the average of a divergence spends `budget` nats; alpha keeps it.

    A context whose own root is infinite only lets the bracket grow by doubling.
    """
    if budget == 0.0:
        return Root(0.0, 0.0, 0.0)
    roots: list[Root] = [getattr(family, f"{name}_root")(budget, sign) for family in families]
    if name == "reverse_kl":
        # -log p(extreme of M) is the supremum in each context.
        most = float(weights @ [-f.cross_entropy_asymptote(sign)[1] for f in families])
        if budget >= most:
            return never(sign, f"the average stays below {most:.6g} nats")

    def reached(strength: float) -> bool:
        values = [
            float(f.cross_entropy_increase(sign * strength) if name == "cross_entropy"
                  else f.reverse_kl(sign * strength))
            for f in families
        ]  # fmt: skip
        return bool(weights @ values > budget)

    finite = [abs(root.alpha) for root in roots if math.isfinite(root.alpha)]
    if name == "cross_entropy" and not finite:
        return never(sign, "M is constant in every context: steering moves nothing")
    low, high = 0.999 * min(finite, default=1.0), 1.001 * max(finite, default=1.0)
    while not reached(high):
        low, high = high, 2.0 * high
        if high > _LARGEST:
            return never(sign, f"|alpha| would exceed {_LARGEST:g}")
    while low > 0.0 and reached(low):
        low *= 0.5
    low, high = bisect(reached, low, high)
    return _signed(sign, low, high, low)


def average_concept_root(
    families: Sequence[TiltedFamily], weights: Floats, target: Mask, level: float, sign: int = 1
) -> Root:
    """Return the alpha of that sign nearest 0 at which the average F_T is at least `level`."""
    # Steering against v is steering along -v.
    ahead = [f if sign > 0 else TiltedFamily(f.log_p, -f.log_odds) for f in families]

    def value(strength: float) -> float:
        return _average_concept(ahead, weights, target, strength)

    def crossing(low: float, high: float) -> Root:
        low, high = bisect(lambda a: value(a) >= level, low, high)
        return _signed(sign, low, high, high)

    if value(0.0) >= level:
        return Root(0.0, 0.0, 0.0)
    contexts = [_Context(family, target) for family in ahead]
    moved = [f for f, context in zip(ahead, contexts, strict=True) if context.spread > 0.0]
    if not moved:
        return never(sign, "M is constant: steering moves nothing")
    spread = max(context.spread for context in contexts)
    settled = min(max(family.alpha_for_limit(_SETTLED, 1) for family in moved), _LARGEST)
    at, step = 0.0, 1.0 / spread
    slopes = [context.means(at) for context in contexts]
    for _ in range(_STEPS):
        if at > settled:
            return never(sign, f"the average stays below the level: {value(at):.6g} far out")
        further = at + step
        next_ = [context.means(further) for context in contexts]
        most = [
            expit(float(f.concept_log_odds(target, at)) + max(b[0] - a[1], 0.0) * step)
            for f, a, b in zip(ahead, slopes, next_, strict=True)
        ]
        # Where every F_j increases in between, the crossing there is the only one.
        rising = all(a[0] >= b[1] for a, b in zip(slopes, next_, strict=True))
        fine = step <= max(_RESOLUTION * at, 1e-12 / spread)
        short = float(weights @ most) < level
        if not short and (rising or fine) and value(further) >= level:
            return crossing(at, further)
        if short or step <= 1e-13 * at:
            at, slopes = further, next_
            step *= 2.0
        else:
            step *= 0.5
    lower, upper = sorted((sign * at, sign * math.inf))
    return Root(sign * math.inf, lower, upper, f"not found up to alpha = {sign * at:.6g}")


def _average_concept(
    families: Sequence[TiltedFamily], weights: Floats, target: Mask, alpha: float
) -> float:
    return float(weights @ [expit(float(f.concept_log_odds(target, alpha))) for f in families])


def _signed(sign: int, low: float, high: float, alpha: float) -> Root:
    lower, upper = sorted((sign * low, sign * high))
    return Root(sign * alpha, lower, upper)


class _Context:
    """Conditional means of M on T and off T: what bounds how fast logit F_T moves."""

    def __init__(self, family: TiltedFamily, target: Mask) -> None:
        support = family.log_p > -np.inf
        self.spread = float(np.ptp(family.log_odds[support]))
        inside, outside = target & support, ~target & support
        self._parts = None
        if inside.any() and outside.any():
            self._parts = family.conditional(inside), family.conditional(outside)

    def means(self, alpha: float) -> tuple[float, float]:
        """Means on T and off T; equal where F_T cannot move."""
        if self._parts is None:
            return 0.0, 0.0
        inside, outside = self._parts
        return float(inside.mean(alpha)), float(outside.mean(alpha))
