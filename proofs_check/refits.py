"""A strength chosen for a goal, as its texts are weighted anew, and what float64 may lose of that.

`Asked` is one goal of an instance, its quantity by definition and its strength found again under
other weights; `Errors` is error propagation to first order, for the tolerances.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.comparison import EPS
from steering_strength.proofs_check.instances import TextCase
from steering_strength.proofs_check.oracles import refit
from steering_strength.proofs_check.oracles.precise import CTX, Number, Tilt, dot, number, numbers
from steering_strength.proofs_check.tolerance import SAFETY, UNDERFLOW, Tolerance
from steering_strength.theory import TiltedFamily
from steering_strength.theory.engine import estimation
from steering_strength.theory.engine.estimation import Estimate

__all__ = ["Asked", "Errors", "goals"]


@dataclass(frozen=True)
class Asked:
    """One goal of an instance: its quantity as a function of (M, alpha), and where it stands."""

    case: TextCase
    goal: estimation.Goal
    alpha: Number
    tokens: tuple[int, ...]

    def quantity(self, M: list[Number], alpha: Number) -> Number:
        """By its definition, in 120 digits."""
        return refit.quantity(self.goal, *self.case.contexts, self.tokens, M, alpha)

    def strength(self, side: int, text: int, change: Number) -> Number:
        """The strength once text `text` of that side weighs 1/n + change (1 - 1/n)."""
        deviation = self.deviation(side, text)
        return self.along(deviation, -change if side else change)

    def along(self, direction: list[Number], change: Number) -> Number:
        """The strength at M + change * direction."""
        M = list(self.case.M)
        level = number(0) if self.goal == "peak" else self.quantity(M, self.alpha)
        other = [m + change * d for m, d in zip(M, direction, strict=True)]
        return refit.refitted(partial(self.quantity, other), level, self.alpha)

    def deviation(self, side: int, text: int) -> list[Number]:
        """The text's log-probabilities minus the mean of its side."""
        rows = self.case.logs[side]
        means = [CTX.fsum(column) / len(rows) for column in zip(*rows, strict=True)]
        return [a - b for a, b in zip(rows[text], means, strict=True)]

    def influences(self, side: int) -> list[Number]:
        """The motion of the strength for a change of 1/n, to first order."""
        n = len(self.case.logs[side])
        return [refit.moved(partial(self.strength, side, i)) / n for i in range(n)]

    def bias(self) -> Number:
        """Half the second derivatives of 1/strength, over n (n - 1), summed over the texts."""
        sizes = [len(side) for side in self.case.logs]
        return CTX.fsum(
            refit.bent(partial(self.strength, side, i)) / (2 * n * (n - 1))
            for side, n in enumerate(sizes)
            for i in range(n)
        )

    def gradient(self) -> list[Number]:
        """d alpha / d M(z)."""
        size = len(self.case.M)
        units = ([number(int(y == z)) for y in range(size)] for z in range(size))
        return [refit.moved(partial(self.along, unit)) for unit in units]

    @property
    def given(self) -> NDArray[Any]:
        """T as a user gives it: indices, or of an odd number of tokens a mask."""
        mask = np.isin(np.arange(len(self.case.M)), self.tokens)
        return mask if len(self.tokens) % 2 else np.array(self.tokens)

    def estimate(self) -> Estimate:
        """What the engine says."""
        case = self.case
        return estimation.estimate(
            case.source, float(self.alpha), self.goal, *case.tables, tokens=self.given
        )


@dataclass(frozen=True)
class Errors:
    """What float64 may lose: errors of grad f and of <grad f, M>, carried on to first order."""

    asked: Asked
    gradient: list[Number]  # grad f by token
    slack: list[Number]  # and its error
    weights: list[Number]  # by token; the sum of these times (w - mean)^2 is at least f''
    odds: list[Number]  # M less its mean over tokens
    along: Number  # <grad f, M>
    lost: Number  # and its error
    depth: Number  # 1 + max |log p|
    relative: Number  # the error of a tilted weight

    @classmethod
    def of(cls, asked: Asked) -> Errors:
        """For one goal of an instance."""
        case, alpha, at = asked.case, asked.alpha, float(asked.alpha)
        rarest = min(x for row in (*case.rows, *case.positive, *case.negative) for x in row)
        depth = 1 + abs(CTX.log(number(rarest)))
        M, size = list(case.M), len(case.M)
        centre = CTX.fsum(M) / size
        odds = [m - centre for m in M]
        sums: list[list[Number]] = [[number(0)] * size for _ in range(3)]
        relative = number(0)
        for weight, row in zip(case.context_weights, case.rows, strict=True):
            tilt = Tilt(numbers(row), M)
            limits, p, after = Tolerance(tilt, depth, EPS * depth), tilt.p, tilt.at(alpha)
            relative, mean = limits.log_probability(at), tilt.mean(alpha)
            inside = CTX.fsum(after[z] for z in asked.tokens)
            for z in range(size):
                a, u = after[z], alpha * (M[z] - mean)
                s = (1 - inside) if z in asked.tokens else -inside
                g, q, e = {
                    "cross_entropy": (a - p[z], a, limits.increase(at)[z]),
                    "reverse_kl": (a * u, a * (1 + abs(u)), abs(alpha) * limits.slope(at)[z]),
                    "level": (a * s, a * abs(s), 6 * relative * a * abs(s)),
                    "peak": (
                        a * (1 + u) - int(z in asked.tokens),
                        a * (2 + abs(u)),
                        abs(alpha) * limits.slope(at)[z] + 4 * relative * a + EPS,
                    ),
                }[asked.goal]
                for total, term in zip(sums, (g, q, e), strict=True):
                    total[z] += number(weight) * term
        gradient, weights, slack = sums
        along = dot(gradient, odds)
        lost = CTX.fsum(
            e * abs(m) + SAFETY * EPS * abs(g) * (depth + abs(m))
            for e, g, m in zip(slack, gradient, odds, strict=True)
        )
        return cls(asked, gradient, slack, weights, odds, along, lost, depth, relative)

    @property
    def crossed(self) -> bool:
        """Whether the goal is certainly crossed, and not only touched."""
        return bool(abs(self.along) > 100 * self.lost)

    def quotient(self, above: Number, error: Number) -> Number:
        """Of above / <grad f, M>, given the error of `above`."""
        return error / abs(self.along) + abs(above) * self.lost / self.along**2

    def entry(self, z: int) -> Number:
        """Of d alpha / d M(z)."""
        return abs(self.asked.alpha) * self.quotient(self.gradient[z], self.slack[z])

    def move(self, side: int, text: int) -> tuple[Number, Number]:
        """(d alpha along the deviation of a text, its error)."""
        d, scale = self.asked.deviation(side, text), SAFETY * EPS * self.depth
        above = dot(self.gradient, d)
        error = CTX.fsum(
            e * abs(x) + scale * abs(g)
            for e, g, x in zip(self.slack, self.gradient, d, strict=True)
        )
        size = abs(self.asked.alpha)
        return -self.asked.alpha * above / self.along, size * self.quotient(above, error)

    def influence(self, side: int, text: int) -> Number:
        """Of an influence; the engine takes the mean of a side off, which errs as they do."""
        n = len(self.asked.case.logs[side])
        return 2 * max(self.move(side, i)[1] for i in range(n)) / n + UNDERFLOW

    def bias(self) -> Number:
        """Of the bias of 1/alpha."""
        alpha, sizes = self.asked.alpha, [len(side) for side in self.asked.case.logs]
        total = CTX.fsum(
            self._bend(side, text) / alpha**2 / (2 * n * (n - 1))
            for side, n in enumerate(sizes)
            for text in range(n)
        )
        # The oracle's second difference loses 60 of its digits.
        return total + 1e-40 * (1 + 1 / abs(alpha))

    def _bend(self, side: int, text: int) -> Number:
        """Of the second derivative along the deviation of a text."""
        alpha, (moved, error) = self.asked.alpha, self.move(side, text)
        pairs = zip(self.asked.deviation(side, text), self.odds, strict=True)
        w = [alpha * x + moved * m for x, m in pairs]
        centre = dot(self.weights, w) / CTX.fsum(self.weights)
        rounded = SAFETY * EPS * self.depth * (abs(alpha) + abs(moved))
        columns = [
            (q, abs(x - centre), error * abs(m) + rounded)
            for q, x, m in zip(self.weights, w, self.odds, strict=True)
        ]
        whole = CTX.fsum(q * x**2 for q, x, _ in columns)
        square = CTX.fsum(q * (x * (8 * self.relative * x + 2 * e) + e**2) for q, x, e in columns)
        return self.quotient(whole, square)


def goals(case: TextCase) -> Iterator[Asked]:
    """The prices and the level at the strength of the instance; the peak of a token inside."""
    alpha = number(case.alpha)
    goals_at_alpha: tuple[estimation.Goal, ...] = ("cross_entropy", "reverse_kl", "level")
    yield from (Asked(case, goal, alpha, case.tokens) for goal in goals_at_alpha)
    source = case.source
    if isinstance(source, TiltedFamily):
        for z, peak in enumerate(source.peaks()):
            if 0.01 < abs(peak) < 20.0:
                yield Asked(case, "peak", number(float(peak)), (z,))
                return
