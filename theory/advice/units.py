"""One strength in many units: nats, shares of the residual stream, other libraries' knobs.

The number alpha means nothing without the length of v; that is why a value that works in one
library breaks a model in another. Two units travel: alpha sd(M), the spread that steering adds to
the log-probabilities, in nats, and alpha |v| / median |h|, how long the push is next to the state.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from steering_strength.theory.engine.validation import as_number
from steering_strength.theory.errors import BudgetError, shown

__all__ = ["Equivalent", "equivalents"]


class Equivalent(NamedTuple):
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
    if not 0.0 < as_number(norm) < math.inf:
        raise BudgetError(f"the length of v is {shown(norm)}", remedy="give a positive finite |v|")
    # A length of 0 is as good as none.
    residual_norm = as_number(residual_norm) or math.nan
    max_activation = as_number(max_activation) or math.nan
    alpha = as_number(alpha)
    push = alpha * as_number(norm)
    largest = "not given" if math.isnan(max_activation) else f"{max_activation:.4g}"
    median = "not known" if math.isnan(residual_norm) else f"{residual_norm:.4g}"
    return (
        Equivalent("steering-vectors: multiplier", alpha, "v as it is, same block output"),
        Equivalent(
            "repeng, llama.cpp: coefficient",
            push,
            f"v / |v| in the file; if it holds v, {alpha:.4g}",
        ),
        Equivalent("steering-lite: coeff", push, "an additive method: it scales v to length 1"),
        Equivalent(
            "concept-guidance: guidance scale",
            push,
            "v / |v| at the block output; its own vectors belong behind the input norm",
        ),
        Equivalent(
            "AxBench: steering factor",
            push / max_activation,
            f"v / |v| and the concept's largest activation ({largest})",
        ),
        Equivalent(
            "AISteer360: multiple of the norm",
            push / residual_norm,
            f"v / |v| and the median length of the states ({median})",
        ),
    )
