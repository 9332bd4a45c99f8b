"""Rules of logic and of order: instances, cases, sums and chains of inequalities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sympy import Add, Derivative, Dummy, Expr, Indexed, Integer, Sum, Symbol, Wild, log, sqrt

from steering_strength.theory.laws.claims import (
    Between,
    Case,
    Claim,
    Identity,
    Iff,
    Inequality,
    Limit,
)
from steering_strength.theory.laws.kernel import Sign
from steering_strength.theory.laws.kernel.binding import bound_indices
from steering_strength.theory.laws.kernel.signs import real
from steering_strength.theory.laws.notation import unfold
from steering_strength.theory.laws.rules import Refused, require, rule, says, still
from steering_strength.theory.laws.shapes import Convex, Envelope, Monotone, OnePeak
from steering_strength.theory.laws.symbols import TOKENS


@rule(
    "order of an increasing function", "order of the real line", "increasing_lt_iff in analysis.v"
)
def reflected(rise: Any, first: Any, second: Any) -> Iff:
    """If $f$ strictly increases, $f(a) = u$ and $f(b) = w$, then $a < b$ if and only if $u < w$."""
    require(isinstance(rise, Monotone) and rise.strict and rise.increasing, "no rise")
    places = []
    for at in (first, second):
        require(isinstance(at, Identity), f"{at.text()} is no value")
        places.append(_place(rise.f, rise.variable, at.lhs))
    left = Inequality(places[0], places[1], relation="<")
    right = Inequality(first.rhs, second.rhs, relation="<")
    still(rise.variable, first, second)
    return Iff(left, right)


def _place(f: Expr, variable: Symbol, value: Expr) -> Expr:
    """The place at which `value` is the value of `f`."""
    found = value.match(f.xreplace({variable: Wild("t")})) if f.has(variable) else None
    for place in [*(found or {}).values(), *value.atoms(Symbol), Integer(0)]:
        if f.xreplace({variable: place}) == value:
            return place
    raise Refused(f"{value} is no value of {f}")


@rule("two cases", "propositional logic")
def by_cases(case: Case, positive: Any, negative: Any) -> Any:
    r"""If exactly one of two cases holds, $f > c$ in the first and $f \le c$ in the second, then
    the first holds if and only if $f > c$.
    """
    both = set(positive.given) & set(negative.given)  # what is given in either case
    for claim, relation, given in ((positive, ">", case.when), (negative, "<=", case.otherwise)):
        require(isinstance(claim, Inequality) and claim.relation == relation, "no sign")
        require(set(claim.given) - both == set(given), f"{claim.text()} is about another case")
    same = (positive.lhs, positive.rhs) == (negative.lhs, negative.rhs)
    require(same, "two quantities")
    sign = Inequality(positive.lhs, positive.rhs, relation=">")
    # the cases are spelled out in the claim
    return Iff(case, sign), tuple(g for g in positive.given if g in both)


@rule("detachment", "propositional logic")
def detached(both: Any, one: Any) -> Any:
    """From `A if and only if B` and one of $A$, $B$ follows the other."""
    require(isinstance(both, Iff), "no equivalence")
    for this, other in ((both.left, both.right), (both.right, both.left)):
        if (one.expressions(), getattr(one, "relation", None)) == (
            this.expressions(),
            getattr(this, "relation", None),
        ) and type(one) is type(this):
            return replace(other, given=())
    raise Refused(f"{one.text()} is neither side of {both.text()}")


@rule("equals for equals", "equality")
def substituted(form: Any, claim: Any) -> Any:
    """What is claimed of $g$ holds of $f$ if $f = g$ under the same hypotheses."""
    require(isinstance(form, Identity), "no identity")
    d = Dummy("f", real=True)
    if isinstance(claim, Monotone | OnePeak | Convex):
        require(claim.f == form.rhs, f"{claim.text()} is not about {form.rhs}")
        still(claim.variable, form)
        new: Claim = replace(claim, f=form.lhs)
    else:
        require(isinstance(claim, Limit | Inequality), "no claim about a quantity")
        require(claim.lhs.xreplace({form.rhs: d}).has(d), f"no {form.rhs} in {claim.text()}")
        if isinstance(claim, Limit):
            still(claim.variable, form)
        new = replace(claim, lhs=claim.lhs.xreplace({form.rhs: form.lhs}))
    if isinstance(new, Inequality):
        new = replace(new, form=None)
    return new


def instance(claim: Any, variable: Symbol, value: Expr, *, reason: str = "") -> Any:
    """A claim for all values of a real variable, hypotheses included, at one of them."""
    return specialised(claim, {variable: value}, reason=reason)


@rule("instance", "first-order logic")
def specialised(claim: Any, values: Mapping[Symbol, Expr]) -> Any:
    """What is claimed for all values of a variable holds at each of them.

    A claim for all values of some real variables, hypotheses included, at these values.
    """
    sides = (claim.left, claim.right) if isinstance(claim, Iff) else (claim,)
    plain = all(isinstance(side, Inequality | Identity | Between) for side in sides)
    require(plain, "no claim about all values")
    for variable, value in values.items():
        allowed = (
            value.is_positive if variable.is_positive else
            value.is_nonnegative if variable.is_nonnegative else value.is_real
        )  # fmt: skip
        require(bool(variable.is_real and allowed), f"{value} is no value of {variable}")
        moved = any(g.mentions(variable) for g in claim.given if not isinstance(g, Sign))
        slopes = [d for e in claim.expressions() for d in e.atoms(Derivative)]
        derived = any(variable in d.variables for d in slopes)
        require(not moved and not derived, f"{claim.text()} fixes {variable}")

    def at(e: Expr) -> Expr:
        return e.xreplace(values)

    def moved_to(c: Any) -> Any:
        if isinstance(c, Iff):
            return Iff(moved_to(c.left), moved_to(c.right))
        new = type(c)(*map(at, c.expressions()))
        return replace(new, relation=c.relation) if isinstance(c, Inequality) else new

    given = tuple(g.map(at) for g in claim.given)
    return moved_to(claim), given


@rule("instance")
def entrywise(claim: Any, values: dict[Indexed, Expr], *positive: Any) -> Any:
    """A claim for every array, at the array whose entries are u[j] = `values[u[j]]`.

    For an array that must be positive, one of `positive` says that its entries are.
    """
    require(isinstance(claim, Inequality | Identity), "no claim about all values")
    signs = tuple(g.map(unfold) for c in positive for g in c.given if isinstance(g, Sign))
    for entry, value in values.items():
        require(len(entry.indices) == 1 and not value.has(Sum), f"{value} is no plain entry")
        shown = [c.lhs for c in positive if (c.relation, c.rhs) == (">", 0)]
        allowed = value in shown if entry.base.label.is_positive else real(unfold(value), signs)
        require(allowed and not entry.base.label.is_integer, f"{value} is no value of {entry}")
        bound = set().union(*(bound_indices(e) for e in claim.expressions()))
        caught = bound & (value.free_symbols - {*entry.indices})
        require(not caught, f"a name of {value} is taken")

    def at(e: Expr) -> Expr:
        """Every entry of the arrays replaced; a bound index stays bound, as values have no sum."""
        found = {
            x: value.xreplace(dict(zip(entry.indices, x.indices, strict=True)))
            for entry, value in values.items()
            for x in e.atoms(Indexed)
            if x.base == entry.base
        }
        return e.xreplace(found)

    new = replace(claim, lhs=at(claim.lhs), rhs=at(claim.rhs))
    given = tuple(g.map(at) for g in claim.given)
    everything = (*new.expressions(), *(e for g in given for e in g.expressions()))
    left = {x.base for e in everything for x in unfold(e).atoms(Indexed)}
    require(not left & {entry.base for entry in values}, "a name or a hypothesis speaks of it")
    if isinstance(new, Inequality):
        new = replace(new, form=None)
    given += tuple(g for c in positive for g in c.given)
    return new, given


@rule("both bounds", "propositional logic")
def between(lower: Any, upper: Any) -> Between:
    r"""$a \le f$ and $f \le b$ is $a \le f \le b$."""
    require(isinstance(lower, Inequality) and lower.relation == ">=", "no lower bound")
    require(isinstance(upper, Inequality) and upper.relation == "<=", "no upper bound")
    require(lower.lhs == upper.lhs, "bounds of two quantities")
    return Between(lower.rhs, lower.lhs, upper.rhs)


@rule("both bounds")
def half(both: Any, side: str) -> Inequality:
    """a <= f <= b: one of the two, f >= a or f <= b."""
    require(isinstance(both, Between) and side in {">=", "<="}, "no two bounds")
    return Inequality(both.f, both.lower if side == ">=" else both.upper, relation=side)


@rule("transitivity", "order of the real line")
def chained(first: Any, second: Any) -> Inequality:
    r"""$a \le b$ and $b \le c$ is $a \le c$, strictly if one of them is."""
    relations = {first.relation, second.relation}
    ordered = relations <= {"<", "<="} or relations <= {">", ">="}
    require(isinstance(first, Inequality) and isinstance(second, Inequality), "no order")
    require(ordered and first.rhs == second.lhs, f"{first.text()}, {second.text()}")
    strict = min(relations, key=len)
    return Inequality(first.lhs, second.rhs, relation=strict)


@rule("proved hypothesis", "first-order logic")
def discharged(claim: Any, *facts: Any) -> Any:
    """What holds under a hypothesis holds where the hypothesis is proved."""
    rest = list(claim.given)
    for fact in facts:
        require(isinstance(fact, Inequality) and fact.relation != "!=", "no sign")
        up = fact.relation in {">", ">="}
        difference = fact.lhs - fact.rhs if up else fact.rhs - fact.lhs
        strict = "=" not in fact.relation
        found = [
            g
            for g in rest
            if isinstance(g, Sign) and g.expr == difference and (strict or not g.strict)
        ]
        require(len(found) == 1, f"{difference} > 0 or >= 0 is not assumed")
        fixed = [i for i in found[0].for_all if any(g.mentions(i) for g in fact.given)]
        require(not fixed, f"{fact.text()} is not shown for all {fixed}")
        rest.remove(found[0])
    new = replace(claim, form=None) if isinstance(claim, Inequality) else claim
    given = tuple(dict.fromkeys([*rest, *(g for f in facts for g in f.given)]))
    return new, given


@rule("value of an increasing function", "order of the real line")
def up_to(rise: Any, end: Any, place: Expr) -> Any:
    r"""If $f$ does not decrease and $f(b) \le c$, then $f(x) \le c$ for every $x \le b$."""
    require(isinstance(rise, Monotone) and rise.increasing, "no rise")
    require(isinstance(end, Inequality) and end.relation in {"<", "<="}, "no upper bound")
    v = rise.variable
    require(bool(place.is_positive or not v.is_positive), f"{place} may be outside {v}")
    require(rise.f.xreplace({v: place}) == end.lhs, f"{end.lhs} is no value of {rise.f}")
    still(v, end)
    require(v not in end.rhs.free_symbols, f"{end.rhs} moves")
    return Inequality(rise.f, end.rhs, relation=end.relation), (
        *rise.given,
        *end.given,
        Sign(place - v),
    )


@rule("square root", r"the square root increases, and $u \le |u|$")
def root(square: Any) -> Inequality:
    r"""If $u^2 \le v$, then $u \le \sqrt{v}$."""
    require(isinstance(square, Inequality) and square.relation == "<=", "no bound")
    base, n = square.lhs.as_base_exp()
    signs = tuple(g for g in square.given if isinstance(g, Sign))
    require(n == 2 and real(base, signs), f"{square.lhs} is no square of a real number")
    return Inequality(base, sqrt(square.rhs), relation="<=")


@rule("order of the logarithm", "the logarithm increases")
def logarithm(claim: Any, positive: Any) -> Inequality:
    r"""$0 < a \le b$ implies $\log a \le \log b$, and $\log(f/c)$ is largest where $f > 0$ is."""
    require(isinstance(claim, Inequality) and claim.relation in {"<=", "<"}, "no a <= b")
    says(positive, claim.lhs, ">", 0)
    return Inequality(log(claim.lhs), log(claim.rhs), relation=claim.relation)


@rule("combination of inequalities", "arithmetic of real numbers")
def combination(*terms: tuple[Expr, Any]) -> Inequality:
    r"""If $a_i \geq 0$ and $c_i > 0$, then $\sum_i c_i a_i \geq 0$."""
    for factor, claim in terms:
        require(isinstance(claim, Inequality) and claim.rhs == 0, "a premise is no sign")
        require(claim.relation in {">", ">="}, f"{claim.text()} is not >= 0")
        require(bool(factor.is_positive), f"{factor} may not be positive")
    total = Add(*(factor * claim.lhs for factor, claim in terms))
    relation = ">" if any(claim.relation == ">" for _, claim in terms) else ">="
    return Inequality(total, 0, relation=relation)


@rule("order of the winners", "a strictly increasing sequence of $V$ ranks has at most $V$ terms")
def winners(gain: Any, order: Any, f: Expr, index: Symbol, upper: Expr) -> Any:
    """If functions of equal rank never change order, and one that is largest later has no smaller
    rank than one that is largest earlier, then the largest of $V$ functions, the first among exact
    ties, changes only to larger ranks, so at most $V - 1$ times.

    `gain` says that f_x - f_z gains t (r_x - r_z) from a to a + t, so that equal ranks never change
    order; `order`, that r_z - r_x >= 0 if x is ahead of z at a and z ahead of x at a + t.
    """
    require(isinstance(gain, Identity) and isinstance(order, Inequality), "premises")
    require(order.relation == ">=" and order.rhs == 0, f"{order.text()} is not >= 0")
    ahead = [unfold(g.expr) for g in order.given if isinstance(g, Sign) and not g.strict]
    require(len(ahead) == len(order.given) == 2, "not exactly two hypotheses >= 0")
    rank = Add(*(t for t in Add.make_args(order.lhs) if index in t.free_symbols))
    others = order.lhs.free_symbols & set(TOKENS) - {index}
    require(len(others) == 1, f"{order.text()} does not compare two tokens")
    (other,) = others
    require(order.lhs == rank - rank.xreplace({index: other}), f"{order.text()} ranks nothing")
    lead = f.xreplace({index: other}) - f
    for variable in (v for v in f.free_symbols if v.is_Symbol and v.is_real and not v.is_integer):
        for step in (s for s in gain.rhs.free_symbols if s.is_positive):
            later = lead.xreplace({variable: variable + step})
            if (
                ahead == [lead, -later]
                and unfold(gain.lhs) == later - lead
                and gain.rhs == step * (rank.xreplace({index: other}) - rank)
                and not {variable, step} & rank.free_symbols
            ):
                still(variable, gain)
                new = Envelope(f, variable, index, upper, rank)
                return new, ()  # who wins where is what the claim is about
    raise Refused(f"{order.text()} is not about {f}")
