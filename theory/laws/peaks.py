"""One bump per token: Thm 3.3, its order and its monotone exceptions.

The reciprocal 1/p_α(z) is a sum of exponentials, hence strictly convex: one bump in one line.
`peak` and `monotone` need neither Assumption 1 nor a trained model; `peak-order` adds the sign
separation of the log-odds.
"""

from __future__ import annotations

from sympy import Derivative, Expr, IndexedBase, Integer, Symbol, exp, log, oo

from steering_strength.theory.laws import order_rules, rules, tilting
from steering_strength.theory.laws.assumptions import ASSUMPTION_1
from steering_strength.theory.laws.claims import Identity, Inequality, Limit
from steering_strength.theory.laws.kernel import Fact, Let, Sign, Split, Sum
from steering_strength.theory.laws.law import Law
from steering_strength.theory.laws.notation import define
from steering_strength.theory.laws.shapes import Monotone
from steering_strength.theory.laws.symbols import (
    K,
    M,
    V,
    alpha,
    mean,
    over_tokens,
    p,
    tilted,
    x,
    y,
    z,
)
from steering_strength.theory.laws.tilting import (
    AT_MAXIMUM,
    AT_MINIMUM,
    MEAN_RISES,
    bottom,
    gap,
    s,
    tilted_at,
    top,
)

# Tokens sorted by M around the token z: those level with it, those above, those below.
level = Symbol("|E|", integer=True, positive=True)  # E: tokens with M_y = M_z, z among them
above = Symbol("|U|", integer=True, positive=True)  # U: tokens with M_y = M_z + u_y
below = Symbol("|L|", integer=True, positive=True)  # L: tokens with M_y = M_z - w_y
u = IndexedBase("u", positive=True)
w = IndexedBase("w", positive=True)
m_z = M[z]
_SIZES = (
    Split(Integer(0), level, V - 1),
    Split(level, level + above, V - 1),
    Sign(V - level - above, strict=True),
    Sign(z),
    Sign(level - 1 - z),
)
_BLOCKS = (
    *_SIZES,
    Let(M[y], m_z, y, Integer(0), level - 1),
    Let(M[y], m_z + u[y], y, level, level + above - 1),
    Let(M[y], m_z - w[y], y, level + above, V - 1),
)


def _in_blocks(of_level: Expr, of_above: Expr, of_below: Expr) -> Expr:
    """Sum over E, U and L."""
    return (
        Sum(of_level, (y, 0, level - 1))
        + Sum(of_above, (y, level, level + above - 1))
        + Sum(of_below, (y, level + above, V - 1))
    )


_reciprocal = define(
    "reciprocal",
    (z, alpha),
    _in_blocks(p[y], p[y] * exp(alpha * u[y]), p[y] * exp(-alpha * w[y])) / p[z],
    latex="g_{{{0}}}({1})",
)
star = Symbol("alpha_z", real=True)  # the peak of token z
AT_PEAK = Fact(
    over_tokens(p[y] * exp(star * M[y]) * M[y], y), M[z] * over_tokens(p[y] * exp(star * M[y]), y)
)
star_x = Symbol("alpha_x", real=True)  # the peak of token x
AT_X = Fact(
    over_tokens(p[y] * exp(star_x * M[y]) * M[y], y),
    M[x] * over_tokens(p[y] * exp(star_x * M[y]), y),
)
divergence = define(
    "divergence",
    (alpha,),
    over_tokens(tilted(y, alpha) * log(tilted(y, alpha) / p[y]), y),
    latex=r"\mathrm{{KL}}(p_{{{0}}}\,\|\,p)",
)

# two other levels: tokens above by s with mass P_+, below by t with mass P_-
up, down = (Symbol(n, positive=True) for n in ("s", "t"))
mass_up, mass_down = (Symbol(n, positive=True) for n in ("P_+", "P_-"))
explicit = define(
    "explicit", (), log(mass_down * down / (mass_up * up)) / (up + down), latex=r"\alpha_*"
)

_stationary = Identity(
    Derivative(tilted(z, alpha), alpha),
    tilted(z, alpha) * (M[z] - Derivative(K(alpha), alpha)),
    reason="`slope` with `mean-slope`",
)
_slope = Identity(
    Derivative(tilted(z, alpha), alpha),
    tilted(z, alpha) * (M[z] - mean(alpha)),
    reason="`slope`, in terms of the mean",
)
_form = Identity(
    1 / tilted(z, alpha),
    _reciprocal(z, alpha),
    reason=r"divide by $p_z e^{\alpha M_z}$; $E$ holds the tokens level with $z$, $U$ those above "
    r"it by $u_y > 0$, $L$ those below it by $w_y > 0$; $z$ is interior, so $U$ and $L$ are not "
    r"empty",
    given=_BLOCKS,
)
_curved = Inequality(
    Derivative(_reciprocal(z, alpha), (alpha, 2)),
    0,
    form=(
        Sum(p[y] * u[y] ** 2 * exp(alpha * u[y]), (y, level, level + above - 1))
        + Sum(p[y] * w[y] ** 2 * exp(-alpha * w[y]), (y, level + above, V - 1))
    )
    / p[z],
    reason="differentiate twice: positive terms, at least two of them",
    given=_SIZES,
)
_right = Limit(
    _reciprocal(z, alpha),
    oo,
    variable=alpha,
    reason="the terms of $U$ grow without bound, the others are bounded",
    given=_SIZES,
)
_left = Limit(
    _reciprocal(z, alpha),
    oo,
    variable=alpha,
    end=-oo,
    reason="the terms of $L$ grow without bound, the others are bounded",
    given=_SIZES,
)
_positive = Inequality(tilted(z, alpha), 0, reason="a quotient of positive terms")
_convex = rules.convexity(_curved)
_valley = rules.valley(_convex, _right, _left)
_one = rules.reciprocal(_form, _valley, _positive)
_at = rules.at_peak(_one, _slope, _positive)
delta_p = define(
    "delta_p", (z, alpha), tilted(z, alpha) - tilted(z, 0), latex=r"\Delta p({0}\,|\,{1})"
)
_shift = Identity(
    delta_p(z, alpha),
    tilted(z, alpha) - tilted(z, 0),
    reason=r"$\Delta p$ is $p_{\alpha}(z)$ minus its value at $\alpha = 0$",
)
BUMP = rules.affine(_shift, _at, reason=r"$\Delta p$ has the shape of $p_{\alpha}(z)$")
_height = Identity(
    log(tilted(z, alpha) / p[z]), alpha * M[z] - K(alpha), reason="from the tilting law"
)
here = Identity(
    mean(star), M[z], reason=r"let $\alpha_z$ be where the mean is $M_z$", given=(AT_PEAK,)
)
_transform = rules.largest(
    _at,
    _height,
    here,
    star,
    reason=r"so the log-gain at the peak is the Legendre transform $K^*(M_z)$, the largest value "
    r"of $\alpha M_z - K(\alpha)$",
)
_there = Identity(
    mean(star_x), M[x], reason=r"another token $x$, with its peak $\alpha_x$", given=(AT_X,)
)
ORDER = order_rules.reflected(
    MEAN_RISES,
    _there,
    here,
    reason="$K'$ strictly increases: the peak is a strictly increasing function of $M_z$ alone",
)
_TWO_LEVELS = (
    *_BLOCKS,
    Let(u[y], up, y, level, level + above - 1),
    Let(w[y], down, y, level + above, V - 1),
    Fact(Sum(p[y], (y, level, level + above - 1)), mass_up),
    Fact(Sum(p[y], (y, level + above, V - 1)), mass_down),
)
_balance = define(
    "balance", (alpha,), mass_up * up * exp(alpha * (up + down)) - mass_down * down, latex="n({0})"
)
_divisor = exp(alpha * down) * (
    Sum(p[y], (y, 0, level - 1)) + mass_up * exp(alpha * up) + mass_down * exp(-alpha * down)
)
_excess = Identity(
    mean(alpha) - M[z],
    _balance(alpha) / _divisor,
    reason="$U$ sits at $M_z + s$ with mass $P_{+}$, $L$ at $M_z - t$ with mass $P_{-}$",
    given=_TWO_LEVELS,
)
_divided = Inequality(_divisor, 0, reason="positive terms", given=_SIZES)
_where = rules.zero_where(_excess, _divided)
_balanced = Identity(_balance(explicit()), 0, reason=r"$e^{\alpha_* (s + t)} = P_{-} t/(P_{+} s)$")
_at_star = order_rules.specialised(_where, {alpha: explicit()})
_EXPLICIT = (
    _excess,
    _divided,
    _where,
    _balanced,
    _at_star,
    order_rules.detached(_at_star, _balanced, reason="so $\\alpha_*$ is the peak (13)"),
)
PEAK = Law(
    id="peak",
    title="Every token between the extremes of $M$ bumps exactly once",
    source="arXiv:2602.02712, Thm 3.3 (bump behaviour)",
    paper=r"For $z$ neither at $\max M$ nor at $\min M$ there is one $\alpha_{j,z}$ with $\Delta "
    r"p(z|c_j, \alpha)$ strictly increasing before and strictly decreasing after.",
    sharper=r"No Assumption 1 or 2 is needed. The peak solves $K'(\alpha) = M(z)$; "
    r"$1/p_{\alpha}(z)$ is strictly convex; the log of the gain at the peak is the Legendre "
    r"transform of $K$ at $M(z)$, which is $\mathrm{KL}(p_{\alpha_*} \| p)$; with two other levels "
    r"of $M$ the peak is explicit; the peak is a strictly increasing function of $M(z)$ alone.",
    headline=(BUMP, ORDER),
    steps=(
        _stationary,
        _slope,
        _form,
        _curved,
        _right,
        _left,
        _positive,
        _at,
        BUMP,
        _transform,
        Identity(
            divergence(star),
            star * M[z] - K(star),
            reason=r"at the peak $E_{\alpha}[M] = M_z$: the log-gain is the divergence of "
            r"$p_{\alpha}$ from $p$",
            given=(AT_PEAK,),
        ),
        *_EXPLICIT,
        ORDER,
    ),
    builds_on=(tilting.TILTING, tilting.SLOPE, tilting.MEAN_SLOPE),
    twin="steering_strength.theory.engine.family.TiltedFamily.peaks",
    care="$V = 2$ has no token between the extremes, and constant $M$ has no peak at all.",
    formal=((BUMP, "peak in peaks.v"), (ORDER, "peak_increasing in peaks.v")),
)

# -- monotone ------------------------------------------------------------------------------


def _extreme(side: int, letter: str, of_token: str, signs: str) -> Monotone:
    """A token at the end of this sign moves one way: 1/p is a sum of exponentials."""
    end, given = (top, AT_MAXIMUM) if side > 0 else (bottom, AT_MINIMUM)
    others = Sum(p[y] * exp(-side * alpha * gap[y]), (y, s, V - 1))
    inverse = define(
        "at_top" if side > 0 else "at_bottom",
        (z, alpha),
        (Sum(p[y], (y, 0, s - 1)) + others) / p[z],
        latex=f"{letter}_{{{{{{0}}}}}}({{1}})",
    )(z, alpha)
    relation = "<" if side > 0 else ">"
    slope = Inequality(Derivative(inverse, alpha), 0, relation=relation, reason=signs, given=given)
    form = Identity(1 / tilted_at(z, end), inverse, reason=of_token, given=given)
    positive = Inequality(tilted_at(z, end), 0, reason="a quotient of positive terms")
    moves: Monotone = rules.reciprocal(form, rules.derivative_sign(slope), positive)
    return moves


RISES = _extreme(
    1,
    "g",
    r"for a token with $M_z = m = \max M$, divide by $p_z e^{\alpha m}$",
    "positive terms with a minus sign; $M$ is not constant, so there is at least one",
)
FALLS = _extreme(
    -1,
    "h",
    r"for a token with $M_z = n = \min M$: $A = \operatorname{argmin} M$, $M_y = n + d_y$ "
    r"off $A$",
    "positive terms, at least one",
)
MONOTONE = Law(
    id="monotone",
    title="Tokens at the extremes of $M$ move one way only",
    source="arXiv:2602.02712, Thm 3.3 (monotonous behaviour)",
    paper=r"$\Delta p$ is strictly increasing for $z$ in $T$ at $\max M$, strictly decreasing for "
    r"$z$ outside $T$ at $\min M$.",
    sharper=r"For any $p$ and any non-constant $M$: tokens at $\max M$ strictly increase on the "
    r"whole line (peak $+\infty$), tokens at $\min M$ strictly decrease (peak $-\infty$).",
    statement=RISES.premises[1].premises[0],
    headline=(RISES, FALLS),
    steps=(RISES, FALLS),
    builds_on=(tilting.TILTING,),
    twin="steering_strength.theory.engine.family.TiltedFamily.rising",
    formal=((RISES, "monotone in peaks.v"), (FALLS, "monotone_decreasing in peaks.v")),
)

# -- peak-order ----------------------------------------------------------------------------

_means = Identity(
    mean(star) - mean(star_x),
    M[z] - M[x],
    reason=r"at its peak a token has the mean log-odds: $K'(\alpha_z) = M_z$ and $K'(\alpha_x) = "
    r"M_x$ (`peak`)",
    given=(AT_PEAK, AT_X),
)
_lower = Inequality(
    M[x],
    M[z],
    relation="<",
    reason=r"$M_z > 0$ for $z$ in $T$ and $M_x \le 0$ for $x$ outside (`sign-separation`)",
    given=(Sign(M[z], strict=True), Sign(-M[x])),
)
EARLIER = order_rules.detached(ORDER, _lower, reason="the off-target token peaks first")
PEAK_ORDER = Law(
    id="peak-order",
    title="Off-target tokens peak before target tokens",
    source="arXiv:2602.02712, Thm 3.3 (peak position)",
    paper=r"$\alpha_{j,x} < \alpha_{j,z}$ for $z$ in $T$ and $x$ outside $T$.",
    sharper="The order of peaks is the order of $M$, for every dataset; Assumption 1 only serves "
    "to put 0 between target and off-target tokens.",
    assumptions=(ASSUMPTION_1,),
    headline=(EARLIER,),
    steps=(_means, EARLIER),
    builds_on=(tilting.SIGN_SEPARATION, tilting.MEAN_SLOPE, PEAK, MONOTONE),
    twin="steering_strength.theory.engine.family.TiltedFamily.peaks",
    care=r"For tokens that have a peak; an off-target token at $\min M$ has peak $-\infty$ and a "
    r"target token at $\max M$ has peak $+\infty$ (`monotone`), which keeps the order.",
    formal=((EARLIER, "peak_order in separation.v"),),
)
