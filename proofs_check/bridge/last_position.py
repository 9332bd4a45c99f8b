"""Steering the last position only: keys and values of the prefix are shared by all alphas.

Nothing before the last token depends on alpha, so its keys and values are computed once and one
token goes through the blocks above the site for every alpha.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from proofs_check.bridge.anatomy import Anatomy
from proofs_check.bridge.encoding import TokenBatch
from proofs_check.bridge.errors import ModelError
from proofs_check.bridge.hooks import Captured
from proofs_check.bridge.sites import Site
from proofs_check.bridge.upper import Cost, Upper

__all__ = ["LastPosition"]

_SAME = 1e-4


class LastPosition:
    """One text, steered at its last position at the output of a block.

    Parameters
    ----------
    model : transformers.PreTrainedModel
    anatomy : Anatomy
    batch : TokenBatch
        One text of at least two tokens, without padding.
    site : Site
        A block.
    rows : int
        Alphas at once; the shared keys and values are repeated that often.
    cost : Cost or None

    Raises
    ------
    ModelError
        The text is too short, or the model's cache cannot be shared this way: the result differs
        from steering the last position of the whole text.
    """

    def __init__(
        self,
        model: Any,
        anatomy: Anatomy,
        batch: TokenBatch,
        site: Site,
        *,
        rows: int = 32,
        cost: Cost | None = None,
    ) -> None:
        if batch.rows != 1 or batch.ids.shape[1] < 2:
            raise ModelError(
                f"a batch of shape {tuple(batch.ids.shape)}",
                remedy="give one text of at least two tokens",
            )
        self._model = model
        self._anatomy = anatomy
        self._rows = rows
        self._cost = cost or Cost()
        self._upper = Upper(model, anatomy, batch, site, self._cost)
        self._prefix = batch.ids.shape[1] - 1
        self._token = batch.ids[:, -1:]
        self._share = 1 - (site.layer or 0) / max(1, len(anatomy.blocks))
        with torch.no_grad():
            out = model(input_ids=batch.ids[:, :-1], use_cache=True)
        self._cache = out.past_key_values
        self._cost.add(1, self._prefix, 1.0)
        self._verify()

    def normed(self, vector: torch.Tensor, alphas: NDArray[np.float64]) -> torch.Tensor:
        """Normed last-position states, (A, d)."""
        state = self._upper.residual[:, -1:]
        strengths = torch.as_tensor(np.asarray(alphas, dtype=np.float64)).to(state.dtype)
        wide = vector.to(state.dtype)
        found = []
        shared: Any = None
        for piece in strengths.split(self._rows):
            count = piece.numel()
            if shared is None or count != self._rows:
                shared = copy.deepcopy(self._cache)
                shared.batch_repeat_interleave(count)
            steered = state + piece[:, None, None] * wide
            with (
                torch.no_grad(),
                Captured(self._anatomy.final_norm) as out,
                self._upper.replaced(steered),
            ):
                self._model(
                    input_ids=self._token.expand(count, -1),
                    past_key_values=_twin(shared),
                    use_cache=True,
                )
            self._cost.add(count, 1, self._share)
            found.append(out.value[:, -1])
        return torch.cat(found)

    def _verify(self) -> None:
        """Against the whole text steered at its last position, at two strengths."""
        width = self._anatomy.width
        vector = torch.ones(width, dtype=self._upper.residual.dtype)
        vector[::2] = -1.0
        size = float(self._upper.residual[0, -1].norm()) / width**0.5
        alphas = np.array([0.0, size])
        expected = self._upper.last_normed(vector, alphas, "last")
        try:
            shared = self.normed(vector, alphas)
            error = float((shared - expected).abs().max() / expected.norm(dim=-1).max())
        except (AttributeError, TypeError, ValueError, RuntimeError) as error_:
            raise ModelError(
                f"the cache of {type(self._model).__name__} cannot be shared: {error_}",
                remedy="steer the last position of the whole text: Upper.last_normed",
            ) from error_
        if not error <= _SAME:
            raise ModelError(
                f"shared keys and values change the result by {error:.2g} of a state's length",
                remedy="steer the last position of the whole text: Upper.last_normed",
            )


def _twin(cache: Any) -> Any:
    """A cache that can grow by one token while the original keeps its prefix.

    Growing replaces a layer's tensors and does not write into them, so copying the layers' records
    is enough; cropping instead would also shorten the layers that were skipped.
    """
    if not hasattr(cache, "layers"):
        return copy.deepcopy(cache)
    twin = copy.copy(cache)
    twin.layers = [copy.copy(layer) for layer in cache.layers]
    return twin
