"""Steering vectors: where they are added and what they mean. No torch here.

A vector without its site, position rule and model is a column of numbers: applied one layer off it
steers weakly and silently. So it carries them, and using it with another model is an error.

Layers are counted as block outputs from 0: `resid_post` of interpretability code, `decoder_block`
of steering-vectors, `direction.<l>` of repeng and llama.cpp, `layer_<l>.pt` of the paper's tool.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge.errors import VectorError
from steering_strength.theory.errors import ShapeError, UnknownNameError

__all__ = [
    "APPLY_RULES",
    "FINAL_NORM",
    "READ_RULES",
    "Apply",
    "Read",
    "Site",
    "SteeringVector",
    "text_hash",
]

Floats = NDArray[np.float64]
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

    def module(self, model: Any) -> Any:
        """The torch module of this site in a model with `final_norm` and `blocks`.

        Raises
        ------
        ShapeError
            The model has fewer blocks.
        """
        if self.layer is None:
            return model.final_norm
        count = len(model.blocks)
        if self.layer >= count:
            raise ShapeError(
                f"block {self.layer}, the model has {count}",
                remedy=f"give a block between 0 and {count - 1}"
                if count
                else "this model has no chain of blocks; only final_norm can be steered",
            )
        return model.blocks[self.layer]


FINAL_NORM = Site(None)


@dataclass(frozen=True, eq=False)
class SteeringVector:
    """A vector and what it means; what a foreign file does not say is left empty, not guessed.

    Parameters
    ----------
    values : array_like
        Shape (d,), finite and not zero; alpha is in units of it.
    site : Site
        Where it was read, and where it is added.
    model, model_type : str
        Name of the model, and its architecture's name in its configuration.
    fingerprint, tokenizer : str
        Hashes of its weights and of its vocabulary.
    read, apply : str
        Which states were averaged, which positions are steered.
    residual_norm : float
        Median length of a state at the site, so that alpha |v| can be judged; nan if unknown.
    positives, negatives : int
        |P| and |N|; 0 if unknown.
    positive_hash, negative_hash : str
        Hashes of the texts.
    dtype : str
        Precision of the states or of the file.
    sink_cosine : float
        Cosine between the token-mean vectors without and with the first token; nan if unknown. Far
        from 1, a plain token mean would have been mostly the attention sink.

    Raises
    ------
    VectorError
        Another shape, a value that is not finite, zero, or an unknown rule.
    """

    values: Floats
    site: Site
    model: str = ""
    model_type: str = ""
    fingerprint: str = ""
    tokenizer: str = ""
    read: str = "mean"
    apply: str = "all"
    residual_norm: float = math.nan
    positives: int = 0
    negatives: int = 0
    positive_hash: str = ""
    negative_hash: str = ""
    dtype: str = ""
    sink_cosine: float = math.nan
    norm: float = field(init=False)

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.float64)
        if values.ndim != 1 or not values.size:
            raise VectorError(
                f"the vector has shape {values.shape}", remedy="one axis of length d is needed"
            )
        if not np.isfinite(values).all():
            where = int(np.argmin(np.isfinite(values)))
            raise VectorError(
                f"the vector is {values[where]} at coordinate {where}",
                remedy="it was damaged or computed in half precision: make it again",
            )
        if not values.any():
            raise VectorError("the vector is zero", remedy="P and N have the same mean state")
        for name, rule, rules in (
            ("read", self.read, READ_RULES),
            ("apply", self.apply, APPLY_RULES),
        ):
            if rule not in rules:
                raise VectorError(
                    f"the {name} rule is {rule!r}", remedy=f"choose one of {', '.join(rules)}"
                )
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "norm", float(np.linalg.norm(values)))

    def applied(self, apply: Apply) -> SteeringVector:
        """The same vector, steering all positions or the last one only."""
        return replace(self, apply=apply)

    def require(self, model: Any) -> None:
        """Refuse a model that the vector was not made for.

        `model` has `name`, `model_type`, `fingerprint`, `tokenizer_hash` and `width`.

        Raises
        ------
        VectorError
            Width, weights or vocabulary differ; the message says what the file expects.
        """
        if self.values.size != model.width:
            raise VectorError(
                f"the vector has {self.values.size} coordinates, the model's states have"
                f" {model.width}",
                remedy=f"it was made for {self.model or 'another model'}",
            )
        for what, mine, yours in (
            ("weights", self.fingerprint, model.fingerprint),
            ("vocabulary", self.tokenizer, model.tokenizer_hash),
        ):
            if mine and mine != yours:
                raise VectorError(
                    f"the vector was made for other {what} ({mine}, {self.model}),"
                    f" this model has {yours} ({model.name})",
                    remedy="make the vector again with this model",
                )
        if self.fingerprint or not self.model:
            return
        if _slug(self.model) not in (_slug(model.name), _slug(model.model_type)):
            raise VectorError(
                f"the vector was made for {self.model!r}, the model is {model.name!r}",
                remedy="load the model that the file names (a folder is known by its own name)",
            )

    def require_site(self, site: Site) -> None:
        """Refuse to be added anywhere but where it was read.

        Raises
        ------
        VectorError
            `site` is another one.
        """
        if site != self.site:
            raise VectorError(
                f"the vector belongs to {self.site.name}, it is to be added at {site.name}",
                remedy=f"steer {self.site.name}, or make a vector for {site.name}",
            )

    def said(self) -> dict[str, str]:
        """The metadata as text, as files carry it."""
        names = [f.name for f in fields(self) if f.name not in ("values", "site")]
        found = {name: str(getattr(self, name)) for name in names}
        return {**found, "site": self.site.name, "operation": "add", "unit": "multiples of vector"}


def text_hash(texts: Sequence[Any]) -> str:
    """Sixteen hexadecimal digits of a list of texts, in order."""
    return hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()[:16]


def _slug(model: str) -> str:
    """The last part of a hub id, lower case, other characters than letters and digits as `-`."""
    name = model.rsplit("/", 1)[-1].lower()
    return "".join(c if c.isalnum() else "-" for c in name)
