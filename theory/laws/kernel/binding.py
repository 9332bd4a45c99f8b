"""Substitution under sums: no index of summation may catch a symbol that is put in.

SymPy's `xreplace` looks neither at scopes nor at shadowing: putting `x` for `y` in
`Sum(f[x, y], (x, 0, n))` gives `Sum(f[x, x], (x, 0, n))`. Every substitution of the kernel that
is not a fresh dummy goes through `substitute`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from sympy import Basic, Derivative, Dummy, Expr, Product, Sum, Symbol


def bound_indices(e: Basic) -> set[Symbol]:
    """The indices of the sums and products in `e`."""
    return {limit[0] for node in e.atoms(Sum, Product) for limit in node.limits}


def rename_bound(e: Basic, indices: Collection[Symbol] | None = None) -> Basic:
    """`e` with its bound indices (those in `indices`, or all) renamed to fresh dummies."""
    if not e.has(Sum, Product):
        return e
    if not isinstance(e, Sum | Product):
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
        return inner.diff(*d.variables)

    return e.replace(lambda d: isinstance(d, Derivative), take) if e.has(Derivative) else e
