"""Transformers: the final norm (Prop. 4.1 of arXiv:2602.02712), and what is exact around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import cache, partial
from itertools import pairwise

import numpy as np

from steering_strength.proofs_check import certificate as certain
from steering_strength.proofs_check.balls import Balls
from steering_strength.proofs_check.check import check, reading
from steering_strength.proofs_check.comparison import (
    EPS,
    Comparison,
    as_alone,
    claim,
    compare,
    crossing,
    not_above,
)
from steering_strength.proofs_check.instances import NormCase, ReadoutCase
from steering_strength.proofs_check.law_values import law
from steering_strength.proofs_check.oracles import precise, vectors
from steering_strength.proofs_check.oracles.precise import CTX, Number, dot, number, numbers
from steering_strength.proofs_check.oracles.vectors import length
from steering_strength.proofs_check.strategies import norm_cases, readout_cases
from steering_strength.theory.advice import ScannedCurve
from steering_strength.theory.engine import Root, transformer

SAFETY_OF_SOFTMAX = 64 * EPS
"""Of a log-softmax of a handful of logits, besides that of the logits."""

MILLIONTH = number("1e-6")


def _exact(case: NormCase) -> tuple[list[Number], list[Number], list[Number], list[Number], Number]:
    h, v, gain, bias = (numbers(x) for x in (case.h, case.v, case.gain, case.bias))
    return h, v, gain, bias, number(case.eps)


def _output(case: NormCase, x: Sequence[Number], eps: Number | None = None) -> list[Number]:
    """The norm of x, with the eps of the case or another."""
    _, _, gain, bias, own = _exact(case)
    return vectors.norm_output(x, case.kind, gain, bias, own if eps is None else eps)


def _far(case: NormCase, sign: int) -> list[Number]:
    h, v, gain, bias, eps = _exact(case)
    return vectors.far_output(h, v, case.kind, gain, bias, eps, sign)


def _projected(case: NormCase, x: Sequence[Number]) -> list[Number]:
    return vectors.centred(x) if case.kind == "layer" else list(x)


def _moments(case: NormCase) -> tuple[Number, Number, Number]:
    """A, B and C of Q(alpha) = A alpha^2 + 2 B alpha + C, C without eps."""
    h, v = (_projected(case, numbers(x)) for x in (case.h, case.v))
    return dot(v, v) / len(h), dot(h, v) / len(h), dot(h, h) / len(h)


def _rounding(case: NormCase, alpha: float) -> Number:
    """Error of LN(h + alpha v): rounding of h + alpha v, magnified where little of it is left."""
    h, v, gain, bias, eps = _exact(case)
    d = len(h)
    left = length(_projected(case, vectors.affine(h, v, number(alpha)))) + CTX.sqrt(d * eps)
    summands = length(h) + abs(number(alpha)) * length(v)
    if not left:
        return CTX.inf
    largest = max(gain) * CTX.sqrt(d)
    return 4 * d * EPS * (largest * (1 + summands / left) + max(abs(b) for b in bias))


@check("norm-limit", norm_cases(), judges="NormedSteering: limit output rate bound")
def norm_limit(case: NormCase) -> Iterator[Comparison]:
    """LN(h + alpha v) -> LN_0(+-v), the bias keeping its sign, at rate 1/|alpha| and no faster.
    Tolerance: the direction of P v to EPS |v|/|P v|; at finite alpha the rounding of h + alpha v
    over what the norm leaves of it; expansions in 1/alpha are seen at alpha = 1e40."""
    h, v, gain, bias, eps = _exact(case)
    normed, d = case.normed, len(h)
    Pv, Ph = _projected(case, v), _projected(case, h)
    focus, size = length(v) / length(Pv), max(gain) * CTX.sqrt(d)
    allowed = 8 * EPS * (size * focus * d + max(abs(b) for b in bias))
    for sign in (-1, 1):
        end, direction = _far(case, sign), _output(case, [sign * a for a in v], number(0))
        yield compare(
            f"limit at {sign} inf",
            end,
            engine=(normed.limit(sign), allowed),
            norm_of_v=(direction, 1e-40 * (1 + size)),
        )
        # alpha (LN - limit) as seen at alpha = 1e40 (|h| + 1)/|v|: the coefficient of 1/|alpha|.
        alpha = CTX.mpf(10) ** 40 * (length(h) + 1) / length(v)
        there = _output(case, vectors.affine(h, v, sign * alpha))
        rate = [alpha * (a - b) for a, b in zip(there, direction, strict=True)]
        reach = size * (length(h) + 1) / length(Pv)
        formula = (normed.rate(), 8 * d * EPS * reach * focus**2)
        yield compare(f"coefficient of 1/|alpha| at {sign} inf", rate, formula=formula)
    alpha_here = case.alpha or 1.0
    yield from as_alone("output", normed.output, alpha_here, 0.75)
    yield from as_alone("bound", normed.bound, alpha_here, 0.75)
    moved = vectors.affine(h, v, number(alpha_here))
    if length(_projected(case, moved)) or eps:
        here, rounding = _output(case, moved), _rounding(case, alpha_here)
        yield compare("LN(h + alpha v)", here, engine=(normed.output(alpha_here), rounding))
        if not eps:
            side = _output(case, [(1 if alpha_here > 0 else -1) * a for a in v], number(0))
            distance = length([a - b for a, b in zip(here, side, strict=True)])
            bound = number(float(normed.bound(alpha_here)))
            reach = 2 * CTX.sqrt(d) * length(Ph) / length(Pv) * max(map(abs, gain))
            engine = (bound, 1e-12 * bound * focus)
            yield compare("bound", reach / abs(alpha_here), engine=engine)
            yield not_above("distance to the limit", distance, bound, 1e-13 * bound)
    A, B, C = _moments(case)
    alpha = CTX.mpf(10) ** 45 * (length(h) + 1) / length(Pv)
    values = {"A": A, "B": B, "C": C + eps, "x": d - 1, "h": Ph, "v": Pv, "alpha": alpha}
    yield law("norm-limit", values, Pv[-1] / CTX.sqrt(A), allowed=1e-40 * CTX.sqrt(d))


@check(
    "last-block",
    norm_cases(),
    judges=(
        "NormedSteering: last_block",
        "LastBlock: size logits log_probability slope stationary limit",
    ),
)
def last_block(case: NormCase) -> Iterator[Comparison]:
    """Logits (a + alpha b)/sqrt(Q(alpha)) + const, each stationary at (aB - bC)/(bB - aA) only.
    Tolerance: logits to the rounding of the norm's output times |W|; the stationary point to the
    rounding of numerator and denominator over the denominator."""
    h, v, gain, _, eps = _exact(case)
    W, alpha, d = [numbers(row) for row in case.W], number(case.alpha), len(h)
    block = case.last_block
    yield claim("V", block.size == len(W))
    extra = [0.25 * z - 1 for z in range(len(W))]
    biased = case.normed.last_block(np.array(case.W), extra)
    total = [
        number(x) + number(y)
        for x, y in zip(
            np.zeros(len(W)) if block.offset is None else block.offset, extra, strict=True
        )
    ]
    yield compare("bias", total, engine=(biased.offset, 8 * EPS * (1 + max(map(abs, total)))))
    for ask in (block.logits, block.log_probability, block.slope):
        yield from as_alone(ask.__name__, ask, case.alpha, 0.75)

    def logits(alpha: Number) -> list[Number]:
        return vectors.logits(W, _output(case, vectors.affine(h, v, alpha)))

    def logit(z: int, alpha: Number) -> Number:
        return logits(alpha)[z]

    if length(_projected(case, vectors.affine(h, v, alpha))) or eps:
        # Q = A alpha^2 + 2 B alpha + C is a difference of squares: twice the digits are lost.
        lost = 4 * _rounding(case, case.alpha) * _lost_squared(case, alpha)
        allowed = [lost * (1 + CTX.fsum(abs(w) for w in row)) for row in W]
        yield compare("logits", logits(alpha), formula=(block.logits(case.alpha), allowed))
        oracle = [CTX.log(p) for p in precise.softmax(logits(alpha))]
        twice = 2 * max(allowed) + SAFETY_OF_SOFTMAX
        formula = (block.log_probability(case.alpha), twice)
        yield compare("log p_alpha", oracle, formula=formula)
    Ph, Pv = _projected(case, h), _projected(case, v)
    A, B, C = _moments(case)
    C += eps
    if A:
        yield from _plateau(case, W)
    if A * C - B * B == 0:  # h is a multiple of v: the logits are steps, with nothing to look at
        return
    turns, span, Q = block.stationary(), CTX.sqrt(C / A), A * alpha**2 + 2 * B * alpha + C
    for z, row in enumerate(W):
        a, b = (
            CTX.fsum(w * g * x for w, g, x in zip(row, gain, part, strict=True))
            for part in (Ph, Pv)
        )
        size = CTX.fsum(abs(w) for w in row) * max(gain)
        steepness = b * B - a * A
        noise = 8 * d * EPS * size * (length(Ph) * A + length(Pv) * abs(B))
        if abs(steepness) <= 4 * noise:
            continue  # no stationary point, or one that float64 cannot tell from infinity
        above = 8 * d * EPS * size * (length(Ph) * abs(B) + length(Pv) * C)
        turn = number(float(turns[z]))
        width = 2 * (above + abs(turn) * noise) / abs(steepness) + 4 * EPS * abs(turn)
        before, after = (
            precise.derivative(partial(logit, z), turn + side * width, span) for side in (-1, 1)
        )
        yield claim(f"logit {z} turns at {float(turn)}", before * after < 0)
        grid = [turn + span * CTX.sinh(k) * CTX.mpf("1e-3") for k in range(-12, 13)]
        moves = [CTX.sign(q - p) for p, q in pairwise(logit(z, t) for t in grid)]
        once = sum(p != q for p, q in pairwise(moves)) <= 1
        yield claim(f"logit {z} has one stationary point", once)
        if Q > 0:
            slope = precise.derivative(partial(logit, z), alpha, span)
            parts = size * (length(Ph) * (A * abs(alpha) + abs(B)) + length(Pv) * abs(B * alpha))
            parts = (parts + size * length(Pv) * C) / Q ** number("1.5")
            noisy = 64 * d * EPS * parts * _lost_squared(case, alpha)
            yield compare("slope of a logit", slope, engine=(block.slope(case.alpha)[z], noisy))
            values = {"A": A, "B": B, "C": C, "alpha": alpha, "z": 0, "a": [a], "b": [b]}
            scale = 1 + (abs(a) + abs(alpha * b)) * (abs(B) + abs(C) + A) / Q**2
            yield law("last-block", values, slope, allowed=1e-25 * scale)


@check(
    "last-block/curve",
    norm_cases(),
    judges="ScannedCurve: last_block size log_probability cross_entropy_increase reverse_kl "
    "concept_log_odds limit cross_entropy_root reverse_kl_root concept_root concept_loss_root "
    "concept_maximum peak_root limit_root",
    weight=0.3,
)
def last_block_curve(case: NormCase) -> Iterator[Comparison]:
    """A curve that is searched, not solved: what its roots say happens there, and not before.
    Tolerance: log p as `last-block`; a level is chosen to be passed before one |h| of steering, and
    looked at a thousandth inside and outside; a maximum may be missed by a millionth."""
    W, curve = [numbers(row) for row in case.W], ScannedCurve.last_block(case.last_block)
    h, v, _, _, eps = _exact(case)
    A, B, C = _moments(case)
    C += eps
    if not A or A * C - B * B <= 1e-6 * A * C:
        return  # v is invisible, or the logits are steps

    @cache
    def row(alpha: Number) -> list[Number]:
        output = _output(case, vectors.affine(h, v, number(alpha)))
        return precise.softmax(vectors.logits(W, output))

    def log_p(z: int, alpha: Number) -> Number:
        return CTX.log(row(alpha)[z])

    size = max(CTX.fsum(abs(w) for w in logits) for logits in W)

    def noise(alpha: Number) -> Number:
        lost = 4 * _rounding(case, float(alpha)) * _lost_squared(case, number(alpha))
        return 2 * lost * (1 + size) + SAFETY_OF_SOFTMAX

    sign = 1 if case.alpha >= 0 else -1
    span = sign * CTX.sqrt(C / A)  # where alpha v is as long as h
    grid = [span * k / 24 for k in range(25)] + [span * CTX.mpf(2) ** k for k in range(1, 9)]
    rough = max(map(noise, grid))
    if rough > MILLIONTH:
        return
    tokens = [z for z in range(len(W)) if z % 2 == 0]
    asked = tokens if len(W) % 2 else [z % 2 == 0 for z in range(len(W))]
    p, end = row(number(0)), precise.softmax(vectors.logits(W, _far(case, sign)))

    def forward(alpha: Number) -> Number:
        return precise.kl(p, row(alpha))

    def backward(alpha: Number) -> Number:
        return precise.kl(row(alpha), p)

    def odds(alpha: Number) -> Number:
        return _log_odds(row(alpha), tokens)

    yield claim("V", curve.size == len(W))
    there = float(grid[16])
    for name, shares, found, allowed in (
        ("limit", end, curve.limit(sign), 1e3 * rough),
        ("log p", row(number(there)), curve.log_probability(there), rough),
    ):
        yield compare(name, [CTX.log(x) for x in shares], engine=(found, allowed))
    yield from as_alone("log p", curve.log_probability, there, 0.75)
    slack = 4 * rough * (1 - CTX.log(min(p)))
    for name, oracle, ask in (
        ("KL", forward, curve.cross_entropy_increase),
        ("KL back", backward, curve.reverse_kl),
        ("logit F_C", odds, partial(curve.concept_log_odds, asked)),
    ):
        several = [oracle(a) for a in grid[8:17:4]]
        yield compare(name, several, engine=(ask([float(a) for a in grid[8:17:4]]), slack))
        yield compare(name, several[-1], engine=(float(ask(there)), slack))
    for name, price, root_of in (
        ("KL", forward, curve.cross_entropy_root),
        ("KL back", backward, curve.reverse_kl_root),
    ):
        budget = price(grid[24]) / 2
        if budget > 1e-4:
            yield from _first(name, root_of(float(budget), sign), price, budget, grid, sign)
        beyond = root_of(float(2 * max([*map(price, grid), precise.kl(p, end)]) + 1), sign)
        yield claim(f"{name} so large is not found: {beyond}", not beyond.reached)
    before, after = odds(grid[0]), odds(grid[24])
    middle = (before + after) / 2
    level = float(_share(middle))
    if after - before > 1e-3 and 1e-3 < level < 0.999:
        root = curve.concept_root(asked, level, sign)
        yield from _first("F_C", root, odds, middle, grid, sign)
    elif before - after > 1e-3 and 1e-3 < level < 0.999:
        root = curve.concept_loss_root(asked, level, 0.0, sign)
        yield from _first("-F_C", root, lambda a: -odds(a), -middle, grid, sign)
        yield claim("F_C is there at 0", curve.concept_root(tokens, level, sign).alpha == 0.0)
    best = curve.concept_maximum(asked, sign)
    value = odds(number(best.alpha)) if np.isfinite(best.alpha) else _log_odds(end, tokens)
    higher = [a for a in grid if odds(a) > value + MILLIONTH * (1 + abs(value))]
    # The search ends where the limit is met within a thousandth, in total variation.
    reach = abs(best.alpha) if np.isfinite(best.alpha) else 0.0
    missed = [a for a in higher if abs(a) < reach or _share(odds(a)) > _share(value) + 2e-3]
    yield claim(f"no F_C above that at {best}: {missed[:1]}", not missed)
    if np.isfinite(best.alpha):
        sides = [odds(number(best.alpha) * (1 + k * number("1e-3"))) for k in (-1, 1)]
        turns = max(sides) <= value + 4 * rough or best.alpha in (best.lower, best.upper)
        yield claim(f"F_C turns at {best}", turns)
    slope = precise.derivative(partial(log_p, 0), number(0), abs(span))
    turn = curve.peak_root(0, sign)
    if slope * sign * abs(span) < -1e-6:
        yield claim(f"token 0 falls from 0 on, not from {turn}", turn.alpha == 0.0)
    elif slope * sign * abs(span) > 1e-6 and turn.reached:
        before, top, after = (log_p(0, turn.alpha * (1 + k * number("1e-2"))) for k in (-1, 0, 1))
        yield claim(f"token 0 peaks at {turn}", max(before, after) <= top + rough)
    elif slope * sign * abs(span) > 1e-6:
        looked = max(filter(np.isfinite, (abs(turn.lower), abs(turn.upper))))
        climb = pairwise(log_p(0, x) for x in grid if abs(x) <= looked)
        yield claim("token 0 rises all the way", all(b >= a - rough for a, b in climb))

    def apart(alpha: Number) -> Number:
        return -precise.total_variation(row(alpha), end)

    settled = curve.limit_root(0.01, sign)
    if apart(number(0)) > -0.01:
        return
    inside, outside = (apart(number(settled.alpha) * (1 + k * number("1e-3"))) for k in (-1, 1))
    yield claim(
        f"within 0.01 of the limit from {settled}", inside <= -0.01 + rough <= outside + 2 * rough
    )


def _first(
    name: str, root: Root, curve: Callable[[Number], Number], goal: Number, grid: list[Number],
    sign: int,
) -> Iterator[Comparison]:  # fmt: skip
    """`curve` passes the goal at the root upwards, and on the first 25 of the grid not before."""
    size = abs(root.alpha)
    yield from crossing(name, root, curve, goal, sign, size * number("1e-3"), 1e-9 * size)
    early = [a for a in grid[:25] if abs(a) < abs(root.alpha) * (1 - 1e-3) and curve(a) > goal]
    yield claim(f"{name} does not pass it before {root.alpha}: {early[:1]}", not early)


def _log_odds(p: list[Number], tokens: list[int]) -> Number:
    """Of a concept."""
    inside = CTX.fsum(x for z, x in enumerate(p) if z in tokens)
    return CTX.log(inside / CTX.fsum(x for z, x in enumerate(p) if z not in tokens))


def _share(log_odds: Number) -> Number:
    return 1 / (1 + CTX.exp(-log_odds))


def _plateau(case: NormCase, W: list[list[Number]]) -> Iterator[Comparison]:
    """log p at alpha -> +-inf: the log-softmax of the unembedded norm of +-v."""
    _, v, gain, bias, _ = _exact(case)
    focus = length(v) / length(_projected(case, v))
    size = max(CTX.fsum(abs(w) for w in row) for row in W)
    largest = max(gain) * CTX.sqrt(len(v)) * focus + max(abs(b) for b in bias)
    allowed = 32 * len(v) * EPS * (1 + size * largest)
    for sign in (-1, 1):
        end = precise.softmax(vectors.logits(W, _far(case, sign)))
        engine = (case.last_block.limit(sign), allowed)
        yield compare(f"log p at {sign} inf", [CTX.log(p) for p in end], engine=engine)


def _lost_squared(case: NormCase, alpha: Number) -> Number:
    """(|h| + |alpha v|)^2 over what is left of their square sum: the cancellation inside Q."""
    h, v, _, _, eps = _exact(case)
    summands = (length(h) + abs(alpha) * length(v)) ** 2
    left = length(_projected(case, vectors.affine(h, v, alpha))) ** 2 + len(h) * eps
    return 1 + summands / left


@check("final-norm", readout_cases(), judges="readout_family")
def final_norm(case: ReadoutCase) -> Iterator[Comparison]:
    """Steering the input of the unembedding tilts exactly, for any texts, bias, and |P| != |N|.
    Tolerance: logits are float64 products of length d: M and log p err by d EPS |W||h|."""
    states = [numbers(state) for state in case.states]
    W, bias = [numbers(row) for row in case.W], numbers(case.bias)
    alpha, (P, N) = number(case.alpha), case.sets
    v = vectors.difference_of_means(*([states[i] for i in side] for side in case.sets))
    after = vectors.probabilities(W, vectors.affine(states[-1], v, alpha), bias)
    size = max(CTX.fsum(abs(w) for w in row) for row in W)
    largest = max(abs(x) for state in states for x in state)
    # Log-probabilities reach twice the largest logit; M is a difference of two such means.
    noise = 8 * (len(v) + 4) * EPS * (1 + size * largest + max(abs(b) for b in bias))
    allowed = noise * (1 + 4 * abs(alpha))
    engine = (case.family.log_probability(case.alpha), allowed)
    yield compare("log p_alpha", [CTX.log(x) for x in after], engine=engine)
    p = [vectors.probabilities(W, state, bias) for state in states]
    values = {  # the shifts of the texts' logits are free
        "V": len(W), "q_P": len(P), "q_N": len(N), "b": 2, "alpha": case.alpha,
        "p": p[-1], "p^P": [p[i] for i in P], "p^N": [p[i] for i in N],
        "b^P": [3 - i for i in range(len(P))], "b^N": [5 * i for i in range(len(N))],
    }  # fmt: skip
    yield law("final-norm", values, after[-1], x=len(W) - 1)


def _smooth_logits(case: ReadoutCase, j: int, alpha: Number) -> list[Number]:
    """W tanh(h_j + alpha u): any layer of any model, as far as the laws are concerned."""
    x = vectors.affine(numbers(case.states[j]), numbers(case.u), alpha)
    return vectors.logits([numbers(row) for row in case.W], [*map(CTX.tanh, x)])


@check("local", readout_cases(), judges="local_divergence local_cross_entropy", weight=0.5)
def local(case: ReadoutCase) -> Iterator[Comparison]:
    """At any layer KL(p_0||p_alpha) = alpha^2/2 Var_p(M_loc) + O(alpha^3); likewise CE on text.
    Tolerance: derivatives of the logits are difference quotients good to 30 digits, rounded once;
    then a variance and two means in float64."""
    # The text is not what the model predicts: it is what the linear read-outs do, shifted by one.
    W, bias = [numbers(row) for row in case.W], numbers(case.bias)
    text = [vectors.probabilities(W, numbers(state), bias) for state in case.states]
    text.append(text.pop(0))
    h = CTX.mpf(10) ** -30
    oracle, formula, size = [number(0)] * 3, np.zeros(3), number(1)
    for j, weight in enumerate(case.context_weights):
        before, here, after = (_smooth_logits(case, j, s * h) for s in (-1, 0, 1))
        first = [(b - a) / (2 * h) for a, b in zip(before, after, strict=True)]
        second = [(b - 2 * c + a) / h**2 for a, c, b in zip(before, here, after, strict=True)]
        p = [precise.softmax(logits) for logits in (before, here, after)]
        price = [-dot(text[j], map(CTX.log, row)) for row in p]
        found = (
            precise.kl(p[1], p[2]) / h**2,
            (price[2] - price[0]) / (2 * h),
            (price[2] - 2 * price[1] + price[0]) / h**2,
        )
        oracle = [total + number(weight) * x for total, x in zip(oracle, found, strict=True)]
        log_p, target, M, curvature = (
            np.array([float(x) for x in row])
            for row in ([CTX.log(x) for x in p[1]], text[j], first, second)
        )
        parts = transformer.local_cross_entropy(log_p, target, M, curvature)
        formula += float(weight) * np.array([transformer.local_divergence(log_p, M), *parts])
        steep = max(abs(x) for x in first)
        size += steep**2 + max(abs(x) for x in second) + steep
    allowed = 16 * len(case.W) * EPS * size + number("1e-25")
    for name, expected, said in zip(
        ("KL / alpha^2", "slope of CE", "curvature of CE"), oracle, formula.tolist(), strict=True
    ):
        yield compare(name, expected, formula=(said, allowed))
    # The law's statement for the first context, with its logits as the function ell(z, alpha).
    at = number(case.states[0][0])
    below, middle, above = (
        precise.kl(text[0], precise.softmax(_smooth_logits(case, 0, at + s * h)))
        for s in (-1, 0, 1)
    )
    values = {"V": len(W), "alpha": at, "r": text[0],
              "ell": lambda z, alpha: _smooth_logits(case, 0, alpha)[int(z)]}  # fmt: skip
    yield law("local", values, (above - 2 * middle + below) / h**2, allowed=1e-20)


@check("norm-limit/invisible", norm_cases(visible=False), judges="NormedSteering: inert limit")
def invisible(case: NormCase) -> Iterator[Comparison]:
    """Where v vanishes under the norm (v = 0, constant under LayerNorm) the output stays LN(h).
    Tolerance: one division by a root of a mean of d squares."""
    stays, allowed, normed = _output(case, numbers(case.h)), _rounding(case, 0.0), case.normed
    yield compare("limit", stays, far_out=(_far(case, 1), 1e-40 * (1 + abs(max(stays)))))
    for sign in (-1, 1):
        yield compare("limit", stays, engine=(normed.limit(sign), allowed))
    yield claim("v is invisible", normed.inert)
    yield compare("output", stays, engine=(normed.output(case.alpha), allowed))


@reading("norm-limit/eps-of-v", norm_cases())
def eps_of_v(case: NormCase) -> Comparison:
    """LN_eps(h + alpha v) tends to LN_eps(v), with the eps of the model.
    Tolerance: a millionth: LN_eps(v) and the limit differ by sqrt(1 + eps / mean v^2).
    Instead (Prop. 4.1): it tends to LN_0(v): alpha drowns eps."""
    return compare("limit", _far(case, 1), of_v=(_output(case, numbers(case.v)), 1e-6))


@reading("norm-limit/constant-v", norm_cases(visible=False))
def constant_v(case: NormCase) -> Iterator[Comparison]:
    """The output of the norm forgets h, for every v.
    Tolerance: a millionth.
    Instead (Prop. 4.1): not where v vanishes under the norm: LayerNorm and constant v, or v = 0."""
    if case.kind == "layer" and any(case.v):
        yield compare("limit", _far(case, 1), of_v=(_output(case, numbers(case.v)), 1e-6))


@certain.certificate("norm-limit", norm_cases())
def norm_limit_certificate(case: NormCase, balls: Balls) -> certain.Answers:
    """LN(h + alpha v) is within 2 sqrt(d) |P h| max gain/(|alpha| |P v|) of the limit the engine
    returns, and within the project's formula of that bound, give or take 8 EPS of the limit's size
    and 8 d EPS of the formula's; eps = 0, at the alpha of the instance."""
    # Distances from exact h and v; instances with eps > 0 are taken at eps = 0.
    h, v = (_projected_exactly(case, x) for x in (case.h, case.v))
    steered = [a + Fraction(case.alpha) * b for a, b in zip(h, v, strict=True)]
    # LN(0) is 0/0 at eps = 0, and no strength lies at alpha = 0.
    if not case.alpha or not any(steered):
        return
    d, limit = len(h), case.normed.limit(1 if case.alpha > 0 else -1).tolist()
    size = balls.sqrt(balls.exact(sum(x * x for x in steered) / d))
    apart = [
        balls.exact(g) * balls.exact(x) / size + balls.exact(b) - balls.exact(y)
        for g, x, b, y in zip(case.gain, steered, case.bias, limit, strict=True)
    ]
    distance = balls.total(x * x for x in apart)
    reach = Fraction(4 * d * sum(x * x for x in h)) / sum(x * x for x in v)
    bound = balls.sqrt(balls.exact(reach)) * balls.exact(max(case.gain)) if any(h) else 0
    formula = Fraction(float(case.normed.bound(case.alpha))) * (1 + Fraction(8 * d * EPS))
    rounding = balls.exact(
        8 * EPS * sum(abs(y) + abs(b) for y, b in zip(limit, case.bias, strict=True))
    )
    for allowed in (
        bound / balls.exact(abs(case.alpha)) + rounding,
        balls.exact(formula) + rounding,
    ):
        yield balls.positive(allowed * allowed - distance)


def _projected_exactly(case: NormCase, vector: Sequence[float]) -> list[Fraction]:
    """P h or P v, exactly."""
    x = [Fraction(a) for a in vector]
    centre = sum(x, start=Fraction(0)) / len(x) if case.kind == "layer" else Fraction(0)
    return [a - centre for a in x]
