"""`NormedSteering`: the final norm against its definition, at every size of alpha."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from steering_strength.theory import NormedSteering
from steering_strength.theory.errors import AlphaError

RNG = np.random.default_rng(11)
H, V, GAIN, BIAS = RNG.normal(size=(4, 6))
KINDS = ["rms", "layer"]


def definition(h, v, kind, alpha, gain, bias, eps):
    """Return LN(h + alpha v) in 400 digits."""
    with mp.workdps(400):
        x = [
            mp.mpf(float(a)) + mp.mpf(float(alpha)) * mp.mpf(float(b))
            for a, b in zip(h, v, strict=True)
        ]
        if kind == "layer":
            mean = mp.fsum(x) / len(x)
            x = [a - mean for a in x]
        scale = mp.sqrt(mp.fsum(a * a for a in x) / len(x) + mp.mpf(float(eps)))
        return np.array(
            [
                float(mp.mpf(float(g)) * a / scale + mp.mpf(float(b)))
                for a, g, b in zip(x, gain, bias, strict=True)
            ]
        )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("eps", [0.0, 1e-5])
@pytest.mark.parametrize("alpha", [0.0, 1e-12, 0.7, -3.0, 1e4, -1e8, 1e160, -1e300])
def test_output_against_its_definition(kind, eps, alpha):
    with np.errstate(all="raise"):
        norm = NormedSteering(H, V, kind, GAIN, BIAS, eps)
        value = norm.output(alpha)
    expected = definition(H, V, kind, alpha, GAIN, BIAS, eps)
    # |LN| <= sqrt(d) max|gain|; a handful of roundings of numbers of that size.
    np.testing.assert_allclose(value, expected, rtol=0, atol=1e-14)


def test_eps_matters_for_small_v_only_at_finite_alpha():
    small = 1e-3 * V / np.linalg.norm(V)
    norm = NormedSteering(np.zeros(6), small, "rms", eps=1e-5)
    assert np.linalg.norm(norm.limit(1)) == pytest.approx(np.sqrt(6))
    assert np.linalg.norm(norm.output(1.0)) < 0.5 * np.sqrt(6)


@pytest.mark.parametrize(
    ("kind", "v"), [("rms", np.zeros(6)), ("layer", np.zeros(6)), ("layer", np.full(6, 0.1))]
)
def test_where_v_vanishes_under_the_norm_the_output_is_constant(kind, v):
    norm = NormedSteering(H, v, kind, GAIN, BIAS, 1e-5)
    assert norm.inert
    expected = definition(H, 0.0 * v, kind, 0.0, GAIN, BIAS, 1e-5)
    for value in (*norm.output([0.0, 3.0, -1e300]), norm.limit(1), norm.limit(-1)):
        np.testing.assert_allclose(value, expected, atol=1e-14)


def test_a_constant_v_is_not_inert_for_rms():
    assert not NormedSteering(H, np.full(6, 0.1), "rms").inert


def test_zero_over_zero_is_refused_and_eps_settles_it():
    h = np.array([1.0, -2.0, 0.5])
    with pytest.raises(AlphaError, match="vanishes under the norm at alpha = -2"):
        NormedSteering(h, 0.5 * h).output(-2.0)
    np.testing.assert_array_equal(
        NormedSteering(h, 0.5 * h, bias=[1.0, 2.0, 3.0], eps=1e-6).output(-2.0), [1.0, 2.0, 3.0]
    )
    with pytest.raises(AlphaError, match="vanishes"):
        NormedSteering(np.zeros(3), np.zeros(3)).limit(1)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e150, 1e300])
def test_vectors_of_any_size(scale):
    with np.errstate(all="raise"):
        norm = NormedSteering(scale * H, scale * V, "layer")
        value = norm.output(0.5)
    np.testing.assert_allclose(
        value, definition(H, V, "layer", 0.5, np.ones(6), np.zeros(6), 0.0), atol=1e-13
    )


def test_shapes_and_formats():
    norm = NormedSteering(H.astype(np.float32), V.tolist(), gain=[1] * 6)
    assert norm.output(1.0).shape == (6,)
    assert norm.output([1.0, 2.0]).shape == (2, 6)
    assert norm.output(1.0).dtype == np.float64
    np.testing.assert_array_equal(norm.bias, np.zeros(6))
    with pytest.raises(ValueError, match="read-only"):
        norm.h[0] = 1.0
