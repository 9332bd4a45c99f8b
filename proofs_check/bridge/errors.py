"""Mistakes that only a real model can make, and the optional extra: torch and transformers.

Every module here that needs torch is imported after `require`, so a machine without the extra gets
one line with the command that installs it, never a traceback.
"""

from __future__ import annotations

import importlib
import os
from importlib.metadata import PackageNotFoundError, version

from steering_strength.theory.errors import MissingExtraError, SteeringError

__all__ = [
    "CurveError", "ModelError", "SelfCheckError", "VectorError", "first_line", "quiet", "require",
    "versions",
]  # fmt: skip


class ModelError(SteeringError):
    """A model cannot be found or loaded, or lacks a part that the bridge steers or reads."""


class SelfCheckError(SteeringError):
    """A self-check failed: the numbers would not mean what their labels say."""


class VectorError(SteeringError):
    """A steering vector does not fit the model, the site or the rule it is to be used with."""


class CurveError(SteeringError):
    """A file of measured curves cannot be read, or contradicts itself."""


def first_line(error: BaseException) -> str:
    """What an error of another library says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def require(*extra_modules: str) -> None:
    """Import torch, transformers and `extra_modules`.

    Raises
    ------
    MissingExtraError
        A module is absent; the message holds the command that installs it.
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


def quiet() -> None:
    """No network, no progress bars, no notices of the loaders; call before `require`.

    For the command line only: a library must not change its caller's downloads or tqdm.
    """
    # transformers reads these once, at import. A validation that can be repeated must not
    # depend on what a server answers today, and a missing file must be an error, not a download.
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_PROGRESS_BARS",
                 "TQDM_DISABLE", "HF_HUB_DISABLE_TELEMETRY"):  # fmt: skip
        os.environ[name] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on, for the JSON and the figure's caption."""
    found = {}
    for name in ("torch", "transformers", "gguf", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
