"""The engine held to truths of 400 digits, near 0, in the tails and at the ends of float64.

The oracle below shares nothing with the engine: plain sums in mpmath, wide enough (400 digits) for
every cancellation that the engine avoids by algebra. Bounds are stated in units of eps times the
conditioning of the input: rounding log p and alpha M, which no float64 method escapes.
"""

from __future__ import annotations

from functools import cache

import mpmath as mp
import numpy as np
import pytest

from steering_strength.theory.engine import TiltedFamily
from steering_strength.theory.engine.walk import sweep

EPS = 2.0**-52
SEEDS = [pytest.param(seed, marks=[pytest.mark.long] * bool(seed)) for seed in range(3)]


def log_softmax(x):
    x = np.asarray(x, dtype=float) - np.max(x)
    return x - np.log(np.exp(np.maximum(x, -700.0)).sum())


def instance(kind, seed):
    """Return (log_p, M) of 2 to 11 tokens, of a kind that hurts somewhere."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    size = int(rng.integers(2, 12))
    log_p, odds = log_softmax(3.0 * rng.normal(size=size)), rng.normal(size=size)
    if kind == "deep":
        log_p = log_softmax(-1e4 * np.abs(rng.standard_cauchy(size)))
    if kind == "p = 1e-200":
        log_p = log_softmax(-460.0 * rng.random(size))
    if kind == "one-hot":
        log_p = log_softmax(np.where(np.arange(size) == 1, 0.0, -300.0 - 600.0 * rng.random(size)))
    if kind == "ties":
        odds = rng.integers(0, 3, size).astype(float)
        odds[:2] = 0.0, 1.0
    scale, offset = {"tiny M": (1e-12, 0.0), "huge M": (1e6, 0.0), "offset M": (1.0, 1e6)}.get(
        kind, (1.0, 0.0)
    )
    return log_p, odds * scale + offset


KINDS = ["plain", "deep", "p = 1e-200", "one-hot", "ties", "tiny M", "huge M", "offset M"]
CASES = [
    pytest.param((kind, seed.values[0]), id=f"{kind}-{seed.values[0]}", marks=seed.marks)
    for kind in KINDS
    for seed in SEEDS
]
RAW = [1e-12, 1e-8, -1e-5, 1e-3, 0.1, -0.5, 1.0, 3.0, -10.0, 100.0, 1e4, -1e6, 1e8]
SCALED = [1e-12, 1e-10, -1e-4, 0.3, -3.0, 50.0, 700.0]


class Truth:
    """Everything about p_alpha, in 400 digits, for p exactly normalised."""

    def __init__(self, log_p, odds, alpha, concept):
        with mp.workdps(400):
            a = mp.mpf(float(alpha))
            m = [mp.mpf(float(x)) for x in odds]
            weight = [mp.exp(mp.mpf(float(x))) for x in log_p]
            total = mp.fsum(weight)
            p = self.p = [w / total for w in weight]
            tilted = [w * mp.exp(a * x) for w, x in zip(p, m, strict=True)]
            partition = mp.fsum(tilted)
            q = self.q = [w / partition for w in tilted]
            mean = mp.fsum(w * x for w, x in zip(p, m, strict=True))
            self.mean = mp.fsum(w * x for w, x in zip(q, m, strict=True))
            self.cgf = mp.log(partition)
            self.log_q = [mp.log(w) for w in q]
            self.increase = [after - before for after, before in zip(q, p, strict=True)]
            self.forward = self.cgf - a * mean
            self.reverse = a * self.mean - self.cgf
            self.moments = [
                mp.fsum(w * (x - self.mean) ** k for w, x in zip(q, m, strict=True))
                for k in range(9)
            ]
            outside = [i for i in range(len(m)) if i not in concept]
            inside_q, inside_p = (mp.fsum(w[i] for i in concept) for w in (q, p))
            self.concept_increase = (inside_q - inside_p) / len(concept)
            outside_q, outside_p = (mp.fsum(w[i] for i in outside) for w in (q, p))
            self.log_odds = mp.log(inside_q) - mp.log(outside_q)
            # max of F (1 - F): how much F moves when its log-odds are off by one unit.
            self.variation = max(inside_q * outside_q, inside_p * outside_p)

    def cumulants(self):
        """kappa_2 .. kappa_8 from central moments, by the formulas of a table."""
        with mp.workdps(400):
            _, _, m2, m3, m4, m5, m6, m7, m8 = self.moments
            return [
                m2,
                m3,
                m4 - 3 * m2**2,
                m5 - 10 * m3 * m2,
                m6 - 15 * m4 * m2 - 10 * m3**2 + 30 * m2**3,
                m7 - 21 * m5 * m2 - 35 * m4 * m3 + 210 * m3 * m2**2,
                m8
                - 28 * m6 * m2
                - 56 * m5 * m3
                - 35 * m4**2
                + 420 * m4 * m2**2
                + 560 * m3**2 * m2
                - 630 * m2**4,
            ]


@cache
def _truth(log_p, odds, alpha, concept):
    return Truth(log_p, odds, alpha, concept)


def truth_of(family, alpha, concept):
    """The same for every question about this family at this strength: 400 digits take a while."""
    return _truth(tuple(family.log_p), tuple(family.log_odds), float(alpha), tuple(concept))


def error(value, truth):
    with mp.workdps(60):
        return float(abs(mp.mpf(float(value)) - truth))


def relative(value, truth):
    """Relative error; absolute where float64 has no normal number for the truth."""
    with mp.workdps(60):
        size = abs(truth) if abs(truth) > mp.mpf("1e-290") else mp.mpf(1)
        return float(abs(mp.mpf(float(value)) - truth) / size)


@pytest.fixture(params=CASES)
def case(request):
    """Yield (family, concept, alphas) with NumPy made to raise on anything it would warn of."""
    log_p, odds = instance(*request.param)
    alphas = RAW + [x / np.ptp(odds) for x in SCALED]
    with np.errstate(all="raise"):
        yield TiltedFamily(log_p, odds), list(range(0, odds.size, 3)), alphas


def conditions(family, alpha):
    """Return (promised error of log p_alpha, eps times the size of the exponents)."""
    depth = 1.0 + np.abs(family.log_p).max()
    promised = 16.0 * EPS * (depth + abs(alpha) * np.abs(family.log_odds).max())
    # Only distances between values of M enter this one: an offset of M costs nothing.
    return promised, EPS * (depth + abs(alpha) * np.ptp(family.log_odds))


def test_log_probability(case):
    family, concept, alphas = case
    for alpha in alphas:
        truth = truth_of(family, alpha, concept)
        for value, expected in zip(family.log_probability(alpha), truth.log_q, strict=True):
            assert error(value, expected) <= conditions(family, alpha)[0]


def test_probability_increase_has_no_cancellation(case):
    family, concept, alphas = case
    for alpha in alphas:
        truth = truth_of(family, alpha, concept)
        condition = conditions(family, alpha)[1]
        step = EPS * abs(alpha) * np.ptp(family.log_odds)
        for value, expected, after, before in zip(
            family.probability_increase(alpha), truth.increase, truth.q, truth.p, strict=True
        ):
            # The first term is relative. The second is the rounding of log p_alpha - log p itself,
            # seen only where M(z) is close to the slope at which p_alpha(z) = p(z).
            bound = condition * abs(expected) + step * max(after, before)
            assert error(value, expected) <= 16.0 * bound + mp.mpf("1e-300")


def test_cumulant_generating_function_and_mean(case):
    family, concept, alphas = case
    largest = np.abs(family.log_odds).max()
    for alpha in alphas:
        truth = truth_of(family, alpha, concept)
        assert error(family.cgf(alpha), truth.cgf) <= 8.0 * EPS * abs(alpha) * largest
        assert error(family.mean(alpha), truth.mean) <= 8.0 * EPS * largest


def test_divergences_keep_their_relative_accuracy(case):
    family, concept, alphas = case
    for alpha in alphas:
        truth = truth_of(family, alpha, concept)
        condition = conditions(family, alpha)[1]
        assert relative(family.cross_entropy_increase(alpha), truth.forward) <= 16.0 * condition
        assert relative(family.reverse_kl(alpha), truth.reverse) <= 16.0 * condition


def test_variance_and_cumulants_to_order_eight(case):
    family, concept, alphas = case
    spread = np.ptp(family.log_odds)
    for alpha in alphas:
        truth = truth_of(family, alpha, concept)
        condition = conditions(family, alpha)[1]
        assert relative(family.variance(alpha), truth.moments[2]) <= 64.0 * condition
        kappa = family.cumulants(8, alpha)
        assert error(kappa[0], truth.mean) <= 8.0 * EPS * np.abs(family.log_odds).max()
        for order, (value, expected) in enumerate(
            zip(kappa[1:], truth.cumulants(), strict=True), start=2
        ):
            # The recursion's coefficients reach 630 at order 8.
            assert error(value, expected) <= 1000.0 * condition * spread**order


def test_concepts(case):
    family, concept, alphas = case
    for alpha in alphas:
        truth = truth_of(family, alpha, concept)
        condition = conditions(family, alpha)[1]
        assert error(family.concept_log_odds(concept, alpha), truth.log_odds) <= 16.0 * condition
        value, expected = family.concept_increase(concept, alpha), truth.concept_increase
        step = EPS * abs(alpha) * np.ptp(family.log_odds) * truth.variation
        assert error(value, expected) <= 16.0 * (condition * abs(expected) + step) + mp.mpf(
            "1e-300"
        )


def test_panels_under_a_sweep_of_alphas(case, monkeypatch):
    """Panels pay off for thousands of tokens and alphas; here they are made to serve a few."""
    family, concept, _ = case
    spread = np.ptp(family.log_odds)
    alphas = np.linspace(-40.0, 40.0, 161) / spread
    monkeypatch.setattr("steering_strength.theory.engine.walk._ALPHAS", 1)
    monkeypatch.setattr("steering_strength.theory.engine.walk._TOKENS", 1)
    monkeypatch.setattr("steering_strength.theory.engine.walk._dense", lambda tokens: 2)
    swept = sweep(family._measure, alphas)[0]
    # Where one token holds all of p the panels have nothing to work with.
    assert swept.size > 20 or family.log_p.max() > -1e-6
    values = {
        name: getattr(family, name)(alphas)
        for name in ("log_probability", "cgf", "mean", "cross_entropy_increase", "reverse_kl")
    }
    variance = family.variance(alphas)
    for i in np.unique(np.linspace(0, 160, 9).astype(int)):
        alpha = alphas[i]
        truth = truth_of(family, alpha, concept)
        promised, condition = conditions(family, alpha)
        for value, expected in zip(values["log_probability"][i], truth.log_q, strict=True):
            assert error(value, expected) <= promised
        largest = np.abs(family.log_odds).max()
        assert error(values["cgf"][i], truth.cgf) <= 8.0 * EPS * abs(alpha) * largest
        assert error(values["mean"][i], truth.mean) <= 16.0 * EPS * largest
        for name, expected in (
            ("cross_entropy_increase", truth.forward),
            ("reverse_kl", truth.reverse),
        ):
            assert relative(values[name][i], expected) <= 16.0 * condition
        # Six bits may be lost in the difference that forms it.
        assert relative(variance[i], truth.moments[2]) <= 64.0 * condition


# --- peaks -------------------------------------------------------------------------------------


def slope_sign(log_p, odds, level, alpha):
    """Return the sign of K'(alpha) - level, from 60 digits of sum p e^(alpha M) (M - level)."""
    with mp.workdps(60):
        a = mp.mpf(float(alpha))
        distance = [mp.mpf(float(x)) - mp.mpf(float(level)) for x in odds]
        exponent = [mp.mpf(float(w)) + a * d for w, d in zip(log_p, distance, strict=True)]
        top = max(exponent)
        return mp.sign(
            mp.fsum(mp.exp(e - top) * d for e, d in zip(exponent, distance, strict=True))
        )


def peak_instance(kind, seed):
    rng = np.random.default_rng([seed, PEAK_KINDS.index(kind), 7])
    size = int(rng.integers(3, 24))
    normal = rng.normal(size=size)
    base = log_softmax(5.0 * rng.normal(size=size))
    steps = rng.integers(-30, 30, size)
    return {
        "plain": lambda: (base, normal),
        "wide p": lambda: (log_softmax(200.0 * normal[::-1]), normal),
        "deep p": lambda: (log_softmax(-1e4 * np.abs(rng.standard_cauchy(size))), normal),
        "one-hot": lambda: (
            log_softmax(np.where(np.arange(size) == 1, 0.0, -300.0 - 600.0 * rng.random(size))),
            normal,
        ),
        "one-hot, deep": lambda: (
            log_softmax(np.where(np.arange(size) == 1, 0.0, -1e5 * rng.random(size))),
            normal,
        ),
        "huge M": lambda: (base, 1e6 * normal),
        "tiny M": lambda: (base, 1e-12 * normal),
        "offset M": lambda: (base, 1e6 + normal),
        "unit 1e-290": lambda: (base, 1e-290 * normal),
        "unit 1e140": lambda: (base, 1e140 * normal),
        "heavy M": lambda: (base, np.exp(10.0 * normal) * rng.choice([-1, 1], size)),
        "ties": lambda: (base, rng.integers(-2, 3, size).astype(float)),
        "near-ties": lambda: (base, rng.integers(-2, 3, size) + steps * 2.0**-40),
        "near-ties on top": lambda: (
            base,
            1.0 + steps * 2.0**-40 * np.where(rng.random(size) < 0.8, 1.0, 2.0**38),
        ),
        "last bits": lambda: (base, 1.0 + steps * EPS),
    }[kind]()


PEAK_KINDS = [
    "plain",
    "wide p",
    "deep p",
    "one-hot",
    "one-hot, deep",
    "huge M",
    "tiny M",
    "offset M",
    "unit 1e-290",
    "unit 1e140",
    "heavy M",
    "ties",
    "near-ties",
    "near-ties on top",
    "last bits",
]


@pytest.mark.parametrize("kind", PEAK_KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_peaks_are_sign_changes(kind, seed):
    log_p, odds = peak_instance(kind, seed)
    with np.errstate(all="raise"):
        family = TiltedFamily(log_p, odds)
        peaks, brackets = family.peaks(), family.peak_brackets()
        heights = family.peak_log_probability()
    order = np.argsort(odds)
    interior = (odds > odds.min()) & (odds < odds.max())
    assert np.isfinite(peaks[interior]).all()
    assert (peaks[odds == odds.max()] == np.inf).all()
    assert (peaks[odds == odds.min()] == -np.inf).all()
    assert (peaks[order][1:] >= peaks[order][:-1]).all()
    for z in np.flatnonzero(interior):
        lower, upper = brackets[z]
        assert lower <= peaks[z] <= upper
        assert upper - lower <= 2e-11 * abs(peaks[z])
        assert slope_sign(log_p, odds, odds[z], lower) < 0
        assert slope_sign(log_p, odds, odds[z], upper) > 0
        assert (peaks[odds == odds[z]] == peaks[z]).all()
        # The height is stationary at the peak, so the peak's own error does not enter.
        truth = Truth(log_p, odds, peaks[z], [0]).log_q[z]
        assert error(heights[z], truth) <= conditions(family, peaks[z])[0]


def test_peaks_of_a_vocabulary_in_many_blocks():
    rng = np.random.default_rng(5)
    size = 10_000
    log_p, odds = log_softmax(3.0 * rng.normal(size=size)), rng.normal(size=size)
    odds[:100] = odds[100:200]
    family = TiltedFamily(log_p, odds)
    peaks, brackets = family.peaks(), family.peak_brackets()
    order = np.argsort(odds)
    strictly = np.diff(odds[order]) > 0.0
    # Gaps of 1e-9 in M are far above what rounding can blur.
    resolved = np.diff(odds[order]) > 1e-9
    before, after = peaks[order][:-1], peaks[order][1:]
    assert (after > before)[resolved].all()
    assert (after == before)[~strictly].all()
    finite = np.isfinite(peaks)
    relative_width = (brackets[finite, 1] - brackets[finite, 0]) / np.abs(peaks[finite])
    # Wider only next to alpha = 0, where the rounding of K'(0) decides: conditioning.
    assert np.mean(relative_width > 2e-11) < 1e-3
    for z in rng.choice(np.flatnonzero(finite), 3):
        assert slope_sign(log_p, odds, odds[z], brackets[z, 0]) < 0
        assert slope_sign(log_p, odds, odds[z], brackets[z, 1]) > 0
