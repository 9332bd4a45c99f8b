"""Wrong ways to share a budget among prompts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from steering_strength.proofs_check.mutants.mutant import RIGHT, Mutant, mutant
from steering_strength.theory.engine import Allocation, TiltedPopulation

__all__ = ["MUTANTS"]

Floats = NDArray[np.float64]


def _at(population: TiltedPopulation, tokens: Any, right: Allocation, alpha: Floats) -> Allocation:
    """The same answer with other strengths, and what they really do."""
    odds, _, _, price, _ = population.trade(tokens, alpha, paired=True)
    return replace(right, alpha=alpha, gain=expit(odds) - right.start, price=price)


def common_for_all(population: TiltedPopulation, tokens: Any, budget: float) -> Allocation:
    """One alpha for all prompts, called the best."""
    right: Allocation = RIGHT.allocate(population, tokens, budget)
    return _at(population, tokens, right, np.full(right.alpha.size, right.common))


def along_the_slope(population: TiltedPopulation, tokens: Any, budget: float) -> Allocation:
    """The rule for small budgets, at any budget."""
    right: Allocation = RIGHT.allocate(population, tokens, budget)
    energy = float(right.leverage @ right.regression**2)
    return _at(population, tokens, right, right.regression * np.sqrt(2.0 * budget / energy))


def equal_prices(population: TiltedPopulation, tokens: Any, budget: float) -> Allocation:
    """Every prompt spends the same, in the direction that is best for it."""
    right: Allocation = RIGHT.allocate(population, tokens, budget)
    signs = np.where(right.regression >= 0.0, 1, -1)
    roots = [
        population.family(j).alpha_for_cross_entropy(budget, int(sign))
        for j, sign in enumerate(signs)
    ]
    return _at(population, tokens, right, np.array(roots))


def unweighted(population: TiltedPopulation, tokens: Any, budget: float) -> Allocation:
    """Every prompt counts the same."""
    flat = TiltedPopulation(population.log_p, population.log_odds)
    return replace(RIGHT.allocate(flat, tokens, budget), weights=np.asarray(population.weights))


def never_against(population: TiltedPopulation, tokens: Any, budget: float) -> Allocation:
    """No prompt is steered against the direction of the common alpha."""
    right: Allocation = RIGHT.allocate(population, tokens, budget)
    kept = np.where(right.alpha * right.common >= 0.0, right.alpha, 0.0)
    return _at(population, tokens, right, kept)


def half_spent(population: TiltedPopulation, tokens: Any, budget: float) -> Allocation:
    """Half of the budget is left over."""
    return replace(RIGHT.allocate(population, tokens, 0.5 * budget), budget=budget)


def no_gap(population: TiltedPopulation, tokens: Any, budget: float) -> Allocation:
    """What was found is called the most there is."""
    right: Allocation = RIGHT.allocate(population, tokens, budget)
    return replace(right, bound=right.average_common_gain)


def correlation(population: TiltedPopulation, tokens: Any, budget: float) -> Allocation:
    """beta is the covariance over the standard deviation."""
    right: Allocation = RIGHT.allocate(population, tokens, budget)
    sd = np.sqrt(right.leverage / right.weights)
    return replace(right, regression=right.regression * sd)


def flat_leverage(population: TiltedPopulation, tokens: Any, budget: float) -> Allocation:
    """beta is averaged with the weights pi_j, without Var_j(M)."""
    right: Allocation = RIGHT.allocate(population, tokens, budget)
    return replace(right, leverage=right.weights)


def without_root(found: Allocation) -> float:
    """1 + CV^2 for the ratio of gains: it is the square of that."""
    return float(RIGHT.predicted_ratio.fget(found) ** 2)


def spread_only(found: Allocation) -> float:
    """1 + CV for sqrt(1 + CV^2)."""
    return float(1.0 + np.sqrt(RIGHT.predicted_ratio.fget(found) ** 2 - 1.0))


MUTANTS: tuple[Mutant, ...] = (
    *(
        mutant("allocation", allocate=wrong)
        for wrong in (
            common_for_all,
            along_the_slope,
            equal_prices,
            unweighted,
            never_against,
            half_spent,
            no_gap,
            correlation,
            flat_leverage,
        )
    ),
    *(mutant("allocation", predicted_ratio=wrong) for wrong in (without_root, spread_only)),
)
