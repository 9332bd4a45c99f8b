"""The paper's real-model figures on the model at hand: qualitative, with every prediction drawn.

The authors' texts, contexts and layers are unpublished, so no figure can be pixel-identical; each
caption says so. Layers are a quarter, half, and the last of the depth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from proofs_check.bridge.anatomy import Anatomy, inspect_model
from proofs_check.bridge.concept_texts import ConceptTexts
from proofs_check.bridge.corpus import text_windows
from proofs_check.bridge.entropy_panel import entropy_curve
from proofs_check.bridge.making import difference_vectors, read_states, sample_texts
from proofs_check.bridge.models import LoadedModel
from proofs_check.bridge.norms import FinalNorm, identify_norm
from proofs_check.bridge.panel_drawing import save_entropy, save_panels
from proofs_check.bridge.panels import Panel, bump_panel, mean_and_band
from proofs_check.bridge.progress import Progress, silent
from proofs_check.bridge.sites import Site
from theory.errors import UnknownNameError

__all__ = ["FIGURES", "one_layer_figure", "paper_figures"]

FIGURES = {
    "bumps": "Fig. 6, A.7 to A.9: next-token probabilities, alpha from 0 to 200",
    "negative": "Fig. A.10: the same for alpha from -200 to 0, middle block",
    "last-position": "Fig. A.2: only the last position steered, middle block",
    "negatives": "Fig. A.5: N sampled from the model instead of neutral texts, middle block",
    "bootstrap": "Fig. A.3: five resamplings of P and N, middle block",
    "normalised": "Fig. A.1: v of length 1, alpha to 2,000, middle block",
    "cross-entropy": "Fig. 7 bottom, A.13: cross-entropy on library text",
}
_RESAMPLINGS = 5
_EARLY, _MIDDLE, _LAST = range(3)


@dataclass(frozen=True, eq=False)
class _Ready:
    """A model, its vectors at three blocks, and one context."""

    loaded: LoadedModel
    anatomy: Anatomy
    norm: FinalNorm
    concept: ConceptTexts
    sites: tuple[Site, ...]
    vectors: tuple[torch.Tensor, ...]
    context: int
    seed: int

    def panel(
        self, which: int, title: str, vector: torch.Tensor | None = None, **how: Any
    ) -> Panel:
        """A panel at one of the three blocks, with its own vector unless another is given."""
        batch = self.loaded.encode([self.concept.contexts[self.context]])
        v = self.vectors[which] if vector is None else vector
        site = self.sites[which]
        return bump_panel(
            self.loaded, self.anatomy, self.norm, v, site, batch,
            title=f"block {site.layer}{title}", **how,
        )  # fmt: skip

    def against(self, negative: Sequence[str]) -> torch.Tensor:
        """The middle block's vector with other negatives."""
        ((vector, _),) = difference_vectors(
            self.loaded, self.anatomy, self.concept.positive, negative, self.sites[_MIDDLE:_LAST]
        )
        return torch.as_tensor(vector.values).to(self.vectors[_MIDDLE].dtype)


def paper_figures(
    loaded: LoadedModel,
    concept: ConceptTexts,
    folder: Path,
    *,
    names: Sequence[str] = tuple(FIGURES),
    context: int = 0,
    windows: int = 4,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Path, ...]:
    """Draw the figures `names` for one model and concept; returns the files.

    Raises
    ------
    UnknownNameError
        A name is not in `FIGURES`.
    """
    for name in names:
        if name not in FIGURES:
            raise UnknownNameError("figure of the bridge", name, FIGURES)
    anatomy = inspect_model(loaded.model, seed=seed)
    depth = len(anatomy.blocks)
    sites = tuple(Site(layer) for layer in (depth // 4, depth // 2, depth - 1))
    made = difference_vectors(loaded, anatomy, concept.positive, concept.neutral, sites)
    dtype = anatomy.unembedding.weight.dtype
    vectors = tuple(torch.as_tensor(vector.values).to(dtype) for vector, _ in made)
    norm = identify_norm(anatomy, seed=seed)
    ready = _Ready(loaded, anatomy, norm, concept, sites, vectors, context, seed)
    paths: list[Path] = []
    for name in names:
        title = f"{loaded.label}, “{concept.name}”. {FIGURES[name]}"
        stem = f"paper_{name.replace('-', '_')}"
        if name == "cross-entropy":
            batch = text_windows(loaded.tokenizer, windows, 64, seed=seed)
            curves = [
                entropy_curve(loaded, anatomy, norm, vector, site, batch)
                for vector, site in zip(vectors, sites, strict=True)
            ]
            paths += save_entropy(curves, title, folder, stem)
        else:
            paths += save_panels(_MAKERS[name](ready), title, folder, stem)
        progress(f"{name} drawn")
    return tuple(paths)


def one_layer_figure(
    loaded: LoadedModel, concept: ConceptTexts, folder: Path, *, seed: int = 0
) -> tuple[Path, ...]:
    """Fig. A.4: the one-layer GPT, alpha from 0 to 50, two contexts."""
    anatomy = inspect_model(loaded.model, seed=seed)
    norm = identify_norm(anatomy, seed=seed)
    ((made, _),) = difference_vectors(
        loaded, anatomy, concept.positive, concept.neutral, (Site(0),), read="last"
    )
    vector = torch.as_tensor(made.values).to(anatomy.unembedding.weight.dtype)
    panels = [
        bump_panel(
            loaded,
            anatomy,
            norm,
            vector,
            Site(0),
            loaded.encode([text]),
            title=f"“… {' '.join(text.split()[-4:])}”",
            reach=50.0,
        )
        for text in concept.contexts[:2]
    ]
    title = f"{loaded.label}, “{concept.name}”. Fig. A.4: alpha from 0 to 50, its only block"
    return save_panels(panels, title, folder, "paper_one_layer")


def _bumps(ready: _Ready) -> list[Panel]:
    return [ready.panel(which, "") for which in (_EARLY, _MIDDLE, _LAST)]


def _negative(ready: _Ready) -> list[Panel]:
    return [ready.panel(which, "", sign=-1) for which in (_EARLY, _MIDDLE, _LAST)]


def _last_position(ready: _Ready) -> list[Panel]:
    return [
        ready.panel(_MIDDLE, ", all positions"),
        ready.panel(_MIDDLE, ", last position only", apply="last"),
    ]


def _negatives(ready: _Ready) -> list[Panel]:
    texts, _ = sample_texts(ready.loaded, len(ready.concept.neutral), 16, seed=ready.seed)
    return [
        ready.panel(_MIDDLE, ", neutral N"),
        ready.panel(_MIDDLE, ", N sampled from the model", ready.against(texts)),
    ]


def _normalised(ready: _Ready) -> list[Panel]:
    vector = ready.vectors[_MIDDLE]
    return [ready.panel(_MIDDLE, ", |v| = 1", vector / vector.norm(), reach=2000.0)]


def _bootstrap(ready: _Ready) -> list[Panel]:
    """Resample P and N; the tokens are those of the vector of all texts."""
    rng = np.random.default_rng(ready.seed)
    both = [
        read_states(
            ready.loaded.model,
            ready.anatomy,
            ready.loaded.encode(texts),
            ready.sites[_MIDDLE:_LAST],
        )[0].mean
        for texts in (ready.concept.positive, ready.concept.neutral)
    ]
    tokens = ready.panel(_MIDDLE, "").tokens
    panels = []
    for _ in range(_RESAMPLINGS):
        plus, minus = (s[rng.integers(0, len(s), len(s))].mean(0) for s in both)
        panels.append(ready.panel(_MIDDLE, "", plus - minus, tokens=tokens))
    return [mean_and_band(panels, f"{panels[0].title}, mean and sd of {_RESAMPLINGS}")]


_MAKERS: dict[str, Callable[[_Ready], list[Panel]]] = {
    "bumps": _bumps,
    "negative": _negative,
    "last-position": _last_position,
    "negatives": _negatives,
    "bootstrap": _bootstrap,
    "normalised": _normalised,
}
