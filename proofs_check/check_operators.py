"""Other ways to steer: edits of a state, temperature, kept norms, greedy decoding, mixed contexts.

The paper's conclusion (arXiv:2602.02712, Sec. 6) asks for them; the laws are ours. The oracle
edits as it is done: the state is changed, multiplied by the unembedding, and a softmax taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from itertools import pairwise
from math import isinf
from typing import Any

import numpy as np

from steering_strength.proofs_check import certificate as certain
from steering_strength.proofs_check import comparison
from steering_strength.proofs_check import strategies as draw
from steering_strength.proofs_check.balls import Balls
from steering_strength.proofs_check.check import check, reading
from steering_strength.proofs_check.comparison import EPS, Comparison, claim, compare, not_above
from steering_strength.proofs_check.instances import FamilyCase, MixedCase, NormCase, ReadoutCase
from steering_strength.proofs_check.law_values import law, of_case
from steering_strength.proofs_check.oracles import exact, precise, vectors
from steering_strength.proofs_check.oracles.precise import CTX, Number, Tilt, dot, number, numbers
from steering_strength.proofs_check.tolerance import SAFETY, Tolerance
from steering_strength.theory import TiltedFamily, UnconstrainedFeatures
from steering_strength.theory.engine import operators as ops
from steering_strength.theory.model import mixed


@check(
    "mixed-contexts",
    draw.mixed_cases(),
    judges=("ConceptDataset: mixed", "mixed_log_odds concept_signs geometric_means"),
)
def mixed_contexts(case: MixedCase) -> Iterator[Comparison]:
    """M(z) > 0 iff P has the larger geometric mean of p(z|.); on all of C if min_P w >= max_N w.
    Tolerance: log(1 + t w) to a few EPS whatever t is; rows and signs exactly."""
    logs = [[CTX.log(number(x)) for x in row] for row in case.rows]
    table, sets = case.data.probabilities, case.sets
    yield compare("p(z|c_j)", case.rows, engine=(table, 8 * EPS))
    oracle = vectors.difference_of_means(*([logs[i] for i in side] for side in sets))
    a, b = ([float(x) for x in side] for side in (case.inside, case.off))
    weights = [[float(w) for w in row] for row in case.weights]
    engine = mixed.mixed_log_odds(a, b, case.token_concept, weights, *sets)
    yield compare("M", oracle, engine=(engine, SAFETY * EPS * (1 + max(map(abs, oracle)))))
    # W v less its mean over tokens, of the interpolating UFM.
    ufm = UnconstrainedFeatures.interpolating(case.data, case.gauge, free_shifts=True)
    M = ufm.W @ np.subtract(*(ufm.H[:, list(side)].mean(axis=1) for side in sets))
    noise = 64 * EPS * float(np.linalg.norm(1.0 + np.abs(np.log(table)))) * len(ufm.H)
    centre = CTX.fsum(oracle) / len(oracle)
    seen = (M - M.mean(), noise)
    yield compare("M - mean M", [m - centre for m in oracle], simulation=seen)
    allowed = SAFETY * EPS * (1 + max(abs(x) for row in logs for x in row))
    for side in sets:
        columns = zip(*(logs[i] for i in side), strict=True)
        means = [CTX.exp(CTX.fsum(column) / len(side)) for column in columns]
        found = (mixed.geometric_means(table, list(side)), allowed)
        yield compare("geometric mean", means, engine=found)
    for c, sign in enumerate(mixed.concept_signs(weights, *sets)):
        wanted = _promised(case, c)
        same = np.array_equal(sign, np.nan if wanted is None else wanted, equal_nan=True)
        yield claim(f"concept {c} has the sign {wanted}, not {sign}", same)
        if wanted is not None:
            signs = {case.sign(z) for z, own in enumerate(case.token_concept) if own == c}
            yield claim("M has that sign on the concept", signs == {wanted})
    for z in (0, len(a) - 1):
        values: dict[str, Any] = {"t": case.inside[z] / case.off[z] - 1}
        for name, side in zip("PN", sets, strict=True):
            values |= {
                f"q_{name}": len(side),
                f"p^{name}": [case.rows[i] for i in side],
                f"w^{name}": [case.weights[i][case.token_concept[z]] for i in side],
            }
        yield law("mixed-contexts", values, oracle[z], z=z)


def _promised(case: MixedCase, c: int) -> int | None:
    """The sign that the weights promise for a whole concept, by exact comparison."""
    P, N = ([case.weights[i][c] for i in side] for side in case.sets)
    up, down = min(P) >= max(N), max(P) <= min(N)
    return up - down if up or down else None


@reading("mixed-contexts/one-sign", draw.mixed_cases())
def one_sign(case: MixedCase) -> Comparison:
    """In contexts that mix concepts, M has one sign on each concept.
    Tolerance: decided by exact fractions.
    Instead (Sec. 6): only if all weights of P are at least those of N, or at most; else by token.
    """
    signs = {(c, case.sign(z)) for z, c in enumerate(case.token_concept)}
    concepts = len(set(case.token_concept))
    return claim("M(z) has the same sign on a whole concept", len(signs) == concepts)


Edit = tuple[ops.Operator, Callable[[list[Number]], list[Number]]]


def _edits(case: ReadoutCase) -> dict[str, Edit]:
    """Each operator, and the edit of one state by its definition with 120 digits."""
    u, w, e = (numbers(v) for v in (case.u, case.w, case.encoder))
    raw, E, alpha, at = np.array(case.u), np.array(case.encoder), case.alpha, number(case.alpha)
    U, W = (np.array(v) / np.linalg.norm(v) for v in (case.u, case.w))

    def added(h: list[Number]) -> list[Number]:
        return vectors.affine(h, u, at)

    def clamped(h: list[Number]) -> list[Number]:
        return vectors.affine(h, u, at - _reading(case, h))

    def conditional(h: list[Number]) -> list[Number]:
        return added(h) if dot(e, h) >= case.threshold else h

    addition = ops.Addition(raw, alpha)
    return {
        "addition": (addition, added),
        "ablation": (ops.Ablation(U), lambda h: vectors.projected(h, u, number(0))),
        "affine": (ops.Affine(U, alpha), lambda h: vectors.projected(h, u, at)),
        "clamp": (ops.Clamp(raw, alpha, E, 0.5, rectified=True), clamped),
        "conditional": (ops.Conditional(addition, E, case.threshold), conditional),
        "rotation": (
            ops.Rotation(U, W, case.theta),
            lambda h: vectors.rotated(h, u, w, number(case.theta)),
        ),
    }


def _reading(case: ReadoutCase, h: list[Number]) -> Number:
    return max(dot(numbers(case.encoder), h) + number(0.5), number(0))


@check(
    "operator",
    draw.readout_cases(),
    judges=(
        *(
            f"{each}: directions strengths edited population"
            for each in ("Addition", "Ablation", "Affine", "Clamp", "Conditional", "Rotation")
        ),
        "Clamp: reading",
        "TiltedPopulation: shape family log_probability cross_entropy_increase "
        "average_cross_entropy_increase",
    ),
)
def operator(case: ReadoutCase) -> Iterator[Comparison]:
    """softmax(W h' + b) is p_j tilted by sum_k c_k M_k: h' ablated, clamped, set, turned, ...
    Tolerance: each logit to d EPS times the sum of its terms, before and after; the price with its
    derivatives in them, which vanish with the edit, and the square of that error."""
    for name, edit in _edits(case).items():
        yield from _edited(case, name, edit)
        if isinstance(edit[0], ops.Clamp):
            read = [_reading(case, numbers(h)) for h in case.states]
            allowed = 32 * len(case.u) * EPS * (1 + max(map(abs, read)))
            yield compare("a(h)", read, engine=(edit[0].reading(np.array(case.states).T), allowed))


def _edited(case: ReadoutCase, name: str, edit: Edit) -> Iterator[Comparison]:
    subject, exactly = edit
    W, bias = [numbers(row) for row in case.W], numbers(case.bias)
    states = [numbers(h) for h in case.states]
    after = [exactly(h) for h in states]
    H, matrix, offset = np.array(case.states).T, np.array(case.W), np.array(case.bias)
    weights = [float(w) for w in case.context_weights]
    population = subject.population(matrix, H, bias=offset, weights=weights)
    plain = subject.population(matrix, H)
    each = np.full(len(states), 1 / len(states))
    told = subject.population(matrix, H, bias=0 * offset, weights=each)
    same = np.array_equal(plain.log_probability(0.5), told.log_probability(0.5))
    yield claim(f"{name}: no bias unless given", same)
    prices = [p.average_cross_entropy_increase(0.5) for p in (plain, told)]
    yield claim(
        f"{name}: equal weights unless given: {prices}",
        np.allclose(prices[0], prices[1], rtol=1e-12),
    )
    d, V = len(case.u), len(W)
    yield comparison.equal(f"{name}: shape", (len(states), V), population.shape)
    # Of states: their coordinates, what is subtracted and what is added, in all.
    largest = np.abs(subject.directions).max()
    reach = np.abs(H).max(axis=0) + largest * np.abs(subject.strengths(H)).sum(axis=1)
    encoder = np.abs(np.array(case.encoder)).sum() * (1.0 + np.abs(H).max())
    lengths = 32 * d * EPS * (1.0 + reach + encoder * largest)
    edited = (subject.edited(H).T, np.repeat(lengths, d))
    yield compare(f"{name}: edited state", after, engine=edited)
    rows = np.abs(matrix).sum(axis=1).max()
    logits = lengths * (1.0 + rows) + 32 * EPS * (1 + np.abs(offset).max())
    prices, allowances = [], []
    for j, (h, changed) in enumerate(zip(states, after, strict=True)):
        p, q = (vectors.probabilities(W, x, bias) for x in (h, changed))
        log_p, log_q = ([CTX.log(x) for x in row] for row in (p, q))
        yield compare(
            f"{name}: log p of context {j}",
            log_q,
            engine=(population.log_probability(1.0)[j], 4 * logits[j]),
            family_at_1=(population.family(j).log_probability(1.0), 4 * logits[j]),
        )
        M = [b - a for a, b in zip(log_p, log_q, strict=True)]
        depth = 1 + max(map(abs, log_p)) + 32 * d * (rows * np.abs(H).max() + 1)
        limits = Tolerance(Tilt(p, M), depth, number(2 * logits[j]))
        prices.append(precise.kl(p, q))
        # Where nothing is edited, what is left is the square of the rounding.
        allowances.append(limits.divergence(1.0) + number(2 * logits[j]) ** 2)
    found = (population.cross_entropy_increase(1.0), allowances)
    yield compare(f"{name}: price", prices, engine=found)
    chances = numbers(case.context_weights)
    average = dot(chances, prices)
    error = dot(chances, allowances) + EPS * average
    engine = (population.average_cross_entropy_increase(1.0), error)
    yield compare(f"{name}: Delta CE", average, engine=engine)
    # The law knows directions and strengths: those of the engine, as the floats they are.
    directions, last = subject.directions, len(states) - 1
    c, moved = numbers(subject.strengths(H)[last]), list(states[last])
    for k, strength in enumerate(c):
        moved = vectors.affine(moved, numbers(directions[:, k]), strength)
    oracle = vectors.probabilities(W, moved, bias)
    values = {
        "V": V, "d": d, "n": len(c), "j": last, "W": W, "b": bias, "c": c,
        "H": [*zip(*states, strict=True)], "U": directions.tolist(),
    }  # fmt: skip
    for z in (0, V - 1):
        yield law("operator", values, oracle[z], x=z)


@reading("operator/ablation-limit", draw.readout_cases())
def ablation_limit(case: ReadoutCase) -> Comparison:
    """Ablating a direction u is the limit of subtracting it.
    Tolerance: a total variation of 1e-30 counts as none.
    Instead (Sec. 6): it is steering at the strength -<u, h_j>, finite and different in each
    context."""
    W, u, bias = [numbers(row) for row in case.W], numbers(case.u), numbers(case.bias)
    M = [dot(row, u) for row in W]
    apart = [
        precise.total_variation(
            vectors.probabilities(W, vectors.projected(h, u, number(0)), bias),
            Tilt(vectors.probabilities(W, h, bias), M).limit(-1),
        )
        for h in map(numbers, case.states)
    ]
    return not_above("distance of the two", apart, 1e-30, 1e-30)


_TEMPERATURES = (1.0, 0.5, 2.0, 0.125, 0.7, 30.0)


@check("temperature", draw.any_families(), judges="TiltedFamily: at_temperature")
def temperature(case: FamilyCase) -> Iterator[Comparison]:
    """softmax((log p + alpha M) / tau) is p^(1/tau) tilted by alpha/tau; the winner is the same.
    Tolerance: the error of the steered logits over tau, and M / tau rounded once."""
    tau = _TEMPERATURES[case.gauge % len(_TEMPERATURES)]
    alpha, T, limits = number(case.alpha), number(tau), case.limits
    logits = [(CTX.log(p) + alpha * m) / T for p, m in zip(case.p, case.M, strict=True)]
    oracle = precise.softmax(logits)
    rounded = SAFETY * EPS * (limits.depth + abs(alpha) * max(abs(m) for m in case.M)) / T
    allowed = limits.log_probability(case.alpha) / T + rounded + SAFETY * EPS
    engine = (case.family.at_temperature(tau).log_probability(case.alpha), allowed)
    yield compare("log p", [CTX.log(x) for x in oracle], engine=engine)
    for z in (0, len(oracle) - 1):
        yield law("temperature", {**of_case(case), "tau": tau}, oracle[z], x=z)


@check("renormalised", draw.norm_cases(), judges="norm_scale norm_preserving")
def renormalised(case: NormCase) -> Iterator[Comparison]:
    """s (h + alpha v) with |h| kept gives p^s e^(s alpha M); LN_0 of it is LN_0(h + alpha v).
    Tolerance: s to the rounding of h + alpha v over what is left of it; logits to d EPS of |W||h|.
    """
    h, v, gain, bias = (numbers(x) for x in (case.h, case.v, case.gain, case.bias))
    W, alpha, d = [numbers(row) for row in case.W], number(case.alpha), len(case.h)
    moved = vectors.affine(h, v, alpha)
    length, left = vectors.length(h), vectors.length(moved)
    if not length or not left:
        return  # no norm to keep, or nothing left: an error of the engine
    matrix, state, direction = (np.array(x) for x in (case.W, case.h, case.v))
    focus = 8 * d * EPS * (length + abs(alpha) * vectors.length(v)) / left
    rows = max(CTX.fsum(abs(w) for w in row) for row in W)
    scale = ops.norm_scale(state, direction, case.alpha)
    half = case.alpha / 2
    if vectors.length(vectors.affine(h, v, number(half))):
        for ask in (
            partial(ops.norm_scale, state, direction),
            partial(
                ops.norm_preserving,
                TiltedFamily.from_logits(matrix @ state, matrix @ direction), state, direction,
            ),
        ):  # fmt: skip
            yield from comparison.as_alone(ask.func.__name__, ask, case.alpha, half)
    yield compare("s", length / left, engine=(scale, focus * length / left))
    # The oracle's s may be 1e300 where h + alpha v all but vanishes: relative to the logits' size.
    allowed = SAFETY * (focus + d * EPS) * (1 + rows * length) * (1 + 2 * length / left)
    kept, none = vectors.norm_kept(h, moved), [number(0)] * len(W)
    offset = [row[0] for row in W]  # stands for a bias of the unembedding
    for name, extra in (("no bias", none), ("bias", offset)):
        added = np.array([float(x) for x in extra])
        family = TiltedFamily.from_logits(matrix @ state + added, matrix @ direction)
        engine = ops.norm_preserving(family, state, direction, case.alpha, bias=added)
        expected = [CTX.log(x) for x in vectors.probabilities(W, kept, extra)]
        yield compare(f"log p, {name}", expected, engine=(engine, allowed))
    oracle = vectors.probabilities(W, kept, none)
    values = {"V": len(W), "d": d, "s": length / left, "alpha": alpha, "W": W, "h": h, "v": v}
    for z in (0, len(W) - 1):
        yield law("renormalised", values, oracle[z], x=z)
    if any(vectors.centred(moved)) or case.kind == "rms":
        before, after = (
            vectors.norm_output(x, case.kind, gain, bias, number(0)) for x in (moved, kept)
        )
        yield compare("LN_0(h')", before, of_the_kept=(after, 1e-60))


@check(
    "greedy",
    draw.family_cases(support=False),
    judges=("TiltedFamily: greedy_path", "GreedyPath: winner interval"),
)
def greedy(case: FamilyCase) -> Iterator[Comparison]:
    """The likeliest token's M increases with alpha, with at most V - 1 switches: a convex hull.
    Tolerance: tokens and their order exactly; a switch to 2 EPS; signs at the ends of its bracket
    exactly."""
    family, path = case.family, case.family.greedy_path()
    support = np.flatnonzero(family.log_p > -np.inf)
    heights, slopes = (
        [Fraction(float(x)) for x in values[support]] for values in (family.log_p, family.log_odds)
    )
    places, ends = exact.envelope(heights, slopes)
    tokens = [int(support[k]) for k in places]
    yield comparison.equal("path", tokens, path.tokens.tolist())
    if tokens != path.tokens.tolist():
        return
    allowed = [2 * EPS * abs(number(end)) + 1e-320 for end in ends]
    yield compare("switches", ends, engine=(path.switches, allowed))
    for k, (before, after) in enumerate(pairwise(places)):
        lead, gain = heights[before] - heights[after], slopes[before] - slopes[after]
        below, above = (lead + Fraction(float(at)) * gain for at in (path.lower[k], path.upper[k]))
        yield claim("the earlier token is ahead below, the later above", below >= 0 >= above)
    alpha = case.alpha
    yield from comparison.as_alone("winner", path.winner, alpha, -4 * alpha - 1)
    if not any(low <= alpha <= high for low, high in zip(path.lower, path.upper, strict=True)):
        winner = tokens[sum(Fraction(alpha) > end for end in ends)]
        yield comparison.equal("winner", winner, int(path.winner(alpha)))
    borders = [*pairwise([-np.inf, *path.switches.tolist(), np.inf])]
    for z in range(family.size):
        found = path.interval(z)
        if z in tokens:
            yield comparison.equal("interval", borders[tokens.index(z)], found)
        else:
            yield claim("a token off the path wins nowhere", np.isnan(found).all())
    x, z, step = int(support[0]), int(support[-1]), number(0.75)
    later, now = (case.tilt.log(number(alpha) + t) for t in (step, 0))
    gain = (later[x] - later[z]) - (now[x] - now[z])
    # Logarithms of 1e-200 and exponents of 1e5 cancel in the gain.
    slack = 1e-60 * (1 + abs(alpha) * max(abs(m) for m in case.M))
    yield law("greedy", {**of_case(case), "t": step}, gain, allowed=slack, x=x, z=z)


@certain.certificate("greedy", draw.family_cases())
def greedy_certificate(case: FamilyCase, balls: Balls) -> certain.Answers:
    """Somewhere inside its interval each token of the engine's path is ahead of every other, by
    more than -2^-40 (1 + |log p| + |alpha M|), and M increases along the path."""
    # Leads with logarithms of the exact p, of which the engine knows the nearest floats.
    path, keys = case.family.greedy_path(), case.keys
    logs = [balls.log(balls.exact(p)) for p in case.row]
    deepest, largest = max(abs(float(x)) for x in case.family.log_p), max(map(abs, case.log_odds))
    yield all(keys[a] < keys[b] for a, b in pairwise(path.tokens.tolist()))
    for token in path.tokens.tolist():
        alpha = _inside(*path.interval(token))
        slack = balls.exact(Fraction(1 + deepest + float(abs(alpha)) * largest) / 2**40)
        for z in range(len(keys)):
            if z != token:
                ahead = balls.exact(alpha * (keys[token] - keys[z]))
                yield balls.positive(logs[token] - logs[z] + ahead + slack)


def _inside(low: float, high: float) -> Fraction:
    """A place in an interval, which may be infinite at either end or at both."""
    if isinf(low):
        return Fraction(0) if isinf(high) else Fraction(high) - 1 - abs(Fraction(high))
    return Fraction(low) + 1 + abs(Fraction(low)) if isinf(high) else Fraction(low + high) / 2


@certain.certificate("mixed-contexts", draw.mixed_cases())
def mixed_certificate(case: MixedCase, balls: Balls) -> certain.Answers:
    """M(z), a mean of logarithms of exact probabilities, has the sign that the weights promise for
    its whole concept, and elsewhere that of the comparison of the two products."""
    # Where the products are equal, M = 0, and there is no sign to certify.
    for z, c in enumerate(case.token_concept):
        P, N = (
            balls.total([balls.log(balls.exact(case.rows[i][z])) for i in side]) / len(side)
            for side in case.sets
        )
        sign, promised = case.sign(z), _promised(case, c)
        if sign:
            yield balls.positive(sign * (P - N))
        if promised is not None:
            yield sign == promised
