"""Counting observed pairs (context, next token), Def. 2.1."""

from __future__ import annotations

import math

import numpy as np
import pytest

from steering_strength.theory import ConceptDataset
from steering_strength.theory.errors import AssumptionError, ProbabilityError, ShapeError

WORDS = {"joy": "happy", "glad": "happy", "table": "plain", "chair": "plain"}
TOKENS = [0, 1, 2, 3]


def test_words_are_counted_by_hand() -> None:
    contexts = [("joy", "glad"), ["table"], ("joy", "glad"), "chair", ("joy", "glad"), ("table",)]
    following = ["joy", "table", "glad", "chair", "joy", "joy"]
    data = ConceptDataset.from_counts(contexts, following, WORDS)
    assert data.context_names == ("joy glad", "table", "chair")
    assert data.token_names == ("joy", "glad", "table", "chair")
    assert data.concept_names == ("happy", "plain")
    assert data.token_concept.tolist() == [0, 0, 1, 1]
    assert data.context_concept.tolist() == [0, 1, 1]
    np.testing.assert_array_equal(
        data.probabilities, [[2 / 3, 1 / 3, 0, 0], [0.5, 0, 0.5, 0], [0, 0, 0, 1]]
    )
    np.testing.assert_array_equal(data.context_weights, [3 / 6, 2 / 6, 1 / 6])
    assert data.description == "from_counts(n=6, pseudo_count=0.0)"


def test_integer_tokens_and_labelled_contexts() -> None:
    bigrams = ConceptDataset.from_counts([0, 0, 2], [1, 2, 3], [0, 0, 1, 1])
    assert bigrams.context_concept.tolist() == [0, 1]
    assert bigrams.token_names == ()
    arrays = ConceptDataset.from_counts(
        np.array([[0], [0], [2]]), np.array([1, 2, 3]), [0, 0, 1, 1]
    )
    np.testing.assert_array_equal(arrays.probabilities, bigrams.probabilities)
    assert arrays.context_names == bigrams.context_names == ("0", "2")
    prompts = ConceptDataset.from_counts(
        ["prompt A", "prompt B", "prompt A"],
        ["joy", "table", "glad"],
        WORDS,
        context_concept={"prompt A": "happy", "prompt B": "plain"},
    )
    assert prompts.context_names == ("prompt A", "prompt B")
    assert prompts.context_concept.tolist() == [0, 1]


def counted(table: list[list[int]], labels: list[int], concepts: list[int]) -> ConceptDataset:
    pairs = [(j, z) for j, row in enumerate(table) for z, k in enumerate(row) for _ in range(k)]
    return ConceptDataset.from_counts(
        [j for j, _ in pairs],
        [z for _, z in pairs],
        labels,
        context_concept=dict(enumerate(concepts)),
    )


def test_counts_that_satisfy_assumption_1_exactly() -> None:
    # 1/3 and 2/6 are the same double, so exact equality is not asking too much of counts.
    table = [[4, 1, 1, 2], [8, 2, 2, 4], [3, 2, 2, 1]]
    data = counted(table, [0, 1, 1, 0], [0, 0, 1])
    assert data.violations() == ()
    assert data.in_concept.tolist() == [0.5, 0.25, 0.25, 0.25]
    table[2] = [3, 2, 1, 2]
    data = counted(table, [0, 1, 1, 0], [0, 0, 1])
    assert [(v.part, v.token) for v in data.violations()] == [("a above b", 2), ("a above b", 3)]


def test_a_context_of_two_concepts_is_refused_with_its_name() -> None:
    with pytest.raises(AssumptionError) as caught:
        ConceptDataset.from_counts([["joy"], ["glad", "chair"]], ["joy", "joy"], WORDS)
    assert caught.value.where == "context 'glad chair' (pair 1)"
    assert "'glad' has concept 'happy'" in caught.value.problem
    assert "'chair' has concept 'plain'" in caught.value.problem
    ConceptDataset.from_counts([["joy"], ["glad", "joy"]], ["joy", "joy"], WORDS)


def test_a_zero_count_in_p_or_n_names_the_remedy() -> None:
    contexts, following = ["joy", "joy", "table"], ["joy", "table", "table"]
    data = ConceptDataset.from_counts(contexts, following, WORDS)
    with pytest.raises(ProbabilityError, match=r"p\(token 1 \| context 0\) = 0 in P") as caught:
        data.log_odds(0, 1)
    assert "pseudo_count" in caught.value.remedy
    smoothed = ConceptDataset.from_counts(contexts, following, WORDS, pseudo_count=0.5)
    assert np.isfinite(smoothed.log_odds(0, 1)).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([], [], WORDS), ShapeError, "0 contexts and 0 next tokens"),
        ((["joy"], ["joy", "glad"], WORDS), ShapeError, "1 contexts and 2 next tokens"),
        ((["joy"], ["sofa"], WORDS), ShapeError, "next token of pair 0 is 'sofa'"),
        (
            (["joy", ["sofa"]], ["joy"] * 2, WORDS),
            ShapeError,
            "a token in the context of pair 1 is 'sofa'",
        ),
        ((["happy joy"], ["joy"], WORDS), ShapeError, "context of pair 0 is 'happy joy'"),
        (([["joy", "glad"], []], ["joy"] * 2, WORDS), ShapeError, "context of pair 1 is empty"),
        (([[{}]], ["joy"], WORDS), ShapeError, "a token in the context of pair 0 is {}"),
        ((["joy"], ["joy"], {}), ShapeError, "token_concept is empty"),
        ((["joy"], ["joy"], {"joy": "happy"}), ShapeError, "G = 1 concept"),
        (([7], [0], [0, 1]), ShapeError, "context of pair 0 is 7"),
        (([-1], [0], [0, 1]), ShapeError, "context of pair 0 is -1"),
        (([0], [2], [0, 1]), ShapeError, "next token of pair 0 is 2"),
    ],
)
def test_pairs_that_cannot_be_counted(
    arguments: tuple[list[object], list[object], object], error: type[ValueError], message: str
) -> None:
    with pytest.raises(error) as caught:
        ConceptDataset.from_counts(*arguments)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"A": "happy"}, "context_concept['B'] is None (pair 1)"),
        ({"A": "happy", "B": "sad"}, "context_concept['B'] is 'sad' (pair 1)"),
    ],
)
def test_labels_without_a_concept(mapping: dict[str, str], message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        ConceptDataset.from_counts(["A", "B"], ["joy"] * 2, WORDS, context_concept=mapping)
    assert message in str(caught.value)


def test_a_list_is_no_label() -> None:
    with pytest.raises(ShapeError, match="cannot be a label"):
        ConceptDataset.from_counts([["A"]], ["joy"], WORDS, context_concept={"A": "happy"})


@pytest.mark.parametrize("pseudo", [-0.5, math.inf, math.nan])
def test_a_pseudo_count_is_a_number_of_at_least_0(pseudo: float) -> None:
    with pytest.raises(ProbabilityError, match=f"pseudo_count is {pseudo}"):
        ConceptDataset.from_counts(
            ["A"], [0], [0, 1], context_concept={"A": 0}, pseudo_count=pseudo
        )
