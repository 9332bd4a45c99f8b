"""The sign of M in contexts that mix concepts, token by token.

P has a pure context of T and a pure one of the other concept; both contexts of N have the weight w
on T. Where w lies between the conditions the sign of M differs inside T: it flips at a weight that
depends on a_z/b_z.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from steering_strength.figures.store import Record
from steering_strength.figures.style import BLUE, GREY, Artists, Panel
from steering_strength.theory import ConceptDataset, UnconstrainedFeatures
from steering_strength.theory.model.mixed import mixed_log_odds


def curves() -> Record:
    """M(z) of four tokens of T against the weight of N on T; 101 weights.

    Returns
    -------
    weight : (A,)
    ratio : (V,)
        a_z/b_z of the tokens of T.
    law, simulated : (A, V)
        M by the weights alone; and W v of an interpolating model, up to the constant that logits
        leave open, which is taken from the token of the other concept. Nats per unit alpha.
    flips : (V,)
        The weight at which each sign flips: (sqrt(r) - 1)/(r - 1), r = a_z/b_z.
    """
    ratio = np.array([2.0, 5.0, 20.0, 100.0])
    # b_z = g_z (1 - B)/(r - 1) with equal gap weights: all tokens of T gain as much.
    labels = np.array([0, 0, 0, 0, 1])
    gaps = np.array([0.25, 0.25, 0.25, 0.25, 1.0])
    shares = gaps / (np.append(ratio, 10.0) - 1.0)
    b = shares / (1.0 + shares.sum())
    a = b + (1.0 - b.sum()) * gaps
    weight, law, simulated = np.linspace(0.0, 1.0, 101), [], []
    for k, w in enumerate(weight):
        mixture = [[1.0, 0.0], [0.0, 1.0], [w, 1.0 - w], [w, 1.0 - w]]
        M = mixed_log_odds(a, b, labels, mixture, [0, 1], [2, 3])
        data = ConceptDataset.mixed(b, gaps, labels, mixture)
        ufm = UnconstrainedFeatures.interpolating(data, k)
        seen = ufm.W @ (ufm.H[:, :2].mean(axis=1) - ufm.H[:, 2:].mean(axis=1))
        law.append(M[:-1])
        simulated.append(seen[:-1] - seen[-1] + M[-1])
    return Record(
        weight=weight,
        ratio=ratio,
        law=np.array(law),
        simulated=np.array(simulated),
        flips=(np.sqrt(ratio) - 1.0) / (ratio - 1.0),
    )


def draw(record: Record, ax: Axes) -> Artists:
    """A line for each token, a mark where its sign flips, shaded where the signs differ."""
    panel = Panel(ax)
    flips = record.flips
    panel.span("between", flips.min(), flips.max(), GREY, 0.18)
    diamond = {"marker": "D", "markersize": 5, "zorder": 6, "linestyle": "none"}
    for z, opacity in enumerate(np.linspace(0.4, 1.0, record.ratio.size)):
        law, seen = record.law[:, z], record.simulated[:, z]
        panel.both(record.weight, law, seen, BLUE, 10, alpha=opacity)
        panel.plot("flips", flips[z], 0.0, BLUE, **diamond)
    panel.zero()
    ax.set(
        xlim=(0.0, 1.0),
        xlabel=r"weight of both contexts of $N$ on the concept $T$  (those of $P$: 1 and 0)",
        ylabel=r"log-odds $M(z)$ of tokens of $T$  (nats per unit $\alpha$)",
        title="shaded: signs differ inside one concept; rings: simulated model",
    )
    ends = zip(record.ratio, record.law[-1], strict=True)
    panel.name_ends([(f"a/b = {ratio:g}", float(height), BLUE) for ratio, height in ends])
    return panel.artists
