"""One strength per prompt: the optimum that is found, its bound, its refusals, and the advice."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sympy import IndexedBase, Integer, Sum, Symbol

from steering_strength.theory import TiltedFamily, advise
from steering_strength.theory.engine import TiltedPopulation, allocate
from steering_strength.theory.errors import BudgetError, ShapeError
from steering_strength.theory.laws import Identity, Inequality, LawError
from steering_strength.theory.laws.kernel import Sign
from steering_strength.theory.laws.notation import define
from steering_strength.theory.laws.order_rules import entrywise


def edge(seed, twins):
    """Prompts in which T is rare and beyond the bulk of M: F is far from concave in its price."""
    rng = np.random.default_rng(seed)
    rare, share = 10.0 ** rng.uniform(-4, -1, size=3), rng.uniform(0.2, 0.9, size=3)
    if twins:
        rare[:], share[:] = rare[0], 0.7
    p = np.stack([rare, share * (1 - rare), (1 - share) * (1 - rare)], axis=1)
    return TiltedPopulation(np.log(p), np.array([2.0, 1.0, -1.0])), 10 ** rng.uniform(-2, 0.5)


def most(population, budget):
    """The best gain over fine grids of what each context costs."""
    total = np.zeros(2001)
    share = np.linspace(0.0, budget, total.size)
    for j, weight in enumerate(population.weights):
        family = population.family(j)
        ends = [family.alpha_for_cross_entropy(budget / weight, sign) for sign in (-1, 1)]
        alpha = np.concatenate([end * np.geomspace(1e-4, 1.0, 2000) for end in ends] + [[0.0]])
        price = weight * family.cross_entropy_increase(alpha)
        gain = weight * (expit(family.concept_log_odds([0], alpha)) - np.exp(family.log_p[0]))
        order = np.argsort(price, kind="stable")
        own = np.interp(share, price[order], np.maximum.accumulate(gain[order]))
        total = np.array([np.max(total[: k + 1] + own[k::-1]) for k in range(share.size)])
    return total[-1]


@pytest.mark.parametrize(
    "seed", [pytest.param(k, marks=[pytest.mark.long] * bool(k % 40)) for k in range(0, 120, 8)]
)
@pytest.mark.parametrize("twins", [False, True])
def test_the_best_is_found_where_f_is_not_concave(seed, twins):
    population, budget = edge(seed, twins)
    found, grid = allocate(population, [0], budget), most(population, budget)
    assert found.status in ("optimal", "local")
    assert found.average_gain >= grid * (1 - 1e-6)
    assert found.bound >= grid
    assert 0 <= 1 - found.spent / budget <= 1e-9


def test_the_gap_closes_with_many_prompts():
    rng = np.random.default_rng(0)
    rare, share = 10.0 ** rng.uniform(-4, -1, size=400), rng.uniform(0.2, 0.9, size=400)
    p = np.stack([rare, share * (1 - rare), (1 - share) * (1 - rare)], axis=1)
    found = allocate(TiltedPopulation(np.log(p), np.array([2.0, 1.0, -1.0])), [0], 0.3)
    assert found.status == "optimal"
    assert found.ratio > 2.0


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_the_unit_of_m_changes_nothing(scale):
    p = np.log([[0.2, 0.3, 0.5], [0.5, 0.3, 0.2]])
    M = np.array([1.0, 0.0, -1.0])
    one, other = (allocate(TiltedPopulation(p, m), [0], 0.1) for m in (M, scale * M))
    np.testing.assert_allclose(scale * other.alpha, one.alpha, rtol=1e-7)
    np.testing.assert_allclose(other.gain, one.gain, rtol=1e-9)


def test_prompts_that_cannot_gain_are_left_alone():
    with np.errstate(divide="ignore"):
        log_p = np.log([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [1.0, 0.0, 0.0], [0.2, 0.3, 0.5]])
    found = allocate(TiltedPopulation(log_p, np.array([1.0, 0.0, -1.0])), [0], 0.1)
    assert found.alpha[1] == found.alpha[2] == 0.0
    assert (found.alpha[[0, 3]] > 0.0).all()


@pytest.mark.parametrize(
    ("tokens", "budget", "M", "error", "words"),
    [
        ([0], 0.0, [1, 0, -1], BudgetError, "budget is 0.0; give a positive"),
        ([0], -1.0, [1, 0, -1], BudgetError, "budget is -1.0"),
        ([0], np.inf, [1, 0, -1], BudgetError, "budget is inf"),
        ([0], 1e6, [1, 0, -1], BudgetError, "ask for at most 20"),
        ([1], 5.0, [1, 0, -1], BudgetError, "ask for at most 0.066"),
        ([0], 0.1, [1, 1, 1], BudgetError, "M is constant"),
        ([0, 1, 2], 0.1, [1, 0, -1], BudgetError, "all of the support"),
        ([], 0.1, [1, 0, -1], ShapeError, "empty"),
    ],
)
def test_budgets_that_nobody_can_spend_are_one_line(tokens, budget, M, error, words):
    population = TiltedPopulation(np.log([[0.2, 0.3, 0.5], [0.5, 0.3, 0.2]]), np.array(M, float))
    with pytest.raises(error, match=words) as caught:
        allocate(population, tokens, budget)
    assert "\n" not in str(caught.value)


def test_advice_shares_out_its_budget():
    rng = np.random.default_rng(0)
    M = np.array([2.0, 1.5, 0.2, 0.0, -0.3, -1.0])
    families = [TiltedFamily.from_logits(1.5 * rng.normal(size=6), M) for _ in range(12)]
    weights = np.arange(1.0, 13.0) / 78.0
    advice = advise(families, [0, 1], cross_entropy=0.3, weights=weights, allocate=True)
    found = advice.allocation
    assert found is not None
    rows = np.stack([family.log_p for family in families])
    own = allocate(TiltedPopulation(rows, M, weights), [0, 1], 0.3)
    np.testing.assert_array_equal(found.alpha, own.alpha)
    assert found.common == pytest.approx(advice.average.high.alpha)
    assert len(str(advice).splitlines()) <= 30
    assert "an alpha for each prompt" in str(advice)
    assert advise(families, [0, 1], cross_entropy=0.3).allocation is None


@pytest.mark.parametrize(
    ("count", "options", "error", "words"),
    [
        (2, {"tokens": None, "cross_entropy": 0.1}, BudgetError, "without tokens"),
        (2, {"tokens": [0], "level": 0.5}, BudgetError, "without cross_entropy"),
        (1, {"tokens": [0], "cross_entropy": 0.1}, ShapeError, "one context"),
    ],
)
def test_advice_says_what_it_needs_to_share_out(count, options, error, words):
    families = [TiltedFamily.from_logits(np.zeros(3), [1.0, 0.0, -1.0])] * count
    with pytest.raises(error, match=words):
        advise(families if count > 1 else families[0], allocate=True, **options)


j, k = (Symbol(n, integer=True) for n in "jk")
m = Symbol("m", integer=True, positive=True)
u, b = IndexedBase("u", positive=True), IndexedBase("b", real=True)
SQUARE = Inequality(Sum(u[j] * b[j] ** 2, (j, 0, m - 1)), 0, relation=">=")
LENGTH = define("length", (j,), 1 + b[j] ** 2)


def test_a_claim_for_every_array_holds_of_one():
    there = entrywise(SQUARE, {u[j]: LENGTH(j)}, Inequality(LENGTH(j), 0))
    assert there.lhs == Sum(LENGTH(j) * b[j] ** 2, (j, 0, m - 1))
    assert there.decide() == "proved with rules"


@pytest.mark.parametrize(
    ("claim", "values", "premises"),
    [
        (SQUARE, {u[j]: LENGTH(j)}, ()),  # not shown to be positive
        (SQUARE, {b[j]: Sum(b[k], (k, 0, j))}, ()),  # a sum may catch an index
        (SQUARE, {u[k]: LENGTH(k) * b[j] ** 0 + b[j] ** 2}, ()),
        (Identity(define("f", (), Sum(b[j], (j, 0, m)))(), Integer(0)), {b[j]: LENGTH(j)}, ()),
        (
            Inequality(b[j], 0, relation=">=", given=(Sign(b[j], for_all=(j,)),)),
            {b[j]: -LENGTH(j)},
            (),
        ),
    ],
)
def test_what_cannot_stand_for_an_array_is_refused(claim, values, premises):
    with pytest.raises(LawError):
        entrywise(claim, values, *premises)
