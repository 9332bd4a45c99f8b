"""How exactly float64 can know a quantity of one instance: every tolerance of the checks.

Three things limit it, and nothing else may: log p is rounded once (error EPS |log p|), M carries
a *blur*, and an exponent alpha M rounds by EPS |alpha M|. The blur is 0 where M is given as floats,
which are exact, and EPS (1 + max |log p|) where M is computed from rounded probabilities, whose
logarithms are all that is known of it: with a/b - 1 = 1e-9, M keeps 7 digits.
From there every bound below is first-order error propagation with the exact sensitivities, times
`SAFETY` for the number of roundings in a sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from steering_strength.proofs_check.comparison import EPS
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase
from steering_strength.proofs_check.oracles import precise
from steering_strength.proofs_check.oracles.precise import CTX, Number, number

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
    """Bounds for one context of one instance; alpha is a number of `precise`."""

    depth: Number  # 1 + max |log p| over the support
    spread: Number  # max M - min M
    blur: Number  # error of each M(z) as the engine knows it
    p: tuple[Number, ...]
    M: tuple[Number, ...]

    @cached_property
    def _steered(self) -> dict[float, tuple[list[Number], Number, Number]]:
        return {}

    def _at(self, alpha: float) -> tuple[list[Number], Number, Number]:
        """p_alpha, E_alpha[M], and the mean distance to that: how relative errors move it."""
        if alpha not in self._steered:
            p = precise.tilted(self.p, self.M, number(alpha))
            centre = CTX.fsum(w * m for w, m in zip(p, self.M, strict=True))
            leverage = CTX.fsum(w * abs(m - centre) for w, m in zip(p, self.M, strict=True))
            self._steered[alpha] = p, centre, leverage
        return self._steered[alpha]

    def log_probability(self, alpha: float) -> Number:
        """Of log p_alpha(z), for every z; also the relative error of a tilted weight."""
        exponent = abs(number(alpha)) * (self.blur + EPS * self.spread)
        return SAFETY * (EPS * self.depth + exponent)

    def shift(self, alpha: float) -> Number:
        """Of log p_alpha(z) - log p(z), which vanishes with alpha: E[M] knows p to EPS depth."""
        return SAFETY * abs(number(alpha)) * (self.blur + EPS * self.depth * self.spread)

    def increase(self, alpha: float) -> list[Number]:
        """Of Delta p(z | alpha) = p (e^shift - 1)."""
        after, _, _ = self._at(alpha)
        relative = SAFETY * EPS * self.depth
        return [
            max(a, b) * (self.shift(alpha) + NAIVE) + relative * abs(a - b) + UNDERFLOW
            for a, b in zip(after, self.p, strict=True)
        ]

    def slope(self, alpha: float) -> list[Number]:
        """Of p_alpha(z) (M(z) - E_alpha[M])."""
        after, centre, _ = self._at(alpha)
        weight = self.log_probability(alpha)
        return [
            a * (weight * abs(m - centre) + self.mean(alpha)) + UNDERFLOW * self.spread
            for a, m in zip(after, self.M, strict=True)
        ]

    def deviation(self, alpha: float) -> Number:
        """The standard deviation of M under p_alpha."""
        return CTX.sqrt(precise.variance(self.p, self.M, number(alpha)))

    def mean(self, alpha: float) -> Number:
        """Of E_alpha[M]: blur, the weights times their leverage, and the rounding of the result."""
        weights = self.log_probability(alpha) * self._at(alpha)[2]
        largest = max(abs(m) for m in self.M)
        return SAFETY * (self.blur + EPS * self.spread) + 2 * weights + EPS * largest + UNDERFLOW

    def variance(self, alpha: float) -> Number:
        """Of Var_alpha[M], a double sum of w w' (M - M')^2 / 2."""
        deviation = self.deviation(alpha)
        relative = 4 * self.log_probability(alpha) * deviation**2
        moved = SAFETY * (self.blur + EPS * self.spread)
        return relative + 2 * moved * deviation + moved**2 + UNDERFLOW * self.spread**2

    def cgf(self, alpha: float) -> Number:
        """Of K(alpha) = alpha E[M] + KL(p || p_alpha)."""
        centre = abs(number(alpha)) * self.mean(0.0)
        return centre + self.divergence(alpha)

    def divergence(self, alpha: float) -> Number:
        """Of KL(p || p_alpha) = K - alpha K'(0), with its derivatives in M(z) and in log p(z).

        These are alpha (p_alpha - p) and p_alpha - p - alpha p (M - K'(0)), of first and second
        order in alpha: near 0 the divergence keeps its relative accuracy.
        """
        at, (after, _, _), (_, centre, _) = number(alpha), self._at(alpha), self._at(0.0)
        columns = list(zip(after, self.p, self.M, strict=True))
        moved = CTX.fsum(abs(a - b) for a, b, _ in columns)
        bent = CTX.fsum(abs(a - b - at * b * (m - centre)) for a, b, m in columns)
        exponents = abs(at) * (self.blur + EPS * self.spread) * moved
        size = abs(precise.kl(self.p, after))
        return SAFETY * (exponents + EPS * self.depth * (bent + size)) + NAIVE

    def reverse_divergence(self, alpha: float) -> Number:
        """Of KL(p_alpha || p) = alpha K' - K, with its derivatives in M(z) and in log p(z).

        These are alpha^2 p_alpha (M - K') and alpha p_alpha (M - K') - (p_alpha - p). Away from 0
        it is -log p(extreme) plus what is left of the rest, and p itself is normalised to EPS only.
        """
        at, (after, centre, leverage) = number(alpha), self._at(alpha)
        columns = list(zip(after, self.p, self.M, strict=True))
        bent = CTX.fsum(abs(at * a * (m - centre) - (a - b)) for a, b, m in columns)
        exponents = abs(at) * (self.blur + EPS * self.spread) * abs(at) * leverage
        size = abs(precise.kl(after, self.p))
        mass = EPS if abs(at) * self.spread > 0.5 else 0
        return SAFETY * (exponents + EPS * self.depth * (bent + size) + mass) + NAIVE

    def peak(self, alpha: float) -> Number:
        """Of the root of K' = M(z): the error of K' - M(z) over its slope K''."""
        weights = self.log_probability(alpha) * self._at(alpha)[2]
        slope = precise.variance(self.p, self.M, number(alpha))
        return (weights + SAFETY * self.blur) / slope + 4 * EPS * abs(number(alpha))

    def concept_log_odds(self, alpha: float) -> Number:
        """Of logit F_C(alpha): two log-sum-exps."""
        return 2 * self.log_probability(alpha)

    def concept_increase(self, tokens: tuple[int, ...], alpha: float) -> Number:
        """Of Delta p(C | alpha), given |C|: derivative F (1 - F) of the logistic curve."""
        ends = [precise.concept_probability(self.p, self.M, tokens, number(a)) for a in (0, alpha)]
        steepest = max(f * (1 - f) for f in ends)
        if (ends[0] - 0.5) * (ends[1] - 0.5) < 0:
            steepest = number(0.25)
        change = precise.concept_increase(self.p, self.M, tokens, number(alpha))
        relative = SAFETY * EPS * self.depth * abs(change)
        moved = (2 * self.shift(alpha) + NAIVE) * steepest
        return (moved + 2 * relative) / len(tokens) + UNDERFLOW


def tolerance(case: FamilyCase | ConceptCase) -> Tolerance:
    """The bounds of one instance."""
    p, M = zip(*((p, m) for p, m in zip(case.p, case.M, strict=True) if p), strict=True)
    depth = 1 + abs(CTX.log(number(case.rarest)))
    # The log-odds of a dataset come from the rows of P and N, whose rarest tokens round most.
    blur = EPS * depth if isinstance(case, ConceptCase) else number(0)
    return Tolerance(depth, max(M) - min(M), blur, p, M)
