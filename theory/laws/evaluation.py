"""The number that a symbolic expression is: one walk over it, in an arithmetic to choose.

Sums run over concrete ranges, symbols, entries of arrays and undefined functions are asked of a
*source* (an `Instance`, say), and every node becomes an operation of the arithmetic: `EXACT` keeps
fractions as long as only rational operations occur, other `Numbers` work with the digits of an
mpmath context, and anything that has their methods serves, ball arithmetic for one. What it has no
method for has no value. The walk is ours because SymPy's own route (`subs`, then `doit`, then
`evalf`) rebuilds every sum as an expression first, a hundred times slower, and `subs` on a bound
index can capture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any

import sympy as sp
from mpmath import mp
from sympy.core.function import AppliedUndef

Number = Any  # Fraction or mpf, or what the arithmetic has


class NoValueError(ValueError):
    """An expression has no value: a symbol is unbound, a node has no rule, a divisor is zero."""


class Numbers:
    """Arithmetic with the digits of an mpmath context; fractions stay as they are if `exactly`."""

    def __init__(self, context: Any, *, exactly: bool = False) -> None:
        self.context = context
        self.exactly = exactly
        self.cosh, self.sinh, self.tanh = map(self._rounded, ("cosh", "sinh", "tanh"))
        self.cos, self.sin = map(self._rounded, ("cos", "sin"))

    def _rounded(self, name: str) -> Callable[[Number], Number]:
        return lambda x: getattr(self.context, name)(self.rounded(x))

    def rounded(self, x: Number) -> Number:
        """A number for the functions of the context."""
        return self.context.mpf(x.numerator) / x.denominator if isinstance(x, Fraction) else x

    def exact(self, x: Number) -> Number:
        """A fraction as a number of this arithmetic."""
        return x if self.exactly else self.rounded(x)

    def constant(self, name: str) -> Number:
        """`pi`, `e`, `inf` or `ninf`."""
        return +getattr(self.context, name)

    def total(self, terms: Iterable[Number]) -> Number:
        """Their sum; 0 for none."""
        rational, other = Fraction(0), []
        for t in terms:
            if isinstance(t, Fraction):
                rational += t
            else:
                other.append(t)
        if not other:
            return self.exact(rational)
        return self.context.fsum([*other, self.rounded(rational)] if rational else other)

    def power(self, base: Number, n: Number) -> Number:
        """`base` to the power `n`; NoValueError for a root of a negative number."""
        if isinstance(n, Fraction) and n.denominator == 1:
            return base ** int(n)
        if base < 0:
            raise NoValueError(f"the power {n} of {base}")
        return self.context.power(self.rounded(base), self.rounded(n))

    def sqrt(self, x: Number) -> Number:
        """The square root of a number that is not negative."""
        return self.power(x, Fraction(1, 2))

    def exp(self, x: Number) -> Number:
        """e^x."""
        return self.exact(Fraction(1)) if x == 0 else self.context.exp(self.rounded(x))

    def log(self, x: Number) -> Number:
        """log x; NoValueError unless x > 0."""
        if x <= 0:
            raise NoValueError(f"logarithm of {x}")
        return self.exact(Fraction(0)) if x == 1 else self.context.log(self.rounded(x))

    def signum(self, x: Number) -> Number:
        """1, 0 or -1."""
        return self.exact(Fraction((x > 0) - (x < 0)))

    def largest(self, *x: Number) -> Number:
        """The largest."""
        return max(x, key=self.rounded)

    def least(self, *x: Number) -> Number:
        """The least."""
        return min(x, key=self.rounded)

    def integral(self, f: Callable[[Number], Number], low: Number, high: Number) -> Number:
        """The integral of a function, by quadrature."""
        ends = [self.rounded(low), self.rounded(high)]
        return self.context.quad(lambda x: self.rounded(f(x)), ends)

    def slope(self, f: Callable[[Number], Number], at: Number, order: int) -> Number:
        """A derivative, as a difference quotient with as many digits more as that costs."""
        return self.context.diff(lambda x: self.rounded(f(x)), self.rounded(at), order)


EXACT = Numbers(mp, exactly=True)
_FUNCTIONS: Mapping[type, str] = {
    sp.exp: "exp", sp.log: "log", sp.tanh: "tanh", sp.sinh: "sinh", sp.cosh: "cosh",
    sp.cos: "cos", sp.sin: "sin", sp.Max: "largest", sp.Min: "least", sp.sign: "signum",
}  # fmt: skip
_CONSTANTS = {sp.pi: "pi", sp.E: "e", sp.oo: "inf", -sp.oo: "ninf"}


class Walk:
    """Evaluates nodes; free symbols are asked for by name, bound ones are known by identity.

    A sum inside another is taken once for each of the values that it depends on.
    """

    def __init__(
        self,
        source: Any,
        arithmetic: Any = EXACT,
        bound: Mapping[Any, Number] | None = None,
        known: dict[Any, Number] | None = None,
    ) -> None:
        self.source = source
        self.arithmetic = arithmetic
        self.bound = bound or {}
        self.known = {} if known is None else known

    def of(self, e: sp.Expr) -> Number:
        """The value of one node; NoValueError where a symbol or a rule is missing."""
        if isinstance(e, sp.Rational):
            return self.arithmetic.exact(Fraction(int(e.p), int(e.q)))
        if isinstance(e, sp.Symbol):
            return self._exact(self.bound[e] if e in self.bound else self.source.number(e))
        if isinstance(e, sp.Indexed):
            indices = tuple(map(self.whole, e.indices))
            return self._exact(self.source.entry(e.base.label.name, indices))
        if isinstance(e, sp.Add):
            return self.arithmetic.total(map(self.of, e.args))
        if isinstance(e, sp.Mul):
            return math.prod(map(self.of, e.args))
        name = _FUNCTIONS.get(type(e))
        if name is not None:
            return self._rule(name, e)(*map(self.of, e.args))
        if isinstance(e, sp.Pow):
            return self._power(e)
        if isinstance(e, sp.Sum | sp.Product):
            free = e.free_symbols
            key = e, *((s, at) for s, at in self.bound.items() if s in free)
            if key not in self.known:
                self.known[key] = self._series(e)
            return self.known[key]
        return self._other(e)

    def _other(self, e: sp.Expr) -> Number:
        if isinstance(e, sp.KroneckerDelta):
            i, k = map(self._exactly, e.args)
            return self._exact(int(i == k))
        if isinstance(e, sp.floor):
            return self._exact(math.floor(self._exactly(e.args[0])))
        if isinstance(e, sp.Mod):
            number, divisor = map(self._exactly, e.args)
            return self._exact(number % divisor)
        if isinstance(e, sp.Abs):
            return abs(self.of(e.args[0]))
        if isinstance(e, sp.Derivative):
            ((variable, order),) = e.variable_count
            slope = self._rule("slope", e)
            return slope(self._as_function(e.expr, variable), self.of(variable), int(order))
        if isinstance(e, sp.Integral):
            ((t, low, high),) = e.limits
            return self._rule("integral", e)(
                self._as_function(e.function, t), self.of(low), self.of(high)
            )
        if isinstance(e, AppliedUndef):
            return self._exact(self.source.function(e.func.__name__)(*map(self.of, e.args)))
        if e in _CONSTANTS:
            return self._rule("constant", e)(_CONSTANTS[e])
        if isinstance(e, sp.Float):
            return self._exact(Fraction(str(e)))
        return self._rule("", e)

    def _rule(self, name: str, e: sp.Expr) -> Any:
        rule = getattr(self.arithmetic, name, None)
        if rule is None:
            raise NoValueError(f"no rule for {type(e).__name__} in {e}")
        return rule

    def _exact(self, x: Any) -> Number:
        if isinstance(x, Fraction):
            return self.arithmetic.exact(x)
        return self.arithmetic.exact(Fraction(x)) if isinstance(x, int | float) else x

    def _exactly(self, e: sp.Expr) -> Number:
        """The value of what says where one is, whatever the arithmetic."""
        return Walk(self.source, EXACT, self.bound).of(e)

    def whole(self, e: sp.Expr) -> int:
        """An index or the end of a range; NoValueError unless it is a whole number."""
        k = self.bound[e] if e in self.bound else self._exactly(e)
        if k != int(k):
            raise NoValueError(f"the index {e} is {k}")
        return int(k)

    def _with(self, symbol: sp.Symbol, value: Number) -> Walk:
        return Walk(self.source, self.arithmetic, {**self.bound, symbol: value}, self.known)

    def _as_function(self, e: sp.Expr, variable: sp.Symbol) -> Callable[[Number], Number]:
        return lambda x: self._with(variable, x).of(e)

    def _power(self, e: sp.Pow) -> Number:
        base = self.of(e.base)
        if isinstance(e.exp, sp.Integer):
            power = base ** abs(int(e.exp))
            return power if e.exp > 0 else 1 / power
        if e.exp == sp.Rational(1, 2):
            return self.arithmetic.sqrt(base)
        return self._rule("power", e)(base, self.of(e.exp))

    def _series(self, e: sp.Expr) -> Number:
        *inner, (index, low, high) = e.limits
        body = e.func(e.function, *inner) if inner else e.function
        span = range(self.whole(low), self.whole(high) + 1)
        terms = (self._with(index, Fraction(k)).of(body) for k in span)
        if isinstance(e, sp.Sum):
            return self.arithmetic.total(terms)
        return math.prod(terms, start=self.arithmetic.exact(Fraction(1)))
