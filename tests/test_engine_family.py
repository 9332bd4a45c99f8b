"""`TiltedFamily`: shapes, meaning at the edges, blocks against the obvious twin, bad input."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from steering_strength.theory import TiltedFamily
from steering_strength.theory.errors import ProbabilityError

LOG_P = np.log([0.2, 0.3, 0.1, 0.4])
ODDS = np.array([1.0, -2.0, 0.5, 0.25])
SCALARS = ["cgf", "mean", "variance", "cross_entropy_increase", "reverse_kl"]
TOKENS = ["log_probability", "probability_increase"]


@pytest.fixture
def family():
    return TiltedFamily(LOG_P, ODDS)


@pytest.mark.parametrize("name", SCALARS + TOKENS)
def test_alphas_come_in_front(family, name):
    method, tail = getattr(family, name), (4,) if name in TOKENS else ()
    assert np.shape(method(1.0)) == tail
    assert method([1.0, 2.0]).shape == (2, *tail)
    assert method([]).shape == (0, *tail)
    assert method(np.float32(1.0)).dtype == method(1).dtype == np.float64
    # Sums run in another order when alphas share a block: the last bits may differ.
    np.testing.assert_allclose(method([1.0, 2.0])[1], method(2.0), rtol=1e-14)


def test_shapes_of_the_rest(family):
    assert family.cumulants(3).shape == (3,)
    assert family.cumulants(3, [0.0, 1.0]).shape == (2, 3)
    assert family.peaks().shape == (4,)
    assert family.peak_brackets().shape == (4, 2)
    masks = np.eye(4, dtype=bool)[:3]
    assert family.concept_log_odds(masks, [1.0, 2.0]).shape == (2, 3)
    assert family.concept_increase(masks, 1.0).shape == (3,)


def test_at_alpha_zero_nothing_has_moved(family):
    np.testing.assert_allclose(family.log_probability(0.0), LOG_P, rtol=4e-16)
    assert not family.probability_increase(0.0).any()
    assert family.cgf(0.0) == family.cross_entropy_increase(0.0) == family.reverse_kl(0.0) == 0.0
    assert family.concept_increase([0, 1], 0.0) == 0.0


def test_input_is_copied_frozen_and_converted():
    given_odds = np.array([1, 2, 3, 4])
    family = TiltedFamily(LOG_P.tolist(), given_odds)
    given_odds[:] = 0
    np.testing.assert_array_equal(family.log_odds, [1.0, 2.0, 3.0, 4.0])
    assert family.log_p.dtype == family.log_odds.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        family.log_p[0] = 0.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        family.log_p = LOG_P


def test_a_token_without_support_never_moves_and_its_m_is_ignored():
    log_p = np.insert(LOG_P, 2, -np.inf)
    for ignored in (np.nan, np.inf, 1e9, -3.0):
        family, rest = TiltedFamily(log_p, np.insert(ODDS, 2, ignored)), TiltedFamily(LOG_P, ODDS)
        for alpha in (0.0, 3.0, -1e4):
            assert family.log_probability(alpha)[2] == -np.inf
            assert family.probability_increase(alpha)[2] == 0.0
            for name in SCALARS:
                assert getattr(family, name)(alpha) == getattr(rest, name)(alpha)
            assert family.concept_log_odds([2], alpha) == -np.inf
            assert family.concept_increase([2], alpha) == 0.0
            # |C| counts the token, F_C does not.
            np.testing.assert_allclose(
                family.concept_increase([0, 2], alpha), rest.concept_increase([0], alpha) / 2
            )
        np.testing.assert_array_equal(np.delete(family.peaks(), 2), rest.peaks())
        assert np.isnan(family.peaks()[2])
        assert family.peak_log_probability()[2] == family.limit(1)[2] == -np.inf


@pytest.mark.parametrize("value", [0.0, 3.0, -1e6])
def test_constant_m_moves_nothing(value):
    family = TiltedFamily(LOG_P, np.full(4, value))
    for alpha in (1e-9, -5.0, 1e8):
        np.testing.assert_allclose(family.log_probability(alpha), LOG_P, rtol=4e-16)
        assert not family.probability_increase(alpha).any()
        assert family.cross_entropy_increase(alpha) == family.reverse_kl(alpha) == 0.0
        assert family.variance(alpha) == 0.0
        assert family.cgf(alpha) == alpha * value
    assert np.isnan(family.peaks()).all()
    assert np.isnan(family.peak_brackets()).all()
    np.testing.assert_allclose(family.peak_log_probability(), LOG_P, rtol=4e-16)
    for sign in (1, -1):
        np.testing.assert_allclose(family.limit(sign), LOG_P, rtol=4e-16, atol=4e-16)


def test_two_tokens_have_no_interior_peak():
    family = TiltedFamily(np.log([0.25, 0.75]), [2.0, -1.0])
    np.testing.assert_array_equal(family.peaks(), [np.inf, -np.inf])
    np.testing.assert_array_equal(family.peak_log_probability(), [0.0, 0.0])


def test_limits_share_among_exact_ties_in_proportion_to_p():
    family = TiltedFamily(LOG_P, [1.0, -2.0, 1.0, 1.0 - 2.0**-53])
    np.testing.assert_allclose(np.exp(family.limit(1)), [2 / 3, 0.0, 1 / 3, 0.0], rtol=1e-15)
    np.testing.assert_array_equal(np.exp(family.limit(-1)), [0.0, 1.0, 0.0, 0.0])
    peaks = family.peaks()
    assert peaks[0] == peaks[2] == np.inf
    assert np.isfinite(peaks[3])


def test_whole_and_empty_support():
    family = TiltedFamily(LOG_P, ODDS)
    assert family.concept_log_odds(range(4), 2.0) == np.inf
    assert family.concept_increase(range(4), 2.0) == 0.0
    np.testing.assert_array_equal(
        family.concept_log_odds(np.ones((2, 4), dtype=bool), [1.0, 2.0]), np.full((2, 2), np.inf)
    )


def slow(family, alpha):
    """Softmax and its sums the obvious way, in extended precision where there is one."""
    log_p, odds = (x.astype(np.longdouble) for x in (family.log_p, family.log_odds))
    log_q = log_p[None, :] + alpha[:, None].astype(np.longdouble) * odds
    top = log_q.max(axis=1, keepdims=True)
    cgf = top + np.log(np.exp(log_q - top).sum(axis=1, keepdims=True))
    log_q, q = log_q - cgf, np.exp(log_q - cgf)
    mean = (q * odds).sum(axis=1)
    return {
        "log_probability": log_q,
        "probability_increase": q - np.exp(log_p),
        "cgf": cgf[:, 0],
        "mean": mean,
        "variance": (q * (odds - mean[:, None]) ** 2).sum(axis=1),
        "cross_entropy_increase": cgf[:, 0] - alpha * (np.exp(log_p) * odds).sum(),
        "reverse_kl": alpha * mean - cgf[:, 0],
    }


@pytest.mark.parametrize("kind", ["normal", "heavy tails", "peaked", "p = 1e-200"])
def test_blocks_of_tokens_and_alphas_against_the_obvious_twin(kind):
    rng = np.random.default_rng(3)
    size = 9000
    logits = rng.normal(size=size) * {"peaked": 8.0, "p = 1e-200": 120.0}.get(kind, 2.0)
    odds = rng.standard_t(2, size) if kind == "heavy tails" else rng.normal(size=size)
    family = TiltedFamily.from_logits(logits, odds)
    alpha = np.concatenate((np.linspace(-9.0, 9.0, 21), [0.1, -0.2, 40.0, -1e3]))
    scale = 1.0 + np.abs(family.log_p).max() + np.abs(alpha).max() * np.abs(odds).max()
    with np.errstate(all="raise"):
        values = {name: getattr(family, name)(alpha) for name in TOKENS + SCALARS}
    with np.errstate(under="ignore"):
        for name, expected in slow(family, alpha).items():
            # eps times the exponents, and n eps for a sum of n terms in the twin.
            bound = 2.0**-52 * scale * (np.ptp(odds) ** 2 if name == "variance" else 1.0)
            np.testing.assert_allclose(
                values[name], expected.astype(float), rtol=1e-12, atol=32.0 * bound, err_msg=name
            )
    masks = rng.random((5, size)) < 0.3
    together = family.concept_log_odds(masks, alpha)
    for c, mask in enumerate(masks):
        np.testing.assert_allclose(
            together[:, c], family.concept_log_odds(mask, alpha), rtol=1e-12, atol=1e-12
        )


# --- where the numbers come from ------------------------------------------------------------------


def test_from_logits_takes_any_float_format_and_shift():
    logits = np.array([1.5, -0.25, 3.0, 0.125], dtype=np.float32)
    expected = TiltedFamily.from_logits(logits.astype(float), ODDS).log_p
    np.testing.assert_array_equal(TiltedFamily.from_logits(logits, ODDS).log_p, expected)
    np.testing.assert_array_equal(TiltedFamily.from_logits(logits + 1e6, ODDS).log_p, expected)
    assert TiltedFamily.from_logits([0.0, -np.inf, 1.0, 2.0], ODDS).log_p[1] == -np.inf


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normalisation_tolerance_follows_the_number_format(dtype):
    rng = np.random.default_rng(2)
    logits = 10.0 * rng.normal(size=50_000) + 500.0
    shifted = (logits - np.log(np.exp(logits - 500.0).sum()) - 500.0).astype(dtype)
    TiltedFamily(shifted, logits)
    with pytest.raises(ProbabilityError, match="not normalised"):
        TiltedFamily(shifted + dtype(2e-3), logits)
    if dtype is np.float64:
        with pytest.raises(ProbabilityError, match="from_logits"):
            TiltedFamily(shifted.astype(np.float32).astype(float), logits)


def test_tokens_as_mask_index_or_repeated_index_agree(family):
    mask = np.array([True, False, True, False])
    expected = family.concept_log_odds(mask, 1.5)
    assert family.concept_log_odds([0, 2], 1.5) == expected
    assert family.concept_log_odds([2, 0, 2], 1.5) == expected
