"""What one entry of the explorer's menu is: contexts, one steering direction, what to look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steering_strength.figures.instances import BoolArray, FloatArray
from steering_strength.theory import ConceptDataset, TiltedFamily

__all__ = ["Case", "View", "case_of_dataset"]


@dataclass(frozen=True)
class View:
    """A window of strengths: what it is called on the page, and its ends, low < 0 < high."""

    label: str
    low: float
    high: float


@dataclass(frozen=True)
class Case:
    """Contexts steered along one direction, with the words that go with them.

    Attributes
    ----------
    key, title : str
        A short name, and the entry of the menu.
    story : str
        What to look at, for a reader who has not read the paper.
    tokens : tuple of str, length V
    concept : (V,) int
        The concept of each token, an index of `concept_names`.
    concept_names : tuple of str, length G
    target : int
        The concept that is steered towards.
    log_odds : (V,)
        M(z), nats per unit of alpha.
    log_p : (m, V)
        log p(z|c_j), one normalised row per context; -inf where a row has no support.
    contexts : tuple of str, length m
    weights : (m,)
        pi_j, summing to 1.
    views : tuple of View
        Empty: chosen from the laws (`figures.explorer.nodes.views`).
    named : (V,) bool
        Tokens with a name of their own; the others only count as mass.
    note : str
        How exact the numbers are, where it is not the engine alone that decides.
    start : float
        Where the slider stands at first.
    """

    key: str
    title: str
    story: str
    tokens: tuple[str, ...]
    concept: np.ndarray
    concept_names: tuple[str, ...]
    target: int
    log_odds: FloatArray
    log_p: FloatArray
    contexts: tuple[str, ...]
    weights: FloatArray
    views: tuple[View, ...]
    named: BoolArray
    note: str = ""
    start: float = 0.0

    def family(self, context: int) -> TiltedFamily:
        """One context, steered."""
        return TiltedFamily(self.log_p[context], self.log_odds)

    def masks(self) -> BoolArray:
        """The tokens of each concept, shape (G, V)."""
        labels = np.arange(len(self.concept_names))
        return np.asarray(self.concept == labels[:, None])


def case_of_dataset(
    data: ConceptDataset,
    positive: tuple[int, ...],
    negative: tuple[int, ...],
    contexts: tuple[int, ...],
    *,
    key: str,
    title: str,
    story: str,
    views: tuple[View, ...] = (),
    target: int = 0,
) -> Case:
    """Some contexts of a dataset, steered by the difference of means of P and N (Def. 3.2).

    Weights are those of all contexts of the dataset with the same probabilities as the one shown,
    so that the average over `contexts` is that of the dataset if every row is represented.
    """
    rows = data.log_probabilities
    same = (rows[list(contexts)][:, None, :] == rows[None, :, :]).all(axis=2)
    weights = same @ data.context_weights
    names = data.concept_names or tuple(f"concept {c}" for c in range(data.concept_count))
    labels = data.context_names or tuple(
        f"context {j}, of {names[c]}" for j, c in enumerate(data.context_concept)
    )
    return Case(
        key=key,
        title=title,
        story=story,
        tokens=data.token_names or tuple(f"token {z}" for z in range(data.vocabulary_size)),
        concept=np.asarray(data.token_concept),
        concept_names=names,
        target=target,
        log_odds=data.log_odds(positive, negative),
        log_p=rows[list(contexts)],
        contexts=tuple(labels[j] for j in contexts),
        weights=weights / weights.sum(),
        views=views,
        named=np.ones(data.vocabulary_size, dtype=bool),
    )
