"""Log-softmax, the only nonlinearity of the Unconstrained Features Model."""

from __future__ import annotations

import numpy as np

from steering_strength.theory.model.inputs import FloatArray

__all__ = ["log_softmax"]


def log_softmax(logits: FloatArray) -> FloatArray:
    """Normalise `logits` over the last axis in log space.

    The maximum is subtracted first: the sum of exponentials then lies in [1, V] and cannot
    overflow; terms that underflow are below 1e-308 of it.
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)
    result: FloatArray = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result
