"""Laws that a user might state: the true ones are proved, the false ones refuted, with a number."""

from __future__ import annotations

from fractions import Fraction

import pytest
from sympy import Abs, Derivative, IndexedBase, Integer, Max, Symbol, exp, log, sqrt

from steering_strength.theory.laws import (
    Identity,
    Inequality,
    Instance,
    Limit,
    Sign,
    Status,
)
from steering_strength.theory.laws.rules import convexity
from steering_strength.theory.laws.symbols import (
    NORMALISED,
    K,
    M,
    Z,
    alpha,
    mean,
    over_tokens,
    p,
    tilted,
    variance,
    x,
    y,
    z,
)

tau = Symbol("tau", positive=True)
q = tilted(y, alpha)
entropy = -over_tokens(q * log(q), y)
kl = over_tokens(q * log(q / p[y]), y)
forward_kl = over_tokens(p[y] * log(p[y] / q), y)
cooled = p[y] ** (1 / tau) * exp(alpha * M[y] / tau)
GIVEN = (NORMALISED,)

TRUE = {
    "Renyi divergence of order 2": Identity(
        log(over_tokens(q**2 / p[y], y)), K(2 * alpha) - 2 * K(alpha)
    ),
    "Bhattacharyya distance": Identity(
        -log(over_tokens(sqrt(p[y] * q), y)), K(alpha) / 2 - K(alpha / 2)
    ),
    "Hellinger distance": Identity(
        over_tokens((sqrt(p[y]) - sqrt(q)) ** 2, y) / 2,
        1 - over_tokens(sqrt(p[y] * q), y),
        given=GIVEN,
    ),
    "entropy": Identity(entropy, K(alpha) - alpha * mean(alpha) - over_tokens(q * log(p[y]), y)),
    "entropy of a uniform base": Identity(
        Derivative(log(over_tokens(exp(alpha * M[z]))), alpha),
        over_tokens(exp(alpha * M[z]) * M[z]) / over_tokens(exp(alpha * M[z])),
    ),
    "Jeffreys divergence": Identity(
        kl + forward_kl, alpha * (mean(alpha) - over_tokens(p[y] * M[y], y)), given=GIVEN
    ),
    "temperature": Identity(
        Derivative(log(over_tokens(cooled, y)), alpha),
        over_tokens(cooled * M[y], y) / over_tokens(cooled, y) / tau,
    ),
    "root of the normaliser": Identity(log(sqrt(Z(alpha))), log(Z(alpha)) / 2),
    "slope of a root": Identity(
        Derivative(sqrt(Z(alpha)), alpha), sqrt(Z(alpha)) * mean(alpha) / 2
    ),
    "sensitivity to one log-odd": Identity(Derivative(K(alpha), M[x]), alpha * tilted(x, alpha)),
    "total variation": Inequality(
        over_tokens(Abs(q - p[y]), y),
        over_tokens(q + p[y], y),
        relation="<=",
        form=over_tokens(Abs(q - p[y]) - q - p[y], y),
    ),
    "triangle inequality": Inequality(Abs(M[x] + M[z]), Abs(M[x]) + Abs(M[z]), relation="<="),
    "the larger of two": Inequality(Max(M[x], M[z]), (M[x] + M[z]) / 2, relation=">="),
    "curvature": Inequality(
        Derivative(K(alpha), (alpha, 2)), 0, relation=">=", form=variance(alpha)
    ),
    "a duel": Limit(1 / (1 + exp(-alpha * tau)), 1, variable=alpha),
}
FALSE = {
    "entropy falls like the variance": Identity(Derivative(entropy, alpha), -variance(alpha)),
    "absolute values add": Identity(Abs(M[x] + M[z]), Abs(M[x]) + Abs(M[z])),
    "K doubles": Identity(K(2 * alpha), 2 * K(alpha), given=GIVEN),
    "every token gains": Inequality(tilted(x, alpha), p[x], relation=">=", given=GIVEN),
    "the larger is the first": Inequality(M[x], Max(M[x], M[z]), relation=">="),
    "a square is its root": Identity(sqrt(M[x] ** 2), M[x]),
}


@pytest.mark.parametrize("name", TRUE)
def test_what_is_true_is_proved(name):
    assert TRUE[name].decide() == Status.PROVED, TRUE[name].why()


@pytest.mark.parametrize("name", FALSE)
def test_what_is_false_is_refuted_by_an_instance_that_can_be_run(name):
    claim = FALSE[name]
    assert claim.decide() == Status.REFUTED
    instance = claim.counterexample()
    again = eval(instance.code(), {"Instance": Instance, "Fraction": Fraction})
    assert claim.holds(again) is False
    assert instance.code() in claim.why()


def test_the_counterexample_is_small():
    code = FALSE["K doubles"].counterexample().code()
    assert len(code) < 120, code


def test_convexity_of_k_by_a_rule():
    claim = convexity(TRUE["curvature"])
    assert claim.decide() == Status.WITH_RULES
    assert claim.holds(Instance({"V": 2}, {"p": [Fraction(1, 2)] * 2, "M": [0, 1]})) is True


def test_numbers_of_python_are_expressions():
    assert Identity(over_tokens(p[z]), 1, given=GIVEN).decide() == Status.PROVED
    assert Inequality(2, 1).decide() == Status.PROVED
    assert Identity(Derivative(K(alpha), alpha), 1).decide() == Status.REFUTED
    assert Identity(alpha + 0.5, alpha + 0.5 + 0).decide() != Status.PROVED


class TestAnswers:
    """What is not decided says what would be."""

    def test_a_forgotten_hypothesis(self):
        claim = Inequality(M[x] - M[z], 0)
        assert claim.decide() == Status.REFUTED
        given = (Sign(M[x] - M[z], strict=True),)
        assert Inequality(M[x] - M[z], 0, given=given).decide() == Status.PROVED

    def test_an_inequality_without_a_form(self):
        bare = Inequality(Derivative(K(alpha), (alpha, 2)), 0, relation=">=")
        assert bare.decide() == Status.UNKNOWN
        assert "form=" in bare.why()
        wrong = Inequality(bare.lhs, 0, relation=">=", form=2 * variance(alpha))
        assert wrong.decide() == Status.UNKNOWN
        assert "not shown to equal" in wrong.why()

    def test_an_indeterminate_limit(self):
        claim = Limit(alpha * exp(-alpha), 0, variable=alpha)
        assert claim.decide() == Status.UNKNOWN
        assert "determinate" in claim.why()

    def test_hypotheses_that_nothing_satisfies(self):
        given = (Sign(alpha, strict=True), Sign(-alpha, strict=True))
        claim = Identity(alpha, 2 * alpha, given=given)
        assert claim.decide() == Status.UNKNOWN
        assert "no instance" in claim.why()

    def test_holds_is_none_where_the_hypotheses_fail(self):
        claim = Inequality(M[0], 0, given=(Sign(alpha, strict=True),))
        there = Instance({"alpha": -1, "V": 1}, {"M": [3]})
        assert claim.holds(there) is None
        assert claim.holds(there.with_number("alpha", 1)) is True
        assert claim.holds(Instance({"alpha": 1}, {})) is None


def test_entries_of_a_second_family():
    other = IndexedBase("N", real=True)
    joint = log(over_tokens(p[y] * exp(alpha * M[y] + tau * other[y]), y))
    weight = p[y] * exp(alpha * M[y] + tau * other[y])
    claim = Identity(
        Derivative(joint, tau), over_tokens(weight * other[y], y) / over_tokens(weight, y)
    )
    assert claim.decide() == Status.PROVED
    assert Identity(claim.lhs, Integer(0)).decide() == Status.REFUTED
