"""The whole command line, soaked in arguments drawn from its own parsers, and foreign terminals.

Whatever the words are: no traceback, an exit status of 0, 1 or 2, one short line on 2. The long
work behind a command (checks, wrong laws, pictures) is put down to its smallest part; what decides
about the arguments is the real thing.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from steering_strength.theory.command_line import Parser, finish

ROOT = Path(__file__).resolve().parent.parent

JUNK = [
    "", " ", "-", "--", "0", "-1", "1e3", "²", "٣", "1_0", "9" * 30, "0x10", "nan", "inf", "None",
    "x" * 100_000, "a\nb", "a\0b", "\udcff", "😀", "漢", "$$", r"\alpha", "../..", "/dev/null",
    "/dev/full", "/no/such/folder", "--no-such-option", "--json", "=", "--seed=", "@file", "*",
    "%s", "{}", "peak", "peaks", "fig3", "fig33", "explore", "errata", "all", "png,png", "gif", ",",
]  # fmt: skip

MODULES = ["theory", "proofs_check", "proofs_check.mutants", "figures", "figures.report",
           "proofs_check.bridge", "roof"]  # fmt: skip


@pytest.fixture
def parsers(monkeypatch: pytest.MonkeyPatch) -> list[argparse.ArgumentParser]:
    """Every parser that is made, commands included."""
    made: list[argparse.ArgumentParser] = []
    original = Parser.__init__

    def remembering(self: Parser, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        made.append(self)

    monkeypatch.setattr(Parser, "__init__", remembering)
    return made


def value(action: argparse.Action, rng: np.random.Generator) -> str:
    """Something for an option: one of its choices, a small number, a name, or junk."""
    if action.choices and rng.random() < 0.8:
        return str(rng.choice(sorted(map(str, action.choices))))
    if rng.random() < 0.5:
        return str(rng.choice(["1", "2", "slope", "fig3", "out", "out/x.html", "v.json", "png"]))
    return JUNK[int(rng.integers(len(JUNK)))]


def words(parser: argparse.ArgumentParser, rng: np.random.Generator) -> Iterator[str]:
    """Random arguments, mostly such as the parser knows."""
    for action in rng.permutation(np.array(parser._actions, dtype=object)):
        if isinstance(action, argparse._SubParsersAction):
            if rng.random() < 0.9:
                name = str(rng.choice(sorted(action.choices)))
                yield name
                yield from words(action.choices[name], rng)
            else:
                yield value(action, rng)
        elif isinstance(action, argparse._VersionAction | argparse._HelpAction):
            if rng.random() < 0.02:
                yield action.option_strings[-1]
        elif not action.option_strings:
            if rng.random() < 0.7:
                yield value(action, rng)
        elif rng.random() < 0.3:
            yield str(rng.choice(action.option_strings))
            if action.nargs != 0:
                yield value(action, rng)
    if rng.random() < 0.2:
        yield JUNK[int(rng.integers(len(JUNK)))]


def verdict(status: str, expected: bool) -> Any:
    kind = import_module("steering_strength.proofs_check.verdict").Verdict
    return kind("limit", "property", status, expected, "a claim", 1, 0.1, None if expected else "1")


def trial_of(name: str) -> Any:
    kind = import_module("steering_strength.proofs_check.mutants.mutant").Trial
    return kind(name, True, 1, "1 against 2", "print(1)", None)


@pytest.fixture
def short_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """The least work that still goes through everything that decides about arguments."""
    room = "steering_strength."
    runner = import_module(f"{room}proofs_check.runner")
    checks = import_module(f"{room}proofs_check.__main__")
    registry = import_module(f"{room}proofs_check.registry")
    mutants = import_module(f"{room}proofs_check.mutants.registry")
    errata = import_module(f"{room}proofs_check.errata")
    gallery = import_module(f"{room}figures.gallery")
    kind = import_module(f"{room}proofs_check.verdict").Verdicts
    verdicts = kind([verdict("passed", True), verdict("refuted", False)])
    selected = mutants.select_mutants

    def write(_: Any, stage: Path, __: Any) -> SimpleNamespace:
        (stage / "drawn").write_text("drawn")
        return SimpleNamespace(deviation=0.0)

    def page(path: Path, *_: Any) -> int:
        from steering_strength.theory.files import write_text

        return len(str(write_text(path, "page")))

    def make(out: Path, *_: Any) -> int:
        from steering_strength.theory.files import staged

        with staged(out):
            return 0

    def run(ids: list[str] | None, **_: Any) -> Any:
        if ids:
            registry.select(ids)
        return verdicts

    laws = import_module(f"{room}theory.laws")
    for name, kept in (("LAWS", ("steering-shift", "tilting", "slope")), ("CLAIMS", ())):
        monkeypatch.setattr(laws, name, {law: getattr(laws, name)[law] for law in kept})
    for module in (checks, runner):
        if hasattr(module, "run"):
            monkeypatch.setattr(module, "run", run)
    first = selected(None)[:1]
    monkeypatch.setattr(mutants, "select_mutants", lambda names: selected(names) and first)
    monkeypatch.setattr(mutants, "trial", lambda name, **_: trial_of(name))
    monkeypatch.setattr(errata, "ERRATA", errata.ERRATA[:1])
    monkeypatch.setattr(gallery.Figure, "write", write)
    monkeypatch.setattr(import_module(f"{room}figures.explorer.page"), "write", page)
    monkeypatch.setattr(import_module(f"{room}figures.report.job"), "make", make)
    paper = import_module(f"{room}figures.report.paper")
    monkeypatch.setattr(
        paper, "write", lambda stage: page(stage / "paper.tex") and stage / "paper.tex"
    )


def ended(arguments: list[str], main: Any, capfd: pytest.CaptureFixture[str]) -> str:
    """What is wrong with how a command ends; empty if nothing."""
    try:
        status = main(arguments)
    except SystemExit as stop:
        status = stop.code
    except BaseException as error:
        return f"{type(error).__name__}: {error}"[:200]
    err = capfd.readouterr().err
    if status not in (0, 1, 2):
        return f"status {status!r}"
    last = err.splitlines()[-1:] or [""]
    if status == 2 and not (last[0].startswith("error: ") and len(last[0]) < 1200):
        return f"{len(err)} characters on status 2: {last[0][:200]!r}"
    if status == 2 and err.count("error: ") > 1:
        return f"not one line: {err[-300:]!r}"
    return ""


def soak(
    module: str, count: int, seed: int, parsers: list[Any], capfd: pytest.CaptureFixture[str]
) -> list[str]:
    name = "" if module == "roof" else f"{module}."
    main = import_module(f"steering_strength.{name}__main__").main
    rng, found = np.random.default_rng(seed), []
    roof = import_module("steering_strength.__main__")._COMMANDS
    commands = [["--help"]]
    if module == "figures":
        commands += [["explore", "--help"], ["real", "--help"], ["paper", "--help"]]
    if module == "roof":
        commands = [[command, "--help"] for command in roof if command != "model"]
    for command in commands:
        del parsers[:]
        assert not ended(command, main, capfd)
        # The first is the command's own; the parsers of its subcommands are reached through it.
        chosen = parsers[0] if parsers else argparse.ArgumentParser()
        for _ in range(max(count // len(commands), 1)):
            drawn = [*command[:-1], *words(chosen, rng)]
            problem = ended(drawn, main, capfd)
            if problem:
                found.append(f"{[word[:60] for word in drawn]}: {problem}")
    return found


@pytest.mark.parametrize(
    ("draws", "seed"), [(40, 0), pytest.param(1500, 1, marks=pytest.mark.soak)]
)
@pytest.mark.parametrize("module", MODULES)
@pytest.mark.usefixtures("short_work")
def test_no_arguments_end_in_a_traceback(
    module: str,
    draws: int,
    seed: int,
    parsers: list[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    found = soak(module, draws, seed, parsers, capfd)
    assert not found, "\n".join(found)


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["sh", "-c", f'"$PYTHON" -m steering_strength {command}'],
        env={**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(ROOT), **environment},
        cwd=ROOT, capture_output=True, timeout=120, check=False,
    )  # fmt: skip


def test_any_terminal_takes_the_answer() -> None:
    foreign = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = shell("derive slope | cat", **foreign)
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(done.stdout) > 1000
    done = shell("derive Δ漢😀", **foreign)
    assert done.returncode == 2
    assert done.stderr.count(b"error") == 1
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_any_encoding_takes_the_answer(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for word, status, name in (("slope", 0, "stdout"), ("Δ漢😀", 2, "stderr")):
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(sys, name, stream)
        assert import_module("steering_strength.__main__").main(["derive", word]) == status
        assert "\\u" in stream.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("command", ["derive slope --json", "--help"])
def test_a_full_or_closed_output_is_one_line_or_nothing(command: str) -> None:
    done = shell(f"{command} >/dev/full")
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: cannot write to standard output")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "command", ["--help", pytest.param("derive slope --json", marks=pytest.mark.long)]
)
def test_a_closed_output_and_full_standard_error_are_no_mistake(command: str) -> None:
    for redirection, status in ((">&-", 0), ("2>/dev/full", 0)):
        done = shell(f"{command} {redirection}")
        assert (done.returncode, done.stderr) == (status, b"")
    assert shell("draw nothing 2>/dev/full").returncode == 2


def test_a_full_memory_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> int:
        return np.zeros((1 << 28, 1 << 28)).size

    assert finish(work) == 2
    assert capfd.readouterr().err.startswith("error: the memory is full; try")


def test_json_on_a_terminal_is_ascii(capfd: pytest.CaptureFixture[str]) -> None:
    assert import_module("steering_strength.__main__").main(["derive", "slope", "--json"]) == 0
    assert capfd.readouterr().out.isascii()
