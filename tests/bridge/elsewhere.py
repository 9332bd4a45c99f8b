"""A pretended second device: tensors there refuse to meet tensors here, as those of a GPU do."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only

DEVICE = torch.device("xpu:0")
# What a real device allows: copies across, and an index from the host.
_ACROSS = {"copy_", "__getitem__", "__setitem__", "index_put_", "to", "cpu", "set_data"}


class Far(torch.Tensor):
    """A tensor that pretends to be elsewhere; what is computed from it is there, too."""


def far(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.as_subclass(Far)


class Elsewhere(TorchFunctionMode):
    """Inside it `DEVICE` exists; mixing it with the host raises, as it would there."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if func == torch.Tensor.device.__get__:
            return DEVICE if isinstance(args[0], Far) else func(*args)
        if name == "cpu":
            return args[0].as_subclass(torch.Tensor)
        wanted = [a for a in (*args, *kwargs.values()) if isinstance(a, torch.device | str)]
        named = [torch.device(a) for a in wanted if str(a).split(":")[0] in ("cpu", "xpu")]
        if name == "to" or named:
            host, ours = torch.device("cpu"), {id(a) for a in wanted if named}
            args = tuple(host if id(a) in ours else a for a in args)
            kwargs |= {k: host for k, a in kwargs.items() if id(a) in ours}
            # tensor.to(other) takes the other's device.
            others = [a for a in args[1:] if isinstance(a, torch.Tensor)]
            there = named[0].type == "xpu" if named else any(isinstance(a, Far) for a in others)
            stays = name == "to" and not named and not others
            with torch._C.DisableTorchFunctionSubclass():
                found = func(*args, **kwargs)
            there = isinstance(args[0], Far) if stays else there
            if not isinstance(found, torch.Tensor):
                return found
            return far(found) if there else found.as_subclass(torch.Tensor)
        given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        kinds = {isinstance(t, Far) for t in given if t.dim() > 0}
        if len(kinds) == 2 and name not in _ACROSS:
            raise RuntimeError(f"{name}: expected all tensors to be on the same device")
        with torch._C.DisableTorchFunctionSubclass():
            found = func(*args, **kwargs)
        if True in {isinstance(t, Far) for t in given[:1] or given}:
            return tree_map_only(torch.Tensor, far, found)
        return found


def sent_away(hf_model: Any) -> Any:
    """All parameters and buffers of a model, elsewhere."""
    for module in hf_model.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is not None:
                moved = torch.nn.Parameter(parameter.data, requires_grad=False)
                module._parameters[name] = far(moved)
        for name, buffer in list(module._buffers.items()):
            if buffer is not None:
                module._buffers[name] = far(buffer)
    return hf_model
