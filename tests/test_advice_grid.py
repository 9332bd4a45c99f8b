"""Windows against the obvious twin: every demand evaluated on six thousand strengths."""

from __future__ import annotations

import numpy as np
import pytest

from steering_strength.theory import TiltedFamily, advise

# In units of 1 / range of M: from where nothing has moved yet to where nothing moves any more.
GRID = np.concatenate(([0.0], np.geomspace(1e-9, 1e5, 6000)))
# Roots are exact to rounding; a grid point this close to an end may fall on either side.
NEAR = 1e-7


def random_question(rng: np.random.Generator):
    """A family, a target, demands and a side, from ordinary to extreme."""
    size = int(rng.integers(2, 7))
    logits = rng.normal(size=size) * rng.choice([0.5, 2.0, 10.0, 60.0])
    kinds = (rng.normal(size=size), rng.integers(-2, 3, size), rng.standard_t(1.5, size))
    odds = kinds[rng.integers(3)] * 10.0 ** rng.integers(-2, 3)
    odds[0] += np.ptp(odds) == 0.0  # a vector that moves nothing is tested by name elsewhere
    target = np.arange(size) < rng.integers(1, size)
    rng.shuffle(target)
    demands = {}
    if rng.random() < 0.7:
        demands["level"] = float(rng.choice([0.01, 0.3, 0.5, 0.9, 0.999]))
    if rng.random() < 0.3:
        demands["reverse_kl"] = float(rng.choice([1e-3, 0.5, 3.0]))
    if rng.random() < 0.6 or not demands:
        demands["cross_entropy"] = float(rng.choice([1e-6, 0.1, 1.0, 20.0]))
    if rng.random() < 0.3:
        demands["before_peak"] = str(rng.choice(["rising", "any"]))
    return TiltedFamily.from_logits(logits, odds), target, demands, int(rng.choice([1, -1]))


def allowed(family, target, demands, sign, strengths):
    """Which of the strengths meet all demands, each by its definition."""
    alpha, ok = sign * strengths, np.ones(strengths.size, dtype=bool)
    for name in ("cross_entropy", "reverse_kl"):
        if name in demands:
            function = "cross_entropy_increase" if name == "cross_entropy" else name
            ok &= getattr(family, function)(alpha) <= demands[name] * (1.0 + 1e-9)
    if "level" in demands:
        level = demands["level"]
        wanted = np.log(level) - np.log1p(-level)
        ok &= family.concept_log_odds(target, alpha) >= wanted - 1e-9
    turning = sign * family.peaks()
    for z in np.flatnonzero(target) if "before_peak" in demands else ():
        if demands["before_peak"] == "any" or turning[z] > 0.0:
            ok &= strengths <= max(turning[z], 0.0) * (1.0 + 1e-9)
    return ok


@pytest.mark.parametrize(
    "seed", [pytest.param(k, marks=[pytest.mark.long] * (k >= 20)) for k in range(150)]
)
def test_a_window_holds_what_meets_the_demands_and_nothing_before_it(seed):
    rng = np.random.default_rng(seed)
    family, target, demands, sign = random_question(rng)
    spread = np.ptp(family.log_odds)
    window = advise(family, target, sign=sign, **demands).window
    strengths = GRID / spread
    ok = allowed(family, target, demands, sign, strengths)
    low, high = sign * window.low.alpha, sign * window.high.alpha
    if window.status == "ok":
        after = strengths >= low * (1.0 + NEAR) + 1e-12 / spread
        inside = after & (strengths <= high * (1.0 - NEAR) - 1e-12 / spread)
        assert ok[inside].all()
        assert not ok[strengths < low * (1.0 - NEAR) - 1e-12 / spread].any()
    elif "falls from alpha = 0" not in window.words:
        # Empty, or never reached: no strength on the grid does it either.
        assert not ok[strengths > NEAR / spread].any()
