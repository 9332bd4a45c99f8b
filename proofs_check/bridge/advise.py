"""Which alpha on a model, and what it looks like: what this adds to `theory.advise`.

The questions that advice will ask are answered for all contexts together first, so that they share
forward passes. Then: texts at 0, half, once and twice the advised strength; layers ranked by what a
nat buys at the origin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from steering_strength.proofs_check.bridge.curve import MeasuredCurve, curves, measured_curves
from steering_strength.proofs_check.bridge.generated import repeated, token_costs
from steering_strength.proofs_check.bridge.loading import SelfCheckError
from steering_strength.proofs_check.bridge.structure import precision
from steering_strength.proofs_check.bridge.texts import TokenBatch
from steering_strength.proofs_check.bridge.vectors import FINAL_NORM, SteeringVector
from steering_strength.theory.advice import PopulationAdvice, advise

if TYPE_CHECKING:
    from steering_strength.proofs_check.bridge.model import SteeredModel

FACTORS = (0.0, 0.5, 1.0, 2.0)


def advise_model(
    model: SteeredModel,
    vector: Any,
    batch: TokenBatch,
    tokens: ArrayLike | None = None,
    *,
    cross_entropy: float | None = None,
    reverse_kl: float | None = None,
    **demands: Any,
) -> PopulationAdvice:
    """`theory.advise` on the model's curves, and a word about its precision."""
    if getattr(vector, "site", None) == FINAL_NORM and demands.get("plateau") is None:
        demands["plateau"] = 0.01  # a closed form: it costs nothing
    demands.setdefault("plateau", None)
    found = advise(
        curves(model, vector, batch), tokens, cross_entropy=cross_entropy, reverse_kl=reverse_kl,
        name=model.token_text, **demands,
    )  # fmt: skip
    least = min((b for b in (cross_entropy, reverse_kl) if b), default=math.inf)
    if precision(model.dtype) < 1e-5 or least >= model.smallest_budget:
        return found
    words = (
        f"rounding alone makes {model.floor:.2g} nats in this precision: a budget of {least:g} is"
        f" met within about {100 * math.sqrt(model.floor / least):.0f} %"
    )
    warned = [replace(one, cautions=(words, *one.cautions)) for one in found.contexts]
    return replace(found, contexts=tuple(warned))


class Sample(NamedTuple):
    """A continuation, and whether it is still fluent.

    `cost` is the mean KL(base || steered) and `surprise` the mean -log p in the unsteered model, in
    nats per generated token; `repeated` the share of its trigrams that occurred before.
    """

    text: str
    cost: float
    surprise: float
    repeated: float


def samples(
    model: SteeredModel,
    vector: Any,
    context: Any,
    alphas: Sequence[float],
    length: int,
    *,
    temperature: float = 0.0,
    seed: int = 0,
) -> list[Sample]:
    """Continue one context by `length` tokens under each of `alphas`, in one batch.

    Raises SelfCheckError: the steering hook did not fire in some decoding step.
    """
    batch = model.encode([context]).take([0] * len(alphas))
    with model.steered(vector, list(alphas)) as steering:
        texts, prompts = model.continued(batch, length, temperature=temperature, seed=seed)
    new = texts.behind(prompts)
    if steering.fired < max(map(len, new)):
        raise SelfCheckError(
            f"the steering hook fired {steering.fired} times for {max(map(len, new))} tokens",
            remedy="the model decodes without passing through the site",
        )
    end, found = model.tokenizer.eos_token_id, []
    for j, (row, alpha) in enumerate(zip(new, alphas, strict=True)):
        costs = token_costs(model, vector, alpha, texts.take([j]), prompts[j : j + 1])
        ids = [z for z in row.tolist() if z != end]
        means = float(costs.forward.mean()), float(costs.surprise.mean())
        found.append(Sample(str(model.tokenizer.decode(ids)), *means, repeated(ids)))
    return found


class LayerRank(NamedTuple):
    """One layer, averaged over the contexts: what a nat of Delta CE buys there.

    `gain` is dF_T / dalpha over sd(M_loc), F_T bought per sqrt(2 nat); `slope` dF_T / dalpha at 0;
    `sd` that of M_loc, nats per unit alpha; `predicted` the gain in F_T of the budget if the origin
    were all, g sqrt(2 b / Var); `measured` what it is, nan unless asked for.
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

    `vectors` is one per layer, `tokens` T as indices or a mask, `budget` in nats of Delta CE.
    """
    batch, found, target = model.encode(contexts), [], np.zeros(model.vocabulary, dtype=bool)
    target[np.asarray(tokens)] = True
    for vector in vectors:
        steered, rows = measured_curves(model, vector, batch), []
        if measure:
            MeasuredCurve.together([(c, "cross_entropy_root", (budget, sign)) for c in steered])
        for curve in steered:
            slope, sd = sign * curve.local.concept_slope(target), math.sqrt(curve.local.variance)
            at = curve.cross_entropy_root(budget, sign).alpha if measure else math.nan
            gain = math.nan
            if math.isfinite(at):
                before, after = expit(curve.concept_log_odds(target, np.array([0.0, at])))
                gain = float(after - before)
            rows.append((slope / sd, slope, sd, slope / sd * math.sqrt(2 * budget), gain))
        found.append(LayerRank(vector.site.name, *(float(x) for x in np.mean(rows, axis=0))))
    return tuple(sorted(found, key=lambda rank: -rank.gain))
