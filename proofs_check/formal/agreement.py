"""No drift: the key formulas of `LAWS`, printed in Coq from their SymPy objects, and proved there.

What SymPy derives and what Coq proves must be the same statement. So the key formula of a law is
printed by a program, from `law.lhs` and `law.rhs` with the hypotheses of that step, into the files
`agreement*.v`, where PRINTED stands, and proved there from the library's theorem of that law: a
sign flipped in the SymPy law is a formula that Coq refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sympy import Derivative

from steering_strength.proofs_check.formal.library import FOLDER
from steering_strength.proofs_check.formal.printed import Printer
from steering_strength.proofs_check.formal.terms import ENDS
from steering_strength.theory.laws import LAWS, Limit
from steering_strength.theory.laws.notation import unfold

FILES = ("agreement.v", "agreement_beyond.v")

_THEOREM = re.compile(
    r"Theorem (?P<law>\w+)_agrees :.*?\bPRINTED\.\nProof\..*?\bQed\.\n", re.DOTALL
)


def agreements() -> tuple[str, ...]:
    """The laws whose key formula has its theorem."""
    return tuple(_law(found) for name in FILES for found in _THEOREM.finditer(_text(name)))


def statement(name: str) -> str:
    """The key formula of a law, with its hypotheses, as a proposition of Coq."""
    law, printer = LAWS[name], Printer()
    left, right = unfold(law.lhs), unfold(law.rhs)
    given = "".join(printer.given(hypothesis.map(unfold)) for hypothesis in law.statement.given)
    value = printer.term(right)
    if isinstance(law.statement, Limit):
        x, end = printer.term(law.statement.variable), ENDS[str(law.statement.end)]
        claim = f"is_lim (fun {x} => {printer.term(left)}) {end} {value}"
    elif isinstance(left, Derivative) and law.relation == "=":
        claim = printer.derivative(left, value, {})
    elif isinstance(left, Derivative):
        slope = printer.derivative(left, "slope", {})
        claim = f"exists slope : R, {slope} /\\ slope {law.relation} {value}"
    else:
        claim = f"{printer.term(left)} {law.relation} {value}"
    opening = "".join(text for _, text in sorted(printer.opening.items()))
    return f"{given}{opening}{claim}"


def agreement_files(only: str | None = None) -> Iterator[str]:
    """What Coq has to accept: all theorems, each file at a time, or that of one law."""

    def printed(found: re.Match[str]) -> str:
        law = _law(found)
        return found[0].replace("PRINTED", statement(law)) if only in (None, law) else ""

    for name in FILES:
        text = _text(name)
        if only is None or any(_law(found) == only for found in _THEOREM.finditer(text)):
            yield _THEOREM.sub(printed, text)


def _law(found: re.Match[str]) -> str:
    return found["law"].replace("_", "-")


def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
