"""Many contexts under one steering vector: a table of log p, one M.

All rows share M, so they share its exponentials too: V of them per alpha, and one matrix product
with p does the rest, for a table in memory or on disk. Rows for which the shared sums would lose
digits are passed on to the single-context functions, so the accuracy is theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory.engine import concept, cross_entropy, tilting
from theory.engine.family import TiltedFamily
from theory.engine.measure import Measure
from theory.engine.numerics import exponential_excess, log1p_excess, log_sum_exp, quiet
from theory.engine.sums import blocks
from theory.engine.validation import as_alpha, as_tokens, as_vector, normalisation_tolerance
from theory.errors import ProbabilityError, ShapeError

__all__ = ["TiltedPopulation"]

Floats = NDArray[np.float64]
Reduction = Callable[[Measure, Floats], Floats]

# Elements of log p held at a time (32 MiB): the memory a table on disk needs.
_BLOCK = 1 << 22
# Beyond this |alpha (M - centre)| the shared exponentials might over- or underflow.
_MODERATE = 600.0
# Sums below this may have lost tokens; and results this much smaller than their terms, 10 bits.
_TINY, _CANCELLED = 1e-250, 1e-3


@dataclass(frozen=True, eq=False)
class TiltedPopulation:
    """m contexts, steered along one vector: row j is the `TiltedFamily` of (log_p[j], log_odds).

    Parameters
    ----------
    log_p : array_like or np.memmap, (m, V)
        Log-probabilities, one normalised row per context; -inf marks no support. It is read in
        blocks of rows and never copied as a whole.
    log_odds : array_like, (V,)
        M(z), finite wherever a row has p > 0.
    weights : array_like, (m,), optional
        Probabilities pi_j of the contexts, positive, sum 1; uniform by default.

    Raises
    ------
    ProbabilityError
        If a row is not normalised or holds NaN, M is not finite on a row's support, or the weights
        are no probabilities.
    ShapeError
        If the shapes do not fit.
    """

    log_p: Floats
    log_odds: Floats
    weights: Floats | None = None

    def __post_init__(self) -> None:
        table = self.log_p if isinstance(self.log_p, np.ndarray) else np.asarray(self.log_p)
        if table.ndim != 2 or 0 in table.shape or table.dtype.kind not in "fiu":
            raise ShapeError(
                f"log_p has shape {table.shape} and dtype {table.dtype}",
                remedy="give a table of real numbers, one row per context, shape (m, V)",
            )
        log_odds = as_vector("log_odds", self.log_odds)
        if log_odds.size != table.shape[1]:
            raise ShapeError(
                f"log_odds has V = {log_odds.size}, log_p has V = {table.shape[1]}",
                remedy="use one vocabulary",
            )
        infinite = ~np.isfinite(log_odds)
        bound = normalisation_tolerance(table.dtype, table.shape[1])
        for rows in blocks(table.shape[0], _BLOCK // table.shape[1]):
            _check_rows(np.asarray(table[rows], dtype=np.float64), rows.start, infinite, bound)
        weights = _as_weights(self.weights, table.shape[0])
        for name, array in (("log_odds", log_odds), ("weights", weights)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        object.__setattr__(self, "log_p", table)

    @property
    def shape(self) -> tuple[int, int]:
        """(m, V)."""
        return self.log_p.shape[0], self.log_p.shape[1]

    def family(self, context: int) -> TiltedFamily:
        """Return one context alone; raises ShapeError for an index outside 0..m-1."""
        if not 0 <= context < self.shape[0]:
            raise ShapeError(f"context {context}", remedy=f"use indices 0..{self.shape[0] - 1}")
        return TiltedFamily(self.log_p[context], self.log_odds)

    def cgf(self, alpha: ArrayLike) -> Floats:
        """Return K_j(alpha), shape (A, m), in nats."""
        return self._each(alpha, _Shared.cgf, tilting.cgf)

    def mean(self, alpha: ArrayLike) -> Floats:
        """Return K_j'(alpha) = E_(j,alpha)[M], shape (A, m): Eq. 10."""
        return self._each(alpha, _Shared.mean, tilting.mean)

    def variance(self, alpha: ArrayLike) -> Floats:
        """Return K_j''(alpha) = Var_(j,alpha)[M], shape (A, m): Eq. 10."""
        return self._each(alpha, _Shared.variance, tilting.variance)

    def cross_entropy_increase(self, alpha: ArrayLike) -> Floats:
        """Return KL(p_j || p_(j,alpha)) of each context, shape (A, m)."""
        return self._each(
            alpha, _Shared.cross_entropy_increase, cross_entropy.cross_entropy_increase
        )

    def average_cross_entropy_increase(self, alpha: ArrayLike) -> Floats:
        """Return Delta CE = sum_j pi_j KL(p_j || p_(j,alpha)), shape (A,): beyond Thm 3.8."""
        average: Floats = self.cross_entropy_increase(alpha) @ np.asarray(self.weights)
        return average

    def concept_log_odds(self, tokens: ArrayLike, alpha: ArrayLike) -> Floats:
        """Return logit F_(j,C)(alpha), shape (A, m): Thm 3.6; +-inf as in `TiltedFamily`."""
        mask = as_tokens(tokens, self.shape[1], single=True)
        strengths, scalar = as_alpha(alpha)
        result = np.empty((strengths.size, self.shape[0]))
        for rows, shared in self._blocks(strengths):
            values, good = shared.concept_log_odds(mask)
            result[:, rows] = values.T
            for i in np.flatnonzero(~good.all(axis=1)):
                kept = np.flatnonzero(shared.log_p[i] > -np.inf)
                alone = Measure.of(shared.log_p[i, kept], self.log_odds[kept])
                again = ~good[i]
                result[again, rows.start + i] = concept.concept_log_odds(
                    alone, mask[kept], strengths[again]
                )
        return result[0] if scalar else result

    def _each(
        self,
        alpha: ArrayLike,
        together: Callable[[_Shared], tuple[Floats, NDArray[np.bool_]]],
        alone: Reduction,
    ) -> Floats:
        strengths, scalar = as_alpha(alpha)
        result = np.empty((strengths.size, self.shape[0]))
        for rows, shared in self._blocks(strengths):
            values, good = together(shared)
            result[:, rows] = values.T
            for i in np.flatnonzero(~good.all(axis=1)):
                kept = np.flatnonzero(shared.log_p[i] > -np.inf)
                measure = Measure.of(shared.log_p[i, kept], self.log_odds[kept])
                again = ~good[i]
                result[again, rows.start + i] = alone(measure, strengths[again])
        return result[0] if scalar else result

    def _blocks(self, alpha: Floats) -> Iterator[tuple[slice, _Shared]]:
        log_odds = np.where(np.isfinite(self.log_odds), self.log_odds, 0.0)
        for rows in blocks(self.shape[0], _BLOCK // self.shape[1]):
            yield rows, _Shared.of(np.asarray(self.log_p[rows], np.float64), log_odds, alpha)


@dataclass(frozen=True, eq=False)
class _Shared:
    """Sums over tokens of p e^y, y = alpha (M - centre), for a block of rows, shape (b, A) each.

    Methods return (values, good): where not good, too many digits or tokens were lost.
    """

    log_p: Floats
    p: Floats
    distance: Floats
    centre: float
    alpha: Floats
    first: Floats
    exponential: Floats
    total: Floats
    moderate: NDArray[np.bool_]

    @classmethod
    @quiet
    def of(cls, log_p: Floats, log_odds: Floats, alpha: Floats) -> _Shared:
        p = np.exp(log_p - log_p.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        # The grand mean: rows whose own mean is far from it, next to their spread, are flagged.
        centre = float(np.mean(p @ log_odds))
        distance = log_odds - centre
        moderate = np.abs(alpha) * np.max(np.abs(distance)) <= _MODERATE
        exponential = np.exp(np.multiply.outer(np.where(moderate, alpha, 0.0), distance))
        total = p @ exponential.T
        return cls(log_p, p, distance, centre, alpha, p @ distance, exponential, total, moderate)

    def cgf(self) -> tuple[Floats, NDArray[np.bool_]]:
        # K relative to alpha K'(0) near 0 comes from the divergence, as for one context.
        values, good = self.cross_entropy_increase()
        return values + self.alpha * (self.centre + self.first[:, None]), good

    def mean(self) -> tuple[Floats, NDArray[np.bool_]]:
        slope = (self.p @ (self.exponential * self.distance).T) / self._safe_total
        return self.centre + slope, self._good

    def variance(self) -> tuple[Floats, NDArray[np.bool_]]:
        slope = (self.p @ (self.exponential * self.distance).T) / self._safe_total
        square = (self.p @ (self.exponential * self.distance**2).T) / self._safe_total
        values = square - slope * slope
        return values, self._good & (values >= _CANCELLED * square)

    @quiet
    def cross_entropy_increase(self) -> tuple[Floats, NDArray[np.bool_]]:
        """log(1 + w) - alpha first, with w = alpha first + sum p (e^y - 1 - y)."""
        shift = self.alpha * self.first[:, None]
        y = np.multiply.outer(np.where(self.moderate, self.alpha, 0.0), self.distance)
        excess = self.p @ exponential_excess(y).T
        w = np.maximum(shift + excess, -1.0 + 1e-300)
        near = np.abs(w) <= 0.5
        values = np.where(
            near,
            excess + log1p_excess(np.where(near, w, 0.0)),
            np.log(self._safe_total) - shift,
        )
        size = np.where(near, excess, np.abs(shift))
        return np.maximum(values, 0.0), self._good & (values >= _CANCELLED * size)

    @quiet
    def concept_log_odds(self, mask: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.bool_]]:
        parts = [self.p[:, part] @ self.exponential[:, part].T for part in (mask, ~mask)]
        good = self.moderate & (np.minimum(parts[0], parts[1]) > _TINY)
        inside, outside = (np.log(np.maximum(part, _TINY)) for part in parts)
        return inside - outside, good

    @property
    def _safe_total(self) -> Floats:
        return np.maximum(self.total, _TINY)

    @property
    def _good(self) -> NDArray[np.bool_]:
        return self.moderate & (self.total > _TINY)


def _check_rows(rows: Floats, first: int, infinite: NDArray[np.bool_], bound: float) -> None:
    bad = np.isnan(rows) | (rows == np.inf)
    if bad.any():
        j, z = (int(i) for i in np.argwhere(bad)[0])
        raise ProbabilityError(
            f"log_p is {rows[j, z]} at context {first + j}, token {z}",
            remedy="log-probabilities are at most 0; -inf marks a token without support",
        )
    found = log_sum_exp(rows, axis=1)
    off = ~(np.abs(found) <= bound)
    if off.any():
        j = int(np.argmax(off))
        raise ProbabilityError(
            f"context {first + j} of log_p is not normalised: log-sum-exp is {found[j]:.6g}, it "
            f"must be within {bound:.2g} of 0",
            remedy="subtract scipy.special.logsumexp(log_p, axis=1, keepdims=True)",
        )
    wrong = (rows[:, infinite] > -np.inf).any(axis=1)
    if wrong.any():
        j = int(np.argmax(wrong))
        z = int(np.flatnonzero(infinite & (rows[j] > -np.inf))[0])
        raise ProbabilityError(
            f"log_odds is not finite at token {z}, which has p > 0 in context {first + j}",
            remedy="M must be finite on the support of every context: smooth P and N",
        )


def _as_weights(weights: ArrayLike | None, count: int) -> Floats:
    if weights is None:
        return np.full(count, 1.0 / count)
    vector = as_vector("weights", weights)
    if vector.size != count:
        raise ShapeError(
            f"weights has shape {vector.shape}", remedy=f"give one per context, ({count},)"
        )
    bound = normalisation_tolerance(vector.dtype, count)
    if not (vector > 0.0).all() or not abs(float(vector.sum()) - 1.0) <= bound:
        raise ProbabilityError(
            f"weights sum to {vector.sum():.6g} and their smallest is {vector.min():.6g}",
            remedy="give positive weights that sum to 1",
        )
    return vector
