"""Forward passes and what is read from them: last-position states and log-probabilities.

Everything returned is float64 NumPy; the softmax is taken in float64 whatever the model's dtype.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge._old.anatomy import Anatomy
from steering_strength.proofs_check.bridge._old.encoding import TokenBatch
from steering_strength.proofs_check.bridge._old.hooks import Captured, Steered
from steering_strength.proofs_check.bridge.errors import SelfCheckError

__all__ = ["Observation", "observe", "steered_log_probability"]

# Logits of all positions of one piece of a batch: 128 MiB of float64.
_LOGITS_PER_PIECE = 1 << 24


@dataclass(frozen=True)
class Observation:
    """What one unsteered pass over m texts shows at their last positions.

    Parameters
    ----------
    log_p : numpy.ndarray
        Shape (m, V), natural logarithms of the next-token probabilities.
    states : torch.Tensor
        Shape (m, d), outputs of the final norm in the model's dtype.
    """

    log_p: NDArray[np.float64]
    states: torch.Tensor


def observe(model: Any, anatomy: Anatomy, batch: TokenBatch) -> Observation:
    """Log-probabilities and normed states at the last real position of every text."""
    log_p, states = [], []
    for piece in _pieces(anatomy, batch):
        with Captured(anatomy.final_norm) as state:
            log_p.append(_last_log_probability(model, piece))
        states.append(state.value[torch.arange(piece.rows), piece.last])
    found = Observation(torch.cat(log_p).numpy(), torch.cat(states))
    if not np.isfinite(found.log_p).all():
        raise SelfCheckError(
            "the model returns a log-probability that is not finite",
            remedy="load the model in float32 or float64: --dtype float64",
        )
    return found


def steered_log_probability(
    model: Any,
    anatomy: Anatomy,
    batch: TokenBatch,
    module: torch.nn.Module,
    vector: torch.Tensor,
    alpha: float,
) -> NDArray[np.float64]:
    """Log-probabilities, (m, V), of the model's own forward pass with alpha * v added at `module`.

    The pieces of the batch are those of `observe`, so that an unsteered and a steered number
    differ by the steering and not by the order of summation in another matrix shape.
    """
    rows = []
    for piece in _pieces(anatomy, batch):
        with Steered(module, vector, alpha):
            rows.append(_last_log_probability(model, piece))
    return torch.cat(rows).numpy()


def _pieces(anatomy: Anatomy, batch: TokenBatch) -> Any:
    return batch.chunks(max(1, _LOGITS_PER_PIECE // (anatomy.vocabulary * batch.ids.shape[1])))


def _last_log_probability(model: Any, batch: TokenBatch) -> torch.Tensor:
    with torch.no_grad():
        logits = model(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False).logits
    last = logits[torch.arange(batch.rows), batch.last].to(torch.float64)
    return torch.log_softmax(last, dim=-1)
