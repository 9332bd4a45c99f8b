"""M(z) of arXiv:2602.02712, Def. 3.2: mean over P minus mean over N of log p(z|.), in nats."""

from __future__ import annotations

import numpy as np

from steering_strength.theory.errors import ProbabilityError
from steering_strength.theory.model.inputs import FloatArray, read_only
from steering_strength.theory.model.steering_sets import SteeringSets

__all__ = ["log_odds", "mean_log_ratio"]


def log_odds(probabilities: FloatArray, sets: SteeringSets) -> FloatArray:
    """M, shape (V,), of validated P and N; `ProbabilityError` where it would be infinite."""
    members = np.concatenate([sets.positive, sets.negative])
    zero = np.argwhere(probabilities[members] == 0)
    if len(zero):
        row, z = (int(i) for i in zero[0])
        raise ProbabilityError(
            f"p(token {z} | context {members[row]}) = 0 in {'P' if row < sets.size else 'N'}, "
            f"so M({z}) is infinite",
            remedy="count with pseudo_count > 0 (from_counts), or leave the context out",
        )
    m: FloatArray = read_only(
        mean_log_ratio(probabilities[sets.positive], probabilities[sets.negative])
    )
    return m


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
    mean: FloatArray = ratio.mean(axis=0)
    return mean
