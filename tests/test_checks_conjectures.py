"""Conjectures: held, certified, refuted with code that runs, and mistakes of the user's own."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from steering_strength.proofs_check import Judgement, conjecture, conjectures
from steering_strength.proofs_check.conjectures import BallCase
from steering_strength.proofs_check.search import search
from steering_strength.theory import ConceptDataset
from steering_strength.theory.errors import SteeringError

Sets = tuple[int, ...]


def even(data: ConceptDataset, positive: Sets, negative: Sets, alpha: float) -> bool:
    """Steering by alpha and by -alpha costs the same."""
    up, down = data.cross_entropy_increase(data.log_odds(positive, negative), [alpha, -alpha])
    return abs(up - down) <= 1e-9 * up


def gains(data: ConceptDataset, positive: Sets, negative: Sets, alpha: float) -> bool:
    """The target concept gains under positive strength."""
    target = data.concepts[data.context_concept[positive[0]]]
    family = data.family(negative[0], data.log_odds(positive, negative))
    return bool(family.concept_increase(target, abs(alpha)) >= 0.0)


@pytest.fixture
def as_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first counterexample will do."""
    monkeypatch.setattr(conjectures, "search", partial(search, shrink=0))


@pytest.fixture(scope="module")
def judgement() -> Judgement:
    return conjecture(even)


def test_a_false_conjecture_comes_with_a_program_that_shows_it(judgement: Judgement) -> None:
    assert judgement.status == "refuted"
    assert judgement.claim == even.__doc__
    case = judgement.case
    assert case is not None
    # Shrunk as far as it goes: two concepts of one token, and unequal weights, which it needs.
    assert case.dataset.token_concept == (0, 1)
    assert len(set(case.dataset.context_weights)) == 2
    scope: dict[str, Any] = {"even": lambda *case: found.append(even(*case)) or found[-1]}
    found: list[bool] = []
    exec(judgement.code, scope)
    assert found == [False]
    assert isinstance(scope["data"], ConceptDataset)


def test_a_true_conjecture_holds_on_as_many_examples_as_asked_for() -> None:
    judgement = conjecture(gains, examples=130, seed=3)
    assert judgement == Judgement(gains.__doc__ or "", "holds", 130, seed=3)
    assert str(judgement).endswith("holds on 130 examples (seed 3)")


def test_the_same_seed_gives_the_same_judgement(judgement: Judgement) -> None:
    assert conjecture(even) == judgement


def cost(b: BallCase) -> Any:
    """Delta CE of the dataset, and True where alpha = 0 leaves nothing to decide."""
    terms = [
        weight
        * (b.cgf(j) - b.alpha * b.balls.total([p * m for p, m in zip(b.p(j), b.M, strict=True)]))
        for j, weight in enumerate(b.weights)
    ]
    return b.case.alpha == 0 or b.balls.total(terms)


def not_negative(data: ConceptDataset, positive: Sets, negative: Sets, alpha: float) -> bool:
    """Steering is never a gain."""
    return bool(data.cross_entropy_increase(data.log_odds(positive, negative), alpha) >= 0)


def test_an_inequality_is_certified_on_each_instance() -> None:
    judgement = conjecture(not_negative, examples=40, certify=cost)
    assert (judgement.status, judgement.undecided) == ("certified", 0)


@pytest.mark.usefixtures("as_found")
def test_what_balls_refute_is_refuted_though_float64_sees_nothing() -> None:
    # The claim in float64 is too weak to notice; the claim in balls is false.
    judgement = conjecture(not_negative, examples=40, certify=lambda b: -cost(b))
    assert judgement.status == "refuted"
    assert "ball arithmetic" in judgement.what


def test_what_balls_cannot_decide_is_counted_and_not_certified() -> None:
    judgement = conjecture(not_negative, examples=5, certify=lambda b: cost(b) - cost(b))
    assert (judgement.status, judgement.undecided) == ("holds", 5)
    assert "undecided on 5" in str(judgement)


def test_balls_and_float64_mean_the_same_instance() -> None:
    seen: list[float] = []

    def remember(b: BallCase) -> bool:
        case = b.case
        family = case.data.family(case.context, case.data.log_odds(case.positive, case.negative))
        pairs = (
            (b.steered(case.context), np.exp(family.log_probability(case.alpha))),
            ([b.cgf(case.context)], [family.cgf(case.alpha)]),
            (b.M, family.log_odds),
        )
        for balls, floats in pairs:
            for x, y in zip(balls, floats, strict=True):
                seen.append(float(abs(x - b.balls.exact(float(y)))) / max(1.0, abs(float(y))))
        return True

    def small(data: ConceptDataset, positive: Sets, negative: Sets, alpha: float) -> bool:
        return True

    conjecture(small, examples=10, certify=remember)
    assert len(seen) > 50
    assert max(seen) < 1e-9  # EPS |alpha M| of log p_alpha, |alpha| up to 9900


@pytest.mark.long
def test_a_margin_is_climbed() -> None:
    def bounded(data: ConceptDataset, positive: Sets, negative: Sets, alpha: float) -> float:
        """No log-odds exceed 12 nats."""
        return float(12.0 - data.log_odds(positive, negative).max())

    # Such odds are one case in hundreds.
    assert any(conjecture(bounded, examples=300, seed=s).status == "refuted" for s in (0, 1, 2))


@pytest.mark.usefixtures("as_found")
def test_a_mistake_in_the_claim_is_told_from_a_refutation() -> None:
    def broken(data: Any, positive: Any, negative: Any, alpha: Any) -> bool:
        return bool(data.no_such_thing)

    judgement = conjecture(broken)
    assert judgement.status == "raised"
    assert "no_such_thing" in str(judgement)
    assert judgement.examples == 1

    def silent(data: Any, positive: Any, negative: Any, alpha: Any) -> None:
        data.log_odds(positive, negative)

    judgement = conjecture(silent)
    assert judgement.status == "raised"
    assert "silent returned None" in judgement.what


@pytest.mark.usefixtures("as_found")
def test_nan_is_no_confirmation() -> None:
    def undefined(data: Any, positive: Any, negative: Any, alpha: Any) -> float:
        return float("nan")

    assert conjecture(undefined).status == "refuted"


@pytest.mark.parametrize("examples", [0, -3])
def test_at_least_one_example(examples: int) -> None:
    with pytest.raises(SteeringError, match="below 1"):
        conjecture(even, examples=examples)


def test_other_assumptions_can_be_asked_for() -> None:
    def separated(data: ConceptDataset, positive: Sets, negative: Sets, alpha: float) -> bool:
        """Tokens of the target have positive log-odds."""
        target = data.concepts[data.context_concept[positive[0]]]
        return bool((data.log_odds(positive, negative)[target] > 0).all())

    assert conjecture(separated, examples=25).status == "holds"
    assert conjecture(separated, examples=25, assumption="B.1").status == "holds"
    assert conjecture(separated, examples=60, assumption="none").status == "refuted"
