"""The jobs of the command line that run a model: each prints, writes records, and says if it held.

Whatever a picture needs is written as a .npz; `figures.real_model` draws it, here nothing is drawn.
"""

from __future__ import annotations

import math
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge.__main__ import demands_of, numbers
from steering_strength.proofs_check.bridge.advise import FACTORS, rank_layers, samples
from steering_strength.proofs_check.bridge.blocks import block_laws
from steering_strength.proofs_check.bridge.data import (
    columns,
    explore_record,
    largest_of,
    plain,
    write_advice,
    write_arrays,
)
from steering_strength.proofs_check.bridge.laws import LawReport, final_norm_laws
from steering_strength.proofs_check.bridge.loading import VectorError, peek
from steering_strength.proofs_check.bridge.model import SteeredModel
from steering_strength.proofs_check.bridge.records import one_layer_record, paper_records
from steering_strength.proofs_check.bridge.steer import length, several
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
from steering_strength.theory.errors import ShapeError, SteeringError, shown
from steering_strength.theory.files import parse_json, read_text, write_json, write_text

_SHOWN = 4
_FLUENT = (
    "In brackets, per generated token: nats of KL(base || steered), nats of surprise to the"
    " unsteered model, and the share of trigrams that repeat. On SmolLM2 half a nat of the next"
    " token read fluent, two were the edge, four broke the text."
)


def run(options: Namespace) -> int:
    """Run a checked job; 0 if nothing that should hold exactly failed (advise: a window), else 1.

    Raises SteeringError: whatever the model, the texts or the files do not allow.
    """
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    return _Jobs(options).run()


class _Jobs:
    """The options with the model, concept and vector that they name; one method for each job."""

    def __init__(self, options: Namespace) -> None:
        self.options, self._start = options, time.perf_counter()
        self.out = Path(options.out) if options.out else None

    def run(self) -> int:
        """The job of the options; everything but training needs a model and a concept."""
        options = self.options
        if options.job == "train":
            return self.train()
        self.concept = _concept(options)
        read = self._read()
        self.clock(f"loading {options.model!r} (a GGUF file takes half a minute)")
        self.model = SteeredModel.load(options.model, options.dtype)
        self.clock(repr(self.model))
        self.vector = None if read is None else self.model.fitting(read)
        if self.vector is None and (options.negatives == "sampled" or not self.concept.neutral):
            self.concept = self.model.with_sampled_negatives(self.concept, seed=options.seed)
            self.clock(f"{len(self.concept.neutral)} negative texts sampled from the model")
        status: int = getattr(self, options.job.replace("-", "_"))()
        return status

    def clock(self, line: str) -> None:
        """A line of progress on standard error, with the seconds since the start."""
        seconds = time.perf_counter() - self._start
        print(f"[{seconds:6.1f} s] {line}", file=sys.stderr, flush=True)

    def _read(self) -> Any:
        """What --vector names, found wrong before the model is loaded: a vector, or one per layer.

        Only advice is given on several together; the other jobs need a site.
        """
        options = self.options
        if not getattr(options, "vector", None):
            return None
        width, blocks = peek(options.model)
        how: dict[str, Any] = {"site": options.site, "blocks": blocks}
        if options.site is None and options.job == "advise":
            read = import_vectors(Path(options.vector), **how)
        else:
            read = [import_vector(Path(options.vector), **how)]
        for one in read:
            if one.values.size != width:
                raise VectorError(
                    f"the vector has {one.values.size} coordinates, the model's states {width}",
                    remedy=f"it was made for {one.model or 'another model'}",
                )
        return read if len(read) > 1 else read[0]

    def _reported(self, report: LawReport, stem: str, *paths: Path, more: str = "") -> int:
        options = self.options
        folder = Path(options.out)
        written = report.write(folder, stem, seed=options.seed, json_copy=options.json)
        _said(report.text() + more, [*written, *paths])
        return 0 if report.holds else 1

    def final_norm(self) -> int:
        """Every law at the final norm."""
        report = final_norm_laws(
            self.model, self.concept, self.options.alphas, vector=self.vector,
            context=self.options.context, progress=self.clock,
        )  # fmt: skip
        return self._reported(report, "final_norm")

    def laws(self) -> int:
        """The final norm and blocks."""
        options = self.options
        report = block_laws(
            self.model, self.concept, layers=options.layers, vector=self.vector,
            windows=options.windows, read=options.read, apply=options.apply, seed=options.seed,
            progress=self.clock,
        )  # fmt: skip
        return self._reported(report, "laws")

    def figures(self) -> int:
        """The records of the paper's figures."""
        options = self.options
        paths = paper_records(
            self.model, self.concept, Path(options.out), names=options.only,
            context=options.context, windows=options.windows, judge=_callable(options.judge),
            benchmark=_callable(options.benchmark), seed=options.seed, progress=self.clock,
        )  # fmt: skip
        _said(f"To draw them: python -m figures real {options.out}", paths)
        return 0

    def explore_data(self) -> int:
        """A file for the explorer page."""
        target = Path(self.options.out)
        target = target if target.suffix == ".npz" else target / "explore.npz"
        summary, arrays = explore_record(
            self.model, self.concept, self.options.alphas, contexts=self.options.contexts
        )
        _said(summary, [write_arrays(target, arrays)])
        return 0

    def train(self) -> int:
        """A model of our own, and its laws."""
        options, folder = self.options, Path(self.options.out)
        model, concept = train(options.steps, seed=options.seed, progress=self.clock)
        where, concept_file = save(model, concept, folder)
        report = final_norm_laws(
            model, concept, options.alphas, context=options.context, progress=self.clock
        )
        vector = model.vector(concept.positive, concept.neutral)
        report.paragraphs.append(sign_separation(model, model.direction(vector)))
        more = f"\n\nThe other jobs: --model {where} --concept {concept_file}"
        record = one_layer_record(model, concept, folder)
        return self._reported(report, "final_norm", record, more=more)

    def advise(self) -> int:
        """A window, or one alpha for a cost per generated token, or a ranking of layers."""
        options, model, concept = self.options, self.model, self.concept
        if options.rank_layers:
            return self._rank()
        site = model.site(options.site or FINAL_NORM)
        own = self.vector or model.vector(
            concept.positive, concept.neutral, site, apply=options.apply,
            read=None if site == FINAL_NORM else options.read,
        )  # fmt: skip
        own = model.fitting(own, contexts=concept.contexts)
        where = ", ".join(one.site.name for one in several(own))
        contexts = f"{len(concept.contexts)} context{'s' * (len(concept.contexts) > 1)}"
        self.clock(f"{where}: |v| = {length(own):.4g}; advising on {contexts}")
        about = {"site": where, "concept": concept.name, "model": model.name}
        paths: list[Path] = []
        if options.per_token is not None:
            found: Any = model.advise(
                own, concept.contexts, per_token=options.per_token, percentile=options.percentile,
                direction=options.direction, sign=options.sign, seed=options.seed,
            )  # fmt: skip
            say(str(found))
            if self.out:
                path, content = self.out / "advice.json", {**about, "advice": found}
                paths.append(write_json(path, plain(content)))
            alpha, good = (found.alpha if found.settled else math.nan), found.settled
            said = {"per_token": repr(options.per_token), "direction": options.direction}
        else:
            before, target = model.cost.passes, self._target(own)
            found = model.advise(
                own, concept.contexts, tokens=target, quantile=options.quantile,
                allocate=options.allocate, **demands_of(options),
            )  # fmt: skip
            # Several vectors share a strength, but no length of state.
            units = {"norm": length(own), "residual_norm": getattr(own, "residual_norm", math.nan)}
            shown = found.contexts[0] if len(found.contexts) == 1 else found
            say(shown.summary(max_activation=options.max_activation or math.nan, **units))
            spent = model.cost.passes - before
            say(f"\n{spent:.3g} forward passes for {contexts}, P and N not counted")
            if self.out:
                curves = model.at(None, own, concept.contexts[:_SHOWN])
                paths += write_advice(self.out, found, curves, {**about, **units})
            window, good = found.window, found.window.usable
            # Without a window: what serves most contexts, and nothing if none is served.
            alpha = window.advised if good else found.best if found.share > 0.0 else math.nan
            said = {"window": f"{window.low.alpha} to {window.high.alpha}"}
        if options.samples and math.isfinite(alpha):
            paths.append(self._sampled(own, alpha, Path(options.out)))
        # Last: it may have to say that there is nothing to export, and the rest is written by then.
        if options.export:
            said["concept"] = concept.name
            paths += save_vector(own, Path(options.export), alpha=alpha, said=said)
        if paths:
            say("written: " + ", ".join(map(str, paths)))
        return 0 if good else 1

    def _target(self, vector: Any) -> NDArray[np.int64]:
        """T: ids, the largest entries of W v, or the words of the concept."""
        options, model = self.options, self.model
        if options.tokens is not None:
            return np.array(options.tokens)
        if not options.largest or not isinstance(vector, SteeringVector):
            return model.tokens(self.concept.words)
        # At a block: the direction as the unembedding sees it, the same for all contexts.
        return largest_of(model.direction(vector), options.largest)

    def _rank(self) -> int:
        options, model, concept = self.options, self.model, self.concept
        layers: Any = range(len(model.blocks))
        if options.rank_layers != "all":
            layers = numbers(options.rank_layers, "--rank-layers")
        budget = 0.5 if options.budget is None else options.budget
        vectors = model.vectors(
            concept.positive, concept.neutral, layers, read=options.read, apply=options.apply
        )
        ranks = rank_layers(
            model, vectors, concept.contexts, self._target(None), budget,
            sign=options.sign, measure=options.check_ranking,
        )  # fmt: skip
        head = ("site", "gain", "dF/dalpha", "sd(M_loc)", f"F at {budget:g} nat", "measured")
        rows = [(rank[0], *(f"{x:+.4g}" for x in rank[1:])) for rank in ranks]
        say("Layers by what a nat buys at the origin, best first:\n" + columns([head, *rows]))
        return 0

    def _sampled(self, vector: Any, alpha: float, folder: Path) -> Path:
        """Texts at 0, half, once and twice the advised strength, as Markdown."""
        options, concept = self.options, self.concept
        alphas = [factor * alpha for factor in FACTORS]
        lines = [f"# {concept.name}: what alpha = {alpha:.4g} looks like", "", _FLUENT, ""]
        for context in concept.contexts:
            texts = samples(self.model, vector, context, alphas, options.samples, seed=options.seed)
            shown = [
                f"- alpha = {a:.4g} ({t.cost:.2g} | {t.surprise:.2g} | {t.repeated:.0%}):"
                f" {_flat(t.text)}"
                for a, t in zip(alphas, texts, strict=True)
            ]
            lines += [f"## {_flat(str(context))}", "", *shown, ""]
        return write_text(folder / "samples.md", "\n".join(lines))


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


def _said(text: str, paths: Sequence[Path]) -> None:
    say(text)
    say("\nwritten: " + ", ".join(map(str, paths)))


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
