"""Assumption 1: all datasets that satisfy it, and where one that does not violates it.

Assumption 1 (arXiv:2602.02712): p(z|c_j) = a_z if token z and context c_j share a concept, else
b_z, with 1 > a_z > b_z > 0. Appendix B.1 lets a depend on the context, a_{j,z} > b_z, which keeps
the signs of the log-odds; a b that depends on the context does not.

Rows must sum to 1 for every concept, so sum_{z in C} (a_z - b_z) is the same number 1 - B for
every concept, B = sum_z b_z. Hence the assumption holds exactly for: any b_z > 0 with B < 1, any
gap weights g_z > 0 that sum to 1 in each concept, and a_z = b_z + (1 - B) g_z (`from_gaps`). The
paper's *smoothed* and *weighted* families (App. B.1) are special cases. Letting g depend on the
context gives the paper's a_{j,z} > b_z.

Whether it holds is decided exactly, without a tolerance: the laws that use it speak of signs and
ties of log-odds, and an ulp of difference between two b_z turns an M(z) = 0 into a sign. The bound
a_z < 1 is not tested by itself: it follows from b_z > 0, and a double next to 1 may round to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import fsum, inf
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from steering_strength.theory.engine.validation import (
    as_array,
    as_integer,
    as_real,
    plain_array,
    require_memory,
)
from steering_strength.theory.errors import AssumptionError, ProbabilityError, ShapeError, shown
from steering_strength.theory.model.inputs import (
    ROW_SUM_TOLERANCE,
    BoolArray,
    FloatArray,
    IntArray,
    finite_array,
    read_only,
    require_two_concepts,
)

Part = Literal["positive", "constant a", "constant b", "a above b"]

_REMEDY: dict[Part, str] = {
    "positive": "add a pseudo-count, or leave the token out",
    "constant a": "use from_gaps, or ask only for what lets a depend on the context (App. B.1)",
    "constant b": "use from_gaps, or a law that needs no Assumption 1",
    "a above b": "raise the probability of the token within its concept",
}


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
    eps = (
        epsilon
        if isinstance(epsilon, Fraction)
        else Fraction(as_real("epsilon", epsilon, error=ProbabilityError))
    )
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
    others, eps = int(token_concept.max()), as_real("epsilon", epsilon, error=ProbabilityError)
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


@dataclass(frozen=True)
class Violation:
    """One violated part of Assumption 1, at one token.

    Attributes
    ----------
    part : str
        "positive" (p > 0), "constant a", "constant b", or "a above b".
    token : int
    contexts : tuple of int
        The one or two contexts in which it shows.
    values : tuple of float
        The probabilities of the token there.
    sentence : str
        The same for a reader.
    """

    part: Part
    token: int
    contexts: tuple[int, ...]
    values: tuple[float, ...]
    sentence: str

    @property
    def where(self) -> str:
        """For instance ``"token 4, contexts 0 and 3"``."""
        noun = "context" if len(self.contexts) == 1 else "contexts"
        return f"token {self.token}, {noun} {' and '.join(map(str, self.contexts))}"


def violations(
    probabilities: FloatArray, token_concept: IntArray, context_concept: IntArray
) -> tuple[Violation, ...]:
    """Every violated part of Assumption 1, part by part and token by token; () if it holds.

    A token violates each part at most once: the contexts named are those with the extreme values.
    """
    p, tokens = probabilities, np.arange(probabilities.shape[1])
    same = context_concept[:, None] == token_concept[None, :]
    lowest = p.argmin(axis=0)
    inside = np.where(same, p, np.inf).argmin(axis=0), np.where(same, p, -np.inf).argmax(axis=0)
    outside = np.where(same, np.inf, p).argmin(axis=0), np.where(same, -np.inf, p).argmax(axis=0)
    own, other = same.any(axis=0), (~same).any(axis=0)

    def at(contexts: IntArray) -> FloatArray:
        return np.asarray(p[contexts, tokens])

    table: tuple[tuple[Part, BoolArray, IntArray, IntArray, str], ...] = (
        (
            "positive", at(lowest) == 0, lowest, lowest,
            "p(token {z} | context {j}) = {x!r} is not positive",
        ),
        (
            "constant a", own & (at(inside[0]) < at(inside[1])), *inside,
            "token {z} has probability {x!r} in context {j} and {y!r} in context {k}, both of its"
            " own concept, so a_z depends on the context",
        ),
        (
            "constant b", other & (at(outside[0]) < at(outside[1])), *outside,
            "token {z} has probability {x!r} in context {j} and {y!r} in context {k}, both outside"
            " its concept, so b_z depends on the context",
        ),
        (
            "a above b", own & other & (at(inside[0]) <= at(outside[1])), inside[0], outside[1],
            "token {z} has probability {x!r} in context {j} of its own concept, not above {y!r} in"
            " context {k} outside it",
        ),
    )  # fmt: skip
    found = []
    for part, bad, first, second, text in table:
        for z in np.flatnonzero(bad).tolist():
            j, k = int(first[z]), int(second[z])
            x, y = float(p[j, z]), float(p[k, z])
            where, values = ((j,), (x,)) if j == k else ((j, k), (x, y))
            sentence = text.format(z=z, j=j, k=k, x=x, y=y)
            found.append(Violation(part, z, where, values, sentence))
    return tuple(found)


def require(found: tuple[Violation, ...], *, context_dependent: bool = False) -> None:
    """Raise `AssumptionError` for the first violation; with `context_dependent`, a may vary."""
    for violation in found:
        if context_dependent and violation.part == "constant a":
            continue
        raise violated(violation.where, violation.sentence, _REMEDY[violation.part])


def rates(
    name: Literal["a", "b"],
    probabilities: FloatArray,
    token_concept: IntArray,
    context_concept: IntArray,
) -> FloatArray:
    """a_z or b_z, shape (V,): its probability in the first context in, or outside, its concept.

    Raises ShapeError: a token has no such context, so that the rate is not determined.
    """
    same = context_concept[:, None] == token_concept[None, :]
    chosen, side = (same, "in") if name == "a" else (~same, "outside")
    missing = np.flatnonzero(~chosen.any(axis=0))
    if len(missing):
        z = int(missing[0])
        raise ShapeError(
            f"{name}_z of token {z} is not determined: no context lies {side} concept "
            f"{token_concept[z]}",
            remedy="add such a context",
        )
    return read_only(probabilities[chosen.argmax(axis=0), np.arange(len(same.T))])
