"""The number a symbolic law gives on a concrete instance: with the oracle's digits, or as a ball.

`value(expression, values)` walks the SymPy expression and evaluates each node with mpmath: sums run
over the concrete vocabulary, indexed symbols are looked up, named quantities are replaced by their
definitions, a derivative is the difference quotient in its definition. The walk is ours because
SymPy's own route (`subs`, then `doit`, then `evalf`) rebuilds every sum as an expression first, a
hundred times slower, and `subs` on a bound index can capture. The same walk in ball arithmetic
(`value(expression, values, balls)`) encloses the law's value rigorously; there a derivative has no
value, for a difference quotient encloses nothing, nor has a sign, which may be unknown.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache, reduce
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from steering_strength.proofs_check.balls import Balls
from steering_strength.proofs_check.comparison import LAW, Comparison, compare
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase
from steering_strength.proofs_check.oracles.precise import CTX, Number, number
from steering_strength.theory.laws import LAWS

Values = Mapping[str, Any]
"""Name of a symbol, an IndexedBase or a function -> a number, (nested) entries, a callable."""

_FUNCTIONS: Mapping[type, str] = {
    sp.exp: "exp", sp.log: "log", sp.tanh: "tanh", sp.sinh: "sinh", sp.cosh: "cosh",
    sp.Max: "largest", sp.Min: "least", sp.sign: "signum",
}  # fmt: skip


class NoValueError(ValueError):
    """The expression holds something this evaluator has no rule for, or an unbound symbol."""


class Digits:
    """The oracle's digits, under the names that balls have."""

    exact, total, sqrt = staticmethod(number), staticmethod(CTX.fsum), staticmethod(CTX.sqrt)
    exp, log, signum = staticmethod(CTX.exp), staticmethod(CTX.log), staticmethod(CTX.sign)
    tanh, sinh, cosh = staticmethod(CTX.tanh), staticmethod(CTX.sinh), staticmethod(CTX.cosh)
    largest, least = staticmethod(max), staticmethod(min)


_DIGITS = Digits()


def value(expression: Any, values: Values, arithmetic: Balls | Digits = _DIGITS) -> Number:
    """Evaluate a SymPy expression, with the oracle's digits by default.

    NoValueError if a symbol has no value, or a node has no rule.
    """
    return _Evaluator(values, arithmetic).of(expression)


class _Evaluator:
    """Free symbols are found by name, bound ones by identity: two dummies may share a name.

    A sum inside another is taken once for each of the values that it depends on (`_known`).
    """

    def __init__(
        self,
        values: Values,
        arithmetic: Any,
        bound: Mapping[Any, Any] | None = None,
        known: dict[Any, Any] | None = None,
    ) -> None:
        self._values = values
        self._arithmetic = arithmetic
        self._bound = bound or {}
        self._known = {} if known is None else known

    def of(self, node: Any) -> Number:
        """The value of one node."""
        if hasattr(node, "definition"):  # a named quantity of theory.laws
            return self.of(node.definition())
        if isinstance(node, sp.Rational):
            return self._exact(Fraction(int(node.p), int(node.q)))
        if isinstance(node, sp.Float):
            return self._exact(float(node))
        if node is sp.oo or node is -sp.oo:
            return CTX.inf if node is sp.oo else -CTX.inf
        if isinstance(node, sp.Symbol):
            return self._exact(self._lookup(node))
        if isinstance(node, sp.Indexed):
            entry: Any = self._values.get(node.base.label.name)
            if entry is None:
                raise NoValueError(f"no array is bound to {node.base}")
            for index in node.indices:
                entry = entry[self._whole(index)]
            return self._exact(entry)
        if isinstance(node, sp.Add):
            return self._arithmetic.total(self.of(term) for term in node.args)
        if isinstance(node, sp.Mul):
            return reduce(operator.mul, map(self.of, node.args))
        if isinstance(node, sp.Pow):
            return self._power(node)
        if isinstance(node, sp.Sum | sp.Product):
            free = node.free_symbols
            key = node, *((s, at) for s, at in self._bound.items() if s in free)
            if key not in self._known:
                self._known[key] = self._series(node)
            return self._known[key]
        if isinstance(node, sp.Derivative):
            return self._derivative(node)
        if isinstance(node, AppliedUndef) and node.func.__name__ in self._values:
            return self._exact(self._values[node.func.__name__](*map(self.of, node.args)))
        if isinstance(node, sp.Abs):
            return abs(self.of(node.args[0]))
        rule = getattr(self._arithmetic, _FUNCTIONS.get(type(node), ""), None)
        if rule is None:
            raise NoValueError(f"no rule for {type(node).__name__} in {node}")
        return rule(*map(self.of, node.args))

    def _exact(self, entry: Any) -> Any:
        plain = isinstance(entry, int | float | Fraction)
        return self._arithmetic.exact(entry) if plain else entry

    def _lookup(self, symbol: Any) -> Any:
        if symbol in self._bound:
            return self._bound[symbol]
        try:
            return self._values[symbol.name]
        except KeyError:
            raise NoValueError(f"the symbol {symbol.name} has no value") from None

    def _with(self, symbol: Any, entry: Any) -> _Evaluator:
        bound = {**self._bound, symbol: entry}
        return _Evaluator(self._values, self._arithmetic, bound, self._known)

    def _whole(self, node: Any) -> int:
        """An index or the end of a range: a whole number, whatever the arithmetic."""
        if isinstance(node, sp.Symbol):
            return int(self._lookup(node))
        return int(_Evaluator(self._values, _DIGITS, self._bound).of(node))

    def _power(self, node: Any) -> Number:
        base = self.of(node.base)
        if isinstance(node.exp, sp.Integer):
            power = base ** abs(int(node.exp))
            return self._arithmetic.exact(1) / power if node.exp < 0 else power
        if node.exp == sp.Rational(1, 2):
            return self._arithmetic.sqrt(base)
        if isinstance(self._arithmetic, Balls):
            raise NoValueError(f"no rule for the power {node.exp} in ball arithmetic")
        return base ** self.of(node.exp)

    def _series(self, node: Any) -> Number:
        *inner, (index, low, high) = node.limits
        body = node.func(node.function, *inner) if inner else node.function
        span = range(self._whole(low), self._whole(high) + 1)
        terms = (self._with(index, i).of(body) for i in span)
        if isinstance(node, sp.Sum):
            return self._arithmetic.total(terms)
        return reduce(operator.mul, terms, self._arithmetic.exact(1))

    def _derivative(self, node: Any) -> Number:
        """An n-th central difference over points a distance h apart.

        The error is of order h^2 and the cancellation costs h^-n: h = 10^(-digits/(n + 2)) loses as
        much to the one as to the other and keeps 2 digits in n + 2.
        """
        if isinstance(self._arithmetic, Balls):
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


def of_case(case: FamilyCase | ConceptCase) -> dict[str, Any]:
    """p, M, V, alpha; for a dataset also the rows of P and N as p^P and p^N."""
    values: dict[str, Any] = {"V": len(case.p), "alpha": case.alpha, "p": case.p, "M": case.M}
    if isinstance(case, ConceptCase):
        # The logits may carry any shift per context; the law must be blind to these.
        values |= {
            "q_P": case.q,
            "q_N": case.q,
            "b": case.gauge - 7,
            "p^P": [case.dataset.rows[i] for i in case.positive],
            "p^N": [case.dataset.rows[i] for i in case.negative],
            "b^P": [3 * i - case.gauge for i in range(case.q)],
            "b^N": [case.gauge - i for i in range(case.q)],
        }
    return values


def of_contexts(case: ConceptCase) -> dict[str, Any]:
    """All rows as p[j, z], their weights pi, and M."""
    rows, weights = case.dataset.rows, case.dataset.context_weights
    return {"V": len(case.M), "m": len(rows), "alpha": case.alpha,
            "p": rows, "pi": weights, "M": case.M}  # fmt: skip


def single(values: Values) -> dict[str, Any]:
    """For the laws that average over contexts: one context of weight 1."""
    return {**values, "m": 1, "pi": [1], "p": [values["p"]]}


def _mirrored(case: FamilyCase, sign: int) -> FamilyCase:
    """With -M and -alpha for M and alpha: the laws state one end, the other is its mirror image."""
    if sign > 0:
        return case
    return replace(case, log_odds=tuple(-m for m in case.log_odds), alpha=-case.alpha)


def _ordered(case: FamilyCase, order: Sequence[int]) -> dict[str, Any]:
    """p, M and d = max M - M in another order of the tokens."""
    top = max(case.M)
    p, M = ([part[z] for z in order] for part in (case.p, case.M))
    sizes = {"V": len(p), "|A|": M.count(top), "|C|": len(case.tokens)}
    return {**sizes, "alpha": case.alpha, "m": top, "p": p, "M": M, "d": [top - m for m in M]}


def at_maximum(case: FamilyCase, sign: int) -> tuple[dict[str, Any], int]:
    """Tokens at the extreme of M on the side `sign` first; and which comes first."""
    case = _mirrored(case, sign)
    order = sorted(range(len(case.p)), key=lambda z: -case.M[z])
    return _ordered(case, order), order[0]


def concept_first(case: FamilyCase, *, extreme: int = 0) -> dict[str, Any]:
    """Tokens of C first; with `extreme` = +-1, the tokens at that end of M before them."""
    case = _mirrored(case, extreme or 1)
    top = max(case.M)

    def block(z: int) -> int:
        return 0 if extreme and case.M[z] == top else 1 if z in case.tokens else 2

    return _ordered(case, sorted(range(len(case.p)), key=block))


@lru_cache(maxsize=256)
def _sides(law: Any) -> tuple[Any, Any]:
    """Both sides in sums over the vocabulary; unfolding the names takes SymPy milliseconds."""
    return law.lhs, law.rhs


def law(
    name: str,
    values: Values,
    oracle: Any,
    *,
    allowed: Any = None,
    slack: Any = 0,
    sides: Collection[str] = ("left", "right"),
    **token: int,
) -> Comparison:
    """The sides of the law's statement on the instance, against the oracle's number.

    `values` are what its symbols stand for, and `token` its free index, as in ``x=2``. Allowed is
    `LAW`, relative to the oracle's number where that is above 1, or what is said; and `slack`.
    """
    expected = number(oracle)
    if allowed is None:
        # Cancellation inside a side is relative to its largest term, not to what is left of it.
        allowed = LAW * max(1, abs(expected)) if CTX.isfinite(expected) else LAW
    scope = {**values, **token}
    found = {
        f"{side}_side": (value(expression, scope), allowed + slack)
        for side, expression in zip(("left", "right"), _sides(LAWS[name]), strict=True)
        if side in sides
    }
    return compare(f"the law {name}", expected, **found)
