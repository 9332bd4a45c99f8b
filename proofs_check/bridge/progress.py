"""Progress lines: long work says what it is doing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

__all__ = ["Clock", "Progress", "silent"]

Progress = Callable[[str], None]


def silent(_line: str) -> None:
    """Say nothing: the default where a library call reports to nobody."""


class Clock:
    """Progress lines on standard error, with the seconds since the start."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Wall time since the start."""
        return time.perf_counter() - self._start

    def __call__(self, line: str) -> None:
        """Print one line."""
        print(f"[{self.seconds:6.1f} s] {line}", file=sys.stderr, flush=True)
