"""Wrong norms, wrong limits, wrong read-outs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check import check_transformer
from steering_strength.proofs_check.mutants.mutant import Mutant, wrong
from steering_strength.theory import TiltedFamily
from steering_strength.theory.engine import LastBlock, transformer

Floats = NDArray[np.float64]


def _eps_of_v(_: Any, norm: Any, sign: int) -> Floats:
    x = sign * norm.v
    x = x - x.mean() if norm.kind == "layer" else x
    return norm.gain * x / np.sqrt(np.mean(x**2) + norm.eps) + norm.bias


def _fixed_norm(_: Any, block: LastBlock, alpha: Any) -> Floats:
    linear = block.a + np.multiply.outer(np.asarray(alpha), block.b)
    return np.asarray(linear / (np.sqrt(block.C) or 1.0) + block.offset)


def _read(log_odds: Callable[[Floats, Floats], Floats]) -> Callable[..., TiltedFamily]:
    """A read-out with other log-odds, from the log-probabilities of P and N."""

    def formula(_: Any, *logits: Floats) -> TiltedFamily:
        log_p, inside, outside = (
            table - np.logaddexp.reduce(table, axis=-1, keepdims=True)
            for table in map(np.asarray, logits)
        )
        return TiltedFamily(log_p, log_odds(inside, outside))

    return formula


def _variance_of_data(
    right: Any, log_p: Floats, labels: Floats, slope: Floats, bend: Floats
) -> tuple[float, float]:
    first, second = right(log_p, labels, slope, bend)
    of_the_model = 2.0 * transformer.local_divergence(log_p, slope)
    return first, second - of_the_model + float(labels @ (slope - labels @ slope) ** 2)


# fmt: off
MUTANTS: tuple[Mutant, ...] = (
    *wrong(check_transformer.norm_limit, "NormedSteering.limit", {
        "eps-of-v: LN_eps(+-v), with the eps of the model":
            _eps_of_v,
        "odd-limit: the limit at -inf is minus that at +inf, the bias changes sign":
            lambda right, norm, sign: sign * right(norm, 1),
        "gainless: the gain is forgotten":
            lambda right, norm, sign: right(replace(norm, gain=np.ones_like(norm.h)), sign),
        "unit-length: v/|v| for v/rms(v), the factor sqrt(d) is missing":
            lambda right, norm, sign:
            (right(norm, sign) - norm.bias) / np.sqrt(norm.h.size) + norm.bias,
    }),
    *wrong(check_transformer.norm_limit, (transformer, "_projected"), {
        "without-centring: LayerNorm without its centring":
            lambda right, kind, vector: right("rms", vector),
        "always-centred: RMSNorm with the centring of LayerNorm":
            lambda right, kind, vector: right("layer", vector),
    }),
    *wrong(check_transformer.norm_limit, "NormedSteering.output", {
        "without-eps: eps is ignored at finite alpha":
            lambda right, norm, alpha: right(replace(norm, eps=0.0), alpha),
    }),
    *wrong(check_transformer.invisible, "NormedSteering.limit", {
        "visible-constant: where v vanishes under the norm the output forgets h, LN(v) = bias":
            lambda _, norm, sign: norm.bias,
    }),
    *wrong(check_transformer.norm_limit, "NormedSteering.rate", {
        "quadratic-rate: the approach is of order 1/alpha^2, no 1/alpha term":
            lambda _, norm: np.zeros(norm.h.size),
        "whole-h: all of P h counts in the 1/alpha term, not only what is across v":
            lambda _, norm: norm.gain * norm._residual
            * (np.sqrt(norm.h.size) / np.linalg.norm(norm._direction)),
        "rate-without-root: sqrt(d) is missing in the 1/alpha term":
            lambda right, norm: right(norm) / np.sqrt(norm.h.size),
    }),
    *wrong(check_transformer.norm_limit, "NormedSteering.bound", {
        "faster-bound: the distance to the limit falls like 1/alpha^2":
            lambda right, norm, alpha: right(norm, alpha) / np.maximum(np.abs(alpha), 1.0),
        "half-bound: |h|/(|alpha||v|) without 2 sqrt(d), as for unit vectors near the limit":
            lambda right, norm, alpha: right(norm, alpha) / (2.0 * np.sqrt(norm.h.size)),
    }),
    *wrong(check_transformer.last_block, "NormedSteering.last_block", {
        "logits-without-eps: eps is left out of Q":
            lambda right, norm, W, bias=None:
            replace(right(norm, W, bias), C=right(norm, W, bias).C - norm.eps),
        "logits-without-bias: the norm's bias is not unembedded":
            lambda right, norm, W, bias=None: replace(right(norm, W, bias), offset=None),
    }),
    *wrong(check_transformer.last_block, "LastBlock.logits", {
        "without-cross-term: Q = A alpha^2 + C, h and v taken as orthogonal":
            lambda right, block, alpha: right(replace(block, B=0.0), alpha),
        "fixed-norm: the norm's scalar is frozen at alpha = 0, logits linear in alpha":
            _fixed_norm,
    }),
    *wrong(check_transformer.last_block, "LastBlock.stationary", {
        "mirrored-turn: the stationary point with the wrong sign":
            lambda right, block: -right(block),
        "turn-of-norm: every logit turns where the norm is smallest, at -B/A":
            lambda _, block: np.full(block.size, -block.B / block.A),
    }),
    *wrong(check_transformer.final_norm, "readout_family", {
        "equal-sizes: sums over P and N, both divided by |P|":
            _read(lambda P, N: (P.sum(0) - N.sum(0)) / len(P)),
        "of-mean-probability: the log-ratio of mean probabilities for the mean of log-ratios":
            _read(lambda P, N: np.log(np.exp(P).mean(0) / np.exp(N).mean(0))),
        "negatives-twice: N is taken off twice":
            _read(lambda P, N: P.mean(0) - 2.0 * N.mean(0)),
        "of-all-texts: all texts for N, as in mean-centred steering vectors":
            _read(lambda P, N: P.mean(0) - np.concatenate((P, N)).mean(0)),
    }),
    *wrong(check_transformer.local, "local_divergence", {
        "full-variance: Var for Var/2":
            lambda right, log_p, slope: 2.0 * right(log_p, slope),
        "local-moment: the second moment of M_loc for its variance":
            lambda _, log_p, slope: float(0.5 * np.exp(log_p) @ slope**2),
    }),
    *wrong(check_transformer.local, "local_cross_entropy", {
        "without-bend: the curvature of Delta CE without the second derivative of the logits":
            lambda right, log_p, labels, slope, bend: right(log_p, labels, slope, 0.0 * bend),
        "calibrated: no slope at 0, as for a perfectly trained model":
            lambda right, *arguments: (0.0, right(*arguments)[1]),
        "variance-of-data: the variance of M_loc under the data, not under the model":
            _variance_of_data,
    }),
)
