"""Instances of the theory, small, exact and printable.

A case is what one example of a check is about. It is stored as integers, fractions and floats
that mean exactly what they print, so the same instance reaches the oracle without rounding and
the engine rounded once, and `repr(case)` is code that rebuilds it. The records of `theory` and
the arrays are derived on demand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import prod
from pprint import pformat
from typing import TYPE_CHECKING, Any

import numpy as np

from steering_strength.proofs_check.oracles import exact, precise, refit
from steering_strength.theory import ConceptDataset, NormedSteering, TiltedFamily
from steering_strength.theory.engine import TiltedPopulation, transformer
from steering_strength.theory.engine.measure import log_odds_of_tables
from steering_strength.theory.engine.sequences import SampledTexts
from steering_strength.theory.engine.transformer import LastBlock
from steering_strength.theory.model import peak_sign
from steering_strength.theory.model.sequences import SequenceFeatures

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [  # for the programs that print a counterexample
    "ConceptCase",
    "EditCase",
    "ExactDataset",
    "FamilyCase",
    "MixedCase",
    "NormCase",
    "PromptsCase",
    "ReadoutCase",
    "SequenceCase",
    "SmoothCase",
    "TextCase",
    "WeightedCase",
]


@dataclass(frozen=True)
class ExactDataset:
    """A `ConceptDataset` in fractions.

    Attributes
    ----------
    rows : (m, V) Fractions
        p(z|c_j), each row summing to 1 exactly.
    token_concept : (V,) ints
        Concept 0..G-1 of every token.
    context_concept : (m,) ints
        Concept of every context.
    context_weights : (m,) Fractions
        pi_j, summing to 1 exactly.
    """

    rows: tuple[tuple[Fraction, ...], ...]
    token_concept: tuple[int, ...]
    context_concept: tuple[int, ...]
    context_weights: tuple[Fraction, ...]

    def tokens(self, concept: int) -> tuple[int, ...]:
        """The tokens of one concept."""
        return tuple(z for z, c in enumerate(self.token_concept) if c == concept)

    def contexts(self, concept: int) -> tuple[int, ...]:
        """The contexts of one concept."""
        return tuple(j for j, c in enumerate(self.context_concept) if c == concept)

    @property
    def concepts(self) -> int:
        """The number of concepts G."""
        return max(self.token_concept) + 1

    @property
    def satisfies_assumption_1(self) -> bool:
        """Whether a_z and b_z depend on nothing but the token, exactly."""
        for z, own in enumerate(self.token_concept):
            for inside in (True, False):
                pairs = zip(self.rows, self.context_concept, strict=True)
                if len({row[z] for row, c in pairs if (c == own) == inside}) > 1:
                    return False
        return True

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
            probabilities=np.array([[float(p) for p in row] for row in self.rows]),
            token_concept=np.array(self.token_concept),
            context_concept=np.array(self.context_concept),
            context_weights=np.array([float(w) for w in self.context_weights]),
        )


@dataclass(frozen=True)
class ConceptCase:
    """A dataset, a steering vector on it, and a strength.

    Attributes
    ----------
    dataset : ExactDataset
    target : int
        The concept T of the positive contexts.
    positive, negative : tuples of context indices
        P and N.
    context : int
        The context c_j whose next token is looked at.
    alpha : float
        Nats per unit of M; the number that is written here, exactly.
    gauge : int
        Seed of the random gauge, logit shifts and useless dimensions of the simulation.
    """

    dataset: ExactDataset
    target: int
    positive: tuple[int, ...]
    negative: tuple[int, ...]
    context: int
    alpha: float = 1.0
    gauge: int = 0

    @property
    def q(self) -> int:
        """|P| = |N|."""
        return len(self.positive)

    @property
    def row(self) -> tuple[Fraction, ...]:
        """p(.|c_j), exactly."""
        return self.dataset.rows[self.context]

    @cached_property
    def ratios(self) -> tuple[Fraction, ...]:
        """e^{q M(z)}, exactly."""
        return tuple(exact.odds_ratios(self.dataset.rows, self.positive, self.negative))

    @property
    def keys(self) -> tuple[Fraction, ...]:
        """Numbers in the order of M, equal exactly where M is."""
        return self.ratios

    @cached_property
    def digits(self) -> int:
        """How many digits the oracle needs here."""
        rarest = min(x for row in self.dataset.rows for x in row if x)
        levels = sorted(float(precise.CTX.log(precise.number(r))) for r in self.ratios)
        return precise.enough_digits(rarest, (levels[-1] - levels[0]) / self.q)

    @cached_property
    def p(self) -> tuple[precise.Number, ...]:
        """p(.|c_j), to `digits`."""
        with precise.digits(self.digits):
            return tuple(precise.numbers(self.row))

    @cached_property
    def M(self) -> tuple[precise.Number, ...]:
        """The log-odds to `digits`: log(prod_P p / prod_N p) / q, so exact ties stay ties."""
        with precise.digits(self.digits):
            return tuple(precise.CTX.log(precise.number(r)) / self.q for r in self.ratios)

    @cached_property
    def data(self) -> ConceptDataset:
        """The dataset in float64."""
        return self.dataset.rounded()

    @cached_property
    def family(self) -> TiltedFamily:
        """The engine's record of this context under this steering vector."""
        return self.data.family(self.context, self.data.log_odds(self.positive, self.negative))

    @property
    def tokens(self) -> tuple[int, ...]:
        """The tokens of the target concept."""
        return self.dataset.tokens(self.target)

    def at(self, context: int) -> ConceptCase:
        """The same seen from another context."""
        return replace(self, context=context)

    def as_family(self) -> FamilyCase:
        """The context with its log-odds correctly rounded, and C = T: no engine has a say in it."""
        return FamilyCase(
            weights=self.row,
            log_odds=tuple(float(m) for m in self.M),
            tokens=self.tokens,
            alpha=self.alpha,
            gauge=self.gauge,
        )


@dataclass(frozen=True)
class WeightedCase:
    """The paper's weighted family: a_z = (1-eps) gamma_z, b_z = eps/(G-1) omega_z (App. B.1).

    One positive context, q negative ones, and c_j, a context outside T.

    Attributes
    ----------
    token_concept : (V,) ints
    gamma, omega : (V,) Fractions
        Each sums to 1 in every concept.
    target : int
    own : int
        The concept D of c_j.
    negatives : tuple of ints
        The concepts of the contexts in N; Q_C is the share of C in it.
    epsilon : Fraction
        In (0, `bound`), where Assumption 1 holds.
    """

    token_concept: tuple[int, ...]
    gamma: tuple[Fraction, ...]
    omega: tuple[Fraction, ...]
    target: int
    own: int
    negatives: tuple[int, ...]
    epsilon: Fraction

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

    def margin(self) -> float:
        """min_T M - E_p[M] by the model's formula."""
        return float(peak_sign.weighted_margin(epsilon=float(self.epsilon), **self.arguments()))

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

    def row(self, concept: int) -> tuple[Fraction, ...]:
        """p(.|c) for a context of that concept."""
        inside = [(1 - self.epsilon) * g for g in self.gamma]
        outside = [self.epsilon / (self.concepts - 1) * w for w in self.omega]
        return tuple(
            a if c == concept else b
            for a, b, c in zip(inside, outside, self.token_concept, strict=True)
        )

    def case(self) -> ConceptCase:
        """The dataset with c_j first, then P, then N."""
        q = len(self.negatives)
        labels = (self.own, *(self.target,) * q, *self.negatives)
        return ConceptCase(
            ExactDataset.uniform([*map(self.row, labels)], self.token_concept, labels),
            target=self.target,
            positive=tuple(range(1, q + 1)),
            negative=tuple(range(q + 1, 2 * q + 1)),
            context=0,
        )


@dataclass(frozen=True)
class FamilyCase:
    """One context under one steering vector, without a dataset behind it.

    Attributes
    ----------
    weights : (V,) Fractions
        p(z) is weight over sum of weights.
    log_odds : (V,) floats
        M(z); ties are equal floats and nothing else.
    tokens : tuple of token indices
        A concept C, neither empty nor everything.
    alpha : float
    gauge : int
        As in `ConceptCase`.
    """

    weights: tuple[Fraction, ...]
    log_odds: tuple[float, ...]
    tokens: tuple[int, ...]
    alpha: float = 1.0
    gauge: int = 0

    @cached_property
    def row(self) -> tuple[Fraction, ...]:
        """p, exactly."""
        total = sum(self.weights)
        return tuple(Fraction(w) / total for w in self.weights)

    @cached_property
    def keys(self) -> tuple[Fraction, ...]:
        """M, as fractions."""
        return tuple(map(Fraction, self.log_odds))

    @cached_property
    def digits(self) -> int:
        """How many digits the oracle needs here."""
        spread = max(self.log_odds) - min(self.log_odds)
        return precise.enough_digits(min(x for x in self.row if x), spread)

    @cached_property
    def p(self) -> tuple[precise.Number, ...]:
        """p, to `digits`."""
        with precise.digits(self.digits):
            return tuple(precise.numbers(self.row))

    @cached_property
    def M(self) -> tuple[precise.Number, ...]:
        """M, exactly."""
        return tuple(precise.numbers(self.log_odds))

    @cached_property
    def family(self) -> TiltedFamily:
        """The engine's record; log p is rounded once, and finite also where p underflows."""
        log_p = np.array([float(precise.CTX.log(p)) if p else -np.inf for p in self.p])
        return TiltedFamily(log_p, np.array(self.log_odds))


@dataclass(frozen=True)
class PromptsCase:
    """Several prompts under one steering vector, and a budget to share out among them.

    Attributes
    ----------
    rows : (m, V) Fractions
        p(z|c_j), each row summing to 1 exactly.
    weights : (m,) Fractions
        pi_j, summing to 1 exactly.
    log_odds : (V,) floats
        M(z).
    tokens : tuple of token indices
        T.
    budget : float
        Nats.
    """

    rows: tuple[tuple[Fraction, ...], ...]
    weights: tuple[Fraction, ...]
    log_odds: tuple[float, ...]
    tokens: tuple[int, ...]
    budget: float

    @cached_property
    def p(self) -> list[list[precise.Number]]:
        """The rows, to the oracle's digits."""
        return [precise.numbers(row) for row in self.rows]

    @cached_property
    def M(self) -> list[precise.Number]:
        """M, exactly."""
        return precise.numbers(self.log_odds)

    @cached_property
    def population(self) -> TiltedPopulation:
        """The engine's record, log p rounded once."""
        log_p = [[float(precise.CTX.log(x)) for x in row] for row in self.p]
        return TiltedPopulation(_array(log_p), _array(self.log_odds), _array(self.weights))


def _array(values: object) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)


@dataclass(frozen=True)
class NormCase:
    """A residual stream h, a steering vector v and the final norm of a transformer (section 4).

    Attributes
    ----------
    h, v, gain, bias : (d,) floats
    W : (V, d) floats
        Unembedding.
    kind : str
        "rms" or "layer".
    eps : float
    alpha : float
    """

    h: tuple[float, ...]
    v: tuple[float, ...]
    gain: tuple[float, ...]
    bias: tuple[float, ...]
    W: tuple[tuple[float, ...], ...]
    kind: str
    eps: float
    alpha: float = 1.0

    @property
    def visible(self) -> bool:
        """Whether v survives the norm: v is not 0, and not constant under LayerNorm."""
        return any(self.v) and (self.kind == "rms" or len(set(self.v)) > 1)

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
    """Normed states and an unembedding with bias: the `final-norm` site of any causal LM.

    Attributes
    ----------
    states : (m, d) floats
        Outputs of the final norm at the last position of m texts.
    W, bias : (V, d) and (V,) floats
    positive, negative : tuples of text indices
        Their sizes may differ, and they may share texts: nothing forbids it at this site.
    context : int
    alpha : float
    """

    states: tuple[tuple[float, ...], ...]
    W: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]
    positive: tuple[int, ...]
    negative: tuple[int, ...]
    context: int
    alpha: float = 1.0

    @property
    def logits(self) -> NDArray[np.float64]:
        """W h + bias of every text, (m, V)."""
        return np.asarray(_array(self.states) @ _array(self.W).T + _array(self.bias))

    @property
    def family(self) -> TiltedFamily:
        """The engine's record of the context, from logits alone."""
        logits = self.logits
        texts = (logits[list(group)] for group in (self.positive, self.negative))
        return transformer.readout_family(logits[self.context], *texts)


@dataclass(frozen=True)
class SmoothCase:
    """Logits that bend: W tanh(A (h + alpha v)) per context, for the laws at any layer.

    Attributes
    ----------
    states : (m, d) floats
    v : (d,) floats
    A : (k, d) floats
    W : (V, k) floats
    labels : (m, V) Fractions
        Data distribution of the next token of each context; it need not be the model's.
    context_weights : (m,) Fractions
    """

    states: tuple[tuple[float, ...], ...]
    v: tuple[float, ...]
    A: tuple[tuple[float, ...], ...]
    W: tuple[tuple[float, ...], ...]
    labels: tuple[tuple[Fraction, ...], ...]
    context_weights: tuple[Fraction, ...]


@dataclass(frozen=True)
class TextCase:
    """A steering vector that is made of texts, contexts to steer with it, and a strength.

    Attributes
    ----------
    rows : (m, V) Fractions
        p(z|c_j).
    context_weights : (m,) Fractions
    positive, negative : (|P|, V) and (|N|, V) Fractions
        p(z|text), at least two of each.
    tokens : tuple of token indices
        A concept C, neither empty nor everything.
    alpha : float
        Not 0.
    """

    rows: tuple[tuple[Fraction, ...], ...]
    context_weights: tuple[Fraction, ...]
    positive: tuple[tuple[Fraction, ...], ...]
    negative: tuple[tuple[Fraction, ...], ...]
    tokens: tuple[int, ...]
    alpha: float

    @cached_property
    def contexts(self) -> tuple[list[list[precise.Number]], list[precise.Number]]:
        """The rows and their weights."""
        return [precise.numbers(row) for row in self.rows], precise.numbers(self.context_weights)

    @cached_property
    def logs(self) -> tuple[list[list[precise.Number]], list[list[precise.Number]]]:
        """Log-probabilities of P and of N."""
        sides = (self.positive, self.negative)
        p, n = ([[precise.CTX.log(precise.number(x)) for x in r] for r in side] for side in sides)
        return p, n

    @cached_property
    def M(self) -> tuple[precise.Number, ...]:
        """The log-odds, to all digits."""
        return tuple(refit.odds(*self.logs))

    @property
    def tables(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Log-probabilities of P and N, each rounded once."""
        p, n = (np.array([[float(x) for x in row] for row in side]) for side in self.logs)
        return p, n

    @property
    def source(self) -> TiltedFamily | TiltedPopulation:
        """The engine's record: of one context or of several."""
        log_p = np.array(
            [[float(precise.CTX.log(precise.number(x))) for x in r] for r in self.rows]
        )
        log_odds = log_odds_of_tables(*self.tables)
        if len(log_p) == 1:
            return TiltedFamily(log_p[0], log_odds)
        return TiltedPopulation(log_p, log_odds, np.array([float(w) for w in self.context_weights]))


@dataclass(frozen=True)
class SequenceCase:
    """All texts over a small vocabulary, as a tree, with a steering vector and a judge.

    Attributes
    ----------
    rows : (J, V) Fractions
        p(. | prefix j); prefix V j + 1 + z is prefix j followed by token z, the texts are J..V J.
    positive, negative : (q, V) Fractions
        p(. | c) of the contexts of P and of N.
    judged : (V J - J + 1,) ints
        What a judge says of each text.
    alpha : float
    gauge : int
        As in `ConceptCase`.
    """

    rows: tuple[tuple[Fraction, ...], ...]
    positive: tuple[tuple[Fraction, ...], ...]
    negative: tuple[tuple[Fraction, ...], ...]
    judged: tuple[int, ...]
    alpha: float = 1.0
    gauge: int = 0

    @property
    def q(self) -> int:
        """|P| = |N|."""
        return len(self.positive)

    @cached_property
    def ratios(self) -> tuple[Fraction, ...]:
        """e^{q M(z)}, exactly."""
        sets = (*self.positive, *self.negative)
        return tuple(exact.odds_ratios(sets, range(self.q), range(self.q, 2 * self.q)))

    @property
    def texts(self) -> range:
        """The numbers of the texts."""
        return range(len(self.rows), len(self.rows) * len(self.rows[0]) + 1)

    @cached_property
    def paths(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """(prefix, token) step by step, of every text."""
        return tuple(tuple(exact.path(k, len(self.rows[0]))) for k in self.texts)

    @cached_property
    def digits(self) -> int:
        """How many digits the oracle needs here."""
        levels = [float(precise.CTX.log(precise.number(r))) / self.q for r in self.ratios]
        rarest = min(min(row) for row in self.rows) ** len(self.paths[-1])
        return precise.enough_digits(rarest, max(levels) - min(levels))

    @cached_property
    def p(self) -> tuple[tuple[precise.Number, ...], ...]:
        """The rows, to `digits`."""
        with precise.digits(self.digits):
            return tuple(tuple(precise.numbers(row)) for row in self.rows)

    @cached_property
    def M(self) -> tuple[precise.Number, ...]:
        """The log-odds, to `digits`."""
        with precise.digits(self.digits):
            return tuple(precise.CTX.log(precise.number(r)) / self.q for r in self.ratios)

    @cached_property
    def model(self) -> SequenceFeatures:
        """The UFM of the tree; the contexts of P, then of N, are its last states."""
        rows, sets = (
            [[float(x) for x in row] for row in table]
            for table in (self.rows, (*self.positive, *self.negative))
        )
        return SequenceFeatures.tree(rows, self.gauge, others=sets)

    @cached_property
    def vector(self) -> NDArray[np.float64]:
        """The steering vector of the model."""
        last = len(self.rows) + 2 * self.q
        return self.model.steering_vector(
            range(last - 2 * self.q, last - self.q), range(last - self.q, last)
        )

    def sampled(self, *, listed: bool = True) -> SampledTexts:
        """The engine's record of every text once: with its probability, or as if it were drawn."""
        weights = [float(x) for x in exact.prefixes(self.rows)[len(self.rows) :]]
        steps = [step for path in self.paths for step in path]
        log_p = [[float(precise.CTX.log(x)) for x in row] for row in self.p]
        return SampledTexts(
            _array([log_p[j] for j, _ in steps]),
            _array([float(m) for m in self.M]),
            np.array([z for _, z in steps]),
            np.repeat(np.arange(len(self.paths)), [len(path) for path in self.paths]),
            _array(weights) if listed else None,
        )


@dataclass(frozen=True)
class EditCase:
    """Hidden states under an unembedding, and directions to edit them along (`operator`).

    Attributes
    ----------
    states : (m, d) floats
    W, bias : (V, d) and (V,) floats
    u, w : (d,) floats
        Orthogonal, neither 0; not of length 1.
    encoder : (d,) floats
        Not 0.
    alpha, theta, threshold : floats
    context_weights : (m,) Fractions
    """

    states: tuple[tuple[float, ...], ...]
    W: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]
    u: tuple[float, ...]
    w: tuple[float, ...]
    encoder: tuple[float, ...]
    alpha: float
    theta: float
    threshold: float
    context_weights: tuple[Fraction, ...]


@dataclass(frozen=True)
class MixedCase:
    """Contexts that mix concepts: p(z|c_j) = b_z + w_(j,C) (1 - B) g_z (`mixed-contexts`).

    Attributes
    ----------
    off, gaps : (V,) Fractions
        b, with sum B < 1, and g, with sum 1 in each concept.
    token_concept : (V,) ints
    weights : (m, G) Fractions
        Each row sums to 1.
    positive, negative : tuples of context indices
        Any contexts; the sets may differ in size.
    gauge : int
        As in `ConceptCase`.
    """

    off: tuple[Fraction, ...]
    gaps: tuple[Fraction, ...]
    token_concept: tuple[int, ...]
    weights: tuple[tuple[Fraction, ...], ...]
    positive: tuple[int, ...]
    negative: tuple[int, ...]
    gauge: int = 0

    @property
    def inside(self) -> tuple[Fraction, ...]:
        """a, exactly."""
        gap = 1 - sum(self.off)
        return tuple(b + gap * g for b, g in zip(self.off, self.gaps, strict=True))

    @cached_property
    def rows(self) -> tuple[tuple[Fraction, ...], ...]:
        """p(z|c_j), exactly."""
        columns = list(zip(self.inside, self.off, self.token_concept, strict=True))
        return tuple(tuple(w[c] * a + (1 - w[c]) * b for a, b, c in columns) for w in self.weights)

    @cached_property
    def sides(self) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
        """The products of p(z|.) over P and over N, each to the size of the other set.

        M(z) > 0 exactly where the first is the larger one.
        """
        first, second = (
            tuple(prod((self.rows[i][z] for i in own), start=Fraction(1)) ** len(other)
                  for z in range(len(self.off)))
            for own, other in ((self.positive, self.negative), (self.negative, self.positive))
        )  # fmt: skip
        return first, second

    @cached_property
    def data(self) -> ConceptDataset:
        """The dataset in float64, as a user makes it."""
        return ConceptDataset.mixed(
            [float(b) for b in self.off],
            [float(g) for g in self.gaps],
            list(self.token_concept),
            [[float(w) for w in row] for row in self.weights],
        )


def as_code(case: Any, call: str, module: str = "proofs_check", note: str = "") -> str:
    """A counterexample as a program: builds `case`, and prints a call of a name of `module`."""
    text = pformat(case, width=96).replace("Fraction(", "F(")
    return (
        "from fractions import Fraction as F\n"
        f"from {module} import {call.partition('(')[0]}\n"
        "from proofs_check.instances import *\n\n"
        f"case = {text}\n"
        f"print({call})" + (f"  # {note}" if note else "") + "\n"
    )
