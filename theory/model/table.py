"""A table of next-token probabilities: do its parts fit together, and which rows are distinct."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from steering_strength.theory.engine.validation import as_weights
from steering_strength.theory.errors import ShapeError
from steering_strength.theory.model.inputs import (
    FloatArray,
    IntArray,
    concept_labels,
    distribution,
    read_only,
)

__all__ = ["checked_table", "distinct_rows", "entropy", "log_table"]


def checked_table(
    probabilities: ArrayLike,
    token_concept: ArrayLike,
    context_concept: ArrayLike,
    context_weights: ArrayLike | None,
) -> tuple[FloatArray, IntArray, IntArray, FloatArray]:
    """The four arrays as read-only copies; without weights, contexts are equally likely.

    Raises
    ------
    ShapeError, ProbabilityError
        One of them is not what it should be, or their lengths disagree.
    """
    p = distribution("probabilities", probabilities, 2)
    tokens = concept_labels("token_concept", token_concept)
    contexts = concept_labels("context_concept", context_concept, int(tokens.max()) + 1)
    pi = read_only(as_weights(context_weights, len(p), "context_weights"))
    for name, entries, size in (
        ("token_concept", len(tokens), p.shape[1]),
        ("context_concept", len(contexts), p.shape[0]),
    ):
        if entries != size:
            raise ShapeError(
                f"{name} has {entries} entries for probabilities of shape {p.shape}",
                remedy="give one row per context and one column per token",
            )
    return p, tokens, contexts, pi


def distinct_rows(table: FloatArray) -> tuple[IntArray, IntArray]:
    """(first, group): index of the first of each set of equal rows, and the set of each row.

    Under Assumption 1 the contexts of a concept share one row, so work per row shrinks to G.
    """
    number: dict[bytes, int] = {}
    first: list[int] = []
    group = np.empty(len(table), dtype=np.int64)
    for j, row in enumerate(table):
        key = row.tobytes()
        if key not in number:
            number[key] = len(first)
            first.append(j)
        group[j] = number[key]
    return np.array(first, dtype=np.int64), group


def log_table(probabilities: FloatArray) -> FloatArray:
    """Logarithms of probabilities, of any shape; log 0 = -inf is meant and gives no warning."""
    with np.errstate(divide="ignore"):
        result: FloatArray = read_only(np.log(probabilities))
    return result


def entropy(probabilities: FloatArray, weights: FloatArray) -> float:
    """sum_j pi_j H(p_j) in nats, with 0 log 0 = 0."""
    log_p = np.where(probabilities > 0, log_table(probabilities), 0.0)
    return float(-weights @ (probabilities * log_p).sum(axis=1))
