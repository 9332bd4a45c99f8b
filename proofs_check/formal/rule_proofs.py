"""The proofs of the steps that a rule of analysis concludes from steps before.

For each rule one theorem of `steps.v`: its hypotheses are the premises, which the script states as
they are printed, and takes from their own theorems.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations, product
from typing import Any

from sympy import Add, Derivative, Dummy, Expr, Mul, S, Symbol, preorder_traversal

from steering_strength.proofs_check.formal.proofs import Script, direct, limit
from steering_strength.proofs_check.formal.propositions import Proposition, domain_of
from steering_strength.proofs_check.formal.terms import coq_name
from steering_strength.theory.laws.claims import Claim, Identity, Iff, Inequality, Limit
from steering_strength.theory.laws.kernel import Let, Undecided
from steering_strength.theory.laws.notation import unfold
from steering_strength.theory.laws.shapes import OnePeak, OneRoot

Name = Callable[[Claim], str]


def proof(proposition: Proposition, name: Name) -> str:
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
        limit(script)
    elif isinstance(claim, Identity | Inequality):
        direct(script)
    else:
        raise Undecided("the kernel does not decide this")
    return "\n".join(script.lines)


_ALWAYS: Mapping[str, str] = {
    "both bounds": "first [ lra | split; lra ].",
    "transitivity": "lra.",
    "detachment": "apply P0; first [ exact P1 | lra ].",
    "order of the logarithm": "first [ rewrite <- ln_1; apply ln_nondecreasing; lra "
    "| apply ln_nondecreasing; lra ].",
    "order of an increasing function": "apply (increasing_iff _ _ _ _ _ P0); "
    "[at_place P1|at_place P2].",
    "square root": "apply square_root; exact P0.",
    "stationary point": "apply stationary; [exact P0| |exact P2]; intros; "
    "eapply is_derive_value; [apply P1|cbv beta; ring].",
    "strict convexity": "apply valley; [intros ? ?; apply C|exact P1|exact P2].",
    "single crossing": "intros Domain HD holds; apply single_crossing; "
    "[exact HD|apply holds|].\nintros t Ht; destruct (holds t Ht); "
    "edestruct (P0 t) as [d [Hd E]]; try tauto.\n"
    "exists d; split; [exact Hd|]; assert (N := P1 t); lra.",
}
"""Rules whose proof is the same whatever the claim: the premises are P0, P1, ..., and C where a
function is convex for its curvature."""


def _by_rule(script: Script, name: Name) -> None:
    p, claim = script.p, script.p.claim
    rule, add = claim.by.name, script.lines.append
    if rule in ("instance", "proved hypothesis"):
        others = claim.premises[1:]
        for k, premise in enumerate(others):
            script.premise(f"P{k}", premise, name)
        found = _values(claim.premises[0], claim) if rule == "instance" else {}
        first = script.applied(claim.premises[0], name, values=found)
        reals = [coq_name(s) for s in Proposition(claim.premises[0]).symbols if _is_real(s)]
        loose = script.applied(claim.premises[0], name, reals)
        if found:
            add(f"first [ eapply {first}; step_premise | same_by_order {first} ].")
            return
        add(
            f"first [ eapply {first}; step_premise | eapply {loose}; step_premise "
            f"| eapply {name(claim.premises[0])}; step_premise | exact_by_order {first} ]."
        )
        return
    if rule == "two cases":
        yes, no = (script.applied(premise, name) for premise in claim.premises)
        add(
            f"split; [intros; eapply {yes}; step_premise"
            f"|intros; apply Rle_not_gt; eapply {no}; step_premise]."
        )
        return
    v = getattr(claim, "variable", None)
    if rule in _CURVED:
        convex = claim.premises[0]
        v = convex.variable
        if convex.by is None or convex.by.name != "convexity":
            raise Undecided("the curvature is not a premise")
        script.premise("C", convex.premises[0], name, v)
    elif rule in ("integration of inequalities", "Grönwall's inequality", "mean value inequality"):
        slopes = (getattr(q, "lhs", None) for q in claim.premises)
        v = next(d for d in slopes if isinstance(d, Derivative)).variables[0]
    for k, premise in enumerate(claim.premises):
        script.premise(f"P{k}", premise, name, v)
    domain = "any" if v is None else domain_of(v)
    if rule in _ALWAYS:
        add(_ALWAYS[rule])
    elif rule == "combination of inequalities":
        for premise in claim.premises:
            for term in Add.make_args(p.sides["lhs"]):
                factor = term / unfold(premise.lhs)
                if factor.is_positive and unfold(premise.lhs) in Mul.make_args(term):
                    c, a = script.print(factor), script.print(unfold(premise.lhs))
                    add(f"assert (0 <= {c} * {a}) by (apply Rmult_le_pos; [sgn|lra]).")
        add("lra.")
    elif rule == "induction over prefixes" and isinstance(claim, Identity):
        _texts(script)
    elif rule == "equals for equals" and isinstance(claim, Limit):
        add("eapply is_lim_ext; [intros; symmetry; apply P0|exact P1].")
    elif rule == "equals for equals":
        add("first [ rewrite P0; exact P1 | rewrite <- P0 in P1; lra | lra ].")
    elif rule == "sign of the derivative":
        add(f"apply {_slope(claim)}; [is_interval|intros ? ?; apply P0; assumption].")
    elif rule == "convexity":
        lemma = f"convex_{'strictly_' if claim.strict else ''}by_curvature"
        add(f"apply {lemma}; [is_interval|intros ? ?; apply P0; assumption].")
    elif rule == "Taylor's theorem" and len(claim.coefficients) == 2:
        slope = next(k for k, q in enumerate(claim.premises) if _is_slope(q))
        known = " | ".join(f"at_place P{k}" for k, q in enumerate(claim.premises) if k != slope)
        value = f"first [ alike_at{known and ' | '}{known} | algebra ]"
        c = " ".join(script.print(unfold(e)) for e in (claim.at, *claim.coefficients))
        f = f"(fun {coq_name(v)} => {script.print(unfold(claim.f))})"
        add(
            f"apply (taylor_1 {f} {c}); [{value}|eapply is_derive_value; "
            f"[apply P{slope}; in_domain|{value}]]."
        )
    elif rule == "zero of a quotient":
        g = script.print(unfold(claim.premises[1].lhs))
        exists = "eexists; split; [exact P0|]; " if p.derivatives else ""
        same = "algebra" if p.derivatives else "etransitivity; [exact P0|algebra]"
        add(f"{exists}apply (zero_quotient _ _ {g}); [{same}|lra].")
    elif rule == "value of an increasing function":
        rise, place = claim.premises[0], claim.given[-1].expr + claim.premises[0].variable
        vn, end = coq_name(rise.variable), script.print(unfold(place))
        function = f"(fun {vn} => {script.print(unfold(rise.f))})"
        add(
            f"apply (value_before {domain_of(rise.variable)} {function} {vn} {end}); "
            "[auto|in_domain|in_domain|lra|cbv beta; lra]."
        )
    elif rule == "reciprocal":
        lemma = "valley" if isinstance(claim, OnePeak) else "falls" if claim.increasing else "rises"
        form = "cbv beta; etransitivity; [|apply P0; in_domain]; algebra"
        add(
            f"eapply (reciprocal_{lemma} {domain}); "
            f"[|intros; apply P2; in_domain|exact P1]; intros; {form}."
        )
    elif rule == "affine image":
        word = "peak_where" if isinstance(claim, OnePeak) else _slope(claim)
        f = unfold(claim.premises[1].f)
        d = Dummy("f", real=True)
        rest = unfold(claim.premises[0].rhs).xreplace({f: d})
        k, c = rest.diff(d), rest.xreplace({d: S.Zero})
        add(
            f"eapply (affine_{word} {domain} (fun {coq_name(v)} => {script.print(f)}) _ "
            f"{script.print(k)} {script.print(c)}); "
            "[intros; cbv beta; etransitivity; [apply P0|algebra]|sgn|exact P1]."
        )
    elif rule in _CURVED:
        _tangent(script, v, domain)
    elif rule == "mean value inequality":
        f = f"(fun {coq_name(v)} => {script.print(unfold(claim.premises[1].lhs.expr))})"
        r = script.print(unfold(claim.premises[1].rhs))
        at_zero = "first [ at_place P0 | alike_at ]"
        add(
            f"apply (bounded_growth {f} {r}); [{at_zero}|intros; apply P1|intros; "
            "destruct (P2 t) as [slope [K1 K2]]; exists slope; split; [exact K1|lra]]."
        )
    elif rule == "Grönwall's inequality":
        f, g = (
            script.print(unfold(e)) for e in (claim.premises[0].lhs.expr, claim.premises[0].rhs)
        )
        vn, r = coq_name(v), script.print(_rate(claim))
        add(
            f"assert (G := gronwall (fun {vn} => {f}) (fun {vn} => {g}) {r} {vn}); cbv beta in G; "
            "destruct G; [in_domain|intros; apply P0|intros; assert (N := P1 t); lra"
            "|intros; assert (N := P2 t); lra|]."
        )
        add(
            "split; [eapply Rle_trans; [|eassumption]|eapply Rle_trans; [eassumption|]]; "
            "apply Req_le; alike_at."
        )
    elif rule == "integration of inequalities":
        _integrated(script, v)
    else:
        raise Undecided(f"no script for the rule {rule}")


_CURVED = (
    "strict convexity", "a convex function lies above its tangents", "one root on each side",
)  # fmt: skip


def _texts(script: Script) -> None:
    """A sum over all texts, prefix by prefix: each has its entries from the one before it."""
    p, step = script.p, script.p.claim.premises[0]
    whole = p.sides["lhs"]
    ((k, size, _),) = whole.limits
    ((z, _, last),) = step.lhs.limits
    (j,) = (s for s in unfold(step.rhs).free_symbols - p.symbols if s.is_integer)
    number, tokens = p.printer.nat(size), p.printer.nat(last + 1)
    each = script.print(whole.function, {k: "k"})
    child = script.print(unfold(step.lhs).function, {j: "j", z: "z"})
    lets = [f"H_let{i}" for i, g in enumerate(p.given) if isinstance(g, Let)]
    begun = "".join(f"use ({h} 0%nat); " for h in lets[::2])
    grown = "".join(f"use ({h} (1 + {tokens} * j + z)%nat); " for h in lets[1::2])
    gain = unfold(step.rhs) - whole.function.xreplace({k: j})
    script.lines += [
        f"assert (T := over_texts {tokens} {number} (fun k => {each}) (fun j z => {child})).",
        "specialize (T ltac:(lia)); cbv beta in T.",
        f"assert (K : forall j z : nat, (j < {number})%nat -> (z < {tokens})%nat -> "
        f"(1 <= 1 + {tokens} * j + z < 1 + {tokens} * {number})%nat) by (intros; nia).",
        f"replace ({p.printer.nat(whole.limits[0][2] + 1)}) "
        f"with (1 + {tokens} * {number})%nat by lia.",
        "rewrite T; [|intros j z Hj Hz; specialize (K j z Hj Hz); "
        f"{grown}rewrite ?prefix_before, ?last_token by lia; alike].",
    ]
    rest = f"Sum (range 0 {number}) (fun j => {script.print(gain.expand(), {j: 'j'})})"
    script.lines.append(
        f"replace (Sum (range 0 {number}) _) with ({rest}) by (apply Sum_range_ext; intros j ?; "
        "cbv beta; rewrite P0; ring)."
    )
    script.lines.append(f"{begun}{'rewrite Sum_zero by easy; ' if gain == 0 else ''}alike.")


def _slope(claim: Any) -> str:
    return ("rises" if claim.increasing else "falls") + ("" if claim.strict else "_weakly")


def _is_slope(claim: Any) -> bool:
    return isinstance(claim, Identity) and isinstance(claim.lhs, Derivative)


def _is_real(s: Any) -> bool:
    return isinstance(s, Symbol) and not s.is_integer


def _values(general: Claim, special: Claim) -> dict[str, Expr]:
    """At which values of its real variables a claim is another one; nothing if at none found."""
    if isinstance(general, Iff):
        return {}
    free = {s for e in general.expressions() for s in e.free_symbols}
    gone = [s for s in sorted(free, key=str) if _is_real(s)]
    parts = {
        a for e in special.expressions() for a in preorder_traversal(e) if a.is_real is not False
    }
    parts = {a for a in parts if isinstance(a, Expr) and not a.is_Boolean}
    for size in (1, 2):
        for some in combinations(gone, size):
            if len(parts) ** size > 4000:
                continue
            for values in product(sorted(parts, key=str), repeat=size):
                at = dict(zip(some, values, strict=True))
                if tuple(e.xreplace(at) for e in general.expressions()) == special.expressions():
                    return {coq_name(s): e for s, e in at.items()}
    return {}


def _rate(claim: Any) -> Expr:
    """The rate R of Grönwall's inequality: its first hypothesis is R f - g >= 0."""
    f, d = unfold(claim.premises[0].lhs.expr), Dummy("f", real=True)
    rate: Expr = unfold(claim.premises[1].lhs).xreplace({f: d}).diff(d)
    return rate


def _flat(script: Script, label: str, f: Expr, v: Symbol) -> str:
    """State that a function and its slope vanish at 0, as premises say; the function."""
    here = {k: q for k, q in enumerate(script.p.claim.premises) if isinstance(q, Identity)}
    at = {k: unfold(q.lhs) for k, q in here.items() if q.rhs == 0}
    start = f.xreplace({v: S.Zero})
    values = " | ".join(f"at_place P{k}" for k in at)
    (slope,) = [
        k for k, q in here.items()
        if _is_slope(q) and q.lhs.variable_count[0][1] == 1 and unfold(q.lhs.expr) == f
    ]  # fmt: skip
    vn = coq_name(v)
    function = f"(fun {vn} => {script.print(f)})"
    values = f"first [ {values} | alike_at ]" if start != 0 else "alike_at"
    script.lines.append(f"assert (V{label} : {function} 0 = 0) by ({values}).")
    rates = " | ".join([*(f"at_place P{k}" for k in at), "alike_at"])
    script.lines.append(
        f"assert (S{label} : is_derive {function} 0 0) by (eapply is_derive_value; "
        f"[apply P{slope}; in_domain|first [ {rates} ]])."
    )
    return function


def _tangent(script: Script, v: Symbol, domain: str) -> None:
    claim = script.p.claim
    f = unfold(claim.premises[0].f)
    function = _flat(script, "f", f, v)
    if isinstance(claim, OneRoot):
        script.lines.append("apply root_on_each_side; [intros ? ?; apply C|exact Vf|exact Sf].")
        return
    strict = claim.relation == ">"
    lemma = "above_tangent_strictly" if strict else "above_tangent"
    curved = (
        "assert (K := C t); try specialize (K Ht); destruct K as [slope [K1 K2]]; "
        "exists slope; split; [exact K1|lra]"
    )
    places = " | ".join(
        f"enough (0 {'<' if strict else '<='} {function} {place}) by (cbv beta in *; lra)"
        for place in (coq_name(v), f"((- 1) * {coq_name(v)})")
    )
    script.lines.append(f"first [ {places} ].")
    script.lines.append(
        f"apply ({lemma} {domain} interval_{domain} {function}); "
        f"[in_domain|exact Vf|exact Sf|intros t Ht; {curved}|in_domain{'|lra' if strict else ''}]."
    )


def _integrated(script: Script, v: Symbol) -> None:
    claim, vn = script.p.claim, coq_name(v)
    functions = [unfold(e) for e in (claim.lower, claim.f, claim.upper)]
    named, curves = [], []
    for k, f in enumerate(functions):
        named.append(_flat(script, str(k), f, v))
        (curve,) = [
            i for i, q in enumerate(claim.premises)
            if _is_slope(q) and q.lhs.variable_count[0][1] == 2 and unfold(q.lhs.expr) == f
        ]  # fmt: skip
        curves.append((curve, f"(fun {vn} => {script.print(unfold(claim.premises[curve].rhs))})"))
    proofs = []
    for a, b in ((0, 1), (1, 2)):
        (i, below), (j, above) = curves[a], curves[b]
        proofs.append(
            f"apply (ordered_by_curvature {named[a]} {named[b]} {below} {above}); "
            f"[intros; apply P{i}; assumption|intros; apply P{j}; assumption"
            f"|intros t Ht; apply (P0 t Ht)|exact V{a}|exact V{b}|exact S{a}|exact S{b}|in_domain]"
        )
    script.lines.append(f"split; [{proofs[0]}|{proofs[1]}].")
