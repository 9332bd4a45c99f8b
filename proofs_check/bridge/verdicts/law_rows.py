"""From a survey to verdicts: predicted, measured, deviation, and what the deviation means.

Two statements are exact at block sites, `last-block` and `norm-limit` (its rate and its refined
form); the others are expansions around alpha = 0 or properties of the linear read-out, and how
far they carry on a real network is the question. A verdict `refuted` there is a finding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from steering_strength.proofs_check.bridge._old.norms import FinalNorm
from steering_strength.proofs_check.bridge.measure.local import BudgetPoint
from steering_strength.proofs_check.bridge.measure.plateau import PAPER_REACH
from steering_strength.proofs_check.bridge.measure.text_slope import TextSlope
from steering_strength.proofs_check.bridge.shapes import count_shapes
from steering_strength.proofs_check.bridge.verdicts.concept_rows import concept_rows
from steering_strength.proofs_check.bridge.verdicts.law_row import LawRow, judged
from steering_strength.proofs_check.bridge.verdicts.survey import DISTANCES, SiteSurvey

__all__ = ["BUDGET_TOLERANCE", "budget_rows", "law_rows"]

# What "holds" means for a second-order prediction: the next order is of relative size
# skewness * sqrt(2 budget) / 6, a few per cent, ten and thirty per cent at these budgets.
BUDGET_TOLERANCE = {0.01: 0.1, 0.1: 0.2, 1.0: 0.5}
_TILT_TOLERANCE = 0.1
_RATE_TOLERANCE = 0.05
# Predicted and measured differ by the truncation of the differences, (0.2 sd)^2 and less.
_SLOPE_TOLERANCE = 0.02
_NOISE = 4.0
_SHAPE_TOLERANCE = 1e-3


def law_rows(survey: SiteSurvey, norm: FinalNorm, rounding: float) -> tuple[LawRow, ...]:
    """All statements for one site; `rounding` is the error of a log-probability in nats."""
    points = [point for context in survey.contexts for point in context.budgets]
    rows = [
        *budget_rows(survey.vector.metadata.site, points),
        _tilting(survey),
        *concept_rows(survey),
        _norm_limit(survey),
        _refined(survey),
        *_shapes(survey),
        _text("ce-linear", survey, survey.real, "library text"),
        _sampled(survey),
    ]
    if np.isfinite(survey.contexts[0].closed_form_error):
        rows.insert(0, _last_block(survey, norm, rounding))
    return tuple(rows)


def budget_rows(site: str, points: Sequence[BudgetPoint]) -> list[LawRow]:
    """`local`: the alphas of every budget in `points`, predicted and true, one row per budget."""
    rows = []
    for budget, tolerance in BUDGET_TOLERANCE.items():
        asked = [p for p in points if p.budget == budget]
        found = [p for p in asked if np.isfinite(p.measured)]
        name = f"local {budget:g} nat"
        if not found:
            note = "no measured alpha settled: the divergence may never reach this budget"
            rows.append(judged(site, name, "-", "-", float("nan"), note, len(asked), unknown=True))
            continue
        ratio = np.array([p.predicted / p.measured for p in found])
        note = (
            f"predicted / true alpha {ratio.min():.3f} to {ratio.max():.3f};"
            f" {np.mean([p.evaluations for p in found]):.1f} measured divergences each"
        )
        if len(found) < len(asked):
            note += f"; {len(asked) - len(found)} of {len(asked)} did not settle"
        rows.append(
            judged(
                site,
                name,
                _median([abs(p.predicted) for p in found], "|alpha|"),
                _median([abs(p.measured) for p in found], "|alpha|"),
                float(np.abs(ratio - 1).max() / tolerance),
                note,
                len(found),
            )
        )
    return rows


def _tilting(survey: SiteSurvey) -> LawRow:
    by_budget = {
        budget: [
            p.total_variation
            for c in survey.contexts
            for p in c.budgets
            if p.budget == budget and np.isfinite(p.total_variation)
        ]
        for budget in BUDGET_TOLERANCE
    }
    shown = ", ".join(f"{max(v):.3f} at {budget:g} nat" for budget, v in by_budget.items() if v)
    worst = max((max(v) for budget, v in by_budget.items() if v and budget <= 0.1), default=np.nan)
    return judged(
        survey.vector.metadata.site,
        "tilting by M_loc",
        "p_0 exp(alpha M_loc - K)",
        f"total variation {shown or '-'}",
        float(worst / _TILT_TOLERANCE),
        f"largest over contexts and signs; holds if at most {_TILT_TOLERANCE:g} up to 0.1 nat",
        sum(len(v) for v in by_budget.values()),
        unknown=not np.isfinite(worst),
    )


def _norm_limit(survey: SiteSurvey) -> LawRow:
    plateaus = [p for c in survey.contexts for p in c.plateaus]
    rates = np.array([p.rate for p in plateaus])
    ends = np.array([p.to_limit[-1] for p in plateaus])
    return judged(
        survey.vector.metadata.site,
        "norm-limit",
        "rate -1 in alpha",
        f"{rates.min():.4f} to {rates.max():.4f}",
        float(np.abs(rates + 1).max() / _RATE_TOLERANCE),
        f"total variation to LN(+-v) W^T {ends.max():.2g} where |alpha v| ="
        f" {DISTANCES[-1]:g} |h + R_inf|, but {max(p.paper[0] for p in plateaus):.2g} at alpha ="
        f" {PAPER_REACH:g}: |h + R_inf| / |v| = {np.median([p.scale for p in plateaus]):.3g}",
        len(plateaus),
        exact=True,
    )


def _refined(survey: SiteSurvey) -> LawRow:
    plateaus = [p for c in survey.contexts for p in c.plateaus]
    limit = np.array([p.to_limit for p in plateaus])
    refined = np.array([p.to_refined for p in plateaus])
    near, far = (f"{refined[:, i].max():.2g} instead of {limit[:, i].max():.2g}" for i in (0, 1))
    return judged(
        survey.vector.metadata.site,
        "norm-limit with R_inf",
        "LN(h + R_inf + alpha v) W^T",
        f"total variation {near}",
        # At the first distance R may still differ from R_inf; at the second it must be closer.
        float((refined[:, 1] / np.maximum(limit[:, 1], 1e-300)).max()),
        f"where |alpha v| = {DISTANCES[0]:g} |h + R_inf|; {far} at {DISTANCES[1]:g}; at alpha ="
        f" {PAPER_REACH:g} {max(p.paper[1] for p in plateaus):.2g} instead of"
        f" {max(p.paper[0] for p in plateaus):.2g}; holds if it is the better one at"
        f" {DISTANCES[1]:g}",
        len(plateaus),
        exact=True,
    )


def _shapes(survey: SiteSurvey) -> list[LawRow]:
    rows = []
    windows = (
        (f"0 to {PAPER_REACH:g}", survey.alphas <= PAPER_REACH, "measured"),
        ("0 to |h|/|v|", survey.alphas <= survey.unit, "near_measured"),
    )
    for window, below, field in windows:
        inside = below & (survey.alphas >= 0)
        counts = [
            count_shapes(np.exp(getattr(c, field)[inside]), _SHAPE_TOLERANCE)
            for c in survey.contexts
        ]
        total = {name: sum(c[name] for c in counts) for name in counts[0]}
        allowed = total["rise"] + total["fall"] + total["bump"] + total["flat"]
        number = sum(total.values())
        listed = ", ".join(f"{n} {name}" for name, n in total.items() if n)
        rows.append(
            judged(
                survey.vector.metadata.site,
                f"peak (alpha {window})",
                "bump, rise or fall",
                f"{allowed} of {number}",
                1.0 + (number - allowed) / number if allowed < number else 0.0,
                f"{listed}; turns of at most {_SHAPE_TOLERANCE:g} in p are ignored",
                number,
                unknown=int(inside.sum()) < 5,
            )
        )
    return rows


def _text(name: str, survey: SiteSurvey, text: TextSlope, what: str) -> LawRow:
    # Both are differences of larger terms: the slope of two means of M_loc, known to a standard
    # error, the curvature of terms of the size of E Var(M_loc). Errors count relative to those.
    slope = abs(text.measured_slope - text.predicted_slope) / (
        abs(text.predicted_slope) + text.standard_error
    )
    bend = abs(text.measured_curvature - text.predicted_curvature) / text.variance
    lowest = -text.predicted_slope / text.predicted_curvature
    return judged(
        survey.vector.metadata.site,
        name,
        f"slope {text.predicted_slope:+.5f}, curvature {text.predicted_curvature:.4f}",
        f"{text.measured_slope:+.5f}, {text.measured_curvature:.4f}",
        max(slope, bend) / _SLOPE_TOLERANCE,
        f"{what}, {text.tokens} tokens: slope {text.z:+.1f} standard errors from 0;"
        f" lowest cross-entropy near alpha = {lowest:+.2f}",
        text.tokens,
    )


def _sampled(survey: SiteSurvey) -> LawRow:
    text = survey.sampled
    return judged(
        survey.vector.metadata.site,
        "ce-linear (calibrated)",
        "slope 0",
        f"{text.measured_slope:+.5f} +- {text.standard_error:.5f}",
        abs(text.z) / _NOISE,
        f"text sampled from the model, {text.tokens} tokens: {text.z:+.1f} standard errors from 0;"
        f" curvature {text.measured_curvature:.4f} against E Var(M_loc) = {text.variance:.4f}",
        text.tokens,
    )


def _last_block(survey: SiteSurvey, norm: FinalNorm, rounding: float) -> LawRow:
    error = max(c.closed_form_error for c in survey.contexts)
    # The norm's own arithmetic, relative to the state, dominates a float64 read-out.
    return judged(
        survey.vector.metadata.site,
        "last-block",
        "(a + alpha b) / sqrt(Q(alpha)) + c",
        f"max |difference| {error:.1e} nats",
        error / rounding,
        f"all tokens, {survey.alphas.size} alphas to {survey.alphas[-1]:.3g};"
        f" bound {rounding:.1e} from the norm's {norm.precision:.0e} relative precision",
        len(survey.contexts) * survey.alphas.size,
        exact=True,
    )


def _median(values: Sequence[float], name: str) -> str:
    return f"median {name} {np.median(values):.4g}"
