"""``python -m figures.report``: what it writes, what it says, and what it leaves behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import steering_strength.figures.report.__main__ as command
from steering_strength.figures.gallery import FIGURES, Figure
from steering_strength.figures.report import job
from steering_strength.proofs_check.runner import Executor, Task, execute
from steering_strength.proofs_check.verdict import Verdict, Verdicts
from steering_strength.theory.laws import CLAIMS, LAWS
from tests.report_content import SVG, VERDICTS, verdict


def some_verdicts(verdicts: Sequence[Verdict]) -> Callable[..., Verdicts]:
    """`run`, which derives the few laws and finds these verdicts."""

    def run(executor: Executor, seed: int, **_: object) -> Verdicts:
        parts = executor(execute, [Task(name, "symbolic", seed) for name in job.DERIVATIONS])
        assert {task.name for task, _ in parts} == set(job.DERIVATIONS)
        return Verdicts(verdicts)

    return run


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few laws, verdicts that are there already, and one figure that is really drawn."""
    few = {name: LAWS[name] for name in ("steering-shift", "tilting", "slope")}
    false = {"limit/uniform-share": CLAIMS["limit/uniform-share"]}
    monkeypatch.setattr(job, "LAWS", few)
    monkeypatch.setattr(job, "CLAIMS", false)
    monkeypatch.setattr(job, "DERIVATIONS", {**few, **false})
    monkeypatch.setattr(job.coq, "accept", dict)
    # One process, in which what is patched is patched.
    monkeypatch.setattr(job, "on_cores", lambda jobs: map)
    monkeypatch.setattr(job, "run", some_verdicts(VERDICTS[:3]))
    write = Figure.write

    def drawn(figure: Figure, folder: Path, formats: tuple[str, ...]) -> None:
        if figure.name == "fig2":
            write(figure, folder, formats)
            return
        for kind in ("npz", *formats):
            (folder / f"{figure.name}.{kind}").write_bytes(SVG)

    monkeypatch.setattr(Figure, "write", drawn)


@pytest.mark.usefixtures("quick")
def test_the_command_writes_everything_into_one_folder(tmp_path, capsys):
    for _ in range(2):  # and again, over what is there
        arguments = ["--out", str(tmp_path / "out"), "--examples", "12", "--seed", "3"]
        assert command.main(arguments) == 0
    assert (tmp_path / "out" / "formal").stat().st_mode & 0o700 == 0o700
    names = {path.name for path in (tmp_path / "out").iterdir()}
    pictures = {f"{name}.{kind}" for name in FIGURES for kind in ("pdf", "png", "svg", "npz")}
    assert names == pictures | {
        "report.html",
        "report.md",
        "derivations.json",
        "checks.json",
        "formal",
    }
    out = capsys.readouterr().out
    assert all(f"draw    {name}" in out for name in FIGURES)
    checks = json.loads((tmp_path / "out" / "checks.json").read_text(encoding="utf-8"))
    assert checks["seed"] == 3
    assert checks["examples"] == 12
    assert [entry["status"] for entry in checks["results"]] == ["passed", "certified", "unknown"]
    derivations = json.loads((tmp_path / "out" / "derivations.json").read_text(encoding="utf-8"))
    assert set(derivations) == {"steering-shift", "tilting", "slope", "limit/uniform-share"}
    assert derivations["tilting"]["status"] == "proved"
    assert (tmp_path / "out" / "fig2.png").read_bytes().startswith(b"\x89PNG")
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "--examples 12 --seed 3" in html


@pytest.mark.usefixtures("quick")
def test_the_command_fails_if_a_true_statement_is_refuted(tmp_path, capsys, monkeypatch):
    bad = (verdict("tilting", "refuted", counterexample="x = 1"),)
    monkeypatch.setattr(job, "run", some_verdicts(bad))
    assert command.main(["--out", str(tmp_path)]) == 1
    assert "not as it should be: tilting (property) is refuted" in capsys.readouterr().out
    assert (tmp_path / "report.html").is_file()


@pytest.mark.usefixtures("quick")
def test_a_folder_that_cannot_be_written_is_one_line_and_exit_2(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert command.main(["--out", str(tmp_path / "file")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: cannot write into")
    assert error.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"
