"""What shapes a concept's probability can take: as many turns as its share across levels of M.

The paper names three behaviours. The full classification reads them off the share ρ(m) of the
concept among the tokens with log-odds m: steering does not change ρ, it only moves weight to
higher levels, and such averaging never adds turns.
"""

from __future__ import annotations

from sympy import Derivative, Expr, IndexedBase, Integer, Sum, Symbol, exp, oo

from steering_strength.theory.laws.kernel import Let, Sign, Split
from steering_strength.theory.laws.law import Appeal, Identity, Inequality, Law, Limit
from steering_strength.theory.laws.notation import define
from steering_strength.theory.laws.symbols import M, V, alpha, p, y

__all__ = ["CONCEPT_SHAPE"]

n = Symbol("n", integer=True, positive=True)  # number of distinct levels of M
l, k = (Symbol(c, integer=True) for c in "lk")  # noqa: E741 - levels are numbered l
level = IndexedBase("m", real=True)  # m_0 < m_1 < ... < m_(n-1)
g = IndexedBase("g", positive=True)  # probability of the level at α = 0
rho = IndexedBase("rho", nonnegative=True)  # share of C in the level
coefficient = IndexedBase("a", real=True)
start = IndexedBase("a", nonnegative=True)
cut = Symbol("k", real=True)
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
# ρ as a staircase: ρ_l = ρ_0 + sum of the steps r_i with i < l, θ_(i,l) = 1 if i < l, else 0
i = Symbol("i", integer=True)
rise = IndexedBase("r", real=True)
theta = IndexedBase("theta", nonnegative=True)
bottom = Symbol("rho_0", real=True)
_STAIRCASE = (
    Let(
        rho[l],
        bottom + Sum(rise[i] * theta[i, l], (i, 0, n - 2)),
        l,
        Integer(0),
        n - 1,
    ),
)
flow = define(
    "flow",
    (i, alpha),
    levels(
        levels(
            g[l]
            * g[k]
            * exp(alpha * (level[l] + level[k]))
            * (theta[i, l] - theta[i, k])
            * (level[l] - level[k]),
            k,
        )
    )
    / (2 * mass(alpha) ** 2),
    text="w_{0}({1})",
    latex="w_{{{0}}}({1})",
)
_exponential_sum = levels(coefficient[l] * exp(alpha * level[l]))
weight = IndexedBase("q", positive=True)  # steered probability of a level
ordered = IndexedBase("s", nonnegative=True)  # (ρ_l - ρ_k)(m_l - m_k) >= 0 for monotone ρ

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
    reason="bring a constant c under the same sum; the denominator is positive",
)
CONCEPT_SHAPE = Law(
    id="concept-shape",
    title="A concept's probability turns no more often than its share across levels of M",
    source="sharpens arXiv:2602.02712, Thm 3.6 (prose: three distinct behaviours)",
    paper="Three behaviours: the target rises, a concept without extremal tokens dies at both "
    "ends, "
    "a concept at the bottom of M falls.",
    sharper="Let ρ(m) be the share of C among the tokens with M = m. The number of interior "
    "extrema "
    "of F_C is at most the number of turns of ρ, with the same parity, hence at most 2|C| - 1; "
    "F_C runs from ρ(min M) to ρ(max M); monotone ρ gives monotone F_C, a weaker condition than "
    "max_C M <= min outside.",
    assumptions=(),
    statement=_against_a_level,
    steps=(
        Identity(
            Sum(p[y] * exp(alpha * M[y]), (y, 0, size - 1))
            / Sum(p[y] * exp(alpha * M[y]), (y, 0, V - 1)),
            Sum(p[y], (y, 0, size - 1))
            / (Sum(p[y], (y, 0, size - 1)) + Sum(p[y], (y, size, V - 1))),
            reason="within the tokens of one level m, steering multiplies all by e^(α m): the "
            "share "
            "ρ(m) of C does not depend on α (V counts the tokens of the level here)",
            given=_ONE_LEVEL,
        ),
        Appeal(
            principle="relabelling",
            conclusion="group the tokens by level, m_0 < ... < m_(n-1), with probabilities g_l at "
            "α = 0 and shares ρ_l: F_C(α) = Σ_l ρ_l g_l e^(α m_l) / Σ_l g_l e^(α m_l), the "
            "expectation of ρ(M) under p_α",
            premises=(1,),
        ),
        _against_a_level,
        Identity(
            Derivative(exp(-cut * alpha) * _exponential_sum, alpha),
            exp(-cut * alpha) * levels(coefficient[l] * (level[l] - cut) * exp(alpha * level[l])),
            reason="for any real k; with k between the two levels of a sign change of (a_l), the "
            "factors m_l - k remove exactly that sign change",
        ),
        Appeal(
            principle="Rolle's theorem",
            conclusion="Σ_l a_l e^(α m_l) has at most one sign change more, as a function of α, "
            "than "
            "the sum with coefficients a_l (m_l - k)",
            premises=(4,),
        ),
        Inequality(
            levels(start[l] * exp(alpha * level[l])),
            Integer(0),
            relation=">=",
            reason="with no sign change in (a_l) there is none in α",
        ),
        Appeal(
            principle="induction",
            conclusion="Σ_l a_l e^(α m_l) changes sign at most as often as (a_l); so, by (3), F_C "
            "- c "
            "changes sign in α at most as often as ρ - c does in m, for every c",
            premises=(3, 5, 6),
        ),
        Identity(
            Derivative(F(alpha), alpha),
            Sum(rise[i] * flow(i, alpha), (i, 0, n - 2)),
            reason="the turns of F_C need more than the levels c: write ρ as a staircase with "
            "steps r_i = ρ_(i+1) - ρ_i, θ_(i,l) = 1 for l > i and 0 otherwise; w_i = d/dα P_α(M > "
            "m_i) is the rate at which mass crosses the step i",
            given=_STAIRCASE,
        ),
        Appeal(
            principle="total positivity",
            conclusion="no minor of w_i(α_j), i and α_j increasing, is negative",
            premises=(8,),
            reason="a minor of 1 and tails P_α(M > m_i), times the normalisers, is a sum of minors "
            "of e^(α m_l), so it is positive; row differences make it a minor of the integrals of "
            "w_i over adjacent intervals of α, which Fekete's lemma extends to any intervals",
        ),
        Appeal(
            principle="variation diminishing",
            conclusion="F_C' changes sign at most as often as the steps of ρ: F_C has at most as "
            "many interior extrema as ρ has turns",
            premises=(8, 9),
        ),
        Identity(
            Derivative(F(alpha), alpha),
            levels(
                levels(
                    g[l]
                    * g[k]
                    * exp(alpha * (level[l] + level[k]))
                    * (rho[l] - rho[k])
                    * (level[l] - level[k]),
                    k,
                )
            )
            / (2 * mass(alpha) ** 2),
            reason="the slope is the covariance of ρ and M, in pair form",
        ),
        Inequality(
            levels(levels(weight[l] * weight[k] * ordered[l, k], k)),
            Integer(0),
            relation=">=",
            reason="monotone ρ: every (ρ_l - ρ_k)(m_l - m_k) = s_(l,k) is non-negative (or every "
            "one "
            "non-positive); q stands for the steered probabilities",
        ),
        Appeal(
            principle="sign of the derivative",
            conclusion="F_C is monotone if ρ is, with no appeal to (10)",
            premises=(11, 12),
        ),
        Identity(
            exp(alpha * delta) * (_inside_top / _total_top - rho_top),
            _tail(alpha),
            reason="near +∞: the top level T, the next level N at distance δ below it, the rest at "
            "distance δ + e_l; divide by e^(α m_T)",
        ),
        Limit(
            _tail(alpha),
            (rho_next - rho_top) * next_mass / top_mass,
            variable=alpha,
            end=oo,
            reason="so F_C → ρ(max M), from above if ρ_N > ρ_T and from below if ρ_N < ρ_T; "
            "if ρ_N = ρ_T, take for N the next level where the share differs",
        ),
        Appeal(
            principle="counting turns",
            conclusion="same parity: F_C' has near +∞ the sign of the last step of ρ and near -∞ "
            "that "
            "of its first step, so extrema and turns differ by an even number; and ρ is positive "
            "on "
            "at most |C| levels, so it has at most |C| peaks and |C| - 1 valleys between them: "
            "2|C| - 1 turns",
            premises=(10, 15),
        ),
    ),
    builds_on=("slope", "concept-ode", "concept-monotone"),
    twin="steering_strength.theory.engine.family.TiltedFamily.concept_log_odds",
    care="Exactly three behaviours is false, also for equal concept sizes and inside the weighted "
    "family: a concept can bump twice, or fall, rise and fall. It is true if M is constant on each "
    "concept.",
)
