"""Every number of the page, computed by the engine: one frozen record per context of an instance.

The page looks numbers up and computes no law: bars, curves, peaks, limits, turning points, the
guarantee of the quadratic and the ends of strength windows are all fields of these records.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from steering_strength.figures.cross_entropy import guaranteed_radius, guaranteed_ratio
from steering_strength.figures.explorer.case import Case, View
from steering_strength.figures.explorer.nodes import Landmark, grid, nodes, turning_points, views
from steering_strength.figures.explorer.windows import BUDGETS, LEVELS, Law, Windows, windows
from steering_strength.figures.instances import FloatArray
from steering_strength.theory import TiltedFamily
from steering_strength.theory.engine.population import TiltedPopulation
from steering_strength.theory.errors import ProbabilityError

__all__ = ["PROMISE", "SHOWN", "ContextCurves", "ViewCurves", "curves"]

SHOWN = 14
"""Tokens with a bar of their own; the others share one."""

PROMISE = 0.10
"""The radius marked on the page is where the quadratic is guaranteed within this share."""

_ROWS = 32  # strengths at a time: a vocabulary of 262,144 then takes 64 MiB


@dataclass(frozen=True)
class ViewCurves:
    """The curves of one context over one window.

    Attributes
    ----------
    view : View
    alpha : (A,)
        The nodes, increasing.
    probability : (n, A)
        p_alpha(z) of the tokens shown.
    increase : (n, A)
        Delta p(z|alpha), Def. 3.1.
    rest : (A,)
        Probability of all tokens that are not shown; empty if there are none.
    mean : (A,)
        E_alpha[M], nats per unit of alpha.
    concept, concept_increase : (G, A)
        F_C(alpha), and Delta p(C|alpha) of Def. 3.5.
    cross_entropy : (A,)
        KL(p || p_alpha) of this context, nats.
    average : (A,)
        Delta CE over the contexts of the instance (Def. 3.7), nats.
    quadratic, lower, upper : (A,)
        alpha^2 Var(M) / 2, and where `ce-radius` guarantees the cross-entropy to lie.
    asymptote : (A,)
        The line it approaches on the side of alpha (`ce-asymptote`).
    """

    view: View
    alpha: FloatArray
    probability: FloatArray
    increase: FloatArray
    rest: FloatArray
    mean: FloatArray
    concept: FloatArray
    concept_increase: FloatArray
    cross_entropy: FloatArray
    average: FloatArray
    quadratic: FloatArray
    lower: FloatArray
    upper: FloatArray
    asymptote: FloatArray


@dataclass(frozen=True)
class ContextCurves:
    """One context of an instance.

    Attributes
    ----------
    name : str
    shown : (n,) int
        The tokens with a bar of their own, by increasing log-odds.
    log_odds, base : (n,)
        M(z), and p(z|c_j).
    peak, peak_increase : (n,)
        alpha_(j,z), and Delta p there or in the limit.
    limit : (2, n)
        Probabilities as alpha -> -inf and +inf.
    rest_base : float
        Probability of all tokens that are not shown, at alpha = 0.
    concept_base : (G,)
        F_C(0).
    concept_limit : (2, G)
        Delta p(C|alpha) as alpha -> -inf and +inf.
    turns : tuple of tuples of float, length G
        Extrema of F_C inside the windows.
    radius : float
        |alpha| within which the quadratic is guaranteed within `PROMISE`; inf for constant M.
    windows : Windows
    landmarks : tuple of Landmark
    views : tuple of ViewCurves
    """

    name: str
    shown: np.ndarray
    log_odds: FloatArray
    base: FloatArray
    peak: FloatArray
    peak_increase: FloatArray
    limit: FloatArray
    rest_base: float
    concept_base: FloatArray
    concept_limit: FloatArray
    turns: tuple[tuple[float, ...], ...]
    radius: float
    windows: Windows
    landmarks: tuple[Landmark, ...]
    views: tuple[ViewCurves, ...]


def curves(case: Case) -> tuple[ContextCurves, ...]:
    """All contexts of an instance."""
    return tuple(_context(case, j) for j in range(len(case.contexts)))


def _context(case: Case, context: int) -> ContextCurves:
    family, masks, chosen = case.family(context), case.masks(), views(case)
    peaks, heights = family.peaks(), family.peak_log_probability()
    limit = np.exp(np.stack([family.limit(-1), family.limit(+1)]))
    shown = _shown(case, family, chosen, peaks, heights)
    sizes = masks.sum(axis=1)
    concept_base = expit(family.concept_log_odds(masks, 0.0))
    at = np.unique(np.concatenate([grid(view.low, view.high) for view in chosen]))
    turns = tuple(turning_points(family, mask, at) for mask in masks)
    spread = float(np.ptp(family.log_odds[family.log_p > -np.inf]))
    radius = guaranteed_radius(PROMISE) / spread if spread > 0.0 else np.inf
    found = windows(family, masks[case.target])
    marks = _landmarks(case, shown, peaks, turns, radius)
    stops = (*marks, *_window_ends(found))
    base = np.exp(family.log_probability(0.0)[shown])
    return ContextCurves(
        name=case.contexts[context],
        shown=shown,
        log_odds=case.log_odds[shown],
        base=base,
        peak=peaks[shown],
        peak_increase=np.exp(heights[shown]) - base,
        limit=limit[:, shown],
        rest_base=float(rest[0]) if (rest := _rest(family, shown, np.zeros(1))).size else 0.0,
        concept_base=concept_base,
        concept_limit=(limit @ masks.T - concept_base) / sizes,
        turns=turns,
        radius=radius,
        windows=found,
        landmarks=marks,
        views=tuple(_view(case, family, view, nodes(view, stops), shown) for view in chosen),
    )


def _landmarks(
    case: Case,
    shown: np.ndarray,
    peaks: FloatArray,
    turns: tuple[tuple[float, ...], ...],
    radius: float,
) -> tuple[Landmark, ...]:
    ends = (-radius, radius) if np.isfinite(radius) else ()
    return (
        Landmark(0.0, "no steering"),
        *(
            Landmark(float(peaks[z]), f"‘{case.tokens[z]}’ peaks")
            for z in shown
            if np.isfinite(peaks[z])
        ),
        *(
            Landmark(at, f"{{{name}}} turns")
            for name, points in zip(case.concept_names, turns, strict=True)
            for at in points
        ),
        *(Landmark(at, "the quadratic is sure to 10 % up to here") for at in ends),
    )


def _window_ends(found: Windows) -> list[Landmark]:
    """The slider stops where windows begin and end, so that the price there can be read."""
    budgets = [
        Landmark(float(at), f"{budget:g} nats are spent")
        for row in found.budget_alpha
        for at, budget in zip(row, BUDGETS, strict=True)
    ]
    levels = [
        Landmark(float(at), f"the target reaches {level:g}")
        for at, level in zip(found.level_alpha, LEVELS, strict=True)
    ]
    return [mark for mark in budgets + levels if np.isfinite(mark.alpha)]


def _shown(
    case: Case,
    family: TiltedFamily,
    chosen: tuple[View, ...],
    peaks: FloatArray,
    heights: FloatArray,
) -> np.ndarray:
    """The `SHOWN` named tokens that get largest somewhere in the first window, sorted by M.

    A token is largest at its peak or, if that is outside, at the end of the window next to it.
    """
    view = chosen[0]
    ends = family.log_probability([view.low, 0.0, view.high])
    inside = (peaks > view.low) & (peaks < view.high)
    best = np.where(inside, np.maximum(heights, ends[1]), ends.max(axis=0))
    best[~case.named] = -np.inf
    first = np.argsort(-best, kind="stable")[:SHOWN]
    first = first[np.isfinite(best[first])]
    if not first.size:
        raise ProbabilityError(
            f"no named token of {case.title} has support in one of its contexts",
            remedy="name a token with p > 0 in each",
        )
    return np.asarray(first[np.lexsort((first, case.log_odds[first]))])


def _view(
    case: Case, family: TiltedFamily, view: View, alpha: FloatArray, shown: np.ndarray
) -> ViewCurves:
    masks = case.masks()
    quadratic = 0.5 * float(family.variance(0.0)) * alpha**2
    spread = float(np.ptp(family.log_odds[family.log_p > -np.inf]))
    # Beyond e^600 the guarantee says nothing, and would overflow.
    far = np.abs(alpha * spread) > 600.0
    below, above = guaranteed_ratio(np.where(far, 0.0, alpha * spread))
    average = TiltedPopulation(case.log_p, case.log_odds, case.weights)
    return ViewCurves(
        view=view,
        alpha=alpha,
        probability=np.exp(_columns(family.log_probability, alpha, shown)),
        increase=_columns(family.probability_increase, alpha, shown),
        rest=_rest(family, shown, alpha),
        mean=family.mean(alpha),
        concept=expit(family.concept_log_odds(masks, alpha)).T,
        concept_increase=family.concept_increase(masks, alpha).T,
        cross_entropy=family.cross_entropy_increase(alpha),
        average=average.average_cross_entropy_increase(alpha),
        quadratic=quadratic,
        lower=np.where(far, 0.0, below * quadratic),
        upper=np.where(far, np.inf, above * quadratic),
        asymptote=_asymptote(family, alpha),
    )


def _columns(law: Law, alpha: FloatArray, shown: np.ndarray) -> FloatArray:
    """The tokens in `shown` of a law of shape (A, V), a few strengths at a time: (n, A)."""
    parts = [law(alpha[i : i + _ROWS])[:, shown] for i in range(0, alpha.size, _ROWS)]
    return np.concatenate(parts).T


def _rest(family: TiltedFamily, shown: np.ndarray, alpha: FloatArray) -> FloatArray:
    others = np.ones(family.size, dtype=bool)
    others[shown] = False
    if not others.any():
        return np.zeros(0)
    return np.asarray(expit(family.concept_log_odds(others, alpha)))


def _asymptote(family: TiltedFamily, alpha: FloatArray) -> FloatArray:
    """alpha (extreme M - E[M]) + log p(extreme), the extreme on the side of alpha."""
    support = family.log_p > -np.inf
    mean = float(family.mean(0.0))
    result = np.zeros_like(alpha)
    for sign, side in ((1, alpha >= 0.0), (-1, alpha < 0.0)):
        extreme = float((family.log_odds[support] * sign).max()) * sign
        z = int(np.flatnonzero(support & (family.log_odds == extreme))[0])
        log_share = float(family.log_p[z] - family.limit(sign)[z])
        result[side] = alpha[side] * (extreme - mean) + log_share
    return result
