"""Pictures of what was measured on a language model: `draw_folder` draws the records in a folder.

`python -m proofs_check.bridge` measures and writes `.npz` files; here they are read and drawn, and
nothing is computed but splines through measured points. Points are always measured, lines always
predicted with no free parameter; the paper's own figures cannot be pixel-identical, because its
texts, contexts and layers are unpublished.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from steering_strength.figures.store import save_picture
from steering_strength.figures.style import GREY, shown, style
from steering_strength.theory.engine.storage import read_archive
from steering_strength.theory.errors import SteeringError
from steering_strength.theory.files import write_whole

Arrays = dict[str, NDArray[Any]]

# Okabe and Ito's eight colours, distinguishable with any colour vision: here one for each token,
# block or context, since what a real model shows is not split into target and off-target.
COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#7F7F3F", "#000000",
)  # fmt: skip

_CAVEAT = "Qualitative: the paper's texts, contexts and layers are unpublished. α on an asinh axis."
_PANELS = (
    f"{_CAVEAT} Points: measured; pale: a spline through them. Dashed: tilt by"
    " M_loc, up to 1 nat. Dotted: LN(h + R∞ + αv), from |αv| = |h + R∞|. Solid: closed form of the"
    " last block. Bars at the edge: plateau LN(±v)Wᵀ. Tokens: the likeliest at the far end."
)
_ENTROPY = (
    f"{_CAVEAT} Library text, not FineWeb. Points: measured. Dashed: the parabola with slope and"
    " curvature predicted at 0. Bars at the edge: plateau of one fixed distribution."
)
_CONCEPT = (
    f"{_CAVEAT} F_T: probability that the next token is a word of the concept, no judge's verdict."
    " Dash-dotted: sigmoid with the slope ν that M_loc gives at 0. Bars: plateau LN(±v)Wᵀ."
)
# Characters per inch of titles and of the small print, for wrapping them to the figure's width.
_LARGE, _SMALL = 13, 19


def draw_folder(folder: Path | str, formats: Sequence[str] = ("png", "pdf")) -> list[Path]:
    """Draw every record of the bridge in `folder`, beside it; return the pictures.

    Raises
    ------
    SteeringError
        A record is damaged, or lacks an array.
    OutputError
        A picture cannot be written.
    """
    paths, remedy = [], "write it again with python -m proofs_check.bridge"
    for path in sorted(Path(folder).glob("*.npz")):
        if path.stem not in STEMS:
            continue
        try:
            canvas = draw(path.stem, read_archive(path, remedy))
        except SteeringError:
            raise
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise SteeringError(
                f"{path} is no record of a model: {error}", remedy=remedy
            ) from error
        for kind in formats:
            target = path.with_suffix(f".{kind}")
            paths.append(write_whole(target, partial(save_picture, canvas)))
    return paths


def draw(stem: str, arrays: Arrays) -> Figure:
    """Draw one record, named by the stem of its file."""
    with style():
        canvas = Figure(layout="constrained")
        STEMS[stem](arrays, canvas)
    return canvas


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]


def _frame(figure: Figure, title: str, caption: str = "") -> None:
    width = figure.get_figwidth()
    figure.suptitle(textwrap.fill(shown(title, 300), int(_LARGE * width)), fontsize=9)
    if caption:
        figure.supxlabel(textwrap.fill(caption, int(_SMALL * width)), fontsize=6, color=GREY)


def _stretch(ax: Axes, alphas: NDArray[Any], unit: float) -> None:
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
    left, right = unit * np.sinh(ends)
    ax.set_xlim(left, right)
    ax.set_xlabel("α")


def _bars(ax: Axes, alphas: NDArray[Any], levels: Any, colour: str) -> None:
    """The plateaus at both ends."""
    for end, level in zip((alphas[0], alphas[-1]), levels, strict=True):
        ax.plot([0.8 * end, end], [level, level], "-", color=colour, lw=3, alpha=0.5)


def _numbered(arrays: Arrays) -> list[Arrays]:
    """The panels of a record: the names of their arrays end in the panel's number."""
    return [
        {
            name.removesuffix(f"_{number}"): values
            for name, values in arrays.items()
            if name.endswith(f"_{number}")
        }
        for number in range(int(arrays["panels"]))
    ]


def _final_norm(a: Arrays, figure: Figure) -> None:
    figure.set_size_inches(10.5, 7.2)
    axes = figure.subplots(2, 2)
    tokens, concept, entropy, error = axes.flat
    for i, text in enumerate(a["token_text"]):
        tokens.plot(
            a["dense"], a["token_predicted"][:, i], color=_colour(i), lw=1.2, label=shown(text)
        )
        tokens.plot(a["alphas"], a["token_measured"][:, i], "o", color=_colour(i), ms=2.6)
    tokens.plot(a["peak_alpha"], a["peak_height"], "v", color="black", ms=4, label="measured peak")
    tokens.set(ylabel="next-token probability", title=f"“{shown(str(a['context']), 60)} …”")
    for i in range(a["concept_measured"].shape[1]):
        concept.plot(a["dense"], a["concept_predicted"][:, i], color=_colour(i), lw=0.9)
        concept.plot(a["alphas"], a["concept_measured"][:, i], "o", color=_colour(i), ms=2.2)
    concept.set(ylabel="probability of the concept's words, F", title="every context")
    entropy.plot(a["dense"], a["ce_quadratic"], "--", color=GREY, lw=1, label="½ Var(M) α²")
    entropy.plot(a["dense"], a["ce_predicted"], color=_colour(0), lw=1.2, label="K(α) - α K'(0)")
    entropy.plot(a["alphas"], a["ce_measured"], "o", color=_colour(0), ms=2.6, label="measured")
    entropy.set_ylim(0, 1.15 * float(a["ce_measured"].max()))
    entropy.set(ylabel="KL(p₀ ‖ p_α), mean (nats)", title="increase of the cross-entropy")
    # An error of exactly 0 (at alpha = 0, say) has no logarithm; it is left out, not floored.
    seen = a["error"] > 0
    error.semilogy(a["alphas"][seen], a["error"][seen], "o", color=_colour(0), ms=2.6)
    error.semilogy(a["alphas"], a["rounding"], "--", color=GREY, lw=1, label="rounding bound")
    error.set(ylabel="|predicted - measured| log p (nats)", title="deviation, all tokens")
    for ax in axes.flat:
        ax.set_xlabel("steering strength α")
    for ax in (tokens, entropy, error):
        ax.legend(fontsize=7)
    _frame(
        figure,
        f"{a['model']}, concept “{a['concept']}”, steered at the output of the final norm: points"
        " measured, lines predicted with no free parameter",
    )


def _laws(a: Arrays, figure: Figure) -> None:
    figure.set_size_inches(10.5, 7.2)
    axes = figure.subplots(2, 2)
    budget, far, concept, text = axes.flat
    for i, nats in enumerate(a["budgets"][0]):
        for x, row in enumerate(a["ratio"][:, i]):
            place = np.full(row.size, x + 0.2 * (i - 1))
            budget.plot(place, row, "o", color=_colour(i), ms=2.6)
        budget.plot([], [], "o", color=_colour(i), ms=3, label=f"{nats:g} nat")
    budget.axhline(1, color=GREY, lw=0.8)
    budget.set_xticks(range(a["layers"].size), [str(layer) for layer in a["layers"]])
    budget.set(xlabel="block", ylabel="predicted / true α", title="α of a KL budget, from M_loc")
    for i, layer in enumerate(a["layers"]):
        colour, label = _colour(i), f"block {layer}"
        if "to_limit" in a:
            far.loglog(a["distance"][i], a["to_limit"][i], "o-", color=colour, ms=3, label=label)
            # Zeros (exact agreement) have no logarithm and are left out.
            seen = a["to_refined"][i] > 0
            far.loglog(a["distance"][i][seen], a["to_refined"][i][seen], "s--", color=colour, ms=3)
        concept.plot(a["alphas"][i], a["concept_predicted"][i], color=colour, lw=1)
        concept.plot(a["alphas"][i], a["concept_measured"][i], "o", color=colour, ms=2.4)
        concept.plot([], [], "o-", color=colour, ms=3, lw=1, label=label)
        dense = np.linspace(a["text_alphas"][i][0], a["text_alphas"][i][-1], 101)
        parabola = a["text_slope"][i] * dense + 0.5 * a["text_curvature"][i] * dense**2
        text.plot(dense, parabola, color=colour, lw=1)
        text.plot(a["text_alphas"][i], a["text_losses"][i], "o", color=colour, ms=3, label=label)
    far.set(xlabel="|α v| / |h + R∞|", ylabel="total variation to the prediction")
    far.set_title("plateau LN(±v)Wᵀ (solid) and with R∞ (dashed)")
    concept.set_xscale("symlog", linthresh=1.0)
    concept.set(xlabel="α", ylabel="probability of the concept's words")
    concept.set_title("measured (points) and tilt by M_loc (lines)")
    text.set(xlabel="α", ylabel="Δ cross-entropy on library text (nats)")
    text.set_title("slope and curvature predicted at 0 (lines)")
    for ax in axes.flat:
        ax.legend(fontsize=7)
    _frame(figure, f"{a['model']}, concept “{a['concept']}”, steered at single blocks")


def _depth(a: Arrays, figure: Figure) -> None:
    figure.set_size_inches(9.5, 3.9)
    ratio, length = figure.subplots(1, 2)
    for i, budget in enumerate(np.unique(a["budget"])):
        chosen = a["budget"] == budget
        place = np.broadcast_to(a["layers"][:, None] + 0.22 * (i - 1), chosen.shape)[chosen]
        units = np.broadcast_to(a["units"][:, None], chosen.shape)[chosen]
        measured = a["measured"][chosen]
        label = f"{budget:g} nat"
        ratio.plot(
            place, a["predicted"][chosen] / measured, "o", color=_colour(i), ms=2.2, label=label
        )
        length.plot(place, np.abs(measured) / units, "o", color=_colour(i), ms=2.2, label=label)
    ratio.axhline(1, color=GREY, lw=0.8)
    ratio.set(ylabel="predicted / true α", title="α of a KL budget, from one derivative at 0")
    length.set_yscale("log")
    length.set(ylabel="|α v| / |h|", title="how long the steering then is, against the state")
    for ax in (ratio, length):
        ax.set_xlabel("block")
        ax.legend(fontsize=7)
    _frame(figure, f"{a['model']}, concept “{a['concept']}”: one derivative at every block")


def _panels(a: Arrays, figure: Figure) -> None:
    panels, wide = _numbered(a), int(a["columns"])
    figure.set_size_inches(max(5.2, 4.4 * wide), 0.9 + 3.1 * -(-len(panels) // wide))
    axes = figure.subplots(-(-len(panels) // wide), wide, squeeze=False)
    for panel, ax in zip(panels, axes.flat, strict=True):
        _panel(panel, ax)
    _frame(figure, str(a["title"]), _PANELS)


def _panel(p: Arrays, ax: Axes) -> None:
    alphas = p["alphas"]
    sign = 1 if alphas[-1] > 0 else -1
    edge = sign * float(np.abs(alphas).max())
    unit = min(1.0, abs(edge) / 50)
    # A bar of constant width on the asinh axis, at the far end.
    start = sign * unit * np.sinh(0.955 * np.arcsinh(abs(edge) / unit))
    spline = CubicSpline(np.arcsinh(alphas / unit), p["measured"])
    inner = np.arcsinh(alphas[[0, -1]] / unit)
    dense = unit * np.sinh(np.linspace(inner[0], inner[1], 400))
    # Where alpha v is shorter than h + R_inf the plateau says nothing yet.
    near_the_end = bool(np.isfinite(p["far"]).any())
    for i, text in enumerate(p["token_text"]):
        colour = _colour(i)
        ax.plot(dense, spline(np.arcsinh(dense / unit))[:, i], "-", color=colour, lw=2, alpha=0.2)
        ax.plot(alphas, p["measured"][:, i], "o", color=colour, ms=2.4, label=shown(text))
        ax.plot(alphas, p["near"][:, i], "--", color=colour, lw=1.0)
        ax.plot(alphas, p["far"][:, i], ":", color=colour, lw=1.3)
        ax.plot(alphas, p["exact"][:, i], "-", color=colour, lw=0.9)
        if near_the_end:
            ax.plot([start, edge], [p["plateau"][i]] * 2, "-", color=colour, lw=3, alpha=0.5)
        if "low" in p:
            ax.fill_between(alphas, p["low"][:, i], p["high"][:, i], color=colour, alpha=0.15, lw=0)
    _stretch(ax, alphas, unit)
    ax.set_ylabel("Δp(z | α)")
    ax.set_title(shown(str(p["panel_title"]), 90), fontsize=8)
    ax.legend(fontsize=6, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _cross_entropy(a: Arrays, figure: Figure) -> None:
    figure.set_size_inches(6.4, 4.4)
    curves, ax = _numbered(a), figure.subplots()
    top = max(float(c["measured"].max()) for c in curves)
    bottom = min(float(c["measured"].min()) for c in curves)
    dense = np.linspace(-8, 8, 801)
    for i, c in enumerate(curves):
        colour = _colour(i)
        ax.plot(c["alphas"], c["measured"], "-", color=colour, lw=2.2, alpha=0.18)
        ax.plot(c["alphas"], c["measured"], "o", color=colour, ms=2.8, label=f"block {c['layer']}")
        parabola = c["slope"] * dense + 0.5 * c["curvature"] * dense**2
        shown = (parabola <= 0.5 * top) & (parabola >= bottom - 0.05 * top)
        ax.plot(dense, np.where(shown, parabola, np.nan), "--", color=colour, lw=1.0)
        _bars(ax, c["alphas"], c["plateau"], colour)
    _stretch(ax, curves[0]["alphas"], 1.0)
    ax.set_ylabel("Δ cross-entropy (nats per token)")
    ax.legend(fontsize=7)
    _frame(figure, str(a["title"]), _ENTROPY)


def _concept(a: Arrays, figure: Figure) -> None:
    curves = _numbered(a)
    figure.set_size_inches(3.6 * len(curves), 3.7)
    axes = figure.subplots(1, len(curves), squeeze=False, sharey=True)[0]
    shown = [np.concatenate([c["measured"], c["tilt"], c["plateau"]]) for c in curves]
    top = 1.15 * max(float(np.nanmax(values)) for values in shown)
    for i, (c, ax) in enumerate(zip(curves, axes, strict=True)):
        colour = _colour(i)
        ax.plot(c["alphas"], c["measured"], "o", color=colour, ms=2.8, label="measured")
        ax.plot(c["alphas"], c["tilt"], "--", color=colour, lw=1.1, label="tilt by M_loc")
        ax.plot(c["alphas"], c["sigmoid"], "-.", color=GREY, lw=0.9, label="expit(r + να)")
        if np.isfinite(c["exact"]).any():
            ax.plot(c["alphas"], c["exact"], "-", color=colour, lw=1, label="closed form")
        _bars(ax, c["alphas"], c["plateau"], colour)
        _stretch(ax, c["alphas"], 1.0)
        ax.set_ylim(-0.02 * top, top)
        ax.set_title(f"block {c['layer']}", fontsize=8)
        ax.legend(fontsize=6, loc="upper left")
    axes[0].set_ylabel("F_T, mean over contexts")
    _frame(figure, str(a["title"]), _CONCEPT)


def _score(a: Arrays, figure: Figure) -> None:
    figure.set_size_inches(6.0, 3.9)
    ax, colour = figure.subplots(), _colour(0)
    ax.errorbar(
        a["alphas"], a["measured"], a.get("error"), fmt="o", color=colour, ms=3, lw=0.8,
        label=f"measured, block {a['layer']}",
    )  # fmt: skip
    if "dense" in a:
        ax.plot(a["dense"], a["predicted"], "--", color=colour, lw=1.1, label="predicted")
        _bars(ax, a["alphas"], a["plateau"], colour)
    if "slope" in a:
        # A wedge through the unsteered score, over a tenth of what a score can change by.
        (slope, spread), middle = a["slope"], a["measured"][a["alphas"].size // 2]
        reach = 0.1 / max(abs(slope) + 2 * spread, 0.01)
        x = np.array([-reach, 0.0, reach])
        low, high = ((slope + s * 2 * spread) * x + middle for s in (-1, 1))
        ax.fill_between(x, low, high, color=colour, alpha=0.25, lw=0, label="slope at 0")
    _stretch(ax, a["alphas"], 1.0)
    ax.set_ylabel(shown(str(a["name"]), 60))
    ax.legend(fontsize=7)
    _frame(figure, str(a["title"]), f"{_CAVEAT} {shown(str(a['caption']), 600)}")


def _texts(a: Arrays, figure: Figure) -> None:
    panels = _numbered(a)
    figure.set_size_inches(4.4 * len(panels), 3.7)
    for i, (p, ax) in enumerate(zip(panels, figure.subplots(1, len(panels), squeeze=False)[0],
                                    strict=True)):  # fmt: skip
        per, colour = int(a["tokens"]), _colour(i)
        low, high = ((p["predicted"] + s * 2 * p["error"]) / per for s in (-1, 1))
        ax.plot(p["alphas"], p["predicted"] / per, "-", color=colour, lw=1.1, label="predicted")
        ax.fill_between(p["alphas"], low, high, color=colour, alpha=0.15, lw=0)
        ax.errorbar(p["alphas"], p["measured"] / per, 2 * p["noise"] / per, fmt="o", color=colour,
                    ms=3, lw=0.8, label="texts generated there")  # fmt: skip
        ax.set(xlabel="α", ylabel="KL(steered ‖ base) per token (nats)", title=str(p["site"]))
        ax.legend(fontsize=7)
    caption = "Predicted from one set of unsteered texts; bands and bars: two Monte Carlo errors."
    _frame(figure, str(a["title"]), caption)


def _advice(a: Arrays, figure: Figure) -> None:
    figure.set_size_inches(6.4, 5.2)
    effect, price = figure.subplots(2, 1, sharex=True)
    for ax, name, demanded in ((effect, "effect", "level"), (price, "price", "budget")):
        for i in range(a[name].shape[1]):
            ax.plot(a["alphas"], a[name][:, i], color=_colour(i), lw=1.3)
        if np.isfinite(a[demanded]):
            ax.axhline(float(a[demanded]), color=GREY, lw=0.9, ls="--")
        if np.isfinite(a["low"]):
            last = a["alphas"][-1]
            ax.axvspan(float(a["low"]), float(np.clip(a["high"], -abs(last), abs(last))),
                       color=GREY, alpha=0.15, lw=0)  # fmt: skip
    effect.set_ylabel("probability of the target, F_T")
    effect.set_ylim(0, None)
    price.set(xlabel="steering strength α", ylabel="KL(p₀ ‖ p_α) (nats)")
    price.set_ylim(0, None)
    _frame(figure, str(a["words"]))


STEMS: dict[str, Callable[[Arrays, Figure], None]] = {
    "final_norm": _final_norm,
    "laws": _laws,
    "laws_depth": _depth,
    "laws_texts": _texts,
    "advice": _advice,
    "paper_bumps": _panels,
    "paper_negative": _panels,
    "paper_last_position": _panels,
    "paper_negatives": _panels,
    "paper_bootstrap": _panels,
    "paper_normalised": _panels,
    "paper_one_layer": _panels,
    "paper_cross_entropy": _cross_entropy,
    "paper_concept": _concept,
    "paper_judge": _score,
    "paper_benchmark": _score,
}
