"""Wrong peaks, wrong limits, wrong claims of monotony."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check import check_peaks
from steering_strength.proofs_check.mutants.mutant import Mutant, wrong
from steering_strength.theory import ConceptDataset, TiltedFamily

Floats = NDArray[np.float64]


def _one_for_all(right: Any, family: TiltedFamily) -> Floats:
    peaks = right(family)
    inner = np.isfinite(peaks)
    return np.where(inner, np.median(peaks[inner]) if inner.any() else 0.0, peaks)


def _ends(family: TiltedFamily) -> tuple[float, float]:
    return float(family.log_odds.min()), float(family.log_odds.max())


def _reversed_divergence(_: Any, data: ConceptDataset, context: int, P: Any, N: Any) -> float:
    p, log_p = data.probabilities, np.log(data.probabilities)
    near, far = (np.mean([p[i] @ (log_p[i] - log_p[context]) for i in s]) for s in (P, N))
    return float(far - near)


def _ignoring_own(right: Any, *weights: Any, own: int, negative_share: Any, **rest: Any) -> float:
    share = np.array(negative_share, dtype=np.float64)
    share[own] = 0.0
    share = share / share.sum() if share.any() else np.asarray(negative_share)
    return float(right(*weights, own=own, negative_share=share, **rest))


def _among(family: TiltedFamily, M: Floats, tolerance: float = 0.0) -> Floats:
    """log p restricted to the tokens at the top of M; nothing where none of them has support."""
    kept = np.where(M.max() - tolerance <= M, family.log_p, -np.inf)
    return np.where(kept > -np.inf, kept - np.logaddexp.reduce(kept), -np.inf)


def _without_share(right: Any, family: TiltedFamily, alpha: Any) -> Floats:
    distance = right(family, alpha)
    end = family.limit(1 if alpha > 0 else -1)
    kept = np.exp(family.log_p)[np.isfinite(end)].sum()
    return np.asarray(np.where(distance < 1.0, distance / (1.0 - distance) * kept, distance))


# fmt: off
MUTANTS: tuple[Mutant, ...] = (
    *wrong(check_peaks.peak, "TiltedFamily.peaks", {
        "negated: the sign of the peaks is reversed":
            lambda right, family: -right(family),
        "linearised: one Newton step from 0, (M - E[M]) / Var[M], the ends left at infinity":
            lambda right, family: np.where(
                np.isfinite(right(family)),
                (family.log_odds - family.mean(0.0)) / family.variance(0.0), right(family)),
        "with-tie-tolerance: tokens within 1e-9 of an extreme of M count as extreme":
            lambda right, family: np.select(
                [family.log_odds <= _ends(family)[0] + 1e-9,
                 family.log_odds >= _ends(family)[1] - 1e-9], [-np.inf, np.inf], right(family)),
        "finite-ends: extreme tokens peak at +-1000, the end of some grid":
            lambda right, family: np.clip(right(family), -1000.0, 1000.0),
        "on-a-grid: peaks rounded to a grid of 1/100":
            lambda right, family: np.round(right(family), 2),
        "by-probability: tied tokens peak apart, by their probability":
            lambda right, family: right(family) * (1.0 + 1e-6 * np.exp(family.log_p)),
        "one-for-all: one peak for all bumping tokens, that of the median":
            _one_for_all,
    }),
    *wrong(check_peaks.peak_order, "TiltedFamily.peaks", {
        "in-reverse-order: the peak of the k-th largest M goes to the k-th smallest":
            lambda right, family: right(TiltedFamily(family.log_p, -family.log_odds)),
    }),
    *wrong(check_peaks.peak, "TiltedFamily.peak_log_probability", {
        "minus-legendre: p exp(-K*(M)), the sign of the Legendre transform":
            lambda right, family: 2.0 * family.log_p - right(family),
        "unsteered-height: the peak is no higher than p":
            lambda _, family: family.log_p.copy(),
        "height-one: at its peak a token has probability 1":
            lambda _, family: np.zeros_like(family.log_p),
    }),
    *wrong(check_peaks.peak, "two_level_peak", {
        "exchanged: the two distances exchanged":
            lambda right, below, above, down, up: right(below, above, up, down),
        "masses-only: log(P_-/P_+)/(s + t), the distances left out of the logarithm":
            lambda _, below, above, down, up: float(np.log(below / above)) / (up + down),
        "over-larger: divided by the larger distance instead of their sum":
            lambda right, below, above, down, up:
            right(below, above, down, up) * (up + down) / max(up, down),
    }),
    *wrong(check_peaks.monotone, "TiltedFamily.rising", {
        "first-of-ties: of the tokens tied at max M only the first rises":
            lambda right, family:
            right(family) & (np.arange(family.size) == np.argmax(family.log_odds)),
        "all-positive: every token with M > 0 rises for ever":
            lambda _, family: family.log_odds > 0,
        "even-if-constant: tokens at max M rise, also where M is constant":
            lambda _, family: family.log_odds == family.log_odds.max(),
    }),
    *wrong(check_peaks.monotone, "TiltedFamily.falling", {
        "near-ties-too: tokens within 1e-9 of min M fall for ever":
            lambda _, family: (family.log_odds.min() + 1e-9 >= family.log_odds)
            & bool(np.ptp(family.log_odds)),
        "below-mean: every token below E[M] falls for ever":
            lambda _, family: family.log_odds < family.mean(0.0),
    }),
    *wrong(check_peaks.peak_sign, "TiltedFamily.peak_signs", {
        "sign-of-log-odds: a peak is at positive alpha iff M > 0":
            lambda _, family: np.sign(family.log_odds),
        "against-flat-mean: iff M exceeds the unweighted mean of M":
            lambda _, family: np.sign(family.log_odds - family.log_odds.mean()),
        "against-middle: iff M is in the upper half of its range":
            lambda _, family: np.sign(2.0 * family.log_odds - np.add(*_ends(family))),
    }),
    *wrong(check_peaks.peak_sign, "ConceptDataset.closeness", {
        "reversed-divergence: KL(p_i || p_j) for KL(p_j || p_i)":
            _reversed_divergence,
        "farther-to-positive: P and N exchanged in the mean of M":
            lambda right, data, context, P, N: -right(data, context, P, N),
    }),
    *wrong(check_peaks.peak_sign_interval, "weighted_margin", {
        "ignoring-own-concept: no negative context counts as one of the concept of c_j":
            _ignoring_own,
        "unweighted-lambda: gamma and omega exchanged in the divergences":
            lambda right, *, gamma, omega, **rest: float(right(gamma=omega, omega=gamma, **rest)),
    }),
    *wrong(check_peaks.limit, "TiltedFamily.limit", {
        "uniform-among-ties: ties share uniformly, not in proportion to p":
            lambda right, family, sign:
            np.where(np.isfinite(end := right(family, sign)), -np.log(np.isfinite(end).sum()), end),
        "winner-takes-all: the most probable of the tied tokens takes everything":
            lambda right, family, sign:
            np.where(np.arange(family.size) == np.argmax(right(family, sign)), 0.0, -np.inf),
        "with-limit-tolerance: near-ties within 1e-9 count as ties":
            lambda _, family, sign: _among(
                family, np.where(np.isfinite(family.log_p), sign * family.log_odds, -np.inf), 1e-9),
        "one-ended: the limit at -inf is that at +inf":
            lambda right, family, sign: right(family, 1),
        "ignoring-support: a token without support holds the extreme of M, nothing is left of p":
            lambda _, family, sign: _among(family, sign * family.log_odds),
    }),
    *wrong(check_peaks.limit, "TiltedFamily.limit_distance", {
        "without-share: total variation R instead of R/(P_A + R)":
            _without_share,
        "algebraic: the distance falls like 1/|alpha|, as it does under a norm":
            lambda right, family, alpha: right(family, np.where(np.asarray(alpha) > 0, 1.0, -1.0))
            / np.maximum(np.abs(alpha), 1.0),
    }),
)
