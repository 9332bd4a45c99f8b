"""Substitution under sums: no index of summation may catch a symbol that is put in.

SymPy's `xreplace` looks neither at scopes nor at shadowing: putting `x` for `y` in
`Sum(f[x, y], (x, 0, n))` gives `Sum(f[x, x], (x, 0, n))`. Every substitution of the kernel that
is not a fresh dummy goes through `substitute`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache, reduce

import sympy
from sympy import Add, Basic, Derivative, Dummy, Expr, Mul, Pow, Product, S, Symbol, Tuple, exp, log


class Sum(sympy.Sum):
    """SymPy's sum, equal to it, which remembers its free symbols.

    SymPy finds them anew each time it is asked, and rebuilds the whole term to do so: in sums of
    sums that was a third of the time of all proofs. It knows no sign of a sum either, and takes
    long to find that out: the kernel has rules of its own (`signs`).
    """

    __slots__ = ()
    is_zero = is_nonzero = is_positive = is_negative = is_nonnegative = is_nonpositive = None
    is_extended_positive = is_extended_negative = is_extended_nonzero = None
    is_extended_nonnegative = is_extended_nonpositive = is_integer = is_rational = None

    def __new__(cls, function: Expr, *limits: Tuple) -> Sum:
        """As SymPy does; the limits of a sum that exists need not be looked at again."""
        known = limits and all(type(limit) is Tuple and len(limit) == 3 for limit in limits)
        if known and type(function) is not cls:
            made = Expr.__new__(cls, function, *limits)
            made.is_commutative = True
            return made
        return super().__new__(cls, function, *limits)

    @property
    def free_symbols(self) -> set[Basic]:
        """The symbols in it that are no index of summation."""
        return set(_free_symbols(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, sympy.Sum) and self.args == other.args

    __hash__ = sympy.Sum.__hash__


@lru_cache(maxsize=16384)
def _free_symbols(e: Sum) -> frozenset[Basic]:
    free = set(e.function.free_symbols)
    for index, *ends in e.limits:  # the last index is the outermost
        free = (free - {index}).union(*(end.free_symbols for end in ends))
    return frozenset(free)


def bound_indices(e: Basic) -> set[Symbol]:
    """The indices of the sums and products in `e`."""
    return {limit[0] for node in e.atoms(sympy.Sum, Product) for limit in node.limits}


def rename_bound(e: Basic, indices: Collection[Symbol] | None = None) -> Basic:
    """`e` with its bound indices (those in `indices`, or all) renamed to fresh dummies."""
    if not e.has(sympy.Sum, Product):
        return e
    if not isinstance(e, sympy.Sum | Product):
        return e.func(*(rename_bound(a, indices) for a in e.args))
    *inner, (index, lower, upper) = e.limits  # the last index is the outermost
    body = rename_bound(e.func(e.function, *inner) if inner else e.function, indices)
    if indices is None or index in indices:
        fresh = Dummy(index.name, integer=True)
        body, index = body.xreplace({index: fresh}), fresh
    return e.func(body, (index, rename_bound(lower, indices), rename_bound(upper, indices)))


def substitute(e: Expr, replacements: Mapping[Expr, Expr]) -> Expr:
    """`e.xreplace(replacements)`, after renaming the bound indices that occur in them."""
    if not e.has(*replacements):
        return e
    mentioned = {s for pair in replacements.items() for side in pair for s in side.free_symbols}
    caught = bound_indices(e) & mentioned
    return (rename_bound(e, caught) if caught else e).xreplace(dict(replacements))


def differentiated(e: Expr, allow: Callable[[Derivative], None] | None = None) -> Expr:
    """`e` with its derivatives taken; those of undefined functions stay as they are.

    A bound index that also occurs in the variable, as in the derivative of a sum over `y` by
    `M[y]`, is renamed first: the two are not the same. `allow` may refuse a derivative by raising.
    """

    def take(d: Derivative) -> Expr:
        if allow is not None:
            allow(d)
        mentioned = {s for v in d.variables for s in v.free_symbols}
        caught = bound_indices(d.expr) & mentioned
        inner = rename_bound(d.expr, caught) if caught else d.expr
        return reduce(_slope, d.variables, inner)

    return e.replace(lambda d: isinstance(d, Derivative), take) if e.has(Derivative) else e


@lru_cache(maxsize=16384)
def _slope(e: Expr, v: Expr) -> Expr:
    """The derivative of `e` by `v`: by the rules for what laws are made of, else as SymPy does."""
    if not v.is_Symbol:
        return e.diff(v)
    if v not in e.free_symbols:
        return S.Zero
    if isinstance(e, Add):
        return Add(*(_slope(a, v) for a in e.args))
    if isinstance(e, Mul):
        moved = ((k, _slope(a, v)) for k, a in enumerate(e.args))
        return Add(*(Mul(s, *e.args[:k], *e.args[k + 1 :]) for k, s in moved if s != 0))
    if isinstance(e, exp):
        return e * _slope(e.exp, v)
    if isinstance(e, log):
        return _slope(e.args[0], v) / e.args[0]
    if isinstance(e, Pow) and v not in e.exp.free_symbols:
        return e.exp * e.base ** (e.exp - 1) * _slope(e.base, v)
    if isinstance(e, sympy.Sum) and not any(v in limit.free_symbols for limit in e.limits):
        return e.func(_slope(e.function, v), *e.limits)
    return e.diff(v)
