"""Steered curves of a model: what `theory.advice` asks, answered where the model is steered.

At the output of the final norm each context is a `TiltedFamily`, exact. At the last block its
logits are known in closed form (`last-block`), a `ScannedCurve`. At any other block nothing is
linear: one derivative at alpha = 0 (`local`) seeds every search, each distribution that is measured
serves all searches of its context, and an answer is a strength that was measured between two that
were. What was not found says up to where it was looked for, never "never".

The searches are generators: they yield the strengths they want measured and return a `Root`. So one
curve can be asked alone, and the searches of many contexts can share forward passes
(`MeasuredCurve.together`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logsumexp

from steering_strength.proofs_check.bridge.errors import ModelError
from steering_strength.proofs_check.bridge.local import Local, derivatives, last_block
from steering_strength.proofs_check.bridge.steer import Held, length
from steering_strength.proofs_check.bridge.texts import TokenBatch
from steering_strength.proofs_check.bridge.vectors import FINAL_NORM, SteeringVector
from steering_strength.theory import TiltedFamily
from steering_strength.theory.advice import ScannedCurve
from steering_strength.theory.advice.curve import Method
from steering_strength.theory.engine.inverse import Root
from steering_strength.theory.engine.validation import as_budget, as_level, as_sign, as_tokens

if TYPE_CHECKING:
    from steering_strength.proofs_check.bridge.model import SteeredModel

__all__ = ["MeasuredCurve", "curves", "measured_curves"]

Floats = NDArray[np.float64]
Search = Generator[list[float], None, Root]
Curve = Callable[[float], float]

# A budget is kept, and spent to this share; a level is reached, and exceeded by this in its logit.
_CLOSE, _OVER = 0.01, 0.01
# Width of a measured bracket, relative.
_WIDTH = 0.02
_STRETCH = 4.0
_TRIES, _HALVINGS = 4, 12
_ROUNDS = 24
# Where a scan begins and ends, in lengths of a state: far beyond both, nothing changes any more.
_NEAR, _FAR, _SCAN = 0.02, 256.0, 15
_NODES = 3
_LOST = (1.2, 1.5, 2.0, 3.0, 5.0)  # times the start: where a level is mostly lost
_ROWS = 1 << 24  # numbers of remembered log-probabilities, 128 MiB


def curves(model: SteeredModel, vector: Any, batch: TokenBatch) -> list[Any]:
    """The `SteeredCurve` of every context, where the vector (or the vectors) belong.

    Raises
    ------
    AssumptionError
        At the final norm of a model whose logits are not affine there.
    """
    if not isinstance(vector, SteeringVector):
        return list(measured_curves(model, vector, batch))
    if vector.site == FINAL_NORM:
        if model.structure.not_affine is not None:
            raise model.structure.not_affine
        odds = model.direction(vector)
        return [TiltedFamily(row, odds) for row in model.log_probability(batch)]
    if vector.site.layer == len(model.blocks) - 1 and model.structure.not_affine is None:
        with suppress(ModelError):  # an unknown norm has no closed form; measuring works with any
            states = model.states(batch, vector.site).numpy()
            return [ScannedCurve.last_block(last_block(model, h, vector)) for h in states]
    return list(measured_curves(model, vector, batch))


def measured_curves(model: SteeredModel, vector: Any, batch: TokenBatch) -> list[MeasuredCurve]:
    """Curves that measure at any site: along one vector, or along several in order of depth."""
    lowest = vector if isinstance(vector, SteeringVector) else vector[0]
    source = Measured(Held(model, batch, lowest.site, apply=lowest.apply), vector)
    return [MeasuredCurve(source, j, local) for j, local in enumerate(source.locals)]


class MeasuredCurve:
    """One context of `Measured` ones, answering `theory.advice.curve.SteeredCurve`.

    `log_p` is the distribution at alpha = 0, `log_odds` the derivative of the logits there (M_loc,
    nats per unit alpha), `local` both with the second derivative. Every distribution is remembered
    and serves all questions; a root is where a measured quantity is at its level, between a
    measured strength below and a measured one above.
    """

    def __init__(self, source: Measured, context: int, local: Local) -> None:
        self.source, self._context = source, context
        self.local, self.log_p, self.log_odds = local, local.log_p, local.slope
        self._p = np.exp(local.log_p)
        self._rows: dict[float, Floats] = {0.0: local.log_p}
        self._divergences: dict[float, tuple[float, float]] = {0.0: (0.0, 0.0)}
        self._roots: dict[tuple[Any, ...], Root] = {}
        self._limits: dict[int, Floats] = {}

    @property
    def method(self) -> Method:
        """How answers come about."""
        return "measured"

    @property
    def size(self) -> int:
        """V."""
        return int(self.log_p.size)

    @property
    def measured(self) -> int:
        """How many distributions were measured."""
        return len(self._divergences) - 1

    def log_probability(self, alpha: ArrayLike) -> Floats:
        """log p_alpha(z), (A, V)."""
        return self._over(alpha, self._row)

    def cross_entropy_increase(self, alpha: ArrayLike) -> Floats:
        """KL(p || p_alpha) in nats, (A,)."""
        return self._over(alpha, lambda a: self._divergences[a][0])

    def reverse_kl(self, alpha: ArrayLike) -> Floats:
        """KL(p_alpha || p) in nats, (A,)."""
        return self._over(alpha, lambda a: self._divergences[a][1])

    def concept_log_odds(self, tokens: ArrayLike, alpha: ArrayLike) -> Floats:
        """Logit of F_C(alpha), (A,)."""
        mask = as_tokens(tokens, self.size, single=True)
        return self._over(alpha, lambda a: _logit(self._row(a), mask))

    def limit(self, sign: int) -> Floats:
        """Log-probabilities as alpha -> sign * inf, (V,): the norm's plateau (Prop. 4.1)."""
        side = as_sign(sign)
        if side not in self._limits:
            self._limits[side] = self.source.limit(self._context, side)
        return self._limits[side]

    def cross_entropy_root(self, budget: float, sign: int) -> Root:
        """Where KL(p || p_alpha) first exceeds `budget` nats; alpha keeps it."""
        return self.solve("cross_entropy_root", budget, sign)

    def reverse_kl_root(self, budget: float, sign: int) -> Root:
        """Where KL(p_alpha || p) first exceeds `budget` nats; alpha keeps it."""
        return self.solve("reverse_kl_root", budget, sign)

    def concept_root(self, tokens: ArrayLike, level: float, sign: int = 1) -> Root:
        """Where F_C first reaches `level`; alpha reaches it, 0 if it is there already."""
        return self.solve("concept_root", _frozen(tokens, self.size), level, sign)

    def concept_loss_root(
        self, tokens: ArrayLike, level: float, start: float, sign: int = 1
    ) -> Root:
        """Where beyond `start` F_C falls below `level` again; alpha still has it."""
        return self.solve("concept_loss_root", _frozen(tokens, self.size), level, start, sign)

    def concept_maximum(self, tokens: ArrayLike, sign: int = 1) -> Root:
        """Where F_C is largest on that side, among what was measured."""
        return self.solve("concept_maximum", _frozen(tokens, self.size), sign)

    def peak_root(self, token: int, sign: int = 1) -> Root:
        """Where the token's probability first turns down; 0 if it falls from the start."""
        return self.solve("peak_root", int(token), sign)

    def limit_root(self, tolerance: float, sign: int) -> Root:
        """Beyond which alpha p_alpha was within `tolerance` of `limit`, in total variation."""
        return self.solve("limit_root", tolerance, sign)

    @staticmethod
    def together(asked: Sequence[tuple[MeasuredCurve, str, tuple[Any, ...]]]) -> None:
        """Answer questions about many curves; those of one source share each round's pass."""
        running = [
            (curve, (question, *arguments), getattr(curve, f"_{question}")(*arguments))
            for curve, question, arguments in asked
            if (question, *arguments) not in curve._roots
        ]
        while running:
            going, missing = [], dict[int, dict[tuple[int, float], MeasuredCurve]]()
            for curve, key, search in running:
                try:
                    wanted = next(search)
                except StopIteration as done:
                    curve._roots[key] = done.value
                    continue
                going.append((curve, key, search))
                rows = missing.setdefault(id(curve.source), {})
                rows |= {(curve._context, a): curve for a in wanted if a not in curve._divergences}
            for rows in filter(None, missing.values()):
                source = next(iter(rows.values())).source
                for (place, curve), row in zip(rows.items(), source.measure([*rows]), strict=True):
                    curve.record(place[1], row)
            running = going

    def solve(self, question: str, *arguments: Any) -> Root:
        """Ask one question; its answer is remembered."""
        self.together([(self, question, arguments)])
        return self._roots[(question, *arguments)]

    def _over(self, alpha: ArrayLike, value: Callable[[float], Any]) -> Floats:
        """A value at every alpha; what was not measured yet is, all at once."""
        strengths = np.asarray(alpha, dtype=np.float64)
        wanted = [float(a) for a in np.atleast_1d(strengths)]
        missing = [a for a in dict.fromkeys(wanted) if a not in self._divergences]
        if missing:
            rows = self.source.measure([(self._context, a) for a in missing])
            for a, row in zip(missing, rows, strict=True):
                self.record(a, row)
        found = np.array([value(a) for a in wanted])
        return np.asarray(found[0] if strengths.ndim == 0 else found)

    def record(self, alpha: float, log_q: Floats) -> None:
        """Remember a measured distribution; old rows are dropped, their divergences stay."""
        q = np.exp(log_q)
        change = log_q - self.log_p
        forward = max(-float(self._p @ change), 0.0)
        self._divergences[alpha] = forward, max(float(q @ change), 0.0)
        if len(self._rows) > max(16, _ROWS // self.size):
            del self._rows[next(a for a in self._rows if a)]
        self._rows[alpha] = log_q

    def _row(self, alpha: float) -> Floats:
        if alpha not in self._rows:
            self.record(alpha, self.source.measure([(self._context, alpha)])[0])
        return self._rows[alpha]

    def _strengths(self, sign: int) -> list[float]:
        """Measured strengths on one side, increasing, from 0."""
        return sorted(abs(a) for a in self._divergences if a * sign >= 0.0)

    def _scan(self, sign: int, start: float = 0.0) -> list[float]:
        """Strengths from near 0 (or beyond `start`) to where nothing changes any more."""
        scale = self.source.scale(self._context)
        near = max(_NEAR * scale, 1.1 * start)
        far = max(_FAR * scale, _STRETCH * near)
        return [sign * float(a) for a in np.geomspace(near, far, _SCAN)]

    # The search behind each question: it yields signed alphas to measure and returns the root.

    def _cross_entropy_root(self, budget: float, sign: int) -> Search:
        return self._budget(budget, sign, 0)

    def _reverse_kl_root(self, budget: float, sign: int) -> Search:
        return self._budget(budget, sign, 1)

    def _budget(self, budget: float, sign: int, which: int) -> Search:
        goal, side = as_budget(budget, "budget"), as_sign(sign)
        if goal == 0.0:
            return Root(0.0, 0.0, 0.0)
        variance = self.local.variance
        if not variance > 0.0:
            return _none(side, "M is constant: steering moves nothing")
        rate = math.sqrt(0.5 * variance)
        near = math.sqrt(1.0 - _CLOSE)

        def y(strength: float) -> float:
            return math.sqrt(self._divergences[side * strength][which])

        ends = yield from self._crossing(y, math.sqrt(goal), rate, side, near, 1.0)
        if ends is None:
            best = max(self._strengths(side), key=y)
            return self._unfound(side, f"at most {y(best) ** 2:.4g} nats, at", best)
        return _root(side, *ends, inner=True)

    def _concept_root(self, tokens: tuple[int, ...], level: float, sign: int) -> Search:
        mask, side = as_tokens(list(tokens), self.size, single=True), as_sign(sign)
        value = as_level(level)
        start = _logit(self.log_p, mask)
        goal = math.log(value) - math.log1p(-value) - start
        if goal <= 0.0:
            return Root(0.0, 0.0, 0.0)
        share = float(expit(start))
        centred = self.log_odds - self._p @ self.log_odds
        gain = side * float(self._p[mask] @ centred[mask])
        rate = gain / max(share * (1.0 - share), 1e-300)

        @cache
        def y(strength: float) -> float:
            return _logit(self._row(side * strength), mask) - start

        ends = yield from self._crossing(y, goal, rate, side, 1.0, 1.0 + _OVER / max(goal, _OVER))
        if ends is None:
            best = max(self._strengths(side), key=y)
            return self._unfound(side, f"at most {expit(start + y(best)):.4g}, at", best)
        return _root(side, *ends, inner=False)

    def _concept_loss_root(
        self, tokens: tuple[int, ...], level: float, start: float, sign: int
    ) -> Search:
        mask, side = as_tokens(list(tokens), self.size, single=True), as_sign(sign)
        value = as_level(level)
        goal = math.log(value) - math.log1p(-value)

        @cache
        def below(strength: float) -> bool:
            return _logit(self._row(side * strength), mask) < goal

        near = [side * abs(start) * factor for factor in _LOST] if start else []
        for wanted in (near, self._scan(side, abs(start))):
            if not any(below(s) for s in self._strengths(side) if s > abs(start)):
                yield wanted
        ordered = [s for s in self._strengths(side) if s > abs(start)]
        first = next((i for i, s in enumerate(ordered) if below(s)), None)
        if first is None:
            return self._unfound(side, f"F_T is still at {value:.4g} or above at", ordered[-1])
        low, high = ordered[first - 1] if first else abs(start), ordered[first]
        while not self._narrow(low, high):
            middle = 0.5 * (low + high)
            yield [side * middle]
            low, high = (low, middle) if below(middle) else (middle, high)
        return _root(side, low, high, inner=True)

    def _concept_maximum(self, tokens: tuple[int, ...], sign: int) -> Search:
        mask, side = as_tokens(list(tokens), self.size, single=True), as_sign(sign)

        @cache
        def y(strength: float) -> float:
            return _logit(self._row(side * strength), mask)

        yield self._scan(side)
        low, best, high = yield from self._summit(y, side)
        if high == best or _logit(self.limit(side), mask) >= y(best):
            return Root(side * math.inf, side * math.inf, side * math.inf)
        lower, upper = sorted((side * low, side * high))
        far = self._strengths(side)[-1]
        return Root(side * best, lower, upper, f"looked for up to alpha = {side * far:.4g}")

    def _peak_root(self, token: int, sign: int) -> Search:
        side = as_sign(sign)
        centred = self.log_odds - self._p @ self.log_odds
        if not side * centred[token] > 0.0:
            return Root(0.0, 0.0, 0.0)

        def y(strength: float) -> float:
            return float(self._row(side * strength)[token])

        seed = side * float(TiltedFamily(self.log_p, self.log_odds).peaks()[token])
        if 0.0 < seed < math.inf:
            yield [side * seed * factor for factor in (0.25, 0.5, 1.0, 2.0)]
        falls = _first_fall(self._strengths(side), y, self.source.noise)
        if falls is None:
            yield self._scan(side)
            falls = _first_fall(self._strengths(side), y, self.source.noise)
        if falls is None:
            return self._unfound(side, "it still rises at", self._strengths(side)[-1])
        low, best, high = falls
        while not self._narrow(low, high, 4.0):
            yield [side * 0.5 * (low + best), side * 0.5 * (best + high)]
            ordered = sorted({low, 0.5 * (low + best), best, 0.5 * (best + high), high})
            at = max(range(1, len(ordered) - 1), key=lambda i: y(ordered[i]))
            low, best, high = ordered[at - 1 : at + 2]
        lower, upper = sorted((side * low, side * high))
        return Root(side * best, lower, upper)

    def _limit_root(self, tolerance: float, sign: int) -> Search:
        side, allowed = as_sign(sign), as_level(tolerance, "tolerance")
        goal = np.exp(self.limit(side))

        def distance(strength: float) -> float:
            return 0.5 * float(np.abs(np.exp(self._row(side * strength)) - goal).sum())

        high = self.source.scale(self._context)
        for _ in range(_HALVINGS):
            yield [side * high]
            gap = distance(high)
            if gap <= allowed:
                break
            # Far out the distance falls like 1 / alpha.
            high *= min(1.2 * gap / allowed, 8.0)
        if gap > allowed:
            return self._unfound(side, f"still {gap:.3g} from the limit at", high)
        yield self._scan(side)
        low = max(s for s in self._strengths(side) if s < high and distance(s) > allowed)
        while not self._narrow(low, high, 5.0):
            middle = math.sqrt(low * high) if low else 0.5 * high
            yield [side * middle]
            low, high = (middle, high) if distance(middle) > allowed else (low, middle)
        return _root(side, low, high, inner=False)

    def _crossing(
        self, y: Curve, goal: float, rate: float, side: int, under: float, over: float
    ) -> Generator[list[float], None, tuple[float, float] | None]:
        """The first crossing of y, which vanishes at 0 with slope `rate`: two measured strengths.

        y / alpha changes slowly and is almost a straight line in y, also where the curve saturates;
        so alpha is interpolated in y through the origin and what was measured. A bracket is done
        when it is narrow and y is within [under, 1] of the goal at its lower end (if under < 1) or
        [1, over] at its upper one (if over > 1).
        """
        scanned, tries, inside = not rate > 0.0, 0, 0
        if scanned:
            yield self._scan(side)
        for _ in range(_ROUNDS):
            ordered = self._strengths(side)
            at = next((i for i, s in enumerate(ordered) if y(s) >= goal), None)
            if at is not None:
                low, high = ordered[at - 1], ordered[at]
                near = y(low) >= under * goal if under < 1.0 else y(high) <= over * goal
                if self._narrow(low, high) and (near or self._narrow(low, high, 0.05)):
                    return low, high
                # Every third step halves: interpolation may creep up on one end for ever.
                inside += 1
                middle = 0.5 * (low + high)
                if inside % 3:
                    middle = self._inside(y, goal, rate, side, (low, high), under, over)
                yield [side * middle]
                continue
            last = ordered[-1]
            if not scanned and tries < _TRIES:
                guess = self._guess(y, goal, rate, ordered)
                turned = len(ordered) > 1 and y(last) <= max(y(s) for s in ordered[:-1])
                if guess > last and not turned:
                    reach = _FAR * self.source.scale(self._context)
                    limit = _STRETCH * last if last else min(guess, reach)
                    tries += 1
                    yield [side * min(guess, limit)]
                    continue
            if not scanned:
                scanned = True
                yield self._scan(side)
                continue
            # Scanned, and below everywhere: a maximum between two strengths may still reach it.
            _, best, _ = yield from self._summit(y, side, goal)
            if y(best) < goal:
                return None
        # Out of rounds: the bracket as it is, honest about its width.
        at = next((i for i, s in enumerate(ordered) if y(s) >= goal), None)
        return None if at is None else (ordered[at - 1], ordered[at])

    def _summit(
        self, y: Curve, side: int, enough: float = math.inf
    ) -> Generator[list[float], None, tuple[float, float, float]]:
        """The highest measured strength between its neighbours, refined; (low, best, high)."""
        for _ in range(_HALVINGS):
            ordered = self._strengths(side)
            at = max(range(len(ordered)), key=lambda i: y(ordered[i]))
            best = ordered[at]
            low, high = ordered[max(at - 1, 0)], ordered[min(at + 1, len(ordered) - 1)]
            if y(best) >= enough or self._narrow(low, high, 5.0):
                break
            yield [side * 0.5 * (a + b) for a, b in ((low, best), (best, high)) if a < b]
        return low, best, high

    def _narrow(self, low: float, high: float, factor: float = 1.0) -> bool:
        return high - low <= factor * _WIDTH * high

    def _inside(
        self, y: Curve, goal: float, rate: float, side: int, ends: tuple[float, float],
        under: float, over: float,
    ) -> float:  # fmt: skip
        """The next strength in a bracket: get one end close, then the other near it."""
        low, high = ends
        middle = 0.5 * (low + high)
        if under < 1.0:
            aim = 0.5 * (1.0 + under) if y(low) < under * goal else 1.5 - 0.5 * under
        else:
            aim = 0.5 * (1.0 + over) if y(high) > over * goal else 1.5 - 0.5 * over
        known = [s for s in self._strengths(side) if s <= high]
        guess = self._guess(y, aim * goal, rate, known)
        margin = 1e-3 * (high - low)
        return guess if low + margin < guess < high - margin else middle

    def _guess(self, y: Curve, goal: float, rate: float, strengths: Iterable[float]) -> float:
        """alpha = y / r(y) at the goal, r interpolated through the origin and the nearest nodes."""
        known = [(s, y(s)) for s in strengths if s > 0.0]
        near = sorted(known, key=lambda node: abs(node[1] - goal))[:_NODES]
        points = [(0.0, rate)] if rate > 0.0 else []
        for alpha, value in near:
            # Neighbours much closer than the goal is far would extrapolate their own rounding.
            apart = 0.1 * abs(value - goal) + 1e-9 * goal
            if value > 0.0 and all(abs(value - other) > apart for other, _ in points):
                points.append((value, value / alpha))
        if not points:
            return math.nan
        # Neville: stable for so few points.
        table = [r for _, r in points]
        for depth in range(1, len(points)):
            for i in range(len(points) - depth):
                left, right = points[i][0], points[i + depth][0]
                weight = (goal - left) / (right - left)
                table[i] += weight * (table[i + 1] - table[i])
        return goal / table[0] if table[0] > 0.0 else math.nan

    def _unfound(self, side: int, what: str, where: float) -> Root:
        far = self._strengths(side)[-1]
        words = f"not found up to alpha = {side * far:.4g}: {what} alpha = {side * where:.4g}"
        beyond = side * math.inf
        lower, upper = sorted((side * far, beyond))
        return Root(beyond, lower, upper, words)


class Measured:
    """Contexts held at a block: every distribution is a forward pass above it."""

    def __init__(self, held: Held, vector: Any) -> None:
        self.held, self.vector = held, vector
        self.locals = derivatives(held, vector)
        # KL is half the variance of a change of log-probabilities.
        self.noise = 3.0 * math.sqrt(2.0 * held.model.floor)

    def measure(self, wanted: Sequence[tuple[int, float]]) -> Floats:
        contexts, alphas = zip(*wanted, strict=True)
        normed = self.held.last_normed(contexts, np.array(alphas), self.vector)
        return self.held.model.log_softmax(normed)

    def scale(self, context: int) -> float:
        return float(self.held.lengths[context]) / length(self.vector)

    def limit(self, context: int, sign: int) -> Floats:
        model = self.held.model
        if isinstance(self.vector, SteeringVector) and model.structure.not_affine is None:
            with suppress(ModelError):
                return np.asarray(last_block(model, np.zeros(model.width), self.vector).limit(sign))
        return self.measure([(context, sign * 64.0 * _FAR * self.scale(context))])[0]


def _logit(log_q: Floats, mask: NDArray[np.bool_]) -> float:
    return float(logsumexp(log_q[mask]) - logsumexp(log_q[~mask]))


def _first_fall(
    strengths: Sequence[float], y: Curve, noise: float
) -> tuple[float, float, float] | None:
    """The highest strength before y retreats by more than `noise`, between its neighbours."""
    top = 0
    for i in range(1, len(strengths)):
        if y(strengths[i]) > y(strengths[top]):
            top = i
        elif top and y(strengths[i]) < y(strengths[top]) - noise:
            return strengths[top - 1], strengths[top], strengths[top + 1]
    return None


def _frozen(tokens: ArrayLike, size: int) -> tuple[int, ...]:
    return tuple(np.flatnonzero(as_tokens(tokens, size, single=True)).tolist())


def _none(side: int, reason: str) -> Root:
    return Root(side * math.inf, side * math.inf, side * math.inf, reason)


def _root(side: int, low: float, high: float, *, inner: bool) -> Root:
    lower, upper = sorted((side * low, side * high))
    return Root(side * (low if inner else high) + 0.0, lower + 0.0, upper + 0.0)
