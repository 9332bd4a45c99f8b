"""Steering is exponential tilting: Lemmas B.2 to B.5 and Eq. 10 of arXiv:2602.02712."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from steering_strength.proofs_check import certificate as certain
from steering_strength.proofs_check import strategies as draw
from steering_strength.proofs_check.balls import Ball, Balls
from steering_strength.proofs_check.check import check, reading
from steering_strength.proofs_check.comparison import EPS, Comparison, claim, compare, not_above
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase
from steering_strength.proofs_check.law_values import law, of_case
from steering_strength.proofs_check.oracles import exact, precise, vectors
from steering_strength.proofs_check.oracles.precise import CTX, number
from steering_strength.proofs_check.simulation import simulated_dataset
from steering_strength.proofs_check.tolerance import shipped
from steering_strength.theory import TiltedFamily


@check("steering-shift", draw.ANY_ROWS, judges="UnconstrainedFeatures: shifted_logits")
def steering_shift(case: ConceptCase) -> Iterator[Comparison]:
    """Steered logits are l_j + (alpha/q)(sum_P l_i - sum_N l_i), l the unsteered logits.
    Tolerance: a float64 product of length d errs by d EPS |W_z||x|; `Simulation.noise` adds up what
    W, H, v and the difference of means contribute."""
    ufm, steered = simulated_dataset(case)
    # The definition, with the very weights of the model and no rounding: W (h_j + alpha v).
    W = [precise.numbers(row) for row in ufm.W]
    H = [precise.numbers(column) for column in ufm.H.T]
    v = vectors.difference_of_means(*([H[j] for j in side] for side in case.sets))
    oracle = vectors.logits(W, vectors.affine(H[case.context], v, number(case.alpha)))
    noise = steered.noise(case.alpha)
    shifted = ufm.shifted_logits(case.positive, case.negative, [case.alpha])
    yield compare(
        "steered logits",
        oracle,
        formula=(shifted[0, case.context], noise),
        simulation=((steered.h + case.alpha * steered.v) @ steered.W.T, noise),
    )
    z = case.gauge % len(W)
    values = {
        "V": len(W), "d": len(v), "q_P": case.q, "q_N": case.q, "j": case.context,
        "alpha": case.alpha, "W": W, "H": [*zip(*H, strict=True)],
        "P": case.positive, "N": case.negative,
    }  # fmt: skip
    yield law("steering-shift", values, oracle[z], z=z)


@check(
    "tilting",
    draw.ANY_ROWS,
    judges=(
        "ConceptDataset: log_odds",
        "TiltedFamily: log_probability cgf probability_increase",
    ),
)
def tilting(case: ConceptCase) -> Iterator[Comparison]:
    """p_alpha(z) = p(z|c_j) e^{alpha M(z)} / e^{K_j(alpha)}, and tilts compose.
    Tolerance: log p and M are known to EPS (1 + max|log p|), M times alpha; the simulation to its
    noise; law against oracle to 30 digits; exact fractions to 100."""
    limits, alpha, tilt = case.limits, case.alpha, case.tilt
    _, steered = simulated_dataset(case)
    first = shipped(
        case,
        "log_probability",
        simulation=(steered.log_probability(alpha), steered.noise(alpha)),
    )
    yield first
    z = case.gauge % len(case.p)
    yield law("tilting", of_case(case), tilt.at(alpha)[z], x=z)
    yield shipped(case, "cgf")
    yield shipped(case, "probability_increase")
    # The same instance where e^{alpha M} is rational: nothing at all is rounded in `rational`.
    n = 1 + case.gauge % 3
    rational = exact.tilted(case.row, case.ratios, n)
    yield compare(f"p_alpha at alpha = {n} q", rational, oracle=(tilt.at(n * case.q), 1e-100))
    # A tilted family can be tilted again, if it is one; underflow leaves -inf, which stays.
    after = case.family.log_probability(alpha)
    if first.agrees and np.isfinite(after).all():
        again = TiltedFamily(after, case.family.log_odds).log_probability(1.0)
        # alpha first, then 1: the second tilt starts from a log p that is off already.
        off = 3 * limits.log_probability(alpha) + limits.log_probability(1.0) + EPS * abs(alpha)
        expected = tilt.log(number(alpha) + 1)
        yield compare("tilted by alpha, then by 1", expected, engine=(again, off))


def _in_target(case: ConceptCase) -> list[bool]:
    return [c == case.target for c in case.dataset.token_concept]


@check("sign-separation", draw.SHARED_OFF, judges="ConceptDataset: log_odds separated_log_odds")
def sign_separation(case: ConceptCase) -> Iterator[Comparison]:
    """Under Assumption 1, or with b common and a_{j,z} > b_z: z in T iff M(z) > 0; M by concept.
    Tolerance: signs are decided by exact fractions; values of M to EPS (1 + max|log p|)."""
    yield claim("z in T iff prod_P p > prod_N p", [r > 1 for r in case.ratios] == _in_target(case))
    blur = case.limits.blur
    yield compare("M", case.M, engine=(case.data.log_odds(*case.sets), blur))
    if not case.data.violations():
        yield compare("M", case.M, formula=(case.data.separated_log_odds(*case.sets), blur))


@check("slope", draw.family_cases(), judges="TiltedFamily: slope")
def slope(case: FamilyCase) -> Iterator[Comparison]:
    """d p_alpha(z)/d alpha = p_alpha(z) (M(z) - E_alpha[M]).
    Tolerance: each weight to EPS (1 + |log p| + |alpha M|), times its leverage M - E[M]."""
    yield shipped(case, "slope")
    z = case.gauge % len(case.p)
    yield law("slope", of_case(case), case.tilt.slope(case.alpha)[z], x=z)


@check("mean-slope", draw.family_cases(), judges="TiltedFamily: mean variance")
def mean_slope(case: FamilyCase) -> Iterator[Comparison]:
    """K' = E_alpha[M], between min M and max M; K'' = Var_alpha[M] >= 0, 0 only for constant M.
    Tolerance: weights to EPS (1 + |log p| + |alpha M|) act through the standard deviation of M;
    E[M] itself rounds to EPS max|M|."""
    tilt, alpha, M = case.tilt, number(case.alpha), case.M
    yield shipped(case, "mean")
    yield law("mean-slope", of_case(case), precise.derivative(tilt.cgf, alpha, tilt.scale))
    engine, allowed = float(case.family.mean(case.alpha)), case.limits.mean(case.alpha)
    yield not_above("K' between min M and max M", [min(M), engine], [engine, max(M)], allowed)
    # K'' from three values of K. A quotient 1e-30 wide: two powers of it cost 60 digits of 120.
    h = tilt.scale * CTX.mpf(10) ** -30
    before, here, after = (tilt.cgf(alpha + k * h) for k in (-1, 0, 1))
    bend = ((before - 2 * here + after) / h**2, 1e-25 / tilt.scale**2)
    yield shipped(case, "variance", difference_quotient=bend)
    yield claim("Var > 0 unless M is constant", (tilt.variance(alpha) > 0) == (len(set(M)) > 1))


@reading("sign-separation/outside-negative", draw.concept_cases("1", wild=False))
def outside_negative(case: ConceptCase) -> Comparison:
    """A token outside T has M(z) < 0.
    Tolerance: decided by exact fractions.
    Instead (Lemma B.4): M(z) <= 0, and M(z) = 0 exactly for the concepts that N misses."""
    outside = [r for r, t in zip(case.ratios, _in_target(case), strict=True) if not t]
    return claim("prod_P p < prod_N p outside T", all(r < 1 for r in outside))


@reading("sign-separation/any-rows", draw.concept_cases("none", wild=False))
def any_rows(case: ConceptCase) -> Comparison:
    """z in T iff M(z) > 0 for any dataset (false as soon as b depends on the context).
    Tolerance: decided by exact fractions."""
    return claim("prod_P p > prod_N p iff z in T", [r > 1 for r in case.ratios] == _in_target(case))


@certain.certificate("sign-separation", draw.SHARED_OFF)
def sign_separation_certificate(case: ConceptCase, balls: Balls) -> certain.Answers:
    """M(z) > 0 for every token of T and M(z) <= 0 for every other, under Assumption 1 or App. B.1;
    and the engine's M(z) has that sign wherever |M(z)| exceeds its rounding."""
    # Logarithms of exact ratios; a ratio of exactly 1 is M = 0.
    rounding = float(case.limits.blur)
    engine = case.data.log_odds(*case.sets).tolist()
    _, odds = certain.in_balls(case, balls)
    for ratio, M, computed, inside in zip(case.ratios, odds, engine, _in_target(case), strict=True):
        if ratio == 1:
            yield not inside and abs(computed) <= rounding
            continue
        sign = 1 if inside else -1
        yield balls.positive(sign * M)
        visible = balls.positive(abs(M) - balls.exact(rounding))
        yield computed * sign > 0 if visible else None if visible is None else True


@certain.certificate("slope", draw.family_cases().map(certain.moderate))
def slope_certificate(case: FamilyCase, balls: Balls) -> certain.Answers:
    """For every token z, p_alpha(z) certainly moves one way from alpha - h to alpha to alpha + h,
    and the law's p_alpha(z) (M(z) - E_alpha[M]) certainly has the sign of that move, as the
    engine's has where it exceeds its rounding; at the alpha of the instance, reduced to |alpha|
    (max M - min M) <= 300."""
    # The move is seen in the odds against z; tokens exactly at their peak at alpha = 0 are left.
    # At no other alpha can a token be exactly at its peak: sum p (M - M_z) e^{alpha M} = 0 with
    # rational p, M and alpha != 0 contradicts the theorem of Lindemann and Weierstrass.
    keys = case.keys
    if len(set(keys)) == 1:
        return
    p, M = certain.in_balls(case, balls)
    engine = case.family.slope(case.alpha).tolist()
    rounding = [float(bound) for bound in case.limits.slope(case.alpha)]
    centre = sum(a * k for a, k in zip(case.row, keys, strict=True))
    for z in range(len(M)):
        if not case.alpha and keys[z] == centre:
            continue
        falls = certain.direction_here(certain.odds_against(z, case, balls), case, balls)
        if falls is None:
            yield None
            return
        slope_of_law = certain.law("slope", balls, p=p, M=M, alpha=balls.exact(case.alpha), x=z)
        yield balls.positive(-falls * slope_of_law)
        yield engine[z] * falls < rounding[z]


@certain.certificate("mean-slope", draw.family_cases().map(certain.varied))
def mean_slope_certificate(case: FamilyCase, balls: Balls) -> certain.Answers:
    """K'' > 0 in this sense: the slope of K over [alpha - h, alpha] is below the law's E_alpha[M],
    and that below the slope over [alpha, alpha + h], h = 2^-20/(max M - min M); and min M <
    E_alpha[M] < max M; the engine's E_alpha[M] is within its rounding of the law's, and its
    Var_alpha[M] >= 0; M not constant, at the alpha of the instance, reduced to |alpha| (max M -
    min M) <= 300."""
    # K from its definition at three places, each term taken relative to e^{alpha M_0}.
    keys, (p, M), at = case.keys, certain.in_balls(case, balls), Fraction(case.alpha)
    h = 1 / ((max(keys) - min(keys)) * 2**20)

    def cgf(alpha: Fraction) -> Ball:
        x = balls.exact(alpha)
        terms = [a * balls.exp(x * (m - M[0])) for a, m in zip(p, M, strict=True)]
        return balls.log(balls.total(terms)) + x * M[0]

    before, here, after = (cgf(at + k * h) for k in (-1, 0, 1))
    mean = certain.law("mean-slope", balls, p=p, M=M, alpha=balls.exact(at))
    width = balls.exact(h)
    rounding = balls.exact(float(case.limits.mean(case.alpha)))
    yield balls.positive(rounding - abs(mean - balls.exact(float(case.family.mean(case.alpha)))))
    yield bool(case.family.variance(case.alpha) >= 0)
    yield balls.positive(mean * width - (here - before))
    yield balls.positive((after - here) - mean * width)
    yield balls.positive(M[keys.index(max(keys))] - mean)
    yield balls.positive(mean - M[keys.index(min(keys))])
