"""The price of steering in nats: Thm 3.8 of arXiv:2602.02712 and the exact law behind it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import partial

import numpy as np

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
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase
from steering_strength.proofs_check.law_values import at_maximum, law, of_case, of_contexts, single
from steering_strength.proofs_check.oracles import precise
from steering_strength.proofs_check.oracles.precise import CTX, Number, Tilt, number
from steering_strength.proofs_check.simulation import Simulation, simulated_dataset
from steering_strength.proofs_check.tolerance import NAIVE, SAFETY, UNDERFLOW, shipped
from steering_strength.theory import ConceptDataset
from steering_strength.theory.engine import cross_entropy as ce


def _simulated(case: ConceptCase, alpha: float) -> tuple[float, float]:
    """Delta CE of the steered UFM, and its noise."""
    ufm, steered = simulated_dataset(case)
    total, noise = 0.0, 0.0
    for j, weight in enumerate(case.data.context_weights):
        seen = Simulation(ufm.W, ufm.H[:, j], steered.v, steered.residue)
        before, after = seen.log_probability(np.array([0.0, alpha]))
        total += float(weight * (case.data.probabilities[j] @ (before - after)))
        noise += float(weight * (seen.noise(alpha) + seen.noise(0.0)))
    return total, noise


@check(
    "ce-quadratic",
    draw.ANY_ROWS,
    judges=(
        "ConceptDataset: quadratic cross_entropy_increase",
        "TiltedPopulation: quadratic",
    ),
)
def ce_quadratic(case: ConceptCase) -> Iterator[Comparison]:
    """Delta CE(alpha) = alpha^2/2 sum_j pi_j Var_j(M) + o(alpha^2).
    Tolerance: each variance to the error of M and of the weights; at x = |alpha| range(M) the
    quadratic law itself is off by x/3 (`ce-radius`)."""
    spread = case.tilt.spread
    if not spread:
        return
    step = precise.STEP / spread
    oracle = case.price(step) / step**2
    log_odds = case.data.log_odds(*case.sets)
    # What is measured near 0: x = 1e-3 costs the quadratic law x/3 of itself.
    near, bend = float(1e-3 / spread), 1e-3 * oracle
    engine = float(case.data.cross_entropy_increase(log_odds, near)) / near**2
    error = case.average(lambda c: c.limits.divergence(near)) / number(near) ** 2
    allowed = case.average(lambda c: c.limits.variance(0.0)) / 2
    yield compare(
        "Delta CE / alpha^2",
        oracle,
        formula=(case.data.quadratic(log_odds), allowed),
        engine=(engine, bend + error),
    )
    yield law("ce-quadratic", of_contexts(case), 2 * oracle)


@check(
    "ce-exact",
    draw.ANY_ROWS,
    judges=(
        "ConceptDataset: cross_entropy_increase",
        "TiltedFamily: cross_entropy_increase reverse_kl",
    ),
)
def ce_exact(case: ConceptCase) -> Iterator[Comparison]:
    """Delta CE = sum_j pi_j (K_j - alpha K_j'(0)) = sum_j pi_j KL(p_j||p_j,alpha) >= 0, convex.
    Tolerance: d KL / d M(z) = alpha (p_alpha - p): the error of M acts through the total variation;
    relatively EPS (1 + |log p|)."""
    alpha, at = case.alpha, number(case.alpha)
    oracle = case.price(at)
    by_cgf = case.average(lambda c: c.tilt.cgf(at) - at * c.tilt.mean(0))
    ask = partial(case.data.cross_entropy_increase, case.data.log_odds(*case.sets))
    yield from as_alone("Delta CE", ask, alpha, 0.5)
    engine = float(ask(alpha))
    yield compare(
        "Delta CE",
        oracle,
        cgf=(by_cgf, 1e-100 * (1 + abs(at) * case.tilt.spread)),
        engine=(engine, case.average(lambda c: c.limits.divergence(alpha))),
        simulation=_simulated(case, alpha),
    )
    yield law("ce-exact", of_contexts(case), oracle)
    yield shipped(case, "cross_entropy_increase")
    yield shipped(case, "reverse_kl")
    yield claim("Delta CE >= 0", engine >= 0 and oracle > -NAIVE)
    yield not_above("convexity", 2 * case.price(at / 2), oracle, 1e-100)


@check("ce-cumulants", draw.any_families(), judges="TiltedFamily: taylor")
def ce_cumulants(case: FamilyCase) -> Iterator[Comparison]:
    """The coefficient of alpha^n in Delta CE is kappa_n / n!, for every n >= 2.
    Tolerance: in units of range(M)^n the n-th cumulant is at most the variance in size; it errs by
    2^n times the error of a weight, and M - E[M] by EPS range(M)."""
    limits, spread = case.limits, case.tilt.spread
    if not spread:
        return
    # In units of the spread: coefficients of x = alpha range(M).
    units = Tilt(case.p, [m / spread for m in case.M])
    kappa = units.cumulants(4)
    oracle = [k / f for k, f in zip(kappa[1:], (2, 6, 24), strict=True)]
    scaled = [number(float(c)) / spread**n for n, c in enumerate(case.family.taylor(4), start=2)]
    weights = limits.log_probability(0.0) * kappa[1]
    moved = SAFETY * (limits.blur / spread + EPS)
    # d u^2 = 2 u du, and E|u| is at most the standard deviation; E|u|^3 and more, the variance.
    allowed = [
        2**n * (weights + moved * (CTX.sqrt(kappa[1]) if n == 2 else kappa[1])) + UNDERFLOW
        for n in (2, 3, 4)
    ]
    yield compare("Taylor coefficients", oracle, formula=(scaled, allowed))
    # The same without cumulants: central differences of KL(p || p_alpha) at 0, nodes 1e-15 apart.
    # The error is 1e-30 relative, and the fourth difference costs 60 of the 120 digits, which must
    # leave some of the smallest probability.
    if limits.depth <= 90:
        h = CTX.mpf(10) ** -15
        f = {k: units.price(k * h) for k in range(-2, 3)}
        differences = [
            (f[1] - 2 * f[0] + f[-1]) / h**2 / 2,
            (f[2] - 2 * f[1] + 2 * f[-1] - f[-2]) / (2 * h**3) / 6,
            (f[2] - 4 * f[1] + 6 * f[0] - 4 * f[-1] + f[-2]) / h**4 / 24,
        ]
        yield compare("Taylor coefficients", oracle, differences=(differences, 1e-14 * oracle[0]))
    values = {**single(of_case(case)), "alpha": 0}
    yield law("ce-cumulants", values, kappa[1] * spread**2, allowed=1e-25 * spread**2)


@check("ce-radius", draw.any_families(), judges="envelope hoeffding")
def ce_radius(case: FamilyCase) -> Iterator[Comparison]:
    """2(e^-x - 1 + x)/x^2 <= Delta CE / quadratic <= 2(e^x - 1 - x)/x^2, x = |alpha| range(M).
    Tolerance: inequalities in 120 digits; the formulas of the bounds to 16 EPS of themselves."""
    R, alpha = case.tilt.spread, number(case.alpha)
    if not R or not alpha:
        return
    increase = case.tilt.price(alpha)
    ratio = increase / (alpha**2 * case.tilt.variance(0) / 2)
    x = abs(alpha) * R
    lower, upper = (number(float(b)) for b in ce.envelope(float(x)))
    exact = [2 * (CTX.exp(-x) - 1 + x) / x**2, 2 * (CTX.exp(x) - 1 - x) / x**2]
    below, above = (16 * EPS * (1 + x) * b for b in exact)
    yield not_above("lower bound", lower, ratio, below)
    yield not_above("upper bound", ratio, upper, above if CTX.isfinite(upper) else 1)
    yield compare("lower bound", exact[0], formula=(lower, below))
    if x <= 600:  # e^x is within float64
        yield compare("upper bound", exact[1], formula=(upper, above))
    _, second, third = case.tilt.cumulants(3, alpha)
    noise = 1e-100 * R**3
    yield not_above("|K'''| <= R K''", abs(third), R * second, noise)
    square = second**2 * (R**2 - 4 * second)
    yield not_above("K'''^2 <= K''^2 (R^2 - 4 K'')", third**2, square, noise * R**3)
    cap, smaller = map(number, ce.hoeffding(float(R), np.array([case.alpha, 0.5])).tolist())
    yield compare("R^2 / 32", R**2 / 32, formula=(smaller, 4 * EPS * smaller))
    yield compare("alpha^2 R^2 / 8", x**2 / 8, formula=(cap, 4 * EPS * cap))
    yield not_above("Delta CE <= alpha^2 R^2 / 8", increase, cap, 4 * EPS * cap)
    values = {**of_case(case), "R": R, "w": [m - min(case.M) for m in case.M]}
    yield law("ce-radius", values, R * second - third, allowed=1e-25 * R**3)
    # 1 %, 5 % and 10 % for x up to 0.0297, 0.1446 and 0.2793: rounded down in the 4th decimal.
    for percent, reach in ((1, 0.0297), (5, 0.1446), (10, 0.2793)):
        off, beyond = (
            max(abs(float(b) - 1) for b in ce.envelope(r)) for r in (reach, reach + 1e-4)
        )
        yield claim(f"within {percent} % up to {reach}", off <= percent / 100 < beyond)


def _shifted(case: ConceptCase) -> tuple[list[Number], list[list[Number]], list[list[Number]]]:
    """pi, a model that predicts row j, and data of the next row."""
    rows = [precise.numbers(row) for row in case.dataset.rows]
    return precise.numbers(case.dataset.context_weights), rows, [*rows[1:], rows[0]]


def miscalibrated(case: ConceptCase, alpha: Number) -> Number:
    """The cross-entropy of a model that predicts row j on data of the next row."""
    weights, model, data = _shifted(case)
    logs = (Tilt(row, case.M).log(alpha) for row in model)
    return -precise.dot(weights, map(precise.dot, data, logs))


@check("ce-linear", draw.concept_cases("none"), judges="ConceptDataset: linear_coefficient")
def ce_linear(case: ConceptCase) -> Iterator[Comparison]:
    """Without Assumption 2, the slope of Delta CE at 0 is sum_j pi_j (E_model[M] - E_data[M]).
    Tolerance: two means of M, each to its own error."""
    oracle = precise.derivative(lambda a: miscalibrated(case, a), number(0), case.tilt.scale)
    log_odds, model = case.data.log_odds(*case.sets), case.data.probabilities
    data, parts = np.roll(model, -1, axis=0), case.data
    labelled = ConceptDataset(
        data, parts.token_concept, parts.context_concept, parts.context_weights
    )
    allowed = SAFETY * (case.limits.blur + EPS * max(abs(m) for m in case.M))
    formula = (labelled.linear_coefficient(log_odds, model), allowed)
    yield compare("slope at 0", oracle, formula=formula)
    yield law("ce-linear", {**of_contexts(case), "alpha": 0, "r": _shifted(case)[2]}, oracle)


def better_strength(case: ConceptCase) -> Number:
    """-4 s/R^2 with s the slope at 0 and R the range of M: there less than at 0, unless s = 0."""
    weights, *rows = _shifted(case)
    model, data = ([precise.dot(row, case.M) for row in each] for each in rows)
    slope = precise.dot(weights, model) - precise.dot(weights, data)
    return -4 * slope * case.tilt.scale**2 if case.tilt.spread else number(0)


@reading("ce-linear/always-degrades", draw.concept_cases("none", wild=False))
def always_degrades(case: ConceptCase) -> Comparison:
    """Steering necessarily degrades the model: Delta CE > 0 on any data, alpha not 0.
    Tolerance: two cross-entropies in 120 digits.
    Instead (after Thm 3.8): for a model that is calibrated along v; else small steps one way
    improve it."""
    alpha = better_strength(case)
    gain = miscalibrated(case, number(0)) - miscalibrated(case, alpha)
    return claim(
        f"at alpha = {CTX.nstr(alpha, 6)} the cross-entropy is {CTX.nstr(gain, 6)} lower: not so",
        gain <= 1e-50,
    )


@check(
    "ce-asymptote",
    draw.ANY_ROWS,
    judges=("ConceptDataset: cross_entropy_asymptote", "TiltedPopulation: cross_entropy_asymptote"),
)
def ce_asymptote(case: ConceptCase) -> Iterator[Comparison]:
    """Delta CE is below alpha sigma, and above its asymptote alpha sigma + mean log p(argmax M).
    Tolerance: sigma to the error of M, times |alpha|; log p to EPS (1 + |log p|)."""
    limits, alpha = case.limits, number(case.alpha or 1.0)
    size, sign = abs(alpha), 1 if alpha > 0 else -1
    increase, top, tied = case.price(alpha), case.tilt.end(sign), case.tilt.extreme(sign)
    log_odds = case.data.log_odds(*case.sets)
    engine = float(case.data.cross_entropy_increase(log_odds, float(alpha)))
    steepness, offset = case.data.cross_entropy_asymptote(log_odds, sign)
    upper = float(size) * steepness
    sigma = case.average(lambda c: abs(top - c.tilt.mean(0)))
    depth = max(seen.limits.depth for seen in case.seen)
    slack = SAFETY * size * (limits.blur + EPS * depth * limits.spread) + SAFETY * EPS * depth
    yield not_above("Delta CE <= alpha sigma", increase, upper, slack)
    error = case.average(lambda c: c.limits.divergence(float(alpha)))
    yield not_above("lower line", engine, upper, slack + error)
    yield compare("alpha sigma", size * sigma, formula=(upper, slack))
    # Ties of M that rounding breaks: the formula then sees fewer tokens at the top.
    rounded = sign * log_odds
    if tied == np.flatnonzero(rounded == rounded.max()).tolist():
        shares = case.average(lambda c: CTX.log(c.tilt.concept(tied, 0)))
        yield not_above("lower line <= Delta CE", upper + offset, increase, slack)
        lower = size * sigma + shares
        yield compare("lower line", lower, formula=(upper + offset, slack))
        end = max(abs(seen.tilt.far(sign)) for seen in case.seen)
        left = case.price(end * sign) - end * sigma - shares
        yield claim("Delta CE meets the lower line far out", abs(left) < 1e-60)
    family = case.as_family()
    gain = family.tilt.cgf(alpha) - alpha * family.tilt.mean(0)
    yield law("ce-asymptote", {**at_maximum(family, 1)[0], "alpha": alpha}, gain)


def _increase_in_balls(case: FamilyCase, balls: Balls) -> Ball:
    """The cross-entropy of p with p_alpha minus that with p: -sum p log p_alpha/p, as defined."""
    (p, M), alpha = certain.in_balls(case, balls), balls.exact(case.alpha)
    weights = [a * balls.exp(alpha * (m - M[0])) for a, m in zip(p, M, strict=True)]
    total = balls.total(weights)
    return -balls.total([a * balls.log(w / (total * a)) for a, w in zip(p, weights, strict=True)])


def _single_law(name: str, case: FamilyCase, balls: Balls) -> Ball:
    """A law that averages over contexts, for one of weight 1."""
    p, M = certain.in_balls(case, balls)
    return certain.law(name, balls, **single({"p": p, "M": M, "alpha": balls.exact(case.alpha)}))


@certain.certificate("ce-exact", draw.family_cases().map(certain.varied))
def ce_exact_certificate(case: FamilyCase, balls: Balls) -> certain.Answers:
    """Delta CE > 0, computed from its definition; the law's sum of K - alpha E[M] equals it to 64
    bits; the engine's value is positive too; M not constant, at the alpha of the instance, not 0,
    reduced to |alpha| (max M - min M) <= 300."""
    # One context; an average over contexts inherits the sign.
    increase = _increase_in_balls(case, balls)
    yield balls.positive(increase)
    yield certain.same(_single_law("ce-exact", case, balls), increase, balls)
    yield bool(case.family.cross_entropy_increase(case.alpha) > 0)


@certain.certificate("ce-radius", draw.family_cases().map(certain.varied))
def ce_radius_certificate(case: FamilyCase, balls: Balls) -> certain.Answers:
    """2(e^-x - 1 + x)/x^2 < Delta CE/quadratic < 2(e^x - 1 - x)/x^2, x = |alpha| (max M - min M),
    the quadratic being the law's; Delta CE < alpha^2 (max M - min M)^2/8; the same for the
    project's formulas of these bounds, give or take 16 EPS (1 + x) of them; and the law's R K'' -
    K''' > 0; M not constant, at the alpha of the instance, not 0, reduced to |alpha| (max M - min
    M) <= 300."""
    # Multiplied out: 2 Delta CE x^2 against alpha^2 Var times the bracketed exponentials.
    (p, M), alpha, one = certain.in_balls(case, balls), balls.exact(case.alpha), balls.exact(1)
    spread = max(case.keys) - min(case.keys)
    increase = _increase_in_balls(case, balls)
    quadratic = alpha * alpha * _single_law("ce-quadratic", case, balls)
    reach = abs(Fraction(case.alpha)) * spread
    x = balls.exact(reach)
    # What float64 may lose in the formulas of the bounds: x itself is rounded before e^x is.
    slip = Fraction(16 * EPS * (1 + float(reach)))
    lower, upper = (Fraction(float(b)) for b in ce.envelope(float(reach)))
    cap = Fraction(float(ce.hoeffding(float(spread), np.array([case.alpha]))[0])) * (1 + slip)
    yield balls.positive(2 * increase - quadratic * balls.exact(lower * (1 - slip)))
    yield balls.positive(quadratic * balls.exact(upper * (1 + slip)) - 2 * increase)
    yield balls.positive(balls.exact(cap) - increase)
    yield balls.positive(increase * x * x - quadratic * (balls.exp(-x) - one + x))
    yield balls.positive(quadratic * (balls.exp(x) - one - x) - increase * x * x)
    yield balls.positive(x * x - 8 * increase)
    w = [balls.exact(key - min(case.keys)) for key in case.keys]
    yield balls.positive(certain.law("ce-radius", balls, p=p, M=M, w=w, R=spread, alpha=alpha))


@certain.certificate("ce-asymptote", draw.family_cases().map(certain.varied))
def ce_asymptote_certificate(case: FamilyCase, balls: Balls) -> certain.Answers:
    """|alpha| sigma + log p(top) < Delta CE < |alpha| sigma for one context, sigma = E|M - M(top)|;
    and the law's alpha sigma + log(P_A + R_A) equals Delta CE, computed from its definition, to 64
    bits; M not constant, at the alpha of the instance, not 0, reduced to |alpha| (max M - min M) <=
    300."""
    # The law speaks of alpha > 0; the other end is its mirror image, M -> -M.
    keys, side = case.keys, 1 if case.alpha > 0 else -1
    order = sorted(range(len(keys)), key=lambda z: -side * keys[z])
    p, M = ([balls.exact(v) for v in part] for part in (
        [case.row[z] for z in order], [side * keys[z] for z in order]))  # fmt: skip
    gaps = [side * (keys[order[0]] - keys[z]) for z in order]
    d, tied = [balls.exact(gap) for gap in gaps], gaps.count(Fraction(0))
    increase, alpha = _increase_in_balls(case, balls), balls.exact(abs(case.alpha))
    values = {"p": p, "M": M, "d": d, "|A|": tied, "alpha": alpha}
    yield certain.same(certain.law("ce-asymptote", balls, **values), increase, balls)
    line = alpha * balls.total([a * gap for a, gap in zip(p, d, strict=True)])
    yield balls.positive(line - increase)
    yield balls.positive(increase - line - balls.log(balls.total(p[:tied])))
