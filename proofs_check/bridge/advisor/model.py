"""Which alpha on a real model: where it is steered decides what has to be run.

At the output of the final norm the contexts pass through the model once and every alpha is known
(`final-norm`); at the last block likewise (`last-block`); at any other block one derivative and a
few measurements per context follow (`local`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax

from steering_strength.proofs_check.bridge._old.anatomy import Anatomy
from steering_strength.proofs_check.bridge._old.encoding import TokenBatch
from steering_strength.proofs_check.bridge._old.models import LoadedModel
from steering_strength.proofs_check.bridge._old.norms import FinalNorm, identify_norm
from steering_strength.proofs_check.bridge._old.upper import Cost, Upper, read_out
from steering_strength.proofs_check.bridge.advisor._old_advice.api import as_weights
from steering_strength.proofs_check.bridge.advisor._old_advice.context import ContextAdvice
from steering_strength.proofs_check.bridge.advisor._old_advice.demand import Demand
from steering_strength.proofs_check.bridge.advisor._old_advice.ends import Namer, numbered
from steering_strength.proofs_check.bridge.advisor._old_advice.plateau import Plateau, likeliest
from steering_strength.proofs_check.bridge.advisor._old_advice.population import (
    PopulationAdvice,
    advise_families,
    gathered,
)
from steering_strength.proofs_check.bridge.advisor._old_advice.scan import advise_curve
from steering_strength.proofs_check.bridge.advisor.block import advise_block
from steering_strength.proofs_check.bridge.advisor.rows import HeldContexts
from steering_strength.proofs_check.bridge.errors import ModelError
from steering_strength.proofs_check.bridge.measure.last_block import LastBlock, last_block
from steering_strength.proofs_check.bridge.measure.plateau import final_residual
from steering_strength.proofs_check.bridge.progress import Progress, silent
from steering_strength.proofs_check.bridge.sites import FINAL_NORM, Apply
from steering_strength.proofs_check.bridge.steering.making import read_states
from steering_strength.proofs_check.bridge.steering.vectors import SteeringVector
from steering_strength.theory import TiltedFamily

__all__ = ["ModelAdvice", "Spent", "advise_model", "direction", "last_block_grid"]

Floats = NDArray[np.float64]
Curve = Callable[[Floats], Floats]

_TEXTS = 16


class Spent(Cost):
    """Forward passes as a user pays for them: one text through the whole model is one.

    Attributes
    ----------
    passes : float
        Texts times the share of the blocks that they went through.
    texts : int
        Texts, whatever share of the blocks.
    """

    def __init__(self) -> None:
        super().__init__()
        self.passes = 0.0
        self.texts = 0

    def add(self, rows: int, length: int, share: float) -> None:
        """`rows` texts of `length` tokens through that share of the blocks."""
        super().add(rows, length, share)
        self.passes += rows * share
        self.texts += rows


@dataclass(frozen=True, eq=False)
class ModelAdvice:
    """An advice for a model, and what it took.

    Parameters
    ----------
    advice : PopulationAdvice
    vector : SteeringVector
        With the states' median length, measured on the contexts where the file did not know it.
    curves : tuple
        Of each context: signed alphas (A,) to log-probabilities (A, V). Closed forms, or forward
        passes at a block in the middle.
    families : tuple of TiltedFamily
        At the final norm, else empty.
    passes : float
        Forward passes of whole texts, for the contexts only; P and N are not counted.
    texts : int
    seconds : float
    """

    advice: PopulationAdvice
    vector: SteeringVector
    curves: tuple[Curve, ...]
    families: tuple[TiltedFamily, ...]
    passes: float
    texts: int
    seconds: float


def advise_model(
    loaded: LoadedModel,
    anatomy: Anatomy,
    vector: SteeringVector,
    batch: TokenBatch,
    demand: Demand,
    *,
    quantile: float = 0.9,
    limits: bool = True,
    name: Namer = numbered,
    seed: int = 0,
    progress: Progress = silent,
) -> ModelAdvice:
    """Advise on every context of `batch` and on all of them.

    Parameters
    ----------
    loaded, anatomy : LoadedModel, Anatomy
    vector : SteeringVector
    batch : TokenBatch
        The contexts.
    demand : Demand
        For the model's vocabulary.
    quantile : float
    limits : bool
        At a block in the middle, also how far the plateau is: two passes more per context.
    name : function
    seed : int
        Of the norm's identification.
    progress : function

    Raises
    ------
    ModelError, ShapeError
        The model has no such block.
    """
    start, cost = time.perf_counter(), Spent()
    layer = vector.site.layer
    last = layer is not None and layer == len(anatomy.blocks) - 1
    norm = None
    if layer is not None:
        try:
            norm = identify_norm(anatomy, seed=seed)
        except ModelError:
            # No closed form behind an unknown norm; measuring works with any.
            last = False
    vector.site.module(anatomy)  # refuses a block that the model does not have
    found: list[ContextAdvice] = []
    curves: list[Curve] = []
    families: list[TiltedFamily] = []
    lengths: list[float] = []
    v = torch.as_tensor(vector.values).to(anatomy.unembedding.weight.dtype)
    if layer is None:
        states = read_states(loaded.model, anatomy, batch, (FINAL_NORM,))[0].last
        _count(cost, batch)
        log_p = log_softmax(read_out(anatomy, states).numpy(), axis=1)
        odds = direction(anatomy, v)
        families = [TiltedFamily(row, odds) for row in log_p]
        curves = [family.log_probability for family in families]
        lengths = states.norm(dim=-1).tolist()
        advice = advise_families(families, as_weights(None, len(families)), demand, quantile, name)
    else:
        limit = None
        if norm is not None:
            limit = last_block(anatomy, norm, np.zeros(anatomy.width), vector.values).plateau(
                demand.sign
            )
        if last and norm is not None:
            states = read_states(loaded.model, anatomy, batch, (vector.site,))[0].last
            _count(cost, batch)
            lengths = states.norm(dim=-1).tolist()
            for h in states.to(torch.float64).numpy():
                form = last_block(anatomy, norm, h, vector.values)
                found.append(_closed(form, demand, name))
                curves.append(form.log_probability)
                progress(f"context {len(found)} of {batch.rows}: closed form")
        else:
            apply: Apply = "last" if vector.metadata.apply == "last" else "all"
            length, verified = vector.metadata.norm, None
            for piece in batch.chunks(_TEXTS):
                held = HeldContexts(loaded, anatomy, piece, vector.site, v, apply, cost, verified)
                verified = held.verified
                lengths.extend(held.lengths)
                far: list[Plateau | None] = [None] * held.count
                if limit is not None and norm is not None and limits:
                    far = [
                        _plateau(anatomy, norm, held.single(j), v, limit, demand, vector)
                        for j in range(held.count)
                    ]
                found.extend(advise_block(held, length, demand, far, name=name))
                curves.extend(held.curve(j) for j in range(held.count))
                progress(
                    f"{len(found)} of {batch.rows} contexts measured: {cost.passes:.1f} passes"
                )
        advice = gathered(found, as_weights(None, len(found)), demand, quantile)
    seconds = time.perf_counter() - start
    return ModelAdvice(
        advice,
        _with_length(vector, lengths),
        tuple(curves),
        tuple(families),
        cost.passes,
        cost.texts,
        seconds,
    )


def last_block_grid(form: LastBlock, sd: float, sign: int) -> Floats:
    """Strengths that resolve a steered last block: near 0 by sd, far out by the angle of the state.

    The normed state moves on a great circle from h to v, and every logit is a sinusoid of the
    angle; with B and C from the norm's Q, tan(angle) is alpha up to a shift and a scale.
    """
    shift = sign * form.B / form.A
    scale = math.sqrt(max(form.C / form.A - (form.B / form.A) ** 2, 1e-300))
    angles = np.linspace(math.atan(shift / scale), 0.5 * math.pi, 34)[1:-1]
    circle = scale * np.tan(angles) - shift
    near = np.geomspace(0.02, 12.0, 40) / max(sd, 1e-300)
    far = max(float(circle[-1]), float(near[-1]))
    strengths = np.concatenate((near, circle[circle > near[0]], far * np.array([4.0, 32.0])))
    return np.concatenate(([0.0], np.unique(strengths)))


def _closed(form: LastBlock, demand: Demand, name: Namer) -> ContextAdvice:
    """The last block: d logits / d alpha at 0 is (b C - a B) / C^(3/2)."""
    slope = (form.b * form.C - form.a * form.B) / form.C**1.5
    p = np.exp(form.log_probability(np.zeros(1))[0])
    sd = float(np.sqrt(p @ (slope - p @ slope) ** 2))
    grid = last_block_grid(form, sd, demand.sign)
    limit = form.plateau(demand.sign)
    return advise_curve(form.log_probability, grid, demand, limit, slope, name)


def _plateau(
    anatomy: Anatomy,
    norm: FinalNorm,
    upper: Upper,
    v: torch.Tensor,
    limit: Floats,
    demand: Demand,
    vector: SteeringVector,
) -> Plateau:
    """Where LN(h + R_inf + alpha v) comes within the tolerance of its limit (`norm-limit`)."""
    apply: Apply = "last" if vector.metadata.apply == "last" else "all"
    remainder = final_residual(anatomy, upper, v, demand.sign, apply)
    form = last_block(anatomy, norm, remainder, vector.values)
    p = np.exp(limit)

    def near(strength: float) -> bool:
        q = np.exp(form.log_probability(np.array([demand.sign * strength]))[0])
        return bool(0.5 * np.abs(q - p).sum() <= demand.plateau)

    high = 1.0
    while not near(high) and high < 1e12:
        high *= 4.0
    low = high
    while near(low) and low > 1e-12:
        low /= 4.0
    for _ in range(20):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if near(middle) else (middle, high)
    concept = math.nan if demand.target is None else float(p[demand.target].sum())
    return Plateau(demand.sign * high, demand.plateau, likeliest(limit), limit.size, concept, 0.0)


def direction(anatomy: Anatomy, v: torch.Tensor) -> Floats:
    """W v without the unembedding's bias: M at the final norm, up to a constant (Lemma B.2)."""
    out = read_out(anatomy, torch.stack([v, torch.zeros_like(v)])).numpy()
    return np.asarray(out[0] - out[1])


def _count(cost: Spent, batch: TokenBatch) -> None:
    for piece in batch.chunks(_TEXTS):
        cost.add(piece.rows, piece.ids.shape[1], 1.0)


def _with_length(vector: SteeringVector, lengths: Sequence[float]) -> SteeringVector:
    if math.isfinite(vector.metadata.residual_norm):
        return vector
    metadata = replace(vector.metadata, residual_norm=float(np.median(lengths)))
    return replace(vector, metadata=metadata)
