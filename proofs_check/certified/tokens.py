"""Certificates about single tokens: signs, slopes and peaks."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import strategies as st

from proofs_check.balls import Balls
from proofs_check.certified.certificate import (
    Certificate,
    agrees,
    certificate,
    every,
    excess,
    log_odds,
    order_keys,
    probabilities,
    weights,
)
from proofs_check.instances import ConceptCase, FamilyCase
from proofs_check.strategies import concept_cases, family_cases

__all__ = ["CERTIFICATES"]


@certificate(
    "mean-slope",
    "K''(alpha) > 0, and min M < K'(alpha) < max M, at the alpha of the instance (M not constant)",
    family_cases(),
)
def mean_slope(case: FamilyCase, balls: Balls) -> bool | None:
    """K'' as half the mean squared difference of two independent draws: a sum of positive terms."""
    keys = order_keys(case)
    if len(set(keys)) == 1:
        return True
    p, M, alpha = probabilities(case, balls), log_odds(case, balls), balls.exact(case.alpha)
    weight = weights(p, M, alpha, balls)
    spread = balls.total(
        [
            weight[i] * weight[j] * (M[i] - M[j]) * (M[i] - M[j])
            for i in range(len(M))
            for j in range(i)
            if keys[i] != keys[j]
        ]
    )
    top, bottom = (M[keys.index(end(keys))] for end in (max, min))
    return every(
        [
            agrees(balls.sign(spread), 1),
            agrees(balls.sign(excess(p, M, top, alpha, balls)), -1),
            agrees(balls.sign(excess(p, M, bottom, alpha, balls)), 1),
        ]
    )


@certificate(
    "slope",
    "p_alpha(z) rises at the alpha of the instance iff M(z) > K'(alpha): signs of the derivative "
    "written without K', as a sum over the other tokens, for every token z",
    family_cases(),
)
def slope(case: FamilyCase, balls: Balls) -> bool | None:
    """The derivative of 1/p_alpha(z) is sum_y (p_y/p_z)(M_y - M_z) e^{alpha (M_y - M_z)}."""
    keys = order_keys(case)
    p, M, alpha = probabilities(case, balls), log_odds(case, balls), balls.exact(case.alpha)
    answers: list[bool | None] = []
    for z in range(len(M)):
        reciprocal = balls.total(
            [
                p[y] / p[z] * (M[y] - M[z]) * balls.exp(alpha * (M[y] - M[z]))
                for y in range(len(M))
                if keys[y] != keys[z]
            ]
        )
        above = excess(p, M, M[z], alpha, balls)
        if len(set(keys)) > 1:
            signs = balls.sign(reciprocal), balls.sign(above)
            answers.append(None if None in signs else signs[0] == signs[1])
    return every(answers)


@certificate(
    "peak",
    "each finite peak the engine returns lies in a bracket 1e-9 wide (relative, or 1e-9 over the "
    "range of M) with K' < M(z) at one end and K' > M(z) at the other",
    family_cases(wild=False),
)
def peak(case: FamilyCase, balls: Balls) -> bool | None:
    """Two signs per token."""
    keys = order_keys(case)
    p, M = probabilities(case, balls), log_odds(case, balls)
    spread = max(keys) - min(keys)
    answers: list[bool | None] = []
    for z, alpha in enumerate(case.family.peaks().tolist()):
        if not min(keys) < keys[z] < max(keys):
            continue
        width = max(abs(Fraction(alpha)), 1 / spread) / 10**9
        for side in (-1, 1):
            at = balls.exact(Fraction(alpha) + side * width)
            answers.append(agrees(balls.sign(excess(p, M, M[z], at, balls)), side))
    return every(answers)


@certificate(
    "peak-sign",
    "for every token, the sign of M(z) - E_p[M] and the sign of the peak the engine returns agree",
    concept_cases("none", wild=False),
)
def peak_sign(case: ConceptCase, balls: Balls) -> bool | None:
    """K'(0) against M(z)."""
    p, M, keys = probabilities(case, balls), log_odds(case, balls), order_keys(case)
    if len(set(keys)) == 1:
        return True
    answers: list[bool | None] = []
    for z, alpha in enumerate(case.family.peaks().tolist()):
        sign = balls.sign(excess(p, M, M[z], balls.exact(0), balls))
        answers.append(None if sign is None else (alpha > 0) == (sign < 0))
    return every(answers)


@certificate(
    "sign-separation",
    "M(z) > 0 for every token of T and M(z) <= 0 for every other, under Assumption 1 or App. B.1",
    st.one_of(concept_cases("1"), concept_cases("B.1")),
)
def sign_separation(case: ConceptCase, balls: Balls) -> bool | None:
    """Logarithms of exact ratios; a ratio of exactly 1 is M = 0."""
    answers: list[bool | None] = []
    for ratio, M, concept in zip(
        case.ratios, log_odds(case, balls), case.dataset.token_concept, strict=True
    ):
        inside = concept == case.target
        answers.append(not inside if ratio == 1 else agrees(balls.sign(M), 1 if inside else -1))
    return every(answers)


CERTIFICATES: tuple[Certificate, ...] = (sign_separation, slope, mean_slope, peak, peak_sign)
