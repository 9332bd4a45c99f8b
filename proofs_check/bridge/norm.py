"""What the final norm computes, found by asking it: kind, gain, bias, eps.

LN(x) = gain * P x / sqrt(mean((P x)^2) + eps) + bias, with P the identity (RMSNorm) or the
centring (LayerNorm). Five evaluations identify it and one verifies it, so Gemma's 1 + weight or a
renamed attribute need no special case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge.errors import ModelError
from steering_strength.theory import NormedSteering

__all__ = ["FinalNorm", "identify_norm"]

Floats = NDArray[np.float64]

# The norm may work in float32 inside: its numbers carry about 7 digits whatever the model's dtype.
_RELATIVE = 1e-5
_FAR = 1e6


@dataclass(frozen=True)
class FinalNorm:
    """The parameters of the final norm in float64.

    Parameters
    ----------
    kind : {"rms", "layer"}
    gain, bias : numpy.ndarray
        Shape (d,).
    eps : float
    precision : float
        Relative error of the module's own arithmetic, measured: 1e-7 where a float64 model's norm
        works in float32 inside.
    """

    kind: Literal["rms", "layer"]
    gain: Floats
    bias: Floats
    eps: float
    precision: float

    def steering(self, h: Floats, v: Floats) -> NormedSteering:
        """LN(h + alpha v) as a function of alpha."""
        return NormedSteering(h, v, kind=self.kind, gain=self.gain, bias=self.bias, eps=self.eps)

    def centred(self, x: Floats) -> Floats:
        """P x along the last axis."""
        return x - x.mean(axis=-1, keepdims=True) if self.kind == "layer" else x


def identify_norm(
    apply: Callable[[Floats], Floats], width: int, name: str, *, seed: int = 0
) -> FinalNorm:
    """Identify the final norm from its values: `apply` maps (d,) to (d,).

    Raises
    ------
    ModelError
        It is neither an RMSNorm nor a LayerNorm.
    """
    bias = apply(np.zeros(width))
    gain = np.empty(width)
    # Zero-mean vectors of entries +-1 far from eps: both norms return gain * sign + bias. For odd
    # d one entry is 0, so a second pattern covers it.
    for shift in (0, 1):
        pattern = np.zeros(width)
        pattern[: width - width % 2] = np.resize([1.0, -1.0], width - width % 2)
        pattern = np.roll(pattern, shift)
        unit = pattern / np.sqrt(np.mean(pattern**2))
        seen = pattern != 0
        gain[seen] = ((apply(_FAR * pattern) - bias)[seen]) / unit[seen]
    constant = apply(np.full(width, _FAR)) - bias
    kind: Literal["rms", "layer"] = (
        "layer" if np.abs(constant).max() <= 1e-3 * np.abs(gain).max() else "rms"
    )
    norm = FinalNorm(kind, gain, bias, _eps(apply, gain, bias), 0.0)
    precision = float(np.finfo(np.float64).eps)
    rng = np.random.default_rng(seed)
    for scale in (1e-2, 1.0, 1e3):
        x = scale * (rng.standard_normal(width) + 0.5)
        expected = norm.steering(x, np.zeros(width)).output(0.0)
        error = np.abs(apply(x) - expected).max()
        size = np.abs(expected).max()
        precision = max(precision, float(error / size))
        if not error <= _RELATIVE * size:
            raise ModelError(
                f"the final norm {name!r} is neither an RMSNorm nor a"
                f" LayerNorm: it is off by {error:.2g} at scale {scale:g}",
                remedy="`last-block` and `norm-limit` need one of the two; `final-norm` does not",
            )
    return replace(norm, precision=precision)


def _eps(apply: Callable[[Floats], Floats], gain: Floats, bias: Floats) -> float:
    """From the value at a vector so short that eps decides its length."""
    width = gain.size
    pattern = np.resize([1.0, -1.0], width)
    if width % 2:
        pattern[-1] = 0.0
    strongest = int(np.argmax(np.abs(gain) * np.abs(pattern)))
    for size in (1e-3, 1e-5, 1e-7):
        ratio = (apply(size * pattern) - bias)[strongest] / (gain[strongest] * pattern[strongest])
        square = np.mean(pattern**2)
        # ratio = size / sqrt(size^2 square + eps)
        eps = float((size / ratio) ** 2 - size**2 * square) if ratio else float("inf")
        if eps > 0.1 * size**2:
            return eps
    return 0.0
