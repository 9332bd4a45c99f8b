"""The number a symbolic law gives on a concrete instance, with the digits of the oracle.

`value(expression, numbers, arrays)` walks the SymPy expression and evaluates each node with
mpmath: sums run over the concrete vocabulary, indexed symbols are looked up, named quantities are
replaced by their definitions, a derivative is the difference quotient in its definition. The walk
is ours because SymPy's own route (`subs`, then `doit`, then `evalf`) rebuilds every sum as an
expression first, a hundred times slower, and `subs` on a bound index can capture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from proofs_check.oracles.precise import CTX, Number, number

__all__ = ["NoValueError", "value"]


class NoValueError(ValueError):
    """The expression holds something this evaluator has no rule for, or an unbound symbol."""


_FUNCTIONS: dict[type, Callable[..., Number]] = {
    sp.exp: CTX.exp,
    sp.log: CTX.log,
    sp.tanh: CTX.tanh,
    sp.sinh: CTX.sinh,
    sp.cosh: CTX.cosh,
    sp.Abs: abs,
    sp.Max: max,
    sp.Min: min,
    sp.sign: CTX.sign,
}


def value(
    expression: Any,
    numbers: Mapping[str, Any],
    arrays: Mapping[str, Any],
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

    Raises
    ------
    NoValueError
        A symbol has no value, or a node has no rule.
    """
    return _Evaluator(numbers, arrays).of(expression)


class _Evaluator:
    """Free symbols are found by name, bound ones by identity: two dummies may share a name."""

    def __init__(
        self,
        scope: Mapping[str, Any],
        arrays: Mapping[str, Any],
        bound: Mapping[Any, Any] | None = None,
    ) -> None:
        self._scope = scope
        self._arrays = arrays
        self._bound = bound or {}

    def of(self, node: Any) -> Number:
        """The value of one node."""
        if hasattr(node, "definition"):  # a named quantity of theory.laws
            return self.of(node.definition())
        if isinstance(node, sp.Integer):
            return CTX.mpf(int(node))
        if isinstance(node, sp.Rational):
            return CTX.mpf(int(node.p)) / int(node.q)
        if isinstance(node, sp.Float):
            return number(float(node))
        if node is sp.oo or node is -sp.oo:
            return CTX.inf if node is sp.oo else -CTX.inf
        if isinstance(node, sp.Symbol):
            return number(self._lookup(node))
        if isinstance(node, sp.Indexed):
            entry: Any = self._arrays.get(node.base.label.name)
            if entry is None:
                raise NoValueError(f"no array is bound to {node.base}")
            for index in node.indices:
                entry = entry[int(self.of(index))]
            return number(entry)
        if isinstance(node, sp.Add):
            return CTX.fsum(self.of(term) for term in node.args)
        if isinstance(node, sp.Mul):
            return CTX.fprod(self.of(factor) for factor in node.args)
        if isinstance(node, sp.Pow):
            return self.of(node.base) ** self.of(node.exp)
        if isinstance(node, sp.Sum | sp.Product):
            return self._series(node)
        if isinstance(node, sp.Derivative):
            return self._derivative(node)
        if isinstance(node, AppliedUndef) and node.func.__name__ in self._arrays:
            function: Any = self._arrays[node.func.__name__]
            return number(function(*(self.of(argument) for argument in node.args)))
        rule = _FUNCTIONS.get(type(node))
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
        return _Evaluator(self._scope, self._arrays, {**self._bound, symbol: entry})

    def _series(self, node: Any) -> Number:
        combine = CTX.fsum if isinstance(node, sp.Sum) else CTX.fprod
        *inner, (index, low, high) = node.limits
        body = node.func(node.function, *inner) if inner else node.function
        span = range(int(self.of(low)), int(self.of(high)) + 1)
        return combine(self._with(index, i).of(body) for i in span)

    def _derivative(self, node: Any) -> Number:
        """An n-th central difference over points a distance h apart.

        The error is of order h^2 and the cancellation costs h^-n: h = 10^(-digits/(n + 2)) loses as
        much to the one as to the other and keeps 2 digits in n + 2.
        """
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
