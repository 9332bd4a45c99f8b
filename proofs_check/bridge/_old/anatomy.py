"""Where a causal language model is steered and read: found by structure, verified by a forward.

No module is found by its name. One probing forward with hooks on every module shows which
tensor enters the unembedding and which module produced it; a second one, steered there, shows
that the logits are an affine function of that module's output. That affinity is the only
assumption of the tilting law at this site, so a model that breaks it is refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch

from steering_strength.proofs_check.bridge._old.hooks import Captured, Steered, first_tensor
from steering_strength.proofs_check.bridge.errors import ModelError
from steering_strength.theory.errors import AssumptionError

__all__ = ["Anatomy", "inspect_model", "rounding_bound"]

_PROBE_LENGTH = 7
# The probe moves the logits this far (in nats) so that a soft-cap, typically at 30, saturates.
_PROBE_SHIFT = 64.0


@dataclass(frozen=True)
class Anatomy:
    """The steering and reading sites of one model.

    Parameters
    ----------
    final_norm : torch.nn.Module
        The module whose output the unembedding reads: the `final-norm` site.
    final_norm_name : str
        Its dotted name in the model.
    unembedding : torch.nn.Module
        The linear map W (with or without a bias) from states to logits.
    logit_scale : float
        Constant factor after the unembedding (Granite, Cohere); 1 for most models.
    blocks : tuple of torch.nn.Module
        The transformer blocks in order; empty if the model has no chain of blocks.
    block_names : tuple of str
    width : int
        d, the size of a state.
    vocabulary : int
        V, the number of logits.
    """

    final_norm: torch.nn.Module
    final_norm_name: str
    unembedding: torch.nn.Module
    logit_scale: float
    blocks: tuple[torch.nn.Module, ...]
    block_names: tuple[str, ...]
    width: int
    vocabulary: int


@dataclass(frozen=True)
class _Call:
    """One module call of the probing forward, in order of completion."""

    name: str
    module: torch.nn.Module
    given: torch.Tensor | None
    returned: torch.Tensor | None


def inspect_model(model: Any, *, seed: int = 0) -> Anatomy:
    """Find final norm, unembedding and blocks of `model`, and verify the affine read-out.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A causal language model in evaluation mode.
    seed : int
        Seeds the probing token ids and the probing direction.

    Raises
    ------
    ModelError
        No unembedding, or no module feeds it.
    AssumptionError
        The logits are not an affine function of the final norm's output: a logit soft-cap
        (Gemma 2) or another nonlinearity follows the unembedding.
    """
    unembedding = model.get_output_embeddings()
    if unembedding is None:
        raise ModelError(
            f"{type(model).__name__} has no output embeddings",
            remedy="give a causal language model with an unembedding matrix",
        )
    generator = torch.Generator().manual_seed(seed)
    size = model.get_input_embeddings().weight.shape[0]
    ids = torch.randint(0, size, (1, _PROBE_LENGTH), generator=generator)
    calls, logits = _trace(model, ids)
    read = next((c for c in calls if c.module is unembedding), None)
    if read is None or read.given is None or read.returned is None:
        raise ModelError(
            f"the unembedding of {type(model).__name__} does not take part in the forward pass",
            remedy="give a model whose forward pass calls get_output_embeddings()",
        )
    feeding = next((c for c in calls if _same(c.returned, read.given)), None)
    if feeding is None or feeding.module is unembedding:
        raise ModelError(
            f"no module of {type(model).__name__} returns what its unembedding reads",
            remedy="the final-norm site needs a module between the last block and the unembedding",
        )
    scale = _logit_scale(model, logits, read.returned)
    _verify_affine(model, feeding, read.given, logits, ids, generator)
    blocks = _chain_of_blocks(model, calls, read.given.shape)
    return Anatomy(
        final_norm=feeding.module,
        final_norm_name=feeding.name,
        unembedding=unembedding,
        logit_scale=scale,
        blocks=tuple(call.module for call in blocks),
        block_names=tuple(call.name for call in blocks),
        width=int(read.given.shape[-1]),
        vocabulary=int(logits.shape[-1]),
    )


def rounding_bound(anatomy: Anatomy, length: float) -> float:
    """Rounding error, in nats, of a log-probability read from a state of Euclidean `length`.

    A dot product of d terms errs by at most about sqrt(d) eps |W_z| |h| (independent roundings);
    the softmax and the sums over P and N add a few eps of numbers that are smaller.
    """
    weight = anatomy.unembedding.weight
    longest = float(torch.linalg.vector_norm(weight, dim=-1).max())
    eps = torch.finfo(weight.dtype).eps
    return eps * math.sqrt(anatomy.width) * abs(anatomy.logit_scale) * longest * length


def _trace(model: Any, ids: torch.Tensor) -> tuple[list[_Call], torch.Tensor]:
    calls: list[_Call] = []
    handles = []
    for name, module in model.named_modules():

        def record(
            mod: torch.nn.Module, args: Any, kwargs: Any, output: Any, name: str = name
        ) -> None:
            given = first_tensor(args) if args else kwargs.get("hidden_states")
            calls.append(_Call(name, mod, given, first_tensor(output)))

        handles.append(module.register_forward_hook(record, with_kwargs=True))
    try:
        logits = _logits(model, ids)
    finally:
        for handle in handles:
            handle.remove()
    return calls, logits


def _logits(model: Any, ids: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=ids, use_cache=False).logits


def _same(one: torch.Tensor | None, other: torch.Tensor) -> bool:
    return one is not None and one.shape == other.shape and torch.equal(one, other)


def _logit_scale(model: Any, logits: torch.Tensor, read: torch.Tensor) -> float:
    scale = float((logits * read).sum() / (read * read).sum())
    error = float((logits - scale * read).abs().max())
    # Multiplying by a constant is one rounding; a soft-cap departs by many digits more.
    if not error <= 8 * torch.finfo(logits.dtype).eps * float(logits.abs().max()):
        raise _not_affine(model, f"logits differ from {scale:.6g} * W h by {error:.3g} nats")
    return scale


def _verify_affine(
    model: Any,
    site: _Call,
    hidden: torch.Tensor,
    logits: torch.Tensor,
    ids: torch.Tensor,
    generator: torch.Generator,
) -> None:
    """Steer by 1 nat and by 64 in one direction: affine logits answer in proportion."""
    direction = torch.randn(hidden.shape[-1], generator=generator, dtype=torch.float64)
    direction = direction.to(hidden.dtype)

    def steered(alpha: float) -> torch.Tensor:
        with Steered(site.module, direction, alpha):
            return _logits(model, ids)

    with Captured(site.module) as state:
        _logits(model, ids)
        if not torch.equal(state.value, hidden):
            raise ModelError(
                f"{site.name} returns different values for the same input",
                remedy="put the model into evaluation mode: model.eval()",
            )
    unit = float((steered(1.0) - logits).abs().max())
    if not unit > 0:
        raise ModelError(
            f"steering {site.name} does not change the logits",
            remedy="the unembedding reads something else: this architecture is not supported",
        )
    near, far = steered(1 / unit), steered(_PROBE_SHIFT / unit)
    expected = logits + _PROBE_SHIFT * (near - logits)
    error = float((far - expected).abs().max())
    # The rounding of the near logits is stretched by the ratio of the two shifts.
    eps = torch.finfo(logits.dtype).eps * math.sqrt(hidden.shape[-1])
    magnitude = max(float(logits.abs().max()), 1.0)
    if not error <= 8 * eps * _PROBE_SHIFT * magnitude:
        raise _not_affine(
            model, f"a shift of {_PROBE_SHIFT:g} nats arrives with an error of {error:.3g} nats"
        )


def _not_affine(model: Any, problem: str) -> AssumptionError:
    config = model.config.get_text_config() if hasattr(model.config, "get_text_config") else None
    cap = getattr(config, "final_logit_softcapping", None)
    cause = f" (logit soft-cap {cap:g})" if cap else ""
    return AssumptionError(
        "affine unembedding",
        f"{type(model).__name__}{cause}",
        problem,
        remedy="the tilting law needs logits W h + b after the final norm:"
        " choose a model without a nonlinearity behind the unembedding",
    )


def _chain_of_blocks(model: Any, calls: list[_Call], shape: torch.Size) -> list[_Call]:
    """The longest module list whose members ran once each, in order, mapping states to states."""
    by_module: dict[int, list[_Call]] = {}
    for call in calls:
        by_module.setdefault(id(call.module), []).append(call)
    best: list[_Call] = []
    for module in model.modules():
        if not isinstance(module, torch.nn.ModuleList):
            continue
        runs = [by_module.get(id(member), []) for member in module]
        if not runs or any(len(run) != 1 for run in runs):
            continue
        chain = [run[0] for run in runs]
        states = all(c.returned is not None and c.returned.shape == shape for c in chain)
        linked = all(
            after.given is not None and _same(before.returned, after.given)
            for before, after in pairwise(chain)
        )
        if states and linked and len(chain) > len(best):
            best = chain
    return best
