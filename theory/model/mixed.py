"""Contexts that mix concepts: p(z|c_j) = b_z + w_(j,C) (a_z - b_z) for z in C.

The weights w_(j,C) >= 0 of a context sum to 1 over the concepts, and its row is the mean of the
rows of pure contexts with these weights; Assumption 1 is the case of a single weight 1. Source: the
law `mixed-contexts`, beyond arXiv:2602.02712, Sec. 6.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from steering_strength.theory.errors import ShapeError
from steering_strength.theory.model.inputs import (
    FloatArray,
    IntArray,
    concept_labels,
    distribution,
    finite_array,
    read_only,
)
from steering_strength.theory.model.steering_sets import context_indices
from steering_strength.theory.model.table import mean_log_ratio


def mixture_weights(weights: ArrayLike, concepts: int | None = None) -> FloatArray:
    """Return the weights w_(j,C), (m, G), if they are that.

    Raises ProbabilityError: a weight is negative, or a row does not sum to 1; ShapeError:
    there is not one per concept.
    """
    table = distribution("weights", weights, 2)
    if concepts is not None and table.shape[1] != concepts:
        raise ShapeError(
            f"weights has shape {table.shape} for {concepts} concepts",
            remedy="give one row per context and one column per concept",
        )
    return table


def mixed_rows(
    in_concept: FloatArray, off_concept: FloatArray, token_concept: IntArray, weights: FloatArray
) -> FloatArray:
    """Return p(z|c_j), (m, V), from a and b, (V,), and w, (m, G); exact at w = 1 and 0."""
    w = weights[:, token_concept]
    return np.asarray(w * in_concept + (1.0 - w) * off_concept)


def mixed_log_odds(
    in_concept: ArrayLike,
    off_concept: ArrayLike,
    token_concept: ArrayLike,
    weights: ArrayLike,
    positive: ArrayLike,
    negative: ArrayLike,
) -> FloatArray:
    """Return M, (V,), from weights alone: mean_P log(1 + t w) - mean_N log(1 + t w), t = a/b - 1.

    P and N are any contexts, |P| and |N| may differ. Weights of t = 1e-12 keep their digits, and
    where P and N have the same weights M is exactly 0.

    Raises ProbabilityError, ShapeError, SteeringSetError as `mixture_weights`; an empty set, or an
    unknown or repeated context.
    """
    a, b = finite_array("in_concept", in_concept, 1), finite_array("off_concept", off_concept, 1)
    labels = concept_labels("token_concept", token_concept)
    table = mixture_weights(weights, int(labels.max()) + 1)
    excess = (a - b) / b
    means = []
    for name, contexts in (("P", positive), ("N", negative)):
        chosen = np.sort(table[context_indices(name, contexts, len(table))], axis=0)
        means.append(np.log1p(excess * chosen[:, labels]).mean(axis=0))
    return read_only(means[0] - means[1])


def geometric_means(probabilities: ArrayLike, contexts: ArrayLike) -> FloatArray:
    """Return the geometric mean of p(z|.) over some contexts, (V,), in log space.

    M(z) > 0 exactly where that over P exceeds that over N.
    """
    rows = distribution("probabilities", probabilities, 2)
    chosen = rows[context_indices("the set", contexts, len(rows))]
    with np.errstate(divide="ignore"):  # p = 0 has the mean 0
        return np.asarray(np.exp(mean_log_ratio(chosen, np.ones_like(chosen))))


def concept_signs(weights: ArrayLike, positive: ArrayLike, negative: ArrayLike) -> FloatArray:
    """Return the sign of M on each whole concept, (G,): +1, -1, 0, or nan where tokens may differ.

    +1 where min_P w >= max_N w and not all are equal, -1 the other way round, 0 where all are
    equal; between these the sign is that of the token (`geometric_means`).
    """
    table = mixture_weights(weights)
    p, n = (
        table[context_indices(name, contexts, len(table))]
        for name, contexts in (("P", positive), ("N", negative))
    )
    up, down = p.min(axis=0) >= n.max(axis=0), p.max(axis=0) <= n.min(axis=0)
    signs = np.where(up, 1.0, np.where(down, -1.0, np.nan))
    return read_only(np.where(up & down, 0.0, signs))
