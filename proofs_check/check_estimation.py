"""How sure a strength is, judged by solving for it again under other weights of the texts.

The oracle differentiates nothing: it weights the texts anew by 1e-30, solves for the strength with
120 digits and takes quotients (`oracles.refit`). The simulation draws other texts, makes a vector
of their states and looks up where the softmax of the steered logits has spent the budget.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from steering_strength.proofs_check.balls import Ball, Balls
from steering_strength.proofs_check.certificate import (
    Certificate,
    agrees,
    certificate,
    log_odds,
    probabilities,
    varied,
)
from steering_strength.proofs_check.check import Check, check
from steering_strength.proofs_check.comparison import (
    AGREED,
    EPS,
    Comparison,
    Value,
    claim,
    compare,
    equal,
    not_above,
    worst,
)
from steering_strength.proofs_check.instances import FamilyCase, TextCase
from steering_strength.proofs_check.law_values import Binding, law_sides
from steering_strength.proofs_check.oracles import refit
from steering_strength.proofs_check.oracles.precise import CTX, Number, number
from steering_strength.proofs_check.refits import Asked, Errors, goals
from steering_strength.proofs_check.simulation import log_softmax
from steering_strength.proofs_check.strategies import family_cases, text_cases
from steering_strength.theory import TiltedFamily, advice
from steering_strength.theory.engine import estimation
from steering_strength.theory.engine.estimation import Estimate

__all__ = ["CERTIFICATES", "CHECKS"]

Floats = NDArray[np.float64]
Rows = list[list[Number]]


def _judged(case: TextCase, judge: Callable[[Asked, Errors], list[Comparison]]) -> Comparison:
    """Every goal that is crossed."""
    if max(case.M) - min(case.M) < 1e-6:
        return AGREED  # nothing moves
    pairs = [(asked, Errors.of(asked)) for asked in goals(case)]
    return worst(
        found for asked, errors in pairs if errors.crossed for found in judge(asked, errors)
    )


def _positive(case: TextCase) -> tuple[dict[str, object], dict[str, object]]:
    """Numbers and arrays of the laws, which speak of alpha > 0: else M is mirrored."""
    side = 1 if case.alpha > 0 else -1
    first = Asked(case, "cross_entropy", number(case.alpha), case.tokens).deviation(0, 0)
    return (
        {"V": len(case.M), "m": len(case.rows), "alpha": abs(case.alpha), "t": 0,
         "|P|": len(case.positive), "|N|": len(case.negative)},
        {"p": case.rows, "pi": case.context_weights, "M": [side * m for m in case.M],
         "D": [side * d for d in first], "L^P": case.logs[0], "L^N": case.logs[1]},
    )  # fmt: skip


@check(
    "influence",
    cases=text_cases(),
    tolerance="errors of grad f and of <grad f, M> (`Errors`), first order; a goal that is only "
    "touched has no derivative and is left",
    weight=0.3,
    judges=("sensitivity", "estimate"),
)
def influence(case: TextCase) -> Comparison:
    """d alpha = -alpha <grad f, dM> / <grad f, M>, f any of four goals; no refit is needed."""

    def judge(asked: Asked, errors: Errors) -> list[Comparison]:
        found, size = asked.estimate(), len(case.M)
        entries = estimation.sensitivity(
            case.source, float(asked.alpha), asked.goal, np.array(asked.tokens)
        )
        return [
            compare(
                f"d alpha / d M, {asked.goal}",
                asked.gradient(),
                Value("engine", entries, [errors.entry(z) for z in range(size)]),
            ),
            *(
                compare(
                    f"influences of {name}, {asked.goal}",
                    asked.influences(side),
                    Value("engine", row, [errors.influence(side, i) for i in range(row.size)]),
                )
                for side, (name, row) in enumerate((("P", found.positive), ("N", found.negative)))
            ),
        ]

    asked = Asked(case, "cross_entropy", number(case.alpha), case.tokens)
    numbers, arrays = _positive(case)
    slope = refit.moved(
        lambda e: asked.quantity(
            [m + e * d for m, d in zip(case.M, asked.deviation(0, 0), strict=True)], asked.alpha
        )
    )
    law = law_sides("influence", Binding(numbers, arrays), slope)
    return worst([_judged(case, judge), compare("d Delta CE / dt", slope, *law)])


@check(
    "influence/largest-norm",
    cases=text_cases(contexts=1),
    tolerance="none: an influence larger by a hundredth",
    expected=False,
)
def largest_norm(case: TextCase) -> Comparison:
    """The text that differs most from the others of its side moves alpha most (budget)."""
    asked = Asked(case, "cross_entropy", number(case.alpha), case.tokens)
    if max(case.M) - min(case.M) < 1e-6:
        return AGREED
    found = asked.estimate()
    texts = [(side, i) for side in (0, 1) for i in range(len(case.logs[side]))]
    norms = {at: CTX.norm(asked.deviation(*at)) for at in texts}
    moves = {(s, i): abs(float((found.positive, found.negative)[s][i])) for s, i in texts}
    first = max(texts, key=lambda at: norms[at])
    other = max(texts, key=lambda at: moves[at])
    holds = norms[other] * 1.01 > norms[first] or moves[other] <= 1.01 * moves[first]
    return claim(f"{first} moves {moves[first]:.3g}, {other} moves {moves[other]:.3g}", bool(holds))


@check(
    "standard-error",
    cases=text_cases(),
    tolerance="a root of squares errs by the root of the squared errors, at most their sum",
    weight=0.3,
    judges=(
        "estimate",
        "Estimate.variances",
        "Estimate.standard_error",
        "Estimate.positive_share",
        "Estimate.texts_for",
        "Estimate.largest",
        "advise",
    ),
)
def standard_error(case: TextCase) -> Comparison:
    """se(alpha)^2 = sum over P and N of n/(n-1) times the squared influences."""
    sizes = len(case.positive), len(case.negative)

    def judge(asked: Asked, errors: Errors) -> list[Comparison]:
        found = asked.estimate()
        moves = [asked.influences(side) for side in (0, 1)]
        off = [[errors.influence(s, i) for i in range(sizes[s])] for s in (0, 1)]
        v = [number(n) / (n - 1) * CTX.fsum(x**2 for x in row)
             for n, row in zip(sizes, moves, strict=True)]  # fmt: skip
        slack = [
            number(n)
            / (n - 1)
            * CTX.fsum(2 * abs(x) * e + e**2 for x, e in zip(*pair, strict=True))
            + 8 * EPS * total
            for n, total, *pair in zip(sizes, v, moves, off, strict=True)
        ]
        total, lost = v[0] + v[1], slack[0] + slack[1]
        root = CTX.sqrt(total)
        comparisons = [
            compare("variances", v, Value("engine", found.variances, slack)),
            compare(
                "standard error",
                root,
                Value(
                    "engine",
                    found.standard_error,
                    CTX.sqrt(total + lost) - root + CTX.sqrt(lost)
                    if total < 4 * lost
                    else lost / root,
                ),
            ),
            *_ranked(found, moves, max(e for row in off for e in row)),
        ]
        if total > 1e3 * lost:
            comparisons += [
                compare(
                    "share of P",
                    v[0] / total,
                    Value("engine", found.positive_share, 4 * lost / total + 8 * EPS),
                ),
                *_fewest(found, v, sizes),
            ]
        return comparisons

    asked = Asked(case, "cross_entropy", number(abs(case.alpha)), case.tokens)
    comparisons = [_judged(case, judge), _advised(case)]
    if max(case.M) - min(case.M) > 1e-6:
        numbers, arrays = _positive(case)
        square = sum(
            number(n) / (n - 1) * CTX.fsum(x**2 for x in asked.influences(side))
            for side, n in enumerate(sizes)
        )
        binding = Binding(numbers, {**arrays, "a": asked.gradient()})
        comparisons.append(
            compare("variance", square, *law_sides("standard-error", binding, square))
        )
    return worst(comparisons)


def _ranked(found: Estimate, moves: Rows, error: Number) -> list[Comparison]:
    """The two texts that are said to move alpha most do, and by that much."""
    sizes = sorted((abs(x) for row in moves for x in row), reverse=True)
    ranked = found.largest(2)
    said = [moves["PN".index(side)][text] for side, text, _ in ranked]
    return [
        compare("influence of the first texts", said,
                Value("engine", [value for *_, value in ranked], error)),
        compare("largest influences", sizes[:2],
                Value("engine", [abs(x) for x in said], 2 * error)),
    ]  # fmt: skip


def _fewest(found: Estimate, v: list[Number], sizes: tuple[int, int]) -> list[Comparison]:
    """Enough texts for three quarters of the error, and with one less of either side too few."""
    factor = 0.75
    each, goal = [x * n for x, n in zip(v, sizes, strict=True)], factor**2 * (v[0] + v[1])
    p, n = found.texts_for(factor)

    def variance(a: int, b: int) -> Number:
        return each[0] / a + each[1] / b

    least = min(
        a + max(int(CTX.ceil(each[1] / (goal - each[0] / a) * (1 - 1e-9))), sizes[1])
        for a in range(sizes[0], p + n + 2)
        if goal > each[0] / a
    )
    return [
        not_above("variance with as many texts", variance(p, n), goal, 1e-9 * goal),
        # Each of the two counts is rounded up.
        claim(f"{p} + {n} texts, {least} would do", least <= p + n <= least + 1),
        claim("no text is taken away", p >= sizes[0] and n >= sizes[1]),
    ]


def _advised(case: TextCase) -> Comparison:
    """`advise` passes on the estimate of the end that it advises."""
    source, budget = case.source, 0.05
    if not isinstance(source, TiltedFamily) or max(case.M) - min(case.M) < 1e-3:
        return AGREED
    sign = 1 if case.alpha > 0 else -1
    told = advice.advise(source, cross_entropy=budget, sign=sign, texts=case.tables)
    root = source.alpha_for_cross_entropy(budget, sign)
    alone = estimation.estimate(source, root, "cross_entropy", *case.tables)
    if told.estimate is None:
        return claim("an estimate", False)
    pairs = [(told.window.advised, root), (told.estimate.alpha, root),
             (told.estimate.positive.tolist(), alone.positive.tolist()),
             (told.estimate.inverse_bias, alone.inverse_bias)]  # fmt: skip
    return worst(equal("advised estimate", alone, said) for said, alone in pairs)


@dataclass(frozen=True)
class DrawnTexts:
    """A readout whose texts are drawn: states of P and N are Gaussian around two means."""

    seed: int
    sizes: tuple[int, int]
    noise: float

    def readout(self) -> tuple[Floats, Floats, Floats]:
        """W (V, d), the context's state (d,) and the mean difference of P and N (d,)."""
        rng = np.random.default_rng(self.seed)
        return rng.normal(size=(12, 4)), rng.normal(size=4), rng.normal(size=4)

    def alphas(self, count: int, budget: float) -> Floats:
        """The strength that spends the budget, for `count` draws of all texts: by bisection."""
        W, h, difference = self.readout()
        rng = np.random.default_rng(self.seed + 1)
        scale = [self.noise / np.sqrt(n) for n in self.sizes]
        vectors = difference + sum(s * rng.normal(size=(count, 4)) for s in scale)
        before = log_softmax(h @ W.T)
        low, high = np.zeros(count), np.full(count, 64.0)
        for _ in range(50):
            middle = 0.5 * (low + high)
            after = log_softmax((h + middle[:, None] * vectors) @ W.T)
            spent = (np.exp(before) * (before - after)).sum(axis=1) >= budget
            low, high = np.where(spent, low, middle), np.where(spent, middle, high)
        return low


DRAWS = 2000


@check(
    "standard-error/resampled",
    cases=st.builds(
        DrawnTexts,
        seed=st.integers(0, 99),
        sizes=st.tuples(st.integers(10, 40), st.integers(10, 40)),
        noise=st.sampled_from((0.05, 0.02, 0.1)),
    ),
    tolerance="the spread of 2,000 draws errs by 1/sqrt(4,000) of itself, and that of the few "
    "texts at hand by 1/sqrt(2 (n - 1)) a side; four times both, and what is of second order",
    weight=0.1,
    judges=("Estimate.standard_error",),
)
def resampled(case: DrawnTexts) -> Comparison:
    """Draw other texts, make another vector, steer: alpha scatters by its standard error."""
    budget = 0.2
    W, h, difference = case.readout()
    rng = np.random.default_rng(case.seed + 2)
    # The difference of the two means is that of the readout, wherever their middle is.
    P, N = (0.5 * s * difference + case.noise * rng.normal(size=(n, 4))
            for s, n in zip((1, -1), case.sizes, strict=True))  # fmt: skip
    tables = log_softmax(P @ W.T), log_softmax(N @ W.T)
    family = TiltedFamily.from_tables(log_softmax(h @ W.T), *tables)
    alpha = family.alpha_for_cross_entropy(budget, 1)
    found = estimation.estimate(family, alpha, "cross_entropy", *tables)
    alphas = case.alphas(DRAWS, budget)
    observed = float(alphas.std(ddof=1))
    few = sum(
        share**2 / (2 * (n - 1))
        for share, n in zip((found.positive_share, 1 - found.positive_share), case.sizes,
                            strict=True)
    )  # fmt: skip
    sampling = 4 * np.sqrt(1 / (2 * DRAWS) + few)
    second = 4 * found.standard_error / alpha
    return compare(
        "spread of alpha over draws",
        observed,
        Value("predicted", found.standard_error, observed * (sampling + second)),
    )


@check(
    "standard-error/more-texts",
    cases=text_cases(contexts=1),
    tolerance="none: an error larger by a hundredth",
    expected=False,
)
def more_texts(case: TextCase) -> Comparison:
    """With one more text the standard error is smaller (budget)."""
    fewer = replace(case, positive=case.positive[:-1])
    if len(fewer.positive) < 2 or min(max(c.M) - min(c.M) for c in (case, fewer)) < 1e-3:
        return AGREED
    errors = []
    for each in (fewer, case):
        source = each.source
        if not isinstance(source, TiltedFamily):
            return AGREED
        alpha = source.alpha_for_cross_entropy(0.1, 1)
        errors.append(
            estimation.estimate(source, alpha, "cross_entropy", *each.tables).standard_error
        )
    return claim(f"{errors[0]:.4g}, then {errors[1]:.4g}", errors[1] <= 1.01 * errors[0])


@check(
    "text-bias",
    cases=text_cases(),
    tolerance="errors of the influences, of f'' and of <grad f, M>, first order",
    weight=0.1,
    judges=("estimate", "Estimate.unlimited", "Estimate.interval"),
)
def text_bias(case: TextCase) -> Comparison:
    """1/alpha is too large on average, by half its second derivatives; convex for a price."""

    def judge(asked: Asked, errors: Errors) -> list[Comparison]:
        found, oracle, off = asked.estimate(), asked.bias(), errors.bias()
        return [
            compare(f"bias of 1/alpha, {asked.goal}", oracle,
                    Value("engine", found.inverse_bias, off)),
            *_turned(found),
        ]  # fmt: skip

    if max(case.M) - min(case.M) < 1e-3:
        return AGREED
    asked = Asked(case, "cross_entropy", number(case.alpha), case.tokens)
    numbers, arrays = _positive(case)
    bend = refit.bent(partial(asked.strength, 0, 0)) * (1 if case.alpha > 0 else -1)
    law = law_sides("text-bias", Binding(numbers, arrays), bend)
    return worst(
        [
            _judged(case, judge),
            compare("(1/alpha)''", bend, *law),
            *_left_out(asked),
        ]
    )


@check(
    "text-bias/arithmetic",
    cases=text_cases(contexts=1),
    tolerance="none: a strength smaller by a hundredth",
    expected=False,
)
def arithmetic(case: TextCase) -> Comparison:
    """The vector of all texts bears at least the mean strength of those that lack one (budget)."""
    if max(case.M) - min(case.M) < 1e-3:
        return AGREED
    P, N = case.tables
    log_p = np.log([float(x) for x in case.rows[0]])
    strengths = []
    for i in range(-1, len(P)):
        fewer = np.delete(P, i, axis=0) if i >= 0 else P
        family = TiltedFamily.from_tables(log_p, fewer, N)
        strengths.append(family.alpha_for_cross_entropy(0.1, 1))
    whole, mean = strengths[0], float(np.mean(strengths[1:]))
    return claim(f"{whole:.4g} against {mean:.4g}", whole >= 0.99 * mean)


def _turned(found: Estimate) -> list[Comparison]:
    """`unlimited` and `interval` are what the record's numbers make of 1/alpha."""
    sign = 1 if found.alpha > 0 else -1
    centre = sign * (1 / number(found.alpha) - number(found.inverse_bias))
    half = number(1.9599639845400545) * found.standard_error / number(found.alpha) ** 2

    def strength(inverse: Number) -> Number:
        return sign / inverse if inverse > 0 else sign * CTX.inf

    expected = sorted(strength(centre + s * half) for s in (-1, 1))
    if abs(centre - half) <= 1e-12 * (abs(centre) + half) or abs(centre) < 1e-12 / abs(found.alpha):
        return []  # on the edge of infinity

    def close(value: Number) -> Number:
        return (
            1e-11 * abs(value) * (1 + abs(value) * (abs(centre) + half))
            if CTX.isfinite(value)
            else number(1)
        )

    return [
        compare("unlimited", strength(centre),
                Value("engine", found.unlimited, close(strength(centre)))),
        compare("interval", expected,
                Value("engine", list(found.interval()), [close(x) for x in expected])),
    ]  # fmt: skip


def _left_out(asked: Asked) -> list[Comparison]:
    """Refits without a text, exactly: 1/alpha on average above, and each above its tangent."""
    case, sign = asked.case, 1 if asked.alpha > 0 else -1
    rows = case.logs[0]
    n, level = len(rows), asked.quantity(list(case.M), asked.alpha)
    inverses = []
    for i in range(n):
        fewer = [row for k, row in enumerate(rows) if k != i]
        M = refit.odds(fewer, case.logs[1])
        constant = max(M) - min(M) < 1e-9
        found = None if constant else refit.crossed(partial(asked.quantity, M), level, asked.alpha)
        inverses.append(number(0) if found is None else 1 / abs(found))
    here = 1 / abs(asked.alpha)
    tangents = [here + sign * n * x / ((n - 1) * asked.alpha**2) for x in asked.influences(0)]
    return [
        not_above("1/alpha below its mean without a text", here, CTX.fsum(inverses) / n,
                  1e-20 * here),
        not_above("1/alpha above its tangent", tangents, inverses, 1e-20 * here),
    ]  # fmt: skip


@certificate(
    "text-bias",
    "the mean of M and M', M' being M in reverse order, costs less at the harmonic mean of the "
    "strengths |alpha| and 3 |alpha| / 2 than the dearer of M and M' at theirs; M not constant",
    family_cases().map(varied),
)
def text_bias_certificate(case: FamilyCase, balls: Balls) -> bool | None:
    """Three prices from their definition."""
    p, M = probabilities(case, balls), log_odds(case, balls)
    alpha = balls.exact(abs(case.alpha))
    beta = 3 * alpha / 2
    first, second = [alpha * m for m in M], [beta * m for m in reversed(M)]
    share = alpha / (alpha + beta)
    between = [(1 - share) * a + share * b for a, b in zip(first, second, strict=True)]

    def price(u: list[Ball]) -> Ball:
        top = u[0]
        grown = balls.total([a * balls.exp(x - top) for a, x in zip(p, u, strict=True)])
        return balls.log(grown) + top - balls.total([a * x for a, x in zip(p, u, strict=True)])

    middle, ends = price(between), (price(first), price(second))
    dearer = [agrees(balls.sign(end - middle), 1) for end in ends]
    return True if True in dearer else None if None in dearer else False


CHECKS: tuple[Check, ...] = (
    influence,
    largest_norm,
    standard_error,
    resampled,
    more_texts,
    text_bias,
    arithmetic,
)
CERTIFICATES: tuple[Certificate, ...] = (text_bias_certificate,)
