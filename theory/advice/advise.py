"""One function for users: `advise`; and how sure its alpha is, given the texts of the vector.

The advised alpha is exact for the vector of these texts. Other texts would give another vector and
another alpha; how much another, which text is to blame and how many more would help is what
`theory.engine.estimation` says, here for the end of the window that is advised.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypedDict, Unpack, cast, get_args, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steering_strength.theory.advice.context import ContextAdvice, advise_contexts
from steering_strength.theory.advice.curve import SteeredCurve
from steering_strength.theory.advice.demand import BeforePeak, Demand
from steering_strength.theory.advice.population import PopulationAdvice, advise_population, together
from steering_strength.theory.advice.window import Namer, Window, numbered
from steering_strength.theory.engine import Allocation, TiltedFamily, TiltedPopulation, allocation
from steering_strength.theory.engine.estimation import Estimate, Goal, estimate
from steering_strength.theory.engine.validation import (
    as_flag,
    as_level,
    as_number,
    as_weights,
    require_kind,
)
from steering_strength.theory.errors import BudgetError, ShapeError

Texts = tuple[ArrayLike, ArrayLike]


class _Options(TypedDict, total=False):
    level: float | None
    cross_entropy: float | None
    reverse_kl: float | None
    before_peak: BeforePeak
    sign: int
    plateau: float | None
    name: Namer
    texts: Texts | None


class _ForSeveral(_Options, total=False):
    weights: ArrayLike | None
    quantile: float
    allocate: bool


@overload
def advise(
    source: SteeredCurve, tokens: ArrayLike | None = None, **options: Unpack[_Options]
) -> ContextAdvice: ...


@overload
def advise(
    source: TiltedPopulation | Sequence[SteeredCurve],
    tokens: ArrayLike | None = None,
    **options: Unpack[_ForSeveral],
) -> PopulationAdvice: ...


def advise(
    source: Any,
    tokens: ArrayLike | None = None,
    *,
    level: float | None = None,
    cross_entropy: float | None = None,
    reverse_kl: float | None = None,
    before_peak: BeforePeak = "no",
    sign: int = 1,
    weights: ArrayLike | None = None,
    quantile: float = 0.9,
    plateau: float | None = 0.01,
    name: Namer = numbered,
    texts: Texts | None = None,
    allocate: bool = False,
) -> ContextAdvice | PopulationAdvice:
    """Return the window of alpha that meets the demands, why it ends where it does, and its price.

    Raises BudgetError: nothing is demanded, or a number is out of range; ShapeError: no context,
    contexts of different vocabularies, or unusable target tokens; ProbabilityError: the weights are
    no probabilities, or a text has -inf where a context has p > 0; SteeringSetError: M is not that
    of the texts, or one side has fewer than two.

    Parameters
    ----------
    source : SteeredCurve, TiltedPopulation, or a sequence of SteeredCurve
        One context, or several: a `TiltedFamily`, a `ScannedCurve`, or a steered model's curve.
    tokens : array_like, optional
        T, the wanted tokens: indices or a mask, shape (V,).
    level : float, optional
        F_T, the probability of T, must be at least this.
    cross_entropy, reverse_kl : float, optional
        At most that many nats of KL(p || p_alpha) = Delta CE, of KL(p_alpha || p).
    before_peak : {"no", "rising", "any"}
        No target token may be past its peak: of those that rise at alpha = 0 (if none does, the
        window is empty), or of all.
    sign : {+1, -1}
        Steer along v or against it; the alphas returned carry the sign.
    weights : array_like, (m,), optional
        Probabilities of the contexts, uniform by default; a TiltedPopulation has its own.
    quantile : float
        The share of the contexts that a window for many has to serve.
    plateau : float, optional
        Total variation to the limit from which on more strength counts as changing nothing; None
        not to ask, which saves measurements.
    name : function
        From a token's index to what it is called in the words of the answer.
    texts : (array_like, array_like), (|P|, V) and (|N|, V), optional
        Log-probabilities of the texts that M comes from. The answer then says how sure its alpha
        is: `estimate`, of one context, or of the average over several.
    allocate : bool
        Also share out `cross_entropy`, as a budget for the average over the contexts: one alpha for
        each, of either sign, that together make T likeliest, next to the best single alpha
        (beyond arXiv:2602.02712, Sec. 6).

    Returns
    -------
    ContextAdvice or PopulationAdvice
        Frozen; `print` it for a summary.
    """
    curves = _curves(source)
    require_kind("name", name, Callable)
    demand = Demand.of(
        curves[0].size,
        tokens,
        level=level,
        cross_entropy=cross_entropy,
        reverse_kl=reverse_kl,
        before_peak=before_peak,
        sign=sign,
        plateau=plateau,
    )
    if as_flag("allocate", allocate) and len(curves) == 1:
        raise ShapeError("allocate=True for one context", remedy="give several, in a list")
    share = 1.0 if as_number(quantile) == 1.0 else as_level(quantile, "quantile")
    if isinstance(source, TiltedPopulation) and weights is None:
        weights = source.weights
    elif curves[0] is source:
        if weights is not None:
            raise ShapeError("weights for one context", remedy="leave them out")
        single = advise_contexts(curves, demand, name)[0]
        if texts is None:
            return single
        peak = None if single.first_peak is None else single.first_peak[0]
        sure = _estimated(_together(curves, None), single.window, demand, texts, peak)
        return replace(single, estimate=sure)
    pi = as_weights(weights, len(curves))
    several = advise_population(curves, pi, demand, share, name)
    if allocate:
        several = replace(several, allocation=_allocated(curves, pi, demand))
    if texts is None:
        return several
    sure = _estimated(_together(curves, pi), several.average, demand, texts)
    return replace(several, estimate=sure)


def _allocated(
    curves: list[SteeredCurve], weights: NDArray[np.float64], demand: Demand
) -> Allocation:
    if demand.target is None or demand.cross_entropy is None:
        missing = "tokens" if demand.target is None else "cross_entropy"
        raise BudgetError(
            f"allocate=True without {missing}",
            remedy="give the wanted tokens and cross_entropy, nats on average over the contexts",
        )
    return allocation.allocate(
        cast("TiltedPopulation", _together(curves, weights, "allocate=True")),
        demand.target,
        demand.cross_entropy,
    )


def _curves(source: Any) -> list[SteeredCurve]:
    if isinstance(source, TiltedPopulation):
        return [source.family(j) for j in range(source.shape[0])]
    if isinstance(source, SteeredCurve):
        return [source]
    curves = list(source) if isinstance(source, Sequence) else []
    if not curves or not all(isinstance(curve, SteeredCurve) for curve in curves):
        raise ShapeError(
            f"{len(curves)} contexts of type {type(source).__name__}",
            remedy="give a TiltedFamily, several curves in a list, or a TiltedPopulation",
        )
    for j, curve in enumerate(curves):
        if curve.size != curves[0].size:
            raise ShapeError(
                f"context {j} has V = {curve.size}, context 0 has V = {curves[0].size}",
                remedy="use one vocabulary",
            )
    return curves


def _together(
    curves: Sequence[object], weights: NDArray[np.float64] | None, what: str = "texts"
) -> TiltedFamily | TiltedPopulation:
    """Return contexts that share M as one object; raises ShapeError if they are no tilting."""
    families = [curve for curve in curves if isinstance(curve, TiltedFamily)]
    if len(families) < len(curves):
        raise ShapeError(
            f"{what} for a curve that is no tilting",
            remedy="leave that out, or steer at the output of the final norm",
        )
    if len(families) == 1:
        return families[0]
    population = together(families, weights)
    if population.log_odds.ndim == 2:
        other = population.log_odds != population.log_odds[0]
        raise ShapeError(
            f"context {int(np.argmax(other.any(axis=1)))} has another M than context 0",
            remedy="steer all by one vector",
        )
    return population


def _estimated(
    source: TiltedFamily | TiltedPopulation,
    window: Window | None,
    demand: Demand,
    texts: Texts,
    peak: int | None = None,
) -> Estimate | None:
    """Return how sure `window.advised` is; None where no crossing says what it is, as at 0.

    `peak` is the token whose peak may end the window.
    """
    if window is None or not math.isfinite(window.advised) or window.advised == 0.0:
        return None
    end = window.high if window.advised == window.high.alpha else window.low
    goal = "level" if end.demand == "holds" else end.demand
    if goal not in get_args(Goal):
        return None
    tokens = demand.target if peak is None or goal != "peak" else np.array([peak])
    try:
        return estimate(source, end.alpha, cast("Goal", goal), *texts, tokens=tokens)
    except (
        BudgetError
    ):  # F_T only touches the level there: the advice stands, its error has no name
        return None
