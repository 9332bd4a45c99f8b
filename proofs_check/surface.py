"""Everything public that returns a number or a decision, and how to replace it by something wrong.

`surface()` reads the names off the classes and modules that users call, so that a new method is on
the list by existing; every name must be in the `judges` of a check that refutes it once it is
wrong.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from steering_strength.theory import (
    ConceptDataset,
    NormedSteering,
    TiltedFamily,
    UnconstrainedFeatures,
    advice,
)
from steering_strength.theory.advice import JointFamily, ScannedCurve
from steering_strength.theory.engine import (
    GreedyPath,
    LastBlock,
    SampledTexts,
    TiltedPopulation,
    allocation,
    cross_entropy,
    estimation,
    operators,
    peaks,
    transformer,
)
from steering_strength.theory.model import mixed, peak_sign
from steering_strength.theory.model.sequences import SequenceFeatures

_PACKAGE = "steering_strength"
_CLASSES = (
    TiltedFamily,
    TiltedPopulation,
    ConceptDataset,
    UnconstrainedFeatures,
    NormedSteering,
    LastBlock,
    GreedyPath,
    operators.Addition,
    operators.Ablation,
    operators.Affine,
    operators.Clamp,
    operators.Conditional,
    operators.Rotation,
    SampledTexts,
    SequenceFeatures,
    JointFamily,
    ScannedCurve,
    estimation.Estimate,
    allocation.Allocation,
)
_FUNCTIONS = {
    advice: "advise",
    allocation: "allocate",
    cross_entropy: "envelope hoeffding quadratic_radius",
    estimation: "estimate sensitivity",
    peaks: "two_level_peak",
    transformer: "readout_family local_divergence local_cross_entropy",
    operators: "norm_scale norm_preserving",
    mixed: "mixed_log_odds concept_signs geometric_means",
    peak_sign: "weighted_margin weighted_threshold",
}
# Words, nothing at all to be wrong about, or drawn at random.
_NO_NUMBERS = {"TiltedFamily.method", "save", "sample", "chain", "together"}


def surface() -> Mapping[str, tuple[Any, str]]:
    """Name -> the class or module and the attribute in it; ``TiltedFamily.peaks``, ``advise``."""
    found: dict[str, tuple[Any, str]] = {}
    for owner in _CLASSES:
        for base in owner.__mro__[-2::-1]:
            for name, value in vars(base).items():
                known = callable(value) or isinstance(value, property | classmethod | staticmethod)
                if name.startswith("_") or not known or inspect.isclass(value):
                    continue
                title = f"{owner.__name__}.{name}"
                if not {title, name} & _NO_NUMBERS:
                    found[title] = (owner if name in vars(owner) else base, name)
    functions = ((module, name) for module, names in _FUNCTIONS.items() for name in names.split())
    return found | {name: (module, name) for module, name in functions}


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
