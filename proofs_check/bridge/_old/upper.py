"""The part of a model above one block: run once below, as often as needed above.

Steering the output of block l changes nothing in blocks 0..l. Their result is captured once, and
afterwards they are replaced by pass-throughs while a whole batch of steered states goes through
the blocks above; only last-position logits are formed. No architecture is known here: the model's
own forward pass drives its own blocks. Where blocks read more than their predecessor's output
(shared keys and values, side embeddings) the shortcut is wrong; it is verified against a hooked
pass before it is used, and given up with a notice if it disagrees.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge._old.anatomy import Anatomy
from steering_strength.proofs_check.bridge._old.encoding import TokenBatch
from steering_strength.proofs_check.bridge._old.hooks import Captured, Steered, first_tensor
from steering_strength.proofs_check.bridge.sites import Apply, Site

__all__ = ["Cost", "Upper", "position_mask", "read_out", "rows_at_once"]

# About 512 rows of states at once is where two CPU cores are fastest: fewer waste the matrix
# kernels, more fall out of the cache.
_ROWS = 512
# What those rows may take: about 24 vectors of the state's width are alive inside a block (the
# residual, the norms, queries, keys, values, and an inner layer four times as wide).
_MEMORY, _ALIVE = 1 << 28, 24
# Agreement of the substituted and the hooked pass, relative to the length of a normed state. A
# float32 RMSNorm amplified by the depth stays below; a side input that is missed does not.
_SAME = 1e-4
_SHORT = 8


class Cost:
    """Forward passes and token positions spent, counted in whole models."""

    def __init__(self) -> None:
        self.forwards = 0
        self.tokens = 0.0

    def add(self, rows: int, length: int, share: float) -> None:
        """`rows` texts of `length` tokens through that share of the blocks."""
        self.forwards += 1
        self.tokens += rows * length * share

    def __str__(self) -> str:
        return f"{self.forwards} forwards, {self.tokens:,.0f} token-forwards"


class Upper:
    """One batch of texts, held at the output of block `site.layer`.

    Parameters
    ----------
    model : transformers.PreTrainedModel
    anatomy : Anatomy
    batch : TokenBatch
        One text for many alphas at once, or several texts for one alpha at a time.
    site : Site
        A block, or the final norm (then nothing above is left to run).
    cost : Cost or None
        Counts what is spent.
    verify : bool
        Whether to compare the shortcut with a hooked pass, on the first few tokens.

    Attributes
    ----------
    batch : TokenBatch
    residual : torch.Tensor
        Shape (B, T, d): the unsteered states at the site.
    substituted : bool
        Whether the blocks below are skipped; False after the verification failed.
    keep : dict
        What tells this model's forward to form logits at the last position only.
    """

    def __init__(
        self,
        model: Any,
        anatomy: Anatomy,
        batch: TokenBatch,
        site: Site,
        cost: Cost | None = None,
        *,
        verify: bool = True,
    ) -> None:
        self._model = model
        self._anatomy = anatomy
        self.batch = batch
        self.site = site
        self._cost = cost or Cost()
        self._module = site.module(anatomy)
        keeps = "logits_to_keep" in inspect.signature(model.forward).parameters
        self.keep = {"logits_to_keep": 1} if keeps else {}
        self.substituted = site.layer is not None
        self._recorded: dict[int, Any] = {}
        with Captured(self._module) as state, self._recording():
            self._run(batch.rows)
        self.residual = state.value
        self._rows = rows_at_once(anatomy.width, self.residual.element_size())
        if site.layer is not None and verify:
            self._verify()

    def steered(
        self, vector: torch.Tensor, alpha: float | torch.Tensor, positions: torch.Tensor
    ) -> torch.Tensor:
        """States at the site plus alpha * v where `positions` is True, (R, T, d)."""
        return self.residual + Steered(self._module, vector, alpha, positions).shift(self.residual)

    def normed(self, states: torch.Tensor) -> torch.Tensor:
        """Outputs of the final norm, (R, T, d), for states (R, T, d) at the site.

        R is any number if the batch holds one text, else the number of texts.
        """
        if self.site.layer is None:
            return states
        rows, length = states.shape[:2]
        step = max(1, self._rows // length)
        pieces = []
        for start in range(0, rows, step):
            piece = slice(start, min(start + step, rows))
            texts = slice(None) if self.batch.rows == 1 else piece
            pieces.append(self._above(states[piece], texts))
        return torch.cat(pieces)

    def last_normed(
        self, vector: torch.Tensor, alphas: NDArray[np.float64], apply: Apply = "all"
    ) -> torch.Tensor:
        """Normed last-position states, (A, d), of the single text of this batch."""
        strengths = torch.as_tensor(np.asarray(alphas, dtype=np.float64))
        positions = position_mask(self.batch, apply)
        last = int(self.batch.last[0])
        step = max(1, self._rows // self.residual.shape[1])
        return torch.cat(
            [
                self.normed(self.steered(vector, piece, positions))[:, last]
                for piece in strengths.split(step)
            ]
        )

    def _above(self, states: torch.Tensor, texts: slice) -> torch.Tensor:
        with Captured(self._anatomy.final_norm) as out, self.replaced(states):
            self._run(states.shape[0], texts)
        return out.value

    def _run(self, rows: int, texts: slice = slice(None)) -> None:
        ids, mask = self.batch.ids[texts], self.batch.mask[texts]
        blocks = max(1, len(self._anatomy.blocks))
        share = 1.0
        if self.substituted and self._recorded and self.site.layer is not None:
            share = (blocks - 1 - self.site.layer) / blocks
        self._cost.add(rows, ids.shape[1], share)
        with torch.no_grad():
            self._model(
                input_ids=ids.expand(rows, -1),
                attention_mask=mask.expand(rows, -1),
                use_cache=False,
                **self.keep,
            )

    @contextmanager
    def _recording(self) -> Iterator[None]:
        """Remember what each block returns: a tensor, or a tuple that must keep its shape."""
        handles = [
            block.register_forward_hook(
                lambda module, _args, output: self._recorded.__setitem__(id(module), output)
            )
            for block in self._anatomy.blocks
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
            self._recorded = {
                key: None if isinstance(output, torch.Tensor) else (type(output), output[1:])
                for key, output in self._recorded.items()
            }

    @contextmanager
    def replaced(self, states: torch.Tensor) -> Iterator[None]:
        """Block `layer` returns `states`; the blocks below it return their input untouched.

        The unembedding, an eighth of the time, is left out: what enters it is what is kept.
        """
        layer = self.site.layer
        if layer is None:
            yield
            return
        first = 0 if self.substituted else layer
        chosen = self._anatomy.blocks[first : layer + 1]
        unembedding = self._anatomy.unembedding
        for block in chosen:
            block.forward = self._stand_in(block, states if block is self._module else None)
        unembedding.forward = _first_coordinate
        try:
            yield
        finally:
            for module in (*chosen, unembedding):
                del module.forward

    def _stand_in(self, block: torch.nn.Module, states: torch.Tensor | None) -> Any:
        shape = self._recorded[id(block)]

        def forward(*args: Any, **kwargs: Any) -> Any:
            hidden = states
            if hidden is None:
                hidden = first_tensor(args) if args else kwargs["hidden_states"]
            return hidden if shape is None else shape[0]((hidden, *shape[1]))

        return forward

    def _verify(self) -> None:
        """Compare with a hooked pass once; steer by as much as the states are long.

        What a block reads does not depend on how long the text is, so a few tokens decide.
        """
        length = min(_SHORT, int(self.batch.last[0]) + 1)
        ids = self.batch.ids[:1, :length]
        short = TokenBatch(ids, torch.ones_like(ids), torch.tensor([length - 1]))
        twin = Upper(self._model, self._anatomy, short, self.site, self._cost, verify=False)
        vector = torch.ones(self._anatomy.width, dtype=self.residual.dtype)
        vector[::2] = -1.0
        alpha = float(twin.residual[0, -1].norm() / vector.norm())
        steered = twin.normed(twin.steered(vector, alpha, position_mask(short, "all")))
        with (
            torch.no_grad(),
            Captured(self._anatomy.final_norm) as out,
            Steered(self._module, vector, alpha),
        ):
            self._model(input_ids=ids, use_cache=False, **self.keep)
        error = float((steered - out.value).abs().max())
        if not error <= _SAME * float(out.value.norm(dim=-1).max()):
            self.substituted = False


def _first_coordinate(hidden: torch.Tensor) -> torch.Tensor:
    """In place of logits that nobody reads: something of the right number of axes."""
    return hidden[..., :1]


def rows_at_once(width: int, size: int) -> int:
    """Rows of states in one pass: as many as are fast, or as fit into 256 MiB if that is fewer.

    `width` is d and `size` the bytes of a number; a text of T tokens takes T rows for each alpha.
    """
    return max(1, min(_ROWS, _MEMORY // (_ALIVE * width * size)))


def position_mask(batch: TokenBatch, apply: Apply) -> torch.Tensor:
    """Boolean (B, T): the positions that the apply rule steers."""
    if apply == "all":
        return batch.mask.bool()
    places = torch.arange(batch.ids.shape[1])[None, :]
    return places == batch.last[:, None]


def read_out(anatomy: Anatomy, states: torch.Tensor) -> torch.Tensor:
    """Logits, (R, V), of normed states (R, d): the model's own unembedding, in float64 after it."""
    with torch.no_grad():
        logits = anatomy.unembedding(states)
        # In place: the result is this function's own, and as large as a vocabulary times R.
        return logits.to(torch.float64).mul_(anatomy.logit_scale)
