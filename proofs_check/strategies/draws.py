"""What every strategy draws with: small integers, shares of 1, magnitudes from a menu, alphas."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

__all__ = ["CLOSE", "MILD", "WILD", "alphas", "integers", "matrix", "simplex", "subset", "vector"]

# The magnitudes a share may be scaled by. 1 comes first: it is what shrinking leads to.
MILD = (Fraction(1), Fraction(1, 10), Fraction(1, 1000))
# Gaps a - b are not made smaller than this: a float64 dataset must be able to tell a from b, and
# the oracle's difference quotients must be able to resolve M.
CLOSE = (*MILD, Fraction(1, 10**9))
WILD = (*CLOSE, Fraction(1, 10**60), Fraction(1, 10**200))


def integers(draw: DrawFn, low: int, high: int) -> int:
    """One integer in [low, high], both within +-99."""
    return int(draw(st.integers(low, high)))


def simplex(draw: DrawFn, size: int, scales: Sequence[Fraction] = (Fraction(1),)) -> list[Fraction]:
    """`size` positive fractions with sum 1."""
    parts = [integers(draw, 1, 9) * draw(st.sampled_from(scales)) for _ in range(size)]
    total = sum(parts, start=Fraction(0))
    return [part / total for part in parts]


def subset(draw: DrawFn, items: Sequence[int], size: int) -> tuple[int, ...]:
    """`size` of the items in some order; the first ones when shrunk."""
    return tuple(draw(st.permutations(list(items)))[:size])


def vector(draw: DrawFn, size: int, unit: float = 0.25) -> tuple[float, ...]:
    """Multiples of `unit` up to 12 of them: exact floats with short products."""
    return tuple(integers(draw, -12, 12) * unit for _ in range(size))


def matrix(
    draw: DrawFn, rows: int, columns: int, unit: float = 0.25
) -> tuple[tuple[float, ...], ...]:
    """The same with two axes."""
    return tuple(vector(draw, columns, unit) for _ in range(rows))


def alphas() -> st.SearchStrategy[float]:
    """Finite strengths of either sign: 0, small integers and eighths, 1e-12 ... 1e-3, up to 9900.

    Shrinks towards 1.
    """
    small = st.integers(1, 12).map(float)
    eighths = st.integers(1, 64).map(lambda n: n / 8)
    tiny = st.builds(lambda n, k: n * 10.0**-k, st.integers(1, 9), st.sampled_from((3, 6, 9, 12)))
    large = st.integers(1, 99).map(lambda n: 100.0 * n)
    size = st.one_of(small, eighths, tiny, large, st.just(0.0))
    return st.builds(lambda a, negative: -a if negative else a, size, st.booleans())
