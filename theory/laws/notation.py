"""Named quantities that unfold to their definitions.

A derivation is read with names, `K'(α) = E_α[M]`, and decided on definitions, sums over the
vocabulary. `define` makes a name: a SymPy function class that knows its body. `unfold` replaces
names by bodies, each time with fresh bound indices, so that no argument can be captured.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sympy import Dummy, Expr, Function, Product, Sum, Symbol

from theory.laws.printing import tex, text

__all__ = ["Named", "define", "unfold"]


class Named(Function):
    """A quantity with a name, parameters and a body; made by `define`, never directly."""

    parameters: tuple[Symbol, ...]
    body: Expr
    text_form: str
    latex_form: str
    precedence: int

    @classmethod
    def eval(cls, *args: Expr) -> None:
        """Stay unevaluated: names are replaced by `unfold` only."""
        if len(args) != len(cls.parameters):
            raise TypeError(
                f"{cls.__name__} takes {len(cls.parameters)} arguments, not {len(args)}"
            )

    def definition(self) -> Expr:
        """The body at these arguments; its bound indices occur in no other expression."""
        return _instance(self)

    def _instantiate(self) -> Expr:
        fresh = {
            limit[0]: Dummy(limit[0].name, integer=True)
            for node in self.body.atoms(Sum, Product)
            for limit in node.limits
        }
        body = self.body.xreplace(fresh)
        return body.xreplace(dict(zip(self.parameters, self.args, strict=True)))

    def _eval_is_real(self) -> bool:
        return True

    def _sympystr(self, printer: Any) -> str:
        return text(self)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        return tex(self) if exp is None else rf"\left({tex(self)}\right)^{{{exp}}}"


def define(
    name: str,
    parameters: tuple[Symbol, ...],
    body: Expr,
    *,
    text: str = "",
    latex: str = "",
    precedence: int = 3,
) -> type[Named]:
    """A named quantity; `text` and `latex` are format strings over the printed arguments.

    `precedence` (0 sum, 1 product, 2 power, 3 atom) says when the printed form needs parentheses.
    """
    arguments = ", ".join(f"{{{k}}}" for k in range(len(parameters)))
    default = f"{name}({arguments})"
    members = {
        "parameters": parameters,
        "body": body,
        "text_form": text or default,
        "latex_form": latex or default,
        "precedence": precedence,
    }
    return type(name, (Named,), members)


def unfold(expr: Expr) -> Expr:
    """Replace every named quantity by its definition, down to sums over the vocabulary."""
    while names := sorted(expr.atoms(Named), key=lambda n: len(n.atoms(Named))):
        expr = expr.xreplace({n: n.definition() for n in names if not _contains_name(n)})
    return expr


@cache
def _instance(n: Named) -> Expr:
    # Sharing bound indices between equal instances is safe: none can occur inside itself.
    return n._instantiate()


def _contains_name(n: Named) -> bool:
    return any(a.has(Named) for a in n.args)
