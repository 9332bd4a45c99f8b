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

from steering_strength.proofs_check.bridge._old.anatomy import Anatomy, inspect_model
from steering_strength.proofs_check.bridge._old.corpus import text_windows
from steering_strength.proofs_check.bridge._old.encoding import word_tokens
from steering_strength.proofs_check.bridge._old.models import LoadedModel
from steering_strength.proofs_check.bridge._old.norms import FinalNorm, identify_norm
from steering_strength.proofs_check.bridge.concept_texts import ConceptTexts
from steering_strength.proofs_check.bridge.measure.scoring import Judge, KeywordJudge
from steering_strength.proofs_check.bridge.paper.concept_panel import concept_curve
from steering_strength.proofs_check.bridge.paper.entropy_panel import entropy_curve
from steering_strength.proofs_check.bridge.paper.panel_drawing import save_entropy, save_panels
from steering_strength.proofs_check.bridge.paper.panels import Panel, bump_panel, mean_and_band
from steering_strength.proofs_check.bridge.paper.score_drawing import save_concepts, save_score
from steering_strength.proofs_check.bridge.paper.score_figures import benchmark_score, judge_score
from steering_strength.proofs_check.bridge.progress import Progress, silent
from steering_strength.proofs_check.bridge.sites import Site
from steering_strength.proofs_check.bridge.steering.making import (
    difference_vectors,
    read_states,
    with_sampled_negatives,
)
from steering_strength.theory.errors import ShapeError, UnknownNameError

__all__ = ["FIGURES", "one_layer_figure", "paper_figures"]

FIGURES = {
    "bumps": "Fig. 6, A.7 to A.9: next-token probabilities, α from 0 to 200",
    "negative": "Fig. A.10: next-token probabilities, α from -200 to 0",
    "last-position": "Fig. A.2: all positions steered, and only the last",
    "negatives": "Fig. A.5: N of neutral texts (contrastive), and sampled from the model (random)",
    "bootstrap": "Fig. A.3: P and N resampled 12 times, mean and central 80 %",
    "normalised": "Fig. A.1: v of length 1, α to 2,000",
    "cross-entropy": "Fig. 7 bottom, A.13: cross-entropy on library text",
    "concept": "Fig. 7 top, A.11, A.12 from token sets: probability of the concept's words",
    "judge": "Fig. 7 top, A.11, A.12 from a judge of generated texts, middle block",
    "benchmark": "Fig. A.6 from a benchmark, middle block",
}
_RESAMPLINGS = 12
_CONTEXTS = 4
_EARLY, _MIDDLE, _LAST = range(3)


@dataclass(frozen=True, eq=False)
class _Ready:
    """A model, its vectors at three blocks, and what the makers need to know."""

    loaded: LoadedModel
    anatomy: Anatomy
    norm: FinalNorm
    concept: ConceptTexts
    sites: tuple[Site, ...]
    vectors: tuple[torch.Tensor, ...]
    units: tuple[float, ...]
    context: int
    windows: int
    seed: int
    judge: Judge
    benchmark: Callable[[Any, Any], float] | None
    progress: Progress

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
    judge: Judge | None = None,
    benchmark: Callable[[Any, Any], float] | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Path, ...]:
    """Draw the figures `names` for one model and concept; returns the files.

    Parameters
    ----------
    judge : callable, optional
        A text -> the probability that it shows the concept; by default whether a word of the
        concept occurs in it.
    benchmark : callable, optional
        (model, tokenizer) -> a score, called once under each steering; by default a four-way cloze
        on library text.

    Raises
    ------
    UnknownNameError
        A name is not in `FIGURES`.
    """
    for name in names:
        if name not in FIGURES:
            raise UnknownNameError("figure of the bridge", name, FIGURES)
    anatomy = inspect_model(loaded.model, seed=seed)
    if not anatomy.blocks:
        raise ShapeError(
            f"{loaded.label} has no chain of blocks that map states to states",
            remedy="only the final norm can be examined: use the job final-norm",
        )
    depth = len(anatomy.blocks)
    sites = tuple(Site(layer) for layer in (depth // 4, depth // 2, depth - 1))
    made = difference_vectors(loaded, anatomy, concept.positive, concept.neutral, sites)
    dtype = anatomy.unembedding.weight.dtype
    ready = _Ready(
        loaded=loaded,
        anatomy=anatomy,
        norm=identify_norm(anatomy, seed=seed),
        concept=concept,
        sites=sites,
        vectors=tuple(torch.as_tensor(vector.values).to(dtype) for vector, _ in made),
        units=tuple(vector.metadata.residual_norm / vector.metadata.norm for vector, _ in made),
        context=context,
        windows=windows,
        seed=seed,
        judge=judge or KeywordJudge(concept.words),
        benchmark=benchmark,
        progress=progress,
    )
    paths: list[Path] = []
    for number, name in enumerate(names, start=1):
        title = f"{loaded.label}, “{concept.name}”. {FIGURES[name]}"
        paths += _MAKERS[name](ready, title, folder, f"paper_{name.replace('-', '_')}")
        progress(f"figure {number} of {len(names)} drawn: {name}")
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


def _two_rows(
    ready: _Ready, wanted: Sequence[dict[str, Any]], title: str, folder: Path, stem: str
) -> tuple[Path, ...]:
    """The paper's range above, where alpha v is shorter than the state below."""
    panels = []
    for row in ("", ", |αv| ≤ |h|"):
        for how in wanted:
            given = {"which": _MIDDLE, "title": "", **how}
            given["title"] += row
            if row:
                given["reach"] = ready.units[given["which"]]
            panels.append(ready.panel(**given))
        ready.progress(f"{stem}{row or ', the paper’s range'}: measured")
    return save_panels(panels, title, folder, stem, columns=len(wanted))


def _bumps(ready: _Ready, title: str, folder: Path, stem: str) -> tuple[Path, ...]:
    return _two_rows(ready, [{"which": which} for which in range(3)], title, folder, stem)


def _negative(ready: _Ready, title: str, folder: Path, stem: str) -> tuple[Path, ...]:
    wanted = [{"which": which, "sign": -1} for which in range(3)]
    return _two_rows(ready, wanted, title, folder, stem)


def _last_position(ready: _Ready, title: str, folder: Path, stem: str) -> tuple[Path, ...]:
    wanted: list[dict[str, Any]] = [
        {"title": ", all positions"},
        {"title": ", last position only", "apply": "last"},
    ]
    return _two_rows(ready, wanted, title, folder, stem)


def _negatives(ready: _Ready, title: str, folder: Path, stem: str) -> tuple[Path, ...]:
    sampled = with_sampled_negatives(ready.loaded, ready.concept, seed=ready.seed).neutral
    wanted: list[dict[str, Any]] = [
        {"title": ", N of the concept file"},
        {"title": ", N sampled from the model", "vector": ready.against(sampled)},
    ]
    return _two_rows(ready, wanted, title, folder, stem)


def _normalised(ready: _Ready, title: str, folder: Path, stem: str) -> tuple[Path, ...]:
    vector = ready.vectors[_MIDDLE]
    length = float(vector.norm())
    panels = [
        ready.panel(_MIDDLE, f", |v| = 1{name}", vector / length, reach=reach)
        for name, reach in (("", 2000.0), (", |αv| ≤ |h|", ready.units[_MIDDLE] * length))
    ]
    return save_panels(panels, title, folder, stem)


def _bootstrap(ready: _Ready, title: str, folder: Path, stem: str) -> tuple[Path, ...]:
    """Resample P and N; the tokens are those of the vector of all texts."""
    rng = np.random.default_rng(ready.seed)
    both = [
        read_states(
            ready.loaded.model, ready.anatomy, ready.loaded.encode(texts),
            ready.sites[_MIDDLE:_LAST],
        )[0].mean
        for texts in (ready.concept.positive, ready.concept.neutral)
    ]  # fmt: skip
    drawn = []
    for name, reach in (("", 200.0), (", |αv| ≤ |h|", ready.units[_MIDDLE])):
        whole = ready.panel(_MIDDLE, name, reach=reach)
        panels = []
        for number in range(_RESAMPLINGS):
            plus, minus = (s[rng.integers(0, len(s), len(s))].mean(0) for s in both)
            panels.append(
                ready.panel(
                    _MIDDLE,
                    name,
                    plus - minus,
                    tokens=whole.tokens,
                    alphas=whole.alphas,
                    reach=reach,
                )
            )
            if number % 4 == 3:
                ready.progress(f"resampling {number + 1} of {_RESAMPLINGS}{name} measured")
        drawn.append(mean_and_band(panels, panels[0].title))
    return save_panels(drawn, title, folder, stem)


def _cross_entropy(ready: _Ready, title: str, folder: Path, stem: str) -> tuple[Path, ...]:
    batch = text_windows(
        ready.loaded.tokenizer, ready.windows, ready.loaded.window(64), seed=ready.seed
    )
    curves = []
    for vector, site in zip(ready.vectors, ready.sites, strict=True):
        curves.append(entropy_curve(ready.loaded, ready.anatomy, ready.norm, vector, site, batch))
        ready.progress(f"cross-entropy at {site.name} measured")
    return save_entropy(curves, title, folder, stem)


def _concept(ready: _Ready, title: str, folder: Path, stem: str) -> tuple[Path, ...]:
    encoded = ready.loaded.encode(ready.concept.contexts[:_CONTEXTS])
    contexts = [encoded.row(i) for i in range(encoded.rows)]
    words = np.array(
        word_tokens(ready.loaded.tokenizer, ready.concept.words, ready.anatomy.vocabulary)
    )
    curves = [
        concept_curve(
            ready.loaded, ready.anatomy, ready.norm, vector, site, contexts, words, half=14
        )
        for vector, site in zip(ready.vectors, ready.sites, strict=True)
    ]
    return save_concepts(curves, title, folder, stem)


def _judge(ready: _Ready, title: str, folder: Path, stem: str) -> tuple[Path, ...]:
    curve = judge_score(
        ready.loaded, ready.anatomy, ready.norm, ready.vectors[_MIDDLE], ready.sites[_MIDDLE],
        ready.concept, ready.judge, seed=ready.seed, progress=ready.progress,
    )  # fmt: skip
    return save_score(curve, title, folder, stem)


def _benchmark(ready: _Ready, title: str, folder: Path, stem: str) -> tuple[Path, ...]:
    batch = text_windows(
        ready.loaded.tokenizer, 2 * ready.windows, ready.loaded.window(64), seed=ready.seed
    )
    curve = benchmark_score(
        ready.loaded, ready.anatomy, ready.norm, ready.vectors[_MIDDLE], ready.sites[_MIDDLE],
        batch, ready.benchmark, seed=ready.seed, progress=ready.progress,
    )  # fmt: skip
    return save_score(curve, title, folder, stem)


_MAKERS: dict[str, Callable[[_Ready, str, Path, str], tuple[Path, ...]]] = {
    "bumps": _bumps,
    "negative": _negative,
    "last-position": _last_position,
    "negatives": _negatives,
    "bootstrap": _bootstrap,
    "normalised": _normalised,
    "cross-entropy": _cross_entropy,
    "concept": _concept,
    "judge": _judge,
    "benchmark": _benchmark,
}
