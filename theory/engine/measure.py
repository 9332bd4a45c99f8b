"""The pair (p, M) on the support of p, with M centred once, the way every sum below needs it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theory.engine.numerics import log_sum_exp

__all__ = ["Measure"]

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Measure:
    """A distribution p and a function M on n tokens, all with p > 0.

    Attributes
    ----------
    log_p : (n,)
        Log weights as given, in nats; `log_mass` is their log-sum-exp.
    log_odds : (n,)
        M, in nats per unit alpha.
    p : (n,)
        exp(log_p), divided by its sum; underflows to 0 below 1e-308, where `log_p` takes over.
    reference, offset : float
        E_p[M] = reference + offset, kept apart so that a large common offset of M costs nothing.
    centred : (n,)
        M - E_p[M], accurate relative to the spread of M, not to max|M|.
    low, high : float
        The extremes of M.
    """

    log_p: Vector
    log_odds: Vector
    log_mass: float
    p: Vector
    reference: float
    offset: float
    centred: Vector
    low: float
    high: float

    @classmethod
    def of(cls, log_p: Vector, log_odds: Vector) -> Measure:
        """Centre M under exp(log_p) / sum; both shape (n,), log_p finite."""
        heaviest = int(np.argmax(log_p))
        with np.errstate(under="ignore"):
            weight = np.exp(log_p - log_p[heaviest])
            p = weight / weight.sum()
        # Two centrings: M minus the M of the heaviest token is exact for close values, and the
        # second mean removes the rounding of the first, which p concentrated on one token needs.
        reference = float(log_odds[heaviest])
        centred = log_odds - reference
        with np.errstate(under="ignore"):
            first = float(p @ centred)
            centred -= first
            second = float(p @ centred)
            centred -= second
        return cls(
            log_p=log_p,
            log_odds=log_odds,
            log_mass=float(log_sum_exp(log_p)),
            p=p,
            reference=reference,
            offset=first + second,
            centred=centred,
            low=float(log_odds.min()),
            high=float(log_odds.max()),
        )

    @property
    def mean(self) -> float:
        """E_p[M]."""
        return self.reference + self.offset

    @property
    def constant(self) -> bool:
        """Whether M takes one value only: exact, no tolerance."""
        return self.low == self.high

    def extreme(self, alpha: float) -> float:
        """Return the value of M that dominates on the side of alpha: the max for alpha >= 0."""
        return self.high if alpha >= 0.0 else self.low
