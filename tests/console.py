"""Console examples of the README and the documentation: run as printed, compared word by word."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def words(text: str) -> list[str]:
    """Everything but numbers and rules: seconds, rounding and random searches vary."""
    plain = re.sub(r"\b(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|inf)\b", "#", text)
    return [word for word in plain.split() if set(word) != {"-"} or word == "-"]


def run_as_printed(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `steering-strength ...` from the root of the project, with `out` inside `folder`."""
    program, *arguments = shlex.split(line)
    assert program == "steering-strength"
    arguments = ["-m", "steering_strength", *arguments]
    arguments = [str(folder / "out") if word == "out" else word for word in arguments]
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={"PATH": "", "PYTHONIOENCODING": "utf-8", "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
