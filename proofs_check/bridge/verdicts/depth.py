"""`local` at every block of a model: how far one derivative carries, from the first to the last.

At each block the alpha that spends 0.01, 0.1 and 1 nat is predicted from Var(M_loc) and found by
secant steps on measured divergences. That is cheap, a few dozen states per context, and says more
about a model than a sweep at one block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge._old.anatomy import Anatomy
from steering_strength.proofs_check.bridge._old.encoding import TokenBatch
from steering_strength.proofs_check.bridge._old.models import LoadedModel
from steering_strength.proofs_check.bridge._old.upper import Cost, Upper
from steering_strength.proofs_check.bridge.measure.local import (
    BudgetPoint,
    local_tilt,
    measure_budgets,
)
from steering_strength.proofs_check.bridge.progress import Progress, silent
from steering_strength.proofs_check.bridge.sites import Apply
from steering_strength.proofs_check.bridge.steering.vectors import SteeringVector
from steering_strength.proofs_check.bridge.verdicts.drawing import COLOURS, save_figure
from steering_strength.proofs_check.bridge.verdicts.law_row import LawRow
from steering_strength.proofs_check.bridge.verdicts.law_rows import budget_rows

__all__ = ["DepthScan", "depth_rows", "save_depth", "scan_depth"]

Floats = NDArray[np.float64]

ALL_BLOCKS = "every block"


@dataclass(frozen=True)
class DepthScan:
    """Budgets at every block.

    Parameters
    ----------
    layers : tuple of int
    points : tuple of tuple of BudgetPoint
        For each block, all contexts, budgets and signs.
    units : tuple of float
        For each block |h| / |v|, the alpha at which the steering is as long as the state.
    cost : str
        Forward passes spent.
    """

    layers: tuple[int, ...]
    points: tuple[tuple[BudgetPoint, ...], ...]
    units: tuple[float, ...]
    cost: str

    def table(self) -> dict[str, Floats]:
        """Arrays for files: layers (L,), units (L,), budgets, predicted and measured (L, n)."""
        columns = {
            name: np.array([[getattr(p, name) for p in row] for row in self.points], dtype=float)
            for name in ("budget", "sign", "predicted", "measured")
        }
        return {"layers": np.array(self.layers), "units": np.array(self.units), **columns}


def scan_depth(
    loaded: LoadedModel,
    anatomy: Anatomy,
    vectors: Sequence[SteeringVector],
    contexts: Sequence[TokenBatch],
    *,
    apply: Apply = "all",
    progress: Progress = silent,
) -> DepthScan:
    """Predict and measure the three budgets at the site of each vector."""
    cost = Cost()
    points, units = [], []
    for number, vector in enumerate(vectors, start=1):
        v = torch.as_tensor(vector.values).to(anatomy.unembedding.weight.dtype)
        found: list[BudgetPoint] = []
        substituted = True
        for batch in contexts:
            # Whether the blocks below may be skipped does not depend on the text: asked once.
            upper = Upper(
                loaded.model, anatomy, batch, vector.site, cost, verify=batch is contexts[0]
            )
            if batch is contexts[0]:
                substituted = upper.substituted
            upper.substituted = substituted
            tilt = local_tilt(anatomy, upper, v, apply)
            found += measure_budgets(anatomy, upper, v, tilt, apply=apply)
        points.append(tuple(found))
        units.append(vector.metadata.residual_norm / vector.metadata.norm)
        if number % 5 == 0 or number == len(vectors):
            progress(f"budgets at {number} of {len(vectors)} blocks measured")
    layers = tuple(int(vector.site.layer or 0) for vector in vectors)
    return DepthScan(layers, tuple(points), tuple(units), str(cost))


def depth_rows(scan: DepthScan) -> list[LawRow]:
    """One row per budget for all blocks together; the note names the block that deviates most."""
    rows = []
    for row in budget_rows(ALL_BLOCKS, [p for points in scan.points for p in points]):
        budget = float(row.statement.split()[1])
        worst = max(
            (
                (abs(p.predicted / p.measured - 1), layer)
                for layer, points in zip(scan.layers, scan.points, strict=True)
                for p in points
                if p.budget == budget and np.isfinite(p.measured)
            ),
            default=None,
        )
        where = "" if worst is None else f"; worst at block {worst[1]}"
        # The reason, if the row has one, stays last.
        found, reason, why = row.note.partition("; why: ")
        note = f"{found}; {len(scan.layers)} blocks{where}{reason}{why}"
        rows.append(replace(row, note=note))
    return rows


def save_depth(scan: DepthScan, title: str, folder: Path) -> tuple[Path, ...]:
    """Write laws_depth.png, .pdf and .npz."""
    return save_figure(
        lambda figure: draw_depth(scan, title, figure),
        {"title": title, **scan.table()},
        folder,
        "laws_depth",
        (9.5, 3.9),
    )


def draw_depth(scan: DepthScan, title: str, figure: Figure) -> Any:
    """Draw predicted / true alpha, and the true alpha in units of the residual; return axes."""
    axes = figure.subplots(1, 2)
    budgets = sorted({p.budget for p in scan.points[0]})
    for i, budget in enumerate(budgets):
        colour = COLOURS[i]
        for layer, unit, points in zip(scan.layers, scan.units, scan.points, strict=True):
            chosen = [p for p in points if p.budget == budget and np.isfinite(p.measured)]
            place = layer + 0.22 * (i - 1)
            ratio = [p.predicted / p.measured for p in chosen]
            axes[0].plot([place] * len(chosen), ratio, "o", color=colour, ms=2.2)
            share = [abs(p.measured) / unit for p in chosen]
            axes[1].plot([place] * len(chosen), share, "o", color=colour, ms=2.2)
        for ax in axes:
            ax.plot([], [], "o", color=colour, ms=3, label=f"{budget:g} nat")
    axes[0].axhline(1, color="0.55", lw=0.8)
    axes[0].set_ylabel("predicted / true α")
    axes[0].set_title("α of a KL budget, from one derivative at 0", fontsize=9)
    axes[1].set_yscale("log")
    axes[1].set_ylabel("|α v| / |h|")
    axes[1].set_title("how long the steering then is, against the state", fontsize=9)
    for ax in axes:
        ax.set_xlabel("block")
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(fontsize=7, frameon=False)
    figure.suptitle(title, fontsize=10)
    return axes
