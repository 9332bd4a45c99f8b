"""Ball arithmetic: numbers that carry a rigorous bound of their own error.

`BALLS` is python-flint's `arb` if it is installed, and else mpmath's interval arithmetic, slower
with the same verdicts. A sign is reported only where it is certain; where it is not, precision is
doubled (`decide`), and at the end ignorance is an answer (None). Nothing here has a tolerance.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, TypeAlias, TypeVar, final

Ball: TypeAlias = Any
"""An `arb` or an `iv.mpf`: supports + - * / and the functions of `Balls`."""

Answer = TypeVar("Answer")

_START, _STOP = 128, 4096


class Balls(ABC):
    """The few operations that the certificates need, on a context that knows the precision."""

    name: str

    def __init__(self, context: Any) -> None:
        self._context = context

    def precision(self) -> int:
        """Bits worked with at present."""
        return int(self._context.prec)

    def set_precision(self, bits: int) -> None:
        """Work with so many bits from now on."""
        self._context.prec = bits

    @abstractmethod
    def exact(self, value: Fraction | float | int) -> Ball:
        """A ball around the value, as tight as the precision allows."""

    @abstractmethod
    def hull(self, low: Fraction, high: Fraction) -> Ball:
        """A ball that contains the whole interval."""

    @abstractmethod
    def _applied(self, function: str, x: Ball) -> Ball:
        """A function of mathematics, by its name."""

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


@final
class FlintBalls(Balls):
    """python-flint's arb: midpoint and radius."""

    name = "python-flint arb"

    def __init__(self) -> None:
        import flint

        super().__init__(flint.ctx)
        self._flint = flint

    def exact(self, value: Fraction | float | int) -> Ball:  # noqa: D102 - see Balls
        part = Fraction(value)
        return self._flint.arb(self._flint.fmpq(part.numerator, part.denominator))

    def hull(self, low: Fraction, high: Fraction) -> Ball:  # noqa: D102
        return self.exact(low).union(self.exact(high))

    def _applied(self, function: str, x: Ball) -> Ball:
        return getattr(x, function)()


@final
class IntervalBalls(Balls):
    """mpmath's interval arithmetic: two ends."""

    name = "mpmath iv"

    def __init__(self) -> None:
        from mpmath.ctx_iv import MPIntervalContext

        super().__init__(MPIntervalContext())

    def exact(self, value: Fraction | float | int) -> Ball:  # noqa: D102
        part = Fraction(value)
        return self._context.mpf(part.numerator) / self._context.mpf(part.denominator)

    def hull(self, low: Fraction, high: Fraction) -> Ball:  # noqa: D102
        return self._context.mpf([self.exact(low).a, self.exact(high).b])

    def _applied(self, function: str, x: Ball) -> Ball:
        return getattr(self._context, function)(x)


def _choose() -> Balls:
    try:
        return FlintBalls()
    except ModuleNotFoundError:
        return IntervalBalls()


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
