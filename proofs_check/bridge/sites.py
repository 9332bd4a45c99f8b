"""Steering sites and position rules, named so that a file can say them. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from steering_strength.theory.errors import ShapeError, UnknownNameError

__all__ = ["APPLY_RULES", "FINAL_NORM", "READ_RULES", "Apply", "Read", "Site"]

Read = Literal["last", "mean"]
Apply = Literal["all", "last"]

# `mean` leaves out the first token: its residual is an attention sink, about a hundred times
# longer than the others, and two sets of texts whose lengths differ by one token would be told
# apart by little else.
READ_RULES: tuple[Read, ...] = ("last", "mean")
APPLY_RULES: tuple[Apply, ...] = ("all", "last")


@dataclass(frozen=True)
class Site:
    """Where alpha * v is added: the output of block `layer`, or of the final norm.

    Parameters
    ----------
    layer : int or None
        0-based index of the block, None for the final norm.

    Raises
    ------
    ShapeError
        A negative index: counting from the end would hide which block is meant.
    """

    layer: int | None

    def __post_init__(self) -> None:
        if self.layer is not None and self.layer < 0:
            raise ShapeError(
                f"block {self.layer} of a model", remedy="count blocks from 0, the first one"
            )

    @property
    def name(self) -> str:
        """`final_norm`, or `block_out 15`: the form that files carry."""
        return "final_norm" if self.layer is None else f"block_out {self.layer}"

    @classmethod
    def parse(cls, text: str) -> Site:
        """Read `final_norm`, `block_out 15` or just `15`.

        Raises
        ------
        UnknownNameError
            Anything else.
        """
        word = text.strip()
        if word == "final_norm":
            return FINAL_NORM
        number = word.removeprefix("block_out").strip()
        if not number.isdigit():
            raise UnknownNameError("site", text, ["final_norm", "block_out 0", "block_out 15"])
        return cls(int(number))

    def module(self, anatomy: Any) -> Any:
        """The torch module of this site in a model.

        Raises
        ------
        ShapeError
            The model has fewer blocks.
        """
        if self.layer is None:
            return anatomy.final_norm
        if self.layer >= len(anatomy.blocks):
            raise ShapeError(
                f"block {self.layer}, the model has {len(anatomy.blocks)}",
                remedy=f"give a block between 0 and {len(anatomy.blocks) - 1}"
                if anatomy.blocks
                else "this model has no chain of blocks; only final_norm can be steered",
            )
        return anatomy.blocks[self.layer]


FINAL_NORM = Site(None)
