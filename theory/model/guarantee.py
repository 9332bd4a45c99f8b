"""How far a trained model may be from the laws, given how far its loss is from the entropy.

The laws assume perfect training (Assumption 2). Training stops with an excess
delta = sum_j pi_j KL(p_j || q_j) > 0, q_j = softmax(W h_j). What remains true, step by step:

1. KL(p_j || q_j) <= kappa_j with kappa_j = delta / pi_j, because every term of the sum is >= 0
   (or kappa_j = the context's own divergence, if the model is at hand).
2. Merging all tokens but z into one cannot increase a divergence, so the binary divergence
   kl(p || x) = p log(p/x) + (1-p) log((1-p)/(1-x)) at p = p_j(z), x = q_j(z) is at most kappa_j.
   Hence u_j(z) = log q_j(z) - log p_j(z) lies between the two roots u of kl(p || p e^u) = kappa_j.
   For one token this is sharp: scaling the other tokens by a common factor attains it.
3. The model's logits are linear in h, so steered by its own difference of means it follows
   the law exactly, with q in the place of p: log q_alpha = log p + alpha M + D - const, where
   D(z) = u_j(z) + alpha (mean_P u(z) - mean_N u(z)) = sum_i c_i u_i(z) lies in an interval
   [lo(z), hi(z)]. A context of P counts with c_j = 1 + alpha/q as a whole: at alpha = -q its own
   error drops out.
4. log q_alpha(z) - log p_alpha(z) = D(z) - log sum_y p_alpha(y) e^{D(y)} increases in D(z) and
   decreases in every other D(y), so over the box its extremes are
   hi(z) - log(p_alpha(z) e^{hi(z)} + sum_{y != z} p_alpha(y) e^{lo(y)}) and the mirror image.

Step 4 weighs tokens by p_alpha: a token that training could not pin down because it is rare
does not spoil the bound of the others until steering makes it frequent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from steering_strength.theory.engine.numerics import exponential_excess
from steering_strength.theory.engine.validation import as_alpha
from steering_strength.theory.errors import ProbabilityError, ShapeError
from steering_strength.theory.model.inputs import FloatArray
from steering_strength.theory.model.steering_sets import SteeringSets
from steering_strength.theory.model.table import log_softmax, loud


def binary_kl(p: FloatArray, u: FloatArray) -> FloatArray:
    """kl(p || p e^u) for 0 < p < 1 and p e^u < 1, in nats.

    As p (e^u - 1 - u) + (1-p) (e^w - 1 - w) with w = log((1 - p e^u) / (1-p)): two terms >= 0, so
    nothing cancels between them. inf where p e^u >= 1.
    """
    near = np.abs(u) <= 0.5
    small, large = np.where(near, u, 0.0), np.where(near, 0.0, u)
    # q = p e^u in two factors: e^u alone overflows for a token of probability 1e-320.
    q = p * np.exp(np.minimum(large, 600.0)) * np.exp(np.maximum(large - 600.0, 0.0))
    gain = np.where(near, p * np.expm1(small), q - p)
    with np.errstate(divide="ignore", invalid="ignore"):
        w = np.log1p(-gain / (1.0 - p))
    possible = np.isfinite(w)
    first = np.where(near, p * exponential_excess(small), gain - p * large)
    second = (1.0 - p) * exponential_excess(np.where(possible, w, 0.0))
    return np.where(possible, first + second, np.inf)


def log_ratio_bounds(log_p: FloatArray, kl: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Bounds on log q - log p for every token of a row with KL(p || q) <= kl; both (m, V).

    `log_p` is (m, V) and finite, `kl` is (m,). Where a bound on log q would be below -1e200, it
    is set to that, which no model reaches.

    Raises ProbabilityError: a negative kl, or a token with probability 0.
    """
    bound = np.broadcast_to(np.asarray(kl, dtype=np.float64)[:, None], log_p.shape)
    if not (bound >= 0).all():
        raise ProbabilityError(
            f"a divergence is {float(bound.min())!r}", remedy="it must be 0 or more"
        )
    # p = 1 to double precision would have no room above; the largest double below 1 has.
    p = np.minimum(np.exp(log_p), np.nextafter(1.0, 0.0))
    if not (p > 0).all():
        raise ProbabilityError(
            "a probability is 0, and its logarithm cannot be bounded",
            remedy="use a dataset without zeros",
        )
    # kl(p || p e^u) >= -p u + (1-p) log(1-p) >= -p (u + 1), hence the lower bracket; above, x < 1.
    with np.errstate(over="ignore"):
        deepest = np.minimum(bound / p + 1.0, 1e200)
    return -_root(p, bound, deepest, -1.0), _root(p, bound, -np.log(p), 1.0)


@loud
def law_error_interval(
    log_p: FloatArray, sets: SteeringSets, alpha: ArrayLike, kl: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """(lower, upper) bounds on log q_alpha(z) - log p_alpha(z), shape of alpha + (m, V), in nats.

    q is a model with KL(p_j || q_j) <= kl[j], steered by its own difference of means over `sets`;
    p_alpha is the law with the dataset's p and M. The derivation is at the top of this module.
    It is a statement about real numbers: floating point adds a few ulps of |alpha M|. Where an
    end overflows it is infinite, which bounds nothing.
    """
    strengths, scalar = as_alpha(alpha)
    if np.shape(kl) != (len(log_p),):
        raise ShapeError(
            f"kl has shape {np.shape(kl)} for m = {len(log_p)} contexts",
            remedy="give one divergence per context",
        )
    low, high = log_ratio_bounds(log_p, kl)
    m = log_p[sets.positive].mean(axis=0) - log_p[sets.negative].mean(axis=0)
    steered = log_softmax(log_p + strengths[:, None, None] * m)
    hi = _largest(low, high, sets, strengths)
    lo = -_largest(-high, -low, sets, strengths)
    upper = hi - _log_sum_swapped(steered, lo, hi)
    lower = lo - _log_sum_swapped(steered, hi, lo)
    upper[np.isnan(upper)], lower[np.isnan(lower)] = np.inf, -np.inf
    return (lower[0], upper[0]) if scalar else (lower, upper)


def _largest(
    low: FloatArray, high: FloatArray, sets: SteeringSets, alpha: FloatArray
) -> FloatArray:
    """Largest D = sum_i c_i u_i of step 3 with low <= u <= high, shape of alpha + (m, V)."""
    members = np.concatenate([sets.positive, sets.negative])
    sign = np.repeat([1.0, -1.0], sets.size) / sets.size
    c = alpha[..., None, None] * sign[:, None]
    terms = np.maximum(c * low[members], c * high[members])
    largest: FloatArray = high + terms.sum(axis=-2)[..., None, :]
    for k, j in enumerate(members):
        own = 1.0 + c[..., k, :]
        others = np.delete(terms, k, axis=-2).sum(axis=-2)
        largest[..., j, :] = np.maximum(own * low[j], own * high[j]) + others
    return largest


def _log_sum_swapped(log_p: FloatArray, others: FloatArray, own: FloatArray) -> FloatArray:
    """log(p(z) e^own(z) + sum_{y != z} p(y) e^others(y)) for every z, without subtraction."""
    terms = log_p + others
    # The sum over y != z from prefix and suffix sums: total minus own term would cancel.
    left = np.logaddexp.accumulate(terms, axis=-1)[..., :-1]
    right = np.logaddexp.accumulate(terms[..., ::-1], axis=-1)[..., ::-1][..., 1:]
    nothing = np.full((*terms.shape[:-1], 1), -np.inf)
    rest = np.logaddexp(
        np.concatenate([nothing, left], axis=-1), np.concatenate([right, nothing], axis=-1)
    )
    return np.asarray(np.logaddexp(log_p + own, rest))


def _root(p: FloatArray, bound: FloatArray, outer: FloatArray, sign: float) -> FloatArray:
    """Outer end t of a bracket of the root of kl(p || p e^(sign t)) = bound, 0 < t <= `outer`.

    Invariant: kl <= bound at the inner end (0, until a step finds a better one), and kl > bound at
    the outer end unless it is still the one given. kl is convex in t with its minimum 0 at 0, so
    there is one root. The halvings are of log t: roots range from 1e-16 to 1e200, and 70 of them
    turn the 500 e-folds between into the last bit. The outer end is returned, widened by 1e-12:
    e^(log t) errs by up to 460 eps and kl by a few eps, and rounding must not narrow an interval.
    A root below 1e-18 is returned as that.
    """
    low, high = np.full_like(p, np.log(1e-18)), np.log(outer)
    for _ in range(70):
        middle = 0.5 * (low + high)
        inside = binary_kl(p, sign * np.exp(middle)) <= bound
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return np.asarray(np.exp(high) * (1.0 + 1e-12))
