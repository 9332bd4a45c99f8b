"""A context under a steering vector, with or without a dataset behind it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from steering_strength.proofs_check.instances import ConceptCase, FamilyCase
from steering_strength.proofs_check.strategies.datasets import concept_cases
from steering_strength.proofs_check.strategies.draws import WILD, alphas, integers, subset
from steering_strength.theory import TiltedFamily

__all__ = ["any_families", "families", "family_cases"]

_SPACINGS = (1.0, 0.125, 2.0**-40, 64.0, 1e-3)
_SHIFTS = (0.0, -4.0, 100.0, 1e-6)


@st.composite
def family_cases(
    draw: DrawFn, *, min_size: int = 2, max_size: int = 7, support: bool = True, wild: bool = True
) -> FamilyCase:
    """Any p and any M: no Assumption 1, ties frequent, M shifted and scaled, p down to 1e-200.

    With `support` false, some tokens may have probability 0.
    """
    size = integers(draw, min_size, max_size)
    scales = WILD if wild and draw(st.booleans()) else (Fraction(1),)
    weights = [integers(draw, 1, 9) * draw(st.sampled_from(scales)) for _ in range(size)]
    if not support and size > 2 and draw(st.booleans()):
        weights[integers(draw, 0, size - 1)] = Fraction(0)
    spacing, shift = draw(st.sampled_from(_SPACINGS)), draw(st.sampled_from(_SHIFTS))
    levels = [integers(draw, 0, 6) for _ in range(size)]
    nudges = [2.0**-40 if draw(st.integers(0, 7)) == 7 else 0.0 for _ in range(size)]
    log_odds = [
        shift + level * spacing + nudge for level, nudge in zip(levels, nudges, strict=True)
    ]
    inside = subset(draw, range(size), integers(draw, 1, size - 1))
    return FamilyCase(
        weights=tuple(Fraction(w) for w in weights),
        log_odds=tuple(log_odds),
        tokens=tuple(sorted(inside)),
        alpha=draw(alphas()),
        gauge=integers(draw, 0, 99),
    )


def any_families(**options: Any) -> st.SearchStrategy[FamilyCase]:
    """Bare families, and contexts of datasets under Assumption 1 and without it."""
    return st.one_of(
        family_cases(**options),
        concept_cases("1").map(ConceptCase.as_family),
        concept_cases("none").map(ConceptCase.as_family),
    )


def families(**options: Any) -> st.SearchStrategy[TiltedFamily]:
    """`TiltedFamily`s in float64; options as in `family_cases`."""
    return family_cases(**options).map(lambda case: case.family)
