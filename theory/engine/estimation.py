"""How sure is an alpha that comes from finitely many texts, and which text moves it.

M is the mean of L = log p over the texts of P minus that over N. Each goal is a level of some f of
the added logits u = alpha M: the price KL(p || p_u), its reverse, the probability of a concept, or
E_u[u] - u(z) = 0 at a peak. So alpha is a function of M, and with grad f and the second derivative
f'' of f along w,

    d alpha   = -alpha <grad f, dM> / <grad f, M>              (`influence`)
    (1/alpha)'' = f''(d alpha M + alpha dM) / (alpha^2 <grad f, M>)    (`text-bias`)

without a refit, V operations a text. The second line is the bias: for the price it is never
negative, so few texts make steering look dearer than it is. 1/alpha is what is nearly linear in M
(twice the vector, half the strength), hence intervals are those of 1/alpha, turned round.

Variances within P and N are estimated with 1/(n - 1), so that they are unbiased; each side must
have two texts. P and N are taken to be drawn independently of each other and of the contexts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, ndtri

from steering_strength.theory.engine import validation as check
from steering_strength.theory.engine.family import TiltedFamily
from steering_strength.theory.engine.numerics import quiet
from steering_strength.theory.engine.population import TiltedPopulation
from steering_strength.theory.engine.sums import blocks
from steering_strength.theory.errors import (
    AlphaError,
    BudgetError,
    ProbabilityError,
    ShapeError,
    SteeringSetError,
    shown,
)

Floats = NDArray[np.float64]
Goal = Literal["cross_entropy", "reverse_kl", "level", "peak"]

# Entries of a table of texts held at a time (32 MiB).
_BLOCK = 1 << 22
# M of the texts and of the source may differ by this share of its range: models in bfloat16 do.
_SAME = 0.01
# A smaller standard error than this share of today's would take 1e18 times the texts.
_FINEST = 1e-9
# Below it a slope has lost digits to underflow.
_LEAST = 1e-290


class Move(NamedTuple):
    """One text: the side it is on, "P" or "N", its row there, and by how much it moves alpha."""

    side: str
    text: int
    influence: float


@dataclass(frozen=True, eq=False)
class Estimate:
    """An alpha and what the texts that M was estimated from say about it.

    Attributes
    ----------
    alpha : float
        As found for the vector of these texts, for which it is exact.
    positive, negative : (|P|,), (|N|,)
        The influence of each text: how much of alpha is due to it. Each side sums to 0.
    inverse_bias : float
        By how much 1/alpha is too large on average, because P and N are finite.
    """

    alpha: float
    positive: Floats
    negative: Floats
    inverse_bias: float

    @property
    def variances(self) -> tuple[float, float]:
        """What P and N contribute to the variance of alpha over other texts: sums of squares."""
        p, n = self._errors
        return p * p, n * n

    @property
    def _errors(self) -> tuple[float, float]:
        """Their roots, which do not overflow where the squares do."""
        p, n = (
            math.sqrt(side.size / (side.size - 1.0)) * math.hypot(*side.tolist())
            for side in (self.positive, self.negative)
        )
        return p, n

    @property
    def standard_error(self) -> float:
        """The standard deviation of alpha over other texts, as many: the law `standard-error`."""
        return math.hypot(*self._errors)

    @property
    def positive_share(self) -> float:
        """The share of P in that variance; nan if there is none."""
        total = self.standard_error
        return (self._errors[0] / total) ** 2 if total > 0.0 else math.nan

    @property
    def unlimited(self) -> float:
        """The alpha to expect from unlimited texts: 1/alpha less its bias; +-inf if nothing is."""
        return self._turned(1.0 / self.alpha - self.inverse_bias)

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return where the alpha of unlimited texts lies, (low, high) in the order of the line.

        From 1/alpha, taken as Gaussian; an end is infinite where 1/alpha may be 0.

        Raises BudgetError unless 0 < confidence < 1.
        """
        reach = float(ndtri(0.5 + 0.5 * check.as_level(confidence, "confidence")))
        centre = abs(1.0 / self.alpha) - math.copysign(1.0, self.alpha) * self.inverse_bias
        half = reach * (self.standard_error / abs(self.alpha)) / abs(self.alpha)
        ends = (self._turned(math.copysign(centre + s * half, self.alpha)) if centre + s * half > 0
                else math.copysign(math.inf, self.alpha) for s in (1, -1))  # fmt: skip
        low, high = sorted(ends)
        return low, high

    def texts_for(self, factor: float = 0.5) -> tuple[int, int]:
        """Return the fewest texts, (|P|, |N|), none taken away, that make the error this smaller.

        The best division is in proportion to the standard deviations of the two sides.

        Raises BudgetError unless 1e-9 <= factor < 1.
        """
        share, total = check.as_level(factor, "factor"), self.standard_error
        if share < _FINEST:
            raise BudgetError(f"factor is {share:g}", remedy=f"give a number from {_FINEST:g} to 1")
        have = np.array([self.positive.size, self.negative.size], dtype=np.float64)
        if total == 0.0:
            return int(have[0]), int(have[1])
        goal, each = share**2, np.square(np.array(self._errors) / total) * have
        wanted = np.sqrt(each) * np.sqrt(each).sum() / goal
        for side in (0, 1):
            if wanted[side] < have[side]:  # keep the texts there are: the other side does the rest
                other = 1 - side
                wanted[side] = have[side]
                wanted[other] = each[other] / (goal - each[side] / have[side])
                wanted[other] = max(wanted[other], have[other])
                break
        needed = np.ceil(wanted * (1.0 - 1e-12))
        return int(needed[0]), int(needed[1])

    def largest(self, count: int = 3) -> tuple[Move, ...]:
        """Return the texts that move alpha most, largest first.

        Without text i of n, alpha would be lower by n / (n - 1) times its influence, nearly.
        """
        moves = [
            Move(side, int(i), float(row[i]))
            for side, row in (("P", self.positive), ("N", self.negative))
            for i in np.argsort(-np.abs(row), kind="stable")[: check.as_integer("count", count, 1)]
        ]
        return tuple(sorted(moves, key=lambda move: -abs(move.influence))[:count])

    def _turned(self, inverse: float) -> float:
        """1/inverse on the side of alpha, infinite where the inverse has left it."""
        kept = inverse * self.alpha > 0.0
        return 1.0 / inverse if kept else math.copysign(math.inf, self.alpha)


def sensitivity(
    source: TiltedFamily | TiltedPopulation,
    alpha: float,
    goal: Goal,
    tokens: ArrayLike | None = None,
) -> Floats:
    """Return d alpha / d M(z), shape (V,), with the goal's quantity kept at what it is at alpha.

    Its entries sum to 0, so a constant added to M, or to the logits of a text, changes nothing.

    Raises AlphaError: alpha is 0, infinite or NaN; BudgetError: another goal, or one that does not
    move with alpha here; ShapeError: no or unusable tokens.

    Parameters
    ----------
    source : TiltedFamily or TiltedPopulation
        One context; or several, and the goal is an average over them.
    alpha : float
        Not 0: there nothing is added, whatever M.
    goal : {"cross_entropy", "reverse_kl", "level", "peak"}
        What alpha was chosen for: KL(p || p_alpha), KL(p_alpha || p), F_C, or a token's peak.
    tokens : array_like, optional
        C for "level"; the token, alone, for "peak" (one context only).
    """
    return _Goal(source, alpha, goal, tokens).sensitivity


def estimate(
    source: TiltedFamily | TiltedPopulation,
    alpha: float,
    goal: Goal,
    positive: ArrayLike,
    negative: ArrayLike,
    tokens: ArrayLike | None = None,
) -> Estimate:
    """Return how sure `alpha` is, given the texts M comes from; see `sensitivity` for the rest.

    Raises SteeringSetError: a side has fewer than two texts, or they give another M than the source
    has, by more than a hundredth of its range; ProbabilityError: a log-probability is -inf, +inf or
    NaN where the source has p > 0; ShapeError: a table has another vocabulary, or is none.

    Parameters
    ----------
    positive, negative : array_like or np.memmap, (|P|, V), (|N|, V)
        Log-probabilities of the texts, or logits; read in blocks of rows.
    """
    asked = _Goal(source, alpha, goal, tokens)
    tables = [_table(f"log_p_{name}", rows, source.log_odds.size)
              for name, rows in (("positive", positive), ("negative", negative))]  # fmt: skip
    means = [_mean(name, table, asked.support) for name, table in tables]
    _same_odds(asked, means[0] - means[1])
    sides, bias = [], 0.0
    for sign, (_, table), mean in zip((1.0, -1.0), tables, means, strict=True):
        n, moves, bend = len(table), np.empty(len(table)), 0.0
        for rows, block in _rows(table, asked.support):
            change = sign * (block - mean)
            moves[rows] = change @ asked.sensitivity[asked.support]
            bend += asked.bend(change, moves[rows])
        moves -= moves.mean()
        sides.append(moves / n)
        bias += 0.5 * bend / (n * (n - 1.0))
    return Estimate(asked.alpha, sides[0], sides[1], bias)


class _Goal:
    """f at u = alpha M: its gradient and second derivative, context by context, on the support.

    `support` are the n tokens with p > 0 somewhere, `log_odds` M there, centred, (n,), `along` is
    <grad f, M>, `weights` p_alpha of each context, (m, n), and f'' along w is
    sum_j sum_z curvature (w - mean of w under p_j,alpha)^2. `sensitivity` is d alpha / d M, (V,).
    """

    @quiet
    def __init__(
        self,
        source: TiltedFamily | TiltedPopulation,
        alpha: float,
        goal: Goal,
        tokens: ArrayLike | None,
    ) -> None:
        strengths, scalar = check.as_alpha(alpha)
        if not scalar or strengths[0] == 0.0:
            raise AlphaError(
                f"alpha is {shown(alpha)}, and nothing is estimated at 0",
                remedy="give the one alpha that was found, not 0",
            )
        check.require_kind("the source", source, TiltedFamily, TiltedPopulation)
        if source.log_odds.ndim == 2:
            raise ShapeError(
                "each context has an M of its own", remedy="give contexts steered by one vector"
            )
        families, pi = [], np.ones(1)
        if isinstance(source, TiltedPopulation):
            families += [source.family(j) for j in range(source.shape[0])]
            pi = np.asarray(source.weights)
        else:
            families.append(source)
        mask = _mask(source.log_odds.size, goal, tokens, len(families))
        self.alpha = at = float(strengths[0])
        columns = [_derivatives(family, at, goal, mask) for family in families]
        weights, gradients, curvature = (np.array(rows) for rows in zip(*columns, strict=True))
        self.support = support = np.flatnonzero(
            np.any([f.log_p > -np.inf for f in families], axis=0)
        )
        gradient = (pi @ gradients)[support]
        centre = float(pi @ [float(family.mean(at)) for family in families])
        self.log_odds = odds = source.log_odds[support] - centre
        if not abs(at) * float(np.max(np.abs(odds), initial=0.0)) <= check.SQUARABLE:
            raise AlphaError(
                f"alpha M is beyond 1e150 at alpha = {at:.6g}", remedy="give a smaller alpha"
            )
        self.along = along = float(gradient @ odds)
        self.sensitivity = full = np.zeros(source.log_odds.size)
        if abs(along) >= _LEAST:
            full[support] = -at * gradient / along
        if abs(along) < _LEAST or not np.isfinite(full).all():
            raise BudgetError(
                f"{goal} does not move with alpha at {at:.6g}",
                remedy="ask for a budget or level that steering reaches and crosses",
            )
        self.weights = weights[:, support]
        self.curvature = (pi[:, None] * curvature)[:, support]

    @quiet
    def bend(self, change: Floats, moves: Floats) -> float:
        """Sum over rows dM of (1/alpha)'' along dM, given d alpha along each; change is (n, V)."""
        # u' / alpha: alpha^2 leaves the quotient, and small strengths do not underflow.
        w = change + (moves / self.alpha)[:, None] * self.log_odds
        w -= (w @ self.weights.mean(axis=0))[:, None]  # f'' is blind to it, and squares stay small
        total = 0.0
        square = np.square(w).sum(axis=0)
        for p, q in zip(self.weights, self.curvature, strict=True):
            mean = w @ p
            total += float(square @ q) + float(mean @ (mean * q.sum() - 2.0 * (w @ q)))
        return total / self.along


def _derivatives(
    family: TiltedFamily, alpha: float, goal: Goal, mask: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats]:
    """(p_alpha, grad f, curvature weights) of one context, each (V,)."""
    p = np.exp(family.log_probability(alpha))
    if goal == "cross_entropy":  # f = K(u) - E_p[u]: grad p_u - p, Hessian Cov_u
        return p, family.probability_increase(alpha), p
    if goal == "level":  # f = F: grad p_u (1_C - F), and once more
        logit = float(family.concept_log_odds(mask, alpha))
        q = p * np.where(mask, expit(-logit), -expit(logit))
        return p, q, q
    odds = np.where(family.log_p > -np.inf, family.log_odds, 0.0)
    with np.errstate(invalid="ignore"):  # what overflows is refused once it is centred
        u = alpha * (odds - float(family.mean(alpha)))
    if goal == "reverse_kl":  # f = E_u[u] - K(u): grad p_u (u - E_u[u])
        return p, p * u, p * (1.0 + u)
    # A peak of z: f = E_u[u] - u(z), which is 0.
    return p, p * (1.0 + u) - mask, p * (2.0 + u)


def _mask(size: int, goal: Goal, tokens: ArrayLike | None, contexts: int) -> NDArray[np.bool_]:
    """What the goal is about; no token where it is about all of them."""
    check.as_choice("goal", goal, get_args(Goal))
    if goal in ("cross_entropy", "reverse_kl"):
        return np.zeros(size, dtype=np.bool_)
    if tokens is None:
        raise ShapeError(f"no tokens for the goal {goal!r}", remedy="say which tokens it is about")
    mask = check.as_tokens(tokens, size, single=True)
    if goal == "peak" and (contexts != 1 or mask.sum() != 1):
        raise ShapeError(
            f"the peak of {int(mask.sum())} tokens in {contexts} contexts",
            remedy="ask for one token in one context",
        )
    return mask


def _table(name: str, values: ArrayLike, size: int) -> tuple[str, NDArray[np.float64]]:
    table = check.plain_array(name, values)
    if table.ndim != 2 or table.shape[1] != size:
        raise ShapeError(
            f"{name} has shape {table.shape}", remedy=f"give one row per text, shape (n, {size})"
        )
    if len(table) < 2:
        raise SteeringSetError(
            f"{name} has {len(table)} text, which has no spread", remedy="give at least two texts"
        )
    return name, table


def _rows(table: Floats, support: NDArray[np.intp]) -> Iterator[tuple[slice, Floats]]:
    """Blocks of rows, on the support only, in float64."""
    whole = support.size == table.shape[1]
    for rows in blocks(len(table), max(_BLOCK // table.shape[1], 1)):
        with np.errstate(over="ignore"):
            block = np.asarray(table[rows], dtype=np.float64)
        yield rows, block if whole else block[:, support]


def _mean(name: str, table: Floats, support: NDArray[np.intp]) -> Floats:
    total = np.zeros(support.size)
    for rows, block in _rows(table, support):
        finite = np.abs(block) <= check.SQUARABLE
        if not finite.all():
            i, z = (int(k) for k in np.argwhere(~finite)[0])
            raise ProbabilityError(
                f"{name} is {block[i, z]} in row {rows.start + i} at token {support[z]}, which has"
                " p > 0",
                remedy="smooth the probabilities of the texts, or leave that text out",
            )
        total += block.sum(axis=0)
    return total / len(table)


def _same_odds(goal: _Goal, found: Floats) -> None:
    """Refuse texts that M does not come from; a constant is free, and so is rounding."""
    off = found - goal.log_odds
    off -= np.median(off)
    z, bound = int(np.argmax(np.abs(off))), _SAME * float(np.ptp(found))
    if not abs(off[z]) <= bound:
        raise SteeringSetError(
            f"M of the texts differs from that of the source by {off[z]:.3g} nats at token"
            f" {goal.support[z]}, more than {bound:.2g}",
            remedy="give the texts that the steering vector was made of",
        )
