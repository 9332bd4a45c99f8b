"""The companion paper: whatever is assumed is printed, and LaTeX accepts it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from steering_strength.figures.__main__ import main
from steering_strength.figures.gallery import FIGURES
from steering_strength.figures.report.paper import paper
from steering_strength.proofs_check.errata import ERRATA
from steering_strength.theory.laws import LAWS

pytestmark = pytest.mark.long  # the whole paper: everything is derived and every picture named


@pytest.fixture(scope="module")
def text() -> str:
    return paper()


def test_every_law_and_every_false_reading_is_there(text):
    assert set(re.findall(r"\\label\{law:([a-z-]+)\}", text)) == set(LAWS)
    assert text.count(r"\begin{example}") == len(ERRATA)
    shown = re.findall(r"\\includegraphics.*\{(\w+)\.pdf\}", text)
    assert sorted(shown) == sorted(set(FIGURES) - {"overview"})


def test_a_step_names_every_hypothesis_it_needs(text):
    """Letters are read back: what the page says of a step is what the kernel was given."""
    for name in LAWS:
        _names_every_hypothesis(text, name)


def _names_every_hypothesis(text, name):
    start = text.index(rf"\label{{law:{name}}}")
    body = text[start : text.index(r"\end{proof}", start)]
    listed = re.findall(r"\\textup\{\(h(\d+)\)\}~", body)
    assert listed == [str(k) for k in range(1, len(listed) + 1)]
    items = body.split("\n\\item ")[1:]
    for item, step in zip(items, LAWS[name].record()["steps"], strict=True):
        found = re.search(r"\\emph\{[a-z ]+\}(?: \[R\d+.*?\])?(?: under ([^:.]+))?[:.]", item)
        assert found is not None
        letters: set[int] = set()
        for run in re.findall(r"\(h(\d+)\)(?:--\(h(\d+)\))?", found[1] or ""):
            letters |= set(range(int(run[0]), int(run[1] or run[0]) + 1))
        assert len(letters) == len(set(step["given_latex"]))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not on PATH")
def test_latex_accepts_it(tmp_path: Path) -> None:
    assert main(["paper", "--out", str(tmp_path)]) == 0
    latex = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "steering-strength"]
    for command in (latex, ["bibtex", "steering-strength"], latex, latex):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:]
    log = (tmp_path / "steering-strength.log").read_text(encoding="latin-1")
    assert "undefined references" not in log
    assert not re.findall(r"Overfull \\hbox \((?:[2-9]\d|\d{3,})\.", log)  # 20 points show
    assert (tmp_path / "steering-strength.pdf").stat().st_size > 100_000
