"""The engine beyond one scalar alpha: constructors, many alphas and concepts, large vocabularies.

The laws are judged in `check_tilting` and its siblings; here the same quantities are asked for in
every other way that a user can ask.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from steering_strength.proofs_check.check import check
from steering_strength.proofs_check.comparison import (
    EPS,
    Comparison,
    as_alone,
    claim,
    compare,
    crossing,
    equal,
)
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase
from steering_strength.proofs_check.oracles import precise, vectors
from steering_strength.proofs_check.oracles.precise import CTX, Number, Tilt, number, numbers
from steering_strength.proofs_check.simulation import simulated_dataset
from steering_strength.proofs_check.strategies import concept_cases, family_cases
from steering_strength.proofs_check.tolerance import NAIVE, QUANTITIES, SAFETY, Tolerance
from steering_strength.theory import ConceptDataset, TiltedFamily, UnconstrainedFeatures
from steering_strength.theory.engine import TiltedPopulation, population

Stored = TypeVar("Stored", TiltedFamily, ConceptDataset, UnconstrainedFeatures)
Curve = Callable[..., Any]
Extended = NDArray[np.longdouble]

_BATCH = (0.0, -1.0, 2.5)


@check(
    "tilting/constructors",
    st.one_of(concept_cases("1"), concept_cases("none")),
    judges="TiltedFamily: from_logits from_tables from_unembedding conditional load size",
    weight=0.5,
)
def constructors(case: ConceptCase) -> Iterator[Comparison]:
    """Logits, tables, an unembedding, a file or a condition give the p and M they stand for.
    Tolerance: log p to EPS (1 + |log p|), M to its blur, W v to that of a product of length d; what
    is stored comes back bit by bit."""
    limits, family = case.limits, case.family
    log_p, rows = [CTX.log(x) for x in case.p], case.data.log_probabilities
    row, rounding = rows[case.context], SAFETY * EPS * limits.depth
    by_logits = TiltedFamily.from_logits(row + (case.gauge - 50.0), family.log_odds)
    yield compare("log p of logits", log_p, engine=(by_logits.log_p, 64 * rounding))
    yield equal("M beside logits", family.log_odds, by_logits.log_odds)
    P, N = (rows[list(side)] for side in case.sets)
    by_tables = TiltedFamily.from_tables(row, P, N)
    yield compare("log p of tables", log_p, engine=(by_tables.log_p, rounding))
    yield compare("M of tables", case.M, engine=(by_tables.log_odds, SAFETY * limits.blur))
    yield equal("V", len(case.p), by_tables.size)
    ufm, steered = simulated_dataset(case)
    by_vector = TiltedFamily.from_unembedding(row, ufm.W, steered.v)
    product = vectors.logits([*map(numbers, ufm.W)], numbers(steered.v))
    size = [8 * len(steered.v) * EPS * float(np.abs(w) @ np.abs(steered.v)) for w in ufm.W]
    yield compare("W v", product, engine=(by_vector.log_odds, size))
    within, kept = family.conditional(case.asked), case.tilt.concept(case.tokens, 0)
    conditional = [x - CTX.log(kept) if z in case.tokens else -CTX.inf for z, x in enumerate(log_p)]
    yield compare("log p given C", conditional, engine=(within.log_p, rounding))
    yield equal("M given C", family.log_odds, within.log_odds)
    loaded = reloaded(TiltedFamily(by_tables.log_p, by_tables.log_odds, {"unit": case.gauge}))
    yield equal("log p of the file", by_tables.log_p, loaded.log_p)
    yield equal("M of the file", by_tables.log_odds, loaded.log_odds)
    yield equal("metadata of the file", {"unit": case.gauge}, dict(loaded.metadata))


def reloaded(record: Stored) -> Stored:
    """The record from the file that it has been saved to."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "record.npz"
        record.save(path)
        return type(record).load(path)


_SCALARS = {name: QUANTITIES[name] for name in (
    "cgf", "mean", "variance", "cross_entropy_increase", "reverse_kl"
)}  # fmt: skip


def _to_limit(tilt: Tilt, alpha: float) -> Number:
    """The total variation that is left to the limit."""
    end = tilt.end(1 if alpha >= 0 else -1)
    return CTX.fsum(w for w, m in zip(tilt.at(alpha), tilt.M, strict=True) if m != end)


@check(
    "tilting/batches",
    family_cases(support=False),
    judges="TiltedFamily: log_probability probability_increase cgf "
    "mean variance slope cumulants taylor cross_entropy_increase reverse_kl "
    "limit_distance concept_log_odds concept_increase",
    weight=0.5,
)
def batches(case: FamilyCase) -> Iterator[Comparison]:
    """Several alphas, several concepts, cumulants beyond the second and tokens without support.
    Tolerance: as for one alpha, for each of four; the n-th cumulant, in units of range(M)^n, to 2^n
    n times the error of a weight."""
    limits, family = case.limits, case.family
    alphas = np.array([case.alpha, *_BATCH])
    kept = [z for z, p in enumerate(case.p) if p]
    quantities: list[tuple[str, Any, Curve, Curve]] = [
        *((name, getattr(family, name)(alphas), *pair) for name, pair in QUANTITIES.items()),
        ("total variation to the limit", family.limit_distance(alphas), _to_limit,
         lambda t, a: SAFETY * t.log_probability(a) + EPS),
    ]  # fmt: skip
    for name, found, oracle, bound in quantities:
        for value, at in zip(found, alphas.tolist(), strict=True):
            engine = (value[kept] if np.ndim(value) else value, bound(limits, at))
            yield compare(f"{name} at {at}", oracle(limits.tilt, at), engine=engine)
    gone = [z for z in range(len(case.p)) if z not in kept]
    yield equal("log p_alpha without support", -np.inf, quantities[0][1][:, gone])
    yield from _concepts(case, alphas, kept)
    yield from _cumulants(case, alphas)
    yield from as_alone("cumulants", partial(family.cumulants, 4), *alphas.tolist())


def _concepts(
    case: FamilyCase, alphas: NDArray[np.float64], kept: list[int]
) -> Iterator[Comparison]:
    """C, its complement and the first token, all at once."""
    limits = case.limits
    masks = np.zeros((3, len(case.p)), dtype=bool)
    masks[0, list(case.tokens)], masks[2, 0] = True, True
    masks[1] = ~masks[0]
    odds = case.family.concept_log_odds(masks, alphas)
    increase = case.family.concept_increase(masks, alphas)
    for c, mask in enumerate(masks):
        inside, count = [k for k, z in enumerate(kept) if mask[z]], int(mask.sum())
        if not inside or len(inside) == len(kept):
            end = np.inf if inside else -np.inf
            yield equal(f"log-odds of all or nothing, {c}", end, odds[:, c])
            yield equal(f"increase of all or nothing, {c}", 0.0, increase[:, c])
            continue
        for k, at in enumerate(alphas.tolist()):
            logit = limits.tilt.concept_log_odds(inside, at)
            engine = (odds[k, c], limits.concept_log_odds(at))
            yield compare(f"logit F of mask {c} at {at}", logit, engine=engine)
            change = limits.tilt.concept_increase(inside, at)
            allowed = limits.concept_increase(tuple(inside), at) * len(inside) / count
            engine = (increase[k, c], allowed)
            yield compare(f"Delta p(C) of mask {c} at {at}", change / count, engine=engine)


def _cumulants(case: FamilyCase, alphas: NDArray[np.float64]) -> Iterator[Comparison]:
    """kappa_1 .. kappa_5 under p_alpha, and the Taylor coefficients up to the sixth order."""
    limits, spread = case.limits, case.tilt.spread
    if not spread:
        found = case.family.cumulants(4, alphas)[:, 1:]
        yield equal("cumulants of a constant", 0.0, found)
        return
    units = Tilt(limits.tilt.p, [m / spread for m in limits.tilt.M])

    def scaled(values: Any) -> list[Number]:
        return [number(float(k)) / spread**n for n, k in enumerate(values, start=2)]

    for row, at in zip(case.family.cumulants(5, alphas), alphas.tolist(), strict=True):
        oracle = units.cumulants(5, number(at) * spread)
        allowed = _errors(limits.log_probability(at), oracle[1], 5)
        yield compare(f"cumulants at {at}", oracle[1:], engine=(scaled(row[1:]), allowed))
        first = (float(row[0]), limits.mean(at))
        yield compare(f"first cumulant at {at}", limits.tilt.mean(at), engine=first)
    kappa = units.cumulants(6)
    oracle = [k / CTX.factorial(n) for n, k in enumerate(kappa[1:], start=2)]
    allowed = _errors(limits.log_probability(0.0), kappa[1], 6)
    taylor = scaled(case.family.taylor(6))
    yield compare("Taylor coefficients", oracle, engine=(taylor, allowed))


def _errors(weights: Number, variance: Number, order: int) -> list[Number]:
    """Of kappa_2 .. kappa_order in units of range(M): see `ce-cumulants`."""
    variance, moved = max(variance, number(0)), SAFETY * EPS
    return [
        2**n * n * (weights * variance + moved * (CTX.sqrt(variance) if n == 2 else variance))
        + NAIVE
        for n in range(2, order + 1)
    ]


_TOKENS = 20_000


@check(
    "tilting/large-vocabulary",
    st.integers(0, 99),
    judges="TiltedFamily: log_probability cgf mean variance cross_entropy_increase "
    "reverse_kl concept_log_odds peaks peak_brackets peak_log_probability",
    weight=0.03,
)
def large_vocabulary(case: int) -> Iterator[Comparison]:
    """V = 20,000, beyond any block of the engine, at 200 alphas at once and one by one.
    Tolerance: against sums in extended precision, 2^-63: 1e-11 relatively, and where numbers cancel
    1e-11 of their size."""
    rng = np.random.default_rng(case)
    log_p = 4.0 * rng.normal(size=_TOKENS)
    log_p -= np.log(np.exp(log_p).sum())
    log_odds = np.round(rng.normal(size=_TOKENS), 1 + case % 8)  # with ties and without
    inside = rng.random(_TOKENS) < 0.3
    family = TiltedFamily(log_p, log_odds)
    alphas = np.concatenate((np.linspace(-3.0, 3.0, 197), [-80.0, 1e-6, 300.0]))
    p, M = np.exp(log_p.astype(np.longdouble)), log_odds.astype(np.longdouble)
    p /= p.sum()
    quantities: dict[str, Curve] = {
        "K": family.cgf, "K'": family.mean, "K''": family.variance,
        "KL": family.cross_entropy_increase, "reverse KL": family.reverse_kl,
        "logit F": lambda a: family.concept_log_odds(inside, a),
    }  # fmt: skip
    together = {name: method(alphas) for name, method in quantities.items()}
    for k in (0, 60, 97, 98, 99, 150, 196, 197, 198, 199):
        alpha = float(alphas[k])
        exact = _extended(p, M, inside, alpha)
        for name, method in quantities.items():
            size = max(abs(exact[name]), 1e-3 if name in ("KL", "reverse KL") else 1.0)
            size = abs(exact[name]) if abs(alpha) < 1e-3 and name != "logit F" else size
            allowed = 1e-11 * float(size)
            sides = {"of_many": (together[name][k], allowed), "alone": (method(alpha), allowed)}
            yield compare(f"{name} at {alpha}", float(exact[name]), **sides)
        some, allowed = slice(None, None, _TOKENS // 50), 1e-11 * (1 + abs(alpha))
        yield compare(
            f"log p at {alpha}",
            exact["log p"][some].astype(float),
            of_many=(family.log_probability(alphas[[k, 0]])[0][some], allowed),
            alone=(family.log_probability(alpha)[some], allowed),
        )
    yield from _peaks(family, p, M, rng)


def _extended(p: Extended, M: Extended, inside: NDArray[np.bool_], at: float) -> dict[str, Any]:
    """Every quantity as the sum in its definition, in extended precision."""
    alpha, mean = np.longdouble(at), p @ M
    centred = M - mean
    x = alpha * centred
    top = x.max()
    weight = p * np.exp(x - top)
    total = weight.sum()
    q = weight / total
    slope = q @ centred
    price = top + np.log(total)
    reverse = alpha * slope - price
    if np.abs(x).max() < 1e-3:
        # log sum p e^x, by e^x - 1 - x near 0, where the plain sum would cancel; the reverse
        # divergence is alpha^2 Var / 2 to second order, and alpha K' has to be as exact.
        price = np.log1p(p @ (x * x * (0.5 + x / 6 + x * x / 24)))
        variance = p @ centred**2
        reverse = alpha**2 * variance / 2 * (1 + 2 * alpha * (p @ centred**3) / variance / 3)
    return {
        "K": alpha * mean + price,
        "K'": mean + slope,
        "K''": q @ (centred - slope) ** 2,
        "KL": price,
        "reverse KL": reverse,
        "logit F": np.log(q[inside].sum()) - np.log(q[~inside].sum()),
        "log p": np.log(p) + x - price,
    }


def _peaks(
    family: TiltedFamily, p: Extended, M: Extended, rng: np.random.Generator
) -> Iterator[Comparison]:
    """K' - M(z) changes sign over the bracket of some tokens, seen in extended precision."""
    peaks, brackets, heights = family.peaks(), family.peak_brackets(), family.peak_log_probability()

    def tilt(alpha: float) -> Extended:
        x = np.longdouble(alpha) * M
        weight = p * np.exp(x - x.max())
        return np.asarray(weight / weight.sum())

    for z in rng.choice(_TOKENS, 12, replace=False):
        lower, upper = brackets[z]
        if not np.isfinite(peaks[z]):
            yield equal(f"peak of token {z}", np.inf if M[z] == M.max() else -np.inf, peaks[z])
            continue
        below, above = (float(tilt(a) @ (M - M[z])) for a in (lower, upper))
        what = f"K' - M changes sign over the bracket of {z}: {below}, {above}"
        yield claim(what, below < 0 < above)
        yield claim(f"the peak of {z} lies in its bracket", lower <= peaks[z] <= upper)
        yield claim(f"the bracket of {z} is narrow", upper - lower <= 1e-8 * (1 + abs(lower)))
        height = float(np.log(tilt(peaks[z])[z]))
        yield compare(f"height of {z}", height, engine=(heights[z], 1e-10))
    yield claim("peaks are ordered as M", not (np.diff(peaks[np.argsort(M)]) < 0).any())


@check(
    "tilting/population",
    st.one_of(concept_cases("1", wild=False), concept_cases("none")),
    judges="TiltedPopulation: shape family log_probability cgf mean variance "
    "cross_entropy_increase reverse_kl concept_log_odds average_cross_entropy_increase "
    "average_cross_entropy_root",
    weight=0.5,
)
def of_a_population(case: ConceptCase) -> Iterator[Comparison]:
    """Many contexts under one vector: each is its own family, and averages are averages.
    Tolerance: each context to what it is known to alone; an average to the average of these."""
    data, inside = case.data, list(case.tokens)
    many = TiltedPopulation(data.log_probabilities, case.family.log_odds, data.context_weights)
    alphas = np.array([case.alpha, *_BATCH])
    yield equal("shape", (len(case.seen), len(case.p)), many.shape)
    own = many.family(case.context)
    yield equal("log p of a context", data.log_probabilities[case.context], own.log_p)
    yield equal("M of a context", case.family.log_odds, own.log_odds)
    # Blocks of one context each, as a table that does not fit has them.
    with mock.patch.object(population, "_BLOCK", len(case.p)):
        tables: list[tuple[str, Any, Curve, Curve]] = [
            *((name, getattr(many, name)(alphas), *pair) for name, pair in _SCALARS.items()),
            ("log p", many.log_probability(alphas), *QUANTITIES["log_probability"]),
            ("logit F", many.concept_log_odds(case.asked, alphas),
             lambda tilt, at: tilt.concept_log_odds(inside, at), Tolerance.concept_log_odds),
        ]  # fmt: skip
        prices = many.average_cross_entropy_increase(alphas)
        for name in (*_SCALARS, "average_cross_entropy_increase"):
            yield from as_alone(name, getattr(many, name), case.alpha, 0.5)
        yield from as_alone("log p", many.log_probability, case.alpha, 0.5)
        yield from as_alone("logit F", partial(many.concept_log_odds, inside), case.alpha, 0.5)
    for j, seen in enumerate(case.seen):
        for name, table, oracle, bound in tables:
            for k, at in enumerate(alphas.tolist()):
                # The shared sums keep ten bits less of what cancels.
                engine = (table[k, j], 64 * bound(seen.limits, at))
                what = f"{name} of context {j} at {at}"
                yield compare(what, oracle(seen.tilt, at), engine=engine)
    for value, at in zip(prices, alphas.tolist(), strict=True):
        error = precise.dot(data.context_weights, (c.limits.divergence(at) for c in case.seen))
        yield compare(f"Delta CE at {at}", case.price(at), engine=(value, 64 * error))
    if case.tilt.spread:
        sign, budget = 1 if case.alpha >= 0 else -1, 10.0 ** (case.gauge % 5 - 3)
        root = many.average_cross_entropy_root(budget, sign)
        if not root.reached:
            sigma = case.average(lambda c: abs(c.tilt.end(sign) - c.tilt.mean(0)))
            yield claim(f"a root, not {root.reason}", sigma * 1e290 < budget)
            return
        size = abs(root.alpha)
        yield from crossing("Delta CE", root, case.price, budget, sign, 1e-6 * size, 1e-12 * size)
