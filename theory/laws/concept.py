"""A concept's probability: the ODE, the tanh law, monotonicity and limits (Thm 3.6).

The log-odds of a concept are a difference of two log-sum-exps, which turns the integral of the
paper's tanh law into a closed form. `concept-ode` and `concept-tanh` hold for any set of tokens,
any p > 0 and any M.
"""

from __future__ import annotations

from sympy import Derivative, Expr, Function, IndexedBase, Integer, Symbol, exp, log, oo, tanh

from steering_strength.theory.laws import order_rules, rules, tilting
from steering_strength.theory.laws.assumptions import ASSUMPTION_1
from steering_strength.theory.laws.claims import Identity, Inequality, Limit
from steering_strength.theory.laws.kernel import Let, Sign, Split, Sum
from steering_strength.theory.laws.law import Law
from steering_strength.theory.laws.notation import define
from steering_strength.theory.laws.symbols import M, V, Z, alpha, p, tilted, x, y
from steering_strength.theory.laws.tilting import NOT_ALL, bottom, gap, mass, rest, s, top

size = Symbol("|C|", integer=True, positive=True)  # tokens of the concept C are numbered first
SPLIT = Split(Integer(0), size, V - 1)
PROPER = Sign(V - size, strict=True)  # C is not the whole vocabulary
CONCEPT = (SPLIT, PROPER)


def inside(term: Expr, index: Symbol = y) -> Sum:
    """Sum over the tokens of C."""
    return Sum(term, (index, 0, size - 1))


def outside(term: Expr, index: Symbol = y) -> Sum:
    """Sum over the tokens outside C."""
    return Sum(term, (index, size, V - 1))


S_in = define("S_C", (alpha,), inside(p[y] * exp(alpha * M[y])))
S_out = define("S_rest", (alpha,), outside(p[y] * exp(alpha * M[y])), latex=r"S_{{\bar C}}({0})")
F = define("F", (alpha,), inside(tilted(y, alpha)), latex="F_C({0})")
mu_in = define("mu_C", (alpha,), inside(tilted(y, alpha) * M[y]) / F(alpha), latex=r"\mu_C({0})")
mu_out = define(
    "mu_rest",
    (alpha,),
    outside(tilted(y, alpha) * M[y]) / (1 - F(alpha)),
    latex=r"\mu_{{\bar C}}({0})",
)
log_odds = define(
    "logit_F",
    (alpha,),
    log(F(alpha) / (1 - F(alpha))),
    latex=r"\mathrm{{logit}}\ F_C({0})",
)
nu = define(
    "nu",
    (alpha,),
    log(S_in(alpha)) - log(S_out(alpha)) - log(S_in(0)) + log(S_out(0)),
    latex=r"\nu({0})",
)
r = define("r", (), log_odds(0))
r_prime = define("r'", (), tanh(r() / 2))
increase = define(
    "increase",
    (alpha,),
    inside(tilted(y, alpha) - tilted(y, 0)) / size,
    latex=r"\Delta p(C\,|\,{0})",
)

_ode = Identity(
    Derivative(F(alpha), alpha),
    F(alpha) * (1 - F(alpha)) * (mu_in(alpha) - mu_out(alpha)),
    reason="`slope` summed over $C$, and the law of total expectation",
    given=CONCEPT,
)
CONCEPT_ODE = Law(
    id="concept-ode",
    title="The probability of a concept obeys a logistic equation",
    source="arXiv:2602.02712, Eq. 12 (App. B.4)",
    paper=r"$dF/d\alpha = F (1 - F)(\mu_C - \mu_{\bar C})$, $\mu$ the conditional means of $M$.",
    sharper="For any set $C$ of tokens, any $p > 0$ and any $M$.",
    statement=_ode,
    steps=(
        Identity(
            F(alpha),
            S_in(alpha) / (S_in(alpha) + S_out(alpha)),
            reason="the tilting law; the tokens of $C$ are numbered first",
            given=CONCEPT,
        ),
        _ode,
        Identity(
            Derivative(log_odds(alpha), alpha),
            mu_in(alpha) - mu_out(alpha),
            reason="divide by $F (1 - F)$",
            given=CONCEPT,
        ),
    ),
    builds_on=(tilting.SLOPE,),
    twin="steering_strength.theory.engine.family.TiltedFamily.concept_slope",
)

_free_nu = Function("nu", real=True)(alpha)
_rho = Symbol("r", real=True)
_sigmoid = 1 / (1 + exp(-_free_nu - _rho))
_tanh = Identity(
    increase(alpha),
    (tanh((nu(alpha) + r()) / 2) - r_prime()) / (2 * size),
    reason=r"$\tanh(x) = 2/(1 + e^{-2x}) - 1$ at $x = \mathrm{logit}\, F(\alpha)/2$ and at $x = "
    r"\mathrm{logit}\, F(0)/2$",
    given=CONCEPT,
)
_nu_slope = Identity(
    Derivative(nu(alpha), alpha),
    mu_in(alpha) - mu_out(alpha),
    reason=r"so this $\nu$ is an antiderivative of $\mu_C - \mu_{\bar C}$ ...",
    given=CONCEPT,
)
_nu_zero = Identity(nu(0), 0, reason="... that vanishes at 0", given=CONCEPT)
NU = rules.antiderivative(_nu_slope, _nu_zero, reason=r"$\nu$ is the integral of the paper")
R = Symbol("R", positive=True)  # max M - min M
low = Symbol("n", real=True)  # min M
height = IndexedBase("h", nonnegative=True)  # M_y = min M + h_y, h_y <= R
_RANGE = (
    *CONCEPT,
    Let(M[y], low + height[y], y, Integer(0), size - 1),
    Let(M[y], low + height[y], y, size, V - 1),
    Sign(R - height[y], for_all=(y,)),
)


def _spread(inner: Expr, outer: Expr) -> Expr:
    weights = inside(tilted(y, alpha)), outside(tilted(y, alpha))
    return inside(tilted(y, alpha) * inner) / weights[0] + (
        outside(tilted(y, alpha) * outer) / weights[1]
    )


_up = Inequality(
    Derivative(nu(alpha), alpha),
    R,
    relation="<=",
    form=-_spread(R - height[y], height[y]),
    reason=r"$M_y = n + h_y$ with $n = \min M$ and $0 \le h_y \le R = \max M - \min M$: both "
    r"conditional means lie between $n$ and $n + R$",
    given=_RANGE,
)
_down = Inequality(
    Derivative(nu(alpha), alpha),
    -R,
    relation=">=",
    form=_spread(height[y], R - height[y]),
    reason="the other side",
    given=_RANGE,
)
NU_BOUND = rules.bounded_growth(_nu_zero, _up, _down, reason="App. B.4")
CONCEPT_TANH = Law(
    id="concept-tanh",
    title="The probability of a concept follows a tanh law",
    source="arXiv:2602.02712, Def. 3.5, Thm 3.6, App. B.4",
    paper=r"$\Delta p(C|\alpha) = (\tanh((\nu(\alpha) + r)/2) - r')/(2|C|)$, with $\nu(\alpha)$ "
    r"the integral of $\mu_C - \mu_{\bar C}$ from 0 to $\alpha$, $r = \mathrm{logit}\, F(0)$, $r' "
    r"= \tanh(r/2)$.",
    sharper=r"$\nu$ in closed form: $\nu(\alpha) + r = \log S_C(\alpha) - \log S_{\bar "
    r"C}(\alpha)$, with $S_C = \sum_{z \in C} p_z e^{\alpha M_z}$; no integral, no Assumption 1, "
    r"any set $C$.",
    statement=_tanh,
    headline=(_tanh, NU, NU_BOUND),
    steps=(
        Identity(
            Derivative(_sigmoid, alpha),
            _sigmoid * (1 - _sigmoid) * Derivative(_free_nu, alpha),
            reason=r"whatever $\nu$ is, the sigmoid of $\nu(\alpha) + r$ solves $F' = F (1 - F) "
            r"\nu'$",
        ),
        Identity(
            log_odds(alpha),
            log(S_in(alpha)) - log(S_out(alpha)),
            reason=r"the odds of $C$ are $S_C : S_{\bar C}$",
            given=CONCEPT,
        ),
        NU,
        NU_BOUND,
        Identity(
            nu(alpha) + r(), log_odds(alpha), reason=r"by (2) at $\alpha$ and at 0", given=CONCEPT
        ),
        _tanh,
    ),
    builds_on=(CONCEPT_ODE,),
    twin="steering_strength.theory.engine.family.TiltedFamily.concept_increase",
    formal=((NU, "concept_tanh_integral in concept.v"),),
)

# -- concept-monotone ----------------------------------------------------------------------

c = Symbol("c", real=True)
u = IndexedBase("u", nonnegative=True)
w = IndexedBase("w", nonnegative=True)
t = IndexedBase("t", positive=True)


def _pair_sum(difference: Expr) -> Sum:
    """Over a token x of C and one y outside, weighed by their probabilities."""
    return inside(outside(tilted(x, alpha) * tilted(y, alpha) * difference, y), x)


_covariance = Identity(
    Derivative(F(alpha), alpha),
    _pair_sum(M[x] - M[y]),
    reason="compare every token of $C$ with every token outside",
    given=CONCEPT,
)
_shift = Identity(
    increase(alpha),
    F(alpha) / size - F(0) / size,
    reason=r"$\Delta p(C|\alpha)$ is the gain of $F_C$ per token of $C$",
    given=CONCEPT,
)
_C, _OUT = (Integer(0), size - 1), (size, V - 1)

_target = Inequality(
    Derivative(F(alpha), alpha),
    0,
    form=_pair_sum(t[x] + w[y]),
    reason=r"$C = T$: $M_x = t_x > 0$ in $T$ and $M_y = -w_y \le 0$ outside (`sign-separation`)",
    given=(*CONCEPT, Let(M[y], t[y], y, *_C), Let(M[y], -w[y], y, *_OUT)),
)
_F_rises = rules.derivative_sign(_target)
TARGET_RISES = rules.affine(_shift, _F_rises, reason="the target concept gains at every strength")
_LOW = (*CONCEPT, Let(M[y], c - u[y], y, *_C), Let(M[y], c + w[y], y, *_OUT))
_low = Inequality(
    Derivative(F(alpha), alpha),
    0,
    relation="<=",
    form=_pair_sum(-u[x] - w[y]),
    reason=r"$\max_C M \le c \le \min_{\bar C} M$: $M_x = c - u_x$ in $C$ and $M_y = c + w_y$ "
    r"outside",
    given=_LOW,
)
_F_falls = rules.derivative_sign(_low)
LOW_FALLS = rules.affine(_shift, _F_falls, reason="a concept at the bottom of $M$ loses")
_below = Symbol("|B|", integer=True, positive=True)  # B: the tokens of C with M < c, first
_strictly = Inequality(
    Derivative(F(alpha), alpha),
    0,
    relation="<",
    form=-Sum(outside(tilted(x, alpha) * tilted(y, alpha) * (t[x] + w[y]), y), (x, 0, _below - 1))
    - Sum(outside(tilted(x, alpha) * tilted(y, alpha) * (u[x] + w[y]), y), (x, _below, size - 1)),
    reason="strictly if some token of $C$ lies below $c$: these, $B$, are numbered first",
    given=(
        Split(Integer(0), size, V - 1),
        PROPER,
        Split(Integer(0), _below, size - 1),
        Sign(size - _below),
        Let(M[y], c - t[y], y, Integer(0), _below - 1),
        Let(M[y], c - u[y], y, _below, size - 1),
        Let(M[y], c + w[y], y, *_OUT),
    ),
)
_strictly_2 = Inequality(
    Derivative(F(alpha), alpha),
    0,
    relation="<",
    form=-inside(
        Sum(tilted(x, alpha) * tilted(y, alpha) * (u[x] + t[y]), (y, size, size + _below - 1)), x
    )
    - inside(
        Sum(tilted(x, alpha) * tilted(y, alpha) * (u[x] + w[y]), (y, size + _below, V - 1)), x
    ),
    reason="or if some token outside lies above $c$: these, $B$, come first outside; if neither, "
    "$M$ is constant",
    given=(
        Split(Integer(0), size, V - 1),
        Split(size, size + _below, V - 1),
        PROPER,
        Sign(V - size - _below),
        Let(M[y], c - u[y], y, *_C),
        Let(M[y], c + t[y], y, size, size + _below - 1),
        Let(M[y], c + w[y], y, size + _below, V - 1),
    ),
)
STRICTLY = tuple(map(rules.derivative_sign, (_strictly, _strictly_2)))
CONCEPT_MONOTONE = Law(
    id="concept-monotone",
    title="The target concept gains; a concept at the bottom of $M$ loses",
    source="arXiv:2602.02712, Thm 3.6 (target increases; max_C M <= min outside decreases)",
    paper=r"$\Delta p(T|\alpha)$ is increasing; if $\max_C M \le \min_{\bar C} M$, then $\Delta "
    r"p(C|\alpha)$ is decreasing.",
    sharper="$F'$ is a sum over pairs of a token in $C$ and one outside, each with the sign of "
    "$M_x - M_y$. Assumption 1 enters only through `sign-separation` for $T$; the decrease needs "
    "none, and is strict unless $M$ is constant.",
    assumptions=(ASSUMPTION_1,),
    headline=(TARGET_RISES, LOW_FALLS, *STRICTLY),
    steps=(_covariance, TARGET_RISES, LOW_FALLS, STRICTLY[0], STRICTLY[1]),
    builds_on=(CONCEPT_ODE,),
    twin="steering_strength.theory.engine.family.TiltedFamily.concept_rises",
    care=r"The condition $\max_C M \le \min_{\bar C} M$ is sufficient, not necessary "
    r"(`concept-shape`).",
    formal=((TARGET_RISES, "concept_monotone_target in separation.v"),),
)

# -- concept-limit -------------------------------------------------------------------------

# C holds no extremal token: number A = argmax M first, then C, then the rest.
C_of = Symbol("|C|", integer=True, positive=True)
A_of = s


def _in_concept(term: Expr) -> Sum:
    return Sum(term, (y, A_of, A_of + C_of - 1))


F_away = define(
    "F_away",
    (alpha,),
    _in_concept(p[y] * exp(-alpha * gap[y])) / (mass() + rest(alpha)),
    latex="F_C({0})",
)
_ORDER = (Split(Integer(0), A_of, V - 1), NOT_ALL, Sign(V - A_of - C_of))


def _blocks(end: Expr, sign: int) -> tuple[Let | Split | Sign, ...]:
    """A first, then C, then the rest: M_y = `end` on A, at distance d_y from it elsewhere."""
    away = end - sign * gap[y]
    return (
        *_ORDER,
        Let(M[y], end, y, Integer(0), A_of - 1),
        Let(M[y], away, y, A_of, V - 1),
        Let(M[y], away, y, A_of, A_of + C_of - 1),
    )


gain = define(
    "gain",
    (alpha,),
    (_in_concept(p[y] * exp(alpha * M[y])) / Z(alpha) - _in_concept(p[y])) / C_of,
    latex=r"\Delta p(C\,|\,{0})",
)


def _dies(side: int, numbered: str, vanishes: str) -> Limit:
    """The gain of C at the end of this sign, where A holds all the probability."""
    end, lost = (top if side > 0 else bottom), _in_concept(p[y])
    form = Identity(
        gain(alpha),
        (F_away(side * alpha) - lost) / C_of,
        reason=numbered,
        given=_blocks(end, side),
    )
    limit = Limit(
        form.rhs, -lost / C_of, variable=alpha, end=side * oo, reason=vanishes, given=_ORDER
    )
    dies: Limit = order_rules.substituted(form, limit)
    return dies


DIES = (
    _dies(
        1,
        r"number $A = \operatorname{argmax} M$ first and $C$ next, write $M_y = m - d_y$ off "
        r"$A$, divide by $e^{\alpha m}$",
        "every $d_y > 0$ in $C$, and the denominator tends to $P_A > 0$",
    ),
    _dies(
        -1,
        r"the other end: $A = \operatorname{argmin} M$, $M_y = n + d_y$ off $A$",
        "as before",
    ),
)
CONCEPT_LIMIT = Law(
    id="concept-limit",
    title="A concept without extremal tokens dies out at both ends",
    source="arXiv:2602.02712, Thm 3.6 (limits)",
    paper=r"$\Delta p(C|\alpha) \to -(1/|C|) \sum_{z \in C} p(z|c_j)$ as $\alpha \to \pm\infty$ if "
    r"$C$ holds no extremal token.",
    sharper=r"$F_C(\alpha) \to 0$ exponentially, for any $p$ and $M$. The formula of the paper is "
    r"right.",
    statement=DIES[0].premises[1],
    headline=DIES,
    steps=(
        *DIES,
        Inequality(
            -_in_concept(p[y]) / C_of,
            0,
            relation="<",
            reason="the limit is not the unsteered value: the concept loses all it had",
            given=_ORDER,
        ),
    ),
    builds_on=(tilting.LIMIT,),
    twin="steering_strength.theory.engine.family.TiltedFamily.concept_increase_limit",
    care='The prose of the paper says the probability "converges back to its unsteered value"; '
    "it converges to 0, and the increase to minus the unsteered value.",
    formal=(
        (DIES[0], "concept_limit in concept.v"),
        (DIES[1], "concept_limit_minus_infinity in concept.v"),
    ),
)
