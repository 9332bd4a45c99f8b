"""P and N: what qualifies, what does not and why."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steering_strength.theory import ConceptDataset, UnconstrainedFeatures
from steering_strength.theory.errors import SteeringError, SteeringSetError

# Contexts 0 1 2 of concept 0, 3 4 of concept 1, 5 6 7 8 of concept 2.
DATA = ConceptDataset.smoothed(contexts_per_concept=[3, 2, 4])


def test_valid_sets_say_what_they_are() -> None:
    sets = DATA.steering_sets([2, 0], [3, 8])
    assert sets.positive.tolist() == [2, 0]
    assert sets.negative.tolist() == [3, 8]
    assert (sets.target, sets.size) == (0, 2)
    assert sets.negative_share.tolist() == [0.0, 0.5, 0.5]
    contrastive = DATA.steering_sets([3, 4], [8, 6])
    assert contrastive.target == 1
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
