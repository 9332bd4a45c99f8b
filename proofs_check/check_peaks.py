"""One bump per token, in the order of M: Thm 3.3 and Remark 3.4 of arXiv:2602.02712."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from steering_strength.proofs_check.bindings import law_voices, of_case
from steering_strength.proofs_check.check import Check, check
from steering_strength.proofs_check.formulas import Formulas
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase, WeightedCase
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
from steering_strength.proofs_check.simulation import (
    look_for_peak,
    simulated_dataset,
    simulated_family,
)
from steering_strength.proofs_check.strategies import any_families, concept_cases, weighted_cases
from steering_strength.proofs_check.tolerance import NAIVE, Tolerance, tolerance

__all__ = ["CHECKS"]


@check(
    "peak",
    cases=any_families(),
    tolerance="K' - M(z) is known to the error of the weights times E|M - M(z)|, the root to that "
    "over K''. The simulated peak lies where the exact curve is within the noise of its top",
)
def peak(case: FamilyCase, on_trial: Formulas) -> Meeting:
    """If M(z) is no extreme, p_alpha(z) rises to one peak alpha_z and falls; K'(alpha_z) = M(z)."""
    limits = tolerance(case)
    peaks = on_trial.peaks(case.family)
    heights = on_trial.peak_log_probability(case.family)
    low, high = min(case.M), max(case.M)
    meetings = []
    for z, (M, alpha) in enumerate(zip(case.M, peaks, strict=True)):
        if low == high:
            meetings.append(claim("no peak where M is constant", bool(np.isnan(alpha))))
        elif M in (low, high):
            end = np.inf if high == M else -np.inf
            meetings.append(claim(f"peak of the extreme token {z} at {end}", bool(alpha == end)))
        else:
            meetings.append(_bump(case, limits, z, float(alpha), float(heights[z])))
    # Equal M, equal peak; larger M, later peak.
    order = sorted(range(len(peaks)), key=lambda z: case.M[z])
    for y, z in pairwise(order):
        if np.isfinite(peaks[y]) and np.isfinite(peaks[z]):
            later = peaks[z] >= peaks[y] if case.M[y] < case.M[z] else peaks[z] == peaks[y]
            meetings.append(claim("peaks are ordered as M", bool(later)))
    interior = [z for z, M in enumerate(case.M) if low < M < high]
    if interior:
        meetings.append(_explicit(case, on_trial, limits, interior[0]))
        meetings.append(_looked_up(case, limits, interior[case.gauge % len(interior)], peaks))
    z = case.gauge % len(case.p)
    at = number(case.alpha)
    slope = precise.derivative(lambda x: precise.tilted(case.p, case.M, x)[z], at)
    meetings.append(meet("p'", slope, *law_voices(on_trial, "peak", of_case(case), slope, z=z)))
    return worst(meetings)


def _bump(case: FamilyCase, limits: Tolerance, z: int, alpha: float, height: float) -> Meeting:
    """A root is a sign change in a bracket: rising before, falling after; and the height there."""
    if not np.isfinite(alpha):
        return claim(f"finite peak of the interior token {z}, not {alpha}", False)
    at = number(alpha)
    width = limits.peak(alpha)
    turns = (
        precise.rises(case.p, case.M, z, at - width),
        precise.rises(case.p, case.M, z, at + width),
    )
    top = precise.tilted(case.p, case.M, at)
    gain = CTX.log(top[z] / case.p[z])
    return worst(
        [
            claim(f"token {z} rises before {alpha!r} and falls after", turns == (1, -1)),
            meet(
                f"distance to the peak of token {z}",
                0,
                Voice("engine", precise.peak_offset(case.p, case.M, z, at), width),
            ),
            meet(
                f"height of token {z}",
                CTX.log(top[z]),
                Voice("engine", height, limits.log_probability(alpha)),
            ),
            # log(height / p) is a divergence. They part by alpha (M(z) - K'(alpha)) off the peak,
            # which is at most alpha K'' width; twice that, for K'' moves over the width.
            meet(
                f"log gain of token {z}",
                precise.kl(top, case.p),
                Voice("height", gain, 2 * abs(at) * limits.deviation(alpha) ** 2 * width + NAIVE),
            ),
        ]
    )


def _explicit(case: FamilyCase, on_trial: Formulas, limits: Tolerance, z: int) -> Meeting:
    """Where the other tokens take two values M(z) + s and M(z) - t, the peak is explicit."""
    above = [y for y, M in enumerate(case.M) if case.M[z] < M]
    below = [y for y, M in enumerate(case.M) if case.M[z] > M]
    if len({case.M[y] for y in above}) != 1 or len({case.M[y] for y in below}) != 1:
        return AGREED
    s, t = case.M[above[0]] - case.M[z], case.M[z] - case.M[below[0]]
    masses = [float(CTX.fsum(case.p[y] for y in group)) for group in (below, above)]
    explicit = on_trial.two_value_peak(*masses, float(s), float(t))
    at = number(explicit)
    return meet(
        f"explicit peak of token {z}",
        0,
        Voice(
            "formula",
            precise.peak_offset(case.p, case.M, z, at),
            8 * EPS * (limits.depth / (s + t) + abs(at)),
        ),
    )


def _looked_up(
    case: FamilyCase, limits: Tolerance, z: int, peaks: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> Meeting:
    """The top of the simulated curve, found by looking: the exact curve is as high there."""
    scale = float(1 / limits.spread)
    if not abs(peaks[z]) < 1e6 * scale:  # beyond the grid that is looked at
        return AGREED
    steered = simulated_family(case)
    seen = look_for_peak(partial(steered.token, z), scale)
    noise = float(steered.noise(max(abs(seen), abs(float(peaks[z])))))
    ends = [CTX.log(precise.tilted(case.p, case.M, number(a))[z]) for a in (seen, float(peaks[z]))]
    return meet(
        f"height where token {z} is seen to peak", ends[1], Voice("simulation", ends[0], 2 * noise)
    )


@check(
    "peak-order",
    cases=st.one_of(concept_cases("1"), concept_cases("B.1")),
    tolerance="the order is strict, and decided by one alpha at which one token falls while the "
    "other rises; simulated peaks are known to sqrt(2 noise / K'')",
)
def peak_order(case: ConceptCase, on_trial: Formulas) -> Meeting:
    """z in T, z' not in T: the peak of z' comes before the peak of z."""
    target = set(case.tokens)
    last = max((z for z in range(len(case.M)) if z not in target), key=lambda z: case.M[z])
    first = min(target, key=lambda z: case.M[z])
    peaks = on_trial.peaks(case.family)
    limits = tolerance(case)
    meetings = [
        claim(f"{peaks[y]} <= {peaks[z]}", bool(peaks[y] <= peaks[z]))
        for z in target
        for y in range(len(peaks))
        if y not in target
    ]
    gap = case.M[first] - case.M[last]
    meetings.append(claim("M(T) above M outside T", gap > 0))
    meetings.append(_means_at_peaks(case, on_trial, last, first))
    if gap < 100 * limits.blur:  # the engine cannot tell the two tokens apart
        return worst(meetings)
    meetings.append(claim("strict order", bool(peaks[last] < peaks[first])))
    between = _alpha_between(case, last, first)
    meetings.append(claim("at some alpha the one falls while the other rises", between is not None))
    _, steered = simulated_dataset(case)
    seen = []
    for z in (last, first):
        if not np.isfinite(peaks[z]) or abs(peaks[z]) > 1e6 / limits.spread:
            continue
        alpha = look_for_peak(partial(steered.token, z), float(1 / limits.spread))
        noise = number(float(steered.noise(alpha)))
        width = CTX.sqrt(2 * noise) / limits.deviation(float(peaks[z]))
        seen.append((alpha, width))
    if len(seen) == 2:
        meetings.append(
            not_above("simulated peaks", seen[0][0], seen[1][0], 2 * (seen[0][1] + seen[1][1]))
        )
    return worst(meetings)


def _means_at_peaks(case: ConceptCase, on_trial: Formulas, last: int, first: int) -> Meeting:
    """At its peak each token has the mean log-odds: the means differ as M does."""
    limits = tolerance(case)
    peaks = {z: float(on_trial.peaks(case.family)[z]) for z in (last, first)}
    if not np.isfinite(list(peaks.values())).all():
        return AGREED
    gap = case.M[first] - case.M[last]
    strengths = {"alpha_x": number(peaks[last]), "alpha_z": number(peaks[first])}
    binding = of_case(case).with_numbers(**strengths)
    left, right = law_voices(on_trial, "peak-order", binding, gap, x=last, z=first)
    # each engine peak is known to its width, over which the mean moves by K''
    moved = CTX.fsum(limits.peak(a) * limits.deviation(a) ** 2 for a in peaks.values())
    return meet("M_z - M_x", gap, replace(left, tolerance=left.tolerance + moved), right)


def _alpha_between(case: ConceptCase, last: int, first: int) -> Number | None:
    """An alpha at which token `last` falls and `first` rises, by bisection on what is seen."""
    span = precise.far(case.p, case.M, 1)
    low, high = -span, span
    for _ in range(400):
        middle = (low + high) / 2
        falling = precise.rises(case.p, case.M, last, middle) < 0
        rising = precise.rises(case.p, case.M, first, middle) > 0
        if falling and rising:
            return middle
        low, high = (low, middle) if falling else (middle, high)
    return None


@check(
    "monotone",
    cases=any_families(),
    tolerance="which tokens always rise, or always fall, is seen in 120 digits; the simulated "
    "curve may move the other way by its noise",
)
def monotone(case: FamilyCase, on_trial: Formulas) -> Meeting:
    """Tokens at max M strictly increase for all alpha, tokens at min M strictly decrease."""
    size = abs(number(case.alpha)) + 1
    ends = [precise.far(case.p, case.M, sign) for sign in (-1, 1)]
    places = [ends[0], -size, number(0), number(case.alpha), ends[1]]
    seen = [[precise.rises(case.p, case.M, z, at) for at in places] for z in range(len(case.p))]
    rises = [all(s > 0 for s in row) for row in seen]
    falls = [all(s < 0 for s in row) for row in seen]
    meetings = [
        claim("the tokens that always rise", on_trial.rises_forever(case.family).tolist() == rises),
        claim("the tokens that always fall", on_trial.falls_forever(case.family).tolist() == falls),
    ]
    grid = np.sort(np.array([-abs(case.alpha) - 1.0, -0.5, 0.0, 0.5, abs(case.alpha) + 1.0]))
    steered = simulated_family(case)
    curves = {
        "simulation": (steered.log_probability(grid), steered.noise(grid)),
        "engine": (
            on_trial.log_probability(case.family, grid),
            np.array([float(tolerance(case).log_probability(a)) for a in grid]),
        ),
    }
    for name, (curve, noise) in curves.items():
        allowed = noise[1:] + noise[:-1]
        for z in range(len(case.p)):
            before, after = curve[:-1, z], curve[1:, z]
            if rises[z]:
                meetings.append(not_above(f"{name}, token {z} rising", before, after, allowed))
            if falls[z]:
                meetings.append(not_above(f"{name}, token {z} falling", after, before, allowed))
    return worst(meetings)


@check(
    "peak-sign",
    cases=st.one_of(concept_cases("1"), concept_cases("none")),
    tolerance="a sign is compared only where |M(z) - E_p[M]| exceeds the error of E_p[M]",
)
def peak_sign(case: ConceptCase, on_trial: Formulas) -> Meeting:
    """alpha_z > 0 iff M(z) > E_p[M], and E_p[M] = mean_N KL(p||p_i) - mean_P KL(p||p_i)."""
    limits = tolerance(case)
    centre = precise.mean(case.p, case.M, number(0))
    allowed = limits.mean(0.0)
    signs = on_trial.peak_signs(case.family)
    peaks = on_trial.peaks(case.family)
    meetings = []
    for z, M in enumerate(case.M):
        if abs(M - centre) < 1e-100 * (limits.spread + limits.blur):
            continue  # E[M] is a sum with 120 digits: it cannot say on which side of it M lies
        seen = precise.rises(case.p, case.M, z, number(0))
        meetings.append(
            claim(f"token {z} rises at 0 iff M > E[M]", seen == int(centre < M) - int(centre > M))
        )
        if abs(M - centre) > 4 * allowed:
            meetings.append(claim(f"sign of the peak of token {z}: {signs[z]}", signs[z] == seen))
            meetings.append(claim(f"peak of token {z}: {peaks[z]}", np.sign(peaks[z]) == seen))
    rows = [precise.numbers(row) for row in case.dataset.rows]

    def distance(contexts: tuple[int, ...]) -> Number:
        return CTX.fsum(precise.kl(case.p, rows[i]) for i in contexts) / len(contexts)

    far_and_near = distance(case.negative) - distance(case.positive)
    formula = on_trial.closeness(case.data, case.context, case.positive, case.negative)
    return worst(
        [
            *meetings,
            meet(
                "E_p[M]",
                centre,
                Voice("divergences", far_and_near, 1e-100),
                Voice("formula", formula, allowed + 8 * EPS * limits.depth),
            ),
        ]
    )


def _margin(case: WeightedCase) -> Number:
    """min_T M - E_p[M]: positive iff every target token peaks at a positive alpha."""
    full = case.case()
    return min(full.M[z] for z in full.tokens) - precise.mean(full.p, full.M, number(0))


@check(
    "peak-sign/interval",
    cases=weighted_cases(),
    tolerance="signs in 120 digits; the closed form to EPS times its largest term",
)
def peak_sign_interval(case: WeightedCase, on_trial: Formulas) -> Meeting:
    """In the weighted family, c_j outside T, the eps with positive target peaks form (0, eps*)."""
    steps = [WeightedCase(**{**vars(case), "epsilon": case.bound * k / 12}) for k in range(1, 12)]
    signs = [CTX.sign(_margin(step)) for step in steps]
    formula, size = on_trial.weighted_margin(case)
    return worst(
        [
            claim(
                "once negative, negative for every larger eps", signs == sorted(signs, reverse=True)
            ),
            meet("min_T M - E_p[M]", _margin(case), Voice("formula", formula, 16 * EPS * size)),
        ]
    )


@check(
    "peak-sign/every-eps",
    cases=weighted_cases(away=True),
    tolerance="a sign in 120 digits",
    expected=False,
    aim=lambda case: -float(_margin(case)),
)
def every_eps(case: WeightedCase, on_trial: Formulas) -> Meeting:
    """Remark 3.4 for every admissible eps: target tokens peak at positive alpha outside T."""
    return claim(f"min_T M - E_p[M] = {CTX.nstr(_margin(case), 6)} > 0", bool(_margin(case) > 0))


CHECKS: tuple[Check, ...] = (peak, peak_order, monotone, peak_sign, peak_sign_interval, every_eps)
