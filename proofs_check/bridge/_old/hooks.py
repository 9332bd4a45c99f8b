"""The intervention itself: a forward hook that adds alpha * v to a module's output."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import torch

from steering_strength.proofs_check.bridge.errors import SelfCheckError

__all__ = ["Captured", "Steered", "first_tensor"]


def first_tensor(output: Any) -> torch.Tensor | None:
    """The tensor a module returns, or the first entry of the tuple it returns."""
    if isinstance(output, tuple | list) and output:
        output = output[0]
    return output if isinstance(output, torch.Tensor) else None


class Captured:
    """Context manager that keeps the last output of `module`: `captured.value`, (B, T, d)."""

    def __init__(self, module: torch.nn.Module) -> None:
        self._module = module
        self._value: torch.Tensor | None = None

    def __enter__(self) -> Captured:
        def keep(_module: Any, _args: Any, output: Any) -> None:
            self._value = first_tensor(output)

        self._handle = self._module.register_forward_hook(keep)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handle.remove()

    @property
    def value(self) -> torch.Tensor:
        """The last output.

        Raises
        ------
        SelfCheckError
            The module never ran.
        """
        if self._value is None:
            raise SelfCheckError(
                "the reading hook never fired", remedy="the module is not part of the forward pass"
            )
        return self._value


class Steered:
    """Context manager: inside it, `module` returns its output plus alpha * v.

    Parameters
    ----------
    module : torch.nn.Module
        The steering site: a block or the final norm.
    vector : torch.Tensor
        Shape (d,), the paper's v.
    alpha : float or torch.Tensor
        One strength for all rows, or shape (B,): one per row of the batch.
    positions : torch.Tensor or None
        Boolean mask (B, T) of the positions that are steered; None steers all of them.

    Raises
    ------
    SelfCheckError
        On a clean exit the hook must have fired, or the "steered" numbers are unsteered ones.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        vector: torch.Tensor,
        alpha: float | torch.Tensor,
        positions: torch.Tensor | None = None,
    ) -> None:
        self._module = module
        self._vector = vector
        self._alpha = alpha
        self._positions = positions
        self.fired = 0

    def __enter__(self) -> Steered:
        self.fired = 0
        self._handle = self._module.register_forward_hook(self._add)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handle.remove()
        if kind is None and self.fired == 0:
            raise SelfCheckError(
                "the steering hook never fired, so nothing was steered",
                remedy="the module is not part of the forward pass: check the site",
            )

    def _add(self, _module: Any, _args: Any, output: Any) -> Any:
        self.fired += 1
        hidden = first_tensor(output)
        if hidden is None:
            raise SelfCheckError(
                f"the steered module returns {type(output).__name__}, not a tensor",
                remedy="choose a block or the final norm as the site",
            )
        shift = self.shift(hidden)
        if isinstance(output, torch.Tensor):
            return output + shift
        return type(output)((hidden + shift, *output[1:]))

    def shift(self, hidden: torch.Tensor) -> torch.Tensor:
        """alpha * v, broadcast against `hidden` of shape (B, T, d)."""
        vector = self._vector.to(hidden.dtype)
        if isinstance(self._alpha, torch.Tensor):
            shift = self._alpha.to(hidden.dtype)[:, None, None] * vector
        else:
            shift = self._alpha * vector
        if self._positions is not None:
            shift = shift * self._positions[:, :, None].to(hidden.dtype)
        return shift
