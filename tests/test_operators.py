"""Edits of a state, greedy paths and mixed contexts: sizes, ties, and the kernel's part.

That the numbers are right is decided by `proofs_check.check_operators`.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from sympy import Derivative, Integer, Symbol, cos, log, sin

from steering_strength.theory import ConceptDataset, TiltedFamily
from steering_strength.theory.engine import (
    Ablation,
    Addition,
)
from steering_strength.theory.engine.greedy import greedy_path
from steering_strength.theory.laws import Identity, Inequality, LawError, Sign, Status
from steering_strength.theory.laws.operators import GREEDY, lead
from steering_strength.theory.laws.order_rules import combination, winners
from steering_strength.theory.laws.symbols import M, V, alpha, p, x, z

U, W2 = np.array([0.6, 0.8]), np.array([-0.8, 0.6])
H = np.array([[1.0, -2.0], [0.5, 1.0]])
FAMILY = TiltedFamily(np.log([0.5, 0.5]), [0.0, 1.0])
NAN, INF = np.nan, np.inf


def _mixed(weights: list[list[float]]) -> ConceptDataset:
    return ConceptDataset.mixed([0.1, 0.2, 0.3], [0.5, 0.5, 1.0], [0, 0, 1], weights)


def test_pure_mixtures_are_the_dataset_of_assumption_1() -> None:
    pure = _mixed([[1.0, 0.0], [0.0, 1.0]])
    same = ConceptDataset.from_gaps([0.1, 0.2, 0.3], [0.5, 0.5, 1.0], [0, 0, 1])
    assert pure.violations() == ()
    np.testing.assert_array_equal(pure.probabilities, same.probabilities)
    assert {v.part for v in _mixed([[0.5, 0.5], [1.0, 0.0]]).violations()} >= {"constant a"}


def test_a_single_state_is_a_population_of_one() -> None:
    alone = Ablation(U).population(np.eye(2), H[:, 0])
    assert alone.shape == (1, 2)
    assert alone.log_odds == pytest.approx(-(U @ H[:, 0]) * U[None])


def test_prices_keep_their_digits_near_zero_and_far_out() -> None:
    """alpha = 1e-9 costs alpha^2 Var / 2 to ten digits; 1e6 costs what one family says."""
    rng = np.random.default_rng(0)
    W, h = rng.normal(size=(50, 2)), rng.normal(size=(2, 3))
    for strength in (1e-9, 1.0, 1e6):
        edited = Addition(U, strength).population(W, h)
        alone = [edited.family(j).cross_entropy_increase(1.0) for j in range(3)]
        np.testing.assert_allclose(edited.cross_entropy_increase(1.0), alone, rtol=1e-10)
    variance = [float(Addition(U, 1.0).population(W, h).family(j).variance(0.0)) for j in range(3)]
    near = Addition(U, 1e-9).population(W, h).cross_entropy_increase(1.0)
    np.testing.assert_allclose(near, 0.5e-18 * np.array(variance), rtol=1e-7)


@pytest.mark.parametrize("shape", ["normal", "ties", "parabola"])
def test_a_vocabulary_has_its_greedy_path_in_a_moment(shape: str) -> None:
    size, rng = 262_144, np.random.default_rng(0)
    place = np.linspace(-3.0, 3.0, size)
    logits, log_odds = {
        "normal": (3.0 * rng.normal(size=size), rng.normal(size=size)),
        "ties": (np.round(rng.normal(size=size)), np.round(rng.normal(size=size), 2)),
        "parabola": (-(place**2), place),  # every token wins somewhere
    }[shape]
    family = TiltedFamily.from_logits(logits, log_odds)
    start = time.process_time()
    path = family.greedy_path()
    assert time.process_time() - start < 5.0  # 0.1 to 0.7 s on one idle core
    assert (np.diff(family.log_odds[path.tokens]) > 0).all()
    assert (np.diff(path.switches) >= 0).all()
    assert (path.tokens.size > 250_000) == (shape == "parabola")
    strengths = np.linspace(-4.0, 4.0, 33)
    best = [np.max(family.log_p + a * family.log_odds) for a in strengths]
    won = family.log_p[path.winner(strengths)] + strengths * family.log_odds[path.winner(strengths)]
    np.testing.assert_allclose(won, best, rtol=1e-14)


def test_ties_go_to_the_likelier_token_then_to_the_first() -> None:
    family = TiltedFamily(np.log([0.25, 0.25, 0.125, 0.375]), [1.0, 1.0, 1.0, 0.0])
    path = family.greedy_path()
    assert path.tokens.tolist() == [3, 0]
    assert np.isnan(path.interval(1)).all()
    # Three lines through one point: the middle token ties there and never wins.
    line = greedy_path(np.array([0.0, -1.0, -2.0]), np.array([0.0, 1.0, 2.0]))
    assert line.tokens.tolist() == [0, 2]
    assert line.switches.tolist() == [1.0]
    assert TiltedFamily(np.log([0.5, 0.5]), [1.0, 1.0]).greedy_path().tokens.tolist() == [0]
    unsupported = TiltedFamily([-INF, 0.0], [9.0, 0.0]).greedy_path()
    assert unsupported.tokens.tolist() == [1]


# -- the kernel and the rules -------------------------------------------------------------------

t, theta = Symbol("t", positive=True), Symbol("theta", real=True)


@pytest.mark.parametrize(
    ("claim", "status"),
    [
        (Identity(sin(theta) ** 2 + cos(theta) ** 2, 1), Status.PROVED),
        (Identity((sin(theta) + cos(theta)) ** 2, 1 + 2 * sin(theta) * cos(theta)), Status.PROVED),
        (Identity(sin(theta) ** 2 - cos(theta) ** 2, 1), Status.REFUTED),
        (Identity(sin(theta), cos(theta)), Status.REFUTED),
        (Identity(Derivative(sin(theta), theta), cos(theta)), Status.PROVED),
        (Inequality(log((1 + t) / (1 + alpha**2)), 0), Status.REFUTED),
        (
            Inequality(log((1 + t * M[x]) / (1 + t * M[z])), 0,
                       given=(Sign(M[z]), Sign(M[x]), Sign(M[x] - M[z], strict=True))),
            Status.PROVED,
        ),
        (
            Inequality(log((1 + t * M[x]) / (1 + t * M[z])), 0,
                       given=(Sign(M[z]), Sign(M[x]), Sign(M[z] - M[x], strict=True))),
            Status.UNKNOWN,
        ),
    ],
)  # fmt: skip
def test_squares_of_sines_and_logarithms_of_quotients(claim: Any, status: Status) -> None:
    assert claim.decide() == status


def test_rules_of_order_refuse_the_wrong_form() -> None:
    line = log(p[z]) + alpha * M[z]
    gain = GREEDY.statement
    order = GREEDY.headline[0]
    assert winners(gain, order, line, z, V - 1).decide() == Status.WITH_RULES
    other = Identity(gain.lhs, -gain.rhs)
    for wrong in (
        lambda: winners(other, order, line, z, V - 1),
        lambda: winners(gain, order, log(p[z]) - alpha * M[z], z, V - 1),
        lambda: winners(gain, Inequality(M[z] - M[x], 0, relation=">="), line, z, V - 1),
        lambda: combination((Integer(-1), order)),
        lambda: combination((alpha, order)),
        lambda: combination((t, Inequality(lead(x, z, alpha), 1, relation=">="))),
    ):
        with pytest.raises(LawError):
            wrong()
