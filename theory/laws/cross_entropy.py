"""The cross-entropy of the steered model: exact law, Taylor coefficients, radius, both ends.

Thm 3.8 is the second-order term of an exact law: the increase of the cross-entropy is a mean of
Kullback-Leibler divergences, hence never negative, convex, quadratic near 0 with an explicit
radius, and linear far out. `j` numbers the contexts, `π_j` are their probabilities.
"""

from __future__ import annotations

from sympy import Derivative, Expr, IndexedBase, Integer, Sum, Symbol, exp, log

from steering_strength.theory.laws.assumptions import ASSUMPTION_2
from steering_strength.theory.laws.kernel import Fact
from steering_strength.theory.laws.law import Appeal, Identity, Inequality, Law, Limit
from steering_strength.theory.laws.limits import NOT_ALL, mass, rest
from steering_strength.theory.laws.notation import define
from steering_strength.theory.laws.symbols import M, V, alpha, over_tokens, p, y, z
from steering_strength.theory.laws.tilting import AT_MAXIMUM, gap, s

__all__ = [
    "CE_ASYMPTOTE",
    "CE_CUMULANTS",
    "CE_EXACT",
    "CE_LINEAR",
    "CE_QUADRATIC",
    "contexts",
]

m_contexts = Symbol("m", integer=True, positive=True)
j = Symbol("j", integer=True)
pi = IndexedBase("pi", positive=True)
pc = IndexedBase("p", positive=True)  # pc[j, z] = p(z | c_j)
ROWS = Fact(over_tokens(pc[j, z]), Integer(1), (j,))


def contexts(term: Expr) -> Sum:
    """Mean over the contexts: sum of π_j times `term`."""
    return Sum(pi[j] * term, (j, 0, m_contexts - 1))


Zj = define(
    "Z_j",
    (j, alpha),
    over_tokens(pc[j, z] * exp(alpha * M[z])),
    text="Z_{0}({1})",
    latex="Z_{{{0}}}({1})",
)
Kj = define("K_j", (j, alpha), log(Zj(j, alpha)), text="K_{0}({1})", latex="K_{{{0}}}({1})")
tilt = define(
    "tilt",
    (j, z, alpha),
    pc[j, z] * exp(alpha * M[z]) / Zj(j, alpha),
    text="p_({0},{2})({1})",
    latex="p_{{{0},{2}}}({1})",
)
mean_j = define(
    "mean_j",
    (j, alpha),
    over_tokens(tilt(j, y, alpha) * M[y], y),
    text="E_({0},{1})[M]",
    latex=r"\mathbb{{E}}_{{{0},{1}}}[M]",
)
variance_j = define(
    "variance_j",
    (j, alpha),
    over_tokens(tilt(j, y, alpha) * (M[y] - mean_j(j, alpha)) ** 2, y),
    text="Var_({0},{1})[M]",
    latex=r"\mathrm{{Var}}_{{{0},{1}}}[M]",
)
mean_0 = define(
    "mean_0",
    (j,),
    over_tokens(pc[j, y] * M[y], y),
    text="E_{0}[M]",
    latex=r"\mathbb{{E}}_{{{0}}}[M]",
)
variance_0 = define(
    "variance_0",
    (j,),
    over_tokens(pc[j, y] * (M[y] - mean_0(j)) ** 2, y),
    text="Var_{0}[M]",
    latex=r"\mathrm{{Var}}_{{{0}}}[M]",
)
increase = define(
    "increase",
    (alpha,),
    -contexts(over_tokens(pc[j, z] * log(tilt(j, z, alpha))))
    + contexts(over_tokens(pc[j, z] * log(pc[j, z]))),
    text="ΔCE({0})",
    latex=r"\Delta\mathrm{{CE}}({0})",
)
forward_kl = define(
    "forward_kl",
    (j, alpha),
    over_tokens(pc[j, z] * log(pc[j, z] / tilt(j, z, alpha))),
    text="KL(p_{0}‖p_({0},{1}))",
    latex=r"\mathrm{{KL}}(p_{{{0}}}\,\|\,p_{{{0},{1}}})",
)
reverse_kl = define(
    "reverse_kl",
    (j, alpha),
    over_tokens(tilt(j, z, alpha) * log(tilt(j, z, alpha) / pc[j, z])),
    text="KL(p_({0},{1})‖p_{0})",
    latex=r"\mathrm{{KL}}(p_{{{0},{1}}}\,\|\,p_{{{0}}})",
)

_exact = Identity(
    increase(alpha),
    contexts(Kj(j, alpha) - alpha * mean_0(j)),
    reason="log p_(j,α)(z) = log p_(j,z) + α M_z - K_j(α), and every row sums to 1",
    given=(ROWS,),
)
CE_EXACT = Law(
    id="ce-exact",
    title="The cross-entropy increase is a mean divergence, at every strength",
    source="arXiv:2602.02712, Def. 3.7; the paper gives the second order, Thm 3.8",
    paper="ΔCE(α) = ½ Σ_j π_j Var_j(M) α² + o(α²).",
    sharper="ΔCE(α) = Σ_j π_j (K_j(α) - α K_j'(0)) = Σ_j π_j KL(p_j ‖ p_(j,α)) for every α: never "
    "negative, convex. The reverse divergence is α K_j' - K_j.",
    assumptions=(ASSUMPTION_2,),
    statement=_exact,
    steps=(
        _exact,
        Identity(
            Kj(j, alpha) - alpha * mean_0(j),
            forward_kl(j, alpha),
            reason="the same for one context: the increase is the divergence of p_(j,α) from p_j",
            given=(ROWS,),
        ),
        Identity(
            mean_j(j, Integer(0)),
            mean_0(j),
            reason="K_j'(0) is the mean of M under p_j (`mean-slope` at α = 0)",
            given=(ROWS,),
        ),
        Identity(
            Derivative(increase(alpha), (alpha, 2)),
            contexts(variance_j(j, alpha)),
            reason="the linear term drops out (`mean-slope` for every context)",
            given=(ROWS,),
        ),
        Inequality(
            contexts(variance_j(j, alpha)),
            Integer(0),
            relation=">=",
            reason="a mean of variances, so ΔCE is convex",
        ),
        Appeal(
            principle="Gibbs' inequality",
            conclusion="ΔCE(α) >= 0, with equality only if no p_j moves: α = 0 or M constant",
            premises=(1, 2),
        ),
        Identity(
            reverse_kl(j, alpha),
            alpha * mean_j(j, alpha) - Kj(j, alpha),
            reason="the same computation under p_(j,α)",
        ),
    ),
    builds_on=("tilting", "mean-slope"),
    twin="steering_strength.theory.engine.family.TiltedFamily.cross_entropy_increase",
)

# -- ce-quadratic and ce-cumulants ---------------------------------------------------------

_second = Identity(
    define(
        "curvature",
        (),
        contexts(variance_j(j, Integer(0))),
        text="ΔCE''(0)",
        latex=r"\Delta\mathrm{{CE}}''(0)",
    )(),
    contexts(variance_0(j)),
    reason="the tilted variance at α = 0 is the variance under p_j",
    given=(ROWS,),
)
CE_QUADRATIC = Law(
    id="ce-quadratic",
    title="The cross-entropy grows quadratically near 0",
    source="arXiv:2602.02712, Thm 3.8",
    paper="ΔCE(α) = ½ Σ_j π_j Var_j(M(Z)) α² + o(α²).",
    sharper="The second order of `ce-exact`; the o(α²) is bounded in `ce-radius`.",
    assumptions=(ASSUMPTION_2,),
    statement=_second,
    steps=(
        Identity(
            contexts(Kj(j, Integer(0))),
            Integer(0),
            reason="ΔCE(0) = 0: K_j(0) = log Σ_z p_(j,z) = 0",
            given=(ROWS,),
        ),
        Identity(
            Derivative(increase(alpha), alpha),
            contexts(mean_j(j, alpha) - mean_0(j)),
            reason="differentiate `ce-exact`",
            given=(ROWS,),
        ),
        Identity(
            contexts(mean_j(j, Integer(0)) - mean_0(j)),
            Integer(0),
            reason="ΔCE'(0) = 0: no linear term",
            given=(ROWS,),
        ),
        Identity(
            Derivative(increase(alpha), (alpha, 2)),
            contexts(variance_j(j, alpha)),
            reason="differentiate again (`mean-slope`)",
            given=(ROWS,),
        ),
        _second,
        Appeal(
            principle="Taylor's theorem",
            conclusion="ΔCE(α) = ½ Σ_j π_j Var_j[M] α² + o(α²)",
            premises=(1, 3, 5),
        ),
    ),
    builds_on=("ce-exact", "mean-slope"),
    twin="steering_strength.theory.model.dataset.ConceptDataset.cross_entropy_increase",
    care="The coefficient is the pi-weighted mean of the variances within contexts, not the "
    "variance "
    "of the pooled distribution.",
)


def _central(order: int) -> Expr:
    """Central moment of M under p_(j,α)."""
    return over_tokens(tilt(j, y, alpha) * (M[y] - mean_j(j, alpha)) ** order, y)


_higher = Identity(
    Derivative(increase(alpha), (alpha, 2)),
    contexts(Derivative(Kj(j, alpha), (alpha, 2))),
    reason="ΔCE and Σ_j π_j K_j differ by a linear function of α, so all derivatives from "
    "the second on agree: they are cumulants by definition",
    given=(ROWS,),
)
CE_CUMULANTS = Law(
    id="ce-cumulants",
    title="The Taylor coefficients are cumulants",
    source="sharpens arXiv:2602.02712, Thm 3.8",
    paper="Second order only.",
    sharper="ΔCE(α) = Σ_j π_j (κ_2 α²/2 + κ_3 α³/6 + κ_4 α⁴/24 + ...), κ_n the cumulants of M "
    "under "
    "p_j. The cubic term has either sign, so ΔCE is not even.",
    assumptions=(ASSUMPTION_2,),
    statement=_higher,
    steps=(
        _higher,
        Identity(
            Derivative(Kj(j, alpha), (alpha, 2)),
            variance_j(j, alpha),
            reason="the second cumulant is the variance",
        ),
        Identity(
            Derivative(Kj(j, alpha), (alpha, 3)),
            _central(3),
            reason="the third cumulant is the third central moment",
        ),
        Identity(
            Derivative(Kj(j, alpha), (alpha, 4)),
            _central(4) - 3 * variance_j(j, alpha) ** 2,
            reason="the fourth is the fourth central moment minus three squared variances",
        ),
        Appeal(
            principle="Taylor's theorem",
            conclusion="the coefficient of αⁿ is Σ_j π_j κ_n/n! for n >= 2, at α = 0",
            premises=(1, 2, 3, 4),
        ),
    ),
    builds_on=("ce-exact",),
    twin="steering_strength.theory.engine.family.TiltedFamily.cumulants",
)

# -- ce-linear -----------------------------------------------------------------------------

data = IndexedBase("r", positive=True)  # data[j, z]: the data's probabilities; pc is the model's
DATA_ROWS = Fact(over_tokens(data[j, z]), Integer(1), (j,))
data_entropy = define(
    "CE",
    (alpha,),
    -contexts(over_tokens(data[j, z] * log(tilt(j, z, alpha)))),
    text="CE({0})",
    latex=r"\mathrm{{CE}}({0})",
)
mean_data = define(
    "mean_data",
    (j,),
    over_tokens(data[j, y] * M[y], y),
    text="E_{0}^data[M]",
    latex=r"\mathbb{{E}}^{{\mathrm{{data}}}}_{{{0}}}[M]",
)
_linear = Identity(
    Derivative(data_entropy(alpha), alpha),
    contexts(mean_j(j, alpha) - mean_data(j)),
    reason="differentiate -Σ_z r_(j,z) log p_(j,α)(z); p_j is the model, r_j the data",
    given=(DATA_ROWS,),
)
CE_LINEAR = Law(
    id="ce-linear",
    title="A slope at 0 measures miscalibration along v",
    source="sharpens arXiv:2602.02712, Thm 3.8 (drops Assumption 2)",
    paper="No linear term, for a perfectly trained model.",
    sharper="For any model with linear logits the slope of the cross-entropy at 0 is "
    "Σ_j π_j (E_model[M] - E_data[M]): zero for a calibrated model, either sign otherwise, so a "
    "small step one way lowers the cross-entropy.",
    assumptions=(),
    statement=_linear,
    steps=(
        _linear,
        Identity(
            mean_j(j, Integer(0)),
            mean_0(j),
            reason="at α = 0 the tilted mean is the model's",
            given=(ROWS,),
        ),
        Identity(
            Derivative(data_entropy(alpha), (alpha, 2)),
            contexts(variance_j(j, alpha)),
            reason="the curvature does not see the data: it is the model's variance",
            given=(DATA_ROWS,),
        ),
    ),
    builds_on=("tilting",),
    twin="steering_strength.theory.engine.family.TiltedFamily.mean",
)

# -- ce-asymptote --------------------------------------------------------------------------

sigma = define(
    "sigma",
    (),
    Sum(p[y] * gap[y], (y, s, V - 1)),
    text="σ",
    latex=r"\sigma",
)
forward = Symbol("alpha", nonnegative=True)
OFF_A = Fact(Sum(p[y], (y, s, V - 1)), 1 - Sum(p[y], (y, 0, s - 1)))
_linear_growth = Identity(
    log(over_tokens(p[y] * exp(alpha * M[y]), y)) - alpha * over_tokens(p[y] * M[y], y),
    alpha * sigma() + log(mass() + rest(alpha)),
    reason="A = argmax M, M_y = m - d_y off A; σ = max M - E[M] = Σ_(y∉A) p_y d_y, P_A = p(A), "
    "R_A(α) = Σ_(y∉A) p_y e^(-α d_y)",
    given=(*AT_MAXIMUM, OFF_A),
)
CE_ASYMPTOTE = Law(
    id="ce-asymptote",
    title="The cross-entropy grows linearly far out",
    source="sharpens arXiv:2602.02712, Thm 3.8",
    paper="Local behaviour only; the plateau of Fig. 7 is explained by the final norm.",
    sharper="For α > 0 the increase of one context lies between the lines α σ + log P_A and α σ, "
    "σ = max M - E[M], and approaches the lower one. Weighted by π_j for a dataset. So a UFM has "
    "no plateau: that comes from the final norm (`norm-limit`).",
    assumptions=(ASSUMPTION_2,),
    statement=_linear_growth,
    steps=(
        _linear_growth,
        Identity(
            1 - (mass() + Sum(p[y] * exp(-forward * gap[y]), (y, s, V - 1))),
            Sum(p[y] * (1 - exp(-forward * gap[y])), (y, s, V - 1)),
            reason="all probabilities sum to 1",
            given=(OFF_A, NOT_ALL),
        ),
        Inequality(
            Sum(p[y] * (1 - exp(-forward * gap[y])), (y, s, V - 1)),
            Integer(0),
            relation=">=",
            reason="so P_A + R_A(α) <= 1 for α >= 0: the increase is at most α σ",
            given=(NOT_ALL,),
        ),
        Identity(
            log(mass() + rest(alpha)) - log(mass()),
            log(1 + rest(alpha) / mass()),
            reason="distance from the lower line",
            given=(NOT_ALL,),
        ),
        Inequality(
            log(1 + rest(alpha) / mass()),
            Integer(0),
            reason="R_A > 0: the increase stays above the lower line",
            given=(NOT_ALL,),
        ),
        Limit(
            log(1 + rest(alpha) / mass()),
            Integer(0),
            variable=alpha,
            reason="R_A vanishes: the lower line is the asymptote",
            given=(NOT_ALL,),
        ),
    ),
    builds_on=("ce-exact", "limit"),
    twin="steering_strength.theory.engine.family.TiltedFamily.cross_entropy_increase",
)
