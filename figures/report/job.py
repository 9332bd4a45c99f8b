"""Derive, check, draw and report: what ``make reproduce`` runs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from steering_strength.figures.gallery import FIGURES
from steering_strength.figures.report.content import Content, assemble, read_real_model
from steering_strength.figures.report.html import html_page
from steering_strength.figures.report.markdown import report
from steering_strength.figures.store import FORMATS
from steering_strength.proofs_check.executors import on_cores
from steering_strength.proofs_check.formal.library import write_files
from steering_strength.proofs_check.registry import DERIVATIONS
from steering_strength.proofs_check.runner import Done, Task, execute, run
from steering_strength.proofs_check.verdict import Verdict, Verdicts, as_json, line, versions
from steering_strength.theory.command_line import say
from steering_strength.theory.files import staged, write_json, write_text
from steering_strength.theory.laws import CLAIMS, LAWS
from steering_strength.theory.laws.page import record


def _piece(piece: Task | tuple[str, Path]) -> Any:
    """One piece of the work, in whichever process: a figure, or a task with its derivation."""
    if not isinstance(piece, Task):
        name, folder = piece
        FIGURES[name].write(folder, FORMATS)
        return name
    done = execute(piece)
    # The law of this process has just been decided: its page costs next to nothing.
    return done, record(DERIVATIONS[piece.name]) if piece.method == "symbolic" else None


def _work(stage: Path, examples: int, seed: int) -> tuple[dict[str, dict[str, Any]], Verdicts]:
    """Draw every figure, derive and check every statement, on all cores; each law once."""
    derivations: dict[str, dict[str, Any]] = {}

    def executor(_: object, tasks: Sequence[Task]) -> Iterator[Done]:
        first = sorted(tasks, key=lambda task: task.method != "symbolic")
        pieces = [*first, *((name, stage) for name in FIGURES)]
        for done in on_cores(os.cpu_count() or 1)(_piece, pieces):
            if isinstance(done, str):
                say(f"draw    {done}")
                continue
            (task, verdict), derivation = done
            if derivation is not None:
                derivations[task.name] = derivation
            yield task, verdict

    def progress(verdict: Verdict, done: int, total: int) -> None:
        what = "derive" if verdict.method == "symbolic" else "check "
        say(f"{what}  {line(verdict, done, total)}")

    verdicts = run(examples=examples, seed=seed, progress=progress, executor=executor)
    return {name: derivations[name] for name in DERIVATIONS}, verdicts


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
    write_files(folder / "formal")
    write_text(folder / "report.md", text)
    write_text(folder / "report.html", html_page(content, text, pictures))


def make(out: Path, examples: int, seed: int) -> int:
    """Run everything; 0 if all is as it should be, 1 if a verdict is not.

    Raises SteeringError: the folder cannot be written.
    """
    start = time.perf_counter()
    # Everything is written at the end, together; a stage that fails leaves the folder alone.
    with staged(out) as stage:
        real_model = read_real_model(out / "bridge")
        derivations, verdicts = _work(stage, examples, seed)
        content = assemble(
            {name: derivations[name] for name in LAWS},
            verdicts,
            tuple(derivations[name] for name in CLAIMS),
            seed=seed,
            examples=examples,
            versions=versions(),
            seconds=time.perf_counter() - start,
            real_model=real_model,
        )
        say("write   the report: some hundred formulas are set")
        _write(stage, content, derivations, verdicts)
    say(f"report  {out / 'report.html'}  ({time.perf_counter() - start:.0f} s)")
    for verdict in content.wrong:
        say(f"not as it should be: {verdict.id} ({verdict.method}) is {verdict.status}")
    return 1 if content.wrong else 0
