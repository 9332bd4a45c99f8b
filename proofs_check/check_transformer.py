"""Transformers: the final norm (Prop. 4.1 of arXiv:2602.02712), and what is exact around it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from itertools import pairwise

import numpy as np

from steering_strength.proofs_check.balls import Ball, Balls
from steering_strength.proofs_check.certificate import (
    Certificate,
    agrees,
    certificate,
    every,
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
from steering_strength.proofs_check.instances import (
    NormCase,
    ReadoutCase,
    SmoothCase,
)
from steering_strength.proofs_check.law_values import Binding, law_sides, of_normed_texts
from steering_strength.proofs_check.oracles import norms, precise
from steering_strength.proofs_check.oracles.precise import CTX, Number, number, numbers
from steering_strength.proofs_check.simulation import log_softmax
from steering_strength.proofs_check.strategies import (
    norm_cases,
    readout_cases,
    smooth_cases,
)
from steering_strength.theory.engine import transformer

SAFETY_OF_SOFTMAX = 64 * EPS
"""Of a log-softmax of a handful of logits, besides that of the logits."""

__all__ = ["CERTIFICATES", "CHECKS"]


def _exact(case: NormCase) -> tuple[list[Number], list[Number], list[Number], list[Number], Number]:
    h, v, gain, bias = (numbers(x) for x in (case.h, case.v, case.gain, case.bias))
    return h, v, gain, bias, number(case.eps)


def _projected(case: NormCase, x: Sequence[Number]) -> list[Number]:
    return norms.centred(x) if case.kind == "layer" else list(x)


def _length(x: Sequence[Number]) -> Number:
    return CTX.sqrt(CTX.fsum(a * a for a in x))


def _rounding(case: NormCase, alpha: float) -> Number:
    """Error of LN(h + alpha v): rounding of h + alpha v, magnified where little of it is left."""
    h, v, gain, bias, eps = _exact(case)
    d = len(h)
    left = _length(_projected(case, norms.affine(h, v, number(alpha)))) + CTX.sqrt(d * eps)
    summands = _length(h) + abs(number(alpha)) * _length(v)
    if not left:
        return CTX.inf
    largest = max(gain) * CTX.sqrt(d)
    return 4 * d * EPS * (largest * (1 + summands / left) + max(abs(b) for b in bias))


@check(
    "norm-limit",
    cases=norm_cases(),
    tolerance="the direction of P v to EPS |v|/|P v|; at finite alpha the rounding of h + alpha v "
    "over what the norm leaves of it; expansions in 1/alpha are seen at alpha = 1e40",
    judges=(
        "NormedSteering.limit",
        "NormedSteering.output",
        "NormedSteering.rate",
        "NormedSteering.bound",
    ),
)
def norm_limit(case: NormCase) -> Comparison:
    """LN(h + alpha v) -> LN_0(+-v), the bias keeping its sign, at rate 1/|alpha| and no faster."""
    h, v, gain, bias, eps = _exact(case)
    normed = case.normed
    Pv, Ph = _projected(case, v), _projected(case, h)
    focus = _length(v) / _length(Pv)
    size = max(gain) * CTX.sqrt(len(h))
    comparisons = []
    for sign in (-1, 1):
        end = norms.far_output(h, v, case.kind, gain, bias, eps, sign)
        allowed = 8 * EPS * (size * focus * len(h) + max(abs(b) for b in bias))
        comparisons.append(
            compare(f"limit at {sign} inf", end, Value("engine", normed.limit(sign), allowed))
        )
        # alpha (LN - limit) as seen at alpha = 1e40 (|h| + 1)/|v|: the coefficient of 1/|alpha|.
        direction = norms.norm_output([sign * a for a in v], case.kind, gain, bias, number(0))
        comparisons.append(
            compare(f"limit at {sign} inf", end, Value("LN_0", direction, 1e-40 * (1 + size)))
        )
        alpha = CTX.mpf(10) ** 40 * (_length(h) + 1) / _length(v)
        there = norms.norm_output(norms.affine(h, v, sign * alpha), case.kind, gain, bias, eps)
        rate = [alpha * (a - b) for a, b in zip(there, direction, strict=True)]
        reach = size * (_length(h) + 1) / _length(Pv)
        comparisons.append(
            compare(
                f"coefficient of 1/|alpha| at {sign} inf",
                rate,
                Value("formula", normed.rate(), 8 * len(h) * EPS * reach * focus**2),
            )
        )
    alpha_here = case.alpha if case.alpha else 1.0
    left = _length(_projected(case, norms.affine(h, v, number(alpha_here))))
    if left or eps:
        here = norms.norm_output(norms.affine(h, v, number(alpha_here)), case.kind, gain, bias, eps)
        side = [(1 if alpha_here > 0 else -1) * a for a in v]
        end = norms.norm_output(side, case.kind, gain, bias, number(0))
        rounding = _rounding(case, alpha_here)
        comparisons.append(
            compare("LN(h + alpha v)", here, Value("engine", normed.output(alpha_here), rounding))
        )
        x = np.array(case.h) + alpha_here * np.array(case.v)
        x = x - x.mean() if case.kind == "layer" else x
        root = np.sqrt(np.mean(x**2) + case.eps)
        with np.errstate(invalid="ignore"):
            direct = np.array(case.gain) * (x / root) + np.array(case.bias)
        comparisons.append(compare("LN(h + alpha v)", here, Value("simulation", direct, rounding)))
        if not eps:
            distance = _length([a - b for a, b in zip(here, end, strict=True)])
            bound = number(float(normed.bound(alpha_here)))
            reach = 2 * CTX.sqrt(len(h)) * _length(Ph) / _length(Pv) * max(map(abs, gain))
            comparisons.append(
                compare(
                    "bound", reach / abs(alpha_here), Value("engine", bound, 1e-12 * bound * focus)
                )
            )
            comparisons.append(not_above("distance to the limit", distance, bound, 1e-13 * bound))
    d = len(h)
    A, B, C = (
        CTX.fsum(a * b for a, b in zip(*pair, strict=True)) / d
        for pair in ((Pv, Pv), (Ph, Pv), (Ph, Ph))
    )
    last = d - 1
    unscaled = Pv[last] / CTX.sqrt(A)
    binding = Binding({"A": A, "B": B, "C": C + eps, "x": last}, {"h": Ph, "v": Pv})
    far = binding.with_numbers(alpha=CTX.mpf(10) ** 45 * (_length(h) + 1) / _length(Pv))
    sides = law_sides("norm-limit", far, unscaled)
    return worst(
        [
            *comparisons,
            compare(
                "limit before gain and bias",
                unscaled,
                *(Value(v.name, v.value, 1e-40 * CTX.sqrt(d)) for v in sides),
            ),
        ]
    )


@check(
    "last-block",
    cases=norm_cases(),
    tolerance="logits to the rounding of the norm's output times |W|; the stationary point to the "
    "rounding of numerator and denominator over the denominator",
    judges=(
        "NormedSteering.last_block",
        "LastBlock.size",
        "LastBlock.logits",
        "LastBlock.log_probability",
        "LastBlock.slope",
        "LastBlock.stationary",
        "LastBlock.limit",
    ),
)
def last_block(case: NormCase) -> Comparison:
    """Logits (a + alpha b)/sqrt(Q(alpha)) + const, each stationary at (aB - bC)/(bB - aA) only."""
    h, v, gain, bias, eps = _exact(case)
    W = [numbers(row) for row in case.W]

    def logits(alpha: Number) -> list[Number]:
        return norms.logits(
            W, norms.norm_output(norms.affine(h, v, alpha), case.kind, gain, bias, eps)
        )

    def logit(z: int, alpha: Number) -> Number:
        return logits(alpha)[z]

    alpha = number(case.alpha)
    comparisons = []
    if _length(_projected(case, norms.affine(h, v, alpha))) or eps:
        rows = [CTX.fsum(abs(w) for w in row) for row in W]
        # Q = A alpha^2 + 2 B alpha + C is a difference of squares: twice the digits are lost.
        allowed = [4 * _rounding(case, case.alpha) * (1 + r) for r in rows]
        lost = _lost_squared(case, alpha)
        allowed = [a * lost for a in allowed]
        formula = case.last_block.logits(case.alpha)
        comparisons.append(compare("logits", logits(alpha), Value("formula", formula, allowed)))
        oracle = [CTX.log(p) for p in precise.softmax(logits(alpha))]
        twice = 2 * max(allowed) + SAFETY_OF_SOFTMAX
        said = case.last_block.log_probability(case.alpha)
        comparisons += [
            compare("log p_alpha", oracle, Value("formula", said, twice)),
            claim("V", case.last_block.size == len(W)),
        ]
    Ph, Pv = _projected(case, h), _projected(case, v)
    d = len(h)
    A, B, C = (
        CTX.fsum(a * b for a, b in zip(*pair, strict=True)) / d
        for pair in ((Pv, Pv), (Ph, Pv), (Ph, Ph))
    )
    C += eps
    if A:
        comparisons += _plateau(case, W, gain, bias, Pv)
    if A * C - B * B == 0:  # h is a multiple of v: the logits are steps, with nothing to look at
        return worst(comparisons)
    turns = case.last_block.stationary()
    for z, row in enumerate(W):
        a = CTX.fsum(w * g * x for w, g, x in zip(row, gain, Ph, strict=True))
        b = CTX.fsum(w * g * x for w, g, x in zip(row, gain, Pv, strict=True))
        size = CTX.fsum(abs(w) for w in row) * max(gain)
        steepness = b * B - a * A
        noise = 8 * d * EPS * size * (_length(Ph) * A + _length(Pv) * abs(B))
        if abs(steepness) <= 4 * noise:
            continue  # no stationary point, or one that float64 cannot tell from infinity
        above = 8 * d * EPS * size * (_length(Ph) * abs(B) + _length(Pv) * C)
        turn = number(float(turns[z]))
        width = 2 * (above + abs(turn) * noise) / abs(steepness) + 4 * EPS * abs(turn)
        span = CTX.sqrt(C / A)
        slopes = [
            precise.derivative(partial(logit, z), turn + side * width, span) for side in (-1, 1)
        ]
        comparisons.append(
            claim(f"logit {z} turns at {float(turn)}", bool(slopes[0] * slopes[1] < 0))
        )
        grid = [turn + span * CTX.sinh(k) * CTX.mpf("1e-3") for k in range(-12, 13)]
        curve = [logits(t)[z] for t in grid]
        moves = [CTX.sign(q - p) for p, q in pairwise(curve)]
        comparisons.append(
            claim(
                f"logit {z} has one stationary point",
                sum(p != q for p, q in pairwise(moves)) <= 1,
            )
        )
        binding = Binding({"A": A, "B": B, "C": C, "alpha": alpha, "z": 0}, {"a": [a], "b": [b]})
        Q = A * alpha**2 + 2 * B * alpha + C
        if Q > 0:
            slope = precise.derivative(partial(logit, z), alpha, span)
            parts = size * (_length(Ph) * (A * abs(alpha) + abs(B)) + _length(Pv) * abs(B * alpha))
            parts = (parts + size * _length(Pv) * C) / Q ** number("1.5")
            found = case.last_block.slope(case.alpha)[z]
            noisy = 64 * d * EPS * parts * _lost_squared(case, alpha)
            comparisons.append(
                compare("engine's slope of a logit", slope, Value("engine", found, noisy))
            )
            sides = law_sides("last-block", binding, slope)
            scale = 1 + (abs(a) + abs(alpha * b)) * (abs(B) + abs(C) + A) / Q**2
            comparisons.append(
                compare(
                    "slope of a logit",
                    slope,
                    *(Value(v.name, v.value, 1e-25 * scale) for v in sides),
                )
            )
    return worst(comparisons)


def _plateau(
    case: NormCase,
    W: list[list[Number]],
    gain: list[Number],
    bias: list[Number],
    direction: list[Number],
) -> list[Comparison]:
    """log p at alpha -> +-inf: the log-softmax of the unembedded norm of +-v."""
    found = []
    root = CTX.sqrt(CTX.fsum(x * x for x in direction) / len(direction))
    focus = _length(numbers(case.v)) / _length(direction)
    for sign in (-1, 1):
        end = [g * sign * x / root + b for g, x, b in zip(gain, direction, bias, strict=True)]
        oracle = [CTX.log(p) for p in precise.softmax(norms.logits(W, end))]
        size = max(CTX.fsum(abs(w) for w in row) for row in W)
        largest = max(gain) * CTX.sqrt(len(end)) * focus + max(abs(b) for b in bias)
        allowed = 32 * len(end) * EPS * (1 + size * largest)
        said = Value("engine", case.last_block.limit(sign), allowed)
        found.append(compare(f"log p at {sign} inf", oracle, said))
    return found


def _lost_squared(case: NormCase, alpha: Number) -> Number:
    """(|h| + |alpha v|)^2 over what is left of their square sum: the cancellation inside Q."""
    h, v, _, _, eps = _exact(case)
    summands = (_length(h) + abs(alpha) * _length(v)) ** 2
    left = _length(_projected(case, norms.affine(h, v, alpha))) ** 2 + len(h) * eps
    return 1 + summands / left


@check(
    "final-norm",
    cases=readout_cases(),
    tolerance="logits are float64 products of length d: M and log p err by d EPS |W||h|",
    judges=("readout_family",),
)
def final_norm(case: ReadoutCase) -> Comparison:
    """Steering the input of the unembedding tilts exactly, for any texts, bias, and |P| != |N|."""
    states = [numbers(state) for state in case.states]
    W, bias = [numbers(row) for row in case.W], numbers(case.bias)
    d, alpha = len(states[0]), number(case.alpha)

    def average(texts: Sequence[int], k: int) -> Number:
        return CTX.fsum(states[i][k] for i in texts) / len(texts)

    v = [average(case.positive, k) - average(case.negative, k) for k in range(d)]
    steered = norms.logits(W, norms.affine(states[case.context], v, alpha))
    after = precise.softmax([a + b for a, b in zip(steered, bias, strict=True)])
    oracle = [CTX.log(x) for x in after]
    size = max(CTX.fsum(abs(w) for w in row) for row in W)
    largest = max(abs(x) for state in states for x in state)
    # Log-probabilities reach twice the largest logit; M is a difference of two such means.
    noise = 8 * (d + 4) * EPS * (1 + size * largest + max(abs(b) for b in bias))
    allowed = noise * (1 + 4 * abs(alpha))
    family = case.family
    h, V = np.array(case.states), np.array(case.W)
    vector = h[list(case.positive)].mean(axis=0) - h[list(case.negative)].mean(axis=0)
    simulated = log_softmax((h[case.context] + case.alpha * vector) @ V.T + np.array(case.bias))
    x = len(W) - 1
    binding = of_normed_texts(case, states, W, bias)
    return worst(
        [
            compare(
                "log p_alpha",
                oracle,
                Value("engine", family.log_probability(case.alpha), allowed),
                Value("simulation", simulated, allowed),
            ),
            compare("p_alpha", after[x], *law_sides("final-norm", binding, after[x], x=x)),
        ]
    )


def _smooth_logits(case: SmoothCase, j: int, alpha: Number) -> list[Number]:
    """W tanh(A (h_j + alpha v)): any layer of any model, as far as the laws are concerned."""
    x = norms.affine(numbers(case.states[j]), numbers(case.v), alpha)
    hidden = [CTX.tanh(a) for a in norms.logits([numbers(row) for row in case.A], x)]
    return norms.logits([numbers(row) for row in case.W], hidden)


@check(
    "local",
    cases=smooth_cases(),
    tolerance="derivatives of the logits are difference quotients good to 30 digits, rounded once; "
    "then a variance and two means in float64",
    weight=0.5,
    judges=("local_divergence", "local_cross_entropy"),
)
def local(case: SmoothCase) -> Comparison:
    """At any layer KL(p_0||p_alpha) = alpha^2/2 Var_p(M_loc) + O(alpha^3); likewise CE on text."""
    h = CTX.mpf(10) ** -30
    V = len(case.W)
    divergence, formula_kl, slope, bend = number(0), 0.0, number(0), number(0)
    formula_slope, formula_bend, size = 0.0, 0.0, number(1)
    for j, weight in enumerate(case.context_weights):
        before, here, after = (_smooth_logits(case, j, s * h) for s in (-1, 0, 1))
        first = [(b - a) / (2 * h) for a, b in zip(before, after, strict=True)]
        second = [(b - 2 * c + a) / h**2 for a, c, b in zip(before, here, after, strict=True)]
        p = [precise.softmax(logits) for logits in (before, here, after)]
        labels = numbers(case.labels[j])
        w = number(weight)
        divergence += w * precise.kl(p[1], p[2]) / h**2
        price = [-CTX.fsum(r * CTX.log(q) for r, q in zip(labels, row, strict=True)) for row in p]
        slope += w * (price[2] - price[0]) / (2 * h)
        bend += w * (price[2] - 2 * price[1] + price[0]) / h**2
        log_p = np.array([float(CTX.log(x)) for x in p[1]])
        M, curvature = np.array([float(x) for x in first]), np.array([float(x) for x in second])
        target = np.array([float(x) for x in labels])
        formula_kl += float(weight) * transformer.local_divergence(log_p, M)
        parts = transformer.local_cross_entropy(log_p, target, M, curvature)
        formula_slope += float(weight) * parts[0]
        formula_bend += float(weight) * parts[1]
        size += max(abs(x) for x in first) ** 2 + max(abs(x) for x in second)
        size += max(abs(x) for x in first)
    allowed = 16 * V * EPS * size + number("1e-25")
    return worst(
        [
            compare("KL / alpha^2", divergence, Value("formula", formula_kl, allowed)),
            compare("slope of CE", slope, Value("formula", formula_slope, allowed)),
            compare("curvature of CE", bend, Value("formula", formula_bend, allowed)),
            _local_law(case),
        ]
    )


def _local_law(case: SmoothCase) -> Comparison:
    """The law's statement for the first context, with its logits as the function ell(z, alpha)."""

    def ell(z: Number, alpha: Number) -> Number:
        return _smooth_logits(case, 0, alpha)[int(z)]

    labels = numbers(case.labels[0])
    h = CTX.mpf(10) ** -30

    def price(alpha: Number) -> Number:
        p = precise.softmax(_smooth_logits(case, 0, alpha))
        return precise.kl(labels, p)

    at = number(case.states[0][0])
    oracle = (price(at + h) - 2 * price(at) + price(at - h)) / h**2
    binding = Binding({"V": len(case.W), "alpha": at}, {"r": labels, "ell": ell})
    sides = law_sides("local", binding, oracle)
    return compare("curvature of CE", oracle, *(Value(v.name, v.value, 1e-20) for v in sides))


@check(
    "norm-limit/eps-of-v",
    cases=norm_cases(),
    tolerance="a millionth: LN_eps(v) and the limit differ by sqrt(1 + eps / mean v^2)",
    expected=False,
)
def eps_of_v(case: NormCase) -> Comparison:
    """The limit of LN_eps(h + alpha v) is LN_eps(v), with the eps of the model."""
    h, v, gain, bias, eps = _exact(case)
    end = norms.far_output(h, v, case.kind, gain, bias, eps, 1)
    return compare(
        "limit", end, Value("LN_eps(v)", norms.norm_output(v, case.kind, gain, bias, eps), 1e-6)
    )


@check(
    "norm-limit/constant-v",
    cases=norm_cases(visible=False),
    tolerance="a millionth",
    expected=False,
)
def constant_v(case: NormCase) -> Comparison:
    """Prop. 4.1 for every v: the output forgets h (for LayerNorm and constant v it stays LN(h))."""
    if case.kind == "rms" or not any(case.v):
        return AGREED
    h, v, gain, bias, eps = _exact(case)
    end = norms.far_output(h, v, case.kind, gain, bias, eps, 1)
    return compare(
        "limit", end, Value("LN(v)", norms.norm_output(v, case.kind, gain, bias, eps), 1e-6)
    )


@check(
    "norm-limit/invisible",
    cases=norm_cases(visible=False),
    tolerance="one division by a root of a mean of d squares",
    judges=("NormedSteering.inert", "NormedSteering.limit"),
)
def invisible(case: NormCase) -> Comparison:
    """Where v vanishes under the norm (v = 0, constant under LayerNorm) the output stays LN(h)."""
    h, v, gain, bias, eps = _exact(case)
    stays = norms.norm_output(h, case.kind, gain, bias, eps)
    allowed = _rounding(case, 0.0)
    normed = case.normed
    far = norms.far_output(h, v, case.kind, gain, bias, eps, 1)
    return worst(
        [
            compare("limit", stays, Value("far out", far, 1e-40 * (1 + abs(max(stays))))),
            *(compare("limit", stays, Value("engine", normed.limit(s), allowed)) for s in (-1, 1)),
            claim("v is invisible", normed.inert),
            compare("output", stays, Value("engine", normed.output(case.alpha), allowed)),
        ]
    )


CHECKS: tuple[Check, ...] = (
    norm_limit,
    last_block,
    final_norm,
    local,
    invisible,
    eps_of_v,
    constant_v,
)


# Certificates: ball arithmetic, no tolerance


@certificate(
    "norm-limit",
    "LN(h + alpha v) is within 2 sqrt(d) |P h| max gain/(|alpha| |P v|) of the limit the engine "
    "returns, and within the project's formula of that bound, give or take 8 EPS of the limit's "
    "size and 8 d EPS of the formula's; eps = 0, at the alpha of the instance",
    norm_cases(),
)
def norm_limit_certificate(case: NormCase, balls: Balls) -> bool | None:
    """Distances from exact h and v; instances with eps > 0 are taken at eps = 0."""
    h, v = _projected_exactly(case)
    steered = [a + Fraction(case.alpha) * b for a, b in zip(h, v, strict=True)]
    # LN(0) is 0/0 at eps = 0, and no strength lies at alpha = 0.
    if not case.alpha or not any(steered):
        return True
    d, sign = len(h), 1 if case.alpha > 0 else -1
    limit = case.normed.limit(sign).tolist()
    size = balls.sqrt(_square_in_balls([balls.exact(x) for x in steered], balls) / d)
    here = [
        balls.exact(g) * balls.exact(x) / size + balls.exact(b)
        for g, x, b in zip(case.gain, steered, case.bias, strict=True)
    ]
    distance = _square_in_balls(
        [x - balls.exact(y) for x, y in zip(here, limit, strict=True)], balls
    )
    reach = [_square_in_balls([balls.exact(x) for x in vector], balls) for vector in (h, v)]
    alpha, largest = balls.exact(abs(case.alpha)), balls.exact(max(case.gain))
    bound = balls.sqrt(4 * d * reach[0] / reach[1]) * largest / alpha if any(h) else 0
    rounding = balls.exact(
        8 * EPS * sum(abs(y) + abs(b) for y, b in zip(limit, case.bias, strict=True))
    )
    formula = balls.exact(
        Fraction(float(case.normed.bound(case.alpha))) * (1 + Fraction(8 * d * EPS))
    )
    return every(
        [
            agrees(balls.sign(allowed * allowed - distance), 1)
            for allowed in (bound + rounding, formula + rounding)
        ]
    )


def _square_in_balls(x: list[Ball], balls: Balls) -> Ball:
    return balls.total([a * a for a in x])


def _projected_exactly(case: NormCase) -> tuple[list[Fraction], list[Fraction]]:
    """P h and P v, exactly."""
    result = []
    for vector in (case.h, case.v):
        x = [Fraction(a) for a in vector]
        centre = sum(x, start=Fraction(0)) / len(x) if case.kind == "layer" else Fraction(0)
        result.append([a - centre for a in x])
    return result[0], result[1]


CERTIFICATES: tuple[Certificate, ...] = (norm_limit_certificate,)
