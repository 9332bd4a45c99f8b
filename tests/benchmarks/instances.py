"""The vocabularies that the benchmarks run on: (log_p, M) of V tokens, by name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

KINDS = {
    "gaussian": "log p from normal logits of sd 2, M normal",
    "peaked": "log p from normal logits of sd 6 with one token at 90 %, M normal",
    "heavy-tailed": "log p from normal logits of sd 2, M Student t with 2 degrees of freedom",
}


def instance(kind: str, size: int, seed: int = 0) -> tuple[Vector, Vector]:
    """Return (log_p, M), each of shape (size,)."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    logits = rng.normal(size=size) * (6.0 if kind == "peaked" else 2.0)
    if kind == "peaked":
        logits[size // 2] = np.logaddexp.reduce(np.delete(logits, size // 2)) + np.log(9.0)
    odds = rng.standard_t(2.0, size) if kind == "heavy-tailed" else rng.normal(size=size)
    return logits - np.logaddexp.reduce(logits), odds


def alphas(odds: Vector, count: int) -> Vector:
    """Return `count` strengths over +-8 nats of the bulk of M (its interquartile range / 1.35)."""
    low, high = np.quantile(odds, [0.25, 0.75])
    reach = min(8.0 * 1.35 / (high - low), 500.0 / np.ptp(odds))
    return np.linspace(-reach, reach, count)
