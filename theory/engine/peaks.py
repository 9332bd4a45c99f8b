"""Where each token's probability peaks: the root of K'(alpha) = M(z), for a whole vocabulary.

Source: arXiv:2602.02712, Thm 3.3. K' is strictly increasing, so the peak depends on M(z) alone,
tokens with equal M share it, and V roots are one inverse function (`walk.solve_levels`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from steering_strength.theory.engine.measure import Measure
from steering_strength.theory.engine.numerics import quiet
from steering_strength.theory.engine.panels import Side
from steering_strength.theory.engine.walk import solve_levels

Vector = NDArray[np.float64]


@quiet
def peak_table(measure: Measure, *rows: int) -> NDArray[np.float64]:
    """Solve K'(alpha) = M(z) for all tokens, and return some rows of the table: (rows, n).

    0: the peak; +inf at max M, -inf at min M, nan where M is constant. 1 and 2: K' - M is < 0 at
    the first and > 0 at the second; equal to the peak where that is not finite. 3: the gain K*(M) =
    log p_alpha(z) - log p(z) at the peak, >= 0, in nats; nan where the peak is.
    """
    result = np.full((len(rows), measure.p.size), np.nan)
    if measure.constant:
        return result
    order, unit = np.argsort(measure.log_odds), _unit(measure)
    # Scaled first: values of M closer than 1e-308 of its range are one.
    values = measure.log_odds[order] * unit
    ties = values[1:] == values[:-1]
    side = Side(measure.log_p[order], values)
    levels = values[np.concatenate(([True], ~ties))] if ties.any() else values
    table = np.empty((4, levels.size))
    table[:3, 0], table[:3, -1] = -np.inf, np.inf
    table[3, 0], table[3, -1] = -measure.log_share(-1), -measure.log_share(1)
    inner = solve_levels(side, levels[1:-1], measure.mean * unit)
    alpha, lower, upper = inner[0], inner[0] - inner[1], inner[0] + inner[1]
    # A lower end for one level is one for every larger level, an upper end for every smaller one:
    # so all three can be made increasing, although close roots are only known up to rounding.
    if any((row[1:] < row[:-1]).any() for row in (lower, alpha, upper)):
        lower = np.maximum.accumulate(lower)
        upper = np.minimum.accumulate(upper[::-1])[::-1]
        alpha = np.clip(np.maximum.accumulate(alpha), lower, upper)
    table[0, 1:-1], table[1, 1:-1], table[2, 1:-1] = alpha, lower, upper
    table[3, 1:-1] = np.maximum(inner[2] + measure.log_mass, 0.0)
    table[:3] *= unit
    level = np.concatenate(([0], np.cumsum(~ties))) if ties.any() else None
    for found, row in zip(result, rows, strict=True):
        found[order] = table[row] if level is None else table[row][level]
    return result


def _unit(measure: Measure) -> float:
    """Return a power of two that brings the range of M near 1.

    Exact, and alpha stays far from the ends of float64 whatever the unit of M is.
    """
    return 2.0 ** min(-math.frexp(measure.high - measure.low)[1], 1000)


@quiet
def peak_of_level(measure: Measure, value: float) -> tuple[float, float, float]:
    """Return (alpha, lower, upper) of `peak_table` for tokens with M = value alone; M not constant.

    The bracket is that of the table up to its last digits, without the work for other tokens.
    """
    order, unit = np.argsort(measure.log_odds), _unit(measure)
    side = Side(measure.log_p[order], measure.log_odds[order] * unit)
    if value * unit in (side.values[0], side.values[-1]):
        end = math.inf if value * unit == side.values[-1] else -math.inf
        return end, end, end
    alpha, width, _ = solve_levels(side, np.array([value * unit]), measure.mean * unit)[:, 0]
    return float(alpha * unit), float((alpha - width) * unit), float((alpha + width) * unit)


def two_level_peak(below: float, above: float, down: float, up: float) -> float:
    """Return the peak of a token whose others take two values of M: Thm 3.3 made explicit.

    Parameters
    ----------
    below, above : float
        Probabilities of the tokens at M(z) - down and at M(z) + up, in any common unit.
    down, up : float
        The two distances, positive, in nats per unit alpha.
    """
    return (math.log(below / above) + math.log(down / up)) / (up + down)
