"""Wrong prices of steering."""

from __future__ import annotations

from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.mutants.mutant import RIGHT, Mutant, mutant
from steering_strength.theory import ConceptDataset, TiltedFamily
from steering_strength.theory.engine import Root

__all__ = ["MUTANTS"]

Floats = NDArray[np.float64]


def _variances(data: ConceptDataset, log_odds: Floats) -> Floats:
    return np.array(
        [data.family(j, log_odds).variance(0.0) for j in range(len(data.probabilities))]
    )


def without_half(data: ConceptDataset, log_odds: Floats) -> float:
    """The 1/2 of Thm 3.8 is missing."""
    return 2.0 * RIGHT.quadratic(data, log_odds)


def flat_contexts(data: ConceptDataset, log_odds: Floats) -> float:
    """Unweighted pi: every context counts the same."""
    return float(0.5 * _variances(data, log_odds).mean())


def pooled_variance(data: ConceptDataset, log_odds: Floats) -> float:
    """The variance of M under the mixture sum_j pi_j p_j."""
    mixture = data.context_weights @ data.probabilities
    centre = mixture @ log_odds
    return float(0.5 * mixture @ (log_odds - centre) ** 2)


def second_moment(data: ConceptDataset, log_odds: Floats) -> float:
    """E[M^2] for Var(M)."""
    return float(0.5 * data.context_weights @ (data.probabilities @ log_odds**2))


def largest_variance(data: ConceptDataset, log_odds: Floats) -> float:
    """The worst context instead of the average one."""
    return float(0.5 * _variances(data, log_odds).max())


def flat_dataset(data: ConceptDataset, log_odds: Floats, alpha: Any) -> Floats:
    """Delta CE with every context counted the same."""
    contexts = range(len(data.probabilities))
    return np.asarray(
        np.mean(
            [data.family(j, log_odds).cross_entropy_increase(alpha) for j in contexts],
            axis=0,
        )
    )


def even(data: ConceptDataset, log_odds: Floats, alpha: Any) -> Floats:
    """Delta CE is even: the same at -alpha."""
    return RIGHT.dataset_cross_entropy(data, log_odds, np.abs(alpha))


def bounded(data: ConceptDataset, log_odds: Floats, alpha: Any) -> Floats:
    """Delta CE levels off at the entropy of the data, as curves under a final norm do."""
    right = RIGHT.dataset_cross_entropy(data, log_odds, alpha)
    return np.minimum(right, data.entropy())


def only_quadratic(data: ConceptDataset, log_odds: Floats, alpha: Any) -> Floats:
    """The quadratic law taken for every alpha."""
    return np.asarray(RIGHT.quadratic(data, log_odds) * np.asarray(alpha) ** 2)


def of_the_mixture(data: ConceptDataset, log_odds: Floats, alpha: Any) -> Floats:
    """Delta CE of one context whose distribution is the mixture of all."""
    mixture = data.context_weights @ data.probabilities
    with np.errstate(divide="ignore"):
        family = TiltedFamily(np.log(mixture / mixture.sum()), log_odds)
    return family.cross_entropy_increase(alpha)


def reversed_kl(family: TiltedFamily, alpha: Any) -> Floats:
    """KL(p_alpha || p) for KL(p || p_alpha)."""
    return RIGHT.reverse_kl(family, alpha)


def forward_kl(family: TiltedFamily, alpha: Any) -> Floats:
    """KL(p || p_alpha) for KL(p_alpha || p)."""
    return RIGHT.cross_entropy_increase(family, alpha)


def only_cgf(family: TiltedFamily, alpha: Any) -> Floats:
    """K(alpha) without - alpha K'(0)."""
    return RIGHT.cgf(family, alpha)


def cancelling(family: TiltedFamily, alpha: Any) -> Floats:
    """K(alpha) - alpha K'(0) as it stands: the digits cancel near alpha = 0."""
    exponent = family.log_p + np.multiply.outer(alpha, family.log_odds)
    top = exponent.max(axis=-1)
    with np.errstate(under="ignore"):
        cgf = top + np.log(np.exp(exponent - top[..., None]).sum(axis=-1))
        centre = np.exp(family.log_p) @ family.log_odds
    return np.asarray(cgf - np.asarray(alpha) * centre)


def symmetrised(family: TiltedFamily, alpha: Any) -> Floats:
    """Half the sum of the two divergences."""
    return np.asarray(
        0.5 * (RIGHT.reverse_kl(family, alpha) + RIGHT.cross_entropy_increase(family, alpha))
    )


def difference_of_means(family: TiltedFamily, alpha: Any) -> Floats:
    """alpha (K'(alpha) - K'(0)), the sum of the two divergences, for one of them."""
    return np.asarray(RIGHT.reverse_kl(family, alpha) + RIGHT.cross_entropy_increase(family, alpha))


def quadratic_is_bound(x: Any) -> tuple[Any, Any]:
    """The quadratic law bounds Delta CE from above."""
    return RIGHT.envelope(x)[0], 1.0


def quadratic_is_floor(x: Any) -> tuple[Any, Any]:
    """The quadratic law bounds Delta CE from below."""
    return 1.0, RIGHT.envelope(x)[1]


def half_range(x: Any) -> tuple[Any, Any]:
    """The envelopes with half the range of M."""
    return RIGHT.envelope(0.5 * x)


def symmetric(x: Any) -> tuple[Any, Any]:
    """The lower bound is one over the upper."""
    upper = RIGHT.envelope(x)[1]
    return 1.0 / upper, upper


def first_order(x: Any) -> tuple[Any, Any]:
    """1 +- x/3: the envelopes to first order in x."""
    return 1.0 - x / 3.0, 1.0 + x / 3.0


def gronwall(x: Any) -> tuple[Any, Any]:
    """e^-x and e^x: bounds on K'' taken for bounds on Delta CE, true but not sharp."""
    return np.exp(-x), np.exp(np.minimum(x, 700.0))


def sixteenth(spread: float, alpha: Floats) -> Floats:
    """alpha^2 R^2 / 16 for the global bound."""
    return np.asarray(0.5 * RIGHT.hoeffding(spread, alpha))


def moments(family: TiltedFamily, order: int) -> Floats:
    """Central moments for cumulants: 3 Var^2 is not taken off the fourth."""
    with np.errstate(under="ignore"):
        p = np.exp(family.log_p)
    centred = family.log_odds - family.mean(0.0)
    return np.array([p @ centred**n / factorial(n) for n in range(2, order + 1)])


def without_factorial(family: TiltedFamily, order: int) -> Floats:
    """kappa_n / n for kappa_n / n!."""
    kappa = family.cumulants(order)
    return np.array([kappa[n - 1] / n for n in range(2, order + 1)])


def even_orders(family: TiltedFamily, order: int) -> Floats:
    """No cubic term."""
    right = RIGHT.taylor(family, order)
    return np.where(np.arange(2, order + 1) % 2 == 0, right, 0.0)


def gaussian(family: TiltedFamily, order: int) -> Floats:
    """Nothing beyond the variance, as if M were Gaussian."""
    right = RIGHT.taylor(family, order)
    return np.where(np.arange(2, order + 1) == 2, right, 0.0)


def minus(data: ConceptDataset, log_odds: Any, model: Any) -> float:
    """E_data[M] - E_model[M]."""
    return -float(RIGHT.linear_coefficient(data, log_odds, model))


def flat_weights(data: ConceptDataset, log_odds: Any, model: Any) -> float:
    """The contexts unweighted."""
    flat = ConceptDataset(data.probabilities, data.token_concept, data.context_concept)
    return float(RIGHT.linear_coefficient(flat, log_odds, model))


def zero(data: ConceptDataset, log_odds: Any, model: Any) -> float:
    """No linear term, whatever the model."""
    return 0.0


def no_offset(data: ConceptDataset, log_odds: Floats, sign: int) -> tuple[float, float]:
    """The lower line without log p(argmax M): the asymptote through 0."""
    return RIGHT.asymptote(data, log_odds, sign)[0], 0.0


def counted_offset(data: ConceptDataset, log_odds: Floats, sign: int) -> tuple[float, float]:
    """The offset of the asymptote from the number of tied tokens instead of their probability."""
    side = sign * log_odds
    return RIGHT.asymptote(data, log_odds, sign)[0], float(np.log(np.mean(side == side.max())))


def range_slope(data: ConceptDataset, log_odds: Floats, sign: int) -> tuple[float, float]:
    """sigma = max M - min M: the steepest a single context could be."""
    return float(np.ptp(log_odds)), RIGHT.asymptote(data, log_odds, sign)[1]


def from_quadratic(family: TiltedFamily, budget: float, sign: int) -> Root:
    """alpha = sqrt(2 budget / Var): the seed taken for the answer."""
    variance = float(family.variance(0.0))
    alpha = float(sign * (np.sqrt(2.0 * budget / variance) if variance else np.inf))
    return Root(alpha, alpha, alpha)


def for_reverse(family: TiltedFamily, budget: float, sign: int) -> Root:
    """The same alpha whatever the sign."""
    alpha = abs(RIGHT.cross_entropy_root(family, budget, 1).alpha) * sign
    return Root(alpha, alpha, alpha)


MUTANTS: tuple[Mutant, ...] = (
    *(
        mutant("ce-quadratic", quadratic=wrong)
        for wrong in (without_half, flat_contexts, pooled_variance, second_moment, largest_variance)
    ),
    *(
        mutant("ce-exact", dataset_cross_entropy=wrong)
        for wrong in (flat_dataset, even, bounded, only_quadratic, of_the_mixture)
    ),
    *(
        mutant("ce-exact", cross_entropy_increase=wrong)
        for wrong in (reversed_kl, only_cgf, cancelling, symmetrised)
    ),
    *(mutant("ce-exact", reverse_kl=wrong) for wrong in (forward_kl, difference_of_means)),
    *(
        mutant("ce-radius", envelope=wrong)
        for wrong in (
            quadratic_is_bound,
            quadratic_is_floor,
            half_range,
            symmetric,
            first_order,
            gronwall,
        )
    ),
    mutant("ce-radius", hoeffding=sixteenth),
    *(
        mutant("ce-cumulants", taylor=wrong)
        for wrong in (moments, without_factorial, even_orders, gaussian)
    ),
    *(mutant("ce-linear", linear_coefficient=wrong) for wrong in (minus, flat_weights, zero)),
    *(
        mutant("ce-asymptote", asymptote=wrong)
        for wrong in (no_offset, counted_offset, range_slope)
    ),
    mutant("advise-budget", cross_entropy_root=from_quadratic),
    mutant("advise-budget", cross_entropy_root=for_reverse),
)
