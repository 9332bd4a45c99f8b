"""Hypothesis strategies for the theory: legal by construction, from small integers.

Public entry points, for your own properties:

* `datasets()`: a `ConceptDataset` under Assumption 1 (or without it);
* `steering_sets(data)`: `(target, positive, negative)` on a dataset;
* `ufms()`: `(data, UnconstrainedFeatures)` with a random gauge, shifts and useless dimensions;
* `families()`: a `TiltedFamily`;
* `alphas()`: strengths from 0 and 1e-12 to the thousands.

The checks of this package draw the exact twins, records of `proofs_check.instances`:
`concept_cases`, `family_cases`, `norm_cases`, `sequence_cases` and so on.

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

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Literal

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from steering_strength.proofs_check import instances
from steering_strength.proofs_check.instances import (
    ConceptCase,
    ExactDataset,
    FamilyCase,
    Indices,
    Matrix,
    Row,
    Rows,
    Vector,
    WeightedCase,
)
from steering_strength.theory import ConceptDataset, TiltedFamily, UnconstrainedFeatures

# The magnitudes a share may be scaled by. 1 comes first: it is what shrinking leads to.
MILD = (Fraction(1), Fraction(1, 10), Fraction(1, 1000))
# Gaps a - b are not made smaller than this: a float64 dataset must be able to tell a from b, and
# the oracle's difference quotients must be able to resolve M.
CLOSE = (*MILD, Fraction(1, 10**9))
WILD = (*CLOSE, Fraction(1, 10**60), Fraction(1, 10**200))


def integers(draw: DrawFn, low: int, high: int) -> int:
    """One integer in [low, high], both within +-99."""
    return int(draw(st.integers(low, high)))


def simplex(draw: DrawFn, size: int, scales: Sequence[Fraction] = (Fraction(1),)) -> Row:
    """`size` positive fractions with sum 1."""
    parts = [integers(draw, 1, 9) * draw(st.sampled_from(scales)) for _ in range(size)]
    total = sum(parts, start=Fraction(0))
    return tuple(part / total for part in parts)


def simplices(
    draw: DrawFn, count: int, size: int, scales: Sequence[Fraction] = (Fraction(1),)
) -> Rows:
    """`count` of them."""
    return tuple(simplex(draw, size, scales) for _ in range(count))


def subset(draw: DrawFn, items: Sequence[int], size: int) -> Indices:
    """`size` of the items in some order; the first ones when shrunk."""
    return tuple(draw(st.permutations(list(items)))[:size])


def concept(draw: DrawFn, size: int) -> Indices:
    """Some tokens of `size`, and not all of them."""
    return tuple(sorted(subset(draw, range(size), integers(draw, 1, size - 1))))


def labels(sizes: Sequence[int]) -> Indices:
    """The number of its group for each member of groups of these sizes."""
    return tuple(c for c, size in enumerate(sizes) for _ in range(size))


def vector(draw: DrawFn, size: int) -> Vector:
    """Quarters up to 3: exact floats with short products."""
    return tuple(integers(draw, -12, 12) * 0.25 for _ in range(size))


def matrix(draw: DrawFn, rows: int, columns: int) -> Matrix:
    """The same with two axes."""
    return tuple(vector(draw, columns) for _ in range(rows))


def alphas() -> st.SearchStrategy[float]:
    """Finite strengths of either sign: 0, small integers and eighths, 1e-12 ... 1e-3, up to 9900.

    Shrinks towards 1.
    """
    small = st.integers(1, 12).map(float)
    eighths = st.integers(1, 64).map(lambda n: n / 8)
    tiny = st.builds(lambda n, k: n * 10.0**-k, st.integers(1, 9), st.sampled_from((3, 6, 9, 12)))
    large = st.integers(1, 99).map(lambda n: 100.0 * n)
    size = st.one_of(small, eighths, tiny, large, st.just(0.0))
    return st.builds(lambda a, negative: -a if negative else a, size, st.booleans())


Assumption = Literal["1", "B.1", "none"]
"""Assumption 1; its extension in App. B.1 (a depends on the context); or any rows at all."""


@st.composite
def exact_datasets(
    draw: DrawFn, assumption: Assumption = "1", *, wild: bool = True
) -> ExactDataset:
    """Datasets in fractions: two to four concepts of up to three tokens and three contexts each.

    With `wild`, also shares down to 1e-200 and rows that are deterministic to 1e-9.
    """
    # Two concepts must have contexts, for P and for N; any other may have none. A list, so that
    # shrinking can drop a concept in one move.
    tokens_of = st.integers(1, 3)
    used, spare = (st.tuples(tokens_of, st.integers(least, 3)) for least in (1, 0))
    shape = [draw(used), draw(used), *draw(st.lists(spare, max_size=2))]
    sizes, counts = [tokens for tokens, _ in shape], [contexts for _, contexts in shape]
    token_concept, context_concept = labels(sizes), labels(counts)
    scales = WILD if wild and draw(st.booleans()) else MILD
    if assumption == "none":
        rows = simplices(draw, len(context_concept), len(token_concept), scales)
    else:
        rows = _concept_rows(draw, sizes, context_concept, scales, assumption)
    # The labels are shuffled, so that no law can rely on the order of the tokens or contexts.
    tokens = draw(st.permutations(range(len(token_concept))))
    contexts = draw(st.permutations(range(len(context_concept))))
    weights = simplex(draw, len(context_concept), MILD)
    return ExactDataset(
        rows=tuple(tuple(rows[j][z] for z in tokens) for j in contexts),
        token_concept=tuple(token_concept[z] for z in tokens),
        context_concept=tuple(context_concept[j] for j in contexts),
        context_weights=weights,
    )


def _concept_rows(
    draw: DrawFn,
    sizes: Sequence[int],
    context_concept: Sequence[int],
    scales: Sequence[Fraction],
    assumption: Assumption,
) -> Rows:
    """Rows under Assumption 1: b, and a = b + (1 - B) g in the context's own concept."""
    first = [sum(sizes[:c]) for c in range(len(sizes))]
    shape = draw(st.sampled_from(("gaps", "proportional", "smoothed")))
    # B near 0: nearly deterministic rows. B near 1: a / b - 1 small, M near 0.
    B = Fraction(draw(st.sampled_from((5, 1, 2, 3, 4, 6, 7, 8, 9))), 10)
    close = CLOSE if len(scales) > len(MILD) else MILD
    scale = draw(st.sampled_from(close))
    B = B * scale if draw(st.booleans()) else 1 - (1 - B) * scale
    if shape == "gaps":
        b = [B * x for x in simplex(draw, sum(sizes), scales)]
        gaps = [simplex(draw, size, close) for size in sizes]
    else:
        # b and the gaps in the same proportions, so that all tokens of a concept are tied, with
        # unequal p; smoothed: in equal ones.
        smoothed = shape == "smoothed"
        gaps = [(Fraction(1, n),) * n if smoothed else simplex(draw, n) for n in sizes]
        b = [B / len(sizes) * x for concept in gaps for x in concept]

    def row(concept: int) -> Row:
        own = simplex(draw, sizes[concept], close) if assumption == "B.1" else gaps[concept]
        new = list(b)
        for i, g in enumerate(own):
            new[first[concept] + i] += (1 - B) * g
        return tuple(new)

    return tuple(map(row, context_concept))


def datasets(assumption: Assumption = "1", **options: Any) -> st.SearchStrategy[ConceptDataset]:
    """`ConceptDataset`s in float64; options as in `exact_datasets`."""
    return exact_datasets(assumption, **options).map(ExactDataset.rounded)


@st.composite
def steering_sets(
    draw: DrawFn, data: ConceptDataset | ExactDataset
) -> tuple[int, Indices, Indices]:
    """`(target, positive, negative)`: q contexts of T, and q others, contrastive or random."""
    concept = [int(c) for c in data.context_concept]
    present = sorted(set(concept))
    target = int(draw(st.sampled_from(present)))
    inside = [j for j, c in enumerate(concept) if c == target]
    outside = [j for j, c in enumerate(concept) if c != target]
    if draw(st.booleans()):  # contrastive: all of N in one concept
        other = draw(st.sampled_from([c for c in present if c != target]))
        outside = [j for j, c in enumerate(concept) if c == other]
    q = integers(draw, 1, min(len(inside), len(outside), 3))
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


SHARED_OFF = st.one_of(concept_cases("1"), concept_cases("B.1"))
"""Datasets whose b does not depend on the context."""
ANY_ROWS = st.one_of(concept_cases("1"), concept_cases("B.1"), concept_cases("none"))


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
    return FamilyCase(
        weights=tuple(Fraction(w) for w in weights),
        log_odds=tuple(log_odds),
        tokens=concept(draw, size),
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
    token_concept = labels(sizes)
    gaps = [g for size in sizes for g in simplex(draw, size)]
    ratios = [draw(st.sampled_from(_RATIOS)) for _ in token_concept]
    if crowded:
        low, next_low, next_high, high = sorted(subset(draw, range(len(_RATIOS)), 4))
        ratios[1:] = [_RATIOS[k] for k in (low, next_high, next_low, high)]
    total = 1 + sum(g / (r - 1) for g, r in zip(gaps, ratios, strict=True))
    b = [g / ((r - 1) * total) for g, r in zip(gaps, ratios, strict=True)]
    negatives = (1, 2) if crowded else draw(st.sampled_from(((1,), (2,), (1, 2))))
    q = len(negatives)
    contexts = (*(0,) * q, *negatives, draw(st.sampled_from((0, 1, 2))))

    def row(concept: int) -> Row:
        columns = zip(b, ratios, token_concept, strict=True)
        return tuple(x * r if c == concept else x for x, r, c in columns)

    data = ExactDataset.uniform([*map(row, contexts)], token_concept, contexts)
    return ConceptCase.contrasting(data, 0, q, 2 * q)


@st.composite
def prompts_cases(draw: DrawFn, *, twins: bool = False) -> instances.PromptsCase:
    """Up to three prompts, often (`twins`: always) the same one twice; any M with ties."""
    size, count = integers(draw, 2, 4), integers(draw, 1 + twins, 3)
    scales = MILD if twins or draw(st.booleans()) else (Fraction(1),)
    rows = simplices(draw, count, size, scales)
    if twins or (count > 1 and draw(st.booleans())):
        rows = (rows[0], rows[0], *rows[2:])
    return instances.PromptsCase(
        rows=rows,
        weights=simplex(draw, count),
        log_odds=vector(draw, size),
        tokens=concept(draw, size),
        budget=draw(st.sampled_from([0.25, 0.01, 1.0, 3.0, 1e-6, 1e-14])),
    )


@st.composite
def weighted_cases(draw: DrawFn, *, away: bool = False) -> WeightedCase:
    """The weighted family at an admissible eps: gamma and omega unequal, N anywhere outside T.

    With `away`, N also avoids the concept of c_j, which needs a third concept.
    """
    sizes = draw(st.lists(st.integers(1, 3), min_size=3 if away else 2, max_size=4))
    gamma, omega = (tuple(x for size in sizes for x in simplex(draw, size, MILD)) for _ in range(2))
    own = integers(draw, 1, len(sizes) - 1)
    others = [c for c in range(1, len(sizes)) if not (away and c == own)]
    full = WeightedCase(
        token_concept=labels(sizes),
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


@st.composite
def norm_cases(draw: DrawFn, *, visible: bool = True) -> instances.NormCase:
    """Residuals under RMSNorm or LayerNorm; eps = 0 or up to 1, |h| / |v| from 1e-3 to 1e6.

    With `visible`, v survives the norm: it is not zero, and not constant under LayerNorm.
    """
    kind = draw(st.sampled_from(("rms", "layer")))
    d = integers(draw, 2, 5)
    h, v = vector(draw, d), vector(draw, d)
    if not visible:
        v = (draw(st.sampled_from((0.0, 1.0, -2.5))) if kind == "layer" else 0.0,) * d
    elif len(set(v)) == 1:  # zero or constant: tilt it
        v = (v[0] + 1.0, *v[1:])
    size = draw(st.sampled_from((1.0, 1e-3, 1e3)))
    h = tuple(x * draw(st.sampled_from((1.0, 100.0))) for x in h)
    eps = draw(st.sampled_from((0.0, 1e-5, 1e-6, 1.0)))
    if eps == 0.0 and len(set(h)) == 1:  # LN(h) itself must not be 0/0
        h = (h[0] + 1.0, *h[1:])
    return instances.NormCase(
        h=h,
        v=tuple(x * size for x in v),
        gain=tuple(integers(draw, 1, 9) * 0.25 for _ in range(d)),
        bias=vector(draw, d),
        W=matrix(draw, integers(draw, 2, 5), d),
        kind=kind,
        eps=eps,
        alpha=draw(alphas()),
    )


@st.composite
def text_cases(draw: DrawFn, *, contexts: int = 3) -> instances.TextCase:
    """Up to `contexts` contexts and two to four texts a side; |alpha| from 1e-6 to 8."""
    size, m = integers(draw, 2, 5), integers(draw, 1, contexts)
    strength = draw(
        st.one_of(st.integers(1, 64).map(lambda n: n / 8), st.sampled_from((1e-3, 1e-6)))
    )
    return instances.TextCase(
        rows=simplices(draw, m, size, MILD),
        context_weights=simplex(draw, m),
        positive=simplices(draw, integers(draw, 2, 4), size, MILD),
        negative=simplices(draw, integers(draw, 2, 4), size, MILD),
        tokens=concept(draw, size),
        alpha=-strength if draw(st.booleans()) else strength,
    )


@st.composite
def sequence_cases(draw: DrawFn) -> instances.SequenceCase:
    """Trees of texts of one to three tokens, lengths that differ by one included."""
    V = integers(draw, 2, 3)
    J = integers(draw, 2, 7 if V == 2 else 5)
    q = integers(draw, 1, 2)
    return instances.SequenceCase(
        rows=simplices(draw, J, V, MILD),
        positive=simplices(draw, q, V, MILD),
        negative=simplices(draw, q, V, MILD),
        judged=tuple(integers(draw, -9, 9) for _ in range(V * J - J + 1)),
        alpha=draw(alphas()),
        gauge=integers(draw, 0, 99),
    )


_ANGLES = (1.0, 0.5, -2.0, 3.0, 1e-6, 1e-3)


@st.composite
def readout_cases(draw: DrawFn) -> instances.ReadoutCase:
    """States of one to five texts in any two sets, two orthogonal directions and an encoder."""
    m, d, V = integers(draw, 1, 5), integers(draw, 2, 4), integers(draw, 2, 6)
    i, j, *_ = draw(st.permutations(range(d)))
    u, encoder = list(vector(draw, d)), list(vector(draw, d))
    for direction in (u, encoder):
        direction[i] = direction[i] or 1.0
    w = [0.0] * d
    w[i], w[j] = -u[j], u[i]
    texts = st.lists(st.sampled_from(range(m)), min_size=1, max_size=4, unique=True).map(tuple)
    return instances.ReadoutCase(
        states=matrix(draw, m, d),
        W=matrix(draw, V, d),
        bias=vector(draw, V),
        u=tuple(u),
        w=tuple(w),
        encoder=tuple(encoder),
        context_weights=simplex(draw, m, MILD),
        sets=(draw(texts), draw(texts)),
        alpha=draw(alphas()),
        theta=draw(st.sampled_from(_ANGLES)),
        threshold=integers(draw, -8, 8) * 0.25,
    )


@st.composite
def mixed_cases(draw: DrawFn) -> instances.MixedCase:
    """Mixtures of two or three concepts; zero and equal weights and pure contexts are frequent."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=2, max_size=3))
    G, m = len(sizes), integers(draw, 2, 5)
    B = Fraction(integers(draw, 1, 9), 10)
    parts = [[integers(draw, 0, 3) for _ in range(G)] for _ in range(m)]
    for row in parts:
        row[integers(draw, 0, G - 1)] += 1
    contexts = st.sampled_from(range(m))
    sets = st.lists(contexts, min_size=1, max_size=3, unique=True).map(tuple)
    return instances.MixedCase(
        off=tuple(B * x for x in simplex(draw, sum(sizes), MILD)),
        gaps=tuple(g for size in sizes for g in simplex(draw, size, MILD)),
        token_concept=labels(sizes),
        weights=tuple(tuple(Fraction(n, sum(row)) for n in row) for row in parts),
        sets=(draw(sets), draw(sets)),
        gauge=integers(draw, 0, 99),
    )
