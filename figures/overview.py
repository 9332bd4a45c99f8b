"""The theory in one picture: a token bumps, a concept saturates, the price is a bowl.

Three panels over the same dataset and steering vector, from `peaks`, `concept` and
`cross_entropy`; the README shows it.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from steering_strength.figures import concept, cross_entropy, peaks
from steering_strength.figures.store import Record
from steering_strength.figures.style import Artists


def curves() -> Record:
    """Tokens and concepts in a context of the third concept, cross-entropy over all contexts."""
    panels = {
        "tokens": peaks.curves(-6.0, 16.0, context="φχψ"),
        "concepts": concept.curves(),
        "cross_entropy": cross_entropy.curves(),
    }
    return Record(**panels, deviation=max(panel.deviation for panel in panels.values()))


def draw(record: Record, axes: Sequence[Axes]) -> Artists:
    """Draw the panels from left to right; artists as ``tokens.law`` and so on."""
    left, middle, right = axes
    drawn = {
        "tokens": peaks.draw(record.tokens, left, explain=False),
        "concepts": concept.draw(record.concepts, middle, explain=False),
        "cross_entropy": cross_entropy.draw(record.cross_entropy, right, explain=False),
    }
    left.set_title("tokens: one bump each")
    middle.set_title("concepts: up, down, or out")
    right.set_title("cross-entropy: the price")
    for ax in axes:
        ax.set_xlabel(r"steering strength $\alpha$")
    return {
        f"{panel}.{role}": found for panel, roles in drawn.items() for role, found in roles.items()
    }
