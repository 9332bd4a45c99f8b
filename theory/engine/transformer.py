"""The final norm of a steered residual stream: LN(h + alpha v) and its limits.

Source: arXiv:2602.02712, Prop. 4.1. With P the centring for LayerNorm and the identity for RMSNorm,
LN(x) = gain * P x / sqrt(mean((P x)^2) + eps) + bias, and as alpha -> +-inf the direction of P v
alone is left, at eps = 0 whatever eps was: |alpha| drowns it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steering_strength.theory.engine.numerics import quiet
from steering_strength.theory.engine.validation import as_alpha, as_sign, as_vector
from steering_strength.theory.errors import AlphaError, ShapeError, UnknownNameError

__all__ = ["NormedSteering"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NormedSteering:
    """A residual h steered along v and normalised by the model's final norm.

    Parameters
    ----------
    h, v : array_like, (d,)
        Residual and steering vector; alpha is in units of v.
    kind : {"rms", "layer"}
        RMSNorm, or LayerNorm, which first removes the mean over coordinates.
    gain, bias : array_like, (d,), optional
        Default 1 and 0.
    eps : float
        Added to the mean square, at least 0.

    Raises
    ------
    ShapeError
        If a vector has another shape than h, holds NaN or inf, or eps is negative.
    UnknownNameError
        If `kind` is neither of the two.
    """

    h: Floats
    v: Floats
    kind: Literal["rms", "layer"] = "rms"
    gain: Floats | None = None
    bias: Floats | None = None
    eps: float = 0.0
    _residual: Floats = field(init=False, repr=False)
    _direction: Floats = field(init=False, repr=False)
    _gain: Floats = field(init=False, repr=False)
    _bias: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in ("rms", "layer"):
            raise UnknownNameError("norm", str(self.kind), ["rms", "layer"])
        h = as_vector("h", self.h)
        given: dict[str, ArrayLike] = {
            "v": self.v,
            "gain": np.ones_like(h) if self.gain is None else self.gain,
            "bias": np.zeros_like(h) if self.bias is None else self.bias,
        }
        vectors = {"h": h} | {name: as_vector(name, values) for name, values in given.items()}
        for name, vector in vectors.items():
            if vector.shape != h.shape:
                raise ShapeError(
                    f"{name} has shape {vector.shape}, h has {h.shape}",
                    remedy="use one width d for all",
                )
            if not np.isfinite(vector).all():
                where = int(np.argmin(np.isfinite(vector)))
                raise ShapeError(
                    f"{name} is {vector[where]} at coordinate {where}", remedy="give finite numbers"
                )
        eps = float(self.eps)
        if not (0.0 <= eps < np.inf):
            raise ShapeError(f"eps is {self.eps!r}", remedy="give a finite number, at least 0")
        vectors["_residual"] = _projected(self.kind, vectors["h"])
        vectors["_direction"] = _projected(self.kind, vectors["v"])
        vectors["_gain"], vectors["_bias"] = vectors["gain"], vectors["bias"]
        for name, vector in vectors.items():
            vector.flags.writeable = False
            object.__setattr__(self, name, vector)
        object.__setattr__(self, "eps", eps)

    @property
    def inert(self) -> bool:
        """Whether v vanishes under the norm: v = 0, or v constant for LayerNorm."""
        return not self._direction.any()

    @quiet
    def output(self, alpha: ArrayLike) -> Floats:
        """Return LN(h + alpha v), shape (A, d), for any finite alpha.

        h + alpha v is divided by its largest coordinate before it is squared, and alpha > 1 is
        divided out before it multiplies v, so nothing overflows.

        Raises
        ------
        AlphaError
            If alpha is NaN or infinite, or if eps = 0 and h + alpha v vanishes under the norm,
            where LN is 0/0.
        """
        strengths, scalar = as_alpha(alpha)
        result = np.empty((strengths.size, self.h.size))
        for row, strength in zip(result, strengths, strict=True):
            row[:] = self._normalised(float(strength))
        return result[0] if scalar else result

    @quiet
    def limit(self, sign: int) -> Floats:
        """Return lim LN(h + alpha v) as alpha -> sign * inf, shape (d,): Prop. 4.1.

        It is the norm of sign * v at eps = 0; the bias keeps its sign. Where v vanishes under the
        norm it is the constant LN(h).
        """
        direction = as_sign(sign) * self._direction
        if self.inert:
            return self._normalised(0.0)
        unit = direction / np.max(np.abs(direction))
        return self._affine(unit / np.sqrt(np.mean(unit**2)))

    def _normalised(self, strength: float) -> Floats:
        size = max(abs(strength), 1.0)
        # (h + alpha v) / size: both terms are at most |h| and |v|.
        steered = self._residual / size + (strength / size) * self._direction
        if self.inert:
            steered, size = self._residual, 1.0
        largest = float(np.max(np.abs(steered)))
        if largest == 0.0:
            if self.eps > 0.0:
                return self._affine(steered)
            raise AlphaError(
                f"h + alpha v vanishes under the norm at alpha = {strength:g} and eps = 0",
                remedy="LN is 0/0 there: give eps > 0 or another alpha",
            )
        unit = steered / largest
        eps = np.sqrt(self.eps) / largest / size
        return self._affine(unit / np.sqrt(np.mean(unit**2) + eps * eps))

    def _affine(self, unit: Floats) -> Floats:
        return np.asarray(unit * self._gain + self._bias, dtype=np.float64)


@quiet
def _projected(kind: str, vector: Floats) -> Floats:
    """Apply P: remove the mean over coordinates for LayerNorm; exactly 0 for a constant."""
    if kind == "rms":
        return vector.copy()
    if np.all(vector == vector[0]):
        return np.zeros_like(vector)
    # A power of two near the largest coordinate: exact, and the sum of d of them cannot overflow.
    exponent = int(np.frexp(np.max(np.abs(vector)))[1])
    unit = np.ldexp(vector, -exponent)
    for _ in range(2):
        unit -= unit.mean()
    return np.asarray(np.ldexp(unit, exponent))
