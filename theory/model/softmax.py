"""Log-softmax, the only nonlinearity of the Unconstrained Features Model."""

from __future__ import annotations

import numpy as np

from steering_strength.theory.errors import AlphaError
from steering_strength.theory.model.inputs import FloatArray

__all__ = ["log_softmax", "loud"]

loud = np.errstate(over="ignore", invalid="ignore", under="ignore")
"""Decorates what forms logits by products: what overflows there is refused by `log_softmax`."""


@loud
def log_softmax(logits: FloatArray) -> FloatArray:
    """Normalise `logits` over the last axis in log space.

    The maximum is subtracted first: the sum of exponentials then lies in [1, V] and cannot
    overflow; terms that underflow are below 1e-308 of it.

    Raises
    ------
    AlphaError
        A logit is infinite or NaN: the steered state overflows float64.
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)
    if not np.isfinite(shifted).all():
        raise AlphaError(
            "the steered logits overflow float64", remedy="use a smaller |alpha|, or rescale v"
        )
    result: FloatArray = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result
