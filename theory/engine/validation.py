"""What the engine accepts: every check gives the value, the bound and the remedy.

Arrays are converted to float64 once, here, whatever number format they come in; nothing the
caller owns is kept or written to.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steering_strength.theory.engine.numerics import log_sum_exp
from steering_strength.theory.errors import (
    AlphaError,
    BudgetError,
    ProbabilityError,
    ShapeError,
    SteeringError,
)

__all__ = [
    "as_alpha",
    "as_budget",
    "as_level",
    "as_log_odds",
    "as_log_probabilities",
    "as_metadata",
    "as_sign",
    "as_tokens",
    "as_vector",
    "as_weights",
    "normalisation_tolerance",
]

Vector = NDArray[np.float64]


def as_vector(name: str, values: ArrayLike) -> Vector:
    """Return a float64 copy of a non-empty vector of real numbers, shape (n,).

    Raises
    ------
    ShapeError
        If `values` has another number of axes, no entry, or is not made of real numbers.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise ShapeError(f"{name} holds {array.dtype} entries", remedy="give real numbers")
    if array.ndim != 1 or array.size == 0:
        raise ShapeError(
            f"{name} has shape {array.shape}",
            remedy=f"give {name} as a non-empty vector, shape (V,)",
        )
    return np.array(array, dtype=np.float64)


def normalisation_tolerance(dtype: np.dtype[Any], tokens: int) -> float:
    """Return how far log sum p may be from 0 before a table counts as not normalised, in nats.

    It follows from the number format the table came in and from V: normalising logits of up to
    4096 nats rounds every entry by the same 4096 eps at most, and summing V exponentials adds
    about sqrt(V) eps, or V eps of a double where they are added one after the other
    (`np.logaddexp.reduce`). Results do not inherit this slack: the engine divides by the sum it
    finds. Half precision would allow anything, hence the cap.
    """
    double = float(np.finfo(np.float64).eps)
    eps = float(np.finfo(dtype).eps) if dtype.kind == "f" else double
    return min(eps * (4096.0 + math.sqrt(tokens)) + double * tokens, 1e-2)


def as_log_probabilities(values: ArrayLike) -> Vector:
    """Return log p as float64, shape (V,); -inf marks a token without support.

    Raises
    ------
    ProbabilityError
        If an entry is NaN or +inf, or the probabilities do not sum to 1 within
        `normalisation_tolerance`.
    ShapeError
        If it is not a non-empty vector.
    """
    dtype = np.asarray(values).dtype
    log_p = as_vector("log_p", values)
    bad = np.isnan(log_p) | (log_p == np.inf)
    if bad.any():
        token = int(np.argmax(bad))
        raise ProbabilityError(
            f"log_p is {log_p[token]} at token {token} ({int(bad.sum())} such entries)",
            remedy="log-probabilities are at most 0; -inf marks a token without support",
        )
    found = float(log_sum_exp(log_p))
    bound = normalisation_tolerance(dtype, log_p.size)
    if not abs(found) <= bound:
        raise ProbabilityError(
            f"log_p is not normalised: log-sum-exp is {found:.6g}, it must be within {bound:.2g} "
            f"of 0 (rounding of {dtype} entries, V = {log_p.size})",
            remedy="subtract scipy.special.logsumexp(log_p), or use TiltedFamily.from_logits",
        )
    return log_p


def as_log_odds(values: ArrayLike, log_p: Vector) -> Vector:
    """Return M as float64, shape (V,); it must be finite wherever log_p is.

    Raises
    ------
    ProbabilityError
        If M is NaN or infinite on the support (a probability was 0 in P or N), or its range
        overflows float64.
    ShapeError
        If its shape is not that of log_p.
    """
    log_odds = as_vector("log_odds", values)
    if log_odds.shape != log_p.shape:
        raise ShapeError(
            f"log_odds has shape {log_odds.shape}, log_p has {log_p.shape}",
            remedy="give one value of M per token of log_p",
        )
    bad = ~np.isfinite(log_odds) & (log_p > -np.inf)
    if bad.any():
        token = int(np.argmax(bad))
        raise ProbabilityError(
            f"log_odds is {log_odds[token]} at token {token}, which has p > 0 "
            f"({int(bad.sum())} such tokens)",
            remedy="M must be finite on the support of p: smooth the probabilities of P and N, "
            "or set log_p to -inf there",
        )
    largest = float(np.max(np.abs(log_odds[log_p > -np.inf])))
    if largest > 1e150:
        raise ProbabilityError(
            f"max |log_odds| is {largest:.6g}; at most 1e150, so that its square is finite",
            remedy="rescale the steering vector and absorb the factor in alpha",
        )
    return log_odds


def as_alpha(values: ArrayLike) -> tuple[Vector, bool]:
    """Return the steering strengths as a vector, shape (A,), and whether one scalar was given.

    Raises
    ------
    AlphaError
        If an entry is NaN or infinite.
    ShapeError
        If `values` has more than one axis or is not made of real numbers.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "fiub" or array.ndim > 1:
        raise ShapeError(
            f"alpha has shape {array.shape} and dtype {array.dtype}",
            remedy="give a real scalar or a vector, shape (A,)",
        )
    alpha = np.atleast_1d(array.astype(np.float64))
    finite = np.isfinite(alpha)
    if not finite.all():
        value = alpha[int(np.argmin(finite))]
        remedy = (
            "give a number"
            if math.isnan(value)
            else "for the limit use limit(sign), sign in {+1, -1}"
        )
        raise AlphaError(f"alpha is {value}, it must be finite", remedy=remedy)
    return alpha, array.ndim == 0


def as_sign(sign: Any) -> int:
    """Return +1 or -1.

    Raises
    ------
    AlphaError
        If `sign` is neither.
    """
    if np.ndim(sign) == 0:
        if sign == 1:
            return 1
        if sign == -1:
            return -1
    raise AlphaError(f"sign is {sign!r}", remedy="use +1 (alpha -> +inf) or -1 (alpha -> -inf)")


def as_budget(budget: Any, name: str = "budget") -> float:
    """Return a budget in nats, a finite float >= 0 (or +inf).

    Raises
    ------
    BudgetError
        If it is negative, NaN or not one real number.
    """
    try:
        value = float(budget)
    except (TypeError, ValueError):
        value = math.nan
    if not value >= 0.0:
        raise BudgetError(f"{name} is {budget!r}", remedy="give a number of nats, at least 0")
    return value


def as_level(level: Any, name: str = "level") -> float:
    """Return a probability strictly between 0 and 1.

    Raises
    ------
    BudgetError
        If it is not one real number in that range.
    """
    try:
        value = float(level)
    except (TypeError, ValueError):
        value = math.nan
    if not 0.0 < value < 1.0:
        raise BudgetError(f"{name} is {level!r}", remedy="give a number strictly between 0 and 1")
    return value


def as_metadata(metadata: Any) -> Mapping[str, Any]:
    """Return a read-only copy of a mapping that JSON can hold.

    Raises
    ------
    SteeringError
        If it is no mapping with string keys, or holds something JSON cannot.
    """
    try:
        copy = json.loads(json.dumps(dict(metadata), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise SteeringError(
            f"metadata cannot be stored as JSON ({error})",
            remedy="give a mapping of names to strings, numbers, lists or mappings of those",
        ) from None
    return MappingProxyType(copy)


def as_tokens(tokens: ArrayLike, size: int, *, single: bool = False) -> NDArray[np.bool_]:
    """Return a set of tokens as a boolean mask, shape (V,), or several as (C, V).

    `tokens` is a mask of shape (V,), several of them as (C, V), or a vector of indices in
    0..V-1; a repeated index counts once. Negative indices are refused: counting from the end is
    never meant for token ids. With `single`, only one set is taken.

    Raises
    ------
    ShapeError
        If a set is empty, an index is outside 0..V-1, or the shape or type is none of these.
    """
    array = np.asarray(tokens)
    if array.dtype == np.bool_:
        if array.ndim not in ((1,) if single else (1, 2)) or array.shape[-1] != size:
            several = "" if single else f"({size},) or (C, {size}) for C sets, "
            raise ShapeError(
                f"the mask of tokens has shape {array.shape}",
                remedy=f"give shape {several or f'({size},), '}or indices",
            )
        empty = ~array.reshape(-1, size).any(axis=1)
        if array.size == 0 or empty.any():
            raise ShapeError(
                f"set {int(np.argmax(empty)) if empty.size else 0} of tokens is empty",
                remedy="give at least one token",
            )
        return array.copy()
    if array.ndim == 1 and array.size == 0:
        raise ShapeError("the set of tokens is empty", remedy="give at least one token")
    if array.dtype.kind not in "iu" or array.ndim > 1:
        raise ShapeError(
            f"tokens has shape {array.shape} and dtype {array.dtype}",
            remedy=f"give token indices (integers) or a boolean mask, shape ({size},)",
        )
    index = np.atleast_1d(array)
    outside = (index < 0) | (index >= size)
    if outside.any():
        raise ShapeError(
            f"token {int(index[int(np.argmax(outside))])} is not in the vocabulary",
            remedy=f"use indices 0..{size - 1}",
        )
    mask = np.zeros(size, dtype=np.bool_)
    mask[index] = True
    return mask


def as_weights(weights: ArrayLike | None, count: int) -> Vector:
    """Return probabilities of `count` contexts, shape (m,), uniform by default.

    Raises
    ------
    ShapeError, ProbabilityError
        Another number of them, or they are not positive with sum 1.
    """
    if weights is None:
        return np.full(count, 1.0 / count)
    vector = as_vector("weights", weights)
    if vector.size != count:
        raise ShapeError(
            f"weights has shape {vector.shape}", remedy=f"give one per context, ({count},)"
        )
    bound = normalisation_tolerance(vector.dtype, count)
    if not (vector > 0.0).all() or not abs(float(vector.sum()) - 1.0) <= bound:
        raise ProbabilityError(
            f"weights sum to {vector.sum():.6g} and their smallest is {vector.min():.6g}",
            remedy="give positive weights that sum to 1",
        )
    return vector
