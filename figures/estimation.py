"""How sure an advised strength is, against the number of texts, with the truth by resampling.

The texts are drawn: logits around two means, with noise. Left, the strength that spends a budget,
for vectors made of n + n texts: rings are drawn texts steered by matrix product and softmax, the
line and its band what the laws say beforehand. It lies below the strength of unlimited texts, for
noise in the vector spends part of the budget. Middle, how often an interval from the
texts at hand alone holds that strength. Right, what each text does, from one pass, against what
leaving it out does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from steering_strength.figures.instances import FloatArray
from steering_strength.figures.store import Record
from steering_strength.figures.style import BLUE, GREEN, GREY, INK, ORANGE, Artists, Panel
from steering_strength.theory import TiltedFamily
from steering_strength.theory.engine.estimation import Estimate, estimate

_SIZES = (5, 10, 20, 40, 80, 160)
_TOKENS, _BUDGET, _NOISE = 50, 0.5, 1.0
_DRAWS, _ASKED, _MANY = 400, 120, 2000
_GAUSS = 1.9599639845400545
_LEFT_OUT = 12


class _Drawn:
    """A context and a source of texts: logits of P and N are -+ half the difference, plus noise."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)
        logits = self.rng.normal(size=_TOKENS)
        self.log_p = logits - np.log(np.exp(logits).sum())
        self.difference = 0.7 * self.rng.normal(size=_TOKENS)

    def texts(self, count: int, draws: int = 1) -> tuple[FloatArray, FloatArray]:
        """Logits of P and N, (draws, count, V) each."""
        noise = _NOISE * self.rng.normal(size=(2, draws, count, _TOKENS))
        return noise[0] + 0.5 * self.difference, noise[1] - 0.5 * self.difference

    def strengths(self, odds: FloatArray) -> FloatArray:
        """Where softmax(log p + alpha M) has spent the budget, by bisection; odds (draws, V)."""
        p = np.exp(self.log_p)
        low, high = np.zeros(len(odds)), np.full(len(odds), 64.0)
        for _ in range(50):
            middle = 0.5 * (low + high)
            added = middle[:, None] * odds
            price = np.log(np.exp(self.log_p + added).sum(axis=1)) - added @ p
            low, high = (
                np.where(price < _BUDGET, middle, low), np.where(price < _BUDGET, high, middle)
            )  # fmt: skip
        return low

    def asked(self, positive: FloatArray, negative: FloatArray) -> Estimate:
        """What the texts say about the strength of their own vector."""
        odds = positive.mean(axis=0) - negative.mean(axis=0)
        family = TiltedFamily(self.log_p, odds)
        alpha = float(self.strengths(odds[None])[0])
        return estimate(family, alpha, "cross_entropy", positive, negative)


def curves() -> Record:
    """Strengths that spend `budget` nats, over draws of the texts; some two seconds.

    Returns
    -------
    sizes : (S,)
        |P| = |N|.
    law : (S, 3)
        Low end, middle and high end of the 95 % band, from the variance and bias of one text.
    simulated : (S, 3)
        The same quantiles of the drawn strengths.
    unlimited : float
        The strength for the true difference of means.
    covered, naive : (S,)
        How often `Estimate.interval`, and alpha -+ 1.96 standard errors, hold `unlimited`.
    predicted, refitted : (2, n)
        Change of 1/alpha without each text of P and of N, to first order and by refitting.
    budget, deviation : float
        Nats; max |law - simulated| of the middles.
    """
    drawn = _Drawn()
    many = [side[0] for side in drawn.texts(_MANY)]
    exact = [rows - rows.mean(axis=0) + sign * 0.5 * drawn.difference
             for sign, rows in zip((1, -1), many, strict=True)]  # fmt: skip
    one = drawn.asked(exact[0], exact[1])  # M is exact here: variance and bias of one text
    law, simulated, covered, naive = [], [], [], []
    for n in _SIZES:
        inverse = 1 / one.alpha + one.inverse_bias * _MANY / n
        half = _GAUSS * one.standard_error * np.sqrt(_MANY / n) / one.alpha**2
        law.append(1 / np.maximum(inverse + half * np.array([1, 0, -1]), 1e-3))
        positive, negative = drawn.texts(n, _DRAWS)
        alphas = drawn.strengths(positive.mean(axis=1) - negative.mean(axis=1))
        simulated.append(np.quantile(alphas, [0.025, 0.5, 0.975]))
        found = [drawn.asked(positive[k], negative[k]) for k in range(_ASKED)]
        ends = np.array([each.interval() for each in found])
        covered.append(np.mean((ends[:, 0] <= one.alpha) & (one.alpha <= ends[:, 1])))
        off = np.array([(each.alpha - one.alpha) / each.standard_error for each in found])
        naive.append(np.mean(np.abs(off) <= _GAUSS))
    P, N = (side[0] for side in drawn.texts(_LEFT_OUT))
    whole = drawn.asked(P, N)
    less = _LEFT_OUT / (_LEFT_OUT - 1)
    without = [
        [sign * (rows.sum(axis=0) - row) / (_LEFT_OUT - 1) + rest for row in rows]
        for sign, rows, rest in ((1, P, -N.mean(axis=0)), (-1, N, P.mean(axis=0)))
    ]
    refitted = [1 / drawn.strengths(np.array(rows)) - 1 / whole.alpha for rows in without]
    middles = np.array(law)[:, 1] - np.array(simulated)[:, 1]
    return Record(
        sizes=np.array(_SIZES, dtype=np.float64),
        law=np.array(law),
        simulated=np.array(simulated),
        unlimited=one.alpha,
        covered=np.array(covered),
        naive=np.array(naive),
        predicted=less * np.stack([whole.positive, whole.negative]) / whole.alpha**2,
        refitted=np.array(refitted),
        budget=_BUDGET,
        deviation=float(np.abs(middles).max()),
    )


def draw(record: Record, axes: Sequence[Axes]) -> Artists:
    """Band, coverage and influences."""
    left, middle, right = Panel.row(axes)
    n, law = record.sizes, record.law
    left.band("band", n, law[:, 0], law[:, 2], GREY)
    left.line("law", n, law[:, 1], INK)
    for quantile in record.simulated.T:
        left.rings(n, quantile, INK)
    left.level("unlimited", record.unlimited, GREEN)
    end = (n[-1], record.unlimited)
    left.label("unlimited texts", end, (-2, 5), color=GREEN, ha="right")
    left.ax.set(
        ylim=(0.8 * float(record.simulated[0, 0]), 1.3 * record.unlimited),
        ylabel=rf"$\alpha$ that spends {record.budget:g} nats",
        title="over draws of the texts: median, 95 %",
    )
    covered, naive = 100 * record.covered, 100 * record.naive
    middle.line("covered", n, covered, GREEN, marker="o")
    middle.line("naive", n, naive, INK, marker="s", linestyle=(0, (6, 1.6)))
    middle.level("asked for", 95.0)
    text = "interval of 1/α,\nbias removed"
    middle.label(text, (n[3], float(covered[3])), (0, -44), color=GREEN)
    middle.label("α ± 1.96 s.e.", (n[1], float(naive[1])), (6, -14), color=INK)
    middle.ax.set(
        ylim=(0, 102),
        ylabel=r"intervals that hold the true $\alpha$  (%)",
        title="from the texts at hand alone",
    )
    for ax in (left.ax, middle.ax):
        ax.set(xscale="log", xlabel="texts of P, and of N")
        ax.set_xticks(n, [f"{size:g}" for size in n])
        ax.minorticks_off()
    reach = 1.1 * float(np.abs(record.predicted).max())
    right.line("first order", [-reach, reach], [-reach, reach], INK)
    sides = (("P", BLUE, "o"), ("N", ORANGE, "s"))
    for (name, colour, mark), told, refit in zip(
        sides, record.predicted, record.refitted, strict=True
    ):
        right.rings(told, refit, colour, marker=mark, label=f"texts of {name}")
    right.ax.legend(loc="lower right", handletextpad=0.2)
    right.ax.text(0.05, 0.86, "every refit lies above:\n1/α is convex in $M$", color=GREY,
                  fontsize=8.5, transform=right.ax.transAxes)  # fmt: skip
    right.ax.set(
        xlabel=r"change of $1/\alpha$ without one text, first order",
        ylabel="the same, refitted",
        title=f"influences, {told.size} + {told.size} texts",
    )
    return left.artists
