"""Edits of a state at a linear site, and what they cost: the law `operator`, numerically.

Where the logits are W h + b, every edit h -> h + sum_k c_k(h) u_k tilts the distribution of a
context by sum_k c_k M_k, M_k = W u_k, with strengths c that the context sets: it is `TiltedFamily`
at alpha = 1. An `Operator` says which directions and which strengths; all else is the same for all.
States H are columns, shape (d, m), as in `UnconstrainedFeatures`.

Source: beyond arXiv:2602.02712, Sec. 6 (other steering methods).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import sin
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steering_strength.theory.engine import validation as check
from steering_strength.theory.engine.family import TiltedFamily
from steering_strength.theory.engine.measure import normalised
from steering_strength.theory.engine.numerics import log_sum_exp, quiet
from steering_strength.theory.engine.population import TiltedPopulation
from steering_strength.theory.errors import AlphaError, ShapeError

Floats = NDArray[np.float64]


class Operator(ABC):
    """An edit of the state: directions u_k, and strengths c_k that may depend on the state."""

    u: Floats

    @property
    def directions(self) -> Floats:
        """The u_k, as columns, shape (d, k): by default the one direction u."""
        return self.u[:, None]

    @abstractmethod
    def strengths(self, H: ArrayLike) -> Floats:
        """Return c_k of each context, shape (m, k), for states H, (d, m).

        Raises ShapeError if H does not have the directions' width, or is not finite.
        """

    def edited(self, H: ArrayLike) -> Floats:
        """Return the edited states h + sum_k c_k u_k, shape (d, m)."""
        states = check.as_states(H, self.directions.shape[0])
        return np.asarray(states + self.directions @ self.strengths(states).T)

    @np.errstate(over="ignore", invalid="ignore")  # what overflows is refused below
    def population(
        self,
        W: ArrayLike,
        H: ArrayLike,
        *,
        bias: ArrayLike | None = None,
        weights: ArrayLike | None = None,
    ) -> TiltedPopulation:
        """Return the contexts of states H, (d, m), under an unembedding W, (V, d), and their edits.

        Each has an M of its own, sum_k c_k M_k with M_k = W u_k: alpha = 0 is before the edit,
        1 after, and 1/2 half-way.

        Raises ShapeError if the shapes do not fit, ProbabilityError if an M overflows.

        Parameters
        ----------
        bias : array_like, (V,), optional
            Of the unembedding.
        weights : array_like, (m,), optional
            Probabilities of the contexts; uniform by default.
        """
        width = self.directions.shape[0]
        matrix, offset = check.as_unembedding(W, bias, width)
        logits = check.as_states(H, width).T @ matrix.T + offset
        log_p = logits - log_sum_exp(logits)[:, None]
        odds = self.strengths(H) @ (matrix @ self.directions).T
        return TiltedPopulation(log_p, odds, check.as_weights(weights, len(log_p)))


def _number(name: str, value: Any) -> float:
    return check.as_real(name, value, error=AlphaError)


@final
@dataclass(frozen=True, eq=False)
class Addition(Operator):
    """h + alpha u: the paper's steering, one strength for all contexts.

    Raises ShapeError if u, shape (d,), is 0 or not finite, AlphaError if alpha is not finite.
    """

    u: Floats
    alpha: float

    def __post_init__(self) -> None:
        check.freeze(self, u=check.as_direction("u", self.u), alpha=_number("alpha", self.alpha))

    def strengths(self, H: ArrayLike) -> Floats:  # noqa: D102
        return np.full((check.as_states(H, self.u.size).shape[1], 1), self.alpha)


@final
@dataclass(frozen=True, eq=False)
class Ablation(Operator):
    """h - <u, h> u: the state without its component along a unit vector u, shape (d,).

    The strength -<u, h_j> is finite and differs from context to context. Raises ShapeError if u is
    no unit vector.
    """

    u: Floats

    def __post_init__(self) -> None:
        check.freeze(self, u=check.as_direction("u", self.u, unit=True))

    def strengths(self, H: ArrayLike) -> Floats:  # noqa: D102
        return np.asarray(-(self.u @ check.as_states(H, self.u.size))[:, None])


@final
@dataclass(frozen=True, eq=False)
class Affine(Operator):
    """h - <u, h> u + alpha u: project a unit vector u out, then set its component to alpha.

    Raises ShapeError if u, shape (d,), is no unit vector, AlphaError if alpha is not finite.
    """

    u: Floats
    alpha: float

    def __post_init__(self) -> None:
        check.freeze(
            self, u=check.as_direction("u", self.u, unit=True), alpha=_number("alpha", self.alpha)
        )

    def strengths(self, H: ArrayLike) -> Floats:  # noqa: D102
        return np.asarray((self.alpha - self.u @ check.as_states(H, self.u.size))[:, None])


@final
@dataclass(frozen=True, eq=False)
class Clamp(Operator):
    """h + (value - a(h)) u: a feature that an encoder reads as a(h) is set to `value`.

    As with a feature of a sparse autoencoder: u, shape (d,), is its row of the decoder, and
    a(h) = <encoder, h> + bias, cut off at 0 with `rectified`. Afterwards a linear encoder reads
    `value` only if <encoder, u> = 1.

    Raises ShapeError if u or the encoder is 0 or not finite, or their widths differ, AlphaError if
    a number is not finite.
    """

    u: Floats
    value: float
    encoder: Floats
    bias: float = 0.0
    rectified: bool = False

    def __post_init__(self) -> None:
        u = check.as_direction("u", self.u)
        encoder = check.as_direction("encoder", self.encoder, u.size)
        value, bias = _number("value", self.value), _number("bias", self.bias)
        check.as_flag("rectified", self.rectified)
        check.freeze(self, u=u, encoder=encoder, value=value, bias=bias)

    def reading(self, H: ArrayLike) -> Floats:
        """Return a(h) of each context, shape (m,)."""
        read = self.encoder @ check.as_states(H, self.u.size) + self.bias
        return np.maximum(read, 0.0) if self.rectified else np.asarray(read)

    def strengths(self, H: ArrayLike) -> Floats:  # noqa: D102
        return (self.value - self.reading(H))[:, None]


@final
@dataclass(frozen=True, eq=False)
class Conditional(Operator):
    """Another operator where <probe, h> >= threshold, and nothing elsewhere.

    Raises ShapeError if the probe, shape (d,), is 0, not finite, or of another width than the
    operator, AlphaError if the threshold is not finite.
    """

    operator: Operator
    probe: Floats
    threshold: float

    def __post_init__(self) -> None:
        check.require_kind("operator", self.operator, Operator)
        probe = check.as_direction("probe", self.probe, self.operator.directions.shape[0])
        check.freeze(self, probe=probe, threshold=_number("threshold", self.threshold))

    @property
    def directions(self) -> Floats:  # noqa: D102 - see Operator
        return self.operator.directions

    def strengths(self, H: ArrayLike) -> Floats:  # noqa: D102
        holds = self.probe @ check.as_states(H, self.probe.size) >= self.threshold
        return np.where(holds[:, None], self.operator.strengths(H), 0.0)


# Products of vectors that were made orthonormal in single precision.
_ORTHOGONAL = 1e-5


@final
@dataclass(frozen=True, eq=False)
class Rotation(Operator):
    """The rotation by theta (radians) from u1 towards u2 in the plane of the two.

    Raises ShapeError unless u1 and u2, shape (d,), are orthonormal up to single precision,
    AlphaError if theta is not finite.
    """

    u1: Floats
    u2: Floats
    theta: float

    def __post_init__(self) -> None:
        u1 = check.as_direction("u1", self.u1, unit=True)
        u2 = check.as_direction("u2", self.u2, u1.size, unit=True)
        overlap = float(u1 @ u2)
        if abs(overlap) > _ORTHOGONAL:
            raise ShapeError(
                f"<u1, u2> is {overlap:.6g}, it must be 0",
                remedy="subtract <u1, u2> u1 from u2 and normalise it",
            )
        u2 = u2 - overlap * u1
        check.freeze(self, u1=u1, u2=check.as_direction("u2", u2 / np.linalg.norm(u2), unit=True))
        check.freeze(self, theta=_number("theta", self.theta))

    @property
    def directions(self) -> Floats:  # noqa: D102 - see Operator
        return np.stack([self.u1, self.u2], axis=1)

    def strengths(self, H: ArrayLike) -> Floats:  # noqa: D102
        x1, x2 = self.directions.T @ check.as_states(H, self.u1.size)
        # cos - 1 as -2 sin^2(theta/2): small angles keep their digits.
        less, sine = -2.0 * sin(self.theta / 2.0) ** 2, sin(self.theta)
        return np.stack([less * x1 - sine * x2, sine * x1 + less * x2], axis=1)


@quiet
def norm_scale(h: ArrayLike, v: ArrayLike, alpha: ArrayLike) -> Floats:
    """Return s = |h| / |h + alpha v|, shape (A,): what keeps the norm of a steered state.

    Raises ShapeError if h or v, shape (d,), is 0 or not finite, AlphaError where h + alpha v is 0.
    """
    state = check.as_direction("h", h)
    direction = check.as_direction("v", v, state.size)
    strengths, scalar = check.as_alpha(alpha)
    # Divided by max(1, |alpha|) and by the largest entry first: nothing overflows.
    size = np.maximum(np.abs(strengths), 1.0)[:, None]
    unit = max(float(np.abs(state).max()), float(np.abs(direction).max()))
    moved = state / unit / size + strengths[:, None] / size * (direction / unit)
    length = np.linalg.norm(moved, axis=1)
    if not length.all():
        where = float(strengths[int(np.argmin(length))])
        raise AlphaError(f"h + alpha v is 0 at alpha = {where:g}", remedy="give another alpha")
    scale = np.linalg.norm(state / unit) / size[:, 0] / length
    return np.asarray(scale[0] if scalar else scale)


def norm_preserving(
    family: TiltedFamily,
    h: ArrayLike,
    v: ArrayLike,
    alpha: ArrayLike,
    *,
    bias: ArrayLike | None = None,
) -> Floats:
    """Return log-probabilities where s (h + alpha v) replaces h at a linear site, shape (A, V).

    Tilting by s alpha of the distribution at temperature 1/s, s = |h| / |h + alpha v| (the law
    `renormalised`). `family` is the context's along v; a bias of the unembedding, (V,), adds
    (1 - s) bias to the logits.
    """
    check.require_kind("family", family, TiltedFamily)
    strengths, scalar = check.as_alpha(alpha)
    given = np.zeros(family.size) if bias is None else bias
    offset = check.as_array("bias", given, size=family.size, finite=ShapeError)
    rows = []
    for strength, s in zip(strengths, norm_scale(h, v, strengths), strict=True):
        cooled = family.at_temperature(1.0 / check.as_positive(s, "|h| / |h + alpha v|"))
        log_p = normalised(cooled.log_p + (1.0 - s) * offset)
        rows.append(TiltedFamily(log_p, cooled.log_odds).log_probability(strength))
    return rows[0] if scalar else np.reshape(rows, (strengths.size, family.size))
