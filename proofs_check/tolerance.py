"""How exactly float64 can know a quantity of one instance: every tolerance of the checks.

Three things limit it, and nothing else may: log p is rounded once (error EPS |log p|), M carries
a *blur*, and an exponent alpha M rounds by EPS |alpha M|. The blur is 0 where M is given as floats,
which are exact, and EPS (1 + max |log p|) where M is computed from rounded probabilities, whose
logarithms are all that is known of it: with a/b - 1 = 1e-9, M keeps 7 digits.
From there every bound below is first-order error propagation with the exact sensitivities, times
`SAFETY` for the number of roundings in a sum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from steering_strength.proofs_check.comparison import EPS, Comparison, compare
from steering_strength.proofs_check.oracles.precise import CTX, Number, Tilt, dot, number

SAFETY = 8
"""Roundings on the way from the inputs to one term, each counted at its worst."""

UNDERFLOW = 1e-300
"""Below this a double has lost digits or is 0, whatever the algorithm."""

NAIVE = 1e-110
"""What cancels in the oracle itself: naive sums of terms of size 1 with 120 digits.

At alpha = 0 nothing else is left: the oracle divides p by its sum, which differs from 1 in the last
digit, so its Delta p is 1e-120 p and not 0.
"""


@dataclass(frozen=True)
class Tolerance:
    """Bounds for one context of one instance, at any alpha."""

    tilt: Tilt  # the context, on its support
    depth: Number  # 1 + max |log p|
    blur: Number  # error of each M(z) as the engine knows it

    @property
    def spread(self) -> Number:
        """max M - min M."""
        return self.tilt.spread

    def _moved(self) -> Number:
        """The error of a distance between two values of M."""
        return self.blur + EPS * self.spread

    def _leverage(self, alpha: float) -> Number:
        """The mean distance of M to E_alpha[M]: how relative errors of weights move that."""
        centre = self.tilt.mean(alpha)
        return dot(self.tilt.at(alpha), (abs(m - centre) for m in self.tilt.M))

    def log_probability(self, alpha: float) -> Number:
        """Of log p_alpha(z), for every z; also the relative error of a tilted weight."""
        return SAFETY * (EPS * self.depth + abs(number(alpha)) * self._moved())

    def shift(self, alpha: float) -> Number:
        """Of log p_alpha(z) - log p(z), which vanishes with alpha: E[M] knows p to EPS depth."""
        return SAFETY * abs(number(alpha)) * (self.blur + EPS * self.depth * self.spread)

    def increase(self, alpha: float) -> list[Number]:
        """Of Delta p(z | alpha) = p (e^shift - 1)."""
        relative, shift = SAFETY * EPS * self.depth, self.shift(alpha) + NAIVE
        pairs = zip(self.tilt.at(alpha), self.tilt.p, strict=True)
        return [max(a, b) * shift + relative * abs(a - b) + UNDERFLOW for a, b in pairs]

    def slope(self, alpha: float) -> list[Number]:
        """Of p_alpha(z) (M(z) - E_alpha[M])."""
        centre, mean, weight = self.tilt.mean(alpha), self.mean(alpha), self.log_probability(alpha)
        return [
            a * (weight * abs(m - centre) + mean) + UNDERFLOW * self.spread
            for a, m in zip(self.tilt.at(alpha), self.tilt.M, strict=True)
        ]

    def mean(self, alpha: float) -> Number:
        """Of E_alpha[M]: blur, the weights times their leverage, and the rounding of the result."""
        weights = self.log_probability(alpha) * self._leverage(alpha)
        largest = max(map(abs, self.tilt.M))
        return SAFETY * self._moved() + 2 * weights + EPS * largest + UNDERFLOW

    def variance(self, alpha: float) -> Number:
        """Of Var_alpha[M], a double sum of w w' (M - M')^2 / 2."""
        variance, moved = self.tilt.variance(alpha), SAFETY * self._moved()
        relative = 4 * self.log_probability(alpha) * variance
        return relative + 2 * moved * CTX.sqrt(variance) + moved**2 + UNDERFLOW * self.spread**2

    def cgf(self, alpha: float) -> Number:
        """Of K(alpha) = alpha E[M] + KL(p || p_alpha)."""
        return abs(number(alpha)) * self.mean(0.0) + self.divergence(alpha)

    def divergence(self, alpha: float) -> Number:
        """Of KL(p || p_alpha) = K - alpha K'(0), with its derivatives in M(z) and in log p(z).

        These are alpha (p_alpha - p) and p_alpha - p - alpha p (M - K'(0)), of first and second
        order in alpha: near 0 the divergence keeps its relative accuracy.
        """
        at, centre = number(alpha), self.tilt.mean(0)
        columns = list(zip(self.tilt.at(alpha), self.tilt.p, self.tilt.M, strict=True))
        moved = CTX.fsum(abs(a - b) for a, b, _ in columns)
        bent = CTX.fsum(abs(a - b - at * b * (m - centre)) for a, b, m in columns)
        size = abs(self.tilt.price(alpha))
        exponents = abs(at) * self._moved() * moved
        return SAFETY * (exponents + EPS * self.depth * (bent + size)) + NAIVE

    def reverse_divergence(self, alpha: float) -> Number:
        """Of KL(p_alpha || p) = alpha K' - K, with its derivatives in M(z) and in log p(z).

        These are alpha^2 p_alpha (M - K') and alpha p_alpha (M - K') - (p_alpha - p). Away from 0
        it is -log p(extreme) plus what is left of the rest, and p itself is normalised to EPS only.
        """
        at, centre = number(alpha), self.tilt.mean(alpha)
        columns = list(zip(self.tilt.at(alpha), self.tilt.p, self.tilt.M, strict=True))
        bent = CTX.fsum(abs(at * a * (m - centre) - (a - b)) for a, b, m in columns)
        size = abs(self.tilt.price_back(alpha))
        exponents = at**2 * self._moved() * self._leverage(alpha)
        mass = EPS if abs(at) * self.spread > 0.5 else 0
        return SAFETY * (exponents + EPS * self.depth * (bent + size) + mass) + NAIVE

    def peak(self, alpha: float) -> Number:
        """Of the root of K' = M(z): the error of K' - M(z) over its slope K''."""
        weights = self.log_probability(alpha) * self._leverage(alpha)
        slope = self.tilt.variance(alpha)
        return (weights + SAFETY * self.blur) / slope + 4 * EPS * abs(number(alpha))

    def concept_log_odds(self, alpha: float) -> Number:
        """Of logit F_C(alpha): two log-sum-exps."""
        return 2 * self.log_probability(alpha)

    def concept_increase(self, tokens: tuple[int, ...], alpha: float) -> Number:
        """Of Delta p(C | alpha), given |C|: derivative F (1 - F) of the logistic curve."""
        ends = [self.tilt.concept(tokens, a) for a in (0, alpha)]
        steepest = max(f * (1 - f) for f in ends)
        if (ends[0] - 0.5) * (ends[1] - 0.5) < 0:
            steepest = number(0.25)
        change = self.tilt.concept_increase(tokens, alpha)
        relative = SAFETY * EPS * self.depth * abs(change)
        moved = (2 * self.shift(alpha) + NAIVE) * steepest
        return (moved + 2 * relative) / len(tokens) + UNDERFLOW


QUANTITIES: Mapping[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "log_probability": (Tilt.log, Tolerance.log_probability),
    "probability_increase": (Tilt.increase, Tolerance.increase),
    "slope": (Tilt.slope, Tolerance.slope),
    "cgf": (Tilt.cgf, Tolerance.cgf),
    "mean": (Tilt.mean, Tolerance.mean),
    "variance": (Tilt.variance, Tolerance.variance),
    "cross_entropy_increase": (Tilt.price, Tolerance.divergence),
    "reverse_kl": (Tilt.price_back, Tolerance.reverse_divergence),
}
"""Method of the engine, a function of alpha -> its definition, and how exactly it can be known."""


def shipped(case: Any, name: str, **sides: tuple[Any, Any]) -> Comparison:
    """What the engine says of one of `QUANTITIES` on an instance, and other `sides` beside it."""
    oracle, bound = QUANTITIES[name]
    engine = (getattr(case.family, name)(case.alpha), bound(case.limits, case.alpha))
    return compare(name, oracle(case.tilt, case.alpha), engine=engine, **sides)
