"""What the command lines share: mistakes in one line with exit status 2, and pipes that close."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import NoReturn

__all__ = ["Parser", "at_least", "say"]


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line: the problem, then where to read more."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2."""
        self.exit(2, f"error: {message}; see {self.prog} --help\n")


def at_least(low: int) -> Callable[[str], int]:
    """The type of an argument that is a whole number from `low` on."""

    def whole_number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or value < low:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {low}")
        return value

    return whole_number


def say(text: str) -> None:
    """Print. Who closed the pipe (`| head`) has read enough: no mistake, and the work goes on."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Python flushes once more at exit, and would complain there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
