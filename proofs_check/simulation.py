"""Steering as it is done: a matrix times a hidden state, a softmax, and looking at the curve.

Nothing here knows a closed form. The simulation is the Unconstrained Features Model of a dataset
(`UnconstrainedFeatures.interpolating`: random gauge, a random shift of the logits of each context,
useless dimensions); a bare pair (p, M) has no model that could be simulated. Every simulated number
comes with its noise: the error that float64 matrix products of that size can make.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from steering_strength.proofs_check.comparison import EPS
from steering_strength.proofs_check.instances import ConceptCase
from steering_strength.theory import UnconstrainedFeatures

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Simulation:
    """One context of a steered linear read-out."""

    W: Vector  # (V, d)
    h: Vector  # (d,), the hidden state
    v: Vector  # (d,), the steering vector
    residue: float = 0.0  # how far the logits W h and W v may be from what was asked for

    def log_probability(self, alpha: float | Vector) -> Vector:
        """log softmax(W (h + alpha v)), shape (A, V) or (V,)."""
        states = self.h + np.multiply.outer(alpha, self.v)
        return np.asarray(log_softmax(states @ self.W.T, axis=-1))

    def probability(self, alpha: float | Vector) -> Vector:
        """Its exponential; what underflows is 0."""
        with np.errstate(under="ignore"):
            return np.asarray(np.exp(self.log_probability(alpha)))

    @cached_property
    def _sizes(self) -> tuple[float, float, float]:
        W, h, v = (float(np.linalg.norm(x, axis=-1).max()) for x in (self.W, self.h, self.v))
        return W, h, v

    def noise(self, alpha: float | Vector) -> Vector:
        """Bound on the error of `log_probability`, nats, shape of alpha.

        A float64 product of length d errs by d EPS/2 |W_z| |x|; making W, h and v errs by a few
        times as much (the gauge is orthogonal up to powers of two), and a logit enters its own
        log-probability and the normaliser. 8 d EPS covers the sum of these.
        """
        W, h, v = self._sizes
        products = 8 * len(self.h) * EPS * (W * (h + np.abs(alpha) * v) + 1.0)
        result: Vector = products + 2 * self.residue * (1 + np.abs(alpha))
        return result


def simulated_dataset(case: ConceptCase) -> tuple[UnconstrainedFeatures, Simulation]:
    """The interpolating UFM of the case's dataset, and its steered context."""
    least = UnconstrainedFeatures.interpolating(case.data, case.gauge, free_shifts=True).W.shape[1]
    ufm = UnconstrainedFeatures.interpolating(
        case.data, case.gauge, least + case.gauge % 3, free_shifts=True
    )
    vector = ufm.steering_vector(*case.sets)
    # The weights come from a singular value decomposition of the (m, V) table of log p, which is
    # backward stable: a few EPS times the size of the whole table, in every entry.
    table = np.log(case.data.probabilities)
    residue = 8 * EPS * float(np.linalg.norm(1.0 + np.abs(table)))
    return ufm, Simulation(W=ufm.W, h=ufm.H[:, case.context], v=vector, residue=residue)


def look_for_peak(curve: Callable[[Vector], Vector], scale: float) -> float:
    """The place of the largest value of `curve`, by looking at ever finer grids around it.

    The first grid is uniform in asinh(alpha / scale) over +-1e7 scale; each next one spans the
    neighbours of the largest value. Accurate as far as the noise of the curve allows.
    """
    nodes = np.linspace(-17.0, 17.0, 205)
    while True:
        values = curve(scale * np.sinh(nodes))
        best = int(values.argmax())
        low, high = nodes[max(best - 1, 0)], nodes[min(best + 1, len(nodes) - 1)]
        if high - low <= 1e-9 * max(1.0, abs(low)):
            return float(scale * np.sinh(nodes[best]))
        nodes = np.linspace(low, high, 33)
