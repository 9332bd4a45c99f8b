"""Derive, check, draw and report: what ``make reproduce`` runs."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from steering_strength.figures.gallery import FIGURES
from steering_strength.figures.report.content import Content, assemble, read_real_model, tally
from steering_strength.figures.report.html import html_page
from steering_strength.figures.report.markdown import report
from steering_strength.figures.store import FORMATS
from steering_strength.proofs_check.formal import library as formal
from steering_strength.proofs_check.verdict import Verdict, as_json, versions
from steering_strength.theory.command_line import say
from steering_strength.theory.files import output_folder, staged, write_json, write_text
from steering_strength.theory.laws import CLAIMS, LAWS, Law
from steering_strength.theory.laws.page import record

__all__ = ["make"]


def _say(stage: int, text: str) -> None:
    say(f"[{stage}/4] {text}")


def _derive(laws: Mapping[str, Law]) -> dict[str, dict[str, Any]]:
    """Every law, derived, as plain data."""
    derivations = {}
    for name, law in laws.items():
        start = time.perf_counter()
        derivations[name] = record(law)
        found = tally(step["status"] for step in derivations[name]["steps"])
        counts = ", ".join(f"{count} {status}" for status, count in found.items())
        _say(1, f"derive  {name:34} {counts:24} {time.perf_counter() - start:5.1f} s")
    return derivations


def _check(examples: int, seed: int) -> tuple[Verdict, ...]:
    # Hypothesis takes a second to import: not before the first line is out.
    from steering_strength.proofs_check import run
    from steering_strength.proofs_check.executors import on_cores
    from steering_strength.proofs_check.verdict import line

    def progress(verdict: Verdict, done: int, total: int) -> None:
        _say(2, f"check   {line(verdict, done, total)}")

    return run(
        examples=examples, seed=seed, progress=progress, executor=on_cores(os.cpu_count() or 1)
    )


def _write(
    folder: Path,
    content: Content,
    derivations: dict[str, dict[str, Any]],
    verdicts: Sequence[Verdict],
) -> None:
    pictures = {f"{name}.png": (folder / f"{name}.svg").read_bytes() for name in FIGURES}
    if content.real_model is not None and content.real_model.picture is not None:
        pictures["bridge/final_norm.png"] = content.real_model.picture
    checks = as_json(verdicts, seed=content.seed, examples=content.examples)
    for name, data in (("derivations.json", derivations), ("checks.json", checks)):
        write_json(folder / name, data)
    text = report(content)
    theorems = output_folder(folder / "formal")
    for name in formal.files():
        write_text(theorems / name, (formal.FOLDER / name).read_text(encoding="utf-8"))
    write_text(folder / "report.md", text)
    write_text(folder / "report.html", html_page(content, text, pictures))


def make(out: Path, examples: int, seed: int) -> int:
    """Run everything; 0 if all is as it should be, 1 if a verdict is not.

    Raises
    ------
    SteeringError
        The folder cannot be written.
    """
    start = time.perf_counter()
    # Everything is written at the end, together; a stage that fails leaves the folder alone.
    with staged(out) as stage:
        real_model = read_real_model(out / "bridge")
        derivations, claims = _derive(LAWS), _derive(CLAIMS)
        verdicts = _check(examples, seed)
        for figure in FIGURES.values():
            figure.write(stage, FORMATS)
            _say(3, f"draw    {figure.name}")
        content = assemble(
            derivations,
            verdicts,
            tuple(claims.values()),
            seed=seed,
            examples=examples,
            versions=versions(),
            seconds=time.perf_counter() - start,
            real_model=real_model,
        )
        _write(stage, content, derivations | claims, verdicts)
    _say(4, f"report  {out / 'report.html'}  ({content.seconds:.0f} s)")
    for verdict in content.wrong:
        say(f"not as it should be: {verdict.id} ({verdict.method}) is {verdict.status}")
    return 1 if content.wrong else 0
