"""The cross-entropy on real text against alpha: Fig. 7 (bottom) and A.13 with predictions.

Predicted: the parabola of `ce-linear` around 0, and the plateau, which is the cross-entropy of one
fixed distribution, softmax(LN(+-v) W^T), whatever the context. The last block is measured in closed
form; the others by passes through the blocks above.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge._old.anatomy import Anatomy
from steering_strength.proofs_check.bridge._old.encoding import TokenBatch
from steering_strength.proofs_check.bridge._old.models import LoadedModel
from steering_strength.proofs_check.bridge._old.norms import FinalNorm
from steering_strength.proofs_check.bridge._old.upper import Upper, position_mask, read_out
from steering_strength.proofs_check.bridge.measure.last_block import last_block_losses
from steering_strength.proofs_check.bridge.measure.local import local_tilt
from steering_strength.proofs_check.bridge.measure.text_slope import text_slope, token_losses
from steering_strength.proofs_check.bridge.sites import Site
from steering_strength.proofs_check.bridge.verdicts.survey import asinh_grid

__all__ = ["EntropyCurve", "entropy_curve"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EntropyCurve:
    """Delta CE at one block, in nats per token.

    Parameters
    ----------
    layer : int
    alphas, measured : numpy.ndarray
        Shape (A,).
    slope, curvature : float
        Predicted at 0.
    plateau : tuple of float
        Predicted Delta CE at -inf and +inf.
    unsteered : float
        The cross-entropy at 0.
    """

    layer: int
    alphas: Floats
    measured: Floats
    slope: float
    curvature: float
    plateau: tuple[float, float]
    unsteered: float


def entropy_curve(
    loaded: LoadedModel,
    anatomy: Anatomy,
    norm: FinalNorm,
    vector: torch.Tensor,
    site: Site,
    windows: TokenBatch,
    *,
    reach: float = 100.0,
    half: int = 12,
) -> EntropyCurve:
    """Measure on [-reach, reach] and predict both the middle and the ends."""
    upper = Upper(loaded.model, anatomy, windows, site)
    mask, ids = position_mask(windows, "all"), windows.ids
    alphas = asinh_grid(reach, 1.0, half)
    if site.layer == len(anatomy.blocks) - 1:
        losses = last_block_losses(anatomy, norm, upper.residual, ids, vector, alphas)
    else:
        losses = np.array(
            [
                token_losses(anatomy, upper.normed(upper.steered(vector, a, mask)), ids).mean()
                for a in alphas.tolist()
            ]
        )
    one = Upper(loaded.model, anatomy, windows.row(0), site, verify=False)
    sd = local_tilt(anatomy, one, vector).variance ** 0.5
    local = text_slope(anatomy, upper, vector, sd)
    v = vector.to(torch.float64).numpy()
    steering = norm.steering(np.zeros_like(v), v)
    ends = torch.as_tensor(np.stack([steering.limit(-1), steering.limit(1)])).to(vector.dtype)
    log_p = torch.log_softmax(read_out(anatomy, ends), dim=-1)
    unsteered = float(losses[half])
    plateau = [-float(row[ids[:, 1:].reshape(-1)].mean()) - unsteered for row in log_p]
    return EntropyCurve(
        layer=int(site.layer or 0),
        alphas=alphas,
        measured=losses - unsteered,
        slope=local.predicted_slope,
        curvature=local.predicted_curvature,
        plateau=(plateau[0], plateau[1]),
        unsteered=unsteered,
    )
