"""A formula of SymPy, printed in Coq.

Tokens, contexts and coordinates are elements of lists there, so a range of indices is a list, and
the number of its elements the list's length.
"""

from __future__ import annotations

from collections.abc import Mapping

from sympy import Derivative, Expr, Indexed, Sum, Symbol
from sympy.core.function import AppliedUndef

from steering_strength.proofs_check.formal.terms import NotPrintableError, Terms, applied
from steering_strength.theory.errors import SteeringError
from steering_strength.theory.laws.kernel import Fact, Given, Let, Sign, Split

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


class Printer(Terms):
    """Prints the formulas of one proposition.

    A derivative inside of a formula becomes d1, d2, ..., by its order, and after its variable where
    that is not alpha. Of an unknown function it is assumed to exist, for all values of its
    variable; of any other it is part of what is claimed: `opening` holds what comes first.
    """

    def __init__(self) -> None:
        self.opening: dict[str, str] = {}

    def leaf(self, e: Expr, bound: Mapping[Symbol, str]) -> str:
        """A symbol, or an entry of an array."""
        if isinstance(e, Symbol):
            return bound.get(e) or _NAMES.get(e.name, e.name)
        indices = [self.term(index, bound) for index in e.indices]
        base = str(e.base)
        return indices[0] if base in _ELEMENTS else applied(_base(base), *indices)

    def other(self, e: Expr, bound: Mapping[Symbol, str]) -> str:
        """A sum, or a derivative inside of a formula."""
        if isinstance(e, Sum):
            return self._sum(e, bound)
        if isinstance(e, Derivative):
            return self._value(e, bound)
        return super().other(e, bound)

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
        NotPrintableError
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
            raise NotPrintableError(hypothesis)
        opening = f"forall {' '.join(names)}, " if names else ""
        return f"({opening}{held}{claim}) ->\n  "

    def _sum(self, expr: Sum, bound: Mapping[Symbol, str]) -> str:
        names = dict(bound)
        for index, _, _ in reversed(expr.limits):
            around = expr.function.free_symbols - {index}
            name = str(index.name)
            while name in {
                names.get(other, other.name) for other in around if isinstance(other, Symbol)
            }:
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
        x = self.term(variable)
        name = f"d{order}" if x == "alpha" else f"d{order}_{x}"
        over = [named for index, named in bound.items() if index in found.free_symbols]
        unknown = isinstance(found.expr, AppliedUndef)
        value = applied(name, *over, *([x] if unknown else []))
        every = f"forall {' '.join(over)}, " if over else ""
        if unknown:
            held = f"(forall {' '.join([*over, x])}, {self.derivative(found, value, bound)})"
            opening = f"forall {name}, {held} ->\n  "
        else:
            held = f"({every}{self.derivative(found, value, bound)})"
            opening = f"exists {name}, {held} /\\\n  "
        if self.opening.setdefault(name, opening) != opening:
            raise SteeringError(f"two derivatives {name} in one formula", remedy="extend Printer")
        return value


def range_of(low: Expr, high: Expr) -> str:
    """The list of the elements numbered `low` to `high`."""
    try:
        return _RANGES[str(low), str(high)]
    except KeyError:
        raise SteeringError(
            f"the indices {low} to {high} have no name in Coq", remedy="extend _RANGES"
        ) from None


def _base(name: str) -> str:
    return name if name == "b" else _NAMES.get(name, name)
