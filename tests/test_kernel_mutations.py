"""A thousand wrong identities, made from right ones: the kernel must accept none of them.

A mutant changes one node of the right side. Whether it is really wrong is decided by numbers on
two random instances, never by the kernel; mutants that happen to be right are left out, and
counted, so that the thousand is a thousand wrong ones.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from sympy import (
    Add,
    Derivative,
    Expr,
    Indexed,
    Integer,
    Mul,
    Pow,
    Sum,
    exp,
    log,
    preorder_traversal,
)

from steering_strength.theory.laws import LAWS, Identity, Status
from steering_strength.theory.laws.evaluation import NoValueError
from steering_strength.theory.laws.instances import draw, near
from steering_strength.theory.laws.kernel import decide_equal
from steering_strength.theory.laws.notation import unfold
from steering_strength.theory.laws.symbols import M, alpha, p

WANTED = 1000
SEED = 20260211
# cheap steps of every family, so that a thousand mutants take seconds, not minutes
STEPS = [
    (law.id, number, step)
    for law in LAWS.values()
    for number, step in enumerate(law.steps, start=1)
    if isinstance(step, Identity)
    and step.by is None
    and law.id in {"slope", "mean-slope", "peak", "limit", "concept-ode", "sign-separation",
                   "concept-monotone", "ce-asymptote", "norm-limit", "last-block", "final-norm"}
]  # fmt: skip


def _mutants(e: Expr, source: random.Random) -> Iterator[Expr]:
    """Endless variants of `e` with one node changed."""
    nodes = [n for n in preorder_traversal(e) if isinstance(n, Expr) and not n.is_Symbol]
    nodes = [n for n in nodes if isinstance(n, Add | Mul | Pow | exp | log | Indexed | Sum)]
    while True:
        node = source.choice(nodes)
        change = source.choice(_CHANGES)
        changed = change(node, source)
        if changed is not None and changed != node:
            yield e.xreplace({node: changed})


def _drop(n: Expr, source: random.Random) -> Expr | None:
    if isinstance(n, Add | Mul):
        return n.func(*source.sample(n.args, len(n.args) - 1))
    return None


def _flip(n: Expr, source: random.Random) -> Expr | None:
    if isinstance(n, Add):
        k = source.randrange(len(n.args))
        return Add(*(-a if i == k else a for i, a in enumerate(n.args)))
    return exp(-n.args[0]) if isinstance(n, exp) else None


def _scale(n: Expr, source: random.Random) -> Expr | None:
    return (
        source.choice([2, Integer(1) / 2, -1]) * n if isinstance(n, Sum | exp | Indexed) else None
    )


def _power(n: Expr, source: random.Random) -> Expr | None:
    return n**2 if isinstance(n, Sum | Indexed) else n.base ** (n.exp + 1) if n.is_Pow else None


def _swap(n: Expr, source: random.Random) -> Expr | None:
    if isinstance(n, Indexed) and n.base in (p, M):
        return (M if n.base == p else p)[n.indices]
    return None


def _unlog(n: Expr, source: random.Random) -> Expr | None:
    return n.args[0] if isinstance(n, log | exp) else None


def _strength(n: Expr, source: random.Random) -> Expr | None:
    return n.xreplace({alpha: 2 * alpha}) if n.has(alpha) else None


_CHANGES = (_drop, _flip, _scale, _power, _swap, _unlog, _strength)


@pytest.fixture(scope="module")
def wrong() -> list[tuple[str, Expr, Expr, tuple]]:
    source = random.Random(SEED)
    found, right = [], 0
    streams = []
    for name, number, step in STEPS:
        left, rhs = unfold(step.lhs), unfold(step.rhs)
        rhs = rhs.replace(lambda d: isinstance(d, Derivative), lambda d: d.doit())
        if not any(
            isinstance(n, Add | Mul | Pow | exp | log | Sum) for n in preorder_traversal(rhs)
        ):
            continue
        given = tuple(g.map(unfold) for g in step.given)
        draws = [next(draw((left, rhs), given, seed=seed, tries=300)) for seed in (11, 12)]
        values = [d.value(left) for d in draws]
        streams.append((f"{name}-{number}", left, given, draws, values, _mutants(rhs, source)))
    while len(found) < WANTED:
        name, left, given, draws, values, stream = source.choice(streams)
        mutant = next(stream)
        differs = False
        for instance, value in zip(draws, values, strict=True):
            try:
                differs |= not near(instance.value(mutant), value)
            except NoValueError:
                differs = True
        if differs:
            found.append((name, left, mutant, given))
        else:
            right += 1
    assert right < WANTED  # most mutants are wrong: the changes are not cosmetic
    return found


@pytest.mark.long
def test_a_thousand_wrong_identities_are_refused(wrong):
    accepted = [
        (name, str(mutant))
        for name, left, mutant, given in wrong
        if decide_equal(left, mutant, given)
    ]
    assert len(wrong) == WANTED
    assert accepted == []


def test_the_unchanged_identities_are_accepted():
    assert all(step.decide() == Status.PROVED for _, _, step in STEPS)
    assert len(STEPS) > 30
