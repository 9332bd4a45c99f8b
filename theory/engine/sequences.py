"""Whole texts under steering: what any alpha does to them, from texts written without it.

At the final norm v is the same at every step, so a text x of T tokens has

    log P_alpha(x) / P_0(x) = sum_t [alpha M(x_t) - K_t(alpha)] = alpha S(x) - sum_t cost_t(alpha),

cost_t = KL(p_t || p_(t,alpha)) and S = sum_t (M(x_t) - K_t'(0)): the laws `sequence-ratio` and
`sequence-ce`. So one set of unsteered texts prices every alpha (`cross_entropy_increase`,
`per_token`, `root`), its scores S give the slope of any judge (`slope`), and its weights
P_alpha / P_0 say what the texts would be under steering (`expectation`), as far as they carry
(`effective_sample_size`). Beyond arXiv:2602.02712, Sec. 6.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steering_strength.theory.engine import validation as check
from steering_strength.theory.engine.inverse import Root
from steering_strength.theory.engine.numerics import log_sum_exp, quiet, weighted_quantile
from steering_strength.theory.engine.population import TiltedPopulation, price_root
from steering_strength.theory.errors import AlphaError, ShapeError

Floats = NDArray[np.float64]
Direction = Literal["forward", "reverse"]

_PRICES = {"forward": "cross_entropy_increase", "reverse": "reverse_kl"}
_RESAMPLES, _INTERVAL = 400, (0.05, 0.95)
# With fewer texts than this there is nothing to resample but tokens.
_FEW = 8


def statistic(costs: Floats, percentile: float | None, weights: Floats | None = None) -> Floats:
    """The mean of costs over their last axis, (..., n), or the quantile `percentile` in (0, 1).

    `weights`, (n,) or (..., n), say how much each token counts; by default all the same.

    Raises BudgetError unless 0 < percentile < 1.
    """
    share = np.ones(costs.shape[-1]) if weights is None else weights
    if percentile is None:
        return np.asarray((costs * share).sum(axis=-1) / share.sum(axis=-1))
    return weighted_quantile(costs, share, check.as_level(percentile, "percentile"))


def interval(
    costs: Floats, text: NDArray[np.int64], percentile: float | None, seed: int = 0
) -> tuple[float, float]:
    """Bootstrap interval, 90 %, of `statistic` over n costs, (n,), of which `text` says whose.

    Whole texts are resampled, for the tokens of one depend on each other; of fewer than eight
    texts, tokens.
    """
    rng = np.random.default_rng(seed)
    owner = text if text[-1] + 1 >= _FEW else np.arange(costs.size)
    drawn = rng.integers(0, owner[-1] + 1, (_RESAMPLES, owner[-1] + 1))
    counts = np.stack([np.bincount(row, minlength=owner[-1] + 1) for row in drawn])
    found = statistic(costs, percentile, counts[:, owner].astype(np.float64))
    low, high = np.quantile(found, _INTERVAL)
    return float(low), float(high)


@dataclass(frozen=True, eq=False)
class SampledTexts:
    """N texts written without steering, n tokens in all, one text after the other.

    Results are in nats. An estimate comes as (value, standard error), the error that of N
    independent texts: 0 for texts listed with their probabilities, inf for a single text.

    Raises ShapeError: the shapes do not fit, texts are out of order, or a token is not in the
    vocabulary; ProbabilityError as in `TiltedPopulation`.

    Parameters
    ----------
    log_p : array_like, (n, V)
        log p(. | x_<t), from which each token was drawn.
    log_odds : array_like, (V,) or (n, V)
        M; one row per position off the linear site, where laws hold to first order.
    tokens : array_like of int, (n,)
        The token drawn.
    text : array_like of int, (n,)
        Which text it belongs to: 0, ..., 0, 1, ..., N - 1.
    weights : array_like, (N,), optional
        The probability of each text, for a list of all texts; then nothing is estimated.
    """

    log_p: Floats
    log_odds: Floats
    tokens: NDArray[np.int64]
    text: NDArray[np.int64]
    weights: Floats | None = None
    _rows: TiltedPopulation = field(init=False, repr=False)

    def __post_init__(self) -> None:
        rows = TiltedPopulation(self.log_p, self.log_odds)
        table, (n, V) = rows.log_p, rows.shape
        tokens, text = (
            check.as_integers("tokens", self.tokens, 0, V),
            check.as_integers("text", self.text, 0, n),
        )
        if tokens.shape != (n,) or text.shape != (n,):
            raise ShapeError(
                f"tokens has shape {tokens.shape}, text {text.shape}",
                remedy=f"give one integer per position, ({n},)",
            )
        if text[0] != 0 or (np.diff(text) < 0).any() or (np.diff(text) > 1).any():
            raise ShapeError(
                "text does not count the texts one after the other",
                remedy="number them 0, ..., 0, 1, ..., 1, ... in the order of their tokens",
            )
        if (table[np.arange(n), tokens] == -np.inf).any():
            bad = int(np.argmax(table[np.arange(n), tokens] == -np.inf))
            raise ShapeError(
                f"token {tokens[bad]} of position {bad} has p = 0: it was not drawn from there",
                remedy="give the tokens that follow each context",
            )
        for name, value in (("log_p", table), ("log_odds", rows.log_odds), ("_rows", rows)):
            object.__setattr__(self, name, value)
        check.freeze(self, tokens=tokens, text=text)
        if self.weights is not None:
            check.freeze(self, weights=check.as_weights(self.weights, self.count))

    @property
    def count(self) -> int:
        """The number of texts N."""
        return int(self.text[-1]) + 1

    @cached_property
    def _share(self) -> Floats:
        return check.as_weights(self.weights, self.count)

    @cached_property
    def _largest(self) -> float:
        return float(np.max(np.abs(self.log_odds), where=np.isfinite(self.log_odds), initial=0.0))

    @cached_property
    def _surplus(self) -> Floats:
        """M(x_t) - K_t'(0), (n,): its sum over a text is the score at 0."""
        odds = np.broadcast_to(self.log_odds, self.log_p.shape)
        return np.asarray(odds[np.arange(self.tokens.size), self.tokens] - self._each("mean", 0.0))

    # -- prices --------------------------------------------------------------------------

    def token_costs(self, alpha: ArrayLike, direction: Direction = "forward") -> Floats:
        """Return KL(p_t || p_(t,alpha)) at every position, shape (A, n); "reverse", the other."""
        return self._each(_PRICES[check.as_choice("direction", direction, _PRICES)], alpha)

    def per_token(
        self, alpha: ArrayLike, percentile: float | None = None, direction: Direction = "forward"
    ) -> Floats:
        """Return the mean of `token_costs`, or a quantile pooled over all positions, shape (A,)."""
        costs = self.token_costs(alpha, direction)
        return statistic(costs, percentile, self._share[self.text])

    def interval(
        self,
        alpha: float,
        percentile: float | None = None,
        direction: Direction = "forward",
        seed: int = 0,
    ) -> tuple[float, float]:
        """Return the bootstrap interval, 90 %, of `per_token`; its value twice for listed texts."""
        strengths, scalar = check.as_alpha(alpha)
        if not scalar:
            raise ShapeError(f"{strengths.size} strengths at once", remedy="give one number")
        if self.weights is not None:
            value = float(self.per_token(alpha, percentile, direction))
            return value, value
        costs = self.token_costs(alpha, direction)
        return interval(costs, self.text, percentile, check.as_integer("seed", seed, 0))

    def cross_entropy_increase(self, alpha: ArrayLike) -> tuple[Floats, Floats]:
        """Return KL(P_0 || P_alpha) per text and its error, (A,) each: `sequence-ce`."""
        costs = self._sum(self.token_costs(alpha))
        share = np.broadcast_to(self._share, costs.shape)
        return self._weighted(costs, share)

    def root(
        self,
        budget: float,
        sign: int,
        percentile: float | None = None,
        direction: Direction = "forward",
    ) -> Root:
        """Return the alpha of that sign at which `per_token` reaches the budget, bracketed.

        Each token's cost grows with |alpha|, so do mean and quantiles, and there is one root, whose
        alpha stays within the budget.

        Raises BudgetError for the budget or percentile, AlphaError for the sign.
        """
        check.as_choice("direction", direction, _PRICES)
        if percentile is not None:
            check.as_level(percentile, "percentile")
        counted = self._share[self.text]
        return price_root(
            self._rows,
            _PRICES[direction],
            budget,
            sign,
            lambda costs: statistic(costs, percentile, counted),
        )

    # -- what the texts would be ---------------------------------------------------------

    def log_weights(self, alpha: ArrayLike) -> Floats:
        """Return log P_alpha(x) / P_0(x) of each text, shape (A, N): `sequence-ratio`."""
        strengths, scalar = check.as_alpha(alpha)
        costs = self._sum(self.token_costs(strengths))  # first: it refuses what overflows
        result: Floats = np.multiply.outer(strengths, self._sum(self._surplus)) - costs
        return result[0] if scalar else result

    def expectation(self, judged: ArrayLike, alpha: ArrayLike) -> tuple[Floats, Floats]:
        """Return E_alpha[f] and its error, (A,) each, from f of each text, (N,).

        By normalised weights (`sequence-weights`): trust it no further than
        `effective_sample_size` says.

        Raises ShapeError unless `judged` is one finite number per text.
        """
        return self._weighted(self._judged(judged), self._tilted(alpha))

    def reverse_kl(self, alpha: ArrayLike) -> tuple[Floats, Floats]:
        """Return KL(P_alpha || P_0) per text and its error, (A,) each: `sequence-reverse`.

        An average over steered texts, hence by the weights; not monotone in |alpha|.
        """
        costs = self._sum(self.token_costs(alpha, "reverse"))
        return self._weighted(costs, self._tilted(alpha))

    def information(self, alpha: ArrayLike = 0.0) -> tuple[Floats, Floats]:
        """Return E_alpha sum_t K_t''(alpha), the Fisher information of a text, and its error."""
        return self._weighted(self._sum(self._each("variance", alpha)), self._tilted(alpha))

    def slope(self, judged: ArrayLike, alpha: ArrayLike = 0.0) -> tuple[Floats, Floats]:
        """Return d/dalpha E_alpha[f] and its error, (A,) each: Cov_alpha(f, score).

        The score is sum_t (M(x_t) - K_t'(alpha)), with mean 0 (`sequence-score`); at alpha = 0
        every text weighs the same.

        Raises ShapeError unless `judged` is one finite number per text.
        """
        share, values = self._tilted(alpha), self._judged(judged)
        moved = self._each("mean", alpha) - self._each("mean", 0.0)
        score = self._sum(self._surplus - moved)
        centred = values - self._weighted(values, share)[0][..., None]
        return self._weighted(centred * score, share)

    def effective_sample_size(self, alpha: ArrayLike) -> Floats:
        """Return N (sum w)^2 / sum w^2 for the weights w at alpha, shape (A,): from N down to 1.

        N exp(-D_2), D_2 the divergence of order 2 of P_alpha from P_0 (`sequence-weights`).
        """
        weights = self.log_weights(alpha) + np.log(self._share)
        square = log_sum_exp(2.0 * weights - np.log(self._share))
        return np.asarray(self.count * np.exp(2.0 * log_sum_exp(weights) - square))

    # -- sums ----------------------------------------------------------------------------

    def _each(self, quantity: str, alpha: ArrayLike) -> Floats:
        """A method of the family of every position, shape (A, n); AlphaError where it overflows."""
        largest = float(np.max(np.abs(check.as_alpha(alpha)[0]), initial=0.0))
        if largest * self._largest > check.SQUARABLE:
            raise AlphaError(
                f"|alpha M| is up to {largest * self._largest:.3g}; at most 1e150, so that its "
                "square is finite",
                remedy="give a smaller alpha",
            )
        return np.asarray(getattr(self._rows, quantity)(alpha))

    def _sum(self, values: Floats) -> Floats:
        """Sums over the tokens of each text, (..., n) -> (..., N)."""
        return np.add.reduceat(values, np.searchsorted(self.text, np.arange(self.count)), axis=-1)

    @quiet
    def _tilted(self, alpha: ArrayLike) -> Floats:
        """The share of each text in the steered texts, (A, N), sum 1."""
        weights = self.log_weights(alpha) + np.log(self._share)
        return np.asarray(np.exp(weights - log_sum_exp(weights)[..., None]))

    def _judged(self, judged: ArrayLike) -> Floats:
        return check.as_array(
            "judged", judged, size=self.count, per="text", finite=ShapeError, most=check.SQUARABLE
        )

    def _weighted(self, values: Floats, share: Floats) -> tuple[Floats, Floats]:
        """Mean of values (N,) or (A, N) under shares (A, N), and its standard error.

        The error of a normalised mean to first order, sum share^2 (f - mean)^2, times N / (N - 1).
        """
        mean = (share * values).sum(axis=-1)
        if self.weights is not None:
            return mean, np.zeros_like(mean)
        if self.count == 1:
            return mean, np.full_like(mean, np.inf)
        residual = share * (values - mean[..., None])
        size = np.abs(residual).max(axis=-1, keepdims=True)  # squares overflow before sums do
        length = np.linalg.norm(residual / np.where(size > 0.0, size, 1.0), axis=-1)
        return mean, size[..., 0] * length * math.sqrt(self.count / (self.count - 1.0))
