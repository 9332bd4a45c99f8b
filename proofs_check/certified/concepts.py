"""Certificates about the probability of a concept on the whole line."""

from __future__ import annotations

from hypothesis import strategies as st

from steering_strength.proofs_check.balls import Ball, Balls
from steering_strength.proofs_check.certified.certificate import (
    Certificate,
    agrees,
    certificate,
    every,
    law_value,
    log_odds,
    order_keys,
    probabilities,
)
from steering_strength.proofs_check.certified.seen import direction, moderate, steps_of
from steering_strength.proofs_check.extrema import count_extrema, levels_of
from steering_strength.proofs_check.formulas import Formulas
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase
from steering_strength.proofs_check.oracles import exact
from steering_strength.proofs_check.strategies import concept_cases, family_cases, shape_cases

__all__ = ["CERTIFICATES"]


@certificate(
    "concept-monotone",
    "F_C has no stationary point on the whole line, and rises, for C = T; likewise falls for "
    "every other concept with max_C M <= min_notC M, and for those the engine takes for such; and "
    "the law's F_C' has that sign at the alpha of the instance, reduced to |alpha| (max M - min M) "
    "<= 300",
    st.one_of(concept_cases("1"), concept_cases("B.1")).map(moderate),
)
def concept_monotone(case: ConceptCase, balls: Balls, on_trial: Formulas) -> bool | None:
    """Extrema counted like `concept-shape`; the direction is seen in the odds of C."""
    keys = order_keys(case)
    p, M = probabilities(case, balls), log_odds(case, balls)
    answers: list[bool | None] = []
    for concept in range(case.dataset.concepts):
        tokens = case.dataset.tokens(concept)
        rest = [z for z in range(len(keys)) if z not in tokens]
        rises = concept == case.target
        falls = max(keys[z] for z in tokens) <= min(keys[z] for z in rest)
        if not (rises or falls or on_trial.falls_by_levels(case.family, tokens)):
            continue
        count = count_extrema(levels_of(case, tokens), balls)
        answers.append(None if count is None else count == 0)

        def odds(alpha: Ball, inside: tuple[int, ...] = tokens, outside: list[int] = rest) -> Ball:
            def mass(part: list[int] | tuple[int, ...]) -> Ball:
                return balls.total([p[z] * balls.exp(alpha * (M[z] - M[0])) for z in part])

            return mass(inside) / mass(outside)

        order = [*tokens, *rest]
        values = {
            "p": [p[z] for z in order],
            "M": [M[z] for z in order],
            "|C|": len(tokens),
            "alpha": balls.exact(case.alpha),
        }
        slope = law_value(on_trial, "concept-monotone", balls, values)
        wanted = 1 if rises else -1
        answers.append(agrees(direction(odds, case.alpha, steps_of(case, balls), balls), wanted))
        answers.append(agrees(balls.sign(slope), wanted))
    return every(answers)


@certificate(
    "concept-shape",
    "the number of interior extrema of F_C on the whole line, counted exactly, is at most the "
    "number of turns of rho, has its parity, and is at most 2|C| - 1, for every concept C",
    st.one_of(family_cases(wild=False), shape_cases()),
    weight=0.3,
)
def concept_shape(case: FamilyCase | ConceptCase, balls: Balls, on_trial: Formulas) -> bool | None:
    """Extrema isolated by interval halving; turns by exact fractions, and by the formula on trial.

    The formula knows M in float64 only: it is asked where M is given as floats.
    """
    answers: list[bool | None] = []
    if isinstance(case, FamilyCase):
        concepts = [case.tokens]
        bounds = [on_trial.extrema_bound(case.family, case.tokens)]
    else:
        concepts = [case.dataset.tokens(c) for c in range(case.dataset.concepts)]
        bounds = []
    for k, tokens in enumerate(concepts):
        count = count_extrema(levels_of(case, tokens), balls)
        if count is None:
            answers.append(None)
            continue
        turns = exact.turns(exact.concept_levels(case.row, order_keys(case), tokens))
        answers.extend(
            count <= bound and (bound - count) % 2 == 0 for bound in (turns, *bounds[k : k + 1])
        )
        answers.append(count <= 2 * len(tokens) - 1)
    return every(answers)


CERTIFICATES: tuple[Certificate, ...] = (concept_monotone, concept_shape)
