"""Every claim of every law means what it says: evaluated on instances, without the kernel."""

from __future__ import annotations

from itertools import islice

import pytest

from steering_strength.theory.laws import CLAIMS, LAWS, Identity, Inequality, Limit, Split
from steering_strength.theory.laws.instances import draw, satisfied

STEPS = [
    pytest.param(step, id=f"{law.id}-{number}")
    for law in (*LAWS.values(), *CLAIMS.values())
    for number, step in enumerate(law.steps, start=1)
]


def _draw(step, seed):
    """A rule's conclusion carries the hypotheses of all its premises, which are hard to meet."""
    tries = 4 if step.by else 60
    return draw(step.expressions(), step.hypotheses(), seed=seed, tries=tries)


@pytest.mark.parametrize("step", STEPS)
def test_a_claim_holds_wherever_its_hypotheses_do(step):
    found = [step.holds(instance) for instance in islice(_draw(step, seed=1), 2)]
    assert False not in found
    if isinstance(step, Identity | Inequality) and step.by is None:
        assert True in found, "no instance decides it"


@pytest.mark.long
@pytest.mark.parametrize("seed", [2, 3])
def test_every_claim_holds_on_other_instances(seed):
    for step in (each.values[0] for each in STEPS):
        found = [step.holds(instance) for instance in islice(_draw(step, seed), 2)]
        assert False not in found, step.text()


def test_limits_are_seen_to_be_approached():
    limits = [s.values[0] for s in STEPS if isinstance(s.values[0], Limit)]
    seen = [
        any(
            step.holds(i)
            for i in islice(draw(step.expressions(), step.hypotheses(), seed=1, tries=60), 3)
        )
        for step in limits
    ]
    assert sum(seen) >= len(seen) - 2  # a small gap may need more than the strengths tried


def test_splits_out_of_order_are_no_instances():
    """A claim that needs an order is refused, not skipped, on sizes that violate it."""
    checked = 0
    for step in (s.values[0] for s in STEPS):
        splits = [g for g in step.given if isinstance(g, Split)]
        instance = next(draw((), step.hypotheses(), tries=60), None) if step.by is None else None
        if not splits or instance is None:
            continue
        cuts = {s.name for g in splits for s in g.at.free_symbols}
        ends = {s.name for g in splits for s in g.upper.free_symbols}
        broken = instance
        for name in cuts or ends:  # cut beyond the end, or end before the cut
            broken = broken.with_number(name, 7 if cuts else 0)
        assert satisfied(broken, tuple(splits)) is False
        checked += 1
    assert checked > 20
