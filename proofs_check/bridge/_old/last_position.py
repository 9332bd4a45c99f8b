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

from steering_strength.proofs_check.bridge._old.anatomy import Anatomy
from steering_strength.proofs_check.bridge._old.encoding import TokenBatch
from steering_strength.proofs_check.bridge._old.hooks import Captured, Steered
from steering_strength.proofs_check.bridge._old.upper import Cost, Upper, position_mask
from steering_strength.proofs_check.bridge.errors import ModelError
from steering_strength.proofs_check.bridge.sites import Site

__all__ = ["LastPosition"]

_SAME = 1e-4
_SHORT = 8


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
        Alphas at once.
    cost : Cost or None

    Raises
    ------
    ModelError
        The text is too short, or the model's cache cannot be shared this way: the result differs
        from steering the last position of the whole text.
    """

    _upper: Upper

    def __init__(
        self,
        model: Any,
        anatomy: Anatomy,
        batch: TokenBatch,
        site: Site,
        *,
        rows: int = 64,
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
        # Whether keys and values can be shared does not depend on how long the text is: a few
        # tokens decide, and the long text goes through the model once, as a prefix and a token.
        length = batch.ids.shape[1]
        if length > _SHORT:
            few = TokenBatch(
                batch.ids[:, :_SHORT], batch.mask[:, :_SHORT], torch.tensor([_SHORT - 1])
            )
            self._upper = LastPosition(model, anatomy, few, site, cost=self._cost)._upper
        else:
            # Its shortcut is not verified by itself: below, the whole is, against a hooked pass.
            self._upper = Upper(model, anatomy, batch, site, self._cost, verify=False)
        self._token = batch.ids[:, -1:]
        self._share = 1 - (site.layer or 0) / max(1, len(anatomy.blocks))
        with torch.no_grad():
            out = model(input_ids=batch.ids[:, :-1], use_cache=True, **self._upper.keep)
            self._cache = _shared(out.past_key_values)
            with Captured(site.module(anatomy)) as state:
                model(input_ids=self._token, past_key_values=self._cache, use_cache=True)
        self._state = state.value
        self._cost.add(1, length, 1.0)
        if length <= _SHORT:
            self._verify()

    def normed(self, vector: torch.Tensor, alphas: NDArray[np.float64]) -> torch.Tensor:
        """Normed last-position states, (A, d)."""
        state = self._state
        strengths = torch.as_tensor(np.asarray(alphas, dtype=np.float64)).to(state.dtype)
        wide = vector.to(state.dtype)
        found = []
        for piece in strengths.split(self._rows):
            count = piece.numel()
            steered = state + piece[:, None, None] * wide
            with (
                torch.no_grad(),
                Captured(self._anatomy.final_norm) as out,
                self._upper.replaced(steered),
            ):
                self._model(
                    input_ids=self._token.expand(count, -1),
                    past_key_values=self._cache,
                    use_cache=True,
                )
            self._cost.add(count, 1, self._share)
            found.append(out.value[:, -1])
        return torch.cat(found)

    def _verify(self) -> None:
        """Against the whole text steered at its last position, at two strengths."""
        width = self._anatomy.width
        vector = torch.ones(width, dtype=self._state.dtype)
        vector[::2] = -1.0
        size = float(self._state.norm()) / width**0.5
        alphas = np.array([0.0, size])
        batch, module = self._upper.batch, self._upper.site.module(self._anatomy)
        strengths = torch.as_tensor(alphas).to(vector.dtype)
        with (
            torch.no_grad(),
            Captured(self._anatomy.final_norm) as out,
            Steered(module, vector, strengths, position_mask(batch, "last")),
        ):
            self._model(input_ids=batch.ids.expand(2, -1), use_cache=False, **self._upper.keep)
        expected = out.value[:, -1]
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


def _shared(cache: Any) -> Any:
    """A cache that answers any number of rows with one prefix, and never grows.

    Its layers hold the prefix once; what they return is that prefix, seen by every row, and the new
    token's keys and values. Nothing is written back, so the next alphas find what these found.

    Raises
    ------
    ModelError
        The cache is not made of layers with keys and values.
    """
    layers = getattr(cache, "layers", None)
    if not layers or not all(hasattr(layer, "keys") for layer in layers):
        raise ModelError(
            f"a cache of type {type(cache).__name__} cannot be shared",
            remedy="steer the last position of the whole text: Upper.last_normed",
        )
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
