"""Bad input to the constructors of datasets: each mistake refused, its neighbour accepted."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from steering_strength.theory import ConceptDataset
from steering_strength.theory.errors import (
    AssumptionError,
    ProbabilityError,
    ShapeError,
    SteeringError,
)
from steering_strength.theory.model.inputs import ROW_SUM_TOLERANCE

NAN, INF = float("nan"), float("inf")
P = [[0.75, 0.25], [0.25, 0.75]]
C = [0, 1]


def given(**changes: Any) -> ConceptDataset:
    legal: dict[str, Any] = {"probabilities": P, "token_concept": C, "context_concept": C}
    return ConceptDataset(**(legal | changes))


def gaps(**changes: Any) -> ConceptDataset:
    legal: dict[str, Any] = {
        "off_concept": [0.1, 0.1, 0.2],
        "gap_weights": [0.25, 0.75, 1.0],
        "token_concept": [0, 0, 1],
    }
    return ConceptDataset.from_gaps(**(legal | changes))


def weighted(**changes: Any) -> ConceptDataset:
    legal: dict[str, Any] = {
        "gamma": [0.25, 0.75, 1.0],
        "omega": [0.5, 0.5, 1.0],
        "token_concept": [0, 0, 1],
        "epsilon": 0.3,
    }
    return ConceptDataset.weighted(**(legal | changes))


def smoothed(**changes: Any) -> ConceptDataset:
    return ConceptDataset.smoothed(**changes)


ROWS = [[0.25, 0.75, 0.0], [0.0, 0.0, 1.0]]
CASES: list[tuple[Callable[..., ConceptDataset], dict[str, Any], type[SteeringError], str]] = [
    # rows
    (given, {"probabilities": [[0.75, 0.26], P[1]]}, ProbabilityError, "probabilities[0] sums to"),
    (given, {"probabilities": [P[0], [0.25, 0.74]]}, ProbabilityError, "0.01 from 1"),
    (
        given,
        {"probabilities": np.float32([[0.1, 0.9], [0.3, 0.7]])},
        ProbabilityError,
        "divide each row by its sum in float64",
    ),
    (
        given,
        {"probabilities": [[1.25, -0.25], P[1]]},
        ProbabilityError,
        "probabilities[0, 1] = -0.25, but must be 0 or more",
    ),
    (given, {"probabilities": [P[0], [NAN, 1]]}, ProbabilityError, "probabilities[1, 0] is nan"),
    (given, {"probabilities": [P[0], [INF, 1]]}, ProbabilityError, "probabilities[1, 0] is inf"),
    (
        given,
        {"probabilities": [0.5, 0.5]},
        ShapeError,
        "has shape (2,); give probabilities with 2 non-empty axes",
    ),
    (given, {"probabilities": [[], []]}, ShapeError, "has shape (2, 0)"),
    (given, {"probabilities": [[0.5, 0.5], [1.0]]}, ShapeError, "rows of different lengths"),
    (given, {"probabilities": [["a", "b"]]}, ShapeError, "holds <U1 entries; give real numbers"),
    (given, {"probabilities": [[0.5 + 0j, 0.5]]}, ShapeError, "complex"),
    # labels
    (given, {"token_concept": [0, 0]}, ShapeError, "G = 1 concept"),
    (given, {"token_concept": [0, 2]}, ShapeError, "no token has concept 1"),
    (given, {"token_concept": [0, -1]}, ShapeError, "token_concept[1] = -1"),
    (given, {"token_concept": [0.0, 1.0]}, ShapeError, "give integers"),
    (given, {"token_concept": [False, True]}, ShapeError, "give integers"),
    (given, {"token_concept": [[0, 1]]}, ShapeError, "token_concept has shape (1, 2)"),
    (given, {"token_concept": []}, ShapeError, "token_concept has shape (0,)"),
    (given, {"token_concept": [0, 1, 1]}, ShapeError, "token_concept has shape (3,)"),
    (given, {"context_concept": [0, 2]}, ShapeError, "context_concept[1] = 2"),
    (given, {"context_concept": [0]}, ShapeError, "context_concept has shape (1,)"),
    # weights
    (given, {"context_weights": [0.5, 0.6]}, ProbabilityError, "context_weights sum to 1.1"),
    (given, {"context_weights": [1.0, 0.0]}, ProbabilityError, "their smallest is 0;"),
    (given, {"context_weights": [1.0]}, ShapeError, "context_weights has shape (1,)"),
    (given, {"context_weights": [NAN, 1.0]}, ProbabilityError, "context_weights[0] is nan"),
    (given, {"token_names": ["a"]}, ShapeError, "token_names has 1 entries for 2"),
    # smoothed
    (smoothed, {"concepts": 1}, ShapeError, "G = 1 concept"),
    (smoothed, {"concepts": 2.0}, ShapeError, "concepts = 2.0 is not an integer"),
    (smoothed, {"concepts": True}, ShapeError, "concepts = True is not an integer"),
    (smoothed, {"tokens_per_concept": 0}, ShapeError, "tokens_per_concept = 0 is below 1"),
    (smoothed, {"epsilon": 0.0}, AssumptionError, "epsilon = 0.0 with G = 3"),
    (smoothed, {"epsilon": Fraction(2, 3)}, AssumptionError, "epsilon < (G-1)/G = 0.666667"),
    (smoothed, {"epsilon": -0.1}, AssumptionError, "b_z <= 0 or a_z <= b_z"),
    (smoothed, {"epsilon": NAN}, ProbabilityError, "epsilon is nan"),
    (smoothed, {"epsilon": INF}, ProbabilityError, "epsilon is inf"),
    (smoothed, {"epsilon": 5e-324}, AssumptionError, "b = 0.0, but a > b > 0 is needed"),
    (smoothed, {"contexts_per_concept": 0}, ShapeError, "contexts_per_concept = 0 is below 1"),
    (smoothed, {"contexts_per_concept": [1, 1]}, ShapeError, "[1, 1] for 3 concepts"),
    (smoothed, {"contexts_per_concept": [0, 0, 0]}, ShapeError, "not all 0"),
    (smoothed, {"contexts_per_concept": [1, -1, 1]}, ShapeError, "contexts_per_concept[1] = -1"),
    # weighted
    (weighted, {"epsilon": 0.34}, AssumptionError, "epsilon < 0.333333, the bound set by token 0"),
    (weighted, {"epsilon": 1.5}, AssumptionError, "epsilon = 1.5 is not in (0, 1)"),
    (weighted, {"epsilon": 0.0}, AssumptionError, "epsilon = 0.0 is not in (0, 1)"),
    (weighted, {"gamma": [0.25, 0.7, 1.0]}, ProbabilityError, "gamma in concept 0 sums to 0.95"),
    (weighted, {"omega": [0.5, 0.5, 0.9]}, ProbabilityError, "omega in concept 1 sums to 0.9"),
    (weighted, {"omega": [0.5, 0.5]}, ShapeError, "omega has shape (2,)"),
    (weighted, {"omega": [0.0, 1.0, 1.0]}, AssumptionError, "token 0: omega = 0.0 is not positive"),
    (weighted, {"gamma": [0.0, 1.0, 1.0]}, AssumptionError, "token 0: gamma = 0.0 is not positive"),
    (
        weighted,
        {"gamma": [-0.5, 1.5, 1.0]},
        AssumptionError,
        "token 0: gamma = -0.5 is not positive",
    ),
    (weighted, {"token_concept": [0, 0, 0]}, ShapeError, "G = 1 concept"),
    # gaps
    (gaps, {"off_concept": [0.3, 0.3, 0.4]}, ProbabilityError, "B = 1.0, which leaves no mass"),
    (gaps, {"off_concept": [0.0, 0.1, 0.2]}, AssumptionError, "token 0: b = 0.0 is not positive"),
    (gaps, {"off_concept": [0.1, -0.1, 0.2]}, AssumptionError, "token 1: b = -0.1"),
    (gaps, {"off_concept": [0.1, 0.2]}, ShapeError, "off_concept has shape (2,)"),
    (gaps, {"gap_weights": [0.25, 0.7, 1.0]}, ProbabilityError, "gap_weights in concept 0 sums to"),
    (gaps, {"gap_weights": [0.0, 1.0, 1.0]}, AssumptionError, "token 0: gap weight 0.0"),
    (gaps, {"gap_weights": [-1.0, 2.0, 1.0]}, AssumptionError, "token 0: gap weight -1.0"),
    (gaps, {"gap_weights": [1e-20, 1.0, 1.0]}, AssumptionError, "a = 0.1 and b = 0.1"),
    (gaps, {"gap_weights": [ROWS[0], [0.0, 0.1, 0.9]]}, AssumptionError, "token 1, context 1"),
    (gaps, {"gap_weights": [[0.0, 1.0, 0.0], ROWS[1]]}, AssumptionError, "token 0, context 0"),
    (gaps, {"gap_weights": [[-0.5, 1.5, 0], ROWS[1]]}, AssumptionError, "gap weight -0.5"),
    (gaps, {"gap_weights": [[0.25, 0.7, 0], ROWS[1]]}, ProbabilityError, "gap_weights[0] sums to"),
    (gaps, {"gap_weights": [[1.0], [0.5, 0.5]]}, ShapeError, "rows of different lengths"),
    (gaps, {"gap_weights": [[1.0], [1.0]]}, ShapeError, "gap_weights[0] has shape (1,)"),
    (
        gaps,
        {"gap_weights": ROWS, "contexts_per_concept": 2},
        ShapeError,
        "leave out contexts_per_concept",
    ),
]


@pytest.mark.parametrize(
    ("build", "change", "error", "message"),
    CASES,
    ids=[f"{case[0].__name__}-{i}" for i, case in enumerate(CASES)],
)
def test_each_mistake_is_refused_in_one_line(
    build: Callable[..., ConceptDataset],
    change: dict[str, Any],
    error: type[SteeringError],
    message: str,
) -> None:
    with pytest.raises(error) as caught:
        build(**change)
    text = str(caught.value)
    assert message in text
    assert "\n" not in text
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("build", "change"),
    [
        (given, {}),
        (given, {"probabilities": [[1.0, 0.0], P[1]]}),  # zeros are legal
        (given, {"probabilities": [[0.75, 0.25 + 0.9 * ROW_SUM_TOLERANCE], P[1]]}),
        (given, {"context_weights": [1.0 - 1e-300, 1e-300]}),
        (given, {"context_concept": [1, 1]}),  # not every concept needs a context
        (given, {"token_names": "ab"}),
        (smoothed, {"concepts": 2, "tokens_per_concept": 1}),
        (smoothed, {"epsilon": 0.66}),
        (smoothed, {"epsilon": 1e-300}),
        (weighted, {}),
        (weighted, {"epsilon": 0.333}),
        (gaps, {}),
        (gaps, {"off_concept": [1e-200, 0.3, 0.69]}),
        (gaps, {"gap_weights": [1e-15, 1.0 - 1e-15, 1.0]}),
        (gaps, {"gap_weights": ROWS}),
    ],
)
def test_the_neighbour_of_each_mistake_is_accepted(
    build: Callable[..., ConceptDataset], change: dict[str, Any]
) -> None:
    assert build(**change).vocabulary_size >= 2


def test_a_sum_just_outside_the_tolerance_is_refused() -> None:
    with pytest.raises(ProbabilityError):
        given(probabilities=[[0.75, 0.25 + 1.1 * ROW_SUM_TOLERANCE], P[1]])


def test_a_row_the_dataset_accepts_is_one_the_family_accepts() -> None:
    for sign in (-1, 1):
        slack = sign * ROW_SUM_TOLERANCE * (1 - 2.0**-9)
        data = given(probabilities=[[0.75, 0.25 + slack], P[1]])
        assert np.isfinite(data.family(0, data.log_odds(0, 1)).log_probability(1.0)).all()


def test_questions_about_what_does_not_exist() -> None:
    data = given()
    M = data.log_odds(0, 1)
    for context in (2, -1, 0.0, True, "0"):
        with pytest.raises(ShapeError, match="from 0 to 1"):
            data.family(context, M)  # type: ignore[arg-type]
    assert data.family(1, M).size == 2
    for concept in (2, -1):
        with pytest.raises(ShapeError, match="from 0 to 1"):
            data.contexts_of(concept)
    for wrong in ([1.0], [[1.0, 2.0]], "ab", [NAN, 0.0], [1j, 2j]):
        with pytest.raises(SteeringError, match="log_odds"):
            data.family(0, wrong)  # type: ignore[arg-type]
        with pytest.raises(SteeringError, match="log_odds"):
            data.cross_entropy_increase(wrong, 1.0)  # type: ignore[arg-type]
    for alpha in (NAN, [0.0, INF]):
        with pytest.raises(SteeringError, match="alpha"):
            data.cross_entropy_increase(M, alpha)
