"""The model: datasets with concepts, how they are made, and what is trained on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st
from scipy.special import log_softmax

from steering_strength.proofs_check.check import check
from steering_strength.proofs_check.check_engine import reloaded
from steering_strength.proofs_check.check_peaks import margin
from steering_strength.proofs_check.comparison import (
    EPS,
    Comparison,
    as_alone,
    claim,
    compare,
    equal,
)
from steering_strength.proofs_check.instances import ConceptCase, WeightedCase
from steering_strength.proofs_check.oracles import precise, vectors
from steering_strength.proofs_check.oracles.precise import CTX, number, numbers
from steering_strength.proofs_check.simulation import simulated_dataset
from steering_strength.proofs_check.strategies import ANY_ROWS, weighted_cases
from steering_strength.proofs_check.tolerance import SAFETY
from steering_strength.theory import ConceptDataset, UnconstrainedFeatures
from steering_strength.theory.errors import AssumptionError
from steering_strength.theory.model import peak_sign


@check(
    "sign-separation/dataset",
    ANY_ROWS,
    judges="ConceptDataset: vocabulary_size context_count concept_count concepts contexts_of "
    "violations require_assumption_1 in_concept off_concept steering_sets "
    "log_odds log_probabilities family entropy load",
    weight=0.5,
)
def dataset(case: ConceptCase) -> Iterator[Comparison]:
    """What a dataset says of itself: its parts, Assumption 1, P and N, M, entropy, and its file.
    Tolerance: what is counted or chosen is exact; logarithms to EPS (1 + |log p|)."""
    data, exact, limits = case.data, case.dataset, case.limits
    G, sets = exact.concepts, data.steering_sets(*case.sets)
    other = [exact.context_concept[i] for i in case.negative]
    for name, expected, found in (
        ("V", len(exact.token_concept), data.vocabulary_size),
        ("m", len(exact.rows), data.context_count),
        ("G", G, data.concept_count),
        ("tokens", [exact.tokens(c) for c in range(G)], [(*c.tolist(),) for c in data.concepts]),
        ("contexts of T", [*exact.contexts(case.target)], data.contexts_of(case.target).tolist()),
        ("P", [*case.positive], sets.positive.tolist()),
        ("N", [*case.negative], sets.negative.tolist()),
        ("T", case.target, sets.target),
    ):
        yield claim(f"{name} is {expected}, not {found}", expected == found)
    share = [Fraction(other.count(c), case.q) for c in range(G)]
    yield compare("share of N", share, model=(sets.negative_share, EPS))
    log_odds = data.log_odds(*case.sets)
    yield compare("M", case.M, model=(log_odds, limits.blur))
    logs = [[CTX.log(number(p)) for p in row] for row in exact.rows]
    error = SAFETY * EPS * (1 - min(x for row in logs for x in row))
    yield compare("log p", logs, model=(data.log_probabilities, error))
    family = data.family(case.context, case.family.log_odds)
    own = (family.log_p, SAFETY * EPS * limits.depth)
    yield compare("log p of the context", logs[case.context], model=own)
    yield equal("M of the family", case.family.log_odds, family.log_odds)
    rows = map(numbers, exact.rows)
    entropy = -precise.dot(numbers(exact.context_weights), map(precise.dot, rows, logs))
    yield compare("entropy", entropy, model=(data.entropy(), error))
    loaded = reloaded(data)
    yield equal("p of the file", data.probabilities, loaded.probabilities)
    yield equal("pi of the file", data.context_weights, loaded.context_weights)
    yield from _assumption_1(case)


def _assumption_1(case: ConceptCase) -> Iterator[Comparison]:
    """Violations are found where the floats, not the fractions, break the assumption."""
    data, exact = case.data, case.dataset
    inside: list[set[float]] = [set() for _ in exact.token_concept]
    outside: list[set[float]] = [set() for _ in exact.token_concept]
    for row, concept in zip(exact.rows, exact.context_concept, strict=True):
        for z, own in enumerate(exact.token_concept):
            (inside if own == concept else outside)[z].add(float(row[z]))
    pairs = list(zip(inside, outside, strict=True))
    overlap = any(a and b and min(a) <= max(b) for a, b in pairs)
    broken = overlap or any(0.0 in a | b for a, b in pairs) or any(len(b) > 1 for _, b in pairs)
    holds = not (broken or any(len(a) > 1 for a, _ in pairs))
    yield claim(f"Assumption 1 holds: {holds}", (not data.violations()) == holds)
    yield claim(f"it is required: {holds}", _passes(data, context_dependent=False) == holds)
    appendix = _passes(data, context_dependent=True)
    yield claim(f"App. B.1 is required: {not broken}", appendix == (not broken))
    if holds and all(a and b for a, b in pairs):
        yield equal("a", [min(a) for a, _ in pairs], data.in_concept)
        yield equal("b", [min(b) for _, b in pairs], data.off_concept)


def _passes(data: ConceptDataset, *, context_dependent: bool) -> bool:
    try:
        # Called for its refusal; a shipped one returns nothing, and one that is made wrong does.
        answer: object = vars(ConceptDataset)["require_assumption_1"](
            data, context_dependent=context_dependent
        )
    except AssumptionError:
        return False
    return answer is None


@check(
    "sign-separation/constructors",
    weighted_cases(),
    judges="ConceptDataset: smoothed weighted from_gaps from_counts",
    weight=0.5,
)
def constructors(case: WeightedCase) -> Iterator[Comparison]:
    """The smoothed and the weighted family, any gaps, and counts give the tables they name.
    Tolerance: each probability to a few roundings; counts and their frequencies exactly rounded."""
    labels, G = list(case.token_concept), case.concepts
    expected, equally = [case.row(c) for c in range(G)], [Fraction(1, G)] * G
    gamma, omega = ([float(x) for x in w] for w in (case.gamma, case.omega))
    # One context of each concept and equal weights, as if not asked, or several and any weights.
    each, pi = 1 + len(labels) % 3, equally
    options: dict[str, Any] = {}
    if each > 1:
        pi = [Fraction(1 + c % 4, sum(1 + k % 4 for k in range(each * G))) for c in range(each * G)]
        options = {"contexts_per_concept": each, "context_weights": [float(x) for x in pi]}
    owner = [c for c in range(G) for _ in range(each)]
    weighted = ConceptDataset.weighted(gamma, omega, labels, float(case.epsilon), **options)
    b = [case.epsilon / (G - 1) * w for w in case.omega]
    gap = 1 - sum(b, start=Fraction(0))
    g = [((1 - case.epsilon) * x - y) / gap for x, y in zip(case.gamma, b, strict=True)]
    gaps = ConceptDataset.from_gaps([float(x) for x in b], [float(x) for x in g], labels, **options)
    size, eps = 1 + len(labels) % 3, case.epsilon * Fraction(G - 1, G)
    smoothed = ConceptDataset.smoothed(G, size, float(eps), **options)
    flat = [
        [(1 - eps) / size if z // size == c else eps / ((G - 1) * size) for z in range(G * size)]
        for c in range(G)
    ]
    counts = [[1 + (3 * z + 5 * c) % 7 for z in range(len(labels))] for c in range(G)]
    frequencies = [[Fraction(2 * k + 1, 2 * sum(row) + len(row)) for k in row] for row in counts]
    shares = [Fraction(sum(row), sum(map(sum, counts))) for row in counts]
    pairs = [(c, z) for c, row in enumerate(counts) for z, k in enumerate(row) for _ in range(k)]
    counted = partial(
        ConceptDataset.from_counts,
        [f"context {c}" for c, _ in pairs],
        [z for _, z in pairs],
        labels,
        context_concept={f"context {c}": c for c in range(G)},
    )
    alone = [[Fraction(k, sum(row)) for k in row] for row in counts]
    paper = [[Fraction(19, 60) if z // 3 == c else Fraction(1, 120) for z in range(9)]
             for c in range(3)]  # fmt: skip
    for name, data, rows, weights, concepts in (
        ("weighted", weighted, [expected[c] for c in owner], pi, owner),
        ("gaps", gaps, [expected[c] for c in owner], pi, owner),
        ("smoothed", smoothed, [flat[c] for c in owner], pi, owner),
        ("counts", counted(pseudo_count=0.5), frequencies, shares, list(range(G))),
        ("counts alone", counted(), alone, shares, list(range(G))),
        ("the paper", ConceptDataset.smoothed(), paper, [Fraction(1, 3)] * 3, [0, 1, 2]),
    ):
        allowed = [8 * EPS * float(p) + EPS * (name == "gaps") for row in rows for p in row]
        yield compare(f"p of {name}", rows, model=(data.probabilities, allowed))
        yield compare(f"pi of {name}", weights, model=(data.context_weights, 4 * EPS))
        yield equal(f"contexts of {name}", concepts, data.context_concept.tolist())


@check("peak-sign/threshold", weighted_cases(), judges="weighted_threshold", weight=0.5)
def threshold(case: WeightedCase) -> Comparison:
    """Target tokens peak at positive alpha below eps*, and not above it where eps may go on.
    Tolerance: the sign of the margin in 120 digits a millionth to either side of eps*."""
    found, bound = peak_sign.weighted_threshold(**case.arguments()), float(case.bound)

    def at(epsilon: Fraction, millionths: int) -> precise.Number:
        return margin(replace(case, epsilon=epsilon * Fraction(10**6 + millionths, 10**6)))

    if found >= bound * (1 - 1e-9):
        to_the_end = found <= bound * (1 + 1e-9) and at(case.bound, -1) > -1e-9
        return claim("the margin is positive up to the bound of Assumption 1", to_the_end)
    signs = [CTX.sign(at(Fraction(found), k)) for k in (-1, 1)]
    return claim(f"the margin changes sign at eps = {found}: {signs}", signs == [1, -1])


@check(
    "tilting/ufm",
    ANY_ROWS,
    judges="UnconstrainedFeatures: interpolating dimension steering_vector log_probability "
    "steered_log_probability shifted_logits context_excess loss load",
    weight=0.3,
)
def ufm(case: ConceptCase) -> Iterator[Comparison]:
    """An interpolating model gives the data, and steers by W (h + alpha v) as its methods say.
    Tolerance: float64 products of length d, as `Simulation.noise` adds them up."""
    model, steered = simulated_dataset(case)
    alphas, sets, j = [case.alpha, 0.5], case.sets, case.context
    W = [precise.numbers(row) for row in model.W.tolist()]
    H = [precise.numbers(column) for column in model.H.T.tolist()]
    yield equal("d", len(W[0]), model.dimension)
    v = vectors.difference_of_means(*([H[i] for i in side] for side in sets))
    vector = (model.steering_vector(*sets), 8 * EPS * float(np.abs(model.H).max()))
    yield compare("v", v, model=vector)
    table = model.steered_log_probability(steered.v, alphas)
    shifted = log_softmax(model.shifted_logits(*sets, alphas), axis=-1)
    law = model.law_error_bound(*sets, alphas)
    for name, ask in (
        ("steered log p", partial(model.steered_log_probability, steered.v)),
        ("steered logits", partial(model.shifted_logits, *sets)),
        ("error of the law", partial(model.law_error_bound, *sets)),
    ):
        yield from as_alone(name, ask, *alphas)
    for k, at in enumerate(alphas):
        after = precise.softmax(vectors.logits(W, vectors.affine(H[j], v, number(at))))
        oracle, noise = [CTX.log(x) for x in after], float(steered.noise(at))
        sides = {"model": (table[k, j], noise), "shifted": (shifted[k, j], noise)}
        yield compare(f"steered log p at {at}", oracle, **sides)
        ideal = case.tilt.log(at)
        for x, y, b in zip(oracle, ideal, law[k, j].tolist(), strict=True):
            away = abs(x - y)
            yield claim(f"the law errs by {float(away):.3g}, at most {b:.3g}", away <= b + noise)
    noise, unsteered = float(steered.noise(0.0)), model.log_probability()
    yield compare("log p", case.data.log_probabilities, model=(unsteered, 4 * noise))
    exact = [[CTX.exp(x) for x in precise.numbers(row)] for row in unsteered.tolist()]
    excess = [
        precise.kl(precise.numbers(row), q) for row, q in zip(case.dataset.rows, exact, strict=True)
    ]
    # Neither side is normalised better than to its rounding, and a KL is of second order.
    V = len(case.p)
    slack = V * noise**2 + 64 * V * EPS * noise + 64 * EPS
    yield compare("KL(p || model)", excess, model=(model.context_excess(), slack))
    yield compare("loss", case.data.entropy(), model=(model.loss(), 2 * slack + 64 * EPS))
    smallest = UnconstrainedFeatures.interpolating(case.data, case.gauge)
    yield claim(
        "as few dimensions as interpolate", smallest.dimension <= min(len(exact), len(case.p))
    )
    again = smallest.log_probability()
    sizes = np.linalg.norm(smallest.W, axis=1).max() * np.linalg.norm(smallest.H, axis=0).max()
    near = (again, 64 * EPS * (1 + sizes) * (1 + np.abs(case.data.log_probabilities).max()))
    yield compare("log p of the smallest", case.data.log_probabilities, model=near)
    loaded = reloaded(model)
    yield equal("W of the file", model.W, loaded.W)
    yield equal("H", model.H, loaded.H)


@check(
    "tilting/trained",
    st.integers(0, 99),
    judges="UnconstrainedFeatures: trained law_error_bound",
    weight=0.02,
)
def trained(case: int) -> Iterator[Comparison]:
    """Gradient descent ends within its tolerance, and the trained model obeys the laws that far.
    Tolerance: the loss lies within 1e-6 nats above the entropy, and the laws within their bound."""
    data = ConceptDataset.smoothed(2 + case % 2, 2, 0.1 + 0.002 * case)
    model = UnconstrainedFeatures.trained(data, seed=case)
    alphas, log_odds = np.array([-1.0, 0.5, 2.0]), data.log_odds([0], [1])
    simulated = model.steered_log_probability(model.steering_vector([0], [1]), alphas)
    families = [data.family(j, log_odds) for j in range(data.context_count)]
    laws = np.stack([family.log_probability(alphas) for family in families], axis=1)
    bound = model.law_error_bound([0], [1], alphas)
    yield claim("the laws hold within the bound", (abs(simulated - laws) <= bound).all())
    yield claim("the bound is small", bound.max() < 0.1)
    log_q = log_softmax((model.W @ model.H).T, axis=1)
    loss = float(-data.context_weights @ (data.probabilities * log_q).sum(axis=1))
    yield compare("loss", loss, model=(model.loss(), 1e-12))
    near = 0 <= loss - data.entropy() + 1e-12 <= 1e-6 + 2e-12
    yield claim("the loss is near the entropy", near)
    last = np.nan if model.history is None else model.history[-1]
    yield compare("last loss", loss, history=(last, 1e-9))
