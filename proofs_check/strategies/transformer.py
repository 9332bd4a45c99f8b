"""Residual streams under a final norm, states under an unembedding, logits that bend."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from steering_strength.proofs_check.instances import NormCase, ReadoutCase, SmoothCase
from steering_strength.proofs_check.strategies.draws import (
    alphas,
    integers,
    matrix,
    simplex,
    vector,
)

__all__ = ["norm_cases", "readout_cases", "smooth_cases"]


@st.composite
def norm_cases(draw: DrawFn, *, visible: bool = True) -> NormCase:
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
    return NormCase(
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
def readout_cases(draw: DrawFn) -> ReadoutCase:
    """Any states, any unembedding, any two sets of texts, |P| and |N| as they fall."""
    m, d, V = integers(draw, 2, 6), integers(draw, 1, 4), integers(draw, 2, 6)
    texts = st.sampled_from(range(m))
    sets = st.lists(texts, min_size=1, max_size=4, unique=True).map(tuple)
    return ReadoutCase(
        states=matrix(draw, m, d),
        W=matrix(draw, V, d),
        bias=vector(draw, V),
        positive=draw(sets),
        negative=draw(sets),
        context=draw(texts),
        alpha=draw(alphas()),
    )


@st.composite
def smooth_cases(draw: DrawFn) -> SmoothCase:
    """Nonlinear logits of m contexts, with labels that are not the model's distribution."""
    m, d, k, V = (integers(draw, low, 3) for low in (1, 1, 1, 2))
    return SmoothCase(
        states=matrix(draw, m, d),
        v=vector(draw, d),
        A=matrix(draw, k, d),
        W=matrix(draw, V, k),
        labels=tuple(tuple(simplex(draw, V)) for _ in range(m)),
        context_weights=tuple(simplex(draw, m)),
    )
