"""Tables of next-token probabilities in log space: what several parts of the model need of them."""

from __future__ import annotations

import numpy as np

from steering_strength.theory.engine.numerics import exponential_excess
from steering_strength.theory.errors import AlphaError
from steering_strength.theory.model.inputs import FloatArray, IntArray, read_only

loud = np.errstate(over="ignore", invalid="ignore", under="ignore")
"""Decorates what forms logits by products: what overflows there is refused by `log_softmax`."""


@loud
def log_softmax(logits: FloatArray) -> FloatArray:
    """Normalise `logits` over the last axis in log space.

    The maximum is subtracted first: the sum of exponentials then lies in [1, V] and cannot
    overflow; terms that underflow are below 1e-308 of it.

    Raises AlphaError: a logit is infinite or NaN: the steered state overflows float64.
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)
    if not np.isfinite(shifted).all():
        raise AlphaError(
            "the steered logits overflow float64", remedy="use a smaller |alpha|, or rescale v"
        )
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def log_table(probabilities: FloatArray) -> FloatArray:
    """Logarithms of probabilities, of any shape; log 0 = -inf is meant and gives no warning."""
    with np.errstate(divide="ignore"):
        return read_only(np.log(probabilities))


def distinct_rows(table: FloatArray) -> tuple[IntArray, IntArray]:
    """(first, group): index of the first of each set of equal rows, and the set of each row.

    Under Assumption 1 the contexts of a concept share one row, so work per row shrinks to G.
    """
    number: dict[bytes, int] = {}
    first: list[int] = []
    group = np.empty(len(table), dtype=np.int64)
    for j, row in enumerate(table):
        group[j] = number.setdefault(row.tobytes(), len(first))
        if group[j] == len(first):
            first.append(j)
    return np.array(first, dtype=np.int64), group


def kl_rows(log_p: FloatArray, log_q: FloatArray) -> FloatArray:
    """KL(p_j || q_j) of each row, shape (m,), in nats; both normalised, p may have zeros.

    Written as sum_z p (t - 1 - log t), t = q/p, plus the q of tokens without support: equal to
    sum_z p log(p/q), because both rows sum to 1, but a sum of terms >= 0, so that an excess of
    1e-12 nats does not drown in the rounding of an entropy.
    """
    support = log_p > -np.inf
    u = np.where(support, log_q - np.where(support, log_p, 0.0), 0.0)
    p, q = np.exp(log_p), np.exp(log_q)
    near = np.abs(u) <= 0.5
    # Far from 0 nothing cancels, and q avoids the overflow of e^u at p = 1e-320.
    terms = np.where(near, p * exponential_excess(np.where(near, u, 0.0)), q - p - p * u)
    return np.asarray(np.where(support, terms, q).sum(axis=-1))


def mean_log_ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """(1/q) sum_i log(numerator_i / denominator_i) over the rows of two (q, V) positive tables.

    Both tables are sorted along the rows first. The mean does not depend on which rows are
    paired, but rounding does: sorted, a token's value depends only on *which* probabilities it
    has in P and in N, so tokens that tie in exact arithmetic tie in floating point, and a token
    with the same probabilities on both sides gets exactly 0.
    """
    x, y = np.sort(numerator, axis=0), np.sort(denominator, axis=0)
    # log x - log y cancels for close pairs: at x/y = 1 + 1e-12 four digits would be left. By
    # Sterbenz's lemma x - y is exact for y/2 <= x <= 2y, so log1p keeps them all. Further apart
    # the quotient loses half an ulp, unless it over- or underflows (x = 1, y = 1e-320), where
    # the logarithms differ by hundreds and their difference is as good.
    near = (y <= 2.0 * x) & (x <= 2.0 * y)
    far = (x > 1e300 * y) | (y > 1e300 * x)
    middle = ~(near | far)
    ratio = np.empty_like(x)
    ratio[near] = np.log1p((x[near] - y[near]) / y[near])
    ratio[middle] = np.log(x[middle] / y[middle])
    ratio[far] = np.log(x[far]) - np.log(y[far])
    return np.asarray(ratio.mean(axis=0))
