"""Weights and features whose softmax is a given table, in every gauge that changes nothing.

softmax(W h_j) = p(.|c_j) for all j means W H = L + 1 s^T, L the (V, m) table of log-probabilities
and s one arbitrary number per context. Centring removes s: J W H = J L, J = I - 1 1^T / V. So d is
at least r = rank(J L), and d = r suffices.

What is left free, and drawn at random here, because no observable depends on it:

* the gauge W A^-1, A H for an invertible (d, d) matrix A;
* one vector w_0 added to every row of W, which shifts the logits of context j by w_0 . h_j. It
  costs no dimension. At d = r these are all the shifts there are: rank(J L + 1 s^T) = r exactly
  if s vanishes on the kernel of J L, that is, if s lies in the row space that H spans;
* with one dimension more, an arbitrary shift for each context (`free_shifts`), for a column of W
  that is constant over the tokens carries any s in H;
* useless dimensions beyond that, where W or H is zero before the gauge mixes them in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from steering_strength.theory.engine.validation import as_flag, as_integer, require_memory
from steering_strength.theory.errors import ProbabilityError, ShapeError
from steering_strength.theory.model.inputs import FloatArray
from steering_strength.theory.model.table import distinct_rows

_EPS = float(np.finfo(np.float64).eps)


def centred_factors(log_p: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(W, H) of the smallest d with W H = J L, shapes (V, d) and (d, m), from L^T of shape (m, V).

    A singular value counts if it exceeds 4 eps |1 + |L||_F: each entry of J L carries an error of
    about 2 eps (1 + |L|) (the rounding of p, of its logarithm and of the mean), so by Weyl's
    inequality smaller singular values cannot be told from rounding. Dropping them changes no
    logit by more than that threshold. Equal rows are factorised once. d is at least 1.
    """
    first, group = distinct_rows(log_p)
    rows = log_p[first]
    centred = rows - rows.mean(axis=1, keepdims=True)
    left, singular, right = np.linalg.svd(centred, full_matrices=False)
    threshold = 4.0 * _EPS * float(np.linalg.norm(1.0 + np.abs(rows)))
    # Centring takes one dimension of the V away, whatever rounding says.
    rank = min(int((singular > threshold).sum()), log_p.shape[1] - 1)
    rank = max(rank, 1)
    root = np.sqrt(singular[:rank])
    return right[:rank].T * root, (left[:, :rank] * root).T[:, group]


def factorise(
    log_p: FloatArray,
    rng: np.random.Generator,
    dimension: int | None = None,
    free_shifts: bool = False,
) -> tuple[FloatArray, FloatArray]:
    """Random (W, H) with softmax(W h_j) = p(.|c_j), in `dimension` dimensions.

    Raises ProbabilityError: a probability is 0: no finite logit reproduces it; ShapeError:
    `dimension` is below the smallest that interpolates.
    """
    if np.isneginf(log_p).any():
        j, z = (int(i) for i in np.argwhere(np.isneginf(log_p))[0])
        raise ProbabilityError(
            f"p(token {z} | context {j}) = 0, which no finite logit reproduces",
            remedy="use a dataset without zeros, such as from_counts with pseudo_count > 0",
        )
    W, H = centred_factors(log_p)
    contexts, rank = H.shape[1], H.shape[0]
    # With r = m the row space is all of R^m, and w_0 alone reaches every shift.
    least = rank + int(as_flag("free_shifts", free_shifts) and rank < contexts)
    size = least if dimension is None else as_integer("dimension", dimension, 1)
    if size < least:
        raise ShapeError(
            f"dimension = {size} cannot interpolate: the row-centred log-probabilities have rank "
            f"{rank}" + (", and free shifts need one more" if least > rank else ""),
            remedy=f"choose dimension >= {least}",
        )
    require_memory("a gauge of that dimension", size, size)
    if least > rank:
        W, H = _append(W, H, np.ones(len(W)), rng.standard_normal(contexts))
    while H.shape[0] < size:
        # In turn: features that no token reads, and readings of a feature that is always 0.
        if (size - H.shape[0]) % 2:
            W, H = _append(W, H, np.zeros(len(W)), rng.standard_normal(contexts))
        else:
            W, H = _append(W, H, rng.standard_normal(len(W)), np.zeros(contexts))
    gauge, inverse = _random_gauge(size, rng)
    W, H = W @ inverse, gauge @ H
    # The gauge leaves features of size about 1 to 10, so these shifts are a few nats.
    return W + rng.normal(size=size) / np.sqrt(size), H


def _append(
    W: FloatArray, H: FloatArray, column: ArrayLike, row: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    return np.column_stack([W, np.asarray(column)]), np.vstack([H, np.asarray(row)])


def _random_gauge(size: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """A and A^-1 with A = Q D R, Q and R orthogonal, D in [1/2, 2]: condition at most 4.

    Both are written down rather than inverted; W H then keeps its digits.
    """
    q, _ = np.linalg.qr(rng.normal(size=(size, size)))
    r, _ = np.linalg.qr(rng.normal(size=(size, size)))
    scale = 2.0 ** rng.uniform(-1.0, 1.0, size=size)
    return (q * scale) @ r, (r.T / scale) @ q.T
