"""Whole texts: every strength from one set of unsteered texts, and the price that falls again.

Left, the laws as a user meets them: 300 texts drawn without steering, the two divergences for all
strengths with two standard errors, and beside them the truth, all 729 texts of the simulated model
with their steered probabilities. Right, a small tree on which
KL(P_alpha || P_0) falls where steering grows: a budget has three roots.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from steering_strength.figures.instances import FloatArray
from steering_strength.figures.store import Record
from steering_strength.figures.style import GREY, INK, Artists, Panel
from steering_strength.theory.model.sequences import SequenceFeatures

_TEXTS, _SEED, _LENGTH, _TOKENS = 300, 4, 6, 3
_RINGS = 10  # every tenth strength is simulated
# Rows of tenths: the first token, then after each of the three; P and N. The smallest such tree has
# rows of eighths (`steering-strength errata`), but falls by no more than is seen through a lens.
_FALLING = np.array([[1, 4, 5], [8, 1, 1], [1, 8, 1], [8, 1, 1], [1, 2, 7], [5, 1, 4]]) / 10.0


def curves() -> Record:
    """Divergences of whole texts, nats; 0 is KL(P_0 || P_alpha), 1 is KL(P_alpha || P_0).

    Returns
    -------
    estimate, error : (2, A)
        From the unsteered texts, and one standard error.
    size : (A,)
        Share of the texts that counts at alpha, in (0, 1].
    rings : (R,)
        Strengths at which the model was steered.
    simulated : (2, R)
        Over all texts of the steered model.
    worst : float
        Largest |estimate - simulated|, in standard errors.
    tree_alpha : (B,)
    law, tree_simulated : (2, B)
        Both divergences of the small tree, and the same from its steered model.
    deviation : float
        max |law - tree_simulated|, nats.
    """
    rng = np.random.default_rng(_SEED)
    prefixes = (_TOKENS**_LENGTH - 1) // (_TOKENS - 1)
    rows = rng.dirichlet(np.full(_TOKENS, 1.5), size=prefixes) * 0.97 + 0.01
    model = SequenceFeatures.tree(rows, rng)
    vector = model.steering_vector([1], [3])
    alpha = np.linspace(-1.5, 1.5, 6 * _RINGS + 1)
    drawn = model.observed(model.sample(_TEXTS, _LENGTH, rng, vector), vector)
    found = np.array([drawn.cross_entropy_increase(alpha), drawn.reverse_kl(alpha)])
    simulated = _simulated(model, vector, alpha[::_RINGS])
    estimate, error = found[:, 0], found[:, 1]
    misses = np.abs(estimate[:, ::_RINGS] - simulated) / np.maximum(error[:, ::_RINGS], 1e-12)

    tree = SequenceFeatures.tree(_FALLING[:4], rng, others=_FALLING[4:])
    steer = tree.steering_vector([4], [5])
    strengths = np.linspace(0.0, 30.0, 151)
    law = _listed(tree, steer, strengths)
    tree_simulated = _simulated(tree, steer, strengths)
    return Record(
        alpha=alpha,
        estimate=estimate,
        error=error,
        size=drawn.effective_sample_size(alpha) / drawn.count,
        rings=alpha[::_RINGS],
        simulated=simulated,
        worst=float(misses.max()),
        tree_alpha=strengths,
        law=law,
        tree_simulated=tree_simulated,
        deviation=float(np.abs(law - tree_simulated).max()),
    )


def _listed(model: SequenceFeatures, vector: FloatArray, alpha: FloatArray) -> FloatArray:
    """Both divergences by the engine, from all texts with their unsteered probabilities, (2, A)."""
    paths = model.all_texts(2)
    share = np.exp(model.text_log_probability(paths, vector))
    texts = model.observed(paths, vector, share / share.sum())
    return np.array([texts.cross_entropy_increase(alpha)[0], texts.reverse_kl(alpha)[0]])


def _simulated(model: SequenceFeatures, vector: FloatArray, alpha: FloatArray) -> FloatArray:
    """Both divergences over all texts of the steered model, (2, A)."""
    paths = model.all_texts(_LENGTH)
    before = model.text_log_probability(paths, vector)
    result = []
    for strength in alpha:
        after = model.text_log_probability(paths, vector, float(strength))
        result.append((np.exp(before) @ (before - after), np.exp(after) @ (after - before)))
    return np.array(result).T


def draw(record: Record, axes: Sequence[Axes]) -> Artists:
    """Lines: from unsteered texts; bands: two standard errors; rings: the steered model."""
    left, right = Panel.row(axes)
    alpha, rings = record.alpha, {"clip_on": True}
    # Prices are drawn in ink; the reverse one is dashed.
    for k, (name, colour, dashes, share, shift, align) in enumerate(
        (
            (r"KL$(P_0\,\|\,P_\alpha)$", INK, "-", 0.72, (-8, 4), "right"),
            (r"KL$(P_\alpha\,\|\,P_0)$", GREY, (0, (6, 1.6)), 0.55, (10, -10), "left"),
        )
    ):
        value, twice = record.estimate[k], 2 * record.error[k]
        seen = record.tree_simulated[k, ::_RINGS]
        left.line("law", alpha, value, colour, linestyle=dashes)
        left.band("band", alpha, value - twice, value + twice, colour)
        left.rings(record.rings, record.simulated[k], colour, **rings)
        right.line("law", record.tree_alpha, record.law[k], colour, linestyle=dashes)
        right.rings(record.tree_alpha[::_RINGS], seen, colour, **rings)
        at = share * float(alpha[-1])
        point = (at, float(np.interp(at, alpha, value)))
        left.label(name, point, shift, color=colour, ha=align, bbox=None)
    left.strengths(alpha)
    left.ax.set_title(f"{_TEXTS} unsteered texts; rings: steered model")
    text = f"{round(_TEXTS * record.size[0])} of {_TEXTS} texts\ncount here"
    end = (float(alpha[0]), float(record.estimate[1, 0]))
    left.label(text, end, (8, -140), color=GREY, bbox=None)
    _roots(record, right)
    for ax in axes:
        ax.set_ylabel("divergence of a text  (nats)")
    return left.artists


def _roots(record: Record, panel: Panel) -> None:
    """A budget between the trough of the reverse divergence and the peak before it."""
    alpha, reverse = record.tree_alpha, record.law[1]
    trough = int(np.flatnonzero(np.diff(reverse) < 0)[-1]) + 1
    level = 0.5 * float(reverse[trough] + reverse[:trough].max())
    panel.strengths(alpha)
    panel.level("budget", level)
    at = alpha[np.flatnonzero(np.diff(np.sign(reverse - level)))]
    panel.peaks("roots", at, np.full(at.size, level), INK)
    text = f"a budget of {level:.2f} nats: {at.size} roots"
    panel.label(text, (float(alpha[-1]), level), (-4, -18), color=GREY, ha="right")
    panel.ax.set_ylim(0.0, 1.25 * float(reverse.max()))
    panel.ax.set_title("two tokens: the reverse price falls again")
