"""The steps of the derivations in Coq: stated as printed, proved where the table says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from steering_strength.proofs_check.formal import coq, steps
from steering_strength.proofs_check.formal.propositions import NotPrintableError, Proposition
from steering_strength.proofs_check.formal.steps import NOT_PRINTED, PROVED, step_file
from steering_strength.theory.errors import MissingExtraError
from steering_strength.theory.laws import LAWS
from steering_strength.theory.laws.claims import Claim, Identity, Iff, Inequality
from steering_strength.theory.laws.shapes import (
    Convex,
    Crosses,
    Expansion,
    Monotone,
    OnePeak,
    OneRoot,
)


@pytest.fixture(scope="module")
def paths() -> list[str]:
    try:
        return coq._sound_library(["steps.v"])
    except MissingExtraError as error:
        pytest.skip(str(error))


def test_what_is_not_printed_cannot_be() -> None:
    for name, numbers in NOT_PRINTED.items():
        for number in numbers:
            with pytest.raises(NotPrintableError):
                Proposition(LAWS[name].steps[number - 1])


def test_the_table_is_about_steps_that_exist() -> None:
    for name, numbers in PROVED.items():
        assert sorted(set(numbers)) == list(numbers), name
        assert set(numbers) <= set(range(1, len(LAWS[name].steps) + 1)), name


@pytest.mark.long
def test_every_step_type_checks(paths: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "PROVED", {})
    parts = [f"Module M{k}.\n{step_file(name)}\nEnd M{k}.\n" for k, name in enumerate(LAWS)]
    assert not coq._problem(paths, "\n".join(parts))


def test_coq_proves_the_steps_of_a_law(paths: list[str]) -> None:
    assert not coq._problem(paths, step_file("slope"))


@pytest.mark.long
def test_coq_proves_every_step_of_the_table() -> None:
    assert coq.step_problems(PROVED) == {}


def flipped(step: Claim) -> Any:
    """The step with one sign changed: of its right side or, where that is 0, of its order.

    A function that is said to have a shape is turned upside down.
    """
    if isinstance(step, Convex | Crosses | Monotone | OnePeak | OneRoot):
        return replace(step, f=-step.f)
    if isinstance(step, Expansion):
        return replace(step, coefficients=tuple(-c for c in step.coefficients))
    if isinstance(step, Iff):
        return replace(step, right=replace(step.right, rhs=step.right.rhs + 1))
    if step.by is not None or not hasattr(step, "rhs"):
        return None
    if step.rhs != 0:
        return replace(step, rhs=-step.rhs)
    if isinstance(step, Inequality):
        return replace(step, relation={">": "<", "<": ">", ">=": "<", "<=": ">"}[step.relation])
    return replace(step, rhs=1) if isinstance(step, Identity) else None


def _refused(paths: list[str], name: str, number: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """The step is accepted, with those before it, and refused with its sign changed."""
    rule = LAWS[name].steps[number - 1].by is not None
    needed = tuple(n for n in PROVED[name] if n < number and rule)
    monkeypatch.setattr(steps, "PROVED", {**PROVED, name: (*needed, number)})
    law = LAWS[name].steps
    assert not coq._problem(paths, step_file(name))
    wrong = tuple(flipped(s) if k == number else s for k, s in enumerate(law, start=1))
    try:
        code = step_file(name, wrong)
    except steps.Undecided:
        return True
    # The search for a proof goes astray on a wrong step: what is not found in 20 s is not proved.
    return bool(coq._problem(paths, f"Set Default Timeout 20.\n{code}"))


def test_a_sign_flipped_in_a_step_is_refused(
    paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _refused(paths, "slope", 1, monkeypatch)


SHAPES = [
    *(("mean-slope", 8), ("limit", 4), ("monotone", 3), ("peak", 8), ("peak", 9), ("peak-sign", 8)),
    *(("norm-limit", 11), ("last-block", 5), ("sequence-ce", 9)),
]


@pytest.mark.long
@pytest.mark.parametrize(("name", "number"), SHAPES)
def test_a_shape_turned_upside_down_is_refused(
    paths: list[str], name: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _refused(paths, name, number, monkeypatch)


@pytest.mark.long
def test_a_sign_flipped_in_a_step_of_any_law_is_refused(
    paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, numbers in dict(PROVED).items():
        first = next((n for n in numbers if flipped(LAWS[name].steps[n - 1])), None)
        assert first is None or _refused(paths, name, first, monkeypatch), (name, first)
