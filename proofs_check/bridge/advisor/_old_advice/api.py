"""One function for users: `advise`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steering_strength.proofs_check.bridge.advisor._old_advice.context import (
    ContextAdvice,
    advise_family,
)
from steering_strength.proofs_check.bridge.advisor._old_advice.demand import BeforePeak, Demand
from steering_strength.proofs_check.bridge.advisor._old_advice.ends import Namer, numbered
from steering_strength.proofs_check.bridge.advisor._old_advice.population import (
    PopulationAdvice,
    advise_families,
)
from steering_strength.theory.engine import TiltedFamily, TiltedPopulation
from steering_strength.theory.engine.validation import as_level
from steering_strength.theory.errors import ProbabilityError, ShapeError

__all__ = ["advise", "as_weights"]


def advise(
    source: TiltedFamily | TiltedPopulation | Sequence[TiltedFamily],
    tokens: ArrayLike | None = None,
    *,
    level: float | None = None,
    cross_entropy: float | None = None,
    reverse_kl: float | None = None,
    before_peak: BeforePeak = "no",
    sign: int = 1,
    weights: ArrayLike | None = None,
    quantile: float = 0.9,
    plateau: float = 0.01,
    name: Namer = numbered,
) -> ContextAdvice | PopulationAdvice:
    """Return the window of alpha that meets the demands, why it ends where it does, and its price.

    Parameters
    ----------
    source : TiltedFamily, TiltedPopulation, or a sequence of TiltedFamily
        One context, or several: with one M for all or one for each.
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
    plateau : float
        Total variation to the limit from which on more strength counts as changing nothing.
    name : function
        From a token's index to what it is called in the words of the answer.

    Returns
    -------
    ContextAdvice or PopulationAdvice
        Frozen; `theory.advice.advice_text` makes a report of either.

    Raises
    ------
    BudgetError
        Nothing is demanded, or a number is out of range.
    ShapeError
        No context, contexts of different vocabularies, or unusable target tokens.
    ProbabilityError
        The weights are no probabilities.
    """
    if isinstance(source, TiltedFamily):
        families, size = [source], source.size
    elif isinstance(source, TiltedPopulation):
        families, size = [source.family(j) for j in range(source.shape[0])], source.shape[1]
        weights = source.weights if weights is None else weights
    else:
        families = list(source)
        if not families or not all(isinstance(family, TiltedFamily) for family in families):
            raise ShapeError(
                f"{len(families)} contexts of type {type(source).__name__}",
                remedy="give a TiltedFamily, several in a list, or a TiltedPopulation",
            )
        size = families[0].size
        for j, family in enumerate(families):
            if family.size != size:
                raise ShapeError(
                    f"context {j} has V = {family.size}, context 0 has V = {size}",
                    remedy="use one vocabulary",
                )
    demand = Demand.of(
        size,
        tokens,
        level=level,
        cross_entropy=cross_entropy,
        reverse_kl=reverse_kl,
        before_peak=before_peak,
        sign=sign,
        plateau=plateau,
    )
    share = as_level(quantile, "quantile") if quantile != 1.0 else 1.0
    if isinstance(source, TiltedFamily):
        return advise_family(source, demand, name)
    return advise_families(families, as_weights(weights, len(families)), demand, share, name)


def as_weights(weights: ArrayLike | None, count: int) -> NDArray[np.float64]:
    """Return probabilities of `count` contexts, uniform by default.

    Raises
    ------
    ShapeError, ProbabilityError
        Another number of them, or they are not positive with sum 1.
    """
    if weights is None:
        return np.full(count, 1.0 / count)
    vector = np.asarray(weights, dtype=np.float64)
    if vector.shape != (count,):
        raise ShapeError(
            f"weights has shape {vector.shape}", remedy=f"give one per context, ({count},)"
        )
    # Weights are typed or read from text: six digits are what one can ask for.
    if not ((vector > 0.0).all() and abs(float(vector.sum()) - 1.0) <= 1e-6):
        raise ProbabilityError(
            f"weights sum to {vector.sum():.6g} and their smallest is {vector.min():.6g}",
            remedy="give positive weights that sum to 1",
        )
    scaled: NDArray[np.float64] = vector / vector.sum()
    return scaled
