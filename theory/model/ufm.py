"""The Unconstrained Features Model of arXiv:2602.02712, Def. 2.2, and its steering.

Logits W h_j, one free feature vector per context. Steering adds alpha v to every h_j, v the
difference of the mean features over P and N (Eq. 3). Everything observable is computed here the
long way, by matrix product and log-softmax, so that it can contradict the closed forms.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from math import inf
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from steering_strength.theory.engine.storage import read_npz, write_npz
from steering_strength.theory.engine.validation import as_alpha, as_real, freeze, require_kind
from steering_strength.theory.errors import ProbabilityError, ShapeError
from steering_strength.theory.model import guarantee
from steering_strength.theory.model.dataset import ConceptDataset
from steering_strength.theory.model.inputs import (
    FloatArray,
    finite_array,
    generator,
    read_only,
)
from steering_strength.theory.model.interpolation import factorise
from steering_strength.theory.model.table import kl_rows, log_softmax, loud
from steering_strength.theory.model.training import train


@dataclass(frozen=True, init=False, eq=False, repr=False)
class UnconstrainedFeatures:
    """A model with logits W h_j for the m contexts of a dataset.

    Raises ShapeError or ProbabilityError: the shapes do not fit together, or an entry is not
    finite.

    Parameters
    ----------
    W : (V, d) float
        Unembedding, one row per token.
    H : (d, m) float
        Features, one column per context.
    data : ConceptDataset
        What the model was fitted to; nothing requires it to fit well.
    history : (steps + 1,) float, optional
        Of a trained model: its cross-entropy in nats before each step and after the last.
    """

    W: FloatArray
    H: FloatArray
    data: ConceptDataset
    history: FloatArray | None

    def __init__(
        self,
        W: ArrayLike,
        H: ArrayLike,
        data: ConceptDataset,
        history: ArrayLike | None = None,
    ) -> None:
        require_kind("data", data, ConceptDataset)
        weights, features = finite_array("W", W, 2), finite_array("H", H, 2)
        needed = (data.vocabulary_size, features.shape[0]), (weights.shape[1], data.context_count)
        if (weights.shape, features.shape) != needed:
            raise ShapeError(
                f"W has shape {weights.shape} and H {features.shape}, but "
                f"V = {data.vocabulary_size} and m = {data.context_count}",
                remedy="give W of shape (V, d) and H of shape (d, m)",
            )
        losses = None if history is None else finite_array("history", history, 1)
        freeze(self, W=weights, H=features, data=data, history=losses)

    @classmethod
    def interpolating(
        cls,
        data: ConceptDataset,
        rng: np.random.Generator | int,
        dimension: int | None = None,
        *,
        free_shifts: bool = False,
    ) -> Self:
        """A model with softmax(W h_j) = p(.|c_j) up to rounding (Assumption 2), drawn at random.

        Such a model is far from unique. The gauge W A^-1, A H and one vector added to every row
        of W (a shift of each context's logits) are drawn from `rng`. `dimension` is by default
        the smallest possible, the rank of the row-centred log-probabilities; in more dimensions
        the rest is useless: directions that no token reads or no feature uses. With
        `free_shifts` every context also gets a logit shift of its own, which may need one
        dimension more. `theory.model.interpolation` has the algebra and how the rank is decided.

        Raises ShapeError: `dimension` is too small to interpolate; ProbabilityError: a probability
        is 0.
        """
        require_kind("data", data, ConceptDataset)
        draw = generator(rng)
        W, H = factorise(data.log_probabilities, draw, dimension, free_shifts)
        return cls(W, H, data)

    @classmethod
    def trained(
        cls,
        data: ConceptDataset,
        seed: int = 0,
        dimension: int | None = None,
        *,
        max_steps: int = 20_000,
        tolerance: float = 1e-6,
    ) -> Self:
        """A model trained by gradient descent until its loss is within `tolerance` of the entropy.

        Deterministic for a given `seed`; the losses are in `history`. `dimension` is by default
        min(m, V), which always suffices. `law_error_bound` says what the remaining excess allows.

        Raises ConvergenceError: not reached in `max_steps`; with the last loss and its excess.
        """
        require_kind("data", data, ConceptDataset)
        size = min(data.context_count, data.vocabulary_size) if dimension is None else dimension
        W, H, history = train(
            data.log_probabilities,
            data.context_weights,
            seed=seed,
            dimension=size,
            max_steps=max_steps,
            tolerance=tolerance,
        )
        return cls(W, H, data, history)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model, its dataset and its losses to one .npz file at exactly `path`.

        Raises OutputError: the folder is missing or cannot be written.
        """
        parts = {"W": self.W, "H": self.H}
        parts |= {f"data.{each.name}": getattr(self.data, each.name) for each in fields(self.data)}
        if self.history is not None:
            parts["history"] = self.history
        write_npz(path, type(self).__name__, parts)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote: equal to the original, bit by bit, and validated again.

        Raises SteeringError: the file cannot be read or holds something else.
        """
        about = [f"data.{each.name}" for each in fields(ConceptDataset)]
        stored = read_npz(path, cls.__name__, ("W", "H", *about), ("history",))
        data = ConceptDataset(*(stored[key] for key in about))
        return cls(stored["W"], stored["H"], data, stored.get("history"))

    @property
    def dimension(self) -> int:
        """Number d of features."""
        return int(self.W.shape[1])

    def steering_vector(self, positive: ArrayLike, negative: ArrayLike) -> FloatArray:
        """v = mean of h over P minus mean over N, shape (d,) (Eq. 3).

        Raises SteeringSetError: P and N do not qualify, see `ConceptDataset.steering_sets`.
        """
        sets = self.data.steering_sets(positive, negative)
        mean_p, mean_n = (
            self.H[:, sets.positive].mean(axis=1),
            self.H[:, sets.negative].mean(axis=1),
        )
        return read_only(mean_p - mean_n)

    def log_probability(self) -> FloatArray:
        """log softmax(W h_j), shape (m, V), in nats."""
        return log_softmax(self._logits())

    @loud
    def steered_log_probability(self, vector: ArrayLike, alpha: ArrayLike) -> FloatArray:
        """log softmax(W (h_j + alpha v)), shape of alpha + (m, V), in nats.

        `vector`, shape (d,), is any steering vector. Matrix product and log-softmax only: this is
        the simulation that the laws are compared with.

        Raises AlphaError or ShapeError: alpha is not finite, or `vector` has not d entries.
        """
        strengths, scalar = as_alpha(alpha)
        v = finite_array("vector", vector, 1, self.dimension, "feature")
        hidden = self.H + strengths[:, None, None] * v[:, None]
        logits = np.swapaxes(self.W @ hidden, -1, -2)
        return log_softmax(logits[0] if scalar else logits)

    @loud
    def shifted_logits(
        self, positive: ArrayLike, negative: ArrayLike, alpha: ArrayLike
    ) -> FloatArray:
        """Steered logits from unsteered ones, shape of alpha + (m, V), in nats (Lemma B.2).

        l_j + (alpha/q)(sum over P of l_i - sum over N of l_i); `steered_log_probability` by the
        difference of means is their log-softmax.
        """
        sets = self.data.steering_sets(positive, negative)
        logits, (strengths, scalar) = self._logits(), as_alpha(alpha)
        direction = logits[sets.positive].mean(axis=0) - logits[sets.negative].mean(axis=0)
        shifted = np.asarray(logits + np.multiply.outer(strengths, direction)[:, None, :])
        log_softmax(shifted)  # refuses what overflows
        return shifted[0] if scalar else shifted

    def context_excess(self) -> FloatArray:
        """KL(p_j || softmax(W h_j)), shape (m,), in nats: what training left over."""
        return kl_rows(self.data.log_probabilities, self.log_probability())

    def loss(self) -> float:
        """Cross-entropy on the dataset in nats: the entropy plus the mean `context_excess`."""
        return self.data.entropy() + float(self.data.context_weights @ self.context_excess())

    def law_error_bound(
        self,
        positive: ArrayLike,
        negative: ArrayLike,
        alpha: ArrayLike,
        *,
        excess: float | None = None,
    ) -> FloatArray:
        """Bound on |log p_alpha(simulated) - log p_alpha(law)|, shape of alpha + (m, V), in nats.

        The laws take p and M from the dataset; a model that is not perfectly trained deviates
        from them by at most this. By default the bound uses each context's own divergence from
        the data (`context_excess`). With `excess`, it holds for every model whose loss is within
        `excess` nats of the entropy (the divergence of context j is then at most excess / pi_j).
        The proof is in `theory.model.guarantee`.
        """
        sets = self.data.steering_sets(positive, negative)
        kl = self.context_excess() if excess is None else np.zeros(0)
        if excess is not None:
            remedy = "give loss - entropy, 0 or more: no loss is below the entropy"
            delta = as_real("excess", excess, lambda x: 0.0 <= x < inf, ProbabilityError, remedy)
            with np.errstate(over="ignore"):
                kl = np.asarray(delta / self.data.context_weights)
        log_p = self.data.log_probabilities
        lower, upper = guarantee.law_error_interval(log_p, sets, alpha, kl)
        return np.asarray(np.maximum(upper, -lower))

    @loud
    def _logits(self) -> FloatArray:
        return np.asarray((self.W @ self.H).T)

    def __repr__(self) -> str:
        how = "given" if self.history is None else f"trained in {self.history.size - 1} steps"
        return f"<UnconstrainedFeatures d={self.dimension}, {how}, of {self.data!r}>"
