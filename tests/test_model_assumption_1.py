"""Violations of Assumption 1: each part seen to hold and to fail, and named where it fails."""

from __future__ import annotations

import numpy as np
import pytest

from steering_strength.theory import ConceptDataset
from steering_strength.theory.errors import AssumptionError, ShapeError

LABELS = [0, 0, 1, 1]
# Two contexts of each concept; a = .4 .3 .4 .3, b = .1 .2 .2 .1: every part holds.
GOOD = [[0.4, 0.3, 0.2, 0.1], [0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.4, 0.3], [0.1, 0.2, 0.4, 0.3]]


def table(*changes: tuple[int, list[float]]) -> ConceptDataset:
    rows = [list(row) for row in GOOD]
    for j, row in changes:
        rows[j] = row
    return ConceptDataset(rows, LABELS, [0, 0, 1, 1])


def test_the_unchanged_table_satisfies_every_part() -> None:
    data = table()
    assert data.violations() == ()
    data.require_assumption_1()
    assert data.in_concept.tolist() == [0.4, 0.3, 0.4, 0.3]
    assert data.off_concept.tolist() == [0.1, 0.2, 0.2, 0.1]


@pytest.mark.parametrize(
    ("row", "part", "token", "contexts", "values"),
    [
        ([0.4, 0.3, 0.3, 0.0], "positive", 3, (1,), (0.0,)),
        ([0.35, 0.35, 0.2, 0.1], "constant a", 0, (1, 0), (0.35, 0.4)),
        ([0.35, 0.35, 0.2, 0.1], "constant a", 1, (0, 1), (0.3, 0.35)),
        ([0.4, 0.3, 0.1, 0.2], "constant b", 2, (1, 0), (0.1, 0.2)),
        ([0.4, 0.3, 0.1, 0.2], "constant b", 3, (0, 1), (0.1, 0.2)),
        ([0.6, 0.1, 0.2, 0.1], "a above b", 1, (1, 2), (0.1, 0.2)),
        ([0.5, 0.2, 0.2, 0.1], "a above b", 1, (1, 2), (0.2, 0.2)),
    ],
)
def test_a_violation_is_named_with_its_place(
    row: list[float],
    part: str,
    token: int,
    contexts: tuple[int, ...],
    values: tuple[float, ...],
) -> None:
    data = table((1, row))
    found = [v for v in data.violations() if (v.part, v.token) == (part, token)]
    assert len(found) == 1
    violation = found[0]
    assert violation.contexts == contexts
    assert violation.values == values
    assert f"token {token}" in violation.sentence
    for j, value in zip(contexts, values, strict=True):
        assert f"context {j}" in violation.sentence
        assert repr(value) in violation.sentence
        assert str(j) in violation.where
    with pytest.raises(AssumptionError) as caught:
        data.require_assumption_1()
    first = data.violations()[0]
    assert (caught.value.assumption, caught.value.where) == ("Assumption 1", first.where)
    assert first.sentence in caught.value.problem
    assert caught.value.remedy


def test_appendix_b1_lets_a_vary_but_not_b() -> None:
    a_varies = table((1, [0.35, 0.35, 0.2, 0.1]))
    a_varies.require_assumption_1(context_dependent=True)
    assert a_varies.off_concept.tolist() == [0.1, 0.2, 0.2, 0.1]
    with pytest.raises(AssumptionError, match="a_z depends on the context"):
        _ = a_varies.in_concept
    b_varies = table((1, [0.4, 0.3, 0.1, 0.2]))
    with pytest.raises(AssumptionError, match="b_z depends on the context"):
        b_varies.require_assumption_1(context_dependent=True)
    with pytest.raises(AssumptionError):
        _ = b_varies.off_concept


def test_one_ulp_is_a_violation() -> None:
    # sign-separation says M = 0 where N has no context of the concept; an ulp would give a sign.
    data = table((1, [np.nextafter(0.4, 1.0), 0.3, 0.2, 0.1]))
    assert [v.part for v in data.violations()] == ["constant a"]


def test_rates_that_no_context_shows() -> None:
    only_one = ConceptDataset(GOOD[:1], LABELS, [0])
    assert only_one.violations() == ()
    with pytest.raises(ShapeError, match="a_z of token 2 is not determined") as caught:
        _ = only_one.in_concept
    assert "add such a context" in caught.value.remedy
    with pytest.raises(ShapeError, match="b_z of token 0 is not determined"):
        _ = only_one.off_concept
    both = ConceptDataset([GOOD[0], GOOD[2]], LABELS, [0, 1])
    assert both.in_concept.tolist() == [0.4, 0.3, 0.4, 0.3]
