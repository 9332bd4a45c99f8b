"""What is known of a steered context without steering far: its derivative, and the last block.

`local`: first and second derivative of the logits at alpha = 0, by central differences, at any
site. `last-block`: the whole curve in closed form, from two unembeddings and one scalar.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax

from steering_strength.proofs_check.bridge.steer import Held, length, vector_tensor
from steering_strength.proofs_check.bridge.structure import precision
from steering_strength.proofs_check.bridge.vectors import SteeringVector
from steering_strength.theory import TiltedFamily
from steering_strength.theory.engine import LastBlock

if TYPE_CHECKING:
    from steering_strength.proofs_check.bridge.model import SteeredModel

__all__ = ["Local", "derivatives", "last_block", "remainders"]

Floats = NDArray[np.float64]

# A step of this share of the states' median length: truncation and float32 rounding both stay below
# 1e-3 of the variance there, measured at every depth. In 16 bits it would be rounded away.
_STEP, _WIDE_STEP, _STEPS = 3e-3, 5e-2, 3
_STRETCH = 4.0
# R is read off as the final residual minus alpha v, at |alpha v| this many times |h + R|.
_RATIO = {1e-12: 1e6, 1e-5: 1e3}


@dataclass(frozen=True, eq=False)
class Local:
    """First and second derivative of one context's logits along v, at alpha = 0.

    Parameters
    ----------
    log_p : numpy.ndarray
        Shape (V,), unsteered.
    slope, bend : numpy.ndarray
        Shape (V,): M_loc in nats per unit alpha, and l'' in nats per unit alpha squared.
    """

    log_p: Floats
    slope: Floats
    bend: Floats

    @property
    def variance(self) -> float:
        """Var_p(M_loc): KL(p || p_alpha) is half of it times alpha^2, to second order."""
        p = np.exp(self.log_p)
        return float(p @ (self.slope - p @ self.slope) ** 2)

    def family(self) -> TiltedFamily:
        """The tilted family that agrees with the model to first order."""
        return TiltedFamily(self.log_p, self.slope)


def derivatives(held: Held, vector: Any) -> list[Local]:
    """Central differences of every context's last logits, both steps of all of them in one pass.

    The step is a share of the states' length. Where that turns out to move the logits too far (the
    relative truncation is a third of the step squared, in units of sd(M)) or, in 16 bits, too
    little to be seen above rounding, another pass takes a step that balances the two.
    """
    model = held.model
    coarse = precision(model.dtype) > 1e-5
    steps = (_WIDE_STEP if coarse else _STEP) * held.lengths / length(vector)
    found = _differences(held, vector, steps)
    aim = max((3.0 * model.floor) ** 0.25, 0.01) if coarse else 0.01
    for _ in range(_STEPS):
        moved = steps * np.sqrt([one.variance for one in found])
        if not (
            (moved > max(2.0 * aim, 0.1)) | (coarse & (moved < 0.5 * aim) & (moved > 0.0))
        ).any():
            break
        steps = steps * np.clip(aim / np.maximum(moved, 1e-300), 1e-3, _STRETCH)
        found = _differences(held, vector, steps)
    return found


def _differences(held: Held, vector: Any, steps: Floats) -> list[Local]:
    everyone = list(range(held.count)) * 2
    logits = held.logits(everyone, np.concatenate((-steps, steps)), vector).numpy()
    base = held.model.read_out(held.base).numpy()
    found = []
    for j, step in enumerate(steps.tolist()):
        low, middle, high = logits[j], base[j], logits[held.count + j]
        slope, bend = (high - low) / (2 * step), (high - 2 * middle + low) / step**2
        found.append(Local(log_softmax(middle), slope, bend))
    return found


def last_block(model: SteeredModel, h: ArrayLike, vector: SteeringVector | ArrayLike) -> LastBlock:
    """The closed form at the last block for one residual h, (d,), of the last position.

    Raises
    ------
    ModelError
        The final norm is neither an RMSNorm nor a LayerNorm.
    """
    norm = model.norm
    residual = np.asarray(h, dtype=np.float64)
    v = vector_tensor(vector).numpy()
    ph, pv = norm.centred(residual), norm.centred(v)
    states = np.stack([norm.gain * ph, norm.gain * pv, np.zeros_like(ph), norm.bias])
    a, b, zero, offset = model.read_out(torch.as_tensor(states)).numpy()
    return LastBlock(
        a=a - zero,
        b=b - zero,
        offset=offset,
        A=float(np.mean(pv**2)),
        B=float(np.mean(ph * pv)),
        C=float(np.mean(ph**2) + norm.eps),
    )


def remainders(held: Held, vector: SteeringVector, sign: int) -> Floats:
    """h + R_inf at the last positions, (m, d): the final norm's input minus alpha v, far out.

    Two passes for all contexts: the first, from the length of h, finds how long h + R is; at early
    blocks it is twenty times longer than h.
    """
    eps = precision(held.model.dtype)
    ratio = next((r for bound, r in _RATIO.items() if eps < bound), 16.0)
    lengths, everyone = held.lengths, list(range(held.count))
    for _ in range(2):
        alphas = sign * ratio * lengths / vector.norm
        seen = held.norm_inputs(everyone, alphas, vector).double().cpu().numpy()
        found = seen - alphas[:, None] * vector.values
        lengths = np.linalg.norm(found, axis=1)
    return np.asarray(found)
