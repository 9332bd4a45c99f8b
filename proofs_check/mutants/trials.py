"""One trial by name: what is sent to another process."""

from __future__ import annotations

from steering_strength.proofs_check.mutants import MUTANTS
from steering_strength.proofs_check.mutants.mutant import Trial, try_mutant

__all__ = ["trial"]


def trial(name: str, *, seed: int, shrink: int = 150) -> Trial:
    """Try the mutant of that name."""
    return try_mutant(MUTANTS[name], seed=seed, shrink=shrink)
