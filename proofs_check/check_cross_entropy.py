"""The price of steering in nats: Thm 3.8 of arXiv:2602.02712 and the exact law behind it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

from steering_strength.proofs_check.balls import Ball, Balls
from steering_strength.proofs_check.certificate import (
    Certificate,
    agrees,
    certificate,
    every,
    law_value,
    log_odds,
    order_keys,
    probabilities,
    same,
    varied,
)
from steering_strength.proofs_check.check import Check, check
from steering_strength.proofs_check.comparison import (
    AGREED,
    EPS,
    Comparison,
    Value,
    claim,
    compare,
    not_above,
    worst,
)
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase
from steering_strength.proofs_check.law_values import at_maximum, law_sides, of_case, of_contexts
from steering_strength.proofs_check.oracles import precise
from steering_strength.proofs_check.oracles.precise import CTX, Number, number
from steering_strength.proofs_check.simulation import Simulation, simulated_dataset
from steering_strength.proofs_check.strategies import (
    any_families,
    concept_cases,
    family_cases,
)
from steering_strength.proofs_check.tolerance import NAIVE, SAFETY, UNDERFLOW, tolerance
from steering_strength.theory import ConceptDataset
from steering_strength.theory.engine import cross_entropy as ce

__all__ = ["CERTIFICATES", "CHECKS"]

DATASETS = st.one_of(concept_cases("1"), concept_cases("B.1"), concept_cases("none"))


def _contexts(case: ConceptCase) -> list[tuple[Number, ConceptCase]]:
    """(pi_j, the case seen from c_j) for every context."""
    weights = case.dataset.context_weights
    return [(number(weight), case.at(j)) for j, weight in enumerate(weights)]


def _increase(case: ConceptCase, alpha: Number) -> Number:
    """Delta CE by its definition: sum_j pi_j sum_z p (log p - log p_alpha)."""
    return CTX.fsum(
        weight * precise.kl(seen.p, precise.tilted(seen.p, seen.M, alpha))
        for weight, seen in _contexts(case)
    )


def _allowed(case: ConceptCase, alpha: float) -> Number:
    return CTX.fsum(w * tolerance(c).divergence(alpha) for w, c in _contexts(case))


def _simulated(case: ConceptCase, alpha: float) -> tuple[float, float]:
    """Cross-entropy of the steered UFM minus that of the unsteered one, and its noise."""
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
    cases=DATASETS,
    tolerance="each variance to the error of M and of the weights; at x = |alpha| range(M) the "
    "quadratic law itself is off by x/3 (`ce-radius`)",
    judges=("ConceptDataset.quadratic", "ConceptDataset.cross_entropy_increase"),
)
def ce_quadratic(case: ConceptCase) -> Comparison:
    """Delta CE(alpha) = alpha^2/2 sum_j pi_j Var_j(M) + o(alpha^2)."""
    spread = max(case.M) - min(case.M)
    if not spread:
        return AGREED
    step = precise.STEP / spread
    oracle = _increase(case, step) / step**2
    log_odds = case.data.log_odds(case.positive, case.negative)
    allowed = CTX.fsum(w * tolerance(c).variance(0.0) for w, c in _contexts(case)) / 2
    # What is measured near 0: x = 1e-3 costs the quadratic law x/3 of itself.
    near = float(1e-3 / spread)
    engine = float(case.data.cross_entropy_increase(log_odds, near)) / near**2
    simulated, noise = _simulated(case, near)
    bend = 1e-3 * oracle
    return worst(
        [
            compare(
                "Delta CE / alpha^2",
                oracle,
                Value("formula", case.data.quadratic(log_odds), allowed),
                Value("engine", engine, bend + _allowed(case, near) / number(near) ** 2),
                Value("simulation", simulated / near**2, bend + noise / near**2),
            ),
            compare(
                "Delta CE''(0)",
                2 * oracle,
                *law_sides("ce-quadratic", of_contexts(case), 2 * oracle),
            ),
        ]
    )


@check(
    "ce-exact",
    cases=DATASETS,
    tolerance="d KL / d M(z) = alpha (p_alpha - p): the error of M acts through the total "
    "variation; relatively EPS (1 + |log p|)",
    judges=(
        "ConceptDataset.cross_entropy_increase",
        "TiltedFamily.cross_entropy_increase",
        "TiltedFamily.reverse_kl",
    ),
)
def ce_exact(case: ConceptCase) -> Comparison:
    """Delta CE = sum_j pi_j (K_j - alpha K_j'(0)) = sum_j pi_j KL(p_j||p_j,alpha) >= 0, convex."""
    alpha = number(case.alpha)
    oracle = _increase(case, alpha)
    by_cgf = CTX.fsum(
        w * (precise.cgf(c.p, c.M, alpha) - alpha * precise.mean(c.p, c.M, number(0)))
        for w, c in _contexts(case)
    )
    log_odds = case.data.log_odds(case.positive, case.negative)
    simulated, noise = _simulated(case, case.alpha)
    engine = float(case.data.cross_entropy_increase(log_odds, case.alpha))
    limits = tolerance(case)
    after = precise.tilted(case.p, case.M, alpha)
    middle = _increase(case, alpha / 2)
    return worst(
        [
            compare(
                "Delta CE",
                oracle,
                Value("K - alpha K'(0)", by_cgf, 1e-100 * (1 + abs(alpha) * limits.spread)),
                Value("engine", engine, _allowed(case, case.alpha)),
                Value("simulation", simulated, noise),
            ),
            compare("Delta CE", oracle, *law_sides("ce-exact", of_contexts(case), oracle)),
            compare(
                "KL(p || p_alpha)",
                precise.kl(case.p, after),
                Value(
                    "engine",
                    case.family.cross_entropy_increase(case.alpha),
                    limits.divergence(case.alpha),
                ),
            ),
            compare(
                "KL(p_alpha || p)",
                precise.kl(after, case.p),
                Value(
                    "engine",
                    case.family.reverse_kl(case.alpha),
                    limits.reverse_divergence(case.alpha),
                ),
            ),
            claim("Delta CE >= 0", engine >= 0 and oracle > -NAIVE),
            not_above("convexity", 2 * middle, oracle, 1e-100),
        ]
    )


@check(
    "ce-cumulants",
    cases=any_families(),
    tolerance="in units of range(M)^n the n-th cumulant is at most the variance in size; it errs "
    "by 2^n times the error of a weight, and M - E[M] by EPS range(M)",
    judges=("TiltedFamily.taylor",),
)
def ce_cumulants(case: FamilyCase) -> Comparison:
    """The coefficient of alpha^n in Delta CE is kappa_n / n!, for every n >= 2."""
    limits = tolerance(case)
    if not limits.spread:
        return AGREED
    order = 4
    # In units of the spread: coefficients of x = alpha range(M).
    M = [m / limits.spread for m in case.M]
    kappa = precise.cumulants(case.p, M, order)
    oracle = [k / f for k, f in zip(kappa[1:], (2, 6, 24), strict=True)]
    formula = case.family.taylor(order)
    scaled = [number(float(c)) / limits.spread**n for n, c in enumerate(formula, start=2)]
    weights = limits.log_probability(0.0) * kappa[1]
    moved = SAFETY * (limits.blur / limits.spread + EPS)
    # d u^2 = 2 u du, and E|u| is at most the standard deviation; E|u|^3 and more, the variance.
    allowed = [
        2**n * (weights + moved * (CTX.sqrt(kappa[1]) if n == 2 else kappa[1])) + UNDERFLOW
        for n in (2, 3, 4)
    ]
    second_law = kappa[1] * limits.spread**2
    single = of_case(case).as_single_context()
    symbolic = law_sides("ce-cumulants", single.with_numbers(alpha=0), second_law)
    return worst(
        [
            compare("Taylor coefficients", oracle, Value("formula", scaled, allowed)),
            _by_differences(case, M, oracle, limits.depth),
            compare(
                "Delta CE''(0)",
                second_law,
                *(Value(v.name, v.value, 1e-25 * limits.spread**2) for v in symbolic),
            ),
        ]
    )


def _by_differences(
    case: FamilyCase, M: list[Number], oracle: list[Number], depth: Number
) -> Comparison:
    """The same coefficients without cumulants: central differences of KL(p || p_alpha) at 0.

    Nodes 1e-15 apart: the error is 1e-30 relative, and the fourth difference costs 60 of the 120
    digits, which must leave some of the smallest probability.
    """
    if depth > 90:
        return AGREED
    h = CTX.mpf(10) ** -15
    f = {k: precise.kl(case.p, precise.tilted(case.p, M, k * h)) for k in range(-2, 3)}
    second = (f[1] - 2 * f[0] + f[-1]) / h**2
    third = (f[2] - 2 * f[1] + 2 * f[-1] - f[-2]) / (2 * h**3)
    fourth = (f[2] - 4 * f[1] + 6 * f[0] - 4 * f[-1] + f[-2]) / h**4
    coefficients = [second / 2, third / 6, fourth / 24]
    return compare(
        "Taylor coefficients", oracle, Value("differences", coefficients, 1e-14 * oracle[0])
    )


@check(
    "ce-radius",
    cases=any_families(),
    tolerance="inequalities in 120 digits; the formulas of the bounds to 16 EPS of themselves",
    judges=("envelope", "hoeffding"),
)
def ce_radius(case: FamilyCase) -> Comparison:
    """2(e^-x - 1 + x)/x^2 <= Delta CE / quadratic <= 2(e^x - 1 - x)/x^2, x = |alpha| range(M)."""
    limits = tolerance(case)
    R, alpha = limits.spread, number(case.alpha)
    if not R or not alpha:
        return AGREED
    increase = precise.kl(case.p, precise.tilted(case.p, case.M, alpha))
    quadratic = alpha**2 * precise.variance(case.p, case.M, number(0)) / 2
    x = abs(alpha) * R
    bounds = [number(float(b)) for b in ce.envelope(float(x))]
    exact = [2 * (CTX.exp(-x) - 1 + x) / x**2, 2 * (CTX.exp(x) - 1 - x) / x**2]
    rounding = [16 * EPS * (1 + x) * b for b in exact]
    ratio = increase / quadratic
    _, second, third = precise.cumulants(case.p, case.M, 3, alpha)
    cap = number(float(ce.hoeffding(float(R), np.array([case.alpha]))[0]))
    binding = of_case(case).with_numbers(R=R)
    low = min(case.M)
    binding = binding.with_arrays(w=[m - low for m in case.M])
    slack = R * second - third
    symbolic = law_sides("ce-radius", binding, slack)
    noise = 1e-100 * R**3
    return worst(
        [
            not_above("lower bound", bounds[0], ratio, rounding[0]),
            not_above(
                "upper bound", ratio, bounds[1], rounding[1] if CTX.isfinite(bounds[1]) else 1
            ),
            compare("lower bound", exact[0], Value("formula", bounds[0], rounding[0])),
            AGREED
            if x > 600  # e^x is beyond float64
            else compare("upper bound", exact[1], Value("formula", bounds[1], rounding[1])),
            not_above("|K'''| <= R K''", abs(third), R * second, noise),
            not_above(
                "K'''^2 <= K''^2 (R^2 - 4 K'')",
                third**2,
                second**2 * (R**2 - 4 * second),
                noise * R**3,
            ),
            compare("alpha^2 R^2 / 8", x**2 / 8, Value("formula", cap, 4 * EPS * cap)),
            not_above("Delta CE <= alpha^2 R^2 / 8", increase, cap, 4 * EPS * cap),
            compare(
                "R K'' - K'''", slack, *(Value(v.name, v.value, 1e-25 * R**3) for v in symbolic)
            ),
            *_guarantees(),
        ]
    )


def _guarantees() -> list[Comparison]:
    """1 %, 5 % and 10 % for x up to 0.0297, 0.1446 and 0.2793: rounded down in the 4th decimal."""
    result = []
    for percent, x in ((1, 0.0297), (5, 0.1446), (10, 0.2793)):
        lower, upper = map(float, ce.envelope(x))
        beyond = max(abs(float(b) - 1) for b in ce.envelope(x + 1e-4))
        result.append(
            claim(
                f"within {percent} % up to {x}",
                max(abs(lower - 1), abs(upper - 1)) <= percent / 100,
            )
        )
        result.append(claim(f"beyond {percent} % after {x}", beyond > percent / 100))
    return result


@check(
    "ce-linear",
    cases=concept_cases("none"),
    tolerance="two means of M, each to its own error",
    judges=("ConceptDataset.linear_coefficient",),
)
def ce_linear(case: ConceptCase) -> Comparison:
    """Without Assumption 2, the slope of Delta CE at 0 is sum_j pi_j (E_model[M] - E_data[M])."""
    # The model predicts for context j the row j; the data are those of the next context.
    rows = [precise.numbers(row) for row in case.dataset.rows]
    labels = [*rows[1:], rows[0]]
    weights = precise.numbers(case.dataset.context_weights)

    def cross_entropy(alpha: Number) -> Number:
        return -CTX.fsum(
            w
            * CTX.fsum(
                r * CTX.log(t)
                for r, t in zip(label, precise.tilted(row, case.M, alpha), strict=True)
            )
            for w, row, label in zip(weights, rows, labels, strict=True)
        )

    spread = max(case.M) - min(case.M)
    oracle = precise.derivative(cross_entropy, number(0), 1 / spread if spread else 1)
    log_odds = case.data.log_odds(case.positive, case.negative)
    model = case.data.probabilities
    data = np.roll(model, -1, axis=0)
    labelled = ConceptDataset(
        data,
        case.data.token_concept,
        case.data.context_concept,
        case.data.context_weights,
    )
    formula = labelled.linear_coefficient(log_odds, model)
    limits = tolerance(case)
    allowed = SAFETY * (limits.blur + EPS * max(abs(m) for m in case.M))
    binding = of_contexts(case).with_numbers(alpha=0).with_arrays(r=labels)
    ufm, steered = simulated_dataset(case)
    step = 1e-4 / float(spread) if spread else 1.0
    simulated, noise = 0.0, 0.0
    for j, weight in enumerate(case.data.context_weights):
        seen = Simulation(ufm.W, ufm.H[:, j], steered.v, steered.residue)
        before, after = seen.log_probability(np.array([-step, step]))
        simulated += float(weight * (data[j] @ (before - after))) / (2 * step)
        noise += float(weight * seen.noise(step)) / step
    return worst(
        [
            compare(
                "slope at 0",
                oracle,
                Value("formula", formula, allowed),
                # The third derivative of a log-probability is at most R^3.
                Value("simulation", simulated, noise + step**2 * spread**3),
            ),
            compare("slope at 0", oracle, *law_sides("ce-linear", binding, oracle)),
        ]
    )


def miscalibrated(case: ConceptCase, alpha: Number) -> Number:
    """The cross-entropy of a model that predicts row j on data of the next row."""
    rows = [precise.numbers(row) for row in case.dataset.rows]
    weights = precise.numbers(case.dataset.context_weights)
    steered = [precise.tilted(row, case.M, alpha) for row in rows]
    return -CTX.fsum(
        w * CTX.fsum(r * CTX.log(t) for r, t in zip(data, model, strict=True))
        for w, model, data in zip(weights, steered, [*rows[1:], rows[0]], strict=True)
    )


def better_strength(case: ConceptCase) -> Number:
    """-4 s/R^2 with s the slope at 0 and R the range of M: there less than at 0, unless s = 0."""
    rows = [precise.numbers(row) for row in case.dataset.rows]
    weights = precise.numbers(case.dataset.context_weights)
    slope = CTX.fsum(
        w * CTX.fsum((t - r) * m for t, r, m in zip(model, data, case.M, strict=True))
        for w, model, data in zip(weights, rows, [*rows[1:], rows[0]], strict=True)
    )
    spread = max(case.M) - min(case.M)
    return -4 * slope / spread**2 if spread else number(0)


@check(
    "ce-linear/always-degrades",
    cases=concept_cases("none", wild=False),
    tolerance="two cross-entropies in 120 digits",
    expected=False,
)
def always_degrades(case: ConceptCase) -> Comparison:
    """Prose on Thm 3.8: every strength other than 0 raises the cross-entropy, on any data."""
    alpha = better_strength(case)
    gain = miscalibrated(case, number(0)) - miscalibrated(case, alpha)
    return claim(
        f"at alpha = {CTX.nstr(alpha, 6)} the cross-entropy is {CTX.nstr(gain, 6)} lower: not so",
        bool(gain <= 1e-50),
    )


@check(
    "ce-asymptote",
    cases=DATASETS,
    tolerance="sigma to the error of M, times |alpha|; log p to EPS (1 + |log p|)",
    judges=("ConceptDataset.cross_entropy_asymptote",),
)
def ce_asymptote(case: ConceptCase) -> Comparison:
    """Delta CE is below alpha sigma, and above its asymptote alpha sigma + mean log p(argmax M)."""
    limits = tolerance(case)
    alpha = number(case.alpha) if case.alpha else number(1)
    sign = 1 if alpha > 0 else -1
    side = [sign * m for m in case.M]
    increase = _increase(case, alpha)
    log_odds = case.data.log_odds(case.positive, case.negative)
    engine = float(case.data.cross_entropy_increase(log_odds, float(alpha)))
    steepness, offset = case.data.cross_entropy_asymptote(log_odds, sign)
    upper = abs(float(alpha)) * steepness
    lower = upper + offset
    sigma = CTX.fsum(
        w * (max(side) - sign * precise.mean(c.p, c.M, number(0))) for w, c in _contexts(case)
    )
    depth = max(tolerance(c).depth for _, c in _contexts(case))
    slack = SAFETY * abs(alpha) * (limits.blur + EPS * depth * limits.spread) + SAFETY * EPS * depth
    comparisons = [
        not_above("Delta CE <= alpha sigma", increase, upper, slack),
        not_above("lower line", engine, number(upper), slack + _allowed(case, float(alpha))),
        compare("alpha sigma", abs(alpha) * sigma, Value("formula", upper, slack)),
    ]
    # Ties of M that rounding breaks: the formula then sees fewer tokens at the top.
    exact_top = [z for z, m in enumerate(side) if m == max(side)]
    rounded = sign * log_odds
    if exact_top == np.flatnonzero(rounded == rounded.max()).tolist():
        shares = CTX.fsum(
            w * CTX.log(CTX.fsum(c.p[z] for z in exact_top)) for w, c in _contexts(case)
        )
        comparisons.append(not_above("lower line <= Delta CE", lower, increase, slack))
        comparisons.append(
            compare("lower line", abs(alpha) * sigma + shares, Value("formula", lower, slack))
        )
        end = max(abs(precise.far(c.p, c.M, sign)) for _, c in _contexts(case)) * sign
        left = _increase(case, end) - abs(end) * sigma - shares
        comparisons.append(claim("Delta CE meets the lower line far out", abs(left) < 1e-60))
    family = case.as_family()
    binding, _ = at_maximum(family, 1)
    p, M = family.p, family.M
    gain = precise.cgf(p, M, alpha) - alpha * precise.mean(p, M, number(0))
    symbolic = law_sides("ce-asymptote", binding.with_numbers(alpha=alpha), gain)
    return worst([*comparisons, compare("K - alpha K'(0)", gain, *symbolic)])


CHECKS: tuple[Check, ...] = (
    ce_quadratic,
    ce_exact,
    ce_cumulants,
    ce_radius,
    ce_linear,
    always_degrades,
    ce_asymptote,
)


# Certificates: ball arithmetic, no tolerance


AT = "at the alpha of the instance, not 0, reduced to |alpha| (max M - min M) <= 300"


def _increase_in_balls(case: FamilyCase, balls: Balls) -> Ball:
    """The cross-entropy of p with p_alpha minus that with p: -sum p log p_alpha/p, as defined."""
    p, M, alpha = probabilities(case, balls), log_odds(case, balls), balls.exact(case.alpha)
    weights = [a * balls.exp(alpha * (m - M[0])) for a, m in zip(p, M, strict=True)]
    total = balls.total(weights)
    return -balls.total([a * balls.log(w / (total * a)) for a, w in zip(p, weights, strict=True)])


def _single_in_balls(case: FamilyCase, balls: Balls) -> dict[str, Any]:
    """For the laws that average over contexts: one context of weight 1."""
    return {
        "m": 1,
        "pi": [1],
        "p": [probabilities(case, balls)],
        "M": log_odds(case, balls),
        "alpha": balls.exact(case.alpha),
    }


@certificate(
    "ce-exact",
    "Delta CE > 0, computed from its definition; the law's sum of K - alpha E[M] equals it to 64 "
    f"bits; the engine's value is positive too; M not constant, {AT}",
    family_cases().map(varied),
)
def ce_exact_certificate(case: FamilyCase, balls: Balls) -> bool | None:
    """One context; an average over contexts inherits the sign."""
    increase = _increase_in_balls(case, balls)
    law = law_value("ce-exact", balls, _single_in_balls(case, balls))
    return every(
        [
            agrees(balls.sign(increase), 1),
            same(law, increase, balls),
            bool(case.family.cross_entropy_increase(case.alpha) > 0),
        ]
    )


@certificate(
    "ce-radius",
    "2(e^-x - 1 + x)/x^2 < Delta CE/quadratic < 2(e^x - 1 - x)/x^2, x = |alpha| (max M - min M), "
    "the quadratic being the law's; Delta CE < alpha^2 (max M - min M)^2/8; the same for the "
    "project's formulas of these bounds, give or take 16 EPS (1 + x) of them; and the law's "
    f"R K'' - K''' > 0; M not constant, {AT}",
    family_cases().map(varied),
)
def ce_radius_certificate(case: FamilyCase, balls: Balls) -> bool | None:
    """Multiplied out: 2 Delta CE x^2 against alpha^2 Var times the bracketed exponentials."""
    keys = order_keys(case)
    spread = max(keys) - min(keys)
    M, alpha = log_odds(case, balls), balls.exact(case.alpha)
    increase = _increase_in_balls(case, balls)
    variance = law_value("ce-quadratic", balls, _single_in_balls(case, balls))
    values = {
        "p": probabilities(case, balls),
        "M": M,
        "w": [balls.exact(key - min(keys)) for key in keys],
        "R": spread,
        "alpha": alpha,
    }
    slack = law_value("ce-radius", balls, values)
    x = balls.exact(abs(Fraction(case.alpha)) * spread)
    quadratic = alpha * alpha * variance
    one = balls.exact(1)
    # What float64 may lose in the formulas of the bounds: x itself is rounded before e^x is.
    reach = float(abs(Fraction(case.alpha)) * spread)
    slip = Fraction(16 * EPS * (1 + reach))
    lower, upper = (Fraction(float(b)) for b in ce.envelope(reach))
    cap = Fraction(float(ce.hoeffding(float(spread), np.array([case.alpha]))[0])) * (1 + slip)
    return every(
        [
            agrees(balls.sign(2 * increase - quadratic * balls.exact(lower * (1 - slip))), 1),
            agrees(balls.sign(quadratic * balls.exact(upper * (1 + slip)) - 2 * increase), 1),
            agrees(balls.sign(balls.exact(cap) - increase), 1),
            agrees(balls.sign(increase * x * x - quadratic * (balls.exp(-x) - one + x)), 1),
            agrees(balls.sign(quadratic * (balls.exp(x) - one - x) - increase * x * x), 1),
            agrees(balls.sign(x * x - 8 * increase), 1),
            agrees(balls.sign(slack), 1),
        ]
    )


@certificate(
    "ce-asymptote",
    "|alpha| sigma + log p(top) < Delta CE < |alpha| sigma for one context, sigma = E|M - M(top)|; "
    "and the law's alpha sigma + log(P_A + R_A) equals Delta CE, computed from its definition, to "
    f"64 bits; M not constant, {AT}",
    family_cases().map(varied),
)
def ce_asymptote_certificate(case: FamilyCase, balls: Balls) -> bool | None:
    """The law speaks of alpha > 0; the other end is its mirror image, M -> -M."""
    keys = order_keys(case)
    side = 1 if case.alpha > 0 else -1
    top = max(side * key for key in keys)
    order = sorted(range(len(keys)), key=lambda z: -side * keys[z])
    gaps = [top - side * keys[z] for z in order]
    p = [balls.exact(case.row[z]) for z in order]
    alpha = balls.exact(abs(Fraction(case.alpha)))
    tied = gaps.count(Fraction(0))
    values = {
        "p": p,
        "M": [balls.exact(side * keys[z]) for z in order],
        "d": [balls.exact(gap) for gap in gaps],
        "|A|": tied,
        "alpha": alpha,
    }
    law = law_value("ce-asymptote", balls, values)
    increase = _increase_in_balls(case, balls)
    line = alpha * balls.total([a * balls.exact(gap) for a, gap in zip(p, gaps, strict=True)])
    return every(
        [
            same(law, increase, balls),
            agrees(balls.sign(line - increase), 1),
            agrees(balls.sign(increase - line - balls.log(balls.total(p[:tied]))), 1),
        ]
    )


CERTIFICATES: tuple[Certificate, ...] = (
    ce_exact_certificate,
    ce_radius_certificate,
    ce_asymptote_certificate,
)
