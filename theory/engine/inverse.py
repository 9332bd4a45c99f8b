"""Which alpha does that? Questions the other way round, each answered by a bracketed root.

Both divergences grow with |alpha| on either side of 0, and so does the share of the extreme tokens:
there is one root or none, and `narrowed` finds it. The probability of any other concept may rise
and fall; its first crossing is found by steps that provably cannot jump over it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steering_strength.theory.engine.concept import (
    concept_limit,
    concept_log_odds,
    split,
    split_log_odds,
)
from steering_strength.theory.engine.cross_entropy import (
    cross_entropy_increase,
    log_normaliser,
    reverse_kl,
)
from steering_strength.theory.engine.measure import Measure
from steering_strength.theory.engine.numerics import LARGEST, narrowed, outwards, quiet
from steering_strength.theory.engine.peaks import peak_of_level
from steering_strength.theory.engine.tilting import log_probability, mean

Floats = NDArray[np.float64]
State = tuple[Floats, Floats, Floats]

# Past a rising crossing F_C is above the level by rounding at first; it is followed outwards until
# it is above for sure, over this share of alpha at most. What falls back sooner only touches.
_TOUCH = 1e-6
# A level this far above the best value found, in logits, is certified as never reached.
_SLACK = 1e-7
# Far out the values tend to the limit and may round to either side of it.
_ROUNDING = 1e-12
_ROUNDS = 20
STILL = "M is constant: steering moves nothing"
# Steps of a search that may not jump over a crossing; ordinary ones take some ten, to 1e300 2000.
_STEPS = 20_000


@dataclass(frozen=True)
class Root:
    """At which alpha does a quantity reach a level.

    Attributes
    ----------
    alpha : float
        The answer: 0 where the level is reached from the start, +-inf where it never is.
    lower, upper : float
        Neighbouring floats between which the quantity crosses the level; equal to `alpha` where
        the answer is exact or there is none.
    reason : str
        Empty where the level is reached; otherwise why it is not.
    """

    alpha: float
    lower: float
    upper: float
    reason: str = ""

    @classmethod
    def of(cls, alpha: float) -> Root:
        """An answer without a bracket."""
        return cls(alpha, alpha, alpha)

    @classmethod
    def between(cls, sign: int, near: float, far: float, *, inner: bool) -> Root:
        """The root on the side of `sign` with |alpha| in [near, far]: its inner or outer end."""
        # `+ 0.0` turns the -0.0 of a mirrored 0 into 0.
        lower, upper = sorted((sign * near + 0.0, sign * far + 0.0))
        return cls(sign * (near if inner else far) + 0.0, lower, upper)

    @classmethod
    def unfound(cls, sign: int, far: float, why: str = "") -> Root:
        """No root, looked for up to |alpha| = far."""
        lower, upper = sorted((sign * far, sign * math.inf))
        reason = f"not found up to alpha = {sign * far:.6g}"
        return cls(sign * math.inf, lower, upper, f"{reason}: {why}" if why else reason)

    @property
    def reached(self) -> bool:
        """Whether the level is reached at a finite alpha."""
        return not self.reason


def cross_entropy_root(measure: Measure, budget: float, sign: int) -> Root:
    """Return the alpha of that sign with KL(p || p_alpha) = budget.

    The divergence is convex in alpha and grows without bound unless M is constant. With R the
    range of M and sigma = |extreme M - E[M]| it is below alpha^2 R^2 / 8 and alpha sigma, and above
    alpha sigma + log p(extreme): the first bracket.
    """
    if root := _trivial(measure, budget, sign):
        return root
    sigma = measure.top_gap if sign > 0 else measure.bottom_gap
    upper = (budget - measure.log_share(sign)) / sigma if sigma > 0.0 else math.inf
    if not upper < LARGEST:
        return never(sign, f"|alpha| would exceed {LARGEST:g}")
    lower = max(budget / sigma, math.sqrt(8.0) * math.sqrt(budget) / (measure.high - measure.low))

    def excess(strength: float) -> float:
        return float(cross_entropy_increase(measure, np.array([sign * strength]))[0]) - budget

    # Rounding may put the root just outside the bracket that theory gives.
    return Root.between(sign, *narrowed(excess, 0.999 * lower, 1.001 * upper), inner=True)


def reverse_kl_root(measure: Measure, budget: float, sign: int) -> Root:
    """Return the alpha of that sign with KL(p_alpha || p) = budget.

    The divergence rises to -log p(extreme), which it never reaches: a larger budget has no root.
    """
    if root := _trivial(measure, budget, sign):
        return root
    supremum = -measure.log_share(sign)
    if budget >= supremum:
        return never(sign, f"the divergence stays below {supremum:.6g} nats")

    def excess(strength: float) -> float:
        return float(reverse_kl(measure, np.array([sign * strength]))[0]) - budget

    bracket = outwards(excess, _step(measure.high - measure.low))
    if bracket is None:
        return never(sign, f"|alpha| would exceed {LARGEST:g}, or it rounds to {supremum:.17g}")
    return Root.between(sign, *bracket, inner=True)


def _trivial(measure: Measure, budget: float, sign: int) -> Root | None:
    if budget == 0.0:
        return Root.of(0.0)
    return never(sign, STILL) if measure.constant else None


def limit_root(measure: Measure, tolerance: float, sign: int) -> Root:
    """Return the alpha of that sign beyond which p_alpha is within `tolerance` of its limit.

    The distance is total variation. It is the probability that is not yet on the tokens at the
    extreme of M: R / (P + R) with R the tilted mass of the others (Prop. B.1), and it falls
    strictly with |alpha|.
    """
    if measure.constant:
        return Root.of(0.0)
    extreme = measure.high if sign > 0 else measure.low
    inside, outside = split(measure, measure.log_odds == extreme)
    level = math.log1p(-tolerance) - math.log(tolerance)

    def excess(strength: float) -> float:
        return float(split_log_odds(inside, outside, np.array([sign * strength]))[0]) - level

    if excess(0.0) >= 0.0:
        return Root.of(0.0)
    bracket = outwards(excess, _step(measure.high - measure.low))
    if bracket is None:
        return never(sign, f"|alpha| would exceed {LARGEST:g}")
    return Root.between(sign, *bracket, inner=False)


def concept_root(measure: Measure, mask: NDArray[np.bool_], log_odds: float, sign: int) -> Root:
    """Return the alpha nearest 0 of that sign, or 0, with logit F_C(alpha) >= log_odds."""
    if mask.all():
        return Root.of(0.0)
    if not mask.any():
        return never(sign, "no token of the concept has support")
    return _concept_crossing(*split(measure, mask), log_odds, sign)


def concept_loss_root(
    measure: Measure, mask: NDArray[np.bool_], log_odds: float, start: float, sign: int
) -> Root:
    """Return where beyond `start`, going outwards, logit F_C falls below log_odds again.

    F_C is at the level at `start`. Steering on from p_alpha is steering, only with another base:
    the search is the first crossing of the complement, seen from there. `start` itself where F_C
    only touches the level. The root's alpha is the end at which F_C still is at the level.
    """
    if measure.constant or mask.all():
        return never(sign, STILL if measure.constant else "the concept holds all of the support")
    unit, near = _step(measure.high - measure.low), sign * start
    step, most = 1e-12 * max(near, 1e-6 * unit), _TOUCH * max(near, unit)
    while concept_log_odds(measure, mask, np.array([sign * (near + step)]))[0] <= log_odds:
        step *= 8.0
        if step > most:
            return Root.of(start)
    base = near + step
    ahead = Measure(log_probability(measure, np.array([sign * base]))[0], measure.log_odds)
    root = concept_root(ahead, ~mask, -log_odds, sign)
    if not root.reached:
        return root
    lower, upper = sign * base + root.lower, sign * base + root.upper
    return Root(lower if sign > 0 else upper, lower, upper)


def concept_maximum(measure: Measure, mask: NDArray[np.bool_], sign: int) -> Root:
    """Return where F_C is largest on that side: infinite, without a reason, if in the limit.

    No alpha exceeds it by more than 1e-7 in logits, or the reason says that this is not certain.
    """
    if measure.constant or mask.all() or not mask.any():
        return Root.of(0.0)
    inside, outside = split(measure, mask)

    def odds(strength: float) -> float:
        return float(split_log_odds(inside, outside, np.array([sign * strength]))[0])

    def fall(strength: float) -> float:
        alpha = np.array([sign * strength])
        return sign * float(mean(outside, alpha)[0] - mean(inside, alpha)[0])

    def climb(low: float, high: float) -> tuple[float, Root]:
        """The best of both ends and of a turn in between, where the slope has one."""
        ends = [(low, low), (high, high)]
        if fall(low) < 0.0 <= fall(high):
            ends.append(narrowed(fall, low, high))
        values = [odds(near) for near, _ in ends]
        best = int(np.argmax(values))
        return values[best], Root.between(sign, *ends[best], inner=True)

    # Strengths from where nothing happens to where everything has: uniform in log alpha.
    step = _step(measure.high - measure.low)
    far = min(max(abs(limit_root(measure, 1e-9, sign).alpha), 1e3 * step), LARGEST)
    grid = np.concatenate(([0.0], np.geomspace(1e-3 * step, far, 240)))
    i = int(np.argmax(split_log_odds(inside, outside, sign * grid)))
    value, best = climb(float(grid[max(i - 1, 0)]), float(grid[min(i + 1, grid.size - 1)]))
    limit = concept_limit(measure, mask, sign)
    for _ in range(_ROUNDS):
        if limit > -math.inf and limit >= value - _ROUNDING * max(1.0, abs(value)):
            value, best = limit, Root(sign * math.inf, sign * math.inf, sign * math.inf)
        if value == math.inf:
            return best
        goal = value + _SLACK * max(1.0, abs(value))
        above = _concept_crossing(inside, outside, goal, sign)
        if not above.reached:
            return best
        # Something between the grid's points rises higher: climb from there.
        found = abs(above.alpha)
        value, best = climb(found, 1.001 * found)
    return Root(best.alpha, best.lower, best.upper, "F_C may be higher in between")


def peak_root(measure: Measure, log_odds: float, sign: int) -> Root:
    """Return where a token with that M first turns down on that side; 0 if it falls from 0 on."""
    if measure.constant:
        return never(sign, STILL)
    alpha, lower, upper = peak_of_level(measure, log_odds)
    if sign * alpha <= 0.0:
        return Root.of(0.0)
    if math.isinf(alpha):
        return never(sign, "the token rises for ever")
    return Root(alpha, lower, upper)


@quiet
def _concept_crossing(inside: Measure, outside: Measure, level: float, sign: int) -> Root:
    """Find where logit F_C first reaches `level`, going from 0 in the direction of `sign`."""

    def state(strength: float) -> State:
        alpha = np.array([sign * strength])
        odds = split_log_odds(inside, outside, alpha)
        return odds, sign * mean(inside, alpha), sign * mean(outside, alpha)

    def odds(strength: float) -> float:
        return float(split_log_odds(inside, outside, np.array([sign * strength]))[0])

    tops = [part.high if sign > 0 else -part.low for part in (inside, outside)]

    def lost(strength: float, found: State) -> str:
        """Whether what logit F_C still gains beyond `strength` is too little; inf as F_C -> 1."""
        if tops[0] > tops[1] or (tops[0] < tops[1] and not found[2][0] >= tops[0]):
            return ""
        gain = 0.0
        if tops[0] == tops[1]:
            rest = float(log_normaliser(outside, np.array([sign * strength]))[0])
            gain = rest - outside.log_share(sign)
        below = bool(found[0][0] + gain < level)
        return "the concept's probability stays below the level" if below else ""

    spread = max(inside.high, outside.high) - min(inside.low, outside.low)
    return first_crossing(state, lambda values: float(values[0]), odds, level, sign, spread, lost)


def first_crossing(
    state: Callable[[float], State],
    average: Callable[[Floats], float],
    value: Callable[[float], float],
    level: float,
    sign: int,
    spread: float,
    lost: Callable[[float, State], str],
    resolution: float = 0.0,
) -> Root:
    """Find where an average over contexts first reaches `level`, going outwards from 0.

    The slope of logit F_j is mu_C - mu_notC, conditional means of sign M that both grow with the
    strength. So between a and b logit F_j gains at most (mu_C(b) - mu_notC(a)) (b - a): if the
    average of that does not reach the level, no crossing is in between; and if all
    mu_C(a) >= mu_notC(b) every F_j increases in between, so that a crossing there is the only one.

    Parameters
    ----------
    state : function
        From a strength to logit F_j, mu_C and mu_notC, (m,) each.
    average : function
        Of logits, (m,): increasing in each.
    value : function
        The average at a strength.
    spread : float
        max M - min M.
    lost : function
        From a strength and the state there to why the level is not reached beyond; empty if it may.
    resolution : float
        An earlier crossing within this share of the strength is not told apart.
    """
    here, at, step = state(0.0), 0.0, _step(spread)
    if average(here[0]) >= level:
        return Root.of(0.0)
    if spread == 0.0:
        return never(sign, STILL)
    for _ in range(_STEPS):
        if at >= LARGEST:
            return never(sign, f"|alpha| would exceed {LARGEST:g}")
        ahead = at + step
        there = state(ahead)
        gain = np.maximum(there[1] - here[2], 0.0) * step
        rising = (here[1] >= there[2]).all() or step <= resolution * ahead
        if average(here[0] + gain) < level:
            at, here = ahead, there
            step *= 2.0
            if why := lost(at, here):
                return never(sign, why)
        elif rising and average(there[0]) >= level:
            bracket = narrowed(lambda strength: value(strength) - level, at, ahead)
            return Root.between(sign, *bracket, inner=False)
        elif step <= 1e-13 * at:
            # A maximum that touches the level to rounding: what is on either side is all there is.
            return Root.between(sign, at, ahead, inner=False)
        else:
            step *= 0.5
    return Root.unfound(sign, at)


def _step(spread: float) -> float:
    """Return the strength that moves M by a nat, or one at which nothing is moved yet."""
    return 1.0 / max(spread, 1e-290)


def never(sign: int, reason: str) -> Root:
    """The answer on that side where the level is never reached."""
    return Root(sign * math.inf, sign * math.inf, sign * math.inf, reason)
