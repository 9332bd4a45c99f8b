"""The cross-entropy of the steered model: exact law, Taylor coefficients, radius, both ends.

Thm 3.8 is the second-order term of an exact law: the increase of the cross-entropy is a mean of
Kullback-Leibler divergences, hence never negative, convex, quadratic near 0 with an explicit
radius, and linear far out. `j` numbers the contexts, `π_j` are their probabilities.
"""

from __future__ import annotations

from sympy import Derivative, Expr, IndexedBase, Integer, Symbol, exp, log

from steering_strength.theory.laws import order_rules, rules, tilting
from steering_strength.theory.laws.assumptions import ASSUMPTION_2
from steering_strength.theory.laws.claims import Case, Claim, Identity, Inequality, Limit
from steering_strength.theory.laws.kernel import Fact, Let, Sign, Split, Sum
from steering_strength.theory.laws.law import Law
from steering_strength.theory.laws.notation import define
from steering_strength.theory.laws.symbols import M, V, alpha, over_tokens, p, y, z
from steering_strength.theory.laws.tilting import AT_MAXIMUM, NOT_ALL, gap, mass, rest, s, spread

m_contexts = Symbol("m", integer=True, positive=True)
j = Symbol("j", integer=True)
pi = IndexedBase("pi", positive=True)
pc = IndexedBase("p", positive=True)  # pc[j, z] = p(z | c_j)
ROWS = Fact(over_tokens(pc[j, z]), Integer(1), (j,))


def contexts(term: Expr) -> Sum:
    """Mean over the contexts: sum of π_j times `term`."""
    return Sum(pi[j] * term, (j, 0, m_contexts - 1))


Zj = define("Z_j", (j, alpha), over_tokens(pc[j, z] * exp(alpha * M[z])), latex="Z_{{{0}}}({1})")
Kj = define("K_j", (j, alpha), log(Zj(j, alpha)), latex="K_{{{0}}}({1})")
tilt = define(
    "tilt", (j, z, alpha), pc[j, z] * exp(alpha * M[z]) / Zj(j, alpha), latex="p_{{{0},{2}}}({1})"
)
mean_j = define(
    "mean_j",
    (j, alpha),
    over_tokens(tilt(j, y, alpha) * M[y], y),
    latex=r"\mathbb{{E}}_{{{0},{1}}}[M]",
)
variance_j = define(
    "variance_j",
    (j, alpha),
    over_tokens(tilt(j, y, alpha) * (M[y] - mean_j(j, alpha)) ** 2, y),
    latex=r"\mathrm{{Var}}_{{{0},{1}}}[M]",
)
mean_0 = define("mean_0", (j,), over_tokens(pc[j, y] * M[y], y), latex=r"\mathbb{{E}}_{{{0}}}[M]")
variance_0 = define(
    "variance_0",
    (j,),
    over_tokens(pc[j, y] * (M[y] - mean_0(j)) ** 2, y),
    latex=r"\mathrm{{Var}}_{{{0}}}[M]",
)
increase = define(
    "increase",
    (alpha,),
    -contexts(over_tokens(pc[j, z] * log(tilt(j, z, alpha))))
    + contexts(over_tokens(pc[j, z] * log(pc[j, z]))),
    latex=r"\Delta\mathrm{{CE}}({0})",
)
forward_kl = define(
    "forward_kl",
    (j, alpha),
    over_tokens(pc[j, z] * log(pc[j, z] / tilt(j, z, alpha))),
    latex=r"\mathrm{{KL}}(p_{{{0}}}\,\|\,p_{{{0},{1}}})",
)
reverse_kl = define(
    "reverse_kl",
    (j, alpha),
    over_tokens(tilt(j, z, alpha) * log(tilt(j, z, alpha) / pc[j, z])),
    latex=r"\mathrm{{KL}}(p_{{{0},{1}}}\,\|\,p_{{{0}}})",
)

_exact = Identity(
    increase(alpha),
    contexts(Kj(j, alpha) - alpha * mean_0(j)),
    reason=r"$\log p_{j,\alpha}(z) = \log p_{j,z} + \alpha M_z - K_j(\alpha)$, and every row sums "
    r"to 1",
    given=(ROWS,),
)
_divergences = Identity(
    increase(alpha),
    contexts(forward_kl(j, alpha)),
    reason=r"the increase is the mean divergence of $p_{j,\alpha}$ from $p_j$",
    given=(ROWS,),
)
_curved = Inequality(
    Derivative(increase(alpha), (alpha, 2)),
    0,
    relation=">=",
    form=contexts(variance_j(j, alpha)),
    reason="the second derivative is a mean of variances",
    given=(ROWS,),
)
CONVEX = rules.convexity(_curved)
_start = Identity(increase(0), Integer(0), reason=r"$\Delta \mathrm{CE}(0) = 0$", given=(ROWS,))
_slope = Identity(
    Derivative(increase(alpha), alpha),
    contexts(mean_j(j, alpha) - mean_0(j)),
    reason=r"differentiate, and $K_j' = E_{j,\alpha}[M]$ (`mean-slope`)",
    given=(ROWS,),
)
_flat = Identity(
    contexts(mean_j(j, 0) - mean_0(j)),
    0,
    reason=r"$\Delta \mathrm{CE}'(0) = 0$: no linear term",
    given=(ROWS,),
)
NOT_NEGATIVE = rules.tangent(
    CONVEX, _start, _slope, _flat, reason=r"so $\Delta \mathrm{CE}$ is never negative"
)
_level = Symbol("a", real=True)
_CONSTANT = (Let(M[y], _level, y, Integer(0), V - 1),)
_VARIES = (
    Split(Integer(0), s, V - 1),
    Let(M[y], _level, y, Integer(0), s - 1),
    Let(M[y], _level - gap[y], y, s, V - 1),
    NOT_ALL,
)


_spread = Inequality(
    variance_j(j, alpha),
    0,
    form=spread(lambda token: pc[j, token]),
    reason=r"$M$ is not constant: $M_y = a$ on the tokens of $A = \operatorname{argmax} M$, "
    r"numbered first, and $M_y = a - d_y$ on the others; the variance, written out over pairs",
    given=_VARIES,
)
_bent = Inequality(
    Derivative(increase(alpha), (alpha, 2)),
    0,
    form=contexts(variance_j(j, alpha)),
    reason="a mean of positive variances",
    given=(ROWS, Sign(variance_j(j, alpha), strict=True, for_all=(j,))),
)
_bends = order_rules.discharged(_bent, _spread)
_STRICT = rules.convexity(
    _bends,
    reason=r"$\Delta \mathrm{CE}$ is strictly convex unless $M$ is "
    r"constant",
)


def _only_if_constant(side: int) -> tuple[Claim, ...]:
    """For strengths of one sign: positive where M is not constant, zero where it is; and so iff."""
    steered = increase(side * Symbol("alpha", positive=True))
    positive = rules.tangent(_STRICT, _start, _slope, _flat, side=side)
    zero = Inequality(
        steered,
        0,
        relation="<=",
        reason="$M$ is constant: steering changes nothing",
        given=(ROWS, *_CONSTANT),
    )
    both = order_rules.by_cases(
        Case("$M$ is not constant", _VARIES, _CONSTANT),
        positive,
        zero,
        reason=r"so $\Delta \mathrm{CE}(\alpha) = 0$ exactly if $\alpha = 0$ or $M$ is constant",
    )
    return positive, zero, both


_FORWARD, _BACKWARD = _only_if_constant(1), _only_if_constant(-1)
CE_EXACT = Law(
    id="ce-exact",
    title="The cross-entropy increase is a mean divergence, at every strength",
    source="arXiv:2602.02712, Def. 3.7; the paper gives the second order, Thm 3.8",
    paper=r"$\Delta \mathrm{CE}(\alpha) = \tfrac{1}{2} \sum_j \pi_j \mathrm{Var}_j(M) \alpha^2 + "
    r"o(\alpha^2)$.",
    sharper=r"$\Delta \mathrm{CE}(\alpha) = \sum_j \pi_j (K_j(\alpha) - \alpha K_j'(0)) = \sum_j "
    r"\pi_j \mathrm{KL}(p_j \| p_{j,\alpha})$ for every $\alpha$: convex, never negative, and 0 "
    r"only for $\alpha = 0$ or constant $M$. The "
    r"reverse divergence is $\alpha K_j' - K_j$.",
    assumptions=(ASSUMPTION_2,),
    headline=(_exact, _divergences, CONVEX, NOT_NEGATIVE, _FORWARD[-1], _BACKWARD[-1]),
    steps=(
        _exact,
        Identity(
            Kj(j, alpha) - alpha * mean_0(j),
            forward_kl(j, alpha),
            reason="the same for one context",
            given=(ROWS,),
        ),
        _divergences,
        Identity(
            mean_j(j, 0),
            mean_0(j),
            reason=r"$K_j'(0)$ is the mean of $M$ under $p_j$ (`mean-slope` at $\alpha = 0$)",
            given=(ROWS,),
        ),
        NOT_NEGATIVE,
        _spread,
        *_FORWARD,
        *_BACKWARD,
        Identity(
            reverse_kl(j, alpha),
            alpha * mean_j(j, alpha) - Kj(j, alpha),
            reason=r"the same computation under $p_{j,\alpha}$",
        ),
    ),
    builds_on=(tilting.TILTING, tilting.MEAN_SLOPE),
    twin="steering_strength.theory.engine.family.TiltedFamily.cross_entropy_increase",
    formal=(
        (_STRICT, "ce_exact_convex in cross_entropy.v"),
        (NOT_NEGATIVE, "ce_exact_nonnegative in cross_entropy.v"),
        (_FORWARD[0], "ce_exact_positive in cross_entropy.v"),
        (_BACKWARD[0], "ce_exact_positive in cross_entropy.v"),
    ),
)

# -- ce-quadratic and ce-cumulants ---------------------------------------------------------

_second = Identity(
    contexts(variance_j(j, 0)),
    contexts(variance_0(j)),
    reason=r"$\Delta \mathrm{CE}''(0)$: the tilted variance at $\alpha = 0$ is the variance under "
    r"$p_j$",
    given=(ROWS,),
)
_curvature = Identity(
    Derivative(increase(alpha), (alpha, 2)),
    contexts(variance_j(j, alpha)),
    reason="differentiate again (`mean-slope`)",
    given=(ROWS,),
)
QUADRATIC = rules.taylor(_start, (_slope, _flat), (_curvature, _second))
CE_QUADRATIC = Law(
    id="ce-quadratic",
    title="The cross-entropy grows quadratically near 0",
    source="arXiv:2602.02712, Thm 3.8",
    paper=r"$\Delta \mathrm{CE}(\alpha) = \tfrac{1}{2} \sum_j \pi_j \mathrm{Var}_j(M(Z)) \alpha^2 "
    r"+ o(\alpha^2)$.",
    sharper=r"The second order of `ce-exact`; the $o(\alpha^2)$ is bounded in `ce-radius`.",
    assumptions=(ASSUMPTION_2,),
    statement=_second,
    headline=(QUADRATIC,),
    steps=(_start, _slope, _flat, QUADRATIC),
    builds_on=(CE_EXACT, tilting.MEAN_SLOPE),
    twin="steering_strength.theory.model.dataset.ConceptDataset.quadratic",
    care="The coefficient is the pi-weighted mean of the variances within contexts, not the "
    "variance of the pooled distribution.",
    formal=((QUADRATIC, "ce_quadratic in cross_entropy.v"),),
)


def _central(order: int) -> Expr:
    """Central moment of M under p_(j,α)."""
    return over_tokens(tilt(j, y, alpha) * (M[y] - mean_j(j, alpha)) ** order, y)


def _central_0(order: int) -> Expr:
    """Central moment of M under p_j."""
    return over_tokens(pc[j, y] * (M[y] - mean_0(j)) ** order, y)


_higher = Identity(
    Derivative(increase(alpha), (alpha, 2)),
    contexts(Derivative(Kj(j, alpha), (alpha, 2))),
    reason=r"$\Delta \mathrm{CE}$ and $\sum_j \pi_j K_j$ differ by a linear function of $\alpha$, "
    r"so all derivatives from the second on agree: they are cumulants by definition",
    given=(ROWS,),
)
_third = Identity(
    Derivative(contexts(variance_j(j, alpha)), alpha),
    contexts(_central(3)),
    reason="the third cumulant is the third central moment",
    given=(ROWS,),
)
_third_0 = Identity(
    contexts(_central(3)).xreplace({alpha: Integer(0)}),
    contexts(_central_0(3)),
    reason=r"at $\alpha = 0$",
    given=(ROWS,),
)
_fourth = Identity(
    Derivative(contexts(_central(3)), alpha),
    contexts(_central(4) - 3 * variance_j(j, alpha) ** 2),
    reason="the fourth is the fourth central moment minus three squared variances",
    given=(ROWS,),
)
_fourth_0 = Identity(
    contexts(_central(4) - 3 * variance_j(j, alpha) ** 2).xreplace({alpha: Integer(0)}),
    contexts(_central_0(4) - 3 * variance_0(j) ** 2),
    reason=r"at $\alpha = 0$",
    given=(ROWS,),
)
CUMULANTS = rules.taylor(
    _start, (_slope, _flat), (_curvature, _second), (_third, _third_0), (_fourth, _fourth_0)
)
CE_CUMULANTS = Law(
    id="ce-cumulants",
    title="The Taylor coefficients are cumulants",
    source="sharpens arXiv:2602.02712, Thm 3.8",
    paper="Second order only.",
    sharper=r"$\Delta \mathrm{CE}(\alpha) = \sum_j \pi_j (\kappa_2 \alpha^2/2 + \kappa_3 "
    r"\alpha^3/6 + \kappa_4 \alpha^4/24 + \dots)$, $\kappa_n$ the cumulants of $M$ under $p_j$; "
    r"written out to the fourth. The cubic term has either sign, so $\Delta \mathrm{CE}$ is not "
    r"even.",
    assumptions=(ASSUMPTION_2,),
    headline=(_higher, CUMULANTS),
    steps=(_higher, _start, _slope, _flat, CUMULANTS),
    builds_on=(CE_EXACT,),
    twin="steering_strength.theory.engine.family.TiltedFamily.taylor",
    formal=((CUMULANTS, "ce_cumulants_taylor in cumulants.v"),),
)

# -- ce-linear -----------------------------------------------------------------------------

data = IndexedBase("r", positive=True)  # data[j, z]: the data's probabilities; pc is the model's
DATA_ROWS = Fact(over_tokens(data[j, z]), Integer(1), (j,))
data_entropy = define(
    "CE",
    (alpha,),
    -contexts(over_tokens(data[j, z] * log(tilt(j, z, alpha)))),
    latex=r"\mathrm{{CE}}({0})",
)
mean_data = define(
    "mean_data",
    (j,),
    over_tokens(data[j, y] * M[y], y),
    latex=r"\mathbb{{E}}_{{{0}}}^{{\mathrm{{data}}}}[M]",
)
_linear = Identity(
    Derivative(data_entropy(alpha), alpha),
    contexts(mean_j(j, alpha) - mean_data(j)),
    reason=r"differentiate $-\sum_z r_{j,z} \log p_{j,\alpha}(z)$; $p_j$ is the model, $r_j$ the "
    r"data",
    given=(DATA_ROWS,),
)
_linear_0 = Identity(
    contexts(mean_j(j, 0) - mean_data(j)),
    contexts(mean_0(j) - mean_data(j)),
    reason=r"at $\alpha = 0$ the tilted mean is the model's: this is the slope at 0",
    given=(ROWS,),
)
CE_LINEAR = Law(
    id="ce-linear",
    title="A slope at 0 measures miscalibration along $v$",
    source="sharpens arXiv:2602.02712, Thm 3.8 (drops Assumption 2)",
    paper="No linear term, for a perfectly trained model.",
    sharper=r"For any model with linear logits the slope of the cross-entropy at 0 is $\sum_j "
    r"\pi_j (E_{\mathrm{model}}[M] - E_{\mathrm{data}}[M])$: zero for a calibrated model, either "
    r"sign otherwise, so a small step one way lowers the cross-entropy.",
    headline=(_linear, _linear_0),
    steps=(
        _linear,
        _linear_0,
        Identity(
            Derivative(data_entropy(alpha), (alpha, 2)),
            contexts(variance_j(j, alpha)),
            reason="the curvature does not see the data: it is the model's variance",
            given=(DATA_ROWS,),
        ),
    ),
    builds_on=(tilting.TILTING,),
    twin="steering_strength.theory.model.dataset.ConceptDataset.linear_coefficient",
)

# -- ce-asymptote --------------------------------------------------------------------------

sigma = define("sigma", (), Sum(p[y] * gap[y], (y, s, V - 1)), latex=r"\sigma")
forward = Symbol("alpha", nonnegative=True)
OFF_A = Fact(Sum(p[y], (y, s, V - 1)), 1 - Sum(p[y], (y, 0, s - 1)))
_linear_growth = Identity(
    log(over_tokens(p[y] * exp(alpha * M[y]), y)) - alpha * over_tokens(p[y] * M[y], y),
    alpha * sigma() + log(mass() + rest(alpha)),
    reason=r"$A = \operatorname{argmax} M$, $M_y = m - d_y$ off $A$; $\sigma = \max M - E[M] = "
    r"\sum_{y \notin A} p_y d_y$, $P_A = p(A)$, $R_A(\alpha) = \sum_{y \notin A} p_y e^{-\alpha "
    r"d_y}$",
    given=(*AT_MAXIMUM, OFF_A),
)
_single = define(
    "single",
    (alpha,),
    log(over_tokens(p[y] * exp(alpha * M[y]), y)) - alpha * over_tokens(p[y] * M[y], y),
    latex=r"\delta({0})",
)
_over = (*AT_MAXIMUM, OFF_A)
_forward_excess = Identity(
    _single(forward) - forward * sigma(),
    log(mass() + rest(forward)),
    reason=r"$\delta(\alpha)$ is the increase of one context, $K(\alpha) - \alpha E[M]$, here for "
    r"$\alpha \ge 0$",
    given=_over,
)
_at_most_one = Inequality(
    mass() + rest(forward),
    Integer(1),
    relation="<=",
    form=-Sum(p[y] * (1 - exp(-forward * gap[y])), (y, s, V - 1)),
    reason="all probabilities sum to 1",
    given=(OFF_A, NOT_ALL),
)
_mass_positive = Inequality(
    mass() + rest(forward), Integer(0), reason="positive terms", given=(NOT_ALL,)
)
_log_bound = order_rules.logarithm(_at_most_one, _mass_positive)
BELOW = order_rules.substituted(
    _forward_excess,
    _log_bound,
    reason=r"the increase is at most $\alpha \sigma$ for $\alpha \ge 0$",
)
_gap = Identity(
    _single(alpha) - alpha * sigma() - log(mass()),
    log(1 + rest(alpha) / mass()),
    reason="distance from the lower line",
    given=_over,
)
_gap_positive = Inequality(
    log(1 + rest(alpha) / mass()), Integer(0), reason="$R_A > 0$", given=(NOT_ALL,)
)
ABOVE = order_rules.substituted(
    _gap, _gap_positive, reason="the increase stays above the lower line"
)
_gap_closes = Limit(
    log(1 + rest(alpha) / mass()), 0, variable=alpha, reason="$R_A$ vanishes", given=(NOT_ALL,)
)
ASYMPTOTE = order_rules.substituted(_gap, _gap_closes, reason="the lower line is the asymptote")
CE_ASYMPTOTE = Law(
    id="ce-asymptote",
    title="The cross-entropy grows linearly far out",
    source="sharpens arXiv:2602.02712, Thm 3.8",
    paper="Local behaviour only; the plateau of Fig. 7 is explained by the final norm.",
    sharper=r"For $\alpha > 0$ the increase of one context lies between the lines $\alpha \sigma + "
    r"\log P_A$ and $\alpha \sigma$, $\sigma = \max M - E[M]$, and approaches the lower one. "
    r"So a UFM has no plateau: that comes from the final norm (`norm-limit`).",
    assumptions=(ASSUMPTION_2,),
    headline=(BELOW, ABOVE, ASYMPTOTE),
    steps=(_linear_growth, BELOW, ABOVE, ASYMPTOTE),
    builds_on=(CE_EXACT, tilting.LIMIT),
    twin="steering_strength.theory.model.dataset.ConceptDataset.cross_entropy_asymptote",
    formal=(
        (BELOW, "ce_asymptote in budget.v"),
        (ABOVE, "ce_asymptote in budget.v"),
        (ASYMPTOTE, "ce_asymptote in budget.v"),
    ),
)
