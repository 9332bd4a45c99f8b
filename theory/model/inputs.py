"""What enters a record of the model: concept labels, probabilities, seeds and names.

Numbers come through `theory.engine.validation`; arrays are kept as read-only copies, so a record
cannot change behind its owner's back and the owner's array is never written to.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steering_strength.theory.engine.validation import as_array, as_integer, as_integers
from steering_strength.theory.errors import ProbabilityError, ShapeError

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


def finite_array(
    name: str, value: ArrayLike, axes: int, size: int | None = None, per: str = "token"
) -> FloatArray:
    """A read-only float64 copy without NaN or infinity (`ShapeError`, `ProbabilityError`)."""
    array = as_array(name, value, axes, size=size, per=per, finite=ProbabilityError)
    array.setflags(write=False)
    return array


def concept_labels(
    name: str, value: ArrayLike, concepts: int | None = None, size: int | None = None
) -> IntArray:
    """Labels 0..G-1 as read-only int64, shape (V,) or (m,).

    Without `concepts`, G is one more than the largest label, each of 0..G-1 must occur and G
    must be at least 2 (the labels of the tokens). With `concepts`, labels only have to be below
    it (the labels of the contexts). Raises `ShapeError`.
    """
    labels = as_integers(name, value, 0, concepts)
    if labels.ndim != 1 or size not in (None, labels.size):
        wanted = "one list of labels" if size is None else f"one label each, ({size},)"
        raise ShapeError(f"{name} has shape {labels.shape}", remedy=f"give {wanted}")
    if concepts is None:
        present = np.unique(labels)
        hole = np.flatnonzero(present != np.arange(present.size))
        if hole.size:
            raise ShapeError(
                f"{name} runs up to {labels.max()} but no token has concept {hole[0]}",
                remedy="number the concepts 0, 1, 2, ... without a hole",
            )
        require_two_concepts(present.size)
    return read_only(labels)


def require_two_concepts(concepts: int) -> None:
    """G >= 2: with one concept there is nothing to steer away from (`ShapeError`)."""
    if concepts < 2:
        raise ShapeError(
            f"G = {concepts} concept, but P lies inside the target concept and N outside it, so "
            "G >= 2",
            remedy="give the tokens at least two concepts",
        )


def distribution(name: str, value: ArrayLike, axes: int) -> FloatArray:
    """`value` as a probability vector, or (`axes` = 2) one per row; sums are not corrected.

    Raises ProbabilityError: a negative entry, or a sum further than `ROW_SUM_TOLERANCE` from 1. The
    message gives the place, the value and the bound.
    """
    array = finite_array(name, value, axes)
    outside = np.argwhere((array < 0.0) | (array > 2.0))  # what is far above 1 may overflow a sum
    if len(outside):
        where = tuple(int(i) for i in outside[0])
        raise ProbabilityError(
            f"{name}{list(where)} = {float(array[where])!r}, but must be 0 or more, and at most 1",
            remedy="give probabilities",
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


def generator(rng: np.random.Generator | int) -> np.random.Generator:
    """`rng` itself, or a generator seeded with it; an unseeded run could not be repeated."""
    if isinstance(rng, np.random.Generator):
        return rng
    return np.random.default_rng(as_integer("rng, a generator or a seed,", rng, 0))


def names(name: str, value: Sequence[str], size: int) -> tuple[str, ...]:
    """Display names: none at all, or one for each of `size` things (`ShapeError`)."""
    try:
        result = tuple(str(item) for item in islice(value, size + 1))
    except Exception as error:  # what a foreign object's text raises is its own affair
        raise ShapeError(f"{name} cannot be read ({error})", remedy="give a list of text") from None
    if result and len(result) != size:
        count = f"more than {size}" if len(result) > size else str(len(result))
        raise ShapeError(f"{name} has {count} entries for {size}", remedy="give one each, or none")
    return result
