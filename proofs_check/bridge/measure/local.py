"""`local`: what one derivative at alpha = 0 says about any layer.

M_loc = d logits / d alpha at 0, by central differences of three steered states in one batch; the
second derivative comes with it. Then KL(p_0 || p_alpha) = alpha^2 Var_p(M_loc) / 2 + O(alpha^3),
which predicts the alpha that spends a budget before any sweep. Forward-mode differentiation would
give the same numbers but fails in common attention kernels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax

from steering_strength.proofs_check.bridge._old.anatomy import Anatomy
from steering_strength.proofs_check.bridge._old.upper import Upper, read_out
from steering_strength.proofs_check.bridge.sites import Apply

__all__ = ["BudgetPoint", "LocalTilt", "local_tilt", "measure_budgets"]

Floats = NDArray[np.float64]

# The central difference's error is (step sd)^2 / 6 relative: 2e-5 at 0.01. A smaller step would
# drown in the float32 arithmetic that RMSNorm keeps inside a float64 model.
_STEP = 0.01
_CLOSE = 1e-3
_ROUNDS = 12


@dataclass(frozen=True)
class LocalTilt:
    """First and second derivative of the last position's logits along v at one site.

    Parameters
    ----------
    log_p : numpy.ndarray
        Shape (V,), unsteered.
    slope, bend : numpy.ndarray
        Shape (V,): M_loc in nats per unit alpha, and l'' in nats per unit alpha squared.
    variance : float
        Var_p(M_loc): the Fisher information along v.
    step : float
        The alpha of the difference.
    """

    log_p: Floats
    slope: Floats
    bend: Floats
    variance: float
    step: float

    def alpha_for_budget(self, budget: float) -> float:
        """The |alpha| with KL(p_0 || p_alpha) = `budget` nats to second order."""
        return float(np.sqrt(2 * budget / self.variance))


def local_tilt(
    anatomy: Anatomy, upper: Upper, vector: torch.Tensor, apply: Apply = "all"
) -> LocalTilt:
    """Differentiate twice: the first batch of three states finds the scale of alpha."""
    length = float(upper.residual.norm(dim=-1).median() / vector.norm())
    step = 1e-4 * length
    for _ in range(2):
        states = upper.last_normed(vector, np.array([-step, 0.0, step]), apply)
        low, middle, high = read_out(anatomy, states).numpy()
        slope, bend = (high - low) / (2 * step), (high - 2 * middle + low) / step**2
        log_p = log_softmax(middle)
        p = np.exp(log_p)
        variance = float(p @ (slope - p @ slope) ** 2)
        used, step = step, _STEP / np.sqrt(variance)
    return LocalTilt(log_p, slope, bend, variance, used)


@dataclass(frozen=True)
class BudgetPoint:
    """The alpha that spends a budget of KL(p_0 || p_alpha), predicted and measured.

    Parameters
    ----------
    budget : float
        In nats.
    sign : int
    predicted : float
        From Var_p(M_loc) alone, signed.
    measured : float
        By secant steps on measured divergences, signed; nan if they did not settle within 0.1 %.
    evaluations : int
        Measured divergences that took.
    total_variation : float
        Between the measured distribution there and the tilt of p_0 by alpha M_loc.
    """

    budget: float
    sign: int
    predicted: float
    measured: float
    evaluations: int
    total_variation: float


def measure_budgets(
    anatomy: Anatomy,
    upper: Upper,
    vector: torch.Tensor,
    tilt: LocalTilt,
    budgets: tuple[float, ...] = (0.01, 0.1, 1.0),
    apply: Apply = "all",
) -> tuple[BudgetPoint, ...]:
    """Find the true alpha of each budget and sign, all of them in one batch per step.

    sqrt(KL) / |alpha| changes slowly, so alpha <- sqrt(budget) / that ratio is a secant through
    the origin; on a curve that flattens it converges from the seed in a few steps.
    """
    wanted = [(budget, sign) for budget in budgets for sign in (1, -1)]
    alpha = np.array([sign * tilt.alpha_for_budget(budget) for budget, sign in wanted])
    target = np.array([budget for budget, _ in wanted])
    p = np.exp(tilt.log_p)
    open_ = np.ones(len(wanted), dtype=bool)
    count = np.zeros(len(wanted), dtype=int)
    variation = np.full(len(wanted), np.nan)
    for _ in range(_ROUNDS):
        index = np.flatnonzero(open_)
        if not index.size:
            break
        states = upper.last_normed(vector, alpha[index], apply)
        log_q = log_softmax(read_out(anatomy, states).numpy(), axis=1)
        spent = (tilt.log_p - log_q) @ p
        count[index] += 1
        near = np.abs(spent / target[index] - 1) <= _CLOSE
        for i in index[near]:
            tilted = log_softmax(tilt.log_p + alpha[i] * tilt.slope)
            row = log_q[np.flatnonzero(index == i)[0]]
            variation[i] = 0.5 * np.abs(np.exp(tilted) - np.exp(row)).sum()
        open_[index[near]] = False
        move = np.sqrt(target[index] / np.maximum(spent, 1e-300))
        # A factor of 4 at most: far from the origin the ratio may be anything.
        alpha[index[~near]] *= np.clip(move[~near], 0.25, 4.0)
    return tuple(
        BudgetPoint(
            budget=budget,
            sign=sign,
            predicted=sign * tilt.alpha_for_budget(budget),
            measured=float("nan") if open_[i] else float(alpha[i]),
            evaluations=int(count[i]),
            total_variation=float(variation[i]),
        )
        for i, (budget, sign) in enumerate(wanted)
    )
