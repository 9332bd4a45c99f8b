"""What ``make bridge`` left behind on a real language model, for the report to show.

The report never runs the model: the bridge needs an optional extra and minutes. If its result
lies in ``OUT/bridge``, it is shown; if not, the report says how to get it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steering_strength.proofs_check.verdict import Verdict
from steering_strength.theory.errors import OutputError

__all__ = ["RealModel", "read_real_model"]

_STEM = "final_norm"


@dataclass(frozen=True)
class RealModel:
    """A validation of the laws on one real model.

    Attributes
    ----------
    model, concept, measured : mapping
        As the bridge wrote them: name, width, vocabulary; texts; numbers.
    verdicts : tuple of Verdict
        Method "real-model".
    picture : bytes or None
        The figure as PNG.
    """

    model: Mapping[str, Any]
    concept: Mapping[str, Any]
    measured: Mapping[str, Any]
    verdicts: tuple[Verdict, ...]
    picture: bytes | None


def read_real_model(folder: Path) -> RealModel | None:
    """The bridge's result in `folder`, or None if there is none.

    Raises
    ------
    OutputError
        There is a file, but not one that the bridge wrote whole.
    """
    path = folder / f"{_STEM}.json"
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        verdicts = tuple(_verdict(entry) for entry in content["results"])
        parts = {name: dict(content[name]) for name in ("model", "concept", "measured")}
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"{path} is no result of the bridge ({type(error).__name__}: {error})",
            remedy="run make bridge again, or move the file away",
        ) from error
    image = folder / f"{_STEM}.png"
    return RealModel(
        model=parts["model"],
        concept=parts["concept"],
        measured=parts["measured"],
        verdicts=verdicts,
        picture=image.read_bytes() if image.is_file() else None,
    )


def _verdict(entry: Mapping[str, Any]) -> Verdict:
    return Verdict(
        id=entry["id"],
        method=entry["method"],
        status=entry["status"],
        expected={"true": True, "false": False}[entry["expected"]],
        claim=entry.get("claim", ""),
        examples=int(entry["examples"]),
        max_error=entry["max_error"],
        counterexample=entry["counterexample"],
        seconds=float(entry["seconds"]),
        note=entry.get("note", ""),
    )
