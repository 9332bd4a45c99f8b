"""Rules about levels: what moves along one, and where a convex function stays below one."""

from __future__ import annotations

from typing import Any

from sympy import Derivative, Integer

from steering_strength.theory.laws.claims import Identity, Inequality
from steering_strength.theory.laws.rules import require, rule, says, slope_of, still
from steering_strength.theory.laws.shapes import Along, Convex


@rule("implicit function")
def along_level(by_parameter: Any, by_variable: Any, crossed: Any) -> Along:
    """f_t = a and f_x = b with b > 0: where f stays what it is, dx/dt = -a/b."""
    for claim in (by_parameter, by_variable):
        require(isinstance(claim, Identity), f"{claim.text()} is no identity")
    f, parameter = slope_of(by_parameter.lhs, 1)
    same, variable = slope_of(by_variable.lhs, 1)
    require(f == same and parameter != variable, "no two slopes of one function")
    says(crossed, by_variable.rhs, ">", 0)
    return Along(f, variable, parameter, variable, -by_parameter.rhs / by_variable.rhs)


@rule("chain rule")
def chained(motion: Any, form: Any) -> Along:
    """x moves along a level of f at the rate s, and h_t + h_x s = g: h moves at the rate g.

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


@rule("chords of a convex function")
def chord(convex: Any, first: Any, last: Any, after: Any, before: Any) -> Inequality:
    """f convex, f(0) <= b, f(1) <= b, s >= 0 and s <= 1: f(s) <= b."""
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
