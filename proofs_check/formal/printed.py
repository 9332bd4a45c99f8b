"""A formula of SymPy, printed in Coq.

Tokens, contexts and coordinates are elements of lists there, so a range of indices is a list, and
the number of its elements the list's length. Terms and factors come in one order, whatever order
SymPy keeps them in: numbers, symbols, entries of arrays, the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sympy import Derivative, Expr, Indexed, Integer, Pow, Rational, Sum, Symbol, exp, log, tanh
from sympy.core.function import AppliedUndef

from steering_strength.theory.errors import SteeringError
from steering_strength.theory.laws.kernel import Fact, Given, Let, Sign, Split

__all__ = ["Printer"]

_RANGES: Mapping[tuple[str, str], str] = {
    ("0", "V - 1"): "vocab",
    ("0", "|C| - 1"): "(filter C vocab)",
    ("|C|", "V - 1"): "(filter (outside C) vocab)",
    ("0", "|A| - 1"): "(filter A vocab)",
    ("|A|", "V - 1"): "(filter (outside A) vocab)",
    ("|A|", "|A| + |C| - 1"): "(filter C vocab)",
    ("0", "m - 1"): "contexts",
    ("0", "q_P - 1"): "P",
    ("0", "q_N - 1"): "N",
    ("0", "|P| - 1"): "P",
    ("0", "|N| - 1"): "N",
    ("0", "d - 1"): "coords",
    ("0", "T - 1"): "steps",
    ("0", "n - 1"): "levels",
}
"""First and last index -> the list."""

_NAMES: Mapping[str, str] = {
    "|C|": "(size vocab C)",
    "q_P": "(INR (length P))",
    "q_N": "(INR (length N))",
    "|P|": "(INR (length P))",
    "|N|": "(INR (length N))",
    "R": "range",
    "p^P": "q",
    "p^N": "q",
    "b^P": "b",
    "b^N": "b",
    "w^P": "w",
    "w^N": "w",
    "L^P": "L",
    "L^N": "L",
    "b": "shift",
}
"""Symbols and arrays whose name in Coq is another; contexts of P and of N are of one type."""

_ELEMENTS = ("P", "N", "m")
"""Arrays that number elements of a list, which there need no numbers."""

_SIZES: Mapping[str, str] = {
    "V - |A|": "filter (outside A) vocab <> nil",
    "V - |C|": "filter (outside C) vocab <> nil",
    "V - |A| - |C|": "forall y, In y (filter C vocab) -> A y = false",
}
"""Numbers of tokens that are positive, or not negative: what that says of the lists."""


class Printer:
    """Prints the formulas of one proposition.

    A derivative inside of a formula becomes the value d1, d2, ... (its order) of a function, of
    which `premises` say that it is that derivative.
    """

    def __init__(self) -> None:
        self.premises: dict[str, str] = {}

    def term(self, expr: Expr, bound: Mapping[Symbol, str] | None = None) -> str:
        """An expression, in parentheses where needed; `bound` names the indices around it.

        Raises
        ------
        SteeringError
            It holds something that has no translation.
        """
        bound = bound or {}
        if isinstance(expr, Integer):
            return str(expr) if expr >= 0 else f"(- {-expr})"
        if isinstance(expr, Rational):
            return f"({expr.p} / {expr.q})"
        if isinstance(expr, Symbol):
            return bound.get(expr) or _NAMES.get(expr.name, expr.name)
        if isinstance(expr, Indexed):
            indices = [self.term(index, bound) for index in expr.indices]
            base = str(expr.base)
            return indices[0] if base in _ELEMENTS else _apply(_base(base), *indices)
        if expr.is_Add or expr.is_Mul:
            parts = sorted(expr.args, key=lambda part: (_rank(part), self.term(part, bound)))
            sign = " + " if expr.is_Add else " * "
            return f"({sign.join(self.term(part, bound) for part in parts)})"
        for function, name in ((exp, "exp"), (log, "ln"), (tanh, "tanh")):
            if isinstance(expr, function):
                return _apply(name, self.term(expr.args[0], bound))
        if isinstance(expr, AppliedUndef):
            return _apply(expr.func.__name__, *(self.term(part, bound) for part in expr.args))
        if isinstance(expr, Pow) and expr.exp.is_Rational and expr.exp.q == 2:
            whole = self.term(expr.base ** ((abs(expr.exp.p) - 1) // 2), bound)
            power = f"({whole} * {_apply('sqrt', self.term(expr.base, bound))})"
            return power if expr.exp > 0 else f"(/ {power})"
        if isinstance(expr, Pow) and expr.exp.is_Integer:
            base = self.term(expr.base, bound)
            power = base if abs(expr.exp) == 1 else f"({base} ^ {abs(expr.exp)})"
            return power if expr.exp > 0 else f"(/ {power})"
        if isinstance(expr, Pow):  # of a positive base
            return _apply("Rpower", self.term(expr.base, bound), self.term(expr.exp, bound))
        if isinstance(expr, Sum):
            return self._sum(expr, bound)
        if isinstance(expr, Derivative):
            return self._value(expr, bound)
        raise SteeringError(f"{expr} has no form in Coq", remedy="extend Printer.term")

    def derivative(self, found: Derivative, value: str, bound: Mapping[Symbol, str]) -> str:
        """That a derivative exists and has a value."""
        ((variable, order),) = found.variable_count
        v = self.term(variable)
        function = f"(fun {v} => {self.term(found.expr, bound)})"
        if order == 1:
            return f"is_derive {function} {v} {value}"
        return f"is_derive_n {function} {order} {v} {value}"

    def given(self, hypothesis: Given) -> str:
        """A hypothesis of a step as a premise; empty for a cut of a range, which states nothing.

        Raises
        ------
        SteeringError
            It is of a kind that has no translation.
        """
        names: list[str] = []
        held = ""
        if isinstance(hypothesis, Split):
            return ""
        if isinstance(hypothesis, Let):
            names = [self.term(hypothesis.index)]
            held = f"In {names[0]} {range_of(hypothesis.lower, hypothesis.upper)} -> "
            claim = f"{self.term(hypothesis.entry)} = {self.term(hypothesis.value)}"
        elif isinstance(hypothesis, Fact):
            names = [self.term(index) for index in hypothesis.for_all]
            claim = f"{self.term(hypothesis.lhs)} = {self.term(hypothesis.rhs)}"
        elif isinstance(hypothesis, Sign):
            names = [self.term(index) for index in hypothesis.for_all]
            held = "".join(f"In {name} vocab -> " for name in names)
            sign = "<" if hypothesis.strict else "<="
            claim = _SIZES.get(str(hypothesis.expr)) or f"0 {sign} {self.term(hypothesis.expr)}"
        else:
            raise SteeringError(f"{hypothesis} has no form in Coq", remedy="extend Printer.given")
        opening = f"forall {' '.join(names)}, " if names else ""
        return f"({opening}{held}{claim}) ->\n  "

    def _sum(self, expr: Sum, bound: Mapping[Symbol, str]) -> str:
        names = dict(bound)
        for index, _, _ in reversed(expr.limits):
            around = expr.function.free_symbols - {index}
            name = str(index.name)
            while name in {names.get(other, other.name) for other in around if _named(other)}:
                name += "'"
            names[index] = name
        term = self.term(expr.function, names)
        entry = isinstance(expr.function, Indexed) and not any(
            index in expr.function.indices[:-1] for index, _, _ in expr.limits
        )
        for index, low, high in expr.limits:
            function, _, last = term[1:-1].rpartition(" ")
            if entry and last == names[index]:  # `Sum vocab p`
                entry, term = False, f"({function})" if " " in function else function
            else:
                entry, term = False, f"(fun {names[index]} => {term})"
            term = f"(Sum {range_of(low, high)} {term})"
        return term

    def _value(self, found: Derivative, bound: Mapping[Symbol, str]) -> str:
        ((variable, order),) = found.variable_count
        indices = [name for index, name in bound.items() if index in found.free_symbols]
        arguments = [*indices, self.term(variable)]
        value = _apply(f"d{order}", *arguments)
        claim = self.derivative(found, value, bound)
        premise = f"(forall {' '.join(arguments)}, {claim})"
        if self.premises.setdefault(f"d{order}", premise) != premise:
            raise SteeringError(
                f"two derivatives of order {order} in one formula", remedy="extend Printer"
            )
        return value


def range_of(low: Expr, high: Expr) -> str:
    """The list of the elements numbered `low` to `high`."""
    try:
        return _RANGES[str(low), str(high)]
    except KeyError:
        raise SteeringError(
            f"the indices {low} to {high} have no name in Coq", remedy="extend _RANGES"
        ) from None


def _apply(function: str, *arguments: str) -> str:
    return f"({' '.join((function, *arguments))})"


def _base(name: str) -> str:
    return name if name == "b" else _NAMES.get(name, name)


def _named(symbol: Any) -> bool:
    return isinstance(symbol, Symbol) and not isinstance(symbol, Indexed)


def _rank(expr: Expr) -> int:
    if expr.is_Number:
        return 0
    if isinstance(expr, Symbol):
        return 1
    return 2 if isinstance(expr, Indexed) else 3
