"""What a model is made of: found by structure, verified by forward passes; no module is named.

One probing forward with hooks on every module shows which tensor enters the unembedding and which
module produced it. Then: earlier positions must not see later ones (a causal model), the model must
answer twice the same (evaluation mode), and the logits must be affine in what the unembedding reads
(the only assumption of the tilting law at the final norm). A model that breaks the last one is
refused at that site alone; at blocks everything is measured.
"""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge.loading import ModelError, SelfCheckError, said_by
from steering_strength.theory import NormedSteering
from steering_strength.theory.errors import AssumptionError, SteeringError

Floats = NDArray[np.float64]

_PROBE_LENGTH = 7
# The probe moves the logits this far (in nats) so that a soft-cap, typically at 30, saturates.
_PROBE_SHIFT = 64.0
_CHUNK = 1 << 14
# Logits of one piece in float64: 32 rows of 262,144 tokens are 64 MiB.
_CELLS = 1 << 23
# The norm may work in float32 inside: its numbers carry about 7 digits whatever the model's dtype.
_RELATIVE, _FAR, _SHORT = 1e-5, 1e6, 1e-4


def first_tensor(output: Any) -> torch.Tensor | None:
    """The tensor a module returns, or the first entry of the tuple it returns."""
    if isinstance(output, tuple | list) and output:
        output = output[0]
    return output if isinstance(output, torch.Tensor) else None


def given_tensor(args: Any, kwargs: Any) -> torch.Tensor | None:
    """The states that a module is called with."""
    found: torch.Tensor | None = first_tensor(args) if args else kwargs.get("hidden_states")
    return found


def with_states(output: Any, states: torch.Tensor) -> Any:
    """What a module returns with other states in place of its own."""
    return states if isinstance(output, torch.Tensor) else type(output)((states, *output[1:]))


def config_of(hf_model: Any) -> Any:
    """The configuration of the language model, inside that of a larger one if need be."""
    config = hf_model.config
    return config.get_text_config() if hasattr(config, "get_text_config") else config


def precision(dtype: torch.dtype) -> float:
    """The spacing of numbers near 1."""
    return float(torch.finfo(dtype).eps)


class Captured:
    """Context manager that keeps what `module` returned last, `value` (B, T, d), and was `given`.

    `wide` is a float32 copy of the module: it makes the value again from what was given, unless a
    hook there has changed the output. Rounding the normed state and the logits to 8 bits would put
    a floor of 1e-3 nats under every divergence; what the blocks rounded stays.
    """

    def __init__(self, module: torch.nn.Module, wide: torch.nn.Module | None = None) -> None:
        self._module, self._wide = module, None if module._forward_hooks else wide
        self._value: torch.Tensor | None = None
        self.given: torch.Tensor | None = None

    def __enter__(self) -> Self:
        self._handle = self._module.register_forward_hook(self._keep, with_kwargs=True)
        return self

    def __exit__(self, *_error: object) -> None:
        self._handle.remove()

    def _keep(self, _module: Any, args: Any, kwargs: Any, output: Any) -> None:
        self._value, self.given = first_tensor(output), given_tensor(args, kwargs)
        if self._wide is not None and self.given is not None:
            with torch.no_grad():
                self._value = first_tensor(self._wide(self.given.to(torch.float32)))

    @property
    def value(self) -> torch.Tensor:
        """What was returned last; SelfCheckError if the module never ran."""
        if self._value is None:
            raise SelfCheckError(
                "the reading hook never fired", remedy="the module is not part of the forward pass"
            )
        return self._value


class Forward:
    """The model's own forward pass, possibly wrapped by PEFT or spread over devices by accelerate.

    `device` is where token ids go; `last_only` the arguments that ask for the last logits alone.
    """

    def __init__(self, hf_model: Any) -> None:
        self.hf_model = hf_model
        base = getattr(hf_model, "get_base_model", None)
        inner = base() if callable(base) else hf_model
        accepted = inspect.signature(inner.forward).parameters
        self._masks = "attention_mask" in accepted
        self.last_only = {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}
        self.device = _input_device(hf_model)

    def __call__(
        self, ids: torch.Tensor, mask: torch.Tensor | None = None, *, last_only: bool = False
    ) -> Any:
        """Run without gradients; `mask` is for padded batches only.

        Without one, attention is causal by its fastest path.
        """
        given: dict[str, Any] = dict(self.last_only) if last_only else {}
        if mask is not None and self._masks:
            given["attention_mask"] = mask.to(self.device)
        with torch.no_grad():
            return self.hf_model(input_ids=ids.to(self.device), use_cache=False, **given)


@dataclass(frozen=True, eq=False)
class Structure:
    """The steering and reading sites of one model.

    `final_norm` is the module whose output the `unembedding` reads, a linear map W (with or without
    a bias), behind which a constant `logit_scale` may stand; `blocks`, in order, map states to
    states (none, if the model has no such chain). `dtype` is that of the states. `not_affine` says
    why the logits are no affine function of the final norm's output; `plain` whether W h + b,
    formed here from the weights, is what the unembedding returns (not where it is quantised,
    adapted or elsewhere); `wide_norm` is, for states of 16 bits, a float32 copy of the norm.
    """

    final_norm: torch.nn.Module
    final_norm_name: str
    unembedding: torch.nn.Module
    logit_scale: float
    blocks: tuple[torch.nn.Module, ...]
    block_names: tuple[str, ...]
    width: int
    vocabulary: int
    dtype: torch.dtype
    not_affine: SteeringError | None
    plain: bool
    wide_norm: torch.nn.Module | None

    def product(self, states: torch.Tensor) -> torch.Tensor:
        """W h + b in float32 or wider, (R, V), the weights widened piece by piece."""
        weight, bias = self.unembedding.weight, getattr(self.unembedding, "bias", None)
        wide = torch.promote_types(states.dtype, torch.float32)
        wide = torch.promote_types(wide, weight.dtype)
        moved = states.to(device=weight.device, dtype=wide)
        with torch.no_grad():
            if weight.dtype == wide:
                return torch.nn.functional.linear(moved, weight, bias)
            pieces = [moved @ piece.to(wide).T for piece in weight.split(_CHUNK)]
            found = torch.cat(pieces, dim=1)
            return found if bias is None else found.add_(bias.to(wide))

    def logits(self, normed: torch.Tensor, forward: Forward) -> Iterator[torch.Tensor]:
        """Float64 logits, (R, V) in pieces, of outputs (R, d) of the final norm; where W is."""
        cells, place = _CELLS, weights_device(self.unembedding, forward.device)
        if place.type == "cuda":  # an eighth of what is free, if that is more
            cells = max(cells, torch.cuda.mem_get_info(place)[0] // 64)
        for states in normed.split(max(1, cells // self.vocabulary)):
            with torch.no_grad():
                if self.not_affine is not None:
                    # Texts of one token whose normed states are replaced: soft-caps included.
                    ids = torch.zeros((states.shape[0], 1), dtype=torch.int64)
                    with replaced_output(self.final_norm, states[:, None]):
                        logits = forward(ids).logits[:, -1]
                elif self.plain:
                    logits = self.product(states)
                else:
                    logits = self.unembedding(states.to(place, self.dtype))
            wide = logits.cpu().double() if logits.device.type == "mps" else logits.double()
            yield wide if self.logit_scale == 1.0 else wide.mul(self.logit_scale)


def weights_device(module: torch.nn.Module, otherwise: torch.device) -> torch.device:
    """The device of a module's weights; `otherwise` if they are offloaded."""
    devices = [p.device for p in module.parameters() if p.device.type != "meta"]
    return devices[0] if devices else otherwise


class _Call(NamedTuple):
    """One module call of the probing forward, in order of completion."""

    name: str
    module: torch.nn.Module
    given: torch.Tensor | None
    returned: torch.Tensor | None


def find_structure(hf_model: Any, forward: Forward) -> Structure:
    """Find final norm, unembedding and blocks, and verify them; see `SteeredModel` for errors."""
    kind = type(hf_model).__name__
    unembedding = hf_model.get_output_embeddings()
    if unembedding is None:
        raise ModelError(
            f"{kind} has no output embeddings",
            remedy="give a causal language model with an unembedding matrix",
        )
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, config_of(hf_model).vocab_size, (1, _PROBE_LENGTH), generator=generator)
    try:
        calls, logits = _trace(hf_model, forward, ids)
    except Exception as error:
        raise ModelError(
            f"the forward pass of {kind} fails: {said_by(error)}",
            remedy="some kernels lack a precision or a device: try float32 or bfloat16",
        ) from error
    if not bool(torch.isfinite(logits).all()):
        raise ModelError(
            f"{kind} returns {'NaN' if bool(logits.isnan().any()) else 'infinite'} logits for"
            f" {_PROBE_LENGTH} random tokens",
            remedy="its weights are damaged, or overflow in float16: load it in another precision",
        )
    read = next((c for c in calls if c.module is unembedding), None)
    if read is None or read.given is None or read.returned is None:
        raise ModelError(
            f"the unembedding of {kind} does not take part in the forward pass",
            remedy="give a model whose forward pass calls get_output_embeddings()",
        )
    feeding = next((c for c in calls if _same(c.returned, read.given)), None)
    if feeding is None or feeding.module is unembedding:
        raise ModelError(
            f"no module of {kind} returns what its unembedding reads",
            remedy="the final-norm site needs a module between the last block and the unembedding",
        )
    _require_causal(hf_model, forward, ids, logits, read.given.dtype)
    _require_all_positions(feeding.module, forward, ids)
    hidden = read.given
    blocks = _chain_of_blocks(hf_model, calls, hidden.shape)
    structure = Structure(
        feeding.module, feeding.name, unembedding, 1.0,
        tuple(call.module for call in blocks), tuple(call.name for call in blocks),
        width=hidden.shape[-1], vocabulary=logits.shape[-1], dtype=hidden.dtype, plain=True,
        not_affine=None, wide_norm=_widened(feeding, hidden.dtype),
    )  # fmt: skip
    return _with_read_out(structure, hf_model, forward, ids, hidden, logits, generator)


@contextmanager
def replaced_output(
    module: torch.nn.Module, states: torch.Tensor | Callable[[torch.Tensor], torch.Tensor]
) -> Iterator[None]:
    """Inside it `module` returns `states`, or that function of what it would return."""

    def put(_module: Any, _args: Any, output: Any) -> Any:
        seen = first_tensor(output)
        if seen is None:
            raise ModelError(f"{type(module).__name__} returns no states", remedy="another site")
        moved = states if isinstance(states, torch.Tensor) else states(seen)
        moved = moved.to(device=seen.device, dtype=seen.dtype)
        return with_states(output, moved)

    handle = module.register_forward_hook(put)
    try:
        yield
    finally:
        handle.remove()


def _input_device(hf_model: Any) -> torch.device:
    """Where token ids are wanted: accelerate moves them itself if the weights are offloaded."""
    embedding = hf_model.get_input_embeddings()
    weight = getattr(embedding, "weight", None)
    if isinstance(weight, torch.Tensor) and weight.device.type != "meta":
        return weight.device
    chosen = getattr(getattr(embedding, "_hf_hook", None), "execution_device", None)
    if chosen is None:
        return torch.device("cpu")
    return torch.device("cuda", chosen) if isinstance(chosen, int) else torch.device(chosen)


def _trace(hf_model: Any, forward: Forward, ids: torch.Tensor) -> tuple[list[_Call], torch.Tensor]:
    calls: list[_Call] = []
    handles = []
    for name, module in hf_model.named_modules():

        def record(
            mod: torch.nn.Module, args: Any, kwargs: Any, output: Any, name: str = name
        ) -> None:
            calls.append(_Call(name, mod, given_tensor(args, kwargs), first_tensor(output)))

        handles.append(module.register_forward_hook(record, with_kwargs=True))
    try:
        logits: torch.Tensor = forward(ids).logits
    finally:
        for handle in handles:
            handle.remove()
    return calls, logits


def _same(one: torch.Tensor | None, other: torch.Tensor) -> bool:
    if one is None or one.shape != other.shape or not one.is_floating_point():
        return False
    return torch.equal(one.to(other), other)


def quantised(hf_model: Any) -> bool:
    """Whether some module rounds what passes through it to a few bits."""
    if getattr(hf_model, "is_quantized", False):
        return True
    return any("quant" in type(m).__module__ for m in hf_model.modules())


def _require_causal(
    hf_model: Any, forward: Forward, ids: torch.Tensor, logits: torch.Tensor, dtype: torch.dtype
) -> None:
    """Another last token must leave the logits of the earlier positions alone."""
    again = forward(ids).logits
    largest = float(logits.abs().max())
    coarse = precision(dtype) > 1e-5
    # Activations of a few bits are scaled by all of them together: the tokens leak a little.
    allowed = (0.3 if quantised(hf_model) else 0.05 if coarse else 1e-4) * largest
    if not float((again - logits).abs().max()) <= allowed:
        raise ModelError(
            f"{type(hf_model).__name__} returns different values for the same input",
            remedy="put the model into evaluation mode: model.eval()",
        )
    other = ids.clone()
    other[0, -1] = (ids[0, -1] + 1) % config_of(hf_model).vocab_size
    moved = float((forward(other).logits - logits)[:, :-1].abs().max())
    if not moved <= allowed:
        raise ModelError(
            f"{type(hf_model).__name__} is not causal: another last token moves earlier logits by"
            f" {moved:.3g}",
            remedy="give a model that predicts the next token (BERT-like ones: is_decoder=True)",
        )


def _require_all_positions(norm: torch.nn.Module, forward: Forward, ids: torch.Tensor) -> None:
    """Form all logits where "the last logits only" cuts the states before the final norm."""
    with Captured(norm) as seen:
        forward(ids, last_only=True)
    if seen.value.shape[1] != ids.shape[1]:
        forward.last_only = {}


def _with_read_out(
    found: Structure, hf_model: Any, forward: Forward, ids: torch.Tensor, hidden: torch.Tensor,
    logits: torch.Tensor, generator: torch.Generator,
) -> Structure:  # fmt: skip
    """Compare the model's logits with W h + b, as it stands and steered by 32 and by 64 nats.

    A constant factor is measured. The product is formed from the weights, or, where they are not
    there or say something else (quantised, adapted, offloaded), by the module.
    """
    direction = torch.randn(hidden.shape[-1], generator=generator).to(hidden)

    def steered(alpha: float) -> tuple[torch.Tensor, torch.Tensor]:
        states = hidden + alpha * direction
        with replaced_output(found.final_norm, states):
            return states[0], forward(ids).logits[0].cpu().double()

    unit = float((steered(1.0)[1] - logits[0].cpu().double()).abs().max())
    if not unit > 0:
        raise ModelError(
            f"steering {found.final_norm_name} does not change the logits",
            remedy="the unembedding reads something else: this architecture is not supported",
        )
    far = _PROBE_SHIFT / unit
    states, seen = map(torch.cat, zip(*(steered(x * far) for x in (0.0, 0.5, 1.0)), strict=True))
    at, halfway, there = seen.chunk(3)
    bend, problem = float((at - 2 * halfway + there).abs().max()), ""
    eps = max(precision(hidden.dtype), precision(logits.dtype))
    # A product of 32 bits errs by sqrt(d) roundings, one of 16 bits is summed in 32 and rounded.
    slack = 8 * eps * (math.sqrt(hidden.shape[-1]) if eps < 1e-5 else 1.0)
    for plain in (True, False):
        if plain and not _has_weights(found):
            continue
        pieces = replace(found, plain=plain).logits(states, forward)
        rows = torch.cat([piece.cpu() for piece in pieces])
        if rows.shape != seen.shape:
            problem = f"the unembedding returns {rows.shape[-1]} values, the model {seen.shape[-1]}"
            continue
        scale = float((seen * rows).sum() / (rows * rows).sum())
        error = max(bend, float((seen - scale * rows).abs().max()))
        if error <= slack * max(float(seen.abs().max()), 1.0):
            scale = 1.0 if abs(scale - 1.0) <= 8 * eps else scale
            return replace(found, plain=plain, logit_scale=scale)
        problem = f"a shift of {_PROBE_SHIFT:g} nats arrives with an error of {error:.3g} nats"
    return replace(found, plain=False, not_affine=_not_affine(hf_model, problem))


def _has_weights(found: Structure) -> bool:
    """Whether W is there as numbers, one row for each token."""
    weight = getattr(found.unembedding, "weight", None)
    if not isinstance(weight, torch.Tensor) or weight.device.type == "meta":
        return False
    return weight.is_floating_point() and weight.shape == (found.vocabulary, found.width)


def _not_affine(hf_model: Any, problem: str) -> AssumptionError:
    cap = getattr(config_of(hf_model), "final_logit_softcapping", None)
    cause = f" (logit soft-cap {cap:g})" if cap else ""
    remedy = "the tilting law needs logits W h + b: steer a block, where everything is measured"
    if not cap and quantised(hf_model):
        cause = " (quantised: it rounds its activations)"
        remedy = "steer a block, or load the model without quantised activations"
    return AssumptionError(
        "affine unembedding", f"{type(hf_model).__name__}{cause}", problem, remedy=remedy
    )


def _chain_of_blocks(hf_model: Any, calls: list[_Call], shape: torch.Size) -> list[_Call]:
    """The longest module list whose members ran once each, in order, mapping states to states."""
    by_module: dict[int, list[_Call]] = {}
    for call in calls:
        by_module.setdefault(id(call.module), []).append(call)
    best: list[_Call] = []
    for module in hf_model.modules():
        if not isinstance(module, torch.nn.ModuleList):
            continue
        runs = [by_module.get(id(member), []) for member in module]
        if not runs or any(len(run) != 1 for run in runs):
            continue
        chain = [run[0] for run in runs]
        states = all(c.returned is not None and c.returned.shape == shape for c in chain)
        linked = all(
            before.returned is not None and _same(after.given, before.returned)
            for before, after in pairwise(chain)
        )
        if states and linked and len(chain) > len(best):
            best = chain
    return best


def _widened(feeding: _Call, dtype: torch.dtype) -> torch.nn.Module | None:
    """A float32 copy of the final norm of a 16-bit model, if it computes the same."""
    given = feeding.given
    if precision(dtype) < 1e-5 or given is None or feeding.returned is None:
        return None
    try:
        twin = copy.deepcopy(feeding.module).to(torch.float32)
        with torch.no_grad():
            again = first_tensor(twin(given.to(torch.float32)))
    except (RuntimeError, NotImplementedError, TypeError, ValueError):
        return None
    if again is None:
        return None
    error = float((again - feeding.returned.float()).abs().max())
    agrees = error <= 4 * precision(dtype) * float(again.abs().max())
    return twin.requires_grad_(False) if agrees else None


@dataclass(frozen=True)
class FinalNorm:
    """LN(x) = gain * P x / sqrt(mean((P x)^2) + eps) + bias in float64; gain and bias are (d,).

    P is the identity (`kind` "rms") or the centring ("layer"). `precision` is the relative error of
    the module's own arithmetic, measured: 1e-7 where a float64 model's norm works in float32.
    """

    kind: Literal["rms", "layer"]
    gain: Floats
    bias: Floats
    eps: float
    precision: float

    def steering(self, h: Floats, v: Floats) -> NormedSteering:
        """LN(h + alpha v) as a function of alpha."""
        return NormedSteering(h, v, kind=self.kind, gain=self.gain, bias=self.bias, eps=self.eps)

    def centred(self, x: Floats) -> Floats:
        """P x along the last axis."""
        return x - x.mean(axis=-1, keepdims=True) if self.kind == "layer" else x


def identify_norm(found: Structure, device: torch.device) -> FinalNorm:
    """Identify the final norm from its values; `device` is where it is run if it is offloaded.

    Four evaluations identify it and three verify it, so Gemma's 1 + weight or a renamed attribute
    need no special case.

    Raises ModelError: it is neither an RMSNorm nor a LayerNorm.
    """
    module, width = found.wide_norm or found.final_norm, found.width
    dtype = found.dtype if found.wide_norm is None else torch.float32
    place = weights_device(module, device)

    def apply(x: Floats) -> Floats:
        with torch.no_grad():
            out = module(torch.as_tensor(x).to(place, dtype)[None, None])
        return np.asarray(out[0, 0].cpu().double().numpy())

    bias = apply(np.zeros(width))
    # Of mean 0, with no entry near 0, and far from eps: both norms return gain * unit + bias.
    unit = np.resize([1.0, -1.0], width) * np.linspace(1.0, 1.5, width)
    unit -= unit.mean()
    unit /= np.sqrt(np.mean(unit**2))
    gain = (apply(_FAR * unit) - bias) / unit
    constant = apply(np.full(width, _FAR)) - bias
    kind: Literal["rms", "layer"] = (
        "layer" if np.abs(constant).max() <= 1e-3 * np.abs(gain).max() else "rms"
    )
    # At a short vector eps decides the length: it comes out as gain s unit / sqrt(s^2 + eps).
    strongest = int(np.abs(gain * unit).argmax())
    ratio = (apply(_SHORT * unit) - bias)[strongest] / (gain * unit)[strongest]
    eps = _SHORT**2 * float(ratio**-2 - 1.0) if ratio else math.inf
    norm = FinalNorm(kind, gain, bias, eps if eps > 1e-5 * _SHORT**2 else 0.0, 0.0)
    precision = float(np.finfo(np.float64).eps)
    rng = np.random.default_rng(0)
    for scale in (1e-2, 1.0, 1e3):
        x = scale * (rng.standard_normal(width) + 0.5)
        expected = norm.steering(x, np.zeros(width)).output(0.0)
        error = np.abs(apply(x) - expected).max()
        size = np.abs(expected).max()
        precision = max(precision, float(error / size))
        if not error <= _RELATIVE * size:
            raise ModelError(
                f"the final norm {found.final_norm_name!r} is neither an RMSNorm nor a"
                f" LayerNorm: it is off by {error:.2g} at scale {scale:g}",
                remedy="`last-block` and `norm-limit` need one of the two; `final-norm` does not",
            )
    return replace(norm, precision=precision)
