"""Whole texts: every text of a small tree, listed with its probability and summed up exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check import certificate as certain
from steering_strength.proofs_check import comparison
from steering_strength.proofs_check.balls import Ball, Balls
from steering_strength.proofs_check.check import check, reading
from steering_strength.proofs_check.comparison import EPS, Comparison, claim, compare, not_above
from steering_strength.proofs_check.instances import SequenceCase
from steering_strength.proofs_check.law_values import law, value
from steering_strength.proofs_check.oracles import exact, precise
from steering_strength.proofs_check.oracles.precise import CTX, Number, Tilt, dot, number, numbers
from steering_strength.proofs_check.simulation import Simulation
from steering_strength.proofs_check.strategies import sequence_cases
from steering_strength.proofs_check.tolerance import NAIVE
from steering_strength.theory.laws.sequences import CHAIN, CHAIN_BACK, INFORMATION, SECOND


def _rows(case: SequenceCase, alpha: Number) -> list[list[Number]]:
    return [tilt.at(alpha) for tilt in case.tilts]


def _prefixes(case: SequenceCase, alpha: Number) -> list[Number]:
    """P_alpha of every prefix: products of next-token probabilities."""
    return exact.prefixes(_rows(case, alpha))


def _texts(case: SequenceCase, alpha: Number) -> list[Number]:
    """P_alpha of every text."""
    return _prefixes(case, alpha)[len(case.rows) :]


def _along(case: SequenceCase, per_prefix: Sequence[Number]) -> list[Number]:
    """Sums over the prefixes of each text."""
    return [CTX.fsum(per_prefix[j] for j, _ in path) for path in case.paths]


def _blur(case: SequenceCase) -> Number:
    """Of log P_alpha(x) / P_0(x), at worst: alpha times the score, less the costs."""
    alpha = case.alpha
    steps = [
        t.log_probability(alpha) + abs(number(alpha)) * t.mean(0.0) + t.divergence(alpha)
        for t in case.limits
    ]
    return max(_along(case, steps)) + EPS


def _spread_of(share: Sequence[Number], values: Sequence[Number]) -> Number:
    """sum p |f - mean|, through which relative errors of the shares act."""
    centre = dot(share, values)
    return dot(share, [abs(x - centre) for x in values])


def _noise(case: SequenceCase, alpha: float) -> float:
    """Of log P_alpha(x) by matrix products, at worst."""
    W, H = case.model.W, case.model.H
    table = np.array([*case.rows, *case.positive, *case.negative], dtype=float)
    residue = 8 * EPS * float(np.linalg.norm(1 + np.abs(np.log(table))))
    noises = [float(Simulation(W, h, case.vector, residue).noise(alpha)) for h in np.transpose(H)]
    return len(case.paths[-1]) * max(noises)


def _simulated(case: SequenceCase, alpha: float) -> NDArray[np.float64]:
    """log P_alpha of every text, in the order of their numbers."""
    paths = case.model.all_texts(len(case.paths[-1]))
    found = case.model.text_log_probability(paths, case.vector, alpha)
    return found[np.argsort(_numbers(case, paths[1]))]


def _numbers(case: SequenceCase, tokens: Any) -> list[int]:
    """The number of each text, from its tokens."""
    result = []
    for row in tokens.tolist():
        k = 0
        for z in row:
            k = k if z < 0 else len(case.M) * k + 1 + z
        result.append(k)
    return result


def _tree(case: SequenceCase) -> dict[str, Any]:
    """Rows p[j, z], and w and u: P_0 and P_alpha of every prefix."""
    alpha = number(case.alpha)
    return {
        "V": len(case.M), "J": len(case.rows), "alpha": alpha, "M": case.M,
        "p": [tilt.p for tilt in case.tilts],
        "w": _prefixes(case, number(0)), "u": _prefixes(case, alpha),
    }  # fmt: skip


def _chain(found: Any, values: dict[str, Any], oracle: Number) -> dict[str, tuple[Any, Any]]:
    """Both sides of the claim that an induction over prefixes ends in."""
    scale = comparison.LAW * max(1, abs(oracle))
    sides = {"induction_over_texts": found.lhs, "induction_over_prefixes": found.rhs}
    return {name: (value(side, values), scale) for name, side in sides.items()}


@check(
    "sequence-ratio",
    sequence_cases(),
    judges=(
        "SampledTexts: log_weights count",
        "SequenceFeatures: tree steering_vector log_probability text_log_probability all_texts "
        "observed",
    ),
)
def sequence_ratio(case: SequenceCase) -> Iterator[Comparison]:
    """log P_alpha(x)/P_0(x) = sum_t [alpha M(x_t) - K_t] = alpha S(x) - sum_t cost_t.
    Tolerance: each step's log-probability, alpha times the error of its mean, and its cost; the
    simulation to the noise of a matrix product per step."""
    alpha, model, path = number(case.alpha), case.model, case.paths[-1]
    before, after = _texts(case, number(0)), _texts(case, alpha)
    oracle = [CTX.log(b / a) for a, b in zip(before, after, strict=True)]
    texts, blur = case.sampled(), _blur(case)
    yield compare("log P_alpha / P_0", oracle, engine=(texts.log_weights(case.alpha), blur))
    for at, row in ((0.0, before), (case.alpha, after)):
        seen = (_simulated(case, at), _noise(case, at))
        yield compare(f"log P of texts at {at}", [CTX.log(x) for x in row], simulation=seen)
    noise = _noise(case, case.alpha) + _noise(case, 0.0)
    yield from comparison.as_alone("weights", texts.log_weights, case.alpha, 0.5)
    start, end = (
        model.log_probability([j for j, _ in path], case.vector, a) for a in (0, case.alpha)
    )
    gained = sum(float(end[i, z] - start[i, z]) for i, (_, z) in enumerate(path))
    yield compare("one text", oracle[-1], step_by_step=(gained, noise))
    paths = model.all_texts(len(path))
    written = model.observed(paths, case.vector).log_weights(case.alpha)
    own = [oracle[k - len(case.rows)] for k in _numbers(case, paths[1])]
    share = np.exp(_simulated(case, 0.0))
    weighed = model.observed(paths, case.vector, share).weights
    yield claim("their weights", weighed is not None and np.allclose(weighed, share / share.sum()))
    yield compare("what the model wrote", own, engine=(written, 2 * blur + 4 * noise))
    for n in (-2, -1, 1, 2):
        rational = exact.prefixes([exact.tilted(row, case.ratios, n) for row in case.rows])
        found = _prefixes(case, number(n * case.q))
        yield compare(f"P_alpha at alpha = {n} q", found, fractions=(rational, NAIVE))
    yield comparison.equal("texts", len(oracle), texts.count)
    yield comparison.equal("texts in order", paths[1].tolist(), sorted(paths[1].tolist()))
    values = {"V": len(case.M), "T": len(path), "alpha": alpha, "M": case.M,
              "p": [case.tilts[j].p for j, _ in path], "X": [z for _, z in path]}  # fmt: skip
    yield law("sequence-ratio", values, oracle[-1])


@check(
    "sequence-ce",
    sequence_cases(),
    judges="SampledTexts: cross_entropy_increase token_costs per_token root interval",
)
def sequence_ce(case: SequenceCase) -> Iterator[Comparison]:
    """KL(P_0 || P_alpha) = E_0 sum_t [K_t - alpha K_t'(0)]: convex, one root on each side.
    Tolerance: each divergence to its own tolerance, its weight to the rounding of the rows; a
    root to 1e-6, as it says."""
    alpha, last, values = number(case.alpha), len(case.rows) - 1, _tree(case)
    share, at = _texts(case, number(0)), values["w"][: last + 1]
    oracle = precise.kl(share, _texts(case, alpha))
    costs = [tilt.price(alpha) for tilt in case.tilts]
    error = [
        t.divergence(case.alpha) + 16 * EPS * t.depth * c
        for t, c in zip(case.limits, costs, strict=True)
    ]
    allowed, length = dot(at, error), CTX.fsum(at)
    texts, drawn = case.sampled(), case.sampled(listed=False)
    yield compare(
        "KL(P_0 || P_alpha)",
        oracle,
        engine=(texts.cross_entropy_increase(case.alpha)[0], allowed),
        **_chain(CHAIN, values, oracle),
    )
    step = at[last] * (costs[last] + CTX.log(at[last] / values["u"][last]))
    yield law("sequence-ce", values, step, j=last)
    tokens, off = ([row[j] for path in case.paths for j, _ in path] for row in (costs, error))
    yield compare("costs of the tokens", tokens, engine=(texts.token_costs(case.alpha), off))
    engine = (texts.per_token(case.alpha), allowed / length + 16 * EPS * oracle)
    yield compare("cost per token", oracle / length, engine=engine)
    # Mean and standard error of texts as if drawn.
    whole = _along(case, costs)
    N, mean = len(whole), CTX.fsum(whole) / len(whole)
    spread = CTX.sqrt(CTX.fsum((x - mean) ** 2 for x in whole) / (N - 1) / N)
    found = (drawn.cross_entropy_increase(case.alpha), max(error) * 8)
    yield compare("mean of drawn texts, and its error", [mean, spread], engine=found)
    middle = precise.kl(share, _texts(case, alpha / 2))
    yield not_above("convexity", 2 * middle, oracle, NAIVE * (1 + oracle))
    # Quantiles pooled over positions; between two where a share is a boundary.
    for q in (0.3, 0.9):
        low, high = (_quantile(at, costs, number(q) + d) for d in (-1e-9, 1e-9))
        said, room = float(texts.per_token(case.alpha, q)), max(error) + NAIVE
        yield not_above(f"quantile {q}, from below", low, said, room)
        yield not_above(f"quantile {q}, from above", said, high, room)
    yield from _roots(case, at)
    # The other divergence, of every token.
    back = [tilt.price_back(alpha) for tilt in case.tilts]
    rough = [
        t.reverse_divergence(case.alpha) + 16 * EPS * t.depth * c
        for t, c in zip(case.limits, back, strict=True)
    ]
    there = [j for path in case.paths for j, _ in path]
    engine = (texts.token_costs(case.alpha, "reverse"), [rough[j] for j in there])
    yield compare("reverse costs of the tokens", [back[j] for j in there], engine=engine)
    room = dot(at, rough) / length + 16 * EPS * max(back)
    engine = (texts.per_token(case.alpha, direction="reverse"), room)
    yield compare("reverse cost per token", dot(at, back) / length, engine=engine)
    low, _ = drawn.interval(case.alpha, 0.5, "reverse", seed=1)
    near = min(abs(low - c) - max(rough) - 1e-12 * c for c in back)
    yield claim(f"an end of a median's interval is a cost: {low}", near <= NAIVE)
    # The bootstrap interval: listed texts have none; of drawn ones it lies among their costs.
    alone = float(texts.per_token(case.alpha))
    yield comparison.equal("interval of listed texts", (alone, alone), texts.interval(case.alpha))
    for ask in (texts.cross_entropy_increase, texts.token_costs, texts.per_token):
        yield from comparison.as_alone(ask.__name__, ask, case.alpha, 0.5)
    lower, upper = drawn.interval(case.alpha)
    order = [min(costs), lower, CTX.fsum(tokens) / len(tokens), upper, max(costs)]
    yield not_above("interval", order[:-1], order[1:], 1e-9 * (1 + max(costs)))


def _quantile(at: Sequence[Number], costs: Sequence[Number], share: Number) -> Number:
    """The smallest cost that at least this share of the weight does not exceed."""
    total, counted = CTX.fsum(at), number(0)
    for cost, weight in sorted(zip(costs, at, strict=True)):
        counted += weight
        if counted >= share * total:
            return cost
    return max(costs)


def _roots(case: SequenceCase, at: Sequence[Number]) -> Iterator[Comparison]:
    """The strength of a budget per token, on the side of alpha, for both divergences."""
    texts, side, goal = case.sampled(), 1 if case.alpha >= 0 else -1, 0.1
    if max(case.M) == min(case.M):
        root = texts.root(goal, side)
        yield claim("no root for a constant M", not root.reached or abs(root.alpha) > 1e12)
        return

    length, limits = CTX.fsum(at), case.limits[0]
    prices: dict[Literal["forward", "reverse"], Callable[[Tilt, float], Number]]
    prices = {"forward": Tilt.price, "reverse": Tilt.price_back}
    for direction, price in prices.items():
        root = texts.root(goal, side, direction=direction)
        if not root.reached:
            top = case.tilts[0].end(side)
            ends = [z for z, m in enumerate(case.M) if abs(m - top) < 1e-12]
            deep = [-CTX.log(tilt.concept(ends, 0)) for tilt in case.tilts]
            yield not_above("supremum of the cost", dot(at, deep) / length, goal * (1 + 1e-8))
            continue
        costs = [[price(tilt, end) for tilt in case.tilts] for end in (root.lower, root.upper)]
        below, above = sorted(dot(at, each) / length for each in costs)
        slack = 64 * EPS * limits.depth * (1 + abs(root.alpha) * limits.spread)
        yield not_above("around the root", [below, goal], [goal, above], slack)
        yield not_above("width", (root.upper - root.lower) / abs(root.alpha), 1.1e-6)
        yield claim("the root is an end of its bracket", root.alpha in (root.lower, root.upper))
    root = texts.root(goal, side, percentile=0.9)
    if root.reached:
        span = (root.lower, root.upper)[::side]
        low, high = ([tilt.price(end) for tilt in case.tilts] for end in span)
        below = _quantile(at, low, number(0.9) - 1e-9)
        above = _quantile(at, high, number(0.9) + 1e-9)
        slack = 64 * EPS * limits.depth * (1 + abs(root.alpha) * limits.spread)
        yield not_above("around the root of a quantile", [below, goal], [goal, above], slack)


@check("sequence-reverse", sequence_cases(), judges="SampledTexts: reverse_kl")
def sequence_reverse(case: SequenceCase) -> Iterator[Comparison]:
    """KL(P_alpha || P_0) = E_alpha sum_t [alpha K_t' - K_t].
    Tolerance: each divergence to its own tolerance; the steered share of a text to that of its
    log-weight, which acts through the spread of the costs."""
    alpha, last, values = number(case.alpha), len(case.rows) - 1, _tree(case)
    after, at = _texts(case, alpha), values["u"][: last + 1]
    oracle = precise.kl(after, _texts(case, number(0)))
    costs = [tilt.price_back(alpha) for tilt in case.tilts]
    own = dot(at, [t.reverse_divergence(case.alpha) for t in case.limits])
    moved = 4 * _blur(case) * _spread_of(after, _along(case, costs)) + 16 * EPS * oracle
    yield compare(
        "KL(P_alpha || P_0)",
        oracle,
        engine=(case.sampled().reverse_kl(case.alpha)[0], own + moved),
        **_chain(CHAIN_BACK, values, oracle),
    )
    step = at[last] * (costs[last] + CTX.log(at[last] / values["w"][last]))
    yield law("sequence-reverse", values, step, j=last)
    yield from comparison.as_alone("KL back", case.sampled().reverse_kl, case.alpha, 0.5)


@check("sequence-score", sequence_cases(), judges="SampledTexts: slope information")
def sequence_score(case: SequenceCase) -> Iterator[Comparison]:
    """d/dalpha E_alpha[f] = Cov_alpha(f, S); E_alpha[S] = 0; E_alpha[S^2] = E_alpha sum_t K_t''.
    Tolerance: the shares to the error of the log-weights, the scores to that of the means, times
    the judge's spread."""
    alpha, texts, limits, blur = number(case.alpha), case.sampled(), case.limits, _blur(case)
    spread, scale, values = case.tilts[0].spread, case.tilts[0].scale, _tree(case)
    # d/dalpha log P_alpha of every prefix, by the sum in its definition.
    scores, means = [number(0)], [tilt.mean(alpha) for tilt in case.tilts]
    for j, centre in enumerate(means):
        scores += [scores[j] + m - centre for m in case.M]
    share, score, judged = _texts(case, alpha), scores[len(case.rows) :], numbers(case.judged)
    oracle = precise.derivative(lambda a: dot(_texts(case, a), judged), alpha, scale)
    size, T = max(map(abs, case.judged)) or 1, len(case.paths[-1])
    allowed = 2 * max(_along(case, [t.mean(case.alpha) + 2 * t.mean(0.0) for t in limits]))
    allowed += 4 * blur * dot(share, [abs(s) for s in score])
    allowed += 2 * EPS * max(abs(m) for m in case.M) * T
    covariance = dot(share, [f * s for f, s in zip(judged, score, strict=True)])
    yield compare(
        "slope of E_alpha[f]",
        oracle,
        covariance=(covariance, 1e-30 * size * (1 + spread)),
        engine=(texts.slope(case.judged, case.alpha)[0], size * allowed),
    )
    yield not_above("|E_alpha[S]|", abs(dot(share, score)), 1e-80 * (1 + spread))
    ends = [_texts(case, alpha + s * precise.STEP * scale) for s in (-1, 1)]
    slopes = [CTX.log(b / a) / (2 * precise.STEP * scale) for a, b in zip(*ends, strict=True)]
    fisher = dot(share, [s**2 for s in slopes])
    variances = [tilt.variance(alpha) for tilt in case.tilts]
    own = dot(values["u"][: len(case.rows)], [t.variance(case.alpha) for t in limits])
    own += 4 * blur * _spread_of(share, _along(case, variances)) + 16 * EPS * fisher
    yield compare(
        "Fisher information",
        fisher,
        engine=(texts.information(case.alpha)[0], own),
        **_chain(INFORMATION, {**values, "S": scores}, fisher),
    )
    yield from comparison.as_alone("E[S^2]", texts.information, case.alpha, 0.5)
    yield from comparison.as_alone(
        "slope of E[f]", partial(texts.slope, case.judged), case.alpha, 0.5
    )
    # The law speaks of a list of texts of T tokens: here, the longest ones of the tree.
    chosen = [i for i, path in enumerate(case.paths) if len(path) == T]
    some = [judged[i] for i in chosen]
    slope = precise.derivative(
        lambda a: dot(some, [_texts(case, a)[i] for i in chosen]), alpha, scale
    )
    before, longest = _texts(case, number(0)), [case.paths[i] for i in chosen]
    listed = {
        "V": len(case.M), "T": T, "n": len(chosen), "alpha": alpha, "M": case.M, "f": some,
        "p": [[case.tilts[j].p for j, _ in path] for path in longest],
        "X": [[z for _, z in path] for path in longest], "w": [before[i] for i in chosen],
    }  # fmt: skip
    yield law("sequence-score", listed, slope)


@check(
    "sequence-weights", sequence_cases(), judges="SampledTexts: expectation effective_sample_size"
)
def sequence_weights(case: SequenceCase) -> Iterator[Comparison]:
    """E_alpha[f] = E_0[f P_alpha/P_0]; N e^(-D_2) of N texts count, and D_2 <= T max_t D_2,t.
    Tolerance: the shares of the texts to the error of their log-weights."""
    alpha, last, values = number(case.alpha), len(case.rows) - 1, _tree(case)
    before, after, judged = _texts(case, number(0)), _texts(case, alpha), numbers(case.judged)
    texts, drawn = case.sampled(), case.sampled(listed=False)
    blur, size = _blur(case), max(abs(f) for f in case.judged)
    allowed = 4 * blur * _spread_of(after, judged) + 16 * EPS * size
    found = (texts.expectation(case.judged, case.alpha)[0], allowed)
    yield compare("E_alpha[f]", dot(after, judged), engine=found)
    second = CTX.fsum(b**2 / a for a, b in zip(before, after, strict=True))
    N = len(before)
    allowed = N / second * (8 * blur + 64 * EPS * case.limits[0].depth)
    engine = (texts.effective_sample_size(case.alpha), allowed)
    expectation = partial(texts.expectation, case.judged)
    yield from comparison.as_alone("E_alpha[f]", expectation, case.alpha, 0.5)
    yield from comparison.as_alone("N", texts.effective_sample_size, case.alpha, 0.5)
    yield compare("effective sample size", N / second, engine=engine)
    yield compare("sum u^2/w", second, **_chain(SECOND, values, second))
    growth = [tilt.cgf(2 * alpha) - 2 * tilt.cgf(alpha) for tilt in case.tilts]
    step = values["u"][last] ** 2 / values["w"][last] * CTX.exp(growth[last])
    yield law("sequence-weights", values, step, j=last)
    yield not_above("D_2 >= 0", 1, second, NAIVE)
    most = len(case.paths[-1]) * max(growth)
    yield not_above("D_2 <= c T", CTX.log(second), most, NAIVE * (1 + abs(alpha)))
    # Every text once, weighed by P_alpha/P_0 alone: the estimate and its standard error.
    weights = [b / a for a, b in zip(before, after, strict=True)]
    share = [x / CTX.fsum(weights) for x in weights]
    mean = dot(share, judged)
    terms = [(p * (f - mean)) ** 2 for p, f in zip(share, judged, strict=True)]
    oracle = [mean, CTX.sqrt(CTX.fsum(terms) * N / (N - 1))]
    # A square root of a sum that vanishes knows it to half its digits.
    estimate = (drawn.expectation(case.judged, case.alpha), 16 * size * (blur + EPS) + 1e-150)
    yield compare("E_alpha[f] of texts as if drawn", oracle, engine=estimate)


def _rational(case: SequenceCase, n: int) -> tuple[list[Fraction], list[Fraction]]:
    """P_0 and P_alpha of the texts at alpha = n q, exactly."""
    before, after = (
        exact.prefixes([exact.tilted(row, case.ratios, k) for row in case.rows]) for k in (0, n)
    )
    return before[len(case.rows) :], after[len(case.rows) :]


def reverse_at(case: SequenceCase, n: int) -> Number:
    """KL(P_alpha || P_0) at alpha = n q: probabilities are fractions there."""
    before, after = map(numbers, _rational(case, n))
    return precise.kl(after, before)


def second_at(case: SequenceCase, n: int) -> Fraction:
    """sum_x P_alpha(x)^2 / P_0(x) at alpha = n q, exactly."""
    pairs = zip(*_rational(case, n), strict=True)
    return sum((Fraction(b) ** 2 / a for a, b in pairs), start=Fraction(0))


_STEPS = range(9)


@reading("sequence-reverse/monotone", sequence_cases())
def reverse_monotone(case: SequenceCase) -> Iterator[Comparison]:
    """KL(P_alpha || P_0) of whole texts grows with |alpha|, as that of a token does.
    Tolerance: none: 120 digits at alpha = n q, where all probabilities are fractions.
    Instead (Sec. 6, texts): it may fall, as texts move to where steering costs less; KL(P_0 ||
    P_alpha) grows."""
    for side in (1, -1):
        for low, high in pairwise(reverse_at(case, side * n) for n in _STEPS):
            yield not_above("KL(P_alpha || P_0)", low - NAIVE, high)


@reading("sequence-reverse/convex", sequence_cases())
def reverse_convex(case: SequenceCase) -> Iterator[Comparison]:
    """KL(P_alpha || P_0) of whole texts is convex in alpha, as KL(P_0 || P_alpha) is.
    Tolerance: none: 120 digits at alpha = n q, where all probabilities are fractions.
    Instead (Sec. 6, texts): it is bounded, so it cannot be."""
    values = [reverse_at(case, n) for n in (-1, 0, 1, 2)]
    for a, b, c in zip(values, values[1:], values[2:], strict=False):
        yield not_above("twice the middle", 2 * b - NAIVE, a + c)


@reading("sequence-weights/falls", sequence_cases())
def size_falls(case: SequenceCase) -> Iterator[Comparison]:
    """The further one steers, the fewer unsteered texts count.
    Tolerance: none: fractions at alpha = n q.
    Instead (Sec. 6, texts): N / sum P_alpha^2/P_0 is the effective sample size, and the sum may
    fall again."""
    for side in (1, -1):
        for low, high in pairwise(second_at(case, side * n) for n in _STEPS):
            yield not_above("sum P_alpha^2/P_0", low, high)


def _moving(case: SequenceCase) -> SequenceCase:
    """The instance with M not constant, alpha != 0 and |alpha| (max M - min M) <= 64."""
    if len(set(case.ratios)) == 1:
        first, *rest = case.positive[0]
        row = ((first + 1) / 2, *(x / 2 for x in rest))
        case = replace(case, positive=(row, *case.positive[1:]))
    return certain.moderate(replace(case, alpha=case.alpha or 1.0), reach=64.0)


@certain.certificate("sequence-ce", sequence_cases().map(_moving), weight=0.25)
def sequence_ce_certificate(case: SequenceCase, balls: Balls) -> certain.Answers:
    """KL(P_0 || P_alpha) > 0 from the probabilities of all texts, equal to the law's sum over
    prefixes to 64 bits; less than half of KL at alpha at half of it, as convexity has it; and D_2
    below T times the largest D_2 of a token, give or take 2^-40; M not constant, alpha not 0."""
    # Texts summed one by one.
    J, M = len(case.rows), [balls.log(balls.exact(r)) / case.q for r in case.ratios]
    rows = [[balls.exact(x) for x in row] for row in case.rows]
    before = [balls.exact(x) for x in exact.prefixes(case.rows)]

    def steered(alpha: Fraction) -> tuple[list[Ball], list[Ball]]:
        """P_alpha of the texts, and Z_j(2 alpha)/Z_j(alpha)^2."""
        tilts = [balls.exp(balls.exact(alpha) * m) for m in M]
        weights = [[p * t for p, t in zip(row, tilts, strict=True)] for row in rows]
        totals = [balls.total(row) for row in weights]
        twice = [balls.total([x * t for x, t in zip(row, tilts, strict=True)]) for row in weights]
        shares = [[x / total for x in row] for row, total in zip(weights, totals, strict=True)]
        growth = [a / (b * b) for a, b in zip(twice, totals, strict=True)]
        return exact.prefixes(shares)[J:], growth

    def divergence(after: list[Ball]) -> Ball:
        return balls.total([a * balls.log(a / b) for a, b in zip(before[J:], after, strict=True)])

    alpha = Fraction(case.alpha)
    after, growth = steered(alpha)
    whole, half = divergence(after), divergence(steered(alpha / 2)[0])
    values = {"V": len(M), "J": J, "alpha": balls.exact(alpha), "p": rows, "M": M, "w": before}
    yield balls.positive(whole)
    yield certain.same(value(CHAIN.rhs, values, balls), whole, balls)
    yield balls.positive(whole - 2 * half)
    second = balls.log(balls.total(b * b / a for a, b in zip(before[J:], after, strict=True)))
    room = balls.exact(len(case.paths[-1])) * balls.exact(1 + Fraction(1, 2**40))
    yield certain.some(balls.positive(room * balls.log(g) - second) for g in growth)
