"""The likeliest token against alpha: the upper envelope of the lines log p(z) + alpha M(z).

Source: the law `greedy`, beyond arXiv:2602.02712. The lines of the envelope are the corners of the
upper convex hull of the points (M(z), log p(z)), found in one pass over the tokens sorted by M.
Whether a point is a corner is a sign, taken in whole numbers: nothing is decided by rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steering_strength.theory.engine.numerics import quiet
from steering_strength.theory.engine.validation import as_alpha, as_integer

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

# A quotient of two differences of floats errs by 3/2 eps, relatively: by less than four neighbours.
_NEIGHBOURS = 4


@dataclass(frozen=True, eq=False)
class GreedyPath:
    """Which token is the likeliest, for every alpha; the same at every temperature.

    Token `tokens[i]` wins from `switches[i - 1]` to `switches[i]`, where it ties with the next.
    M increases along the path. Of tokens with equal M the likelier one counts, of exact ties the
    first; a token that ties for the first place at one alpha only, and never wins, is left out.

    Attributes
    ----------
    tokens : (n,) int
    switches : (n - 1,)
        Increasing strengths; +-inf where a switch lies beyond float64.
    lower, upper : (n - 1,)
        Ends of a bracket: in exact arithmetic the earlier token is ahead, or ties, at `lower`,
        and the later one at `upper`.
    """

    tokens: Indices
    switches: Floats
    lower: Floats
    upper: Floats

    def winner(self, alpha: ArrayLike) -> Indices:
        """Return the likeliest token, shape (A,); at a switch, of the two the later one.

        Raises AlphaError for a NaN or infinite alpha.
        """
        strengths, scalar = as_alpha(alpha)
        found: Indices = self.tokens[np.searchsorted(self.switches, strengths, side="right")]
        return found[0] if scalar else found

    def interval(self, token: int) -> tuple[float, float]:
        """Return (low, high) between which the token wins, (nan, nan) if it never does."""
        place = np.flatnonzero(self.tokens == as_integer("token", token, 0))
        if place.size == 0:
            return np.nan, np.nan
        ends = np.concatenate(([-np.inf], self.switches, [np.inf]))
        return float(ends[place[0]]), float(ends[place[0] + 1])


@quiet
def greedy_path(log_p: Floats, log_odds: Floats) -> GreedyPath:
    """Return the path of finite log p and M, shape (n,) each; O(n log n)."""
    # Increasing M; of equal M the likeliest first, of equal log p the first: lexsort is stable.
    order = np.lexsort((-log_p, log_odds))
    levels = log_odds[order]
    order = order[np.concatenate(([True], levels[1:] != levels[:-1]))]
    order = order[_candidates(log_p[order], log_odds[order])]
    hull = order[_hull(_whole(log_p[order]), _whole(log_odds[order]))]
    fall, rise = -np.diff(log_p[hull]), np.diff(log_odds[hull])
    switches = fall / rise
    lower, upper = switches, switches
    for _ in range(_NEIGHBOURS):
        lower, upper = np.nextafter(lower, -np.inf), np.nextafter(upper, np.inf)
    exact = fall == 0.0  # alpha = 0, and both tie there
    lower, upper = np.where(exact, 0.0, lower), np.where(exact, 0.0, upper)
    for array in (hull, switches, lower, upper):
        array.flags.writeable = False
    return GreedyPath(hull, switches, lower, upper)


def _candidates(log_p: Floats, log_odds: Floats) -> NDArray[np.bool_]:
    """Return which points may be corners: those not clearly below a chain of points, (n,).

    The chain is the winners at 64 strengths; all but a few of the tokens of a vocabulary lie below.
    """
    keep = np.ones(log_p.size, dtype=np.bool_)
    spread = float(log_odds[-1] - log_odds[0])
    if log_p.size < 1000 or not np.isfinite(spread):
        return keep
    scale = (1.0 + float(np.ptp(log_p))) / spread
    strengths = scale * np.sinh(np.linspace(-8.0, 8.0, 64))
    found = {int(np.argmax(log_p + alpha * log_odds)) for alpha in strengths}
    chain = np.array(sorted({0, log_p.size - 1} | found))
    below = np.interp(log_odds, log_odds[chain], log_p[chain])
    # Interpolation rounds by a few eps of the values: what is that close is left to the exact pass.
    slack = 64.0 * 2.0**-52 * (1.0 + np.abs(below) + float(np.abs(log_p[chain]).max()))
    keep = np.asarray(log_p >= below - slack)
    keep[chain] = True
    return keep


def _hull(height: list[int], place: list[int]) -> list[int]:
    """Return the corners of the upper hull of points with increasing places, by number."""
    hull: list[int] = []
    for new in range(len(place)):
        while len(hull) > 1:
            i, j = hull[-2:]
            left = (height[j] - height[i]) * (place[new] - place[j])
            if left > (height[new] - height[j]) * (place[j] - place[i]):
                break  # j lies strictly above the chord from i to new
            hull.pop()
        hull.append(new)
    return hull


def _whole(values: Floats) -> list[int]:
    """Return floats in units of a power of two that makes them all whole: exact."""
    ratios = [value.as_integer_ratio() for value in values.tolist()]
    unit = max(denominator for _, denominator in ratios)
    return [numerator * (unit // denominator) for numerator, denominator in ratios]
