"""At scale and at once: ten million tokens, a table of a million lines, two runs in one folder."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from steering_strength.theory import TiltedFamily, advise

ROOT = Path(__file__).resolve().parent.parent
MiB = 2**20


@pytest.mark.soak
def test_ten_million_tokens_take_a_minute_and_a_few_copies() -> None:
    size = 10_000_000
    rng = np.random.default_rng(0)
    family = TiltedFamily.from_logits(rng.normal(size=size), rng.normal(size=size))
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    family.log_probability(3.0)
    family.cross_entropy_increase(np.linspace(-5.0, 5.0, 64))
    assert np.isfinite(family.peaks()).sum() == size - 2
    root = family.cross_entropy_root(1.0, 1)
    assert root.reached
    top = np.argpartition(-family.log_odds, 10)[:10]
    assert family.concept_root(top, 0.5).reached
    assert len(str(advise(family, top, cross_entropy=0.5)).splitlines()) <= 30
    assert time.process_time() - started < 240.0
    # In arrays of V float64 numbers, 76 MiB each.
    copies = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / (8 * size)
    assert copies < 25.0


@pytest.mark.long
def test_a_table_of_a_million_lines_is_read_in_seconds(tmp_path: Path) -> None:
    from steering_strength.proofs_check.bridge.read import Curves

    alphas = np.linspace(-5.0, 5.0, 1_000_000)
    path = tmp_path / "curves.csv"
    lines = (f"{a!r},{0.3 * a * a!r}" for a in alphas.tolist())
    path.write_text("alpha,kl\n" + "\n".join(lines) + "\n")
    started = time.process_time()
    curves = Curves.read(path)
    assert time.process_time() - started < 60.0
    assert curves.judge()


def draw(folder: Path, **environment: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "figures", "fig2", "fig4", "--out", str(folder)]
    return subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.DEVNULL
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.long
def test_two_runs_into_one_folder_and_two_processes_give_the_same_bytes(tmp_path: Path) -> None:
    alone = draw(tmp_path / "alone", PYTHONHASHSEED="1", OMP_NUM_THREADS="1")
    assert alone.wait(timeout=600) == 0
    both = [draw(tmp_path / "both", PYTHONHASHSEED=seed) for seed in ("2", "3")]
    assert [process.wait(timeout=600) for process in both] == [0, 0]
    assert contents(tmp_path / "both") == contents(tmp_path / "alone")
    assert len(contents(tmp_path / "alone")) == 8
