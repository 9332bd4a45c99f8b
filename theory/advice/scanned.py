"""A curve with a closed form that is no tilting, answering what advice asks by bracketed search.

For instance the last block of a transformer (`LastBlock`, the law `last-block`): neither Delta CE
convex nor F_T monotone. Every quantity is evaluated on a grid of strengths; an answer is a sign
change between two neighbours, halved to rounding. What the grid does not show is not excluded, and
no root is called impossible: it was looked for up to the last strength.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from steering_strength.theory.advice.curve import Method
from steering_strength.theory.advice.window import divergence
from steering_strength.theory.engine import validation as check
from steering_strength.theory.engine.inverse import Root, never
from steering_strength.theory.engine.numerics import LARGEST, bisect, log_sum_exp
from steering_strength.theory.engine.transformer import LastBlock
from steering_strength.theory.errors import AlphaError, ShapeError

Floats = NDArray[np.float64]
Evaluate = Callable[[Floats], Floats]

# Grid rows at a time: 8 x 262,144 float64 numbers are 16 MiB.
_ROWS = 8
_POINTS = 240
# By default the grid goes from this share of 1 / sd(M) to where the limit is met within this.
_NEAR, _SETTLED = 1e-3, 1e-3
# Values at strengths that differ by a few units in the last place differ by their rounding.
_SAME = 1.0 + np.finfo(np.float64).eps * np.arange(-16, 17)


class ScannedCurve:
    """One context whose log p_alpha is cheap at any alpha; satisfies `SteeredCurve`.

    Raises AlphaError: the grid does not increase from 0; ShapeError or ProbabilityError: the
    vocabularies differ, or the function does not return log-probabilities.

    Parameters
    ----------
    log_probability : function
        Signed alphas, (A,), to log-probabilities, (A, V).
    log_odds : array_like, (V,)
        d logits / d alpha at 0, up to a constant: M as far as the origin knows it.
    limits : mapping
        From +1 and -1 to the log-probabilities, (V,), as alpha tends to that infinity.
    strengths : array_like, (A,), optional
        |alpha| of the grid, increasing from 0. By default geometric, to where the limit is met.
    """

    def __init__(
        self,
        log_probability: Evaluate,
        log_odds: ArrayLike,
        limits: Mapping[int, ArrayLike],
        strengths: ArrayLike | None = None,
    ) -> None:
        self._evaluate = log_probability
        self.log_p: Floats = check.as_log_probabilities(
            check.as_array("log_probability([0])", log_probability(np.zeros(1)), 2)[0]
        )
        self.log_odds: Floats = check.as_array(
            "log_odds", log_odds, size=self.size, finite=ShapeError, most=check.SQUARABLE
        )
        check.require_kind("limits", limits, Mapping)
        self._limits = {
            side: check.as_log_probabilities(limits.get(side, ()), f"limits[{side:+d}]", self.size)
            for side in (1, -1)
        }
        for array in (self.log_p, self.log_odds, *self._limits.values()):
            array.flags.writeable = False
        self._p = np.exp(self.log_p)
        self._grids: dict[int, Floats] = {}
        if strengths is not None:
            self._grids = dict.fromkeys((1, -1), _checked(strengths))
        self._scans: dict[tuple[object, ...], _Scan] = {}

    @classmethod
    def last_block(cls, form: LastBlock) -> ScannedCurve:
        """The curve of a residual steered at the output of the last block (`last-block`)."""
        limits = {side: form.limit(side) for side in (1, -1)}
        return cls(form.log_probability, form.slope(0.0), limits)

    method: Method = "scanned"

    @property
    def size(self) -> int:
        """V."""
        return self.log_p.size

    def log_probability(self, alpha: ArrayLike) -> Floats:
        """log p_alpha(z), shape (A, V); raises AlphaError for a NaN or infinite alpha."""
        strengths, scalar = check.as_alpha(alpha)
        rows = np.asarray(self._evaluate(strengths), dtype=np.float64)
        return np.asarray(rows[0] if scalar else rows)

    def cross_entropy_increase(self, alpha: ArrayLike) -> Floats:
        """KL(p || p_alpha) in nats, shape (A,)."""
        return self._each(self._forward, alpha)

    def reverse_kl(self, alpha: ArrayLike) -> Floats:
        """KL(p_alpha || p) in nats, shape (A,)."""
        return self._each(self._backward, alpha)

    def concept_log_odds(self, tokens: ArrayLike, alpha: ArrayLike) -> Floats:
        """Logit of F_C(alpha), shape (A,)."""
        mask = check.as_tokens(tokens, self.size, single=True)
        return self._each(lambda rows: _log_odds(rows, mask), alpha)

    def limit(self, sign: int) -> Floats:
        """Log-probabilities as alpha -> sign * inf, shape (V,)."""
        return self._limits[check.as_sign(sign)]

    def cross_entropy_root(self, budget: float, sign: int) -> Root:
        """Where KL(p || p_alpha) first exceeds `budget` nats; alpha keeps it."""
        return self._budget_root(self._forward, budget, sign)

    def reverse_kl_root(self, budget: float, sign: int) -> Root:
        """Where KL(p_alpha || p) first exceeds `budget` nats; alpha keeps it."""
        return self._budget_root(self._backward, budget, sign)

    def concept_root(self, tokens: ArrayLike, level: float, sign: int = 1) -> Root:
        """Where F_C first reaches the probability `level`; 0 if it is there already."""
        goal, scan = check.as_log_odds_level(level), self._concept(tokens, sign)
        if scan.values[0] >= goal:
            return Root.of(0.0)
        if found := scan.reached(lambda odds: odds >= goal, inner=False):
            return found
        return scan.unfound(f"F_C is at most {expit(scan.top()[1]):.4g} there")

    def concept_loss_root(
        self, tokens: ArrayLike, level: float, start: float, sign: int = 1
    ) -> Root:
        """Where beyond `start` F_C falls below `level` again; alpha still is at the level."""
        goal, scan = check.as_log_odds_level(level), self._concept(tokens, sign)
        found = scan.first(lambda odds: odds < goal, scan.side * float(start), inner=True)
        return found or scan.unfound(f"F_C is still at {level:.4g} or above there")

    def concept_maximum(self, tokens: ArrayLike, sign: int = 1) -> Root:
        """Where F_C is largest of what was evaluated; infinite if nothing exceeds its limit."""
        scan = self._concept(tokens, sign)
        best, top, low, high = scan.top()
        reason = f"of {scan.values.size} strengths and what lies beside the best of them"
        if scan.limit >= top:
            return never(scan.side, reason)
        cell = Root.between(scan.side, low, high, inner=True)
        return replace(cell, alpha=scan.side * best, reason=reason)

    def peak_root(self, token: int, sign: int = 1) -> Root:
        """Where the token's probability first turns down; 0 if it falls from the start."""
        check.as_tokens([token], self.size)
        side = check.as_sign(sign)
        if side * float(self.log_odds[token] - self._p @ self.log_odds) <= 0.0:
            return Root.of(0.0)
        scan = self._scan(("token", token), lambda rows: np.asarray(rows[:, token]), side)
        falls = np.flatnonzero(np.diff(scan.values) < 0.0)
        if not falls.size:
            return scan.unfound("it still rises there")
        cell = int(falls[0])
        low, high = float(scan.grid[max(cell - 1, 0)]), float(scan.grid[cell + 1])
        best, low, high = scan.summit(low, high)
        return replace(Root.between(side, low, high, inner=True), alpha=side * best)

    def limit_root(self, tolerance: float, sign: int) -> Root:
        """Beyond which alpha p_alpha stays within `tolerance` of `limit` on the grid."""
        side, allowed = check.as_sign(sign), check.as_level(tolerance, "tolerance")
        goal = np.exp(self._limits[side])

        def distance(rows: Floats) -> Floats:
            return np.asarray(0.5 * np.abs(np.exp(rows) - goal).sum(axis=1))

        scan = self._scan(("limit",), distance, side)
        apart = np.flatnonzero(scan.values > allowed)
        if not apart.size:
            return Root.of(0.0)
        low, *beyond = (float(strength) for strength in scan.grid[apart[-1] :][:2])
        high = beyond[0] if beyond else 2.0 * low
        while scan.at(high) > allowed:
            low, high = high, 2.0 * high
            if high > LARGEST:
                return scan.unfound("the limit is farther away")
        return scan.halved(lambda distance: distance <= allowed, low, high, inner=False)

    def _budget_root(self, price: Evaluate, budget: float, sign: int) -> Root:
        goal = check.as_budget(budget)
        scan = self._scan((price.__name__,), price, check.as_sign(sign))
        if goal == 0.0:
            return Root.of(0.0)
        if found := scan.reached(lambda nats: nats > goal, inner=True):
            return found
        most, last = scan.top()[1], scan.limit
        return scan.unfound(f"at most {most:.4g} nats there, {last:.4g} in the limit")

    def _concept(self, tokens: ArrayLike, sign: int) -> _Scan:
        """Logit F_C on one side."""
        mask = check.as_tokens(tokens, self.size, single=True)
        key = ("concept", *np.flatnonzero(mask))
        return self._scan(key, lambda rows: _log_odds(rows, mask), check.as_sign(sign))

    def _scan(self, key: tuple[object, ...], value: Evaluate, side: int) -> _Scan:
        """Values on the grid, remembered; no array of shape (A, V) is kept."""
        if (side, *key) not in self._scans:
            grid = self._strengths(side)
            self._scans[(side, *key)] = _Scan(
                lambda alpha: self._each(value, alpha), side, grid, self._limits[side], value
            )
        return self._scans[(side, *key)]

    def _strengths(self, side: int) -> Floats:
        """The grid of one side."""
        if side not in self._grids:
            centred = self.log_odds - self._p @ self.log_odds
            size = float(np.abs(centred).max())
            sd = size * math.sqrt(float(self._p @ (centred / size) ** 2)) if size > 0.0 else 0.0
            # Sixty doublings stay finite.
            unit = min(1.0 / sd, 1e280) if sd > 0.0 else 1.0
            goal, far = np.exp(self._limits[side]), unit
            for _ in range(60):
                row = np.exp(self._evaluate(np.array([side * far]))[0])
                if 0.5 * np.abs(row - goal).sum() <= _SETTLED:
                    break
                far *= 2.0
            grid = np.geomspace(_NEAR * unit, 2.0 * far, _POINTS)
            self._grids[side] = np.concatenate(([0.0], grid))
        return self._grids[side]

    def _forward(self, rows: Floats) -> Floats:
        kept = self._p > 0.0
        change = self.log_p[kept] - rows[:, kept]
        return np.asarray(np.maximum(change @ self._p[kept], 0.0))

    def _backward(self, rows: Floats) -> Floats:
        return np.array([divergence(row, self.log_p) for row in rows])

    def _each(self, value: Evaluate, alpha: ArrayLike) -> Floats:
        strengths, scalar = check.as_alpha(alpha)
        parts = [value(self._evaluate(strengths[i : i + _ROWS]))
                 for i in range(0, strengths.size, _ROWS)]  # fmt: skip
        values = np.concatenate([np.zeros(0), *parts])
        return np.asarray(values[0] if scalar else values)


class _Scan:
    """One quantity of a curve on the grid of one side, and at any strength there."""

    def __init__(
        self, value: Evaluate, side: int, grid: Floats, limit: Floats, of_rows: Evaluate
    ) -> None:
        self._value, self.side, self.grid = value, side, grid
        self.values = value(side * grid)
        self.limit = float(of_rows(limit[None])[0])

    def at(self, strength: float) -> float:
        """The quantity at one strength."""
        return float(self._value(np.array([self.side * strength]))[0])

    def halved(self, holds: Callable[[Any], Any], low: float, high: float, *, inner: bool) -> Root:
        """The strength between two from which on `holds` holds of the quantity."""
        found = bisect(lambda strength: bool(holds(self.at(strength))), low, high)
        return Root.between(self.side, *found, inner=inner)

    def first(self, holds: Callable[[Any], Any], start: float = 0.0, *, inner: bool) -> Root | None:
        """Where beyond `start` it first holds on the grid."""
        found = np.flatnonzero(holds(self.values) & (self.grid > start))
        if not found.size:
            return None
        i = int(found[0])
        low = max(start, float(self.grid[i - 1]))
        return self.halved(holds, low, float(self.grid[i]), inner=inner)

    def reached(self, holds: Callable[[Any], Any], *, inner: bool) -> Root | None:
        """The same, or where it holds beside the largest value on the grid."""
        if root := self.first(holds, inner=inner):
            return root
        best, top, low, _ = self.top()
        return self.halved(holds, low, best, inner=inner) if holds(top) else None

    def top(self) -> tuple[float, float, float, float]:
        """The largest value there is near the best of the grid: (strength, value, its cell)."""
        grid, i = self.grid, int(np.argmax(self.values))
        low, high = float(grid[max(i - 1, 0)]), float(grid[min(i + 1, grid.size - 1)])
        best, top = self._climbed(low, high)
        if top < self.values[i]:
            best, top = float(grid[i]), float(self.values[i])
        return best, top, low, high

    def summit(self, low: float, high: float) -> tuple[float, float, float]:
        """The turn between two strengths, and between which it lies: beyond, values are lower.

        Lower by more than their rounding, which is what neighbouring strengths show.
        """
        best, top = self._climbed(low, high)
        level = top - 2.0 * float(np.ptp(self._value(self.side * best * _SAME)))
        inside = bisect(lambda strength: self.at(strength) >= level, low, best)
        outside = bisect(lambda strength: self.at(strength) < level, best, high)
        return best, inside[0], outside[1]

    def _climbed(self, a: float, b: float) -> tuple[float, float]:
        """The best of what thirds of the cell lead to, and its value."""
        best, top = a, -math.inf
        # Thirds of a cell: 1e-6 of it after 34 rounds, where values no longer differ.
        for _ in range(34):
            left, right = a + (b - a) / 3.0, b - (b - a) / 3.0
            pair = self._value(self.side * np.array([left, right]))
            a, b = (left, b) if pair[0] < pair[1] else (a, right)
            for strength, found in zip((left, right), pair, strict=True):
                if float(found) > top:
                    best, top = strength, float(found)
        return best, top

    def unfound(self, words: str) -> Root:
        """It was looked for up to the end of the grid."""
        return Root.unfound(self.side, float(self.grid[-1]), words)


def _checked(strengths: ArrayLike) -> Floats:
    grid = check.as_array("strengths", strengths)
    if grid.size < 3 or grid[0] != 0.0 or not np.isfinite(grid[-1]) or (np.diff(grid) <= 0.0).any():
        raise AlphaError(
            f"the grid has {grid.size} strengths from {grid[:1]}",
            remedy="give at least 3 finite numbers that increase from 0",
        )
    return grid


def _log_odds(rows: Floats, mask: NDArray[np.bool_]) -> Floats:
    return np.asarray(log_sum_exp(rows[:, mask], axis=1) - log_sum_exp(rows[:, ~mask], axis=1))
