"""The limit of steering: all mass on the extreme tokens, shared in proportion to p (Prop. B.1).

Our form is exact at every alpha, so it also says how fast: exponentially in the gap to the next
distinct level of M. Nothing is assumed of p and M; ties are ties only if exact.
"""

from __future__ import annotations

from sympy import Expr, IndexedBase, Integer, Rational, Sum, Symbol, exp

from steering_strength.theory.laws.kernel import Sign
from steering_strength.theory.laws.law import Appeal, Identity, Inequality, Law, Limit
from steering_strength.theory.laws.notation import define
from steering_strength.theory.laws.symbols import M, V, alpha, p, tilted, x, y, z
from steering_strength.theory.laws.tilting import AT_MAXIMUM, gap, s, top

__all__ = ["LIMIT"]

mass = define("P_A", (), Sum(p[y], (y, 0, s - 1)), text="P_A", latex="P_A")
rest = define(
    "R_A",
    (alpha,),
    Sum(p[y] * exp(-alpha * gap[y]), (y, s, V - 1)),
    text="R_A({0})",
    latex="R_A({0})",
)


NOT_ALL = Sign(V - s, strict=True)  # some token lies outside A, else M is constant


def tilted_at(token: Symbol, odds: Expr) -> Expr:
    """p_α of a token whose log-odds are `odds`: the tilting law with M written in."""
    return define(
        "tilted_at",
        (z, alpha),
        tilted(z, alpha).definition().xreplace({M[z]: odds.xreplace({token: z})}),
        text="p_{1}({0})",
        latex="p_{{{1}}}({0})",
    )(token, alpha)


# The gap to the next level: d_y = delta + e_y with e_y >= 0 off the argmax.
delta = Symbol("delta", positive=True)
excess = IndexedBase("e", nonnegative=True)
forward = Symbol("alpha", nonnegative=True)
_rest_forward = Sum(p[y] * exp(-forward * (delta + excess[y])), (y, s, V - 1))
_slack = Sum(p[y] * exp(-forward * delta) * (1 - exp(-forward * excess[y])), (y, s, V - 1))

_limit = Limit(
    p[z] / (mass() + rest(alpha)),
    p[z] / mass(),
    variable=alpha,
    reason="R_A vanishes term by term, as every d_y > 0, and P_A > 0",
    given=AT_MAXIMUM,
)
LIMIT = Law(
    id="limit",
    title="Large strength ends in an argmax, shared in proportion to p",
    source="arXiv:2602.02712, Prop. B.1 and Eq. 5 to 7",
    paper="Δp(z|c_j, α) → 1[z in argmax M] p(z)/p(argmax M) - p(z) as α → ∞, and with argmin as "
    "α → -∞.",
    sharper="Exact at every α: with A = argmax M, P_A = p(A) and R_A(α) = Σ_(y∉A) p_y e^(-α d_y), "
    "the distance of a token in A from its limit is (p_z/P_A) R_A/(P_A + R_A), the total variation "
    "is R_A/(P_A + R_A), at most (1 - P_A) e^(-α δ)/P_A with δ the gap to the next level.",
    assumptions=(),
    statement=_limit,
    steps=(
        Identity(
            tilted_at(z, top),
            p[z] / (mass() + rest(alpha)),
            reason="the tilting law for a token of A, divided by e^(α m); m = max M, and "
            "M_y = m - d_y off A",
            given=AT_MAXIMUM,
        ),
        _limit,
        Identity(
            tilted_at(x, top - gap[x]),
            p[x] * exp(-alpha * gap[x]) / (mass() + rest(alpha)),
            reason="the same for a token outside A",
            given=AT_MAXIMUM,
        ),
        Limit(
            p[x] * exp(-alpha * gap[x]) / (mass() + rest(alpha)),
            Integer(0),
            variable=alpha,
            reason="the numerator vanishes, the denominator tends to P_A > 0",
            given=AT_MAXIMUM,
        ),
        Appeal(
            principle="relabelling",
            conclusion="p_α(z) → p_z/P_A on A and 0 off A as α → ∞, whichever tokens form A; with "
            "-M for M the same holds for argmin M as α → -∞",
            premises=(1, 2, 3, 4),
        ),
        Identity(
            p[z] / mass() - p[z] / (mass() + rest(alpha)),
            p[z] / mass() * rest(alpha) / (mass() + rest(alpha)),
            reason="distance from the limit of a token of A, exact at every α",
            given=(NOT_ALL,),
        ),
        Identity(
            Rational(1, 2)
            * (
                Sum(p[z] / mass() - p[z] / (mass() + rest(alpha)), (z, 0, s - 1))
                + Sum(p[x] * exp(-alpha * gap[x]) / (mass() + rest(alpha)), (x, s, V - 1))
            ),
            rest(alpha) / (mass() + rest(alpha)),
            reason="total variation: the mass missing on A is the mass still off A",
            given=(NOT_ALL,),
        ),
        Identity(
            Sum(p[y], (y, s, V - 1)) * exp(-forward * delta) - _rest_forward,
            _slack,
            reason="let δ be the gap to the next level, so that d_y = δ + e_y with e_y >= 0 off A",
        ),
        Inequality(
            _slack,
            Integer(0),
            relation=">=",
            reason="so for α >= 0 the remainder obeys R_A(α) <= (1 - P_A) e^(-α δ)",
            given=(NOT_ALL,),
        ),
    ),
    builds_on=("tilting",),
    twin="steering_strength.theory.engine.family.TiltedFamily.limit",
    care="Ties share in proportion to p, not uniformly; and a near-tie (a gap of 2^-40) is no "
    "tie: its limit is reached at α of the order of 2^40, but it is reached.",
)
