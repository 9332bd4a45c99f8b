"""Steering strength: the theory of `h <- h + alpha v` as software.

Three rooms, one for each job: `steering_strength.theory` derives the laws and evaluates them,
`steering_strength.proofs_check` decides whether they are true, `steering_strength.figures` draws
them. The headline names are here as well, loaded on first use:

    from steering_strength import LAWS, TiltedFamily, advise

The rooms lie at the top of the repository; here they are links, so that one name is installed and
every tool (interpreter, wheel, type checker) sees one ordinary package. On a Windows checkout links
need `git config core.symlinks true`; an installed package has none.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec as found
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

    from steering_strength.theory import (
        LAWS,
        ConceptDataset,
        NormedSteering,
        TiltedFamily,
        UnconstrainedFeatures,
        advise,
    )

__version__ = "0.2.0"

__all__ = [
    "LAWS",
    "ConceptDataset",
    "NormedSteering",
    "TiltedFamily",
    "UnconstrainedFeatures",
    "__version__",
    "advise",
]


def _on_first_use(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package whose names are loaded on first use.

    `homes` maps a name to its module, as in ``from MODULE import NAME``.
    """

    def attribute(name: str) -> Any:
        if name in homes:
            return getattr(import_module(homes[name]), name)
        raise AttributeError(
            f"module {package!r} has no attribute {name!r}; it has {', '.join(homes)}"
        )

    def names() -> list[str]:
        return sorted({*homes, *vars(sys.modules[package])})

    return attribute, names


__getattr__, __dir__ = _on_first_use(
    __name__, {name: "steering_strength.theory" for name in __all__ if name != "__version__"}
)


class _ShortNames(MetaPathFinder, Loader):
    """In a checkout `theory.engine` is `steering_strength.theory.engine`, the same object."""

    def __init__(self) -> None:
        self.rooms: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        room, _, rest = fullname.partition(".")
        # `python -m theory` runs a file and not a module that exists already.
        if room not in self.rooms or not rest or rest.endswith("__main__"):
            return None
        real = found(f"steering_strength.{fullname}")
        if real is None:
            return None
        spec = ModuleSpec(fullname, self, is_package=real.submodule_search_locations is not None)
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations += real.submodule_search_locations or []
        return spec

    def get_code(self, fullname: str) -> Any:
        """The code of `python -m ROOM.MODULE`, which runs a file as well."""
        name = f"steering_strength.{fullname}"
        loader: Any = getattr(found(name), "loader", None)
        return loader.get_code(name)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(f"steering_strength.{spec.name}")
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The machinery has just written the short name's spec into a module that has its own.
        if module.__spec__ is not None:
            module.__spec__ = module.__spec__.loader_state


_SHORT = _ShortNames()


def _under_short_name(room: str) -> None:
    """Make `import ROOM`, as in a checkout, the very package `steering_strength.ROOM`."""
    if _SHORT not in sys.meta_path:
        sys.meta_path.insert(0, _SHORT)
    _SHORT.rooms.add(room)
    sys.modules[room] = import_module(f"steering_strength.{room}")
