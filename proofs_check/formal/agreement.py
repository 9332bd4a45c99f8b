"""No drift: the key formulas of `LAWS`, printed in Coq from their SymPy objects, and proved there.

What SymPy derives and what Coq proves must be the same statement. So the key formula of a law is
printed by a program, from `law.lhs` and `law.rhs` with the hypotheses of that step, and proved from
the library's theorem of that law: a sign flipped in the SymPy law is a formula that Coq refuses.
The proofs are short and know nothing of the printed form but that it is equal, by algebra, to the
library's.
"""

from __future__ import annotations

from collections.abc import Mapping

from sympy import Derivative

from steering_strength.proofs_check.formal.printed import Printer
from steering_strength.proofs_check.formal.scripts import PRELUDE, SECTIONS
from steering_strength.proofs_check.formal.scripts_beyond import SECTIONS_BEYOND
from steering_strength.theory.laws import LAWS, Limit
from steering_strength.theory.laws.notation import unfold

__all__ = ["AGREEMENTS", "NOT_PRINTED", "agreement_file", "statement"]

_SECTIONS = SECTIONS + SECTIONS_BEYOND
_ENDS = {"oo": "p_infty", "-oo": "m_infty"}

AGREEMENTS: Mapping[str, tuple[str, str]] = {
    name: entry for _, laws in _SECTIONS for name, entry in laws.items()
}
"""id -> (binders of the printed statement, its proof from the library's theorem)."""

NOT_PRINTED: Mapping[str, str] = {
    "text-bias": "the formula is a second derivative along a level curve, stated among the steps"
    " (`steps`); the theorem is the convexity that it is for, proved without derivatives",
}
"""id -> why its formula is not proved from its theorem."""


def statement(name: str) -> str:
    """The key formula of a law, with its hypotheses, as a proposition of Coq."""
    law, printer = LAWS[name], Printer()
    left, right = unfold(law.lhs), unfold(law.rhs)
    given = "".join(printer.given(hypothesis.map(unfold)) for hypothesis in law.statement.given)
    value = printer.term(right)
    if isinstance(law.statement, Limit):
        x, end = printer.term(law.statement.variable), _ENDS[str(law.statement.end)]
        claim = f"is_lim (fun {x} => {printer.term(left)}) {end} {value}"
    elif isinstance(left, Derivative) and law.relation == "=":
        claim = printer.derivative(left, value, {})
    elif isinstance(left, Derivative):
        slope = printer.derivative(left, "slope", {})
        claim = f"exists slope : R, {slope} /\\ slope {law.relation} {value}"
    else:
        claim = f"{printer.term(left)} {law.relation} {value}"
    premises = "".join(
        f"forall {name}, {premise} ->\n  " for name, premise in sorted(printer.premises.items())
    )
    return f"{given}{premises}{claim}"


def agreement_file(only: str | None = None) -> str:
    """The file that Coq has to accept; of one law, or of all of them."""
    parts = [PRELUDE]
    for opening, laws in _SECTIONS:
        section = opening.split("Section ")[1].split(".")[0]
        theorems = [
            f"Theorem {name.replace('-', '_')}_agrees : {binders}\n"
            f"  {statement(name)}.\nProof.\n{proof}\nQed.\n"
            for name, (binders, proof) in laws.items()
            if only in (None, name)
        ]
        parts += [opening, *theorems, f"End {section}.\n"] if theorems else []
    return "\n".join(parts)
