"""A curve with a closed form that is no tilting, such as the last block of a transformer.

There (`LastBlock`, the law `last-block`) neither Delta CE is convex nor F_T monotone. Any p_alpha
costs next to nothing: all of a grid of strengths is looked at, and an answer is a sign change
between two neighbours, halved to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steering_strength.theory.advice.curve import Method
from steering_strength.theory.advice.searched import SearchedCurve
from steering_strength.theory.advice.window import divergence
from steering_strength.theory.engine import validation as check
from steering_strength.theory.engine.family import TiltedFamily
from steering_strength.theory.engine.transformer import LastBlock

Floats = NDArray[np.float64]

_PER_DECADE, _MOST = 50, 2000
# The grid goes from this share of 1 / sd(M), or of 1 / max |M - E M| where that is less, to twice
# where the limit is met within this.
_NEAR, _SETTLED = 1e-3, 1e-3


class ScannedCurve(SearchedCurve):
    """One context whose log p_alpha is cheap at any alpha; satisfies `SteeredCurve`.

    Raises ShapeError or ProbabilityError: the vocabularies differ, or the function does not return
    log-probabilities.

    Parameters
    ----------
    log_probability : function
        Signed alphas, (A,), to log-probabilities, (A, V).
    log_odds : array_like, (V,)
        d logits / d alpha at 0, up to a constant: M as far as the origin knows it.
    limits : mapping
        From +1 and -1 to the log-probabilities, (V,), as alpha tends to that infinity.
    """

    method: Method = "scanned"
    # A maximum located by values is known to the square root of their rounding; on a plateau they
    # fall by that rounding.
    width, turn, noise = 0.0, 1e-6, 1e-12

    def __init__(
        self,
        log_probability: Callable[[Floats], Floats],
        log_odds: ArrayLike,
        limits: Mapping[int, ArrayLike],
    ) -> None:
        self._law = log_probability
        row = check.as_array("log_probability([0])", log_probability(np.zeros(1)), 2)[0]
        super().__init__(TiltedFamily(row, np.asarray(log_odds)))
        check.require_kind("limits", limits, Mapping)
        self._limits = {
            side: check.as_log_probabilities(limits.get(side, ()), f"limits[{side:+d}]", self.size)
            for side in (1, -1)
        }
        for limit in self._limits.values():
            limit.flags.writeable = False
        self._grids: dict[int, list[float]] = {}
        self._nats: dict[float, tuple[float, float]] = {}

    @classmethod
    def last_block(cls, form: LastBlock) -> ScannedCurve:
        """The curve of a residual steered at the output of the last block (`last-block`)."""
        limits = {side: form.limit(side) for side in (1, -1)}
        return cls(form.log_probability, form.slope(0.0), limits)

    def limit(self, sign: int) -> Floats:
        """Log-probabilities as alpha -> sign * inf, shape (V,)."""
        return self._limits[check.as_sign(sign)]

    def _scan(self, sign: int, start: float) -> list[float]:
        """The grid beyond `start`: geometric, from near 0 to where the limit is met."""
        if sign not in self._grids:
            sd = math.sqrt(float(self.local.variance(0.0)))
            size = float(np.abs(self.log_odds - self.local.mean(0.0)).max())
            # Sixty doublings stay finite. A nearly certain token makes sd tiny: what happens as the
            # others rise is over long before 1 / sd.
            unit = min(1.0 / sd, 1e280) if sd > 0.0 else 1.0
            near = _NEAR * min(unit, 1.0 / size) if size > 0.0 else _NEAR
            goal, far = np.exp(self._limits[sign]), unit
            for _ in range(60):
                row = np.exp(self._law(np.array([sign * far]))[0])
                if 0.5 * np.abs(row - goal).sum() <= _SETTLED:
                    break
                far *= 2.0
            count = int(_PER_DECADE * (math.log10(2.0 * far) - math.log10(near)))
            self._grids[sign] = np.geomspace(near, 2.0 * far, min(count, _MOST)).tolist()
        return [strength for strength in self._grids[sign] if strength > start]

    def _row(self, alpha: float) -> Floats:
        return np.asarray(self._law(np.array([alpha]))[0], dtype=np.float64)

    def _spent(self, alpha: float) -> tuple[float, float]:
        if alpha not in self._nats:
            row = self._row(alpha)
            self._nats[alpha] = divergence(self.log_p, row), divergence(row, self.log_p)
        return self._nats[alpha]
