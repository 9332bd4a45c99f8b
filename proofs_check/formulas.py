"""What is on trial: every closed form that a check compares with the oracle.

`FORMULAS` holds the project's own: the methods of the engine and the model where they exist, and
else the statement of the law in a few lines of NumPy. A mutant replaces one field by a wrong
formula (`proofs_check.mutants`), and the checks must notice. Shapes and units are those of
`theory`; `family` is a `TiltedFamily`, `data` a `ConceptDataset`, `tokens` a tuple of indices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import factorial, log
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.instances import NormCase, ReadoutCase, WeightedCase
from steering_strength.theory import LAWS, ConceptDataset, NormedSteering, TiltedFamily

if TYPE_CHECKING:
    from steering_strength.theory.laws.law import Law

__all__ = ["FORMULAS", "Floats", "Formulas", "Tokens", "restricted"]

Floats = NDArray[np.float64]
Tokens = Sequence[int]


def law(name: str) -> Law:
    """The symbolic law."""
    return LAWS[name]


def restricted(family: TiltedFamily, tokens: Tokens) -> TiltedFamily:
    """The family conditional on a set of tokens: p restricted and normalised, the same M."""
    log_p = family.log_p[list(tokens)]
    top = log_p.max()
    with np.errstate(under="ignore"):
        total = top + np.log(np.exp(log_p - top).sum())
    return TiltedFamily(log_p - total, family.log_odds[list(tokens)])


def others(family: TiltedFamily, tokens: Tokens) -> list[int]:
    """The tokens outside `tokens`."""
    return [z for z in range(len(family.log_p)) if z not in tokens]


# Section 1: tilting ---------------------------------------------------------------------------


def shifted_logits(
    logits: Floats, positive: Tokens, negative: Tokens, context: int, alpha: float
) -> Floats:
    """Lemma B.2: l_j + (alpha/q)(sum_P l_i - sum_N l_i); `logits` is (m, V), the result (V,)."""
    direction = logits[list(positive)].mean(axis=0) - logits[list(negative)].mean(axis=0)
    result: Floats = logits[context] + alpha * direction
    return result


def separated_log_odds(log_ratio: Floats, in_target: NDArray[np.bool_], share: Floats) -> Floats:
    """Lemma B.4: log(a/b) in T, -(q_z/q) log(a/b) outside; `share` is q_z/q. All (V,)."""
    return np.where(in_target, log_ratio, -share * log_ratio)


def slope(family: TiltedFamily, alpha: float) -> Floats:
    """Lemma B.5: p_alpha(z) (M(z) - E_alpha[M])."""
    with np.errstate(under="ignore"):
        result: Floats = np.exp(family.log_probability(alpha)) * (
            family.log_odds - family.mean(alpha)
        )
    return result


# Section 2: next-token probability ------------------------------------------------------------


def two_value_peak(p_minus: float, p_plus: float, s: float, t: float) -> float:
    """The peak where the others take two values M(z) + s and M(z) - t: Thm 3.3 made explicit."""
    return log(p_minus * t / (p_plus * s)) / (s + t)


def rises_forever(family: TiltedFamily) -> NDArray[np.bool_]:
    """The tokens that increase at every alpha (Thm 3.3); nothing moves where M is constant."""
    top = family.log_odds == family.log_odds.max()
    rising: NDArray[np.bool_] = top & ~top.all()
    return rising


def falls_forever(family: TiltedFamily) -> NDArray[np.bool_]:
    """The tokens that decrease at every alpha (Thm 3.3)."""
    bottom = family.log_odds == family.log_odds.min()
    falling: NDArray[np.bool_] = bottom & ~bottom.all()
    return falling


def peak_signs(family: TiltedFamily) -> Floats:
    """Remark 3.4 for every dataset: the sign of the peak is that of M(z) - E_p[M]. (V,)."""
    return np.sign(family.log_odds - family.mean(0.0))


def closeness(data: ConceptDataset, context: int, positive: Tokens, negative: Tokens) -> float:
    """E_{p_j}[M] = mean over N of KL(p_j || p_i) minus the same over P."""
    log_p = np.log(data.probabilities)
    p = data.probabilities[context]

    def distance(contexts: Tokens) -> float:
        return float(np.mean([p @ (log_p[context] - log_p[i]) for i in contexts]))

    return distance(negative) - distance(positive)


def weighted_margin(case: WeightedCase) -> tuple[float, float]:
    """min_T M - E_p[M] in the weighted family as a function of eps, and the size of its terms.

    L(e)[1 + Q_D - Q_D e G/(G-1)] + min_T lambda + e/(G-1)(kappa_T - sum_{C != T,D} Q_C kappa_C)
    + Q_D (1-e) delta_D, with L(e) = log((1-e)(G-1)/e), lambda = log(gamma/omega), kappa_C =
    KL(omega_C || gamma_C), delta_D = KL(gamma_D || omega_D). Its root is eps*.
    """
    concept = np.array(case.token_concept)
    gamma, omega = (np.array([float(x) for x in w]) for w in (case.gamma, case.omega))
    G, e = case.concepts, float(case.epsilon)
    share = [case.negatives.count(c) / len(case.negatives) for c in range(G)]
    ratio = np.log(gamma / omega)
    kappa = [-float(omega[concept == c] @ ratio[concept == c]) for c in range(G)]
    own = share[case.own]
    delta = float(gamma[concept == case.own] @ ratio[concept == case.own])
    level = log((1.0 - e) * (G - 1) / e)
    far = kappa[case.target] - sum(
        share[c] * kappa[c] for c in range(G) if c not in (case.target, case.own)
    )
    terms = (
        level * (1.0 + own - own * e * G / (G - 1)),
        float(ratio[concept == case.target].min()),
        e / (G - 1) * far,
        own * (1.0 - e) * delta,
    )
    return sum(terms), 1.0 + 2.0 * abs(level) + 2.0 * float(np.abs(ratio).max())


def distance_to_limit(family: TiltedFamily, alpha: float) -> float:
    """Total variation between p_alpha and its limit on the side of alpha: R/(P_A + R)."""
    support = family.log_p > -np.inf
    log_p, side = family.log_p[support], np.sign(alpha) * family.log_odds[support]
    gap = side.max() - side
    at_limit = gap == 0
    with np.errstate(under="ignore"):
        rest = float(np.exp(log_p - abs(alpha) * gap)[~at_limit].sum())
        kept = np.logaddexp.reduce(log_p[at_limit])
        return float(rest / (np.exp(kept) + rest)) if rest else 0.0


# Section 3: concept probability ---------------------------------------------------------------


def concept_slope(family: TiltedFamily, tokens: Tokens, alpha: float) -> float:
    """Eq. 12: F (1 - F)(mu_C - mu_notC), mu the conditional means of M under p_alpha."""
    log_odds = float(family.concept_log_odds(list(tokens), alpha))
    inside = restricted(family, tokens).mean(alpha)
    outside = restricted(family, others(family, tokens)).mean(alpha)
    with np.errstate(under="ignore"):
        spread = np.exp(-np.logaddexp(0.0, log_odds) - np.logaddexp(0.0, -log_odds))
    return float(spread * (inside - outside))


def concept_limit(family: TiltedFamily, tokens: Tokens, sign: int) -> float:
    """Limit of Delta p(C | alpha): (share of the extreme tokens - F_C(0)) / |C| (Thm 3.6)."""
    with np.errstate(under="ignore"):
        change = np.exp(family.limit(sign)) - np.exp(family.log_p)
    return float(change[list(tokens)].sum() / len(tokens))


def falls_by_levels(family: TiltedFamily, tokens: Tokens) -> bool:
    """Thm 3.6, sufficient for F_C to decrease: max_C M <= min_notC M, and M not constant."""
    outside = others(family, tokens)
    low, high = family.log_odds[list(tokens)], family.log_odds[outside]
    return bool(low.max() <= high.min() and family.log_odds.max() > family.log_odds.min())


def level_shares(family: TiltedFamily, tokens: Tokens) -> Floats:
    """rho on the distinct levels of M, increasing: the probability of C within each tie."""
    _, level = np.unique(family.log_odds, return_inverse=True)
    inside = np.isin(np.arange(len(level)), tokens)
    log_total = np.full(level.max() + 1, -np.inf)
    np.logaddexp.at(log_total, level, family.log_p)
    with np.errstate(under="ignore"):
        weight = np.exp(family.log_p - log_total[level])
        share: Floats = np.bincount(level, weight * inside).astype(np.float64)
    mixed = (np.bincount(level, inside) > 0) & (np.bincount(level, ~inside) > 0)
    # Where a level lies wholly inside or outside, rho is exactly 1 or 0, not 1 - EPS.
    return np.where(mixed, share, np.round(share))


def extrema_bound(family: TiltedFamily, tokens: Tokens) -> int:
    """Turns of rho: F_C has at most as many interior extrema, and as many up to an even number."""
    moves = np.sign(np.diff(level_shares(family, tokens)))
    moves = moves[moves != 0]
    return int((moves[1:] != moves[:-1]).sum())


# Section 4: cross-entropy ---------------------------------------------------------------------


def quadratic(data: ConceptDataset, log_odds: Floats) -> float:
    """Thm 3.8: half the pi-average of the variances of M."""
    return 0.5 * sum(
        float(weight) * float(data.family(j, log_odds).variance(0.0))
        for j, weight in enumerate(data.context_weights)
    )


def taylor(family: TiltedFamily, order: int) -> Floats:
    """Coefficients of alpha^2 .. alpha^order of Delta CE of one context: kappa_n / n!."""
    kappa = family.cumulants(order)
    return np.array([kappa[n - 1] / factorial(n) for n in range(2, order + 1)])


def envelope(x: float) -> tuple[float, float]:
    """Bounds on Delta CE / quadratic at x = |alpha| (max M - min M): 2(e^{-+x} - 1 +- x)/x^2.

    By their Taylor series below 0.1, where the closed form cancels; above, it keeps 14 digits.
    """
    if x == 0.0:
        return 1.0, 1.0
    if x < 0.1:
        terms = [2.0 * x**k / factorial(k + 2) for k in range(14)]
        return sum((-1) ** k * t for k, t in enumerate(terms)), sum(terms)
    upper = 2.0 * (np.expm1(x) - x) / x**2 if x < 700 else np.inf
    return float(2.0 * (np.expm1(-x) + x) / x**2), float(upper)


def global_bound(spread: float, alpha: float) -> float:
    """Delta CE <= alpha^2 (max M - min M)^2 / 8."""
    return (alpha * spread) ** 2 / 8.0


def linear_coefficient(model: Floats, labels: Floats, weights: Floats, log_odds: Floats) -> float:
    """Slope of Delta CE at 0 without Assumption 2: pi-average of E_model[M] - E_data[M]."""
    return float(weights @ ((model - labels) @ log_odds))


def asymptote(data: ConceptDataset, log_odds: Floats, alpha: float) -> tuple[float, float]:
    """|alpha| sigma + sum_j pi_j log p_j(top) and |alpha| sigma: Delta CE lies between them."""
    sign = 1.0 if alpha > 0 else -1.0
    side = sign * log_odds
    top = side == side.max()
    steepness, offset = 0.0, 0.0
    for j, weight in enumerate(data.context_weights):
        family = data.family(j, log_odds)
        steepness += float(weight) * float(side.max() - sign * family.mean(0.0))
        offset += float(weight) * float(np.logaddexp.reduce(family.log_p[top]))
    return abs(alpha) * steepness + offset, abs(alpha) * steepness


# Section 5: transformers ----------------------------------------------------------------------


def normed(case: NormCase) -> NormedSteering:
    """The engine's record of a case."""
    h, v, gain, bias, _ = case.arrays()
    return NormedSteering(h, v, kind=case.kind, gain=gain, bias=bias, eps=case.eps)  # type: ignore[arg-type]


def _projection(case: NormCase) -> Floats:
    d = len(case.h)
    return np.eye(d) - (1.0 / d if case.kind == "layer" else 0.0)


def norm_rate(case: NormCase) -> Floats:
    """The coefficient of 1/|alpha|: gain (sqrt d/|Pv|)(I - u u^T) P h, the same at both ends."""
    h, v, gain, _, _ = case.arrays()
    P = _projection(case)
    size = np.linalg.norm(P @ v)
    u = P @ v / size
    across = P @ h - u * (u @ (P @ h))
    result: Floats = gain * np.sqrt(len(h)) / size * across
    return result


def norm_bound(case: NormCase, alpha: float) -> float:
    """|LN(h + alpha v) - LN(+-v)| <= 2 sqrt(d) |P h| max|gain| / (|alpha| |P v|) at eps = 0."""
    h, v, gain, _, _ = case.arrays()
    P = _projection(case)
    reach = np.linalg.norm(P @ h) / np.linalg.norm(P @ v)
    return float(2.0 * np.sqrt(len(h)) * reach * np.abs(gain).max() / abs(alpha))


def _last_block(case: NormCase) -> tuple[Floats, Floats, float, float, float]:
    """a, b (V,) and A, B, C of logits (a + alpha b)/sqrt(A alpha^2 + 2 B alpha + C) + const."""
    h, v, gain, _, W = case.arrays()
    P = _projection(case)
    x, y = P @ h, P @ v
    A, B, C = (y @ y) / len(h), (x @ y) / len(h), (x @ x) / len(h) + case.eps
    return W @ (gain * x), W @ (gain * y), float(A), float(B), float(C)


def last_block_logits(case: NormCase, alpha: float) -> Floats:
    """Final logits when the last block is steered: two unembeddings and one scalar. (V,)."""
    a, b, A, B, C = _last_block(case)
    _, _, _, bias, W = case.arrays()
    result: Floats = (a + alpha * b) / np.sqrt((A * alpha + 2.0 * B) * alpha + C) + W @ bias
    return result


def last_block_turn(case: NormCase) -> Floats:
    """The stationary point of each final logit, (a B - b C)/(b B - a A); nan if none. (V,)."""
    a, b, A, B, C = _last_block(case)
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Floats = np.where(b * B != a * A, (a * B - b * C) / (b * B - a * A), np.nan)
    return result


def readout_family(case: ReadoutCase) -> TiltedFamily:
    """`final-norm`: p and M from the log-probabilities of texts, nothing else."""
    logits = np.array(case.states) @ np.array(case.W).T + np.array(case.bias)
    logits = logits - logits.max(axis=1, keepdims=True)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    M = log_p[list(case.positive)].mean(axis=0) - log_p[list(case.negative)].mean(axis=0)
    return TiltedFamily(log_p[case.context], M)


def local_divergence(log_p: Floats, slope: Floats) -> float:
    """Coefficient of alpha^2 in KL(p_0 || p_alpha): Var_p(M_loc)/2, M_loc the logits' slope."""
    return 0.5 * float(TiltedFamily(log_p, slope).variance(0.0))


def local_cross_entropy(
    log_p: Floats, labels: Floats, slope: Floats, bend: Floats
) -> tuple[float, float]:
    """Slope and curvature of Delta CE at 0 on text, one context; `bend` is l'' of the logits."""
    p = np.exp(log_p)
    excess = p - labels
    variance = 2.0 * local_divergence(log_p, slope)
    return float(excess @ slope), variance + float(excess @ bend)


@dataclass(frozen=True)
class Formulas:
    """One callable per closed form; each default is the project's own, documented there."""

    law: Callable[[str], Any] = law
    # tilting
    shifted_logits: Callable[..., Floats] = shifted_logits
    log_odds: Callable[..., Floats] = ConceptDataset.log_odds
    separated_log_odds: Callable[..., Floats] = separated_log_odds
    log_probability: Callable[..., Floats] = TiltedFamily.log_probability
    probability_increase: Callable[..., Floats] = TiltedFamily.probability_increase
    cgf: Callable[..., Floats] = TiltedFamily.cgf
    mean: Callable[..., Floats] = TiltedFamily.mean
    variance: Callable[..., Floats] = TiltedFamily.variance
    slope: Callable[..., Floats] = slope
    # peaks and limits
    peaks: Callable[..., Floats] = TiltedFamily.peaks
    peak_log_probability: Callable[..., Floats] = TiltedFamily.peak_log_probability
    two_value_peak: Callable[..., float] = two_value_peak
    rises_forever: Callable[..., NDArray[np.bool_]] = rises_forever
    falls_forever: Callable[..., NDArray[np.bool_]] = falls_forever
    peak_signs: Callable[..., Floats] = peak_signs
    closeness: Callable[..., float] = closeness
    weighted_margin: Callable[..., tuple[float, float]] = weighted_margin
    limit: Callable[..., Floats] = TiltedFamily.limit
    distance_to_limit: Callable[..., float] = distance_to_limit
    # concepts
    concept_slope: Callable[..., float] = concept_slope
    concept_log_odds: Callable[..., Floats] = TiltedFamily.concept_log_odds
    concept_increase: Callable[..., Floats] = TiltedFamily.concept_increase
    concept_limit: Callable[..., float] = concept_limit
    falls_by_levels: Callable[..., bool] = falls_by_levels
    extrema_bound: Callable[..., int] = extrema_bound
    # cross-entropy
    cross_entropy_increase: Callable[..., Floats] = TiltedFamily.cross_entropy_increase
    dataset_cross_entropy: Callable[..., Floats] = ConceptDataset.cross_entropy_increase
    reverse_kl: Callable[..., Floats] = TiltedFamily.reverse_kl
    quadratic: Callable[..., float] = quadratic
    taylor: Callable[..., Floats] = taylor
    envelope: Callable[..., tuple[float, float]] = envelope
    global_bound: Callable[..., float] = global_bound
    linear_coefficient: Callable[..., float] = linear_coefficient
    asymptote: Callable[..., tuple[float, float]] = asymptote
    alpha_for_cross_entropy: Callable[..., float] = TiltedFamily.alpha_for_cross_entropy
    # transformers
    normed: Callable[..., Any] = normed
    norm_rate: Callable[..., Floats] = norm_rate
    norm_bound: Callable[..., float] = norm_bound
    last_block_logits: Callable[..., Floats] = last_block_logits
    last_block_turn: Callable[..., Floats] = last_block_turn
    readout_family: Callable[..., TiltedFamily] = readout_family
    local_divergence: Callable[..., float] = local_divergence
    local_cross_entropy: Callable[..., tuple[float, float]] = local_cross_entropy


FORMULAS = Formulas()
