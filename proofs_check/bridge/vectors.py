"""Steering vectors: where they are added, what they mean, and everyone's files. No torch on import.

A vector without its site, position rule and model is a column of numbers: applied one layer off it
steers weakly and silently. So it carries them, and using it with another model is an error. Layers
are counted as block outputs from 0: `resid_post` of interpretability code, `decoder_block` of
steering-vectors, `direction.<l>` of repeng and llama.cpp, `layer_<l>.pt` of the paper's tool.

| file | holds | written |
| --- | --- | --- |
| `.safetensors` | `vector` with metadata; steering-lite's `layer<l>.v`; others, bf16 too | yes |
| `.npz` | `vector`, or `layer<l>`, with metadata | yes |
| `.gguf` | control vector of repeng and llama.cpp, any number of layers | yes |
| `.pt` | the paper's dictionary, {layer: tensor} or a bare tensor (CAA, refusal, persona) | yes |
| `.npy` | a bare array | one vector, with a `.json` |
| `.svec` | JSON of AISteer360 | no |

Nothing in a file is ever executed. Bare tensors are (d,), (layers, d) or (positions, layers, d), of
which the last position counts. One row more than the model has blocks means that row 0 is the
embedding, as in `hidden_states`.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge.loading import VectorError, require, said_by
from steering_strength.theory.engine.storage import read_archive
from steering_strength.theory.engine.validation import SQUARABLE, as_array
from steering_strength.theory.errors import ShapeError, SteeringError, UnknownNameError
from steering_strength.theory.files import opened, parse_json, read_json, write_text, write_whole

Floats = NDArray[np.float64]
Read = Literal["last", "mean"]
Apply = Literal["all", "last"]

# `mean` leaves out the first token: its residual is an attention sink, about a hundred times
# longer than the others, and two sets of texts whose lengths differ by one token would be told
# apart by little else.
_RULES = {"read": ("last", "mean"), "apply": ("all", "last")}
_REMEDY = "it is damaged, no vector, or holds code, which is never run: save tensors"


@dataclass(frozen=True)
class Site:
    """Where alpha * v is added: the output of block `layer`, from 0, or (None) of the final norm.

    Raises ShapeError for a negative index: counting from the end would hide which block is meant.
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
    def parse(cls, where: Site | int | str) -> Site:
        """Read `final_norm`, `block_out 15` or just `15`; else an UnknownNameError."""
        if isinstance(where, Site):
            return where
        word = str(where).strip()
        if word == "final_norm":
            return FINAL_NORM
        number = word.removeprefix("block_out").strip()
        if not re.fullmatch(r"[0-9]{1,9}", number):
            raise UnknownNameError(
                "site", str(where), ["final_norm", "block_out 0", "block_out 15"]
            )
        return cls(int(number))

    def module(self, model: Any) -> Any:
        """The module of this site in a model with `final_norm` and `blocks`, or a ShapeError."""
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

    Raises VectorError: another shape, a value that is not finite, zero, or an unknown rule.

    Parameters
    ----------
    values : array_like
        Shape (d,), finite and not zero; alpha is in units of it.
    site : Site
        Where it was read, and where it is added.
    model, model_type, fingerprint, tokenizer : str
        Names of the model and its architecture, hashes of its weights and of its vocabulary.
    read, apply : str
        Which states were averaged, which positions are steered.
    residual_norm : float
        Median length of a state at the site, so that alpha |v| can be judged; nan if unknown.
    positives, negatives, positive_hash, negative_hash
        Sizes and hashes of P and N.
    dtype : str
        Precision of the states or of the file.
    sink_cosine : float
        Cosine between the token-mean vectors without and with the first token; nan if unknown. Far
        from 1, a plain token mean would have been mostly the attention sink.
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
        try:
            values = as_array("the vector", self.values, finite=VectorError, most=SQUARABLE)
        except ShapeError as error:
            raise VectorError(error.problem, remedy=error.remedy) from None
        if not values.any():
            raise VectorError("the vector is zero", remedy="P and N have the same mean state")
        for name, rules in _RULES.items():
            if (rule := getattr(self, name)) not in rules:
                raise VectorError(f"the {name} rule is {rule!r}", remedy=f"give {', '.join(rules)}")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "norm", float(np.linalg.norm(values)))

    @property
    def parts(self) -> tuple[SteeringVector, ...]:
        """Itself, as one of `Several`."""
        return (self,)

    def require_width(self, width: int) -> None:
        """Refuse, by a VectorError, states of another width."""
        if self.values.size != width:
            raise VectorError(
                f"the vector has {self.values.size} coordinates, the model's states {width}",
                remedy=f"it was made for {self.model or 'another model'}",
            )

    def require(self, model: Any) -> None:
        """Refuse, by a VectorError, a model of other width, weights, vocabulary or name."""
        self.require_width(model.width)
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

    def said(self) -> dict[str, str]:
        """The metadata as text, as files carry it."""
        names = [f.name for f in fields(self) if f.name not in ("values", "site")]
        found = {name: str(getattr(self, name)) for name in names}
        return {**found, "site": self.site.name, "operation": "add", "unit": "multiples of vector"}


class Several(tuple[SteeringVector, ...]):
    """Vectors of different sites that share one strength, the lowest site first; used as one.

    Raises VectorError: none, two at one site, or different positions.
    """

    __slots__ = ()
    residual_norm = math.nan  # they share a strength, but no length of state

    def __new__(cls, vectors: Iterable[SteeringVector]) -> Self:
        """Put them in order."""
        ordered = sorted(vectors, key=lambda v: math.inf if v.site.layer is None else v.site.layer)
        sites, rules = [v.site.name for v in ordered], {v.apply for v in ordered}
        if len(rules) != 1 or len(set(sites)) < len(sites):
            said = f"vectors of {', '.join(sites) or 'no site'}, steering {' and '.join(rules)}"
            remedy = "give one vector a site, all with the same rule of positions"
            raise VectorError(said, remedy=remedy)
        return super().__new__(cls, ordered)

    @property
    def parts(self) -> tuple[SteeringVector, ...]:
        """One vector a site."""
        return self

    @property
    def site(self) -> Site:
        """The lowest one: below it nothing changes."""
        return self[0].site

    @property
    def apply(self) -> str:
        """Which positions are steered."""
        return self[0].apply

    @property
    def norm(self) -> float:
        """Euclidean length of all together."""
        return math.hypot(*(one.norm for one in self))


def text_hash(texts: Sequence[Any]) -> str:
    """Sixteen hexadecimal digits of a list of texts, in order."""
    return hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()[:16]


def _slug(model: str) -> str:
    """The last part of a hub id, lower case, other characters than letters and digits as `-`."""
    name = model.rsplit("/", 1)[-1].lower()
    return "".join(c if c.isalnum() else "-" for c in name)


def save_vector(
    vector: SteeringVector | Sequence[SteeringVector],
    path: Path | str,
    *,
    alpha: float | None = None,
    said: Mapping[str, str] | None = None,
) -> tuple[Path, ...]:
    """Write a vector, or one per layer; the ending of `path` chooses the format.

    Raises VectorError: another ending, an alpha that is not finite or 0, or a site the format
    cannot say; OutputError: the file cannot be written; an older one is untouched.

    Parameters
    ----------
    alpha : float, optional
        The advised strength. `.safetensors`, `.npz` and `.pt` keep the vectors as they are and
        record it; `.gguf` and `.npy` hold alpha times the vector, to be added once: scale 1
        elsewhere.
    said : mapping, optional
        Further metadata.

    Returns
    -------
    tuple of Path
        The files written.
    """
    target = require_ending(Path(path))
    parts = Several([vector] if isinstance(vector, SteeringVector) else vector)
    if alpha is not None and not (math.isfinite(alpha) and alpha != 0.0):
        raise VectorError(
            f"{target} is not written: the advised alpha is {alpha}",
            remedy="no strength follows from this advice: ask for less, or limit alpha by a budget",
        )
    kind, layers, problem = target.suffix, [one.site.layer for one in parts], ""
    if None in layers and (kind in (".gguf", ".pt") or len(layers) > 1):
        problem = f"a {kind} file names blocks, this vector belongs to the final norm"
    elif kind == ".npy" and len(layers) > 1:
        problem = "a bare array holds one vector"
    elif kind == ".gguf" and 0 in layers:
        problem = "llama.cpp steers no block 0, and this vector belongs there"
    if problem:
        raise VectorError(problem, remedy="export it alone, as .safetensors or .npz")
    # Of several vectors the file says what they share.
    tables = [one.said() for one in parts]
    told = {k: v for k, v in tables[0].items() if all(t[k] == v for t in tables)} | dict(said or {})
    made: tuple[Path, ...] = ()
    if alpha is not None:
        told["alpha"] = repr(float(alpha))
    if kind == ".npy":
        about = {**told, "content": "alpha times the vector", "unit": "add once: alpha is inside"}
        # The description first: an array without it would be a column of numbers.
        made = (write_text(target.with_suffix(".json"), json.dumps(about, indent=1) + "\n"),)
    scale = 1.0 if alpha is None else float(alpha)
    return (*made, write_whole(target, partial(_WRITERS[kind], parts, scale, told)))


def require_ending(path: Path) -> Path:
    """Return `path`; raise VectorError unless its ending is one that can be written."""
    if path.suffix not in _WRITERS:
        raise VectorError(
            f"cannot write a vector to {path.name!r}", remedy=f"end it in {', '.join(_WRITERS)}"
        )
    return path


def import_vector(
    source: Any,
    *,
    site: Site | int | str | None = None,
    model: str | None = None,
    blocks: int | None = None,
) -> SteeringVector:
    """Read one vector from a file, or from an object of another library.

    Raises VectorError: the file cannot be read, does not hold the layer, or says less than is
    needed; MissingExtraError: the format needs torch or gguf, which is not installed.

    Parameters
    ----------
    source : path, array, {layer: array}, or an object with `layer_activations` or `directions`
        A file of the table above; steering-vectors' SteeringVector and repeng's ControlVector.
    site : Site, int or str, optional
        Which layer to take where there are several, and the site of a bare array.
    model : str, optional
        The model of a file that names none; it replaces an architecture's name.
    blocks : int, optional
        How many blocks the model has: tells (layers, d) from (layers + 1, d).
    """
    found = import_vectors(source, site=site, model=model, blocks=blocks)
    where = None if site is None else Site.parse(site)
    chosen = found if where is None else [vector for vector in found if vector.site == where]
    if len(chosen) == 1:
        return chosen[0]
    held = ", ".join(vector.site.name for vector in found[:8]) + (", ..." if found[8:] else "")
    asked = "no site was named" if where is None else f"{where.name} is not among them"
    raise VectorError(f"{_named(source)} holds vectors for {held}; {asked}", remedy="name a site")


def import_vectors(
    source: Any,
    *,
    site: Site | int | str | None = None,
    model: str | None = None,
    blocks: int | None = None,
) -> list[SteeringVector]:
    """Read all vectors of a file or object, one per layer; see `import_vector`."""
    try:
        content, said = source, dict[str, str]()
        if isinstance(source, str | Path):
            path = Path(source)
            if path.suffix not in _READERS:
                raise SteeringError(
                    f"the ending {path.suffix!r} is not a known vector format",
                    remedy=f"known: {', '.join(_READERS)}",
                )
            with opened(path):  # torch and gguf would wait for a pipe
                content, said = _READERS[path.suffix](path)
        if model:
            said["model"] = model
        if isinstance(content, Mapping) and set(content) == {"vector"} and "site" in said:
            return [_described(content["vector"], Site.parse(said["site"]), said)]
        where = None if site is None else Site.parse(site)
        layers = _by_layer(content, where, blocks, _named(source))
        return [_described(values, place, said) for place, values in layers.items()]
    except SteeringError as error:
        if type(error) is not SteeringError:
            raise
        raise VectorError(error.problem, remedy=error.remedy) from None
    except Exception as error:
        # zip, torch, gguf and what a number is made of each raise their own; all mean one thing.
        problem = f"cannot read {_named(source)}: {said_by(error)}"
        raise VectorError(problem, remedy=_REMEDY) from error


def _described(values: Any, site: Site, said: Mapping[str, str]) -> SteeringVector:
    if said.get("operation", "add") != "add":
        raise VectorError(
            f"the operation is {said['operation']!r}",
            remedy="only vectors that are added can be steered with here",
        )
    array = _array(values)
    kept: dict[str, Any] = {"dtype": str(array.dtype)}
    for f in fields(SteeringVector):
        if f.init and f.name in said and f.name != "site":
            kept[f.name] = {"float": float, "int": int}.get(str(f.type), str)(said[f.name])
    made = SteeringVector(array, site, **kept)
    # float32 storage rounds the length in its seventh digit.
    if "norm" in said and not abs(made.norm - float(said["norm"])) <= 1e-5 * made.norm:
        raise VectorError(
            f"the vector is {made.norm:.6g} long, its metadata says {float(said['norm']):.6g}",
            remedy="the file is damaged or was edited: make it again",
        )
    return made


def _by_layer(content: Any, site: Site | None, blocks: int | None, name: str) -> dict[Site, Any]:
    """Layers of whatever a file or a library holds."""
    for attribute in ("layer_activations", "directions"):
        content = getattr(content, attribute, content)
        if isinstance(content, Mapping) and attribute in content:
            content = content[attribute]
    if isinstance(content, Mapping):
        found = {}
        for key, values in content.items():
            number, array = re.findall(r"\d+", str(key)), _array(values)
            if number and array.ndim >= 1:
                found[int(number[-1])] = array.reshape(-1) if array.shape[0] == 1 else array
        if found:
            return {Site(layer): values for layer, values in sorted(found.items())}
        if len(content) != 1:
            raise VectorError(
                f"{name} holds {', '.join(map(str, list(content)[:8])) or 'nothing'}",
                remedy="a vector named `vector`, or one per layer whose name ends in its number",
            )
        (content,) = content.values()
        return _by_layer(content, site, blocks, name)
    array = _array(content)
    shape = array.shape
    array = array[-1] if array.ndim == 3 else array
    array = array[0] if array.ndim == 2 and array.shape[0] == 1 else array
    if array.ndim == 1 and site is not None:
        return {site: array}
    if array.ndim == 1:
        raise VectorError(
            f"{name} is a bare array: it does not name its site",
            remedy="say it, for instance site 'block_out 15'",
        )
    first = 0 if blocks is None or array.ndim != 2 else array.shape[0] - blocks
    if array.ndim != 2 or first not in (0, 1):
        layers = f": {array.shape[0]} layers, the model {blocks}" if array.ndim == 2 else ""
        raise VectorError(
            f"{name} has shape {shape}{layers}",
            remedy="(d,), (layers, d) or (positions, layers, d) of this model are read",
        )
    return {Site(layer): row for layer, row in enumerate(array[first:]) if row.any()}


def _array(values: Any) -> NDArray[Any]:
    """Any library's array as NumPy: off its graph and device, bf16 widened."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.float() if "float16" in str(values.dtype) else values
        values = values.numpy()
    return np.asarray(values)


def _read_npz(path: Path) -> tuple[Any, dict[str, str]]:
    content = read_archive(path, _REMEDY)
    said = parse_json(str(content.pop("metadata", "{}")), f"the metadata of {path}", _REMEDY)
    return content, {str(key): str(value) for key, value in said.items()}


def _read_npy(path: Path) -> tuple[Any, dict[str, str]]:
    with opened(path) as stream:
        return np.load(stream, allow_pickle=False), {}


def _read_svec(path: Path) -> tuple[Any, dict[str, str]]:
    content = read_json(path, _REMEDY)
    layers = {key: np.asarray(value) for key, value in content["directions"].items()}
    return layers, {"model": str(content.get("model_type", "")), "dtype": "json"}


def _read_safetensors(path: Path) -> tuple[Any, dict[str, str]]:
    require()
    from safetensors import safe_open

    # As torch tensors: NumPy has no bfloat16.
    with safe_open(str(path), framework="pt") as file:
        content, said = {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    if set(content) == {"W"}:
        raise VectorError(
            f"{path} holds a single `W`",
            remedy="that belongs to the input norm of a block, which is not a site here",
        )
    config = parse_json(said.pop("cfg", "{}"), f"cfg of {path}", _REMEDY)
    return content, {**said, **({"model": str(config["model"])} if "model" in config else {})}


def _read_pt(path: Path) -> tuple[Any, dict[str, str]]:
    require()
    import torch

    content: Any = torch.load(path, map_location="cpu", weights_only=True)
    if not (isinstance(content, Mapping) and "steering_vector" in content):
        return content, {}
    values = content["steering_vector"]
    if int(content.get("hidden_size", values.numel())) != values.numel():
        raise VectorError(
            f"{path} says hidden_size {content['hidden_size']} and holds {values.numel()} values",
            remedy="the file is damaged: make it again",
        )
    said = {str(key): str(value) for key, value in content.items() if key != "steering_vector"}
    return {int(content["layer_idx"]): values}, said


def _read_gguf(path: Path) -> tuple[Any, dict[str, str]]:
    require("gguf")
    import gguf

    reader = gguf.GGUFReader(path)
    told = {name: entry.contents() for name, entry in reader.fields.items()}
    if told.get("general.architecture") != "controlvector":
        raise VectorError(
            f"{path} is a GGUF file of architecture {told.get('general.architecture')!r}",
            remedy="a control vector has the architecture 'controlvector'",
        )
    named = {tensor.name: np.array(tensor.data, dtype=np.float32) for tensor in reader.tensors}
    content = {name: row for name, row in named.items() if name.startswith("direction.")}
    return content, {"model": str(told.get("controlvector.model_hint", "")), "read": "last"}


def _named_arrays(parts: Several) -> dict[str, Floats]:
    if len(parts) == 1:
        return {"vector": parts[0].values}
    return {f"layer{one.site.layer}": one.values for one in parts}


def _write_npy(parts: Several, scale: float, _told: Mapping[str, str], to: Path) -> None:
    np.save(to, scale * parts[0].values)


def _write_npz(parts: Several, _scale: float, told: Mapping[str, str], to: Path) -> None:
    np.savez(to, allow_pickle=False, metadata=np.array(json.dumps(told)), **_named_arrays(parts))


def _write_safetensors(parts: Several, _scale: float, told: dict[str, str], to: Path) -> None:
    from safetensors.numpy import save_file

    save_file(_named_arrays(parts), str(to), told)


def _write_pt(parts: Several, _scale: float, told: Mapping[str, str], to: Path) -> None:
    """The layout of the paper's tool with our fields added; {layer: tensor} for several layers."""
    require()
    import torch

    made: dict[Any, Any] = {
        one.site.layer: torch.tensor(one.values, dtype=torch.float32) for one in parts
    }
    if len(parts) == 1:
        ((layer, vector),) = made.items()
        slug = _slug(told.get("concept", ""))
        about = {"concept_slug": slug, "layer_idx": layer, "hidden_size": vector.numel()}
        made = {**told, **about, "steering_vector": vector}
    torch.save(made, to)


def _write_gguf(parts: Several, scale: float, told: Mapping[str, str], to: Path) -> None:
    """A control vector for llama.cpp and repeng."""
    require("gguf")
    import gguf

    writer = gguf.GGUFWriter(to, "controlvector")
    writer.add_string("controlvector.model_hint", parts[0].model_type or parts[0].model)
    writer.add_uint32("controlvector.layer_count", len(parts))
    for name, value in told.items():
        writer.add_string(f"steering_strength.{name}", value)
    for one in parts:
        values = (scale * one.values).astype(np.float32)
        writer.add_tensor(f"direction.{one.site.layer}", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


_READERS = {
    ".safetensors": _read_safetensors,
    ".npz": _read_npz,
    ".gguf": _read_gguf,
    ".npy": _read_npy,
    **dict.fromkeys((".pt", ".pth", ".bin"), _read_pt),
    ".svec": _read_svec,
}
_WRITERS = {
    ".safetensors": _write_safetensors,
    ".npz": _write_npz,
    ".gguf": _write_gguf,
    ".npy": _write_npy,
    ".pt": _write_pt,
}


def _named(source: Any) -> str:
    return str(source) if isinstance(source, str | Path) else f"a {type(source).__name__}"
