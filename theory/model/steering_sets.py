"""The contexts a difference of means is taken over: P inside the target concept, N outside.

arXiv:2602.02712, Eq. (3) and Def. 3.2: q contexts each, in P all from one concept, the target T,
in N all from other concepts. N is *contrastive* when it lies in a single concept and *random*
otherwise; the laws hold for both, the shape of the curves differs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from steering_strength.theory.engine.validation import as_integers, plain_array
from steering_strength.theory.errors import ProbabilityError, SteeringSetError
from steering_strength.theory.model.inputs import FloatArray, IntArray, read_only
from steering_strength.theory.model.table import mean_log_ratio


@dataclass(frozen=True, eq=False)
class SteeringSets:
    """P and N after validation.

    Attributes
    ----------
    positive, negative : (q,) int
        Context indices, in the order given.
    target : int
        The concept T of every context in P.
    negative_share : (G,) float
        Share of N in each concept, q_C / q in Lemma B.4; 0 for T, sums to 1.
    """

    positive: IntArray
    negative: IntArray
    target: int
    negative_share: FloatArray

    @property
    def size(self) -> int:
        """Number q of contexts on each side."""
        return len(self.positive)


def steering_sets(
    context_concept: IntArray, concepts: int, positive: ArrayLike, negative: ArrayLike
) -> SteeringSets:
    """Validate P and N, given as context indices (or as boolean masks over the m contexts).

    Raises SteeringSetError: a set is empty (q = 0), has an unknown or repeated context, P and N
    overlap or differ in size, P spans two concepts, or N reaches into the target concept.
    """
    contexts = len(context_concept)
    p = context_indices("P", positive, contexts)
    n = context_indices("N", negative, contexts)
    both = np.intersect1d(p, n)
    if len(both):
        raise SteeringSetError(
            f"context {both[0]} is in P and in N ({len(both)} shared)",
            remedy="the sets must be disjoint: take it out of one of them",
        )
    if len(p) != len(n):
        raise SteeringSetError(
            f"|P| = {len(p)} and |N| = {len(n)}, but Def. 3.2 takes q contexts of each",
            remedy=f"shorten both to {min(len(p), len(n))}, or find more contexts",
        )
    target = int(context_concept[p[0]])
    stray = p[context_concept[p] != target]
    if len(stray):
        raise SteeringSetError(
            f"context {stray[0]} of P has concept {context_concept[stray[0]]}, but context {p[0]} "
            f"makes the target concept {target}",
            remedy="choose all of P from one concept",
        )
    inside = n[context_concept[n] == target]
    if len(inside):
        raise SteeringSetError(
            f"context {inside[0]} of N lies in the target concept {target}",
            remedy="choose N outside the concept of P",
        )
    share = np.bincount(context_concept[n], minlength=concepts) / len(n)
    return SteeringSets(p, n, target, read_only(share))


def log_odds(probabilities: FloatArray, sets: SteeringSets) -> FloatArray:
    """M, shape (V,), of validated P and N; `ProbabilityError` where it would be infinite."""
    members = np.concatenate([sets.positive, sets.negative])
    zero = np.argwhere(probabilities[members] == 0)
    if len(zero):
        row, z = (int(i) for i in zero[0])
        raise ProbabilityError(
            f"p(token {z} | context {members[row]}) = 0 in {'P' if row < sets.size else 'N'}, "
            f"so M({z}) is infinite",
            remedy="count with pseudo_count > 0 (from_counts), or leave the context out",
        )
    return read_only(mean_log_ratio(probabilities[sets.positive], probabilities[sets.negative]))


def context_indices(name: str, value: ArrayLike, contexts: int) -> IntArray:
    """Return a set of contexts, named `name`, as indices 0..`contexts`-1, in the order given.

    Raises SteeringSetError: it is empty, or has an unknown or repeated context.
    """
    raw = np.atleast_1d(plain_array(name, value))
    if raw.dtype.kind == "b" and raw.ndim == 1:
        if len(raw) != contexts:
            raise SteeringSetError(
                f"{name} is a mask of length {len(raw)} over {contexts} contexts",
                remedy=f"give {contexts} booleans, or context indices",
            )
        raw = np.flatnonzero(raw)
    if raw.size == 0:
        raise SteeringSetError(
            f"{name} is empty (q = 0), but a mean needs q >= 1", remedy="name at least one context"
        )
    index = as_integers(name, raw, 0, contexts, SteeringSetError)
    seen, times = np.unique(index, return_counts=True)
    if index.ndim > 1 or times.max() > 1:
        repeated = f"context {seen[times.argmax()]} {times.max()} times"
        raise SteeringSetError(
            f"{name}, of shape {index.shape}, has {repeated}",
            remedy="give one list that names each context once",
        )
    return read_only(index)
