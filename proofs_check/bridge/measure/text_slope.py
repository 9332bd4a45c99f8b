"""`ce-linear`: the slope of the cross-entropy on text is a miscalibration along v.

The linear coefficient of Delta CE is E_model[M_loc] - E_data[M_loc]: zero for a calibrated model,
so zero within noise on text sampled from the model, and in general not zero on real text. The
curvature is E Var(M_loc) + E_model[l''] - E_data[l'']. Predicted from the logits' derivatives at 0,
measured from the losses of steered passes further out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge._old.anatomy import Anatomy
from steering_strength.proofs_check.bridge._old.upper import Upper, position_mask, read_out

__all__ = ["TextSlope", "text_slope", "token_losses"]

Floats = NDArray[np.float64]

# A (rows, V) array of logits and its copy in float64, 12 MiB together. Twice as many rows are a
# fifth faster, but the peak of memory is then above a quarter of what a plain forward pass needs.
_CELLS = 1 << 20
# The derivative is taken at 0.03 sd, because the second one divides rounding by the step's square;
# the losses are measured at 0.1 and 0.2 sd: different passes, so that agreement is not an identity
# of floating-point numbers.
_NEAR, _FAR = 0.03, 0.1


@dataclass(frozen=True)
class TextSlope:
    """Slope and curvature of the mean cross-entropy at alpha = 0 over n predicted tokens.

    Parameters
    ----------
    tokens : int
        n.
    predicted_slope, measured_slope : float
        In nats per token and unit alpha.
    standard_error : float
        Of the slope over draws of the text: standard deviation over tokens / sqrt(n).
    predicted_curvature, measured_curvature : float
    variance : float
        E Var(M_loc): the curvature of a calibrated model.
    alphas, losses : numpy.ndarray
        Shape (5,): where the losses were measured, and the mean cross-entropies in nats.
    """

    tokens: int
    predicted_slope: float
    measured_slope: float
    standard_error: float
    predicted_curvature: float
    measured_curvature: float
    variance: float
    alphas: Floats
    losses: Floats

    @property
    def z(self) -> float:
        """The predicted slope in standard errors: how surely the model is miscalibrated along v."""
        return self.predicted_slope / self.standard_error


def token_losses(anatomy: Anatomy, states: torch.Tensor, ids: torch.Tensor) -> Floats:
    """-log p of each next token, (R, T - 1), in pieces of positions: never (R, T, V) at once."""
    rows, length, width = states.shape
    flat = states[:, :-1].reshape(-1, width)
    goal = ids[:, 1:].reshape(-1)
    losses = []
    for piece, wanted in zip(flat.split(_step(anatomy)), goal.split(_step(anatomy)), strict=True):
        logits = read_out(anatomy, piece)
        chosen = logits.gather(1, wanted[:, None])[:, 0]
        top = logits.amax(dim=1)
        # In place: torch.logsumexp would make two more arrays of this size.
        total = logits.sub_(top[:, None]).exp_().sum(dim=1)
        losses.append(total.log_() + top - chosen)
    return np.asarray(torch.cat(losses).reshape(rows, length - 1).numpy())


def text_slope(anatomy: Anatomy, upper: Upper, vector: torch.Tensor, sd: float) -> TextSlope:
    """Predict and measure on the windows that `upper` holds, steered at all positions.

    `sd` is the scale of M_loc in nats per unit alpha, which sets the steps: `local_tilt` of any
    context at this site knows it well enough.
    """
    ids = upper.batch.ids
    everywhere = position_mask(upper.batch, "all")

    def normed(alpha: float) -> torch.Tensor:
        return upper.normed(upper.steered(vector, alpha, everywhere))

    centre = normed(0.0)
    step, far = _NEAR / sd, _FAR / sd
    slopes, bends, variances = _derivatives(
        anatomy, (normed(-step), centre, normed(step)), ids, step
    )
    variance = float(variances.mean())
    alphas: Floats = far * np.arange(-2.0, 3.0)
    states = [normed(a) if a else centre for a in alphas.tolist()]
    f = np.array([token_losses(anatomy, s, ids).mean() for s in states])
    return TextSlope(
        tokens=slopes.size,
        predicted_slope=float(slopes.mean()),
        measured_slope=float((8 * (f[3] - f[1]) - (f[4] - f[0])) / (12 * far)),
        standard_error=float(slopes.std(ddof=1) / slopes.size**0.5),
        predicted_curvature=float((variances + bends).mean()),
        measured_curvature=float(
            (-f[4] + 16 * f[3] - 30 * f[2] + 16 * f[1] - f[0]) / (12 * far * far)
        ),
        variance=variance,
        alphas=alphas,
        losses=f,
    )


def _derivatives(
    anatomy: Anatomy, states: tuple[torch.Tensor, ...], ids: torch.Tensor, step: float
) -> tuple[Floats, Floats, Floats]:
    """Per token: E_model[M] - M(y), E_model[l''] - l''(y), Var_model(M)."""
    width = states[0].shape[-1]
    flat = [s[:, :-1].reshape(-1, width) for s in states]
    goal = ids[:, 1:].reshape(-1)
    columns: tuple[list[torch.Tensor], ...] = ([], [], [])
    size = _step(anatomy)
    for start in range(0, goal.numel(), size):
        low, middle, high = (read_out(anatomy, s[start : start + size]) for s in flat)
        wanted = goal[start : start + size, None]
        p = torch.softmax(middle, dim=1)
        bend = (high + low - 2 * middle) / step**2
        slope = (high - low) / (2 * step)
        mean = (p * slope).sum(1, keepdim=True)
        columns[0].append((mean - slope.gather(1, wanted))[:, 0])
        columns[1].append((p * bend).sum(1) - bend.gather(1, wanted)[:, 0])
        columns[2].append((p * (slope - mean) ** 2).sum(1))
    first, second, third = (np.asarray(torch.cat(c).numpy()) for c in columns)
    return first, second, third


def _step(anatomy: Anatomy) -> int:
    return max(1, _CELLS // anatomy.vocabulary)
