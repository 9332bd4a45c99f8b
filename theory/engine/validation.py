"""What the theory accepts: every check gives the value, the bound and the remedy.

One reader for arrays, `as_array`, through which every argument of every public function goes:
whatever NumPy reads as real numbers is converted to float64 once, everything else is refused in one
line before any arithmetic. Nothing the caller owns is kept or written to.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from numbers import Real
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
    UnknownNameError,
    shown,
)

Floats = NDArray[np.float64]

SQUARABLE = 1e150
"""Of M, alpha M and states: a product of two larger ones overflows."""


def plain_array(name: str, values: ArrayLike) -> NDArray[Any]:
    """Return `values` as NumPy reads them, booleans or real numbers; possibly the caller's own.

    Fractions and integers of any size count as real numbers and become float64.

    Raises ShapeError: ragged rows, masked entries, complex numbers, text, objects, or a foreign
    array that NumPy cannot read (a tensor in bfloat16, sparse, without data, or that needs a
    gradient).
    """
    rows = values if isinstance(values, list | tuple) else (values,)
    if any(isinstance(row, np.ma.MaskedArray) and np.ma.is_masked(row) for row in rows):
        raise ShapeError(f"{name} has masked entries", remedy="fill them, or leave them out")
    try:
        array = values if isinstance(values, np.memmap) else np.asarray(values)
        if array.dtype == object and all(isinstance(entry, Real) for entry in array.flat):
            array = np.array([float(entry) for entry in array.flat]).reshape(array.shape)
    except Exception as error:  # what a foreign __array__ raises is its own affair
        if "inhomogeneous" in str(error):
            raise ShapeError(
                f"{name} has rows of different lengths", remedy="give a rectangular array"
            ) from None
        raise ShapeError(
            f"NumPy cannot read {name}, a {type(values).__name__} ({error})",
            remedy="give real numbers; of a tensor, tensor.detach().cpu().double().numpy()",
        ) from None
    if array.dtype.kind not in "fiub":
        raise ShapeError(f"{name} holds {array.dtype} entries", remedy="give real numbers")
    if not isinstance(array, np.memmap):
        require_memory(name, array.size)
    return array


def as_array(
    name: str,
    values: ArrayLike,
    axes: int | None = 1,
    *,
    size: int | None = None,
    per: str = "token",
    finite: type[SteeringError] | None = None,
    most: float = math.inf,
) -> Floats:
    """Return a float64 copy of a non-empty array of real numbers with so many axes.

    Raises ShapeError if `values` is no such array (`plain_array`), or a finite entry overflows
    float64.

    Parameters
    ----------
    axes : int or None
        None for any number of them.
    size, per : int, str, optional
        How many numbers a vector must have, one per what.
    finite : class, optional
        What to raise for NaN, infinite entries, and those beyond `most`; they are let through by
        default.
    """
    given = plain_array(name, values)
    if given.size == 0 or axes not in (None, given.ndim):
        wanted = "a non-empty array" if axes is None else f"{axes} non-empty axes"
        raise ShapeError(
            f"{name} has shape {given.shape}",
            remedy=f"give {name} with {wanted}".replace("1 non-empty axes", "one non-empty axis"),
        )
    if size not in (None, given.size):
        raise ShapeError(
            f"{name} has shape {given.shape}", remedy=f"give one number per {per}, ({size},)"
        )
    with np.errstate(over="ignore"):
        array = np.array(given, dtype=np.float64, order="C")
    array += 0.0  # -0.0 becomes 0.0: equal means equal bytes
    if finite is None:
        wrong = ~np.isfinite(array) & np.isfinite(given)  # an extended number format holds more
    else:
        wrong = ~np.isfinite(array) | (np.abs(array) > most)
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise (finite or ShapeError)(
            f"{name}{list(where) if where else ''} is {given[where]}",
            remedy="only finite numbers are allowed, as float64 holds them"
            + (f", up to {most:g}: rescale" if most < math.inf else ""),
        )
    return array


def freeze(record: object, **values: Any) -> None:
    """Set fields of a frozen record while it is made; its arrays become read-only."""
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
        object.__setattr__(record, name, value)


def as_number(value: Any) -> float:
    """Return one real number as a float, finite or not; nan for anything else."""
    try:
        array = plain_array("value", value)
    except ShapeError:
        return math.nan
    with np.errstate(over="ignore"):
        return float(array) if array.ndim == 0 else math.nan


def as_real(
    name: str,
    value: Any,
    holds: Callable[[float], bool] = math.isfinite,
    error: type[SteeringError] = BudgetError,
    remedy: str = "give one finite number",
) -> float:
    """Return one real number as a float if `holds` holds of it, which nan must fail (`error`)."""
    number = as_number(value)
    if not holds(number):
        raise error(f"{name} is {shown(value)}", remedy=remedy)
    return number


def as_integers(
    name: str,
    values: ArrayLike,
    low: int,
    high: int | None = None,
    error: type[SteeringError] = ShapeError,
) -> NDArray[np.int64]:
    """Return a copy of a non-empty array of integers low..high - 1 (`error` for anything else)."""
    array = plain_array(name, values)
    remedy = "give integers, " + (f"at least {low}" if high is None else f"{low}..{high - 1}")
    if array.dtype.kind not in "iu" or array.size == 0:
        raise error(f"{name} has shape {array.shape} and dtype {array.dtype}", remedy=remedy)
    outside = np.argwhere((array < low) | (array >= (1 << 62 if high is None else high)))
    if len(outside):
        where = tuple(int(i) for i in outside[0])
        place = f"{name}{list(where)}" if where else name
        raise error(f"{place} = {array[where]} does not exist", remedy=remedy)
    return array.astype(np.int64)


def _whole(value: Any) -> bool:
    """Whether `value` is an integer; booleans, floats and NumPy's time spans are none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool | np.timedelta64)


def as_integer(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Return an int between `least` and `most`; booleans and floats are refused (ShapeError)."""
    problem = None
    if not _whole(value):
        problem = "is not an integer"
    elif value < least:
        problem = f"is below {least}"
    elif most is not None and value > most:
        problem = f"is above {most}"
    if problem:
        bound = f"at least {least}" if most is None else f"from {least} to {most}"
        raise ShapeError(f"{name} = {shown(value)} {problem}", remedy=f"give an integer, {bound}")
    return int(value)


def require_memory(what: str, *shape: int) -> None:
    """Refuse a table of float64 that is larger than the memory of this machine (ShapeError)."""
    need, have = 8 * math.prod(map(int, shape)), 1 << 40
    with suppress(AttributeError, ValueError, OSError):  # not every system tells
        have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if need > have:
        raise ShapeError(
            f"{what} would take 1e{math.log10(need):.0f} bytes, this machine has {have:.1e}",
            remedy="ask for less",
        )


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


def as_log_probabilities(values: ArrayLike, name: str = "log_p", size: int | None = None) -> Floats:
    """Return log p as float64, shape (V,); -inf marks a token without support.

    Raises ProbabilityError if an entry is NaN or +inf, or the probabilities do not sum to 1 within
    `normalisation_tolerance`; ShapeError if it is not a non-empty vector, of that size.
    """
    given = plain_array(name, values)
    log_p = as_array(name, given, size=size)
    require_normalised(log_p[None], given.dtype, name)
    slack, double = (normalisation_tolerance(t, log_p.size) for t in (given.dtype, log_p.dtype))
    if slack > double:
        log_p -= log_sum_exp(log_p)  # now it passes as float64 too: saved, or in another family
    return log_p


def require_normalised(
    rows: Floats, dtype: np.dtype[Any], name: str, first: int | None = None
) -> None:
    """Refuse rows, (n, V), that are no log-probabilities of that number format (ProbabilityError).

    With `first`, the rows are the contexts from that number on.
    """

    def row(j: int) -> str:
        return name if first is None else f"context {first + j} of {name}"

    bad = np.isnan(rows) | (rows == np.inf)
    if bad.any():
        j, token = (int(i) for i in np.argwhere(bad)[0])
        raise ProbabilityError(
            f"{row(j)} is {rows[j, token]} at token {token} ({int(bad.sum())} such entries)",
            remedy="log-probabilities are at most 0; -inf marks a token without support",
        )
    found, bound = log_sum_exp(rows, axis=1), normalisation_tolerance(dtype, rows.shape[1])
    off = ~(np.abs(found) <= bound)
    if off.any():
        j = int(np.argmax(off))
        raise ProbabilityError(
            f"{row(j)} is not normalised: log-sum-exp is {found[j]:.6g}, it must be within "
            f"{bound:.2g} of 0 (rounding of {dtype} entries, V = {rows.shape[1]})",
            remedy="subtract scipy.special.logsumexp(log_p), or use TiltedFamily.from_logits",
        )


def as_log_odds(values: ArrayLike, support: NDArray[np.bool_], name: str = "log_odds") -> Floats:
    """Return M as float64, of the shape of `support`, where p > 0 and M must be finite.

    Raises ProbabilityError if M is NaN or infinite on the support (a probability was 0 in P or N),
    or beyond 1e150, where its square overflows; ShapeError if its shape is not that of the support.
    """
    log_odds = as_array(name, values, None)
    if log_odds.shape != support.shape:
        raise ShapeError(
            f"{name} has shape {log_odds.shape}, but V = {support.shape[-1]}"
            if support.ndim == 1
            else f"{name} has shape {log_odds.shape}, log_p has {support.shape}",
            remedy="give one value of M per token of log_p",
        )
    bad = ~(np.abs(log_odds) <= SQUARABLE) & support
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ProbabilityError(
            f"{name} is {log_odds[place]:.6g} at token {place[-1]}, which has p > 0 "
            f"({int(bad.sum())} such tokens)",
            remedy="M must be finite on the support of p (smooth the probabilities of P and N) and "
            "at most 1e150 (rescale the steering vector and absorb the factor in alpha)",
        )
    return log_odds


def as_alpha(values: ArrayLike) -> tuple[Floats, bool]:
    """Return the steering strengths as a vector, shape (A,), and whether one scalar was given.

    Raises AlphaError for NaN and infinities, ShapeError for more than one axis or no real numbers.
    """
    given = plain_array("alpha", values)
    if given.ndim > 1:
        raise ShapeError(
            f"alpha has shape {given.shape}", remedy="give a real scalar or a vector, shape (A,)"
        )
    with np.errstate(over="ignore"):
        alpha = np.atleast_1d(given.astype(np.float64))
    finite = np.isfinite(alpha)
    if not finite.all():
        value = alpha[int(np.argmin(finite))]
        remedy = (
            "give a number"
            if math.isnan(value)
            else "for the limit use limit(sign), sign in {+1, -1}"
        )
        raise AlphaError(f"alpha is {value}, it must be finite", remedy=remedy)
    return alpha, given.ndim == 0


def as_choice(name: str, value: Any, known: Iterable[str]) -> str:
    """Return one of the words `known` (UnknownNameError)."""
    if not isinstance(value, str) or value not in known:
        raise UnknownNameError(name, value, known)
    return value


def as_flag(name: str, value: Any) -> bool:
    """Return True or False; what is only true or false in a condition is refused (ShapeError)."""
    if not isinstance(value, bool | np.bool_):
        raise ShapeError(f"{name} is {shown(value)}", remedy="give True or False")
    return bool(value)


def require_kind(name: str, value: Any, *kinds: Any) -> None:
    """Refuse what is none of these classes (ShapeError)."""
    if not isinstance(value, kinds):
        raise ShapeError(
            f"{name} is a {type(value).__name__}",
            remedy=f"give a {' or '.join(kind.__name__ for kind in kinds)}",
        )


def as_positive(
    value: Any, name: str, error: type[SteeringError] = AlphaError, remedy: str = ""
) -> float:
    """Return a positive finite number, by default one that scales strengths (AlphaError)."""
    remedy = remedy or "give a positive finite number"
    return as_real(name, value, lambda number: 0.0 < number < math.inf, error, remedy)


# Vectors that were normalised in single precision are taken as unit vectors, and made so.
_UNIT = 1e-5


def as_direction(
    name: str, values: ArrayLike, size: int | None = None, *, unit: bool = False
) -> Floats:
    """Return a direction in the space of states, shape (d,); with `unit`, of length 1 exactly.

    Raises ShapeError if it is no vector of finite numbers, of that size, 0, or, with `unit`, its
    length is not 1 up to 1e-5.
    """
    vector = as_array(name, values, size=size, per="coordinate", finite=ShapeError, most=SQUARABLE)
    largest = float(np.abs(vector).max())
    if largest == 0.0:
        raise ShapeError(f"{name} is 0", remedy="give a direction with a length")
    length = largest * float(np.linalg.norm(vector / largest))
    if unit and not abs(length - 1.0) <= _UNIT:
        raise ShapeError(
            f"{name} has length {length:.6g}, it must be 1", remedy=f"divide {name} by its norm"
        )
    vector = vector / length if unit else vector
    vector.flags.writeable = False
    return vector


def as_unembedding(W: ArrayLike, bias: ArrayLike | None, width: int) -> tuple[Floats, Floats]:
    """Return an unembedding of states of that width, (V, d), and its bias, (V,), 0 by default.

    Raises ShapeError if the shapes do not fit, or an entry is NaN, infinite or beyond 1e150.
    """
    matrix = as_array("W", W, 2, finite=ShapeError, most=SQUARABLE)
    given = np.zeros(len(matrix)) if bias is None else bias
    if matrix.shape[1] != width:
        raise ShapeError(
            f"W has shape {matrix.shape}, the states have d = {width}",
            remedy=f"give W of shape (V, {width})",
        )
    return matrix, as_array("bias", given, size=len(matrix), finite=ShapeError)


def as_states(values: ArrayLike, width: int) -> Floats:
    """Return finite hidden states as columns, (d, m); a single one may be (d,) (ShapeError)."""
    states = as_array("H", values, None, finite=ShapeError, most=SQUARABLE)
    states = states[:, None] if states.ndim == 1 else states
    if states.ndim != 2 or states.shape[0] != width:
        raise ShapeError(
            f"H has shape {states.shape}, the directions have d = {width}",
            remedy=f"give one state per column, shape ({width}, m)",
        )
    return states


def as_sign(sign: Any) -> int:
    """Return +1 or -1; AlphaError for anything else."""
    remedy = "use +1 (alpha -> +inf) or -1 (alpha -> -inf)"
    return int(as_real("sign", sign, lambda value: abs(value) == 1.0, AlphaError, remedy))


def as_budget(budget: Any, name: str = "budget") -> float:
    """Return a budget in nats, a number >= 0 or +inf; BudgetError for anything else."""
    remedy = "give a number of nats, at least 0"
    return as_real(name, budget, lambda value: value >= 0.0, remedy=remedy)


def as_level(level: Any, name: str = "level") -> float:
    """Return a probability strictly between 0 and 1; BudgetError for anything else."""
    remedy = "give a number strictly between 0 and 1"
    return as_real(name, level, lambda value: 0.0 < value < 1.0, remedy=remedy)


def as_log_odds_level(level: Any) -> float:
    """Return log(p / (1 - p)) of a probability strictly between 0 and 1 (BudgetError)."""
    probability = as_level(level)
    return math.log(probability) - math.log1p(-probability)


def as_metadata(metadata: Any) -> Mapping[str, Any]:
    """Return a read-only copy of a mapping with string keys that JSON can hold (SteeringError)."""
    try:
        copy = json.loads(json.dumps(dict(metadata), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
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

    Raises ShapeError if a set is empty, an index is outside 0..V-1, or the shape or type is none of
    these.
    """
    if isinstance(tokens, list | tuple) and len(tokens) == 0:
        raise ShapeError("the set of tokens is empty", remedy="give at least one token")
    array = plain_array("tokens", tokens)
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
    if array.ndim > 1:
        raise ShapeError(
            f"tokens has shape {array.shape}",
            remedy=f"give token indices (integers) or a boolean mask, shape ({size},)",
        )
    mask = np.zeros(size, dtype=np.bool_)
    mask[as_integers("tokens", array, 0, size)] = True
    return mask


@np.errstate(over="ignore")
def as_weights(weights: ArrayLike | None, count: int, name: str = "weights") -> Floats:
    """Return probabilities of `count` contexts, shape (m,), sum 1; uniform by default.

    Raises ShapeError for another number of them, ProbabilityError for what are no probabilities.
    """
    if weights is None:
        return np.full(count, 1.0 / count)
    vector = as_array(name, weights, size=count, per="context", finite=ProbabilityError)
    bound = normalisation_tolerance(vector.dtype, count)
    if not (vector > 0.0).all() or not abs(float(vector.sum()) - 1.0) <= bound:
        raise ProbabilityError(
            f"{name} sum to {vector.sum():.6g} and their smallest is {vector.min():.6g}",
            remedy="give positive weights that sum to 1",
        )
    return vector
