"""One panel of the paper's real-model figures: token probabilities against alpha, with predictions.

Measured by passes through the blocks above the site. Predicted without a free parameter, where
theory says something: near 0 by the tilt with M_loc, far out by LN(h + R_inf + alpha v), at the end
by the plateau LN(+-v) W^T; at the last block by the closed form, everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax

from steering_strength.proofs_check.bridge._old.anatomy import Anatomy
from steering_strength.proofs_check.bridge._old.encoding import TokenBatch
from steering_strength.proofs_check.bridge._old.models import LoadedModel
from steering_strength.proofs_check.bridge._old.norms import FinalNorm
from steering_strength.proofs_check.bridge._old.upper import Upper, read_out
from steering_strength.proofs_check.bridge.measure.adaptive import adaptive_curve
from steering_strength.proofs_check.bridge.measure.last_block import last_block
from steering_strength.proofs_check.bridge.measure.local import local_tilt
from steering_strength.proofs_check.bridge.measure.plateau import final_residual
from steering_strength.proofs_check.bridge.sites import Apply, Site
from steering_strength.theory import TiltedFamily

__all__ = ["Panel", "bump_panel", "mean_and_band"]

Floats = NDArray[np.float64]

# Beyond a divergence of 1 nat the tilt by M_loc is not expected to say anything.
_NEAR_NATS = 1.0
_BAND = (0.1, 0.9)
# In probability: half the width of a point in the figure.
_SPLINE_TOLERANCE, _START = 5e-3, 13


@dataclass(frozen=True, eq=False)
class Panel:
    """Arrays of one panel; probabilities are increases over alpha = 0.

    Parameters
    ----------
    title : str
    tokens : numpy.ndarray
        Shape (k,): the likeliest tokens at the far end of the shown range, the paper's choice.
    token_text : tuple of str
        Their labels.
    alphas : numpy.ndarray
        Shape (A,), increasing, on one side of 0.
    measured : numpy.ndarray
        Shape (A, k), Delta p.
    near, far : numpy.ndarray
        Shape (A, k): the two predictions, nan where they are not meant to hold.
    exact : numpy.ndarray
        Shape (A, k): the closed form of the last block, nan elsewhere.
    plateau : numpy.ndarray
        Shape (k,): Delta p at the end of the axis.
    low, high : numpy.ndarray
        Shape (A, k): quantiles over resampled P and N; nan without resampling.
    error : float
        Largest |spline - measured| where the last nodes were added; nan for alphas that were given.
    """

    title: str
    tokens: NDArray[np.int64]
    token_text: tuple[str, ...]
    alphas: Floats
    measured: Floats
    near: Floats
    far: Floats
    exact: Floats
    plateau: Floats
    low: Floats
    high: Floats
    error: float


def bump_panel(
    loaded: LoadedModel,
    anatomy: Anatomy,
    norm: FinalNorm,
    vector: torch.Tensor,
    site: Site,
    batch: TokenBatch,
    *,
    title: str,
    reach: float = 200.0,
    sign: int = 1,
    apply: Apply = "all",
    most: int = 49,
    alphas: Floats | None = None,
    tokens: NDArray[np.int64] | None = None,
    count: int = 8,
) -> Panel:
    """Measure and predict one panel on [0, reach] or [-reach, 0].

    The alphas are nodes in asinh(alpha), halved where a spline through the others misses a token's
    probability by 0.005, `most` of them at most; or the `alphas` that are given, (A,), with a 0.
    """
    upper = Upper(loaded.model, anatomy, batch, site)
    if tokens is None:
        (end,) = _log_p(anatomy, upper.last_normed(vector, np.array([sign * reach]), apply))
        tokens = np.argsort(-end, kind="stable")[:count]
    chosen = tokens

    def probabilities(strengths: Floats) -> Floats:
        return np.exp(_log_p(anatomy, upper.last_normed(vector, strengths, apply))[:, chosen])

    error = float("nan")
    if alphas is None:
        low, high = sorted((0.0, sign * reach))
        curve = adaptive_curve(
            probabilities, low, high,
            unit=min(1.0, reach / 50), tolerance=_SPLINE_TOLERANCE, start=_START, most=most,
        )  # fmt: skip
        alphas, values, error = curve.alphas, curve.values, curve.error
    else:
        values = probabilities(alphas)
    base = values[int(np.abs(alphas).argmin())]
    v = vector.to(torch.float64).numpy()

    def increase(values: Floats) -> Floats:
        return np.exp(values[:, tokens]) - base

    tilt = local_tilt(anatomy, upper, vector, apply)
    family = TiltedFamily(tilt.log_p, tilt.slope)
    near = np.stack([family.log_probability(float(a)) for a in alphas])
    within = family.cross_entropy_increase(alphas) <= _NEAR_NATS
    remainder = final_residual(anatomy, upper, vector, sign, apply)
    steering = norm.steering(remainder, v)
    scale = np.linalg.norm(norm.centred(remainder)) / np.linalg.norm(norm.centred(v))
    far = _log_p(anatomy, _tensor(steering.output(alphas), vector))
    limit = _log_p(anatomy, _tensor(steering.limit(sign)[None], vector))
    exact = np.full((alphas.size, tokens.size), np.nan)
    if site.layer == len(anatomy.blocks) - 1:
        h = upper.residual[0, int(batch.last[0])].to(torch.float64).numpy()
        exact = increase(last_block(anatomy, norm, h, v).log_probability(alphas))
    return Panel(
        title=title,
        tokens=tokens,
        token_text=tuple(_text(loaded.tokenizer, int(t)) for t in tokens),
        alphas=alphas,
        measured=values - base,
        near=np.where(within[:, None], increase(near), np.nan),
        far=np.where((np.abs(alphas) >= scale)[:, None], increase(far), np.nan),
        exact=exact,
        plateau=increase(limit)[0],
        low=np.full((alphas.size, tokens.size), np.nan),
        high=np.full((alphas.size, tokens.size), np.nan),
        error=error,
    )


def mean_and_band(panels: Sequence[Panel], title: str) -> Panel:
    """Mean and the central 80 % of the measured curves of panels with the same tokens.

    Quantiles, not standard deviations: a probability cannot fall below 0, and a band should not.
    """
    curves = np.stack([panel.measured for panel in panels])
    low, high = np.quantile(curves, _BAND, axis=0)
    first = panels[0]
    return Panel(
        title=title,
        tokens=first.tokens,
        token_text=first.token_text,
        alphas=first.alphas,
        measured=curves.mean(axis=0),
        near=np.stack([panel.near for panel in panels]).mean(axis=0),
        far=np.stack([panel.far for panel in panels]).mean(axis=0),
        exact=np.stack([panel.exact for panel in panels]).mean(axis=0),
        plateau=np.stack([panel.plateau for panel in panels]).mean(axis=0),
        low=low,
        high=high,
        error=first.error,
    )


def _log_p(anatomy: Anatomy, states: torch.Tensor) -> Floats:
    return np.stack([log_softmax(read_out(anatomy, state[None])[0].numpy()) for state in states])


def _tensor(states: Floats, like: torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(states).to(like.dtype)


def _text(tokenizer: Any, token: int) -> str:
    text = tokenizer.decode([token])
    return ascii(text)[1:-1].replace(" ", "\N{MIDDLE DOT}") if text.strip() else f"<{token}>"
