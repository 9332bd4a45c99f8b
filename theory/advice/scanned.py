"""A curve with a closed form that is no tilting, answering what advice asks by bracketed search.

For instance the last block of a transformer (`LastBlock`, the law `last-block`): neither Delta CE
convex nor F_T monotone. Every quantity is evaluated on a grid of strengths; an answer is a sign
change between two neighbours, halved to rounding. What the grid does not show is not excluded, and
no root is called impossible: it was looked for up to the last strength.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steering_strength.theory.advice.curve import Method
from steering_strength.theory.engine.inverse import Root, bisect
from steering_strength.theory.engine.numerics import log_sum_exp
from steering_strength.theory.engine.transformer import LastBlock
from steering_strength.theory.engine.validation import (
    as_alpha,
    as_array,
    as_budget,
    as_level,
    as_log_probabilities,
    as_sign,
    as_tokens,
)
from steering_strength.theory.errors import AlphaError, ShapeError

__all__ = ["ScannedCurve"]

Floats = NDArray[np.float64]
Evaluate = Callable[[Floats], Floats]

# Grid rows at a time: 8 x 262,144 float64 numbers are 16 MiB.
_ROWS = 8
_POINTS = 240
# By default the grid goes from this share of 1 / sd(M) to where the limit is met within this.
_NEAR, _SETTLED = 1e-3, 1e-3
_LARGEST = 1e300
# A maximum located by values is known to the square root of their rounding.
_TURN = 1e-6


class ScannedCurve:
    """One context whose log p_alpha is cheap at any alpha; satisfies `SteeredCurve`.

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

    Raises
    ------
    AlphaError
        The grid does not increase from 0.
    ShapeError, ProbabilityError
        The vocabularies differ, or the function does not return log-probabilities.
    """

    def __init__(
        self,
        log_probability: Evaluate,
        log_odds: ArrayLike,
        limits: Mapping[int, ArrayLike],
        strengths: ArrayLike | None = None,
    ) -> None:
        self._evaluate = log_probability
        self._log_p = as_log_probabilities(
            as_array("log_probability([0])", log_probability(np.zeros(1)), 2)[0]
        )
        self._log_odds = as_array("log_odds", log_odds, finite=ShapeError)
        self._limits = {side: as_log_probabilities(limits[side]) for side in (1, -1)}
        for name, array in (
            ("log_odds", self._log_odds),
            ("limits[+1]", self._limits[1]),
            ("limits[-1]", self._limits[-1]),
        ):
            if array.size != self._log_p.size:
                raise ShapeError(
                    f"{name} has V = {array.size}, the curve has V = {self._log_p.size}",
                    remedy="use one vocabulary",
                )
        for array in (self._log_p, self._log_odds, *self._limits.values()):
            array.flags.writeable = False
        self._p = np.exp(self._log_p)
        self._grid = None if strengths is None else _checked(strengths)
        self._grids: dict[int, Floats] = {}
        self._scans: dict[tuple[object, ...], Floats] = {}

    @classmethod
    def last_block(cls, form: LastBlock) -> ScannedCurve:
        """The curve of a residual steered at the output of the last block (`last-block`)."""
        limits = {side: form.limit(side) for side in (1, -1)}
        return cls(form.log_probability, form.slope(0.0), limits)

    @property
    def method(self) -> Method:
        """How answers come about."""
        return "scanned"

    @property
    def size(self) -> int:
        """V."""
        return self._log_p.size

    @property
    def log_p(self) -> Floats:
        """Log-probabilities at alpha = 0, shape (V,)."""
        return self._log_p

    @property
    def log_odds(self) -> Floats:
        """d logits / d alpha at 0, shape (V,), in nats per unit alpha."""
        return self._log_odds

    def log_probability(self, alpha: ArrayLike) -> Floats:
        """log p_alpha(z), shape (A, V); raises AlphaError for a NaN or infinite alpha."""
        strengths, scalar = as_alpha(alpha)
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
        mask = as_tokens(tokens, self.size, single=True)
        return self._each(lambda rows: _log_odds(rows, mask), alpha)

    def limit(self, sign: int) -> Floats:
        """Log-probabilities as alpha -> sign * inf, shape (V,)."""
        return self._limits[as_sign(sign)]

    def cross_entropy_root(self, budget: float, sign: int) -> Root:
        """Where KL(p || p_alpha) first exceeds `budget` nats; alpha keeps it."""
        return self._budget_root("forward", self._forward, budget, sign)

    def reverse_kl_root(self, budget: float, sign: int) -> Root:
        """Where KL(p_alpha || p) first exceeds `budget` nats; alpha keeps it."""
        return self._budget_root("backward", self._backward, budget, sign)

    def concept_root(self, tokens: ArrayLike, level: float, sign: int = 1) -> Root:
        """Where F_C first reaches the probability `level`; 0 if it is there already."""
        mask, side, goal = as_tokens(tokens, self.size, single=True), as_sign(sign), _logit(level)

        def value(rows: Floats) -> Floats:
            return _log_odds(rows, mask)

        values = self._scan(("concept", *np.flatnonzero(mask)), value, side)
        if values[0] >= goal:
            return Root(0.0, 0.0, 0.0)
        above = np.flatnonzero(values >= goal)
        if not above.size:
            top = self._top(value, values, side)
            if top[1] >= goal:
                found = bisect(lambda s: self._at(value, side * s) >= goal, top[2], top[0])
                return _root(side, *found, inner=False)
            most = 1.0 / (1.0 + math.exp(-top[1]))
            return self._unfound(side, f"F_C is at most {most:.4g} there")
        return self._halved(lambda s: self._at(value, s) >= goal, int(above[0]), side, inner=False)

    def concept_loss_root(
        self, tokens: ArrayLike, level: float, start: float, sign: int = 1
    ) -> Root:
        """Where beyond `start` F_C falls below `level` again; alpha still is at the level."""
        mask, side, goal = as_tokens(tokens, self.size, single=True), as_sign(sign), _logit(level)

        def value(rows: Floats) -> Floats:
            return _log_odds(rows, mask)

        values = self._scan(("concept", *np.flatnonzero(mask)), value, side)
        grid, near = self._strengths(side), side * float(start)
        below = np.flatnonzero((values < goal) & (grid > near))
        if not below.size:
            return self._unfound(side, f"F_C is still at {level:.4g} or above there")
        first = int(below[0])
        low = max(near, float(grid[first - 1]))
        found = bisect(lambda s: self._at(value, side * s) < goal, low, float(grid[first]))
        return _root(side, *found, inner=True)

    def concept_maximum(self, tokens: ArrayLike, sign: int = 1) -> Root:
        """Where F_C is largest of what was evaluated; infinite if nothing exceeds its limit."""
        mask, side = as_tokens(tokens, self.size, single=True), as_sign(sign)

        def value(rows: Floats) -> Floats:
            return _log_odds(rows, mask)

        values = self._scan(("concept", *np.flatnonzero(mask)), value, side)
        best, top, low, high = self._top(value, values, side)
        reason = f"of {values.size} strengths and what lies beside the best of them"
        if float(value(self._limits[side][None])[0]) >= top:
            return Root(side * math.inf, side * math.inf, side * math.inf, reason)
        lower, upper = sorted((side * low, side * high))
        return Root(side * best, lower, upper, reason)

    def peak_root(self, token: int, sign: int = 1) -> Root:
        """Where the token's probability first turns down; 0 if it falls from the start."""
        side = as_sign(sign)
        as_tokens([token], self.size)
        if side * float(self._log_odds[token] - self._p @ self._log_odds) <= 0.0:
            return Root(0.0, 0.0, 0.0)

        def value(rows: Floats) -> Floats:
            return np.asarray(rows[:, token])

        values = self._scan(("token", token), value, side)
        falls = np.flatnonzero(np.diff(values) < 0.0)
        if not falls.size:
            return self._unfound(side, "it still rises there")
        grid, cell = self._strengths(side), int(falls[0])
        low, high = float(grid[max(cell - 1, 0)]), float(grid[cell + 1])
        step = _TURN * (high - low)

        def falling(strength: float) -> bool:
            rows = self._evaluate(side * np.array([strength - step, strength + step]))
            return bool(rows[1, token] < rows[0, token])

        low, high = bisect(falling, low, high)
        return _root(side, max(low - step, 0.0), high + step, inner=True)

    def limit_root(self, tolerance: float, sign: int) -> Root:
        """Beyond which alpha p_alpha stays within `tolerance` of `limit` on the grid."""
        side, allowed = as_sign(sign), as_level(tolerance, "tolerance")
        goal = np.exp(self._limits[side])

        def value(rows: Floats) -> Floats:
            return np.asarray(0.5 * np.abs(np.exp(rows) - goal).sum(axis=1))

        values, grid = self._scan(("limit",), value, side), self._strengths(side)
        apart = np.flatnonzero(values > allowed)
        if not apart.size:
            return Root(0.0, 0.0, 0.0)
        low, high = float(grid[apart[-1]]), math.inf
        if apart[-1] + 1 < grid.size:
            high = float(grid[apart[-1] + 1])
        else:
            high = 2.0 * low
            while self._at(value, side * high) > allowed:
                low, high = high, 2.0 * high
                if high > _LARGEST:
                    return self._unfound(side, "the limit is farther away")
        found = bisect(lambda s: self._at(value, side * s) <= allowed, low, high)
        return _root(side, *found, inner=False)

    def _budget_root(self, name: str, value: Evaluate, budget: float, sign: int) -> Root:
        goal, side = as_budget(budget), as_sign(sign)
        if goal == 0.0:
            return Root(0.0, 0.0, 0.0)
        values = self._scan((name,), value, side)
        over = np.flatnonzero(values > goal)
        if over.size:
            return self._halved(lambda s: self._at(value, s) > goal, int(over[0]), side, inner=True)
        best, top, low, _ = self._top(value, values, side)
        if top > goal:
            found = bisect(lambda s: self._at(value, side * s) > goal, low, best)
            return _root(side, *found, inner=True)
        last = float(value(self._limits[side][None])[0])
        return self._unfound(side, f"at most {top:.4g} nats there, {last:.4g} in the limit")

    def _forward(self, rows: Floats) -> Floats:
        kept = self._p > 0.0
        change = self._log_p[kept] - rows[:, kept]
        return np.asarray(np.maximum(change @ self._p[kept], 0.0))

    def _backward(self, rows: Floats) -> Floats:
        result = np.empty(rows.shape[0])
        for i, row in enumerate(rows):
            q = np.exp(row)
            kept = q > 0.0
            result[i] = max(float(q[kept] @ (row[kept] - self._log_p[kept])), 0.0)
        return result

    def _each(self, value: Evaluate, alpha: ArrayLike) -> Floats:
        strengths, scalar = as_alpha(alpha)
        parts = [value(self._evaluate(strengths[i : i + _ROWS]))
                 for i in range(0, strengths.size, _ROWS)]  # fmt: skip
        values = np.concatenate([np.zeros(0), *parts])
        return np.asarray(values[0] if scalar else values)

    def _at(self, value: Evaluate, alpha: float) -> float:
        return float(value(self._evaluate(np.array([alpha])))[0])

    def _strengths(self, side: int) -> Floats:
        """The grid of one side."""
        if self._grid is not None:
            return self._grid
        if side not in self._grids:
            centred = self._log_odds - self._p @ self._log_odds
            sd = math.sqrt(float(self._p @ centred**2))
            unit = 1.0 / sd if sd > 0.0 else 1.0
            goal, far = np.exp(self._limits[side]), unit
            for _ in range(60):
                row = np.exp(self._evaluate(np.array([side * far]))[0])
                if 0.5 * np.abs(row - goal).sum() <= _SETTLED:
                    break
                far *= 2.0
            grid = np.geomspace(_NEAR * unit, 2.0 * far, _POINTS)
            self._grids[side] = np.concatenate(([0.0], grid))
        return self._grids[side]

    def _scan(self, key: tuple[object, ...], value: Evaluate, side: int) -> Floats:
        """Values on the grid, remembered; no array of shape (A, V) is kept."""
        if (side, *key) not in self._scans:
            self._scans[(side, *key)] = self._each(value, side * self._strengths(side))
        return self._scans[(side, *key)]

    def _halved(
        self, reached: Callable[[float], bool], index: int, side: int, *, inner: bool
    ) -> Root:
        grid = self._strengths(side)
        low, high = float(grid[max(index - 1, 0)]), float(grid[index])
        return _root(side, *bisect(lambda s: reached(side * s), low, high), inner=inner)

    def _top(self, value: Evaluate, values: Floats, side: int) -> tuple[float, float, float, float]:
        """The largest value there is near the best of the grid: (strength, value, its cell)."""
        grid, i = self._strengths(side), int(np.argmax(values))
        low, high = float(grid[max(i - 1, 0)]), float(grid[min(i + 1, grid.size - 1)])
        best, top = float(grid[i]), float(values[i])
        a, b = low, high
        # Thirds of a cell: 1e-6 of it after 34 rounds, where values no longer differ.
        for _ in range(34):
            left, right = a + (b - a) / 3.0, b - (b - a) / 3.0
            pair = value(self._evaluate(side * np.array([left, right])))
            a, b = (left, b) if pair[0] < pair[1] else (a, right)
            for strength, found in zip((left, right), pair, strict=True):
                if float(found) > top:
                    best, top = strength, float(found)
        return best, top, low, high

    def _unfound(self, side: int, words: str) -> Root:
        far = side * float(self._strengths(side)[-1])
        beyond = side * math.inf
        lower, upper = sorted((far, beyond))
        return Root(beyond, lower, upper, f"not found up to alpha = {far:.4g}: {words}")


def _checked(strengths: ArrayLike) -> Floats:
    grid = as_array("strengths", strengths)
    if grid.size < 3 or grid[0] != 0.0 or not np.isfinite(grid[-1]) or (np.diff(grid) <= 0.0).any():
        raise AlphaError(
            f"the grid has {grid.size} strengths from {grid[:1]}",
            remedy="give at least 3 finite numbers that increase from 0",
        )
    return grid


def _log_odds(rows: Floats, mask: NDArray[np.bool_]) -> Floats:
    return np.asarray(log_sum_exp(rows[:, mask], axis=1) - log_sum_exp(rows[:, ~mask], axis=1))


def _logit(level: float) -> float:
    value = as_level(level)
    return math.log(value) - math.log1p(-value)


def _root(side: int, low: float, high: float, *, inner: bool) -> Root:
    lower, upper = sorted((side * low, side * high))
    return Root(side * (low if inner else high) + 0.0, lower + 0.0, upper + 0.0)
