"""Wrong ways to say how sure a strength is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.mutants.mutant import RIGHT, Mutant, mutant
from steering_strength.theory import TiltedFamily
from steering_strength.theory.engine.estimation import Estimate

__all__ = ["MUTANTS"]

Floats = NDArray[np.float64]
Derivatives = tuple[Floats, Floats, Floats]


def without_reference(family: TiltedFamily, alpha: float, goal: str, mask: Any) -> Derivatives:
    """The gradient of the price is p_alpha, not p_alpha - p."""
    p, gradient, curvature = RIGHT.goal_derivatives(family, alpha, goal, mask)
    return p, p if goal == "cross_entropy" else gradient, curvature


def of_the_variance(family: TiltedFamily, alpha: float, goal: str, mask: Any) -> Derivatives:
    """The gradient of the quadratic law: p (M - E[M]) for p_alpha - p."""
    p, gradient, curvature = RIGHT.goal_derivatives(family, alpha, goal, mask)
    return p, family.slope(0.0) if goal == "cross_entropy" else gradient, curvature


def forward_for_reverse(family: TiltedFamily, alpha: float, goal: str, mask: Any) -> Derivatives:
    """The reverse divergence moves as the price does."""
    asked = "cross_entropy" if goal == "reverse_kl" else goal
    found: Derivatives = RIGHT.goal_derivatives(family, alpha, asked, mask)
    return found


def uncentred_level(family: TiltedFamily, alpha: float, goal: str, mask: Any) -> Derivatives:
    """The gradient of F is p_alpha on C and nothing elsewhere."""
    p, gradient, curvature = RIGHT.goal_derivatives(family, alpha, goal, mask)
    return p, np.where(mask, p, 0.0) if goal == "level" else gradient, curvature


def fixed_peak(family: TiltedFamily, alpha: float, goal: str, mask: Any) -> Derivatives:
    """A peak follows its own M only: that the mean moves with it is left out."""
    p, gradient, curvature = RIGHT.goal_derivatives(family, alpha, goal, mask)
    return p, p - mask if goal == "peak" else gradient, curvature


def along_the_text(goal: Any, change: Floats, moves: Floats) -> float:
    """f'' along dM alone, as if alpha stayed where it is."""
    return float(RIGHT.goal_bend(goal, change, 0.0 * moves))


def _changed(found: Estimate, **parts: Any) -> Estimate:
    fields = ("alpha", "positive", "negative", "inverse_bias")
    return Estimate(**{**{name: getattr(found, name) for name in fields}, **parts})


def same_sign(*args: Any, **options: Any) -> Estimate:
    """A text of N moves alpha as one of P does."""
    found = RIGHT.estimate(*args, **options)
    return _changed(found, negative=-found.negative)


def pooled(*args: Any, **options: Any) -> Estimate:
    """Each text weighs 1/(|P| + |N|)."""
    found = RIGHT.estimate(*args, **options)
    p, n = found.positive, found.negative
    total = p.size + n.size
    return _changed(found, positive=p * p.size / total, negative=n * n.size / total)


def left_out(*args: Any, **options: Any) -> Estimate:
    """1/(n - 1) for 1/n: what leaving a text out does."""
    found = RIGHT.estimate(*args, **options)
    p, n = found.positive, found.negative
    return _changed(found, positive=p * p.size / (p.size - 1), negative=n * n.size / (n.size - 1))


def unbiased(*args: Any, **options: Any) -> Estimate:
    """1/alpha has no bias, since M has none."""
    return _changed(RIGHT.estimate(*args, **options), inverse_bias=0.0)


def plug_in(found: Estimate) -> tuple[float, float]:
    """The sums of squares without n/(n - 1)."""
    return float(found.positive @ found.positive), float(found.negative @ found.negative)


def of_one_text(found: Estimate) -> tuple[float, float]:
    """The variance of one text for that of a mean."""
    p, n = RIGHT.estimate_variances.fget(found)
    return found.positive.size * p, found.negative.size * n


def added(found: Estimate) -> float:
    """The errors of the two sides added, not their squares."""
    return sum(map(math.sqrt, found.variances))


def twice_as_many(found: Estimate, factor: float = 0.5) -> tuple[int, int]:
    """As many times more texts as the error shall be smaller: a root is forgotten."""
    counts = found.positive.size / factor, found.negative.size / factor
    return math.ceil(counts[0]), math.ceil(counts[1])


def in_proportion(found: Estimate, factor: float = 0.5) -> tuple[int, int]:
    """P and N grow alike, whichever scatters more."""
    counts = found.positive.size / factor**2, found.negative.size / factor**2
    return math.ceil(counts[0]), math.ceil(counts[1])


def other_way(found: Estimate) -> float:
    """The bias added instead of taken off."""
    return 1.0 / (1.0 / found.alpha + found.inverse_bias)


def symmetric(found: Estimate, confidence: float = 0.95) -> tuple[float, float]:
    """alpha -+ 1.96 standard errors: the bias, and that 1/alpha is what is linear, left out."""
    half = 1.959963984540054 * found.standard_error
    return found.alpha - half, found.alpha + half


MUTANTS: tuple[Mutant, ...] = (
    *(
        mutant("influence", goal_derivatives=wrong)
        for wrong in (
            without_reference,
            of_the_variance,
            forward_for_reverse,
            uncentred_level,
            fixed_peak,
        )
    ),
    *(mutant("influence", estimate=wrong) for wrong in (same_sign, pooled, left_out)),
    *(mutant("standard-error", estimate_variances=wrong) for wrong in (plug_in, of_one_text)),
    mutant("standard-error", standard_error=added),
    *(mutant("standard-error", texts_for=wrong) for wrong in (twice_as_many, in_proportion)),
    mutant("text-bias", goal_bend=along_the_text),
    mutant("text-bias", estimate=unbiased),
    mutant("text-bias", unlimited=other_way),
    mutant("text-bias", interval=symmetric),
)
