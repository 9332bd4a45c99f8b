"""Wrong laws do not survive: every mutant is refuted by the check of its statement."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.long
def test_every_wrong_law_is_refuted():
    """At least sixty mutants, each refuted; a survivor gives a non-zero exit status."""
    # As a user runs it: warnings about the length of a counterexample are no error.
    command = [sys.executable, "-m", "steering_strength.proofs_check.mutants", "--no-shrink"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    refuted, _, total, *_ = done.stdout.strip().splitlines()[-1].split()
    assert refuted == total
    assert int(total) >= 60
