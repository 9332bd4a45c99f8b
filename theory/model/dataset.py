"""The dataset of arXiv:2602.02712, Sec. 2: contexts, next-token probabilities, concepts.

A `ConceptDataset` knows m contexts c_j with weights pi_j, the probabilities p(z|c_j) of V tokens,
and which of G concepts each token and each context belongs to. It answers what the theory needs:
log-odds M(z) of a pair (P, N), the tilted family of a context, and the entropy that bounds the
training loss of the Unconstrained Features Model from below.

Assumption 1 is not required of a dataset, because many laws do not need it; `violations` says
where it fails. Probabilities are taken as they are given: nothing is renormalised or clipped, so
that equal numbers stay equal and ties in M stay ties.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from steering_strength.theory.engine import validation as check
from steering_strength.theory.engine.family import TiltedFamily
from steering_strength.theory.engine.population import TiltedPopulation
from steering_strength.theory.engine.storage import read_npz, write_npz
from steering_strength.theory.errors import ShapeError
from steering_strength.theory.model import assumption_1
from steering_strength.theory.model.assumption_1 import Violation
from steering_strength.theory.model.counts import TokenConcept, count_pairs, frequencies
from steering_strength.theory.model.inputs import (
    FloatArray,
    IntArray,
    concept_labels,
    distribution,
    names,
    read_only,
)
from steering_strength.theory.model.mixed import mixed_rows, mixture_weights
from steering_strength.theory.model.steering_sets import SteeringSets, log_odds, steering_sets
from steering_strength.theory.model.table import distinct_rows, kl_rows, log_table, mean_log_ratio


@dataclass(frozen=True, init=False, eq=False, repr=False)
class ConceptDataset:
    """Next-token probabilities of m contexts over V tokens in G concepts.

    Raises ShapeError or ProbabilityError: with the value, the bound and the remedy.

    Parameters
    ----------
    probabilities : (m, V) float
        p(z|c_j), rows summing to 1; zeros are allowed.
    token_concept : (V,) int
        Concept of each token, labels 0..G-1, G >= 2.
    context_concept : (m,) int
        Concept of each context.
    context_weights : (m,) float, optional
        pi_j > 0, summing to 1; uniform by default.
    description : str
        How the dataset was made, for the reader.
    token_names, context_names, concept_names : sequences of str, optional
        What to call things in figures and reports.

    Examples
    --------
    >>> data = ConceptDataset.smoothed(concepts=3, tokens_per_concept=3, epsilon=0.05)
    >>> round(data.entropy(), 6)
    1.331785
    """

    probabilities: FloatArray
    token_concept: IntArray
    context_concept: IntArray
    context_weights: FloatArray
    description: str
    token_names: tuple[str, ...]
    context_names: tuple[str, ...]
    concept_names: tuple[str, ...]

    def __init__(
        self,
        probabilities: ArrayLike,
        token_concept: ArrayLike,
        context_concept: ArrayLike,
        context_weights: ArrayLike | None = None,
        description: str = "",
        token_names: Sequence[str] = (),
        context_names: Sequence[str] = (),
        concept_names: Sequence[str] = (),
    ) -> None:
        p = distribution("probabilities", probabilities, 2)
        m, V = p.shape
        tokens = concept_labels("token_concept", token_concept, size=V)
        concepts = int(tokens.max()) + 1
        contexts = concept_labels("context_concept", context_concept, concepts, m)
        weights = check.as_weights(context_weights, m, "context_weights")
        check.freeze(
            self,
            probabilities=p,
            token_concept=tokens,
            context_concept=contexts,
            context_weights=weights,
            description=names("description", (description,), 1)[0],
            token_names=names("token_names", token_names, len(tokens)),
            context_names=names("context_names", context_names, len(contexts)),
            concept_names=names("concept_names", concept_names, concepts),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write every field to one .npz file at exactly `path` (`OutputError` if it cannot)."""
        write_npz(path, type(self).__name__, self._values())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote: equal to the original, bit by bit, and validated again.

        Raises SteeringError if the file cannot be read or holds something else.
        """
        return cls(**read_npz(path, cls.__name__, [field.name for field in fields(cls)]))

    def _values(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ConceptDataset):
            return NotImplemented
        pairs = zip(self._values().values(), other._values().values(), strict=True)
        return all(np.array_equal(mine, theirs) for mine, theirs in pairs)

    def __hash__(self) -> int:
        return hash(tuple(np.asarray(value).tobytes() for value in self._values().values()))

    # Constructors ---------------------------------------------------------------------------

    @classmethod
    def smoothed(
        cls,
        concepts: int = 3,
        tokens_per_concept: int = 3,
        epsilon: float | Fraction = 0.05,
        contexts_per_concept: int | Sequence[int] = 1,
        context_weights: ArrayLike | None = None,
    ) -> Self:
        """The paper's example (App. B.1): a = (1-eps)/s, b = eps/((G-1)s), s tokens per concept.

        Contexts come concept by concept. The defaults are the paper's V = 9, G = 3, eps = 0.05.

        Raises AssumptionError: eps is not in (0, (G-1)/G).
        """
        a, b, labels = assumption_1.smoothed_rates(concepts, tokens_per_concept, epsilon)
        contexts = assumption_1.contexts(labels, contexts_per_concept)
        text = f"smoothed({concepts=}, {tokens_per_concept=}, {epsilon=}, {contexts_per_concept=})"
        return cls(
            assumption_1.rows(a, b, labels, contexts), labels, contexts, context_weights, text
        )

    @classmethod
    def weighted(
        cls,
        gamma: ArrayLike,
        omega: ArrayLike,
        token_concept: ArrayLike,
        epsilon: float | Fraction,
        *,
        contexts_per_concept: int | Sequence[int] = 1,
        context_weights: ArrayLike | None = None,
    ) -> Self:
        """The paper's weighted family (App. B.1): a_z = (1-eps) gamma_z, b_z = eps/(G-1) omega_z.

        gamma and omega, shape (V,), sum to 1 in each concept. Concepts may differ in size.

        Raises AssumptionError: a_z <= b_z; names the token, the values and the largest eps that
        these weights allow.
        """
        labels = concept_labels("token_concept", token_concept)
        a, b = assumption_1.weighted_rates(gamma, omega, labels, epsilon)
        contexts = assumption_1.contexts(labels, contexts_per_concept)
        text = f"weighted(V={len(labels)}, {epsilon=})"
        return cls(
            assumption_1.rows(a, b, labels, contexts), labels, contexts, context_weights, text
        )

    @classmethod
    def from_gaps(
        cls,
        off_concept: ArrayLike,
        gap_weights: ArrayLike,
        token_concept: ArrayLike,
        *,
        contexts_per_concept: int | Sequence[int] = 1,
        context_weights: ArrayLike | None = None,
    ) -> Self:
        """Any instance of Assumption 1: b = `off_concept`, a_z = b_z + (1 - B) g_z, B = sum b.

        `gap_weights` g, shape (V,), sum to 1 in each concept. With shape (m, V), a depends on the
        context (App. B.1): row j is positive on one whole concept, which is then the concept of
        context j, 0 elsewhere, and sums to 1.

        Raises AssumptionError or ProbabilityError: b_z <= 0, B >= 1, g_z <= 0, or gaps that do not
        sum to 1.
        """
        labels = concept_labels("token_concept", token_concept)
        a, b = assumption_1.gap_rates(off_concept, gap_weights, labels)
        if a.ndim == 1:
            contexts = assumption_1.contexts(labels, contexts_per_concept)
        else:
            contexts = assumption_1.contexts_of_rows(gap_weights, labels, contexts_per_concept)
        text = f"from_gaps(V={len(labels)}, B={float(b.sum()):.6g})"
        return cls(
            assumption_1.rows(a, b, labels, contexts), labels, contexts, context_weights, text
        )

    @classmethod
    def mixed(
        cls,
        off_concept: ArrayLike,
        gap_weights: ArrayLike,
        token_concept: ArrayLike,
        weights: ArrayLike,
        *,
        context_weights: ArrayLike | None = None,
    ) -> Self:
        """Contexts that mix concepts: p(z|c_j) = b_z + w_(j,C) (a_z - b_z) for z in C.

        b and a are those of `from_gaps`, `weights`, (m, G), at least 0 with sum 1 for each context.
        A context counts to the concept of its largest weight, the first of several.

        Raises ProbabilityError: a negative weight, or weights that do not sum to 1; and as
        `from_gaps`.
        """
        labels = concept_labels("token_concept", token_concept)
        a, b = assumption_1.gap_rates(
            off_concept, check.as_array("gap_weights", gap_weights), labels
        )
        shares = mixture_weights(weights, int(labels.max()) + 1)
        text = f"mixed(V={len(labels)}, m={len(shares)})"
        rows = mixed_rows(a, b, labels, shares)
        return cls(rows, labels, shares.argmax(axis=1), context_weights, text)

    @classmethod
    def from_counts(
        cls,
        contexts: Iterable[Hashable | Sequence[Hashable]],
        tokens: Iterable[Hashable],
        token_concept: TokenConcept,
        *,
        context_concept: Mapping[Hashable, Hashable] | None = None,
        pseudo_count: float = 0.0,
    ) -> Self:
        """Relative frequencies of n observed pairs (context, next token), Def. 2.1.

        Raises AssumptionError: a context has tokens of two concepts; names the context and the
        tokens; ShapeError: no pairs, or an unknown token or label.

        Parameters
        ----------
        contexts : n sequences of tokens, or n labels if `context_concept` is given
        tokens : n next tokens
        token_concept : mapping from token to concept, or labels (V,) for tokens 0..V-1
        context_concept : mapping from context label to concept, optional
        pseudo_count : added to every cell (k + c) / (n_j + c V); avoids zero probabilities

        Contexts are numbered in order of appearance (`context_names`). Counts hardly ever satisfy
        Assumption 1 exactly; `violations` lists where they do not.
        """
        counts, of_tokens, of_contexts, *called = count_pairs(
            contexts, tokens, token_concept, context_concept
        )
        p, pi = frequencies(counts, pseudo_count)
        text = f"from_counts(n={int(counts.sum())}, {pseudo_count=})"
        return cls(p, of_tokens, of_contexts, pi, text, *called)

    # Shape and Assumption 1 -----------------------------------------------------------------

    @property
    def vocabulary_size(self) -> int:
        """V."""
        return len(self.token_concept)

    @property
    def context_count(self) -> int:
        """m."""
        return len(self.context_concept)

    @property
    def concept_count(self) -> int:
        """G."""
        return int(self.token_concept.max()) + 1

    @property
    def concepts(self) -> tuple[IntArray, ...]:
        """The tokens of each concept, C_0 .. C_{G-1}, as index arrays."""
        labels = range(self.concept_count)
        return tuple(read_only(np.flatnonzero(self.token_concept == c)) for c in labels)

    def contexts_of(self, concept: int) -> IntArray:
        """Indices of the contexts of one concept; for instance a P that takes all of them."""
        number = check.as_integer("concept", concept, 0, self.concept_count - 1)
        return read_only(np.flatnonzero(self.context_concept == number))

    def violations(self) -> tuple[Violation, ...]:
        """Every violated part of Assumption 1: part, token, contexts, values; () if it holds."""
        return assumption_1.violations(self.probabilities, self.token_concept, self.context_concept)

    def require_assumption_1(self, *, context_dependent: bool = False) -> None:
        """Raise `AssumptionError` naming the first violation and where it is.

        With `context_dependent`, a may depend on the context (App. B.1), b may not.
        """
        assumption_1.require(self.violations(), context_dependent=context_dependent)

    @property
    def in_concept(self) -> FloatArray:
        """a_z, shape (V,): probability of z in the contexts of its concept. Needs Assumption 1."""
        self.require_assumption_1()
        return assumption_1.rates("a", self.probabilities, self.token_concept, self.context_concept)

    @property
    def off_concept(self) -> FloatArray:
        """b_z, shape (V,): probability of z in other contexts. Needs Assumption 1 or App. B.1."""
        self.require_assumption_1(context_dependent=True)
        return assumption_1.rates("b", self.probabilities, self.token_concept, self.context_concept)

    # Steering -------------------------------------------------------------------------------

    def steering_sets(self, positive: ArrayLike, negative: ArrayLike) -> SteeringSets:
        """P and N, validated: non-empty, disjoint, equally large, P in one concept, N outside.

        Both are context indices or boolean masks of shape (m,).

        Raises SteeringSetError: says which of these fails, for which context, and what to do.
        """
        return steering_sets(self.context_concept, self.concept_count, positive, negative)

    def log_odds(self, positive: ArrayLike, negative: ArrayLike) -> FloatArray:
        """M(z), shape (V,), in nats per unit of alpha (Def. 3.2): mean log p over P minus over N.

        Raises SteeringSetError, see `steering_sets`; ProbabilityError: a probability in P or N is
        zero, so that M(z) would be infinite.
        """
        return log_odds(self.probabilities, self.steering_sets(positive, negative))

    def separated_log_odds(self, positive: ArrayLike, negative: ArrayLike) -> FloatArray:
        """M by concept, shape (V,): log(a/b) in T, -(q_C/q) log(a/b) in any other C (Lemma B.4).

        q_C/q is the share of N in C. The same as `log_odds`, by the lemma; M is 0 where N misses C.

        Raises AssumptionError: Assumption 1 does not hold.
        """
        self.require_assumption_1()
        sets = self.steering_sets(positive, negative)
        factor = np.where(
            self.token_concept == sets.target, 1.0, -sets.negative_share[self.token_concept]
        )
        same = self.context_concept[:, None] == self.token_concept[None, :]
        rows, tokens = self.probabilities, np.arange(self.vocabulary_size)
        # A concept without contexts has no a_z; its factor is 0.
        ratio = mean_log_ratio(
            rows[same.argmax(axis=0), tokens][None], rows[(~same).argmax(axis=0), tokens][None]
        )
        return read_only(np.where(factor == 0.0, 0.0, factor * ratio))

    def closeness(self, context: int, positive: ArrayLike, negative: ArrayLike) -> float:
        """E_p[M] = mean over N of KL(p_j || p_i) minus that over P, in nats.

        Tokens with M above it peak at positive alpha: the sign of a peak says whether the context
        is closer to N or to P.
        """
        row = self.log_probabilities[
            check.as_integer("context", context, 0, self.context_count - 1)
        ]
        sets = self.steering_sets(positive, negative)
        distances = [
            float(kl_rows(row, self.log_probabilities[contexts]).mean())
            for contexts in (sets.negative, sets.positive)
        ]
        return distances[0] - distances[1]

    @property
    def log_probabilities(self) -> FloatArray:
        """log p(z|c_j), shape (m, V), in nats; -inf where p is 0."""
        return log_table(self.probabilities)

    def family(self, context: int, log_odds: ArrayLike) -> TiltedFamily:
        """The steered distributions of one context: p_alpha(z) = p(z|c_j) e^(alpha M(z) - K).

        Any finite M of shape (V,) will do, a difference of means or not (Lemma B.3).
        """
        row = self.probabilities[check.as_integer("context", context, 0, self.context_count - 1)]
        return TiltedFamily(log_table(row), check.plain_array("log_odds", log_odds))

    def cross_entropy_increase(self, log_odds: ArrayLike, alpha: ArrayLike) -> FloatArray:
        """Delta CE(alpha) = sum_j pi_j KL(p_j || p_{j,alpha}), shape of alpha, in nats (Thm 3.8).

        Exact for every alpha, not only to second order.
        """
        return self._population(log_odds).average_cross_entropy_increase(alpha)

    def quadratic(self, log_odds: ArrayLike) -> float:
        """The coefficient of alpha^2 in Delta CE: sum_j pi_j Var_j(M) / 2, in nats (Thm 3.8)."""
        return self._population(log_odds).quadratic()

    def cross_entropy_asymptote(self, log_odds: ArrayLike, sign: int) -> tuple[float, float]:
        """(slope, offset): Delta CE lies between |alpha| slope + offset and |alpha| slope.

        The first line is its asymptote on the side of `sign`.
        """
        return self._population(log_odds).cross_entropy_asymptote(sign)

    def linear_coefficient(self, log_odds: ArrayLike, model: ArrayLike) -> float:
        """The slope at alpha = 0 of the cross-entropy of a steered model on this data.

        sum_j pi_j (E_model[M] - E_data[M]), in nats per unit alpha (law `ce-linear`): zero for a
        model that is calibrated along M, and a measure of its miscalibration otherwise.

        Parameters
        ----------
        log_odds : (V,)
        model : (m, V)
            The probabilities that the unsteered model gives, context by context.
        """
        predicted = distribution("model", model, 2)
        if predicted.shape != self.probabilities.shape:
            raise ShapeError(
                f"model has shape {predicted.shape}, the data {self.probabilities.shape}",
                remedy="give one row per context and one column per token",
            )
        odds = check.as_log_odds(log_odds, np.ones(self.vocabulary_size, dtype=np.bool_))
        return float(self.context_weights @ ((predicted - self.probabilities) @ odds))

    def _population(self, log_odds: ArrayLike) -> TiltedPopulation:
        """The contexts, equal rows taken together."""
        first, group = distinct_rows(self.probabilities)
        weights = np.bincount(group, weights=self.context_weights).astype(np.float64)
        odds = check.plain_array("log_odds", log_odds)
        return TiltedPopulation(log_table(self.probabilities[first]), odds, weights)

    def entropy(self) -> float:
        """sum_j pi_j H(p_j) in nats: the smallest cross-entropy a model can reach (Sec. 2.2)."""
        log_p = np.where(self.probabilities > 0, self.log_probabilities, 0.0)
        return float(-self.context_weights @ (self.probabilities * log_p).sum(axis=1))

    def __repr__(self) -> str:
        sizes = f"V={self.vocabulary_size}, G={self.concept_count}, m={self.context_count}"
        return f"<ConceptDataset {self.description or 'given'}: {sizes}>"
