"""Certificates about bounds: on the cross-entropy, and under a norm."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

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
    same,
)
from steering_strength.proofs_check.certified.seen import varied
from steering_strength.proofs_check.formulas import Formulas
from steering_strength.proofs_check.instances import FamilyCase, NormCase
from steering_strength.proofs_check.meeting import EPS
from steering_strength.proofs_check.strategies import family_cases, norm_cases

__all__ = ["CERTIFICATES"]

AT = "at the alpha of the instance, not 0, reduced to |alpha| (max M - min M) <= 300"


def _increase(case: FamilyCase, balls: Balls) -> Ball:
    """The cross-entropy of p with p_alpha minus that with p: -sum p log p_alpha/p, as defined."""
    p, M, alpha = probabilities(case, balls), log_odds(case, balls), balls.exact(case.alpha)
    weights = [a * balls.exp(alpha * (m - M[0])) for a, m in zip(p, M, strict=True)]
    total = balls.total(weights)
    return -balls.total([a * balls.log(w / (total * a)) for a, w in zip(p, weights, strict=True)])


def _single(case: FamilyCase, balls: Balls) -> dict[str, Any]:
    """For the laws that average over contexts: one context of weight 1."""
    return {
        "m": 1,
        "pi": [1],
        "p": [probabilities(case, balls)],
        "M": log_odds(case, balls),
        "alpha": balls.exact(case.alpha),
    }


@certificate(
    "ce-exact",
    "Delta CE > 0, computed from its definition; the law's sum of K - alpha E[M] equals it to 64 "
    f"bits; the engine's value is positive too; M not constant, {AT}",
    family_cases().map(varied),
)
def ce_exact(case: FamilyCase, balls: Balls, on_trial: Formulas) -> bool | None:
    """One context; an average over contexts inherits the sign."""
    increase = _increase(case, balls)
    law = law_value(on_trial, "ce-exact", balls, _single(case, balls))
    return every(
        [
            agrees(balls.sign(increase), 1),
            same(law, increase, balls),
            bool(on_trial.cross_entropy_increase(case.family, case.alpha) > 0),
        ]
    )


@certificate(
    "ce-radius",
    "2(e^-x - 1 + x)/x^2 < Delta CE/quadratic < 2(e^x - 1 - x)/x^2, x = |alpha| (max M - min M), "
    "the quadratic being the law's; Delta CE < alpha^2 (max M - min M)^2/8; the same for the "
    "project's formulas of these bounds, give or take 16 EPS (1 + x) of them; and the law's "
    f"R K'' - K''' > 0; M not constant, {AT}",
    family_cases().map(varied),
)
def ce_radius(case: FamilyCase, balls: Balls, on_trial: Formulas) -> bool | None:
    """Multiplied out: 2 Delta CE x^2 against alpha^2 Var times the bracketed exponentials."""
    keys = order_keys(case)
    spread = max(keys) - min(keys)
    M, alpha = log_odds(case, balls), balls.exact(case.alpha)
    increase = _increase(case, balls)
    variance = law_value(on_trial, "ce-quadratic", balls, _single(case, balls))
    values = {
        "p": probabilities(case, balls),
        "M": M,
        "w": [balls.exact(key - min(keys)) for key in keys],
        "R": spread,
        "alpha": alpha,
    }
    slack = law_value(on_trial, "ce-radius", balls, values)
    x = balls.exact(abs(Fraction(case.alpha)) * spread)
    quadratic = alpha * alpha * variance
    one = balls.exact(1)
    # What float64 may lose in the formulas of the bounds: x itself is rounded before e^x is.
    reach = float(abs(Fraction(case.alpha)) * spread)
    slip = Fraction(16 * EPS * (1 + reach))
    lower, upper = (Fraction(b) for b in on_trial.envelope(reach))
    cap = Fraction(on_trial.global_bound(float(spread), case.alpha)) * (1 + slip)
    return every(
        [
            agrees(balls.sign(2 * increase - quadratic * balls.exact(lower * (1 - slip))), 1),
            agrees(balls.sign(quadratic * balls.exact(upper * (1 + slip)) - 2 * increase), 1),
            agrees(balls.sign(balls.exact(cap) - increase), 1),
            agrees(balls.sign(increase * x * x - quadratic * (balls.exp(-x) - one + x)), 1),
            agrees(balls.sign(quadratic * (balls.exp(x) - one - x) - increase * x * x), 1),
            agrees(balls.sign(x * x - 8 * increase), 1),
            agrees(balls.sign(slack), 1),
        ]
    )


@certificate(
    "ce-asymptote",
    "|alpha| sigma + log p(top) < Delta CE < |alpha| sigma for one context, sigma = E|M - M(top)|; "
    "and the law's alpha sigma + log(P_A + R_A) equals Delta CE, computed from its definition, to "
    f"64 bits; M not constant, {AT}",
    family_cases().map(varied),
)
def ce_asymptote(case: FamilyCase, balls: Balls, on_trial: Formulas) -> bool | None:
    """The law speaks of alpha > 0; the other end is its mirror image, M -> -M."""
    keys = order_keys(case)
    side = 1 if case.alpha > 0 else -1
    top = max(side * key for key in keys)
    order = sorted(range(len(keys)), key=lambda z: -side * keys[z])
    gaps = [top - side * keys[z] for z in order]
    p = [balls.exact(case.row[z]) for z in order]
    alpha = balls.exact(abs(Fraction(case.alpha)))
    tied = gaps.count(Fraction(0))
    values = {
        "p": p,
        "M": [balls.exact(side * keys[z]) for z in order],
        "d": [balls.exact(gap) for gap in gaps],
        "|A|": tied,
        "alpha": alpha,
    }
    law = law_value(on_trial, "ce-asymptote", balls, values)
    increase = _increase(case, balls)
    line = alpha * balls.total([a * balls.exact(gap) for a, gap in zip(p, gaps, strict=True)])
    return every(
        [
            same(law, increase, balls),
            agrees(balls.sign(line - increase), 1),
            agrees(balls.sign(increase - line - balls.log(balls.total(p[:tied]))), 1),
        ]
    )


@certificate(
    "norm-limit",
    "LN(h + alpha v) is within 2 sqrt(d) |P h| max gain/(|alpha| |P v|) of the limit the engine "
    "returns, and within the project's formula of that bound, give or take 8 EPS of the limit's "
    "size and 8 d EPS of the formula's; eps = 0, at the alpha of the instance",
    norm_cases(),
)
def norm_limit(case: NormCase, balls: Balls, on_trial: Formulas) -> bool | None:
    """Distances from exact h and v; instances with eps > 0 are taken at eps = 0."""
    h, v = _projected(case)
    steered = [a + Fraction(case.alpha) * b for a, b in zip(h, v, strict=True)]
    # LN(0) is 0/0 at eps = 0, and no strength lies at alpha = 0.
    if not case.alpha or not any(steered):
        return True
    d, sign = len(h), 1 if case.alpha > 0 else -1
    limit = on_trial.normed(case).limit(sign).tolist()
    size = balls.sqrt(_square([balls.exact(x) for x in steered], balls) / d)
    here = [
        balls.exact(g) * balls.exact(x) / size + balls.exact(b)
        for g, x, b in zip(case.gain, steered, case.bias, strict=True)
    ]
    distance = _square([x - balls.exact(y) for x, y in zip(here, limit, strict=True)], balls)
    reach = [_square([balls.exact(x) for x in vector], balls) for vector in (h, v)]
    alpha, largest = balls.exact(abs(case.alpha)), balls.exact(max(case.gain))
    bound = balls.sqrt(4 * d * reach[0] / reach[1]) * largest / alpha if any(h) else 0
    rounding = balls.exact(
        8 * EPS * sum(abs(y) + abs(b) for y, b in zip(limit, case.bias, strict=True))
    )
    formula = balls.exact(
        Fraction(on_trial.norm_bound(case, case.alpha)) * (1 + Fraction(8 * d * EPS))
    )
    return every(
        [
            agrees(balls.sign(allowed * allowed - distance), 1)
            for allowed in (bound + rounding, formula + rounding)
        ]
    )


def _square(x: list[Ball], balls: Balls) -> Ball:
    return balls.total([a * a for a in x])


def _projected(case: NormCase) -> tuple[list[Fraction], list[Fraction]]:
    """P h and P v, exactly."""
    result = []
    for vector in (case.h, case.v):
        x = [Fraction(a) for a in vector]
        centre = sum(x, start=Fraction(0)) / len(x) if case.kind == "layer" else Fraction(0)
        result.append([a - centre for a in x])
    return result[0], result[1]


CERTIFICATES: tuple[Certificate, ...] = (ce_exact, ce_radius, ce_asymptote, norm_limit)
