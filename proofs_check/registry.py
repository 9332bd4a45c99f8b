"""All checks by id, in the order of the theory, and the selection of some of them by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from steering_strength.proofs_check import (
    check_advice,
    check_allocation,
    check_concept,
    check_cross_entropy,
    check_engine,
    check_estimation,
    check_model,
    check_operators,
    check_peaks,
    check_sequences,
    check_tilting,
    check_transformer,
)
from steering_strength.proofs_check.check import Check
from steering_strength.theory.errors import UnknownNameError
from steering_strength.theory.laws import CLAIMS, LAWS, Law

_STEMS = (
    check_tilting,
    check_engine,
    check_model,
    check_peaks,
    check_concept,
    check_cross_entropy,
    check_transformer,
    check_operators,
    check_sequences,
    check_advice,
    check_estimation,
    check_allocation,
)

_ALL = [each for stem in _STEMS for each in vars(stem).values() if isinstance(each, Check)]

CHECKS: Mapping[str, Check] = MappingProxyType({c.id: c for c in _ALL if c.question is None})
"""id -> check, by being written; a false reading of a statement is ``statement/reading``."""

CERTIFICATES: Mapping[str, Check] = MappingProxyType({c.id: c for c in _ALL if c.question})
"""id -> what ball arithmetic decides about an instance, beside the check of the statement."""

DERIVATIONS: Mapping[str, Law] = MappingProxyType({**LAWS, **CLAIMS})
"""id -> what SymPy derives: a law, or for a false reading the steps that refute it."""

_NAMES: tuple[str, ...] = tuple(dict.fromkeys([*CHECKS, *DERIVATIONS]))

STATEMENTS: tuple[str, ...] = tuple(dict.fromkeys(name.partition("/")[0] for name in _NAMES))
"""The statements of the theory, each with its readings, in reading order."""


def select(ids: Iterable[str] | None = None) -> tuple[str, ...]:
    """Names in reading order: a statement selects its readings too; None selects everything.

    Raises
    ------
    UnknownNameError
        With close matches.
    """
    known = [name for s in STATEMENTS for name in (s, *_readings(s))]
    if ids is None:
        return tuple(known)
    chosen: set[str] = set()
    for name in ids:
        if name not in known:
            raise UnknownNameError("statement", name, known)
        chosen |= {name, *_readings(name)}
    return tuple(name for name in known if name in chosen)


def _readings(statement: str) -> list[str]:
    return [name for name in _NAMES if name.startswith(statement + "/")]
