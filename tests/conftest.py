"""What all tests share: Hypothesis, a browser, and which modules run in one process.

Hypothesis has no deadlines: they measure the machine, and a busy one would turn a right test red.
By default it tries the same 25 examples every time, and in the long run 200 new ones.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from steering_strength.theory.command_line import Parser

settings.register_profile("suite", deadline=None, max_examples=25, derandomize=True)
settings.register_profile("long", deadline=None, max_examples=200, print_blob=True)
settings.load_profile("suite")

# Python is started a hundred times here: it compiles the project once, not each time.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

TOGETHER: dict[str, tuple[str, ...]] = {
    "laws": ("test_laws.py", "test_figures_report.py", "test_paper.py"),  # each derives all laws
    # every curve of the page, and a browser
    "explorer": ("test_explorer.py", "test_explorer_browser.py", "test_figures_report_browser.py"),
    "figures": ("test_figures_records.py", "test_figures_drawing.py"),  # every record
    "Coq": ("test_formal.py", "test_formal_steps.py"),
}
"""Modules that compute the same: with `pytest -n` one process runs them, and computes it once."""


def _group(nodeid: str) -> str:
    file = nodeid.partition("::")[0]
    return next((name for name, files in TOGETHER.items() if file.endswith(files)), file)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long groups first, each in one piece: what is begun last is short."""
    order = [*TOGETHER, *dict.fromkeys(_group(item.nodeid) for item in items)]
    items.sort(key=lambda item: order.index(_group(item.nodeid)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A module goes to one process as a whole, in the order in which they were collected."""
    from xdist.scheduler import LoadFileScheduling

    class ByModule(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid)

    config.option.loadscopereorder = False
    return ByModule(config, log)


def pytest_collection_finish() -> None:
    """What is imported by now stays: no search for garbage looks at it, and searches are rare."""
    gc.freeze()
    gc.set_threshold(50_000)


@pytest.fixture(autouse=True)
def _called_by_their_long_names() -> Iterator[None]:
    """The roof renames the commands of its process; the next test starts from the rooms' names."""
    yield
    Parser.called = {}


@pytest.fixture(scope="session")
def records() -> dict[str, Any]:
    """The arrays behind every figure."""
    from steering_strength.figures.gallery import FIGURES

    return {name: figure.curves() for name, figure in FIGURES.items()}


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless Chromium of the system; a test is skipped only where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("no Chromium in the path")
    with sync_api.sync_playwright() as playwright:
        # Root has no sandbox in a container; a browser that opens one local file needs none.
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=[*sandbox, "--disable-gpu"])
        yield browser
        browser.close()
