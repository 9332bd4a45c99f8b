"""Several steering vectors at once: M adds, so interference and joint budgets have closed forms.

p_a(z) is proportional to p(z) exp(sum_i a_i M_i(z)) (two vectors add their M). With
K(a) the joint cumulant generating function,

    Delta CE(a) = K(a) - a . K'(0)          about 1/2 a' S a,  S = Cov_p(M),
    interference = Delta CE(a) - sum_i Delta CE(a_i e_i)     about sum_(i<j) a_i a_j S_ij,

so a positive covariance makes two vectors dearer together than apart, a negative one cheaper, and
the budget's ellipse tilts along the combination that costs least.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steering_strength.theory.engine import TiltedFamily
from steering_strength.theory.engine import validation as check
from steering_strength.theory.engine.inverse import STILL, Root, never
from steering_strength.theory.engine.numerics import LARGEST, outwards
from steering_strength.theory.errors import AlphaError, BudgetError

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BudgetEllipse:
    """The strengths that spend a budget, to second order: 1/2 a' S a = budget.

    Attributes
    ----------
    budget : float
        Nats.
    semi_axes : (k,)
        Lengths, longest first: how far the cheapest direction goes; infinite where a combination
        of the vectors moves nothing.
    axes : (k, k)
        Unit directions in the space of strengths, one row each, in the same order.
    tilt : float
        For two vectors, the angle of the longest axis from the first vector's, degrees in
        (-90, 90]; nan for other numbers. Negative where the covariance is positive.
    correlation : (k, k)
        Of the M_i under p.
    """

    budget: float
    semi_axes: Floats
    axes: Floats
    tilt: float
    correlation: Floats


@dataclass(frozen=True, eq=False)
class JointFamily:
    """One context under k steering vectors.

    Raises ShapeError or ProbabilityError as for `TiltedFamily`, for each row.

    Parameters
    ----------
    log_p : array_like, (V,)
        Log-probabilities at zero strength, normalised.
    log_odds : array_like, (k, V)
        M_i(z), nats per unit of the i-th strength.
    """

    log_p: Floats
    log_odds: Floats
    covariance: Floats = field(init=False)
    _scale: float = field(init=False, repr=False)
    _shape: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        table = check.as_array("log_odds", self.log_odds, 2)
        families = [TiltedFamily(self.log_p, row) for row in table]
        p = np.exp(families[0].log_p)
        kept = p > 0.0
        weight = p[kept] / p[kept].sum()
        centred = table[:, kept] - (table[:, kept] @ weight)[:, None]
        # Of M / scale, which neither overflows nor underflows as a whole.
        scale = float(np.abs(centred).max()) or 1.0
        shape = (centred / scale * weight) @ (centred / scale).T
        check.freeze(
            self, log_p=families[0].log_p, log_odds=table, covariance=scale * scale * shape
        )
        check.freeze(self, _scale=scale, _shape=shape)

    @property
    def vectors(self) -> int:
        """k."""
        return int(self.log_odds.shape[0])

    def along(self, direction: ArrayLike) -> TiltedFamily:
        """Return the family of the ray a = alpha * direction, (k,): its M is direction . M.

        Everything that is known of one vector holds on a ray: `advise(joint.along([1, -0.5]), ..)`.

        Raises AlphaError: the direction is not finite or vanishes.
        """
        return self._at(self._strengths(direction, "direction"))

    def cross_entropy_increase(self, strengths: ArrayLike) -> float:
        """Return Delta CE at the strengths a, (k,), in nats: K(a) - a . K'(0)."""
        a = self._strengths(strengths, "strengths", zero=True)
        return float(self._at(a).cross_entropy_increase(1.0))

    def interference(self, strengths: ArrayLike) -> tuple[float, float]:
        """Return what the vectors cost together beyond the sum of their own prices, in nats.

        (exact, to second order): Delta CE(a) - sum_i Delta CE(a_i e_i), and sum_(i<j) a_i a_j S_ij.
        Negative where they pay for each other.
        """
        a = self._strengths(strengths, "strengths", zero=True)
        alone = [self.cross_entropy_increase(np.where(np.arange(a.size) == i, a, 0.0))
                 for i in range(a.size)]  # fmt: skip
        together, b = self.cross_entropy_increase(a), self._scale * a
        cross = 0.5 * (b @ self._shape @ b - (b * np.diag(self._shape)) @ b)
        return together - math.fsum(alone), float(cross)

    def ellipse(self, budget: float) -> BudgetEllipse:
        """Return the ellipse of strengths that spend `budget` nats to second order.

        Raises BudgetError for a negative or NaN budget.
        """
        nats = check.as_budget(budget)
        values, rows = np.linalg.eigh(self._shape)
        # eigh leaves rounding of the size of the largest eigenvalue where a combination is inert.
        floor = values[-1] * values.size * np.finfo(np.float64).eps
        kept = values > floor
        with np.errstate(over="ignore"):
            lengths = math.sqrt(2.0) * math.sqrt(nats) / np.sqrt(np.where(kept, values, 1.0))
            lengths = np.where(kept, lengths / self._scale, np.inf)
        axes = rows.T
        axes *= np.where(axes[:, :1] < 0.0, -1.0, 1.0)
        tilt = math.nan
        if values.size == 2:
            tilt = math.degrees(math.atan2(axes[0, 1], axes[0, 0]))
            tilt = 90.0 if tilt == -90.0 else tilt
        sd = np.sqrt(np.diag(self._shape))
        with np.errstate(divide="ignore", invalid="ignore"):
            correlation = self._shape / np.outer(sd, sd)
        return BudgetEllipse(nats, lengths, axes, tilt, correlation)

    def remaining(self, strengths: ArrayLike, vector: int, budget: float, sign: int) -> Root:
        """Return how far vector `vector` may still go from `strengths` within a joint budget.

        Delta CE is convex along every line, so from a point within the budget there is one root on
        either side. The root's alpha is the additional strength, signed.

        Raises BudgetError: the strengths spend more than the budget already; ShapeError: there is
        no such vector.
        """
        a, nats = self._strengths(strengths, "strengths", zero=True), check.as_budget(budget)
        side = check.as_sign(sign)
        check.as_integer("vector", vector, 0, self.vectors - 1)
        spent = self.cross_entropy_increase(a)
        if spent > nats:
            raise BudgetError(
                f"the strengths already spend {spent:.6g} of {nats:.6g} nats",
                remedy="lower them, or give a larger budget",
            )
        unit = np.zeros(a.size)
        unit[vector] = side

        def excess(step: float) -> float:
            price = float(self._at(a + step * unit).cross_entropy_increase(1.0))
            return price - math.nextafter(nats, math.inf)

        values = self.log_odds[vector][self.log_p > -np.inf]
        spread = float(np.ptp(values))
        if spread <= 4.0 * np.finfo(np.float64).eps * float(np.abs(values).max()):
            return never(side, STILL)
        bracket = outwards(excess, 1.0 / max(spread, 1e-290))
        if bracket is None:
            return never(side, f"|alpha| would exceed {LARGEST:g}")
        return Root.between(side, *bracket, inner=True)

    def steepest(self, tokens: ArrayLike) -> Floats:
        """Return the mix of vectors, (k,), that buys most F_T per nat of Delta CE at the origin.

        S^-1 g with g_i = Cov(1_T, M_i), scaled to a largest entry of 1: the natural gradient. Where
        vectors coincide it is the shortest of the equally good mixes.

        Raises BudgetError: no vector moves F_T at the origin.
        """
        target = check.as_tokens(tokens, self.log_p.size, single=True)
        families = [TiltedFamily(self.log_p, row) for row in self.log_odds]
        gradient = np.array([float(f.concept_slope(target, 0.0)) for f in families])
        # Only the direction counts: both are brought to the size of 1, and nothing overflows.
        sizes = float(np.abs(gradient).max()), float(np.abs(self._shape).max())
        mix = np.zeros(gradient.size)
        if all(sizes):
            mix = np.linalg.pinv(self._shape / sizes[1], hermitian=True) @ (gradient / sizes[0])
        top = float(np.abs(mix).max())
        if not top > 0.0:
            raise BudgetError(
                f"no vector moves F_T at the origin: Cov(1_T, M) = {gradient.tolist()}",
                remedy="choose other target tokens or other vectors",
            )
        return np.asarray(mix / top)

    def _at(self, strengths: Floats) -> TiltedFamily:
        """The family whose M is strengths . M; one that overflows is refused there."""
        with np.errstate(over="ignore", invalid="ignore"):
            return TiltedFamily(self.log_p, strengths @ self.log_odds)

    def _strengths(self, values: ArrayLike, name: str, *, zero: bool = False) -> Floats:
        a = check.as_array(
            name, values, size=self.vectors, per="vector", finite=AlphaError, most=check.SQUARABLE
        )
        if not zero and not a.any():
            raise AlphaError(f"{name} vanishes", remedy="give a direction with a nonzero entry")
        return a
