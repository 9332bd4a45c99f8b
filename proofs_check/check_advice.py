"""Choosing alpha: roots, brackets and windows, each seen in 120 digits from both sides."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from functools import partial
from math import isfinite, log

import numpy as np

from steering_strength.proofs_check.check import check
from steering_strength.proofs_check.comparison import (
    EPS,
    Comparison,
    as_alone,
    claim,
    compare,
    crossing,
    placed,
)
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase
from steering_strength.proofs_check.oracles import precise
from steering_strength.proofs_check.oracles.precise import CTX, Number, Tilt, dot, number
from steering_strength.proofs_check.strategies import any_families, concept_cases, family_cases
from steering_strength.theory import advice
from steering_strength.theory.advice import JointFamily

MILLIONTH = number("1e-6")


def _around(alpha: float) -> tuple[Number, Number]:
    """A millionth inside and outside."""
    return number(alpha) * (1 - MILLIONTH), number(alpha) * (1 + MILLIONTH)


@check(
    "advise-budget",
    any_families(),
    judges="TiltedFamily: cross_entropy_root alpha_for_cross_entropy reverse_kl_root "
    "alpha_for_reverse_kl",
)
def advise_budget(case: FamilyCase) -> Iterator[Comparison]:
    """On either side one alpha has Delta CE = budget; KL(p_alpha||p) stays below -log p(top).
    Tolerance: the error of KL over its slope gives the bracket in which KL - budget changes sign.
    """
    limits, family, tilt = case.limits, case.family, case.tilt
    sign, budget = 1 if case.alpha >= 0 else -1, 10.0 ** (case.gauge % 7 - 4)
    root, reverse = family.cross_entropy_root(budget, sign), family.reverse_kl_root(budget, sign)
    alphas = family.alpha_for_cross_entropy(budget, sign), family.alpha_for_reverse_kl(budget, sign)
    if not limits.spread:
        stays = {*alphas, root.alpha, reverse.alpha} == {sign * np.inf}
        yield claim("no budget is reached where M is constant", stays and not root.reached)
        return
    yield claim(f"{alphas} are the roots", alphas == (root.alpha, reverse.alpha))
    if not isfinite(root.alpha):
        yield claim(f"a finite alpha of sign {sign}, not {root.alpha}", False)
        return
    size = abs(root.alpha)
    slope = abs(tilt.mean(root.alpha) - tilt.mean(0))
    width = limits.divergence(root.alpha) / slope + 8 * EPS * size
    yield from crossing("KL", root, tilt.price, budget, sign, width)
    yield compare("KL at alpha", budget, engine=(tilt.price(root.alpha), width * slope))
    supremum = -CTX.log(tilt.concept(tilt.extreme(sign), 0))
    error = limits.reverse_divergence(1.0) + 16 * EPS * (1 + supremum)
    if not reverse.reached:
        yield claim(f"{supremum} nats are not beyond {budget}", supremum <= budget + error)
        yield claim("no root at infinity", reverse.alpha == sign * np.inf)
    elif supremum - budget > 1e-9 * supremum:
        size = abs(number(reverse.alpha))
        slope = size * tilt.variance(reverse.alpha)
        width = limits.reverse_divergence(reverse.alpha) / slope + 8 * EPS * size
        yield from crossing("KL back", reverse, tilt.price_back, budget, sign, width)


@check("limit/root", family_cases(), judges="TiltedFamily: limit_root alpha_for_limit", weight=0.5)
def limit_root(case: FamilyCase) -> Iterator[Comparison]:
    """Beyond one alpha p_alpha stays within the tolerance of its limit, and before it does not.
    Tolerance: the error of log-odds over their slope gives the bracket."""
    limits = case.limits
    sign, bound = 1 if case.alpha >= 0 else -1, 10.0 ** -(1 + case.gauge % 9)
    root = case.family.limit_root(bound, sign)
    yield claim("the alpha of the root", case.family.alpha_for_limit(bound, sign) == root.alpha)
    if not limits.spread:
        yield claim(f"0, for nothing moves, not {root}", root.alpha == 0.0)
        return
    share = partial(case.tilt.concept_log_odds, case.tilt.extreme(sign))
    level, error = CTX.log1p(-number(bound)) - CTX.log(number(bound)), limits.concept_log_odds(0.0)
    start = share(0)
    if start >= level - error:
        there = root.alpha == 0.0 or start < level + error
        yield claim(f"0, for it is there already, not {root}", there)
        return
    # The error of log-odds at the root over their slope there.
    width = number(1)
    if isfinite(root.alpha):
        at = number(root.alpha)
        slope = abs(precise.derivative(share, at, case.tilt.scale))
        width = 2 * limits.concept_log_odds(root.alpha) / slope + 8 * EPS * abs(at)
    yield from crossing("share", root, share, level, sign, width)


@check(
    "peak/roots",
    any_families(wild=False),
    judges="TiltedFamily: peak_brackets peak_root",
    weight=0.5,
)
def peak_roots(case: FamilyCase) -> Iterator[Comparison]:
    """The token rises at the lower end of its bracket and falls at the upper one.
    Tolerance: the root of K' = M(z) to the error of K' over K''."""
    limits, family, brackets = case.limits, case.family, case.family.peak_brackets()
    low, high = min(case.M), max(case.M)
    for z, M in enumerate(case.M):
        roots = {sign: family.peak_root(z, sign) for sign in (1, -1)}
        lower, upper = brackets[z].tolist()
        if low == high:
            stays = not (roots[1].reached or roots[-1].reached)
            still = np.isnan(lower) and np.isnan(upper)
            yield claim("no peak where M is constant", still and stays)
            continue
        if M in (low, high):
            side = 1 if high == M else -1
            yield claim(f"bracket of the extreme token {z}", lower == upper == side * np.inf)
            never = roots[side].alpha == side * np.inf and not roots[side].reached
            yield claim(f"token {z} never turns", never)
            yield claim(f"token {z} falls from 0 on", roots[-side].alpha == 0.0)
            continue
        width = max(limits.peak(lower), limits.peak(upper))
        ends = (lower - width, upper + width)
        moves = [case.tilt.rises(z, at) for at in ends]
        yield claim(f"token {z} turns over {lower}, {upper}: {moves}", moves == [1, -1])
        yield claim(f"the bracket of {z} is narrow", upper - lower <= 1e-7 * (1e-3 + abs(upper)))
        if abs(lower + upper) > 1e-6 * float(1 / limits.spread):
            side, middle = 1 if lower + upper > 0 else -1, (lower + upper) / 2
            near = abs(roots[side].alpha - middle) <= 4 * width + 2 * (upper - lower)
            yield claim(f"peak of {z} at {middle}, not {roots[side]}", near)
            yield from placed(roots[side], side)
            yield claim(f"token {z} falls from 0 on", roots[-side].alpha == 0.0)


@check(
    "advise-target",
    any_families(wild=False),
    judges="TiltedFamily: concept_root alpha_for_concept concept_loss_root concept_maximum",
    weight=0.5,
)
def advise_target(case: FamilyCase) -> Iterator[Comparison]:
    """The first alpha at which F_C reaches a level, how long it stays there, and its maximum.
    Tolerance: F_C is compared in log-odds, to their error; what lies between is looked at on a grid
    of 80 alphas, and a maximum may be missed by 1e-6."""
    limits, family, tokens, asked = case.limits, case.family, list(case.tokens), case.asked
    sign, level = 1 if case.alpha >= 0 else -1, (1 + case.gauge % 19) / 20
    goal = log(level) - log(1 - level)
    root, best = family.concept_root(asked, level, sign), family.concept_maximum(asked, sign)
    yield claim(f"{root.alpha}", family.alpha_for_concept(asked, level, sign) == root.alpha)
    curve = partial(case.tilt.concept_log_odds, tokens)

    def error(alpha: float) -> Number:
        return 2 * limits.concept_log_odds(alpha)

    if not limits.spread:
        start = curve(0)
        there = root.reached == (start >= goal - 1e-12) or abs(start - goal) < 1e-12
        yield claim(f"{root}", there)
        yield claim("no maximum", best.alpha == 0.0)
        return
    whole = [float(a) * sign for a in case.tilt.grid(161)[80:]]
    highest = max(map(curve, whole))
    if not root.reached:
        yield claim(f"F_C never reaches {level}, though {highest}", highest < goal + 1e-6)
        yield claim("infinite", root.alpha == sign * np.inf)
    else:
        before = [root.alpha * k / 80 for k in range(80)] if root.alpha else []
        early = [a for a in before if curve(a) >= goal + error(a)]
        enough = curve(root.alpha) + error(root.alpha) >= goal
        yield claim(f"F_C reaches {level} at {root.alpha}", enough)
        yield claim(f"not before: {early[:1]}", not early)
        yield from placed(root, sign)
        # From the first crossing on F_C stays at the level up to the next, or for ever.
        lost = family.concept_loss_root(asked, level, root.alpha, sign)
        held = [a for a in whole if abs(a) > abs(root.alpha) * (1 + 1e-6)]
        if lost.reached:
            held = [root.alpha + (lost.alpha - root.alpha) * k / 40 for k in range(1, 40)]
        fallen = [a for a in held if curve(a) < goal - error(a) - 1e-9]
        what = f"F_C holds {level} from {root.alpha} to {lost.alpha}: {fallen[:1]}"
        yield claim(what, not fallen)
        if lost.reached and lost.alpha != root.alpha:
            at_level, below = abs(curve(lost.alpha) - goal) < 1e-6, curve(_around(lost.alpha)[1])
            yield claim(f"F_C is at the level at {lost.alpha}", at_level)
            yield claim(f"F_C has fallen below {level} after {lost.alpha}", below < goal + 1e-9)
            yield from placed(lost, sign)
    value = curve(best.alpha if isfinite(best.alpha) else whole[-1])
    slack = 1e-6 * max(1, abs(value)) + error(0.0)
    none_above = value >= highest - slack or best.reason != ""
    yield claim(f"no F_C above that at {best.alpha}", none_above)
    yield from placed(best, sign)
    # A little to either side F_C is no higher, where the maximum lies in between.
    if isfinite(best.alpha) and best.alpha != 0.0:
        near = [curve(number(best.alpha) * (1 + k * number("1e-3"))) for k in (-1, 1)]
        yield claim(f"a maximum at {best.alpha}", max(near) <= value + slack)
        bend = precise.derivative(curve, number(best.alpha), case.tilt.scale)
        flat = abs(bend) / limits.spread <= number("1e-4") * (1 - CTX.expm1(-abs(near[0] - value)))
        yield claim(f"F_C turns at {best.alpha}: slope {CTX.nstr(bend, 5)}", flat)


def _asked(case: ConceptCase) -> tuple[float, float]:
    """A level and a budget."""
    return (1 + case.gauge % 9) / 10, 10.0 ** (case.gauge % 4 - 2)


@check("sweet-spot", concept_cases("1", wild=False), judges="advise", weight=0.2)
def sweet_spot(case: ConceptCase) -> Iterator[Comparison]:
    """The window runs from the first alpha with F_T >= level to the last within the budget.
    Tolerance: F_T and Delta CE at the ends of the window, a millionth inside and outside."""
    (level, budget), tokens, contexts = _asked(case), list(case.tokens), case.seen
    goal = log(level) - log(1 - level)
    alone = advice.advise(case.family, tokens, level=level, cross_entropy=budget)
    families = [c.family for c in contexts]
    many = advice.advise(families, tokens, level=level, cross_entropy=budget)
    windows = [alone.window, *(a.window for a in many.contexts)]
    ends = [(window.low.alpha, window.high.alpha) for window in windows]
    for seen, window, (low, high) in zip((case, *contexts), windows, ends, strict=True):
        before, after = (seen.tilt.concept_log_odds(tokens, a) for a in _around(low))
        yield claim(f"F_T reaches {level} at {low}", after >= goal - 1e-9)
        yield claim(f"F_T does not before {low}", low == 0.0 or before < goal + 1e-9)
        yield claim(f"status {window.status} of {low}, {high}", (low <= high) == window.usable)
        if isfinite(high):
            within, beyond = (seen.tilt.price(a) for a in _around(high))
            yield claim(f"{budget} nats are kept up to {high}", within <= budget)
            yield claim(f"{budget} nats are spent at {high}", beyond >= budget)
    yield claim("the same alone and among others", ends[0] == ends[1 + case.context])
    lows, highs = zip(*ends[1:], strict=True)
    yield claim("the worst low end", many.worst.low.alpha == max(lows))
    yield claim("the worst high end", many.worst.high.alpha == min(highs))


@check("sweet-spot/numbers", concept_cases("1", wild=False), judges="advise", weight=0.2)
def what_advice_says(case: ConceptCase) -> Iterator[Comparison]:
    """Guarantees hold, and what advice says of its ends and of averages is what happens there.
    Tolerance: a millionth of each number, or of 1: they are for a person to read."""
    (level, budget), tokens, sign = _asked(case), list(case.tokens), 1 if case.alpha >= 0 else -1
    told = advice.advise(case.family, case.asked, cross_entropy=budget, sign=sign)
    tilt, spread = case.tilt, case.tilt.spread
    variance = tilt.variance(0)
    yield _near("sd", CTX.sqrt(variance), told.sd)
    yield _near("range", spread, told.spread)
    yield _near("slope of F_T", CTX.fsum(tilt.slope(0)[z] for z in tokens), told.slope)
    for point in (told.start, told.low, told.high):
        if isfinite(point.alpha):  # an end at infinity says nothing
            at = point.alpha
            yield _near("F_T", tilt.concept(tokens, at), point.concept)
            yield _near("Delta CE", tilt.price(at), point.cross_entropy)
            yield _near("reverse KL", tilt.price_back(at), point.reverse_kl)
            moved = precise.total_variation(tilt.at(at), case.p)
            yield _near("total variation", moved, point.total_variation)
    given = told.guarantee
    if given is not None and isfinite(given.beyond) and variance > 1e-6:
        within, beyond = (tilt.price(sign * a) for a in (given.within, given.beyond))
        yield claim(f"{budget} nats are kept within {given.within}", within <= budget)
        yield claim(f"{budget} nats are spent beyond {given.beyond}", beyond >= budget)
        # Neither guarantee is a lazy one: the envelope meets the budget there.
        floor = _envelope(variance, spread, given.beyond * spread)[0]
        yield _near("the envelope at beyond", budget, float(floor))
        ceiling = _envelope(variance, spread, given.within * spread)[1]
        yield _near("the envelope at within", budget, float(ceiling))
        off = _off(given.radius * spread)
        yield claim(f"radius of 10 %: {off}", abs(off - 0.1) < 1e-4)
    # The window on average, with equal weights: where F_T and Delta CE cross their bounds.
    contexts = case.seen
    families = [c.family for c in contexts]
    window = advice.advise(families, tokens, cross_entropy=budget, level=level).average
    if window is None:
        yield claim("an average window of tilted contexts", False)
        return

    for name, curve, end, bound in (
        ("average F_T", Tilt.concept, window.low.alpha, level),
        ("average Delta CE", lambda tilt, _, alpha: tilt.price(alpha), window.high.alpha, budget),
    ):
        if isfinite(end) and end > 0.0:
            before, after = (
                CTX.fsum(curve(c.tilt, tokens, a) for c in contexts) / len(contexts)
                for a in _around(end)
            )
            crossed = before <= bound + 1e-12 and after >= bound - 1e-12
            yield claim(f"{name} crosses {bound} at {end}", crossed)


def _near(name: str, expected: Number | float, found: float) -> Comparison:
    return compare(name, expected, advice=(found, 1e-6 * max(1, abs(expected))))


def _envelope(variance: Number, spread: Number, x: Number) -> tuple[Number, Number]:
    """What Var M and range(M) = spread allow Delta CE to be, x = |alpha| range(M)."""
    share = variance / spread**2
    return share * (CTX.expm1(-x) + x), min(share * (CTX.expm1(x) - x), x * x / 8)


def _off(x: Number) -> Number:
    """By how much Delta CE may exceed its quadratic, relatively."""
    return 2 * (CTX.expm1(x) - x) / x**2 - 1


@check(
    "tilting/joint",
    family_cases(wild=False, min_size=3),
    judges="JointFamily: vectors along cross_entropy_increase interference ellipse remaining "
    "steepest",
    weight=0.5,
)
def joint(case: FamilyCase) -> Iterator[Comparison]:
    """Two vectors add their M: prices, interference, ellipse, what is left, the steepest mix.
    Tolerance: Delta CE to its error for the combined M; covariances to that of two means."""
    low = min(case.log_odds)
    scale = max(case.log_odds) - low or 1.0
    second = [(7 * z * z + case.gauge) % 11 / 8 for z in range(len(case.p))]
    rows = [[(m - low) / scale for m in case.log_odds], second]
    both, a = JointFamily(case.family.log_p, np.array(rows)), [(-1) ** case.gauge * 0.75, 0.5]
    exact = [precise.numbers(row) for row in rows]

    def price(x: Number | float, y: Number | float) -> Number:
        mixed = [number(x) * u + number(y) * v for u, v in zip(*exact, strict=True)]
        return Tilt(case.p, mixed).price(1)

    centred = [[x - dot(case.p, row) for x in row] for row in exact]
    S = [[dot(case.p, map(operator.mul, u, v)) for v in centred] for u in centred]
    yield claim("two vectors", both.vectors == 2)
    along = both.along(a)
    mixed = [a[0] * x + a[1] * y for x, y in zip(*rows, strict=True)]
    yield compare("M along a", mixed, engine=(along.log_odds, 4 * EPS * 4))
    yield compare("log p along a", case.family.log_p, engine=(along.log_p, EPS))
    together, alone, allowed = price(*a), price(a[0], 0) + price(0, a[1]), 1e-12
    yield compare("Delta CE", together, engine=(both.cross_entropy_increase(a), allowed))
    apart = [together - alone, a[0] * a[1] * S[0][1]]
    yield compare("interference", apart, engine=(both.interference(a), 4 * allowed))
    # How far the first vector may go on from (0, 1/4) within a nat.
    side = 1 - 2 * (case.gauge % 2)
    left = both.remaining([0.0, 0.25], 0, 1.0, side)
    if not left.reached:
        yield claim("M of the first vector is constant", not np.ptp(both.log_odds[0]))
    else:
        kept, spent = (price(x, 0.25) for x in _around(left.alpha))
        yield from placed(left, side)
        yield claim(f"a nat is kept up to {left.alpha}", kept <= 1)
        yield claim(f"a nat is spent beyond {left.alpha}", spent >= 1 or abs(left.alpha) > 1e12)
    determinant = S[0][0] * S[1][1] - S[0][1] ** 2
    if determinant > 1e-6 * (S[0][0] + S[1][1]) ** 2:
        # Else all but one direction is inert: its axis is rounding.
        yield from _ellipse(both, S, 0.25)
        slopes = [CTX.fsum(case.p[z] * row[z] for z in case.tokens) for row in centred]
        if max(map(abs, slopes)) > 1e-6:
            # S mix is proportional to the slopes of F_C, and the largest entry is 1 in size.
            mix = [S[1 - k][1 - k] * slopes[k] - S[0][1] * slopes[1 - k] for k in (0, 1)]
            top = max(map(abs, mix))
            found = (both.steepest(case.asked), 1e-6)
            yield compare("steepest mix", [x / top for x in mix], engine=found)


def _ellipse(
    both: JointFamily, S: Sequence[Sequence[Number]], budget: float
) -> Iterator[Comparison]:
    """On its axes 1/2 a' S a is the budget; the longest comes first, and the tilt is its angle."""
    ellipse = both.ellipse(budget)
    spent = []
    for length, axis in zip(ellipse.semi_axes.tolist(), ellipse.axes.tolist(), strict=True):
        x, y = (number(length) * number(c) for c in axis)
        spent.append((S[0][0] * x * x + 2 * S[0][1] * x * y + S[1][1] * y * y) / 2)
    yield compare("what the axes spend", [budget, budget], engine=(spent, 1e-8))
    across = float(ellipse.axes[0] @ ellipse.axes[1])
    yield claim("axes are orthogonal", abs(across) < 1e-8)
    yield claim("the longest first", ellipse.semi_axes[0] >= ellipse.semi_axes[1])
    yield claim("budget", ellipse.budget == budget)
    angle = float(np.degrees(np.arctan2(ellipse.axes[0][1], ellipse.axes[0][0])))
    yield compare("tilt", angle, engine=(ellipse.tilt, 1e-9))
    correlation = S[0][1] / CTX.sqrt(S[0][0] * S[1][1])
    yield compare("correlation", correlation, engine=(ellipse.correlation[0, 1], 1e-9))


@check(
    "ce-radius/bounds",
    any_families(),
    judges=(
        "TiltedFamily: cross_entropy_bounds quadratic_radius cross_entropy_asymptote",
        "quadratic_radius",
    ),
    weight=0.5,
)
def bounds(case: FamilyCase) -> Iterator[Comparison]:
    """Delta CE lies between what sd(M) and range(M) allow, and near its quadratic in the radius.
    Tolerance: inequalities in 120 digits, give or take the error of Delta CE and of Var M."""
    limits, family, tilt = case.limits, case.family, case.tilt
    if not tilt.spread:
        pair = np.concatenate(family.cross_entropy_bounds([case.alpha, 1.0]))
        nothing = not pair.any() and family.quadratic_radius(0.1) == np.inf
        yield claim("constant M costs nothing", nothing)
        return
    variance = tilt.variance(0)
    share = (limits.variance(0.0) + 64 * EPS * variance) / variance if variance else number(1)
    yield from as_alone("bounds", family.cross_entropy_bounds, case.alpha, 0.5)
    for alpha in (case.alpha, 0.5, -2.0):
        lower, upper = (float(b) for b in family.cross_entropy_bounds(alpha))
        x = abs(number(alpha)) * limits.spread
        if not x:
            continue
        below, above = _envelope(variance, limits.spread, x)
        rounding = share + 64 * EPS * (1 + x)
        if isfinite(upper) and share < 0.01:
            yield compare("upper", above, engine=(upper, above * rounding))
        yield compare("lower", below, engine=(lower, below * rounding + 1e-300))
    for bound in (0.01, 0.05, 0.1, 2.0):
        off = _off(family.quadratic_radius(bound) * limits.spread)
        yield compare("error at the radius", bound, engine=(off, 1e-9 * (1 + bound)))
    sign = 1 if case.alpha >= 0 else -1
    slope, offset = family.cross_entropy_asymptote(sign)
    end = tilt.end(sign)
    sigma = abs(end - tilt.mean(0))
    yield compare("steepness", sigma, engine=(slope, limits.mean(0.0) + 8 * EPS * abs(end)))
    top = tilt.concept(tilt.extreme(sign), 0)
    yield compare("offset", CTX.log(top), engine=(offset, 16 * EPS * limits.depth))
