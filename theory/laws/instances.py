"""Concrete instances of symbolic claims: values by name, found so that hypotheses hold.

An `Instance` gives every symbol a number and every array its entries; `value` evaluates an
expression on it, exactly as long as only rational operations occur and with 50 digits otherwise.
`draw` finds instances of hypotheses, small sizes and small rational entries first: the kernel's
proofs are audited on them, contradictory hypotheses have none, and a false claim is refuted by
one. Nothing here uses the kernel's rules; it shares only the records that hold the hypotheses.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from itertools import product
from typing import Any

from mpmath import mp, mpf
from sympy import Expr, Indexed, Integer, Rational, Symbol

from steering_strength.theory.laws.evaluation import EXACT, NoValueError, Number, Walk
from steering_strength.theory.laws.kernel import Bounded, Fact, Given, Let, Sign, Split
from steering_strength.theory.laws.kernel.binding import differentiated
from steering_strength.theory.laws.notation import unfold

DIGITS = 50


@dataclass(frozen=True)
class Instance:
    """Values by name: scalars, (nested) arrays, and callables for undefined functions."""

    numbers: Mapping[str, Any]
    arrays: Mapping[str, Any] = field(default_factory=dict)

    def value(self, e: Expr, digits: int = DIGITS) -> Number:
        """`e` as a Fraction where it is rational, else with 50 digits; raises NoValueError."""
        with mp.workdps(digits):
            try:
                return Walk(self).of(_ready(e))
            except (ZeroDivisionError, OverflowError, IndexError, KeyError, ValueError) as error:
                raise NoValueError(f"{e} has no value here: {error}") from None

    def with_number(self, name: str, value: Number) -> Instance:
        """The same with one more, or another, scalar."""
        return Instance({**self.numbers, name: value}, self.arrays)

    def code(self) -> str:
        """The instance as Python code, exact numbers as fractions."""
        numbers = ", ".join(f"{k!r}: {_code(v)}" for k, v in sorted(self.numbers.items()))
        arrays = ", ".join(f"{k!r}: {_code(v)}" for k, v in sorted(self.arrays.items()))
        return f"Instance({{{numbers}}}, {{{arrays}}})"

    def number(self, s: Symbol) -> Number:
        """The value of a symbol."""
        if s.name not in self.numbers:
            raise NoValueError(f"the symbol {s.name} has no value here")
        return exact(self.numbers[s.name])

    def entry(self, name: str, indices: tuple[int, ...]) -> Number:
        """An entry of an array; indices count from 0."""
        if name not in self.arrays:
            raise NoValueError(f"the array {name} has no value here")
        found = self.arrays[name]
        for k in indices:
            if not hasattr(found, "__len__") or not 0 <= k < len(found):
                raise NoValueError(f"{name} has no entry {indices}")
            found = found[k]
        return exact(found)

    def function(self, name: str) -> Any:
        """The callable that stands for an undefined function."""
        if not callable(self.arrays.get(name)):
            raise NoValueError(f"the function {name} has no value here")
        return self.arrays[name]


def exact(v: Any) -> Number:
    """A Python or SymPy number as a Fraction, or as it stands."""
    if isinstance(v, int | Integer | Rational):
        return Fraction(int(v.p), int(v.q)) if isinstance(v, Rational) else Fraction(int(v))
    if isinstance(v, float):
        return Fraction(v)
    return v


def _code(v: Any) -> str:
    if isinstance(v, list | tuple):
        return f"[{', '.join(map(_code, v))}]"
    if callable(v):
        return "a function"
    v = exact(v)
    if isinstance(v, Fraction):
        return (
            str(v.numerator) if v.denominator == 1 else f"Fraction({v.numerator}, {v.denominator})"
        )
    return mp.nstr(v, 15)


@lru_cache(maxsize=4096)
def _ready(e: Expr) -> Expr:
    """`e` in sums over entries, its derivatives taken."""
    return differentiated(unfold(e))


@lru_cache(maxsize=4096)
def _arrays(e: Expr) -> dict[str, Any]:
    """The arrays of an expression that is ready, by name."""
    return {x.base.label.name: x.base for x in e.atoms(Indexed)}


mp_of = EXACT.rounded
"""A number for mpmath's functions."""


def satisfied(instance: Any, given: tuple[Given, ...]) -> bool | None:
    """Whether hypotheses hold on an instance; None if one speaks of what it does not know."""
    try:
        return all(_holds(instance, g) for g in given)
    except NoValueError:
        return None


def _holds(instance: Any, g: Given) -> bool:
    if isinstance(g, Split):
        low, at, upper = (instance.value(b) for b in (g.lower, g.at, g.upper))
        return bool(compare(low, at) <= 0 <= compare(upper + 1, at))
    if isinstance(g, Let):
        low, upper = instance.value(g.lower), instance.value(g.upper)
        return all(
            near(_at(instance, g.entry, g.index, k), _at(instance, g.value, g.index, k))
            for k in range(int(low), int(upper) + 1)
        )
    if isinstance(g, Bounded):
        low, *others = (
            instance.value(e)
            for e in (
                g.bound,
                *(
                    g.expr.xreplace({g.variable: Integer(t), **{i: Integer(0) for i in g.for_all}})
                    for t in (1, 10, 10**6)
                ),
            )
        )
        return all(compare(abs(v), low) <= 0 for v in others)
    reach = _ROWS if isinstance(g, Fact) else _REACH
    for values in product(range(reach), repeat=len(g.for_all)):
        bound = {s: Integer(k) for s, k in zip(g.for_all, values, strict=True)}
        try:
            if isinstance(g, Fact):
                good = near(*(instance.value(side.xreplace(bound)) for side in (g.lhs, g.rhs)))
            else:
                order = compare(instance.value(g.expr.xreplace(bound)), Fraction(0))
                good = order > 0 if g.strict else order >= 0
        except NoValueError:
            if g.for_all and any(values):  # beyond the arrays of this instance
                continue
            raise
        if not good:
            return False
    return True


def _at(instance: Any, e: Expr, index: Symbol, k: int) -> Number:
    return instance.value(unfold(e).xreplace({index: Integer(k)}))


def compare(a: Number, b: Number) -> int:
    """-1, 0 or 1 as a is below, at or above b, up to rounding where they are not rational."""
    if near(a, b):
        return 0
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return 1 if a > b else -1
    return 1 if mp_of(a) > mp_of(b) else -1


def near(a: Number, b: Number) -> bool:
    """Equal: exactly if both are rational, else up to rounding at 50 digits."""
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a == b
    a, b = mp_of(a), mp_of(b)
    return bool(abs(a - b) <= mpf(10) ** (12 - DIGITS) * (1 + abs(a) + abs(b)))


_REACH = 3  # values tried for the indices of a hypothesis that holds for all of them
_ROWS = 4  # the same for sums, which are solved for: every row that an instance may have
_ENTRIES = [Fraction(a, b) for a, b in ((1, 1), (1, 2), (2, 1), (1, 3), (3, 1), (2, 3), (3, 2),
                                        (1, 4), (3, 4), (5, 2), (1, 5))]  # fmt: skip


class _Retry(Exception):
    """The draw does not meet the hypotheses; draw again."""


class _Drawn:
    """An instance in the making: what has no value yet is drawn when asked for."""

    def __init__(self, seed: int, given: tuple[Given, ...], largest: int) -> None:
        self.random = random.Random(seed)
        self.largest = largest
        self.small = bool(seed % 2)
        self.symbols: dict[Symbol, Number] = {}
        self.entries: dict[tuple[str, tuple[int, ...]], Number] = {}
        self.bases: dict[str, Any] = {}
        self.functions: dict[str, Any] = {}
        self.bounded: dict[str, Expr] = {}
        self.lets: dict[str, list[Let]] = {}
        self.busy: set[tuple[str, tuple[int, ...]]] = set()
        self.fresh: list[Any] = []
        for g in given:
            if isinstance(g, Bounded):
                self.bounded[g.expr.func.__name__] = g.bound
            if isinstance(g, Let):
                self.lets.setdefault(g.entry.base.label.name, []).append(g)

    def value(self, e: Expr) -> Number:
        ready = _ready(e)
        self.bases.update(_arrays(ready))
        with mp.workdps(DIGITS):
            try:
                return Walk(self).of(ready)
            except (ZeroDivisionError, OverflowError, ValueError, TypeError) as error:
                raise _Retry(str(error)) from None
            except NoValueError as error:
                raise _Retry(str(error)) from None

    def number(self, s: Symbol) -> Number:
        if s not in self.symbols:
            self.symbols[s] = self._draw(s, index=s.name in _INDICES)
            self.fresh.append(s)
        return self.symbols[s]

    def entry(self, name: str, indices: tuple[int, ...]) -> Number:
        if min(indices, default=0) < 0:
            raise _Retry(f"{name} has no entry {indices}")
        key = (name, indices)
        if key in self.entries:
            return self.entries[key]
        for let in self.lets.get(name, []) if key not in self.busy else []:
            self.busy.add(key)  # M[y] = M[z] speaks of itself at y = z: there the entry is free
            try:
                found = self._parametrised(let, indices)
            finally:
                self.busy.discard(key)
            if found is not None:
                return found
        self.entries[key] = self._draw(self.bases[name], index=False)
        self.fresh.append(key)
        return self.entries[key]

    def _parametrised(self, let: Let, indices: tuple[int, ...]) -> Number | None:
        k = None
        for have, want in zip(indices, let.entry.indices, strict=True):
            if want == let.index:
                k = have
            elif Walk(self).of(want) != have:
                return None
        low, high = (Walk(self).of(b) for b in (let.lower, let.upper))
        if k is None or not low <= k <= high:
            return None
        value = _ready(let.value)
        self.bases.update(_arrays(value))
        return Walk(self, EXACT, {let.index: Fraction(k)}).of(value)

    def function(self, name: str) -> Any:
        if name not in self.functions:
            c = [self.random.choice(_ENTRIES) for _ in range(3)]

            within = self.value(self.bounded[name]) if name in self.bounded else None

            def smooth(*arguments: Number) -> Number:
                *index, t = arguments
                if within is not None:
                    return within * t / (1 + t * t)
                k = index[0] if index else Fraction(2)
                return c[0] * (k + 1) * t + c[1] / (k + 2) * t**2 - c[2] * t**3 / 7

            self.functions[name] = smooth
        return self.functions[name]

    def _draw(self, s: Any, *, index: bool) -> Number:
        whole = s.is_integer if isinstance(s, Symbol) else s.label.is_integer
        about = s if isinstance(s, Symbol) else s.label
        if whole:
            low = 1 if about.is_positive else 0
            return Fraction(self.random.randint(low, max(low, self.largest - index)))
        v = self.random.choice(_ENTRIES)
        if self.small and not isinstance(s, Symbol) and about.is_positive:
            v /= 4  # leaves room for the entry of a probability vector that is solved for
        if about.is_positive:
            return v
        if self.random.random() < 0.15 and not about.is_nonzero:
            return Fraction(0)
        return v if about.is_nonnegative or self.random.random() < 0.5 else -v

    def satisfy(self, given: tuple[Given, ...]) -> None:
        """Give values to what the hypotheses speak of, so that they hold."""
        sizes = [
            g
            for g in given
            if isinstance(g, Split | Sign)
            and all(s.is_integer for e in g.expressions() for s in e.free_symbols)
        ]
        for _ in range(40):  # sizes in the wrong order are cheap to draw again
            if all(_holds(self, g) for g in sizes):
                break
            self.symbols, self.entries = {}, {}
            self.largest = min(self.largest + self.random.randrange(2), 4)
        else:
            raise _Retry("sizes out of order")
        for g in given:
            if isinstance(g, Fact):
                for values in product(range(_ROWS), repeat=len(g.for_all)):
                    bound = {s: Integer(k) for s, k in zip(g.for_all, values, strict=True)}
                    self._solve((g.lhs - g.rhs).xreplace(bound))
        if not all(_holds(self, g) for g in given):
            raise _Retry("a hypothesis fails")

    def _solve(self, residual: Expr) -> None:
        """Make `residual` zero by choosing one value that was first drawn for it."""
        self.fresh = []
        if near(self.value(residual), Fraction(0)):
            return
        for key in [k for k in self.fresh if not (isinstance(k, Symbol) and k.is_integer)]:
            store: dict[Any, Number] = self.symbols if isinstance(key, Symbol) else self.entries
            about = key if isinstance(key, Symbol) else self.bases[key[0]].label
            old = store[key]

            def at(u: Number, store: Any = store, key: Any = key) -> Number:
                store[key] = u
                return self.value(residual)

            try:
                root = _root(at, about)
            except _Retry:
                root = None
            if root is not None:
                store[key] = root
                return
            store[key] = old
        raise _Retry(f"no free value makes {residual} zero")

    def frozen(self) -> Instance:
        """The instance as it stands, arrays filled up."""
        arrays: dict[str, Any] = dict(self.functions)
        for name in {k[0] for k in self.entries} | set(self.lets):
            if name not in self.bases:
                continue
            deep = [k[1] for k in self.entries if k[0] == name]
            depth = len(deep[0]) if deep else len(self.lets[name][0].entry.indices)
            sizes = [
                max([k[level] + 1 for k in deep] + ([self._top()] if not deep else []))
                for level in range(depth)
            ]
            if name in self.lets:
                sizes = [max(s, self._top()) for s in sizes]
            arrays[name] = self._filled(name, sizes, ())
        return Instance({s.name: v for s, v in self.symbols.items()}, arrays)

    def _top(self) -> int:
        return max(
            [int(v) for s, v in self.symbols.items() if s.is_integer and s.is_positive] + [1]
        )

    def _filled(self, name: str, sizes: list[int], done: tuple[int, ...]) -> Any:
        if not sizes:
            return self.entry(name, done)
        return [self._filled(name, sizes[1:], (*done, k)) for k in range(sizes[0])]


_INDICES = frozenset("xyzijkl")  # names of indices, which start at 0


def _root(at: Any, about: Any) -> Number | None:
    """A zero of `at`, of the sign that `about` has: exact if `at` is linear, else by bisection."""
    first, second, third = (at(Fraction(k)) for k in (1, 2, 3))
    exact_line = all(isinstance(v, Fraction) for v in (first, second, third))
    if near(third - second, second - first):
        slope = second - first
        if slope == 0:
            return None
        root = 1 - first / slope if exact_line else 1 - mp_of(first) / mp_of(slope)
        good = root > 0 or (root == 0 and not about.is_positive)
        return root if good or not (about.is_positive or about.is_nonnegative) else None
    grid = [Fraction(k, 4) for k in range(1, 60)]
    if not (about.is_positive or about.is_nonnegative):
        grid = [-g for g in reversed(grid)] + grid
    previous = None
    for g in grid:
        value = at(g)
        if previous is not None and (value > 0) != (previous[1] > 0):
            return _between(at, (mp_of(previous[0]), previous[1]), (mp_of(g), value))
        previous = (g, value)
    return None


def _between(at: Any, one: tuple[Number, Number], other: tuple[Number, Number]) -> Number:
    """The zero between two places of opposite signs: regula falsi with halved ends (Illinois)."""
    (a, fa), (b, fb) = ((x, mp_of(f)) for x, f in (one, other))
    for _ in range(120):
        c = (a * fb - b * fa) / (fb - fa)
        fc = mp_of(at(c))
        if fc == 0 or abs(b - a) <= mpf(10) ** (2 - DIGITS) * (1 + abs(a)):
            return c
        if (fc > 0) != (fb > 0):
            a, fa = b, fb
        else:
            fa /= 2
        b, fb = c, fc
    return (a + b) / 2


def draw(
    expressions: tuple[Expr, ...], given: tuple[Given, ...] = (), *, seed: int = 0, tries: int = 60
) -> Iterator[Instance]:
    """Instances on which `given` holds and every expression has a value, small ones first."""
    given = tuple(g.map(unfold) for g in given)
    for attempt in range(tries):
        drawn = _Drawn(1000 * seed + attempt, given, largest=1 + attempt // 8 % 4)
        try:
            with mp.workdps(DIGITS):
                drawn.satisfy(given)
                for e in expressions:
                    drawn.value(e)
                found = drawn.frozen()
        except (_Retry, NoValueError):
            continue
        yield found
