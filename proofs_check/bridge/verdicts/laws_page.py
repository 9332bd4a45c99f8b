"""The law report as one self-contained HTML page: the figure, then a table for every site."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from steering_strength.proofs_check.bridge.verdicts.law_row import LawRow
from steering_strength.proofs_check.bridge.verdicts.laws_text import at_a_glance
from steering_strength.proofs_check.bridge.verdicts.survey import SiteSurvey
from steering_strength.theory.files import write_whole

__all__ = ["laws_page"]

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem;
       color: #222; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 2rem; font-size: 13px; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ddd;
         vertical-align: top; }
.passed { color: #00674a; } .refuted { color: #b33c00; } .unknown { color: #666; }
img { max-width: 100%; }
pre { font-size: 13px; overflow-x: auto; }
"""


def laws_page(
    folder: Path,
    model: str,
    concept: str,
    surveys: Sequence[SiteSurvey],
    rows: Sequence[LawRow],
    drawn: Sequence[Path],
) -> Path:
    """Write `laws.html` with the pictures that lie beside it embedded."""
    title = f"{model}, concept “{concept}”: which laws hold, where, and how far"
    pictures = [
        base64.b64encode(path.read_bytes()).decode()
        for path in (folder / "laws.png", folder / "laws_depth.png")
        if path in drawn
    ]
    body = [
        f"<h1>{escape(title)}</h1>",
        "<p>Statements in bold claim equality; the others are expansions around α = 0, or describe"
        " the linear read-out, and how far they carry on a real network is the question. A"
        " deviation above 1 exceeds the stated tolerance.</p>",
        f"<pre>{escape(at_a_glance(rows))}</pre>",
        *(f'<img alt="law report" src="data:image/png;base64,{data}">' for data in pictures),
    ]
    heads = {
        survey.vector.metadata.site: f"<p>|v| = {survey.vector.metadata.norm:.3g},"
        f" |h| / |v| = {survey.unit:.3g}; {escape(survey.cost)}.</p>"
        for survey in surveys
    }
    for site in dict.fromkeys(row.site for row in rows):
        body.append(f"<h2>{escape(site)}</h2>{heads.get(site, '')}")
        body.append(_table([row for row in rows if row.site == site]))
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(body)}</body></html>\n"
    )
    return write_whole(folder / "laws.html", lambda path: path.write_text(page, encoding="utf-8"))


def _table(rows: Sequence[LawRow]) -> str:
    lines = [
        "<table><tr><th>statement<th>verdict<th>deviation<th>predicted<th>measured<th>compared</tr>"
    ]
    for row in rows:
        name = f"<b>{escape(row.statement)}</b>" if row.exact else escape(row.statement)
        error = "–" if not np.isfinite(row.deviation) else f"{row.deviation:.2g}"
        lines.append(
            f'<tr><td>{name}<td class="{row.status}">{row.status}<td>{error}'
            f"<td>{escape(row.predicted)}<td>{escape(row.measured)}<td>{escape(row.note)}</tr>"
        )
    return "".join(lines) + "</table>"
