"""The jobs of the command line that run a model: each prints, writes records, and says if it held.

Whatever a picture needs is written as a .npz; `figures.real_model` draws it, here nothing is drawn.
"""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steering_strength.proofs_check.bridge.__main__ import demands_of
from steering_strength.proofs_check.bridge.blocks import block_laws
from steering_strength.proofs_check.bridge.data import (
    columns,
    explore_record,
    largest_of,
    plain,
    write_advice,
    write_arrays,
)
from steering_strength.proofs_check.bridge.generated import samples
from steering_strength.proofs_check.bridge.laws import LawReport, final_norm_laws
from steering_strength.proofs_check.bridge.loading import peek, progress
from steering_strength.proofs_check.bridge.model import SteeredModel
from steering_strength.proofs_check.bridge.records import one_layer_record, paper_records
from steering_strength.proofs_check.bridge.texts import ConceptTexts, load_concept
from steering_strength.proofs_check.bridge.tiny_gpt import save, sign_separation, train
from steering_strength.proofs_check.bridge.vectors import (
    FINAL_NORM,
    SteeringVector,
    import_vector,
    import_vectors,
    save_vector,
)
from steering_strength.theory.command_line import say
from steering_strength.theory.engine.validation import as_tokens
from steering_strength.theory.errors import ShapeError, SteeringError, shown
from steering_strength.theory.files import parse_json, read_text, write_json, write_text

_SHOWN, _FACTORS = 4, (0.0, 0.5, 1.0, 2.0)
_FLUENT = (
    "In brackets, per generated token: nats of KL(base || steered), nats of surprise to the"
    " unsteered model, and the share of trigrams that repeat. On SmolLM2 half a nat of the next"
    " token read fluent, two were the edge, four broke the text."
)


def run(options: Namespace) -> int:
    """Run a checked job; 0 if nothing that should hold exactly failed (advise: a window), else 1.

    Raises SteeringError: whatever the model, the texts or the files do not allow.
    """
    given = () if options.job == "train" else _loaded(options)
    paths, good = _JOBS[options.job](options, *given)
    if paths:
        say("\nwritten: " + ", ".join(map(str, paths)))
    return 0 if good else 1


def _loaded(options: Namespace) -> tuple[SteeredModel, ConceptTexts, Any]:
    """The model, the concept and the vector (or None) that the options name."""
    concept, read = _concept(options), _vector(options)
    progress(f"loading {options.model!r} (a GGUF file takes half a minute)")
    model = SteeredModel.load(options.model, options.dtype)
    progress(repr(model))
    vector = None if read is None else model.fitting(read)
    if vector is None and (options.negatives == "sampled" or not concept.neutral):
        concept = model.with_sampled_negatives(concept, seed=options.seed)
        progress(f"{len(concept.neutral)} negative texts sampled from the model")
    return model, concept, vector


def _vector(options: Namespace) -> Any:
    """What --vector names, found wrong before the model is loaded: one vector, or one per layer.

    Only advice is given on several together; the other jobs need a site.
    """
    if not getattr(options, "vector", None):
        return None
    width, blocks = peek(options.model)
    how: dict[str, Any] = {"site": options.site, "blocks": blocks}
    if options.site is None and options.job == "advise":
        read = import_vectors(Path(options.vector), **how)
    else:
        read = [import_vector(Path(options.vector), **how)]
    for one in read:
        one.require_width(width)
    return read if len(read) > 1 else read[0]


def _reported(options: Namespace, report: LawReport, stem: str) -> tuple[list[Path], bool]:
    folder, copy = Path(options.out), options.json
    paths = report.write(folder, stem, seed=options.seed, json_copy=copy)
    say(report.text())
    return paths, report.holds


def _final_norm(options: Namespace, model: SteeredModel, concept: ConceptTexts, vector: Any) -> Any:
    """Every law at the final norm."""
    how: Any = {"vector": vector, "context": options.context}
    report = final_norm_laws(model, concept, options.alphas, **how)
    return _reported(options, report, "final_norm")


def _laws(options: Namespace, model: SteeredModel, concept: ConceptTexts, vector: Any) -> Any:
    """The final norm and blocks."""
    names = ("layers", "windows", "read", "apply", "seed")
    how: Any = {name: getattr(options, name) for name in names}
    return _reported(options, block_laws(model, concept, vector=vector, **how), "laws")


def _figures(options: Namespace, model: SteeredModel, concept: ConceptTexts, _vector: Any) -> Any:
    """The records of the paper's figures."""
    paths = paper_records(
        model, concept, Path(options.out), names=options.only, context=options.context,
        windows=options.windows, judge=_callable(options.judge),
        benchmark=_callable(options.benchmark), seed=options.seed,
    )  # fmt: skip
    say(f"To draw them: python -m figures real {options.out}")
    return paths, True


def _explore(options: Namespace, model: SteeredModel, concept: ConceptTexts, _vector: Any) -> Any:
    """A file for the explorer page."""
    target = Path(options.out)
    target = target if target.suffix == ".npz" else target / "explore.npz"
    summary, arrays = explore_record(model, concept, options.alphas, contexts=options.contexts)
    say(summary)
    return [write_arrays(target, arrays)], True


def _train(options: Namespace) -> Any:
    """A model of our own, and its laws."""
    folder = Path(options.out)
    model, concept = train(options.steps, seed=options.seed)
    where, concept_file = save(model, concept, folder)
    report = final_norm_laws(model, concept, options.alphas, context=options.context)
    vector = model.vector(concept.positive, concept.neutral)
    report.paragraphs += [
        sign_separation(model, model.direction(vector.values)),
        f"The other jobs: --model {where} --concept {concept_file}",
    ]
    paths, good = _reported(options, report, "final_norm")
    return [*paths, one_layer_record(model, concept, folder)], good


def _advise(options: Namespace, model: SteeredModel, concept: ConceptTexts, vector: Any) -> Any:
    """A window, or one alpha for a cost per generated token, or a ranking of layers."""
    if options.rank_layers:
        return _rank(options, model, concept)
    site, out, contexts = model.site(options.site or FINAL_NORM), options.out, concept.contexts
    read = None if site == FINAL_NORM else options.read
    own = vector or model.vector(
        concept.positive, concept.neutral, site, apply=options.apply, read=read
    )
    own = model.fitting(own, contexts=contexts)
    where = ", ".join(one.site.name for one in own.parts)
    count = f"{len(contexts)} context{'s' * (len(contexts) > 1)}"
    progress(f"{where}: |v| = {own.norm:.4g}; advising on {count}")
    about: dict[str, Any] = {"site": where, "concept": concept.name, "model": model.name}
    paths: list[Path] = []
    if options.per_token is not None:
        names = ("per_token", "percentile", "direction", "sign", "seed")
        found = model.advise(own, contexts, **{name: getattr(options, name) for name in names})
        say(str(found))
        if out:
            paths.append(write_json(Path(out) / "advice.json", plain({**about, "advice": found})))
        alpha, good = (found.alpha if found.settled else math.nan), found.settled
        said = {"per_token": repr(options.per_token), "direction": options.direction}
    else:
        before, target = model.cost.passes, _target(options, model, concept, own)
        found = model.advise(
            own, contexts, tokens=target, quantile=options.quantile, allocate=options.allocate,
            **demands_of(options),
        )  # fmt: skip
        units = {"norm": own.norm, "residual_norm": own.residual_norm}
        shown = found.contexts[0] if len(found.contexts) == 1 else found
        say(shown.summary(max_activation=options.max_activation or math.nan, **units))
        spent = model.cost.passes - before
        say(f"\n{spent:.3g} forward passes for {count}, P and N not counted")
        if out:
            curves = model.at(None, own, contexts[:_SHOWN])
            paths += write_advice(Path(out), found, curves, {**about, **units})
        window, good = found.window, found.window.usable
        # Without a window: what serves most contexts, and nothing if none is served.
        alpha = window.advised if good else found.best if found.share > 0.0 else math.nan
        said = {"window": f"{window.low.alpha} to {window.high.alpha}"}
    if options.samples and math.isfinite(alpha):
        paths.append(_sampled(options, model, concept, own, alpha))
    # Last: it may have to say that there is nothing to export, and the rest is written by then.
    if options.export:
        said["concept"] = concept.name
        paths += save_vector(own, Path(options.export), alpha=alpha, said=said)
    return paths, good


def _target(
    options: Namespace, model: SteeredModel, concept: ConceptTexts, vector: Any
) -> NDArray[np.int64]:
    """T: ids, the largest entries of W v, or the words of the concept."""
    if options.tokens is not None:
        return np.array(options.tokens)
    if not options.largest or not isinstance(vector, SteeringVector):
        return model.tokens(concept.words)
    # At a block: the direction as the unembedding sees it, the same for all contexts.
    return largest_of(model.direction(vector.values), options.largest)


def _rank(options: Namespace, model: SteeredModel, concept: ConceptTexts) -> Any:
    """What a nat buys at each layer, from one derivative there."""
    layers = range(len(model.blocks)) if options.rank_layers == "all" else options.rank_layers
    budget = 0.5 if options.budget is None else options.budget
    how: Any = {"read": options.read, "apply": options.apply}
    vectors = model.vectors(concept.positive, concept.neutral, layers, **how)
    tokens = _target(options, model, concept, None)
    ranks = rank_layers(model, vectors, concept.contexts, tokens, budget, sign=options.sign)
    head = ("site", "gain", "dF/dalpha", "sd(M_loc)", f"F at {budget:g} nat")
    rows = [(rank[0], *(f"{x:+.4g}" for x in rank[1:])) for rank in ranks]
    say("Layers by what a nat buys at the origin, best first:\n" + columns([head, *rows]))
    return [], True


def rank_layers(
    model: SteeredModel, vectors: Sequence[SteeringVector], contexts: Any, tokens: ArrayLike,
    budget: float, *, sign: int = 1,
) -> list[tuple[str, *tuple[float, ...]]]:  # fmt: skip
    """Effect bought per nat of Delta CE at the origin, from derivatives alone; best layer first.

    Near 0, F_T gains g alpha and Delta CE costs alpha^2 Var / 2, g = Cov(1_T, M_loc). So a small
    budget b buys g sqrt(2 b / Var): layers are ranked by g / sd(M_loc), a number without the unit
    of v. It is a statement about the origin.

    `vectors` is one per layer, `tokens` T, `budget` in nats of Delta CE. Of each layer, averaged
    over the contexts: (site, g / sd, g, sd, g sqrt(2 b / Var)).
    """
    batch, found, target = model.encode(contexts), [], as_tokens(tokens, model.vocabulary)
    for vector in vectors:
        families = model.derivative(None, vector, batch)
        slope = np.array([sign * float(f.concept_slope(target, 0.0)) for f in families])
        sd = np.sqrt([float(f.variance(0.0)) for f in families])
        rows = slope / sd, slope, sd, slope / sd * math.sqrt(2 * budget)
        found.append((vector.site.name, *np.mean(rows, axis=1).tolist()))
    return sorted(found, key=lambda rank: -rank[1])


def _sampled(
    options: Namespace, model: SteeredModel, concept: ConceptTexts, vector: Any, alpha: float
) -> Path:
    """Texts at 0, half, once and twice the advised strength, as Markdown."""
    alphas = [factor * alpha for factor in _FACTORS]
    lines = [f"# {concept.name}: what alpha = {alpha:.4g} looks like", "", _FLUENT, ""]
    for context in concept.contexts:
        texts = samples(model, vector, context, alphas, options.samples)
        shown = [
            f"- alpha = {a:.4g} ({cost:.2g} | {surprise:.2g} | {repeated:.0%}): {_flat(text)}"
            for a, (text, cost, surprise, repeated) in zip(alphas, texts, strict=True)
        ]
        lines += [f"## {_flat(str(context))}", "", *shown, ""]
    return write_text(Path(options.out) / "samples.md", "\n".join(lines))


_JOBS: dict[str, Callable[..., tuple[list[Path], bool]]] = {
    "final-norm": _final_norm,
    "laws": _laws,
    "figures": _figures,
    "train": _train,
    "explore-data": _explore,
    "advise": _advise,
}


def _concept(options: Namespace) -> ConceptTexts:
    concept = load_concept(options.concept, options.words)
    context = getattr(options, "context", 0)
    if not 0 <= context < len(concept.contexts):
        raise ShapeError(
            f"context {context} of {len(concept.contexts)}",
            remedy=f"give --context between 0 and {len(concept.contexts) - 1}",
        )
    if getattr(options, "context_texts", None):
        concept = replace(concept, contexts=_contexts(Path(options.context_texts)))
    return replace(concept, contexts=concept.contexts[: getattr(options, "contexts", None)])


def _contexts(path: Path) -> tuple[Any, ...]:
    """One text a line; or JSON lines, each a string or a chat."""
    remedy = "give one context a line in UTF-8, or .jsonl with JSON lines"
    texts: list[Any] = [line for line in read_text(path, remedy).splitlines() if line.strip()]
    if path.suffix == ".jsonl":
        texts = [parse_json(line, str(path), remedy) for line in texts]
    if not texts:
        raise ShapeError(f"{path} holds no context", remedy=remedy)
    for text in texts:
        turns = text if isinstance(text, list) else [] if isinstance(text, str) else [text]
        if text == [] or not all(
            isinstance(turn, dict) and {str} == {type(turn.get(k)) for k in ("role", "content")}
            for turn in turns
        ):
            raise ShapeError(
                f"{shown(text)} in {path} is neither a text nor a chat",
                remedy='a chat is a list of {"role": ..., "content": ...}',
            )
    return tuple(texts)


def _flat(text: str) -> str:
    """One line that Markdown leaves alone."""
    return " ".join(text.split()).replace("<", "&lt;")


def _callable(name: str | None) -> Any:
    """What ``module:name`` names; None for None; a SteeringError if there is no such function."""
    if not name:
        return None
    try:
        found = resolve_name(name)
    except Exception as error:
        # Whatever the user's own module raises, the cause is there and not here.
        raise SteeringError(
            f"cannot import {name!r}: {type(error).__name__}: {error}",
            remedy="give module:name, with the module in this folder or on PYTHONPATH",
        ) from error
    if not callable(found):
        raise SteeringError(f"{name} is a {type(found).__name__}", remedy="name a function")
    return found
