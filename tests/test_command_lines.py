"""The command lines of all packages: mistakes, help, pipes, and the verdicts as JSON."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import pytest

import steering_strength.proofs_check.__main__ as checks
from steering_strength.figures.explorer import cases
from steering_strength.figures.report import job
from steering_strength.proofs_check import executors, runner
from steering_strength.theory.errors import UnknownNameError
from steering_strength.theory.laws import CLAIMS, LAWS, Law

ROOT = Path(__file__).resolve().parent.parent


def status_of(module: str, *arguments: str) -> int:
    """Run a command in this process; argparse leaves by SystemExit, the rest by returning."""
    try:
        status = import_module(f"{module}.__main__").main(list(arguments))
    except SystemExit as stop:
        status = stop.code
    assert isinstance(status, int)
    return status


@pytest.mark.parametrize(
    ("module", "arguments", "problem", "remedy"),
    [
        ("theory", [], "the following arguments are required: command", "--help"),
        ("theory", ["prove"], "invalid choice: 'prove'", "derive"),
        ("theory", ["lst"], "invalid choice: 'lst'", "did you mean list?"),
        ("theory", ["list", "--jsn"], "arguments: --jsn", "did you mean --json?"),
        ("proofs_check", ["--sed", "3"], "arguments: --sed", "did you mean --seed?"),
        ("theory", ["derive"], "either one id or --all", "try `derive tilting`"),
        ("theory", ["derive", "slope", "--all"], "either one id or --all", "try `derive tilting`"),
        ("theory", ["derive", "slope", "--latex", "--json"], "not allowed with", "--help"),
        ("theory", ["derive", "concept-than"], "'concept-than'", "did you mean concept-tanh"),
        ("theory", ["derive", "xyzzy"], "unknown law 'xyzzy'", "known: allocation"),
        ("proofs_check", ["concept-than"], "'concept-than'", "did you mean concept-tanh"),
        ("proofs_check", ["xyzzy"], "unknown statement 'xyzzy'", "known: advise-budget"),
        ("proofs_check", ["slope", "--examples", "0"], "'0'", "at least 1"),
        ("proofs_check", ["slope", "--examples", "-1"], "'-1'", "at least 1"),
        ("proofs_check", ["slope", "--examples", "abc"], "'abc'", "at least 1"),
        ("proofs_check", ["slope", "--seed", "abc"], "'abc'", "at least 0"),
        ("proofs_check", ["slope", "--seed", "-1"], "'-1'", "at least 0"),
        ("proofs_check", ["slope", "--jobs", "0"], "'0'", "at least 1"),
        ("proofs_check.mutants", ["no-such-mutant"], "'no-such-mutant'", "did you mean"),
        ("proofs_check", ["--frobnicate"], "unrecognized arguments: --frobnicate", "--help"),
        ("figures", ["fig33"], "unknown figure 'fig33'", "did you mean fig3"),
        ("figures", ["fig3", "--format", "gif"], "unknown picture format 'gif'", "known: pdf, png"),
        ("figures", ["--frobnicate"], "unrecognized arguments: --frobnicate", "--help"),
        ("figures.report", ["--examples", "0"], "'0'", "at least 1"),
        ("figures.report", ["--examples", "many"], "'many'", "at least 1"),
        ("figures.report", ["--seed", "-1"], "'-1'", "at least 0"),
        ("figures.report", ["extra"], "unrecognized arguments: extra", "--help"),
    ],
)
def test_a_mistake_is_one_line_and_exit_status_2(
    module: str,
    arguments: list[str],
    problem: str,
    remedy: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert status_of(module, *arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert problem in captured.err
    assert remedy in captured.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mapping", [LAWS, CLAIMS])
def test_an_unknown_law_is_named_in_python_too(mapping: Mapping[str, Law]) -> None:
    known = next(iter(mapping))
    assert mapping[known].id == known
    with pytest.raises(UnknownNameError) as caught:
        mapping[known[:-1]]
    assert str(caught.value).startswith(f"unknown law {known[:-1]!r}; did you mean ")
    assert known in caught.value.close_matches
    assert isinstance(caught.value, KeyError)
    assert known[:-1] not in mapping
    assert mapping.get(known[:-1]) is None


def example(help_text: str) -> list[str]:
    """The words after `python -m` in the example that a help text ends with."""
    found = re.search(r"[Ee]xample: python -m (.*)", " ".join(help_text.split()))
    assert found, help_text
    return shlex.split(found[1])


@pytest.mark.parametrize(
    "command",
    ["theory", "theory derive", "theory graph", "figures", "figures explore",
     pytest.param("proofs_check", marks=pytest.mark.long)],
)  # fmt: skip
def test_the_example_of_each_help_text_works_as_printed(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(executors, "on_cores", lambda jobs: map)  # what is printed is the same
    monkeypatch.setattr(cases, "menu", lambda: (cases.tie(),))
    module, *rest = command.split()
    assert status_of(module, *rest, "--help") == 0
    printed = example(capsys.readouterr().out)
    arguments = printed[: printed.index(">")] if ">" in printed else printed
    assert arguments[0] == module
    assert status_of(*arguments) == 0
    assert capsys.readouterr().out


def test_the_example_of_the_report_is_understood(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    monkeypatch.setattr(job, "make", lambda *options: made.extend(options) or 0)
    assert status_of("figures.report", "--help") == 0
    module, *arguments = example(capsys.readouterr().out)
    assert module == "figures.report"
    assert status_of("figures.report", *arguments) == 0
    assert made == [Path("out"), 20, 1]


@pytest.mark.parametrize(
    "command",
    [
        "theory derive slope",
        pytest.param("proofs_check slope --examples 1 --jobs 1", marks=pytest.mark.long),
        "figures fig2 fig4 --format svg --out {out}",
    ],
)
def test_a_reader_who_has_read_enough_is_no_mistake(command: str, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", *command.format(out=tmp_path).split()],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()  # what `| head` does, only earlier
    with process.stderr as stream:
        error = stream.read()
    assert process.wait(timeout=300) == 0, error
    assert "Traceback" not in error
    assert "BrokenPipe" not in error
    if command.startswith("figures"):  # drawn all the same
        assert {path.stem for path in tmp_path.iterdir()} == {"fig2", "fig4"}


class TestVerdictsAsJson:
    def unwritable(self, folder: Path) -> list[Path]:
        (folder / "file").write_text("mine")
        return [folder / "missing" / "x.json", folder / "file" / "x.json", folder]

    def test_a_bad_place_is_refused_before_the_work(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def work(*_: object, **__: object) -> None:
            raise AssertionError("the checks were run first")

        monkeypatch.setattr(runner, "run", work)
        for path in self.unwritable(tmp_path):
            assert checks.main(["slope", "--json", str(path)]) == 2
            error = capsys.readouterr().err
            assert error.startswith(f"error: cannot write {path}: ")
            assert "name a file in an existing folder" in error
            assert error.count("\n") == 1
        with pytest.raises(AssertionError, match="run first"):
            checks.main(["slope", "--json", str(tmp_path / "good.json")])
        assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "mine")]
