"""One strength per prompt: the law `allocation`, and what one might read into it.

The oracle knows nothing of multipliers and tables. It tilts each row with 120 digits, and for two
or three prompts it searches a plain grid of strengths for a better allocation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from steering_strength.proofs_check import comparison
from steering_strength.proofs_check.check import check, reading
from steering_strength.proofs_check.comparison import EPS, Comparison, claim, compare, not_above
from steering_strength.proofs_check.instances import PromptsCase
from steering_strength.proofs_check.law_values import law
from steering_strength.proofs_check.oracles.precise import CTX, Number, Tilt, dot, number, numbers
from steering_strength.proofs_check.strategies import prompts_cases
from steering_strength.theory.engine import Allocation, allocation
from steering_strength.theory.errors import BudgetError

# Log p is rounded once, to EPS |log p| with |log p| < 10 here, and sums of a few terms follow.
_ROUNDING = 64 * EPS
# A multiplier is settled to 1e-10; where all |alpha| range(M) <= 1e-6 the first order stands for it
_SETTLED, _FIRST_ORDER = 1e-8, 4e-6


def allocated(case: PromptsCase) -> Allocation | None:
    """What the engine says; None where it refuses, because no prompt can use the budget."""
    try:
        return allocation.allocate(case.population, case.asked, case.budget)
    except BudgetError:
        return None


def _slopes(tilt: Tilt, tokens: Sequence[int], alpha: Number) -> tuple[Number, Number]:
    """F_j' = E[1_T (M - E M)] and KL_j' = E_alpha M - E M, from their definitions."""
    p, there = tilt.at(alpha), tilt.mean(alpha)
    return CTX.fsum(p[z] * (tilt.M[z] - there) for z in tokens), there - tilt.mean(0)


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


def _stationary(case: PromptsCase, found: Allocation) -> Iterator[Comparison]:
    """F_j' = lambda KL_j' in every context, and the law's slope of F_j - lambda KL_j there."""
    order = [*case.tokens, *(z for z in range(len(case.log_odds)) if z not in case.tokens)]
    multiplier, spread, M = number(found.multiplier), case.tilts[0].spread, case.tilts[0].M
    values = {
        "V": len(order), "|C|": len(case.tokens), "lambda": multiplier,
        "p": [[tilt.p[z] for z in order] for tilt in case.tilts], "M": [M[z] for z in order],
    }  # fmt: skip
    strengths = numbers(found.alpha.tolist())
    settled = _FIRST_ORDER if max(map(abs, strengths)) * spread <= 2e-6 else _SETTLED
    for j, (tilt, alpha) in enumerate(zip(case.tilts, strengths, strict=True)):
        rise, dear = _slopes(tilt, case.tokens, alpha)
        dear *= multiplier
        slope = rise - dear
        allowed = comparison.LAW * max(1, abs(slope)) * (1 + abs(dear))
        yield law("allocation", {**values, "j": j, "alpha": alpha}, slope, allowed=allowed)
        if found.status == "scaled":
            continue
        # F (1 - F) times a difference of two means: rounded like the range of M.
        F = tilt.concept(case.tokens, alpha)
        allowed = settled * (abs(rise) + abs(dear)) + _ROUNDING * F * (1 - F) * spread
        if not multiplier:  # at a peak, whose place is settled relative to alpha
            allowed += settled * abs(alpha) * spread**2
        yield compare("F_j' = lambda KL_j'", rise, engine=(dear, allowed))


def _regression(case: PromptsCase, found: Allocation) -> Iterator[Comparison]:
    """beta_j, pi_j Var_j(M), and sqrt(1 + CV^2)."""
    variances = [tilt.variance(0) for tilt in case.tilts]
    slopes = [_slopes(tilt, case.tokens, 0)[0] for tilt in case.tilts]
    beta = [c / v if v else number(0) for c, v in zip(slopes, variances, strict=True)]
    leverage = [number(w) * v for w, v in zip(case.weights, variances, strict=True)]
    total, spread = CTX.fsum(leverage), case.tilts[0].spread
    mean, square = (dot(leverage, (b**n for b in beta)) / total for n in (1, 2))
    scale = CTX.sqrt(square)
    rounding = max(_ROUNDING * spread**2 / v if v else 1 for v in variances)
    allowed = rounding * scale + _ROUNDING * max(abs(b) for b in beta)
    yield compare("beta_j", beta, engine=(found.regression, allowed))
    yield compare("pi_j Var_j(M)", leverage, engine=(found.leverage, max(leverage) * rounding))
    # Where the mean of beta all but vanishes, the ratio is that of two roundings.
    if abs(mean) > 1e-6 * scale:
        ratio = scale / abs(mean)
        error = 4 * allowed / abs(mean) * ratio
        yield compare("ratio", ratio, engine=(found.predicted_ratio, error))


def _small(case: PromptsCase) -> Iterator[Comparison]:
    """As the budget vanishes: sqrt(2 B sum w beta^2), and sqrt(2 B / sum w) |sum w beta|."""
    small = replace(case, budget=1e-10)
    found = allocated(small)
    if found is None:
        return
    w, b = found.leverage, found.regression
    best = np.sqrt(2.0 * small.budget * (w @ b**2))
    common = np.sqrt(2.0 * small.budget / w.sum()) * abs(w @ b)
    # |F''| <= K'' leaves at most the budget itself, and K moves by its share |alpha| range(M).
    reach = float(np.ptp(case.log_odds)) * max(np.abs(found.alpha).max(), abs(found.common))
    slack = 4.0 * reach * best + 4.0 * small.budget
    yield compare("gain of a small budget", best, engine=(found.average_gain, slack))
    yield compare("gain of one small alpha", common, engine=(found.average_common_gain, slack))


@check(
    "allocation",
    prompts_cases(),
    judges=(
        "allocate",
        "TiltedPopulation: trade",
        "Allocation: average_gain average_common_gain spent ratio predicted_ratio worse",
    ),
    weight=0.25,
)
def allocation_(case: PromptsCase) -> Iterator[Comparison]:
    """The best alpha_j within a budget: F_j' = lambda KL_j', one lambda; none gains more.
    Tolerance: multipliers to 1e-8, the budget to 1e-9 as promised; gains to 64 EPS."""
    traded = comparison.worst(_traded(case))
    yield traded
    if not traded.agrees:  # all that follows rests on it
        return
    found = allocated(case)
    if found is None:
        yield from _refused(case)
        return
    weights, strengths = numbers(case.weights), found.alpha.tolist()
    pairs = list(zip(case.tilts, strengths, strict=True))
    gains = [tilt.concept_increase(case.tokens, alpha) for tilt, alpha in pairs]
    shared = [tilt.concept_increase(case.tokens, found.common) for tilt in case.tilts]
    gain, common_gain = dot(weights, gains), dot(weights, shared)
    for name, expected, said in (
        ("gain", gains, found.gain),
        ("common gain", shared, found.common_gain),
        ("average gain", gain, found.average_gain),
        ("common", common_gain, found.average_common_gain),
    ):
        yield compare(name, expected, engine=(said, _ROUNDING))
    budget = number(case.budget)
    spent = dot(weights, (tilt.price(alpha) for tilt, alpha in pairs))
    yield compare("spent", spent, engine=(found.spent, 1e-12 * budget))
    if found.multiplier:
        yield compare("spent", budget, oracle=(spent, allocation.SPENT * budget))
    alone = dot(weights, (tilt.price(found.common) for tilt in case.tilts))
    yield not_above("the budget, and of one alpha", [spent, alone], budget, 1e-12 * budget)
    left = 2 * allocation.SPENT * budget * number(found.multiplier)
    yield not_above("one alpha for all", common_gain, gain, left + _ROUNDING)
    yield not_above("no allocation gains more", _searched(case), found.bound, _ROUNDING)
    losses = [one - own for one, own in zip(shared, gains, strict=True)]
    less, more = ({j for j, x in enumerate(losses) if s * x > 1e-12} for s in (1, -1))
    said_worse = {*found.worse.tolist()}
    yield claim("worse", less <= said_worse and not more & said_worse)
    yield from _regression(case, found)
    yield from _small(case)
    yield from _stationary(case, found)
    if found.status == "optimal":
        yield not_above("optimal", 0.998 * found.bound, gain, _ROUNDING)
    if common_gain > 1e-9:
        ratio = gain / common_gain
        yield compare("ratio", ratio, engine=(found.ratio, _ROUNDING * (1 + ratio) / common_gain))


def _refused(case: PromptsCase) -> Iterator[Comparison]:
    """Refused: M is constant, or what is needed buys as much, but for the 1 % of a grid."""
    if len(set(case.log_odds)) == 1:
        return
    try:
        allocation.allocate(case.population, case.asked, case.budget)
    except BudgetError as error:
        needed = float(error.remedy.removeprefix("ask for at most ").removesuffix(" nats"))
    less = _searched(replace(case, budget=1.01 * needed))
    yield not_above("what is needed", needed, case.budget, 1e-3 * case.budget)
    yield not_above("a budget refused", _searched(case), less, 1e-2 * less + 1e-8)


def _traded(case: PromptsCase) -> Iterator[Comparison]:
    """What the engine says of one strength, for all contexts and for each on its own."""
    strength = 0.75 if case.budget < 1.0 else -2.0
    count, size = len(case.tilts), 1 + max(map(abs, case.log_odds))
    own, same = [strength * (j + 1) for j in range(count)], [strength] * count
    for paired, alphas in ((True, own), (True, same), (False, same)):
        asked = alphas if paired else strength
        said = case.population.trade(case.asked, asked, paired=paired)
        for j, (tilt, alpha) in enumerate(zip(case.tilts, alphas, strict=True)):
            p = tilt.at(alpha)
            parts = [case.tokens, [z for z in range(len(p)) if z not in case.tokens]]
            means = [
                CTX.fsum(p[z] * tilt.M[z] for z in part) / tilt.concept(part, alpha)
                for part in parts
            ]
            odds = tilt.concept_log_odds(case.tokens, alpha)
            oracle = [odds, *means, tilt.price(alpha), tilt.mean(alpha) - tilt.mean(0)]
            found, allowed = [float(x[j]) for x in said], _ROUNDING * (1 + abs(alpha)) * size
            yield compare("trade", oracle, engine=(found, allowed))


# Below this a difference of gains, or of strengths relative to the largest, is no difference.
_VISIBLE = 1e-6


@reading("allocation/every-prompt", prompts_cases())
def every_prompt(case: PromptsCase) -> Iterator[Comparison]:
    """On every prompt T is at least as likely as under one alpha of the same price.
    Tolerance: gains in 120 digits, at the engine's strengths; 1e-6 is visible.
    Instead (Sec. 6): on average: prompts with a small slope beta pay for the others."""
    if (found := allocated(case)) is not None:
        pairs = zip(case.tilts, found.alpha.tolist(), strict=True)
        own = [tilt.concept_increase(case.tokens, alpha) for tilt, alpha in pairs]
        one = [tilt.concept_increase(case.tokens, found.common) for tilt in case.tilts]
        yield not_above("gain under one alpha", one, own, _VISIBLE)


@reading("allocation/along-v", prompts_cases())
def along_v(case: PromptsCase) -> Iterator[Comparison]:
    """Every prompt is steered in the direction that is best for all of them together.
    Tolerance: a sign, of strengths of 1e-6 of the largest or more.
    Instead (Sec. 6): alpha_j has the sign of beta_j for small budgets, and that may be either."""
    if (found := allocated(case)) is not None:
        against = -np.sign(found.common) * found.alpha
        yield not_above("against v", list(against), 0, _VISIBLE * float(np.abs(against).max()))


@reading("allocation/equal-prompts", prompts_cases(twins=True))
def equal_prompts(case: PromptsCase) -> Iterator[Comparison]:
    """Prompts with the same next-token probabilities get the same strength.
    Tolerance: strengths to 1e-6 of the largest.
    Instead (Sec. 6): F is not concave in its price: it may be best to push one of two twins only.
    """
    pairs = combinations(range(len(case.rows)), 2)
    twins = [(i, j) for i, j in pairs if case.rows[i] == case.rows[j]]
    if twins and (found := allocated(case)) is not None:
        size = _VISIBLE * float(np.abs(found.alpha).max())
        for i, j in twins:
            yield compare("alpha of a twin", found.alpha[i], other=(found.alpha[j], size))
