"""Rules of analysis: from claims of a checked form to the claim that follows.

A rule is a function. It looks at the form of its premises, refuses the wrong ones with
`LawError`, and builds its conclusion from them, under all of their hypotheses; nothing is
concluded that was not computed from the premises. What is assumed is the rule itself: the theorem
of analysis that its docstring states, with a place to read it. `theory.laws.order_rules` has the
rules of logic and order, `theory.laws.sign_rules` those on changes of sign.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import wraps
from inspect import cleandoc
from typing import Any

from sympy import (
    Abs,
    Add,
    Derivative,
    Dummy,
    Expr,
    Integer,
    Integral,
    S,
    Sum,
    Symbol,
    exp,
    factorial,
    oo,
)

from steering_strength.theory.laws.assumptions import Principle
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
from steering_strength.theory.laws.shapes import (
    Along,
    Convex,
    Crosses,
    Expansion,
    Monotone,
    OnePeak,
    OneRoot,
)
from steering_strength.theory.laws.symbols import V, before, last

RUDIN = "W. Rudin, Principles of Mathematical Analysis, 3rd ed."
BOYD = "S. Boyd and L. Vandenberghe, Convex Optimization"
PRINCIPLES: dict[str, Principle] = {}
"""The theorems that rules apply, by name."""


class Refused(Exception):
    """A rule does not apply to its premises; the message says why."""


def rule(
    name: str, reference: str = "", formal: str = ""
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A function from premises to what follows from them by a principle of this name.

    The first paragraph of its docstring states the principle, `reference` is a place to read it and
    `formal` a theorem that says the same; without a reference the principle is another rule's. It
    is called with the premises, in order, and a `reason`; what it returns gets the principle, the
    premises and their hypotheses, unless it returns others beside its conclusion.
    """

    def applied(infer: Callable[..., Any]) -> Callable[..., Any]:
        if reference:
            statement, *_ = cleandoc(infer.__doc__ or "").split("\n\n")
            statement = " ".join(statement.split())
            PRINCIPLES[name] = Principle(name, statement, reference, formal)

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


@rule("sign of the derivative", f"{RUDIN}, Thm 5.11", "increasing_between in analysis.v")
def derivative_sign(slope: Any) -> Monotone:
    r"""If $f' > 0$ ($<$, $\ge$, $\le$) on an interval, $f$ strictly increases (strictly decreases,
    does not decrease, does not increase) there.
    """
    require(isinstance(slope, Inequality) and slope.rhs == 0, "the premise is no sign")
    f, variable = slope_of(slope.lhs, 1)
    require(slope.relation != "!=", "the premise has no direction")
    still(variable, slope)
    up, strict = slope.relation.startswith(">"), "=" not in slope.relation
    return Monotone(f, variable, increasing=up, strict=strict)


@rule("convexity", f"{BOYD}, Sec. 3.1.4")
def convexity(curvature: Any) -> Convex:
    r"""If $f'' \ge 0$ on an interval, $f$ is convex there; strictly if $f'' > 0$."""
    require(isinstance(curvature, Inequality) and curvature.rhs == 0, "no sign")
    f, variable = slope_of(curvature.lhs, 2)
    require(curvature.relation in {">", ">="}, "the second derivative is not >= 0")
    still(variable, curvature)
    return Convex(f, variable, strict=curvature.relation == ">")


@rule("strict convexity", f"{RUDIN}, Thms 4.16 and 5.11: f' strictly increases and changes sign")
def valley(convex: Any, right: Any, left: Any) -> OnePeak:
    r"""A strictly convex differentiable function on the line that tends to $+\infty$ at both ends
    strictly falls to exactly one minimum and strictly rises after it.
    """
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


@rule("reciprocal", r"order reversal of $x \to 1/x$ on the positive half-line")
def reciprocal(form: Any, shape: Any, positive: Any) -> Any:
    """If $f > 0$ and $1/f$ strictly falls (rises) on an interval, then $f$ strictly rises (falls)
    there.

    Premises: 1/f = g, a shape of g, and f > 0.
    """
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


@rule("affine image", "order of the real line")
def affine(form: Any, shape: Any) -> Any:
    """If $h = a f + c$ with $a > 0$ and $c$ constant, $h$ rises and falls where $f$ does."""
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


@rule("stationary point", f"{RUDIN}, Thm 5.8")
def at_peak(shape: Any, slope: Any, positive: Any) -> OnePeak:
    """A differentiable $f > 0$ with one peak and $f' = f (a - b)$ has its peak where $a = b$."""
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


@rule("fundamental theorem of calculus", f"{RUDIN}, Thm 6.21")
def antiderivative(slope: Any, zero: Any) -> Identity:
    """A continuously differentiable function that vanishes at 0 is the integral of its derivative
    from 0.
    """
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


@rule("Taylor's theorem", f"{RUDIN}, Thm 5.15")
def taylor(start: Any, *orders: tuple[Any, ...], at: Expr = S.Zero) -> Expansion:
    r"""$f(\alpha) = f(0) + f'(0) \alpha + f''(0) \alpha^2/2 + \dots + f^{(n)}(0) \alpha^n/n! +
    o(\alpha^n)$ for a function with $n$ derivatives at 0.

    Premises: f = c_0 at a point, and for each order f^(k) = g_k and g_k = c_k there. Without an
    identity that says what f or g_k is there, c_k is that as it stands.
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


@rule("zero of a quotient", "arithmetic of real numbers")
def zero_where(form: Any, positive: Any) -> Iff:
    """If $f = n/g$ with $g > 0$, $f$ vanishes exactly where $n$ does."""
    require(isinstance(form, Identity) and isinstance(positive, Inequality), "premises")
    require((positive.relation, positive.rhs) == (">", 0), "no positive divisor")
    above = form.rhs * positive.lhs
    require(form.rhs == above / positive.lhs and not above.has(positive.lhs), "no quotient")
    return Iff(Identity(form.lhs, 0), Identity(above, 0))


@rule("quotient of leading terms", "limits of quotients")
def quotient(above: Any, below: Any) -> Expansion:
    """If $f = a x + o(x)$ and $g = b x + o(x)$ with $b > 0$, then $f/g = a/b + o(1)$."""
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


@rule("a convex function lies above its tangents", f"{BOYD}, Sec. 3.1.3")
def tangent(convex: Any, value: Any, slope: Any, *at_zero: Any, side: int = 0) -> Inequality:
    r"""If $f$ is convex and differentiable, $f(0) = 0$ and $f'(0) = 0$, then $f \ge 0$, and $f > 0$
    away from 0 if it is strictly convex.

    Premises: that f is convex, f(0) = 0, f' = g, and g(0) = 0 unless that is plain. With a `side`,
    +1 or -1, f > 0 on that side of 0.
    """
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


@rule(
    "one root on each side",
    rf"{RUDIN}, Thms 4.23 and 5.11: $f'$ strictly increases through 0, and "
    r"$f(\alpha) \geq f(1) + f'(1) (\alpha - 1)$",
)
def one_root(convex: Any, value: Any, slope: Any, *at_zero: Any) -> OneRoot:
    """If $f$ is strictly convex and differentiable on the line, $f(0) = 0$ and $f'(0) = 0$, then
    $f$ strictly falls to 0 and strictly rises from it, without bound: every $c > 0$ is reached
    exactly once on each side.

    The premises are those of `tangent`.
    """
    tangent(convex, value, slope, *at_zero)  # looks at the same premises
    variable = convex.variable
    require(convex.strict, "no strict convexity")
    require(variable.is_nonnegative is None, f"{variable} does not run over the line")
    return OneRoot(convex.f, variable)


@rule(
    "induction over prefixes",
    r"mathematical induction over $J$: prefix $J$ is a text until it gets its "
    r"continuations $V J + 1, \ldots, V J + V$",
)
def over_prefixes(step: Any, f: Expr, j: Symbol, tree: tuple[Let, ...]) -> Any:
    r"""Prefixes are numbered by length: 0 is the empty one, and $V j + 1 + z$ is prefix $j$
    followed by token $z$. If the sum of $F$ over the $V$ continuations of any prefix $j$ is $F(j) +
    g(j)$ (at most $F(j)$), then its sum over the texts $J, \ldots, V J$ of the tree with the inner
    prefixes $0, \ldots, J - 1$ is $F(0) + g(0) + \ldots + g(J - 1)$ (at most $F(0)$).

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


@rule("mean value inequality", f"{RUDIN}, Thm 5.10")
def bounded_growth(zero: Any, upper: Any, lower: Any) -> Inequality:
    r"""If $f$ is differentiable, $f(0) = 0$ and $|f'| \le R$, then $|f(\alpha)| \le R |\alpha|$."""
    require(isinstance(upper, Inequality) and upper.relation == "<=", "no upper bound")
    f, variable = slope_of(upper.lhs, 1)
    rate = upper.rhs
    says(lower, upper.lhs, ">=", -rate)
    require(variable not in rate.free_symbols, f"{rate} moves")
    says(zero, f.xreplace({variable: Integer(0)}), "=", 0)
    still(variable, zero, upper, lower)
    return Inequality(Abs(f), rate * Abs(variable), relation="<=")


@rule(
    "Grönwall's inequality",
    r"$e^{R \alpha} f$ does not decrease, $e^{-R \alpha} f$ does not increase",
    "gronwall in radius.v",
)
def gronwall(slope: Any, upper: Any, lower: Any, positive: Any, rate: Symbol) -> Between:
    r"""If $f \ge 0$ and $|f'| \le R f$ on the half-line $\alpha \ge 0$, then $f(0) e^{-R \alpha}
    \le f(\alpha) \le f(0) e^{R \alpha}$.

    Premises: f' = g, R f - g >= 0, R f + g >= 0 and f >= 0.
    """
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


@rule(
    "integration of inequalities",
    f"{RUDIN}, Thm 5.11 applied twice to the differences",
    "compare_second in asymptotics.v",
)
def integrated_twice(second: Any, *functions: tuple[Any, ...]) -> Between:
    r"""If $l'' \le f'' \le u''$ for $\alpha \ge 0$, and $l$, $f$, $u$ and their slopes vanish at 0,
    then $l \le f \le u$ for $\alpha \ge 0$.

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


@rule(
    "single crossing",
    f"{RUDIN}, Thm 4.23: between two zeros crossed downwards one is crossed upwards",
)
def crossing(form: Any, negative: Any) -> Crosses:
    """If $g$ is differentiable on an interval of positive $x$ and $x g' - g < 0$ there, then $g' <
    0$ wherever $g = 0$; so $g$ has at most one zero there, is positive before it and negative after
    it.
    """
    require(isinstance(form, Identity), "no identity")
    (d,) = form.lhs.atoms(Derivative) or (None,)
    require(d is not None, "no derivative")
    g, variable = slope_of(d, 1)
    require(bool(variable.is_positive), f"{variable} may not be positive")
    require(form.lhs == variable * d - g, f"{form.lhs} is not x g' - g")
    says(negative, form.rhs, "<", 0)
    still(variable, form, negative)
    return Crosses(g, variable)


@rule("implicit function", f"{RUDIN}, Thm 9.28")
def along_level(by_parameter: Any, by_variable: Any, crossed: Any) -> Along:
    r"""If $f$ has continuous derivatives and $f_\alpha \neq 0$, then along the curve of constant
    $f$ through the point $d\alpha/dt = -f_t / f_\alpha$.

    Premises: f_t = a, f_x = b and b > 0.
    """
    for claim in (by_parameter, by_variable):
        require(isinstance(claim, Identity), f"{claim.text()} is no identity")
    f, parameter = slope_of(by_parameter.lhs, 1)
    same, variable = slope_of(by_variable.lhs, 1)
    require(f == same and parameter != variable, "no two slopes of one function")
    says(crossed, by_variable.rhs, ">", 0)
    return Along(f, variable, parameter, variable, -by_parameter.rhs / by_variable.rhs)


@rule("chain rule", f"{RUDIN}, Thm 9.15")
def at_rate(motion: Any, form: Any) -> Along:
    r"""If $\alpha$ moves with $t$ at the rate $\alpha'$, then $h(\alpha, t)$ moves at the rate $h_t
    + h_\alpha \alpha'$.

    `motion` may itself be the conclusion of this rule: then h is the rate that it found.
    """
    require(isinstance(motion, Along) and isinstance(form, Identity), "premises")
    start = motion
    while start.quantity != start.variable:
        start = next(p for p in start.premises if isinstance(p, Along))
    slopes = [d for d in form.lhs.atoms(Derivative) if d.variables == (motion.parameter,)]
    require(len(slopes) == 1, f"{form.lhs} has no one derivative by {motion.parameter}")
    h = slopes[0].expr
    moved = slopes[0] + Derivative(h, motion.variable) * start.slope
    require(form.lhs == moved, f"{form.lhs} is not h_t + h_x times the rate")
    require(motion is start or h == motion.slope, f"{h} is not the rate found before")
    return Along(motion.f, motion.variable, motion.parameter, h, form.rhs)


@rule("chords of a convex function", f"{BOYD}, Sec. 3.1.1")
def chord(convex: Any, first: Any, last: Any, after: Any, before: Any) -> Inequality:
    r"""If $f$ is convex, $f(0) \leq b$ and $f(1) \leq b$, then $f(x) \leq b$ for $0 \leq x \leq 1$.

    Premises: that f is convex, f(0) <= b, f(1) <= b, s >= 0 and s <= 1.
    """
    require(isinstance(convex, Convex), "no convex function")
    f, variable, place = convex.f, convex.variable, after.lhs
    require(variable.is_nonnegative is None, f"{variable} does not run over the line")
    for claim, lhs, relation, rhs in (
        (first, f.xreplace({variable: Integer(0)}), "<=", first.rhs),
        (last, f.xreplace({variable: Integer(1)}), "<=", first.rhs),
        (after, place, ">=", Integer(0)),
        (before, place, "<=", Integer(1)),
    ):
        says(claim, lhs, relation, rhs)
    require(variable not in first.rhs.free_symbols, f"{first.rhs} moves")
    premises = (convex, first, last, after, before)
    still(variable, *premises)
    return Inequality(f.xreplace({variable: place}), first.rhs, relation="<=")
