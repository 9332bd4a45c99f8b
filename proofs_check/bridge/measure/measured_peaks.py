"""The peak of a token's measured probability, located by evaluations of the model alone.

The grid brackets a maximum; three-point parabolas on shrinking stencils follow it; the last step
is one Newton step on seven-point differences. The law is not used: its prediction is compared
with the result afterwards. Each number comes with its own uncertainty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq

from steering_strength.proofs_check.bridge.errors import SelfCheckError
from steering_strength.proofs_check.bridge.measure.final_norm import FinalNormSweep
from steering_strength.proofs_check.bridge.progress import Progress, silent
from steering_strength.proofs_check.bridge.steering.setting import Setting
from steering_strength.theory import TiltedFamily

__all__ = ["MeasuredPeak", "locate", "locate_peaks", "predict"]


@dataclass(frozen=True)
class MeasuredPeak:
    """One token's maximum along alpha.

    Parameters
    ----------
    context, token : int
    bracket : tuple of float
        Two alphas between which the measured slope changes from positive to negative.
    alpha : float
        Measured location; nan if no sign change was bracketed.
    uncertainty : float
        Of `alpha`: what the difference formulas of fourth and sixth order disagree by, the
        remainder of the Newton step, and the rounding of a log-probability over the curvature.
    log_height : float
        Measured log p there.
    predicted_alpha, predicted_log_height : float
        From K'(alpha) = M(z).
    """

    context: int
    token: int
    bracket: tuple[float, float]
    alpha: float
    uncertainty: float
    log_height: float
    predicted_alpha: float
    predicted_log_height: float

    @property
    def agrees(self) -> bool:
        """Whether the prediction lies within the measurement's uncertainty."""
        return bool(abs(self.alpha - self.predicted_alpha) <= self.uncertainty)


def locate(
    height: Callable[[float], float], left: float, middle: float, right: float, noise: float
) -> tuple[tuple[float, float], float, float, float]:
    """(bracket, alpha, uncertainty, height) of the maximum of `height` between left and right.

    `middle` must be higher than both ends; `noise` is the rounding error of `height`.
    nan where the final stencil does not bracket a sign change of the slope.
    """
    step = 0.5 * (right - left)
    centre = middle + _vertex(height(left), height(middle), height(right), step)
    for _ in range(2):
        step /= 8
        move = _vertex(height(centre - step), height(centre), height(centre + step), step)
        # At most one stencil per stage: an inflection nearby must not throw the search away.
        centre += float(np.clip(move, -8 * step, 8 * step))
        centre = float(np.clip(centre, left, right))
    f = {i: height(centre + i * step) for i in range(-3, 4)}
    odd = [f[i] - f[-i] for i in (1, 2, 3)]
    even = [f[i] + f[-i] - 2 * f[0] for i in (1, 2, 3)]
    slope, bend = _differences(odd, even, step, sixth=True)
    coarse_slope, coarse_bend = _differences(odd, even, step, sixth=False)
    bracket = (centre - step, centre + step)
    if not (f[0] > f[-1] + noise and f[0] > f[1] + noise and bend < 0):
        return bracket, float("nan"), float("nan"), f[0]
    move = -slope / bend
    third = (odd[1] - 2 * odd[0]) / (2 * step**3)
    uncertainty = (
        abs(coarse_slope / coarse_bend + move)
        + abs(0.5 * third / bend) * move * move
        + 2 * noise / (step * abs(bend))
    )
    return bracket, centre + move, uncertainty, f[0] + 0.5 * slope * move


def _differences(
    odd: list[float], even: list[float], step: float, *, sixth: bool
) -> tuple[float, float]:
    """First and second derivative by central differences of order six or four.

    `odd[i]` and `even[i]` are f(x + h) -+ f(x - h) (minus 2 f(x)) at h = (i + 1) step.
    """
    if sixth:
        slope = (45 * odd[0] - 9 * odd[1] + odd[2]) / 60
        bend = (270 * even[0] - 27 * even[1] + 2 * even[2]) / 180
    else:
        slope = (8 * odd[0] - odd[1]) / 12
        bend = (16 * even[0] - even[1]) / 12
    return slope / step, bend / (step * step)


def _vertex(low: float, mid: float, high: float, step: float) -> float:
    """Offset of the vertex of the parabola through values at -step, 0, step."""
    bend = low - 2 * mid + high
    return 0.0 if bend >= 0 else 0.5 * step * (low - high) / bend


def predict(family: TiltedFamily, token: int) -> float:
    """The root of K'(alpha) = M(z) for one token; +-inf at the extremes of M.

    `TiltedFamily.peaks` answers for the whole vocabulary; a handful of tokens need a handful of
    scalar roots.
    """
    level = float(family.log_odds[token])
    if level in (family.log_odds.min(), family.log_odds.max()):
        return float(np.copysign(np.inf, level - float(family.mean(0.0))))

    def excess(alpha: float) -> float:
        return float(family.mean(alpha)) - level

    sign = -1.0 if excess(0.0) > 0 else 1.0
    reach = 1.0
    while sign * excess(sign * reach) < 0:
        reach *= 2
    low, high = sorted((0.0, sign * reach))
    return float(brentq(excess, low, high, xtol=1e-14, rtol=1e-14))


def locate_peaks(
    setting: Setting,
    curves: FinalNormSweep,
    context: int,
    *,
    progress: Progress = silent,
) -> tuple[MeasuredPeak, ...]:
    """Measured and predicted peaks of the tracked tokens of one context that peak on the grid.

    Raises
    ------
    SelfCheckError
        The model's unembedding, applied to the steered state, disagrees with its forward pass.
    """
    base = setting.baseline.log_p[context]
    family = TiltedFamily(base, setting.log_odds)
    noise = setting.rounding(float(np.abs(curves.alphas).max()))
    measured_at = _Readout(setting, context, curves.tokens[context])
    _verify(measured_at, curves, context, noise)
    found = []
    for column, token in enumerate(curves.tokens[context]):
        track = curves.measured[:, context, column]
        top = int(track.argmax())
        if top in (0, len(track) - 1):
            continue
        left, middle, right = (float(curves.alphas[top + i]) for i in (-1, 0, 1))

        def height_at(alpha: float, column: int = column) -> float:
            return float(measured_at(alpha)[column])

        bracket, alpha, uncertainty, height = locate(height_at, left, middle, right, noise)
        predicted = predict(family, int(token))
        # An infinite prediction has no point at which a height could be compared.
        at = predicted if np.isfinite(predicted) else middle
        log_height = float(family.log_probability(at)[token])
        found.append(
            MeasuredPeak(
                context, int(token), bracket, alpha, uncertainty, height, predicted, log_height
            )
        )
        progress(f"peak of {setting.token_text(token)} located")
    return tuple(found)


class _Readout:
    """Log-probabilities of some tokens of one context: the model's unembedding of h + alpha v.

    Below the site nothing depends on alpha, so the state is taken from the unsteered pass and
    only the last matrix product is repeated. No closed form in here.
    """

    def __init__(self, setting: Setting, context: int, tokens: NDArray[np.int64]) -> None:
        self._setting = setting
        self._state = setting.baseline.states[context]
        self._tokens = tokens
        self._seen: dict[float, NDArray[np.float64]] = {}

    def __call__(self, alpha: float) -> NDArray[np.float64]:
        if alpha not in self._seen:
            anatomy = self._setting.anatomy
            with torch.no_grad():
                steered = self._state + alpha * self._setting.vector
                logits = anatomy.unembedding(steered[None]) * anatomy.logit_scale
            log_p = torch.log_softmax(logits[0].to(torch.float64), dim=-1).numpy()
            self._seen[alpha] = log_p[self._tokens]
        return self._seen[alpha]


def _verify(readout: _Readout, curves: FinalNormSweep, context: int, noise: float) -> None:
    for row in (0, -1):
        error = float(
            np.abs(readout(float(curves.alphas[row])) - curves.measured[row, context]).max()
        )
        if not error <= noise:
            raise SelfCheckError(
                f"unembedding of the steered state and hooked pass differ by {error:.3g} nats"
                f" at alpha = {curves.alphas[row]:g}, at most {noise:.1g} is rounding",
                remedy="another module acts between the final norm and the logits",
            )
