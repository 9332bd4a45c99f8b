"""Edits of a hidden state by their definitions, with 120 digits; no strengths, no tilting.

States and directions are sequences of numbers of `precise`, all of length d; `u` may have any
length but 0 where its span alone matters.
"""

from __future__ import annotations

from collections.abc import Sequence

from steering_strength.proofs_check.oracles.precise import CTX, Number, softmax

Vector = Sequence[Number]


def dot(a: Vector, b: Vector) -> Number:
    """<a, b>."""
    return CTX.fsum(x * y for x, y in zip(a, b, strict=True))


def length(u: Vector) -> Number:
    """|u|."""
    return CTX.sqrt(dot(u, u))


def unit(u: Vector) -> list[Number]:
    """u / |u|."""
    size = length(u)
    return [x / size for x in u]


def projected(h: Vector, u: Vector, component: Number) -> list[Number]:
    """What of h is orthogonal to u, plus `component` times the unit vector along u."""
    share = dot(u, h) / dot(u, u)
    along = unit(u)
    return [x - share * y + component * z for x, y, z in zip(h, u, along, strict=True)]


def clamped(h: Vector, u: Vector, value: Number, reading: Number) -> list[Number]:
    """h with `value` times u in the place of `reading` times u."""
    return [x - reading * y + value * y for x, y in zip(h, u, strict=True)]


def rotated(h: Vector, u: Vector, w: Vector, theta: Number) -> list[Number]:
    """h turned by theta in the plane of the orthogonal u and w, as a complex number there."""
    first, second = unit(u), unit(w)
    point = CTX.mpc(dot(first, h), dot(second, h))
    turned = point * CTX.expj(theta)
    change = turned - point
    return [x + change.real * a + change.imag * b for x, a, b in zip(h, first, second, strict=True)]


def norm_kept(h: Vector, moved: Vector) -> list[Number]:
    """`moved`, made as long as h."""
    scale = CTX.sqrt(dot(h, h) / dot(moved, moved))
    return [scale * x for x in moved]


def probabilities(W: Sequence[Vector], h: Vector, bias: Vector) -> list[Number]:
    """softmax(W h + bias)."""
    return softmax([dot(row, h) + b for row, b in zip(W, bias, strict=True)])
