"""The law `final-norm` on a real model: predicted and measured next-token distributions.

Predicted: `TiltedFamily`, from the unsteered distribution and M alone; no free parameter.
Measured: the model's own forward pass with a hook on the final norm that adds alpha * v.
Neither side sees the other's numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from steering_strength.proofs_check.bridge._old.observe import steered_log_probability
from steering_strength.proofs_check.bridge.progress import Progress, silent
from steering_strength.proofs_check.bridge.steering.setting import Setting
from steering_strength.theory import TiltedFamily

__all__ = ["FinalNormSweep", "measure", "sweep"]

# Every fourth alpha is measured first, to find which tokens become likely somewhere.
_SCOUT = 4


@dataclass(frozen=True)
class FinalNormSweep:
    """Predicted and measured curves on one grid of alphas, m contexts, k tokens in each.

    Log-probabilities are natural logarithms; divergences are in nats.

    Parameters
    ----------
    alphas : numpy.ndarray
        Shape (A,), increasing, with an exact 0.
    tokens : numpy.ndarray
        Shape (m, k): the tokens most likely somewhere on the grid, most likely first.
    extremes : numpy.ndarray
        Shape (2,): argmin M and argmax M.
    predicted, measured : numpy.ndarray
        Shape (A, m, k), log p_alpha of `tokens`.
    extreme_measured : numpy.ndarray
        Shape (A, m, 2), measured log p_alpha of `extremes`.
    error : numpy.ndarray
        Shape (A, m), largest |predicted - measured| log-probability over all V tokens.
    total_variation : numpy.ndarray
        Shape (A, m), measured distance from the unsteered distribution.
    concept_predicted, concept_measured : numpy.ndarray
        Shape (A, m), logit of F_T.
    divergence_predicted, divergence_measured : numpy.ndarray
        Shape (A, m), KL(p_0 || p_alpha): the increase of the cross-entropy of a calibrated model.
    mean_measured : numpy.ndarray
        Shape (A, m), E_alpha[M] under the measured distribution.
    """

    alphas: NDArray[np.float64]
    tokens: NDArray[np.int64]
    extremes: NDArray[np.int64]
    predicted: NDArray[np.float64]
    measured: NDArray[np.float64]
    extreme_measured: NDArray[np.float64]
    error: NDArray[np.float64]
    total_variation: NDArray[np.float64]
    concept_predicted: NDArray[np.float64]
    concept_measured: NDArray[np.float64]
    divergence_predicted: NDArray[np.float64]
    divergence_measured: NDArray[np.float64]
    mean_measured: NDArray[np.float64]


def measure(setting: Setting, alpha: float) -> NDArray[np.float64]:
    """Log-probabilities (m, V) of the hooked forward pass at one alpha."""
    return steered_log_probability(
        setting.model,
        setting.anatomy,
        setting.batch,
        setting.anatomy.final_norm,
        setting.vector,
        alpha,
    )


def sweep(
    setting: Setting,
    alphas: NDArray[np.float64],
    *,
    tokens_per_context: int = 8,
    progress: Progress = silent,
) -> FinalNormSweep:
    """Measure on the grid `alphas` and evaluate the law at the same points.

    Only per-token curves of the chosen tokens are kept: memory is a few (m, V) arrays, not A.
    """
    scouted = {}
    for alpha in alphas[::_SCOUT]:
        scouted[float(alpha)] = measure(setting, float(alpha))
        progress(f"alpha = {alpha:g} measured")
    best = np.max(list(scouted.values()), axis=0)
    tokens = np.argsort(-best, axis=1, kind="stable")[:, :tokens_per_context]
    extremes = np.array([int(setting.log_odds.argmin()), int(setting.log_odds.argmax())])
    families = [setting.family(j) for j in range(setting.batch.rows)]
    rows = []
    for alpha in alphas:
        log_p = scouted.pop(float(alpha), None)
        if log_p is None:
            log_p = measure(setting, float(alpha))
            progress(f"alpha = {alpha:g} measured")
        rows.append(_compare(setting, families, float(alpha), log_p, tokens, extremes))
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return FinalNormSweep(alphas=alphas, tokens=tokens, extremes=extremes, **columns)


def _compare(
    setting: Setting,
    families: list[TiltedFamily],
    alpha: float,
    measured: NDArray[np.float64],
    tokens: NDArray[np.int64],
    extremes: NDArray[np.int64],
) -> dict[str, NDArray[np.float64]]:
    base = setting.baseline.log_p
    predicted = np.stack([family.log_probability(alpha) for family in families])
    p = np.exp(measured)
    inside = np.zeros(base.shape[1], dtype=bool)
    inside[setting.words] = True
    return {
        "predicted": np.take_along_axis(predicted, tokens, axis=1),
        "measured": np.take_along_axis(measured, tokens, axis=1),
        "extreme_measured": measured[:, extremes],
        "error": np.abs(predicted - measured).max(axis=1),
        "total_variation": 0.5 * np.abs(p - np.exp(base)).sum(axis=1),
        "concept_predicted": np.array([f.concept_log_odds(inside, alpha) for f in families]),
        # A ratio of two sums, each in log space: 1 - F_T would lose everything near F_T = 1.
        "concept_measured": logsumexp(measured[:, inside], axis=1)
        - logsumexp(measured[:, ~inside], axis=1),
        "divergence_predicted": np.array([f.cross_entropy_increase(alpha) for f in families]),
        "divergence_measured": (np.exp(base) * (base - measured)).sum(axis=1),
        "mean_measured": p @ setting.log_odds,
    }
