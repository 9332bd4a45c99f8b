"""Real numbers of SymPy, printed in Coq: what is alike whatever tokens and indices are there.

Terms and factors come in one order, whatever order SymPy keeps them in: numbers, symbols, entries
of arrays, the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sympy import Abs, Expr, Indexed, Pow, Rational, Symbol, cos, exp, log, sin, tanh
from sympy.core.function import AppliedUndef

from steering_strength.theory.errors import SteeringError

ENDS = {"oo": "p_infty", "-oo": "m_infty"}
"""Where a limit is taken."""

_FUNCTIONS = {exp: "exp", log: "ln", tanh: "tanh", Abs: "Rabs", cos: "cos", sin: "sin"}
_RESERVED = {"R": "range_of_M", "exp": "exp_", "S": "S_", "Z": "Z_", "I": "I_", "C": "C_"}


class NotPrintableError(SteeringError):
    """The claim says something that has no translation."""

    def __init__(self, what: object) -> None:
        super().__init__(f"{what} has no form in Coq", remedy="extend the printers of `formal`")


def coq_name(symbol: Any) -> str:
    """The name of a symbol, an array or a function, made a name of Coq."""
    name = str(symbol.name if isinstance(symbol, Symbol) else symbol)
    if name.startswith("|"):
        name = f"size_{name.strip('|')}"
    name = name.replace("_+", "_plus").replace("_-", "_minus").replace("_*", "_star")
    name = re.sub(r"[^\w']", "_", name)
    return _RESERVED.get(name, name)


class Terms:
    """Prints expressions; `bound` everywhere names the indices around one.

    What a symbol, an entry of an array or a sum is in Coq, a printer says in `leaf` and `other`.
    """

    def term(self, e: Expr, bound: Mapping[Any, str] | None = None) -> str:
        """A real number, in parentheses where needed.

        Raises
        ------
        NotPrintableError
            It holds something that has no translation.
        """
        bound = bound or {}
        if isinstance(e, Rational):
            sign = f"{e.p}" if e.p >= 0 else f"(- {-e.p})"
            return sign if e.q == 1 else f"({sign} / {e.q})"
        if isinstance(e, Symbol | Indexed):
            return self.leaf(e, bound)
        if e.is_Add or e.is_Mul:
            parts = sorted((_rank(part), self.term(part, bound)) for part in e.args)
            sign = " + " if e.is_Add else " * "
            return f"({sign.join(text for _, text in parts)})"
        for kind, name in _FUNCTIONS.items():
            if isinstance(e, kind):
                return applied(name, self.term(e.args[0], bound))
        if isinstance(e, AppliedUndef):
            name = coq_name(e.func.__name__)
            return applied(name, *(self.argument(a, bound) for a in e.args))
        if isinstance(e, Pow) and e.exp.is_Rational and e.exp.q in (1, 2):
            whole, root = divmod(abs(e.exp.p), e.exp.q)
            base = self.term(e.base, bound)
            power = base if whole == 1 else f"({base} ^ {whole})"
            if root:
                power = f"({power} * sqrt {base})" if whole else f"(sqrt {base})"
            return power if e.exp > 0 else f"(/ {power})"
        if isinstance(e, Pow):  # of a positive base
            return applied("Rpower", self.term(e.base, bound), self.term(e.exp, bound))
        return self.other(e, bound)

    def leaf(self, e: Expr, bound: Mapping[Any, str]) -> str:
        """A symbol, or an entry of an array."""
        raise NotImplementedError

    def argument(self, e: Expr, bound: Mapping[Any, str]) -> str:
        """What an unknown function is applied to."""
        return self.term(e, bound)

    def other(self, e: Expr, bound: Mapping[Any, str]) -> str:
        """Whatever is left: sums above all."""
        raise NotPrintableError(e)


def applied(function: str, *arguments: str) -> str:
    """A function at its arguments, if there are any."""
    return f"({' '.join((function, *arguments))})" if arguments else function


def _rank(e: Expr) -> int:
    if e.is_Number:
        return 0
    if isinstance(e, Symbol):
        return 1
    return 2 if isinstance(e, Indexed) else 3
