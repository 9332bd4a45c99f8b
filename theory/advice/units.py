"""One strength in many units: nats, shares of the residual stream, other libraries' knobs.

The number alpha means nothing without the length of v; that is why a value that works in one
library breaks a model in another. Two units travel: alpha sd(M), the spread that steering adds to
the log-probabilities, in nats, and alpha |v| / median |h|, how long the push is next to the state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from theory.errors import BudgetError

__all__ = ["Equivalent", "equivalents"]


@dataclass(frozen=True)
class Equivalent:
    """The coefficient that another tool needs for the same push, and what that assumes.

    `coefficient` is nan where the tool's unit needs a number that was not given; `assumes` says
    which.
    """

    convention: str
    coefficient: float
    assumes: str


def equivalents(
    alpha: float,
    norm: float,
    residual_norm: float = math.nan,
    max_activation: float = math.nan,
) -> tuple[Equivalent, ...]:
    """Return alpha v in the conventions of other libraries.

    Parameters
    ----------
    alpha : float
        In multiples of v.
    norm : float
        |v|, positive.
    residual_norm : float
        Median |h| at the site, if known.
    max_activation : float
        The largest activation of the concept along v / |v| on a reference corpus, if known.

    Raises
    ------
    BudgetError
        |v| is not a positive finite number.
    """
    if not 0.0 < norm < math.inf:
        raise BudgetError(f"the length of v is {norm!r}", remedy="give a positive finite |v|")
    push = alpha * norm
    return (
        Equivalent(
            "steering-vectors: multiplier",
            alpha,
            "the same v, not normalised, added to the output of the same block at all positions",
        ),
        Equivalent(
            "repeng, llama.cpp: coefficient",
            push,
            "the file holds v / |v| (the default directions have length 1) for the same block"
            f" output; if it holds v itself, the coefficient is {alpha:.4g}",
        ),
        Equivalent(
            "steering-lite: coeff",
            push,
            "an additive method, which scales v to length 1 before it multiplies",
        ),
        Equivalent(
            "concept-guidance: guidance scale",
            push,
            "v / |v| added to the block output; that library reads its vectors behind the input"
            " norm of a block, so one of its own vectors is another vector",
        ),
        Equivalent(
            "AxBench: steering factor",
            push / max_activation,
            "v / |v| and the concept's largest activation"
            + (" (not given)" if math.isnan(max_activation) else f" {max_activation:.4g}"),
        ),
        Equivalent(
            "AISteer360: multiple of the residual norm",
            push / residual_norm,
            "v / |v| and the median length of the states at this site"
            + (" (not known)" if math.isnan(residual_norm) else f", {residual_norm:.4g}"),
        ),
    )
