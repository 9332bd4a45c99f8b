"""Instances of a step's hypotheses, and numbers for its two sides: independent of the kernel.

Sums are written out at small sizes, entries are random, and the hypotheses of a step
are made true by solving for one entry each. Values are taken with 40 digits. Nothing of
`theory.laws.kernel` is used except the records that hold the hypotheses.
"""

from __future__ import annotations

import random

from mpmath import mp
from sympy import (
    Derivative,
    Expr,
    Float,
    Indexed,
    Integer,
    Product,
    Rational,
    Sum,
    Symbol,
    lambdify,
)

from steering_strength.theory.laws.kernel import Fact, Let, Sign, Split
from steering_strength.theory.laws.notation import unfold

DIGITS = 40


class NoInstance(Exception):
    """The hypotheses could not be met with this draw; draw again."""


class Draw:
    """Random sizes, numbers and array entries for every symbol that occurs, fixed at first use."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.values: dict[Expr, Expr] = {}

    def number(self, s: Expr) -> Expr:
        if s not in self.values:
            self.values[s] = self._draw(s)
        return self.values[s]

    def _draw(self, s: Expr) -> Expr:
        if s.is_integer and s.is_Symbol:
            # sizes: V = 4 leaves room for three blocks
            small = {"V": 4, "n": 3, "d": 3, "m": 2}
            if s.name in small:
                return Integer(small[s.name])
            return Integer(self.random.choice([1, 2])) if s.is_positive else Integer(1)
        if s.is_integer:
            return Integer(self.random.randrange(3) if not s.is_positive else 2)
        # entries of a probability vector must leave room for the one that is solved for
        top = 12 if isinstance(s, Indexed) and s.is_positive else 60
        value = Float(Rational(self.random.randint(1, top), self.random.randint(53, 71)), DIGITS)
        if s.is_positive or s.is_nonnegative:
            return value
        return value if self.random.random() < 0.5 else -value

    # -- writing out ---------------------------------------------------------------------

    def written_out(self, e: Expr, lets: list[Let]) -> Expr:
        """`e` with derivatives done, sizes put in and sums written out; entries stay symbols."""
        e = unfold(e)
        e = e.replace(
            lambda f: f.is_Function and f.func.__name__ in _MODELS, lambda f: _model(*f.args)
        )
        e = e.replace(lambda d: isinstance(d, Derivative), lambda d: d.doit())
        labels = {n.base.label for n in e.atoms(Indexed)}
        sizes = {s: v for s, v in self.sizes_of(e).items() if s not in labels}
        bound = {limit[0] for s in e.atoms(Sum, Product) for limit in s.limits}
        e = e.xreplace({s: v for s, v in sizes.items() if s not in bound})
        while True:
            # sizes that depend on an index, such as the size of each concept, are numbers once
            # the index is
            counts = [n for n in e.atoms(Indexed) if n.is_integer and n.is_positive]
            e = e.xreplace(
                {n: self.number(n) for n in counts if all(k.is_number for k in n.indices)}
            )
            sums = [s for s in e.atoms(Sum, Product) if _has_numeric_limits(s)]
            if not sums:
                break
            innermost = [s for s in sums if not s.function.has(Sum, Product)]
            e = e.xreplace({s: _written_out(s) for s in innermost or sums[:1]})
        for let in lets:
            lower, upper = (int(b.xreplace(self.sizes_of(b))) for b in (let.lower, let.upper))
            for k in range(lower, upper + 1):
                entry = let.entry.xreplace({let.index: Integer(k)}).xreplace(sizes)
                value = self.written_out(let.value.xreplace({let.index: Integer(k)}), [])
                e = e.xreplace({entry: value})
        return e

    def sizes_of(self, e: Expr) -> dict[Expr, Expr]:
        return {s: self.number(s) for s in e.free_symbols if s.is_Symbol and s.is_integer}

    # -- hypotheses ----------------------------------------------------------------------

    def satisfy(self, given: tuple[object, ...]) -> None:
        """Choose values that make every fact true and every sign right, or raise NoInstance."""
        lets = [g for g in given if isinstance(g, Let)]
        for g in given:
            if isinstance(g, Split):
                at, upper = (int(self._sized(b)) for b in (g.at, g.upper))
                if not int(self._sized(g.lower)) <= at <= upper + 1:
                    raise NoInstance("a split outside its range")
        for g in given:
            if isinstance(g, Fact):
                indices = [Integer(k) for k in range(3)] if g.for_all else [None]
                for k in indices:
                    pick = dict.fromkeys(g.for_all, k)
                    self._solve(self.written_out((g.lhs - g.rhs).xreplace(pick), lets))
        for g in given:
            if isinstance(g, Sign):
                for k in range(int(self.number(_V)) if g.for_all else 1):
                    e = self.written_out(
                        g.expr.xreplace(dict.fromkeys(g.for_all, Integer(k))), lets
                    )
                    value = self.value(e)
                    if not (value > 0 if g.strict else value >= 0):
                        raise NoInstance(f"{g.expr} has the wrong sign")

    def _sized(self, e: Expr) -> Expr:
        return e.xreplace(self.sizes_of(e))

    def _solve(self, residual: Expr) -> None:
        """Make `residual` zero by choosing one entry or symbol that occurs linearly."""
        unknowns = [u for u in _leaves(residual) if u not in self.values]
        for u in sorted(unknowns, key=str):
            slope = residual.diff(u)
            if slope != 0 and not slope.has(u):
                others = {o: self.number(o) for o in _leaves(residual) if o != u}
                value = -residual.xreplace({u: Integer(0), **others}) / slope.xreplace(others)
                if (u.is_positive and not value > 0) or (u.is_nonnegative and not value >= 0):
                    raise NoInstance(f"{u} would be {value}")
                self.values[u] = value
                return
        if len(unknowns) == 1 and self._bisect(residual, unknowns[0]):
            return
        if abs(self.value(residual)) > Rational(1, 10**30):
            raise NoInstance(f"no free entry makes {residual} zero")

    def _bisect(self, residual: Expr, u: Expr) -> bool:
        """Choose the one unknown `u` that occurs non-linearly, if there is a sign change."""
        others = {o: self.number(o) for o in _leaves(residual) if o != u}
        f = lambdify([u], residual.xreplace(others), "mpmath")
        with mp.workdps(DIGITS):
            low, high = mp.mpf(-40), mp.mpf(40)
            if f(low) * f(high) >= 0:
                return False
            for _ in range(150):  # 80 / 2**150 is below 40 digits
                middle = (low + high) / 2
                low, high = (middle, high) if f(low) * f(middle) > 0 else (low, middle)
            self.values[u] = Float(low, DIGITS)
        return True

    def value(self, e: Expr) -> Expr:
        """The number, to 40 digits."""
        return e.xreplace({s: self.number(s) for s in _leaves(e)}).evalf(DIGITS)


_V = Symbol("V", integer=True, positive=True)


def _has_numeric_limits(s: Expr) -> bool:
    return all(bound.is_Integer for _, *bounds in s.limits for bound in bounds)


def _leaves(e: Expr) -> set[Expr]:
    entries = e.atoms(Indexed)
    labels = {s for x in entries for s in (x.base.label, x.base)} | entries
    return entries | {s for s in e.free_symbols if s.is_Symbol and s not in labels}


def _written_out(s: Expr) -> Expr:
    total = s.function
    for index, lower, upper in s.limits:
        terms = [total.xreplace({index: Integer(k)}) for k in range(int(lower), int(upper) + 1)]
        total = Integer(0) if isinstance(s, Sum) else Integer(1)
        for term in terms:
            total = total + term if isinstance(s, Sum) else total * term
    return total


# Undefined functions of a step, replaced by definite ones with no special symmetry.
_MODELS = {"nu", "ell"}


def _model(*arguments: Expr) -> Expr:
    *index, strength = arguments
    k = index[0] if index else Integer(2)
    return (k + 1) * strength / 3 + strength**2 / (k + 2) - strength**3 / 7


def instance(given: tuple[object, ...], seed: int, tries: int = 60) -> Draw:
    """A draw that satisfies the hypotheses."""
    for attempt in range(tries):
        draw = Draw(1000 * seed + attempt)
        try:
            draw.satisfy(given)
        except NoInstance:
            continue
        return draw
    raise NoInstance(f"no instance of the hypotheses in {tries} draws")
