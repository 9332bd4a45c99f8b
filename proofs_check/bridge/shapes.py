"""The shape of a measured curve: rises, falls, bumps, or none of these. No torch here.

A turn counts when the curve retreats from its last extremum by more than a stated tolerance;
smaller wiggles are measurement noise. Thm 3.3 of arXiv:2602.02712 allows rise, fall and bump.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steering_strength.theory.errors import ShapeError

__all__ = ["Shape", "count_shapes", "shape_of"]


@dataclass(frozen=True)
class Shape:
    """The sequence of rises and falls of one curve.

    Parameters
    ----------
    name : str
        "flat", "rise", "fall", "bump" (rise, then fall), "dip", or "multi" for more turns.
    turns : tuple of int
        Indices of the interior extrema, in order.
    """

    name: str
    turns: tuple[int, ...]

    @property
    def allowed(self) -> bool:
        """Whether Thm 3.3 allows it for a token: at most one turn, and that a maximum."""
        return self.name in ("flat", "rise", "fall", "bump")


def shape_of(values: ArrayLike, tolerance: float) -> Shape:
    """Classify one curve sampled on increasing alphas.

    Parameters
    ----------
    values : array_like
        Shape (A,).
    tolerance : float
        In the units of `values`, at least 0: retreats up to it are ignored.

    Raises
    ------
    ShapeError
        Fewer than two points, a NaN, or a negative tolerance.
    """
    curve: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
    if curve.ndim != 1 or curve.size < 2 or np.isnan(curve).any():
        raise ShapeError(
            f"a curve of shape {curve.shape} with {int(np.isnan(curve).sum())} NaN",
            remedy="give at least two finite points on one axis",
        )
    if not tolerance >= 0:
        raise ShapeError(f"the tolerance is {tolerance}", remedy="give a number, at least 0")
    start = direction = extreme = lowest = highest = 0
    turns: list[int] = []
    for i, value in enumerate(curve):
        if direction == 0:
            lowest = i if value < curve[lowest] else lowest
            highest = i if value > curve[highest] else highest
            if value - curve[lowest] > tolerance:
                direction, extreme = 1, i
            elif curve[highest] - value > tolerance:
                direction, extreme = -1, i
            start = direction
            continue
        if direction * (value - curve[extreme]) >= 0:
            extreme = i
        elif direction * (curve[extreme] - value) > tolerance:
            turns.append(extreme)
            direction, extreme = -direction, i
    if direction == 0:
        return Shape("flat", ())
    names = {(0, 1): "rise", (0, -1): "fall", (1, 1): "bump", (1, -1): "dip"}
    return Shape(names.get((len(turns), start), "multi"), tuple(turns))


def count_shapes(curves: NDArray[np.float64], tolerance: float) -> dict[str, int]:
    """How many of the curves, (A, k), have each shape."""
    found = Counter(shape_of(curve, tolerance).name for curve in curves.T)
    return {name: found[name] for name in ("rise", "fall", "bump", "dip", "multi", "flat")}
