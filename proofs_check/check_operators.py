"""Other ways to steer: edits of a state, temperature, kept norms, greedy decoding, mixed contexts.

The paper's conclusion (arXiv:2602.02712, Sec. 6) asks for them; the laws are ours. An edit is
simulated as it is done: the state is changed, multiplied by the unembedding, and a softmax taken.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from math import isinf

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.balls import Balls
from steering_strength.proofs_check.certificate import (
    Certificate,
    agrees,
    certificate,
    every,
    order_keys,
)
from steering_strength.proofs_check.check import Check, check
from steering_strength.proofs_check.comparison import (
    AGREED,
    EPS,
    Comparison,
    Value,
    claim,
    compare,
    equal,
    not_above,
    worst,
)
from steering_strength.proofs_check.instances import EditCase, FamilyCase, MixedCase, NormCase
from steering_strength.proofs_check.law_values import Binding, law_sides, of_case
from steering_strength.proofs_check.oracles import edits, exact, norms, precise
from steering_strength.proofs_check.oracles.precise import CTX, Number, number, numbers
from steering_strength.proofs_check.simulation import log_softmax, simulated_family
from steering_strength.proofs_check.strategies import (
    any_families,
    edit_cases,
    family_cases,
    mixed_cases,
    norm_cases,
)
from steering_strength.proofs_check.tolerance import SAFETY, Tolerance, tolerance
from steering_strength.theory import TiltedFamily, UnconstrainedFeatures
from steering_strength.theory.engine import operators as ops
from steering_strength.theory.model import mixed

__all__ = ["CERTIFICATES", "CHECKS"]

Floats = NDArray[np.float64]


# -- operator ------------------------------------------------------------------------------


def _unit(values: tuple[float, ...]) -> Floats:
    return np.asarray(np.array(values) / np.linalg.norm(values))


Edit = tuple[ops.Operator, Callable[[list[Number]], list[Number]], Callable[[Floats], Floats]]


def _edits(case: EditCase) -> dict[str, Edit]:
    """Each operator, the edit of one state by its definition with 120 digits, and in floats."""
    u, w, e = (numbers(v) for v in (case.u, case.w, case.encoder))
    U, W2, E, alpha, at = _unit(case.u), _unit(case.w), np.array(case.encoder), case.alpha, number
    raw, c, s = np.array(case.u), np.cos(case.theta), np.sin(case.theta)
    plane = np.stack([U, W2])
    turn = plane.T @ (np.array([[c, -s], [s, c]]) - np.eye(2)) @ plane

    def reading(h: list[Number]) -> Number:
        return max(edits.dot(e, h) + number(0.5), number(0))

    def holds(h: list[Number]) -> bool:
        return bool(edits.dot(e, h) >= case.threshold)

    added = ops.Addition(raw, alpha)
    return {
        "addition": (
            added,
            lambda h: norms.affine(h, u, at(alpha)),
            lambda h: h + alpha * raw,
        ),
        "ablation": (
            ops.Ablation(U),
            lambda h: edits.projected(h, u, at(0)),
            lambda h: h - U * (U @ h),
        ),
        "affine": (
            ops.Affine(U, alpha),
            lambda h: edits.projected(h, u, at(alpha)),
            lambda h: h - U * (U @ h) + alpha * U,
        ),
        "clamp": (
            ops.Clamp(raw, alpha, E, 0.5, rectified=True),
            lambda h: edits.clamped(h, u, at(alpha), reading(h)),
            lambda h: h + (alpha - max(E @ h + 0.5, 0.0)) * raw,
        ),
        "conditional": (
            ops.Conditional(added, E, case.threshold),
            lambda h: norms.affine(h, u, at(alpha)) if holds(h) else h,
            lambda h: h + alpha * raw if E @ h >= case.threshold else h,
        ),
        "rotation": (
            ops.Rotation(U, W2, case.theta),
            lambda h: edits.rotated(h, u, w, at(case.theta)),
            lambda h: h + turn @ h,
        ),
    }


@check(
    "operator",
    cases=edit_cases(),
    tolerance="each logit to d EPS times the sum of its terms, before and after; the price with "
    "its derivatives in them, which vanish with the edit, and the square of that error",
    judges=(
        *(
            f"{each}.{name}"
            for each in ("Addition", "Ablation", "Affine", "Clamp", "Conditional", "Rotation")
            for name in ("directions", "strengths", "edited", "population")
        ),
        "Clamp.reading",
        "EditedPopulation.shape",
        "EditedPopulation.family",
        "EditedPopulation.log_probability",
        "EditedPopulation.cross_entropy_increase",
        "EditedPopulation.average_cross_entropy_increase",
    ),
)
def operator(case: EditCase) -> Comparison:
    """softmax(W h' + b) is p_j tilted by sum_k c_k M_k: h' ablated, clamped, set, turned, ..."""
    comparisons = []
    for name, edit in _edits(case).items():
        comparisons += _edited(case, name, edit)
    clamp = _edits(case)["clamp"][0]
    read = [max(edits.dot(numbers(case.encoder), numbers(h)) + 0.5, 0) for h in case.states]
    if isinstance(clamp, ops.Clamp):
        H = np.array(case.states).T
        allowed = 32 * len(case.u) * EPS * (1 + max(map(abs, read)))
        comparisons.append(compare("a(h)", read, Value("engine", clamp.reading(H), allowed)))
    return worst(comparisons)


def _edited(case: EditCase, name: str, edit: Edit) -> list[Comparison]:
    subject, exactly, directly = edit
    W, bias = [numbers(row) for row in case.W], numbers(case.bias)
    states = [numbers(h) for h in case.states]
    after = [exactly(h) for h in states]
    H, matrix, offset = np.array(case.states).T, np.array(case.W), np.array(case.bias)
    weights = [float(w) for w in case.context_weights]
    population = subject.population(matrix, H, bias=offset, weights=weights)
    simulated_states = np.stack([directly(h) for h in H.T], axis=1)
    d, V = len(case.u), len(W)
    # Of states: their coordinates, what is subtracted and what is added, in all.
    strengths = np.abs(subject.strengths(H))
    reach = np.abs(H).max(axis=0) + np.abs(subject.directions).max() * strengths.sum(axis=1)
    rows = np.abs(matrix).sum(axis=1).max()
    encoder = np.abs(np.array(case.encoder)).sum() * (1.0 + np.abs(H).max())
    lengths = 32 * d * EPS * (1.0 + reach + encoder * np.abs(subject.directions).max())
    logits = [
        lengths[j] * (1.0 + rows) + 32 * EPS * (1 + np.abs(offset).max()) for j in range(len(H.T))
    ]
    comparisons = [
        compare(
            f"{name}: edited state",
            [x for h in after for x in h],
            Value("engine", subject.edited(H).T, np.repeat(lengths, d)),
            Value("simulation", simulated_states.T, np.repeat(lengths, d)),
        ),
        equal(f"{name}: shape", (len(states), V), population.shape),
    ]
    prices, allowances = [], []
    for j, (h, changed) in enumerate(zip(states, after, strict=True)):
        p, q = (edits.probabilities(W, x, bias) for x in (h, changed))
        seen = log_softmax(matrix @ simulated_states[:, j] + offset)
        log_q = [CTX.log(x) for x in q]
        comparisons.append(
            compare(
                f"{name}: log p of context {j}",
                log_q,
                Value("engine", population.log_probability()[j], 4 * logits[j]),
                Value("family at 1", population.family(j).log_probability(1.0), 4 * logits[j]),
                Value("simulation", seen, 4 * logits[j]),
            )
        )
        M = [CTX.log(b) - CTX.log(a) for a, b in zip(p, q, strict=True)]
        depth = 1 + max(abs(CTX.log(x)) for x in p) + 32 * d * (rows * np.abs(H).max() + 1)
        limits = Tolerance(depth, max(M) - min(M), number(2 * logits[j]), tuple(p), tuple(M))
        prices.append(precise.kl(p, q))
        # Where nothing is edited, what is left is the square of the rounding.
        allowances.append(limits.divergence(1.0) + number(2 * logits[j]) ** 2)
    comparisons.append(
        compare(
            f"{name}: price",
            prices,
            Value("engine", population.cross_entropy_increase(), allowances),
        )
    )
    chances = numbers(case.context_weights)
    comparisons.append(
        compare(
            f"{name}: Delta CE",
            edits.dot(chances, prices),
            Value(
                "engine",
                population.average_cross_entropy_increase(),
                edits.dot(chances, allowances) + EPS * edits.dot(chances, prices),
            ),
        )
    )
    # The law knows directions and strengths: those of the engine, as the floats they are.
    directions, last = subject.directions, len(states) - 1
    c = numbers(subject.strengths(H)[last])
    moved = list(states[last])
    for k, strength in enumerate(c):
        moved = norms.affine(moved, numbers(directions[:, k]), strength)
    oracle = edits.probabilities(W, moved, bias)
    binding = Binding(
        {"V": V, "d": d, "n": len(c), "j": last},
        {"W": W, "b": bias, "H": list(zip(*states, strict=True)), "U": directions.tolist(), "c": c},
    )
    comparisons += [
        compare(f"{name}: p'(z)", oracle[z], *law_sides("operator", binding, oracle[z], x=z))
        for z in (0, V - 1)
    ]
    return comparisons


@check(
    "operator/ablation-limit",
    cases=edit_cases(),
    tolerance="a total variation of 1e-30 counts as none",
    expected=False,
)
def ablation_limit(case: EditCase) -> Comparison:
    """Ablating u is the limit of subtracting it (false: its strength is -<u, h>, finite)."""
    W, u, bias = [numbers(row) for row in case.W], numbers(case.u), numbers(case.bias)
    M = [edits.dot(row, u) for row in W]
    apart = [
        precise.total_variation(
            edits.probabilities(W, edits.projected(h, u, number(0)), bias),
            precise.limit(edits.probabilities(W, h, bias), M, -1),
        )
        for h in map(numbers, case.states)
    ]
    return not_above("distance of the two", apart, 1e-30, 1e-30)


# -- temperature and greedy ----------------------------------------------------------------

_TEMPERATURES = (1.0, 0.5, 2.0, 0.125, 0.7, 30.0)


@check(
    "temperature",
    cases=any_families(),
    tolerance="the error of the steered logits over tau, and M / tau rounded once",
    judges=("TiltedFamily.at_temperature",),
)
def temperature(case: FamilyCase) -> Comparison:
    """softmax((log p + alpha M) / tau) is p^(1/tau) tilted by alpha/tau; the winner is the same."""
    tau = _TEMPERATURES[case.gauge % len(_TEMPERATURES)]
    alpha, T = number(case.alpha), number(tau)
    oracle = precise.softmax(
        [(CTX.log(p) + alpha * m) / T for p, m in zip(case.p, case.M, strict=True)]
    )
    limits = tolerance(case)
    largest = max(abs(m) for m in case.M)
    rounded = SAFETY * EPS * (limits.depth + abs(alpha) * largest) / T
    allowed = limits.log_probability(case.alpha) / T + rounded + SAFETY * EPS
    simulated = simulated_family(case)
    logits = (simulated.h + case.alpha * simulated.v) @ simulated.W.T
    cooled = case.family.at_temperature(tau)
    law = [
        compare(
            f"p(z) of token {z}",
            oracle[z],
            *law_sides("temperature", of_case(case).with_numbers(tau=tau), oracle[z], x=z),
        )
        for z in (0, len(oracle) - 1)
    ]
    return worst(
        [
            compare(
                "log p",
                [CTX.log(x) for x in oracle],
                Value("engine", cooled.log_probability(case.alpha), allowed),
                Value(
                    "simulation",
                    log_softmax(logits / tau),
                    simulated.noise(case.alpha) / tau + 64 * EPS * (1 + 1 / T),
                ),
            ),
            *law,
        ]
    )


@check(
    "greedy",
    cases=family_cases(support=False),
    tolerance="tokens and their order exactly; a switch to 2 EPS; signs at the ends of its bracket "
    "exactly",
    judges=("TiltedFamily.greedy_path", "GreedyPath.winner", "GreedyPath.interval"),
)
def greedy(case: FamilyCase) -> Comparison:
    """The likeliest token's M increases with alpha, with at most V - 1 switches: a convex hull."""
    family = case.family
    support = np.flatnonzero(family.log_p > -np.inf)
    heights = [Fraction(float(x)) for x in family.log_p[support]]
    slopes = [Fraction(float(x)) for x in family.log_odds[support]]
    places, ends = exact.envelope(heights, slopes)
    tokens, path = [int(support[k]) for k in places], family.greedy_path()
    comparisons = [equal("path", tokens, path.tokens.tolist())]
    if not comparisons[0].agrees:
        return comparisons[0]
    comparisons.append(
        compare(
            "switches",
            numbers(ends),
            Value("engine", path.switches, [2 * EPS * abs(number(end)) + 1e-320 for end in ends]),
        )
    )
    for k, (before, after) in enumerate(pairwise(places)):
        ahead = [
            heights[before]
            - heights[after]
            + Fraction(float(at)) * (slopes[before] - slopes[after])
            for at in (path.lower[k], path.upper[k])
        ]
        comparisons.append(
            claim("the earlier token is ahead below, the later above", ahead[0] >= 0 >= ahead[1])
        )
    alpha = Fraction(case.alpha)
    clear = not any(
        low <= case.alpha <= high for low, high in zip(path.lower, path.upper, strict=True)
    )
    if clear:
        at = sum(alpha > end for end in ends)
        comparisons.append(equal("winner", tokens[at], int(path.winner(case.alpha))))
        if support.size == family.size:
            simulation = simulated_family(case)
            seen, noise = simulation.log_probability(case.alpha), simulation.noise(case.alpha)
            short = float(seen.max() - seen[tokens[at]])
            comparisons.append(not_above("simulated lead of another", short, 2 * noise, noise))
    borders = [-np.inf, *path.switches.tolist(), np.inf]
    for z in range(family.size):
        low, high = path.interval(z)
        if z in tokens:
            comparisons.append(
                equal(
                    "interval",
                    (borders[tokens.index(z)], borders[tokens.index(z) + 1]),
                    (low, high),
                )
            )
        else:
            comparisons.append(
                claim("a token off the path wins nowhere", bool(np.isnan([low, high]).all()))
            )
    x, z = int(support[0]), int(support[-1])
    step = number(0.75)
    ends_of = [precise.log_tilted(case.p, case.M, number(case.alpha) + t) for t in (step, 0)]
    gain = (ends_of[0][x] - ends_of[0][z]) - (ends_of[1][x] - ends_of[1][z])
    sides = law_sides("greedy", of_case(case).with_numbers(t=step), gain, x=x, z=z)
    # Logarithms of 1e-200 and exponents of 1e5 cancel in the gain.
    slack = 1e-60 * (1 + abs(alpha) * max(abs(m) for m in case.M))
    comparisons.append(compare("gain", gain, *(Value(s.name, s.value, slack) for s in sides)))
    return worst(comparisons)


# -- renormalised --------------------------------------------------------------------------


@check(
    "renormalised",
    cases=norm_cases(),
    tolerance="s to the rounding of h + alpha v over what is left of it; logits to d EPS of |W||h|",
    judges=("norm_scale", "norm_preserving"),
)
def renormalised(case: NormCase) -> Comparison:
    """s (h + alpha v) with |h| kept gives p^s e^(s alpha M); LN_0 of it is LN_0(h + alpha v)."""
    h, v, gain, bias = (numbers(x) for x in (case.h, case.v, case.gain, case.bias))
    W, alpha, d = [numbers(row) for row in case.W], number(case.alpha), len(case.h)
    moved = norms.affine(h, v, alpha)
    length, left = (CTX.sqrt(edits.dot(x, x)) for x in (h, moved))
    if not length or not left:
        return AGREED  # no norm to keep, or nothing left: an error of the engine
    kept = edits.norm_kept(h, moved)
    offset = [row[0] for row in W]  # stands for a bias of the unembedding
    matrix, state, direction = (np.array(x) for x in (case.W, case.h, case.v))
    summands = length + abs(alpha) * CTX.sqrt(edits.dot(v, v))
    focus = 8 * d * EPS * summands / left
    rows = max(CTX.fsum(abs(w) for w in row) for row in W)
    # The oracle's s may be 1e300 where h + alpha v all but vanishes: relative to the logits' size.
    allowed = SAFETY * (focus + d * EPS) * (1 + rows * length) * (1 + 2 * length / left)
    scale = ops.norm_scale(state, direction, case.alpha)
    comparisons = [
        compare("s", length / left, Value("engine", scale, focus * length / left)),
    ]
    for name, extra in (("no bias", [number(0)] * len(W)), ("bias", offset)):
        oracle = edits.probabilities(W, kept, extra)
        added = np.array([float(x) for x in extra])
        family = TiltedFamily.from_logits(matrix @ state + added, matrix @ direction)
        engine = ops.norm_preserving(family, state, direction, case.alpha, bias=added)
        simulated_state = state + case.alpha * direction
        simulated_state *= np.linalg.norm(state) / np.linalg.norm(simulated_state)
        comparisons.append(
            compare(
                f"log p, {name}",
                [CTX.log(x) for x in oracle],
                Value("engine", engine, allowed),
                Value("simulation", log_softmax(matrix @ simulated_state + added), allowed),
            )
        )
    oracle = edits.probabilities(W, kept, [number(0)] * len(W))
    binding = Binding(
        {"V": len(W), "d": d, "s": length / left, "alpha": case.alpha}, {"W": W, "h": h, "v": v}
    )
    comparisons += [
        compare("p'(z)", oracle[z], *law_sides("renormalised", binding, oracle[z], x=z))
        for z in (0, len(W) - 1)
    ]
    normed = [norms.norm_output(x, case.kind, gain, bias, number(0)) for x in (moved, kept)]
    if any(norms.centred(moved)) or case.kind == "rms":
        comparisons.append(compare("LN_0(h')", normed[0], Value("LN_0(s h')", normed[1], 1e-60)))
    return worst(comparisons)


# -- mixed-contexts ------------------------------------------------------------------------


def _simulated_log_odds(case: MixedCase) -> tuple[Floats, float]:
    """W v less its mean over tokens, of the interpolating UFM, and its noise."""
    ufm = UnconstrainedFeatures.interpolating(case.data, case.gauge, free_shifts=True)
    means = [ufm.H[:, list(side)].mean(axis=1) for side in (case.positive, case.negative)]
    M = ufm.W @ (means[0] - means[1])
    table = np.log(case.data.probabilities)
    return M - M.mean(), 64 * EPS * float(np.linalg.norm(1.0 + np.abs(table))) * len(ufm.H)


@check(
    "mixed-contexts",
    cases=mixed_cases(),
    tolerance="log(1 + t w) to a few EPS whatever t is; rows and signs exactly",
    judges=("ConceptDataset.mixed", "mixed_log_odds", "concept_signs", "geometric_means"),
)
def mixed_contexts(case: MixedCase) -> Comparison:
    """M(z) > 0 iff P has the larger geometric mean of p(z|.); on all of C if min_P w >= max_N w."""
    rows = [numbers(row) for row in case.rows]
    oracle = precise.log_odds(case.rows, case.positive, case.negative)
    a, b = ([float(x) for x in side] for side in (case.inside, case.off))
    weights = [[float(w) for w in row] for row in case.weights]
    sets = case.positive, case.negative
    engine = mixed.mixed_log_odds(a, b, case.token_concept, weights, *sets)
    deepest = max(abs(CTX.log(x)) for row in rows for x in row)
    simulated, noise = _simulated_log_odds(case)
    centre = CTX.fsum(oracle) / len(oracle)
    comparisons = [
        compare("p(z|c_j)", rows, Value("engine", case.data.probabilities, 8 * EPS)),
        compare("M", oracle, Value("engine", engine, SAFETY * EPS * (1 + max(map(abs, oracle))))),
        compare("M - mean M", [m - centre for m in oracle], Value("simulation", simulated, noise)),
        *(
            compare(
                "geometric mean",
                [
                    CTX.exp(CTX.fsum(CTX.log(rows[i][z]) for i in side) / len(side))
                    for z in range(len(a))
                ],
                Value(
                    "engine",
                    mixed.geometric_means(case.data.probabilities, list(side)),
                    SAFETY * EPS * (1 + deepest),
                ),
            )
            for side in sets
        ),
        _signs(case, mixed.concept_signs(weights, *sets)),
    ]
    for z in (0, len(a) - 1):
        own = case.token_concept[z]
        binding = Binding(
            {
                "t": case.inside[z] / case.off[z] - 1,
                "q_P": len(case.positive),
                "q_N": len(case.negative),
            },
            {
                "p^P": [case.rows[i] for i in case.positive],
                "p^N": [case.rows[i] for i in case.negative],
                "w^P": [case.weights[i][own] for i in case.positive],
                "w^N": [case.weights[i][own] for i in case.negative],
            },
        )
        sides = law_sides("mixed-contexts", binding, oracle[z], z=z)
        comparisons.append(compare(f"M({z})", oracle[z], *sides))
    return worst(comparisons)


def _signs(case: MixedCase, found: Floats) -> Comparison:
    """The signs that are promised for whole concepts, by exact comparison of weights and of M."""
    comparisons = []
    for c, sign in enumerate(found):
        P, N = ([case.weights[i][c] for i in side] for side in (case.positive, case.negative))
        up, down = min(P) >= max(N), max(P) <= min(N)
        wanted = 0.0 if up and down else 1.0 if up else -1.0 if down else np.nan
        same = np.array_equal(sign, wanted, equal_nan=True)
        comparisons.append(claim(f"concept {c} has the sign {wanted}, not {sign}", same))
        if wanted == wanted:
            exactly = [_sign(case, z) for z, own in enumerate(case.token_concept) if own == c]
            comparisons.append(claim("M has that sign on the concept", set(exactly) == {wanted}))
    return worst(comparisons)


def _sign(case: MixedCase, z: int) -> int:
    first, second = (side[z] for side in case.sides)
    return (first > second) - (first < second)


@check(
    "mixed-contexts/one-sign",
    cases=mixed_cases(),
    tolerance="decided by exact fractions",
    expected=False,
)
def one_sign(case: MixedCase) -> Comparison:
    """M has one sign on each concept (false between the conditions: it depends on a_z/b_z)."""
    signs = {(c, _sign(case, z)) for z, c in enumerate(case.token_concept)}
    concepts = len(set(case.token_concept))
    return claim("M(z) has the same sign on a whole concept", len(signs) == concepts)


CHECKS: tuple[Check, ...] = (
    mixed_contexts,
    one_sign,
    operator,
    ablation_limit,
    temperature,
    renormalised,
    greedy,
)


# Certificates: ball arithmetic, no tolerance


@certificate(
    "greedy",
    "somewhere inside its interval each token of the engine's path is ahead of every other, by "
    "more than -2^-40 (1 + |log p| + |alpha M|), and M increases along the path",
    family_cases(),
)
def greedy_certificate(case: FamilyCase, balls: Balls) -> bool | None:
    """Leads with logarithms of the exact p, of which the engine knows the nearest floats."""
    path, keys = case.family.greedy_path(), order_keys(case)
    logs = [balls.log(balls.exact(p)) for p in case.row]
    answers: list[bool | None] = [
        keys[a] < keys[b] for a, b in pairwise(int(z) for z in path.tokens)
    ]
    for token in map(int, path.tokens):
        alpha = _inside(*path.interval(token))
        size = (
            1
            + max(abs(float(x)) for x in case.family.log_p)
            + float(abs(alpha)) * max(abs(m) for m in case.log_odds)
        )
        slack = balls.exact(Fraction(size) / 2**40)
        answers += [
            agrees(
                balls.sign(
                    logs[token] - logs[z] + balls.exact(alpha * (keys[token] - keys[z])) + slack
                ),
                1,
            )
            for z in range(len(keys))
            if z != token
        ]
    return every(answers)


def _inside(low: float, high: float) -> Fraction:
    """A place in an interval, which may be infinite at either end or at both."""
    if isinf(low):
        return Fraction(0) if isinf(high) else Fraction(high) - 1 - abs(Fraction(high))
    return Fraction(low) + 1 + abs(Fraction(low)) if isinf(high) else Fraction(low + high) / 2


@certificate(
    "mixed-contexts",
    "M(z), a mean of logarithms of exact probabilities, has the sign that the weights promise for "
    "its whole concept, and elsewhere that of the comparison of the two products",
    mixed_cases(),
)
def mixed_certificate(case: MixedCase, balls: Balls) -> bool | None:
    """Where the products are equal, M = 0, and there is no sign to certify."""
    answers: list[bool | None] = []
    for z in range(len(case.off)):
        means = [
            balls.total([balls.log(balls.exact(case.rows[i][z])) for i in side]) / len(side)
            for side in (case.positive, case.negative)
        ]
        if sign := _sign(case, z):
            answers.append(agrees(balls.sign(means[0] - means[1]), sign))
        c = case.token_concept[z]
        P, N = ([case.weights[i][c] for i in side] for side in (case.positive, case.negative))
        if min(P) >= max(N) or max(P) <= min(N):
            promised = (min(P) >= max(N)) - (max(P) <= min(N))
            answers.append(sign == promised)
    return every(answers)


CERTIFICATES: tuple[Certificate, ...] = (greedy_certificate, mixed_certificate)
