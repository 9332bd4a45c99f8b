"""One exception class per kind of mistake; every message says value, bound and remedy.

All of them are `ValueError`s, so a caller who knows nothing of this module still catches
them; the command lines catch `SteeringError`, print its one line and exit with status 2.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

# Characters of a problem or a remedy, and names in a list of what there is.
_LONGEST, _NAMES = 400, 12


def shown(value: Any, longest: int = 80) -> str:
    """A value in a message: its repr, cut short; its type where even the repr fails."""
    try:
        text = repr(value)
    except Exception:  # integers of 4300 digits, and whatever an object of the user's does
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= longest else f"{text[:longest]}..."


def one_line(text: str) -> str:
    """A message as one line that prints on any terminal, of a bounded length."""
    line = " ".join(text[: 4 * _LONGEST].split())
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."


class SteeringError(ValueError):
    """Base of all errors raised on purpose: `problem` (value and bound), then `remedy`.

    Each is one line of a bounded length, whatever value, name or foreign error is quoted in it.
    """

    def __init__(self, problem: str, *, remedy: str) -> None:
        problem, remedy = one_line(problem), one_line(remedy)
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


class ShapeError(SteeringError):
    """An array has the wrong number of axes, the wrong length, or a wrong index in it."""


class ProbabilityError(SteeringError):
    """Something that must be a probability distribution is not: sign, sum, NaN, support."""


class AlphaError(SteeringError):
    """A steering strength is NaN or infinite, or a sign is neither +1 nor -1."""


class BudgetError(SteeringError):
    """A budget in nats, or a level of a probability, lies outside its range."""


class SteeringSetError(SteeringError):
    """P and N cannot define a difference-of-means vector (arXiv:2602.02712, Eq. 3)."""


class ConvergenceError(SteeringError):
    """An iteration ended without its invariant; the message carries the last bracket or loss."""


class OutputError(SteeringError):
    """A result cannot be written where it was asked for; nothing half-written is left."""


class MissingExtraError(SteeringError):
    """An optional dependency is not installed; the remedy is the command that installs it."""


class AssumptionError(SteeringError):
    """An assumption of the paper is violated; `assumption` names it, `where` the token or context.

    Attributes
    ----------
    assumption : str
        For instance ``"Assumption 1"``.
    where : str
        For instance ``"token 4, context 0"``.
    """

    def __init__(self, assumption: str, where: str, problem: str, *, remedy: str) -> None:
        super().__init__(f"{assumption} is violated at {where}: {problem}", remedy=remedy)
        self.assumption = assumption
        self.where = where


class UnknownNameError(SteeringError, KeyError):
    """A law, figure, check or model name that does not exist; close matches are suggested."""

    __str__ = ValueError.__str__  # a KeyError shows its message in quotes

    def __init__(self, kind: str, name: Any, known: Iterable[str]) -> None:
        names = sorted(known)
        word = name[:200] if isinstance(name, str) else ""
        close = get_close_matches(word, names, n=3, cutoff=0.5)
        more = [f"and {len(names) - _NAMES} more"] if len(names) > _NAMES else []
        known_names = f"known: {', '.join([*names[:_NAMES], *more])}"
        remedy = f"did you mean {', '.join(close)}?" if close else known_names
        super().__init__(f"unknown {kind} {shown(name)}", remedy=remedy)
        self.name = name
        self.close_matches = close
