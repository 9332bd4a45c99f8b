"""Steering vectors of other tools, read with the meaning that their format gives them.

| format | site | what the file itself says |
| --- | --- | --- |
| authors' `layer_<i>.pt` | block output i | model, layer, width |
| repeng GGUF (`controlvector`) | block output l | model hint, layers |
| steering-lite safetensors (`layer<l>.v`) | block output l | configuration |
| plain `.npy` | must be given | nothing |

What a format does not say stays empty in the metadata and is checked as far as it goes; nothing is
unpickled.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge.errors import VectorError
from steering_strength.proofs_check.bridge.sites import Site
from steering_strength.proofs_check.bridge.steering.vectors import (
    SteeringVector,
    VectorMetadata,
    load_vector,
)

__all__ = ["import_vector"]


def import_vector(
    path: Path, *, site: Site | None = None, model: str | None = None
) -> SteeringVector:
    """Read a vector from `path`; the ending chooses the format.

    Parameters
    ----------
    path : Path
        ``.npz`` or ``.safetensors`` of this package, or one of the formats above.
    site : Site or None
        Which layer to take from a file with several, and the site of a plain ``.npy``. A file
        that names another site is refused.
    model : str or None
        The model of a file that names none.

    Raises
    ------
    VectorError
        The file cannot be read, does not hold the layer, or says less than is needed.
    MissingExtraError
        The format needs torch or gguf, which is not installed.
    """
    if not path.is_file():
        raise VectorError(f"no file {path}", remedy="check the path of the vector")
    readers = {
        ".npz": lambda: load_vector(path),
        ".safetensors": lambda: _from_safetensors(path, site, model),
        ".pt": lambda: _from_authors(path),
        ".gguf": lambda: _from_repeng(path, site),
        ".npy": lambda: _from_npy(path, site, model),
    }
    if path.suffix not in readers:
        raise VectorError(
            f"the ending {path.suffix!r} is not a known vector format",
            remedy=f"known: {', '.join(readers)}",
        )
    vector = readers[path.suffix]()
    if site is not None:
        vector.require_site(site)
    return vector


def _foreign(
    values: NDArray[np.generic], model: str, site: Site, *, read: str = "mean"
) -> SteeringVector:
    flat = np.asarray(values, dtype=np.float64)
    return SteeringVector(
        flat,
        VectorMetadata(
            model=model,
            fingerprint="",
            tokenizer="",
            site=site.name,
            read=read,
            apply="all",
            operation="add",
            norm=float(np.linalg.norm(flat)),
            residual_norm=float("nan"),
            positives=0,
            negatives=0,
            positive_hash="",
            negative_hash="",
            dtype=str(values.dtype),
        ),
    )


def _from_authors(path: Path) -> SteeringVector:
    from steering_strength.proofs_check.bridge.extra import require

    require()
    import torch

    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise VectorError(
            f"cannot read {path} without unpickling code: {str(error).splitlines()[0]}",
            remedy="only dictionaries of tensors and numbers are read; save the vector as .npy",
        ) from error
    absent = [key for key in ("model", "layer_idx", "steering_vector") if key not in content]
    if absent:
        raise VectorError(
            f"{path} lacks {', '.join(absent)}", remedy="give a file of the paper's own tool"
        )
    values = content["steering_vector"].to(torch.float32).numpy()
    if "hidden_size" in content and int(content["hidden_size"]) != values.size:
        raise VectorError(
            f"{path} says hidden_size {content['hidden_size']} and holds {values.size} values",
            remedy="the file is damaged: make it again",
        )
    return _foreign(values, str(content["model"]), Site(int(content["layer_idx"])))


def _from_repeng(path: Path, site: Site | None) -> SteeringVector:
    from steering_strength.proofs_check.bridge.extra import require

    require("gguf")
    import gguf

    try:
        reader = gguf.GGUFReader(path)
        fields = {name: field.contents() for name, field in reader.fields.items()}
    except Exception as error:
        raise VectorError(
            f"cannot read {path}: {error}", remedy="give a GGUF control vector"
        ) from error
    if fields.get("general.architecture") != "controlvector":
        raise VectorError(
            f"{path} is a GGUF file of architecture {fields.get('general.architecture')!r}",
            remedy="a control vector has the architecture 'controlvector'",
        )
    found = {
        int(t.name.removeprefix("direction.")): np.array(t.data)
        for t in reader.tensors
        if t.name.startswith("direction.")
    }
    hint = str(fields.get("controlvector.model_hint", ""))
    layer = _choose(found, site, path)
    return _foreign(found[layer], hint, Site(layer), read="last")


def _from_safetensors(path: Path, site: Site | None, model: str | None) -> SteeringVector:
    from safetensors import safe_open

    try:
        with safe_open(str(path), framework="np") as opened:
            metadata = dict(opened.metadata() or {})
            arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except Exception as error:
        raise VectorError(f"cannot read {path}: {error}", remedy="the file is damaged") from error
    if "vector" in arrays:
        return load_vector(path)
    found = {
        int(name[len("layer") : -len(".v")]): values
        for name, values in arrays.items()
        if name.startswith("layer") and name.endswith(".v")
    }
    if not found:
        raise VectorError(
            f"{path} holds {', '.join(arrays) or 'nothing'}",
            remedy="tensors `vector` (this package) or `layer<l>.v` (steering-lite) are read;"
            " a single `W` belongs to the input norm of a block, which is not a site here",
        )
    config = json.loads(metadata.get("cfg", "{}"))
    name = model or str(config.get("model", ""))
    layer = _choose(found, site, path)
    return _foreign(found[layer], name, Site(layer))


def _from_npy(path: Path, site: Site | None, model: str | None) -> SteeringVector:
    if site is None or model is None:
        raise VectorError(
            f"{path} is a bare array: it names neither its site nor its model",
            remedy="say both, for instance site 'block_out 15'",
        )
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise VectorError(
            f"cannot read {path}: {error}", remedy="give an array saved by numpy.save"
        ) from error
    return _foreign(values, model, site)


def _choose(found: dict[int, Any], site: Site | None, path: Path) -> int:
    if site is not None and site.layer in found:
        return int(site.layer or 0)
    if site is None and len(found) == 1:
        return next(iter(found))
    held = ", ".join(str(layer) for layer in sorted(found))
    asked = "no layer was named" if site is None else f"{site.name} is not among them"
    raise VectorError(
        f"{path} holds vectors for blocks {held}; {asked}", remedy="name one of its blocks"
    )
