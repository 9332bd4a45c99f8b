"""Steering vectors with the metadata that gives them a meaning, and errors when it does not fit.

A vector without its site, its layer, its position rule and its model is a column of numbers:
applied one layer off it steers weakly and silently. So a file carries all of them, reading one
into another model or site is an error, and nothing is ever pickled. No torch here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge.errors import VectorError
from steering_strength.proofs_check.bridge.sites import APPLY_RULES, READ_RULES, Site
from steering_strength.theory.files import write_whole

__all__ = ["SteeringVector", "VectorMetadata", "load_vector", "save_vector", "text_hash"]


@dataclass(frozen=True)
class VectorMetadata:
    """What a steering vector means; every field is mandatory.

    Parameters
    ----------
    model : str
        Label of the model.
    fingerprint, tokenizer : str
        Hashes of its weights and of its vocabulary; empty for a file that records neither.
    site : str
        `final_norm` or `block_out l`.
    read, apply : str
        Position rules: which states were averaged, which positions are steered.
    operation : str
        Always "add": alpha * v is added.
    norm : float
        Euclidean length of the vector.
    residual_norm : float
        Median length of a state at the site, so alpha |v| can be judged; nan if unknown.
    positives, negatives : int
        |P| and |N|; 0 if unknown.
    positive_hash, negative_hash : str
        Hashes of the texts.
    dtype : str
        Precision of the model that the states were read from.
    unit : str
        What alpha multiplies.
    """

    model: str
    fingerprint: str
    tokenizer: str
    site: str
    read: str
    apply: str
    operation: str
    norm: float
    residual_norm: float
    positives: int
    negatives: int
    positive_hash: str
    negative_hash: str
    dtype: str
    unit: str = "multiples of the stored vector"

    def __post_init__(self) -> None:
        Site.parse(self.site)
        for name, rules in (("read", READ_RULES), ("apply", APPLY_RULES)):
            if getattr(self, name) not in rules:
                raise VectorError(
                    f"the {name} rule is {getattr(self, name)!r}",
                    remedy=f"choose one of {', '.join(rules)}",
                )
        if self.operation != "add":
            raise VectorError(
                f"the operation is {self.operation!r}",
                remedy="only vectors that are added can be steered with here",
            )


@dataclass(frozen=True, eq=False)
class SteeringVector:
    """A vector, (d,), and what it means.

    Raises
    ------
    VectorError
        It is not a finite nonzero vector, or its length contradicts the metadata.
    """

    values: NDArray[np.float64]
    metadata: VectorMetadata

    def __post_init__(self) -> None:
        values = np.asarray(self.values, dtype=np.float64)
        if values.ndim != 1:
            raise VectorError(
                f"the vector has shape {values.shape}", remedy="one axis of length d is needed"
            )
        if not np.isfinite(values).all():
            where = int(np.argmin(np.isfinite(values)))
            raise VectorError(
                f"the vector is {values[where]} at coordinate {where}",
                remedy="it was damaged or computed in half precision: make it again",
            )
        norm = float(np.linalg.norm(values))
        if norm == 0:
            raise VectorError("the vector is zero", remedy="P and N have the same mean state")
        # float32 storage rounds the length in its seventh digit.
        if not abs(norm - self.metadata.norm) <= 1e-5 * norm:
            raise VectorError(
                f"the vector is {norm:.6g} long, its metadata says {self.metadata.norm:.6g}",
                remedy="the file is damaged or was edited: make it again",
            )
        object.__setattr__(self, "values", values)

    @property
    def site(self) -> Site:
        """Where it was read, and where it is to be added."""
        return Site.parse(self.metadata.site)

    def require(self, *, model: str, fingerprint: str, tokenizer: str, width: int) -> None:
        """Refuse a model that the vector was not made for.

        Raises
        ------
        VectorError
            Width, weights or vocabulary differ; the message says what the file expects.
        """
        if self.values.size != width:
            raise VectorError(
                f"the vector has {self.values.size} coordinates, the model's states have {width}",
                remedy=f"it was made for {self.metadata.model}",
            )
        for what, mine, yours in (
            ("weights", self.metadata.fingerprint, fingerprint),
            ("vocabulary", self.metadata.tokenizer, tokenizer),
        ):
            if mine and mine != yours:
                raise VectorError(
                    f"the vector was made for other {what} ({mine}, {self.metadata.model}),"
                    f" this model has {yours} ({model})",
                    remedy="make the vector again with this model",
                )
        if not self.metadata.fingerprint and _slug(self.metadata.model) != _slug(model):
            raise VectorError(
                f"the vector was made for {self.metadata.model!r}, the model is {model!r}",
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
                f"the vector belongs to {self.metadata.site}, it is to be added at {site.name}",
                remedy=f"steer {self.metadata.site}, or make a vector for {site.name}",
            )

    def applied(self, apply: str) -> SteeringVector:
        """The same vector with another apply rule, on purpose."""
        return replace(self, metadata=replace(self.metadata, apply=apply))


def text_hash(texts: Sequence[str]) -> str:
    """Sixteen hexadecimal digits of a list of texts, in order."""
    return hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()[:16]


def save_vector(vector: SteeringVector, path: Path) -> Path:
    """Write a ``.npz`` or ``.safetensors`` file, whole or not at all.

    Raises
    ------
    VectorError
        Another ending.
    OutputError
        The file cannot be written.
    """
    metadata = {name: str(value) for name, value in asdict(vector.metadata).items()}
    if path.suffix == ".npz":
        text = json.dumps(metadata)

        def write(target: Path) -> None:
            np.savez(target, allow_pickle=False, vector=vector.values, metadata=np.array(text))

        return write_whole(path, write)
    if path.suffix == ".safetensors":
        from safetensors.numpy import save_file

        return write_whole(
            path, lambda target: save_file({"vector": vector.values}, str(target), metadata)
        )
    raise VectorError(
        f"cannot write a vector to {path.name!r}", remedy="name it .npz or .safetensors"
    )


def load_vector(path: Path) -> SteeringVector:
    """Read what `save_vector` wrote.

    Raises
    ------
    VectorError
        The file cannot be read, or lacks a part of its metadata.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors import safe_open

            with safe_open(str(path), framework="np") as opened:
                found = dict(opened.metadata() or {})
                values = opened.get_tensor("vector")
        else:
            with np.load(path, allow_pickle=False) as arrays:
                values, found = arrays["vector"], json.loads(str(arrays["metadata"]))
    except Exception as error:
        # zip, JSON, safetensors and the file system each raise their own; all mean one thing.
        raise VectorError(
            f"cannot read a steering vector from {path}: {error}",
            remedy="give a .npz or .safetensors file written by this package;"
            " `import_vector` reads other formats",
        ) from error
    return SteeringVector(values, _metadata(found, path))


def _metadata(found: dict[str, str], path: Path) -> VectorMetadata:
    absent = [field.name for field in fields(VectorMetadata) if field.name not in found]
    if absent:
        raise VectorError(
            f"{path} does not say: {', '.join(absent)}",
            remedy="a vector without its site, rules and model cannot be applied: make it again",
        )
    convert: dict[str, Any] = {
        "norm": float,
        "residual_norm": float,
        "positives": int,
        "negatives": int,
    }
    return VectorMetadata(
        **{
            field.name: convert.get(field.name, str)(found[field.name])
            for field in fields(VectorMetadata)
        }
    )


def _slug(model: str) -> str:
    """The last part of a hub id, lower case, other characters than letters and digits as `-`."""
    name = model.rsplit("/", 1)[-1].lower()
    return "".join(c if c.isalnum() else "-" for c in name)
