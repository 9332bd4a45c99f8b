"""The advisor's job on a model: read the vector, advise, print, write. It needs torch."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge._old.anatomy import Anatomy, inspect_model
from steering_strength.proofs_check.bridge._old.encoding import TokenBatch, encode, word_tokens
from steering_strength.proofs_check.bridge._old.models import LoadedModel, load_model
from steering_strength.proofs_check.bridge.advisor._old_advice.demand import Demand
from steering_strength.proofs_check.bridge.advisor._old_advice.ends import Namer
from steering_strength.proofs_check.bridge.advisor._old_advice.window import number
from steering_strength.proofs_check.bridge.advisor.advise import (
    advised_alpha,
    demands_of,
    report,
    usable,
    write_advice,
)
from steering_strength.proofs_check.bridge.advisor.export import AdvisedAlpha, export_vector
from steering_strength.proofs_check.bridge.advisor.input import target_tokens
from steering_strength.proofs_check.bridge.advisor.layers import rank_layers, ranking_text
from steering_strength.proofs_check.bridge.advisor.model import ModelAdvice, advise_model, direction
from steering_strength.proofs_check.bridge.advisor.samples import (
    FACTORS,
    Sampled,
    generate,
    write_page,
)
from steering_strength.proofs_check.bridge.concept_texts import ConceptTexts, load_concept
from steering_strength.proofs_check.bridge.progress import Clock
from steering_strength.proofs_check.bridge.sites import FINAL_NORM, Read, Site
from steering_strength.proofs_check.bridge.steering.importing import import_vector
from steering_strength.proofs_check.bridge.steering.making import difference_vectors, tokenizer_hash
from steering_strength.proofs_check.bridge.steering.vectors import SteeringVector
from steering_strength.theory.command_line import say
from steering_strength.theory.engine.validation import as_level
from steering_strength.theory.errors import ShapeError, SteeringSetError

__all__ = ["run"]

# A picture of a block in the middle is measured, too: so many strengths of one context.
_DRAWN = 25


def run(options: Namespace, clock: Clock) -> int:
    """0 if some alpha meets all demands, 1 if none does."""
    asked = {} if options.rank_layers else demands_of(options)
    as_share = (
        options.quantile if options.quantile == 1.0 else as_level(options.quantile, "quantile")
    )
    concept = load_concept(options.concept)
    texts = _contexts(options, concept)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    clock(f"loading {options.model!r} in {options.dtype} (a GGUF file takes half a minute)")
    loaded = load_model(options.model, options.dtype)
    anatomy = inspect_model(loaded.model, seed=options.seed)
    batch = encode(loaded.tokenizer, texts)
    if options.rank_layers:
        return _rank(options, loaded, anatomy, concept, batch, clock)
    vector = _vector(options, loaded, anatomy, concept)
    clock(
        f"{vector.site.name}: |v| = {vector.metadata.norm:.4g}; advising on {batch.rows} contexts"
    )
    target = _target(options, loaded, anatomy, concept, vector)
    demand = Demand.of(anatomy.vocabulary, target, plateau=0.01, **asked)

    def name(token: int) -> str:
        return repr(loaded.tokenizer.decode([token]))

    found = advise_model(
        loaded, anatomy, vector, batch, demand,
        quantile=as_share, name=name, seed=options.seed, progress=clock,
    )  # fmt: skip
    meta = found.vector.metadata
    say(report(found.advice, name, meta.norm, meta.residual_norm, options.max_activation))
    many = "a context" if batch.rows == 1 else f"{batch.rows} contexts"
    say(
        f"\n{found.passes:.3g} forward passes in {found.seconds:.1f} s for {many}; reading P and N"
        " is not counted"
    )
    paths = _written(options, loaded, anatomy, found, concept, batch, texts, name, clock)
    if paths:
        say("written: " + ", ".join(str(path) for path in paths))
    return 0 if usable(found.advice) else 1


def _contexts(options: Namespace, concept: ConceptTexts) -> list[str]:
    texts = list(concept.contexts)
    if options.context_texts:
        try:
            content = Path(options.context_texts).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SteeringSetError(
                f"cannot read {options.context_texts}: {error}", remedy="give a UTF-8 text file"
            ) from error
        texts = [line.strip() for line in content.splitlines() if line.strip()]
    if not texts:
        raise SteeringSetError("there is no context", remedy="give one context a line")
    return texts[: options.contexts]


def _vector(
    options: Namespace, loaded: LoadedModel, anatomy: Anatomy, concept: ConceptTexts
) -> SteeringVector:
    site = Site.parse(options.site) if options.site else None
    if not options.vector:
        chosen = site or FINAL_NORM
        # At the final norm the last position's states are what M is made of.
        read: Read = "last" if chosen.layer is None else options.read
        return difference_vectors(
            loaded, anatomy, concept.positive, concept.neutral, [chosen],
            read=read, apply=options.apply,
        )[0][0]  # fmt: skip
    vector = import_vector(Path(options.vector), site=site, model=loaded.label)
    vector.require(
        model=loaded.label,
        fingerprint=loaded.fingerprint,
        tokenizer=tokenizer_hash(loaded.tokenizer),
        width=anatomy.width,
    )
    vector.site.module(anatomy)
    return vector


def _target(
    options: Namespace,
    loaded: LoadedModel,
    anatomy: Anatomy,
    concept: ConceptTexts,
    vector: SteeringVector | None,
) -> NDArray[np.int64]:
    """T: ids, words (the concept's by default), or the largest entries of W v."""
    if options.tokens or options.largest:
        odds = np.zeros(anatomy.vocabulary)
        if options.largest and vector is not None:
            # At a block: the direction as the unembedding sees it, the same for all contexts.
            v = torch.as_tensor(vector.values).to(anatomy.unembedding.weight.dtype)
            odds = direction(anatomy, v)
        chosen = target_tokens(options.tokens, options.words, options.largest, odds, ())
        if chosen is not None:
            return chosen
    words = concept.words
    if options.words:
        words = tuple(word.strip() for word in options.words.split(",") if word.strip())
    return np.array(word_tokens(loaded.tokenizer, words, anatomy.vocabulary))


def _rank(
    options: Namespace,
    loaded: LoadedModel,
    anatomy: Anatomy,
    concept: ConceptTexts,
    batch: TokenBatch,
    clock: Clock,
) -> int:
    depth = len(anatomy.blocks)
    layers: Sequence[int] = range(depth)
    if options.rank_layers != "all":
        parts = [part.strip() for part in options.rank_layers.split(",")]
        if not all(part.isdigit() and int(part) < depth for part in parts):
            raise ShapeError(
                f"--rank-layers is {options.rank_layers!r}",
                remedy=f"give all, or blocks from 0 to {depth - 1} such as 7,15",
            )
        layers = [int(part) for part in parts]
    budget = options.budget if options.budget is not None else 0.5
    made = difference_vectors(
        loaded, anatomy, concept.positive, concept.neutral, [Site(layer) for layer in layers],
        read=options.read, apply=options.apply,
    )  # fmt: skip
    target = np.zeros(anatomy.vocabulary, dtype=bool)
    target[_target(options, loaded, anatomy, concept, None)] = True
    ranks = rank_layers(
        loaded, anatomy, [vector for vector, _ in made], batch, target, budget,
        sign=options.sign, measure=options.check_ranking, progress=clock,
    )  # fmt: skip
    say(ranking_text(ranks, budget))
    return 0


def _written(
    options: Namespace,
    loaded: LoadedModel,
    anatomy: Anatomy,
    found: ModelAdvice,
    concept: ConceptTexts,
    batch: TokenBatch,
    texts: Sequence[str],
    name: Namer,
    clock: Clock,
) -> tuple[Path, ...]:
    paths: tuple[Path, ...] = ()
    alpha = advised_alpha(found.advice)
    window = found.advice.window
    if options.out:
        folder = Path(options.out)
        paths += write_advice(found.advice, folder, _drawn(found, name), _about(options, found))
        if options.samples and math.isfinite(alpha):
            paths += _samples(options, loaded, anatomy, found, concept, batch, texts, alpha, clock)
        elif options.samples:
            clock(f"no texts are sampled: the advised alpha is {alpha}")
    # Last: it may have to say that there is nothing to export, and the rest is written by then.
    if options.export:
        advised = AdvisedAlpha(alpha, window.low.alpha, window.high.alpha, window.words)
        paths += export_vector(found.vector, advised, Path(options.export), concept.name)
    return paths


def _samples(
    options: Namespace,
    loaded: LoadedModel,
    anatomy: Anatomy,
    found: ModelAdvice,
    concept: ConceptTexts,
    batch: TokenBatch,
    texts: Sequence[str],
    alpha: float,
    clock: Clock,
) -> tuple[Path, ...]:
    samples = []
    for j, text in enumerate(texts):
        alphas = tuple(factor * alpha for factor in FACTORS)
        row = batch.row(j)
        words = generate(
            loaded, anatomy, found.vector, row, alphas, options.samples, seed=options.seed
        )
        own = found.advice.contexts[j].window
        note = f"its own window: {number(own.low.alpha)} to {number(own.high.alpha)}"
        samples.append(Sampled(found.vector.site.name, text, alphas, words, note))
        clock(f"context {j + 1} of {len(texts)} continued")
    title = f"{concept.name}: what alpha = {number(alpha)} looks like"
    return write_page(samples, Path(options.out), title)


def _drawn(found: ModelAdvice, name: Namer) -> dict[str, Any]:
    from steering_strength.figures.advice import curves, population_curves

    first = found.advice.contexts[0]
    grid = None
    if first.method == "measured":
        ends = [abs(end.alpha) for end in first.ends if math.isfinite(end.alpha)]
        far = 1.5 * max(ends, default=1.0) or 1.0
        grid = first.demand.sign * np.linspace(0.0, far, _DRAWN)
    peaks = found.families[0].peaks() if found.families else None
    drawn: dict[str, Any] = {
        "context_0": curves(
            first,  # type: ignore[arg-type]
            found.curves[0],
            peaks=peaks,
            name=name,
            alpha=grid,
        )
    }
    if len(found.families) > 1:
        drawn["population"] = population_curves(
            found.advice,  # type: ignore[arg-type]
            found.families,
        )
    return drawn


def _about(options: Namespace, found: ModelAdvice) -> dict[str, object]:
    meta = found.vector.metadata
    return {
        "model": meta.model,
        "site": meta.site,
        "concept": options.concept,
        "norm": meta.norm,
        "residual_norm": meta.residual_norm if math.isfinite(meta.residual_norm) else None,
        "passes": found.passes,
        "texts": found.texts,
        "seconds": found.seconds,
        "seed": options.seed,
    }
