"""Hypothesis strategies for the theory: legal by construction, from small integers.

Public entry points, for your own properties:

* `datasets()`: a `ConceptDataset` under Assumption 1 (or without it);
* `steering_sets(data)`: `(target, positive, negative)` on a dataset;
* `ufms()`: `(data, UnconstrainedFeatures)` with a random gauge, shifts and useless dimensions;
* `families()`: a `TiltedFamily`;
* `alphas()`: strengths from 0 and 1e-12 to the thousands.

The checks of this package draw the exact twins: `concept_cases`, `family_cases`, `norm_cases`,
`readout_cases`, `smooth_cases` (records of `proofs_check.instances`).

How they are built. No draw is ever rejected: a distribution is a tuple of positive integers
over their sum, all of Assumption 1 is b > 0 with sum B < 1 and a = b + (1 - B) g with gap weights
g summing to 1 in each concept. Every integer drawn lies within +-99 and magnitudes come
from a menu of powers, so that shrinking leads to fractions a person can check by hand, and so
that Hypothesis does not salt the draws with constants of whatever modules happen to be loaded
(it ignores constants below 100): the same seed then gives the same instances everywhere.
What is ordinary here: unequal and single-token concepts, q > 1, N contrastive or random or
missing a concept, a that depends on the context, ties at both ends with unequal p,
near-ties of 2^-40, nearly deterministic rows, p of 1e-200, very unequal pi, |alpha| of 1e4.
"""

from __future__ import annotations

from steering_strength.proofs_check.strategies.datasets import (
    Assumption,
    concept_cases,
    datasets,
    exact_datasets,
    steering_sets,
    ufms,
)
from steering_strength.proofs_check.strategies.draws import alphas
from steering_strength.proofs_check.strategies.families import any_families, families, family_cases
from steering_strength.proofs_check.strategies.shapes import shape_cases, weighted_cases
from steering_strength.proofs_check.strategies.transformer import (
    norm_cases,
    readout_cases,
    smooth_cases,
)

__all__ = [
    "Assumption",
    "alphas",
    "any_families",
    "concept_cases",
    "datasets",
    "exact_datasets",
    "families",
    "family_cases",
    "norm_cases",
    "readout_cases",
    "shape_cases",
    "smooth_cases",
    "steering_sets",
    "ufms",
    "weighted_cases",
]
