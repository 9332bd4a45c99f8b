"""What the explorer page reads: contexts of a real model at its final norm, the vocabulary reduced.

A vocabulary made small: a few named tokens, and nodes in M that carry the mass of the rest.

Several families that share M are reduced to one short list of log-odds, so that a page or a
notebook can tilt them in a millisecond. A token between two nodes gives each the part of its
mass that keeps its M: total mass and K'(0) survive exactly in every context, and what is lost is
of second order in alpha times the distance of the nodes. Tokens inside and outside the concept
never share a node, so F_T survives too. No torch here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from steering_strength.proofs_check.bridge.extra import versions
from steering_strength.theory import TiltedFamily
from steering_strength.theory.errors import ShapeError

if TYPE_CHECKING:
    from steering_strength.proofs_check.bridge.model import SteeredModel
    from steering_strength.proofs_check.bridge.texts import ConceptTexts

__all__ = ["Lumped", "explore_record", "lump"]

_FIRST_NODES = 16


@dataclass(frozen=True)
class Lumped:
    """m families over n outcomes in place of V tokens.

    Parameters
    ----------
    log_p : numpy.ndarray
        Shape (m, n), normalised; -inf where a node carries nothing in that context.
    log_odds : numpy.ndarray
        Shape (n,), M of the tokens and nodes, in nats per unit alpha.
    tokens : numpy.ndarray
        Shape (n,), int64: the token's id, -1 for a node.
    inside : numpy.ndarray
        Shape (n,), bool: belongs to the concept.
    mean_error, log_odds_error, divergence_error : float
        Largest error over contexts and alphas of K' (nats per unit alpha), of logit F_T and of
        KL(p_0 || p_alpha) (nats).
    """

    log_p: NDArray[np.float64]
    log_odds: NDArray[np.float64]
    tokens: NDArray[np.int64]
    inside: NDArray[np.bool_]
    mean_error: float
    log_odds_error: float
    divergence_error: float

    def summary(self) -> str:
        """The size and the errors, in one sentence."""
        named = int((self.tokens >= 0).sum())
        return (
            f"{self.log_p.shape[0]} contexts; {named} tokens by name and"
            f" {self.tokens.size - named} nodes for all others; largest errors on the grid:"
            f" K' {self.mean_error:.1e} nats per unit alpha, logit F_T {self.log_odds_error:.1e},"
            f" KL {self.divergence_error:.1e} nats"
        )


def lump(
    families: Sequence[TiltedFamily],
    inside: NDArray[np.bool_],
    alphas: NDArray[np.float64],
    *,
    tokens: int = 40,
    tolerance: float = 1e-2,
    most_nodes: int = 512,
) -> Lumped:
    """Keep the `tokens` likeliest tokens, and as many nodes as the tolerance asks for.

    Parameters
    ----------
    families : sequence of TiltedFamily
        m of them, with the same log-odds.
    inside : numpy.ndarray
        Shape (V,), bool: the concept T.
    alphas : numpy.ndarray
        Shape (A,), where the reduced families will be looked at.
    tokens : int
        How many tokens keep their name: those likeliest somewhere, the likeliest of the concept
        (as many again), and both extremes of M.
    tolerance : float
        For K' (in standard deviations of M over the vocabulary) and logit F_T.
    most_nodes : int
        Where refining stops; the errors reached are in the record either way.

    Raises
    ------
    ShapeError
        The families do not share M, or `tokens` is not between 2 and V - 1.
    """
    log_odds = families[0].log_odds
    if any(not np.array_equal(family.log_odds, log_odds) for family in families):
        raise ShapeError(
            "the families have different log-odds",
            remedy="reduce contexts of one steering vector together",
        )
    if not 2 <= tokens < log_odds.size:
        raise ShapeError(
            f"{tokens} named tokens of {log_odds.size}",
            remedy=f"give between 2 and {log_odds.size - 1}",
        )
    base = np.exp(np.stack([family.log_p for family in families]))
    best = np.full(log_odds.shape, -np.inf)
    weight = np.zeros(log_odds.shape)
    for family in families:
        tilted = family.log_probability(alphas)
        best = np.maximum(best, tilted.max(axis=0))
        for member in (inside, ~inside):
            share = tilted[:, member] - logsumexp(tilted[:, member], axis=1, keepdims=True)
            # What linear sharing loses goes with alpha squared times the share of its side.
            loss = (alphas[:, None] ** 2 * np.exp(share)).max(axis=0)
            weight[member] = np.maximum(weight[member], loss)
    likely = np.argsort(-best, kind="stable")
    members = likely[inside[likely]]
    ends = [log_odds.argmin(), log_odds.argmax()]
    named = np.unique(np.concatenate([likely[:tokens], members[:tokens], ends]))
    named = named[np.argsort(-best[named], kind="stable")]
    scale = float(np.std(log_odds))
    count = _FIRST_NODES
    while True:
        reduced = _reduce(base, log_odds, weight, inside, named, count)
        errors = _errors(families, inside, alphas, reduced)
        if max(errors[0] / scale, errors[1]) <= tolerance or 3 * count // 2 > most_nodes:
            return Lumped(*reduced, *errors)
        count = 3 * count // 2


def _reduce(
    base: NDArray[np.float64],
    log_odds: NDArray[np.float64],
    weight: NDArray[np.float64],
    inside: NDArray[np.bool_],
    named: NDArray[np.intp],
    count: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    mass = [base[:, named]]
    odds = [log_odds[named]]
    belongs = [inside[named]]
    rest = np.ones(log_odds.size, dtype=bool)
    rest[named] = False
    for member in (True, False):
        group = np.flatnonzero(rest & (inside == member))
        if not group.size:
            continue
        nodes = _nodes(log_odds[group], weight[group], count)
        carried = _shared(base[:, group], log_odds[group], nodes)
        used = carried.any(axis=0)
        mass.append(carried[:, used])
        odds.append(nodes[used])
        belongs.append(np.full(int(used.sum()), member))
    p = np.concatenate(mass, axis=1)
    ids = np.full(p.shape[1], -1, dtype=np.int64)
    ids[: named.size] = named
    with np.errstate(divide="ignore"):  # a node without mass in this context is -inf, as it should
        log_p = np.log(p / p.sum(axis=1, keepdims=True))
    return log_p, np.concatenate(odds), ids, np.concatenate(belongs)


def _nodes(
    values: NDArray[np.float64], weight: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    """At most `count` nodes over the range of `values`, close where `weight` is large.

    Linear sharing errs by weight times distance squared; equal contributions need a density of
    nodes that goes with the cube root of the weight.
    """
    order = np.argsort(values, kind="stable")
    value = values[order]
    edges = np.linspace(value[0], value[-1], 8 * count + 1)
    density = np.histogram(value, edges, weights=weight[order])[0] ** (1 / 3)
    # A tenth of the nodes evenly, so that no part of the range is left to one wide interval.
    density += max(0.1 * float(density.mean()), np.finfo(float).tiny)
    reached = np.concatenate([[0.0], np.cumsum(density)])
    nodes = np.interp(np.linspace(0.0, reached[-1], count), reached, edges)
    nodes[0], nodes[-1] = value[0], value[-1]
    return np.unique(nodes)


def _shared(
    mass: NDArray[np.float64], values: NDArray[np.float64], nodes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mass per context and node, (m, len(nodes)): each value shared by its two neighbours."""
    if nodes.size == 1:
        return mass.sum(axis=1, keepdims=True)
    left = np.clip(np.searchsorted(nodes, values, side="right") - 1, 0, nodes.size - 2)
    part = np.clip((values - nodes[left]) / (nodes[left + 1] - nodes[left]), 0.0, 1.0)
    return np.stack(
        [
            np.bincount(left, row * (1 - part), nodes.size)
            + np.bincount(left + 1, row * part, nodes.size)
            for row in mass
        ]
    )


def _errors(
    families: Sequence[TiltedFamily],
    inside: NDArray[np.bool_],
    alphas: NDArray[np.float64],
    reduced: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]],
) -> tuple[float, float, float]:
    log_p, log_odds, _ids, member = reduced
    worst = np.zeros(3)
    for family, row in zip(families, log_p, strict=True):
        small = TiltedFamily(row, log_odds)
        differences = (
            family.mean(alphas) - small.mean(alphas),
            family.concept_log_odds(inside, alphas) - small.concept_log_odds(member, alphas),
            family.cross_entropy_increase(alphas) - small.cross_entropy_increase(alphas),
        )
        worst = np.maximum(worst, [np.abs(difference).max() for difference in differences])
    return float(worst[0]), float(worst[1]), float(worst[2])


def explore_record(
    model: SteeredModel,
    concept: ConceptTexts,
    alphas: NDArray[np.float64],
    *,
    contexts: int = 6,
    tokens: int = 40,
) -> tuple[Lumped, dict[str, Any]]:
    """The laws at the final norm of the first contexts, and the arrays of the file.

    `alphas`, shape (A,), is the range to be shown: tokens are chosen, and errors reported, on it.

    Raises
    ------
    ShapeError
        `tokens` is not between 2 and V - 1.
    """
    shown = concept.contexts[:contexts]
    families = model.at("final_norm", model.vector(concept.positive, concept.neutral), shown)
    inside = np.zeros(model.vocabulary, dtype=bool)
    inside[model.tokens(concept.words)] = True
    lumped = lump(families, inside, alphas, tokens=tokens)
    named = lumped.tokens >= 0
    texts = [
        model.token_text(int(token)) if token >= 0 else f"(others, M near {odds:+.2f})"
        for token, odds in zip(lumped.tokens, lumped.log_odds, strict=True)
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
        "max_error_mean": lumped.mean_error,
        "max_error_concept_log_odds": lumped.log_odds_error,
        "max_error_cross_entropy": lumped.divergence_error,
        "versions": versions(),
    }
    return lumped, {
        "log_p": lumped.log_p,
        "log_odds": lumped.log_odds,
        "tokens": np.array(texts),
        "named": named,
        "target": lumped.inside,
        "contexts": np.array(shown),
        "meta": np.array(json.dumps(meta)),
    }
