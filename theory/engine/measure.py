"""The pair (p, M) on the support of p, with M centred once, the way every sum below needs it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steering_strength.theory.engine.numerics import log_sum_exp, quiet

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
    top_gap, bottom_gap, reach : float
        max M - E_p[M], E_p[M] - min M, and the larger of the two.
    lightest : float
        The smallest log p.
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
    top_gap: float
    bottom_gap: float
    reach: float
    lightest: float

    @classmethod
    @quiet
    def of(cls, log_p: Vector, log_odds: Vector) -> Measure:
        """Centre M under exp(log_p) / sum; both shape (n,), log_p finite."""
        heaviest = int(np.argmax(log_p))
        p = np.exp(log_p - log_p[heaviest])
        total = float(p.sum())
        p /= total
        log_mass = float(log_p[heaviest]) + math.log(total)
        # Two centrings: M minus the M of the heaviest token is exact for close values, and the
        # second mean removes the rounding of the first, which p concentrated on one token needs.
        reference = float(log_odds[heaviest])
        centred = log_odds - reference
        first = float(p @ centred)
        centred -= first
        second = float(p @ centred)
        centred -= second
        top_gap, bottom_gap = float(centred.max()), float(-centred.min())
        return cls(
            log_p=log_p,
            log_odds=log_odds,
            log_mass=log_mass,
            p=p,
            reference=reference,
            offset=first + second,
            centred=centred,
            low=float(log_odds.min()),
            high=float(log_odds.max()),
            top_gap=top_gap,
            bottom_gap=bottom_gap,
            reach=max(top_gap, bottom_gap),
            lightest=float(log_p.min()) - log_mass,
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

    def log_share(self, sign: int) -> float:
        """Return log p(extreme of M on that side) <= 0; what is next to 1, from what is missing."""
        ties = self.log_odds == (self.high if sign > 0 else self.low)
        rest = float(log_sum_exp(self.log_p[~ties])) - self.log_mass
        if rest < -7.0:
            return math.log1p(-math.exp(rest))
        return min(float(log_sum_exp(self.log_p[ties])) - self.log_mass, 0.0)

    def gap(self, alpha: float) -> Vector:
        """Return M - the extreme on the side of alpha, shape (n,): alpha times it is at most 0."""
        return self.log_odds - self.extreme(alpha)
