"""Rules of analysis: from claims of a checked form to the claim that follows.

A rule is a function. It looks at the form of its premises, refuses the wrong ones with
`LawError`, and builds its conclusion from them, under all of their hypotheses; nothing is
concluded that was not computed from the premises. What is assumed is the rule itself: a theorem
of analysis, cited once in `theory.laws.assumptions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sympy import (
    Abs,
    Add,
    Derivative,
    Dummy,
    Expr,
    Indexed,
    Integer,
    Integral,
    S,
    Sum,
    Symbol,
    Wild,
    exp,
    factorial,
    log,
    oo,
    sqrt,
)

from steering_strength.theory.laws.assumptions import PRINCIPLES
from steering_strength.theory.laws.claims import (
    Between,
    Case,
    Claim,
    Identity,
    Iff,
    Inequality,
    LawError,
    Limit,
    changed,
)
from steering_strength.theory.laws.kernel import Bounded, Let, Sign
from steering_strength.theory.laws.kernel.binding import bound_indices
from steering_strength.theory.laws.kernel.signs import real
from steering_strength.theory.laws.notation import unfold
from steering_strength.theory.laws.shapes import (
    Convex,
    Crosses,
    Expansion,
    Monotone,
    OnePeak,
    OneRoot,
)
from steering_strength.theory.laws.symbols import V, before, last


def deduce(name: str, conclusion: Any, premises: tuple[Claim, ...], reason: str) -> Any:
    """The conclusion of the rule of this name, under the hypotheses of its premises."""
    return conclusion.deduced(PRINCIPLES[name], premises, reason)


def refuse(rule: str, why: str) -> LawError:
    """The error of a rule that refuses its premises."""
    return LawError(f"{rule}: {why}", remedy="give premises of the form that the rule states")


def still(rule: str, variable: Symbol, *premises: Any) -> None:
    """What is fixed stays fixed while the variable moves: only a domain may depend on it."""
    for p in premises:
        for g in p.given:
            if not isinstance(g, Sign | Bounded) and g.mentions(variable):
                raise refuse(rule, f"a hypothesis of {p.text()} moves with {variable}")


def slope_of(rule: str, e: Expr, order: int) -> tuple[Expr, Symbol]:
    """The function and the variable of a derivative of this order; refuses anything else."""
    if not isinstance(e, Derivative) or len(e.variable_count) != 1:
        raise refuse(rule, f"{e} is no derivative by one variable")
    ((variable, n),) = e.variable_count
    if n != order or not variable.is_Symbol or not variable.is_real or variable.is_integer:
        raise refuse(rule, f"{e} is no derivative of order {order} by a real symbol")
    return e.expr, variable


def require(rule: str, holds: bool, why: str) -> None:
    """Refuse premises, with the reason, unless they have what the rule needs."""
    if not holds:
        raise refuse(rule, why)


def says(rule: str, claim: Any, lhs: Expr, relation: str, rhs: Any) -> None:
    """Refuse a premise unless it is this relation."""
    found = isinstance(claim, Identity | Inequality)
    found = found and (claim.lhs, claim.relation, claim.rhs) == (lhs, relation, rhs)
    require(rule, found, f"{claim.text()} is not {lhs} {relation} {rhs}")


def derivative_sign(slope: Any, *, reason: str = "") -> Monotone:
    """f' > 0 on the domain of the variable: f strictly increases there (<, >=, <= likewise)."""
    rule = "sign of the derivative"
    require(rule, isinstance(slope, Inequality) and slope.rhs == 0, "the premise is no sign")
    f, variable = slope_of(rule, slope.lhs, 1)
    require(rule, slope.relation != "!=", "the premise has no direction")
    still(rule, variable, slope)
    up, strict = slope.relation.startswith(">"), "=" not in slope.relation
    return deduce(rule, Monotone(f, variable, increasing=up, strict=strict), (slope,), reason)


def convexity(curvature: Any, *, reason: str = "") -> Convex:
    """f'' >= 0 on the domain of the variable: f is convex (strictly for >)."""
    rule = "convexity"
    require(rule, isinstance(curvature, Inequality) and curvature.rhs == 0, "no sign")
    f, variable = slope_of(rule, curvature.lhs, 2)
    require(rule, curvature.relation in {">", ">="}, "the second derivative is not >= 0")
    still(rule, variable, curvature)
    return deduce(rule, Convex(f, variable, strict=curvature.relation == ">"), (curvature,), reason)


def valley(convex: Any, right: Any, left: Any, *, reason: str = "") -> OnePeak:
    """Strictly convex on the line and infinite at both ends: exactly one valley."""
    rule = "strict convexity"
    require(rule, isinstance(convex, Convex) and convex.strict, "no strict convexity")
    f, variable = convex.f, convex.variable
    require(rule, variable.is_nonnegative is None, f"{variable} does not run over the line")
    for limit, end in ((right, oo), (left, -oo)):
        require(
            rule,
            isinstance(limit, Limit)
            and (limit.lhs, limit.rhs, limit.variable, limit.end) == (f, oo, variable, end),
            f"no limit +oo of {f} at {end}",
        )
    return deduce(rule, OnePeak(f, variable, valley=True), (convex, right, left), reason)


def reciprocal(form: Any, shape: Any, positive: Any, *, reason: str = "") -> Any:
    """1/f = g, g with a shape, f > 0: f has the opposite shape."""
    rule = "reciprocal"
    require(rule, isinstance(form, Identity) and isinstance(positive, Inequality), "premises")
    f = positive.lhs
    require(rule, positive.relation == ">" and positive.rhs == 0, "no claim that f > 0")
    require(rule, form.lhs == 1 / f, f"{form.text()} does not say what 1/{f} is")
    require(rule, isinstance(shape, Monotone | OnePeak), "no shape")
    require(rule, shape.f == form.rhs, f"{shape.text()} is about another function")
    still(rule, shape.variable, form, positive)
    opposite: Claim = (
        Monotone(f, shape.variable, increasing=not shape.increasing, strict=shape.strict)
        if isinstance(shape, Monotone)
        else OnePeak(f, shape.variable, valley=not shape.valley)
    )
    return deduce(rule, opposite, (form, shape, positive), reason)


def affine(form: Any, shape: Any, *, reason: str = "") -> Any:
    """h = a f + c with a > 0 and c fixed: h has the shape of f."""
    rule = "affine image"
    require(rule, isinstance(form, Identity), "no identity")
    require(rule, isinstance(shape, Monotone | OnePeak | Convex), "no shape")
    f, variable, d = shape.f, shape.variable, Dummy("f", real=True)
    rest = form.rhs.xreplace({f: d})
    a = rest.diff(d)
    c = rest.xreplace({d: Integer(0)})
    fixed = not ({d, variable} & (a.free_symbols | c.free_symbols))
    require(rule, bool(a.is_positive) and fixed, f"{form.rhs} is not a {f} + c with a > 0, c fixed")
    still(rule, variable, form)
    new = changed(replace(shape, given=(), by=None, premises=()), lambda e: e)
    return deduce(rule, replace(new, f=form.lhs), (form, shape), reason)


def at_peak(shape: Any, slope: Any, positive: Any, *, reason: str = "") -> OnePeak:
    """One peak of f, and f' = f (a - b) with f > 0: the peak is where a = b."""
    rule = "stationary point"
    require(rule, isinstance(shape, OnePeak) and isinstance(slope, Identity), "premises")
    f, variable = slope_of(rule, slope.lhs, 1)
    require(rule, shape.f == f and shape.variable == variable, "the slope of another function")
    says(rule, positive, f, ">", 0)
    rest = slope.rhs / f
    require(rule, isinstance(rest, Add), f"{slope.rhs} is not f (a - b)")
    up = Add(*(t for t in rest.args if not t.could_extract_minus_sign()))
    new = OnePeak(f, variable, valley=shape.valley, solves=(up - rest, up))
    return deduce(rule, new, (shape, slope, positive), reason)


def largest(shape: Any, form: Any, here: Any, place: Symbol, *, reason: str = "") -> Inequality:
    """log(f/c) = g, one peak of f, where a = b, and a = b at `place`: g is largest there."""
    rule = "order of the logarithm"
    require(rule, isinstance(shape, OnePeak) and not shape.valley and bool(shape.solves), "no peak")
    require(rule, isinstance(form, Identity) and form.lhs.func.__name__ == "log", "no logarithm")
    ratio = form.lhs.args[0] / shape.f
    require(rule, shape.variable not in ratio.free_symbols, f"{form.lhs} is not log({shape.f}/c)")
    a, b = shape.solves or (Integer(0), Integer(0))
    a, b = (s.xreplace({shape.variable: place}) for s in (a, b))
    require(
        rule,
        isinstance(here, Identity) and {here.lhs, here.rhs} == {a, b},
        f"{here.text()} does not say that the peak is at {place}",
    )
    g = form.rhs
    bound = Inequality(g, g.xreplace({shape.variable: place}), relation="<=")
    return deduce(rule, bound, (shape, form, here), reason)


def reflected(rise: Any, first: Any, second: Any, *, reason: str = "") -> Iff:
    """f strictly increases, f(a) = u and f(b) = w: a < b if and only if u < w."""
    rule = "order of an increasing function"
    require(rule, isinstance(rise, Monotone) and rise.strict and rise.increasing, "no rise")
    places = []
    for at in (first, second):
        require(rule, isinstance(at, Identity), f"{at.text()} is no value")
        places.append(_place(rule, rise.f, rise.variable, at.lhs))
    left = Inequality(places[0], places[1], relation="<")
    right = Inequality(first.rhs, second.rhs, relation="<")
    still(rule, rise.variable, first, second)
    return deduce(rule, Iff(left, right), (rise, first, second), reason)


def _place(rule: str, f: Expr, variable: Symbol, value: Expr) -> Expr:
    """The place at which `value` is the value of `f`."""
    found = value.match(f.xreplace({variable: Wild("t")})) if f.has(variable) else None
    for place in [*(found or {}).values(), *value.atoms(Symbol), Integer(0)]:
        if f.xreplace({variable: place}) == value:
            return place
    raise refuse(rule, f"{value} is no value of {f}")


def by_cases(case: Case, positive: Any, negative: Any, *, reason: str = "") -> Iff:
    """f > c in the one case, f <= c in the other: the case holds if and only if f > c."""
    rule = "two cases"
    both = set(positive.given) & set(negative.given)  # what is given in either case
    for claim, relation, given in ((positive, ">", case.when), (negative, "<=", case.otherwise)):
        require(rule, isinstance(claim, Inequality) and claim.relation == relation, "no sign")
        require(
            rule, set(claim.given) - both == set(given), f"{claim.text()} is about another case"
        )
    same = (positive.lhs, positive.rhs) == (negative.lhs, negative.rhs)
    require(rule, same, "two quantities")
    sign = Inequality(positive.lhs, positive.rhs, relation=">")
    found = deduce(rule, Iff(case, sign), (positive, negative), reason)
    # the cases are spelled out in the claim
    return replace(found, given=tuple(g for g in positive.given if g in both))


def detached(both: Any, one: Any, *, reason: str = "") -> Any:
    """A if and only if B; and one of them: so the other."""
    rule = "detachment"
    require(rule, isinstance(both, Iff), "no equivalence")
    for this, other in ((both.left, both.right), (both.right, both.left)):
        if (one.expressions(), getattr(one, "relation", None)) == (
            this.expressions(),
            getattr(this, "relation", None),
        ) and type(one) is type(this):
            return deduce(rule, replace(other, given=()), (both, one), reason)
    raise refuse(rule, f"{one.text()} is neither side of {both.text()}")


def substituted(form: Any, claim: Any, *, reason: str = "") -> Any:
    """f = g and a claim about g: the same claim about f."""
    rule = "equals for equals"
    require(rule, isinstance(form, Identity), "no identity")
    d = Dummy("f", real=True)
    if isinstance(claim, Monotone | OnePeak | Convex):
        require(rule, claim.f == form.rhs, f"{claim.text()} is not about {form.rhs}")
        still(rule, claim.variable, form)
        new: Claim = replace(claim, f=form.lhs)
    else:
        require(rule, isinstance(claim, Limit | Inequality), "no claim about a quantity")
        require(rule, claim.lhs.xreplace({form.rhs: d}).has(d), f"no {form.rhs} in {claim.text()}")
        if isinstance(claim, Limit):
            still(rule, claim.variable, form)
        new = replace(claim, lhs=claim.lhs.xreplace({form.rhs: form.lhs}))
    if isinstance(new, Inequality):
        new = replace(new, form=None)
    return deduce(rule, replace(new, given=(), by=None, premises=()), (form, claim), reason)


def instance(claim: Any, variable: Symbol, value: Expr, *, reason: str = "") -> Any:
    """A claim for all values of a real variable, hypotheses included, at one of them."""
    return specialised(claim, {variable: value}, reason=reason)


def specialised(claim: Any, values: Mapping[Symbol, Expr], *, reason: str = "") -> Any:
    """A claim for all values of some real variables, hypotheses included, at these values."""
    rule = "instance"
    sides = (claim.left, claim.right) if isinstance(claim, Iff) else (claim,)
    plain = all(isinstance(side, Inequality | Identity | Between) for side in sides)
    require(rule, plain, "no claim about all values")
    for variable, value in values.items():
        allowed = (
            value.is_positive if variable.is_positive else
            value.is_nonnegative if variable.is_nonnegative else value.is_real
        )  # fmt: skip
        require(rule, bool(variable.is_real and allowed), f"{value} is no value of {variable}")
        moved = any(g.mentions(variable) for g in claim.given if not isinstance(g, Sign))
        slopes = [d for e in claim.expressions() for d in e.atoms(Derivative)]
        derived = any(variable in d.variables for d in slopes)
        require(rule, not moved and not derived, f"{claim.text()} fixes {variable}")

    def at(e: Expr) -> Expr:
        return e.xreplace(values)

    def moved_to(c: Any) -> Any:
        if isinstance(c, Iff):
            return Iff(moved_to(c.left), moved_to(c.right))
        new = type(c)(*map(at, c.expressions()))
        return replace(new, relation=c.relation) if isinstance(c, Inequality) else new

    given = tuple(g.map(at) for g in claim.given)
    return replace(deduce(rule, moved_to(claim), (claim,), reason), given=given)


def entrywise(claim: Any, values: dict[Indexed, Expr], *positive: Any, reason: str = "") -> Any:
    """A claim for every array, at the array whose entries are u[j] = `values[u[j]]`.

    For an array that must be positive, one of `positive` says that its entries are.
    """
    rule = "instance"
    require(rule, isinstance(claim, Inequality | Identity), "no claim about all values")
    signs = tuple(g.map(unfold) for c in positive for g in c.given if isinstance(g, Sign))
    for entry, value in values.items():
        require(rule, len(entry.indices) == 1 and not value.has(Sum), f"{value} is no plain entry")
        shown = [c.lhs for c in positive if (c.relation, c.rhs) == (">", 0)]
        allowed = value in shown if entry.base.label.is_positive else real(unfold(value), signs)
        require(
            rule, allowed and not entry.base.label.is_integer, f"{value} is no value of {entry}"
        )
        bound = set().union(*(bound_indices(e) for e in claim.expressions()))
        caught = bound & (value.free_symbols - {*entry.indices})
        require(rule, not caught, f"a name of {value} is taken")

    def at(e: Expr) -> Expr:
        """Every entry of the arrays replaced; a bound index stays bound, as values have no sum."""
        found = {
            x: value.xreplace(dict(zip(entry.indices, x.indices, strict=True)))
            for entry, value in values.items()
            for x in e.atoms(Indexed)
            if x.base == entry.base
        }
        return e.xreplace(found)

    new = replace(claim, lhs=at(claim.lhs), rhs=at(claim.rhs), given=(), by=None, premises=())
    given = tuple(g.map(at) for g in claim.given)
    everything = (*new.expressions(), *(e for g in given for e in g.expressions()))
    left = {x.base for e in everything for x in unfold(e).atoms(Indexed)}
    require(
        rule, not left & {entry.base for entry in values}, "a name or a hypothesis speaks of it"
    )
    if isinstance(new, Inequality):
        new = replace(new, form=None)
    given += tuple(g for c in positive for g in c.given)
    found = deduce(rule, new, (claim, *positive), reason)
    return replace(found, given=tuple(dict.fromkeys(given)))


def antiderivative(slope: Any, zero: Any, *, reason: str = "") -> Identity:
    """g' = h and g(0) = 0: g is the integral of h from 0."""
    rule = "fundamental theorem of calculus"
    require(rule, isinstance(slope, Identity), "no slope")
    g, variable = slope_of(rule, slope.lhs, 1)
    says(rule, zero, g.xreplace({variable: Integer(0)}), "=", 0)
    still(rule, variable, slope, zero)
    t = Symbol("t", real=True)
    require(rule, t not in slope.rhs.free_symbols, "the name t is taken")
    integral = Integral(slope.rhs.xreplace({variable: t}), (t, 0, variable))
    return deduce(rule, Identity(g, integral), (slope, zero), reason)


def _at(e: Expr, variable: Symbol, place: Expr = S.Zero) -> Expr:
    """An expression at one value of a variable; sums whose terms all vanish there are gone."""
    there: Expr = e.xreplace({variable: place})
    return there.replace(lambda s: isinstance(s, Sum) and s.function == 0, lambda s: S.Zero)


def taylor(start: Any, *orders: tuple[Any, ...], at: Expr = S.Zero, reason: str = "") -> Expansion:
    """f = c_0 at a point, f^(k) = g_k and g_k = c_k there: f = sum c_k (x - at)^k/k! + o(...).

    Without an identity that says what f or g_k is there, c_k is that as it stands.
    """
    rule = "Taylor's theorem"
    premises: list[Claim] = [start] if start is not None else []
    f = variable = None
    coefficients = []
    for k, claims in enumerate(orders, start=1):
        require(rule, all(isinstance(c, Identity) for c in claims), "no identities")
        slope = claims[0]
        again = k > 1 and slope.lhs == Derivative(orders[k - 2][0].rhs, variable)
        if not again:  # else the derivative of the derivative before
            f_k, v_k = slope_of(rule, slope.lhs, k)
            require(rule, f in (None, f_k), "derivatives of different functions")
            f, variable = f_k, v_k
        there = _at(slope.rhs, variable, at)
        for value in claims[1:]:
            require(rule, value.lhs == there, f"{value.text()} is not derivative {k} at {at}")
            there = value.rhs
        coefficients.append(there / factorial(k))
        premises += claims
    if f is None or variable is None:
        raise refuse(rule, "no derivative is given")
    first = f.xreplace({variable: at})
    if start is not None:
        known = isinstance(start, Identity) and start.lhs == first
        require(rule, known, f"{start.text()} is not the value at {at}")
        first = start.rhs
    still(rule, variable, *premises)
    new = Expansion(f, variable, (first, *coefficients), at=at)
    return deduce(rule, new, tuple(premises), reason)


def zero_where(form: Any, positive: Any, *, reason: str = "") -> Iff:
    """f = n/g with g > 0: f = 0 if and only if n = 0."""
    rule = "zero of a quotient"
    require(rule, isinstance(form, Identity) and isinstance(positive, Inequality), "premises")
    require(rule, (positive.relation, positive.rhs) == (">", 0), "no positive divisor")
    above = form.rhs * positive.lhs
    require(rule, form.rhs == above / positive.lhs and not above.has(positive.lhs), "no quotient")
    both = Iff(Identity(form.lhs, 0), Identity(above, 0))
    return deduce(rule, both, (form, positive), reason)


def between(lower: Any, upper: Any, *, reason: str = "") -> Between:
    """a <= f and f <= b: f lies between a and b."""
    rule = "both bounds"
    require(rule, isinstance(lower, Inequality) and lower.relation == ">=", "no lower bound")
    require(rule, isinstance(upper, Inequality) and upper.relation == "<=", "no upper bound")
    require(rule, lower.lhs == upper.lhs, "bounds of two quantities")
    return deduce(rule, Between(lower.rhs, lower.lhs, upper.rhs), (lower, upper), reason)


def half(both: Any, side: str, *, reason: str = "") -> Inequality:
    """a <= f <= b: one of the two, f >= a or f <= b."""
    rule = "both bounds"
    require(rule, isinstance(both, Between) and side in {">=", "<="}, "no two bounds")
    new = Inequality(both.f, both.lower if side == ">=" else both.upper, relation=side)
    return deduce(rule, new, (both,), reason)


def chained(first: Any, second: Any, *, reason: str = "") -> Inequality:
    """a <= b and b <= c: a <= c (and the same for >=, and strictly if one of them is)."""
    rule = "transitivity"
    relations = {first.relation, second.relation}
    ordered = relations <= {"<", "<="} or relations <= {">", ">="}
    require(rule, isinstance(first, Inequality) and isinstance(second, Inequality), "no order")
    require(rule, ordered and first.rhs == second.lhs, f"{first.text()}, {second.text()}")
    strict = min(relations, key=len)
    return deduce(rule, Inequality(first.lhs, second.rhs, relation=strict), (first, second), reason)


def discharged(claim: Any, *facts: Any, reason: str = "") -> Any:
    """A claim given that some things have a sign, and that they have: the claim without these."""
    rule = "proved hypothesis"
    rest = list(claim.given)
    for fact in facts:
        require(rule, isinstance(fact, Inequality) and fact.relation != "!=", "no sign")
        up = fact.relation in {">", ">="}
        difference = fact.lhs - fact.rhs if up else fact.rhs - fact.lhs
        strict = "=" not in fact.relation
        found = [
            g
            for g in rest
            if isinstance(g, Sign) and g.expr == difference and (strict or not g.strict)
        ]
        require(rule, len(found) == 1, f"{difference} > 0 or >= 0 is not assumed")
        fixed = [i for i in found[0].for_all if any(g.mentions(i) for g in fact.given)]
        require(rule, not fixed, f"{fact.text()} is not shown for all {fixed}")
        rest.remove(found[0])
    new = replace(claim, form=None) if isinstance(claim, Inequality) else claim
    given = tuple(dict.fromkeys([*rest, *(g for f in facts for g in f.given)]))
    return replace(deduce(rule, new, (claim, *facts), reason), given=given)


def up_to(rise: Any, end: Any, place: Expr, *, reason: str = "") -> Inequality:
    """f increases and f(b) <= c: f(x) <= c for every x <= b."""
    rule = "value of an increasing function"
    require(rule, isinstance(rise, Monotone) and rise.increasing, "no rise")
    require(rule, isinstance(end, Inequality) and end.relation in {"<", "<="}, "no upper bound")
    v = rise.variable
    require(rule, bool(place.is_positive or not v.is_positive), f"{place} may be outside {v}")
    require(rule, rise.f.xreplace({v: place}) == end.lhs, f"{end.lhs} is no value of {rise.f}")
    still(rule, v, end)
    require(rule, v not in end.rhs.free_symbols, f"{end.rhs} moves")
    found = deduce(rule, Inequality(rise.f, end.rhs, relation=end.relation), (rise, end), reason)
    return replace(found, given=(*found.given, Sign(place - v)))


def root(square: Any, *, reason: str = "") -> Inequality:
    """u**2 <= v, u real: u <= sqrt(v)."""
    rule = "square root"
    require(rule, isinstance(square, Inequality) and square.relation == "<=", "no bound")
    base, n = square.lhs.as_base_exp()
    signs = tuple(g for g in square.given if isinstance(g, Sign))
    require(rule, n == 2 and real(base, signs), f"{square.lhs} is no square of a real number")
    return deduce(rule, Inequality(base, sqrt(square.rhs), relation="<="), (square,), reason)


def quotient(above: Any, below: Any, *, reason: str = "") -> Expansion:
    """f = a x + o(x) and g = b x + o(x), b > 0: f/g = a/b + o(1) as x -> 0."""
    rule = "quotient of leading terms"
    for e in (above, below):
        require(rule, isinstance(e, Expansion) and len(e.coefficients) == 2, "no leading term")
        require(rule, e.coefficients[0] == 0, f"{e.text()} has a constant term")
    same = (above.variable, above.at) == (below.variable, below.at)
    require(rule, same, "expansions at two places")
    b = below.coefficients[1]
    require(rule, bool(b.is_positive), f"{b} may not be positive")
    new = Expansion(above.f / below.f, above.variable, (above.coefficients[1] / b,), at=above.at)
    return deduce(rule, new, (above, below), reason)


def _flat_at_zero(rule: str, value: Any, slope: Any, *at_zero: Any) -> tuple[Expr, Symbol]:
    """f and its variable of f(0) = 0, f' = g and g(0) = 0, the last unless it is plain."""
    require(rule, isinstance(slope, Identity), f"{slope.text()} is no identity")
    f, variable = slope_of(rule, slope.lhs, 1)
    says(rule, value, f.xreplace({variable: Integer(0)}), "=", 0)
    there = _at(slope.rhs, variable)
    require(rule, len(at_zero) == (there != 0), f"no {there} = 0, the slope of {f} at 0")
    for claim in at_zero:
        says(rule, claim, there, "=", 0)
    still(rule, variable, value, slope, *at_zero)
    return f, variable


def tangent(
    convex: Any, value: Any, slope: Any, *at_zero: Any, side: int = 0, reason: str = ""
) -> Inequality:
    """f convex, f(0) = 0, f' = g and g(0) = 0: f >= 0; strictly convex: f > 0 on a side of 0."""
    rule = "a convex function lies above its tangents"
    require(rule, isinstance(convex, Convex), "no convex function")
    f, variable = _flat_at_zero(rule, value, slope, *at_zero)
    require(rule, (convex.f, convex.variable) == (f, variable), f"no claim that {f} is convex")
    still(rule, variable, convex)
    new = Inequality(f, 0, relation=">=")
    if side:
        require(rule, convex.strict and not variable.is_nonnegative, "no strict convexity")
        away = Symbol(variable.name, positive=True)
        new = Inequality(f.xreplace({variable: side * away}), 0)
    return deduce(rule, new, (convex, value, slope, *at_zero), reason)


def one_root(convex: Any, value: Any, slope: Any, *at_zero: Any, reason: str = "") -> OneRoot:
    """f strictly convex on the line, f(0) = 0, f' = g and g(0) = 0: one root on each side."""
    rule = "one root on each side"
    above = tangent(convex, value, slope, *at_zero)  # looks at the same premises
    variable = convex.variable
    require(rule, convex.strict, "no strict convexity")
    require(rule, variable.is_nonnegative is None, f"{variable} does not run over the line")
    return deduce(rule, OneRoot(convex.f, variable), above.premises, reason)


def over_prefixes(step: Any, f: Expr, j: Symbol, tree: tuple[Let, ...], *, reason: str = "") -> Any:
    """Sum of F over the V continuations of j = F(j) + g(j), or <= F(j): the sum over all texts.

    `f` is F of a prefix k. `tree` says what it is made of, in pairs: an entry at k = 0, and the
    entry at k >= 1 by the prefix before, `before(k)`, and the last token, `last(k)`.
    """
    rule = "induction over prefixes"
    require(rule, isinstance(step, Identity | Inequality), "the step is no relation")
    require(rule, isinstance(step.lhs, Sum) and len(step.lhs.limits) == 1, "no sum over tokens")
    ((z, zero, end),) = step.lhs.limits
    require(rule, (zero, end) == (0, V - 1) and j.is_integer, "the sum is not over all tokens")
    k, size = tree[0].index, tree[1].upper / V
    begun, grown = {}, {}
    for root, growth in zip(tree[::2], tree[1::2], strict=True):
        require(
            rule, root.entry == growth.entry == root.entry.base[k], f"no entry of {k} in {root}"
        )
        require(rule, (root.index, root.lower, root.upper) == (k, 0, 0), f"{root} is not at 0")
        require(
            rule,
            (growth.index, growth.lower, growth.upper) == (k, 1, V * size),
            f"range of {growth}",
        )
        begun[root.entry] = root.value
        grown[root.entry] = growth.value.xreplace({before(k): j, last(k): z})
    child, start = f.xreplace(grown), f.xreplace(begun)
    own = {k} & (child.free_symbols | start.free_symbols | size.free_symbols)
    require(rule, size.is_integer and not own, f"{f} depends on {k} in another way than {tree}")
    require(
        rule, not {j, z} & f.free_symbols and not {j, z, k} & bound_indices(f), "a name is taken"
    )
    require(rule, step.lhs.function == child, f"{step.text()} does not continue {f}")
    for g in step.given:
        everywhere = j in getattr(g, "for_all", ()) or not g.mentions(j)
        require(rule, everywhere, f"a hypothesis of the step is about {j}")
    texts, here = Sum(f, (k, size, V * size)), f.xreplace({k: j})
    if isinstance(step, Inequality):
        require(rule, (step.relation, step.rhs) == ("<=", here), "the step is no <= F(j)")
        new: Any = Inequality(texts, start, relation="<=")
    else:
        gain = step.rhs - here
        new = Identity(texts, start + (Sum(gain, (j, 0, size - 1)) if gain != 0 else 0))
    done = deduce(rule, new, (step,), reason)
    return replace(done, given=(*tree, *done.given))


def bounded_growth(zero: Any, upper: Any, lower: Any, *, reason: str = "") -> Inequality:
    """f(0) = 0 and -R <= f' <= R on the line: |f(x)| <= R |x|."""
    rule = "mean value inequality"
    require(rule, isinstance(upper, Inequality) and upper.relation == "<=", "no upper bound")
    f, variable = slope_of(rule, upper.lhs, 1)
    rate = upper.rhs
    says(rule, lower, upper.lhs, ">=", -rate)
    require(rule, variable not in rate.free_symbols, f"{rate} moves")
    says(rule, zero, f.xreplace({variable: Integer(0)}), "=", 0)
    still(rule, variable, zero, upper, lower)
    new = Inequality(Abs(f), rate * Abs(variable), relation="<=")
    return deduce(rule, new, (zero, upper, lower), reason)


def gronwall(
    slope: Any, upper: Any, lower: Any, positive: Any, rate: Symbol, *, reason: str = ""
) -> Between:
    """f' = g, f >= 0, R f - g >= 0, R f + g >= 0: f(0) e^(-R x) <= f(x) <= f(0) e^(R x), x >= 0."""
    rule = "Grönwall's inequality"
    require(rule, isinstance(slope, Identity), "no slope")
    f, variable = slope_of(rule, slope.lhs, 1)
    g = slope.rhs
    for claim, left in ((upper, rate * f - g), (lower, rate * f + g), (positive, f)):
        says(rule, claim, left, ">=", 0)
    require(rule, bool(rate.is_nonnegative), f"{rate} may be negative")
    require(rule, bool(variable.is_real), f"{variable} may not be real")
    still(rule, variable, slope, upper, lower, positive)
    away = variable if variable.is_nonnegative else Symbol(variable.name, nonnegative=True)
    here, start = (f.xreplace({variable: v}) for v in (away, Integer(0)))
    new = Between(start * exp(-rate * away), here, start * exp(rate * away))
    return deduce(rule, new, (slope, upper, lower, positive), reason)


def integrated_twice(second: Any, *functions: tuple[Any, ...], reason: str = "") -> Between:
    """l'' <= f'' <= u'' for x >= 0, all three and their slopes zero at 0: l <= f <= u for x >= 0.

    For each of l, f, u: (F'' = its second derivative, F(0) = 0, F' = G, G(0) = 0 unless plain).
    """
    rule = "integration of inequalities"
    require(rule, isinstance(second, Between) and len(functions) == 3, "no bounds on a curvature")
    found, premises = [], [second]
    for bound, (curve, *start) in zip(second.expressions(), functions, strict=True):
        require(rule, isinstance(curve, Identity), f"{curve.text()} is no identity")
        f, variable = _flat_at_zero(rule, *start)
        require(rule, slope_of(rule, curve.lhs, 2) == (f, variable), f"no second slope of {f}")
        require(rule, bool(variable.is_nonnegative), f"{variable} may be negative")
        require(rule, curve.rhs == bound, f"{curve.text()} is not the bound {bound}")
        still(rule, variable, second, curve)
        found.append(f)
        premises += [curve, *start]
    return deduce(rule, Between(*found), tuple(dict.fromkeys(premises)), reason)


def crossing(form: Any, negative: Any, *, reason: str = "") -> Crosses:
    """x g' - g = s with x > 0 and s < 0: at a zero g' < 0, so g crosses zero once, downwards."""
    rule = "single crossing"
    require(rule, isinstance(form, Identity), "no identity")
    (d,) = form.lhs.atoms(Derivative) or (None,)
    require(rule, d is not None, "no derivative")
    g, variable = slope_of(rule, d, 1)
    require(rule, bool(variable.is_positive), f"{variable} may not be positive")
    require(rule, form.lhs == variable * d - g, f"{form.lhs} is not x g' - g")
    says(rule, negative, form.rhs, "<", 0)
    still(rule, variable, form, negative)
    return deduce(rule, Crosses(g, variable), (form, negative), reason)


def logarithm(claim: Any, positive: Any, *, reason: str = "") -> Inequality:
    """0 < a and a <= b, b a positive number: log a <= log b."""
    rule = "order of the logarithm"
    require(rule, isinstance(claim, Inequality) and claim.relation in {"<=", "<"}, "no a <= b")
    says(rule, positive, claim.lhs, ">", 0)
    new = Inequality(log(claim.lhs), log(claim.rhs), relation=claim.relation)
    return deduce(rule, new, (claim, positive), reason)
