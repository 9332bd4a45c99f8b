"""Formulas are usable: at an instance, as series, as code in three languages."""

from __future__ import annotations

import ctypes
import shutil
import subprocess

import mpmath
import numpy as np
import pytest
from sympy import Derivative, Integer, Rational, Sum, Symbol, log

from steering_strength.theory import TiltedFamily
from steering_strength.theory.errors import ShapeError
from steering_strength.theory.laws import LAWS
from steering_strength.theory.laws.formulas import at_instance, c_function, function, taylor
from steering_strength.theory.laws.kernel import decide_equal
from steering_strength.theory.laws.symbols import (
    NORMALISED,
    K,
    M,
    V,
    alpha,
    mean,
    over_tokens,
    p,
    variance,
    z,
)

P = [Rational(1, 2), Rational(1, 3), Rational(1, 6)]
ODDS = [log(2), Integer(0), -log(3)]
FLOAT_P = np.array([float(v) for v in P])
FLOAT_M = np.array([float(v) for v in ODDS])
FAMILY = TiltedFamily(np.log(FLOAT_P), FLOAT_M)
# every number below has at most a dozen operations on values of order 1
LAST_DIGITS = 1e-14


class TestAtInstance:
    def test_is_exact(self):
        value = at_instance(mean(alpha), {p: P, M: ODDS}, {V: 3, alpha: 1})
        weights = [1, Rational(1, 3), Rational(1, 18)]
        expected = (weights[0] * log(2) - weights[2] * log(3)) / sum(weights)
        assert (value - expected).equals(0)

    def test_meets_the_engine(self):
        for expression, number in ((K(alpha), FAMILY.cgf), (variance(alpha), FAMILY.variance)):
            value = at_instance(expression, {p: P, M: ODDS}, {V: 3, alpha: Rational(7, 5)})
            assert float(value) == pytest.approx(float(number(1.4)), abs=LAST_DIGITS)

    def test_derivatives_are_taken_first(self):
        law = LAWS["mean-slope"]
        left = at_instance(law.lhs, {p: P, M: ODDS}, {V: 3, alpha: 2})
        right = at_instance(law.rhs, {p: P, M: ODDS}, {V: 3, alpha: 2})
        assert abs((left - right).evalf(30)) < 1e-28

    def test_arrays_must_be_long_enough(self):
        with pytest.raises(ShapeError, match=r"entries 0 \.\. 2"):
            at_instance(mean(alpha), {p: P, M: ODDS}, {V: 4, alpha: 1})


class TestTaylor:
    def test_the_coefficients_are_cumulants(self):
        zeroth, first, second = taylor(K(alpha), 2, alpha, (NORMALISED,))
        assert zeroth == 0
        assert decide_equal(first, over_tokens(p[z] * M[z]))
        variance_0 = over_tokens(p[z] * M[z] ** 2) - over_tokens(p[z] * M[z]) ** 2
        assert decide_equal(second, variance_0 / 2)

    def test_any_order_meets_the_engine(self):
        coefficients = taylor(K(alpha), 5, alpha, (NORMALISED,))
        cumulants = FAMILY.cumulants(5)
        for n in range(1, 6):
            value = at_instance(coefficients[n], {p: P, M: ODDS}, {V: 3})
            factorial = float(np.prod(np.arange(1, n + 1)))
            assert float(value) * factorial == pytest.approx(cumulants[n - 1], abs=1e-13)


class TestCode:
    def test_numpy(self):
        f = function(mean(alpha), [alpha, p, M, V])
        assert f(0.7, FLOAT_P, FLOAT_M, 3) == pytest.approx(
            float(FAMILY.mean(0.7)), abs=LAST_DIGITS
        )

    def test_mpmath_has_more_digits(self):
        f = function(Derivative(K(alpha), alpha), [alpha, p, M, V], modules="mpmath")
        with mpmath.workdps(40):
            value = f(mpmath.mpf(2), [mpmath.mpf(1) / 2] * 2, [mpmath.mpf(1), mpmath.mpf(-1)], 2)
            assert abs(value - mpmath.tanh(2)) < mpmath.mpf(10) ** -38

    def test_c_source_has_loops(self):
        source = c_function(mean(alpha), "mean", [alpha, p, M, V])
        assert source.count("for (int") == 2
        assert "double mean(double alpha, const double *p, const double *M, int V)" in source

    @pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler on this machine")
    def test_c_source_compiles_and_computes(self, tmp_path):
        source = tmp_path / "variance.c"
        source.write_text(c_function(variance(alpha), "variance", [alpha, p, M, V]))
        library = tmp_path / "variance.so"
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-O1", str(source), "-o", str(library), "-lm"], check=True
        )
        f = ctypes.CDLL(str(library)).variance
        f.restype = ctypes.c_double
        pointer = ctypes.POINTER(ctypes.c_double)
        value = f(
            ctypes.c_double(0.7),
            FLOAT_P.ctypes.data_as(pointer),
            FLOAT_M.ctypes.data_as(pointer),
            ctypes.c_int(3),
        )
        assert value == pytest.approx(float(FAMILY.variance(0.7)), abs=LAST_DIGITS)

    def test_c_of_a_derivative_by_an_entry_and_of_any_name(self):
        token = Symbol("x", integer=True)
        source = c_function(Derivative(K(alpha), M[token]), "f", [alpha, p, M, V, token])
        assert "== (" in source
        assert "KroneckerDelta" not in source
        size = Symbol("|A|", integer=True, positive=True)
        block = c_function(Sum(p[z], (z, 0, size - 1)), "f", [p, size])
        assert "int size_A" in block
        assert "|" not in block


def test_sums_stay_symbolic():
    assert LAWS["ce-exact"].rhs.atoms(Sum)
    assert Symbol("m", integer=True, positive=True) in LAWS["ce-exact"].rhs.free_symbols
