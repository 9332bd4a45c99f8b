"""Datasets: every constructor against exact fractions, and what a dataset answers."""

from __future__ import annotations

import doctest
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steering_strength.theory import ConceptDataset
from steering_strength.theory.errors import AssumptionError
from steering_strength.theory.model import dataset as dataset_module

EPS = 2.0**-52


@st.composite
def gap_parameters(draw: st.DrawFn) -> tuple[list[Fraction], list[Fraction], list[int]]:
    """(b, g, token_concept) in fractions, concepts of unequal size, from small integers."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    labels = [c for c, size in enumerate(sizes) for _ in range(size)]
    scale = draw(st.sampled_from([Fraction(1), Fraction(1, 10**6), Fraction(1, 10**200)]))
    parts = [Fraction(draw(st.integers(1, 50))) for _ in labels]
    share = Fraction(draw(st.integers(1, 99)), 100) * scale  # B
    b = [share * part / sum(parts) for part in parts]
    weights = [Fraction(draw(st.integers(1, 50))) for _ in labels]
    totals = [
        sum(w for w, c in zip(weights, labels, strict=True) if c == k) for k in range(len(sizes))
    ]
    g = [w / totals[c] for w, c in zip(weights, labels, strict=True)]
    return b, g, labels


def exact_rows(b: list[Fraction], g: list[Fraction], labels: list[int]) -> list[list[Fraction]]:
    total = sum(b, start=Fraction(0))
    return [
        [bz + (1 - total) * gz * (cz == c) for bz, gz, cz in zip(b, g, labels, strict=True)]
        for c in range(max(labels) + 1)
    ]


def floats(values: list[Fraction]) -> list[float]:
    return [float(value) for value in values]


@given(gap_parameters(), st.integers(1, 3))
def test_from_gaps_is_the_exact_table_and_satisfies_assumption_1(
    parameters: tuple[list[Fraction], list[Fraction], list[int]], per_concept: int
) -> None:
    b, g, labels = parameters
    data = ConceptDataset.from_gaps(floats(b), floats(g), labels, contexts_per_concept=per_concept)
    expected = exact_rows(b, g, labels)
    for j, row in enumerate(data.probabilities):
        exact = expected[j // per_concept]
        # 1 - B, its product with g and the sum with b round once each; B itself within an ulp.
        np.testing.assert_allclose(row, floats(exact), rtol=6 * EPS * (1 / (1 - float(sum(b)))))
        assert abs(math.fsum(row) - 1) <= 4 * EPS
    assert data.violations() == ()
    data.require_assumption_1()
    np.testing.assert_array_equal(data.off_concept, floats(b))
    np.testing.assert_array_equal(
        data.in_concept, data.probabilities[np.array(labels) * per_concept, np.arange(len(labels))]
    )
    assert (data.in_concept > data.off_concept).all()


@given(gap_parameters(), st.data())
def test_gaps_that_depend_on_the_context_satisfy_the_assumption_of_appendix_b1(
    parameters: tuple[list[Fraction], list[Fraction], list[int]], data_: st.DataObject
) -> None:
    b, _, labels = parameters
    concepts = data_.draw(st.lists(st.sampled_from(labels), min_size=1, max_size=5))
    rows = []
    for concept in concepts:
        weights = [data_.draw(st.integers(1, 9)) if c == concept else 0 for c in labels]
        rows.append([Fraction(w, sum(weights)) for w in weights])
    data = ConceptDataset.from_gaps(floats(b), [floats(row) for row in rows], labels)
    assert data.context_concept.tolist() == concepts
    total = sum(b, start=Fraction(0))
    for j, row in enumerate(rows):
        exact = [bz + (1 - total) * gz for bz, gz in zip(b, row, strict=True)]
        np.testing.assert_allclose(
            data.probabilities[j], floats(exact), rtol=6 * EPS / (1 - float(total))
        )
    assert {violation.part for violation in data.violations()} <= {"constant a"}
    data.require_assumption_1(context_dependent=True)
    if len(set(concepts)) > 1:
        np.testing.assert_array_equal(data.off_concept, floats(b))


@given(gap_parameters(), gap_parameters())
def test_weighted_holds_exactly_below_its_bound(
    inner: tuple[list[Fraction], list[Fraction], list[int]],
    outer: tuple[list[Fraction], list[Fraction], list[int]],
) -> None:
    _, gamma, labels = inner
    omega = [Fraction(1, labels.count(c)) for c in labels]
    others = max(labels)
    bound = min(others * g / (others * g + w) for g, w in zip(gamma, omega, strict=True))
    epsilon = bound * Fraction(1 + outer[2][0], 3)
    data = ConceptDataset.weighted(floats(gamma), floats(omega), labels, float(epsilon))
    a = [(1 - epsilon) * g for g in gamma]
    b = [epsilon / others * w for w in omega]
    np.testing.assert_allclose(data.in_concept, floats(a), rtol=8 * EPS)
    np.testing.assert_allclose(data.off_concept, floats(b), rtol=8 * EPS)
    with pytest.raises(AssumptionError, match="epsilon < ") as caught:
        ConceptDataset.weighted(floats(gamma), floats(omega), labels, float(bound) * (1 + 1e-9))
    assert f"epsilon < {float(bound):.6g}" in caught.value.remedy
    assert caught.value.where.startswith("token ")


def test_the_papers_example_has_the_entropy_it_states() -> None:
    data = ConceptDataset.smoothed(concepts=3, tokens_per_concept=3, epsilon=0.05)
    eps = mpmath.mpf(1) / 20
    h = -eps * mpmath.log(eps) - (1 - eps) * mpmath.log(1 - eps)
    exact = mpmath.log(3) + h + eps * mpmath.log(2)
    assert abs(data.entropy() - exact) < 1e-15
    assert f"{data.entropy():.6f}" == "1.331785"


def test_log_odds_of_a_gap_of_1e_minus_12_keep_their_digits() -> None:
    gap = 2.0**-40
    p = np.array([[0.25 * (1 + gap), 0.25, 0.25, 0.25 * (1 - gap)], [0.25] * 4])
    M = ConceptDataset(p, [0, 0, 1, 1], [0, 1]).log_odds(0, 1)
    # log(0.25 (1 + 2^-40)) - log(0.25) as a difference of doubles is off by 1e-16: four digits.
    assert M[0] == math.log1p(gap)
    assert M[1] == M[2] == 0.0
    assert M[3] == math.log1p(-gap)


@given(st.permutations(range(6)), st.integers(0, 2**32 - 1))
def test_tokens_that_tie_exactly_tie_in_floating_point(order: list[int], seed: int) -> None:
    # Token 0 sees the values of token 1 in another order of contexts: equal M in theory.
    rng = np.random.default_rng(seed)
    column = rng.uniform(0.01, 0.2, size=12)
    swapped = np.concatenate([column[:6][order], column[6:][order]])
    rest = 1.0 - column - swapped
    data = ConceptDataset(np.column_stack([column, swapped, rest]), [0, 0, 1], [0] * 6 + [1] * 6)
    M = data.log_odds(range(6), range(6, 12))
    assert M[0] == M[1]
    # A token with the same probabilities in P and in N has M = 0, without an ulp of noise.
    mirrored = np.concatenate([column[:6], column[:6][order]])
    data = ConceptDataset(np.column_stack([mirrored, 1.0 - mirrored]), [0, 1], [0] * 6 + [1] * 6)
    assert data.log_odds(range(6), range(6, 12)).tolist() == [0.0, 0.0]


def test_log_odds_of_extreme_ratios() -> None:
    tiny = 5e-324
    p = np.array([[1.0, tiny], [1e-300, 1.0]])
    M = ConceptDataset(p, [0, 1], [0, 1]).log_odds(0, 1)
    assert M[0] == pytest.approx(300 * math.log(10), rel=2 * EPS)
    assert M[1] == pytest.approx(math.log(tiny), rel=2 * EPS)
    # The other way round the quotient 1 / 5e-324 overflows.
    np.testing.assert_array_equal(ConceptDataset(p, [0, 1], [0, 1]).log_odds(1, 0), -M)


def test_zero_probabilities_are_legal_where_no_log_odds_need_them() -> None:
    p = [[0.5, 0.5, 0.0], [0.25, 0.5, 0.25], [0.1, 0.2, 0.7]]
    data = ConceptDataset(p, [0, 0, 1], [0, 0, 1])
    assert data.log_probabilities[0, 2] == -np.inf
    assert data.entropy() == pytest.approx(
        -sum(x * math.log(x) for row in p for x in row if x) / 3, rel=4 * EPS
    )
    M = data.log_odds(1, 2)
    assert data.family(0, M).log_probability(1.0)[2] == -np.inf
    assert np.isfinite(data.cross_entropy_increase(M, [-1.0, 1.0])).all()


def test_a_dataset_is_a_read_only_copy() -> None:
    p = np.array([[0.75, 0.25], [0.25, 0.75]])
    data = ConceptDataset(p, [0, 1], [0, 1])
    p[0, 0] = 7.0
    assert data.probabilities[0, 0] == 0.75
    for array in (
        data.probabilities,
        data.token_concept,
        data.context_concept,
        data.context_weights,
        data.log_odds(0, 1),
        data.in_concept,
        data.concepts[0],
        data.contexts_of(0),
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(AttributeError):
        data.description = "changed"  # type: ignore[misc]


def test_sizes_labels_and_repr() -> None:
    data = ConceptDataset.from_gaps(
        [0.1] * 5, [1.0, 0.5, 0.5, 0.25, 0.75], [0, 1, 1, 2, 2], contexts_per_concept=[1, 0, 2]
    )
    assert (data.vocabulary_size, data.context_count, data.concept_count) == (5, 3, 3)
    assert [tokens.tolist() for tokens in data.concepts] == [[0], [1, 2], [3, 4]]
    assert data.contexts_of(1).tolist() == []
    assert data.contexts_of(2).tolist() == [1, 2]
    assert repr(data) == "<ConceptDataset from_gaps(V=5, B=0.5): V=5, G=3, m=3>"
    smoothed = ConceptDataset.smoothed(2, 2, 0.1)
    assert eval(f"ConceptDataset.{smoothed.description}") == smoothed  # it prints what repeats it


def test_the_examples_in_the_documentation_run() -> None:
    results = doctest.testmod(dataset_module)
    assert results.attempted > 0
    assert results.failed == 0
