"""One strength per prompt: the law `allocation`, and what one might read into it.

The oracle knows nothing of multipliers and tables. It tilts each row with 120 digits, and for two
or three prompts it searches a plain grid of strengths for a better allocation.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.check import Check, check
from steering_strength.proofs_check.comparison import (
    AGREED,
    EPS,
    Comparison,
    Value,
    claim,
    compare,
    not_above,
    worst,
)
from steering_strength.proofs_check.instances import PromptsCase
from steering_strength.proofs_check.law_values import Binding, law_sides
from steering_strength.proofs_check.oracles import precise
from steering_strength.proofs_check.oracles.precise import CTX, Number, number
from steering_strength.proofs_check.strategies import prompts_cases
from steering_strength.theory.engine import Allocation, allocation
from steering_strength.theory.errors import BudgetError

__all__ = ["CHECKS", "allocated"]

Floats = NDArray[np.float64]

_ZERO = number(0)
# Log p is rounded once, to EPS |log p| with |log p| < 10 here, and sums of a few terms follow.
_ROUNDING = 64 * EPS
# A multiplier is settled to 1e-10; where all |alpha| range(M) <= 1e-6 the first order stands for it
_SETTLED, _FIRST_ORDER = 1e-8, 4e-6


def allocated(case: PromptsCase) -> Allocation | None:
    """What the engine says; None where it refuses, because no prompt can use the budget."""
    try:
        return allocation.allocate(case.population, list(case.tokens), case.budget)
    except BudgetError:
        return None


def _gain(case: PromptsCase, j: int, alpha: Number) -> Number:
    return precise.concept_increase(case.p[j], case.M, case.tokens, alpha)


def _price(case: PromptsCase, j: int, alpha: Number) -> Number:
    return precise.kl(case.p[j], precise.tilted(case.p[j], case.M, alpha))


def _slopes(case: PromptsCase, j: int, alpha: Number) -> tuple[Number, Number]:
    """F_j' = E[1_T (M - E M)] and KL_j' = E_alpha M - E M, from their definitions."""
    p = precise.tilted(case.p[j], case.M, alpha)
    there, before = (precise.mean(case.p[j], case.M, a) for a in (alpha, _ZERO))
    return CTX.fsum(p[z] * (case.M[z] - there) for z in case.tokens), there - before


def _average(case: PromptsCase, values: list[Number]) -> Number:
    return CTX.fsum(number(w) * v for w, v in zip(case.weights, values, strict=True))


def _searched(case: PromptsCase, points: int = 200) -> float:
    """The best gain over a grid of strengths that a budget allows, in plain float64."""
    pi, p, M = np.array(case.weights, float), np.array(case.rows, float), np.array(case.log_odds)
    spread = np.ptp(M)
    best = np.zeros(1), np.zeros(1)
    for w, row in zip(pi, p, strict=True):
        # Delta CE <= alpha^2 range(M)^2 / 8: within this |alpha| nothing exceeds the budget.
        low = np.sqrt(8.0 * case.budget / w) / spread
        side = np.concatenate((np.linspace(0.0, low, 20), low * np.geomspace(1.0, 1e3, points)))
        alpha = np.concatenate((-side, side))
        x = np.multiply.outer(alpha, M - row @ M)
        weight = row * np.exp(x - x.max(axis=1, keepdims=True))
        with np.errstate(over="ignore"):  # what overflows is beyond any budget here
            price = np.log1p((row * (np.expm1(x) - x)).sum(axis=1))
        share = weight[:, case.tokens].sum(axis=1) / weight.sum(axis=1)
        gain = share - row[list(case.tokens)].sum()
        cost = np.add.outer(best[0], w * price).ravel()
        kept = cost <= case.budget
        value = np.add.outer(best[1], w * gain).ravel()[kept]
        order = np.argsort(cost[kept], kind="stable")
        # Of all pairs so far, those that gain more than every cheaper one.
        cost, value = cost[kept][order], np.maximum.accumulate(value[order])
        first = np.flatnonzero(np.diff(value, prepend=-np.inf) > 0.0)
        best = cost[first], value[first]
    return float(best[1][-1])


def _law(case: PromptsCase, found: Allocation) -> list[Comparison]:
    """The law's slope of F_j - lambda KL_j at the engine's strengths, on the oracle's numbers."""
    order = [*case.tokens, *(z for z in range(len(case.M)) if z not in case.tokens)]
    rows = [[row[z] for z in order] for row in case.p]
    multiplier = number(found.multiplier)
    numbers = {"V": len(order), "|C|": len(case.tokens), "lambda": multiplier}
    comparisons = []
    for j, alpha in enumerate(found.alpha):
        rise, dear = _slopes(case, j, number(float(alpha)))
        binding = Binding(
            {**numbers, "j": j, "alpha": number(float(alpha))},
            {"p": rows, "M": [case.M[z] for z in order]},
        )
        slope = rise - multiplier * dear
        sides = law_sides("allocation", binding, slope)
        scale = 1 + abs(multiplier * dear)
        sides = [replace(side, tolerance=side.tolerance * scale) for side in sides]
        comparisons.append(compare("slope of F_j - lambda KL_j", slope, *sides))
    return comparisons


def _stationary(case: PromptsCase, found: Allocation) -> list[Comparison]:
    """F_j' = lambda KL_j' in every context."""
    spread = max(case.M) - min(case.M)
    reach = max(abs(number(float(a))) for a in found.alpha) * spread
    settled = _FIRST_ORDER if reach <= 2e-6 else _SETTLED
    comparisons = []
    for j, alpha in enumerate(found.alpha):
        rise, dear = _slopes(case, j, number(float(alpha)))
        dear *= number(found.multiplier)
        # F (1 - F) times a difference of two means: rounded like the range of M.
        F = precise.concept_probability(case.p[j], case.M, case.tokens, number(float(alpha)))
        allowed = settled * (abs(rise) + abs(dear)) + _ROUNDING * F * (1 - F) * spread
        if not found.multiplier:  # at a peak, whose place is settled relative to alpha
            allowed += settled * abs(number(float(alpha))) * spread**2
        comparisons.append(compare("F_j' = lambda KL_j'", rise, Value("engine", dear, allowed)))
    return comparisons


def _regression(case: PromptsCase, found: Allocation) -> list[Comparison]:
    """beta_j, pi_j Var_j(M), and sqrt(1 + CV^2)."""
    variances = [precise.variance(p, case.M, _ZERO) for p in case.p]
    slopes = [_slopes(case, j, _ZERO)[0] for j in range(len(case.p))]
    beta = [c / v if v else _ZERO for c, v in zip(slopes, variances, strict=True)]
    leverage = [number(w) * v for w, v in zip(case.weights, variances, strict=True)]
    total = CTX.fsum(leverage)
    mean = CTX.fsum(w * b for w, b in zip(leverage, beta, strict=True)) / total
    square = CTX.fsum(w * b**2 for w, b in zip(leverage, beta, strict=True)) / total
    scale = CTX.sqrt(square)
    spread = max(case.M) - min(case.M)
    rounding = [_ROUNDING * spread**2 / v if v else 1 for v in variances]
    allowed = max(rounding) * scale + _ROUNDING * max(abs(b) for b in beta)
    ratio = scale / abs(mean) if mean else CTX.inf
    comparisons = [
        compare("beta_j", beta, Value("engine", found.regression, allowed)),
        compare(
            "pi_j Var_j(M)",
            leverage,
            Value("engine", found.leverage, max(leverage) * max(rounding)),
        ),
    ]
    # Where the mean of beta all but vanishes, the ratio is that of two roundings.
    if abs(mean) > 1e-6 * scale:
        error = 4 * allowed / abs(mean) * ratio
        comparisons.append(compare("ratio", ratio, Value("engine", found.predicted_ratio, error)))
    return comparisons


def _small(case: PromptsCase) -> list[Comparison]:
    """As the budget vanishes: sqrt(2 B sum w beta^2), and sqrt(2 B / sum w) |sum w beta|."""
    small = replace(case, budget=1e-10)
    found = allocated(small)
    if found is None:
        return []
    w, b = found.leverage, found.regression
    best = np.sqrt(2.0 * small.budget * (w @ b**2))
    common = np.sqrt(2.0 * small.budget / w.sum()) * abs(w @ b)
    # |F''| <= K'' leaves at most the budget itself, and K moves by its share |alpha| range(M).
    reach = float(np.ptp(case.log_odds)) * max(np.abs(found.alpha).max(), abs(found.common))
    slack = 4.0 * reach * best + 4.0 * small.budget
    return [
        compare("gain of a small budget", best, Value("engine", found.average_gain, slack)),
        compare(
            "gain of one small alpha", common, Value("engine", found.average_common_gain, slack)
        ),
    ]


@check(
    "allocation",
    cases=prompts_cases(),
    tolerance="multipliers to 1e-8, the budget to 1e-9 as promised; gains to 64 EPS",
    weight=0.25,
    judges=(
        "allocate",
        "TiltedPopulation.trade",
        "Allocation.average_gain",
        "Allocation.average_common_gain",
        "Allocation.spent",
        "Allocation.ratio",
        "Allocation.predicted_ratio",
        "Allocation.worse",
    ),
)
def allocation_(case: PromptsCase) -> Comparison:
    """The best alpha_j within a budget: F_j' = lambda KL_j', one lambda; none gains more."""
    traded = worst(_traded(case))
    if not traded.agrees:  # all that follows rests on it
        return traded
    found = allocated(case)
    if found is None:
        return _refused(case)
    strengths = [number(float(a)) for a in found.alpha]
    everywhere = range(len(strengths))
    gains = [_gain(case, j, a) for j, a in enumerate(strengths)]
    common = number(found.common)
    shared = [_gain(case, j, common) for j in everywhere]
    budget = number(case.budget)
    spent = _average(case, [_price(case, j, a) for j, a in enumerate(strengths)])
    gain, common_gain = _average(case, gains), _average(case, shared)
    left = 2 * allocation.SPENT * budget * number(found.multiplier)
    less = [j for j in everywhere if shared[j] - gains[j] > 1e-12]
    more = [j for j in everywhere if gains[j] - shared[j] > 1e-12]
    comparisons = [
        compare("gain", gains, Value("engine", found.gain, _ROUNDING)),
        compare("common gain", shared, Value("engine", found.common_gain, _ROUNDING)),
        compare("average gain", gain, Value("engine", found.average_gain, _ROUNDING)),
        compare("common", common_gain, Value("engine", found.average_common_gain, _ROUNDING)),
        compare("spent", spent, Value("engine", found.spent, 1e-12 * budget)),
        AGREED
        if found.multiplier == 0.0
        else compare("spent", budget, Value("oracle", spent, allocation.SPENT * budget)),
        not_above("the budget", spent, budget, 1e-12 * budget),
        not_above(
            "the budget, one alpha",
            _average(case, [_price(case, j, common) for j in everywhere]),
            budget,
            1e-12 * budget,
        ),
        not_above("one alpha for all", common_gain, gain, left + _ROUNDING),
        not_above("no allocation gains more", _searched(case), found.bound, _ROUNDING),
        claim("worse", set(less) <= {*found.worse.tolist()} and not {*more} & {*found.worse}),
        traded,
        *_regression(case, found),
        *_law(case, found),
        *_small(case),
    ]
    if found.status != "scaled":
        comparisons += _stationary(case, found)
    if found.status == "optimal":
        comparisons.append(not_above("optimal", 0.998 * found.bound, gain, _ROUNDING))
    if common_gain > 1e-9:
        ratio = gain / common_gain
        error = _ROUNDING * (1 + ratio) / common_gain
        comparisons.append(compare("ratio", ratio, Value("engine", found.ratio, error)))
    return worst(comparisons)


def _refused(case: PromptsCase) -> Comparison:
    """Refused: M is constant, or what is needed buys as much, but for the 1 % of a grid."""
    if len(set(case.log_odds)) == 1:
        return AGREED
    try:
        allocation.allocate(case.population, list(case.tokens), case.budget)
    except BudgetError as error:
        needed = float(error.remedy.removeprefix("ask for at most ").removesuffix(" nats"))
    less = _searched(replace(case, budget=1.01 * needed))
    return worst(
        [
            not_above("what is needed", needed, case.budget, 1e-3 * case.budget),
            not_above("a budget refused", _searched(case), less, 1e-2 * less + 1e-8),
        ]
    )


def _traded(case: PromptsCase) -> list[Comparison]:
    """What the engine says of one strength, for all contexts and for each on its own."""
    comparisons = []
    strength = 0.75 if case.budget < 1.0 else -2.0
    own = [strength * (j + 1) for j in range(len(case.p))]
    for paired, alphas in product((True, False), (own, [strength] * len(own))):
        if not paired and alphas is own:
            continue
        said = case.population.trade(
            list(case.tokens), alphas if paired else strength, paired=paired
        )
        for j, a in enumerate(alphas):
            alpha = number(a)
            p = precise.tilted(case.p[j], case.M, alpha)
            parts = [case.tokens, [z for z in range(len(p)) if z not in case.tokens]]
            means = [
                CTX.fsum(p[z] * case.M[z] for z in part) / CTX.fsum(p[z] for z in part)
                for part in parts
            ]
            odds = CTX.log(CTX.fsum(p[z] for z in parts[0]) / CTX.fsum(p[z] for z in parts[1]))
            oracle = [odds, *means, _price(case, j, alpha), _slopes(case, j, alpha)[1]]
            size = 1 + max(abs(m) for m in case.M)
            found = [float(x[j]) for x in said]
            allowed = _ROUNDING * (1 + abs(alpha)) * size
            comparisons.append(compare("trade", oracle, Value("engine", found, allowed)))
    return comparisons


# Below this a difference of gains, or of strengths relative to the largest, is no difference.
_VISIBLE = 1e-6


@check(
    "allocation/every-prompt",
    cases=prompts_cases(),
    tolerance="gains in 120 digits, at the engine's strengths; 1e-6 is visible",
    expected=False,
)
def every_prompt(case: PromptsCase) -> Comparison:
    """On every prompt T is at least as likely as under one alpha of the same price."""
    found = allocated(case)
    if found is None:
        return AGREED
    own = [_gain(case, j, number(float(a))) for j, a in enumerate(found.alpha)]
    one = [_gain(case, j, number(found.common)) for j in range(len(own))]
    return not_above("gain under one alpha", one, own, _VISIBLE)


@check(
    "allocation/along-v",
    cases=prompts_cases(),
    tolerance="a sign, of strengths of 1e-6 of the largest or more",
    expected=False,
)
def along_v(case: PromptsCase) -> Comparison:
    """Every prompt is steered in the direction that is best for all of them together."""
    found = allocated(case)
    if found is None:
        return AGREED
    against = -np.sign(found.common) * found.alpha
    return not_above("against v", list(against), 0, _VISIBLE * float(np.abs(against).max()))


@check(
    "allocation/equal-prompts",
    cases=prompts_cases(),
    tolerance="strengths to 1e-6 of the largest",
    expected=False,
)
def equal_prompts(case: PromptsCase) -> Comparison:
    """Prompts with the same next-token probabilities get the same strength."""
    found = allocated(case)
    if found is None:
        return AGREED
    pairs = [
        (found.alpha[i], found.alpha[j])
        for i, j in product(range(len(case.rows)), repeat=2)
        if i < j and case.rows[i] == case.rows[j]
    ]
    size = _VISIBLE * float(np.abs(found.alpha).max())
    return worst(compare("alpha of a twin", a, Value("alpha", b, size)) for a, b in pairs)


CHECKS: tuple[Check, ...] = (allocation_, every_prompt, along_v, equal_prompts)
