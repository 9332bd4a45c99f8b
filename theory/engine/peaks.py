"""Where each token's probability peaks: the root of K'(alpha) = M(z).

Source: arXiv:2602.02712, Thm 3.3. K' is strictly increasing, so the peak depends on M(z) alone and
tokens with equal M share it; the extremes of M have their peak at +-inf.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from theory.engine.cross_entropy import cross_entropy_increase
from theory.engine.limits import limit
from theory.engine.measure import Measure
from theory.engine.numerics import BLOCK

__all__ = ["peak_brackets", "peak_log_probability"]

Vector = NDArray[np.float64]


def _slope_sign(measure: Measure, target: Vector, alpha: Vector) -> Vector:
    """Return a number with the sign of K'(alpha) - target, elementwise, shape (T,)."""
    result = np.empty(target.size)
    step = max(1, BLOCK // measure.log_p.size)
    with np.errstate(under="ignore", over="ignore"):
        for start in range(0, target.size, step):
            part = slice(start, start + step)
            # M - M(z) is exact for close values, so near-ties keep all their digits.
            gap = measure.log_odds - target[part, None]
            exponent = measure.log_p + alpha[part, None] * gap
            exponent -= exponent.max(axis=1, keepdims=True)
            result[part] = np.einsum("ij,ij->i", np.exp(exponent), gap)
    return result


def peak_brackets(measure: Measure) -> NDArray[np.float64]:
    """Return (lower, upper) for each token, shape (n, 2): K' - M(z) changes sign in between.

    Both are +inf at max M, -inf at min M, nan where M is constant.
    """
    result = np.full((measure.log_p.size, 2), np.nan)
    if measure.constant:
        return result
    result[measure.log_odds == measure.high] = np.inf
    result[measure.log_odds == measure.low] = -np.inf
    levels, inverse = np.unique(measure.log_odds, return_inverse=True)
    target = levels[1:-1]
    if target.size == 0:
        return result
    # Doubling from 1/range: K' needs alpha of the order of 1/gap at a near-tie of that gap.
    above = target > measure.mean
    near = np.zeros(target.size)
    far = np.where(above, 1.0, -1.0) / (measure.high - measure.low)
    short = np.ones(target.size, dtype=bool)
    while short.any():
        side = _slope_sign(measure, target[short], far[short])
        move = np.where(above[short], side < 0.0, side > 0.0)
        index = np.flatnonzero(short)[move]
        short[:] = False
        short[index] = True
        near[index] = far[index]
        far[index] *= 2.0
    lower, upper = np.minimum(near, far), np.maximum(near, far)
    for _ in range(2100):
        active = (upper - lower) > 1e-15 * np.maximum(np.abs(lower), np.abs(upper)) + 1e-320
        middle = 0.5 * (lower + upper)
        active &= (middle > lower) & (middle < upper)
        if not active.any():
            break
        side = _slope_sign(measure, target[active], middle[active])
        index = np.flatnonzero(active)
        lower[index[side < 0.0]] = middle[index[side < 0.0]]
        upper[index[side >= 0.0]] = middle[index[side >= 0.0]]
    table = np.stack((lower, upper), axis=1)
    interior = (inverse > 0) & (inverse < levels.size - 1)
    result[interior] = table[inverse[interior] - 1]
    return result


def peak_log_probability(measure: Measure) -> Vector:
    """Return log p at the peak, shape (n,): log p + alpha M - K(alpha), or the limit at +-inf."""
    log_p = measure.log_p - measure.log_mass
    if measure.constant:
        return log_p
    result = log_p.copy()
    for sign, extreme in ((1, measure.high), (-1, measure.low)):
        ties = measure.log_odds == extreme
        result[ties] = limit(measure, sign)[ties]
    bracket = peak_brackets(measure)
    interior = np.isfinite(bracket[:, 0])
    alpha = 0.5 * (bracket[interior, 0] + bracket[interior, 1])
    height = alpha * measure.centred[interior] - cross_entropy_increase(measure, alpha)
    result[interior] += height
    return result
