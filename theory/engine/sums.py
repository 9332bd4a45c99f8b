"""Sums of p e^(alpha M) times columns, over a vocabulary and many alphas: the engine's inner loop.

Every reduction (K, its derivatives, the divergences, concepts) is one of three such sums, worked
off in blocks of alphas and tokens, with memory O(V + block):

* `centred_sums`: exp(alpha (M - E M)) against p times the columns. One multiplication, one exp and
  one matrix product per element, no maximum to look for: with M centred the plain sum is at least
  1 (Jensen), and it cannot overflow while |alpha (M - E M)| <= 600.
* `extreme_sums`: exp(alpha (M - extreme M)) against the same. The exponent is at most 0, so any
  finite alpha is fine, and with log p moved into the exponent any p.
* `group_sums`: as the first, with a sum of its own for each group of tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from steering_strength.theory.engine.measure import Measure
from steering_strength.theory.engine.numerics import quiet

Vector = NDArray[np.float64]
Columns = NDArray[np.float64]

# Eight alphas by 4096 tokens, 256 KiB: the block, its tokens and their columns share a
# second-level cache. Fewer tokens at a time would make the matrix product slow.
_BLOCK, _TOKENS = 1 << 15, 1 << 12
# e^600 leaves 1e47 for the columns and the sum; e^-600 stays clear of subnormals, where exp is
# ten times slower. e^-700 is as good as 0 next to the sum.
_MODERATE, _FLOOR = 600.0, -700.0
_LEAST = float(np.exp(_FLOOR))


def blocks(count: int, size: int) -> list[slice]:
    """Cut range(count) into slices of at most `size`."""
    step = max(size, 1)
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]


@quiet
def is_moderate(measure: Measure, alpha: Vector) -> NDArray[np.bool_]:
    """Return for which alphas `centred_sums` neither overflows nor loses a token, shape (A,)."""
    if measure.lightest < -_MODERATE:
        return np.zeros(alpha.size, dtype=np.bool_)
    return np.asarray(np.abs(alpha) * measure.reach <= _MODERATE)


@quiet
def centred_sums(
    measure: Measure, alpha: Vector, columns: Columns, *, minus_one: bool = False
) -> NDArray[np.float64]:
    """Return sum over tokens of p exp(alpha (M - E M)) columns, shape (A, k).

    `columns` has shape (k, n); with `minus_one` the factor is exp(..) - 1.
    """
    function = np.expm1 if minus_one else np.exp
    weighted = columns * measure.p
    result = np.zeros((alpha.size, columns.shape[0]))
    tokens = blocks(measure.p.size, _TOKENS)
    for rows in blocks(alpha.size, _BLOCK // min(measure.p.size, _TOKENS)):
        for part in tokens:
            block = np.multiply.outer(alpha[rows], measure.centred[part])
            function(block, out=block)
            result[rows] += block @ weighted[:, part].T
    return result


@quiet
def group_sums(
    measure: Measure, alpha: Vector, groups: Sequence[NDArray[np.intp]]
) -> NDArray[np.float64]:
    """Return sum over the tokens of each group of p exp(alpha (M - E M)), shape (A, groups)."""
    result = np.zeros((alpha.size, len(groups)))
    for g, tokens in enumerate(groups):
        p, distance = measure.p[tokens], measure.centred[tokens]
        for rows in blocks(alpha.size, _BLOCK // min(p.size, _TOKENS)):
            for part in blocks(p.size, _TOKENS):
                block = np.multiply.outer(alpha[rows], distance[part])
                result[rows, g] += np.exp(block, out=block) @ p[part]
    return result


@quiet
def extreme_sums(
    measure: Measure, alpha: Vector, columns: Columns
) -> tuple[Vector, NDArray[np.float64]]:
    """Return (top, sum over tokens of p exp(alpha (M - extreme M) - top) columns).

    All alphas have one sign (0 counts as +); the extreme is the one on that side. Shapes (A,) and
    (A, k); columns (k, n).
    """
    gap = measure.gap(float(alpha[0]) if alpha.size else 1.0)
    result = np.zeros((alpha.size, columns.shape[0]))
    top = np.zeros(alpha.size)
    tokens = blocks(gap.size, _TOKENS)
    # Tokens stay in the sum down to e^-445 of the extreme one before p e^x underflows.
    deep = measure.lightest < -0.5 * _MODERATE
    log_p = measure.log_p - measure.log_mass if deep else np.zeros(0)
    weighted = columns if deep else columns * measure.p
    # The extreme token alone keeps the sum above its p: only where that is tiny must the largest
    # term be looked for.
    search = deep and float(log_p[gap == 0.0].max()) < -0.25 * _MODERATE

    def exponents(rows: slice, part: slice) -> NDArray[np.float64]:
        block = np.multiply.outer(alpha[rows], gap[part])
        if deep:
            block += log_p[part]
        return block

    for rows in blocks(alpha.size, _BLOCK // min(gap.size, _TOKENS)):
        if search:
            top[rows] = np.max([exponents(rows, part).max(axis=1) for part in tokens], axis=0)
        lowest = float(np.max(np.abs(alpha[rows]))) * (measure.high - measure.low)
        for part in tokens:
            block = exponents(rows, part)
            if search:
                block -= top[rows, None]
            floored = deep or lowest > -_FLOOR
            if floored:
                np.maximum(block, _FLOOR, out=block)
            np.exp(block, out=block)
            if floored:
                # What was raised to the floor goes back to exactly 0: its p may be 1e260 times
                # that of the extreme token.
                block -= _LEAST
            result[rows] += block @ weighted[:, part].T
    return top, result
