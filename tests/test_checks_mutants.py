"""Wrong laws do not survive: every mutant is refuted by the check of its statement."""

from __future__ import annotations

import subprocess
import sys

import pytest


def _mutants(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a user runs it; warnings about the length of a counterexample are no error."""
    command = [sys.executable, "-m", "steering_strength.proofs_check.mutants", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.long
def test_every_wrong_law_is_refuted():
    """At least sixty mutants, each refuted; a survivor gives a non-zero exit status."""
    done = _mutants("--no-shrink")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    refuted, _, total, *_ = done.stdout.strip().splitlines()[-1].split()
    assert refuted == total
    assert int(total) >= 60


def test_an_unknown_mutant_is_one_line():
    done = _mutants("no-such-mutant")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
