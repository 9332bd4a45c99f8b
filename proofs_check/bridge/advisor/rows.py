"""Contexts held at a block together: one pass steers each row with its own strength.

Short contexts at batch 1 are bound by reading the weights, so a dozen of them in one pass cost
little more than one. Rows may repeat (two strengths of one context) and leave (contexts that are
done); everything below the block was run once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax

from steering_strength.proofs_check.bridge._old.anatomy import Anatomy
from steering_strength.proofs_check.bridge._old.encoding import TokenBatch
from steering_strength.proofs_check.bridge._old.hooks import Captured
from steering_strength.proofs_check.bridge._old.models import LoadedModel
from steering_strength.proofs_check.bridge._old.upper import Cost, Upper, position_mask, read_out
from steering_strength.proofs_check.bridge.sites import Apply, Site

__all__ = ["HeldContexts"]

Floats = NDArray[np.float64]

# Logits of one piece in float64: 16 rows of 262,144 tokens are 32 MiB.
_READ = 16


class HeldContexts:
    """Several contexts at the output of one block.

    Parameters
    ----------
    loaded, anatomy : LoadedModel, Anatomy
    batch : TokenBatch
        The contexts, padded on the right.
    site : Site
        A block.
    vector : torch.Tensor
        Shape (d,).
    apply : {"all", "last"}
    cost : Cost
    verified : bool or None
        Whether the blocks below may be skipped; None to find out on the first context, which is not
        counted.

    Attributes
    ----------
    base : numpy.ndarray
        Shape (m, V), unsteered logits of the last positions.
    lengths : numpy.ndarray
        Shape (m,), median length of the states of each context over its positions.
    verified : bool
    """

    def __init__(
        self,
        loaded: LoadedModel,
        anatomy: Anatomy,
        batch: TokenBatch,
        site: Site,
        vector: torch.Tensor,
        apply: Apply,
        cost: Cost,
        verified: bool | None = None,
    ) -> None:
        if verified is None:
            verified = Upper(loaded.model, anatomy, batch.row(0), site, Cost()).substituted
        self._anatomy, self._vector, self._apply = anatomy, vector, apply
        self._batch = batch
        with Captured(anatomy.final_norm) as normed:
            self._upper = Upper(loaded.model, anatomy, batch, site, cost, verify=False)
        self._upper.substituted = verified
        self.verified = verified
        rows = torch.arange(batch.rows)
        self.base = self._read(normed.value[rows, batch.last])
        sizes = self._upper.residual.norm(dim=-1)
        self.lengths = np.array(
            [float(sizes[j, : int(batch.last[j]) + 1].median()) for j in range(batch.rows)]
        )

    @property
    def count(self) -> int:
        """m, the number of contexts."""
        return self._batch.rows

    def logits(self, contexts: Sequence[int], alphas: Floats) -> Floats:
        """Last-position logits, (n, V): context `contexts[i]` steered by `alphas[i]`."""
        held = self._chosen(list(contexts))
        strengths = torch.as_tensor(np.asarray(alphas, dtype=np.float64))
        positions = position_mask(held.batch, self._apply)
        states = held.normed(held.steered(self._vector, strengths, positions))
        return self._read(states[torch.arange(held.batch.rows), held.batch.last])

    def curve(self, context: int) -> Callable[[Floats], Floats]:
        """Signed alphas (A,) to log-probabilities (A, V) of one context, by forward passes."""

        def log_probability(alphas: Floats) -> Floats:
            strengths = np.atleast_1d(np.asarray(alphas, dtype=np.float64))
            logits = self.logits([context] * strengths.size, strengths)
            return np.asarray(log_softmax(logits, axis=1))

        return log_probability

    def single(self, context: int) -> Upper:
        """One context alone, as `Upper` holds it."""
        return self._chosen([context])

    def _chosen(self, contexts: list[int]) -> Upper:
        index = torch.as_tensor(contexts)
        last = self._batch.last[index]
        longest = int(last.max()) + 1
        held = copy.copy(self._upper)
        held.batch = TokenBatch(
            self._batch.ids[index, :longest], self._batch.mask[index, :longest], last
        )
        held.residual = self._upper.residual[index, :longest]
        return held

    def _read(self, states: torch.Tensor) -> Floats:
        pieces = [read_out(self._anatomy, piece).numpy() for piece in states.split(_READ)]
        return np.concatenate(pieces)
