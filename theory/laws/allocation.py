r"""One strength per prompt: the law `allocation`.

Maximise $\sum_j \pi_j F_j(a_j)$, $F_j$ the probability of the concept $C$ in context $j$, subject
to $\sum_j \pi_j \mathrm{KL}(p_j \| p_{j,a_j}) \le B$. Three claims: what is stationary, what no
allocation exceeds, and the rule for small budgets, which Cauchy and Schwarz prove optimal. `a_j` is
the strength in context $j$; the tokens of $C$ are numbered first.
"""

from __future__ import annotations

from sympy import Derivative, Expr, IndexedBase, Integer, Rational, Symbol, log

from steering_strength.theory.laws import cross_entropy
from steering_strength.theory.laws.claims import Identity, Inequality
from steering_strength.theory.laws.concept import CONCEPT, size
from steering_strength.theory.laws.cross_entropy import (
    ROWS,
    Kj,
    contexts,
    j,
    m_contexts,
    mean_0,
    mean_j,
    pc,
    pi,
    tilt,
    variance_0,
    variance_j,
)
from steering_strength.theory.laws.kernel import Fact, Given, Let, Sign, Sum
from steering_strength.theory.laws.law import Law
from steering_strength.theory.laws.notation import Named, define
from steering_strength.theory.laws.order_rules import entrywise, substituted
from steering_strength.theory.laws.rules import taylor, zero_where
from steering_strength.theory.laws.symbols import M, V, alpha, beta, y
from steering_strength.theory.laws.tilting import MEAN_SLOPE, SIGN_SEPARATION, SLOPE

i, k = (Symbol(n, integer=True) for n in "ik")
a = IndexedBase("a", real=True)  # the allocation
t = Symbol("t", real=True)
lam = Symbol("lambda", nonnegative=True)
B = Symbol("B", nonnegative=True)
OFF_C = Fact(Sum(pc[j, y], (y, size, V - 1)), 1 - Sum(pc[j, y], (y, 0, size - 1)), (j,))
VARIES = (Sign(variance_0(j), strict=True, for_all=(j,)),)
_WITHIN = (Sign(i), Sign(m_contexts - 1 - i))


def _in_concept(term: Expr) -> Sum:
    return Sum(term, (y, 0, size - 1))


def _sum(term: Expr, index: Symbol = j) -> Sum:
    return Sum(term, (index, 0, m_contexts - 1))


F_j = define("F_j", (j, alpha), _in_concept(tilt(j, y, alpha)), latex="F_{{{0}}}({1})")
price = define(
    "KL_j", (j, alpha), Kj(j, alpha) - alpha * mean_0(j), latex=r"\mathrm{{KL}}_{{{0}}}({1})"
)
dear = define(
    "KL_j'", (j, alpha), mean_j(j, alpha) - mean_0(j), latex=r"\mathrm{{KL}}'_{{{0}}}({1})"
)
rise = define(
    "F_j'",
    (j, alpha),
    _in_concept(tilt(j, y, alpha) * (M[y] - mean_j(j, alpha))),
    latex="F'_{{{0}}}({1})",
)
covariance = define(
    "Cov_j",
    (j,),
    _in_concept(pc[j, y] * (M[y] - mean_0(j))),
    latex=r"\mathrm{{Cov}}_{{{0}}}(1_C, M)",
)
slope = define("beta_j", (j,), covariance(j) / variance_0(j), latex=r"\beta_{{{0}}}")
weight = define("w_j", (j,), pi[j] * variance_0(j), latex="w_{{{0}}}")

# -- stationary ------------------------------------------------------------------------------

_rises = Identity(
    Derivative(F_j(j, alpha), alpha),
    rise(j, alpha),
    reason=r"`slope`, summed over $C$: the covariance of $1_C$ and $M$ under $p_{j,\alpha}$",
    given=CONCEPT,
)
_dearer = Identity(Derivative(price(j, alpha), alpha), dear(j, alpha), reason="`mean-slope`")
_traded = Identity(
    Derivative(F_j(j, alpha) - lam * price(j, alpha), alpha),
    rise(j, alpha) - lam * dear(j, alpha),
    reason=r"one context at the price $\lambda$",
    given=CONCEPT,
)
lagrangian = define(
    "L", (), lam * B + contexts(F_j(j, a[j]) - lam * price(j, a[j])), latex=r"\Lambda(a)"
)
_gradient = Identity(
    Derivative(lagrangian(), a[i]),
    pi[i] * (rise(i, a[i]) - lam * dear(i, a[i])),
    reason=r"the Lagrangian falls apart: context $i$ alone depends on $a_i$",
    given=(*CONCEPT, *_WITHIN),
)
STATIONARY = zero_where(
    _gradient,
    Inequality(1 / pi[i], 0, reason=r"every context has $\pi_i > 0$"),
    reason=r"stationary in context $i$, with the same $\lambda$ for every $i$",
)

# budget moved from context k, at strength β, to context i, at strength α: free to first order
_up, _down = alpha + pi[k] * dear(k, beta) * t, beta - pi[i] * dear(i, alpha) * t
gains = define("G", (t,), pi[i] * F_j(i, _up) + pi[k] * F_j(k, _down))
costs = define("C", (t,), pi[i] * price(i, _up) + pi[k] * price(k, _down))


def _moved(f: Expr, by: type[Named], given: tuple[Given, ...]) -> tuple[Identity, Identity]:
    """f(0) and f', for f = G or C, from the slopes `by` of contexts i and k."""
    there = pi[i] * pi[k] * (by(i, _up) * dear(k, beta) - by(k, _down) * dear(i, alpha))
    zero = {t: Integer(0)}
    return (
        Identity(f.xreplace(zero), f.body.xreplace(zero), reason="before the move"),
        Identity(Derivative(f, t), there, reason="the chain rule", given=given),
    )


_gain_moves = _moved(gains(t), rise, CONCEPT)
_cost_moves = _moved(costs(t), dear, ())
COST_MOVES = taylor(_cost_moves[0], _cost_moves[1:], reason="the move is free, and ...")
GAIN_MOVES = taylor(
    _gain_moves[0],
    _gain_moves[1:],
    reason=r"... gains unless $F'_i/\mathrm{KL}'_i = F'_k/\mathrm{KL}'_k$: otherwise it, or the "
    r"reverse move, beats the allocation",
)

# -- weak duality ----------------------------------------------------------------------------

f, c, phi = (IndexedBase(n, real=True) for n in ("f", "c", "phi"))
BOUND = Inequality(
    contexts(f[j]),
    lam * B + contexts(phi[j]),
    relation="<=",
    form=-(lam * (B - contexts(c[j])) + contexts(phi[j] - f[j] + lam * c[j])),
    reason=r"weak duality, for any $\lambda \ge 0$: read $f_j = F_j(a_j)$, $c_j = "
    r"\mathrm{KL}_j(a_j)$ within the budget, and $\varphi_j$ the maximum over $\alpha$ of "
    r"$F_j(\alpha) - \lambda \mathrm{KL}_j(\alpha)$",
    given=(Sign(B - contexts(c[j])), Sign(phi[j] - f[j] + lam * c[j], for_all=(j,))),
)

# -- small budgets ---------------------------------------------------------------------------

gain = define("g", (t,), contexts(F_j(j, t * a[j])), latex="F({0} a)")
cost = define("c", (t,), contexts(price(j, t * a[j])), latex=r"\mathrm{{KL}}({0} a)")
_first = (
    Identity(
        Derivative(gain(t), t),
        contexts(a[j] * rise(j, t * a[j])),
        reason="the chain rule",
        given=CONCEPT,
    ),
    Identity(
        contexts(a[j] * rise(j, 0)),
        contexts(a[j] * covariance(j)),
        reason="at $t = 0$ nothing is tilted",
        given=(*CONCEPT, OFF_C),
    ),
)
_start = Identity(gain(0), contexts(F_j(j, 0)), reason="no strength")
SMALL_GAIN = taylor(_start, _first, reason="what small strengths gain")
_free = Identity(cost(0), 0, reason="no strength", given=(ROWS,))
_flat = (
    Identity(Derivative(cost(t), t), contexts(a[j] * dear(j, t * a[j])), reason="the chain rule"),
    Identity(contexts(a[j] * dear(j, 0)), 0, reason="the price is flat", given=(ROWS,)),
)
_curved = (
    Identity(
        Derivative(cost(t), (t, 2)),
        contexts(a[j] ** 2 * variance_j(j, t * a[j])),
        reason="once more",
    ),
    Identity(
        contexts(a[j] ** 2 * variance_j(j, 0)),
        contexts(a[j] ** 2 * variance_0(j)),
        reason="the variance under $p_j$",
        given=(ROWS,),
    ),
)
SMALL_COST = taylor(_free, _flat, _curved, reason="what they cost")
q = IndexedBase("q", positive=True)
b = IndexedBase("b", real=True)
_lagrange = Inequality(
    _sum(q[j] * b[j] * a[j]) ** 2,
    _sum(q[j] * b[j] ** 2) * _sum(q[j] * a[j] ** 2),
    relation="<=",
    form=-_sum(_sum(q[j] * q[k] * (b[j] * a[k] - b[k] * a[j]) ** 2, k)) / 2,
    reason="Cauchy and Schwarz in Lagrange's form, for any $q_j > 0$",
)
_weight_positive = Inequality(weight(j), 0, reason="$M$ is constant in no context", given=VARIES)
_REGRESSION = {q[j]: weight(j), b[j]: slope(j)}
_cauchy = entrywise(_lagrange, _REGRESSION, _weight_positive)
_first_order = Identity(
    contexts(a[j] * covariance(j)),
    _sum(weight(j) * slope(j) * a[j]),
    reason=r"$\mathrm{Cov}_j = \mathrm{Var}_j \beta_j$",
    given=VARIES,
)
LARGEST = substituted(
    _first_order, _cauchy, reason="so at a given second-order price the first-order gain is capped"
)
ATTAINED = entrywise(
    Identity(
        _sum(q[j] * b[j] * (t * b[j])) ** 2,
        _sum(q[j] * b[j] ** 2) * _sum(q[j] * (t * b[j]) ** 2),
        reason=r"with equality at $a_j = t b_j$",
    ),
    _REGRESSION,
    _weight_positive,
    reason=r"the cap is attained at $a_j = t \beta_j$, whatever $t$ is",
)
_b_mean = _sum(q[k] * b[k], k) / _sum(q[k], k)
RATIO = entrywise(
    Identity(
        _sum(q[j] * b[j] ** 2) * _sum(q[j]),
        _sum(q[j] * b[j]) ** 2 + _sum(q[j]) * _sum(q[j] * (b[j] - _b_mean) ** 2),
        reason=r"a mean square is a squared mean and a variance, for any $q_j > 0$",
    ),
    _REGRESSION,
    _weight_positive,
    reason=r"at the price $B$ the best first-order gain has the square $2B \sum_j w_j \beta_j^2$, "
    r"and one common strength $2B (\sum_j w_j \beta_j)^2 / \sum_j w_j$: divide by $(\sum_j w_j "
    r"\beta_j)^2$",
)
g, h = IndexedBase("g", positive=True), IndexedBase("h", nonnegative=True)
SAME_SIGN = Inequality(
    covariance(j),
    0,
    form=Sum(pc[j, y], (y, size, V - 1)) * _in_concept(pc[j, y] * g[y])
    + _in_concept(pc[j, y]) * Sum(pc[j, y] * h[y], (y, size, V - 1)),
    reason="$M > 0$ on $C$ and $M \\le 0$ off it, as Assumption 1 has it for the target "
    "(`sign-separation`): then no context is steered against $v$ by the rule for small budgets",
    given=(
        *CONCEPT,
        OFF_C,
        Let(M[y], g[y], y, Integer(0), size - 1),
        Let(M[y], -h[y], y, size, V - 1),
    ),
)

ALLOCATION = Law(
    id="allocation",
    title="Strength that adapts to the prompt: where one budget is best spent",
    source="beyond arXiv:2602.02712, Sec. 6 (conclusion): prompt-adaptive rules",
    paper="A question: should the strength depend on the prompt?",
    sharper=r"At the best allocation of a budget of $\sum_j \pi_j \mathrm{KL}(p_j \| p_{j,a_j})$ "
    r"the ratio $F'_j(a_j) / (K'_j(a_j) - K'_j(0))$ is the same $\lambda$ in every context. For "
    r"small budgets $a_j$ is proportional to $\beta_j = \mathrm{Cov}_j(1_C, M) / "
    r"\mathrm{Var}_j(M)$, and the squared ratio of its gain to that of one common strength is $1 + "
    r"\mathrm{CV}^2$, with $\mathrm{CV}$ the coefficient of variation of $\beta_j$ under the "
    r"weights $\pi_j \mathrm{Var}_j(M)$.",
    statement=_traded,
    headline=(
        STATIONARY,
        COST_MOVES,
        GAIN_MOVES,
        BOUND,
        SMALL_GAIN,
        SMALL_COST,
        LARGEST,
        ATTAINED,
        RATIO,
        SAME_SIGN,
    ),
    steps=(
        _rises,
        _dearer,
        _traded,
        STATIONARY,
        COST_MOVES,
        GAIN_MOVES,
        BOUND,
        SMALL_GAIN,
        SMALL_COST,
        _cauchy,
        LARGEST,
        ATTAINED,
        RATIO,
        SAME_SIGN,
    ),
    builds_on=(
        SLOPE,
        MEAN_SLOPE,
        cross_entropy.CE_EXACT,
        cross_entropy.CE_QUADRATIC,
        SIGN_SEPARATION,
    ),
    twin="steering_strength.theory.engine.allocation.allocate",
    care=r"Necessary, not sufficient: $F_j$ is not concave in what it costs, so a stationary "
    r"allocation may be a local optimum, equal contexts may deserve unequal strengths, and only "
    r"the bound by duality says how much is left.",
)

# -- what one might read into it -------------------------------------------------------------

_TWIN = "steering_strength.theory.engine.allocation.allocate"
_SOURCE = "a reading of prompt-adaptive rules, beyond arXiv:2602.02712, Sec. 6 (conclusion)"
_half = Rational(1, 2)
_w1, _b1, _w2, _b2 = Rational(1, 4), _half, Rational(11, 32), Rational(6, 11)
_loses = Inequality(
    _b1**2 * (_w1 + _w2),
    _w1 * _b1**2 + _w2 * _b2**2,
    relation="<",
    reason=r"two prompts of weight 1/2, $M = (1, 0, -1)$, the target token first: $p = (1/4, 1/2, "
    r"1/4)$ has $\beta = 1/2$ and $w = 1/4$, $p = (1/2, 1/4, 1/4)$ has $\beta = 6/11$ and $w = "
    r"11/32$. The common strength $a$ with $a^2 \sum w = t^2 \sum w \beta^2$ exceeds $t \beta$ on "
    r"the first",
)
EVERY_PROMPT = Law(
    id="allocation/every-prompt",
    title="Adapting the strength helps on every prompt",
    source=_SOURCE,
    paper="The best allocation makes the target likelier on every prompt than one common strength "
    "of the same price does.",
    sharper=r"Only on average: a prompt with $\beta_j$ below the root mean square pays for others.",
    steps=(_loses,),
    builds_on=(ALLOCATION,),
    twin=_TWIN,
)
_against = Inequality(
    Rational(1, 4) * (1 - Rational(5, 4)),
    0,
    relation="<",
    reason=r"$M = (1, 2, 0)$, the target token first, $p = (1/4, 1/2, 1/4)$: $E[M] = 5/4$, and "
    r"this is $\mathrm{Cov}(1_C, M)$ ...",
)
_along = Inequality(
    Rational(1, 4) * (1 - Rational(3, 4)),
    0,
    reason="... which is positive for $p = (1/4, 1/4, 1/2)$, with $E[M] = 3/4$",
)
ALONG_V = Law(
    id="allocation/along-v",
    title="The best strengths have one sign",
    source=_SOURCE,
    paper="If steering along $v$ makes the target likelier on average, no prompt should be steered "
    "against $v$.",
    sharper=r"$a_j$ has the sign of $\beta_j$, negative where the rest of the prompt's tokens lies "
    r"above the target in $M$.",
    steps=(_against, _along),
    builds_on=(ALLOCATION,),
    twin=_TWIN,
)
_mean = Rational(4, 5)
_dearest = log(Rational(155, 11)) - _mean * log(11)
_middle = log(Rational(653, 125)) - _mean * log(5)
_no_dearer = Inequality(
    _dearest,
    2 * _middle,
    relation="<",
    reason=r"one prompt twice, $M = (2, 1, -1)$, the target token first, $p = (1, 21, 3)/25$: one "
    r"of the two at strength $\log 11$ and the other at 0 costs less than both at $\log 5$ ...",
)
_gains_more = Inequality(
    Rational(1331, 3875) - Rational(1, 25),
    2 * (Rational(125, 653) - Rational(1, 25)),
    reason="... and gains more; so no best allocation gives both the same, and swapping the two "
    "gives another one",
)
EQUAL_PROMPTS = Law(
    id="allocation/equal-prompts",
    title="Equal prompts deserve equal strengths, and the best allocation is unique",
    source=_SOURCE,
    paper="Prompts with the same next-token probabilities get the same strength.",
    sharper="Where the target is rare its probability grows faster than its price: it may be best "
    "to push one prompt over the edge and leave its twin alone. The equal allocation is stationary "
    "all the same.",
    statement=_gains_more,
    steps=(_no_dearer, _gains_more),
    builds_on=(ALLOCATION,),
    twin=_TWIN,
)
