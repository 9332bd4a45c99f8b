"""Console examples of the README and the documentation: run as printed, compared word by word."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from steering_strength.__main__ import main
from steering_strength.proofs_check import executors

ROOT = Path(__file__).resolve().parent.parent


def words(text: str) -> list[str]:
    """Everything but numbers and rules: seconds, rounding and random searches vary."""
    plain = re.sub(r"\b(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|inf)\b", "#", text)
    return [word for word in plain.split() if set(word) != {"-"} or word == "-"]


def printed(
    line: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """What `steering-strength ...` prints at the root of the project, with `out` in `folder`."""
    program, *arguments = shlex.split(line)
    assert program == "steering-strength"
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PATH", "")  # what is shown needs no proof assistant
    monkeypatch.setattr(executors, "on_cores", lambda jobs: map)
    assert main([str(folder / "out") if word == "out" else word for word in arguments]) == 0
    return capsys.readouterr().out
