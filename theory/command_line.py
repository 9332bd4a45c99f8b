"""What the command lines share: mistakes in one line with exit status 2, and pipes that close."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable
from difflib import get_close_matches
from typing import NoReturn

__all__ = ["Parser", "at_least", "say"]


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line: the problem, then where to read more."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2; a word that is nearly right is named."""
        self.exit(2, f"error: {message}{self._close(message)}; see {self.prog} --help\n")

    def _close(self, message: str) -> str:
        choice = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message)
        option = re.search(r"unrecognized arguments: (--[\w-]+)", message)
        if choice:
            close = get_close_matches(choice[1], re.findall(r"[\w-]+", choice[2]), n=1)
        elif option:
            close = get_close_matches(option[1], _options(self), n=1)
        else:
            close = []
        return f"; did you mean {close[0]}?" if close else ""


def _options(parser: argparse.ArgumentParser) -> list[str]:
    """The long options of a parser and of its commands."""
    names: list[str] = []
    for action in parser._actions:
        names += [name for name in action.option_strings if name.startswith("--")]
        if isinstance(action, argparse._SubParsersAction):
            names += [name for each in action.choices.values() for name in _options(each)]
    return names


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
