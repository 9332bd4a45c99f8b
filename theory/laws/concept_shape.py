"""What shapes a concept's probability can take: as many turns as its share across levels of M.

The paper names three behaviours. The full classification reads them off the share ρ(m) of the
concept among the tokens with log-odds m: steering does not change ρ, it only moves weight to
higher levels, and such averaging never adds turns.
"""

from __future__ import annotations

from sympy import Derivative, Expr, IndexedBase, Integer, Sum, Symbol, exp, oo

from steering_strength.theory.laws.claims import Identity, Inequality, Limit
from steering_strength.theory.laws.kernel import Let, Sign, Split
from steering_strength.theory.laws.law import Law
from steering_strength.theory.laws.notation import define
from steering_strength.theory.laws.rules import changes_of_sign, derivative_sign, substituted
from steering_strength.theory.laws.symbols import M, V, alpha, p, y

__all__ = ["CONCEPT_SHAPE"]

n = Symbol("n", integer=True, positive=True)  # number of distinct levels of M
l, k = (Symbol(c, integer=True) for c in "lk")  # noqa: E741 - levels are numbered l
level = IndexedBase("m", real=True)  # m_0 < m_1 < ... < m_(n-1)
g = IndexedBase("g", positive=True)  # probability of the level at α = 0
rho = IndexedBase("rho", nonnegative=True)  # share of C in the level
c = Symbol("c", real=True)


def levels(term: Expr, index: Symbol = l) -> Sum:
    """Sum over the levels of M."""
    return Sum(term, (index, 0, n - 1))


size = Symbol("|C|", integer=True, positive=True)
m = Symbol("m", real=True)
_ONE_LEVEL = (
    Split(Integer(0), size, V - 1),
    Let(M[y], m, y, Integer(0), size - 1),
    Let(M[y], m, y, size, V - 1),
    Sign(V - size),
)
mass = define(
    "mass",
    (alpha,),
    levels(g[l] * exp(alpha * level[l])),
    text="Σ_l g_l e^({0} m_l)",
    latex=r"\sum_l g_l e^{{{0} m_l}}",
    precedence=1,
)
F = define(
    "F",
    (alpha,),
    levels(rho[l] * g[l] * exp(alpha * level[l])) / levels(g[l] * exp(alpha * level[l])),
    text="F_C({0})",
    latex="F_C({0})",
)
RISING = Sign(level[l + 1] - level[l], strict=True, for_all=(l,))

# near +∞: the top level T, the next level below it at distance δ, the rest at δ + e_l
top_mass, next_mass = (Symbol(s, positive=True) for s in ("g_T", "g_N"))
rho_top, rho_next = (Symbol(s, nonnegative=True) for s in ("rho_T", "rho_N"))
delta = Symbol("delta", positive=True)
e = IndexedBase("e", positive=True)
further = Symbol("n'", integer=True, nonnegative=True)  # levels other than T and N


def _further(term: Expr) -> Sum:
    return Sum(term, (l, 0, further - 1))


_tail = define(
    "tail",
    (alpha,),
    ((rho_next - rho_top) * next_mass + _further((rho[l] - rho_top) * g[l] * exp(-alpha * e[l])))
    / (top_mass + next_mass * exp(-alpha * delta) + _further(g[l] * exp(-alpha * (delta + e[l])))),
    text="e^({0} δ) (F_C({0}) - ρ_T)",
    latex=r"e^{{{0} \delta}} \left(F_C({0}) - \rho_T\right)",
    precedence=1,
)
_total_top = (
    top_mass + next_mass * exp(-alpha * delta) + _further(g[l] * exp(-alpha * (delta + e[l])))
)
_inside_top = (
    rho_top * top_mass
    + rho_next * next_mass * exp(-alpha * delta)
    + _further(rho[l] * g[l] * exp(-alpha * (delta + e[l])))
)

_against_a_level = Identity(
    F(alpha) - c,
    levels((rho[l] - c) * g[l] * exp(alpha * level[l])) / mass(alpha),
    reason="bring a constant $c$ under the same sum; the denominator is positive",
)
_pairs = levels(
    levels(
        g[l]
        * g[k]
        * exp(alpha * (level[l] + level[k]))
        * ((rho[l] - rho[k]) * (level[l] - level[k])),
        k,
    )
) / (2 * mass(alpha) ** 2)
_definition = Identity(
    F(alpha),
    levels(rho[l] * g[l] * exp(alpha * level[l])) / levels(g[l] * exp(alpha * level[l])),
    reason=r"group the tokens by level, $m_0 < \dots < m_{n-1}$, with probabilities $g_l$ at "
    r"$\alpha = 0$ and shares $\rho_l$ of $C$: $F_C$ is the expectation of $\rho(M)$ under "
    r"$p_{\alpha}$",
    given=(RISING,),
)
TURNS = changes_of_sign(
    _definition, reason=r"$F_C$ has at most as many interior extrema as $\rho$ has turns"
)
_ordered = Inequality(
    Derivative(F(alpha), alpha),
    Integer(0),
    relation=">=",
    form=_pairs,
    reason=r"monotone $\rho$: the slope is the covariance of $\rho$ and $M$, in pair form; with $1 "
    r"- \rho$ for $\rho$ if $\rho$ falls",
    given=(Sign((rho[l] - rho[k]) * (level[l] - level[k]), for_all=(l, k)),),
)
MONOTONE_SHARE = derivative_sign(_ordered, reason=r"$F_C$ is monotone if $\rho$ is")
_close = Identity(
    exp(alpha * delta) * (_inside_top / _total_top - rho_top),
    _tail(alpha),
    reason=r"near $+\infty$: the top level $T$, the next level $N$ at distance $\delta$ below it, "
    r"the rest at distance $\delta + e_l$; divide by $e^{\alpha m_T}$",
)
_sign_at_end = Limit(
    _tail(alpha),
    (rho_next - rho_top) * next_mass / top_mass,
    variable=alpha,
    end=oo,
    reason="the numerator and the denominator have limits, the latter $g_T > 0$",
)
END = substituted(
    _close,
    _sign_at_end,
    reason=r"so $F_C \to \rho(\max M)$, from above if $\rho_N > \rho_T$ and from below if $\rho_N "
    r"< \rho_T$; if $\rho_N = \rho_T$, take for $N$ the next level where the share differs",
)
CONCEPT_SHAPE = Law(
    id="concept-shape",
    title="A concept's probability turns no more often than its share across levels of $M$",
    source="sharpens arXiv:2602.02712, Thm 3.6 (prose: three distinct behaviours)",
    paper="Three behaviours: the target rises, a concept without extremal tokens dies at both "
    "ends, a concept at the bottom of $M$ falls.",
    sharper=r"Let $\rho(m)$ be the share of $C$ among the tokens with $M = m$. The number of "
    r"interior extrema of $F_C$ is at most the number of turns of $\rho$; $F_C$ tends to "
    r"$\rho(\max M)$, from the side of the next level; monotone $\rho$ gives monotone $F_C$, a "
    r"weaker condition than $\max_C M \le \min_{\bar C} M$.",
    assumptions=(),
    statement=_against_a_level,
    headline=(TURNS, MONOTONE_SHARE, END),
    steps=(
        Identity(
            Sum(p[y] * exp(alpha * M[y]), (y, 0, size - 1))
            / Sum(p[y] * exp(alpha * M[y]), (y, 0, V - 1)),
            Sum(p[y], (y, 0, size - 1))
            / (Sum(p[y], (y, 0, size - 1)) + Sum(p[y], (y, size, V - 1))),
            reason=r"within the tokens of one level $m$, steering multiplies all by $e^{\alpha "
            r"m}$: the share $\rho(m)$ of $C$ does not depend on $\alpha$ ($V$ counts the tokens "
            r"of the level here)",
            given=_ONE_LEVEL,
        ),
        _definition,
        TURNS,
        _against_a_level,
        _ordered,
        MONOTONE_SHARE,
        _close,
        _sign_at_end,
        END,
    ),
    builds_on=("slope", "concept-ode", "concept-monotone"),
    twin="steering_strength.theory.engine.family.TiltedFamily.extrema_bound",
    care="Exactly three behaviours is false, also for equal concept sizes and inside the weighted "
    "family: a concept can bump twice, or fall, rise and fall. It is true if $M$ is constant on "
    "each concept. That extrema and turns have the same parity, and are at most $2|C| - 1$, "
    "follows by counting signs from the two ends and is checked on instances, not derived here.",
)
