"""What the command lines share: mistakes in one line with exit status 2, and pipes that close."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from difflib import get_close_matches
from typing import Any, ClassVar, NoReturn

__all__ = ["Parser", "at_least", "say", "tolerant"]


_LONGEST = 400
"""Characters of an argument's problem that are repeated to the person who typed it."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line: the problem, then where to read more.

    It calls itself by the name under which it was called: `called` maps ``python -m theory list``
    to ``steering-strength list`` where the installed command was typed.
    """

    called: ClassVar[dict[str, str]] = {}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.prog = self._as_called(self.prog)

    def format_help(self) -> str:
        """Return the help with the commands as they were called."""
        return self._as_called(super().format_help())

    def _as_called(self, text: str) -> str:
        for long, short in sorted(self.called.items(), key=lambda pair: -len(pair[0])):
            text = text.replace(long, short)
        return text

    def error(self, message: str) -> NoReturn:
        """Exit with status 2; a word that is nearly right is named."""
        if len(message) > _LONGEST:
            message = f"{message[:_LONGEST]} ..."
        line = " ".join(f"error: {message}{self._close(message)}; see {self.prog} --help".split())
        self.exit(2, line + "\n")

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
        # int() takes other scripts' digits, underscores, and as many digits as memory holds.
        value = int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None
        if value is None or value < low:
            shown = text if len(text) <= 40 else f"{text[:40]}..."
            raise argparse.ArgumentTypeError(f"{shown!r} is not a whole number of at least {low}")
        return value

    return whole_number


def say(text: str) -> None:
    """Print. Who closed the pipe (`| head`) has read enough: no mistake, and the work goes on."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Python flushes once more at exit, and would complain there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def tolerant() -> None:
    """Let no terminal or pipe fail on a letter it does not know: that letter is escaped."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
