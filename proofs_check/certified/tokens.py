"""Certificates about single tokens: signs, slopes and peaks."""

from __future__ import annotations

from fractions import Fraction
from math import lcm, prod

from hypothesis import strategies as st

from steering_strength.proofs_check.balls import Ball, Balls
from steering_strength.proofs_check.certified.certificate import (
    Certificate,
    agrees,
    certificate,
    every,
    law_value,
    log_odds,
    order_keys,
    probabilities,
)
from steering_strength.proofs_check.certified.seen import (
    direction,
    moderate,
    odds_against,
    steps_of,
    varied,
)
from steering_strength.proofs_check.formulas import Formulas
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase
from steering_strength.proofs_check.oracles.precise import CTX
from steering_strength.proofs_check.strategies import concept_cases, family_cases
from steering_strength.proofs_check.tolerance import tolerance

__all__ = ["CERTIFICATES"]


@certificate(
    "sign-separation",
    "M(z) > 0 for every token of T and M(z) <= 0 for every other, under Assumption 1 or App. B.1; "
    "and the engine's M(z) has that sign wherever |M(z)| exceeds its rounding",
    st.one_of(concept_cases("1"), concept_cases("B.1")),
)
def sign_separation(case: ConceptCase, balls: Balls, on_trial: Formulas) -> bool | None:
    """Logarithms of exact ratios; a ratio of exactly 1 is M = 0."""
    rounding = float(tolerance(case).blur)
    blur = balls.exact(Fraction(rounding))
    engine = on_trial.log_odds(case.data, case.positive, case.negative).tolist()
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
def slope(case: FamilyCase, balls: Balls, on_trial: Formulas) -> bool | None:
    """The move is seen in the odds against z; tokens exactly at their peak at alpha = 0 are left.

    At no other alpha can a token be exactly at its peak: sum p (M - M_z) e^{alpha M} = 0 with
    rational p, M and alpha != 0 contradicts the theorem of Lindemann and Weierstrass.
    """
    keys = order_keys(case)
    if len(set(keys)) == 1:
        return True
    p, M, alpha = probabilities(case, balls), log_odds(case, balls), balls.exact(case.alpha)
    engine = on_trial.slope(case.family, case.alpha).tolist()
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
        slope_of_law = law_value(on_trial, "slope", balls, {"p": p, "M": M, "alpha": alpha, "x": z})
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
def mean_slope(case: FamilyCase, balls: Balls, on_trial: Formulas) -> bool | None:
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
    mean = law_value(on_trial, "mean-slope", balls, {"p": p, "M": M, "alpha": balls.exact(at)})
    width = balls.exact(h)
    top, bottom = (M[keys.index(end(keys))] for end in (max, min))
    engine = Fraction(float(on_trial.mean(case.family, case.alpha)))
    rounding = balls.exact(float(tolerance(case).mean(case.alpha)))
    return every(
        [
            agrees(balls.sign(rounding - abs(mean - balls.exact(engine))), 1),
            bool(on_trial.variance(case.family, case.alpha) >= 0),
            agrees(balls.sign(mean * width - (here - before)), 1),
            agrees(balls.sign((after - here) - mean * width), 1),
            agrees(balls.sign(top - mean), 1),
            agrees(balls.sign(mean - bottom), 1),
        ]
    )


@certificate(
    "peak",
    "each finite peak the engine returns lies in a bracket 1e-9 wide to either side (relatively, "
    "or over the range of M), p_alpha(z) is lower at both ends than at the peak, and the law's "
    "E_alpha[M] is below M(z) at one end and above it at the other; the infinite peaks are "
    "exactly those of the extreme tokens",
    family_cases(wild=False),
)
def peak(case: FamilyCase, balls: Balls, on_trial: Formulas) -> bool | None:
    """The odds against z at three places, and two signs, per token."""
    keys = order_keys(case)
    p, M = probabilities(case, balls), log_odds(case, balls)
    low, high = min(keys), max(keys)
    if low == high:
        return True
    answers: list[bool | None] = []
    for z, alpha in enumerate(on_trial.peaks(case.family).tolist()):
        if keys[z] in (low, high):
            answers.append(alpha == (float("inf") if keys[z] == high else -float("inf")))
            continue
        if not abs(alpha) < float("inf"):
            return False
        width = max(abs(Fraction(alpha)), 1 / (high - low)) / 10**9
        curve = odds_against(p, M, keys, z, balls)
        top = curve(balls.exact(alpha))
        for side in (-1, 1):
            at = balls.exact(Fraction(alpha) + side * width)
            mean = law_value(on_trial, "mean-slope", balls, {"p": p, "M": M, "alpha": at})
            answers.append(agrees(balls.sign(curve(at) - top), 1))
            answers.append(agrees(balls.sign(mean - M[z]), side))
    return every(answers)


@certificate(
    "peak-sign",
    "for every token, p_alpha(z) certainly moves one way from alpha = -h to 0 to h, the law's "
    "mean_N KL(p, p_i) - mean_P KL(p, p_i) is on the matching side of M(z); the engine's sign of "
    "the peak and the peak it returns agree, unless M(z) is within its rounding of E_p[M]",
    concept_cases("none", wild=False),
)
def peak_sign(case: ConceptCase, balls: Balls, on_trial: Formulas) -> bool | None:
    """The divergences as the law has them; tokens with M(z) = E_p[M] exactly are left out."""
    p, M, keys = probabilities(case, balls), log_odds(case, balls), order_keys(case)
    if len(set(keys)) == 1:
        return True
    rows = case.dataset.rows
    values = {
        "p": p,
        "M": M,
        "q_P": case.q,
        "q_N": case.q,
        "p^P": [rows[i] for i in case.positive],
        "p^N": [rows[i] for i in case.negative],
    }
    distance = law_value(on_trial, "peak-sign", balls, values)
    rounding = balls.exact(Fraction(float(4 * tolerance(case).mean(0.0))))
    answers: list[bool | None] = []
    signs = on_trial.peak_signs(case.family).tolist()
    for z, peak_of_engine in enumerate(on_trial.peaks(case.family).tolist()):
        if _exactly_at_mean(case, z):
            continue
        falls = direction(odds_against(p, M, keys, z, balls), 0.0, steps_of(case, balls), balls)
        if falls is None:
            return None
        answers.append(agrees(balls.sign(M[z] - distance), -falls))
        visible = balls.sign(abs(M[z] - distance) - rounding)
        if visible != -1:
            found = peak_of_engine * falls < 0 and signs[z] * falls < 0
            answers.append(None if visible is None else found)
    return every(answers)


def _exactly_at_mean(case: ConceptCase, z: int) -> bool:
    """M(z) = E_p[M], by whole numbers: prod r_y^{n_y} = r_z^N with p = n/N and r = e^{q M}.

    Asked only where the two agree to 20 digits, for the powers are long.
    """
    with CTX.workdps(case.digits):
        centre = CTX.fsum(a * m for a, m in zip(case.p, case.M, strict=True))
        if abs(centre - case.M[z]) > 1e-20 * (abs(case.M[z]) + 1e-20):
            return False
    N = lcm(*(a.denominator for a in case.row))
    powers = [r ** int(a * N) for a, r in zip(case.row, case.ratios, strict=True)]
    return prod(powers, start=Fraction(1)) == case.ratios[z] ** N


CERTIFICATES: tuple[Certificate, ...] = (sign_separation, slope, mean_slope, peak, peak_sign)
