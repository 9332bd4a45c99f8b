"""All wrong laws by name, the selection of some of them, and the trial of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from steering_strength.proofs_check.comparison import Comparison
from steering_strength.proofs_check.mutants import (
    concept,
    cross_entropy,
    estimation,
    laws,
    operators,
    peaks,
    sequences,
    tilting,
    transformer,
)
from steering_strength.proofs_check.mutants.mutant import Mutant, Trial, try_mutant
from steering_strength.proofs_check.registry import CHECKS
from steering_strength.theory.errors import UnknownNameError

MUTANTS: Mapping[str, Mutant] = MappingProxyType(
    {
        each.name: each
        for stem in (
            tilting,
            peaks,
            concept,
            cross_entropy,
            transformer,
            operators,
            sequences,
            estimation,
            laws,
        )
        for each in stem.MUTANTS
    }
)
"""name -> mutant, in the order of the theory."""


def select_mutants(names: Iterable[str] | None = None) -> tuple[str, ...]:
    """Mutants by name or by the check that must notice them; all by default.

    Raises
    ------
    UnknownNameError
        With close matches.
    """
    if names is None:
        return tuple(MUTANTS)
    checks = {each.check for each in MUTANTS.values()}
    wanted = set(names)
    for name in sorted(wanted - checks - set(MUTANTS)):
        # A list of them all would be longer than anyone reads: the checks stand for it.
        close = get_close_matches(name, [*MUTANTS, *checks], n=3, cutoff=0.5)
        raise UnknownNameError("mutant or check", name, close or checks)
    return tuple(n for n, each in MUTANTS.items() if n in wanted or each.check in wanted)


def trial(name: str, *, seed: int, shrink: int = 150) -> Trial:
    """Try the mutant of that name; a name can be sent to another process, a mutant cannot."""
    return try_mutant(MUTANTS[name], seed=seed, shrink=shrink)


def confront(name: str, case: Any) -> Comparison:
    """The disagreement of one mutant with the oracle on one instance."""
    subject = MUTANTS[select_mutants([name])[0]]
    with subject.in_place():
        return CHECKS[subject.check].measure(case)
