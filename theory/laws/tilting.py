"""Steering is exponential tilting: Lemmas B.2, B.3, B.5 and Eq. 10, step by step.

From the linearity of the logits in the steered state to the cumulant generating function K and
its first two derivatives. Nothing here needs Assumption 1; `steering-shift` and `tilting` need
logits that are linear in the state, the rest holds for any p > 0 and any real M.
"""

from __future__ import annotations

from sympy import Derivative, IndexedBase, Integer, Product, Sum, Symbol, exp, log

from steering_strength.theory.laws.assumptions import ASSUMPTION_2, LINEAR_LOGITS
from steering_strength.theory.laws.kernel import Let, Sign, Split
from steering_strength.theory.laws.law import Appeal, Identity, Inequality, Law, Limit
from steering_strength.theory.laws.notation import define
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

__all__ = ["MEAN_SLOPE", "SLOPE", "STEERING_SHIFT", "TILTING"]

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

logit = define(
    "logit",
    (z, j),
    Sum(W[z, k] * H[k, j], (k, 0, d - 1)),
    text="ℓ_({0},{1})",
    latex=r"\ell_{{{0},{1}}}",
)
direction = define(
    "direction",
    (k,),
    Sum(H[k, P[i]], (i, 0, q_P - 1)) / q_P - Sum(H[k, N[i]], (i, 0, q_N - 1)) / q_N,
    text="v_{0}",
    latex="v_{{{0}}}",
)

_steered = Identity(
    Sum(W[z, k] * (H[k, j] + alpha * direction(k)), (k, 0, d - 1)),
    logit(z, j)
    + alpha
    * (Sum(logit(z, P[i]), (i, 0, q_P - 1)) / q_P - Sum(logit(z, N[i]), (i, 0, q_N - 1)) / q_N),
    reason="linearity of the logits, and exchange of the finite sums over coordinates and contexts",
)
STEERING_SHIFT = Law(
    id="steering-shift",
    title="Steering shifts the logits by a difference of mean logits",
    source="arXiv:2602.02712, Lemma B.2 and Eq. 3",
    paper="f_α(c_j) = ℓ_j + (α/q)(Σ_P ℓ_i - Σ_N ℓ_i), with |P| = |N| = q.",
    sharper="The same with means over P and N of different sizes.",
    assumptions=(LINEAR_LOGITS,),
    statement=_steered,
    steps=(
        Identity(
            Sum(W[z, k] * direction(k), (k, 0, d - 1)),
            Sum(logit(z, P[i]), (i, 0, q_P - 1)) / q_P - Sum(logit(z, N[i]), (i, 0, q_N - 1)) / q_N,
            reason="the decoder maps a mean of states to the mean of their logits",
        ),
        _steered,
    ),
    twin="steering_strength.theory.model.ufm.UnconstrainedFeatures.steered_log_probability",
)

# -- tilting -------------------------------------------------------------------------------

ell = IndexedBase("ell", real=True)  # unsteered logits of c_j
pP = IndexedBase("p^P", positive=True)  # pP[i, z] = p(z | c_i), i in P
pN = IndexedBase("p^N", positive=True)
bP = IndexedBase("b^P", real=True)  # shift of the logits of the i-th context of P
bN = IndexedBase("b^N", real=True)
b = Symbol("b", real=True)  # shift of the logits of c_j

shift = define("b", (), log(over_tokens(exp(ell[y]), y)), text="b", latex="b")
odds = define(
    "M",
    (z,),
    Sum(log(pP[i, z]), (i, 0, q_P - 1)) / q_P - Sum(log(pN[i, z]), (i, 0, q_N - 1)) / q_N,
    text="M_{0}",
    latex="M_{{{0}}}",
)
mean_shift = define(
    "c",
    (),
    Sum(bP[i], (i, 0, q_P - 1)) / q_P - Sum(bN[i], (i, 0, q_N - 1)) / q_N,
    text="c",
    latex="c",
)
steered_logit = define(
    "steered_logit",
    (z,),
    log(p[z])
    + b
    + alpha
    * (
        Sum(log(pP[i, z]) + bP[i], (i, 0, q_P - 1)) / q_P
        - Sum(log(pN[i, z]) + bN[i], (i, 0, q_N - 1)) / q_N
    ),
    text="ℓ_({0},α)",
    latex=r"\ell_{{{0},\alpha}}",
)
base = define(
    "softmax", (z,), exp(ell[z]) / over_tokens(exp(ell[y]), y), text="p_{0}", latex="p_{{{0}}}"
)

_tilted = Identity(
    exp(steered_logit(x)) / over_tokens(exp(steered_logit(y)), y),
    p[x] * exp(alpha * odds(x)) / over_tokens(p[y] * exp(alpha * odds(y)), y),
    reason="the shifts e^b and e^(α c) do not depend on the token and cancel",
)
N1 = IndexedBase("M'", real=True)
TILTING = Law(
    id="tilting",
    title="Steering is exponential tilting",
    source="arXiv:2602.02712, Lemma B.3, Def. 3.2",
    paper="σ_z(f_α(c_j)) = p(z|c_j) e^(α M(z)) / Σ_y p(y|c_j) e^(α M(y)).",
    sharper="P and N of different sizes; tilts compose: α then β is α + β, and the M of two "
    "steering vectors add.",
    assumptions=(LINEAR_LOGITS, ASSUMPTION_2),
    statement=_tilted,
    steps=(
        Identity(
            ell[x],
            log(base(x)) + shift(),
            reason="logits are log-probabilities up to a shift b of the context (softmax of ℓ is "
            "p)",
        ),
        Identity(
            steered_logit(x),
            log(p[x]) + b + alpha * (odds(x) + mean_shift()),
            reason="`steering-shift` with that form of the logits for every context; "
            "c is the difference of the mean shifts over P and N",
        ),
        _tilted,
        Identity(
            (log(Product(pP[i, z], (i, 0, q - 1))) - log(Product(pN[i, z], (i, 0, q - 1)))) / q,
            Sum(log(pP[i, z]), (i, 0, q - 1)) / q - Sum(log(pN[i, z]), (i, 0, q - 1)) / q,
            reason="for |P| = |N| = q this M is the log-odds of Def. 3.2",
        ),
        Identity(
            tilted(x, alpha)
            * exp(beta * M[x])
            / over_tokens(tilted(y, alpha) * exp(beta * M[y]), y),
            tilted(x, alpha + beta),
            reason="tilting by α and then by β is tilting by α + β",
        ),
        Identity(
            tilted(x, alpha)
            * exp(beta * N1[x])
            / over_tokens(tilted(y, alpha) * exp(beta * N1[y]), y),
            p[x]
            * exp(alpha * M[x] + beta * N1[x])
            / over_tokens(p[y] * exp(alpha * M[y] + beta * N1[y]), y),
            reason="two steering vectors at once: their log-odds add, each with its strength",
        ),
    ),
    builds_on=("steering-shift",),
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
    paper="d/dα Δp(z|c_j, α) = σ_z(f_α(c_j)) (M(z) - E[M(Z)]), Z ~ σ(f_α(c_j)).",
    sharper="For any p > 0 and any M; the relative growth rate is M(z) - K'(α).",
    assumptions=(),
    statement=_slope,
    steps=(
        _slope,
        Identity(
            Derivative(log(tilted(x, alpha)), alpha),
            M[x] - Derivative(K(alpha), alpha),
            reason="log p_α(x) = log p_x + α M_x - K(α)",
        ),
        Identity(
            over_tokens(Derivative(tilted(x, alpha), alpha), x),
            Integer(0),
            reason="probability is conserved",
        ),
    ),
    builds_on=("tilting",),
    twin="steering_strength.theory.engine.family.TiltedFamily.mean",
)

s = Symbol("|A|", integer=True, positive=True)  # A = argmax M, its tokens numbered first
top = Symbol("m", real=True)  # max M
gap = IndexedBase("d", positive=True)  # max M - M(y) > 0 off the maximum
AT_MAXIMUM = (
    Split(Integer(0), s, V - 1),
    Let(M[y], top, y, Integer(0), s - 1),
    Let(M[y], top - gap[y], y, s, V - 1),
    Sign(V - s, strict=True),
)
_deficit = define(
    "deficit",
    (alpha,),
    Sum(p[y] * gap[y] * exp(-alpha * gap[y]), (y, s, V - 1))
    / (Sum(p[y], (y, 0, s - 1)) + Sum(p[y] * exp(-alpha * gap[y]), (y, s, V - 1))),
    text="D({0})",
    latex="D({0})",
)
_mean_is_slope = Identity(
    Derivative(K(alpha), alpha), mean(alpha), reason="differentiate log Σ_z p_z e^(α M_z)"
)
MEAN_SLOPE = Law(
    id="mean-slope",
    title="The mean log-odds is the slope of K, and its variance the curvature",
    source="arXiv:2602.02712, Eq. 10 and the limits after it (App. B.3)",
    paper="d/dα E[M(Z)] = Var(M(Z)) > 0 unless M is constant; E[M(Z)] runs from min M to max M.",
    sharper="K is the cumulant generating function of M: K' = E_α[M], K'' = Var_α[M], for any p "
    "and M, ties included; the distance of the mean to max M is explicit.",
    assumptions=(),
    statement=_mean_is_slope,
    steps=(
        _mean_is_slope,
        Identity(
            Derivative(K(alpha), (alpha, 2)),
            variance(alpha),
            reason="differentiate again, and complete the square under the sum",
        ),
        Inequality(variance(alpha), Integer(0), relation=">=", reason="a mean of squares"),
        Identity(
            variance(alpha),
            over_tokens(over_tokens(tilted(x, alpha) * tilted(y, alpha) * (M[x] - M[y]) ** 2, y), x)
            / 2,
            reason="the variance is half the mean squared difference of two independent draws",
        ),
        Appeal(
            principle="vanishing sum",
            conclusion="Var_α[M] > 0 for every α unless M is constant",
            premises=(4,),
        ),
        Identity(
            top - mean(alpha),
            _deficit(alpha),
            reason="number the tokens with M = max M = m first (there are |A|), "
            "write M_y = m - d_y for the others, and divide by e^(α m)",
            given=AT_MAXIMUM,
        ),
        Limit(
            _deficit(alpha),
            Integer(0),
            variable=alpha,
            reason="every term of the numerator vanishes, the denominator stays above p(argmax M)",
        ),
        Appeal(
            principle="relabelling",
            conclusion="E_α[M] → max M as α → ∞, and, with -M for M, E_α[M] → min M as α → -∞",
            premises=(6, 7),
        ),
    ),
    builds_on=("tilting",),
    twin="steering_strength.theory.engine.family.TiltedFamily.variance",
)
