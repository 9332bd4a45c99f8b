"""Grids of steering strengths. No torch here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from steering_strength.theory.errors import AlphaError

__all__ = ["alpha_grid"]


def alpha_grid(reach: float, count: int) -> NDArray[np.float64]:
    """`count` equally spaced alphas on [-reach, reach] with an exact 0 among them.

    Raises
    ------
    AlphaError
        `reach` is not positive and finite, or `count` is even or below 5.
    """
    if not (np.isfinite(reach) and reach > 0):
        raise AlphaError(
            f"the largest alpha is {reach}, a positive finite number is needed",
            remedy="give for instance --alpha-max 8",
        )
    if count < 5 or count % 2 == 0:
        raise AlphaError(
            f"a grid of {count} alphas, an odd number of at least 5 is needed so that 0 is on it",
            remedy=f"give --alphas {max(5, count + 1 - count % 2)}",
        )
    half = np.linspace(0.0, reach, count // 2 + 1)
    return np.concatenate([-half[:0:-1], half])
