"""P and N: what qualifies, what does not and why, and how N is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steering_strength.theory import ConceptDataset, UnconstrainedFeatures
from steering_strength.theory.errors import ShapeError, SteeringError, SteeringSetError

# Contexts 0 1 2 of concept 0, 3 4 of concept 1, 5 6 7 8 of concept 2.
DATA = ConceptDataset.smoothed(contexts_per_concept=[3, 2, 4])


def test_valid_sets_say_what_they_are() -> None:
    sets = DATA.steering_sets([2, 0], [3, 8])
    assert sets.positive.tolist() == [2, 0]
    assert sets.negative.tolist() == [3, 8]
    assert (sets.target, sets.size, sets.contrastive) == (0, 2, False)
    assert sets.negative_share.tolist() == [0.0, 0.5, 0.5]
    contrastive = DATA.steering_sets([3, 4], [8, 6])
    assert (contrastive.target, contrastive.contrastive) == (1, True)
    assert contrastive.negative_share.tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("positive", "negative"),
    [
        (0, 3),
        ([0], [3]),
        ((0, 1), (3, 4)),
        (np.array([0]), np.array([3], dtype=np.uint8)),
        (DATA.context_concept == 1, [True, False, True, *[False] * 6]),
        (range(3), range(5, 8)),
    ],
)
def test_indices_and_masks_are_understood(positive: object, negative: object) -> None:
    sets = DATA.steering_sets(positive, negative)  # type: ignore[arg-type]
    assert sets.size == len(sets.positive) == len(sets.negative)


MISTAKES = [
    ([], [3], "P is empty (q = 0)", "name at least one context"),
    ([0], [], "N is empty (q = 0)", "name at least one context"),
    ([False] * 9, [3], "P is empty (q = 0)", "name at least one context"),
    ([0, 1], [3, 1], "context 1 is in P and in N (1 shared)", "disjoint"),
    ([0, 1], [3], "|P| = 2 and |N| = 1", "shorten both to 1"),
    ([0, 3], [5, 6], "context 3 of P has concept 1", "all of P from one concept"),
    ([0], [1], "context 1 of N lies in the target concept 0", "outside the concept of P"),
    ([9], [3], "P[0] = 9 does not exist", "0..8"),
    ([0], [-1], "N[0] = -1 does not exist", "0..8"),
    ([0, 0], [3, 4], "context 0 2 times", "once"),
    ([0.0], [3], "P has shape (1,) and dtype float64", "integers"),
    (["0"], [3], "P holds <U1 entries", "real numbers"),
    ([[0], [1, 2]], [3], "P has rows of different lengths", "rectangular"),
    ([[0, 1]], [3], "of shape (1, 2)", "one list"),
    ([True, False], [3], "P is a mask of length 2 over 9 contexts", "9 booleans"),
]


@pytest.mark.parametrize(("positive", "negative", "problem", "remedy"), MISTAKES)
def test_each_mistake_has_its_sentence(
    positive: list[int], negative: list[int], problem: str, remedy: str
) -> None:
    ufm = UnconstrainedFeatures.interpolating(DATA, 0)
    for use in (DATA.steering_sets, DATA.log_odds, ufm.steering_vector):
        with pytest.raises(SteeringError) as caught:
            use(positive, negative)
        assert problem in caught.value.problem
        assert remedy in caught.value.remedy
        assert "\n" not in str(caught.value)


@given(
    st.lists(st.integers(0, 8), max_size=4),
    st.lists(st.integers(0, 8), max_size=4),
)
def test_sets_are_accepted_exactly_when_definition_3_2_holds(p: list[int], n: list[int]) -> None:
    concepts = DATA.context_concept
    legal = (
        0 < len(p) == len(n)
        and len({*p, *n}) == len(p) + len(n)
        and len({concepts[j] for j in p}) == 1
        and not {concepts[j] for j in p} & {concepts[j] for j in n}
    )
    if legal:
        assert DATA.steering_sets(p, n).target == concepts[p[0]]
    else:
        with pytest.raises(SteeringSetError):
            DATA.steering_sets(p, n)


@given(st.integers(0, 2), st.integers(1, 4), st.integers(0, 10**6))
def test_random_negatives(target: int, size: int, seed: int) -> None:
    n = DATA.random_negatives(target, size, seed)
    assert len(set(n.tolist())) == size
    assert (DATA.context_concept[n] != target).all()
    np.testing.assert_array_equal(n, DATA.random_negatives(target, size, seed))
    np.testing.assert_array_equal(
        n, DATA.random_negatives(target, size, np.random.default_rng(seed))
    )


@given(st.integers(0, 2), st.integers(1, 2), st.integers(0, 10**6))
def test_contrastive_negatives(target: int, size: int, seed: int) -> None:
    n = DATA.contrastive_negatives(target, size, seed)
    sets = DATA.steering_sets(DATA.contexts_of(target)[:size], n)
    assert sets.contrastive
    other = (target + 1) % 3
    chosen = DATA.contrastive_negatives(target, size, seed, concept=other)
    assert (DATA.context_concept[chosen] == other).all()


def test_every_eligible_context_and_concept_is_drawn() -> None:
    random = {int(j) for seed in range(60) for j in DATA.random_negatives(0, 2, seed)}
    assert random == {3, 4, 5, 6, 7, 8}
    contrastive = {
        int(DATA.context_concept[DATA.contrastive_negatives(0, 2, seed)[0]]) for seed in range(60)
    }
    assert contrastive == {1, 2}
    large = {int(DATA.context_concept[DATA.contrastive_negatives(0, 3, s)[0]]) for s in range(20)}
    assert large == {2}  # concept 1 has only two contexts


def test_draws_that_cannot_be_made() -> None:
    with pytest.raises(SteeringSetError, match="7 negative contexts were asked for, but 6 lie"):
        DATA.random_negatives(0, 7, 0)
    assert len(DATA.random_negatives(0, 6, 0)) == 6
    with pytest.raises(SteeringSetError, match="5 negative contexts were asked for, but 4 lie"):
        DATA.contrastive_negatives(0, 5, 0)
    with pytest.raises(SteeringSetError, match="ask for at most 2"):
        DATA.contrastive_negatives(0, 3, 0, concept=1)
    with pytest.raises(SteeringSetError, match="concept 0 is the target"):
        DATA.contrastive_negatives(0, 1, 0, concept=0)
    for target in (3, -1):
        with pytest.raises(ShapeError, match=r"concept = (3|-1) is .*; give an integer"):
            DATA.random_negatives(target, 1, 0)
    with pytest.raises(ShapeError, match="concept = 3 is above 2; give an integer, from 0 to 2"):
        DATA.contrastive_negatives(0, 1, 0, concept=3)
    with pytest.raises(ShapeError, match="size = 0 is below 1"):
        DATA.random_negatives(0, 0, 0)
    for seed in (None, -1, 0.5, True):
        with pytest.raises(ValueError, match="a generator or a seed"):
            DATA.random_negatives(0, 1, seed)  # type: ignore[arg-type]
