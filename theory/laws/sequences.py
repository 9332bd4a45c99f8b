r"""Whole texts under one steering vector: five laws of generated text.

At the final norm $v$ is the same at every step, so each next token is tilted by the same $M$, with
the normaliser of its own context. Two formal objects carry the laws, both of symbolic size:

* *texts in a list*: text $k$ has tokens $X_{k,t}$ and rows $p_{k,t,z}$, the next-token
  probabilities after its first $t$ tokens. What is said text by text needs no more.
* *texts as a tree*: prefixes are numbered by length, 0 is the empty one, and $V j + 1 + z$ is
  prefix $j$ followed by token $z$. With inner prefixes $0, \ldots, J - 1$ the texts are
  $J, \ldots, V J$; $J = (V^T - 1)/(V - 1)$ gives all texts of $T$ tokens. A sum over texts is then
  an induction over prefixes (`rules.over_prefixes`), whose step is one sum over tokens.

So a set of texts is a dataset whose contexts are its prefixes, each weighted by the probability
that a text passes through it.
"""

from __future__ import annotations

from sympy import Derivative, Expr, IndexedBase, Integer, Product, Symbol, exp, log

from steering_strength.theory.laws import cross_entropy
from steering_strength.theory.laws.assumptions import LINEAR_LOGITS
from steering_strength.theory.laws.claims import Identity, Inequality
from steering_strength.theory.laws.cross_entropy import (
    ROWS,
    Kj,
    Zj,
    j,
    mean_0,
    mean_j,
    pc,
    tilt,
    variance_j,
)
from steering_strength.theory.laws.kernel import Fact, Let, Sign, Sum
from steering_strength.theory.laws.law import Law
from steering_strength.theory.laws.notation import define
from steering_strength.theory.laws.rules import convexity, one_root, over_prefixes, tangent
from steering_strength.theory.laws.symbols import M, V, alpha, before, last, over_tokens, y, z
from steering_strength.theory.laws.tilting import AT_MAXIMUM, MEAN_SLOPE, TILTING, spread

# -- one text, and texts in a list ------------------------------------------------------------

T = Symbol("T", integer=True, positive=True)
t, k = Symbol("t", integer=True), Symbol("k", integer=True)
X = IndexedBase("X", integer=True)  # X[t]: token t of the text, t = 0 .. T - 1


def tokens_of(term: Expr) -> Sum:
    """Sum over the tokens of the text."""
    return Sum(term, (t, 0, T - 1))


drawn = define("drawn", (), Product(pc[t, X[t]], (t, 0, T - 1)), latex="P_0(x)")
steered = define(
    "steered", (alpha,), Product(tilt(t, X[t], alpha), (t, 0, T - 1)), latex="P_{{{0}}}(x)"
)
log_ratio = define("log_ratio", (alpha,), tokens_of(alpha * M[X[t]] - Kj(t, alpha)), latex="r({0})")
cost = define("cost", (j, alpha), Kj(j, alpha) - alpha * mean_0(j), latex=r"\delta_{{{0}}}({1})")
_ratio = Identity(
    log(steered(alpha)) - log(drawn()),
    log_ratio(alpha),
    reason="a product of next-token probabilities, each of them tilted by the same M: the text's "
    "own probability cancels",
)
_by_score = Identity(
    log_ratio(alpha),
    alpha * tokens_of(M[X[t]] - mean_0(t)) - tokens_of(cost(t, alpha)),
    reason=r"$\delta_t = K_t - \alpha K_t'(0)$, the price of steering at step $t$: one number, "
    "the score of the text at 0, and a price that does not depend on the tokens drawn",
)
_concave = Inequality(
    Derivative(log_ratio(alpha), (alpha, 2)),
    0,
    relation="<=",
    form=-tokens_of(variance_j(t, alpha)),
    reason="minus a sum of variances: the likelihood of a strength, given a text, is log-concave",
)
SEQUENCE_RATIO = Law(
    id="sequence-ratio",
    title="What a text gains by steering, token by token",
    source="beyond arXiv:2602.02712, Sec. 6 (conclusion), from Lemma B.3",
    paper="One next token.",
    sharper=r"$\log P_\alpha(x)/P_0(x) = \sum_t [\alpha M(x_t) - K_t(\alpha)]$, $K_t$ the cumulant "
    r"generating function after $x_{<t}$: $\alpha$ times the score of the text at 0, less "
    r"what steering costs along it. Concave in $\alpha$, so a text has at most one "
    "likeliest strength, unless $M$ is constant.",
    assumptions=(LINEAR_LOGITS,),
    statement=_by_score,
    headline=(_ratio, _by_score),
    steps=(_ratio, _by_score, _concave),
    builds_on=(TILTING, MEAN_SLOPE),
    twin="steering_strength.theory.engine.sequences.SampledTexts.log_weights",
    care=r"Every position is steered, with the same $v$, and the prompt is not part of $x$.",
)

# -- texts as a tree ----------------------------------------------------------------------------

J = Symbol("J", integer=True, positive=True)  # inner prefixes
w = IndexedBase("w", positive=True)  # w[k]: probability that an unsteered text begins with prefix k
u = IndexedBase("u", positive=True)  # u[k]: the same, steered at alpha
S = IndexedBase("S", real=True)  # S[k]: sum of M - E[M] along the prefix, the score at alpha


def _grows(base: IndexedBase, start: Expr, value: Expr) -> tuple[Let, Let]:
    return Let(base[k], start, k, Integer(0), Integer(0)), Let(base[k], value, k, Integer(1), V * J)


_i, _x = before(k), last(k)
UNSTEERED = _grows(w, Integer(1), w[_i] * pc[_i, _x])
STEERED = _grows(u, Integer(1), u[_i] * tilt(_i, _x, alpha))
SCORED = _grows(S, Integer(0), S[_i] + M[_x] - mean_j(_i, alpha))


def prefixes(term: Expr) -> Sum:
    """Sum over the inner prefixes, j = 0 .. J - 1."""
    return Sum(term, (j, 0, J - 1))


def _continued(f: Expr, *tree: Let) -> Sum:
    """The sum of F over the continuations of prefix j."""
    child = {g.entry: g.value.xreplace({_i: j, _x: z}) for g in tree[1::2]}
    return over_tokens(f.xreplace(child))


def _gain(f: Expr, gain: Expr, *tree: Let, given: tuple[Fact, ...] = (), reason: str) -> Identity:
    """F over the continuations of prefix j is F(j) + gain."""
    return Identity(_continued(f, *tree), f.xreplace({k: j}) + gain, given=given, reason=reason)


# -- sequence-ce ----------------------------------------------------------------------------------

_forward = w[k] * log(w[k] / u[k])
_FORWARD = (*UNSTEERED, *STEERED)
price = define("price", (alpha,), prefixes(w[j] * cost(j, alpha)), latex=r"\Delta({0})")
_next = _gain(
    _forward,
    w[j] * cost(j, alpha),
    *_FORWARD,
    given=(ROWS,),
    reason="one more token after prefix j adds its own divergence, weighted by the prefix",
)
CHAIN = over_prefixes(
    _next,
    _forward,
    j,
    _FORWARD,
    reason=r"the texts are $J, \ldots, V J$: $\mathrm{KL}(P_0 \| P_\alpha)$ is the price "
    r"$\Delta(\alpha)$, an average over unsteered prefixes",
)
_curved = Inequality(
    Derivative(price(alpha), (alpha, 2)),
    0,
    form=prefixes(w[j] * spread(lambda token: pc[j, token])),
    reason=r"a sum of variances over pairs of tokens, with positive weights; $A = \arg\max M$, "
    "numbered first, is not all: $M$ is not constant",
    given=AT_MAXIMUM,
)
CONVEX = convexity(_curved, reason="the price of a text is convex, as every term is")
_start = Identity(price(0), 0, reason=r"$\Delta(0) = 0$", given=(ROWS,))
_slope = Identity(
    Derivative(price(alpha), alpha),
    prefixes(w[j] * (mean_j(j, alpha) - mean_0(j))),
    reason="differentiate (`mean-slope`); the weights of the prefixes do not move",
)
_flat = Identity(
    prefixes(w[j] * (mean_j(j, 0) - mean_0(j))), 0, reason=r"$\Delta'(0) = 0$", given=(ROWS,)
)
NOT_NEGATIVE = tangent(CONVEX, _start, _slope, _flat)
ONE_ROOT = one_root(CONVEX, _start, _slope, _flat, reason="a budget has one strength on each side")
SEQUENCE_CE = Law(
    id="sequence-ce",
    title="One set of unsteered texts prices every strength",
    source="beyond arXiv:2602.02712, Sec. 6 (conclusion), from Thm 3.8",
    paper="The cross-entropy of one next token, near 0.",
    sharper=r"$\mathrm{KL}(P_0 \| P_\alpha) = \mathbb{E}_{P_0} \sum_t [K_t(\alpha) - \alpha "
    r"K_t'(0)]$ for every $\alpha$ and any lengths: never negative, convex, every budget reached "
    r"exactly once on each side. The average is over unsteered texts, so one set of them gives "
    "the whole curve.",
    assumptions=(LINEAR_LOGITS,),
    statement=_next,
    headline=(CHAIN, CONVEX, NOT_NEGATIVE, ONE_ROOT),
    steps=(CHAIN, NOT_NEGATIVE, ONE_ROOT),
    builds_on=(SEQUENCE_RATIO, cross_entropy.CE_EXACT, MEAN_SLOPE),
    twin="steering_strength.theory.engine.sequences.SampledTexts.cross_entropy_increase",
    care=r"$P_0 \| P_\alpha$, in this order: the other divergence is an average over steered texts "
    "(`sequence-reverse`).",
)

# -- sequence-reverse -----------------------------------------------------------------------------

_backward = u[k] * log(u[k] / w[k])
reverse_cost = define(
    "reverse_cost", (j, alpha), alpha * mean_j(j, alpha) - Kj(j, alpha), latex=r"\rho_{{{0}}}({1})"
)
_next_back = _gain(
    _backward,
    u[j] * reverse_cost(j, alpha),
    *_FORWARD,
    reason="one more token adds its own divergence, weighted by the steered prefix",
)
CHAIN_BACK = over_prefixes(
    _next_back,
    _backward,
    j,
    _FORWARD,
    reason=r"$\mathrm{KL}(P_\alpha \| P_0)$, an average over steered prefixes",
)
SEQUENCE_REVERSE = Law(
    id="sequence-reverse",
    title="The reverse price of a text is an average over steered texts",
    source="beyond arXiv:2602.02712, Sec. 6 (conclusion)",
    paper="Not considered.",
    sharper=r"$\mathrm{KL}(P_\alpha \| P_0) = \mathbb{E}_{P_\alpha} \sum_t [\alpha K_t'(\alpha) - "
    r"K_t(\alpha)]$ for every $\alpha$. Each term grows with $|\alpha|$, but the weights of the "
    "prefixes move, towards contexts where steering may cost less.",
    assumptions=(LINEAR_LOGITS,),
    statement=_next_back,
    headline=(CHAIN_BACK,),
    steps=(CHAIN_BACK,),
    builds_on=(SEQUENCE_RATIO, cross_entropy.CE_EXACT),
    twin="steering_strength.theory.engine.sequences.SampledTexts.reverse_kl",
    care=r"Unlike for one token it is not monotone in $|\alpha|$, nor convex: a budget may have "
    "several roots, and bisection on steered roll-outs can miss the first of them.",
)

# -- sequence-score -------------------------------------------------------------------------------

n = Symbol("n", integer=True, positive=True)  # texts in a list
row = IndexedBase("p", positive=True)  # row[k, t, z] = p(z | first t tokens of text k)
word = IndexedBase("X", integer=True)  # word[k, t]: token t of text k
f = IndexedBase("f", real=True)  # f[k]: any judge's value of text k
K_text = define(
    "K_text",
    (k, t, alpha),
    log(over_tokens(row[k, t, z] * exp(alpha * M[z]))),
    latex="K_{{{0},{1}}}({2})",
)
mean_text = define(
    "mean_text",
    (k, t, alpha),
    over_tokens(row[k, t, y] * exp(alpha * M[y]) * M[y], y)
    / over_tokens(row[k, t, y] * exp(alpha * M[y]), y),
    latex=r"\mathbb{{E}}_{{{0},{1},{2}}}[M]",
)
text_ratio = define(
    "text_ratio",
    (k, alpha),
    tokens_of(alpha * M[word[k, t]] - K_text(k, t, alpha)),
    latex="r_{{{0}}}({1})",
)
score = define(
    "score", (k, alpha), tokens_of(M[word[k, t]] - mean_text(k, t, alpha)), latex="S_{{{0}}}({1})"
)


def texts(term: Expr) -> Sum:
    """Sum over the texts of a list."""
    return Sum(term, (k, 0, n - 1))


judged = define(
    "judged",
    (alpha,),
    texts(f[k] * w[k] * exp(text_ratio(k, alpha))),
    latex=r"\mathbb{{E}}_{{{0}}}[f]",
)
_score_is_slope = Identity(
    Derivative(text_ratio(k, alpha), alpha),
    score(k, alpha),
    reason=r"$K_t' = \mathbb{E}_{t,\alpha}[M]$ (`mean-slope`)",
)
_judged_slope = Identity(
    Derivative(judged(alpha), alpha),
    texts(f[k] * w[k] * exp(text_ratio(k, alpha)) * score(k, alpha)),
    reason=r"$\mathbb{E}_\alpha[f S]$: a covariance, for $S$ has mean 0",
)
_judged_slope_0 = Identity(
    texts(f[k] * w[k] * exp(text_ratio(k, alpha)) * score(k, alpha)).xreplace({alpha: Integer(0)}),
    texts(f[k] * w[k] * score(k, 0)),
    reason=r"at $\alpha = 0$ an average over unsteered texts",
    given=(Fact(over_tokens(row[k, t, z]), Integer(1), (k, t)),),
)
_TOTAL, _MARTINGALE, _INFORMATION = u[k], u[k] * S[k], u[k] * S[k] ** 2
_WITH_SCORE = (*STEERED, *SCORED)
_conserved = _gain(_TOTAL, Integer(0), *STEERED, reason="steered probabilities sum to 1")
TOTAL = over_prefixes(_conserved, _TOTAL, j, STEERED)
_fair = _gain(
    _MARTINGALE,
    0,
    *_WITH_SCORE,
    reason=r"given the prefix, $M(x_t) - K_t'(\alpha)$ has mean 0: a martingale",
)
MEAN_ZERO = over_prefixes(_fair, _MARTINGALE, j, _WITH_SCORE, reason="the score has mean 0")
_grown = _gain(
    _INFORMATION,
    u[j] * variance_j(j, alpha),
    *_WITH_SCORE,
    reason="its increments are uncorrelated, so that variances add",
)
INFORMATION = over_prefixes(
    _grown,
    _INFORMATION,
    j,
    _WITH_SCORE,
    reason=r"the Fisher information $\mathbb{E}_\alpha[S^2]$ of a text about $\alpha$",
)
SEQUENCE_SCORE = Law(
    id="sequence-score",
    title="The slope of any judge is a covariance with the score",
    source="beyond arXiv:2602.02712, Sec. 6 (conclusion)",
    paper="The judge's curves of Fig. 7 are measured by generating at every strength.",
    sharper=r"$\frac{d}{d\alpha} \mathbb{E}_\alpha[f] = \mathrm{Cov}_\alpha(f, S)$ for any $f$ of "
    r"the text, $S = \sum_t (M(x_t) - K_t'(\alpha))$; $S$ is a martingale with mean 0, and its "
    r"variance, the Fisher information, is $\mathbb{E}_\alpha \sum_t K_t''(\alpha)$. At "
    r"$\alpha = 0$ unsteered texts give the slope.",
    assumptions=(LINEAR_LOGITS,),
    statement=_judged_slope,
    headline=(_judged_slope, MEAN_ZERO, INFORMATION),
    steps=(_score_is_slope, _judged_slope, _judged_slope_0, TOTAL, MEAN_ZERO, INFORMATION),
    builds_on=(SEQUENCE_RATIO, MEAN_SLOPE),
    twin="steering_strength.theory.engine.sequences.SampledTexts.slope",
)

# -- sequence-weights -----------------------------------------------------------------------------

_twice = u[k] ** 2 / w[k]
growth = define("growth", (j, alpha), Zj(j, 2 * alpha) / Zj(j, alpha) ** 2, latex="G_{{{0}}}({1})")
second = define("second", (), log(texts(_twice)), latex="D_2")
c = Symbol("c", positive=True)  # no next token diverges by more, in the order 2
depth = IndexedBase("t", nonnegative=True)  # depth[k]: tokens of prefix k
DEEP = _grows(depth, Integer(0), depth[_i] + 1)
_reweighted = Identity(
    judged(alpha),
    texts(w[k] * (f[k] * exp(text_ratio(k, alpha)))),
    reason=r"an average over unsteered texts, each weighted by $P_\alpha(x)/P_0(x)$",
)
_size = Identity(
    1 / texts(w[k] * (u[k] / w[k]) ** 2),
    exp(-second()),
    reason=r"the effective share of a sample, $1/\mathbb{E}_0[(P_\alpha/P_0)^2]$; $D_2$ is the "
    "divergence of order 2",
)
_next_twice = _gain(
    _twice,
    u[j] ** 2 / w[j] * (growth(j, alpha) - 1),
    *_FORWARD,
    reason=r"$\sum_z p_{j,\alpha}(z)^2/p_j(z) = Z_j(2\alpha)/Z_j(\alpha)^2$",
)
SECOND = over_prefixes(_next_twice, _twice, j, _FORWARD, reason="the exponential of $D_2$")
_decays = _twice * exp(-c * depth[k])
_DECAYS = (*_FORWARD, *DEEP)
_bounded = Inequality(
    _continued(_decays, *_DECAYS),
    _decays.xreplace({k: j}),
    relation="<=",
    form=-(u[j] ** 2 / w[j]) * exp(-c * (depth[j] + 1)) * (exp(c) - growth(j, alpha)),
    reason=r"where every next token has $K_j(2\alpha) - 2 K_j(\alpha) \leq c$",
    given=(Sign(exp(c) - growth(j, alpha), for_all=(j,)),),
)
DECAYS = over_prefixes(
    _bounded, _decays, j, _DECAYS, reason=r"for texts of $T$ tokens, $D_2 \leq c T$"
)
SEQUENCE_WEIGHTS = Law(
    id="sequence-weights",
    title="How far unsteered texts predict steered ones",
    source="beyond arXiv:2602.02712, Sec. 6 (conclusion)",
    paper="Not considered.",
    sharper=r"$\mathbb{E}_\alpha[f] = \mathbb{E}_0[f e^{\sum_t (\alpha M(x_t) - K_t)}]$; of $N$ "
    r"texts $N e^{-D_2}$ count, $D_2$ the divergence of order 2, at most $T$ times the largest "
    r"$K_t(2\alpha) - 2 K_t(\alpha)$ of a token: it falls exponentially in the length.",
    assumptions=(LINEAR_LOGITS,),
    statement=_next_twice,
    headline=(_reweighted, _size, SECOND, DECAYS),
    steps=(_reweighted, _size, SECOND, DECAYS),
    builds_on=(SEQUENCE_RATIO, SEQUENCE_SCORE),
    twin="steering_strength.theory.engine.sequences.SampledTexts.effective_sample_size",
    care="The effective size of a sample is an estimate too, and too large where the texts that "
    "would weigh most were never drawn.",
)
