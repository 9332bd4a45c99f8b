"""Whole texts: every text of a small tree, listed with its probability and summed up exactly."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from steering_strength.proofs_check.balls import Balls
from steering_strength.proofs_check.certificate import (
    Certificate,
    agrees,
    certificate,
    every,
    same,
)
from steering_strength.proofs_check.check import Check, check
from steering_strength.proofs_check.comparison import (
    EPS,
    LAW,
    Comparison,
    Value,
    claim,
    compare,
    equal,
    not_above,
    worst,
)
from steering_strength.proofs_check.instances import SequenceCase
from steering_strength.proofs_check.law_values import Binding, in_balls, law_sides, value
from steering_strength.proofs_check.oracles import exact, precise
from steering_strength.proofs_check.oracles.precise import CTX, Number, number
from steering_strength.proofs_check.simulation import Simulation
from steering_strength.proofs_check.strategies import sequence_cases
from steering_strength.proofs_check.tolerance import NAIVE, Tolerance
from steering_strength.theory.laws.sequences import CHAIN, CHAIN_BACK, INFORMATION, SECOND

__all__ = ["CERTIFICATES", "CHECKS", "reverse_at", "second_at"]


# -- the oracle, and what float64 may make of it ------------------------------------------------


def _rows(case: SequenceCase, alpha: Number) -> list[list[Number]]:
    return [precise.tilted(row, case.M, alpha) for row in case.p]


def _prefixes(case: SequenceCase, alpha: Number) -> list[Number]:
    """P_alpha of every prefix: products of next-token probabilities."""
    return exact.prefixes(_rows(case, alpha))


def _texts(case: SequenceCase, alpha: Number) -> list[Number]:
    """P_alpha of every text."""
    return _prefixes(case, alpha)[len(case.rows) :]


def _average(share: list[Number], values: Any) -> Number:
    return CTX.fsum(p * x for p, x in zip(share, values, strict=True))


def _scores(case: SequenceCase, alpha: Number) -> list[Number]:
    """d/dalpha log P_alpha(x) by the sum in its definition."""
    means = [precise.mean(row, case.M, alpha) for row in case.p]
    return [CTX.fsum(case.M[z] - means[j] for j, z in path) for path in case.paths]


@lru_cache(maxsize=64)
def _limits(case: SequenceCase) -> tuple[Tolerance, ...]:
    spread = max(case.M) - min(case.M)
    rarest = min(min(row) for row in case.p)
    depth = 1 + abs(CTX.log(rarest))
    blur = EPS * max(abs(m) for m in case.M)
    return tuple(Tolerance(depth, spread, blur, row, case.M) for row in case.p)


def _along(case: SequenceCase, per_prefix: list[Number]) -> list[Number]:
    """Sums over the prefixes of each text."""
    return [CTX.fsum(per_prefix[j] for j, _ in path) for path in case.paths]


def _blur(case: SequenceCase) -> Number:
    """Of log P_alpha(x) / P_0(x), at worst: alpha times the score, less the costs."""
    at = abs(number(case.alpha))
    steps = [
        t.log_probability(case.alpha) + at * t.mean(0.0) + t.divergence(case.alpha)
        for t in _limits(case)
    ]
    return max(_along(case, steps)) + EPS


def _spread_of(share: list[Number], values: Any) -> Number:
    """sum p |f - mean|, through which relative errors of the shares act."""
    centre = _average(share, values)
    return _average(share, [abs(x - centre) for x in values])


def _noise(case: SequenceCase, alpha: float) -> float:
    """Of log P_alpha(x) by matrix products, at worst."""
    W, H = case.model.W, case.model.H
    table = np.array([*case.rows, *case.positive, *case.negative], dtype=float)
    residue = 8 * EPS * float(np.linalg.norm(1 + np.abs(np.log(table))))
    noises = [float(Simulation(W, h, case.vector, residue).noise(alpha)) for h in np.transpose(H)]
    return len(case.paths[-1]) * max(noises)


def _simulated(case: SequenceCase, alpha: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """log P_alpha of every text, in the order of their numbers."""
    paths = case.model.all_texts(len(case.paths[-1]))
    found = case.model.text_log_probability(paths, case.vector, alpha)
    return found[np.argsort(_numbers(case, paths[1]))]


def _numbers(case: SequenceCase, tokens: Any) -> list[int]:
    """The number of each text, from its tokens."""
    V = len(case.M)
    result = []
    for row in tokens.tolist():
        k = 0
        for z in row:
            k = k if z < 0 else V * k + 1 + z
        result.append(k)
    return result


def _binding(case: SequenceCase) -> Binding:
    """The tree: rows p[j, z], and w, u, S, t of every prefix."""
    alpha, V, J = number(case.alpha), len(case.M), len(case.rows)
    numbers: dict[str, Any] = {"V": V, "J": J, "alpha": alpha}
    return Binding(
        numbers,
        {
            "p": case.p,
            "M": case.M,
            "w": _prefixes(case, number(0)),
            "u": _prefixes(case, alpha),
        },
    )


def _chain(found: Any, binding: Binding, oracle: Number) -> list[Value]:
    """Both sides of the claim that an induction over prefixes ends in."""
    scale = LAW * max(1, abs(oracle))
    return [
        Value(f"induction, {side}", value(e, binding.numbers, binding.arrays), scale)
        for side, e in (("texts", found.lhs), ("prefixes", found.rhs))
    ]


# -- the laws -----------------------------------------------------------------------------------


@check(
    "sequence-ratio",
    cases=sequence_cases(),
    tolerance="each step's log-probability, alpha times the error of its mean, and its cost; the "
    "simulation to the noise of a matrix product per step",
    judges=(
        "SampledTexts.log_weights",
        "SampledTexts.count",
        "SequenceFeatures.tree",
        "SequenceFeatures.steering_vector",
        "SequenceFeatures.log_probability",
        "SequenceFeatures.text_log_probability",
        "SequenceFeatures.all_texts",
        "SequenceFeatures.observed",
    ),
)
def sequence_ratio(case: SequenceCase) -> Comparison:
    """log P_alpha(x)/P_0(x) = sum_t [alpha M(x_t) - K_t] = alpha S(x) - sum_t cost_t."""
    alpha = number(case.alpha)
    before, after = _texts(case, number(0)), _texts(case, alpha)
    oracle = [CTX.log(b / a) for a, b in zip(before, after, strict=True)]
    texts, blur = case.sampled(), _blur(case)
    noise = _noise(case, case.alpha) + _noise(case, 0.0)
    model, path = case.model, case.paths[-1]
    paths = model.all_texts(len(path))
    steps = [model.log_probability([j for j, _ in path], case.vector, a) for a in (0, case.alpha)]
    gained = sum(float(steps[1][i, z] - steps[0][i, z]) for i, (_, z) in enumerate(path))
    seen = model.observed(paths, case.vector).log_weights(case.alpha)
    rational = [
        exact.prefixes([exact.tilted(row, case.ratios, n) for row in case.rows])
        for n in (-2, -1, 1, 2)
    ]
    binding = Binding(
        {"V": len(case.M), "T": len(path), "alpha": alpha},
        {"p": [case.p[j] for j, _ in path], "X": [z for _, z in path], "M": case.M},
    )
    return worst(
        [
            compare(
                "log P_alpha / P_0",
                oracle,
                Value("engine", texts.log_weights(case.alpha), blur),
                Value("simulation", _simulated(case, case.alpha) - _simulated(case, 0.0), noise),
            ),
            compare("one text", oracle[-1], Value("step by step", gained, noise)),
            compare(
                "log P_alpha / P_0 of what the model wrote",
                [oracle[k - len(case.rows)] for k in _numbers(case, paths[1])],
                Value("engine", seen, 2 * blur + 4 * noise),
            ),
            compare(
                "P_alpha at alpha = n q, in fractions",
                [_prefixes(case, number(n * case.q)) for n in (-2, -1, 1, 2)],
                Value("fractions", [[number(x) for x in row] for row in rational], NAIVE),
            ),
            equal("texts", len(oracle), texts.count),
            equal("texts in order", paths[1].tolist(), sorted(paths[1].tolist())),
            compare(
                "log P_alpha / P_0",
                oracle[-1],
                *law_sides("sequence-ratio", binding, oracle[-1]),
            ),
        ]
    )


@check(
    "sequence-ce",
    cases=sequence_cases(),
    tolerance="each divergence to its own tolerance, its weight to the rounding of the rows; the "
    "simulation to a matrix product per step; a root to 1e-6, as it says",
    judges=(
        "SampledTexts.cross_entropy_increase",
        "SampledTexts.token_costs",
        "SampledTexts.per_token",
        "SampledTexts.per_text",
        "SampledTexts.root",
        "SampledTexts.interval",
    ),
)
def sequence_ce(case: SequenceCase) -> Comparison:
    """KL(P_0 || P_alpha) = E_0 sum_t [K_t - alpha K_t'(0)]: convex, one root on each side."""
    alpha, J = number(case.alpha), len(case.rows)
    share = _texts(case, number(0))
    oracle = precise.kl(share, _texts(case, alpha))
    middle = precise.kl(share, _texts(case, alpha / 2))
    costs = [precise.kl(row, after) for row, after in zip(case.p, _rows(case, alpha), strict=True)]
    limits, at = _limits(case), _prefixes(case, number(0))[:J]
    error = [
        t.divergence(case.alpha) + 16 * EPS * t.depth * c
        for t, c in zip(limits, costs, strict=True)
    ]
    allowed = _average(at, error)
    length = CTX.fsum(at)
    logs = [_simulated(case, a) for a in (0.0, case.alpha)]
    simulated = float(np.exp(logs[0]) @ (logs[0] - logs[1]))
    noise = _noise(case, case.alpha) + 2 * _noise(case, 0.0) * (1 + oracle)
    texts, drawn = case.sampled(), case.sampled(listed=False)
    binding = _binding(case)
    last = J - 1
    step = at[last] * (costs[last] + CTX.log(at[last] / binding.arrays["u"][last]))
    mean, spread = _sampled_mean(_along(case, costs))
    return worst(
        [
            compare(
                "KL(P_0 || P_alpha)",
                oracle,
                Value("engine", texts.cross_entropy_increase(case.alpha)[0], allowed),
                Value("simulation", simulated, noise),
                *_chain(CHAIN, binding, oracle),
            ),
            compare("one more token", step, *law_sides("sequence-ce", binding, step, j=last)),
            compare(
                "costs of the tokens",
                [costs[j] for path in case.paths for j, _ in path],
                Value(
                    "engine",
                    texts.token_costs(case.alpha),
                    [error[j] for path in case.paths for j, _ in path],
                ),
            ),
            compare(
                "cost per token",
                oracle / length,
                Value("engine", texts.per_token(case.alpha), allowed / length + 16 * EPS * oracle),
            ),
            compare(
                "mean of texts as if drawn, and its standard error",
                [mean, spread],
                Value("engine", drawn.cross_entropy_increase(case.alpha), max(error) * 8),
            ),
            not_above("convexity", 2 * middle, oracle, NAIVE * (1 + oracle)),
            _quantiles(case, at, costs, max(error)),
            _of_whole_texts(case, share, _along(case, costs), max(_along(case, error))),
            *_roots(case, at),
            _resampled(case, costs),
        ]
    )


def _sampled_mean(values: list[Number]) -> tuple[Number, Number]:
    """Mean and standard error of N independent values."""
    N = len(values)
    mean = CTX.fsum(values) / N
    return mean, CTX.sqrt(CTX.fsum((x - mean) ** 2 for x in values) / (N - 1) / N)


def _quantile(at: list[Number], costs: list[Number], share: Number) -> Number:
    """The smallest cost that at least this share of the tokens does not exceed."""
    total, counted = CTX.fsum(at), number(0)
    for cost, weight in sorted(zip(costs, at, strict=True)):
        counted += weight
        if counted >= share * total:
            return cost
    return max(costs)


def _quantiles(
    case: SequenceCase, at: list[Number], costs: list[Number], allowed: Number
) -> Comparison:
    """Quantiles pooled over positions; between two of them where a share falls on a boundary."""
    found = []
    for share in (0.3, 0.9):
        ends = [_quantile(at, costs, number(share) + d) for d in (-1e-9, 1e-9)]
        engine = float(case.sampled().per_token(case.alpha, share))
        found.append(not_above("quantile", ends[0], engine, allowed + NAIVE))
        found.append(not_above("quantile", engine, ends[1], allowed + NAIVE))
    return worst(found)


def _of_whole_texts(
    case: SequenceCase, share: list[Number], costs: list[Number], allowed: Number
) -> Comparison:
    """Mean and median over texts of what their tokens cost."""
    low, high = (_quantile(share, costs, number(0.5) + d) for d in (-1e-9, 1e-9))
    mean, middle = (float(case.sampled().per_text(case.alpha, share)) for share in (None, 0.5))
    slack = 2 * allowed + NAIVE
    return worst(
        [
            compare("mean over texts", _average(share, costs), Value("engine", mean, slack)),
            not_above("median over texts", low, middle, slack),
            not_above("median over texts", middle, high, slack),
        ]
    )


def _roots(case: SequenceCase, at: list[Number]) -> list[Comparison]:
    """The strength of a budget per token, on the side of alpha, for both divergences."""
    texts, side = case.sampled(), 1 if case.alpha >= 0 else -1
    if max(case.M) == min(case.M):
        root = texts.root(0.1, side)
        return [claim("no root for a constant M", not root.reached or abs(root.alpha) > 1e12)]
    goal, found = 0.1, []
    for direction in ("forward", "reverse"):
        root = texts.root(goal, side, direction=direction)
        if not root.reached:
            top = max(case.M) if side > 0 else min(case.M)
            ends = [z for z, m in enumerate(case.M) if abs(m - top) < 1e-12]
            deep = [-CTX.log(CTX.fsum(row[z] for z in ends)) for row in case.p]
            supremum = _average(at, deep) / CTX.fsum(at)
            found.append(not_above("supremum of the cost", supremum, goal * (1 + 1e-8)))
            continue
        ends = []
        for place in (root.lower, root.upper):
            rows = _rows(case, number(place))
            costs = [
                precise.kl(a, b) if direction == "forward" else precise.kl(b, a)
                for a, b in zip(case.p, rows, strict=True)
            ]
            ends.append(_average(at, costs) / CTX.fsum(at))
        low, high = sorted(ends)
        slack = 64 * EPS * _limits(case)[0].depth * (1 + abs(root.alpha) * _limits(case)[0].spread)
        found += [
            not_above("below the root", low, goal, slack),
            not_above("above the root", goal, high, slack),
            not_above("width", (root.upper - root.lower) / abs(root.alpha), 1.1e-6),
            claim("the root is an end of its bracket", root.alpha in (root.lower, root.upper)),
        ]
    return found


def _resampled(case: SequenceCase, costs: list[Number]) -> Comparison:
    """The bootstrap interval: listed texts have none; of drawn ones it lies among their costs."""
    value = float(case.sampled().per_token(case.alpha))
    low, high = case.sampled(listed=False).interval(case.alpha)
    slack = 1e-9 * (1 + max(costs))
    tokens = [costs[j] for path in case.paths for j, _ in path]
    mean = CTX.fsum(tokens) / len(tokens)
    return worst(
        [
            equal("interval of listed texts", (value, value), case.sampled().interval(case.alpha)),
            not_above("interval", min(costs), low, slack),
            not_above("interval", low, mean, slack),
            not_above("interval", mean, high, slack),
            not_above("interval", high, max(costs), slack),
        ]
    )


@check(
    "sequence-reverse",
    cases=sequence_cases(),
    tolerance="each divergence to its own tolerance; the steered share of a text to that of its "
    "log-weight, which acts through the spread of the costs",
    judges=("SampledTexts.reverse_kl",),
)
def sequence_reverse(case: SequenceCase) -> Comparison:
    """KL(P_alpha || P_0) = E_alpha sum_t [alpha K_t' - K_t]."""
    alpha, J = number(case.alpha), len(case.rows)
    before, after = _texts(case, number(0)), _texts(case, alpha)
    oracle = precise.kl(after, before)
    costs = [precise.kl(b, a) for a, b in zip(case.p, _rows(case, alpha), strict=True)]
    limits, blur = _limits(case), _blur(case)
    at = _prefixes(case, alpha)[:J]
    own = _average(at, [t.reverse_divergence(case.alpha) for t in limits])
    moved = 4 * blur * _spread_of(after, _along(case, costs)) + 16 * EPS * oracle
    logs = [_simulated(case, a) for a in (0.0, case.alpha)]
    noise = 2 * (_noise(case, case.alpha) + _noise(case, 0.0)) * (1 + oracle)
    binding, last = _binding(case), J - 1
    step = at[last] * (costs[last] + CTX.log(at[last] / binding.arrays["w"][last]))
    return worst(
        [
            compare(
                "KL(P_alpha || P_0)",
                oracle,
                Value("engine", case.sampled().reverse_kl(case.alpha)[0], own + moved),
                Value("simulation", float(np.exp(logs[1]) @ (logs[1] - logs[0])), noise),
                *_chain(CHAIN_BACK, binding, oracle),
            ),
            compare("one more token", step, *law_sides("sequence-reverse", binding, step, j=last)),
        ]
    )


@check(
    "sequence-score",
    cases=sequence_cases(),
    tolerance="the shares to the error of the log-weights, the scores to that of the means, times "
    "the judge's spread; the simulation is a difference quotient, third derivative at most (T R)^3",
    judges=("SampledTexts.slope", "SampledTexts.information"),
)
def sequence_score(case: SequenceCase) -> Comparison:
    """d/dalpha E_alpha[f] = Cov_alpha(f, S); E_alpha[S] = 0; E_alpha[S^2] = E_alpha sum_t K_t''."""
    alpha, J = number(case.alpha), len(case.rows)
    share, score = _texts(case, alpha), _scores(case, alpha)
    spread = max(case.M) - min(case.M)
    scale = 1 / spread if spread else number(1)
    judged = [number(f) for f in case.judged]
    oracle = precise.derivative(lambda a: _average(_texts(case, a), judged), alpha, scale)
    logs = [_texts(case, alpha + s * precise.STEP * scale) for s in (-1, 1)]
    slopes = [CTX.log(b / a) / (2 * precise.STEP * scale) for a, b in zip(*logs, strict=True)]
    fisher = _average(share, [s**2 for s in slopes])
    limits, blur = _limits(case), _blur(case)
    size = max(abs(f) for f in case.judged) or 1
    means = max(_along(case, [t.mean(case.alpha) + 2 * t.mean(0.0) for t in limits]))
    allowed = 2 * size * means + 4 * blur * size * _average(share, [abs(s) for s in score])
    allowed += 2 * EPS * size * max(abs(m) for m in case.M) * len(case.paths[-1])
    variances = [precise.variance(row, case.M, alpha) for row in case.p]
    own = _average(_prefixes(case, alpha)[:J], [t.variance(case.alpha) for t in limits])
    texts = case.sampled()
    covariance = _average(share, [f * s for f, s in zip(judged, score, strict=True)])
    return worst(
        [
            compare(
                "slope of E_alpha[f]",
                oracle,
                Value("Cov(f, S)", covariance, 1e-30 * size * (1 + spread)),
                Value("engine", texts.slope(case.judged, case.alpha)[0], allowed),
                _slope_of_simulation(case, float(spread)),
            ),
            not_above("|E_alpha[S]|", abs(_average(share, score)), 1e-80 * (1 + spread)),
            compare(
                "Fisher information",
                fisher,
                Value(
                    "engine",
                    texts.information(case.alpha)[0],
                    own + 4 * blur * _spread_of(share, _along(case, variances)) + 16 * EPS * fisher,
                ),
                *_chain(INFORMATION, _with_scores(case), fisher),
            ),
            compare("slope of one length", *_one_length(case, scale)),
        ]
    )


def _slope_of_simulation(case: SequenceCase, spread: float) -> Value:
    h = 1e-4 / spread if spread else 1.0
    low, high = (
        float(np.exp(_simulated(case, case.alpha + s * h)) @ np.array(case.judged)) for s in (-1, 1)
    )
    size, length = max(abs(f) for f in case.judged), len(case.paths[-1])
    noise = 4 * size * _noise(case, abs(case.alpha) + h) / h
    return Value(
        "simulation", (high - low) / (2 * h), noise + size * (h * (length * spread) ** 1.5) ** 2
    )


def _with_scores(case: SequenceCase) -> Binding:
    """The tree with the score of every prefix."""
    means = [precise.mean(row, case.M, number(case.alpha)) for row in case.p]
    scores = [number(0)]
    for j, centre in enumerate(means):
        scores += [scores[j] + m - centre for m in case.M]
    return _binding(case).with_arrays(S=scores)


def _one_length(case: SequenceCase, scale: Number) -> tuple[Any, ...]:
    """The law speaks of a list of texts of T tokens: here, the longest ones of the tree."""
    T = len(case.paths[-1])
    chosen = [i for i, path in enumerate(case.paths) if len(path) == T]
    judged = [case.judged[i] for i in chosen]
    before = _texts(case, number(0))

    def curve(a: Number) -> Number:
        after = _texts(case, a)
        return CTX.fsum(f * after[i] for f, i in zip(judged, chosen, strict=True))

    oracle = precise.derivative(curve, number(case.alpha), scale)
    binding = Binding(
        {"V": len(case.M), "T": T, "n": len(chosen), "alpha": number(case.alpha)},
        {
            "p": [[case.p[j] for j, _ in case.paths[i]] for i in chosen],
            "X": [[z for _, z in case.paths[i]] for i in chosen],
            "M": case.M,
            "w": [before[i] for i in chosen],
            "f": judged,
        },
    )
    return oracle, *law_sides("sequence-score", binding, oracle)


@check(
    "sequence-weights",
    cases=sequence_cases(),
    tolerance="the shares of the texts to the error of their log-weights",
    judges=("SampledTexts.expectation", "SampledTexts.effective_sample_size"),
)
def sequence_weights(case: SequenceCase) -> Comparison:
    """E_alpha[f] = E_0[f P_alpha/P_0]; N e^(-D_2) of N texts count, and D_2 <= T max_t D_2,t."""
    alpha, J = number(case.alpha), len(case.rows)
    before, after = _texts(case, number(0)), _texts(case, alpha)
    judged = [number(f) for f in case.judged]
    oracle = _average(after, judged)
    second = CTX.fsum(b**2 / a for a, b in zip(before, after, strict=True))
    growth = [
        precise.cgf(row, case.M, 2 * alpha) - 2 * precise.cgf(row, case.M, alpha) for row in case.p
    ]
    blur, size = _blur(case), max(abs(f) for f in case.judged)
    share = np.exp(_simulated(case, case.alpha))
    noise = 2 * size * (_noise(case, case.alpha) + 16 * EPS)
    binding, last = _binding(case), J - 1
    ratio = binding.arrays["u"][last] ** 2 / binding.arrays["w"][last]
    step = ratio * CTX.exp(growth[last])
    texts, drawn = case.sampled(), case.sampled(listed=False)
    found, error = drawn.expectation(case.judged, case.alpha)
    return worst(
        [
            compare(
                "E_alpha[f]",
                oracle,
                Value(
                    "engine",
                    texts.expectation(case.judged, case.alpha)[0],
                    4 * blur * _spread_of(after, judged) + 16 * EPS * size,
                ),
                Value("simulation", float(share @ np.array(case.judged)), noise + NAIVE),
            ),
            compare(
                "effective sample size",
                len(before) / second,
                Value(
                    "engine",
                    texts.effective_sample_size(case.alpha),
                    len(before) / second * (8 * blur + 64 * EPS * _limits(case)[0].depth),
                ),
            ),
            compare("sum u^2/w", second, *_chain(SECOND, binding, second)),
            compare("one more token", step, *law_sides("sequence-weights", binding, step, j=last)),
            not_above("D_2 >= 0", 1, second, NAIVE),
            not_above(
                "D_2 <= c T",
                CTX.log(second),
                len(case.paths[-1]) * max(growth),
                NAIVE * (1 + abs(alpha)),
            ),
            compare("E_alpha[f] of texts as if drawn", *_normalised(case, found, error, blur)),
        ]
    )


def _normalised(case: SequenceCase, found: Any, error: Any, blur: Number) -> tuple[Any, ...]:
    """Every text once, weighed by P_alpha/P_0 alone: the estimate and its standard error."""
    pairs = zip(_texts(case, number(0)), _texts(case, number(case.alpha)), strict=True)
    weights = [b / a for a, b in pairs]
    total = CTX.fsum(weights)
    share = [x / total for x in weights]
    judged = [number(f) for f in case.judged]
    mean = _average(share, judged)
    terms = [(p * (f - mean)) ** 2 for p, f in zip(share, judged, strict=True)]
    N, size = len(share), max(abs(f) for f in case.judged)
    spread = CTX.sqrt(CTX.fsum(terms) * N / (N - 1))
    # A square root of a sum that vanishes knows it to half its digits.
    return [mean, spread], Value("engine", [found, error], 16 * size * (blur + EPS) + 1e-150)


# -- readings that are false --------------------------------------------------------------------


def reverse_at(case: SequenceCase, n: int) -> Number:
    """KL(P_alpha || P_0) at alpha = n q: probabilities are fractions there."""
    before = exact.prefixes(case.rows)[len(case.rows) :]
    after = exact.prefixes([exact.tilted(row, case.ratios, n) for row in case.rows])
    return precise.kl(precise.numbers(after[len(case.rows) :]), precise.numbers(before))


def second_at(case: SequenceCase, n: int) -> Fraction:
    """sum_x P_alpha(x)^2 / P_0(x) at alpha = n q, exactly."""
    before = exact.prefixes(case.rows)[len(case.rows) :]
    after = exact.prefixes([exact.tilted(row, case.ratios, n) for row in case.rows])
    pairs = zip(before, after[len(case.rows) :], strict=True)
    return sum((Fraction(b) ** 2 / a for a, b in pairs), start=Fraction(0))


_STEPS = range(9)


@check(
    "sequence-reverse/monotone",
    cases=sequence_cases(),
    tolerance="none: 120 digits at alpha = n q, where all probabilities are fractions",
    expected=False,
)
def reverse_monotone(case: SequenceCase) -> Comparison:
    """KL(P_alpha || P_0) of texts grows with |alpha| on either side, as it does for one token."""
    for side in (1, -1):
        for low, high in pairwise(reverse_at(case, side * n) for n in _STEPS):
            if high < low - NAIVE:
                return not_above("KL(P_alpha || P_0)", low, high)
    return claim("it grows", True)


@check(
    "sequence-reverse/convex",
    cases=sequence_cases(),
    tolerance="none: 120 digits at alpha = n q, where all probabilities are fractions",
    expected=False,
)
def reverse_convex(case: SequenceCase) -> Comparison:
    """KL(P_alpha || P_0) of texts is convex in alpha near 0, as the other divergence is."""
    values = [reverse_at(case, n) for n in (-1, 0, 1, 2)]
    for a, b, c in zip(values, values[1:], values[2:], strict=False):
        if 2 * b > a + c + NAIVE:
            return not_above("twice the middle", 2 * b, a + c)
    return claim("it is convex", True)


@check(
    "sequence-weights/falls",
    cases=sequence_cases(),
    tolerance="none: fractions at alpha = n q",
    expected=False,
)
def size_falls(case: SequenceCase) -> Comparison:
    """The effective sample size falls as |alpha| grows, on either side."""
    for side in (1, -1):
        for low, high in pairwise(second_at(case, side * n) for n in _STEPS):
            if high < low:
                return not_above("sum P_alpha^2/P_0", number(low), number(high))
    return claim("it falls", True)


CHECKS: tuple[Check, ...] = (
    sequence_ratio,
    sequence_ce,
    sequence_reverse,
    reverse_monotone,
    reverse_convex,
    sequence_score,
    sequence_weights,
    size_falls,
)


# -- certificates: ball arithmetic, no tolerance ------------------------------------------------


def _moving(case: SequenceCase) -> SequenceCase:
    """The instance with M not constant, alpha != 0 and |alpha| (max M - min M) <= 64."""
    if len(set(case.ratios)) == 1:
        first, *rest = case.positive[0]
        row = ((first + 1) / 2, *(x / 2 for x in rest))
        case = replace(case, positive=(row, *case.positive[1:]))
    alpha = case.alpha or 1.0
    while abs(alpha) * float(max(case.M) - min(case.M)) > 64.0:
        alpha /= 2.0
    return replace(case, alpha=alpha)


@certificate(
    "sequence-ce",
    "KL(P_0 || P_alpha) > 0 from the probabilities of all texts, equal to the law's sum over "
    "prefixes to 64 bits; less than half of KL at alpha at half of it, as convexity has it; and "
    "D_2 below T times the largest D_2 of a token, give or take 2^-40; M not constant, alpha not 0",
    sequence_cases().map(_moving),
    weight=0.25,
)
def sequence_ce_certificate(case: SequenceCase, balls: Balls) -> bool | None:
    """Texts summed one by one."""
    J, M = len(case.rows), [balls.log(balls.exact(r)) / case.q for r in case.ratios]
    rows = [[balls.exact(x) for x in row] for row in case.rows]
    before = [balls.exact(x) for x in exact.prefixes(case.rows)]

    def steered(alpha: Fraction) -> tuple[list[Any], list[Any]]:
        """P_alpha of the prefixes, and Z_j(2 alpha)/Z_j(alpha)^2."""
        tilts = [balls.exp(balls.exact(alpha) * m) for m in M]
        weights = [[p * t for p, t in zip(row, tilts, strict=True)] for row in rows]
        totals = [balls.total(row) for row in weights]
        twice = [balls.total([x * t for x, t in zip(row, tilts, strict=True)]) for row in weights]
        shares = [[x / total for x in row] for row, total in zip(weights, totals, strict=True)]
        growth = [a / (b * b) for a, b in zip(twice, totals, strict=True)]
        return [balls.exact(1), *exact.prefixes(shares)[1:]], growth

    def divergence(after: list[Any]) -> Any:
        return balls.total(
            [a * balls.log(a / b) for a, b in zip(before[J:], after[J:], strict=True)]
        )

    alpha = Fraction(case.alpha)
    (after, growth), (halfway, _) = steered(alpha), steered(alpha / 2)
    whole, half = divergence(after), divergence(halfway)
    law = value(
        CHAIN.rhs,
        {"V": len(M), "J": J, "alpha": balls.exact(alpha)},
        {"p": rows, "M": M, "w": before},
        in_balls(balls),
    )
    second = balls.total([b * b / a for a, b in zip(before[J:], after[J:], strict=True)])
    room = balls.exact(len(case.paths[-1])) * balls.exact(1 + Fraction(1, 2**40))
    logs = [balls.log(g) for g in growth]
    below = [agrees(balls.sign(room * g - balls.log(second)), 1) for g in logs]
    return every(
        [
            agrees(balls.sign(whole), 1),
            same(law, whole, balls),
            agrees(balls.sign(whole - 2 * half), 1),
            True if any(b is True for b in below) else None if None in below else False,
        ]
    )


CERTIFICATES: tuple[Certificate, ...] = (sequence_ce_certificate,)
