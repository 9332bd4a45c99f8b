"""Transformers: the final norm, the last block, and any block near 0 (Prop. 4.1 and beyond).

Steering the output of the final norm is exactly the UFM; steering the last block has a closed
form; steering any block has a local law from one derivative; and the norm caps what large
strengths can do. Coordinates are numbered k = 0 .. d - 1; h and v stand for Ph and Pv, with P
the centring of LayerNorm, or the identity for RMSNorm.
"""

from __future__ import annotations

from sympy import (
    Abs,
    Derivative,
    Expr,
    Function,
    IndexedBase,
    Integer,
    Rational,
    Symbol,
    exp,
    log,
    sqrt,
)

from steering_strength.theory.laws import tilting
from steering_strength.theory.laws.assumptions import LINEAR_LOGITS
from steering_strength.theory.laws.claims import Claim, Identity, Inequality, Limit
from steering_strength.theory.laws.cross_entropy import CE_LINEAR
from steering_strength.theory.laws.kernel import Bounded, Fact, Sign, Sum
from steering_strength.theory.laws.law import Law
from steering_strength.theory.laws.notation import define
from steering_strength.theory.laws.order_rules import chained, entrywise, substituted
from steering_strength.theory.laws.rules import taylor, zero_where
from steering_strength.theory.laws.symbols import alpha, over_tokens, p, x, y, z
from steering_strength.theory.laws.tilting import (
    base,
    bN,
    bP,
    i,
    odds,
    pN,
    pP,
    q_N,
    q_P,
    shift,
    steered_logit,
)

# -- final-norm ----------------------------------------------------------------------------

offset = IndexedBase("c", real=True)  # bias of the unembedding
_shift_by_means = Identity(
    exp(steered_logit(x)) / over_tokens(exp(steered_logit(y)), y),
    p[x] * exp(alpha * odds(x)) / over_tokens(p[y] * exp(alpha * odds(y)), y),
    reason="the shifts of the log-probabilities do not depend on the token and cancel",
)
FINAL_NORM = Law(
    id="final-norm",
    title="At the final norm the tilting law is exact on any language model",
    source="sharpens arXiv:2602.02712, Lemma B.3; the site is the input of the unembedding",
    paper="Proved for the UFM only.",
    sharper=r"Steer the output of the final norm along a difference of mean normed states: the "
    r"logits are $W h + c$, so $p_{\alpha}(z)$ is $p(z) e^{\alpha M(z)}$ renormalised, with $M(z) "
    r"= \mathrm{mean}_P \log p(z|\cdot) - \mathrm{mean}_N \log p(z|\cdot)$, for any texts and "
    r"$|P|$ different from $|N|$.",
    assumptions=(LINEAR_LOGITS,),
    statement=_shift_by_means,
    steps=(
        Identity(
            Sum(log(pP[i, z]) + bP[i] - offset[z], (i, 0, q_P - 1)) / q_P
            - Sum(log(pN[i, z]) + bN[i] - offset[z], (i, 0, q_N - 1)) / q_N,
            Sum(log(pP[i, z]) + bP[i], (i, 0, q_P - 1)) / q_P
            - Sum(log(pN[i, z]) + bN[i], (i, 0, q_N - 1)) / q_N,
            reason="$(W v)_z$: logits of a text are its log-probabilities plus a shift of the "
            "text, and $W h$ is those minus the bias $c_z$, which cancels between $P$ and $N$",
        ),
        Identity(
            log(base(x)) + shift(),
            IndexedBase("ell", real=True)[x],
            reason=r"likewise the logits of the steered prompt are $\log p_x + b$",
        ),
        _shift_by_means,
    ),
    builds_on=(tilting.STEERING_SHIFT, tilting.TILTING),
    twin="steering_strength.theory.engine.transformer.readout_family",
    care="It fails where a soft-cap follows the unembedding. What needs Assumption 1, such as "
    "`sign-separation`, is to be measured on a real model, not assumed.",
)

# -- the quadratic under the norm ----------------------------------------------------------

d = Symbol("d", integer=True, positive=True)
k = Symbol("k", integer=True)
h, v, gain = (IndexedBase(n, real=True) for n in ("h", "v", "g"))
eps = Symbol("epsilon", nonnegative=True)
A = Symbol("A", positive=True)  # mean of v_k^2: v does not vanish under the norm
B = Symbol("B", real=True)  # mean of h_k v_k
C = Symbol("C", real=True)  # mean of h_k^2, plus eps
far = Symbol("alpha", positive=True)
beta = Symbol("beta", nonnegative=True)  # 1/|alpha|


def _mean(term: Expr) -> Expr:
    return Sum(term, (k, 0, d - 1)) / d


_MEAN_SQUARE = define("v2", (), _mean(v[k] ** 2), latex="A")
_MEAN_PRODUCT = define("hv", (), _mean(h[k] * v[k]), latex="B")
_MEAN_H = define("h2", (), _mean(h[k] ** 2) + eps, latex="C")
_square = Identity(
    _mean((h[k] + alpha * v[k]) ** 2) + eps,
    _MEAN_SQUARE() * alpha**2 + 2 * _MEAN_PRODUCT() * alpha + _MEAN_H(),
    reason=r"expand; $A = \mathrm{mean}\, v^2$, $B = \mathrm{mean}\, h v$, $C = \mathrm{mean}\, "
    r"h^2 + \varepsilon$",
)

# -- norm-limit ----------------------------------------------------------------------------

R = Function("R", real=True)  # R(k, alpha): what the later blocks add to coordinate k
response = R(k, far)
bound = Symbol("rho", positive=True)
BOUNDED = Bounded(response, bound, far, (k,))
_SEEN = Sign(Sum(v[k] ** 2, (k, 0, d - 1)), strict=True)  # the norm does not remove v


def _state(sign: int, index: Symbol = k) -> Expr:
    return h[index] + R(index, far) + sign * far * v[index]


def _scaled(sign: int, index: Symbol = k) -> Expr:
    return sign * v[index] + h[index] / far + R(index, far) / far


def _length(sign: int) -> Expr:
    return define(
        f"length{sign}",
        (alpha,),
        _mean(_state(sign) ** 2).xreplace({far: alpha}) + eps,
        latex=f"q_{{{{{'+' if sign > 0 else '-'}}}}}({{0}})",
    )(far)


def _normed(sign: int) -> tuple[Identity, Limit, Limit]:
    """Coordinate x of the normed state at strength `sign` times far, and its limit."""
    length = _length(sign)
    there = _scaled(sign, x) / sqrt(_mean(_scaled(sign) ** 2) + eps / far**2)
    form = Identity(
        _state(sign, x) / sqrt(length),
        there,
        reason=r"divide by $\alpha > 0$; where the state does not vanish under the norm",
        given=(
            Sign(length, strict=True),
            Sign(_mean(_scaled(sign) ** 2) + eps / far**2, strict=True),
        ),
    )
    limit = Limit(
        there,
        sign * v[x] / sqrt(_MEAN_SQUARE()),
        variable=far,
        reason=r"$h/\alpha$, $R/\alpha$ and $\varepsilon/\alpha^2$ vanish, as $R$ is bounded, and "
        r"$A = \mathrm{mean}\, v^2 > 0$",
        given=(BOUNDED, _SEEN),
    )
    return form, limit, substituted(form, limit, reason="so the prompt is forgotten")


_UP, _DOWN = _normed(1), _normed(-1)
_near = (
    Sign(A + 2 * B * beta + C * beta**2, strict=True),
    Sign(A - 2 * B * beta + C * beta**2, strict=True),
)
_forward = (v[x] + h[x] / far) / sqrt(A + 2 * B / far + C / far**2)
_correction = (h[x] - v[x] * B / A) / sqrt(A)


def _approach(sign: int) -> Expr:
    return (sign * v[x] + beta * h[x]) / sqrt(A + sign * 2 * B * beta + C * beta**2)


def _slope_of_approach(sign: int) -> Expr:
    q = A + sign * 2 * B * beta + C * beta**2
    return h[x] / sqrt(q) - (sign * v[x] + beta * h[x]) * (sign * B + C * beta) / q ** Rational(
        3, 2
    )


def _rate(sign: int) -> tuple[Claim, ...]:
    """The normed state near one end, as a function of 1/|alpha|: slope, expansion."""
    slope = Identity(
        Derivative(_approach(sign), beta),
        _slope_of_approach(sign),
        reason=r"$\beta = 1/|\alpha|$ at the end "
        + (r"$+\infty$" if sign > 0 else r"$-\infty$")
        + ", no later blocks: the slope of the normed state",
        given=_near,
    )
    value = Identity(
        _slope_of_approach(sign).xreplace({beta: Integer(0)}),
        _correction,
        reason=r"at $\beta = 0$ it is $h$ without its component along $v$, the same at both ends",
    )
    return slope, value, taylor(None, (slope, value), reason="the approach is algebraic")


_RATE, _RATE_BACK = _rate(1), _rate(-1)
_to_direction = Limit(
    _forward,
    v[x] / sqrt(A),
    variable=far,
    reason=r"without later blocks: $h/\alpha$, $B/\alpha$ and $C/\alpha^2$ vanish, $\varepsilon$ "
    r"with them, and $A > 0$",
)
# two directions a, b of lengths X, Y: how far apart their unit vectors are
X, Y = (Symbol(n, positive=True) for n in ("X", "Y"))
side_a, side_b = (IndexedBase(n, real=True) for n in ("a", "b"))
_LENGTHS = (
    Fact(Sum(side_a[k] ** 2, (k, 0, d - 1)), X**2),
    Fact(Sum(side_b[k] ** 2, (k, 0, d - 1)), Y**2),
)


def _all(term: Expr) -> Sum:
    return Sum(term, (k, 0, d - 1))


_apart = _all((side_a[k] / X - side_b[k] / Y) ** 2)
_UNIT = Inequality(
    4 * _all((side_a[k] - side_b[k]) ** 2) / Y**2,
    _apart,
    relation=">=",
    form=_all((side_a[k] / X + side_b[k] / Y) ** 2) * (X - Y) ** 2 / Y**2
    + _apart * (X**2 + 2 * X * Y) / Y**2,
    reason=r"unit vectors are no further apart than $2 |a - b|/|b|$",
    given=_LENGTHS,
)


def _distance(sign: int) -> tuple[Inequality, Inequality, Inequality]:
    """How far the direction of the steered state is from that of v or -v, for any bounded R."""
    at = entrywise(
        _UNIT,
        {side_a[k]: _scaled(sign), side_b[k]: sign * v[k]},
        reason=rf"$a = (h + R)/\alpha {'+' if sign > 0 else '-'} v$, the state divided by $\alpha$",
    )
    far_term = 4 * _all((Abs(h[k]) + bound) ** 2) / (far**2 * Y**2)
    capped = Inequality(
        far_term,
        at.lhs,
        relation=">=",
        form=4
        * _all((bound - response + Abs(h[k]) - h[k]) * (bound + response + Abs(h[k]) + h[k]))
        / (far**2 * Y**2),
        reason=r"$|h_k + R_k| \le |h_k| + \rho$",
        given=(BOUNDED,),
    )
    return at, capped, chained(capped, at, reason=r"the distance falls like $1/\alpha$")


_FAR, _FAR_BACK = _distance(1), _distance(-1)
NORM_LIMIT = Law(
    id="norm-limit",
    title="Under a final norm, large strength forgets the prompt",
    source="arXiv:2602.02712, Prop. 4.1 and App. B.6",
    paper=r"$y(\alpha) \to \mathrm{LN}(\pm v) W^{\top}$ as $\alpha \to \pm\infty$.",
    sharper=r"The limit is the norm of $\pm v$ at $\varepsilon = 0$, for every bounded response "
    r"$R(\alpha)$ of the later blocks, if $A = \mathrm{mean}\, v^2 > 0$. Without later blocks the "
    r"approach is algebraic: $(1/|\alpha|)(h - v B/A)/\sqrt{A}$ in front of the gain, the same map "
    r"of $h$ at both ends. With them, at $\varepsilon = 0$, the direction of the state is within "
    r"$2 |(|h| + \rho)|/(|\alpha| |v|)$ of that of $\pm v$, $\rho$ a bound of $R$: times "
    r"$\sqrt{d} \max|\mathrm{gain}|$, the distance of the normed states.",
    statement=_to_direction,
    headline=(_UP[2], _DOWN[2], _RATE[-1], _RATE_BACK[-1], _FAR[-1], _FAR_BACK[-1]),
    steps=(
        *_UP,
        *_DOWN,
        _square,
        _to_direction,
        *_RATE,
        *(step for step in _RATE_BACK if step not in _RATE),
        Identity(
            _mean((h[k] - v[k] * B / A) * v[k]),
            0,
            reason=r"it is orthogonal to $v$: $(I - u u^{\top}) h$ with $u = v/|v|$",
            given=(
                Fact(Sum(v[k] ** 2, (k, 0, d - 1)), d * A),
                Fact(Sum(h[k] * v[k], (k, 0, d - 1)), d * B),
            ),
        ),
        *_FAR,
        *(step for step in _FAR_BACK if step not in _FAR),
    ),
    twin="steering_strength.theory.engine.transformer.NormedSteering.limit",
    care=r"The response is bounded because later blocks read normalised states; that it is, is a "
    r"hypothesis here. Gain, bias and $W$ are applied after the limit, so the bias keeps its sign. "
    r"With $\varepsilon > 0$ the limit is not $\mathrm{LN}_{\varepsilon}(\pm v)$. For LayerNorm "
    r"and $v$ constant across coordinates, and for $v = 0$, $A = 0$ and the output stays "
    r"$\mathrm{LN}(h)$. Far means $|\alpha|$ above $|h + R|/|v|$, which is several hundred and "
    r"more in mid-depth blocks of small models.",
)

# -- last-block ----------------------------------------------------------------------------

a_z, b_z = (IndexedBase(n, real=True) for n in ("a", "b"))  # unembeddings of gain*h and gain*v
_positive = Sign(A * alpha**2 + 2 * B * alpha + C, strict=True)
_Q = define("Q", (alpha,), A * alpha**2 + 2 * B * alpha + C)
_logit = (a_z[z] + alpha * b_z[z]) / sqrt(_Q(alpha))
_one_turn = Identity(
    Derivative(_logit, alpha),
    ((b_z[z] * B - a_z[z] * A) * alpha + b_z[z] * C - a_z[z] * B) / _Q(alpha) ** Rational(3, 2),
    reason="quotient rule; the quadratic terms of the numerator cancel",
    given=(_positive,),
)
unembedding = IndexedBase("W", real=True)
_norm = Symbol("Q", positive=True)
_positive_power = Inequality(
    _Q(alpha) ** Rational(3, 2), Integer(0), reason="$Q > 0$", given=(_positive,)
)
STATIONARY = zero_where(
    _one_turn,
    _positive_power,
    reason=r"the slope vanishes where a linear function of $\alpha$ does",
)


def _turn(sign: int) -> tuple[Claim, ...]:
    """The one stationary point, where the linear function rises (falls)."""
    across = sign * (b_z[z] * B - a_z[z] * A)
    given = (_positive, Sign(across, strict=True))
    place = (a_z[z] * B - b_z[z] * C) / (b_z[z] * B - a_z[z] * A)
    divisor = _Q(alpha) ** Rational(3, 2) / across
    form = Identity(
        _one_turn.lhs,
        sign * (alpha - place) / divisor,
        reason="the same, with the root of the linear function",
        given=given,
    )
    positive = Inequality(divisor, 0, reason="positive factors", given=given)
    return form, positive, zero_where(form, positive, reason="at most one stationary point")


_TURNS = (_turn(1), _turn(-1))
LAST_BLOCK = Law(
    id="last-block",
    title="Steering the last block has a closed form",
    source="sharpens arXiv:2602.02712, Prop. 4.1 and Fig. A.9",
    paper="The limit only.",
    sharper=r"Logits $(a_z + \alpha b_z)/\sqrt{Q(\alpha)} + \mathrm{const}$ with $Q(\alpha) = A "
    r"\alpha^2 + 2 B \alpha + C$: two unembeddings and one scalar. Each logit has at most one "
    r"stationary point, $\alpha = (a B - b C)/(b B - a A)$.",
    statement=_one_turn,
    headline=tuple(turn[-1] for turn in _TURNS),
    steps=(
        _square,
        Identity(
            Sum(unembedding[z, k] * gain[k] * (h[k] + alpha * v[k]) / sqrt(_norm), (k, 0, d - 1)),
            (
                Sum(unembedding[z, k] * gain[k] * h[k], (k, 0, d - 1))
                + alpha * Sum(unembedding[z, k] * gain[k] * v[k], (k, 0, d - 1))
            )
            / sqrt(_norm),
            reason=r"the unembedding is linear: $a_z = W (g h)$ and $b_z = W (g v)$, with $g$ the "
            "gain of the norm; its bias adds a constant",
        ),
        _one_turn,
        STATIONARY,
        *_TURNS[0],
        *_TURNS[1],
    ),
    builds_on=(NORM_LIMIT,),
    twin="steering_strength.theory.engine.transformer.LastBlock.slope",
    formal=((STATIONARY, "last_block_stationary in transformer.v"),),
)

# -- local ---------------------------------------------------------------------------------

ell = Function("ell", real=True)  # ell(z, alpha): logits of any model steered at any site
model = define(
    "model",
    (z, alpha),
    exp(ell(z, alpha)) / over_tokens(exp(ell(y, alpha)), y),
    latex="p_{{{1}}}({0})",
)
local_odds = define(
    "local_odds", (z, alpha), Derivative(ell(z, alpha), alpha), latex="M_{{{1}}}({0})"
)
local_mean = define(
    "local_mean",
    (alpha,),
    over_tokens(model(y, alpha) * local_odds(y, alpha), y),
    latex=r"\mathbb{{E}}_{{{0}}}[M_{{{0}}}]",
)
local_variance = define(
    "local_variance",
    (alpha,),
    over_tokens(model(y, alpha) * (local_odds(y, alpha) - local_mean(alpha)) ** 2, y),
    latex=r"\mathrm{{Var}}_{{{0}}}[M_{{{0}}}]",
)
fixed = IndexedBase("r", positive=True)  # any fixed distribution over tokens
FIXED = Fact(over_tokens(fixed[z]), Integer(1))
from_fixed = define(
    "from_fixed",
    (alpha,),
    over_tokens(fixed[z] * log(fixed[z] / model(z, alpha))),
    latex=r"\mathrm{{KL}}(r\,\|\,p_{{{0}}})",
)
_second = Derivative(ell(y, alpha), (alpha, 2))
_on_text = Identity(
    Derivative(from_fixed(alpha), alpha),
    over_tokens((model(y, alpha) - fixed[y]) * local_odds(y, alpha), y),
    reason="$r$ is any fixed distribution, for instance the data's",
    given=(FIXED,),
)
_curvature = Identity(
    Derivative(from_fixed(alpha), (alpha, 2)),
    local_variance(alpha) + over_tokens((model(y, alpha) - fixed[y]) * _second, y),
    reason=r"differentiate again; $M_{\alpha}(z) = d\ell_z/d\alpha$",
    given=(FIXED,),
)
# the divergence from the model's own distribution at the strength o
origin = Symbol("o", real=True)
from_origin = define(
    "from_origin",
    (origin, alpha),
    over_tokens(model(z, origin) * log(model(z, origin) / model(z, alpha))),
    latex=r"\mathrm{{KL}}(p_{{{0}}}\,\|\,p_{{{1}}})",
)
_first_order = Identity(
    Derivative(from_origin(origin, alpha), alpha),
    over_tokens((model(y, alpha) - model(y, origin)) * local_odds(y, alpha), y),
    reason="the same with $r = p_o$",
)
_second_order = Identity(
    Derivative(from_origin(origin, alpha), (alpha, 2)),
    local_variance(alpha) + over_tokens((model(y, alpha) - model(y, origin)) * _second, y),
    reason="and again",
)
_nothing = Identity(
    from_origin(origin, origin), Integer(0), reason=r"no divergence at $\alpha = o$"
)
FISHER = taylor(
    _nothing,
    (_first_order,),
    (_second_order,),
    at=origin,
    reason="the slope and the second term vanish at $o$: what is left is the Fisher information "
    "along $v$",
)
LOCAL = Law(
    id="local",
    title="At any block the first strengths cost the Fisher information along $v$",
    source="sharpens arXiv:2602.02712, Thm 3.8 (any layer of any model)",
    paper="UFM only.",
    sharper=r"With $M = d\ell/d\alpha$ at the unsteered strength $o = 0$, one forward-mode "
    r"derivative: $\mathrm{KL}(p_0 \| p_{\alpha}) = \tfrac{1}{2} \alpha^2 \mathrm{Var}_p(M) + "
    r"o(\alpha^2)$. On text the slope of the cross-entropy at 0 is $E_{\mathrm{model}}[M] - "
    r"E_{\mathrm{data}}[M]$, and the curvature $\mathrm{Var}_{\mathrm{model}}(M) + "
    r"E_{\mathrm{model}}[\ell''] - E_{\mathrm{data}}[\ell'']$.",
    statement=_curvature,
    headline=(FISHER, _on_text, _curvature),
    steps=(
        Identity(
            Derivative(model(x, alpha), alpha),
            model(x, alpha) * (local_odds(x, alpha) - local_mean(alpha)),
            reason=r"`slope` for logits that are any smooth functions of $\alpha$",
        ),
        _on_text,
        _curvature,
        _first_order,
        _second_order,
        FISHER,
    ),
    builds_on=(tilting.SLOPE, CE_LINEAR),
    twin="steering_strength.theory.engine.transformer.local_cross_entropy",
    formal=((FISHER, "local in any_block.v"),),
)
