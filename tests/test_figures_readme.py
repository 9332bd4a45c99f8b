"""The README keeps its word: examples run and print what they show, names and paths exist."""

from __future__ import annotations

import doctest
import re
from functools import partial
from pathlib import Path

import pytest

from steering_strength.proofs_check import conjectures
from steering_strength.proofs_check.search import search
from tests.console import printed, words

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONSOLE = re.findall(r"```console\n\$ (.+)\n((?:.*\n)*?)```", README)


@pytest.mark.parametrize(("line", "shown"), CONSOLE, ids=[line for line, _ in CONSOLE])
def test_a_console_example_prints_what_it_shows(line, shown, tmp_path, monkeypatch, capsys):
    found = printed(line, tmp_path, monkeypatch, capsys)
    assert words(found) == words(shown)


def test_there_is_one_console_example_per_job():
    assert sorted(line.split()[1] for line, _ in CONSOLE) == ["check", "derive", "draw"]


def test_python_examples_run_and_show_their_values(monkeypatch):
    # Of a refuted conjecture it is shown that it is; its counterexample need not be small.
    monkeypatch.setattr(conjectures, "search", partial(search, shrink=0))
    found = doctest.DocTestParser().get_doctest(README, {}, "README.md", "README.md", 0)
    assert len(found.examples) >= 10
    result = doctest.DocTestRunner().run(found)
    assert result.failed == 0


def test_paths_ids_and_targets_of_the_readme_exist():
    for path in re.findall(r"`((?:theory|proofs_check|figures)/[\w/.]*)`", README):
        assert (ROOT / path).exists(), path
    for path in re.findall(r"\]\(((?!http|#)[^)]+)\)", README):
        assert (ROOT / path).is_file(), path
    from steering_strength.theory.laws import LAWS

    for name in re.findall(r"\| `([a-z-]+)` \|", README):
        assert name in LAWS, name
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    for target in re.findall(r"(?m)(?:^|`|; )make ([a-z-]+)", README):
        assert target in targets, target
    headings = {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in _headings()}
    for anchor in re.findall(r"\]\(#([^)]+)\)", README):
        assert anchor in headings, anchor


def _headings() -> list[str]:
    return re.findall(r"^#+ (.+)$", README, re.M)


def test_the_readme_names_every_figure_and_how_its_picture_is_made():
    from steering_strength.figures.gallery import FIGURES

    for name in FIGURES:
        assert f"`{name}`" in README
    assert "steering-strength draw overview --out figures/pictures --format png" in README
    assert (ROOT / "figures" / "pictures" / "overview.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["CITATION.cff", "theory/references.bib", "README.md"])
def test_the_paper_is_cited(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "Towards Understanding Steering Strength" in text
    assert "2602.02712" in text
    for author in ("Taimeskhanov", "Vaiter", "Garreau"):
        assert author in text


def test_bibliography_entries_are_complete_and_unique():
    text = (ROOT / "theory/references.bib").read_text(encoding="utf-8")
    keys = re.findall(r"^@\w+\{(\w+),", text, re.M)
    assert len(keys) == len(set(keys)) >= 10
    for entry in re.split(r"^@", text, flags=re.M)[1:]:
        for field in ("author", "title", "year"):
            assert re.search(rf"^\s*{field}\s*=", entry, re.M), entry.splitlines()[0]
