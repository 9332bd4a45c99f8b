"""One pass over the vocabulary: the moments of a tilted measure, in blocks of sorted M.

Blocks let the powers of M - m live in cache, hold the memory at O(block), and tell which end of
the vocabulary still weighs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["DEGREE", "EPS", "Compressed", "compress", "slope_at", "wild_remainder"]

Vector = NDArray[np.float64]

# D is summed to y^25, D' to y^24. Fewer terms mean more panels: 18 to 34 cost about the same.
DEGREE = 25
EPS = float(np.finfo(np.float64).eps)
# Tokens per block: smaller ones pay for calls, larger ones leave the second-level cache.
BLOCK = 16384
# exp is ten times slower where its result is subnormal or 0, and e^-700 weighs nothing.
_FLOOR = -700.0
# Larger |u| would overflow u^26; a token there either weighs nothing or shrinks the panel.
_CLIP = 1e10
# Up to this x the remainder of e^x after degree 24 is at most twice its first term.
_TAME = 13.0


@dataclass(frozen=True, eq=False)
class Compressed:
    """Moments of u = (M - origin) / radius under w = p_centre, and what their error needs.

    Attributes
    ----------
    moments : (30,)
        sum w u^k, k = 0 .. 29, with sum w = 1.
    first_absolute : float
        sum w |u|.
    condition : float
        sum w |u e| / sum w |u|, e the exponents of the weights: how many eps the weights carry.
    log_weights : (blocks,)
        log sum w over each block of `BLOCK` tokens.
    dropped : int
        Leading tokens that carry less than 2^-64 of both sum w and sum w |u|. They lie farther
        below the mean than the rest, so their share keeps falling as alpha grows.
    """

    log_p: Vector
    gap: Vector
    values: Vector
    centre: float
    origin: float
    radius: float
    log_total: float
    moments: Vector
    first_absolute: float
    condition: float
    log_weights: Vector
    dropped: int


def compress(
    log_p: Vector, gap: Vector, values: Vector, centre: float, origin: float, radius: float
) -> Compressed:
    """Compress n tokens tilted by `centre`: log p, M - max M and M increasing, all shape (n,)."""
    starts = range(0, values.size, BLOCK)
    tops, absolute, condition = (np.zeros(len(starts)) for _ in range(3))
    products = np.empty((len(starts), 6, 5))
    left, right = np.empty((5, BLOCK)), np.ones((6, BLOCK))
    buffers = np.empty((2, BLOCK))
    lightest = float(log_p.min())
    for b, start in enumerate(starts):
        part = slice(start, min(start + BLOCK, values.size))
        size = part.stop - start
        low, high, (exponent, u) = left[:, :size], right[:, :size], buffers[:, :size]
        np.multiply(gap[part], centre, out=exponent)
        exponent += log_p[part]
        tops[b] = exponent.max()
        exponent -= tops[b]
        if min(centre * gap[part.start], centre * gap[part.stop - 1]) + lightest - tops[b] < _FLOOR:
            np.maximum(exponent, _FLOOR, out=exponent)
        np.exp(exponent, out=low[0])
        np.subtract(values[part], origin, out=u)
        u *= 1.0 / radius
        if max(-u[0], u[-1]) > _CLIP:
            np.clip(u, -_CLIP, _CLIP, out=u)
        # Powers 0 .. 4 carry the weight, powers 0, 5, .., 25 do not: one small matrix product.
        for k in range(1, 5):
            np.multiply(low[k - 1], u, out=low[k])
        fifth = high[1]
        np.multiply(u, u, out=fifth)
        fifth *= fifth
        fifth *= u
        for k in range(2, 6):
            np.multiply(high[k - 1], fifth, out=high[k])
        products[b] = high @ low.T
        first = low[1]
        if u[0] < 0.0 < u[-1]:
            first = np.abs(first, out=u)
            absolute[b] = u.sum()
        else:
            absolute[b] = abs(products[b, 0, 1])
        condition[b] = absolute[b] * abs(tops[b]) + abs(first @ exponent)
    top = float(tops.max())
    factor = np.exp(np.maximum(tops - top, _FLOOR))
    weights = factor * products[:, 0, 0]
    total = float(weights.sum())
    absolute *= factor
    first_absolute = float(absolute.sum())
    light = (np.cumsum(absolute) < 2.0**-64 * first_absolute) & (
        np.cumsum(weights) < 2.0**-64 * total
    )
    return Compressed(
        log_p=log_p,
        gap=gap,
        values=values,
        centre=centre,
        origin=origin,
        radius=radius,
        log_total=top + math.log(total),
        moments=np.tensordot(factor, products, axes=1).ravel() / total,
        first_absolute=first_absolute / total,
        condition=float(condition @ factor) / max(first_absolute, 1e-300),
        log_weights=np.log(products[:, 0, 0]) + (tops - top) - math.log(total),
        dropped=int(light.sum()) * BLOCK,
    )


def wild_remainder(measure: Compressed, reach: float, negligible: float) -> float:
    """Bound the part of the Taylor remainder of D' on |y| <= 1 that 2 M_26 / 25! does not cover.

    |e^x - T_24(x)| <= |x|^25 / 25! max(1, e^x), and up to |x| = 13 twice the first factor is
    enough. What is left are tokens with h |d| > 13: bounded by block, and token by token where
    the block's bound is not already `negligible`.
    """
    values, origin = measure.values, measure.origin
    first = np.arange(0, values.size, BLOCK)
    last = np.minimum(first + BLOCK, values.size) - 1
    farthest = reach * np.maximum(np.abs(values[first] - origin), np.abs(values[last] - origin))
    wild = np.flatnonzero(farthest > _TAME)
    log_bound = measure.log_weights[wild] + _log_term(farthest[wild])
    small = log_bound < math.log(negligible) - math.log(16.0 * values.size)
    bound = float(np.exp(np.maximum(log_bound[small], _FLOOR)).sum())
    for b in wild[~small]:
        part = slice(int(first[b]), int(last[b]) + 1)
        x = reach * np.abs(values[part] - origin)
        far = x > _TAME
        exponent = measure.centre * measure.gap[part][far] + measure.log_p[part][far]
        exponent += _log_term(x[far]) - measure.log_total
        bound += float(np.exp(np.clip(exponent, _FLOOR, -_FLOOR)).sum())
    return bound


def _log_term(x: Vector) -> Vector:
    """Return log(x^26 e^x / 25!)."""
    term: Vector = x + (DEGREE + 1) * np.log(x) - math.lgamma(DEGREE + 1.0)
    return term


def slope_at(
    log_p: Vector, gap: Vector, values: Vector, centre: float, level: float
) -> tuple[float, float]:
    """Return (a number with the sign of K'(centre) - level, a scale of M there).

    The scale is sqrt(m4 / m2) of M under p_centre, 0 where one value is left: K' varies over
    steps of alpha of the order of its inverse. Tokens on the level itself do not decide the sign,
    so the weights are relative to the others, however light those are.
    """
    distance = values - level
    exponent = centre * gap
    exponent += log_p
    exponent[distance == 0.0] = -np.inf
    exponent -= exponent.max()
    # The level's own weight is left out of the scale too, which sets the step, not the sign.
    np.maximum(exponent, 2.0 * _FLOOR, out=exponent)
    weight = np.exp(exponent, out=exponent)
    total = float(weight.sum())
    slope = float(weight @ distance)
    distance -= slope / total
    distance *= distance
    second = float(weight @ distance)
    distance *= distance
    fourth = float(weight @ distance)
    return slope, math.sqrt(fourth / second) if second > 0.0 else 0.0
