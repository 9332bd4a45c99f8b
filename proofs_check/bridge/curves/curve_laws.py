"""What the theory says about curves that somebody else measured. No torch here.

Each row names the statement, what the curve shows, and how surely. The samples are all there is:
where they are too sparse to decide, the row says `unknown` and what would decide it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from steering_strength.proofs_check.bridge.curves.curve_files import Curves
from steering_strength.proofs_check.bridge.shapes import count_shapes, shape_of
from steering_strength.proofs_check.bridge.tables import columns
from steering_strength.proofs_check.verdict import Status, Verdict

__all__ = ["CurveRow", "curve_rows", "curve_table", "curve_verdicts"]

Floats = NDArray[np.float64]

# Curvature is fitted where the cross-entropy has moved by at most this: beyond it a polynomial of
# degree six no longer absorbs the higher orders.
_NEAR = 0.5
_FEWEST = 7
# Ratios of the likeliest tokens: files hold float32, and a tenth of a nat is a visible difference.
_TOKENS, _LIKELY, _TINY, _RATIO_NATS = 8, 1e-4, 1e-12, 0.1
# The part of each end that decides between a plateau and growth.
_END = 0.2


@dataclass(frozen=True)
class CurveRow:
    """One statement about one file.

    Parameters
    ----------
    file, statement : str
    status : str
        "passed", "refuted" or "unknown".
    shown : str
        What the curve shows, in numbers.
    """

    file: str
    statement: str
    status: Status
    shown: str


def curve_rows(curves: Curves, *, tolerance: float = 1e-3) -> tuple[CurveRow, ...]:
    """All statements that the parts of `curves` can decide.

    Parameters
    ----------
    curves : Curves
    tolerance : float
        In probability: smaller retreats of a curve are noise.
    """
    rows: list[CurveRow] = []
    if curves.probabilities is not None:
        rows.append(_tilting(curves, curves.probabilities))
        rows += _tokens(curves, curves.probabilities, tolerance)
    if curves.effect is not None:
        rows += _effect(curves, curves.effect, tolerance)
    if curves.cross_entropy is not None:
        rows += _cross_entropy(curves, curves.cross_entropy)
    return tuple(rows)


def curve_table(rows: Sequence[CurveRow]) -> str:
    """Aligned columns."""
    head = ("file", "statement", "status", "the curve shows")
    return columns([head, *((r.file, r.statement, r.status, r.shown) for r in rows)])


def curve_verdicts(rows: Sequence[CurveRow]) -> list[Verdict]:
    """The rows in the schema that all of `proofs_check` writes."""
    return [
        Verdict(
            id=f"{row.statement}@{row.file}",
            method="real-model",
            status=row.status,
            expected=True,
            claim=row.statement,
            examples=1,
            max_error=None,
            counterexample=None,
            seconds=0.0,
            note=row.shown,
        )
        for row in rows
    ]


def _tilting(curves: Curves, p: Floats) -> CurveRow:
    """Under tilting, log p(y) - log p(z) is a straight line in alpha, for any two tokens.

    Its slope, M(y) - M(z), is read off next to alpha = 0; how far the line carries is measured.
    """
    middle = int(np.abs(curves.alphas).argmin())
    likely = np.argsort(-p[middle], kind="stable")[:_TOKENS]
    likely = likely[p[middle, likely] >= _LIKELY]
    statement = "tilting (ratios of tokens)"
    if likely.size < 2 or not 0 < middle < curves.alphas.size - 1:
        return CurveRow(
            curves.name,
            statement,
            "unknown",
            f"{likely.size} tokens with p >= {_LIKELY:g} at alpha = 0, or no alpha on one side:"
            " ratios of two are needed on both",
        )
    # What a file in float32 calls 0 has no ratio; such alphas say nothing about that token.
    with np.errstate(divide="ignore", invalid="ignore"):
        log_p = np.log(np.where(p[:, likely] >= _TINY, p[:, likely], np.nan))
    ratio = log_p[:, 1:] - log_p[:, :1]
    x = curves.alphas - curves.alphas[middle]
    slope = (ratio[middle + 1] - ratio[middle - 1]) / (x[middle + 1] - x[middle - 1])
    error = np.abs(ratio - ratio[middle] - slope * x[:, None])
    worst = np.where(np.isnan(error), 0.0, error).max(axis=1)
    off = worst > _RATIO_NATS
    reach = float(np.abs(x).max())
    if off.any():
        reach = float(np.abs(x[~off])[np.abs(x[~off]) < np.abs(x[off]).min()].max())
    return CurveRow(
        curves.name,
        statement,
        "refuted" if off.any() else "passed",
        f"log p(y)/p(z) of the {likely.size} likeliest tokens is a line within {_RATIO_NATS:g} nat"
        f" up to |alpha| = {reach:.3g}"
        + (f", off by {worst.max():.2g} at worst: M changes with alpha" if off.any() else ""),
    )


def _tokens(curves: Curves, p: Floats, tolerance: float) -> list[CurveRow]:
    rows = []
    for label, sign in (("alpha >= 0", 1), ("alpha <= 0", -1)):
        side = sign * curves.alphas >= 0
        if side.sum() < 5:
            continue
        for count in sorted({min(8, p.shape[1]), p.shape[1]}):
            shapes = count_shapes(p[side][:, :count], tolerance)
            allowed = count - shapes["dip"] - shapes["multi"]
            listed = ", ".join(f"{n} {name}" for name, n in shapes.items() if n)
            rows.append(
                CurveRow(
                    curves.name,
                    f"peak ({label}, first {count})",
                    "passed" if allowed == count else "refuted",
                    f"{allowed} of {count} bump, rise or fall ({listed};"
                    f" turns of at most {tolerance:g} ignored)",
                )
            )
    return rows


def _effect(curves: Curves, f: Floats, tolerance: float) -> list[CurveRow]:
    shape = shape_of(f, tolerance)
    turns = ", ".join(f"{curves.alphas[i]:g}" for i in shape.turns)
    rows = [
        CurveRow(
            curves.name,
            "concept-monotone",
            "passed" if shape.name == "rise" else "refuted",
            f"{shape.name}" + (f", turns at alpha = {turns}" if turns else ""),
        )
    ]
    inside = (f > 0.02) & (f < 0.98)
    if inside.sum() < _FEWEST:
        rows.append(
            CurveRow(
                curves.name,
                "concept-tanh, linear nu",
                "unknown",
                f"{int(inside.sum())} points between 0.02 and 0.98, {_FEWEST} are needed",
            )
        )
        return rows
    x, y = curves.alphas[inside], logit(f[inside])
    slope, offset = np.polyfit(x, y, 1)
    residual = y - (slope * x + offset)
    share = 1 - float(residual.var() / y.var())
    rows.append(
        CurveRow(
            curves.name,
            "concept-tanh, linear nu",
            "passed" if share >= 0.95 else "refuted",
            f"logit = {offset:+.3g} {slope:+.3g} alpha explains {share:.1%} of its variance"
            f" on {int(inside.sum())} points (holds from 95 %)",
        )
    )
    return rows


def _cross_entropy(curves: Curves, entropy: Floats) -> list[CurveRow]:
    rows = [_curvature(curves, entropy)]
    for name, sign in (("+inf", 1), ("-inf", -1)):
        rows += _end(curves, entropy, name, sign)
    return rows


def _curvature(curves: Curves, entropy: Floats) -> CurveRow:
    """Fit polynomials around 0; slope and curvature with their uncertainty."""
    statement = "ce-quadratic, ce-linear"
    middle = int(np.abs(curves.alphas).argmin())
    risen = np.abs(entropy - entropy[middle]) > _NEAR
    right = np.flatnonzero(risen[middle:])
    left = np.flatnonzero(risen[: middle + 1][::-1])
    first = middle - (int(left[0]) - 1 if left.size else middle)
    last = middle + (int(right[0]) - 1 if right.size else entropy.size - 1 - middle)
    near = slice(first, last + 1)
    count = last + 1 - first
    if count < _FEWEST or not first < middle < last:
        return CurveRow(
            curves.name,
            statement,
            "unknown",
            f"{count} alphas within {_NEAR:g} nat of the unsteered value, {_FEWEST} are needed:"
            " sample more densely near 0",
        )
    x, y = curves.alphas[near], entropy[near]
    scale = float(np.abs(x).max())
    low, high = min(4, count - 4), min(6, count - 2)
    (slope, bend), (slope_error, bend_error) = _at_zero(x / scale, y, high)
    (other_slope, other_bend), _ = _at_zero(x / scale, y, low)
    # Two standard errors, and what two more orders of the polynomial change.
    slope_error = (2 * slope_error + abs(slope - other_slope)) / scale
    bend_error = (2 * bend_error + abs(bend - other_bend)) / scale**2
    slope, bend = slope / scale, bend / scale**2
    sure: Status = "unknown"
    if abs(bend) > bend_error:
        sure = "passed" if bend > 0 else "refuted"
    return CurveRow(
        curves.name,
        statement,
        sure,
        f"curvature {bend:.4g} +- {bend_error:.2g}, slope {slope:+.4g} +- {slope_error:.2g} nats"
        f" per unit alpha on {count} points to |alpha| = {scale:g};"
        + (
            " a slope that is not zero measures miscalibration"
            if abs(slope) > slope_error
            else " no slope beyond its error"
        ),
    )


def _at_zero(x: Floats, y: Floats, degree: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """First and second derivative at 0 of a least-squares polynomial, and their standard errors."""
    design = np.vander(x, degree + 1, increasing=True)
    fit, *_ = np.linalg.lstsq(design, y, rcond=None)
    spread = float(((y - design @ fit) ** 2).sum() / (y.size - degree - 1))
    errors = np.sqrt(np.diag(spread * np.linalg.pinv(design.T @ design)))
    return (float(fit[1]), 2 * float(fit[2])), (float(errors[1]), 2 * float(errors[2]))


def _end(curves: Curves, entropy: Floats, name: str, sign: int) -> list[CurveRow]:
    side = sign * curves.alphas >= 0
    x, y = np.abs(curves.alphas[side]), entropy[side]
    order = np.argsort(x)
    x, y = x[order], y[order]
    if x.size < 2 * _FEWEST:
        return []
    far = x >= (1 - _END) * x[-1]
    if far.sum() < 3:
        return []
    steepest = float(np.max(np.abs(np.diff(y) / np.diff(x))))
    last = float(np.polyfit(x[far], y[far], 1)[0])
    flat = abs(last) <= 0.05 * steepest
    return [
        CurveRow(
            curves.name,
            f"norm-limit (plateau at {name})",
            "passed" if flat else "unknown",
            f"slope over the last {_END:.0%} {last:.3g} nats per unit alpha, steepest"
            f" {steepest:.3g}: "
            + ("a plateau" if flat else "still moving: a plateau, if any, lies further out"),
        )
    ]
