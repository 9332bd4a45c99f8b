"""The proof of a step in Coq, written along the path that the kernel of the laws takes.

The kernel decides an identity by rewriting every part of it into a normal form. Here it writes down
what it did: each sum that it met, and what it made of it, is an equation of its own, which Coq
proves by the linearity of sums; what is left is a field. Derivatives are taken by SymPy, and Coq
checks them rule by rule.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from sympy import (
    Abs,
    Add,
    Derivative,
    Dummy,
    Expr,
    Indexed,
    KroneckerDelta,
    Mul,
    Pow,
    S,
    Sum,
    Symbol,
    exp,
    expand,
    fraction,
    log,
    sqrt,
    tanh,
    together,
)

from steering_strength.proofs_check.formal.propositions import Proposition, carried, symbols_of
from steering_strength.proofs_check.formal.terms import coq_name
from steering_strength.theory.laws.claims import Claim, Identity
from steering_strength.theory.laws.kernel import Fact, Given, NormalForm, Sign, Undecided
from steering_strength.theory.laws.kernel.normal_form import _canonical_sum
from steering_strength.theory.laws.kernel.signs import sign_of
from steering_strength.theory.laws.notation import unfold


class Trace(NormalForm):
    """A normal form that remembers what it made of each sum, exponential and logarithm it met.

    `nodes` are these, the inner ones first, each with a tactic that proves what it is.
    """

    def __init__(self, given: tuple[Given, ...], flat: bool) -> None:
        super().__init__(given)
        self.flat = flat
        self.ranges: dict[Symbol, tuple[Expr, Expr]] = {}
        self.nodes: dict[Expr, tuple[Expr, Any]] = {}

    def _rewrite(self, e: Expr) -> Expr:
        power = isinstance(e, Pow) and not e.exp.is_Integer and not isinstance(e, exp)
        if power and not _is_root(e):
            self.ratio(log(e.base))
        found = super()._rewrite(e)
        if power and _is_root(e):
            self.nodes.setdefault(sqrt(e.base), (self.restore(self._pow(e.base, S.Half)), "sqrt"))
        elif power or isinstance(e, exp | log | Abs | tanh):
            self.nodes.setdefault(e, (self.restore(found), type(e).__name__))
        return found

    def _sum(self, e: Sum) -> Expr:
        *inner, (index, lower, upper) = e.limits
        summand = e.func(e.function, *inner) if inner else e.function
        if (lower, upper) in self._splits:
            found = super()._sum(e)
            self.nodes[e] = self.restore(found), self._splits[lower, upper]
            return found
        if lower == upper or e.has(KroneckerDelta):
            raise Undecided("a sum of one term")
        j = Dummy("j", integer=True)
        self.ranges[j] = lower, upper
        body = summand.xreplace({index: j})
        lets = []
        for let in self._lets:
            if (let.lower, let.upper) == (lower, upper):
                body = self._parametrised(body, let, j)
                lets.append(let)
        numerator, denominator = fraction(together(self.ratio(body)))
        parts: dict[Expr, Expr] = {}
        total = S.Zero
        for term in Add.make_args(expand(numerator)):
            factors = Mul.make_args(term / denominator)
            inside = Mul(*(f for f in factors if self._depends(f, j)))
            outside = Mul(*(f for f in factors if not self._depends(f, j)))
            atom = _canonical_sum(self.restore(inside), ((j, lower, upper),))
            parts[atom] = parts.get(atom, S.Zero) + outside
            picked = self._sum_atom(inside, j, lower, upper)
            total += outside * picked
            if self.restore(picked) != atom:
                self.nodes[atom] = self.restore(picked), "atom"
        combination = [(self.restore(c), atom) for atom, c in parts.items()]
        self.nodes[e] = self.restore(total), (body, lets, combination)
        return total

    def _sum_atom(self, monomial: Expr, j: Symbol, lower: Expr, upper: Expr) -> Expr:
        if self.flat or not self._depends(monomial, j):
            return super()._sum_atom(monomial, j, lower, upper)
        return self._lookup(_canonical_sum(self.restore(monomial), ((j, lower, upper),)))


class Script:
    """The proof of one proposition."""

    def __init__(self, proposition: Proposition) -> None:
        self.p = proposition
        self.print = proposition.printer.term
        self.lines: list[str] = []
        self.count = 0
        self.seen: set[str] = set()
        self.end = ""

    def names(self, trace: Trace, e: Expr) -> dict[Symbol, str]:
        """The indices of the sums around an expression, by their names."""
        return {j: f"j{k}" for k, j in enumerate(s for s in trace.ranges if s in e.free_symbols)}

    def rewrite(self, left: Expr, right: Expr) -> str:
        """Bring expressions into normal form: equations, and the tactic that rewrites with them."""
        try:
            trace = Trace(self.p.given, flat=False)
            if not trace.is_zero(left - right):
                raise Undecided("sums to be exchanged")
        except Undecided:
            trace = Trace(self.p.given, flat=True)
            trace.ratio(left - right)
        names: dict[Expr, str] = {}
        for e, (value, how) in trace.nodes.items():
            if e not in names and (line := self._node(trace, names, e, value, how)):
                names[e] = f"S{self.count}"
                self.count += 1
                self.lines.append(f"assert ({names[e]} : {line}).")
        return self._with(names, left, right)

    def _with(self, names: dict[Expr, str], *expressions: Expr) -> str:
        """The tactic that rewrites with the equations of what stands in some expressions."""
        found: list[str] = []
        sizes: dict[str, int] = {}

        def walk(e: Expr) -> None:
            key = sqrt(e.base) if _is_root(e) else e
            if key in names:
                found.append(names[key])
                sizes[names[key]] = e.count_ops()
            if key not in names or (_is_root(e) and abs(e.exp) != S.Half):
                for a in e.args:
                    walk(a)

        for e in expressions:
            walk(e)
        found.sort(key=lambda name: -sizes[name])  # one may stand inside of another
        return "".join(f"use {name}; " for name in dict.fromkeys(found))

    def _node(
        self, trace: Trace, names: dict[Expr, str], e: Expr, value: Expr, how: Any
    ) -> str | None:
        """What a node is, as an equation with its proof; None where it is what it was."""
        p = self.p.printer
        bound = self.names(trace, e)
        ranges = ""
        for j, name in bound.items():
            lower, upper = trace.ranges[j]
            within = f"{p.nat(lower, bound)} <= {name} < {p.nat(upper + 1, bound)}"
            ranges += f"forall {name} : nat, ({within})%nat -> "
        here, there = self.print(e, bound), self.print(value, bound)
        if here == there:
            return None
        if isinstance(how, str):
            inside = (log(e.base), e.exp) if how == "Pow" else e.args
            inner = self._with(names, *inside) if how != "atom" else ""
            if how == "log":
                inside = self.print(_exponential(value), bound)
                proof = f"transitivity (ln {inside}); [f_equal; {inner}algebra|logs; algebra]"
            elif how == "atom":
                facts = [f"H_fact{k}" for k, g in enumerate(self.p.given) if isinstance(g, Fact)]
                proof = " || ".join(["regroup", *(f"by_fact {f}" for f in facts)])
                proof = f"({proof})"
            else:
                unfolded = "rewrite power_exp; " if how == "Pow" else ""
                proof = f"{unfolded}{inner}{how.lower()}_form"
        elif isinstance(how, tuple):
            body, lets, combination = how
            j, low, high = e.limits[-1]
            raw = (
                " + ".join(
                    f"{self.print(c, bound)} * {self.print(atom, bound)}"
                    if c != 1
                    else self.print(atom, bound)
                    for c, atom in combination
                )
                or f"0 * Sum {p.range(low, high, bound)} (fun _ => 1)"
            )
            if here == raw and combination[0][1] not in names:
                return None
            (j,) = body.free_symbols & trace.ranges.keys() - bound.keys() or (None,)
            mine = f"j{len(bound)}"
            text = self.print(body, bound | {j: mine})
            by_let = "".join(f"use (H_let{self.p.given.index(g)} {mine}); " for g in lets)
            proof = (
                f"linear {mine}; transitivity {text}; "
                f"[{self._with(names, body)}algebra|{by_let}alike]"
            )
            if any(atom in names for _, atom in combination):
                again = self._with(names, *(atom for _, atom in combination))
                proof = f"transitivity ({raw}); [{proof}|{again}algebra]"
            else:
                there = raw
        else:
            cut = p.nat(how, bound)
            *_, (_, low, high) = e.limits
            halves = [
                e.func(e.function, *e.limits[:-1], (e.limits[-1][0], a, b))
                for a, b in ((low, how - 1), (how, high))
            ]
            proof = f"rewrite (Sum_cut _ {cut}) by lia; {self._with(names, *halves)}algebra"
        return f"{ranges}{here} = {there}) by (intros; {proof}"

    def derive(self, f: Expr, v: Symbol) -> Expr:
        """The derivatives of the sums in a function, each with its proof; the function's own."""
        seen = f"deriv {f} {v}"
        if seen not in self.seen:
            self.seen.add(seen)
            for s in _sums_of(f, v):
                free = sorted(symbols_of([s]) - self.p.free, key=str)
                bound = {i: f"{coq_name(i)}_" for i in free}
                name = f"D{self.count}"
                self.count += 1
                opening = f"forall {' '.join(bound.values())} : nat, " if bound else ""
                condition = "".join(f"{c} -> " for c in carried(v) if v.is_positive)
                vn = coq_name(v)
                claim = (
                    f"{opening}forall {vn} : R, {condition}is_derive (fun {vn} => "
                    f"{self.print(s, bound)}) {vn} {self.print(s.diff(v), bound)}"
                )
                how = (
                    "intros; eapply is_derive_value; [apply is_derive_range; intros; derive|"
                    "cbv beta; apply Sum_range_ext; intros; calculus]"
                )
                self.lines.append(f"assert ({name} : {claim}) by ({how}).")
        return f.diff(v)

    def differentiate(self, d: Derivative, bound: dict[Any, str]) -> Expr:
        """Prove that a derivative exists, the goal being that; its value."""
        ((v, order),) = d.variable_count
        if isinstance(v, Indexed) or order > 2:
            raise Undecided("no script for this derivative")
        once = self.derive(d.expr, v)
        if order == 1:
            self.end = "eapply is_derive_value; [derive|calculus]"
            return once
        twice = self.derive(once, v)
        domain = "positive" if v.is_positive else "any"
        near = "locally_positive; assumption" if v.is_positive else "locally_any"
        self.end = (
            f"apply (derive_twice {domain} _ (fun {coq_name(v)} => {self.print(once, bound)})); "
            f"[apply {near}|unfold {domain}; intros; eapply is_derive_value; [derive|calculus]|"
            "eapply is_derive_value; [derive|calculus]]"
        )
        return twice

    def applied(
        self, premise: Claim, name: Callable[[Claim], str], but: Collection[str] = (),
        values: Mapping[str, Expr] | None = None,
    ) -> str:  # fmt: skip
        """The theorem of a premise at some values, and at the symbols of the same name here."""
        own = Proposition(premise)
        at = {b: b for b in {*self.p.names()} - {*but}}
        at |= {b: self.print(unfold(e)) for b, e in (values or {}).items()}
        return f"({name(premise)} {' '.join(at.get(b, '_') for b in own.names())})"

    def premise(
        self, label: str, premise: Claim, name: Callable[[Claim], str], v: Symbol | None = None
    ) -> None:
        """State a premise, for every value of the variable, from its theorem."""
        own = Proposition(premise)
        v = v or self.p.variable
        here = self.p.names()
        fixed = {own.moving, *(() if v in own.symbols else (v,))}
        every = [
            s
            for s in sorted(own.free, key=str)
            if isinstance(s, Symbol) and s not in fixed and (s == v or coq_name(s) not in here)
        ]
        opening = ""
        for s in every:
            holds = self.p.delimited() if s == self.p.moving else carried(s)
            opening += f"forall {coq_name(s)} : {'nat' if s.is_integer else 'R'}, "
            opening += "".join(f"{line} -> " for line in holds)
        self.lines.append(
            f"assert ({label} : {opening}{own.conclusion}) by (intros; eapply "
            f"{self.applied(premise, name, [*map(coq_name, every)])}; step_premise)."
        )


def manifest(e: Expr, signs: tuple[Sign, ...]) -> Expr:
    """A positive expression with its negative factors turned, two by two."""
    if any(e == g.expr for g in signs):
        return e
    try:
        if isinstance(e, Add):
            for g in signs:
                if isinstance(g.expr, Add) and set(g.expr.args) < set(e.args):
                    return Add(g.expr, manifest(e - g.expr, signs), evaluate=False)
            if not any(isinstance(a, exp) or isinstance(-a, exp) for a in e.args):
                return Add(*(manifest(a, signs) for a in e.args), evaluate=False)
        if isinstance(e, Mul):
            turned = [sign_of(f, signs) in ("-", "0-") for f in e.args]
            if any(turned):
                parts = [_minus(f) if turn else f for f, turn in zip(e.args, turned, strict=True)]
                return Mul(*(manifest(f, signs) for f in parts if f != 1), evaluate=False)
            return Mul(*(manifest(f, signs) for f in e.args), evaluate=False)
        if isinstance(e, Sum):
            return e.func(manifest(e.function, signs), *e.limits)
    except Undecided:
        pass
    return e


def _minus(e: Expr) -> Expr:
    """What is positive where a sum or a number is not."""
    if isinstance(e, Sum):
        return e.func(-e.function, *e.limits)
    if not isinstance(e, Add) and not e.is_Number:
        raise Undecided(f"{e} is no sum")
    return -e


def _is_root(e: Any) -> bool:
    return isinstance(e, Pow) and e.exp.is_Rational and e.exp.q == 2


def _exponential(value: Expr) -> Expr:
    """The exponential of a combination of logarithms, as a product."""
    factors = []
    for term in Add.make_args(value):
        c, rest = term.as_coeff_Mul()
        power = isinstance(rest, log) and (c.is_Integer or c.q == 2)
        factors.append(rest.args[0] ** c if power else exp(term))
    return Mul(*factors)


def _sums_of(e: Expr, v: Symbol) -> list[Sum]:
    found = []
    for a in e.args:
        found += [s for s in _sums_of(a, v) if s not in found]
    if isinstance(e, Sum) and v in e.free_symbols:
        found.append(e)
    return found


def limit(script: Script) -> None:
    """A limit that the kernel takes: exponentials first, then by structure."""
    p, claim = script.p, script.p.claim
    v = claim.variable
    lhs, rhs = p.sides["lhs"], p.sides["rhs"]
    if rhs.is_infinite and rhs.is_negative:
        raise Undecided("a limit of minus infinity")
    vn = coq_name(v)
    left = str(claim.end) == "-oo"
    signs = tuple(g for g in p.given if isinstance(g, Sign))
    for k, e in enumerate(sorted(lhs.atoms(exp), key=str)):
        if v not in e.free_symbols:
            continue
        rate = (e.args[0] / v).expand()
        if v in rate.free_symbols:
            raise Undecided("an exponential of another form")
        grows = sign_of(rate, signs) == ("-" if left else "+")
        free = sorted(symbols_of([e]) - p.free - {v}, key=str)
        bound = {i: f"{coq_name(i)}_" for i in free}
        opening = f"forall {' '.join(bound.values())} : nat, " if bound else ""
        which = ("exp_grows" if grows else "exp_vanishes") + ("_left" if left else "")
        script.lines.append(
            f"assert (L{k} : {opening}is_lim (fun {vn} => {script.print(e, bound)}) "
            f"{'m_infty' if left else 'p_infty'} {'p_infty' if grows else '0'}) by (intros; apply "
            f"({which} {script.print(rate if grows == (not left) else -rate, bound)}); "
            "[sgn|intros; ring])."
        )
    if rhs.is_infinite:
        script.lines.append("infinite.")
        return
    script.lines.append("eapply is_lim_value; [limit|value; algebra].")


def direct(script: Script) -> None:
    """An identity or an inequality that the kernel decides."""
    proposition, claim = script.p, script.p.claim
    values: dict[Expr, Expr] = {}
    for d in proposition.derivatives:
        indices = proposition.printer.values[d][1]
        bound = {i: coq_name(i) for i in indices}
        values[d] = script.differentiate(d, bound)
        if bound:
            witness = f"(fun {' '.join(bound.values())} => {script.print(values[d], bound)})"
            script.lines.append(f"exists {witness}; split; [intros; {script.end}|].")
        else:
            script.lines.append(f"exists {script.print(values[d])}; split; [{script.end}|].")
    proposition.printer.values.clear()
    lhs, rhs = (proposition.sides[k].xreplace(values) for k in ("lhs", "rhs"))
    if isinstance(claim, Identity):
        if proposition.plain:
            value = script.differentiate(lhs, {})
            lemma = "is_derive_value" if lhs.variable_count[0][1] == 1 else "derive_2_value"
            script.lines.append(
                f"eapply {lemma} with (d := {script.print(value)}); [{script.end}|]."
            )
            lhs = value
        done = script.rewrite(lhs, rhs)
        script.lines.append(f"{done}algebra.")
    else:
        if claim.relation == "!=":
            raise Undecided("no script")
        strict, less = claim.relation in ("<", ">"), claim.relation in ("<", "<=")
        below, above = (lhs, rhs) if less else (rhs, lhs)
        whole = above - below
        signs = tuple(g for g in proposition.given if isinstance(g, Sign))
        if claim.form is not None:
            form = unfold(claim.form).xreplace(values)
            form = -form if less else form
        else:
            form = whole
            if whole.has(Sum) and not _holds(whole, signs, strict):
                form = Trace(proposition.given, flat=False).canonical(whole)
        if claim.form is None or not form.has(Sum) or form.could_extract_minus_sign():
            form = manifest(form, signs)
        proof = "algebra" if form == whole else f"({script.rewrite(whole, form)}algebra)"
        script.lines.append(
            f"assert (E : {script.print(above)} - {script.print(below)} = {script.print(form)}) "
            f"by {proof}."
        )
        sign = "<" if strict else "<="
        script.lines.append(f"assert (W : 0 {sign} {script.print(form)}) by sgn; lra.")


def _holds(e: Expr, signs: tuple[Sign, ...], strict: bool) -> bool:
    """Whether an expression shows its sign as it stands."""
    try:
        return sign_of(e, signs) in (("+", "0") if strict else ("+", "0", "0+"))
    except Undecided:
        return False
