"""What a derivation may take as given: facts about sums, splits of a range, parametrisations.

Hypotheses enter the kernel in one of five forms, and in no other:

* `Fact`: the value of a sum, for instance `sum_z p_z = 1`, for every value of its free indices;
* `Split`: a range of tokens is cut in two blocks (the tokens of a concept come first, say);
* `Let`: a family is parametrised on a block, for instance `M_y = max M - d_y` off the argmax;
* `Sign`: an expression has a sign, for every value of its free indices;
* `Bounded`: an unknown function of the strength stays within a bound.

Signs that SymPy's symbol assumptions can carry (`d_y > 0`) are better put there.

A hypothesis holds at the values its symbols have, not as a function of them: derivatives are
taken before hypotheses are used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sympy import Expr, Indexed, Sum, Symbol

Rewrite = Callable[[Expr], Expr]


class Undecided(Exception):
    """The kernel cannot decide; the message says at which subexpression and why."""


@dataclass(frozen=True)
class Fact:
    """`lhs = rhs` for a sum `lhs`, for every integer value of the indices `for_all`."""

    lhs: Sum
    rhs: Expr
    for_all: tuple[Symbol, ...] = ()

    def map(self, f: Rewrite) -> Fact:
        """The same fact with `f` applied to its expressions."""
        return replace(self, lhs=f(self.lhs), rhs=f(self.rhs))

    def expressions(self) -> tuple[Expr, ...]:
        """Every expression in it."""
        return (self.lhs, self.rhs)

    def mentions(self, symbol: Symbol) -> bool:
        """Whether the fact is about `symbol`."""
        return symbol in self.lhs.free_symbols | self.rhs.free_symbols


@dataclass(frozen=True)
class Split:
    """Sums over `lower .. upper` are cut before `at`: `lower .. at - 1` and `at .. upper`."""

    lower: Expr
    at: Expr
    upper: Expr

    def map(self, f: Rewrite) -> Split:
        """The same split: a range holds no named quantity."""
        return self

    def expressions(self) -> tuple[Expr, ...]:
        """Every expression in it."""
        return (self.lower, self.at, self.upper)

    def mentions(self, symbol: Symbol) -> bool:
        """Whether the cut depends on `symbol`."""
        return symbol in self.lower.free_symbols | self.at.free_symbols | self.upper.free_symbols


@dataclass(frozen=True)
class Let:
    """`entry = value` for every `index` of the block; `entry` is `base[..., index, ...]`."""

    entry: Indexed
    value: Expr
    index: Symbol
    lower: Expr
    upper: Expr

    def map(self, f: Rewrite) -> Let:
        """The same parametrisation with `f` applied to its value."""
        return replace(self, value=f(self.value))

    def expressions(self) -> tuple[Expr, ...]:
        """Every expression in it."""
        return (self.entry, self.value, self.lower, self.upper)

    def mentions(self, symbol: Symbol) -> bool:
        """Whether the parametrisation depends on `symbol`."""
        parts = (self.entry, self.value, self.lower, self.upper)
        return any(symbol in part.free_symbols for part in parts)


@dataclass(frozen=True)
class Sign:
    """`expr > 0` (`strict`) or `expr >= 0`, for every integer value of the indices `for_all`."""

    expr: Expr
    strict: bool = False
    for_all: tuple[Symbol, ...] = ()

    def map(self, f: Rewrite) -> Sign:
        """The same sign with `f` applied to its expression."""
        return replace(self, expr=f(self.expr))

    def expressions(self) -> tuple[Expr, ...]:
        """Every expression in it."""
        return (self.expr,)

    def mentions(self, symbol: Symbol) -> bool:
        """Whether the sign is that of something with `symbol` in it."""
        return symbol in self.expr.free_symbols


@dataclass(frozen=True)
class Bounded:
    """`|expr| <= bound` for every value of `variable`, on which `bound` does not depend.

    `expr` is an undefined function of the variable: all that is known of it is this.
    """

    expr: Expr
    bound: Expr
    variable: Symbol
    for_all: tuple[Symbol, ...] = ()

    def map(self, f: Rewrite) -> Bounded:
        """The same bound with `f` applied to its expressions."""
        return replace(self, expr=f(self.expr), bound=f(self.bound))

    def expressions(self) -> tuple[Expr, ...]:
        """Every expression in it."""
        return (self.expr, self.bound)

    def mentions(self, symbol: Symbol) -> bool:
        """Whether the bound depends on `symbol`; it holds for all values of the variable."""
        return symbol in self.bound.free_symbols


Given = Fact | Split | Let | Sign | Bounded
