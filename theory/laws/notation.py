"""Named quantities that unfold to their definitions.

A derivation is read with names, `K'(α) = E_α[M]`, and decided on definitions, sums over the
vocabulary. `define` makes a name: a SymPy function class that knows its body. `unfold` replaces
names by bodies, each time with fresh bound indices, so that no argument can be captured; nor is
a free symbol of a body by a sum around the name.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from sympy import Derivative, Expr, Function, Symbol

from steering_strength.theory.laws.kernel.binding import bound_indices, rename_bound
from steering_strength.theory.laws.kernel.signs import real
from steering_strength.theory.laws.printing import tex, text
from steering_strength.theory.laws.prose import plain


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
        arguments = dict(zip(self.parameters, self.args, strict=True))
        for d in self.body.atoms(Derivative):
            for v in d.variables:
                others = (a for name, a in arguments.items() if name != v)
                free = self.hidden.union(*(a.free_symbols for a in others))
                if v in arguments and (not arguments[v].is_Symbol or arguments[v] in free):
                    raise TypeError(
                        f"{self} differentiates by its argument {v}; pass a symbol of its own"
                    )
        return rename_bound(self.body).xreplace(arguments)

    @property
    def hidden(self) -> frozenset[Symbol]:
        """The free symbols of the body that are no parameters."""
        return _hidden(type(self))  # type: ignore[arg-type]  # SymPy classes hash by identity

    @property
    def free_symbols(self) -> set[Any]:
        """Those of the arguments, and those the definition hides: what `self` depends on."""
        return super().free_symbols | self.hidden

    def _eval_is_real(self) -> bool | None:
        return _is_real(self) or None

    def _eval_derivative(self, s: Any) -> None:
        """Stay unevaluated: what depends on `s` is known to the definition only."""

    def _sympystr(self, printer: Any) -> str:
        return text(self)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        return tex(self) if exp is None else rf"\left({tex(self)}\right)^{{{exp}}}"


def define(
    name: str,
    parameters: tuple[Symbol, ...],
    body: Expr,
    *,
    latex: str = "",
    precedence: int = 3,
) -> type[Named]:
    """A named quantity; `latex` is a format string over the printed arguments, else its name.

    A line of text shows the same in Unicode, by which it is also called if it has no name.
    `precedence` (0 sum, 1 product, 2 power, 3 atom) says when the printed form needs parentheses.
    """
    arguments = ", ".join(f"{{{k}}}" for k in range(len(parameters)))
    latex = latex or (f"{name}({arguments})" if parameters else name)
    members = {
        "parameters": parameters,
        "body": body,
        "text_form": _unicode(latex, len(parameters)),
        "latex_form": latex,
        "precedence": precedence,
    }
    return type(name or str(members["text_form"]), (Named,), members)


def _unicode(latex: str, arguments: int) -> str:
    """The format string in Unicode that says what one in LaTeX says."""
    letters = [chr(0xA500 + k) for k in range(arguments)]  # of a script that no formula uses
    shown = plain(f"${latex.format(*letters)}$")
    for k, letter in enumerate(letters):
        shown = shown.replace(letter, f"{{{k}}}")
    return shown


@lru_cache(maxsize=8192)
def unfold(expr: Expr) -> Expr:
    """Replace every named quantity by its definition, down to sums over the vocabulary."""
    names = expr.atoms(Named)
    caught = bound_indices(expr) & set().union(*(n.hidden for n in names)) if names else set()
    if caught:
        expr = rename_bound(expr, caught)
        names = expr.atoms(Named)
    return expr.xreplace({n: unfold(n.definition()) for n in names}) if names else expr


@cache
def _instance(n: Named) -> Expr:
    # Sharing bound indices between equal instances is safe: none can occur inside itself.
    return n._instantiate()


@cache
def _hidden(quantity: type[Named]) -> frozenset[Symbol]:
    return frozenset(quantity.body.free_symbols) - frozenset(quantity.parameters)


@cache
def _is_real(n: Named) -> bool:
    return real(unfold(n))
