"""A small report for the tests of it: a few laws, verdicts of every kind, a real model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from steering_strength.figures.gallery import FIGURES
from steering_strength.figures.report.content import Content, assemble
from steering_strength.figures.report.html import html_page
from steering_strength.figures.report.markdown import report
from steering_strength.proofs_check.registry import DERIVATIONS
from steering_strength.proofs_check.verdict import Verdict, as_json

PNG = b"\x89PNG, or what stands for it here"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'


def verdict(name: str, status: str, *, expected: bool = True, **more: object) -> Verdict:
    values = {
        "method": "property",
        "claim": f"claim of {name} with a | bar and a < sign",
        "examples": 12,
        "max_error": 0.25,
        "counterexample": None,
        "seconds": 0.1,
        **more,
    }
    return Verdict(id=name, status=status, expected=expected, **values)  # type: ignore[arg-type]


VERDICTS = (
    verdict("tilting", "passed"),
    verdict("tilting", "certified", method="certified", examples=3, max_error=None),
    verdict("slope", "unknown", note="ran out of <budget>"),
    verdict("sign-separation", "passed"),
    verdict(
        "sign-separation/any-rows", "refuted", expected=False, counterexample="data = f(1 < 2)"
    ),
    verdict("only-checked", "passed"),
)


FEW = ("steering-shift", "tilting", "sign-separation", "slope")


@cache
def derivation(name: str) -> dict[str, Any]:
    """The record of a law or of a false reading, made once."""
    return DERIVATIONS[name].record()


def content(
    verdicts: Iterable[Verdict] = VERDICTS,
    names: Iterable[str] = FEW,
    claims: Sequence[dict[str, Any]] = (),
    **more: object,
) -> Content:
    return assemble(
        {name: derivation(name) for name in names},
        tuple(verdicts),
        claims,
        seed=3,
        examples=12,
        versions={"python": "3.x"},
        seconds=1.0,
        **more,  # type: ignore[arg-type]
    )


def page_of(found: Content) -> str:
    """The HTML page, with a picture for every figure that the report shows."""
    pictures = {f"{name}.png": SVG for name in FIGURES}
    if found.real_model is not None and found.real_model["picture"] is not None:
        pictures["bridge/final_norm.png"] = found.real_model["picture"]
    return html_page(report(found), pictures)


def bridge_result(folder: Path) -> None:
    found = verdict("final-norm", "passed", method="real-model", note="worst at alpha = 8")
    data = as_json([found], seed=0, examples=1)
    data["results"][0]["exact"] = True  # the bridge says more than a verdict
    data |= {
        "model": {"name": "Small", "blocks": 2, "width": 8, "vocabulary": 1000, "dtype": "float64"},
        "concept": {"name": "joy"},
        "measured": {
            "max_error_nats": 3e-15,
            "total_variation_at_the_ends": 0.5,
            "alpha_max": 8.0,
        },
    }
    folder.mkdir()
    (folder / "final_norm.json").write_text(json.dumps(data))
    (folder / "final_norm.png").write_bytes(PNG)
