"""Everything public that returns a number or a decision is judged, and really judged."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from steering_strength.proofs_check.mutants.mutant import WrongLaw
from steering_strength.proofs_check.registry import CHECKS
from steering_strength.proofs_check.search import search
from steering_strength.proofs_check.surface import replaced, surface
from steering_strength.theory import LAWS, ConceptDataset, TiltedFamily, laws
from steering_strength.theory.advice import ScannedCurve
from steering_strength.theory.engine import TiltedPopulation, cross_entropy
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


def off(value: Any) -> Any:
    """Something of the same kind that is wrong: numbers by a hundredth, decisions reversed."""
    if isinstance(value, bool | np.bool_):
        return not value
    if isinstance(value, int | np.integer):
        return value + 1
    if isinstance(value, float):
        return value * 1.01 + 1e-3
    if isinstance(value, np.ndarray):
        if value.dtype == np.bool_:
            return ~value
        if value.dtype.kind == "i":
            return np.asarray(value)[::-1] if value.size > 1 else value + 1
        return value * 1.01 + 1e-3 * np.arange(1.0, value.size + 1.0).reshape(value.shape)
    if isinstance(value, tuple):
        items = [off(item) for item in value] or [None]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    if isinstance(value, slice | str) or value is None:
        return ValueError if value is None else value
    # What has computed things from its numbers already is made anew.
    if isinstance(value, TiltedFamily):
        return TiltedFamily(value.log_p, off(value.log_odds), value.metadata)
    if isinstance(value, TiltedPopulation):
        return replace(value, log_odds=off(value.log_odds))
    if isinstance(value, ScannedCurve):
        limits = {side: value.limit(side) for side in (1, -1)}
        return ScannedCurve(lambda a: value.log_probability(1.01 * a), value.log_odds, limits)
    wrong = copy(value)  # of any other record every number that is not a label
    for name, part in vars(value).items():
        labels = isinstance(part, np.ndarray) and part.dtype.kind != "f"
        if not (name.startswith("_") or labels or part is None or isinstance(part, Mapping)):
            object.__setattr__(wrong, name, part if callable(part) else off(part))
    return wrong


def asked_about(name: str) -> Any:
    """The function behind a name of the surface."""
    owner, attribute = SURFACE[name]
    function = vars(owner)[attribute]
    function = function.fget if isinstance(function, property) else function
    return getattr(function, "__func__", function)


@contextmanager
def made_wrong(
    name: str, wrong: Callable[[Any], Any] | None = None, when: Callable[..., bool] | None = None
) -> Iterator[None]:
    """The result of a public name is off, whatever it is: always, or `when` asked in some way."""
    (owner, attribute), right = SURFACE[name], asked_about(name)
    # An upper bound that is a hundredth too large still is one: it is made too small instead.
    wrong = wrong or ((lambda value: 0.01 * value) if attribute == "law_error_bound" else off)

    @functools.wraps(right)
    def called(*args: Any, **options: Any) -> Any:
        answer = right(*args, **options)
        return wrong(answer) if when is None or when(*args, **options) else answer

    with replaced(owner, attribute, called):
        yield


def refuted(name: str) -> list[str]:
    """The checks that notice that a result of `name` is a little off."""
    found = []
    with made_wrong(name):
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


def asked(name: str, parameter: str) -> Callable[..., Any]:
    """From the arguments of a call of that name to what was given for the parameter."""
    signature = inspect.signature(asked_about(name))
    return lambda *args, **options: signature.bind(*args, **options).arguments.get(parameter)


def in_reverse(answer: Any) -> Any:
    """The rows of an answer in another order."""
    return tuple(p[::-1] for p in answer) if isinstance(answer, tuple) else answer[::-1]


# Of whom, whether it was asked that way, and what is then wrong with the answer.
WAYS: dict[str, tuple[Callable[[str, Any], bool], Callable[[Any], bool], Callable[[Any], Any]]] = {
    "several strengths": (
        lambda name, kind: name == "alpha" and kind == "ArrayLike",
        lambda alpha: np.size(alpha) > 1,
        in_reverse,
    ),
    "a mask": (
        lambda name, kind: name == "tokens" and "ArrayLike" in str(kind),
        lambda tokens: tokens is not None and np.asarray(tokens).dtype == bool,
        off,
    ),
    "indices": (
        lambda name, kind: name == "tokens" and "ArrayLike" in str(kind),
        lambda tokens: tokens is not None and np.asarray(tokens).dtype != bool,
        off,
    ),
}
ASKED = [
    (name, way, parameter.name)
    for name in SURFACE
    for parameter in inspect.signature(asked_about(name)).parameters.values()
    for way, (concerns, _, _) in WAYS.items()
    if concerns(parameter.name, parameter.annotation)
]


@pytest.mark.long
@pytest.mark.parametrize(("name", "way", "parameter"), ASKED)
def test_every_way_of_asking_is_judged(name: str, way: str, parameter: str) -> None:
    """A method that is wrong only when asked that way is refuted."""
    (_, so_asked, wrong), given = WAYS[way], asked(name, parameter)
    with made_wrong(name, wrong, lambda *args, **options: so_asked(given(*args, **options))):
        # Most are refuted by one of the first instances; few ask for a maximum beside the ends.
        found = (search(check, examples=150, seed=3, shrink=0).case for check in JUDGES[name])
        assert any(case is not None for case in found)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_a_law_and_its_numeric_twin_meet_the_same_oracle(law: Law) -> None:
    """On the same instances: the twin is on the list of the law's own check, and so is the law."""
    check = CHECKS[law.id]
    twin = ".".join(law.twin.split(".")[-2:])
    name = next(n for n in (twin, twin.rpartition(".")[2]) if n in SURFACE)
    assert name in check.judges
    assert search(check, examples=2, seed=1).case is None  # and on more below
    with made_wrong(name):
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
