"""Wrong laws that the checks must refute: the measure of what a verdict of "passed" is worth.

The one idea: every closed form that a check compares with the oracle is a field of
`proofs_check.formulas.Formulas`, so a wrong one can take its place, and nothing else changes. Each
mutant is one mistake that somebody could make: a missing 1/q, an arithmetic for a geometric mean,
a tie tolerance, a dropped bias, a variance by subtraction. The check of its statement must find an
instance on which the wrong formula and the oracle part, and shrink it. A mutant that only raises
an exception is not refuted; one that nobody refutes is a survivor, and fails the command.

Many mutants are invisible on the paper's symmetric example (V = 9, G = 3, q = 1, equal weights):
`python -m proofs_check.mutants` says which.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from steering_strength.proofs_check.meeting import Meeting
from steering_strength.proofs_check.mutants import (
    concept,
    cross_entropy,
    laws,
    peaks,
    tilting,
    transformer,
)
from steering_strength.proofs_check.mutants.mutant import Mutant, Trial, try_mutant
from steering_strength.proofs_check.registry import CHECKS
from steering_strength.theory.errors import UnknownNameError

__all__ = ["MUTANTS", "Mutant", "Trial", "confront", "select_mutants", "try_mutant"]

MUTANTS: Mapping[str, Mutant] = MappingProxyType(
    {
        each.name: each
        for stem in (tilting, peaks, concept, cross_entropy, transformer, laws)
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


def confront(name: str, case: Any) -> Meeting:
    """The disagreement of one mutant with the oracle on one instance."""
    subject = MUTANTS[select_mutants([name])[0]]
    return CHECKS[subject.check].measure(case, subject.formulas)
