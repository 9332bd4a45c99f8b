"""Which alpha on a model, and what it looks like: what this adds to `theory.advise`.

The questions that advice will ask are answered for all contexts together first, so that they share
forward passes. Then: texts at 0, half, once and twice the advised strength; layers ranked by what a
nat buys at the origin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from steering_strength.proofs_check.bridge.curve import MeasuredCurve, curves, solve_together
from steering_strength.proofs_check.bridge.local import derivatives
from steering_strength.proofs_check.bridge.steer import Held
from steering_strength.proofs_check.bridge.structure import precision
from steering_strength.proofs_check.bridge.texts import TokenBatch
from steering_strength.proofs_check.bridge.vectors import FINAL_NORM, Apply, SteeringVector
from steering_strength.theory.advice import PopulationAdvice, advise

if TYPE_CHECKING:
    from steering_strength.proofs_check.bridge.model import SteeredModel

__all__ = ["FACTORS", "LayerRank", "advise_model", "rank_layers", "samples"]

FACTORS = (0.0, 0.5, 1.0, 2.0)


def advise_model(
    model: SteeredModel,
    vector: SteeringVector,
    batch: TokenBatch,
    tokens: ArrayLike | None = None,
    *,
    cross_entropy: float | None = None,
    reverse_kl: float | None = None,
    **demands: Any,
) -> PopulationAdvice:
    """`theory.advise` on the model's curves, and a word about its precision."""
    if vector.site == FINAL_NORM and demands.get("plateau") is None:
        demands["plateau"] = 0.01  # a closed form: it costs nothing
    demands.setdefault("plateau", None)
    found = advise(
        curves(model, vector, batch),
        tokens,
        cross_entropy=cross_entropy,
        reverse_kl=reverse_kl,
        name=model.token_text,
        **demands,
    )
    least = min((b for b in (cross_entropy, reverse_kl) if b), default=math.inf)
    if precision(model.dtype) < 1e-5 or least >= model.smallest_budget:
        return found
    words = (
        f"rounding alone makes {model.floor:.2g} nats in this precision: a budget of {least:g} is"
        f" met within about {100 * math.sqrt(model.floor / least):.0f} %"
    )
    warned = [replace(one, cautions=(words, *one.cautions)) for one in found.contexts]
    return replace(found, contexts=tuple(warned))


def samples(
    model: SteeredModel,
    vector: SteeringVector,
    context: Any,
    alphas: Sequence[float],
    length: int,
    *,
    temperature: float = 0.0,
    seed: int = 0,
) -> tuple[str, ...]:
    """Continue one context by `length` tokens under each of `alphas`, in one batch.

    Raises
    ------
    SelfCheckError
        The steering hook did not fire in some decoding step.
    """
    with model.steered(vector, list(alphas), positions=None) as steering:
        rows = model.continued(
            context, len(alphas), length, temperature=temperature, seed=seed, steering=steering
        )
    end = model.tokenizer.eos_token_id
    texts = []
    for new in rows[:, -length:].tolist():
        cut = new.index(end) if end in new else len(new)
        texts.append(str(model.tokenizer.decode(new[:cut])))
    return tuple(texts)


@dataclass(frozen=True)
class LayerRank:
    """One layer, averaged over the contexts.

    Parameters
    ----------
    site : str
    gain : float
        dF_T / dalpha over sd(M_loc): F_T bought per unit of alpha sd, or per sqrt(2 nat).
    slope : float
        dF_T / dalpha at 0, per unit alpha.
    sd : float
        sd(M_loc), nats per unit alpha.
    predicted : float
        The gain in F_T that the budget would buy if the origin were all, g sqrt(2 b / Var).
    measured : float
        What it buys, measured at the alpha of the budget; nan unless asked for.
    """

    site: str
    gain: float
    slope: float
    sd: float
    predicted: float
    measured: float


def rank_layers(
    model: SteeredModel,
    vectors: Sequence[SteeringVector],
    contexts: Any,
    tokens: ArrayLike,
    budget: float,
    *,
    sign: int = 1,
    measure: bool = False,
) -> tuple[LayerRank, ...]:
    """Effect bought per nat of Delta CE at the origin, from derivatives alone; best layer first.

    Near 0, F_T gains g alpha and Delta CE costs alpha^2 Var / 2, g = Cov(1_T, M_loc). So a small
    budget b buys g sqrt(2 b / Var): layers are ranked by g / sd(M_loc), a number without the unit
    of v. It is a statement about the origin; what a finite budget buys is measured on request.

    Parameters
    ----------
    vectors : sequence of SteeringVector
        One per layer.
    tokens : array_like
        T: indices or a mask.
    budget : float
        Nats of Delta CE that `predicted` and `measured` spend.
    """
    batch, found = model.encode(contexts), []
    target: NDArray[np.bool_] = np.zeros(model.vocabulary, dtype=bool)
    target[np.asarray(tokens)] = True
    for vector in vectors:
        bought = [math.nan] * batch.rows
        if measure:
            steered = curves(model, vector, batch)
            ready = [curve for curve in steered if isinstance(curve, MeasuredCurve)]
            solve_together([(curve, "cross_entropy_root", (budget, sign)) for curve in ready])
            bought = [_bought(curve, target, budget, sign) for curve in steered]
            locals_ = [(curve.log_p, curve.log_odds) for curve in steered]
        else:
            apply: Apply = "last" if vector.apply == "last" else "all"
            held = Held(model, batch, vector.site, apply=apply)
            locals_ = [(one.log_p, one.slope) for one in derivatives(held, vector)]
        rows = []
        for (log_p, odds), gain in zip(locals_, bought, strict=True):
            p = np.exp(log_p)
            centred = sign * (odds - p @ odds)
            slope, sd = float(p[target] @ centred[target]), math.sqrt(float(p @ centred**2))
            rows.append((slope / sd, slope, sd, slope / sd * math.sqrt(2 * budget), gain))
        found.append(LayerRank(vector.site.name, *(float(x) for x in np.mean(rows, axis=0))))
    return tuple(sorted(found, key=lambda rank: -rank.gain))


def _bought(curve: Any, target: NDArray[np.bool_], budget: float, sign: int) -> float:
    root = curve.cross_entropy_root(budget, sign)
    if not math.isfinite(root.alpha):
        return math.nan
    logits = curve.concept_log_odds(target, np.array([0.0, root.alpha]))
    before, after = torch.sigmoid(torch.as_tensor(np.asarray(logits))).tolist()
    return float(after - before)
