"""One figure: measured points of the hooked forward passes on the curves that the law predicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import expit

from steering_strength.proofs_check.bridge.measure.final_norm import FinalNormSweep
from steering_strength.proofs_check.bridge.measure.measured_peaks import MeasuredPeak
from steering_strength.proofs_check.bridge.steering.setting import Setting
from steering_strength.theory.files import write_whole

__all__ = ["COLOURS", "FinalNormFigure", "curves_of", "draw", "save", "save_figure"]

# Okabe and Ito's eight colours, distinguishable with any colour vision.
COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#D55E00",
    "#56B4E9",
    "#7F7F3F",
    "#000000",
)
_DENSE = 4


@dataclass(frozen=True)
class FinalNormFigure:
    """The arrays behind the figure, and nothing else.

    Parameters
    ----------
    model, concept, context : str
        For the titles.
    token_text : tuple of str
        k labels.
    alphas : numpy.ndarray
        Shape (A,), where the forward passes were made.
    dense : numpy.ndarray
        Shape (D,), where the law is drawn.
    token_predicted : numpy.ndarray
        Shape (D, k), p_alpha of the tokens of one context.
    token_measured : numpy.ndarray
        Shape (A, k).
    peak_alpha, peak_height : numpy.ndarray
        Measured peaks of the bracketed tokens and their probabilities, shape (n,).
    concept_predicted, concept_measured : numpy.ndarray
        F_T of every context, shapes (D, m) and (A, m).
    ce_predicted, ce_measured, ce_quadratic : numpy.ndarray
        Mean over contexts of KL(p_0 || p_alpha) in nats, shapes (D,), (A,), (D,).
    error, rounding : numpy.ndarray
        Shape (A,): worst |predicted - measured| log p, and the bound of its rounding.
    """

    model: str
    concept: str
    context: str
    token_text: tuple[str, ...]
    alphas: NDArray[np.float64]
    dense: NDArray[np.float64]
    token_predicted: NDArray[np.float64]
    token_measured: NDArray[np.float64]
    peak_alpha: NDArray[np.float64]
    peak_height: NDArray[np.float64]
    concept_predicted: NDArray[np.float64]
    concept_measured: NDArray[np.float64]
    ce_predicted: NDArray[np.float64]
    ce_measured: NDArray[np.float64]
    ce_quadratic: NDArray[np.float64]
    error: NDArray[np.float64]
    rounding: NDArray[np.float64]


def curves_of(
    setting: Setting, curves: FinalNormSweep, peaks: Sequence[MeasuredPeak], context: int
) -> FinalNormFigure:
    """Evaluate the law densely between the measured points."""
    reach = float(curves.alphas[-1])
    dense = np.linspace(-reach, reach, _DENSE * (curves.alphas.size - 1) + 1)
    tokens = curves.tokens[context]
    families = [setting.family(j) for j in range(setting.batch.rows)]
    shown_family = families[context]
    # K is needed once for all tokens: V of them at every dense alpha would take a minute.
    log_p = (
        shown_family.log_p[tokens]
        + np.outer(dense, shown_family.log_odds[tokens])
        - shown_family.cgf(dense)[:, None]
    )
    logits = np.stack([f.concept_log_odds(setting.words, dense) for f in families], axis=1)
    divergence = np.mean([f.cross_entropy_increase(dense) for f in families], axis=0)
    variance = float(np.mean([float(f.variance(0.0)) for f in families]))
    shown = [p for p in peaks if p.context == context and np.isfinite(p.alpha)]
    return FinalNormFigure(
        model=setting.loaded.label,
        concept=setting.concept.name,
        context=setting.concept.contexts[context],
        token_text=tuple(setting.token_text(t) for t in tokens),
        alphas=curves.alphas,
        dense=dense,
        token_predicted=np.exp(log_p),
        token_measured=np.exp(curves.measured[:, context]),
        peak_alpha=np.array([p.alpha for p in shown]),
        peak_height=np.exp([p.log_height for p in shown]),
        concept_predicted=expit(logits),
        concept_measured=expit(curves.concept_measured),
        ce_predicted=divergence,
        ce_measured=curves.divergence_measured.mean(axis=1),
        ce_quadratic=0.5 * variance * dense**2,
        error=curves.error.max(axis=1),
        rounding=np.array([setting.rounding(float(a)) for a in curves.alphas]),
    )


def draw(record: FinalNormFigure, figure: Figure) -> Any:
    """Draw the four panels into an empty figure and return its axes, shape (2, 2)."""
    axes = figure.subplots(2, 2)
    _draw_tokens(record, axes[0, 0])
    _draw_concept(record, axes[0, 1])
    _draw_cross_entropy(record, axes[1, 0])
    _draw_error(record, axes[1, 1])
    for ax in axes.flat:
        ax.set_xlabel("steering strength α")
        ax.spines[["top", "right"]].set_visible(False)
    figure.suptitle(
        f"{record.model}, concept “{record.concept}”, steered at the output of the final norm:"
        " points measured, lines predicted with no free parameter",
        fontsize=10,
    )
    return axes


def _draw_tokens(record: FinalNormFigure, ax: Any) -> None:
    for index, text in enumerate(record.token_text):
        colour = COLOURS[index % len(COLOURS)]
        ax.plot(record.dense, record.token_predicted[:, index], color=colour, lw=1.2, label=text)
        ax.plot(record.alphas, record.token_measured[:, index], "o", color=colour, ms=2.6)
    ax.plot(record.peak_alpha, record.peak_height, "v", color="black", ms=4, label="measured peak")
    ax.set_ylabel("next-token probability")
    ax.set_title(f"“{record.context} …”", fontsize=9)
    ax.legend(fontsize=6.5, frameon=False)


def _draw_concept(record: FinalNormFigure, ax: Any) -> None:
    for index in range(record.concept_measured.shape[1]):
        colour = COLOURS[index % len(COLOURS)]
        ax.plot(record.dense, record.concept_predicted[:, index], color=colour, lw=0.9)
        ax.plot(record.alphas, record.concept_measured[:, index], "o", color=colour, ms=2.2)
    ax.set_ylabel("probability of the concept's words, F")
    ax.set_title("every context", fontsize=9)


def _draw_cross_entropy(record: FinalNormFigure, ax: Any) -> None:
    ax.plot(record.dense, record.ce_quadratic, "--", color="0.55", lw=1, label="½ Var(M) α²")
    ax.plot(record.dense, record.ce_predicted, color=COLOURS[0], lw=1.2, label="K(α) - α K'(0)")
    ax.plot(record.alphas, record.ce_measured, "o", color=COLOURS[0], ms=2.6, label="measured")
    ax.set_ylim(0, 1.15 * float(record.ce_measured.max()))
    ax.set_ylabel("KL(p₀ ‖ p_α), mean over contexts (nats)")
    ax.set_title("increase of the cross-entropy", fontsize=9)
    ax.legend(fontsize=7, frameon=False)


def _draw_error(record: FinalNormFigure, ax: Any) -> None:
    # An error of exactly 0 (at alpha = 0, say) has no logarithm; it is left out, not floored.
    positive = record.error > 0
    ax.semilogy(
        record.alphas[positive], record.error[positive], "o", color=COLOURS[0], ms=2.6,
        label="max over contexts and tokens",
    )  # fmt: skip
    ax.semilogy(record.alphas, record.rounding, "--", color="0.55", lw=1, label="rounding bound")
    ax.set_ylabel("|predicted - measured| log p (nats)")
    ax.set_title("deviation from the law", fontsize=9)
    ax.legend(fontsize=7, frameon=False)


def save(record: FinalNormFigure, folder: Path, stem: str = "final_norm") -> tuple[Path, ...]:
    """Write `stem`.png, .pdf and .npz into `folder`, each whole or not at all."""
    return save_figure(lambda figure: draw(record, figure), vars(record), folder, stem)


def save_figure(
    draw_into: Callable[[Figure], Any],
    arrays: Mapping[str, Any],
    folder: Path,
    stem: str,
    size: tuple[float, float] = (10.5, 7.2),
) -> tuple[Path, ...]:
    """Draw, and write the picture twice and the arrays behind it once."""
    # The Agg canvas directly: no global pyplot state, no display needed.
    with mpl.rc_context({"font.size": 8, "pdf.fonttype": 42}):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        draw_into(figure)
        paths = [
            write_whole(folder / f"{stem}.{ending}", lambda path: figure.savefig(path, dpi=160))
            for ending in ("png", "pdf")
        ]
    plain = {name: np.asarray(value) for name, value in arrays.items()}

    def write_arrays(path: Path) -> None:
        np.savez(path, allow_pickle=False, **plain)

    paths.append(write_whole(folder / f"{stem}.npz", write_arrays))
    return tuple(paths)
