"""Derive, check, draw and report: what ``make reproduce`` runs, and the site is built on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from operator import call
from pathlib import Path

from steering_strength.figures.gallery import FIGURES
from steering_strength.figures.report.content import Content, Record, assemble, read_real_model
from steering_strength.figures.report.formula import OUTLINES, ROWS, Typesetter
from steering_strength.figures.report.html import Renderer, html_page
from steering_strength.figures.report.markdown import law_body, report
from steering_strength.figures.store import FORMATS
from steering_strength.proofs_check.executors import on_cores
from steering_strength.proofs_check.formal import coq
from steering_strength.proofs_check.formal.library import write_files
from steering_strength.proofs_check.registry import DERIVATIONS
from steering_strength.proofs_check.runner import Done, Task, execute, run
from steering_strength.proofs_check.verdict import Verdict, as_json, line, versions
from steering_strength.theory.command_line import say
from steering_strength.theory.errors import SteeringError
from steering_strength.theory.files import staged, write_json, write_text
from steering_strength.theory.laws import CLAIMS, LAWS


def _prove() -> None:
    """Let Coq compile its library, so that `run` finds it done; what is wrong is said there."""
    with suppress(SteeringError):
        coq.accept()


def _draw(name: str, folder: Path) -> str:
    FIGURES[name].write(folder, FORMATS)
    return f"draw    {name}"


def _execute(task: Task) -> tuple[Done, Record | None, dict[str, str], dict[str, str]]:
    """A task; if it was a derivation, its law as data, and its formulas set.

    The law of this process has just been decided: its page costs little.
    """
    done, known = execute(task), (len(ROWS), len(OUTLINES))
    law = DERIVATIONS[task.name].record() if task.method == "symbolic" else None
    if law is not None:
        Renderer(Typesetter()).html(law_body(law))
    rows, outlines = (
        dict([*new.items()][n:]) for new, n in zip((ROWS, OUTLINES), known, strict=True)
    )
    return done, law, rows, outlines


def gather(folder: Path, examples: int, seed: int, *more: Callable[[], object]) -> Content:
    """Draw every figure, derive and check every statement, on all cores; each law once.

    Into `folder` come the figures, the derivations and verdicts as JSON, and the files of Coq.
    `more` is further work, done at the same time.
    """
    start, found = time.perf_counter(), dict[str, Record]()

    def executor(_: object, tasks: Sequence[Task]) -> Iterator[Done]:
        # The longest first, so that no core waits at the end: Coq's library, then checks (those of
        # the newest laws take longest); a derivation or a figure takes a second or two.
        laws = [task for task in tasks if task.method == "symbolic"]
        checks = [task for task in reversed(tasks) if task not in laws]
        pieces = [_prove, *(partial(_execute, task) for task in checks), *more]
        pieces += [partial(_execute, task) for task in laws]
        pieces += [partial(_draw, name, folder) for name in FIGURES]
        for result in on_cores(os.cpu_count() or 1)(call, pieces):
            if isinstance(result, str):
                say(result)
            elif isinstance(result, tuple):
                done, law, rows, outlines = result
                ROWS.update(rows)
                OUTLINES.update(outlines)
                if law is not None:
                    found[law["id"]] = law
                yield done

    def progress(verdict: Verdict, done: int, total: int) -> None:
        what = "derive" if verdict.method == "symbolic" else "check "
        say(f"{what}  {line(verdict, done, total)}")

    verdicts = run(examples=examples, seed=seed, progress=progress, executor=executor)
    write_json(folder / "derivations.json", {name: found[name] for name in DERIVATIONS})
    write_json(folder / "checks.json", as_json(verdicts, seed=seed, examples=examples))
    write_files(folder / "formal")
    return assemble(
        {name: found[name] for name in LAWS},
        verdicts,
        [found[name] for name in CLAIMS],
        seed=seed,
        examples=examples,
        versions=versions(),
        seconds=time.perf_counter() - start,
    )


def make(out: Path, examples: int, seed: int) -> int:
    """Run everything; 0 if all is as it should be, 1 if a verdict is not.

    Raises SteeringError: the folder cannot be written.
    """
    start = time.perf_counter()
    # Everything is written at the end, together; a stage that fails leaves the folder alone.
    with staged(out) as stage:
        real_model = read_real_model(out / "bridge")
        content = replace(gather(stage, examples, seed), real_model=real_model)
        text = report(content)
        write_text(stage / "report.md", text)
        pictures = {f"{name}.png": (stage / f"{name}.svg").read_bytes() for name in FIGURES}
        if real_model and real_model["picture"]:
            pictures["bridge/final_norm.png"] = real_model["picture"]
        write_text(stage / "report.html", html_page(text, pictures))
    say(f"report  {out / 'report.html'}  ({time.perf_counter() - start:.0f} s)")
    for verdict in content.wrong:
        say(f"not as it should be: {verdict.id} ({verdict.method}) is {verdict.status}")
    return 1 if content.wrong else 0
