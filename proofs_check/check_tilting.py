"""Steering is exponential tilting: Lemmas B.2 to B.5 and Eq. 10 of arXiv:2602.02712."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from steering_strength.proofs_check.balls import Ball, Balls
from steering_strength.proofs_check.certificate import (
    Certificate,
    agrees,
    certificate,
    direction,
    every,
    law_value,
    log_odds,
    moderate,
    odds_against,
    order_keys,
    probabilities,
    steps_of,
    varied,
)
from steering_strength.proofs_check.check import Check, check
from steering_strength.proofs_check.comparison import (
    EPS,
    Comparison,
    Value,
    claim,
    compare,
    not_above,
    worst,
)
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase
from steering_strength.proofs_check.law_values import law_sides, of_case, of_readout
from steering_strength.proofs_check.oracles import exact, norms, precise
from steering_strength.proofs_check.oracles.precise import CTX, number
from steering_strength.proofs_check.simulation import simulated_dataset, simulated_family
from steering_strength.proofs_check.strategies import (
    concept_cases,
    family_cases,
)
from steering_strength.proofs_check.tolerance import tolerance
from steering_strength.theory import TiltedFamily

__all__ = ["CERTIFICATES", "CHECKS"]

ANY_ROWS = st.one_of(concept_cases("1"), concept_cases("B.1"), concept_cases("none"))


@check(
    "steering-shift",
    cases=ANY_ROWS,
    tolerance="a float64 product of length d errs by d EPS |W_z||x|; `Simulation.noise` adds up "
    "what W, H, v and the difference of means contribute",
    judges=("UnconstrainedFeatures.shifted_logits",),
)
def steering_shift(case: ConceptCase) -> Comparison:
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
    shifted = ufm.shifted_logits(case.positive, case.negative, [case.alpha])
    formula = shifted[0, case.context]
    numeric = compare(
        "steered logits",
        oracle,
        Value("formula", formula, noise),
        Value("simulation", (steered.h + case.alpha * steered.v) @ steered.W.T, noise),
    )
    z = case.gauge % len(W)
    symbolic = law_sides("steering-shift", of_readout(W, H, case), oracle[z], z=z)
    return worst([numeric, compare("steered logit", oracle[z], *symbolic)])


@check(
    "tilting",
    cases=ANY_ROWS,
    tolerance="log p and M are known to EPS (1 + max|log p|), M times alpha; the simulation to its "
    "noise; law against oracle to 30 digits; exact fractions to 100",
    judges=(
        "ConceptDataset.log_odds",
        "TiltedFamily.log_probability",
        "TiltedFamily.cgf",
        "TiltedFamily.probability_increase",
    ),
)
def tilting(case: ConceptCase) -> Comparison:
    """p_alpha(z) = p(z|c_j) e^{alpha M(z)} / e^{K_j(alpha)}, and tilts compose."""
    limits = tolerance(case)
    _, steered = simulated_dataset(case)
    log_odds = case.data.log_odds(case.positive, case.negative)
    family = case.data.family(case.context, log_odds)
    oracle = precise.log_tilted(case.p, case.M, number(case.alpha))
    engine = family.log_probability(case.alpha)
    allowed = limits.log_probability(case.alpha)
    K = precise.cgf(case.p, case.M, number(case.alpha))
    z = case.gauge % len(case.p)
    one = CTX.exp(oracle[z])
    comparisons = [
        compare(
            "log p_alpha",
            oracle,
            Value("engine", engine, allowed),
            Value("simulation", steered.log_probability(case.alpha), steered.noise(case.alpha)),
        ),
        compare("p_alpha", one, *law_sides("tilting", of_case(case), one, x=z)),
        compare("K", K, Value("engine", family.cgf(case.alpha), limits.cgf(case.alpha))),
        compare(
            "Delta p",
            precise.increase(case.p, case.M, number(case.alpha)),
            Value(
                "engine",
                family.probability_increase(case.alpha),
                limits.increase(case.alpha),
            ),
        ),
    ]
    # The same instance where e^{alpha M} is rational: nothing at all is rounded in `rational`.
    n = 1 + case.gauge % 3
    rational = exact.tilted(case.row, case.ratios, n)
    comparisons.append(
        compare(
            f"p_alpha at alpha = {n} q",
            rational,
            Value("oracle", precise.tilted(case.p, case.M, number(n * case.q)), 1e-100),
        )
    )
    # A tilted family can be tilted again, if it is one; underflow leaves -inf, which stays.
    if worst(comparisons).agrees and np.isfinite(engine).all():
        again = TiltedFamily(engine, log_odds)
        # alpha first, then 1: the second tilt starts from a log p that is off by `allowed`.
        total = number(case.alpha) + 1
        comparisons.append(
            compare(
                "tilted by alpha, then by 1",
                precise.log_tilted(case.p, case.M, total),
                Value(
                    "engine",
                    again.log_probability(1.0),
                    3 * allowed + limits.log_probability(1.0) + EPS * abs(case.alpha),
                ),
            )
        )
    return worst(comparisons)


def _in_target(case: ConceptCase) -> list[bool]:
    return [c == case.target for c in case.dataset.token_concept]


@check(
    "sign-separation",
    cases=st.one_of(concept_cases("1"), concept_cases("B.1")),
    tolerance="signs are decided by exact fractions; values of M to EPS (1 + max|log p|)",
    judges=("ConceptDataset.log_odds", "ConceptDataset.separated_log_odds"),
)
def sign_separation(case: ConceptCase) -> Comparison:
    """Under Assumption 1, or with b common and a_{j,z} > b_z: z in T iff M(z) > 0; M by concept."""
    inside = _in_target(case)
    limits = tolerance(case)
    log_odds = case.data.log_odds(case.positive, case.negative)
    comparisons = [
        claim("z in T iff prod_P p > prod_N p", [r > 1 for r in case.ratios] == inside),
        compare("M", case.M, Value("engine", log_odds, limits.blur)),
    ]
    if case.dataset.satisfies_assumption_1 and not case.data.violations():
        formula = case.data.separated_log_odds(case.positive, case.negative)
        comparisons.append(compare("M", case.M, Value("formula", formula, limits.blur)))
    return worst(comparisons)


@check(
    "slope",
    cases=family_cases(),
    tolerance="each weight to EPS (1 + |log p| + |alpha M|), times its leverage M - E[M]",
    judges=("TiltedFamily.slope",),
)
def slope(case: FamilyCase) -> Comparison:
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
            compare(
                "p'",
                oracle,
                Value("formula", case.family.slope(case.alpha), limits.slope(case.alpha)),
                Value(
                    "simulation",
                    (ends[1] - ends[0]) / (2 * h),
                    noise / h + h**2 * limits.spread**3 + EPS * abs(case.alpha) / h**2 * noise,
                ),
            ),
            compare("p'", oracle[z], *law_sides("slope", of_case(case), oracle[z], x=z)),
        ]
    )


@check(
    "mean-slope",
    cases=family_cases(),
    tolerance="weights to EPS (1 + |log p| + |alpha M|) act through the standard deviation of M; "
    "E[M] itself rounds to EPS max|M|",
    judges=("TiltedFamily.mean", "TiltedFamily.variance"),
)
def mean_slope(case: FamilyCase) -> Comparison:
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
    engine = float(case.family.mean(case.alpha))
    noise = float(steered.noise(case.alpha)) * (reach + 1e-300)
    return worst(
        [
            compare(
                "K'",
                mean,
                Value("engine", engine, limits.mean(case.alpha)),
                Value("simulation", simulated, 2 * noise),
            ),
            compare("K'", mean, *law_sides("mean-slope", of_case(case), mean)),
            compare(
                "K''",
                variance,
                Value(
                    "engine",
                    case.family.variance(case.alpha),
                    limits.variance(case.alpha),
                ),
                Value("difference quotient", second, 1e-25 / scale**2),
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
def outside_negative(case: ConceptCase) -> Comparison:
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
def any_rows(case: ConceptCase) -> Comparison:
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


# Certificates: ball arithmetic, no tolerance


@certificate(
    "sign-separation",
    "M(z) > 0 for every token of T and M(z) <= 0 for every other, under Assumption 1 or App. B.1; "
    "and the engine's M(z) has that sign wherever |M(z)| exceeds its rounding",
    st.one_of(concept_cases("1"), concept_cases("B.1")),
)
def sign_separation_certificate(case: ConceptCase, balls: Balls) -> bool | None:
    """Logarithms of exact ratios; a ratio of exactly 1 is M = 0."""
    rounding = float(tolerance(case).blur)
    blur = balls.exact(Fraction(rounding))
    engine = case.data.log_odds(case.positive, case.negative).tolist()
    answers: list[bool | None] = []
    for ratio, M, computed, concept in zip(
        case.ratios, log_odds(case, balls), engine, case.dataset.token_concept, strict=True
    ):
        inside = concept == case.target
        if ratio == 1:
            answers.append(not inside and abs(computed) <= rounding)
            continue
        sign = 1 if inside else -1
        answers.append(agrees(balls.sign(M), sign))
        visible = balls.sign(abs(M) - blur)
        answers.append(computed * sign > 0 if visible == 1 else None if visible is None else True)
    return every(answers)


@certificate(
    "slope",
    "for every token z, p_alpha(z) certainly moves one way from alpha - h to alpha to alpha + h, "
    "and the law's p_alpha(z) (M(z) - E_alpha[M]) certainly has the sign of that move, as the "
    "engine's has where it exceeds its rounding; at the alpha of the instance, reduced to "
    "|alpha| (max M - min M) <= 300",
    family_cases().map(moderate),
)
def slope_certificate(case: FamilyCase, balls: Balls) -> bool | None:
    """The move is seen in the odds against z; tokens exactly at their peak at alpha = 0 are left.

    At no other alpha can a token be exactly at its peak: sum p (M - M_z) e^{alpha M} = 0 with
    rational p, M and alpha != 0 contradicts the theorem of Lindemann and Weierstrass.
    """
    keys = order_keys(case)
    if len(set(keys)) == 1:
        return True
    p, M, alpha = probabilities(case, balls), log_odds(case, balls), balls.exact(case.alpha)
    engine = case.family.slope(case.alpha).tolist()
    rounding = [float(bound) for bound in tolerance(case).slope(case.alpha)]
    answers: list[bool | None] = []
    for z in range(len(M)):
        if (
            not case.alpha
            and sum(a * (k - keys[z]) for a, k in zip(case.row, keys, strict=True)) == 0
        ):
            continue
        falls = direction(
            odds_against(p, M, keys, z, balls), case.alpha, steps_of(case, balls), balls
        )
        slope_of_law = law_value("slope", balls, {"p": p, "M": M, "alpha": alpha, "x": z})
        if falls is None:
            return None
        answers.append(agrees(balls.sign(slope_of_law), -falls))
        answers.append(engine[z] * falls < rounding[z])
    return every(answers)


@certificate(
    "mean-slope",
    "K'' > 0 in this sense: the slope of K over [alpha - h, alpha] is below the law's E_alpha[M], "
    "and that below the slope over [alpha, alpha + h], h = 2^-20/(max M - min M); and min M < "
    "E_alpha[M] < max M; the engine's E_alpha[M] is within its rounding of the law's, and its "
    "Var_alpha[M] >= 0; at the alpha of the instance, reduced as for `slope`, M not constant",
    family_cases().map(varied),
)
def mean_slope_certificate(case: FamilyCase, balls: Balls) -> bool | None:
    """K from its definition at three places, each term taken relative to e^{alpha M_0}."""
    keys = order_keys(case)
    p, M = probabilities(case, balls), log_odds(case, balls)
    at = Fraction(case.alpha)
    h = 1 / ((max(keys) - min(keys)) * 2**20)

    def cgf(alpha: Fraction) -> Ball:
        x = balls.exact(alpha)
        terms = [a * balls.exp(x * (m - M[0])) for a, m in zip(p, M, strict=True)]
        return balls.log(balls.total(terms)) + x * M[0]

    before, here, after = (cgf(at + k * h) for k in (-1, 0, 1))
    mean = law_value("mean-slope", balls, {"p": p, "M": M, "alpha": balls.exact(at)})
    width = balls.exact(h)
    top, bottom = (M[keys.index(end(keys))] for end in (max, min))
    engine = Fraction(float(case.family.mean(case.alpha)))
    rounding = balls.exact(float(tolerance(case).mean(case.alpha)))
    return every(
        [
            agrees(balls.sign(rounding - abs(mean - balls.exact(engine))), 1),
            bool(case.family.variance(case.alpha) >= 0),
            agrees(balls.sign(mean * width - (here - before)), 1),
            agrees(balls.sign((after - here) - mean * width), 1),
            agrees(balls.sign(top - mean), 1),
            agrees(balls.sign(mean - bottom), 1),
        ]
    )


CERTIFICATES: tuple[Certificate, ...] = (
    sign_separation_certificate,
    slope_certificate,
    mean_slope_certificate,
)
