"""The probability of a concept: Eq. 12, Def. 3.5 and Thm 3.6 of arXiv:2602.02712."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from steering_strength.proofs_check import certificate as certain
from steering_strength.proofs_check import strategies as draw
from steering_strength.proofs_check.balls import Ball, Balls
from steering_strength.proofs_check.check import check, reading
from steering_strength.proofs_check.comparison import (
    EPS,
    Comparison,
    as_alone,
    claim,
    compare,
    not_above,
)
from steering_strength.proofs_check.extrema import count_extrema
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase
from steering_strength.proofs_check.law_values import concept_first, law
from steering_strength.proofs_check.oracles import exact
from steering_strength.proofs_check.oracles.precise import CTX
from steering_strength.proofs_check.simulation import simulated_dataset
from steering_strength.proofs_check.tolerance import SAFETY, UNDERFLOW


@check("concept-ode", draw.any_families(), judges="TiltedFamily: concept_slope")
def concept_ode(case: FamilyCase) -> Iterator[Comparison]:
    """F_C' = F_C (1 - F_C)(mu_C - mu_notC), mu the conditional means of M under p_alpha.
    Tolerance: F(1-F) to twice the error of the log-odds, each conditional mean to its own error."""
    limits, alpha = case.limits, case.alpha
    oracle = case.tilt.concept_slope(case.tokens, alpha)
    log_odds = case.tilt.concept_log_odds(case.tokens, alpha)
    spread = 1 / (2 + CTX.exp(log_odds) + CTX.exp(-log_odds))
    relative = 2 * limits.concept_log_odds(case.alpha) + SAFETY * EPS
    # Each conditional mean moves by at most the error of its weights times the whole spread.
    means = SAFETY * limits.log_probability(case.alpha) * limits.spread
    means += 8 * EPS * max(abs(m) for m in case.M)
    allowed = relative * abs(oracle) + spread * means + UNDERFLOW * (1 + limits.spread)
    formula = case.family.concept_slope(case.asked, case.alpha)
    yield compare("F'", oracle, formula=(formula, allowed))
    ask = partial(case.family.concept_slope, case.tokens)
    yield from as_alone("F'", ask, case.alpha, 0.5)
    # The law divides by 1 - F, which is 0 where F differs from 1 beyond the last digit.
    if abs(log_odds) < CTX.dps * CTX.ln10 / 2:
        yield law("concept-ode", concept_first(case), oracle)


@check(
    "concept-tanh", draw.any_families(), judges="TiltedFamily: concept_log_odds concept_increase"
)
def concept_tanh(case: FamilyCase) -> Iterator[Comparison]:
    """Delta p(C|alpha) = (tanh((nu + r)/2) - tanh(r/2))/(2|C|), nu + r = log S_C - log S_notC.
    Tolerance: the log-odds to the error of two log-sum-exps; Delta p(C) to that times F(1-F), and
    relatively to EPS (1 + |log p|) near alpha = 0."""
    limits, tokens, size = case.limits, list(case.tokens), len(case.tokens)
    log_odds = case.tilt.concept_log_odds(tokens, case.alpha)
    engine = case.family.concept_log_odds(tokens, case.alpha)
    yield compare("logit F", log_odds, engine=(engine, limits.concept_log_odds(case.alpha)))
    oracle = case.tilt.concept_increase(tokens, case.alpha) / size
    engine = case.family.concept_increase(tokens, case.alpha)
    allowed = limits.concept_increase(case.tokens, case.alpha)
    yield compare("Delta p(C)", oracle, engine=(engine, allowed))
    # tanh r at r = 460 differs from 1 in the 400th digit: more than the law's evaluation carries.
    if limits.depth < 100:
        yield law("concept-tanh", concept_first(case), oracle)


@check(
    "concept-monotone",
    st.one_of(draw.concept_cases("1", wild=False), draw.concept_cases("B.1", wild=False)),
    judges="TiltedFamily: concept_rises concept_falls",
)
def concept_monotone(case: ConceptCase) -> Iterator[Comparison]:
    """F_T increases; F_C decreases where max_C M <= min_notC M (strictly unless M is constant).
    Tolerance: F_C at alpha = n q as exact fractions; engine and simulation to their own errors."""
    limits, steps = case.limits, range(-4, 5)
    alphas = np.array([float(n * case.q) for n in steps])
    allowed = np.array([float(limits.concept_log_odds(a)) for a in alphas])
    _, steered = simulated_dataset(case)
    simulated, noise = steered.probability(alphas), steered.noise(alphas)
    for concept in range(case.dataset.concepts):
        tokens = case.dataset.tokens(concept)
        shares = exact.concept_levels(case.row, case.ratios, tokens)
        moves = [b - a for a, b in pairwise(shares)]
        exactly = all(d >= 0 for d in moves), all(d <= 0 for d in moves)
        asked = np.isin(np.arange(len(case.p)), tokens) if concept % 2 else tokens
        said = case.family.concept_rises(asked), case.family.concept_falls(asked)
        # Where rounding M and log p changes neither the levels of M nor the order of their rho.
        if case.family.level_shares(tokens).size == len(shares) and all(
            abs(b - a) > Fraction(1, 10**9) or a == b in (0, 1) for a, b in pairwise(shares)
        ):
            yield claim(f"rho rises, falls: {exactly}, not {said}", said == exactly)
        if concept != case.target and not said[1]:
            continue
        direction = 1 if concept == case.target else -1
        curve = exact.concept_curve(case.row, case.ratios, tokens, steps)
        what = f"F of concept {concept} moves strictly, {direction}"
        yield claim(what, exact.signs_of_change(curve) == [direction])
        engine = direction * case.family.concept_log_odds(list(tokens), alphas)
        yield not_above("engine's log-odds", engine[:-1], engine[1:], allowed[:-1] + allowed[1:])
        sums = direction * simulated[:, list(tokens)].sum(axis=1)
        yield not_above("simulated F", sums[:-1], sums[1:], 2 * (noise[:-1] + noise[1:]))
    family = case.as_family()
    slope = family.tilt.concept_slope(family.tokens, family.alpha)
    yield law("concept-monotone", concept_first(family), slope)


@check(
    "concept-limit",
    draw.any_families(),
    judges="TiltedFamily: concept_limit concept_increase_limit",
)
def concept_limit(case: FamilyCase) -> Iterator[Comparison]:
    """If C holds no extremal token, Delta p(C|alpha) -> -(1/|C|) sum_C p at both ends.
    Tolerance: the limit is a difference of shares, each to EPS (1 + |log p|)."""
    limits, size, tilt = case.limits, len(case.tokens), case.tilt
    before = tilt.concept(case.tokens, 0)
    inner = all(min(case.M) < case.M[z] < max(case.M) for z in case.tokens)
    for sign in (-1, 1):
        inside = tilt.concept(case.tokens, tilt.far(sign))
        ties = [z in case.tokens for z in tilt.extreme(sign)]
        log_odds = CTX.inf if all(ties) else -CTX.inf
        if any(ties) and not all(ties):
            log_odds = tilt.concept_log_odds(case.tokens, tilt.far(sign))
        engine = (case.family.concept_limit(case.asked, sign), 4 * SAFETY * EPS * limits.depth)
        yield compare("limit of logit F", log_odds, engine=engine)
        oracle = (inside - before) / size
        allowed = SAFETY * EPS * limits.depth * (before + abs(oracle)) + UNDERFLOW
        formula = case.family.concept_increase_limit(case.asked, sign)
        yield compare("limit of Delta p(C)", oracle, formula=(formula, allowed))
        if inner:
            yield compare("limit of Delta p(C)", oracle, theorem=(-before / size, 1e-90))
            yield law("concept-limit", concept_first(case, extreme=sign), oracle, sides=["right"])
            far = float(tilt.far(sign))
            found = case.family.concept_increase(list(case.tokens), far)
            yield compare("Delta p(C) far out", oracle, engine=(found, allowed))


@check(
    "concept-shape",
    st.one_of(
        draw.family_cases(wild=False),
        draw.concept_cases("1", wild=False).map(ConceptCase.as_family),
    ),
    judges="TiltedFamily: extrema_bound level_shares",
    weight=0.5,
)
def concept_shape(case: FamilyCase) -> Iterator[Comparison]:
    """F_C has at most as many extrema as rho has turns, with the same parity; so <= 2|C| - 1.
    Tolerance: turns of the curve are counted in 120 digits on a grid, turns of rho exactly."""
    if len(set(case.M)) == 1:
        return
    seen = case.tilt.curve_turns(case.tokens)
    bound = case.family.extrema_bound(case.asked)
    rho = exact.concept_levels(case.row, case.keys, case.tokens)
    allowed = SAFETY * EPS * case.limits.depth
    yield compare("rho", rho, engine=(case.family.level_shares(case.asked), allowed))
    yield claim(f"{seen} extrema seen, at most {bound}", seen <= bound)
    yield claim(f"{seen} extrema seen, parity of {bound}", (bound - seen) % 2 == 0)
    size = len(case.tokens)
    yield claim(f"{seen} extrema seen, |C| = {size}", seen <= 2 * size - 1)


@reading("concept-limit/returns", draw.concept_cases("1", wild=False))
def returns(case: ConceptCase) -> Iterator[Comparison]:
    """A concept without extremal tokens "converges back to its unsteered value".
    Tolerance: a limit in 100 digits against 0.
    Instead (after Thm 3.6): its probability goes to 0 at both ends, as the formula of Thm 3.6 says.
    """
    end = case.tilt.limit(1)
    for concept in range(case.dataset.concepts):
        tokens = case.dataset.tokens(concept)
        if all(min(case.M) < case.M[z] < max(case.M) for z in tokens):
            before = case.tilt.concept(tokens, 0)
            change = CTX.fsum(end[z] for z in tokens) - before
            told = f"{CTX.nstr(before, 6)}; it ends {CTX.nstr(change, 6)} away"
            what = f"F of concept {concept} returns to {told}"
            yield claim(what, abs(change) < 1e-50)


def _others(case: ConceptCase) -> Iterator[tuple[int, tuple[int, ...]]]:
    """The concepts besides T, with their tokens."""
    for concept in range(case.dataset.concepts):
        if concept != case.target:
            yield concept, case.dataset.tokens(concept)


@reading("concept-monotone/necessary", draw.shape_cases())
def necessary(case: ConceptCase) -> Iterator[Comparison]:
    """A concept C falls only if max_C M <= min of M outside C.
    Tolerance: the condition and the fall of F_C at alpha = n q/2 by exact fractions; the fall also
    in 120 digits on a grid over the whole line.
    Instead (Thm 3.6): the condition is sufficient, and so is less: that rho falls from level to
    level."""
    for concept, tokens in _others(case):
        rest = [z for z in range(len(case.row)) if z not in tokens]
        condition = max(case.ratios[z] for z in tokens) <= min(case.ratios[z] for z in rest)
        if condition or _shape(case, tokens) != [-1]:
            continue
        if case.tilt.curve_turns(tokens, nodes=61) == 0:
            yield claim(f"F of concept {concept} falls without the condition", False)


def _shape(case: ConceptCase, tokens: tuple[int, ...], reach: int = 6) -> list[int]:
    """Directions of F_C from alpha = -reach q to reach q in exact fractions.

    In steps of q/2 where every e^{q M} is a square, else in steps of q.
    """
    parts = 2 if exact.all_squares(case.ratios) else 1
    factors = [exact.root(ratio, parts) for ratio in case.ratios]
    steps = range(-parts * reach, parts * reach + 1)
    return exact.signs_of_change(exact.concept_curve(case.row, factors, tokens, steps))


def _moves(case: ConceptCase, kind: list[int], what: str) -> Iterator[Comparison]:
    """No other concept begins with these directions."""
    for concept, tokens in _others(case):
        yield claim(f"F of concept {concept} {what}", _shape(case, tokens)[:4] != kind)


@reading("concept-shape/one-bump", draw.shape_cases(crowded=True))
def one_bump(case: ConceptCase) -> Iterator[Comparison]:
    """Three behaviours: a concept besides T that neither rises nor falls bumps once.
    Tolerance: values of F_C at alpha = n q/2 compared as exact fractions.
    Instead (after Thm 3.6): it may bump twice; up to 2|C| - 1 extrema occur."""
    return _moves(case, [1, -1, 1, -1], "bumps once")


@reading("concept-shape/falls-rises-falls", draw.shape_cases())
def falls_rises_falls(case: ConceptCase) -> Iterator[Comparison]:
    """Three behaviours: a concept that falls as alpha comes from -inf falls for ever.
    Tolerance: values of F_C at alpha = n q/2 compared as exact fractions.
    Instead (after Thm 3.6): as many extrema as the share rho of C has turns, or fewer by an even
    number."""
    return _moves(case, [-1, 1, -1], "falls for ever")


@certain.certificate("concept-monotone", draw.SHARED_OFF.map(certain.moderate))
def concept_monotone_certificate(case: ConceptCase, balls: Balls) -> certain.Answers:
    """F_C has no stationary point on the whole line, and rises, for C = T; likewise falls for every
    other concept with max_C M <= min_notC M, and for those the engine takes for such; and the law's
    F_C' has that sign at the alpha of the instance, reduced to |alpha| (max M - min M) <= 300."""
    # Extrema counted like `concept-shape`; the direction is seen in the odds of C.
    keys, (p, M) = case.keys, certain.in_balls(case, balls)
    for concept in range(case.dataset.concepts):
        tokens = case.dataset.tokens(concept)
        rest = [z for z in range(len(keys)) if z not in tokens]
        falls = max(keys[z] for z in tokens) <= min(keys[z] for z in rest)
        if not (concept == case.target or falls or case.family.concept_falls(tokens)):
            continue
        count = count_extrema(case, tokens, balls)
        yield None if count is None else count == 0

        def odds(alpha: Ball, inside: tuple[int, ...] = tokens, outside: list[int] = rest) -> Ball:
            def mass(part: list[int] | tuple[int, ...]) -> Ball:
                return balls.total([p[z] * balls.exp(alpha * (M[z] - M[0])) for z in part])

            return mass(inside) / mass(outside)

        order, alpha = [*tokens, *rest], balls.exact(case.alpha)
        ordered = {"p": [p[z] for z in order], "M": [M[z] for z in order], "|C|": len(tokens)}
        wanted = 1 if concept == case.target else -1
        moves = certain.direction_here(odds, case, balls)
        yield None if moves is None else moves == wanted
        yield balls.positive(
            wanted * certain.law("concept-monotone", balls, alpha=alpha, **ordered)
        )


@certain.certificate(
    "concept-shape", st.one_of(draw.family_cases(wild=False), draw.shape_cases()), weight=0.3
)
def concept_shape_certificate(case: FamilyCase | ConceptCase, balls: Balls) -> certain.Answers:
    """The number of interior extrema of F_C on the whole line, counted exactly, is at most the
    number of turns of rho, has its parity, and is at most 2|C| - 1, for every concept C."""
    # Extrema isolated by interval halving; turns by exact fractions, and by the engine.
    # The formula knows M in float64 only: it is asked where M is given as floats.
    bounds: list[int] = []
    if isinstance(case, FamilyCase):
        concepts = [case.tokens]
        bounds = [case.family.extrema_bound(case.tokens)]
    else:
        concepts = [case.dataset.tokens(c) for c in range(case.dataset.concepts)]
    for tokens in concepts:
        count = count_extrema(case, tokens, balls)
        if count is None:
            yield None
            continue
        turns = exact.turns(exact.concept_levels(case.row, case.keys, tokens))
        for bound in (turns, *bounds):
            yield count <= bound and (bound - count) % 2 == 0
        yield count <= 2 * len(tokens) - 1
