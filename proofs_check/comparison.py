"""Where the derivations meet: every value against the oracle, each within its own tolerance.

What a derivation (law, engine, simulation) says about a quantity is a pair: the value, and the
error it may make and must not exceed. `compare` puts all of them next to the oracle's number and
returns a `Comparison`: the worst disagreement, in units of its tolerance. Up to 1 they agree. NaN,
an infinity where a number was due, a wrong shape: infinitely wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import isinf
from typing import Any

import numpy as np

from steering_strength.proofs_check.oracles.precise import CTX, Number, number

EPS = 2.0**-52
"""Spacing of doubles at 1; a correctly rounded operation errs by half of it, relatively."""

LAW = 1e-30
"""Relative tolerance of a law against the oracle: evaluations with 120 digits, of which a second
derivative taken as a difference quotient keeps 60 and naive sums lose some again."""


@dataclass(frozen=True)
class Comparison:
    """The outcome of an assertion."""

    error: float  # the worst disagreement in units of its tolerance; at most 1 if all agree
    what: str = ""  # who disagreed most about what, with both numbers
    undecided: bool = False  # nothing is known (of a certificate); never counts as agreement

    @property
    def agrees(self) -> bool:
        """Whether every value is within its tolerance."""
        return self.error <= 1.0


AGREED = Comparison(0.0)


def _flat(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return [item for part in value for item in _flat(part)]
    if isinstance(value, np.ndarray):
        return [float(item) for item in value.ravel()]
    return [value]


def _units(value: Number, reference: Number, tolerance: Number) -> float:
    """|value - reference| / tolerance; equal infinities agree, NaN agrees only with NaN."""
    if CTX.isnan(value) or CTX.isnan(reference):
        return 0.0 if CTX.isnan(value) and CTX.isnan(reference) else float("inf")
    if value == reference:
        return 0.0
    if CTX.isinf(value) or CTX.isinf(reference) or not tolerance > 0:
        return float("inf")
    return float(abs(value - reference) / tolerance)


def compare(quantity: str, reference: Any, /, **sides: tuple[Any, Any]) -> Comparison:
    """Every side on one quantity against the oracle's number(s), of any shape and kind.

    A side is (value, tolerance) by who says it, as in ``engine=(3.0, 1e-15)``; the tolerance is
    absolute, one or one each.
    """
    expected = [number(x) for x in _flat(reference)]
    result = AGREED
    for side, (value, tolerance) in sides.items():
        name = side.replace("_", " ")
        said, allowed = ([number(x) for x in _flat(part)] for part in (value, tolerance))
        if len(said) != len(expected):
            what = f"{quantity}: {name} gives {len(said)} values for {len(expected)}"
            return Comparison(float("inf"), what)
        if len(allowed) == 1:
            allowed *= len(said)
        for i, (x, y, t) in enumerate(zip(said, expected, allowed, strict=True)):
            units = _units(x, y, t)
            if units > result.error:
                place = f"[{i}]" if len(expected) > 1 else ""
                result = Comparison(
                    units,
                    f"{quantity}{place}: {name} {CTX.nstr(x, 12)}, oracle {CTX.nstr(y, 12)}, "
                    f"tolerance {CTX.nstr(t, 3)}",
                )
    return result


def claim(statement: str, holds: object) -> Comparison:
    """A statement that is true or false, with no tolerance in between."""
    return AGREED if holds else Comparison(float("inf"), f"false: {statement}")


def equal(quantity: str, expected: object, found: object) -> Comparison:
    """Two things that must be the same bit by bit, with no tolerance."""
    return claim(f"{quantity} is {found!r}, not {expected!r}", np.all(expected == found))


def not_above(quantity: str, low: Any, high: Any, tolerance: Any = 0) -> Comparison:
    """`low` <= `high`, one by one; an excess is measured in units of `tolerance`."""
    columns: list[list[Any]] = [_flat(x) for x in (low, high, tolerance)]
    size = max(map(len, columns[:2]))
    result = AGREED
    for a, b, t in zip(*(x * size if len(x) == 1 else x for x in columns), strict=True):
        x, y = number(a), number(b)
        units = 0.0 if x <= y else _units(x, y, number(t))
        if units > result.error:
            result = Comparison(units, f"{quantity}: {CTX.nstr(x, 12)} > {CTX.nstr(y, 12)}")
    return result


def crossing(
    name: str,
    root: Any,
    curve: Callable[[Number], Number],
    level: Any,
    sign: int,
    width: Any,
    narrow: Any = None,
) -> Iterator[Comparison]:
    """A root is a sign change in a bracket: `curve` passes `level` upwards, going outwards.

    `root` has `alpha`, `lower`, `upper` and `reached`; its bracket is at most `narrow` wide (twice
    `width` if not given), and the curve is looked at `width` beyond its ends.
    """
    if not (root.reached and CTX.isfinite(root.alpha)):
        yield claim(f"{name}: a root on that side, not {root}", False)
        return
    yield from placed(root, sign)
    near, far = sorted((abs(root.lower), abs(root.upper)))
    allowed = 2 * width if narrow is None else narrow
    yield not_above(f"{name}: width of the bracket", far - near, allowed)
    below, above = (curve(sign * number(x)) for x in (near - width, far + width))
    values = ", ".join(CTX.nstr(x, 8) for x in (below, above))
    what = f"{name} passes {CTX.nstr(number(level), 8)} at {root.alpha}: {values}"
    yield claim(what, below < level <= above)


def placed(root: Any, sign: int) -> Iterator[Comparison]:
    """A root lies in its bracket, and on its side."""
    yield claim(f"{root} holds its alpha", root.lower <= root.alpha <= root.upper)
    yield claim(f"{root} has the sign {sign}", root.alpha * sign >= 0.0)


def as_alone(name: str, ask: Callable[[Any], Any], *alphas: float) -> Iterator[Comparison]:
    """Several strengths asked at once: one row each, with what each of them says alone.

    To 1e-9 of the largest number, for sums may be taken in another order.
    """
    together, alone = ask(np.array(alphas)), [ask(alpha) for alpha in alphas]
    if not isinstance(together, tuple):
        together, alone = (together,), [(answer,) for answer in alone]
    for part, rows in zip(together, zip(*alone, strict=True), strict=True):
        expected = np.stack(rows)
        size = 1e-9 * np.max(np.abs(expected[np.isfinite(expected)]), initial=0.0)
        same = np.shape(part) == expected.shape
        same = same and np.allclose(part, expected, rtol=1e-9, atol=size, equal_nan=True)
        yield claim(f"{name} at {alphas} is that of each alone", same)


def worst(comparisons: Iterable[Comparison]) -> Comparison:
    """The one with the largest error: the conjunction of several assertions.

    Nothing is worse than an infinite error: the rest is not asked for then.
    """
    result = AGREED
    for comparison in comparisons:
        if comparison.error > result.error:
            result = comparison
        if isinf(result.error):
            break
    return result
