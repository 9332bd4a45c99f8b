"""From measured numbers to verdicts at the `final-norm` site, one per statement.

A verdict's error is in units of its tolerance, and every tolerance is the rounding error of the
forward pass or the measurement's own uncertainty: nothing is fitted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge.measure.final_norm import FinalNormSweep
from steering_strength.proofs_check.bridge.measure.measured_peaks import MeasuredPeak
from steering_strength.proofs_check.bridge.steering.setting import Setting
from steering_strength.proofs_check.verdict import Status, Verdict

__all__ = ["MINIMAL_EFFECT", "judge_final_norm"]

# Below this total variation at the ends of the grid, agreement would say little.
MINIMAL_EFFECT = 0.3


def judge_final_norm(
    setting: Setting,
    curves: FinalNormSweep,
    peaks: Sequence[MeasuredPeak],
    seconds: float,
) -> tuple[Verdict, ...]:
    """Verdicts for `final-norm` and everything that follows from K."""
    tolerance = np.array([setting.rounding(float(a)) for a in curves.alphas])[:, None]
    return (
        _final_norm(curves, tolerance, seconds),
        _peak(curves, peaks),
        _monotone(curves, tolerance),
        _mean_slope(setting, curves, tolerance),
        _concept(curves, tolerance),
        _ce_exact(curves, tolerance),
        _ce_radius(setting, curves, tolerance),
    )


def _verdict(
    name: str,
    claim: str,
    error: NDArray[np.float64] | float,
    examples: int,
    note: str,
    seconds: float = 0.0,
    status: Status | None = None,
) -> Verdict:
    worst = float(np.max(error))
    # NaN compares false, so a number that is missing cannot pass.
    decided: Status = "passed" if worst <= 1 else "refuted"
    return Verdict(
        id=name,
        method="real-model",
        status=status or decided,
        expected=True,
        claim=claim,
        examples=examples,
        max_error=worst,
        counterexample=None,
        seconds=seconds,
        note=note,
    )


def _final_norm(curves: FinalNormSweep, tolerance: NDArray[np.float64], seconds: float) -> Verdict:
    effect = float(curves.total_variation[[0, -1]].min())
    note = (
        f"max |predicted - measured| log p = {curves.error.max():.2e} nats over all tokens;"
        f" rounding bound {tolerance.max():.1e}; total variation at the ends >= {effect:.2f}"
    )
    trivial = effect <= MINIMAL_EFFECT
    if trivial:
        note += f", below {MINIMAL_EFFECT}: the test says little, raise --alpha-max"
    return _verdict(
        "final-norm",
        "p_alpha(z) = p(z) exp(alpha M(z) - K(alpha)) at the output of the final norm",
        curves.error / tolerance,
        curves.error.size,
        note,
        seconds,
        "unknown" if trivial else None,
    )


def _peak(curves: FinalNormSweep, peaks: Sequence[MeasuredPeak]) -> Verdict:
    found = [peak for peak in peaks if np.isfinite(peak.alpha)]
    claim = "a token's probability peaks where K'(alpha) = M(z)"
    if not found:
        note = f"none of {len(peaks)} maxima on the grid could be bracketed"
        return _verdict("peak", claim, float("nan"), 0, note, status="unknown")
    distance = np.array([abs(p.alpha - p.predicted_alpha) for p in found])
    width = np.array([p.uncertainty for p in found])
    note = (
        f"{len(found)} of {len(peaks)} maxima bracketed; max |predicted - measured| alpha ="
        f" {distance.max():.1e}, measured to {width.max():.1e}"
    )
    return _verdict("peak", claim, distance / width, len(found), note)


def _monotone(curves: FinalNormSweep, tolerance: NDArray[np.float64]) -> Verdict:
    rise = np.diff(curves.extreme_measured, axis=0) * np.array([-1.0, 1.0])
    # A step backwards beyond the rounding of both its ends refutes.
    slack = (tolerance[1:] + tolerance[:-1])[:, :, None]
    return _verdict(
        "monotone",
        "the token at max M only rises with alpha, the one at min M only falls",
        np.maximum(-rise / slack, 0.0),
        rise.size,
        f"smallest step in log p = {rise.min():.1e} nats over {rise.size} steps",
    )


def _mean_slope(
    setting: Setting, curves: FinalNormSweep, tolerance: NDArray[np.float64]
) -> Verdict:
    predicted = np.stack(
        [setting.family(j).mean(curves.alphas) for j in range(setting.batch.rows)], axis=1
    )
    error = np.abs(predicted - curves.mean_measured)
    # An error eps in every log p moves E[M] by at most eps (max M - min M).
    spread = float(np.ptp(setting.log_odds))
    return _verdict(
        "mean-slope",
        "E_alpha[M] = K'(alpha)",
        error / (tolerance * spread),
        error.size,
        f"max |predicted - measured| = {error.max():.1e} nats per unit alpha,"
        f" range of M {spread:.1f}",
    )


def _concept(curves: FinalNormSweep, tolerance: NDArray[np.float64]) -> Verdict:
    error = np.abs(curves.concept_predicted - curves.concept_measured)
    return _verdict(
        "concept-tanh",
        "logit F_T(alpha) = log S_T(alpha) - log S_rest(alpha)",
        # The logit is a difference of two log-sums, each as exact as one log-probability.
        error / (2 * tolerance),
        error.size,
        f"max |predicted - measured| logit = {error.max():.1e};"
        f" logit F_T from {curves.concept_measured.min():.1f} to"
        f" {curves.concept_measured.max():.1f}",
    )


def _ce_exact(curves: FinalNormSweep, tolerance: NDArray[np.float64]) -> Verdict:
    error = np.abs(curves.divergence_predicted - curves.divergence_measured)
    return _verdict(
        "ce-exact",
        "KL(p_0 || p_alpha) = K(alpha) - alpha K'(0)",
        error / tolerance,
        error.size,
        f"max |predicted - measured| = {error.max():.1e} nats,"
        f" largest divergence {curves.divergence_measured.max():.1f} nats",
    )


def _ce_radius(setting: Setting, curves: FinalNormSweep, tolerance: NDArray[np.float64]) -> Verdict:
    variance = np.array([float(setting.family(j).variance(0.0)) for j in range(setting.batch.rows)])
    quadratic = 0.5 * np.square(curves.alphas)[:, None] * variance
    x = (np.abs(curves.alphas) * np.ptp(setting.log_odds))[:, None]
    away = x[:, 0] > 0
    x, quadratic, measured = x[away], quadratic[away], curves.divergence_measured[away]
    with np.errstate(over="ignore"):  # e^x beyond float64 is a bound that holds: +inf
        low = 2 * (np.expm1(-x) + x) / np.square(x) * quadratic
        high = 2 * (np.expm1(x) - x) / np.square(x) * quadratic
    outside = np.maximum(low - measured, measured - high)
    error = np.maximum(outside / tolerance[away], 0.0)
    return _verdict(
        "ce-radius",
        "2(e^-x-1+x)/x^2 <= Delta CE / quadratic <= 2(e^x-1-x)/x^2, x = |alpha| (max M - min M)",
        error,
        error.size,
        f"Delta CE / quadratic from {(measured / quadratic).min():.3f} to"
        f" {(measured / quadratic).max():.3f} on the grid",
    )
