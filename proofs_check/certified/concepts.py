"""Certificates about the probability of a concept on the whole line."""

from __future__ import annotations

from hypothesis import strategies as st

from proofs_check.balls import Balls
from proofs_check.certified.certificate import (
    Certificate,
    certificate,
    every,
    order_keys,
)
from proofs_check.extrema import count_extrema, levels_of
from proofs_check.instances import ConceptCase, FamilyCase
from proofs_check.oracles import exact
from proofs_check.strategies import concept_cases, family_cases, shape_cases

__all__ = ["CERTIFICATES"]


@certificate(
    "concept-monotone",
    "F_T has no stationary point on the whole line: F_T' is a sum of terms of one sign",
    st.one_of(concept_cases("1"), concept_cases("B.1")),
)
def concept_monotone(case: ConceptCase, balls: Balls) -> bool | None:
    """Counted like `concept-shape`."""
    count = count_extrema(levels_of(case), balls)
    return None if count is None else count == 0


@certificate(
    "concept-shape",
    "the number of interior extrema of F_C on the whole line, counted exactly, is at most the "
    "number of turns of rho, has its parity, and is at most 2|C| - 1",
    st.one_of(family_cases(wild=False), shape_cases()),
    weight=0.3,
)
def concept_shape(case: FamilyCase | ConceptCase, balls: Balls) -> bool | None:
    """Extrema isolated by interval halving, turns by exact fractions; every concept but T."""
    concepts = (
        [case.tokens]
        if isinstance(case, FamilyCase)
        else [case.dataset.tokens(c) for c in range(case.dataset.concepts)]
    )
    answers: list[bool | None] = []
    for tokens in concepts:
        count = count_extrema(levels_of(case, tokens), balls)
        turns = exact.turns(exact.concept_levels(case.row, order_keys(case), tokens))
        answers.append(
            None
            if count is None
            else count <= turns and (turns - count) % 2 == 0 and count <= 2 * len(tokens) - 1
        )
    return every(answers)


CERTIFICATES: tuple[Certificate, ...] = (concept_monotone, concept_shape)
