"""Many contexts at once: every row is the single family's answer, in memory or on disk."""

from __future__ import annotations

import numpy as np
import pytest

from steering_strength.theory.engine import TiltedPopulation, allocate
from steering_strength.theory.engine.estimation import sensitivity
from steering_strength.theory.errors import BudgetError, ShapeError

NAMES = ["cgf", "mean", "variance", "cross_entropy_increase", "reverse_kl"]
ALPHA = np.array([0.0, 1e-10, -1e-4, 0.5, -3.0, 20.0, -1e3, 1e8])


@pytest.fixture(scope="module", params=[(200,), (60, 200)], ids=["one M", "an M each"])
def population(request):
    rng = np.random.default_rng(0)
    # Flat, ordinary, peaked rows, rows without support somewhere, and one nearly one-hot.
    logits = rng.normal(size=(60, 200)) * rng.choice([0.1, 3.0, 30.0], size=(60, 1))
    logits[5:10, 3:90] = -np.inf
    logits[11] = np.where(np.arange(200) == 7, 0.0, -400.0 + logits[11])
    log_p = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    return TiltedPopulation(log_p, rng.normal(size=request.param))


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_single_families(population, name):
    with np.errstate(all="raise"):
        values = getattr(population, name)(ALPHA)
    assert values.shape == (ALPHA.size, 60)
    for j in range(60):
        family = population.family(j)
        expected = getattr(family, name)(ALPHA)
        # Ten bits of what the exponents leave (the share at which a row is passed on), relative
        # where that matters: the divergences keep it near 0.
        exponents = 1.0 + np.abs(ALPHA) * np.ptp(population.log_odds)
        tolerance = 2.0**-52 * 2.0**11 * exponents
        if name in ("cgf", "mean"):
            np.testing.assert_array_less(
                np.abs(values[:, j] - expected),
                tolerance * (1e-300 + np.abs(ALPHA) ** (name == "cgf")) + 1e-300,
            )
        else:
            np.testing.assert_array_less(
                np.abs(values[:, j] - expected), tolerance * expected + 1e-300
            )


def test_budgets_without_a_finite_root():
    log_p = np.log(
        [[0.5, 0.5, 0.0], [0.25, 0.75, 0.0]],
        where=[True, True, False],
        out=np.full((2, 3), -np.inf),
    )
    still = TiltedPopulation(log_p, [1.0, 1.0, 1.0]).average_cross_entropy_root(0.1, 1)
    assert still.alpha == np.inf
    assert "constant" in still.reason
    hidden = TiltedPopulation(log_p, [1.0, 1.0, 7.0]).average_cross_entropy_root(0.1, -1)
    assert hidden.alpha == -np.inf
    assert "p > 0" in hidden.reason
    moving = TiltedPopulation(log_p, [1.0, 2.0, 7.0])
    assert moving.average_cross_entropy_root(np.inf, 1).alpha == np.inf
    assert moving.average_cross_entropy_root(0.0, 1).alpha == 0.0
    with pytest.raises(BudgetError, match="at least 0"):
        moving.average_cross_entropy_root(-1.0, 1)


def test_the_same_m_for_each_is_one_m_for_all():
    rng = np.random.default_rng(3)
    logits, log_odds = rng.normal(size=(6, 30)) * 3.0, rng.normal(size=30)
    log_p = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    one, each = (TiltedPopulation(log_p, m) for m in (log_odds, np.tile(log_odds, (6, 1))))
    found, expected = (allocate(population, [1, 2], 0.2) for population in (each, one))
    np.testing.assert_allclose(found.alpha, expected.alpha, rtol=1e-6)
    assert found.status == expected.status
    with pytest.raises(ShapeError, match="M of its own"):
        sensitivity(each, 1.0, "cross_entropy")


def test_scalar_alpha(population):
    assert population.cgf(0.5).shape == population.concept_log_odds([0], 0.5).shape == (60,)


def test_a_memory_mapped_table_is_read_in_place(population, tmp_path):
    path = tmp_path / "log_p.npy"
    np.save(path, population.log_p)
    mapped = np.load(path, mmap_mode="r")
    there = TiltedPopulation(mapped, population.log_odds)
    assert there.log_p is mapped
    np.testing.assert_array_equal(there.cgf(ALPHA), population.cgf(ALPHA))


def test_m_may_be_infinite_where_no_row_has_support():
    table = np.log([[0.5, 0.5], [0.25, 0.75]])
    padded = np.column_stack((table, [-np.inf, -np.inf]))
    population = TiltedPopulation(padded, [0.0, 1.0, -np.inf])
    np.testing.assert_allclose(
        population.cgf(2.0), TiltedPopulation(table, [0.0, 1.0]).cgf(2.0), rtol=1e-15
    )
