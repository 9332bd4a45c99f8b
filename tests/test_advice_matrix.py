"""Every property of advice over every kind of curve: tilting, a closed form that is none, measured.

`Counted` stands for a model: it answers with the laws of a tilted or a last-block curve, but only
by evaluating distributions one by one, as a model would, and counts them.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import pytest
from scipy.special import expit, log_softmax

from steering_strength.theory import NormedSteering, TiltedFamily, advise
from steering_strength.theory.advice import ScannedCurve, SteeredCurve, equivalents
from steering_strength.theory.engine.inverse import Root
from steering_strength.theory.errors import BudgetError, ShapeError

NUDGE = 1e-6


class Counted:
    """A measured curve: a handful of strengths per question, remembered, found to 1 %."""

    method = "measured"

    def __init__(self, curve, far=6.0, points=13):
        self._curve, self._far = curve, far
        self._grid = np.linspace(0.0, far, points)
        self.size, self.log_p, self.log_odds = curve.size, curve.log_p, curve.log_odds
        self.rows, self.rounds, self.alone = {0.0: curve.log_p}, 0, True

    def measure(self, alphas):
        missing = [float(a) for a in alphas if float(a) not in self.rows]
        if missing:
            self.rounds += self.alone
            for alpha, row in zip(
                missing, self._curve.log_probability(np.array(missing)), strict=True
            ):
                self.rows[alpha] = row
        return np.stack([self.rows[float(a)] for a in alphas])

    def log_probability(self, alpha):
        rows = self.measure(np.atleast_1d(alpha))
        return rows if np.ndim(alpha) else rows[0]

    def _value(self, alpha, function):
        values = np.array([function(row) for row in self.measure(np.atleast_1d(alpha))])
        return values if np.ndim(alpha) else values[0]

    def cross_entropy_increase(self, alpha):
        return self._value(alpha, lambda q: np.exp(self.log_p) @ (self.log_p - q))

    def reverse_kl(self, alpha):
        return self._value(alpha, lambda q: np.exp(q) @ (q - self.log_p))

    def concept_log_odds(self, tokens, alpha):
        inside = np.zeros(self.size, dtype=bool)
        inside[np.asarray(tokens)] = True
        return self._value(
            alpha,
            lambda q: np.logaddexp.reduce(q[inside]) - np.logaddexp.reduce(q[~inside]),
        )

    def limit(self, sign):
        return self._curve.limit(sign)

    def _first(self, y, sign, start=0.0, *, inner=True):
        """The first measured change of `y` from False to True beyond `start`, halved to 1 %."""
        grid = np.concatenate(([start], self._grid[self._grid > start]))
        self.measure(sign * grid)
        hits = [s for s in grid if y(sign * s)]
        if not hits:
            beyond = sign * math.inf
            lower, upper = sorted((sign * self._far, beyond))
            return Root(beyond, lower, upper, f"not found up to alpha = {sign * self._far:g}")
        high = hits[0]
        low = max((s for s in grid if s < high), default=high)
        while high - low > 0.01 * high:
            middle = 0.5 * (low + high)
            low, high = (low, middle) if y(sign * middle) else (middle, high)
        lower, upper = sorted((sign * low, sign * high))
        return Root(sign * (low if inner else high) + 0.0, lower + 0.0, upper + 0.0)

    def cross_entropy_root(self, budget, sign):
        return self._first(lambda a: self.cross_entropy_increase(a) > budget, sign)

    def reverse_kl_root(self, budget, sign):
        return self._first(lambda a: self.reverse_kl(a) > budget, sign)

    def concept_root(self, tokens, level, sign=1):
        goal = math.log(level / (1 - level))
        return self._first(lambda a: self.concept_log_odds(tokens, a) >= goal, sign, inner=False)

    def concept_loss_root(self, tokens, level, start, sign=1):
        goal = math.log(level / (1 - level))
        return self._first(lambda a: self.concept_log_odds(tokens, a) < goal, sign, abs(start))

    def concept_maximum(self, tokens, sign=1):
        values = self.concept_log_odds(tokens, sign * self._grid)
        at = sign * float(self._grid[np.argmax(values)]) + 0.0
        return Root(at, at, at, f"looked for up to alpha = {sign * self._far:g}")

    def peak_root(self, token, sign=1):
        return self._first(
            lambda a: self.measure([a])[0][token] < self.measure([a * 0.999])[0][token], sign
        )

    def limit_root(self, tolerance, sign):
        goal = np.exp(self.limit(sign))
        return self._first(
            lambda a: 0.5 * np.abs(np.exp(self.measure([a])[0]) - goal).sum() <= tolerance,
            sign,
            inner=False,
        )


class Together(Counted):
    """The same, with questions that share their rounds: what a population of contexts needs."""

    asked: ClassVar[list[list[str]]] = []

    @staticmethod
    def together(questions):
        Together.asked.append([name for _, name, _ in questions])
        for curve, name, arguments in questions:
            curve.alone = False
            getattr(curve, name)(*arguments)
            curve.alone = True


def tilting(seed, size=20):
    rng = np.random.default_rng(seed)
    return TiltedFamily.from_logits(rng.normal(size=size), rng.normal(size=size))


def scan(family):
    limits = {side: family.limit(side) for side in (1, -1)}
    return ScannedCurve(family.log_probability, family.log_odds, limits)


def scanned(seed, size=20):
    return scan(tilting(seed, size))


def like(make, family):
    """A family as that kind of curve knows it."""
    return {tilting: family, scanned: scan(family)}.get(make, Counted(family))


def last_block(seed=0, size=30, width=8):
    """A residual steered before its final norm: logits saturate, as in a transformer."""
    rng = np.random.default_rng(seed)
    unembedding = rng.normal(size=(size, width))
    norm = NormedSteering(rng.normal(size=width), 0.2 * rng.normal(size=width))
    return ScannedCurve.last_block(norm.last_block(unembedding)), norm, unembedding


KINDS = {
    "tilting": (tilting, 1e-9),
    "scanned": (scanned, 1e-9),
    "measured": (lambda seed: Counted(tilting(seed)), 0.02),
    "together": (lambda seed: Together(tilting(seed)), 0.02),
}
SEEDS = [pytest.param(seed, marks=[pytest.mark.long] * (seed > 2)) for seed in range(6)]


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def demands_of(seed):
    rng = np.random.default_rng(100 + seed)
    return {
        "cross_entropy": float(rng.choice([0.05, 0.8])),
        "reverse_kl": float(rng.choice([0.3, 0.6])),
        "level": float(rng.choice([0.2, 0.4])),
        "sign": int(rng.choice([1, -1])),
    }


def test_all_are_steered_curves(kind):
    assert isinstance(kind[0](0), SteeredCurve)


@pytest.mark.parametrize("seed", SEEDS)
def test_all_give_the_ends_of_the_law(kind, seed):
    make, tolerance = kind
    asked = demands_of(seed)
    exact = advise(tilting(seed), [1, 2, 3], **asked)
    found = advise(make(seed), [1, 2, 3], **asked)
    ends = {end.demand: end.alpha for end in exact.ends if math.isfinite(end.alpha)}
    got = {end.demand: end.alpha for end in found.ends if math.isfinite(end.alpha)}
    for name, alpha in ends.items():
        if abs(alpha) < 6.0 and name != "holds":
            assert got[name] == pytest.approx(alpha, rel=tolerance)
    assert found.slope == pytest.approx(exact.slope, rel=1e-12)
    assert found.sd == pytest.approx(exact.sd, rel=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_at_most_means_at_most_and_at_least_at_least(kind, seed):
    asked = demands_of(seed)
    curve = kind[0](seed)
    window = advise(curve, [1, 2, 3], **asked).window
    truth = tilting(seed)
    if not window.usable:
        return
    high = window.high.alpha
    if window.high.demand == "cross_entropy":
        assert truth.cross_entropy_increase(high) <= asked["cross_entropy"] * (1 + 1e-12)
    if window.high.demand == "reverse_kl":
        assert truth.reverse_kl(high) <= asked["reverse_kl"] * (1 + 1e-12)
    if window.low.demand == "level":
        assert expit(truth.concept_log_odds([1, 2, 3], window.low.alpha)) >= asked["level"] - 1e-12
    assert window.advised == high


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("before_peak", ["rising", "any"])
def test_all_stop_before_a_target_token_turns_down(kind, sign, before_peak):
    make, tolerance = kind
    exact = advise(tilting(3), [1, 2, 3], before_peak=before_peak, sign=sign)
    found = advise(make(3), [1, 2, 3], before_peak=before_peak, sign=sign)
    if abs(exact.window.high.alpha) < 6.0:
        # A maximum located by values is known to the square root of their rounding.
        rel = max(tolerance, 2e-5)
        assert found.window.high.alpha == pytest.approx(exact.window.high.alpha, rel=rel, abs=1e-7)
    assert found.falling == exact.falling


def test_never_is_said_only_where_it_is_proved(kind):
    # Token 1 lies between the others in M: its probability rises to 0.38 and dies out.
    family = TiltedFamily(np.log([0.6, 0.3, 0.1]), [0.0, 1.0, 2.0])
    curve = like(kind[0], family)
    advice = advise(curve, [1], level=0.5)
    assert advice.window.status == ("never" if kind[0] is tilting else "unsettled")
    assert not advice.window.usable
    assert math.isnan(advice.window.advised)
    if kind[0] is not tilting:
        far = advice.window.low.lower
        assert math.isfinite(far)
        assert "never" not in advice.window.words
        assert f"up to alpha = {far:.4g}" in advice.window.words
    assert advice.highest.concept == pytest.approx(0.38, abs=0.01)


def test_for_all_larger_alpha_is_said_only_where_it_is_proved(kind):
    family = TiltedFamily(np.log([0.6, 0.4]), [0.0, 1.0])
    curve = like(kind[0], family)
    window = advise(curve, [1], level=0.5).window
    assert window.usable
    if kind[0] is tilting:
        assert window.high.alpha == math.inf
    else:
        assert math.isfinite(window.high.alpha)
        assert window.high.demand == "measured"
        assert window.high.words.count("up to alpha") == 1
    # Nobody asked for the far end: what is advised is the near one.
    assert window.advised == window.low.alpha


def test_an_end_that_was_not_found_is_no_end():
    curve, norm, unembedding = last_block()
    base = log_softmax(norm.output(0.0) @ unembedding.T)
    most = float(np.exp(base) @ (base - curve.limit(1)))
    for steered in (curve, Counted(curve)):
        advice = advise(steered, [0, 1], cross_entropy=2.0 * most)
        assert advice.window.status == "unsettled"
        assert not advice.window.usable
        assert math.isnan(advice.window.advised)
        # A level that is reached is an answer, with the far end where looking stopped.
        level = float(expit(steered.concept_log_odds([0, 1], 1.0)))
        both = advise(steered, [0, 1], cross_entropy=2.0 * most, level=level)
        if both.window.usable:
            assert both.window.high.demand in ("measured", "holds")


def test_a_bracket_that_stayed_wide_is_no_end():
    class Vague(Counted):
        def cross_entropy_root(self, budget, sign):
            self.measure([sign * 1.0, sign * 2.0])
            return Root(*((1.0, 1.0, 2.0) if sign > 0 else (-1.0, -2.0, -1.0)))

    advice = advise(Vague(tilting(0)), cross_entropy=0.5)
    assert advice.window.status == "unsettled"
    assert "between alpha = 1 and 2" in advice.window.words


def test_a_level_that_is_lost_again_ends_the_window(kind):
    family = TiltedFamily(np.log([0.6, 0.3, 0.1]), [0.0, 1.0, 2.0])
    make, tolerance = kind
    window = advise(like(make, family), [1], level=0.35).window
    b = 0.3 / 0.35 - 0.3
    first, last = sorted(np.log(np.roots([0.1, -b, 0.6])))
    assert window.low.alpha == pytest.approx(first, rel=tolerance)
    assert window.high.alpha == pytest.approx(last, rel=tolerance)
    assert window.high.demand == "holds"
    assert expit(family.concept_log_odds([1], window.high.alpha)) >= 0.35 - 1e-12


def test_rounding_beside_a_level_does_not_lose_it():
    family = TiltedFamily(np.log([0.6, 0.3, 0.1]), [0.0, 1.0, 2.0])
    for level in np.linspace(0.305, 0.375, 40):
        curve = scan(family)
        _, last = sorted(np.log(np.roots([0.1, 0.3 - 0.3 / level, 0.6])))
        root = curve.concept_root([1], level)
        assert curve.concept_loss_root([1], level, root.alpha).alpha == pytest.approx(last)


def test_many_contexts_share_their_rounds():
    contexts = [Together(tilting(seed)) for seed in range(5)]
    Together.asked.clear()
    asked = {"level": 0.2, "cross_entropy": 0.3, "reverse_kl": 0.3, "before_peak": "rising"}
    advice = advise(contexts, [1, 2, 3], **asked)
    # Everything was asked in two rounds of questions, nothing measured outside of them.
    assert len(Together.asked) == 2
    assert all(curve.rounds == 0 for curve in contexts)
    alone = advise([Counted(tilting(seed)) for seed in range(5)], [1, 2, 3], **asked)
    np.testing.assert_array_equal(advice.highs, alone.highs)
    np.testing.assert_array_equal(advice.lows, alone.lows)
    assert advice.average is None
    # Budgets alone cost a handful of distributions each.
    cheap = Together(tilting(0))
    advise([cheap], cross_entropy=0.3, plateau=None)
    assert len(cheap.rows) <= 22


def test_a_context_that_did_not_settle_is_served_by_no_alpha():
    curve, *_ = last_block()
    contexts = [curve, scanned(1, size=30)]
    advice = advise(contexts, [0, 1], cross_entropy=20.0)
    assert [one.window.status for one in advice.contexts] == ["unsettled", "ok"]
    assert advice.worst.status == "unsettled"
    assert advice.share == 0.5
    assert "unsettled" in str(advice)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_saturating_curve(sign):
    curve, norm, unembedding = last_block()
    advice = advise(curve, [0, 1], cross_entropy=0.1, sign=sign)
    alpha = advice.window.high.alpha
    base = log_softmax(norm.output(0.0) @ unembedding.T)
    for factor, over in ((1 - 1e-8, False), (1 + 1e-8, True)):
        row = log_softmax(norm.output(alpha * factor) @ unembedding.T)
        assert (float(np.exp(base) @ (base - row)) > 0.1) == over
    assert advice.guarantee is None
    far = log_softmax(norm.output(advice.plateau.alpha) @ unembedding.T)
    assert 0.5 * np.abs(np.exp(far) - np.exp(curve.limit(sign))).sum() == pytest.approx(0.01)


def test_a_maximum_between_grid_points_is_found():
    family = TiltedFamily(np.log([0.6, 0.3, 0.1]), [0.0, 1.0, 2.0])
    best = 0.3 / (2.0 * math.sqrt(0.06) + 0.3)
    coarse = scan(family)
    coarse._grids[1] = [0.3, 0.6, 1.3, 3.0, 9.0]
    assert expit(family.concept_log_odds([1], 0.6)) < best - 1e-3
    advice = advise(coarse, [1], level=best - 1e-6)
    assert advice.window.usable
    assert advice.window.low.alpha == pytest.approx(0.5 * math.log(6.0), abs=0.01)


def test_a_scan_is_checked():
    family = tilting(0)
    with pytest.raises(ShapeError, match="log_odds has shape"):
        ScannedCurve(family.log_probability, family.log_odds[:-1], {1: family.limit(1)})
    with pytest.raises(ShapeError, match="weights for one context"):
        advise(family, cross_entropy=1.0, weights=[1.0])


def test_other_libraries_units():
    rows = {row.convention.split(":")[0]: row for row in equivalents(3.0, 4.0, 8.0, 2.0)}
    assert rows["steering-vectors"].coefficient == 3.0
    assert rows["repeng, llama.cpp"].coefficient == 12.0
    assert rows["steering-lite"].coefficient == 12.0
    assert rows["AxBench"].coefficient == 6.0
    assert rows["AISteer360"].coefficient == 1.5
    assert "not given" in equivalents(3.0, 4.0)[4].assumes
    assert math.isnan(equivalents(3.0, 4.0)[4].coefficient)
    for norm in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(BudgetError, match="length of v"):
            equivalents(1.0, norm)
