"""Choosing alpha: what a budget in nats allows."""

from __future__ import annotations

import numpy as np

from steering_strength.proofs_check.check import Check, check
from steering_strength.proofs_check.comparison import EPS, Comparison, Value, claim, compare, worst
from steering_strength.proofs_check.instances import FamilyCase
from steering_strength.proofs_check.oracles import precise
from steering_strength.proofs_check.oracles.precise import number
from steering_strength.proofs_check.strategies import any_families
from steering_strength.proofs_check.tolerance import tolerance

__all__ = ["CHECKS"]


@check(
    "advise-budget",
    cases=any_families(),
    tolerance="the error of KL over its slope gives the bracket in which KL - budget changes sign",
)
def advise_budget(case: FamilyCase) -> Comparison:
    """The alpha of either sign with Delta CE = budget is unique; infinite only for constant M."""
    limits = tolerance(case)
    sign = 1 if case.alpha >= 0 else -1
    budget = 10.0 ** (case.gauge % 7 - 4)
    alpha = case.family.alpha_for_cross_entropy(budget, sign)
    if not limits.spread:
        return claim("no budget is reached where M is constant", alpha == sign * np.inf)
    if not (np.isfinite(alpha) and alpha * sign > 0):
        return claim(f"a finite alpha of sign {sign}, not {alpha}", False)
    at = number(alpha)
    slope = abs(precise.mean(case.p, case.M, at) - precise.mean(case.p, case.M, number(0)))
    width = limits.divergence(alpha) / slope + 8 * EPS * abs(at)
    below, above = (
        precise.kl(case.p, precise.tilted(case.p, case.M, at + sign * side * width))
        for side in (-1, 1)
    )
    here = precise.kl(case.p, precise.tilted(case.p, case.M, at))
    return worst(
        [
            claim("KL - budget changes sign around alpha", bool(below < budget < above)),
            compare("KL at alpha", number(budget), Value("engine", here, width * slope)),
        ]
    )


CHECKS: tuple[Check, ...] = (advise_budget,)
