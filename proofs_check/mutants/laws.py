"""Wrong symbolic laws: the statements of `theory.laws` after surgery on their right sides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from steering_strength.proofs_check.mutants.mutant import Mutant, wrong_law
from steering_strength.theory.laws import (
    allocation,
    concept,
    cross_entropy,
    cross_entropy_radius,
    estimation,
    mixed,
    operators,
    peaks,
    sequences,
    tilting,
    transformer,
)
from steering_strength.theory.laws.law import Law
from steering_strength.theory.laws.symbols import alpha

_HALF, _ZERO = sp.Rational(1, 2), sp.Integer(0)


def _at(strength: Any) -> Callable[[Any], Any]:
    """Another strength on the right side, after its derivatives (not its sums) are taken."""

    def change(expression: Any) -> Any:
        taken = {each: each.doit() for each in expression.atoms(sp.Derivative)}
        return expression.xreplace(taken).xreplace({alpha: strength})

    return change


def _times(factor: Any) -> Callable[[Any], Any]:
    return lambda expression: factor * expression


def _replaced_by(value: Any) -> Callable[[Any], Any]:
    return lambda expression: value


def _without_logarithm(expression: Any) -> Any:
    return sp.Add(*(term for term in expression.args if not term.has(sp.log)))


def _without_denominators(expression: Any) -> Any:
    return sp.Mul(*(f for f in expression.args if not (f.is_Pow and f.exp.is_negative)))


def _full_logit(expression: Any) -> Any:
    return expression.replace(lambda e: isinstance(e, sp.tanh), lambda e: sp.tanh(2 * e.args[0]))


_TIES = sp.Symbol("|A|", integer=True, positive=True)
_SURGERY: tuple[tuple[Law, str, Callable[[Any], Any]], ...] = (
    (tilting.STEERING_SHIFT, "Sign: v points from P to N", _at(-alpha)),
    (tilting.STEERING_SHIFT, "Doubled: twice the strength", _at(2 * alpha)),
    (tilting.TILTING, "Unnormalised: the denominator is dropped", _without_denominators),
    (tilting.TILTING, "Sign: e^(-alpha M)", _at(-alpha)),
    (tilting.SLOPE, "Untilted: the slope at 0 for every alpha", _at(_ZERO)),
    (tilting.SLOPE, "Sign: tokens below the mean gain", _times(-1)),
    (tilting.MEAN_SLOPE, "Untilted: K' is the mean under p", _at(_ZERO)),
    (peaks.PEAK, "Shifted: the slope of one unit later", _at(alpha + 1)),
    (concept.CONCEPT_ODE, "Sign: the concept with the larger mean loses", _times(-1)),
    (concept.CONCEPT_ODE, "Untilted: the slope at 0 for every alpha", _at(_ZERO)),
    (concept.CONCEPT_TANH, "Full logit: tanh without the half", _full_logit),
    (concept.CONCEPT_TANH, "Factor: the 2 of 2|C| is missing", _times(2)),
    (concept.CONCEPT_MONOTONE, "Half: each pair counted half", _times(_HALF)),
    (concept.CONCEPT_LIMIT, "Returns: the limit is 0", _replaced_by(_ZERO)),
    (tilting.LIMIT, "Uniform: ties share equally", _replaced_by(1 / _TIES)),
    (cross_entropy.CE_EXACT, "Sign: Delta CE is negative", _times(-1)),
    (cross_entropy.CE_EXACT, "Even: |alpha| for alpha", _at(sp.Abs(alpha))),
    (cross_entropy.CE_QUADRATIC, "Half: the 1/2 on the wrong side", _times(_HALF)),
    (cross_entropy.CE_CUMULANTS, "Half: half of each cumulant", _times(_HALF)),
    (cross_entropy_radius.CE_RADIUS, "Slack: R K'' - K''' vanishes", _replaced_by(_ZERO)),
    (cross_entropy.CE_LINEAR, "Calibrated: no slope at 0", _replaced_by(_ZERO)),
    (cross_entropy.CE_LINEAR, "Sign: data minus model", _times(-1)),
    (cross_entropy.CE_ASYMPTOTE, "No offset: only the linear term", _without_logarithm),
    (transformer.NORM_LIMIT, "Squared: v over the mean square", lambda e: e**2),
    (transformer.LAST_BLOCK, "Sign: the logit falls where it rises", _times(-1)),
    (transformer.FINAL_NORM, "Sign: e^(-alpha M)", _at(-alpha)),
    (transformer.LOCAL, "Half: half the curvature", _times(_HALF)),
    (mixed.MIXED_CONTEXTS, "Sign: N minus P", _times(-1)),
    (operators.OPERATOR, "Unnormalised: the denominator is dropped", _without_denominators),
    (operators.TEMPERATURE, "Doubled: twice the strength", _at(2 * alpha)),
    (operators.RENORMALISED, "Sign: e^(-s alpha M)", _at(-alpha)),
    (operators.GREEDY, "Sign: the lower line gains", _times(-1)),
    (estimation.INFLUENCE, "Per unit: the factor alpha is missing", _times(1 / estimation.alpha)),
    (estimation.INFLUENCE, "Sign: the price falls where p_alpha exceeds p", _times(-1)),
    (estimation.STANDARD_ERROR, "Half: only half of the squares", _times(_HALF)),
    (allocation.ALLOCATION, "Sign: F_j falls where M is above its mean", _times(-1)),
    (allocation.ALLOCATION, "Untilted: the slope at 0 for every alpha", _at(_ZERO)),
    (estimation.TEXT_BIAS, "Linear: 1/alpha does not bend", _replaced_by(_ZERO)),
    (sequences.SEQUENCE_RATIO, "Doubled: twice the strength", _at(2 * alpha)),
    (sequences.SEQUENCE_CE, "Doubled: twice the strength", _at(2 * alpha)),
    (sequences.SEQUENCE_REVERSE, "Sign: steered the other way", _at(-alpha)),
    (sequences.SEQUENCE_SCORE, "Untilted: the slope at 0 for every alpha", _at(_ZERO)),
    (sequences.SEQUENCE_WEIGHTS, "Untilted: every text weighs the same", _at(_ZERO)),
)

MUTANTS: tuple[Mutant, ...] = tuple(wrong_law(*surgery) for surgery in _SURGERY)
"""One per entry: the law, what is wrong, and the surgery."""
