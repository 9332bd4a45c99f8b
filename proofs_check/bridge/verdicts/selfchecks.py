"""Checks of the apparatus, made before anything is compared; each failure names its cause.

They are not laws: if one fails, the numbers that follow would not mean what they say.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge._old.anatomy import Anatomy
from steering_strength.proofs_check.bridge._old.encoding import TokenBatch
from steering_strength.proofs_check.bridge._old.observe import observe, steered_log_probability
from steering_strength.proofs_check.bridge.errors import SelfCheckError
from steering_strength.proofs_check.bridge.measure.final_norm import measure
from steering_strength.proofs_check.bridge.steering.setting import Setting
from steering_strength.proofs_check.bridge.steering.vectors import SteeringVector

__all__ = ["check_all", "check_site"]

# HF's RMSNorm works in float32 whatever the model's dtype, so another order of summation shows
# at 1e-7 relative, amplified by the depth. A padding that leaks into attention, or positions
# that shift, change log-probabilities by far more than this many nats.
_BATCH_TOLERANCE = 1e-3
_SIGN_STEP = 1e-2


def check_all(setting: Setting) -> tuple[str, ...]:
    """Run every self-check and return one line for each.

    Raises
    ------
    SelfCheckError
        Steering by 0 changes something, padding or batching matters, v is zero, or the sign of
        v does not raise the mean of M.
    """
    return (_identity(setting), _batch_invariance(setting), _sign(setting))


def check_site(
    model: Any,
    anatomy: Anatomy,
    vector: SteeringVector,
    batch: TokenBatch,
    words: NDArray[np.int64],
) -> tuple[str, ...]:
    """The same for a vector at its own site, by the model's own hooked passes.

    `batch` holds the contexts, padded; `words` are the concept's token ids. At a block the sign is
    no law: that a step along +v makes the words likelier is said or denied, not required.

    Raises
    ------
    SelfCheckError
        Steering by 0 changes something, steering changes nothing, or padding and batching matter
        under steering.
    """
    module = vector.site.module(anatomy)
    v = torch.as_tensor(vector.values).to(anatomy.unembedding.weight.dtype)
    # A tenth of the state's length: an effect anywhere, the linear range mostly.
    step = 0.1 * vector.metadata.residual_norm / vector.metadata.norm

    def steered(texts: TokenBatch, alpha: float) -> NDArray[np.float64]:
        return steered_log_probability(model, anatomy, texts, module, v, alpha)

    if not np.array_equal(steered(batch, 0.0), observe(model, anatomy, batch).log_p):
        raise SelfCheckError(
            f"steering {vector.site.name} with alpha = 0 changes the log-probabilities",
            remedy="the forward pass is not deterministic, or another hook is still attached",
        )
    up, down = steered(batch, step), steered(batch, -step)
    if np.array_equal(up, down):
        raise SelfCheckError(
            f"steering {vector.site.name} changes nothing at the last position",
            remedy="the model does not pass that block's output on: choose another site",
        )
    shortest = int(batch.last.argmin())
    error = float(np.abs(steered(batch.row(shortest), step)[0] - up[shortest]).max())
    if not error <= _BATCH_TOLERANCE:
        raise SelfCheckError(
            f"context {shortest} steered alone and in the padded batch differ by {error:.3g} nats,"
            f" at most {_BATCH_TOLERANCE:g} is rounding",
            remedy="the model ignores the attention mask or shifts positions by the padding",
        )
    rises = np.exp(up[:, words]).sum(axis=1) > np.exp(down[:, words]).sum(axis=1)
    return (
        f"{vector.site.name}: alpha = 0 is the identity, bit for bit; padding and batching change"
        f" no steered log-probability by more than {error:.1e} nats; along +v the words of the"
        f" concept get likelier in {int(rises.sum())} of {rises.size} contexts",
    )


def _identity(setting: Setting) -> str:
    if not np.array_equal(measure(setting, 0.0), setting.baseline.log_p):
        raise SelfCheckError(
            "steering with alpha = 0 changes the log-probabilities",
            remedy="the forward pass is not deterministic, or another hook is still attached",
        )
    return "alpha = 0 is the identity, bit for bit; the hook fires in every pass"


def _batch_invariance(setting: Setting) -> str:
    worst = 0.0
    # The most padded row and the one without padding stand for the others.
    last = setting.batch.last
    for index in sorted({int(last.argmin()), int(last.argmax())}):
        alone = observe(setting.model, setting.anatomy, setting.batch.row(index)).log_p[0]
        error = float(np.abs(alone - setting.baseline.log_p[index]).max())
        if not error <= _BATCH_TOLERANCE:
            raise SelfCheckError(
                f"context {index} alone and in the padded batch differ by {error:.3g} nats,"
                f" at most {_BATCH_TOLERANCE:g} is rounding",
                remedy="the model ignores the attention mask or shifts positions by the padding",
            )
        worst = max(worst, error)
    return f"padding and batching change no log-probability by more than {worst:.1e} nats"


def _sign(setting: Setting) -> str:
    if not float(setting.vector.abs().max()) > 0:
        raise SelfCheckError(
            "the steering vector is zero",
            remedy="P and N have the same mean state: use texts that differ",
        )
    step = _SIGN_STEP / max(float(np.std(setting.log_odds)), 1e-300)
    up, down = (np.exp(measure(setting, a)) @ setting.log_odds for a in (step, -step))
    wrong = np.flatnonzero(~(up > down))
    if wrong.size:
        raise SelfCheckError(
            f"a step along +v lowers the mean of M in context {wrong[0]}",
            remedy="the vector points from P to N: its sign is wrong",
        )
    return "a small step along +v raises the mean of M in every context (the sign is right)"
