"""A concept's probability: the ODE, the tanh law, monotonicity and limits (Thm 3.6).

The log-odds of a concept are a difference of two log-sum-exps, which turns the integral of the
paper's tanh law into a closed form. `concept-ode` and `concept-tanh` hold for any set of tokens,
any p > 0 and any M.
"""

from __future__ import annotations

from sympy import Derivative, Expr, Function, IndexedBase, Integer, Sum, Symbol, exp, log, tanh

from steering_strength.theory.laws.assumptions import ASSUMPTION_1
from steering_strength.theory.laws.kernel import Let, Sign, Split
from steering_strength.theory.laws.law import Appeal, Identity, Inequality, Law, Limit
from steering_strength.theory.laws.limits import NOT_ALL, mass, rest
from steering_strength.theory.laws.notation import define
from steering_strength.theory.laws.symbols import M, V, Z, alpha, p, tilted, x, y
from steering_strength.theory.laws.tilting import gap, s

__all__ = ["CONCEPT_LIMIT", "CONCEPT_MONOTONE", "CONCEPT_ODE", "CONCEPT_TANH"]

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


S_in = define("S_C", (alpha,), inside(p[y] * exp(alpha * M[y])), text="S_C({0})", latex="S_C({0})")
S_out = define(
    "S_rest",
    (alpha,),
    outside(p[y] * exp(alpha * M[y])),
    text="S_C̄({0})",
    latex=r"S_{{\bar C}}({0})",
)
F = define("F", (alpha,), inside(tilted(y, alpha)), text="F_C({0})", latex="F_C({0})")
mu_in = define(
    "mu_C",
    (alpha,),
    inside(tilted(y, alpha) * M[y]) / F(alpha),
    text="μ_C({0})",
    latex=r"\mu_C({0})",
)
mu_out = define(
    "mu_rest",
    (alpha,),
    outside(tilted(y, alpha) * M[y]) / (1 - F(alpha)),
    text="μ_C̄({0})",
    latex=r"\mu_{{\bar C}}({0})",
)
log_odds = define(
    "logit_F",
    (alpha,),
    log(F(alpha) / (1 - F(alpha))),
    text="logit F_C({0})",
    latex=r"\mathrm{{logit}}\,F_C({0})",
)
nu = define(
    "nu",
    (alpha,),
    log(S_in(alpha)) - log(S_out(alpha)) - log(S_in(Integer(0))) + log(S_out(Integer(0))),
    text="ν({0})",
    latex=r"\nu({0})",
)
r = define("r", (), log_odds(Integer(0)), text="r", latex="r")
r_prime = define("r'", (), tanh(r() / 2), text="r'", latex="r'")
increase = define(
    "increase",
    (alpha,),
    inside(tilted(y, alpha) - tilted(y, Integer(0))) / size,
    text="Δp(C|{0})",
    latex=r"\Delta p(C\,|\,{0})",
)

_ode = Identity(
    Derivative(F(alpha), alpha),
    F(alpha) * (1 - F(alpha)) * (mu_in(alpha) - mu_out(alpha)),
    reason="`slope` summed over C, and the law of total expectation",
    given=CONCEPT,
)
CONCEPT_ODE = Law(
    id="concept-ode",
    title="The probability of a concept obeys a logistic equation",
    source="arXiv:2602.02712, Eq. 12 (App. B.4)",
    paper="dF/dα = F (1 - F)(μ_C - μ_(C complement)), μ the conditional means of M.",
    sharper="For any set C of tokens, any p > 0 and any M.",
    assumptions=(),
    statement=_ode,
    steps=(
        Identity(
            F(alpha),
            S_in(alpha) / (S_in(alpha) + S_out(alpha)),
            reason="the tilting law; the tokens of C are numbered first",
            given=CONCEPT,
        ),
        _ode,
        Identity(
            Derivative(log_odds(alpha), alpha),
            mu_in(alpha) - mu_out(alpha),
            reason="divide by F (1 - F)",
            given=CONCEPT,
        ),
    ),
    builds_on=("slope",),
    twin="steering_strength.theory.engine.family.TiltedFamily.concept_log_odds",
)

_free_nu = Function("nu", real=True)(alpha)
_rho = Symbol("r", real=True)
_sigmoid = 1 / (1 + exp(-_free_nu - _rho))
_tanh = Identity(
    increase(alpha),
    (tanh((nu(alpha) + r()) / 2) - r_prime()) / (2 * size),
    reason="tanh(x) = 2/(1 + e^(-2x)) - 1 at x = logit F(α)/2 and at x = logit F(0)/2",
    given=CONCEPT,
)
CONCEPT_TANH = Law(
    id="concept-tanh",
    title="The probability of a concept follows a tanh law",
    source="arXiv:2602.02712, Def. 3.5, Thm 3.6, App. B.4",
    paper="Δp(C|α) = (tanh((ν(α) + r)/2) - r')/(2|C|), with ν(α) the integral of μ_C - μ_(C "
    "complement) from 0 to α, r = logit F(0), r' = tanh(r/2).",
    sharper="ν in closed form: ν(α) + r = log S_C(α) - log S_C̄(α), with S_C = Σ_(z∈C) p_z e^(α "
    "M_z); "
    "no integral, no Assumption 1, any set C.",
    assumptions=(),
    statement=_tanh,
    steps=(
        Identity(
            Derivative(_sigmoid, alpha),
            _sigmoid * (1 - _sigmoid) * Derivative(_free_nu, alpha),
            reason="whatever ν is, the sigmoid of ν(α) + r solves F' = F (1 - F) ν'",
        ),
        Identity(
            log_odds(alpha),
            log(S_in(alpha)) - log(S_out(alpha)),
            reason="the odds of C are S_C : S_C̄",
            given=CONCEPT,
        ),
        Identity(
            Derivative(nu(alpha), alpha),
            mu_in(alpha) - mu_out(alpha),
            reason="so this ν is an antiderivative of μ_C - μ_C̄ ...",
            given=CONCEPT,
        ),
        Identity(nu(Integer(0)), Integer(0), reason="... that vanishes at 0", given=CONCEPT),
        Appeal(
            principle="fundamental theorem of calculus",
            conclusion="ν(α) is the paper's integral of μ_C - μ_C̄ from 0 to α",
            premises=(3, 4),
        ),
        Identity(nu(alpha) + r(), log_odds(alpha), reason="by (2) at α and at 0", given=CONCEPT),
        _tanh,
    ),
    builds_on=("concept-ode",),
    twin="steering_strength.theory.engine.family.TiltedFamily.concept_increase",
)

# -- concept-monotone ----------------------------------------------------------------------

c = Symbol("c", real=True)
u = IndexedBase("u", nonnegative=True)
w = IndexedBase("w", nonnegative=True)
t = IndexedBase("t", positive=True)
_pairs = define(
    "pairs",
    (alpha,),
    inside(outside(tilted(x, alpha) * tilted(y, alpha) * (M[x] - M[y]), y), x),
    text="Σ_(x∈C) Σ_(y∉C) p_{0}(x) p_{0}(y) (M_x - M_y)",
    latex=r"\sum_{{x \in C}} \sum_{{y \notin C}} p_{{{0}}}(x) p_{{{0}}}(y) \left(M_x - M_y\right)",
    precedence=1,
)
_covariance = Identity(
    Derivative(F(alpha), alpha),
    _pairs(alpha),
    reason="compare every token of C with every token outside",
    given=CONCEPT,
)
weight = IndexedBase("q", positive=True)


def _pair_sum(difference: Expr) -> Sum:
    return inside(outside(weight[x] * weight[y] * difference, y), x)


CONCEPT_MONOTONE = Law(
    id="concept-monotone",
    title="The target concept gains; a concept at the bottom of M loses",
    source="arXiv:2602.02712, Thm 3.6 (target increases; max_C M <= min outside decreases)",
    paper="Δp(T|α) is increasing; if max_C M <= min_(C complement) M, then Δp(C|α) is decreasing.",
    sharper="F' is a sum over pairs of a token in C and one outside, each with the sign of M_x - "
    "M_y. "
    "Assumption 1 enters only through `sign-separation` for T; the decrease needs none, and is "
    "strict unless M is constant.",
    assumptions=(ASSUMPTION_1,),
    statement=_covariance,
    steps=(
        _covariance,
        Inequality(
            _pair_sum(t[x] + w[y]),
            Integer(0),
            reason="C = T: M_x = t_x > 0 in T and M_y = -w_y <= 0 outside (`sign-separation`); "
            "q stands for the steered probabilities",
            given=(PROPER,),
        ),
        Inequality(
            _pair_sum(-u[x] - w[y]),
            Integer(0),
            relation="<=",
            reason="max_C M <= c <= min outside: M_x = c - u_x in C and M_y = c + w_y outside",
            given=(PROPER,),
        ),
        Appeal(
            principle="vanishing sum",
            conclusion="the second sum is zero only if every u_x and w_y is, that is if M is "
            "constant",
            premises=(3,),
        ),
        Appeal(
            principle="sign of the derivative",
            conclusion="Δp(T|α) strictly increases; Δp(C|α) decreases if max_C M <= min outside, "
            "strictly unless M is constant",
            premises=(1, 2, 3, 4),
        ),
    ),
    builds_on=("concept-ode",),
    twin="steering_strength.theory.engine.family.TiltedFamily.concept_increase",
    care="The condition max_C M <= min outside is sufficient, not necessary (`concept-shape`).",
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
    text="F_C({0})",
    latex="F_C({0})",
)
_away = (
    Split(Integer(0), A_of, V - 1),
    Let(M[y], Symbol("m", real=True), y, Integer(0), A_of - 1),
    Let(M[y], Symbol("m", real=True) - gap[y], y, A_of, V - 1),
    Let(M[y], Symbol("m", real=True) - gap[y], y, A_of, A_of + C_of - 1),
    NOT_ALL,
)
_vanishes = Limit(
    (F_away(alpha) - _in_concept(p[y])) / C_of,
    -_in_concept(p[y]) / C_of,
    variable=alpha,
    reason="every d_y > 0 in C, and the denominator tends to P_A > 0",
    given=_away,
)
CONCEPT_LIMIT = Law(
    id="concept-limit",
    title="A concept without extremal tokens dies out at both ends",
    source="arXiv:2602.02712, Thm 3.6 (limits)",
    paper="Δp(C|α) → -(1/|C|) Σ_(z∈C) p(z|c_j) as α → ±∞ if C holds no extremal token.",
    sharper="F_C(α) → 0 exponentially, for any p and M. The formula of the paper is right.",
    assumptions=(),
    statement=_vanishes,
    steps=(
        Identity(
            _in_concept(p[y] * exp(alpha * M[y])) / Z(alpha),
            F_away(alpha),
            reason="number A = argmax M first and C next, write M_y = m - d_y off A, divide by "
            "e^(α m)",
            given=_away,
        ),
        _vanishes,
        Inequality(
            -_in_concept(p[y]) / C_of,
            Integer(0),
            relation="<",
            reason="the limit is not the unsteered value: the concept loses all it had",
        ),
        Appeal(
            principle="relabelling",
            conclusion="Δp(C|α) → -F_C(0)/|C| as α → ∞; with -M for M the same as α → -∞",
            premises=(1, 2),
        ),
    ),
    builds_on=("limit",),
    twin="steering_strength.theory.engine.family.TiltedFamily.concept_increase",
    care='The prose of the paper says the probability "converges back to its unsteered value"; '
    "it converges to 0, and the increase to minus the unsteered value.",
)
