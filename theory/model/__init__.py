"""Datasets with concepts, and the Unconstrained Features Model that is trained on them.

The simulated side of the theory (arXiv:2602.02712, Sec. 2 and App. B.1): what is assumed of the
data, how steering sets are chosen, and a model whose steering is a matrix product and a softmax.

Reading order: `dataset` (the record), `steering_sets` (P and N), `assumption_1` (the datasets that
satisfy it, and where another violates it), `ufm` (the model), `sequences` (one that writes texts),
`peak_sign` (for which eps target tokens peak at positive alpha), `interpolation` (every exact
model), `training` and `guarantee` (a trained model, and how closely it must follow the laws).
"""

from __future__ import annotations

from steering_strength.theory.model.assumption_1 import Violation
from steering_strength.theory.model.dataset import ConceptDataset
from steering_strength.theory.model.steering_sets import SteeringSets
from steering_strength.theory.model.ufm import UnconstrainedFeatures

__all__ = [
    "ConceptDataset",
    "SteeringSets",
    "UnconstrainedFeatures",
    "Violation",
]
