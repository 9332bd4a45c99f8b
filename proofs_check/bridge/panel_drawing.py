"""Drawing of the paper's real-model figures; every picture writes its arrays beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from proofs_check.bridge.drawing import COLOURS, save_figure
from proofs_check.bridge.entropy_panel import EntropyCurve
from proofs_check.bridge.panels import Panel

__all__ = ["CAVEAT", "draw_entropy", "draw_panels", "save_entropy", "save_panels"]

CAVEAT = (
    "Qualitative: the paper's texts, contexts and layers are unpublished. Points: measured."
    " Solid: closed form of the last block. Dashed: tilt by M_loc, up to 1 nat."
    " Dotted: LN(h + R∞ + αv). Short bars at the edge: plateau LN(±v)Wᵀ."
)


def save_panels(panels: Sequence[Panel], title: str, folder: Path, stem: str) -> tuple[Path, ...]:
    """Write picture and arrays; array names carry the panel's number."""
    arrays: dict[str, Any] = {"title": title}
    for number, panel in enumerate(panels):
        arrays |= {f"{name}_{number}": value for name, value in vars(panel).items()}
    size = (0.5 + 4.2 * len(panels), 4.0)
    return save_figure(
        lambda figure: draw_panels(panels, title, figure), arrays, folder, stem, size
    )


def draw_panels(panels: Sequence[Panel], title: str, figure: Figure) -> Any:
    """Draw the panels in a row and return their axes."""
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for panel, ax in zip(panels, axes, strict=True):
        _draw_panel(panel, ax)
    figure.suptitle(title, fontsize=9)
    figure.supxlabel(CAVEAT, fontsize=5.5, color="0.35")
    return axes


def _draw_panel(panel: Panel, ax: Any) -> None:
    edge = panel.alphas[-1] if panel.alphas[-1] > 0 else panel.alphas[0]
    for i, text in enumerate(panel.token_text):
        colour = COLOURS[i % len(COLOURS)]
        ax.plot(panel.alphas, panel.measured[:, i], "o", color=colour, ms=2.4, label=text)
        ax.plot(panel.alphas, panel.near[:, i], "--", color=colour, lw=0.9)
        ax.plot(panel.alphas, panel.far[:, i], ":", color=colour, lw=1.2)
        ax.plot(panel.alphas, panel.exact[:, i], "-", color=colour, lw=0.9)
        ax.plot([0.97 * edge, edge], [panel.plateau[i]] * 2, "-", color=colour, lw=3, alpha=0.5)
        if np.isfinite(panel.band[:, i]).any():
            low, high = (panel.measured[:, i] + s * panel.band[:, i] for s in (-1, 1))
            ax.fill_between(panel.alphas, low, high, color=colour, alpha=0.15, lw=0)
    ax.axhline(0, color="0.8", lw=0.6, zorder=0)
    ax.set_xlabel("α")
    ax.set_ylabel("Δp(z | α)")
    ax.set_title(panel.title, fontsize=8)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize=6, frameon=False)


def save_entropy(
    curves: Sequence[EntropyCurve], title: str, folder: Path, stem: str
) -> tuple[Path, ...]:
    """Write picture and arrays of the cross-entropy figure."""
    arrays: dict[str, Any] = {"title": title}
    for number, curve in enumerate(curves):
        arrays |= {f"{name}_{number}": value for name, value in vars(curve).items()}
    return save_figure(
        lambda figure: draw_entropy(curves, title, figure), arrays, folder, stem, (6.4, 4.4)
    )


def draw_entropy(curves: Sequence[EntropyCurve], title: str, figure: Figure) -> Any:
    """Draw Delta CE of several blocks and return the axes."""
    ax = figure.subplots()
    top = max(float(curve.measured.max()) for curve in curves)
    for i, curve in enumerate(curves):
        colour = COLOURS[i % len(COLOURS)]
        ax.plot(curve.alphas, curve.measured, "o", color=colour, ms=2.6)
        ax.plot([], [], "o", color=colour, ms=3, label=f"block {curve.layer}")
        dense = np.linspace(-4, 4, 201)
        parabola = curve.slope * dense + 0.5 * curve.curvature * dense**2
        shown = np.abs(parabola) <= 0.5 * top
        ax.plot(np.where(shown, dense, np.nan), parabola, "--", color=colour, lw=0.9)
        for end, level in zip((curve.alphas[0], curve.alphas[-1]), curve.plateau, strict=True):
            ax.plot([0.9 * end, end], [level, level], "-", color=colour, lw=3, alpha=0.5)
    ax.axhline(0, color="0.8", lw=0.6, zorder=0)
    ax.set_xlabel("α")
    ax.set_ylabel("Δ cross-entropy (nats per token)")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize=7, frameon=False)
    figure.suptitle(title, fontsize=9)
    figure.supxlabel(
        "Qualitative: library text, not FineWeb. Points measured; dashed: slope and curvature at 0;"
        " bars: plateau.",
        fontsize=5.5,
        color="0.35",
    )
    return ax
