"""Contexts that mix concepts: what is left of sign separation (Lemma B.4).

A mixed context is a mean of pure ones: p(z|c_j) = b_z + w_(j,C) (a_z - b_z) for z in C, with
weights w_(j,C) >= 0 that sum to 1 over the concepts. Assumption 1 is the case of one weight 1.
"""

from __future__ import annotations

from sympy import Derivative, Expr, IndexedBase, Integer, Symbol, exp, log

from steering_strength.theory.laws import tilting
from steering_strength.theory.laws.claims import Identity, Inequality
from steering_strength.theory.laws.kernel import Fact, Let, Sign, Split, Sum
from steering_strength.theory.laws.law import Law
from steering_strength.theory.laws.notation import define
from steering_strength.theory.laws.order_rules import reflected
from steering_strength.theory.laws.rules import derivative_sign
from steering_strength.theory.laws.symbols import over_tokens, z
from steering_strength.theory.laws.tilting import contrast, i, odds, pN, pP, q_N, q_P, rows

# -- the rows ------------------------------------------------------------------------------

concepts = Symbol("G", integer=True, positive=True)
concept = Symbol("l", integer=True)  # C, the number of a concept
B = Symbol("B", positive=True)  # sum of all b_z
b = IndexedBase("b", positive=True)
w = IndexedBase("w", nonnegative=True)
gaps = IndexedBase("g", nonnegative=True)  # g[C, z]: gap weights, 0 outside C


def _over_concepts(term: Expr) -> Sum:
    return Sum(term, (concept, 0, concepts - 1))


_GAPS = Fact(over_tokens(gaps[concept, z]), Integer(1), (concept,))
_WEIGHTS = Fact(_over_concepts(w[concept]), Integer(1))
_row = b[z] + (1 - B) * _over_concepts(w[concept] * gaps[concept, z])
_exchanged = over_tokens(b[z]) + (1 - B) * _over_concepts(
    w[concept] * over_tokens(gaps[concept, z])
)
_mixture = Identity(
    _row,
    _over_concepts(w[concept] * (b[z] + (1 - B) * gaps[concept, z])),
    reason="a mixed context is the mean of pure ones, each with its weight",
    given=(_WEIGHTS,),
)
_rows = (
    Identity(over_tokens(_row), _exchanged, reason="exchange of the finite sums"),
    Identity(
        _exchanged,
        Integer(1),
        reason="every concept has the same gap $1 - B$, so any mixture of them closes the row",
        given=(Fact(over_tokens(b[z]), B), _GAPS, _WEIGHTS),
    ),
)

# -- the sign of M -------------------------------------------------------------------------

b_z, excess = Symbol("b_z", positive=True), Symbol("t", positive=True)  # a_z = b_z (1 + t)
wP, wN = IndexedBase("w^P", nonnegative=True), IndexedBase("w^N", nonnegative=True)
_P, _N = (i, Integer(0), q_P - 1), (i, Integer(0), q_N - 1)
_log_odds = Identity(
    odds(z),
    contrast(log(1 + excess * wP[i]), log(1 + excess * wN[i])),
    reason="$z$ in $C$, $a_z = b_z (1 + t)$: $b_z$ cancels, and the weights of $C$ alone are left",
    given=rows(b_z * (1 + excess * wP[i]), b_z * (1 + excess * wN[i])),
)

# All weights of one side are at least v, all of the other at most; one, numbered first, differs:
# it lies strictly above v, or at u, strictly below v = u + delta.
threshold, lowest = (Symbol(n, nonnegative=True) for n in "vu")
more = Symbol("delta", positive=True)
over = IndexedBase("e", nonnegative=True)
least = IndexedBase("w", nonnegative=True)


def _entry(weight: Expr) -> Expr:
    return b_z * (1 + excess * weight)


def _ratio(high: Expr, low: Expr) -> Expr:
    """log p(z|.) with the weight `high` minus log p(z|.) with the weight `low`."""
    return log((1 + excess * high) / (1 + excess * low))


def _ordered(sign: int, above: bool) -> Inequality:
    """The sign of M where every weight of one side is at least every weight of the other.

    The side is P for `sign` = 1 and N for -1. Its first context lies strictly above the threshold
    if `above`, else the first context of the other side lies strictly below.
    """
    (big, q_high, top), (small, q_low, bottom) = ((pP, q_P, "P"), (pN, q_N, "N"))[::sign]
    middle = threshold if above else lowest + more
    size = q_high if above else q_low
    first, rest = (i, Integer(0), Integer(0)), (i, Integer(1), size - 1)
    rows, entry = (big, middle + over[i]) if above else (small, least[i])
    other, facing = (small, least[i]) if above else (big, middle + over[i])
    apart = middle + more if above else lowest
    every = (i, Integer(0), (q_low if above else q_high) - 1)
    pair = _ratio(apart, middle) if above else _ratio(middle, apart)
    same = pair + Sum(_ratio(entry, middle) if above else _ratio(middle, entry), rest)
    facing_sum = Sum(_ratio(middle, facing) if above else _ratio(facing, middle), every)
    q_facing = q_low if above else q_high
    return Inequality(
        odds(z),
        0,
        relation=">" if sign > 0 else "<",
        form=sign * (same / size + facing_sum / q_facing),
        reason=f"no weight of ${bottom}$ for $C$ exceeds one of ${top}$, and the first context of "
        f"${top if above else bottom}$ lies strictly {'above' if above else 'below'} the rest",
        given=(
            Split(Integer(0), Integer(1), size - 1),
            Sign(size - 1),
            Let(rows[i, z], _entry(apart), *first),
            Let(rows[i, z], _entry(entry), *rest),
            Let(other[i, z], _entry(facing), *every),
            Sign(middle - least[i], for_all=(i,)),
        ),
    )


ORDERED = tuple(_ordered(sign, above) for sign in (1, -1) for above in (True, False))
_level = Symbol("w", nonnegative=True)
_equal = Identity(
    odds(z),
    0,
    reason="all weights equal: $M = 0$ on all of $C$",
    given=rows(_entry(_level), _entry(_level)),
)

# -- token by token ------------------------------------------------------------------------

mean_P = define("mean_P", (z,), Sum(log(pP[i, z]), _P) / q_P, latex=r"\lambda^P_{{{0}}}")
mean_N = define("mean_N", (z,), Sum(log(pN[i, z]), _N) / q_N, latex=r"\lambda^N_{{{0}}}")
geometric_P = define("geometric_P", (z,), exp(mean_P(z)), latex="G^P_{{{0}}}")
geometric_N = define("geometric_N", (z,), exp(mean_N(z)), latex="G^N_{{{0}}}")
_size = Symbol("x", positive=True)
_rises = derivative_sign(
    Inequality(
        Derivative(log(_size) - mean_N(z), _size), Integer(0), form=1 / _size, reason="$1 / x > 0$"
    )
)
_at_N = Identity(
    log(geometric_N(z)) - mean_N(z), Integer(0), reason="$x$ the geometric mean over $N$"
)
_at_P = Identity(
    log(geometric_P(z)) - mean_N(z), odds(z), reason="$x$ the geometric mean over $P$: this is $M$"
)
DECIDED = reflected(
    _rises,
    _at_N,
    _at_P,
    reason=r"$M(z) > 0$ exactly where $P$ has the larger geometric mean of $p(z|\cdot)$",
)
MIXED_CONTEXTS = Law(
    id="mixed-contexts",
    title="In mixed contexts the sign of $M$ is a comparison of two geometric means",
    source="beyond arXiv:2602.02712, Sec. 6 (mixed concepts); Lemma B.4 is the pure case",
    paper="Each context is made of tokens of one concept.",
    sharper=r"With $p(z|c_j) = b_z + w_{j,C} (a_z - b_z)$ for $z$ in $C$, weights $w \geq 0$ "
    r"summing to 1: $M > 0$ on all of $C$ if $\min_P w \geq \max_N w$, not all equal, and $M < 0$ "
    r"if $\max_P w \leq \min_N w$. Between the two, token by token, $M(z) > 0$ if and only if $P$ "
    r"has the larger geometric mean of $p(z|\cdot)$.",
    statement=_log_odds,
    headline=(*ORDERED, DECIDED),
    steps=(_mixture, *_rows, _log_odds, *ORDERED, _equal, DECIDED),
    builds_on=(tilting.TILTING, tilting.SIGN_SEPARATION),
    twin="steering_strength.theory.model.mixed.mixed_log_odds",
    care="Between the two conditions the sign may differ inside one concept: it then depends on "
    "the ratio $a_z / b_z$ of the token.",
)
