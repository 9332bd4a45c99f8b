"""Use the laws' formulas: put in an instance, expand, write code.

Formulas keep the vocabulary size symbolic; these functions make them concrete. The generated
code is an oracle for small inputs, not the product: it does not work in log space (that is what
`theory.engine` is for).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sympy import (
    Derivative,
    Expr,
    Indexed,
    IndexedBase,
    KroneckerDelta,
    Sum,
    Symbol,
    factorial,
    lambdify,
    sympify,
)
from sympy.printing.c import C99CodePrinter

from steering_strength.theory.errors import ShapeError
from steering_strength.theory.laws.kernel import Fact, NormalForm
from steering_strength.theory.laws.notation import unfold


def at_instance(
    expr: Expr, arrays: Mapping[IndexedBase, Sequence[Any]], values: Mapping[Symbol, Any]
) -> Expr:
    """`expr` at concrete arrays and sizes, exactly: sums are written out, entries put in.

    Parameters
    ----------
    expr : Expr
        A side of a law, named quantities allowed.
    arrays : mapping of IndexedBase to sequence
        For instance ``{p: [Rational(1, 2), ...], M: [log(2), ...]}``, nested for two indices.
    values : mapping of Symbol to number
        Sizes and strengths, for instance ``{V: 3, alpha: 2}``. Derivatives are taken before.

    Raises
    ------
    ShapeError
        If a sum runs past the end of an array.
    """
    done = unfold(expr).replace(lambda e: isinstance(e, Derivative), lambda e: e.doit())
    sized = done.xreplace({s: sympify(v) for s, v in values.items()})
    while sums := [s for s in sized.atoms(Sum) if not s.function.has(Sum)]:
        sized = sized.xreplace({s: _write_out(s) for s in sums})
    entries = {e: _entry(arrays[e.base], e) for e in sized.atoms(Indexed) if e.base in arrays}
    return sized.xreplace(entries)


def _write_out(s: Sum) -> Expr:
    total = s.function
    for index, lower, upper in s.limits:
        terms = [total.xreplace({index: sympify(i)}) for i in range(int(lower), int(upper) + 1)]
        total = sum(terms, sympify(0))
    return total


def _entry(array: Any, e: Indexed) -> Expr:
    for i in e.indices:
        if not 0 <= int(i) < len(array):
            raise ShapeError(
                f"{e} is asked for, but the array has entries 0 .. {len(array) - 1}",
                remedy="give an array of the size the sums run over",
            )
        array = array[int(i)]
    return sympify(array)


def taylor(
    expr: Expr, order: int, variable: Symbol, given: tuple[Fact, ...] = ()
) -> tuple[Expr, ...]:
    """Coefficients of `variable`**0 .. `variable`**order at 0, in normal form.

    For symbolic vocabulary size, where SymPy's own `series` raises. `given` may hold facts such
    as the normalisation of p, which are used to simplify.
    """
    coefficients = []
    derivative = unfold(expr)
    for n in range(order + 1):
        form = NormalForm(given)
        at_zero = derivative.xreplace({variable: sympify(0)})
        coefficients.append(form.canonical(at_zero) / factorial(n))
        derivative = derivative.diff(variable)
    return tuple(coefficients)


def function(
    expr: Expr, arguments: Sequence[Symbol | IndexedBase], modules: str = "numpy"
) -> Callable[..., Any]:
    """A Python function of `arguments` by SymPy's `lambdify`; `modules` may be "mpmath".

    Sizes such as V are arguments like any other; arrays are indexed from 0.
    """
    done = unfold(expr).replace(lambda e: isinstance(e, Derivative), lambda e: e.doit())
    made: Callable[..., Any] = lambdify(list(arguments), done, modules=modules)
    return made


class _C(C99CodePrinter):
    """C99 expressions, with sums as loops that fill temporaries before the expression."""

    def __init__(self) -> None:
        super().__init__({"contract": False})
        self.lines: list[str] = []
        self.count = 0

    def _print_Indexed(self, e: Indexed) -> str:
        return f"{_c_name(e.base.label)}[{']['.join(self._print(i) for i in e.indices)}]"

    def _print_Symbol(self, s: Symbol) -> str:
        return _c_name(s)

    def _print_KroneckerDelta(self, e: KroneckerDelta) -> str:
        i, j = map(self._print, e.args)
        return f"(({i}) == ({j}) ? 1.0 : 0.0)"

    def _print_Sum(self, e: Sum) -> str:
        name = f"sum{self.count}"
        self.count += 1
        outer, self.lines = self.lines, []
        term = self._print(e.function)
        body, self.lines = self.lines, outer
        self.lines.append(f"double {name} = 0.0;")
        for index, lower, upper in reversed(e.limits):
            i = self._print(index)
            self.lines.append(
                f"for (int {i} = {self._print(lower)}; {i} <= {self._print(upper)}; {i}++) {{"
            )
        self.lines += [f"  {line}" for line in body]
        self.lines.append(f"  {name} += {term};")
        self.lines += ["}"] * len(e.limits)
        return name


def c_function(expr: Expr, name: str, arguments: Sequence[Symbol | IndexedBase]) -> str:
    """C99 source of a function of `arguments`: sums become loops, arrays `const double *`.

    Integer symbols are `int`; everything else is `double`.
    """
    done = unfold(expr).replace(lambda e: isinstance(e, Derivative), lambda e: e.doit())
    printer = _C()
    value = printer.doprint(done)
    parameters = ", ".join(_c_parameter(a) for a in arguments)
    lines = [f"double {name}({parameters})", "{", *printer.lines, f"return {value};", "}"]
    return "#include <math.h>\n\n" + "\n".join(lines) + "\n"


def _c_name(s: Expr) -> str:
    """A symbol as a C identifier: `|A|` is `size_A`, `p^P` is `p_P`, `M'` is `M_prime`."""
    name = str(s.name)
    if name.startswith("|"):
        name = f"size_{name.strip('|')}"
    return re.sub(r"\W", "_", name.replace("'", "_prime"))


def _c_parameter(a: Symbol | IndexedBase) -> str:
    if isinstance(a, IndexedBase):
        return f"const double *{_c_name(a.label)}"
    return f"{'int' if a.is_integer else 'double'} {_c_name(a)}"
