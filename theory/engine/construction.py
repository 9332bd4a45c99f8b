"""Where (log p, M) come from: logits, two log-probability tables, or an unembedding."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steering_strength.theory.engine.numerics import log_sum_exp, quiet
from steering_strength.theory.engine.validation import (
    as_array,
    as_log_probabilities,
    plain_array,
)
from steering_strength.theory.errors import ProbabilityError, ShapeError

__all__ = ["log_odds_of_tables", "log_odds_of_vector", "normalised", "table_rows"]

Floats = NDArray[np.float64]


@quiet
def normalised(logits: ArrayLike) -> Floats:
    """Return log softmax of logits, shape (V,); -inf stays -inf.

    Raises
    ------
    ProbabilityError
        If a logit is NaN or +inf, or all are -inf.
    """
    values = as_array("logits", logits)
    bad = np.isnan(values) | (values == np.inf)
    if bad.any():
        token = int(np.argmax(bad))
        raise ProbabilityError(
            f"logits is {values[token]} at token {token}",
            remedy="logits must be finite; -inf marks a token without support",
        )
    top = float(values.max())
    if top == -np.inf:
        raise ProbabilityError("all logits are -inf", remedy="give at least one finite logit")
    # Shifting by the maximum first keeps the common size of the logits out of the rounding.
    values -= top
    values -= log_sum_exp(values)
    return values


def table_rows(name: str, table: ArrayLike) -> NDArray[Any]:
    """Return one row per context, (q, V); one row alone is a table too. Raises ShapeError."""
    rows = np.atleast_2d(plain_array(name, table))
    if rows.ndim != 2 or 0 in rows.shape:
        raise ShapeError(
            f"{name} has shape {rows.shape}", remedy="give one row per context, (q, V)"
        )
    return rows


def log_odds_of_tables(positive: ArrayLike, negative: ArrayLike) -> Floats:
    """Return M = mean of log p over P minus mean over N, shape (V,): Def. 3.2.

    `positive` and `negative` hold one row of log-probabilities per context, shapes (|P|, V) and
    (|N|, V); |P| and |N| may differ. A token without support in a row gives +-inf or NaN, which
    matters only where the steered context has p > 0.

    Raises
    ------
    ProbabilityError
        If a row is not normalised.
    ShapeError
        If a table is not two-dimensional or the two differ in V.
    """
    means = []
    for name, table in (("log_p_positive", positive), ("log_p_negative", negative)):
        rows = table_rows(name, table)
        total = np.zeros(rows.shape[1])
        for j, row in enumerate(rows):
            total += as_log_probabilities(row, f"{name}, row {j},")
        means.append(total / rows.shape[0])
    if means[0].shape != means[1].shape:
        raise ShapeError(
            f"log_p_positive has V = {means[0].size}, log_p_negative has V = {means[1].size}",
            remedy="use one vocabulary",
        )
    with np.errstate(invalid="ignore"):
        return np.asarray(means[0] - means[1])


@np.errstate(over="ignore", invalid="ignore")
def log_odds_of_vector(unembedding: ArrayLike, vector: ArrayLike) -> Floats:
    """Return W v, shape (V,), from W (V, d) and v (d,): what one unit of alpha adds to the logits.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    """
    matrix, direction = plain_array("W", unembedding), as_array("v", vector)
    if matrix.ndim != 2 or matrix.shape[1] != direction.size:
        raise ShapeError(
            f"W has shape {matrix.shape}, v has {direction.shape}",
            remedy="give W of shape (V, d), and v of shape (d,)",
        )
    return np.asarray(matrix.astype(np.float64, copy=False) @ direction)
