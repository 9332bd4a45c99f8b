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

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from steering_strength.proofs_check.balls import Balls
from steering_strength.proofs_check.comparison import LAW, Value
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase, ReadoutCase
from steering_strength.proofs_check.oracles.norms import logits
from steering_strength.proofs_check.oracles.precise import CTX, Number, number, softmax
from steering_strength.theory.laws import LAWS

__all__ = [
    "Arithmetic",
    "Binding",
    "NoValueError",
    "at_maximum",
    "concept_first",
    "in_balls",
    "law_sides",
    "of_case",
    "of_contexts",
    "of_normed_texts",
    "of_readout",
    "value",
]


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


@dataclass(frozen=True)
class Binding:
    """Values by name: scalars and (nested) arrays."""

    numbers: Mapping[str, Any]
    arrays: Mapping[str, Any] = field(default_factory=dict)

    def with_numbers(self, **more: Any) -> Binding:
        """The same with more scalars."""
        return Binding({**self.numbers, **more}, self.arrays)

    def with_arrays(self, **more: Sequence[Any]) -> Binding:
        """The same with more arrays."""
        return Binding(self.numbers, {**self.arrays, **more})

    def as_single_context(self) -> Binding:
        """For the laws that sum over contexts: one context with weight 1."""
        single = self.with_numbers(m=1)
        return single.with_arrays(pi=[1], p=[self.arrays["p"]])


def of_case(case: FamilyCase | ConceptCase) -> Binding:
    """p, M, V, alpha; for a dataset also the rows of P and N as p^P and p^N."""
    numbers: dict[str, Any] = {"V": len(case.p), "alpha": case.alpha}
    arrays: dict[str, Sequence[Any]] = {"p": case.p, "M": case.M}
    if isinstance(case, ConceptCase):
        # The logits may carry any shift per context; the law must be blind to these.
        numbers |= {"q_P": case.q, "q_N": case.q, "b": case.gauge - 7}
        arrays |= {
            "p^P": [case.dataset.rows[i] for i in case.positive],
            "p^N": [case.dataset.rows[i] for i in case.negative],
            "b^P": [3 * i - case.gauge for i in range(case.q)],
            "b^N": [case.gauge - i for i in range(case.q)],
        }
    return Binding(numbers, arrays)


def of_contexts(case: ConceptCase) -> Binding:
    """All rows as p[j, z], their weights pi, and M."""
    rows, weights = case.dataset.rows, case.dataset.context_weights
    return Binding(
        {"V": len(case.M), "m": len(rows), "alpha": case.alpha},
        {"p": rows, "pi": weights, "M": case.M},
    )


def of_normed_texts(
    case: ReadoutCase,
    states: Sequence[Sequence[Number]],
    W: Sequence[Sequence[Number]],
    bias: Sequence[Number],
) -> Binding:
    """p, p^P, p^N: next-token probabilities of the texts; the shifts of their logits are free."""

    def p(text: int) -> list[Number]:
        return softmax([a + b for a, b in zip(logits(W, states[text]), bias, strict=True)])

    return Binding(
        {
            "V": len(W),
            "q_P": len(case.positive),
            "q_N": len(case.negative),
            "b": 2,
            "alpha": case.alpha,
        },
        {
            "p": p(case.context),
            "p^P": [p(i) for i in case.positive],
            "p^N": [p(i) for i in case.negative],
            "b^P": [3 - i for i in range(len(case.positive))],
            "b^N": [5 * i for i in range(len(case.negative))],
        },
    )


def _ordered(case: FamilyCase | ConceptCase, order: Sequence[int], **numbers: Any) -> Binding:
    """p, M and d = max M - M in another order of the tokens."""
    top = max(case.M)
    return Binding(
        {
            "V": len(case.p),
            "alpha": case.alpha,
            "m": top,
            "|A|": list(case.M).count(top),
            **numbers,
        },
        {
            "p": [case.p[z] for z in order],
            "M": [case.M[z] for z in order],
            "d": [top - case.M[z] for z in order],
        },
    )


def _mirrored(case: FamilyCase, sign: int) -> FamilyCase:
    """With -M and -alpha for M and alpha: the laws state one end, the other is its mirror image."""
    if sign > 0:
        return case
    return replace(case, log_odds=tuple(-m for m in case.log_odds), alpha=-case.alpha)


def at_maximum(case: FamilyCase, sign: int) -> tuple[Binding, int]:
    """Tokens at the extreme of M on the side `sign` first; and which comes first."""
    case = _mirrored(case, sign)
    order = sorted(range(len(case.p)), key=lambda z: -case.M[z])
    return _ordered(case, order), order[0]


def concept_first(case: FamilyCase, *, extreme: int = 0) -> Binding:
    """Tokens of C first; with `extreme` = +-1, the tokens at that end of M before them."""
    if extreme:
        case = _mirrored(case, extreme)
    top = max(case.M)

    def block(z: int) -> int:
        if extreme and case.M[z] == top:
            return 0
        return 1 if z in case.tokens else 2

    order = sorted(range(len(case.p)), key=block)
    return _ordered(case, order, **{"|C|": len(case.tokens)})


def of_readout(
    W: Sequence[Sequence[Number]], H: Sequence[Sequence[Number]], case: ConceptCase
) -> Binding:
    """W (V, d) and H given by columns (m, d), with P and N as index arrays and j the context."""
    return Binding(
        {
            "V": len(W),
            "d": len(W[0]),
            "q_P": case.q,
            "q_N": case.q,
            "j": case.context,
            "alpha": case.alpha,
        },
        {
            "W": W,
            "H": [list(row) for row in zip(*H, strict=True)],
            "P": case.positive,
            "N": case.negative,
        },
    )


@lru_cache(maxsize=256)
def _sides(law: Any) -> tuple[Any, Any]:
    """Both sides in sums over the vocabulary; unfolding the names takes SymPy milliseconds."""
    return law.lhs, law.rhs


def law_sides(name: str, binding: Binding, oracle: Any, **token: int) -> list[Value]:
    """Both sides of the law's statement on the instance, as sides next to `oracle`.

    A free token index of the law is given by name: ``law_sides(..., oracle[2], x=2)``.
    """
    law = LAWS[name]
    expected = number(oracle)
    # Cancellation inside a side is relative to its largest term, not to what is left of it.
    allowed = LAW * max(1, abs(expected)) if CTX.isfinite(expected) else LAW
    scope = {**binding.numbers, **token}
    return [
        Value(f"law, {side}", value(expression, scope, binding.arrays), allowed)
        for side, expression in zip(("left side", "right side"), _sides(law), strict=True)
    ]
