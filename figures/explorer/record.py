"""From records to the JSON inside the page: arrays as base64 of doubles, bit by bit."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from steering_strength.figures.explorer.case import Case
from steering_strength.figures.explorer.curves import ContextCurves
from steering_strength.figures.explorer.windows import BUDGETS, LEVELS
from steering_strength.figures.style import AMBER, BLUE, GREEN, ORANGE

__all__ = ["COLOURS", "page_record", "to_json"]

COLOURS = (
    (BLUE, "#00578A"),
    (ORANGE, "#A34400"),
    (AMBER, "#7A5000"),
    ("#8F4A7A", "#74305F"),
    (GREEN, "#00563F"),
)
"""(lines and bars, text) of the target and of the other concepts: Okabe and Ito's, darkened. On
white lines have a contrast of at least 3, text of at least 4.5."""

_PLAIN = ("windows", "landmarks", "views", "view")


def page_record(found: Sequence[tuple[Case, tuple[ContextCurves, ...]]]) -> dict[str, Any]:
    """What the page looks things up in."""
    return {
        "budgets": list(BUDGETS),
        "levels": list(LEVELS),
        "level": LEVELS.index(0.5),
        "budget": BUDGETS.index(1.0),
        "blue": BLUE,
        "cases": [_case(case, contexts) for case, contexts in found],
    }


def to_json(record: dict[str, Any]) -> str:
    """JSON that can stand inside a script element, whatever the tokens are."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Both end a script element or change how it is read; as escapes they mean the same to JSON.
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _case(case: Case, contexts: tuple[ContextCurves, ...]) -> dict[str, Any]:
    order = [case.target, *(c for c in range(len(case.concept_names)) if c != case.target)]
    colours = {c: COLOURS[min(rank, len(COLOURS) - 1)] for rank, c in enumerate(order)}
    return {
        "key": case.key,
        "title": case.title,
        "story": case.story,
        "note": case.note,
        "start": case.start,
        "target": case.target,
        "concept_names": list(case.concept_names),
        "colours": [list(colours[c]) for c in range(len(case.concept_names))],
        "contexts": [
            _fields(context)
            | {
                "tokens": [case.tokens[z] for z in context.shown],
                "concept": [int(case.concept[z]) for z in context.shown],
                "landmarks": [{"alpha": m.alpha, "text": m.text} for m in context.landmarks],
                "windows": _fields(context.windows),
                "views": [
                    _fields(view)
                    | {"label": view.view.label, "low": view.view.low, "high": view.view.high}
                    for view in context.views
                ],
            }
            for context in contexts
        ],
    }


def _fields(record: object) -> dict[str, Any]:
    """The fields of a record that are numbers, words or arrays of them."""
    if not is_dataclass(record):
        raise TypeError(f"expected a record, got {type(record).__name__}")
    return {
        field.name: _value(getattr(record, field.name))
        for field in fields(record)
        if field.name not in _PLAIN and field.name != "shown"
    }


def _value(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        data = np.ascontiguousarray(value, dtype="<f8")
        return {"f64": base64.b64encode(data.tobytes()).decode("ascii"), "shape": list(data.shape)}
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if isinstance(value, tuple):
        return [_value(entry) for entry in value]
    return value
