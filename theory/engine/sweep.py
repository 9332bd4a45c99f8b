"""Many alphas at once: K, K' and K'' from panels instead of one pass over the vocabulary each.

A panel (`panels.Panel`) costs as much as a dozen passes and then gives K and its derivatives for
nothing on an interval of alpha. A sweep of a thousand alphas needs a dozen panels. Where alphas
lie too far apart for that, they are left to the direct sums.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steering_strength.theory.engine.measure import Measure
from steering_strength.theory.engine.numerics import quiet
from steering_strength.theory.engine.walk import OVERLAP, Side

__all__ = ["Sweep", "sweep"]

Vector = NDArray[np.float64]

# What makes panels worth their price. The tokens must be sorted by M first: 80 passes.
_ALPHAS, _TOKENS = 128, 1 << 14


def _dense(tokens: int) -> int:
    """Return how many alphas in one panel pay for its dozen passes and a millisecond of calls."""
    return 16 + (1_500_000 // tokens)


@dataclass(frozen=True, eq=False)
class Sweep:
    """K and its derivatives at some of the alphas asked for, relative to the extreme of M.

    Attributes
    ----------
    index : (B,)
        Which of the alphas, increasing.
    log_normaliser : (B,)
        K(alpha) - alpha times the extreme of M on the side of alpha.
    slope : (B,)
        K'(alpha) minus that extreme.
    curvature : (B,)
        K''(alpha); nan where it would have lost six bits.
    """

    index: NDArray[np.intp]
    log_normaliser: Vector
    slope: Vector
    curvature: Vector


@quiet
def sweep(measure: Measure, alpha: Vector) -> Sweep:
    """Return K, K' and K'' where panels pay off: nowhere on a sparse grid."""
    table = np.full((3, alpha.size), np.nan)
    if alpha.size >= _ALPHAS and measure.p.size >= _TOKENS and not measure.constant:
        order = np.argsort(measure.log_odds)
        # Exact, as for peaks: alpha in units of 1 / range of M.
        unit = 2.0 ** -math.frexp(measure.high - measure.low)[1]
        right = Side.of(measure.log_p[order] - measure.log_mass, measure.log_odds[order] * unit)
        for side, chosen in ((right, alpha >= 0.0), (None, alpha < 0.0)):
            index = np.flatnonzero(chosen)
            index = index[np.argsort(np.abs(alpha[index]))]
            if index.size >= _dense(measure.p.size):
                strengths = np.abs(alpha[index]) / unit
                table[:, index] = _side_sweep(side or right.mirrored(), strengths)
        table[1] *= np.where(alpha >= 0.0, 1.0, -1.0) / unit
        table[2] /= unit * unit
    index = np.flatnonzero(~np.isnan(table[0]))
    return Sweep(index, table[0, index], table[1, index], table[2, index])


def _side_sweep(side: Side, strengths: Vector) -> NDArray[np.float64]:
    """Return (log normaliser, slope, curvature) for increasing strengths >= 0, nan where undone."""
    table = np.full((3, strengths.size), np.nan)
    done, step, dense = 0, 0.0, _dense(side.values.size)
    while done < strengths.size:
        start = float(strengths[done])
        if step == 0.0:
            scale = side.slope(start, side.mean(start))[1]
            if scale == 0.0:
                break
            step = 1.0 / scale
        last = int(np.searchsorted(strengths, start + 2.0 * OVERLAP * step, side="right"))
        if last - done < dense:
            # Sparse here; not worth asking again before as many alphas as a panel would pay for.
            done, step = done + dense, 0.0
            continue
        centre = start + OVERLAP * step
        panel = side.panel(centre, side.nearest(side.mean(centre)), 1.0 / step)
        if panel is None:
            done, step = done + dense, 0.0
            continue
        if panel.start > start:
            step = 0.9 * panel.reach
            continue
        last = int(np.searchsorted(strengths, panel.end, side="right"))
        table[:, done:last] = panel.sums(strengths[done:last], float(side.values[-1]))
        done, step, side = last, panel.reach, side.after(panel.dropped)
    return table
