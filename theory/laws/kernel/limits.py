"""Limits of finite combinations, by an algebra that refuses every indeterminate form.

`limit_at_infinity` knows the limits of constants and of the variable itself, and combines them:
finite plus finite, infinite times non-zero, the exponential of either, a finite sum term by term.
It raises `Undecided` on 0 * oo, oo - oo, oo / oo and 1 / 0 instead of guessing; the derivation
must first be brought to a determinate form (divide by the dominant exponential), and that step is
an identity which the normal form checks. SymPy's own `limit` has no rule for a sum of symbolic
length, and taking limits term by term through a product is wrong.
"""

from __future__ import annotations

from sympy import Add, Dummy, Expr, Float, Mul, Pow, S, Sum, Symbol, exp, log, oo, tanh

from steering_strength.theory.laws.kernel.facts import Bounded, Sign, Undecided
from steering_strength.theory.laws.kernel.signs import (
    NEGATIVE,
    POSITIVE,
    finite_range,
    order_of,
    real,
    sign_of,
)


def limit_at_infinity(
    e: Expr, variable: Symbol, end: Expr = oo, given: tuple[Sign | Bounded, ...] = ()
) -> Expr:
    """Limit of `e` as `variable -> end` (`oo` or `-oo`): an expression, `oo` or `-oo`."""
    signs = tuple(g for g in given if isinstance(g, Sign))
    bounded = [g for g in given if isinstance(g, Bounded) and not g.mentions(variable)]
    if variable.is_nonnegative if end == -oo else variable.is_nonpositive:
        raise Undecided(f"{variable} cannot tend to {end}")
    if e.has(Float):
        raise Undecided(f"floating-point numbers in {e}")
    if not e.has(variable):
        return e
    if e == variable:
        return end

    def inner(x: Expr) -> Expr:
        return limit_at_infinity(x, variable, end, given)

    if isinstance(e, Add):
        parts = [inner(a) for a in e.args]
        infinite = {x for x in parts if x in (oo, -oo)}
        if len(infinite) > 1:
            raise Undecided(f"oo - oo in {e}")
        if infinite and not all(real(x, signs) for x in parts if x not in infinite):
            raise Undecided(f"oo plus a term that may not be real in {e}")
        return infinite.pop() if infinite else Add(*parts)
    if isinstance(e, Mul):
        free = [a for a in e.args if not _within(a, bounded, variable)]
        if len(free) < len(e.args):  # a bounded factor times what vanishes
            if inner(Mul(*free)) == 0:
                return S.Zero
            raise Undecided(f"a bounded factor may have no limit in {e}")
        return _product([inner(a) for a in e.args], signs, e)
    if isinstance(e, exp):
        x = inner(e.args[0])
        return oo if x == oo else S.Zero if x == -oo else exp(x)
    if isinstance(e, Pow) and not e.exp.has(variable):
        return _power(inner(e.base), e.exp, signs, e)
    if isinstance(e, log):
        x = inner(e.args[0])
        if x == oo:
            return oo
        if sign_of(x, signs) == POSITIVE:
            return log(x)
        raise Undecided(f"logarithm of {x} in {e}")
    if isinstance(e, tanh):
        x = inner(e.args[0])
        return S.One if x == oo else S.NegativeOne if x == -oo else tanh(x)
    if isinstance(e, Sum):
        return _sum(e, inner, variable, signs)
    raise Undecided(f"no limit rule for {e}")


def _within(e: Expr, bounded: list[Bounded], variable: Symbol) -> bool:
    """Whether `e` is a function given as bounded, at any values of its indices."""
    for g in bounded:
        if g.variable != variable or e.func != g.expr.func or len(e.args) != len(g.expr.args):
            continue
        pairs = list(zip(e.args, g.expr.args, strict=True))
        if all(
            a == b or (b in g.for_all and a.is_integer and not a.has(variable)) for a, b in pairs
        ):
            return True
    return False


def _product(parts: list[Expr], signs: tuple[Sign, ...], e: Expr) -> Expr:
    if not any(x in (oo, -oo) for x in parts):
        return Mul(*parts)
    direction = 1
    for x in parts:
        code = POSITIVE if x == oo else NEGATIVE if x == -oo else sign_of(x, signs)
        if code not in {POSITIVE, NEGATIVE}:
            raise Undecided(f"0 * oo (or a factor of unknown sign) in {e}")
        direction *= 1 if code == POSITIVE else -1
    return direction * oo


def _power(base: Expr, n: Expr, signs: tuple[Sign, ...], e: Expr) -> Expr:
    if base in (oo, -oo):
        if n.is_negative:
            return S.Zero
        if n.is_positive and (base == oo or n.is_even):
            return oo
        if n.is_Integer and n.is_odd:
            return -oo
        raise Undecided(f"power of an infinite base in {e}")
    code = sign_of(base, signs) if n.is_negative or not n.is_Integer else POSITIVE
    if code == POSITIVE or (n.is_Integer and code in {NEGATIVE, "!0"}):
        return base**n
    raise Undecided(f"1 / 0 or a power of a base of unknown sign in {e}")


def _sum(e: Sum, inner, variable: Symbol, signs: tuple[Sign, ...]) -> Expr:  # type: ignore[no-untyped-def]
    """A finite sum, term by term; the number of terms must not depend on the variable."""
    *others, (index, lower, upper) = e.limits
    if lower.has(variable) or upper.has(variable):
        raise Undecided(f"limits of summation depend on {variable} in {e}")
    finite_range(lower, upper)
    j = Dummy(str(index), integer=True)
    summand = e.func(e.function, *others) if others else e.function
    term = inner(summand.xreplace({index: j}))
    if term in (oo, -oo):  # every term, without exception, tends there
        if order_of(upper - lower + 1, signs) != POSITIVE:
            raise Undecided(f"number of terms of {e}")
        return term
    return e.func(term.xreplace({j: index}), (index, lower, upper)) if term != 0 else S.Zero
