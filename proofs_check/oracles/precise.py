"""The theory with 120 digits and more: definitions only, evaluated naively.

Why 120 digits when 50 are wanted: the strategies combine alpha = 1e-12 with gaps in M of
1e-12, and a Kullback-Leibler divergence is of second order in their product, 1e-48; a naive
sum loses those 48 digits and a difference quotient as many again. A probability of 1e-200 next
to one of nearly 1 loses 200 more, so an instance says how many it needs (`enough_digits`) and the
checks compute with as many (`digits`). What is returned is then good to well over 50 digits
relative wherever the checks compare.

`Tilt` is one context under one steering vector; the functions before it are what it is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from fractions import Fraction
from functools import cached_property
from itertools import combinations, pairwise
from math import ceil, comb, log10
from typing import Any, TypeAlias

from mpmath.ctx_mp import MPContext

# A private context: nobody's mpmath.mp.dps changes these results, and these change nobody's.
CTX: Any = MPContext()
DIGITS = 120
CTX.dps = DIGITS

Number: TypeAlias = Any
"""An mpf of `CTX` (mpmath has no type information)."""

# Half a step of a central difference quotient: the error is STEP^2 = 1e-80 relative to the
# third derivative, the cancellation costs 40 of the 120 digits. Both leave 80.
STEP = CTX.mpf(10) ** -40


def digits(count: int) -> AbstractContextManager[Any]:
    """Everything inside the `with` is computed with `count` digits."""
    manager: AbstractContextManager[Any] = CTX.workdps(count)
    return manager


def enough_digits(rarest: Fraction, spread: float) -> int:
    """How many digits an instance needs whose sums mix terms of size 1 with much smaller ones.

    A term of the smallest probability, `rarest`, keeps its own 120 behind the digits of the large
    ones. Where max M - min M is small, derivatives up to the third are of that power in size, and a
    difference quotient of order three keeps 2 digits of 5.
    """
    bits = max(0, rarest.denominator.bit_length() - rarest.numerator.bit_length())
    narrow = -log10(spread) if 0 < spread < 1 else 0.0
    return DIGITS + ceil(bits * log10(2) + 5 * narrow)


def number(value: Fraction | float | int | Number) -> Number:
    """The value itself, with no rounding before the last of `digits`."""
    if isinstance(value, Fraction):
        return CTX.mpf(value.numerator) / value.denominator
    return CTX.mpf(value)


def numbers(values: Iterable[Fraction | float | int]) -> list[Number]:
    """`number` of each."""
    return [number(value) for value in values]


def softmax(logits: Sequence[Number]) -> list[Number]:
    """e^l / sum e^l. The exponents of mpmath are unbounded, so nothing is subtracted first."""
    weights = [CTX.exp(logit) for logit in logits]
    total = CTX.fsum(weights)
    return [weight / total for weight in weights]


def dot(a: Iterable[Any], b: Iterable[Any]) -> Number:
    """sum a b: of vectors a product, of weights and values an average."""
    return CTX.fsum(x * y for x, y in zip(a, b, strict=True))


def total_variation(p: Sequence[Number], r: Sequence[Number]) -> Number:
    """The mass that p has in excess of r: half the sum of |p - r|, without its cancellation."""
    return CTX.fsum(a - b for a, b in zip(p, r, strict=True) if a > b)


def kl(p: Sequence[Number], r: Sequence[Number]) -> Number:
    """KL(p || r) = sum p log(p / r), with 0 log 0 = 0."""
    return CTX.fsum(a * CTX.log(a / b) for a, b in zip(p, r, strict=True) if a)


def derivative(curve: Callable[[Number], Number], at: Number, scale: Number = 1) -> Number:
    """The central difference quotient of `curve` over `at` +- scale * 1e-40.

    `scale` is the length over which the curve changes: 1 / range(M) for a function of alpha.
    """
    h = STEP * scale
    return (curve(at + h) - curve(at - h)) / (2 * h)


class Tilt:
    """One context under one steering vector: p tilted by alpha M, by definitions only.

    `p` are the probabilities and `M` the log-odds (nats per unit alpha) of the V tokens, as numbers
    of this module; alpha is any number, and a concept C is given by its tokens.
    """

    def __init__(self, p: Iterable[Number], M: Iterable[Number]) -> None:
        self.p, self.M = tuple(p), tuple(M)
        self._known: dict[tuple[int, Number], list[Number]] = {}

    @cached_property
    def spread(self) -> Number:
        """max M - min M."""
        return max(self.M) - min(self.M)

    @property
    def scale(self) -> Number:
        """The length over which functions of alpha change: 1 / range(M), or 1 for a constant M."""
        return 1 / self.spread if self.spread else CTX.mpf(1)

    def end(self, sign: int) -> Number:
        """The extreme of M on that side."""
        return max(self.M) if sign > 0 else min(self.M)

    def extreme(self, sign: int) -> list[int]:
        """The tokens there."""
        return [z for z, m in enumerate(self.M) if m == self.end(sign)]

    def at(self, alpha: Number) -> list[Number]:
        """p_alpha(z) = p(z) e^{alpha M(z)} over the sum of the same."""
        key = CTX.dps, number(alpha)
        if key not in self._known:
            weights = [a * CTX.exp(key[1] * b) for a, b in zip(self.p, self.M, strict=True)]
            total = CTX.fsum(weights)
            self._known[key] = [weight / total for weight in weights]
        return self._known[key]

    def log(self, alpha: Number) -> list[Number]:
        """log p_alpha(z); -inf where p(z) = 0."""
        return [CTX.log(x) if x else -CTX.inf for x in self.at(alpha)]

    def increase(self, alpha: Number) -> list[Number]:
        """Delta p(z | alpha) = p_alpha(z) - p(z)."""
        return [after - before for after, before in zip(self.at(alpha), self.p, strict=True)]

    def slope(self, alpha: Number) -> list[Number]:
        """d p_alpha(z) / d alpha, as difference quotients."""
        h = STEP * self.scale
        ends = (self.at(number(alpha) + side * h) for side in (1, -1))
        return [(after - before) / (2 * h) for after, before in zip(*ends, strict=True)]

    def cgf(self, alpha: Number) -> Number:
        """K(alpha) = log sum_z p(z) e^{alpha M(z)}."""
        alpha = number(alpha)
        return CTX.log(dot(self.p, (CTX.exp(alpha * m) for m in self.M)))

    def mean(self, alpha: Number) -> Number:
        """E_alpha[M], as the sum in its definition."""
        return dot(self.at(alpha), self.M)

    def variance(self, alpha: Number) -> Number:
        """Var_alpha[M], as the sum over pairs of tokens: exactly 0 where M is constant."""
        columns = list(zip(self.at(alpha), self.M, strict=True))
        return CTX.fsum(a * b * (m - n) ** 2 for (a, m), (b, n) in combinations(columns, 2))

    def cumulants(self, order: int, alpha: Number = 0) -> list[Number]:
        """kappa_1 .. kappa_order of M under p_alpha, by the recursion through moments.

        kappa_n = m_n - sum_{k=1}^{n-1} C(n-1, k-1) kappa_k m_{n-k}, with M counted from that of the
        likeliest token, which only kappa_1 sees: what the others add is then not lost in its power.
        """
        after = self.at(alpha)
        origin = max(zip(after, self.M, strict=True))[1]
        raw = [dot(after, ((m - origin) ** n for m in self.M)) for n in range(order + 1)]
        kappa: list[Number] = []
        for n in range(1, order + 1):
            lower = CTX.fsum(comb(n - 1, k - 1) * kappa[k - 1] * raw[n - k] for k in range(1, n))
            kappa.append(raw[n] - lower)
        return [origin + kappa[0], *kappa[1:]]

    def price(self, alpha: Number) -> Number:
        """KL(p || p_alpha)."""
        return kl(self.p, self.at(alpha))

    def price_back(self, alpha: Number) -> Number:
        """KL(p_alpha || p)."""
        return kl(self.at(alpha), self.p)

    def _outside(self, tokens: Collection[int]) -> list[int]:
        return [z for z in range(len(self.p)) if z not in tokens]

    def concept(self, tokens: Collection[int], alpha: Number) -> Number:
        """F_C(alpha): the sum of p_alpha over the concept."""
        weights = self.at(alpha)
        return CTX.fsum(weights[z] for z in tokens)

    def concept_increase(self, tokens: Collection[int], alpha: Number) -> Number:
        """F_C(alpha) - F_C(0), over C or its complement, whichever is rarer: no digit is lost."""
        rest, change = self._outside(tokens), self.increase(alpha)
        rarer = CTX.fsum(self.p[z] for z in tokens) <= CTX.fsum(self.p[z] for z in rest)
        return CTX.fsum(change[z] for z in tokens) if rarer else -CTX.fsum(change[z] for z in rest)

    def concept_log_odds(self, tokens: Collection[int], alpha: Number) -> Number:
        """logit F_C(alpha) = log(F_C / (1 - F_C)), the complement summed token by token."""
        return CTX.log(self.concept(tokens, alpha) / self.concept(self._outside(tokens), alpha))

    def concept_slope(self, tokens: Collection[int], alpha: Number) -> Number:
        """F_C', as a difference quotient: of 1 - F_C where that is the smaller."""
        above, slope = self.concept_log_odds(tokens, alpha) > 0, self.slope(alpha)
        return (-1 if above else 1) * CTX.fsum(
            slope[z] for z in (self._outside(tokens) if above else tokens)
        )

    def _untied(self, z: int, alpha: Number) -> Number:
        """The weight of the tokens not tied with z, over that of z.

        Tied tokens keep their ratios, so p_alpha(z) rises where this falls, and it has all its
        digits also where p_alpha(z) is so close to a limit that 120 digits do not see it move.
        """
        columns, p, M = zip(self.p, self.M, strict=True), self.p[z], self.M[z]
        return CTX.fsum(a / p * CTX.exp(alpha * (b - M)) for a, b in columns if b != M)

    def rises(self, z: int, alpha: Number) -> int:
        """+1 where p_alpha(z) is rising at alpha, -1 where it is falling: two values compared."""
        if not self.spread:
            return 0
        h = STEP * self.scale
        before, after = (self._untied(z, number(alpha) + side * h) for side in (-1, 1))
        return int(after < before) - int(after > before)

    def peak_offset(self, z: int, alpha: Number) -> Number:
        """How far the top of p_alpha(z) is from alpha: the vertex of the parabola through 3 values.

        The values are those of `_untied`, lowest where p_alpha(z) is highest, at alpha and
        alpha +- 1e-40 / range(M). Good when alpha is close to the top; that it is, is for `rises`
        on both sides to say.
        """
        h = STEP * self.scale
        left, middle, right = (self._untied(z, number(alpha) + s * h) for s in (-1, 0, 1))
        return h * (left - right) / (2 * (right - 2 * middle + left))

    def far(self, sign: int) -> Number:
        """An alpha beyond which nothing but the limit is left.

        There the closest competitor, at the smallest gap in M and with the largest advantage in p,
        has lost by a factor e^1000.
        """
        gaps = [b - a for a, b in pairwise(sorted(set(self.M)))]
        support = [a for a in self.p if a]
        handicap = CTX.log(max(support) / min(support))
        return sign * (1000 + handicap) / min(gaps) if gaps else CTX.mpf(sign)

    def limit(self, sign: int) -> list[Number]:
        """p_alpha very far out (`far`): its limit at sign * inf to 100 digits and more."""
        return self.at(self.far(sign))

    def concept_rises(self, tokens: Collection[int], alpha: Number) -> int:
        """+1 where F_C is rising at alpha, -1 where it falls: the sign of E[M | C] - E[M | not C].

        The conditional means are taken as distances to the extreme of M on the side of alpha: sums
        of positive terms, which keep all their digits also where both means are at the extreme but
        for e^{-1000000}, and F_C still has a turn to come.
        """
        end = self.end(1 if alpha >= 0 else -1)

        def distance(part: Iterable[int]) -> Number:
            gaps = [(z, self.M[z] - end) for z in part if self.p[z]]
            weights = [self.p[z] * CTX.exp(alpha * gap) for z, gap in gaps]
            return dot(weights, (abs(gap) for _, gap in gaps)) / CTX.fsum(weights)

        inside, outside = distance(tokens), distance(self._outside(tokens))
        if abs(inside - outside) <= CTX.mpf(10) ** -100 * max(inside, outside):
            return 0  # constant (where rho is), but for the last digits
        return 1 if (inside < outside) == (alpha >= 0) else -1

    def grid(self, nodes: int) -> list[Number]:
        """That many alphas over +-`far`, uniform in asinh(alpha range(M))."""
        end = CTX.asinh(self.far(1) * self.spread)
        ticks = (CTX.mpf(2 * k - nodes + 1) / (nodes - 1) for k in range(nodes))
        return [CTX.sinh(end * tick) * self.scale for tick in ticks]

    def curve_turns(self, tokens: Collection[int], nodes: int = 121) -> int:
        """How often F_C(alpha) turns round, seen on a `grid`.

        A lower bound on the number of extrema, with the same parity: the ends of the grid lie
        beyond the last of them, and turns missed between two nodes come in pairs.
        """
        moves = [move for alpha in self.grid(nodes) if (move := self.concept_rises(tokens, alpha))]
        return sum(a != b for a, b in pairwise(moves))
