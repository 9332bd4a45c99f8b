"""What every array must pass before it enters a record: one sentence of complaint, one remedy.

Arrays are kept as read-only copies, so a record cannot change behind its owner's back and the
owner's array is never written to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steering_strength.theory.errors import AlphaError, ProbabilityError, ShapeError, SteeringError

__all__ = [
    "ROW_SUM_TOLERANCE",
    "BoolArray",
    "FloatArray",
    "IntArray",
    "alpha_array",
    "as_array",
    "concept_labels",
    "distribution",
    "finite_array",
    "generator",
    "integer",
    "names",
    "number",
    "numbered",
    "read_only",
    "require_two_concepts",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# Correctly rounded probabilities sum to 1 within half an ulp of 1, whatever V is, because the
# relative errors are weighted by the probabilities. 2^-40 leaves room for 4,096 roundings per
# entry, which covers a float64 softmax of logits in the hundreds, still refuses float32, and is
# not above what `TiltedFamily` accepts.
ROW_SUM_TOLERANCE = 2.0**-40


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """A C-contiguous copy that nobody can write to."""
    copy = np.array(array, order="C", copy=True)
    copy.setflags(write=False)
    return copy


def as_array(name: str, value: ArrayLike) -> NDArray[Any]:
    """`value` as an array of any type; `ShapeError` for ragged rows."""
    try:
        return np.asarray(value)
    except ValueError:
        raise ShapeError(
            f"{name} has rows of different lengths", remedy="give a rectangular array"
        ) from None


def finite_array(name: str, value: ArrayLike, ndim: int) -> FloatArray:
    """A float64 copy of `value` with `ndim` axes, at least one entry and no NaN or infinity.

    Raises
    ------
    ShapeError
        Not numbers, or the wrong number of axes, or nothing in it.
    ProbabilityError
        NaN or infinite entries; the message names the first.
    """
    raw = as_array(name, value)
    if raw.dtype.kind == "c":
        raise ShapeError(f"{name} is complex", remedy="give real numbers")
    try:
        array = np.array(raw, dtype=np.float64) + 0.0  # -0.0 becomes 0.0: equal means equal bytes
    except (TypeError, ValueError) as error:
        raise ShapeError(
            f"{name} is not an array of numbers ({error})", remedy="give finite numbers"
        ) from None
    if array.ndim != ndim or array.size == 0:
        raise ShapeError(
            f"{name} has shape {array.shape}, but needs {ndim} non-empty "
            f"{'axis' if ndim == 1 else 'axes'}",
            remedy="reshape it",
        )
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        where = tuple(int(i) for i in bad[0])
        raise ProbabilityError(
            f"{name}{list(where)} is {array[where]}", remedy="only finite numbers are allowed"
        )
    array.setflags(write=False)
    return array


def number(name: str, value: float | Fraction) -> float:
    """`value` as a finite float (`ProbabilityError`)."""
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        result = math.nan
    if not math.isfinite(result):
        raise ProbabilityError(f"{name} = {value!r} is not a finite number", remedy="give a float")
    return result


def integer(name: str, value: int, least: int, *, remedy: str) -> int:
    """`value` as an int, at least `least`; booleans and floats are refused (`ShapeError`)."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise ShapeError(f"{name} = {value!r} is not an integer", remedy=remedy)
    if value < least:
        raise ShapeError(f"{name} = {value} is below {least}", remedy=remedy)
    return int(value)


def concept_labels(name: str, value: ArrayLike, concepts: int | None = None) -> IntArray:
    """Labels 0..G-1 as read-only int64, shape (V,) or (m,).

    Without `concepts`, G is one more than the largest label, each of 0..G-1 must occur and G
    must be at least 2 (the labels of the tokens). With `concepts`, labels only have to be below
    it (the labels of the contexts). Raises `ShapeError`.
    """
    raw = as_array(name, value)
    if raw.ndim != 1 or raw.size == 0 or raw.dtype.kind not in "iu":
        raise ShapeError(
            f"{name} has shape {raw.shape} and type {raw.dtype}, but must be a non-empty list of "
            "integer labels",
            remedy="number the concepts 0, 1, 2, ...",
        )
    labels: IntArray = read_only(raw.astype(np.int64))
    if labels.min() < 0:
        raise ShapeError(
            f"{name}[{int(labels.argmin())}] = {labels.min()} is negative",
            remedy="number the concepts 0, 1, 2, ...",
        )
    if concepts is None:
        missing = np.setdiff1d(np.arange(labels.max() + 1), labels)
        if len(missing):
            raise ShapeError(
                f"{name} runs up to {labels.max()} but no token has concept {missing[0]}",
                remedy="number the concepts 0, 1, 2, ... without a hole",
            )
        require_two_concepts(int(labels.max()) + 1)
    elif labels.max() >= concepts:
        raise ShapeError(
            f"{name}[{int(labels.argmax())}] = {labels.max()}, but there are {concepts} concepts, "
            f"0..{concepts - 1}",
            remedy="correct the label, or give that concept tokens",
        )
    return labels


def require_two_concepts(concepts: int) -> None:
    """G >= 2: with one concept there is nothing to steer away from (`ShapeError`)."""
    if concepts < 2:
        raise ShapeError(
            f"G = {concepts} concept, but P lies inside the target concept and N outside it, so "
            "G >= 2",
            remedy="give the tokens at least two concepts",
        )


def distribution(name: str, value: ArrayLike, ndim: int, *, positive: bool = False) -> FloatArray:
    """`value` as a probability vector, or (`ndim` = 2) one per row; sums are not corrected.

    Raises
    ------
    ProbabilityError
        A negative entry (or a zero one, with `positive`), or a sum further than
        `ROW_SUM_TOLERANCE` from 1. The message gives the place, the value and the bound.
    """
    array = finite_array(name, value, ndim)
    low = float(array.min())
    if low < 0 or (positive and low == 0):
        where = [int(i) for i in np.unravel_index(int(array.argmin()), array.shape)]
        raise ProbabilityError(
            f"{name}{where} = {low!r}, but must be {'positive' if positive else '0 or more'}",
            remedy="leave it out" if positive else "check the sign",
        )
    sums = np.atleast_1d(array.sum(axis=-1))
    worst = int(np.abs(sums - 1.0).argmax())
    if abs(sums[worst] - 1.0) > ROW_SUM_TOLERANCE:
        row = f"{name}[{worst}]" if array.ndim == 2 else name
        raise ProbabilityError(
            f"{row} sums to {float(sums[worst])!r}, which is {abs(sums[worst] - 1.0):.2g} from 1 "
            f"(allowed: {ROW_SUM_TOLERANCE:.2g}, rounding)",
            remedy="divide each row by its sum in float64",
        )
    return array


def numbered(name: str, value: int, count: int) -> int:
    """`value` as an index 0..count-1; negative indices are refused, they hide mistakes."""
    remedy = f"{name}s are numbered 0..{count - 1}"
    index = integer(name, value, 0, remedy=remedy)
    if index >= count:
        raise ShapeError(f"{name} {index} does not exist", remedy=remedy)
    return index


def alpha_array(alpha: ArrayLike) -> FloatArray:
    """Steering strengths as float64, scalar or shape (A,), all finite (`AlphaError`)."""
    try:
        array = np.array(alpha, dtype=np.float64)
    except (TypeError, ValueError):
        raise AlphaError(f"alpha = {alpha!r} is not a number", remedy="give floats") from None
    if array.ndim > 1:
        raise ShapeError(
            f"alpha has shape {array.shape}, but must be a scalar or one list",
            remedy="flatten it with alpha.ravel()",
        )
    bad = np.flatnonzero(~np.isfinite(array))
    if len(bad):
        raise AlphaError(
            f"alpha[{bad[0]}] = {array.ravel()[bad[0]]}" if array.ndim else f"alpha = {array}",
            remedy="every steering strength must be finite; for alpha -> inf use .limit(sign)",
        )
    return array


def generator(rng: np.random.Generator | int) -> np.random.Generator:
    """`rng` itself, or a generator seeded with it; an unseeded run could not be repeated."""
    if isinstance(rng, np.random.Generator):
        return rng
    remedy = "give a seed such as 0, or np.random.default_rng(0)"
    if isinstance(rng, bool) or not isinstance(rng, int | np.integer) or rng < 0:
        raise SteeringError(f"rng = {rng!r} is neither a generator nor a seed", remedy=remedy)
    return np.random.default_rng(int(rng))


def names(name: str, value: Sequence[str], size: int) -> tuple[str, ...]:
    """Display names: none at all, or one for each of `size` things (`ShapeError`)."""
    result = tuple(str(item) for item in value)
    if result and len(result) != size:
        raise ShapeError(
            f"{name} has {len(result)} entries for {size}", remedy="give one each, or none"
        )
    return result
