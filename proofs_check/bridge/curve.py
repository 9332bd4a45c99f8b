"""Steered curves of a model: what `theory.advice` asks, answered where the model is steered.

At the output of the final norm each context is a `TiltedFamily`, exact. At the last block its
logits are known in closed form (`last-block`), a `ScannedCurve`. At any other block nothing is
linear: one central difference at alpha = 0 (`derivatives`) seeds every search of a `MeasuredCurve`,
and contexts share its forward passes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from steering_strength.proofs_check.bridge.loading import ModelError
from steering_strength.proofs_check.bridge.steer import Held
from steering_strength.proofs_check.bridge.structure import precision
from steering_strength.proofs_check.bridge.texts import TokenBatch
from steering_strength.proofs_check.bridge.vectors import FINAL_NORM, SteeringVector
from steering_strength.theory import TiltedFamily
from steering_strength.theory.advice import ScannedCurve
from steering_strength.theory.advice.curve import Method
from steering_strength.theory.advice.searched import Search, SearchedCurve, Side, question
from steering_strength.theory.engine import LastBlock
from steering_strength.theory.engine.inverse import Root
from steering_strength.theory.engine.validation import as_budget, as_sign

if TYPE_CHECKING:
    from steering_strength.proofs_check.bridge.model import SteeredModel

Floats = NDArray[np.float64]

# A step of this share of the states' median length: truncation and float32 rounding both stay below
# 1e-3 of the variance there, measured at every depth. In 16 bits it would be rounded away.
_STEP, _WIDE_STEP, _STEPS = 3e-3, 5e-2, 3
# A decoder aims at this share of its budget, and is content above the other.
_AIM, _CONTENT, _TRIES = 0.97, 0.8, 4
_STRETCH = 4.0
# Where a scan begins and ends, in lengths of a state: far beyond both, nothing changes any more.
_NEAR, _FAR, _SCAN = 0.02, 256.0, 15


def derivatives(held: Held, vector: Any) -> list[TiltedFamily]:
    """The tilted family that agrees to first order with each context, M_loc = d logits / d alpha.

    By central differences of the last logits, both steps of all contexts in one pass. The step is a
    share of the states' length. Where that turns out to move the logits too far (the relative
    truncation is a third of the step squared, in units of sd(M)) or, in 16 bits, too little to be
    seen above rounding, another pass takes a step that balances the two.
    """
    model, everyone = held.model, list(range(held.count)) * 2
    coarse = precision(model.dtype) > 1e-5
    steps = (_WIDE_STEP if coarse else _STEP) * held.lengths / vector.norm
    p = held.log_p.exp()
    aim = max((3.0 * model.floor) ** 0.25, 0.01) if coarse else 0.01
    for _ in range(1 + _STEPS):
        normed = held.last_normed(everyone, np.concatenate((-steps, steps)), vector)
        low, high = model.logits(normed).chunk(2)
        slope = (high - low) / (2 * torch.as_tensor(steps).to(high)[:, None])
        centred = slope - (p * slope).sum(dim=-1, keepdim=True)
        moved = steps * (p * centred**2).sum(dim=-1).sqrt().cpu().numpy()
        far = moved > max(2.0 * aim, 0.1)
        if not (far | (coarse & (moved < 0.5 * aim) & (moved > 0.0))).any():
            break
        steps = steps * np.clip(aim / np.maximum(moved, 1e-300), 1e-3, _STRETCH)
    rows = zip(held.log_p.cpu().numpy(), slope.cpu().numpy(), strict=True)
    return [TiltedFamily(log_p, odds) for log_p, odds in rows]


def last_block(model: SteeredModel, h: ArrayLike, vector: SteeringVector) -> LastBlock:
    """The closed form at the last block for one residual h, (d,), of the last position.

    Raises ModelError: the final norm is neither an RMSNorm nor a LayerNorm.
    """
    steering = model.norm.steering(np.asarray(h), vector.values)
    return steering.last_block(
        read_out=lambda states: model.logits(torch.as_tensor(states)).cpu().numpy()
    )


def plateau(model: SteeredModel, vector: SteeringVector) -> Floats:
    """Log-probabilities at alpha -> -inf and +inf, (2, V): LN(-+v) W^T, whatever the prompt."""
    form = last_block(model, np.zeros(model.width), vector)
    return np.stack([form.limit(sign) for sign in (-1, 1)])


def closed_forms(held: Held, vector: Any) -> list[LastBlock]:
    """Of every context at the last block; none elsewhere, or where the final norm is unknown."""
    model = held.model
    last = held.site.layer == len(model.blocks) - 1 and len(vector.parts) == 1
    if last and model.structure.not_affine is None:
        with suppress(ModelError):
            states = held.batch.at_last(held.residual).cpu().double().numpy()
            return [last_block(model, h, vector) for h in states]
    return []


def curves(model: SteeredModel, vector: Any, batch: TokenBatch) -> list[Any]:
    """The `SteeredCurve` of every context, where the vector (or the vectors) belong.

    Raises AssumptionError: at the final norm of a model whose logits are not affine there.
    """
    if len(vector.parts) == 1 and vector.site == FINAL_NORM:
        model.require_affine()
        odds = model.direction(vector.values)
        return [TiltedFamily(row, odds) for row in model.log_probability(batch)]
    held = model.hold(batch, vector.site, vector.apply)
    forms = closed_forms(held, vector)
    return [ScannedCurve.last_block(form) for form in forms] or list(measured(held, vector))


def measured(held: Held, vector: Any) -> list[MeasuredCurve]:
    """Curves that measure at any site: along one vector, or along several in order of depth."""
    found = enumerate(derivatives(held, vector))
    return [MeasuredCurve(held, vector, context, local) for context, local in found]


class MeasuredCurve(SearchedCurve):
    """One context held at a block: every distribution is a forward pass above it, remembered.

    Contexts that are held together share passes.
    """

    method: Method = "measured"
    width, turn = 0.02, 0.1

    def __init__(self, held: Held, vector: Any, context: int, local: TiltedFamily) -> None:
        super().__init__(local)
        self.held, self._vector, self._context = held, vector, context
        # One state's length, in alphas.
        self._scale = float(held.lengths[context]) / vector.norm
        # KL is half the variance of a change of log-probabilities.
        self.noise = 3.0 * math.sqrt(2.0 * held.model.floor)
        self._rows = {0.0: held.log_p[context]}
        self._divergences: dict[float, tuple[float, float]] = {0.0: (0.0, 0.0)}
        self._limits: dict[int, Floats] = {}

    @property
    def _group(self) -> int:
        """Curves held together are measured together."""
        return id(self.held)

    @property
    def measured(self) -> int:
        """How many distributions were measured."""
        return len(self._divergences) - 1

    def _scan(self, sign: int, start: float) -> list[float]:
        """A few strengths, geometric, in lengths of a state."""
        near = max(_NEAR * self._scale, 1.1 * start)
        return np.geomspace(near, max(_FAR * self._scale, _STRETCH * near), _SCAN).tolist()

    def limit(self, sign: int) -> Floats:
        """Log-probabilities as alpha -> sign * inf, (V,): the norm's plateau (Prop. 4.1)."""
        side, model = as_sign(sign), self.held.model
        if side in self._limits:
            return self._limits[side]
        if len(self._vector.parts) == 1 and model.structure.not_affine is None:
            with suppress(ModelError):
                self._limits[side] = plateau(model, self._vector)[(side + 1) // 2]
        if side not in self._limits:
            far = self._measure([(self, side * 64.0 * _FAR * self._scale)])
            self._limits[side] = far[0].cpu().numpy()
        return self._limits[side]

    @staticmethod
    def _measure(places: Sequence[tuple[MeasuredCurve, float]]) -> torch.Tensor:
        """Distributions, (n, V), of curves that are held together, where the model is."""
        contexts, alphas = [c._context for c, _ in places], np.array([a for _, a in places])
        held = places[0][0].held
        normed = held.last_normed(contexts, alphas, places[0][0]._vector)
        return torch.log_softmax(held.model.logits(normed), dim=-1)

    @classmethod
    def _look(cls, places: Sequence[tuple[MeasuredCurve, float]]) -> None:
        rows = cls._measure(places)
        base = places[0][0].held.log_p[[curve._context for curve, _ in places]]
        change = rows - base
        both = torch.stack((-(base.exp() * change).sum(-1), (rows.exp() * change).sum(-1)), dim=-1)
        found = zip(places, rows, both.clamp_min(0.0).tolist(), strict=True)
        for (curve, alpha), row, (forward, reverse) in found:
            curve._rows[alpha], curve._divergences[alpha] = row, (forward, reverse)
        super()._look(places)

    def _row(self, alpha: float) -> Floats:
        return np.asarray(self._rows[alpha].cpu().numpy())

    def _spent(self, alpha: float) -> tuple[float, float]:
        return self._divergences[alpha]

    @question
    def spending(self, budget: float, sign: int, largest: float) -> Search:
        """A strength that keeps `budget` and spends most of it, from few distributions; or 0.

        By secants of sqrt(KL) / |alpha|, which changes slowly, through the origin.
        """
        goal, best = as_budget(budget, "budget"), 0.0
        side = Side(self, sign, lambda alpha: self._divergences[alpha][0])
        alpha = min(abs(self.local.cross_entropy_root(goal, sign).alpha), largest)
        for _ in range(_TRIES):
            if not math.isfinite(alpha):
                break
            yield side.at([alpha])
            spent = side.y(alpha)
            if spent <= goal:
                best = max(best, alpha)
            if _CONTENT * goal <= spent <= goal or best == largest:
                break
            factor = math.sqrt(_AIM * goal / max(spent, 1e-300))
            alpha = min(alpha * float(np.clip(factor, 0.1, 2.0)), largest)
        return Root.of(side.sign * best)
