"""Signs of expressions, by structure: what is positive term by term is positive.

Codes: `+` positive, `0+` non-negative, `-` negative, `0-` non-positive, `0` zero, `!0` non-zero.
Anything that structure does not settle raises `Undecided`; the caller then tries the normal form.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import permutations

from sympy import (
    Abs,
    Add,
    Derivative,
    Dummy,
    Expr,
    Max,
    Min,
    Mul,
    Pow,
    Sum,
    Symbol,
    cosh,
    exp,
    expand,
    factor_terms,
    fraction,
    log,
    together,
)

from steering_strength.theory.laws.kernel.binding import substitute
from steering_strength.theory.laws.kernel.facts import Sign, Undecided

POSITIVE, NONNEGATIVE, NEGATIVE, NONPOSITIVE, ZERO, NONZERO = "+", "0+", "-", "0-", "0", "!0"

_FLIP = {"+": "-", "0+": "0-", "-": "+", "0-": "0+", "0": "0", "!0": "!0"}


def sign_of(e: Expr, signs: tuple[Sign, ...] = ()) -> str:
    """The strongest sign code that structure gives; raises `Undecided`."""
    for rule in signs:
        for known, negative in _instances(rule, e):
            if e in (known, negative):
                code = POSITIVE if rule.strict else NONNEGATIVE
                return code if e == known else _FLIP[code]
    if not e.free_symbols and not e.has(Sum):
        return _assumed(e)  # a number: SymPy evaluates it to as many digits as the sign needs
    if e.has(Max, Min):
        return sign_of(without_extremes(e, signs), signs)
    if isinstance(e, Abs):
        return _absolute(e.args[0], signs)
    if isinstance(e, Add):
        return _add(e, signs)
    if isinstance(e, Mul):
        for rule in signs:  # e = known * rest, with the sign of `known` given
            for known, _ in _instances(rule, e):
                if isinstance(known, Mul) and set(known.args) < set(e.args):
                    code = POSITIVE if rule.strict else NONNEGATIVE
                    return _mul([code, sign_of(e / known, signs)])
        return _mul([sign_of(f, signs) for f in e.args])
    if isinstance(e, exp | cosh):
        if not real(e.args[0], signs):
            raise Undecided(f"{e} may not be real")
        return POSITIVE
    if isinstance(e, Pow):
        return _pow(e, signs)
    if isinstance(e, Sum):
        return _sum(e, signs)
    if isinstance(e, log):
        return _log(e.args[0], signs)
    if e.is_Number or e.is_Symbol or e.is_Indexed or e.is_Function:
        return _assumed(e)
    raise Undecided(f"sign of {e}")


def _instances(rule: Sign, e: Expr) -> Iterator[tuple[Expr, Expr]]:
    """The rule at every choice of its indices among the integer symbols of `e`, and minus that."""
    if not rule.for_all:
        yield _instance(rule, ())
        return
    names = [s for s in e.free_symbols if isinstance(s, Symbol) and s.is_integer]
    for values in permutations(names, len(rule.for_all)):
        yield _instance(rule, values)


@lru_cache(maxsize=16384)
def _instance(rule: Sign, values: tuple[Symbol, ...]) -> tuple[Expr, Expr]:
    known = substitute(rule.expr, dict(zip(rule.for_all, values, strict=True)))
    return known, -known


def finite_range(lower: Expr, upper: Expr) -> None:
    """Refuse ranges that may not be a finite number of integers."""
    if not (lower.is_integer and upper.is_integer):
        raise Undecided(f"the range {lower} .. {upper}, which may not be finite or whole")


def order_of(e: Expr, signs: tuple[Sign, ...] = ()) -> str:
    """Sign of a number of terms: by structure, or as a given sign plus what structure decides.

    With `V - n - k > 0` given and `k` positive, `V - n` is positive: their difference is `k`.
    """
    e = expand(e)
    try:
        return sign_of(e, signs)
    except Undecided:
        for rule in signs:
            if rule.for_all:
                continue
            try:
                rest = sign_of(expand(e - rule.expr), signs)
            except Undecided:
                continue
            if rest in {POSITIVE, NONNEGATIVE, ZERO}:
                return POSITIVE if rule.strict or rest == POSITIVE else NONNEGATIVE
        raise


def ordered(first: Expr, last: Expr, signs: tuple[Sign, ...] = ()) -> bool:
    """Whether `first <= last` is shown."""
    try:
        return order_of(last - first, signs) in {POSITIVE, NONNEGATIVE, ZERO}
    except Undecided:
        return False


def real(e: Expr, signs: tuple[Sign, ...] = ()) -> bool:
    """Whether structure shows that `e` is a real number."""
    if isinstance(e, Add | Mul | Max | Min) and all(real(a, signs) for a in e.args):
        return True
    if isinstance(e, Sum):
        return real(e.function, signs)
    if e.is_real or isinstance(e, Abs):
        return True
    if isinstance(e, exp | cosh):
        return real(e.args[0], signs)
    if isinstance(e, Derivative):
        return real(e.expr, signs) and all(v.is_real for v in e.variables)
    if isinstance(e, log | Pow):
        base, n = (e.args[0], e.args[0]) if isinstance(e, log) else e.args
        if isinstance(e, Pow) and n.is_Integer and n > 0:
            return real(base, signs)
        root = isinstance(e, Pow) and n.is_Rational and n.is_positive
        enough = {POSITIVE, NONNEGATIVE, ZERO} if root else {POSITIVE}
        try:
            return sign_of(base, signs) in enough and real(n, signs)
        except Undecided:
            return False
    return False


def _log(x: Expr, signs: tuple[Sign, ...]) -> str:
    """log x has the sign of x - 1, if x > 0; for x = n/m with m > 0 that of n - m."""
    try:
        code = sign_of(expand(x - 1), signs)
    except Undecided:
        above, below = fraction(together(x))
        if below == 1 or sign_of(below, signs) != POSITIVE:
            raise
        code = sign_of(factor_terms(expand(above - below)), signs)
    if code not in {POSITIVE, NONNEGATIVE, ZERO} and sign_of(x, signs) != POSITIVE:
        raise Undecided(f"logarithm of {x}, which may not be positive")
    return code


def _assumed(e: Expr) -> str:
    for code, holds in (
        (ZERO, e.is_zero),
        (POSITIVE, e.is_positive),
        (NEGATIVE, e.is_negative),
        (NONNEGATIVE, e.is_nonnegative),
        (NONPOSITIVE, e.is_nonpositive),
        (NONZERO, e.is_nonzero and e.is_real),
    ):
        if holds:
            return code
    raise Undecided(f"sign of {e}")


def without_extremes(e: Expr, signs: tuple[Sign, ...] = ()) -> Expr:
    """`e` with max(a, b) = (a + b + |a - b|)/2 and min(a, b) = (a + b - |a - b|)/2 put in."""

    def two(a: Expr, b: Expr, direction: int) -> Expr:
        if not (real(a, signs) and real(b, signs)):
            raise Undecided(f"{a} or {b}, which may not be real, in {e}")
        return (a + b + direction * Abs(a - b)) / 2

    def all_of(m: Expr) -> Expr:
        direction = 1 if isinstance(m, Max) else -1
        total, *others = m.args
        for other in others:
            total = two(total, other, direction)
        return total

    return e.replace(lambda m: isinstance(m, Max | Min), all_of)


def _absolute(x: Expr, signs: tuple[Sign, ...]) -> str:
    try:
        code = sign_of(x, signs)
    except Undecided:
        return NONNEGATIVE
    return {ZERO: ZERO, POSITIVE: POSITIVE, NEGATIVE: POSITIVE, NONZERO: POSITIVE}.get(
        code, NONNEGATIVE
    )


def _with_absolute(e: Add, signs: tuple[Sign, ...]) -> str:
    """Sign of a sum with a term c |u|: c |u| is the larger of c u and -c u, or the smaller."""
    for term in e.args:
        c, factor = term.as_coeff_Mul()
        if not isinstance(factor, Abs) or not real(factor.args[0], signs):
            continue
        codes = []
        for side in (factor.args[0], -factor.args[0]):
            try:
                codes.append(sign_of(expand(e - term + c * side), signs))
            except Undecided:
                codes.append("")
        # c > 0: e is the larger of the two, c < 0: the smaller
        low, high = (POSITIVE, NONNEGATIVE), (NEGATIVE, NONPOSITIVE)
        up, down = (any, all) if c > 0 else (all, any)
        if up(code in {*low, ZERO} for code in codes):
            return POSITIVE if up(code == POSITIVE for code in codes) else NONNEGATIVE
        if down(code in {*high, ZERO} for code in codes):
            return NEGATIVE if down(code == NEGATIVE for code in codes) else NONPOSITIVE
    raise Undecided(f"sign of the sum {e}")


def _add(e: Add, signs: tuple[Sign, ...]) -> str:
    # 1 - exp(x) has the sign of -x, and exp(x) - 1 that of x
    one, rest = e.as_coeff_Add()
    if one in (1, -1):
        c, factor = rest.as_coeff_Mul()
        if isinstance(factor, exp) and c == -one:
            inner = sign_of(factor.args[0], signs)
            return inner if one == -1 else _FLIP[inner]
    for rule in signs:  # e = known + rest, with the sign of `known` given
        for known, negative in _instances(rule, e):
            code = POSITIVE if rule.strict else NONNEGATIVE
            for part, sign in ((known, code), (negative, _FLIP[code])):
                if isinstance(part, Add) and set(part.args) < set(e.args):
                    return _join({sign, sign_of(e - part, signs)}, e)
    try:
        return _join({sign_of(a, signs) for a in e.args}, e)
    except Undecided:
        if any(a.has(Abs) for a in e.args):
            return _with_absolute(e, signs)
        raise


def _join(codes: set[str], e: Expr) -> str:
    """The sign of a sum of terms with these signs."""
    codes = codes - {ZERO}
    if not codes:
        return ZERO
    for up, weak in ((POSITIVE, NONNEGATIVE), (NEGATIVE, NONPOSITIVE)):
        if codes <= {up, weak}:
            return up if up in codes else weak
    raise Undecided(f"sign of the sum {e}")


def _mul(codes: list[str]) -> str:
    if ZERO in codes:
        return ZERO
    if NONZERO in codes:
        if all(c in {POSITIVE, NEGATIVE, NONZERO} for c in codes):
            return NONZERO
        raise Undecided("sign of a product with a factor of unknown sign")
    odd = sum(c in {NEGATIVE, NONPOSITIVE} for c in codes) % 2
    weak = any(c in {NONNEGATIVE, NONPOSITIVE} for c in codes)
    code = NONNEGATIVE if weak else POSITIVE
    return _FLIP[code] if odd else code


def _pow(e: Pow, signs: tuple[Sign, ...]) -> str:
    base, n = e.args
    if n.is_Integer and n.is_even:
        try:
            code = sign_of(base, signs)
        except Undecided:
            if real(base, signs) and n > 0:
                return NONNEGATIVE
            raise
        if code in {POSITIVE, NEGATIVE, NONZERO}:
            return POSITIVE
        if n < 0:
            raise Undecided(f"division by {base}, which may vanish")
        return ZERO if code == ZERO else NONNEGATIVE
    code = sign_of(base, signs)
    if code == POSITIVE and real(n, signs):
        return POSITIVE
    if n.is_Integer and (n > 0 or code in {NEGATIVE, NONZERO}):  # odd
        return code
    if n.is_positive and code in {NONNEGATIVE, ZERO}:
        return code
    raise Undecided(f"sign of {e}")


def _sum(e: Sum, signs: tuple[Sign, ...]) -> str:
    *inner, (index, lower, upper) = e.limits
    finite_range(lower, upper)
    summand = e.func(e.function, *inner) if inner else e.function
    count = order_of(upper - lower + 1, signs)
    if not isinstance(index, Dummy):  # it may be the name of something else in a hypothesis
        summand = summand.xreplace({index: Dummy("j", integer=True)})
    code = sign_of(summand, signs)
    if code == NONZERO:
        raise Undecided(f"terms of both signs may cancel in {e}")
    if count == POSITIVE or code == ZERO:
        return code
    if count in {NONNEGATIVE, ZERO}:
        return {POSITIVE: NONNEGATIVE, NEGATIVE: NONPOSITIVE}.get(code, code)
    raise Undecided(f"number of terms of {e}")
