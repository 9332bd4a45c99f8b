"""Training an Unconstrained Features Model by gradient descent, written out in NumPy.

The loss is the cross-entropy sum_j pi_j sum_z p(z|c_j) (-log softmax(W h_j)_z) of
arXiv:2602.02712, Sec. 2.2. With the residuals R_{z,j} = pi_j (softmax(W h_j)_z - p(z|c_j)) its
gradients are R H^T in W and W^T R in H.
"""

from __future__ import annotations

import numpy as np

from steering_strength.theory.engine.validation import as_integer, as_positive, require_memory
from steering_strength.theory.errors import ConvergenceError, SteeringError
from steering_strength.theory.model.inputs import FloatArray
from steering_strength.theory.model.table import kl_rows, log_softmax


def train(
    log_p: FloatArray,
    context_weights: FloatArray,
    *,
    seed: int,
    dimension: int,
    max_steps: int,
    tolerance: float,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """W, H and the losses, (steps + 1,), in nats, by gradient descent to an excess of `tolerance`.

    It takes the full batch, with Nesterov momentum. The step adapts: after one that raises the loss
    it is halved and the momentum starts afresh from the better point; otherwise it grows by 2 %.
    Everything follows from `seed`.

    Raises ConvergenceError: `max_steps` were not enough; the message has the last loss and its
    excess; SteeringError: `tolerance` is not positive.
    """
    as_positive(tolerance, "tolerance", SteeringError, "give nats, for instance 1e-6")
    limit = as_integer("max_steps", max_steps, 1)
    dimension = as_integer("dimension", dimension, 1)
    rng = np.random.default_rng(as_integer("seed", seed, 0))
    contexts, tokens = log_p.shape
    require_memory("a model of that dimension", contexts + tokens, dimension)
    p = np.exp(log_p)
    entropy = float(context_weights @ -(p * np.where(p > 0, log_p, 0.0)).sum(axis=1))

    W = rng.normal(size=(tokens, dimension)) / np.sqrt(dimension)
    H = rng.normal(size=(dimension, contexts)) / np.sqrt(dimension)
    # The descent runs on (W, H) stacked, so that momentum and restart are written once.
    x = np.concatenate([W, H.T])
    y, age, step = x, 0, 1.0

    def evaluate(point: FloatArray) -> tuple[float, FloatArray]:
        w, h = point[:tokens], point[tokens:]
        log_q = log_softmax(h @ w.T)
        excess = float(context_weights @ kl_rows(log_p, log_q))
        residual = context_weights[:, None] * (np.exp(log_q) - p)
        # Dividing the gradient of h_j by pi_j is a rescaling of that context's own step.
        return excess, np.concatenate([residual.T @ h, residual @ w / context_weights[:, None]])

    excess, _ = evaluate(x)
    losses = [entropy + excess]
    for _ in range(limit):
        if excess <= tolerance:
            break
        _, gradient = evaluate(y)
        candidate = y - step * gradient
        new_excess, _ = evaluate(candidate)
        if new_excess <= excess:
            age += 1
            momentum = age / (age + 3.0)
            y = candidate + momentum * (candidate - x)
            x, excess, step = candidate, new_excess, step * 1.02
        else:
            y, age, step = x, 0, step * 0.5
        losses.append(entropy + excess)
    if not excess <= tolerance:
        raise ConvergenceError(
            f"after {limit} steps the loss is {losses[-1]:.8g} nats, {excess:.3g} above the "
            f"entropy {entropy:.8g} (allowed: {tolerance:g})",
            remedy="raise max_steps or dimension; nearly deterministic rows train slowly",
        )
    return x[:tokens], np.ascontiguousarray(x[tokens:].T), np.array(losses)
