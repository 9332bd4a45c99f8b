"""Formulas are usable: at an instance, as series, as code in three languages, on the families."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from math import inf

import mpmath
import numpy as np
import pytest
from sympy import Derivative, Integer, Rational, Sum, Symbol, log, symbols

from steering_strength.theory import ConceptDataset, TiltedFamily
from steering_strength.theory.errors import ShapeError, UnknownNameError
from steering_strength.theory.laws import LAWS
from steering_strength.theory.laws.families import Smoothed, epsilon_threshold, two_level_peak
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


class TestFamilies:
    data = ConceptDataset.smoothed(concepts=3, tokens_per_concept=3, epsilon=0.05)

    def test_smoothed_log_odds(self):
        family = Smoothed(Rational(1, 20), Integer(3), Integer(3))
        odds = self.data.log_odds([0], [1])
        level = float(family.level)
        expected = [level] * 3 + [float(family.log_odds(Integer(1)))] * 3 + [0.0] * 3
        assert odds == pytest.approx(expected, abs=LAST_DIGITS)

    @pytest.mark.parametrize(("context", "number"), [("T", 0), ("N", 1), ("other", 2)])
    def test_neutral_peaks(self, context, number):
        """Law, closed form and engine agree on the peak of the tokens with M = 0."""
        assert Smoothed().prove_neutral_peak(context)
        claimed = Smoothed().neutral_peak(context)
        peaks = self.data.family(number, self.data.log_odds([0], [1])).peaks()
        assert peaks[6:] == pytest.approx(float(claimed), abs=1e-10)  # brackets of width 2e-11

    def test_unknown_context(self):
        with pytest.raises(UnknownNameError, match="unknown context"):
            Smoothed().neutral_peak("positive")

    def test_two_level_peak_meets_the_engine(self):
        a, b, q, r = symbols("a b q r", positive=True)
        values = {a: Rational(3, 2), b: Rational(1, 2), q: Rational(1, 5), r: Rational(3, 10)}
        exact = float(two_level_peak(a, b, q, r).xreplace(values))
        family = TiltedFamily(np.log([0.5, 0.2, 0.3]), [0.25, 1.75, -0.25])
        assert family.peaks()[0] == pytest.approx(exact, rel=1e-10)


class TestEpsilonThreshold:
    """The threshold of Remark 3.4 is where the engine's peak changes sign."""

    gamma = np.array([0.5, 0.5, 0.05, 0.95, 0.4, 0.6])
    omega = np.array([0.3, 0.7, 0.9, 0.1, 0.4, 0.6])
    labels = np.repeat([0, 1, 2], 2)

    def _kl(self, q, r, concept):
        inside = self.labels == concept
        return float(np.sum(q[inside] * np.log(q[inside] / r[inside])))

    def _bracket(self):
        return epsilon_threshold(
            concepts=3,
            share=0,
            ratio=np.log(self.gamma / self.omega)[:2].min(),
            kappa_target=self._kl(self.omega, self.gamma, 0),
            kappa_negative=self._kl(self.omega, self.gamma, 1),
            delta=self._kl(self.gamma, self.omega, 2),
        )

    def test_is_a_sign_change_of_the_margin(self):
        """M(z) - E[M] in the context of the third concept, by arrays, no dataset class."""
        lower, upper = map(float, self._bracket())
        assert upper - lower <= 1e-15

        def margin(epsilon):
            a, b = (1 - epsilon) * self.gamma, epsilon / 2 * self.omega
            odds = np.where(self.labels == 0, 1, np.where(self.labels == 1, -1, 0)) * np.log(a / b)
            context = np.where(self.labels == 2, a, b)
            return odds[:2].min() - context @ odds

        step = 1e-9  # far above rounding, far below the scale on which the margin changes
        assert margin(lower - step) > 0 > margin(upper + step)

    def test_every_epsilon_works_if_the_families_agree(self):
        bound, infinite = epsilon_threshold(
            concepts=3, share=0, ratio=0.0, kappa_target=0, kappa_negative=0, delta=0
        )
        assert infinite == inf
        assert float(bound) == pytest.approx(2 / 3)


def test_sums_stay_symbolic():
    assert LAWS["ce-exact"].rhs.atoms(Sum)
    assert Symbol("m", integer=True, positive=True) in LAWS["ce-exact"].rhs.free_symbols
