"""When a peak lies at a positive strength (Remark 3.4).

A peak is positive exactly when the token's log-odds exceed their mean under the unsteered
context, and that mean is a difference of divergences: the sign tells whether the context is
closer to N or to P. In the weighted family the admissible eps form an interval from 0.
"""

from __future__ import annotations

from sympy import Derivative, Expr, IndexedBase, Integer, Symbol, exp, log, oo

from steering_strength.theory.laws import tilting
from steering_strength.theory.laws.assumptions import ASSUMPTION_1
from steering_strength.theory.laws.claims import Identity, Inequality, Limit
from steering_strength.theory.laws.kernel import Fact, Let, Sign, Sum
from steering_strength.theory.laws.law import Law
from steering_strength.theory.laws.notation import define
from steering_strength.theory.laws.order_rules import reflected
from steering_strength.theory.laws.peaks import PEAK
from steering_strength.theory.laws.peaks import here as at_its_peak
from steering_strength.theory.laws.rules import crossing
from steering_strength.theory.laws.symbols import NORMALISED, M, V, mean, over_tokens, p, y, z
from steering_strength.theory.laws.tilting import MEAN_RISES, i, odds, pN, pP, q_N, q_P

# -- every dataset -------------------------------------------------------------------------

_to_P = Sum(over_tokens(p[z] * log(p[z] / pP[i, z])), (i, 0, q_P - 1)) / q_P
_to_N = Sum(over_tokens(p[z] * log(p[z] / pN[i, z])), (i, 0, q_N - 1)) / q_N
kl_P = define(
    "kl_P",
    (),
    _to_P,
    latex=r"\mathrm{{mean}}_{{i \in P}}\ \mathrm{{KL}}(p\,\|\,p_i)",
)
kl_N = define(
    "kl_N",
    (),
    _to_N,
    latex=r"\mathrm{{mean}}_{{i \in N}}\ \mathrm{{KL}}(p\,\|\,p_i)",
)
_divergences = Identity(
    over_tokens(p[z] * odds.body),
    kl_N() - kl_P(),
    reason=r"a mean over $P$ minus a mean over $N$ of $\log p_i$; add and subtract $\log p$",
)
_mean_odds = over_tokens(p[y] * M[y], y)
_sign_criterion = Identity(
    _mean_odds,
    kl_N() - kl_P(),
    reason="the same for the $M$ of the difference of means",
    given=(Let(M[y], odds.body.xreplace({z: y}), y, Integer(0), V - 1),),
)

# -- the weighted family, c_j in the concept D, D different from T ------------------------------

G = Symbol("G", integer=True, positive=True)
eps = Symbol("epsilon", positive=True)
Q_D = Symbol("Q_D", nonnegative=True)  # share of N in the concept D of the context
lam = Symbol("lambda", real=True)  # log(gamma_z/omega_z) of the token z of T
others = Symbol("G'", integer=True, nonnegative=True)  # concepts other than T and D: G - 2
C = Symbol("C", integer=True)
s_T, s_D = (Symbol(n, integer=True, positive=True) for n in ("|T|", "|D|"))
size = IndexedBase("s", integer=True, positive=True)
Q = IndexedBase("Q", nonnegative=True)
w_T, g_T = (IndexedBase(n, positive=True) for n in ("omega^T", "gamma^T"))
w_D, g_D = (IndexedBase(n, positive=True) for n in ("omega^D", "gamma^D"))
w_C, g_C = (IndexedBase(n, positive=True) for n in ("omega", "gamma"))
kappa_T, delta_D = (Symbol(n, nonnegative=True) for n in ("kappa_T", "delta_D"))
kappa = IndexedBase("kappa", nonnegative=True)
ell = Symbol("L", positive=True)  # log((1 - eps)(G - 1)/eps), positive as eps < (G - 1)/G


def _over(term: Expr, count: Expr) -> Sum:
    return Sum(term, (z, 0, count - 1))


def _over_others(term: Expr) -> Sum:
    return Sum(term, (C, 0, others - 1))


_FAMILY = (
    Fact(_over(w_T[z], s_T), Integer(1)),
    Fact(_over(g_D[z], s_D), Integer(1)),
    Fact(_over(w_C[C, z], size[C]), Integer(1), (C,)),
    # kappa_T = KL(omega_T || gamma_T), kappa_C = KL(omega_C || gamma_C),
    # delta_D = KL(gamma_D || omega_D)
    Fact(_over(w_T[z] * log(g_T[z]), s_T), _over(w_T[z] * log(w_T[z]), s_T) - kappa_T),
    Fact(_over(g_D[z] * log(w_D[z]), s_D), _over(g_D[z] * log(g_D[z]), s_D) - delta_D),
    Fact(
        _over(w_C[C, z] * log(g_C[C, z]), size[C]),
        _over(w_C[C, z] * log(w_C[C, z]), size[C]) - kappa[C],
        (C,),
    ),
    Fact(_over_others(Q[C]), 1 - Q_D),
    Sign(G - 1, strict=True),
)
_b = eps / (G - 1)
expected_odds = define(
    "E_D[M]",
    (),
    _over(_b * w_T[z] * (ell + log(g_T[z] / w_T[z])), s_T)
    - _over_others(Q[C] * _over(_b * w_C[C, z] * (ell + log(g_C[C, z] / w_C[C, z])), size[C]))
    - Q_D * _over((1 - eps) * g_D[z] * (ell + log(g_D[z] / w_D[z])), s_D),
    latex=r"\mathbb{{E}}_D[M]",
)
_bracket = 1 + Q_D - Q_D * eps * G / (G - 1)
_rest = (kappa_T - _over_others(Q[C] * kappa[C])) / (G - 1)
threshold = define(
    "threshold", (), ell * _bracket + lam + eps * _rest + Q_D * (1 - eps) * delta_D, latex="g"
)
_margin = Identity(
    ell + lam - expected_odds(),
    threshold(),
    reason=r"$M_z = L + \lambda_z$ in $T$, $-Q_C (L + \lambda)$ in the other concepts; $b = "
    r"\varepsilon \omega/(G - 1)$, $a = (1 - \varepsilon) \gamma$",
    given=_FAMILY,
)

# uniqueness: at a zero of g the slope is negative
x = Symbol("epsilon", positive=True)
rest = Symbol("k", real=True)  # (kappa_T - sum Q_C kappa_C)/(G - 1)
_level = log((1 - x) * (G - 1) / x)
margin = define(
    "g", (x,), _level * (1 + Q_D - Q_D * x * G / (G - 1)) + lam + x * rest + Q_D * (1 - x) * delta_D
)
_DOMAIN = (
    Sign(G - 1, strict=True),
    Sign(1 - x, strict=True),
    Sign(1 - x * G / (G - 1)),
    Sign(G - 1 - G * x),
)
tau = Symbol("tau", positive=True)  # L + lambda = tau > 0: Assumption 1, a_z > b_z
_at_a_zero = -(1 + Q_D - Q_D * x * G / (G - 1)) / (1 - x) - _level * (1 + Q_D) - lam - Q_D * delta_D
_turn = Identity(
    x * Derivative(margin(x), x) - margin(x),
    _at_a_zero,
    reason=r"at a zero of $g$ the right side is $\varepsilon g'(\varepsilon)$",
    given=_DOMAIN,
)
_downwards = Inequality(
    _at_a_zero,
    0,
    relation="<",
    form=-(1 + Q_D * (1 - x * G / (G - 1))) / (1 - x)
    - _level * Q_D
    - (_level + lam)
    - Q_D * delta_D,
    reason=r"$\varepsilon < (G - 1)/G$ makes $L$ and the bracket positive, Assumption 1 says $L + "
    r"\lambda > 0$",
    given=(*_DOMAIN, Sign(_level), Sign(_level + lam, strict=True)),
)
THRESHOLD = crossing(_turn, _downwards)
# g as a function of L, which tends to infinity as epsilon tends to 0
_eps_of_level = (G - 1) / (G - 1 + exp(ell))
_by_level = (
    ell * (1 + Q_D - Q_D * G / (G - 1 + exp(ell)))
    + lam
    + rest * _eps_of_level
    + Q_D * (1 - _eps_of_level) * delta_D
)

# Lambert W, sufficient
c, w = (Symbol(n, positive=True) for n in ("c", "w"))
_eps_w = (G - 1) / (G - 1 + c / w)
_LAMBERT = (Sign(G - 1, strict=True), Sign(G - 2))
_same_concept = ell * (1 - G * eps / (G - 1)) + tau + eps * kappa_T / (G - 1) + (1 - eps) * delta_D

_zero = Identity(
    mean(0), _mean_odds, reason=r"at $\alpha = 0$ the mean is $E[M]$ under $p$", given=(NORMALISED,)
)
CRITERION = reflected(
    MEAN_RISES,
    _zero,
    at_its_peak,
    reason=r"$K'$ strictly increases from $K'(0) = E[M]$ to $K'(\alpha_z) = M_z$",
)
PEAK_SIGN = Law(
    id="peak-sign",
    title="A peak is at positive strength if the token beats the mean log-odds",
    source="arXiv:2602.02712, Remark 3.4 and Eq. 11 (App. B.3)",
    paper=r"For $c_j$ outside $T$ in the weighted family, peaks of target tokens are at $\alpha > "
    r"0$ for $\varepsilon$ small enough.",
    sharper=r"For every dataset $\alpha_z > 0$ iff $M(z) > E[M]$, and $E[M] = \mathrm{mean}_N "
    r"\mathrm{KL}(p \| p_i) - \mathrm{mean}_P \mathrm{KL}(p \| p_i)$: the context decides by "
    r"whether it is closer to $N$ or to $P$. In the weighted family ($\varepsilon$, $\gamma$, "
    r"$\omega$; $c_j$ in $D$, $Q_C$ the share of $N$ in $C$, $L = \log((1 - \varepsilon)(G - "
    r"1)/\varepsilon)$, $G'$ concepts other than $T$ and $D$, of sizes $s_C$) $M(z) - E[M]$ is "
    r"$g(\varepsilon)$ for the target token with $\lambda = \log(\gamma_z/\omega_z)$; it is "
    r"positive for small $\varepsilon$ and up to at most one $\varepsilon^*$. Every "
    r"$\varepsilon$ works if $N$ lies in the concept of $c_j$, if $\gamma = \omega$, or if "
    r"$G = 2$.",
    assumptions=(ASSUMPTION_1,),
    statement=_divergences,
    headline=(CRITERION, _sign_criterion, THRESHOLD),
    steps=(
        CRITERION,
        _divergences,
        _sign_criterion,
        _margin,
        THRESHOLD,
        Identity(
            margin(_eps_of_level),
            _by_level,
            reason=r"$g$ in terms of $L$: $\varepsilon = (G - 1)/(G - 1 + e^L)$",
            given=(Sign(G - 1, strict=True),),
        ),
        Limit(_by_level, oo, variable=ell, reason=r"$\varepsilon \to 0$ is $L \to \infty$"),
        Identity(
            ell * (2 - eps * G / (G - 1))
            + (tau - ell)
            + eps * kappa_T / (G - 1)
            + (1 - eps) * delta_D,
            _same_concept,
            reason=r"$N$ in the concept of $c_j$: $Q_D = 1$, no other concept, $g$ is the left "
            r"side, with $\tau = L + \lambda > 0$",
            given=(Sign(G - 1, strict=True),),
        ),
        Inequality(
            _same_concept,
            0,
            reason=r"positive: every admissible $\varepsilon$ works then; $G = 2$ is a case of it",
            given=(
                Sign(G - 1, strict=True),
                Sign(1 - eps, strict=True),
                Sign(1 - G * eps / (G - 1)),
            ),
        ),
        Inequality(
            ell * (1 + Q_D * (1 - G * eps / (G - 1))),
            0,
            reason=r"$\gamma = \omega$: $\lambda$, $\kappa$ and $\delta$ vanish, and $g$ is this; "
            r"every admissible $\varepsilon$ works",
            given=(Sign(G - 1, strict=True), Sign(1 - G * eps / (G - 1))),
        ),
        Identity(
            (1 / _eps_w - 1) * (G - 1),
            c / w,
            reason=r"sufficient by Lambert's $W$: $(1 - \varepsilon)(G - 1)/\varepsilon$ is "
            r"$(1/\varepsilon - 1)(G - 1)$; let $\lambda = -c < 0$ and $w = W(c e^{-c})$, that is "
            r"$c/w = e^{w + c}$; at $\varepsilon = (G - 1)/(G - 1 + c/w)$ this is $e^L$, so $L = w "
            r"+ c$ ...",
            given=_LAMBERT,
        ),
        Identity(
            (w + c) - c - (w + c) / (G - 1 + c / w),
            w * (G - 2) / (G - 1 + c / w),
            reason=r"... where the paper's lower bound $L + \lambda - \varepsilon L/(G - 1)$ has "
            r"this value ...",
            given=_LAMBERT,
        ),
        Identity(
            Derivative(ell - c - ell / (G - 1 + exp(ell)), ell),
            (G - 2 + exp(ell)) / (G - 1 + exp(ell)) + ell * exp(ell) / (G - 1 + exp(ell)) ** 2,
            reason=r"... and it grows with $L$, so every smaller $\varepsilon$ works too",
            given=_LAMBERT,
        ),
        Inequality(
            (G - 2 + exp(ell)) / (G - 1 + exp(ell)) + ell * exp(ell) / (G - 1 + exp(ell)) ** 2,
            0,
            reason=r"$G \ge 2$",
            given=_LAMBERT,
        ),
    ),
    builds_on=(tilting.MEAN_SLOPE, PEAK, tilting.SIGN_SEPARATION),
    twin="steering_strength.theory.model.dataset.ConceptDataset.closeness",
    care=r"For all admissible $\varepsilon$ is false: there are weighted datasets with three "
    r"concepts where a target token peaks at a negative strength.",
    formal=(
        (CRITERION, "peak_sign_mean in peaks.v"),
        (THRESHOLD, "peak_sign_smaller in peak_sign.v"),
    ),
)
