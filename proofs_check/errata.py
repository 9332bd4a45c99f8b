"""Readings of the paper that are false or incomplete, each with a counterexample to check by hand.

``python -m proofs_check errata`` finds the smallest counterexample of each (`tables`: integers over
a common denominator, by increasing denominator), has the check of the reading confirm it, and
spells out the arithmetic (`spelled`). Where a statement is about the whole line, ball arithmetic
certifies it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from textwrap import wrap
from typing import Any

from steering_strength.proofs_check import spelled
from steering_strength.proofs_check.instances import ConceptCase
from steering_strength.proofs_check.oracles import exact
from steering_strength.proofs_check.registry import CHECKS
from steering_strength.proofs_check.run import code
from steering_strength.proofs_check.search import Finding
from steering_strength.proofs_check.tables import (
    interleaved_tables,
    norm_tables,
    small_tables,
    weighted_tables,
)
from steering_strength.theory.errors import SteeringError

__all__ = ["ERRATA", "Erratum", "Found", "as_records", "find", "table"]


@dataclass(frozen=True)
class Erratum:
    """A reading that is refuted.

    Attributes
    ----------
    id : str
        The check that states the reading and is expected to fail.
    where : str
        The place in arXiv:2602.02712.
    reading : str
        What is said, or easily understood.
    instead : str
        What is true.
    candidates : callable
        () -> instances by increasing size.
    arithmetic : callable
        instance -> lines a person can follow.
    """

    id: str
    where: str
    reading: str
    instead: str
    candidates: Callable[[], Iterator[Any]]
    arithmetic: Callable[[Any], list[str]]


@dataclass(frozen=True)
class Found:
    """An erratum with its counterexample."""

    erratum: Erratum
    case: Any
    what: str
    lines: tuple[str, ...]
    code: str


def _with_falling_share() -> Iterator[ConceptCase]:
    """Tables whose second concept has a share rho that falls from level to level of M."""
    for case in small_tables((1, 2, 2), (1, 2)):
        shares = exact.concept_levels(case.row, case.ratios, case.dataset.tokens(1))
        if len(shares) > 2 and all(a > b for a, b in pairwise(shares)):
            yield case


ERRATA: tuple[Erratum, ...] = (
    Erratum(
        id="sign-separation/outside-negative",
        where="Lemma B.4",
        reading="a token outside T has M(z) < 0",
        instead="M(z) <= 0, and M(z) = 0 exactly for the concepts that N misses",
        candidates=lambda: small_tables((1, 1, 1), (1,)),
        arithmetic=spelled.outside_negative,
    ),
    Erratum(
        id="concept-shape/falls-rises-falls",
        where="after Thm 3.6",
        reading="exactly three behaviours: a concept rises, falls, or rises and falls once",
        instead="as many extrema as the share rho of C has turns, or fewer by an even number",
        candidates=lambda: small_tables((1, 2, 1), (1, 2)),
        arithmetic=spelled.shape(1),
    ),
    Erratum(
        id="concept-shape/one-bump",
        where="after Thm 3.6",
        reading="exactly three behaviours: a concept that neither rises nor falls bumps once",
        instead="it may bump twice; up to 2|C| - 1 extrema occur",
        candidates=interleaved_tables,
        arithmetic=spelled.shape(2),
    ),
    Erratum(
        id="concept-monotone/necessary",
        where="Thm 3.6",
        reading="a concept falls only if max_C M <= min of M outside C",
        instead="the condition is sufficient, and so is less: that rho falls from level to level",
        candidates=_with_falling_share,
        arithmetic=spelled.necessary,
    ),
    Erratum(
        id="concept-limit/returns",
        where="after Thm 3.6",
        reading='a concept without extremal tokens "converges back to its unsteered value"',
        instead="its probability goes to 0 at both ends, as the formula of Thm 3.6 says",
        candidates=lambda: small_tables((1, 1, 1), (1,)),
        arithmetic=spelled.returns,
    ),
    Erratum(
        id="peak-sign/every-eps",
        where="Remark 3.4",
        reading="c_j outside T: target tokens peak at positive alpha for every admissible eps",
        instead="for eps below a root eps*, which may lie inside the admissible interval",
        candidates=weighted_tables,
        arithmetic=spelled.every_eps,
    ),
    Erratum(
        id="norm-limit/eps-of-v",
        where="Prop. 4.1",
        reading="LN_eps(h + alpha v) tends to LN_eps(v)",
        instead="it tends to LN_0(v): alpha drowns eps",
        candidates=lambda: norm_tables("rms"),
        arithmetic=spelled.washed_out,
    ),
    Erratum(
        id="norm-limit/constant-v",
        where="Prop. 4.1",
        reading="the output forgets h, for every v",
        instead="not where v vanishes under the norm: LayerNorm and constant v, or v = 0",
        candidates=lambda: norm_tables("layer"),
        arithmetic=spelled.forgets,
    ),
)


def find(erratum: Erratum) -> Found:
    """The smallest counterexample, as the check of the reading judges it.

    Raises
    ------
    SteeringError
        None is found: the reading would then be true as far as one has looked.
    """
    check = CHECKS[erratum.id]
    for case in erratum.candidates():
        meeting = check(case)
        if not meeting.agrees:
            finding = Finding(1, meeting.error, case=case, meeting=meeting)
            return Found(
                erratum=erratum,
                case=case,
                what=meeting.what,
                lines=tuple(erratum.arithmetic(case)),
                code=code(erratum.id, finding),
            )
    raise SteeringError(
        f"no small counterexample to {erratum.id}: {erratum.reading}",
        remedy="look at the check; a reading that is not refuted is no erratum",
    )


_SETTING = """\
A row is p(.|c) for a context c, over a common denominator; T is the target concept, C, D the
others, P and N the contexts of the steering vector, c_j the context that is looked at. Steering
multiplies p(z|c_j) by e^(alpha M(z)) and normalises (Lemma B.3); F is the probability of a concept.
Numbers are exact, but for the decimals after the last equality sign."""


def table(found: Sequence[Found]) -> str:
    """The errata as text, ready to be sent: a table of the readings, then each with its numbers."""
    head = ("", "where", "reading that is false")
    readings = [(f"{k}.", e.erratum.where, e.erratum.reading) for k, e in enumerate(found, start=1)]
    widths = [max(len(row[k]) for row in (head, *readings)) for k in range(2)]
    overview = [
        f"{number:<{widths[0]}}  {where:<{widths[1]}}  {reading}".rstrip()
        for number, where, reading in (head, *readings)
    ]
    blocks = [
        "Readings of arXiv:2602.02712 that are false, each with the smallest counterexample",
        "\n".join(overview),
        _SETTING,
    ]
    for k, each in enumerate(found, start=1):
        erratum = each.erratum
        lines = [
            f"{k}. {erratum.where}",
            f"   read:    {erratum.reading}",
            f"   instead: {erratum.instead}",
            *(wrapped for line in each.lines for wrapped in _indented(line)),
        ]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _indented(line: str) -> list[str]:
    # Tables keep their columns: only prose is long enough to be wrapped.
    return (
        wrap(line, 100, initial_indent=" " * 6, subsequent_indent=" " * 8)
        if len(line) > 94
        else [" " * 6 + line]
    )


def as_records(found: Sequence[Found]) -> list[dict[str, Any]]:
    """The same as plain data, with programs that repeat the refutations."""
    return [
        {
            "id": each.erratum.id,
            "where": each.erratum.where,
            "reading": each.erratum.reading,
            "instead": each.erratum.instead,
            "arithmetic": list(each.lines),
            "counterexample": each.code,
        }
        for each in found
    ]
