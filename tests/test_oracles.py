"""The oracles against numbers known by hand, against each other, and at their extremes."""

from __future__ import annotations

import fractions
from math import comb

import pytest
from mpmath import mp

from steering_strength.proofs_check.oracles import exact, precise, vectors
from steering_strength.proofs_check.oracles.precise import CTX, Tilt, number, numbers

F = fractions.Fraction

# Three tokens, no symmetry: e^{q M} = 4, 1/2, 1/2 with q = 1.
ROWS = [(F(4, 7), F(1, 7), F(2, 7)), (F(1, 7), F(2, 7), F(4, 7)), (F(1, 2), F(1, 4), F(1, 4))]
RATIOS = [F(4), F(1, 2), F(1, 2)]
P = numbers(ROWS[2])
M = [CTX.log(number(r)) for r in (F(4), F(1, 2), F(1))]
TILT = Tilt(P, M)


def close(a: object, b: object, digits: int = 100) -> bool:
    return bool(abs(number(a) - number(b)) <= CTX.mpf(10) ** -digits * (1 + abs(number(b))))


def test_odds_ratios_by_hand() -> None:
    assert exact.odds_ratios(ROWS, (0,), (1,)) == RATIOS
    assert exact.odds_ratios(ROWS, (0, 1), (2, 2)) == [F(16, 49), F(32, 49), F(128, 49)]
    with pytest.raises(ValueError, match="q >= 1"):
        exact.odds_ratios(ROWS, (0,), (1, 2))


def test_tilting_by_hand() -> None:
    # Weights 1/2 * 4, 1/4 / 2, 1/4 / 2: over 9/4.
    assert exact.tilted(ROWS[2], RATIOS, 1) == [F(8, 9), F(1, 18), F(1, 18)]
    assert exact.tilted(ROWS[2], RATIOS, 0) == list(ROWS[2])
    assert exact.concept_curve(ROWS[2], RATIOS, (1, 2), (0, 1)) == [F(1, 2), F(1, 9)]


def test_levels_and_turns_by_hand() -> None:
    assert exact.concept_levels(ROWS[2], RATIOS, (1,)) == [F(1, 2), F(0)]
    assert exact.signs_of_change([F(x) for x in (1, 3, 2, 2, 1, 4)]) == [1, -1, 1]
    assert exact.turns([F(x) for x in (1, 3, 2, 2, 1, 4)]) == 2
    assert exact.turns([F(1)] * 3) == exact.turns([]) == 0


def test_roots_are_exact_or_refused() -> None:
    assert exact.root(F(4, 9), 2) == F(2, 3)
    assert exact.root(F(10**40 + 1), 1) == 10**40 + 1
    with pytest.raises(ValueError, match="power 2"):
        exact.root(F(2), 2)
    assert exact.all_squares([F(4, 9), F(1)])
    assert not exact.all_squares([F(4, 9), F(8)])


@pytest.mark.parametrize("n", [-3, 1, 2, 40])
def test_fractions_and_digits_agree(n: int) -> None:
    rational = exact.tilted(ROWS[2], RATIOS, n)
    logs = [[CTX.log(x) for x in numbers(row)] for row in ROWS]
    log_odds = vectors.difference_of_means(logs[:1], logs[1:2])
    for x, y in zip(Tilt(P, log_odds).at(n), rational, strict=True):
        assert close(x, y)


def test_the_digits_are_a_context_of_their_own() -> None:
    before = mp.dps
    assert CTX.dps == precise.DIGITS == 120
    with precise.digits(300):
        assert CTX.dps == 300
        assert abs(CTX.exp(CTX.log(3)) - 3) < CTX.mpf(10) ** -290
    assert CTX.dps == 120
    assert mp.dps == before


def test_more_digits_for_what_is_rare_or_narrow() -> None:
    assert precise.enough_digits(F(1, 2), 1.0) < 123
    assert 315 <= precise.enough_digits(F(1, 10**200), 1.0) <= 325
    assert precise.enough_digits(F(1, 2), 1e-12) >= 180
    assert precise.enough_digits(F(1, 2), 0.0) < 123  # constant M has nothing to resolve


def test_the_derivatives_of_the_cgf_are_cumulants() -> None:
    # Difference quotients of order k over h = 1e-20 keep 120 - 20 k digits; h^2 is 1e-40.
    at, h = number(F(3, 7)), CTX.mpf(10) ** -20
    kappa = TILT.cumulants(4, at)
    for order in (1, 2, 3, 4):
        terms = (
            (-1) ** k * comb(order, k) * TILT.cgf(at + (CTX.mpf(order) / 2 - k) * h)
            for k in range(order + 1)
        )
        assert close(CTX.fsum(terms) / h**order, kappa[order - 1], 30)
    assert close(kappa[0], TILT.mean(at))
    assert close(kappa[1], TILT.variance(at))
    assert close(precise.derivative(lambda x: TILT.cgf(x), at), kappa[0], 70)


def test_divergences_and_increases() -> None:
    at = number(F(5, 3))
    after = TILT.at(at)
    price = TILT.cgf(at) - at * TILT.mean(number(0))
    assert close(precise.kl(P, after), price)
    assert close(precise.kl(after, P), at * TILT.mean(at) - TILT.cgf(at))
    change = TILT.increase(at)
    assert close(CTX.fsum(change), 0)
    assert close(TILT.concept_increase((1, 2), at), change[1] + change[2])
    share = TILT.concept((1, 2), at)
    assert close(TILT.concept_log_odds((1, 2), at), CTX.log(share / (1 - share)))
    assert close(precise.total_variation(P, after), sum(abs(x) for x in change) / 2)
    assert precise.kl([number(0), number(1)], [number(0), number(1)]) == 0


def test_softmax_needs_no_shift() -> None:
    a, b = precise.softmax([number(10**6), number(10**6 - 1)])
    assert close(a / b, CTX.e)
    assert Tilt([number(1), number(0)], [number(0), number(1)]).log(1) == [
        0,
        -CTX.inf,
    ]


def test_a_token_rises_before_its_peak_and_falls_after() -> None:
    # Two values around M = 0: the peak of the third token is explicit.
    t, s = -M[1], M[0]
    peak = CTX.log(P[1] * t / (P[0] * s)) / (s + t)
    for side in (-1, 1):
        assert TILT.rises(2, peak + side * CTX.mpf(10) ** -30) == -side
        at = peak + side * CTX.mpf(10) ** -12
        assert close(TILT.peak_offset(2, at) / (-side * CTX.mpf(10) ** -12), 1, 10)
    assert TILT.rises(0, number(10**6)) == 1
    assert TILT.rises(1, number(10**6)) == -1


def test_limits_share_among_ties_in_proportion_to_p() -> None:
    p, levels = numbers((F(1, 2), F(1, 8), F(3, 8))), numbers((0, 5, 5))
    assert all(close(a, b, 90) for a, b in zip(Tilt(p, levels).limit(1), (0, F(1, 4), F(3, 4)),
                                               strict=True))  # fmt: skip
    near = numbers((0.0, 5.0, 5.0 + 2.0**-40))  # no tie at all
    assert close(Tilt(p, near).limit(1)[2], 1, 90)
    assert Tilt(p, numbers((1, 1, 1))).far(-1) == -1


def test_the_turns_of_a_curve_are_seen() -> None:
    p = numbers([F(1, 4)] * 4)
    levels = numbers((0, 1, 2, 3))
    assert Tilt(p, levels).curve_turns((1,)) == 1
    assert Tilt(p, levels).curve_turns((3,)) == 0
    # As many as rho turns, or fewer by an even number.
    assert Tilt(p, levels).curve_turns((0, 2)) == 0
    falls_rises_falls = numbers((F(4, 9), F(1, 9), F(2, 9), F(2, 9)))
    ratios = [CTX.log(number(r)) for r in (F(16), F(1, 3), F(2, 3), F(2, 5))]
    assert Tilt(falls_rises_falls, ratios).curve_turns((1, 2)) == 2
    assert Tilt(p, levels).concept_rises((3,), number(10**5)) == 1
    assert Tilt(p, levels).concept_rises((0,), number(-(10**5))) == -1
    constant = numbers((1, 1, 1, 1))
    assert Tilt(p, constant).concept_rises((0,), number(1)) == 0


def test_norms_by_hand() -> None:
    one, zero = numbers((1, 1)), numbers((0, 0))
    assert vectors.centred(numbers((1, 3))) == [-1, 1]
    assert vectors.norm_output(numbers((3, 3)), "rms", one, zero, number(0)) == [1, 1]
    assert vectors.norm_output(numbers((1, 1)), "rms", one, zero, number(3)) == [0.5, 0.5]
    assert vectors.norm_output(numbers((1, 5)), "layer", numbers((2, 3)), one, number(0)) == [-1, 4]
    assert vectors.norm_output(numbers((2, 2)), "layer", one, one, number(0)) == [1, 1]  # 0/0 is 0
    assert vectors.affine(numbers((1, 2)), numbers((3, 4)), number(2)) == [7, 10]
    assert vectors.logits([numbers((1, 2)), numbers((0, 1))], numbers((3, 4))) == [11, 4]


def test_the_far_output_of_a_norm_is_its_limit() -> None:
    h, v, one, zero = numbers((5, -7)), numbers((3, 4)), numbers((1, 1)), numbers((0, 0))
    root = CTX.sqrt(number(F(25, 2)))
    for sign in (-1, 1):
        found = vectors.far_output(h, v, "rms", one, zero, number(1), sign)
        assert all(close(x, sign * y / root, 40) for x, y in zip(found, (3, 4), strict=True))
    still = vectors.far_output(h, zero, "rms", one, zero, number(1), 1)
    assert still == vectors.norm_output(h, "rms", one, zero, number(1))
