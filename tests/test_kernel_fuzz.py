"""Random claims over nested sums: whatever the kernel decides is compared with exact values.

Sizes run over 1, 2, 3, ranges may be empty or reversed, and every claim is made with and without
the hypotheses that put its ranges in order. A decided claim that fails at one instance is a bug.
"""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import product

import pytest
from sympy import Derivative, Expr, IndexedBase, Integer, Sum, Symbol

from steering_strength.theory.laws.instances import Instance
from steering_strength.theory.laws.kernel import (
    Sign,
    Split,
    Undecided,
    decide_equal,
    decide_sign,
)

x, y, z, t = (Symbol(c, integer=True) for c in "xyzt")
V, n, m = (Symbol(c, integer=True, positive=True) for c in "Vnm")
p = IndexedBase("p", positive=True)
M = IndexedBase("M", real=True)
f = IndexedBase("f", real=True)
SIZES = list(product((1, 2, 3), repeat=3))
CLAIMS = 200
ORDERS = {V - n: Sign(V - n), n - m: Sign(n - m), V - m: Sign(V - m)}


def _range(source: random.Random, outer: list[Symbol]) -> tuple[Expr, Expr]:
    ends = [(0, V - 1), (0, n - 1), (n, V - 1), (0, m - 1), (m, n - 1), (n, m - 1)]
    ends += [(n, n), (m, m)]  # one term
    ends += [(low, o) for o in outer for low in (0, o)]
    low, high = source.choice(ends)
    return Integer(low) if low == 0 else low, high


def _body(source: random.Random, indices: list[Symbol]) -> Expr:
    def factor() -> Expr:
        i, j = source.choice(indices), source.choice(indices)
        return source.choice([p[i], M[i], f[i, j], Integer(2), p[i] + M[j], p[i] ** 2])

    return factor() * factor()


def _sum(source: random.Random, depth: int, outer: list[Symbol]) -> Expr:
    if depth == 0:
        return _body(source, outer or [t])
    index = source.choice([x, y, z])  # names repeat: inner sums shadow outer ones
    low, high = _range(source, [o for o in outer if o != index])
    inner = _sum(source, depth - 1, [*outer, index])
    if source.random() < 0.3:
        inner = inner + _body(source, [*outer, index])
    total = Sum(inner, (index, low, high))
    return total * _body(source, outer) if outer and source.random() < 0.4 else total


def _variant(source: random.Random, e: Expr) -> Expr:
    """Something that is often, not always, equal to `e`."""
    sums = sorted(e.atoms(Sum), key=str)
    s = source.choice(sums) if sums else None
    kind = source.randrange(7)
    if s is None or kind == 0:
        return e.expand()
    (index, low, high) = s.limits[0]
    if kind == 1:  # split a range, in order or not
        at = source.choice([n, m, Integer(1)])
        halves = Sum(s.function, (index, low, at - 1)) + Sum(s.function, (index, at, high))
        return e.xreplace({s: halves})
    if kind == 2:  # count instead of summing
        return e.xreplace({s: (high - low + 1) * s.function.xreplace({index: t})})
    if kind == 3:  # another name, which may be caught
        other = source.choice([x, y, z])
        return e.xreplace({s: Sum(s.function.xreplace({index: other}), (other, low, high))})
    if kind == 4 and isinstance(s.function, Sum):  # exchange
        (i2, l2, h2) = s.function.limits[0]
        return e.xreplace({s: Sum(Sum(s.function.function, (index, low, high)), (i2, l2, h2))})
    if kind == 5:  # another range
        low2, high2 = _range(source, [])
        return e.xreplace({s: Sum(s.function, (index, low2, high2))})
    return e.xreplace({s: s.doit()})


def _instance(source: random.Random, sizes: tuple[int, int, int]) -> Instance:
    def number() -> Fraction:
        return Fraction(source.randint(1, 9), source.randint(1, 5))

    def signed() -> Fraction:
        return number() * source.choice([1, -1])

    numbers = dict(zip(("V", "n", "m"), sizes, strict=True)) | {"t": 0}
    arrays = {
        "p": [number() for _ in range(5)],
        "M": [signed() for _ in range(5)],
        "f": [[signed() for _ in range(5)] for _ in range(5)],
    }
    return Instance(numbers | dict.fromkeys("xyz", 1), arrays)


def _instances(source: random.Random, given: tuple) -> list[Instance]:
    allowed = [
        s
        for s in SIZES
        if all(g.expr.xreplace(dict(zip((V, n, m), s, strict=True))) >= 0 for g in given)
    ]
    return [_instance(source, s) for s in allowed]


def _orders(source: random.Random) -> tuple:
    return tuple(g for g in ORDERS.values() if source.random() < 0.4)


@pytest.mark.parametrize("seed", range(4))
def test_decided_identities_hold_everywhere(seed):
    source = random.Random(seed)
    decided = 0
    for _ in range(CLAIMS // 4):
        left = _sum(source, source.randint(1, 3), [])
        if source.random() < 0.25:
            left = Derivative(left, source.choice([p, M])[source.choice([x, y, z, t])])
        right = _variant(source, left if not isinstance(left, Derivative) else left.expr)
        if isinstance(left, Derivative):
            right = Derivative(right, left.variables[0])
        given = _orders(source)
        splits = (Split(Integer(0), n, V - 1),) if source.random() < 0.3 else ()
        if decide_equal(left, right, (*given, *splits)):
            decided += 1
            for case in _instances(source, given):
                assert case.value(left) == case.value(right), (left, right, given, case.code())
    assert decided > 6  # the claims are not all too hard


@pytest.mark.parametrize("seed", range(4))
def test_decided_signs_hold_everywhere(seed):
    source = random.Random(100 + seed)
    allowed = {
        "+": lambda v: v > 0,
        "0+": lambda v: v >= 0,
        "-": lambda v: v < 0,
        "0-": lambda v: v <= 0,
        "0": lambda v: v == 0,
        "!0": lambda v: v != 0,
    }
    decided = 0
    for _ in range(CLAIMS // 4):
        e = _sum(source, source.randint(1, 2), []).xreplace({M: source.choice([M, p])})
        e = e * source.choice([1, -1]) + source.choice([0, 0, Integer(1), -p[t]])
        given = _orders(source)
        try:
            code = decide_sign(e, given)
        except Undecided:
            continue
        decided += 1
        for case in _instances(source, given):
            assert allowed[code](case.value(e)), (e, code, given, case.code())
    assert decided > 0
