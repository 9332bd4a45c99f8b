"""The sign of M in contexts that mix concepts, token by token (`mixed-contexts`).

P has a pure context of T and a pure one of the other concept; both contexts of N have the weight w
on T. Where w lies between the conditions the sign of M differs inside T: it flips at a weight that
depends on a_z/b_z.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from steering_strength.figures.store import Record
from steering_strength.figures.style import (
    BLUE,
    GREY,
    Artists,
    label_ends,
    law_and_rings,
    no_artists,
)
from steering_strength.theory import ConceptDataset, UnconstrainedFeatures
from steering_strength.theory.model.mixed import mixed_log_odds


def curves() -> Record:
    """Four tokens of T with a/b = 2, 5, 20 and 100, and one of another concept; 101 weights.

    M(z) of the tokens of T against the weight of N on T.

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
    artists = no_artists()
    band: dict[str, Any] = {"color": GREY, "alpha": 0.18, "linewidth": 0, "zorder": 0}
    artists["between"].append(ax.axvspan(record.flips.min(), record.flips.max(), **band))
    mark: dict[str, Any] = {
        "marker": "D",
        "markersize": 5,
        "color": BLUE,
        "zorder": 6,
        "linestyle": "none",
    }
    for z, opacity in enumerate(np.linspace(0.4, 1.0, record.ratio.size)):
        look = {"color": BLUE, "alpha": opacity}
        law_and_rings(
            artists, ax, record.weight, record.law[:, z], record.simulated[:, z], look, 10
        )
        artists["flips"] += ax.plot(record.flips[z], 0.0, **mark)
    ax.axhline(0.0, color="#8A8A8A", linewidth=0.8, zorder=1)
    ax.set_xlim(0.0, 1.0)
    ax.set_xlabel(r"weight of both contexts of $N$ on the concept $T$  (those of $P$: 1 and 0)")
    ax.set_ylabel(r"log-odds $M(z)$ of tokens of $T$  (nats per unit $\alpha$)")
    ax.set_title("shaded: signs differ inside one concept; rings: simulated model")
    label_ends(
        ax,
        [
            (f"a/b = {ratio:g}", float(height), BLUE)
            for ratio, height in zip(record.ratio, record.law[-1], strict=True)
        ],
    )
    return artists
