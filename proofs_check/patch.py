"""A wrong formula in the place of a shipped one, for as long as a trial lasts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

__all__ = ["replaced"]

_PACKAGE = "steering_strength"


@contextmanager
def replaced(owner: Any, name: str, wrong: Any) -> Iterator[None]:
    """Put `wrong` in the place of `owner.name`, a method of a class or a name of a module.

    Every caller inside the package meets it: a name that other modules have imported is replaced
    there too. What was there before is put back, whatever happens.
    """
    right = vars(owner)[name]
    if isinstance(right, classmethod | staticmethod | property):
        wrong = wrong if isinstance(wrong, type(right)) else type(right)(wrong)
    places = [(owner, name)]
    if isinstance(owner, ModuleType):
        places += [
            (module, key)
            for title, module in list(sys.modules.items())
            if title.partition(".")[0] == _PACKAGE and module is not None and module is not owner
            for key, value in list(vars(module).items())
            if value is right
        ]
    try:
        for place, key in places:
            setattr(place, key, wrong)
        yield
    finally:
        for place, key in places:
            setattr(place, key, right)
