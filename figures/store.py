"""Records as `.npz`, pictures as files; `theory.files.staged` puts both in place together."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.theory.errors import UnknownNameError

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

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


class Record:
    """What a figure draws and its ``.npz`` holds: arrays, numbers and words by name, fixed.

    Which there are, `curves` of the figure's module says. Many have `alpha`, (A,), the strengths;
    `context`, by name; `tokens`, V names; `concept`, (V,), the number of each token's concept, and
    `target`, that of T; `law` and `simulated`, the same from closed forms and from a steered model.
    All have the `deviation` between the two: by default max |law - simulated|.
    """

    def __init__(self, **parts: Any) -> None:
        if {"law", "simulated"} <= parts.keys() and "deviation" not in parts:
            parts["deviation"] = float(np.abs(parts["law"] - parts["simulated"]).max())
        vars(self).update(parts)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"this record has {', '.join(vars(self))}, and no {name}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} of a record is fixed")

    def changed(self, **parts: Any) -> Record:
        """The same with other values for some of its parts."""
        return Record(**vars(self) | parts)


def arrays(record: Record, prefix: str = "") -> dict[str, NDArray[Any]]:
    """Every part of a record as an array; those of a nested record get its name and a dot.

    Strings become Unicode arrays and numbers arrays without axes, so `numpy.load` needs no
    pickle to read them back.
    """
    found: dict[str, NDArray[Any]] = {}
    for name, value in vars(record).items():
        if isinstance(value, Record):
            found |= arrays(value, f"{prefix}{name}.")
            continue
        found[prefix + name] = np.asarray(value)
        if found[prefix + name].dtype.hasobject:
            raise TypeError(f"{prefix}{name} would need a pickle: its dtype is object")
    return found


def save_arrays(path: Path, record: Record, metadata: Mapping[str, object]) -> None:
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
