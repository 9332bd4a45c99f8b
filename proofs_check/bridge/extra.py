"""The optional extra: torch and transformers are imported here first, or the remedy is named.

Every other module of this package that needs torch is imported after `require`, so a machine
without the extra gets one line with the command that installs it, never a traceback.
"""

from __future__ import annotations

import importlib
import os

from steering_strength.theory.errors import MissingExtraError

__all__ = ["INSTALL", "quiet", "require", "versions"]

INSTALL = "python -m pip install 'steering-strength[bridge]', or use `make bridge`"

_REQUIRED = ("torch", "transformers")


def require(*extra_modules: str) -> None:
    """Import torch, transformers and `extra_modules`.

    Raises
    ------
    MissingExtraError
        A module is absent; the message holds the command that installs it.
    """
    for name in (*_REQUIRED, *extra_modules):
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise MissingExtraError(
                f"the real-model checks need the package {name!r}, which cannot be imported"
                f" ({error})",
                remedy=f"install the optional extra: {INSTALL}",
            ) from error


def quiet() -> None:
    """No network, no progress bars, no notices of the loaders; call before `require`.

    For the command line only: a library must not change its caller's downloads or tqdm.
    """
    # transformers reads these once, at import. A validation that can be repeated must not
    # depend on what a server answers today, and a missing file must be an error, not a download.
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TRANSFORMERS_OFFLINE"] = "1"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ["TQDM_DISABLE"] = "1"  # the GGUF reader's own bar, out of transformers' reach
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on, for the JSON and the figure's caption."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("torch", "transformers", "gguf", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
