"""Where F_T reaches a level, how long it stays there, and how high it ever gets.

F_T need not be monotone: the first crossing is certified by the engine (no earlier one is jumped
over), the next fall below the level by the same search seen from beyond the crossing, for the
complement of T; steering on from p_alpha is steering, only with another base (`tilting`).
Everything here is on the side alpha > 0; the caller mirrors M for the other one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit

from steering_strength.theory.engine import TiltedFamily
from steering_strength.theory.engine.inverse import Root, concept_root
from steering_strength.theory.engine.measure import Measure

__all__ = [
    "Supremum",
    "concept_slope",
    "falls_below",
    "first_crossing",
    "rises_for_sure",
    "supremum",
]

Mask = NDArray[np.bool_]

# Past a rising crossing F_T is above the level by rounding at first; it is followed outwards until
# it is above for sure, over this share of alpha at most. What falls back sooner only touches.
_TOUCH = 1e-6
_ROUNDS = 20
# A level this far above the best value found, in logits, is certified as never reached.
_SLACK = 1e-7
# Far out the values tend to the limit and may round to either side of it.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Supremum:
    """The highest F_T on a side: `concept` at `alpha` (infinite where it is the limit).

    `certified` says that no alpha exceeds it by more than 1e-7 in logits.
    """

    concept: float
    alpha: float
    certified: bool


def concept_slope(family: TiltedFamily, target: Mask) -> float:
    """Return dF_T / dalpha at 0 = Cov_p(1_T, M), per unit alpha."""
    p = np.exp(family.log_p)
    kept = p > 0.0
    p, inside, values = p[kept] / p[kept].sum(), target[kept], family.log_odds[kept]
    # Centred first: Cov is small where M has a large common offset.
    centred = values - float(p @ values)
    centred -= float(p @ centred)
    return float(p[inside] @ centred[inside])


def rises_for_sure(family: TiltedFamily, target: Mask) -> bool:
    """Whether the share of T among tokens of equal M never falls as M grows.

    Then F_T is non-decreasing, whatever the probabilities elsewhere: F_T = E_alpha[rho(M)] of a
    non-decreasing rho. It contains the condition of arXiv:2602.02712, Thm 3.6.
    """
    kept = family.log_p > -np.inf
    order = np.argsort(family.log_odds[kept], kind="stable")
    values, inside = family.log_odds[kept][order], target[kept][order]
    starts = np.flatnonzero(np.concatenate(([True], values[1:] > values[:-1])))
    if starts.size == values.size:
        return bool((inside[1:] >= inside[:-1]).all())
    log_p = family.log_p[kept][order]
    weight = np.exp(log_p - np.repeat(np.maximum.reduceat(log_p, starts), _sizes(starts, values)))
    share = np.add.reduceat(weight * inside, starts) / np.add.reduceat(weight, starts)
    return bool((np.diff(share) >= 0.0).all())


def first_crossing(family: TiltedFamily, target: Mask, level: float) -> Root:
    """Return the smallest alpha >= 0 with logit F_T >= level, or why there is none."""
    support = family.log_p > -np.inf
    return concept_root(_measure(family, support), target[support], level, 1)


def falls_below(family: TiltedFamily, target: Mask, level: float, start: float) -> Root:
    """Return the first alpha > start at which logit F_T falls below level; at start it is not.

    Infinite, with the reason, where it never does; `start` itself where F_T only touches the level.
    """
    spread = float(np.ptp(family.log_odds[family.log_p > -np.inf]))
    if spread == 0.0:
        return Root(math.inf, math.inf, math.inf, "M is constant: steering moves nothing")
    step, most = 1e-12 * max(start, 1e-6 / spread), _TOUCH * max(start, 1.0 / spread)
    while float(family.concept_log_odds(target, start + step)) <= level:
        step *= 8.0
        if step > most:
            return Root(start, start, start)
    base = start + step
    ahead = TiltedFamily(family.log_probability(base), family.log_odds)
    support = ahead.log_p > -np.inf
    root = concept_root(_measure(ahead, support), ~target[support], -level, 1)
    # The end on which F_T still is at the level: a window must not promise what has just ended.
    return Root(base + root.lower, base + root.lower, base + root.upper, root.reason)


def supremum(family: TiltedFamily, target: Mask) -> Supremum:
    """Return the largest F_T over alpha >= 0, its limit included."""
    support = family.log_p > -np.inf
    measure, inside = _measure(family, support), target[support]
    if not inside.any():
        return Supremum(0.0, 0.0, True)
    start = float(family.concept_log_odds(target, 0.0))
    if measure.constant:
        return Supremum(float(expit(start)), 0.0, True)
    # Strengths from where nothing happens to where everything has: uniform in log alpha.
    reach = measure.high - measure.low
    far = max(family.alpha_for_limit(1e-9, 1), 1e3 / reach)
    grid = np.concatenate(([0.0], np.geomspace(1e-3 / reach, far, 240)))
    values = family.concept_log_odds(target, grid)
    best = _refined(family, target, grid, int(np.argmax(values)))
    limit = _limit(family, target)
    for _ in range(_ROUNDS):
        at, value = best
        if limit > -math.inf and limit >= value - _ROUNDING * max(1.0, abs(value)):
            at, value = math.inf, limit
        if value == math.inf:
            return Supremum(1.0, at, True)
        above = concept_root(measure, inside, value + _SLACK * max(1.0, abs(value)), 1)
        if not above.reached:
            return Supremum(float(expit(value)), at, True)
        # Something between the grid's points rises higher: climb from there.
        width = 1e-3 * above.alpha
        near = np.linspace(max(above.alpha - width, 0.0), above.alpha + width, 33)
        best = _refined(family, target, near, 16)
    at, value = best
    return Supremum(float(expit(value)), at, False)


def _refined(
    family: TiltedFamily, target: Mask, grid: NDArray[np.float64], i: int
) -> tuple[float, float]:
    """Return (alpha, logit F_T) of the maximum near grid[i]."""
    low, high = float(grid[max(i - 1, 0)]), float(grid[min(i + 1, grid.size - 1)])
    found = minimize_scalar(
        lambda a: -float(family.concept_log_odds(target, a)),
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-9 * high},
    )
    candidates = [
        (float(a), float(family.concept_log_odds(target, float(a))))
        for a in (low, float(grid[i]), high, float(found.x))
    ]
    return max(candidates, key=lambda pair: pair[1])


def _limit(family: TiltedFamily, target: Mask) -> float:
    """Return logit F_T at infinity."""
    ahead = TiltedFamily(family.limit(1), np.zeros(family.size))
    return float(ahead.concept_log_odds(target, 0.0))


def _measure(family: TiltedFamily, support: Mask) -> Measure:
    return Measure.of(family.log_p[support], family.log_odds[support])


def _sizes(starts: NDArray[np.intp], values: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.diff(np.append(starts, values.size))
