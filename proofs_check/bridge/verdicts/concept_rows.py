"""The probability of the concept's words at a block: the tilt's prediction, and the tanh law.

`concept-tanh` says that F_T is a sigmoid of nu(alpha). At the final norm nu is known exactly; at a
block it starts with the slope that M_loc gives and stays nearly linear for a while: how long is
measured here, by the range of alpha on which a straight line explains the logit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from steering_strength.proofs_check.bridge.shapes import count_shapes
from steering_strength.proofs_check.bridge.verdicts.law_row import LawRow, judged
from steering_strength.proofs_check.bridge.verdicts.survey import SiteSurvey

__all__ = ["TanhFit", "concept_rows", "fit_tanh"]

Floats = NDArray[np.float64]

_SHAPE_TOLERANCE = 1e-3
# In probability: about the width of a line in a figure.
_CONCEPT_TOLERANCE = 0.05
# In logit: at most a sixteenth in probability, a quarter of what one nat of evidence moves.
_LINE_TOLERANCE = 0.25
_FEWEST = 5
# The straight line must carry at least as far as a budget of 0.1 nat does.
_REACH_NATS = 0.1


@dataclass(frozen=True)
class TanhFit:
    """A straight line through the logit of F_T, on the widest range where it stays close.

    Parameters
    ----------
    half : int
        The range is `half` grid points on each side of 0.
    reach : float
        Its end, in alpha.
    slope : float
        Of the logit, per unit alpha.
    explained : float
        Share of the logit's variance that the line explains there.
    """

    half: int
    reach: float
    slope: float
    explained: float


def fit_tanh(alphas: Floats, log_odds: Floats, tolerance: float = _LINE_TOLERANCE) -> TanhFit:
    """Widen a symmetric window around alpha = 0 while the line stays within `tolerance` of it.

    Parameters
    ----------
    alphas : numpy.ndarray
        Shape (A,), increasing and symmetric around an exact 0, A at least 5.
    log_odds : numpy.ndarray
        Shape (A,), logit F_T.
    """
    middle = alphas.size // 2
    best = TanhFit(0, 0.0, float("nan"), float("nan"))
    for half in range(_FEWEST // 2, middle + 1):
        x, y = (values[middle - half : middle + half + 1] for values in (alphas, log_odds))
        slope, offset = np.polyfit(x, y, 1)
        rest = y - slope * x - offset
        if np.abs(rest).max() > tolerance:
            break
        spread = float(y.var())
        share = 1 - float(rest.var()) / spread if spread > 0 else 1.0
        best = TanhFit(half, float(x[-1]), float(slope), share)
    return best


def concept_rows(survey: SiteSurvey) -> list[LawRow]:
    """F_T against the tilt by M_loc, and against a sigmoid with linear nu."""
    return [_tilted(survey), _linear(survey)]


def _tilted(survey: SiteSurvey) -> LawRow:
    limits, spent, turns = [], [], []
    for context in survey.contexts:
        f, g = expit(context.concept_measured), expit(context.concept_predicted)
        off = np.abs(f - g) > _CONCEPT_TOLERANCE
        limits.append(float(np.abs(survey.alphas[off]).min()) if off.any() else np.inf)
        spent.append(float(context.divergence_measured[off].min()) if off.any() else np.inf)
        turns.append(count_shapes(f[:, None], _SHAPE_TOLERANCE))
    rising = sum(t["rise"] for t in turns)
    return judged(
        survey.vector.metadata.site,
        "concept-tanh by M_loc",
        "F_T of the tilt",
        f"within {_CONCEPT_TOLERANCE:g} up to |alpha| = {min(limits):.3g}",
        _REACH_NATS / min(spent),
        f"leaves the prediction at KL {min(spent):.2g} nats at the earliest; holds if good to"
        f" {_REACH_NATS:g} nat; F_T rises throughout in {rising} of {len(turns)} contexts",
        len(turns),
    )


def _linear(survey: SiteSurvey) -> LawRow:
    middle = survey.alphas.size // 2
    fits = [fit_tanh(survey.alphas, c.concept_measured) for c in survey.contexts]
    slopes = [_slope_at_zero(survey.alphas, c.concept_predicted) for c in survey.contexts]
    spent = [
        float(context.divergence_measured[[middle - fit.half, middle + fit.half]].max())
        for context, fit in zip(survey.contexts, fits, strict=True)
    ]
    reach = [fit.reach for fit in fits]
    explained = [fit.explained for fit in fits]
    return judged(
        survey.vector.metadata.site,
        "concept-tanh, linear nu",
        f"logit F_T has slope {np.median(slopes):+.3g} at 0",
        f"fitted {np.median([fit.slope for fit in fits]):+.3g} up to |alpha| ="
        f" {min(reach):.3g} to {max(reach):.3g}",
        _REACH_NATS / max(min(spent), 1e-300),
        f"widest window in which a line stays within {_LINE_TOLERANCE:g} of the logit (it explains"
        f" {min(explained):.0%} to {max(explained):.0%} of its variance); it ends at KL"
        f" {min(spent):.2g} to {max(spent):.2g} nats, beyond which nu bends; holds if good to"
        f" {_REACH_NATS:g} nat",
        len(fits),
    )


def _slope_at_zero(alphas: Floats, log_odds: Floats) -> float:
    middle = alphas.size // 2
    return float(
        (log_odds[middle + 1] - log_odds[middle - 1]) / (alphas[middle + 1] - alphas[middle - 1])
    )
