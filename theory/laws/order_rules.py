"""Rules about order: sums of inequalities, and which of many functions is the largest."""

from __future__ import annotations

from typing import Any

from sympy import Add, Expr, Symbol

from steering_strength.theory.laws.claims import Identity, Inequality
from steering_strength.theory.laws.kernel import Sign
from steering_strength.theory.laws.notation import unfold
from steering_strength.theory.laws.rules import Refused, require, rule, still
from steering_strength.theory.laws.shapes import Envelope
from steering_strength.theory.laws.symbols import TOKENS


@rule("combination of inequalities")
def combination(*terms: tuple[Expr, Any]) -> Inequality:
    """a_i >= 0 and c_i > 0: the sum of c_i a_i is >= 0."""
    for factor, claim in terms:
        require(isinstance(claim, Inequality) and claim.rhs == 0, "a premise is no sign")
        require(claim.relation in {">", ">="}, f"{claim.text()} is not >= 0")
        require(bool(factor.is_positive), f"{factor} may not be positive")
    total = Add(*(factor * claim.lhs for factor, claim in terms))
    relation = ">" if any(claim.relation == ">" for _, claim in terms) else ">="
    return Inequality(total, 0, relation=relation)


@rule("order of the winners")
def winners(gain: Any, order: Any, f: Expr, index: Symbol, upper: Expr) -> Any:
    """The largest of f_0 .. f_upper changes at most `upper` times, each time to a larger rank.

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
