"""The answer's shape: ends of a window, what each end means, and what happens there."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steering_strength.theory.engine.inverse import Root
from steering_strength.theory.engine.numerics import log_sum_exp

Status = Literal["ok", "empty", "never", "unmoved", "unsettled"]
Namer = Callable[[int], str]

# A measured end whose bracket is wider than this share of it was not found, only surrounded.
_SETTLED = 0.1
_SHOWN = 8


class End(NamedTuple):
    """A bound on alpha and the demand that sets it.

    Attributes
    ----------
    alpha : float
        Signed; +-inf where the demand never binds, or is never met.
    demand : str
        "level", "holds", "cross_entropy", "reverse_kl", "peak", "start", "none", "plateau", or
        "measured": the demand still holds where measuring stopped.
    words : str
        What the bound means, with its numbers.
    lower, upper : float
        The bracket in which the demand's quantity crosses its bound; equal to `alpha` where the
        answer is exact or there is none, with one infinite end where it was not found.
    """

    alpha: float
    demand: str
    words: str
    lower: float
    upper: float

    @classmethod
    def of(cls, root: Root, demand: str, words: str) -> End:
        """The end at a root; where it was not found, its words tell why."""
        found = root.reached and math.isfinite(root.alpha)
        # `+ 0.0` turns the -0.0 of a mirrored 0 into 0.
        return cls(root.alpha + 0.0, demand, words if found else f"{words}: {root.reason}",
                   root.lower + 0.0, root.upper + 0.0)  # fmt: skip

    @property
    def settled(self) -> bool:
        """Whether the bracket is narrow enough to call this an end."""
        if self.lower == self.upper:
            return True
        return self.upper - self.lower <= _SETTLED * max(abs(self.lower), abs(self.upper))


class Point(NamedTuple):
    """What steering by one alpha does, in one context or on average over several.

    Attributes
    ----------
    alpha : float
    concept : float
        F_T, or nan without a target.
    cross_entropy, reverse_kl : float
        KL(p || p_alpha) and KL(p_alpha || p), nats.
    total_variation : float
        Between p and p_alpha; nan for an average.
    tokens : tuple of (int, float)
        The likeliest tokens there and their probabilities, likeliest first; none for an average.
    """

    alpha: float
    concept: float
    cross_entropy: float
    reverse_kl: float
    total_variation: float = math.nan
    tokens: tuple[tuple[int, float], ...] = ()


class Window(NamedTuple):
    """The alphas that meet all demands: from `low` (nearer to 0) to `high`.

    Attributes
    ----------
    status : {"ok", "empty", "never", "unmoved", "unsettled"}
        ok: from low to high. empty: both ends exist and low lies beyond high. never: it is proved
        that the level is reached at no alpha of this sign. unsettled: a demand's end was looked for
        by measuring and not found, so there is nothing to promise. unmoved: steering changes
        nothing at all.
    low, high : End
        The binding demands. `high.alpha` is infinite where nothing binds, which is certain.
    words : str
        The verdict in one sentence, with the number that shows it.
    """

    status: Status
    low: End
    high: End
    words: str

    @property
    def usable(self) -> bool:
        """Whether some alpha is known to meet all demands."""
        return self.status == "ok"

    @property
    def advised(self) -> float:
        """The alpha to use: the far end if a demand sets it, else the near one; nan if unusable."""
        if not self.usable:
            return math.nan
        limited = math.isfinite(self.high.alpha) and self.high.demand != "measured"
        return self.high.alpha if limited else self.low.alpha

    def __str__(self) -> str:
        return self.words


def intersect(sign: int, lows: Sequence[End], highs: Sequence[End]) -> tuple[End, End]:
    """Return the binding ends: the low one farthest from 0, the high one nearest to it."""
    start = End(0.0, "start", "no demand asks for more than alpha = 0", 0.0, 0.0)
    beyond = sign * math.inf
    free = End(beyond, "none", "no demand limits alpha on this side", beyond, beyond)
    low = max([*lows, start], key=lambda end: sign * end.alpha)
    high = min([*highs, free], key=lambda end: sign * end.alpha)
    return low, high


def point_of(
    base: NDArray[np.float64],
    log_p: NDArray[np.float64],
    target: NDArray[np.bool_] | None,
    alpha: float,
    divergences: tuple[float, float] | None = None,
) -> Point:
    """Describe a distribution log p_alpha, (V,), next to the unsteered one.

    `divergences` are the two of the curve, where it knows them without cancellation.
    """
    p, q = np.exp(base), np.exp(log_p)
    concept = math.nan if target is None else float(np.exp(log_sum_exp(log_p[target])))
    forward, backward = divergences or (divergence(base, log_p), divergence(log_p, base))
    return Point(
        alpha, concept, forward, backward, 0.5 * float(np.abs(q - p).sum()), likeliest(log_p)
    )


def divergence(log_p: NDArray[np.float64], log_q: NDArray[np.float64]) -> float:
    """Return KL(p || q) of two distributions, (V,), by its definition."""
    p = np.exp(log_p)
    kept = p > 0.0
    return max(float(p[kept] @ (log_p[kept] - log_q[kept])), 0.0)


def likeliest(log_p: NDArray[np.float64]) -> tuple[tuple[int, float], ...]:
    """Return the tokens of largest probability and their probabilities, none without support."""
    top = np.argsort(-log_p, kind="stable")[:_SHOWN]
    return tuple((int(z), float(np.exp(log_p[z]))) for z in top if log_p[z] > -np.inf)


def numbered(token: int) -> str:
    """The name of a token of which nothing but its index is known."""
    return f"token {token}"


def number(value: float) -> str:
    """Four digits, which is what a person can use; infinities in words."""
    if math.isinf(value):
        return "infinity" if value > 0 else "-infinity"
    return f"{value:.4g}"


def nats(value: float) -> str:
    """A number of nats with its unit."""
    text = number(value)
    return f"{text} nat" if text == "1" else f"{text} nats"
