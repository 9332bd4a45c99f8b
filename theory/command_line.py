"""What the command lines share: mistakes in one line with exit status 2, and pipes that close.

A command line is `finish(lambda: ...)` round all it does, parsing included: whatever goes wrong on
purpose ends in one line, and no letter, closed pipe or full disk ends in a traceback.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from steering_strength.theory.errors import OutputError, SteeringError, one_line, shown


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

    def _print_message(self, message: str, file: Any = None) -> None:
        (say if file is sys.stdout else note)(message.rstrip("\n"))

    def parse_known_args(self, *args: Any, **options: Any) -> Any:
        """Parse, once the terminal is known to take every letter of the answer."""
        tolerant()
        return super().parse_known_args(*args, **options)

    def add_out(self, default: str, what: str = "folder", metavar: str = "DIR") -> None:
        """Add the option ``--out``, which names what is written."""
        self.add_argument(
            "--out",
            type=named_path,
            default=Path(default),
            metavar=metavar,
            help=f"{what} (default: {default})",
        )

    def error(self, message: str) -> NoReturn:
        """Exit with status 2; a word that is nearly right is named."""
        self.exit(2, f"error: {one_line(message)}{self._close(message)}; see {self.prog} --help")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Exit; a mistake is one line, whatever was typed."""
        super().exit(status, one_line(message) if message and status else message)

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


def at_least(low: int, most: int | None = None) -> Callable[[str], int]:
    """The type of an argument that is a whole number from `low` on, to `most` if there is one."""
    bound = f"at least {low}" + (f" and at most {most}" if most is not None else "")

    def whole_number(text: str) -> int:
        # int() takes other scripts' digits, underscores, and as many digits as memory holds.
        value = int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None
        if value is None or value < low or (most is not None and value > most):
            raise argparse.ArgumentTypeError(f"{shown(text)} is not a whole number of {bound}")
        return value

    return whole_number


def named_path(text: str) -> Path:
    """The type of an argument that names a file or folder."""
    path = Path(text)
    try:
        long = len(text) > 4000 or any(len(os.fsencode(part)) > 255 for part in path.parts)
    except UnicodeEncodeError:  # half a letter
        long = True
    if not text or "\0" in text or long:
        raise argparse.ArgumentTypeError(f"{shown(text)} is no name of a file")
    return path


def finish(work: Callable[[], int]) -> int:
    """Return the exit status of `work`; 2, with one line, for a mistake; 130 for Ctrl-C."""
    try:
        return work()
    except SteeringError as error:
        note(f"error: {error}")
        return 2
    except MemoryError:
        note("error: the memory is full; try fewer tokens, contexts or strengths at a time")
        return 2
    except KeyboardInterrupt:
        note("interrupted; nothing half-written is left")
        return 130


def note(text: str) -> None:
    """Print on standard error, which may be closed or full."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def say(text: str) -> None:
    """Print. Who closed the pipe (`| head`) has read enough: no mistake, and the work goes on.

    Raises OutputError: standard output takes no more, for another reason: its disk is full.
    """
    try:
        print(text, flush=True)
    except OSError as error:
        # Python flushes once more at exit, and would complain there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise OutputError(
                f"cannot write to standard output: {error.strerror}", remedy="write it elsewhere"
            ) from None


def tolerant() -> None:
    """Let no terminal or pipe fail on a letter it does not know: that letter is escaped."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
