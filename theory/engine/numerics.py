"""Small numerical forms shared by the stems: each says which digits it saves."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

# In log space an underflow to 0 and an overflow to inf are right answers, not accidents; what is
# invalid or divides by 0 stays loud.
quiet = np.errstate(under="ignore", over="ignore")

LARGEST = 1e300
"""|alpha| up to which a root is looked for."""

# 1/k! for k = 16 .. 2: at |x| <= 1/2 the first term left out is x^17/17! < 2^-64 of x^2/2.
_FACTORIAL = [1.0 / float(np.prod(np.arange(1.0, k + 1.0))) for k in range(16, 1, -1)]


def log_sum_exp(values: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    """Return log sum exp along an axis; -inf for an empty or all -inf axis, never a warning."""
    top = np.max(values, axis=axis, keepdims=True, initial=-np.inf)
    safe = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(under="ignore", over="ignore", divide="ignore"):
        total = np.log(np.sum(np.exp(values - safe), axis=axis))
    result: NDArray[np.float64] = np.squeeze(safe, axis=axis) + total
    return result


@quiet
def exponential_excess(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return e^x - 1 - x >= 0 to a few eps, for x <= 700.

    expm1(x) - x loses log2(1/|x|) bits; below |x| = 1/2 the Taylor sum has no cancellation worth
    a bit, above it the difference loses less than two bits.
    """
    small = np.clip(x, -0.5, 0.5)
    series = np.full_like(small, _FACTORIAL[0])
    for coefficient in _FACTORIAL[1:]:
        series *= small
        series += coefficient
    series *= small * small
    return np.where(np.abs(x) <= 0.5, series, np.expm1(x) - x)


def log1p_excess(w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log(1 + w) - w <= 0 to a few eps, for |w| <= 1/2.

    With u = w / (2 + w), log(1 + w) = 2 artanh u and w = 2u / (1 - u): what is left after the
    terms of first order cancel is -2u^2 / (1 - u) + 2 (u^3/3 + u^5/5 + ..), |u| <= 1/3.
    """
    u = w / (2.0 + w)
    square = u * u
    series = np.zeros_like(u)
    for k in range(35, 1, -2):
        series = series * square + 1.0 / k
    return np.asarray(2.0 * square * (u * series - 1.0 / (1.0 - u)))


@quiet
def central_moments(p: Vector, u: Vector, order: int) -> Vector:
    """Return sum p u^k for k = 0 .. order, shape (order + 1,); u centred, |u| <= 1 or so."""
    moments = np.empty(order + 1)
    power = p.copy()
    for k in range(order + 1):
        moments[k] = power.sum()
        power *= u
    return moments


def bisect(
    reached: Callable[[float], bool], lower: float, upper: float, width: float = 0.0
) -> tuple[float, float]:
    """Return neighbouring floats (a, b), given `reached` False at 0 <= lower and True at upper.

    Or the ends of a bracket that is `width` wide, relatively. Halving is geometric while the ends
    differ by more than a factor 2, so that about 70 evaluations suffice over all of float64.
    """
    while True:
        if lower > 0.0 and upper > 2.0 * lower:
            middle = math.sqrt(lower) * math.sqrt(upper)
        else:
            middle = lower + 0.5 * (upper - lower)
        if not lower < middle < upper or upper - lower <= width * upper:
            return lower, upper
        if reached(middle):
            upper = middle
        else:
            lower = middle


def outwards(
    reached: Callable[[float], bool], step: float, most: float = LARGEST
) -> tuple[float, float] | None:
    """Return neighbouring floats (a, b) with `reached` False at a and True at b; None if never.

    The bracket is looked for outwards from `step`, by doubling, or inwards.
    """
    if reached(step):
        while step >= 1e-300 and reached(0.5 * step):
            step *= 0.5
        return bisect(reached, 0.5 * step if step >= 1e-300 else 0.0, step)
    while step < most:
        if reached(2.0 * step):
            return bisect(reached, step, 2.0 * step)
        step *= 2.0
    return None
