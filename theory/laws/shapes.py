"""Claims about a whole function: its direction, bends, peaks, levels and changes of sign.

None of them is decided by the kernel: each comes out of a rule of `theory.laws.rules`,
`theory.laws.sign_rules` or `theory.laws.order_rules`. On an instance they look at the function on a
grid of its variable.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any, ClassVar, final

from mpmath import mp, mpf
from sympy import Expr, S, Symbol, sympify

from steering_strength.theory.laws.claims import Claim, Show
from steering_strength.theory.laws.evaluation import NoValueError
from steering_strength.theory.laws.instances import compare, mp_of, near, satisfied
from steering_strength.theory.laws.printing import domain, tex, worded

_GRID = [Fraction(k, 4) for k in range(-40, 41)] + [
    Fraction(s * 2**k) for k in range(4, 9) for s in (1, -1)
]


def _values(instance: Any, f: Expr, variable: Symbol) -> list[tuple[Fraction, Any]]:
    """(strength, value) over a grid of the variable's domain, in order."""
    found = []
    for t in sorted(set(_GRID)):
        if (variable.is_positive and t <= 0) or (variable.is_nonnegative and t < 0):
            continue
        try:
            found.append((t, mp_of(instance.with_number(variable.name, t).value(f))))
        except NoValueError:
            continue  # outside the domain
    return found


def _moves(values: list[tuple[Fraction, Any]]) -> Iterator[int]:
    """+1, -1 per step of a grid; a step below the digits carried says nothing."""
    for (_, a), (_, b) in pairwise(values):
        if not near(a, b):
            yield 1 if b > a else -1


def _math(show: Show, e: Expr) -> str:
    """An expression inside of a sentence: in dollars, if it is LaTeX."""
    return f"${tex(e)}$" if show is tex else show(e)


def _equal(show: Show, left: Expr, right: Expr) -> str:
    return f"${tex(left)} = {tex(right)}$" if show is tex else f"{show(left)} = {show(right)}"


@dataclass(frozen=True)
class _OfFunction(Claim):
    """A claim about the function `f` of `variable`, on the domain that its assumptions say.

    It is a sentence with formulas in it.
    """

    f: Expr
    variable: Symbol
    _stated: ClassVar[tuple[str, ...]] = ("f",)

    def _shown(self, show: Show) -> str:
        words = self._words(show)
        return worded(words) if show is tex else words

    def _words(self, show: Show) -> str:
        raise NotImplementedError

    def _on(self, show: Show) -> str:
        on = domain(self.variable, latex=show is tex)
        return f"${on}$" if show is tex else on


@final
@dataclass(frozen=True)
class Monotone(_OfFunction):
    """`f` increases (or decreases) in `variable`, strictly or not, on its domain."""

    increasing: bool = field(default=True, kw_only=True)
    strict: bool = field(default=True, kw_only=True)

    def _evaluate(self, instance: Any) -> bool | None:
        moves = set(_moves(_values(instance, self.f, self.variable)))
        wrong = -1 if self.increasing else 1
        return False if wrong in moves else True if moves else (None if self.strict else True)

    def _words(self, show: Show) -> str:
        verb = f"{'strictly ' * self.strict}{'in' if self.increasing else 'de'}creases"
        return f"{_math(show, self.f)} {verb} in {self._on(show)}"


@final
@dataclass(frozen=True)
class Convex(_OfFunction):
    """`f` is convex in `variable`, strictly or not."""

    strict: bool = field(default=True, kw_only=True)

    def _evaluate(self, instance: Any) -> bool | None:
        values = [v for t, v in _values(instance, self.f, self.variable) if abs(t) <= 10]
        bends = [
            (a + c) / 2 - b
            for a, b, c in zip(values, values[1:], values[2:], strict=False)
            if not near((a + c) / 2, b)
        ]
        return all(v > 0 for v in bends) if bends else (None if self.strict else True)

    def _words(self, show: Show) -> str:
        kind = "strictly convex" if self.strict else "convex"
        return f"{_math(show, self.f)} is {kind} in {self._on(show)}"


@final
@dataclass(frozen=True)
class OnePeak(_OfFunction):
    """`f` strictly rises to exactly one peak and strictly falls after it (or the reverse).

    `solves`, if known, is a pair (a, b): the place of the peak is where a = b.
    """

    valley: bool = field(default=False, kw_only=True)
    solves: tuple[Expr, Expr] | None = field(default=None, kw_only=True)
    _stated = ("f", "solves")

    def _evaluate(self, instance: Any) -> bool | None:
        moves = list(_moves(_values(instance, self.f, self.variable)))
        turns = [b for a, b in zip([None, *moves], moves, strict=False) if a != b]
        first = -1 if self.valley else 1
        if turns in ([first], [-first]):
            return None  # the peak may lie beyond the grid
        return turns == [first, -first] if turns else None

    def _words(self, show: Show) -> str:
        rises, peak, falls = ("falls", "valley", "rises") if self.valley else (
            "rises", "peak", "falls"
        )  # fmt: skip
        where = f", where {_equal(show, *self.solves)}," if self.solves else ""
        return (
            f"{_math(show, self.f)} strictly {rises} to exactly one {peak}{where} and strictly "
            f"{falls} after it, {self._on(show)}"
        )


@final
@dataclass(frozen=True)
class OneRoot(_OfFunction):
    """`f` = c has exactly one root on each side of 0, for every c > 0; `f` vanishes at 0."""

    def _evaluate(self, instance: Any) -> bool | None:
        values = _values(instance, self.f, self.variable)
        left = [v for t, v in values if t <= 0][::-1]
        right = [v for t, v in values if t >= 0]
        if not near(right[0], Fraction(0)):
            return False
        steps = [(a, b) for side in (left, right) for a, b in pairwise(side)]
        if any(b < a and not near(a, b) for a, b in steps):
            return False
        return True if all(b > a for a, b in steps) else None

    def _words(self, show: Show) -> str:
        f, v = _math(show, self.f), _math(show, self.variable)
        return (
            f"{f} strictly falls to 0 at {_equal(show, self.variable, S.Zero)} and strictly rises "
            f"from it without bound: it takes every positive value at exactly one {v} on each side"
        )


@final
@dataclass(frozen=True)
class Crosses(_OfFunction):
    """`f` is positive up to at most one zero and negative after it, where hypotheses hold."""

    def _evaluate(self, instance: Any) -> bool | None:
        low, high = Fraction(1, 200), Fraction(199, 200)
        points = [low + (high - low) * Fraction(k, 60) for k in range(61)]
        signs = []
        for t in points:
            at = instance.with_number(self.variable.name, t)
            if satisfied(at, self.given) is True:
                v = at.value(self.f)
                signs += [compare(v, Fraction(0)) > 0] if not near(v, Fraction(0)) else []
        return signs == sorted(signs, reverse=True) if signs else None

    def _words(self, show: Show) -> str:
        return (
            f"{_math(show, self.f)} has at most one zero, is positive before it and negative after "
            f"it, on every interval of {_math(show, self.variable)} where the hypotheses hold"
        )


@final
@dataclass(frozen=True)
class Expansion(_OfFunction):
    """`f` is the polynomial in `variable - at` with these coefficients, plus o of its top power."""

    coefficients: tuple[Expr, ...]
    at: Any = S.Zero
    _stated = ("f", "coefficients")

    def _evaluate(self, instance: Any) -> bool | None:
        n, errors = len(self.coefficients) - 1, []
        there = mp_of(instance.value(self.at))
        values = [mp_of(instance.value(c)) for c in self.coefficients]
        for k in (3, 4):
            t = mpf(10) ** -k
            rest = mp_of(instance.with_number(self.variable.name, there + t).value(self.f))
            rest -= mp.fsum(c * t**i for i, c in enumerate(values))
            errors.append(abs(rest) / t**n)
        return bool(errors[1] <= errors[0] / 5 + mpf(10) ** -20)

    def _shown(self, show: Show) -> str:
        raised = "^{{{}}}" if show is tex else "^{}"
        v = self.variable if self.at == 0 else self.variable - self.at
        base = show(v) if v.is_Symbol else f"({show(v)})"

        def power(k: int) -> str:
            return "1" if k == 0 else base if k == 1 else base + raised.format(k)

        terms = []
        for k, c in enumerate(self.coefficients):
            if c == 0:
                continue
            shown = show(c) if not c.is_Add else f"({show(c)})"
            terms.append(shown if k == 0 else power(k) if c == 1 else f"{shown} {power(k)}")
        return f"{show(self.f)} = {' + '.join([*terms, f'o({power(len(self.coefficients) - 1)})'])}"


def _changes(values: Sequence[Any]) -> int:
    """Sign changes of a sequence; zeros do not count."""
    signs = [v > 0 for v in values if not near(v, Fraction(0))]
    return sum(a != b for a, b in pairwise(signs))


def _sequence(instance: Any, term: Expr, index: Symbol, upper: Expr) -> list[Any]:
    """The values of `term` at index = 0 .. upper."""
    top = int(instance.value(upper))
    return [instance.value(term.xreplace({index: sympify(k)})) for k in range(top + 1)]


@final
@dataclass(frozen=True)
class Follows(_OfFunction):
    """`f` changes sign at most as often as the number `first` followed by the function `then`."""

    first: Expr
    then: Expr
    _stated = ("f", "first", "then")

    def _evaluate(self, instance: Any) -> bool | None:
        values = [v for _, v in _values(instance, self.f, self.variable)]
        slopes = [v for _, v in _values(instance, self.then, self.variable)]
        few = _changes([instance.value(self.first), *slopes])
        return True if _changes(values) <= few else None  # the grid may miss a change of `then`

    def _words(self, show: Show) -> str:
        f, v, first, then = (_math(show, e) for e in (self.f, self.variable, self.first, self.then))
        return f"{f} changes sign in {v} at most as often as {first} followed by {then}"


@final
@dataclass(frozen=True)
class AtMost(_OfFunction):
    """`f` changes sign at most as often as the sequence `term`, index = 0 .. upper."""

    term: Expr
    index: Symbol
    upper: Expr

    def _evaluate(self, instance: Any) -> bool | None:
        values = [v for _, v in _values(instance, self.f, self.variable)]
        steps = _sequence(instance, self.term, self.index, self.upper)
        return _changes(values) <= _changes(steps)

    def _words(self, show: Show) -> str:
        f, v, term, high = (_math(show, e) for e in (self.f, self.variable, self.term, self.upper))
        first = _equal(show, self.index, S.Zero)
        return f"{f} changes sign in {v} at most as often as {term} in {first}, ..., {high}"


@final
@dataclass(frozen=True)
class Extrema(_OfFunction):
    """`f` has at most as many interior extrema as the sequence `term` turns; parities agree."""

    term: Expr
    index: Symbol
    upper: Expr

    def _evaluate(self, instance: Any) -> bool | None:
        seen = list(_moves(_values(instance, self.f, self.variable)))
        terms = _sequence(instance, self.term, self.index, self.upper)
        steps = [v for a, b in pairwise(terms) if not near(v := b - a, Fraction(0))]
        if not steps:
            return not seen
        turns, found = _changes(steps), sum(a != b for a, b in pairwise(seen))
        if found > turns:
            return False
        ends = bool(seen) and all(
            (move > 0) == (step > 0) for move, step in ((seen[0], steps[0]), (seen[-1], steps[-1]))
        )  # else an extremum lies beyond the grid
        return (turns - found) % 2 == 0 if ends else None

    def _words(self, show: Show) -> str:
        f, v, term, high = (_math(show, e) for e in (self.f, self.variable, self.term, self.upper))
        first = _equal(show, self.index, S.Zero)
        return (
            f"{f} has at most as many interior extrema in {v} as {term} has turns in "
            f"{first}, ..., {high}, and as many up to an even number"
        )


@final
@dataclass(frozen=True)
class FewExtrema(_OfFunction):
    """`f` has at most `most` interior extrema."""

    most: Expr
    _stated = ("f", "most")

    def _evaluate(self, instance: Any) -> bool | None:
        moves = list(_moves(_values(instance, self.f, self.variable)))
        return sum(a != b for a, b in pairwise(moves)) <= int(instance.value(self.most))

    def _words(self, show: Show) -> str:
        f, v, most = (_math(show, e) for e in (self.f, self.variable, self.most))
        return f"{f} has at most {most} interior extrema in {v}"


@final
@dataclass(frozen=True)
class Envelope(_OfFunction):
    """The index at which `f` is largest changes at most `upper` times, each time to a larger rank.

    The indices are 0 .. `upper`; of exact ties the first counts.
    """

    index: Symbol
    upper: Expr
    rank: Expr
    _stated = ("f", "rank", "upper")

    def _evaluate(self, instance: Any) -> bool | None:
        ranks = _sequence(instance, self.rank, self.index, self.upper)
        each = [self.f.xreplace({self.index: sympify(k)}) for k in range(len(ranks))]
        curves = [[v for _, v in _values(instance, f, self.variable)] for f in each]
        first = [
            next(k for k, v in enumerate(column) if near(v, max(column)))
            for column in zip(*curves, strict=True)
        ]
        moves = [(a, b) for a, b in pairwise(first) if a != b]
        return len(moves) < len(ranks) and all(compare(ranks[b], ranks[a]) > 0 for a, b in moves)

    def _words(self, show: Show) -> str:
        f, v, z, rank, most = (
            _math(show, e) for e in (self.f, self.variable, self.index, self.rank, self.upper)
        )
        return (
            f"the {z} with the largest {f} changes at most {most} times in {v}, each time to a "
            f"larger {rank}"
        )


@final
@dataclass(frozen=True)
class Along(_OfFunction):
    """Where `f` keeps its value while `parameter` moves, `quantity` moves at the rate `slope`.

    `quantity` is `variable` itself, which has to follow the parameter, or made of the two.
    """

    parameter: Symbol
    quantity: Expr
    slope: Expr
    _stated = ("f", "quantity", "slope")

    def _evaluate(self, instance: Any) -> bool | None:
        start, here = (mp_of(instance.number(s)) for s in (self.variable, self.parameter))
        level, step = mp_of(instance.value(self.f)), mpf(10) ** -12
        found = []
        for side in (1, -1):
            moved = instance.with_number(self.parameter.name, here + side * step)

            def off(v: Any, *, moved: Any = moved) -> Any:
                return mp_of(moved.with_number(self.variable.name, v).value(self.f)) - level

            try:
                place = mp.findroot(off, (start, start + step), tol=mpf(10) ** -70)
            except (ValueError, ZeroDivisionError):
                return None  # the level is touched, or left
            there = moved.with_number(self.variable.name, place)
            found.append(mp_of(there.value(self.quantity)))
        quotient, slope = (found[0] - found[1]) / (2 * step), mp_of(instance.value(self.slope))
        return bool(abs(quotient - slope) <= mpf(10) ** -12 * (1 + abs(slope)))

    def _shown(self, show: Show) -> str:
        moved = show(self.quantity)
        moved = moved if self.quantity.is_Symbol else f"({moved})"
        below, slope, kept = map(show, (self.parameter, self.slope, self.f))
        if show is tex:
            rate = rf"\frac{{d}}{{d{below}}} {moved} = {slope}"
            return rf"{rate} \text{{ where }} {kept} \text{{ keeps its value}}"
        return f"d{moved}/d{below} = {slope} where {kept} keeps its value"
