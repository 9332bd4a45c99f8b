"""The theory with 120 digits and more: definitions only, evaluated naively.

Why 120 digits when 50 are wanted: the strategies combine alpha = 1e-12 with gaps in M of
1e-12, and a Kullback-Leibler divergence is of second order in their product, 1e-48; a naive
sum loses those 48 digits and a difference quotient as many again. A probability of 1e-200 next
to one of nearly 1 loses 200 more, so an instance says how many it needs (`enough_digits`) and the
checks compute with as many (`digits`). What is returned is then good to well over 50 digits
relative wherever the checks compare.

`p` is a sequence of probabilities and `M` a sequence of log-odds (nats per unit alpha) of the
same length V, as numbers of this module (`number`). alpha is a number too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from fractions import Fraction
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


def log_odds(
    rows: Sequence[Sequence[Fraction]], positive: Collection[int], negative: Collection[int]
) -> list[Number]:
    """M(z): mean of log p(z|.) over P minus its mean over N (arXiv:2602.02712, Def. 3.2)."""
    logs = {i: [CTX.log(number(p)) for p in rows[i]] for i in {*positive, *negative}}

    def average(contexts: Collection[int], z: int) -> Number:
        return CTX.fsum(logs[i][z] for i in contexts) / len(contexts)

    return [average(positive, z) - average(negative, z) for z in range(len(rows[0]))]


def softmax(logits: Sequence[Number]) -> list[Number]:
    """e^l / sum e^l. The exponents of mpmath are unbounded, so nothing is subtracted first."""
    weights = [CTX.exp(logit) for logit in logits]
    total = CTX.fsum(weights)
    return [weight / total for weight in weights]


def tilted(p: Sequence[Number], M: Sequence[Number], alpha: Number) -> list[Number]:
    """p_alpha(z) = p(z) e^{alpha M(z)} over the sum of the same."""
    weights = [a * CTX.exp(alpha * b) for a, b in zip(p, M, strict=True)]
    total = CTX.fsum(weights)
    return [weight / total for weight in weights]


def log_tilted(p: Sequence[Number], M: Sequence[Number], alpha: Number) -> list[Number]:
    """log p_alpha(z); -inf where p(z) = 0."""
    return [CTX.log(x) if x else -CTX.inf for x in tilted(p, M, alpha)]


def increase(p: Sequence[Number], M: Sequence[Number], alpha: Number) -> list[Number]:
    """Delta p(z | alpha) = p_alpha(z) - p(z)."""
    return [after - before for after, before in zip(tilted(p, M, alpha), p, strict=True)]


def cgf(p: Sequence[Number], M: Sequence[Number], alpha: Number) -> Number:
    """K(alpha) = log sum_z p(z) e^{alpha M(z)}."""
    return CTX.log(CTX.fsum(a * CTX.exp(alpha * b) for a, b in zip(p, M, strict=True)))


def mean(p: Sequence[Number], M: Sequence[Number], alpha: Number) -> Number:
    """E_alpha[M], as the sum in its definition."""
    return CTX.fsum(a * b for a, b in zip(tilted(p, M, alpha), M, strict=True))


def variance(p: Sequence[Number], M: Sequence[Number], alpha: Number) -> Number:
    """Var_alpha[M], as the sum over pairs of tokens: exactly 0 where M is constant."""
    columns = list(zip(tilted(p, M, alpha), M, strict=True))
    return CTX.fsum(a * b * (m - n) ** 2 for (a, m), (b, n) in combinations(columns, 2))


def cumulants(
    p: Sequence[Number], M: Sequence[Number], order: int, alpha: Number = 0
) -> list[Number]:
    """kappa_1 .. kappa_order of M under p_alpha, by the recursion through raw moments.

    kappa_n = m_n - sum_{k=1}^{n-1} C(n-1, k-1) kappa_k m_{n-k}.
    """
    weights = tilted(p, M, alpha)
    raw = [CTX.fsum(a * b**n for a, b in zip(weights, M, strict=True)) for n in range(order + 1)]
    kappa: list[Number] = []
    for n in range(1, order + 1):
        lower = CTX.fsum(comb(n - 1, k - 1) * kappa[k - 1] * raw[n - k] for k in range(1, n))
        kappa.append(raw[n] - lower)
    return kappa


def total_variation(p: Sequence[Number], r: Sequence[Number]) -> Number:
    """The mass that p has in excess of r: half the sum of |p - r|, without its cancellation."""
    return CTX.fsum(a - b for a, b in zip(p, r, strict=True) if a > b)


def kl(p: Sequence[Number], r: Sequence[Number]) -> Number:
    """KL(p || r) = sum p log(p / r), with 0 log 0 = 0."""
    return CTX.fsum(a * CTX.log(a / b) for a, b in zip(p, r, strict=True) if a)


def price(p: Sequence[Number], M: Sequence[Number], alpha: Number) -> Number:
    """KL(p || p_alpha)."""
    return kl(p, tilted(p, M, alpha))


def price_back(p: Sequence[Number], M: Sequence[Number], alpha: Number) -> Number:
    """KL(p_alpha || p)."""
    return kl(tilted(p, M, alpha), p)


def concept_probability(
    p: Sequence[Number], M: Sequence[Number], tokens: Collection[int], alpha: Number
) -> Number:
    """F_C(alpha): the sum of p_alpha over the concept."""
    weights = tilted(p, M, alpha)
    return CTX.fsum(weights[z] for z in tokens)


def concept_increase(
    p: Sequence[Number], M: Sequence[Number], tokens: Collection[int], alpha: Number
) -> Number:
    """F_C(alpha) - F_C(0), over C or over its complement, whichever was rarer: no digit is lost."""
    rest = [z for z in range(len(p)) if z not in tokens]
    rarer = CTX.fsum(p[z] for z in tokens) <= CTX.fsum(p[z] for z in rest)
    change = increase(p, M, alpha)
    return CTX.fsum(change[z] for z in tokens) if rarer else -CTX.fsum(change[z] for z in rest)


def concept_log_odds(
    p: Sequence[Number], M: Sequence[Number], tokens: Collection[int], alpha: Number
) -> Number:
    """logit F_C(alpha) = log(F_C / (1 - F_C)), the complement summed token by token."""
    weights = tilted(p, M, alpha)
    inside = CTX.fsum(weights[z] for z in tokens)
    outside = CTX.fsum(weights[z] for z in range(len(p)) if z not in tokens)
    return CTX.log(inside / outside)


def derivative(curve: Callable[[Number], Number], at: Number, scale: Number = 1) -> Number:
    """The central difference quotient of `curve` over `at` +- scale * 1e-40.

    `scale` is the length over which the curve changes: 1 / range(M) for a function of alpha.
    """
    h = STEP * scale
    return (curve(at + h) - curve(at - h)) / (2 * h)


def _scale(M: Sequence[Number]) -> Number:
    spread = max(M) - min(M)
    return 1 / spread if spread else CTX.mpf(1)


def _untied(p: Sequence[Number], M: Sequence[Number], z: int, alpha: Number) -> Number:
    """The weight of the tokens not tied with z, over that of z.

    Tied tokens keep their ratios, so p_alpha(z) rises where this falls, and it has all its digits
    also where p_alpha(z) is so close to a limit that 120 digits do not see it move.
    """
    return CTX.fsum(
        a / p[z] * CTX.exp(alpha * (b - M[z])) for a, b in zip(p, M, strict=True) if b != M[z]
    )


def rises(p: Sequence[Number], M: Sequence[Number], z: int, alpha: Number) -> int:
    """+1 where p_alpha(z) is rising at alpha, -1 where it is falling: two values compared."""
    if all(m == M[z] for m in M):
        return 0
    h = STEP * _scale(M)
    before, after = _untied(p, M, z, alpha - h), _untied(p, M, z, alpha + h)
    return int(after < before) - int(after > before)


def peak_offset(p: Sequence[Number], M: Sequence[Number], z: int, alpha: Number) -> Number:
    """How far the top of p_alpha(z) is from alpha: the vertex of the parabola through 3 values.

    The values are those of `_untied`, lowest where p_alpha(z) is highest, at alpha and
    alpha +- 1e-40 / range(M). Good when alpha is close to the top; that it is, is for `rises` on
    both sides to say.
    """
    h = STEP * _scale(M)
    left, middle, right = (_untied(p, M, z, alpha + s * h) for s in (-1, 0, 1))
    return h * (left - right) / (2 * (right - 2 * middle + left))


def far(p: Sequence[Number], M: Sequence[Number], sign: int) -> Number:
    """An alpha beyond which nothing but the limit is left.

    There the closest competitor, at the smallest gap in M and with the largest advantage in p,
    has lost by a factor e^1000.
    """
    levels = sorted(set(M))
    gaps = [b - a for a, b in pairwise(levels)]
    support = [a for a in p if a]
    handicap = CTX.log(max(support) / min(support))
    return sign * (1000 + handicap) / min(gaps) if gaps else CTX.mpf(sign)


def limit(p: Sequence[Number], M: Sequence[Number], sign: int) -> list[Number]:
    """p_alpha very far out (`far`): its limit at sign * inf to 100 digits and more."""
    return tilted(p, M, far(p, M, sign))


def concept_rises(
    p: Sequence[Number], M: Sequence[Number], tokens: Collection[int], alpha: Number
) -> int:
    """+1 where F_C is rising at alpha, -1 where it is falling: the sign of E[M | C] - E[M | not C].

    The conditional means are taken as distances to the extreme of M on the side of alpha: sums of
    positive terms, which keep all their digits also where both means are at the extreme but for
    e^{-1000000}, and F_C still has a turn to come.
    """
    end = max(M) if alpha >= 0 else min(M)

    def distance(part: Iterable[int]) -> Number:
        weights = [(p[z] * CTX.exp(alpha * (M[z] - end)), abs(M[z] - end)) for z in part]
        return CTX.fsum(w * d for w, d in weights) / CTX.fsum(w for w, _ in weights)

    support = [z for z, probability in enumerate(p) if probability]
    inside = distance(z for z in support if z in tokens)
    outside = distance(z for z in support if z not in tokens)
    if abs(inside - outside) <= CTX.mpf(10) ** -100 * max(inside, outside):
        return 0  # constant (where rho is), but for the last digits
    return 1 if (inside < outside) == (alpha >= 0) else -1


def curve_turns(
    p: Sequence[Number], M: Sequence[Number], tokens: Collection[int], nodes: int = 121
) -> int:
    """How often F_C(alpha) turns round, seen on a grid over +-`far` uniform in asinh(alpha spread).

    A lower bound on the number of extrema, with the same parity: the ends of the grid lie beyond
    the last of them, and turns missed between two nodes come in pairs.
    """
    spread = max(M) - min(M)
    end = CTX.asinh(far(p, M, 1) * spread)
    grid = [CTX.sinh(end * (2 * k - nodes + 1) / (nodes - 1)) / spread for k in range(nodes)]
    moves = [move for alpha in grid if (move := concept_rises(p, M, tokens, alpha))]
    return sum(a != b for a, b in pairwise(moves))
