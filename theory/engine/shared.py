"""Sums over tokens that the contexts of a population share: V exponentials per alpha serve all.

With one alpha per context each row has its own, and the same formulas. Where they lose digits for
a context, its flag says so, and `TiltedPopulation` asks the single-context functions instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from steering_strength.theory.engine.numerics import exponential_excess, log1p_excess, quiet

__all__ = ["Shared"]

Floats = NDArray[np.float64]

# Beyond this |alpha (M - centre)| the shared exponentials might over- or underflow.
_MODERATE = 600.0
# Sums below this may have lost tokens; and results this much smaller than their terms, 10 bits.
_TINY, _CANCELLED = 1e-250, 1e-3
# The price of steering, which averages over contexts and is checked to its last digits: 5 bits.
_PRICE_CANCELLED = 1.0 / 32.0


@dataclass(frozen=True, eq=False)
class Shared:
    """Sums over tokens of p e^y, y = alpha (M - centre), for a block of rows, shape (b, A) each.

    Methods return (values, good): where not good, too many digits or tokens were lost. With
    `paired`, each row has its own alpha, (b, 1), and results are (b, 1).
    """

    log_p: Floats
    p: Floats
    distance: Floats
    centre: float
    alpha: Floats
    first: Floats
    exponent: Floats
    exponential: Floats
    moderate: NDArray[np.bool_]
    paired: bool

    @classmethod
    @quiet
    def of(cls, log_p: Floats, log_odds: Floats, alpha: Floats, *, paired: bool = False) -> Shared:
        """Work off a block of rows, (b, V), for all alphas, (A,), or for one each, (b,)."""
        p = np.exp(log_p - log_p.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        # The grand mean: rows whose own mean is far from it, next to their spread, are flagged.
        centre = float(np.mean(p @ log_odds))
        distance = log_odds - centre
        moderate = np.abs(alpha) * np.max(np.abs(distance)) <= _MODERATE
        y = np.multiply.outer(np.where(moderate, alpha, 0.0), distance)
        if paired:
            alpha, moderate = alpha[:, None], moderate[:, None]
        return cls(log_p, p, distance, centre, alpha, p @ distance, y, np.exp(y), moderate, paired)

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
        excess = self._sum(exponential_excess(self.exponent))
        w = np.maximum(shift + excess, -1.0 + 1e-300)
        near = np.abs(w) <= 0.5
        values = np.where(
            near,
            excess + log1p_excess(np.where(near, w, 0.0)),
            np.log(self._safe_total) - shift,
        )
        size = np.where(near, excess, np.abs(shift))
        return np.maximum(values, 0.0), self._good & (values >= _PRICE_CANCELLED * size)

    @quiet
    def reverse_kl(self) -> tuple[Floats, NDArray[np.bool_]]:
        """sum p g(y) / (1 + w) + w / (1 + w) - log(1 + w), g(y) = y e^y - e^y + 1 >= 0.

        g is y^2 + (y - 1)(e^y - 1 - y), which costs one bit; what follows is of order w^2.
        """
        shift = self.alpha * self.first[:, None]
        y = self.exponent
        excess = exponential_excess(y)
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
    def total(self) -> Floats:
        """sum p e^y."""
        return self._sum(self.exponential)

    @property
    def _safe_total(self) -> Floats:
        return np.maximum(self.total, _TINY)

    @property
    def _good(self) -> NDArray[np.bool_]:
        return self.moderate & (self.total > _TINY)
