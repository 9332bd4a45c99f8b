"""The theory in one picture: a token bumps, a concept saturates, the price is a bowl.

Three panels over the same dataset and steering vector, from `peaks`, `concept` and
`cross_entropy`; the README shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.artist import Artist
from matplotlib.axes import Axes

from steering_strength.figures import concept, cross_entropy, peaks
from steering_strength.figures.instances import Example

__all__ = ["Overview", "curves", "draw"]


@dataclass(frozen=True)
class Overview:
    """The records of the three panels; see the modules of the same names."""

    tokens: peaks.TokenCurves
    concepts: concept.ConceptCurves
    cross_entropy: cross_entropy.CrossEntropyCurves

    @property
    def deviation(self) -> float:
        """The largest deviation between law and simulation in the three panels."""
        return max(self.tokens.deviation, self.concepts.deviation, self.cross_entropy.deviation)


def curves(example: Example | None = None) -> Overview:
    """Tokens and concepts in a context of the third concept, cross-entropy over all contexts."""
    return Overview(
        tokens=peaks.curves(-6.0, 16.0, context="φχψ", example=example),
        concepts=concept.curves(example=example),
        cross_entropy=cross_entropy.curves(example=example),
    )


def draw(record: Overview, axes: Sequence[Axes]) -> dict[str, list[Artist]]:
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
