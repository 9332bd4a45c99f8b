"""The paper's symbols, once: code name, symbol, shape, meaning.

Everything is stated for symbolic sizes. Tokens are numbered 0 .. V - 1, as arrays are, so that a
lambdified law takes the arrays of an instance as they stand.

==================  =========  =======  ====================================================
code name           symbol     shape    meaning
==================  =========  =======  ====================================================
`V`                 V                   vocabulary size
`p[z]`              p(z|c_j)   (V,)     next-token probabilities of one context, p > 0, sum 1
`M[z]`              M(z)       (V,)     log-odds of the steering vector, nats per unit alpha
`alpha`             α                   steering strength
`Z(alpha)`          D_j(α)              normaliser, sum_z p_z e^{α M_z}
`K(alpha)`          K_j(α)              cumulant generating function of M, log Z
`tilted(z, alpha)`  p_α(z)     (V,)     steered next-token probability
`mean(alpha)`       E_α[M]              expectation of M under p_α
`variance(alpha)`   Var_α[M]            its variance
`before(k)`         k⁻                  prefix k without its last token; 0 is the empty one
`last(k)`           x(k)                that token
==================  =========  =======  ====================================================
"""

from __future__ import annotations

from sympy import Expr, IndexedBase, Integer, Mod, Symbol, exp, floor, log

from steering_strength.theory.laws.kernel import Fact, Sum
from steering_strength.theory.laws.notation import define

alpha = Symbol("alpha", real=True)
beta = Symbol("beta", real=True)
V = Symbol("V", integer=True, positive=True)
x, y, z = (Symbol(n, integer=True) for n in "xyz")
TOKENS = (x, y, z)
"""Where one of them is free in a claim, the claim is about every token: 0 <= x <= V - 1."""
p = IndexedBase("p", positive=True)
M = IndexedBase("M", real=True)


def over_tokens(term: Expr, index: Symbol = z, size: Expr = V) -> Sum:
    """Sum of `term` over the tokens `index` = 0 .. size - 1."""
    return Sum(term, (index, 0, size - 1))


NORMALISED = Fact(over_tokens(p[z]), Integer(1))

Z = define("Z", (alpha,), over_tokens(p[z] * exp(alpha * M[z])))
K = define("K", (alpha,), log(Z(alpha)))
tilted = define("tilted", (z, alpha), p[z] * exp(alpha * M[z]) / Z(alpha), latex="p_{{{1}}}({0})")
mean = define(
    "mean", (alpha,), over_tokens(tilted(y, alpha) * M[y], y), latex=r"\mathbb{{E}}_{{{0}}}[M]"
)
variance = define(
    "variance",
    (alpha,),
    over_tokens(tilted(y, alpha) * (M[y] - mean(alpha)) ** 2, y),
    latex=r"\mathrm{{Var}}_{{{0}}}[M]",
)

_k = Symbol("k", integer=True)
before = define("before", (_k,), floor((_k - 1) / V), latex=r"{0}^{{-}}")
"""Prefixes of a text, numbered by length: `V j + 1 + z` is prefix `j` followed by token `z`."""
last = define("last", (_k,), Mod(_k - 1, V), latex="x({0})")
