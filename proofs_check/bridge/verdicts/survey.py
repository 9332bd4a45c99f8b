"""Everything that is measured at one block: the material of the law report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

from steering_strength.proofs_check.bridge._old.anatomy import Anatomy
from steering_strength.proofs_check.bridge._old.encoding import TokenBatch
from steering_strength.proofs_check.bridge._old.models import LoadedModel
from steering_strength.proofs_check.bridge._old.norms import FinalNorm
from steering_strength.proofs_check.bridge._old.upper import Cost, Upper, read_out
from steering_strength.proofs_check.bridge.measure.last_block import last_block
from steering_strength.proofs_check.bridge.measure.local import (
    BudgetPoint,
    LocalTilt,
    local_tilt,
    measure_budgets,
)
from steering_strength.proofs_check.bridge.measure.plateau import (
    PAPER_REACH,
    Plateau,
    approach_plateau,
)
from steering_strength.proofs_check.bridge.measure.text_slope import TextSlope, text_slope
from steering_strength.proofs_check.bridge.progress import Progress, silent
from steering_strength.proofs_check.bridge.sites import Apply
from steering_strength.proofs_check.bridge.steering.vectors import SteeringVector
from steering_strength.theory import TiltedFamily

__all__ = ["DISTANCES", "ContextSurvey", "SiteSurvey", "asinh_grid", "survey_site"]

Floats = NDArray[np.float64]

# The steering's length in units of |h + R_inf|.
DISTANCES = np.array([1e1, 1e2, 1e3])
_TOP = 8


@dataclass(frozen=True)
class ContextSurvey:
    """One context at one site.

    Parameters
    ----------
    tilt : LocalTilt
    budgets : tuple of BudgetPoint
    plateaus : tuple of Plateau
        At +inf and -inf.
    tokens : numpy.ndarray
        Shape (k,): the likeliest tokens at the upper end of the grid, the paper's choice.
    near_tokens : numpy.ndarray
        Shape (k,): the likeliest tokens anywhere with |alpha v| up to the residual's length.
    measured, near_measured : numpy.ndarray
        Shape (A, k), log p_alpha of the two sets.
    concept_measured, concept_predicted : numpy.ndarray
        Shape (A,): logit F_T, and what tilting by M_loc says.
    divergence_measured, divergence_predicted : numpy.ndarray
        Shape (A,), KL(p_0 || p_alpha), and what tilting by M_loc says.
    closed_form_error : float
        Largest |closed form - measured| log p over the grid; nan below the last block.
    state_length : float
        Largest Euclidean norm of a normed state on the grid; scales the rounding error.
    """

    tilt: LocalTilt
    budgets: tuple[BudgetPoint, ...]
    plateaus: tuple[Plateau, ...]
    tokens: NDArray[np.int64]
    near_tokens: NDArray[np.int64]
    measured: Floats
    near_measured: Floats
    concept_measured: Floats
    concept_predicted: Floats
    divergence_measured: Floats
    divergence_predicted: Floats
    closed_form_error: float
    state_length: float


@dataclass(frozen=True)
class SiteSurvey:
    """Everything measured at one block output.

    Parameters
    ----------
    vector : SteeringVector
    unit : float
        Median |h| / |v|: the alpha at which the steering is as long as the residual.
    alphas : numpy.ndarray
        Shape (A,), the common grid.
    contexts : tuple of ContextSurvey
    real, sampled : TextSlope
        On library text, and on text sampled from the model.
    cost : str
        Forward passes and token-forwards spent here.
    substituted : bool
        Whether the blocks below were run once only.
    """

    vector: SteeringVector
    unit: float
    alphas: Floats
    contexts: tuple[ContextSurvey, ...]
    real: TextSlope
    sampled: TextSlope
    cost: str
    substituted: bool


def asinh_grid(reach: float, unit: float, half: int) -> Floats:
    """2 half + 1 alphas on [-reach, reach], uniform in asinh(alpha / unit), with an exact 0.

    Dense where the distribution changes, geometric where it approaches its plateau.
    """
    positive = unit * np.sinh(np.linspace(0.0, np.arcsinh(reach / unit), half + 1))
    positive[0], positive[-1] = 0.0, reach
    return np.concatenate([-positive[:0:-1], positive])


def survey_site(
    loaded: LoadedModel,
    anatomy: Anatomy,
    norm: FinalNorm,
    vector: SteeringVector,
    contexts: Sequence[TokenBatch],
    words: NDArray[np.int64],
    texts: tuple[TokenBatch, TokenBatch],
    *,
    half: int = 24,
    apply: Apply = "all",
    progress: Progress = silent,
) -> SiteSurvey:
    """Measure one block: contexts one by one, then real and sampled text.

    `apply` is the rule for the contexts; text is steered at every position, because each of its
    tokens is predicted from another last position.
    """
    cost = Cost()
    site = vector.site
    v = torch.as_tensor(vector.values).to(anatomy.unembedding.weight.dtype)
    unit = vector.metadata.residual_norm / vector.metadata.norm
    reach = max(PAPER_REACH, unit)
    found = []
    alphas = asinh_grid(reach, 1.0, half)
    substituted = True
    for index, batch in enumerate(contexts):
        upper = Upper(loaded.model, anatomy, batch, site, cost)
        substituted = substituted and upper.substituted
        found.append(_context(anatomy, norm, upper, v, alphas, unit, words, apply))
        progress(f"{site.name}: context {index + 1} of {len(contexts)} measured")
    sd = float(np.median([c.tilt.variance for c in found])) ** 0.5
    slopes = []
    for name, batch in zip(("library", "sampled"), texts, strict=True):
        slopes.append(text_slope(anatomy, Upper(loaded.model, anatomy, batch, site, cost), v, sd))
        progress(f"{site.name}: cross-entropy on {name} text measured")
    return SiteSurvey(
        vector=vector,
        unit=unit,
        alphas=alphas,
        contexts=tuple(found),
        real=slopes[0],
        sampled=slopes[1],
        cost=str(cost),
        substituted=substituted,
    )


def _context(
    anatomy: Anatomy,
    norm: FinalNorm,
    upper: Upper,
    vector: torch.Tensor,
    alphas: Floats,
    unit: float,
    words: NDArray[np.int64],
    apply: Apply,
) -> ContextSurvey:
    tilt = local_tilt(anatomy, upper, vector, apply)
    states = upper.last_normed(vector, alphas, apply)
    log_p = np.stack([log_softmax(read_out(anatomy, state[None])[0].numpy()) for state in states])
    family = TiltedFamily(tilt.log_p, tilt.slope)
    inside = np.zeros(log_p.shape[1], dtype=bool)
    inside[words] = True
    near = np.abs(alphas) <= unit
    tokens = np.argsort(-log_p[-1], kind="stable")[:_TOP]
    near_tokens = np.argsort(-log_p[near].max(axis=0), kind="stable")[:_TOP]
    error = float("nan")
    if upper.site.layer == len(anatomy.blocks) - 1:
        h = upper.residual[0, int(upper.batch.last[0])].to(torch.float64).numpy()
        form = last_block(anatomy, norm, h, vector.to(torch.float64).numpy())
        error = float(np.abs(form.log_probability(alphas) - log_p).max())
    return ContextSurvey(
        tilt=tilt,
        budgets=measure_budgets(anatomy, upper, vector, tilt, apply=apply),
        plateaus=tuple(
            approach_plateau(anatomy, upper, norm, vector, DISTANCES, sign, apply)
            for sign in (1, -1)
        ),
        tokens=tokens,
        near_tokens=near_tokens,
        measured=log_p[:, tokens],
        near_measured=log_p[:, near_tokens],
        concept_measured=logsumexp(log_p[:, inside], axis=1) - logsumexp(log_p[:, ~inside], axis=1),
        concept_predicted=family.concept_log_odds(inside, alphas),
        divergence_measured=(np.exp(tilt.log_p) * (tilt.log_p - log_p)).sum(axis=1),
        divergence_predicted=family.cross_entropy_increase(alphas),
        closed_form_error=error,
        state_length=float(states.norm(dim=-1).max()),
    )
