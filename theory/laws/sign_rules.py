"""Rules on how often a function changes sign: Rolle's theorem, level by level.

They lead from the shares r_0, r_1, ... of a concept on rising levels of M to the extrema of its
curve, F(x) = sum_l r_l g_l e^(x m_l) / sum_l g_l e^(x m_l), as the formal proof does. As in
`theory.laws.rules`, a rule refuses premises of another form.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sympy import Add, Expr, Indexed, Integer, Mul, Sum, Symbol, exp, expand, oo, sympify

from steering_strength.theory.laws.claims import Identity, Inequality, Limit
from steering_strength.theory.laws.kernel import Fact, Given, Let, Sign, Split
from steering_strength.theory.laws.notation import unfold
from steering_strength.theory.laws.rules import RUDIN, require, rule, slope_of, still
from steering_strength.theory.laws.shapes import AtMost, Extrema, FewExtrema, Follows


@rule("Rolle's theorem", f"{RUDIN}, Thm 5.10", "diminish in variation.v")
def rolle(slope: Any, positive: Any, limit: Any) -> Follows:
    r"""If $g' = b h$ with $b > 0$ and $g \to L$ at $-\infty$, then $g$ changes sign at most as
    often as $L$ followed by $h$: between two signs of $g$, and between $L$ and a value of $g$ on
    its other side, $g'$ has the sign of the difference.
    """
    require(isinstance(slope, Identity), "no slope")
    g, variable = slope_of(slope.lhs, 1)
    b = _factor(positive)
    h = slope.rhs / b
    require(slope.rhs == b * h and not h.has(b), f"{slope.rhs} is no multiple of {b}")
    require(
        isinstance(limit, Limit)
        and (limit.lhs, limit.variable, limit.end) == (g, variable, -oo)
        and limit.rhs.is_finite is not False,
        f"{limit.text()} is no finite limit of {g} at -oo",
    )
    still(variable, slope, positive, limit)
    return Follows(g, variable, limit.rhs, h)


@rule("positive factor", "order of the real line", "changes_map_aligned in variation.v")
def same_signs(form: Any, positive: Any, claim: Any) -> Follows:
    """If $f = a g$ with $a > 0$, then $f$ changes sign where $g$ does."""
    require(isinstance(form, Identity) and isinstance(claim, Follows), "premises")
    a = _factor(positive)
    require(form.rhs == a * claim.f, f"{form.rhs} is not {a} times {claim.f}")
    still(claim.variable, form, positive)
    return Follows(form.lhs, claim.variable, claim.first, claim.then)


def _factor(positive: Any) -> Expr:
    require(
        isinstance(positive, Inequality) and (positive.relation, positive.rhs) == (">", 0),
        f"{positive.text()} does not say that a factor is positive",
    )
    factor: Expr = positive.lhs
    return factor


@rule(
    "one level at a time", "induction on the number of levels", "ratio_slope_changes in variation.v"
)
def level_by_level(claim: Any) -> Any:
    r"""If for all rising levels $m_0 < m_1 < \dots$ and weights $g_l > 0$ the slope of the mean $F$
    of $r$ changes sign at most as often as $r_1 - r_0$ followed by the slope of the mean over the
    levels from $m_1$ on under some positive weights, then $F'$ changes sign at most as often as
    $r_1 - r_0$, $r_2 - r_1$, $\dots$; over one level $F' = 0$.

    "The mean from level 1 on" is that of the same shares under weights g_l (m_l - m_0). The premise
    may assume no more than that levels rise, so it holds for any weights and from every level on.
    """
    require(isinstance(claim, Follows), "no premise on changes of sign")
    f, variable = slope_of(claim.f, 1)
    upper, same = slope_of(claim.then, 1)
    require(variable == same, "slopes by two variables")
    levels, above = _Levels.of(unfold(f), variable), _Levels.of(unfold(upper), variable)
    weights = replace(levels, weight=levels.weight * levels.gap(0), low=Integer(1))
    require(above == weights, f"{upper} is not {f} from level 1 on, with weights m_l - m_0")
    scale = claim.first / (levels.share_at(1) - levels.share_at(0))
    require(bool(scale.is_positive), f"{claim.first} has not the sign of the first step")
    levels.only_rise(claim.given, (levels.high - 1,))
    new = AtMost(claim.f, variable, levels.step(), levels.index, levels.high - 1)
    return new, (levels.rising(),)


@rule(
    "parity of sign changes",
    "$F'$ is a finite sum of exponentials over a positive one, so it is 0 or has finitely many "
    "zeros; a sequence of signs changes an even number of times exactly if it ends as it "
    "begins",
    "ratio_extrema in extrema.v",
)
def extrema(few: Any, top: Any, bottom: Any) -> Any:
    r"""If $F = \sum_l r_l g_l e^{x m_l} / \sum_l g_l e^{x m_l}$, if $F'$ changes sign at most as
    often as the steps $r_{l+1} - r_l$, and if $F$ comes from $r_0$ on the side of the first share
    that differs and goes to the last share from the side of the last that differs, then the extrema
    of $F$ are finitely many, at most as many as the turns of $r$, and of the same parity; for
    constant $r$ there are none.

    At the top, e^(d x) (F - r_top) tends to a positive multiple of r_k - r_top, with d > 0 and r_k
    the last share that differs from r_top; at the bottom likewise.
    """
    require(isinstance(few, AtMost), "no bound on changes of sign")
    f, variable = slope_of(few.f, 1)
    levels = _Levels.of(unfold(f), variable)
    require((few.term, few.upper) == (levels.step(), levels.high - 1), "another sequence")
    for limit, end, last in ((top, oo, levels.high), (bottom, -oo, Integer(0))):
        require(
            isinstance(limit, Limit) and (limit.variable, limit.end) == (variable, end),
            f"no limit of {f} at {end}",
        )
        growth = limit.lhs / (f - levels.share_at(last))
        rate = growth.args[0] / variable if isinstance(growth, exp) else Integer(0)
        apart = rate.is_positive if end == oo else rate.is_negative
        require(bool(apart), f"{limit.lhs} is not e^(d x) (F - {levels.share_at(last)})")
        equal = [g for g in limit.given if isinstance(g, Let) and g.value == levels.share_at(last)]
        require(len(equal) == 1, f"which shares equal {levels.share_at(last)} is not given")
        (block,) = equal
        k = block.lower - 1 if end == oo else block.upper + 1
        next_to_last = block.upper + 1 if end == oo else block.lower - 1
        require(
            block.entry == levels.share_at(block.index) and next_to_last == last and k.is_Symbol,
            f"{block} does not say which shares equal the last",
        )
        scale = limit.rhs / (levels.share_at(k) - levels.share_at(last))
        require(bool(scale.is_positive), f"{limit.rhs} has not the sign of the last step")
        room = (k, levels.high - 1 - k) if end == oo else (k - 1, levels.high - k)
        others = tuple(g for g in limit.given if g != block)
        levels.only_rise(others, (*room, levels.high - 1))
    new = Extrema(f, variable, levels.share, levels.index, levels.high)
    return new, (levels.rising(),)


@rule(
    "turns around zero",
    "counting: a turn upwards or downwards next to each number that is not 0",
    "turns_nonzero in variation.v",
)
def few_extrema(shape: Any, form: Any, size: Expr) -> Any:
    r"""A sequence of numbers $\ge 0$ of which at least one and at most $N$ are not 0 turns at most
    $2 N - 1$ times.

    Premises: as many extrema as r has turns, and a `form` that carries, as given, that the
    numerators of the shares are sums of c_l terms each; `size` is sum_l c_l.
    """
    require(isinstance(shape, Extrema) and isinstance(form, Identity), "premises")
    require(bool(shape.term.is_nonnegative), f"{shape.term} may be negative")
    require(form.rhs == shape.f, f"{form.text()} is about another function")
    counts = [
        g.lhs.limits[0][2] + 1
        for g in form.given
        if isinstance(g, Fact)
        and g.for_all == (shape.index,)
        and len(g.lhs.limits) == 1
        and g.lhs.limits[0][1] == 0
        and g.rhs.has(shape.term)
        and bool((g.rhs / shape.term).is_positive)
    ]
    require(len(counts) == 1, "what the shares are made of is not given")
    total = Sum(counts[0], (shape.index, 0, shape.upper))
    require(bool(unfold(size).dummy_eq(total)), f"{size} is not {total}")
    new = FewExtrema(shape.f, shape.variable, 2 * size - 1)
    return new, (*shape.given, *form.given, Sign(size - 1))


@dataclass(frozen=True)
class _Levels:
    """A mean of `share` over levels with weights `weight` e^(x `level`), from `low` to `high`.

    `share`, `level` and, from level 0 on, `weight` are entries of arrays at `index`, of which
    nothing else is known: what is shown of them is shown for all.
    """

    share: Expr
    weight: Expr
    level: Expr
    index: Symbol
    low: Expr
    high: Expr

    @classmethod
    def of(cls, f: Expr, variable: Symbol) -> _Levels:
        above, mass = f.as_numer_denom()
        require(isinstance(above, Sum) and isinstance(mass, Sum), f"{f} is no mean")
        ((name, low, high),) = mass.limits
        require(above.limits[0][1:] == (low, high), f"two ranges in {f}")
        index = Symbol("l", integer=True)
        over = above.function.xreplace({above.limits[0][0]: index})
        under = mass.function.xreplace({name: index})
        growths = [a for a in Mul.make_args(under) if isinstance(a, exp)]
        require(len(growths) == 1, f"{mass} is no sum of weighted exponentials")
        weight, level = under / growths[0], growths[0].args[0] / variable
        found = cls(over / under, weight, level, index, low, high)
        require(found._free(variable), f"{f} is no mean of free shares over free levels")
        return found

    def _free(self, variable: Symbol) -> bool:
        entries = (self.share, self.level, *((self.weight,) if self.low == 0 else ()))
        arrays = {e.base for e in entries if isinstance(e, Indexed) and e.indices == (self.index,)}
        real = bool(self.share.is_real and self.level.is_real and self.weight.is_real)
        positive = bool(self.weight.is_positive) or self.low != 0
        fixed = not any(variable in e.free_symbols for e in (*entries, self.weight))
        return len(arrays) == len(entries) and real and positive and fixed

    def share_at(self, k: Any) -> Expr:
        return self.share.xreplace({self.index: sympify(k)})

    def step(self) -> Expr:
        return self.share_at(self.index + 1) - self.share

    def gap(self, k: Any) -> Expr:
        return self.level - self.level.xreplace({self.index: sympify(k)})

    def rising(self) -> Sign:
        up = self.level.xreplace({self.index: self.index + 1}) - self.level
        return Sign(up, strict=True, for_all=(self.index,))

    def only_rise(self, given: tuple[Given, ...], room: tuple[Expr, ...]) -> None:
        """Refuse hypotheses that say more than that the levels rise, in a notation for their gaps.

        `room` are the numbers that are known to be >= 0: how many levels lie where.
        """
        at = {g.lower: g for g in given if isinstance(g, Let) and g.lower == g.upper}
        for g in given:
            if isinstance(g, Split):
                fine = all(_known(e, room) for e in (g.at - g.lower, g.upper + 1 - g.at))
            elif isinstance(g, Sign):
                fine = not g.for_all and _known(g.expr - (1 if g.strict else 0), room)
            else:
                fine = isinstance(g, Let) and self._gap_of(g, at, room)
            require(fine, f"{g} is assumed, which is more than that levels rise")

    def _gap_of(self, g: Let, at: dict[Expr, Let], room: tuple[Expr, ...]) -> bool:
        """`level_0 + e_l`, or `level_0 + d + e_l` beyond the level at `level_0 + d`; top alike."""
        if g.entry != self.level.xreplace({self.index: g.index}):
            return False
        for anchor, side in ((Integer(0), 1), (self.high, -1)):
            gap = expand(side * (g.value - self.level.xreplace({self.index: anchor})))
            *others, own = sorted(Add.make_args(gap), key=lambda e: g.index in e.free_symbols)
            if not all(isinstance(e, Symbol | Indexed) and e.is_positive for e in (*others, own)):
                continue
            if {e.base for e in (*others, own) if isinstance(e, Indexed)} & self._arrays():
                continue
            if g.lower == g.upper:
                return not others
            if g.index not in own.free_symbols:
                return False
            return not others or any(
                expand(side * (b.value - self.level.xreplace({self.index: anchor}))) == others[0]
                and _known(side * ((g.lower if side > 0 else g.upper) - k) - 1, room)
                and len(others) == 1
                for k, b in at.items()
            )
        return False

    def _arrays(self) -> set[Any]:
        whole = (self.share, self.weight, self.level)
        return {e.base for part in whole for e in part.atoms(Indexed)}


def _known(e: Expr, room: tuple[Expr, ...]) -> bool:
    """Whether `e >= 0` follows from one of the numbers `room` being so."""
    return bool(e.is_nonnegative) or any(bool(expand(e - r).is_nonnegative) for r in room)
