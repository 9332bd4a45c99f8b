"""Whether a table of probabilities satisfies Assumption 1, and if not, where exactly.

Assumption 1 (arXiv:2602.02712): p(z|c_j) = a_z if token z and context c_j share a concept, else
b_z, with 1 > a_z > b_z > 0. Appendix B.1 lets a depend on the context, a_{j,z} > b_z, which keeps
the signs of the log-odds; a b that depends on the context does not.

Equality is exact, without a tolerance: the laws that use the assumption speak of signs and ties
of log-odds, and an ulp of difference between two b_z turns an M(z) = 0 into a sign. The bound
a_z < 1 is not tested by itself: it follows from b_z > 0, and a double next to 1 may round to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from steering_strength.theory.errors import AssumptionError, ShapeError
from steering_strength.theory.model.inputs import BoolArray, FloatArray, IntArray, read_only

Part = Literal["positive", "constant a", "constant b", "a above b"]

_REMEDY: dict[Part, str] = {
    "positive": "add a pseudo-count, or leave the token out",
    "constant a": "use from_gaps, or ask only for what lets a depend on the context (App. B.1)",
    "constant b": "use from_gaps, or a law that needs no Assumption 1",
    "a above b": "raise the probability of the token within its concept",
}


@dataclass(frozen=True)
class Violation:
    """One violated part of Assumption 1, at one token.

    Attributes
    ----------
    assumption : str
        "Assumption 1".
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

    assumption: str
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
            found.append(Violation("Assumption 1", part, z, where, values, sentence))
    return tuple(found)


def require(found: tuple[Violation, ...], *, context_dependent: bool = False) -> None:
    """Raise `AssumptionError` for the first violation; with `context_dependent`, a may vary."""
    for violation in found:
        if context_dependent and violation.part == "constant a":
            continue
        raise AssumptionError(
            violation.assumption,
            violation.where,
            violation.sentence,
            remedy=_REMEDY[violation.part],
        )


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
