"""Instances made for the rare: concepts that turn several times, and the weighted family's end."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from steering_strength.proofs_check.instances import ConceptCase, ExactDataset, WeightedCase
from steering_strength.proofs_check.strategies.draws import MILD, integers, simplex, subset

__all__ = ["shape_cases", "weighted_cases"]

# Squares: e^{alpha M} is then rational at every multiple of q/2, which is fine enough to see a
# curve turn three times.
_RATIOS = tuple(Fraction(s) ** 2 for s in (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16))


@st.composite
def shape_cases(draw: DrawFn, *, crowded: bool = False) -> ConceptCase:
    """Assumption 1 drawn through its ratios a_z/b_z, where a concept may turn several times.

    Any ratios r_z > 1 and gap weights g_z are possible: b_z = g_z / ((r_z - 1)(1 + S)) with
    S = sum g_z / (r_z - 1), and then a_z = r_z b_z. T has one token; N has contexts of one or two
    other concepts, whose log-odds interleave as the ratios do: with `crowded`, always of two
    concepts of two tokens each, whose four ratios alternate: the smallest that turn three times.
    """
    sizes = (1, 2, 2) if crowded else (1, integers(draw, 1, 3), integers(draw, 1, 2))
    token_concept = tuple(c for c, size in enumerate(sizes) for _ in range(size))
    gaps = [g for size in sizes for g in simplex(draw, size)]
    ratios = [draw(st.sampled_from(_RATIOS)) for _ in token_concept]
    if crowded:
        low, next_low, next_high, high = sorted(subset(draw, range(len(_RATIOS)), 4))
        ratios[1:] = [_RATIOS[k] for k in (low, next_high, next_low, high)]
    total = 1 + sum(g / (r - 1) for g, r in zip(gaps, ratios, strict=True))
    b = [g / ((r - 1) * total) for g, r in zip(gaps, ratios, strict=True)]
    negatives = (1, 2) if crowded else draw(st.sampled_from(((1,), (2,), (1, 2))))
    q = len(negatives)
    labels = (*(0,) * q, *negatives, draw(st.sampled_from((0, 1, 2))))

    def row(concept: int) -> tuple[Fraction, ...]:
        columns = zip(b, ratios, token_concept, strict=True)
        return tuple(x * r if c == concept else x for x, r, c in columns)

    return ConceptCase(
        dataset=ExactDataset(
            rows=tuple(row(c) for c in labels),
            token_concept=token_concept,
            context_concept=labels,
            context_weights=(Fraction(1, len(labels)),) * len(labels),
        ),
        target=0,
        positive=tuple(range(q)),
        negative=tuple(range(q, 2 * q)),
        context=2 * q,
    )


@st.composite
def weighted_cases(draw: DrawFn, *, away: bool = False) -> WeightedCase:
    """The weighted family at an admissible eps: gamma and omega unequal, N anywhere outside T.

    With `away`, N also avoids the concept of c_j, which needs a third concept.
    """
    sizes = draw(st.lists(st.integers(1, 3), min_size=3 if away else 2, max_size=4))
    token_concept = tuple(c for c, size in enumerate(sizes) for _ in range(size))
    gamma, omega = (tuple(x for size in sizes for x in simplex(draw, size, MILD)) for _ in range(2))
    own = integers(draw, 1, len(sizes) - 1)
    others = [c for c in range(1, len(sizes)) if not (away and c == own)]
    full = WeightedCase(
        token_concept=token_concept,
        gamma=gamma,
        omega=omega,
        target=0,
        own=own,
        negatives=tuple(draw(st.lists(st.sampled_from(others), min_size=1, max_size=3))),
        epsilon=Fraction(0),
    )
    # A share of the admissible interval, near both of its ends as well.
    share = draw(st.sampled_from([Fraction(n, 100) for n in (50, 90, 99, 1, 10, 30, 70)]))
    return replace(full, epsilon=full.bound * share)
