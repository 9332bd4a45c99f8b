"""`last-block`: steering the last block's output in closed form, no forward pass.

With h the last position's residual, P the final norm's projection and g its gain, the logits are

    (a_z + alpha b_z) / sqrt(Q(alpha)) + c_z,     Q(alpha) = A alpha^2 + 2 B alpha + C,
    a = W (g * P h),   b = W (g * P v),           c = W (bias of the norm) + bias of W,
    A = mean (P v)^2,  B = mean (P h)(P v),       C = mean (P h)^2 + eps,

two unembeddings and one scalar. Each logit has at most one stationary point in alpha, at
(a B - b C) / (b B - a A), and tends to +- b / sqrt(A) + c: the plateau of Prop. 4.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax

from steering_strength.proofs_check.bridge._old.anatomy import Anatomy
from steering_strength.proofs_check.bridge._old.norms import FinalNorm

__all__ = ["LastBlock", "last_block", "last_block_losses"]

Floats = NDArray[np.float64]

# 64 positions of 50,000 logits: 13 MB of float32, which still fits the caches of a server core.
_POSITIONS = 64


@dataclass(frozen=True)
class LastBlock:
    """The closed form for one context.

    Parameters
    ----------
    a, b, c : numpy.ndarray
        Shape (V,), in nats (b: per unit alpha).
    A, B, C : float
        Coefficients of Q.
    """

    a: Floats
    b: Floats
    c: Floats
    A: float
    B: float
    C: float

    def log_probability(self, alphas: Floats) -> Floats:
        """Return log p_alpha, shape (A, V)."""
        strengths = np.atleast_1d(np.asarray(alphas, dtype=np.float64))
        found = np.empty((strengths.size, self.a.size))
        for row, alpha in zip(found, strengths, strict=True):
            # Dividing by max(1, |alpha|) first: alpha^2 would overflow where alpha does not.
            size = max(abs(float(alpha)), 1.0)
            s = float(alpha) / size
            root = np.sqrt(self.A * s * s + 2 * self.B * s / size + self.C / size / size)
            row[:] = log_softmax((self.a / size + s * self.b) / root + self.c)
        return found

    def plateau(self, sign: int) -> Floats:
        """Return log p at alpha -> sign * inf, shape (V,)."""
        return np.asarray(log_softmax(sign * self.b / np.sqrt(self.A) + self.c))

    def stationary(self) -> Floats:
        """Return the alpha at which each logit is stationary, shape (V,); inf where it never is."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return (self.a * self.B - self.b * self.C) / (self.b * self.B - self.a * self.A)


def last_block(anatomy: Anatomy, norm: FinalNorm, h: Floats, v: Floats) -> LastBlock:
    """Form the closed form from the residual h and the vector v, both (d,)."""
    centred_h, centred_v = norm.centred(h), norm.centred(v)
    states = np.stack([norm.gain * centred_h, norm.gain * centred_v, np.zeros_like(h)])
    dtype = anatomy.unembedding.weight.dtype
    with torch.no_grad():
        out = anatomy.unembedding(torch.as_tensor(states).to(dtype)).to(torch.float64).numpy()
        bias = anatomy.unembedding(torch.as_tensor(norm.bias).to(dtype)[None])
    offset = out[2]  # the unembedding's own bias, counted once
    scale = anatomy.logit_scale
    return LastBlock(
        a=scale * (out[0] - offset),
        b=scale * (out[1] - offset),
        c=scale * bias.to(torch.float64).numpy()[0],
        A=float(np.mean(centred_v**2)),
        B=float(np.mean(centred_h * centred_v)),
        C=float(np.mean(centred_h**2) + norm.eps),
    )


def last_block_losses(
    anatomy: Anatomy,
    norm: FinalNorm,
    residual: torch.Tensor,
    ids: torch.Tensor,
    vector: torch.Tensor,
    alphas: Floats,
) -> Floats:
    """Mean cross-entropy on text for every alpha, (A,), steered at all positions.

    One unembedding of the text serves all alphas; each needs one pass of exponentials. Positions
    go in pieces, so no array of shape (batch, T, V) exists.

    Parameters
    ----------
    residual : torch.Tensor
        Shape (R, T, d), outputs of the last block.
    ids : torch.Tensor
        Shape (R, T).
    """
    dtype = anatomy.unembedding.weight.dtype
    h = residual[:, :-1].reshape(-1, residual.shape[-1])
    goal = ids[:, 1:].reshape(-1)
    gain, bias = (torch.as_tensor(x).to(dtype) for x in (norm.gain, norm.bias))
    v = _centred(vector.to(dtype)[None], norm.kind)
    with torch.no_grad():
        zero = anatomy.unembedding(torch.zeros_like(v))
        b = anatomy.logit_scale * (anatomy.unembedding(gain * v) - zero)
        c = anatomy.logit_scale * anatomy.unembedding(bias[None])
        total = torch.zeros(len(alphas), dtype=torch.float64)
        for piece, wanted in zip(h.split(_POSITIONS), goal.split(_POSITIONS), strict=True):
            centred = _centred(piece, norm.kind)
            a = anatomy.logit_scale * (anatomy.unembedding(gain * centred) - zero)
            square = (centred**2).mean(1), (centred * v).mean(1), (v**2).mean()
            for i, alpha in enumerate(np.asarray(alphas, dtype=np.float64).tolist()):
                root = (square[0] + norm.eps + alpha * (2 * square[1] + alpha * square[2])).sqrt()
                logits = (a + alpha * b).div_(root[:, None]).add_(c)
                chosen = logits.gather(1, wanted[:, None])[:, 0]
                loss = torch.logsumexp(logits, dim=1) - chosen
                total[i] += loss.to(torch.float64).sum()
    return np.asarray((total / goal.numel()).numpy())


def _centred(x: torch.Tensor, kind: str) -> torch.Tensor:
    return x - x.mean(-1, keepdim=True) if kind == "layer" else x
