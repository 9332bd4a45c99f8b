"""False statements that a referee once made the kernel accept; each must stay undecided.

Where a rule was too generous, its legitimate use is tested next to its abuse.
"""

from __future__ import annotations

import pytest
from sympy import (
    Abs,
    Derivative,
    Function,
    I,
    IndexedBase,
    Integer,
    Max,
    Min,
    Rational,
    Sum,
    Symbol,
    cosh,
    exp,
    log,
    oo,
    sign,
    sqrt,
)

from steering_strength.theory.laws import Identity, Inequality, Limit, Status
from steering_strength.theory.laws.kernel import (
    Fact,
    Let,
    Sign,
    Split,
    Undecided,
    decide_equal,
    decide_sign,
    limit_at_infinity,
)
from steering_strength.theory.laws.kernel.binding import rename_bound, substitute
from steering_strength.theory.laws.notation import define, unfold

i, j, k, x, y, z = (Symbol(c, integer=True) for c in "ijkxyz")
V, n = (Symbol(c, integer=True, positive=True) for c in ("V", "n"))
a = Symbol("alpha", real=True)
m, r = (Symbol(c, real=True) for c in "mr")
pos = Symbol("s", positive=True)
weak = Symbol("u", nonnegative=True)
free = Symbol("c")  # complex, as SymPy's symbols are
p = IndexedBase("p", positive=True)
M, w, f, g = (IndexedBase(c, real=True) for c in ("M", "w", "f", "g"))
G = Function("G", real=True)


def over(term, index=z):
    return Sum(term, (index, 0, V - 1))


class TestCapture:
    def test_a_parametrisation_by_a_free_symbol_is_not_caught_by_an_inner_sum(self):
        block = (Let(M[y], w[x], y, Integer(0), V - 1),)
        double = over(over(M[y] * f[x], x), y)
        assert not decide_equal(double, V * over(w[x] * f[x], x), block)
        assert decide_equal(double, V * w[x] * over(f[z]), block)

    def test_a_parametrisation_for_one_token_is_not_one_for_all(self):
        one = (Let(f[i, z], r, i, Integer(0), n - 1),)
        assert not decide_equal(Sum(f[i, z], (z, 0, V - 1), (i, 0, n - 1)), n * V * r, one)
        assert decide_equal(Sum(f[i, z], (i, 0, n - 1)), n * r, one)

    def test_values_of_facts_are_not_caught(self):
        fact = (Fact(over(f[j, x], x), over(g[j, z]), (j,)),)
        assert not decide_equal(over(f[z, x], x), over(g[z, z]), fact)
        assert decide_equal(over(f[z, x], x), over(g[z, y], y), fact)

    def test_sums_of_facts_are_not_caught(self):
        fact = (Fact(Sum(f[j, z], (z, 0, j)), j * r, (j,)),)
        assert not decide_equal(Sum(f[x, x], (x, 0, z)), z * r, fact)
        assert decide_equal(Sum(f[z, x], (x, 0, z)), z * r, fact)

    def test_signs_are_not_caught(self):
        known = Sign(w[y] - over(f[y, z]), strict=True, for_all=(y,))
        with pytest.raises(Undecided):
            decide_sign(w[z] - over(f[z, z]), (known,))
        assert decide_sign(w[x] - over(f[x, z]), (known,)) == "+"

    def test_ranges_that_depend_on_each_other_stay_nested(self):
        """The pairs x <= y of the first sum are pairs x <= z of the second."""
        ranges = ((x, 0, y), (y, 0, V - 1), (z, 0, V - 1))
        assert not decide_equal(Sum(f[x, y, z], *ranges), Sum(f[x, z, y], *ranges))
        renamed = Sum(f[i, j, k], (i, 0, j), (j, 0, V - 1), (k, 0, V - 1))
        assert decide_equal(Sum(f[x, y, z], *ranges), renamed)

    def test_substitution(self):
        inner = over(f[x, y], x)
        assert substitute(inner, {y: x}) != over(f[x, x], x)
        assert substitute(inner, {y: x}).free_symbols >= {x}
        shadowed = over(p[z] * over(M[z]))  # two indices of one name
        assert decide_equal(rename_bound(shadowed), shadowed)


class TestNames:
    def status(self, left, right):
        return Identity(left, right, reason="").decide()

    def test_a_parameter_with_the_name_of_a_bound_index(self):
        named = define("F", (z,), M[z] * over(p[z]))
        assert self.status(over(named(x), x), V * named(x)) == Status.REFUTED
        assert self.status(named(x), M[x] * over(p[y], y)) == Status.PROVED

    def test_a_free_symbol_of_a_body_is_not_caught(self):
        named = define("F", (), M[z])
        assert self.status(over(named()), over(M[y], y)) == Status.REFUTED
        assert self.status(over(named()), V * M[z]) == Status.PROVED

    @pytest.mark.parametrize("argument", [r, 2 * a, Integer(0)])
    def test_a_derivative_by_a_parameter_keeps_its_variable(self, argument):
        """With both arguments r, d/da (a m) is r and not d/dr r^2 = 2 r."""
        named = define("F", (a, m), Derivative(a * m, a))
        assert self.status(named(a, r), r) == Status.PROVED
        with pytest.raises(TypeError, match="differentiates by its argument"):
            unfold(named(argument, r))


class TestHypotheses:
    def test_facts_for_integers_are_not_facts_for_reals(self):
        fact = (Fact(over(G(j * p[z])), Integer(0), (j,)),)
        assert not decide_equal(over(G(a * p[z])), Integer(0), fact)
        assert decide_equal(over(G(x * p[z])), Integer(0), fact)

    def test_derivatives_come_before_hypotheses(self):
        """At a strength where M = m, d(M m)/dM is m, not d(m^2)/dm."""
        block = (Let(M[y], m, y, Integer(0), V - 1),)
        slope = over(Derivative(M[y] * m, M[y]), y)
        assert not decide_equal(slope, 2 * V * m, block)
        assert decide_equal(slope, V * m, block)
        moving = (Let(M[y], a * w[y], y, Integer(0), V - 1),)
        for left in (
            over(Derivative(exp(a * M[y]), a), y),
            Derivative(over(exp(a * M[y]), y), a),
        ):
            assert decide_equal(left, over(a * w[y] * exp(a**2 * w[y]), y), moving)
            assert not decide_equal(left, over(2 * a * w[y] * exp(a**2 * w[y]), y), moving)

    def test_a_derivative_by_something_replaced_is_refused(self):
        slope = over(Derivative(G(M[y], m), M[y]), y)
        block = (Let(M[y], m, y, Integer(0), V - 1),)
        assert not decide_equal(slope, V * Derivative(G(m, m), m), block)

    def test_circular_hypotheses_are_refused(self):
        assert not decide_equal(over(p[z]), r, (Fact(over(p[z]), 2 * over(p[z]) - 1),))
        for at in (Integer(0), V):
            assert not decide_equal(over(p[z]), r, (Split(Integer(0), at, V - 1),))

    def test_neither_limit_nor_hypothesis_moves_with_the_variable(self):
        def status(left, right, *given):
            return Limit(left, right, variable=a, reason="", given=given).decide()

        assert status(over(p[z]), exp(-a), Fact(over(p[z]), exp(-a))) == Status.UNKNOWN
        moving = Let(M[z], a * w[z], z, Integer(0), V - 1)
        assert status(over(M[z]), over(M[z]), moving) == Status.UNKNOWN
        assert status(exp(-a), Integer(0), Sign(1 - a)) == Status.UNKNOWN
        assert status(exp(-a * r), Integer(0), Sign(r, strict=True)) == Status.PROVED


class TestRanges:
    @pytest.mark.parametrize(("lower", "upper"), [(0, oo), (0, a), (Rational(1, 2), V), (-oo, V)])
    def test_ranges_are_finite_sets_of_integers(self, lower, upper):
        odd = Sum(Sum(f[x, y], (x, lower, upper)), (y, lower, upper))
        exchanged = Sum(Sum(f[x, y], (y, lower, upper)), (x, lower, upper))
        assert not decide_equal(odd, exchanged)
        with pytest.raises(Undecided):
            decide_sign(Sum(p[z], (z, lower, upper)))
        with pytest.raises(Undecided):
            limit_at_infinity(Sum(p[z] * exp(-(r**2) - pos * k), (z, lower, upper)), k)


class TestRealNumbers:
    @pytest.mark.parametrize(
        "e", [exp(free), exp(I * r), cosh(free), pos**free, exp(log(r) ** 2), log(-pos - p[x])]
    )
    def test_what_may_be_complex_has_no_sign(self, e):
        with pytest.raises(Undecided):
            decide_sign(e)

    def test_the_logarithm_of_a_complex_exponential_is_not_its_exponent(self):
        assert not decide_equal(log(exp(free)), free)
        assert decide_equal(log(exp(a * over(log(p[z])))), a * over(log(p[z])))

    def test_infinite_plus_complex(self):
        with pytest.raises(Undecided):
            limit_at_infinity(exp(a + I * r), a)

    def test_powers_that_may_divide_by_zero_have_no_sign(self):
        for e in (weak**-2, weak**-1, (1 - weak) ** -2):
            with pytest.raises(Undecided):
                decide_sign(e)

    def test_non_zero_terms_may_cancel(self):
        h = IndexedBase("h", real=True, nonzero=True)
        assert decide_sign(h[x] * h[y]) == "!0"
        with pytest.raises(Undecided):
            decide_sign(over(h[z]))
        assert not decide_equal(
            over(h[z]) / over(h[z]) ** 2 * (r * over(h[z])) - r, 1 - 1 / over(h[z])
        )

    def test_a_positive_variable_has_one_end(self):
        far = Symbol("far", positive=True)
        assert limit_at_infinity(sqrt(far**2), far) == oo
        with pytest.raises(Undecided):
            limit_at_infinity(sqrt(far**2), far, -oo)

    def test_floating_point_numbers_are_refused(self):
        assert not decide_equal(1e17 * r + r, 1e17 * r)
        with pytest.raises(Undecided):
            decide_sign(0.1 + 0.2 - 0.3 * pos**0)


class TestDerivativesByEntries:
    """The index of a sum and the index of the entry one differentiates by are two indices."""

    inside = (Sign(y), Sign(V - 1 - y))

    def test_the_bound_index_is_renamed(self):
        K = log(over(p[y] * exp(a * M[y]), y))
        tilted = p[y] * exp(a * M[y]) / over(p[x] * exp(a * M[x]), x)
        assert not decide_equal(Derivative(K, M[y]), a)
        assert decide_equal(Derivative(K, M[y]), a * tilted, self.inside)
        assert not decide_equal(Derivative(over(p[y], y), p[y]), V)
        assert decide_equal(Derivative(over(p[y], y), p[y]), Integer(1), self.inside)

    def test_the_entry_must_be_one_of_the_sum(self):
        head = Sum(p[z], (z, 0, n - 1))
        assert not decide_equal(Derivative(head, p[y]), Integer(1), self.inside)
        assert decide_equal(Derivative(head, p[y]), Integer(1), (Sign(y), Sign(n - 1 - y)))
        assert decide_equal(Derivative(head, p[y]), Integer(0), (Sign(y - n),))

    def test_under_another_sum(self):
        total = over(Derivative(over(p[y] ** 2, y), p[y]), y)
        assert not decide_equal(total, 2 * V * over(p[y], y))
        double = over(over(f[x, y] * p[x] * p[y], x), y)
        slope = over(p[x] * (f[y, x] + f[x, y]), x)
        assert decide_equal(Derivative(double, p[y]), slope, self.inside)

    def test_a_name_hides_what_it_depends_on(self):
        named = define("F", (a,), over(p[z] * exp(a * M[z])))
        assert Derivative(named(a), M[y]) != 0
        assert named(a).diff(M[y]) != 0
        slope = unfold(Derivative(named(a), M[y]))
        assert decide_equal(slope, a * p[y] * exp(a * M[y]), self.inside)

    def test_integers_have_no_derivative(self):
        assert not decide_equal(Derivative(k * r, k), r)


class TestCorners:
    @pytest.mark.parametrize("e", [Abs(r), Max(r, a), Min(r, Integer(0)), sign(r)])
    def test_no_derivative_at_a_corner(self, e):
        d = Derivative(e, r)
        assert not decide_equal(d, d.doit())

    def test_a_derivative_on_one_side(self):
        assert decide_equal(Derivative(Abs(pos), pos), Integer(1))

    def test_absolute_values(self):
        assert decide_equal(Abs(r) ** 2, r**2)
        assert decide_equal(Abs(r - a), Abs(a - r))
        assert decide_equal(Max(r, a) + Min(r, a), r + a)
        assert not decide_equal(Abs(r + a), Abs(r) + Abs(a))
        assert not decide_equal(Abs(r), r)
        assert not decide_equal(Abs(free) ** 2, free**2)

    def test_signs_of_absolute_values(self):
        assert decide_sign(Abs(r) - r) == "0+"
        assert decide_sign(Abs(r) + Abs(a) - Abs(r + a)) == "0+"
        assert decide_sign(Max(r, a) - r) == "0+"
        assert decide_sign(Min(r, a) - a) == "0-"
        for wrong in (Abs(r) - a, r - Abs(a), Abs(r + a) - Abs(r), Max(r, a) - 1):
            with pytest.raises(Undecided):
                decide_sign(wrong)

    def test_only_real_numbers_have_an_order(self):
        assert Inequality(free + 1, free, reason="").decide() == Status.UNKNOWN

    def test_a_name_is_real_only_if_its_body_is(self):
        named = define("F", (r,), r * free)
        assert not named(r).is_real
        assert not decide_equal(unfold(sqrt(named(r) ** 2)), unfold(Abs(named(r))))
        assert define("G", (r,), r**2)(r).is_real

    def test_rounded_numbers_pass_nowhere(self):
        assert Limit(exp(-a) + 0.5, Rational(1, 2), variable=a, reason="").decide() != "proved"
        assert not decide_equal(over(p[z]), r, (Fact(over(p[z]), r * 1.0),))


class TestContradictions:
    @pytest.mark.parametrize(
        "given",
        [
            (Sign(r, strict=True), Sign(-r, strict=True)),
            (Sign((M[x] - M[y]) ** 2, strict=True, for_all=(x, y)),),  # fails where x = y
            (Fact(over(p[z]), Integer(-1)),),
            (Let(M[y], r, y, Integer(0), V - 1), Let(M[y], r + 1, y, Integer(0), V - 1)),
            (Split(Integer(0), n, V - 1), Sign(n - V - 1)),
        ],
    )
    def test_from_hypotheses_without_an_instance_nothing_follows(self, given):
        assert Identity(r, r, reason="", given=given).decide() == Status.UNKNOWN
        assert Inequality(pos, Integer(0), reason="", given=given).decide() == Status.UNKNOWN
