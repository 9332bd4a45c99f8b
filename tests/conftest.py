"""Hypothesis for the whole suite: no deadlines, and a failure prints what reproduces it.

A deadline measures the machine, not the code: a busy one would turn a right test red.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from steering_strength.theory.command_line import Parser

settings.register_profile("suite", deadline=None, print_blob=True)
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def _called_by_their_long_names() -> Iterator[None]:
    """The roof renames the commands of its process; the next test starts from the rooms' names."""
    yield
    Parser.called = {}


@pytest.fixture(scope="module")
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
