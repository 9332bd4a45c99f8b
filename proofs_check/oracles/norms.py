"""The final norm of a steered residual stream, with 120 digits (arXiv:2602.02712, section 4).

Vectors are sequences of numbers of `precise`, all of length d. `kind` is "rms" (RMSNorm) or
"layer" (LayerNorm), with gain, bias and eps as in the model.
"""

from __future__ import annotations

from collections.abc import Sequence

from steering_strength.proofs_check.oracles.precise import CTX, Number


def centred(x: Sequence[Number]) -> list[Number]:
    """x minus the mean of its coordinates."""
    average = CTX.fsum(x) / len(x)
    return [a - average for a in x]


def norm_output(
    x: Sequence[Number],
    kind: str,
    gain: Sequence[Number],
    bias: Sequence[Number],
    eps: Number,
) -> list[Number]:
    """gain * x / sqrt(mean x^2 + eps) + bias, x centred first for "layer".

    0 / 0 (eps = 0 and nothing left of x) is 0 here, as in every limit of it with eps > 0.
    """
    y = centred(x) if kind == "layer" else list(x)
    size = CTX.sqrt(CTX.fsum(a * a for a in y) / len(y) + eps)
    scaled = [a / size for a in y] if size else [CTX.mpf(0)] * len(y)
    return [g * a + b for g, a, b in zip(gain, scaled, bias, strict=True)]


def affine(h: Sequence[Number], v: Sequence[Number], alpha: Number) -> list[Number]:
    """h + alpha v."""
    return [a + alpha * b for a, b in zip(h, v, strict=True)]


def difference_of_means(
    states: Sequence[Sequence[Number]], positive: Sequence[int], negative: Sequence[int]
) -> list[Number]:
    """v: the mean of the states of P minus that of the states of N."""

    def average(group: Sequence[int], k: int) -> Number:
        return CTX.fsum(states[i][k] for i in group) / len(group)

    return [average(positive, k) - average(negative, k) for k in range(len(states[0]))]


def far_output(
    h: Sequence[Number],
    v: Sequence[Number],
    kind: str,
    gain: Sequence[Number],
    bias: Sequence[Number],
    eps: Number,
    sign: int,
) -> list[Number]:
    """The norm's output at alpha = sign * 10^45 (|h| + 1) / |v|: its limit to about 45 digits.

    Where v is zero, any alpha will do and the output is that of h.
    """
    size = CTX.sqrt(CTX.fsum(a * a for a in v))
    length = CTX.sqrt(CTX.fsum(a * a for a in h)) + 1
    alpha = sign * CTX.mpf(10) ** 45 * length / size if size else CTX.mpf(sign)
    return norm_output(affine(h, v, alpha), kind, gain, bias, eps)


def logits(W: Sequence[Sequence[Number]], x: Sequence[Number]) -> list[Number]:
    """W x, row by row."""
    return [CTX.fsum(a * b for a, b in zip(row, x, strict=True)) for row in W]
