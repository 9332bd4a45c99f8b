"""The wheel, used in a folder that has files of the user's own with the names of our rooms.

Nothing is downloaded: the wheel is built with the setuptools of the test environment and unpacked.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("theory", "proofs_check", "figures")
OWN = "print('the file of the user')\nraise SystemExit(3)\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: a build leaves folders behind."""
    folder = tmp_path_factory.mktemp("build")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    ignore = shutil.ignore_patterns("__pycache__", "*.vo", "*.vok", "*.vos", "*.glob", ".*")
    for name in (*ROOMS, "steering_strength"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignore)
    code = "import setuptools.build_meta as b, sys; print(b.build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=source, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel unpacked, as pip would."""
    folder = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


@pytest.fixture
def research(tmp_path: Path) -> Path:
    """A folder with a figures.py, a theory.py and a proofs_check.py of the user's own."""
    for room in ROOMS:
        (tmp_path / f"{room}.py").write_text(OWN)
    return tmp_path


def run(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in `folder` with the unpacked wheel."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder, env={**environment, "PYTHONPATH": str(installed)},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_nothing_but_one_name_is_installed(installed: Path) -> None:
    names = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert names == {"steering_strength"}
    assert not any(path.is_symlink() for path in installed.rglob("*"))


def test_the_wheel_holds_everything_that_is_no_code(installed: Path) -> None:
    package = installed / "steering_strength"
    for room in ROOMS:
        data = [
            path.relative_to(ROOT)
            for path in (ROOT / room).rglob("*")
            if path.suffix in (".json", ".css", ".html", ".js", ".v", ".txt")
            and not path.name.startswith(".")
        ]
        assert [path for path in data if not (package / path).is_file()] == []
    assert (package / "py.typed").is_file()


JOBS = {
    "graph": "concept-tanh",
    "derive slope": "Lemma B.5",
    "check slope --examples 2 --jobs 1": "0 of 0 false claims refuted",
    "draw fig2 --out drawn --format png": "fig2",
    "model --help": "steering-strength model",
}
EVERY_JOB = f"""
from steering_strength import *
from steering_strength.__main__ import main
for job in {list(JOBS)!r}:
    print("==", job)
    try:
        status = main(job.split())
    except SystemExit as stop:
        status = stop.code
    print("ended with", status)
print("==", TiltedFamily)
"""


def test_every_job_works_beside_the_users_own_files(installed: Path, research: Path) -> None:
    done = run(installed, research, "-c", EVERY_JOB)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "the file of the user" not in done.stdout
    shown = dict(part.split("\n", 1) for part in done.stdout.split("== ")[1:-1])
    assert list(shown) == list(JOBS)
    for job, words in JOBS.items():
        assert words in shown[job]
        assert "ended with 0" in shown[job], job
    assert (research / "drawn" / "fig2.png").is_file()
    assert run(installed, research, "-m", "steering_strength", "--version").returncode == 0


@pytest.mark.long
def test_every_law_is_decided_beside_the_users_own_files(installed: Path, research: Path) -> None:
    done = run(installed, research, "-m", "steering_strength", "list")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "concept-tanh" in done.stdout


def test_an_unknown_command_is_one_line(installed: Path, research: Path) -> None:
    done = run(installed, research, "-m", "steering_strength", "x" * 10_000)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert len(done.stderr) < 600
