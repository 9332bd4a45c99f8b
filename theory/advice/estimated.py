"""How sure an advised alpha is, when the texts its vector was made of are known.

The advised alpha is exact for the vector of these texts. Other texts would give another vector and
another alpha; how much another, which text is to blame and how many more would help is what
`theory.engine.estimation` says, here for the end of the window that is advised.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steering_strength.theory.advice.window import Window, number
from steering_strength.theory.engine import TiltedFamily, TiltedPopulation
from steering_strength.theory.engine.estimation import Estimate, Goal, estimate
from steering_strength.theory.errors import BudgetError, ShapeError

if TYPE_CHECKING:
    from steering_strength.theory.advice.demand import Demand

Texts = tuple[ArrayLike, ArrayLike]

_GOALS: dict[str, Goal] = {
    "cross_entropy": "cross_entropy",
    "reverse_kl": "reverse_kl",
    "level": "level",
    "holds": "level",
    "peak": "peak",
}


def shared(
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
    for j, family in enumerate(families):
        if not np.array_equal(family.log_odds, families[0].log_odds):
            raise ShapeError(
                f"context {j} has another M than context 0",
                remedy="steer all by one vector",
            )
    return TiltedPopulation(np.stack([f.log_p for f in families]), families[0].log_odds, weights)


def of_window(
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
    goal = _GOALS.get(end.demand)
    if goal is None:
        return None
    tokens = demand.target if peak is None or goal != "peak" else np.array([peak])
    try:
        return estimate(source, end.alpha, goal, *texts, tokens=tokens)
    except (
        BudgetError
    ):  # F_T only touches the level there: the advice stands, its error has no name
        return None


def estimate_lines(found: Estimate | None) -> list[str]:
    """Two lines: the error and whose it is, then what to do about it."""
    if found is None:
        return []
    sizes = found.positive.size, found.negative.size
    low, high = found.interval()
    share, needed = 100.0 * found.positive_share, found.texts_for(0.5)
    moves = ", ".join(
        f"{number(move.influence)} from text {move.text} of {move.side}"
        for move in found.largest(2)
    )
    return [
        f"  alpha = {number(found.alpha)} has a standard error of {number(found.standard_error)}"
        f" over other {sizes[0]} + {sizes[1]} texts, {share:.3g} % of its square from P; with"
        f" unlimited texts {number(found.unlimited)}, 95 % from {number(low)} to {number(high)}",
        f"  {needed[0]} + {needed[1]} texts would halve that error; most of all alpha owes {moves}",
    ]
