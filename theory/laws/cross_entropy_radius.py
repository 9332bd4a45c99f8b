"""How far the quadratic law of the cross-entropy reaches, with a guarantee.

One inequality does it, |K'''| <= R K'' with R the range of M: it caps how fast the curvature can
change, hence the ratio of the exact increase to its quadratic approximation, from both sides.
Stated for one context; a π-weighted mean over contexts keeps every bound, with R the range of M
over the whole vocabulary.
"""

from __future__ import annotations

from sympy import Derivative, Expr, IndexedBase, Integer, Rational, Symbol, exp, log

from steering_strength.theory.laws.assumptions import ASSUMPTION_2
from steering_strength.theory.laws.claims import Claim, Identity, Inequality
from steering_strength.theory.laws.kernel import Fact, Let, Sign
from steering_strength.theory.laws.law import Law
from steering_strength.theory.laws.notation import define
from steering_strength.theory.laws.rules import between, gronwall, instance, integrated_twice
from steering_strength.theory.laws.symbols import (
    NORMALISED,
    K,
    M,
    V,
    alpha,
    mean,
    over_tokens,
    p,
    tilted,
    variance,
    x,
    y,
)

__all__ = ["CE_RADIUS"]

R = Symbol("R", positive=True)  # max M - min M
low = Symbol("m", real=True)  # min M
w = IndexedBase("w", nonnegative=True)  # M_y = m + w_y, 0 <= w_y <= R
_RANGE = (Let(M[y], low + w[y], y, Integer(0), V - 1), Sign(R - w[y], for_all=(y,)))
q = IndexedBase("q", positive=True)  # stands for the steered probabilities
third = define(
    "third",
    (alpha,),
    over_tokens(tilted(y, alpha) * (M[y] - mean(alpha)) ** 3, y),
    text="K'''({0})",
    latex="K'''({0})",
)
_SUM_Q = Fact(over_tokens(q[y], y), Integer(1))

# Cauchy-Schwarz in Lagrange's form, for a centred variable X on [-a, b]
X = IndexedBase("X", real=True)
b, a = (Symbol(n, positive=True) for n in ("b", "a"))
_CENTRED = (_SUM_Q, Fact(over_tokens(q[y] * X[y], y), Integer(0)))
_mu2 = define("mu_2", (), over_tokens(q[y] * X[y] ** 2, y), text="μ_2", latex=r"\mu_2")
_mu3 = define("mu_3", (), over_tokens(q[y] * X[y] ** 3, y), text="μ_3", latex=r"\mu_3")
tau = Symbol("tau", nonnegative=True)  # mu_2 = a b - tau, as E[(b - X)(X + a)] >= 0

# the increase of one context, and its envelopes: curvature Var(M) e^(-R α) and Var(M) e^(R α)
forward = Symbol("alpha", nonnegative=True)
average = define("E", (), over_tokens(p[y] * M[y], y), text="E[M]", latex=r"\mathbb{{E}}[M]")
single = define(
    "single", (alpha,), K(alpha) - alpha * average(), text="δ({0})", latex=r"\delta({0})"
)
_AT_0 = variance(Integer(0))
upper = define(
    "upper",
    (alpha,),
    _AT_0 * (exp(R * alpha) - 1 - R * alpha) / R**2,
    text="U({0})",
    latex="U({0})",
)
lower = define(
    "lower",
    (alpha,),
    _AT_0 * (exp(-R * alpha) - 1 + R * alpha) / R**2,
    text="L({0})",
    latex="L({0})",
)
_none = define("none", (alpha,), Integer(0), text="0({0})", latex="0({0})")
_parabola = define("parabola", (alpha,), R**2 * alpha**2 / 8, text="R²{0}²/8", latex=r"R^2 {0}^2/8")
_mean_w = over_tokens(tilted(x, alpha) * w[x], x)
_mean_rest = over_tokens(tilted(x, alpha) * (R - w[x]), x)
_Chain = tuple[tuple[Claim, ...], Claim]


def _vanishing(f: Expr, curve: Expr, slope: Expr, *given: Fact) -> tuple[Identity, ...]:
    """f'' = `curve`, f(0) = 0, f' = `slope`, which is 0 at 0."""
    zero = {forward: Integer(0)}
    return (
        Identity(Derivative(f, (forward, 2)), curve, reason="differentiate twice"),
        Identity(f.xreplace(zero), Integer(0), reason="zero at 0", given=given),
        Identity(Derivative(f, forward), slope, reason="differentiate"),
        Identity(slope.xreplace(zero), Integer(0), reason="flat at 0", given=given),
    )


def _increase(side: int) -> tuple[Identity, ...]:
    at = side * forward
    return _vanishing(single(at), variance(at), side * (mean(at) - average()), NORMALISED)


_LOWER = _vanishing(lower(forward), _AT_0 * exp(-R * forward), _AT_0 * (1 - exp(-R * forward)) / R)
_UPPER = _vanishing(upper(forward), _AT_0 * exp(R * forward), _AT_0 * (exp(R * forward) - 1) / R)
_NONE = _vanishing(_none(forward), Integer(0), Integer(0))
_PARABOLA = _vanishing(_parabola(forward), R**2 / 4, R**2 * forward / 4)


_spread = (M[y] - mean(alpha)) ** 2
_third_is_slope = Identity(
    Derivative(variance(alpha), alpha), third(alpha), reason="the third cumulant is its slope"
)
_capped_above = Inequality(
    R * variance(alpha) - third(alpha),
    Integer(0),
    relation=">=",
    form=over_tokens(tilted(y, alpha) * _spread * ((R - w[y]) + _mean_w), y),
    reason=r"$0 \le w_y \le R$",
    given=_RANGE,
)
_capped_below = Inequality(
    R * variance(alpha) + third(alpha),
    Integer(0),
    relation=">=",
    form=over_tokens(tilted(y, alpha) * _spread * (w[y] + _mean_rest), y),
    reason="the other side: the slope of $K''$ is at most $R K''$ in size",
    given=_RANGE,
)
_positive = Inequality(variance(alpha), Integer(0), relation=">=", reason="a mean of squares")
_narrow = Inequality(
    variance(alpha),
    R**2 / 4,
    relation="<=",
    form=-((R / 2 - _mean_w) ** 2) - over_tokens(tilted(y, alpha) * w[y] * (R - w[y]), y),
    reason="the variance of a variable on [0, R]",
    given=_RANGE,
)
_BASE = (_third_is_slope, _capped_above, _capped_below, _positive, _narrow)


def _chain(side: int) -> _Chain:
    """The envelopes for strengths of one sign: steps, and the bounds they end in."""
    if side > 0:
        slope, above, below, positive = _BASE[:4]
        new: tuple[Claim, ...] = ()
    else:
        slope = Identity(
            Derivative(variance(-alpha), alpha), -third(-alpha), reason="the mirror image"
        )
        below, above, positive = (
            instance(c, alpha, -alpha) for c in (_capped_above, _capped_below, _positive)
        )
        new = (slope, above, below, positive)
    bounds = gronwall(slope, above, below, positive, R)
    envelope = integrated_twice(bounds, _LOWER, _increase(side), _UPPER)
    return (*new, bounds, *_LOWER, *_increase(side), *_UPPER), envelope


def _global(side: int) -> _Chain:
    """0 <= δ <= R² α²/8 for strengths of one sign."""
    low_bound, high_bound = (instance(c, alpha, side * forward) for c in (_positive, _narrow))
    bounds = between(low_bound, high_bound)
    last = integrated_twice(bounds, _NONE, _increase(side), _PARABOLA)
    return (low_bound, high_bound, bounds, *_NONE, *_PARABOLA), last


(_FORWARD, ENVELOPE), (_BACKWARD, ENVELOPE_BACK) = _chain(1), _chain(-1)
(_GLOBAL, PARABOLA), (_GLOBAL_BACK, PARABOLA_BACK) = _global(1), _global(-1)
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
    reason=r"$K''$ and $K'''$ are the second and third central moments; write $M_y = \min M + w_y$",
    given=_RANGE,
)
_lagrange = (
    over_tokens(over_tokens(q[x] * q[y] * (b - X[x]) * (b - X[y]) * (X[x] - X[y]) ** 2, y), x) / 2
)
_STEPS = (
    _capped,
    *_BASE,
    *_FORWARD,
    ENVELOPE,
    *_BACKWARD,
    ENVELOPE_BACK,
    *_WITHIN,
    Identity(
        Derivative(_two_levels, theta),
        _response(theta),
        reason=r"sharp: let $M = R$ with probability $\theta$ and 0 otherwise; how $\Delta "
        r"\mathrm{CE}$ grows with $\theta$ ...",
        given=(Sign(1 - theta + theta * exp(alpha * R), strict=True),),
    ),
    Identity(
        _response(Integer(0)),
        exp(R * alpha) - 1 - R * alpha,
        reason=r"... at $\theta = 0$: $\Delta \mathrm{CE}$ is $\theta (e^x - 1 - x) + "
        r"O(\theta^2)$, and the quadratic is $\theta x^2/2 + O(\theta^2)$",
    ),
    *_GLOBAL,
    PARABOLA,
    *_GLOBAL_BACK,
    PARABOLA_BACK,
    Inequality(
        b * (b * _mu2() - _mu3()) - _mu2() ** 2,
        Integer(0),
        relation=">=",
        form=_lagrange,
        reason=r"for $X = M - E[M]$ on $[-a, b]$, $a + b = R$: Cauchy-Schwarz in Lagrange's form, "
        r"so $\mu_3 \le \mu_2 (b - \mu_2/b)$",
        given=(*_CENTRED, Sign(b - X[y], for_all=(y,))),
    ),
    Inequality(
        (a + b) ** 2 - 4 * (a * b - tau),
        (b - (a * b - tau) / b) ** 2,
        relation=">=",
        form=2 * tau + tau / b * ((a * b - tau) / b + a),
        reason=r"$\mu_2 = a b - \tau$ with $\tau = E[(b - X)(X + a)] \ge 0$ and $\mu_2 \ge 0$: so "
        r"$(b - \mu_2/b)^2 \le R^2 - 4 \mu_2$. With $-M$: the same for $-\mu_3$",
        given=(Sign(a * b - tau),),
    ),
)
CE_RADIUS = Law(
    id="ce-radius",
    title="The quadratic law holds within a radius that can be written down",
    source="sharpens arXiv:2602.02712, Thm 3.8",
    paper=r"$\Delta \mathrm{CE}(\alpha) = \tfrac{1}{2} \mathrm{Var}(M) \alpha^2 + o(\alpha^2)$, "
    r"without a radius.",
    sharper=r"$|K'''| \le R K''$ with $R = \max M - \min M$, so with $x = |\alpha| R$ the ratio of "
    r"$\Delta \mathrm{CE}$ to its quadratic lies between $2(e^{-x} - 1 + x)/x^2$ and $2(e^x - 1 - "
    r"x)/x^2$, both sharp: within 1, 5, 10 % for $x \le 0.0297, 0.1446, 0.2793$. Globally $\Delta "
    r"\mathrm{CE} \le \alpha^2 R^2/8$. Even $|K'''| \le K'' \sqrt{R^2 - 4 K''}$.",
    assumptions=(ASSUMPTION_2,),
    statement=_capped,
    headline=(ENVELOPE, ENVELOPE_BACK, PARABOLA, PARABOLA_BACK),
    steps=tuple(dict.fromkeys(_STEPS)),
    builds_on=("ce-exact", "mean-slope", "ce-cumulants"),
    twin="steering_strength.theory.engine.cross_entropy.envelope",
    care="The envelope is for the ratio to the quadratic; the quadratic itself is neither an upper "
    "nor a lower bound, as the cubic term has either sign.",
)
