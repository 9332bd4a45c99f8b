"""All instances of Assumption 1: from free parameters to the two rates a_z and b_z.

Rows must sum to 1 for every concept, so sum_{z in C} (a_z - b_z) is the same number 1 - B for
every concept, B = sum_z b_z. Hence the assumption holds exactly for: any b_z > 0 with B < 1, any
gap weights g_z > 0 that sum to 1 in each concept, and a_z = b_z + (1 - B) g_z (`from_gaps`). The
paper's *smoothed* and *weighted* families (arXiv:2602.02712, App. B.1) are special cases. Letting
g depend on the context gives the paper's a_{j,z} > b_z.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import fsum, inf

import numpy as np
from numpy.typing import ArrayLike

from steering_strength.theory.engine.validation import (
    as_array,
    as_integer,
    plain_array,
    require_memory,
)
from steering_strength.theory.errors import AssumptionError, ProbabilityError, ShapeError, shown
from steering_strength.theory.model.inputs import (
    ROW_SUM_TOLERANCE,
    FloatArray,
    IntArray,
    finite_array,
    number,
    require_two_concepts,
)


def rows(
    inside: FloatArray, outside: FloatArray, token_concept: IntArray, context_concept: IntArray
) -> FloatArray:
    """The table p(z|c_j), shape (m, V), from a, shape (V,) or (m, V), and b, shape (V,)."""
    require_memory("the table of probabilities", len(context_concept), len(token_concept))
    same = context_concept[:, None] == token_concept[None, :]
    return np.where(same, inside, outside)


def contexts(token_concept: IntArray, per_concept: int | Sequence[int]) -> IntArray:
    """Concept of each context, concept by concept: so many of each, or so many of concept C.

    Raises ShapeError: not one number per concept, a negative one, or no context at all.
    """
    name = "contexts_per_concept"
    concepts = int(token_concept.max()) + 1
    given = plain_array(name, per_concept)
    if given.ndim == 0:
        times = [as_integer(name, given.item(), 1)] * concepts
    else:
        times = [as_integer(f"{name}[{c}]", n, 0) for c, n in enumerate(given.ravel().tolist())]
    if len(times) != concepts or not any(times):
        raise ShapeError(
            f"{name} = {shown(per_concept)} for {concepts} concepts",
            remedy="give one number per concept, not all 0",
        )
    require_memory(name, sum(times))
    return np.repeat(np.arange(concepts, dtype=np.int64), times)


def smoothed_rates(
    concepts: int, tokens_per_concept: int, epsilon: float | Fraction
) -> tuple[FloatArray, FloatArray, IntArray]:
    """(a, b, token_concept) of the smoothed family: a = (1-eps)/s, b = eps/((G-1)s).

    Raises ShapeError: G < 2 or s < 1; AssumptionError: eps outside (0, (G-1)/G): then b_z <= 0 or
    a_z <= b_z.
    """
    g = as_integer("concepts", concepts, 1)
    require_two_concepts(g)
    s = as_integer("tokens_per_concept", tokens_per_concept, 1)
    require_memory("the vocabulary", g, s)
    eps = epsilon if isinstance(epsilon, Fraction) else Fraction(number("epsilon", epsilon))
    if not 0 < eps < 1 - Fraction(1, g):
        raise violated(
            "every token",
            f"epsilon = {shown(epsilon)} with G = {g} gives b_z <= 0 or a_z <= b_z",
            f"choose 0 < epsilon < (G-1)/G = {1 - 1 / g:.6g}",
        )
    # Exact rationals, rounded once: a and b are then the doubles nearest to the paper's numbers.
    a, b = float((1 - eps) / s), float(eps / ((g - 1) * s))
    labels = np.repeat(np.arange(g, dtype=np.int64), s)
    inside, outside = np.full(g * s, a), np.full(g * s, b)
    _require_a_above_b(inside, outside)
    return inside, outside, labels


def weighted_rates(
    gamma: ArrayLike, omega: ArrayLike, token_concept: IntArray, epsilon: float | Fraction
) -> tuple[FloatArray, FloatArray]:
    """(a, b) of the weighted family: a_z = (1-eps) gamma_z, b_z = eps/(G-1) omega_z.

    Raises ShapeError: gamma or omega does not have one entry per token; ProbabilityError: they do
    not sum to 1 in every concept; AssumptionError: a_z <= b_z or b_z <= 0; names the token, the
    values and the bound on eps.
    """
    inner = positive_weights("gamma", gamma, token_concept)
    outer = positive_weights("omega", omega, token_concept)
    others, eps = int(token_concept.max()), number("epsilon", epsilon)
    bound = largest_epsilon(inner, outer, token_concept)
    tightest = int(bound.argmin())
    remedy = f"choose 0 < epsilon < {bound[tightest]:.6g}, the bound set by token {tightest}"
    if not 0 < eps < 1:
        raise violated("every token", f"epsilon = {shown(epsilon)} is not in (0, 1)", remedy)
    a, b = (1.0 - eps) * inner, eps / others * outer
    _require_a_above_b(a, b, remedy)
    return a, b


def largest_epsilon(gamma: FloatArray, omega: FloatArray, token_concept: IntArray) -> FloatArray:
    """The eps below which a_z > b_z, (V,): (G-1) gamma / ((G-1) gamma + omega)."""
    others = int(token_concept.max())
    return np.asarray(others * gamma / (others * gamma + omega))


def gap_rates(
    off_concept: ArrayLike, gap_weights: ArrayLike, token_concept: IntArray
) -> tuple[FloatArray, FloatArray]:
    """(a, b) of `from_gaps`: a = b + (1 - B) g; a has the shape of g, (V,) or (m, V).

    With g of shape (m, V), row j must be zero outside one concept, which is the context's.

    Raises ShapeError: one entry per token is needed; ProbabilityError: B >= 1, or gap weights that
    do not sum to 1 in a concept; AssumptionError: b_z <= 0 or g_z <= 0, or the two rates round to
    the same double.
    """
    b = finite_array("off_concept", off_concept, 1, len(token_concept))
    lowest = int(b.argmin())
    if b[lowest] <= 0:
        raise violated(
            f"token {lowest}",
            f"b = {float(b[lowest])!r} is not positive",
            "every off-concept probability must be above 0",
        )
    total = _sum(b)
    if total >= 1:
        raise ProbabilityError(
            f"off_concept sums to B = {total!r}, which leaves no mass for the gaps",
            remedy="scale it so that B < 1",
        )
    if plain_array("gap_weights", gap_weights).ndim == 2:
        contexts_of_rows(gap_weights, token_concept)
        g = finite_array("gap_weights", gap_weights, 2)
        low = np.argwhere(g < 0)
    else:
        g = _weights_per_concept("gap_weights", gap_weights, token_concept)
        low = np.argwhere(g <= 0)
    if len(low):
        raise violated(
            _where(low[0]),
            f"gap weight {float(g[tuple(low[0])])!r} is not positive, so a_z <= b_z",
            "every gap weight must be above 0",
        )
    a = b + (1.0 - total) * g
    _require_a_above_b(np.where(g == 0, np.inf, a), b)
    return a, b


def contexts_of_rows(
    gap_weights: ArrayLike, token_concept: IntArray, per_concept: int | Sequence[int] = 1
) -> IntArray:
    """The concept of each context, read off the support of its gap weights, shape (m, V).

    Raises AssumptionError: the support of a row is not one whole concept; names the context and a
    token; ProbabilityError: a row does not sum to 1; ShapeError: a number of contexts `per_concept`
    was given as well.
    """
    if per_concept != 1:
        raise ShapeError(
            "gap_weights of shape (m, V) already say which concept each context has",
            remedy="leave out contexts_per_concept",
        )
    g = finite_array("gap_weights", gap_weights, 2)
    labels = np.empty(len(g), dtype=np.int64)
    for j, row in enumerate(g):
        as_array(f"gap_weights[{j}]", row, size=len(token_concept))
        labels[j] = token_concept[int(row.argmax())]
        wrong = np.flatnonzero((row != 0) != (token_concept == labels[j]))
        if len(wrong):
            z = int(wrong[0])
            raise violated(
                f"token {z}, context {j}",
                f"gap weight {float(row[z])!r} of concept {token_concept[z]}, but the largest gap "
                f"makes it a context of concept {labels[j]}",
                "a row must be positive on one whole concept and 0 elsewhere",
            )
        _require_sum(f"gap_weights[{j}]", row)
    return labels


def violated(where: str, problem: str, remedy: str) -> AssumptionError:
    """What to raise where Assumption 1 does not hold."""
    return AssumptionError("Assumption 1", where, problem, remedy=remedy)


def positive_weights(name: str, value: ArrayLike, token_concept: IntArray) -> FloatArray:
    """Weights above 0, (V,), that sum to 1 in each concept (`AssumptionError`, and as above)."""
    weights = _weights_per_concept(name, value, token_concept)
    z = int(weights.argmin())
    if weights[z] <= 0:
        problem = f"{name} = {float(weights[z])!r} is not positive"
        raise violated(f"token {z}", problem, "raise it above 0")
    return weights


def _weights_per_concept(name: str, value: ArrayLike, token_concept: IntArray) -> FloatArray:
    array = finite_array(name, value, 1, len(token_concept))
    for concept in range(int(token_concept.max()) + 1):
        _require_sum(f"{name} in concept {concept}", array[token_concept == concept])
    return array


def _sum(values: FloatArray) -> float:
    try:
        return fsum(values)
    except OverflowError:
        return inf


def _require_sum(name: str, values: FloatArray) -> None:
    total = _sum(values)
    if abs(total - 1.0) > ROW_SUM_TOLERANCE:
        raise ProbabilityError(
            f"{name} sums to {total!r}, but must sum to 1",
            remedy="divide the weights of each concept by their sum",
        )


def _require_a_above_b(
    a: FloatArray, b: FloatArray, remedy: str = "widen the gap between in- and off-concept"
) -> None:
    bad = np.argwhere((a <= b) | (b <= 0))
    if len(bad):
        x, y = float(a[tuple(bad[0])]), float(b[bad[0][-1]])
        raise violated(_where(bad[0]), f"a = {x!r} and b = {y!r}, but a > b > 0 is needed", remedy)


def _where(place: IntArray) -> str:
    context = f", context {place[0]}" if len(place) == 2 else ""
    return f"token {place[-1]}{context}"
