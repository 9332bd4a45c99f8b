"""One strength per prompt under one budget: the law `allocation`, as numbers.

Maximise sum_j pi_j F_j(alpha_j), F_j the probability of T in context j, subject to
sum_j pi_j KL(p_j || p_(j,alpha_j)) <= B. The problem falls apart at a price: for a multiplier
lambda each context maximises F_j - lambda KL_j alone, and lambda sum up to B. F_j is not concave,
so this decides less than it seems, and the answer says how much:

* `_Table` holds gain and price of every context on one grid of strengths, and between its nodes
  an upper bound (logit F_j and KL_j have monotone slopes, so lines bound them). By weak duality
  B lambda + sum_j pi_j max(F_j - lambda KL_j) is more than any allocation can gain: `bound`.
* The best nodes at lambda are starts; so are the two obvious rules, one common alpha and alpha_j
  proportional to the regression slope. Each is polished to a point where F_j' = lambda KL_j' in
  every context and the budget is spent, and the best of them is returned.

Where some context jumps at lambda, bound and gain differ, by about its own weight pi_j at most.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from steering_strength.theory.engine.concept import increase
from steering_strength.theory.engine.numerics import narrowed, outwards, quiet
from steering_strength.theory.engine.population import TiltedPopulation
from steering_strength.theory.engine.validation import as_budget, as_tokens, require_kind
from steering_strength.theory.errors import BudgetError

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

SPENT = 1e-9
"""The budget is spent up to this share of it, and never exceeded."""

# Aimed at, half the share below the budget; a multiplier is equal across contexts to as much.
_AIM, _SETTLED, _STEPS = 0.5 * SPENT, 1e-10, 40
# A gain this close to the bound, relatively, is called optimal.
_CLOSE = 2e-3
# Nodes: by a factor from 1e-3 of the strength that the budget suggests, 1 / (20 range(M))
# apart at most (nothing in the theory moves faster), until that is two per cent.
_FACTOR, _STEP, _FAR, _LOWEST = 1.05, 0.05, 1.02, 1e-3
# What a probability may gain beyond the last node, before the grid is extended.
_REST = 1e-9
_LARGEST = 1e100
# max |alpha| range(M) up to which the first order is exact to that share.
_FIRST_ORDER = 1e-6
# Contexts up to which the one that does not fit the budget is worth a search: it matters by its
# weight. At these multiples of lambda the others are priced; starts from that search.
_MANY, _PRICES, _TRIED = 200, np.geomspace(1e3, 1e-3, 481), 6


@dataclass(frozen=True, eq=False)
class Allocation:
    """One alpha per context within a budget, next to one alpha for all.

    Attributes
    ----------
    budget : float
        Of sum_j pi_j KL(p_j || p_(j,alpha_j)), in nats.
    weights, start : (m,)
        pi_j, and F_j(0), the unsteered probability of T.
    regression, leverage : (m,)
        beta_j = Cov_j(1_T, M) / Var_j(M), to which alpha_j is proportional for small budgets (0
        where M is constant), and pi_j Var_j(M).
    alpha, gain, price : (m,)
        The strengths, F_j(alpha_j) - F_j(0), and KL(p_j || p_(j,alpha_j)) in nats.
    common, common_gain : float, (m,)
        The best alpha for all contexts at once within the budget, and F_j(common) - F_j(0).
    multiplier : float
        lambda, what one more nat would gain; the same in every context. 0 where every F_j is at a
        peak before the budget is spent.
    bound : float
        No allocation within the budget gains more, on average.
    status : {"optimal", "local", "scaled"}
        optimal: within 0.2 % of the bound. local: stationary, but the bound leaves room, because
        F_j is not concave. scaled: no stationary allocation was reached from any start; this is
        the best start, scaled to the budget.
    """

    budget: float
    weights: Floats
    start: Floats
    regression: Floats
    leverage: Floats
    alpha: Floats
    gain: Floats
    price: Floats
    common: float
    common_gain: Floats
    multiplier: float
    bound: float
    status: str

    @property
    def average_gain(self) -> float:
        """sum_j pi_j (F_j(alpha_j) - F_j(0))."""
        return float(self.weights @ self.gain)

    @property
    def average_common_gain(self) -> float:
        """sum_j pi_j (F_j(common) - F_j(0))."""
        return float(self.weights @ self.common_gain)

    @property
    def spent(self) -> float:
        """sum_j pi_j KL(p_j || p_(j,alpha_j)), nats: the budget to 1e-9 of it, never more.

        Less where `multiplier` is 0: every F_j is at a peak, and more would have to buy far more.
        """
        return float(self.weights @ self.price)

    @property
    def ratio(self) -> float:
        """The gain over that of one common alpha; inf where that gains nothing."""
        common = self.average_common_gain
        return self.average_gain / common if common > 0.0 else math.inf

    @property
    def predicted_ratio(self) -> float:
        """sqrt(1 + CV^2), the ratio as the budget goes to 0: worth knowing before any search.

        CV is the coefficient of variation of beta_j under the weights pi_j Var_j(M); inf where
        their mean is 0.
        """
        share = self.leverage / self.leverage.sum()
        mean = float(share @ self.regression)
        return math.sqrt(float(share @ self.regression**2)) / abs(mean) if mean else math.inf

    @property
    def worse(self) -> NDArray[np.intp]:
        """The contexts in which T is less likely than under the common alpha."""
        return np.flatnonzero(self.gain < self.common_gain)


@quiet
def allocate(population: TiltedPopulation, tokens: ArrayLike, budget: float) -> Allocation:
    """Return the strengths, one per context, that make T likeliest on average within a budget.

    Raises BudgetError: the budget is no positive number of nats, no context can gain anything (M is
    constant there, or T holds none or all of its support), or the budget is more than all of them
    can use: each is at its best before it is spent; ShapeError for the tokens, or what is no
    population.

    Parameters
    ----------
    population : TiltedPopulation
        m contexts with weights pi_j; alphas of either sign are considered in each.
    tokens : array_like
        T: indices, or a mask, shape (V,).
    budget : float
        Nats, of the average of KL(p_j || p_(j,alpha_j)).
    """
    require_kind("the population", population, TiltedPopulation)
    problem = _Problem(population, tokens, budget)
    table = problem.table()
    common = problem.common(table)
    bound = table.multiplier * problem.goal + float(problem.weights @ table.at_most())

    def score(found: _Point) -> tuple[float, bool]:
        """The gain, with what the 1e-9 of the budget that may be left would still buy."""
        rest = SPENT * problem.goal * found.multiplier
        return found.value + rest, found.stationary

    best = common
    for start in _starts(table, common.alpha):
        found = (
            problem.polished(table, start)
            or problem.polished(table, start, spend=False)
            or problem.scaled(start)
        )
        if score(found) > score(best):
            best = found
        if best.stationary and best.value >= (1.0 - _CLOSE) * bound:
            break
    close = best.value >= (1.0 - _CLOSE) * bound
    return Allocation(
        budget=problem.goal,
        weights=problem.weights,
        start=expit(problem.odds),
        regression=problem.regression,
        leverage=problem.weights * problem.variance,
        alpha=best.alpha,
        gain=best.gain,
        price=best.price,
        common=float(common.alpha[0]),
        common_gain=common.gain,
        multiplier=best.multiplier,
        bound=max(bound, best.value),
        status="scaled" if not best.stationary else "optimal" if close else "local",
    )


class _Point(NamedTuple):
    """An allocation, what it does in every context, (m,) each, and on average."""

    alpha: Floats
    gain: Floats
    price: Floats
    value: float
    multiplier: float
    stationary: bool


class _Problem:
    """The population, T and the budget; `idle` are contexts in which no alpha moves F_j."""

    def __init__(self, population: TiltedPopulation, tokens: ArrayLike, budget: float) -> None:
        self.population = population
        self.goal = goal = as_budget(budget)
        self.mask = mask = as_tokens(tokens, population.shape[1], single=True)
        if not 0.0 < goal < math.inf:
            raise BudgetError(f"budget is {budget!r}", remedy="give a positive number of nats")
        self.odds, inside, outside, _, _ = population.trade(mask, 0.0)
        self.variance = variance = np.asarray(population.variance(0.0))
        self.idle = idle = ~np.isfinite(self.odds) | (variance == 0.0)
        if idle.all():
            raise BudgetError(
                f"no context can spend {goal:.6g} nats on T: in each, M is constant or T holds none"
                " or all of the support",
                remedy="choose other target tokens or another steering vector",
            )
        covariance = _spread(self.odds) * np.where(idle, 0.0, inside - outside)
        self.regression = covariance / np.where(variance > 0.0, variance, 1.0)
        self.weights = np.asarray(population.weights)

    def evaluate(self, alpha: Floats, *, paired: bool = False) -> tuple[Floats, ...]:
        """Gain, its slope, price, its slope, logit F_j, and the means of M on T and off T."""
        odds, *means, price, slope = self.population.trade(self.mask, alpha, paired=paired)
        odds, before, inside, outside = (
            np.where(self.idle, 0.0, x) for x in (odds, self.odds, *means)
        )
        gain = increase(before, odds - before)
        return gain, _spread(odds) * (inside - outside), price, slope, odds, inside, outside

    def table(self) -> _Table:
        """Gains and prices on one grid of strengths, as far out as they can matter."""
        roots = [abs(end) for end in self.ends]
        end, growth = 4.0 * max(roots), 2.0
        while end < _LARGEST:
            table = _Table(self, _nodes(_LOWEST * min(*roots, 1.0 / self.spread), end, self.spread))
            if not table.open_ended():
                break
            end *= growth
            if end > 1e3 * max(roots):  # 20 tables to 1e300 at most
                growth = min(growth, 1e50) ** 2
        else:
            raise BudgetError(
                f"budget is {self.goal:.6g} nats: |alpha| would exceed {_LARGEST:g}",
                remedy="ask for fewer nats",
            )
        if table.multiplier == 0.0:
            raise BudgetError(
                f"budget is {self.goal:.6g} nats, and {table.needed:.6g} nats already gain all but"
                f" {_REST:g} of the most that steering does for T in every context",
                remedy=f"ask for at most {table.needed:.4g} nats",
            )
        return table

    @cached_property
    def ends(self) -> tuple[float, float]:
        """The common alphas that spend the budget, against v and along it."""
        lower, upper = (
            self.population.average_cross_entropy_root(self.goal, side).alpha for side in (-1, 1)
        )
        return lower, upper

    @property
    def spread(self) -> float:
        """max M - min M."""
        low, high = self.extremes(self.population.log_odds)
        return float(np.max(high - low))

    @staticmethod
    def extremes(odds: Floats) -> tuple[Floats, Floats]:
        """min and max of the finite entries, over the last axis."""
        finite = np.isfinite(odds)
        low = np.min(odds, axis=-1, where=finite, initial=np.inf)
        return low, np.max(odds, axis=-1, where=finite, initial=-np.inf)

    def point(self, alpha: Floats, multiplier: float = 0.0, *, stationary: bool = False) -> _Point:
        """The allocation `alpha`, (m,), evaluated."""
        gain, _, price, *_ = self.evaluate(alpha, paired=True)
        return _Point(alpha, gain, price, float(self.weights @ gain), multiplier, stationary)

    def common(self, table: _Table) -> _Point:
        """The best single alpha within the budget: where it is spent, or a node before that."""
        ends, weights = np.array(self.ends), self.weights
        alpha = np.concatenate((ends, table.alpha))
        gains = np.concatenate((self.evaluate(ends)[0], table.gain)) @ weights
        kept = np.append([True, True], table.price @ weights <= self.goal)
        best = int(np.argmax(np.where(kept, gains, -np.inf)))
        return self.point(np.full(self.odds.size, alpha[best]))

    def proportional(self) -> Floats:
        """The rule for small budgets: alpha_j along beta_j, (m,)."""
        energy = float(self.weights @ (self.variance * self.regression**2))
        return self.regression * math.sqrt(2.0 * self.goal / energy) if energy else self.odds * 0.0

    def scaled(self, alpha: Floats) -> _Point:
        """t alpha, with t such that the budget is spent; alpha itself if it costs nothing."""

        def excess(t: float) -> float:
            price = self.evaluate(t * alpha, paired=True)[2]
            return float(self.weights @ price) - (1.0 - _AIM) * self.goal

        # The price is at most quadratic in t: the root is good to 1e-11 of the budget.
        found = outwards(excess, 1.0, _LARGEST, 4e-12)
        return self.point(found[0] * alpha if found else alpha)

    def polished(self, table: _Table, start: Floats, *, spend: bool = True) -> _Point | None:
        """The stationary allocation near `start` that spends the budget; None if none is found.

        Without `spend`, the one at lambda = 0, where every F_j is at a peak within the budget.

        Newton's method for alpha_j and lambda together, the second derivatives from the table at
        first and then from the steps themselves.
        """
        if float(np.max(np.abs(start))) * self.spread <= _FIRST_ORDER:
            found = self.scaled(self.proportional())
            # To first order the gain goes like the square root of the budget.
            worth = 0.5 * found.value / self.goal
            return found._replace(multiplier=worth, stationary=worth > 0.0)
        alpha, goal, weights = start, (1.0 - _AIM) * self.goal, self.weights
        cell = np.clip(np.searchsorted(table.alpha, alpha), 1, table.alpha.size - 2)
        bend, curve = table.second(cell)
        room = table.alpha[cell + 1] - table.alpha[cell - 1]
        rise, price, slope = self.evaluate(alpha, paired=True)[1:4]
        multiplier = float(weights @ (rise * slope)) / float(weights @ (slope * slope))
        multiplier *= spend
        for _ in range(_STEPS):
            spent = float(weights @ price)
            rest = np.where(self.idle, 0.0, rise - multiplier * slope)
            size = np.abs(rise) + np.abs(multiplier * slope) if spend else np.abs(bend * alpha)
            done = abs(spent - goal) <= _SETTLED * goal if spend else spent <= goal
            if done and (np.abs(rest) <= _SETTLED * size).all():
                good = multiplier > 0.0 if spend else bool((bend <= 0.0).all())
                return self.point(alpha, multiplier, stationary=True) if good else None
            curvature = bend - multiplier * curve
            curvature = np.where(self.idle | (curvature == 0.0), -1.0, curvature)
            lift = float(weights @ (slope * slope / curvature))
            if not math.isfinite(lift) or lift == 0.0:
                return None
            change = spend * (goal - spent + float(weights @ (slope * rest / curvature))) / lift
            most = 0.5 * np.abs(alpha) + room
            step = np.clip((slope * change - rest) / curvature, -most, most)
            multiplier = max(multiplier + change, 0.1 * multiplier)
            alpha = alpha + np.where(self.idle, 0.0, step)
            before = rise, slope
            rise, price, slope = self.evaluate(alpha, paired=True)[1:4]
            moved = np.abs(step) > 1e-9 * np.abs(alpha)
            safe = np.where(moved, step, 1.0)
            bend = np.where(moved, (rise - before[0]) / safe, bend)
            curve = np.where(moved, (slope - before[1]) / safe, curve)
        return None


class _Table:
    """Gains, prices and their slopes on the nodes alpha, (A, m); what bounds them in between.

    `corner_gain` and `corner_price`, (2, A - 1, m), are the corners of a concave piecewise linear
    bound of F_j - lambda KL_j on each cell, whatever lambda >= 0 is.
    """

    def __init__(self, problem: _Problem, alpha: Floats) -> None:
        self.problem, self.alpha = problem, alpha
        gain, rise, price, slope, odds, inside, outside = problem.evaluate(alpha)
        width = np.diff(alpha)[:, None]
        # Both means increase with alpha: on a cell (logit F)' lies between flat and steep.
        steep, flat = inside[1:] - outside[:-1], inside[:-1] - outside[1:]
        top, bottom = (
            odds[:-1] + f * width for f in (np.maximum(steep, 0.0), np.minimum(flat, 0.0))
        )
        most = _spread(np.clip(0.0, bottom, top))
        least = np.minimum(_spread(bottom), _spread(top))
        up = np.maximum(steep * np.where(steep > 0.0, most, least), np.maximum(rise[:-1], rise[1:]))
        down = np.minimum(flat * np.where(flat > 0.0, least, most), np.minimum(rise[:-1], rise[1:]))
        places = np.stack(
            [
                # where the two lines above F_j meet, and the two tangents below KL_j
                _ratio(np.diff(gain, axis=0) - down * width, up - down),
                _ratio(slope[1:] * width - np.diff(price, axis=0), np.diff(slope, axis=0)),
            ]
        ).clip(0.0, width)
        left = width - places
        # Beyond the last node on either side logit F_j may rise for ever, or not any more.
        low, high = problem.extremes(problem.population.log_odds[..., problem.mask])
        rises = np.stack([high > outside[-1], low < outside[0]])
        self.gain, self.rise, self.price, self.slope = gain, rise, price, slope
        self.corner_gain = np.minimum(gain[:-1] + up * places, gain[1:] - down * left)
        self.corner_price = np.maximum(
            price[:-1] + slope[:-1] * places, price[1:] - slope[1:] * left
        )
        self.rest_gain = np.where(rises & ~problem.idle, 1.0 - expit(problem.odds), gain[[-1, 0]])

    def second(self, cell: NDArray[np.intp]) -> tuple[Floats, Floats]:
        """Second derivatives of F_j and KL_j near node `cell` of each context, (m,) each."""
        each = np.arange(cell.size)
        run = self.alpha[cell + 1] - self.alpha[cell - 1]
        bend, curve = (
            (f[cell + 1, each] - f[cell - 1, each]) / run for f in (self.rise, self.slope)
        )
        return bend, curve

    @cached_property
    def needed(self) -> float:
        """What it costs to gain all but 1e-9 of the most in every context, nats."""
        there = self.gain >= self.gain.max(axis=0) * (1.0 - _REST)
        cheapest = np.where(there, self.price, np.inf).min(axis=0)
        return float(self.problem.weights @ np.where(self.problem.idle, 0.0, cheapest))

    @cached_property
    def bracket(self) -> tuple[float, float]:
        """Neighbouring lambda: at the first more than the budget is spent, at the second not."""

        def left(multiplier: float) -> float:
            return self.problem.goal - self.spent(self.best(multiplier))

        if self.needed <= self.problem.goal:
            return 0.0, 0.0
        paid = self.price > 0.0
        high = 2.0 * float((self.gain[paid] / self.price[paid]).max())
        low = high
        while left(low) >= 0.0:
            low *= 1e-3
        return narrowed(left, low, high)

    @property
    def multiplier(self) -> float:
        """lambda at which the best nodes keep the budget; 0 if all of them do."""
        return self.bracket[1]

    def best(self, multiplier: float) -> NDArray[np.intp]:
        """The node with the largest F_j - lambda KL_j, (m,)."""
        zero = self.alpha.size // 2
        found = np.argmax(self.gain - multiplier * self.price, axis=0)
        return np.where(self.problem.idle, zero, found)

    def at(self, values: Floats, nodes: NDArray[np.intp]) -> Floats:
        """`values`, (A, m), at one node per context."""
        return np.asarray(values[nodes, np.arange(nodes.size)])

    def spent(self, nodes: NDArray[np.intp]) -> float:
        """The average price of one node per context."""
        return float(self.problem.weights @ self.at(self.price, nodes))

    def at_most(self) -> Floats:
        """What max F_j - lambda KL_j cannot exceed, over all alpha in budget, (m,)."""
        price, weights, goal = self.multiplier, self.problem.weights, self.problem.goal
        inside = (self.gain - price * self.price).max(axis=0)
        # Cells that cost a single context more than all of the budget are out of reach.
        near = np.minimum(self.price[:-1], self.price[1:])
        cells = (self.corner_gain - price * self.corner_price).max(axis=0)
        cells = np.where(weights * near <= goal, cells, 0.0).max(axis=0)
        return np.asarray(np.maximum(np.maximum(inside, cells), self._rest()))

    def _rest(self) -> Floats:
        """The same beyond the last nodes; 0, what alpha = 0 has, where that is out of reach."""
        price = self.price[[-1, 0]]
        value = self.rest_gain - self.multiplier * price
        within = self.problem.weights * price <= self.problem.goal
        return np.asarray(np.where(within, value, 0.0).max(axis=0))

    def open_ended(self) -> bool:
        """Whether strengths beyond the last nodes might still be the best for some context."""
        inside = (self.gain - self.multiplier * self.price).max(axis=0)
        return bool((self._rest() > inside + _REST * inside.max()).any())


def _starts(table: _Table, common: Floats) -> Iterator[Floats]:
    """Allocations to start from, the likeliest to be optimal first.

    Where several nodes tie at lambda, contexts move up while the budget allows.
    """
    problem = table.problem
    high, low = (table.best(price) for price in table.bracket)
    nodes = low.copy()
    for j in np.flatnonzero(high != low):
        trial = nodes.copy()
        trial[j] = high[j]
        if table.spent(trial) <= problem.goal:
            nodes = trial
    yield table.alpha[nodes]
    if problem.odds.size <= _MANY:
        yield from (table.alpha[nodes] for nodes in _one_free(table))
    yield table.alpha[high]
    yield problem.proportional()
    yield common


def _one_free(table: _Table) -> list[NDArray[np.intp]]:
    """The most promising nodes where one context takes any, the others the best at some lambda.

    All but one context of an optimum are where F_j is concave in the price, or nearly so: they
    maximise F_j - lambda KL_j, for a lambda that leaves the one the rest of the budget.
    """
    problem, weights = table.problem, table.problem.weights
    rivals = [table.best(price) for price in table.multiplier * _PRICES]
    prices, gains = (
        np.array([weights * table.at(f, nodes) for nodes in rivals])
        for f in (table.price, table.gain)
    )
    found = []
    for j in np.flatnonzero(~problem.idle):
        spent, gained = prices.sum(axis=1) - prices[:, j], gains.sum(axis=1) - gains[:, j]
        # The last of the others' nodes, from dear to cheap lambda, that the rest can pay.
        fit = np.searchsorted(spent, problem.goal - weights[j] * table.price[:, j], "right") - 1
        total = np.where(fit >= 0, weights[j] * table.gain[:, j] + gained[fit], -np.inf)
        before, after = np.insert(total[:-1], 0, -np.inf), np.append(total[1:], -np.inf)
        tops = np.flatnonzero((total > before) & (total >= after))
        found += [(total[node], int(j), int(node), int(fit[node])) for node in tops]
    starts = []
    for _, own, node, k in sorted(found, reverse=True)[:_TRIED]:
        starts.append(rivals[k].copy())
        starts[-1][own] = node
    return starts


def _nodes(low: float, end: float, spread: float) -> Floats:
    """Strengths from -end to end, 0 among them, closest to each other near 0."""
    knee, far = (_STEP / (spread * (factor - 1.0)) for factor in (_FACTOR, _FAR))
    ends = [low, max(low, min(knee, end)), max(low, min(far, end)), end]
    counts = (
        math.log(ends[1] / ends[0]) / math.log(_FACTOR),
        (ends[2] - ends[1]) * spread / _STEP,
        math.log(ends[3] / ends[2]) / math.log(_FAR),
    )
    pieces = [
        np.linspace(a, b, math.ceil(n) + 1) if even else np.geomspace(a, b, math.ceil(n) + 1)
        for even, a, b, n in zip((False, True, False), ends, ends[1:], counts, strict=False)
        if b > a
    ]
    side = np.unique(np.concatenate(pieces))
    return np.concatenate((-side[::-1], [0.0], side))


def _spread(odds: Floats) -> Floats:
    """F (1 - F) from logit F."""
    return np.asarray(np.exp(-np.logaddexp(0.0, odds) - np.logaddexp(0.0, -odds)))


def _ratio(above: Floats, below: Floats) -> Floats:
    """above / below, 0 where that has no value."""
    return np.where(below > 0.0, above / np.where(below > 0.0, below, 1.0), 0.0)
