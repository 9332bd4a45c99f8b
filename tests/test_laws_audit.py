"""Every claim of every law means what it says: evaluated on instances, without the kernel."""

from __future__ import annotations

from itertools import islice

import pytest

from steering_strength.theory.laws import CLAIMS, LAWS, Identity, Inequality, Law, Limit, Split
from steering_strength.theory.laws.instances import draw, satisfied

EVERY = [pytest.param(law, id=law.id) for law in (*LAWS.values(), *CLAIMS.values())]
STEPS = [step for law in (*LAWS.values(), *CLAIMS.values()) for step in law.steps]


def answers(step, seed, count):
    """A rule's conclusion carries the hypotheses of all its premises, which are hard to meet."""
    tries = 4 if step.by else 60
    found = draw(step.expressions(), step.hypotheses(), seed=seed, tries=tries)
    return [step.holds(instance) for instance in islice(found, count)]


@pytest.mark.parametrize(
    ("seed", "count"),
    [(1, 1), *(pytest.param(seed, 2, marks=pytest.mark.long) for seed in (1, 2, 3))],
)
@pytest.mark.parametrize("law", EVERY)
def test_a_claim_holds_wherever_its_hypotheses_do(law: Law, seed: int, count: int) -> None:
    for number, step in enumerate(law.steps, start=1):
        found = answers(step, seed, count)
        assert False not in found, (number, step.text())
        if seed == 1 and isinstance(step, Identity | Inequality) and step.by is None:
            assert True in found, f"no instance decides step {number}"


def test_limits_are_seen_to_be_approached():
    limits = [step for step in STEPS if isinstance(step, Limit)]
    seen = [True in answers(step, 1, 3) for step in limits]
    assert sum(seen) >= len(seen) - 2  # a small gap may need more than the strengths tried


def test_splits_out_of_order_are_no_instances():
    """A claim that needs an order is refused, not skipped, on sizes that violate it."""
    checked = 0
    for step in STEPS:
        splits = [g for g in step.given if isinstance(g, Split)]
        if not splits or step.by is not None:
            continue
        instance = next(draw((), step.hypotheses(), tries=60), None)
        if instance is None:
            continue
        cuts = {s.name for g in splits for s in g.at.free_symbols}
        ends = {s.name for g in splits for s in g.upper.free_symbols}
        broken = instance
        for name in cuts or ends:  # cut beyond the end, or end before the cut
            broken = broken.with_number(name, 7 if cuts else 0)
        assert satisfied(broken, tuple(splits)) is False
        checked += 1
    assert checked > 20
