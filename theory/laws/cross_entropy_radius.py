"""How far the quadratic law of the cross-entropy reaches, with a guarantee.

One inequality does it, |K'''| <= R K'' with R the range of M: it caps how fast the curvature can
change, hence the ratio of the exact increase to its quadratic approximation, from both sides.
Stated for one context; a weighted mean over contexts keeps every bound, with R the range of M over
the whole vocabulary.
"""

from __future__ import annotations

from sympy import Derivative, Expr, IndexedBase, Integer, Rational, Symbol, exp, log, sqrt

from steering_strength.theory.laws import order_rules, rules
from steering_strength.theory.laws.assumptions import ASSUMPTION_2
from steering_strength.theory.laws.claims import Claim, Identity, Inequality
from steering_strength.theory.laws.cross_entropy import CE_CUMULANTS, CE_EXACT
from steering_strength.theory.laws.kernel import Fact, Let, Sign, Split, Sum
from steering_strength.theory.laws.law import Law
from steering_strength.theory.laws.notation import define
from steering_strength.theory.laws.symbols import (
    NORMALISED,
    K,
    M,
    V,
    Z,
    alpha,
    mean,
    over_tokens,
    p,
    tilted,
    variance,
    x,
    y,
)
from steering_strength.theory.laws.tilting import MEAN_SLOPE

R = Symbol("R", positive=True)  # max M - min M
low = Symbol("m", real=True)  # min M
w = IndexedBase("w", nonnegative=True)  # M_y = m + w_y, 0 <= w_y <= R
_RANGE = (Let(M[y], low + w[y], y, Integer(0), V - 1), Sign(R - w[y], for_all=(y,)))
_BLOCK = Symbol("|A|", integer=True, positive=True)  # tokens at one end of M, numbered first
third = define(
    "third",
    (alpha,),
    over_tokens(tilted(y, alpha) * (M[y] - mean(alpha)) ** 3, y),
    latex="K'''({0})",
)

# the increase of one context, and its envelopes: curvature Var(M) e^(-R a) and Var(M) e^(R a)
forward = Symbol("alpha", nonnegative=True)
positive = Symbol("alpha", positive=True)
average = define("E", (), over_tokens(p[y] * M[y], y), latex=r"\mathbb{{E}}[M]")
single = define("single", (alpha,), K(alpha) - alpha * average(), latex=r"\delta({0})")
_AT_0 = variance(0)
quadratic = define("Q", (alpha,), _AT_0 * alpha**2 / 2)
upper = define("U", (alpha,), _AT_0 * (exp(R * alpha) - 1 - R * alpha) / R**2)
lower = define("L", (alpha,), _AT_0 * (exp(-R * alpha) - 1 + R * alpha) / R**2)
ahead = define(  # distance of the mean to max M
    "ahead", (alpha,), over_tokens(tilted(y, alpha) * (R - w[y]), y), latex="b({0})"
)
behind = define(  # distance of the mean to min M
    "behind", (alpha,), over_tokens(tilted(y, alpha) * w[y], y), latex="a({0})"
)
_Chain = tuple[tuple[Claim, ...], Claim]


def _vanishing(f: Expr, curve: Expr, slope: Expr, *given: Fact) -> tuple[Identity, ...]:
    """f'' = `curve`, f(0) = 0, f' = `slope`, which is 0 at 0."""
    zero = {forward: Integer(0)}
    flat = Identity(slope.xreplace(zero), 0, reason="flat at 0", given=given)
    return (
        Identity(Derivative(f, (forward, 2)), curve, reason="differentiate twice"),
        Identity(f.xreplace(zero), 0, reason="zero at 0", given=given),
        Identity(Derivative(f, forward), slope, reason="differentiate"),
        *([flat] if flat.lhs != 0 else []),
    )


def _increase(side: int) -> tuple[Identity, ...]:
    at = side * forward
    return _vanishing(single(at), variance(at), side * (mean(at) - average()), NORMALISED)


_LOWER = _vanishing(lower(forward), _AT_0 * exp(-R * forward), _AT_0 * (1 - exp(-R * forward)) / R)
_UPPER = _vanishing(upper(forward), _AT_0 * exp(R * forward), _AT_0 * (exp(R * forward) - 1) / R)
_spread = (M[y] - mean(alpha)) ** 2
_third_is_slope = Identity(
    Derivative(variance(alpha), alpha), third(alpha), reason="the third cumulant is its slope"
)
_capped_above = Inequality(
    R * variance(alpha) - third(alpha),
    0,
    relation=">=",
    form=over_tokens(tilted(y, alpha) * _spread * ((R - w[y]) + behind(alpha)), y),
    reason=r"$0 \le w_y \le R$",
    given=_RANGE,
)
_capped_below = Inequality(
    R * variance(alpha) + third(alpha),
    0,
    relation=">=",
    form=over_tokens(tilted(y, alpha) * _spread * (w[y] + ahead(alpha)), y),
    reason="the other side: the slope of $K''$ is at most $R K''$ in size",
    given=_RANGE,
)
_positive = Inequality(variance(alpha), 0, relation=">=", reason="a mean of squares")
_BASE = (_third_is_slope, _capped_above, _capped_below, _positive)


def _chain(side: int) -> _Chain:
    """The envelopes for strengths of one sign: steps, and the bounds they end in."""
    if side > 0:
        slope, above, below, positive = _BASE
        new: tuple[Claim, ...] = ()
    else:
        slope = Identity(
            Derivative(variance(-alpha), alpha), -third(-alpha), reason="the mirror image"
        )
        below, above, positive = (
            order_rules.instance(c, alpha, -alpha)
            for c in (_capped_above, _capped_below, _positive)
        )
        new = (slope, above, below, positive)
    bounds = rules.gronwall(slope, above, below, positive, R)
    envelope = rules.integrated_twice(bounds, _LOWER, _increase(side), _UPPER)
    return (*new, bounds, *_LOWER, *_increase(side), *_UPPER), envelope


(_FORWARD, ENVELOPE), (_BACKWARD, ENVELOPE_BACK) = _chain(1), _chain(-1)

# -- a parabola over it all ----------------------------------------------------------------------

_room = define("room", (alpha,), R**2 * alpha**2 / 8 - single(alpha), latex="H({0})")
_room_bends = Inequality(
    Derivative(_room(alpha), (alpha, 2)),
    0,
    relation=">=",
    form=(R / 2 - behind(alpha)) ** 2 + over_tokens(tilted(y, alpha) * w[y] * (R - w[y]), y),
    reason=r"the variance of a variable on $[0, R]$ is at most $R^2/4$",
    given=_RANGE,
)
_room_convex = rules.convexity(_room_bends)
_room_start = (
    Identity(_room(0), 0, reason="zero at 0", given=(NORMALISED,)),
    Identity(
        Derivative(_room(alpha), alpha),
        R**2 * alpha / 4 - mean(alpha) + average(),
        reason="differentiate",
    ),
    Identity(average() - mean(0), 0, reason="flat at 0", given=(NORMALISED,)),
)
PARABOLA = rules.tangent(_room_convex, *_room_start, reason=r"$\delta(\alpha) \le R^2 \alpha^2/8$")

# -- the ratio to the quadratic ------------------------------------------------------------------

r0, r, reach, eps = (
    Symbol("r", nonnegative=True),
    *(Symbol(name, positive=True) for name in ("r", "b", "epsilon")),
)
above = define("u", (r,), 2 * (exp(r) - 1 - r) / r**2)
below = define("l", (r,), 2 * (exp(-r) - 1 + r) / r**2)
_rise = define("n", (r,), r * exp(r) + r + 2 - 2 * exp(r))
_excess = define("c", (r,), exp(r) + exp(-r) - 2 - r**2)


def _not_negative(f: Expr, curve: Expr, slope: Expr) -> tuple[Claim, ...]:
    """f'' >= 0, f(0) = f'(0) = 0: f >= 0 on the half-line, and so for r > 0."""
    zero = {r0: Integer(0)}
    bends = Inequality(
        Derivative(f, (r0, 2)), 0, relation=">=", form=curve, reason="differentiate twice"
    )
    convex = rules.convexity(bends)
    start = (
        Identity(f.xreplace(zero), 0, reason="zero at 0"),
        Identity(Derivative(f, r0), slope, reason="differentiate"),
    )
    found = rules.tangent(convex, *start)
    return bends, convex, *start, found, order_rules.instance(found, r0, r)


_RISES = _not_negative(_rise(r0), r0 * exp(r0), r0 * exp(r0) - exp(r0) + 1)
_EXCEEDS = _not_negative(_excess(r0), exp(-r0) * (exp(r0) - 1) ** 2, exp(r0) - exp(-r0) - 2 * r0)
_steeper = Inequality(
    Derivative(above(r), r),
    0,
    relation=">=",
    form=2 * _rise(r) / r**3,
    reason="the slope of the upper ratio",
    given=(Sign(_rise(r)),),
)
_steeper_shown = order_rules.discharged(_steeper, _RISES[-1])
GROWS = rules.derivative_sign(_steeper_shown, reason="the upper ratio increases")
_mirrored = Inequality(
    below(r),
    2 - above(r),
    relation=">=",
    form=2 * _excess(r) / r**2,
    reason="the lower ratio is closer to 1 than the upper",
    given=(Sign(_excess(r)),),
)
CLOSER = order_rules.discharged(_mirrored, _EXCEEDS[-1])
_within_at = Inequality(
    above(reach), 1 + eps, relation="<=", given=(Sign(1 + eps - above(reach)),),
    reason=r"let the upper ratio at $b$ be within $\varepsilon$ of 1",
)  # fmt: skip
_within = order_rules.up_to(GROWS, _within_at, reach, reason="then so it is before $b$")
_x = R * positive
_within_x, _closer_x = order_rules.instance(_within, r, _x), order_rules.instance(CLOSER, r, _x)
_high = Inequality(
    upper(positive),
    (1 + eps) * quadratic(positive),
    relation="<=",
    form=-quadratic(positive) * (1 + eps - above(_x)),
    reason=r"$U(\alpha) = Q(\alpha) u(R \alpha)$",
    given=(Sign(1 + eps - above(_x)),),
)
_low = Inequality(
    lower(positive),
    (1 - eps) * quadratic(positive),
    relation=">=",
    form=quadratic(positive) * (below(_x) - (2 - above(_x)))
    + quadratic(positive) * (1 + eps - above(_x)),
    reason=r"$L(\alpha) = Q(\alpha) l(R \alpha)$",
    given=(Sign(below(_x) - (2 - above(_x))), Sign(1 + eps - above(_x))),
)
_high_shown, _low_shown = (
    order_rules.discharged(_high, _within_x),
    order_rules.discharged(_low, _closer_x, _within_x),
)


def _ratio(envelope: Claim) -> tuple[Claim, ...]:
    """From the envelope for strengths of one sign: within a share epsilon of the quadratic."""
    here = order_rules.instance(envelope, forward, positive)
    high, low_side = order_rules.half(here, "<="), order_rules.half(here, ">=")
    top, bottom = order_rules.chained(high, _high_shown), order_rules.chained(low_side, _low_shown)
    within = order_rules.between(
        bottom, top, reason=r"the quadratic is within a share $\varepsilon$ up to $|\alpha| R = b$"
    )
    return here, high, low_side, top, bottom, within


_RATIO, _RATIO_BACK = _ratio(ENVELOPE), _ratio(ENVELOPE_BACK)
_REACHES = tuple(
    Inequality(
        above(b),
        1 + Rational(percent, 100),
        relation="<=",
        reason=rf"$b = {float(b)}$ serves for $\varepsilon = {percent}/100$",
    )
    for percent, b in (
        (1, Rational(297, 10**4)),
        (5, Rational(1446, 10**4)),
        (10, Rational(2793, 10**4)),
    )
)

# -- sharp ---------------------------------------------------------------------------------------

theta = Symbol("theta", nonnegative=True)
other = Symbol("alpha", real=True, nonzero=True)
_two = define(
    "two",
    (theta,),
    log(1 - theta + theta * exp(other * R)) - other * theta * R,
    latex=r"\delta_{{{0}}}(\alpha)",
)
_two_quadratic = define(
    "two_quadratic",
    (theta,),
    theta * (1 - theta) * (other * R) ** 2 / 2,
    latex=r"Q_{{{0}}}(\alpha)",
)
_two_slope = (exp(other * R) - 1) / (1 - theta + theta * exp(other * R)) - other * R
_INSIDE = (Sign(1 - theta + theta * exp(other * R), strict=True),)


def _first_order(f: Expr, slope: Expr, *given: Sign) -> tuple[Claim, ...]:
    at = {theta: Integer(0)}
    start = Identity(f.xreplace(at), 0, reason="zero for a constant $M$")
    rise = Identity(Derivative(f, theta), slope, reason="differentiate", given=given)
    return start, rise, rules.taylor(start, (rise,), reason=r"at $\theta = 0$")


_TWO = _first_order(_two(theta), _two_slope, *_INSIDE)
_TWO_QUADRATIC = _first_order(_two_quadratic(theta), (1 - 2 * theta) * (other * R) ** 2 / 2)
SHARP = rules.quotient(
    _TWO[-1],
    _TWO_QUADRATIC[-1],
    reason=r"$M = R$ with probability $\theta$ and 0 otherwise: as $\theta \to 0$ the ratio tends "
    r"to the upper envelope for $\alpha > 0$, to the lower one for $\alpha < 0$",
)

# -- the third cumulant by the second ------------------------------------------------------------

_b, _S, _T = (Symbol(name, real=True) for name in ("B", "S", "T"))
_APART = Sign(_b, strict=True)
_LINE = (_APART, Sign(R - _b), Sign(_S), Sign((R - _b) * _b - _S))
_below_line = Inequality(
    _T,
    _S * (_b - _S / _b),
    relation="<=",
    form=-(_b * (_b * _S - _T) - _S**2) / _b,
    reason="divide by $B$",
    given=(_APART, Sign(_b * (_b * _S - _T) - _S**2)),
)
_line = Inequality(
    (_b - _S / _b) ** 2,
    R**2 - 4 * _S,
    relation="<=",
    form=-((R - _b) * _b - _S) * (2 + (R - _b) / _b + _S / _b**2),
    reason=r"the difference vanishes where $S = B (R - B)$",
    given=_LINE,
)
_line_root = order_rules.root(_line)
_radicand = Inequality(
    R**2 - 4 * _S,
    0,
    relation=">=",
    form=(_b - _S / _b) ** 2 + ((R - _b) * _b - _S) * (2 + (R - _b) / _b + _S / _b**2),
    reason="the same difference",
    given=_LINE,
)
_scaled = Inequality(
    _S * (_b - _S / _b),
    _S * sqrt(R**2 - 4 * _S),
    relation="<=",
    form=-_S * (sqrt(R**2 - 4 * _S) - (_b - _S / _b)),
    reason="multiply by $S$",
    given=(_APART, Sign(_S), Sign(R**2 - 4 * _S), Sign(sqrt(R**2 - 4 * _S) - (_b - _S / _b))),
)
_scaled_shown = order_rules.discharged(_scaled, _radicand, _line_root)
_LEMMA_STEPS = (_below_line, _line, _line_root, _radicand, _scaled, _scaled_shown)
ROOT = order_rules.chained(
    _below_line, _scaled_shown, reason="so a third moment is bounded by the second"
)


def _root_bound(side: int) -> tuple[Claim, ...]:
    """K''' (or -K''') <= K'' sqrt(R^2 - 4 K''), from the distance of the mean to one end of M."""
    distance, rest = (ahead, R - w[y]) if side > 0 else (behind, w[y])
    far = Integer(0) if side > 0 else R  # where the tokens of A lie: at the other end
    pair, weight = tilted(x, alpha) * tilted(y, alpha), p[y] * exp(alpha * M[y])
    b, gap = distance(alpha), (R - w[x] if side > 0 else w[x])
    facts = (
        Inequality(
            b,
            0,
            form=(
                R * Sum(weight, (y, 0, _BLOCK - 1)) + Sum(weight * rest, (y, _BLOCK, V - 1))
            )
            / Z(alpha),
            reason=r"$M$ takes its least value, on the tokens of $A$" if side > 0
            else r"$M$ takes its largest value, on the tokens of $A$",
            given=(
                *_RANGE,
                Split(Integer(0), _BLOCK, V - 1),
                Let(w[y], far, y, Integer(0), _BLOCK - 1),
                Sign(V - _BLOCK),
            ),
        ),
        Inequality(
            R - b,
            0,
            relation=">=",
            form=over_tokens(tilted(y, alpha) * (R - rest), y),
            reason="a mean of a variable that is not negative",
            given=_RANGE,
        ),
        _positive,
        Inequality(
            (R - b) * b - variance(alpha),
            0,
            relation=">=",
            form=over_tokens(tilted(y, alpha) * w[y] * (R - w[y]), y),
            reason="the mean of $w (R - w)$",
            given=_RANGE,
        ),
        Inequality(
            b * (b * variance(alpha) - side * third(alpha)) - variance(alpha) ** 2,
            0,
            relation=">=",
            form=over_tokens(
                over_tokens(pair * gap * rest * (w[x] - w[y]) ** 2, y),
                x,
            )
            / 2,
            reason="Cauchy-Schwarz in Lagrange's form",
            given=_RANGE,
        ),
    )  # fmt: skip
    at = order_rules.specialised(ROOT, {_b: b, _S: variance(alpha), _T: side * third(alpha)})
    return *facts, at, order_rules.discharged(at, *facts)


_ROOT, _ROOT_BACK = _root_bound(1), _root_bound(-1)

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

CE_RADIUS = Law(
    id="ce-radius",
    title="The quadratic law holds within a radius that can be written down",
    source="sharpens arXiv:2602.02712, Thm 3.8",
    paper=r"$\Delta \mathrm{CE}(\alpha) = \tfrac{1}{2} \mathrm{Var}(M) \alpha^2 + o(\alpha^2)$, "
    r"without a radius.",
    sharper=r"For one context, $\delta(\alpha) = K(\alpha) - \alpha E[M]$: $|K'''| \le R K''$ with "
    r"$R = \max M - \min M$, so with $x = |\alpha| R$ the ratio of "
    r"$\delta$ to its quadratic lies between $2(e^{-x} - 1 + x)/x^2$ and "
    r"$2(e^x - 1 - x)/x^2$, both sharp: within 1, 5, 10 % for $x \le 0.0297, 0.1446, 0.2793$. "
    r"Globally $\delta \le \alpha^2 R^2/8$. Even $|K'''| \le K'' \sqrt{R^2 - 4 K''}$.",
    assumptions=(ASSUMPTION_2,),
    headline=(
        ENVELOPE,
        ENVELOPE_BACK,
        _RATIO[-1],
        _RATIO_BACK[-1],
        *_REACHES,
        SHARP,
        PARABOLA,
        _ROOT[-1],
        _ROOT_BACK[-1],
    ),
    steps=(
        _capped,
        *_BASE,
        ENVELOPE,
        ENVELOPE_BACK,
        *_RISES,
        GROWS,
        *_EXCEEDS,
        CLOSER,
        _within_x,
        _closer_x,
        _high,
        _low,
        _high_shown,
        _low_shown,
        *_RATIO,
        *_RATIO_BACK,
        *_REACHES,
        SHARP,
        PARABOLA,
        *_LEMMA_STEPS,
        ROOT,
        *_ROOT,
        *_ROOT_BACK,
    ),
    builds_on=(CE_EXACT, MEAN_SLOPE, CE_CUMULANTS),
    twin="steering_strength.theory.engine.cross_entropy.envelope",
    care="The envelope is for the ratio to the quadratic; the quadratic itself is neither an upper "
    "nor a lower bound, as the cubic term has either sign.",
    formal=(
        (ENVELOPE, "ce_radius_envelopes in radius.v"),
        (ENVELOPE_BACK, "ce_radius_envelopes in radius.v"),
        (SHARP, "ce_radius_sharp in radius.v"),
        (PARABOLA, "ce_radius_global in radius.v"),
        (_ROOT[-1], "ce_radius_third in radius.v"),
        (_ROOT_BACK[-1], "ce_radius_third in radius.v"),
    ),
)
