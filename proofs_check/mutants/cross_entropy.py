"""Wrong prices of steering."""

from __future__ import annotations

from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check import check_advice, check_cross_entropy
from steering_strength.proofs_check.mutants.mutant import Mutant, wrong
from steering_strength.theory import ConceptDataset, TiltedFamily
from steering_strength.theory.engine import Root

Floats = NDArray[np.float64]


def _families(data: ConceptDataset, M: Floats) -> list[TiltedFamily]:
    return [data.family(j, M) for j in range(len(data.probabilities))]


def _variances(data: ConceptDataset, M: Floats) -> Floats:
    return np.array([family.variance(0.0) for family in _families(data, M)])


def _mixture(data: ConceptDataset) -> Any:
    return data.context_weights @ data.probabilities


def _cancelling(_: Any, family: TiltedFamily, alpha: Any) -> Floats:
    exponent = family.log_p + np.multiply.outer(alpha, family.log_odds)
    top = exponent.max(axis=-1)
    cgf = top + np.log(np.exp(exponent - top[..., None]).sum(axis=-1))
    return np.asarray(cgf - np.asarray(alpha) * (np.exp(family.log_p) @ family.log_odds))


def _root(alpha: Any) -> Root:
    return Root(float(alpha), float(alpha), float(alpha))


# fmt: off
MUTANTS: tuple[Mutant, ...] = (
    *wrong(check_cross_entropy.ce_quadratic, "ConceptDataset.quadratic", {
        "without-half: the 1/2 of Thm 3.8 is missing":
            lambda right, data, M: 2.0 * right(data, M),
        "flat-contexts: every context counts the same":
            lambda _, data, M: float(0.5 * _variances(data, M).mean()),
        "pooled-variance: the variance of M under the mixture sum_j pi_j p_j":
            lambda _, data, M: float(0.5 * _mixture(data) @ (M - _mixture(data) @ M) ** 2),
        "second-moment: E[M^2] for Var(M)":
            lambda _, data, M: float(0.5 * _mixture(data) @ M**2),
        "largest-variance: the worst context instead of the average one":
            lambda _, data, M: float(0.5 * _variances(data, M).max()),
    }),
    *wrong(check_cross_entropy.ce_exact, "ConceptDataset.cross_entropy_increase", {
        "flat-dataset: every context counts the same":
            lambda _, data, M, alpha:
            np.mean([f.cross_entropy_increase(alpha) for f in _families(data, M)], axis=0),
        "even: the same at -alpha":
            lambda right, data, M, alpha: right(data, M, np.abs(alpha)),
        "bounded: it levels off at the entropy of the data, as curves under a final norm do":
            lambda right, data, M, alpha: np.minimum(right(data, M, alpha), data.entropy()),
        "only-quadratic: the quadratic law taken for every alpha":
            lambda _, data, M, alpha: data.quadratic(M) * np.asarray(alpha) ** 2,
        "of-the-mixture: of one context whose distribution is the mixture of all":
            lambda _, data, M, alpha: TiltedFamily(
                np.log(_mixture(data) / _mixture(data).sum()), M).cross_entropy_increase(alpha),
    }),
    *wrong(check_cross_entropy.ce_exact, "TiltedFamily.cross_entropy_increase", {
        "reversed-kl: KL(p_alpha || p) for KL(p || p_alpha)":
            lambda _, family, alpha: family.reverse_kl(alpha),
        "only-cgf: K(alpha) without - alpha K'(0)":
            lambda _, family, alpha: family.cgf(alpha),
        "cancelling: K(alpha) - alpha K'(0) as it stands, whose digits cancel near alpha = 0":
            _cancelling,
        "symmetrised: half the sum of the two divergences":
            lambda right, family, alpha: 0.5 * (family.reverse_kl(alpha) + right(family, alpha)),
    }),
    *wrong(check_cross_entropy.ce_exact, "TiltedFamily.reverse_kl", {
        "forward-kl: KL(p || p_alpha) for KL(p_alpha || p)":
            lambda _, family, alpha: family.cross_entropy_increase(alpha),
        "difference-of-means: alpha (K'(alpha) - K'(0)), the sum of the two divergences, for one":
            lambda right, family, alpha:
            right(family, alpha) + family.cross_entropy_increase(alpha),
    }),
    *wrong(check_cross_entropy.ce_radius, "envelope", {
        "quadratic-is-bound: the quadratic law bounds Delta CE from above":
            lambda right, x: (right(x)[0], 1.0),
        "quadratic-is-floor: the quadratic law bounds Delta CE from below":
            lambda right, x: (1.0, right(x)[1]),
        "half-range: the envelopes with half the range of M":
            lambda right, x: right(0.5 * x),
        "symmetric: the lower bound is one over the upper":
            lambda right, x: (1.0 / right(x)[1], right(x)[1]),
        "first-order: 1 +- x/3, the envelopes to first order in x":
            lambda _, x: (1.0 - x / 3.0, 1.0 + x / 3.0),
        "gronwall: e^-x and e^x, bounds on K'' taken for bounds on Delta CE, true but not sharp":
            lambda _, x: (np.exp(-x), np.exp(np.minimum(x, 700.0))),
    }),
    *wrong(check_cross_entropy.ce_radius, "hoeffding", {
        "sixteenth: alpha^2 R^2 / 16 for the global bound":
            lambda right, spread, alpha: 0.5 * right(spread, alpha),
    }),
    *wrong(check_cross_entropy.ce_cumulants, "TiltedFamily.taylor", {
        "moments: central moments for cumulants, 3 Var^2 is not taken off the fourth":
            lambda _, family, order: np.array([
                np.exp(family.log_p) @ (family.log_odds - family.mean(0.0)) ** n / factorial(n)
                for n in range(2, order + 1)]),
        "without-factorial: kappa_n / n for kappa_n / n!":
            lambda _, family, order: family.cumulants(order)[1:] / np.arange(2, order + 1),
        "even-orders: no cubic term":
            lambda right, family, order: right(family, order) * (np.arange(order - 1) % 2 == 0),
        "gaussian: nothing beyond the variance, as if M were Gaussian":
            lambda right, family, order: right(family, order) * (np.arange(order - 1) == 0),
    }),
    *wrong(check_cross_entropy.ce_linear, "ConceptDataset.linear_coefficient", {
        "minus: E_data[M] - E_model[M]":
            lambda right, data, M, model: -float(right(data, M, model)),
        "flat-weights: the contexts unweighted":
            lambda right, data, M, model: float(right(ConceptDataset(
                data.probabilities, data.token_concept, data.context_concept), M, model)),
        "zero: no linear term, whatever the model":
            lambda *_: 0.0,
    }),
    *wrong(check_cross_entropy.ce_asymptote, "ConceptDataset.cross_entropy_asymptote", {
        "no-offset: the lower line without log p(argmax M), the asymptote through 0":
            lambda right, data, M, sign: (right(data, M, sign)[0], 0.0),
        "counted-offset: from the number of tied tokens instead of their probability":
            lambda right, data, M, sign:
            (right(data, M, sign)[0], float(np.log(np.mean(sign * M == (sign * M).max())))),
        "range-slope: sigma = max M - min M, the steepest a single context could be":
            lambda right, data, M, sign: (float(np.ptp(M)), right(data, M, sign)[1]),
    }),
    *wrong(check_advice.advise_budget, "TiltedFamily.cross_entropy_root", {
        "from-quadratic: alpha = sqrt(2 budget / Var), the seed taken for the answer":
            lambda _, family, budget, sign:
            _root(sign * np.sqrt(np.divide(2.0 * budget, family.variance(0.0)))),
        "for-reverse: the same alpha whatever the sign":
            lambda right, family, budget, sign: _root(abs(right(family, budget, 1).alpha) * sign),
    }),
)
