"""Which alpha on a curve that is no tilting but costs no forward pass either.

For instance the last block of a transformer (`last-block`): log p_alpha in closed form, neither
Delta CE convex nor F_T monotone. The curve is evaluated on a grid from 0 to its plateau; every end
is then a sign change between two neighbours, halved to rounding. An excursion that begins and ends
between two grid points is not excluded, and the advice says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge.advisor._old_advice.context import ContextAdvice, verdict
from steering_strength.proofs_check.bridge.advisor._old_advice.crossing import Supremum
from steering_strength.proofs_check.bridge.advisor._old_advice.demand import Demand
from steering_strength.proofs_check.bridge.advisor._old_advice.ends import Namer, numbered
from steering_strength.proofs_check.bridge.advisor._old_advice.plateau import Plateau, likeliest
from steering_strength.proofs_check.bridge.advisor._old_advice.window import (
    End,
    Point,
    intersect,
    nats,
    number,
)
from steering_strength.theory.engine.numerics import log_sum_exp
from steering_strength.theory.errors import AlphaError

__all__ = ["Curve", "advise_curve", "point_of"]

Floats = NDArray[np.float64]
Curve = Callable[[Floats], Floats]

# Grid rows at a time: 8 x 262,144 float64 numbers are 16 MiB.
_ROWS = 8
_HALVINGS = 60


@dataclass(frozen=True, eq=False)
class _Scan:
    """Values on the grid: strengths (A,), logit F_T, both divergences, log p of T (A, |T|)."""

    grid: Floats
    concept: Floats
    price: Floats
    reverse: Floats
    target: Floats


def advise_curve(
    curve: Curve,
    strengths: Floats,
    demand: Demand,
    limit: Floats,
    slope_log_odds: Floats,
    name: Namer = numbered,
) -> ContextAdvice:
    """Advise on one context whose log p_alpha is cheap at any alpha.

    Parameters
    ----------
    curve : function
        Signed alphas, (A,), to log-probabilities, (A, V).
    strengths : (A,)
        |alpha|, increasing from 0.
    demand : Demand
    limit : (V,)
        Log-probabilities at infinity on the side of `demand.sign`.
    slope_log_odds : (V,)
        d logits / dalpha at 0, up to a constant: M as far as the origin knows it.

    Raises
    ------
    AlphaError
        The grid does not increase from 0.
    """
    grid = np.asarray(strengths, dtype=np.float64)
    if grid.ndim != 1 or grid.size < 3 or grid[0] != 0.0 or not (np.diff(grid) > 0.0).all():
        raise AlphaError(
            f"the grid has {grid.size} strengths from {grid[:1]}",
            remedy="give at least 3 finite numbers that increase from 0",
        )
    sign, target = demand.sign, demand.target
    base = curve(np.zeros(1))[0]
    scan = _scanned(curve, grid, demand, base)
    p = np.exp(base)
    centred = slope_log_odds - p @ slope_log_odds
    variance = float(p @ centred**2)
    slope = math.nan if target is None else float(p[target] @ centred[target])
    lows, highs = _level_ends(curve, scan, demand)
    highs += _budget_ends(curve, scan, demand, base, limit)
    if demand.before_peak != "no" and target is not None:
        highs.append(_peak_end(curve, scan, demand, sign * centred, name))
    low, high = intersect(sign, lows, highs)
    top = None
    if math.isinf(low.alpha):
        at = int(np.argmax(scan.concept))
        logit = float(scan.concept[at])
        top = Supremum(1.0 / (1.0 + math.exp(-logit)), float(grid[at]), False)
    points = [
        point_of(base, limit if math.isinf(a) else curve(np.array([a]))[0], demand, a)
        for a in (0.0, low.alpha, high.alpha)
    ]
    cautions = [
        f"ends are sign changes on a grid of {grid.size} strengths; a shorter excursion is not"
        " excluded"
    ]
    if target is not None and sign * slope <= 0.0:
        cautions.insert(
            0,
            "a small step on this side does not raise F_T: dF_T/dalpha at 0 ="
            f" {slope:.3g} per unit alpha",
        )
    unmoved = not np.ptp(slope_log_odds) > 0.0
    return ContextAdvice(
        demand=demand,
        window=verdict(demand, low, high, points, slope, top, unmoved=unmoved),
        ends=(*lows, *highs),
        method="closed form, scanned",
        start=points[0],
        low=points[1],
        high=points[2],
        slope=slope,
        sd=math.sqrt(variance),
        spread=math.nan,
        supremum=top,
        guarantee=None,
        peaks=None,
        plateau=_plateau(curve, grid, demand, limit),
        cautions=tuple(cautions),
    )


def point_of(base: Floats, log_p: Floats, demand: Demand, alpha: float) -> Point:
    """Describe a distribution log p_alpha, (V,), next to the unsteered one."""
    p, q = np.exp(base), np.exp(log_p)
    concept = math.nan
    if demand.target is not None:
        concept = float(np.exp(log_sum_exp(log_p[demand.target])))
    return Point(
        alpha,
        concept,
        _divergence(p, base, log_p),
        _divergence(q, log_p, base),
        0.5 * float(np.abs(q - p).sum()),
        likeliest(log_p),
    )


def _divergence(p: Floats, log_p: Floats, log_q: Floats) -> float:
    kept = p > 0.0
    return max(float(p[kept] @ (log_p[kept] - log_q[kept])), 0.0)


def _log_odds(rows: Floats, target: NDArray[np.bool_]) -> Floats:
    return log_sum_exp(rows[:, target], axis=1) - log_sum_exp(rows[:, ~target], axis=1)


def _scanned(curve: Curve, grid: Floats, demand: Demand, base: Floats) -> _Scan:
    """Evaluate the grid a few rows at a time: no array of shape (A, V) is kept."""
    p, parts = np.exp(base), []
    for start in range(0, grid.size, _ROWS):
        rows = curve(demand.sign * grid[start : start + _ROWS])
        none = np.zeros((rows.shape[0], 0))
        parts.append(
            (
                none.sum(axis=1) if demand.target is None else _log_odds(rows, demand.target),
                np.array([_divergence(p, base, row) for row in rows]),
                np.array([_divergence(np.exp(row), row, base) for row in rows]),
                none if demand.target is None else rows[:, demand.target],
            )
        )
    return _Scan(grid, *(np.concatenate(column) for column in zip(*parts, strict=True)))


def _halved(reached: Callable[[float], bool], low: float, high: float) -> tuple[float, float]:
    for _ in range(_HALVINGS):
        middle = low + 0.5 * (high - low)
        if not low < middle < high or high - low <= 1e-12 * high:
            break
        low, high = (low, middle) if reached(middle) else (middle, high)
    return (low, high)


def _signed(demand: Demand, ends: tuple[float, float], name: str, words: str, far: bool) -> End:
    lower, upper = sorted(demand.sign * end + 0.0 for end in ends)
    return End(demand.sign * ends[1 if far else 0] + 0.0, name, words, lower + 0.0, upper + 0.0)


def _level_ends(curve: Curve, scan: _Scan, demand: Demand) -> tuple[list[End], list[End]]:
    target, sign = demand.target, demand.sign
    if demand.level is None or target is None:
        return [], []
    level, words = demand.log_odds_level, number(demand.level)

    def reached(strength: float) -> bool:
        return bool(_log_odds(curve(np.array([sign * strength])), target)[0] >= level)

    above = np.flatnonzero(scan.concept >= level)
    if not above.size:
        beyond = sign * math.inf
        return [End(beyond, "level", f"F_T never reaches {words} on the grid", beyond, beyond)], []
    first = int(above[0])
    if first == 0:
        lows = [End(0.0, "level", f"F_T is already {words} at alpha = 0", 0.0, 0.0)]
    else:
        ends = _halved(reached, float(scan.grid[first - 1]), float(scan.grid[first]))
        lows = [_signed(demand, ends, "level", f"F_T reaches {words}", True)]
    below = np.flatnonzero(scan.concept[first:] < level)
    if not below.size:
        return lows, []
    back = first + int(below[0])
    ends = _halved(lambda s: not reached(s), float(scan.grid[back - 1]), float(scan.grid[back]))
    return lows, [_signed(demand, ends, "holds", f"F_T falls below {words} again", False)]


def _budget_ends(
    curve: Curve, scan: _Scan, demand: Demand, base: Floats, limit: Floats
) -> list[End]:
    p, sign, ends = np.exp(base), demand.sign, []
    asked = (
        ("cross_entropy", "Delta CE", demand.cross_entropy, scan.price),
        ("reverse_kl", "KL(p_alpha || p)", demand.reverse_kl, scan.reverse),
    )
    for name, title, budget, values in asked:
        if budget is None:
            continue

        spent = partial(_spent, name, p, base)
        over = np.flatnonzero(values > budget)
        if not over.size:
            most, beyond = spent(limit), sign * math.inf
            words = f"{title} never spends {nats(budget)}: {nats(most)} at the plateau"
            ends.append(End(beyond, name, words, beyond, beyond))
            continue
        first = int(over[0])

        def broken(
            strength: float, spent: Callable[[Floats], float] = spent, budget: float = budget
        ) -> bool:
            return spent(curve(np.array([sign * strength]))[0]) > budget

        cell = float(scan.grid[max(first - 1, 0)]), float(scan.grid[first])
        words = f"{title} = {nats(budget)}"
        ends.append(_signed(demand, _halved(broken, *cell), name, words, False))
    return ends


def _spent(name: str, p: Floats, base: Floats, log_p: Floats) -> float:
    if name == "cross_entropy":
        return _divergence(p, base, log_p)
    return _divergence(np.exp(log_p), log_p, base)


def _peak_end(curve: Curve, scan: _Scan, demand: Demand, rate: Floats, name: Namer) -> End:
    """The first target token to turn down; `rate` (V,) is d log p / d|alpha| at 0."""
    sign = demand.sign
    tokens = np.zeros(0, dtype=np.intp) if demand.target is None else np.flatnonzero(demand.target)
    rising = rate[tokens] > 0.0
    if not rising.all() and (demand.before_peak == "any" or not rising.any()):
        first = int(tokens[np.argmin(rate[tokens])])
        words = f"the target {name(first)} falls from alpha = 0 on, by {number(-rate[first])} nats"
        return End(0.0, "peak", f"{words} per unit", 0.0, 0.0)
    tokens, falls = tokens[rising], np.diff(scan.target[:, rising], axis=0) < 0.0
    where = np.flatnonzero(falls.any(axis=1))
    if not where.size:
        beyond = sign * math.inf
        return End(beyond, "peak", "no target token that rises turns down", beyond, beyond)
    cell = int(where[0])
    chosen = int(tokens[np.flatnonzero(falls[cell])[0]])
    low, high = float(scan.grid[max(cell - 1, 0)]), float(scan.grid[cell + 1])
    step = 1e-6 * (high - low)

    def falling(strength: float) -> bool:
        ends = curve(sign * np.array([strength - step, strength + step]))[:, chosen]
        return bool(ends[1] < ends[0])

    ends = _halved(falling, low, high)
    return _signed(demand, ends, "peak", f"the target {name(chosen)} peaks", False)


def _plateau(curve: Curve, grid: Floats, demand: Demand, limit: Floats) -> Plateau:
    """The strength beyond which the distance to the limit stays within the tolerance."""
    goal, sign = np.exp(limit), demand.sign

    def near(strength: float) -> bool:
        row = curve(np.array([sign * strength]))[0]
        return bool(0.5 * np.abs(np.exp(row) - goal).sum() <= demand.plateau)

    high = float(grid[-1])
    while not near(high) and high < 1e300:
        high *= 2.0
    low = high
    while low > 1e-300 and near(low):
        low *= 0.5
    alpha = _halved(near, low, high)[1]
    concept = math.nan
    if demand.target is not None:
        concept = float(np.exp(log_sum_exp(limit[demand.target])))
    return Plateau(
        sign * alpha, demand.plateau, likeliest(limit), int((limit > -np.inf).sum()), concept, 0.0
    )
