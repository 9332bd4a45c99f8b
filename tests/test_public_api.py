"""What users call: the promised names with their signatures, and a snapshot of all the rest.

`promised_api.txt` is what notebooks rely on and does not change; `public_api.txt` is everything.
A change of the public interface is a decision, so it must show in a diff: after an intended
one, rewrite the snapshot with ``python tests/test_public_api.py > tests/public_api.txt``.
"""

from __future__ import annotations

import inspect
import sys
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from steering_strength import theory

SNAPSHOT = Path(__file__).with_name("public_api.txt")

PROMISED = Path(__file__).with_name("promised_api.txt").read_text().splitlines()


def signature(function: Any) -> str:
    """Parameters with defaults, without self, cls and annotations."""
    parameters = [
        p.replace(annotation=inspect.Parameter.empty)
        for p in inspect.signature(function).parameters.values()
        if p.name not in ("self", "cls")
    ]
    return str(inspect.Signature(parameters))


def described(name: str, cls: type) -> list[str]:
    """One line for the constructor and for each public field, property and method."""
    lines = [name + signature(cls)]
    shown = (
        {f.name for f in fields(cls) if not f.name.startswith("_")} if is_dataclass(cls) else set()
    )
    lines += [f"{name}.{field}" for field in sorted(shown)]
    for attribute in sorted(set(dir(cls)) - shown):
        member = inspect.getattr_static(cls, attribute)
        if attribute.startswith("_"):
            continue
        if isinstance(member, property) or hasattr(member, "func"):
            lines.append(f"{name}.{attribute}")
        elif callable(getattr(cls, attribute)):
            lines.append(f"{name}.{attribute}{signature(getattr(cls, attribute))}")
    return lines


@cache
def public_api() -> list[str]:
    lines = [f"steering_strength.theory.{name}" for name in theory.__all__]
    classes: dict[str, Any] = {
        name: getattr(theory, name)
        for name in theory.__all__
        if inspect.isclass(getattr(theory, name))
    }
    classes["Law"] = type(next(iter(theory.LAWS.values())))
    classes |= {name: getattr(theory.model, name) for name in theory.model.__all__}
    return lines + [line for name in sorted(classes) for line in described(name, classes[name])]


def promise_is_kept(promise: str, actual: list[str]) -> bool:
    """A promised call must still work: same names and defaults first, more options after them."""
    name, bracket, rest = promise.partition("(")
    if not bracket:
        return promise in actual
    asked = rest.removesuffix(")")
    for line in actual:
        head, found, parameters = line.partition("(")
        given = parameters.removesuffix(")")
        if head == name and found:
            more = given.removeprefix(asked).split(", ")
            optional = all("=" in part or part in ("", "*") for part in more)
            return given.startswith(asked) and optional
    return False


@pytest.mark.parametrize("promise", PROMISED)
def test_promised_names_exist_with_their_signatures(promise: str) -> None:
    assert promise_is_kept(promise, public_api())


@pytest.mark.parametrize(
    ("actual", "kept"),
    [
        ("A.f(x, y=1)", True),
        ("A.f(x, y=1, z=2)", True),
        ("A.f(x, y=1, *, z=2, w=3)", True),
        ("A.f(x, y=1, z=2, *, w=3)", True),
        ("A.f(x, y=1, *, z)", False),
        ("A.f(x, y=2)", False),
        ("A.f(x)", False),
        ("A.f(y=1, x=0)", False),
        ("A.f(x, y=1, z)", False),
        ("A.f", False),
        ("A.g(x, y=1)", False),
    ],
)
def test_a_broken_promise_is_noticed(actual: str, kept: bool) -> None:
    assert promise_is_kept("A.f(x, y=1)", ["A.e(x)", actual]) == kept


def test_the_public_interface_is_the_one_on_record() -> None:
    recorded = SNAPSHOT.read_text(encoding="utf-8").splitlines()
    assert public_api() == recorded, (
        f"intended? then: python tests/{Path(__file__).name} > tests/{SNAPSHOT.name}"
    )


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    print("\n".join(public_api()))
