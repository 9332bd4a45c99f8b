"""Hypothesis for the whole suite: no deadlines, and a failure prints what reproduces it.

A deadline measures the machine, not the code: a busy one would turn a right test red.
"""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("suite", deadline=None, print_blob=True)
settings.load_profile("suite")
