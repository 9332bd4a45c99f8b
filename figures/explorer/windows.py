"""The strength window of a context: enough effect from here on, too high a price from there on.

The window is [first alpha with F_T >= level, last alpha with KL(p || p_alpha) <= budget] on the
positive side. Both ends are bracketed roots of the engine: neighbouring floats between which the
level or the budget is crossed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from steering_strength.figures.instances import BoolArray, FloatArray
from steering_strength.theory import TiltedFamily

__all__ = ["BUDGETS", "LEVELS", "Law", "Windows", "windows"]

Law = Callable[[FloatArray], FloatArray]
"""A law of the engine as a function of strengths, (A,) -> (A, ...)."""

BUDGETS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)


@dataclass(frozen=True)
class Windows:
    """The ends of all windows on offer, and what they cost and bring.

    Attributes
    ----------
    budget_alpha : (2, B)
        Where each budget is spent on the negative and on the positive side; +-inf if never.
    budget_probability : (B,)
        F_T at the positive one: the most that the budget buys where F_T increases.
    level_alpha : (L,)
        First alpha >= 0 with F_T >= level; inf if never.
    level_cost : (L,)
        KL(p || p_alpha) there, nats; inf if never.
    level_increase : (L,)
        Delta p(T) at which F_T has that level: (level - F_T(0)) / |T|.
    reason : tuple of str, length L
        Why a level is never reached, else empty.
    """

    budget_alpha: FloatArray
    budget_probability: FloatArray
    level_alpha: FloatArray
    level_cost: FloatArray
    level_increase: FloatArray
    reason: tuple[str, ...]


def windows(family: TiltedFamily, target: BoolArray) -> Windows:
    """Solve for every budget and level of the menu."""
    budgets = np.array(
        [[family.alpha_for_cross_entropy(b, sign) for b in BUDGETS] for sign in (-1, 1)]
    )
    roots = [family.concept_root(target, level, 1) for level in LEVELS]
    reached = np.array([root.alpha for root in roots])
    base = float(expit(family.concept_log_odds(target, 0.0)))
    return Windows(
        budget_alpha=budgets,
        budget_probability=_where_finite(
            budgets[1], lambda at: expit(family.concept_log_odds(target, at)), np.nan
        ),
        level_alpha=reached,
        level_cost=_where_finite(reached, family.cross_entropy_increase, np.inf),
        level_increase=(np.array(LEVELS) - base) / int(target.sum()),
        reason=tuple(root.reason for root in roots),
    )


def _where_finite(alpha: FloatArray, law: Law, otherwise: float) -> FloatArray:
    result = np.full(alpha.shape, otherwise)
    finite = np.isfinite(alpha)
    result[finite] = law(alpha[finite])
    return result
