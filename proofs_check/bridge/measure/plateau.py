"""`norm-limit`: what is left of a prompt when alpha is large.

Steered at block l, the logits tend to LN_0(+-v) W^T whatever the prompt, like 1/alpha. How far is
far: alpha must exceed |h + R| / |v|, R being what the blocks above add. Those blocks see only the
direction of v in the end, so R tends to R_inf, and LN(h + R_inf + alpha v), from one extra pass,
predicts finite alphas far better than the limit itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax

from steering_strength.proofs_check.bridge._old.anatomy import Anatomy
from steering_strength.proofs_check.bridge._old.norms import FinalNorm
from steering_strength.proofs_check.bridge._old.upper import Upper, position_mask, read_out
from steering_strength.proofs_check.bridge.sites import Apply

__all__ = ["PAPER_REACH", "Plateau", "approach_plateau"]

Floats = NDArray[np.float64]

# The paper's sweeps end at 200, whatever the length of v.
PAPER_REACH = 200.0

# R is read off as the final residual minus alpha v, at |alpha v| this many times |h + R|: it then
# differs from R_inf by the inverse of that, and the subtraction costs as many digits.
_RATIO = {torch.float64: 1e6, torch.float32: 1e3}


@dataclass(frozen=True)
class Plateau:
    """The approach to one end of the alpha axis, for one context and site.

    Parameters
    ----------
    sign : int
    scale : float
        |h + R_inf| / |v|: the alpha beyond which the limit starts to be approached.
    alphas : numpy.ndarray
        Shape (D,), positive: the distances asked for times `scale`.
    to_limit : numpy.ndarray
        Shape (D,): total variation between the measured distribution and the plateau.
    to_refined : numpy.ndarray
        Shape (D,): the same for the prediction with R_inf.
    rate : float
        Slope of log |normed state - limit| against log alpha over the last two alphas; -1 is
        the theorem's.
    paper : tuple of float
        The two total variations at |alpha| = 200, where the paper's sweeps end.
    top : numpy.ndarray
        Shape (5,): the plateau's likeliest tokens.
    """

    sign: int
    scale: float
    alphas: Floats
    to_limit: Floats
    to_refined: Floats
    rate: float
    paper: tuple[float, float]
    top: NDArray[np.int64]


def approach_plateau(
    anatomy: Anatomy,
    upper: Upper,
    norm: FinalNorm,
    vector: torch.Tensor,
    distances: Floats,
    sign: int,
    apply: Apply = "all",
) -> Plateau:
    """Measure at sign * `distances` * |h + R_inf| / |v| and compare with both predictions.

    Parameters
    ----------
    distances : numpy.ndarray
        Shape (D,), increasing: how many times longer than h + R_inf the steering is.
    """
    v = vector.to(torch.float64).numpy()
    remainder = final_residual(anatomy, upper, vector, sign, apply)
    length = float(np.linalg.norm(norm.centred(v)))
    scale = float(np.linalg.norm(norm.centred(remainder))) / length
    alphas = scale * distances
    strengths = sign * np.concatenate([[PAPER_REACH], alphas])
    states = upper.last_normed(vector, strengths, apply)
    limit_state = norm.steering(np.zeros_like(v), v).limit(sign)
    measured = _softmax(anatomy, states)
    limit = _softmax(anatomy, _tensor(limit_state[None], states))
    refined = _softmax(anatomy, _tensor(norm.steering(remainder, v).output(strengths), states))
    to_limit = 0.5 * np.abs(measured - limit).sum(axis=1)
    to_refined = 0.5 * np.abs(measured - refined).sum(axis=1)
    gap = np.linalg.norm(states.to(torch.float64).numpy() - limit_state, axis=1)
    return Plateau(
        sign=sign,
        scale=scale,
        alphas=alphas,
        to_limit=to_limit[1:],
        to_refined=to_refined[1:],
        rate=float(np.log(gap[-1] / gap[-2]) / np.log(alphas[-1] / alphas[-2])),
        paper=(float(to_limit[0]), float(to_refined[0])),
        top=np.argsort(-limit[0], kind="stable")[:5],
    )


def final_residual(
    anatomy: Anatomy, upper: Upper, vector: torch.Tensor, sign: int, apply: Apply
) -> Floats:
    """h + R_inf at the last position, (d,): the final norm's input minus alpha v, far out.

    Two passes: the first, from the length of h, finds how long h + R is; at early blocks it is
    twenty times longer than h.
    """
    positions, last = position_mask(upper.batch, apply), int(upper.batch.last[0])
    wide = vector.to(upper.residual.dtype)
    length = float(upper.residual.norm(dim=-1).median())
    remainder = upper.residual[0, last]
    for _ in range(2):
        alpha = sign * _RATIO[upper.residual.dtype] * length / float(vector.norm())
        with _NormInput(anatomy) as seen:
            upper.normed(upper.steered(vector, alpha, positions))
        remainder = seen.value[0, last] - alpha * wide
        length = float(remainder.norm())
    return np.asarray(remainder.to(torch.float64).numpy())


class _NormInput:
    """Context manager that keeps what the final norm is given."""

    value: torch.Tensor

    def __init__(self, anatomy: Anatomy) -> None:
        self._module = anatomy.final_norm

    def __enter__(self) -> _NormInput:
        def keep(_module: Any, args: Any) -> None:
            self.value = args[0].detach()

        self._handle = self._module.register_forward_pre_hook(keep)
        return self

    def __exit__(self, *_error: object) -> None:
        self._handle.remove()


def _softmax(anatomy: Anatomy, states: torch.Tensor) -> Floats:
    return np.exp(log_softmax(read_out(anatomy, states).numpy(), axis=1))


def _tensor(states: Floats, like: torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(states).to(like.dtype)
