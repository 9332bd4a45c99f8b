"""The probability of the concept's words against alpha: Fig. 7 (top), A.11 and A.12 by token sets.

The paper asks a language model whether a generated text shows the concept. The probability of a
set of words as next token, F_T, is another quantity that needs no judge and has predictions without
a free parameter: near 0 the tilt by M_loc, and the sigmoid expit(r + nu alpha) with the slope nu
that M_loc gives; at both ends the plateau. At the last block the closed form holds everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, log_softmax, logsumexp

from steering_strength.proofs_check.bridge._old.anatomy import Anatomy
from steering_strength.proofs_check.bridge._old.encoding import TokenBatch
from steering_strength.proofs_check.bridge._old.models import LoadedModel
from steering_strength.proofs_check.bridge._old.norms import FinalNorm
from steering_strength.proofs_check.bridge._old.upper import Upper, read_out
from steering_strength.proofs_check.bridge.measure.last_block import last_block
from steering_strength.proofs_check.bridge.measure.local import local_tilt
from steering_strength.proofs_check.bridge.sites import Site
from steering_strength.proofs_check.bridge.verdicts.survey import asinh_grid
from steering_strength.theory import TiltedFamily

__all__ = ["ConceptCurve", "concept_curve", "logit_of"]

Floats = NDArray[np.float64]

# Where KL(p_0 || p_alpha) exceeds 1 nat the expansions are not expected to say anything.
_NEAR_NATS = 1.0


@dataclass(frozen=True, eq=False)
class ConceptCurve:
    """F_T at one block, mean over the contexts.

    Parameters
    ----------
    layer : int
    alphas, measured : numpy.ndarray
        Shape (A,).
    tilt, sigmoid : numpy.ndarray
        Shape (A,): predictions from M_loc, nan where they are not meant to hold.
    exact : numpy.ndarray
        Shape (A,): the closed form of the last block, nan elsewhere.
    plateau : numpy.ndarray
        Shape (2,): F_T at -inf and +inf, one fixed distribution for all contexts.
    """

    layer: int
    alphas: Floats
    measured: Floats
    tilt: Floats
    sigmoid: Floats
    exact: Floats
    plateau: Floats


def logit_of(log_p: Floats, inside: NDArray[np.bool_]) -> Floats:
    """Logit of the probability of a set of tokens, (...,), from log-probabilities (..., V)."""
    return np.asarray(
        logsumexp(log_p[..., inside], axis=-1) - logsumexp(log_p[..., ~inside], axis=-1)
    )


def concept_curve(
    loaded: LoadedModel,
    anatomy: Anatomy,
    norm: FinalNorm,
    vector: torch.Tensor,
    site: Site,
    contexts: Sequence[TokenBatch],
    words: NDArray[np.int64],
    *,
    reach: float = 40.0,
    half: int = 20,
) -> ConceptCurve:
    """Measure and predict F_T on [-reach, reach], uniform in asinh(alpha).

    Parameters
    ----------
    words : numpy.ndarray
        Token ids of the concept.
    """
    alphas = asinh_grid(reach, min(1.0, reach / 40), half)
    inside = np.zeros(anatomy.vocabulary, dtype=bool)
    inside[words] = True
    v = vector.to(torch.float64).numpy()
    rows: dict[str, list[Floats]] = {"measured": [], "tilt": [], "sigmoid": [], "exact": []}
    for batch in contexts:
        upper = Upper(loaded.model, anatomy, batch, site)
        states = upper.last_normed(vector, alphas)
        logits = [logit_of(log_softmax(_logits(anatomy, s[None])[0]), inside) for s in states]
        rows["measured"].append(expit(np.array(logits)))
        tilt = local_tilt(anatomy, upper, vector)
        family = TiltedFamily(tilt.log_p, tilt.slope)
        near = family.cross_entropy_increase(alphas) <= _NEAR_NATS
        log_odds = family.concept_log_odds(inside, alphas)
        rows["tilt"].append(np.where(near, expit(log_odds), np.nan))
        # d logit F_T / d alpha at 0 is the difference of the conditional means of M.
        p = np.exp(tilt.log_p)
        nu = _mean(p, tilt.slope, inside) - _mean(p, tilt.slope, ~inside)
        rows["sigmoid"].append(np.where(near, expit(log_odds[half] + nu * alphas), np.nan))
        exact = np.full(alphas.size, np.nan)
        if site.layer == len(anatomy.blocks) - 1:
            h = upper.residual[0, int(batch.last[0])].to(torch.float64).numpy()
            form = last_block(anatomy, norm, h, v)
            exact = expit(logit_of(form.log_probability(alphas), inside))
        rows["exact"].append(exact)
    ends = np.stack([norm.steering(np.zeros_like(v), v).limit(sign) for sign in (-1, 1)])
    limit = log_softmax(_logits(anatomy, torch.as_tensor(ends).to(vector.dtype)), axis=1)
    mean = {name: np.stack(values).mean(axis=0) for name, values in rows.items()}
    return ConceptCurve(
        layer=int(site.layer or 0), alphas=alphas, plateau=expit(logit_of(limit, inside)), **mean
    )


def _mean(p: Floats, values: Floats, chosen: NDArray[np.bool_]) -> float:
    return float(p[chosen] @ values[chosen] / p[chosen].sum())


def _logits(anatomy: Anatomy, states: torch.Tensor) -> Floats:
    return np.asarray(read_out(anatomy, states).numpy())
