"""Wrong symbolic laws: the statements of `theory.laws` after surgery on their right sides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from steering_strength.proofs_check.mutants.mutant import Mutant, wrong_law
from steering_strength.theory.laws import estimation
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
_SURGERY: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("steering-shift", "Sign: v points from P to N", _at(-alpha)),
    ("steering-shift", "Doubled: twice the strength", _at(2 * alpha)),
    ("tilting", "Unnormalised: the denominator is dropped", _without_denominators),
    ("tilting", "Sign: e^(-alpha M)", _at(-alpha)),
    ("slope", "Untilted: the slope at 0 for every alpha", _at(_ZERO)),
    ("slope", "Sign: tokens below the mean gain", _times(-1)),
    ("mean-slope", "Untilted: K' is the mean under p", _at(_ZERO)),
    ("peak", "Shifted: the slope of one unit later", _at(alpha + 1)),
    ("concept-ode", "Sign: the concept with the larger mean loses", _times(-1)),
    ("concept-ode", "Untilted: the slope at 0 for every alpha", _at(_ZERO)),
    ("concept-tanh", "Full logit: tanh without the half", _full_logit),
    ("concept-tanh", "Factor: the 2 of 2|C| is missing", _times(2)),
    ("concept-monotone", "Half: each pair counted half", _times(_HALF)),
    ("concept-limit", "Returns: the limit is 0", _replaced_by(_ZERO)),
    ("limit", "Uniform: ties share equally", _replaced_by(1 / _TIES)),
    ("ce-exact", "Sign: Delta CE is negative", _times(-1)),
    ("ce-exact", "Even: |alpha| for alpha", _at(sp.Abs(alpha))),
    ("ce-quadratic", "Half: the 1/2 on the wrong side", _times(_HALF)),
    ("ce-cumulants", "Half: half of each cumulant", _times(_HALF)),
    ("ce-radius", "Slack: R K'' - K''' vanishes", _replaced_by(_ZERO)),
    ("ce-linear", "Calibrated: no slope at 0", _replaced_by(_ZERO)),
    ("ce-linear", "Sign: data minus model", _times(-1)),
    ("ce-asymptote", "No offset: only the linear term", _without_logarithm),
    ("norm-limit", "Squared: v over the mean square", lambda e: e**2),
    ("last-block", "Sign: the logit falls where it rises", _times(-1)),
    ("final-norm", "Sign: e^(-alpha M)", _at(-alpha)),
    ("local", "Half: half the curvature", _times(_HALF)),
    ("mixed-contexts", "Sign: N minus P", _times(-1)),
    ("operator", "Unnormalised: the denominator is dropped", _without_denominators),
    ("temperature", "Doubled: twice the strength", _at(2 * alpha)),
    ("renormalised", "Sign: e^(-s alpha M)", _at(-alpha)),
    ("greedy", "Sign: the lower line gains", _times(-1)),
    ("influence", "Per unit: the factor alpha is missing", _times(1 / estimation.alpha)),
    ("influence", "Sign: the price falls where p_alpha exceeds p", _times(-1)),
    ("standard-error", "Half: only half of the squares", _times(_HALF)),
    ("allocation", "Sign: F_j falls where M is above its mean", _times(-1)),
    ("allocation", "Untilted: the slope at 0 for every alpha", _at(_ZERO)),
    ("text-bias", "Linear: 1/alpha does not bend", _replaced_by(_ZERO)),
    ("sequence-ratio", "Doubled: twice the strength", _at(2 * alpha)),
    ("sequence-ce", "Doubled: twice the strength", _at(2 * alpha)),
    ("sequence-reverse", "Sign: steered the other way", _at(-alpha)),
    ("sequence-score", "Untilted: the slope at 0 for every alpha", _at(_ZERO)),
    ("sequence-weights", "Untilted: every text weighs the same", _at(_ZERO)),
)

MUTANTS: tuple[Mutant, ...] = tuple(wrong_law(*surgery) for surgery in _SURGERY)
"""One per entry: the law, what is wrong, and the surgery."""
