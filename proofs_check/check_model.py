"""The model: datasets with concepts, how they are made, and what is trained on them."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from scipy.special import log_softmax

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
from steering_strength.proofs_check.instances import ConceptCase, WeightedCase
from steering_strength.proofs_check.oracles import norms, precise
from steering_strength.proofs_check.oracles.precise import CTX, number
from steering_strength.proofs_check.simulation import simulated_dataset
from steering_strength.proofs_check.strategies import concept_cases, weighted_cases
from steering_strength.proofs_check.tolerance import SAFETY, tolerance
from steering_strength.theory import ConceptDataset, UnconstrainedFeatures
from steering_strength.theory.errors import AssumptionError
from steering_strength.theory.model import peak_sign

__all__ = ["CHECKS"]

ROWS = st.one_of(concept_cases("1"), concept_cases("B.1"), concept_cases("none"))


@check(
    "sign-separation/dataset",
    cases=ROWS,
    tolerance="what is counted or chosen is exact; logarithms to EPS (1 + |log p|)",
    weight=0.5,
    judges=(
        "ConceptDataset.vocabulary_size",
        "ConceptDataset.context_count",
        "ConceptDataset.concept_count",
        "ConceptDataset.concepts",
        "ConceptDataset.contexts_of",
        "ConceptDataset.violations",
        "ConceptDataset.require_assumption_1",
        "ConceptDataset.in_concept",
        "ConceptDataset.off_concept",
        "ConceptDataset.steering_sets",
        "ConceptDataset.random_negatives",
        "ConceptDataset.contrastive_negatives",
        "ConceptDataset.log_odds",
        "ConceptDataset.log_probabilities",
        "ConceptDataset.family",
        "ConceptDataset.entropy",
        "ConceptDataset.load",
    ),
)
def dataset(case: ConceptCase) -> Comparison:
    """What a dataset says of itself: its parts, Assumption 1, P and N, M, entropy, and its file."""
    data, exact = case.data, case.dataset
    rounding = SAFETY * EPS * tolerance(case).depth
    V, m, G = len(exact.token_concept), len(exact.rows), exact.concepts
    sets = data.steering_sets(case.positive, case.negative)
    other = [exact.context_concept[i] for i in case.negative]
    share = [Fraction(other.count(c), case.q) for c in range(G)]
    outside = [j for j, c in enumerate(exact.context_concept) if c != case.target]
    size = min(len(outside), 2)
    random = data.random_negatives(case.target, size, case.gauge).tolist()
    contrastive = data.contrastive_negatives(case.target, 1, case.gauge).tolist()
    entropy = -CTX.fsum(
        number(w) * CTX.fsum(number(p) * CTX.log(number(p)) for p in row if p)
        for w, row in zip(exact.context_weights, exact.rows, strict=True)
    )
    depth = 1 - CTX.log(number(min(p for row in exact.rows for p in row)))
    family = data.family(case.context, case.family.log_odds)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.npz"
        data.save(path)
        loaded = ConceptDataset.load(path)
    return worst(
        [
            equal("V, m, G", (V, m, G),
                  (data.vocabulary_size, data.context_count, data.concept_count)),
            equal("tokens of the concepts", [exact.tokens(c) for c in range(G)] == [
                tuple(tokens.tolist()) for tokens in data.concepts], True),
            equal("contexts of T", exact.contexts(case.target),
                  tuple(data.contexts_of(case.target).tolist())),
            equal("P", case.positive, tuple(sets.positive.tolist())),
            equal("N", case.negative, tuple(sets.negative.tolist())),
            equal("T", case.target, sets.target),
            compare("share of N", share, Value("model", sets.negative_share, EPS)),
            claim("random contexts lie outside T",
                  len(set(random)) == size and set(random) <= set(outside)),
            claim("contrastive contexts lie outside T",
                  len(contrastive) == 1 and set(contrastive) <= set(outside)),
            compare("M", case.M, Value("model", data.log_odds(case.positive, case.negative),
                                       tolerance(case).blur)),
            compare("log p", [[CTX.log(number(p)) for p in row] for row in exact.rows],
                    Value("model", data.log_probabilities, SAFETY * EPS * depth)),
            compare("log p of the context", [CTX.log(p) for p in case.p],
                    Value("model", family.log_p, rounding)),
            equal("M of the family", case.family.log_odds, family.log_odds),
            compare("entropy", entropy, Value("model", data.entropy(), SAFETY * EPS * depth)),
            equal("p of the file", data.probabilities, loaded.probabilities),
            equal("pi of the file", data.context_weights, loaded.context_weights),
            *_assumption_1(case),
        ]
    )  # fmt: skip


def _assumption_1(case: ConceptCase) -> list[Comparison]:
    """Violations are found where the floats, not the fractions, break the assumption."""
    data, exact = case.data, case.dataset
    rows = [[float(p) for p in row] for row in exact.rows]
    inside: list[set[float]] = [set() for _ in exact.token_concept]
    outside: list[set[float]] = [set() for _ in exact.token_concept]
    for row, concept in zip(rows, exact.context_concept, strict=True):
        for z, own in enumerate(exact.token_concept):
            (inside if own == concept else outside)[z].add(row[z])
    pairs = list(zip(inside, outside, strict=True))
    varying = any(len(a) > 1 for a, _ in pairs), any(len(b) > 1 for _, b in pairs)
    overlap = any(a and b and min(a) <= max(b) for a, b in pairs)
    zero = any(0.0 in a | b for a, b in pairs)
    holds, in_the_appendix = (
        not (any(varying) or overlap or zero),
        not (varying[1] or overlap or zero),
    )
    found = [
        claim(f"Assumption 1 holds: {holds}", (not data.violations()) == holds),
        claim(f"it is required: {holds}", _passes(data, context_dependent=False) == holds),
        claim(
            f"App. B.1 is required: {in_the_appendix}",
            _passes(data, context_dependent=True) == in_the_appendix,
        ),
    ]
    if holds and all(a and b for a, b in pairs):
        found += [
            equal("a", [a.copy().pop() for a, _ in pairs], data.in_concept),
            equal("b", [b.copy().pop() for _, b in pairs], data.off_concept),
        ]
    return found


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
    cases=weighted_cases(),
    tolerance="each probability to a few roundings; counts and their frequencies exactly rounded",
    weight=0.5,
    judges=(
        "ConceptDataset.smoothed",
        "ConceptDataset.weighted",
        "ConceptDataset.from_gaps",
        "ConceptDataset.from_counts",
        "ConceptDataset.from_count_table",
    ),
)
def constructors(case: WeightedCase) -> Comparison:
    """The smoothed and the weighted family, any gaps, and counts give the tables they name."""
    labels, G = list(case.token_concept), case.concepts
    expected = [case.row(c) for c in range(G)]
    gamma, omega = ([float(x) for x in w] for w in (case.gamma, case.omega))
    weighted = ConceptDataset.weighted(gamma, omega, labels, float(case.epsilon))
    b = [case.epsilon / (G - 1) * w for w in case.omega]
    gap = 1 - sum(b, start=Fraction(0))
    g = [((1 - case.epsilon) * x - y) / gap for x, y in zip(case.gamma, b, strict=True)]
    gaps = ConceptDataset.from_gaps([float(x) for x in b], [float(x) for x in g], labels)
    size, eps = 1 + len(labels) % 3, case.epsilon * Fraction(G - 1, G)
    smoothed = ConceptDataset.smoothed(G, size, float(eps))
    flat = [
        [(1 - eps) / size if z // size == c else eps / ((G - 1) * size) for z in range(G * size)]
        for c in range(G)
    ]
    counts = [[1 + (3 * z + 5 * c) % 7 for z in range(len(labels))] for c in range(G)]
    frequencies = [[Fraction(2 * k + 1, 2 * sum(row) + len(row)) for k in row] for row in counts]
    shares = [Fraction(sum(row), sum(map(sum, counts))) for row in counts]
    table = ConceptDataset.from_count_table(counts, labels, range(G), pseudo_count=0.5)
    pairs = [(c, z) for c, row in enumerate(counts) for z, k in enumerate(row) for _ in range(k)]
    counted = ConceptDataset.from_counts(
        [f"context {c}" for c, _ in pairs],
        [z for _, z in pairs],
        labels,
        context_concept={f"context {c}": c for c in range(G)},
        pseudo_count=0.5,
    )
    comparisons = []
    for name, data, rows, weights in (
        ("weighted", weighted, expected, [Fraction(1, G)] * G),
        ("gaps", gaps, expected, [Fraction(1, G)] * G),
        ("smoothed", smoothed, flat, [Fraction(1, G)] * G),
        ("count table", table, frequencies, shares),
        ("counts", counted, frequencies, shares),
    ):
        allowed = [8 * EPS * float(p) + EPS * (name == "gaps") for row in rows for p in row]
        comparisons += [
            compare(f"p of {name}", rows, Value("model", data.probabilities, allowed)),
            compare(f"pi of {name}", weights, Value("model", data.context_weights, 4 * EPS)),
            equal(f"contexts of {name}", list(range(G)), data.context_concept.tolist()),
        ]
    return worst(comparisons)


@check(
    "peak-sign/threshold",
    cases=weighted_cases(),
    tolerance="the sign of the margin in 120 digits a millionth to either side of eps*",
    weight=0.5,
    judges=("weighted_threshold",),
)
def threshold(case: WeightedCase) -> Comparison:
    """Target tokens peak at positive alpha below eps*, and not above it where eps may go on."""
    found = peak_sign.weighted_threshold(**case.arguments())
    bound = case.bound

    def margin(epsilon: Fraction) -> precise.Number:
        full = WeightedCase(**{**vars(case), "epsilon": epsilon}).case()
        least = min(full.M[z] for z in full.tokens)
        return least - precise.mean(full.p, full.M, number(0))

    if found >= float(bound) * (1 - 1e-9):
        return claim(
            "the margin is positive up to the bound of Assumption 1",
            found <= float(bound) * (1 + 1e-9) and margin(bound * Fraction(999_999, 10**6)) > -1e-9,
        )
    at = Fraction(found)
    signs = [CTX.sign(margin(at * Fraction(10**6 + k, 10**6))) for k in (-1, 1)]
    return claim(f"the margin changes sign at eps = {found}: {signs}", signs == [1, -1])


@check(
    "tilting/ufm",
    cases=ROWS,
    tolerance="float64 products of length d, as `Simulation.noise` adds them up",
    weight=0.3,
    judges=(
        "UnconstrainedFeatures.interpolating",
        "UnconstrainedFeatures.dimension",
        "UnconstrainedFeatures.steering_vector",
        "UnconstrainedFeatures.log_probability",
        "UnconstrainedFeatures.steered_log_probability",
        "UnconstrainedFeatures.shifted_logits",
        "UnconstrainedFeatures.context_excess",
        "UnconstrainedFeatures.loss",
        "UnconstrainedFeatures.load",
    ),
)
def ufm(case: ConceptCase) -> Comparison:
    """An interpolating model gives the data, and steers by W (h + alpha v) as its methods say."""
    model, steered = simulated_dataset(case)
    alphas = [case.alpha, 0.5]
    W = [precise.numbers(row) for row in model.W.tolist()]
    H = [precise.numbers(column) for column in model.H.T.tolist()]
    d = len(W[0])
    v = [
        CTX.fsum(H[i][k] for i in case.positive) / case.q
        - CTX.fsum(H[i][k] for i in case.negative) / case.q
        for k in range(d)
    ]
    vector = model.steering_vector(case.positive, case.negative)
    largest = 8 * EPS * float(np.abs(model.H).max())
    table = model.steered_log_probability(steered.v, alphas)
    shifted = log_softmax(model.shifted_logits(case.positive, case.negative, alphas), axis=-1)
    unsteered = model.log_probability()
    comparisons = [
        equal("d", d, model.dimension),
        compare("v", v, Value("model", vector, largest)),
    ]
    j, rows = case.context, case.data.log_probabilities
    law = model.law_error_bound(case.positive, case.negative, alphas)
    for k, at in enumerate(alphas):
        after = precise.softmax(norms.logits(W, norms.affine(H[j], v, number(at))))
        oracle = [CTX.log(x) for x in after]
        noise = float(steered.noise(at))
        ideal = precise.log_tilted(case.p, case.M, number(at))
        away = [abs(a - b) for a, b in zip(oracle, ideal, strict=True)]
        comparisons += [
            compare(f"steered log p at {at}", oracle, Value("model", table[k, j], noise)),
            compare(f"shifted log p at {at}", oracle, Value("model", shifted[k, j], noise)),
            *(
                claim(f"the law errs by {float(a):.3g}, at most {b:.3g}", a <= b + noise)
                for a, b in zip(away, law[k, j].tolist(), strict=True)
            ),
        ]
    noise = float(steered.noise(0.0))
    comparisons.append(compare("log p", rows, Value("model", unsteered, 4 * noise)))
    exact = [[CTX.exp(x) for x in precise.numbers(row)] for row in unsteered.tolist()]
    excess = [
        precise.kl(precise.numbers(row), q) for row, q in zip(case.dataset.rows, exact, strict=True)
    ]
    # Neither side is normalised better than to its rounding, and a KL is of second order.
    slack = [len(case.p) * noise**2 + 64 * len(case.p) * EPS * noise + 64 * EPS] * len(excess)
    comparisons += [
        compare("KL(p || model)", excess, Value("model", model.context_excess(), slack)),
        compare("loss", case.data.entropy(), Value("model", model.loss(), 2 * slack[0] + 64 * EPS)),
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ufm.npz"
        model.save(path)
        loaded = UnconstrainedFeatures.load(path)
    comparisons += [equal("W of the file", model.W, loaded.W), equal("H", model.H, loaded.H)]
    return worst(comparisons)


@check(
    "tilting/trained",
    cases=st.integers(0, 99),
    tolerance="the loss lies within 1e-6 nats above the entropy, and the laws within their bound",
    weight=0.02,
    judges=("UnconstrainedFeatures.trained", "UnconstrainedFeatures.law_error_bound"),
)
def trained(case: int) -> Comparison:
    """Gradient descent ends within its tolerance, and the trained model obeys the laws that far."""
    data = ConceptDataset.smoothed(2 + case % 2, 2, 0.1 + 0.002 * case)
    model = UnconstrainedFeatures.trained(data, seed=case)
    alphas = np.array([-1.0, 0.5, 2.0])
    simulated = model.steered_log_probability(model.steering_vector([0], [1]), alphas)
    log_odds = data.log_odds([0], [1])
    laws = np.stack(
        [data.family(j, log_odds).log_probability(alphas) for j in range(data.context_count)],
        axis=1,
    )
    bound = model.law_error_bound([0], [1], alphas)
    q = np.exp(log_softmax((model.W @ model.H).T, axis=1))
    loss = float(-data.context_weights @ (data.probabilities * np.log(q)).sum(axis=1))
    history = model.history
    last = history.loss[-1] if history else 0.0
    return worst(
        [
            claim("the laws hold within the bound", bool((abs(simulated - laws) <= bound).all())),
            claim("the bound is small", bool(bound.max() < 0.1)),
            compare("loss", loss, Value("model", model.loss(), 1e-12)),
            claim(
                "the loss is near the entropy", 0 <= loss - data.entropy() + 1e-12 <= 1e-6 + 2e-12
            ),
            claim("its history says so", history is not None and history.excess <= 1e-6),
            compare("last loss", loss, Value("history", last, 1e-9)),
        ]
    )


CHECKS: tuple[Check, ...] = (dataset, constructors, threshold, ufm, trained)
