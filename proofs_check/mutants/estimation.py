"""Wrong ways to say how sure a strength is, and wrong ways to share a budget among prompts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from steering_strength.proofs_check import check_allocation, check_estimation
from steering_strength.proofs_check.mutants.mutant import Mutant, wrong
from steering_strength.theory import TiltedFamily
from steering_strength.theory.engine import Allocation, TiltedPopulation, estimation
from steering_strength.theory.engine.estimation import Estimate

Floats = NDArray[np.float64]


def _gradient(goal: str, change: Callable[..., Floats]) -> Callable[..., Any]:
    """Another gradient for one goal, from (family, p_alpha, mask)."""

    def formula(right: Any, family: TiltedFamily, alpha: float, asked: str, mask: Any) -> Any:
        p, gradient, curvature = right(family, alpha, asked, mask)
        return p, change(family, p, mask) if asked == goal else gradient, curvature

    return formula


def _changed(change: Callable[[Floats, Floats], tuple[Any, Any]]) -> Callable[..., Estimate]:
    """An estimate with other influences."""

    def formula(right: Any, *args: Any, **options: Any) -> Estimate:
        found: Estimate = right(*args, **options)
        positive, negative = change(found.positive, found.negative)
        return replace(found, positive=positive, negative=negative)

    return formula


def _more(found: Estimate, times: float) -> tuple[int, int]:
    return math.ceil(found.positive.size * times), math.ceil(found.negative.size * times)


def _at(strengths: Callable[[TiltedPopulation, Allocation, float], Floats]) -> Callable[..., Any]:
    """The same answer with other strengths, and what they really do."""

    def formula(right: Any, population: TiltedPopulation, tokens: Any, budget: float) -> Allocation:
        found: Allocation = right(population, tokens, budget)
        alpha = strengths(population, found, budget)
        odds, _, _, price, _ = population.trade(tokens, alpha, paired=True)
        return replace(found, alpha=alpha, gain=expit(odds) - found.start, price=price)

    return formula


def _with(change: Callable[[Allocation], dict[str, Any]]) -> Callable[..., Allocation]:
    """The same answer with other numbers in it."""

    def formula(right: Any, *args: Any) -> Allocation:
        found: Allocation = right(*args)
        return replace(found, **change(found))

    return formula


# fmt: off
MUTANTS: tuple[Mutant, ...] = (
    *wrong(check_estimation.influence, (estimation, "_derivatives"), {
        "without-reference: the gradient of the price is p_alpha, not p_alpha - p":
            _gradient("cross_entropy", lambda family, p, mask: p),
        "of-the-variance: the gradient of the quadratic law, p (M - E[M]) for p_alpha - p":
            _gradient("cross_entropy", lambda family, p, mask: family.slope(0.0)),
        "forward-for-reverse: the reverse divergence moves as the price does":
            lambda right, family, alpha, goal, mask:
            right(family, alpha, "cross_entropy" if goal == "reverse_kl" else goal, mask),
        "uncentred-level: the gradient of F is p_alpha on C and nothing elsewhere":
            _gradient("level", lambda family, p, mask: np.where(mask, p, 0.0)),
        "fixed-peak: a peak follows its own M only, that the mean moves with it is left out":
            _gradient("peak", lambda family, p, mask: p - mask),
    }),
    *wrong(check_estimation.influence, "estimate", {
        "same-sign: a text of N moves alpha as one of P does":
            _changed(lambda p, n: (p, -n)),
        "pooled: each text weighs 1/(|P| + |N|)":
            _changed(lambda p, n: (p * p.size / (p.size + n.size), n * n.size / (p.size + n.size))),
        "left-out: 1/(n - 1) for 1/n, what leaving a text out does":
            _changed(lambda p, n: (p * p.size / (p.size - 1), n * n.size / (n.size - 1))),
    }),
    *wrong(check_estimation.standard_error, "Estimate.variances", {
        "plug-in: the sums of squares without n/(n - 1)":
            lambda _, found: tuple(float(x @ x) for x in (found.positive, found.negative)),
        "of-one-text: the variance of one text for that of a mean":
            lambda right, found: (found.positive.size * right(found)[0],
                                  found.negative.size * right(found)[1]),
    }),
    *wrong(check_estimation.standard_error, "Estimate.standard_error", {
        "added: the errors of the two sides added, not their squares":
            lambda _, found: sum(map(math.sqrt, found.variances)),
    }),
    *wrong(check_estimation.standard_error, "Estimate.texts_for", {
        "twice-as-many: as many times more texts as the error shall be smaller":
            lambda _, found, factor=0.5: _more(found, 1 / factor),
        "in-proportion: P and N grow alike, whichever scatters more":
            lambda _, found, factor=0.5: _more(found, 1 / factor**2),
    }),
    *wrong(check_estimation.text_bias, (estimation._Goal, "bend"), {
        "along-the-text: f'' along dM alone, as if alpha stayed where it is":
            lambda right, goal, change, moves: float(right(goal, change, 0.0 * moves)),
    }),
    *wrong(check_estimation.text_bias, "estimate", {
        "unbiased: 1/alpha has no bias, since M has none":
            lambda right, *args, **options: replace(right(*args, **options), inverse_bias=0.0),
    }),
    *wrong(check_estimation.text_bias, "Estimate.unlimited", {
        "other-way: the bias added instead of taken off":
            lambda _, found: 1.0 / (1.0 / found.alpha + found.inverse_bias),
    }),
    *wrong(check_estimation.text_bias, "Estimate.interval", {
        "symmetric: alpha -+ 1.96 standard errors, as if alpha and not 1/alpha were linear":
            lambda _, found, confidence=0.95:
            tuple(found.alpha + s * 1.959963984540054 * found.standard_error for s in (-1, 1)),
    }),
    *wrong(check_allocation.allocation_, "allocate", {
        "common-for-all: one alpha for all prompts, called the best":
            _at(lambda _, found, budget: np.full(found.alpha.size, found.common)),
        "along-the-slope: the rule for small budgets, at any budget":
            _at(lambda _, found, budget: found.regression
                * np.sqrt(2.0 * budget / float(found.leverage @ found.regression**2))),
        "equal-prices: every prompt spends the same, in the direction that is best for it":
            _at(lambda population, found, budget: np.array([
                population.family(j).alpha_for_cross_entropy(budget, 1 if beta >= 0.0 else -1)
                for j, beta in enumerate(found.regression)])),
        "unweighted: every prompt counts the same":
            lambda right, population, tokens, budget: replace(
                right(TiltedPopulation(population.log_p, population.log_odds), tokens, budget),
                weights=np.asarray(population.weights)),
        "never-against: no prompt is steered against the direction of the common alpha":
            _at(lambda _, found, budget: np.where(found.alpha * found.common >= 0, found.alpha, 0)),
        "half-spent: half of the budget is left over":
            lambda right, population, tokens, budget:
            replace(right(population, tokens, 0.5 * budget), budget=budget),
        "no-gap: what was found is called the most there is":
            _with(lambda found: {"bound": found.average_common_gain}),
        "correlation: beta is the covariance over the standard deviation":
            _with(lambda f: {"regression": f.regression * np.sqrt(f.leverage / f.weights)}),
        "flat-leverage: beta is averaged with the weights pi_j, without Var_j(M)":
            _with(lambda found: {"leverage": found.weights}),
    }),
    *wrong(check_allocation.allocation_, "Allocation.predicted_ratio", {
        "without-root: 1 + CV^2 for the ratio of gains, the square of that":
            lambda right, found: float(right(found) ** 2),
        "spread-only: 1 + CV for sqrt(1 + CV^2)":
            lambda right, found: float(1.0 + np.sqrt(right(found) ** 2 - 1.0)),
    }),
)
