"""The law report in four panels: budgets, plateaus, concept probability, cross-entropy on text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import expit

from steering_strength.proofs_check.bridge.verdicts.drawing import COLOURS, save_figure
from steering_strength.proofs_check.bridge.verdicts.survey import DISTANCES, SiteSurvey

__all__ = ["LawsFigure", "draw", "record_of", "save"]


@dataclass(frozen=True)
class LawsFigure:
    """The arrays behind the figure.

    Parameters
    ----------
    model, concept : str
    layers : numpy.ndarray
        Shape (S,).
    budgets : numpy.ndarray
        Shape (3,), in nats.
    ratio : numpy.ndarray
        Shape (S, 3, n): predicted / true alpha of every context and sign, nan if not reached.
    distance : numpy.ndarray
        Shape (S, D): |alpha v| / |h + R_inf| where the plateau was measured.
    to_limit, to_refined : numpy.ndarray
        Shape (S, D): median total variation to the plateau, and to the prediction with R_inf.
    alphas : numpy.ndarray
        Shape (S, A): the grids.
    concept_measured, concept_predicted : numpy.ndarray
        Shape (S, A): F_T of the first context.
    text_alphas, text_losses : numpy.ndarray
        Shape (S, 5): mean cross-entropy on library text minus its value at 0, in nats.
    text_slope, text_curvature : numpy.ndarray
        Shape (S,): predicted.
    """

    model: str
    concept: str
    layers: NDArray[np.int64]
    budgets: NDArray[np.float64]
    ratio: NDArray[np.float64]
    distance: NDArray[np.float64]
    to_limit: NDArray[np.float64]
    to_refined: NDArray[np.float64]
    alphas: NDArray[np.float64]
    concept_measured: NDArray[np.float64]
    concept_predicted: NDArray[np.float64]
    text_alphas: NDArray[np.float64]
    text_losses: NDArray[np.float64]
    text_slope: NDArray[np.float64]
    text_curvature: NDArray[np.float64]


def record_of(
    model: str, concept: str, layers: Sequence[int], surveys: Sequence[SiteSurvey]
) -> LawsFigure:
    """Collect the arrays from the surveys."""
    budgets = sorted({p.budget for p in surveys[0].contexts[0].budgets})
    plateaus = [[p for c in s.contexts for p in c.plateaus] for s in surveys]
    return LawsFigure(
        model=model,
        concept=concept,
        layers=np.array(layers),
        budgets=np.array(budgets),
        ratio=np.array(
            [
                [
                    [
                        p.predicted / p.measured
                        for c in s.contexts
                        for p in c.budgets
                        if p.budget == budget
                    ]
                    for budget in budgets
                ]
                for s in surveys
            ]
        ),
        distance=np.array([DISTANCES for _ in surveys]),
        to_limit=np.array([np.median([p.to_limit for p in row], axis=0) for row in plateaus]),
        to_refined=np.array([np.median([p.to_refined for p in row], axis=0) for row in plateaus]),
        alphas=np.array([s.alphas for s in surveys]),
        concept_measured=expit(np.array([s.contexts[0].concept_measured for s in surveys])),
        concept_predicted=expit(np.array([s.contexts[0].concept_predicted for s in surveys])),
        text_alphas=np.array([s.real.alphas for s in surveys]),
        text_losses=np.array([s.real.losses - s.real.losses[2] for s in surveys]),
        text_slope=np.array([s.real.predicted_slope for s in surveys]),
        text_curvature=np.array([s.real.predicted_curvature for s in surveys]),
    )


def draw(record: LawsFigure, figure: Figure) -> Any:
    """Draw the four panels into an empty figure and return its axes, shape (2, 2)."""
    axes = figure.subplots(2, 2)
    _draw_budgets(record, axes[0, 0])
    _draw_plateau(record, axes[0, 1])
    _draw_concept(record, axes[1, 0])
    _draw_text(record, axes[1, 1])
    for ax in axes.flat:
        ax.spines[["top", "right"]].set_visible(False)
    figure.suptitle(
        f"{record.model}, concept “{record.concept}”, steered at the output of single blocks",
        fontsize=10,
    )
    return axes


def _draw_budgets(record: LawsFigure, ax: Any) -> None:
    for i, budget in enumerate(record.budgets):
        place = np.arange(record.layers.size) + 0.2 * (i - 1)
        values = record.ratio[:, i]
        for x, row in zip(place, values, strict=True):
            ax.plot(np.full(row.size, x), row, "o", color=COLOURS[i], ms=2.6)
        ax.plot([], [], "o", color=COLOURS[i], ms=3, label=f"{budget:g} nat")
    ax.axhline(1, color="0.55", lw=0.8)
    ax.set_xticks(range(record.layers.size), [str(layer) for layer in record.layers])
    ax.set_xlabel("block")
    ax.set_ylabel("predicted / true α")
    ax.set_title("α of a KL budget, from one derivative at 0", fontsize=9)
    ax.legend(fontsize=7, frameon=False)


def _draw_plateau(record: LawsFigure, ax: Any) -> None:
    for i, layer in enumerate(record.layers):
        colour = COLOURS[i % len(COLOURS)]
        ax.loglog(
            record.distance[i], record.to_limit[i], "o-", color=colour, ms=3, label=f"block {layer}"
        )
        # Zeros (exact agreement) have no logarithm and are left out.
        seen = record.to_refined[i] > 0
        ax.loglog(record.distance[i][seen], record.to_refined[i][seen], "s--", color=colour, ms=3)
    ax.set_xlabel("|α v| / |h + R∞|")
    ax.set_ylabel("total variation to the prediction")
    ax.set_title("plateau LN(±v)Wᵀ (solid) and with R∞ (dashed)", fontsize=9)
    ax.legend(fontsize=7, frameon=False)


def _draw_concept(record: LawsFigure, ax: Any) -> None:
    for i, layer in enumerate(record.layers):
        colour = COLOURS[i % len(COLOURS)]
        ax.plot(record.alphas[i], record.concept_predicted[i], color=colour, lw=1)
        ax.plot(record.alphas[i], record.concept_measured[i], "o", color=colour, ms=2.4)
        ax.plot([], [], "o-", color=colour, ms=3, lw=1, label=f"block {layer}")
    ax.set_xscale("symlog", linthresh=1.0)
    ax.set_xlabel("α")
    ax.set_ylabel("probability of the concept's words")
    ax.set_title("measured (points) and tilt by M_loc (lines)", fontsize=9)
    ax.legend(fontsize=7, frameon=False)


def _draw_text(record: LawsFigure, ax: Any) -> None:
    for i, layer in enumerate(record.layers):
        colour = COLOURS[i % len(COLOURS)]
        dense = np.linspace(record.text_alphas[i][0], record.text_alphas[i][-1], 101)
        parabola = record.text_slope[i] * dense + 0.5 * record.text_curvature[i] * dense**2
        ax.plot(dense, parabola, color=colour, lw=1)
        ax.plot(
            record.text_alphas[i], record.text_losses[i], "o", color=colour, ms=3,
            label=f"block {layer}",
        )  # fmt: skip
    ax.axhline(0, color="0.8", lw=0.6)
    ax.set_xlabel("α")
    ax.set_ylabel("Δ cross-entropy on library text (nats)")
    ax.set_title("slope and curvature predicted at 0 (lines)", fontsize=9)
    ax.legend(fontsize=7, frameon=False)


def save(record: LawsFigure, folder: Path) -> tuple[Path, ...]:
    """Write laws.png, .pdf and .npz into `folder`."""
    return save_figure(lambda figure: draw(record, figure), vars(record), folder, "laws")
