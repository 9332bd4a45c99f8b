"""The final norm of a steered residual stream: LN(h + alpha v) and its limits.

Source: arXiv:2602.02712, Prop. 4.1. With P the centring for LayerNorm and the identity for RMSNorm,
LN(x) = gain * P x / sqrt(mean((P x)^2) + eps) + bias, and as alpha -> +-inf the direction of P v
alone is left, at eps = 0 whatever eps was: |alpha| drowns it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steering_strength.theory.engine import validation as check
from steering_strength.theory.engine.family import TiltedFamily
from steering_strength.theory.engine.measure import normalised, table_rows
from steering_strength.theory.engine.numerics import log_sum_exp, quiet
from steering_strength.theory.errors import AlphaError, ProbabilityError, ShapeError

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NormedSteering:
    """A residual h steered along v and normalised by the model's final norm.

    Raises ShapeError if a vector has another shape than h, holds NaN or inf, or eps is negative;
    UnknownNameError if `kind` is neither of the two.

    Parameters
    ----------
    h, v : array_like, (d,)
        Residual and steering vector; alpha is in units of v.
    kind : {"rms", "layer"}
        RMSNorm, or LayerNorm, which first removes the mean over coordinates.
    gain, bias : array_like, (d,), optional
        Default 1 and 0.
    eps : float
        Added to the mean square, at least 0.
    """

    h: Floats
    v: Floats
    kind: Literal["rms", "layer"] = "rms"
    gain: Floats | None = None
    bias: Floats | None = None
    eps: float = 0.0
    _residual: Floats = field(init=False, repr=False)
    _direction: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check.as_choice("norm", self.kind, ("rms", "layer"))
        h = check.as_array("h", self.h, finite=ShapeError)
        given = {
            "v": self.v,
            "gain": np.ones_like(h) if self.gain is None else self.gain,
            "bias": np.zeros_like(h) if self.bias is None else self.bias,
        }
        vectors = {"h": h} | {
            name: check.as_array(name, values, size=h.size, per="coordinate", finite=ShapeError)
            for name, values in given.items()
        }
        eps = _square("eps", self.eps)
        residual, direction = (_projected(self.kind, vectors[name]) for name in "hv")
        check.freeze(self, **vectors, eps=eps, _residual=residual, _direction=direction)

    @property
    def inert(self) -> bool:
        """Whether v vanishes under the norm: v = 0, or v constant for LayerNorm."""
        return not self._direction.any()

    @quiet
    def output(self, alpha: ArrayLike) -> Floats:
        """Return LN(h + alpha v), shape (A, d), for any finite alpha.

        h + alpha v is divided by its largest coordinate before it is squared, and alpha > 1 is
        divided out before it multiplies v, so nothing overflows.

        Raises AlphaError if alpha is NaN or infinite, or if eps = 0 and h + alpha v vanishes under
        the norm, where LN is 0/0.
        """
        strengths, scalar = check.as_alpha(alpha)
        result = np.empty((strengths.size, self.h.size))
        for row, strength in zip(result, strengths, strict=True):
            row[:] = self._normalised(float(strength))
        return result[0] if scalar else result

    @quiet
    def limit(self, sign: int) -> Floats:
        """Return lim LN(h + alpha v) as alpha -> sign * inf, shape (d,): Prop. 4.1.

        It is the norm of sign * v at eps = 0; the bias keeps its sign. Where v vanishes under the
        norm it is the constant LN(h).
        """
        direction = check.as_sign(sign) * self._direction
        if self.inert:
            return self._normalised(0.0)
        unit = direction / np.max(np.abs(direction))
        return self._affine(unit / np.sqrt(np.mean(unit**2)))

    @quiet
    def rate(self) -> Floats:
        """Return the coefficient of 1/|alpha| in LN(h + alpha v) - limit, shape (d,).

        gain (sqrt d / |P v|) (I - u u^T) P h with u = P v / |P v|: the same at both ends, and 0
        where v vanishes under the norm.
        """
        if self.inert:
            return np.zeros_like(self.h)
        largest = float(np.max(np.abs(self._direction)))
        unit = self._direction / largest
        length = float(np.linalg.norm(unit))
        u = unit / length
        across = self._residual - u * (u @ self._residual)
        across -= u * (u @ across)
        return np.asarray(np.asarray(self.gain) * (np.sqrt(u.size) / length) * (across / largest))

    @quiet
    def bound(self, alpha: ArrayLike) -> Floats:
        """Return what |LN(h + alpha v) - limit| is at most at eps = 0, shape (A,).

        2 sqrt(d) |P h| max|gain| / (|alpha| |P v|): inf at alpha = 0, and 0 where v vanishes under
        the norm.
        """
        strengths, scalar = check.as_alpha(alpha)
        if self.inert:
            values = np.zeros_like(strengths)
        else:
            largest = float(np.max(np.abs(self._direction)))
            reach = np.linalg.norm(self._residual) / np.linalg.norm(self._direction / largest)
            size = 2.0 * np.sqrt(self.h.size) * float(np.max(np.abs(np.asarray(self.gain))))
            with np.errstate(divide="ignore", invalid="ignore"):
                values = size * (reach / largest) / np.abs(strengths)
            values[np.isnan(values)] = np.inf
        return np.asarray(values[0] if scalar else values)

    @np.errstate(over="ignore", invalid="ignore")
    def last_block(
        self,
        W: ArrayLike = (),
        bias: ArrayLike | None = None,
        *,
        read_out: Callable[[Floats], Floats] | None = None,
    ) -> LastBlock:
        """Return the final logits in closed form, for an unembedding W, (V, d), and its bias, (V,).

        Or, without W, for an affine `read_out` from states, (n, d), to logits, (n, V).

        Raises ShapeError if the shapes do not fit.
        """
        gain, shift = np.asarray(self.gain), np.asarray(self.bias)
        states = np.stack([gain * self._residual, gain * self._direction, shift])
        if read_out is not None:
            *rows, zero = read_out(np.concatenate([states, np.zeros_like(states[:1])]))
            a, b, offset = rows[0] - zero, rows[1] - zero, rows[2]
        else:
            matrix, given = check.as_unembedding(W, bias, self.h.size)
            a, b, offset = states @ matrix.T
            offset += given
        return LastBlock(
            a=a,
            b=b,
            A=float(np.mean(self._direction**2)),
            B=float(np.mean(self._residual * self._direction)),
            C=float(np.mean(self._residual**2)) + self.eps,
            offset=offset,
        )

    def _normalised(self, strength: float) -> Floats:
        size = max(abs(strength), 1.0)
        # (h + alpha v) / size: both terms are at most |h| and |v|.
        steered = self._residual / size + (strength / size) * self._direction
        if self.inert:
            steered, size = self._residual, 1.0
        largest = float(np.max(np.abs(steered)))
        if largest == 0.0:
            if self.eps > 0.0:
                return self._affine(steered)
            raise AlphaError(
                f"h + alpha v vanishes under the norm at alpha = {strength:g} and eps = 0",
                remedy="LN is 0/0 there: give eps > 0 or another alpha",
            )
        unit = steered / largest
        eps = np.sqrt(self.eps) / largest / size
        return self._affine(unit / np.sqrt(np.mean(unit**2) + eps * eps))

    def _affine(self, unit: Floats) -> Floats:
        return np.asarray(unit * np.asarray(self.gain) + np.asarray(self.bias), dtype=np.float64)


@quiet
def _projected(kind: str, vector: Floats) -> Floats:
    """Apply P: remove the mean over coordinates for LayerNorm; exactly 0 for a constant."""
    if kind == "rms":
        return vector.copy()
    if np.all(vector == vector[0]):
        return np.zeros_like(vector)
    # A power of two near the largest coordinate: exact, and the sum of d of them cannot overflow.
    exponent = int(np.frexp(np.max(np.abs(vector)))[1])
    unit = np.ldexp(vector, -exponent)
    for _ in range(2):
        unit -= unit.mean()
    return np.asarray(np.ldexp(unit, exponent))


@dataclass(frozen=True, eq=False)
class LastBlock:
    """Steering the output of the last block in closed form, without a forward pass.

    Logits (a + alpha b) / sqrt(Q(alpha)) + offset with Q = A alpha^2 + 2 B alpha + C: two
    unembeddings and one scalar. `NormedSteering.last_block` forms it from h, v and W; a model that
    unembeds by itself gives the numbers. Source: beyond arXiv:2602.02712, Prop. 4.1.

    Raises ShapeError if the vectors differ in length, or A or C is negative or no number.

    Parameters
    ----------
    a, b : array_like, (V,)
        W (gain * P h) and W (gain * P v), P the projection of the norm.
    A, B, C : float
        mean (P v)^2, mean (P h)(P v), mean (P h)^2 + eps.
    offset : array_like, (V,), optional
        W bias of the norm, plus the bias of the unembedding; 0 by default.
    """

    a: Floats
    b: Floats
    A: float
    B: float
    C: float
    offset: Floats | None = None

    def __post_init__(self) -> None:
        a = check.as_array("a", self.a, finite=ShapeError, most=check.SQUARABLE)
        offset = np.zeros_like(a) if self.offset is None else self.offset
        b, offset = (
            check.as_array(name, values, size=a.size, finite=ShapeError, most=check.SQUARABLE)
            for name, values in (("b", self.b), ("offset", offset))
        )
        B = check.as_real("B", self.B, error=ShapeError)
        check.freeze(
            self, a=a, b=b, offset=offset, A=_square("A", self.A), B=B, C=_square("C", self.C)
        )

    @property
    def size(self) -> int:
        """V, the size of the vocabulary."""
        return self.a.size

    @quiet
    def logits(self, alpha: ArrayLike) -> Floats:
        """Return the final logits, shape (A, V), in nats, for any finite alpha.

        Raises AlphaError for a NaN or infinite alpha, or where Q(alpha) = 0 and LN is 0/0.
        """
        unit, size, root, scalar = self._scaled(alpha)
        numerator = self.a / size[:, None] + np.multiply.outer(unit, self.b)
        values = _no_overflow("the logits", numerator / root[:, None] + np.asarray(self.offset))
        return values[0] if scalar else values

    def _scaled(self, alpha: ArrayLike) -> tuple[Floats, Floats, Floats, bool]:
        """(alpha / size, size = max(1, |alpha|), sqrt(Q(alpha)) / size, whether alpha is one)."""
        strengths, scalar = check.as_alpha(alpha)
        # alpha^2 would overflow where alpha does not.
        size = np.maximum(np.abs(strengths), 1.0)
        unit = strengths / size
        square = self.A * unit * unit + 2.0 * self.B * unit / size + self.C / size / size
        if not (square > 0.0).all():
            where = float(strengths[int(np.argmin(square))])
            raise AlphaError(
                f"Q = {square.min():.3g} at alpha = {where:g}: nothing is left under the norm",
                remedy="LN is 0/0 there: give eps > 0 or another alpha",
            )
        return unit, size, np.sqrt(square), scalar

    def log_probability(self, alpha: ArrayLike) -> Floats:
        """Return log p_alpha(z), shape (A, V)."""
        logits = self.logits(alpha)
        return np.asarray(logits - log_sum_exp(logits)[..., None])

    @quiet
    def slope(self, alpha: ArrayLike) -> Floats:
        """Return d logits / d alpha = (b (B alpha + C) - a (A alpha + B)) / Q^(3/2), shape (A, V).

        At alpha = 0 it is M_loc of the law `local`.
        """
        unit, size, root, scalar = self._scaled(alpha)
        rise = np.multiply.outer((self.B * unit + self.C / size) / root / root / size, self.b)
        fall = np.multiply.outer((self.A * unit + self.B / size) / root / root / size, self.a)
        values = _no_overflow("the slopes", (rise - fall) / (root * size)[:, None])
        return values[0] if scalar else values

    def stationary(self) -> Floats:
        """Return the one alpha at which each logit is stationary, shape (V,); nan if there is none.

        (a B - b C) / (b B - a A): each logit turns at most once.
        """
        largest = max(self.A, abs(self.B), self.C) or 1.0
        A, B, C = self.A / largest, self.B / largest, self.C / largest
        steepness = self.b * B - self.a * A
        with np.errstate(divide="ignore", invalid="ignore"):
            alpha = (self.a * B - self.b * C) / steepness
        return np.where(steepness != 0.0, alpha, np.nan)

    def limit(self, sign: int) -> Floats:
        """Return log p_alpha as alpha -> sign * inf, shape (V,): the plateau of Prop. 4.1."""
        side = check.as_sign(sign)
        if self.A > 0.0:
            with np.errstate(over="ignore"):
                logits = side * self.b / np.sqrt(self.A) + np.asarray(self.offset)
            _no_overflow("the logits", logits)
        else:
            logits = self.logits(0.0)
        return np.asarray(logits - log_sum_exp(logits))


def _square(name: str, value: Any) -> float:
    """Return a mean square, or what is added to one: finite, at least 0 (ShapeError)."""
    remedy = "give a finite number, at least 0"
    return check.as_real(name, value, lambda x: 0.0 <= x < inf, ShapeError, remedy)


def _no_overflow(what: str, values: Floats) -> Floats:
    """Return the values, all of them finite (AlphaError)."""
    if not np.isfinite(values).all():
        raise AlphaError(f"{what} overflow float64", remedy="rescale the unembedding or v")
    return values


def readout_family(logits: ArrayLike, positive: ArrayLike, negative: ArrayLike) -> TiltedFamily:
    """Return the family of a context steered at the output of the final norm (`final-norm`).

    There the logits are linear in the state, so steering by the difference of means of the states
    of two sets of texts is tilting, exactly, with M = mean_P log p - mean_N log p.

    Parameters
    ----------
    logits : array_like, (V,)
        Of the context; not normalised.
    positive, negative : array_like, (|P|, V) and (|N|, V)
        Of the texts; any texts, and |P| need not be |N|.
    """
    inside, outside = (
        np.stack([normalised(row) for row in table_rows(name, table)])
        for name, table in (("positive", positive), ("negative", negative))
    )
    return TiltedFamily.from_tables(normalised(logits), inside, outside)


def local_divergence(log_p: ArrayLike, slope: ArrayLike) -> Any:
    """Return the coefficient of alpha^2 in KL(p || p_alpha): Var_p(M_loc) / 2 (`local`), (...).

    A centred sum for each row: a `TiltedFamily` would sort the vocabulary for every position of a
    text.

    Parameters
    ----------
    log_p, slope : array_like, (..., V)
        Log-probabilities, and M_loc, d logits / d alpha at 0 of any layer.
    """
    table = check.plain_array("log_p", log_p)
    odds = check.as_log_odds(slope, np.ones(table.shape, dtype=np.bool_), "slope")
    rows = np.atleast_2d(table).reshape(-1, table.shape[-1] if table.ndim else 1)
    p = np.exp(np.stack([check.as_log_probabilities(row) for row in rows]))
    spread = odds.reshape(p.shape)
    centred = spread - np.sum(p * spread, axis=-1, keepdims=True)
    half = 0.5 * np.sum(p * centred**2, axis=-1)
    return float(half[0]) if odds.ndim < 2 else half.reshape(odds.shape[:-1])


def local_cross_entropy(
    log_p: ArrayLike, labels: ArrayLike, slope: ArrayLike, bend: ArrayLike
) -> tuple[Any, Any]:
    """Return slope and curvature at 0 of the cross-entropy on text (`local`), (...) each.

    E_model[M_loc] - E_data[M_loc], and Var_model(M_loc) + E_model[l''] - E_data[l''].

    Parameters
    ----------
    log_p : array_like, (..., V)
        The model's.
    labels : array_like, (..., V)
        Probabilities of the next token in the data.
    slope, bend : array_like, (..., V)
        First and second derivative of the logits in alpha.
    """
    variance = 2.0 * local_divergence(log_p, slope)
    p = np.exp(check.as_array("log_p", log_p, None))
    truth, first, second = (
        check.as_log_odds(values, np.ones(p.shape, dtype=np.bool_), name)
        for name, values in (("labels", labels), ("slope", slope), ("bend", bend))
    )
    if not ((truth >= 0.0) & (truth <= 1.0)).all():
        raise ProbabilityError("labels are not between 0 and 1", remedy="give probabilities")
    rise = np.sum((p - truth) * first, axis=-1)
    turn = variance + np.sum((p - truth) * second, axis=-1)
    return (float(rise), float(turn)) if p.ndim == 1 else (rise, turn)
