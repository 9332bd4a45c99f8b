"""What shapes a concept's probability can take: as many turns as its share across levels of M.

The paper names three behaviours. The full classification reads them off the share of the concept
among the tokens of each level of M: steering does not change the shares, it only moves weight to
higher levels, and such averaging never adds turns. The proof takes one level at a time: seen from
the lowest one, the slope of the curve has the signs of a function whose own slope has those of the
curve over one level less. The formal proof (`proofs_check/formal/extrema.v`) goes the same way.
"""

from __future__ import annotations

from sympy import Derivative, Expr, IndexedBase, Integer, Symbol, exp, oo

from steering_strength.theory.laws.claims import Claim, Identity, Inequality, Limit
from steering_strength.theory.laws.concept import CONCEPT_MONOTONE, CONCEPT_ODE
from steering_strength.theory.laws.kernel import Fact, Let, Sign, Split, Sum
from steering_strength.theory.laws.law import Law
from steering_strength.theory.laws.notation import define
from steering_strength.theory.laws.order_rules import substituted
from steering_strength.theory.laws.rules import derivative_sign
from steering_strength.theory.laws.sign_rules import (
    extrema,
    few_extrema,
    level_by_level,
    rolle,
    same_signs,
)
from steering_strength.theory.laws.symbols import alpha, p
from steering_strength.theory.laws.tilting import SLOPE

n = Symbol("n", integer=True, positive=True)  # number of distinct levels of M
l, k, i = (Symbol(c, integer=True) for c in "lki")  # noqa: E741 - levels are numbered l
level = IndexedBase("m", real=True)  # m_0 < m_1 < ... < m_(n-1)
g = IndexedBase("g", positive=True)  # probability of the level at strength 0
rho = IndexedBase("rho", nonnegative=True)  # share of C in the level
c = Symbol("c", real=True)
C_in = IndexedBase("c", integer=True, nonnegative=True)  # tokens of C in the level, numbered first
size = IndexedBase("s", integer=True, positive=True)  # tokens in the level
delta = Symbol("delta", positive=True)
e, h = (IndexedBase(name, positive=True) for name in ("e", "h"))  # gaps between levels
_LAST = n - 1
_0, _1, _2 = Integer(0), Integer(1), Integer(2)


def levels(term: Expr, first: Expr = _0, last: Expr = _LAST) -> Sum:
    """Sum over the levels of M, or over those from `first` to `last`."""
    return Sum(term, (l, first, last))


def mass_of(term: Expr, first: Expr = _0) -> Expr:
    """Sum over levels under the steered weights."""
    return levels(term * g[l] * exp(alpha * level[l]), first)


_gap = level[l] - level[0]
mass = define("Z", (alpha,), mass_of(_1))
F = define("F", (alpha,), mass_of(rho[l]) / mass_of(_1), latex="F_C({0})")
F_above = define(
    "F_above", (alpha,), mass_of(rho[l] * _gap, _1) / mass_of(_gap, _1), latex="F_1({0})"
)
pull = define(
    "pull",
    (alpha,),
    exp(-alpha * level[0]) * (F_above(alpha) * mass(alpha) - mass_of(rho[l])),
    latex="G({0})",
)
held = define("held", (), levels(C_in[l]), latex="|C|")

# -- by level ------------------------------------------------------------------------------------

_by_level = Identity(
    levels(Sum(p[l, i] * exp(alpha * level[l]), (i, 0, C_in[l] - 1)))
    / levels(Sum(p[l, i] * exp(alpha * level[l]), (i, 0, size[l] - 1))),
    F(alpha),
    reason=r"number the tokens by level, those of $C$ first: $g_l$ is the probability of level $l$ "
    r"at $\alpha = 0$, $\rho_l$ the share of $C$ in it; steering multiplies all tokens of a level "
    r"by the same $e^{\alpha m_l}$, so it does not change $\rho$, and $F_C$ is a mean of $\rho$",
    given=(
        Fact(Sum(p[l, i], (i, 0, size[l] - 1)), g[l], for_all=(l,)),
        Fact(Sum(p[l, i], (i, 0, C_in[l] - 1)), rho[l] * g[l], for_all=(l,)),
        Sign(size[l] - C_in[l], for_all=(l,)),
    ),
)
_against_a_level = Identity(
    F(alpha) - c,
    levels((rho[l] - c) * g[l] * exp(alpha * level[l])) / mass(alpha),
    reason="bring a constant $c$ under the same sum; the denominator is positive",
)

# -- one level less ------------------------------------------------------------------------------

_SEEN_FROM_BELOW = (
    Split(_0, _1, _LAST),
    Split(_1, _2, _LAST),
    Sign(n - 2),
    Let(level[l], level[0] + delta, l, _1, _1),
    Let(level[l], level[0] + delta + e[l], l, _2, _LAST),
)
_rate = mass_of(_gap, _1) * exp(alpha * level[0]) / mass(alpha) ** 2
_weight = exp(-alpha * level[0]) * mass(alpha)
_slope = Identity(
    Derivative(F(alpha), alpha),
    _rate * pull(alpha),
    reason=r"two levels or more: $F_1$ is the mean of $\rho$ over the levels above the lowest, "
    r"with weights $g_l (m_l - m_0)$ in place of $g_l$, and the curve is drawn towards it",
    given=_SEEN_FROM_BELOW,
)
_rate_positive = Inequality(_rate, 0, reason="positive terms", given=_SEEN_FROM_BELOW)
_pull_slope = Identity(
    Derivative(pull(alpha), alpha),
    _weight * Derivative(F_above(alpha), alpha),
    reason="the other terms cancel",
    given=_SEEN_FROM_BELOW,
)
_weight_positive = Inequality(_weight, 0, reason="positive terms")


def _from_below(term: Expr) -> Expr:
    """Sum over the levels, divided by the weight of the lowest."""
    at = {l: _1}
    return (
        term.xreplace({l: _0}) * g[0]
        + term.xreplace(at) * g[1] * exp(alpha * delta)
        + levels(term * g[l] * exp(alpha * (delta + e[l])), _2)
    )


def _above(term: Expr) -> Expr:
    return term.xreplace({l: _1}) * g[1] * delta + levels(
        term * g[l] * (delta + e[l]) * exp(alpha * e[l]), _2
    )


_pull_form = Identity(
    pull(alpha),
    _above(rho[l]) / _above(_1) * _from_below(_1) - _from_below(rho[l]),
    reason=r"divide by $e^{\alpha m_0}$ and, in $F_1$, by $e^{\alpha m_1}$",
    given=_SEEN_FROM_BELOW,
)
_pull_end = substituted(
    _pull_form,
    Limit(
        _pull_form.rhs,
        g[0] * (rho[1] - rho[0]),
        variable=alpha,
        end=-oo,
        reason="all but the lowest level vanish, and in $F_1$ all but the one above it",
        given=_SEEN_FROM_BELOW,
    ),
    reason="the limit of $G$",
)
_pulled = rolle(_pull_slope, _weight_positive, _pull_end, reason="$G$ comes from its limit")
_turned = same_signs(_slope, _rate_positive, _pulled, reason="$F_C'$ has the signs of $G$")
SLOPES = level_by_level(
    _turned, reason=r"the same for $F_1$, one level less, and so on: $F_C'$ and the steps of $\rho$"
)

# -- the ends ------------------------------------------------------------------------------------


def _end(side: int) -> tuple[Claim, ...]:
    """From which side F comes to the share of the last level: identity, limit, conclusion."""
    last, end = (_LAST, oo) if side > 0 else (_0, -oo)
    beyond = (k + 1, n - 2) if side > 0 else (_1, k - 1)  # shares that equal the last
    before = (_0, k - 1) if side > 0 else (k + 1, _LAST)
    cuts = (
        (Split(_0, k, _LAST), Split(k, k + 1, _LAST), Split(k + 1, _LAST, _LAST))
        if side > 0
        else (Split(_0, _1, _LAST), Split(_1, k, _LAST), Split(k, k + 1, _LAST))
    )
    room = (Sign(k), Sign(n - 2 - k)) if side > 0 else (Sign(k - 1), Sign(n - 1 - k), Sign(n - 2))
    given = (
        *cuts,
        *room,
        Let(rho[l], rho[last], l, *beyond),
        Let(level[l], level[last] - side * delta, l, k, k),
        Let(level[l], level[last] - side * (delta + e[l]), l, *before),
        Let(level[l], level[last] - side * h[l], l, *beyond),
    )
    decay = -side * alpha
    apart = (rho[k] - rho[last]) * g[k] + levels(
        (rho[l] - rho[last]) * g[l] * exp(decay * e[l]), *before
    )
    total = (
        g[last]
        + levels(g[l] * exp(decay * h[l]), *beyond)
        + g[k] * exp(decay * delta)
        + levels(g[l] * exp(decay * (delta + e[l])), *before)
    )
    form = Identity(
        exp(-decay * delta) * (F(alpha) - rho[last]),
        apart / total,
        reason=r"level $k$ is the last whose share differs from that of the top, at distance "
        r"$\delta$"
        if side > 0
        else "at the other end, level $k$ is the first whose share differs from that of the bottom",
        given=given,
    )
    limit = Limit(
        apart / total,
        (rho[k] - rho[last]) * g[k] / g[last],
        variable=alpha,
        end=end,
        reason="the other terms vanish",
        given=given,
    )
    reason = (
        r"so $F_C \to \rho(\max M)$, from above if $\rho_k$ is larger and from below if smaller"
        if side > 0
        else r"so $F_C \to \rho(\min M)$, from the side of $\rho_k$"
    )
    return form, limit, substituted(form, limit, reason=reason)


_TOP, _BOTTOM = _end(1), _end(-1)
END, END_BELOW = _TOP[-1], _BOTTOM[-1]
TURNS = extrema(
    SLOPES,
    END,
    END_BELOW,
    reason=r"the first and the last step of $\rho$ that is not 0 say how $F_C$ begins and ends",
)
COUNT = few_extrema(
    TURNS, _by_level, held(), reason=r"$\rho_l$ is not 0 only where $C$ has a token"
)
_ordered = Inequality(
    Derivative(F(alpha), alpha),
    0,
    relation=">=",
    form=levels(
        Sum(
            g[l]
            * g[k]
            * exp(alpha * (level[l] + level[k]))
            * ((rho[l] - rho[k]) * (level[l] - level[k])),
            (k, 0, _LAST),
        )
    )
    / (2 * mass(alpha) ** 2),
    reason=r"monotone $\rho$: the slope is the covariance of $\rho$ and $M$, in pair form; with "
    r"$1 - \rho$ for $\rho$ if $\rho$ falls",
    given=(Sign((rho[l] - rho[k]) * (level[l] - level[k]), for_all=(l, k)),),
)
MONOTONE_SHARE = derivative_sign(_ordered, reason=r"$F_C$ is monotone if $\rho$ is")
CONCEPT_SHAPE = Law(
    id="concept-shape",
    title="A concept's probability turns no more often than its share across levels of $M$",
    source="sharpens arXiv:2602.02712, Thm 3.6 (prose: three distinct behaviours)",
    paper="Three behaviours: the target rises, a concept without extremal tokens dies at both "
    "ends, a concept at the bottom of $M$ falls.",
    sharper=r"Let $\rho(m)$ be the share of $C$ among the tokens with $M = m$. The number of "
    r"interior extrema of $F_C$ is at most the number of turns of $\rho$, and of the same parity; "
    r"so it is at most $2|C| - 1$. $F_C$ tends to $\rho(\max M)$ and $\rho(\min M)$, each from the "
    r"side of the nearest level whose share differs; monotone $\rho$ gives monotone $F_C$, a "
    r"weaker condition than $\max_C M \le \min_{\bar C} M$.",
    statement=_against_a_level,
    headline=(TURNS, COUNT, MONOTONE_SHARE, END, END_BELOW),
    steps=(_by_level, _against_a_level, COUNT, MONOTONE_SHARE),
    builds_on=(SLOPE, CONCEPT_ODE, CONCEPT_MONOTONE),
    twin="steering_strength.theory.engine.family.TiltedFamily.extrema_bound",
    care="Exactly three behaviours is false, also for equal concept sizes and inside the weighted "
    "family: a concept can bump twice, or fall, rise and fall. It is true if $M$ is constant on "
    "each concept.",
    formal=(
        (SLOPES, "concept_shape_slope in concept_shape.v"),
        (TURNS, "concept_shape_extrema in concept_shape.v"),
    ),
)
