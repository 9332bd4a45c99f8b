"""One context, steered: the frozen record of p and M that answers everything about them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steering_strength.theory.engine import concept, cross_entropy, inverse, peaks, tilting
from steering_strength.theory.engine import validation as check
from steering_strength.theory.engine.greedy import GreedyPath, greedy_path
from steering_strength.theory.engine.inverse import Root
from steering_strength.theory.engine.measure import (
    Measure,
    log_odds_of_tables,
    log_odds_of_vector,
    normalised,
)
from steering_strength.theory.engine.numerics import quiet
from steering_strength.theory.engine.storage import read_npz, write_npz
from steering_strength.theory.errors import AlphaError, BudgetError, ShapeError, shown
from steering_strength.theory.files import parse_json

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

Floats = NDArray[np.float64]

# 171! overflows.
_ORDER = 170


@dataclass(frozen=True, eq=False)
class TiltedFamily:
    """The distributions p_alpha(z) = p(z) exp(alpha M(z) - K(alpha)) of one steered context.

    Natural logarithms, nats throughout; alpha is in units of the steering vector and M in nats
    per unit alpha. Every method takes alpha as a scalar or of shape (A,) and returns the alphas
    in front, without that axis for a scalar. Everything is evaluated in log space.

    Every method refuses the same in the same way, and names only what it raises besides: AlphaError
    for a NaN or infinite alpha (there is `limit`) or another sign than +1 and -1, BudgetError for a
    negative or NaN budget, or a level or tolerance outside (0, 1), ShapeError for unusable tokens.

    A token without support (log p = -inf) keeps probability 0 at every alpha: its increase is 0,
    its peak nan, and its M is ignored, even for the extremes of M. Ties in M are exact, there is
    no tolerance.

    Raises ProbabilityError if log_p holds NaN or +inf, is not normalised, or M is not finite on the
    support; ShapeError if the two are not vectors of one length.

    Parameters
    ----------
    log_p : array_like, (V,)
        Log-probabilities at alpha = 0, normalised; -inf marks a token without support.
    log_odds : array_like, (V,)
        M(z), finite on the support (arXiv:2602.02712, Def. 3.2).
    metadata : mapping, optional
        Where the numbers come from (model, site, concept, unit of alpha, ...): anything JSON can
        hold. It travels with `save` and `load` and means nothing to the engine.

    Notes
    -----
    Source: arXiv:2602.02712, Lemma B.3. It needs no assumption on p or M.
    """

    log_p: Floats
    log_odds: Floats
    metadata: Mapping[str, Any] = field(default_factory=dict)
    _support: NDArray[np.intp] = field(init=False, repr=False)
    _measure: Measure = field(init=False, repr=False)

    def __post_init__(self) -> None:
        log_p = check.as_log_probabilities(self.log_p)
        log_odds = check.as_log_odds(self.log_odds, log_p > -np.inf)
        support = np.flatnonzero(log_p > -np.inf)
        measure = Measure(log_p[support], log_odds[support])
        check.freeze(
            self, log_p=log_p, log_odds=log_odds, metadata=check.as_metadata(self.metadata)
        )
        check.freeze(self, _support=support, _measure=measure)

    @classmethod
    def from_logits(
        cls, logits: ArrayLike, log_odds: ArrayLike, metadata: Mapping[str, Any] | None = None
    ) -> Self:
        """Build from unnormalised logits, shape (V,), in any float format.

        Raises ProbabilityError for a NaN or +inf logit, or if all are -inf.
        """
        return cls(
            normalised(logits),
            check.plain_array("log_odds", log_odds),
            {} if metadata is None else metadata,
        )

    @classmethod
    def from_tables(
        cls,
        log_p: ArrayLike,
        log_p_positive: ArrayLike,
        log_p_negative: ArrayLike,
        metadata: Mapping[str, Any] | None = None,
    ) -> Self:
        """Build from log-probabilities of P, (|P|, V), and N, (|N|, V): Def. 3.2.

        M is the mean of the rows of P minus the mean of those of N; at the output of a model's
        final norm it is what steering by the difference of means does, for any texts.

        Raises ProbabilityError if a row is not normalised, ShapeError if the vocabularies differ.
        """
        log_odds = log_odds_of_tables(log_p_positive, log_p_negative)
        return cls(
            check.plain_array("log_p", log_p), log_odds, {} if metadata is None else metadata
        )

    @classmethod
    def from_unembedding(
        cls, log_p: ArrayLike, W: ArrayLike, v: ArrayLike, metadata: Mapping[str, Any] | None = None
    ) -> Self:
        """Build from an unembedding W, (V, d), and a steering vector v, (d,): M = W v.

        That is the log-odds of Def. 3.2 up to a constant, which changes K by alpha times it and
        the distributions not at all (Lemma B.2).

        Raises ShapeError if the shapes do not fit.
        """
        return cls(
            check.plain_array("log_p", log_p),
            log_odds_of_vector(W, v),
            {} if metadata is None else metadata,
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote, bit by bit; raises SteeringError if the file is none of ours."""
        stored = read_npz(path, cls.__name__, ("log_p", "log_odds", "metadata"))
        remedy = "write it again with save"
        metadata = parse_json(str(stored["metadata"]), f"the metadata of {path}", remedy)
        return cls(stored["log_p"], stored["log_odds"], metadata)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write log_p, log_odds and the metadata to one .npz file at exactly `path`.

        An older file there survives any failure; raises OutputError if it cannot be written.
        """
        parts = {"log_p": self.log_p, "log_odds": self.log_odds}
        metadata = json.dumps(dict(self.metadata))
        write_npz(path, type(self).__name__, {**parts, "metadata": metadata})

    def __reduce__(self) -> tuple[Any, ...]:
        # A read-only mapping is neither copied nor sent to another process.
        return type(self), (self.log_p, self.log_odds, dict(self.metadata))

    def __str__(self) -> str:
        """Return a summary: the log-odds, both ends, and the price of steering near 0."""
        low, high = np.min(self.log_odds[self._support]), np.max(self.log_odds[self._support])
        lines = [
            f"TiltedFamily of {self.size} tokens, {self.size - self._support.size} without support",
            f"  log-odds M from {low:.4g} to {high:.4g} nats; under p mean {self.mean(0.0):.4g}, "
            f"standard deviation {np.sqrt(self.variance(0.0)):.4g}",
        ]
        for sign, end in ((1, "+infinity"), (-1, "-infinity")):
            last = self.limit(sign)
            tokens = np.argsort(-last, kind="stable")[: min(3, np.count_nonzero(last > -np.inf))]
            shown = ", ".join(f"{z} ({np.exp(last[z]):.3g})" for z in tokens)
            lines.append(f"  alpha to {end}: tokens {shown}")
        if high > low:
            costs = ", ".join(
                f"{budget:g} nats at {self.alpha_for_cross_entropy(budget, 1):.4g}"
                for budget in (0.1, 1.0)
            )
            lines.append(f"  price Delta CE: {costs} (positive alpha)")
        return "\n".join(lines)

    @property
    def size(self) -> int:
        """V, the size of the vocabulary."""
        return self.log_p.size

    @property
    def method(self) -> Literal["closed form", "measured"]:
        """How answers come about, as opposed to a curve that runs a model (`SteeredCurve`)."""
        return "closed form"

    def conditional(self, tokens: ArrayLike) -> TiltedFamily:
        """Return the family given a set of tokens: the others lose their support.

        Raises ShapeError for the tokens, ProbabilityError if none of them has support.
        """
        mask = check.as_tokens(tokens, self.size, single=True)
        inside = np.where(mask, self.log_p, -np.inf)
        return TiltedFamily(normalised(inside), self.log_odds, self.metadata)

    def log_probability(self, alpha: ArrayLike) -> Floats:
        """Return log p_alpha(z), shape (A, V): Lemma B.3.

        The error is at most 16 eps (1 + max|log p| + |alpha| max|M|).
        """
        return self._at(tilting.log_probability, alpha, missing=-np.inf)

    def probability_increase(self, alpha: ArrayLike) -> Floats:
        """Return Delta p(z | alpha) = p_alpha(z) - p(z), shape (A, V), accurate near alpha = 0."""
        return self._at(tilting.probability_increase, alpha, missing=0.0)

    def slope(self, alpha: ArrayLike) -> Floats:
        """Return d p_alpha(z) / d alpha = p_alpha(z) (M(z) - E_alpha[M]), shape (A, V): B.5."""
        return self._at(tilting.slope, alpha, missing=0.0)

    def cgf(self, alpha: ArrayLike) -> Floats:
        """Return K(alpha) = log sum p exp(alpha M), shape (A,), in nats."""
        return self._at(tilting.cgf, alpha)

    def mean(self, alpha: ArrayLike) -> Floats:
        """Return K'(alpha) = E_alpha[M], shape (A,): Eq. 10."""
        return self._at(tilting.mean, alpha)

    def variance(self, alpha: ArrayLike) -> Floats:
        """Return K''(alpha) = Var_alpha[M], shape (A,): Eq. 10."""
        return self._at(tilting.variance, alpha)

    def cumulants(self, order: int, alpha: ArrayLike = 0.0) -> Floats:
        """Return kappa_1 .. kappa_order of M under p_alpha, shape (A, order).

        Raises ShapeError if `order` is not an integer of at least 1.
        """
        check.as_integer("order", order, 1, _ORDER)
        return self._at(tilting.cumulants, alpha, int(order))

    def taylor(self, order: int) -> Floats:
        """Return the coefficients of alpha^2 .. alpha^order of Delta CE, shape (order - 1,).

        They are kappa_n / n!: kappa_2 / 2, the quadratic law of Thm 3.8, then kappa_3 / 6, ...

        Raises ShapeError if `order` is not an integer of at least 2.
        """
        check.as_integer("order", order, 2, _ORDER)
        factorials = np.cumprod(np.arange(1.0, order + 1.0))
        return np.asarray(self.cumulants(order)[1:] / factorials[1:])

    @quiet
    def at_temperature(self, tau: float) -> TiltedFamily:
        """Return the family of sampling at temperature tau: p^(1/tau) renormalised, and M / tau.

        Strengths keep their meaning: at alpha it is softmax((log p + alpha M) / tau)
        (`temperature`). At tau = 1/s it is what a state scaled by s gives.

        Raises AlphaError unless tau is a positive number, large enough for log p / tau to be one.
        """
        divisor = check.as_positive(tau, "temperature")
        cold = (self.log_p - float(self._measure.log_p.max())) / divisor
        if not np.isfinite(cold[self._support]).all():
            raise AlphaError(
                f"temperature is {shown(tau)}: log p / tau overflows",
                remedy="as tau -> 0 use greedy_path",
            )
        return TiltedFamily(normalised(cold), self.log_odds / divisor, self.metadata)

    def greedy_path(self) -> GreedyPath:
        """Return the likeliest token for every alpha: at most V - 1 certified switches.

        O(V log V); the same at every temperature.
        """
        path = greedy_path(self._measure.log_p, self._measure.log_odds)
        return replace(path, tokens=self._support[path.tokens])

    def rising(self) -> NDArray[np.bool_]:
        """Return which tokens rise strictly at every alpha, shape (V,): Thm 3.3 (`monotone`)."""
        return self._extreme(self._measure.high)

    def falling(self) -> NDArray[np.bool_]:
        """Return which tokens fall strictly at every alpha, shape (V,): Thm 3.3 (`monotone`)."""
        return self._extreme(self._measure.low)

    def peaks(self) -> Floats:
        """Return the alpha at which each token's probability peaks, shape (V,): Thm 3.3.

        +inf at max M, -inf at min M, nan where M is constant or the token has no support. The
        middle of `peak_brackets`.
        """
        return self._spread(peaks.peak_table(self._measure, 0)[0], np.nan)

    def peak_signs(self) -> Floats:
        """Return whether each token peaks at positive or negative alpha, shape (V,): +1, -1, or 0.

        The sign of M(z) - E_p[M]: which tokens rise at alpha = 0, without a root.
        """
        return self._spread(np.sign(self._measure.centred) * (not self._measure.constant), 0.0)

    def peak_brackets(self) -> Floats:
        """Return (lower, upper) around each peak, shape (V, 2): K' - M(z) changes sign inside."""
        return self._spread(peaks.peak_table(self._measure, 1, 2), np.nan).T

    def peak_log_probability(self) -> Floats:
        """Return log p_alpha(z) at the token's own peak, shape (V,), or its limit for +-inf peaks.

        It is log p(z) + K*(M(z)), K* the Legendre transform of K. Where M is constant nothing
        moves and it is log p(z).
        """
        log_p = self._measure.log_p - self._measure.log_mass
        if not self._measure.constant:
            log_p += peaks.peak_table(self._measure, 3)[0]
        return self._spread(log_p, -np.inf)

    def peak_root(self, token: int, sign: int = 1) -> Root:
        """Return where the token's probability first turns down on that side, bracketed.

        0 if it falls from alpha = 0 on; infinite, with the reason, if it rises for ever.

        Raises ShapeError for an unknown token or one without support, AlphaError for a wrong sign.
        """
        check.as_tokens([token], self.size)
        if self.log_p[token] == -np.inf:
            raise ShapeError(f"token {token} has no support", remedy="ask for one with p > 0")
        return inverse.peak_root(self._measure, float(self.log_odds[token]), check.as_sign(sign))

    def limit(self, sign: int) -> Floats:
        """Return the log-probabilities at alpha -> sign * inf, shape (V,): Prop. B.1."""
        return self._spread(concept.limit(self._measure, check.as_sign(sign)), -np.inf)

    def limit_distance(self, alpha: ArrayLike) -> Floats:
        """Return the total variation to the limit on the side of alpha, shape (A,): Prop. B.1.

        R / (P + R), P the tilted mass at the extreme of M, R that of the others: exact.
        """
        return self._at(concept.limit_distance, alpha)

    def concept_log_odds(self, tokens: ArrayLike, alpha: ArrayLike) -> Floats:
        """Return logit F_C(alpha), shape (A,): Thm 3.6.

        `tokens` is a mask, shape (V,), or indices; C sets as masks, shape (C, V), share the work
        and give (A, C). +inf for a set that holds the whole support, -inf for one that holds none
        of it.
        """
        mask = check.as_tokens(tokens, self.size)[..., self._support]
        return self._at(concept.concept_log_odds, alpha, mask)

    def concept_increase(self, tokens: ArrayLike, alpha: ArrayLike) -> Floats:
        """Return Delta p(C | alpha) = (F_C(alpha) - F_C(0)) / |C|, shape (A,): Def. 3.5.

        For C sets as masks, shape (C, V), it is (A, C). |C| counts tokens without support too.
        """
        full = check.as_tokens(tokens, self.size)
        rise = self._at(concept.concept_increase, alpha, full[..., self._support])
        return np.asarray(rise / full.sum(axis=-1))[()]

    def concept_slope(self, tokens: ArrayLike, alpha: ArrayLike) -> Floats:
        """Return dF_C / dalpha = F (1 - F)(mu_C - mu_notC), shape (A,): Eq. 12.

        At alpha = 0 it is the covariance of the indicator of C with M.
        """
        return self._at(concept.concept_slope, alpha, self._mask(tokens))

    def concept_limit(self, tokens: ArrayLike, sign: int) -> float:
        """Return logit F_C as alpha -> sign * inf; +-inf where all or none of the limit is in C."""
        return concept.concept_limit(self._measure, self._mask(tokens), check.as_sign(sign))

    def concept_increase_limit(self, tokens: ArrayLike, sign: int) -> float:
        """Return Delta p(C | alpha) as alpha -> sign * inf (Thm 3.6): -F_C(0) / |C| if C goes."""
        full = check.as_tokens(tokens, self.size, single=True)
        mask = full[self._support]
        after = concept.concept_limit(self._measure, mask, check.as_sign(sign))
        return concept.increase_between(self._measure, mask, after) / int(full.sum())

    def level_shares(self, tokens: ArrayLike) -> Floats:
        """Return rho, the probability of C given M, on the levels of M, increasing, shape (L,).

        Steering does not change it; the shape of F_C follows from its turns.
        """
        return concept.level_shares(self._measure, self._mask(tokens))

    def extrema_bound(self, tokens: ArrayLike) -> int:
        """Return how often rho turns: F_C has that many interior extrema, or an even number less.

        Shares that differ by no more than the rounding of log p count as equal.
        """
        return concept.extrema_bound(self._measure, self._mask(tokens))

    def concept_rises(self, tokens: ArrayLike) -> bool:
        """Whether F_C never falls, because rho does not: sufficient, beyond Thm 3.6."""
        return bool((np.diff(self.level_shares(tokens)) >= 0.0).all())

    def concept_falls(self, tokens: ArrayLike) -> bool:
        """Whether F_C never rises, because rho does not: sufficient, beyond Thm 3.6."""
        return bool((np.diff(self.level_shares(tokens)) <= 0.0).all())

    def cross_entropy_increase(self, alpha: ArrayLike) -> Floats:
        """Return K(alpha) - alpha K'(0) = KL(p || p_alpha) >= 0, shape (A,): beyond Thm 3.8."""
        return self._at(cross_entropy.cross_entropy_increase, alpha)

    def reverse_kl(self, alpha: ArrayLike) -> Floats:
        """Return alpha K'(alpha) - K(alpha) = KL(p_alpha || p) >= 0, shape (A,)."""
        return self._at(cross_entropy.reverse_kl, alpha)

    def cross_entropy_bounds(self, alpha: ArrayLike) -> tuple[Floats, Floats]:
        """Return what Delta CE is certain to lie between, from Var(M) and max M - min M: (A,) each.

        The envelope around the quadratic law, and alpha^2 (max M - min M)^2 / 8.
        """
        strengths, scalar = check.as_alpha(alpha)
        variance, spread = float(self.variance(0.0)), self._measure.high - self._measure.low
        lower, upper = cross_entropy.bounds(variance, spread, strengths)
        return (lower[0], upper[0]) if scalar else (lower, upper)

    def quadratic_radius(self, tolerance: float) -> float:
        """Return the |alpha| up to which alpha^2 Var(M) / 2 is that close to Delta CE, for sure.

        Relative to the quadratic; inf where M is constant and both are 0.

        Raises BudgetError unless the tolerance is a positive number.
        """
        bound = check.as_positive(tolerance, "tolerance", BudgetError, "give 0.1 for 10 %")
        spread = self._measure.high - self._measure.low
        return cross_entropy.quadratic_radius(bound) / spread if spread else math.inf

    def cross_entropy_asymptote(self, sign: int) -> tuple[float, float]:
        """Return (slope, offset): Delta CE lies between |alpha| slope + offset and |alpha| slope.

        The first is its asymptote on that side; offset = log p(extreme of M).
        """
        return cross_entropy.asymptote(self._measure, check.as_sign(sign))

    def cross_entropy_root(self, budget: float, sign: int) -> Root:
        """Return where cross_entropy_increase = budget (nats) on the side of `sign`, bracketed.

        The root's alpha stays within the budget. Only a constant M never reaches it.
        """
        return inverse.cross_entropy_root(
            self._measure, check.as_budget(budget), check.as_sign(sign)
        )

    def reverse_kl_root(self, budget: float, sign: int) -> Root:
        """Return where reverse_kl = budget (nats) on the side of `sign`, bracketed.

        The divergence stays below -log p(argmax M): the record says so where that is not enough.
        """
        return inverse.reverse_kl_root(self._measure, check.as_budget(budget), check.as_sign(sign))

    def concept_root(self, tokens: ArrayLike, level: float, sign: int = 1) -> Root:
        """Return the alpha nearest 0 of that sign at which F_C first reaches `level`, bracketed.

        0 if F_C(0) >= level. F_C need not be monotone; no earlier crossing is missed.
        """
        goal, side = check.as_log_odds_level(level), check.as_sign(sign)
        return inverse.concept_root(self._measure, self._mask(tokens), goal, side)

    def concept_loss_root(
        self, tokens: ArrayLike, level: float, start: float, sign: int = 1
    ) -> Root:
        """Return where, going on from `start`, F_C falls below `level` again, bracketed.

        `start` is on the side of `sign` and F_C at the level there, as `concept_root` returns it;
        where F_C only touches the level it is `start`. The alpha is the last one at the level.

        Raises BudgetError unless 0 < level < 1, AlphaError for a wrong sign or start, ShapeError
        for the tokens.
        """
        side = check.as_sign(sign)
        remedy = f"start on the side of sign = {side}"
        begin = check.as_real(
            "start", start, lambda x: 0.0 <= side * x < math.inf, AlphaError, remedy
        )
        goal = check.as_log_odds_level(level)
        return inverse.concept_loss_root(self._measure, self._mask(tokens), goal, begin, side)

    def concept_maximum(self, tokens: ArrayLike, sign: int = 1) -> Root:
        """Return where F_C is largest on that side: infinite, with no reason, if in the limit.

        Certified: no alpha exceeds it by more than 1e-7 in logits, or the reason says otherwise.
        """
        return inverse.concept_maximum(self._measure, self._mask(tokens), check.as_sign(sign))

    def limit_root(self, tolerance: float, sign: int) -> Root:
        """Return the alpha beyond which p_alpha is within `tolerance` of `limit(sign)`, bracketed.

        The distance is total variation, 0 < tolerance < 1; exact (Prop. B.1), no guess of scale.
        """
        bound = check.as_level(tolerance, "tolerance")
        return inverse.limit_root(self._measure, bound, check.as_sign(sign))

    def alpha_for_cross_entropy(self, budget: float, sign: int) -> float:
        """Return the alpha of `cross_entropy_root`: 0 for budget 0, sign * inf if there is none."""
        return self.cross_entropy_root(budget, sign).alpha

    def alpha_for_reverse_kl(self, budget: float, sign: int) -> float:
        """Return the alpha of `reverse_kl_root`, sign * inf if the budget is never reached."""
        return self.reverse_kl_root(budget, sign).alpha

    def alpha_for_concept(self, tokens: ArrayLike, level: float, sign: int = 1) -> float:
        """Return the alpha of `concept_root`, sign * inf if the level is never reached."""
        return self.concept_root(tokens, level, sign).alpha

    def alpha_for_limit(self, tolerance: float, sign: int) -> float:
        """Return the alpha of `limit_root`."""
        return self.limit_root(tolerance, sign).alpha

    def _extreme(self, level: float) -> NDArray[np.bool_]:
        """Which tokens with support have M = level, unless all have, (V,)."""
        measure = self._measure
        return self._spread((measure.log_odds == level) & (not measure.constant), False)

    def _mask(self, tokens: ArrayLike) -> NDArray[np.bool_]:
        """Which of the supported tokens belong to one set of tokens, (n,)."""
        return check.as_tokens(tokens, self.size, single=True)[self._support]

    def _spread(self, values: NDArray[Any], missing: float) -> NDArray[Any]:
        """Put values per supported token, (..., n), among all V tokens."""
        if self._support.size == self.size:
            return values
        full = np.full((*values.shape[:-1], self.size), missing, dtype=values.dtype)
        full[..., self._support] = values
        return full

    def _at(
        self, function: Callable[..., Floats], alpha: ArrayLike, *given: Any, missing: Any = None
    ) -> Floats:
        """A function of (measure, .., alphas); `missing` is what tokens without support have."""
        strengths, scalar = check.as_alpha(alpha)
        values = function(self._measure, *given, strengths)
        if missing is not None:
            values = self._spread(values, missing)
        return cast("Floats", values[0]) if scalar else values
