"""How sure a strength is, judged by solving for it again under other weights of the texts.

The oracle differentiates nothing: it weights the texts anew by 1e-30, solves for the strength with
120 digits and takes quotients (`oracles.refit`). The simulation draws other texts, makes a vector
of their states and looks up where the softmax of the steered logits has spent the budget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import log_softmax

from steering_strength.proofs_check import certificate as certain
from steering_strength.proofs_check import comparison
from steering_strength.proofs_check.balls import Ball, Balls
from steering_strength.proofs_check.check import check, reading
from steering_strength.proofs_check.comparison import EPS, Comparison, claim, compare, not_above
from steering_strength.proofs_check.instances import FamilyCase, TextCase
from steering_strength.proofs_check.law_values import law
from steering_strength.proofs_check.oracles import refit
from steering_strength.proofs_check.oracles.precise import CTX, Number, number
from steering_strength.proofs_check.oracles.vectors import difference_of_means
from steering_strength.proofs_check.refits import Asked, Errors, goals
from steering_strength.proofs_check.strategies import family_cases, text_cases
from steering_strength.theory import TiltedFamily, advice
from steering_strength.theory.engine import estimation
from steering_strength.theory.engine.estimation import Estimate

Floats = NDArray[np.float64]
Rows = list[list[Number]]


def _judged(
    case: TextCase, judge: Callable[[Asked, Errors], Iterable[Comparison]]
) -> Iterator[Comparison]:
    """Every goal that is crossed."""
    if case.spread >= 1e-6:
        for asked in goals(case):
            errors = Errors.of(asked)
            if errors.crossed:
                yield from judge(asked, errors)


def _priced(case: TextCase, alpha: float | None = None) -> Asked:
    return Asked(case, "cross_entropy", number(alpha or case.alpha), case.tokens)


def _positive(case: TextCase) -> dict[str, Any]:
    """What the laws speak of, with alpha > 0: else M is mirrored."""
    side = 1 if case.alpha > 0 else -1
    return {
        "V": len(case.M), "m": len(case.rows), "alpha": abs(case.alpha), "t": 0,
        "|P|": len(case.positive), "|N|": len(case.negative),
        "p": case.rows, "pi": case.context_weights, "M": [side * m for m in case.M],
        "D": [side * d for d in _priced(case).deviation(0, 0)],
        "L^P": case.logs[0], "L^N": case.logs[1],
    }  # fmt: skip


@check("influence", text_cases(), judges="sensitivity estimate", weight=0.3)
def influence(case: TextCase) -> Iterator[Comparison]:
    """d alpha = -alpha <grad f, dM> / <grad f, M>, f any of four goals; no refit is needed.
    Tolerance: errors of grad f and of <grad f, M> (`Errors`), first order; a goal that is only
    touched has no derivative and is left."""

    def judge(asked: Asked, errors: Errors) -> Iterator[Comparison]:
        found = asked.estimate()
        entries = estimation.sensitivity(case.source, float(asked.alpha), asked.goal, asked.given)
        allowed = [errors.entry(z) for z in range(len(case.M))]
        what = f"d alpha / d M, {asked.goal}"
        yield compare(what, asked.gradient(), engine=(entries, allowed))
        for side, (name, row) in enumerate((("P", found.positive), ("N", found.negative))):
            allowed = [errors.influence(side, i) for i in range(row.size)]
            what = f"influences of {name}, {asked.goal}"
            yield compare(what, asked.influences(side), engine=(row, allowed))

    yield from _judged(case, judge)
    asked = _priced(case)
    first = asked.deviation(0, 0)
    slope = refit.moved(
        lambda e: asked.quantity(
            [m + e * d for m, d in zip(case.M, first, strict=True)], asked.alpha
        )
    )
    yield law("influence", _positive(case), slope)


@reading("influence/largest-norm", text_cases(contexts=1))
def largest_norm(case: TextCase) -> Iterator[Comparison]:
    """The text that differs most from the others of its side moves alpha most (budget).
    Tolerance: none: an influence larger by a hundredth."""
    if case.spread < 1e-6:
        return
    asked = _priced(case)
    found = asked.estimate()
    texts = [(side, i) for side in (0, 1) for i in range(len(case.logs[side]))]
    norms = {at: CTX.norm(asked.deviation(*at)) for at in texts}
    moves = {(s, i): abs(float((found.positive, found.negative)[s][i])) for s, i in texts}
    first, other = max(texts, key=norms.__getitem__), max(texts, key=moves.__getitem__)
    holds = norms[other] * 1.01 > norms[first] or moves[other] <= 1.01 * moves[first]
    yield claim(f"{first} moves {moves[first]:.3g}, {other} moves {moves[other]:.3g}", holds)


@check(
    "standard-error",
    text_cases(),
    judges=(
        "estimate advise",
        "Estimate: variances standard_error positive_share texts_for largest",
    ),
    weight=0.3,
)
def standard_error(case: TextCase) -> Iterator[Comparison]:
    """se(alpha)^2 = sum over P and N of n/(n-1) times the squared influences.
    Tolerance: a root of squares errs by the root of the squared errors, at most their sum."""
    sizes = len(case.positive), len(case.negative)

    def judge(asked: Asked, errors: Errors) -> Iterator[Comparison]:
        found, v, slack = asked.estimate(), [], []
        moves = [asked.influences(side) for side in (0, 1)]
        off = [[errors.influence(s, i) for i in range(sizes[s])] for s in (0, 1)]
        for n, row, error in zip(sizes, moves, off, strict=True):
            scale, pairs = number(n) / (n - 1), zip(row, error, strict=True)
            v.append(scale * CTX.fsum(x**2 for x in row))
            slack.append(
                scale * CTX.fsum(2 * abs(x) * e + e**2 for x, e in pairs) + 8 * EPS * v[-1]
            )
        yield compare("variances", v, engine=(found.variances, slack))
        total, lost = v[0] + v[1], slack[0] + slack[1]
        root = CTX.sqrt(total)
        allowed = (
            CTX.sqrt(total + lost) - root + CTX.sqrt(lost) if total < 4 * lost else lost / root
        )
        yield compare("standard error", root, engine=(found.standard_error, allowed))
        yield from _ranked(found, moves, max(e for row in off for e in row))
        if total > 1e3 * lost:
            share = (found.positive_share, 4 * lost / total + 8 * EPS)
            yield compare("share of P", v[0] / total, engine=share)
            yield from _fewest(found, v, sizes)

    yield from _judged(case, judge)
    yield from _advised(case)
    if case.spread >= 1e-6:
        asked = _priced(case, abs(case.alpha))
        square = sum(
            number(n) / (n - 1) * CTX.fsum(x**2 for x in asked.influences(side))
            for side, n in enumerate(sizes)
        )
        yield law("standard-error", {**_positive(case), "a": asked.gradient()}, square)


def _ranked(found: Estimate, moves: Rows, error: Number) -> Iterator[Comparison]:
    """The two texts that are said to move alpha most do, and by that much."""
    sizes = sorted((abs(x) for row in moves for x in row), reverse=True)
    ranked = found.largest(2)
    yield claim("three unless asked", found.largest()[:2] == ranked)
    said = [moves["PN".index(side)][text] for side, text, _ in ranked]
    values = [value for *_, value in ranked]
    yield compare("influence of the first texts", said, engine=(values, error))
    yield compare("largest influences", sizes[:2], engine=([abs(x) for x in said], 2 * error))


def _fewest(found: Estimate, v: list[Number], sizes: tuple[int, int]) -> Iterator[Comparison]:
    """Enough texts for that share of the error, and with one less of either side too few."""
    asked = (0.75,) if sizes[0] % 2 else ()  # without, a half
    each = [x * n for x, n in zip(v, sizes, strict=True)]
    goal = (asked or (0.5,))[0] ** 2 * (v[0] + v[1])
    p, n = found.texts_for(*asked)
    variance = each[0] / p + each[1] / n
    yield not_above("variance with as many texts", variance, goal, 1e-9 * goal)
    least = min(
        a + max(int(CTX.ceil(each[1] / (goal - each[0] / a) * (1 - 1e-9))), sizes[1])
        for a in range(sizes[0], p + n + 2)
        if goal > each[0] / a
    )
    # Each of the two counts is rounded up.
    yield claim(f"{p} + {n} texts, {least} would do", least <= p + n <= least + 1)
    yield claim("no text is taken away", p >= sizes[0] and n >= sizes[1])


def _advised(case: TextCase) -> Iterator[Comparison]:
    """`advise` passes on the estimate of the end that it advises."""
    source, budget = case.source, 0.05
    if not isinstance(source, TiltedFamily) or case.spread < 1e-3:
        return
    sign = 1 if case.alpha > 0 else -1
    told = advice.advise(source, cross_entropy=budget, sign=sign, texts=case.tables)
    root = source.alpha_for_cross_entropy(budget, sign)
    alone = estimation.estimate(source, root, "cross_entropy", *case.tables)
    yield comparison.equal("advised", root, told.window.advised)
    if told.estimate is None:
        yield claim("an estimate", False)
        return
    for name in ("alpha", "positive", "negative", "inverse_bias"):
        expected = root if name == "alpha" else getattr(alone, name)
        yield comparison.equal(
            f"{name} of the advised estimate", expected, getattr(told.estimate, name)
        )


DRAWS = 2000


def _strengths(seed: int, sizes: tuple[int, int], noise: float, budget: float) -> Floats:
    """The strength that spends the budget, for draws of all texts of a readout: by bisection."""
    W, h, difference = _readout(seed)
    rng = np.random.default_rng(seed + 1)
    vectors = difference + sum(noise / np.sqrt(n) * rng.normal(size=(DRAWS, 4)) for n in sizes)
    before = log_softmax(h @ W.T, axis=-1)
    low, high = np.zeros(DRAWS), np.full(DRAWS, 64.0)
    for _ in range(50):
        middle = 0.5 * (low + high)
        after = log_softmax((h + middle[:, None] * vectors) @ W.T, axis=-1)
        spent = (np.exp(before) * (before - after)).sum(axis=1) >= budget
        low, high = np.where(spent, low, middle), np.where(spent, middle, high)
    return low


def _readout(seed: int) -> tuple[Floats, Floats, Floats]:
    """W (V, d), the context's state (d,) and the mean difference of P and N (d,)."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(12, 4)), rng.normal(size=4), rng.normal(size=4)


@check(
    "standard-error/resampled",
    st.tuples(
        st.integers(0, 99),
        st.tuples(st.integers(10, 40), st.integers(10, 40)),
        st.sampled_from((0.05, 0.02, 0.1)),
    ),
    judges="Estimate: standard_error",
    weight=0.1,
)
def resampled(case: tuple[int, tuple[int, int], float]) -> Comparison:
    """Draw other texts, make another vector, steer: alpha scatters by its standard error.
    Tolerance: the spread of 2,000 draws errs by 1/sqrt(4,000) of itself, and that of the few texts
    at hand by 1/sqrt(2 (n - 1)) a side; four times both, and what is of second order."""
    seed, sizes, noise = case  # sizes: |P| and |N|; states are Gaussian around two means
    W, h, difference = _readout(seed)
    rng = np.random.default_rng(seed + 2)
    # The difference of the two means is that of the readout, wherever their middle is.
    P, N = (
        log_softmax((0.5 * s * difference + noise * rng.normal(size=(n, 4))) @ W.T, axis=-1)
        for s, n in zip((1, -1), sizes, strict=True)
    )
    family = TiltedFamily.from_tables(log_softmax(h @ W.T, axis=-1), P, N)
    alpha = family.alpha_for_cross_entropy(0.2, 1)
    found = estimation.estimate(family, alpha, "cross_entropy", P, N)
    observed = float(_strengths(seed, sizes, noise, 0.2).std(ddof=1))
    shares = found.positive_share, 1 - found.positive_share
    few = sum(share**2 / (2 * (n - 1)) for share, n in zip(shares, sizes, strict=True))
    sampling, second = 4 * np.sqrt(1 / (2 * DRAWS) + few), 4 * found.standard_error / alpha
    predicted = (found.standard_error, observed * (sampling + second))
    return compare("spread of alpha over draws", observed, predicted=predicted)


@reading("standard-error/more-texts", text_cases(contexts=1))
def more_texts(case: TextCase) -> Iterator[Comparison]:
    """With one more text the standard error is smaller (budget).
    Tolerance: none: an error larger by a hundredth."""
    fewer, errors = replace(case, positive=case.positive[:-1]), []
    if len(fewer.positive) < 2:
        return
    for each in (fewer, case):
        source = each.source
        if not (each.spread >= 1e-3 and isinstance(source, TiltedFamily)):
            return
        alpha = source.alpha_for_cross_entropy(0.1, 1)
        found = estimation.estimate(source, alpha, "cross_entropy", *each.tables)
        errors.append(found.standard_error)
    yield claim(f"{errors[0]:.4g}, then {errors[1]:.4g}", errors[1] <= 1.01 * errors[0])


@check("text-bias", text_cases(), judges=("estimate", "Estimate: unlimited interval"), weight=0.1)
def text_bias(case: TextCase) -> Iterator[Comparison]:
    """1/alpha is too large on average, by half its second derivatives; convex for a price.
    Tolerance: errors of the influences, of f'' and of <grad f, M>, first order."""

    def judge(asked: Asked, errors: Errors) -> Iterator[Comparison]:
        found = asked.estimate()
        engine = (found.inverse_bias, errors.bias())
        yield compare(f"bias of 1/alpha, {asked.goal}", asked.bias(), engine=engine)
        yield from _turned(found)

    if case.spread >= 1e-3:
        yield from _judged(case, judge)
        asked = _priced(case)
        bend = refit.bent(partial(asked.strength, 0, 0)) * (1 if case.alpha > 0 else -1)
        yield law("text-bias", _positive(case), bend)
        yield from _left_out(asked)


@reading("text-bias/arithmetic", text_cases(contexts=1))
def arithmetic(case: TextCase) -> Iterator[Comparison]:
    """The vector of all texts bears at least the mean strength of those that lack one (budget).
    Tolerance: none: a strength smaller by a hundredth."""
    if case.spread < 1e-3:
        return
    P, N = case.tables
    log_p = np.log([float(x) for x in case.rows[0]])
    whole, *others = (
        TiltedFamily.from_tables(log_p, rows, N).alpha_for_cross_entropy(0.1, 1)
        for rows in (P, *(np.delete(P, i, axis=0) for i in range(len(P))))
    )
    mean = float(np.mean(others))
    yield claim(f"{whole:.4g} against {mean:.4g}", whole >= 0.99 * mean)


def _turned(found: Estimate) -> Iterator[Comparison]:
    """`unlimited` and `interval` are what the record's numbers make of 1/alpha."""
    sign = 1 if found.alpha > 0 else -1
    centre = sign * (1 / number(found.alpha) - number(found.inverse_bias))
    error = found.standard_error / number(found.alpha) ** 2
    half = number(1.9599639845400545) * error
    if abs(centre - half) <= 1e-12 * (abs(centre) + half) or abs(centre) < 1e-12 / abs(found.alpha):
        return  # on the edge of infinity

    def strength(inverse: Number) -> Number:
        return sign / inverse if inverse > 0 else sign * CTX.inf

    def close(value: Number) -> Number:
        if not CTX.isfinite(value):
            return number(1)
        return 1e-11 * abs(value) * (1 + abs(value) * (abs(centre) + half))

    expected = strength(centre)
    yield compare("unlimited", expected, engine=(found.unlimited, close(expected)))
    # Quantiles of the normal distribution at 97.5 % and at 75 %.
    quartile = number(0.6744897501960817) * error
    for width, asked in ((half, found.interval()), (quartile, found.interval(0.5))):
        ends = sorted(strength(centre + s * width) for s in (-1, 1))
        if abs(abs(centre) - width) > 1e-12 * (abs(centre) + width):
            yield compare("interval", ends, engine=(list(asked), [close(x) for x in ends]))


def _left_out(asked: Asked) -> Iterator[Comparison]:
    """Refits without a text, exactly: 1/alpha on average above, and each above its tangent."""
    case, sign, rows = asked.case, 1 if asked.alpha > 0 else -1, asked.case.logs[0]
    n, level, inverses = len(rows), asked.quantity(list(case.M), asked.alpha), []
    for i in range(n):
        M = difference_of_means([r for k, r in enumerate(rows) if k != i], case.logs[1])
        constant = max(M) - min(M) < 1e-9
        found = None if constant else refit.crossed(partial(asked.quantity, M), level, asked.alpha)
        inverses.append(number(0) if found is None else 1 / abs(found))
    here = 1 / abs(asked.alpha)
    mean = CTX.fsum(inverses) / n
    yield not_above("1/alpha below its mean without a text", here, mean, 1e-20 * here)
    tangents = [here + sign * n * x / ((n - 1) * asked.alpha**2) for x in asked.influences(0)]
    yield not_above("1/alpha above its tangent", tangents, inverses, 1e-20 * here)


@certain.certificate("text-bias", family_cases().map(certain.varied))
def text_bias_certificate(case: FamilyCase, balls: Balls) -> certain.Answers:
    """The mean of M and M', M' being M in reverse order, costs less at the harmonic mean of the
    strengths |alpha| and 3 |alpha| / 2 than the dearer of M and M' at theirs; M not constant."""
    # Three prices from their definition.
    p, M = certain.in_balls(case, balls)
    alpha = balls.exact(abs(case.alpha))
    beta = 3 * alpha / 2
    first, second = [alpha * m for m in M], [beta * m for m in reversed(M)]
    share = alpha / (alpha + beta)
    between = [(1 - share) * a + share * b for a, b in zip(first, second, strict=True)]

    def price(u: list[Ball]) -> Ball:
        top = u[0]
        grown = balls.total([a * balls.exp(x - top) for a, x in zip(p, u, strict=True)])
        return balls.log(grown) + top - balls.total([a * x for a, x in zip(p, u, strict=True)])

    middle = price(between)
    yield certain.some(balls.positive(price(end) - middle) for end in (first, second))
