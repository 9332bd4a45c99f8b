"""``python -m figures.report``: what it writes, what it says, and what it leaves behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import steering_strength.figures.report.__main__ as command
from steering_strength.figures.gallery import FIGURES, Figure
from steering_strength.figures.report import job
from steering_strength.theory.laws import CLAIMS, LAWS
from tests.report_content import SVG, VERDICTS, verdict


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    few = {name: LAWS[name] for name in ("steering-shift", "tilting", "slope")}
    monkeypatch.setattr(job, "LAWS", few)
    monkeypatch.setattr(job, "CLAIMS", {"limit/uniform-share": CLAIMS["limit/uniform-share"]})
    monkeypatch.setattr(job, "_check", lambda examples, seed: VERDICTS[:3])


@pytest.mark.usefixtures("quick")
def test_the_command_writes_everything_into_one_folder(tmp_path, capsys):
    assert command.main(["--out", str(tmp_path / "out"), "--examples", "12", "--seed", "3"]) == 0
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
    assert [f"[{k}/4]" in out for k in (1, 3, 4)] == [True] * 3
    checks = json.loads((tmp_path / "out" / "checks.json").read_text(encoding="utf-8"))
    assert checks["seed"] == 3
    assert checks["examples"] == 12
    assert [entry["status"] for entry in checks["results"]] == ["passed", "certified", "unknown"]
    derivations = json.loads((tmp_path / "out" / "derivations.json").read_text(encoding="utf-8"))
    assert set(derivations) == {"steering-shift", "tilting", "slope", "limit/uniform-share"}
    assert derivations["tilting"]["status"] == "proved"
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "--examples 12 --seed 3" in html


@pytest.mark.usefixtures("quick")
def test_the_command_fails_if_a_true_statement_is_refuted(tmp_path, capsys, monkeypatch):
    bad = (verdict("tilting", "refuted", counterexample="x = 1"),)
    monkeypatch.setattr(job, "_check", lambda examples, seed: bad)

    def write(figure: Figure, folder: Path, formats: object) -> None:
        (folder / f"{figure.name}.svg").write_bytes(SVG)

    monkeypatch.setattr(Figure, "write", write)
    assert command.main(["--out", str(tmp_path)]) == 1
    assert "not as it should be: tilting (property) is refuted" in capsys.readouterr().out
    assert (tmp_path / "report.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--examples", "0"], "argument --examples: '0' is not a whole number of at least 1"),
        (["--seed", "-1"], "argument --seed: '-1' is not a whole number of at least 0"),
        (["--examples", "many"], "'many' is not a whole number of at least 1"),
        (["--what"], "unrecognized arguments: --what"),
    ],
)
def test_bad_arguments_are_one_line_and_exit_2(capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        command.main(arguments)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.usefixtures("quick")
def test_a_folder_that_cannot_be_written_is_one_line_and_exit_2(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert command.main(["--out", str(tmp_path / "file")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: cannot write into")
    assert error.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"
