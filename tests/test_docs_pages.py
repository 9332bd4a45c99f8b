"""Pages and notebooks of the documentation: examples run, outputs are true, links lead on.

Nothing here needs Sphinx; what does is in `test_docs_site.py`, on the built site, and so are the
notebooks: they are run when it is built, and an error stops that.
"""

from __future__ import annotations

import ast
import doctest
import importlib.util
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from tests.console import printed, words

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
NOTEBOOKS = sorted(DOCS.rglob("*.ipynb"))
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?", re.I)


def name_of(path: Path) -> str:
    return str(path.relative_to(DOCS))


def blocks(path: Path, language: str) -> list[str]:
    found = FENCE.findall(path.read_text(encoding="utf-8"))
    return [body for kind, body in found if kind == language]


def same_numbers(want: str, got: str) -> bool:
    """Equal words, and numbers equal to six digits: what a page shows and no more.

    Seconds are the machine's.
    """
    want, got = (re.sub(r"\b[\d.]+ s$", "some s", text, flags=re.M) for text in (want, got))
    if NUMBER.sub("#", want).split() != NUMBER.sub("#", got).split():
        return False
    pairs = zip(NUMBER.findall(want), NUMBER.findall(got), strict=True)
    return all(math.isclose(float(a), float(b), rel_tol=1e-6, abs_tol=1e-12) for a, b in pairs)


class Checker(doctest.OutputChecker):
    """Rounding may differ between machines; words may not."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        want = want.replace("<BLANKLINE>", "")
        return super().check_output(want, got, optionflags) or same_numbers(want, got)


@pytest.mark.parametrize(
    ("want", "got", "same"),
    [
        ("1.0000001 nats", "1.0000002 nats", True),
        ("1.388e-17", "0.0", True),
        ("1 pass, 0.3 s", "1 pass, 12.4 s", True),
        ("1 pass, 0.3 s", "2 pass, 0.3 s", False),
        ("1.01", "1.02", False),
        ("1.0 nats", "1.0 bits", False),
        ("1 2", "1", False),
        ("True", "False", False),
        ("[inf, 1.0]", "[-inf, 1.0]", False),
    ],
)
def test_the_checker_of_outputs_forgives_rounding_only(want, got, same):
    assert Checker().check_output(want + "\n", got + "\n", 0) is same


WITH_EXAMPLES = [path for path in PAGES if any(">>>" in b for b in blocks(path, "python"))]
SECONDS = {"verify.md", "prompts.md", "theory/texts.md"}  # whose examples take some


def slow(path: Path) -> list[pytest.MarkDecorator]:
    return [pytest.mark.long] if name_of(path) in SECONDS else []


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=name_of(path), marks=slow(path)) for path in WITH_EXAMPLES]
)
def test_python_examples_of_a_page_print_what_it_shows(path):
    text = "\n".join(blocks(path, "python"))
    examples = doctest.DocTestParser().get_doctest(text, {}, name_of(path), str(path), 0)
    assert examples.examples
    said: list[str] = []
    runner = doctest.DocTestRunner(checker=Checker(), verbose=False)
    runner.run(examples, out=said.append)
    assert runner.failures == 0, "".join(said)


CONSOLE = [(path, *body.split("\n", 1)) for path in PAGES for body in blocks(path, "console")]


@pytest.mark.parametrize(
    ("path", "line", "shown"),
    [pytest.param(*each, id=f"{name_of(each[0])}: {each[1]}", marks=slow(each[0]))
     for each in CONSOLE],
)  # fmt: skip
def test_a_console_example_of_a_page_prints_what_it_shows(
    path, line, shown, tmp_path, monkeypatch, capsys
):
    prompt, command = line.split(maxsplit=1)
    assert prompt == "$"
    found = printed(command, tmp_path, monkeypatch, capsys)
    assert words(found) == words(shown)


def test_there_is_an_example_for_each_job():
    jobs = {line.split()[2] for _, line, _ in CONSOLE}
    assert jobs == {"derive", "check", "draw"}
    assert {"alpha.md", "derive.md", "verify.md", "redraw.md"} <= set(map(name_of, WITH_EXAMPLES))


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_between_pages_and_names_of_files_hold(path):
    text = path.read_text(encoding="utf-8")
    from steering_strength.theory.laws import LAWS

    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in LAWS, target
        elif not target.startswith("http"):
            assert (path.parent / target).is_file(), target
    for named in re.findall(r"`((?:theory|proofs_check|figures|tests)/[\w/.]*\w)`", text):
        assert (ROOT / named).exists(), named


def test_every_family_of_statements_has_its_page():
    from steering_strength.figures.report.content import FAMILY_TITLES

    tree = ast.parse((DOCS / "_ext" / "generated.py").read_text(encoding="utf-8"))
    (pages,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PAGES"
    )
    assert set(pages) == set(FAMILY_TITLES)
    for page in pages.values():
        assert "% generated: laws" in (DOCS / f"{page}.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def reference() -> Any:
    """How docstrings are made ready for the reference."""
    place = DOCS / "_ext" / "reference.py"
    spec = importlib.util.spec_from_file_location("docs_reference", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("line", "escaped"),
    [
        ("|alpha| R, and p* at p(z|c)", r"\|alpha\| R, and p\* at p(z\|c)"),
        ("`|x|` and ``a|b`` stay", "`|x|` and ``a|b`` stay"),
        ("**strong | words** stay", "**strong | words** stay"),
        ("`variable`**0 .. `variable`**order", r"`variable`\*\*0 .. `variable`\*\*order"),
        ("token_strs_ is a name", r"token_strs\_ is a name"),
    ],
)
def test_marks_in_docstrings_are_mathematics(reference, line, escaped):
    assert reference.escape(line) == escaped


def test_an_indented_block_of_a_docstring_is_literal(reference):
    lines = ["Use it so:", "", "    f(|x|)", "", "    g(x)", "", "And |y|.", ">>> a | b", "3"]
    assert reference.plain(lines) == [
        "Use it so:", "", "::", "", "    f(|x|)", "", "    g(x)", "", r"And \|y\|.", ">>> a | b",
        "3",
    ]  # fmt: skip


# -- notebooks -----------------------------------------------------------------------------------


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    content = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in content["cells"] if cell["cell_type"] == kind]


def test_there_is_a_notebook_for_each_job():
    assert [path.stem for path in NOTEBOOKS] == ["derive", "redraw", "verify"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_a_notebook_is_stored_without_outputs_and_opens_with_its_question(path):
    for cell in cells(path, "code"):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
    assert cells(path, "markdown")[0]["source"][0].startswith("# ")


def test_verdicts_show_themselves_as_a_table():
    from steering_strength.proofs_check.verdict import Verdict, Verdicts, table

    def verdict(name: str, status: Any, expected: bool) -> Verdict:
        return Verdict(name, "property", status, expected, "a < b", 3, 0.5, None, 0.1)

    found = Verdicts([verdict("peak", "passed", True), verdict("peak/x", "passed", False)])
    assert repr(found) == table(found)
    html = found._repr_html_()
    assert html.count("<tr") == 3
    assert 'title="a &lt; b"' in html
    assert "<b>NOT refuted (!)</b>" in html
    assert "<td>passed</td>" in html
