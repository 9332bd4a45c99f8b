"""Datasets with concepts, steering sets on them, and the UFMs that interpolate them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Literal

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from steering_strength.proofs_check.instances import ConceptCase, ExactDataset
from steering_strength.proofs_check.strategies.draws import (
    CLOSE,
    MILD,
    WILD,
    alphas,
    integers,
    simplex,
    subset,
)
from steering_strength.theory import ConceptDataset, UnconstrainedFeatures

__all__ = ["Assumption", "concept_cases", "datasets", "exact_datasets", "steering_sets", "ufms"]

Assumption = Literal["1", "B.1", "none"]
"""Assumption 1; its extension in App. B.1 (a depends on the context); or any rows at all."""


@st.composite
def exact_datasets(
    draw: DrawFn,
    assumption: Assumption = "1",
    *,
    max_concepts: int = 4,
    max_tokens: int = 3,
    max_contexts: int = 3,
    wild: bool = True,
) -> ExactDataset:
    """Datasets in fractions.

    Parameters
    ----------
    assumption : str
        "1", "B.1" or "none".
    max_concepts, max_tokens, max_contexts : int
        Bounds on G, on |C| and on the number of contexts of one concept.
    wild : bool
        Also shares down to 1e-200 and rows that are deterministic to 1e-9.
    """
    # Two concepts must have contexts, for P and for N; any other may have none. A list, so that
    # shrinking can drop a concept in one move.
    tokens_of = st.integers(1, max_tokens)
    used = st.tuples(tokens_of, st.integers(1, max_contexts))
    spare = st.tuples(tokens_of, st.integers(0, max_contexts))
    shape = [draw(used), draw(used), *draw(st.lists(spare, max_size=max_concepts - 2))]
    sizes, counts = [tokens for tokens, _ in shape], [contexts for _, contexts in shape]
    G, V = len(sizes), sum(sizes)
    token_concept = tuple(c for c, size in enumerate(sizes) for _ in range(size))
    context_concept = tuple(c for c in range(G) for _ in range(counts[c]))
    scales = WILD if wild and draw(st.booleans()) else MILD
    if assumption == "none":
        rows = [tuple(simplex(draw, V, scales)) for _ in context_concept]
    else:
        rows = _concept_rows(draw, sizes, context_concept, scales, assumption)
    # The labels are shuffled, so that no law can rely on the order of the tokens or contexts.
    tokens = draw(st.permutations(range(V)))
    contexts = draw(st.permutations(range(len(context_concept))))
    weights = simplex(draw, len(context_concept), MILD)
    return ExactDataset(
        rows=tuple(tuple(rows[j][z] for z in tokens) for j in contexts),
        token_concept=tuple(token_concept[z] for z in tokens),
        context_concept=tuple(context_concept[j] for j in contexts),
        context_weights=tuple(weights),
    )


def _concept_rows(
    draw: DrawFn,
    sizes: Sequence[int],
    context_concept: Sequence[int],
    scales: Sequence[Fraction],
    assumption: Assumption,
) -> list[tuple[Fraction, ...]]:
    """Rows under Assumption 1: b, and a = b + (1 - B) g in the context's own concept."""
    G = len(sizes)
    first = [sum(sizes[:c]) for c in range(G)]
    shape = draw(st.sampled_from(("gaps", "weighted", "proportional", "smoothed")))
    # B near 0: nearly deterministic rows. B near 1: a / b - 1 small, M near 0.
    B = draw(
        st.sampled_from([Fraction(1, 2), *(Fraction(n, 10) for n in (1, 2, 3, 4, 6, 7, 8, 9))])
    )
    close = CLOSE if len(scales) > len(MILD) else MILD
    scale = draw(st.sampled_from(close))
    B = B * scale if draw(st.booleans()) else 1 - (1 - B) * scale
    if shape == "gaps":
        b = [B * x for x in simplex(draw, sum(sizes), scales)]
        gaps = [simplex(draw, size, close) for size in sizes]
    else:
        # Weighted: b_z = e/(G-1) w_z and a_z = (1-e) g_z with e = B (G-1)/G; proportional: w = g,
        # so that all tokens of a concept are tied, with unequal p; smoothed: w = g = 1/s.
        omega = [
            [Fraction(1, size)] * size if shape == "smoothed" else simplex(draw, size)
            for size in sizes
        ]
        b = [B / G * x for concept in omega for x in concept]
        gaps = omega
        if shape == "weighted":
            gaps = _weighted_gaps(draw, omega, B, G)

    def row(concept: int) -> tuple[Fraction, ...]:
        own = simplex(draw, sizes[concept], close) if assumption == "B.1" else gaps[concept]
        new = list(b)
        for i, g in enumerate(own):
            new[first[concept] + i] += (1 - B) * g
        return tuple(new)

    return [row(concept) for concept in context_concept]


def _weighted_gaps(
    draw: DrawFn, omega: Sequence[Sequence[Fraction]], B: Fraction, G: int
) -> list[list[Fraction]]:
    """Gap weights of the weighted family whose in-concept weights gamma differ from omega.

    a_z = (1-e) gamma_z with 1-e = B/G + 1 - B must exceed b_z = (B/G) omega_z. gamma is moved from
    omega towards random weights by the largest share that keeps a_z > b_z, or less.
    """
    top = B / G + 1 - B
    result = []
    for weights in omega:
        other = simplex(draw, len(weights))
        # a_z - b_z = top (w + s (o - w)) - (B/G) w > 0 for s < (1 - B) w / (top (w - o)).
        bounds = [
            (1 - B) * w / (top * (w - o)) for w, o in zip(weights, other, strict=True) if o < w
        ]
        share = min([Fraction(1), *(bound * Fraction(9, 10) for bound in bounds)])
        gamma = [w + share * (o - w) for w, o in zip(weights, other, strict=True)]
        result.append(
            [(top * g - B / G * w) / (1 - B) for g, w in zip(gamma, weights, strict=True)]
        )
    return result


def datasets(assumption: Assumption = "1", **options: Any) -> st.SearchStrategy[ConceptDataset]:
    """`ConceptDataset`s in float64; options as in `exact_datasets`."""
    return exact_datasets(assumption, **options).map(ExactDataset.rounded)


@st.composite
def steering_sets(
    draw: DrawFn, data: ConceptDataset | ExactDataset, max_q: int = 3
) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """`(target, positive, negative)`: q contexts of T, and q others, contrastive or random."""
    concept = [int(c) for c in data.context_concept]
    present = sorted(set(concept))
    target = int(draw(st.sampled_from(present)))
    inside = [j for j, c in enumerate(concept) if c == target]
    outside = [j for j, c in enumerate(concept) if c != target]
    if draw(st.booleans()):  # contrastive: all of N in one concept
        other = draw(st.sampled_from([c for c in present if c != target]))
        outside = [j for j, c in enumerate(concept) if c == other]
    q = integers(draw, 1, min(len(inside), len(outside), max_q))
    return target, subset(draw, inside, q), subset(draw, outside, q)


@st.composite
def concept_cases(
    draw: DrawFn, /, assumption: Assumption = "1", *, outside: bool = False, **options: Any
) -> ConceptCase:
    """A dataset with a steering vector, a context and a strength.

    With `outside`, the context is never one of the target concept. Other options as in
    `exact_datasets`.
    """
    dataset = draw(exact_datasets(assumption, **options))
    target, positive, negative = draw(steering_sets(dataset))
    contexts = [j for j, c in enumerate(dataset.context_concept) if not outside or c != target]
    return ConceptCase(
        dataset=dataset,
        target=target,
        positive=positive,
        negative=negative,
        context=draw(st.sampled_from(contexts)),
        alpha=draw(alphas()),
        gauge=integers(draw, 0, 99),
    )


@st.composite
def ufms(
    draw: DrawFn, /, assumption: Assumption = "1", **options: Any
) -> tuple[ConceptDataset, UnconstrainedFeatures]:
    """An interpolating UFM on a dataset, with random gauge, shifts and useless dimensions."""
    data = draw(datasets(assumption, **options))
    seed, useless = integers(draw, 0, 99), integers(draw, 0, 3)
    least = UnconstrainedFeatures.interpolating(data, seed, free_shifts=True).W.shape[1]
    ufm = UnconstrainedFeatures.interpolating(data, seed, least + useless, free_shifts=True)
    return data, ufm
