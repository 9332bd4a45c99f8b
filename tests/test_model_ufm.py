"""The Unconstrained Features Model: exact interpolation in every gauge, and honest steering."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steering_strength.proofs_check.strategies import datasets
from steering_strength.theory import ConceptDataset, UnconstrainedFeatures
from steering_strength.theory.errors import AlphaError, ProbabilityError, ShapeError, SteeringError

DATA = ConceptDataset.from_gaps(
    [0.1, 0.05, 0.05, 0.2],
    [0.3, 0.7, 0.4, 0.6],
    [0, 0, 1, 1],
    contexts_per_concept=[2, 3],
    context_weights=[0.1, 0.2, 0.3, 0.15, 0.25],
)


def rounding(data: ConceptDataset) -> float:
    """What W H loses: some ulps of the largest logit, which grows with |log p|, times sqrt(V m)."""
    size = data.probabilities.size
    return 2.0**-52 * 64 * (1 + float(np.abs(data.log_probabilities).max())) * size**0.5


@given(datasets("none"), st.integers(0, 2**32 - 1), st.integers(0, 4), st.booleans())
def test_interpolation_is_exact_in_every_gauge(
    data: ConceptDataset, seed: int, extra: int, free_shifts: bool
) -> None:
    smallest = UnconstrainedFeatures.interpolating(data, seed, free_shifts=free_shifts)
    ufm = UnconstrainedFeatures.interpolating(
        data, seed, smallest.dimension + extra, free_shifts=free_shifts
    )
    assert ufm.dimension == smallest.dimension + extra
    error = np.abs(ufm.log_probability() - data.log_probabilities).max()
    assert error <= rounding(data)


@pytest.mark.parametrize(
    ("data", "smallest"),
    [
        (ConceptDataset.smoothed(3, 3, 0.05), 2),  # the G rows sum to a constant row: rank G - 1
        (ConceptDataset.smoothed(5, 4, 0.05, contexts_per_concept=3), 4),
        (ConceptDataset.smoothed(2, 1, 0.3), 1),
        (DATA, 2),
        (ConceptDataset([[0.25] * 4] * 3, [0, 0, 1, 1], [0, 1, 1]), 1),  # nothing to represent
        (ConceptDataset([[0.4, 0.6], [0.5, 0.5], [0.1, 0.9]], [0, 1], [0, 1, 1]), 1),  # V - 1
        (
            ConceptDataset.from_gaps(
                [0.1, 0.1, 0.05, 0.01],
                [[0.5, 0.5, 0, 0], [0.1, 0.9, 0, 0], [0, 0, 0.3, 0.7], [0, 0, 0.6, 0.4]],
                [0, 0, 1, 1],
            ),
            3,
        ),
        # Gaps of 1e-9 are directions like any other: no tolerance swallows them.
        (ConceptDataset.from_gaps([0.2499999999] * 4, [0.3, 0.7, 0.5, 0.5], [0, 0, 1, 1]), 2),
    ],
)
def test_the_smallest_dimension_is_the_rank_and_one_less_is_refused(
    data: ConceptDataset, smallest: int
) -> None:
    ufm = UnconstrainedFeatures.interpolating(data, 0)
    assert ufm.dimension == smallest
    logits = ufm.W @ ufm.H
    centred = logits - logits.mean(axis=0)
    assert np.linalg.matrix_rank(centred, tol=1e-13) == min(
        smallest, int(np.abs(centred).max() > 1e-13) * smallest
    )
    with pytest.raises(ShapeError) as caught:
        UnconstrainedFeatures.interpolating(data, 0, smallest - 1)
    assert str(smallest - 1) in caught.value.problem


def test_gauges_and_shifts_really_vary() -> None:
    first = UnconstrainedFeatures.interpolating(DATA, 1)
    second = UnconstrainedFeatures.interpolating(DATA, 2)
    assert np.abs(first.W - second.W).max() > 0.1
    assert np.abs(first.H - second.H).max() > 0.1
    sums = [(u.W @ u.H).sum(axis=0) for u in (first, second)]
    assert np.abs(sums[0] - sums[1]).max() > 0.1  # the logits themselves are shifted
    # Contexts 0 and 1 have the same distribution: without a dimension to spare, the same logits.
    logits = first.W @ first.H
    assert np.abs(logits[:, 0] - logits[:, 1]).max() < 1e-13
    free = UnconstrainedFeatures.interpolating(DATA, 1, free_shifts=True)
    assert free.dimension == first.dimension + 1
    logits = free.W @ free.H
    difference = logits[:, 0] - logits[:, 1]
    assert np.abs(difference).min() > 0.1
    assert np.ptp(difference) < 1e-13
    again = UnconstrainedFeatures.interpolating(DATA, 1)
    np.testing.assert_array_equal(first.W, again.W)


def test_free_shifts_cost_nothing_when_every_context_is_its_own_direction() -> None:
    data = ConceptDataset.from_gaps([0.1, 0.1, 0.2], [0.25, 0.75, 1.0], [0, 0, 1])
    assert UnconstrainedFeatures.interpolating(data, 0).dimension == 2 == data.context_count
    assert UnconstrainedFeatures.interpolating(data, 0, free_shifts=True).dimension == 2


def test_far_steering_neither_overflows_nor_warns() -> None:
    ufm = UnconstrainedFeatures.interpolating(DATA, 0)
    v = ufm.steering_vector([0, 1], [2, 4])
    out = ufm.steered_log_probability(v, [-1e4, 1e4, 1e8])
    assert np.isfinite(out).all()
    np.testing.assert_allclose(np.exp(out).sum(axis=-1), 1.0, rtol=1e-14)


def test_bad_models_and_bad_steering() -> None:
    ufm = UnconstrainedFeatures.interpolating(DATA, 0)
    v = ufm.steering_vector(0, 2)
    for W, H in (
        (ufm.W[:3], ufm.H),
        (ufm.W, ufm.H[:, :4]),
        (ufm.W, ufm.H[:1]),
        (ufm.W.T, ufm.H),
    ):
        with pytest.raises(ShapeError, match=r"give W of shape \(V, d\) and H of shape \(d, m\)"):
            UnconstrainedFeatures(W, H, DATA)
    with pytest.raises(ShapeError, match="W has shape"):
        UnconstrainedFeatures([1.0], ufm.H, DATA)
    with pytest.raises(ProbabilityError, match=r"H\[0, 1\] is nan"):
        UnconstrainedFeatures([[1.0]] * 4, [[0.0, float("nan"), 0, 0, 0]], DATA)
    for vector in ([1.0], np.ones((2, 1)), [np.nan, 1.0], "ab"):
        with pytest.raises(SteeringError, match="vector"):
            ufm.steered_log_probability(vector, 1.0)  # type: ignore[arg-type]
    for alpha in (np.nan, [1.0, np.inf], "a", None):
        with pytest.raises((AlphaError, ShapeError), match="alpha"):
            ufm.steered_log_probability(v, alpha)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="alpha has shape"):
        ufm.steered_log_probability(v, [[1.0]])
    assert ufm.steered_log_probability(v, []).shape == (0, 5, 4)
    with pytest.raises(ProbabilityError, match=r"p\(token 1 \| context 0\) = 0"):
        UnconstrainedFeatures.interpolating(
            ConceptDataset([[1.0, 0.0], [0.5, 0.5]], [0, 1], [0, 1]), 0
        )
    with pytest.raises(ShapeError, match="and free shifts need one more"):
        UnconstrainedFeatures.interpolating(DATA, 0, 2, free_shifts=True)
    for dimension in (0, 2.0, True):
        with pytest.raises(ShapeError, match="dimension"):
            UnconstrainedFeatures.interpolating(DATA, 0, dimension)  # type: ignore[arg-type]
    with pytest.raises(SteeringError, match="a generator or a seed"):
        UnconstrainedFeatures.interpolating(DATA, None)  # type: ignore[arg-type]


def test_repr_says_where_the_model_comes_from() -> None:
    ufm = UnconstrainedFeatures.interpolating(DATA, 0)
    assert repr(ufm).startswith("<UnconstrainedFeatures d=2, given, of <ConceptDataset from_gaps")
