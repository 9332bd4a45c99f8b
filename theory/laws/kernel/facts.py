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
from typing import ClassVar, Self

from sympy import Expr, Indexed, Sum, Symbol

Rewrite = Callable[[Expr], Expr]


class Undecided(Exception):
    """The kernel cannot decide; the message says at which subexpression and why."""


@dataclass(frozen=True)
class _Hypothesis:
    """A hypothesis: fields of `_stated` are its expressions, those of `_rewritten` hold names."""

    _stated: ClassVar[tuple[str, ...]]
    _rewritten: ClassVar[tuple[str, ...]]

    def map(self, f: Rewrite) -> Self:
        """The same hypothesis with `f` applied to the expressions that may hold names."""
        return replace(self, **{name: f(getattr(self, name)) for name in self._rewritten})

    def expressions(self) -> tuple[Expr, ...]:
        """Every expression in it."""
        return tuple(getattr(self, name) for name in self._stated)

    def mentions(self, symbol: Symbol) -> bool:
        """Whether what it says depends on `symbol`."""
        return any(symbol in e.free_symbols for e in self.expressions())


@dataclass(frozen=True)
class Fact(_Hypothesis):
    """`lhs = rhs` for a sum `lhs`, for every integer value of the indices `for_all`."""

    lhs: Sum
    rhs: Expr
    for_all: tuple[Symbol, ...] = ()
    _stated = _rewritten = ("lhs", "rhs")


@dataclass(frozen=True)
class Split(_Hypothesis):
    """Sums over `lower .. upper` are cut before `at`: `lower .. at - 1` and `at .. upper`."""

    lower: Expr
    at: Expr
    upper: Expr
    _stated, _rewritten = ("lower", "at", "upper"), ()


@dataclass(frozen=True)
class Let(_Hypothesis):
    """`entry = value` for every `index` of the block; `entry` is `base[..., index, ...]`."""

    entry: Indexed
    value: Expr
    index: Symbol
    lower: Expr
    upper: Expr
    _stated, _rewritten = ("entry", "value", "lower", "upper"), ("value",)


@dataclass(frozen=True)
class Sign(_Hypothesis):
    """`expr > 0` (`strict`) or `expr >= 0`, for every integer value of the indices `for_all`."""

    expr: Expr
    strict: bool = False
    for_all: tuple[Symbol, ...] = ()
    _stated = _rewritten = ("expr",)


@dataclass(frozen=True)
class Bounded(_Hypothesis):
    """`|expr| <= bound` for every value of `variable`, on which `bound` does not depend.

    `expr` is an undefined function of the variable: all that is known of it is this.
    """

    expr: Expr
    bound: Expr
    variable: Symbol
    for_all: tuple[Symbol, ...] = ()
    _stated = _rewritten = ("expr", "bound")

    def mentions(self, symbol: Symbol) -> bool:
        """Whether the bound depends on `symbol`; it holds for all values of the variable."""
        return symbol in self.bound.free_symbols


Given = Fact | Split | Let | Sign | Bounded
