"""The number a symbolic law gives on a concrete instance: with the oracle's digits, or as a ball.

`value(expression, numbers, arrays)` walks the SymPy expression and evaluates each node with
mpmath: sums run over the concrete vocabulary, indexed symbols are looked up, named quantities are
replaced by their definitions, a derivative is the difference quotient in its definition. The walk
is ours because SymPy's own route (`subs`, then `doit`, then `evalf`) rebuilds every sum as an
expression first, a hundred times slower, and `subs` on a bound index can capture. The same walk in
ball arithmetic (`in_balls`) encloses the law's value rigorously; there a derivative has no value,
for a difference quotient encloses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from steering_strength.proofs_check.balls import Balls
from steering_strength.proofs_check.oracles.precise import CTX, Number, number

__all__ = ["Arithmetic", "NoValueError", "in_balls", "value"]


class NoValueError(ValueError):
    """The expression holds something this evaluator has no rule for, or an unbound symbol."""


@dataclass(frozen=True)
class Arithmetic:
    """What the nodes of an expression are evaluated with.

    Attributes
    ----------
    number : callable
        An exact value -> a number; a number is left as it is.
    total, product : callable
        Over an iterable of numbers.
    functions : mapping
        SymPy class -> callable.
    root : callable
        The square root, the one power with a fraction that laws contain.
    quotients : bool
        Whether a difference quotient may stand for a derivative.
    """

    number: Callable[[Any], Any]
    total: Callable[[Iterable[Any]], Any]
    product: Callable[[Iterable[Any]], Any]
    functions: Mapping[type, Callable[..., Any]]
    root: Callable[[Any], Any]
    quotients: bool


_DIGITS = Arithmetic(
    number=number,
    total=CTX.fsum,
    product=CTX.fprod,
    functions={
        sp.exp: CTX.exp,
        sp.log: CTX.log,
        sp.tanh: CTX.tanh,
        sp.sinh: CTX.sinh,
        sp.cosh: CTX.cosh,
        sp.Abs: abs,
        sp.Max: max,
        sp.Min: min,
        sp.sign: CTX.sign,
    },
    root=CTX.sqrt,
    quotients=True,
)


@lru_cache(maxsize=8)
def in_balls(balls: Balls) -> Arithmetic:
    """The arithmetic of `balls`, at whatever precision they work with."""

    def enclosed(entry: Any) -> Any:
        return balls.exact(entry) if isinstance(entry, int | float | Fraction) else entry

    def product(factors: Iterable[Any]) -> Any:
        result = balls.exact(1)
        for factor in factors:
            result = result * factor
        return result

    return Arithmetic(
        number=enclosed,
        total=lambda terms: balls.total(list(terms)),
        product=product,
        functions={sp.exp: balls.exp, sp.log: balls.log, sp.Abs: abs},
        root=balls.sqrt,
        quotients=False,
    )


def value(
    expression: Any,
    numbers: Mapping[str, Any],
    arrays: Mapping[str, Any],
    arithmetic: Arithmetic = _DIGITS,
) -> Number:
    """Evaluate `expression`.

    Parameters
    ----------
    expression : SymPy expression
    numbers : mapping
        Symbol name to value (V, alpha, a token index z, ...).
    arrays : mapping
        Name of an IndexedBase to its entries, nested once per index; name of an undefined function
        to a callable.
    arithmetic : Arithmetic
        The oracle's digits by default.

    Raises
    ------
    NoValueError
        A symbol has no value, or a node has no rule.
    """
    return _Evaluator(numbers, arrays, arithmetic).of(expression)


class _Evaluator:
    """Free symbols are found by name, bound ones by identity: two dummies may share a name."""

    def __init__(
        self,
        scope: Mapping[str, Any],
        arrays: Mapping[str, Any],
        arithmetic: Arithmetic,
        bound: Mapping[Any, Any] | None = None,
    ) -> None:
        self._scope = scope
        self._arrays = arrays
        self._arithmetic = arithmetic
        self._bound = bound or {}

    def of(self, node: Any) -> Number:
        """The value of one node."""
        if hasattr(node, "definition"):  # a named quantity of theory.laws
            return self.of(node.definition())
        if isinstance(node, sp.Integer):
            return self._arithmetic.number(int(node))
        if isinstance(node, sp.Rational):
            return self._arithmetic.number(Fraction(int(node.p), int(node.q)))
        if isinstance(node, sp.Float):
            return self._arithmetic.number(float(node))
        if node is sp.oo or node is -sp.oo:
            return CTX.inf if node is sp.oo else -CTX.inf
        if isinstance(node, sp.Symbol):
            return self._arithmetic.number(self._lookup(node))
        if isinstance(node, sp.Indexed):
            entry: Any = self._arrays.get(node.base.label.name)
            if entry is None:
                raise NoValueError(f"no array is bound to {node.base}")
            for index in node.indices:
                entry = entry[self._whole(index)]
            return self._arithmetic.number(entry)
        if isinstance(node, sp.Add):
            return self._arithmetic.total(self.of(term) for term in node.args)
        if isinstance(node, sp.Mul):
            return self._arithmetic.product(self.of(factor) for factor in node.args)
        if isinstance(node, sp.Pow):
            return self._power(node)
        if isinstance(node, sp.Sum | sp.Product):
            return self._series(node)
        if isinstance(node, sp.Derivative):
            return self._derivative(node)
        if isinstance(node, AppliedUndef) and node.func.__name__ in self._arrays:
            function: Any = self._arrays[node.func.__name__]
            return self._arithmetic.number(function(*(self.of(argument) for argument in node.args)))
        rule = self._arithmetic.functions.get(type(node))
        if rule is None:
            raise NoValueError(f"no rule for {type(node).__name__} in {node}")
        return rule(*(self.of(argument) for argument in node.args))

    def _lookup(self, symbol: Any) -> Any:
        if symbol in self._bound:
            return self._bound[symbol]
        try:
            return self._scope[symbol.name]
        except KeyError:
            raise NoValueError(f"the symbol {symbol.name} has no value") from None

    def _with(self, symbol: Any, entry: Any) -> _Evaluator:
        bound = {**self._bound, symbol: entry}
        return _Evaluator(self._scope, self._arrays, self._arithmetic, bound)

    def _whole(self, node: Any) -> int:
        """An index or the end of a range: a whole number, whatever the arithmetic."""
        if isinstance(node, sp.Symbol):
            return int(self._lookup(node))
        return int(_Evaluator(self._scope, self._arrays, _DIGITS, self._bound).of(node))

    def _power(self, node: Any) -> Number:
        base = self.of(node.base)
        if isinstance(node.exp, sp.Integer):
            return (
                self._arithmetic.number(1) / base ** -int(node.exp)
                if node.exp < 0
                else base ** int(node.exp)
            )
        if node.exp == sp.Rational(1, 2):
            return self._arithmetic.root(base)
        if not self._arithmetic.quotients:
            raise NoValueError(f"no rule for the power {node.exp} in ball arithmetic")
        return base ** self.of(node.exp)

    def _series(self, node: Any) -> Number:
        combine = self._arithmetic.total if isinstance(node, sp.Sum) else self._arithmetic.product
        *inner, (index, low, high) = node.limits
        body = node.func(node.function, *inner) if inner else node.function
        span = range(self._whole(low), self._whole(high) + 1)
        return combine(self._with(index, i).of(body) for i in span)

    def _derivative(self, node: Any) -> Number:
        """An n-th central difference over points a distance h apart.

        The error is of order h^2 and the cancellation costs h^-n: h = 10^(-digits/(n + 2)) loses as
        much to the one as to the other and keeps 2 digits in n + 2.
        """
        if not self._arithmetic.quotients:
            raise NoValueError(f"a difference quotient encloses no derivative: {node}")
        ((variable, order),) = node.variable_count
        n = int(order)
        h = CTX.mpf(10) ** (-CTX.mpf(CTX.dps) / (n + 2))
        at = number(self._lookup(variable))
        points = (
            (-1) ** k
            * CTX.binomial(n, k)
            * self._with(variable, at + (CTX.mpf(n) / 2 - k) * h).of(node.expr)
            for k in range(n + 1)
        )
        return CTX.fsum(points) / h**n
