"""Other ways to steer: every edit of a state at a linear site is a tilting, context by context.

The paper adds α v. Ablating a direction, clamping a feature, rotating a plane, keeping the norm,
sampling at a temperature or greedily: each is the same exponential family at a strength, or along
a few directions, that may depend on the context. States are H[k, j], coordinate k of context j.
"""

from __future__ import annotations

from functools import cache

from sympy import Derivative, Expr, IndexedBase, Integer, S, Symbol, cos, exp, log, sin, sqrt

from steering_strength.theory.laws import cross_entropy
from steering_strength.theory.laws.assumptions import LINEAR_LOGITS
from steering_strength.theory.laws.claims import Identity, Inequality, Limit
from steering_strength.theory.laws.cross_entropy import ROWS, Kj, contexts, mean_0, pc, tilt
from steering_strength.theory.laws.kernel import Fact, Sign, Sum
from steering_strength.theory.laws.law import Law
from steering_strength.theory.laws.notation import define
from steering_strength.theory.laws.order_rules import combination, substituted, winners
from steering_strength.theory.laws.symbols import M, V, alpha, beta, over_tokens, p, tilted, x, y, z
from steering_strength.theory.laws.tilting import STEERING_SHIFT, TILTING, H, W, d, j, k
from steering_strength.theory.laws.transformer import NORM_LIMIT

_BEYOND = "beyond arXiv:2602.02712, Sec. 6 (other steering methods)"

# -- operator ------------------------------------------------------------------------------

n = Symbol("n", integer=True, positive=True)  # directions
r = Symbol("r", integer=True)
c, offset, u, e = (IndexedBase(name, real=True) for name in ("c", "b", "u", "e"))
U = IndexedBase("U", real=True)  # U[k, r]: coordinate k of direction r
first, second = IndexedBase("u_1", real=True), IndexedBase("u_2", real=True)
read = IndexedBase("a", real=True)  # a[j]: what an encoder reads off the state of context j
gate = IndexedBase("g", integer=True, nonnegative=True)  # g[j]: 1 where the condition holds, else 0
level, theta = Symbol("c", real=True), Symbol("theta", real=True)


def _dot(a: Expr, b: Expr) -> Sum:
    return Sum(a * b, (k, 0, d - 1))


def _softmax(state: Expr) -> Expr:
    """Probability of token x where the state has the coordinates `state`, a function of k."""
    return exp(_dot(W[x, k], state) + offset[x]) / over_tokens(
        exp(_dot(W[y, k], state) + offset[y]), y
    )


probability = define("probability", (x, j), _softmax(H[k, j]), latex="p_{{{1},{0}}}")
effect = define("effect", (z, r), _dot(W[z, k], U[k, r]), latex="M_{{{1},{0}}}")


@cache
def _along(direction: IndexedBase, token: Expr) -> Expr:
    """M of a direction: what one unit of it adds to the logit of the token."""
    name = str(direction)
    return define(
        f"M^{name}",
        (z,),
        _dot(W[z, k], direction[k]),
        latex=f"M^{{{{{name}}}}}_{{{{{{0}}}}}}",
    )(token)


def _tilt(exponent: Expr) -> Expr:
    """p_j of token x, tilted by an exponent, a function of x."""
    weight = probability(x, j) * exp(exponent)
    return weight / over_tokens(weight.xreplace({x: y}), y)


def _edit(shown: str, state: Expr, *strengths: tuple[Expr, IndexedBase], reason: str) -> Identity:
    """That an edited state, as it is `shown`, tilts p_j by the strengths, each along its u."""
    exponent = sum((strength * _along(v, x) for strength, v in strengths), Integer(0))
    edited = define(
        "",
        (x, j),
        _softmax(state),
        latex=rf"p_{{{{{{0}}}}}}\left[{shown}\right]",
    )
    return Identity(edited(x, j), _tilt(exponent), reason=reason)


def _reading(direction: IndexedBase) -> Expr:
    name = str(direction)
    return define(
        f"reading_{name}",
        (j,),
        _dot(direction[k], H[k, j]),
        latex=rf"\langle {name}, h_{{{{{{0}}}}}} \rangle",
    )(j)


_h, _u = H[k, j], _reading(u)
_x1, _x2 = _reading(first), _reading(second)
_turned = (cos(theta) * _x1 - sin(theta) * _x2, sin(theta) * _x1 + cos(theta) * _x2)
_rotated = _h + (_turned[0] - _x1) * first[k] + (_turned[1] - _x2) * second[k]
_UNIT = Fact(_dot(u[k], u[k]), Integer(1))
_PLANE = (
    Fact(_dot(first[k], first[k]), Integer(1)),
    Fact(_dot(second[k], second[k]), Integer(1)),
    Fact(_dot(first[k], second[k]), Integer(0)),
)
_any = Identity(
    _softmax(_h + Sum(c[r] * U[k, r], (r, 0, n - 1))),
    _tilt(Sum(c[r] * effect(x, r), (r, 0, n - 1))),
    reason=r"logits are linear in the state: $h + \sum_r c_r u_r$ adds $c_r M_r$ for each $u_r$",
)
_U = r"\langle u, h_j \rangle u"
ADDITION = _edit(
    r"h_j + \alpha u",
    _h + alpha * u[k],
    (alpha, u),
    reason=r"addition: strength $\alpha$, in every context",
)
ABLATION = _edit(
    f"h_j - {_U}",
    _h - _u * u[k],
    (-_u, u),
    reason=r"ablation, the projection off $u$: strength $-\langle u, h_j \rangle$",
)
CLAMP = _edit(
    "h_j + (c - a_j) u",
    _h + (level - read[j]) * u[k],
    (level - read[j], u),
    reason=r"clamp: a feature that an encoder reads as $a_j$ is set to $c$ along its decoder "
    r"direction $u$: strength $c - a_j$",
)
AFFINE = _edit(
    rf"h_j - {_U} + \alpha u",
    _h - _u * u[k] + alpha * u[k],
    (alpha - _u, u),
    reason=r"affine: project out, then set to $\alpha$: strength $\alpha - \langle u, h_j \rangle$",
)
CONDITIONAL = _edit(
    r"h_j + \alpha g_j u",
    _h + alpha * gate[j] * u[k],
    (alpha * gate[j], u),
    reason=r"conditional: strength $\alpha$ where the condition $g_j = 1$ holds, 0 elsewhere",
)
ROTATION = _edit(
    r"R_\theta h_j",
    _rotated,
    (_turned[0] - _x1, first),
    (_turned[1] - _x2, second),
    reason=r"rotation by $\theta$ in the plane of $u_1$ and $u_2$: two strengths, "
    r"$x_i = \langle u_i, h_j \rangle$",
)
_price = Identity(
    contexts(over_tokens(pc[j, z] * log(pc[j, z] / tilt(j, z, c[j])))),
    contexts(Kj(j, c[j]) - c[j] * mean_0(j)),
    reason=r"along one direction the price is `ce-exact` with a strength $c_j$ for each context",
    given=(ROWS,),
)
_effects = (
    Identity(
        _dot(u[k], _h - _u * u[k]), Integer(0), reason="nothing is left along $u$", given=(_UNIT,)
    ),
    Identity(
        _dot(u[k], _h - _u * u[k] + alpha * u[k]),
        alpha,
        reason=r"affine: the component along $u$ is $\alpha$, whatever it was",
        given=(_UNIT,),
    ),
    Identity(
        _dot(e[k], _h + (level - _dot(e[k], _h)) * u[k]),
        level,
        reason=r"clamp: a linear encoder $e$ with $\langle e, u \rangle = 1$ then reads $c$",
        given=(Fact(_dot(e[k], u[k]), Integer(1)),),
    ),
    Identity(_dot(first[k], _rotated), _turned[0], reason="the plane is turned", given=_PLANE),
    Identity(
        Sum(_rotated**2, (k, 0, d - 1)),
        Sum(_h**2, (k, 0, d - 1)),
        reason="and the norm of the state is kept",
        given=_PLANE,
    ),
)
OPERATOR = Law(
    id="operator",
    title="Every edit of a state is a tilting with a strength for each context",
    source=_BEYOND,
    paper=r"Addition only: $h + \alpha v$.",
    sharper=r"At a linear site $h + \sum_r c_r(h) u_r$ tilts $p_j$ by $\sum_r c_r M_r$, "
    r"$M_r = W u_r$: ablation, clamp, affine, conditional edit and rotation are points of one "
    r"exponential family, and cost $\sum_j \pi_j (K_j(c_j) - c_j K_j'(0))$. They differ only in "
    r"how the strengths $c_j$ spread over contexts.",
    assumptions=(LINEAR_LOGITS,),
    headline=(_any, ADDITION, ABLATION, CLAMP, AFFINE, CONDITIONAL, ROTATION, _price),
    steps=(_any, ADDITION, ABLATION, CLAMP, AFFINE, CONDITIONAL, ROTATION, _price, *_effects),
    builds_on=(STEERING_SHIFT, TILTING, cross_entropy.CE_EXACT),
    twin="steering_strength.theory.engine.population.TiltedPopulation.log_probability",
    care=r"Ablation is no limit of subtraction: its strength is finite, and differs from context "
    r"to context. A clamp reads $c$ afterwards only if $\langle e, u \rangle = 1$ and the encoder "
    r"is linear there.",
)

# -- temperature ---------------------------------------------------------------------------

tau = Symbol("tau", positive=True)
cooled = define(
    "cooled",
    (z, tau),
    p[z] ** (1 / tau) / over_tokens(p[y] ** (1 / tau), y),
    latex="p^{{({1})}}_{{{0}}}",
)
lead = define(
    "lead",
    (x, z, alpha),
    log(p[x]) + alpha * M[x] - log(p[z]) - alpha * M[z],
    latex="L_{{{0},{1}}}({2})",
)


def _normalised(weight: Expr) -> Expr:
    return weight / over_tokens(weight.xreplace({x: y}), y)


def _at_temperature(strength: Expr, temperature: Expr) -> Expr:
    """The distribution at a temperature, tilted."""
    return _normalised(cooled(x, temperature) * exp(strength * M[x]))


_sampled = _normalised(exp((log(p[x]) + alpha * M[x]) / tau))
_tempered = Identity(
    _sampled,
    _at_temperature(alpha / tau, tau),
    reason=r"divide the steered logits by $\tau$; the normalisers cancel",
)
_order = Identity(
    log(_sampled) - log(_sampled.xreplace({x: z})),
    lead(x, z, alpha) / tau,
    reason="a temperature divides every log-odds and changes no sign: the likeliest token is the "
    "same at every temperature",
)
_distance, _cold = Symbol("d", positive=True), Symbol("beta", positive=True)
TEMPERATURE = Law(
    id="temperature",
    title="A temperature divides the strength",
    source=_BEYOND,
    paper="Temperature 1.",
    sharper=r"Sampling at temperature $\tau$ from steered logits is tilting by $\alpha / \tau$ of "
    r"the distribution at temperature $\tau$, $p^{1/\tau}$ renormalised: every law holds with "
    r"$p^{1/\tau}$ for $p$ and $M / \tau$ for $M$.",
    assumptions=(LINEAR_LOGITS,),
    headline=(_tempered, _order),
    steps=(
        _tempered,
        Identity(
            _normalised(tilted(x, alpha) ** (1 / tau)),
            _at_temperature(alpha / tau, tau),
            reason="steering first and cooling after is the same",
        ),
        Identity(
            Derivative(log(_sampled) - log(_sampled.xreplace({x: z})), alpha),
            (M[x] - M[z]) / tau,
            reason=r"one token overtakes another at the rate of their $M$ over $\tau$",
        ),
        _order,
        Limit(
            exp(-_cold * _distance),
            0,
            variable=_cold,
            reason=r"with $\beta = 1 / \tau$, a token that is behind by $d$ has $e^{-\beta d}$ of "
            r"the probability of the likeliest: as $\tau$ falls to 0, sampling becomes greedy",
        ),
    ),
    builds_on=(TILTING,),
    twin="steering_strength.theory.engine.family.TiltedFamily.at_temperature",
)

# -- renormalised --------------------------------------------------------------------------

h, v = (IndexedBase(name, real=True) for name in ("h", "v"))
s = Symbol("s", positive=True)
eps = Symbol("epsilon", nonnegative=True)


def _square(state: Expr) -> Sum:
    return Sum(state**2, (k, 0, d - 1))


def _norm(state: Expr, extra: Expr = S.Zero) -> Expr:
    """Coordinate x of a state under RMSNorm, without its gain."""
    return state.xreplace({k: x}) / sqrt(_square(state) / d + extra)


_moved = h[k] + alpha * v[k]
scale = define("scale", (alpha,), sqrt(_square(h[k])) / sqrt(_square(_moved)), latex="s({0})")
_SEEN = (Sign(_square(h[k]), strict=True), Sign(_square(_moved), strict=True))
_of_state = define(
    "state_probability",
    (z,),
    exp(_dot(W[z, k], h[k])) / over_tokens(exp(_dot(W[y, k], h[k])), y),
    latex="p_{{{0}}}",
)
_rescaled = Identity(
    _normalised(exp(_dot(W[x, k], s * _moved))),
    _normalised(_of_state(x) ** s * exp(s * alpha * _along(v, x))),
    reason="a factor $s$ of the state is a factor $s$ of the logits, if the unembedding has no "
    "bias",
)
_biased = Identity(
    _normalised(exp(_dot(W[x, k], s * _moved) + offset[x])),
    _normalised(
        _normalised(exp(_dot(W[x, k], h[k]) + offset[x])) ** s
        * exp(s * alpha * _along(v, x) + (1 - s) * offset[x])
    ),
    reason="a bias $b$ of the unembedding is not scaled: it tilts once more, by $(1 - s) b$",
)
_same = Identity(
    _norm(scale(alpha) * _moved),
    _norm(_moved),
    reason=r"$\mathrm{LN}(s x) = \mathrm{LN}(x)$ at $\epsilon = 0$: under a final norm, "
    r"norm-preserving steering is additive steering",
    given=_SEEN,
)
RENORMALISED = Law(
    id="renormalised",
    title="Keeping the norm turns down the strength and raises the temperature",
    source=_BEYOND,
    paper="Addition only.",
    sharper=r"$h' = s (h + \alpha v)$ with $s = |h| / |h + \alpha v|$: at a linear site $p'$ is "
    r"proportional to $p^s e^{s \alpha M}$, the tilting by $s \alpha$ of the distribution at "
    r"temperature $1 / s$. Under a final norm with $\epsilon = 0$ the factor $s$ changes nothing.",
    assumptions=(LINEAR_LOGITS,),
    statement=_rescaled,
    headline=(_rescaled, _same),
    steps=(
        Identity(
            _square(scale(alpha) * _moved), _square(h[k]), reason="the norm is kept", given=_SEEN
        ),
        _rescaled,
        Identity(
            _normalised(p[x] ** s * exp(s * alpha * M[x])),
            _at_temperature(s * alpha, 1 / s),
            reason=r"that is `temperature` at $\tau = 1 / s$, where $\alpha / \tau = s \alpha$",
        ),
        _biased,
        _same,
        Identity(
            _norm(s * _moved, eps),
            _norm(_moved, eps / s**2),
            reason=r"with $\epsilon > 0$ they differ, by $\epsilon / s^2$ in place of $\epsilon$",
            given=(_SEEN[1],),
        ),
    ),
    builds_on=(TILTING, TEMPERATURE, NORM_LIMIT),
    twin="steering_strength.theory.engine.operators.norm_preserving",
    care=r"$s$ depends on $\alpha$, so a norm-preserved context is no exponential family in "
    r"$\alpha$; and where the unembedding has a bias, $(1 - s) b$ is added to the exponent.",
)

# -- greedy --------------------------------------------------------------------------------

step, share = Symbol("t", positive=True), Symbol("r", positive=True)
_AHEAD, _OVERTAKEN = Sign(lead(x, z, alpha)), Sign(lead(z, x, alpha + step))


def _wins(hypothesis: Sign, reason: str) -> Inequality:
    return Inequality(
        hypothesis.expr, Integer(0), relation=">=", reason=reason, given=(hypothesis,)
    )


_gain = Identity(
    lead(x, z, alpha + step) - lead(x, z, alpha),
    step * (M[x] - M[z]),
    reason=r"$L_{x,z}(\alpha) = \log p_x + \alpha M_x - (\log p_z + \alpha M_z)$: the lead "
    r"of $x$ over $z$",
)
_before = _wins(_AHEAD, r"let $x$ be ahead of $z$ at $\alpha$")
_after = _wins(_OVERTAKEN, r"and $z$ ahead of $x$ at $\alpha + t$, $t > 0$")
_both = combination((1 / step, _before), (1 / step, _after))
_difference = Identity(
    M[z] - M[x],
    lead(x, z, alpha) / step + lead(z, x, alpha + step) / step,
    reason=r"$\log p_x$ and $\log p_z$ cancel",
)
WINNER_RISES = substituted(
    _difference,
    _both,
    reason=r"so a later winner has no smaller $M$: the winner's $M$ never decreases",
)
_end = _wins(Sign(lead(x, z, beta)), r"let $x$ be ahead of $z$ at $\beta$ as well")
_between = combination((1 / (1 + share), _before), (share / (1 + share), _end))
_mixture = Identity(
    lead(x, z, (alpha + share * beta) / (1 + share)),
    lead(x, z, alpha) / (1 + share) + lead(x, z, beta) * share / (1 + share),
    reason=r"$L$ is affine in $\alpha$; every strength between $\alpha$ and $\beta$ has this form, "
    r"$r > 0$",
)
INTERVAL = substituted(
    _mixture,
    _between,
    reason=r"what leads at $\alpha$ and at $\beta$ leads between: a token wins on an interval",
)
SWITCHES = winners(
    _gain,
    WINNER_RISES,
    log(p[z]) + alpha * M[z],
    z,
    V - 1,
    reason="the upper envelope of $V$ lines",
)
GREEDY = Law(
    id="greedy",
    title="The likeliest token moves up in log-odds, at most $V - 1$ times",
    source=_BEYOND,
    paper="Not stated.",
    sharper=r"The likeliest token at strength $\alpha$ is the highest of the lines "
    r"$\log p(z) + \alpha M(z)$: its $M$ never decreases with $\alpha$, each token wins on an "
    r"interval or never, and there are at most $V - 1$ switches, the corners of a convex hull.",
    statement=_gain,
    headline=(WINNER_RISES, INTERVAL, SWITCHES),
    steps=(
        Identity(
            log(tilted(x, alpha)) - log(tilted(z, alpha)),
            lead(x, z, alpha),
            reason="the normaliser cancels",
        ),
        _gain,
        _both,
        WINNER_RISES,
        _between,
        INTERVAL,
        SWITCHES,
        Identity(
            lead(x, z, (log(p[x]) - log(p[z])) / (M[z] - M[x])),
            0,
            reason="where $z$ overtakes $x$",
            given=(Sign(M[z] - M[x], strict=True),),
        ),
    ),
    builds_on=(TILTING,),
    twin="steering_strength.theory.engine.family.TiltedFamily.greedy_path",
    care="Tokens with equal $M$ never overtake each other: the likelier one wins, and of exact "
    "ties the first. A token that only ties for the first place, at one strength, is skipped.",
)
