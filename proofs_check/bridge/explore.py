"""What the explorer page reads: contexts of a real model at its final norm, the vocabulary reduced.

A few tokens keep their names; nodes in M carry the mass of the rest. A token between two nodes
gives each the part of its mass that keeps its M: total mass and K'(0) survive exactly in every
context, and what is lost is of second order in alpha times the distance of the nodes. Tokens inside
and outside the concept never share a node, so F_T survives too. No torch here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge.errors import versions
from steering_strength.theory import TiltedFamily
from steering_strength.theory.errors import ShapeError

if TYPE_CHECKING:
    from steering_strength.proofs_check.bridge.model import SteeredModel
    from steering_strength.proofs_check.bridge.texts import ConceptTexts

__all__ = ["explore_record", "lump"]

Floats = NDArray[np.float64]
_FIRST_NODES = 32


def lump(
    families: Sequence[TiltedFamily],
    inside: NDArray[np.bool_],
    alphas: Floats,
    *,
    tokens: int = 40,
    tolerance: float = 1e-2,
    most: int = 1024,
) -> tuple[dict[str, Any], Floats]:
    """m families with the same M over n outcomes in place of V tokens.

    Parameters
    ----------
    inside : numpy.ndarray
        Shape (V,), bool: the concept T.
    alphas : numpy.ndarray
        Shape (A,), where the reduced families will be looked at.
    tokens : int
        How many tokens keep their name: those likeliest somewhere, as many of the concept again,
        and both extremes of M.
    tolerance : float
        For K' (in standard deviations of M over the vocabulary) and logit F_T; nodes are doubled
        until it is met, or there are `most` on a side.

    Returns
    -------
    reduced : dict
        `log_p` (m, n), `log_odds` (n,), `ids` (n,) with -1 for a node, `target` (n,), bool.
    errors : numpy.ndarray
        Shape (3,): the largest over contexts and alphas of K' (nats per unit alpha), of logit F_T
        and of KL(p_0 || p_alpha) (nats).

    Raises
    ------
    ShapeError
        The families do not share M, or `tokens` is not between 2 and V - 1.
    """
    odds = families[0].log_odds
    if any(not np.array_equal(family.log_odds, odds) for family in families):
        raise ShapeError(
            "the families have different log-odds",
            remedy="reduce contexts of one steering vector together",
        )
    if not 2 <= tokens < odds.size:
        raise ShapeError(
            f"{tokens} named tokens of {odds.size}", remedy=f"give between 2 and {odds.size - 1}"
        )
    best = np.max([family.log_probability(alphas).max(axis=0) for family in families], axis=0)
    likely = np.argsort(-best, kind="stable")
    ends = [odds.argmin(), odds.argmax()]
    named = np.unique([*likely[:tokens], *likely[inside[likely]][:tokens], *ends])
    named = named[np.argsort(-best[named], kind="stable")]
    count = _FIRST_NODES
    while True:
        reduced = _reduced(families, inside, named, count)
        errors = _errors(families, inside, alphas, reduced)
        if max(errors[0] / np.std(odds), errors[1]) <= tolerance or 2 * count > most:
            return reduced, errors
        count *= 2


def _reduced(
    families: Sequence[TiltedFamily], inside: NDArray[np.bool_], named: NDArray[Any], count: int
) -> dict[str, Any]:
    p, odds = np.exp([family.log_p for family in families]), families[0].log_odds
    rest = ~np.isin(np.arange(odds.size), named)
    parts = [(p[:, named], odds[named], named, inside[named])]
    for member in (True, False):
        group = np.flatnonzero(rest & (inside == member))
        if not group.size:
            continue
        value = odds[group]
        nodes = np.unique(np.linspace(value.min(), value.max(), count))
        nodes = nodes if nodes.size > 1 else np.append(nodes, nodes + 1.0)
        left = np.clip(np.searchsorted(nodes, value, side="right") - 1, 0, nodes.size - 2)
        part = np.clip((value - nodes[left]) / (nodes[left + 1] - nodes[left]), 0.0, 1.0)
        carried = np.stack(
            [
                np.bincount(left, row * (1 - part), nodes.size)
                + np.bincount(left + 1, row * part, nodes.size)
                for row in p[:, group]
            ]
        )
        used = np.flatnonzero(carried.any(axis=0))
        size = used.size
        parts.append((carried[:, used], nodes[used], np.full(size, -1), np.full(size, member)))
    mass, values, ids, target = (np.concatenate(one, axis=-1) for one in zip(*parts, strict=True))
    with np.errstate(divide="ignore"):  # a node without mass in this context is -inf, as it should
        log_p = np.log(mass / mass.sum(axis=1, keepdims=True))
    return {"log_p": log_p, "log_odds": values, "ids": ids, "target": target}


def _errors(
    families: Sequence[TiltedFamily], inside: NDArray[Any], alphas: Floats, reduced: dict[str, Any]
) -> Floats:
    worst = np.zeros(3)
    for family, row in zip(families, reduced["log_p"], strict=True):
        small = TiltedFamily(row, reduced["log_odds"])
        logit = small.concept_log_odds(reduced["target"], alphas)
        differences = (
            family.mean(alphas) - small.mean(alphas),
            family.concept_log_odds(inside, alphas) - logit,
            family.cross_entropy_increase(alphas) - small.cross_entropy_increase(alphas),
        )
        worst = np.maximum(worst, [np.abs(difference).max() for difference in differences])
    return worst


def explore_record(
    model: SteeredModel, concept: ConceptTexts, alphas: Floats, *, contexts: int = 6
) -> tuple[str, dict[str, Any]]:
    """The laws at the final norm of the first contexts: a summary, and the arrays of the file.

    `alphas`, shape (A,), is the range to be shown: tokens are chosen, and errors reported, on it.
    """
    shown = concept.contexts[:contexts]
    families = model.at("final_norm", model.vector(concept.positive, concept.neutral), shown)
    inside = np.isin(np.arange(model.vocabulary), model.tokens(concept.words))
    reduced, errors = lump(families, inside, alphas)
    ids = reduced.pop("ids")
    named = ids >= 0
    texts = [
        model.token_text(int(token)) if token >= 0 else f"(others, M near {odds:+.2f})"
        for token, odds in zip(ids, reduced["log_odds"], strict=True)
    ]
    meta = {
        "model": model.name,
        "fingerprint": model.fingerprint,
        "site": "final_norm",
        "concept": concept.name,
        "positive": len(concept.positive),
        "negative": len(concept.neutral),
        "unit": "alpha multiplies the difference of means; log_odds in nats per unit alpha",
        "vocabulary": model.vocabulary,
        "named_tokens": int(named.sum()),
        "nodes": int((~named).sum()),
        "alpha_range": [float(alphas.min()), float(alphas.max())],
        "alphas_checked": int(alphas.size),
        "log_odds_sd": float(np.std(families[0].log_odds)),
        "max_error_mean": float(errors[0]),
        "max_error_concept_log_odds": float(errors[1]),
        "max_error_cross_entropy": float(errors[2]),
        "versions": versions(),
    }
    summary = (
        f"{len(shown)} contexts; {meta['named_tokens']} tokens by name and {meta['nodes']} nodes"
        f" for all others; largest errors on the grid: K' {errors[0]:.1e} nats per unit alpha,"
        f" logit F_T {errors[1]:.1e}, KL {errors[2]:.1e} nats"
    )
    more = {"named": named, "contexts": np.array(shown), "meta": np.array(json.dumps(meta))}
    return summary, {**reduced, "tokens": np.array(texts), **more}
