"""Wrong laws of a concept's probability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from steering_strength.proofs_check import check_concept
from steering_strength.proofs_check.mutants.mutant import Mutant, wrong
from steering_strength.theory import TiltedFamily

Tokens = Sequence[int]


def _inside(family: TiltedFamily, tokens: Tokens) -> list[int]:
    """The tokens as indices, whichever way they are given."""
    found: list[int] = np.arange(family.size)[np.asarray(tokens)].tolist()
    return found


def _rest(family: TiltedFamily, tokens: Tokens) -> list[int]:
    inside = _inside(family, tokens)
    return [z for z in range(family.size) if z not in inside]


def _logit(family: TiltedFamily, tokens: Tokens, alpha: Any = 0.0) -> Any:
    return family.concept_log_odds(list(tokens), alpha)


def _spread(family: TiltedFamily, tokens: Tokens, alpha: Any) -> Any:
    """F (1 - F)."""
    log_odds = np.clip(_logit(family, tokens, alpha), -700.0, 700.0)
    return 1.0 / (2.0 + np.exp(log_odds) + np.exp(-log_odds))


def _gap(family: TiltedFamily, tokens: Tokens, alpha: Any) -> float:
    """mu_C - mu_notC."""
    inside, outside = family.conditional(tokens), family.conditional(_rest(family, tokens))
    return float(inside.mean(alpha) - outside.mean(alpha))


def _sides(family: TiltedFamily, tokens: Tokens) -> tuple[Any, Any]:
    return family.log_odds[_inside(family, tokens)], family.log_odds[_rest(family, tokens)]


def _flat_gap(family: TiltedFamily, tokens: Tokens) -> float:
    inside, outside = _sides(family, tokens)
    return float(inside.mean() - outside.mean())


def _start(family: TiltedFamily, tokens: Tokens) -> Any:
    return np.exp(family.log_p)[list(tokens)].sum()


def _survives(family: TiltedFamily, tokens: Tokens, sign: int) -> bool:
    return bool(np.isfinite(family.limit(sign)[list(tokens)]).any())


def _splitting_ties(right: Any, family: TiltedFamily, tokens: Tokens) -> int:
    order = np.argsort(family.log_odds, kind="stable")
    moves = np.sign(np.diff(np.isin(order, tokens).astype(float)))
    moves = moves[moves != 0]
    return int((moves[1:] != moves[:-1]).sum()) + (len(set(family.log_odds)) < len(order))


# fmt: off
MUTANTS: tuple[Mutant, ...] = (
    *wrong(check_concept.concept_ode, "TiltedFamily.concept_slope", {
        "without-complement: F (mu_C - mu_notC), the factor 1 - F is missing":
            lambda right, family, C, alpha: right(family, C, alpha)
            * (1.0 + np.exp(np.minimum(_logit(family, C, alpha), 700.0))),
        "against-overall-mean: the overall mean of M for that of the complement":
            lambda _, family, C, alpha: _spread(family, C, alpha)
            * (family.conditional(C).mean(alpha) - family.mean(alpha)),
        "with-flat-means: unweighted means of M over the concept and over its complement":
            lambda _, family, C, alpha: _spread(family, C, alpha) * _flat_gap(family, C),
        "with-untilted-means: the conditional means do not move with alpha":
            lambda _, family, C, alpha: _spread(family, C, alpha) * _gap(family, C, 0.0),
    }),
    *wrong(check_concept.concept_tanh, "TiltedFamily.concept_log_odds", {
        "linear-nu: nu is linearised, its slope at 0 times alpha":
            lambda right, family, C, alpha: np.asarray(
                right(family, list(C), 0.0) + np.asarray(alpha) * _gap(family, C, 0.0)),
        "without-r: logit F = nu, the unsteered log-odds r are dropped":
            lambda right, family, C, alpha: right(family, C, alpha) - right(family, list(C), 0.0),
        "of-the-log: log F for logit F":
            lambda right, family, C, alpha: -np.logaddexp(0.0, -right(family, C, alpha)),
        "per-token: a difference of mean logs for a log of sums":
            lambda _, family, C, alpha: np.subtract(*(
                family.log_probability(alpha)[..., side].mean(-1)
                for side in (list(C), _rest(family, C)))),
    }),
    *wrong(check_concept.concept_tanh, "TiltedFamily.concept_increase", {
        "full-logit: tanh of the full logit instead of half of it":
            lambda _, family, C, alpha:
            (np.tanh(_logit(family, C, alpha)) - np.tanh(_logit(family, C))) / (2.0 * len(C)),
        "dropped-r-prime: r' = tanh(r/2) is dropped, and the curve does not start at 0":
            lambda _, family, C, alpha: np.tanh(0.5 * _logit(family, C, alpha)) / (2.0 * len(C)),
        "not-per-token: the 1/|C| of Def. 3.5 is missing":
            lambda right, family, C, alpha: len(C) * right(family, C, alpha),
        "centred-tanh: tanh(nu/2)/(2|C|), right only for a concept of probability 1/2":
            lambda _, family, C, alpha:
            np.tanh(0.5 * (_logit(family, C, alpha) - _logit(family, C))) / (2.0 * len(C)),
        "by-two-sums: F(alpha) - F(0) as it stands, whose digits cancel near alpha = 0":
            lambda _, family, C, alpha: (np.exp(family.log_probability(alpha))[..., list(C)].sum(-1)
                                         - _start(family, C)) / len(C),
    }),
    *wrong(check_concept.concept_limit, "TiltedFamily.concept_increase_limit", {
        "back-to-start: a concept without extremal tokens returns to where it came from":
            lambda right, family, C, sign:
            right(family, C, sign) if _survives(family, C, sign) else 0.0,
        "always-gone: every concept ends at -F(0)/|C|, with or without extremal tokens":
            lambda _, family, C, sign: -float(_start(family, C) / len(C)),
        "all-or-nothing: a concept that holds an extremal token ends at 1, whoever is tied with it":
            lambda _, family, C, sign:
            (float(_survives(family, C, sign)) - float(_start(family, C))) / len(C),
    }),
    *wrong(check_concept.concept_monotone, "TiltedFamily.concept_falls", {
        "by-means: F_C falls where the mean of M over C is below that over the rest":
            lambda _, family, C: _flat_gap(family, C) < 0,
        "by-tops: F_C falls where max_C M <= max_notC M":
            lambda _, family, C: bool(np.less_equal(*(side.max() for side in _sides(family, C)))),
        "even-if-constant: F_C falls wherever its first token has M <= 0":
            lambda _, family, C: bool(family.log_odds[list(C)][0] <= 0),
    }),
    *wrong(check_concept.concept_shape, "TiltedFamily.extrema_bound", {
        "one-bump: every concept bumps once, as tokens do":
            lambda *_: 1,
        "monotone-concepts: no concept has an extremum":
            lambda *_: 0,
        "splitting-ties: rho token by token, tokens tied in M are not merged":
            _splitting_ties,
        "one-less: one extremum less than rho has turns":
            lambda right, family, C: max(right(family, C) - 1, 0),
    }),
)
