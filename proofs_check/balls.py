"""Ball arithmetic: numbers that carry a rigorous bound of their own error.

`BALLS` is python-flint's `arb` if it is installed, and else mpmath's interval arithmetic, slower
with the same verdicts. A sign is reported only where it is certain; where it is not, precision is
doubled (`decide`), and at the end ignorance is an answer (None). Nothing here has a tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, TypeAlias, TypeVar

Ball: TypeAlias = Any
"""An `arb` or an `iv.mpf`: supports + - * / and the functions of `Balls`."""

Answer = TypeVar("Answer")

_START, _STOP = 128, 4096


class Balls:
    """The few operations that the certificates need.

    What differs: a `context` that knows the precision, the ball of a quotient, the hull of two
    balls, and a function of mathematics by its name.
    """

    def __init__(
        self,
        name: str,
        context: Any,
        quotient: Callable[[int, int], Ball],
        union: Callable[[Ball, Ball], Ball],
        applied: Callable[[str, Ball], Ball],
    ) -> None:
        self.name = name
        self._context, self._quotient = context, quotient
        self._union, self._applied = union, applied

    def precision(self) -> int:
        """Bits worked with at present."""
        return int(self._context.prec)

    def set_precision(self, bits: int) -> None:
        """Work with so many bits from now on."""
        self._context.prec = bits

    def exact(self, value: Fraction | float | int) -> Ball:
        """A ball around the value, as tight as the precision allows."""
        return self._quotient(*Fraction(value).as_integer_ratio())

    def hull(self, low: Fraction, high: Fraction) -> Ball:
        """A ball that contains the whole interval."""
        return self._union(self.exact(low), self.exact(high))

    def exp(self, x: Ball) -> Ball:
        """e^x."""
        return self._applied("exp", x)

    def log(self, x: Ball) -> Ball:
        """log x, x > 0."""
        return self._applied("log", x)

    def sqrt(self, x: Ball) -> Ball:
        """The square root, x >= 0."""
        return self._applied("sqrt", x)

    def sign(self, x: Ball) -> int | None:
        """+1 or -1 where that is certain, else None (0 too cannot be told from a small number)."""
        # Comparisons of intervals are three-valued in mpmath: True, False or None.
        return 1 if (x > 0) is True else -1 if (x < 0) is True else None

    def positive(self, x: Ball) -> bool | None:
        """Whether x > 0; None where that is not certain."""
        sign = self.sign(x)
        return None if sign is None else sign > 0

    def total(self, terms: Iterable[Ball]) -> Ball:
        """The sum; 0 for none."""
        return sum(terms, start=self.exact(0))


def flint_balls() -> Balls:
    """python-flint's arb: midpoint and radius."""
    import flint

    return Balls(
        "python-flint arb",
        flint.ctx,
        lambda p, q: flint.arb(flint.fmpq(p, q)),
        lambda low, high: low.union(high),
        lambda function, x: getattr(x, function)(),
    )


def interval_balls() -> Balls:
    """mpmath's interval arithmetic: two ends."""
    from mpmath.ctx_iv import MPIntervalContext

    iv = MPIntervalContext()
    return Balls(
        "mpmath iv",
        iv,
        lambda p, q: iv.mpf(p) / iv.mpf(q),
        lambda low, high: iv.mpf([low.a, high.b]),
        lambda function, x: getattr(iv, function)(x),
    )


def _choose() -> Balls:
    try:
        return flint_balls()
    except ModuleNotFoundError:
        return interval_balls()


BALLS: Balls = _choose()


def decide(question: Callable[[Balls], Answer | None], balls: Balls | None = None) -> Answer | None:
    """Ask with 128 bits, 256, ... 4096, until the answer is certain; None if it never is."""
    arithmetic = BALLS if balls is None else balls
    before, bits = arithmetic.precision(), _START
    try:
        while bits <= _STOP:
            arithmetic.set_precision(bits)
            answer = question(arithmetic)
            if answer is not None:
                return answer
            bits *= 2
        return None
    finally:
        arithmetic.set_precision(before)  # flint has one context for the whole process
