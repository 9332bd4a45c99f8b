"""The answer's shape: ends of a window, what each end means, and what happens there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["End", "Point", "Status", "Window", "intersect", "nats", "number"]

Status = Literal["ok", "empty", "never", "unmoved"]


@dataclass(frozen=True)
class End:
    """A bound on alpha and the demand that sets it.

    Attributes
    ----------
    alpha : float
        Signed; +-inf where the demand never binds, or is never met.
    demand : str
        "level", "holds", "cross_entropy", "reverse_kl", "peak", "start" or "none".
    words : str
        What the bound means, with its numbers.
    lower, upper : float
        The bracket in which the demand's quantity crosses its bound; equal to `alpha` where the
        answer is exact or there is none.
    """

    alpha: float
    demand: str
    words: str
    lower: float
    upper: float


@dataclass(frozen=True)
class Point:
    """What steering by one alpha does.

    Attributes
    ----------
    alpha : float
    concept : float
        F_T, or nan without a target.
    cross_entropy, reverse_kl : float
        KL(p || p_alpha) and KL(p_alpha || p), nats.
    total_variation : float
        Between p and p_alpha.
    tokens : tuple of (int, float)
        The likeliest tokens there and their probabilities, likeliest first.
    """

    alpha: float
    concept: float
    cross_entropy: float
    reverse_kl: float
    total_variation: float
    tokens: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Window:
    """The alphas that meet all demands: from `low` (nearer to 0) to `high`.

    Attributes
    ----------
    status : {"ok", "empty", "never", "unmoved"}
        ok: from low to high. empty: both ends exist and low lies beyond high. never: the level is
        reached at no alpha of this sign. unmoved: steering changes nothing at all.
    low, high : End
        The binding demands. `high.alpha` is infinite where nothing binds.
    words : str
        The verdict in one sentence, with the number that shows it.
    """

    status: Status
    low: End
    high: End
    words: str

    @property
    def usable(self) -> bool:
        """Whether some alpha meets all demands."""
        return self.status == "ok"

    def holds(self, alpha: float) -> bool:
        """Whether `alpha` lies in the window."""
        near, far = sorted((self.low.alpha, self.high.alpha))
        return self.usable and near <= alpha <= far


def intersect(sign: int, lows: Sequence[End], highs: Sequence[End]) -> tuple[End, End]:
    """Return the binding ends: the low one farthest from 0, the high one nearest to it."""
    start = End(0.0, "start", "nothing is asked that alpha = 0 does not give", 0.0, 0.0)
    beyond = sign * math.inf
    free = End(beyond, "none", "no demand limits alpha on this side", beyond, beyond)
    low = max([*lows, start], key=lambda end: sign * end.alpha)
    high = min([*highs, free], key=lambda end: sign * end.alpha)
    return low, high


def number(value: float) -> str:
    """Four digits, which is what a person can use; infinities in words."""
    if math.isinf(value):
        return "infinity" if value > 0 else "-infinity"
    return f"{value:.4g}"


def nats(value: float) -> str:
    """A number of nats with its unit."""
    text = number(value)
    return f"{text} nat" if text == "1" else f"{text} nats"
