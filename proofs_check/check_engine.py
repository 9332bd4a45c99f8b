"""The engine beyond one scalar alpha: constructors, many alphas and concepts, large vocabularies.

The laws are judged in `check_tilting` and its siblings; here the same quantities are asked for in
every other way that a user can ask.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from steering_strength.proofs_check.check import Check, check
from steering_strength.proofs_check.comparison import (
    EPS,
    Comparison,
    Value,
    claim,
    compare,
    equal,
    worst,
)
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase
from steering_strength.proofs_check.oracles import precise
from steering_strength.proofs_check.oracles.precise import CTX, Number, number
from steering_strength.proofs_check.simulation import simulated_dataset
from steering_strength.proofs_check.strategies import concept_cases, family_cases
from steering_strength.proofs_check.tolerance import NAIVE, SAFETY, tolerance
from steering_strength.theory import TiltedFamily
from steering_strength.theory.engine import TiltedPopulation, population
from steering_strength.theory.errors import SteeringError

__all__ = ["CHECKS"]


@check(
    "tilting/constructors",
    cases=st.one_of(concept_cases("1"), concept_cases("none")),
    tolerance="log p to EPS (1 + |log p|), M to its blur, W v to that of a product of length d; "
    "what is stored comes back bit by bit",
    weight=0.5,
    judges=(
        "TiltedFamily.from_logits",
        "TiltedFamily.from_tables",
        "TiltedFamily.from_unembedding",
        "TiltedFamily.conditional",
        "TiltedFamily.load",
        "TiltedFamily.size",
    ),
)
def constructors(case: ConceptCase) -> Comparison:
    """Logits, tables, an unembedding, a file or a condition give the p and M they stand for."""
    limits = tolerance(case)
    log_p = [CTX.log(x) for x in case.p]
    rows = case.data.log_probabilities
    ufm, steered = simulated_dataset(case)
    rounding = SAFETY * EPS * limits.depth
    by_logits = TiltedFamily.from_logits(
        rows[case.context] + (case.gauge - 50.0), case.family.log_odds
    )
    by_tables = TiltedFamily.from_tables(
        rows[case.context], rows[list(case.positive)], rows[list(case.negative)]
    )
    by_vector = TiltedFamily.from_unembedding(rows[case.context], ufm.W, steered.v)
    product = [
        CTX.fsum(number(w) * number(x) for w, x in zip(row, steered.v, strict=True))
        for row in ufm.W.tolist()
    ]
    size = [8 * len(steered.v) * EPS * float(np.abs(row) @ np.abs(steered.v)) for row in ufm.W]
    within = case.family.conditional(list(case.tokens))
    kept = CTX.fsum(case.p[z] for z in case.tokens)
    conditional = [
        CTX.log(p / kept) if z in case.tokens else -CTX.inf for z, p in enumerate(case.p)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "family.npz"
        TiltedFamily(by_tables.log_p, by_tables.log_odds, {"unit": case.gauge}).save(path)
        loaded = TiltedFamily.load(path)
    return worst(
        [
            compare("log p of logits", log_p, Value("engine", by_logits.log_p, 64 * rounding)),
            equal("M beside logits", case.family.log_odds, by_logits.log_odds),
            compare("log p of tables", log_p, Value("engine", by_tables.log_p, rounding)),
            compare(
                "M of tables",
                case.M,
                Value("engine", by_tables.log_odds, SAFETY * limits.blur),
            ),
            compare("W v", product, Value("engine", by_vector.log_odds, size)),
            compare("log p given C", conditional, Value("engine", within.log_p, rounding)),
            equal("M given C", case.family.log_odds, within.log_odds),
            equal("log p of the file", by_tables.log_p, loaded.log_p),
            equal("M of the file", by_tables.log_odds, loaded.log_odds),
            equal("metadata of the file", {"unit": case.gauge}, dict(loaded.metadata)),
            equal("V", len(case.p), by_tables.size),
        ]
    )


_Curve = Callable[[Any], Any]
_BATCH = (0.0, -1.0, 2.5)


@check(
    "tilting/batches",
    cases=family_cases(support=False),
    tolerance="as for one alpha, for each of four; the n-th cumulant, in units of range(M)^n, to "
    "2^n n times the error of a weight",
    weight=0.5,
    judges=(
        "TiltedFamily.log_probability",
        "TiltedFamily.log_probability_blocks",
        "TiltedFamily.probability_increase",
        "TiltedFamily.cgf",
        "TiltedFamily.mean",
        "TiltedFamily.variance",
        "TiltedFamily.slope",
        "TiltedFamily.cumulants",
        "TiltedFamily.taylor",
        "TiltedFamily.cross_entropy_increase",
        "TiltedFamily.reverse_kl",
        "TiltedFamily.limit_distance",
        "TiltedFamily.concept_log_odds",
        "TiltedFamily.concept_increase",
    ),
)
def batches(case: FamilyCase) -> Comparison:
    """Several alphas, several concepts, cumulants beyond the second and tokens without support."""
    limits, family = tolerance(case), case.family
    alphas = np.array([case.alpha, *_BATCH])
    kept = [z for z, p in enumerate(case.p) if p]
    p, M = limits.p, limits.M
    comparisons = []

    def each(quantity: str, found: NDArray[np.float64], oracle: _Curve, allowed: _Curve) -> None:
        for k, at in enumerate(alphas.tolist()):
            value, error = oracle(number(at)), allowed(at)
            comparisons.append(
                compare(f"{quantity} at {at}", value, Value("engine", found[k], error))
            )

    tokens: list[tuple[str, NDArray[np.float64], _Curve, _Curve]] = [
        ("log p_alpha", family.log_probability(alphas), lambda a: precise.log_tilted(p, M, a),
         limits.log_probability),
        ("Delta p", family.probability_increase(alphas), lambda a: precise.increase(p, M, a),
         limits.increase),
        ("p'", family.slope(alphas), lambda a: _slopes(p, M, a), limits.slope),
    ]  # fmt: skip
    for quantity, found, oracle, allowed in tokens:
        each(quantity, found[:, kept], oracle, allowed)
    blocks = [rows.copy() for _, rows in family.log_probability_blocks(alphas, rows=3)]
    each("log p_alpha in blocks", np.concatenate(blocks)[:, kept],
         lambda a: precise.log_tilted(p, M, a), limits.log_probability)  # fmt: skip
    gone = [z for z in range(len(case.p)) if z not in kept]
    comparisons.append(equal("log p_alpha without support", -np.inf, tokens[0][1][:, gone]))
    scalars: list[tuple[str, NDArray[np.float64], _Curve, _Curve]] = [
        ("K", family.cgf(alphas), lambda a: precise.cgf(p, M, a), limits.cgf),
        ("K'", family.mean(alphas), lambda a: precise.mean(p, M, a), limits.mean),
        ("K''", family.variance(alphas), lambda a: precise.variance(p, M, a), limits.variance),
        ("KL(p || p_alpha)", family.cross_entropy_increase(alphas),
         lambda a: precise.kl(p, precise.tilted(p, M, a)), limits.divergence),
        ("KL(p_alpha || p)", family.reverse_kl(alphas),
         lambda a: precise.kl(precise.tilted(p, M, a), p), limits.reverse_divergence),
        ("total variation to the limit", family.limit_distance(alphas),
         lambda a: _to_limit(p, M, a), lambda a: SAFETY * limits.log_probability(a) + EPS),
    ]  # fmt: skip
    for quantity, found, oracle, allowed in scalars:
        each(quantity, found, oracle, allowed)
    comparisons += _concepts(case, alphas, kept)
    comparisons.append(_cumulants(case, alphas))
    return worst(comparisons)


def _slopes(p: tuple[Number, ...], M: tuple[Number, ...], alpha: Number) -> list[Number]:
    centre = precise.mean(p, M, alpha)
    return [w * (m - centre) for w, m in zip(precise.tilted(p, M, alpha), M, strict=True)]


def _to_limit(p: tuple[Number, ...], M: tuple[Number, ...], alpha: Number) -> Number:
    end = max(M) if alpha >= 0 else min(M)
    return CTX.fsum(w for w, m in zip(precise.tilted(p, M, alpha), M, strict=True) if m != end)


def _concepts(case: FamilyCase, alphas: NDArray[np.float64], kept: list[int]) -> list[Comparison]:
    """C, its complement and the first token, all at once."""
    limits = tolerance(case)
    V = len(case.p)
    masks = np.zeros((3, V), dtype=bool)
    masks[0, list(case.tokens)], masks[1], masks[2, 0] = True, ~masks[0], True
    masks[1] = ~masks[0]
    odds, increase = (
        method(masks, alphas)
        for method in (case.family.concept_log_odds, case.family.concept_increase)
    )
    found = []
    for c, mask in enumerate(masks):
        inside = [k for k, z in enumerate(kept) if mask[z]]
        if not inside or len(inside) == len(kept):
            end = np.inf if inside else -np.inf
            found.append(equal(f"log-odds of all or nothing, {c}", end, odds[:, c]))
            found.append(equal(f"increase of all or nothing, {c}", 0.0, increase[:, c]))
            continue
        for k, at in enumerate(alphas.tolist()):
            logit = precise.concept_log_odds(limits.p, limits.M, inside, number(at))
            change = precise.concept_increase(limits.p, limits.M, inside, number(at))
            count = int(mask.sum())
            allowed = limits.concept_increase(tuple(inside), at) * len(inside) / count
            found += [
                compare(
                    f"logit F of mask {c} at {at}",
                    logit,
                    Value("engine", odds[k, c], limits.concept_log_odds(at)),
                ),
                compare(
                    f"Delta p(C) of mask {c} at {at}",
                    change / count,
                    Value("engine", increase[k, c], allowed),
                ),
            ]
    return found


def _cumulants(case: FamilyCase, alphas: NDArray[np.float64]) -> Comparison:
    """kappa_1 .. kappa_5 under p_alpha, and the Taylor coefficients up to the sixth order."""
    limits = tolerance(case)
    if not limits.spread:
        return equal("cumulants of a constant", 0.0, case.family.cumulants(4, alphas)[:, 1:])
    units = [m / limits.spread for m in limits.M]
    table = case.family.cumulants(5, alphas)
    comparisons = []
    for row, at in zip(table, alphas.tolist(), strict=True):
        oracle = precise.cumulants(limits.p, units, 5, number(at) * limits.spread)
        allowed = _errors(limits.log_probability(at), oracle[1], 5)
        scaled = [number(float(k)) / limits.spread**n for n, k in enumerate(row[1:], start=2)]
        comparisons += [
            compare(f"cumulants at {at}", oracle[1:], Value("engine", scaled, allowed)),
            compare(
                f"first cumulant at {at}",
                precise.mean(limits.p, limits.M, number(at)),
                Value("engine", float(row[0]), limits.mean(at)),
            ),
        ]
    kappa = precise.cumulants(limits.p, units, 6, number(0))
    oracle = [k / CTX.factorial(n) for n, k in enumerate(kappa[1:], start=2)]
    taylor = case.family.taylor(6)
    scaled = [number(float(k)) / limits.spread**n for n, k in enumerate(taylor, start=2)]
    allowed = _errors(limits.log_probability(0.0), kappa[1], 6)
    return worst(
        [*comparisons, compare("Taylor coefficients", oracle, Value("engine", scaled, allowed))]
    )


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
    cases=st.integers(0, 99),
    tolerance="against sums in extended precision, 2^-63: 1e-11 relatively, and where numbers "
    "cancel 1e-11 of their size",
    weight=0.03,
    judges=(
        "TiltedFamily.log_probability",
        "TiltedFamily.cgf",
        "TiltedFamily.mean",
        "TiltedFamily.variance",
        "TiltedFamily.cross_entropy_increase",
        "TiltedFamily.reverse_kl",
        "TiltedFamily.concept_log_odds",
        "TiltedFamily.peaks",
        "TiltedFamily.peak_brackets",
        "TiltedFamily.peak_log_probability",
    ),
)
def large_vocabulary(case: int) -> Comparison:
    """V = 20,000, beyond any block of the engine, at 200 alphas at once and one by one."""
    rng = np.random.default_rng(case)
    log_p = 4.0 * rng.normal(size=_TOKENS)
    log_p -= np.log(np.exp(log_p).sum())
    log_odds = np.round(rng.normal(size=_TOKENS), 1 + case % 8)  # with ties and without
    inside = rng.random(_TOKENS) < 0.3
    family = TiltedFamily(log_p, log_odds)
    alphas = np.concatenate((np.linspace(-3.0, 3.0, 197), [-80.0, 1e-6, 300.0]))
    p, M = np.exp(log_p.astype(np.longdouble)), log_odds.astype(np.longdouble)
    p /= p.sum()
    quantities: dict[str, _Curve] = {
        "K": family.cgf, "K'": family.mean, "K''": family.variance,
        "KL": family.cross_entropy_increase, "reverse KL": family.reverse_kl,
        "logit F": lambda a: family.concept_log_odds(inside, a),
    }  # fmt: skip
    together = {name: method(alphas) for name, method in quantities.items()}
    chosen = [0, 60, 97, 98, 99, 150, 196, 197, 198, 199]
    comparisons = []
    for k in chosen:
        alpha = float(alphas[k])
        exact = _extended(p, M, inside, alpha)
        for name, method in quantities.items():
            size = max(abs(exact[name]), 1e-3 if name in ("KL", "reverse KL") else 1.0)
            size = abs(exact[name]) if abs(alpha) < 1e-3 and name != "logit F" else size
            for way, value in (("of many", together[name][k]), ("alone", method(alpha))):
                comparisons.append(
                    compare(
                        f"{name} at {alpha}",
                        _long(exact[name]),
                        Value(way, value, 1e-11 * float(size)),
                    )
                )
        row = exact["log p"][:: _TOKENS // 50]
        for way, table in (
            ("of many", family.log_probability(alphas[[k, 0]])[0]),
            ("alone", family.log_probability(alpha)),
        ):
            said = Value(way, table[:: _TOKENS // 50], 1e-11 * (1 + abs(alpha)))
            comparisons.append(compare(f"log p at {alpha}", [_long(x) for x in row], said))
    return worst([*comparisons, _peaks(family, p, M, rng)])


def _long(value: np.longdouble) -> Number:
    """All 64 bits of an extended number."""
    high = float(value)
    return number(high) + number(float(value - np.longdouble(high)))


def _extended(
    p: NDArray[np.longdouble], M: NDArray[np.longdouble], inside: NDArray[np.bool_], alpha: float
) -> dict[str, Any]:
    """Every quantity as the sum in its definition, in extended precision."""
    mean = p @ M
    x = np.longdouble(alpha) * (M - mean)
    top = x.max()
    weight = p * np.exp(x - top)
    total = weight.sum()
    # log sum p e^x, by e^x - 1 - x near 0, where the plain sum would cancel.
    small = np.abs(x).max() < 1e-3
    excess = p @ (x * x * (0.5 + x / 6 + x * x / 24)) if small else np.longdouble(0)
    price = np.log1p(excess) if small else top + np.log(total)
    q = weight / total
    slope = q @ (M - mean)
    reverse = alpha * slope - price
    if small:  # to second order it is alpha^2 Var / 2, and alpha K' has to be as exact
        reverse = (
            np.longdouble(alpha) ** 2
            * (p @ (M - mean) ** 2)
            / 2
            * (1 + 2 * np.longdouble(alpha) * (p @ (M - mean) ** 3) / (p @ (M - mean) ** 2) / 3)
        )
    return {
        "K": np.longdouble(alpha) * mean + price,
        "K'": mean + slope,
        "K''": q @ (M - mean - slope) ** 2,
        "KL": price,
        "reverse KL": reverse,
        "logit F": np.log(q[inside].sum()) - np.log(q[~inside].sum()),
        "log p": np.log(p) + x - price,
    }


def _peaks(
    family: TiltedFamily,
    p: NDArray[np.longdouble],
    M: NDArray[np.longdouble],
    rng: np.random.Generator,
) -> Comparison:
    """K' - M(z) changes sign over the bracket of some tokens, seen in extended precision."""
    peaks, brackets, heights = family.peaks(), family.peak_brackets(), family.peak_log_probability()

    def tilt(alpha: float) -> NDArray[np.longdouble]:
        x = np.longdouble(alpha) * M
        weight = p * np.exp(x - x.max())
        return np.asarray(weight / weight.sum())

    comparisons = []
    for z in rng.choice(_TOKENS, 12, replace=False):
        lower, upper = brackets[z]
        if not np.isfinite(peaks[z]):
            end = np.inf if M[z] == M.max() else -np.inf
            comparisons.append(equal(f"peak of token {z}", end, peaks[z]))
            continue
        signs = [float(tilt(a) @ (M - M[z])) for a in (lower, upper)]
        height = float(np.log(tilt(peaks[z])[z]))
        comparisons += [
            claim(f"K' - M changes sign over the bracket of {z}: {signs}", signs[0] < 0 < signs[1]),
            claim(f"the peak of {z} lies in its bracket", bool(lower <= peaks[z] <= upper)),
            claim(f"the bracket of {z} is narrow", bool(upper - lower <= 1e-8 * (1 + abs(lower)))),
            compare(f"height of {z}", height, Value("engine", heights[z], 1e-10)),
        ]
    order = np.argsort(M)
    moves = np.diff(peaks[order])
    return worst([*comparisons, claim("peaks are ordered as M", not (moves < 0).any())])


@check(
    "tilting/population",
    cases=st.one_of(concept_cases("1", wild=False), concept_cases("none")),
    tolerance="each context to what it is known to alone; an average to the average of these",
    weight=0.5,
    judges=(
        "TiltedPopulation.shape",
        "TiltedPopulation.family",
        "TiltedPopulation.cgf",
        "TiltedPopulation.mean",
        "TiltedPopulation.variance",
        "TiltedPopulation.cross_entropy_increase",
        "TiltedPopulation.reverse_kl",
        "TiltedPopulation.concept_log_odds",
        "TiltedPopulation.quadratic",
        "TiltedPopulation.cross_entropy_asymptote",
        "TiltedPopulation.average_cross_entropy_increase",
        "TiltedPopulation.average_cross_entropy_root",
    ),
)
def of_a_population(case: ConceptCase) -> Comparison:
    """Many contexts under one vector: each is its own family, and averages are averages."""
    data = case.data
    many = TiltedPopulation(data.log_probabilities, case.family.log_odds, data.context_weights)
    alphas = np.array([case.alpha, *_BATCH])
    contexts = [case.at(j) for j in range(len(case.dataset.rows))]
    weights = [number(w) for w in case.dataset.context_weights]
    comparisons = [
        equal("shape", (len(contexts), len(case.p)), many.shape),
        equal("log p of a context", data.log_probabilities[case.context],
              many.family(case.context).log_p),
        equal("M of a context", case.family.log_odds, many.family(case.context).log_odds),
    ]  # fmt: skip
    inside = list(case.tokens)
    # Blocks of one context each, as a table that does not fit has them.
    with mock.patch.object(population, "_BLOCK", len(case.p)):
        tables: list[tuple[str, NDArray[np.float64], Callable[..., Number], str]] = [
            ("K", many.cgf(alphas), precise.cgf, "cgf"),
            ("K'", many.mean(alphas), precise.mean, "mean"),
            ("K''", many.variance(alphas), precise.variance, "variance"),
            ("KL(p || p_alpha)", many.cross_entropy_increase(alphas),
             lambda p, M, a: precise.kl(p, precise.tilted(p, M, a)), "divergence"),
            ("KL(p_alpha || p)", many.reverse_kl(alphas),
             lambda p, M, a: precise.kl(precise.tilted(p, M, a), p), "reverse_divergence"),
            ("logit F", many.concept_log_odds(inside, alphas),
             lambda p, M, a: precise.concept_log_odds(p, M, inside, a), "concept_log_odds"),
        ]  # fmt: skip
        average = many.average_cross_entropy_increase(alphas)
    for j, seen in enumerate(contexts):
        limits = tolerance(seen)
        for name, table, oracle, bound in tables:
            for k, at in enumerate(alphas.tolist()):
                expected = oracle(seen.p, seen.M, number(at))
                # The shared sums keep ten bits less of what cancels.
                allowed = 64 * getattr(limits, bound)(at)
                comparisons.append(
                    compare(
                        f"{name} of context {j} at {at}",
                        expected,
                        Value("engine", table[k, j], allowed),
                    )
                )

    def price(alpha: Number) -> Number:
        return CTX.fsum(
            w * precise.kl(c.p, precise.tilted(c.p, c.M, alpha))
            for w, c in zip(weights, contexts, strict=True)
        )

    def error(alpha: float) -> Number:
        parts = zip(weights, contexts, strict=True)
        return 64 * CTX.fsum(w * tolerance(c).divergence(alpha) for w, c in parts)

    for value, at in zip(average, alphas.tolist(), strict=True):
        comparisons.append(
            compare(f"Delta CE at {at}", price(number(at)), Value("engine", value, error(at)))
        )
    comparisons += _average_laws(case, many, price)
    return worst(comparisons)


def _average_laws(case: ConceptCase, many: TiltedPopulation, price: _Curve) -> list[Comparison]:
    """The quadratic, the asymptote and the root of Delta CE of a population."""
    contexts = [case.at(j) for j in range(len(case.dataset.rows))]
    weights = [number(w) for w in case.dataset.context_weights]
    spread = max(case.M) - min(case.M)
    variances = [precise.variance(c.p, c.M, number(0)) for c in contexts]
    allowed = CTX.fsum(
        w * tolerance(c).variance(0.0) for w, c in zip(weights, contexts, strict=True)
    )
    oracle = CTX.fsum(w * v for w, v in zip(weights, variances, strict=True)) / 2
    found = [compare("quadratic", oracle, Value("engine", many.quadratic(), 64 * allowed))]
    if not spread:
        return found
    sign = 1 if case.alpha >= 0 else -1
    steep, offset = many.cross_entropy_asymptote(sign)
    # As the engine knows M: ties that rounding breaks are none.
    log_odds = sign * case.family.log_odds
    top = [int(z) for z in np.flatnonzero(log_odds == log_odds.max())]
    shares = CTX.fsum(
        w * CTX.log(CTX.fsum(c.p[z] for z in top)) for w, c in zip(weights, contexts, strict=True)
    )
    end = max(sign * m for m in case.M)
    sigma = CTX.fsum(
        w * (end - sign * precise.mean(c.p, c.M, number(0)))
        for w, c in zip(weights, contexts, strict=True)
    )
    depth = max(tolerance(c).depth for c in contexts)
    slack = SAFETY * (tolerance(case).blur + EPS * depth * spread)
    found += [
        compare("slope of the asymptote", sigma, Value("engine", steep, slack)),
        compare("offset of the asymptote", shares, Value("engine", offset, SAFETY * EPS * depth)),
    ]
    budget = 10.0 ** (case.gauge % 5 - 3)
    try:
        root = many.average_cross_entropy_root(budget, sign)
    except SteeringError as error:
        return [*found, claim(f"a root, not {error}", False)]
    if not root.reached:
        return [*found, claim(f"a root, not {root.reason}", sigma * 1e290 < budget)]
    ends = sorted((abs(root.lower), abs(root.upper)))
    width = 1e-6 * abs(root.alpha)
    values = [price(sign * number(x)) for x in (ends[0] - width, ends[1] + width)]
    found += [
        claim("the root lies in its bracket", root.lower <= root.alpha <= root.upper),
        claim("the bracket is narrow", ends[1] - ends[0] <= 1e-12 * ends[1]),
        claim(f"Delta CE - budget changes sign at {root.alpha}", values[0] < budget < values[1]),
    ]
    return found


CHECKS: tuple[Check, ...] = (constructors, batches, large_vocabulary, of_a_population)
