"""What is certain from two numbers, sd(M) and the range of M, before anything is solved.

Source: the law `ce-radius`, beyond arXiv:2602.02712, Thm 3.8. With R = max M - min M and
x = |alpha| R, |K'''| <= R K'' gives

    (Var / R^2) (e^-x - 1 + x)  <=  Delta CE  <=  (Var / R^2) (e^x - 1 - x),

and Hoeffding's lemma Delta CE <= x^2 / 8. So every budget has an |alpha| below which it is kept for
certain and one beyond which it is broken for certain; the solved alpha lies in between.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from steering_strength.theory.engine.numerics import exponential_excess

__all__ = ["Guarantee", "budget_guarantee", "envelope"]

# brentq stops at a bracket of this relative width; the bounds then move outwards by it.
_WIDTH = 1e-13
# 2 (e^x - 1 - x) / x^2 = 1.1, rounded down: the upper bound is the one that binds.
_RADIUS = 0.27930


@dataclass(frozen=True)
class Guarantee:
    """Certain statements about a budget of Delta CE from sd(M) and the range of M alone.

    Attributes
    ----------
    within : float
        Every |alpha| up to here keeps the budget.
    beyond : float
        Every |alpha| from here on breaks it.
    quadratic : float
        sqrt(2 budget / Var(M)): what the quadratic law of Thm 3.8 would use.
    factor : (float, float)
        Delta CE at `quadratic` divided by the budget lies between these.
    radius : float
        |alpha| up to which the quadratic law is certain to be within 10 % of Delta CE.
    concept_monotone : bool or None
        Whether F_T is certain to grow all the way: the share of T among tokens of equal M never
        falls with M. None without a target.
    """

    within: float
    beyond: float
    quadratic: float
    factor: tuple[float, float]
    radius: float
    concept_monotone: bool | None


def envelope(variance: float, spread: float, alpha: float) -> tuple[float, float]:
    """Return bounds (lower, upper) on Delta CE at |alpha|, in nats, from Var(M) and the range R."""
    x = abs(alpha) * spread
    if x == 0.0:
        return 0.0, 0.0
    scale = variance / spread**2
    lower = scale * float(exponential_excess(np.array(-x)))
    upper = scale * float(exponential_excess(np.array(x))) if x < 700.0 else math.inf
    return lower, upper


def budget_guarantee(
    variance: float, spread: float, budget: float, monotone: bool | None
) -> Guarantee:
    """Invert the envelope at `budget` > 0 nats; `spread` > 0 and `variance` >= 0 from M.

    e^x - 1 - x >= x^2 / 2 >= e^-x - 1 + x, so the quadratic law's alpha is one end of either
    bracket; the other is 0, and where x - 1 <= e^-x - 1 + x spends the budget.
    """
    hoeffding, radius = math.sqrt(8.0 * budget) / spread, _RADIUS / spread
    seed = math.sqrt(2.0 * budget / variance) if variance > 0.0 else math.inf
    if not seed < math.inf:
        # All weight on one level of M, to the last bit: the quadratic law has nothing to say.
        return Guarantee(hoeffding, math.inf, math.inf, (0.0, math.inf), radius, monotone)
    upper = _crossing(lambda a: envelope(variance, spread, a)[1] - budget, 0.0, seed, -1)
    far = max(seed, (budget * spread / variance * spread + 1.0) / spread)
    beyond = _crossing(lambda a: envelope(variance, spread, a)[0] - budget, seed, far, +1)
    low, high = envelope(variance, spread, seed)
    factor = (low / budget, high / budget)
    return Guarantee(max(upper, hoeffding), beyond, seed, factor, radius, monotone)


def _crossing(function: Callable[[float], float], low: float, high: float, outwards: int) -> float:
    """Return where `function` turns from negative to positive, moved to the safe side.

    Rounding may put the root just outside the bracket that theory gives: then its end is the root.
    """
    if function(low) >= 0.0:
        root = low
    elif function(high) <= 0.0:
        root = high
    else:
        root = float(brentq(function, low, high, xtol=1e-300, rtol=_WIDTH, maxiter=500))
    return root * (1.0 + outwards * 4.0 * _WIDTH)
