"""Steering the last position only: keys and values of the prefix are shared by all strengths.

Nothing before the last token depends on alpha, so one token goes through the blocks above the site
for every strength. Whether a model's cache can be shared this way is verified once for each site.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch

from steering_strength.proofs_check.bridge.errors import ModelError

if TYPE_CHECKING:
    from steering_strength.proofs_check.bridge.steer import Held

__all__ = ["SharedPrefix"]


class SharedPrefix:
    """One of the `Held` contexts, steered at its last position.

    Raises
    ------
    ModelError
        The context is a single token, or the model's cache cannot be shared this way.
    """

    def __init__(self, held: Held, context: int) -> None:
        model = held.model
        if model.shares_prefix.get(held.site) is False:
            raise ModelError("the cache cannot be shared", remedy="run the whole text")
        self._held, self._model = held, model
        batch = held.batch.row(context)
        if batch.ids.shape[1] < 2:
            raise ModelError("the context is one token", remedy="run the whole text")
        self._token = batch.ids[:, -1:]
        try:
            out = model.forward(batch.ids[:, :-1], use_cache=True, last_only=True)
            self._cache = _shared(model.forward.cache_of(out))
        except (AttributeError, TypeError, ValueError, RuntimeError) as error:
            model.shares_prefix[held.site] = False
            raise ModelError(f"no cache: {error}", remedy="run the whole text") from error
        held._cost.add(1, batch.ids.shape[1] - 1, 1.0)
        self._state = held.residual[context : context + 1, batch.ids.shape[1] - 1 :][:, :1]
        if held.site not in model.shares_prefix:
            model.shares_prefix[held.site] = True
            model.shares_prefix[held.site] = self._agrees(context)
        if not model.shares_prefix[held.site]:
            raise ModelError("the cache cannot be shared", remedy="run the whole text")

    def normed(self, vector: torch.Tensor, strengths: torch.Tensor) -> torch.Tensor:
        """Normed last-position states, (A, d)."""
        from steering_strength.proofs_check.bridge.steer import Normed, added

        held, found = self._held, []
        for piece in strengths.split(held._texts(1)):
            count = piece.numel()
            steered = added(self._state.expand(count, -1, -1), vector, piece)
            with Normed(self._model) as out, held.replaced(steered):
                self._model.forward(
                    self._token.expand(count, -1), cache=self._cache, use_cache=True
                )
            held._cost.add(count, 1, held._share)
            found.append(out.value[:, -1])
        return torch.cat(found)

    def _agrees(self, context: int) -> bool:
        """Against the whole text steered at its last position, at two strengths."""
        from steering_strength.proofs_check.bridge.steer import agree, alternating

        held = self._held
        vector = alternating(self._model.width)
        alphas = torch.tensor([0.0, held.lengths[context] / self._model.width**0.5])
        batch, states = held._steered([context, context], alphas, vector)
        expected = held._above(batch, states)[:, int(batch.last[0])]
        try:
            shared = self.normed(vector, alphas)
        except (AttributeError, TypeError, ValueError, RuntimeError):
            return False
        return agree(shared, expected, self._model.dtype)


def _shared(cache: Any) -> Any:
    """A cache that answers any number of rows with one prefix, and never grows.

    Its layers hold the prefix once; what they return is that prefix, seen by every row, and the new
    token's keys and values. Nothing is written back, so the next alphas find what these found.
    """
    layers = getattr(cache, "layers", None)
    if not layers or not all(isinstance(getattr(x, "keys", None), torch.Tensor) for x in layers):
        raise TypeError(f"a cache of type {type(cache).__name__} has no layers of keys and values")
    twin = copy.copy(cache)
    twin.layers = [_sharing(layer) for layer in layers]
    return twin


def _sharing(layer: Any) -> Any:
    twin = copy.copy(layer)

    def update(
        keys: torch.Tensor, values: torch.Tensor, *_args: Any, **_kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return _behind(layer.keys, keys), _behind(layer.values, values)

    twin.update = update
    return twin


def _behind(prefix: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
    """The prefix, (1, H, T, d), for every row of `new`, (R, H, 1, d), with `new` behind it."""
    return torch.cat([prefix.expand(new.shape[0], *prefix.shape[1:]), new], dim=-2)
