"""One printer for formulas, with two alphabets: a line of Unicode, or LaTeX.

SymPy's printers order factors for canonical comparison (`M[y] p[y] e^...`); a reader wants the
paper's order: probabilities, exponentials, then what they weigh. Sums over the whole vocabulary
are written without limits. The LaTeX stays inside what matplotlib's mathtext can typeset.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sympy import (
    Abs,
    Add,
    Derivative,
    Expr,
    Function,
    Indexed,
    Integer,
    Integral,
    KroneckerDelta,
    Mul,
    Pow,
    Product,
    Rational,
    Sum,
    Symbol,
    default_sort_key,
    exp,
    oo,
)
from sympy.core.function import AppliedUndef

from steering_strength.theory.laws.kernel.facts import Bounded, Fact, Given, Let, Sign
from steering_strength.theory.laws.kernel.signs import ordered

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "kappa": "κ",
    "lambda": "λ", "mu": "μ", "nu": "ν", "omega": "ω", "pi": "π", "rho": "ρ", "sigma": "σ",
    "tau": "τ", "theta": "θ", "phi": "φ", "Delta": "Δ", "xi": "ξ", "ell": "ℓ",
}  # fmt: skip
_SUPERSCRIPT = {1: "", 2: "²", 3: "³", 4: "⁴"}
_V = Symbol("V", integer=True, positive=True)  # the vocabulary, as in theory.laws.symbols
# Precedences: a sum is looser than a product (or a big operator), which is looser than a power.
_SUM, _PRODUCT, _POWER, _ATOM = range(4)


def text(expr: Expr) -> str:
    """One line of Unicode, names kept: `Σ_z p_z e^(α M_z)`."""
    return _Printer(latex=False).show(expr)


def tex(expr: Expr) -> str:
    r"""LaTeX mathematics, names kept: `\sum_{z} p_{z} e^{\alpha M_{z}}`."""
    return _Printer(latex=True).show(expr)


class _Printer:
    def __init__(self, *, latex: bool) -> None:
        self.latex = latex
        self.bound: set[str] = set()  # names of the indices of the sums around

    def show(self, e: Expr, level: int = _SUM) -> str:
        """`e` as a string, in parentheses if it binds looser than `level`."""
        string, precedence = self._dispatch(e)
        return self._paren(string) if precedence < level else string

    def _paren(self, s: str) -> str:
        return rf"\left({s}\right)" if self.latex else f"({s})"

    def _dispatch(self, e: Expr) -> tuple[str, int]:
        if hasattr(e, "text_form"):  # a Named quantity
            form = e.latex_form if self.latex else e.text_form
            bracketed = [self.latex or f"({{{k}}})" in form for k in range(len(e.args))]
            levels = [_SUM if own else _PRODUCT for own in bracketed]  # has brackets of its own
            return form.format(*map(self.show, e.args, levels)), e.precedence
        if e in (oo, -oo):
            sign = "-" if e == -oo else ""
            return (rf"{sign}\infty" if self.latex else f"{sign}∞"), _ATOM
        if isinstance(e, Integer):
            return str(e), _ATOM if e >= 0 else _SUM
        if isinstance(e, Rational):
            shown, level = self._fraction(Integer(abs(e.p)), Integer(e.q))
            return (f"-{shown}", _SUM) if e < 0 else (shown, level)
        if isinstance(e, Symbol):
            return self._symbol(e.name), _ATOM
        if isinstance(e, Indexed):
            return self._indexed(e), _ATOM
        if isinstance(e, Add):
            return self._add(e), _SUM
        if isinstance(e, Mul):
            return self._mul(e)
        if isinstance(e, exp):
            return self._exp(e.args[0]), _POWER
        if isinstance(e, Pow):
            return self._pow(e)
        if isinstance(e, Sum | Product):
            return self._big(e), _PRODUCT
        if isinstance(e, Derivative):
            return self._derivative(e), _PRODUCT
        if isinstance(e, Abs):
            inner = self.show(e.args[0])
            return (rf"\left|{inner}\right|" if self.latex else f"|{inner}|"), _ATOM
        if isinstance(e, KroneckerDelta):
            inner = ",".join(self.show(a) for a in e.args)
            return (rf"\delta_{{{inner}}}" if self.latex else f"δ_({inner})"), _ATOM
        if isinstance(e, Integral):
            ((t, low, high),) = e.limits
            t, low, high = map(self.show, (t, low, high))
            body = self.show(e.function, _PRODUCT)
            if self.latex:
                return rf"\int_{{{low}}}^{{{high}}} {body} \, d{t}", _PRODUCT
            return f"∫_{low}^{high} {body} d{t}", _PRODUCT
        if e.is_Function:
            return self._function(e), _ATOM
        return (self._symbol(str(e)) if not self.latex else rf"\mathrm{{{e}}}"), _ATOM

    # -- leaves ------------------------------------------------------------------------

    def _symbol(self, name: str) -> str:
        if name.startswith("|"):
            return f"|{self._symbol(name.strip('|'))}|"
        if "^" in name:
            below, above = map(self._symbol, name.split("^"))
            return f"{below}^{{{above}}}" if self.latex else f"{below}^{above}"
        bar, prime = name.endswith("bar"), name.endswith("'")
        head, *subscript = name.removesuffix("bar").removesuffix("'").split("_", 1)
        if self.latex:
            head = (
                rf"\{head}" if head in GREEK else head if len(head) == 1 else rf"\mathrm{{{head}}}"
            )
            head = rf"\bar{{{head}}}" if bar else head
            tail = "".join(f"_{{{self._symbol(s)}}}" for s in subscript)
        else:
            head = GREEK.get(head, head) + ("\u0304" if bar else "")
            tail = "".join(f"_{self._symbol(s)}" for s in subscript)
        return head + ("'" if prime else "") + tail

    def _indexed(self, e: Indexed) -> str:
        base = self._symbol(str(e.base.label))
        inner = ",".join(self.show(i) for i in e.indices)
        if self.latex:
            return f"{base}_{{{inner}}}" if "_" not in base else f"{{{base}}}_{{{inner}}}"
        return f"{base}_{inner}" if inner.isalnum() else f"{base}_({inner})"

    # -- arithmetic --------------------------------------------------------------------

    def _add(self, e: Add) -> str:
        terms = sorted(e.as_ordered_terms(), key=lambda t: t.could_extract_minus_sign())
        out = self.show(terms[0])
        for t in terms[1:]:
            negative = t.could_extract_minus_sign()
            out += (" - " if negative else " + ") + self.show(-t if negative else t, _PRODUCT)
        return out

    def _mul(self, e: Expr) -> tuple[str, int]:
        if e.could_extract_minus_sign():
            return f"-{self.show(-e, _PRODUCT)}", _SUM
        above, below = [], []
        for f in e.args:
            if isinstance(f, Rational) and not isinstance(f, Integer):
                above += [Integer(f.p)] if f.p != 1 else []
                below.append(Integer(f.q))
            elif isinstance(f, Pow) and not isinstance(f, exp) and f.exp.could_extract_minus_sign():
                below.append(1 / f)
            else:
                above.append(f)
        if below:
            return self._fraction(Mul(*above), Mul(*below))
        factors = sorted(above, key=_weight)
        shown = []
        for k, f in enumerate(factors):
            last = k == len(factors) - 1
            level = _PRODUCT if last or not isinstance(f, Sum | Product | Derivative) else _POWER
            shown.append(self.show(f, level))
        return " ".join(shown), _PRODUCT

    def _fraction(self, above: Expr, below: Expr) -> tuple[str, int]:
        if self.latex:
            return rf"\frac{{{self.show(above)}}}{{{self.show(below)}}}", _POWER
        return f"{self.show(above, _PRODUCT)} / {self.show(below, _POWER)}", _PRODUCT

    def _pow(self, e: Pow) -> tuple[str, int]:
        if e.exp.could_extract_minus_sign():
            return self._fraction(Integer(1), 1 / e)
        if e.exp == Rational(1, 2):
            inner = self.show(e.base)
            return (rf"\sqrt{{{inner}}}" if self.latex else f"√({inner})"), _POWER
        base = self.show(e.base, _ATOM)
        if self.latex:
            base = f"{{{base}}}" if "^" in base and not base.startswith(r"\left") else base
            return f"{base}^{{{self.show(e.exp)}}}", _POWER
        return f"{base}^{self.show(e.exp, _ATOM)}", _POWER

    def _exp(self, x: Expr) -> str:
        if self.latex:
            return f"e^{{{self.show(x)}}}"
        inner = self.show(x, _ATOM)
        return f"e^{inner}" if len(inner) == 1 or inner[0] == "(" else f"e^({inner})"

    def _function(self, e: Expr) -> str:
        name = {"Max": "max", "Min": "min"}.get(e.func.__name__, e.func.__name__)
        known = {"log", "tanh", "sinh", "cosh", "sin", "cos", "max", "min"}
        inner = ", ".join(self.show(a) for a in e.args)
        if not self.latex:
            return f"{GREEK.get(name, name)}({inner})"
        return rf"{chr(92) + name if name in known else self._symbol(name)}\left({inner}\right)"

    # -- big operators -----------------------------------------------------------------

    def _big(self, e: Expr) -> str:
        sign = (r"\sum", "Σ") if isinstance(e, Sum) else (r"\prod", "Π")
        outer = self.bound
        taken = outer | {str(s) for s in e.free_symbols}
        names = {}
        for index, *_ in e.limits:  # a name that means something else around the sum gets a prime
            name = index.name
            while name in taken:
                name += "'"
            taken.add(name)
            names[index] = Symbol(name, integer=True)
        heads = [
            self._range(names[i], low.xreplace(names), high.xreplace(names), sign[not self.latex])
            for i, low, high in reversed(e.limits)
        ]
        self.bound = outer | {str(n) for n in names.values()}
        body = self.show(e.function.xreplace(names), _PRODUCT)
        self.bound = outer
        return f"{' '.join(heads)} {body}"

    def _range(self, index: Symbol, lower: Expr, upper: Expr, sign: str) -> str:
        """The operator with its range; over all tokens, with its index alone."""
        i, a, b = map(self.show, (index, lower, upper))
        if lower == 0 and upper == _V - 1:
            return f"{sign}_{{{i}}}" if self.latex else f"{sign}_{i}"
        block = self.block(index, lower, upper)
        if block:
            return f"{sign}_{{{block}}}" if self.latex else f"{sign}_({block})"
        return f"{sign}_{{{i}={a}}}^{{{b}}}" if self.latex else f"{sign}_({i}={a}..{b})"

    def range(self, index: Symbol, lower: Expr, upper: Expr) -> str:
        """The values of an index, as a formula."""
        i, a, b = map(self.show, (index, lower, upper))
        le = r"\leq" if self.latex else "≤"
        both = f"{i} = {a}" if lower == upper else f"{a} {le} {i} {le} {b}"
        return self.block(index, lower, upper) or both

    def block(self, index: Symbol, lower: Expr, upper: Expr) -> str:
        """`y ∈ A` for the first |A| tokens, `y ∈ U∖E` for the |U| after E, `y ∉ A` for the rest.

        `k < d` for the first d numbers; nothing for other ranges.
        """
        i, size, before = self.show(index), upper - lower + 1, Add.make_args(lower)
        if lower == 0 and not _is_size(size) and (size.is_Symbol or size.is_Indexed):
            return f"{i} < {self.show(size)}"
        if lower != 0 and not all(map(_is_size, before)):
            return ""
        names = [] if lower == 0 else sorted(b.name.strip("|") for b in before)
        union = (r" \cup " if self.latex else "∪").join(names)
        if _is_size(size) and size not in before:
            member = r" \in " if self.latex else "∈"
            minus = r" \setminus " if self.latex else "∖"
            union = f"({union})" if len(names) > 1 else union
            return f"{i}{member}{size.name.strip('|')}{f'{minus}{union}' if names else ''}"
        if names and upper == _V - 1:
            outside = r" \notin " if self.latex else "∉"
            return f"{i}{outside}{union}"
        return ""

    def _derivative(self, e: Derivative) -> str:
        inner = self.show(e.expr, _POWER)
        order = sum(n for _, n in e.variable_count)
        below = " ".join(self._differential(v, n) for v, n in e.variable_count)
        if self.latex:
            above = "d" if order == 1 else f"d^{{{order}}}"
            return rf"\frac{{{above}}}{{{below}}} {inner}"
        return f"d{_SUPERSCRIPT.get(int(order), f'^{order}')}/{below} {inner}"

    def _differential(self, variable: Symbol, order: int) -> str:
        v = self.show(variable)
        if self.latex:
            return f"d{v}" if order == 1 else f"d{v}^{{{order}}}"
        return f"d{v}{_SUPERSCRIPT.get(int(order), f'^{order}')}"


def _is_size(e: Expr) -> bool:
    """Whether `e` is a symbol like |A|, the number of tokens in a named block."""
    return bool(e.is_Symbol) and e.name.startswith("|")


def domain(variable: Symbol, *, latex: bool = False) -> str:
    """The values of a variable, as its assumptions say: `α ∈ ℝ`, `α ≥ 0`, `α > 0`."""
    v = _Printer(latex=latex).show(variable)
    if variable.is_positive:
        return f"{v} > 0"
    if variable.is_nonnegative:
        return rf"{v} \geq 0" if latex else f"{v} ≥ 0"
    return rf"{v} \in \mathbb{{R}}" if latex else f"{v} ∈ ℝ"


def hypothesis(
    given: Iterable[Given], expressions: Iterable[Expr], *, latex: bool = False
) -> list[str]:
    """Everything a claim assumes, each as a formula: hypotheses, ranges, signs of its symbols."""
    p = _Printer(latex=latex)
    given = _without_repeats(given)
    signs = tuple(g for g in given if isinstance(g, Sign))
    lines = [line for g in given for line in _given(g, p, signs)]
    every = [*expressions, *(e for g in given for e in g.expressions())]
    return list(dict.fromkeys([*lines, *_signs(every, p)]))


def sets(ranges: Iterable[tuple[Symbol, Expr, Expr]], *, latex: bool = False) -> list[str]:
    """What a set is that ranges of tokens are printed by: `A = {0, ..., |A| - 1}`."""
    p = _Printer(latex=latex)
    member, start, dots, end = (
        (r" \in ", r"\{", r"\dots", r"\}") if latex else ("∈", "{", "...", "}")
    )
    found = []
    for index, lower, upper in ranges:
        _, is_set, name = p.block(index, lower, upper).partition(member)
        if is_set:
            found.append(f"{name} = {start}{p.show(lower)}, {dots}, {p.show(upper)}{end}")
    return list(dict.fromkeys(found))


def _without_repeats(given: Iterable[Given]) -> list[Given]:
    """The hypotheses, adjacent blocks of one parametrisation joined, parts of a block left out."""
    given = list(given)
    signs = tuple(g for g in given if isinstance(g, Sign))
    found: list[Given] = []
    for g in given:
        for k, h in enumerate(found):
            if not (isinstance(g, Let) and isinstance(h, Let)):
                continue
            if (h.entry, h.value, h.index) != (g.entry, g.value, g.index):
                continue
            if g.lower == h.upper + 1:
                found[k] = replace(h, upper=g.upper)
                break
            if ordered(h.lower, g.lower, signs) and ordered(g.upper, h.upper, signs):
                break
        else:
            found.append(g)
    return found


def _given(g: Given, p: _Printer, signs: tuple[Sign, ...]) -> list[str]:
    le = r"\leq" if p.latex else "≤"
    words = (lambda s: rf"\text{{{s}}}") if p.latex else (lambda s: s)

    def for_all(indices: tuple[Symbol, ...]) -> str:
        names = ", ".join(p.show(i) for i in indices)
        return f"{words(' for all ')}{names}" if indices else ""

    if isinstance(g, Fact):
        return [f"{p.show(g.lhs)} = {p.show(g.rhs)}{for_all(g.for_all)}"]
    if isinstance(g, Let):
        where = p.range(g.index, g.lower, g.upper)
        if g.lower == 0 and g.upper == _V - 1:
            where = f"{words('every token ')}{p.show(g.index)}"
        return [f"{p.show(g.entry)} = {p.show(g.value)}{words(' for ')}{where}"]
    if isinstance(g, Bounded):
        each = for_all((g.variable, *g.for_all))
        return [f"|{p.show(g.expr)}| {le} {p.show(g.bound)}{each}"]
    if isinstance(g, Sign):
        ends = [_end_of_range(g, other) for other in signs]
        if end := next(filter(None, ends), None):
            return [p.range(g.expr, Integer(0), end)]
        if any(_end_of_range(start, g) for start in signs):
            return []  # said where the range begins
        if g.expr.is_positive or (g.expr.is_nonnegative and not g.strict):
            return []  # a size
        return [f"{_comparison(g, p)}{for_all(g.for_all)}"]
    pairs = [
        pair
        for pair in ((g.lower, g.at), (g.at, g.upper + 1))
        if not ordered(*pair, signs)  # else a sign says so
    ]
    chain = [first for first, _ in pairs] + [last for _, last in pairs[-1:]]
    return [f" {le} ".join(map(p.show, chain))] if chain else []


def _end_of_range(g: Sign, other: Sign) -> Expr | None:
    """The end n - 1 if the signs are `i >= 0` and `n - 1 - i >= 0`."""
    if g.strict or g.for_all or other.strict or other.for_all:
        return None
    if not (g.expr.is_Symbol and g.expr.is_integer):
        return None
    end = other.expr + g.expr
    return None if end.has(g.expr) else end


def _comparison(g: Sign, p: _Printer) -> str:
    """A sign with nothing subtracted: `V - n > 0` is `n < V`."""
    less, more = ("<", ">") if g.strict else ((r"\leq", r"\geq") if p.latex else ("≤", "≥"))
    low = Add(*(-t for t in Add.make_args(g.expr) if t.could_extract_minus_sign()))
    high = g.expr + low
    if not g.strict and g.expr.is_integer and low.as_coeff_Add()[0] == 1 and low != 1:
        low, less = low - 1, "<"
    if low.is_number:
        return f"{p.show(high)} {more} {p.show(low)}"
    return f"{p.show(low)} {less} {p.show(high)}"


def _signs(expressions: list[Expr], p: _Printer) -> list[str]:
    """The assumptions that symbols carry, beyond p > 0, real M and α, and whole sizes >= 1."""
    ge, ne = (r"\geq", r"\neq") if p.latex else ("≥", "≠")
    symbols: set[Any] = set()
    arrays: dict[Any, Indexed] = {}
    pending = list(expressions)
    while pending:
        e = pending.pop()
        for n in e.atoms(AppliedUndef, Indexed):
            if isinstance(n, Indexed):
                known = arrays.get(n.base)
                if known is None or _generic(n) > _generic(known):
                    arrays[n.base] = n
            elif hasattr(n, "body"):
                pending.append(n.body)
        symbols |= {s for s in e.free_symbols if isinstance(s, Symbol)}
        pending += [n.body for n in e.atoms(Function) if hasattr(n, "parameters")]
    labels = {b.label for b in arrays}
    parameters = {
        s
        for e in expressions
        for n in e.atoms(Function)
        if hasattr(n, "parameters")
        for s in n.parameters
    }
    quantities = [
        (s, s)
        for s in symbols - labels - parameters
        | (symbols & parameters & {s for e in expressions for s in e.free_symbols})
    ]
    quantities += [(n, n.base.label) for n in arrays.values()]
    found = []
    for shown, about in sorted(quantities, key=lambda q: str(q[0])):
        if about.name in {"p", "M", "V"} or (
            shown.is_Symbol and shown.is_integer and shown.is_positive
        ):
            continue
        if about.is_positive:
            found.append(f"{p.show(shown)} > 0")
        elif about.is_nonnegative:
            found.append(f"{p.show(shown)} {ge} 0")
        elif about.is_nonzero and about.is_real:
            found.append(f"{p.show(shown)} {ne} 0")
    return found


def _generic(entry: Indexed) -> tuple[int, bool, str]:
    """How well an entry stands for its array: one at free indices, the same one each time."""
    names = [str(i) for i in entry.indices if i.is_Symbol]
    return len(names), "y" in names, str(entry)


def _weight(f: Expr) -> tuple[int, object]:
    """Order of factors: numbers, symbols, names, probabilities, exponentials, the rest, sums."""
    base = f.as_base_exp()[0] if not isinstance(f, exp) else f
    if f.is_Number:
        rank = 0
    elif base.is_Symbol:
        rank = 1
    elif isinstance(base, Indexed):
        rank = 1 if str(base.base) == "pi" else 3 if base.is_positive else 5
    elif isinstance(f, exp):
        rank = 4
    elif hasattr(base, "text_form"):
        rank = {0: 1, 1: 6}.get(len(base.args), 2)
    elif isinstance(base, Add):
        rank = 7
    elif isinstance(base, Sum | Product):
        rank = 9
    elif isinstance(base, Derivative):
        rank = 8
    else:
        rank = 6
    return rank, default_sort_key(f)


def worded(sentence: str) -> str:
    r"""A sentence with formulas in dollars, as one formula: `M \text{ is constant}`."""
    parts = sentence.split("$")
    shown = (part if k % 2 else rf"\text{{{part}}}" for k, part in enumerate(parts) if part)
    return "".join(shown)
