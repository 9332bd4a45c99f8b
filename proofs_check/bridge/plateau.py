"""`norm-limit`: what is left of a prompt when alpha is large.

Steered at block l, the logits tend to LN_0(+-v) W^T whatever the prompt, like 1/alpha. How far is
far: alpha must exceed |h + R| / |v|, R being what the blocks above add. Those blocks see only the
direction of v in the end, so R tends to R_inf, and LN(h + R_inf + alpha v), from one extra pass,
predicts finite alphas far better than the limit itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax

from proofs_check.bridge.anatomy import Anatomy
from proofs_check.bridge.hooks import Captured
from proofs_check.bridge.norms import FinalNorm
from proofs_check.bridge.sites import Apply
from proofs_check.bridge.upper import Upper, position_mask, read_out

__all__ = ["Plateau", "approach_plateau"]

Floats = NDArray[np.float64]

# R is read off as the final residual minus alpha v: digits are lost in proportion to the ratio
# |alpha v| / |h|, and R differs from R_inf in proportion to its inverse.
_RATIO = {torch.float64: 1e6, torch.float32: 1e3}


@dataclass(frozen=True)
class Plateau:
    """The approach to one end of the alpha axis, for one context and site.

    Parameters
    ----------
    sign : int
    alphas : numpy.ndarray
        Shape (A,), positive: |alpha| in increasing order.
    to_limit : numpy.ndarray
        Shape (A,): total variation between the measured distribution and the plateau.
    to_refined : numpy.ndarray
        Shape (A,): the same for the prediction with R_inf.
    scale : float
        |h + R_inf| / |v|: the alpha beyond which the limit starts to be approached.
    rate : float
        Slope of log(normed state - limit) against log alpha over the last two alphas; -1 is
        the theorem's.
    top : numpy.ndarray
        Shape (5,): the plateau's likeliest tokens.
    """

    sign: int
    alphas: Floats
    to_limit: Floats
    to_refined: Floats
    scale: float
    rate: float
    top: NDArray[np.int64]


def approach_plateau(
    anatomy: Anatomy,
    upper: Upper,
    norm: FinalNorm,
    vector: torch.Tensor,
    alphas: Floats,
    sign: int,
    apply: Apply = "all",
) -> Plateau:
    """Measure at sign * `alphas` (positive, increasing) and compare with both predictions."""
    v = vector.to(torch.float64).numpy()
    limit_state = norm.steering(np.zeros_like(v), v).limit(sign)
    states = upper.last_normed(vector, sign * alphas, apply)
    measured = _softmax(anatomy, states)
    limit = _softmax(anatomy, _tensor(limit_state[None], states))
    remainder = final_residual(anatomy, upper, vector, sign, apply)
    steering = norm.steering(remainder, v)
    refined = _softmax(anatomy, _tensor(steering.output(sign * alphas), states))
    gap = np.linalg.norm(states.to(torch.float64).numpy() - limit_state, axis=1)
    rate = float(np.log(gap[-1] / gap[-2]) / np.log(alphas[-1] / alphas[-2]))
    return Plateau(
        sign=sign,
        alphas=alphas,
        to_limit=0.5 * np.abs(measured - limit).sum(axis=1),
        to_refined=0.5 * np.abs(measured - refined).sum(axis=1),
        scale=float(np.linalg.norm(norm.centred(remainder)) / np.linalg.norm(norm.centred(v))),
        rate=rate,
        top=np.argsort(-limit[0], kind="stable")[:5],
    )


def final_residual(
    anatomy: Anatomy, upper: Upper, vector: torch.Tensor, sign: int, apply: Apply
) -> Floats:
    """h + R_inf at the last position, (d,): the final norm's input minus alpha v, far out."""
    dtype = upper.residual.dtype
    ratio = _RATIO[dtype]
    alpha = sign * ratio * float(upper.residual.norm(dim=-1).median() / vector.norm())
    seen: list[torch.Tensor] = []
    handle = anatomy.final_norm.register_forward_pre_hook(
        lambda _module, args: seen.append(args[0].detach())
    )
    try:
        with Captured(anatomy.final_norm):
            upper.normed(upper.steered(vector, alpha, position_mask(upper.batch, apply)))
    finally:
        handle.remove()
    state = seen[-1][0, int(upper.batch.last[0])]
    return np.asarray((state - alpha * vector.to(dtype)).to(torch.float64).numpy())


def _softmax(anatomy: Anatomy, states: torch.Tensor) -> Floats:
    return np.exp(log_softmax(read_out(anatomy, states).numpy(), axis=1))


def _tensor(states: Floats, like: torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(states).to(like.dtype)
