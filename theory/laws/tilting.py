"""Steering is exponential tilting: Lemmas B.2 to B.5, Eq. 10 and Prop. B.1, step by step.

From the linearity of the logits in the steered state to the cumulant generating function K, its
first two derivatives and the limits of large strength. `steering-shift` and `tilting` need logits
that are linear in the state; only `sign-separation` needs Assumption 1; the rest holds for any
p > 0 and any real M.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from sympy import Derivative, Expr, IndexedBase, Integer, Product, Rational, Symbol, exp, log, oo

from steering_strength.theory.laws.assumptions import ASSUMPTION_1, ASSUMPTION_2, LINEAR_LOGITS
from steering_strength.theory.laws.claims import Case, Identity, Inequality, Limit
from steering_strength.theory.laws.kernel import Given, Let, Sign, Split, Sum
from steering_strength.theory.laws.law import Law
from steering_strength.theory.laws.notation import define
from steering_strength.theory.laws.order_rules import by_cases, substituted
from steering_strength.theory.laws.printing import tex
from steering_strength.theory.laws.rules import derivative_sign
from steering_strength.theory.laws.symbols import (
    K,
    M,
    V,
    alpha,
    beta,
    mean,
    over_tokens,
    p,
    tilted,
    variance,
    x,
    y,
    z,
)

# -- steering-shift ------------------------------------------------------------------------

d = Symbol("d", integer=True, positive=True)
q_P = Symbol("q_P", integer=True, positive=True)
q_N = Symbol("q_N", integer=True, positive=True)
q = Symbol("q", integer=True, positive=True)
i, j, k = (Symbol(n, integer=True) for n in "ijk")
W = IndexedBase("W", real=True)
H = IndexedBase("H", real=True)
P = IndexedBase("P", integer=True)  # P[i]: the i-th positive context, i = 0 .. q_P - 1
N = IndexedBase("N", integer=True)


def contrast(of_P: Expr, of_N: Expr) -> Expr:
    """The mean over the contexts of P minus the mean over those of N, both indexed by i."""
    return Sum(of_P, (i, 0, q_P - 1)) / q_P - Sum(of_N, (i, 0, q_N - 1)) / q_N


logit = define("logit", (z, j), Sum(W[z, k] * H[k, j], (k, 0, d - 1)), latex=r"\ell_{{{0},{1}}}")
direction = define(
    "direction",
    (k,),
    contrast(H[k, P[i]], H[k, N[i]]),
    latex="v_{{{0}}}",
)

_steered = Identity(
    Sum(W[z, k] * (H[k, j] + alpha * direction(k)), (k, 0, d - 1)),
    logit(z, j) + alpha * contrast(logit(z, P[i]), logit(z, N[i])),
    reason="linearity of the logits, and exchange of the finite sums over coordinates and contexts",
)
STEERING_SHIFT = Law(
    id="steering-shift",
    title="Steering shifts the logits by a difference of mean logits",
    source="arXiv:2602.02712, Lemma B.2 and Eq. 3",
    paper=r"$f_{\alpha}(c_j) = \ell_j + (\alpha/q)(\sum_P \ell_i - \sum_N \ell_i)$, with $|P| = "
    r"|N| = q$.",
    sharper="The same with means over $P$ and $N$ of different sizes.",
    assumptions=(LINEAR_LOGITS,),
    statement=_steered,
    steps=(
        Identity(
            Sum(W[z, k] * direction(k), (k, 0, d - 1)),
            contrast(logit(z, P[i]), logit(z, N[i])),
            reason="the decoder maps a mean of states to the mean of their logits",
        ),
        _steered,
    ),
    twin="steering_strength.theory.model.ufm.UnconstrainedFeatures.shifted_logits",
)

# -- tilting -------------------------------------------------------------------------------

ell = IndexedBase("ell", real=True)  # unsteered logits of c_j
pP = IndexedBase("p^P", positive=True)  # pP[i, z] = p(z | c_i), i in P
pN = IndexedBase("p^N", positive=True)
bP = IndexedBase("b^P", real=True)  # shift of the logits of the i-th context of P
bN = IndexedBase("b^N", real=True)
b = Symbol("b", real=True)  # shift of the logits of c_j

shift = define("b", (), log(over_tokens(exp(ell[y]), y)))
odds = define(
    "M",
    (z,),
    contrast(log(pP[i, z]), log(pN[i, z])),
    latex="M_{{{0}}}",
)
mean_shift = define("c", (), contrast(bP[i], bN[i]))
steered_logit = define(
    "steered_logit",
    (z,),
    log(p[z]) + b + alpha * (contrast(log(pP[i, z]) + bP[i], log(pN[i, z]) + bN[i])),
    latex=r"\ell_{{{0},\alpha}}",
)
base = define("softmax", (z,), exp(ell[z]) / over_tokens(exp(ell[y]), y), latex="p_{{{0}}}")

_tilted = Identity(
    exp(steered_logit(x)) / over_tokens(exp(steered_logit(y)), y),
    p[x] * exp(alpha * odds(x)) / over_tokens(p[y] * exp(alpha * odds(y)), y),
    reason=r"the shifts $e^b$ and $e^{\alpha c}$ do not depend on the token and cancel",
)
N1 = IndexedBase("M'", real=True)
TILTING = Law(
    id="tilting",
    title="Steering is exponential tilting",
    source="arXiv:2602.02712, Lemma B.3, Def. 3.2",
    paper=r"$\sigma_z(f_{\alpha}(c_j)) = p(z|c_j) e^{\alpha M(z)} / \sum_y p(y|c_j) e^{\alpha "
    r"M(y)}$.",
    sharper=r"$P$ and $N$ of different sizes; tilts compose: $\alpha$ then $\beta$ is $\alpha + "
    r"\beta$, and the $M$ of two steering vectors add.",
    assumptions=(LINEAR_LOGITS, ASSUMPTION_2),
    statement=_tilted,
    steps=(
        Identity(
            ell[x],
            log(base(x)) + shift(),
            reason=r"logits are log-probabilities up to a shift $b$ of the context (softmax of "
            r"$\ell$ is $p$)",
        ),
        Identity(
            steered_logit(x),
            log(p[x]) + b + alpha * (odds(x) + mean_shift()),
            reason="`steering-shift` with that form of the logits for every context; $c$ is the "
            "difference of the mean shifts over $P$ and $N$",
        ),
        _tilted,
        Identity(
            (log(Product(pP[i, z], (i, 0, q - 1))) - log(Product(pN[i, z], (i, 0, q - 1)))) / q,
            Sum(log(pP[i, z]), (i, 0, q - 1)) / q - Sum(log(pN[i, z]), (i, 0, q - 1)) / q,
            reason="for $|P| = |N| = q$ this $M$ is the log-odds of Def. 3.2",
        ),
        Identity(
            tilted(x, alpha)
            * exp(beta * M[x])
            / over_tokens(tilted(y, alpha) * exp(beta * M[y]), y),
            tilted(x, alpha + beta),
            reason=r"tilting by $\alpha$ and then by $\beta$ is tilting by $\alpha + \beta$",
        ),
        Identity(
            tilted(x, alpha)
            * exp(beta * N1[x])
            / over_tokens(tilted(y, alpha) * exp(beta * N1[y]), y),
            p[x]
            * exp(alpha * M[x] + beta * N1[x])
            / over_tokens(p[y] * exp(alpha * M[y] + beta * N1[y]), y),
            reason="two steering vectors at once: their log-odds $M$ and $M'$ add, each with its "
            "strength",
        ),
    ),
    builds_on=(STEERING_SHIFT,),
    twin="steering_strength.theory.engine.family.TiltedFamily.log_probability",
)

# -- slope and mean-slope ------------------------------------------------------------------

_slope = Identity(
    Derivative(tilted(x, alpha), alpha),
    tilted(x, alpha) * (M[x] - mean(alpha)),
    reason="quotient rule",
)
SLOPE = Law(
    id="slope",
    title="A token gains while its log-odds exceed the mean",
    source="arXiv:2602.02712, Lemma B.5",
    paper=r"$d/d\alpha \Delta p(z|c_j, \alpha) = \sigma_z(f_{\alpha}(c_j)) (M(z) - E[M(Z)])$, $Z "
    r"\sim \sigma(f_{\alpha}(c_j))$.",
    sharper=r"For any $p > 0$ and any $M$; the relative growth rate is $M(z) - K'(\alpha)$.",
    steps=(
        _slope,
        Identity(
            Derivative(log(tilted(x, alpha)), alpha),
            M[x] - Derivative(K(alpha), alpha),
            reason=r"$\log p_{\alpha}(x) = \log p_x + \alpha M_x - K(\alpha)$",
        ),
        Identity(
            over_tokens(Derivative(tilted(x, alpha), alpha), x),
            0,
            reason="probability is conserved",
        ),
    ),
    builds_on=(TILTING,),
    twin="steering_strength.theory.engine.family.TiltedFamily.slope",
)

s = Symbol("|A|", integer=True, positive=True)  # A = argmax M, its tokens numbered first
top = Symbol("m", real=True)  # max M
gap = IndexedBase("d", positive=True)  # max M - M(y) > 0 off the maximum
NOT_ALL = Sign(V - s, strict=True)  # some token lies outside A: M is not constant
bottom = Symbol("n", real=True)  # min M; there A = argmin M, and d_y = M(y) - min M


def _at_end(end: Expr, side: int) -> tuple[Given, ...]:
    """M is `end` on A, and at the distance d_y from it elsewhere."""
    return (
        Split(Integer(0), s, V - 1),
        Let(M[y], end, y, Integer(0), s - 1),
        Let(M[y], end - side * gap[y], y, s, V - 1),
        NOT_ALL,
    )


AT_MAXIMUM, AT_MINIMUM = _at_end(top, 1), _at_end(bottom, -1)
mass = define("P_A", (), Sum(p[y], (y, 0, s - 1)))
rest = define("R_A", (alpha,), Sum(p[y] * exp(-alpha * gap[y]), (y, s, V - 1)))


def _off(term: Expr, index: Symbol = y) -> Sum:
    """Sum over the tokens outside A."""
    return Sum(term, (index, s, V - 1))


_deficit = define(
    "deficit",
    (alpha,),
    _off(p[y] * gap[y] * exp(-alpha * gap[y])) / (mass() + rest(alpha)),
    latex="D({0})",
)
_mean_is_slope = Identity(
    Derivative(K(alpha), alpha),
    mean(alpha),
    reason=r"differentiate $\log \sum_z p_z e^{\alpha M_z}$",
)
_curvature = Identity(
    Derivative(K(alpha), (alpha, 2)),
    variance(alpha),
    reason="differentiate again, and complete the square under the sum",
)


def spread(weight: Callable[[Expr], Expr]) -> Expr:
    """The variance of M under tilted weights, over pairs of tokens; A = argmax M comes first."""
    total = Sum(weight(y), (y, 0, s - 1))
    one = _off(weight(y) * exp(-alpha * gap[y]) * gap[y] ** 2)
    growth, apart = exp(-alpha * (gap[x] + gap[y])), (gap[x] - gap[y]) ** 2
    two = _off(_off(weight(x) * weight(y) * growth * apart), x)
    return (total * one + two / 2) / (total + _off(weight(y) * exp(-alpha * gap[y]))) ** 2


_steeper = Inequality(
    Derivative(mean(alpha), alpha),
    0,
    form=spread(lambda token: p[token]),
    reason=r"$M$ is not constant: $A = \operatorname{argmax} M$, numbered first, is not all; the "
    r"slope is $\mathrm{Var}_{\alpha}[M]$, written out over pairs",
    given=AT_MAXIMUM,
)
MEAN_RISES = derivative_sign(_steeper, reason="so $K'$ strictly increases unless $M$ is constant")
_level = Symbol("m", real=True)
_to_top = Limit(
    _deficit(alpha),
    0,
    variable=alpha,
    reason="every term of the numerator vanishes, the denominator stays above $P_A$",
    given=(NOT_ALL,),
)
_from_bottom = Limit(
    _deficit(-alpha), 0, variable=alpha, end=-oo, reason="likewise", given=(NOT_ALL,)
)
_below_top = Identity(
    top - mean(alpha),
    _deficit(alpha),
    reason=r"write $M_y = m - d_y$ off $A$, $m = \max M$, and divide by $e^{\alpha m}$",
    given=AT_MAXIMUM,
)
_above_bottom = Identity(
    mean(alpha) - bottom,
    _deficit(-alpha),
    reason=r"the same at the other end: $A = \operatorname{argmin} M$, $M_y = n + d_y$ off $A$, $n "
    r"= \min M$",
    given=AT_MINIMUM,
)
MEAN_TO_TOP = substituted(
    _below_top, _to_top, reason=r"$E_{\alpha}[M] \to \max M$ as $\alpha \to \infty$"
)
MEAN_TO_BOTTOM = substituted(
    _above_bottom, _from_bottom, reason=r"$E_{\alpha}[M] \to \min M$ as $\alpha \to -\infty$"
)
MEAN_SLOPE = Law(
    id="mean-slope",
    title="The mean log-odds is the slope of $K$, and its variance the curvature",
    source="arXiv:2602.02712, Eq. 10 and the limits after it (App. B.3)",
    paper=r"$d/d\alpha E[M(Z)] = \mathrm{Var}(M(Z)) > 0$ unless $M$ is constant; $E[M(Z)]$ runs "
    r"from $\min M$ to $\max M$.",
    sharper=r"$K$ is the cumulant generating function of $M$: $K' = E_{\alpha}[M]$, $K'' = "
    r"\mathrm{Var}_{\alpha}[M]$, for any $p$ and $M$, ties included; the distance of the mean to "
    r"$\max M$ is explicit.",
    headline=(_mean_is_slope, _curvature, MEAN_RISES, MEAN_TO_TOP, MEAN_TO_BOTTOM),
    steps=(
        _mean_is_slope,
        _curvature,
        Inequality(variance(alpha), 0, relation=">=", reason="a mean of squares"),
        Identity(
            variance(alpha),
            over_tokens(over_tokens(tilted(x, alpha) * tilted(y, alpha) * (M[x] - M[y]) ** 2, y), x)
            / 2,
            reason="the variance is half the mean squared difference of two independent draws",
        ),
        Identity(
            variance(alpha),
            0,
            reason="zero for constant $M = m$",
            given=(Let(M[y], _level, y, Integer(0), V - 1),),
        ),
        MEAN_RISES,
        _below_top,
        MEAN_TO_TOP,
        _above_bottom,
        MEAN_TO_BOTTOM,
    ),
    builds_on=(TILTING,),
    twin="steering_strength.theory.engine.family.TiltedFamily.mean",
    formal=(
        (MEAN_RISES, "mean_slope_increasing in tilting.v"),
        (MEAN_TO_TOP, "mean_slope_plus_infinity in limits.v"),
        (MEAN_TO_BOTTOM, "mean_slope_minus_infinity in limits.v"),
    ),
)


# -- sign-separation -------------------------------------------------------------------------

a_z, b_z = (Symbol(n, positive=True) for n in ("a_z", "b_z"))
tau = Symbol("t", positive=True)  # a_z = b_z (1 + t)
excess = IndexedBase("t", positive=True)  # a_(i,z) = b_z (1 + t_i), App. B.1
q_z = Symbol("q_z", integer=True, nonnegative=True)  # contexts of N that share the concept of z


def rows(of_P: Expr, of_N: Expr) -> tuple[Let, Let]:
    """What the contexts i of P and those of N give to the token z."""
    return (
        Let(pP[i, z], of_P, i, Integer(0), q_P - 1),
        Let(pN[i, z], of_N, i, Integer(0), q_N - 1),
    )


def _outside(a: Expr) -> tuple[Given, ...]:
    """z outside T: P has b_z, and N has `a` in its first q_z contexts and b_z in the others."""
    return (
        Sign(q_N - q_z),
        Let(pP[i, z], b_z, i, Integer(0), q_P - 1),
        Split(Integer(0), q_z, q_N - 1),
        Let(pN[i, z], a, i, Integer(0), q_z - 1),
        Let(pN[i, z], b_z, i, q_z, q_N - 1),
    )


_in_target = Identity(
    odds(z),
    log(a_z / b_z),
    reason="$z$ in $T$: every context of $P$ has probability $a_z$ for $z$, every context of $N$ "
    "has $b_z$",
    given=rows(a_z, b_z),
)
_in_T, _outside_T = rows(b_z * (1 + tau), b_z), _outside(b_z * (1 + tau))
POSITIVE_IN_TARGET = Inequality(
    odds(z),
    0,
    form=log(1 + tau),
    reason="$z$ in $T$: $a_z > b_z$, that is $a_z = b_z (1 + t)$ with $t > 0$; $P$ has $a_z$, $N$ "
    "has $b_z$",
    given=_in_T,
)
NOT_POSITIVE_OUTSIDE = Inequality(
    odds(z),
    0,
    relation="<=",
    form=-q_z / q_N * log(1 + tau),
    reason="$z$ outside $T$: $P$ has $b_z$ throughout; the $q_z$ contexts of $N$ that share the "
    "concept of $z$, numbered first, have $a_z$, the others $b_z$; zero where $q_z = 0$",
    given=_outside_T,
)
SEPARATES = by_cases(
    Case("$z$ is in $T$", _in_T, _outside_T),
    POSITIVE_IN_TARGET,
    NOT_POSITIVE_OUTSIDE,
    reason="every token is in $T$ or outside",
)
SIGN_SEPARATION = Law(
    id="sign-separation",
    title="The log-odds separate the target concept from the rest",
    source="arXiv:2602.02712, Lemma B.4 and App. B.1",
    paper="$z$ is in $T$ if and only if $M(z) > 0$.",
    sharper=r"$M = \log(a_z/b_z)$ in $T$ and $-(q_z/q) \log(a_z/b_z)$ outside, $q_z \le q$ the "
    r"number of contexts of $N$ that share the concept of $z$; in-concept probabilities may depend "
    r"on the context.",
    assumptions=(ASSUMPTION_1,),
    headline=(SEPARATES,),
    steps=(
        _in_target,
        Identity(
            odds(z),
            -q_z / q_N * log(a_z / b_z),
            reason=r"$z$ outside $T$, $q_z \le q_N$",
            given=_outside(a_z),
        ),
        POSITIVE_IN_TARGET,
        SEPARATES,
        Inequality(
            odds(z),
            0,
            form=Sum(log(1 + excess[i]), (i, 0, q_P - 1)) / q_P,
            reason="App. B.1: $a_{i,z} = b_z (1 + t_i)$ may depend on the context; $z$ in $T$",
            given=rows(b_z * (1 + excess[i]), b_z),
        ),
        Inequality(
            odds(z),
            0,
            relation="<=",
            form=-Sum(log(1 + excess[i]), (i, 0, q_z - 1)) / q_N,
            reason="the same outside $T$",
            given=_outside(b_z * (1 + excess[i])),
        ),
    ),
    builds_on=(TILTING,),
    twin="steering_strength.theory.model.dataset.ConceptDataset.log_odds",
    care="$M < 0$ outside $T$ is false: $M = 0$ for concepts that $N$ does not contain. The law "
    "fails as soon as the off-concept probability depends on the context.",
    formal=((SEPARATES, "sign_separation in separation.v"),),
)


# -- limit ------------------------------------------------------------------------------------


def _doubled(latex: str) -> str:
    return latex.replace("{", "{{").replace("}", "}}")


@cache
def tilted_at(token: Symbol, odds: Expr) -> Expr:
    """p_α of a token whose log-odds are `odds`: the tilting law with M written in."""
    shown = odds.xreplace({token: Symbol("@", integer=True)})
    return define(
        "tilted_at",
        (z, alpha),
        tilted(z, alpha).definition().xreplace({M[z]: odds.xreplace({token: z})}),
        latex=rf"p_{{{{{{1}}}}}}({{0}}; M_{{{{{{0}}}}}} = {_doubled(tex(shown))})".replace(
            "@", "{0}"
        ),
    )(token, alpha)


# The gap to the next level: d_y = delta + e_y with e_y >= 0 off the argmax.
delta = Symbol("delta", positive=True)
excess = IndexedBase("e", nonnegative=True)
forward = Symbol("alpha", nonnegative=True)
_next = Let(gap[y], delta + excess[y], y, s, V - 1)
_slack = Sum(p[y] * exp(-forward * delta) * (1 - exp(-forward * excess[y])), (y, s, V - 1))
_cap = Sum(p[y], (y, s, V - 1)) * exp(-forward * delta)


def _end(side: int, of_A: str, stays: str, vanishes: str) -> tuple[Limit, Limit]:
    """What a token of A, and one outside, tend to at the end of this sign, each from its form."""
    end, given = (top, AT_MAXIMUM) if side > 0 else (bottom, AT_MINIMUM)
    total = mass() + rest(side * alpha)
    found = []
    for odds, form, limit, reasons in (
        (tilted_at(z, end), p[z] / total, p[z] / mass(), (of_A, stays)),
        (
            tilted_at(x, end - side * gap[x]),
            p[x] * exp(-side * alpha * gap[x]) / total,
            Integer(0),
            ("the same for a token outside A", vanishes),
        ),
    ):
        exact = Identity(odds, form, reason=reasons[0], given=given)
        tends = Limit(
            form, limit, variable=alpha, end=side * oo, reason=reasons[1], given=(NOT_ALL,)
        )
        found.append(substituted(exact, tends))
    return found[0], found[1]


_ENDS = _end(
    1,
    r"the tilting law for a token of $A$, divided by $e^{\alpha m}$; $m = \max M$, and $M_y "
    r"= m - d_y$ off $A$",
    "$R_A$ vanishes term by term, as every $d_y > 0$, and $P_A > 0$",
    "the numerator vanishes, the denominator tends to $P_A > 0$",
) + _end(
    -1,
    r"the other end: now $A = \operatorname{argmin} M$, $n = \min M$, and $M_y = n + d_y$ "
    r"off $A$",
    "as before",
    "as before",
)
LIMIT = Law(
    id="limit",
    title="Large strength ends in an argmax, shared in proportion to $p$",
    source="arXiv:2602.02712, Prop. B.1 and Eq. 5 to 7",
    paper=r"$\Delta p(z|c_j, \alpha) \to 1[z \in \operatorname{argmax} M] "
    r"p(z)/p(\operatorname{argmax} M) - p(z)$ as $\alpha \to \infty$, and with "
    r"$\operatorname{argmin} M$ as $\alpha \to -\infty$.",
    sharper=r"Exact at every $\alpha$: with $A = \operatorname{argmax} M$, $P_A = p(A)$ and "
    r"$R_A(\alpha) = \sum_{y \notin A} p_y e^{-\alpha d_y}$, the distance of a token in $A$ from "
    r"its limit is $(p_z/P_A) R_A/(P_A + R_A)$, the total variation is $R_A/(P_A + R_A)$, at most "
    r"$(1 - P_A) e^{-\alpha \delta}/P_A$ with $\delta$ the gap to the next level.",
    statement=_ENDS[0].premises[1],
    headline=_ENDS,
    steps=(
        *_ENDS,
        Identity(
            p[z] / mass() - p[z] / (mass() + rest(alpha)),
            p[z] / mass() * rest(alpha) / (mass() + rest(alpha)),
            reason=r"distance from the limit of a token of $A$, exact at every $\alpha$",
            given=(NOT_ALL,),
        ),
        Identity(
            Rational(1, 2)
            * (
                Sum(p[z] / mass() - p[z] / (mass() + rest(alpha)), (z, 0, s - 1))
                + Sum(p[x] * exp(-alpha * gap[x]) / (mass() + rest(alpha)), (x, s, V - 1))
            ),
            rest(alpha) / (mass() + rest(alpha)),
            reason="total variation: the mass missing on A is the mass still off $A$",
            given=(NOT_ALL,),
        ),
        Inequality(
            _cap / mass(),
            rest(forward) / (mass() + rest(forward)),
            relation=">=",
            form=(mass() * _slack + _cap * rest(forward)) / (mass() * (mass() + rest(forward))),
            reason=r"let $\delta$ be the gap to the next level, so that $d_y = \delta + e_y$ with "
            r"$e_y \ge 0$ off $A$: the total variation vanishes like $e^{-\alpha \delta}$",
            given=(NOT_ALL, _next),
        ),
    ),
    builds_on=(TILTING,),
    twin="steering_strength.theory.engine.family.TiltedFamily.limit",
    care=r"Ties share in proportion to $p$, not uniformly; and a near-tie (a gap of $2^{-40}$) is "
    r"no tie: its limit is reached at $\alpha$ of the order of $2^{40}$, but it is reached.",
    formal=(
        (_ENDS[0], "limit in limits.v"),
        (_ENDS[1], "limit in limits.v"),
        (_ENDS[2], "limit_minus_infinity in limits.v"),
        (_ENDS[3], "limit_minus_infinity in limits.v"),
    ),
)
