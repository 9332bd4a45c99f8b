"""The engine on instances that the strategies do not draw, held to the oracles of `proofs_check`.

Distributions of e^-2000, M at either end of float64, offset, tied or differing in its last bits,
and alpha from 1e-12 to 1e8: every check of one context has to hold there too.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from steering_strength.proofs_check.comparison import EPS, compare
from steering_strength.proofs_check.instances import FamilyCase
from steering_strength.proofs_check.registry import CHECKS
from steering_strength.proofs_check.tolerance import QUANTITIES
from steering_strength.theory.engine.walk import sweep

SEEDS = [pytest.param(seed, marks=[pytest.mark.long] * bool(seed)) for seed in range(3)]
OFTEN, SELDOM = (1e-12, 0.1, -1e6), (1e-8, 1e-3, 3.0, -10.0, 1e8)
ALPHAS = [*OFTEN, *(pytest.param(alpha, marks=pytest.mark.long) for alpha in SELDOM)]
ONE_CONTEXT = (
    *("slope", "mean-slope", "monotone", "peak", "peak/roots", "limit", "limit/root"),
    *("concept-ode", "concept-tanh", "concept-limit", "concept-shape", "ce-cumulants", "ce-radius"),
    *("ce-radius/bounds", "temperature", "greedy", "advise-budget"),
)


def one_hot(rng, size):
    return np.where(np.arange(size) == 1, 0.0, -300.0 - 600.0 * rng.random(size))


KINDS = {
    "plain": lambda rng, base, normal: (base, normal),
    "wide p": lambda rng, base, normal: (200.0 * normal[::-1], normal),
    "p = 1e-200": lambda rng, base, normal: (-460.0 * rng.random(base.size), normal),
    "deep p": lambda rng, base, normal: (-900.0 * np.abs(rng.standard_cauchy(base.size)), normal),
    "one-hot": lambda rng, base, normal: (one_hot(rng, base.size), normal),
    "huge M": lambda rng, base, normal: (base, 1e6 * normal),
    "tiny M": lambda rng, base, normal: (base, 1e-12 * normal),
    "offset M": lambda rng, base, normal: (base, 1e6 + normal),
    "unit 1e-290": lambda rng, base, normal: (base, 1e-290 * normal),
    "unit 1e140": lambda rng, base, normal: (base, 1e140 * normal),
    "heavy M": lambda rng, base, normal: (
        base, np.exp(10.0 * normal) * rng.choice([-1, 1], base.size)
    ),
    "ties": lambda rng, base, normal: (base, rng.integers(-2, 3, base.size).astype(float)),
    "near-ties": lambda rng, base, normal: (
        base, rng.integers(-2, 3, base.size) + rng.integers(-30, 30, base.size) * 2.0**-40
    ),
    "near-ties on top": lambda rng, base, normal: (
        base,
        1.0 + rng.integers(-30, 30, base.size) * np.where(normal < 1.0, 2.0**-40, 0.25),
    ),
    "last bits": lambda rng, base, normal: (base, 1.0 + rng.integers(-30, 30, base.size) * EPS),
}  # fmt: skip
ORDINARY = [kind for kind in KINDS if not kind.startswith("unit")]  # the squares of M are numbers


def instance(kind, seed, alpha=1.0):
    """From 3 to 12 tokens, every third of them in the concept."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    size = int(rng.integers(3, 13))
    log_p, log_odds = KINDS[kind](rng, 5.0 * rng.normal(size=size), rng.normal(size=size))
    # e^x is a fraction near 1 times a power of 2, as deep as it may be.
    x = np.maximum(log_p - log_p.max(), -2000.0) / np.log(2.0)
    weights = tuple(Fraction(2.0 ** (v % 1.0)) * Fraction(2) ** int(v // 1.0) for v in x)
    return FamilyCase(weights, tuple(log_odds.tolist()), tuple(range(0, size, 3)), alpha)


@pytest.mark.parametrize("kind", ORDINARY)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_laws_of_one_context_hold(kind, seed):
    case = instance(kind, seed, alpha=0.5)
    with np.errstate(all="raise", under="ignore"):
        found = {
            name: CHECKS[name](case)
            for name in ONE_CONTEXT
            # Between tokens of e^-1000 a peak is as exact as its bracket, which is looked at below.
            if (kind, name) != ("deep p", "peak")
        }
    assert {name: c.what for name, c in found.items() if not c.agrees} == {}


@pytest.mark.parametrize("kind", ORDINARY)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("alpha", ALPHAS)
def test_every_quantity_is_as_exact_as_it_can_be(kind, seed, alpha):
    found = CHECKS["tilting/batches"](instance(kind, seed, alpha))
    assert found.agrees, found.what


@pytest.mark.parametrize("kind", ORDINARY)
@pytest.mark.parametrize("seed", SEEDS)
def test_panels_under_a_sweep_of_alphas(kind, seed, monkeypatch):
    """Panels pay off for thousands of tokens and alphas; here they are made to serve a few."""
    case = instance(kind, seed)
    alphas = np.linspace(-40.0, 40.0, 161) / np.ptp(case.log_odds)
    monkeypatch.setattr("steering_strength.theory.engine.walk._ALPHAS", 1)
    monkeypatch.setattr("steering_strength.theory.engine.walk._TOKENS", 1)
    monkeypatch.setattr("steering_strength.theory.engine.walk._dense", lambda tokens: 2)
    with np.errstate(all="raise", under="ignore"):
        swept = sweep(case.family._measure, alphas)[0]
        # Where one token holds all of p the panels have nothing to work with.
        assert swept.size > 20 or case.family.log_p.max() > -1e-6
        found = {name: getattr(case.family, name)(alphas) for name in QUANTITIES}
    for i in (0, 27, 79, 80, 81, 134, 160):
        for name, (oracle, bound) in QUANTITIES.items():
            at = float(alphas[i])
            engine = (found[name][i], bound(case.limits, at))
            seen = compare(f"{name} at {at}", oracle(case.tilt, at), engine=engine)
            assert seen.agrees, seen.what


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_peaks_are_sign_changes(kind, seed):
    case = instance(kind, seed)
    with np.errstate(all="raise"):
        peaks, brackets = case.family.peaks(), case.family.peak_brackets()
        heights = case.family.peak_log_probability()
    for z in np.flatnonzero(np.isfinite(peaks)):
        lower, upper = brackets[z]
        assert lower <= peaks[z] <= upper
        assert upper - lower <= 2e-11 * abs(peaks[z])
        assert (case.tilt.rises(z, lower), case.tilt.rises(z, upper)) == (1, -1)
        allowed = case.limits.log_probability(peaks[z])
        assert compare("height", case.tilt.log(peaks[z])[z], engine=(heights[z], allowed)).agrees
