"""Steering is exponential tilting: Lemmas B.2 to B.5 and Eq. 10 of arXiv:2602.02712."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from steering_strength.proofs_check.bindings import law_voices, of_case, of_readout
from steering_strength.proofs_check.check import Check, check
from steering_strength.proofs_check.formulas import Formulas
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase
from steering_strength.proofs_check.meeting import (
    EPS,
    Meeting,
    Voice,
    claim,
    meet,
    not_above,
    worst,
)
from steering_strength.proofs_check.oracles import exact, norms, precise
from steering_strength.proofs_check.oracles.precise import CTX, number
from steering_strength.proofs_check.simulation import simulated_dataset, simulated_family
from steering_strength.proofs_check.strategies import concept_cases, family_cases
from steering_strength.proofs_check.tolerance import tolerance
from steering_strength.theory import TiltedFamily

__all__ = ["CHECKS"]

ANY_ROWS = st.one_of(concept_cases("1"), concept_cases("B.1"), concept_cases("none"))


@check(
    "steering-shift",
    cases=ANY_ROWS,
    tolerance="a float64 product of length d errs by d EPS |W_z||x|; `Simulation.noise` adds up "
    "what W, H, v and the difference of means contribute",
)
def steering_shift(case: ConceptCase, on_trial: Formulas) -> Meeting:
    """Steered logits are l_j + (alpha/q)(sum_P l_i - sum_N l_i), l the unsteered logits."""
    ufm, steered = simulated_dataset(case)
    alpha = number(case.alpha)
    # The definition, with the very weights of the model and no rounding: W (h_j + alpha v).
    W = [precise.numbers(row) for row in ufm.W]
    H = [precise.numbers(column) for column in ufm.H.T]
    v = [
        CTX.fsum(H[i][k] for i in case.positive) / case.q
        - CTX.fsum(H[i][k] for i in case.negative) / case.q
        for k in range(len(H[0]))
    ]
    oracle = norms.logits(W, norms.affine(H[case.context], v, alpha))
    noise = steered.noise(case.alpha)
    unsteered = (ufm.W @ ufm.H).T
    formula = on_trial.shifted_logits(
        unsteered, case.positive, case.negative, case.context, case.alpha
    )
    numeric = meet(
        "steered logits",
        oracle,
        Voice("formula", formula, noise),
        Voice("simulation", (steered.h + case.alpha * steered.v) @ steered.W.T, noise),
    )
    z = case.gauge % len(W)
    symbolic = law_voices(on_trial, "steering-shift", of_readout(W, H, case), oracle[z], z=z)
    return worst([numeric, meet("steered logit", oracle[z], *symbolic)])


@check(
    "tilting",
    cases=ANY_ROWS,
    tolerance="log p and M are known to EPS (1 + max|log p|), M times alpha; the simulation to its "
    "noise; law against oracle to 30 digits; exact fractions to 100",
)
def tilting(case: ConceptCase, on_trial: Formulas) -> Meeting:
    """p_alpha(z) = p(z|c_j) e^{alpha M(z)} / e^{K_j(alpha)}, and tilts compose."""
    limits = tolerance(case)
    _, steered = simulated_dataset(case)
    log_odds = on_trial.log_odds(case.data, case.positive, case.negative)
    family = case.data.family(case.context, log_odds)
    oracle = precise.log_tilted(case.p, case.M, number(case.alpha))
    engine = on_trial.log_probability(family, case.alpha)
    allowed = limits.log_probability(case.alpha)
    K = precise.cgf(case.p, case.M, number(case.alpha))
    z = case.gauge % len(case.p)
    one = CTX.exp(oracle[z])
    meetings = [
        meet(
            "log p_alpha",
            oracle,
            Voice("engine", engine, allowed),
            Voice("simulation", steered.log_probability(case.alpha), steered.noise(case.alpha)),
        ),
        meet("p_alpha", one, *law_voices(on_trial, "tilting", of_case(case), one, x=z)),
        meet("K", K, Voice("engine", on_trial.cgf(family, case.alpha), limits.cgf(case.alpha))),
        meet(
            "Delta p",
            precise.increase(case.p, case.M, number(case.alpha)),
            Voice(
                "engine",
                on_trial.probability_increase(family, case.alpha),
                limits.increase(case.alpha),
            ),
        ),
    ]
    # The same instance where e^{alpha M} is rational: nothing at all is rounded in `rational`.
    n = 1 + case.gauge % 3
    rational = exact.tilted(case.row, case.ratios, n)
    meetings.append(
        meet(
            f"p_alpha at alpha = {n} q",
            rational,
            Voice("oracle", precise.tilted(case.p, case.M, number(n * case.q)), 1e-100),
        )
    )
    # A tilted family can be tilted again, if it is one; underflow leaves -inf, which stays.
    if worst(meetings).agrees and np.isfinite(engine).all():
        again = TiltedFamily(engine, log_odds)
        # alpha first, then 1: the second tilt starts from a log p that is off by `allowed`.
        total = number(case.alpha) + 1
        meetings.append(
            meet(
                "tilted by alpha, then by 1",
                precise.log_tilted(case.p, case.M, total),
                Voice(
                    "engine",
                    on_trial.log_probability(again, 1.0),
                    3 * allowed + limits.log_probability(1.0) + EPS * abs(case.alpha),
                ),
            )
        )
    return worst(meetings)


def _in_target(case: ConceptCase) -> list[bool]:
    return [c == case.target for c in case.dataset.token_concept]


@check(
    "sign-separation",
    cases=st.one_of(concept_cases("1"), concept_cases("B.1")),
    tolerance="signs are decided by exact fractions; values of M to EPS (1 + max|log p|)",
)
def sign_separation(case: ConceptCase, on_trial: Formulas) -> Meeting:
    """Under Assumption 1, or with b common and a_{j,z} > b_z: z in T iff M(z) > 0; M by concept."""
    inside = _in_target(case)
    limits = tolerance(case)
    log_odds = on_trial.log_odds(case.data, case.positive, case.negative)
    meetings = [
        claim("z in T iff prod_P p > prod_N p", [r > 1 for r in case.ratios] == inside),
        meet("M", case.M, Voice("engine", log_odds, limits.blur)),
    ]
    concept = case.dataset.token_concept
    negatives = [case.dataset.context_concept[i] for i in case.negative]
    share = [Fraction(negatives.count(c), case.q) for c in concept]
    a, b = _rates(case)
    if a is not None:
        formula = on_trial.separated_log_odds(
            np.array([float(precise.CTX.log(number(x / y))) for x, y in zip(a, b, strict=True)]),
            np.array(inside),
            np.array([float(s) for s in share]),
        )
        meetings.append(meet("M", case.M, Voice("formula", formula, limits.blur)))
    return worst(meetings)


def _rates(
    case: ConceptCase,
) -> tuple[list[Fraction] | None, list[Fraction]]:
    """a_z and b_z; a is None where it depends on the context (App. B.1) or where there is none."""
    rows, concepts = case.dataset.rows, case.dataset.context_concept
    a, b = [], []
    for z, own in enumerate(case.dataset.token_concept):
        inside = {row[z] for row, c in zip(rows, concepts, strict=True) if c == own}
        outside = {row[z] for row, c in zip(rows, concepts, strict=True) if c != own}
        # A concept without contexts: its a_z enters no log-odds, since q_z = 0.
        a.append(inside.pop() if len(inside) == 1 else outside.copy().pop() if not inside else None)
        b.append(outside.pop())
    if any(x is None for x in a):
        return None, b
    return [x for x in a if x is not None], b


@check(
    "slope",
    cases=family_cases(),
    tolerance="each weight to EPS (1 + |log p| + |alpha M|), times its leverage M - E[M]",
)
def slope(case: FamilyCase, on_trial: Formulas) -> Meeting:
    """d p_alpha(z)/d alpha = p_alpha(z) (M(z) - E_alpha[M])."""
    limits = tolerance(case)
    alpha = number(case.alpha)
    scale = 1 / limits.spread if limits.spread else 1

    def curve(token: int) -> precise.Number:
        return precise.derivative(lambda x: precise.tilted(case.p, case.M, x)[token], alpha, scale)

    oracle = [curve(token) for token in range(len(case.p))]
    z = case.gauge % len(case.p)
    # By looking: the simulated curve a step h to either side. The third derivative of p_alpha is
    # at most 6 spread^3, so h = (noise)^(1/3)/spread balances noise and curvature.
    steered = simulated_family(case)
    noise = float(steered.noise(abs(case.alpha) + float(scale)))
    h = float(scale) * min(noise, 1.0) ** (1 / 3)
    with np.errstate(under="ignore"):
        ends = np.exp(steered.log_probability(np.array([case.alpha - h, case.alpha + h])))
    return worst(
        [
            meet(
                "p'",
                oracle,
                Voice("formula", on_trial.slope(case.family, case.alpha), limits.slope(case.alpha)),
                Voice(
                    "simulation",
                    (ends[1] - ends[0]) / (2 * h),
                    noise / h + h**2 * limits.spread**3 + EPS * abs(case.alpha) / h**2 * noise,
                ),
            ),
            meet("p'", oracle[z], *law_voices(on_trial, "slope", of_case(case), oracle[z], x=z)),
        ]
    )


@check(
    "mean-slope",
    cases=family_cases(),
    tolerance="weights to EPS (1 + |log p| + |alpha M|) act through the standard deviation of M; "
    "E[M] itself rounds to EPS max|M|",
)
def mean_slope(case: FamilyCase, on_trial: Formulas) -> Meeting:
    """K' = E_alpha[M], between min M and max M; K'' = Var_alpha[M] >= 0, 0 only for constant M."""
    limits = tolerance(case)
    alpha = number(case.alpha)
    scale = 1 / limits.spread if limits.spread else number(1)

    def first(x: precise.Number) -> precise.Number:
        return precise.derivative(lambda t: precise.cgf(case.p, case.M, t), x, scale)

    # K'' from three values of K. A quotient 1e-30 wide: two powers of it cost 60 digits of 120.
    h = scale * CTX.mpf(10) ** -30
    values = [precise.cgf(case.p, case.M, alpha + k * h) for k in (-1, 0, 1)]
    second = (values[0] - 2 * values[1] + values[2]) / h**2
    mean, variance = first(alpha), precise.variance(case.p, case.M, alpha)
    steered = simulated_family(case)
    with np.errstate(under="ignore"):
        simulated = np.exp(steered.log_probability(case.alpha)) @ case.family.log_odds
    reach = float(max(abs(m) for m in case.M))
    engine = float(on_trial.mean(case.family, case.alpha))
    noise = float(steered.noise(case.alpha)) * (reach + 1e-300)
    return worst(
        [
            meet(
                "K'",
                mean,
                Voice("engine", engine, limits.mean(case.alpha)),
                Voice("simulation", simulated, 2 * noise),
            ),
            meet("K'", mean, *law_voices(on_trial, "mean-slope", of_case(case), mean)),
            meet(
                "K''",
                variance,
                Voice(
                    "engine",
                    on_trial.variance(case.family, case.alpha),
                    limits.variance(case.alpha),
                ),
                Voice("difference quotient", second, 1e-25 / scale**2),
            ),
            not_above("min M against K'", min(case.M), number(engine), limits.mean(case.alpha)),
            not_above("K' against max M", number(engine), max(case.M), limits.mean(case.alpha)),
            claim("Var > 0 unless M is constant", (variance > 0) == (len(set(case.M)) > 1)),
        ]
    )


@check(
    "sign-separation/outside-negative",
    cases=concept_cases("1", wild=False),
    tolerance="decided by exact fractions",
    expected=False,
)
def outside_negative(case: ConceptCase, on_trial: Formulas) -> Meeting:
    """Every token outside T has M < 0 (false where N misses its concept: M = 0)."""
    inside = _in_target(case)
    outside = [r for r, t in zip(case.ratios, inside, strict=True) if not t]
    return claim("prod_P p < prod_N p outside T", all(r < 1 for r in outside))


@check(
    "sign-separation/any-rows",
    cases=concept_cases("none", wild=False),
    tolerance="decided by exact fractions",
    expected=False,
)
def any_rows(case: ConceptCase, on_trial: Formulas) -> Meeting:
    """z in T iff M(z) > 0 for any dataset (false as soon as b depends on the context)."""
    return claim("prod_P p > prod_N p iff z in T", [r > 1 for r in case.ratios] == _in_target(case))


CHECKS: tuple[Check, ...] = (
    steering_shift,
    tilting,
    sign_separation,
    slope,
    mean_slope,
    outside_negative,
    any_rows,
)
