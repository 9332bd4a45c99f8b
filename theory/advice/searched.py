"""A curve without certified roots: what advice asks of it, answered by bracketed searches.

For instance a model steered at a block: neither Delta CE convex nor F_T monotone, and every
distribution costs a forward pass. What was evaluated is remembered and serves all questions of its
context; an answer is a strength that was evaluated, between two that were. What no strength shows
is not excluded, and no root is called impossible: it was looked for up to the last one.

The searches are generators: they yield the strengths they want evaluated and return a `Root`. So
one curve can be asked alone, and the searches of many can share forward passes (`together`).
"""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import replace
from functools import cache, wraps
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import KroghInterpolator
from scipy.special import expit

from steering_strength.theory.advice.curve import Method
from steering_strength.theory.advice.window import divergence
from steering_strength.theory.engine import validation as check
from steering_strength.theory.engine.family import TiltedFamily
from steering_strength.theory.engine.inverse import Root, never
from steering_strength.theory.engine.numerics import LARGEST, log_sum_exp

Floats = NDArray[np.float64]
Search = Generator[list[float], None, Root]

# Of a bracket that is not halved to rounding: a budget is kept, and spent to this share; a level is
# reached, and exceeded by this in its logit.
_CLOSE, _OVER = 0.01, 0.01
# How far ahead of the last strength a secant may go, and how often; rounds until a bracket must do.
_STRETCH, _TRIES, _ROUNDS = 4.0, 4, 24
_NODES = 3
# Values at strengths that differ by a few units in the last place differ by their rounding.
_SAME = 1.0 + np.finfo(np.float64).eps * np.arange(-8, 9)
_LOST = (1.2, 1.5, 2.0, 3.0, 5.0)  # times the start: where a level is mostly lost


_SEARCHES: dict[str, Callable[..., Search]] = {}


def question(search: Callable[..., Search]) -> Callable[..., Root]:
    """A search as a question that is answered once: asked alone, or with others by `together`."""
    signature = inspect.signature(search)
    _SEARCHES[search.__name__] = search

    @wraps(search)
    def ask(self: SearchedCurve, *given: Any, **named: Any) -> Root:
        bound = signature.bind(self, *given, **named)
        bound.apply_defaults()
        asked = self._key(search.__name__, bound.args[1:])
        self.together([(self, asked[0], asked[1:])])
        return self._roots[asked]

    return ask


class SearchedCurve(ABC):
    """One context whose p_alpha can be evaluated; satisfies `SteeredCurve`.

    `log_p` is the distribution at alpha = 0, `log_odds` the derivative of the logits there (nats
    per unit alpha, up to a constant), `local` the family of both. `width` and `turn` are relative
    widths of a bracket, and of one around a maximum; `noise` is by how many nats an evaluated
    log-probability may be off. Where `width` is 0 nothing is spared: the strengths of `_scan` are
    looked at, all of them and no others, and what is found between two is halved to rounding.
    """

    method: Method
    width: ClassVar[float]
    turn: ClassVar[float]
    noise: float

    def __init__(self, local: TiltedFamily) -> None:
        self.local, self.log_p, self.log_odds = local, local.log_p, local.log_odds
        self._seen: dict[float, None] = {0.0: None}
        self._roots: dict[tuple[Any, ...], Root] = {}

    @property
    def size(self) -> int:
        """V."""
        return self.log_p.size

    @abstractmethod
    def limit(self, sign: int) -> Floats:
        """Log-probabilities as alpha -> sign * inf, shape (V,)."""

    @abstractmethod
    def _scan(self, sign: int, start: float) -> list[float]:
        """Strengths |alpha| > start, increasing, to where nothing changes any more."""

    @abstractmethod
    def _row(self, alpha: float) -> Floats:
        """log p_alpha, (V,), at an alpha that was looked at."""

    @abstractmethod
    def _spent(self, alpha: float) -> tuple[float, float]:
        """KL(p || p_alpha) and KL(p_alpha || p) in nats, at an alpha that was looked at."""

    @property
    def _group(self) -> int:
        """Curves of the same group are looked at together."""
        return id(self)

    @classmethod
    def _look(cls, places: Sequence[tuple[Any, float]]) -> None:
        """Look at curves of one group, each at its alpha: evaluate, if that is better now."""
        for curve, alpha in places:
            curve._seen[alpha] = None

    def _over(self, alpha: ArrayLike, value: Callable[[float], Any]) -> Floats:
        """A value at every alpha; what was not looked at yet is, all at once."""
        strengths, scalar = check.as_alpha(alpha)
        if fresh := [(self, a) for a in dict.fromkeys(strengths.tolist()) if a not in self._seen]:
            self._look(fresh)
        found = np.array([value(a) for a in strengths.tolist()])
        return np.asarray(found[0] if scalar else found)

    def log_probability(self, alpha: ArrayLike) -> Floats:
        """log p_alpha(z), shape (A, V); raises AlphaError for a NaN or infinite alpha."""
        return self._over(alpha, self._row)

    def cross_entropy_increase(self, alpha: ArrayLike) -> Floats:
        """KL(p || p_alpha) in nats, shape (A,)."""
        return self._over(alpha, lambda a: self._spent(a)[0])

    def reverse_kl(self, alpha: ArrayLike) -> Floats:
        """KL(p_alpha || p) in nats, shape (A,)."""
        return self._over(alpha, lambda a: self._spent(a)[1])

    def concept_log_odds(self, tokens: ArrayLike, alpha: ArrayLike) -> Floats:
        """Logit of F_C(alpha), shape (A,)."""
        mask = check.as_tokens(tokens, self.size, single=True)
        return self._over(alpha, lambda a: _logit(self._row(a), mask))

    @staticmethod
    def together(asked: Sequence[tuple[Any, str, tuple[Any, ...]]]) -> None:
        """Answer questions about many curves; those of a group share each round's evaluations."""
        running = []
        for curve, name, arguments in asked:
            key = curve._key(name, arguments)
            if key not in curve._roots:
                running.append((curve, key, _SEARCHES[name](curve, *key[1:])))
        while running:
            going, missing = [], dict[int, dict[tuple[Any, float], None]]()
            for curve, key, search in running:
                try:
                    wanted = next(search)
                except StopIteration as done:
                    curve._roots[key] = done.value
                    continue
                going.append((curve, key, search))
                places = missing.setdefault(curve._group, {})
                places |= {(curve, a): None for a in wanted if a not in curve._seen}
            for places in filter(None, missing.values()):
                next(iter(places))[0]._look(list(places))
            running = going

    def _key(self, name: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """A question with its arguments, tokens as a tuple of indices."""
        frozen = [
            value if isinstance(value, int | float | np.number)
            else tuple(np.flatnonzero(check.as_tokens(value, self.size, single=True)).tolist())
            for value in arguments
        ]  # fmt: skip
        return name, *frozen

    def _side(self, sign: int, value: Callable[[Floats], float]) -> Side:
        """A quantity of the distributions, formed once for each."""
        return Side(self, sign, cache(lambda alpha: value(self._row(alpha))))

    # The questions. Each search yields signed alphas to be evaluated, and returns its root.

    @question
    def cross_entropy_root(self, budget: float, sign: int) -> Search:
        """Where KL(p || p_alpha) first exceeds `budget` nats; alpha keeps it."""
        return self._budget(budget, sign, 0)

    @question
    def reverse_kl_root(self, budget: float, sign: int) -> Search:
        """Where KL(p_alpha || p) first exceeds `budget` nats; alpha keeps it."""
        return self._budget(budget, sign, 1)

    def _budget(self, budget: float, sign: int, which: int) -> Search:
        goal = check.as_budget(budget)
        # A smooth function of alpha, which has a slope at 0.
        side = Side(self, sign, lambda alpha: math.sqrt(self._spent(alpha)[which]))
        if goal == 0.0:
            return Root.of(0.0)
        # A share of 1 - c of the budget is sqrt(1 - c) of its root.
        rate, close = math.sqrt(0.5 * float(self.local.variance(0.0))), 1 - math.sqrt(1 - _CLOSE)
        if found := (yield from side.crossing(math.sqrt(goal), rate, 0, close)):
            return found
        pair, top = (self.log_p, self.limit(sign)), side.top()
        last = divergence(*(reversed(pair) if which else pair))
        return side.unfound(f"{last:.4g} nats in the limit and at most {side.y(top) ** 2:.4g}", top)

    @question
    def concept_root(self, tokens: ArrayLike, level: float, sign: int = 1) -> Search:
        """Where F_C first reaches the probability `level`; alpha reaches it, 0 if it is there."""
        mask = check.as_tokens(tokens, self.size, single=True)
        side, goal = self._side(sign, lambda row: _logit(row, mask)), check.as_log_odds_level(level)
        start = side.y(0.0)
        if start >= goal:
            return Root.of(0.0)
        share = float(expit(start))
        rate = float(self.local.concept_slope(mask, 0.0)) / max(share * (1.0 - share), 1e-300)
        close = _OVER / max(goal - start, _OVER)
        if found := (yield from side.crossing(goal, side.sign * rate, 1, close)):
            return found
        top = side.top()
        return side.unfound(f"F_C is at most {expit(side.y(top)):.4g}", top)

    @question
    def concept_loss_root(
        self, tokens: ArrayLike, level: float, start: float, sign: int = 1
    ) -> Search:
        """Where beyond `start` F_C falls below `level` again; alpha still is at the level."""
        mask, begin = check.as_tokens(tokens, self.size, single=True), abs(start)
        side = self._side(sign, lambda row: -_logit(row, mask))
        goal = -check.as_log_odds_level(level)
        near = [begin * factor for factor in _LOST if begin and self.width]
        for wanted in (near, side.scan(begin)):
            if side.first(goal, begin) is None:
                yield side.at(wanted)
        ends = side.first(goal, begin)
        if ends is None:
            last = side.strengths(begin)[-1]
            return side.unfound(f"F_C is still at {level:.4g} or above", last)
        return (yield from side.halved(goal, *ends, inner=True))

    @question
    def concept_maximum(self, tokens: ArrayLike, sign: int = 1) -> Search:
        """Where F_C is largest of what was evaluated; infinite if nothing exceeds its limit."""
        mask = check.as_tokens(tokens, self.size, single=True)
        side = self._side(sign, lambda row: _logit(row, mask))
        yield side.at(side.scan())
        low, best, high = yield from side.summit()
        ordered = side.strengths()
        reason = f"of {len(ordered)} strengths up to alpha = {side.sign * ordered[-1]:.4g}"
        if high == best or _logit(self.limit(sign), mask) >= side.y(best):
            return never(side.sign, reason)
        found = Root.between(side.sign, low, high, inner=True)
        return replace(found, alpha=side.sign * best, reason=reason)

    @question
    def peak_root(self, token: int, sign: int = 1) -> Search:
        """Where the token's probability first turns down; 0 if it falls from the start."""
        check.as_tokens([token], self.size)
        side = self._side(sign, lambda row: float(row[token]))
        if not side.sign * (self.log_odds[token] - np.exp(self.log_p) @ self.log_odds) > 0.0:
            return Root.of(0.0)
        seed = side.sign * float(self.local.peaks()[token])
        if self.width and 0.0 < seed < math.inf:
            yield side.at([seed * factor for factor in (0.25, 0.5, 1.0, 2.0)])
        falls = side.fall(self.noise)
        if falls is None:
            yield side.at(side.scan())
            falls = side.fall(self.noise)
        if falls is None:
            return side.unfound("it still rises", side.strengths()[-1])
        low, best, high = yield from side.summit(between=falls)
        return replace(Root.between(side.sign, low, high, inner=True), alpha=side.sign * best)

    @question
    def limit_root(self, tolerance: float, sign: int) -> Search:
        """Beyond which alpha p_alpha was within `tolerance` of `limit`, in total variation."""
        allowed, goal = check.as_level(tolerance, "tolerance"), np.exp(self.limit(sign))
        side = self._side(sign, lambda row: -0.5 * float(np.abs(np.exp(row) - goal).sum()))
        yield side.at(side.scan())
        # Far out the distance falls like 1 / alpha.
        ordered = side.strengths()
        far = ordered[-1] * 8.0**_TRIES if self.width else LARGEST
        while side.y(ordered[-1]) < -allowed and ordered[-1] < far:
            ordered.append(min(8.0 * ordered[-1], far))
            yield side.at(ordered[-1:])
        apart = [i for i, strength in enumerate(ordered) if side.y(strength) < -allowed]
        if not apart:
            return Root.of(0.0)
        if ordered[apart[-1]] == ordered[-1]:
            return side.unfound(f"not within {allowed:.3g} of the limit", ordered[-1])
        low, high = ordered[apart[-1]], ordered[apart[-1] + 1]
        return (yield from side.halved(-allowed, low, high, inner=False))


class Side:
    """One quantity y of a curve on one side, at the strengths that were evaluated there, from 0.

    The searches yield the alphas that they want evaluated.
    """

    def __init__(self, curve: SearchedCurve, sign: int, value: Callable[[float], float]) -> None:
        self._curve, self._value, self.sign = curve, value, check.as_sign(sign)

    def y(self, strength: float) -> float:
        """The quantity at an evaluated strength."""
        return self._value(self.sign * strength)

    def at(self, strengths: Iterable[float]) -> list[float]:
        """Those alphas."""
        return [self.sign * strength for strength in strengths]

    def strengths(self, start: float = 0.0) -> list[float]:
        """Evaluated ones, increasing from `start`; of a curve that spares nothing, the scan."""
        if not self._curve.width:
            return [start, *self.scan(start)]
        seen = (self.sign * alpha for alpha in self._curve._seen)
        return [start, *sorted(strength for strength in seen if strength > start)]

    def scan(self, start: float = 0.0) -> list[float]:
        """Strengths from near 0 (or beyond `start`) to where nothing changes any more."""
        return self._curve._scan(self.sign, start)

    def first(self, goal: float, start: float = 0.0) -> tuple[float, float] | None:
        """The first strength beyond `start` at which the goal is reached, and the one before."""
        pairs = pairwise(self.strengths(start))
        return next((pair for pair in pairs if self.y(pair[1]) >= goal), None)

    def fall(self, noise: float) -> tuple[float, float, float] | None:
        """The highest strength before y retreats by more than `noise`, between its neighbours."""
        ordered, top = self.strengths(), 0
        for i, strength in enumerate(ordered):
            if self.y(strength) > self.y(ordered[top]):
                top = i
            elif self.y(strength) < self.y(ordered[top]) - noise:
                return ordered[max(top - 1, 0)], ordered[top], ordered[top + 1]
        return None

    def top(self) -> float:
        """The strength at which y is largest."""
        return max(self.strengths(), key=self.y)

    def unfound(self, what: str, where: float) -> Root:
        """Looked for in vain, and what was seen at a strength."""
        words = f"{what} at alpha = {self.sign * where:.4g}"
        return Root.unfound(self.sign, max(where, self.strengths()[-1]), words)

    def halved(self, goal: float, low: float, high: float, *, inner: bool) -> Search:
        """Halve until narrow: the goal is not reached at `low` and is at `high`."""
        while not self._narrow(low, high):
            # Geometric far out, where a scan's strengths are.
            far = high > 2.0 * low > 0.0
            middle = math.sqrt(low) * math.sqrt(high) if far else low + 0.5 * (high - low)
            if not low < middle < high:
                break
            yield self.at([middle])
            low, high = (low, middle) if self.y(middle) >= goal else (middle, high)
        return Root.between(self.sign, low, high, inner=inner)

    def crossing(
        self, goal: float, rate: float, end: int, close: float
    ) -> Generator[list[float], None, Root | None]:
        """The first crossing of y, which has the slope `rate` at 0, if there is one.

        Of a rise from 0, y / alpha changes slowly and is almost a straight line in y, also where
        the curve saturates; so alpha is interpolated in y through the origin and what was
        evaluated. A bracket is done when it is narrow and y at its lower end (`end` 0) or its upper
        one (1) is within `close` of the goal, relatively. Out of rounds, it is returned as it is,
        honest about its width.
        """
        if not self._curve.width:
            ends = self.first(goal)
            if ends is None:
                low, best, _ = yield from self.summit(goal)
                ends = (low, best) if self.y(best) >= goal else None
            return ends and (yield from self.halved(goal, *ends, inner=end == 0))
        start = self.y(0.0)
        rise = goal - start
        tries, inside, scanned = _TRIES if rate > 0.0 else 0, 0, False
        for _ in range(_ROUNDS):
            if ends := self.first(goal):
                low, high = ends
                near = abs(self.y(ends[end]) - goal) <= close * rise
                if self._narrow(low, high) and (near or self._narrow(low, high, 0.05)):
                    break
                # Get one end close, then the other near it. Every third step halves: interpolation
                # may creep up on one end for ever.
                inside += 1
                over = (end - 0.5) * close
                guess = self._guess(rise * (1.0 + (-over if near else over)), start, rate, high)
                margin = 1e-3 * (high - low)
                good = inside % 3 and low + margin < guess < high - margin
                yield self.at([guess if good else 0.5 * (low + high)])
                continue
            if not scanned:
                last = self.strengths()[-1]
                guess = self._guess(rise, start, rate, last) if tries else math.nan
                turned = self.top() < last
                scanned, tries = turned or not guess > last, tries - 1
                ahead = min(guess, _STRETCH * last or self.scan()[-1])
                yield self.at(self.scan() if scanned else [ahead])
                continue
            # Scanned, and below everywhere: a maximum between two strengths may still reach it.
            _, best, _ = yield from self.summit(goal)
            if self.y(best) < goal:
                return None
        ends = self.first(goal)
        return None if ends is None else Root.between(self.sign, *ends, inner=end == 0)

    def summit(
        self, enough: float = math.inf, between: Sequence[float] = (0.0, math.inf)
    ) -> Generator[list[float], None, tuple[float, float, float]]:
        """The highest evaluated strength between its neighbours, refined; (low, best, high).

        Where one halves to rounding, y is lower at both ends by more than its rounding.
        """
        turn, cells = self._curve.turn, list[tuple[float, float]]()
        ordered = [s for s in self.strengths() if between[0] <= s <= between[-1]]
        for _ in range(math.ceil(-2.0 * math.log2(turn)) + 6):
            best = max(ordered, key=self.y)
            at = ordered.index(best)
            low, high = ordered[max(at - 1, 0)], ordered[min(at + 1, len(ordered) - 1)]
            cells.append((low, high))
            if self.y(best) >= enough or high - low <= turn * high:
                break
            middles = [0.5 * (a + b) for a, b in ((low, best), (best, high)) if a < b]
            yield self.at(middles)
            ordered = sorted({*ordered, *middles})
        blur = 0.0 if self._curve.width else 2.0 * np.ptp([self.y(best * s) for s in _SAME])
        clear = (cell for cell in reversed(cells) if max(map(self.y, cell)) <= self.y(best) - blur)
        low, high = next(clear, cells[0])
        return low, best, high

    def _guess(self, rise: float, start: float, rate: float, most: float) -> float:
        """alpha = x / r(x) at the rise, r interpolated through the origin and the nearest nodes."""
        known = [(s, self.y(s) - start) for s in self.strengths() if 0.0 < s <= most]
        near = sorted(known, key=lambda node: abs(node[1] - rise))[:_NODES]
        points = [(0.0, rate)] if rate > 0.0 else []
        for alpha, value in near:
            # Neighbours much closer than the goal is far would extrapolate their own rounding.
            apart = 0.1 * abs(value - rise) + 1e-9 * rise
            if value > 0.0 and all(abs(value - other) > apart for other, _ in points):
                points.append((value, value / alpha))
        if not points:
            return math.nan
        ratio = float(KroghInterpolator(*zip(*points, strict=True))(rise))
        return rise / ratio if ratio > 0.0 else math.nan

    def _narrow(self, low: float, high: float, factor: float = 1.0) -> bool:
        return high - low <= factor * self._curve.width * high


def _logit(log_q: Floats, mask: NDArray[np.bool_]) -> float:
    return float(log_sum_exp(log_q[mask]) - log_sum_exp(log_q[~mask]))
