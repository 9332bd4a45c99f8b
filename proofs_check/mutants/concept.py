"""Wrong laws of a concept's probability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.mutants.mutant import RIGHT, Mutant, mutant
from steering_strength.theory import TiltedFamily

__all__ = ["MUTANTS"]

Floats = NDArray[np.float64]
Tokens = Sequence[int]


def _start(family: TiltedFamily, tokens: Tokens) -> float:
    return float(RIGHT.concept_log_odds(family, list(tokens), 0.0))


def _outside(family: TiltedFamily, tokens: Tokens) -> list[int]:
    return [z for z in range(len(family.log_p)) if z not in tokens]


def without_complement(family: TiltedFamily, tokens: Tokens, alpha: float) -> float:
    """F (mu_C - mu_notC): the factor 1 - F is missing."""
    log_odds = float(RIGHT.concept_log_odds(family, list(tokens), alpha))
    with np.errstate(under="ignore", over="ignore"):
        return RIGHT.concept_slope(family, tokens, alpha) * float(
            1.0 + np.exp(min(log_odds, 700.0))
        )


def against_overall_mean(family: TiltedFamily, tokens: Tokens, alpha: float) -> float:
    """F (1 - F)(mu_C - E[M]): the overall mean for that of the complement."""
    log_odds = float(RIGHT.concept_log_odds(family, list(tokens), alpha))
    spread = 1.0 / (2.0 + np.exp(min(log_odds, 700.0)) + np.exp(min(-log_odds, 700.0)))
    return float(spread * (family.conditional(tokens).mean(alpha) - family.mean(alpha)))


def with_flat_means(family: TiltedFamily, tokens: Tokens, alpha: float) -> float:
    """Unweighted means of M over the concept and over its complement."""
    log_odds = float(RIGHT.concept_log_odds(family, list(tokens), alpha))
    spread = 1.0 / (2.0 + np.exp(min(log_odds, 700.0)) + np.exp(min(-log_odds, 700.0)))
    M = family.log_odds
    return float(spread * (M[list(tokens)].mean() - M[_outside(family, tokens)].mean()))


def with_untilted_means(family: TiltedFamily, tokens: Tokens, alpha: float) -> float:
    """The conditional means do not move with alpha."""
    right = RIGHT.concept_slope(family, tokens, alpha)
    inside, outside = family.conditional(tokens), family.conditional(_outside(family, tokens))
    moving = float(inside.mean(alpha) - outside.mean(alpha))
    still = float(inside.mean(0.0) - outside.mean(0.0))
    return right * still / moving if moving else right


def linear_nu(family: TiltedFamily, tokens: Tokens, alpha: Any) -> Floats:
    """nu is linearised: its slope at 0 times alpha."""
    inside, outside = family.conditional(tokens), family.conditional(_outside(family, tokens))
    slope = float(inside.mean(0.0) - outside.mean(0.0))
    return np.asarray(_start(family, tokens) + np.asarray(alpha) * slope)


def without_r(family: TiltedFamily, tokens: Tokens, alpha: Any) -> Floats:
    """logit F = nu: the unsteered log-odds r are dropped."""
    return np.asarray(RIGHT.concept_log_odds(family, tokens, alpha) - _start(family, tokens))


def of_the_log(family: TiltedFamily, tokens: Tokens, alpha: Any) -> Floats:
    """log F for logit F."""
    log_odds = RIGHT.concept_log_odds(family, tokens, alpha)
    return np.asarray(-np.logaddexp(0.0, -log_odds))


def per_token(family: TiltedFamily, tokens: Tokens, alpha: Any) -> Floats:
    """Mean log-probability over C minus over its complement: a mean of logs for a log of sums."""
    log_p = RIGHT.log_probability(family, alpha)
    outside = _outside(family, tokens)
    return np.asarray(log_p[..., list(tokens)].mean(-1) - log_p[..., outside].mean(-1))


def _increase(family: TiltedFamily, tokens: Tokens, alpha: Any, half: float) -> Floats:
    after = RIGHT.concept_log_odds(family, list(tokens), alpha)
    return np.asarray(
        (np.tanh(half * after) - np.tanh(half * _start(family, tokens))) / (2.0 * len(tokens))
    )


def full_logit(family: TiltedFamily, tokens: Tokens, alpha: Any) -> Floats:
    """tanh of the full logit instead of half of it."""
    return _increase(family, tokens, alpha, 1.0)


def dropped_r_prime(family: TiltedFamily, tokens: Tokens, alpha: Any) -> Floats:
    """r' = tanh(r/2) is dropped: the curve does not start at 0."""
    after = RIGHT.concept_log_odds(family, list(tokens), alpha)
    return np.asarray(np.tanh(0.5 * after) / (2.0 * len(tokens)))


def not_per_token(family: TiltedFamily, tokens: Tokens, alpha: Any) -> Floats:
    """The 1/|C| of Def. 3.5 is missing: the sum for the mean."""
    return np.asarray(len(tokens) * RIGHT.concept_increase(family, tokens, alpha))


def centred_tanh(family: TiltedFamily, tokens: Tokens, alpha: Any) -> Floats:
    """tanh(nu/2)/(2|C|): right only for a concept of probability 1/2."""
    nu = RIGHT.concept_log_odds(family, list(tokens), alpha) - _start(family, tokens)
    return np.asarray(np.tanh(0.5 * nu) / (2.0 * len(tokens)))


def by_two_sums(family: TiltedFamily, tokens: Tokens, alpha: Any) -> Floats:
    """F(alpha) - F(0) as it stands: the digits cancel near alpha = 0."""
    with np.errstate(under="ignore"):
        p = np.exp(RIGHT.log_probability(family, alpha))
        change = p[..., list(tokens)].sum(-1) - np.exp(family.log_p)[list(tokens)].sum()
    return np.asarray(change / len(tokens))


def back_to_start(family: TiltedFamily, tokens: Tokens, sign: int) -> float:
    """A concept without extremal tokens returns to where it came from."""
    right = RIGHT.concept_increase_limit(family, tokens, sign)
    gone = not np.isfinite(RIGHT.limit(family, sign)[list(tokens)]).any()
    return 0.0 if gone else right


def always_gone(family: TiltedFamily, tokens: Tokens, sign: int) -> float:
    """Every concept ends at -F(0)/|C|, with or without extremal tokens."""
    with np.errstate(under="ignore"):
        return -float(np.exp(family.log_p)[list(tokens)].sum() / len(tokens))


def all_or_nothing(family: TiltedFamily, tokens: Tokens, sign: int) -> float:
    """A concept that holds an extremal token ends at 1: ties with other concepts are forgotten."""
    holds = np.isfinite(RIGHT.limit(family, sign)[list(tokens)]).any()
    with np.errstate(under="ignore"):
        start = float(np.exp(family.log_p)[list(tokens)].sum())
    return (float(holds) - start) / len(tokens)


def by_means(family: TiltedFamily, tokens: Tokens) -> bool:
    """F_C falls where the mean of M over C is below that over the rest."""
    M = family.log_odds
    return bool(M[list(tokens)].mean() < M[_outside(family, tokens)].mean())


def by_tops(family: TiltedFamily, tokens: Tokens) -> bool:
    """F_C falls where max_C M <= max_notC M."""
    M = family.log_odds
    return bool(M[list(tokens)].max() <= M[_outside(family, tokens)].max())


def even_if_constant(family: TiltedFamily, tokens: Tokens) -> bool:
    """F_C falls wherever its first token has M <= 0."""
    return bool(family.log_odds[list(tokens)][0] <= 0)


def one_bump(family: TiltedFamily, tokens: Tokens) -> int:
    """Every concept bumps once, as tokens do."""
    return 1


def monotone_concepts(family: TiltedFamily, tokens: Tokens) -> int:
    """No concept has an extremum."""
    return 0


def splitting_ties(family: TiltedFamily, tokens: Tokens) -> int:
    """rho token by token: tokens tied in M are not merged."""
    order = np.argsort(family.log_odds, kind="stable")
    inside = np.isin(order, tokens).astype(float)
    moves = np.sign(np.diff(inside))
    moves = moves[moves != 0]
    return int((moves[1:] != moves[:-1]).sum()) + (len(set(family.log_odds)) < len(order))


def one_less(family: TiltedFamily, tokens: Tokens) -> int:
    """One extremum less than rho has turns."""
    return max(RIGHT.extrema_bound(family, tokens) - 1, 0)


MUTANTS: tuple[Mutant, ...] = (
    *(
        mutant("concept-ode", concept_slope=wrong)
        for wrong in (
            without_complement,
            against_overall_mean,
            with_flat_means,
            with_untilted_means,
        )
    ),
    *(
        mutant("concept-tanh", concept_log_odds=wrong)
        for wrong in (linear_nu, without_r, of_the_log, per_token)
    ),
    *(
        mutant("concept-tanh", concept_increase=wrong)
        for wrong in (full_logit, dropped_r_prime, not_per_token, centred_tanh, by_two_sums)
    ),
    *(
        mutant("concept-limit", concept_increase_limit=wrong)
        for wrong in (back_to_start, always_gone, all_or_nothing)
    ),
    *(
        mutant("concept-monotone", concept_falls=wrong)
        for wrong in (by_means, by_tops, even_if_constant)
    ),
    *(
        mutant("concept-shape", extrema_bound=wrong)
        for wrong in (one_bump, monotone_concepts, splitting_ties, one_less)
    ),
)
