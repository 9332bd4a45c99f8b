"""Everything public that returns a number or a decision is judged, and really judged."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import numpy as np
import pytest

from steering_strength.proofs_check.mutants.mutant import WrongLaw
from steering_strength.proofs_check.registry import CHECKS
from steering_strength.proofs_check.search import search
from steering_strength.proofs_check.surface import perturbed, replaced, surface
from steering_strength.theory import LAWS, ConceptDataset, TiltedFamily, laws
from steering_strength.theory.engine import cross_entropy
from steering_strength.theory.engine.family import cross_entropy as as_the_family_sees_it
from steering_strength.theory.laws import Law

SURFACE = surface()
JUDGES = {name: [c for c in CHECKS.values() if name in c.judges] for name in SURFACE}
# A few of every kind; the rest takes minutes.
SAMPLE = {
    "TiltedFamily.peaks", "TiltedFamily.cumulants", "TiltedFamily.concept_maximum",
    "TiltedFamily.load", "TiltedPopulation.average_cross_entropy_root", "ConceptDataset.log_odds",
    "ConceptDataset.from_counts", "UnconstrainedFeatures.loss", "LastBlock.stationary",
    "JointFamily.interference", "advise", "envelope", "weighted_threshold",
}  # fmt: skip
EXAMPLES = 60
# The others are an order of numbers, or a sign: their check decides it without the two sides.
EVALUATED = set(LAWS) - {"sign-separation", "monotone", "peak-sign", "concept-shape"}


def refuted(name: str) -> list[str]:
    """The checks that notice that a result of `name` is a little off."""
    owner, attribute = SURFACE[name]
    found = []
    with replaced(owner, attribute, perturbed(owner, attribute)):
        for check in JUDGES[name]:
            # Two of the checks train a model or fill a vocabulary: their first instance will do.
            examples = max(1, round(EXAMPLES * min(check.weight, 1.0)))
            if search(check, examples=examples, seed=0, shrink=0).case is not None:
                found.append(check.id)
    return found


def test_every_public_number_is_on_the_list_of_a_check() -> None:
    assert [name for name, checks in JUDGES.items() if not checks] == []
    known = {name for check in CHECKS.values() for name in check.judges}
    assert known <= set(SURFACE)


def test_every_check_says_why_its_tolerance_is_what_it_is() -> None:
    silent = [c.id for c in CHECKS.values() if "Tolerance: " not in (c.measure.__doc__ or "")]
    assert silent == []


@pytest.mark.parametrize(
    "name",
    [name if name in SAMPLE else pytest.param(name, marks=pytest.mark.long) for name in SURFACE],
)
def test_a_check_refutes_what_it_lists_once_that_is_wrong(name: str) -> None:
    assert refuted(name) == [check.id for check in JUDGES[name]]


def asked_about(name: str) -> Any:
    """The function behind a name of the surface."""
    owner, attribute = SURFACE[name]
    function = vars(owner)[attribute]
    function = function.fget if isinstance(function, property) else function
    return getattr(function, "__func__", function)


STRENGTHS = [
    name
    for name in SURFACE
    if (alpha := inspect.signature(asked_about(name)).parameters.get("alpha"))
    and alpha.annotation == "ArrayLike"
]


@pytest.mark.long
@pytest.mark.parametrize("name", STRENGTHS)
def test_several_strengths_at_once_are_judged_too(name: str) -> None:
    """Their answers in reversed order are refuted."""
    owner, attribute = SURFACE[name]
    right = asked_about(name)

    @functools.wraps(right)
    def reversed_rows(*args: Any, **options: Any) -> Any:
        answer = right(*args, **options)
        alpha = inspect.signature(right).bind(*args, **options).arguments["alpha"]
        if np.size(alpha) < 2:
            return answer
        if isinstance(answer, tuple):
            return tuple(part[::-1] for part in answer)
        return [*answer][::-1] if inspect.isgenerator(answer) else answer[::-1]

    with replaced(owner, attribute, reversed_rows):
        found = [search(check, examples=12, seed=3, shrink=0).case for check in JUDGES[name]]
    assert any(case is not None for case in found)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_a_law_and_its_numeric_twin_meet_the_same_oracle(law: Law) -> None:
    """On the same instances: the twin is on the list of the law's own check, and so is the law."""
    check = CHECKS[law.id]
    twin = ".".join(law.twin.split(".")[-2:])
    name = next(n for n in (twin, twin.rpartition(".")[2]) if n in SURFACE)
    assert name in check.judges
    assert search(check, examples=2, seed=1).case is None  # and on more below
    owner, attribute = SURFACE[name]
    with replaced(owner, attribute, perturbed(owner, attribute)):
        assert search(check, examples=30, seed=1, shrink=0).case is not None
    if law.id in EVALUATED:
        with replaced(laws, "LAWS", {**LAWS, law.id: WrongLaw(law.lhs, law.rhs + 1)}):
            assert search(check, examples=30, seed=1, shrink=0).case is not None


@pytest.mark.long
@pytest.mark.parametrize("name", LAWS)
def test_a_law_meets_its_oracle_on_more_instances(name: str) -> None:
    assert search(CHECKS[name], examples=10, seed=1).case is None


def test_a_wrong_formula_reaches_callers_inside_and_is_put_back() -> None:
    right = cross_entropy.hoeffding
    with replaced(cross_entropy, "hoeffding", lambda spread, alpha: 0.0 * alpha):
        assert as_the_family_sees_it.hoeffding is not right
        family = TiltedFamily([-0.6931471805599453, -0.6931471805599453], [0.0, 1.0])
        assert family.cross_entropy_bounds(1.0)[1] == 0.0
    assert cross_entropy.hoeffding is right


@pytest.mark.long
@pytest.mark.parametrize("wrong", [lambda self, P, N: -LOG_ODDS(self, P, N), lambda *_: 1 / 0])
def test_with_wrong_log_odds_the_run_ends_in_refutations(wrong: object) -> None:
    from steering_strength.proofs_check import run

    with replaced(ConceptDataset, "log_odds", wrong):
        verdicts = run(examples=2)
    found = {v.id for v in verdicts if v.method == "property" and v.status == "refuted"}
    assert {"tilting", "sign-separation", "peak-order", "ce-exact"} <= found
    assert all(v.note for v in verdicts if v.id in found and v.expected and v.method == "property")


LOG_ODDS = ConceptDataset.log_odds
