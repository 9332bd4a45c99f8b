"""Drawing of concept probabilities, judged texts and benchmark scores against alpha."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge.paper.concept_panel import ConceptCurve
from steering_strength.proofs_check.bridge.paper.panel_drawing import CAVEAT, frame, stretch
from steering_strength.proofs_check.bridge.verdicts.drawing import COLOURS, save_figure

__all__ = ["ScoreCurve", "draw_concepts", "draw_score", "save_concepts", "save_score"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ScoreCurve:
    """A score of the steered model that needs more than one token, and what theory says of it.

    Parameters
    ----------
    name, caption : str
        Of the axis, and what is shown.
    layer : int
    alphas, measured, error : numpy.ndarray
        Shape (A,): the score and its standard error.
    dense, predicted : numpy.ndarray
        Shape (D,): the prediction, nan where it is not meant to hold; empty if there is none.
    plateau : numpy.ndarray
        Shape (2,): predicted at -inf and +inf, nan if nothing is.
    """

    name: str
    caption: str
    layer: int
    alphas: Floats
    measured: Floats
    error: Floats
    dense: Floats
    predicted: Floats
    plateau: Floats


def save_concepts(
    curves: Sequence[ConceptCurve], title: str, folder: Path, stem: str
) -> tuple[Path, ...]:
    """Write picture and arrays of F_T at several blocks."""
    arrays: dict[str, Any] = {"title": title}
    for number, curve in enumerate(curves):
        arrays |= {f"{name}_{number}": value for name, value in vars(curve).items()}
    size = (3.6 * len(curves), 3.7)
    return save_figure(
        lambda figure: draw_concepts(curves, title, figure), arrays, folder, stem, size
    )


def draw_concepts(curves: Sequence[ConceptCurve], title: str, figure: Figure) -> Any:
    """Draw one panel for each block, on a common scale of probability; return the axes."""
    axes = figure.subplots(1, len(curves), squeeze=False, sharey=True)[0]
    top = 1.15 * max(
        max(float(c.measured.max()), float(np.nanmax(c.tilt)), float(c.plateau.max()))
        for c in curves
    )
    for i, (curve, ax) in enumerate(zip(curves, axes, strict=True)):
        colour = COLOURS[i % len(COLOURS)]
        ax.plot(curve.alphas, curve.measured, "o", color=colour, ms=2.8, label="measured")
        ax.plot(curve.alphas, curve.tilt, "--", color=colour, lw=1.1, label="tilt by M_loc")
        ax.plot(curve.alphas, curve.sigmoid, "-.", color="0.5", lw=0.9, label="expit(r + να)")
        if np.isfinite(curve.exact).any():
            ax.plot(curve.alphas, curve.exact, "-", color=colour, lw=1, label="closed form")
        _bars(ax, curve.alphas, curve.plateau, colour)
        stretch(ax, curve.alphas, 1.0)
        ax.set_ylim(-0.02 * top, top)
        ax.set_title(f"block {curve.layer}", fontsize=8)
        ax.legend(fontsize=6, frameon=False, loc="upper left")
    axes[0].set_ylabel("F_T, mean over contexts")
    caption = (
        "F_T: probability that the next token is a word of the concept, not a judge's verdict."
        " Dash-dotted: sigmoid with the slope ν that M_loc gives at 0. Bars: plateau LN(±v)Wᵀ."
    )
    frame(figure, title, f"{CAVEAT} {caption}")
    return axes


def save_score(curve: ScoreCurve, title: str, folder: Path, stem: str) -> tuple[Path, ...]:
    """Write picture and arrays of one score."""
    return save_figure(
        lambda figure: draw_score(curve, title, figure),
        {"title": title, **vars(curve)},
        folder,
        stem,
        (6.0, 3.9),
    )


def draw_score(curve: ScoreCurve, title: str, figure: Figure) -> Any:
    """Draw one score with its standard errors and prediction; return the axes."""
    ax = figure.subplots()
    colour = COLOURS[0]
    ax.errorbar(
        curve.alphas, curve.measured, curve.error, fmt="o", color=colour, ms=3, lw=0.8,
        label=f"measured, block {curve.layer}",
    )  # fmt: skip
    if curve.dense.size:
        ax.plot(curve.dense, curve.predicted, "--", color=COLOURS[4], lw=1.1, label="predicted")
    if np.isfinite(curve.plateau).all():
        _bars(ax, curve.alphas, curve.plateau, COLOURS[4])
    stretch(ax, curve.alphas, 1.0)
    ax.set_ylabel(curve.name)
    ax.set_ylim(bottom=min(0.0, float(curve.measured.min())))
    ax.legend(fontsize=7, frameon=False)
    frame(figure, title, f"{CAVEAT} {curve.caption}")
    return ax


def _bars(ax: Any, alphas: Floats, plateau: Floats, colour: str) -> None:
    for end, level in zip((alphas[0], alphas[-1]), plateau, strict=True):
        ax.plot([0.8 * end, end], [level, level], "-", color=colour, lw=3, alpha=0.5)
