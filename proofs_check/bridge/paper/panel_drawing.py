"""Drawing of the paper's token and cross-entropy figures; every picture writes its arrays."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.interpolate import CubicSpline

from steering_strength.proofs_check.bridge.paper.entropy_panel import EntropyCurve
from steering_strength.proofs_check.bridge.paper.panels import Panel
from steering_strength.proofs_check.bridge.verdicts.drawing import COLOURS, save_figure

__all__ = [
    "CAVEAT",
    "draw_entropy",
    "draw_panels",
    "frame",
    "save_entropy",
    "save_panels",
    "stretch",
]

CAVEAT = "Qualitative: the paper's texts, contexts and layers are unpublished. α on an asinh axis."
_LEGEND = (
    f"{CAVEAT} Points: measured, at adaptive nodes; pale: a spline through them. Dashed: tilt by"
    " M_loc, up to 1 nat. Dotted: LN(h + R∞ + αv), from |αv| = |h + R∞|. Solid: closed form of the"
    " last block. Bars at the edge: plateau LN(±v)Wᵀ. Tokens: the likeliest at the far end of the"
    " panel, the paper's choice."
)
# Characters per inch of the small print, for wrapping it to the figure's width.
_SMALL, _LARGE = 19, 13


def frame(figure: Figure, title: str, caption: str) -> None:
    """Put title and caption above and below, wrapped so that nothing is cut off."""
    width = figure.get_figwidth()
    figure.suptitle(textwrap.fill(title, int(_LARGE * width)), fontsize=9)
    figure.supxlabel(textwrap.fill(caption, int(_SMALL * width)), fontsize=6, color="0.35")


def stretch(ax: Any, alphas: Any, unit: float) -> None:
    """An asinh axis for alpha: linear up to `unit`, logarithmic beyond, with ticks to match."""
    low, high = float(np.min(alphas)), float(np.max(alphas))
    reach = max(-low, high)
    ax.set_xscale("asinh", linear_width=unit)
    # A decade whose label would touch the one at the end is left out.
    decades = 10.0 ** np.arange(np.ceil(np.log10(unit)), np.log10(reach / 2.2))
    ticks = np.unique([0.0, *decades, *-decades, reach, -reach])
    ticks = ticks[(ticks >= low) & (ticks <= high)]
    ax.set_xticks(ticks, [f"{float(f'{tick:.3g}'):g}" for tick in ticks])
    ax.minorticks_off()
    # A little air on both sides, in the axis' own measure.
    ends = np.arcsinh(np.array([low, high]) / unit)
    ends += 0.03 * np.ptp(ends) * np.array([-1.0, 1.0])
    ax.set_xlim(*(unit * np.sinh(ends)))
    ax.set_xlabel("α")
    ax.axhline(0, color="0.85", lw=0.6, zorder=0)
    ax.spines[["top", "right"]].set_visible(False)


def save_panels(
    panels: Sequence[Panel], title: str, folder: Path, stem: str, columns: int | None = None
) -> tuple[Path, ...]:
    """Write picture and arrays; array names carry the panel's number."""
    arrays: dict[str, Any] = {"title": title}
    for number, panel in enumerate(panels):
        arrays |= {f"{name}_{number}": value for name, value in vars(panel).items()}
    wide = columns or len(panels)
    size = (max(5.2, 4.4 * wide), 0.9 + 3.1 * -(-len(panels) // wide))
    return save_figure(
        lambda figure: draw_panels(panels, title, figure, wide), arrays, folder, stem, size
    )


def draw_panels(
    panels: Sequence[Panel], title: str, figure: Figure, columns: int | None = None
) -> Any:
    """Draw the panels, `columns` in a row, and return their axes."""
    wide = columns or len(panels)
    axes = figure.subplots(-(-len(panels) // wide), wide, squeeze=False).flatten()
    for panel, ax in zip(panels, axes, strict=True):
        _draw_panel(panel, ax)
    frame(figure, title, _LEGEND)
    return axes


def _draw_panel(panel: Panel, ax: Any) -> None:
    sign = 1 if panel.alphas[-1] > 0 else -1
    edge = sign * float(np.abs(panel.alphas).max())
    unit = min(1.0, abs(edge) / 50)
    # A bar of constant width on the asinh axis, at the far end.
    start = sign * unit * np.sinh(0.955 * np.arcsinh(abs(edge) / unit))
    spline = CubicSpline(np.arcsinh(panel.alphas / unit), panel.measured)
    inner = np.arcsinh(panel.alphas[[0, -1]] / unit)
    dense = unit * np.sinh(np.linspace(inner[0], inner[1], 400))
    # Where alpha v is shorter than h + R_inf the plateau says nothing yet.
    near_the_end = bool(np.isfinite(panel.far).any())
    for i, text in enumerate(panel.token_text):
        colour = COLOURS[i % len(COLOURS)]
        ax.plot(dense, spline(np.arcsinh(dense / unit))[:, i], "-", color=colour, lw=2, alpha=0.2)
        ax.plot(panel.alphas, panel.measured[:, i], "o", color=colour, ms=2.4, label=text)
        ax.plot(panel.alphas, panel.near[:, i], "--", color=colour, lw=1.0)
        ax.plot(panel.alphas, panel.far[:, i], ":", color=colour, lw=1.3)
        ax.plot(panel.alphas, panel.exact[:, i], "-", color=colour, lw=0.9)
        if near_the_end:
            ax.plot([start, edge], [panel.plateau[i]] * 2, "-", color=colour, lw=3, alpha=0.5)
        if np.isfinite(panel.low[:, i]).any():
            ax.fill_between(
                panel.alphas, panel.low[:, i], panel.high[:, i], color=colour, alpha=0.15, lw=0
            )
    stretch(ax, panel.alphas, unit)
    ax.set_ylabel("Δp(z | α)")
    missed = f" (spline within {panel.error:.1g})" if np.isfinite(panel.error) else ""
    ax.set_title(panel.title + missed, fontsize=8)
    ax.legend(fontsize=6, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))


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
    bottom = min(float(curve.measured.min()) for curve in curves)
    for i, curve in enumerate(curves):
        colour = COLOURS[i % len(COLOURS)]
        ax.plot(curve.alphas, curve.measured, "-", color=colour, lw=2.2, alpha=0.18)
        ax.plot(
            curve.alphas, curve.measured, "o", color=colour, ms=2.8, label=f"block {curve.layer}"
        )
        dense = np.linspace(-8, 8, 801)
        parabola = curve.slope * dense + 0.5 * curve.curvature * dense**2
        shown = (parabola <= 0.5 * top) & (parabola >= bottom - 0.05 * top)
        ax.plot(dense, np.where(shown, parabola, np.nan), "--", color=colour, lw=1.0)
        for end, level in zip((curve.alphas[0], curve.alphas[-1]), curve.plateau, strict=True):
            ax.plot([0.8 * end, end], [level, level], "-", color=colour, lw=3, alpha=0.5)
    stretch(ax, curves[0].alphas, 1.0)
    ax.set_ylabel("Δ cross-entropy (nats per token)")
    ax.legend(fontsize=7, frameon=False)
    caption = (
        "Library text, not FineWeb. Points: measured. Dashed: the parabola with slope and"
        " curvature predicted at 0. Bars at the edge: plateau of one fixed distribution."
    )
    frame(figure, title, f"{CAVEAT} {caption}")
    return ax
