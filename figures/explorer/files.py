"""What ``--data`` opens: a stored family, a stored dataset, or contexts of a real model.

Three kinds of file are understood: what `TiltedFamily.save` and `ConceptDataset.save` write, and
the contexts with a reduced vocabulary of ``python -m proofs_check.bridge explore-data``. All of
them are read without pickle, and whatever is wrong is said in one line.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.figures.explorer.cases import Case, View, case_of_dataset
from steering_strength.figures.explorer.curves import views as chosen_views
from steering_strength.theory import ConceptDataset, TiltedFamily
from steering_strength.theory.engine.storage import read_archive
from steering_strength.theory.errors import ShapeError, SteeringError, SteeringSetError
from steering_strength.theory.files import parse_json

CONTEXTS, CONCEPTS = 4, 5
"""What a page shows of a reader's file: more would make it larger than 5 MB, and its curves too
many to tell apart."""

_MODEL_KEYS = ("log_p", "log_odds", "tokens", "named", "target", "contexts", "meta")
_REMEDY = (
    "give a .npz file written by TiltedFamily.save, by ConceptDataset.save, "
    "or by python -m proofs_check.bridge explore-data"
)


def open_case(path: Path) -> Case:
    """The instance in a file.

    Raises SteeringError: the file is missing, damaged, or holds something else; close names are
    suggested.
    """
    arrays = read_archive(path, _REMEDY)
    kind = str(arrays.get("kind", ""))
    if kind == TiltedFamily.__name__:
        return _case_of_family(TiltedFamily.load(path), path.name)
    if kind == ConceptDataset.__name__:
        return _case_of_data(ConceptDataset.load(path), path.name)
    if any(key not in arrays for key in _MODEL_KEYS):
        held = kind or ", ".join([*list(arrays)[:6], *(["..."] if len(arrays) > 6 else [])])
        raise SteeringError(
            f"{path} holds {held or 'nothing'}, which is no instance to explore", remedy=_REMEDY
        )
    return _case_of_model(path, arrays, CONTEXTS)


def packaged_case(name: str, views: tuple[View, ...]) -> Case:
    """An instance from `figures/explorer/data`, with windows of its own."""
    path = Path(__file__).with_name("data") / name
    arrays = read_archive(path, _REMEDY)
    return replace(_case_of_model(path, arrays, len(arrays["contexts"])), views=views)


def _case_of_family(family: TiltedFamily, name: str) -> Case:
    """One context; its metadata may name `tokens`, `target` (indices), `concept` and `context`.

    Without a target the set is that of the tokens that gain at alpha = 0: M above its mean.
    """
    known = family.metadata
    support = family.log_p > -np.inf
    names = known.get("tokens")
    if not isinstance(names, list) or len(names) != family.size:
        names = [f"token {z}" for z in range(family.size)]
    target = np.zeros(family.size, dtype=bool)
    given = known.get("target")
    if given is not None:
        whole = isinstance(given, list) and all(type(z) is int for z in given)
        if not whole or not all(0 <= z < family.size for z in given):
            raise ShapeError(
                f"target in the metadata of {name} is no list of indices in 0..{family.size - 1}",
                remedy="list the tokens of the target concept by their index",
            )
        target[given] = True
        inside = str(known.get("concept", "target"))
        story = ""
    else:
        target[support] = family.log_odds[support] > family.mean(0.0)
        inside = "tokens that gain at first"
        story = (
            " No target is named in the file, so blue are the tokens whose log-odds lie above "
            "their average: those that gain at first."
        )
    return Case(
        key="data",
        title=name,
        story=f"{family.size:,} tokens in one context.{story}",
        tokens=tuple(map(str, names)),
        concept=_two_concepts(target, name),
        concept_names=(inside, "all other tokens"),
        log_odds=np.where(support, family.log_odds, 0.0),
        log_p=family.log_p[None],
        contexts=(str(known.get("context", "the context of the file")),),
        named=support,
    )


def _two_concepts(target: NDArray[np.bool_], name: str) -> NDArray[np.int64]:
    """0 in the target and 1 outside; both must hold a token."""
    if target.all() or not target.any():
        raise SteeringError(
            f"{name} has {'every token' if target.all() else 'no token'} in the target concept",
            remedy="name some tokens, not all; where M is constant steering moves nothing",
        )
    return np.where(target, 0, 1)


def _case_of_data(data: ConceptDataset, name: str) -> Case:
    """Concept 0 against concept 1: as many contexts of each as both have."""
    first, second = data.contexts_of(0), data.contexts_of(1)
    q = min(len(first), len(second))
    if q == 0:
        raise SteeringSetError(
            f"{name} has {len(first)} contexts of concept 0 and {len(second)} of concept 1",
            remedy="give both concepts a context: the page steers from concept 1 to concept 0",
        )
    _, rows = np.unique(data.probabilities, axis=0, return_index=True)
    # A context of a third concept shows most, one of the target least.
    turn = {0: 2, 1: 1}
    order = sorted(rows.tolist(), key=lambda j: (turn.get(int(data.context_concept[j]), 0), j))
    contexts = tuple(order[:CONTEXTS])
    inside, outside = data.concept_names[:2] or ("concept 0", "concept 1")
    number = "one context" if q == 1 else f"{q} contexts"
    more = ""
    if len(rows) > len(contexts):
        more = f" Shown are {len(contexts)} of its {len(rows)} distinct contexts."
    case = case_of_dataset(
        data,
        tuple(first[:q].tolist()),
        tuple(second[:q].tolist()),
        contexts,
        key="data",
        title=name,
        story=f"Steered from {number} of {outside} towards {number} of {inside}.{more}",
    )
    if data.concept_count <= CONCEPTS:
        return case
    last = CONCEPTS - 1
    return replace(
        case,
        concept=np.minimum(case.concept, last),
        concept_names=(*case.concept_names[:last], "other concepts"),
    )


def _case_of_model(path: Path, arrays: dict[str, NDArray[Any]], count: int) -> Case:
    """The first `count` contexts, within the strengths for which the file vouches."""
    meta = _checked_meta(path, arrays)
    texts = tuple(str(text) for text in arrays["contexts"][:count])
    concept = str(meta.get("concept", "target"))
    model = str(meta.get("model", "a language model"))
    case = Case(
        key=path.stem.replace("_", "-"),
        title=f"{model}, steered towards {concept}",
        story=_model_story(model, concept, meta),
        # GPT-2's tokenisers write the space before a word as a letter of its own.
        tokens=tuple(str(t).removeprefix("·") for t in arrays["tokens"]),
        concept=_two_concepts(arrays["target"], path.name),
        concept_names=(concept, "all other tokens"),
        log_odds=arrays["log_odds"].astype(float),
        log_p=arrays["log_p"][: len(texts)].astype(float),
        contexts=texts,
        weights=np.full(len(texts), 1.0 / len(texts)),
        named=arrays["named"],
        note=_model_note(meta),
    )
    low, high = meta.get("alpha_range", (-np.inf, np.inf))
    inside = (View(v.label, max(v.low, low), min(v.high, high)) for v in chosen_views(case))
    return replace(case, views=tuple(inside))


def _checked_meta(path: Path, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """The metadata, once the arrays are known to fit together."""
    remedy = "write it again with python -m proofs_check.bridge explore-data"
    table = arrays["log_p"]
    if table.ndim != 2 or not table.size:
        raise ShapeError(f"log_p has shape {table.shape} in {path}", remedy=remedy)
    shapes = {"log_p": table.shape, "contexts": table.shape[:1]}
    names = ("log_p", "log_odds", "tokens", "named", "target", "contexts")
    for name, kind in zip(names, "ffUbbU", strict=True):
        found, shape = arrays[name], shapes.get(name, table.shape[1:])
        if found.shape != shape or found.dtype.kind != kind:
            raise ShapeError(
                f"{name} of {path} holds {found.dtype} of shape {found.shape}, beside log_p of "
                f"shape {table.shape}",
                remedy=remedy,
            )
    if not arrays["named"].any():
        raise SteeringError(f"{path} names no token", remedy=remedy)
    meta = parse_json(str(arrays["meta"]), f"meta of {path}", remedy)
    match meta.get("alpha_range", [-1, 1]) if isinstance(meta, dict) else None:
        case [int() | float() as low, int() | float() as high] if low < 0 < high:
            return dict(meta)
    raise SteeringError(
        f"meta of {path} is no mapping, or its alpha_range no two numbers round 0", remedy=remedy
    )


def _model_note(meta: dict[str, Any]) -> str:
    errors = [
        f"{meta[key]:.1g} {what}"
        for key, what in (
            ("max_error_concept_log_odds", "in the log-odds of the target"),
            ("max_error_cross_entropy", "nats in the price"),
        )
        if isinstance(meta.get(key), int | float)
    ]
    if not errors or "alpha_range" not in meta:
        return ""
    low, high = meta["alpha_range"]
    return (
        "Grouping the tokens that bear no name by their log-odds changes the numbers of the real "
        f"model by at most {' and '.join(errors)}, for alpha from {low:g} to {high:g}."
    )


def _model_story(model: str, concept: str, meta: dict[str, Any]) -> str:
    size = meta.get("vocabulary")
    tokens = f"{size:,} tokens" if isinstance(size, int) else "the vocabulary"
    return (
        f"A real model, steered at the output of its final norm, where {model} must follow the "
        f"same laws with nothing fitted. Its {tokens} are grouped by log-odds, the likeliest shown "
        f"by name: words of {concept} take turns, and overdoing it leaves one word, whatever the "
        "prompt. Only that the target never turns back is not promised here: look for a ◆."
    )
