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

# Steps of false position before halving takes over; a smooth excess takes some ten.
_SECANTS = 16

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


def weighted_quantile(values: Vector, weights: Vector, share: float) -> Vector:
    """Return the smallest value that at least `share` of the weight does not exceed, (...).

    Over the last axis of both, (n,) or (..., n). Always one of the values: infinities stay whole.
    """
    shape = np.broadcast_shapes(values.shape, weights.shape)
    order = np.broadcast_to(np.argsort(values, axis=-1), shape)
    counted, places = (np.broadcast_to(x, shape) for x in (weights, values))
    below = np.cumsum(np.take_along_axis(counted, order, axis=-1), axis=-1)
    # The sum of n weights rounds by n eps: a share that is reached but for that counts as reached.
    slack = 1.0 - 4.0 * shape[-1] * np.finfo(np.float64).eps
    place = (below < share * slack * below[..., -1:]).sum(axis=-1, keepdims=True)
    found = np.take_along_axis(places, np.take_along_axis(order, place, axis=-1), axis=-1)
    return np.asarray(found[..., 0])


def narrowed(
    excess: Callable[[float], float],
    lower: float,
    upper: float,
    width: float = 0.0,
    ends: tuple[float, float] = (-math.inf, math.inf),
) -> tuple[float, float]:
    """Return neighbouring floats (a, b), given `excess` < 0 at 0 <= lower and >= 0 at upper.

    Or the ends of a bracket that is `width` wide, relatively; `ends` is the excess at both, if
    known. The bracket is halved, geometrically while it spans more than a factor 2; then the rule
    of false position (Illinois: an end that stays counts half) finds where a smooth excess crosses
    in about ten steps, and whatever it has left is halved again.
    """
    below, above = ends
    last = secants = 0
    while True:
        size, wide = upper - lower, 0.0 < lower < 0.5 * upper
        middle = math.sqrt(lower) * math.sqrt(upper) if wide else lower + 0.5 * size
        if not lower < middle < upper or size <= width * upper:
            return lower, upper
        # The least step: so close to one end, the other is drawn there next.
        least = max(2.0 * math.ulp(upper), 0.4 * width * upper)
        known = 0.0 < above - below < math.inf
        if known and not wide and secants < _SECANTS and size > 2.0 * least:
            secants += 1
            secant = lower + size * (below / (below - above))
            middle = min(max(secant, lower + least), upper - least)
        value = excess(middle)
        if value >= 0.0:
            below *= 0.5 if last > 0 else 1.0
            upper, above, last = middle, value, 1
        else:
            above *= 0.5 if last < 0 else 1.0
            lower, below, last = middle, value, -1


def outwards(
    excess: Callable[[float], float], step: float, most: float = LARGEST, width: float = 0.0
) -> tuple[float, float] | None:
    """Return neighbouring floats (a, b) with `excess` < 0 at a and >= 0 at b; None if never.

    Or a bracket that is `width` wide, relatively. It is looked for outwards from `step`, by
    doubling, or inwards.
    """
    value = excess(step) if step < most else -math.inf
    if value >= 0.0:
        while step >= 1e-300 and (less := excess(0.5 * step)) >= 0.0:
            step, value = 0.5 * step, less
        if step < 1e-300:
            return narrowed(excess, 0.0, step, width)
        return narrowed(excess, 0.5 * step, step, width, (less, value))
    while step < most:
        further = excess(2.0 * step)
        if further >= 0.0:
            return narrowed(excess, step, 2.0 * step, width, (value, further))
        step, value = 2.0 * step, further
    return None
