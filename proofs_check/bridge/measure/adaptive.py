"""Curves over alpha from few evaluations: nodes in asinh(alpha), refined where they are needed.

A distribution changes on the scale of its own alpha near 0 and like 1/alpha far out, so nodes
uniform in asinh(alpha / unit) with a cubic spline replace a uniform grid of a thousand. Early
blocks are too wiggly for a fixed number; each interval is halved until the spline predicts its own
midpoint, and the error that is left is reported. No torch here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from steering_strength.theory.errors import AlphaError

__all__ = ["AdaptiveCurve", "adaptive_curve"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AdaptiveCurve:
    """Values at adaptive nodes, and a spline between them.

    Parameters
    ----------
    alphas : numpy.ndarray
        Shape (n,), increasing: the nodes.
    values : numpy.ndarray
        Shape (n, k).
    unit : float
        Scale of the asinh.
    error : float
        Largest |spline - evaluation| at midpoints that were checked last.
    converged : bool
        Whether that is within the tolerance everywhere.
    """

    alphas: Floats
    values: Floats
    unit: float
    error: float
    converged: bool

    def __call__(self, alphas: Floats) -> Floats:
        """Interpolate, (A, k).

        Raises
        ------
        AlphaError
            An alpha lies outside the nodes.
        """
        wanted = np.asarray(alphas, dtype=np.float64)
        if wanted.min() < self.alphas[0] or wanted.max() > self.alphas[-1]:
            raise AlphaError(
                f"alpha from {wanted.min():g} to {wanted.max():g}",
                remedy=f"the curve covers {self.alphas[0]:g} to {self.alphas[-1]:g}",
            )
        spline = CubicSpline(np.arcsinh(self.alphas / self.unit), self.values)
        return np.asarray(spline(np.arcsinh(wanted / self.unit)))


def adaptive_curve(
    evaluate: Callable[[Floats], Floats],
    low: float,
    high: float,
    *,
    unit: float = 1.0,
    tolerance: float = 1e-3,
    start: int = 17,
    most: int = 513,
) -> AdaptiveCurve:
    """Refine until every new midpoint is predicted within `tolerance`, or `most` nodes are spent.

    Parameters
    ----------
    evaluate : callable
        alphas (n,) -> values (n, k).
    low, high : float
        The interval; both ends are nodes.
    unit : float
        Where asinh turns from linear to logarithmic.
    tolerance : float
        In the units of the values.

    Raises
    ------
    AlphaError
        An empty interval, or fewer than 5 nodes to start from.
    """
    if not (np.isfinite([low, high]).all() and low < high and start >= 5 and unit > 0):
        raise AlphaError(
            f"alpha from {low} to {high} with {start} nodes, unit {unit}",
            remedy="give low < high, at least 5 nodes and a positive unit",
        )
    t = np.linspace(np.arcsinh(low / unit), np.arcsinh(high / unit), start)
    alphas = unit * np.sinh(t)
    alphas[0], alphas[-1] = low, high
    values = np.asarray(evaluate(alphas), dtype=np.float64)
    # Intervals are open until their midpoint was predicted; halving one reopens its halves.
    open_ = np.ones(start - 1, dtype=bool)
    error = np.inf
    while open_.any() and alphas.size + open_.sum() <= most:
        left = np.flatnonzero(open_)
        middle = 0.5 * (t[left] + t[left + 1])
        new = unit * np.sinh(middle)
        seen = np.asarray(evaluate(new), dtype=np.float64)
        gap = np.abs(CubicSpline(t, values)(middle) - seen).max(axis=1)
        error = float(gap.max())
        order = np.argsort(np.concatenate([t, middle]), kind="stable")
        # Both halves of an interval that was not predicted stay open.
        halves = np.repeat(False, alphas.size + new.size - 1)
        wrong = left[gap > tolerance]
        shift = np.searchsorted(left, wrong)
        for half in (0, 1):
            halves[wrong + shift + half] = True
        t = np.concatenate([t, middle])[order]
        alphas = np.concatenate([alphas, new])[order]
        values = np.concatenate([values, seen])[order]
        open_ = halves
    return AdaptiveCurve(alphas, values, unit, error, not open_.any())
