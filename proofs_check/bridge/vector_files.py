"""Everyone's vector files, read and written. Nothing in a file is ever executed. No torch here.

| file | holds | written |
| --- | --- | --- |
| `.safetensors` | `vector` with metadata; steering-lite's `layer<l>.v`; others, bf16 too | yes |
| `.npz` | `vector` with metadata | yes |
| `.gguf` | control vector of repeng and llama.cpp, any number of layers | yes |
| `.pt` | the paper's dictionary, {layer: tensor} or a bare tensor (CAA, refusal, persona) | yes |
| `.npy` | a bare array | with a `.json` |
| `.svec` | JSON of AISteer360 | no |

Bare tensors are (d,), (layers, d) or (positions, layers, d), of which the last position counts. One
row more than the model has blocks means that row 0 is the embedding, as in `hidden_states`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge.errors import VectorError
from steering_strength.proofs_check.bridge.vectors import Site, SteeringVector
from steering_strength.theory.files import write_whole

__all__ = ["ENDINGS", "import_vector", "import_vectors", "require_ending", "save_vector"]

Floats = NDArray[np.float64]

ENDINGS = (".safetensors", ".npz", ".gguf", ".npy", ".pt")


def save_vector(
    vector: SteeringVector,
    path: Path | str,
    *,
    alpha: float | None = None,
    said: Mapping[str, str] | None = None,
) -> tuple[Path, ...]:
    """Write the vector; the ending of `path` chooses the format. Returns the files written.

    Parameters
    ----------
    alpha : float, optional
        The advised strength. `.safetensors`, `.npz` and `.pt` keep the vector as it is and record
        it; `.gguf` and `.npy` hold alpha times the vector, to be added once: scale 1 elsewhere.
    said : mapping, optional
        Further metadata.

    Raises
    ------
    VectorError
        Another ending, an alpha that is not finite or 0, or a site the format cannot say.
    OutputError
        The file cannot be written; an older one is untouched.
    """
    target = Path(path)
    require_ending(target)
    if alpha is not None and not (math.isfinite(alpha) and alpha != 0.0):
        raise VectorError(
            f"{target} is not written: the advised alpha is {alpha}",
            remedy="no strength follows from this advice: ask for less, or limit alpha by a budget",
        )
    told = {**vector.said(), **(said or {})}
    if alpha is not None:
        told["alpha"] = repr(float(alpha))
    scaled = vector.values * (1.0 if alpha is None else alpha)
    if target.suffix == ".npz":
        content = {"vector": vector.values, "metadata": np.array(json.dumps(told))}
        return (write_whole(target, lambda to: np.savez(to, allow_pickle=False, **content)),)
    if target.suffix == ".safetensors":
        from safetensors.numpy import save_file

        return (
            write_whole(target, lambda to: save_file({"vector": vector.values}, str(to), told)),
        )
    if target.suffix == ".npy":
        about = {**told, "content": "alpha times the vector", "unit": "add once: alpha is inside"}
        text = json.dumps(about, indent=1) + "\n"
        # The description first: an array without it would be a column of numbers.
        return (
            write_whole(target.with_suffix(".json"), lambda to: to.write_text(text)),
            write_whole(target, lambda to: np.save(to, scaled, allow_pickle=False)),
        )
    if vector.site.layer is None:
        raise VectorError(
            f"a {target.suffix} file names a block, this vector belongs to the final norm",
            remedy="export it as .safetensors, .npz or .npy",
        )
    write = _write_gguf if target.suffix == ".gguf" else _write_paper
    return (write_whole(target, partial(write, vector, scaled, told)),)


def require_ending(path: Path) -> None:
    """Raise VectorError unless the ending of `path` is one that can be written."""
    if path.suffix not in ENDINGS:
        raise VectorError(
            f"cannot write a vector to {path.name!r}", remedy=f"end it in {', '.join(ENDINGS)}"
        )


def import_vector(
    source: Any,
    *,
    site: Site | int | str | None = None,
    model: str | None = None,
    blocks: int | None = None,
) -> SteeringVector:
    """Read one vector from a file, or from an object of another library.

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

    Raises
    ------
    VectorError
        The file cannot be read, does not hold the layer, or says less than is needed.
    MissingExtraError
        The format needs torch or gguf, which is not installed.
    """
    where = None if site is None else site if isinstance(site, Site) else Site.parse(str(site))
    found = import_vectors(source, site=where, model=model, blocks=blocks)
    if where is not None:
        chosen = [vector for vector in found if vector.site == where]
    else:
        chosen = found if len(found) == 1 else []
    if chosen:
        return chosen[0]
    held = ", ".join(vector.site.name for vector in found[:8]) + (", ..." if found[8:] else "")
    asked = "no site was named" if where is None else f"{where.name} is not among them"
    raise VectorError(f"{_named(source)} holds vectors for {held}; {asked}", remedy="name a site")


def import_vectors(
    source: Any,
    *,
    site: Site | None = None,
    model: str | None = None,
    blocks: int | None = None,
) -> list[SteeringVector]:
    """Read all vectors of a file or object, one per layer; see `import_vector`."""
    if isinstance(source, str | Path):
        path = Path(source)
        if not path.is_file():
            raise VectorError(f"no file {path}", remedy="check the path of the vector")
        if path.suffix not in _READERS:
            raise VectorError(
                f"the ending {path.suffix!r} is not a known vector format",
                remedy=f"known: {', '.join(_READERS)}",
            )
        try:
            content, said = _READERS[path.suffix](path)
        except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError) as error:
            # zip, JSON, torch and the file system each raise their own; all mean one thing.
            raise VectorError(
                f"cannot read {path}: {_line(error)}", remedy="the file is damaged or not a vector"
            ) from error
    else:
        content, said = source, {}
    said = {**said, **({"model": model} if model else {})}
    if isinstance(content, Mapping) and set(content) == {"vector"} and "site" in said:
        return [_described(content["vector"], Site.parse(said["site"]), said)]
    layers = _by_layer(content, site, blocks, _named(source))
    return [_described(values, place, said) for place, values in layers.items()]


def _described(values: Any, site: Site, said: Mapping[str, str]) -> SteeringVector:
    if said.get("operation", "add") != "add":
        raise VectorError(
            f"the operation is {said['operation']!r}",
            remedy="only vectors that are added can be steered with here",
        )
    convert: dict[str, Any] = {
        "residual_norm": float, "sink_cosine": float, "positives": int, "negatives": int
    }  # fmt: skip
    known = {f.name for f in fields(SteeringVector) if f.init} - {"values", "site"}
    kept = {name: convert.get(name, str)(said[name]) for name in known & set(said)}
    array = _array(values)
    kept.setdefault("dtype", str(array.dtype))
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
        numbered = {}
        for key, values in content.items():
            number = re.findall(r"\d+", str(key))
            if number and np.ndim(_array(values)) >= 1:
                numbered[Site(int(number[-1]))] = _array(values)
        if not numbered and len(content) == 1:
            return _by_layer(next(iter(content.values())), site, blocks, name)
        if not numbered:
            raise VectorError(
                f"{name} holds {', '.join(map(str, list(content)[:8])) or 'nothing'}",
                remedy="a vector named `vector`, or one per layer whose name ends in its number",
            )
        return {
            place: values.reshape(-1) if values.shape[0] == 1 else values
            for place, values in sorted(numbered.items(), key=lambda item: item[0].layer or 0)
        }
    array = _array(content)
    if array.ndim == 3:
        array = array[-1]
    if array.ndim == 2 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 1:
        if site is None:
            raise VectorError(
                f"{name} is a bare array: it does not name its site",
                remedy="say it, for instance site 'block_out 15'",
            )
        return {site: array}
    if array.ndim != 2:
        raise VectorError(
            f"{name} has shape {array.shape}",
            remedy="(d,), (layers, d) or (positions, layers, d) are read",
        )
    first = 0
    if blocks is not None and array.shape[0] != blocks:
        if array.shape[0] != blocks + 1:
            raise VectorError(
                f"{name} has {array.shape[0]} layers, the model {blocks}",
                remedy="it was made for another model",
            )
        first = 1
    rows = {Site(layer): row for layer, row in enumerate(array[first:]) if row.any()}
    return rows or {Site(0): array[0]}


def _array(values: Any) -> NDArray[Any]:
    """Any library's array as NumPy: off its graph and device, bf16 widened."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.float() if "float16" in str(values.dtype) else values
        values = values.numpy()
    return np.asarray(values)


def _read_npz(path: Path) -> tuple[Any, dict[str, str]]:
    with np.load(path, allow_pickle=False) as arrays:
        content = {name: arrays[name] for name in arrays.files if name != "metadata"}
        said = json.loads(str(arrays["metadata"])) if "metadata" in arrays.files else {}
    return content, {str(key): str(value) for key, value in said.items()}


def _read_npy(path: Path) -> tuple[Any, dict[str, str]]:
    return np.load(path, allow_pickle=False), {}


def _read_svec(path: Path) -> tuple[Any, dict[str, str]]:
    content = json.loads(path.read_text(encoding="utf-8"))
    layers = {key: np.asarray(value) for key, value in content["directions"].items()}
    return layers, {"model": str(content.get("model_type", "")), "dtype": "json"}


def _read_safetensors(path: Path) -> tuple[Any, dict[str, str]]:
    """Read the format by its specification: NumPy has no bfloat16, so the library refuses it."""
    kinds = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    said = {str(key): str(value) for key, value in header.pop("__metadata__", {}).items()}
    content = {}
    for name, entry in header.items():
        if entry["dtype"] not in kinds:
            continue
        begin, end = entry["data_offsets"]
        raw = np.frombuffer(data[8 + size + begin : 8 + size + end], dtype=kinds[entry["dtype"]])
        if entry["dtype"] == "BF16":
            raw = (raw.astype(np.uint32) << 16).view(np.float32)
        content[name] = raw.reshape(entry["shape"])
    if set(content) == {"W"}:
        raise VectorError(
            f"{path} holds a single `W`",
            remedy="that belongs to the input norm of a block, which is not a site here",
        )
    config = json.loads(said.pop("cfg", "{}"))
    if "model" in config:
        said["model"] = str(config["model"])
    return content, said


def _read_pt(path: Path) -> tuple[Any, dict[str, str]]:
    from steering_strength.proofs_check.bridge.extra import require

    require()
    import torch

    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise VectorError(
            f"cannot read {path} without unpickling code: {_line(error)}",
            remedy="only tensors and dictionaries of them are read; save the vector as .npy, or"
            " give the object itself in Python",
        ) from error
    if not (isinstance(content, Mapping) and "steering_vector" in content):
        return content, {}
    values = content["steering_vector"]
    if "hidden_size" in content and int(content["hidden_size"]) != values.numel():
        raise VectorError(
            f"{path} says hidden_size {content['hidden_size']} and holds {values.numel()} values",
            remedy="the file is damaged: make it again",
        )
    said = {str(key): str(value) for key, value in content.items() if key != "steering_vector"}
    return {int(content["layer_idx"]): values}, said


def _read_gguf(path: Path) -> tuple[Any, dict[str, str]]:
    from steering_strength.proofs_check.bridge.extra import require

    require("gguf")
    import gguf

    try:
        reader = gguf.GGUFReader(path)
        told = {name: entry.contents() for name, entry in reader.fields.items()}
    except Exception as error:
        raise VectorError(
            f"cannot read {path}: {_line(error)}", remedy="give a GGUF control vector"
        ) from error
    if told.get("general.architecture") != "controlvector":
        raise VectorError(
            f"{path} is a GGUF file of architecture {told.get('general.architecture')!r}",
            remedy="a control vector has the architecture 'controlvector'",
        )
    content = {
        tensor.name: np.array(tensor.data, dtype=np.float32)
        for tensor in reader.tensors
        if tensor.name.startswith("direction.")
    }
    hint = str(told.get("controlvector.model_hint", ""))
    return content, {"model": hint, "read": "last"}


_READERS = {
    ".safetensors": _read_safetensors,
    ".npz": _read_npz,
    ".gguf": _read_gguf,
    ".npy": _read_npy,
    ".pt": _read_pt,
    ".pth": _read_pt,
    ".bin": _read_pt,
    ".svec": _read_svec,
}


def _write_paper(
    vector: SteeringVector, _scaled: Floats, told: Mapping[str, str], target: Path
) -> None:
    """The layout of the paper's tool, with our fields added."""
    from steering_strength.proofs_check.bridge.extra import require

    require()
    import torch

    content = {
        **told,
        "concept_slug": "".join(c if c.isalnum() else "-" for c in told.get("concept", "").lower()),
        "layer_idx": vector.site.layer,
        "hidden_size": int(vector.values.size),
        "steering_vector": torch.as_tensor(vector.values.copy()).to(torch.float32),
    }
    torch.save(content, target)


def _write_gguf(
    vector: SteeringVector, scaled: Floats, told: Mapping[str, str], target: Path
) -> None:
    """A control vector for llama.cpp and repeng; llama.cpp steers no block 0."""
    from steering_strength.proofs_check.bridge.extra import require

    if not vector.site.layer:
        raise VectorError(
            "llama.cpp cannot steer the output of block 0",
            remedy="steer a later block, or export as .safetensors",
        )
    require("gguf")
    import gguf

    writer = gguf.GGUFWriter(target, "controlvector")
    writer.add_string("controlvector.model_hint", vector.model_type or vector.model)
    writer.add_uint32("controlvector.layer_count", 1)
    for name, value in told.items():
        writer.add_string(f"steering_strength.{name}", value)
    writer.add_tensor(f"direction.{vector.site.layer}", scaled.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _named(source: Any) -> str:
    return str(source) if isinstance(source, str | Path) else f"a {type(source).__name__}"


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
