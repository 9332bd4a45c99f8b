"""What a newcomer sees first: objects that present themselves, help at once, types that help."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steering_strength import LAWS, ConceptDataset, TiltedFamily, advise
from steering_strength.__main__ import _COMMANDS
from steering_strength.proofs_check import run

ROOT = Path(__file__).resolve().parent.parent
DATA = ConceptDataset.smoothed(concepts=3, tokens_per_concept=3, epsilon=0.05)
FAMILY = DATA.family(2, DATA.log_odds([0], [1]))
PRESENTED: dict[str, Any] = {
    "family": lambda: FAMILY,
    "constant family": lambda: TiltedFamily(np.log([0.5, 0.5]), [1.0, 1.0]),
    "large family": lambda: TiltedFamily.from_logits(
        np.random.default_rng(0).normal(size=50_000), np.random.default_rng(1).normal(size=50_000)
    ),
    "dataset": lambda: DATA,
    "law": lambda: LAWS["limit"],
    "advice": lambda: advise(FAMILY, DATA.concepts[0], level=0.5, cross_entropy=1.0),
    "verdicts": lambda: run(["peak"], examples=2),
    "verdict": lambda: run(["sign-separation/any-rows"], examples=2)[-1],
}


@pytest.mark.parametrize("name", PRESENTED)
def test_an_object_presents_itself_in_thirty_lines(name):
    shown = str(PRESENTED[name]())
    assert 1 <= len(shown.splitlines()) <= 30
    assert "array(" not in shown


def test_the_summary_of_a_family_says_what_it_is():
    shown = str(FAMILY)
    assert "9 tokens" in shown
    for budget in (0.1, 1.0):
        assert f"{FAMILY.alpha_for_cross_entropy(budget, 1):.4g}" in shown


def test_all_laws_are_listed_by_print():
    assert [line.split()[0] for line in str(LAWS).splitlines()] == list(LAWS)


def test_help_waits_for_nothing_heavy():
    code = """
import sys
from steering_strength.__main__ import _COMMANDS, main
for words in ([], *([name] for name in _COMMANDS), ["model", "laws"], ["model", "advise"]):
    try:
        main([*words, "--help"])
    except SystemExit:
        pass
    heavy = [m for m in ("sympy", "scipy", "matplotlib", "hypothesis") if m in sys.modules]
    print("after", words, "loaded:", heavy)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = [line for line in done.stdout.splitlines() if line.startswith("after [")]
    assert len(loaded) == done.stdout.count("usage: ") == len(_COMMANDS) + 3
    assert [line for line in loaded if not line.endswith("loaded: []")] == []


# What a reader brings along.
_OWN = """
from typing import Any
hf_model: Any
tokenizer: Any
positive: list[str]
negative: list[str]
prompts: list[str]
inputs: dict[str, Any]
"""


@pytest.mark.long
def test_the_snippets_of_the_readme_are_typed(tmp_path):
    """`mypy --strict`, but that a conjecture of a reader's may be an unannotated function."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    typed = [
        "".join(e.source for e in doctest.DocTestParser().get_examples(block)) or block
        for block in blocks
    ]
    snippet = tmp_path / "snippet.py"
    snippet.write_text("\n".join([_OWN, *typed]), encoding="utf-8")
    options = ["--strict", "--allow-untyped-defs", "--allow-untyped-calls"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "--cache-dir", str(tmp_path), str(snippet)],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_the_files_of_a_statement_are_found_without_searching():
    """Statement, number, check and picture: each file is there, and its line is the right one."""
    from steering_strength.where import places

    found = dict(places("ce-radius"))
    assert {"statement", "number", "check", "certificate", "theorem", "picture"} == set(found)
    root = Path(__file__).resolve().parent.parent
    for what, words in (("statement", '"ce-radius"'), ("number", "def envelope"),
                        ("check", "@check"), ("theorem", "Theorem")):  # fmt: skip
        file, _, line = found[what].split()[0].partition(":")
        rows = (root / file).read_text(encoding="utf-8").splitlines()
        assert words in "\n".join(rows[int(line) - 1 : int(line) + 2])  # decorators come first
