"""The kernel is attacked: what it accepts must be true, what it cannot decide it must refuse."""

from __future__ import annotations

import pytest
from sympy import (
    Derivative,
    Dummy,
    Function,
    IndexedBase,
    Integer,
    KroneckerDelta,
    Product,
    Rational,
    Sum,
    Symbol,
    Tuple,
    cosh,
    exp,
    log,
    nan,
    oo,
    sin,
    sqrt,
    tanh,
    zoo,
)

from steering_strength.theory.laws.kernel import (
    Fact,
    Let,
    NormalForm,
    Sign,
    Split,
    Undecided,
    binding,
    decide_equal,
    decide_sign,
    limit_at_infinity,
)

x, y, z, i, j = (Symbol(n, integer=True) for n in "xyzij")
V, n, m = (Symbol(c, integer=True, positive=True) for c in "Vnm")
a = Symbol("alpha", real=True)
r = Symbol("r", real=True)
pos = Symbol("s", positive=True)
p = IndexedBase("p", positive=True)
M = IndexedBase("M", real=True)
f2 = IndexedBase("f", real=True)


def over(term, index=z, size=V):
    return Sum(term, (index, 0, size - 1))


class TestSums:
    @pytest.mark.parametrize("limits", [(), (Tuple(i),), (Tuple(i, 0),)])
    def test_a_sum_has_bounds(self, limits):
        with pytest.raises(ValueError, match=r"bounds|dummy variables"):
            binding.Sum(p[i], *limits)

    def test_linearity(self):
        assert decide_equal(over(2 * p[z] + r * M[z]), 2 * over(p[z]) + r * over(M[z]))

    def test_bound_names_do_not_matter(self):
        assert decide_equal(over(p[z] * M[z]), over(p[y] * M[y], y))

    def test_separable_products(self):
        assert decide_equal(over(over(p[x] * M[y], x), y), over(p[z]) * over(M[z]))

    def test_the_square_of_a_sum_is_not_the_sum_of_squares(self):
        assert not decide_equal(over(p[z]) ** 2, over(p[z] ** 2))

    def test_non_separable_sums_exchange_their_order(self):
        assert decide_equal(over(over(f2[x, y] * p[x], x), y), over(p[y] * over(f2[y, x], x), y))

    def test_a_transposed_kernel_is_another_kernel(self):
        assert not decide_equal(
            over(over(f2[x, y] * p[x] * M[y], x), y), over(over(f2[y, x] * p[x] * M[y], x), y)
        )

    def test_the_product_of_two_dependent_sums_is_one_triple_sum(self):
        left = over(over(f2[x, y], x) ** 2, y)
        right = Sum(f2[x, y] * f2[z, y], (x, 0, V - 1), (y, 0, V - 1), (z, 0, V - 1))
        assert decide_equal(left, right)
        assert not decide_equal(left, over(over(f2[x, y] ** 2, x), y))

    def test_ranges_are_part_of_a_sum(self):
        assert not decide_equal(over(p[z]), over(p[z], z, n))
        assert not decide_equal(over(p[z]), Sum(p[z], (z, 1, V)))

    def test_constants_are_counted(self):
        assert decide_equal(over(Integer(1)), V)
        assert decide_equal(Sum(r, (z, n, V - 1)), (V - n) * r, (Sign(V - n),))

    def test_a_range_is_counted_only_if_its_ends_are_in_order(self):
        """For n = 3 and V = 1 the sum is empty, and V - n is -2."""
        tail = Sum(r, (z, n, V - 1))
        assert not decide_equal(tail, (V - n) * r)
        assert decide_equal(tail, r * Sum(1, (x, n, V - 1)))  # the same count, whatever it is

    def test_a_sum_of_one_term_is_that_term(self):
        assert decide_equal(Sum(p[z] * over(M[y], y), (z, n, n)), p[n] * over(M[z]))
        assert decide_equal(Sum(Sum(f2[z, y], (y, z, z)), (z, 0, V - 1)), over(f2[z, z]))
        assert not decide_equal(Sum(p[z], (z, n, n + 1)), p[n])
        at = Let(M[z], r, z, n, n)
        assert decide_equal(Sum(M[z], (z, n, n)), r, (at,))
        assert not decide_equal(Sum(M[z], (z, n + 1, n + 1)), r, (at,))

    def test_the_index_itself_is_not_a_constant(self):
        assert not decide_equal(over(z), V * z)

    @pytest.mark.parametrize("upper", [y, y - 1])
    def test_triangular_sums_are_not_exchanged(self, upper):
        triangle = Sum(Sum(f2[x, y], (x, 0, upper)), (y, 0, V - 1))
        mirror = Sum(Sum(f2[x, y], (y, 0, upper.xreplace({y: x}))), (x, 0, V - 1))
        square = over(over(f2[x, y], x), y)
        assert decide_equal(triangle, triangle.xreplace({x: i, y: j}))
        assert not decide_equal(triangle, mirror)
        assert not decide_equal(triangle, square)


class TestCapture:
    """Renaming bound indices must not catch free ones, however the names are chosen."""

    def test_a_free_index_is_not_caught(self):
        assert not decide_equal(over(p[z] * M[y], z), over(p[y] * M[y], y))

    def test_nested_sums_with_one_name(self):
        inner = over(p[z])  # its z is not the z of the outer sum
        assert decide_equal(over(M[z] * inner), over(M[z]) * over(p[z]))
        assert not decide_equal(over(M[z] * inner), over(M[z] * p[z]))

    def test_an_inner_limit_that_reads_the_outer_index_of_the_same_name(self):
        shadow = Sum(Sum(p[z], (z, 0, y)).xreplace({y: z}), (z, 0, V - 1))
        clean = Sum(Sum(p[x], (x, 0, y)), (y, 0, V - 1))
        assert decide_equal(shadow, clean)
        assert not decide_equal(shadow, V * over(p[z]))

    def test_three_levels_deep(self):
        deep = over(over(over(f2[x, y] * f2[y, z], x), y), z)
        same = over(over(over(f2[i, x] * f2[x, j], i), x), j)
        crossed = over(over(over(f2[x, y] * f2[z, y], x), y), z)
        assert decide_equal(deep, same)
        assert not decide_equal(deep, crossed)

    def test_logarithms_of_sums_inside_sums(self):
        left = over(p[y] * log(over(f2[x, y] ** 2 + 1, x)), y)
        right = over(p[x] * log(over(f2[y, x] ** 2 + 1, y)), x)
        wrong = over(p[x] * log(over(f2[x, y] ** 2 + 1, y)), x)
        assert decide_equal(left, right)
        assert not decide_equal(left, wrong)

    def test_user_dummies_are_ordinary_indices(self):
        d, e = Dummy("i0", integer=True), Dummy("i0", integer=True)
        assert decide_equal(over(p[d], d), over(p[e], e))
        assert not decide_equal(p[d], p[e])

    def test_a_fact_for_all_contexts_is_not_a_fact_about_columns(self):
        rows = Fact(over(f2[j, z]), Integer(1), (j,))
        assert decide_equal(over(f2[i, z]), Integer(1), (rows,))
        assert decide_equal(over(p[x] * over(f2[x, z]), x), over(p[x], x), (rows,))
        assert not decide_equal(over(f2[z, i]), Integer(1), (rows,))

    def test_a_fact_about_one_context_says_nothing_of_others(self):
        first = Fact(over(f2[0, z]), Integer(1))
        assert decide_equal(over(f2[0, z]), Integer(1), (first,))
        assert not decide_equal(over(f2[i, z]), Integer(1), (first,))

    def test_that_a_sum_has_terms_is_not_concluded_from_looking_at_one(self):
        picked = Sum(Sum(KroneckerDelta(x, y) * p[x], (x, n, m - 1)), (y, n, m - 1))
        some = Sum(p[y], (y, n, m - 1))
        assert decide_equal(picked, some)
        counted = Sum(1, (z, n, m - 1))
        assert not decide_equal(picked + counted, some + m - n)
        assert not decide_equal(counted * picked, (m - n) * some)
        with pytest.raises(Undecided):
            decide_sign(some)

    def test_a_parametrisation_holds_on_its_block_only(self):
        block = Let(M[y], r, y, Integer(0), n - 1)
        split, order = Split(Integer(0), n, V - 1), Sign(V - n)
        assert decide_equal(Sum(M[z], (z, 0, n - 1)), n * r, (block,))
        assert not decide_equal(over(M[z]), V * r, (block,))
        tail = Sum(M[z], (z, n, V - 1))
        assert decide_equal(over(M[z]), n * r + tail, (split, order, block))
        assert not decide_equal(over(M[z]), n * r + tail, (split, block))


class TestDivision:
    def test_by_something_positive(self):
        assert decide_equal(pos * over(p[z]) / over(p[z]), pos)

    @pytest.mark.parametrize("divisor", [r, M[x], over(M[z]), r**2, 1 - p[x], log(pos)])
    def test_by_something_that_may_vanish_is_refused(self, divisor):
        unevaluated = over(M[z] / divisor)
        assert not decide_equal(unevaluated, over(M[z]) / divisor)

    def test_unless_it_is_given(self):
        assert decide_equal(over(M[z] / r), over(M[z]) / r, (Sign(r, strict=True),))
        assert not decide_equal(over(M[z] / r), over(M[z]) / r, (Sign(r),))

    def test_infinities_are_not_numbers(self):
        for bad in (oo, -oo, zoo, nan):
            assert not decide_equal(over(M[z]) + bad, over(M[z]) + bad)


class TestFunctions:
    def test_exponentials(self):
        assert decide_equal(exp(a * (M[x] + M[y])), exp(a * M[x]) * exp(a * M[y]))
        assert decide_equal(exp(-a), 1 / exp(a))
        assert not decide_equal(exp(a) + exp(-a), Integer(2))
        assert not decide_equal(exp(a * M[x]), 1 + a * M[x])

    def test_logarithms_of_positive_products(self):
        assert decide_equal(log(p[x] * pos), log(p[x]) + log(pos))
        assert decide_equal(log(p[x] ** 3 / pos), 3 * log(p[x]) - log(pos))
        product = Product(p[i], (i, 0, n - 1))
        assert decide_equal(log(product), Sum(log(p[i]), (i, 0, n - 1)))

    @pytest.mark.parametrize("argument", [M[x] * M[y], r**2, over(M[z]), 1 - pos])
    def test_logarithms_of_what_may_not_be_positive_are_refused(self, argument):
        with pytest.raises(Undecided):
            NormalForm().ratio(log(argument))

    def test_roots(self):
        q = a**2 + 1
        assert decide_equal(sqrt(q) * sqrt(q), q)
        assert decide_equal(Derivative(sqrt(q), a), a / sqrt(q))
        assert decide_equal(q ** Rational(3, 2), q * sqrt(q))
        assert not decide_equal(sqrt(q), a)
        assert not decide_equal(sqrt(r**2), r)

    def test_a_root_of_what_may_vanish(self):
        given = (Sign(r),)
        assert decide_equal(
            sqrt(r) ** 2 + sqrt(r), r * (1 + 1 / (r + 1)) - r / (r + 1) + sqrt(r), given
        )
        assert decide_equal(r ** Rational(3, 2), r * sqrt(r), given)
        assert decide_sign(sqrt(r), given) == "0+"
        with pytest.raises(Undecided):
            decide_sign(1 / sqrt(r), given)  # r may be zero
        assert not decide_equal(log(sqrt(r)), log(r) / 2, given)

    def test_hyperbolic(self):
        assert decide_equal(tanh(a), 2 / (1 + exp(-2 * a)) - 1)
        assert decide_equal(cosh(a) ** 2 - (exp(a) - exp(-a)) ** 2 / 4, Integer(1))

    def test_unknown_functions_are_atoms(self):
        g = Function("g", real=True)
        assert decide_equal(Derivative(g(a) ** 2, a), 2 * g(a) * Derivative(g(a), a))
        assert not decide_equal(g(a + 1), g(a) + g(1))
        assert decide_equal(sin(a + r), sin(r + a))
        assert not decide_equal(sin(a) ** 2 + sin(r) ** 2, Integer(1))

    def test_derivatives_of_sums(self):
        assert decide_equal(
            Derivative(log(over(p[z] * exp(a * M[z]))), a) * over(p[z] * exp(a * M[z])),
            over(p[z] * M[z] * exp(a * M[z])),
        )


class TestSigns:
    def test_of_sums_and_squares(self):
        assert decide_sign(over(p[z])) == "+"
        assert decide_sign(over(p[z] * M[z] ** 2)) == "0+"
        assert decide_sign(-over(p[z])) == "-"

    def test_an_empty_sum_is_not_positive(self):
        m = Symbol("m", integer=True, nonnegative=True)
        assert decide_sign(over(p[z], z, m)) == "0+"

    def test_an_unknown_number_of_terms_is_refused(self):
        k = Symbol("k", integer=True)
        with pytest.raises(Undecided):
            decide_sign(over(p[z], z, k))

    @pytest.mark.parametrize("e", [over(M[z]), over(p[z]) - 1, p[x] - p[y], M[x] * M[y], log(pos)])
    def test_what_structure_does_not_settle_is_refused(self, e):
        with pytest.raises(Undecided):
            decide_sign(e)

    def test_one_minus_exp(self):
        assert decide_sign(1 - exp(-pos)) == "+"
        assert decide_sign(exp(-pos) - 1) == "-"
        with pytest.raises(Undecided):
            decide_sign(1 - exp(r))

    def test_given_signs_for_all_indices(self):
        given = (Sign(r - M[y], for_all=(y,)),)
        assert decide_sign(over(p[z] * (r - M[z])), given) == "0+"
        with pytest.raises(Undecided):
            decide_sign(over(p[z] * (M[z] - r) * M[z]), given)

    def test_a_sign_of_one_term_helps_in_a_longer_sum(self):
        given = (Sign(r - M[y], for_all=(y,)),)
        assert decide_sign(over(p[z] * (r - M[z] + pos)), given) == "+"


class TestLimits:
    def test_determinate_forms(self):
        assert limit_at_infinity(exp(-a), a) == 0
        assert limit_at_infinity(exp(-a), a, -oo) == oo
        assert limit_at_infinity(tanh(a), a, -oo) == -1
        assert limit_at_infinity(over(p[z] * exp(-a * p[z])), a) == 0
        assert limit_at_infinity(over(p[z] * exp(a * p[z])), a) == oo
        assert limit_at_infinity(1 / (2 + exp(-a)), a) == Rational(1, 2)

    @pytest.mark.parametrize(
        "form",
        [
            a * exp(-a),  # oo * 0
            a - exp(a),  # oo - oo
            exp(a) / (1 + exp(a)),  # oo / oo
            (1 + 1 / a) ** a,  # 1 ** oo
            exp(pos * a) * over(p[z] * exp(-pos * a)),  # sum p, not 0
        ],
    )
    def test_indeterminate_forms_are_refused(self, form):
        with pytest.raises(Undecided):
            limit_at_infinity(form, a)

    def test_an_exponent_of_unknown_sign_is_refused(self):
        with pytest.raises(Undecided):
            limit_at_infinity(exp(a * r), a)
        with pytest.raises(Undecided):
            limit_at_infinity(over(p[z] * exp(a * M[z])), a)

    def test_one_over_zero_is_refused(self):
        with pytest.raises(Undecided):
            limit_at_infinity(1 / (exp(-a) * M[x]), a)
        with pytest.raises(Undecided):
            limit_at_infinity(1 / (exp(-a) + exp(-2 * a)), a)

    def test_a_range_that_grows_is_refused(self):
        k = Symbol("k", integer=True, positive=True)
        with pytest.raises(Undecided):
            limit_at_infinity(Sum(exp(-p[z] * k), (z, 0, k)), k)
