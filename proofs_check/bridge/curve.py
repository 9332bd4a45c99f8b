"""Steered curves of a model: what `theory.advice` asks, answered where the model is steered.

At the output of the final norm each context is a `TiltedFamily`, exact. At the last block its
logits are known in closed form (`last-block`), a `ScannedCurve`. At any other block nothing is
linear: one central difference at alpha = 0 (`derivatives`) seeds every search, each distribution
that is measured serves all searches of its context, and an answer is a strength that was measured
between two that were. What was not found says up to where it was looked for, never "never".

The searches are generators: they yield the strengths they want measured and return a `Root`. So one
curve can be asked alone, and the searches of many contexts can share forward passes
(`MeasuredCurve.together`).
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, wraps
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import KroghInterpolator
from scipy.special import expit, logsumexp

from steering_strength.proofs_check.bridge.loading import ModelError
from steering_strength.proofs_check.bridge.steer import Held
from steering_strength.proofs_check.bridge.structure import precision
from steering_strength.proofs_check.bridge.texts import TokenBatch
from steering_strength.proofs_check.bridge.vectors import FINAL_NORM, SteeringVector
from steering_strength.theory import TiltedFamily
from steering_strength.theory.advice import ScannedCurve
from steering_strength.theory.engine import LastBlock
from steering_strength.theory.engine.inverse import Root, never
from steering_strength.theory.engine.validation import as_budget, as_level, as_sign, as_tokens

if TYPE_CHECKING:
    from steering_strength.proofs_check.bridge.model import SteeredModel

Floats = NDArray[np.float64]
Search = Generator[list[float], None, Root]

# A step of this share of the states' median length: truncation and float32 rounding both stay below
# 1e-3 of the variance there, measured at every depth. In 16 bits it would be rounded away.
_STEP, _WIDE_STEP, _STEPS = 3e-3, 5e-2, 3
# A budget is kept, and spent to this share; a level is reached, and exceeded by this in its logit.
_CLOSE, _OVER = 0.01, 0.01
# A decoder aims at this share of its budget, and is content above the other.
_AIM, _CONTENT = 0.97, 0.8
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


def derivatives(held: Held, vector: Any) -> list[TiltedFamily]:
    """The tilted family that agrees to first order with each context, M_loc = d logits / d alpha.

    By central differences of the last logits, both steps of all contexts in one pass. The step is a
    share of the states' length. Where that turns out to move the logits too far (the relative
    truncation is a third of the step squared, in units of sd(M)) or, in 16 bits, too little to be
    seen above rounding, another pass takes a step that balances the two.
    """
    model, everyone = held.model, list(range(held.count)) * 2
    coarse = precision(model.dtype) > 1e-5
    steps = (_WIDE_STEP if coarse else _STEP) * held.lengths / vector.norm
    p = held.log_p.exp()
    aim = max((3.0 * model.floor) ** 0.25, 0.01) if coarse else 0.01
    for _ in range(1 + _STEPS):
        normed = held.last_normed(everyone, np.concatenate((-steps, steps)), vector)
        low, high = model.logits(normed).chunk(2)
        slope = (high - low) / (2 * torch.as_tensor(steps).to(high)[:, None])
        centred = slope - (p * slope).sum(dim=-1, keepdim=True)
        moved = steps * (p * centred**2).sum(dim=-1).sqrt().cpu().numpy()
        far = moved > max(2.0 * aim, 0.1)
        if not (far | (coarse & (moved < 0.5 * aim) & (moved > 0.0))).any():
            break
        steps = steps * np.clip(aim / np.maximum(moved, 1e-300), 1e-3, _STRETCH)
    rows = zip(held.log_p.cpu().numpy(), slope.cpu().numpy(), strict=True)
    return [TiltedFamily(log_p, odds) for log_p, odds in rows]


def last_block(model: SteeredModel, h: ArrayLike, vector: SteeringVector) -> LastBlock:
    """The closed form at the last block for one residual h, (d,), of the last position.

    Raises ModelError: the final norm is neither an RMSNorm nor a LayerNorm.
    """
    norm = model.norm
    ph = norm.centred(np.asarray(h, dtype=np.float64))
    pv = norm.centred(vector.values)
    states = np.stack([norm.gain * ph, norm.gain * pv, np.zeros_like(ph), norm.bias])
    a, b, zero, offset = model.logits(torch.as_tensor(states)).cpu().numpy()
    return LastBlock(
        a=a - zero,
        b=b - zero,
        offset=offset,
        A=float(np.mean(pv**2)),
        B=float(np.mean(ph * pv)),
        C=float(np.mean(ph**2) + norm.eps),
    )


def plateau(model: SteeredModel, vector: SteeringVector) -> Floats:
    """Log-probabilities at alpha -> -inf and +inf, (2, V): LN(-+v) W^T, whatever the prompt."""
    form = last_block(model, np.zeros(model.width), vector)
    return np.stack([form.limit(sign) for sign in (-1, 1)])


def closed_forms(held: Held, vector: Any) -> list[LastBlock]:
    """Of every context at the last block; none elsewhere, or where the final norm is unknown."""
    model = held.model
    last = held.site.layer == len(model.blocks) - 1 and len(vector.parts) == 1
    if last and model.structure.not_affine is None:
        with suppress(ModelError):
            states = held.batch.at_last(held.residual).cpu().double().numpy()
            return [last_block(model, h, vector) for h in states]
    return []


def curves(model: SteeredModel, vector: Any, batch: TokenBatch) -> list[Any]:
    """The `SteeredCurve` of every context, where the vector (or the vectors) belong.

    Raises AssumptionError: at the final norm of a model whose logits are not affine there.
    """
    if len(vector.parts) == 1 and vector.site == FINAL_NORM:
        model.require_affine()
        odds = model.direction(vector.values)
        return [TiltedFamily(row, odds) for row in model.log_probability(batch)]
    held = model.hold(batch, vector.site, vector.apply)
    forms = closed_forms(held, vector)
    return [ScannedCurve.last_block(form) for form in forms] or list(measured(held, vector))


def measured(held: Held, vector: Any) -> list[MeasuredCurve]:
    """Curves that measure at any site: along one vector, or along several in order of depth."""
    found = enumerate(derivatives(held, vector))
    return [MeasuredCurve(held, vector, context, local) for context, local in found]


def _question(search: Callable[..., Search]) -> Callable[..., Root]:
    """A search as a question that is answered once: asked alone, or with others by `together`."""
    signature = inspect.signature(search)

    @wraps(search)
    def ask(self: MeasuredCurve, *given: Any, **named: Any) -> Root:
        bound = signature.bind(self, *given, **named)
        bound.apply_defaults()
        asked = self._key(search.__name__, bound.args[1:])
        self.together([(self, asked[0], asked[1:])])
        return self._roots[asked]

    return ask


class MeasuredCurve:
    """One context held at a block, answering `theory.advice.curve.SteeredCurve`.

    `log_p` is the distribution at alpha = 0, `log_odds` the derivative of the logits there (M_loc,
    nats per unit alpha), `local` the family of both. Every distribution is a forward pass above the
    block, remembered, and serves all questions; a root is where a measured quantity is at its
    level, between a measured strength below and a measured one above.
    """

    method: Literal["measured"] = "measured"

    def __init__(self, held: Held, vector: Any, context: int, local: TiltedFamily) -> None:
        self.held, self._vector, self._context = held, vector, context
        self.local, self.log_p, self.log_odds = local, local.log_p, local.log_odds
        self.size = int(self.log_p.size)
        # One state's length, in alphas.
        self._scale = float(held.lengths[context]) / vector.norm
        self._rows: dict[float, torch.Tensor] = {0.0: held.log_p[context]}
        self._divergences: dict[float, tuple[float, float]] = {0.0: (0.0, 0.0)}
        self._roots: dict[tuple[Any, ...], Root] = {}
        self._limits: dict[int, Floats] = {}

    @property
    def measured(self) -> int:
        """How many distributions were measured."""
        return len(self._divergences) - 1

    def log_probability(self, alpha: ArrayLike) -> Floats:
        """log p_alpha(z), (A, V)."""
        strengths = np.asarray(alpha, dtype=np.float64)
        wanted = [float(a) for a in np.atleast_1d(strengths)]
        known = self._known(wanted)
        rows = torch.stack([known[a] for a in wanted]).cpu().numpy()
        return np.asarray(rows[0] if strengths.ndim == 0 else rows)

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
        side, model = as_sign(sign), self.held.model
        if side in self._limits:
            return self._limits[side]
        if len(self._vector.parts) == 1 and model.structure.not_affine is None:
            with suppress(ModelError):
                self._limits[side] = plateau(model, self._vector)[(side + 1) // 2]
        if side not in self._limits:
            far = self._measure([(self, side * 64.0 * _FAR * self._scale)])
            self._limits[side] = far[0].cpu().numpy()
        return self._limits[side]

    @staticmethod
    def together(asked: Sequence[tuple[MeasuredCurve, str, tuple[Any, ...]]]) -> None:
        """Answer questions about many curves; those held together share each round's pass."""
        running = []
        for curve, question, arguments in asked:
            key = curve._key(question, arguments)
            if key not in curve._roots:
                search = getattr(MeasuredCurve, question).__wrapped__
                running.append((curve, key, search(curve, *key[1:])))
        while running:
            going, missing = [], dict[int, dict[tuple[MeasuredCurve, float], None]]()
            for curve, key, search in running:
                try:
                    wanted = next(search)
                except StopIteration as done:
                    curve._roots[key] = done.value
                    continue
                going.append((curve, key, search))
                rows = missing.setdefault(id(curve.held), {})
                rows |= {(curve, a): None for a in wanted if a not in curve._divergences}
            for rows in filter(None, missing.values()):
                MeasuredCurve._record(list(rows))
            running = going

    def _key(self, question: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """A question with its arguments, tokens as a tuple of indices."""
        frozen = [
            value if isinstance(value, int | float | np.number)
            else tuple(np.flatnonzero(as_tokens(value, self.size, single=True)).tolist())
            for value in arguments
        ]  # fmt: skip
        return question, *frozen

    def _measure(self, places: Sequence[tuple[MeasuredCurve, float]]) -> torch.Tensor:
        """Distributions, (n, V), of curves that are held together, each at its strength."""
        contexts, alphas = [c._context for c, _ in places], np.array([a for _, a in places])
        normed = self.held.last_normed(contexts, alphas, self._vector)
        return torch.log_softmax(self.held.model.logits(normed), dim=-1)

    @staticmethod
    def _record(places: Sequence[tuple[MeasuredCurve, float]]) -> torch.Tensor:
        """Measure and remember, where the model is; old rows go, their divergences stay."""
        first = places[0][0]
        rows = first._measure(places)
        base = first.held.log_p[[curve._context for curve, _ in places]]
        change = rows - base
        both = torch.stack((-(base.exp() * change).sum(-1), (rows.exp() * change).sum(-1)), dim=-1)
        found = zip(places, rows, both.clamp_min(0.0).tolist(), strict=True)
        for (curve, alpha), row, (forward, reverse) in found:
            curve._divergences[alpha] = forward, reverse
            if len(curve._rows) > max(16, _ROWS // curve.size):
                del curve._rows[next(a for a in curve._rows if a)]
            curve._rows[alpha] = row
        return rows

    def _known(self, alphas: Sequence[float]) -> dict[float, torch.Tensor]:
        """Rows of those strengths; the missing ones are measured all at once."""
        known = {a: self._rows[a] for a in alphas if a in self._rows}
        missing = [(self, a) for a in dict.fromkeys(alphas) if a not in known]
        fresh = zip(missing, self._record(missing), strict=True) if missing else ()
        return known | {a: row for (_, a), row in fresh}

    def _over(self, alpha: ArrayLike, value: Callable[[float], Any]) -> Floats:
        """A value at every alpha; what was not measured yet is, all at once."""
        strengths = np.asarray(alpha, dtype=np.float64)
        wanted = [float(a) for a in np.atleast_1d(strengths)]
        self._known([a for a in wanted if a not in self._divergences])
        found = np.array([value(a) for a in wanted])
        return np.asarray(found[0] if strengths.ndim == 0 else found)

    def _row(self, alpha: float) -> Floats:
        return np.asarray(self._known([alpha])[alpha].cpu().numpy())

    def _side(self, sign: int, value: Callable[[Floats], float]) -> _Side:
        """A quantity of the distributions, formed once for each."""
        return _Side(self, sign, cache(lambda alpha: value(self._row(alpha))))

    # The questions. Each search yields signed alphas to be measured, and returns its root.

    @_question
    def cross_entropy_root(self, budget: float, sign: int) -> Search:
        """Where KL(p || p_alpha) first exceeds `budget` nats; alpha keeps it."""
        return self._budget(budget, sign, 0)

    @_question
    def reverse_kl_root(self, budget: float, sign: int) -> Search:
        """Where KL(p_alpha || p) first exceeds `budget` nats; alpha keeps it."""
        return self._budget(budget, sign, 1)

    def _budget(self, budget: float, sign: int, which: int) -> Search:
        goal = as_budget(budget, "budget")
        side = _Side(self, sign, lambda alpha: math.sqrt(self._divergences[alpha][which]))
        if goal == 0.0:
            return Root.of(0.0)
        variance = float(self.local.variance(0.0))
        if not variance > 0.0:
            return never(side.sign, "M is constant: steering moves nothing")
        # y is the square root of the budget: a share of 1 - c there is sqrt(1 - c) here.
        rate, close = math.sqrt(0.5 * variance), 1.0 - math.sqrt(1.0 - _CLOSE)
        if found := (yield from side.crossing(math.sqrt(goal), rate, 0, close)):
            return found
        top = side.top()
        return side.unfound(f"at most {side.y(top) ** 2:.4g} nats, at", top)

    @_question
    def spending(self, budget: float, sign: int, largest: float) -> Search:
        """A strength that keeps `budget` and spends most of it, from few distributions; or 0.

        By secants of sqrt(KL) / |alpha|, which changes slowly, through the origin.
        """
        goal, best = as_budget(budget, "budget"), 0.0
        side = _Side(self, sign, lambda alpha: self._divergences[alpha][0])
        alpha = min(abs(self.local.cross_entropy_root(goal, sign).alpha), largest)
        for _ in range(_TRIES):
            if not math.isfinite(alpha):
                break
            yield side.at([alpha])
            spent = side.y(alpha)
            if spent <= goal:
                best = max(best, alpha)
            if _CONTENT * goal <= spent <= goal or best == largest:
                break
            factor = math.sqrt(_AIM * goal / max(spent, 1e-300))
            alpha = min(alpha * float(np.clip(factor, 0.1, 2.0)), largest)
        return Root.of(side.sign * best)

    @_question
    def concept_root(self, tokens: ArrayLike, level: float, sign: int = 1) -> Search:
        """Where F_C first reaches `level`; alpha reaches it, 0 if it is there already."""
        mask = as_tokens(tokens, self.size, single=True)
        start = _logit(self.log_p, mask)
        side, goal = self._side(sign, lambda row: _logit(row, mask) - start), _level(level) - start
        if goal <= 0.0:
            return Root.of(0.0)
        share = float(expit(start))
        rate = float(self.local.concept_slope(mask, 0.0)) / max(share * (1.0 - share), 1e-300)
        rate, close = side.sign * rate, _OVER / max(goal, _OVER)
        if found := (yield from side.crossing(goal, rate, 1, close)):
            return found
        top = side.top()
        return side.unfound(f"at most {expit(start + side.y(top)):.4g}, at", top)

    @_question
    def concept_loss_root(
        self, tokens: ArrayLike, level: float, start: float, sign: int = 1
    ) -> Search:
        """Where beyond `start` F_C falls below `level` again; alpha still has it."""
        mask, begin = as_tokens(tokens, self.size, single=True), abs(start)
        side, goal = self._side(sign, lambda row: -_logit(row, mask)), -_level(level)
        for wanted in ([begin * factor for factor in _LOST if begin], side.scan(begin)):
            if side.first(goal, begin) is None:
                yield side.at(wanted)
        ends = side.first(goal, begin)
        if ends is None:
            return side.unfound(f"F_T is still at {level:.4g} or above at", side.strengths()[-1])
        return (yield from side.halved(goal, *ends, inner=True))

    @_question
    def concept_maximum(self, tokens: ArrayLike, sign: int = 1) -> Search:
        """Where F_C is largest on that side, among what was measured."""
        mask = as_tokens(tokens, self.size, single=True)
        side = self._side(sign, lambda row: _logit(row, mask))
        yield side.at(side.scan())
        low, best, high = yield from side.summit()
        if high == best or _logit(self.limit(sign), mask) >= side.y(best):
            return Root.of(side.sign * math.inf)
        reason = f"looked for up to alpha = {side.sign * side.strengths()[-1]:.4g}"
        found = Root.between(side.sign, low, high, inner=True)
        return replace(found, alpha=side.sign * best, reason=reason)

    @_question
    def peak_root(self, token: int, sign: int = 1) -> Search:
        """Where the token's probability first turns down; 0 if it falls from the start."""
        side = self._side(sign, lambda row: float(row[token]))
        if not side.sign * (self.log_odds[token] - np.exp(self.log_p) @ self.log_odds) > 0.0:
            return Root.of(0.0)
        seed = side.sign * float(self.local.peaks()[token])
        if 0.0 < seed < math.inf:
            yield side.at([seed * factor for factor in (0.25, 0.5, 1.0, 2.0)])
        # KL is half the variance of a change of log-probabilities.
        noise = 3.0 * math.sqrt(2.0 * self.held.model.floor)
        falls = side.fall(noise)
        if falls is None:
            yield side.at(side.scan())
            falls = side.fall(noise)
        if falls is None:
            return side.unfound("it still rises at", side.strengths()[-1])
        low, best, high = yield from side.summit(between=falls)
        return replace(Root.between(side.sign, low, high, inner=True), alpha=side.sign * best)

    @_question
    def limit_root(self, tolerance: float, sign: int) -> Search:
        """Beyond which alpha p_alpha was within `tolerance` of `limit`, in total variation."""
        allowed, goal = as_level(tolerance, "tolerance"), np.exp(self.limit(sign))
        side = self._side(sign, lambda row: -0.5 * float(np.abs(np.exp(row) - goal).sum()))
        yield side.at(side.scan())
        # Far out the distance falls like 1 / alpha.
        for _ in range(_TRIES):
            if side.y(side.strengths()[-1]) >= -allowed:
                break
            yield side.at([8.0 * side.strengths()[-1]])
        ordered = side.strengths()
        apart = [i for i, strength in enumerate(ordered) if side.y(strength) < -allowed]
        if not apart:
            return Root.of(0.0)
        if ordered[apart[-1]] == ordered[-1]:
            return side.unfound(f"not within {allowed:.3g} of the limit at", ordered[-1])
        low, high = ordered[apart[-1]], ordered[apart[-1] + 1]
        return (yield from side.halved(-allowed, low, high, inner=False))


class _Side:
    """One quantity of a curve on one side, at the strengths that were measured there, from 0.

    The searches yield the alphas that they want measured.
    """

    def __init__(self, curve: MeasuredCurve, sign: int, value: Callable[[float], float]) -> None:
        self._curve, self._value, self.sign = curve, value, as_sign(sign)

    def y(self, strength: float) -> float:
        """The quantity at a measured strength."""
        return self._value(self.sign * strength)

    def at(self, strengths: Iterable[float]) -> list[float]:
        """Those alphas."""
        return [self.sign * strength for strength in strengths]

    def strengths(self, start: float = 0.0) -> list[float]:
        """Measured ones, increasing from `start`."""
        seen = (self.sign * alpha for alpha in self._curve._divergences)
        return [start, *sorted(strength for strength in seen if strength > start)]

    def scan(self, start: float = 0.0) -> list[float]:
        """Strengths from near 0 (or beyond `start`) to where nothing changes any more."""
        near = max(_NEAR * self._curve._scale, 1.1 * start)
        far = max(_FAR * self._curve._scale, _STRETCH * near)
        return np.geomspace(near, far, _SCAN).tolist()

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
            elif top and self.y(strength) < self.y(ordered[top]) - noise:
                return ordered[top - 1], ordered[top], ordered[top + 1]
        return None

    def top(self) -> float:
        """The strength at which y is largest."""
        return max(self.strengths(), key=self.y)

    def unfound(self, what: str, where: float) -> Root:
        """Looked for in vain, and what was seen at a strength."""
        words = f"{what} alpha = {self.sign * where:.4g}"
        return Root.unfound(self.sign, self.strengths()[-1], words)

    def halved(self, goal: float, low: float, high: float, *, inner: bool) -> Search:
        """Halve until narrow: the goal is not reached at `low` and is at `high`."""
        while not _narrow(low, high):
            # Geometric far out, where a scan's strengths are.
            middle = math.sqrt(low * high) if high > 4.0 * low > 0.0 else 0.5 * (low + high)
            yield self.at([middle])
            low, high = (low, middle) if self.y(middle) >= goal else (middle, high)
        return Root.between(self.sign, low, high, inner=inner)

    def crossing(
        self, goal: float, rate: float, end: int, close: float
    ) -> Generator[list[float], None, Root | None]:
        """The first crossing of y, which vanishes at 0 with slope `rate`, if there is one.

        y / alpha changes slowly and is almost a straight line in y, also where the curve saturates;
        so alpha is interpolated in y through the origin and what was measured. A bracket is done
        when it is narrow and y at its lower end (`end` 0) or its upper one (1) is within `close`
        of the goal, relatively. Out of rounds, it is returned as it is, honest about its width.
        """
        aim = goal * (1.0 + (end - 0.5) * close)
        tries, inside, scanned = _TRIES if rate > 0.0 else 0, 0, False
        for _ in range(_ROUNDS):
            if ends := self.first(goal):
                low, high = ends
                near = abs(self.y(ends[end]) - goal) <= close * goal
                if _narrow(low, high) and (near or _narrow(low, high, 0.05)):
                    break
                # Get one end close, then the other near it. Every third step halves: interpolation
                # may creep up on one end for ever.
                inside += 1
                guess = self._guess(2.0 * goal - aim if near else aim, rate, high)
                margin = 1e-3 * (high - low)
                good = inside % 3 and low + margin < guess < high - margin
                yield self.at([guess if good else 0.5 * (low + high)])
                continue
            if not scanned:
                last = self.strengths()[-1]
                guess = self._guess(goal, rate, last) if tries else math.nan
                turned = self.top() < last
                scanned, tries = turned or not guess > last, tries - 1
                ahead = min(guess, _STRETCH * last or _FAR * self._curve._scale)
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
        """The highest measured strength between its neighbours, refined; (low, best, high)."""
        for _ in range(_HALVINGS):
            ordered = [s for s in self.strengths() if between[0] <= s <= between[-1]]
            best = max(ordered, key=self.y)
            at = ordered.index(best)
            low, high = ordered[max(at - 1, 0)], ordered[min(at + 1, len(ordered) - 1)]
            if self.y(best) >= enough or _narrow(low, high, 5.0):
                break
            yield self.at(0.5 * (a + b) for a, b in ((low, best), (best, high)) if a < b)
        return low, best, high

    def _guess(self, goal: float, rate: float, most: float) -> float:
        """alpha = y / r(y) at the goal, r interpolated through the origin and the nearest nodes."""
        known = [(s, self.y(s)) for s in self.strengths() if 0.0 < s <= most]
        near = sorted(known, key=lambda node: abs(node[1] - goal))[:_NODES]
        points = [(0.0, rate)] if rate > 0.0 else []
        for alpha, value in near:
            # Neighbours much closer than the goal is far would extrapolate their own rounding.
            apart = 0.1 * abs(value - goal) + 1e-9 * goal
            if value > 0.0 and all(abs(value - other) > apart for other, _ in points):
                points.append((value, value / alpha))
        if not points:
            return math.nan
        ratio = float(KroghInterpolator(*zip(*points, strict=True))(goal))
        return goal / ratio if ratio > 0.0 else math.nan


def _narrow(low: float, high: float, factor: float = 1.0) -> bool:
    return high - low <= factor * _WIDTH * high


def _level(level: float) -> float:
    value = as_level(level)
    return math.log(value) - math.log1p(-value)


def _logit(log_q: Floats, mask: NDArray[np.bool_]) -> float:
    return float(logsumexp(log_q[mask]) - logsumexp(log_q[~mask]))
