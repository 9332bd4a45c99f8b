"""Certificates about bounds: on the cross-entropy, and under a norm."""

from __future__ import annotations

from fractions import Fraction

from proofs_check.balls import Ball, Balls
from proofs_check.certified.certificate import (
    Certificate,
    agrees,
    certificate,
    every,
    log_odds,
    order_keys,
    probabilities,
)
from proofs_check.instances import FamilyCase, NormCase
from proofs_check.strategies import family_cases, norm_cases

__all__ = ["CERTIFICATES"]


def _increase(case: FamilyCase, alpha: Ball, balls: Balls) -> Ball:
    """K(alpha) - alpha K'(0) = log sum p e^{alpha (M - E[M])}."""
    p, M = probabilities(case, balls), log_odds(case, balls)
    centre = balls.total([a * b for a, b in zip(p, M, strict=True)])
    return balls.log(
        balls.total([a * balls.exp(alpha * (b - centre)) for a, b in zip(p, M, strict=True)])
    )


def _moves(case: FamilyCase) -> bool:
    return len(set(order_keys(case))) > 1 and case.alpha != 0


@certificate(
    "ce-exact",
    "Delta CE(alpha) > 0 at the alpha of the instance, if it is not 0 and M is not constant",
    family_cases(),
)
def ce_exact(case: FamilyCase, balls: Balls) -> bool | None:
    """A logarithm whose argument exceeds 1."""
    if not _moves(case):
        return True
    return agrees(balls.sign(_increase(case, balls.exact(case.alpha), balls)), 1)


@certificate(
    "ce-radius",
    "2(e^-x - 1 + x)/x^2 < Delta CE/quadratic < 2(e^x - 1 - x)/x^2, x = |alpha| (max M - min M), "
    "and Delta CE < alpha^2 (max M - min M)^2/8, at the alpha of the instance",
    family_cases(),
)
def ce_radius(case: FamilyCase, balls: Balls) -> bool | None:
    """Multiplied out: 2 Delta CE x^2 against alpha^2 Var times the bracketed exponentials."""
    if not _moves(case):
        return True
    keys = order_keys(case)
    p, M, alpha = probabilities(case, balls), log_odds(case, balls), balls.exact(case.alpha)
    centre = balls.total([a * b for a, b in zip(p, M, strict=True)])
    variance = balls.total([a * (b - centre) * (b - centre) for a, b in zip(p, M, strict=True)])
    increase = _increase(case, alpha, balls)
    x = balls.exact(abs(Fraction(case.alpha)) * (max(keys) - min(keys)))
    quadratic = alpha * alpha * variance
    one = balls.exact(1)
    return every(
        [
            agrees(balls.sign(increase * x * x - quadratic * (balls.exp(-x) - one + x)), 1),
            agrees(balls.sign(quadratic * (balls.exp(x) - one - x) - increase * x * x), 1),
            agrees(balls.sign(x * x - 8 * increase), 1),
        ]
    )


@certificate(
    "ce-asymptote",
    "|alpha| sigma + log p(top) < Delta CE(alpha) < |alpha| sigma for one context, at the alpha of "
    "the instance",
    family_cases(wild=False),
)
def ce_asymptote(case: FamilyCase, balls: Balls) -> bool | None:
    """K - alpha max M lies between log p(top) and 0: what p(top) gains, and what is lacking to 1.

    Written as sums of positive terms, so that e^-5000000 is still seen to be positive.
    """
    if not _moves(case):
        return True
    keys = order_keys(case)
    top = max(keys) if case.alpha > 0 else min(keys)
    alpha = balls.exact(case.alpha)
    others = [
        (balls.exact(p), balls.exp(alpha * balls.exact(key - top)))
        for p, key in zip(case.row, keys, strict=True)
        if key != top
    ]
    added = balls.total([p * weight for p, weight in others])
    lacking = balls.total([p * (1 - weight) for p, weight in others])
    return every([agrees(balls.sign(added), 1), agrees(balls.sign(lacking), 1)])


@certificate(
    "norm-limit",
    "LN(h + alpha v) is within 2 sqrt(d) |P h| max gain/(|alpha| |P v|) of its limit "
    "at eps = 0, at the alpha of the instance",
    norm_cases(),
)
def norm_limit(case: NormCase, balls: Balls) -> bool | None:
    """Squared distances; instances with eps > 0 are taken at eps = 0."""
    if not case.alpha:
        return True
    d = len(case.h)
    h, v = ([balls.exact(x) for x in vector] for vector in _centred(case))
    alpha = balls.exact(case.alpha)

    def square(x: list[Ball]) -> Ball:
        return balls.total([a * a for a in x])

    steered = [a + alpha * b for a, b in zip(h, v, strict=True)]
    if balls.sign(square(steered)) != 1:
        return True if not any(_steered(case)) else None
    here, there = (balls.sqrt(square(x) / d) for x in (steered, v))
    sign = 1 if case.alpha > 0 else -1
    gain = [balls.exact(g) for g in case.gain]
    distance = square(
        [g * (a / here - sign * b / there) for g, a, b in zip(gain, steered, v, strict=True)]
    )
    largest = balls.exact(max(case.gain))
    bound = 4 * d * square(h) * largest * largest / (alpha * alpha * square(v))
    # Both sides vanish together where P h = 0: then there is nothing to decide.
    return True if not any(_centred(case)[0]) else agrees(balls.sign(bound - distance), 1)


def _centred(case: NormCase) -> tuple[list[Fraction], list[Fraction]]:
    """P h and P v, exactly."""
    result = []
    for vector in (case.h, case.v):
        x = [Fraction(a) for a in vector]
        centre = sum(x, start=Fraction(0)) / len(x) if case.kind == "layer" else Fraction(0)
        result.append([a - centre for a in x])
    return result[0], result[1]


def _steered(case: NormCase) -> list[Fraction]:
    h, v = _centred(case)
    return [a + Fraction(case.alpha) * b for a, b in zip(h, v, strict=True)]


CERTIFICATES: tuple[Certificate, ...] = (ce_exact, ce_radius, ce_asymptote, norm_limit)
