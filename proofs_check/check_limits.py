"""What is left at alpha -> +-inf: Prop. B.1 of arXiv:2602.02712, and how fast."""

from __future__ import annotations

import numpy as np

from steering_strength.proofs_check.bindings import at_maximum, law_voices
from steering_strength.proofs_check.check import Check, check
from steering_strength.proofs_check.formulas import Formulas
from steering_strength.proofs_check.instances import FamilyCase
from steering_strength.proofs_check.meeting import EPS, Meeting, Voice, claim, meet, worst
from steering_strength.proofs_check.oracles import precise
from steering_strength.proofs_check.oracles.precise import CTX, number
from steering_strength.proofs_check.simulation import simulated_family
from steering_strength.proofs_check.strategies import family_cases
from steering_strength.proofs_check.tolerance import NAIVE, SAFETY, tolerance

__all__ = ["CHECKS"]


@check(
    "limit",
    cases=family_cases(support=False),
    tolerance="log p to EPS (1 + |log p|), ties and near-ties exactly; the rate R/(P_A + R) to the "
    "error of its exponents",
)
def limit(case: FamilyCase, on_trial: Formulas) -> Meeting:
    """p_alpha -> p restricted to argmax M (argmin at -inf), at total variation R/(P_A + R)."""
    limits = tolerance(case)
    support = [z for z, p in enumerate(case.p) if p]
    M = [case.M[z] for z in support]
    end = [number(0)] * len(case.p)
    sign = 1 if case.alpha >= 0 else -1
    for z, value in zip(support, precise.limit(limits.p, limits.M, sign), strict=True):
        end[z] = value if value > number("1e-300") else number(0)
    log_end = [CTX.log(x) if x else -CTX.inf for x in end]
    meetings = [
        meet(
            f"log-probability at {sign} inf",
            log_end,
            Voice("engine", on_trial.limit(case.family, sign), SAFETY * EPS * limits.depth),
        )
    ]
    if len(support) == len(case.p) and len(set(M)) > 1:
        binding, z = at_maximum(case, sign)
        meetings.append(
            meet("limit", end[z], *law_voices(on_trial, "limit", binding, end[z], z=0)[1:])
        )
    # On the way: the distance that is left, exact at every alpha.
    alpha = number(case.alpha if case.alpha else sign)
    here = precise.tilted(case.p, case.M, alpha)
    rest = precise.total_variation(here, end)
    formula = on_trial.distance_to_limit(case.family, float(alpha))
    allowed = SAFETY * rest * limits.log_probability(float(alpha)) + NAIVE
    meetings.append(meet("total variation to the limit", rest, Voice("formula", formula, allowed)))
    if len(support) == len(case.p):
        steered = simulated_family(case)
        with np.errstate(under="ignore"):
            simulated = np.exp(steered.log_probability(float(alpha)))
        distance = precise.total_variation(precise.numbers(simulated.tolist()), end)
        noise = float(steered.noise(float(alpha)))
        meetings.append(
            meet("total variation to the limit", rest, Voice("simulation", distance, 2 * noise))
        )
    shares = [end[z] for z in support if end[z]]
    top = max(M) if sign > 0 else min(M)
    tied = [case.p[z] for z, m in zip(support, M, strict=True) if m == top]
    return worst(
        [
            *meetings,
            claim("exactly the tied tokens survive", len(shares) == len(tied)),
            meet(
                "shares among ties",
                [p / CTX.fsum(tied) for p in tied],
                Voice("far out", shares, 1e-100),
            ),
        ]
    )


@check(
    "limit/uniform-share",
    cases=family_cases(wild=False),
    tolerance="limits in 100 digits compared with each other",
    expected=False,
)
def uniform_share(case: FamilyCase, on_trial: Formulas) -> Meeting:
    """Tokens tied at max M have the same probability in the limit (false: in proportion to p)."""
    top = max(case.M)
    end = precise.limit(case.p, case.M, 1)
    shares = [end[z] for z, m in enumerate(case.M) if m == top]
    return claim("all shares are equal", max(shares) - min(shares) < 1e-50)


CHECKS: tuple[Check, ...] = (limit, uniform_share)
