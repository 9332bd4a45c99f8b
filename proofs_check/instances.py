"""Instances of the theory, small, exact and printable.

A case is what one example of a check is about. It is stored as integers, fractions and floats
that mean exactly what they print, so the same instance reaches the oracle without rounding and
the engine rounded once, and `repr(case)` is code that rebuilds it. The records of `theory` and
the arrays are derived on demand.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.balls import Ball, Balls
from steering_strength.proofs_check.comparison import EPS
from steering_strength.proofs_check.oracles import exact, precise, vectors
from steering_strength.proofs_check.oracles.precise import Tilt, number, numbers
from steering_strength.proofs_check.tolerance import Tolerance
from steering_strength.theory import ConceptDataset, NormedSteering, TiltedFamily
from steering_strength.theory.engine import TiltedPopulation, transformer
from steering_strength.theory.engine.measure import log_odds_of_tables
from steering_strength.theory.engine.sequences import SampledTexts
from steering_strength.theory.engine.transformer import LastBlock
from steering_strength.theory.model.sequences import SequenceFeatures

Indices = tuple[int, ...]
Row = tuple[Fraction, ...]
"""Probabilities or weights whose sum is 1 exactly, where nothing else is said."""
Rows = tuple[Row, ...]
Vector = tuple[float, ...]
Matrix = tuple[Vector, ...]
Numbers = tuple[precise.Number, ...]


def _array(values: object) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)


def _log(rows: Iterable[Iterable[precise.Number]]) -> NDArray[np.float64]:
    """log p, rounded once; finite also where p underflows."""
    return _array([[float(precise.CTX.log(x)) if x else -np.inf for x in row] for row in rows])


def _numbers(row: Row, digits: int) -> Numbers:
    with precise.digits(digits):
        return tuple(numbers(row))


def _depth(rarest: Any) -> precise.Number:
    """1 + max |log p|."""
    return 1 + abs(precise.CTX.log(number(rarest)))


def _log_odds(ratios: Row, q: int, digits: int = precise.DIGITS) -> Numbers:
    """M = log(prod_P p / prod_N p) / q, so exact ties stay ties."""
    with precise.digits(digits):
        return tuple(precise.CTX.log(number(r)) / q for r in ratios)


def _enough_digits(rarest: Fraction, ratios: Row, q: int) -> int:
    M = [float(m) for m in _log_odds(ratios, 1)]
    return precise.enough_digits(rarest, (max(M) - min(M)) / q)


def _asked(tokens: Indices, size: int, *, mask: bool) -> list[int] | NDArray[np.bool_]:
    return np.isin(np.arange(size), tokens) if mask else list(tokens)


class _Tilted:
    """One context under one vector, whichever way M is given: what follows from `row` and `M`.

    `BLUR` is the error of M in units of EPS (1 + max |log p|), as the engine knows it.
    """

    BLUR = 0
    joined: Callable[[Fraction, Fraction], Fraction] = staticmethod(operator.add)
    """The key of the sum of two levels of M."""

    @cached_property
    def p(self: Any) -> Numbers:
        """The probabilities, to `digits`."""
        return _numbers(self.row, self.digits)

    @cached_property
    def tilt(self: Any) -> Tilt:
        """What the oracle says."""
        return Tilt(self.p, self.M)

    @property
    def asked(self: Any) -> list[int] | NDArray[np.bool_]:
        """C as a user gives it: indices, or at every other gauge a mask."""
        return _asked(self.tokens, len(self.p), mask=self.gauge % 2 == 1)

    @cached_property
    def limits(self: Any) -> Tolerance:
        """What float64 can know, of the tokens that have any probability."""
        pairs = [(p, m) for p, m in zip(self.p, self.M, strict=True) if p]
        tilt = self.tilt if len(pairs) == len(self.p) else Tilt(*zip(*pairs, strict=True))
        depth = _depth(self.rarest)
        return Tolerance(tilt, depth, self.BLUR * EPS * depth)


@dataclass(frozen=True)
class ExactDataset:
    """A `ConceptDataset` in fractions."""

    rows: Rows  # (m, V): p(z|c_j)
    token_concept: Indices  # (V,): the concept 0..G-1 of every token
    context_concept: Indices  # (m,)
    context_weights: Row  # (m,): pi_j

    def tokens(self, concept: int) -> Indices:
        """The tokens of one concept."""
        return tuple(z for z, c in enumerate(self.token_concept) if c == concept)

    def contexts(self, concept: int) -> Indices:
        """The contexts of one concept."""
        return tuple(j for j, c in enumerate(self.context_concept) if c == concept)

    @property
    def concepts(self) -> int:
        """The number of concepts G."""
        return max(self.token_concept) + 1

    @classmethod
    def uniform(
        cls, rows: Sequence[Sequence[Fraction]], tokens: Sequence[int], contexts: Sequence[int]
    ) -> ExactDataset:
        """All contexts of equal weight; the concepts of the tokens and of the contexts."""
        share = (Fraction(1, len(contexts)),) * len(contexts)
        return cls(tuple(map(tuple, rows)), tuple(tokens), tuple(contexts), share)

    def rounded(self) -> ConceptDataset:
        """The dataset in float64: every probability correctly rounded."""
        return ConceptDataset(
            probabilities=_array(self.rows),
            token_concept=np.array(self.token_concept),
            context_concept=np.array(self.context_concept),
            context_weights=_array(self.context_weights),
        )


@dataclass(frozen=True)
class ConceptCase(_Tilted):
    """A dataset, a steering vector on it, and a strength."""

    # The log-odds come from the rows of P and N, whose rarest tokens round most.
    BLUR = 1
    joined = staticmethod(operator.mul)

    dataset: ExactDataset
    target: int  # the concept T of the positive contexts
    positive: Indices  # P, contexts
    negative: Indices  # N
    context: int  # c_j, whose next token is looked at
    alpha: float = 1.0  # nats per unit of M; the number that is written here, exactly
    gauge: int = 0  # seed of the random gauge, logit shifts and useless dimensions when simulated

    @classmethod
    def contrasting(cls, dataset: ExactDataset, target: int, q: int, context: int) -> ConceptCase:
        """P and N are the first q contexts, and the q after them."""
        first, second = tuple(range(q)), tuple(range(q, 2 * q))
        return cls(dataset, target, first, second, context)

    @property
    def q(self) -> int:
        """|P| = |N|."""
        return len(self.positive)

    @property
    def sets(self) -> tuple[Indices, Indices]:
        """P and N."""
        return self.positive, self.negative

    @property
    def row(self) -> Row:
        """p(.|c_j), exactly."""
        return self.dataset.rows[self.context]

    @cached_property
    def ratios(self) -> Row:
        """e^{q M(z)}, exactly."""
        return tuple(exact.odds_ratios(self.dataset.rows, *self.sets))

    @property
    def keys(self) -> Row:
        """Numbers in the order of M, equal exactly where M is."""
        return self.ratios

    def level(self, key: Fraction, balls: Balls) -> Ball:
        """M at a key, or the sum of two for keys that are joined."""
        return balls.log(balls.exact(key)) / self.q

    @property
    def rarest(self) -> Fraction:
        """The least probability of the context, and of those that M comes from."""
        rows = {self.context, *self.positive, *self.negative}
        return min(min(self.dataset.rows[j]) for j in rows)

    @cached_property
    def digits(self) -> int:
        """How many digits the oracle needs here."""
        rarest = min(x for row in self.dataset.rows for x in row if x)
        return _enough_digits(rarest, self.ratios, self.q)

    @cached_property
    def M(self) -> Numbers:
        """The log-odds to `digits`."""
        return _log_odds(self.ratios, self.q, self.digits)

    @cached_property
    def data(self) -> ConceptDataset:
        """The dataset in float64."""
        return self.dataset.rounded()

    @cached_property
    def family(self) -> TiltedFamily:
        """The engine's record of this context under this steering vector."""
        return self.data.family(self.context, self.data.log_odds(*self.sets))

    @property
    def tokens(self) -> Indices:
        """The tokens of the target concept."""
        return self.dataset.tokens(self.target)

    def at(self, context: int) -> ConceptCase:
        """The same seen from another context; what all of them share is computed once."""
        other = replace(self, context=context)
        vars(other).update(
            (name, getattr(self, name)) for name in ("ratios", "digits", "M", "data")
        )
        return other

    @cached_property
    def seen(self) -> list[ConceptCase]:
        """The same seen from every context in turn."""
        return [self.at(j) for j in range(len(self.dataset.rows))]

    def average(self, value: Callable[[ConceptCase], Any]) -> precise.Number:
        """sum_j pi_j of a value of the case seen from c_j."""
        return precise.dot(numbers(self.dataset.context_weights), map(value, self.seen))

    def price(self, alpha: Any) -> precise.Number:
        """Delta CE by its definition: sum_j pi_j sum_z p (log p - log p_alpha)."""
        return self.average(lambda seen: seen.tilt.price(alpha))

    def as_family(self) -> FamilyCase:
        """The context with its log-odds correctly rounded, and C = T: no engine has a say in it."""
        M = tuple(float(m) for m in self.M)
        return FamilyCase(self.row, M, self.tokens, self.alpha, self.gauge)


@dataclass(frozen=True)
class WeightedCase:
    """The paper's weighted family: a_z = (1-eps) gamma_z, b_z = eps/(G-1) omega_z (App. B.1).

    q contexts of T, q negative ones, and c_j, outside T but for one of the `errata`.
    """

    token_concept: Indices
    gamma: Row  # (V,), as is omega: each sums to 1 in every concept
    omega: Row
    target: int
    own: int  # the concept D of c_j
    negatives: Indices  # the concepts of the contexts in N; Q_C is the share of C in it
    epsilon: Fraction  # in (0, `bound`), where Assumption 1 holds

    @property
    def concepts(self) -> int:
        """G."""
        return max(self.token_concept) + 1

    @property
    def bound(self) -> Fraction:
        """The eps at which the first a_z equals its b_z."""
        others = self.concepts - 1
        pairs = zip(self.gamma, self.omega, strict=True)
        return min(others * g / (others * g + w) for g, w in pairs)

    def arguments(self) -> dict[str, Any]:
        """What `weighted_margin` and `weighted_threshold` take besides eps."""
        share = [self.negatives.count(c) / len(self.negatives) for c in range(self.concepts)]
        return {
            "gamma": [float(x) for x in self.gamma],
            "omega": [float(x) for x in self.omega],
            "token_concept": list(self.token_concept),
            "target": self.target,
            "own": self.own,
            "negative_share": share,
        }

    def row(self, concept: int) -> Row:
        """p(.|c) for a context of that concept."""
        off = self.epsilon / (self.concepts - 1)
        columns = zip(self.gamma, self.omega, self.token_concept, strict=True)
        return tuple((1 - self.epsilon) * g if c == concept else off * w for g, w, c in columns)

    def case(self) -> ConceptCase:
        """The dataset with c_j first, then P, then N."""
        q = len(self.negatives)
        labels = (self.own, *(self.target,) * q, *self.negatives)
        data = ExactDataset.uniform([*map(self.row, labels)], self.token_concept, labels)
        first, second = tuple(range(1, q + 1)), tuple(range(q + 1, 2 * q + 1))
        return ConceptCase(data, self.target, first, second, context=0)


@dataclass(frozen=True)
class FamilyCase(_Tilted):
    """One context under one steering vector, without a dataset behind it."""

    weights: Row  # (V,): p(z) is weight over sum of weights
    log_odds: Vector  # M(z); ties are equal floats and nothing else
    tokens: Indices  # a concept C, neither empty nor everything
    alpha: float = 1.0
    gauge: int = 0  # as in `ConceptCase`

    @cached_property
    def row(self) -> Row:
        """p, exactly."""
        total = sum(self.weights)
        return tuple(Fraction(w) / total for w in self.weights)

    @cached_property
    def keys(self) -> Row:
        """M, as fractions."""
        return tuple(map(Fraction, self.log_odds))

    def level(self, key: Fraction, balls: Balls) -> Ball:
        """M at a key, or the sum of two for keys that are joined."""
        return balls.exact(key)

    @property
    def rarest(self) -> Fraction:
        """The least probability of a token that has any."""
        return min(x for x in self.row if x)

    @cached_property
    def digits(self) -> int:
        """How many digits the oracle needs here."""
        return precise.enough_digits(self.rarest, max(self.log_odds) - min(self.log_odds))

    @cached_property
    def M(self) -> Numbers:
        """M, exactly."""
        return tuple(numbers(self.log_odds))

    @cached_property
    def family(self) -> TiltedFamily:
        """The engine's record."""
        return TiltedFamily(_log([self.p])[0], _array(self.log_odds))


@dataclass(frozen=True)
class PromptsCase:
    """Several prompts under one steering vector, and a budget to share out among them."""

    rows: Rows  # (m, V): p(z|c_j)
    weights: Row  # (m,): pi_j
    log_odds: Vector  # M(z)
    tokens: Indices  # T
    budget: float  # nats

    @property
    def asked(self) -> list[int] | NDArray[np.bool_]:
        """T as a user gives it: indices, or of an odd number of prompts a mask."""
        return _asked(self.tokens, len(self.log_odds), mask=len(self.rows) % 2 == 1)

    @cached_property
    def tilts(self) -> list[Tilt]:
        """What the oracle says of each prompt."""
        return [Tilt(numbers(row), numbers(self.log_odds)) for row in self.rows]

    @property
    def population(self) -> TiltedPopulation:
        """The engine's record."""
        log_p = _log(tilt.p for tilt in self.tilts)
        return TiltedPopulation(log_p, _array(self.log_odds), _array(self.weights))


@dataclass(frozen=True)
class TextCase:
    """A steering vector that is made of texts, contexts to steer with it, and a strength."""

    rows: Rows  # (m, V): p(z|c_j)
    context_weights: Row  # (m,)
    positive: Rows  # p(z|text), at least two texts a side
    negative: Rows
    tokens: Indices  # a concept C, neither empty nor everything
    alpha: float  # not 0

    @cached_property
    def contexts(self) -> tuple[list[list[precise.Number]], list[precise.Number]]:
        """The rows and their weights."""
        return [numbers(row) for row in self.rows], numbers(self.context_weights)

    @cached_property
    def logs(self) -> tuple[list[list[precise.Number]], list[list[precise.Number]]]:
        """Log-probabilities of P and of N."""
        p, n = (
            [[precise.CTX.log(x) for x in numbers(row)] for row in side]
            for side in (self.positive, self.negative)
        )
        return p, n

    @cached_property
    def M(self) -> Numbers:
        """The log-odds, to all digits."""
        return tuple(vectors.difference_of_means(*self.logs))

    @property
    def spread(self) -> float:
        """max M - min M."""
        return float(max(self.M) - min(self.M))

    @property
    def tables(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Log-probabilities of P and N, each rounded once."""
        return _array(self.logs[0]), _array(self.logs[1])

    @property
    def source(self) -> TiltedFamily | TiltedPopulation:
        """The engine's record: of one context or of several."""
        log_p, log_odds = _log(self.contexts[0]), log_odds_of_tables(*self.tables)
        if len(log_p) == 1:
            return TiltedFamily(log_p[0], log_odds)
        return TiltedPopulation(log_p, log_odds, _array(self.context_weights))


@dataclass(frozen=True)
class SequenceCase:
    """All texts over a small vocabulary, as a tree, with a steering vector and a judge."""

    rows: Rows  # (J, V): p(. | prefix j); prefix V j + 1 + z is prefix j and z, texts are J..V J
    positive: Rows  # (q, V): p(. | c) of the contexts of P and of N
    negative: Rows
    judged: Indices  # what a judge says of each of the V J - J + 1 texts
    alpha: float = 1.0
    gauge: int = 0  # as in `ConceptCase`

    @property
    def q(self) -> int:
        """|P| = |N|."""
        return len(self.positive)

    @cached_property
    def ratios(self) -> Row:
        """e^{q M(z)}, exactly."""
        sets = (*self.positive, *self.negative)
        return tuple(exact.odds_ratios(sets, range(self.q), range(self.q, 2 * self.q)))

    @cached_property
    def paths(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """(prefix, token) step by step, of every text."""
        J, V = len(self.rows), len(self.rows[0])
        return tuple(tuple(exact.path(k, V)) for k in range(J, V * J + 1))

    @cached_property
    def digits(self) -> int:
        """How many digits the oracle needs here."""
        rarest = min(min(row) for row in self.rows) ** len(self.paths[-1])
        return _enough_digits(rarest, self.ratios, self.q)

    @cached_property
    def M(self) -> Numbers:
        """The log-odds, to `digits`."""
        return _log_odds(self.ratios, self.q, self.digits)

    @cached_property
    def tilts(self) -> tuple[Tilt, ...]:
        """What the oracle says of each inner prefix."""
        return tuple(Tilt(_numbers(row, self.digits), self.M) for row in self.rows)

    @cached_property
    def limits(self) -> tuple[Tolerance, ...]:
        """What float64 can know of each."""
        depth, blur = _depth(min(map(min, self.rows))), EPS * max(map(abs, self.M))
        return tuple(Tolerance(tilt, depth, blur) for tilt in self.tilts)

    @cached_property
    def model(self) -> SequenceFeatures:
        """The UFM of the tree; the contexts of P, then of N, are its last states."""
        others = _array((*self.positive, *self.negative)).tolist()
        return SequenceFeatures.tree(_array(self.rows).tolist(), self.gauge, others=others)

    @cached_property
    def vector(self) -> NDArray[np.float64]:
        """The steering vector of the model."""
        first, q = len(self.rows), self.q
        return self.model.steering_vector(range(first, first + q), range(first + q, first + 2 * q))

    def sampled(self, *, listed: bool = True) -> SampledTexts:
        """The engine's record of every text once: with its probability, or as if it were drawn."""
        steps = [step for path in self.paths for step in path]
        return SampledTexts(
            _log(tilt.p for tilt in self.tilts)[[j for j, _ in steps]],
            _array(self.M),
            np.array([z for _, z in steps]),
            np.repeat(np.arange(len(self.paths)), [len(path) for path in self.paths]),
            _array(exact.prefixes(self.rows)[len(self.rows) :]) if listed else None,
        )


@dataclass(frozen=True)
class NormCase:
    """A residual stream h, a steering vector v and the final norm of a transformer (section 4)."""

    h: Vector  # (d,), as are v, gain and bias
    v: Vector
    gain: Vector
    bias: Vector
    W: Matrix  # (V, d), the unembedding
    kind: str  # "rms" or "layer"
    eps: float
    alpha: float = 1.0

    @property
    def normed(self) -> NormedSteering:
        """The engine's record."""
        return NormedSteering(
            _array(self.h),
            _array(self.v),
            kind="layer" if self.kind == "layer" else "rms",
            gain=_array(self.gain),
            bias=_array(self.bias),
            eps=self.eps,
        )

    @property
    def last_block(self) -> LastBlock:
        """The closed form of the final logits, as the engine makes it."""
        return self.normed.last_block(_array(self.W))


@dataclass(frozen=True)
class ReadoutCase:
    """Normed states under an unembedding (`final-norm`), and directions to edit them along."""

    states: Matrix  # (m, d), outputs of the final norm at the last position of m texts
    W: Matrix  # (V, d)
    bias: Vector
    u: Vector  # orthogonal to w, neither 0; not of length 1
    w: Vector
    encoder: Vector  # not 0
    context_weights: Row
    sets: tuple[Indices, Indices] = ((0,), (0,))  # texts of P and N; they may differ in size
    alpha: float = 1.0
    theta: float = 1.0
    threshold: float = 0.0

    @property
    def family(self) -> TiltedFamily:
        """The engine's record of the last context under the vector of P and N, from logits."""
        logits = _array(self.states) @ _array(self.W).T + _array(self.bias)
        return transformer.readout_family(logits[-1], *(logits[list(side)] for side in self.sets))


@dataclass(frozen=True)
class MixedCase:
    """Contexts that mix concepts: p(z|c_j) = b_z + w_(j,C) (1 - B) g_z (`mixed-contexts`)."""

    off: Row  # b, with sum B < 1
    gaps: Row  # g, with sum 1 in each concept
    token_concept: Indices
    weights: Rows  # (m, G)
    sets: tuple[Indices, Indices]  # any contexts for P and for N; they may differ in size
    gauge: int = 0  # as in `ConceptCase`

    @property
    def inside(self) -> Row:
        """a, exactly."""
        gap = 1 - sum(self.off)
        return tuple(b + gap * g for b, g in zip(self.off, self.gaps, strict=True))

    @cached_property
    def rows(self) -> Rows:
        """p(z|c_j), exactly."""
        columns = list(zip(self.inside, self.off, self.token_concept, strict=True))
        return tuple(tuple(w[c] * a + (1 - w[c]) * b for a, b, c in columns) for w in self.weights)

    def sign(self, z: int) -> int:
        """The sign of M(z): products of p(z|.) over P and N, each to the size of the other set."""
        first, second = (
            prod((self.rows[i][z] for i in own), start=Fraction(1)) ** len(other)
            for own, other in (self.sets, self.sets[::-1])
        )
        return (first > second) - (first < second)

    @cached_property
    def data(self) -> ConceptDataset:
        """The dataset in float64, as a user makes it."""
        off, gaps, weights = (_array(x).tolist() for x in (self.off, self.gaps, self.weights))
        return ConceptDataset.mixed(off, gaps, list(self.token_concept), weights)
