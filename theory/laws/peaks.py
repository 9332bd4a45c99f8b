"""One bump per token: Thm 3.3, its order and its monotone exceptions.

The reciprocal 1/p_α(z) is a sum of exponentials, hence strictly convex: one bump in one line.
`peak` and `monotone` need neither Assumption 1 nor a trained model; `peak-order` adds the sign
separation of the log-odds.
"""

from __future__ import annotations

from sympy import Derivative, Expr, IndexedBase, Integer, Sum, Symbol, exp, log, oo

from steering_strength.theory.laws.assumptions import ASSUMPTION_1
from steering_strength.theory.laws.kernel import Fact, Let, Sign, Split
from steering_strength.theory.laws.law import Appeal, Identity, Inequality, Law, Limit
from steering_strength.theory.laws.limits import tilted_at
from steering_strength.theory.laws.notation import define
from steering_strength.theory.laws.symbols import (
    K,
    M,
    V,
    alpha,
    mean,
    over_tokens,
    p,
    tilted,
    variance,
    x,
    y,
    z,
)
from steering_strength.theory.laws.tilting import AT_MAXIMUM, gap, s, top

__all__ = ["MONOTONE", "PEAK", "PEAK_ORDER"]

# Tokens sorted by M around the token z: those level with it, those above, those below.
level = Symbol("|E|", integer=True, positive=True)  # E: tokens with M_y = M_z, z among them
above = Symbol("|U|", integer=True, positive=True)  # U: tokens with M_y = M_z + u_y
below = Symbol("|L|", integer=True, positive=True)  # L: tokens with M_y = M_z - w_y
u = IndexedBase("u", positive=True)
w = IndexedBase("w", positive=True)
m_z = M[z]
_BLOCKS = (
    Split(Integer(0), level, V - 1),
    Split(level, level + above, V - 1),
    Let(M[y], m_z, y, Integer(0), level - 1),
    Let(M[y], m_z + u[y], y, level, level + above - 1),
    Let(M[y], m_z - w[y], y, level + above, V - 1),
    Sign(V - level - above, strict=True),
)


def _in_blocks(of_level: Expr, of_above: Expr, of_below: Expr) -> Expr:
    """Sum over E, U and L."""
    return (
        Sum(of_level, (y, 0, level - 1))
        + Sum(of_above, (y, level, level + above - 1))
        + Sum(of_below, (y, level + above, V - 1))
    )


reciprocal = define(
    "reciprocal",
    (z, alpha),
    _in_blocks(p[y], p[y] * exp(alpha * u[y]), p[y] * exp(-alpha * w[y])) / p[z],
    text="g_{0}({1})",
    latex="g_{{{0}}}({1})",
)
star = Symbol("alpha_z", real=True)  # the peak of token z
AT_PEAK = Fact(
    over_tokens(p[y] * exp(star * M[y]) * M[y], y), M[z] * over_tokens(p[y] * exp(star * M[y]), y)
)
divergence = define(
    "divergence",
    (alpha,),
    over_tokens(tilted(y, alpha) * log(tilted(y, alpha) / p[y]), y),
    text="KL(p_{0}‖p)",
    latex=r"\mathrm{{KL}}(p_{{{0}}}\,\|\,p)",
)

# two other levels: tokens above by s with mass P_+, below by t with mass P_-
up, down = (Symbol(n, positive=True) for n in ("s", "t"))
mass_up, mass_down = (Symbol(n, positive=True) for n in ("P_+", "P_-"))
explicit = define(
    "explicit",
    (),
    log(mass_down * down / (mass_up * up)) / (up + down),
    text="α_z",
    latex=r"\alpha_{{z}}",
)
_others = define(
    "others",
    (alpha,),
    mass_up * exp(alpha * up) + mass_down * exp(-alpha * down),
    text="R({0})",
    latex="R({0})",
)

_stationary = Identity(
    Derivative(tilted(z, alpha), alpha),
    tilted(z, alpha) * (M[z] - Derivative(K(alpha), alpha)),
    reason="`slope` with `mean-slope`; p_α(z) > 0, so the slope vanishes where K'(α) = M_z",
)
PEAK = Law(
    id="peak",
    title="Every token between the extremes of M bumps exactly once",
    source="arXiv:2602.02712, Thm 3.3 (bump behaviour)",
    paper="For z neither at max M nor at min M there is one α_(j,z) with Δp(z|c_j, α) strictly "
    "increasing before and strictly decreasing after.",
    sharper="No Assumption 1 or 2 is needed. The peak solves K'(α) = M(z); 1/p_α(z) is strictly "
    "convex; the log of the gain at the peak is the Legendre transform of K at M(z), which is "
    "KL(p_α* ‖ p); with two other levels of M the peak is explicit; the peak is a strictly "
    "increasing function of M(z) alone.",
    assumptions=(),
    statement=_stationary,
    steps=(
        _stationary,
        Identity(
            1 / tilted(z, alpha),
            reciprocal(z, alpha),
            reason="divide by p_z e^(α M_z); E holds the tokens level with z, U those above it by "
            "u_y > 0, L those below it by w_y > 0; z is interior, so U and L are not empty",
            given=_BLOCKS,
        ),
        Identity(
            Derivative(reciprocal(z, alpha), (alpha, 2)),
            (
                Sum(p[y] * u[y] ** 2 * exp(alpha * u[y]), (y, level, level + above - 1))
                + Sum(p[y] * w[y] ** 2 * exp(-alpha * w[y]), (y, level + above, V - 1))
            )
            / p[z],
            reason="differentiate twice",
            given=_BLOCKS,
        ),
        Inequality(
            Sum(p[y] * u[y] ** 2 * exp(alpha * u[y]), (y, level, level + above - 1))
            + Sum(p[y] * w[y] ** 2 * exp(-alpha * w[y]), (y, level + above, V - 1)),
            Integer(0),
            reason="positive terms, at least two of them",
            given=_BLOCKS,
        ),
        Limit(
            reciprocal(z, alpha),
            oo,
            variable=alpha,
            reason="the terms of U grow without bound, the others are bounded",
            given=_BLOCKS,
        ),
        Limit(
            reciprocal(z, alpha),
            oo,
            variable=alpha,
            end=-oo,
            reason="the terms of L grow without bound, the others are bounded",
            given=_BLOCKS,
        ),
        Appeal(
            principle="strict convexity",
            conclusion="1/p_α(z) strictly falls to one minimum and strictly rises after it",
            premises=(2, 3, 4, 5, 6),
        ),
        Appeal(
            principle="reciprocal",
            conclusion="p_α(z), hence Δp(z|α), strictly rises to one peak α_z and strictly falls "
            "after it; by (1) the peak solves K'(α_z) = M_z",
            premises=(1, 7),
        ),
        Identity(
            log(tilted(z, star) / p[z]),
            star * M[z] - K(star),
            reason="height of the peak, from the tilting law",
        ),
        Identity(
            Derivative(alpha * M[z] - K(alpha), alpha),
            M[z] - mean(alpha),
            reason="so the concave function α M_z - K(α) is largest at α_z: its value there is the "
            "Legendre transform K*(M_z)",
        ),
        Identity(
            divergence(star),
            star * M[z] - K(star),
            reason="at the peak E_α[M] = M_z: the log-gain is the divergence of p_α from p",
            given=(AT_PEAK,),
        ),
        Identity(
            Derivative(_others(alpha), alpha),
            exp(-alpha * down) * (mass_up * up * exp(alpha * (up + down)) - mass_down * down),
            reason="if the other tokens sit at M_z + s with mass P_+ and at M_z - t with mass P_-, "
            "then 1/p_α(z) is a constant plus R(α)/p_z",
        ),
        Identity(
            mass_up * up * exp(explicit() * (up + down)),
            mass_down * down,
            reason="so the peak is α_z = log(P_- t / (P_+ s)) / (s + t)",
        ),
        Inequality(
            variance(alpha),
            Integer(0),
            relation=">=",
            reason="K' does not fall; it strictly rises, as M is not constant (`mean-slope`)",
        ),
        Appeal(
            principle="inverse of an increasing function",
            conclusion="α_z = (K')⁻¹(M_z) is a strictly increasing function of M_z: equal M, equal "
            "peak; larger M, later peak",
            premises=(8, 14),
        ),
    ),
    builds_on=("tilting", "slope", "mean-slope"),
    twin="steering_strength.theory.engine.family.TiltedFamily.peaks",
    care="V = 2 has no token between the extremes, and constant M has no peak at all.",
)

# -- monotone ------------------------------------------------------------------------------

_at_top = define(
    "at_top",
    (z, alpha),
    (Sum(p[y], (y, 0, s - 1)) + Sum(p[y] * exp(-alpha * gap[y]), (y, s, V - 1))) / p[z],
    text="g_{0}({1})",
    latex="g_{{{0}}}({1})",
)
_falls = Inequality(
    Derivative(_at_top(z, alpha), alpha),
    Integer(0),
    relation="<",
    reason="positive terms with a minus sign; M is not constant, so there is at least one",
    given=AT_MAXIMUM,
)
MONOTONE = Law(
    id="monotone",
    title="Tokens at the extremes of M move one way only",
    source="arXiv:2602.02712, Thm 3.3 (monotonous behaviour)",
    paper="Δp is strictly increasing for z in T at max M, strictly decreasing for z outside T at "
    "min M.",
    sharper="For any p and any non-constant M: tokens at max M strictly increase on the whole "
    "line (peak +∞), tokens at min M strictly decrease (peak -∞).",
    assumptions=(),
    statement=_falls,
    steps=(
        Identity(
            1 / tilted_at(z, top),
            _at_top(z, alpha),
            reason="for a token with M_z = m = max M, divide by p_z e^(α m)",
            given=AT_MAXIMUM,
        ),
        _falls,
        Appeal(
            principle="sign of the derivative",
            conclusion="1/p_α(z) strictly falls on the whole line",
            premises=(1, 2),
        ),
        Appeal(
            principle="reciprocal",
            conclusion="p_α(z) strictly rises on the whole line for z at max M",
            premises=(3,),
        ),
        Appeal(
            principle="relabelling",
            conclusion="with -α and -M: p_α(z) strictly falls on the whole line for z at min M",
            premises=(4,),
        ),
    ),
    builds_on=("tilting",),
    twin="steering_strength.theory.engine.family.TiltedFamily.peaks",
)

# -- peak-order ----------------------------------------------------------------------------

star_x = Symbol("alpha_x", real=True)  # the peak of token x
_AT_BOTH = (
    AT_PEAK,
    Fact(
        over_tokens(p[y] * exp(star_x * M[y]) * M[y], y),
        M[x] * over_tokens(p[y] * exp(star_x * M[y]), y),
    ),
)
tau = Symbol("tau", positive=True)  # M of a target token
omega = Symbol("omega", nonnegative=True)  # minus M of an off-target token
_means = Identity(
    mean(star) - mean(star_x),
    M[z] - M[x],
    reason="at its peak a token has the mean log-odds: K'(α_z) = M_z and K'(α_x) = M_x (`peak`)",
    given=_AT_BOTH,
)
PEAK_ORDER = Law(
    id="peak-order",
    title="Off-target tokens peak before target tokens",
    source="arXiv:2602.02712, Thm 3.3 (peak position)",
    paper="α_(j,x) < α_(j,z) for z in T and x outside T.",
    sharper="The order of peaks is the order of M, for every dataset; Assumption 1 only serves to "
    "put 0 between target and off-target tokens.",
    assumptions=(ASSUMPTION_1,),
    statement=_means,
    steps=(
        _means,
        Inequality(
            tau - (-omega),
            Integer(0),
            reason="positive: M_z = τ > 0 for z in T and M_x = -ω <= 0 for x outside "
            "(`sign-separation`)",
        ),
        Identity(
            Derivative(K(alpha), (alpha, 2)),
            variance(alpha),
            reason="K' strictly rises (`mean-slope`), since M takes the two values τ and -ω",
        ),
        Appeal(
            principle="inverse of an increasing function",
            conclusion="α_x = (K')⁻¹(M_x) < (K')⁻¹(M_z) = α_z where both are finite; an "
            "off-target token at min M has peak -∞ and a target token at max M has peak +∞, which "
            "keeps the order",
            premises=(1, 2, 3),
        ),
    ),
    builds_on=("sign-separation", "mean-slope", "peak", "monotone"),
    twin="steering_strength.theory.engine.family.TiltedFamily.peaks",
)
