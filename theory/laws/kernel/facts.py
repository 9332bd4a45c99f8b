"""What a derivation may take as given: facts about sums, splits of a range, parametrisations.

Hypotheses enter the kernel in one of four forms, and in no other:

* `Fact`: the value of a sum, for instance `sum_z p_z = 1`, for every value of its free indices;
* `Split`: a range of tokens is cut in two blocks (the tokens of a concept come first, say);
* `Let`: a family is parametrised on a block, for instance `M_y = max M - d_y` off the argmax;
* `Sign`: an expression has a sign, for every value of its free indices.

Signs that SymPy's symbol assumptions can carry (`d_y > 0`) are better put there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sympy import Expr, Indexed, Sum, Symbol

Rewrite = Callable[[Expr], Expr]

__all__ = ["Fact", "Given", "Let", "Sign", "Split", "Undecided"]


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


@dataclass(frozen=True)
class Split:
    """Sums over `lower .. upper` are cut before `at`: `lower .. at - 1` and `at .. upper`."""

    lower: Expr
    at: Expr
    upper: Expr

    def map(self, f: Rewrite) -> Split:
        """The same split: a range holds no named quantity."""
        return self


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


@dataclass(frozen=True)
class Sign:
    """`expr > 0` (`strict`) or `expr >= 0`, for every integer value of the indices `for_all`."""

    expr: Expr
    strict: bool = False
    for_all: tuple[Symbol, ...] = ()

    def map(self, f: Rewrite) -> Sign:
        """The same sign with `f` applied to its expression."""
        return replace(self, expr=f(self.expr))


Given = Fact | Split | Let | Sign
