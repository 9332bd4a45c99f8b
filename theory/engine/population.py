"""Many steered contexts: a table of log p, and M, the same for all or for each its own.

Rows that share M share its exponentials too: V of them per alpha, and one matrix product with p
does the rest, for a table in memory or on disk. Rows for which the sums of a whole block would lose
digits are passed on to the single-context functions, so the accuracy is theirs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steering_strength.theory.engine import concept, cross_entropy, tilting
from steering_strength.theory.engine import validation as check
from steering_strength.theory.engine.family import TiltedFamily
from steering_strength.theory.engine.inverse import Root, never
from steering_strength.theory.engine.measure import Measure
from steering_strength.theory.engine.numerics import (
    LARGEST,
    exponential_excess,
    log1p_excess,
    outwards,
    quiet,
)
from steering_strength.theory.engine.sums import blocks
from steering_strength.theory.errors import ShapeError

Floats = NDArray[np.float64]
# Elements of log p held at a time (32 MiB): the memory a table on disk needs.
_BLOCK = 1 << 22
# Beyond this |alpha (M - centre)| the shared exponentials might over- or underflow.
_MODERATE = 600.0
# Sums below this may have lost tokens; and results this much smaller than their terms, 10 bits.
_TINY, _CANCELLED = 1e-250, 1e-3
# The price of steering, which averages over contexts and is checked to its last digits: 5 bits.
_PRICE_CANCELLED = 1.0 / 32.0


class Shared:
    """Sums over tokens of p e^y, y = alpha (M - centre), for a block of rows, shape (b, A) each.

    V exponentials per alpha serve all rows: p is (b, V), M is (V,), alpha (A,). Methods return
    (values, good): where not good, too many digits or tokens were lost. With `paired`, each row has
    its own alpha, (b,), and its own centre, M may be (b, V), and results are (b, 1).
    """

    @quiet
    def __init__(self, p: Floats, log_odds: Floats, alpha: Floats, *, paired: bool) -> None:
        self.p, self.paired = p, paired
        mean = p @ log_odds if log_odds.ndim == 1 else np.einsum("bv,bv->b", p, log_odds)
        # The grand mean: rows whose own mean is far from it, next to their spread, are flagged.
        self.centre = mean[:, None] if paired else np.mean(mean)
        self.distance = log_odds - self.centre
        self.first = np.einsum("bv,bv->b", p, self.distance) if paired else p @ self.distance
        moderate = np.asarray(np.abs(alpha) * np.abs(self.distance).max(axis=-1) <= _MODERATE)
        self.exponent = np.where(moderate, alpha, 0.0)[:, None] * self.distance
        self.exponential = np.exp(self.exponent)
        self.alpha = alpha[:, None] if paired else alpha
        self.moderate = moderate[:, None] if paired else moderate

    def cgf(self) -> tuple[Floats, NDArray[np.bool_]]:
        """K relative to alpha K'(0) near 0 comes from the divergence, as for one context."""
        values, good = self.cross_entropy_increase()
        return values + self.alpha * (self.centre + self.first[:, None]), good

    def mean(self) -> tuple[Floats, NDArray[np.bool_]]:
        """sum p e^y (M - centre) / sum p e^y, and the centre back."""
        slope = self._sum(self.exponential * self.distance) / self._safe_total
        return self.centre + slope, self._good

    def variance(self) -> tuple[Floats, NDArray[np.bool_]]:
        """E d^2 - (E d)^2, where that keeps ten bits."""
        slope = self._sum(self.exponential * self.distance) / self._safe_total
        square = self._sum(self.exponential * self.distance**2) / self._safe_total
        values = square - slope * slope
        return values, self._good & (values >= _CANCELLED * square)

    @quiet
    def cross_entropy_increase(self) -> tuple[Floats, NDArray[np.bool_]]:
        """log(1 + w) - alpha first, with w = alpha first + sum p (e^y - 1 - y)."""
        shift = self.alpha * self.first[:, None]
        excess = self._sum(self.excess)
        w = np.maximum(shift + excess, -1.0 + 1e-300)
        near = np.abs(w) <= 0.5
        values = np.where(
            near, excess + log1p_excess(np.where(near, w, 0.0)), np.log(self._safe_total) - shift
        )
        size = np.where(near, excess, np.abs(shift))
        return np.maximum(values, 0.0), self._good & (values >= _PRICE_CANCELLED * size)

    @quiet
    def reverse_kl(self) -> tuple[Floats, NDArray[np.bool_]]:
        """sum p g(y) / (1 + w) + w / (1 + w) - log(1 + w), g(y) = y e^y - e^y + 1 >= 0.

        g is y^2 + (y - 1)(e^y - 1 - y), which costs one bit; what follows is of order w^2.
        """
        shift = self.alpha * self.first[:, None]
        y, excess = self.exponent, self.excess
        w = np.maximum(shift + self._sum(excess), -1.0 + 1e-300)
        near = np.abs(w) <= 0.5
        close = np.where(near, w, 0.0)
        lead = self._sum(y * y + (y - 1.0) * excess) / self._safe_total
        rest = -log1p_excess(close) - close * close / (1.0 + close)
        total = self._safe_total
        slope = self.alpha * self._sum(self.exponential * self.distance) / total
        values = np.where(near, lead + rest, slope - np.log(total))
        size = np.where(near, lead, np.abs(slope))
        return np.maximum(values, 0.0), self._good & (values >= _CANCELLED * size)

    @quiet
    def concept_log_odds(self, mask: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.bool_]]:
        """log of the sum over the concept, less that over the others."""
        parts = [self._sum(self.exponential, part) for part in (mask, ~mask)]
        good = self.moderate & (np.minimum(parts[0], parts[1]) > _TINY)
        inside, outside = (np.log(np.maximum(part, _TINY)) for part in parts)
        return inside - outside, good

    def concept_mean(self, mask: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.bool_]]:
        """The mean of M over the tokens of a concept."""
        total = self._sum(self.exponential, mask)
        slope = self._sum(self.exponential * self.distance, mask) / np.maximum(total, _TINY)
        return self.centre + slope, self.moderate & (total > _TINY)

    def _sum(self, values: Floats, part: NDArray[np.bool_] | slice = slice(None)) -> Floats:
        """sum p values over the tokens of `part`; values (A, V), or (b, V) where paired."""
        p, values = self.p[:, part], values[:, part]
        if self.paired:
            return np.asarray(np.einsum("bv,bv->b", p, values)[:, None])
        return np.asarray(p @ values.T)

    @cached_property
    def excess(self) -> Floats:
        """e^y - 1 - y."""
        return exponential_excess(self.exponent)

    @cached_property
    def total(self) -> Floats:
        """sum p e^y."""
        return self._sum(self.exponential)

    @property
    def _safe_total(self) -> Floats:
        return np.maximum(self.total, _TINY)

    @property
    def _good(self) -> NDArray[np.bool_]:
        return self.moderate & (self.total > _TINY)


# A quantity of all contexts of a block, with a flag where digits were lost; and of one context,
# given which tokens its measure keeps.
_Together = Callable[[Shared], tuple[Floats, NDArray[np.bool_]]]
_Alone = Callable[[Measure, NDArray[np.intp], Floats], Floats]
_Pair = tuple[_Together, _Alone]


@dataclass(frozen=True, eq=False)
class TiltedPopulation:
    """m steered contexts: row j is the `TiltedFamily` of (log_p[j], log_odds or its row j).

    Raises ProbabilityError if a row is not normalised or holds NaN, M is not finite on a row's
    support, or the weights are no probabilities; ShapeError if the shapes do not fit.

    Parameters
    ----------
    log_p : array_like or np.memmap, (m, V)
        Log-probabilities, one normalised row per context; -inf marks no support. It is read in
        blocks of rows; a table of more than one block is never copied as a whole.
    log_odds : array_like, (V,) or (m, V)
        M(z), finite wherever a row has p > 0; one row per context where each has its own vector.
    weights : array_like, (m,), optional
        Probabilities pi_j of the contexts, positive, sum 1; uniform by default.
    """

    log_p: Floats
    log_odds: Floats
    weights: Floats | None = None

    def __post_init__(self) -> None:
        table = check.plain_array("log_p", self.log_p)
        if table.ndim != 2 or 0 in table.shape:
            raise ShapeError(
                f"log_p has shape {table.shape}", remedy="give one row per context, shape (m, V)"
            )
        odds = check.plain_array("log_odds", self.log_odds)
        support = np.zeros(table.shape if odds.ndim == 2 else table.shape[1], dtype=np.bool_)
        for rows in blocks(table.shape[0], self._rows(table.shape[1])):
            with np.errstate(over="ignore"):
                block = np.asarray(table[rows], dtype=np.float64)
            check.require_normalised(block, table.dtype, "log_p", rows.start)
            if odds.ndim == 2:
                support[rows] = block > -np.inf
            else:
                support |= (block > -np.inf).any(axis=0)
        small = table.shape[0] <= self._rows(table.shape[1])
        if small and not isinstance(table, np.memmap):
            check.freeze(self, log_p=np.array(table))
        else:  # the caller's own, which may stay writable and is then read anew each time
            object.__setattr__(self, "log_p", table)
        weights = check.as_weights(self.weights, table.shape[0])
        check.freeze(self, log_odds=check.as_log_odds(odds, support), weights=weights)

    @staticmethod
    def _rows(size: int) -> int:
        """How many rows of that size are held at a time."""
        return max(_BLOCK // size, 1)

    @property
    def shape(self) -> tuple[int, int]:
        """(m, V)."""
        return self.log_p.shape[0], self.log_p.shape[1]

    def family(self, context: int) -> TiltedFamily:
        """Return one context alone; raises ShapeError for an index outside 0..m-1."""
        j = check.as_integer("context", context, 0, self.shape[0] - 1)
        return TiltedFamily(self.log_p[j], self._odds(j))

    def _odds(self, context: int) -> Floats:
        return self.log_odds if self.log_odds.ndim == 1 else self.log_odds[context]

    def log_probability(self, alpha: ArrayLike) -> Floats:
        """Return log p_(j,alpha)(z), shape (A, m, V): Lemma B.3."""
        rows = [self.family(j).log_probability(alpha) for j in range(self.shape[0])]
        return np.stack(rows, axis=-2)

    def cgf(self, alpha: ArrayLike) -> Floats:
        """Return K_j(alpha), shape (A, m), in nats."""
        return self._each(alpha, Shared.cgf, _alone(tilting.cgf))

    def mean(self, alpha: ArrayLike) -> Floats:
        """Return K_j'(alpha) = E_(j,alpha)[M], shape (A, m): Eq. 10."""
        return self._each(alpha, Shared.mean, _alone(tilting.mean))

    def variance(self, alpha: ArrayLike) -> Floats:
        """Return K_j''(alpha) = Var_(j,alpha)[M], shape (A, m): Eq. 10."""
        return self._each(alpha, Shared.variance, _alone(tilting.variance))

    def cross_entropy_increase(self, alpha: ArrayLike) -> Floats:
        """Return KL(p_j || p_(j,alpha)) of each context, shape (A, m)."""
        return self._each(alpha, *_PRICE)

    def reverse_kl(self, alpha: ArrayLike) -> Floats:
        """Return KL(p_(j,alpha) || p_j) of each context, shape (A, m)."""
        return self._each(alpha, *_REVERSE)

    def quadratic(self) -> float:
        """Return the coefficient of alpha^2 in Delta CE: sum_j pi_j Var_j(M) / 2 (Thm 3.8)."""
        return 0.5 * float(self.variance(0.0) @ np.asarray(self.weights))

    def cross_entropy_asymptote(self, sign: int) -> tuple[float, float]:
        """Return (slope, offset) of the line |alpha| slope + offset that Delta CE tends to.

        Delta CE lies between it and |alpha| slope, for every alpha of that sign.
        """
        side = check.as_sign(sign)
        rows = (row_measure(self, j)[0] for j in range(self.shape[0]))
        lines = [cross_entropy.asymptote(row, side) for row in rows]
        slope, offset = np.asarray(self.weights) @ np.array(lines)
        return float(slope), float(offset)

    def average_cross_entropy_increase(self, alpha: ArrayLike) -> Floats:
        """Return Delta CE = sum_j pi_j KL(p_j || p_(j,alpha)), shape (A,): beyond Thm 3.8."""
        average: Floats = self.cross_entropy_increase(alpha) @ np.asarray(self.weights)
        return average

    def average_cross_entropy_root(self, budget: float, sign: int) -> Root:
        """Return the alpha of that sign at which Delta CE, averaged over contexts, is `budget`.

        Delta CE is convex in alpha and unbounded unless M is constant wherever p > 0.

        Raises BudgetError if the budget is negative or no number.
        """
        weights = np.asarray(self.weights)
        return price_root(self, "cross_entropy_increase", budget, sign, lambda each: each @ weights)

    def concept_log_odds(self, tokens: ArrayLike, alpha: ArrayLike) -> Floats:
        """Return logit F_(j,C)(alpha), shape (A, m): Thm 3.6; +-inf as in `TiltedFamily`."""
        mask = check.as_tokens(tokens, self.shape[1], single=True)
        strengths, scalar = check.as_alpha(alpha)
        result = self._all(strengths, [_odds(mask)])[0]
        return result[0] if scalar else result

    def trade(
        self, tokens: ArrayLike, alpha: ArrayLike, *, paired: bool = False
    ) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """Return what steering buys and what it costs, and both slopes, from one pass.

        (logit F_j, the means of M on T and off T, KL(p_j || p_(j,alpha)), its slope in alpha),
        shape (A, m) each. With `paired`, alpha holds one strength per context, (m,), and so does
        the answer. F_j' = F_j (1 - F_j)(mean on T - mean off T): Eq. 12. A mean over tokens
        without support is nan.
        """
        mask = check.as_tokens(tokens, self.shape[1], single=True)
        strengths, scalar = check.as_alpha(alpha)
        if check.as_flag("paired", paired) and strengths.size != self.shape[0]:
            raise ShapeError(
                f"alpha has {strengths.size} entries for {self.shape[0]} contexts",
                remedy="give one strength per context",
            )
        found = self._all(
            strengths,
            [_odds(mask), _mean_on(mask), _mean_on(~mask), _PRICE, _REVERSE],
            paired=paired,
        )
        odds, inside, outside, price, reverse = (f[0] if scalar or paired else f for f in found)
        # alpha (K'(alpha) - K'(0)) is the sum of both divergences: nothing cancels.
        own = strengths if scalar or paired else strengths[:, None]
        slope = np.where(own == 0.0, 0.0, (price + reverse) / np.where(own == 0.0, 1.0, own))
        return odds, inside, outside, price, slope

    @cached_property
    def _p(self) -> Floats:
        """The probabilities of a table that fits in one block: kept, many questions need them."""
        return _probabilities(self.log_p)

    def _each(self, alpha: ArrayLike, together: _Together, alone: _Alone) -> Floats:
        strengths, scalar = check.as_alpha(alpha)
        result = self._all(strengths, [(together, alone)])[0]
        return result[0] if scalar else result

    def _all(self, alpha: Floats, functions: list[_Pair], *, paired: bool = False) -> list[Floats]:
        """Several (shared, single-context) pairs at once, (A, m) each; (1, m) where paired."""
        results = [np.empty((1 if paired else alpha.size, self.shape[0])) for _ in functions]
        log_odds = np.where(np.isfinite(self.log_odds), self.log_odds, 0.0)
        own = log_odds.ndim == 2
        size = self._rows(self.shape[1])
        kept = self.shape[0] <= size and not self.log_p.flags.writeable
        for rows in blocks(self.shape[0], size):
            p = self._p if kept else _probabilities(self.log_p[rows])
            passes = [(some, alpha[some]) for some in blocks(alpha.size, 1 if own else size)]
            if paired:
                passes = [(slice(1), alpha[rows])]
            elif own:
                passes = [(some, np.repeat(one, len(p))) for some, one in passes]
            for place, strengths in passes:
                block = log_odds[rows] if own else log_odds
                shared = Shared(p, block, strengths, paired=paired or own)
                for result, (together, alone) in zip(results, functions, strict=True):
                    with np.errstate(invalid="ignore", over="ignore"):
                        values, good = together(shared)
                    good = good & np.isfinite(values)  # 0 times an exponential that overflowed
                    result[place, rows] = values.T
                    for i in np.flatnonzero(~good.all(axis=1)):
                        j, again = rows.start + i, np.flatnonzero(~good[i])
                        asked = strengths[i : i + 1] if shared.paired else strengths[again]
                        result[place, j][again] = alone(*row_measure(self, j), asked)
        return results


def _probabilities(log_p: Floats) -> Floats:
    rows = np.asarray(log_p, np.float64)
    p = np.exp(rows - rows.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return np.asarray(p)


def row_measure(population: TiltedPopulation, context: int) -> tuple[Measure, NDArray[np.intp]]:
    """Return p and M of one context where p > 0, and which tokens these are."""
    log_p = np.asarray(population.log_p[context], np.float64)
    kept = np.flatnonzero(log_p > -np.inf)
    return Measure(log_p[kept], population._odds(context)[kept]), kept


def price_root(
    population: TiltedPopulation,
    price: str,
    budget: float,
    sign: int,
    average: Callable[[Floats], Floats],
) -> Root:
    """Return the alpha of that sign at which an average of a divergence reaches `budget` nats.

    `price` is "cross_entropy_increase" or "reverse_kl", and `average` increases in each context's,
    (..., m) -> (...). Each grows with |alpha|, below alpha^2 R^2 / 8 (Hoeffding), the second up
    to -log p(extreme of M).
    """
    goal, side = check.as_budget(budget), check.as_sign(sign)
    if goal == 0.0:
        return Root.of(0.0)
    reach = np.empty((2, population.shape[0]))  # max M - min M, and -log p(extreme of M)
    for j in range(population.shape[0]):
        row, _ = row_measure(population, j)
        reach[:, j] = row.high - row.low, -row.log_share(side)
    spread, top = reach[0], float(average(reach[1]))
    if not average(spread) > 0.0:
        return never(side, "M is constant wherever p > 0: steering moves nothing")
    # At the supremum itself rounding decides: 1e-9 of it is kept clear.
    if price == "reverse_kl" and goal >= top * (1.0 - 1e-9):
        return never(side, f"the divergence stays below {top:.6g} nats on average")

    def excess(strength: float) -> float:
        return float(average(getattr(population, price)(side * strength))) - goal

    low = math.sqrt(8.0) * math.sqrt(goal) / float(spread.max())
    bracket = outwards(excess, low)
    if bracket is None:
        return never(side, f"|alpha| would exceed {LARGEST:g}")
    return Root.between(side, *bracket, inner=True)


def _alone(function: Callable[[Measure, Floats], Floats]) -> _Alone:
    return lambda measure, kept, alpha: function(measure, alpha)


_PRICE = (Shared.cross_entropy_increase, _alone(cross_entropy.cross_entropy_increase))
_REVERSE = (Shared.reverse_kl, _alone(cross_entropy.reverse_kl))


def _odds(mask: NDArray[np.bool_]) -> _Pair:
    return (
        lambda shared: shared.concept_log_odds(mask),
        lambda measure, kept, alpha: concept.concept_log_odds(measure, mask[kept], alpha),
    )


def _mean_on(mask: NDArray[np.bool_]) -> _Pair:
    """The mean of M over the tokens of a mask; nan where none has support."""

    def alone(measure: Measure, kept: NDArray[np.intp], alpha: Floats) -> Floats:
        part = mask[kept]
        if not part.any():
            return np.full(alpha.size, np.nan)
        return tilting.mean(Measure(measure.log_p[part], measure.log_odds[part]), alpha)

    return lambda shared: shared.concept_mean(mask), alone
