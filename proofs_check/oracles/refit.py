"""Strengths found again after the texts are weighted anew: what an influence claims to predict.

Nothing is differentiated: each quantity is its definition, the strength at which it has its level
is solved for with all digits, and the weights of the texts are then changed by 1e-30.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from steering_strength.proofs_check.oracles.precise import CTX, Number, Tilt, dot

Row = Sequence[Number]

CHANGE = CTX.mpf(10) ** -30
"""By so much the weights move: quotients err by 1e-60, and cancellation leaves as many digits."""


def quantity(
    goal: str, rows: Sequence[Row], weights: Row, tokens: Collection[int], M: Row, alpha: Number
) -> Number:
    """What `alpha` is chosen for, averaged over contexts: a price, F_C, or E_alpha[M] - M(z)."""

    def single(p: Row) -> Number:
        tilt = Tilt(p, M)
        if goal == "cross_entropy":
            return tilt.price(alpha)
        if goal == "reverse_kl":
            return tilt.price_back(alpha)
        if goal == "level":
            return tilt.concept(tokens, alpha)
        (z,) = tokens
        return tilt.mean(alpha) - M[z]

    return dot(weights, map(single, rows))


def refitted(curve: Callable[[Number], Number], level: Number, start: Number) -> Number:
    """The root of curve = level next to `start`, by secants; `start` is off by 1e-29 or so."""
    x, y = start, start * (1 + CHANGE) if start else CHANGE
    f, g = curve(x) - level, curve(y) - level
    for _ in range(12):
        if g in (f, 0):
            break
        x, y, f = y, y - g * (y - x) / (g - f), g
        g = curve(y) - level
    return y


def crossed(curve: Callable[[Number], Number], level: Number, start: Number) -> Number:
    """Where a curve that grows with |alpha| from 0 on that side reaches `level`: to 1e-25."""
    far = start
    while curve(far) < level:
        far *= 2
    near = far * 0
    for _ in range(90):
        middle = (near + far) / 2
        near, far = (near, middle) if curve(middle) >= level else (middle, far)
    return far


def moved(strength: Callable[[Number], Number]) -> Number:
    """The slope of a strength in the change of a weight."""
    return (strength(CHANGE) - strength(-CHANGE)) / (2 * CHANGE)


def bent(strength: Callable[[Number], Number]) -> Number:
    """The second derivative of 1/strength in the change of a weight."""
    ends = 1 / strength(CHANGE) + 1 / strength(-CHANGE)
    return (ends - 2 / strength(0 * CHANGE)) / CHANGE**2
