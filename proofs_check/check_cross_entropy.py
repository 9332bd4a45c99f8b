"""The price of steering in nats: Thm 3.8 of arXiv:2602.02712 and the exact law behind it."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from steering_strength.proofs_check.bindings import at_maximum, law_voices, of_case, of_contexts
from steering_strength.proofs_check.check import Check, check
from steering_strength.proofs_check.formulas import Formulas
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase
from steering_strength.proofs_check.meeting import (
    AGREED,
    EPS,
    Meeting,
    Voice,
    claim,
    meet,
    not_above,
    worst,
)
from steering_strength.proofs_check.oracles import precise
from steering_strength.proofs_check.oracles.precise import CTX, Number, number
from steering_strength.proofs_check.simulation import Simulation, simulated_dataset
from steering_strength.proofs_check.strategies import any_families, concept_cases
from steering_strength.proofs_check.tolerance import NAIVE, SAFETY, UNDERFLOW, tolerance

__all__ = ["CHECKS"]

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
)
def ce_quadratic(case: ConceptCase, on_trial: Formulas) -> Meeting:
    """Delta CE(alpha) = alpha^2/2 sum_j pi_j Var_j(M) + o(alpha^2)."""
    spread = max(case.M) - min(case.M)
    if not spread:
        return AGREED
    step = precise.STEP / spread
    oracle = _increase(case, step) / step**2
    log_odds = on_trial.log_odds(case.data, case.positive, case.negative)
    allowed = CTX.fsum(w * tolerance(c).variance(0.0) for w, c in _contexts(case)) / 2
    # What is measured near 0: x = 1e-3 costs the quadratic law x/3 of itself.
    near = float(1e-3 / spread)
    engine = float(on_trial.dataset_cross_entropy(case.data, log_odds, near)) / near**2
    simulated, noise = _simulated(case, near)
    bend = 1e-3 * oracle
    return worst(
        [
            meet(
                "Delta CE / alpha^2",
                oracle,
                Voice("formula", on_trial.quadratic(case.data, log_odds), allowed),
                Voice("engine", engine, bend + _allowed(case, near) / number(near) ** 2),
                Voice("simulation", simulated / near**2, bend + noise / near**2),
            ),
            meet(
                "Delta CE''(0)",
                2 * oracle,
                *law_voices(on_trial, "ce-quadratic", of_contexts(case), 2 * oracle),
            ),
        ]
    )


@check(
    "ce-exact",
    cases=DATASETS,
    tolerance="d KL / d M(z) = alpha (p_alpha - p): the error of M acts through the total "
    "variation; relatively EPS (1 + |log p|)",
)
def ce_exact(case: ConceptCase, on_trial: Formulas) -> Meeting:
    """Delta CE = sum_j pi_j (K_j - alpha K_j'(0)) = sum_j pi_j KL(p_j||p_j,alpha) >= 0, convex."""
    alpha = number(case.alpha)
    oracle = _increase(case, alpha)
    by_cgf = CTX.fsum(
        w * (precise.cgf(c.p, c.M, alpha) - alpha * precise.mean(c.p, c.M, number(0)))
        for w, c in _contexts(case)
    )
    log_odds = on_trial.log_odds(case.data, case.positive, case.negative)
    simulated, noise = _simulated(case, case.alpha)
    engine = float(on_trial.dataset_cross_entropy(case.data, log_odds, case.alpha))
    limits = tolerance(case)
    after = precise.tilted(case.p, case.M, alpha)
    middle = _increase(case, alpha / 2)
    return worst(
        [
            meet(
                "Delta CE",
                oracle,
                Voice("K - alpha K'(0)", by_cgf, 1e-100 * (1 + abs(alpha) * limits.spread)),
                Voice("engine", engine, _allowed(case, case.alpha)),
                Voice("simulation", simulated, noise),
            ),
            meet("Delta CE", oracle, *law_voices(on_trial, "ce-exact", of_contexts(case), oracle)),
            meet(
                "KL(p || p_alpha)",
                precise.kl(case.p, after),
                Voice(
                    "engine",
                    on_trial.cross_entropy_increase(case.family, case.alpha),
                    limits.divergence(case.alpha),
                ),
            ),
            meet(
                "KL(p_alpha || p)",
                precise.kl(after, case.p),
                Voice(
                    "engine",
                    on_trial.reverse_kl(case.family, case.alpha),
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
)
def ce_cumulants(case: FamilyCase, on_trial: Formulas) -> Meeting:
    """The coefficient of alpha^n in Delta CE is kappa_n / n!, for every n >= 2."""
    limits = tolerance(case)
    if not limits.spread:
        return AGREED
    order = 4
    # In units of the spread: coefficients of x = alpha range(M).
    M = [m / limits.spread for m in case.M]
    kappa = precise.cumulants(case.p, M, order)
    oracle = [k / f for k, f in zip(kappa[1:], (2, 6, 24), strict=True)]
    formula = on_trial.taylor(case.family, order)
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
    symbolic = law_voices(on_trial, "ce-cumulants", single.with_numbers(alpha=0), second_law)
    return worst(
        [
            meet("Taylor coefficients", oracle, Voice("formula", scaled, allowed)),
            _by_differences(case, M, oracle, limits.depth),
            meet(
                "Delta CE''(0)",
                second_law,
                *(Voice(v.name, v.value, 1e-25 * limits.spread**2) for v in symbolic),
            ),
        ]
    )


def _by_differences(
    case: FamilyCase, M: list[Number], oracle: list[Number], depth: Number
) -> Meeting:
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
    return meet(
        "Taylor coefficients", oracle, Voice("differences", coefficients, 1e-14 * oracle[0])
    )


@check(
    "ce-radius",
    cases=any_families(),
    tolerance="inequalities in 120 digits; the formulas of the bounds to 16 EPS of themselves",
)
def ce_radius(case: FamilyCase, on_trial: Formulas) -> Meeting:
    """2(e^-x - 1 + x)/x^2 <= Delta CE / quadratic <= 2(e^x - 1 - x)/x^2, x = |alpha| range(M)."""
    limits = tolerance(case)
    R, alpha = limits.spread, number(case.alpha)
    if not R or not alpha:
        return AGREED
    increase = precise.kl(case.p, precise.tilted(case.p, case.M, alpha))
    quadratic = alpha**2 * precise.variance(case.p, case.M, number(0)) / 2
    x = abs(alpha) * R
    bounds = [number(b) for b in on_trial.envelope(float(x))]
    exact = [2 * (CTX.exp(-x) - 1 + x) / x**2, 2 * (CTX.exp(x) - 1 - x) / x**2]
    rounding = [16 * EPS * (1 + x) * b for b in exact]
    ratio = increase / quadratic
    _, second, third = precise.cumulants(case.p, case.M, 3, alpha)
    cap = number(on_trial.global_bound(float(R), case.alpha))
    binding = of_case(case).with_numbers(R=R)
    low = min(case.M)
    binding = binding.with_arrays(w=[m - low for m in case.M])
    slack = R * second - third
    symbolic = law_voices(on_trial, "ce-radius", binding, slack)
    noise = 1e-100 * R**3
    return worst(
        [
            not_above("lower bound", bounds[0], ratio, rounding[0]),
            not_above(
                "upper bound", ratio, bounds[1], rounding[1] if CTX.isfinite(bounds[1]) else 1
            ),
            meet("lower bound", exact[0], Voice("formula", bounds[0], rounding[0])),
            AGREED
            if x > 600  # e^x is beyond float64
            else meet("upper bound", exact[1], Voice("formula", bounds[1], rounding[1])),
            not_above("|K'''| <= R K''", abs(third), R * second, noise),
            not_above(
                "K'''^2 <= K''^2 (R^2 - 4 K'')",
                third**2,
                second**2 * (R**2 - 4 * second),
                noise * R**3,
            ),
            not_above("Delta CE <= alpha^2 R^2 / 8", increase, cap, 4 * EPS * cap),
            meet("R K'' - K'''", slack, *(Voice(v.name, v.value, 1e-25 * R**3) for v in symbolic)),
            *_guarantees(on_trial),
        ]
    )


def _guarantees(on_trial: Formulas) -> list[Meeting]:
    """1 %, 5 % and 10 % for x up to 0.0297, 0.1446 and 0.2793: rounded down in the 4th decimal."""
    result = []
    for percent, x in ((1, 0.0297), (5, 0.1446), (10, 0.2793)):
        lower, upper = on_trial.envelope(x)
        beyond = max(abs(b - 1) for b in on_trial.envelope(x + 1e-4))
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
)
def ce_linear(case: ConceptCase, on_trial: Formulas) -> Meeting:
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
    log_odds = on_trial.log_odds(case.data, case.positive, case.negative)
    model = case.data.probabilities
    data = np.roll(model, -1, axis=0)
    formula = on_trial.linear_coefficient(model, data, case.data.context_weights, log_odds)
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
            meet(
                "slope at 0",
                oracle,
                Voice("formula", formula, allowed),
                # The third derivative of a log-probability is at most R^3.
                Voice("simulation", simulated, noise + step**2 * spread**3),
            ),
            meet("slope at 0", oracle, *law_voices(on_trial, "ce-linear", binding, oracle)),
        ]
    )


@check(
    "ce-asymptote",
    cases=DATASETS,
    tolerance="sigma to the error of M, times |alpha|; log p to EPS (1 + |log p|)",
)
def ce_asymptote(case: ConceptCase, on_trial: Formulas) -> Meeting:
    """Delta CE is below alpha sigma, and above its asymptote alpha sigma + mean log p(argmax M)."""
    limits = tolerance(case)
    alpha = number(case.alpha) if case.alpha else number(1)
    sign = 1 if alpha > 0 else -1
    side = [sign * m for m in case.M]
    increase = _increase(case, alpha)
    log_odds = on_trial.log_odds(case.data, case.positive, case.negative)
    engine = float(on_trial.dataset_cross_entropy(case.data, log_odds, float(alpha)))
    lower, upper = on_trial.asymptote(case.data, log_odds, float(alpha))
    sigma = CTX.fsum(
        w * (max(side) - sign * precise.mean(c.p, c.M, number(0))) for w, c in _contexts(case)
    )
    depth = max(tolerance(c).depth for _, c in _contexts(case))
    slack = SAFETY * abs(alpha) * (limits.blur + EPS * depth * limits.spread) + SAFETY * EPS * depth
    meetings = [
        not_above("Delta CE <= alpha sigma", increase, upper, slack),
        not_above("lower line", engine, number(upper), slack + _allowed(case, float(alpha))),
        meet("alpha sigma", abs(alpha) * sigma, Voice("formula", upper, slack)),
    ]
    # Ties of M that rounding breaks: the formula then sees fewer tokens at the top.
    exact_top = [z for z, m in enumerate(side) if m == max(side)]
    rounded = sign * log_odds
    if exact_top == np.flatnonzero(rounded == rounded.max()).tolist():
        shares = CTX.fsum(
            w * CTX.log(CTX.fsum(c.p[z] for z in exact_top)) for w, c in _contexts(case)
        )
        meetings.append(not_above("lower line <= Delta CE", lower, increase, slack))
        meetings.append(
            meet("lower line", abs(alpha) * sigma + shares, Voice("formula", lower, slack))
        )
        end = max(abs(precise.far(c.p, c.M, sign)) for _, c in _contexts(case)) * sign
        left = _increase(case, end) - abs(end) * sigma - shares
        meetings.append(claim("Delta CE meets the lower line far out", abs(left) < 1e-60))
    family = case.as_family()
    binding, _ = at_maximum(family, 1)
    p, M = family.p, family.M
    gain = precise.cgf(p, M, alpha) - alpha * precise.mean(p, M, number(0))
    symbolic = law_voices(on_trial, "ce-asymptote", binding.with_numbers(alpha=alpha), gain)
    return worst([*meetings, meet("K - alpha K'(0)", gain, *symbolic)])


CHECKS: tuple[Check, ...] = (
    ce_quadratic,
    ce_exact,
    ce_cumulants,
    ce_radius,
    ce_linear,
    ce_asymptote,
)
