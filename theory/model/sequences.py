"""A UFM that writes texts: contexts are prefixes, each with a free feature vector, all steered.

The model is a list of states, each with features h_s and hence next-token probabilities
softmax(W h_s), and a table saying which state follows which token. A *tree* has one state per
prefix, numbered by length as in `theory.laws.sequences` (state V j + 1 + z is prefix j followed by
token z); small ones are enumerated. A *chain* has one state per last token; texts of any length
are drawn from it at any vocabulary size. Steering adds alpha v to the features at every step; texts
come from matrix products and softmaxes, one step after the other, and no closed form is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from steering_strength.theory.engine.sequences import SampledTexts
from steering_strength.theory.engine.validation import (
    as_alpha,
    as_integer,
    as_integers,
    freeze,
    plain_array,
)
from steering_strength.theory.errors import ShapeError, SteeringSetError
from steering_strength.theory.model.inputs import (
    FloatArray,
    IntArray,
    distribution,
    finite_array,
    generator,
    read_only,
)
from steering_strength.theory.model.interpolation import factorise
from steering_strength.theory.model.table import log_softmax

Paths = tuple[IntArray, IntArray]
"""(states, tokens), (N, T) each: the state before each token of N texts, and the token.

A text that ends before T tokens is filled up with -1.
"""

_MOST = 1 << 22  # entries of an enumeration


@dataclass(frozen=True, eq=False)
class SequenceFeatures:
    """Logits W h_s in state s, and the state that follows each token.

    Raises ShapeError or ProbabilityError: the shapes do not fit, an entry is not finite, or a state
    does not exist.

    Parameters
    ----------
    W : (V, d) float
        Unembedding.
    H : (d, S) float
        Features, one column per state; state 0 is the empty text.
    after : (S, V) int
        The state after token z in state s; -1 where the text ends with that token.
    """

    W: FloatArray
    H: FloatArray
    after: IntArray

    def __post_init__(self) -> None:
        W, H = finite_array("W", self.W, 2), finite_array("H", self.H, 2)
        after = as_integers("after", self.after, -1, H.shape[1])
        if after.shape != (H.shape[1], W.shape[0]) or W.shape[1] != H.shape[0]:
            raise ShapeError(
                f"W has shape {W.shape}, H {H.shape}, after {after.shape}",
                remedy="give shapes (V, d), (d, S) and (S, V)",
            )
        freeze(self, W=W, H=H, after=after)

    @classmethod
    def tree(
        cls,
        probabilities: ArrayLike,
        rng: np.random.Generator | int,
        *,
        others: ArrayLike | None = None,
    ) -> Self:
        """One state per prefix: row j holds p(. | prefix j), prefixes numbered by length.

        All prefixes of fewer than T tokens, (V^T - 1)/(V - 1) rows, give the texts of T tokens;
        with another number of rows the last texts are one token shorter. `others` are rows of
        further contexts, states J, J + 1, ..., for P and N. Gauge and logit shifts are drawn at
        random (`interpolation`).

        Raises ProbabilityError: a probability is 0, or a row does not sum to 1.
        """
        rows = distribution("probabilities", probabilities, 2)
        J, V = rows.shape
        child = V * np.arange(J)[:, None] + 1 + np.arange(V)
        after = np.where(child < J, child, -1)
        if others is not None:
            rows = np.vstack([rows, distribution("others", others, 2)])
            after = np.vstack([after, np.full((len(rows) - J, V), -1)])
        return cls._interpolating(rows, after, rng)

    @classmethod
    def chain(cls, probabilities: ArrayLike, rng: np.random.Generator | int) -> Self:
        """One state per last token: row 0 for the first token, row 1 + z for what follows z."""
        rows = distribution("probabilities", probabilities, 2)
        S, V = rows.shape
        if S != V + 1:
            raise ShapeError(
                f"{S} rows for a vocabulary of {V}", remedy=f"give {V + 1}: the start, then each"
            )
        return cls._interpolating(rows, np.tile(np.arange(1, V + 1), (S, 1)), rng)

    @classmethod
    def _interpolating(
        cls, rows: FloatArray, after: IntArray, rng: np.random.Generator | int
    ) -> Self:
        with np.errstate(divide="ignore"):
            log_p = np.log(rows)
        W, H = factorise(log_p, generator(rng), free_shifts=True)
        return cls(W, H, after)

    def steering_vector(self, positive: ArrayLike, negative: ArrayLike) -> FloatArray:
        """v = mean of h over the states P minus mean over the states N, shape (d,) (Eq. 3).

        Raises SteeringSetError if one is empty, they share a state, or a state does not exist.
        """
        sets = [
            as_integers("P or N", np.atleast_1d(group), 0, self.H.shape[1], SteeringSetError)
            for group in (plain_array("P", positive), plain_array("N", negative))
        ]
        if max(group.ndim for group in sets) > 1:
            raise SteeringSetError("P or N has several axes", remedy="give one list of states each")
        if set(sets[0].tolist()) & set(sets[1].tolist()):
            raise SteeringSetError("P and N share a state", remedy="give disjoint sets")
        mean_p, mean_n = (self.H[:, group].mean(axis=1) for group in sets)
        return read_only(mean_p - mean_n)

    def log_probability(
        self, states: ArrayLike, vector: ArrayLike, alpha: float = 0.0
    ) -> FloatArray:
        """log softmax(W (h_s + alpha v)) in n states, shape (n, V), or in one, (V,); in nats."""
        strengths, scalar = as_alpha(alpha)
        if not scalar:
            raise ShapeError(f"{strengths.size} strengths at once", remedy="give one number")
        v = finite_array("vector", vector, 1, self.W.shape[1], "feature")
        given = plain_array("states", states)  # perhaps none at all
        at = as_integers("states", given, 0, self.H.shape[1]) if given.size else given.astype(int)
        hidden = self.H[:, at.ravel()] + strengths * v[:, None]
        return log_softmax((self.W @ hidden).T.reshape(*at.shape, len(self.W)))

    def all_texts(self, length: int) -> Paths:
        """Every text of at most `length` tokens, each running on to that length or to its end.

        Raises ShapeError where they are more than four million tokens.
        """
        count, V = as_integer("length", length, 1), self.W.shape[0]
        states, tokens = (np.zeros((1, 0), dtype=np.int64) for _ in range(2))
        at = np.zeros(1, dtype=np.int64)
        for step in range(count):
            ended = at < 0
            if (~ended).sum() * V * (step + 1) > _MOST:
                raise ShapeError(
                    f"more than {_MOST} tokens in all texts of {count}", remedy="sample them"
                )
            row = np.repeat(np.arange(at.size), np.where(ended, 1, V))
            drawn = np.where(ended[row], -1, _ranks(row))
            states = np.column_stack([states[row], at[row]])
            tokens = np.column_stack([tokens[row], drawn])
            at = np.where(ended[row], -1, self.after[at[row], drawn])
        return states, tokens

    def sample(
        self,
        count: int,
        length: int,
        rng: np.random.Generator | int,
        vector: ArrayLike,
        alpha: float = 0.0,
    ) -> Paths:
        """`count` texts of at most `length` tokens, every step steered; the same for one seed."""
        number = as_integer("count", count, 1)
        longest = as_integer("length", length, 1)
        draw = generator(rng)
        states, tokens = (np.full((number, longest), -1) for _ in range(2))
        at = np.zeros(number, dtype=np.int64)
        for step in range(longest):
            alive = np.flatnonzero(at >= 0)
            log_p = self.log_probability(at[alive], vector, alpha)
            drawn = (log_p + draw.gumbel(size=log_p.shape)).argmax(axis=1)  # Gumbel-max
            states[alive, step], tokens[alive, step] = at[alive], drawn
            at[alive] = self.after[at[alive], drawn]
        return states, tokens

    def text_log_probability(
        self, paths: Paths, vector: ArrayLike, alpha: float = 0.0
    ) -> FloatArray:
        """log P_alpha of each text, shape (N,), in nats: the steps' log-probabilities, summed."""
        states, tokens = paths
        steps = self.log_probability(np.arange(self.H.shape[1]), vector, alpha)
        taken = np.where(tokens >= 0, steps[states, tokens], 0.0)
        return np.asarray(taken.sum(axis=1))

    def observed(
        self, paths: Paths, vector: ArrayLike, weights: ArrayLike | None = None
    ) -> SampledTexts:
        """What the engine is told of unsteered texts: log p at each step, M = W v, the tokens."""
        states, tokens = paths
        kept = tokens >= 0
        v = finite_array("vector", vector, 1)
        return SampledTexts(
            self.log_probability(states[kept], v),
            np.asarray(self.W @ v),
            tokens[kept],
            np.nonzero(kept)[0],
            None if weights is None else np.asarray(weights),
        )


def _ranks(groups: IntArray) -> IntArray:
    """0, 1, 2, ... within each run of equal entries."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    return np.arange(groups.size) - np.repeat(starts, np.diff(starts, append=groups.size))
