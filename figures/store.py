"""Records as `.npz`, pictures as files; `theory.files.staged` puts both in place together."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.theory.errors import UnknownNameError

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

__all__ = ["FORMATS", "arrays", "parse_formats", "save_arrays", "save_picture"]

FORMATS = ("pdf", "png", "svg")

# Dates and versions would make two runs differ; Matplotlib leaves out what is None.
_METADATA: dict[str, dict[str, str | None]] = {
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}


def parse_formats(text: str) -> tuple[str, ...]:
    """Split ``"pdf,png"``; raises `UnknownNameError` on a format that is not offered."""
    names = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    for name in names or ("",):
        if name not in FORMATS:
            raise UnknownNameError("picture format", name, FORMATS)
    return names


def arrays(record: object, prefix: str = "") -> dict[str, NDArray[Any]]:
    """Every field of a frozen record as an array; a nested record's fields get its name and a dot.

    Strings become Unicode arrays and numbers arrays without axes, so `numpy.load` needs no
    pickle to read them back.
    """
    if not is_dataclass(record):
        raise TypeError(f"a figure's record is a dataclass, got {type(record).__name__}")
    found: dict[str, NDArray[Any]] = {}
    for field in fields(record):
        value, name = getattr(record, field.name), prefix + field.name
        if is_dataclass(value):
            found.update(arrays(value, f"{name}."))
            continue
        array = np.asarray(value)
        if array.dtype.hasobject:
            raise TypeError(f"field {name} would need a pickle: its dtype is object")
        found[name] = array
    return found


def save_arrays(path: Path, record: object, metadata: Mapping[str, object]) -> None:
    """Write a record and, under the name ``metadata``, a JSON object that says what it is."""
    text = json.dumps(metadata, sort_keys=True, ensure_ascii=False)
    content: dict[str, Any] = {"metadata": np.asarray(text), **arrays(record)}
    np.savez_compressed(path, **content)


def save_picture(canvas: Canvas, path: Path) -> None:
    """Write one picture; its format is the file's suffix, its bytes depend on nothing else."""
    kind = path.suffix.removeprefix(".")
    # The library that cuts fonts for PDF narrates, and wonders how old Matplotlib's own fonts are.
    fonts = logging.getLogger("fontTools")
    level = fonts.level
    fonts.setLevel(logging.ERROR)
    try:
        canvas.savefig(path, format=kind, metadata=_METADATA[kind])
    finally:
        fonts.setLevel(level)
