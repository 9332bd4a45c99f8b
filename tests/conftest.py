"""Hypothesis for the whole suite: no deadlines, and a failure prints what reproduces it.

A deadline measures the machine, not the code: a busy one would turn a right test red.
"""

from __future__ import annotations

from collections.abc import Iterator

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
