"""The strategies: what they promise is legal, and every kind of instance really occurs.

Each kind must be seen in 200 examples: a strategy that never draws a tie kills no mutant that
mishandles ties.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as with_seed
from hypothesis.strategies import SearchStrategy

from steering_strength.proofs_check.instances import ConceptCase, FamilyCase, WeightedCase
from steering_strength.proofs_check.strategies import (
    alphas,
    concept_cases,
    datasets,
    families,
    family_cases,
    norm_cases,
    readout_cases,
    shape_cases,
    steering_sets,
    ufms,
    weighted_cases,
)
from steering_strength.theory import ConceptDataset, TiltedFamily, UnconstrainedFeatures

COUNT = 200


def draws(strategy: SearchStrategy[Any], count: int = COUNT, seed: int = 0) -> list[Any]:
    """`count` examples, the same for the same seed; no health check complains of rejected draws."""
    found: list[Any] = []

    @with_seed(seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(strategy)
    def look(example: Any) -> None:
        found.append(example)

    look()
    return found


@pytest.fixture(scope="module")
def concepts() -> list[ConceptCase]:
    return draws(concept_cases("1"))


@pytest.fixture(scope="module")
def dependent() -> list[ConceptCase]:
    return draws(concept_cases("B.1"), 60)


@pytest.fixture(scope="module")
def bare() -> list[FamilyCase]:
    return draws(family_cases())


def sizes(case: ConceptCase) -> list[int]:
    return [len(case.dataset.tokens(c)) for c in range(case.dataset.concepts)]


def negatives(case: ConceptCase) -> set[int]:
    return {case.dataset.context_concept[i] for i in case.negative}


def others(case: ConceptCase) -> set[int]:
    return set(case.dataset.context_concept) - {case.target}


def weights(case: ConceptCase) -> tuple[Fraction, ...]:
    return case.dataset.context_weights


CONCEPT_KINDS: dict[str, Callable[[ConceptCase], bool]] = {
    "unequal concepts": lambda case: len(set(sizes(case))) > 1,
    "a single-token concept": lambda case: 1 in sizes(case),
    "one concept with several tokens": lambda case: max(sizes(case)) >= 3,
    "two concepts only": lambda case: case.dataset.concepts == 2,
    "four concepts": lambda case: case.dataset.concepts == 4,
    "q > 1": lambda case: case.q > 1,
    "q = 3": lambda case: case.q == 3,
    "N contrastive, q > 1": lambda case: case.q > 1 and len(negatives(case)) == 1,
    "N random": lambda case: len(negatives(case)) > 1,
    "N misses a concept that has contexts": lambda case: bool(others(case) - negatives(case)),
    "a concept without contexts": lambda case: len(others(case)) < case.dataset.concepts - 1,
    "c_j in T": lambda case: case.dataset.context_concept[case.context] == case.target,
    "c_j outside T and outside N": lambda case: (
        case.dataset.context_concept[case.context] not in {case.target, *negatives(case)}
    ),
    "labels in no order": lambda case: (
        list(case.dataset.token_concept) != sorted(case.dataset.token_concept)
    ),
    "unequal pi": lambda case: max(weights(case)) > 100 * min(weights(case)),
    "nearly deterministic rows": lambda case: max(case.row) > 1 - Fraction(1, 10**6),
    "tiny probabilities": lambda case: min(case.row) < Fraction(1, 10**100),
    "M nearly 0: a/b - 1 below 1e-6": lambda case: all(abs(r - 1) < 1e-6 for r in case.ratios),
    "M of exactly 0": lambda case: 1 in case.ratios,
    "a tie at max M with unequal p": lambda case: tied_unequally(case.ratios, case.row, max),
    "a tie at min M with unequal p": lambda case: tied_unequally(case.ratios, case.row, min),
    "alpha in the thousands": lambda case: abs(case.alpha) >= 1000,
    "alpha negative": lambda case: case.alpha < 0,
}


def tied_unequally(keys: Any, p: Any, end: Any) -> bool:
    """Several tokens at one end of M, with different p, and not all of them there."""
    extreme = end(keys)
    tied = [a for key, a in zip(keys, p, strict=True) if key == extreme]
    return 1 < len(tied) < len(p) and len(set(tied)) > 1


def gaps(case: FamilyCase) -> list[float]:
    return [b - a for a, b in pairwise(sorted(set(case.log_odds)))]


FAMILY_KINDS: dict[str, Callable[[FamilyCase], bool]] = {
    "a tie at max M with unequal p": lambda case: tied_unequally(case.log_odds, case.row, max),
    "a tie at min M with unequal p": lambda case: tied_unequally(case.log_odds, case.row, min),
    "ties at both ends": lambda case: all(
        tied_unequally(case.log_odds, case.row, end) for end in (max, min)
    ),
    "a near-tie of 2^-40": lambda case: (
        bool(gaps(case)) and min(gaps(case)) <= 2.0**-39 and max(gaps(case)) > 1e-4
    ),
    "everything within 2^-37": lambda case: (
        0 < max(case.log_odds) - min(case.log_odds) <= 6 * 2.0**-39
    ),
    "M constant": lambda case: not gaps(case),
    "M far from 0": lambda case: min(case.log_odds) >= 100,
    "M over hundreds of nats": lambda case: max(case.log_odds) - min(case.log_odds) > 200,
    "V = 2": lambda case: len(case.row) == 2,
    "V = 7": lambda case: len(case.row) == 7,
    "p of 1e-200": lambda case: min(case.row) < Fraction(1, 10**190),
    "nearly deterministic": lambda case: max(case.row) > 1 - Fraction(1, 10**6),
    "alpha of 0": lambda case: case.alpha == 0,
    "alpha below 1e-9": lambda case: 0 < abs(case.alpha) < 1e-9,
    "alpha in the thousands": lambda case: abs(case.alpha) >= 1000,
}


@pytest.mark.parametrize("kind", CONCEPT_KINDS)
def test_datasets_of_this_kind_occur(kind: str, concepts: list[ConceptCase]) -> None:
    assert sum(map(CONCEPT_KINDS[kind], concepts)) >= 2


@pytest.mark.parametrize("kind", FAMILY_KINDS)
def test_families_of_this_kind_occur(kind: str, bare: list[FamilyCase]) -> None:
    assert sum(map(FAMILY_KINDS[kind], bare)) >= 2


def test_a_depends_on_the_context_under_appendix_b1_only(
    concepts: list[ConceptCase], dependent: list[ConceptCase]
) -> None:
    def values(case: ConceptCase) -> list[set[Fraction]]:
        data = case.dataset
        return [
            {data.rows[j][z] for j in data.contexts(concept)}
            for z, concept in enumerate(data.token_concept)
        ]

    assert all(len(a) <= 1 for case in concepts for a in values(case))
    assert sum(any(len(a) > 1 for a in values(case)) for case in dependent) > 6


def test_the_assumption_holds_exactly(
    concepts: list[ConceptCase], dependent: list[ConceptCase]
) -> None:
    for case in (*concepts, *dependent):
        data = case.dataset
        assert all(sum(row) == 1 for row in data.rows)
        assert sum(data.context_weights) == 1
        for z, own in enumerate(data.token_concept):
            inside = [data.rows[j][z] for j in data.contexts(own)]
            off = {row[z] for row, c in zip(data.rows, data.context_concept, strict=True)
                   if c != own}  # fmt: skip
            assert len(off) == 1
            assert all(1 > a > b > 0 for a in inside for b in off)
        assert {data.context_concept[i] for i in case.positive} == {case.target}
        assert case.target not in negatives(case)
        assert len(set(case.positive)) == len(set(case.negative)) == case.q


def test_any_rows_really_break_assumption_1() -> None:
    cases = draws(concept_cases("none"), 50)
    assert all(sum(row) == 1 and min(row) > 0 for case in cases for row in case.dataset.rows)
    separated = [
        [r > 1 for r in case.ratios] == [c == case.target for c in case.dataset.token_concept]
        for case in cases
    ]
    assert separated.count(False) > 25


def test_the_same_seed_gives_the_same_instances() -> None:
    first, again, other = (draws(concept_cases("1"), 10, seed=seed) for seed in (4, 4, 5))
    assert first == again
    assert first != other


def test_instances_are_varied(concepts: list[ConceptCase], bare: list[FamilyCase]) -> None:
    assert len({case.dataset for case in concepts}) > COUNT / 2
    assert len(set(bare)) > COUNT / 2


def test_an_instance_prints_as_the_code_that_makes_it(concepts: list[ConceptCase]) -> None:
    scope: dict[str, Any] = {"Fraction": Fraction}
    exec("from proofs_check.instances import *", scope)
    for case in concepts[:20]:
        assert eval(repr(case), scope) == case


def test_the_public_strategies_give_the_public_records() -> None:
    for data in draws(datasets(), 20):
        assert isinstance(data, ConceptDataset)
    for family in draws(families(), 20):
        assert isinstance(family, TiltedFamily)
        assert abs(np.logaddexp.reduce(family.log_p)) < 1e-14
    for alpha in draws(alphas(), 20):
        assert isinstance(alpha, float)
        assert abs(alpha) <= 1e4


def test_ufms_interpolate_with_a_gauge_shifts_and_useless_dimensions() -> None:
    extra = set()
    for data, ufm in draws(ufms(wild=False), 15):
        assert isinstance(ufm, UnconstrainedFeatures)
        logits = (ufm.W @ ufm.H).T
        table = np.log(data.probabilities)
        shifts = logits - table
        # Each context's logits are log p but for a shift, which is not always 0.
        assert np.ptp(shifts, axis=1).max() < 1e-9 * (1 + np.abs(table).max())
        extra.add(ufm.W.shape[1] - np.linalg.matrix_rank(logits))
    assert len(extra) > 1


def test_steering_sets_can_be_drawn_on_a_dataset_of_ones_own() -> None:
    data = ConceptDataset.smoothed(contexts_per_concept=2)
    seen = draws(steering_sets(data), 60)
    concept = [int(c) for c in data.context_concept]
    for target, positive, negative in seen:
        assert {concept[i] for i in positive} == {target}
        assert target not in {concept[i] for i in negative}
        assert len(positive) == len(negative) in (1, 2)
    contrastive = [len({concept[i] for i in negative}) == 1 for _, _, negative in seen]
    assert {True, False} == set(contrastive)
    assert {target for target, _, _ in seen} == {0, 1, 2}


def test_the_weighted_family_is_admissible_and_reaches_both_ends() -> None:
    cases: list[WeightedCase] = draws(weighted_cases(), 60)
    shares = {case.epsilon / case.bound for case in cases}
    assert {Fraction(1, 100), Fraction(99, 100)} <= shares
    assert any(case.own in case.negatives for case in cases)
    for case in cases[:40]:
        for c in range(case.concepts):
            tokens = [z for z, own in enumerate(case.token_concept) if own == c]
            assert sum(case.gamma[z] for z in tokens) == sum(case.omega[z] for z in tokens) == 1
            assert all(case.row(c)[z] > case.row((c + 1) % case.concepts)[z] for z in tokens)
    assert all(case.own not in case.negatives for case in draws(weighted_cases(away=True), 20))


def test_shape_cases_have_square_ratios_under_assumption_1() -> None:
    for case in draws(shape_cases(crowded=True), 20):
        assert all(sum(row) == 1 for row in case.dataset.rows)
        inside = [case.ratios[z] for z in case.tokens]
        assert all(r > 1 for r in inside)
        assert sizes(case) == [1, 2, 2]


def test_transformer_cases_span_scales() -> None:
    norms = draws(norm_cases(), 50)
    assert {case.kind for case in norms} == {"rms", "layer"}
    assert {0.0, 1.0} <= {case.eps for case in norms}
    assert not any(case.normed.inert for case in norms)
    assert all(case.normed.inert for case in draws(norm_cases(visible=False), 20))
    texts = draws(readout_cases(), 50)
    assert any(len(P) != len(N) for P, N in (case.sets for case in texts))
    assert any(set(P) & set(N) for P, N in (case.sets for case in texts))
