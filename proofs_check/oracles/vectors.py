"""Hidden states, edited and normed by definition, with 120 digits; no strengths, no tilting.

Vectors are sequences of numbers of `precise`, all of length d; `u` may have any length but 0 where
its span alone matters. `kind` is "rms" (RMSNorm) or "layer" (LayerNorm), with gain, bias and eps as
in the model (arXiv:2602.02712, section 4).
"""

from __future__ import annotations

from collections.abc import Sequence

from steering_strength.proofs_check.oracles.precise import CTX, Number, dot, softmax

Vector = Sequence[Number]


def length(u: Vector) -> Number:
    """|u|."""
    return CTX.sqrt(dot(u, u))


def unit(u: Vector) -> list[Number]:
    """u / |u|."""
    size = length(u)
    return [x / size for x in u]


def affine(h: Vector, v: Vector, alpha: Number) -> list[Number]:
    """h + alpha v."""
    return [a + alpha * b for a, b in zip(h, v, strict=True)]


def centred(x: Vector) -> list[Number]:
    """x minus the mean of its coordinates."""
    average = CTX.fsum(x) / len(x)
    return [a - average for a in x]


def difference_of_means(positive: Sequence[Vector], negative: Sequence[Vector]) -> list[Number]:
    """The mean of the rows of P minus that of N: v of states, M of log-probabilities."""
    sides = positive, negative
    means = ([CTX.fsum(x) / len(side) for x in zip(*side, strict=True)] for side in sides)
    return [a - b for a, b in zip(*means, strict=True)]


def projected(h: Vector, u: Vector, component: Number) -> list[Number]:
    """What of h is orthogonal to u, plus `component` times the unit vector along u."""
    return affine(affine(h, u, -dot(u, h) / dot(u, u)), unit(u), component)


def rotated(h: Vector, u: Vector, w: Vector, theta: Number) -> list[Number]:
    """h turned by theta in the plane of the orthogonal u and w, as a complex number there."""
    first, second = unit(u), unit(w)
    point = CTX.mpc(dot(first, h), dot(second, h))
    change = point * CTX.expj(theta) - point
    return affine(affine(h, first, change.real), second, change.imag)


def norm_kept(h: Vector, moved: Vector) -> list[Number]:
    """`moved`, made as long as h."""
    scale = length(h) / length(moved)
    return [scale * x for x in moved]


def norm_output(x: Vector, kind: str, gain: Vector, bias: Vector, eps: Number) -> list[Number]:
    """gain * x / sqrt(mean x^2 + eps) + bias, x centred first for "layer".

    0 / 0 (eps = 0 and nothing left of x) is 0 here, as in every limit of it with eps > 0.
    """
    y = centred(x) if kind == "layer" else list(x)
    size = CTX.sqrt(dot(y, y) / len(y) + eps)
    scaled = [a / size for a in y] if size else [CTX.mpf(0)] * len(y)
    return [g * a + b for g, a, b in zip(gain, scaled, bias, strict=True)]


def far_output(
    h: Vector, v: Vector, kind: str, gain: Vector, bias: Vector, eps: Number, sign: int
) -> list[Number]:
    """The norm's output at alpha = sign * 10^45 (|h| + 1) / |v|: its limit to about 45 digits.

    Where v is zero, any alpha will do and the output is that of h.
    """
    size = length(v)
    alpha = sign * CTX.mpf(10) ** 45 * (length(h) + 1) / size if size else CTX.mpf(sign)
    return norm_output(affine(h, v, alpha), kind, gain, bias, eps)


def logits(W: Sequence[Vector], x: Vector) -> list[Number]:
    """W x, row by row."""
    return [dot(row, x) for row in W]


def probabilities(W: Sequence[Vector], h: Vector, bias: Vector) -> list[Number]:
    """softmax(W h + bias)."""
    return softmax([a + b for a, b in zip(logits(W, h), bias, strict=True)])
