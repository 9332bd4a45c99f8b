"""Wrong norms, wrong limits, wrong read-outs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from steering_strength.proofs_check.formulas import FORMULAS as RIGHT
from steering_strength.proofs_check.formulas import Floats
from steering_strength.proofs_check.instances import NormCase, ReadoutCase
from steering_strength.proofs_check.mutants.mutant import Mutant, mutant
from steering_strength.theory import NormedSteering, TiltedFamily

__all__ = ["MUTANTS"]


@dataclass(frozen=True)
class _Wrong:
    """A `NormedSteering` with other limits."""

    right: Any
    ends: dict[int, Floats]

    def output(self, alpha: Any) -> Floats:
        return np.asarray(self.right.output(alpha))

    def limit(self, sign: int) -> Floats:
        return self.ends[sign]


def _directly(case: NormCase, x: Floats, eps: float) -> Floats:
    _, _, gain, bias, _ = case.arrays()
    x = x - x.mean() if case.kind == "layer" else x
    with np.errstate(invalid="ignore"):
        return np.asarray(gain * x / np.sqrt(np.mean(x**2) + eps) + bias)


def eps_of_v(case: NormCase) -> _Wrong:
    """The limit is LN_eps(+-v), with the eps of the model."""
    v = np.array(case.v)
    return _Wrong(RIGHT.normed(case), {s: _directly(case, s * v, case.eps) for s in (-1, 1)})


def odd_limit(case: NormCase) -> _Wrong:
    """The limit at -inf is minus that at +inf: the bias changes sign."""
    end = RIGHT.normed(case).limit(1)
    return _Wrong(RIGHT.normed(case), {1: end, -1: -end})


def gainless(case: NormCase) -> _Wrong:
    """The gain is forgotten in the limit."""
    plain = RIGHT.normed(replace(case, gain=(1.0,) * len(case.h)))
    return _Wrong(RIGHT.normed(case), {s: plain.limit(s) for s in (-1, 1)})


def unit_length(case: NormCase) -> _Wrong:
    """v/|v| for v/rms(v): the factor sqrt(d) is missing."""
    right = RIGHT.normed(case)
    bias = np.array(case.bias)
    root = np.sqrt(len(case.h))
    return _Wrong(right, {s: (right.limit(s) - bias) / root + bias for s in (-1, 1)})


def without_centring(case: NormCase) -> NormedSteering:
    """LayerNorm without its centring."""
    return RIGHT.normed(replace(case, kind="rms"))


def always_centred(case: NormCase) -> NormedSteering:
    """RMSNorm with the centring of LayerNorm."""
    return RIGHT.normed(replace(case, kind="layer"))


def without_eps(case: NormCase) -> NormedSteering:
    """eps is ignored at finite alpha."""
    return RIGHT.normed(replace(case, eps=0.0))


def visible_constant(case: NormCase) -> _Wrong:
    """Where v vanishes under the norm the output still forgets h: LN(v) = bias."""
    bias = np.array(case.bias)
    return _Wrong(RIGHT.normed(case), {1: bias, -1: bias})


def quadratic_rate(case: NormCase) -> Floats:
    """The approach is of order 1/alpha^2: no 1/alpha term."""
    return np.zeros(len(case.h))


def whole_h(case: NormCase) -> Floats:
    """All of P h counts in the 1/alpha term, not only what is across v."""
    h, v, gain, _, _ = case.arrays()
    centre = 1.0 if case.kind == "layer" else 0.0
    Ph, Pv = h - centre * h.mean(), v - centre * v.mean()
    return np.asarray(gain * np.sqrt(len(h)) / np.linalg.norm(Pv) * Ph)


def rate_without_root(case: NormCase) -> Floats:
    """sqrt(d) is missing in the 1/alpha term."""
    return RIGHT.norm_rate(case) / np.sqrt(len(case.h))


def faster_bound(case: NormCase, alpha: float) -> float:
    """The distance to the limit falls like 1/alpha^2."""
    return RIGHT.norm_bound(case, alpha) / max(abs(alpha), 1.0)


def half_bound(case: NormCase, alpha: float) -> float:
    """|h|/(|alpha||v|) without 2 sqrt(d): the bound for unit vectors near the limit."""
    return RIGHT.norm_bound(case, alpha) / (2.0 * np.sqrt(len(case.h)))


def logits_without_eps(case: NormCase, alpha: float) -> Floats:
    """eps is left out of Q."""
    return RIGHT.last_block_logits(replace(case, eps=0.0), alpha)


def logits_without_bias(case: NormCase, alpha: float) -> Floats:
    """The norm's bias is not unembedded."""
    return RIGHT.last_block_logits(replace(case, bias=(0.0,) * len(case.h)), alpha)


def without_cross_term(case: NormCase, alpha: float) -> Floats:
    """Q = A alpha^2 + C: h and v taken as orthogonal."""
    h, v, gain, bias, W = case.arrays()
    centre = 1.0 if case.kind == "layer" else 0.0
    x, y = h - centre * h.mean(), v - centre * v.mean()
    Q = np.mean(y**2) * alpha**2 + np.mean(x**2) + case.eps
    return np.asarray(W @ (gain * (x + alpha * y)) / np.sqrt(Q) + W @ bias)


def fixed_norm(case: NormCase, alpha: float) -> Floats:
    """The norm's scalar is frozen at alpha = 0: logits linear in alpha, as without a norm."""
    h, v, gain, bias, W = case.arrays()
    centre = 1.0 if case.kind == "layer" else 0.0
    x, y = h - centre * h.mean(), v - centre * v.mean()
    size = np.sqrt(np.mean(x**2) + case.eps)
    return np.asarray(W @ (gain * (x + alpha * y)) / (size or 1.0) + W @ bias)


def mirrored_turn(case: NormCase) -> Floats:
    """The stationary point with the wrong sign."""
    return -RIGHT.last_block_turn(case)


def turn_of_norm(case: NormCase) -> Floats:
    """Every logit turns where the norm is smallest, at -B/A."""
    h, v, _, _, W = case.arrays()
    centre = 1.0 if case.kind == "layer" else 0.0
    x, y = h - centre * h.mean(), v - centre * v.mean()
    return np.full(len(W), -float(x @ y) / float(y @ y))


def _readout(case: ReadoutCase) -> tuple[Floats, Floats]:
    logits = np.array(case.states) @ np.array(case.W).T + np.array(case.bias)
    log_p = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    return logits, log_p


def equal_sizes(case: ReadoutCase) -> TiltedFamily:
    """Sums over P and N, both divided by |P|."""
    _, log_p = _readout(case)
    inside, outside = log_p[list(case.positive)], log_p[list(case.negative)]
    return TiltedFamily(log_p[case.context], (inside.sum(0) - outside.sum(0)) / len(inside))


def of_mean_probability(case: ReadoutCase) -> TiltedFamily:
    """The log-ratio of mean probabilities for the mean of log-ratios."""
    p = np.exp(_readout(case)[1])
    inside, outside = p[list(case.positive)].mean(0), p[list(case.negative)].mean(0)
    return TiltedFamily(_readout(case)[1][case.context], np.log(inside / outside))


def biased_direction(case: ReadoutCase) -> TiltedFamily:
    """The bias of the unembedding is added to the log-odds: W v + bias."""
    logits, log_p = _readout(case)
    shift = logits[list(case.positive)].mean(0) - logits[list(case.negative)].mean(0)
    return TiltedFamily(log_p[case.context], shift + np.array(case.bias))


def of_all_texts(case: ReadoutCase) -> TiltedFamily:
    """N is replaced by all texts, as in mean-centred steering vectors."""
    _, log_p = _readout(case)
    M = log_p[list(case.positive)].mean(axis=0) - log_p.mean(axis=0)
    return TiltedFamily(log_p[case.context], M)


def full_variance(log_p: Floats, slope: Floats) -> float:
    """Var for Var/2."""
    return 2.0 * RIGHT.local_divergence(log_p, slope)


def local_moment(log_p: Floats, slope: Floats) -> float:
    """The second moment of M_loc for its variance."""
    return float(0.5 * np.exp(log_p) @ slope**2)


def without_bend(log_p: Floats, labels: Floats, slope: Floats, bend: Floats) -> tuple[float, float]:
    """The curvature of Delta CE without the second derivative of the logits."""
    return RIGHT.local_cross_entropy(log_p, labels, slope, np.zeros_like(bend))


def calibrated(log_p: Floats, labels: Floats, slope: Floats, bend: Floats) -> tuple[float, float]:
    """No slope at 0, as for a perfectly trained model."""
    return 0.0, RIGHT.local_cross_entropy(log_p, labels, slope, bend)[1]


def variance_of_data(
    log_p: Floats, labels: Floats, slope: Floats, bend: Floats
) -> tuple[float, float]:
    """The variance of M_loc under the data, not under the model."""
    first, second = RIGHT.local_cross_entropy(log_p, labels, slope, bend)
    right = 2.0 * RIGHT.local_divergence(log_p, slope)
    return first, second - right + float(labels @ (slope - labels @ slope) ** 2)


MUTANTS: tuple[Mutant, ...] = (
    *(
        mutant("norm-limit", normed=wrong)
        for wrong in (
            eps_of_v,
            odd_limit,
            gainless,
            unit_length,
            without_centring,
            always_centred,
            without_eps,
        )
    ),
    mutant("norm-limit/invisible", normed=visible_constant),
    *(
        mutant("norm-limit", norm_rate=wrong)
        for wrong in (quadratic_rate, whole_h, rate_without_root)
    ),
    *(mutant("norm-limit", norm_bound=wrong) for wrong in (faster_bound, half_bound)),
    *(
        mutant("last-block", last_block_logits=wrong)
        for wrong in (logits_without_eps, logits_without_bias, without_cross_term, fixed_norm)
    ),
    *(mutant("last-block", last_block_turn=wrong) for wrong in (mirrored_turn, turn_of_norm)),
    *(
        mutant("final-norm", readout_family=wrong)
        for wrong in (equal_sizes, of_mean_probability, biased_direction, of_all_texts)
    ),
    *(mutant("local", local_divergence=wrong) for wrong in (full_variance, local_moment)),
    *(
        mutant("local", local_cross_entropy=wrong)
        for wrong in (without_bend, calibrated, variance_of_data)
    ),
)
