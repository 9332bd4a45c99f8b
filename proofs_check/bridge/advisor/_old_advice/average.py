"""Demands on the average over contexts: sum_j pi_j F_(j,T) and sum_j pi_j KL_j.

The price is a sum of convex functions that vanish at 0, so its root is bracketed by the smallest
and the largest root of a single context. The average effect may rise and fall; its first crossing
is found by steps that provably cannot jump over it, as for one context: between a and b,
logit F_j gains at most (mu_T(b) - mu_rest(a)) (b - a).
Everything here is on the side alpha > 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from steering_strength.theory.engine import TiltedFamily
from steering_strength.theory.engine.concept import split
from steering_strength.theory.engine.inverse import Root, bisect
from steering_strength.theory.engine.measure import Measure
from steering_strength.theory.engine.tilting import mean

__all__ = ["average_concept", "average_concept_root", "average_price_root"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# An earlier crossing within this share of alpha before the one reported is not told apart from it.
_RESOLUTION = 1e-9
_SETTLED = 1e-9


def average_concept(
    families: Sequence[TiltedFamily], weights: Floats, target: Mask, alpha: float
) -> float:
    """Return sum_j pi_j F_(j,T)(alpha)."""
    return float(weights @ [expit(f.concept_log_odds(target, alpha)) for f in families])


def average_price_root(
    families: Sequence[TiltedFamily],
    weights: Floats,
    price: Callable[[TiltedFamily, float], float],
    roots: Sequence[Root],
    supremum: float,
    budget: float,
) -> Root:
    """Return where the average price reaches `budget`, given the roots of every context.

    `supremum` is what the average price never exceeds. A context whose own root is infinite only
    lets the bracket grow by doubling.
    """
    if budget == 0.0:
        return Root(0.0, 0.0, 0.0)
    if budget >= supremum:
        words = f"the average stays below {supremum:.6g} nats"
        return Root(math.inf, math.inf, math.inf, words)

    def reached(alpha: float) -> bool:
        return bool(weights @ [price(f, alpha) for f in families] >= budget)

    finite = [root.alpha for root in roots if root.reached]
    low, high = 0.999 * min(finite, default=1.0), 1.001 * max(finite, default=1.0)
    while not reached(high):
        low, high = high, 2.0 * high
        if high > 1e300:
            return Root(math.inf, math.inf, math.inf, "|alpha| would exceed 1e+300")
    while reached(low):
        low *= 0.5
    low, high = bisect(reached, low, high)
    return Root(low, low, high)


def average_concept_root(
    families: Sequence[TiltedFamily], weights: Floats, target: Mask, level: float
) -> Root:
    """Return the smallest alpha >= 0 at which the average F_T is at least `level`."""
    contexts = [_Context.of(family, target) for family in families]

    def value(alpha: float) -> float:
        return average_concept(families, weights, target, alpha)

    at, here = 0.0, value(0.0)
    if here >= level:
        return Root(0.0, 0.0, 0.0)
    spread = max(context.spread for context in contexts)
    if spread == 0.0:
        return Root(math.inf, math.inf, math.inf, "M is constant: steering moves nothing")
    settled = max(family.alpha_for_limit(_SETTLED, 1) for family in families)
    step, slopes = 1.0 / spread, [context.means(at) for context in contexts]
    while at <= settled:
        ahead = at + step
        next_ = [context.means(ahead) for context in contexts]
        gain = [max(b[0] - a[1], 0.0) * step for a, b in zip(slopes, next_, strict=True)]
        most = [
            expit(float(f.concept_log_odds(target, at)) + g)
            for f, g in zip(families, gain, strict=True)
        ]
        if float(weights @ most) < level:
            at, slopes = ahead, next_
            step *= 2.0
        elif value(ahead) >= level and step <= max(_RESOLUTION * at, 1e-12 / spread):
            low, high = bisect(lambda a: value(a) >= level, at, ahead)
            return Root(high, low, high)
        elif step <= 1e-13 * at:
            at, slopes = ahead, next_
            step *= 2.0
        elif value(ahead) >= level and all(
            a[0] >= b[1] for a, b in zip(slopes, next_, strict=True)
        ):
            # Every F_j increases in between: the crossing there is the only one.
            low, high = bisect(lambda a: value(a) >= level, at, ahead)
            return Root(high, low, high)
        else:
            step *= 0.5
    limit = value(at)
    return Root(
        math.inf, math.inf, math.inf, f"the average stays below the level: {limit:.6g} far out"
    )


class _Context:
    """The two conditional measures of one context: on T and on the rest."""

    def __init__(self, inside: Measure | None, outside: Measure | None, spread: float) -> None:
        self._parts = (inside, outside)
        self.spread = spread

    @classmethod
    def of(cls, family: TiltedFamily, target: Mask) -> _Context:
        support = family.log_p > -np.inf
        measure = Measure.of(family.log_p[support], family.log_odds[support])
        mask, spread = target[support], measure.high - measure.low
        if mask.all() or not mask.any():
            return cls(None, None, spread)
        return cls(*split(measure, mask), spread)

    def means(self, alpha: float) -> tuple[float, float]:
        """Conditional means of M on T and off T; equal where F_T cannot move."""
        inside, outside = self._parts
        if inside is None or outside is None:
            return 0.0, 0.0
        strength = np.array([alpha])
        return float(mean(inside, strength)[0]), float(mean(outside, strength)[0])
