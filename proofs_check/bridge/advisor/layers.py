"""Which layer? Effect bought per nat of Delta CE at the origin, from derivatives alone.

Near 0, F_T gains g alpha and Delta CE costs alpha^2 Var / 2, g = Cov(1_T, M_loc). So a small
budget b buys g sqrt(2 b / Var): layers are ranked by g / sd(M_loc), a number without the unit of v.
It is a statement about the origin; what a finite budget buys is measured on request.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

from steering_strength.proofs_check.bridge._old.anatomy import Anatomy
from steering_strength.proofs_check.bridge._old.encoding import TokenBatch
from steering_strength.proofs_check.bridge._old.models import LoadedModel
from steering_strength.proofs_check.bridge.advisor._old_advice.demand import Demand
from steering_strength.proofs_check.bridge.advisor.block import advise_block, differentiate
from steering_strength.proofs_check.bridge.advisor.model import Spent
from steering_strength.proofs_check.bridge.advisor.rows import HeldContexts
from steering_strength.proofs_check.bridge.progress import Progress, silent
from steering_strength.proofs_check.bridge.sites import Apply
from steering_strength.proofs_check.bridge.steering.vectors import SteeringVector

__all__ = ["LayerRank", "rank_layers", "ranking_text"]


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
        What it buys, by corrections on measured passes; nan unless asked for.
    passes : float
        Forward passes spent on the derivatives; those of `measured` are not among them.
    """

    site: str
    gain: float
    slope: float
    sd: float
    predicted: float
    measured: float
    passes: float


def rank_layers(
    loaded: LoadedModel,
    anatomy: Anatomy,
    vectors: Sequence[SteeringVector],
    batch: TokenBatch,
    target: NDArray[np.bool_],
    budget: float,
    *,
    sign: int = 1,
    measure: bool = False,
    progress: Progress = silent,
) -> tuple[LayerRank, ...]:
    """Differentiate at every vector's site, best layer first.

    Parameters
    ----------
    vectors : sequence of SteeringVector
        One per layer.
    batch : TokenBatch
        The contexts.
    target : numpy.ndarray
        Shape (V,), bool.
    budget : float
        Nats of Delta CE that `predicted` and `measured` spend.
    measure : bool
        Whether to find each layer's alpha for the budget and measure F_T there.
    """
    found = []
    demand = Demand.of(
        anatomy.vocabulary,
        target,
        level=None,
        cross_entropy=budget,
        reverse_kl=None,
        before_peak="no",
        sign=sign,
        plateau=0.01,
    )
    for vector in vectors:
        cost, rows = Spent(), []
        v = torch.as_tensor(vector.values).to(anatomy.unembedding.weight.dtype)
        apply: Apply = "last" if vector.metadata.apply == "last" else "all"
        held = HeldContexts(loaded, anatomy, batch, vector.site, v, apply, cost)
        known = differentiate(held, vector.metadata.norm)
        passes = cost.passes
        bought = [math.nan] * held.count
        if measure:
            nothing = [None] * held.count
            advice = advise_block(held, vector.metadata.norm, demand, nothing, derivatives=known)
            bought = [one.high.concept - one.start.concept for one in advice]
        for local, gain in zip(known, bought, strict=True):
            p = np.exp(local.log_p)
            centred = sign * (local.slope - p @ local.slope)
            slope, sd = float(p[target] @ centred[target]), math.sqrt(float(p @ centred**2))
            rows.append((slope / sd, slope, sd, slope / sd * math.sqrt(2 * budget), gain))
        means = np.mean(rows, axis=0)
        gain, slope, sd, predicted, measured = (float(x) for x in means)
        found.append(LayerRank(vector.site.name, gain, slope, sd, predicted, measured, passes))
        progress(f"{vector.site.name}: gain {means[0]:.3g}")
    return tuple(sorted(found, key=lambda rank: -rank.gain))


def ranking_text(ranks: Sequence[LayerRank], budget: float) -> str:
    """A table, and how far the ranking from derivatives is that of the measured gains."""
    lines = [
        f"layers by F_T bought at the origin; a budget of {budget:g} nats of Delta CE",
        f"{'site':<14}{'gain/sd':>9}{'dF_T/da':>10}{'sd(M)':>8}{'predicted':>11}{'measured':>10}",
    ]
    for rank in ranks:
        seen = "-" if math.isnan(rank.measured) else f"{rank.measured:+.4f}"
        lines.append(
            f"{rank.site:<14}{rank.gain:>9.4f}{rank.slope:>10.4g}{rank.sd:>8.3g}"
            f"{rank.predicted:>+11.4f}{seen:>10}"
        )
    if len(ranks) > 2 and not any(math.isnan(rank.measured) for rank in ranks):
        rho = spearmanr([r.gain for r in ranks], [r.measured for r in ranks]).statistic
        best = max(ranks, key=lambda rank: rank.measured)
        place = [rank.site for rank in ranks].index(best.site) + 1
        lines.append(
            f"rank correlation with what the budget buys: {rho:.2f}; the layer that buys most,"
            f" {best.site}, is number {place} of {len(ranks)} by derivatives"
        )
    lines.append(f"{sum(rank.passes for rank in ranks):.0f} forward passes for the derivatives")
    return "\n".join(lines)
