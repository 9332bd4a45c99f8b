"""The intervention, and everything that makes many strengths cheap.

`Steered` is the hook that adds alpha * v. `Held` is a batch of contexts held at one site: what lies
below was run once, the blocks there are pass-throughs afterwards, and any number of (context,
alpha) rows go through the blocks above together. No architecture is known here: the model's own
forward pass drives its own blocks. Where blocks read more than their predecessor's output (shared
keys and values, side embeddings) the shortcut is wrong; it is compared with a hooked pass before it
is used, and given up if the two disagree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from steering_strength.proofs_check.bridge.loading import SelfCheckError
from steering_strength.proofs_check.bridge.structure import (
    first_tensor,
    given_tensor,
    precision,
    with_states,
)
from steering_strength.proofs_check.bridge.texts import TokenBatch, pad
from steering_strength.proofs_check.bridge.vectors import FINAL_NORM, Site, SteeringVector

if TYPE_CHECKING:
    from steering_strength.proofs_check.bridge.model import SteeredModel

Floats = NDArray[np.float64]

# About 512 rows of states at once is where two CPU cores are fastest: fewer waste the matrix
# kernels, more fall out of the cache. A GPU takes what fits.
_ROWS = 512
# What those rows may take: about 24 vectors of the state's width are alive inside a block (the
# residual, the norms, queries, keys, values, and an inner layer four times as wide).
_MEMORY, _ALIVE = 1 << 28, 24
# Agreement of the substituted and the hooked pass, relative to the length of a normed state. A
# float32 RMSNorm amplified by the depth stays below; a side input that is missed does not.
_SAME = 1e-4
_SHORT = 8


class Cost:
    """What was spent.

    `forwards` are calls of the model, `texts` what went through; `passes` (texts) and `tokens`
    (positions) count by the share of the blocks that they went through.
    """

    def __init__(self) -> None:
        self.forwards, self.texts, self.passes, self.tokens = 0, 0, 0.0, 0.0

    def add(self, rows: int, length: int, share: float) -> None:
        """`rows` texts of `length` tokens through that share of the blocks."""
        self.forwards += 1
        self.texts += rows
        self.passes += rows * share
        self.tokens += rows * length * share

    def __str__(self) -> str:
        return f"{self.forwards} forwards, {self.tokens:,.0f} token-forwards"


def rows_at_once(width: int, dtype: torch.dtype, device: torch.device) -> int:
    """Rows of d = `width` numbers in one pass: as many as are fast, or as memory allows, if fewer.

    A text of T tokens takes T rows for each alpha.
    """
    size = 2 if precision(dtype) > 1e-5 else 4
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return max(1, free // 4 // (_ALIVE * width * size))
    return max(1, min(_ROWS, _MEMORY // (_ALIVE * width * size)))


def added(
    hidden: torch.Tensor,
    vector: torch.Tensor,
    alpha: float | torch.Tensor,
    positions: torch.Tensor | None = None,
) -> torch.Tensor:
    """`hidden`, (B, T, d), plus alpha * v at `positions`, rounded once, in `hidden`'s own dtype.

    `alpha` is a number or one for each row, (B,); `positions` is boolean, (B, T). A strength in
    bfloat16 would have two digits: the sum is formed in float32.
    """
    wide = torch.promote_types(hidden.dtype, torch.float32)
    v = vector.to(device=hidden.device, dtype=wide)
    if isinstance(alpha, torch.Tensor):
        shift = alpha.to(device=hidden.device, dtype=wide).reshape(-1, 1, 1) * v
    else:
        shift = alpha * v
    if positions is not None:
        shift = shift * positions.to(hidden.device)[:, :, None]
    return (hidden.to(wide) + shift).to(hidden.dtype)


class Steered:
    """Context manager: inside it, `module` returns its output plus alpha * v.

    `alpha` is one strength for all rows, or one per row of the batch, (B,). `positions` is a
    boolean mask (B, T) of the prompt, or a rule: "all", "last" (the prompt's last and all generated
    ones) or "after-prompt" (the generated ones); every rule but "all" needs `root`, the whole
    model, to see where a prompt ends.

    Raises SelfCheckError: on a clean exit the hook must have fired, or the "steered" numbers are
    unsteered ones.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        vector: torch.Tensor,
        alpha: float | torch.Tensor,
        positions: torch.Tensor | str = "all",
        root: torch.nn.Module | None = None,
    ) -> None:
        self._module, self._root = module, root
        self._vector, self._alpha, self._positions = vector, alpha, positions
        self._prompt = 0  # length of the prompt that is being continued
        self._seen: torch.Tensor | None = None
        self._cache: Any = None
        self.fired = 0

    def __enter__(self) -> Steered:
        self.fired, self._prompt, self._seen, self._cache = 0, 0, None, None
        self._handles = [self._module.register_forward_hook(self._add)]
        ruled = isinstance(self._positions, str) and self._positions != "all"
        if self._root is not None and ruled:
            self._handles.append(self._root.register_forward_pre_hook(self._look, with_kwargs=True))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for handle in self._handles:
            handle.remove()
        if kind is None and self.fired == 0:
            raise SelfCheckError(
                "the steering hook never fired, so nothing was steered",
                remedy="the module is not part of the forward pass: check the site",
            )

    def _look(self, _module: Any, args: Any, kwargs: Any) -> None:
        """Note before each pass whether it continues the prompt: by a cache or as a longer text."""
        ids = kwargs.get("input_ids", args[0] if args else None)
        if ids is None:
            ids = kwargs.get("inputs_embeds")
        cache = next(
            (kwargs[n] for n in ("cache", "past_key_values", "cache_params") if kwargs.get(n)
             is not None), None,
        )  # fmt: skip
        before, seen = self._seen, self._cache
        self._seen, self._cache = ids, cache
        if cache is not None:
            try:
                filled = cache.get_seq_length() > 0
            except (AttributeError, ValueError):  # a state-space model's has no length
                filled = before is not None and (seen is None or seen is cache)
            if filled:
                return
        longer = before is not None and before.shape[1] + 1 == ids.shape[1]
        if not (longer and before is not None and torch.equal(ids[:, :-1], before)):
            self._prompt = ids.shape[1]

    def _add(self, _module: Any, _args: Any, output: Any) -> Any:
        self.fired += 1
        hidden = first_tensor(output)
        if hidden is None:
            raise SelfCheckError(
                f"the steered module returns {type(output).__name__}, not a tensor",
                remedy="choose a block or the final norm as the site",
            )
        steered = added(hidden, self._vector, self._alpha, self._mask(hidden))
        return with_states(output, steered)

    def _mask(self, hidden: torch.Tensor) -> torch.Tensor | None:
        length = hidden.shape[1]
        if isinstance(self._positions, torch.Tensor):
            # Beyond the prompt's mask are generated tokens.
            if length < self._positions.shape[1]:
                return None
            extra = length - self._positions.shape[1]
            return torch.nn.functional.pad(self._positions, (0, extra), value=True)
        if self._positions == "all":
            return None
        prompt = self._prompt or length
        if length < prompt:
            return None
        start = prompt - (self._positions == "last")
        places = torch.arange(length, device=hidden.device) >= start
        return places[None, :]


class Held:
    """Texts held at the output of one site (a block, or the final norm): all below ran once.

    `apply` says which positions are steered, see `TokenBatch.steered`; `cost` counts what is spent,
    by default with the model's own. Steering goes along one vector at the site, or along several of
    which the site is the lowest: the others are added where they belong, by hooks.

    Attributes
    ----------
    residual : torch.Tensor
        Shape (B, T, d): the unsteered states at the site.
    base : torch.Tensor
        Shape (B, d): unsteered normed states of the last positions.
    lengths : numpy.ndarray
        Shape (B,): median length of each text's states over its positions.
    substituted : bool
        Whether the blocks below are skipped.
    """

    def __init__(
        self,
        model: SteeredModel,
        batch: TokenBatch,
        site: Site,
        *,
        apply: str = "all",
        cost: Cost | None = None,
        verify: bool = True,
    ) -> None:
        self.model, self.batch, self.site, self.apply = model, batch, site, apply
        self._cost = cost or model.cost
        self._module = site.module(model)
        self._extras: dict[int, Any] = {}
        self.substituted = False
        states, normed = [], []
        for piece in batch.chunks(self._texts(batch.ids.shape[1])):
            sites = model.captured(FINAL_NORM), model.captured(site)
            with sites[0] as out, sites[1] as state, self._recording():
                self._run(piece, 1.0)
            missing = batch.ids.shape[1] - piece.ids.shape[1]
            states.append(torch.nn.functional.pad(state.value, (0, 0, 0, missing)))
            normed.append(piece.at_last(out.value))
        self.residual, self.base = torch.cat(states), torch.cat(normed)
        sizes = self.residual.float().norm(dim=-1).cpu()
        self.lengths = np.array(
            [float(sizes[j, : int(end) + 1].median()) for j, end in enumerate(batch.last)]
        )
        if site.layer is not None and verify:
            if site not in model.skips:
                model.skips[site] = _skips_below(model, site, batch)
            self.substituted = model.skips[site]
        elif site.layer is not None:
            self.substituted = True

    @property
    def count(self) -> int:
        """m, the number of texts."""
        return self.batch.rows

    @cached_property
    def log_p(self) -> torch.Tensor:
        """Unsteered log-probabilities, (m, V) in float64, where the unembedding is."""
        return torch.log_softmax(self.model.logits(self.base), dim=-1)

    def last(
        self, contexts: Sequence[int], alphas: ArrayLike, vector: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What the final norm returns and is given at the last positions, (n, d) each.

        Text `contexts[i]` is steered by `alphas[i]`. At the final norm nothing is given: (0, d).
        """
        normed, given = [], []
        for batch, returned, states in self._passes(contexts, alphas, vector):
            normed.append(batch.at_last(returned))
            given += [] if states is None else [batch.at_last(states)]
        return torch.cat(normed), torch.cat(given or [normed[0][:0]])

    def last_normed(self, contexts: Sequence[int], alphas: ArrayLike, vector: Any) -> torch.Tensor:
        """Normed last-position states, (n, d), see `last`."""
        return self.last(contexts, alphas, vector)[0]

    def writing(self, alpha: float, vector: Any) -> torch.Tensor:
        """Normed states, (n, d), from which the tokens behind the prompts follow, at one alpha."""
        found, alphas = [], np.full(self.count, float(alpha))
        for batch, normed, _ in self._passes(range(self.count), alphas, vector):
            ends = zip(normed, batch.prompts.tolist(), batch.last.tolist(), strict=True)
            found += [row[prompt - 1 : last] for row, prompt, last in ends]
        return torch.cat(found)

    def above(
        self, batch: TokenBatch, states: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """What the final norm returns and is given, for states at the site; (R, T, d) each."""
        if self.site.layer is None:
            return states, None
        with self.model.captured(FINAL_NORM) as out, self.replaced(states):
            self._run(batch, self._share)
        return out.value, out.given

    def _passes(
        self, contexts: Sequence[int], alphas: ArrayLike, vector: Any
    ) -> Iterator[tuple[TokenBatch, torch.Tensor, torch.Tensor | None]]:
        """Pieces of the rows, with outputs and inputs of the final norm, (R, T, d) each."""
        strengths, rows = torch.as_tensor(np.array(alphas, dtype=np.float64)), list(contexts)
        here, *others = vector.parts
        step = self._texts(int(self.batch.last[rows].max()) + 1)
        for start in range(0, len(rows), step):
            chosen, alpha = rows[start : start + step], strengths[start : start + step]
            batch = self.batch.take(chosen)
            places = batch.steered(self.apply)
            states = self.residual[chosen, : batch.ids.shape[1]]
            states = added(states, torch.as_tensor(here.values), alpha, places)
            with ExitStack() as stack:
                if others:
                    where = "all" if places is None else places
                    stack.enter_context(self.model.steered(others, alpha, positions=where))
                read = self.above(batch, states)
            yield (batch, *read)

    @property
    def _share(self) -> float:
        blocks = max(1, len(self.model.blocks))
        if not self.substituted or self.site.layer is None:
            return 1.0
        return (blocks - 1 - self.site.layer) / blocks

    def _texts(self, length: int) -> int:
        model = self.model
        return max(1, rows_at_once(model.width, model.dtype, model.device) // length)

    def _run(self, batch: TokenBatch, share: float) -> None:
        self._cost.add(batch.rows, batch.ids.shape[1], share)
        self.model.forward(batch.ids, batch.mask if batch.padded else None, last_only=True)

    @contextmanager
    def _recording(self) -> Iterator[None]:
        """Remember what each block returns: a tensor, or a tuple that must keep its shape."""
        with ExitStack() as stack:
            for block in self.model.blocks:

                def keep(module: Any, _args: Any, output: Any) -> None:
                    tensor = isinstance(output, torch.Tensor)
                    self._extras[id(module)] = None if tensor else (type(output), output[1:])

                stack.callback(block.register_forward_hook(keep).remove)
            yield

    @contextmanager
    def replaced(self, states: torch.Tensor) -> Iterator[None]:
        """The site returns `states`; the blocks below it return their input untouched.

        The unembedding, an eighth of the time, is left out: what enters it is what is kept.
        """
        layer = self.site.layer
        if layer is None:
            yield
            return
        first = 0 if self.substituted else layer
        chosen = self.model.blocks[first : layer + 1]
        stand_ins = [self._stand_in(b, states if b is self._module else None) for b in chosen]
        modules = (*chosen, self.model.unembedding)
        with ExitStack() as stack:
            for module, forward in zip(modules, (*stand_ins, _first_coordinate), strict=True):
                # `patch` puts back a `forward` of the instance's own, as accelerate keeps one.
                stack.enter_context(patch.object(module, "forward", forward))
            yield

    def _stand_in(self, block: torch.nn.Module, states: torch.Tensor | None) -> Any:
        shape = self._extras[id(block)]

        def forward(*args: Any, **kwargs: Any) -> Any:
            hidden = states
            if hidden is None:
                hidden = given_tensor(args, kwargs)
            return hidden if shape is None else shape[0]((hidden, *shape[1]))

        return forward


def _skips_below(model: SteeredModel, site: Site, batch: TokenBatch) -> bool:
    """Whether blocks up to the site may be skipped: compare with a hooked pass, on a few tokens.

    What a block reads does not depend on how long the text is. Steered by as much as the states are
    long; nothing is counted.
    """
    short = pad([batch.ids[0, : min(_SHORT, int(batch.last[0]) + 1)].tolist()])
    held = Held(model, short, site, cost=Cost(), verify=False)
    vector = SteeringVector(np.resize([-1.0, 1.0], model.width), site)
    alpha = held.lengths[0] / model.width**0.5
    shortcut = held.last_normed([0], [alpha], vector)
    hook = Steered(site.module(model), torch.as_tensor(vector.values), float(alpha))
    with hook, model.captured(FINAL_NORM) as out:
        model.forward(short.ids, last_only=True)
    hooked = out.value[:, -1]
    allowed = max(_SAME, 8 * precision(model.dtype)) * float(hooked.norm(dim=-1).max())
    return float((shortcut - hooked).abs().max()) <= allowed


def _first_coordinate(hidden: torch.Tensor) -> torch.Tensor:
    """In place of logits that nobody reads: something of the right number of axes."""
    return hidden[..., :1]
