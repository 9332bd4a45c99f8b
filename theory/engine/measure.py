"""The pair (p, M): where it comes from, and M centred once, the way every sum needs it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steering_strength.theory.engine.numerics import log_sum_exp, quiet
from steering_strength.theory.engine.validation import as_array, as_log_probabilities, plain_array
from steering_strength.theory.errors import ProbabilityError, ShapeError

Vector = NDArray[np.float64]


class Measure:
    """A distribution p and a function M on n tokens, all with p > 0; not to be changed.

    Attributes
    ----------
    log_p : (n,)
        Log weights as given, in nats; `log_mass` is their log-sum-exp.
    log_odds : (n,)
        M, in nats per unit alpha.
    p : (n,)
        exp(log_p), divided by its sum; underflows to 0 below 1e-308, where `log_p` takes over.
    reference, offset : float
        E_p[M] = reference + offset, kept apart so that a large common offset of M costs nothing.
    centred : (n,)
        M - E_p[M], accurate relative to the spread of M, not to max|M|.
    low, high : float
        The extremes of M.
    top_gap, bottom_gap, reach : float
        max M - E_p[M], E_p[M] - min M, and the larger of the two.
    lightest : float
        The smallest log p.
    """

    @quiet
    def __init__(self, log_p: Vector, log_odds: Vector) -> None:
        self.log_p, self.log_odds = log_p, log_odds
        heaviest = int(np.argmax(log_p))
        self.p: Vector = np.exp(log_p - log_p[heaviest])
        total = float(self.p.sum())
        self.p /= total
        self.log_mass = float(log_p[heaviest]) + math.log(total)
        # Two centrings: M minus the M of the heaviest token is exact for close values, and the
        # second mean removes the rounding of the first, which p concentrated on one token needs.
        self.reference, self.offset = float(log_odds[heaviest]), 0.0
        self.centred: Vector = log_odds - self.reference
        for _ in range(2):
            shift = float(self.p @ self.centred)
            self.centred -= shift
            self.offset += shift
        self.low, self.high = float(log_odds.min()), float(log_odds.max())
        self.top_gap, self.bottom_gap = float(self.centred.max()), float(-self.centred.min())
        self.reach = max(self.top_gap, self.bottom_gap)
        self.lightest = float(log_p.min()) - self.log_mass

    @property
    def mean(self) -> float:
        """E_p[M]."""
        return self.reference + self.offset

    @property
    def constant(self) -> bool:
        """Whether M takes one value only: exact, no tolerance."""
        return self.low == self.high

    def extreme(self, alpha: float) -> float:
        """Return the value of M that dominates on the side of alpha: the max for alpha >= 0."""
        return self.high if alpha >= 0.0 else self.low

    def log_share(self, sign: int) -> float:
        """Return log p(extreme of M on that side) <= 0; what is next to 1, from what is missing."""
        ties = self.log_odds == (self.high if sign > 0 else self.low)
        rest = float(log_sum_exp(self.log_p[~ties])) - self.log_mass
        if rest < -7.0:
            return math.log1p(-math.exp(rest))
        return min(float(log_sum_exp(self.log_p[ties])) - self.log_mass, 0.0)

    def gap(self, alpha: float) -> Vector:
        """Return M - the extreme on the side of alpha, shape (n,): alpha times it is at most 0."""
        return self.log_odds - self.extreme(alpha)


@quiet
def normalised(logits: ArrayLike) -> Vector:
    """Return log softmax of logits, shape (V,); -inf stays -inf.

    Raises ProbabilityError if a logit is NaN or +inf, or all are -inf.
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


def log_odds_of_tables(positive: ArrayLike, negative: ArrayLike) -> Vector:
    """Return M = mean of log p over P minus mean over N, shape (V,): Def. 3.2.

    `positive` and `negative` hold one row of log-probabilities per context, shapes (|P|, V) and
    (|N|, V); |P| and |N| may differ. A token without support in a row gives +-inf or NaN, which
    matters only where the steered context has p > 0.

    Raises ProbabilityError if a row is not normalised; ShapeError if a table is not two-dimensional
    or the two differ in V.
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
def log_odds_of_vector(unembedding: ArrayLike, vector: ArrayLike) -> Vector:
    """Return W v, shape (V,), from W (V, d) and v (d,): what one unit of alpha adds to the logits.

    Raises ShapeError if the shapes do not fit.
    """
    matrix, direction = plain_array("W", unembedding), as_array("v", vector)
    if matrix.ndim != 2 or matrix.shape[1] != direction.size:
        raise ShapeError(
            f"W has shape {matrix.shape}, v has {direction.shape}",
            remedy="give W of shape (V, d), and v of shape (d,)",
        )
    return np.asarray(matrix.astype(np.float64, copy=False) @ direction)
