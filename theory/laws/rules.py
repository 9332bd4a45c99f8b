"""Rules of analysis: from claims of a checked form to the claim that follows.

A rule is a function. It looks at the form of its premises, refuses the wrong ones with
`LawError`, and builds its conclusion from them, under all of their hypotheses; nothing is
concluded that was not computed from the premises. What is assumed is the rule itself: a theorem
of analysis, cited once in `theory.laws.assumptions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import wraps
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


class Refused(Exception):
    """A rule does not apply to its premises; the message says why."""


def rule(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A function from premises to what follows from them by the principle of this name.

    It is called with the premises, in order, and a `reason`; what it returns gets the principle,
    the premises and their hypotheses, unless it returns others beside its conclusion.
    """

    def applied(infer: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(infer)
        def conclude(*arguments: Any, reason: str = "", **options: Any) -> Any:
            try:
                found = infer(*arguments, **options)
            except Refused as why:
                raise LawError(
                    f"{name}: {why}", remedy="give premises of the form that the rule states"
                ) from None
            premises = tuple(dict.fromkeys(_premises(arguments)))
            every = [g for p in premises for g in p.given]
            new, given = found if isinstance(found, tuple) else (found, every)
            given = tuple(dict.fromkeys(given))
            by = PRINCIPLES[name]
            return replace(new, by=by, premises=premises, given=given, reason=reason)

        return conclude

    return applied


def _premises(arguments: Any) -> Iterator[Claim]:
    """The claims among some arguments; a `Case` is a name for hypotheses."""
    for a in arguments:
        if isinstance(a, tuple):
            yield from _premises(a)
        elif isinstance(a, Claim) and not isinstance(a, Case):
            yield a


def still(variable: Symbol, *premises: Any) -> None:
    """What is fixed stays fixed while the variable moves: only a domain may depend on it."""
    for p in premises:
        for g in p.given:
            if not isinstance(g, Sign | Bounded) and g.mentions(variable):
                raise Refused(f"a hypothesis of {p.text()} moves with {variable}")


def slope_of(e: Expr, order: int) -> tuple[Expr, Symbol]:
    """The function and the variable of a derivative of this order; refuses anything else."""
    if not isinstance(e, Derivative) or len(e.variable_count) != 1:
        raise Refused(f"{e} is no derivative by one variable")
    ((variable, n),) = e.variable_count
    if n != order or not variable.is_Symbol or not variable.is_real or variable.is_integer:
        raise Refused(f"{e} is no derivative of order {order} by a real symbol")
    return e.expr, variable


def require(holds: bool, why: str) -> None:
    """Refuse premises, with the reason, unless they have what the rule needs."""
    if not holds:
        raise Refused(why)


def says(claim: Any, lhs: Expr, relation: str, rhs: Any) -> None:
    """Refuse a premise unless it is this relation."""
    found = isinstance(claim, Identity | Inequality)
    found = found and (claim.lhs, claim.relation, claim.rhs) == (lhs, relation, rhs)
    require(found, f"{claim.text()} is not {lhs} {relation} {rhs}")


@rule("sign of the derivative")
def derivative_sign(slope: Any) -> Monotone:
    """f' > 0 on the domain of the variable: f strictly increases there (<, >=, <= likewise)."""
    require(isinstance(slope, Inequality) and slope.rhs == 0, "the premise is no sign")
    f, variable = slope_of(slope.lhs, 1)
    require(slope.relation != "!=", "the premise has no direction")
    still(variable, slope)
    up, strict = slope.relation.startswith(">"), "=" not in slope.relation
    return Monotone(f, variable, increasing=up, strict=strict)


@rule("convexity")
def convexity(curvature: Any) -> Convex:
    """f'' >= 0 on the domain of the variable: f is convex (strictly for >)."""
    require(isinstance(curvature, Inequality) and curvature.rhs == 0, "no sign")
    f, variable = slope_of(curvature.lhs, 2)
    require(curvature.relation in {">", ">="}, "the second derivative is not >= 0")
    still(variable, curvature)
    return Convex(f, variable, strict=curvature.relation == ">")


@rule("strict convexity")
def valley(convex: Any, right: Any, left: Any) -> OnePeak:
    """Strictly convex on the line and infinite at both ends: exactly one valley."""
    require(isinstance(convex, Convex) and convex.strict, "no strict convexity")
    f, variable = convex.f, convex.variable
    require(variable.is_nonnegative is None, f"{variable} does not run over the line")
    for limit, end in ((right, oo), (left, -oo)):
        require(
            isinstance(limit, Limit)
            and (limit.lhs, limit.rhs, limit.variable, limit.end) == (f, oo, variable, end),
            f"no limit +oo of {f} at {end}",
        )
    return OnePeak(f, variable, valley=True)


@rule("reciprocal")
def reciprocal(form: Any, shape: Any, positive: Any) -> Any:
    """1/f = g, g with a shape, f > 0: f has the opposite shape."""
    require(isinstance(form, Identity) and isinstance(positive, Inequality), "premises")
    f = positive.lhs
    require(positive.relation == ">" and positive.rhs == 0, "no claim that f > 0")
    require(form.lhs == 1 / f, f"{form.text()} does not say what 1/{f} is")
    require(isinstance(shape, Monotone | OnePeak), "no shape")
    require(shape.f == form.rhs, f"{shape.text()} is about another function")
    still(shape.variable, form, positive)
    opposite: Claim = (
        Monotone(f, shape.variable, increasing=not shape.increasing, strict=shape.strict)
        if isinstance(shape, Monotone)
        else OnePeak(f, shape.variable, valley=not shape.valley)
    )
    return opposite


@rule("affine image")
def affine(form: Any, shape: Any) -> Any:
    """h = a f + c with a > 0 and c fixed: h has the shape of f."""
    require(isinstance(form, Identity), "no identity")
    require(isinstance(shape, Monotone | OnePeak | Convex), "no shape")
    f, variable, d = shape.f, shape.variable, Dummy("f", real=True)
    rest = form.rhs.xreplace({f: d})
    a = rest.diff(d)
    c = rest.xreplace({d: Integer(0)})
    fixed = not ({d, variable} & (a.free_symbols | c.free_symbols))
    require(bool(a.is_positive) and fixed, f"{form.rhs} is not a {f} + c with a > 0, c fixed")
    still(variable, form)
    return replace(shape, f=form.lhs)


@rule("stationary point")
def at_peak(shape: Any, slope: Any, positive: Any) -> OnePeak:
    """One peak of f, and f' = f (a - b) with f > 0: the peak is where a = b."""
    require(isinstance(shape, OnePeak) and isinstance(slope, Identity), "premises")
    f, variable = slope_of(slope.lhs, 1)
    require(shape.f == f and shape.variable == variable, "the slope of another function")
    says(positive, f, ">", 0)
    rest = slope.rhs / f
    require(isinstance(rest, Add), f"{slope.rhs} is not f (a - b)")
    up = Add(*(t for t in rest.args if not t.could_extract_minus_sign()))
    return OnePeak(f, variable, valley=shape.valley, solves=(up - rest, up))


@rule("order of the logarithm")
def largest(shape: Any, form: Any, here: Any, place: Symbol) -> Inequality:
    """log(f/c) = g, one peak of f, where a = b, and a = b at `place`: g is largest there."""
    require(isinstance(shape, OnePeak) and not shape.valley and bool(shape.solves), "no peak")
    require(isinstance(form, Identity) and form.lhs.func.__name__ == "log", "no logarithm")
    ratio = form.lhs.args[0] / shape.f
    require(shape.variable not in ratio.free_symbols, f"{form.lhs} is not log({shape.f}/c)")
    a, b = shape.solves or (Integer(0), Integer(0))
    a, b = (s.xreplace({shape.variable: place}) for s in (a, b))
    require(
        isinstance(here, Identity) and {here.lhs, here.rhs} == {a, b},
        f"{here.text()} does not say that the peak is at {place}",
    )
    g = form.rhs
    return Inequality(g, g.xreplace({shape.variable: place}), relation="<=")


@rule("order of an increasing function")
def reflected(rise: Any, first: Any, second: Any) -> Iff:
    """f strictly increases, f(a) = u and f(b) = w: a < b if and only if u < w."""
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


@rule("two cases")
def by_cases(case: Case, positive: Any, negative: Any) -> Any:
    """f > c in the one case, f <= c in the other: the case holds if and only if f > c."""
    both = set(positive.given) & set(negative.given)  # what is given in either case
    for claim, relation, given in ((positive, ">", case.when), (negative, "<=", case.otherwise)):
        require(isinstance(claim, Inequality) and claim.relation == relation, "no sign")
        require(set(claim.given) - both == set(given), f"{claim.text()} is about another case")
    same = (positive.lhs, positive.rhs) == (negative.lhs, negative.rhs)
    require(same, "two quantities")
    sign = Inequality(positive.lhs, positive.rhs, relation=">")
    # the cases are spelled out in the claim
    return Iff(case, sign), tuple(g for g in positive.given if g in both)


@rule("detachment")
def detached(both: Any, one: Any) -> Any:
    """A if and only if B; and one of them: so the other."""
    require(isinstance(both, Iff), "no equivalence")
    for this, other in ((both.left, both.right), (both.right, both.left)):
        if (one.expressions(), getattr(one, "relation", None)) == (
            this.expressions(),
            getattr(this, "relation", None),
        ) and type(one) is type(this):
            return replace(other, given=())
    raise Refused(f"{one.text()} is neither side of {both.text()}")


@rule("equals for equals")
def substituted(form: Any, claim: Any) -> Any:
    """f = g and a claim about g: the same claim about f."""
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


@rule("instance")
def specialised(claim: Any, values: Mapping[Symbol, Expr]) -> Any:
    """A claim for all values of some real variables, hypotheses included, at these values."""
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


@rule("fundamental theorem of calculus")
def antiderivative(slope: Any, zero: Any) -> Identity:
    """g' = h and g(0) = 0: g is the integral of h from 0."""
    require(isinstance(slope, Identity), "no slope")
    g, variable = slope_of(slope.lhs, 1)
    says(zero, g.xreplace({variable: Integer(0)}), "=", 0)
    still(variable, slope, zero)
    t = Symbol("t", real=True)
    require(t not in slope.rhs.free_symbols, "the name t is taken")
    integral = Integral(slope.rhs.xreplace({variable: t}), (t, 0, variable))
    return Identity(g, integral)


def _at(e: Expr, variable: Symbol, place: Expr = S.Zero) -> Expr:
    """An expression at one value of a variable; sums whose terms all vanish there are gone."""
    there: Expr = e.xreplace({variable: place})
    return there.replace(lambda s: isinstance(s, Sum) and s.function == 0, lambda s: S.Zero)


@rule("Taylor's theorem")
def taylor(start: Any, *orders: tuple[Any, ...], at: Expr = S.Zero) -> Expansion:
    """f = c_0 at a point, f^(k) = g_k and g_k = c_k there: f = sum c_k (x - at)^k/k! + o(...).

    Without an identity that says what f or g_k is there, c_k is that as it stands.
    """
    f: Any = None
    variable: Any = None
    coefficients = []
    for k, claims in enumerate(orders, start=1):
        require(all(isinstance(c, Identity) for c in claims), "no identities")
        slope = claims[0]
        again = k > 1 and slope.lhs == Derivative(orders[k - 2][0].rhs, variable)
        if not again:  # else the derivative of the derivative before
            f_k, v_k = slope_of(slope.lhs, k)
            require(f in (None, f_k), "derivatives of different functions")
            f, variable = f_k, v_k
        there = _at(slope.rhs, variable, at)
        for value in claims[1:]:
            require(value.lhs == there, f"{value.text()} is not derivative {k} at {at}")
            there = value.rhs
        coefficients.append(there / factorial(k))
    require(bool(orders), "no derivative is given")
    first = f.xreplace({variable: at})
    if start is not None:
        known = isinstance(start, Identity) and start.lhs == first
        require(known, f"{start.text()} is not the value at {at}")
        first = start.rhs
    still(variable, *_premises((start, *orders)))
    return Expansion(f, variable, (first, *coefficients), at=at)


@rule("zero of a quotient")
def zero_where(form: Any, positive: Any) -> Iff:
    """f = n/g with g > 0: f = 0 if and only if n = 0."""
    require(isinstance(form, Identity) and isinstance(positive, Inequality), "premises")
    require((positive.relation, positive.rhs) == (">", 0), "no positive divisor")
    above = form.rhs * positive.lhs
    require(form.rhs == above / positive.lhs and not above.has(positive.lhs), "no quotient")
    return Iff(Identity(form.lhs, 0), Identity(above, 0))


@rule("both bounds")
def between(lower: Any, upper: Any) -> Between:
    """a <= f and f <= b: f lies between a and b."""
    require(isinstance(lower, Inequality) and lower.relation == ">=", "no lower bound")
    require(isinstance(upper, Inequality) and upper.relation == "<=", "no upper bound")
    require(lower.lhs == upper.lhs, "bounds of two quantities")
    return Between(lower.rhs, lower.lhs, upper.rhs)


@rule("both bounds")
def half(both: Any, side: str) -> Inequality:
    """a <= f <= b: one of the two, f >= a or f <= b."""
    require(isinstance(both, Between) and side in {">=", "<="}, "no two bounds")
    return Inequality(both.f, both.lower if side == ">=" else both.upper, relation=side)


@rule("transitivity")
def chained(first: Any, second: Any) -> Inequality:
    """a <= b and b <= c: a <= c (and the same for >=, and strictly if one of them is)."""
    relations = {first.relation, second.relation}
    ordered = relations <= {"<", "<="} or relations <= {">", ">="}
    require(isinstance(first, Inequality) and isinstance(second, Inequality), "no order")
    require(ordered and first.rhs == second.lhs, f"{first.text()}, {second.text()}")
    strict = min(relations, key=len)
    return Inequality(first.lhs, second.rhs, relation=strict)


@rule("proved hypothesis")
def discharged(claim: Any, *facts: Any) -> Any:
    """A claim given that some things have a sign, and that they have: the claim without these."""
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


@rule("value of an increasing function")
def up_to(rise: Any, end: Any, place: Expr) -> Any:
    """f increases and f(b) <= c: f(x) <= c for every x <= b."""
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


@rule("square root")
def root(square: Any) -> Inequality:
    """u**2 <= v, u real: u <= sqrt(v)."""
    require(isinstance(square, Inequality) and square.relation == "<=", "no bound")
    base, n = square.lhs.as_base_exp()
    signs = tuple(g for g in square.given if isinstance(g, Sign))
    require(n == 2 and real(base, signs), f"{square.lhs} is no square of a real number")
    return Inequality(base, sqrt(square.rhs), relation="<=")


@rule("quotient of leading terms")
def quotient(above: Any, below: Any) -> Expansion:
    """f = a x + o(x) and g = b x + o(x), b > 0: f/g = a/b + o(1) as x -> 0."""
    for e in (above, below):
        require(isinstance(e, Expansion) and len(e.coefficients) == 2, "no leading term")
        require(e.coefficients[0] == 0, f"{e.text()} has a constant term")
    same = (above.variable, above.at) == (below.variable, below.at)
    require(same, "expansions at two places")
    b = below.coefficients[1]
    require(bool(b.is_positive), f"{b} may not be positive")
    return Expansion(above.f / below.f, above.variable, (above.coefficients[1] / b,), at=above.at)


def _flat_at_zero(value: Any, slope: Any, *at_zero: Any) -> tuple[Expr, Symbol]:
    """f and its variable of f(0) = 0, f' = g and g(0) = 0, the last unless it is plain."""
    require(isinstance(slope, Identity), f"{slope.text()} is no identity")
    f, variable = slope_of(slope.lhs, 1)
    says(value, f.xreplace({variable: Integer(0)}), "=", 0)
    there = _at(slope.rhs, variable)
    require(len(at_zero) == (there != 0), f"no {there} = 0, the slope of {f} at 0")
    for claim in at_zero:
        says(claim, there, "=", 0)
    still(variable, value, slope, *at_zero)
    return f, variable


@rule("a convex function lies above its tangents")
def tangent(convex: Any, value: Any, slope: Any, *at_zero: Any, side: int = 0) -> Inequality:
    """f convex, f(0) = 0, f' = g and g(0) = 0: f >= 0; strictly convex: f > 0 on a side of 0."""
    require(isinstance(convex, Convex), "no convex function")
    f, variable = _flat_at_zero(value, slope, *at_zero)
    require((convex.f, convex.variable) == (f, variable), f"no claim that {f} is convex")
    still(variable, convex)
    new = Inequality(f, 0, relation=">=")
    if side:
        require(convex.strict and not variable.is_nonnegative, "no strict convexity")
        away = Symbol(variable.name, positive=True)
        new = Inequality(f.xreplace({variable: side * away}), 0)
    return new


@rule("one root on each side")
def one_root(convex: Any, value: Any, slope: Any, *at_zero: Any) -> OneRoot:
    """f strictly convex on the line, f(0) = 0, f' = g and g(0) = 0: one root on each side."""
    tangent(convex, value, slope, *at_zero)  # looks at the same premises
    variable = convex.variable
    require(convex.strict, "no strict convexity")
    require(variable.is_nonnegative is None, f"{variable} does not run over the line")
    return OneRoot(convex.f, variable)


@rule("induction over prefixes")
def over_prefixes(step: Any, f: Expr, j: Symbol, tree: tuple[Let, ...]) -> Any:
    """Sum of F over the V continuations of j = F(j) + g(j), or <= F(j): the sum over all texts.

    `f` is F of a prefix k. `tree` says what it is made of, in pairs: an entry at k = 0, and the
    entry at k >= 1 by the prefix before, `before(k)`, and the last token, `last(k)`.
    """
    require(isinstance(step, Identity | Inequality), "the step is no relation")
    require(isinstance(step.lhs, Sum) and len(step.lhs.limits) == 1, "no sum over tokens")
    ((z, zero, end),) = step.lhs.limits
    require((zero, end) == (0, V - 1) and j.is_integer, "the sum is not over all tokens")
    k, size = tree[0].index, tree[1].upper / V
    begun, grown = {}, {}
    for root, growth in zip(tree[::2], tree[1::2], strict=True):
        require(root.entry == growth.entry == root.entry.base[k], f"no entry of {k} in {root}")
        require((root.index, root.lower, root.upper) == (k, 0, 0), f"{root} is not at 0")
        require(
            (growth.index, growth.lower, growth.upper) == (k, 1, V * size), f"range of {growth}"
        )
        begun[root.entry] = root.value
        grown[root.entry] = growth.value.xreplace({before(k): j, last(k): z})
    child, start = f.xreplace(grown), f.xreplace(begun)
    own = {k} & (child.free_symbols | start.free_symbols | size.free_symbols)
    require(size.is_integer and not own, f"{f} depends on {k} in another way than {tree}")
    require(not {j, z} & f.free_symbols and not {j, z, k} & bound_indices(f), "a name is taken")
    require(step.lhs.function == child, f"{step.text()} does not continue {f}")
    for g in step.given:
        everywhere = j in getattr(g, "for_all", ()) or not g.mentions(j)
        require(everywhere, f"a hypothesis of the step is about {j}")
    texts, here = Sum(f, (k, size, V * size)), f.xreplace({k: j})
    if isinstance(step, Inequality):
        require((step.relation, step.rhs) == ("<=", here), "the step is no <= F(j)")
        new: Any = Inequality(texts, start, relation="<=")
    else:
        gain = step.rhs - here
        new = Identity(texts, start + (Sum(gain, (j, 0, size - 1)) if gain != 0 else 0))
    return new, (*tree, *step.given)


@rule("mean value inequality")
def bounded_growth(zero: Any, upper: Any, lower: Any) -> Inequality:
    """f(0) = 0 and -R <= f' <= R on the line: |f(x)| <= R |x|."""
    require(isinstance(upper, Inequality) and upper.relation == "<=", "no upper bound")
    f, variable = slope_of(upper.lhs, 1)
    rate = upper.rhs
    says(lower, upper.lhs, ">=", -rate)
    require(variable not in rate.free_symbols, f"{rate} moves")
    says(zero, f.xreplace({variable: Integer(0)}), "=", 0)
    still(variable, zero, upper, lower)
    return Inequality(Abs(f), rate * Abs(variable), relation="<=")


@rule("Grönwall's inequality")
def gronwall(slope: Any, upper: Any, lower: Any, positive: Any, rate: Symbol) -> Between:
    """f' = g, f >= 0, R f - g >= 0, R f + g >= 0: f(0) e^(-R x) <= f(x) <= f(0) e^(R x), x >= 0."""
    require(isinstance(slope, Identity), "no slope")
    f, variable = slope_of(slope.lhs, 1)
    g = slope.rhs
    for claim, left in ((upper, rate * f - g), (lower, rate * f + g), (positive, f)):
        says(claim, left, ">=", 0)
    require(bool(rate.is_nonnegative), f"{rate} may be negative")
    require(bool(variable.is_real), f"{variable} may not be real")
    still(variable, slope, upper, lower, positive)
    away = variable if variable.is_nonnegative else Symbol(variable.name, nonnegative=True)
    here, start = (f.xreplace({variable: v}) for v in (away, Integer(0)))
    return Between(start * exp(-rate * away), here, start * exp(rate * away))


@rule("integration of inequalities")
def integrated_twice(second: Any, *functions: tuple[Any, ...]) -> Between:
    """l'' <= f'' <= u'' for x >= 0, all three and their slopes zero at 0: l <= f <= u for x >= 0.

    For each of l, f, u: (F'' = its second derivative, F(0) = 0, F' = G, G(0) = 0 unless plain).
    """
    require(isinstance(second, Between) and len(functions) == 3, "no bounds on a curvature")
    found = []
    for bound, (curve, *start) in zip(second.expressions(), functions, strict=True):
        require(isinstance(curve, Identity), f"{curve.text()} is no identity")
        f, variable = _flat_at_zero(*start)
        require(slope_of(curve.lhs, 2) == (f, variable), f"no second slope of {f}")
        require(bool(variable.is_nonnegative), f"{variable} may be negative")
        require(curve.rhs == bound, f"{curve.text()} is not the bound {bound}")
        still(variable, second, curve)
        found.append(f)
    return Between(*found)


@rule("single crossing")
def crossing(form: Any, negative: Any) -> Crosses:
    """x g' - g = s with x > 0 and s < 0: at a zero g' < 0, so g crosses zero once, downwards."""
    require(isinstance(form, Identity), "no identity")
    (d,) = form.lhs.atoms(Derivative) or (None,)
    require(d is not None, "no derivative")
    g, variable = slope_of(d, 1)
    require(bool(variable.is_positive), f"{variable} may not be positive")
    require(form.lhs == variable * d - g, f"{form.lhs} is not x g' - g")
    says(negative, form.rhs, "<", 0)
    still(variable, form, negative)
    return Crosses(g, variable)


@rule("order of the logarithm")
def logarithm(claim: Any, positive: Any) -> Inequality:
    """0 < a and a <= b, b a positive number: log a <= log b."""
    require(isinstance(claim, Inequality) and claim.relation in {"<=", "<"}, "no a <= b")
    says(positive, claim.lhs, ">", 0)
    return Inequality(log(claim.lhs), log(claim.rhs), relation=claim.relation)
