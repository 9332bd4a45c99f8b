"""How far the quadratic law of the cross-entropy reaches, with a guarantee.

One inequality does it, |K'''| <= R K'' with R the range of M: it caps how fast the curvature can
change, hence the ratio of the exact increase to its quadratic approximation, from both sides.
Stated for one context; a π-weighted mean over contexts keeps every bound, with R the range of M
over the whole vocabulary.
"""

from __future__ import annotations

from sympy import Derivative, IndexedBase, Integer, Rational, Symbol, exp, log

from steering_strength.theory.laws.assumptions import ASSUMPTION_2
from steering_strength.theory.laws.kernel import Fact, Let, Sign
from steering_strength.theory.laws.law import Appeal, Identity, Inequality, Law
from steering_strength.theory.laws.notation import define
from steering_strength.theory.laws.symbols import K, M, V, alpha, mean, over_tokens, tilted, x, y

__all__ = ["CE_RADIUS"]

R = Symbol("R", positive=True)  # max M - min M
low = Symbol("m", real=True)  # min M
w = IndexedBase("w", nonnegative=True)  # M_y = m + w_y, 0 <= w_y <= R
_RANGE = (Let(M[y], low + w[y], y, Integer(0), V - 1), Sign(R - w[y], for_all=(y,)))
_LEVELS = Sign(R - w[y], for_all=(y,))
q = IndexedBase("q", positive=True)  # stands for the steered probabilities
lift = define("wbar", (), over_tokens(q[x] * w[x], x), text="E[w]", latex=r"\mathbb{{E}}[w]")
third = define(
    "third",
    (alpha,),
    over_tokens(tilted(y, alpha) * (M[y] - mean(alpha)) ** 3, y),
    text="K'''({0})",
    latex="K'''({0})",
)
_SUM_Q = Fact(over_tokens(q[y], y), Integer(1))
_centre = w[y] - lift()

# Cauchy-Schwarz in Lagrange's form, for a centred variable X on [-a, b]
X = IndexedBase("X", real=True)
b, a = (Symbol(n, positive=True) for n in ("b", "a"))
_CENTRED = (_SUM_Q, Fact(over_tokens(q[y] * X[y], y), Integer(0)))
_mu2 = define("mu_2", (), over_tokens(q[y] * X[y] ** 2, y), text="μ_2", latex=r"\mu_2")
_mu3 = define("mu_3", (), over_tokens(q[y] * X[y] ** 3, y), text="μ_3", latex=r"\mu_3")
tau = Symbol("tau", nonnegative=True)  # mu_2 = a b - tau, as E[(b - X)(X + a)] >= 0

# the envelope: curvature V0 e^{R t} integrated twice from 0
V0 = Symbol("V_0", positive=True)
_envelope = define(
    "U",
    (alpha,),
    V0 * (exp(R * alpha) - 1 - R * alpha) / R**2,
    text="U({0})",
    latex="U({0})",
)
theta = Symbol("theta", positive=True)
_two_levels = log(1 - theta + theta * exp(alpha * R)) - alpha * theta * R
_response = define(
    "response",
    (theta,),
    (exp(alpha * R) - 1) / (1 - theta + theta * exp(alpha * R)) - alpha * R,
    text="ρ({0})",
    latex=r"\rho({0})",
)

# the upper ratio is the power series of 2 x^k/(k + 2)!, which increases with x > 0
_ratio = define(
    "ratio",
    (theta,),
    2 * (exp(theta) - 1 - theta) / theta**2,
    text="[2 (e^x - 1 - x)/x² at x = {0}]",
    latex=r"\left[2 (e^x - 1 - x)/x^2\right]_{{x = {0}}}",
)
_WITHIN = tuple(
    Inequality(
        _ratio(reach),
        1 + Rational(percent, 100),
        relation="<",
        reason=f"the upper ratio is within {percent} % of 1 there, hence for smaller x too, as it "
        "increases with x; the lower ratio is closer to 1",
    )
    for percent, reach in (
        (1, Rational(297, 10**4)),
        (5, Rational(1446, 10**4)),
        (10, Rational(2793, 10**4)),
    )
)

_capped = Identity(
    R * Derivative(K(alpha), (alpha, 2)) - Derivative(K(alpha), (alpha, 3)),
    over_tokens(
        tilted(y, alpha)
        * (M[y] - mean(alpha)) ** 2
        * ((R - w[y]) + over_tokens(tilted(x, alpha) * w[x], x)),
        y,
    ),
    reason="K'' and K''' are the second and third central moments; write M_y = min M + w_y",
    given=_RANGE,
)
CE_RADIUS = Law(
    id="ce-radius",
    title="The quadratic law holds within a radius that can be written down",
    source="sharpens arXiv:2602.02712, Thm 3.8",
    paper="ΔCE(α) = ½ Var(M) α² + o(α²), without a radius.",
    sharper="|K'''| <= R K'' with R = max M - min M, so with x = |α| R the ratio of ΔCE to its "
    "quadratic lies between 2(e^(-x) - 1 + x)/x² and 2(e^x - 1 - x)/x², both sharp: within 1, 5, "
    "10 % for x <= 0.0297, 0.1446, 0.2793. Globally ΔCE <= α² R²/8. Even |K'''| <= "
    "K'' √(R² - 4 K'').",
    assumptions=(ASSUMPTION_2,),
    statement=_capped,
    steps=(
        _capped,
        Inequality(
            over_tokens(q[y] * _centre**2 * ((R - w[y]) + lift()), y),
            Integer(0),
            relation=">=",
            reason="0 <= w_y <= R; q stands for the steered probabilities: K''' <= R K''",
            given=(_LEVELS,),
        ),
        Identity(
            R * Derivative(K(alpha), (alpha, 2)) + Derivative(K(alpha), (alpha, 3)),
            over_tokens(
                tilted(y, alpha)
                * (M[y] - mean(alpha)) ** 2
                * (w[y] + over_tokens(tilted(x, alpha) * (R - w[x]), x)),
                y,
            ),
            reason="the other side",
            given=_RANGE,
        ),
        Inequality(
            over_tokens(q[y] * _centre**2 * (w[y] + over_tokens(q[x] * (R - w[x]), x)), y),
            Integer(0),
            relation=">=",
            reason="likewise, so |K'''| <= R K''",
            given=(_LEVELS,),
        ),
        Appeal(
            principle="Grönwall's inequality",
            conclusion="Var(M) e^(-R|α|) <= K''(α) <= Var(M) e^(R|α|), Var(M) the variance at 0",
            premises=(1, 2, 3, 4),
        ),
        Identity(
            Derivative(_envelope(alpha), (alpha, 2)),
            V0 * exp(R * alpha),
            reason="U has the upper curvature, with V_0 = Var(M); with -R for R it has the lower",
        ),
        Identity(_envelope(Integer(0)), Integer(0), reason="U(0) = 0 ..."),
        Identity(
            Derivative(_envelope(alpha), alpha),
            V0 * (exp(R * alpha) - 1) / R,
            reason="... and U'(0) = 0, as for ΔCE (`ce-exact`)",
        ),
        Appeal(
            principle="integration of inequalities",
            conclusion="for α > 0, Var(M) (e^(-x) - 1 + x)/R² <= ΔCE <= Var(M) (e^x - 1 - x)/R² "
            "with x = α R; for α < 0 with -M; divide by ½ Var(M) α²",
            premises=(5, 6, 7, 8),
        ),
        *_WITHIN,
        Identity(
            Derivative(_two_levels, theta),
            _response(theta),
            reason="sharp: let M = R with probability θ and 0 otherwise; how ΔCE grows with θ ...",
            given=(Sign(1 - theta + theta * exp(alpha * R), strict=True),),
        ),
        Identity(
            _response(Integer(0)),
            exp(R * alpha) - 1 - R * alpha,
            reason="... at θ = 0: ΔCE is θ (e^x - 1 - x) + O(θ²), and the quadratic is θ x²/2 + "
            "O(θ²)",
        ),
        Identity(
            R**2 / 4 - over_tokens(q[y] * _centre**2, y),
            (R / 2 - lift()) ** 2 + over_tokens(q[y] * w[y] * (R - w[y]), y),
            reason="the variance of a variable on [0, R]",
            given=(_SUM_Q,),
        ),
        Inequality(
            (R / 2 - lift()) ** 2 + over_tokens(q[y] * w[y] * (R - w[y]), y),
            Integer(0),
            relation=">=",
            reason="so K'' <= R²/4 at every strength",
            given=(_LEVELS,),
        ),
        Appeal(
            principle="integration of inequalities",
            conclusion="ΔCE(α) <= α² R²/8 for every α",
            premises=(15, 16),
        ),
        Identity(
            b * (b * _mu2() - _mu3()) - _mu2() ** 2,
            over_tokens(
                over_tokens(q[x] * q[y] * (b - X[x]) * (b - X[y]) * (X[x] - X[y]) ** 2, y), x
            )
            / 2,
            reason="for X = M - E[M] on [-a, b], a + b = R: Lagrange's form of Cauchy-Schwarz, "
            "as X <= b ...",
            given=_CENTRED,
        ),
        Inequality(
            over_tokens(
                over_tokens(q[x] * q[y] * (b - X[x]) * (b - X[y]) * (X[x] - X[y]) ** 2, y), x
            )
            / 2,
            Integer(0),
            relation=">=",
            reason="... it is non-negative, so K''' <= b K'' - K''²/b",
            given=(Sign(b - X[y], for_all=(y,)),),
        ),
        Identity(
            ((a + b) ** 2 - 4 * (a * b - tau)) - (b - (a * b - tau) / b) ** 2,
            2 * tau + a**2 - (a - tau / b) ** 2,
            reason="K'' = a b - τ with τ = E[(b - X)(X + a)] >= 0; as K'' >= 0, 0 <= τ/b <= a, and "
            "the right side is non-negative: b - K''/b <= √(R² - 4 K''). With -M: the same for "
            "-K'''",
        ),
    ),
    builds_on=("ce-exact", "mean-slope", "ce-cumulants"),
    twin="steering_strength.theory.engine.family.TiltedFamily.cross_entropy_increase",
    care="The envelope is for the ratio to the quadratic; the quadratic itself is neither an upper "
    "nor a lower bound, as the cubic term has either sign.",
)
