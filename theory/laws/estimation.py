r"""How sure a strength is that comes from finitely many texts, and which text moves it.

$M$ is a mean over the texts of P minus a mean over those of N. Let it move along a line,
$M + t D$: the strength that keeps a price, a level or a peak moves too (implicit functions). With
$D = L_i - \mathrm{mean}_P L$ that is the influence of text $i$; the squares of the influences are
the variance, the second derivatives the bias. Contexts have probabilities $\pi_j$.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sympy import Derivative, Expr, IndexedBase, Integer, KroneckerDelta, Symbol, exp, log

from steering_strength.theory.laws.claims import Identity, Inequality
from steering_strength.theory.laws.cross_entropy import CE_EXACT, ROWS, contexts, j, pc
from steering_strength.theory.laws.kernel import Let, Sign, Sum
from steering_strength.theory.laws.law import Law
from steering_strength.theory.laws.notation import define
from steering_strength.theory.laws.order_rules import substituted
from steering_strength.theory.laws.peaks import PEAK
from steering_strength.theory.laws.rules import along_level, at_rate, chord, convexity
from steering_strength.theory.laws.symbols import M, over_tokens, x, y, z
from steering_strength.theory.laws.tilting import TILTING

alpha = Symbol("alpha", positive=True)  # against the vector, mirror M
t = Symbol("t", real=True)
D = IndexedBase("D", real=True)
_ACROSS = r"beyond arXiv:2602.02712, Def. 3.2 and Sec. 6 (conclusion)"

total = define(
    "total",
    (j, alpha, t),
    over_tokens(pc[j, y] * exp(alpha * (M[y] + t * D[y])), y),
    latex="Z_{{{0}}}({1},{2})",
)
tilt = define(
    "tilt",
    (j, z, alpha, t),
    pc[j, z] * exp(alpha * (M[z] + t * D[z])) / total(j, alpha, t),
    latex="p_{{{0},{1}}}({2},{3})",
)


def _odds(token: Expr) -> Expr:
    return M[token] + t * D[token]


def _direction(token: Expr) -> Expr:
    return D[token]


Values = Callable[[Expr], Expr]


def _mean(values: Values) -> Expr:
    """E_j[values] at α, t."""
    return over_tokens(tilt(j, y, alpha, t) * values(y), y)


def _covariance(left: Values, right: Values) -> Expr:
    return over_tokens(tilt(j, z, alpha, t) * (left(z) - _mean(left)) * right(z))


def _named(name: str, body: Expr, latex: str) -> Expr:
    return define(name, (alpha, t), body, latex=latex)(alpha, t)


def _slopes(goal: str, latex: str, slope: Callable[[Values], Expr]) -> tuple[Expr, Expr]:
    """The two directional slopes of a goal, along D and along M, with names."""
    return (
        _named(f"{goal}_D", slope(_direction), f"{latex}_D"),
        _named(f"{goal}_M", slope(_odds), f"{latex}_M"),
    )


# -- influence: four goals, each a level of a function of α (M + t D) -----------------------

price = _named(
    "price",
    contexts(over_tokens(pc[j, z] * log(pc[j, z] / tilt(j, z, alpha, t)))),
    r"\Delta\mathrm{{CE}}({0},{1})",
)
back = _named(
    "back",
    contexts(over_tokens(tilt(j, z, alpha, t) * log(tilt(j, z, alpha, t) / pc[j, z]))),
    r"R({0},{1})",
)
size = Symbol("|C|", integer=True, positive=True)  # C: the tokens numbered first
level = _named("level", contexts(Sum(tilt(j, z, alpha, t), (z, 0, size - 1))), "F({0},{1})")
_AT = (j, x, alpha, t)
turn = define("turn", _AT, _mean(_odds) - _odds(x), latex=r"G_{{{0},{1}}}({2},{3})")(*_AT)

price_D, price_M = _slopes(
    "price", "c",
    lambda f: contexts(over_tokens((tilt(j, z, alpha, t) - pc[j, z]) * f(z))),
)  # fmt: skip
back_D, back_M = _slopes("back", "v", lambda f: contexts(_covariance(_odds, f)))
level_D, level_M = _slopes(
    "level", "u",
    lambda f: contexts(Sum(tilt(j, z, alpha, t) * (f(z) - _mean(f)), (z, 0, size - 1))),
)  # fmt: skip


def _moves(f: Expr, by_t: Expr, by_alpha: Expr, words: str) -> tuple[Any, ...]:
    """Both slopes, that the second does not vanish, and the motion of α that follows."""
    facts = (ROWS,)
    first = Identity(Derivative(f, t), by_t, reason=f"{words}: its slope in $t$", given=facts)
    second = Identity(Derivative(f, alpha), by_alpha, reason=r"its slope in $\alpha$", given=facts)
    crosses = Sign(by_alpha, strict=True)
    rises = Inequality(by_alpha, 0, reason="where it is crossed", given=(crosses,))
    return (first, second, rises, along_level(first, second, rises))


_price = _moves(
    price, alpha * price_D, price_M, r"the mean $\mathrm{KL}(p_j \| p_{j,\alpha})$, the price"
)
_back = _moves(back, alpha**2 * back_D, alpha * back_M, r"the reverse divergence")
_level = _moves(level, alpha * level_D, level_M, "the mean probability of a concept")
turn_D = define(
    "turn_D", _AT, _mean(_direction) + alpha * _covariance(_odds, _direction) - D[x], latex="g_D"
)(*_AT)
turn_M = define(
    "turn_M", _AT, _covariance(_odds, _odds),
    latex=r"\mathrm{{Var}}_{{{0}}}[M + t D]",
)(*_AT)  # fmt: skip
_turn = _moves(
    turn, turn_D, turn_M,
    r"$\mathbb{E}_{j,\alpha}[M + t D] - M_x - t D_x$, 0 at a peak of $x$ (`peak`)",
)  # fmt: skip
_entry = Identity(
    Derivative(price.xreplace({t: Integer(0)}), M[x]),
    alpha * contexts(tilt(j, x, alpha, Integer(0)) - pc[j, x]),
    reason="the gradient of the price, entry by entry: `M + t D` with one entry of $D$",
    given=(ROWS,),
)
_blind = Identity(
    contexts(over_tokens(tilt(j, z, alpha, t) - pc[j, z])),
    0,
    reason="it sums to 0: a constant added to the logits of a text has no influence",
    given=(ROWS,),
)

# The texts of one side; L[i, z] = log p(z | text i) up to a shift of the text.
n = Symbol("|P|", integer=True, positive=True)
i, k, ell = (Symbol(name, integer=True) for name in ("i", "k", "l"))
L = IndexedBase("L^P", real=True)
n_N = Symbol("|N|", integer=True, positive=True)
L_N = IndexedBase("L^N", real=True)


def _average(rows: IndexedBase, count: Expr, token: Expr, index: Symbol = k) -> Expr:
    return Sum(rows[index, token], (index, 0, count - 1)) / count


def _deviation(rows: IndexedBase, count: Expr, text: Expr, token: Expr) -> Expr:
    return rows[text, token] - _average(rows, count, token)


_INSIDE = (Sign(i), Sign(n - 1 - i))
_weight = Identity(
    Sum(((1 - t) / n + t * KroneckerDelta(i, k)) * L[k, z], (k, 0, n - 1)),
    _average(L, n, z) + t * _deviation(L, n, i, z),
    reason=r"more weight, by $t$, on text $i$ of P moves $M$ along $D = L_i - \mathrm{mean}_P L$, "
    r"$L^P_i$ its log-probabilities; of N, along minus that. The influence is the motion of "
    r"$\alpha$ for $t = 1/|P|$, to first order",
    given=_INSIDE,
)
_left_out = Identity(
    (Sum(L[k, z], (k, 0, n - 1)) - L[i, z]) / (n - 1),
    _average(L, n, z) - _deviation(L, n, i, z) / (n - 1),
    reason=r"leaving text $i$ out is $t = -1/(|P| - 1)$: a finite step along the same line",
    given=(*_INSIDE, Sign(n - 1, strict=True)),
)
INFLUENCE = Law(
    id="influence",
    title="How far one text moves the strength, without a refit",
    source=_ACROSS,
    paper="The steering vector is given; that other texts would give another is not considered.",
    sharper=r"While $M$ moves along $D$, the $\alpha$ that keeps the price moves by $-\alpha "
    r"\langle p_\alpha - p, D \rangle / (K'(\alpha) - K'(0))$ (averages over contexts above and "
    r"below). Text $i$ of P has $D = L_i - \mathrm{mean}_P L$, of N minus that. For the reverse "
    "divergence, the probability of a concept and a peak the same with their gradients.",
    statement=_price[0],
    headline=(_price[-1], _back[-1], _level[-1], _turn[-1], _weight),
    steps=(*_price, _entry, _blind, *_back, *_level, *_turn, _weight, _left_out),
    builds_on=(TILTING, CE_EXACT, PEAK),
    twin="steering_strength.theory.engine.estimation.sensitivity",
    care=r"First order. Where the goal is only touched, as $F_T$ at its maximum, $\alpha$ jumps "
    "and no derivative exists. The text that differs most from the others need not move $\\alpha$ "
    r"most: what counts is how much of the difference lies along $p_\alpha - p$.",
)

# -- standard-error ------------------------------------------------------------------------

S = Symbol("S", integer=True, positive=True)  # the texts there are, drawn with probability rho_s
s = Symbol("s", integer=True)
rho = IndexedBase("rho", positive=True)
lam = IndexedBase("lambda", real=True)  # lam[s, z]: log p(z | text s of all)
expected = define(
    "expected", (z,), Sum(rho[s] * lam[s, z], (s, 0, S - 1)), latex=r"\mathbb{{E}} L_{{{0}}}"
)
spread = define(
    "spread",
    (z,),
    Sum(rho[s] * (lam[s, z] - expected(z)) ** 2, (s, 0, S - 1)),
    latex=r"\mathrm{{Var}}_{{{0}}}",
)
covariance = define(
    "covariance",
    (i, k, z),
    spread(z) * KroneckerDelta(i, k),
    latex=r"\mathrm{{Cov}}(L_{{{0},{2}}}, L_{{{1},{2}}})",
)
of_text = IndexedBase("mu", real=True)  # of_text[i, z]: the expectation of L[i, z]
_unbiased = Identity(
    Sum(of_text[i, z], (i, 0, n - 1)) / n,
    expected(z),
    reason=r"every text is drawn from the same texts: the mean over P is unbiased, likewise over "
    r"N, hence $M$",
    given=(Let(of_text[i, z], expected(z), i, Integer(0), n - 1),),
)
_variance = Identity(
    Sum(covariance(i, k, z), (k, 0, n - 1), (i, 0, n - 1)) / n**2,
    spread(z) / n,
    reason="texts drawn independently have no covariance: of $|P|^2$ pairs $|P|$ remain; the "
    "same for N, and the two variances add",
)
_centred = Sum(
    covariance(i, i, z)
    - 2 * Sum(covariance(i, k, z), (k, 0, n - 1)) / n
    + Sum(covariance(k, ell, z), (ell, 0, n - 1), (k, 0, n - 1)) / n**2,
    (i, 0, n - 1),
)
_bessel = Identity(
    _centred / (n - 1),
    spread(z),
    reason=r"the expectation of $\sum_i (L_i - \mathrm{mean} L)^2 / (|P| - 1)$ is the variance: "
    r"the finite-sample convention, $|P| \geq 2$",
    given=(Sign(n - 1, strict=True),),
)
a = IndexedBase("a", real=True)  # a[z] = d alpha / d M(z), from `influence`


def _influence(name: str, rows: IndexedBase, count: Symbol) -> Callable[[Expr], Expr]:
    body = over_tokens(a[z] * _deviation(rows, count, i, z)) / count
    made = define(
        f"influence_{name}",
        (i,),
        body,
        latex=rf"I^{{{{{name}}}}}_{{{{{{0}}}}}}",
        precedence=2,
    )
    return lambda text: made(text)


moved_P, moved_N = _influence("P", L, n), _influence("N", L_N, n_N)


def _cov(name: str, rows: IndexedBase, count: Symbol) -> Expr:
    """The unbiased covariance of two tokens' log-probabilities over one side."""
    product = _deviation(rows, count, i, z) * _deviation(rows, count, i, y)
    return define(
        f"cov_{name}",
        (z, y),
        Sum(product, (i, 0, count - 1)) / (count - 1),
        latex=rf"S^{{{{{name}}}}}_{{{{{{0}},{{1}}}}}}",
    )(z, y)


def _squares(moved: Callable[[Expr], Expr], count: Symbol) -> Expr:
    return count / (count - 1) * Sum(moved(i) ** 2, (i, 0, count - 1))


_TWO = (Sign(n - 1, strict=True), Sign(n_N - 1, strict=True))
_error = Identity(
    over_tokens(over_tokens(a[z] * a[y] * (_cov("P", L, n) / n + _cov("N", L_N, n_N) / n_N), y)),
    _squares(moved_P, n) + _squares(moved_N, n_N),
    reason=r"the variance of $\sum_z a_z M_z$, which $\alpha$ is to first order: a sum of squared "
    "influences",
    given=_TWO,
)
_zero = Identity(
    Sum(moved_P(i), (i, 0, n - 1)),
    0,
    reason="the influences of a side sum to 0: each text is measured against the others",
)
v_P, v_N = (Symbol(name, positive=True) for name in ("sigma_P", "sigma_N"))
b_P, b_N = (Symbol(name, positive=True) for name in ("b_P", "b_N"))
_fewest = Inequality(
    (v_P**2 / b_P + v_N**2 / b_N) * (b_P + b_N),
    (v_P + v_N) ** 2,
    relation=">=",
    form=(b_N * v_P - b_P * v_N) ** 2 / (b_P * b_N),
    reason=r"$b_P$ and $b_N$ texts with standard deviations $\sigma_P$, $\sigma_N$ a text: no "
    r"division of $b_P + b_N$ texts does better than $b_P : b_N = \sigma_P : \sigma_N$, and half "
    "the error takes four times as many",
)
STANDARD_ERROR = Law(
    id="standard-error",
    title="The standard error of a strength is the root of the summed squared influences",
    source=_ACROSS,
    paper=r"$M$ is treated as exact.",
    sharper=r"$M$ is unbiased with variance $\mathrm{Var}_P/|P| + \mathrm{Var}_N/|N|$; to first "
    r"order $\mathrm{se}(\alpha)^2 = \frac{|P|}{|P|-1} \sum_P I_i^2 + \frac{|N|}{|N|-1} \sum_N "
    r"I_i^2$: whose share it is, which text is an outlier and how many texts would do.",
    statement=_error,
    headline=(_unbiased, _variance, _error, _zero, _fewest),
    steps=(_unbiased, _variance, _bessel, _error, _zero, _fewest),
    builds_on=(INFLUENCE,),
    twin="steering_strength.theory.engine.estimation.estimate",
    care="Texts drawn independently, P and N too; for pairs, add the influences of a pair before "
    "squaring. The error is about other texts: for the vector at hand the strength is exact. It "
    "leaves out the bias of `text-bias`, which may be larger; and adding one text can raise it.",
)

# -- text-bias -----------------------------------------------------------------------------

_CROSSED = (ROWS, Sign(price_M, strict=True))
_speed = -alpha * price_D / price_M
rate = _named("rate", price_D / (alpha * price_M), r"(1/\alpha)'")
_inverse = Identity(
    Derivative(1 / alpha, t) + Derivative(1 / alpha, alpha) * _speed,
    rate,
    reason=r"$1/\alpha$ with it",
    given=_CROSSED,
)
_first = at_rate(_price[-1], _inverse)


def _push(token: Expr) -> Expr:
    """How the added logits α (M + t D) move."""
    return alpha * D[token] + _speed * _odds(token)


bend = _named(
    "bend",
    contexts(over_tokens(tilt(j, z, alpha, t) * (_push(z) - _mean(_push)) ** 2)),
    r"\mathrm{{Var}}(u')",
)
_second = Identity(
    Derivative(rate, t) + Derivative(rate, alpha) * _speed,
    bend / (alpha**2 * price_M),
    reason=r"$u' = \alpha D + \alpha' (M + t D)$ is how the added logits move; its variance under "
    r"$p_{j,\alpha}$, averaged over contexts",
    given=_CROSSED,
)
CURVED = at_rate(_first, _second, reason=r"the second derivative of $1/\alpha$")
_convex = Inequality(
    bend / (alpha**2 * price_M),
    0,
    relation=">=",
    reason=r"a variance: along every line $1/\alpha$ is convex in $M$",
    given=_CROSSED,
)

# The same without derivatives: two vectors M and M', each within the budget B at its strength.
other = IndexedBase("M'", real=True)
beta = Symbol("beta", positive=True)
budget = Symbol("B", positive=True)
share = Symbol("s", real=True)


def _price_of(u: Callable[[Expr], Expr]) -> Expr:
    grown = log(over_tokens(pc[j, y] * exp(u(y)), y))
    return contexts(grown - over_tokens(pc[j, z] * u(z)))


def _between(weight: Expr, token: Expr) -> Expr:
    return (1 - weight) * alpha * M[token] + weight * beta * other[token]


segment = define(
    "segment", (share,), _price_of(lambda token: _between(share, token)), latex=r"\phi({0})"
)
_weights = define(
    "weights",
    (j, z, share),
    pc[j, z] * exp(_between(share, z)) / over_tokens(pc[j, y] * exp(_between(share, y)), y),
    latex="p_{{{0},{1}}}({2})",
)


def _apart(token: Expr) -> Expr:
    return beta * other[token] - alpha * M[token]


_segment_curved = Inequality(
    Derivative(segment(share), (share, 2)),
    0,
    relation=">=",
    form=contexts(
        over_tokens(
            _weights(j, z, share)
            * (_apart(z) - over_tokens(_weights(j, y, share) * _apart(y), y)) ** 2
        )
    ),
    reason=r"$\phi(s)$, the price of adding $(1-s) \alpha M + s \beta M'$, is convex: a mean of "
    "variances",
    given=(ROWS,),
)
_segment_convex = convexity(_segment_curved)
_ends = tuple(
    Inequality(
        segment(at), budget, relation="<=", reason=words, given=(Sign(budget - segment(at)),)
    )
    for at, words in (
        (Integer(0), r"$M$ at $\alpha$ is within the budget"),
        (Integer(1), r"$M'$ at $\beta$ is"),
    )
)
_place = alpha / (alpha + beta)
_inner = tuple(
    Inequality(_place, bound, relation=relation, form=form, reason="a share")
    for bound, relation, form in (
        (Integer(0), ">=", _place),
        (Integer(1), "<=", -beta / (alpha + beta)),
    )
)
_kept = chord(_segment_convex, *_ends, *_inner)
harmonic = define(
    "harmonic",
    (),
    _price_of(lambda token: 2 / (1 / alpha + 1 / beta) * (M[token] + other[token]) / 2),
    latex=r"\Delta\mathrm{{CE}}[h \, (M + M')/2]",
)()
_there = Identity(
    harmonic,
    segment(_place),
    reason=r"$h = 2/(1/\alpha + 1/\beta)$, the harmonic mean: the mean vector at $h$ lies between",
)
HARMONIC = substituted(
    _there, _kept, reason="so the mean vector bears at least the harmonic mean of the strengths"
)
TEXT_BIAS = Law(
    id="text-bias",
    title="Few texts make steering look dearer than it is",
    source=_ACROSS,
    paper=r"$M$ is treated as exact.",
    sharper=r"Along every line $1/\alpha$, for a budget of $\Delta \mathrm{CE}$, is convex in $M$: "
    r"$(1/\alpha)'' = \mathrm{Var}_\alpha(u') / (\alpha^2 (K'(\alpha) - K'(0)))$ with $u' = \alpha "
    r"D + \alpha' M$. The mean of two vectors bears at least the harmonic mean of their strengths. "
    r"By Jensen, as $M$ is unbiased, $\mathbb{E}[1/\hat\alpha] \geq 1/\alpha$: noise spends part "
    r"of the budget, by $\frac{1}{2} \sum_i (1/\alpha)''[D_i] / (|P| (|P| - 1))$ to second order, "
    "and the same for N.",
    statement=_second,
    headline=(CURVED, _convex, HARMONIC),
    steps=(*_price, CURVED, _convex, _kept, HARMONIC),
    builds_on=(INFLUENCE, STANDARD_ERROR),
    twin="steering_strength.theory.engine.estimation.estimate",
    care=r"About $1/\alpha$: the bias of $\alpha$ itself, its reciprocal, may have either sign. "
    "Budgets of the reverse divergence, levels and peaks have a second derivative of the same "
    "form, of either sign. For the vector at hand nothing is wrong: its own price is exact.",
)
