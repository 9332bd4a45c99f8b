"""Choosing alpha: roots, brackets and windows, each seen in 120 digits from both sides."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import isfinite, log

import numpy as np

from steering_strength.proofs_check.check import Check, check
from steering_strength.proofs_check.comparison import (
    EPS,
    Comparison,
    Value,
    claim,
    compare,
    worst,
)
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase
from steering_strength.proofs_check.oracles import precise
from steering_strength.proofs_check.oracles.precise import CTX, Number, number
from steering_strength.proofs_check.strategies import any_families, concept_cases, family_cases
from steering_strength.proofs_check.tolerance import tolerance
from steering_strength.theory import advice
from steering_strength.theory.advice import JointFamily
from steering_strength.theory.engine import Root

__all__ = ["CHECKS"]

Curve = Callable[[Number], Number]


def _kl(case: FamilyCase, alpha: Number) -> Number:
    return precise.kl(case.p, precise.tilted(case.p, case.M, alpha))


def _reverse(case: FamilyCase, alpha: Number) -> Number:
    return precise.kl(precise.tilted(case.p, case.M, alpha), case.p)


def _crossing(
    name: str, root: Root, curve: Curve, level: Number, width: Number, sign: int
) -> list[Comparison]:
    """`curve` passes `level` upwards, going outwards over the bracket widened by `width`."""
    if not (isfinite(root.alpha) and root.reached):
        return [claim(f"{name}: a root on that side, not {root}", False)]
    near, far = sorted((abs(root.lower), abs(root.upper)))
    below, above = curve(sign * (near - width)), curve(sign * (far + width))
    return [
        claim(f"{name}: {root.alpha} lies in its bracket", root.lower <= root.alpha <= root.upper),
        claim(f"{name}: {root.alpha} has the sign {sign}", root.alpha * sign >= 0.0),
        claim(f"{name}: the bracket of {root.alpha} is narrow", far - near <= 2 * width),
        claim(
            f"{name} passes {CTX.nstr(level, 8)} at {root.alpha}: {CTX.nstr(below, 8)}, "
            f"{CTX.nstr(above, 8)}",
            bool(below < level <= above),
        ),
    ]


@check(
    "advise-budget",
    cases=any_families(),
    tolerance="the error of KL over its slope gives the bracket in which KL - budget changes sign",
    judges=(
        "TiltedFamily.cross_entropy_root",
        "TiltedFamily.alpha_for_cross_entropy",
        "TiltedFamily.reverse_kl_root",
        "TiltedFamily.alpha_for_reverse_kl",
    ),
)
def advise_budget(case: FamilyCase) -> Comparison:
    """On either side one alpha has Delta CE = budget; KL(p_alpha||p) stays below -log p(top)."""
    limits = tolerance(case)
    sign = 1 if case.alpha >= 0 else -1
    budget = 10.0 ** (case.gauge % 7 - 4)
    family = case.family
    root, reverse = family.cross_entropy_root(budget, sign), family.reverse_kl_root(budget, sign)
    alphas = family.alpha_for_cross_entropy(budget, sign), family.alpha_for_reverse_kl(budget, sign)
    comparisons = [claim(f"{alphas} are the roots", alphas == (root.alpha, reverse.alpha))]
    if not limits.spread:
        stays = {root.alpha, reverse.alpha} == {sign * np.inf}
        return claim("no budget is reached where M is constant", stays and not root.reached)
    if not isfinite(root.alpha):
        return claim(f"a finite alpha of sign {sign}, not {root.alpha}", False)
    at = number(root.alpha)
    slope = abs(precise.mean(case.p, case.M, at) - precise.mean(case.p, case.M, number(0)))
    width = limits.divergence(root.alpha) / slope + 8 * EPS * abs(at)
    goal = number(budget)
    comparisons += _crossing("KL", root, partial(_kl, case), goal, width, sign)
    comparisons.append(compare("KL at alpha", goal, Value("engine", _kl(case, at), width * slope)))
    end = max(case.M) if sign > 0 else min(case.M)
    supremum = -CTX.log(CTX.fsum(p for p, m in zip(case.p, case.M, strict=True) if m == end))
    error = limits.reverse_divergence(1.0) + 16 * EPS * (1 + supremum)
    if not reverse.reached:
        comparisons += [
            claim(f"{supremum} nats are not beyond {budget}", bool(supremum <= budget + error)),
            claim("no root at infinity", reverse.alpha == sign * np.inf),
        ]
    elif supremum - budget > 1e-9 * supremum:
        back = number(reverse.alpha)
        slope = abs(back) * precise.variance(case.p, case.M, back)
        width = limits.reverse_divergence(reverse.alpha) / slope + 8 * EPS * abs(back)
        comparisons += _crossing("KL back", reverse, partial(_reverse, case), goal, width, sign)
    return worst(comparisons)


@check(
    "limit/root",
    cases=family_cases(),
    tolerance="the error of log-odds over their slope gives the bracket",
    weight=0.5,
    judges=("TiltedFamily.limit_root", "TiltedFamily.alpha_for_limit"),
)
def limit_root(case: FamilyCase) -> Comparison:
    """Beyond one alpha p_alpha stays within the tolerance of its limit, and before it does not."""
    limits = tolerance(case)
    sign, bound = 1 if case.alpha >= 0 else -1, 10.0 ** -(1 + case.gauge % 9)
    root = case.family.limit_root(bound, sign)
    same = claim("the alpha of the root", case.family.alpha_for_limit(bound, sign) == root.alpha)
    if not limits.spread:
        return worst([same, claim(f"0, for nothing moves, not {root}", root.alpha == 0.0)])
    end = max(case.M) if sign > 0 else min(case.M)
    extreme = [z for z, m in enumerate(case.M) if m == end]

    def share(alpha: Number) -> Number:
        return precise.concept_log_odds(case.p, case.M, extreme, alpha)

    level = CTX.log1p(-number(bound)) - CTX.log(number(bound))
    if share(number(0)) >= level - limits.concept_log_odds(0.0):
        there = root.alpha == 0.0 or share(number(0)) < level + limits.concept_log_odds(0.0)
        return worst([same, claim(f"0, for it is there already, not {root}", there)])
    return worst([same, *_crossing("share", root, share, level, _width(case, share, root), sign)])


def _width(case: FamilyCase, log_odds: Curve, root: Root) -> Number:
    """The error of log-odds at the root over their slope there."""
    if not isfinite(root.alpha):
        return number(1)
    limits = tolerance(case)
    at = number(root.alpha)
    slope = abs(precise.derivative(log_odds, at, 1 / limits.spread))
    return 2 * limits.concept_log_odds(root.alpha) / slope + 8 * EPS * abs(at)


@check(
    "peak/roots",
    cases=any_families(wild=False),
    tolerance="the root of K' = M(z) to the error of K' over K''",
    weight=0.5,
    judges=("TiltedFamily.peak_brackets", "TiltedFamily.peak_root"),
)
def peak_roots(case: FamilyCase) -> Comparison:
    """The token rises at the lower end of its bracket and falls at the upper one."""
    limits, family = tolerance(case), case.family
    brackets = family.peak_brackets()
    low, high = min(case.M), max(case.M)
    comparisons = []
    for z, M in enumerate(case.M):
        roots = {sign: family.peak_root(z, sign) for sign in (1, -1)}
        lower, upper = brackets[z].tolist()
        if low == high:
            still = np.isnan(lower) and np.isnan(upper)
            stays = not (roots[1].reached or roots[-1].reached)
            comparisons.append(claim("no peak where M is constant", bool(still and stays)))
            continue
        if M in (low, high):
            side = 1 if high == M else -1
            comparisons += [
                claim(f"bracket of the extreme token {z}", lower == upper == side * np.inf),
                claim(f"token {z} never turns", roots[side].alpha == side * np.inf),
                claim(f"token {z} never turns", not roots[side].reached),
                claim(f"token {z} falls from 0 on", roots[-side].alpha == 0.0),
            ]
            continue
        width = max(limits.peak(lower), limits.peak(upper))
        side = 1 if lower + upper > 0 else -1
        moves = [
            precise.rises(case.p, case.M, z, number(a) + s * width)
            for a, s in ((lower, -1), (upper, 1))
        ]
        comparisons += [
            claim(f"token {z} turns over {lower}, {upper}: {moves}", moves == [1, -1]),
            claim(f"the bracket of {z} is narrow", upper - lower <= 1e-7 * (1e-3 + abs(upper))),
        ]
        if abs(lower + upper) > 1e-6 * float(1 / limits.spread):
            root = roots[side]
            middle = (lower + upper) / 2
            near = abs(root.alpha - middle) <= 4 * width + 2 * (upper - lower)
            comparisons += [
                claim(f"peak of {z} at {middle}, not {root}", bool(near)),
                claim(f"{root} holds its alpha", root.lower <= root.alpha <= root.upper),
                claim(f"token {z} falls from 0 on", roots[-side].alpha == 0.0),
            ]
    return worst(comparisons)


@check(
    "advise-target",
    cases=any_families(wild=False),
    tolerance="F_C is compared in log-odds, to their error; what lies between is looked at on a "
    "grid of 80 alphas, and a maximum may be missed by 1e-6",
    weight=0.5,
    judges=(
        "TiltedFamily.concept_root",
        "TiltedFamily.alpha_for_concept",
        "TiltedFamily.concept_loss_root",
        "TiltedFamily.concept_maximum",
    ),
)
def advise_target(case: FamilyCase) -> Comparison:
    """The first alpha at which F_C reaches a level, how long it stays there, and its maximum."""
    limits, family, tokens = tolerance(case), case.family, list(case.tokens)
    sign, level = 1 if case.alpha >= 0 else -1, (1 + case.gauge % 19) / 20
    goal = log(level) - log(1 - level)
    root = family.concept_root(tokens, level, sign)
    start = precise.concept_log_odds(case.p, case.M, tokens, number(0))
    same = claim(f"{root.alpha}", family.alpha_for_concept(tokens, level, sign) == root.alpha)
    if not limits.spread:
        there = bool(root.reached == (start >= goal - 1e-12) or abs(start - goal) < 1e-12)
        peak = family.concept_maximum(tokens, sign)
        return worst([same, claim(f"{root}", there), claim("no maximum", peak.alpha == 0.0)])

    def curve(alpha: Number) -> Number:
        return precise.concept_log_odds(case.p, case.M, tokens, alpha)

    def reached(alpha: float) -> Number:
        return curve(number(alpha)) + 2 * limits.concept_log_odds(alpha)

    end = CTX.asinh(abs(precise.far(case.p, case.M, sign)) * limits.spread)
    whole = [float(CTX.sinh(end * k / 80) / limits.spread) * sign for k in range(81)]
    comparisons = [same]
    if not root.reached:
        highest = max(curve(number(a)) for a in whole)
        comparisons += [
            claim(f"F_C never reaches {level}, though {highest}", bool(highest < goal + 1e-6)),
            claim("infinite", root.alpha == sign * np.inf),
        ]
    else:
        before = [root.alpha * k / 80 for k in range(80)] if root.alpha else []
        early = [a for a in before if curve(number(a)) >= goal + 2 * limits.concept_log_odds(a)]
        comparisons += [
            claim(f"F_C reaches {level} at {root.alpha}", bool(reached(root.alpha) >= goal)),
            claim(f"not before: {early[:1]}", not early),
            claim(f"{root} holds its alpha", root.lower <= root.alpha <= root.upper),
            claim(f"{root} is on its side", root.alpha * sign >= 0.0),
        ]
        comparisons += _loss(case, level, root, whole, curve)
    best = family.concept_maximum(tokens, sign)
    highest = max(curve(number(a)) for a in whole)
    value = curve(number(best.alpha)) if isfinite(best.alpha) else curve(number(whole[-1]))
    slack = 1e-6 * max(1, abs(value)) + 2 * limits.concept_log_odds(0.0)
    certain = best.reason == ""
    comparisons += [
        claim(f"no F_C above that at {best.alpha}", bool(value >= highest - slack) or not certain),
        claim(f"{best} holds its alpha", best.lower <= best.alpha <= best.upper),
        claim(f"{best} is on its side", best.alpha * sign >= 0.0),
    ]
    # A little to either side F_C is no higher, where the maximum lies in between.
    if isfinite(best.alpha) and best.alpha != 0.0:
        near = [curve(number(best.alpha) * (1 + k * number("1e-3"))) for k in (-1, 1)]
        comparisons.append(claim(f"a maximum at {best.alpha}", bool(max(near) <= value + slack)))
        bend = precise.derivative(curve, number(best.alpha), 1 / limits.spread)
        flat = abs(bend) / limits.spread <= number("1e-4") * (1 - CTX.expm1(-abs(near[0] - value)))
        comparisons.append(
            claim(f"F_C turns at {best.alpha}: slope {CTX.nstr(bend, 5)}", bool(flat))
        )
    return worst(comparisons)


def _loss(
    case: FamilyCase, level: float, root: Root, whole: list[float], curve: Curve
) -> list[Comparison]:
    """From the first crossing on F_C stays at the level up to the next, or for ever."""
    limits = tolerance(case)
    sign, goal = 1 if case.alpha >= 0 else -1, log(level) - log(1 - level)
    lost = case.family.concept_loss_root(list(case.tokens), level, root.alpha, sign)
    if not lost.reached:
        held = [a for a in whole if abs(a) > abs(root.alpha) * (1 + 1e-6)]
    else:
        held = [root.alpha + (lost.alpha - root.alpha) * k / 40 for k in range(1, 40)]
    fallen = [a for a in held if curve(number(a)) < goal - 2 * limits.concept_log_odds(a) - 1e-9]
    found = [
        claim(f"F_C holds {level} from {root.alpha} to {lost.alpha}: {fallen[:1]}", not fallen)
    ]
    if lost.reached and lost.alpha != root.alpha:
        beyond = number(lost.alpha) * (1 + number("1e-6"))
        value = curve(beyond)
        here = curve(number(lost.alpha))
        found += [
            claim(f"F_C is at the level at {lost.alpha}", bool(abs(here - goal) < 1e-6)),
            claim(f"F_C has fallen below {level} after {lost.alpha}", bool(value < goal + 1e-9)),
            claim(f"{lost} holds its alpha", lost.lower <= lost.alpha <= lost.upper),
        ]
    return found


@check(
    "sweet-spot",
    cases=concept_cases("1", wild=False),
    tolerance="F_T and Delta CE at the ends of the window, a millionth inside and outside",
    weight=0.2,
    judges=("advise",),
)
def sweet_spot(case: ConceptCase) -> Comparison:
    """The window runs from the first alpha with F_T >= level to the last within the budget."""
    level, budget = (1 + case.gauge % 9) / 10, 10.0 ** (case.gauge % 4 - 2)
    contexts = [case.at(j) for j in range(len(case.dataset.rows))]
    families = [c.family for c in contexts]
    tokens, goal = list(case.tokens), log(level) - log(1 - level)
    alone = advice.advise(case.family, tokens, level=level, cross_entropy=budget)
    many = advice.advise(families, tokens, level=level, cross_entropy=budget)
    comparisons = []
    ends = []
    for seen, window in [
        (case, alone.window),
        *zip(contexts, (a.window for a in many.contexts), strict=True),
    ]:
        curve = partial(precise.concept_log_odds, seen.p, seen.M, tokens)
        price = partial(_price, seen)
        low, high = window.low.alpha, window.high.alpha
        ends.append((low, high))
        inside, outside = number(low) * (1 + number("1e-6")), number(low) * (1 - number("1e-6"))
        comparisons += [
            claim(f"F_T reaches {level} at {low}", bool(curve(inside) >= goal - 1e-9)),
            claim(f"F_T does not before {low}", low == 0.0 or bool(curve(outside) < goal + 1e-9)),
            claim(f"status {window.status} of {low}, {high}", (low <= high) == window.usable),
        ]
        if isfinite(high):
            within, beyond = (number(high) * (1 + k * number("1e-6")) for k in (-1, 1))
            comparisons += [
                claim(f"{budget} nats are kept up to {high}", bool(price(within) <= budget)),
                claim(f"{budget} nats are spent at {high}", bool(price(beyond) >= budget)),
            ]
    worst_window = many.worst
    lows, highs = zip(*ends[1:], strict=True)
    comparisons += [
        claim("the same alone and among others", ends[0] == ends[1 + case.context]),
        claim("the worst low end", worst_window.low.alpha == max(lows)),
        claim("the worst high end", worst_window.high.alpha == min(highs)),
    ]
    return worst(comparisons)


@check(
    "sweet-spot/numbers",
    cases=concept_cases("1", wild=False),
    tolerance="a millionth of each number, or of 1: they are for a person to read",
    weight=0.2,
    judges=("advise",),
)
def what_advice_says(case: ConceptCase) -> Comparison:
    """Guarantees hold, and what advice says of its ends and of averages is what happens there."""
    level, budget = (1 + case.gauge % 9) / 10, 10.0 ** (case.gauge % 4 - 2)
    sign = 1 if case.alpha >= 0 else -1
    contexts = [case.at(j) for j in range(len(case.dataset.rows))]
    tokens = list(case.tokens)
    told = advice.advise(case.family, tokens, cross_entropy=budget, sign=sign)
    variance = precise.variance(case.p, case.M, number(0))
    spread = max(case.M) - min(case.M)
    p = case.p
    comparisons = [
        _near("sd", CTX.sqrt(variance), told.sd),
        _near("range", spread, told.spread),
        *(_told(case, point) for point in (told.start, told.low, told.high)),
    ]
    centre = precise.mean(p, case.M, number(0))
    slope = CTX.fsum(p[z] * (case.M[z] - centre) for z in tokens)
    comparisons.append(_near("slope", slope, told.slope))
    certain = told.guarantee
    if certain is not None and isfinite(certain.beyond) and variance > 1e-6:
        at = [number(sign * a) for a in (certain.within, certain.beyond, certain.quadratic)]
        prices = [_price(case, a) for a in at]
        quadratic = CTX.sqrt(2 * number(budget) / variance)
        # Neither guarantee is a lazy one: the envelope meets the budget there.
        x = certain.beyond * spread
        floor = variance / spread**2 * (CTX.expm1(-x) + x)
        x = certain.within * spread
        ceiling = min(variance / spread**2 * (CTX.expm1(x) - x), x * x / 8)
        x = certain.radius * spread
        off = 2 * (CTX.expm1(x) - x) / x**2 - 1
        comparisons += [
            claim(f"{budget} nats are kept within {certain.within}", prices[0] <= budget),
            claim(f"{budget} nats are spent beyond {certain.beyond}", prices[1] >= budget),
            claim(
                f"{prices[2] / budget} lies in {certain.factor}",
                certain.factor[0] * (1 - 1e-9)
                <= prices[2] / budget
                <= certain.factor[1] * (1 + 1e-9),
            ),
            _near("quadratic alpha", quadratic, certain.quadratic),
            _near("the envelope at beyond", number(budget), float(floor)),
            _near("the envelope at within", number(budget), float(ceiling)),
            claim(f"radius of 10 %: {off}", bool(abs(off - 0.1) < 1e-4)),
        ]
    many = advice.advise([c.family for c in contexts], tokens, cross_entropy=budget, level=level)
    return worst([*comparisons, *_averages(contexts, many, level, budget)])


def _near(name: str, expected: Number, found: float) -> Comparison:
    return compare(name, expected, Value("advice", found, 1e-6 * max(1, abs(expected))))


def _told(case: ConceptCase, point: advice.Point) -> Comparison:
    """F_T and both divergences at one end."""
    if not isfinite(point.alpha):
        return claim("an end at infinity says nothing", True)
    after = precise.tilted(case.p, case.M, number(point.alpha))
    return worst(
        [
            _near("F_T", CTX.fsum(after[z] for z in case.tokens), point.concept),
            _near("Delta CE", precise.kl(case.p, after), point.cross_entropy),
            _near("reverse KL", precise.kl(after, case.p), point.reverse_kl),
            _near("total variation", precise.total_variation(after, case.p), point.total_variation),
        ]
    )


def _averages(
    contexts: list[ConceptCase], many: advice.PopulationAdvice, level: float, budget: float
) -> list[Comparison]:
    """The window on average, with equal weights: where F_T and Delta CE cross their bounds."""
    window = many.average
    if window is None:
        return [claim("an average window of tilted contexts", False)]

    def reached(alpha: Number) -> Number:
        curves = [CTX.fsum(precise.tilted(c.p, c.M, alpha)[z] for z in c.tokens) for c in contexts]
        return CTX.fsum(curves) / len(contexts)

    def spent(alpha: Number) -> Number:
        return CTX.fsum(_price(c, alpha) for c in contexts) / len(contexts)

    found = []
    for name, curve, end, bound in (
        ("average F_T", reached, window.low.alpha, level),
        ("average Delta CE", spent, window.high.alpha, budget),
    ):
        if isfinite(end) and end > 0.0:
            before, after = (number(end) * (1 + k * number("1e-6")) for k in (-1, 1))
            crossed = curve(before) <= bound + 1e-12 and curve(after) >= bound - 1e-12
            found.append(claim(f"{name} crosses {bound} at {end}", bool(crossed)))
    return found


def _price(case: ConceptCase, alpha: Number) -> Number:
    return precise.kl(case.p, precise.tilted(case.p, case.M, alpha))


@check(
    "tilting/joint",
    cases=family_cases(wild=False, min_size=3),
    tolerance="Delta CE to its error for the combined M; covariances to that of two means",
    weight=0.5,
    judges=(
        "JointFamily.vectors",
        "JointFamily.along",
        "JointFamily.cross_entropy_increase",
        "JointFamily.interference",
        "JointFamily.ellipse",
        "JointFamily.remaining",
        "JointFamily.steepest",
    ),
)
def joint(case: FamilyCase) -> Comparison:
    """Two vectors add their M: prices, interference, ellipse, what is left, the steepest mix."""
    low = min(case.log_odds)
    scale = max(case.log_odds) - low or 1.0
    second = [(7 * z * z + case.gauge) % 11 / 8 for z in range(len(case.p))]
    rows = [[(m - low) / scale for m in case.log_odds], second]
    both = JointFamily(case.family.log_p, np.array(rows))
    a = [(-1) ** case.gauge * 0.75, 0.5]
    exact = [[number(x) for x in row] for row in rows]

    def price(strengths: list[Number]) -> Number:
        M = [strengths[0] * x + strengths[1] * y for x, y in zip(*exact, strict=True)]
        return precise.kl(case.p, precise.tilted(case.p, M, number(1)))

    centred = []
    for row in exact:
        centre = CTX.fsum(p * x for p, x in zip(case.p, row, strict=True))
        centred.append([x - centre for x in row])
    S = [
        [CTX.fsum(p * x * y for p, x, y in zip(case.p, u, v, strict=True)) for v in centred]
        for u in centred
    ]
    allowed = 1e-12
    together = price([number(x) for x in a])
    alone = price([number(a[0]), number(0)]) + price([number(0), number(a[1])])
    along = both.along(a)
    mixed = [a[0] * x + a[1] * y for x, y in zip(*rows, strict=True)]
    comparisons = [
        claim("two vectors", both.vectors == 2),
        compare("M along a", mixed, Value("engine", along.log_odds, 4 * EPS * 4)),
        compare("log p along a", case.family.log_p.tolist(), Value("engine", along.log_p, EPS)),
        compare("Delta CE", together, Value("engine", both.cross_entropy_increase(a), allowed)),
        compare(
            "interference",
            [together - alone, a[0] * a[1] * S[0][1]],
            Value("engine", both.interference(a), 4 * allowed),
        ),
    ]
    comparisons += _ellipse(both, S, 0.25)
    return worst([*comparisons, *_room(both, price), *_steepest(case, both, S, centred)])


def _ellipse(both: JointFamily, S: list[list[Number]], budget: float) -> list[Comparison]:
    """On its axes 1/2 a' S a is the budget; the longest comes first, and the tilt is its angle."""
    ellipse = both.ellipse(budget)
    determinant = S[0][0] * S[1][1] - S[0][1] ** 2
    if not determinant > 1e-6 * (S[0][0] + S[1][1]) ** 2:
        return []  # all but one direction is inert: its axis is rounding
    spent = []
    for length, axis in zip(ellipse.semi_axes.tolist(), ellipse.axes.tolist(), strict=True):
        x, y = (number(length) * number(c) for c in axis)
        spent.append((S[0][0] * x * x + 2 * S[0][1] * x * y + S[1][1] * y * y) / 2)
    across = ellipse.axes[0] @ ellipse.axes[1]
    angle = float(np.degrees(np.arctan2(ellipse.axes[0][1], ellipse.axes[0][0])))
    root = CTX.sqrt(S[0][0] * S[1][1])
    return [
        compare("what the axes spend", [budget, budget], Value("engine", spent, 1e-8)),
        claim("axes are orthogonal", abs(float(across)) < 1e-8),
        claim("the longest first", bool(ellipse.semi_axes[0] >= ellipse.semi_axes[1])),
        claim("budget", ellipse.budget == budget),
        compare("tilt", angle, Value("engine", ellipse.tilt, 1e-9)),
        compare("correlation", S[0][1] / root, Value("engine", ellipse.correlation[0, 1], 1e-9)),
    ]


def _room(both: JointFamily, price: Callable[[list[Number]], Number]) -> list[Comparison]:
    """How far the first vector may go on from (0, 1/4) within a nat."""
    left = both.remaining([0.0, 0.25], 0, 1.0, 1)
    if not left.reached:
        return [claim("M of the first vector is constant", not np.ptp(both.log_odds[0]))]
    at = [number(left.alpha) * (1 + k * number("1e-6")) for k in (-1, 1)]
    values = [price([x, number("0.25")]) for x in at]
    return [
        claim(f"{left} holds its alpha", left.lower <= left.alpha <= left.upper),
        claim(f"a nat is kept up to {left.alpha}", bool(values[0] <= 1)),
        claim(f"a nat is spent beyond {left.alpha}", bool(values[1] >= 1) or left.alpha > 1e12),
    ]


def _steepest(
    case: FamilyCase, both: JointFamily, S: list[list[Number]], centred: list[list[Number]]
) -> list[Comparison]:
    """S mix is proportional to the slopes of F_C, and the largest entry is 1 in size."""
    slopes = [CTX.fsum(case.p[z] * row[z] for z in case.tokens) for row in centred]
    determinant = S[0][0] * S[1][1] - S[0][1] ** 2
    size = max(abs(g) for g in slopes)
    if not (determinant > 1e-6 * (S[0][0] + S[1][1]) ** 2 and size > 1e-6):
        return []
    mix = [
        (S[1][1] * slopes[0] - S[0][1] * slopes[1]) / determinant,
        (S[0][0] * slopes[1] - S[0][1] * slopes[0]) / determinant,
    ]
    top = max(abs(x) for x in mix)
    found = both.steepest(list(case.tokens))
    return [compare("steepest mix", [x / top for x in mix], Value("engine", found, 1e-6))]


@check(
    "ce-radius/bounds",
    cases=any_families(),
    tolerance="inequalities in 120 digits, give or take the error of Delta CE and of Var M",
    weight=0.5,
    judges=(
        "TiltedFamily.cross_entropy_bounds",
        "TiltedFamily.quadratic_radius",
        "TiltedFamily.cross_entropy_asymptote",
        "quadratic_radius",
    ),
)
def bounds(case: FamilyCase) -> Comparison:
    """Delta CE lies between what sd(M) and range(M) allow, and near its quadratic in the radius."""
    limits, family = tolerance(case), case.family
    if not limits.spread:
        pair = np.concatenate(family.cross_entropy_bounds([case.alpha, 1.0]))
        nothing = not pair.any() and family.quadratic_radius(0.1) == np.inf
        return claim("constant M costs nothing", bool(nothing))
    variance = precise.variance(case.p, case.M, number(0))
    share = (limits.variance(0.0) + 64 * EPS * variance) / variance if variance else number(1)
    comparisons = []
    for alpha in (case.alpha, 0.5, -2.0):
        lower, upper = (float(b) for b in family.cross_entropy_bounds(alpha))
        x = abs(number(alpha)) * limits.spread
        if not x:
            continue
        below = variance * (CTX.expm1(-x) + x) / limits.spread**2
        above = min(variance * (CTX.expm1(x) - x) / limits.spread**2, x * x / 8)
        rounding = share + 64 * EPS * (1 + x)
        if isfinite(upper) and share < 0.01:
            comparisons.append(compare("upper", above, Value("engine", upper, above * rounding)))
        comparisons.append(
            compare("lower", below, Value("engine", lower, below * rounding + 1e-300))
        )
    tolerances = 0.01, 0.05, 0.1, 2.0
    for bound in tolerances:
        x = family.quadratic_radius(bound) * limits.spread
        off = 2 * (CTX.expm1(x) - x) / x**2 - 1
        comparisons.append(
            compare("error at the radius", bound, Value("engine", off, 1e-9 * (1 + bound)))
        )
    sign = 1 if case.alpha >= 0 else -1
    slope, offset = family.cross_entropy_asymptote(sign)
    end = max(sign * m for m in case.M)
    top = CTX.fsum(p for p, m in zip(case.p, case.M, strict=True) if sign * m == end)
    sigma = end - sign * precise.mean(case.p, case.M, number(0))
    return worst(
        [
            *comparisons,
            compare("slope", sigma, Value("engine", slope, limits.mean(0.0) + 8 * EPS * abs(end))),
            compare("offset", CTX.log(top), Value("engine", offset, 16 * EPS * limits.depth)),
        ]
    )


CHECKS: tuple[Check, ...] = (
    advise_budget,
    advise_target,
    sweet_spot,
    what_advice_says,
    limit_root,
    peak_roots,
    joint,
    bounds,
)
