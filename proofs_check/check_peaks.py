"""One bump per token, in the order of M: Thm 3.3 and Remark 3.4 of arXiv:2602.02712."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import lcm, log, prod
from typing import Any

import numpy as np
from hypothesis import strategies as st

from steering_strength.proofs_check import certificate as certain
from steering_strength.proofs_check import strategies as draw
from steering_strength.proofs_check.balls import Balls
from steering_strength.proofs_check.check import check, reading
from steering_strength.proofs_check.comparison import EPS, Comparison, claim, compare, not_above
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase, WeightedCase
from steering_strength.proofs_check.law_values import at_maximum, law, of_case
from steering_strength.proofs_check.oracles import precise
from steering_strength.proofs_check.oracles.precise import CTX, Number, number
from steering_strength.proofs_check.simulation import (
    Vector,
    look_for_peak,
    simulated_dataset,
)
from steering_strength.proofs_check.tolerance import NAIVE, SAFETY
from steering_strength.theory.engine import peaks as peaks_of_engine
from steering_strength.theory.model import peak_sign as model


@check(
    "peak",
    draw.any_families(),
    judges=("TiltedFamily: peaks peak_log_probability", "two_level_peak"),
)
def peak(case: FamilyCase) -> Iterator[Comparison]:
    """If M(z) is no extreme, p_alpha(z) rises to one peak alpha_z and falls; K'(alpha_z) = M(z).
    Tolerance: K' - M(z) is known to the error of the weights times E|M - M(z)|, the root to that
    over K''."""
    peaks, heights = case.family.peaks(), case.family.peak_log_probability()
    low, high = min(case.M), max(case.M)
    for z, (M, alpha) in enumerate(zip(case.M, peaks.tolist(), strict=True)):
        if low == high:
            yield claim("no peak where M is constant", np.isnan(alpha))
        elif M in (low, high):
            end = np.inf if high == M else -np.inf
            yield claim(f"peak of the extreme token {z} at {end}", alpha == end)
        elif not np.isfinite(alpha):
            yield claim(f"finite peak of the interior token {z}, not {alpha}", False)
        else:
            yield from _bump(case, z, alpha, float(heights[z]))
    # Equal M, equal peak; larger M, later peak.
    order = sorted(range(len(peaks)), key=lambda z: case.M[z])
    for y, z in pairwise(order):
        if np.isfinite(peaks[y]) and np.isfinite(peaks[z]):
            later = peaks[z] >= peaks[y] if case.M[y] < case.M[z] else peaks[z] == peaks[y]
            yield claim("peaks are ordered as M", later)
    interior = [z for z, M in enumerate(case.M) if low < M < high]
    if interior:
        yield from _explicit(case, interior[0])
    z = case.gauge % len(case.p)
    yield law("peak", of_case(case), case.tilt.slope(case.alpha)[z], z=z)


def _bump(case: FamilyCase, z: int, alpha: float, height: float) -> Iterator[Comparison]:
    """A root is a sign change in a bracket: rising before, falling after; and the height there."""
    tilt, at, width = case.tilt, number(alpha), case.limits.peak(alpha)
    turns = [tilt.rises(z, at + side * width) for side in (-1, 1)]
    yield claim(f"token {z} rises before {alpha!r} and falls after", turns == [1, -1])
    offset = tilt.peak_offset(z, at)
    yield compare(f"distance to the peak of token {z}", 0, engine=(offset, width))
    top = tilt.at(at)
    engine = (height, case.limits.log_probability(alpha))
    yield compare(f"height of token {z}", CTX.log(top[z]), engine=engine)
    # log(height / p) is a divergence. They part by alpha (M(z) - K'(alpha)) off the peak,
    # which is at most alpha K'' width; twice that, for K'' moves over the width.
    gain = CTX.log(top[z] / case.p[z])
    allowed = 2 * abs(at) * tilt.variance(at) * width + NAIVE
    yield compare(f"log gain of token {z}", tilt.price_back(at), height=(gain, allowed))


def _explicit(case: FamilyCase, z: int) -> Iterator[Comparison]:
    """Where the other tokens take two values M(z) + s and M(z) - t, the peak is explicit."""
    above = [y for y, M in enumerate(case.M) if case.M[z] < M]
    below = [y for y, M in enumerate(case.M) if case.M[z] > M]
    if len({case.M[y] for y in above}) != 1 or len({case.M[y] for y in below}) != 1:
        return
    s, t = case.M[above[0]] - case.M[z], case.M[z] - case.M[below[0]]
    masses = [float(CTX.fsum(case.p[y] for y in group)) for group in (below, above)]
    at = number(peaks_of_engine.two_level_peak(masses[0], masses[1], float(t), float(s)))
    allowed = 8 * EPS * (case.limits.depth / (s + t) + abs(at))
    offset = case.tilt.peak_offset(z, at)
    yield compare(f"explicit peak of token {z}", 0, formula=(offset, allowed))


@check("peak-order", draw.SHARED_OFF, judges="TiltedFamily: peaks")
def peak_order(case: ConceptCase) -> Iterator[Comparison]:
    """z in T, z' not in T: the peak of z' comes before the peak of z.
    Tolerance: the order is strict, and decided by one alpha at which one token falls while the
    other rises; simulated peaks are known to sqrt(2 noise / K'')."""
    target, limits, peaks = set(case.tokens), case.limits, case.family.peaks()
    others = [z for z in range(len(case.M)) if z not in target]
    last, first = max(others, key=case.M.__getitem__), min(target, key=case.M.__getitem__)
    for z in target:
        for y in others:
            yield claim(f"{peaks[y]} <= {peaks[z]}", peaks[y] <= peaks[z])
    gap = case.M[first] - case.M[last]
    yield claim("M(T) above M outside T", gap > 0)
    yield from _means_at_peaks(case, last, first)
    if gap < 100 * limits.blur:  # the engine cannot tell the two tokens apart
        return
    yield claim("strict order", peaks[last] < peaks[first])
    between = _alpha_between(case, last, first)
    yield claim("at some alpha the one falls while the other rises", between is not None)
    _, steered = simulated_dataset(case)
    seen = []
    for z in (last, first):
        if not np.isfinite(peaks[z]) or abs(peaks[z]) > 1e6 / limits.spread:
            continue

        def curve(grid: Vector, token: int = z) -> Vector:
            return np.asarray(steered.log_probability(grid)[:, token])

        alpha = look_for_peak(curve, float(1 / limits.spread))
        noise = number(float(steered.noise(alpha)))
        seen.append((alpha, CTX.sqrt(2 * noise / case.tilt.variance(peaks[z]))))
    if len(seen) == 2:
        (before, width), (after, other) = seen
        yield not_above("simulated peaks", before, after, 2 * (width + other))


def _means_at_peaks(case: ConceptCase, last: int, first: int) -> Iterator[Comparison]:
    """At its peak each token has the mean log-odds: the means differ as M does."""
    limits = case.limits
    x, z = (float(case.family.peaks()[token]) for token in (last, first))
    if not (np.isfinite(x) and np.isfinite(z)):
        return
    gap = case.M[first] - case.M[last]
    values = {**of_case(case), "alpha_x": number(x), "alpha_z": number(z)}
    # each engine peak is known to its width, over which the mean moves by K''
    moved = CTX.fsum(limits.peak(a) * case.tilt.variance(a) for a in (x, z))
    for side, slack in (("left", moved), ("right", 0)):
        yield law("peak-order", values, gap, sides=[side], slack=slack, x=last, z=first)


def _alpha_between(case: ConceptCase, last: int, first: int) -> Number | None:
    """An alpha at which token `last` falls and `first` rises, by bisection on what is seen."""
    span = case.tilt.far(1)
    low, high = -span, span
    for _ in range(400):
        middle = (low + high) / 2
        falling = case.tilt.rises(last, middle) < 0
        rising = case.tilt.rises(first, middle) > 0
        if falling and rising:
            return middle
        low, high = (low, middle) if falling else (middle, high)
    return None


@check("monotone", draw.any_families(), judges="TiltedFamily: rising falling")
def monotone(case: FamilyCase) -> Iterator[Comparison]:
    """Tokens at max M strictly increase for all alpha, tokens at min M strictly decrease.
    Tolerance: which tokens always rise, or always fall, is seen in 120 digits; the engine's curve
    may move the other way by its error."""
    size = abs(number(case.alpha)) + 1
    ends = [case.tilt.far(sign) for sign in (-1, 1)]
    places = [ends[0], -size, number(0), number(case.alpha), ends[1]]
    seen = [[case.tilt.rises(z, at) for at in places] for z in range(len(case.p))]
    rises, falls = ([all(sign * s > 0 for s in row) for row in seen] for sign in (1, -1))
    yield claim("the tokens that always rise", case.family.rising().tolist() == rises)
    yield claim("the tokens that always fall", case.family.falling().tolist() == falls)
    grid = np.array([-abs(case.alpha) - 1.0, -0.5, 0.0, 0.5, abs(case.alpha) + 1.0])
    curve = case.family.log_probability(np.sort(grid))
    noise = np.array([float(case.limits.log_probability(a)) for a in np.sort(grid)])
    allowed = noise[1:] + noise[:-1]
    for z in range(len(case.p)):
        before, after = curve[:-1, z], curve[1:, z]
        if rises[z]:
            yield not_above(f"token {z} rising", before, after, allowed)
        if falls[z]:
            yield not_above(f"token {z} falling", after, before, allowed)


@check(
    "peak-sign",
    st.one_of(draw.concept_cases("1"), draw.concept_cases("none")),
    judges=("TiltedFamily: peak_signs peaks", "ConceptDataset: closeness"),
)
def peak_sign(case: ConceptCase) -> Iterator[Comparison]:
    """alpha_z > 0 iff M(z) > E_p[M], and E_p[M] = mean_N KL(p||p_i) - mean_P KL(p||p_i).
    Tolerance: a sign is compared only where |M(z) - E_p[M]| exceeds the error of E_p[M]."""
    limits = case.limits
    centre, allowed = case.tilt.mean(0), limits.mean(0.0)
    signs, peaks = case.family.peak_signs(), case.family.peaks()
    for z, M in enumerate(case.M):
        if abs(M - centre) < 1e-100 * (limits.spread + limits.blur):
            continue  # E[M] is a sum with 120 digits: it cannot say on which side of it M lies
        seen = case.tilt.rises(z, number(0))
        above = int(centre < M) - int(centre > M)
        yield claim(f"token {z} rises at 0 iff M > E[M]", seen == above)
        if abs(M - centre) > 4 * allowed:
            yield claim(f"sign of the peak of token {z}: {signs[z]}", signs[z] == seen)
            yield claim(f"peak of token {z}: {peaks[z]}", np.sign(peaks[z]) == seen)
    rows = [precise.numbers(row) for row in case.dataset.rows]
    near, far = (
        CTX.fsum(precise.kl(case.p, rows[i]) for i in contexts) / len(contexts)
        for contexts in case.sets
    )
    formula = case.data.closeness(case.context, *case.sets)
    yield compare(
        "E_p[M]",
        centre,
        divergences=(far - near, 1e-100),
        formula=(formula, allowed + 8 * EPS * limits.depth),
    )


def _largest_term(case: WeightedCase) -> float:
    """The size of the terms that the closed form adds up."""
    level = log((1.0 - float(case.epsilon)) * (case.concepts - 1) / float(case.epsilon))
    ratios = [abs(log(float(g / w))) for g, w in zip(case.gamma, case.omega, strict=True)]
    return 1.0 + 2.0 * abs(level) + 2.0 * max(ratios)


def margin(case: WeightedCase) -> Number:
    """min_T M - E_p[M]: positive iff every target token peaks at a positive alpha."""
    full = case.case()
    return min(full.M[z] for z in full.tokens) - full.tilt.mean(0)


@check("peak-sign/interval", draw.weighted_cases(), judges="weighted_margin")
def peak_sign_interval(case: WeightedCase) -> Iterator[Comparison]:
    """In the weighted family, c_j outside T, the eps with positive target peaks form (0, eps*).
    Tolerance: signs in 120 digits; the closed form to EPS times its largest term."""
    steps = [replace(case, epsilon=case.bound * k / 12) for k in range(1, 12)]
    signs = [CTX.sign(margin(step)) for step in steps]
    yield claim("once negative, negative for all larger eps", signs == sorted(signs, reverse=True))
    found = model.weighted_margin(epsilon=float(case.epsilon), **case.arguments())
    formula = (found, 16 * EPS * _largest_term(case))
    yield compare("min_T M - E_p[M]", margin(case), formula=formula)


@reading(
    "peak-sign/every-eps", draw.weighted_cases(away=True), aim=lambda case: -float(margin(case))
)
def every_eps(case: WeightedCase) -> Comparison:
    """For c_j outside T, target tokens peak at positive alpha for all admissible eps.
    Tolerance: a sign in 120 digits.
    Instead (Remark 3.4): for eps below a root eps*, which may lie inside the admissible interval.
    """
    return claim(f"min_T M - E_p[M] = {CTX.nstr(margin(case), 6)} > 0", margin(case) > 0)


@reading(
    "peak-sign/any-context", draw.weighted_cases().map(lambda case: replace(case, own=case.target))
)
def any_context(case: WeightedCase) -> Comparison:
    """Target tokens peak at positive alpha for every context c_j, if eps is small.
    Tolerance: signs in 120 digits: at the eps of the instance, and of the limit at eps = 0.
    Instead (Remark 3.4): c_j must lie outside T: in T the mean M is near that of the likeliest
    tokens of T."""
    tokens = [z for z, c in enumerate(case.token_concept) if c == case.target]
    ratios = [CTX.log(number(case.gamma[z]) / number(case.omega[z])) for z in tokens]
    divergence = CTX.fsum(number(case.gamma[z]) * r for z, r in zip(tokens, ratios, strict=True))
    small, here = min(ratios) - divergence, margin(case)
    return claim(
        f"min_T M - E_p[M] = {CTX.nstr(here, 6)}, {CTX.nstr(small, 6)} for small eps: not negative",
        small >= 0 or here >= 0,
    )


@check("limit", draw.family_cases(support=False), judges="TiltedFamily: limit limit_distance")
def limit(case: FamilyCase) -> Iterator[Comparison]:
    """p_alpha -> p restricted to argmax M (argmin at -inf), at total variation R/(P_A + R).
    Tolerance: log p to EPS (1 + |log p|), ties and near-ties exactly; the rate R/(P_A + R) to the
    error of its exponents."""
    limits, tilt = case.limits, case.limits.tilt
    support = [z for z, p in enumerate(case.p) if p]
    whole = len(support) == len(case.p)
    end: list[Any] = [number(0)] * len(case.p)
    sign = 1 if case.alpha >= 0 else -1
    for z, value in zip(support, tilt.limit(sign), strict=True):
        end[z] = value if value > number("1e-300") else number(0)
    log_end = [CTX.log(x) if x else -CTX.inf for x in end]
    engine = (case.family.limit(sign), SAFETY * EPS * limits.depth)
    yield compare(f"log-probability at {sign} inf", log_end, engine=engine)
    if whole and limits.spread:
        values, z = at_maximum(case, sign)
        yield law("limit", values, end[z], sides=["right"], z=0)
    # On the way: the distance that is left, exact at every alpha.
    alpha = case.alpha or float(sign)
    rest = precise.total_variation(case.tilt.at(alpha), end)
    allowed = SAFETY * rest * limits.log_probability(alpha) + NAIVE
    formula = (case.family.limit_distance(alpha), allowed)
    yield compare("total variation to the limit", rest, formula=formula)
    shares = [x for x in end if x]
    tied = [tilt.p[k] for k in tilt.extreme(sign)]
    yield claim("exactly the tied tokens survive", len(shares) == len(tied))
    own = [p / CTX.fsum(tied) for p in tied]
    yield compare("shares among ties", own, far_out=(shares, 1e-100))


@reading("limit/uniform-share", draw.family_cases(wild=False))
def uniform_share(case: FamilyCase) -> Comparison:
    """Tokens tied at max M have the same probability in the limit (false: in proportion to p).
    Tolerance: limits in 100 digits compared with each other."""
    shares = [case.tilt.limit(1)[z] for z in case.tilt.extreme(1)]
    return claim("all shares are equal", max(shares) - min(shares) < 1e-50)


@reading("limit/printed-signs", draw.concept_cases("1", wild=False))
def printed_signs(case: ConceptCase) -> Iterator[Comparison]:
    """Off T, Delta p(z|alpha) tends to -a_z where c_j is in T, to -b_z elsewhere.
    Tolerance: limits in 100 digits against entries of the table.
    Instead (App. B.1): it tends to -p(z|c_j): -b_z for c_j in T, -a_z for c_j in the concept of z.
    """
    concepts = case.dataset.context_concept
    inside, end = concepts[case.context] == case.target, case.tilt.limit(1)
    for z, concept in enumerate(case.dataset.token_concept):
        if concept == case.target or case.M[z] == max(case.M):
            continue
        column = {c: row[z] for c, row in zip(concepts, case.dataset.rows, strict=True)}
        printed = column.get(concept) if inside else column[case.target]
        if printed is not None and abs(end[z] - case.p[z] + number(printed)) > 1e-50:
            change = CTX.nstr(end[z] - case.p[z], 6)
            what = f"token {z} loses {printed} = {float(printed):.6g}; it loses {change}"
            yield claim(what, False)


@certain.certificate("peak", draw.family_cases(wild=False))
def peak_certificate(case: FamilyCase, balls: Balls) -> certain.Answers:
    """Each finite peak the engine returns lies in a bracket 1e-9 wide to either side (relatively,
    or over the range of M), p_alpha(z) is lower at both ends than at the peak, and the law's
    E_alpha[M] is below M(z) at one end and above it at the other; the infinite peaks are exactly
    those of the extreme tokens."""
    # The odds against z at three places, and two signs, per token.
    keys, (p, M) = case.keys, certain.in_balls(case, balls)
    low, high = min(keys), max(keys)
    if low == high:
        return
    for z, alpha in enumerate(case.family.peaks().tolist()):
        if keys[z] in (low, high):
            yield alpha == (float("inf") if keys[z] == high else -float("inf"))
            continue
        if not abs(alpha) < float("inf"):
            yield False
            return
        width = max(abs(Fraction(alpha)), 1 / (high - low)) / 10**9
        curve = certain.odds_against(z, case, balls)
        top = curve(balls.exact(alpha))
        for side in (-1, 1):
            at = balls.exact(Fraction(alpha) + side * width)
            mean = certain.law("mean-slope", balls, p=p, M=M, alpha=at)
            yield balls.positive(curve(at) - top)
            yield balls.positive(side * (mean - M[z]))


@certain.certificate("peak-sign", draw.concept_cases("none", wild=False))
def peak_sign_certificate(case: ConceptCase, balls: Balls) -> certain.Answers:
    """For every token, p_alpha(z) certainly moves one way from alpha = -h to 0 to h, the law's
    mean_N KL(p, p_i) - mean_P KL(p, p_i) is on the matching side of M(z); the engine's sign of the
    peak and the peak it returns agree, unless M(z) is within its rounding of E_p[M]."""
    # The divergences as the law has them; tokens with M(z) = E_p[M] exactly are left out.
    keys, (p, M) = case.keys, certain.in_balls(case, balls)
    if len(set(keys)) == 1:
        return
    distance = certain.law("peak-sign", balls, **{**of_case(case), "p": p, "M": M})
    rounding = balls.exact(float(4 * case.limits.mean(0.0)))
    signs, unsteered = case.family.peak_signs().tolist(), replace(case, alpha=0.0)
    for z, peak_of_engine in enumerate(case.family.peaks().tolist()):
        if _exactly_at_mean(case, z):
            continue
        curve = certain.odds_against(z, case, balls)
        falls = certain.direction_here(curve, unsteered, balls)
        if falls is None:
            yield None
            return
        yield balls.positive(-falls * (M[z] - distance))
        visible = balls.positive(abs(M[z] - distance) - rounding)
        if visible is not False:
            found = peak_of_engine * falls < 0 and signs[z] * falls < 0
            yield found if visible else None


def _exactly_at_mean(case: ConceptCase, z: int) -> bool:
    """M(z) = E_p[M], by whole numbers: prod r_y^{n_y} = r_z^N with p = n/N and r = e^{q M}.

    Asked only where the two agree to 20 digits, for the powers are long.
    """
    with CTX.workdps(case.digits):
        centre = case.tilt.mean(0)
        if abs(centre - case.M[z]) > 1e-20 * (abs(case.M[z]) + 1e-20):
            return False
    N = lcm(*(a.denominator for a in case.row))
    powers = [r ** int(a * N) for a, r in zip(case.row, case.ratios, strict=True)]
    return prod(powers, start=Fraction(1)) == case.ratios[z] ** N
