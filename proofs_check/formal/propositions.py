"""A claim of SymPy as a proposition of Coq: every symbol bound, every hypothesis written out.

Tokens, contexts and coordinates are natural numbers, as they are in the laws; a range of indices is
`range first next`, and a sum over it is the library's `Sum`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sympy import (
    Derivative,
    Expr,
    Indexed,
    Integral,
    KroneckerDelta,
    Mod,
    Product,
    Sum,
    Symbol,
    floor,
)
from sympy.core.function import AppliedUndef

from steering_strength.proofs_check.formal.terms import (
    ENDS,
    NotPrintableError,
    Terms,
    applied,
    coq_name,
)
from steering_strength.theory.laws.claims import (
    Between,
    Case,
    Claim,
    Identity,
    Iff,
    Inequality,
    Limit,
)
from steering_strength.theory.laws.kernel import Bounded, Fact, Given, Let, Sign, Split
from steering_strength.theory.laws.notation import unfold
from steering_strength.theory.laws.shapes import (
    Along,
    Convex,
    Crosses,
    Expansion,
    Monotone,
    OnePeak,
    OneRoot,
)
from steering_strength.theory.laws.symbols import TOKENS, V


class _Printer(Terms):
    """Prints formulas; numbers of tokens and indices are natural numbers."""

    def __init__(self) -> None:
        self.values: dict[Expr, tuple[str, tuple[Any, ...]]] = {}  # names of derivatives
        self.taken: set[str] = set()

    # -- real numbers ------------------------------------------------------------------

    def term(self, e: Expr, bound: Mapping[Any, str] | None = None) -> str:
        """A real number; a derivative by its name."""
        if e in self.values:
            name, indices = self.values[e]
            return applied(name, *(self.argument(i, bound or {}) for i in indices))
        return super().term(e, bound)

    def leaf(self, e: Expr, bound: Mapping[Any, str]) -> str:
        """A symbol, or an entry of an array."""
        return f"(INR {self.nat(e, bound)})" if e.is_integer else self._named(e, bound)

    def argument(self, e: Expr, bound: Mapping[Any, str]) -> str:
        """A natural number where SymPy knows an integer, else a real one."""
        return self.nat(e, bound) if e.is_integer else self.term(e, bound)

    def other(self, e: Expr, bound: Mapping[Any, str]) -> str:
        """A sum, a product, or 1 where two indices are the same."""
        if isinstance(e, KroneckerDelta):
            return applied("delta", *(self.nat(index, bound) for index in e.args))
        if isinstance(e, Sum | Product):
            return self._sum(e, bound)
        return super().other(e, bound)

    def _named(self, e: Expr, bound: Mapping[Any, str]) -> str:
        if isinstance(e, Indexed):
            return applied(coq_name(e.base), *(self.nat(i, bound) for i in e.indices))
        return bound.get(e) or coq_name(e)

    def _sum(self, e: Expr, bound: Mapping[Any, str]) -> str:
        (index, low, high), *_ = reversed(e.limits)
        inner = e.func(e.function, *e.limits[:-1]) if len(e.limits) > 1 else e.function
        name = coq_name(index)
        while name in self.taken or name in bound.values():
            name += "'"
        body = self.term(inner, {**bound, index: name})
        which = "Sum" if isinstance(e, Sum) else "Prod"
        return f"({which} {self.range(low, high, bound)} (fun {name} => {body}))"

    # -- natural numbers ---------------------------------------------------------------

    def range(self, low: Expr, high: Expr, bound: Mapping[Any, str]) -> str:
        """The list of the indices `low` to `high`."""
        return f"(range {self.nat(low, bound)} {self.nat(high + 1, bound)})"

    def nat(self, e: Expr, bound: Mapping[Any, str] | None = None) -> str:
        """A natural number."""
        bound = bound or {}
        if e.is_Integer and e >= 0:
            return f"{e}%nat"
        if isinstance(e, Symbol | Indexed):
            return self._named(e, bound)
        if e.is_Mul and not e.could_extract_minus_sign():
            return f"({' * '.join(self.nat(a, bound) for a in e.args)})%nat"
        if e.is_Add:
            less = [-a for a in e.args if a.could_extract_minus_sign()]
            more = [a for a in e.args if not a.could_extract_minus_sign()]
            first = " + ".join(self.nat(a, bound) for a in more) or "0"
            return f"({' - '.join([first, *(self.nat(a, bound) for a in less)])})%nat"
        if isinstance(e, Mod):
            return f"({self.nat(e.args[0], bound)} mod {self.nat(e.args[1], bound)})%nat"
        if isinstance(e, floor):
            over = e.args[0].together().as_numer_denom()
            return f"({' / '.join(self.nat(a, bound) for a in over)})%nat"
        raise NotPrintableError(e)

    # -- propositions ------------------------------------------------------------------

    def derivative(self, d: Derivative, value: str, bound: Mapping[Any, str] | None = None) -> str:
        """That a derivative exists and has a value."""
        ((v, order),) = d.variable_count
        if isinstance(v, Indexed):  # by the entry of an array
            (index,) = v.indices
            base = coq_name(v.base)
            moved = f"(fun k => if Nat.eqb k {self.nat(index, bound)} then moving else {base} k)"
            function = f"(fun moving => let {base} := {moved} in {self.term(d.expr, bound)})"
            return f"is_derive {function} {self._named(v, bound or {})} {value}"
        function = f"(fun {self.term(v)} => {self.term(d.expr, bound)})"
        kind = "is_derive" if order == 1 else f"is_derive_{order}"
        return f"{kind} {function} {self.term(v)} {value}"

    def given(self, g: Given) -> str:
        """A hypothesis; what it says for every index is said for every natural number."""
        if isinstance(g, Split):
            low, at, high = (self.nat(e) for e in (g.lower, g.at, g.upper + 1))
            return f"({low} <= {at} <= {high})%nat"
        if isinstance(g, Let):
            i = coq_name(g.index)
            entry = self.argument(g.entry, {})
            inside = f"({self.nat(g.lower)} <= {i} < {self.nat(g.upper + 1)})%nat"
            value = self.nat(g.value) if g.entry.is_integer else self.term(g.value)
            return f"(forall {i} : nat, {inside} -> {entry} = {value})"
        names = "".join(f"forall {coq_name(i)} : nat, " for i in g.for_all)
        if isinstance(g, Fact):
            return f"({names}{self.term(g.lhs)} = {self.term(g.rhs)})"
        if isinstance(g, Sign):
            return f"({names}{self._sign(g)})"
        if isinstance(g, Bounded):
            v = coq_name(g.variable)
            return f"({names}forall {v}, Rabs {self.term(g.expr)} <= {self.term(g.bound)})"
        raise NotPrintableError(g)

    def _sign(self, g: Sign) -> str:
        if g.expr.is_integer:
            parts = g.expr.as_ordered_terms()
            less = sum((-a for a in parts if a.could_extract_minus_sign()), start=0 * parts[0])
            more = g.expr + less
            return f"({self.nat(less)} {'<' if g.strict else '<='} {self.nat(more)})%nat"
        return f"0 {'<' if g.strict else '<='} {self.term(g.expr)}"


class Proposition:
    """A claim in Coq: what is bound, what is assumed, what is concluded.

    Attributes
    ----------
    given : tuple
        The hypotheses with names unfolded; `sides`, the expressions of the claim likewise.
    symbols, free : set
        The symbols and arrays of the claim and its hypotheses; those of the claim alone.
    moving : symbol or None
        The variable of a limit or of a function, which the conclusion binds.
    derivatives : list of Derivative
        Those that the conclusion states to exist, d1, d2, ..., before it names their values.
    plain : bool
        An identity that says what one derivative is.

    Raises
    ------
    NotPrintableError
        The claim says something that has no translation.
    """

    def __init__(self, claim: Claim) -> None:
        self.claim: Any = claim
        self.printer = _Printer()
        self.variable: Any = getattr(claim, "variable", None)
        self.moving = None if isinstance(claim, Along) else self.variable
        self.given = tuple(g.map(unfold) for g in claim.hypotheses())
        self.sides = {k: unfold(v) for k, v in vars(claim).items() if isinstance(v, Expr)}
        self._claimed = [unfold(e) for e in claim.expressions()]
        given = [*self.given, *_cases(claim)]
        self._every = [*self._claimed, *(e for g in given for e in g.expressions())]
        self.free = symbols_of(self._claimed)
        bound = {i for g in given for i in getattr(g, "for_all", ())}
        bound |= {g.index for g in given if isinstance(g, Let)}
        self.symbols = symbols_of(self._every) - (bound - self.free)
        self.printer.taken = {coq_name(s) for s in symbols_of(self._every)}
        # A shape is claimed on every interval where the hypotheses about its variable hold.
        self._within = not isinstance(claim, Limit | Expansion) and any(
            map(self._delimits, self.given)
        )
        self.derivatives = self._derivatives()
        self.conclusion = self._conclusion()

    # -- derivatives -------------------------------------------------------------------

    def _derivatives(self) -> list[Derivative]:
        found = list(dict.fromkeys(d for e in self._claimed for d in _maximal(e)))
        lhs = self.sides.get("lhs")
        self.plain = (
            isinstance(self.claim, Identity)
            and isinstance(lhs, Derivative)
            and not isinstance(lhs.expr, AppliedUndef)
            and lhs not in _maximal(self.sides["rhs"])
        )
        if self.plain:
            found.remove(lhs)
        unknown = [d for d in found if isinstance(d.expr, AppliedUndef)]
        self._smooth = {d.expr.func for d in unknown}
        for d in unknown:  # f', f'' are functions of their own
            primed = coq_name(d.expr.func.__name__) + "'" * d.variable_count[0][1]
            self.printer.values[d] = (primed, d.expr.args)
        return [d for d in found if d not in unknown]

    # -- the whole ---------------------------------------------------------------------

    def _bound(self) -> list[Any]:
        return sorted(self.symbols - {self.moving}, key=str)

    def binders(self) -> list[str]:
        """Every symbol with its type, in alphabetical order, and the unknown functions."""
        found = [f"({coq_name(getattr(s, 'label', s))} : {_type(s)})" for s in self._bound()]
        for f in self._functions():
            kind = " -> ".join("nat" if a.is_integer else "R" for a in f.args)
            name = coq_name(f.func.__name__)
            names = [name + "'" * k for k in range(3 if f.func in self._smooth else 1)]
            found.append(f"({' '.join(names)} : {kind} -> R)")
        return found

    def _functions(self) -> list[AppliedUndef]:
        found: dict[Any, AppliedUndef] = {}
        for e in self._every:
            for f in sorted(e.atoms(AppliedUndef), key=str):
                found.setdefault(f.func, f)
        return list(found.values())

    def assumed(self) -> dict[str, Given | None]:
        """The hypotheses, first those that the symbols carry: in Coq, and in the claim."""
        lines: dict[str, Given | None] = {line: None for s in self._bound() for line in carried(s)}
        for f in (f for f in self._functions() if f.func in self._smooth):
            name = coq_name(f.func.__name__)
            *first, last = (f"a{k}" for k in range(len(f.args)))
            for k in range(2):
                applied, slope = (" ".join([name + "'" * n, *first]) for n in (k, k + 1))
                every = " ".join([*first, last])
                lines[f"(forall {every}, is_derive ({applied}) {last} ({slope} {last}))"] = None
        if V in self.symbols:
            lines |= {f"({t.name} < V)%nat": None for t in TOKENS if t in self.symbols}
        for g in self.given:
            if not self._delimits(g):
                lines.setdefault(self.printer.given(g), g)
            elif not self._within:
                lines.setdefault(self._near(g), g)
        return lines

    def _delimits(self, g: Given) -> bool:
        v = self.moving
        own = isinstance(g, Bounded) and g.variable == v
        return v is not None and not own and any(v in e.free_symbols for e in g.expressions())

    def delimited(self) -> list[str]:
        """What a value of the moving variable must be: what it carries, and what is given of it."""
        given = [self.printer.given(g) for g in self.given if self._delimits(g)]
        return [*carried(self.moving), *given] if self.moving is not None else []

    def _near(self, g: Given) -> str:
        """A hypothesis about the moving variable: it holds near the place that it moves to."""
        at = (
            f"Rbar_locally {ENDS[str(self.claim.end)]}"
            if isinstance(self.claim, Limit)
            else f"locally {self._t(self.claim.at)}"
        )
        allowed = "".join(f"{line} -> " for line in carried(self.moving))
        return f"({at} (fun {coq_name(self.moving)} : R => {allowed}{self.printer.given(g)}))"

    def text(self) -> str:
        """The proposition."""
        binders = " ".join(self.binders())
        opening = f"forall {binders},\n  " if binders else ""
        assumed = "".join(f"{line} ->\n  " for line in self.assumed())
        return f"{opening}{assumed}{self.conclusion}"

    def names(self) -> list[str]:
        """What is bound, by its names in Coq."""
        return " ".join(b.split(" :")[0].strip("( ") for b in self.binders()).split()

    def intros(self) -> str:
        """The tactic that names what is bound, and the hypotheses that are equations.

        They are H_let0, H_fact1, ... by their number in `given`.
        """
        names = [
            f"H_{type(g).__name__.lower()}{self.given.index(g)}"
            if isinstance(g, Let | Fact)
            else "?"
            for g in self.assumed().values()
        ]
        found = " ".join([*self.names(), *names])
        return f"intros {found}; numbers." if found else ""

    # -- what is concluded -------------------------------------------------------------

    def _conclusion(self) -> str:
        claim, p = self.claim, self.printer
        opening = ""
        names = {}
        for k, d in enumerate(self.derivatives, start=1):
            indices = tuple(sorted(symbols_of([d]) - self.free, key=str))
            bound = {i: coq_name(i) for i in indices}
            over = f"forall {' '.join(bound.values())} : nat, " if bound else ""
            exists = p.derivative(d, applied(f"d{k}", *bound.values()), bound)
            opening += f"exists d{k} : {'nat -> ' * len(bound)}R, ({over}{exists}) /\\ "
            names[d] = (f"d{k}", indices)
        p.values |= names
        if self.plain:
            return opening + p.derivative(self.sides["lhs"], p.term(self.sides["rhs"]))
        if isinstance(claim, Identity) and isinstance(self.sides["rhs"], Integral):
            function, (t, low, high) = self.sides["rhs"].args
            ends = f"{p.term(low)} {p.term(high)} {p.term(self.sides['lhs'])}"
            return f"{opening}is_RInt (fun {coq_name(t)} => {p.term(function)}) {ends}"
        if self._within:
            v, holds = coq_name(self.moving), " /\\ ".join(self.delimited())
            there = f"forall {v} : R, Domain {v} -> {holds}"
            opening += f"forall Domain : R -> Prop, interval Domain -> ({there}) ->\n  "
        return opening + self._said(claim)

    def _t(self, e: Expr) -> str:
        return self.printer.term(unfold(e))

    def _said(self, claim: Any) -> str:
        p, v = self.printer, coq_name(self.variable) if self.variable is not None else ""
        if isinstance(claim, Inequality | Identity):
            sign = "<>" if claim.relation == "!=" else claim.relation
            return f"{self._t(claim.lhs)} {sign} {self._t(claim.rhs)}"
        if isinstance(claim, Between):
            return f"{self._t(claim.lower)} <= {self._t(claim.f)} <= {self._t(claim.upper)}"
        if isinstance(claim, Limit):
            value = ENDS.get(str(claim.rhs)) or f"(Finite {self._t(claim.rhs)})"
            return f"is_lim (fun {v} => {self._t(claim.lhs)}) {ENDS[str(claim.end)]} {value}"
        if isinstance(claim, Iff):
            return self._iff(claim)
        if isinstance(claim, Along):
            t = coq_name(claim.parameter)
            curve = {claim.variable: f"(curve {t})"}
            level = p.term(unfold(claim.f), curve)
            return (
                f"forall curve : R -> R, continuous curve {t} -> curve {t} = {v} ->\n  "
                f"locally {t} (fun {t}0 => (fun {t} => {level}) {t}0 = {level}) ->\n  "
                f"is_derive (fun {t} => {p.term(unfold(claim.quantity), curve)}) {t} "
                f"{self._t(claim.slope)}"
            )
        domain = "Domain" if self._within else domain_of(self.variable)
        function = f"(fun {v} => {self._t(claim.f)})"
        if isinstance(claim, Monotone):
            word = ("increasing" if claim.increasing else "decreasing") + (
                "" if claim.strict else "_weakly"
            )
            return f"{word}_on {domain} {function}"
        if isinstance(claim, Convex):
            return f"convex{'_strictly' if claim.strict else ''}_on {domain} {function}"
        if isinstance(claim, Crosses):
            return f"crosses_on {domain} {function}"
        if isinstance(claim, OnePeak):
            word = "one_valley" if claim.valley else "one_peak"
            said = f"{word}_on {domain} {function}"
            if claim.solves:
                left, right = (self._t(e) for e in claim.solves)
                said = f"{word}_where {domain} {function} (fun {v} => {left}) (fun {v} => {right})"
            return said
        if isinstance(claim, OneRoot) and not self._within:
            return f"one_root_on_each_side {function}"
        if isinstance(claim, Expansion):
            at, n = self._t(claim.at), len(claim.coefficients) - 1
            terms = " + ".join(
                f"{self._t(c)} * ({v} - {at}) ^ {k}" for k, c in enumerate(claim.coefficients)
            )
            rest = f"({self._t(claim.f)} - ({terms})) / ({v} - {at}) ^ {n}"
            return f"is_lim (fun {v} => {rest}) {at} 0"
        raise NotPrintableError(f"{type(claim).__name__}: {claim.text()}")

    def _iff(self, claim: Iff) -> str:
        """Of two cases: the claim in the first, not in the second, whatever they are made of."""
        cases = [side for side in (claim.left, claim.right) if isinstance(side, Case)]
        sides = [self._said(s) for s in (claim.left, claim.right) if not isinstance(s, Case)]
        if not cases:
            return f"({' <-> '.join(sides)})"
        when, otherwise = (
            "".join(f"{self.printer.given(g.map(unfold))} -> " for g in given)
            for given in (cases[0].when, cases[0].otherwise)
        )
        return f"(({when}{sides[0]}) /\\ ({otherwise}~ ({sides[0]})))"


def _cases(claim: Claim) -> list[Given]:
    sides = (claim.left, claim.right) if isinstance(claim, Iff) else ()
    return [
        g.map(unfold)
        for side in sides
        for g in (*side.given, *getattr(side, "when", ()), *getattr(side, "otherwise", ()))
    ]


def _maximal(e: Expr) -> list[Derivative]:
    if isinstance(e, Derivative):
        return [e]
    return [d for a in e.args for d in _maximal(a)]


def symbols_of(expressions: Iterable[Expr]) -> set[Any]:
    """The free symbols, arrays as wholes."""
    found: set[Any] = set()

    def walk(e: Any, bound: frozenset[Any]) -> None:
        if isinstance(e, Indexed):
            found.add(_Array(e))
            for i in e.indices:
                walk(i, bound)
        elif isinstance(e, Symbol):
            if e not in bound:
                found.add(e)
        elif isinstance(e, Sum | Product | Integral):
            inner = bound | {limit[0] for limit in e.limits}
            walk(e.args[0], inner)
            for limit in e.limits:
                for a in limit[1:]:
                    walk(a, inner)
        else:
            for a in e.args:
                walk(a, bound)

    for e in expressions:
        walk(e, frozenset())
    return found


class _Array:
    """An array as a whole, by its name."""

    def __init__(self, e: Indexed) -> None:
        self.label = e.base.label
        self.arity = len(e.indices)
        self.entry = e

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Array) and str(other.label) == str(self.label)

    def __hash__(self) -> int:
        return hash(str(self.label))

    def __str__(self) -> str:
        return str(self.label)


def _type(s: Any) -> str:
    if isinstance(s, _Array):
        return "nat -> " * s.arity + ("nat" if s.entry.is_integer else "R")
    return "nat" if s.is_integer else "R"


def domain_of(v: Symbol) -> str:
    """Where a variable lies, by the name that `steps.v` has for it."""
    return "positive" if v.is_positive else "nonnegative" if v.is_nonnegative else "any"


def carried(s: Any) -> list[str]:
    """What SymPy's assumptions say of a symbol."""
    if isinstance(s, _Array):
        e, names = s.entry, [f"i{k}" for k in range(s.arity)]
        what = f"({coq_name(s)} {' '.join(names)})"
        opening = f"forall {' '.join(names)} : nat, "
    else:
        e, what, opening = s, coq_name(s), ""
    if e.is_integer:
        return [f"({opening}(0 < {what})%nat)"] if e.is_positive else []
    if e.is_positive:
        return [f"({opening}0 < {what})"]
    if e.is_nonnegative:
        return [f"({opening}0 <= {what})"]
    return [f"({opening}{what} <> 0)"] if e.is_nonzero else []
