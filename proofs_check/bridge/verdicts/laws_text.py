"""The law report for the terminal: at a glance first, then every statement with its numbers."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np

from steering_strength.proofs_check.bridge.concept_texts import ConceptTexts
from steering_strength.proofs_check.bridge.tables import columns
from steering_strength.proofs_check.bridge.verdicts.law_row import LawRow
from steering_strength.proofs_check.bridge.verdicts.survey import SiteSurvey

__all__ = ["at_a_glance", "laws_text"]

_INDENT = 46 * " "


def at_a_glance(rows: Sequence[LawRow]) -> str:
    """Statements in lines, sites in columns: holds, or by how many tolerances it does not."""
    sites = list(dict.fromkeys(row.site for row in rows))
    statements = list(dict.fromkeys(row.statement for row in rows))
    cells = {(row.statement, row.site): _cell(row) for row in rows}
    head = ("statement", *(site.replace("block_out", "block") for site in sites))
    return columns(
        [head, *((name, *(cells.get((name, site), "") for site in sites)) for name in statements)]
    )


def laws_text(
    model: str,
    concept: ConceptTexts,
    surveys: Sequence[SiteSurvey],
    cosines: Sequence[float],
    rows: Sequence[LawRow],
) -> str:
    """The whole report."""
    heads = {
        survey.vector.metadata.site: _head(survey, cosine)
        for survey, cosine in zip(surveys, cosines, strict=True)
    }
    parts = [
        f"{model}, concept {concept.name!r}: |P| = {len(concept.positive)},"
        f" |N| = {len(concept.neutral)}, {len(concept.contexts)} contexts",
    ]
    for site in dict.fromkeys(row.site for row in rows):
        lines = [heads.get(site, site)]
        for row in rows:
            if row.site == site:
                lines += _lines(row)
        parts.append("\n".join(lines))
    parts.append(
        "At a glance (a number is the deviation in units of the stated tolerance, where it is"
        " above 1):\n\n" + at_a_glance(rows)
    )
    return "\n\n".join(parts)


def _cell(row: LawRow) -> str:
    if row.status == "passed":
        return "holds"
    return "unknown" if row.status == "unknown" else f"no, {row.deviation:.3g}"


def _head(survey: SiteSurvey, cosine: float) -> str:
    sink = (
        f"; cosine with the token mean that keeps the first token {cosine:+.2f}"
        if np.isfinite(cosine)
        else ""
    )
    skipped = "" if survey.substituted else "; blocks below could not be skipped"
    return (
        f"{survey.vector.metadata.site}: |v| = {survey.vector.metadata.norm:.3g},"
        f" |h| / |v| = {survey.unit:.3g}{sink}; {survey.cost}{skipped}"
    )


def _lines(row: LawRow) -> list[str]:
    error = "-" if not np.isfinite(row.deviation) else f"{row.deviation:.2g}"
    first = f"  {row.statement:26} {row.status:8} {error:>7}  "
    return [
        *textwrap.wrap(row.measured, 100, initial_indent=first, subsequent_indent=_INDENT),
        *textwrap.wrap(
            f"predicted {row.predicted}" + (f"; {row.note}" if row.note else ""),
            100,
            initial_indent=_INDENT,
            subsequent_indent=_INDENT,
        ),
    ]
