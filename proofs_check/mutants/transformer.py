"""Wrong norms, wrong limits, wrong read-outs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.mutants.mutant import RIGHT, Mutant, mutant
from steering_strength.theory import NormedSteering, TiltedFamily
from steering_strength.theory.engine import LastBlock

__all__ = ["MUTANTS"]

Floats = NDArray[np.float64]


def _directly(norm: NormedSteering, x: Floats, eps: float) -> Floats:
    x = x - x.mean() if norm.kind == "layer" else x
    with np.errstate(invalid="ignore"):
        return np.asarray(norm._gain * x / np.sqrt(np.mean(x**2) + eps) + norm._bias)


def eps_of_v(norm: NormedSteering, sign: int) -> Floats:
    """The limit is LN_eps(+-v), with the eps of the model."""
    return _directly(norm, sign * norm.v, norm.eps)


def odd_limit(norm: NormedSteering, sign: int) -> Floats:
    """The limit at -inf is minus that at +inf: the bias changes sign."""
    return np.asarray(sign * RIGHT.norm_limit(norm, 1))


def gainless(norm: NormedSteering, sign: int) -> Floats:
    """The gain is forgotten in the limit."""
    return np.asarray(RIGHT.norm_limit(replace(norm, gain=np.ones_like(norm.h)), sign))


def unit_length(norm: NormedSteering, sign: int) -> Floats:
    """v/|v| for v/rms(v): the factor sqrt(d) is missing."""
    limit = RIGHT.norm_limit(norm, sign)
    return np.asarray((limit - norm._bias) / np.sqrt(norm.h.size) + norm._bias)


def visible_constant(norm: NormedSteering, sign: int) -> Floats:
    """Where v vanishes under the norm the output still forgets h: LN(v) = bias."""
    return np.asarray(norm._bias)


def without_centring(kind: str, vector: Floats) -> Floats:
    """LayerNorm without its centring."""
    return np.asarray(RIGHT.norm_projection("rms", vector))


def always_centred(kind: str, vector: Floats) -> Floats:
    """RMSNorm with the centring of LayerNorm."""
    return np.asarray(RIGHT.norm_projection("layer", vector))


def without_eps(norm: NormedSteering, alpha: Any) -> Floats:
    """eps is ignored at finite alpha."""
    return np.asarray(RIGHT.norm_output(replace(norm, eps=0.0), alpha))


def quadratic_rate(norm: NormedSteering) -> Floats:
    """The approach is of order 1/alpha^2: no 1/alpha term."""
    return np.zeros(norm.h.size)


def whole_h(norm: NormedSteering) -> Floats:
    """All of P h counts in the 1/alpha term, not only what is across v."""
    size = np.sqrt(norm.h.size) / np.linalg.norm(norm._direction)
    return np.asarray(norm._gain * size * norm._residual)


def rate_without_root(norm: NormedSteering) -> Floats:
    """sqrt(d) is missing in the 1/alpha term."""
    return np.asarray(RIGHT.norm_rate(norm) / np.sqrt(norm.h.size))


def faster_bound(norm: NormedSteering, alpha: Any) -> Floats:
    """The distance to the limit falls like 1/alpha^2."""
    return np.asarray(RIGHT.norm_bound(norm, alpha) / np.maximum(np.abs(alpha), 1.0))


def half_bound(norm: NormedSteering, alpha: Any) -> Floats:
    """|h|/(|alpha||v|) without 2 sqrt(d): the bound for unit vectors near the limit."""
    return np.asarray(RIGHT.norm_bound(norm, alpha) / (2.0 * np.sqrt(norm.h.size)))


def logits_without_eps(norm: NormedSteering, W: Any, bias: Any = None) -> LastBlock:
    """eps is left out of Q."""
    block: LastBlock = RIGHT.last_block(norm, W, bias)
    return replace(block, C=block.C - norm.eps)


def logits_without_bias(norm: NormedSteering, W: Any, bias: Any = None) -> LastBlock:
    """The norm's bias is not unembedded."""
    return replace(RIGHT.last_block(norm, W, bias), offset=None)


def without_cross_term(block: LastBlock, alpha: Any) -> Floats:
    """Q = A alpha^2 + C: h and v taken as orthogonal."""
    return np.asarray(RIGHT.last_block_logits(replace(block, B=0.0), alpha))


def fixed_norm(block: LastBlock, alpha: Any) -> Floats:
    """The norm's scalar is frozen at alpha = 0: logits linear in alpha, as without a norm."""
    linear = block.a + np.multiply.outer(np.asarray(alpha), block.b)
    return np.asarray(linear / (np.sqrt(block.C) or 1.0) + block._offset)


def mirrored_turn(block: LastBlock) -> Floats:
    """The stationary point with the wrong sign."""
    return np.asarray(-RIGHT.last_block_turn(block))


def turn_of_norm(block: LastBlock) -> Floats:
    """Every logit turns where the norm is smallest, at -B/A."""
    return np.full(block.size, -block.B / block.A)


def _normalised(*tables: Any) -> list[Floats]:
    return [t - np.logaddexp.reduce(t, axis=-1, keepdims=True) for t in map(np.asarray, tables)]


def equal_sizes(logits: Floats, positive: Floats, negative: Floats) -> TiltedFamily:
    """Sums over P and N, both divided by |P|."""
    log_p, inside, outside = _normalised(logits, positive, negative)
    return TiltedFamily(log_p, (inside.sum(0) - outside.sum(0)) / len(inside))


def of_mean_probability(logits: Floats, positive: Floats, negative: Floats) -> TiltedFamily:
    """The log-ratio of mean probabilities for the mean of log-ratios."""
    log_p, inside, outside = _normalised(logits, positive, negative)
    return TiltedFamily(log_p, np.log(np.exp(inside).mean(0) / np.exp(outside).mean(0)))


def negatives_twice(logits: Floats, positive: Floats, negative: Floats) -> TiltedFamily:
    """N is taken off twice."""
    log_p, inside, outside = _normalised(logits, positive, negative)
    return TiltedFamily(log_p, inside.mean(0) - 2.0 * outside.mean(0))


def of_all_texts(logits: Floats, positive: Floats, negative: Floats) -> TiltedFamily:
    """N is replaced by all texts, as in mean-centred steering vectors."""
    log_p, inside, outside = _normalised(logits, positive, negative)
    return TiltedFamily(log_p, inside.mean(0) - np.concatenate((inside, outside)).mean(0))


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
        mutant("norm-limit", norm_limit=wrong)
        for wrong in (eps_of_v, odd_limit, gainless, unit_length)
    ),
    mutant("norm-limit", norm_projection=without_centring),
    mutant("norm-limit", norm_projection=always_centred),
    mutant("norm-limit", norm_output=without_eps),
    mutant("norm-limit/invisible", norm_limit=visible_constant),
    *(
        mutant("norm-limit", norm_rate=wrong)
        for wrong in (quadratic_rate, whole_h, rate_without_root)
    ),
    *(mutant("norm-limit", norm_bound=wrong) for wrong in (faster_bound, half_bound)),
    mutant("last-block", last_block=logits_without_eps),
    mutant("last-block", last_block=logits_without_bias),
    mutant("last-block", last_block_logits=without_cross_term),
    mutant("last-block", last_block_logits=fixed_norm),
    *(mutant("last-block", last_block_turn=wrong) for wrong in (mirrored_turn, turn_of_norm)),
    *(
        mutant("final-norm", readout_family=wrong)
        for wrong in (equal_sizes, of_mean_probability, negatives_twice, of_all_texts)
    ),
    *(mutant("local", local_divergence=wrong) for wrong in (full_variance, local_moment)),
    *(
        mutant("local", local_cross_entropy=wrong)
        for wrong in (without_bend, calibrated, variance_of_data)
    ),
)
