"""A trained model, and how far from the laws its remaining loss lets it be."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steering_strength.proofs_check.strategies import datasets, steering_sets
from steering_strength.theory import ConceptDataset, UnconstrainedFeatures
from steering_strength.theory.errors import (
    ConvergenceError,
    ProbabilityError,
    ShapeError,
    SteeringError,
)
from steering_strength.theory.model.guarantee import law_error_interval, log_ratio_bounds
from steering_strength.theory.model.table import log_softmax

PAPER = ConceptDataset.smoothed(concepts=3, tokens_per_concept=3, epsilon=0.05)
ALPHA = np.array([-20.0, -3.0, -0.5, 0.0, 0.01, 1.0, 4.0, 30.0])


def law(data: ConceptDataset, P: list[int], N: list[int], alpha: np.ndarray) -> np.ndarray:
    M = data.log_odds(P, N)
    return np.stack(
        [data.family(j, M).log_probability(alpha) for j in range(data.context_count)], axis=1
    )


@pytest.mark.parametrize("seed", range(2))
def test_the_papers_example_reaches_its_entropy(seed: int) -> None:
    ufm = UnconstrainedFeatures.trained(PAPER, seed)
    assert ufm.history is not None
    assert 0 < ufm.loss() - 1.3317848910419796 < 1e-4
    assert ufm.loss() - PAPER.entropy() <= 1.01e-6
    assert ufm.history[-1] == pytest.approx(ufm.loss(), rel=1e-14)
    assert ufm.history[0] > 2.0  # about log 9 at the random start: something was learnt
    assert (np.diff(ufm.history) <= 0).all()
    assert ufm.history.size < 1000


def test_a_run_is_repeated_by_its_seed() -> None:
    first, second = (UnconstrainedFeatures.trained(PAPER, 7, 4, tolerance=1e-5) for _ in range(2))
    assert first.history is not None
    np.testing.assert_array_equal(first.W, second.W)
    np.testing.assert_array_equal(first.H, second.H)
    assert f"trained in {first.history.size - 1} steps" in repr(first)
    assert np.abs(first.W - UnconstrainedFeatures.trained(PAPER, 8, 4).W).max() > 0.01


def test_other_datasets_train_too() -> None:
    unequal = ConceptDataset.from_gaps(
        [0.05, 0.02, 0.03, 0.001, 0.1, 0.1],
        [0.3, 0.7, 1.0, 0.2, 0.5, 0.3],
        [0, 0, 1, 2, 2, 2],
        contexts_per_concept=[4, 1, 3],
        context_weights=[0.3, 0.1, 0.001, 0.099, 0.2, 0.1, 0.1, 0.1],
    )
    zeros = ConceptDataset([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]], [0, 0, 1], [0, 1])
    wide = ConceptDataset.smoothed(10, 20, 0.1, contexts_per_concept=2)
    for data in (unequal, zeros, wide):
        ufm = UnconstrainedFeatures.trained(data, tolerance=1e-5)
        assert 0 <= ufm.loss() - data.entropy() <= 1.01e-5


def test_training_that_cannot_succeed_says_how_far_it_got() -> None:
    data = ConceptDataset.smoothed(concepts=4, tokens_per_concept=5, epsilon=0.01)
    with pytest.raises(ConvergenceError) as caught:
        UnconstrainedFeatures.trained(data, dimension=2, max_steps=300)  # rank 3 is needed
    text = str(caught.value)
    assert "after 300 steps the loss is 1.6" in text
    assert "above the entropy 1.6764256 (allowed: 1e-06)" in text
    assert "raise max_steps or dimension" in text
    UnconstrainedFeatures.trained(data, dimension=3)
    with pytest.raises(ConvergenceError, match="after 3 steps"):
        UnconstrainedFeatures.trained(PAPER, max_steps=3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tolerance": 0.0}, "tolerance is 0.0"),
        ({"tolerance": float("nan")}, "tolerance is nan"),
        ({"max_steps": 0}, "max_steps = 0 is below 1"),
        ({"seed": -1}, "seed = -1 is below 0"),
        ({"seed": None}, "seed = None is not an integer"),
        ({"dimension": 0}, "dimension = 0 is below 1"),
        ({"dimension": 2.5}, "dimension = 2.5 is not an integer"),
    ],
)
def test_training_options_out_of_range(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(SteeringError) as caught:
        UnconstrainedFeatures.trained(PAPER, **arguments)  # type: ignore[arg-type]
    assert message in str(caught.value)


# How far a trained model may be from the laws ---------------------------------------------------


def test_the_bound_holds_for_the_trained_model_and_means_something() -> None:
    for data, P, N in (
        (PAPER, [0], [1]),
        (PAPER, [2], [0]),
        (ConceptDataset.smoothed(4, 5, 0.02, 3), [0, 1], [3, 10]),
    ):
        ufm = UnconstrainedFeatures.trained(data)
        simulated = ufm.steered_log_probability(ufm.steering_vector(P, N), ALPHA)
        predicted = law(data, P, N, ALPHA)
        error = np.abs(simulated - predicted)
        bound = ufm.law_error_bound(P, N, ALPHA)
        excess = float(data.context_weights @ ufm.context_excess())
        from_loss = ufm.law_error_bound(P, N, ALPHA, excess=excess)
        assert (error <= bound + 1e-12).all()  # 1e-12: rounding of logits up to |alpha M| = 100
        assert (bound <= from_loss + 1e-12).all()
        # Not vacuous: at most 60 times the error, and a small part of what steering does.
        assert error.max(axis=(1, 2)).min() > 1e-3
        assert (bound.max(axis=(1, 2)) <= 60 * error.max(axis=(1, 2))).all()
        effect = np.abs(predicted - data.log_probabilities).max(axis=(1, 2))
        steered = np.abs(ALPHA) >= 0.5
        assert (bound.max(axis=(1, 2)) < 0.15 * effect)[steered].all()


def test_the_bound_shrinks_with_the_excess() -> None:
    tolerances = (1e-3, 1e-5, 1e-7, 1e-9)
    bounds = []
    for tolerance in tolerances:
        ufm = UnconstrainedFeatures.trained(PAPER, tolerance=tolerance)
        error = np.abs(
            ufm.steered_log_probability(ufm.steering_vector(0, 1), ALPHA)
            - law(PAPER, [0], [1], ALPHA)
        )
        bound = ufm.law_error_bound(0, 1, ALPHA, excess=tolerance)
        assert (error <= bound + 1e-12).all()
        bounds.append(float(bound[5].max()))
    # KL is quadratic in the error of the logarithm: two decades of loss are one of the bound.
    ratios = np.array(bounds[1:]) / bounds[:-1]
    assert (ratios < 0.2).all()
    assert ratios[-1] == pytest.approx(0.1, rel=0.02)


@given(st.data(), st.integers(0, 2**32 - 1), st.sampled_from([1e-8, 1e-3, 0.3, 3.0]))
def test_the_bound_holds_for_any_model_whatsoever(
    draw: st.DataObject, seed: int, noise: float
) -> None:
    data = draw.draw(datasets("none"))
    _, P, N = draw.draw(steering_sets(data))
    rng = np.random.default_rng(seed)
    exact = UnconstrainedFeatures.interpolating(data, rng)
    ufm = UnconstrainedFeatures(
        exact.W + noise * rng.normal(size=exact.W.shape),
        exact.H + noise * rng.normal(size=exact.H.shape),
        data,
    )
    alpha = np.array([-6.0, -0.1, 0.0, 2.0])
    simulated = ufm.steered_log_probability(ufm.steering_vector(P, N), alpha)
    error = np.abs(simulated - law(data, P, N, alpha))
    excess = float(data.context_weights @ ufm.context_excess())
    # Logits of size 500 (p = 1e-200), times |alpha| = 6, round at 1e-12.
    slack = 1e-11 * (1 + np.abs(data.log_probabilities).max() / 30)
    assert (error <= ufm.law_error_bound(P, N, alpha) + slack).all()
    # excess / pi_j over-counts by rounding only: the others' divergences are >= 0.
    assert (error <= ufm.law_error_bound(P, N, alpha, excess=excess * (1 + 1e-12)) + slack).all()


@given(st.floats(1e-300, 0.999), st.floats(1e-14, 10.0))
def test_the_bound_of_one_token_is_attained(start: float, kl: float) -> None:
    log_p = np.log([[start, 1 - start]])
    p = float(np.exp(log_p[0, 0]))
    low, high = (float(side[0, 0]) for side in log_ratio_bounds(log_p, [kl]))
    assert low < 0 < high <= -math.log(p) * (1 + 2e-12)

    def divergence(u: float) -> mpmath.mpf:
        """KL of the two-token model with log q = log p + u, exactly; inf where q >= 1."""
        P = mpmath.mpf(p)
        x = P * mpmath.exp(mpmath.mpf(u))
        if x >= 1:
            return mpmath.inf
        return -P * mpmath.mpf(u) - (1 - P) * mpmath.log((1 - x) / (1 - P))

    with mpmath.workdps(700):  # p e^u - p has 300 digits before the first that counts
        for u in (low, high):
            # At the bound a model is not allowed any more, just inside it is: 1e-12 is the margin
            # that the bound keeps, and all there is to say about 1 - x when x is next to 1.
            if u > -1e200:
                assert divergence(u) >= kl
            assert divergence(u * (1 - 2e-12)) <= kl


def test_the_box_of_step_4_is_sharp() -> None:
    # Two tokens, steered context outside P and N: the extremes of the box are real models.
    data = ConceptDataset.smoothed(2, 1, 0.25, contexts_per_concept=2)
    sets = data.steering_sets([0], [2])
    kl = np.array([0.02, 0.03, 0.01, 0.05])
    for alpha in (-2.0, 0.3, 1.5):
        lower, upper = law_error_interval(data.log_probabilities, sets, alpha, kl)
        low, high = log_ratio_bounds(data.log_probabilities, kl)
        errors = []
        for sign in np.ndindex(2, 2, 2):
            u = np.zeros((4, 2))
            for j, s in zip((0, 1, 2), sign, strict=True):
                # With two tokens, the first one's extreme fixes the second by the row sum.
                u[j, 0] = (low, high)[s][j, 0]
                rest = -math.expm1(data.log_probabilities[j, 0] + u[j, 0])
                u[j, 1] = math.log(rest) - data.log_probabilities[j, 1]
            model = log_softmax(data.log_probabilities[1] + u[1] + alpha * _m(data, u))
            errors.append(model - log_softmax(data.log_probabilities[1] + alpha * _m(data, 0 * u)))
        # 1e-9: the margin of the intervals (1e-12) and the rounding of u[j, 1] near the extreme.
        np.testing.assert_allclose(np.max(errors, axis=0), upper[1], rtol=1e-9)
        np.testing.assert_allclose(np.min(errors, axis=0), lower[1], rtol=1e-9)


def _m(data: ConceptDataset, u: np.ndarray) -> np.ndarray:
    log_q = data.log_probabilities + u
    return np.asarray(log_q[0] - log_q[2])


def test_the_error_of_a_context_in_p_drops_out_at_minus_q() -> None:
    # c_0 = 1 + alpha/q = 0: what training did to context 0 has no influence on it any more.
    data = ConceptDataset.smoothed(contexts_per_concept=2)
    sets = data.steering_sets([0, 1], [2, 3])
    small = np.array([1e-3, 1e-12, 1e-12, 1e-12, 1e-12, 1e-12])
    lower, upper = law_error_interval(data.log_probabilities, sets, [-2.0, 0.0, 2.0], small)
    bound = np.maximum(upper, -lower)
    assert (bound[0, 0] < 0.01 * bound[1:, 0]).all()
    assert bound[0, 4].max() > 0.1  # elsewhere, v still carries it


def test_what_cannot_be_bounded() -> None:
    trained = UnconstrainedFeatures.trained(PAPER)
    with pytest.raises(ProbabilityError, match="excess is -1"):
        trained.law_error_bound(0, 1, 1.0, excess=-1)
    with pytest.raises(ProbabilityError, match="excess is nan"):
        trained.law_error_bound(0, 1, 1.0, excess=float("nan"))
    assert trained.law_error_bound(0, 1, 1.0, excess=1).shape == (3, 9)
    log_p = PAPER.log_probabilities
    sets = PAPER.steering_sets(0, 1)
    with pytest.raises(ProbabilityError, match="a divergence is -1"):
        log_ratio_bounds(log_p, [-1.0, 0.0, 0.0])
    with pytest.raises(ProbabilityError, match="a divergence is nan"):
        law_error_interval(log_p, sets, 1.0, [np.nan, 0.0, 0.0])
    with pytest.raises(ProbabilityError, match="a probability is 0"):
        log_ratio_bounds(np.array([[0.0, -np.inf]]), [0.1])
    with pytest.raises(ShapeError, match=r"kl has shape \(2,\) for m = 3"):
        law_error_interval(log_p, sets, 1.0, [0.0, 0.0])
    with pytest.raises(SteeringError, match="alpha"):
        law_error_interval(log_p, sets, np.inf, [0.0, 0.0, 0.0])
    lower, upper = law_error_interval(log_p, sets, [0.0, 1.0], [0.0, 0.0, 0.0])
    assert lower.shape == upper.shape == (2, 3, 9)
    assert -1e-14 < lower.min() <= upper.max() < 1e-14
