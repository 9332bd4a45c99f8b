"""The proof of a step in Coq, written along the path that the kernel of the laws takes.

The kernel decides an identity by rewriting every part of it into a normal form. Here it writes down
what it did: each sum that it met, and what it made of it, is an equation of its own, which Coq
proves by the linearity of sums; what is left is a field. Derivatives are taken by SymPy, and Coq
checks them rule by rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sympy import (
    Add,
    Derivative,
    Dummy,
    Expr,
    Indexed,
    KroneckerDelta,
    Mul,
    S,
    Sum,
    Symbol,
    exp,
    expand,
    fraction,
    log,
    together,
)

from steering_strength.proofs_check.formal.propositions import Proposition, carried, symbols_of
from steering_strength.proofs_check.formal.terms import coq_name
from steering_strength.theory.laws.claims import Claim, Identity, Inequality, Limit
from steering_strength.theory.laws.kernel import Fact, Given, Let, NormalForm, Sign, Undecided
from steering_strength.theory.laws.kernel.normal_form import _canonical_sum
from steering_strength.theory.laws.kernel.signs import sign_of
from steering_strength.theory.laws.notation import unfold

__all__ = ["proof"]


class Trace(NormalForm):
    """A normal form that remembers, of each sum it meets, the combination that it makes of it."""

    def __init__(self, given: tuple[Given, ...]) -> None:
        super().__init__(given)
        self.ranges: dict[Symbol, tuple[Expr, Expr]] = {}
        self.sums: dict[Sum, list[tuple[Expr, Expr]] | None] = {}

    def _sum(self, e: Sum) -> Expr:
        *inner, (index, lower, upper) = e.limits
        summand = Sum(e.function, *inner) if inner else e.function
        if (lower, upper) in self._splits:
            found = super()._sum(e)
            self.sums[e] = None
            return found
        if lower == upper or e.has(KroneckerDelta):
            raise Undecided("a sum of one term")
        j = Dummy("j", integer=True)
        self.ranges[j] = lower, upper
        body = summand.xreplace({index: j})
        for let in self._lets:
            if (let.lower, let.upper) == (lower, upper):
                body = self._parametrised(body, let, j)
        numerator, denominator = fraction(together(self.ratio(body)))
        parts: dict[Expr, Expr] = {}
        for term in Add.make_args(expand(numerator)):
            factors = Mul.make_args(term / denominator)
            inside = Mul(*(f for f in factors if self._depends(f, j)))
            outside = Mul(*(f for f in factors if not self._depends(f, j)))
            atom = _canonical_sum(self.restore(inside), ((j, lower, upper),))
            parts[atom] = parts.get(atom, S.Zero) + outside
        self.sums[e] = [(self.restore(c), atom) for atom, c in parts.items()]
        return Add(*(c * self._new(atom) for atom, c in parts.items()))


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
        return {j: f"j{k}" for k, j in enumerate(s for s in trace.ranges if s in e.free_symbols)}

    def rewrite(self, *expressions: Expr) -> str:
        """Bring expressions into normal form: equations, and the tactic that rewrites with them."""
        p = self.p.printer
        trace = Trace(self.p.given)
        for e in expressions:
            trace.ratio(e)
        used: list[str] = []
        lets = [f"?(H_let{k} index)" for k, g in enumerate(self.p.given) if isinstance(g, Let)]
        facts = [f"?H_fact{k}" for k, g in enumerate(self.p.given) if isinstance(g, Fact)]
        by_let = f"rewrite {', '.join(lets)} by lia; " if lets else ""

        def with_them() -> str:
            every = [*("?" + u for u in reversed(used)), *facts]
            return f"rewrite {', '.join(every)} by lia; " if every else ""

        for e in list(trace._known):
            if isinstance(e, Sum) and e in trace.sums:
                parts = trace.sums[e]
            elif isinstance(e, log):
                inside = trace.canonical(e.args[0])
                if inside == e.args[0] or not e.has(Sum):
                    continue
            else:
                continue
            bound = self.names(trace, e)
            ranges = ""
            for j, name in bound.items():
                lower, upper = trace.ranges[j]
                within = f"{p.nat(lower, bound)} <= {name} < {p.nat(upper + 1, bound)}"
                ranges += f"forall {name} : nat, ({within})%nat -> "
            if isinstance(e, log):
                value = f"(ln {self.print(inside, bound)})"
                how = f"f_equal; {with_them()}algebra"
            else:
                _, low, high = e.limits[-1]
                if parts is None:
                    cut = p.nat(trace._splits[low, high], bound)
                    value = self.print(trace.restore(trace.ratio(e)), bound)
                    how = f"rewrite (Sum_cut _ {cut}) by lia; {with_them()}algebra"
                elif parts == [(1, _canonical_sum(e.function, e.limits))]:
                    continue
                else:
                    value = (
                        " + ".join(
                            f"{self.print(c, bound)} * {self.print(atom, bound)}"
                            for c, atom in parts
                        )
                        or f"0 * Sum {p.range(low, high, bound)} (fun _ => 1)"
                    )
                    how = f"linear; {by_let}{with_them()}algebra"
            name = f"S{self.count}"
            self.count += 1
            claim = f"{ranges}{self.print(e, bound)} = {value}"
            self.lines.append(f"assert ({name} : {claim}) by (intros; {how}).")
            used.append(name)
        return with_them()

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

    def applied(self, premise: Claim, name: Callable[[Claim], str], local: str = "") -> str:
        """The theorem of a premise at the symbols of the same name that are here."""
        own = Proposition(premise)
        here = {*self.p.names(), local}
        binders = " ".join(b if b in here else "_" for b in own.names())
        return f"({name(premise)} {binders})"

    def premise(self, label: str, premise: Claim, name: Callable[[Claim], str]) -> None:
        """State a premise, for every value of the variable, from its theorem."""
        own = Proposition(premise)
        v = self.p.variable
        opening = local = ""
        if v is not None and v != own.moving and v in own.symbols:
            local = coq_name(v)
            opening = f"forall {local} : R, {''.join(c + ' -> ' for c in carried(v))}"
        self.lines.append(
            f"assert ({label} : {opening}{own.conclusion}) by "
            f"(intros; eapply {self.applied(premise, name, local)}; step_premise)."
        )


def _negative(e: Expr) -> bool:
    """Whether a negative number stands outside of exponents."""
    if isinstance(e, exp):
        return False
    return (e.is_Number and e.is_negative) or any(
        _negative(a) for a in (e.args[:1] if e.is_Pow or isinstance(e, Sum) else e.args)
    )


def _sums_of(e: Expr, v: Symbol) -> list[Sum]:
    found = []
    for a in e.args:
        found += [s for s in _sums_of(a, v) if s not in found]
    if isinstance(e, Sum) and v in e.free_symbols:
        found.append(e)
    return found


def proof(proposition: Proposition, name: Callable[[Claim], str]) -> str:
    """A script that may or may not go through; `name` is the theorem of a premise.

    Raises
    ------
    Undecided
        There is no script for a claim of this kind.
    """
    claim: Any = proposition.claim
    script = Script(proposition)
    if claim.by is not None:
        _by_rule(script, name)
    elif isinstance(claim, Limit):
        _limit(script)
    elif isinstance(claim, Identity | Inequality):
        _direct(script)
    else:
        raise Undecided("the kernel does not decide this")
    return "\n".join(script.lines)


_SLOPES = {
    (True, True): "rises",
    (True, False): "rises_weakly",
    (False, True): "falls",
    (False, False): "falls_weakly",
}


def _by_rule(script: Script, name: Callable[[Claim], str]) -> None:
    p, claim = script.p, script.p.claim
    rule = claim.by.name
    if rule in ("instance", "proved hypothesis"):
        others = claim.premises[1:]
        for k, premise in enumerate(others):
            script.premise(f"P{k}", premise, name)
        first = script.applied(claim.premises[0], name)
        script.lines.append(f"first [ eapply {first}; step_premise | exact_by_order {first} ].")
        return
    for k, premise in enumerate(claim.premises):
        script.premise(f"P{k}", premise, name)
    if rule in ("both bounds", "transitivity", "combination of inequalities"):
        script.lines.append("first [ lra | split; lra ].")
    elif rule == "equals for equals" and isinstance(claim, Limit):
        if p.variable.is_positive:
            script.lines.append(
                "eapply lim_eventually; [intros; symmetry; apply P0; assumption|exact P1]."
            )
        else:
            script.lines.append("eapply is_lim_ext; [intros; symmetry; apply P0|exact P1].")
    elif rule == "equals for equals":
        script.lines.append("rewrite P0; exact P1.")
    elif rule == "sign of the derivative":
        lemma = _SLOPES[claim.increasing, claim.strict]
        script.lines.append(f"apply {lemma}; [is_interval|intros ? ?; apply P0; assumption].")
    elif rule == "convexity":
        lemma = f"convex_{'strictly_' if claim.strict else ''}by_curvature"
        script.lines.append(f"apply {lemma}; [is_interval|intros ? ?; apply P0; assumption].")
    elif rule == "Taylor's theorem" and len(claim.premises) == 3:
        script.lines.append("rewrite <- P2; apply taylor_1; [exact P0|apply P1; lra].")
    elif rule == "Taylor's theorem" and len(claim.premises) == 2:
        script.lines.append("apply taylor_1; [exact P0|apply P1; lra].")
    elif rule == "order of the logarithm":
        script.lines.append("rewrite <- ln_1; apply ln_nondecreasing; lra.")
    else:
        raise Undecided(f"no script for the rule {rule}")


def _limit(script: Script) -> None:
    p, claim = script.p, script.p.claim
    v = claim.variable
    lhs, rhs = p.sides["lhs"], p.sides["rhs"]
    if rhs.is_infinite:
        raise Undecided("an infinite limit")
    vn = coq_name(v)
    left = str(claim.end) == "-oo"
    for k, e in enumerate(sorted(lhs.atoms(exp), key=str)):
        if v not in e.free_symbols:
            continue
        rate = (e.args[0] / v).expand()
        if v in rate.free_symbols:
            raise Undecided("an exponential of another form")
        rate = rate if left else -rate
        free = sorted(symbols_of([e]) - p.free - {v}, key=str)
        bound = {i: f"{coq_name(i)}_" for i in free}
        opening = f"forall {' '.join(bound.values())} : nat, " if bound else ""
        which = "exp_vanishes_left" if left else "exp_vanishes"
        script.lines.append(
            f"assert (L{k} : {opening}is_lim (fun {vn} => {script.print(e, bound)}) "
            f"{'m_infty' if left else 'p_infty'} 0) by (intros; apply ({which} "
            f"{script.print(rate, bound)}); [sgn|intros; ring])."
        )
    script.lines.append("eapply is_lim_value; [limit|value; algebra].")


def _direct(script: Script) -> None:
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
        less = claim.relation in ("<", "<=")
        whole = rhs - lhs if less else lhs - rhs
        form = unfold(claim.form).xreplace(values) if claim.form is not None else None
        if form is None:
            form = whole
            try:
                weak = sign_of(whole, tuple(g for g in proposition.given if isinstance(g, Sign)))
            except Undecided:
                weak = ""
            fine = ("+", "0") if claim.relation in (">", "<") else ("+", "0", "0+")
            if (weak not in fine or _negative(whole)) and whole.has(Sum):
                form = Trace(proposition.given).canonical(whole)
        elif less:
            form = -form
        sign = "<" if claim.relation in ("<", ">") else "<="
        if claim.relation == "!=":
            raise Undecided("no script")
        if form != whole:
            done = script.rewrite(whole, form)
            script.lines.append(
                f"assert (E : {script.print(rhs if less else lhs)} - "
                f"{script.print(lhs if less else rhs)} = {script.print(form)}) "
                f"by ({done}algebra)."
            )
        else:
            script.lines.append(
                f"assert (E : {script.print(rhs if less else lhs)} - "
                f"{script.print(lhs if less else rhs)} = {script.print(form)}) by algebra."
            )
        script.lines.append(f"assert (W : 0 {sign} {script.print(form)}) by sgn; lra.")
