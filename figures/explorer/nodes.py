"""Which strengths the slider visits: dense where the curves bend, and exact where they turn.

A window gets strengths spaced like the values of sinh, closer round 0, and on top of them every
landmark inside it: 0, the peaks, the turning points of concepts, the ends of the quadratic's
guarantee, the ends of strength windows. The slider moves over these nodes only, so that whatever
the page shows was computed by the engine at that very strength.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from steering_strength.figures.explorer.case import Case, View
from steering_strength.figures.instances import BoolArray, FloatArray
from steering_strength.theory import TiltedFamily

__all__ = ["Landmark", "grid", "nodes", "turning_points", "views"]

_NODES = 160
_FINEST = 4.0
"""asinh units from 0 to the far end: neighbours at 0 are about four times closer than there."""


@dataclass(frozen=True)
class Landmark:
    """A strength worth stopping at, and why."""

    alpha: float
    text: str


def grid(low: float, high: float, count: int = _NODES) -> FloatArray:
    """`count` strengths from low to high, spaced like sinh, with 0 among them if it is inside."""
    scale = max(-low, high) / _FINEST
    ends = np.arcsinh(np.array([low, high]) / scale)
    values = scale * np.sinh(np.linspace(ends[0], ends[1], count))
    values[0], values[-1] = low, high
    if low < 0.0 < high:
        values[np.abs(values).argmin()] = 0.0
    return values


def nodes(view: View, landmarks: Sequence[Landmark]) -> FloatArray:
    """The strengths of a window: its grid, and every landmark inside it exactly."""
    plain = grid(view.low, view.high)
    special = np.unique([mark.alpha for mark in landmarks if view.low <= mark.alpha <= view.high])
    if not special.size:
        return plain
    # A grid point right beside a landmark would only be a step that shows nothing.
    distance = np.abs(plain[:, None] - special).min(axis=1)
    step = np.gradient(plain)
    kept = plain[distance > 0.25 * step]
    return np.unique(np.concatenate((kept, special, [view.low, view.high])))


def views(case: Case) -> tuple[View, ...]:
    """The windows of an instance: its own, or from its divergences and its limits.

    Close is where steering costs at most 0.2 nat on either side in the first context, middle 2
    nats, and wide where the distribution is within 5 % of its limit (total variation).
    """
    if case.views:
        return case.views
    family = case.family(0)
    if not np.ptp(family.log_odds[family.log_p > -np.inf]) > 0.0:
        return (View("all", -1.0, 1.0),)
    close = [_rounded(family.alpha_for_cross_entropy(0.2, sign)) for sign in (-1, 1)]
    middle = [_rounded(family.alpha_for_cross_entropy(4.0, sign)) for sign in (-1, 1)]
    far = [_rounded(family.alpha_for_limit(0.05, sign)) for sign in (-1, 1)]
    wide = [min(far[0], 1.5 * middle[0]), max(far[1], 1.5 * middle[1])]
    return (
        View("middle", *_even(middle)),
        View("close", *_even(close)),
        View("wide", *_even(wide)),
    )


def _even(ends: Sequence[float]) -> tuple[float, float]:
    """At most eight times as far to one side as to the other, so that neither is squeezed flat."""
    low, high = ends
    return max(low, -8.0 * high), min(high, -8.0 * low)


def _rounded(alpha: float) -> float:
    """Away from 0 to two significant digits: round ends for an axis."""
    if alpha == 0.0:
        return 0.0
    unit = 10.0 ** (np.floor(np.log10(abs(alpha))) - 1)
    return float(f"{np.sign(alpha) * np.ceil(abs(alpha) / unit) * unit:.2g}")


def turning_points(family: TiltedFamily, tokens: BoolArray, at: FloatArray) -> tuple[float, ...]:
    """Where F_C rises and falls by turns: roots of mu_C - mu_rest (law `concept-ode`).

    Each root is a sign change between neighbours of `at`; two turns between two neighbours would
    be missed, no turn is invented.
    """
    support = family.log_p > -np.inf
    parts = [mask & support for mask in (tokens, ~tokens)]
    if not all(mask.any() for mask in parts):
        return ()
    inside, outside = (
        TiltedFamily.from_logits(family.log_p[mask], family.log_odds[mask]) for mask in parts
    )

    def difference(alpha: FloatArray | float) -> FloatArray:
        return np.asarray(inside.mean(alpha) - outside.mean(alpha))

    values = difference(at)
    crossings = np.flatnonzero(values[:-1] * values[1:] < 0.0)
    return tuple(float(brentq(lambda a: float(difference(a)), at[i], at[i + 1])) for i in crossings)
