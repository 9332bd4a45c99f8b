"""One statement at one site: what was predicted, what was measured, and the verdict."""

from __future__ import annotations

import re
from dataclasses import dataclass

from steering_strength.proofs_check.verdict import Status, Verdict

# Why a statement that is true of the linear read-out need not be true of a network at a block.
REASONS = {
    "last-block": "it claims equality: the norm was identified wrongly, or something follows it",
    "local": "KL is half Var(M_loc) alpha^2 only while the third order is small; here it is not",
    "tilting": "the blocks above bend the logits in alpha, so M_loc alone does not describe them",
    "concept-tanh": "nu(alpha) bends: at a block M changes with alpha",
    "norm-limit": "it claims equality: the blocks above may not have settled at these alphas",
    "peak": "M changes with alpha at a block, so K'(alpha) = M(z) may have several roots",
    "ce-linear": "the logits bend within a fifth of a standard deviation of M_loc",
    "ce-linear (calibrated)": "the text is not what this model samples, or there is too little",
}

__all__ = ["LawRow", "as_verdict", "from_verdict", "judged"]


@dataclass(frozen=True)
class LawRow:
    """One statement at one site.

    Parameters
    ----------
    statement, site : str
    exact : bool
        Whether the statement claims equality there; only these decide the exit status.
    predicted, measured : str
        In words and numbers.
    deviation : float
        In units of the stated tolerance.
    status : str
        "passed", "refuted" or "unknown".
    note : str
        What was compared, and where it breaks.
    examples : int
    """

    statement: str
    site: str
    exact: bool
    predicted: str
    measured: str
    deviation: float
    status: Status
    note: str
    examples: int


def judged(
    site: str,
    statement: str,
    predicted: str,
    measured: str,
    deviation: float,
    note: str,
    examples: int,
    *,
    exact: bool = False,
    unknown: bool = False,
) -> LawRow:
    """A row whose status follows from its deviation, in units of the tolerance.

    NaN compares false, so a number that is missing cannot pass.
    """
    status: Status = "unknown" if unknown else ("passed" if deviation <= 1 else "refuted")
    if status == "refuted":
        reason = REASONS.get(statement) or REASONS.get(re.split("[ ,]", statement)[0], "")
        note += f"; why: {reason}" if reason else ""
    return LawRow(statement, site, exact, predicted, measured, deviation, status, note, examples)


def as_verdict(row: LawRow) -> Verdict:
    """The row in the schema that all of `proofs_check` writes."""
    return Verdict(
        id=f"{row.statement}@{row.site}",
        method="real-model",
        status=row.status,
        expected=True,
        claim=f"predicted {row.predicted}; measured {row.measured}",
        examples=row.examples,
        max_error=row.deviation,
        counterexample=None,
        seconds=0.0,
        note=row.note,
    )


def from_verdict(verdict: Verdict, site: str) -> LawRow:
    """A verdict of the final norm, where every statement claims equality, as a row."""
    error = float("nan") if verdict.max_error is None else verdict.max_error
    return LawRow(
        statement=verdict.id,
        site=site,
        exact=True,
        predicted=verdict.claim,
        measured=verdict.note,
        deviation=error,
        status=verdict.status,
        note="",
        examples=verdict.examples,
    )
